/* onnx.h - building an ONNX graph: nodes, constants, inputs, outputs. Serialised through protobuf-c.
 *
 * Domains ai.onnx (opset 18) and ai.onnx.ml (opset 3). Tensor names are unique; op helpers return the new tensor's name (in the graph's arena), or
 * NULL after a failure, which is remembered and returned by gm_onnx_write: callers check once, at the end.
 */
#ifndef GM_MODEL_ONNX_H
#define GM_MODEL_ONNX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/column.h"
#include "model/model.h"

typedef struct gm_onnx gm_onnx;
typedef enum gm_onnx_type { GM_ONNX_FLOAT = 1, GM_ONNX_INT64 = 7, GM_ONNX_STRING = 8, GM_ONNX_BOOL = 9, GM_ONNX_DOUBLE = 11 } gm_onnx_type;

gm_onnx *gm_onnx_new(gm_arena *a);
/* Graph input: one column. Nodes read it as [N,1] under its name, which is returned. It is fed as [N,1] when it is the only input, else
 * as [N]: these are the shapes that MLflow's own onnx flavor gives to a table's columns. */
const char *gm_onnx_input(gm_onnx *g, const char *name, gm_onnx_type type);
/* Graph output [N, width]; width 0: [N]. When an input has that name already, the output is called name_ (gm_ort_predict knows). */
void gm_onnx_output(gm_onnx *g, const char *tensor, const char *name, gm_onnx_type type, int64_t width);
/* Constants. dims NULL/0 = scalar. */
const char *gm_onnx_doubles(gm_onnx *g, const double *v, const int64_t *dims, size_t dims_count);
const char *gm_onnx_floats(gm_onnx *g, const float *v, const int64_t *dims, size_t dims_count);
const char *gm_onnx_int64s(gm_onnx *g, const int64_t *v, const int64_t *dims, size_t dims_count);
const char *gm_onnx_strings(gm_onnx *g, const char *const *v, const int64_t *dims, size_t dims_count);
const char *gm_onnx_bools(gm_onnx *g, const bool *v, const int64_t *dims, size_t dims_count);
const char *gm_onnx_double(gm_onnx *g, double v); /* scalar */
/* A node with one output. op "Add" is ai.onnx; "ml.LabelEncoder" is ai.onnx.ml. inputs: tensor names. */
const char *gm_onnx_node(gm_onnx *g, const char *op, const char *const *inputs, size_t inputs_count);
const char *gm_onnx_op1(gm_onnx *g, const char *op, const char *x);
const char *gm_onnx_op2(gm_onnx *g, const char *op, const char *x, const char *y);
const char *gm_onnx_op3(gm_onnx *g, const char *op, const char *x, const char *y, const char *z);
/* Another output of the node made last: its name. */
const char *gm_onnx_second_output(gm_onnx *g);
/* Attributes of the node made last. */
void gm_onnx_attr_int(gm_onnx *g, const char *name, int64_t v);
void gm_onnx_attr_float(gm_onnx *g, const char *name, float v);
void gm_onnx_attr_str(gm_onnx *g, const char *name, const char *v);
void gm_onnx_attr_ints(gm_onnx *g, const char *name, const int64_t *v, size_t n);
void gm_onnx_attr_floats(gm_onnx *g, const char *name, const float *v, size_t n);
void gm_onnx_attr_strs(gm_onnx *g, const char *name, const char *const *v, size_t n);
void gm_onnx_attr_tensor_doubles(gm_onnx *g, const char *name, const double *v, size_t n); /* 1-D DOUBLE tensor */
void gm_onnx_attr_tensor_strs(gm_onnx *g, const char *name, const char *const *v, size_t n); /* 1-D STRING tensor */
void gm_onnx_attr_tensor_int64s(gm_onnx *g, const char *name, const int64_t *v, size_t n);   /* 1-D INT64 tensor  */
const char *gm_onnx_cast(gm_onnx *g, const char *x, gm_onnx_type to);
void gm_onnx_metadata(gm_onnx *g, const char *key, const char *value);
/* Serialise. Errors: the first failure of any call above. */
gm_rc gm_onnx_write(gm_onnx *g, gm_buf *out, gm_err *err);

/* Emit a model that reads the double tensor `x` [N, width]: gives the tensor of predictions (double, [N, outputs]) as gm_model_predict. */
gm_rc gm_onnx_emit_model(gm_onnx *g, const gm_model *m, const char *x, const char **out_tensor, gm_err *err);

/* What the last tensor of a graph means to a reader of predictions. */
typedef struct gm_onnx_target {
    bool classification;      /* false: regression                                                                  */
    const char *const *texts; /* [classes] labels as text; or NULL                                                   */
    const int64_t *ints;      /* [classes] labels as numbers, when texts is NULL; NULL too: 0 .. classes-1           */
    size_t classes;           /* 2: tensor is [N,1], the probability of class 1; more: [N, classes]                  */
    double threshold;         /* two classes: class 1 when its probability >= this; 0 = 0.5                          */
} gm_onnx_target;
/* Name the outputs. Regression: `prediction` [N,1]. Classification: `probability` (two classes [N,1], else [N, classes])
 * and `label` [N,1], the most probable class (ties: the first; two classes: by threshold). tensor is double. */
void gm_onnx_finish(gm_onnx *g, const gm_onnx_target *target, const char *tensor);

#endif
