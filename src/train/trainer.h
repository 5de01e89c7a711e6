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
    void *prepared;        /* of this trainer's prepare() for the same data, or NULL: train() then prepares for itself */
} gm_train_data;

typedef struct gm_train_options {
    uint64_t seed;
    int64_t threads;       /* 1 = bit-equal on every run; < 1 means 1 */
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
    /* Draw conf's searched parameters for a trial from r; trial 0 keeps what conf holds. May be NULL. */
    void (*sample)(void *conf, int64_t trial, gm_random *r);
    /* What trials of one search share: the data in the trainer's own form (binned, or laid out for linear algebra). No searched
     * parameter may change it. Both NULL or both set. d's arrays are borrowed until release. */
    gm_rc (*prepare)(const void *conf, const gm_train_data *d, const gm_train_options *o, void **out_prepared, gm_err *err);
    void (*release)(void *prepared); /* NULL is fine */
    /* Fit, and write the native file into o->out_dir. The same conf, data, seed and one thread give the same bytes, with or without
     * d->prepared. Without validation rows there is no early stopping. a: for what out points to.
     * Errors  GM_EINVALID      the data or a parameter does not suit (a missing value in a linear trainer, a metric of another task)
     *         GM_EUNAVAILABLE  the library cannot be loaded
     *         GM_EINTERNAL     the library failed; its message is in err
     *         GM_ENOMEM, GM_EIO */
    gm_rc (*train)(const void *conf, const gm_train_data *d, const gm_train_options *o, gm_arena *a,
                   gm_train_result *out, gm_err *err);
} gm_trainer;

extern const gm_registry gm_trainers;

/* Does d suit the trainer: task, sizes, class indices, at least two classes, no missing value where wants_scaled. Errors: GM_EINVALID. */
gm_rc gm_train_check(const gm_trainer *t, const gm_train_data *d, gm_err *err);
/* Check, then train. What gm_search and callers use. */
gm_rc gm_train(const gm_trainer *t, const void *conf, const gm_train_data *d, const gm_train_options *o, gm_arena *a,
               gm_train_result *out, gm_err *err);

typedef struct gm_trial {
    int64_t number;
    const char *params_json;
    double score;      /* of the search metric, sign turned so that higher is better */
    double metric;     /* as people read it */
    int64_t rounds;
    double seconds;
    const char *error; /* "" */
} gm_trial;
/* predicted: as gm_model_predict writes it. */
typedef gm_rc (*gm_score_fn)(void *ctx, const double *y, const double *predicted, int64_t rows, double *out_metric,
                             double *out_score, gm_err *err);
/* `search: N trials`: random search. Trial 0 is base_conf itself; trial k > 0 draws from the trainer's ranges with the generator seeded by
 * gm_hash_u64(o->seed, k), so that a trial does not depend on how many others there are. Each model is read back from its file and scored
 * on the validation rows; the best one's file stays in out_dir (ties: the lowest number). A trial that fails is recorded and passed over;
 * when trial 0 fails, so does the search. One trial without validation rows is a plain training: its score is NaN.
 * out_conf    [t->item.conf_size] of the best trial
 * out_trials  [trials]; params_json and error in a
 * Errors      GM_EINVALID (several trials without validation rows, trials < 1); those of trial 0; GM_EIO */
gm_rc gm_search(const gm_trainer *t, const void *base_conf, int64_t trials, const gm_train_data *d,
                const gm_train_options *o, gm_score_fn score, void *score_ctx, gm_arena *a, gm_train_result *out_best,
                void *out_conf, gm_trial *out_trials, gm_err *err);

#endif
