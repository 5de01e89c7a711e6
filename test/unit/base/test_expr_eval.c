/* test_expr_eval.c - values over columns, by hand: missing values, three-valued logic, dictionaries, times. */
#include <stdio.h>
#include <time.h>

#include "harness/harness.h"
#include "unit/base/expr_case.h"

static expr_case c;

typedef struct expectation {
    const char *text, *values;
} expectation;

static void check_all(const expectation *e, size_t count)
{
    expr_case_init(&c);
    for (size_t i = 0; i < count; i++) {
        const char *values = expr_case_values(&c, e[i].text);
        if (strcmp(values, e[i].values) != 0) gm_harness_fail(__FILE__, __LINE__, "%s gives \"%s\", want \"%s\"", e[i].text, values, e[i].values);
    }
    expr_case_clear(&c);
}
#define CHECK_ALL(list) check_all(list, sizeof(list) / sizeof(list[0]))

static void arithmetic_widens_and_keeps_missing(void)
{
    static const expectation list[] = {
        { "x", "1.5 -2 ~ 4" },
        { "n", "10 20 ~ 7" },
        { "x + n * 2", "21.5 38 ~ 18" },
        { "n / flag", "10 inf ~ 7" },
        { "n - missing", "~ ~ ~ ~" },
        { "col('odd name') + weather.temp", "31 ~ 13 4" },
        { "n % 3", "1 2 ~ 1" },
        { "-n % 3", "2 1 ~ 2" },
        { "n % -3", "-2 -1 ~ -2" },
        { "n % 0", "~ ~ ~ ~" },
        { "-x ^ 2", "-2.25 -4 ~ -16" },
        { "2 ^ -1", "0.5 0.5 0.5 0.5" },
        { "x ^ 0", "1 1 ~ 1" }, /* pow(NaN, 0) is 1 in C */
        { "50% * n", "5 10 ~ 3.5" },
        { "0 / 0", "~ ~ ~ ~" },
        { "missing", "~ ~ ~ ~" },
    };
    CHECK_ALL(list);
}

static void comparisons_and_logic_have_three_values(void)
{
    static const expectation list[] = {
        { "x > 1", "true false ~ true" },
        { "n >= 10", "true true ~ false" },
        { "n == 10.0", "true false ~ false" },
        { "n != 10", "false true ~ true" },
        { "flag == 1", "true false ~ true" },
        { "flag and missing", "~ false ~ ~" },
        { "flag or missing", "true ~ ~ true" },
        { "not flag", "false true ~ false" },
        { "not missing", "~ ~ ~ ~" },
        { "x > 1 and n > 8", "true false ~ false" },
        { "x > 1 or n > 8", "true true ~ true" },
        { "weather.temp > 5 and x > 0", "true false ~ false" },
        { "x between 1.5 and 4", "true false ~ true" },
        { "n not between 10 and 20", "false false ~ true" },
        { "col('odd name') between 3 and weather.temp", "false false true false" }, /* 2 >= 3 is false, whatever the upper end is */
        { "col('odd name') not between 3 and weather.temp", "true true false true" },
        { "x in [4, 1.5]", "true false ~ true" },
        { "n in [7, 10]", "true false ~ true" },
        { "n not in [7, 10]", "false true ~ false" },
        { "n in [7, 10.5]", "false false ~ true" },
        { "n in [x * 5 + 2.5, 20]", "true true ~ false" },
        { "x is missing", "false false true false" },
        { "n is not missing", "true true false true" },
        { "s is missing", "false false true false" },
        { "missing is missing", "true true true true" },
        { "(x > 1) is missing", "false false true false" },
    };
    CHECK_ALL(list);
}

static void texts_compare_across_dictionaries(void)
{
    static const expectation list[] = {
        { "s", "AA b ~ AA" },
        { "s == 'AA'", "true false ~ true" },
        { "'AA' != s", "false true ~ false" },
        { "s < 'B'", "true false ~ true" },
        { "'B' > s", "true false ~ true" },
        { "'b' <= s", "false true ~ false" },
        { "s == u", "false true ~ ~" },
        { "s != u", "true false ~ ~" },
        { "s < u", "true false ~ ~" },
        { "s >= u", "false true ~ ~" },
        { "s == s", "true true ~ true" },
        { "s in ['b', 'zz', 'b']", "false true ~ false" },
        { "s not in ['b']", "true false ~ true" },
        { "s in [u, 'AA']", "true true ~ true" },
        { "s between 'A' and 'B'", "true false ~ true" },
        { "'x' in ['x', 'y']", "true true true true" },
        { "s == 'nowhere'", "false false ~ false" },
    };
    CHECK_ALL(list);
}

static void functions_of_texts(void)
{
    static const expectation list[] = {
        { "lower(s)", "aa b ~ aa" },
        { "upper(u)", "B B ZZ ~" },
        { "lower(s) == 'aa' or upper(u) == 'ZZ'", "true false true true" },
        { "length(concat(s, '-', u))", "4 3 ~ ~" },
        { "concat(s, '/', text(n))", "AA/10 b/20 ~ AA/7" },
        { "concat(s, u) == 'AAb'", "true false ~ ~" },
        { "text(x)", "1.5 -2 ~ 4" },
        { "text(flag)", "true false ~ true" },
        { "text(t)", "2013-01-31T05:17:42 1969-12-31T23:59:59 ~ 2000-02-29T00:00:00" },
        { "text(s)", "AA b ~ AA" },
        { "number(text(x)) == x", "true true ~ true" },
        { "number(s)", "~ ~ ~ ~" },
        { "contains(s, 'A')", "true false ~ true" },
        { "contains(s, '')", "true true ~ true" },
        { "starts_with(u, 'z')", "false false true ~" },
        { "ends_with(s, 'AAA')", "false false ~ false" },
        { "matches(s, '^A+$')", "true false ~ true" },
        { "trim(concat(' ', s, ' '))", "AA b ~ AA" },
        { "if(x > 0, s, u)", "AA b ~ AA" },
        { "if(flag, 'yes', s)", "yes b ~ yes" },
        { "coalesce(s, u, 'none')", "AA b zz AA" },
        { "coalesce(u, 'none') == 'none'", "false false false true" },
        { "coalesce(s, missing)", "AA b ~ AA" },
        { "if(true, 'a', s)", "a a a a" },
        { "lower('ABC')", "abc abc abc abc" },
        { "length('größe')", "5 5 5 5" },
        { "number('1e3') + number(' -2.5 ')", "997.5 997.5 997.5 997.5" },
        { "number('0x10') is missing and number('nan') is missing and number('') is missing", "true true true true" },
    };
    CHECK_ALL(list);
}

static void functions_of_numbers(void)
{
    static const expectation list[] = {
        { "floor(x)", "1 -2 ~ 4" },
        { "ceil(x)", "2 -2 ~ 4" },
        { "round(x)", "2 -2 ~ 4" },
        { "round(x - 1)", "0 -3 ~ 3" },
        { "abs(x)", "1.5 2 ~ 4" },
        { "sqrt(x - 2)", "~ ~ ~ 1.4142135623730951" },
        { "log(0)", "-inf -inf -inf -inf" },
        { "min(x, n)", "1.5 -2 ~ 4" },
        { "max(x, n, 12)", "12 20 ~ 12" },
        { "min(x, missing)", "~ ~ ~ ~" },
        { "clip(x, 0, 2)", "1.5 0 ~ 2" },
        { "clip(x, weather.temp, 100)", "30 ~ ~ 4" },
        { "pow(x, 2)", "2.25 4 ~ 16" },
        { "if(flag, x, n)", "1.5 20 ~ 4" },
        { "if(flag, n, 0)", "10 0 ~ 7" },
        { "coalesce(x, n, 0)", "1.5 -2 0 4" },
        { "coalesce(n, 0.5)", "10 20 0.5 7" },
        { "is_missing(x)", "false false true false" },
        { "coalesce(flag, false)", "true false false true" },
    };
    CHECK_ALL(list);
}

static void functions_of_times(void)
{
    static const expectation list[] = {
        { "year(t)", "2013 1969 ~ 2000" },
        { "month(t)", "1 12 ~ 2" },
        { "day(t)", "31 31 ~ 29" },
        { "weekday(t)", "3 2 ~ 1" },
        { "hour(t)", "5 23 ~ 0" },
        { "minute(t)", "17 59 ~ 0" },
        { "day_of_year(t)", "31 365 ~ 60" },
        { "seconds(t) < 0", "false true ~ false" },
        { "t >= '2000-02-29'", "true false ~ true" },
        { "'2013-01-31 05:17:42' == t", "true false ~ false" },
        { "t between '1969-01-01' and '2000-12-31'", "false true ~ true" },
        { "t in ['2000-02-29', '2013-01-31T05:17:42']", "true false ~ true" },
        { "days_between('2013-01-31', t) < 1", "true true ~ true" },
        { "hours_between('2013-01-31', t) - 5 - 17 / 60 - 42 / 3600 < 0.000001", "true true ~ true" },
        { "seconds_between('1970-01-01', t) == -1", "false true ~ false" },
        { "text(max(t, '2001-01-01'))", "2013-01-31T05:17:42 2001-01-01T00:00:00 ~ 2001-01-01T00:00:00" },
        { "year(if(flag, t, '2010-01-01'))", "2013 2010 ~ 2000" },
        { "year(coalesce(t, '1999-01-01'))", "2013 1969 1999 2000" },
    };
    CHECK_ALL(list);
}

/* Every day from 1600 to 2400 against the C library's calendar. */
static void dates_agree_with_the_c_library(void)
{
    expr_case_init(&c);
    enum { FIRST = -135140, DAYS = 292195 };
    int64_t *us = GM_ARENA_ARRAY(c.a, int64_t, DAYS);
    for (int64_t i = 0; i < DAYS; i++) us[i] = (FIRST + i) * 86400000000 + i % 86400 * 1000000 + 999999;
    gm_column times = { .name = "t", .type = GM_TYPE_TIME, .rows = DAYS, .i64 = us };
    c.t = (gm_table){ .rows = DAYS, .columns = &times, .columns_count = 1 };
    static const char *const texts[] = { "year(t)", "month(t)", "day(t)", "weekday(t)", "day_of_year(t)", "hour(t)", "minute(t)" };
    gm_column parts[7];
    for (int p = 0; p < 7; p++) {
        gm_expr *e = NULL;
        gm_err err;
        CHECK_RC(expr_case_check(&c, texts[p], GM_TYPE_INT, &e), GM_OK);
        CHECK_OK(gm_expr_eval(e, &c.t, c.a, &parts[p], &err), &err);
    }
    for (int64_t i = 0; i < DAYS; i++) {
        time_t seconds = (time_t)((FIRST + i) * 86400 + i % 86400);
        struct tm tm;
        CHECK(gmtime_r(&seconds, &tm));
        CHECK(parts[0].i64[i] == tm.tm_year + 1900 && parts[1].i64[i] == tm.tm_mon + 1 && parts[2].i64[i] == tm.tm_mday);
        CHECK(parts[3].i64[i] == (tm.tm_wday + 6) % 7 && parts[4].i64[i] == tm.tm_yday + 1);
        CHECK(parts[5].i64[i] == tm.tm_hour && parts[6].i64[i] == tm.tm_min);
    }
    expr_case_clear(&c);
}

/* More rows than a block, a dictionary larger than the rows, long lists. */
static void many_rows_and_large_dictionaries(void)
{
    expr_case_init(&c);
    enum { ROWS = 5000, TEXTS = 20000 };
    gm_dict_builder *b = gm_dict_builder_new(c.a);
    for (int i = 0; i < TEXTS; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "k%d", i);
        (void)gm_dict_builder_code(b, text, strlen(text));
    }
    int32_t *code = GM_ARENA_ARRAY(c.a, int32_t, ROWS);
    double *x = GM_ARENA_ARRAY(c.a, double, ROWS);
    int64_t *n = GM_ARENA_ARRAY(c.a, int64_t, ROWS);
    for (int i = 0; i < ROWS; i++) {
        code[i] = i % 7 == 0 ? -1 : i * 3 % TEXTS;
        x[i] = i % 11 == 0 ? (double)NAN : i;
        n[i] = i;
    }
    gm_column columns[] = { { .name = "s", .type = GM_TYPE_STRING, .rows = ROWS, .code = code, .dict = gm_dict_builder_finish(b) },
                            { .name = "x", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = x },
                            { .name = "n", .type = GM_TYPE_INT, .rows = ROWS, .i64 = n } };
    c.t = (gm_table){ .rows = ROWS, .columns = columns, .columns_count = 3 };

    gm_buf text = { 0 };
    gm_buf_text(&text, "ends_with(s, '9') and x in [");
    for (int i = 0; i < 500; i++) gm_buf_printf(&text, "%s%d", i ? "," : "", (499 - i) * 9);
    gm_buf_text(&text, "] and n in [9");
    for (int i = 2; i < 300; i++) gm_buf_printf(&text, ",%d", i * 9);
    gm_buf_text(&text, "]");
    gm_expr *e = NULL;
    gm_err err;
    gm_column out;
    CHECK_RC(expr_case_check(&c, gm_buf_str(&text), GM_TYPE_BOOL, &e), GM_OK);
    CHECK_OK(gm_expr_eval(e, &c.t, c.a, &out, &err), &err);
    int64_t hits = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t s = i % 7 == 0 ? -1 : i * 3 % 10 == 9;
        int64_t in_x = i % 11 == 0 ? -1 : i % 9 == 0 && i <= 499 * 9;
        int64_t in_n = i % 9 == 0 && i >= 9 && i < 2700;
        int64_t want = s == 0 || in_x == 0 || in_n == 0 ? 0 : s < 0 || in_x < 0 ? GM_MISSING_INT : 1;
        CHECK(out.i64[i] == want);
        hits += want == 1;
    }
    CHECK(hits > 10);

    CHECK_RC(expr_case_check(&c, "upper(if(x > 2500, s, concat(s, '!')))", GM_TYPE_STRING, &e), GM_OK);
    CHECK_OK(gm_expr_eval(e, &c.t, c.a, &out, &err), &err);
    CHECK_STR(gm_column_text(&out, 1), "K3!");
    CHECK_STR(gm_column_text(&out, 4999), "K14997");
    CHECK(gm_column_text(&out, 11) == NULL);
    gm_buf_clear(&text);
    expr_case_clear(&c);
}

static void a_column_alone_shares_its_storage(void)
{
    expr_case_init(&c);
    gm_expr *e = NULL;
    gm_err err;
    gm_column out;
    CHECK_RC(expr_case_check(&c, "x", GM_TYPE_FLOAT, &e), GM_OK);
    CHECK_OK(gm_expr_eval(e, &c.t, c.a, &out, &err), &err);
    CHECK(out.f64 == c.t.columns[0].f64);
    expr_case_clear(&c);
}

/* A table may hold as int what was float when the tree was checked, and the other way round. */
static void numbers_may_change_their_storage(void)
{
    expr_case_init(&c);
    gm_expr *e = NULL;
    gm_err err;
    gm_column out;
    CHECK_RC(expr_case_check(&c, "if(n > 8 and x < 3, n, 0)", GM_TYPE_INT, &e), GM_OK);
    const double n[] = { 10, NAN };
    const int64_t x[] = { 2, 2 };
    gm_column columns[] = { { .name = "n", .type = GM_TYPE_FLOAT, .rows = 2, .f64 = n }, { .name = "x", .type = GM_TYPE_INT, .rows = 2, .i64 = x } };
    gm_table t = { .rows = 2, .columns = columns, .columns_count = 2 };
    CHECK_OK(gm_expr_eval(e, &t, c.a, &out, &err), &err);
    CHECK(out.type == GM_TYPE_INT && out.i64[0] == 10 && out.i64[1] == GM_MISSING_INT);

    columns[0].type = GM_TYPE_TIME;
    CHECK_RC(gm_expr_eval(e, &t, c.a, &out, &err), GM_EINVALID);
    CHECK_HAS(err.message, "column \"n\" is time here and was int");
    CHECK(err.line == 3 && err.col == 13);
    columns[0].name = "other";
    CHECK_RC(gm_expr_eval(e, &t, c.a, &out, &err), GM_EINVALID);
    CHECK_HAS(err.message, "n");
    expr_case_clear(&c);
}

static void no_rows_give_no_values(void)
{
    expr_case_init(&c);
    c.t.rows = 0;
    for (size_t i = 0; i < c.t.columns_count; i++) c.t.columns[i].rows = 0;
    CHECK_STR(expr_case_values(&c, "x + 1 > n and s == u"), "");
    CHECK_STR(expr_case_values(&c, "concat(s, text(n))"), "");
    CHECK_STR(expr_case_values(&c, "if(x > 2, s, u)"), "");
    CHECK_STR(expr_case_values(&c, "1 + 1"), "");
    expr_case_clear(&c);
}

static void a_full_arena_is_an_error(void)
{
    expr_case_init(&c);
    gm_expr *e = NULL;
    CHECK_RC(expr_case_check(&c, "concat(upper(s), text(x)) == u or coalesce(s, u) < 'x' and x in [1, n]", GM_TYPE_BOOL, &e), GM_OK);
    int failures = 0;
    for (size_t limit = 1000; limit < 60000; limit += 1000) {
        gm_arena *a = gm_arena_new(limit);
        gm_err err = { 0 };
        gm_column out;
        gm_rc rc = gm_expr_eval(e, &c.t, a, &out, &err);
        CHECK(rc == GM_OK || rc == GM_ENOMEM);
        if (rc) CHECK_HAS(err.message, "not enough memory");
        failures += rc != GM_OK;
        gm_arena_free(a);
    }
    CHECK(failures > 3 && failures < 59);
    expr_case_clear(&c);
}

TESTS(T(arithmetic_widens_and_keeps_missing), T(comparisons_and_logic_have_three_values), T(texts_compare_across_dictionaries),
      T(functions_of_texts), T(functions_of_numbers), T(functions_of_times), T(dates_agree_with_the_c_library),
      T(many_rows_and_large_dictionaries), T(a_column_alone_shares_its_storage), T(numbers_may_change_their_storage),
      T(no_rows_give_no_values), T(a_full_arena_is_an_error))
