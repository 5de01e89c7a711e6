/* expr_print.c - tree -> text, and comparing and walking trees.
 *
 * Brackets stand only where the text would read differently without them, so the nesting of a printed tree is never deeper
 * than that of the text it came from.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expr_internal.h"

/* How tightly a node holds together: the rows of the grammar in expr_parse.c. */
typedef enum level { OR = 1, AND, NOT, COMPARE, SUM, TERM, UNARY, POWER, PRIMARY } level;

static bool is_number_constant(const gm_expr *e)
{
    return e->op == GM_EXPR_CONST && (e->type == GM_TYPE_INT || e->type == GM_TYPE_FLOAT);
}

static level level_of(const gm_expr *e)
{
    switch (e->op) {
    case GM_EXPR_CONST: return is_number_constant(e) && signbit(e->number) ? UNARY : PRIMARY;
    case GM_EXPR_UNARY: return e->name[0] == '-' ? UNARY : NOT;
    case GM_EXPR_IN:
    case GM_EXPR_BETWEEN:
    case GM_EXPR_IS: return COMPARE;
    case GM_EXPR_BINARY: break;
    default: return PRIMARY;
    }
    switch (e->name[0]) {
    case 'o': return OR;
    case 'a': return AND;
    case '+':
    case '-': return SUM;
    case '*':
    case '/':
    case '%': return TERM;
    case '^': return POWER;
    default: return COMPARE;
    }
}

static void print(const gm_expr *e, gm_buf *out);

static void print_at(const gm_expr *e, level least, gm_buf *out)
{
    bool brackets = level_of(e) < least;
    if (brackets) gm_buf_char(out, '(');
    print(e, out);
    if (brackets) gm_buf_char(out, ')');
}

static void print_quoted(const char *text, gm_buf *out)
{
    gm_buf_char(out, '\'');
    for (const char *s = text; *s; s++) {
        if (*s == '\'') gm_buf_char(out, '\'');
        gm_buf_char(out, *s);
    }
    gm_buf_char(out, '\'');
}

/* The digits of v with the point moved two places: reads back as the same number, since the reader moves it back. */
static void print_percent(double v, gm_buf *out)
{
    char text[40], digits[32];
    (void)gm_double_text(v, text);
    size_t count = 0;
    int point = 0; /* digits before the point */
    bool seen_point = false;
    const char *s = text;
    if (*s == '-') gm_buf_char(out, *s++);
    for (; *s && *s != 'e'; s++) {
        if (*s == '.') {
            seen_point = true;
        } else if (*s == '0' && count == 0) {
            point -= seen_point; /* zeros in front */
        } else {
            digits[count++] = *s;
            point += !seen_point;
        }
    }
    if (*s == 'e') point += atoi(s + 1);
    if (count == 0) {
        gm_buf_text(out, "0%");
        return;
    }
    point += 2;
    if (point < -5 || point > 20) {
        gm_buf_printf(out, "%c.%.*s%se%d%%", digits[0], (int)count - 1, digits + 1, count == 1 ? "0" : "", point - 1);
        return;
    }
    if (point <= 0) gm_buf_text(out, "0.");
    for (int i = point; i < 0; i++) gm_buf_char(out, '0');
    for (int i = 0; i < (int)count || i < point; i++) {
        if (i == point && i > 0) gm_buf_char(out, '.');
        gm_buf_char(out, i < (int)count ? digits[i] : '0');
    }
    gm_buf_char(out, '%');
}

/* In the largest unit that gives a whole number, else in seconds. */
static void print_duration(double seconds, gm_buf *out)
{
    static const struct {
        const char *one, *many;
        double seconds;
    } units[] = {
        { " week", " weeks", 604800 }, { " day", " days", 86400 }, { "h", "h", 3600 }, { " min", " min", 60 }, { "s", "s", 1 }
    };
    char text[40];
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double count = seconds / units[i].seconds;
        if (count == 0 || count != floor(count) || fabs(count) > 1e15 || count * units[i].seconds != seconds) continue;
        gm_buf_printf(out, "%s%s", gm_double_text(count, text), fabs(count) == 1 ? units[i].one : units[i].many);
        return;
    }
    double ms = seconds * 1000;
    bool whole_ms = ms == floor(ms) && fabs(ms) < 1e15 && ms / 1000 == seconds && ms != 0;
    gm_buf_printf(out, whole_ms ? "%s ms" : "%ss", gm_double_text(whole_ms ? ms : seconds, text));
}

static void print_constant(const gm_expr *e, gm_buf *out)
{
    char text[40];
    switch (e->type) {
    case GM_TYPE_UNKNOWN: gm_buf_text(out, "missing"); return;
    case GM_TYPE_BOOL: gm_buf_text(out, e->number != 0 ? "true" : "false"); return;
    case GM_TYPE_INT: gm_buf_printf(out, "%.0f", e->number); return;
    case GM_TYPE_STRING:
    case GM_TYPE_TIME: print_quoted(e->text, out); return;
    case GM_TYPE_FLOAT: break;
    }
    if (e->is_percent) {
        print_percent(e->number, out);
    } else if (e->is_duration) {
        print_duration(e->number, out);
    } else { /* a point or an exponent tells a float from an int */
        gm_buf_text(out, gm_double_text(e->number, text));
        if (strcspn(text, ".e") == strlen(text)) gm_buf_text(out, ".0");
    }
}

static void print_call(const gm_expr *e, gm_buf *out)
{
    gm_buf_printf(out, "%s(", e->name);
    for (size_t i = 0; i < e->args_count; i++) {
        if (i) gm_buf_text(out, ", ");
        print(e->args[i], out);
    }
    if (e->by) {
        gm_buf_text(out, " by ");
        print(e->by, out);
    }
    if (e->where) {
        gm_buf_text(out, ", ");
        print(e->where, out);
    }
    gm_buf_char(out, ')');
}

static void print_in(const gm_expr *e, gm_buf *out)
{
    print_at(e->args[0], SUM, out);
    gm_buf_text(out, e->negated ? " not in [" : " in [");
    for (size_t i = 1; i < e->args_count; i++) {
        if (i > 1) gm_buf_text(out, ", ");
        print(e->args[i], out);
    }
    gm_buf_char(out, ']');
}

static void print_unary(const gm_expr *e, gm_buf *out)
{
    bool minus = e->name[0] == '-';
    gm_buf_text(out, minus ? "-" : "not ");
    /* -(5) is an operation and -5 a constant; -(-5) needs no brackets to be read back, and --5 has none. */
    bool constant = minus && is_number_constant(e->args[0]) && !signbit(e->args[0]->number);
    if (constant) gm_buf_char(out, '(');
    print_at(e->args[0], minus ? UNARY : NOT, out);
    if (constant) gm_buf_char(out, ')');
}

static void print_binary(const gm_expr *e, gm_buf *out)
{
    level own = level_of(e);
    level left = own == COMPARE ? SUM : own == POWER ? PRIMARY : own;
    level right = own == COMPARE ? SUM : own == POWER ? UNARY : (level)(own + 1);
    print_at(e->args[0], left, out);
    gm_buf_printf(out, " %s ", e->name);
    print_at(e->args[1], right, out);
}

static void print(const gm_expr *e, gm_buf *out)
{
    switch (e->op) {
    case GM_EXPR_CONST: print_constant(e, out); break;
    case GM_EXPR_COLUMN:
        if (gm_expr_is_plain_name(e->name)) {
            gm_buf_text(out, e->name);
        } else {
            gm_buf_text(out, "col(");
            print_quoted(e->name, out);
            gm_buf_char(out, ')');
        }
        break;
    case GM_EXPR_CALL: print_call(e, out); break;
    case GM_EXPR_UNARY: print_unary(e, out); break;
    case GM_EXPR_BINARY: print_binary(e, out); break;
    case GM_EXPR_IN: print_in(e, out); break;
    case GM_EXPR_BETWEEN:
        print_at(e->args[0], SUM, out);
        gm_buf_text(out, e->negated ? " not between " : " between ");
        print_at(e->args[1], SUM, out);
        gm_buf_text(out, " and ");
        print_at(e->args[2], SUM, out);
        break;
    case GM_EXPR_IS:
        print_at(e->args[0], SUM, out);
        gm_buf_printf(out, e->negated ? " is not %s" : " is %s", e->name);
        break;
    }
}

void gm_expr_print(const gm_expr *e, gm_buf *out)
{
    print(e, out);
}

/* ---- walking ------------------------------------------------------------------------------------------------ */

static size_t count_columns(const gm_expr *e)
{
    size_t count = e->op == GM_EXPR_COLUMN;
    for (size_t i = 0; i < e->args_count; i++) count += count_columns(e->args[i]);
    if (e->by) count += count_columns(e->by);
    if (e->where) count += count_columns(e->where);
    return count;
}

static void add_columns(const gm_expr *e, const char **names, size_t *count)
{
    if (e->op == GM_EXPR_COLUMN) {
        for (size_t i = 0; i < *count; i++)
            if (strcmp(names[i], e->name) == 0) return;
        names[(*count)++] = e->name;
    }
    for (size_t i = 0; i < e->args_count; i++) add_columns(e->args[i], names, count);
    if (e->by) add_columns(e->by, names, count);
    if (e->where) add_columns(e->where, names, count);
}

gm_rc gm_expr_columns(const gm_expr *e, gm_arena *a, const char ***out_names, size_t *out_count, gm_err *err)
{
    const char **names = GM_ARENA_ARRAY(a, const char *, count_columns(e));
    if (!names) return gm_err_set(err, GM_ENOMEM, "not enough memory for the columns of an expression");
    size_t count = 0;
    add_columns(e, names, &count);
    *out_names = names;
    *out_count = count;
    return GM_OK;
}

static bool same_text(const char *x, const char *y)
{
    return x == y || (x && y && strcmp(x, y) == 0);
}

static bool same_part(const gm_expr *x, const gm_expr *y)
{
    return x == y || (x && y && gm_expr_equal(x, y));
}

static bool same_constant(const gm_expr *x, const gm_expr *y)
{
    gm_type tx = x->type == GM_TYPE_TIME ? GM_TYPE_STRING : x->type;
    gm_type ty = y->type == GM_TYPE_TIME ? GM_TYPE_STRING : y->type;
    if (tx != ty || x->is_duration != y->is_duration || x->is_percent != y->is_percent) return false;
    if (tx == GM_TYPE_STRING) return same_text(x->text, y->text);
    return memcmp(&x->number, &y->number, sizeof(x->number)) == 0;
}

bool gm_expr_equal(const gm_expr *x, const gm_expr *y)
{
    if (x->op != y->op || x->negated != y->negated || x->args_count != y->args_count) return false;
    if (x->op == GM_EXPR_CONST) return same_constant(x, y);
    if (!same_text(x->name, y->name) || !same_part(x->by, y->by) || !same_part(x->where, y->where)) return false;
    for (size_t i = 0; i < x->args_count; i++)
        if (!gm_expr_equal(x->args[i], y->args[i])) return false;
    return true;
}
