/* test_expr_check.c - names, types, constants: what is refused and how it is said, what is folded. */
#include "base/expr_functions.h"
#include "harness/harness.h"
#include "unit/base/expr_case.h"

static expr_case c;

typedef struct wrong {
    const char *text, *message, *hint;
    uint32_t col;
} wrong;

static void check_wrong(const wrong *w, gm_type want)
{
    gm_expr *e = NULL;
    gm_rc rc = expr_case_check(&c, w->text, want, &e);
    if (rc != GM_EINVALID) gm_harness_fail(__FILE__, __LINE__, "\"%s\" passes", w->text);
    if (c.errs.count != 1) gm_harness_fail(__FILE__, __LINE__, "\"%s\" gives %zu messages", w->text, c.errs.count);
    CHECK_HAS(c.errs.items[0].message, w->message);
    CHECK_HAS(c.errs.items[0].hint, w->hint);
    CHECK(c.errs.items[0].line == 3);
    if (c.errs.items[0].col != w->col) gm_harness_fail(__FILE__, __LINE__, "\"%s\": column %u, want %u", w->text, c.errs.items[0].col, w->col);
}

static void mistakes_name_the_place_and_the_way_out(void)
{
    expr_case_init(&c);
    static const wrong cases[] = {
        { "xx > 1", "unrecognized column \"xx\"", "Did you mean \"x\"?", 10 },
        { "weather.tmp > 1", "unrecognized column \"weather.tmp\"", "Did you mean \"weather.temp\"?", 10 },
        { "s == ZZZZZZ", "unrecognized column \"ZZZZZZ\"", "Text stands in quotes: 'ZZZZZZ'. The names here are x, n, flag", 15 },
        { "col('odd nme') > 1", "unrecognized column \"odd nme\"", "Did you mean col('odd name')?", 10 },
        { "x == null", "unrecognized column \"null\"", "is missing", 15 },
        { "flor(x)", "unrecognized function \"flor\"", "Did you mean \"floor\"?", 10 },
        { "clip(x)", "\"clip\" does not take 1 argument", "It is clip(x, low, high)", 10 },
        { "min(x by s) > 1", "\"min\" cannot be taken \"by\"", "", 10 },
        { "s > 5", "cannot compare s (a text) with 5 (an int)", "number(s) to compare numbers, or '5'", 12 },
        { "n == '5'", "cannot compare n (an int) with '5' (a text)", "Write the number without quotes: 5.", 12 },
        { "s == n", "cannot compare s (a text) with n (an int)", "Write number(s)", 12 },
        { "flag == 'true'", "cannot compare flag (a bool)", "written without quotes", 15 },
        { "t > 2013", "cannot compare t (a time) with 2013 (an int)", "quoted time such as '2013-06-01'", 12 },
        { "t > '2013-13-01'", "cannot read \"2013-13-01\" as a time", "'2013-01-31T05:00:00'", 14 },
        { "t between '2013-01-01' and 'x'", "cannot read \"x\" as a time", "", 37 },
        { "x == missing", "comparison with missing is always missing", "x is missing", 12 },
        { "x in [1, 'a']", "cannot compare x (a float) with 'a' (a text)", "", 19 },
        { "x in [1, missing]", "always missing", "x is missing", 19 },
        { "s + 'x'", "\"+\" takes numbers, s is a text", "concat(a, b)", 10 },
        { "s * 2", "\"*\" takes numbers, s is a text", "number(s)", 10 },
        { "t - t > 3h", "\"-\" takes numbers, t is a time", "days_between", 10 },
        { "s == 'a' or 'b'", "\"or\" takes conditions, 'b' is a text", "x in ['a', 'b']", 22 },
        { "not n", "\"not\" takes conditions, n is an int", "n != 0", 14 },
        { "x is unique", "can only be asked in checks", "", 12 },
        { "floor(s)", "floor(x) takes a number, s is a text", "number(s)", 16 },
        { "lower(x)", "lower(x) takes a text, x is a float", "text(x)", 16 },
        { "contains(s, u)", "takes a text in quotes, u is a text", "", 22 },
        { "year(x)", "year(t) takes a time, x is a float", "", 15 },
        { "if(x, 1, 2)", "takes a condition, x is a float", "", 13 },
        { "if(flag, 1, 'a')", "\"if\" takes values of one type, 1 is an int and 'a' is a text", "", 22 },
        { "coalesce(missing, missing)", "only missing values", "", 10 },
        { "matches(s, '[a')", "cannot read the pattern \"[a\"", "POSIX", 21 },
        { "matches(s, '(a)\\1')", "reference back", "", 21 },
        { "matches(s, '((a{100}){100}){100}')", "too many repeats", "", 21 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) check_wrong(&cases[i], GM_TYPE_UNKNOWN);
    check_wrong(&(wrong){ "x + 1", "expected a condition, x + 1 is a float", "x + 1 > 0", 12 }, GM_TYPE_BOOL);
    check_wrong(&(wrong){ "s", "expected a number, s is a text", "", 10 }, GM_TYPE_FLOAT);
    expr_case_clear(&c);
}

static void all_mistakes_are_reported_once(void)
{
    expr_case_init(&c);
    gm_expr *e = NULL;
    CHECK_RC(expr_case_check(&c, "xx + 1 > 2 and flor(s) == 3 or s > 5 and not (yy == 1)", GM_TYPE_BOOL, &e), GM_EINVALID);
    CHECK(c.errs.count == 4);
    CHECK_HAS(c.errs.items[0].message, "xx");
    CHECK_HAS(c.errs.items[1].message, "flor");
    CHECK_HAS(c.errs.items[2].message, "cannot compare s");
    CHECK_HAS(c.errs.items[3].message, "yy");
    expr_case_clear(&c);
}

static const char *folded(const char *text, gm_type *out_type)
{
    gm_expr *e = NULL;
    if (expr_case_check(&c, text, GM_TYPE_UNKNOWN, &e)) return c.errs.items[0].message;
    gm_buf b = { 0 };
    gm_expr_print(e, &b);
    const char *out = gm_arena_strdup(c.a, gm_buf_str(&b));
    gm_buf_clear(&b);
    *out_type = e->type;
    return out;
}

static void constants_are_folded_and_the_rest_is_kept(void)
{
    expr_case_init(&c);
    gm_type type;
    CHECK_STR(folded("x + 2 * 3 ^ 2", &type), "x + 18.0");
    CHECK_STR(folded("1 / 0", &type), "1 / 0"); /* infinity has no literal */
    CHECK_STR(folded("0 / 0 + 1", &type), "0 / 0 + 1");
    CHECK_STR(folded("s == lower('AA')", &type), "s == 'aa'");
    CHECK_STR(folded("flag and 3h < 1 day", &type), "flag and true");
    CHECK_STR(folded("max(t, '2013-01-01') < '2014-01-01'", &type), "max(t, '2013-01-01') < '2014-01-01'");
    CHECK_STR(folded("x > -(2)", &type), "x > -2.0");
    expr_case_clear(&c);
}

/* Each row of the table of functions gives an example of itself. */
static void the_examples_of_the_reference_hold(void)
{
    expr_case_init(&c);
    size_t count;
    const gm_expr_function *f = gm_expr_functions(&count);
    CHECK(count > 30);
    for (size_t i = 0; i < count; i++) {
        gm_type type = GM_TYPE_UNKNOWN;
        CHECK(i == 0 || strcmp(f[i - 1].name, f[i].name) < 0);
        CHECK_STR(folded(f[i].example, &type), f[i].gives);
        CHECK(f[i].result == GM_TYPE_UNKNOWN || f[i].result == type);
        CHECK(strncmp(f[i].signature, f[i].name, strlen(f[i].name)) == 0);
    }
    expr_case_clear(&c);
}

static bool gate_column(void *ctx, const char *name, gm_type *out_type)
{
    (void)ctx;
    *out_type = strcmp(name, "carrier") == 0 ? GM_TYPE_STRING : GM_TYPE_FLOAT;
    return strcmp(name, "no_such_metric") != 0;
}

static bool gate_call(void *ctx, const gm_expr *call, gm_type *out_type, gm_err *err)
{
    (void)ctx;
    if (strcmp(call->name, "psi") == 0) return gm_err_set(err, GM_EINVALID, "psi needs a reference"), false;
    *out_type = GM_TYPE_FLOAT;
    return strcmp(call->name, "min") == 0 && call->args_count == 1;
}

static gm_rc gate_value(void *ctx, const gm_expr *e, double *out, gm_err *err)
{
    int *asked = ctx;
    ++*asked;
    if (e->op == GM_EXPR_BINARY) return *out = 1, GM_OK; /* a comparison of texts */
    if (strcmp(e->name, "roc_auc") == 0) return *out = 0.7, GM_OK;
    if (strcmp(e->name, "champion") == 0) return *out = NAN, GM_OK;
    if (strcmp(e->name, "min") == 0) return *out = 0.5, GM_OK;
    return gm_err_set(err, GM_ENOTFOUND, "no value of %s", e->name);
}

static void gates_are_evaluated_through_their_host(void)
{
    expr_case_init(&c);
    gm_expr_host host = { .column = gate_column, .call = gate_call };
    static const struct {
        const char *text;
        double value;
        int asked;
    } cases[] = {
        { "roc_auc >= 0.65", 1, 1 },
        { "roc_auc >= champion - 0.005", NAN, 2 },
        { "min(roc_auc by carrier, rows >= 500) >= 0.55", 0, 1 },
        { "min(roc_auc, 0.2) + 1", 1.2, 1 }, /* the table's min */
        { "roc_auc > 0.6 or champion > 1", 1, 2 },
        { "if(champion is missing, roc_auc, champion) ", 0.7, 3 },
        { "carrier == 'AA' and true", 1, 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_expr *e = NULL;
        double value = -1;
        int asked = 0;
        gm_err err = { 0 };
        CHECK_RC(expr_case_parse(&c, cases[i].text, &e), GM_OK);
        CHECK_RC(gm_expr_check(e, &host, GM_TYPE_UNKNOWN, c.a, &c.errs), GM_OK);
        CHECK_OK(gm_expr_eval_scalar(e, gate_value, &asked, &value, &err), &err);
        CHECK(isnan(cases[i].value) ? isnan(value) : fabs(value - cases[i].value) < 1e-15);
        CHECK(asked == cases[i].asked);
    }
    gm_expr *e = NULL;
    gm_err err = { 0 };
    double value = -1;
    int asked = 0;
    CHECK_RC(expr_case_parse(&c, "no_value + 1", &e), GM_OK);
    CHECK_RC(gm_expr_check(e, &host, GM_TYPE_UNKNOWN, c.a, &c.errs), GM_OK);
    CHECK_RC(gm_expr_eval_scalar(e, gate_value, &asked, &value, &err), GM_ENOTFOUND);
    CHECK_NEAR(value, -1, 0);

    CHECK_RC(expr_case_parse(&c, "no_such_metric > 1 or psi(x) > 2", &e), GM_OK);
    CHECK_RC(gm_expr_check(e, &host, GM_TYPE_BOOL, c.a, &c.errs), GM_EINVALID);
    CHECK(c.errs.count == 2);
    CHECK_STR(c.errs.items[1].message, "psi needs a reference");
    CHECK(c.errs.items[1].col == 32);
    expr_case_clear(&c);
}

static void a_checked_tree_can_be_checked_for_another_table(void)
{
    expr_case_init(&c);
    gm_expr *e = NULL;
    CHECK_RC(expr_case_check(&c, "t >= '2013-01-01'", GM_TYPE_BOOL, &e), GM_OK);
    CHECK(e->args[1]->type == GM_TYPE_TIME);
    gm_column text = { .name = "t", .type = GM_TYPE_STRING };
    gm_table other = { .columns = &text, .columns_count = 1 };
    gm_expr_host host = gm_expr_table_host(&other);
    CHECK_RC(gm_expr_check(e, &host, GM_TYPE_BOOL, c.a, &c.errs), GM_OK);
    CHECK(e->args[1]->type == GM_TYPE_STRING);
    expr_case_clear(&c);
}

TESTS(T(mistakes_name_the_place_and_the_way_out), T(all_mistakes_are_reported_once), T(constants_are_folded_and_the_rest_is_kept),
      T(the_examples_of_the_reference_hold), T(gates_are_evaluated_through_their_host), T(a_checked_tree_can_be_checked_for_another_table))
