/* logistic_l1.c - the minimum with an L1 penalty: proximal Newton steps, one class after the other.
 *
 * A step of class k minimises  g'd + d'Hd / 2 + penalty |w_k + d|_1  over d by coordinate descent (H the Hessian's block of that class,
 * the intercept unpenalised), then halves d until the penalised loss falls by 1e-4 of what the step promised.
 */
#include <string.h>

#include "train/cholesky.h"
#include "train/logistic.h"

enum { COLS_MAX = 3000, SWEEPS_MAX = 2000, HALVINGS_MAX = 40 };

typedef struct state {
    gm_logistic *f;
    double penalty, loss;     /* loss: at w, without the penalty          */
    double *g, *g_new, *w_new; /* [count]                                 */
    double *gram;             /* [n, n]                                   */
    double *q, *penalties, *u, *scratch; /* [n]; u: the class's new weights */
} state;

static double norm1(const double *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(v[i]);
    return sum;
}

/* Along old + t (u - old). False when nothing falls, and w is left alone. */
static bool search(state *s, int64_t k, double promised, double *w)
{
    gm_logistic *f = s->f;
    size_t bytes = (size_t)f->count * sizeof(double);
    const double *old = w + k * f->n;
    double *now = s->w_new + k * f->n, t = 1;
    double before = s->loss + s->penalty * norm1(old, f->x->cols), rounding = 1e-13 * fmax(1, fabs(before));
    memcpy(s->w_new, w, bytes);
    for (int i = 0; i < HALVINGS_MAX; i++, t /= 2) {
        for (int64_t j = 0; j < f->n; j++) now[j] = i == 0 ? s->u[j] : old[j] + t * (s->u[j] - old[j]);
        double loss = gm_logistic_value(f, s->w_new, s->g_new);
        if (loss + s->penalty * norm1(now, f->x->cols) > before + 1e-4 * t * promised + rounding) continue;
        s->loss = loss;
        memcpy(w, s->w_new, bytes);
        memcpy(s->g, s->g_new, bytes);
        return true;
    }
    return false;
}

/* out_fall: what the step promised; 0 when there is none. */
static gm_rc step(state *s, int64_t k, double small, double *w, double *out_fall, gm_err *err)
{
    gm_logistic *f = s->f;
    int64_t n = f->n;
    const double *old = w + k * n, *g = s->g + k * n;
    gm_logistic_curvature(f, w, k, k);
    gm_rc rc = gm_mixed_gram(f->x, f->row_weights, f->threads, s->gram, err);
    if (rc) return rc;
    for (int64_t i = 0; i < n; i++) {
        s->gram[i * n + i] += 1e-9; /* a class that is certain everywhere has no curvature */
        s->q[i] = -g[i];
        for (int64_t j = 0; j < n; j++) s->q[i] += s->gram[i * n + j] * old[j];
    }
    memcpy(s->u, old, (size_t)n * sizeof(double));
    (void)gm_l1_quadratic(s->gram, s->q, s->penalties, n, small * 1e-3, SWEEPS_MAX, s->u, s->scratch); /* unfinished, it is still a direction */
    double promised = s->penalty * (norm1(s->u, f->x->cols) - norm1(old, f->x->cols));
    for (int64_t i = 0; i < n; i++) promised += g[i] * (s->u[i] - old[i]);
    *out_fall = promised < 0 && search(s, k, promised, w) ? -promised : 0;
    return GM_OK;
}

static gm_rc minimise(state *s, double tolerance, int64_t iterations_max, double *w, gm_lbfgs_result *r, gm_err *err)
{
    s->loss = gm_logistic_value(s->f, w, s->g);
    while (!r->converged && r->iterations < iterations_max) {
        double most = 0, small = tolerance * tolerance * fmax(1, s->loss);
        for (int64_t k = 0; k < s->f->outputs; k++) {
            double fall = 0;
            gm_rc rc = step(s, k, small, w, &fall, err);
            if (rc) return rc;
            most = fmax(most, fall);
        }
        r->iterations++;
        r->converged = most <= small;
    }
    r->value = s->loss;
    return GM_OK;
}

gm_rc gm_logistic_fit_l1(gm_logistic *f, double penalty, double tolerance, int64_t iterations_max, gm_arena *a, double *w, gm_lbfgs_result *out,
                         gm_err *err)
{
    if (f->x->cols > COLS_MAX) {
        gm_rc rc = gm_err_set(err, GM_EUNSUPPORTED, "penalty l1 takes at most %d features, there are %lld", COLS_MAX, (long long)f->x->cols);
        gm_err_hint(err, "Use penalty: l2, or fewer features.");
        return rc;
    }
    double *wide = GM_ARENA_ARRAY(a, double, 3 * f->count), *square = GM_ARENA_ARRAY(a, double, f->n *f->n), *narrow = GM_ARENA_ARRAY(a, double, 4 * f->n);
    if (!wide || !square || !narrow) return gm_err_set(err, GM_ENOMEM, "not enough memory to fit %lld weights", (long long)f->count);
    state s = { .f = f, .penalty = penalty, .g = wide, .g_new = wide + f->count, .w_new = wide + 2 * f->count, .gram = square };
    s.q = narrow;
    s.penalties = narrow + f->n;
    s.u = narrow + 2 * f->n;
    s.scratch = narrow + 3 * f->n;
    for (int64_t i = 0; i < f->x->cols; i++) s.penalties[i] = penalty;
    gm_lbfgs_result r = { 0 };
    gm_rc rc = minimise(&s, tolerance, iterations_max, w, &r, err);
    if (!rc) *out = r;
    return rc;
}
