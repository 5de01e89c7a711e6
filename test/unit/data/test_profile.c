/* test_profile.c - the profile's numbers are pandas' numbers, it merges, and it survives being written. */
#include <stdlib.h>

#include "base/random.h"
#include "data/profile.h"
#include "unit/data/data_case.h"

#define REFERENCE GM_SOURCE_DIR "/test/conformance/data/"

/* Sums run in another order than pandas'; 1e-12 relative is some thousand units in the last place of 2,000 terms. */
static void check_like(double got, const gm_node *column, const char *key)
{
    double want = gm_node_double_or(column, key, NAN);
    CHECK_NEAR(got, want, 1e-12 * fmax(1, fabs(want)));
}

static void numbers_are_those_of_pandas(void)
{
    data_case c;
    gm_node *root = NULL;
    gm_profile *p = NULL;
    case_open(&c, 1);
    CHECK_OK(gm_node_read_file(REFERENCE "pandas_profile.json", c.arena, &root, &c.err), &c.err);
    CHECK_OK(gm_data_read(c.engine, REFERENCE "profile_input.csv", NULL, 0, 0, c.arena, &c.table, &c.err), &c.err);
    CHECK_OK(gm_profile_of(&c.table, c.arena, &p, &c.err), &c.err);
    const gm_node *columns = gm_node_get(root, "columns"), *points = gm_node_get(root, "quantile_points");
    CHECK(columns->count == 4 && points->count == 7);
    for (size_t k = 0; k < columns->count; k++) {
        const gm_node *want = columns->items[k], *q = gm_node_get(want, "q");
        size_t at = gm_profile_find(p, columns->keys[k]);
        gm_profile_stats s;
        double p_list[7], got[7];
        CHECK(at != SIZE_MAX);
        gm_profile_stats_at(p, at, &s);
        CHECK(s.rows == gm_node_int_or(want, "n", -1) && s.missing == gm_node_int_or(want, "nulls", -1));
        CHECK(s.distinct == gm_node_int_or(want, "distinct", -1) && s.distinct_exact);
        check_like(s.mean, want, "mean");
        check_like(s.std, want, "std_ddof1");
        check_like(s.std * s.std, want, "var_ddof1");
        check_like(s.skew, want, "skew");
        check_like(s.kurtosis, want, "kurt_excess");
        check_like(s.min, want, "min");
        check_like(s.max, want, "max");
        check_like(s.sum, want, "sum");
        for (size_t i = 0; i < 7; i++) CHECK_OK(gm_node_double(points->items[i], &p_list[i], &c.err), &c.err);
        CHECK_OK(gm_profile_quantiles(p, at, p_list, 7, got, &c.err), &c.err);
        for (size_t i = 0; i < 7; i++) {
            double value = NAN;
            CHECK_OK(gm_node_double(q->items[i], &value, &c.err), &c.err);
            CHECK_NEAR(got[i], value, 1e-12 * fmax(1, fabs(value)));
        }
    }
    case_close(&c);
}

/* rows of: a counter, a normal number (some missing), a text of 20,000 values with one frequent, a time */
static gm_table make_table(gm_arena *a, int64_t rows, uint64_t seed)
{
    gm_random r;
    gm_random_init(&r, seed);
    gm_dict_builder *b = gm_dict_builder_new(a);
    int64_t *counter = GM_ARENA_ARRAY(a, int64_t, rows), *times = GM_ARENA_ARRAY(a, int64_t, rows);
    double *numbers = GM_ARENA_ARRAY(a, double, rows);
    int32_t *codes = GM_ARENA_ARRAY(a, int32_t, rows);
    gm_column *columns = GM_ARENA_ARRAY(a, gm_column, 4);
    for (int64_t i = 0; i < rows; i++) {
        char text[32];
        counter[i] = i;
        times[i] = gm_random_below(&r, 1000) * 1000000;
        numbers[i] = gm_random_below(&r, 10) ? gm_random_normal(&r) : (double)NAN;
        (void)snprintf(text, sizeof(text), "v%d", gm_random_below(&r, 3) ? (int)gm_random_below(&r, 20000) : 7);
        codes[i] = gm_dict_builder_code(b, text, strlen(text));
    }
    columns[0] = (gm_column){ .name = "counter", .type = GM_TYPE_INT, .rows = rows, .i64 = counter };
    columns[1] = (gm_column){ .name = "number", .type = GM_TYPE_FLOAT, .rows = rows, .f64 = numbers };
    columns[2] = (gm_column){ .name = "text", .type = GM_TYPE_STRING, .rows = rows, .code = codes, .dict = gm_dict_builder_finish(b) };
    columns[3] = (gm_column){ .name = "time", .type = GM_TYPE_TIME, .rows = rows, .i64 = times };
    return (gm_table){ .rows = rows, .columns_count = 4, .columns = columns };
}

static void large_columns_stay_small_and_right(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    gm_profile *p = NULL;
    gm_profile_stats s;
    gm_table t = make_table(a, 300000, 1);
    CHECK_OK(gm_profile_of(&t, a, &p, &err), &err);
    gm_profile_stats_at(p, 0, &s);
    CHECK(s.distinct == 300000 && s.distinct_exact && s.increasing); /* a counter needs no sketch */
    gm_profile_stats_at(p, 1, &s);
    CHECK(!s.distinct_exact && !s.increasing);
    CHECK_NEAR((double)s.distinct / (double)(s.rows - s.missing), 1, 0.05); /* three standard errors */
    CHECK_NEAR(s.mean, 0, 0.01);
    CHECK_NEAR(s.std, 1, 0.01);
    double points[] = { 0, 0.1, 0.5, 0.9, 1 }, q[5], shares[5];
    CHECK_OK(gm_profile_quantiles(p, 1, points, 5, q, &err), &err);
    CHECK(q[0] == s.min && q[4] == s.max);
    CHECK_NEAR(q[1], -1.2816, 0.03);
    CHECK_NEAR(q[2], 0, 0.02);
    CHECK_NEAR(q[3], 1.2816, 0.03);
    CHECK_OK(gm_profile_shares(p, 1, q, 5, shares, &err), &err);
    for (size_t i = 1; i < 4; i++) CHECK_NEAR(shares[i], points[i], 0.005);

    gm_profile_value *top = NULL;
    size_t count = 0;
    int64_t error = 0, truth = 0;
    CHECK_OK(gm_profile_top(p, 2, 3, a, &top, &count, &error, &err), &err);
    for (int64_t i = 0; i < t.rows; i++) truth += strcmp(gm_column_text(&t.columns[2], i), "v7") == 0;
    CHECK_STR(top[0].text, "v7");
    CHECK(top[0].count <= truth && truth <= top[0].count + error); /* the bound it states */
    CHECK(error < 1000);
    gm_arena_free(a);
}

static void parts_merge_to_the_whole(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    gm_profile *whole = NULL, *left = NULL, *right = NULL;
    gm_table t = make_table(a, 50000, 2), part = t;
    int64_t *first = GM_ARENA_ARRAY(a, int64_t, 20000), *rest = GM_ARENA_ARRAY(a, int64_t, 30000);
    for (int64_t i = 0; i < 50000; i++) *(i < 20000 ? &first[i] : &rest[i - 20000]) = i;
    CHECK_OK(gm_profile_of(&t, a, &whole, &err), &err);
    CHECK_OK(gm_table_take(&t, first, 20000, a, &part, &err), &err);
    CHECK_OK(gm_profile_of(&part, a, &left, &err), &err);
    CHECK_OK(gm_table_take(&t, rest, 30000, a, &part, &err), &err);
    CHECK_OK(gm_profile_of(&part, a, &right, &err), &err);
    CHECK_OK(gm_profile_merge(left, right, a, &err), &err);
    CHECK(gm_profile_rows(left) == 50000);
    for (size_t k = 0; k < 4; k++) {
        gm_profile_stats x, y;
        gm_profile_stats_at(whole, k, &x);
        gm_profile_stats_at(left, k, &y);
        CHECK(x.rows == y.rows && x.missing == y.missing && x.zeros == y.zeros && x.increasing == y.increasing);
        CHECK(x.length_min == y.length_min && x.length_max == y.length_max);
        CHECK_NEAR((double)y.distinct, (double)x.distinct, 0); /* registers merge exactly */
        if (k == 2) continue;
        CHECK_NEAR(y.mean, x.mean, 1e-9 * fabs(x.mean) + 1e-12);
        CHECK_NEAR(y.std, x.std, 1e-9 * x.std);
        CHECK_NEAR(y.skew, x.skew, 1e-9);
        CHECK_NEAR(y.kurtosis, x.kurtosis, 1e-9);
        double half = 0.5, qx, qy;
        CHECK_OK(gm_profile_quantiles(whole, k, &half, 1, &qx, &err), &err);
        CHECK_OK(gm_profile_quantiles(left, k, &half, 1, &qy, &err), &err);
        CHECK_NEAR(qy, qx, 0.02 * (x.max - x.min));
    }
    t.columns[0].type = GM_TYPE_TIME;
    CHECK_OK(gm_profile_of(&t, a, &right, &err), &err);
    CHECK_RC(gm_profile_merge(left, right, a, &err), GM_EINVALID);
    CHECK_HAS(err.message, "column \"counter\" is int in one profile and time in the other");
    gm_arena_free(a);
}

static void a_written_profile_reads_back_to_the_same_bytes(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    gm_profile *p = NULL, *again = NULL;
    gm_buf x = { 0 }, y = { 0 };
    gm_table t = make_table(a, 30000, 3);
    CHECK_OK(gm_profile_of(&t, a, &p, &err), &err);
    gm_profile_write(p, &x);
    CHECK_OK(gm_profile_read(x.data, x.len, a, &again, &err), &err);
    gm_profile_write(again, &y);
    CHECK(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
    CHECK(x.len < 1000000);
    gm_buf_clear(&x);
    gm_buf_clear(&y);
    gm_arena_free(a);
}

/* Any cut and any flipped byte is an error or a profile, never a crash. */
static void damaged_bytes_are_refused_or_harmless(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    gm_profile *p = NULL, *again = NULL;
    gm_buf x = { 0 };
    gm_random r;
    gm_random_init(&r, 4);
    gm_table t = make_table(a, 500, 5);
    CHECK_OK(gm_profile_of(&t, a, &p, &err), &err);
    gm_profile_write(p, &x);
    for (size_t len = 0; len < x.len; len += 1 + len / 16) CHECK_RC(gm_profile_read(x.data, len, a, &again, &err), GM_ECORRUPT);
    for (int i = 0; i < 2000; i++) {
        gm_arena *b = gm_arena_new(0);
        size_t at = (size_t)gm_random_below(&r, (int64_t)x.len);
        char kept = x.data[at];
        x.data[at] = (char)(kept ^ (char)(1 << gm_random_below(&r, 8)));
        if (gm_profile_read(x.data, x.len, b, &again, &err) == GM_OK) {
            gm_buf json = { 0 };
            gm_json j;
            gm_json_init(&j, &json, false);
            gm_profile_json(again, &j);
            gm_buf_clear(&json);
        }
        x.data[at] = kept;
        gm_arena_free(b);
    }
    x.data[6] = 9; /* version */
    CHECK_RC(gm_profile_read(x.data, x.len, a, &again, &err), GM_EUNSUPPORTED);
    gm_buf_clear(&x);
    gm_arena_free(a);
}

static void empty_and_odd_columns(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    gm_profile *p = NULL;
    gm_profile_stats s;
    double values[] = { NAN, INFINITY, -0.0, 0.0, -INFINITY, 5 }, none[] = { NAN, NAN };
    gm_column columns[] = { { .name = "x", .type = GM_TYPE_FLOAT, .rows = 6, .f64 = values } };
    gm_table t = { .rows = 6, .columns_count = 1, .columns = columns };
    CHECK_OK(gm_profile_of(&t, a, &p, &err), &err);
    gm_profile_stats_at(p, 0, &s);
    CHECK(s.missing == 1 && s.infinite == 2 && s.zeros == 2 && s.distinct == 4);
    CHECK_NEAR(s.mean, 5.0 / 3, 1e-15);
    CHECK(s.min == 0 && s.max == 5);
    columns[0] = (gm_column){ .name = "x", .type = GM_TYPE_FLOAT, .rows = 2, .f64 = none };
    t.rows = 2;
    CHECK_OK(gm_profile_of(&t, a, &p, &err), &err);
    gm_profile_stats_at(p, 0, &s);
    CHECK(s.missing == 2 && s.distinct == 0 && isnan(s.mean) && isnan(s.min) && !s.increasing);
    double half = 0.5, q = 0;
    CHECK_OK(gm_profile_quantiles(p, 0, &half, 1, &q, &err), &err);
    CHECK(isnan(q));
    gm_arena_free(a);
}

TESTS(T(numbers_are_those_of_pandas), T(large_columns_stay_small_and_right), T(parts_merge_to_the_whole),
      T(a_written_profile_reads_back_to_the_same_bytes), T(damaged_bytes_are_refused_or_harmless), T(empty_and_odd_columns))
