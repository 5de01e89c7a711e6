/* expr_check.c - names, types and constants of a parsed tree.
 *
 * Operands are checked before the node over them. A part that is wrong makes what stands over it wrong in silence, so that
 * one mistake gives one message. Constants are folded by evaluating them with the evaluator itself: no bit can differ.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/expr_internal.h"

typedef struct checker {
    const gm_expr_host *host;
    gm_arena *a;
    gm_errs *errs;
    gm_rc rc; /* of the first mistake */
} checker;

static bool check(checker *c, gm_expr *e);

static bool fail(checker *c, gm_pos at, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Always false, so that a check can end with it. */
static bool fail(checker *c, gm_pos at, const char *hint, const char *fmt, ...)
{
    char message[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args); /* a cut message is still a message */
    va_end(args);
    if (!c->rc) c->rc = GM_EINVALID;
    gm_errs_at(c->errs, at, GM_EINVALID, hint, "%s", message);
    return false;
}

static bool out_of_memory(checker *c, gm_pos at)
{
    c->rc = GM_ENOMEM;
    gm_errs_at(c->errs, at, GM_ENOMEM, "", "not enough memory to check the expression");
    return false;
}

/* The expression as text for messages, cut where it is long. In arena, or "..." without memory. */
static const char *show(checker *c, const gm_expr *e)
{
    enum { SHOWN = 60 };
    gm_buf b = { 0 };
    gm_expr_print(e, &b);
    size_t len = b.len;
    if (len > SHOWN) {
        len = SHOWN;
        while (len && ((unsigned char)b.data[len] & 0xc0) == 0x80) len--; /* whole characters */
    }
    const char *text = gm_arena_printf(c->a, "%.*s%s", (int)len, gm_buf_str(&b), len < b.len ? "..." : "");
    gm_buf_clear(&b);
    return text ? text : "...";
}

static const char *hint_text(checker *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static const char *hint_text(checker *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = gm_arena_vprintf(c->a, fmt, args);
    va_end(args);
    return text ? text : "";
}

/* "a bool", "an int" */
static const char *a_type(gm_type t)
{
    switch (t) {
    case GM_TYPE_BOOL: return "a bool";
    case GM_TYPE_INT: return "an int";
    case GM_TYPE_FLOAT: return "a float";
    case GM_TYPE_STRING: return "a text";
    case GM_TYPE_TIME: return "a time";
    default: return "missing";
    }
}

static bool is_missing_literal(const gm_expr *e)
{
    return e->op == GM_EXPR_CONST && e->type == GM_TYPE_UNKNOWN;
}

static bool is_quoted(const gm_expr *e)
{
    return e->op == GM_EXPR_CONST && e->type == GM_TYPE_STRING;
}

/* ---- columns ------------------------------------------------------------------------------------------------ */

static bool table_column(void *ctx, const char *name, gm_type *out_type)
{
    const gm_column *found = gm_table_find(ctx, name);
    if (found) *out_type = found->type;
    return found != NULL;
}

gm_expr_host gm_expr_table_host(const gm_table *t)
{
    return (gm_expr_host){ .column = table_column, .ctx = (void *)(uintptr_t)t };
}

/* The names to suggest from; 0 when there are none. */
static size_t known_names(checker *c, const char *const **out_names)
{
    const gm_expr_host *host = c->host;
    if (host->names) return host->names(host->ctx, out_names);
    if (host->column != table_column) return 0;
    const gm_table *t = host->ctx;
    const char **names = GM_ARENA_ARRAY(c->a, const char *, t->columns_count);
    for (size_t i = 0; names && i < t->columns_count; i++) names[i] = t->columns[i].name;
    *out_names = names;
    return names ? t->columns_count : 0;
}

/* Words of other languages for a missing value. */
static bool means_missing(const char *name)
{
    static const char *const words[] = { "null", "NULL", "nan", "NaN", "NA", "None", "nil" };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], name) == 0) return true;
    return false;
}

static const char *column_hint(checker *c, const char *name)
{
    if (means_missing(name)) return "Write \"is missing\"; the value itself is written missing.";
    if (strcmp(name, "True") == 0 || strcmp(name, "TRUE") == 0) return "Did you mean true?";
    if (strcmp(name, "False") == 0 || strcmp(name, "FALSE") == 0) return "Did you mean false?";
    const char *const *names = NULL;
    size_t count = known_names(c, &names);
    const char *near = count ? gm_nearest(name, names, count) : NULL;
    if (near) {
        gm_expr column = { .op = GM_EXPR_COLUMN, .name = near };
        return gm_expr_is_plain_name(near) ? hint_text(c, "Did you mean \"%s\"?", near)
                                           : hint_text(c, "Did you mean %s?", show(c, &column));
    }
    gm_buf list = { 0 };
    for (size_t i = 0; i < count && list.len < 160; i++) gm_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    bool all = list.len < 160;
    const char *hint = count ? hint_text(c, "Text stands in quotes: '%s'. The names here are %s%s.", name, gm_buf_str(&list),
                                         all ? "" : " and more")
                             : hint_text(c, "Text stands in quotes: '%s'.", name);
    gm_buf_clear(&list);
    return hint;
}

static bool check_column(checker *c, gm_expr *e)
{
    gm_type type = GM_TYPE_UNKNOWN;
    if (!c->host->column || !c->host->column(c->host->ctx, e->name, &type))
        return fail(c, e->pos, column_hint(c, e->name), "unrecognized column \"%s\"", e->name);
    e->type = type;
    return true;
}

/* ---- conversions -------------------------------------------------------------------------------------------- */

/* A quoted text where a time is wanted becomes that time. False when it says none. */
static bool as_time(checker *c, gm_expr *e)
{
    int64_t us;
    if (!gm_time_parse(e->text, &us))
        return fail(c, e->pos, "Write '2013-01-31' or '2013-01-31T05:00:00', in UTC or with an offset.",
                    "cannot read \"%.60s\" as a time", e->text);
    e->type = GM_TYPE_TIME;
    e->number = (double)us;
    return true;
}

/* Quoted texts among values of which one is a time. */
static bool settle_times(checker *c, gm_expr **args, size_t count)
{
    bool time = false, good = true;
    for (size_t i = 0; i < count; i++) time |= args[i]->type == GM_TYPE_TIME;
    for (size_t i = 0; time && i < count; i++)
        if (is_quoted(args[i])) good &= as_time(c, args[i]);
    return good;
}

/* ---- operators ---------------------------------------------------------------------------------------------- */

/* What to write instead of comparing x and y, which are of different kinds. */
static const char *comparison_hint(checker *c, const gm_expr *x, const gm_expr *y)
{
    if (y->type == GM_TYPE_STRING || x->type == GM_TYPE_TIME) { /* x: the text, or what is not the time */
        const gm_expr *t = x;
        x = y;
        y = t;
    }
    if (x->type == GM_TYPE_STRING && y->type == GM_TYPE_BOOL)
        return is_quoted(x) ? "true and false are written without quotes."
                            : hint_text(c, "Compare with a text: %s == 'yes'.", show(c, x));
    if (x->type == GM_TYPE_STRING && gm_expr_is_number(y->type)) {
        if (is_quoted(x)) return hint_text(c, "Write the number without quotes: %s.", x->text);
        if (y->op == GM_EXPR_CONST)
            return hint_text(c, "Write number(%s) to compare numbers, or '%s' to compare texts.", show(c, x), show(c, y));
        return hint_text(c, "Write number(%s) to compare numbers.", show(c, x));
    }
    if (y->type == GM_TYPE_TIME)
        return "Compare a time with a quoted time such as '2013-06-01', or take a part of it: year(t), hour(t), seconds(t).";
    return "";
}

static bool comparable(checker *c, const gm_expr *x, const gm_expr *y, gm_pos at)
{
    if (is_missing_literal(x) || is_missing_literal(y)) {
        const gm_expr *other = is_missing_literal(x) ? y : x;
        return fail(c, at, is_missing_literal(other) ? "" : hint_text(c, "Write: %s is missing.", show(c, other)),
                    "a comparison with missing is always missing");
    }
    if (x->type == y->type || (gm_expr_is_number(x->type) && gm_expr_is_number(y->type))) return true;
    return fail(c, at, comparison_hint(c, x, y), "cannot compare %s (%s) with %s (%s)", show(c, x), a_type(x->type), show(c, y),
                a_type(y->type));
}

static bool check_comparison(checker *c, gm_expr *e)
{
    e->type = GM_TYPE_BOOL;
    return settle_times(c, e->args, 2) && comparable(c, e->args[0], e->args[1], e->pos);
}

/* `in` and `between`: args[0] against each of the others. */
static bool check_against_others(checker *c, gm_expr *e)
{
    e->type = GM_TYPE_BOOL;
    if (!settle_times(c, e->args, e->args_count)) return false;
    bool good = true;
    for (size_t i = 1; i < e->args_count && good; i++) good = comparable(c, e->args[0], e->args[i], e->args[i]->pos);
    return good;
}

static const char *number_hint(checker *c, const gm_expr *operation, const gm_expr *x)
{
    if (x->type == GM_TYPE_TIME)
        return "Times are subtracted by days_between(a, b), hours_between(a, b) and seconds_between(a, b).";
    if (x->type != GM_TYPE_STRING) return "";
    if (operation->name[0] == '+') return "Texts are joined by concat(a, b).";
    return is_quoted(x) ? "" : hint_text(c, "Write number(%s).", show(c, x));
}

static bool check_arithmetic(checker *c, gm_expr *e)
{
    e->type = GM_TYPE_FLOAT;
    for (size_t i = 0; i < e->args_count; i++) {
        const gm_expr *x = e->args[i];
        if (gm_expr_is_number(x->type) || is_missing_literal(x)) continue;
        return fail(c, x->pos, number_hint(c, e, x), "\"%s\" takes numbers, %s is %s", e->name, show(c, x), a_type(x->type));
    }
    return true;
}

static bool check_logic(checker *c, gm_expr *e)
{
    e->type = GM_TYPE_BOOL;
    bool good = true;
    for (size_t i = 0; i < e->args_count; i++) {
        const gm_expr *x = e->args[i];
        if (x->type == GM_TYPE_BOOL || is_missing_literal(x)) continue;
        const char *hint = is_quoted(x)                 ? "To compare with several values write: x in ['a', 'b']."
                           : gm_expr_is_number(x->type) ? hint_text(c, "Write a condition: %s != 0.", show(c, x))
                                                        : "Write a condition, such as a comparison.";
        good = fail(c, x->pos, hint, "\"%s\" takes conditions, %s is %s", e->name, show(c, x), a_type(x->type));
    }
    return good;
}

static bool check_binary(checker *c, gm_expr *e)
{
    if (gm_expr_comparison(e->name, false)) return check_comparison(c, e);
    return gm_expr_arithmetic(e->name) ? check_arithmetic(c, e) : check_logic(c, e);
}

static bool check_is(checker *c, gm_expr *e)
{
    e->type = GM_TYPE_BOOL;
    if (strcmp(e->name, "unique") == 0 && !c->host->allow_unique)
        return fail(c, e->pos, "", "\"is unique\" can only be asked in checks");
    return true;
}

/* ---- functions ---------------------------------------------------------------------------------------------- */

/* The type that if, coalesce, min and max give: one kind for all, int only when all are int. UNKNOWN after a mistake. */
static gm_type common_type(checker *c, const gm_expr *call, gm_expr **args, size_t count)
{
    if (!settle_times(c, args, count)) return GM_TYPE_UNKNOWN;
    const gm_expr *first = NULL;
    gm_type type = GM_TYPE_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        const gm_expr *x = args[i];
        if (is_missing_literal(x)) continue;
        if (!first) {
            first = x;
            type = x->type;
        } else if (gm_expr_is_number(x->type) && gm_expr_is_number(type)) {
            if (x->type > type) type = x->type; /* bool < int < float */
        } else if (x->type != type) {
            (void)fail(c, x->pos, "", "\"%s\" takes values of one type, %s is %s and %s is %s", call->name, show(c, first),
                       a_type(first->type), show(c, x), a_type(x->type));
            return GM_TYPE_UNKNOWN;
        }
    }
    if (!first) (void)fail(c, call->pos, "", "\"%s\" has only missing values to choose from", call->name);
    return type;
}

/* One argument against its letter; see expr_functions.h. */
static bool check_argument(checker *c, const gm_expr_function *f, char letter, gm_expr *x)
{
    if (letter == 't' && is_quoted(x)) return as_time(c, x);
    bool missing = is_missing_literal(x);
    const char *takes = NULL, *hint = "";
    switch (letter) {
    case 'n':
        if (!missing && !gm_expr_is_number(x->type)) takes = "a number";
        if (x->type == GM_TYPE_STRING && !is_quoted(x)) hint = hint_text(c, "Write number(%s).", show(c, x));
        break;
    case 'o':
        if (!missing && !gm_expr_is_number(x->type) && x->type != GM_TYPE_TIME) takes = "a number or a time";
        break;
    case 't':
        if (!missing && x->type != GM_TYPE_TIME) takes = "a time";
        break;
    case 's':
        if (!missing && x->type != GM_TYPE_STRING) takes = "a text";
        if (strcmp(f->name, "number") != 0) hint = hint_text(c, "Write text(%s).", show(c, x));
        break;
    case 'q':
        if (!is_quoted(x)) takes = "a text in quotes";
        break;
    case 'b':
        if (!missing && x->type != GM_TYPE_BOOL) takes = "a condition";
        break;
    default: break;
    }
    if (!takes) return true;
    return fail(c, x->pos, hint, "%s takes %s, %s is %s", f->signature, takes, show(c, x), a_type(x->type));
}

static bool check_function(checker *c, gm_expr *e, const gm_expr_function *f)
{
    size_t letters = strcspn(f->args, "+");
    bool good = true;
    if (f->args[0] == 'o') good = settle_times(c, e->args, e->args_count);
    for (size_t i = 0; i < e->args_count; i++) good &= check_argument(c, f, f->args[i < letters ? i : letters - 1], e->args[i]);
    if (!good) return false;
    e->type = f->result;
    if (e->type == GM_TYPE_UNKNOWN) {
        size_t before = strcspn(f->args, "co");
        e->type = common_type(c, e, e->args + before, e->args_count - before);
        if (f->args[before] == 'o' && gm_expr_is_number(e->type)) e->type = GM_TYPE_FLOAT;
        if (e->type == GM_TYPE_UNKNOWN) return false;
    }
    if (f->of_text != gm_expr_text_matches) return true;
    gm_err err;
    gm_rc rc = gm_expr_pattern_prepare(e, c->a, &err);
    if (!rc) return true;
    if (!c->rc) c->rc = rc;
    gm_errs_add(c->errs, &err);
    return false;
}

/* A name that neither the table nor the host knows, or a known one with the wrong number of arguments. */
static bool unknown_call(checker *c, const gm_expr *e, const gm_err *from_host)
{
    if (from_host->message[0]) {
        gm_err err = *from_host;
        (void)gm_err_place(&err, err.rc, e->pos);
        if (!c->rc) c->rc = GM_EINVALID;
        gm_errs_add(c->errs, &err);
        return false;
    }
    const gm_expr_function *f = gm_expr_function_find(e->name);
    if (f && e->by) return fail(c, e->pos, "Groups are formed in gates.", "\"%s\" cannot be taken \"by\" a column here", e->name);
    if (f)
        return fail(c, e->pos, hint_text(c, "It is %s: %s.", f->signature, f->help),
                    "function \"%s\" does not take %zu argument%s", e->name, e->args_count, e->args_count == 1 ? "" : "s");
    size_t count;
    const gm_expr_function *all = gm_expr_functions(&count);
    const char **names = GM_ARENA_ARRAY(c->a, const char *, count);
    for (size_t i = 0; names && i < count; i++) names[i] = all[i].name;
    const char *near = names ? gm_nearest(e->name, names, count) : NULL;
    return fail(c, e->pos, near ? hint_text(c, "Did you mean \"%s\"?", near) : "", "unrecognized function \"%s\"", e->name);
}

/* Kept apart: an error is a large value, and check() calls itself. */
static __attribute__((noinline)) bool check_call(checker *c, gm_expr *e)
{
    const gm_expr_function *f = gm_expr_function_of(e);
    if (f) return check_function(c, e, f);
    gm_err err = { 0 };
    if (c->host->call && c->host->call(c->host->ctx, e, &e->type, &err)) return true;
    return unknown_call(c, e, &err);
}

/* ---- folding ------------------------------------------------------------------------------------------------ */

static bool can_fold(const gm_expr *e)
{
    if (e->op == GM_EXPR_CONST || e->op == GM_EXPR_COLUMN) return false;
    if (e->op == GM_EXPR_CALL && !gm_expr_function_of(e)) return false;
    if (e->op == GM_EXPR_IS && strcmp(e->name, "missing") != 0) return false;
    for (size_t i = 0; i < e->args_count; i++)
        if (e->args[i]->op != GM_EXPR_CONST) return false;
    return true;
}

/* Put the value in place of the tree. What has no constant to say it (missing, infinite, a time before the era) stays. */
static void replace(checker *c, gm_expr *e, const gm_column *value)
{
    gm_expr constant = { .op = GM_EXPR_CONST, .type = value->type, .pos = e->pos };
    if (gm_column_is_missing(value, 0)) return;
    if (value->type == GM_TYPE_STRING) {
        constant.text = gm_arena_strdup(c->a, gm_column_text(value, 0));
        if (!constant.text) return;
    } else if (value->type == GM_TYPE_TIME) {
        char text[64];
        int64_t us;
        if (!gm_time_parse(gm_time_text(value->i64[0], text, sizeof(text)), &us) || us != value->i64[0]) return;
        constant.text = gm_arena_strdup(c->a, text);
        constant.number = (double)us;
        if (!constant.text) return;
    } else {
        constant.number = gm_column_double(value, 0);
        if (!isfinite(constant.number)) return;
    }
    *e = constant;
}

static __attribute__((noinline)) bool fold(checker *c, gm_expr *e)
{
    gm_err err;
    gm_column value;
    gm_table no_columns = { .rows = 1 };
    gm_rc rc = gm_expr_eval(e, &no_columns, c->a, &value, &err);
    if (rc == GM_ENOMEM) return out_of_memory(c, e->pos);
    if (!rc) replace(c, e, &value);
    return true;
}

/* ---- the tree ----------------------------------------------------------------------------------------------- */

static bool check_condition(checker *c, gm_expr *where)
{
    if (!check(c, where)) return false;
    if (where->type == GM_TYPE_BOOL) return true;
    return fail(c, where->pos, "", "expected a condition after the column of \"by\", %s is %s", show(c, where),
                a_type(where->type));
}

static bool check_node(checker *c, gm_expr *e)
{
    switch (e->op) {
    case GM_EXPR_CONST:
        if (e->text) e->type = GM_TYPE_STRING; /* a time of an earlier check, for another host */
        return true;
    case GM_EXPR_COLUMN: return check_column(c, e);
    case GM_EXPR_CALL: return check_call(c, e);
    case GM_EXPR_UNARY: return e->name[0] == '-' ? check_arithmetic(c, e) : check_logic(c, e);
    case GM_EXPR_BINARY: return check_binary(c, e);
    case GM_EXPR_IN:
    case GM_EXPR_BETWEEN: return check_against_others(c, e);
    case GM_EXPR_IS: return check_is(c, e);
    }
    gm_assert(false && "a node of no kind");
}

static bool check(checker *c, gm_expr *e)
{
    bool good = true;
    for (size_t i = 0; i < e->args_count; i++) good &= check(c, e->args[i]);
    if (e->by) good &= check(c, e->by);
    if (e->where) good &= check_condition(c, e->where);
    if (!good || !check_node(c, e)) return false;
    return can_fold(e) ? fold(c, e) : true;
}

static bool wanted(checker *c, gm_expr *e, gm_type want)
{
    if (want == GM_TYPE_UNKNOWN || e->type == want || is_missing_literal(e)) return true;
    if (want == GM_TYPE_FLOAT && gm_expr_is_number(e->type)) return true;
    if (want == GM_TYPE_TIME && is_quoted(e)) return as_time(c, e);
    const char *hint = want != GM_TYPE_BOOL         ? ""
                       : gm_expr_is_number(e->type) ? hint_text(c, "Compare it with something: %s > 0.", show(c, e))
                                                    : "Write a condition, such as a comparison.";
    return fail(c, e->pos, hint, "expected %s, %s is %s",
                want == GM_TYPE_BOOL    ? "a condition"
                : want == GM_TYPE_FLOAT ? "a number"
                                        : a_type(want),
                show(c, e), a_type(e->type));
}

gm_rc gm_expr_check(gm_expr *e, const gm_expr_host *host, gm_type want, gm_arena *a, gm_errs *errs)
{
    checker c = { .host = host, .a = a, .errs = errs };
    if (check(&c, e)) (void)wanted(&c, e, want);
    return c.rc;
}
