/* lbfgs.c - see lbfgs.h. */
#include "train/lbfgs.h"

#include <math.h>
#include <string.h>

enum { MEMORY = 10, HALVINGS_MAX = 40, REFRESH_STEPS = 12 };

typedef struct state {
    const gm_lbfgs_problem *p;
    double *steps, *changes; /* [MEMORY, n]: of w, of the gradient; the youngest at (kept - 1) % MEMORY */
    double curvature[MEMORY]; /* 1 / step'change */
    int64_t kept;
    int64_t age; /* steps since P was refreshed */
    double *direction, *w_new, *g, *g_new;
} state;

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void add(double *a, double scale, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) a[i] += scale * b[i];
}

/* direction <- -B^-1 g, by the two loops. */
static void find_direction(state *s)
{
    int64_t n = s->p->n, first = s->kept > MEMORY ? s->kept - MEMORY : 0;
    double alpha[MEMORY], *d = s->direction;
    for (int64_t i = 0; i < n; i++) d[i] = -s->g[i];
    for (int64_t k = s->kept; k-- > first;) {
        int64_t m = k % MEMORY;
        alpha[m] = s->curvature[m] * dot(s->steps + m * n, d, n);
        add(d, -alpha[m], s->changes + m * n, n);
    }
    s->p->precondition(s->p->ctx, d);
    for (int64_t k = first; k < s->kept; k++) {
        int64_t m = k % MEMORY;
        add(d, alpha[m] - s->curvature[m] * dot(s->changes + m * n, d, n), s->steps + m * n, n);
    }
}

/* The fall still to be had, twice, were P the Hessian. direction is scratch here. */
static double decrement(state *s)
{
    memcpy(s->direction, s->g, (size_t)s->p->n * sizeof(double));
    s->p->precondition(s->p->ctx, s->direction);
    return dot(s->direction, s->g, s->p->n);
}

/* Halve from 1 until the value falls enough (or by as little as rounding lets it show). False when it does not. */
static bool search(state *s, const double *w, double value, double *out_value)
{
    int64_t n = s->p->n;
    double slope = dot(s->direction, s->g, n), rounding = 1e-13 * fmax(1, fabs(value));
    if (!(slope < 0)) return false;
    double t = 1;
    for (int i = 0; i < HALVINGS_MAX; i++, t /= 2) {
        memcpy(s->w_new, w, (size_t)n * sizeof(double));
        add(s->w_new, t, s->direction, n);
        *out_value = s->p->value(s->p->ctx, s->w_new, s->g_new);
        if (*out_value <= value + 1e-4 * t * slope + rounding) return true;
    }
    return false;
}

/* Keep the step unless it bends the wrong way, which only rounding can do. */
static void remember(state *s, const double *w)
{
    int64_t n = s->p->n, m = s->kept % MEMORY;
    double *step = s->steps + m * n, *change = s->changes + m * n;
    for (int64_t i = 0; i < n; i++) {
        step[i] = s->w_new[i] - w[i];
        change[i] = s->g_new[i] - s->g[i];
    }
    double bend = dot(step, change, n);
    if (!(bend > 1e-300)) return;
    s->curvature[m] = 1 / bend;
    s->kept++;
}

/* P anew where that can be done; what was remembered went with the old one. */
static gm_rc refresh(state *s, const double *w, gm_err *err)
{
    s->kept = 0;
    s->age = 0;
    return s->p->refresh ? s->p->refresh(s->p->ctx, w, err) : GM_OK;
}

static gm_rc minimise(state *s, double tolerance, int64_t iterations_max, double *w, gm_lbfgs_result *r, gm_err *err)
{
    size_t bytes = (size_t)s->p->n * sizeof(double);
    r->value = s->p->value(s->p->ctx, w, s->g);
    for (;;) {
        double value = 0;
        bool small = decrement(s) <= tolerance * tolerance * fmax(1, fabs(r->value)), fresh = s->age == 0 || !s->p->refresh, old = s->p->refresh && s->age >= REFRESH_STEPS;
        r->converged = small && fresh;
        if (r->converged || r->iterations >= iterations_max) return GM_OK;
        bool stuck = false;
        if (!small && !old) {
            find_direction(s);
            stuck = !search(s, w, r->value, &value);
            if (stuck && s->kept == 0 && fresh) return GM_OK; /* rounding hides any further fall */
        }
        if (stuck || small || old) {
            gm_rc rc = refresh(s, w, err);
            if (rc) return rc;
            continue;
        }
        remember(s, w);
        memcpy(w, s->w_new, bytes);
        memcpy(s->g, s->g_new, bytes);
        r->value = value;
        r->iterations++;
        s->age++;
    }
}

gm_rc gm_lbfgs(const gm_lbfgs_problem *p, double tolerance, int64_t iterations_max, double *w, gm_lbfgs_result *out, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    state s = { .p = p };
    if (a) {
        s.steps = GM_ARENA_ARRAY(a, double, MEMORY * p->n);
        s.changes = GM_ARENA_ARRAY(a, double, MEMORY * p->n);
        s.direction = GM_ARENA_ARRAY(a, double, p->n);
        s.w_new = GM_ARENA_ARRAY(a, double, p->n);
        s.g = GM_ARENA_ARRAY(a, double, p->n);
        s.g_new = GM_ARENA_ARRAY(a, double, p->n);
    }
    bool enough = s.steps && s.changes && s.direction && s.w_new && s.g && s.g_new;
    gm_lbfgs_result r = { 0 };
    gm_rc rc = enough ? minimise(&s, tolerance, iterations_max, w, &r, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to fit %lld weights", (long long)p->n);
    if (!rc) *out = r;
    gm_arena_free(a);
    return rc;
}
