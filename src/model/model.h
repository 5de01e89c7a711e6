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

/* From the trainer's native file; what the model holds besides the arena is given back when the arena is. A foreign ONNX model predicts from
 * its output `probability`, `probabilities` or `prediction`, else from its first of numbers; two columns of probability are a binary model's.
 * (linear: model.json; xgboost: model.json (XGBoost's JSON); lightgbm: model.txt; onnx: model.onnx)
 * Errors: GM_ENOTFOUND, GM_EIO, GM_EINVALID (not such a model), GM_EUNSUPPORTED (one with parts we do not have). */
gm_rc gm_model_load(gm_model_format format, const char *path, gm_arena *a, gm_model **out, gm_err *err);
/* A model over parts in memory, borrowed until the arena is reset. NULL when memory is out. */
gm_model *gm_model_of_linear(gm_linear *linear, gm_arena *a);
gm_model *gm_model_of_trees(gm_trees *trees, gm_arena *a);
gm_model_format gm_model_format_of(const gm_model *m);
const gm_trees *gm_model_trees(const gm_model *m);   /* NULL unless trees */
const gm_linear *gm_model_linear(const gm_model *m); /* NULL unless linear */
int64_t gm_model_outputs(const gm_model *m);         /* values per row that predict writes */
/* out [rows * outputs]. Errors: GM_EINVALID when the width differs; GM_ENOMEM. */
gm_rc gm_model_predict(const gm_model *m, const gm_matrix *x, double *out, gm_err *err);

/* What one thread predicts in. After a call or two gm_model_predict_with allocates nothing (ONNX Runtime does, inside). Owned. */
typedef struct gm_model_work gm_model_work;
gm_rc gm_model_work_new(const gm_model *m, gm_model_work **out, gm_err *err);
void gm_model_work_free(gm_model_work *w);
gm_rc gm_model_predict_with(const gm_model *m, gm_model_work *w, const gm_matrix *x, double *out, gm_err *err);

/* Trees: choose the fastest kernels on these rows, of at least one; see gm_engine_measure. Before any gm_model_work is made and before other
 * threads see the model. Nothing to choose in other models. */
gm_rc gm_model_measure(gm_model *m, const gm_matrix *rows, int64_t budget_ms, gm_err *err);
/* What predicts, and how fast if it was measured: gm_engine_json for trees, {"one_row": {"kernel": "linear" | "onnxruntime"}} for others. */
void gm_model_engine_json(const gm_model *m, gm_json *j);

/* A linear model's own file: {"format": "gristmill-linear", "version": 1, "link", "features", "outputs", "weights": [outputs][features],
 * "intercept": [outputs]}. Errors of reading: GM_EINVALID with place. */
void gm_linear_json(const gm_linear *m, gm_json *j);
gm_rc gm_linear_read(const gm_node *json, gm_arena *a, gm_linear **out, gm_err *err);
/* out [rows, outputs] row-major margins, before the link. Errors: GM_EINVALID when the width differs. */
gm_rc gm_linear_margin(const gm_linear *m, const gm_matrix *x, double *out, gm_err *err);
/* In place, values [rows, outputs]: margins to predictions. scale multiplies the margin under the sigmoid. */
void gm_link_apply(gm_link link, double scale, double *values, int64_t rows, int64_t outputs);
const char *gm_link_name(gm_link link); /* "sigmoid"; static */

/* ---- ONNX Runtime --------------------------------------------------------------------------------------- */

typedef struct gm_ort gm_ort; /* a session: CPU, one thread inside; owned; constant, calls may come from several threads */
/* Errors: GM_ENOTFOUND, GM_EINVALID (not a model, or not a valid one), GM_EUNSUPPORTED (an operator it does not have; a loop that could
 * not be stopped), GM_EUNAVAILABLE (the library is not there). */
gm_rc gm_ort_open(const char *onnx_path, gm_ort **out, gm_err *err);
void gm_ort_close(gm_ort *s);
/* A prediction may take run_ms, and row_ms for each row; 5 s and 20 ms unless this is called, before others see s. */
void gm_ort_limit(gm_ort *s, int64_t run_ms, int64_t row_ms);
#define GM_ORT_VERSION "1.32.0"
const char *gm_ort_version(void);                   /* GM_ORT_VERSION, what this program is built for and tested with; static */
const char *gm_ort_library_version(const gm_ort *s); /* what was loaded; static */
/* Feed the table's columns by the graph's input names (missing: NaN, "__missing__", INT64_MIN), read output `name` (or name_, see
 * gm_onnx_output) as doubles [rows, *out_width] row-major in arena. A graph whose only input is a matrix [N, F] and not a column of t
 * takes the F columns of t in their order. Errors: GM_EINVALID (no such column or output, a value the input's type cannot hold),
 * GM_EUNSUPPORTED (an output that is not a tensor of numbers), GM_ECANCELED (it took too long and was stopped). */
gm_rc gm_ort_predict(gm_ort *s, const gm_table *t, const char *output, gm_arena *a, double **out, int64_t *out_width,
                     gm_err *err);
/* The same for an output of one text or integer per row: texts [rows] in arena. */
gm_rc gm_ort_predict_texts(gm_ort *s, const gm_table *t, const char *output, gm_arena *a, const char ***out, gm_err *err);
/* The output that holds a foreign graph's predictions: `probability`, `probabilities`, `output_probability`, `prediction`, `variable`, else the
 * first of real numbers; in arena. GM_EUNSUPPORTED, naming the outputs found, when there is none. */
gm_rc gm_ort_prediction_output(gm_ort *s, gm_arena *a, const char **out_name, gm_err *err);
/* Names and types of the graph's inputs (type UNKNOWN when not one of ours); in arena. */
gm_rc gm_ort_inputs(gm_ort *s, gm_arena *a, const char ***out_names, gm_type **out_types, size_t *out_count, gm_err *err);
/* Columns of an output as the file states them; 1 for [N]; -1 when it does not say. */
int64_t gm_ort_output_width(const gm_ort *s, const char *output);
gm_rc gm_ort_outputs(gm_ort *s, gm_arena *a, const char ***out_names, gm_type **out_types, size_t *out_count, gm_err *err);

#define GM_ONNX_MISSING_TEXT "__missing__"

#endif
