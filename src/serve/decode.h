/* decode.h - requests that are tables (MLflow, SageMaker, KServe V1, Vertex AI) to rows; protocol_oip.h has tensors.
 *
 * A body is read once, into a gm_frame; gm_frame_decode then fills rows from it as often as asked, by any schema, and changes
 * nothing.
 */
#ifndef GM_SERVE_DECODE_H
#define GM_SERVE_DECODE_H

#include "serve/json_in.h"
#include "serve/rows.h"

typedef enum gm_frame_form {
    GM_FRAME_ROWS,    /* items: each an object by names, a list in the schema's order, or the only value     */
    GM_FRAME_SPLIT,   /* names and items: each a list in the order of names                                  */
    GM_FRAME_COLUMNS, /* names are keys of an object, each with a list of values                             */
    GM_FRAME_LINES,   /* as ROWS, one document per line                                                      */
    GM_FRAME_CSV
} gm_frame_form;

typedef struct gm_frame {
    gm_frame_form form;
    int64_t rows;
    const gm_jv *names;        /* SPLIT: a list of texts; COLUMNS: the object            */
    const gm_jv *items;        /* ROWS, SPLIT: the list                                  */
    const gm_jv *const *lines; /* LINES [rows]                                           */
    gm_slice csv;              /* CSV: valid UTF-8 without NUL                            */
    gm_arena *arena;           /* the request's                                          */
} gm_frame;

/* MLflow's JSON: exactly one of dataframe_split, dataframe_records, instances, inputs; params is accepted and not used. */
gm_rc gm_frame_mlflow(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err);
/* {"instances": [...]}; anything else at the top is ignored. */
gm_rc gm_frame_instances(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err);
/* A JSON value per line; empty lines are left out. */
gm_rc gm_frame_lines(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err);
/* Comma-separated, fields in double quotes where needed. The first line is a header when one of its fields names a column of the
 * schema, else the columns are the schema's inputs in order. Empty lines are left out; an empty field is missing. */
gm_rc gm_frame_csv(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err);

/* A gm_decode of infer.h; ctx is a gm_frame. Errors: GM_EINVALID with row and column. */
gm_rc gm_frame_decode(void *ctx, const gm_served_schema *s, gm_rows *rows, gm_err *err);
gm_rc gm_frame_decode_csv(const gm_frame *f, const gm_served_schema *s, gm_rows *rows, gm_err *err);

/* A JSON value into a cell. A list or an object is GM_EINVALID. */
gm_rc gm_rows_set_json(gm_rows *r, size_t column, int64_t row, const gm_jv *v, gm_err *err);
/* The body of a request for gm_jv_read in place: writable, see gm_http_request. */
char *gm_body_text(gm_slice body);

#endif
