/* trainer.h - built-in trainers: a matrix and a target in, a native model file out.
 *
 * To add one: copy trainers/logistic.c, add its line to trainer_list.h.
 */
#ifndef GM_TRAIN_TRAINER_H
#define GM_TRAIN_TRAINER_H

#include "base/column.h"
#include "base/random.h"
#include "base/registry.h"
#include "feature/program.h"
#include "model/model.h"

typedef struct gm_train_data {
    const gm_matrix *x;    /* training rows      */
    const double *y;       /* [rows] value, or class index 0 .. classes-1; no NaN */
    const gm_matrix *valid_x; /* for early stopping and search; may be NULL */
    const double *valid_y;
    gm_task task;
    int64_t classes;       /* 2 for binary, 0 for regression */
} gm_train_data;

typedef struct gm_train_options {
    uint64_t seed;
    int64_t threads;       /* 1 = bit-equal on every run */
    const char *out_dir;   /* the native file is written here */
    void (*progress)(void *ctx, int64_t round, int64_t rounds, double valid_metric);
    void *progress_ctx;
} gm_train_options;

typedef struct gm_train_result {
    gm_model_format format;
    const char *file;      /* name within out_dir: "model.json", "model.txt" */
    int64_t rounds;        /* boosting rounds kept, iterations of a linear fit */
    bool converged;
    double seconds;
} gm_train_result;

typedef struct gm_trainer {
    gm_item item;              /* params fill conf                              */
    unsigned tasks;            /* bits 1 << gm_task it can do                   */
    bool wants_scaled;         /* linear: features standardised, nothing missing */
    const char *version;       /* of the library, in the action key             */
    /* Draw conf's searched parameters for a trial from r; trial 0 keeps the defaults. May be NULL. */
    void (*sample)(void *conf, int64_t trial, gm_random *r);
    gm_rc (*train)(const void *conf, const gm_train_data *d, const gm_train_options *o, gm_arena *a,
                   gm_train_result *out, gm_err *err);
} gm_trainer;

extern const gm_registry gm_trainers;

/* `search: N trials`: train N confs, score each on validation with `score` (higher is better), keep the best one's file in out_dir. */
typedef struct gm_trial {
    int64_t number;
    const char *params_json;
    double score;      /* of the search metric, sign turned so that higher is better */
    double metric;     /* as people read it */
    int64_t rounds;
    double seconds;
    const char *error; /* "" */
} gm_trial;
typedef gm_rc (*gm_score_fn)(void *ctx, const double *y, const double *predicted, int64_t rows, double *out_metric,
                             double *out_score, gm_err *err);
gm_rc gm_search(const gm_trainer *t, const void *base_conf, int64_t trials, const gm_train_data *d,
                const gm_train_options *o, gm_score_fn score, void *score_ctx, gm_arena *a, gm_train_result *out_best,
                void *out_conf, gm_trial *out_trials, gm_err *err);

#endif
