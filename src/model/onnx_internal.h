/* onnx_internal.h - the graph as it is collected by onnx_graph.c and written by onnx_write.c. */
#ifndef GM_MODEL_ONNX_INTERNAL_H
#define GM_MODEL_ONNX_INTERNAL_H

#include "model/onnx.h"

/* Values of a tensor or an attribute: one array of one type. */
typedef struct gm_onnx_values {
    gm_onnx_type type;
    const void *data; /* [count] float, double, int64_t, bool or const char * by type; in arena */
    size_t count;
} gm_onnx_values;

typedef struct gm_onnx_constant {
    const char *name;
    gm_onnx_values values;
    const int64_t *dims; /* [dims_count] */
    size_t dims_count;
} gm_onnx_constant;

typedef enum gm_onnx_attr_kind { GM_ONNX_ATTR_ONE, GM_ONNX_ATTR_LIST, GM_ONNX_ATTR_TENSOR } gm_onnx_attr_kind;

typedef struct gm_onnx_attr {
    const char *name;
    gm_onnx_attr_kind kind;
    gm_onnx_values values;
} gm_onnx_attr;

typedef struct gm_onnx_op {
    const char *type, *domain; /* domain "" or "ai.onnx.ml" */
    const char **inputs;       /* [inputs_count] */
    size_t inputs_count;
    const char *output, *second; /* second: NULL unless it has two */
    gm_onnx_attr *attrs; /* [attrs_count] */
    size_t attrs_count, attrs_capacity;
} gm_onnx_op;

typedef struct gm_onnx_port {
    const char *name;
    gm_onnx_type type;
    int64_t width;      /* outputs; 0: [N] */
    const char *column; /* inputs: the tensor [N,1] that nodes read */
} gm_onnx_port;

typedef struct gm_onnx_entry {
    const char *key, *value;
} gm_onnx_entry;

struct gm_onnx {
    gm_arena *arena;
    gm_err failure; /* the first; rc GM_OK when none */
    size_t names_made;
    gm_onnx_op *ops;
    gm_onnx_constant *constants;
    gm_onnx_port *inputs, *outputs;
    gm_onnx_entry *metadata;
    size_t ops_count, ops_capacity, constants_count, constants_capacity;
    size_t inputs_count, inputs_capacity, outputs_count, outputs_capacity;
    size_t metadata_count, metadata_capacity;
};

/* Remember the first failure. Returns NULL, so that helpers can return it. */
const char *gm_onnx_fail(gm_onnx *g, gm_rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Margins [N, outputs], double, of an ensemble over the double tensor x [N, features]; in onnx_trees.c. */
const char *gm_onnx_emit_trees(gm_onnx *g, const gm_trees *t, const char *x);

#endif
