/* test_expr_random.c - random trees: what is printed reads back as the same tree, folding keeps every bit, and blocks of
 * rows give what single rows give. The reference page is the one the program prints. */
#include <inttypes.h>
#include <stdio.h>

#include "base/expr_functions.h"
#include "base/fs.h"
#include "base/random.h"
#include "harness/harness.h"
#include "unit/base/expr_case.h"

enum { TREES = 3000, ROWS = 2500 };
static const uint64_t seed = 20130131;
static expr_case c;
static gm_random r;

static bool one_in(int64_t n)
{
    return gm_random_below(&r, n) == 0;
}

static void write(gm_buf *b, const char *const *choices, int64_t count)
{
    gm_buf_text(b, choices[gm_random_below(&r, count)]);
}

static void any(gm_buf *b, gm_type type, int depth);

static void number(gm_buf *b, int depth)
{
    static const char *const leaves[] = { "x", "n", "y", "flag", "0", "7", "-3", "2.5", "1e-3", "12.5%", "3h", "2 days", "250 ms", "0.07%", "-1 week" };
    static const char *const ops[] = { " + ", " - ", " * ", " / ", " % ", " ^ " };
    static const char *const functions[] = { "floor", "abs", "sqrt", "round", "log1p" };
    int64_t kind = depth <= 0 ? 0 : gm_random_below(&r, 8);
    if (kind <= 1) {
        write(b, leaves, 15);
    } else if (kind <= 4) {
        gm_buf_char(b, '(');
        any(b, GM_TYPE_FLOAT, depth - 1);
        write(b, ops, 6);
        any(b, GM_TYPE_FLOAT, depth - 1);
        gm_buf_char(b, ')');
    } else if (kind == 5) {
        gm_buf_text(b, "-(");
        any(b, GM_TYPE_FLOAT, depth - 1);
        gm_buf_char(b, ')');
    } else if (kind == 6) {
        write(b, functions, 5);
        gm_buf_char(b, '(');
        any(b, GM_TYPE_FLOAT, depth - 1);
        gm_buf_char(b, ')');
    } else {
        static const char *const several[] = { "min(", "max(", "coalesce(" };
        write(b, several, 3);
        any(b, GM_TYPE_FLOAT, depth - 1);
        gm_buf_text(b, ", ");
        any(b, GM_TYPE_FLOAT, depth - 1);
        gm_buf_char(b, ')');
    }
}

static void text(gm_buf *b, int depth)
{
    static const char *const leaves[] = { "s", "u", "'AA'", "'it''s'", "'b'", "\"größe\"" };
    int64_t kind = depth <= 0 ? 0 : gm_random_below(&r, 6);
    if (kind <= 2) {
        write(b, leaves, 6);
        return;
    }
    gm_buf_text(b, kind == 3 ? "lower(" : kind == 4 ? "concat(" : "coalesce(");
    any(b, GM_TYPE_STRING, depth - 1);
    if (kind > 3) {
        gm_buf_text(b, ", ");
        any(b, GM_TYPE_STRING, depth - 1);
    }
    gm_buf_char(b, ')');
}

static void condition(gm_buf *b, int depth)
{
    static const char *const comparisons[] = { " < ", " <= ", " > ", " >= ", " == ", " != " };
    int64_t kind = depth <= 0 ? 0 : gm_random_below(&r, 9);
    gm_type type = one_in(3) ? GM_TYPE_STRING : GM_TYPE_FLOAT;
    gm_buf_char(b, '(');
    if (kind == 0) {
        gm_buf_text(b, one_in(2) ? "flag" : one_in(2) ? "true" : "false");
    } else if (kind <= 3) {
        any(b, type, depth - 1);
        write(b, comparisons, 6);
        any(b, type, depth - 1);
    } else if (kind <= 5) {
        any(b, GM_TYPE_BOOL, depth - 1);
        gm_buf_text(b, one_in(2) ? " and " : " or ");
        any(b, GM_TYPE_BOOL, depth - 1);
    } else if (kind == 6) {
        gm_buf_text(b, "not ");
        any(b, GM_TYPE_BOOL, depth - 1);
    } else if (kind == 7) {
        any(b, type, depth - 1);
        gm_buf_text(b, one_in(2) ? " in [" : " not in [");
        for (int64_t i = gm_random_below(&r, 3); i >= 0; i--) {
            any(b, type, one_in(2) ? 0 : depth - 1);
            if (i) gm_buf_text(b, ", ");
        }
        gm_buf_char(b, ']');
    } else {
        any(b, type, depth - 1);
        gm_buf_text(b, one_in(2) ? " is missing" : " between ");
        if (b->data[b->len - 1] == ' ') {
            any(b, type, depth - 1);
            gm_buf_text(b, " and ");
            any(b, type, depth - 1);
        }
    }
    gm_buf_char(b, ')');
}

/* An expression of that type, in brackets wherever the place might need them. */
static void any(gm_buf *b, gm_type type, int depth)
{
    if (depth > 0 && one_in(12)) {
        gm_buf_text(b, "if(");
        condition(b, depth - 1);
        gm_buf_text(b, ", ");
        any(b, type, depth - 1);
        gm_buf_text(b, ", ");
        any(b, type, depth - 1);
        gm_buf_char(b, ')');
        return;
    }
    if (type == GM_TYPE_FLOAT)
        number(b, depth);
    else if (type == GM_TYPE_STRING)
        text(b, depth);
    else
        condition(b, depth);
}

static void fill_table(void)
{
    static const char *const names[] = { "x", "y", "n", "flag", "s", "u" };
    static const gm_type types[] = { GM_TYPE_FLOAT, GM_TYPE_FLOAT, GM_TYPE_INT, GM_TYPE_BOOL, GM_TYPE_STRING, GM_TYPE_STRING };
    static gm_column columns[6];
    static const char *const s_texts[] = { "AA", "b", "größe" }, *const u_texts[] = { "b", "it's", "AA", "" };
    static const uint32_t s_lens[] = { 2, 1, 7 }, u_lens[] = { 1, 4, 2, 0 };
    static const gm_dict dicts[] = { { s_texts, s_lens, 3 }, { u_texts, u_lens, 4 } };
    for (int k = 0; k < 6; k++) {
        double *f64 = GM_ARENA_ARRAY(c.a, double, ROWS);
        int64_t *i64 = GM_ARENA_ARRAY(c.a, int64_t, ROWS);
        int32_t *code = GM_ARENA_ARRAY(c.a, int32_t, ROWS);
        for (int i = 0; i < ROWS; i++) {
            bool missing = one_in(6);
            f64[i] = missing ? (double)NAN : rint(gm_random_normal(&r) * 8) / 2;
            i64[i] = missing ? GM_MISSING_INT : gm_random_below(&r, k == 3 ? 2 : 10);
            code[i] = missing ? -1 : (int32_t)gm_random_below(&r, k == 4 ? 3 : 4);
        }
        columns[k] = (gm_column){ .name = names[k], .type = types[k], .rows = ROWS };
        if (k < 2) columns[k].f64 = f64;
        else if (k < 4) columns[k].i64 = i64;
        else {
            columns[k].code = code;
            columns[k].dict = &dicts[k - 4];
        }
    }
    c.t = (gm_table){ .rows = ROWS, .columns_count = 6, .columns = columns };
}

static const char *print_of(const gm_expr *e)
{
    gm_buf b = { 0 };
    gm_expr_print(e, &b);
    const char *out = gm_arena_strdup(c.a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return out;
}

static void check_round_trip(const gm_expr *e)
{
    gm_expr *again = NULL;
    const char *printed = print_of(e);
    if (strlen(printed) > 4096) return;
    if (expr_case_parse(&c, printed, &again)) gm_harness_fail(__FILE__, __LINE__, "%s: %s", printed, c.errs.items[0].message);
    if (!gm_expr_equal(e, again)) gm_harness_fail(__FILE__, __LINE__, "%s reads back as %s", printed, print_of(again));
}

static void check_same(const gm_column *x, int64_t row_x, const gm_column *y, int64_t row_y, const char *source)
{
    bool same = gm_column_is_missing(x, row_x) == gm_column_is_missing(y, row_y) && x->type == y->type;
    if (same && !gm_column_is_missing(x, row_x))
        same = x->type == GM_TYPE_STRING  ? strcmp(gm_column_text(x, row_x), gm_column_text(y, row_y)) == 0
               : x->type == GM_TYPE_FLOAT ? memcmp(&x->f64[row_x], &y->f64[row_y], 8) == 0
                                          : x->i64[row_x] == y->i64[row_y];
    if (!same) gm_harness_fail(__FILE__, __LINE__, "row %" PRId64 " differs: %s", row_x, source);
}

static void slice(int64_t row, gm_table *one, gm_column columns[6])
{
    for (int k = 0; k < 6; k++) {
        columns[k] = c.t.columns[k];
        columns[k].rows = 1;
        if (k < 2) columns[k].f64 += row;
        else if (k < 4) columns[k].i64 += row;
        else columns[k].code += row;
    }
    *one = (gm_table){ .rows = 1, .columns_count = 6, .columns = columns };
}

/* One tree: read back before and after checking; evaluated in blocks and row by row, folded constants among columns. */
static void check_tree(const char *source)
{
    gm_expr *e = NULL, *printed = NULL;
    gm_err err = { 0 };
    gm_column all, single;
    if (expr_case_parse(&c, source, &e)) gm_harness_fail(__FILE__, __LINE__, "%s: %s", source, c.errs.items[0].message);
    check_round_trip(e);
    gm_expr_host host = gm_expr_table_host(&c.t);
    if (gm_expr_check(e, &host, GM_TYPE_UNKNOWN, c.a, &c.errs)) gm_harness_fail(__FILE__, __LINE__, "%s: %s", source, c.errs.items[0].message);
    check_round_trip(e);
    CHECK_OK(gm_expr_eval(e, &c.t, c.a, &all, &err), &err);
    for (int k = 0; k < 12; k++) {
        int64_t row = gm_random_below(&r, ROWS);
        gm_column columns[6];
        gm_table one;
        slice(row, &one, columns);
        CHECK_OK(gm_expr_eval(e, &one, c.a, &single, &err), &err);
        check_same(&all, row, &single, 0, source);
    }
    if (strlen(print_of(e)) > 4096) return;
    CHECK_RC(expr_case_check(&c, print_of(e), GM_TYPE_UNKNOWN, &printed), GM_OK);
    CHECK(gm_expr_equal(e, printed));
}

static void random_trees_keep_their_meaning(void)
{
    printf("# seed %" PRIu64 "\n", seed);
    gm_random_init(&r, seed);
    for (int i = 0; i < TREES; i++) {
        if (i % 100 == 0) {
            if (i) expr_case_clear(&c);
            expr_case_init(&c);
            fill_table();
        }
        gm_buf b = { 0 };
        any(&b, (gm_type[]){ GM_TYPE_FLOAT, GM_TYPE_BOOL, GM_TYPE_STRING }[gm_random_below(&r, 3)], 1 + (int)gm_random_below(&r, 5));
        if (b.len <= 4096) check_tree(gm_buf_str(&b));
        gm_buf_clear(&b);
    }
    expr_case_clear(&c);
}

/* The same formula with its constants in columns: nothing can be folded then. */
static void folding_changes_no_bit(void)
{
    expr_case_init(&c);
    gm_random_init(&r, seed + 1);
    static const char *const formulas[] = { "%s + %s * %s",     "%s / (%s) ^ %s",       "log(abs(%s)) - exp(%s) %% %s", "sqrt(%s) * log1p(%s) + round(%s)",
                                            "pow(%s, %s) / %s", "clip(%s, %s, %s) * 3", "max(%s, %s) - min(%s, 2)" };
    int folded_count = 0;
    for (int i = 0; i < 2000; i++) {
        double v[3];
        char text[3][32], constant[200], variable[200];
        for (int k = 0; k < 3; k++) (void)gm_double_text(v[k] = gm_random_normal(&r) * 5, text[k]);
        const char *formula = formulas[i % 7];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(constant, sizeof(constant), formula, text[0], text[1], text[2]);
        (void)snprintf(variable, sizeof(variable), formula, "a", "b", "d");
#pragma GCC diagnostic pop
        gm_column columns[] = { { .name = "a", .type = GM_TYPE_FLOAT, .rows = 1, .f64 = &v[0] },
                                { .name = "b", .type = GM_TYPE_FLOAT, .rows = 1, .f64 = &v[1] },
                                { .name = "d", .type = GM_TYPE_FLOAT, .rows = 1, .f64 = &v[2] } };
        c.t = (gm_table){ .rows = 1, .columns_count = 3, .columns = columns };
        gm_expr *with_constants = NULL, *with_columns = NULL;
        gm_err err;
        gm_column x, y;
        CHECK_RC(expr_case_check(&c, constant, GM_TYPE_FLOAT, &with_constants), GM_OK);
        CHECK_RC(expr_case_check(&c, variable, GM_TYPE_FLOAT, &with_columns), GM_OK);
        CHECK_OK(gm_expr_eval(with_constants, &c.t, c.a, &x, &err), &err);
        CHECK_OK(gm_expr_eval(with_columns, &c.t, c.a, &y, &err), &err);
        check_same(&x, 0, &y, 0, constant);
        folded_count += with_constants->op == GM_EXPR_CONST;
    }
    CHECK(folded_count > 1000);
    expr_case_clear(&c);
}

TESTS(T(random_trees_keep_their_meaning), T(folding_changes_no_bit))
