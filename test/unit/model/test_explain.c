/* test_explain.c - contributions against XGBoost, LightGBM and shap (test/conformance/model/make_explain.py), and against the definition. */
#include <stdio.h>
#include <stdlib.h>

#include "harness/harness.h"
#include "model/explain.h"

enum { WIDTH_MAX = 16, LINES_MAX = 64 };

typedef struct expected {
    gm_matrix x;
    double means[WIDTH_MAX];
    double want[LINES_MAX][WIDTH_MAX];
    int64_t lines, width;
} expected;

static double number(FILE *f)
{
    char word[64];
    CHECK(fscanf(f, "%63s", word) == 1);
    return strtod(word, NULL);
}

static void read_expected(const char *name, bool means, gm_arena *a, expected *e)
{
    char path[512], line[512];
    (void)snprintf(path, sizeof(path), "%s/test/conformance/model/%s", GM_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    CHECK(f && fgets(line, sizeof(line), f) && fgets(line, sizeof(line), f));
    e->x.rows = (int64_t)number(f);
    e->x.cols = (int64_t)number(f);
    e->lines = (int64_t)number(f);
    e->width = (int64_t)number(f);
    CHECK(e->lines <= LINES_MAX && e->width <= WIDTH_MAX);
    for (int64_t c = 0; means && c < e->x.cols; c++) e->means[c] = number(f);
    e->x.data = GM_ARENA_ARRAY(a, double, e->x.rows * e->x.cols);
    for (int64_t r = 0; r < e->x.rows; r++)
        for (int64_t c = 0; c < e->x.cols; c++) e->x.data[c * e->x.rows + r] = number(f);
    for (int64_t i = 0; i < e->lines; i++)
        for (int64_t c = 0; c < e->width; c++) e->want[i][c] = number(f);
    (void)fclose(f);
}

static gm_model *load(const char *name, gm_model_format format, gm_arena *a)
{
    char path[512];
    gm_err err;
    gm_model *m = NULL;
    (void)snprintf(path, sizeof(path), "%s/test/conformance/model/%s", GM_SOURCE_DIR, name);
    CHECK_OK(gm_model_load(format, path, a, &m, &err), &err);
    return m;
}

static double *explain(const gm_model *m, const gm_matrix *x, const double *means, gm_arena *a)
{
    gm_err err;
    gm_explainer *e = NULL;
    gm_arena *scratch = gm_harness_arena();
    CHECK_OK(gm_explainer_new(m, means, a, &e, &err), &err);
    double *out = GM_ARENA_ARRAY(a, double, x->rows * gm_explainer_outputs(e) * (x->cols + 1));
    CHECK_OK(gm_explain(e, x, scratch, out, &err), &err);
    gm_harness_arena_free(scratch);
    return out;
}

/* tolerance of the largest value of a line */
static void compare(const expected *e, const double *got, double tolerance)
{
    for (int64_t i = 0; i < e->lines; i++) {
        double largest = 0;
        for (int64_t c = 0; c < e->width; c++) largest = fmax(largest, fabs(e->want[i][c]));
        for (int64_t c = 0; c < e->width; c++) CHECK_NEAR(got[i * e->width + c], e->want[i][c], tolerance * largest);
    }
}

static void xgboost(void)
{
    static expected e, theirs;
    gm_arena *a = gm_harness_arena();
    read_expected("explain_xgboost.txt", false, a, &e);
    read_expected("explain_xgboost_shap.txt", false, a, &theirs);
    double *got = explain(load("explain_xgboost.json", GM_MODEL_XGBOOST, a), &e.x, NULL, a);
    compare(&e, got, 2e-5);
    compare(&theirs, got, 2e-5);
}

static void lightgbm(void)
{
    static expected e;
    gm_arena *a = gm_harness_arena();
    gm_err err;
    double margin[LINES_MAX];
    read_expected("explain_lightgbm.txt", false, a, &e);
    gm_model *m = load("explain_lightgbm.model", GM_MODEL_LIGHTGBM, a);
    double *got = explain(m, &e.x, NULL, a);
    compare(&e, got, 1e-9);
    CHECK_OK(gm_trees_margin(gm_model_trees(m), &e.x, margin, &err), &err);
    for (int64_t i = 0; i < e.lines; i++) {
        double sum = 0;
        for (int64_t c = 0; c < e.width; c++) sum += got[i * e.width + c];
        CHECK_NEAR(sum, margin[i], 1e-12 * (1 + fabs(margin[i])));
    }
}

static void linear(void)
{
    static expected e;
    gm_arena *a = gm_harness_arena();
    gm_err err;
    gm_explainer *none = NULL;
    double weights[] = { 0.5, -1.25, 2, 0.1, -0.3 }, intercept = 0.7;
    gm_linear l = { .features = 5, .outputs = 1, .weights = weights, .intercept = &intercept };
    gm_model *m = gm_model_of_linear(&l, a);
    read_expected("explain_linear.txt", true, a, &e);
    compare(&e, explain(m, &e.x, e.means, a), 1e-12);
    CHECK_RC(gm_explainer_new(m, NULL, a, &none, &err), GM_EINVALID);
}

/* ---- the definition itself: a sum over all subsets of features ---------------------------------------------------------------- */

/* The tree's mean answer when the features in `known` are. */
static double value_of(const gm_tree *t, int32_t at, const double *row, unsigned known)
{
    const gm_tree_node *n = &t->nodes[at];
    if (n->feature < 0) return n->value;
    if (known >> n->feature & 1) return value_of(t, row[n->feature] < n->threshold ? n->left : n->right, row, known);
    return (t->nodes[n->left].cover * value_of(t, n->left, row, known) + t->nodes[n->right].cover * value_of(t, n->right, row, known)) / n->cover;
}

static double shapley(const gm_tree *t, const double *row, int feature, int features)
{
    double sum = 0;
    for (unsigned s = 0; s < 1u << features; s++) {
        if (s >> feature & 1) continue;
        int size = __builtin_popcount(s);
        double weight = exp(lgamma(size + 1) + lgamma(features - size) - lgamma(features + 1));
        sum += weight * (value_of(t, 0, row, s | 1u << feature) - value_of(t, 0, row, s));
    }
    return sum;
}

static uint32_t seed;
static double dice(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) / 16777216;
}

/* A tree of up to that depth whose features repeat; zeros: now and then all of the cover goes to one side. */
static int32_t grow(gm_tree *t, int depth, int features, double cover, bool zeros)
{
    int32_t at = t->count++;
    if (depth == 0 || dice() < 0.15) {
        t->nodes[at] = (gm_tree_node){ .feature = -1, .left = -1, .right = -1, .value = dice() * 2 - 1, .cover = cover };
        return at;
    }
    double part = zeros && dice() < 0.2 ? 0 : dice();
    t->nodes[at] = (gm_tree_node){ .feature = (int32_t)(dice() * features), .threshold = dice(), .cover = cover };
    int32_t left = grow(t, depth - 1, features, cover * part, zeros), right = grow(t, depth - 1, features, cover * (1 - part), zeros);
    t->nodes[at].left = left;
    t->nodes[at].right = right;
    return at;
}

static void by_definition(bool zeros)
{
    gm_arena *a = gm_harness_arena();
    enum { FEATURES = 6 };
    double base = 0.25, data[FEATURES];
    for (int round = 0; round < 200; round++) {
        seed = (uint32_t)round * 7919 + 1;
        gm_tree tree = { .nodes = GM_ARENA_ARRAY(a, gm_tree_node, 1024) };
        gm_trees trees = { .trees = &tree, .trees_count = 1, .outputs = 1, .features = FEATURES, .base = &base, .float32 = true };
        (void)grow(&tree, round % 9, FEATURES, 100, zeros);
        for (int f = 0; f < FEATURES; f++) data[f] = (double)(float)dice();
        gm_matrix x = { data, 1, FEATURES, NULL };
        double *got = explain(gm_model_of_trees(&trees, a), &x, NULL, a), sum = 0;
        for (int f = 0; f <= FEATURES; f++) sum += got[f];
        CHECK_NEAR(sum, base + value_of(&tree, 0, data, (1u << FEATURES) - 1), 1e-12);
        if (zeros) {
            for (int f = 0; f <= FEATURES; f++) CHECK(isfinite(got[f]));
            continue;
        }
        for (int f = 0; f < FEATURES; f++) CHECK_NEAR(got[f], shapley(&tree, data, f, FEATURES), 1e-12);
        CHECK_NEAR(got[FEATURES], base + value_of(&tree, 0, data, 0), 1e-12);
    }
}

static void equals_the_definition(void) { by_definition(false); }
static void nodes_that_no_row_reached(void) { by_definition(true); }

/* A chain in which every split has a feature of its own: 60 factors on the longest path. */
static void deep_trees_stay_exact(void)
{
    enum { DEPTH = 60 };
    gm_arena *a = gm_harness_arena();
    gm_tree tree = { .nodes = GM_ARENA_ARRAY(a, gm_tree_node, 2 * DEPTH + 1), .count = 2 * DEPTH + 1 };
    double base = 0, data[DEPTH], sum = 0, cover = 1e6;
    for (int i = 0; i < DEPTH; i++) {
        tree.nodes[2 * i] = (gm_tree_node){ .feature = i, .left = 2 * i + 1, .right = 2 * i + 2, .threshold = 0.5, .cover = cover };
        tree.nodes[2 * i + 1] = (gm_tree_node){ .feature = -1, .left = -1, .right = -1, .value = i % 7 - 3, .cover = cover * 0.1 };
        cover *= 0.9;
        data[i] = 1; /* to the end of the chain */
    }
    tree.nodes[2 * DEPTH] = (gm_tree_node){ .feature = -1, .left = -1, .right = -1, .value = 5, .cover = cover };
    gm_trees trees = { .trees = &tree, .trees_count = 1, .outputs = 1, .features = DEPTH, .base = &base, .float32 = true };
    double *got = explain(gm_model_of_trees(&trees, a), &(gm_matrix){ data, 1, DEPTH, NULL }, NULL, a);
    for (int f = 0; f <= DEPTH; f++) sum += got[f];
    CHECK_NEAR(sum, 5, 1e-12);
}

static void what_cannot_be_explained(void)
{
    gm_arena *a = gm_harness_arena();
    gm_err err;
    gm_explainer *e = NULL;
    double base = 0, data[2] = { 0 };
    gm_tree_node nodes[3] = { { .feature = 0, .left = 1, .right = 2 }, { .feature = -1 }, { .feature = -1 } };
    gm_tree tree = { nodes, 3, 0 };
    gm_trees trees = { .trees = &tree, .trees_count = 1, .outputs = 1, .features = 1, .base = &base };
    CHECK_RC(gm_explainer_new(gm_model_of_trees(&trees, a), NULL, a, &e, &err), GM_EUNSUPPORTED);
    CHECK_HAS(err.message, "no cover");
    nodes[0].cover = 2;
    nodes[1].cover = nodes[2].cover = 1;
    CHECK_OK(gm_explainer_new(gm_model_of_trees(&trees, a), NULL, a, &e, &err), &err);
    CHECK_RC(gm_explain(e, &(gm_matrix){ data, 1, 2, NULL }, a, data, &err), GM_EINVALID);
}

TESTS(T(xgboost), T(lightgbm), T(linear), T(equals_the_definition), T(nodes_that_no_row_reached), T(deep_trees_stay_exact), T(what_cannot_be_explained))
