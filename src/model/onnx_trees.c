/* onnx_trees.c - a tree ensemble as one TreeEnsembleRegressor of ai.onnx.ml 3.
 *
 * The operator compares a value with a threshold and sends NaN one of two ways; all else that trainers do is said by rewriting the matrix
 * before it. A feature is read in up to four forms, and each form in use is a column of the rewritten matrix:
 *
 *   NAN    as it is; NaN goes the node's default way
 *   ZERO   |v| <= 1e-35 becomes NaN, so that zero and missing go the default way      (LightGBM's missing type "zero")
 *   NONE   NaN becomes 0                                                               (LightGBM's missing type "none")
 *   SET    v is cut to an integer towards zero; NaN stays and is in no set            (LightGBM's categories)
 *
 * A set is a cascade of BRANCH_EQ nodes, one per member, that share their true branch; ONNX Runtime folds it back into one test of
 * membership. Values, thresholds and leaves are float32 when the trainer's are (XGBoost) and double otherwise (LightGBM); the sum over trees
 * leaves the operator as float32 in either case, as its definition says. XGBoost's base values are leaves of their own before the first tree,
 * so that a runtime that adds in order gives XGBoost's own bits; LightGBM's are added after the sum, in double, so its margins differ from
 * ours by that rounding to float32 (6e-8 of their size).
 */
#include "onnx.h"

#include <stdio.h>

#include "onnx_internal.h"

enum { SET_MAX = 4096 }; /* members of one set: longer cascades are deeper than readers recurse */

typedef enum form { FORM_NAN = GM_MISSING_NAN, FORM_ZERO = GM_MISSING_ZERO, FORM_NONE = GM_MISSING_NONE, FORM_SET, FORMS } form;

/* LightGBM's kZeroThreshold. */
#define ZERO_LIMIT ((double)1e-35f)

/* The rewritten matrix: column i is feature feature[i] in form form[i]. */
typedef struct layout {
    int64_t *feature;  /* [count] */
    form *form;        /* [count] */
    int32_t *position; /* [features * FORMS] column, or -1 */
    size_t count;
} layout;

/* The operator's attributes. */
typedef struct ensemble {
    int64_t *tree, *node, *feature, *yes, *no, *missing_yes; /* [nodes] */
    const char **mode;                                       /* [nodes] */
    double *value;                                           /* [nodes] */
    int64_t *leaf_tree, *leaf_node, *leaf_target;            /* [leaves] */
    double *leaf_value;                                      /* [leaves] */
    size_t nodes, leaves;
} ensemble;

static form form_of(const gm_tree_node *n)
{
    return n->categorical ? FORM_SET : (form)n->missing;
}

static bool in_set(const gm_trees *t, const gm_tree_node *n, int64_t v)
{
    return (t->cats[n->cat_begin + v / 32] >> (v % 32)) & 1u;
}

static int64_t set_limit(const gm_tree_node *n)
{
    return 32 * ((int64_t)n->cat_end - n->cat_begin);
}

static size_t set_size(const gm_trees *t, const gm_tree_node *n)
{
    size_t size = 0;
    for (int64_t v = 0; v < set_limit(n); v++) size += in_set(t, n, v);
    return size;
}

static const char *too_large(gm_onnx *g)
{
    return gm_onnx_fail(g, GM_ENOMEM, "the trees are too many for the arena of their ONNX form");
}

/* ---- the rewritten matrix ------------------------------------------------------------------------------ */

static bool make_layout(gm_onnx *g, const gm_trees *t, layout *l)
{
    size_t slots = (size_t)t->features * FORMS;
    l->feature = GM_ARENA_ARRAY(g->arena, int64_t, slots);
    l->form = GM_ARENA_ARRAY(g->arena, form, slots);
    l->position = GM_ARENA_ARRAY(g->arena, int32_t, slots);
    if (!l->feature || !l->form || !l->position) {
        (void)too_large(g);
        return false;
    }
    for (int32_t i = 0; i < t->trees_count; i++)
        for (int32_t k = 0; k < t->trees[i].count; k++) {
            const gm_tree_node *n = &t->trees[i].nodes[k];
            if (n->feature >= t->features) {
                (void)gm_onnx_fail(g, GM_EINVALID, "tree %d reads feature %d of %d", i, n->feature, t->features);
                return false;
            }
            if (n->feature >= 0) l->position[n->feature * FORMS + (int32_t)form_of(n)] = 1;
        }
    for (size_t s = 0; s < slots; s++) {
        if (!l->position[s]) {
            l->position[s] = -1;
            continue;
        }
        l->position[s] = (int32_t)l->count;
        l->feature[l->count] = (int64_t)(s / FORMS);
        l->form[l->count++] = (form)(s % FORMS);
    }
    return true;
}

/* A [1, columns] mask of the columns in one form; *out_any says whether there is one. */
static const char *mask(gm_onnx *g, const layout *l, form f, bool *out_any)
{
    bool *set = GM_ARENA_ARRAY(g->arena, bool, l->count);
    if (!set) return too_large(g);
    *out_any = false;
    for (size_t i = 0; i < l->count; i++) {
        set[i] = l->form[i] == f;
        *out_any |= set[i];
    }
    return *out_any ? gm_onnx_bools(g, set, (int64_t[]){ 1, (int64_t)l->count }, 2) : NULL;
}

static const char *cut_to_integer(gm_onnx *g, const char *x)
{
    const char *negative = gm_onnx_op2(g, "Less", x, gm_onnx_double(g, 0));
    return gm_onnx_op3(g, "Where", negative, gm_onnx_op1(g, "Ceil", x), gm_onnx_op1(g, "Floor", x));
}

/* LightGBM reads any |v| <= 1e-35 as 0. That decides a comparison only when a threshold lies within those limits itself. */
static bool needs_flush(const gm_trees *t)
{
    if (!t->less_or_equal) return false;
    for (int32_t i = 0; i < t->trees_count; i++)
        for (int32_t k = 0; k < t->trees[i].count; k++) {
            const gm_tree_node *n = &t->trees[i].nodes[k];
            if (n->feature >= 0 && !n->categorical && n->threshold >= -ZERO_LIMIT && n->threshold < ZERO_LIMIT) return true;
        }
    return false;
}

static const char *rewrite(gm_onnx *g, const gm_trees *t, const layout *l, const char *x)
{
    bool any = false, same = l->count == (size_t)t->features;
    for (size_t i = 0; i < l->count && same; i++) same = l->feature[i] == (int64_t)i;
    if (!same && l->count) {
        x = gm_onnx_op2(g, "Gather", x, gm_onnx_int64s(g, l->feature, (int64_t[]){ (int64_t)l->count }, 1));
        gm_onnx_attr_int(g, "axis", 1);
    }
    const char *small = NULL; /* where |v| <= 1e-35 */
    if (needs_flush(t)) {
        small = gm_onnx_op2(g, "LessOrEqual", gm_onnx_op1(g, "Abs", x), gm_onnx_double(g, ZERO_LIMIT));
        x = gm_onnx_op3(g, "Where", small, gm_onnx_double(g, 0), x);
    }
    const char *columns = mask(g, l, FORM_SET, &any);
    if (any) x = gm_onnx_op3(g, "Where", columns, cut_to_integer(g, x), x);
    columns = mask(g, l, FORM_NONE, &any);
    if (any) {
        columns = gm_onnx_op2(g, "And", gm_onnx_op1(g, "IsNaN", x), columns);
        x = gm_onnx_op3(g, "Where", columns, gm_onnx_double(g, 0), x);
    }
    columns = mask(g, l, FORM_ZERO, &any);
    if (any) {
        if (!small) small = gm_onnx_op2(g, "LessOrEqual", gm_onnx_op1(g, "Abs", x), gm_onnx_double(g, ZERO_LIMIT));
        x = gm_onnx_op3(g, "Where", gm_onnx_op2(g, "And", small, columns), gm_onnx_double(g, NAN), x);
    }
    return t->float32 ? gm_onnx_cast(g, x, GM_ONNX_FLOAT) : x;
}

/* ---- the operator's attributes ------------------------------------------------------------------------- */

static bool make_room(gm_onnx *g, const gm_trees *t, ensemble *e)
{
    size_t nodes = (size_t)t->outputs, leaves = (size_t)t->outputs; /* of the base values */
    for (int32_t i = 0; i < t->trees_count; i++)
        for (int32_t k = 0; k < t->trees[i].count; k++) {
            const gm_tree_node *n = &t->trees[i].nodes[k];
            size_t members = n->feature >= 0 && n->categorical ? set_size(t, n) : 1;
            if (members > SET_MAX) {
                (void)gm_onnx_fail(g, GM_EUNSUPPORTED, "a split on %zu categories at once, more than %d, has no ONNX form",
                                   members, SET_MAX);
                return false;
            }
            nodes += members ? members : 1;
            leaves += n->feature < 0;
        }
    gm_arena *a = g->arena;
    int64_t **numbers[] = { &e->tree, &e->node, &e->feature, &e->yes, &e->no, &e->missing_yes };
    bool ok = true;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ok = (*numbers[i] = GM_ARENA_ARRAY(a, int64_t, nodes)) && ok;
    ok = (e->mode = GM_ARENA_ARRAY(a, const char *, nodes)) && ok;
    ok = (e->value = GM_ARENA_ARRAY(a, double, nodes)) && ok;
    ok = (e->leaf_tree = GM_ARENA_ARRAY(a, int64_t, leaves)) && ok;
    ok = (e->leaf_node = GM_ARENA_ARRAY(a, int64_t, leaves)) && ok;
    ok = (e->leaf_target = GM_ARENA_ARRAY(a, int64_t, leaves)) && ok;
    ok = (e->leaf_value = GM_ARENA_ARRAY(a, double, leaves)) && ok;
    if (!ok) (void)too_large(g);
    return ok;
}

typedef struct row {
    int64_t node, feature, yes, no;
    const char *mode;
    double value;
    bool missing_yes;
} row;

static void add_row(ensemble *e, int64_t tree, row r)
{
    size_t i = e->nodes++;
    e->tree[i] = tree;
    e->node[i] = r.node;
    e->feature[i] = r.feature;
    e->yes[i] = r.yes;
    e->no[i] = r.no;
    e->missing_yes[i] = r.missing_yes;
    e->mode[i] = r.mode;
    e->value[i] = r.value;
}

static void add_leaf(ensemble *e, int64_t tree, int64_t node, int64_t target, double value)
{
    add_row(e, tree, (row){ .node = node, .mode = "LEAF" });
    size_t i = e->leaves++;
    e->leaf_tree[i] = tree;
    e->leaf_node[i] = node;
    e->leaf_target[i] = target;
    e->leaf_value[i] = value;
}

/* The cascade of a set. Its first test keeps the node's number, the others are numbered from *next on. */
static void add_set(ensemble *e, const gm_trees *t, int64_t tree, int64_t node, const gm_tree_node *n, int64_t feature,
                    int64_t *next)
{
    size_t left = set_size(t, n);
    row r = { .node = node, .feature = feature, .yes = n->left, .no = n->right, .mode = "BRANCH_EQ" };
    if (left == 0) {
        r.value = 0.5; /* an empty set: equal to no integer */
        add_row(e, tree, r);
    }
    for (int64_t v = 0; left > 0; v++) {
        if (!in_set(t, n, v)) continue;
        r.value = (double)v;
        r.no = --left ? *next : n->right;
        add_row(e, tree, r);
        r.node = (*next)++;
    }
}

static void add_tree(ensemble *e, const gm_trees *t, const layout *l, int32_t index)
{
    const gm_tree *tree = &t->trees[index];
    int64_t next = tree->count, id = t->outputs + index; /* after the base values */
    for (int32_t k = 0; k < tree->count; k++) {
        const gm_tree_node *n = &tree->nodes[k];
        if (n->feature < 0) {
            add_leaf(e, id, k, tree->output, n->value);
            continue;
        }
        int64_t feature = l->position[n->feature * FORMS + (int32_t)form_of(n)];
        if (n->categorical) {
            add_set(e, t, id, k, n, feature, &next);
            continue;
        }
        add_row(e, id, (row){ .node = k, .feature = feature, .yes = n->left, .no = n->right,
                                 .mode = t->less_or_equal ? "BRANCH_LEQ" : "BRANCH_LT", .value = n->threshold,
                                 .missing_yes = n->default_left });
    }
}

/* Doubles as a float list or a double tensor, by the ensemble's precision. */
static void attr_values(gm_onnx *g, bool float32, const char *name, const double *v, size_t n)
{
    char long_name[64];
    if (!float32) {
        (void)snprintf(long_name, sizeof(long_name), "%s_as_tensor", name);
        gm_onnx_attr_tensor_doubles(g, long_name, v, n);
        return;
    }
    float *floats = GM_ARENA_ARRAY(g->arena, float, n);
    if (!floats) {
        (void)too_large(g);
        return;
    }
    for (size_t i = 0; i < n; i++) floats[i] = (float)v[i];
    gm_onnx_attr_floats(g, name, floats, n);
}

static const char *add_operator(gm_onnx *g, const gm_trees *t, const ensemble *e, const char *x)
{
    const char *y = gm_onnx_op1(g, "ml.TreeEnsembleRegressor", x);
    gm_onnx_attr_ints(g, "nodes_treeids", e->tree, e->nodes);
    gm_onnx_attr_ints(g, "nodes_nodeids", e->node, e->nodes);
    gm_onnx_attr_ints(g, "nodes_featureids", e->feature, e->nodes);
    gm_onnx_attr_strs(g, "nodes_modes", e->mode, e->nodes);
    attr_values(g, t->float32, "nodes_values", e->value, e->nodes);
    gm_onnx_attr_ints(g, "nodes_truenodeids", e->yes, e->nodes);
    gm_onnx_attr_ints(g, "nodes_falsenodeids", e->no, e->nodes);
    gm_onnx_attr_ints(g, "nodes_missing_value_tracks_true", e->missing_yes, e->nodes);
    gm_onnx_attr_ints(g, "target_treeids", e->leaf_tree, e->leaves);
    gm_onnx_attr_ints(g, "target_nodeids", e->leaf_node, e->leaves);
    gm_onnx_attr_ints(g, "target_ids", e->leaf_target, e->leaves);
    attr_values(g, t->float32, "target_weights", e->leaf_value, e->leaves);
    gm_onnx_attr_int(g, "n_targets", t->outputs);
    gm_onnx_attr_str(g, "aggregate_function", "SUM");
    gm_onnx_attr_str(g, "post_transform", "NONE");
    return gm_onnx_cast(g, y, GM_ONNX_DOUBLE);
}

const char *gm_onnx_emit_trees(gm_onnx *g, const gm_trees *t, const char *x)
{
    layout l = { 0 };
    ensemble e = { 0 };
    if (!make_layout(g, t, &l) || !make_room(g, t, &e)) return NULL;
    /* These leaves also serve a model without trees, for which the operator has no form. */
    for (int32_t k = 0; k < t->outputs; k++) add_leaf(&e, k, 0, k, t->float32 ? t->base[k] : 0);
    for (int32_t i = 0; i < t->trees_count; i++) add_tree(&e, t, &l, i);
    const char *margin = add_operator(g, t, &e, rewrite(g, t, &l, x));
    if (t->float32) return margin;
    return gm_onnx_op2(g, "Add", margin, gm_onnx_doubles(g, t->base, (int64_t[]){ 1, t->outputs }, 2));
}
