/* lightgbm.c - gradient boosting by LightGBM, through its C interface.
 *
 * The column-major matrix is read in place and binned once; all trials of a search share the bins. Nothing searched may change them:
 * `feature_pre_filter`, which would drop features by a trial's own leaf size, is off.
 * The model is saved as text, cut after its best round and without the section "parameters" (it holds thread counts), so that the
 * bytes depend on the trees alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "train/boosting.h"
#include "train/lightgbm_api.h"

typedef struct conf {
    double learning_rate, min_child_weight, min_gain, subsample, colsample, reg_lambda, reg_alpha;
    int64_t rounds, num_leaves, max_depth, min_child_samples, max_bin, early_stopping_rounds;
    const char *stop_metric;
} conf;

static const gm_param params[] = {
    { "learning_rate", GM_PARAM_DOUBLE, offsetof(conf, learning_rate), "0.1", "weight of each tree", 1e-6, 1, NULL },
    { "rounds", GM_PARAM_INT, offsetof(conf, rounds), "300", "boosting rounds at most", 1, 100000, NULL },
    { "num_leaves", GM_PARAM_INT, offsetof(conf, num_leaves), "31", "leaves per tree at most", 2, 131072, NULL },
    { "max_depth", GM_PARAM_INT, offsetof(conf, max_depth), "-1", "splits from root to leaf at most; -1 = any", -1, 1024, NULL },
    { "min_child_samples", GM_PARAM_INT, offsetof(conf, min_child_samples), "20", "rows in a leaf at least", 0, 1e9, NULL },
    { "min_child_weight", GM_PARAM_DOUBLE, offsetof(conf, min_child_weight), "0.001", "smallest sum of hessians in a leaf", 0, 1e12, NULL },
    { "min_gain", GM_PARAM_DOUBLE, offsetof(conf, min_gain), "0", "smallest gain of a split", 0, 1e12, NULL },
    { "subsample", GM_PARAM_DOUBLE, offsetof(conf, subsample), "1", "share of rows drawn for each tree", 0.01, 1, NULL },
    { "colsample", GM_PARAM_DOUBLE, offsetof(conf, colsample), "1", "share of features drawn for each tree", 0.01, 1, NULL },
    { "reg_lambda", GM_PARAM_DOUBLE, offsetof(conf, reg_lambda), "0", "L2 penalty on leaf values", 0, 1e12, NULL },
    { "reg_alpha", GM_PARAM_DOUBLE, offsetof(conf, reg_alpha), "0", "L1 penalty on leaf values", 0, 1e12, NULL },
    { "early_stopping_rounds", GM_PARAM_INT, offsetof(conf, early_stopping_rounds), "15", "stop after so many rounds without a better validation metric; 0 = never", 0, 100000, NULL },
    { "stop_metric", GM_PARAM_STR, offsetof(conf, stop_metric), "auto", "validation metric of early stopping; auto = log_loss or rmse", 0, 0, GM_STOP_METRICS },
    { "max_bin", GM_PARAM_INT, offsetof(conf, max_bin), "255", "bins per feature", 2, 65535, NULL },
    { 0 },
};

static void sample(void *opaque, int64_t trial, gm_random *r)
{
    conf *c = opaque;
    if (trial == 0) return;
    c->learning_rate = gm_draw_log_uniform(r, 0.06, 0.3);
    c->num_leaves = gm_draw_log_int(r, 8, 64);
    c->min_child_samples = gm_draw_log_int(r, 10, 300);
    c->subsample = gm_draw_uniform(r, 0.6, 1);
    c->colsample = gm_draw_uniform(r, 0.5, 1);
    c->reg_lambda = gm_draw_log_uniform(r, 1e-3, 20);
    c->reg_alpha = gm_draw_log_uniform(r, 1e-3, 5);
}

/* ---- data in the library's form ---------------------------------------------------------------------------- */

typedef struct prepared {
    gm_lightgbm api;
    void *train, *valid; /* data sets of the library; valid NULL without validation rows */
} prepared;

static gm_rc failed(const gm_lightgbm *api, const char *doing, gm_err *err)
{
    return gm_err_set(err, GM_EINTERNAL, "LightGBM failed %s: %.300s", doing, api->LGBM_GetLastError());
}

static int64_t threads_of(const gm_train_options *o) { return o->threads < 1 ? 1 : o->threads; }

static gm_rc set_label(const gm_lightgbm *api, void *dataset, const double *y, int64_t rows, gm_err *err)
{
    float *label = malloc((size_t)rows * sizeof(*label));
    if (!label) return gm_err_set(err, GM_ENOMEM, "not enough memory for the target of %" PRId64 " rows", rows);
    for (int64_t i = 0; i < rows; i++) label[i] = (float)y[i];
    int bad = api->LGBM_DatasetSetField(dataset, "label", label, (int)rows, GM_LIGHTGBM_FLOAT32);
    free(label);
    return bad ? failed(api, "taking the target", err) : GM_OK;
}

/* reference: the training set, whose bins the validation set takes; or NULL. */
static gm_rc make_dataset(const gm_lightgbm *api, const conf *c, const gm_matrix *x, const double *y, const void *reference,
                          const gm_train_options *o, void **out, gm_err *err)
{
    char text[256];
    if (x->rows > INT32_MAX || x->cols > INT32_MAX)
        return gm_err_set(err, GM_EUNSUPPORTED, "LightGBM takes at most %d rows, not %" PRId64, INT32_MAX, x->rows);
    (void)snprintf(text, sizeof(text),
                   "max_bin=%" PRId64 " feature_pre_filter=false deterministic=true force_row_wise=true verbosity=-1 num_threads=%" PRId64 " data_random_seed=%d",
                   c->max_bin, threads_of(o), gm_library_seed(o->seed));
    if (api->LGBM_DatasetCreateFromMat(x->data, GM_LIGHTGBM_FLOAT64, (int32_t)x->rows, (int32_t)x->cols, 0, text, reference, out))
        return failed(api, "binning the features", err);
    return set_label(api, *out, y, x->rows, err);
}

static void release(void *opaque)
{
    prepared *p = opaque;
    if (!p) return;
    if (p->valid) (void)p->api.LGBM_DatasetFree(p->valid); /* nothing to do about a failure to free */
    if (p->train) (void)p->api.LGBM_DatasetFree(p->train);
    free(p);
}

static gm_rc prepare(const void *opaque, const gm_train_data *d, const gm_train_options *o, void **out, gm_err *err)
{
    prepared *p = calloc(1, sizeof(*p));
    if (!p) return gm_err_set(err, GM_ENOMEM, "not enough memory to prepare the data");
    gm_rc rc = gm_lightgbm_load(&p->api, err);
    if (!rc) rc = make_dataset(&p->api, opaque, d->x, d->y, NULL, o, &p->train, err);
    if (!rc && d->valid_x) rc = make_dataset(&p->api, opaque, d->valid_x, d->valid_y, p->train, o, &p->valid, err);
    if (rc) {
        release(p);
        return rc;
    }
    *out = p;
    return GM_OK;
}

/* ---- training ---------------------------------------------------------------------------------------------- */

static const char *metric_name(gm_stop_metric m, gm_task task)
{
    switch (m) {
    case GM_STOP_LOG_LOSS: return task == GM_TASK_MULTICLASS ? "multi_logloss" : "binary_logloss";
    case GM_STOP_ROC_AUC: return "auc";
    case GM_STOP_RMSE: return "rmse";
    case GM_STOP_MAE: return "mae";
    }
    return "";
}

static void number(gm_buf *b, const char *name, double value)
{
    char text[32];
    gm_buf_printf(b, "%s=%s ", name, gm_double_text(value, text));
}

static void params_text(gm_buf *b, const conf *c, const gm_train_data *d, const gm_train_options *o, gm_stop_metric metric)
{
    const char *objective = d->task == GM_TASK_REGRESSION ? "regression" : d->task == GM_TASK_BINARY ? "binary" : "multiclass";
    gm_buf_printf(b, "verbosity=-1 boosting=gbdt objective=%s metric=%s deterministic=true force_row_wise=true feature_pre_filter=false ", objective,
                  metric_name(metric, d->task));
    gm_buf_printf(b, "num_threads=%" PRId64 " seed=%d ", threads_of(o), gm_library_seed(o->seed));
    if (d->task == GM_TASK_MULTICLASS) gm_buf_printf(b, "num_class=%" PRId64 " ", d->classes);
    number(b, "learning_rate", c->learning_rate);
    number(b, "num_leaves", (double)c->num_leaves);
    number(b, "max_depth", (double)c->max_depth);
    number(b, "min_data_in_leaf", (double)c->min_child_samples);
    number(b, "min_sum_hessian_in_leaf", c->min_child_weight);
    number(b, "min_gain_to_split", c->min_gain);
    number(b, "bagging_fraction", c->subsample);
    number(b, "bagging_freq", c->subsample < 1 ? 1 : 0);
    number(b, "feature_fraction", c->colsample);
    number(b, "lambda_l2", c->reg_lambda);
    number(b, "lambda_l1", c->reg_alpha);
    number(b, "max_bin", (double)c->max_bin);
}

/* Boost until the rounds are done, no leaf can be split, or validation stops improving; *out_kept = rounds worth keeping. */
static gm_rc boost(const prepared *p, void *b, const conf *c, const gm_train_options *o, gm_early_stop *stop, int64_t *out_kept, gm_err *err)
{
    int finished = 0;
    int64_t round = 0;
    while (round < c->rounds) {
        double metric = NAN;
        int count = 0;
        if (p->api.LGBM_BoosterUpdateOneIter(b, &finished)) return failed(&p->api, "in a boosting round", err);
        if (finished) break; /* the round that split nothing is not counted, but for the first, which holds the average */
        if (p->valid && (p->api.LGBM_BoosterGetEval(b, 1, &count, &metric) || count != 1)) return failed(&p->api, "evaluating a round", err);
        round++;
        if (o->progress) o->progress(o->progress_ctx, round, c->rounds, metric);
        if (p->valid && gm_early_stop_add(stop, round, metric)) break;
    }
    if (finished && round == 0) round = 1;
    *out_kept = stop->patience && stop->best_round ? stop->best_round : round;
    return GM_OK;
}

static gm_rc save(const gm_lightgbm *api, void *b, int64_t rounds, const char *path, gm_err *err)
{
    int64_t len = 0; /* with the NUL */
    if (api->LGBM_BoosterSaveModelToString(b, 0, (int)rounds, GM_LIGHTGBM_IMPORTANCE_GAIN, 0, &len, NULL)) return failed(api, "saving the model", err);
    char *text = malloc((size_t)len);
    if (!text) return gm_err_set(err, GM_ENOMEM, "not enough memory for a model of %" PRId64 " bytes", len);
    gm_rc rc = GM_OK;
    if (api->LGBM_BoosterSaveModelToString(b, 0, (int)rounds, GM_LIGHTGBM_IMPORTANCE_GAIN, len, &len, text)) rc = failed(api, "saving the model", err);
    if (!rc) {
        char *cut = strstr(text, "\nparameters:");
        rc = gm_fs_write(path, text, cut ? (size_t)(cut - text) + 1 : strlen(text), err);
    }
    free(text);
    return rc;
}

static gm_rc fit(const prepared *p, const conf *c, const gm_train_data *d, const gm_train_options *o, const char *path, gm_train_result *out,
                 gm_err *err)
{
    void *b = NULL;
    gm_buf text = { 0 };
    gm_stop_metric metric = GM_STOP_LOG_LOSS;
    int64_t kept = 0;
    gm_rc rc = gm_stop_metric_find(c->stop_metric, d->task, &metric, err);
    if (rc) return rc;
    gm_early_stop stop = { .higher_is_better = metric == GM_STOP_ROC_AUC, .patience = c->early_stopping_rounds };
    params_text(&text, c, d, o, metric);
    if (text.failed) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for parameters");
    else if (p->api.LGBM_BoosterCreate(p->train, gm_buf_str(&text), &b) || (p->valid && p->api.LGBM_BoosterAddValidData(b, p->valid)))
        rc = failed(&p->api, "starting", err);
    if (!rc) rc = boost(p, b, c, o, &stop, &kept, err);
    if (!rc) rc = save(&p->api, b, kept, path, err);
    if (!rc) *out = (gm_train_result){ .format = GM_MODEL_LIGHTGBM, .file = "model.txt", .rounds = kept, .converged = kept < c->rounds };
    if (b) (void)p->api.LGBM_BoosterFree(b); /* nothing to do about a failure to free */
    gm_buf_clear(&text);
    return rc;
}

static gm_rc train(const void *opaque, const gm_train_data *d, const gm_train_options *o, gm_arena *a, gm_train_result *out, gm_err *err)
{
    void *own = NULL;
    const char *path = gm_path_join(a, o->out_dir, "model.txt");
    if (!path) return gm_err_set(err, GM_ENOMEM, "not enough memory for a path");
    gm_rc rc = d->prepared ? GM_OK : prepare(opaque, d, o, &own, err);
    if (!rc) rc = fit(d->prepared ? d->prepared : own, opaque, d, o, path, out, err);
    release(own);
    return rc;
}

const gm_trainer gm_trainer_lightgbm = {
    .item = { .name = "lightgbm", .help = "gradient boosting by LightGBM", .params = params, .conf_size = sizeof(conf) },
    .tasks = 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS | 1u << GM_TASK_REGRESSION,
    .version = GM_LIGHTGBM_VERSION,
    .sample = sample,
    .prepare = prepare,
    .release = release,
    .train = train,
};
