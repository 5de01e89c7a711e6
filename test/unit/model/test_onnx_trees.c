/* test_onnx_trees.c - tree ensembles through ONNX Runtime equal the plain evaluator.
 *
 * XGBoost: the same bits. LightGBM: 1e-6 of a value's size, because TreeEnsembleRegressor gives float32 also for double ensembles; paths
 * must be the same, or leaves of about 1 would show. */
#include "unit/model/onnx_case.h"

enum { ROWS = 10000, FEATURES = 6 };

static double base_values[] = { 0.25, -1.5, 3 };

static gm_arena *arena(void)
{
    gm_arena *a = gm_arena_new(0);
    CHECK(a != NULL);
    return a;
}

/* ---- by hand ------------------------------------------------------------------------------------------- */

/* One split on f0: 1 at the left, 2 at the right. */
static gm_trees one_split(gm_tree_node *nodes, gm_tree *tree, gm_tree_node split)
{
    split.left = 1;
    split.right = 2;
    nodes[0] = split;
    nodes[1] = (gm_tree_node){ .feature = -1, .value = 1 };
    nodes[2] = (gm_tree_node){ .feature = -1, .value = 2 };
    *tree = (gm_tree){ .nodes = nodes, .count = 3 };
    static double nothing[1];
    return (gm_trees){ .trees = tree, .trees_count = 1, .outputs = 1, .features = 1, .base = nothing, .sigmoid_scale = 1 };
}

/* Run over values; each must come out as wanted, in ONNX Runtime and in the plain evaluator. */
static void expect(const gm_trees *t, const double *values, const double *want, int64_t count)
{
    gm_arena *a = arena();
    gm_err err = { 0 };
    gm_trees copy = *t;
    gm_matrix x = { .data = GM_ARENA_ARRAY(a, double, count), .rows = count, .cols = 1 };
    memcpy(x.data, values, (size_t)count * sizeof(double));
    double *ours = GM_ARENA_ARRAY(a, double, count);
    CHECK_OK(gm_trees_margin(t, &x, ours, &err), &err);
    for (int64_t i = 0; i < count; i++) CHECK_NEAR(ours[i], want[i], 0);
    case_compare(gm_model_of_trees(&copy, a), &x, 0, a);
    gm_arena_free(a);
}

static const double edge[] = { 1, 1.5, 2, NAN, INFINITY, -INFINITY, 0, 1e-36 };
enum { EDGES = sizeof(edge) / sizeof(edge[0]) };

static void xgboost_goes_left_below_the_threshold(void)
{
    gm_tree_node nodes[3];
    gm_tree tree;
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .threshold = 1.5, .default_left = true });
    t.float32 = true;
    expect(&t, edge, (double[]){ 1, 2, 2, 1, 2, 1, 1, 1 }, EDGES);
    nodes[0].default_left = false;
    expect(&t, edge, (double[]){ 1, 2, 2, 2, 2, 1, 1, 1 }, EDGES);
}

static void xgboost_compares_float32(void)
{
    gm_tree_node nodes[3];
    gm_tree tree;
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .threshold = (double)0.1f });
    t.float32 = true;
    /* 0.1 < (double)0.1f, but as float32 both are equal, and equal goes right */
    expect(&t, (double[]){ 0.1, (double)0.1f, 0.09999999 }, (double[]){ 2, 2, 1 }, 3);
}

static void lightgbm_goes_left_up_to_the_threshold(void)
{
    gm_tree_node nodes[3];
    gm_tree tree;
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .threshold = 1.5, .default_left = true });
    t.less_or_equal = true;
    expect(&t, edge, (double[]){ 1, 1, 2, 1, 2, 1, 1, 1 }, EDGES);
    nodes[0].default_left = false;
    expect(&t, edge, (double[]){ 1, 1, 2, 2, 2, 1, 1, 1 }, EDGES);
}

static void lightgbm_compares_double(void)
{
    gm_tree_node nodes[3];
    gm_tree tree;
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .threshold = 0.1 });
    t.less_or_equal = true;
    expect(&t, (double[]){ 0.1, nextafter(0.1, 1), nextafter(0.1, 0) }, (double[]){ 1, 2, 1 }, 3);
}

static void missing_type_none_reads_nan_as_zero(void)
{
    gm_tree_node nodes[3];
    gm_tree tree;
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .threshold = -0.5, .missing = GM_MISSING_NONE, .default_left = true });
    t.less_or_equal = true;
    expect(&t, (double[]){ NAN, 0, -1 }, (double[]){ 2, 2, 1 }, 3);
    nodes[0].threshold = 0.5;
    nodes[0].default_left = false;
    expect(&t, (double[]){ NAN, 0, 1 }, (double[]){ 1, 1, 2 }, 3);
}

static void missing_type_zero_sends_zero_and_nan_the_default_way(void)
{
    gm_tree_node nodes[3];
    gm_tree tree;
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .threshold = 0.5, .missing = GM_MISSING_ZERO });
    t.less_or_equal = true;
    expect(&t, (double[]){ NAN, 0, -0.0, 1e-36, -1e-36, 2e-35, -1, 1 }, (double[]){ 2, 2, 2, 2, 2, 1, 1, 2 }, 8);
    nodes[0].threshold = -0.5;
    nodes[0].default_left = true;
    expect(&t, (double[]){ NAN, 0, -0.0, 1e-36, -1e-36, 2e-35, -1, 1 }, (double[]){ 1, 1, 1, 1, 1, 2, 1, 2 }, 8);
}

/* LightGBM's own thresholds at zero are +-1e-35, and it reads smaller values as 0. */
static void values_near_zero_are_zero(void)
{
    gm_tree_node nodes[3];
    gm_tree tree;
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .threshold = 0 });
    t.less_or_equal = true;
    expect(&t, (double[]){ 1e-36, 0, 2e-35 }, (double[]){ 1, 1, 2 }, 3);
    nodes[0].threshold = -(double)1e-35f;
    expect(&t, (double[]){ -1e-36, -(double)1e-35f, -2e-35 }, (double[]){ 2, 2, 1 }, 3);
}

static void a_set_of_categories_goes_left(void)
{
    gm_tree_node nodes[3];
    gm_tree tree;
    uint32_t cats[] = { 1u << 0 | 1u << 3 | 1u << 31, 1u << 1 | 1u << 31 }; /* 0, 3, 31, 33, 63 */
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .categorical = true, .cat_begin = 0, .cat_end = 2 });
    t.less_or_equal = true;
    t.cats = cats;
    const double values[] = { 0, -0.5, 0.9, 1, 3, 3.99, 31, 32, 33, 63, 64, 1e10, -1, NAN, INFINITY, -INFINITY };
    const double want[] = { 1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2 };
    expect(&t, values, want, sizeof(want) / sizeof(want[0]));
    cats[0] = cats[1] = 0; /* an empty set */
    expect(&t, (double[]){ 0, 0.5, 1 }, (double[]){ 2, 2, 2 }, 3);
    cats[0] = 1u << 7; /* one member */
    expect(&t, (double[]){ 7, 6, NAN }, (double[]){ 1, 2, 2 }, 3);
}

static void a_lone_leaf_and_no_tree_at_all(void)
{
    gm_tree_node leaf = { .feature = -1, .value = 0.75 };
    gm_tree tree = { .nodes = &leaf, .count = 1 };
    double base[] = { 2 };
    gm_trees t = { .less_or_equal = true, .trees = &tree, .trees_count = 1, .outputs = 1, .features = 1, .base = base, .sigmoid_scale = 1 };
    expect(&t, (double[]){ 1, NAN }, (double[]){ 2.75, 2.75 }, 2);
    t.trees_count = 0;
    expect(&t, (double[]){ 1, NAN }, (double[]){ 2, 2 }, 2);
}

/* ---- at random ----------------------------------------------------------------------------------------- */

typedef struct grower {
    gm_random r;
    gm_trees *t;
    gm_arena *a;
    int32_t cats_count;
    bool mixed; /* missing types and categories, as LightGBM has them */
} grower;

enum { CAT_WORDS = 3, CATS_MAX = 100000 };

static int32_t grow(grower *w, gm_tree *tree, int depth)
{
    int32_t at = tree->count++;
    if (depth == 0 || gm_random_below(&w->r, 8) == 0) {
        double v = gm_random_normal(&w->r);
        tree->nodes[at] = (gm_tree_node){ .feature = -1, .value = w->t->float32 ? (double)(float)v : v };
        return at;
    }
    gm_tree_node n = { .feature = (int32_t)gm_random_below(&w->r, FEATURES), .default_left = gm_random_below(&w->r, 2) };
    double threshold = case_value(&w->r);
    while (!isfinite(threshold)) threshold = case_value(&w->r);
    n.threshold = w->t->float32 ? (double)(float)threshold : threshold;
    if (!isfinite(n.threshold)) n.threshold = 1;
    if (w->mixed) n.missing = (gm_tree_missing)gm_random_below(&w->r, 3);
    if (w->mixed && gm_random_below(&w->r, 3) == 0) {
        n.categorical = true;
        n.default_left = false;
        n.cat_begin = w->cats_count;
        n.cat_end = w->cats_count += (int32_t)gm_random_below(&w->r, CAT_WORDS) + 1;
        CHECK(n.cat_end < CATS_MAX);
        for (int32_t i = n.cat_begin; i < n.cat_end; i++) w->t->cats[i] = (uint32_t)gm_random_u64(&w->r);
    }
    n.left = grow(w, tree, depth - 1);
    n.right = grow(w, tree, depth - 1);
    tree->nodes[at] = n;
    return at;
}

static gm_trees *forest(gm_arena *a, uint64_t seed, bool float32, int32_t outputs, gm_link link)
{
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    *t = (gm_trees){ .less_or_equal = !float32, .float32 = float32, .trees_count = 30 * outputs, .outputs = outputs,
                     .features = FEATURES, .base = base_values, .link = link, .sigmoid_scale = float32 ? 1 : 0.7,
                     .cats = GM_ARENA_ARRAY(a, uint32_t, CATS_MAX) };
    t->trees = GM_ARENA_ARRAY(a, gm_tree, t->trees_count);
    grower w = { .t = t, .a = a, .mixed = !float32 };
    gm_random_init(&w.r, seed);
    for (int32_t i = 0; i < t->trees_count; i++) {
        t->trees[i] = (gm_tree){ .nodes = GM_ARENA_ARRAY(a, gm_tree_node, 1 << 7), .output = i % outputs };
        (void)grow(&w, &t->trees[i], 5);
    }
    return t;
}

static void compare_forest(uint64_t seed, bool float32, int32_t outputs, gm_link link, double tolerance)
{
    gm_arena *a = arena();
    gm_matrix x = case_matrix(ROWS, FEATURES, seed + 100, a);
    case_compare(gm_model_of_trees(forest(a, seed, float32, outputs, link), a), &x, tolerance, a);
    gm_arena_free(a);
}

/* Margins have the same bits; the links are computed in double on both sides. */
static void random_xgboost_forests(void)
{
    compare_forest(1, true, 1, GM_LINK_SIGMOID, 1e-15);
    compare_forest(2, true, 3, GM_LINK_SOFTMAX, 1e-15);
    compare_forest(3, true, 1, GM_LINK_IDENTITY, 0);
    compare_forest(4, true, 3, GM_LINK_IDENTITY, 0);
    compare_forest(5, true, 1, GM_LINK_EXP, 1e-15);
}

static void random_lightgbm_forests(void)
{
    compare_forest(11, false, 1, GM_LINK_SIGMOID, 1e-6);
    compare_forest(12, false, 3, GM_LINK_SOFTMAX, 1e-6);
    compare_forest(13, false, 1, GM_LINK_IDENTITY, 1e-6);
    compare_forest(14, false, 3, GM_LINK_SIGMOID, 1e-6); /* one against all */
    compare_forest(15, false, 1, GM_LINK_EXP, 1e-5);     /* e^v turns an error of v into one of relative size */
}

static void a_feature_out_of_range_is_refused(void)
{
    gm_arena *a = arena();
    gm_err err = { 0 };
    gm_tree_node nodes[3];
    gm_tree tree;
    gm_trees t = one_split(nodes, &tree, (gm_tree_node){ .feature = 1 });
    gm_onnx *g = gm_onnx_new(a);
    const char *y = "untouched";
    CHECK_RC(gm_onnx_emit_model(g, gm_model_of_trees(&t, a), case_inputs(g, a, 1), &y, &err), GM_EINVALID);
    CHECK_HAS(err.message, "feature 1 of 1");
    CHECK_STR(y, "untouched");
    gm_arena_free(a);
}

TESTS(T(xgboost_goes_left_below_the_threshold), T(xgboost_compares_float32), T(lightgbm_goes_left_up_to_the_threshold),
      T(lightgbm_compares_double), T(missing_type_none_reads_nan_as_zero),
      T(missing_type_zero_sends_zero_and_nan_the_default_way), T(values_near_zero_are_zero), T(a_set_of_categories_goes_left),
      T(a_lone_leaf_and_no_tree_at_all), T(random_xgboost_forests), T(random_lightgbm_forests),
      T(a_feature_out_of_range_is_refused))
