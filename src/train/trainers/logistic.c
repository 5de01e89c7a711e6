/* logistic.c - logistic regression: binary, and multinomial for more classes.
 *
 *   minimise  C sum_i loss_i + penalty(W)
 *   loss_i = log(1 + e^z) - y z              binary, y in {0, 1}
 *          = log(sum_k e^z_k) - z_y          K classes, one weight vector for each
 *   z = W x + b;  penalty = |W|^2 / 2 (l2), |W|_1 (l1), 0 (none); intercepts b are never penalised
 *
 * Computed as sum loss + lambda penalty, lambda = 1 / C. Missing values are refused before. Intercepts of several classes are only known up
 * to a constant: their mean is 0 (and so is that of each feature's weights for `none`).
 * Source   Nocedal & Wright 2006, 7.2; Yuan, Ho & Lin 2012 (l1); parameters as scikit-learn's LogisticRegression
 * Checked  test/conformance/train/linear_expected.csv, converged coefficients of scikit-learn; 1e-5
 */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "train/boosting.h"
#include "train/logistic.h"

typedef struct conf {
    double c, tolerance;
    int64_t max_iterations;
    const char *penalty;
} conf;

static const gm_param params[] = {
    { "c", GM_PARAM_DOUBLE, offsetof(conf, c), "1", "weight of the data against the penalty", 1e-12, 1e12, NULL },
    { "penalty", GM_PARAM_STR, offsetof(conf, penalty), "l2", "what keeps weights small", 0, 0, "l2 l1 none" },
    { "max_iterations", GM_PARAM_INT, offsetof(conf, max_iterations), "500", "steps at most", 1, 1000000, NULL },
    { "tolerance", GM_PARAM_DOUBLE, offsetof(conf, tolerance), "1e-7", "stop when the fall still to be had is below its square, as a share", 1e-12, 1, NULL },
    { 0 },
};

static void sample(void *opaque, int64_t trial, gm_random *r)
{
    conf *c = opaque;
    if (trial > 0) c->c = gm_draw_log_uniform(r, 1e-4, 1e2);
}

/* ---- data shared by trials --------------------------------------------------------------------------------- */

enum { GRAM_COLS_MAX = 1500, GRAM_WIDTH_MAX = 800 }; /* beyond, products of features cost more than the steps they save */

typedef struct prepared {
    gm_mixed *x;
    double *gram; /* [(cols + 1)^2], or NULL */
} prepared;

static void release(void *opaque)
{
    prepared *p = opaque;
    if (!p) return;
    gm_mixed_free(p->x);
    free(p->gram);
    free(p);
}

static int64_t threads_of(const gm_train_options *o) { return o->threads < 1 ? 1 : o->threads; }

static bool affords_gram(const gm_mixed *x)
{
    return x->cols <= GRAM_COLS_MAX && x->dense_count + x->begin[x->rows] / x->rows <= GRAM_WIDTH_MAX;
}

static gm_rc prepare(const void *opaque, const gm_train_data *d, const gm_train_options *o, void **out, gm_err *err)
{
    (void)opaque; /* no parameter changes the layout */
    prepared *p = calloc(1, sizeof(*p));
    if (!p) return gm_err_set(err, GM_ENOMEM, "not enough memory to prepare the data");
    size_t n = (size_t)d->x->cols + 1;
    gm_rc rc = gm_mixed_new(d->x, &p->x, err);
    if (!rc && affords_gram(p->x)) {
        p->gram = malloc(n * n * sizeof(double));
        rc = p->gram ? gm_mixed_gram(p->x, NULL, threads_of(o), p->gram, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for %zu features", n - 1);
    }
    if (rc) release(p);
    else *out = p;
    return rc;
}

/* ---- training ---------------------------------------------------------------------------------------------- */

/* A class without rows counts as half a row. */
static void class_shares(const gm_train_data *d, double *shares)
{
    for (int64_t r = 0; r < d->x->rows; r++) shares[(int64_t)d->y[r]] += 1;
    for (int64_t k = 0; k < d->classes; k++) shares[k] = fmax(shares[k], 0.5) / (double)d->x->rows;
}

/* Weights 0, intercepts those of the shares of the classes: the best model without features. */
static void start(const gm_logistic *f, const double *shares, double *w)
{
    for (int64_t k = 0; k < f->outputs; k++) w[k * f->n + f->x->cols] = f->outputs == 1 ? log(shares[1] / shares[0]) : log(shares[k]);
}

/* Take the mean over classes off each weight of feature i. */
static void centre_feature(const gm_logistic *f, int64_t i, double *w)
{
    double sum = 0;
    for (int64_t k = 0; k < f->outputs; k++) sum += w[k * f->n + i];
    for (int64_t k = 0; k < f->outputs; k++) w[k * f->n + i] -= sum / (double)f->outputs;
}

/* The same for the intercepts that the file will hold: those of features that were not shifted. */
static void centre_intercepts(const gm_logistic *f, double *w)
{
    double sum = 0;
    for (int64_t k = 0; k < f->outputs; k++) {
        sum += w[k * f->n + f->x->cols];
        for (int64_t i = 0; i < f->x->cols; i++) sum -= f->x->shift[i] * w[k * f->n + i];
    }
    for (int64_t k = 0; k < f->outputs; k++) w[k * f->n + f->x->cols] -= sum / (double)f->outputs;
}

static gm_rc fit(const prepared *data, const conf *c, const gm_train_data *d, const gm_train_options *o, gm_arena *a, double **out_w,
                 gm_lbfgs_result *r, gm_err *err)
{
    bool l1 = strcmp(c->penalty, "l1") == 0, none = strcmp(c->penalty, "none") == 0;
    gm_logistic f = { .x = data->x, .y = d->y, .gram = data->gram, .outputs = d->task == GM_TASK_BINARY ? 1 : d->classes, .n = data->x->cols + 1,
                      .threads = threads_of(o), .lambda = l1 || none ? 0 : 1 / c->c };
    double *w = GM_ARENA_ARRAY(a, double, f.outputs *f.n), *shares = GM_ARENA_ARRAY(a, double, d->classes);
    gm_rc rc = w && shares ? gm_logistic_init(&f, a, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for %lld classes", (long long)d->classes);
    if (rc) return rc;
    class_shares(d, shares);
    start(&f, shares, w);
    rc = l1 ? gm_logistic_fit_l1(&f, 1 / c->c, c->tolerance, c->max_iterations, a, w, r, err)
            : gm_logistic_fit_l2(&f, shares, c->tolerance, c->max_iterations, a, w, r, err);
    if (rc) return rc;
    for (int64_t i = 0; none && f.outputs > 1 && i < f.x->cols; i++) centre_feature(&f, i, w);
    if (f.outputs > 1) centre_intercepts(&f, w);
    *out_w = w;
    return GM_OK;
}

static gm_rc train(const void *opaque, const gm_train_data *d, const gm_train_options *o, gm_arena *a, gm_train_result *out, gm_err *err)
{
    void *own = NULL;
    double *w = NULL;
    gm_lbfgs_result r = { 0 };
    bool binary = d->task == GM_TASK_BINARY;
    gm_arena *scratch = gm_arena_new(0);
    const char *path = gm_path_join(a, o->out_dir, "model.json");
    gm_rc rc = scratch && path ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to train");
    if (!rc && !d->prepared) rc = prepare(opaque, d, o, &own, err);
    const prepared *data = d->prepared ? d->prepared : own;
    if (!rc) rc = fit(data, opaque, d, o, scratch, &w, &r, err);
    if (!rc) rc = gm_mixed_save(data->x, w, binary ? 1 : d->classes, binary ? GM_LINK_SIGMOID : GM_LINK_SOFTMAX, path, err);
    if (!rc) *out = (gm_train_result){ .format = GM_MODEL_LINEAR, .file = "model.json", .rounds = r.iterations, .converged = r.converged };
    gm_arena_free(scratch);
    release(own);
    return rc;
}

const gm_trainer gm_trainer_logistic = {
    .item = { .name = "logistic", .help = "logistic regression with an L2 or L1 penalty", .params = params, .conf_size = sizeof(conf) },
    .tasks = 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS,
    .wants_scaled = true,
    .version = "1",
    .sample = sample,
    .prepare = prepare,
    .release = release,
    .train = train,
};
