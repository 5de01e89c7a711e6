/* test_asof_join.c - the join gives each left row the row that was known at its time, and nothing else. */
#include "support.h"

static gm_table join(const sheet *left, const sheet *right, const gm_asof_options *o, int64_t *out_matched)
{
    gm_table t;
    gm_err err;
    CHECK_OK(gm_asof_join(&left->t, &right->t, o, left->a, &t, out_matched, &err), &err);
    CHECK(t.rows == left->t.rows);
    return t;
}

/* Random tables with few keys and times, so that ties, gaps and missing values are common. */
static sheet *random_sheet(gm_random *r, int64_t rows, const char *const *texts, int texts_count)
{
    sheet *s = sheet_new(rows);
    const char **text = GM_ARENA_ARRAY(s->a, const char *, rows);
    int64_t *number = GM_ARENA_ARRAY(s->a, int64_t, rows), *time = GM_ARENA_ARRAY(s->a, int64_t, rows);
    double *row = GM_ARENA_ARRAY(s->a, double, rows);
    for (int64_t i = 0; i < rows; i++) {
        text[i] = gm_random_below(r, 10) ? texts[gm_random_below(r, texts_count)] : NULL;
        number[i] = gm_random_below(r, 10) ? gm_random_below(r, 3) : GM_MISSING_INT;
        time[i] = gm_random_below(r, 10) ? gm_random_below(r, 40) * 1000000 : GM_MISSING_INT;
        row[i] = (double)i;
    }
    add_texts(s, "text", text);
    add_ints(s, "number", GM_TYPE_INT, number);
    add_ints(s, "time", GM_TYPE_TIME, time);
    add_floats(s, "row", row);
    return s;
}

static bool equal_keys(const gm_table *x, int64_t i, const gm_table *y, int64_t k, const gm_asof_options *o)
{
    for (size_t b = 0; b < o->by_count; b++) {
        const gm_column *p = gm_table_find(x, o->by[b]), *q = gm_table_find(y, o->by[b]);
        if (gm_column_is_missing(p, i) || gm_column_is_missing(q, k)) return false;
        if (p->type == GM_TYPE_STRING ? strcmp(gm_column_text(p, i), gm_column_text(q, k)) != 0 : p->i64[i] != q->i64[k]) return false;
    }
    return true;
}

/* All pairs, by the definition. */
static int64_t brute_force(const gm_table *left, int64_t i, const gm_table *right, const gm_asof_options *o)
{
    const int64_t *s = gm_table_find(left, "time")->i64, *t = gm_table_find(right, "time")->i64;
    int64_t best = -1;
    if (o->left_time && s[i] == GM_MISSING_INT) return -1;
    for (int64_t k = 0; k < right->rows; k++) {
        if (!equal_keys(left, i, right, k, o)) continue;
        if (!o->left_time) {
            best = k;
            continue;
        }
        if (t[k] == GM_MISSING_INT || t[k] > s[i]) continue;
        if (o->within_seconds > 0 && (double)(s[i] - t[k]) > o->within_seconds * 1e6) continue;
        if (best < 0 || t[k] >= t[best]) best = k;
    }
    return best;
}

static void equals_all_pairs_on_random_tables(void)
{
    static const char *const left_texts[] = { "JFK", "EWR", "LGA", "only left", "" };
    static const char *const right_texts[] = { "LGA", "", "EWR", "JFK", "only right" };
    static const char *const by[] = { "text", "number" };
    gm_random r;
    gm_random_init(&r, 20260101); /* the seed */
    for (int round = 0; round < 200; round++) {
        sheet *left = random_sheet(&r, gm_random_below(&r, 40), left_texts, 5), *right = random_sheet(&r, gm_random_below(&r, 60), right_texts, 5);
        gm_asof_options o = { .by = by, .by_count = (size_t)gm_random_below(&r, 3), .prefix = "w" };
        if (round % 4) o.left_time = "time", o.right_time = "time", o.within_seconds = (double)gm_random_below(&r, 10);
        else if (!o.by_count) o.by_count = 1;
        int64_t matched = -1, expected = 0;
        gm_table t = join(left, right, &o, &matched);
        const gm_column *got = gm_table_find(&t, "w.row");
        CHECK(got != NULL);
        for (int64_t i = 0; i < t.rows; i++) {
            int64_t want = brute_force(&left->t, i, &right->t, &o);
            expected += want >= 0;
            CHECK(want < 0 ? isnan(got->f64[i]) : got->f64[i] == (double)want);
            CHECK(gm_table_find(&t, "row")->f64[i] == (double)i); /* left rows: all, in order, once */
        }
        CHECK(matched == expected);
        gm_harness_arena_free(left->a);
        gm_harness_arena_free(right->a);
    }
}

static void limit_is_inclusive_and_the_later_of_equal_times_wins(void)
{
    sheet *left = sheet_new(3), *right = sheet_new(3);
    add_ints(left, "k", GM_TYPE_INT, (int64_t[]){ 1, 1, 1 });
    add_ints(left, "t", GM_TYPE_TIME, (int64_t[]){ 99, 3600000100, 3600000101 });
    add_floats(right, "k", (double[]){ 1, 1, 1 });
    add_ints(right, "at", GM_TYPE_TIME, (int64_t[]){ 100, 100, 3600000200 });
    add_texts(right, "v", (const char *const[]){ "first", "second", "later" });
    int64_t matched = 0;
    gm_table t = join(left, right, &(gm_asof_options){ .by = (const char *const[]){ "k" }, .by_count = 1, .left_time = "t", .right_time = "at", .within_seconds = 3600, .prefix = "w" }, &matched);
    const gm_column *v = gm_table_find(&t, "w.v");
    CHECK(matched == 1);
    CHECK(gm_column_text(v, 0) == NULL); /* known only later */
    CHECK_STR(gm_column_text(v, 1), "second");
    CHECK(gm_column_text(v, 2) == NULL); /* a microsecond too old */
    CHECK(gm_table_find(&t, "w.at") != NULL && gm_table_find(&t, "w.k") == NULL);
}

static void wrong_columns_are_told(void)
{
    static const char *const by_name[] = { "name" }, *const by_n[] = { "n" }, *const none[] = { "nmae" };
    sheet *left = sheet_new(1), *right = sheet_new(1);
    add_texts(left, "name", (const char *const[]){ "a" });
    add_ints(left, "n", GM_TYPE_INT, (int64_t[]){ 1 });
    add_floats(left, "w.v", (double[]){ 1 });
    add_texts(right, "name", (const char *const[]){ "a" });
    add_texts(right, "n", (const char *const[]){ "1" });
    add_floats(right, "v", (double[]){ 1 });
    static const struct {
        gm_asof_options o;
        const char *says;
    } cases[] = {
        { { .by = none, .by_count = 1, .prefix = "x" }, "no column \"nmae\"" },
        { { .by = by_n, .by_count = 1, .prefix = "x" }, "int values on one side and string values" },
        { { .by = by_name, .by_count = 1, .left_time = "n", .right_time = "n", .prefix = "x" }, "holds int values" },
        { { .by = by_name, .by_count = 1, .prefix = "w" }, "a second column \"w.v\"" },
        { { .prefix = "x" }, "a key or a time" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_table t;
        gm_err err;
        CHECK_RC(gm_asof_join(&left->t, &right->t, &cases[i].o, left->a, &t, NULL, &err), GM_EINVALID);
        CHECK_HAS(err.message, cases[i].says);
    }
}

TESTS(T(equals_all_pairs_on_random_tables), T(limit_is_inclusive_and_the_later_of_equal_times_wins), T(wrong_columns_are_told))
