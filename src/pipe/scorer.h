/* scorer.h - raw rows in, predictions out: a feature program and a model, or a whole package. */
#ifndef GM_PIPE_SCORER_H
#define GM_PIPE_SCORER_H

#include "feature/program.h"
#include "model/model.h"

typedef struct gm_scorer {
    gm_program *program; /* NULL: a foreign model that reads raw columns */
    gm_model *model;     /* NULL then */
    gm_ort *ort;         /* foreign models only; closed with the arena */
    const char *ort_output;
    gm_model *trees;      /* the foreign graph's trees in our engine, where it answers as ONNX Runtime does; else NULL */
    size_t *trees_inputs; /* the input that each of its features is */
    gm_task task;
    const char **classes;  /* [classes_count] */
    int64_t classes_count; /* 0 for regression */
    int64_t outputs;       /* values per row: 1, or classes_count for multiclass */
    const char **inputs;   /* the raw columns that it reads [inputs_count] */
    gm_type *input_types;  /* as they were in training; of a foreign model that was never packaged: as its graph takes them */
    const char **input_formats; /* how their texts were read, see gm_field; NULL outside a package, and so may each be */
    size_t inputs_count;
    const double *means; /* of a linear model: [features] over the package's reference rows, for explanations; NULL: nobody recorded them */
} gm_scorer;

/* The parts: features NULL for a foreign model. */
gm_rc gm_scorer_parts(const char *features_path, const char *model_path, gm_model_format format, gm_task task,
                      const char *const *classes, int64_t classes_count, gm_arena *a, gm_scorer *out, gm_err *err);
/* A package's folder. */
gm_rc gm_scorer_package(const char *dir, gm_arena *a, gm_scorer *out, gm_err *err);
/* Errors of a foreign model: GM_EINVALID (an input that names no column), GM_EUNSUPPORTED (an input or output of a kind we cannot
 * feed or read). out [rows * outputs]. Matrices live in scratch, in blocks of rows, so that memory does not grow with the table.
 */
gm_rc gm_scorer_predict(const gm_scorer *s, const gm_table *raw, double *out, gm_err *err);

/* What one thread needs to score again and again: after the first calls of a size nothing is allocated. */
typedef struct gm_scorer_session gm_scorer_session;
gm_rc gm_scorer_session_new(const gm_scorer *s, gm_scorer_session **out, gm_err *err); /* owned; s is borrowed */
void gm_scorer_session_free(gm_scorer_session *w);
/* As gm_scorer_predict, bit for bit. raw: exactly the scorer's inputs in their order, so that nothing is looked up by name; numbers of any
 * type stand in for each other. */
gm_rc gm_scorer_session_predict(gm_scorer_session *w, const gm_table *raw, double *out, gm_err *err);
/* The features of the last predict's rows (its last block), column-major, for logs and explanations; borrowed until the next call. NULL for a
 * foreign model. */
const gm_matrix *gm_scorer_session_features(const gm_scorer_session *w);

/* From a JSON list of texts; in a. */
gm_rc gm_classes_read(const gm_node *list, gm_arena *a, const char ***out, int64_t *out_count, gm_err *err);
gm_task gm_task_from_name(const char *name);                                          /* UNKNOWN when there is none */
gm_rc gm_model_format_from_name(const char *name, gm_model_format *out, gm_err *err); /* linear, xgboost, lightgbm, onnx */
const char *gm_model_format_name(gm_model_format f);

#endif
