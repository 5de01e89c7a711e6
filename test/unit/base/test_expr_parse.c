/* test_expr_parse.c - text to tree: shapes, places, all mistakes at once, limits. */
#include <stdio.h>
#include <stdlib.h>

#include "harness/harness.h"
#include "unit/base/expr_case.h"

static expr_case c;

/* The tree of `text`, printed. */
static const char *printed(const char *text)
{
    gm_expr *e = NULL;
    if (expr_case_parse(&c, text, &e)) return c.errs.items[0].message;
    gm_buf b = { 0 };
    gm_expr_print(e, &b);
    const char *out = gm_arena_strdup(c.a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return out;
}

static void operators_bind_as_the_reference_says(void)
{
    expr_case_init(&c);
    CHECK_STR(printed("a or b and not c == d + e * -f ^ g"), "a or b and not c == d + e * -f ^ g");
    CHECK_STR(printed("((a or b) and (not c)) "), "(a or b) and not c");
    CHECK_STR(printed("a-(b-c)"), "a - (b - c)");
    CHECK_STR(printed("(a-b)-c"), "a - b - c");
    CHECK_STR(printed("(a^b)^c"), "(a ^ b) ^ c");
    CHECK_STR(printed("a^(b^c)"), "a ^ b ^ c");
    CHECK_STR(printed("(not a) == b"), "(not a) == b");
    CHECK_STR(printed("not (a == b)"), "not a == b");
    CHECK_STR(printed("a = 1"), "a == 1");
    CHECK_STR(printed("a not in [1,'x']"), "a not in [1, 'x']");
    CHECK_STR(printed("a between 1 and 2 and b"), "a between 1 and 2 and b");
    CHECK_STR(printed("a not between 1 and 2"), "a not between 1 and 2");
    CHECK_STR(printed("a is not missing or b is unique"), "a is not missing or b is unique");
    CHECK_STR(printed("-2^2"), "-2 ^ 2");
    CHECK_STR(printed("(-2)^2"), "(-2) ^ 2");
    CHECK_STR(printed("- (2)"), "-(2)");
    CHECK_STR(printed("--2"), "--2");
    expr_case_clear(&c);
}

static void literals_keep_their_kind(void)
{
    expr_case_init(&c);
    CHECK_STR(printed("5%"), "5%");
    CHECK_STR(printed("0.125 % 3"), "0.125 % 3");
    CHECK_STR(printed("a%5"), "a % 5");
    CHECK_STR(printed("5%(a)"), "5 % a");
    CHECK_STR(printed("12.50% < a"), "12.5% < a");
    CHECK_STR(printed("3 h"), "3h");
    CHECK_STR(printed("120 min"), "2h");
    CHECK_STR(printed("2days"), "2 days");
    CHECK_STR(printed("7 days"), "1 week");
    CHECK_STR(printed("250 ms"), "250 ms");
    CHECK_STR(printed("1.5s"), "1500 ms");
    CHECK_STR(printed("12"), "12");
    CHECK_STR(printed("12.0"), "12.0");
    CHECK_STR(printed("'it''s' "), "'it''s'");
    CHECK_STR(printed("\"say \"\"it's\"\"\""), "'say \"it''s\"'");
    CHECK_STR(printed("weather.temp > missing"), "weather.temp > missing");
    CHECK_STR(printed("col('odd ''name')"), "col('odd ''name')");
    CHECK_STR(printed("col('plain')"), "plain");
    CHECK_STR(printed("col('in')"), "col('in')");
    CHECK_STR(printed("col('a.b') + größe"), "a.b + größe");

    gm_expr *e = NULL;
    CHECK_RC(expr_case_parse(&c, "5%", &e), GM_OK);
    CHECK(e->is_percent && e->number == 0.05);
    CHECK_RC(expr_case_parse(&c, "0.1%", &e), GM_OK);
    CHECK(e->number == 0.001); /* rounded once */
    CHECK_RC(expr_case_parse(&c, "2 days", &e), GM_OK);
    CHECK(e->is_duration && e->number == 172800);
    CHECK_RC(expr_case_parse(&c, "9007199254740993", &e), GM_OK);
    CHECK(e->type == GM_TYPE_FLOAT); /* not exact as an int in a double */
    expr_case_clear(&c);
}

static void calls_carry_by_and_where(void)
{
    expr_case_init(&c);
    gm_expr *e = NULL;
    CHECK_RC(expr_case_parse(&c, "min(roc_auc by carrier, rows >= 500) >= 0.55", &e), GM_OK);
    const gm_expr *call = e->args[0];
    CHECK(call->op == GM_EXPR_CALL && call->args_count == 1);
    CHECK_STR(call->args[0]->name, "roc_auc");
    CHECK_STR(call->by->name, "carrier");
    CHECK_STR(call->where->name, ">=");
    CHECK_STR(printed("mean( x+1 by col('a b') )"), "mean(x + 1 by col('a b'))");
    CHECK_STR(printed("missing(dep_time) < 5%"), "missing(dep_time) < 5%");
    const char **names;
    size_t count;
    gm_err err;
    CHECK_OK(gm_expr_columns(e, c.a, &names, &count, &err), &err);
    CHECK(count == 3);
    CHECK_STR(names[0], "roc_auc");
    CHECK_STR(names[1], "carrier");
    CHECK_STR(names[2], "rows");
    expr_case_clear(&c);
}

static void check_error(size_t i, uint32_t line, uint32_t col, const char *part)
{
    CHECK(i < c.errs.count);
    const gm_err *err = &c.errs.items[i];
    CHECK_HAS(err->message, part);
    CHECK_STR(err->file, "test.yaml");
    if (err->line != line || err->col != col)
        gm_harness_fail(__FILE__, __LINE__, "\"%s\" at %u:%u, want %u:%u", err->message, err->line, err->col, line, col);
}

static void all_mistakes_are_reported_with_their_places(void)
{
    expr_case_init(&c);
    gm_expr *e = NULL;
    CHECK_RC(expr_case_parse(&c, "a + * b and c <\n  and f(1,) or d $ 3", &e), GM_EINVALID);
    CHECK(c.errs.count == 5);
    check_error(0, 4, 18, "unexpected character \"$\""); /* the text is cut into tokens first */
    check_error(1, 3, 14, "expected a value, found \"*\"");
    check_error(2, 4, 3, "expected a value, found \"and\"");
    check_error(3, 4, 11, "expected a value after the comma");
    check_error(4, 4, 20, "unexpected \"3\"");
    CHECK(e == NULL);

    CHECK_RC(expr_case_parse(&c, "größe == 'ü' x", &e), GM_EINVALID);
    check_error(0, 3, 23, "unexpected \"x\""); /* columns count characters */
    CHECK_RC(expr_case_parse(&c, "a == 'open", &e), GM_EINVALID);
    check_error(0, 3, 15, "no closing quote");
    CHECK_RC(expr_case_parse(&c, "f(a, (b", &e), GM_EINVALID);
    check_error(0, 3, 17, "expected \")\" for the \"(\" in column 15, found the end");
    CHECK_RC(expr_case_parse(&c, "a)", &e), GM_EINVALID);
    check_error(0, 3, 11, "unexpected \")\"");
    CHECK_RC(expr_case_parse(&c, "   ", &e), GM_EINVALID);
    check_error(0, 3, 10, "empty");
    CHECK_RC(expr_case_parse(&c, "a in []", &e), GM_EINVALID);
    check_error(0, 3, 16, "the list is empty");
    expr_case_clear(&c);
}

static void habits_of_other_languages_get_a_hint(void)
{
    expr_case_init(&c);
    static const struct {
        const char *text, *message, *hint;
    } cases[] = {
        { "a && b", "unrecognized operator \"&&\"", "Write \"and\"." },
        { "a || b", "unrecognized operator \"||\"", "Write \"or\"" },
        { "a <> b", "unrecognized operator \"<>\"", "Write !=." },
        { "a AND b", "unexpected \"AND\"", "Did you mean \"and\"?" },
        { "0 < a < 5", "comparisons cannot be chained", "between" },
        { "a is null", "found \"null\"", "is missing" },
        { "a is mising", "found \"mising\"", "Did you mean \"missing\"?" },
        { "a in ('x', 'y')", "expected a list after \"in\"", "['a', 'b']" },
        { "3 parsecs < a", "unexpected \"parsecs\"", "An operator or a comma" },
        { "3x < a", "unrecognized unit \"x\"", "Units of time" },
        { "carrier AA", "unexpected \"AA\"", "quotes" },
        { "{1}", "unexpected character \"{\"", "[a, b]" },
        { "a between 1, 2", "expected \"and\"", "" },
        { "f(a by 3)", "the name of a column after \"by\"", "" },
        { "col(name)", "col takes one name in quotes", "col('name" },
        { "1e999", "too large", "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_expr *e = NULL;
        CHECK_RC(expr_case_parse(&c, cases[i].text, &e), GM_EINVALID);
        CHECK_HAS(c.errs.items[0].message, cases[i].message);
        CHECK_HAS(c.errs.items[0].hint, cases[i].hint);
    }
    expr_case_clear(&c);
}

/* text repeated, with `middle` once behind it. */
static char *repeated(const char *before, size_t times, const char *middle, const char *after)
{
    gm_buf b = { 0 };
    for (size_t i = 0; i < times; i++) gm_buf_text(&b, before);
    gm_buf_text(&b, middle);
    for (size_t i = 0; i < times; i++) gm_buf_text(&b, after);
    char *out = gm_arena_strdup(c.a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return out;
}

static void limits_are_errors(void)
{
    expr_case_init(&c);
    gm_expr *e = NULL;
    static const struct {
        const char *before, *after;
    } nests[] = { { "(", ")" }, { "-", "" }, { "not ", "" }, { "f(", ")" }, { "a ^ ", "" }, { "a in [", "]" } };
    for (size_t i = 0; i < sizeof(nests) / sizeof(nests[0]); i++) {
        CHECK_RC(expr_case_parse(&c, repeated(nests[i].before, 64, "a", nests[i].after), &e), GM_OK);
        CHECK_RC(expr_case_parse(&c, repeated(nests[i].before, 65, "a", nests[i].after), &e), GM_EINVALID);
        CHECK_HAS(c.errs.items[0].message, "deeper than 64");
        CHECK(c.errs.count == 1);
        CHECK_RC(expr_case_parse(&c, repeated(nests[i].before, 600, "a", nests[i].after), &e), GM_EINVALID);
    }
    CHECK_RC(expr_case_parse(&c, repeated("a+", 255, "a", ""), &e), GM_OK);
    CHECK_RC(expr_case_parse(&c, repeated("a+", 256, "a", ""), &e), GM_EINVALID);
    CHECK_HAS(c.errs.items[0].message, "256 operations");
    CHECK_RC(expr_case_parse(&c, repeated(" ", 4095, "a", ""), &e), GM_OK);
    CHECK_RC(expr_case_parse(&c, repeated(" ", 4096, "a", ""), &e), GM_EINVALID);
    CHECK_HAS(c.errs.items[0].message, "longer than 4096 bytes");
    CHECK_RC(expr_case_parse(&c, "a == '\xff'", &e), GM_EINVALID);
    check_error(0, 3, 16, "not UTF-8");
    CHECK_RC(expr_case_parse(&c, "a == '\xed\xa0\x80'", &e), GM_EINVALID); /* a surrogate */
    expr_case_clear(&c);
}

static void a_full_arena_is_an_error(void)
{
    for (size_t limit = 9000; limit < 60000; limit += 1500) {
        gm_arena *a = gm_arena_new(limit), *for_errors = gm_arena_new(0);
        gm_errs errs = { .arena = for_errors };
        gm_expr *e = NULL;
        gm_rc rc = gm_expr_parse("f(a, b, 3 + 4) in [1, 2, 3] and g(x by y, z > 2) between 3 and 'abc'", (gm_pos){ 0 }, a, &e, &errs);
        CHECK(rc == GM_OK || (rc == GM_ENOMEM && errs.count == 1));
        gm_arena_free(a);
        gm_arena_free(for_errors);
    }
}

TESTS(T(operators_bind_as_the_reference_says), T(literals_keep_their_kind), T(calls_carry_by_and_where),
      T(all_mistakes_are_reported_with_their_places), T(habits_of_other_languages_get_a_hint), T(limits_are_errors),
      T(a_full_arena_is_an_error))
