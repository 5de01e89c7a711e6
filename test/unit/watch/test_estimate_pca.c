/* test_estimate_pca.c - reconstruction error against NannyML; eigenvectors; what changes it and what does not. */
#include "base/random.h"
#include "unit/watch/estimate_case.h"
#include "watch/estimate_columns.h"
#include "watch/estimate_eigen.h"

static const char *const inputs[] = { "x_norm", "x_skew", "x_int", "score", "c_small", "c_big", "grp" };
enum { INPUTS = sizeof(inputs) / sizeof(inputs[0]) };

/* Sums in another order, and another way to the eigenvectors. */
static void reconstruction_is_nannymls(void)
{
    gm_arena *a = gm_harness_arena();
    gm_table sides[2] = { read_table("estimate_reference.csv", a), read_table("estimate_current.csv", a) };
    expected want = expected_of("pca", "reconstruction_error");
    gm_pca *p = NULL;
    gm_err err;
    CHECK_OK(gm_pca_fit(&sides[0], inputs, INPUTS, 0, CHUNK, a, &p, &err), &err);
    CHECK(want.count == CHUNKS);
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        bool later = chunk >= REFERENCE_ROWS / CHUNK;
        gm_table t = rows_of(&sides[later], (later ? chunk - REFERENCE_ROWS / CHUNK : chunk) * CHUNK, CHUNK, a);
        gm_pca_value got;
        CHECK_OK(gm_pca_error(p, &t, a, &got, &err), &err);
        CHECK_NEAR(got.error, want.value[chunk], 1e-12);
        CHECK_NEAR((got.high - got.error) / 3, want.error[chunk], 1e-12);
        CHECK_NEAR(got.error - got.low, got.high - got.error, 1e-12);
        CHECK_NEAR(got.limit_low, expected_of("pca_limits", "lower").value[0], 1e-12);
        CHECK_NEAR(got.limit_high, expected_of("pca_limits", "upper").value[0], 1e-12);
        CHECK(got.rows == CHUNK);
        CHECK(got.drifted == (want.value[chunk] >= got.limit_high || want.value[chunk] <= got.limit_low));
    }
    gm_harness_arena_free(a);
}

static void eigenvectors_satisfy_their_equation(void)
{
    enum { MOST = 40 };
    static double m[MOST * MOST], v[MOST * MOST], values[MOST];
    gm_random r;
    gm_random_init(&r, 7);
    for (size_t n = 1; n <= MOST; n += 3) {
        gm_arena *a = gm_arena_new(0);
        gm_err err;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) m[i * n + j] = m[j * n + i] = n % 2 && (i + j) % 3 == 0 ? 0 : gm_random_normal(&r);
        memcpy(v, m, n * n * sizeof(*m));
        CHECK_OK(gm_eigen_symmetric(v, n, values, a, &err), &err);
        for (size_t k = 0; k < n; k++) {
            CHECK(k == 0 || values[k] <= values[k - 1]);
            for (size_t i = 0; i < n; i++) {
                double product = 0, dot = 0;
                for (size_t j = 0; j < n; j++) {
                    product += m[i * n + j] * v[k * n + j];
                    dot += v[i * n + j] * v[k * n + j];
                }
                CHECK_NEAR(product, values[k] * v[k * n + i], 1e-12 * 10);
                CHECK_NEAR(dot, i == k, 1e-12);
            }
        }
        gm_arena_free(a);
    }
}

/* Values that are equal, none, or far apart in size; a matrix that is diagonal already. */
static void eigenvalues_of_awkward_matrices(void)
{
    gm_arena *a = gm_harness_arena();
    gm_err err;
    double values[4], zero[16] = { 0 }, same[9] = { 2, 0, 0, 0, 2, 0, 0, 0, 2 }, ones[16], far[4] = { 1e-12, 0, 0, 1e12 };
    CHECK_OK(gm_eigen_symmetric(zero, 4, values, a, &err), &err);
    for (int i = 0; i < 4; i++) CHECK_NEAR(values[i], 0, 0);
    CHECK_OK(gm_eigen_symmetric(same, 3, values, a, &err), &err);
    for (int i = 0; i < 3; i++) CHECK_NEAR(values[i], 2, 0);
    for (int i = 0; i < 16; i++) ones[i] = 1;
    CHECK_OK(gm_eigen_symmetric(ones, 4, values, a, &err), &err);
    CHECK_NEAR(values[0], 4, 1e-14);
    for (int i = 1; i < 4; i++) CHECK_NEAR(values[i], 0, 1e-14);
    CHECK_OK(gm_eigen_symmetric(far, 2, values, a, &err), &err);
    CHECK_NEAR(values[0], 1e12, 0);
    CHECK_NEAR(values[1], 1e-12, 0);
    double bad[4] = { 1, NAN, NAN, 1 };
    CHECK_RC(gm_eigen_symmetric(bad, 2, values, a, &err), GM_EINVALID);
    gm_harness_arena_free(a);
}

/* Two columns that agree in the reference; the same two, each distributed as before, that no longer do. */
static gm_table pair_table(uint64_t seed, double agreement, int64_t rows, gm_arena *a)
{
    gm_random r;
    gm_random_init(&r, seed);
    double *x[3];
    for (int c = 0; c < 3; c++) x[c] = GM_ARENA_ARRAY(a, double, rows);
    for (int64_t i = 0; i < rows; i++) {
        x[0][i] = gm_random_normal(&r);
        x[1][i] = agreement * x[0][i] + sqrt(1 - agreement * agreement) * gm_random_normal(&r);
        x[2][i] = gm_random_normal(&r);
    }
    gm_table t = { .rows = rows, .columns_count = 3, .columns = GM_ARENA_ARRAY(a, gm_column, 3) };
    for (int c = 0; c < 3; c++)
        t.columns[c] =
            (gm_column){ .name = (const char *[]){ "a", "b", "c" }[c], .type = GM_TYPE_FLOAT, .rows = rows, .f64 = x[c] };
    return t;
}

static void what_no_single_column_shows(void)
{
    static const char *const names[] = { "a", "b", "c" };
    gm_arena *a = gm_harness_arena();
    gm_err err;
    gm_pca *p = NULL;
    gm_pca_value same, other;
    gm_table ref = pair_table(1, 0.95, 5000, a), like = pair_table(2, 0.95, 500, a), unlike = pair_table(3, -0.95, 500, a);
    CHECK_OK(gm_pca_fit(&ref, names, 3, 0, 0, a, &p, &err), &err);
    CHECK_OK(gm_pca_error(p, &like, a, &same, &err), &err);
    CHECK_OK(gm_pca_error(p, &unlike, a, &other, &err), &err);
    CHECK(!same.drifted);
    CHECK(other.drifted && other.error > 2 * same.error && other.low > same.limit_high);
    gm_harness_arena_free(a);
}

static void missing_and_new_texts_have_a_place(void)
{
    static const char *const names[] = { "kind", "size" };
    enum { ROWS = 200 };
    gm_arena *a = gm_harness_arena();
    gm_err err;
    int32_t code[ROWS];
    double size[ROWS];
    const gm_dict dict = { .texts = (const char *[]){ "b", "a", "new" }, .text_lens = (uint32_t[]){ 1, 1, 3 }, .count = 3 };
    for (int i = 0; i < ROWS; i++) {
        code[i] = i % 4 == 0;
        size[i] = i % 7 + code[i];
    }
    gm_column columns[2] = { { .name = "kind", .type = GM_TYPE_STRING, .rows = ROWS, .code = code, .dict = &dict },
                             { .name = "size", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = size } };
    gm_table t = { .rows = ROWS, .columns_count = 2, .columns = columns };
    gm_pca *p = NULL;
    gm_pca_value plain, missing, unseen, untyped;
    CHECK_OK(gm_pca_fit(&t, names, 2, 0.5, 0, a, &p, &err), &err);
    double nothing[ROWS];
    for (int i = 0; i < ROWS; i++) {
        code[i] = 0;
        size[i] = nothing[i] = NAN;
    }
    CHECK_OK(gm_pca_error(p, &t, a, &plain, &err), &err); /* the most frequent kind, the mean size */
    for (int i = 0; i < ROWS; i++) code[i] = GM_MISSING_CODE;
    CHECK_OK(gm_pca_error(p, &t, a, &missing, &err), &err);
    CHECK_NEAR(missing.error, plain.error, 0);
    for (int i = 0; i < ROWS; i++) code[i] = 2;
    CHECK_OK(gm_pca_error(p, &t, a, &unseen, &err), &err);
    CHECK(unseen.error > plain.error + 0.1);
    columns[0] = (gm_column){ .name = "kind", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = nothing };
    CHECK_OK(gm_pca_error(p, &t, a, &untyped, &err), &err); /* a column without any value comes as numbers */
    CHECK_NEAR(untyped.error, plain.error, 0);
    nothing[3] = 1;
    CHECK_RC(gm_pca_error(p, &t, a, &untyped, &err), GM_EINVALID);
    CHECK_HAS(err.message, "column \"kind\" is text in the reference rows");
    columns[0].name = "else";
    CHECK_RC(gm_pca_error(p, &t, a, &untyped, &err), GM_EINVALID);
    CHECK_HAS(err.message, "kind");
    gm_harness_arena_free(a);
}

static void errors_say_what_is_missing(void)
{
    static const char *const names[] = { "a", "b", "c" };
    gm_arena *a = gm_harness_arena();
    gm_err err;
    gm_pca *p = NULL;
    gm_pca_value v;
    gm_table few = pair_table(1, 0.5, 99, a), enough = pair_table(1, 0.5, 100, a),
             none = { .columns = enough.columns, .columns_count = 3 };
    CHECK_RC(gm_pca_fit(&few, names, 3, 0, 0, a, &p, &err), GM_EINVALID);
    CHECK_HAS(err.message, "need 100 reference rows, there are 99");
    CHECK_RC(gm_pca_fit(&enough, names, 1, 0, 0, a, &p, &err), GM_EINVALID);
    CHECK_HAS(err.message, "two columns");
    CHECK_RC(gm_pca_fit(&enough, names, 3, 1.5, 0, a, &p, &err), GM_EINVALID);
    CHECK_RC(gm_pca_fit(&enough, names, 3, 0, 51, a, &p, &err), GM_EINVALID);
    CHECK_HAS(err.message, "do not hold two of 51");
    CHECK_RC(gm_pca_fit(&enough, (const char *const[]){ "a", "x" }, 2, 0, 0, a, &p, &err), GM_EINVALID);
    CHECK(p == NULL);
    CHECK_OK(gm_pca_fit(&enough, names, 3, 1, 0, a, &p, &err), &err);
    CHECK_RC(gm_pca_error(p, &none, a, &v, &err), GM_EINVALID);
    gm_table one = rows_of(&enough, 5, 1, a);
    CHECK_OK(gm_pca_error(p, &one, a, &v, &err), &err);
    CHECK(isnan(v.low) && isnan(v.high) && v.error >= 0 && v.error < 1e-12); /* all components are kept */
    gm_harness_arena_free(a);
}

static void memory_may_run_out_anywhere(void)
{
    static const char *const names[] = { "a", "b", "c" };
    gm_arena *kept = gm_harness_arena();
    gm_table t = pair_table(1, 0.5, 120, kept);
    int failed = 0, succeeded = 0;
    for (size_t limit = 64; limit < 20000; limit += 200) {
        gm_arena *a = gm_arena_new(limit), *scratch = gm_arena_new(limit);
        gm_pca *p = NULL;
        gm_pca_value v;
        gm_err err;
        gm_rc rc = gm_pca_fit(&t, names, 3, 0, 0, a, &p, &err);
        CHECK(rc == GM_OK || rc == GM_ENOMEM);
        if (!rc) {
            rc = gm_pca_error(p, &t, scratch, &v, &err);
            CHECK(rc == GM_OK || rc == GM_ENOMEM);
        }
        failed += rc == GM_ENOMEM;
        succeeded += rc == GM_OK;
        gm_arena_free(scratch);
        gm_arena_free(a);
    }
    CHECK(failed > 0 && succeeded > 0);
    gm_harness_arena_free(kept);
}

TESTS(T(reconstruction_is_nannymls), T(eigenvectors_satisfy_their_equation), T(eigenvalues_of_awkward_matrices),
      T(what_no_single_column_shows), T(missing_and_new_texts_have_a_place), T(errors_say_what_is_missing),
      T(memory_may_run_out_anywhere))
