/* decode_oip.h - inference requests of the Open Inference Protocol (version 2), as JSON and with binary tensors, to rows.
 *
 * A tensor per column: shape [N] or [N, 1], the same N in all. A model whose inputs are all numbers takes one tensor [N, inputs]
 * as well. Read once; decoding changes nothing and may be repeated with another schema.
 */
#ifndef GM_SERVE_DECODE_OIP_H
#define GM_SERVE_DECODE_OIP_H

#include "serve/decode.h"

typedef struct gm_oip_type gm_oip_type; /* a datatype: BOOL, INT8 ... FP64, BYTES */

typedef struct gm_oip_tensor {
    gm_slice name;
    const gm_oip_type *type;
    int64_t rows, width;      /* of the shape: its first dimension, and the product of the others */
    const gm_jv *data;        /* JSON; NULL: raw                                                  */
    const unsigned char *raw; /* little-endian, not aligned                                       */
    size_t raw_len;
} gm_oip_tensor;

typedef enum gm_oip_output_kind { GM_OIP_PROBABILITY, GM_OIP_PROBABILITIES, GM_OIP_LABEL, GM_OIP_PREDICTION } gm_oip_output_kind;

typedef struct gm_oip_output {
    gm_slice name;
    bool binary;
    int64_t classification; /* so many classes as texts instead of the values; 0 = the values */
} gm_oip_output;

typedef struct gm_oip_request {
    gm_slice id;
    gm_oip_tensor *tensors; /* [tensors_count] */
    size_t tensors_count;
    gm_oip_output *outputs; /* [outputs_count]; none: all */
    size_t outputs_count;
    bool binary_outputs; /* what outputs are that were not asked for one by one */
    bool raw;            /* the whole body is the only input's values: no JSON  */
    gm_slice body;
} gm_oip_request;

/* json_len: of the header Inference-Header-Content-Length; -1 = not given, the body is JSON; 0 = a raw request. Reads the body in
 * place. Errors: GM_EINVALID, which says where. */
gm_rc gm_oip_read(gm_slice body, int64_t json_len, gm_arena *a, gm_oip_request *out, gm_err *err);
/* A gm_decode of infer.h; ctx is a gm_oip_request. The outputs that are asked for are checked too. */
gm_rc gm_oip_decode(void *ctx, const gm_served_schema *s, gm_rows *rows, gm_err *err);
/* Names of a model's outputs, [2] at most; their count. Static. */
size_t gm_oip_outputs(gm_task task, const gm_oip_output_kind **out_kinds);
const char *gm_oip_output_name(gm_oip_output_kind k);
const char *gm_oip_output_datatype(gm_oip_output_kind k);
/* The datatype in which a column is described. */
const char *gm_oip_column_datatype(const gm_served_column *c);

#endif
