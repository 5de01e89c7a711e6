/* linear.c - linear regression: ridge, lasso, ordinary least squares.
 *
 *   l2     minimise |y - Xw - b|^2 + alpha |w|^2              (as scikit-learn's Ridge)
 *   l1     minimise |y - Xw - b|^2 / (2 rows) + alpha |w|_1   (as scikit-learn's Lasso)
 *   none   minimise |y - Xw - b|^2
 *
 * The intercept b is not penalised: with columns and target centred it drops out, b = mean(y) - mean(x) w. G = X'X of the centred columns is
 * made once and shared by the trials of a search; l2 and none solve (G + alpha I) w = X'y by Cholesky, l1 goes by coordinate descent.
 * Columns that follow from those before them (none): weight 0. Missing values are refused before.
 * Source   Hoerl & Kennard 1970; Tibshirani 1996; Friedman, Hastie & Tibshirani 2010
 * Checked  test/conformance/train/linear_*.csv, coefficients of scikit-learn; 1e-8 for l2 and none, 1e-6 for l1
 */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "train/boosting.h"
#include "train/cholesky.h"
#include "train/mixed.h"

typedef struct conf {
    double alpha, tolerance;
    int64_t max_iterations;
    const char *penalty;
} conf;

static const gm_param params[] = {
    { "alpha", GM_PARAM_DOUBLE, offsetof(conf, alpha), "1", "weight of the penalty", 0, 1e15, NULL },
    { "penalty", GM_PARAM_STR, offsetof(conf, penalty), "l2", "what keeps weights small", 0, 0, "l2 l1 none" },
    { "max_iterations", GM_PARAM_INT, offsetof(conf, max_iterations), "10000", "sweeps of l1 at most", 1, 100000000, NULL },
    { "tolerance", GM_PARAM_DOUBLE, offsetof(conf, tolerance), "1e-8", "l1 stops when a sweep gains less than its square, as a share of the target's variance", 1e-15, 1, NULL },
    { 0 },
};

static void sample(void *opaque, int64_t trial, gm_random *r)
{
    conf *c = opaque;
    if (trial == 0) return;
    c->alpha = strcmp(c->penalty, "l1") == 0 ? gm_draw_log_uniform(r, 1e-5, 10) : gm_draw_log_uniform(r, 1e-3, 1e4);
}

enum { COLS_MAX = 4000 };

typedef struct prepared {
    gm_mixed *x;
    double *gram;  /* [cols, cols] of centred columns          */
    double *xy;    /* [cols + 1] centred columns . centred target; the last is 0 but for rounding */
    double *means; /* [cols] of the shifted columns            */
    double y_mean, y_squares; /* sum of squares about the mean */
} prepared;

static void release(void *opaque)
{
    prepared *p = opaque;
    if (!p) return;
    gm_mixed_free(p->x);
    free(p->gram);
    free(p->xy);
    free(p->means);
    free(p);
}

static int64_t threads_of(const gm_train_options *o) { return o->threads < 1 ? 1 : o->threads; }

/* full: [(cols + 1)^2] products with the intercept's row of sums last -> gram of centred columns. */
static void centre_gram(prepared *p, const double *full)
{
    int64_t cols = p->x->cols, n = cols + 1;
    double rows = (double)p->x->rows;
    for (int64_t i = 0; i < cols; i++) p->means[i] = full[cols * n + i] / rows;
    for (int64_t i = 0; i < cols; i++)
        for (int64_t j = 0; j < cols; j++) p->gram[i * cols + j] = full[i * n + j] - rows * p->means[i] * p->means[j];
}

static void target_products(prepared *p, const double *y)
{
    int64_t rows = p->x->rows;
    double sum = 0;
    for (int64_t r = 0; r < rows; r++) sum += y[r];
    p->y_mean = sum / (double)rows;
    double rest = 0; /* second pass: the rounding of the first */
    for (int64_t r = 0; r < rows; r++) rest += y[r] - p->y_mean;
    p->y_mean += rest / (double)rows;
    for (int64_t r = 0; r < rows; r++) {
        double e = y[r] - p->y_mean;
        p->y_squares += e * e;
        gm_mixed_add(p->x, r, e, p->xy); /* the means of the columns drop out: e sums to 0 */
    }
}

static gm_rc prepare(const void *opaque, const gm_train_data *d, const gm_train_options *o, void **out, gm_err *err)
{
    (void)opaque; /* no parameter changes the products */
    size_t cols = (size_t)d->x->cols;
    if (cols > COLS_MAX) return gm_err_set(err, GM_EUNSUPPORTED, "linear takes at most %d features, there are %zu", COLS_MAX, cols);
    prepared *p = calloc(1, sizeof(*p));
    double *full = malloc((cols + 1) * (cols + 1) * sizeof(*full));
    gm_rc rc = p && full ? gm_mixed_new(d->x, &p->x, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for %zu features", cols);
    if (rc) goto out;
    p->gram = malloc(cols * cols * sizeof(double));
    p->xy = calloc(cols + 1, sizeof(double));
    p->means = malloc(cols * sizeof(double));
    if (!p->gram || !p->xy || !p->means) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for %zu features", cols);
    if (!rc) rc = gm_mixed_gram(p->x, NULL, threads_of(o), full, err);
    if (rc) goto out;
    centre_gram(p, full);
    target_products(p, d->y);
    *out = p;
out:
    free(full);
    if (rc) release(p);
    return rc;
}

static gm_rc solve(const prepared *p, double alpha, gm_arena *a, double *w, gm_err *err)
{
    int64_t n = p->x->cols;
    double *l = gm_arena_alloc(a, (size_t)(n * n), sizeof(double));
    if (!l) return gm_err_set(err, GM_ENOMEM, "not enough memory for %lld features", (long long)n);
    memcpy(l, p->gram, (size_t)(n * n) * sizeof(*l));
    for (int64_t i = 0; i < n; i++) l[i * n + i] += alpha;
    (void)gm_cholesky(l, n); /* columns it gives up have weight 0 */
    memcpy(w, p->xy, (size_t)n * sizeof(*w));
    gm_cholesky_solve(l, n, w);
    return GM_OK;
}

static gm_rc descend(const prepared *p, const conf *c, gm_arena *a, double *w, bool *out_converged, gm_err *err)
{
    int64_t n = p->x->cols;
    double *penalty = GM_ARENA_ARRAY(a, double, n), *scratch = GM_ARENA_ARRAY(a, double, n);
    if (!penalty || !scratch) return gm_err_set(err, GM_ENOMEM, "not enough memory for %lld features", (long long)n);
    for (int64_t i = 0; i < n; i++) penalty[i] = c->alpha * (double)p->x->rows;
    *out_converged = gm_l1_quadratic(p->gram, p->xy, penalty, n, c->tolerance * c->tolerance * p->y_squares, c->max_iterations, w, scratch);
    return GM_OK;
}

static gm_rc fit(const prepared *p, const conf *c, gm_arena *a, const char *path, gm_train_result *out, gm_err *err)
{
    bool converged = true;
    double *w = GM_ARENA_ARRAY(a, double, p->x->cols + 1);
    if (!w) return gm_err_set(err, GM_ENOMEM, "not enough memory for %lld features", (long long)p->x->cols);
    gm_rc rc = strcmp(c->penalty, "l1") == 0 ? descend(p, c, a, w, &converged, err) : solve(p, strcmp(c->penalty, "l2") == 0 ? c->alpha : 0, a, w, err);
    if (rc) return rc;
    w[p->x->cols] = p->y_mean;
    for (int64_t i = 0; i < p->x->cols; i++) w[p->x->cols] -= p->means[i] * w[i];
    rc = gm_mixed_save(p->x, w, 1, GM_LINK_IDENTITY, path, err);
    if (!rc) *out = (gm_train_result){ .format = GM_MODEL_LINEAR, .file = "model.json", .rounds = 1, .converged = converged };
    return rc;
}

static gm_rc train(const void *opaque, const gm_train_data *d, const gm_train_options *o, gm_arena *a, gm_train_result *out, gm_err *err)
{
    void *own = NULL;
    gm_arena *scratch = gm_arena_new(0);
    const char *path = gm_path_join(a, o->out_dir, "model.json");
    gm_rc rc = scratch && path ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to train");
    if (!rc && !d->prepared) rc = prepare(opaque, d, o, &own, err);
    if (!rc) rc = fit(d->prepared ? d->prepared : own, opaque, scratch, path, out, err);
    gm_arena_free(scratch);
    release(own);
    return rc;
}

const gm_trainer gm_trainer_linear = {
    .item = { .name = "linear", .help = "linear regression with an L2 or L1 penalty", .params = params, .conf_size = sizeof(conf) },
    .tasks = 1u << GM_TASK_REGRESSION,
    .wants_scaled = true,
    .version = "1",
    .sample = sample,
    .prepare = prepare,
    .release = release,
    .train = train,
};
