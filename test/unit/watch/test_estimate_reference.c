/* test_estimate_reference.c - estimated performance against NannyML and scikit-learn: test/conformance/watch/. */
#include "base/random.h"
#include "unit/watch/estimate_case.h"
#include "watch/estimate_internal.h"

/* Sums of 250 terms in another order differ by a few units in the last place. */
#define SUM_TOLERANCE 1e-12

static void check(const char *name, int chunk, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        gm_harness_fail(__FILE__, __LINE__, "%s of chunk %d is %.17g, want %.17g", name, chunk, got, want);
}

static void isotonic_curves(void)
{
    gm_arena *a = gm_harness_arena();
    gm_table ref = read_table("estimate_reference.csv", a), want = read_table("isotonic.csv", a);
    const gm_column *by = gm_table_find(&want, "score");
    const double *class_index = numbers_of(&want, "truth"), *at = numbers_of(&want, "at"), *value = numbers_of(&want, "value");
    gm_isotonic c = { 0 };
    gm_err err;
    for (int64_t i = 0; i < want.rows; i++) {
        const char *name = gm_column_text(by, i);
        bool binary = strcmp(name, "score") == 0;
        if (i == 0 || strcmp(name, gm_column_text(by, i - 1)) != 0) {
            const double *labels = numbers_of(&ref, binary ? "y" : "ymulti");
            double *truth = GM_ARENA_ARRAY(a, double, ref.rows);
            for (int64_t r = 0; r < ref.rows; r++) truth[r] = labels[r] == (binary ? 1 : class_index[i]);
            CHECK_OK(gm_isotonic_fit(numbers_of(&ref, name), truth, ref.rows, a, &c, &err), &err);
        }
        CHECK_NEAR(gm_isotonic_at(&c, at[i]), value[i], 1e-14);
    }
    CHECK(want.rows == 192);
    gm_harness_arena_free(a);
}

/* The generator's first numbers for seed 42, and a stratified draw: NumPy 2.4.6 and scikit-learn 1.9.1. */
static void draws_are_numpys(void)
{
    gm_numpy_random r;
    gm_numpy_random_init(&r, 42);
    CHECK(gm_numpy_random_u32(&r) == 1608637542u);
    CHECK(gm_numpy_random_u32(&r) == 3421126067u);
    gm_numpy_random_init(&r, 42);
    uint32_t v[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, want[10] = { 8, 1, 5, 0, 7, 2, 9, 4, 3, 6 };
    gm_numpy_shuffle(&r, v, 10);
    CHECK(memcmp(v, want, sizeof(v)) == 0);
}

static const gm_table *chunk_of(const gm_table *ref, const gm_table *cur, int chunk, gm_table *out, gm_arena *a)
{
    bool later = chunk >= REFERENCE_ROWS / CHUNK;
    *out = rows_of(later ? cur : ref, (later ? chunk - REFERENCE_ROWS / CHUNK : chunk) * CHUNK, CHUNK, a);
    return out;
}

/* Values and NannyML's bands of every chunk. band: how far the sampling error may be off, relative. */
static void check_binary(const char *name, double tolerance, double band)
{
    gm_arena *a = gm_harness_arena(), *scratch = gm_arena_new(0);
    gm_table ref = read_table("estimate_reference.csv", a), cur = read_table("estimate_current.csv", a), t;
    expected want = expected_of("cbpe", name);
    gm_scores s = binary_scores(numbers_of(&ref, "y"), numbers_of(&ref, "score"), ref.rows);
    gm_estimator *e = NULL;
    gm_err err;
    CHECK_OK(gm_estimator_fit(&s, NULL, metric_named(name), GM_COMPAT_NANNYML, 1, a, &e, &err), &err);
    CHECK(want.count == CHUNKS);
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        gm_scores now = binary_scores(NULL, numbers_of(chunk_of(&ref, &cur, chunk, &t, a), "score"), CHUNK);
        gm_interval got;
        CHECK_OK(gm_estimate(e, &now, NULL, scratch, &got, &err), &err);
        CHECK_STR(got.method, "CBPE");
        check(name, chunk, got.value, want.value[chunk], tolerance);
        if (band > 0) check("sampling error", chunk, (got.high - got.low) / 6, want.error[chunk], band * want.error[chunk]);
        gm_arena_reset(scratch);
    }
    gm_arena_free(scratch);
    gm_harness_arena_free(a);
}

static void accuracy(void)
{
    check_binary("accuracy", SUM_TOLERANCE, SUM_TOLERANCE);
}
static void precision(void)
{
    check_binary("precision", SUM_TOLERANCE, SUM_TOLERANCE);
}
static void recall(void)
{
    check_binary("recall", SUM_TOLERANCE, SUM_TOLERANCE);
}
static void specificity(void)
{
    check_binary("specificity", SUM_TOLERANCE, SUM_TOLERANCE);
}
static void f1(void)
{
    check_binary("f1", SUM_TOLERANCE, SUM_TOLERANCE);
}
/* The sampling error ranks rows of equal score in the order of an unstable sort there, by row here: 2,000 rows have 1,000
 * scores. */
static void roc_auc(void)
{
    check_binary("roc_auc", SUM_TOLERANCE, 2e-4);
}
/* The sampling error there comes from an unseeded generator. */
static void average_precision(void)
{
    check_binary("average_precision", SUM_TOLERANCE, 0);
}

static void check_multiclass(const char *name, double tolerance, double band)
{
    gm_arena *a = gm_harness_arena(), *scratch = gm_arena_new(0);
    gm_table ref = read_table("estimate_reference.csv", a), cur = read_table("estimate_current.csv", a);
    expected want = expected_of("cbpe_multiclass", name);
    double *scores[2];
    for (int side = 0; side < 2; side++) {
        const gm_table *t = side ? &cur : &ref;
        scores[side] = GM_ARENA_ARRAY(a, double, t->rows * 3);
        for (int64_t i = 0; i < t->rows; i++)
            for (int k = 0; k < 3; k++) scores[side][i * 3 + k] = numbers_of(t, (const char *[]){ "pm0", "pm1", "pm2" }[k])[i];
    }
    gm_scores s = {
        .task = GM_TASK_MULTICLASS, .rows = ref.rows, .classes = 3, .truth = numbers_of(&ref, "ymulti"), .predicted = scores[0]
    };
    gm_estimator *e = NULL;
    gm_err err;
    CHECK_OK(gm_estimator_fit(&s, NULL, metric_named(name), GM_COMPAT_NANNYML, 1, a, &e, &err), &err);
    for (int k = 0; k < 3; k++) {
        char column[8];
        (void)snprintf(column, sizeof(column), "pm%d", k);
        CHECK((e->calibrators[k].count > 0) == (expected_of("cbpe_calibrates", column).value[0] == 1));
    }
    CHECK(want.count == CHUNKS);
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        bool later = chunk >= REFERENCE_ROWS / CHUNK;
        gm_scores now = { .task = GM_TASK_MULTICLASS,
                          .rows = CHUNK,
                          .classes = 3,
                          .predicted = scores[later] + (later ? chunk - REFERENCE_ROWS / CHUNK : chunk) * CHUNK * 3 };
        gm_interval got;
        CHECK_OK(gm_estimate(e, &now, NULL, scratch, &got, &err), &err);
        check(name, chunk, got.value, want.value[chunk], tolerance);
        check("sampling error", chunk, (got.high - got.low) / 6, want.error[chunk], band * want.error[chunk]);
        gm_arena_reset(scratch);
    }
    gm_arena_free(scratch);
    gm_harness_arena_free(a);
}

static void accuracy_of_classes(void)
{
    check_multiclass("accuracy", SUM_TOLERANCE, SUM_TOLERANCE);
}
static void precision_of_classes(void)
{
    check_multiclass("precision_macro", SUM_TOLERANCE, SUM_TOLERANCE);
}
static void recall_of_classes(void)
{
    check_multiclass("recall_macro", SUM_TOLERANCE, SUM_TOLERANCE);
}
static void f1_of_classes(void)
{
    check_multiclass("f1_macro", SUM_TOLERANCE, SUM_TOLERANCE);
}
/* With several classes rows of one score differ in their chances, and NannyML's order among them is that of an unstable sort. */
static void roc_auc_of_classes(void)
{
    check_multiclass("roc_auc_ovr", 5e-6, 2e-4);
}

/* The same trees: one that split otherwise would move values by a thousandth. */
static void check_regression(const char *name)
{
    static const char *const inputs[] = { "x_norm", "x_skew", "x_few", "x_int", "c_small" };
    gm_arena *a = gm_harness_arena(), *scratch = gm_arena_new(0);
    gm_table all[2] = { read_table("estimate_reference.csv", a), read_table("estimate_current.csv", a) }, features[2];
    expected want = expected_of("dle", name);
    for (int side = 0; side < 2; side++) {
        features[side] = (gm_table){ .rows = all[side].rows, .columns_count = 5, .columns = GM_ARENA_ARRAY(a, gm_column, 5) };
        for (int c = 0; c < 5; c++) features[side].columns[c] = *gm_table_find(&all[side], inputs[c]);
    }
    gm_scores s = { .task = GM_TASK_REGRESSION,
                    .rows = all[0].rows,
                    .truth = numbers_of(&all[0], "yreg"),
                    .predicted = numbers_of(&all[0], "predreg") };
    gm_estimator *e = NULL;
    gm_err err;
    CHECK_OK(gm_estimator_fit(&s, &features[0], metric_named(name), GM_COMPAT_NANNYML, 1, a, &e, &err), &err);
    CHECK(want.count == CHUNKS);
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        bool later = chunk >= REFERENCE_ROWS / CHUNK;
        int64_t from = (later ? chunk - REFERENCE_ROWS / CHUNK : chunk) * CHUNK;
        gm_table t = rows_of(&features[later], from, CHUNK, a);
        gm_scores now = { .task = GM_TASK_REGRESSION, .rows = CHUNK, .predicted = numbers_of(&all[later], "predreg") + from };
        gm_interval got;
        CHECK_OK(gm_estimate(e, &now, &t, scratch, &got, &err), &err);
        CHECK_STR(got.method, "DLE");
        check(name, chunk, got.value, want.value[chunk], SUM_TOLERANCE * want.value[chunk]);
        check("sampling error", chunk, (got.high - got.value) / 3, want.error[chunk], SUM_TOLERANCE * want.error[chunk]);
        gm_arena_reset(scratch);
    }
    gm_arena_free(scratch);
    gm_harness_arena_free(a);
}

static void mae(void)
{
    check_regression("mae");
}
static void mape(void)
{
    check_regression("mape");
}
static void mse(void)
{
    check_regression("mse");
}
static void rmse(void)
{
    check_regression("rmse");
}

TESTS(T(isotonic_curves), T(draws_are_numpys), T(accuracy), T(precision), T(recall), T(specificity), T(f1), T(roc_auc),
      T(average_precision), T(accuracy_of_classes), T(precision_of_classes), T(recall_of_classes), T(f1_of_classes),
      T(roc_auc_of_classes), T(mae), T(mape), T(mse), T(rmse))
