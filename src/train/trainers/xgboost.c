/* xgboost.c - gradient boosting by XGBoost, through its C interface.
 *
 * The column-major matrix is handed over by address and strides; the library reads it twice, to find the cuts and to bin it, and keeps
 * only the bins (a "quantile" matrix), which all trials of a search share. Values beyond float32, infinities among them, the library
 * would refuse: they train as +-1e38 (a copy is made only then), on the same side of every finite cut as an infinity.
 * The model is saved as JSON, cut after its best round. It holds no names, times or thread counts.
 */
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "train/boosting.h"
#include "train/xgboost_api.h"

typedef struct conf {
    double learning_rate, min_child_weight, gamma, subsample, colsample, reg_lambda, reg_alpha;
    int64_t rounds, max_depth, max_bin, early_stopping_rounds;
    const char *stop_metric;
} conf;

static const gm_param params[] = {
    { "learning_rate", GM_PARAM_DOUBLE, offsetof(conf, learning_rate), "0.1", "weight of each tree", 1e-6, 1, NULL },
    { "rounds", GM_PARAM_INT, offsetof(conf, rounds), "300", "boosting rounds at most", 1, 100000, NULL },
    { "max_depth", GM_PARAM_INT, offsetof(conf, max_depth), "6", "splits from root to leaf at most", 1, 24, NULL },
    { "min_child_weight", GM_PARAM_DOUBLE, offsetof(conf, min_child_weight), "1", "smallest sum of hessians in a leaf", 0, 1e12, NULL },
    { "gamma", GM_PARAM_DOUBLE, offsetof(conf, gamma), "0", "smallest gain of a split", 0, 1e12, NULL },
    { "subsample", GM_PARAM_DOUBLE, offsetof(conf, subsample), "1", "share of rows drawn for each tree", 0.01, 1, NULL },
    { "colsample", GM_PARAM_DOUBLE, offsetof(conf, colsample), "1", "share of features drawn for each tree", 0.01, 1, NULL },
    { "reg_lambda", GM_PARAM_DOUBLE, offsetof(conf, reg_lambda), "1", "L2 penalty on leaf values", 0, 1e12, NULL },
    { "reg_alpha", GM_PARAM_DOUBLE, offsetof(conf, reg_alpha), "0", "L1 penalty on leaf values", 0, 1e12, NULL },
    { "early_stopping_rounds", GM_PARAM_INT, offsetof(conf, early_stopping_rounds), "15", "stop after so many rounds without a better validation metric; 0 = never", 0, 100000, NULL },
    { "stop_metric", GM_PARAM_STR, offsetof(conf, stop_metric), "auto", "validation metric of early stopping; auto = log_loss or rmse", 0, 0, GM_STOP_METRICS },
    { "max_bin", GM_PARAM_INT, offsetof(conf, max_bin), "256", "bins per feature", 2, 65535, NULL },
    { 0 },
};

static void sample(void *opaque, int64_t trial, gm_random *r)
{
    conf *c = opaque;
    if (trial == 0) return;
    c->learning_rate = gm_draw_log_uniform(r, 0.06, 0.3);
    c->max_depth = gm_draw_int(r, 3, 7);
    c->min_child_weight = gm_draw_log_uniform(r, 0.5, 50);
    c->subsample = gm_draw_uniform(r, 0.6, 1);
    c->colsample = gm_draw_uniform(r, 0.5, 1);
    c->reg_lambda = gm_draw_log_uniform(r, 0.05, 20);
    c->reg_alpha = gm_draw_log_uniform(r, 1e-3, 5);
}

/* ---- data in the library's form ---------------------------------------------------------------------------- */

typedef struct prepared {
    gm_xgboost api;
    void *train, *valid; /* matrices of the library; valid NULL without validation rows */
} prepared;

static gm_rc failed(const gm_xgboost *api, const char *doing, gm_err *err)
{
    const char *why = api->XGBGetLastError();
    const char *line = strstr(why, ": "); /* "[12:00:00] file:line: message" and a stack: keep the first line's message */
    for (const char *next; line && (next = strstr(line + 2, ".cc:")) != NULL && next - line < 120;) line = strstr(next, ": ");
    const char *text = line ? line + 2 : why;
    return gm_err_set(err, GM_EINTERNAL, "XGBoost failed %s: %.*s", doing, (int)strcspn(text, "\n"), text);
}

/* Beyond float32 the library sees an infinity, and refuses. */
static bool fits_float(const gm_matrix *x)
{
    for (int64_t i = 0; i < x->rows * x->cols; i++)
        if (fabs(x->data[i]) > (double)FLT_MAX) return false; /* false for NaN */
    return true;
}

static double *clamped(const gm_matrix *x)
{
    size_t count = (size_t)x->rows * (size_t)x->cols;
    double *copy = malloc(count * sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++) {
        double v = x->data[i];
        copy[i] = v > 1e38 ? 1e38 : v < -1e38 ? -1e38 : v;
    }
    return copy;
}

enum { ARRAY_TEXT = 192 };
static void matrix_text(const double *data, int64_t rows, int64_t cols, char *out)
{
    (void)snprintf(out, ARRAY_TEXT,
                   "{\"data\": [%" PRIuPTR ", true], \"shape\": [%" PRId64 ", %" PRId64 "], \"strides\": [8, %" PRId64 "], \"typestr\": \"<f8\", \"version\": 3}",
                   (uintptr_t)data, rows, cols, rows * 8);
}

static gm_rc set_label(const gm_xgboost *api, void *matrix, const double *y, int64_t rows, gm_err *err)
{
    char array[ARRAY_TEXT];
    (void)snprintf(array, sizeof(array), "{\"data\": [%" PRIuPTR ", true], \"shape\": [%" PRId64 "], \"typestr\": \"<f8\", \"version\": 3}", (uintptr_t)y, rows);
    return api->XGDMatrixSetInfoFromInterface(matrix, "label", array) ? failed(api, "taking the target", err) : GM_OK;
}

/* The library asks for batches until it has seen the end; there is one, and it may ask again after a reset. */
typedef struct batches {
    const gm_xgboost *api;
    void *proxy;
    const char *array;
    bool given;
} batches;

static void batches_reset(void *opaque) { ((batches *)opaque)->given = false; }

static int batches_next(void *opaque)
{
    batches *b = opaque;
    if (b->given) return 0;
    b->given = true;
    return b->api->XGProxyDMatrixSetDataDense(b->proxy, b->array) == 0;
}

static gm_rc make_binned(const gm_xgboost *api, const conf *c, const char *array, int64_t threads, void **out, gm_err *err)
{
    char config[128];
    batches b = { .api = api, .array = array };
    (void)snprintf(config, sizeof(config), "{\"missing\": NaN, \"nthread\": %" PRId64 ", \"max_bin\": %" PRId64 "}", threads, c->max_bin);
    if (api->XGProxyDMatrixCreate(&b.proxy)) return failed(api, "making a matrix", err);
    int bad = api->XGQuantileDMatrixCreateFromCallback(&b, b.proxy, NULL, batches_reset, batches_next, config, out);
    gm_rc rc = bad ? failed(api, "binning the features", err) : GM_OK;
    (void)api->XGDMatrixFree(b.proxy); /* nothing to do about a failure to free */
    return rc;
}

static gm_rc make_plain(const gm_xgboost *api, const char *array, int64_t threads, void **out, gm_err *err)
{
    char config[64];
    (void)snprintf(config, sizeof(config), "{\"missing\": NaN, \"nthread\": %" PRId64 "}", threads);
    return api->XGDMatrixCreateFromDense(array, config, out) ? failed(api, "taking the validation rows", err) : GM_OK;
}

static gm_rc make_matrix(const gm_xgboost *api, const conf *c, const gm_matrix *x, const double *y, bool binned, int64_t threads, void **out,
                         gm_err *err)
{
    char array[ARRAY_TEXT];
    double *copy = NULL;
    if (!fits_float(x)) {
        copy = clamped(x);
        if (!copy) return gm_err_set(err, GM_ENOMEM, "not enough memory to clamp infinities of %" PRId64 " rows", x->rows);
    }
    matrix_text(copy ? copy : x->data, x->rows, x->cols, array);
    gm_rc rc = binned ? make_binned(api, c, array, threads, out, err) : make_plain(api, array, threads, out, err);
    if (!rc) rc = set_label(api, *out, y, x->rows, err);
    free(copy);
    return rc;
}

static void release(void *opaque)
{
    prepared *p = opaque;
    if (!p) return;
    if (p->train) (void)p->api.XGDMatrixFree(p->train); /* nothing to do about a failure to free */
    if (p->valid) (void)p->api.XGDMatrixFree(p->valid);
    free(p);
}

static int64_t threads_of(const gm_train_options *o) { return o->threads < 1 ? 1 : o->threads; }

static gm_rc prepare(const void *opaque, const gm_train_data *d, const gm_train_options *o, void **out, gm_err *err)
{
    prepared *p = calloc(1, sizeof(*p));
    if (!p) return gm_err_set(err, GM_ENOMEM, "not enough memory to prepare the data");
    gm_rc rc = gm_xgboost_load(&p->api, err);
    if (!rc) rc = make_matrix(&p->api, opaque, d->x, d->y, true, threads_of(o), &p->train, err);
    if (!rc && d->valid_x) rc = make_matrix(&p->api, opaque, d->valid_x, d->valid_y, false, threads_of(o), &p->valid, err);
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
    case GM_STOP_LOG_LOSS: return task == GM_TASK_MULTICLASS ? "mlogloss" : "logloss";
    case GM_STOP_ROC_AUC: return "auc";
    case GM_STOP_RMSE: return "rmse";
    case GM_STOP_MAE: return "mae";
    }
    return "";
}

static gm_rc set_text(const gm_xgboost *api, void *b, const char *name, const char *value, gm_err *err)
{
    return api->XGBoosterSetParam(b, name, value) ? failed(api, "taking a parameter", err) : GM_OK;
}

static gm_rc set_number(const gm_xgboost *api, void *b, const char *name, double value, gm_err *err)
{
    char text[32];
    return set_text(api, b, name, gm_double_text(value, text), err);
}

static gm_rc set_params(const gm_xgboost *api, void *b, const conf *c, const gm_train_data *d, const gm_train_options *o, gm_stop_metric metric,
                        gm_err *err)
{
    const struct {
        const char *name, *value;
    } texts[] = {
        { "verbosity", "0" },
        { "booster", "gbtree" },
        { "tree_method", "hist" },
        { "objective", d->task == GM_TASK_REGRESSION ? "reg:squarederror" : d->task == GM_TASK_BINARY ? "binary:logistic" : "multi:softprob" },
        { "eval_metric", metric_name(metric, d->task) },
    };
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        { "nthread", (double)threads_of(o) },
        { "seed", gm_library_seed(o->seed) },
        { "learning_rate", c->learning_rate },
        { "max_depth", (double)c->max_depth },
        { "min_child_weight", c->min_child_weight },
        { "gamma", c->gamma },
        { "subsample", c->subsample },
        { "colsample_bytree", c->colsample },
        { "reg_lambda", c->reg_lambda },
        { "reg_alpha", c->reg_alpha },
        { "max_bin", (double)c->max_bin },
    };
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < sizeof(texts) / sizeof(texts[0]); i++) rc = set_text(api, b, texts[i].name, texts[i].value, err);
    for (size_t i = 0; !rc && i < sizeof(numbers) / sizeof(numbers[0]); i++) rc = set_number(api, b, numbers[i].name, numbers[i].value, err);
    if (!rc && d->task == GM_TASK_MULTICLASS) rc = set_number(api, b, "num_class", (double)d->classes, err);
    return rc;
}

/* "[12]\tvalid-logloss:0.51234": the number after the last colon. */
static gm_rc valid_metric(const gm_xgboost *api, void *b, int round, void *valid, double *out, gm_err *err)
{
    const char *text = NULL, *name = "valid";
    if (api->XGBoosterEvalOneIter(b, round, &valid, &name, 1, &text)) return failed(api, "evaluating a round", err);
    const char *colon = strrchr(text, ':');
    if (!colon) return gm_err_set(err, GM_EINTERNAL, "XGBoost's evaluation \"%.60s\" has no number", text);
    *out = strtod(colon + 1, NULL);
    return GM_OK;
}

/* Boost until the rounds are done or validation stops improving; *out_kept = rounds of the model worth keeping. */
static gm_rc boost(const prepared *p, void *b, const conf *c, const gm_train_options *o, gm_early_stop *stop, int64_t *out_kept, gm_err *err)
{
    int64_t round = 0;
    while (round < c->rounds) {
        double metric = NAN;
        if (p->api.XGBoosterUpdateOneIter(b, (int)round, p->train)) return failed(&p->api, "in a boosting round", err);
        gm_rc rc = p->valid ? valid_metric(&p->api, b, (int)round, p->valid, &metric, err) : GM_OK;
        if (rc) return rc;
        round++;
        if (o->progress) o->progress(o->progress_ctx, round, c->rounds, metric);
        if (p->valid && gm_early_stop_add(stop, round, metric)) break;
    }
    *out_kept = stop->patience && stop->best_round ? stop->best_round : round;
    return GM_OK;
}

static gm_rc save(const gm_xgboost *api, void *b, int64_t rounds, const char *path, gm_err *err)
{
    void *cut = NULL;
    const char *bytes = NULL;
    uint64_t len = 0;
    gm_rc rc = GM_OK;
    if (api->XGBoosterSlice(b, 0, (int)rounds, 1, &cut) || api->XGBoosterSaveModelToBuffer(cut, "{\"format\": \"json\"}", &len, &bytes))
        rc = failed(api, "saving the model", err);
    if (!rc) rc = gm_fs_write(path, bytes, len, err);
    if (cut) (void)api->XGBoosterFree(cut); /* nothing to do about a failure to free */
    return rc;
}

static gm_rc fit(const prepared *p, const conf *c, const gm_train_data *d, const gm_train_options *o, const char *path, gm_train_result *out,
                 gm_err *err)
{
    void *b = NULL, *matrices[] = { p->train, p->valid };
    gm_stop_metric metric = GM_STOP_LOG_LOSS;
    int64_t kept = 0;
    gm_rc rc = gm_stop_metric_find(c->stop_metric, d->task, &metric, err);
    if (rc) return rc;
    gm_early_stop stop = { .higher_is_better = metric == GM_STOP_ROC_AUC, .patience = c->early_stopping_rounds };
    if (p->api.XGBoosterCreate(matrices, p->valid ? 2 : 1, &b)) return failed(&p->api, "starting", err);
    rc = set_params(&p->api, b, c, d, o, metric, err);
    if (!rc) rc = boost(p, b, c, o, &stop, &kept, err);
    if (!rc) rc = save(&p->api, b, kept, path, err);
    if (!rc) *out = (gm_train_result){ .format = GM_MODEL_XGBOOST, .file = "model.json", .rounds = kept, .converged = kept < c->rounds };
    (void)p->api.XGBoosterFree(b); /* nothing to do about a failure to free */
    return rc;
}

static gm_rc train(const void *opaque, const gm_train_data *d, const gm_train_options *o, gm_arena *a, gm_train_result *out, gm_err *err)
{
    void *own = NULL;
    const char *path = gm_path_join(a, o->out_dir, "model.json");
    if (!path) return gm_err_set(err, GM_ENOMEM, "not enough memory for a path");
    gm_rc rc = d->prepared ? GM_OK : prepare(opaque, d, o, &own, err);
    if (!rc) rc = fit(d->prepared ? d->prepared : own, opaque, d, o, path, out, err);
    release(own);
    return rc;
}

const gm_trainer gm_trainer_xgboost = {
    .item = { .name = "xgboost", .help = "gradient boosting by XGBoost", .params = params, .conf_size = sizeof(conf) },
    .tasks = 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS | 1u << GM_TASK_REGRESSION,
    .version = GM_XGBOOST_VERSION,
    .sample = sample,
    .prepare = prepare,
    .release = release,
    .train = train,
};
