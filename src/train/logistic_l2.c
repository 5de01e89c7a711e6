/* logistic_l2.c - the minimum with an L2 penalty: L-BFGS preconditioned by the Hessian, in the largest form that is cheap.
 *
 *   joint     all classes in one factor, [count, count]: the Hessian itself (two classes, or few of few features)
 *   blocks    a factor for each class: the Hessian without what ties classes together
 *   diagonal  where even one factor is too much
 * At the start, where all rows share the classes' shares, the Hessian is a multiple of the gram, which is at hand.
 */
#include <string.h>

#include "train/cholesky.h"
#include "train/logistic.h"

enum { JOINT_MAX = 400 };

typedef struct newton {
    gm_logistic *f;
    double *factor; /* joint [count, count]; blocks [outputs, n, n]; or NULL */
    double *diagonal; /* [count] when there is no factor                     */
    double *block;  /* [n, n] scratch                                        */
    bool joint;
} newton;

static double value(void *ctx, const double *w, double *g) { return gm_logistic_value(((newton *)ctx)->f, w, g); }

static void precondition(void *ctx, double *v)
{
    const newton *t = ctx;
    const gm_logistic *f = t->f;
    if (!t->factor)
        for (int64_t i = 0; i < f->count; i++) v[i] /= t->diagonal[i];
    else if (t->joint) gm_cholesky_solve(t->factor, f->count, v);
    else
        for (int64_t k = 0; k < f->outputs; k++) gm_cholesky_solve(t->factor + k * f->n * f->n, f->n, v + k * f->n);
}

/* Where the block (k, l) begins in factor, and how long its rows are. */
static double *block_at(const newton *t, int64_t k, int64_t l, int64_t *out_stride)
{
    *out_stride = t->joint ? t->f->count : t->f->n;
    return t->joint ? t->factor + k * t->f->n * t->f->count + l * t->f->n : t->factor + k * t->f->n * t->f->n;
}

/* The lower triangle is all that is factored, so blocks with l <= k are enough. */
static void put_block(const newton *t, int64_t k, int64_t l, const double *gram, double scale)
{
    int64_t n = t->f->n, stride = 0;
    double *at = block_at(t, k, l, &stride);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) at[i * stride + j] = scale * gram[i * n + j];
}

/* The penalty, and enough that what only rounding decides (full sets of one-hot columns, a constant in all classes) stays positive. */
static void add_ridge(const newton *t)
{
    const gm_logistic *f = t->f;
    for (int64_t k = 0; k < f->outputs; k++) {
        int64_t stride = 0;
        double *at = block_at(t, k, k, &stride);
        for (int64_t i = 0; i < f->n; i++) at[i * stride + i] = at[i * stride + i] * (1 + 1e-9) + (i < f->x->cols ? f->lambda : 0) + 1e-9;
    }
}

static void factorise(const newton *t)
{
    const gm_logistic *f = t->f;
    add_ridge(t);
    /* A column given up keeps weight 0 in this direction only; L-BFGS's own steps still move it. */
    if (t->joint) (void)gm_cholesky(t->factor, f->count);
    else
        for (int64_t k = 0; k < f->outputs; k++) (void)gm_cholesky(t->factor + k * f->n * f->n, f->n);
}

static void finish_diagonal(const newton *t)
{
    for (int64_t i = 0; i < t->f->count; i++) t->diagonal[i] += ((i + 1) % t->f->n ? t->f->lambda : 0) + 1e-9;
}

static gm_rc refresh(void *ctx, const double *w, gm_err *err)
{
    newton *t = ctx;
    gm_logistic *f = t->f;
    for (int64_t k = 0; k < f->outputs; k++)
        for (int64_t l = t->joint ? 0 : k; l <= k; l++) {
            gm_logistic_curvature(f, w, k, l);
            if (!t->factor) {
                gm_mixed_squares(f->x, f->row_weights, t->diagonal + k * f->n);
                continue;
            }
            gm_rc rc = gm_mixed_gram(f->x, f->row_weights, f->threads, t->block, err);
            if (rc) return rc;
            put_block(t, k, l, t->block, 1);
        }
    if (t->factor) factorise(t);
    else finish_diagonal(t);
    return GM_OK;
}

static void start(const newton *t, const double *shares)
{
    const gm_logistic *f = t->f;
    const double *p = f->outputs == 1 ? shares + 1 : shares;
    for (int64_t k = 0; k < f->outputs; k++) {
        if (!t->factor) {
            double *d = t->diagonal + k * f->n;
            gm_mixed_squares(f->x, NULL, d);
            for (int64_t i = 0; i < f->n; i++) d[i] *= p[k] * (1 - p[k]);
            continue;
        }
        for (int64_t l = t->joint ? 0 : k; l <= k; l++) put_block(t, k, l, f->gram, p[k] * ((k == l) - p[l]));
    }
    if (t->factor) factorise(t);
    else finish_diagonal(t);
}

gm_rc gm_logistic_fit_l2(gm_logistic *f, const double *shares, double tolerance, int64_t iterations_max, gm_arena *a, double *w,
                         gm_lbfgs_result *out, gm_err *err)
{
    newton t = { .f = f, .joint = f->outputs == 1 || f->count <= JOINT_MAX };
    if (f->gram) {
        t.factor = gm_arena_alloc(a, (size_t)(t.joint ? f->count * f->count : f->count * f->n), sizeof(double));
        t.block = gm_arena_alloc(a, (size_t)(f->n * f->n), sizeof(double));
    } else {
        t.diagonal = GM_ARENA_ARRAY(a, double, f->count);
    }
    if (f->gram ? !t.factor || !t.block : !t.diagonal) return gm_err_set(err, GM_ENOMEM, "not enough memory to fit %lld weights", (long long)f->count);
    start(&t, shares);
    gm_lbfgs_problem problem = { .ctx = &t, .n = f->count, .value = value, .precondition = precondition, .refresh = refresh };
    return gm_lbfgs(&problem, tolerance, iterations_max, w, out, err);
}
