/* test_trained_onnx.c - models as the trainers write them: loaded from their files, run in ONNX Runtime, equal to our own predictions on 10,000
 * rows with missing values, infinities, values near zero and unknown categories.
 *
 * Tolerances: linear 1e-12 (double, another order of summing); XGBoost 1e-12 (margins have the same bits, links are double);
 * LightGBM 1e-6 of a value's size (the operator's sums leave it as float32). */
#include "train/lightgbm_api.h"
#include "unit/model/onnx_case.h"
#include "unit/trees/trees_data.h"

enum { ROWS = 10000, COLS = 12, TRAIN_ROWS = 3000 };

/* Some values of at most LightGBM's zero, and categories beyond any set. */
static void add_edges(gm_matrix *x)
{
    static const double edges[] = { 0.0, -0.0, 1e-36, -1e-36, 1e-35, 2e-35, -2e-35, 5e-324, 31, 32, 1e9, 3e9, -1, -0.5, 1e300, -1e300 };
    for (int64_t c = 0; c < x->cols; c++)
        for (int64_t i = 0; i < 16; i++) x->data[c * x->rows + 7 * i + c] = edges[i];
}

/* ---- through the trainers ------------------------------------------------------------------------------ */

static void train_load_compare(const char *name, int64_t classes, double tolerance)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err = { 0 };
    gm_model *m = NULL;
    gm_train_result r;
    const gm_trainer *t = trainer_named(name);
    double missing = t->wants_scaled ? 0 : 0.1;
    const char *dir = gm_harness_tmpdir();
    const char *const changes[] = { "rounds", "40", NULL };
    made data = make_data(a, 1, TRAIN_ROWS, COLS, missing, 0, classes);
    made test = make_data(a, 2, ROWS, COLS, missing, t->wants_scaled ? 0 : 0.02, classes);
    gm_train_data d = train_data(&data, NULL, classes);
    if (!t->wants_scaled) add_edges(&test.x);
    gm_rc rc = gm_train(t, make_conf(t, a, t->wants_scaled ? NULL : changes), &d,
                        &(gm_train_options){ .seed = 1, .threads = 1, .out_dir = dir }, a, &r, &err);
    if (rc == GM_EUNAVAILABLE) gm_harness_skip("%s", err.message);
    CHECK_OK(rc, &err);
    CHECK_OK(gm_model_load(r.format, gm_path_join(a, dir, r.file), a, &m, &err), &err);
    CHECK(gm_model_outputs(m) == (classes > 2 ? classes : 1));
    case_compare(m, &test.x, tolerance, a);
    gm_arena_free(a);
}

static void linear_models(void)
{
    train_load_compare("logistic", 2, 1e-12);
    train_load_compare("logistic", 3, 1e-12);
    train_load_compare("linear", 0, 1e-12);
}

static void xgboost_models(void)
{
    train_load_compare("xgboost", 2, 1e-12);
    train_load_compare("xgboost", 3, 1e-12);
    train_load_compare("xgboost", 0, 1e-12);
}

static void lightgbm_models(void)
{
    train_load_compare("lightgbm", 2, 1e-6);
    train_load_compare("lightgbm", 3, 1e-6);
    train_load_compare("lightgbm", 0, 1e-6);
}

/* ---- LightGBM's settings that our trainer does not offer ------------------------------------------------- */

static gm_lightgbm api;

static void check(int bad, int line)
{
    if (bad) gm_harness_fail(__FILE__, line, "%s", api.LGBM_GetLastError());
}

static void compare_settings(int64_t classes, const char *settings)
{
    gm_err err = { 0 };
    if (gm_lightgbm_load(&api, &err)) gm_harness_skip("%s", err.message);
    gm_arena *a = gm_arena_new(0);
    void *data = NULL, *booster = NULL;
    int finished = 0;
    made m = make_data(a, 7, TRAIN_ROWS, COLS, 0.1, 0, classes), test = make_data(a, 99, ROWS, COLS, 0.1, 0.02, classes);
    add_edges(&test.x);
    float *label = GM_ARENA_ARRAY(a, float, m.x.rows);
    for (int64_t i = 0; i < m.x.rows; i++) label[i] = (float)m.y[i];
    char *params = gm_arena_printf(a, "verbosity=-1 num_threads=1 min_data_in_leaf=5 %s", settings);
    check(api.LGBM_DatasetCreateFromMat(m.x.data, GM_LIGHTGBM_FLOAT64, TRAIN_ROWS, COLS, 0, params, NULL, &data), __LINE__);
    check(api.LGBM_DatasetSetField(data, "label", label, TRAIN_ROWS, GM_LIGHTGBM_FLOAT32), __LINE__);
    check(api.LGBM_BoosterCreate(data, params, &booster), __LINE__);
    for (int i = 0; i < 30 && !finished; i++) check(api.LGBM_BoosterUpdateOneIter(booster, &finished), __LINE__);
    int64_t len = 0;
    check(api.LGBM_BoosterSaveModelToString(booster, 0, -1, 0, 0, &len, NULL), __LINE__);
    char *text = GM_ARENA_ARRAY(a, char, len);
    check(api.LGBM_BoosterSaveModelToString(booster, 0, -1, 0, len, &len, text), __LINE__);
    gm_trees *t = NULL;
    CHECK_OK(gm_trees_read_lightgbm(text, strlen(text), a, &t, &err), &err);
    case_compare(gm_model_of_trees(t, a), &test.x, 1e-6, a);
    (void)api.LGBM_BoosterFree(booster);
    (void)api.LGBM_DatasetFree(data);
    gm_arena_free(a);
}

static void zero_and_none_as_missing(void)
{
    compare_settings(2, "objective=binary zero_as_missing=true");
    compare_settings(2, "objective=binary use_missing=false");
}

static void categorical_features(void)
{
    compare_settings(2, "objective=binary categorical_feature=2,5,8,11");
    compare_settings(0, "objective=regression categorical_feature=2,5,8 max_cat_to_onehot=1 cat_smooth=1");
    compare_settings(3, "objective=multiclass num_class=3 categorical_feature=2,5 zero_as_missing=true");
}

static void other_links(void)
{
    compare_settings(2, "objective=poisson");
    compare_settings(2, "objective=binary sigmoid=2");
}

TESTS(T(linear_models), T(xgboost_models), T(lightgbm_models), T(zero_and_none_as_missing), T(categorical_features), T(other_links))
