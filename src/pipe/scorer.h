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
    gm_task task;
    const char **classes;  /* [classes_count] */
    int64_t classes_count; /* 0 for regression */
    int64_t outputs;       /* values per row: 1, or classes_count for multiclass */
    const char **inputs;   /* the raw columns that it reads [inputs_count] */
    gm_type *input_types;  /* as they were in training; of a foreign model that was never packaged: as its graph takes them */
    const char **input_formats; /* how their texts were read, see gm_field; NULL outside a package, and so may each be */
    size_t inputs_count;
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

/* From a JSON list of texts; in a. */
gm_rc gm_classes_read(const gm_node *list, gm_arena *a, const char ***out, int64_t *out_count, gm_err *err);
gm_task gm_task_from_name(const char *name);                                          /* UNKNOWN when there is none */
gm_rc gm_model_format_from_name(const char *name, gm_model_format *out, gm_err *err); /* linear, xgboost, lightgbm, onnx */
const char *gm_model_format_name(gm_model_format f);

#endif
