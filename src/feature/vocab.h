/* vocab.h - the distinct values of a category as seen in training, sorted, with a fast way back to their index.
 *
 * Values are texts (byte order, which is code point order) or numbers. Missing is never one of the values: it has the
 * index `count`, and `missing` says whether training saw it. The text "__missing__" is missing too, since that is
 * how a missing text enters an ONNX graph. Constant once built.
 */
#ifndef GM_FEATURE_VOCAB_H
#define GM_FEATURE_VOCAB_H

#include "feature/transform.h"

typedef struct gm_vocab {
    bool is_text;
    bool missing;         /* training had missing values           */
    int32_t count;        /* values, without missing               */
    const char **texts;   /* [count] sorted; is_text               */
    uint32_t *lens;       /* [count] bytes                         */
    double *numbers;      /* [count] sorted; otherwise             */
    int32_t *slots;       /* open addressing: index + 1, 0 is free */
    uint32_t mask;
} gm_vocab;

#define GM_VOCAB_UNKNOWN (-1)

/* From column `col` of a block that holds all rows. out_counts [count + 1]: rows of each value, missing last; in
 * scratch. Errors: GM_EINVALID (more than 1,000,000 values), GM_ENOMEM. */
gm_rc gm_vocab_fit(const gm_values *in, int64_t col, gm_arena *a, gm_arena *scratch, gm_vocab *out,
                   int64_t **out_counts, gm_err *err);
/* Index of a value: 0 .. count - 1, count when missing, GM_VOCAB_UNKNOWN. */
int32_t gm_vocab_of_text(const gm_vocab *v, const char *text, size_t len);
int32_t gm_vocab_of_number(const gm_vocab *v, double x);
/* Index of each text of a column's dictionary, as a memo for gm_vocab_at; NULL when the column has no more rows than that. */
gm_rc gm_vocab_prepare(const gm_vocab *v, const gm_column *column, gm_arena *scratch, const void **out_memo, gm_err *err);
/* Index of row `row` of the block, column `col`. */
int32_t gm_vocab_at(const gm_vocab *v, const gm_values *in, int64_t col, int64_t row);
/* Name of value i ("AA", "12", "(missing)"); number_text holds >= 32 bytes. */
const char *gm_vocab_name(const gm_vocab *v, int32_t i, char *number_text);

/* As members "values", "categories" and "missing" of an open JSON object, and back for a column of type. */
void gm_vocab_write(const gm_vocab *v, gm_json *j);
gm_rc gm_vocab_read(const gm_node *json, gm_type type, gm_arena *a, gm_vocab *out, gm_err *err);

/* An int64 tensor [N, 1] of to[index] for each row: to [count + 1] (missing last), unknown otherwise. x as given to emit,
 * a single column. */
const char *gm_vocab_emit(const gm_vocab *v, gm_onnx *g, const char *x, const int64_t *to, int64_t unknown);
/* The name of an int32_t constant in C: the index of `a` (a text) or `a[i]` (a number), count when missing, -1 when unknown. */
const char *gm_vocab_c(const gm_vocab *v, int64_t i, gm_c *c);

#endif
