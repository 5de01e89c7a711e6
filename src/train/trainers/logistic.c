/* logistic.c - logistic regression: binary, and multinomial for more classes.
 *
 *   minimise  C sum_i loss_i + penalty(W)
 *   loss_i = log(1 + e^z) - y z              binary, y in {0, 1}
 *          = log(sum_k e^z_k) - z_y          K classes, one weight vector for each
 *   z = W x + b;  penalty = |W|^2 / 2 (l2), |W|_1 (l1), 0 (none); intercepts b are never penalised
 *
 * Computed with the sum unscaled and lambda = 1 / C. l2 and none: L-BFGS, preconditioned by the Hessian at the start,
 * h sum x x' + lambda, h = share (1 - share) of the class, whose sum of products is made once and shared by the trials of a search.
 * l1: proximal Newton steps, class by class, each quadratic solved by coordinate descent. Missing values are refused before.
 * b of several classes are only known up to a constant: their mean is 0 (and that of each feature's weights for `none`).
 * Source   Nocedal & Wright 2006, 7.2; Yuan, Ho & Lin 2012 (newGLMNET); parameters as scikit-learn's LogisticRegression
 * Checked  test/conformance/train/logistic_*.csv, converged coefficients of scikit-learn; 1e-5
 */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "train/boosting.h"
#include "train/cholesky.h"
#include "train/lbfgs.h"
#include "train/mixed.h"
#include "train/segments.h"

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

enum { L1_COLS_MAX = 3000, FACTOR_WORK_MAX = 2000000000 };

typedef struct prepared {
    gm_mixed *x;
    double *gram; /* [(cols + 1)^2]; NULL when there are too many features for it */
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

static int64_t outputs_of(const gm_train_data *d) { return d->task == GM_TASK_BINARY ? 1 : d->classes; }

/* A factor for each class must stay cheap against passes over the data. */
static bool affords_factor(const gm_train_data *d)
{
    double n = (double)d->x->cols + 1;
    return n * n * n / 6 * (double)outputs_of(d) <= FACTOR_WORK_MAX;
}

static gm_rc prepare(const void *opaque, const gm_train_data *d, const gm_train_options *o, void **out, gm_err *err)
{
    (void)opaque; /* no parameter changes the layout */
    prepared *p = calloc(1, sizeof(*p));
    if (!p) return gm_err_set(err, GM_ENOMEM, "not enough memory to prepare the data");
    size_t n = (size_t)d->x->cols + 1;
    gm_rc rc = gm_mixed_new(d->x, &p->x, err);
    if (!rc && affords_factor(d)) {
        p->gram = malloc(n * n * sizeof(double));
        rc = p->gram ? gm_mixed_gram(p->x, NULL, threads_of(o), p->gram, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for %zu features", n - 1);
    }
    if (rc) release(p);
    else *out = p;
    return rc;
}

/* ---- value and gradient ------------------------------------------------------------------------------------ */

/* Weights are [outputs, cols], then [outputs] intercepts. */
typedef struct fit {
    const prepared *data;
    const gm_mixed *x;
    const double *y;
    int64_t outputs, n, threads, segments; /* n: all weights */
    double lambda;                         /* of the l2 penalty; 0 otherwise */
    double *partial;                       /* [segments, n + 1]: gradient, loss */
    double *scores;                        /* [segments, outputs] scratch */
    double *factors;                       /* [outputs, (cols + 1)^2] Cholesky, or */
    double *diagonal;                      /* [n] */
    double *column;                        /* [cols + 1] scratch */
    const double *w;                       /* during a pass */
    double *curvature;                     /* [rows] during a curvature pass */
    int64_t curvature_of;                  /* class */
} fit;

/* Scores of a row -> its loss; scores become dloss/dscore. */
static double row_loss(double *z, int64_t outputs, double y)
{
    if (outputs == 1) {
        double e = exp(-fabs(z[0])), loss = log1p(e) + fmax(z[0], 0) - y * z[0];
        z[0] = (z[0] >= 0 ? 1 / (1 + e) : e / (1 + e)) - y;
        return loss;
    }
    double top = z[0], sum = 0, own = z[(int64_t)y];
    for (int64_t k = 1; k < outputs; k++) top = fmax(top, z[k]);
    for (int64_t k = 0; k < outputs; k++) sum += z[k] = exp(z[k] - top);
    for (int64_t k = 0; k < outputs; k++) z[k] /= sum;
    z[(int64_t)y] -= 1;
    return log(sum) + top - own;
}

static void row_scores(const fit *f, int64_t row, double *z)
{
    for (int64_t k = 0; k < f->outputs; k++) z[k] = gm_mixed_dot(f->x, row, f->w + k * f->x->cols, f->w[f->outputs * f->x->cols + k]);
}

static void value_segment(void *opaque, int64_t segment)
{
    fit *f = opaque;
    double *g = f->partial + segment * (f->n + 1), *z = f->scores + segment * f->outputs, loss = 0;
    memset(g, 0, (size_t)f->n * sizeof(*g));
    int64_t end = gm_segment_begin(f->x->rows, f->segments, segment + 1);
    for (int64_t r = gm_segment_begin(f->x->rows, f->segments, segment); r < end; r++) {
        row_scores(f, r, z);
        loss += row_loss(z, f->outputs, f->y[r]);
        for (int64_t k = 0; k < f->outputs; k++) {
            gm_mixed_add(f->x, r, z[k], g + k * f->x->cols);
            g[f->outputs * f->x->cols + k] += z[k];
        }
    }
    g[f->n] = loss;
}

static double value(void *opaque, const double *w, double *g)
{
    fit *f = opaque;
    int64_t weights = f->outputs * f->x->cols;
    f->w = w;
    gm_segments_run(f->segments, f->threads, value_segment, f);
    double total = 0, penalty = 0;
    memset(g, 0, (size_t)f->n * sizeof(*g));
    for (int64_t s = 0; s < f->segments; s++) {
        const double *partial = f->partial + s * (f->n + 1);
        for (int64_t i = 0; i < f->n; i++) g[i] += partial[i];
        total += partial[f->n];
    }
    for (int64_t i = 0; i < weights; i++) {
        g[i] += f->lambda * w[i];
        penalty += w[i] * w[i];
    }
    return total + f->lambda / 2 * penalty;
}

/* ---- l2: the preconditioner -------------------------------------------------------------------------------- */

static void precondition(void *opaque, double *v)
{
    fit *f = opaque;
    int64_t cols = f->x->cols, n = cols + 1, weights = f->outputs * cols;
    if (!f->factors) {
        for (int64_t i = 0; i < f->n; i++) v[i] /= f->diagonal[i];
        return;
    }
    for (int64_t k = 0; k < f->outputs; k++) {
        memcpy(f->column, v + k * cols, (size_t)cols * sizeof(double));
        f->column[cols] = v[weights + k];
        gm_cholesky_solve(f->factors + k * n * n, n, f->column);
        memcpy(v + k * cols, f->column, (size_t)cols * sizeof(double));
        v[weights + k] = f->column[cols];
    }
}

/* h gram + lambda, and enough on the diagonal that full sets of one-hot columns leave it positive definite. */
static void factor_class(fit *f, int64_t k, double h)
{
    int64_t cols = f->x->cols, n = cols + 1;
    double *l = f->factors + k * n * n;
    for (int64_t i = 0; i < n * n; i++) l[i] = h * f->data->gram[i];
    for (int64_t i = 0; i < n; i++) l[i * n + i] = l[i * n + i] * (1 + 1e-8) + (i < cols ? f->lambda : 0) + 1e-9;
    (void)gm_cholesky(l, n); /* it gives up no column of a positive definite matrix */
}

static void diagonal_class(fit *f, int64_t k, double h)
{
    int64_t cols = f->x->cols;
    double *d = f->diagonal + k * cols;
    for (int64_t i = 0; i < cols; i++) d[i] = 0;
    for (int64_t r = 0; r < f->x->rows; r++) {
        for (int64_t j = 0; j < f->x->dense_count; j++) d[j] += f->x->dense[r * f->x->stride + j] * f->x->dense[r * f->x->stride + j];
        for (int64_t e = f->x->begin[r]; e < f->x->begin[r + 1]; e++) d[f->x->index[e]] += f->x->value[e] * f->x->value[e];
    }
    for (int64_t i = 0; i < cols; i++) d[i] = h * d[i] + f->lambda + 1e-9;
    f->diagonal[f->outputs * cols + k] = h * (double)f->x->rows;
}

/* Weights 0, intercepts those of the shares of the classes: the best model without features. */
static void start(fit *f, const double *shares, double *w)
{
    double *b = w + f->outputs * f->x->cols;
    if (f->outputs == 1) b[0] = log(shares[1] / shares[0]);
    for (int64_t k = 0; f->outputs > 1 && k < f->outputs; k++) b[k] = log(shares[k]);
    for (int64_t k = 0; k < f->outputs; k++) {
        double share = shares[f->outputs == 1 ? 1 : k], h = share * (1 - share);
        if (f->factors) factor_class(f, k, h);
        else if (f->diagonal) diagonal_class(f, k, h);
    }
}

/* A class without rows counts as half a row. */
static void class_shares(const fit *f, int64_t classes, double *shares)
{
    for (int64_t r = 0; r < f->x->rows; r++) shares[(int64_t)f->y[r]] += 1;
    for (int64_t k = 0; k < classes; k++) shares[k] = fmax(shares[k], 0.5) / (double)f->x->rows;
}

/* ---- l1: proximal Newton ----------------------------------------------------------------------------------- */

static void curvature_segment(void *opaque, int64_t segment)
{
    fit *f = opaque;
    double *z = f->scores + segment * f->outputs;
    int64_t end = gm_segment_begin(f->x->rows, f->segments, segment + 1), k = f->curvature_of;
    for (int64_t r = gm_segment_begin(f->x->rows, f->segments, segment); r < end; r++) {
        row_scores(f, r, z);
        (void)row_loss(z, f->outputs, f->y[r]); /* only its gradient is used: share of the class, minus one for the own class */
        double share = z[k] + (f->outputs == 1 ? f->y[r] : (double)((int64_t)f->y[r] == k));
        f->curvature[r] = fmax(share * (1 - share), 1e-12);
    }
}

typedef struct l1_state {
    double *g, *g_new, *w_new, *gram, *q, *penalty, *u, *old, *scratch; /* [n] three times, [(cols+1)^2], [cols+1] five times */
    double value; /* without the penalty */
    double lambda;
} l1_state;

static void take_class(const fit *f, int64_t k, const double *w, double *out)
{
    memcpy(out, w + k * f->x->cols, (size_t)f->x->cols * sizeof(double));
    out[f->x->cols] = w[f->outputs * f->x->cols + k];
}

static void put_class(const fit *f, int64_t k, const double *in, double *w)
{
    memcpy(w + k * f->x->cols, in, (size_t)f->x->cols * sizeof(double));
    w[f->outputs * f->x->cols + k] = in[f->x->cols];
}

static double norm1(const double *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(v[i]);
    return sum;
}

/* Along old + t (u - old): halve t until the penalised value falls. False when it does not, and w is left alone. */
static bool l1_search(fit *f, l1_state *s, int64_t k, double promised, double *w)
{
    int64_t cols = f->x->cols;
    double before = s->value + s->lambda * norm1(s->old, cols), rounding = 1e-13 * fmax(1, fabs(before)), t = 1;
    memcpy(s->w_new, w, (size_t)f->n * sizeof(double));
    for (int i = 0; i < 40; i++, t /= 2) {
        for (int64_t j = 0; j <= cols; j++) s->scratch[j] = t == 1 ? s->u[j] : s->old[j] + t * (s->u[j] - s->old[j]);
        put_class(f, k, s->scratch, s->w_new);
        double now = value(f, s->w_new, s->g_new);
        if (now + s->lambda * norm1(s->scratch, cols) > before + 1e-4 * t * promised + rounding) continue;
        s->value = now;
        memcpy(w, s->w_new, (size_t)f->n * sizeof(double));
        memcpy(s->g, s->g_new, (size_t)f->n * sizeof(double));
        return true;
    }
    return false;
}

/* One Newton step of class k. out_fall: what the quadratic promised, >= 0. */
static gm_rc l1_step(fit *f, l1_state *s, int64_t k, double tolerance, double *w, double *out_fall, gm_err *err)
{
    int64_t cols = f->x->cols, n = cols + 1;
    f->w = w;
    f->curvature_of = k;
    gm_segments_run(f->segments, f->threads, curvature_segment, f);
    gm_rc rc = gm_mixed_gram(f->x, f->curvature, f->threads, s->gram, err);
    if (rc) return rc;
    take_class(f, k, w, s->old);
    take_class(f, k, s->g, s->scratch);
    for (int64_t i = 0; i < n; i++) {
        s->q[i] = -s->scratch[i];
        for (int64_t j = 0; j < n; j++) s->q[i] += s->gram[i * n + j] * s->old[j];
    }
    memcpy(s->u, s->old, (size_t)n * sizeof(double));
    double small = tolerance * tolerance * fmax(1, s->value);
    (void)gm_l1_quadratic(s->gram, s->q, s->penalty, n, small * 1e-3, 2000, s->u, s->g_new); /* an unfinished solution is still a direction */
    double promised = s->lambda * (norm1(s->u, cols) - norm1(s->old, cols));
    for (int64_t i = 0; i < n; i++) promised += s->scratch[i] * (s->u[i] - s->old[i]);
    *out_fall = promised < 0 && l1_search(f, s, k, promised, w) ? -promised : 0;
    return GM_OK;
}

static gm_rc l1_minimise(fit *f, l1_state *s, const conf *c, double *w, gm_lbfgs_result *r, gm_err *err)
{
    s->value = value(f, w, s->g);
    while (!r->converged && r->iterations < c->max_iterations) {
        double fall = 0, most = 0;
        for (int64_t k = 0; k < f->outputs; k++) {
            gm_rc rc = l1_step(f, s, k, c->tolerance, w, &fall, err);
            if (rc) return rc;
            most = fmax(most, fall);
        }
        r->iterations++;
        r->converged = most <= c->tolerance * c->tolerance * fmax(1, s->value);
    }
    return GM_OK;
}

static gm_rc l1_fit(fit *f, const conf *c, gm_arena *a, double *w, gm_lbfgs_result *r, gm_err *err)
{
    int64_t n = f->x->cols + 1;
    if (f->x->cols > L1_COLS_MAX) {
        gm_rc rc = gm_err_set(err, GM_EUNSUPPORTED, "penalty l1 takes at most %d features, there are %lld", L1_COLS_MAX, (long long)f->x->cols);
        gm_err_hint(err, "Use penalty: l2, or fewer features.");
        return rc;
    }
    double *block = GM_ARENA_ARRAY(a, double, 3 * f->n + n * n + 5 * n + f->x->rows);
    if (!block) return gm_err_set(err, GM_ENOMEM, "not enough memory to fit %lld weights", (long long)f->n);
    double *small = block + 3 * f->n + n * n;
    l1_state s = { .g = block, .g_new = block + f->n, .w_new = block + 2 * f->n, .gram = block + 3 * f->n, .lambda = 1 / c->c };
    s.q = small;
    s.penalty = small + n;
    s.u = small + 2 * n;
    s.old = small + 3 * n;
    s.scratch = small + 4 * n;
    f->curvature = small + 5 * n;
    for (int64_t i = 0; i < f->x->cols; i++) s.penalty[i] = s.lambda;
    return l1_minimise(f, &s, c, w, r, err);
}

/* ---- the trainer ------------------------------------------------------------------------------------------- */

static void centre(double *v, int64_t count, int64_t stride)
{
    double sum = 0;
    for (int64_t k = 0; k < count; k++) sum += v[k * stride];
    for (int64_t k = 0; k < count; k++) v[k * stride] -= sum / (double)count;
}

static gm_rc make_room(fit *f, gm_arena *a, bool l1, gm_err *err)
{
    size_t n = (size_t)f->x->cols + 1;
    int64_t most = (64 << 20) / ((f->n + 1) * 8);
    f->segments = gm_segments_count(f->x->rows, most > GM_SEGMENTS_MAX ? GM_SEGMENTS_MAX : most);
    f->partial = GM_ARENA_ARRAY(a, double, f->segments * (f->n + 1));
    f->scores = GM_ARENA_ARRAY(a, double, f->segments * f->outputs);
    f->column = GM_ARENA_ARRAY(a, double, n);
    bool good = f->partial && f->scores && f->column;
    if (good && !l1 && f->data->gram) good = (f->factors = gm_arena_alloc(a, (size_t)f->outputs * n, n * sizeof(double))) != NULL;
    if (good && !l1 && !f->data->gram) good = (f->diagonal = GM_ARENA_ARRAY(a, double, f->n)) != NULL;
    return good ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to fit %lld weights", (long long)f->n);
}

static gm_rc run(const prepared *data, const conf *c, const gm_train_data *d, const gm_train_options *o, gm_arena *a, double **out_w,
                 gm_lbfgs_result *r, gm_err *err)
{
    bool l1 = strcmp(c->penalty, "l1") == 0, none = strcmp(c->penalty, "none") == 0;
    fit f = { .data = data, .x = data->x, .y = d->y, .outputs = outputs_of(d), .threads = threads_of(o), .lambda = l1 || none ? 0 : 1 / c->c };
    f.n = f.outputs * (f.x->cols + 1);
    double *w = GM_ARENA_ARRAY(a, double, f.n), *shares = GM_ARENA_ARRAY(a, double, d->classes);
    if (!w || !shares) return gm_err_set(err, GM_ENOMEM, "not enough memory to fit %lld weights", (long long)f.n);
    gm_rc rc = make_room(&f, a, l1, err);
    if (rc) return rc;
    class_shares(&f, d->classes, shares);
    start(&f, shares, w);

    gm_lbfgs_problem problem = { .ctx = &f, .n = f.n, .value = value, .precondition = precondition };
    rc = l1 ? l1_fit(&f, c, a, w, r, err) : gm_lbfgs(&problem, c->tolerance, c->max_iterations, w, r, err);
    if (f.outputs > 1) centre(w + f.outputs * f.x->cols, f.outputs, 1);
    for (int64_t i = 0; f.outputs > 1 && none && i < f.x->cols; i++) centre(w + i, f.outputs, f.x->cols);
    *out_w = w;
    return rc;
}

static gm_rc train(const void *opaque, const gm_train_data *d, const gm_train_options *o, gm_arena *a, gm_train_result *out, gm_err *err)
{
    void *own = NULL;
    double *w = NULL;
    gm_lbfgs_result r = { 0 };
    gm_arena *scratch = gm_arena_new(0);
    const char *path = gm_path_join(a, o->out_dir, "model.json");
    gm_rc rc = scratch && path ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to train");
    if (!rc && !d->prepared) rc = prepare(opaque, d, o, &own, err);
    const prepared *data = d->prepared ? d->prepared : own;
    if (!rc) rc = run(data, opaque, d, o, scratch, &w, &r, err);
    int64_t outputs = outputs_of(d);
    if (!rc) rc = gm_mixed_save(data->x, w, w + outputs * d->x->cols, outputs, outputs == 1 ? GM_LINK_SIGMOID : GM_LINK_SOFTMAX, path, err);
    if (!rc) *out = (gm_train_result){ .format = GM_MODEL_LINEAR, .file = "model.json", .rounds = r.iterations, .converged = r.converged };
    if (!rc && o->progress) o->progress(o->progress_ctx, r.iterations, r.iterations, NAN);
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
