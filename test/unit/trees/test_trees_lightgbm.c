/* test_trees_lightgbm.c - raw scores equal LightGBM's own, bit for bit; texts that are not its models are refused. */
#include <inttypes.h>
#include <stdio.h>

#include "harness/harness.h"
#include "train/lightgbm_api.h"
#include "trees_data.h"

enum { ROWS = 10000, COLS = 12 };

static gm_lightgbm api;

static void check(int bad, int line)
{
    if (bad) gm_harness_fail(__FILE__, line, "%s", api.LGBM_GetLastError());
}

static char *model_text(gm_arena *a, void *booster)
{
    int64_t len = 0;
    check(api.LGBM_BoosterSaveModelToString(booster, 0, -1, 0, 0, &len, NULL), __LINE__);
    char *text = GM_ARENA_ARRAY(a, char, len);
    check(api.LGBM_BoosterSaveModelToString(booster, 0, -1, 0, len, &len, text), __LINE__);
    return text;
}

/* Some values of at most LightGBM's zero, and categories beyond any set. */
static void add_edges(made *m)
{
    static const double edges[] = { 0.0, -0.0, 1e-36, -1e-36, 1e-35, 2e-35, -2e-35, 5e-324, 31, 32, 1e9, 3e9, -1, -0.5, 1e300, -1e300 };
    for (int64_t c = 0; c < m->x.cols; c++)
        for (int64_t i = 0; i < 16; i++) m->x.data[c * m->x.rows + 7 * i + c] = edges[i];
}

static void train_and_compare(int64_t classes, double missing, double infinite, const char *settings, int rounds)
{
    gm_err err;
    if (gm_lightgbm_load(&api, &err)) gm_harness_skip("%s", err.message);
    gm_arena *a = gm_arena_new(0);
    void *data = NULL, *booster = NULL;
    int finished = 0;
    made m = make_data(a, 7, 3000, COLS, missing, infinite, classes), test = make_data(a, 99, ROWS, COLS, 0.1, 0.02, classes);
    add_edges(&test);
    float *label = GM_ARENA_ARRAY(a, float, m.x.rows);
    for (int64_t i = 0; i < m.x.rows; i++) label[i] = (float)m.y[i];
    char *params = gm_arena_printf(a, "verbosity=-1 num_threads=1 min_data_in_leaf=5 %s", settings);
    check(api.LGBM_DatasetCreateFromMat(m.x.data, GM_LIGHTGBM_FLOAT64, (int32_t)m.x.rows, COLS, 0, params, NULL, &data), __LINE__);
    check(api.LGBM_DatasetSetField(data, "label", label, (int)m.x.rows, GM_LIGHTGBM_FLOAT32), __LINE__);
    check(api.LGBM_BoosterCreate(data, params, &booster), __LINE__);
    for (int i = 0; i < rounds && !finished; i++) check(api.LGBM_BoosterUpdateOneIter(booster, &finished), __LINE__);

    gm_trees *t = NULL;
    char *text = model_text(a, booster);
    CHECK_OK(gm_trees_read_lightgbm(text, strlen(text), a, &t, &err), &err);
    int64_t count = 0, different = 0, distinct = 0, cells = ROWS * (int64_t)t->outputs;
    double *ours = GM_ARENA_ARRAY(a, double, cells), *theirs = GM_ARENA_ARRAY(a, double, cells);
    CHECK_OK(gm_trees_margin(t, &test.x, ours, &err), &err);
    CHECK(engine_agrees(t, &test.x, ours, a));
    check(api.LGBM_BoosterPredictForMat(booster, test.x.data, GM_LIGHTGBM_FLOAT64, ROWS, COLS, 0, GM_LIGHTGBM_PREDICT_RAW, 0, -1, "num_threads=1", &count,
                                        theirs),
          __LINE__);
    CHECK(count == cells);
    for (int64_t i = 0; i < cells; i++) {
        different += memcmp(&ours[i], &theirs[i], sizeof(double)) != 0;
        distinct += theirs[i] != theirs[0];
    }
    if (different) gm_harness_fail(__FILE__, __LINE__, "%s: %" PRId64 " of %" PRId64 " differ", settings, different, cells);
    CHECK(distinct > ROWS / 2);
    (void)api.LGBM_BoosterFree(booster);
    (void)api.LGBM_DatasetFree(data);
    gm_arena_free(a);
}

static void binary_scores_are_bit_equal(void) { train_and_compare(2, 0.1, 0.01, "objective=binary", 60); }
static void three_class_scores_are_bit_equal(void) { train_and_compare(3, 0.1, 0.01, "objective=multiclass num_class=3", 30); }
static void regression_scores_are_bit_equal(void) { train_and_compare(0, 0.1, 0.01, "objective=regression", 60); }

static void without_missing_values_in_training(void) { train_and_compare(2, 0, 0, "objective=binary", 30); }

static void zero_as_missing_is_bit_equal(void) { train_and_compare(2, 0.1, 0, "objective=binary zero_as_missing=true", 40); }
static void use_missing_false_is_bit_equal(void) { train_and_compare(2, 0.1, 0, "objective=binary use_missing=false", 40); }

static void categorical_splits_are_bit_equal(void)
{
    train_and_compare(2, 0.1, 0, "objective=binary categorical_feature=2,5,8,11", 40);
    train_and_compare(0, 0, 0, "objective=regression categorical_feature=2,5,8 max_cat_to_onehot=1 cat_smooth=1", 40);
    train_and_compare(3, 0.1, 0, "objective=multiclass num_class=3 categorical_feature=2,5 zero_as_missing=true", 20);
}

static void log_links_and_bagging_are_bit_equal(void)
{
    train_and_compare(2, 0.1, 0, "objective=poisson", 20);
    train_and_compare(2, 0.1, 0, "objective=binary bagging_fraction=0.5 bagging_freq=1 feature_fraction=0.6 sigmoid=2", 20);
}

/* ---- bad texts --------------------------------------------------------------------------------------------- */

#define HEAD "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\nobjective=regression\n\n"
#define TREE "Tree=0\nnum_leaves=3\nnum_cat=0\nsplit_feature=0 1\nthreshold=0.5 2\ndecision_type=10 8\nleft_child=1 -1\nright_child=-3 -2\nleaf_value=1 2 4\nis_linear=0\n\n"
#define TAIL "end of trees\n"

static gm_rc read_small(const char *text, gm_trees **out, gm_err *err)
{
    static gm_arena *a; /* of this test's process */
    if (!a) a = gm_arena_new(0);
    return gm_trees_read_lightgbm(text, strlen(text), a, out, err);
}

static void a_small_model_by_hand(void)
{
    gm_err err;
    gm_trees *t = NULL;
    double out[4], data[8] = { 0.5, 0.6, NAN, 0, 2, 0, 3, NAN };
    CHECK_OK(read_small(HEAD TREE TAIL, &t, &err), &err);
    CHECK_OK(gm_trees_margin(t, &(gm_matrix){ .data = data, .rows = 4, .cols = 2 }, out, &err), &err);
    CHECK_NEAR(out[0], 1, 0); /* 0.5 <= 0.5, 2 <= 2 */
    CHECK_NEAR(out[1], 4, 0);
    CHECK_NEAR(out[2], 2, 0); /* missing: left by default; 3 > 2 */
    CHECK_NEAR(out[3], 2, 0); /* missing: right by default */
}

/* The text with the first `from` replaced. */
static const char *spoil(const char *from, const char *to, char *out, size_t size)
{
    static const char text[] = HEAD TREE TAIL;
    const char *at = strstr(text, from);
    CHECK(at != NULL);
    (void)snprintf(out, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static void spoiled_texts_are_refused(void)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        { "tree\n", "wood\n", "begin" },
        { "end of trees\n", "", "ends before" },
        { "num_leaves=3", "num_leaves=0", "num_leaves" },
        { "num_leaves=3", "num_leaves=4", "leaf_value" },
        { "num_leaves=3", "num_leaves=99999999999999", "num_leaves" },
        { "left_child=1 -1", "left_child=0 -1", "two parents" },
        { "left_child=1 -1", "left_child=1 0", "two parents" },
        { "left_child=1 -1", "left_child=2 -1", "left_child" },
        { "left_child=1 -1", "left_child=1 -4", "left_child" },
        { "right_child=-3 -2", "right_child=-3 -1", "two parents" },
        { "right_child=-3 -2", "right_child=-3", "right_child" },
        { "right_child=-3 -2", "right_child=-3 -2 -1", "right_child" },
        { "split_feature=0 1", "split_feature=0 2", "feature 2 of 2" },
        { "split_feature=0 1", "split_feature=0 -1", "split_feature" },
        { "threshold=0.5 2", "threshold=nan 2", "not a number" },
        { "threshold=0.5 2", "threshold=0.5 x", "threshold" },
        { "leaf_value=1 2 4", "leaf_value=1 inf 4", "not finite" },
        { "leaf_value=1 2 4", "leaf_values=1 2 4", "leaf_value" },
        { "decision_type=10 8", "decision_type=10 9", "no set" },
        { "decision_type=10 8", "decision_type=14 8", "missing value" },
        { "decision_type=10 8", "decision_type=99 8", "decision_type" },
        { "num_cat=0", "num_cat=1", "cat_boundaries" },
        { "num_cat=0", "num_cat=1\ncat_boundaries=5 2\ncat_threshold=1 2", "go back" },
        { "num_cat=0", "num_cat=1\ncat_boundaries=0 2\ncat_threshold=1", "cat_threshold" },
        { "max_feature_idx=1\n", "", "max_feature_idx" },
        { "num_tree_per_iteration=1", "num_tree_per_iteration=2", "lacks a tree" },
        { "num_tree_per_iteration=1", "num_tree_per_iteration=0", "num_tree_per_iteration" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_err err;
        gm_trees *t = NULL;
        char text[1024];
        gm_rc rc = read_small(spoil(cases[i].from, cases[i].to, text, sizeof(text)), &t, &err);
        if (rc != GM_ECORRUPT) gm_harness_fail(__FILE__, __LINE__, "\"%s\" gives %s", cases[i].to, gm_rc_name(rc));
        CHECK_HAS(err.message, cases[i].says);
        CHECK(t == NULL);
    }
}

static void what_is_not_read_says_so(void)
{
    static const char *const cases[][2] = {
        { "is_linear=0", "is_linear=1" }, { "objective=regression\n", "objective=regression sqrt\n" }, { "objective=regression\n", "objective=other\n" },
        { "objective=regression\n", "objective=regression\naverage_output\n" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_trees *t = NULL;
        char text[1024];
        CHECK_RC(read_small(spoil(cases[i][0], cases[i][1], text, sizeof(text)), &t, NULL), GM_EUNSUPPORTED);
    }
}

/* Any cut of a good model, and any one byte changed, is a model or an error; never a crash, never an endless walk. */
static void any_damage_is_a_model_or_an_error(void)
{
    static const char good[] = HEAD TREE TAIL;
    static const char bytes[] = "0123456789-=. \nTn\x01\xff";
    double data[2] = { 0.1, NAN }, out[64];
    gm_arena *a = gm_arena_new(0);
    for (size_t at = 0; at < sizeof(good) - 1; at++) {
        gm_trees *t = NULL;
        CHECK(gm_trees_read_lightgbm(good, at, a, &t, NULL) != GM_OK || at >= sizeof(good) - 2);
        for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
            char text[sizeof(good)];
            memcpy(text, good, sizeof(good));
            text[at] = bytes[b];
            t = NULL;
            if (gm_trees_read_lightgbm(text, sizeof(good) - 1, a, &t, NULL) == GM_OK && t->features == 2 && t->outputs <= 64)
                CHECK_RC(gm_trees_margin(t, &(gm_matrix){ .data = data, .rows = 1, .cols = 2 }, out, NULL), GM_OK);
        }
        gm_arena_reset(a);
    }
    gm_arena_free(a);
}

TESTS(T(binary_scores_are_bit_equal), T(three_class_scores_are_bit_equal), T(regression_scores_are_bit_equal), T(without_missing_values_in_training),
      T(zero_as_missing_is_bit_equal), T(use_missing_false_is_bit_equal), T(categorical_splits_are_bit_equal), T(log_links_and_bagging_are_bit_equal),
      T(a_small_model_by_hand), T(spoiled_texts_are_refused), T(what_is_not_read_says_so), T(any_damage_is_a_model_or_an_error))
