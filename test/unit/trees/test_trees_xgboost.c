/* test_trees_xgboost.c - margins equal XGBoost's own, bit for bit; files that are not its models are refused. */
#include <inttypes.h>
#include <stdio.h>

#include "harness/harness.h"
#include "train/xgboost_api.h"
#include "trees_data.h"

enum { ROWS = 10000, COLS = 12 };

static gm_xgboost api;

static void need_library(void)
{
    gm_err err;
    if (gm_xgboost_load(&api, &err)) gm_harness_skip("%s", err.message);
}

static const char *array_text(const void *data, int64_t rows, int64_t cols, const char *type, char *out, size_t size)
{
    (void)snprintf(out, size, "{\"data\": [%" PRIuPTR ", true], \"shape\": [%" PRId64 ", %" PRId64 "], \"typestr\": \"%s\", \"version\": 3}", (uintptr_t)data,
                   rows, cols, type);
    return out;
}

static float *row_major(gm_arena *a, const gm_matrix *x)
{
    float *out = GM_ARENA_ARRAY(a, float, x->rows *x->cols);
    for (int64_t r = 0; r < x->rows; r++)
        for (int64_t c = 0; c < x->cols; c++) out[r * x->cols + c] = (float)x->data[c * x->rows + r];
    return out;
}

static gm_trees *read_text(gm_arena *a, const char *text, size_t len)
{
    gm_err err;
    gm_trees *t = NULL;
    CHECK_OK(gm_trees_read_xgboost(text, len, "model.json", a, &t, &err), &err);
    return t;
}

/* Ours against the library's on ROWS fresh rows with NaN and infinities. */
static void compare(gm_arena *a, void *booster, int64_t classes)
{
    gm_err err;
    uint64_t len = 0, dim = 0;
    const uint64_t *shape = NULL;
    const char *text = NULL;
    const float *theirs = NULL;
    char array[256];
    made test = make_data(a, 99, ROWS, COLS, 0.1, 0.02, classes);
    float *rows = row_major(a, &test.x);
    CHECK(api.XGBoosterSaveModelToBuffer(booster, "{\"format\": \"json\"}", &len, &text) == 0);
    gm_trees *t = read_text(a, text, len);
    double *ours = GM_ARENA_ARRAY(a, double, ROWS *t->outputs);
    CHECK_OK(gm_trees_margin(t, &test.x, ours, &err), &err);
    CHECK(engine_agrees(t, &test.x, ours, a));

    int bad = api.XGBoosterPredictFromDense(booster, array_text(rows, ROWS, COLS, "<f4", array, sizeof(array)),
                                            "{\"type\": 1, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, \"strict_shape\": true, "
                                            "\"missing\": NaN, \"cache_id\": 0}",
                                            NULL, &shape, &dim, &theirs);
    if (bad) gm_harness_fail(__FILE__, __LINE__, "%s", api.XGBGetLastError());
    CHECK((int64_t)shape[0] == ROWS && (int64_t)shape[1] == t->outputs);
    int64_t different = 0, distinct = 0;
    for (int64_t i = 0; i < ROWS * t->outputs; i++) {
        float mine = (float)ours[i];
        different += memcmp(&mine, &theirs[i], sizeof(mine)) != 0;
        distinct += theirs[i] != theirs[0];
    }
    if (different) gm_harness_fail(__FILE__, __LINE__, "%" PRId64 " of %" PRId64 " margins differ; first %.9g, theirs %.9g", different, ROWS * (int64_t)t->outputs, ours[0], (double)theirs[0]);
    CHECK(distinct > ROWS / 2);
}

/* Train by the library directly, with "name", "value" pairs. positive: the target is made > 0. */
static void train_and_compare(int64_t classes, bool positive, const char *const *settings, int rounds)
{
    need_library();
    gm_arena *a = gm_arena_new(0);
    char array[256];
    void *matrix = NULL, *booster = NULL;
    made m = make_data(a, 7, 3000, COLS, 0.1, 0, classes);
    for (int64_t i = 0; positive && i < m.x.rows; i++) m.y[i] = exp(m.y[i] / 4);
    float *rows = row_major(a, &m.x);
    CHECK(api.XGDMatrixCreateFromDense(array_text(rows, m.x.rows, COLS, "<f4", array, sizeof(array)), "{\"missing\": NaN}", &matrix) == 0);
    (void)snprintf(array, sizeof(array), "{\"data\": [%" PRIuPTR ", true], \"shape\": [%" PRId64 "], \"typestr\": \"<f8\", \"version\": 3}", (uintptr_t)m.y, m.x.rows);
    CHECK(api.XGDMatrixSetInfoFromInterface(matrix, "label", array) == 0);
    CHECK(api.XGBoosterCreate(&matrix, 1, &booster) == 0);
    CHECK(api.XGBoosterSetParam(booster, "nthread", "1") == 0);
    for (; *settings; settings += 2) CHECK(api.XGBoosterSetParam(booster, settings[0], settings[1]) == 0);
    for (int i = 0; i < rounds; i++)
        if (api.XGBoosterUpdateOneIter(booster, i, matrix)) gm_harness_fail(__FILE__, __LINE__, "%s", api.XGBGetLastError());
    compare(a, booster, classes);
    (void)api.XGBoosterFree(booster);
    (void)api.XGDMatrixFree(matrix);
    gm_arena_free(a);
}

#define SETTINGS(...) (const char *const[]) { __VA_ARGS__, NULL }

static void binary_margins_are_bit_equal(void) { train_and_compare(2, false, SETTINGS("objective", "binary:logistic", "max_depth", "6"), 60); }

static void three_class_margins_are_bit_equal(void) { train_and_compare(3, false, SETTINGS("objective", "multi:softprob", "num_class", "3"), 30); }

static void regression_margins_are_bit_equal(void) { train_and_compare(0, false, SETTINGS("objective", "reg:squarederror", "max_depth", "9"), 60); }

static void a_given_base_score_is_turned_into_a_margin(void)
{
    train_and_compare(2, false, SETTINGS("objective", "binary:logistic", "base_score", "0.137"), 20);
}

static void log_link_margins_are_bit_equal(void)
{
    train_and_compare(0, true, SETTINGS("objective", "count:poisson"), 20);
    train_and_compare(0, true, SETTINGS("objective", "reg:gamma"), 20);
    train_and_compare(0, true, SETTINGS("objective", "reg:tweedie"), 20);
}

static void other_regression_margins_are_bit_equal(void)
{
    train_and_compare(0, false, SETTINGS("objective", "reg:absoluteerror"), 20);
    train_and_compare(0, false, SETTINGS("objective", "reg:pseudohubererror"), 20);
    train_and_compare(0, true, SETTINGS("objective", "reg:squaredlogerror"), 20);
    train_and_compare(0, false, SETTINGS("objective", "reg:quantileerror", "quantile_alpha", "0.3"), 20);
    train_and_compare(2, false, SETTINGS("objective", "reg:logistic"), 20);
    train_and_compare(2, false, SETTINGS("objective", "binary:logitraw"), 20); /* its base score is a margin already */
}

static void forests_of_parallel_trees_are_bit_equal(void)
{
    train_and_compare(3, false, SETTINGS("objective", "multi:softmax", "num_class", "3", "num_parallel_tree", "4", "subsample", "0.7"), 5);
}

/* ---- bad files --------------------------------------------------------------------------------------------- */

/* One tree: x0 < 0.5 ? 1 : 2. Each test spoils one field. */
static gm_rc read_one(const char *left, const char *right, const char *conditions, const char *features, const char *base, gm_trees **out, gm_err *err)
{
    static gm_arena *a; /* of this test's process */
    if (!a) a = gm_arena_new(0);
    char *text = gm_arena_printf(a,
                                 "{\"learner\": {\"learner_model_param\": {\"base_score\": \"%s\", \"num_class\": \"0\", \"num_feature\": \"2\", \"num_target\": \"1\"},"
                                 "\"objective\": {\"name\": \"reg:squarederror\"}, \"gradient_booster\": {\"name\": \"gbtree\", \"model\": {\"tree_info\": [0],"
                                 "\"trees\": [{\"left_children\": %s, \"right_children\": %s, \"split_conditions\": %s, \"split_indices\": %s,"
                                 "\"default_left\": [1, 0, 0], \"split_type\": [0, 0, 0], \"tree_param\": {\"num_nodes\": \"3\", \"size_leaf_vector\": \"1\"}}]}}}}",
                                 base, left, right, conditions, features);
    return gm_trees_read_xgboost(text, strlen(text), "model.json", a, out, err);
}

static void a_small_model_by_hand(void)
{
    gm_err err;
    gm_trees *t = NULL;
    double out[4], data[8] = { 0.4, 0.5, NAN, INFINITY, 0, 0, 0, 0 };
    CHECK_OK(read_one("[1, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "[2.5E-1]", &t, &err), &err);
    CHECK_OK(gm_trees_margin(t, &(gm_matrix){ .data = data, .rows = 4, .cols = 2 }, out, &err), &err);
    CHECK_NEAR(out[0], 1.25, 0);
    CHECK_NEAR(out[1], 2.25, 0); /* not below 0.5 */
    CHECK_NEAR(out[2], 1.25, 0); /* missing: default left */
    CHECK_NEAR(out[3], 2.25, 0);
    CHECK_RC(gm_trees_margin(t, &(gm_matrix){ .data = data, .rows = 2, .cols = 3 }, out, &err), GM_EINVALID);
}

static void spoiled_trees_are_refused(void)
{
    static const struct {
        const char *left, *right, *conditions, *features, *base, *says;
    } cases[] = {
        { "[3, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "0", "child 3 of 3" },
        { "[0, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "0", "two parents" },
        { "[1, 0, -1]", "[2, 2, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "0", "two parents" },
        { "[1, -1, -1]", "[1, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "0", "two parents" },
        { "[1, -1, -1]", "[-7, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "0", "child -7" },
        { "[1, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[2, 0, 0]", "0", "feature 2 of 2" },
        { "[1, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[-1, 0, 0]", "0", "feature -1" },
        { "[1, -1, -1]", "[2, -1, -1]", "[\"nan\", 1, 2]", "[0, 0, 0]", "0", "not a number" },
        { "[1, -1, -1]", "[2, -1, -1]", "[0.5, \"inf\", 2]", "[0, 0, 0]", "0", "not finite" },
        { "[1, -1, -1]", "[2, -1, -1]", "[0.5, \"x\", 2]", "[0, 0, 0]", "0", "not a number" },
        { "[1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "0", "wrong length" },
        { "[1, -1, -1]", "{}", "[0.5, 1, 2]", "[0, 0, 0]", "0", "wrong length" },
        { "[1, [], -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "0", "not a number" },
        { "[99999999999, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "0", "not a number" },
        { "[1, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "[1,2]", "base_score" },
        { "[1, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "[", "base_score" },
        { "[1, -1, -1]", "[2, -1, -1]", "[0.5, 1, 2]", "[0, 0, 0]", "nan", "base score" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_err err;
        gm_trees *t = NULL;
        CHECK_RC(read_one(cases[i].left, cases[i].right, cases[i].conditions, cases[i].features, cases[i].base, &t, &err), GM_ECORRUPT);
        CHECK_HAS(err.message, cases[i].says);
    }
}

static void other_documents_are_refused(void)
{
    static const char *const texts[] = { "{}", "[]", "1", "{\"learner\": 3}", "{\"learner\": {\"learner_model_param\": {}, \"gradient_booster\": {\"name\": \"dart\"}}}",
                                         "{\"learner\": {\"learner_model_param\": [], \"gradient_booster\": []}}" };
    gm_arena *a = gm_arena_new(0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        gm_err err;
        gm_trees *t = NULL;
        gm_rc rc = gm_trees_read_xgboost(texts[i], strlen(texts[i]), "model.json", a, &t, &err);
        CHECK(rc == GM_ECORRUPT || rc == GM_EUNSUPPORTED);
        CHECK(t == NULL);
    }
    gm_arena_free(a);
}

TESTS(T(binary_margins_are_bit_equal), T(three_class_margins_are_bit_equal), T(regression_margins_are_bit_equal),
      T(a_given_base_score_is_turned_into_a_margin), T(log_link_margins_are_bit_equal), T(other_regression_margins_are_bit_equal),
      T(forests_of_parallel_trees_are_bit_equal), T(a_small_model_by_hand), T(spoiled_trees_are_refused), T(other_documents_are_refused))
