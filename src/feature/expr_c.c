/* expr_c.c - an expression as C statements over one row.
 *
 * The tree is walked as base/expr_eval.c walks it, with the same types and conversions: doubles, int64_t for bools, whole numbers
 * and times, const char * for texts. Every node becomes one constant of the function. Times may be compared and taken apart; what
 * needs memory for a new text, a pattern, or the reading of a number out of a text is refused: C11 without a heap, a locale and
 * stdlib.h has no short word for it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/expr_functions.h"
#include "feature/program_internal.h"

typedef struct value {
    gm_type type;
    const char *text; /* a C expression without side effects: a name, a constant, a field */
} value;

static value emit(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e);

static value fresh(gm_c *c, gm_type type, const char *text)
{
    const char *kind = type == GM_TYPE_FLOAT ? "double " : type == GM_TYPE_STRING ? "const char *" : "int64_t ";
    return (value){ type, gm_c_value(c, kind, text) };
}

static value of_bool(gm_c *c, const char *holds, const char *missing)
{
    return fresh(c, GM_TYPE_BOOL, gm_c_text(c, "%s(%s, %s)", gm_c_use(c, "gm_bool"), holds, missing));
}

static value call1(gm_c *c, gm_type type, const char *helper, value x)
{
    return fresh(c, type, gm_c_text(c, "%s(%s)", gm_c_use(c, helper), x.text));
}

static value call2(gm_c *c, gm_type type, const char *helper, value x, value y)
{
    return fresh(c, type, gm_c_text(c, "%s(%s, %s)", gm_c_use(c, helper), x.text, y.text));
}

static value convert(gm_c *c, value v, gm_type want)
{
    if (want == GM_TYPE_UNKNOWN || v.type == want) return v;
    if (want == GM_TYPE_FLOAT && v.type != GM_TYPE_STRING) return call1(c, want, "gm_widen", v);
    if (v.type == GM_TYPE_FLOAT && want != GM_TYPE_STRING) return call1(c, want, "gm_narrow", v);
    v.type = want; /* bool, int and time have one storage */
    return v;
}

/* ---- leaves -------------------------------------------------------------------------------------------------- */

/* As the evaluator reads a constant that has to be whole. */
static int64_t whole_number(const gm_expr *e)
{
    int64_t us;
    if (e->type == GM_TYPE_TIME && e->text && gm_time_parse(e->text, &us)) return us;
    return e->number >= -9.2e18 && e->number <= 9.2e18 ? (int64_t)e->number : GM_MISSING_INT;
}

static value constant(gm_c *c, const gm_expr *e, gm_type want)
{
    char text[40];
    gm_type type = want ? want : e->type ? e->type : GM_TYPE_FLOAT;
    if (e->type == GM_TYPE_STRING) {
        gm_buf quoted = { 0 };
        gm_c_string(&quoted, e->text);
        value v = { GM_TYPE_STRING, gm_c_text(c, "%s", gm_buf_str(&quoted)) };
        gm_buf_clear(&quoted);
        return v;
    }
    bool missing = e->type == GM_TYPE_UNKNOWN;
    if (type == GM_TYPE_STRING) return (value){ type, "NULL" };
    if (type == GM_TYPE_FLOAT) return (value){ type, gm_c_text(c, "%s", gm_c_double(missing ? (double)NAN : e->number, text)) };
    return (value){ type, gm_c_text(c, "%s", gm_c_whole(missing ? GM_MISSING_INT : whole_number(e), text)) };
}

static value column(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    for (size_t i = 0; i < p->inputs_count; i++) {
        if (strcmp(p->inputs[i].name, e->name) != 0) continue;
        const char *field = gm_c_text(c, "in->%s", fields[i]);
        if (p->inputs[i].type != GM_TYPE_BOOL) return (value){ e->type, field };
        return of_bool(c, gm_c_text(c, "%s != 0", field), gm_c_text(c, "isnan(%s)", field));
    }
    gm_c_fail(c, GM_EINVALID, "no column \"%.100s\"", e->name);
    return (value){ e->type, "" };
}

/* ---- comparison ---------------------------------------------------------------------------------------------- */

static const char *is_missing(gm_c *c, value v)
{
    if (v.type == GM_TYPE_FLOAT) return gm_c_text(c, "isnan(%s)", v.text);
    return gm_c_text(c, v.type == GM_TYPE_STRING ? "%s == NULL" : "%s == INT64_MIN", v.text);
}

static value compare(gm_c *c, const char *name, value x, value y)
{
    if (x.type == GM_TYPE_STRING) {
        value order = call2(c, GM_TYPE_INT, "gm_text_order", x, y);
        return of_bool(c, gm_c_text(c, "%s %s 0", order.text, name), is_missing(c, order));
    }
    if (x.type == GM_TYPE_FLOAT || y.type == GM_TYPE_FLOAT) {
        x = convert(c, x, GM_TYPE_FLOAT);
        y = convert(c, y, GM_TYPE_FLOAT);
    }
    return of_bool(c, gm_c_text(c, "%s %s %s", x.text, name, y.text),
                   gm_c_text(c, "%s || %s", is_missing(c, x), is_missing(c, y)));
}

static value negated(gm_c *c, bool yes, value v)
{
    return yes ? call1(c, GM_TYPE_BOOL, "gm_not", v) : v;
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static int by_number(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static value in_texts(gm_c *c, const gm_expr *e, value x)
{
    size_t count = e->args_count - 1;
    const char **set = GM_ARENA_ARRAY(c->a, const char *, count), *pool, *at;
    if (!set) {
        gm_c_fail(c, GM_ENOMEM, "not enough memory for a list of %zu texts", count);
        return x;
    }
    for (size_t i = 0; i < count; i++) set[i] = e->args[i + 1]->text;
    qsort(set, count, sizeof(*set), by_text);
    gm_c_texts(c, set, (int64_t)count, &pool, &at);
    gm_c_use(c, "gm_search_text");
    x = fresh(c, GM_TYPE_STRING, x.text); /* a constant may not be compared with NULL */
    return fresh(
        c, GM_TYPE_BOOL,
        gm_c_text(c, "%s ? INT64_MIN : gm_search_text(%s, %s, %zu, %s) >= 0", is_missing(c, x), pool, at, count, x.text));
}

static value in_numbers(gm_c *c, const gm_expr *e, value x)
{
    size_t count = e->args_count - 1;
    double *set = GM_ARENA_ARRAY(c->a, double, count);
    if (!set) {
        gm_c_fail(c, GM_ENOMEM, "not enough memory for a list of %zu numbers", count);
        return x;
    }
    for (size_t i = 0; i < count; i++) set[i] = e->args[i + 1]->number;
    qsort(set, count, sizeof(*set), by_number);
    const char *table = gm_c_doubles(c, set, (int64_t)count);
    gm_c_use(c, "gm_search_number");
    x = convert(c, x, GM_TYPE_FLOAT);
    return fresh(c, GM_TYPE_BOOL,
                 gm_c_text(c, "%s ? INT64_MIN : gm_search_number(%s, %zu, %s) >= 0", is_missing(c, x), table, count, x.text));
}

/* A list of constants is a set; otherwise, and for whole numbers (which doubles may not tell apart), x == a or x == b or ... */
static value in_list(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    value x = emit(c, p, fields, e->args[0]), r = { 0 };
    bool constants = true, ints = x.type != GM_TYPE_FLOAT;
    for (size_t i = 1; i < e->args_count; i++) {
        constants &= e->args[i]->op == GM_EXPR_CONST;
        ints &= e->args[i]->type != GM_TYPE_FLOAT;
    }
    if (constants && x.type == GM_TYPE_STRING) return negated(c, e->negated, in_texts(c, e, x));
    if (constants && !ints) return negated(c, e->negated, in_numbers(c, e, x));
    for (size_t i = 1; i < e->args_count; i++) {
        value equal = compare(c, "==", x, emit(c, p, fields, e->args[i]));
        r = i == 1 ? equal : call2(c, GM_TYPE_BOOL, "gm_or", r, equal);
    }
    return negated(c, e->negated, r);
}

/* ---- functions ------------------------------------------------------------------------------------------------ */

static value emit_as(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e, gm_type want)
{
    if (e->op == GM_EXPR_CONST) return constant(c, e, want);
    return convert(c, emit(c, p, fields, e), want);
}

static const char *const of_number[][2] = { { "abs", "fabs" }, { "ceil", "ceil" },   { "exp", "exp" },    { "floor", "floor" },
                                            { "log", "log" },  { "log1p", "log1p" }, { "round", "rint" }, { "sqrt", "sqrt" } };
/* Parts of a time, numbered as gm_date_part of c_helpers.c does. */
static const char *const date_parts[] = { "year", "month", "day", "weekday", "hour", "day_of_year", "minute" };
static const char *const spans[][2] = { { "seconds_between", "1e6" },
                                        { "hours_between", "3600e6" },
                                        { "days_between", "86400e6" } };
static const char *const of_text[][2] = { { "contains", "gm_contains" },
                                          { "starts_with", "gm_starts_with" },
                                          { "ends_with", "gm_ends_with" } };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static size_t among(const char *const (*list)[2], size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && strcmp(list[i][0], name) != 0) i++;
    return i;
}

static int date_part(const char *name)
{
    for (size_t i = 0; i < COUNT(date_parts); i++)
        if (strcmp(date_parts[i], name) == 0) return (int)i;
    return -1;
}

static value extreme(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    bool times = e->type == GM_TYPE_TIME, largest = strcmp(e->name, "max") == 0;
    gm_type type = times ? GM_TYPE_TIME : GM_TYPE_FLOAT;
    const char *helper = times ? (largest ? "gm_latest" : "gm_earliest") : largest ? "gm_larger" : "gm_smaller";
    value v = emit_as(c, p, fields, e->args[0], type);
    for (size_t i = 1; i < e->args_count; i++) v = call2(c, type, helper, v, emit_as(c, p, fields, e->args[i], type));
    return v;
}

static value choose(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    value condition = emit_as(c, p, fields, e->args[0], GM_TYPE_BOOL);
    value x = emit_as(c, p, fields, e->args[1], e->type), y = emit_as(c, p, fields, e->args[2], e->type);
    const char *missing = e->type == GM_TYPE_FLOAT ? "(double)NAN" : e->type == GM_TYPE_STRING ? "NULL" : "INT64_MIN";
    return fresh(c, e->type,
                 gm_c_text(c, "%s ? %s : %s ? %s : %s", is_missing(c, condition), missing, condition.text, x.text, y.text));
}

static value coalesce(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    value v = fresh(c, e->type, emit_as(c, p, fields, e->args[0], e->type).text);
    for (size_t i = 1; i < e->args_count; i++) {
        value next = emit_as(c, p, fields, e->args[i], e->type);
        v = fresh(c, e->type, gm_c_text(c, "%s ? %s : %s", is_missing(c, v), next.text, v.text));
    }
    return v;
}

static value missing_of(gm_c *c, value x)
{
    if (x.type == GM_TYPE_STRING) x = fresh(c, x.type, x.text);
    return fresh(c, GM_TYPE_BOOL, gm_c_text(c, "%s ? 1 : 0", is_missing(c, x)));
}

static value call(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    const char *name = e->name;
    size_t at = among(of_number, COUNT(of_number), name);
    if (at < COUNT(of_number))
        return fresh(c, GM_TYPE_FLOAT,
                     gm_c_text(c, "%s(%s)", of_number[at][1], emit_as(c, p, fields, e->args[0], GM_TYPE_FLOAT).text));
    if (date_part(name) >= 0) {
        value t = emit_as(c, p, fields, e->args[0], GM_TYPE_TIME);
        return fresh(c, GM_TYPE_INT, gm_c_text(c, "%s(%s, %d)", gm_c_use(c, "gm_date_part"), t.text, date_part(name)));
    }
    at = among(spans, COUNT(spans), name);
    if (at < COUNT(spans)) {
        value x = emit_as(c, p, fields, e->args[0], GM_TYPE_TIME), y = emit_as(c, p, fields, e->args[1], GM_TYPE_TIME);
        return fresh(c, GM_TYPE_FLOAT, gm_c_text(c, "%s(%s, %s, %s)", gm_c_use(c, "gm_between"), x.text, y.text, spans[at][1]));
    }
    at = among(of_text, COUNT(of_text), name);
    if (at < COUNT(of_text))
        return call2(c, GM_TYPE_BOOL, of_text[at][1], emit_as(c, p, fields, e->args[0], GM_TYPE_STRING),
                     constant(c, e->args[1], GM_TYPE_STRING));
    if (strcmp(name, "length") == 0) return call1(c, GM_TYPE_INT, "gm_length", emit_as(c, p, fields, e->args[0], GM_TYPE_STRING));
    if (strcmp(name, "seconds") == 0)
        return call1(c, GM_TYPE_FLOAT, "gm_seconds", emit_as(c, p, fields, e->args[0], GM_TYPE_TIME));
    if (strcmp(name, "pow") == 0)
        return call2(c, GM_TYPE_FLOAT, "gm_pow", emit_as(c, p, fields, e->args[0], GM_TYPE_FLOAT),
                     emit_as(c, p, fields, e->args[1], GM_TYPE_FLOAT));
    if (strcmp(name, "clip") == 0) {
        value x = emit_as(c, p, fields, e->args[0], GM_TYPE_FLOAT), low = emit_as(c, p, fields, e->args[1], GM_TYPE_FLOAT);
        value high = emit_as(c, p, fields, e->args[2], GM_TYPE_FLOAT);
        return call2(c, GM_TYPE_FLOAT, "gm_smaller", call2(c, GM_TYPE_FLOAT, "gm_larger", x, low), high);
    }
    if (strcmp(name, "min") == 0 || strcmp(name, "max") == 0) return extreme(c, p, fields, e);
    if (strcmp(name, "if") == 0) return choose(c, p, fields, e);
    if (strcmp(name, "coalesce") == 0) return coalesce(c, p, fields, e);
    if (strcmp(name, "is_missing") == 0) return missing_of(c, emit(c, p, fields, e->args[0]));
    gm_c_fail(c, GM_EUNSUPPORTED, "the function \"%.60s\" cannot be written as C without a heap", name);
    return (value){ e->type, "0" };
}

/* ---- the rest of the nodes -------------------------------------------------------------------------------------- */

static value binary(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    if (strcmp(e->name, "and") == 0 || strcmp(e->name, "or") == 0) {
        value x = emit_as(c, p, fields, e->args[0], GM_TYPE_BOOL), y = emit_as(c, p, fields, e->args[1], GM_TYPE_BOOL);
        return call2(c, GM_TYPE_BOOL, e->name[0] == 'a' ? "gm_and" : "gm_or", x, y);
    }
    if (strchr("+-*/%^", e->name[0])) {
        value x = emit_as(c, p, fields, e->args[0], GM_TYPE_FLOAT), y = emit_as(c, p, fields, e->args[1], GM_TYPE_FLOAT);
        if (e->name[0] == '%') return call2(c, GM_TYPE_FLOAT, "gm_mod", x, y);
        if (e->name[0] == '^') return call2(c, GM_TYPE_FLOAT, "gm_pow", x, y);
        return fresh(c, GM_TYPE_FLOAT, gm_c_text(c, "%s %c %s", x.text, e->name[0], y.text));
    }
    value x = emit(c, p, fields, e->args[0]), y = emit(c, p, fields, e->args[1]);
    return compare(c, e->name, x, y);
}

static value between(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    value x = emit(c, p, fields, e->args[0]), low = emit(c, p, fields, e->args[1]), high = emit(c, p, fields, e->args[2]);
    value above = compare(c, ">=", x, low), below = compare(c, "<=", x, high);
    return negated(c, e->negated, call2(c, GM_TYPE_BOOL, "gm_and", above, below));
}

static value emit(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    switch (e->op) {
    case GM_EXPR_CONST: return constant(c, e, e->type);
    case GM_EXPR_COLUMN: return column(c, p, fields, e);
    case GM_EXPR_UNARY:
        if (e->name[0] == '-')
            return fresh(c, GM_TYPE_FLOAT, gm_c_text(c, "-(%s)", emit_as(c, p, fields, e->args[0], GM_TYPE_FLOAT).text));
        return negated(c, true, emit_as(c, p, fields, e->args[0], GM_TYPE_BOOL));
    case GM_EXPR_BINARY: return binary(c, p, fields, e);
    case GM_EXPR_IN: return in_list(c, p, fields, e);
    case GM_EXPR_BETWEEN: return between(c, p, fields, e);
    case GM_EXPR_IS: return negated(c, e->negated, missing_of(c, emit(c, p, fields, e->args[0])));
    case GM_EXPR_CALL: return call(c, p, fields, e);
    }
    gm_c_fail(c, GM_EUNSUPPORTED, "an expression of an unknown kind");
    return (value){ e->type, "0" };
}

const char *gm_expr_c(gm_c *c, const gm_program *p, const char *const *fields, const gm_expr *e)
{
    value v = emit_as(c, p, fields, e, e->type);
    if (v.type == GM_TYPE_BOOL || v.type == GM_TYPE_INT) v = call1(c, GM_TYPE_FLOAT, "gm_widen", v);
    return v.text;
}
