/* expr_case.h - for the tests of expressions: a small table, and an expression parsed, checked and evaluated over it. */
#ifndef GM_TEST_EXPR_CASE_H
#define GM_TEST_EXPR_CASE_H

#include "base/expr.h"

typedef struct expr_case {
    gm_arena *a;
    gm_errs errs;
    gm_table t;
} expr_case;

/* Four rows; "~" is missing:
 *   x float  1.5  -2     ~    4          n int    10   20   ~    7
 *   flag bool true false ~    true       s text   AA   b    ~    AA
 *   u text   b    b      zz   ~          t time   2013-01-31T05:17:42  1969-12-31T23:59:59  ~  2000-02-29
 *   "odd name" float 1 2 3 4             weather.temp float 30 ~ 10 0 */
static inline void expr_case_init(expr_case *c)
{
    static const double x[] = { 1.5, -2, NAN, 4 }, odd[] = { 1, 2, 3, 4 }, temp[] = { 30, NAN, 10, 0 };
    static const int64_t n[] = { 10, 20, GM_MISSING_INT, 7 }, flag[] = { 1, 0, GM_MISSING_INT, 1 };
    static int64_t t[4];
    static const int32_t s[] = { 0, 1, -1, 0 }, u[] = { 1, 1, 2, -1 };
    static const char *const s_texts[] = { "AA", "b" }, *const u_texts[] = { "unused", "b", "zz" };
    static const uint32_t s_lens[] = { 2, 1 }, u_lens[] = { 6, 1, 2 };
    static const gm_dict s_dict = { s_texts, s_lens, 2 }, u_dict = { u_texts, u_lens, 3 };
    (void)gm_time_parse("2013-01-31T05:17:42", &t[0]);
    (void)gm_time_parse("1969-12-31T23:59:59", &t[1]);
    t[2] = GM_MISSING_INT;
    (void)gm_time_parse("2000-02-29", &t[3]);
    static gm_column columns[] = {
        { .name = "x", .type = GM_TYPE_FLOAT, .rows = 4, .f64 = x },
        { .name = "n", .type = GM_TYPE_INT, .rows = 4, .i64 = n },
        { .name = "flag", .type = GM_TYPE_BOOL, .rows = 4, .i64 = flag },
        { .name = "s", .type = GM_TYPE_STRING, .rows = 4, .code = s, .dict = &s_dict },
        { .name = "u", .type = GM_TYPE_STRING, .rows = 4, .code = u, .dict = &u_dict },
        { .name = "t", .type = GM_TYPE_TIME, .rows = 4, .i64 = t },
        { .name = "odd name", .type = GM_TYPE_FLOAT, .rows = 4, .f64 = odd },
        { .name = "weather.temp", .type = GM_TYPE_FLOAT, .rows = 4, .f64 = temp },
    };
    c->a = gm_arena_new(0);
    c->errs = (gm_errs){ .arena = c->a };
    c->t = (gm_table){ .rows = 4, .columns_count = sizeof(columns) / sizeof(columns[0]), .columns = columns };
}

static inline void expr_case_clear(expr_case *c)
{
    gm_arena_free(c->a);
}

static inline gm_rc expr_case_parse(expr_case *c, const char *text, gm_expr **out)
{
    c->errs.count = 0;
    return gm_expr_parse(text, (gm_pos){ .file = "test.yaml", .line = 3, .col = 10 }, c->a, out, &c->errs);
}

static inline gm_rc expr_case_check(expr_case *c, const char *text, gm_type want, gm_expr **out)
{
    gm_rc rc = expr_case_parse(c, text, out);
    if (rc) return rc;
    gm_expr_host host = gm_expr_table_host(&c->t);
    return gm_expr_check(*out, &host, want, c->a, &c->errs);
}

/* The values of all rows as one text, such as "1.5 ~ true"; a message when it fails. In arena. */
static inline const char *expr_case_values(expr_case *c, const char *text)
{
    gm_expr *e = NULL;
    gm_err err = { 0 };
    gm_column out;
    if (expr_case_check(c, text, GM_TYPE_UNKNOWN, &e)) return c->errs.count ? c->errs.items[0].message : "?";
    if (gm_expr_eval(e, &c->t, c->a, &out, &err)) return gm_arena_strdup(c->a, err.message);
    gm_buf b = { 0 };
    for (int64_t i = 0; i < out.rows; i++) {
        char number[32];
        if (i) gm_buf_char(&b, ' ');
        if (gm_column_is_missing(&out, i))
            gm_buf_char(&b, '~');
        else if (out.type == GM_TYPE_STRING)
            gm_buf_text(&b, gm_column_text(&out, i));
        else if (out.type == GM_TYPE_BOOL)
            gm_buf_text(&b, out.i64[i] == 1 ? "true" : out.i64[i] == 0 ? "false" : "neither");
        else
            gm_buf_text(&b, gm_double_text(gm_column_double(&out, i), number));
    }
    const char *values = gm_arena_strdup(c->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return values;
}

#endif
