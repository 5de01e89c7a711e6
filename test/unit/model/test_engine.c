/* test_engine.c - the tree engine gives the bits of the plain walk: every kernel, every number of rows, every kind of split and value. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "harness/harness.h"
#include "model/engine_internal.h"
#include "model/model.h"

/* Small and repeatable: xorshift. */
static uint64_t state = 88172645463325252u;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 11;
}

static int32_t below(int32_t n)
{
    return (int32_t)(next() % (uint64_t)n);
}

static double uniform(void)
{
    return (double)(next() % 1000003) / 1000003.0;
}

typedef struct shape {
    int32_t trees, depth, outputs, features;
    int32_t cuts;      /* distinct thresholds of a feature, about */
    double leaf_share; /* of places above the last level that are leaves */
    bool float32, categorical, default_ways;
    bool chain;        /* as deep as `depth`, one leaf at each level */
} shape;

static double threshold(const shape *s)
{
    int32_t i = below(s->cuts);
    if (i == 0) return 0.0;
    if (i == 1 && s->cuts > 8) return -0.0;
    if (i == 2 && s->cuts > 8) return INFINITY;
    if (i == 3 && s->cuts > 8) return -INFINITY;
    double v = ((double)i - s->cuts / 2.0) * 0.037;
    return s->float32 ? (double)(float)v : v;
}

static void split(const shape *s, gm_tree_node *n)
{
    *n = (gm_tree_node){ .feature = below(s->features), .threshold = threshold(s), .default_left = s->default_ways && below(2) };
    if (s->float32) return;
    n->missing = (gm_tree_missing)(s->default_ways ? below(3) : 0);
    if (!s->categorical || below(4)) return;
    n->categorical = true;
    n->cat_begin = below(20);
    n->cat_end = n->cat_begin + 1 + below(8);
}

/* Breadth first. */
static void grow(const shape *s, gm_arena *a, gm_tree *t)
{
    int32_t most = s->chain ? 2 * s->depth + 1 : (2 << s->depth) - 1;
    int32_t *depth = GM_ARENA_ARRAY(a, int32_t, most);
    t->nodes = GM_ARENA_ARRAY(a, gm_tree_node, most);
    t->output = below(s->outputs);
    t->count = 1;
    for (int32_t i = 0; i < t->count; i++) {
        gm_tree_node *n = &t->nodes[i];
        bool leaf = depth[i] == s->depth || (s->chain ? i > 0 && i % 2 == 0 : i > 0 && uniform() < s->leaf_share);
        if (leaf) {
            double v = uniform() - 0.5;
            *n = (gm_tree_node){ .feature = -1, .value = s->float32 ? (double)(float)v : v };
            continue;
        }
        split(s, n);
        n->left = t->count;
        n->right = t->count + 1;
        depth[t->count] = depth[t->count + 1] = depth[i] + 1;
        t->count += 2;
    }
}

static gm_trees *make_trees(const shape *s, gm_arena *a)
{
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    *t = (gm_trees){ .less_or_equal = !s->float32, .float32 = s->float32, .trees_count = s->trees, .outputs = s->outputs,
                     .features = s->features, .sigmoid_scale = 1 };
    t->trees = GM_ARENA_ARRAY(a, gm_tree, s->trees);
    t->base = GM_ARENA_ARRAY(a, double, s->outputs);
    t->cats = GM_ARENA_ARRAY(a, uint32_t, 32);
    for (int i = 0; i < 32; i++) t->cats[i] = (uint32_t)next();
    for (int32_t k = 0; k < s->outputs; k++) t->base[k] = s->float32 ? (double)(float)uniform() : 0;
    for (int32_t i = 0; i < s->trees; i++) grow(s, a, &t->trees[i]);
    return t;
}

static double value(const shape *s, int32_t feature, double odd)
{
    static const double odds[] = { NAN, INFINITY, -INFINITY, -0.0, 0.0, 1e-36, -1e-36, 1e300, -1e300, 1e-300, 3e9, -0.5 };
    if (uniform() < odd) return odds[below(sizeof(odds) / sizeof(odds[0]))];
    if (s->categorical && feature % 2) return below(300) + uniform() * below(2);
    if (below(3) == 0) return threshold(s); /* just at a cut */
    return (uniform() - 0.5) * s->cuts * 0.04;
}

static gm_matrix make_rows(const shape *s, int64_t rows, double odd, gm_arena *a)
{
    gm_matrix x = { .data = GM_ARENA_ARRAY(a, double, rows *s->features), .rows = rows, .cols = s->features };
    for (int32_t f = 0; f < s->features; f++)
        for (int64_t r = 0; r < rows; r++) x.data[f * rows + r] = value(s, f, odd);
    return x;
}

/* The kernel on all rows, in blocks and, when it can, singly. */
static void compare_kernel(const gm_tree_engine *e, const gm_tree_engine_kernel *k, const gm_matrix *x, const double *want, gm_arena *a)
{
    gm_err err;
    gm_tree_engine_work *w = NULL;
    int64_t outputs = e->t->outputs, values = x->rows * outputs;
    double *got = GM_ARENA_ARRAY(a, double, values);
    CHECK_OK(gm_tree_engine_work_new(e, a, &w, &err), &err);
    for (int64_t first = 0; k->block && first < x->rows; first += k->rows) {
        int32_t rows = x->rows - first < k->rows ? (int32_t)(x->rows - first) : k->rows;
        gm_tree_engine_run_block(e, k, w, x, first, rows, got + first * outputs);
    }
    for (int64_t i = 0; k->block && i < values; i++)
        if (memcmp(&got[i], &want[i], sizeof(*got)) != 0)
            gm_harness_fail(__FILE__, __LINE__, "%s, %lld rows, value %lld: %.17g, want %.17g", k->name, (long long)x->rows, (long long)i,
                            got[i], want[i]);
    for (int64_t r = 0; k->one && r < x->rows; r++) {
        gm_tree_engine_run_one(e, k, w, x, r, got);
        if (memcmp(got, want + r * outputs, (size_t)outputs * sizeof(*got)) != 0)
            gm_harness_fail(__FILE__, __LINE__, "%s, row %lld: %.17g, want %.17g", k->name, (long long)r, got[0], want[r * outputs]);
    }
}

static void compare_all(const shape *s, double odd)
{
    static const int64_t sizes[] = { 1, 2, 63, 64, 65, 511, 512, 513, 2000 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        gm_arena *a = gm_arena_new(0);
        gm_err err;
        gm_trees *t = make_trees(s, a);
        gm_matrix x = make_rows(s, sizes[i], odd, a);
        double *want = GM_ARENA_ARRAY(a, double, x.rows *s->outputs), *got = GM_ARENA_ARRAY(a, double, x.rows *s->outputs);
        CHECK_OK(gm_trees_margin(t, &x, want, &err), &err);
        for (gm_tree_engine_level l = GM_TREE_ENGINE_SCALAR; l <= gm_tree_engine_level_here(); l++) {
            gm_tree_engine *e = NULL;
            gm_tree_engine_work *w = NULL;
            CHECK_OK(gm_tree_engine_new(t, l, a, &e, &err), &err);
            for (int32_t k = 0; k < gm_tree_engine_kernels_count && !e->plain; k++)
                if (gm_tree_engine_usable(e, &gm_tree_engine_kernels[k])) compare_kernel(e, &gm_tree_engine_kernels[k], &x, want, a);
            CHECK_OK(gm_tree_engine_work_for(e, x.rows, a, &w, &err), &err);
            gm_tree_engine_margin(e, w, &x, got);
            CHECK(memcmp(got, want, (size_t)(x.rows * s->outputs) * sizeof(*got)) == 0);
        }
        gm_arena_free(a);
    }
}

static void xgboost_depths_one_to_twelve(void)
{
    for (int32_t depth = 1; depth <= 12; depth++)
        compare_all(&(shape){ .trees = 37, .depth = depth, .outputs = 1, .features = 5, .cuts = 100, .leaf_share = 0.2, .float32 = true,
                              .default_ways = true }, depth % 2 ? 0.05 : 0);
}

static void lightgbm_depths_one_to_twelve(void)
{
    for (int32_t depth = 1; depth <= 12; depth++)
        compare_all(&(shape){ .trees = 29, .depth = depth, .outputs = 1, .features = 5, .cuts = 100, .leaf_share = 0.2,
                              .default_ways = true }, depth % 2 ? 0.05 : 0);
}

static void several_outputs(void)
{
    for (int32_t outputs = 2; outputs <= 3; outputs++)
        for (int kind = 0; kind < 2; kind++)
            compare_all(&(shape){ .trees = 130, .depth = 6, .outputs = outputs, .features = 30, .cuts = 250, .leaf_share = 0.05,
                                  .float32 = kind == 0, .default_ways = true }, 0.02);
}

static void categorical_splits(void)
{
    compare_all(&(shape){ .trees = 40, .depth = 5, .outputs = 1, .features = 6, .cuts = 40, .leaf_share = 0.1, .categorical = true,
                          .default_ways = true }, 0.1);
    compare_all(&(shape){ .trees = 200, .depth = 7, .outputs = 2, .features = 6, .cuts = 40, .leaf_share = 0.1, .categorical = true }, 0.02);
}

static void more_than_255_cuts(void)
{
    for (int kind = 0; kind < 2; kind++)
        compare_all(&(shape){ .trees = 60, .depth = 8, .outputs = 1, .features = 3, .cuts = 3000, .leaf_share = 0.02, .float32 = kind == 0,
                              .default_ways = true }, 0.1);
}

static void exactly_255_and_256_cuts(void)
{
    for (int32_t cuts = 255; cuts <= 257; cuts++)
        compare_all(&(shape){ .trees = 60, .depth = 8, .outputs = 1, .features = 1, .cuts = cuts + 2, .leaf_share = 0, .float32 = true,
                              .default_ways = true }, 0.05);
}

static void rows_of_nothing_but_odd_values(void)
{
    for (int kind = 0; kind < 2; kind++)
        compare_all(&(shape){ .trees = 20, .depth = 6, .outputs = 1, .features = 4, .cuts = 20, .leaf_share = 0.1, .float32 = kind == 0,
                              .default_ways = true }, 1);
}

static void very_deep_and_single_leaf_trees(void)
{
    for (int kind = 0; kind < 2; kind++) {
        compare_all(&(shape){ .trees = 11, .depth = 300, .outputs = 1, .features = 4, .cuts = 50, .float32 = kind == 0, .chain = true,
                              .default_ways = true }, 0.05);
        compare_all(&(shape){ .trees = 19, .depth = 0, .outputs = 1, .features = 1, .cuts = 50, .float32 = kind == 0 }, 0);
    }
}

static void hundreds_of_features(void)
{
    compare_all(&(shape){ .trees = 90, .depth = 6, .outputs = 1, .features = 400, .cuts = 10, .float32 = true, .default_ways = true }, 0.01);
}

static void no_trees_at_all(void)
{
    compare_all(&(shape){ .trees = 0, .outputs = 2, .features = 3, .cuts = 3, .float32 = true }, 0);
}

/* ---- bad trees --------------------------------------------------------------------------------------------- */

static void refused(gm_tree_node *nodes, int32_t count, const char *part)
{
    gm_err err;
    gm_tree_engine *e = NULL;
    gm_tree tree = { .nodes = nodes, .count = count };
    gm_trees t = { .float32 = true, .trees = &tree, .trees_count = 1, .outputs = 1, .features = 2, .base = (double[]){ 0 } };
    gm_arena *a = gm_arena_new(0);
    CHECK_RC(gm_tree_engine_new(&t, GM_TREE_ENGINE_AVX512, a, &e, &err), GM_ECORRUPT);
    CHECK_HAS(err.message, part);
    CHECK(e == NULL);
    gm_arena_free(a);
}

static void bad_trees_are_refused(void)
{
    gm_tree_node leaf = { .feature = -1 };
    refused((gm_tree_node[]){ { .feature = 0, .left = 1, .right = 3 }, leaf, leaf }, 3, "child 3 of 3");
    refused((gm_tree_node[]){ { .feature = 0, .left = -1, .right = 2 }, leaf, leaf }, 3, "child -1");
    refused((gm_tree_node[]){ { .feature = 0, .left = 0, .right = 2 }, leaf, leaf }, 3, "two parents");
    refused((gm_tree_node[]){ { .feature = 0, .left = 1, .right = 2 }, { .feature = 0, .left = 0, .right = 2 }, leaf }, 3, "two parents");
    refused((gm_tree_node[]){ { .feature = 0, .left = 1, .right = 2, .threshold = NAN }, leaf, leaf }, 3, "not a number");
    refused((gm_tree_node[]){ { .feature = 2, .left = 1, .right = 2 }, leaf, leaf }, 3, "feature 2 of 2");
    refused((gm_tree_node[]){ { .feature = -1, .value = INFINITY } }, 1, "not finite");
}

static void a_million_levels_are_refused(void)
{
    int32_t depth = 1000000;
    gm_tree_node *nodes = calloc((size_t)depth * 2 + 1, sizeof(*nodes));
    CHECK(nodes != NULL);
    for (int32_t i = 0; i < depth; i++) {
        nodes[2 * i] = (gm_tree_node){ .left = 2 * i + 1, .right = 2 * i + 2 };
        nodes[2 * i + 1] = (gm_tree_node){ .feature = -1 };
    }
    nodes[2 * depth] = (gm_tree_node){ .feature = -1 };
    refused(nodes, 2 * depth + 1, "deeper than");
    free(nodes);
}

/* ---- choosing ---------------------------------------------------------------------------------------------- */

static void measuring_keeps_the_bits_and_says_what_it_chose(void)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    shape s = { .trees = 100, .depth = 6, .outputs = 1, .features = 10, .cuts = 200, .float32 = true, .default_ways = true };
    gm_trees *t = make_trees(&s, a);
    gm_matrix x = make_rows(&s, 700, 0.02, a);
    double want[700], got[700];
    gm_tree_engine *e = NULL;
    gm_tree_engine_work *w = NULL;
    gm_buf text = { 0 };
    gm_json j;
    CHECK_OK(gm_trees_margin(t, &x, want, &err), &err);
    CHECK_OK(gm_tree_engine_new(t, gm_tree_engine_level_here(), a, &e, &err), &err);
    CHECK_RC(gm_tree_engine_measure(e, &(gm_matrix){ .data = x.data, .rows = 1, .cols = 9 }, 5, &err), GM_EINVALID);
    CHECK_OK(gm_tree_engine_measure(e, &x, 20, &err), &err);
    CHECK(e->left_out == 0 && e->one_us > 0 && e->large_us > 0);
    CHECK_OK(gm_tree_engine_work_new(e, a, &w, &err), &err);
    gm_tree_engine_margin(e, w, &x, got);
    CHECK(memcmp(got, want, sizeof(want)) == 0);
    gm_json_init(&j, &text, false);
    gm_tree_engine_json(e, &j);
    CHECK_HAS(gm_buf_str(&text), "\"one_row\":");
    CHECK_HAS(gm_buf_str(&text), "\"left_out\":[]");
    gm_buf_clear(&text);
    gm_arena_free(a);
}

/* Threads predict on one model, each in its own work. */
static void a_model_predicts_through_its_engine(void)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    shape s = { .trees = 50, .depth = 6, .outputs = 3, .features = 8, .cuts = 200, .default_ways = true };
    gm_trees *t = make_trees(&s, a);
    t->link = GM_LINK_SOFTMAX;
    gm_matrix x = make_rows(&s, 300, 0.05, a);
    double want[900], got[900];
    gm_model_work *w = NULL;
    gm_buf text = { 0 };
    gm_json j;
    gm_model *m = gm_model_of_trees(t, a);
    CHECK(m != NULL);
    CHECK_OK(gm_trees_margin(t, &x, want, &err), &err);
    gm_link_apply(GM_LINK_SOFTMAX, 1, want, 300, 3);
    CHECK_OK(gm_model_predict(m, &x, got, &err), &err);
    CHECK(memcmp(got, want, sizeof(want)) == 0);
    CHECK_OK(gm_model_measure(m, &x, 10, &err), &err);
    CHECK_OK(gm_model_work_new(m, &w, &err), &err);
    for (int i = 0; i < 2; i++) {
        memset(got, 0, sizeof(got));
        CHECK_OK(gm_model_predict_with(m, w, &x, got, &err), &err);
        CHECK(memcmp(got, want, sizeof(want)) == 0);
    }
    CHECK_RC(gm_model_predict_with(m, w, &(gm_matrix){ .data = x.data, .rows = 1, .cols = 7 }, got, &err), GM_EINVALID);
    gm_json_init(&j, &text, false);
    gm_model_engine_json(m, &j);
    CHECK_HAS(gm_buf_str(&text), "\"large\":");
    gm_buf_clear(&text);
    gm_model_work_free(w);
    gm_arena_free(a);
}

/* A tree that is not what was prepared: the comparison at loading must notice. */
static void a_kernel_that_differs_is_left_out(void)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    shape s = { .trees = 30, .depth = 6, .outputs = 1, .features = 4, .cuts = 60, .float32 = true };
    gm_trees *t = make_trees(&s, a);
    gm_matrix x = make_rows(&s, 600, 0, a);
    double want[600], got[600];
    gm_tree_engine *e = NULL;
    gm_tree_engine_work *w = NULL;
    gm_buf text = { 0 };
    gm_json j;
    CHECK_OK(gm_tree_engine_new(t, gm_tree_engine_level_here(), a, &e, &err), &err);
    for (int32_t i = 0; i < t->trees[7].count; i++)
        if (t->trees[7].nodes[i].feature < 0) t->trees[7].nodes[i].value += 1;
    CHECK_OK(gm_tree_engine_measure(e, &x, 5, &err), &err);
    CHECK(e->left_out & 1u);
    gm_json_init(&j, &text, false);
    gm_tree_engine_json(e, &j);
    CHECK_HAS(gm_buf_str(&text), "plain walk");
    CHECK_HAS(gm_buf_str(&text), "bit for bit");
    CHECK_OK(gm_trees_margin(t, &x, want, &err), &err);
    CHECK_OK(gm_tree_engine_work_new(e, a, &w, &err), &err);
    gm_tree_engine_margin(e, w, &x, got);
    CHECK(memcmp(got, want, sizeof(want)) == 0);
    gm_buf_clear(&text);
    gm_arena_free(a);
}

/* One byte of a leaf as the vector kernels hold it: they are left out when the engine is made, and plain C answers. */
static void a_broken_vector_kernel_is_left_out_before_it_answers(void)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    shape s = { .trees = 70, .depth = 6, .outputs = 1, .features = 4, .cuts = 60, .float32 = true };
    gm_trees *t = make_trees(&s, a);
    gm_matrix x = make_rows(&s, 600, 0.05, a);
    double want[600], got[600];
    gm_tree_engine *e = NULL;
    gm_tree_engine_work *w = NULL;
    if (gm_tree_engine_level_here() == GM_TREE_ENGINE_SCALAR) gm_harness_skip("this processor has no vector kernel");
    CHECK_OK(gm_tree_engine_new(t, gm_tree_engine_level_here(), a, &e, &err), &err);
    CHECK(e->left_out == 0 && e->block->level > GM_TREE_ENGINE_SCALAR);
    for (int32_t p = 0; p < e->trees[7].leaf_slots; p++) e->planes[e->trees[7].planes + (size_t)p] ^= 1;
    for (int32_t g = 0; g < e->groups_count; g++) e->groups[g].leaves32[7] += 1;
    CHECK_OK(gm_tree_engine_check(e, &err), &err);
    for (int32_t i = 0; i < gm_tree_engine_kernels_count; i++)
        if (gm_tree_engine_kernels[i].block && gm_tree_engine_usable(e, &gm_tree_engine_kernels[i]))
            CHECK((e->left_out >> i & 1) == (gm_tree_engine_kernels[i].level > GM_TREE_ENGINE_SCALAR));
    gm_tree_engine_choose(e);
    CHECK(!e->plain && e->block->level == GM_TREE_ENGINE_SCALAR);
    CHECK_OK(gm_tree_engine_measure(e, &x, 5, &err), &err); /* measuring does not bring it back */
    CHECK(e->left_out != 0 && e->block->level == GM_TREE_ENGINE_SCALAR);
    CHECK_OK(gm_trees_margin(t, &x, want, &err), &err);
    CHECK_OK(gm_tree_engine_work_new(e, a, &w, &err), &err);
    gm_tree_engine_margin(e, w, &x, got);
    CHECK(memcmp(got, want, sizeof(want)) == 0);
    gm_arena_free(a);
}

TESTS(T(xgboost_depths_one_to_twelve), T(lightgbm_depths_one_to_twelve), T(several_outputs), T(categorical_splits), T(more_than_255_cuts),
      T(exactly_255_and_256_cuts), T(rows_of_nothing_but_odd_values), T(very_deep_and_single_leaf_trees), T(hundreds_of_features),
      T(no_trees_at_all), T(bad_trees_are_refused), T(a_million_levels_are_refused), T(measuring_keeps_the_bits_and_says_what_it_chose),
      T(a_model_predicts_through_its_engine),
      T(a_kernel_that_differs_is_left_out), T(a_broken_vector_kernel_is_left_out_before_it_answers))
