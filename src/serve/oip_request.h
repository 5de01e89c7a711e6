/* oip_request.h - datatypes of the Open Inference Protocol; for decode_oip.c and oip_request.c only. */
#ifndef GM_SERVE_OIP_REQUEST_H
#define GM_SERVE_OIP_REQUEST_H

#include "serve/decode_oip.h"

typedef enum gm_oip_type_kind {
    GM_OIP_BOOL,
    GM_OIP_UNSIGNED,
    GM_OIP_SIGNED,
    GM_OIP_HALF,   /* as raw bytes only */
    GM_OIP_BFLOAT, /* as raw bytes only */
    GM_OIP_FLOAT,
    GM_OIP_DOUBLE,
    GM_OIP_BYTES
} gm_oip_type_kind;

struct gm_oip_type {
    const char *name;
    char last;   /* of the name: tells most of them apart */
    size_t size; /* bytes; 0 for BYTES: each a length of 4 bytes, then the text */
    gm_oip_type_kind kind;
    int64_t low, high; /* of whole numbers */
};

/* NULL when there is none of that name. */
const gm_oip_type *gm_oip_type_of(gm_slice name);

#endif
