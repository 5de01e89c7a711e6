/* reply.h - an answer as each protocol writes it. Everything goes to a buffer that is kept from request to request. */
#ifndef GM_SERVE_REPLY_H
#define GM_SERVE_REPLY_H

#include "serve/decode_oip.h"
#include "serve/infer.h"

/* A list of an object per row: {"probability": 0.7, "label": "true"}, {"probabilities": [...], "label": "x"} or
 * {"prediction": 3.5}. What is not finite is null. This is what a data frame of the model's outputs looks like in JSON, so
 * MLflow's clients read it as they always did. */
void gm_reply_records(const gm_answer *a, gm_buf *out);
/* {"predictions": records} */
void gm_reply_predictions(const gm_answer *a, gm_buf *out);
/* A line per row, without a header: probability,label or probability of each class,label or prediction. */
void gm_reply_csv(const gm_answer *a, gm_buf *out);
/* A record per line. */
void gm_reply_lines(const gm_answer *a, gm_buf *out);
/* The reply to an inference request. Returns the bytes of its JSON when binary data follow, else 0.
 * Errors: none; out->failed when memory is out. a_scratch: for classifications. */
size_t gm_reply_oip(const gm_oip_request *q, const gm_answer *a, gm_arena *scratch, gm_buf *out);

/* A text in quotes, escaped; a number, null when it is not finite. */
void gm_reply_text(gm_buf *out, const char *text, size_t len);
void gm_reply_number(gm_buf *out, double v);

#endif
