/* model.h - one predict for every kind of model.
 *
 * A gm_model takes the feature matrix (built-in trainers) or raw columns (foreign ONNX) and gives predictions:
 * binary: probability of the positive class [rows]; multiclass: probabilities [rows, classes] row-major; regression: value [rows].
 */
#ifndef GM_MODEL_MODEL_H
#define GM_MODEL_MODEL_H

#include "base/column.h"
#include "base/node.h"
#include "base/buf.h"
#include "model/trees.h"

typedef struct gm_linear {
    int64_t features, outputs; /* outputs: 1 for binary and regression, classes for multiclass */
    double *weights;           /* [outputs, features] row-major */
    double *intercept;         /* [outputs] */
    gm_link link;
} gm_linear;

typedef enum gm_model_format { GM_MODEL_LINEAR, GM_MODEL_XGBOOST, GM_MODEL_LIGHTGBM, GM_MODEL_ONNX } gm_model_format;

typedef struct gm_model gm_model; /* constant once loaded; shared by threads */

/* From the trainer's native file (linear: model.json; xgboost: model.json (XGBoost JSON) or .ubj via the library; lightgbm: model.txt; onnx: model.onnx). */
gm_rc gm_model_load(gm_model_format format, const char *path, gm_arena *a, gm_model **out, gm_err *err);
gm_model_format gm_model_format_of(const gm_model *m);
const gm_trees *gm_model_trees(const gm_model *m);   /* NULL unless trees */
const gm_linear *gm_model_linear(const gm_model *m); /* NULL unless linear */
int64_t gm_model_outputs(const gm_model *m);         /* values per row that predict writes */
/* out [rows * outputs]. Errors: GM_EINVALID when the width differs. */
gm_rc gm_model_predict(const gm_model *m, const gm_matrix *x, double *out, gm_err *err);

void gm_linear_json(const gm_linear *m, gm_json *j);
gm_rc gm_linear_read(const gm_node *json, gm_arena *a, gm_linear **out, gm_err *err);

/* ---- ONNX Runtime --------------------------------------------------------------------------------------- */

typedef struct gm_ort gm_ort; /* a session; owned; one thread at a time */
gm_rc gm_ort_open(const char *onnx_path, gm_ort **out, gm_err *err);
void gm_ort_close(gm_ort *s);
const char *gm_ort_version(void); /* "1.32.0" pinned; static */
/* Feed the table's columns as [N,1] tensors by the graph's input names (missing: NaN, "__missing__", INT64_MIN), read output `name` as
 * doubles [rows, *out_width] in arena. Column not in t: GM_EINVALID. */
gm_rc gm_ort_predict(gm_ort *s, const gm_table *t, const char *output, gm_arena *a, double **out, int64_t *out_width,
                     gm_err *err);
/* Names and types of the graph's inputs (type UNKNOWN when not one of ours); in arena. */
gm_rc gm_ort_inputs(gm_ort *s, gm_arena *a, const char ***out_names, gm_type **out_types, size_t *out_count, gm_err *err);

#define GM_ONNX_MISSING_TEXT "__missing__"

#endif
