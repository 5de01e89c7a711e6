/* explain_trees.c - path-dependent TreeSHAP, exact, in time linear in the nodes.
 *
 * tree shap - what each feature adds to a tree's answer: its Shapley value in the game whose value of a set S of features is the tree's mean
 * answer when only the features in S are known, the others being split by the trainer's cover.
 *
 *   phi_f   = sum over leaves l with f on their path:  v_l (o_lf - z_lf) * integral over 0..1 of  product over g != f of (z_lg (1 - t) + o_lg t)  dt
 *   z_lf    = product of cover(child) / cover(parent) over the edges of l's path that split by f
 *   o_lf    = 1 when the row takes all of these edges, else 0
 *   base    = margin base + sum over trees, leaves of v_l * product over f of z_lf
 *   base + sum over f of phi_f = margin
 *
 * The integral is the sum over subsets with Shapley's weights |S|! (n - |S| - 1)! / n!, since those are Beta integrals. Its integrand is a
 * polynomial of degree d - 1 for d features on a path, so that Gauss-Legendre quadrature with ceil(d / 2) points is exact; all factors are
 * positive, so that nothing cancels. One walk down forms the products for every node, one walk up sums them, weighted by v, and adds an edge's
 * share: with a feature that occurs again further down, the lower edge's share replaces that of the upper one.
 *
 * Shapes     x [rows, features], out [rows, outputs, features + 1]
 * NaN        goes where the tree sends it, as in the margin; a node of cover 0 divides its weight into halves
 * Source     Lundberg et al. (2018), arXiv:1802.03888, for the values; Yu et al. (2022), arXiv:2209.08192, for the edge-wise sums
 * Checked    test_explain: XGBoost 3.2 pred_contribs, LightGBM 4.7 pred_contrib and shap 0.51 TreeExplainer, 2e-5 relative to the row's largest
 *            value for the first (float32 sums there), 1e-9 for the others; additivity to 1e-12
 */
#include "model/explain_trees.h"

#include <string.h>

#include "model/trees_check.h"

enum { ROWS_BLOCK = 64 };

/* A node in an order in which parents come before their children, seen as the edge that leads to it. */
typedef struct step {
    int32_t parent;      /* step; -1 = the root                                     */
    int32_t feature;     /* that the edge splits by                                 */
    int32_t up;          /* the nearest step above whose edge has that feature; -1  */
    int32_t node;        /* of the tree                                             */
    bool left, leaf;
    double ratio;        /* cover(node) / cover(parent)                             */
    double z;            /* the same over all edges of the feature down to here     */
} step;

typedef struct tree_plan {
    step *steps; /* [count] */
    int32_t count, points;
    const double *t, *weight, *rest; /* [points] places, weights, 1 - t */
} tree_plan;

struct gm_tree_explainer {
    const gm_trees *trees;
    tree_plan *plans; /* [trees_count] */
    double *base;     /* [outputs] */
    size_t cells_max, steps_max; /* of the largest tree: steps * points, steps */
};

/* ---- preparing ------------------------------------------------------------------------------------------------------------- */

/* Gauss-Legendre on 0..1: places and weights by Newton's method on the Legendre polynomial. */
static void quadrature(int32_t points, double *t, double *weight, double *rest)
{
    for (int32_t i = 0; i < points; i++) {
        double x = cos(3.14159265358979323846 * (i + 0.75) / (points + 0.5)), slope = 1;
        for (int round = 0; round < 100; round++) {
            double p = 1, before = 0;
            for (int32_t k = 1; k <= points; k++) {
                double next = ((2 * k - 1) * x * p - (k - 1) * before) / k;
                before = p;
                p = next;
            }
            slope = points * (x * p - before) / (x * x - 1);
            double move = p / slope;
            x -= move;
            if (fabs(move) < 1e-16) break;
        }
        t[i] = (1 - x) / 2;
        rest[i] = (1 + x) / 2;
        weight[i] = 1 / ((1 - x * x) * slope * slope);
    }
}

/* Tables of each number of points that was asked for. */
typedef struct tables {
    double *of[GM_TREE_DEPTH_MAX / 2 + 2]; /* t, weight, rest; [3 * points] */
} tables;

static bool set_points(tables *all, int32_t points, gm_arena *a, tree_plan *p)
{
    double *table = all->of[points];
    if (!table) {
        table = GM_ARENA_ARRAY(a, double, 3 * (size_t)points);
        if (!table) return false;
        quadrature(points, table, table + points, table + 2 * (size_t)points);
        all->of[points] = table;
    }
    p->points = points;
    p->t = table;
    p->weight = table + points;
    p->rest = table + 2 * (size_t)points;
    return true;
}

/* Numbers the nodes so that children come behind their parent; returns the most features on a path.
 * unique [count]: features on the path to each step; stack [count]: steps whose children are not numbered yet. */
static int32_t lay_out(const gm_tree *tree, step *steps, int32_t *unique, int32_t *stack, int32_t *out_count)
{
    int32_t waiting = 0, count = 1, unique_max = 0;
    stack[waiting++] = 0;
    steps[0] = (step){ .parent = -1, .feature = -1, .up = -1, .ratio = 1, .z = 1 };
    while (waiting) {
        int32_t at = stack[--waiting];
        const gm_tree_node *n = &tree->nodes[steps[at].node];
        steps[at].leaf = n->feature < 0;
        if (steps[at].leaf) continue;
        int32_t up = at;
        while (up >= 0 && steps[up].feature != n->feature) up = steps[up].parent;
        for (int side = 0; side < 2; side++) {
            int32_t child = side ? n->right : n->left, to = count++;
            double ratio = n->cover > 0 ? tree->nodes[child].cover / n->cover : 0.5;
            steps[to] = (step){ .parent = at, .feature = n->feature, .up = up, .node = child, .left = side == 0, .ratio = ratio,
                                .z = (up >= 0 ? steps[up].z : 1) * ratio };
            unique[to] = unique[at] + (up < 0);
            if (unique[to] > unique_max) unique_max = unique[to];
            stack[waiting++] = to;
        }
    }
    *out_count = count;
    return unique_max;
}

/* The tree's mean answer by cover. reach [count] */
static double mean_of(const gm_tree *tree, const tree_plan *p, double *reach)
{
    double sum = 0;
    for (int32_t i = 0; i < p->count; i++) {
        reach[i] = i ? reach[p->steps[i].parent] * p->steps[i].ratio : 1;
        if (p->steps[i].leaf) sum += reach[i] * tree->nodes[p->steps[i].node].value;
    }
    return sum;
}

static gm_rc plan_tree(gm_tree_explainer *e, int32_t number, tables *all, gm_arena *a, gm_arena *scratch, gm_err *err)
{
    const gm_tree *tree = &e->trees->trees[number];
    tree_plan *p = &e->plans[number];
    if (tree->nodes[0].feature >= 0 && !(tree->nodes[0].cover > 0)) {
        gm_rc rc = gm_err_set(err, GM_EUNSUPPORTED, "tree %d has no cover, which explanations are weighted by", number);
        gm_err_hint(err, "Save the model with the library that trained it: XGBoost's JSON has sum_hessian, LightGBM's text has internal_count.");
        return rc;
    }
    step *steps = GM_ARENA_ARRAY(scratch, step, tree->count);
    int32_t *unique = GM_ARENA_ARRAY(scratch, int32_t, tree->count), *stack = GM_ARENA_ARRAY(scratch, int32_t, tree->count);
    double *reach = GM_ARENA_ARRAY(scratch, double, tree->count);
    if (!steps || !unique || !stack || !reach) return gm_err_set(err, GM_ENOMEM, "not enough memory to explain tree %d", number);
    int32_t depth = lay_out(tree, steps, unique, stack, &p->count);
    p->steps = GM_ARENA_ARRAY(a, step, p->count);
    if (!p->steps || !set_points(all, depth > 1 ? (depth + 1) / 2 : 1, a, p))
        return gm_err_set(err, GM_ENOMEM, "not enough memory to explain tree %d", number);
    memcpy(p->steps, steps, (size_t)p->count * sizeof(*steps));
    e->base[tree->output] += mean_of(tree, p, reach);
    size_t cells = (size_t)p->count * (size_t)p->points;
    if (cells > e->cells_max) e->cells_max = cells;
    if ((size_t)p->count > e->steps_max) e->steps_max = (size_t)p->count;
    return GM_OK;
}

gm_rc gm_tree_explainer_new(const gm_trees *t, gm_arena *a, gm_tree_explainer **out, gm_err *err)
{
    gm_tree_explainer *e = GM_ARENA_NEW(a, gm_tree_explainer);
    gm_arena *scratch = gm_arena_new(0);
    tables *all = scratch ? GM_ARENA_NEW(a, tables) : NULL;
    gm_rc rc = e && all ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to explain a model");
    if (rc) goto out;
    e->trees = t;
    e->plans = GM_ARENA_ARRAY(a, tree_plan, t->trees_count);
    e->base = GM_ARENA_ARRAY(a, double, t->outputs);
    if (!e->plans || !e->base) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to explain %d trees", t->trees_count);
    for (int32_t k = 0; !rc && k < t->outputs; k++) e->base[k] = t->base[k];
    for (int32_t i = 0; !rc && i < t->trees_count; i++) {
        rc = plan_tree(e, i, all, a, scratch, err);
        gm_arena_rewind(scratch);
    }
    if (!rc) *out = e;
out:
    gm_arena_free(scratch);
    return rc;
}

/* ---- where a row goes: as in trees_margin.c -------------------------------------------------------------------------------- */

static const double zero_threshold = (double)1e-35f;

static bool in_set(const gm_tree_node *n, const uint32_t *cats, double v)
{
    if (!(v > -1.0 && v < 2147483648.0)) return false;
    int32_t category = (int32_t)v, word = category / 32;
    return word < n->cat_end - n->cat_begin && (cats[n->cat_begin + word] >> (category % 32) & 1u);
}

static bool goes_left(const gm_trees *t, const gm_tree_node *n, double v)
{
    if (t->float32) return isnan(v) ? n->default_left : v < n->threshold; /* v and threshold have float32 values */
    if (n->categorical) return in_set(n, t->cats, v);
    if (isnan(v)) {
        if (n->missing == GM_MISSING_NAN) return n->default_left;
        v = 0;
    }
    if (n->missing == GM_MISSING_ZERO && fabs(v) <= zero_threshold) return n->default_left;
    return v <= n->threshold;
}

static double as_trained(const gm_trees *t, double v)
{
    if (t->float32) return (double)(float)v;
    return fabs(v) <= zero_threshold ? 0 : v;
}

/* ---- one row, one tree ----------------------------------------------------------------------------------------------------- */

typedef struct work {
    double *block;    /* [ROWS_BLOCK, features] */
    double *product;  /* [steps, points] weight and factors down to the step    */
    double *inverse;  /* [steps, points] 1 / factor of the step's edge, where o */
    double *sum;      /* [steps, points] over the leaves below, times their v   */
    bool *taken;      /* [steps] o                                              */
    bool *left;       /* [steps] which way the row goes at the step             */
} work;

/* Products of the factors z (1 - t) + o t, one per feature of the path, at each quadrature point. */
static void walk_down(const gm_trees *t, const gm_tree *tree, const tree_plan *p, const double *row, work *w)
{
    size_t m = (size_t)p->points;
    for (size_t q = 0; q < m; q++) w->product[q] = p->weight[q];
    w->taken[0] = true;
    for (int32_t i = 0; i < p->count; i++) {
        const step *s = &p->steps[i];
        const gm_tree_node *n = &tree->nodes[s->node];
        double *to = w->product + (size_t)i * m;
        if (i) {
            const double *from = w->product + (size_t)s->parent * m;
            bool up_taken = s->up < 0 || w->taken[s->up], again = s->up >= 0 && up_taken;
            const double *up = w->inverse + (size_t)(again ? s->up : 0) * m;
            w->taken[i] = up_taken && w->left[s->parent] == s->left;
            if (w->taken[i]) {
                double *inverse = w->inverse + (size_t)i * m;
                for (size_t q = 0; q < m; q++) {
                    double factor = s->z * p->rest[q] + p->t[q];
                    inverse[q] = 1 / factor;
                    to[q] = from[q] * factor;
                }
            } else if (up_taken) {
                for (size_t q = 0; q < m; q++) to[q] = from[q] * (s->z * p->rest[q]);
            } else { /* not taken above either: the factors' quotient is that of the covers */
                for (size_t q = 0; q < m; q++) to[q] = from[q] * s->ratio;
            }
            for (size_t q = 0; again && q < m; q++) to[q] *= up[q];
        }
        double *sum = w->sum + (size_t)i * m;
        if (s->leaf)
            for (size_t q = 0; q < m; q++) sum[q] = to[q] * n->value;
        else {
            for (size_t q = 0; q < m; q++) sum[q] = 0;
            w->left[i] = goes_left(t, n, row[n->feature]);
        }
    }
}

/* (o - z) / factor of a step's edge, at point q. */
static double share(const tree_plan *p, const work *w, int32_t i, size_t q)
{
    if (!w->taken[i]) return -1 / p->rest[q];
    return (1 - p->steps[i].z) * w->inverse[(size_t)i * (size_t)p->points + q];
}

static void walk_up(const tree_plan *p, work *w, double *phi)
{
    size_t m = (size_t)p->points;
    for (int32_t i = p->count - 1; i > 0; i--) {
        const step *s = &p->steps[i];
        const double *sum = w->sum + (size_t)i * m;
        double *above = w->sum + (size_t)s->parent * m, added = 0;
        for (size_t q = 0; q < m; q++) {
            double difference = share(p, w, i, q) - (s->up >= 0 ? share(p, w, s->up, q) : 0);
            added += sum[q] * difference;
            above[q] += sum[q];
        }
        phi[s->feature] += added;
    }
}

static gm_rc work_new(const gm_tree_explainer *e, gm_arena *a, work *w, gm_err *err)
{
    *w = (work){ .block = GM_ARENA_ARRAY(a, double, (size_t)ROWS_BLOCK * (size_t)(e->trees->features + 1)),
                 .product = GM_ARENA_ARRAY(a, double, e->cells_max + 1),
                 .inverse = GM_ARENA_ARRAY(a, double, e->cells_max + 1),
                 .sum = GM_ARENA_ARRAY(a, double, e->cells_max + 1),
                 .taken = GM_ARENA_ARRAY(a, bool, e->steps_max + 1),
                 .left = GM_ARENA_ARRAY(a, bool, e->steps_max + 1) };
    if (w->block && w->product && w->inverse && w->sum && w->taken && w->left) return GM_OK;
    return gm_err_set(err, GM_ENOMEM, "not enough memory to explain %d trees", e->trees->trees_count);
}

gm_rc gm_tree_explain(const gm_tree_explainer *e, const gm_matrix *x, gm_arena *scratch, double *out, gm_err *err)
{
    const gm_trees *t = e->trees;
    int64_t features = t->features, width = features + 1;
    work w;
    gm_rc rc = work_new(e, scratch, &w, err);
    if (rc) return rc;
    memset(out, 0, (size_t)(x->rows * t->outputs * width) * sizeof(*out));
    for (int64_t first = 0; first < x->rows; first += ROWS_BLOCK) {
        int64_t rows = x->rows - first < ROWS_BLOCK ? x->rows - first : ROWS_BLOCK;
        for (int64_t f = 0; f < features; f++)
            for (int64_t r = 0; r < rows; r++) w.block[r * features + f] = as_trained(t, x->data[f * x->rows + first + r]);
        for (int32_t i = 0; i < t->trees_count; i++)
            for (int64_t r = 0; r < rows; r++) {
                walk_down(t, &t->trees[i], &e->plans[i], w.block + r * features, &w);
                walk_up(&e->plans[i], &w, out + ((first + r) * t->outputs + t->trees[i].output) * width);
            }
        for (int64_t r = 0; r < rows; r++)
            for (int32_t k = 0; k < t->outputs; k++) out[((first + r) * t->outputs + k) * width + features] = e->base[k];
    }
    return GM_OK;
}
