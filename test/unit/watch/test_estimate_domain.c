/* test_estimate_domain.c - a classifier that tells two tables apart, and the coding of columns that it shares with the others. */
#include "base/random.h"
#include "unit/watch/estimate_case.h"
#include "watch/estimate_columns.h"

static const char *const texts[] = { "north", "south", "east", "west" };
static const uint32_t lens[] = { 5, 5, 4, 4 };
static const gm_dict dict = { .texts = texts, .text_lens = lens, .count = 4 };
static const char *const names[] = { "a", "b", "where" };

/* a and b agree by `agreement`; a is moved by `shift`; where is west with a chance of `west`, else one of the four. */
static gm_table made_up(uint64_t seed, int64_t rows, double shift, double agreement, double west, gm_arena *arena)
{
    gm_random r;
    gm_random_init(&r, seed);
    double *a = GM_ARENA_ARRAY(arena, double, rows), *b = GM_ARENA_ARRAY(arena, double, rows);
    int32_t *code = GM_ARENA_ARRAY(arena, int32_t, rows);
    gm_column *columns = GM_ARENA_ARRAY(arena, gm_column, 3);
    for (int64_t i = 0; i < rows; i++) {
        a[i] = gm_random_normal(&r);
        b[i] = agreement * a[i] + sqrt(1 - agreement * agreement) * gm_random_normal(&r);
        a[i] += shift;
        if (i % 50 == 7) b[i] = NAN;
        code[i] = gm_random_double(&r) < west ? 3 : (int32_t)gm_random_below(&r, 4);
        if (i % 40 == 3) code[i] = GM_MISSING_CODE;
    }
    columns[0] = (gm_column){ .name = "a", .type = GM_TYPE_FLOAT, .rows = rows, .f64 = a };
    columns[1] = (gm_column){ .name = "b", .type = GM_TYPE_FLOAT, .rows = rows, .f64 = b };
    columns[2] = (gm_column){ .name = "where", .type = GM_TYPE_STRING, .rows = rows, .code = code, .dict = &dict };
    return (gm_table){ .rows = rows, .columns_count = 3, .columns = columns };
}

static gm_domain_value compare(const gm_table *ref, const gm_table *cur, gm_arena *a)
{
    gm_domain_value v = { 0 };
    gm_err err;
    CHECK_OK(gm_domain_classifier(ref, cur, names, 3, 0, 1, a, &v, &err), &err);
    CHECK(v.count == 3 && v.gain[0] >= v.gain[1] && v.gain[1] >= v.gain[2]);
    return v;
}

static void rows_of_one_kind_look_alike(void)
{
    gm_arena *a = gm_harness_arena();
    gm_table ref = made_up(1, 2000, 0, 0.9, 0, a), cur = made_up(2, 1000, 0, 0.9, 0, a);
    gm_domain_value v = compare(&ref, &cur, a);
    CHECK_NEAR(v.auc, 0.5, 0.05); /* four standard errors */
    CHECK(!v.drifted);
    CHECK_NEAR(v.limit_high, 0.65, 0);
    gm_harness_arena_free(a);
}

/* Normal values a standard deviation apart: AUC = Phi(1 / sqrt 2) = 0.760 is the best there is. */
static void a_shift_is_found_and_named(void)
{
    gm_arena *a = gm_harness_arena();
    gm_table ref = made_up(1, 3000, 0, 0, 0, a), cur = made_up(2, 3000, 1, 0, 0, a);
    gm_domain_value v = compare(&ref, &cur, a);
    CHECK(v.drifted && v.auc > 0.70 && v.auc < 0.79);
    CHECK_STR(v.columns[0], "a");
    CHECK(v.gain[0] > 3 * v.gain[1]);
    gm_table elsewhere = made_up(3, 3000, 0, 0, 0.8, a);
    v = compare(&ref, &elsewhere, a);
    CHECK(v.drifted);
    CHECK_STR(v.columns[0], "where");
    gm_harness_arena_free(a);
}

static void a_change_that_no_single_column_shows(void)
{
    gm_arena *a = gm_harness_arena();
    gm_table ref = made_up(1, 2000, 0, 0.95, 0, a), cur = made_up(2, 2000, 0, -0.95, 0, a);
    gm_domain_value v = compare(&ref, &cur, a);
    CHECK(v.drifted && v.auc > 0.9);
    CHECK(strcmp(v.columns[2], "where") == 0);
    gm_harness_arena_free(a);
}

static void the_same_seed_gives_the_same_bits(void)
{
    gm_arena *a = gm_harness_arena();
    gm_table ref = made_up(1, 900, 0, 0.5, 0, a), cur = made_up(2, 700, 0.2, 0.5, 0, a);
    gm_domain_value v = compare(&ref, &cur, a), w = compare(&ref, &cur, a);
    CHECK(v.auc == w.auc && memcmp(v.gain, w.gain, 3 * sizeof(double)) == 0);
    gm_harness_arena_free(a);
}

/* Few rows: chance reaches further, and the limit goes along. */
static void few_rows_raise_the_limit(void)
{
    gm_arena *a = gm_harness_arena();
    gm_err err;
    gm_domain_value v;
    gm_table ref = made_up(1, 50, 0, 0, 0, a), cur = made_up(2, 50, 0, 0, 0, a), few = made_up(3, 49, 0, 0, 0, a);
    v = compare(&ref, &cur, a);
    CHECK_NEAR(v.limit_high, 0.5 + 3 * sqrt(101.0 / (12 * 2500)), 1e-15);
    CHECK_RC(gm_domain_classifier(&ref, &few, names, 3, 0, 1, a, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "50 rows of each, there are 49 current ones");
    CHECK_RC(gm_domain_classifier(&few, &cur, names, 3, 0, 1, a, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "49 reference ones");
    CHECK_RC(gm_domain_classifier(&ref, &cur, names, 0, 0, 1, a, &v, &err), GM_EINVALID);
    CHECK_RC(gm_domain_classifier(&ref, &cur, names, 3, 10, 1, a, &v, &err), GM_EINVALID);
    CHECK_RC(gm_domain_classifier(&ref, &cur, (const char *const[]){ "a", "wher" }, 2, 0, 1, a, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "wher");
    gm_harness_arena_free(a);
}

static void auc_is_nannymls(void)
{
    static const char *const inputs[] = { "c_big", "grp", "score", "x_int", "x_norm", "x_skew" };
    gm_arena *a = gm_harness_arena();
    gm_table ref = read_table("estimate_reference.csv", a), cur = read_table("estimate_current.csv", a);
    expected want = expected_of("domain", "auc");
    CHECK(want.count == CURRENT_ROWS / CHUNK);
    for (int chunk = 0; chunk < CURRENT_ROWS / CHUNK; chunk++) {
        gm_table t = rows_of(&cur, chunk * CHUNK, CHUNK, a);
        gm_domain_value v;
        gm_err err;
        CHECK_OK(gm_domain_classifier(&ref, &t, inputs, 6, 0, 1, a, &v, &err), &err);
        CHECK_NEAR(v.auc, want.value[REFERENCE_ROWS / CHUNK + chunk], 1e-12);
    }
    gm_harness_arena_free(a);
}

/* Rows of one hour share a number that says nothing of the table. Neighbours stay in one fold, so that it does not give them
 * away. */
static void rows_that_share_values_are_not_known_by_their_twins(void)
{
    enum { ROWS = 2000, HOUR = 20 };
    gm_arena *a = gm_harness_arena();
    gm_table t[2];
    gm_random r;
    gm_random_init(&r, 5);
    for (int s = 0; s < 2; s++) {
        t[s] = made_up(10 + (uint64_t)s, ROWS, 0, 0, 0, a);
        double *weather = GM_ARENA_ARRAY(a, double, ROWS);
        for (int i = 0; i < ROWS; i++) weather[i] = i % HOUR ? weather[i - 1] : gm_random_normal(&r);
        t[s].columns[0].f64 = weather;
    }
    gm_domain_value v = compare(&t[0], &t[1], a);
    CHECK(!v.drifted && v.auc > 0.4 && v.auc < 0.6);
    gm_harness_arena_free(a);
}

static void columns_become_numbers(void)
{
    gm_arena *a = gm_harness_arena();
    gm_err err;
    int32_t code[] = { 1, 3, GM_MISSING_CODE, 1 }, later[] = { 0, 3, GM_MISSING_CODE, 1 };
    int64_t flag[] = { 1, 0, GM_MISSING_INT, 1 };
    gm_column columns[2] = { { .name = "where", .type = GM_TYPE_STRING, .rows = 4, .code = code, .dict = &dict },
                             { .name = "flag", .type = GM_TYPE_BOOL, .rows = 4, .i64 = flag } };
    gm_table t = { .rows = 4, .columns_count = 2, .columns = columns };
    gm_coder c;
    CHECK_OK(gm_coder_fit(&t, NULL, (const char *const[]){ "where", "flag" }, 2, a, &c, &err), &err);
    columns[0].code = later;
    double x[8];
    CHECK_OK(gm_coder_apply(&c, &t, NULL, 4, 4, x, a, &err), &err);
    /* "south" is 1, "west" 2, missing 3, "north" was not there */
    CHECK(x[0] == 0 && x[1] == 2 && x[2] == 3 && x[3] == 1);
    CHECK(x[4] == 1 && x[5] == 0 && isnan(x[6]) && x[7] == 1);
    CHECK_OK(gm_coder_apply(&c, &t, (int64_t[]){ 3, 1 }, 2, 4, x, a, &err), &err);
    CHECK(x[0] == 1 && x[1] == 2 && x[4] == 1 && x[5] == 0);
    gm_harness_arena_free(a);
}

TESTS(T(rows_of_one_kind_look_alike), T(a_shift_is_found_and_named), T(a_change_that_no_single_column_shows),
      T(the_same_seed_gives_the_same_bits), T(few_rows_raise_the_limit), T(auc_is_nannymls),
      T(rows_that_share_values_are_not_known_by_their_twins), T(columns_become_numbers))
