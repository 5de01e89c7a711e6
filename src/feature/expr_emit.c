/* expr_emit.c - an expression in standard ONNX operators.
 *
 * Every value is a double tensor: booleans are 0 and 1, missing is NaN, as in the evaluator of base/expr.h whose results these
 * nodes repeat. Each shape is [N, 1] or a scalar. What has no such form (functions of texts, durations, comparisons of times or by
 * the order of texts) makes the whole expression a computed input of the graph; gm_expr_emits decides it before anything is emitted.
 */
#include <string.h>

#include "feature/program_internal.h"
#include "model/model.h"

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words) != 0) words++;
    return *words != NULL;
}

static bool is_text_column(const gm_expr *e) { return e->op == GM_EXPR_COLUMN && e->type == GM_TYPE_STRING; }

static bool is_text(const gm_expr *e)
{
    return e->op == GM_EXPR_CONST && e->type == GM_TYPE_STRING && e->text && strcmp(e->text, GM_ONNX_MISSING_TEXT) != 0;
}

/* ---- what can be said -------------------------------------------------------------------------------------- */

static bool emits(const gm_expr *e);

static bool all_emit(const gm_expr *e, size_t from)
{
    for (size_t i = from; i < e->args_count; i++)
        if (!emits(e->args[i])) return false;
    return true;
}

static bool in_emits(const gm_expr *e)
{
    bool texts = is_text_column(e->args[0]);
    if (!texts && !emits(e->args[0])) return false;
    for (size_t i = 1; i < e->args_count; i++) {
        const gm_expr *v = e->args[i];
        if (texts ? !is_text(v) : v->op != GM_EXPR_CONST || !emits(v) || v->type == GM_TYPE_UNKNOWN) return false;
    }
    return e->args_count > 1;
}

static bool missing_emits(const gm_expr *of) { return of->op == GM_EXPR_COLUMN || emits(of); }

static bool binary_emits(const gm_expr *e)
{
    const gm_expr *x = e->args[0], *y = e->args[1];
    bool equality = strcmp(e->name, "==") == 0 || strcmp(e->name, "!=") == 0;
    if (equality && ((is_text_column(x) && is_text(y)) || (is_text(x) && is_text_column(y)))) return true;
    return all_emit(e, 0);
}

static bool emits(const gm_expr *e)
{
    static const char *const functions[] = { "abs", "ceil",  "clip", "coalesce", "exp",  "floor", "if",
                                             "log", "max", "min",  "pow",      "round", "sqrt",  NULL };
    switch (e->op) {
    case GM_EXPR_CONST: return e->type != GM_TYPE_STRING && e->type != GM_TYPE_TIME;
    case GM_EXPR_COLUMN: return e->type == GM_TYPE_BOOL || e->type == GM_TYPE_INT || e->type == GM_TYPE_FLOAT;
    case GM_EXPR_UNARY: return all_emit(e, 0);
    case GM_EXPR_BINARY: return binary_emits(e);
    case GM_EXPR_BETWEEN: return all_emit(e, 0);
    case GM_EXPR_IN: return in_emits(e);
    case GM_EXPR_IS: return strcmp(e->name, "missing") == 0 && missing_emits(e->args[0]);
    case GM_EXPR_CALL:
        if (e->by || e->where || !e->args_count) return false;
        if (strcmp(e->name, "is_missing") == 0) return missing_emits(e->args[0]);
        if (gm_is_date_part(e->name)) return e->args[0]->op == GM_EXPR_COLUMN && e->args[0]->type == GM_TYPE_TIME;
        return is_one_of(e->name, functions) && all_emit(e, 0);
    }
    return false;
}

static bool reads_a_column(const gm_expr *e)
{
    if (e->op == GM_EXPR_COLUMN) return true;
    for (size_t i = 0; i < e->args_count; i++)
        if (reads_a_column(e->args[i])) return true;
    return false;
}

/* A constant has no rows of its own, so it is computed before the graph. */
bool gm_expr_emits(const gm_expr *e)
{
    return e->type != GM_TYPE_STRING && e->type != GM_TYPE_TIME && reads_a_column(e) && emits(e);
}

/* ---- saying it --------------------------------------------------------------------------------------------- */

static const char *emit(const gm_expr *e, gm_onnx *g);

static const char *number(gm_onnx *g, double v) { return gm_onnx_double(g, v); }
static const char *nan_of(gm_onnx *g) { return gm_onnx_double(g, (double)NAN); }
static const char *is_nan(gm_onnx *g, const char *x) { return gm_onnx_op1(g, "IsNaN", x); }
static const char *either(gm_onnx *g, const char *x, const char *y) { return gm_onnx_op2(g, "Or", x, y); }

static const char *choose(gm_onnx *g, const char *condition, const char *x, const char *y)
{
    return gm_onnx_op3(g, "Where", condition, x, y);
}

static const char *unless_missing(gm_onnx *g, const char *x, const char *y, const char *value)
{
    const char *missing = y ? either(g, is_nan(g, x), is_nan(g, y)) : is_nan(g, x);
    return choose(g, missing, nan_of(g), value);
}

static const char *as_double(gm_onnx *g, const char *condition) { return gm_onnx_cast(g, condition, GM_ONNX_DOUBLE); }

static const char *negate(gm_onnx *g, bool yes, const char *x)
{
    if (!yes) return x;
    return unless_missing(g, x, NULL, as_double(g, gm_onnx_op2(g, "Equal", x, number(g, 0))));
}

/* 1 where the text is one of count texts, 0 elsewhere, NaN where it is missing. */
static const char *text_is_one_of(gm_onnx *g, const char *column, gm_expr *const *texts, size_t count)
{
    gm_arena *scratch = gm_arena_new(0);
    const char **keys = scratch ? GM_ARENA_ARRAY(scratch, const char *, count + 1) : NULL, *result = NULL;
    int64_t *values = scratch ? GM_ARENA_ARRAY(scratch, int64_t, count + 1) : NULL;
    size_t kept = 0;
    for (size_t i = 0; keys && values && i < count; i++) {
        bool again = false;
        for (size_t k = 0; k < kept; k++) again = again || strcmp(keys[k], texts[i]->text) == 0;
        if (again) continue;
        keys[kept] = texts[i]->text;
        values[kept++] = 1;
    }
    if (keys && values) {
        keys[kept] = GM_ONNX_MISSING_TEXT;
        values[kept++] = -1;
        const char *code = gm_onnx_op1(g, "ml.LabelEncoder", column);
        gm_onnx_attr_strs(g, "keys_strings", keys, kept);
        gm_onnx_attr_ints(g, "values_int64s", values, kept);
        gm_onnx_attr_int(g, "default_int64", 0);
        const char *value = as_double(g, code);
        result = choose(g, gm_onnx_op2(g, "Less", value, number(g, 0)), nan_of(g), value);
    }
    gm_arena_free(scratch);
    return result;
}

static const char *emit_in(const gm_expr *e, gm_onnx *g)
{
    size_t count = e->args_count - 1;
    if (is_text_column(e->args[0])) return negate(g, e->negated, text_is_one_of(g, e->args[0]->name, e->args + 1, count));
    gm_arena *scratch = gm_arena_new(0);
    double *set = scratch ? GM_ARENA_ARRAY(scratch, double, count) : NULL;
    const char *result = NULL;
    if (set) {
        const int64_t axis = 1;
        for (size_t i = 0; i < count; i++) set[i] = e->args[i + 1]->number;
        const char *x = emit(e->args[0], g);
        const char *equal = as_double(g, gm_onnx_op2(g, "Equal", x, gm_emit_row(g, set, (int64_t)count)));
        const char *hits = gm_onnx_op2(g, "ReduceSum", equal, gm_onnx_int64s(g, &axis, (int64_t[]){ 1 }, 1));
        const char *found = as_double(g, gm_onnx_op2(g, "Greater", hits, number(g, 0)));
        result = negate(g, e->negated, unless_missing(g, x, NULL, found));
    }
    gm_arena_free(scratch);
    return result;
}

static const char *emit_missing(const gm_expr *of, bool negated, gm_onnx *g)
{
    const char *missing;
    if (is_text_column(of)) {
        const char *code = gm_onnx_op1(g, "ml.LabelEncoder", of->name);
        gm_onnx_attr_strs(g, "keys_strings", (const char *[]){ GM_ONNX_MISSING_TEXT }, 1);
        gm_onnx_attr_ints(g, "values_int64s", (int64_t[]){ 1 }, 1);
        gm_onnx_attr_int(g, "default_int64", 0);
        missing = gm_onnx_cast(g, code, GM_ONNX_BOOL);
    } else if (of->op == GM_EXPR_COLUMN && of->type == GM_TYPE_TIME) {
        missing = gm_onnx_op2(g, "Equal", of->name, gm_onnx_int64s(g, (int64_t[]){ GM_MISSING_INT }, NULL, 0));
    } else {
        missing = is_nan(g, emit(of, g));
    }
    return as_double(g, negated ? gm_onnx_op1(g, "Not", missing) : missing);
}

static const char *emit_compare(gm_onnx *g, const char *name, const char *x, const char *y)
{
    static const char *const ops[][2] = { { "<", "Less" },    { "<=", "LessOrEqual" }, { ">", "Greater" }, { ">=", "GreaterOrEqual" },
                                          { "==", "Equal" }, { "!=", "Equal" } };
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strcmp(name, ops[i][0]) != 0) continue;
        const char *holds = gm_onnx_op2(g, ops[i][1], x, y);
        if (name[0] == '!') holds = gm_onnx_op1(g, "Not", holds);
        return unless_missing(g, x, y, as_double(g, holds));
    }
    return NULL;
}

/* Kleene's and: 0 if either is 0, else missing if either is missing, else 1; or likewise with 1. */
static const char *emit_logic(gm_onnx *g, bool is_and, const char *x, const char *y)
{
    const char *decides = number(g, is_and ? 0 : 1), *other = number(g, is_and ? 1 : 0);
    const char *decided = either(g, gm_onnx_op2(g, "Equal", x, decides), gm_onnx_op2(g, "Equal", y, decides));
    return choose(g, decided, decides, unless_missing(g, x, y, other));
}

/* fmod has the sign of x, % that of y. */
static const char *emit_modulo(gm_onnx *g, const char *x, const char *y)
{
    const char *zero = number(g, 0), *r = gm_onnx_op2(g, "Mod", x, y);
    gm_onnx_attr_int(g, "fmod", 1);
    const char *signs_differ = gm_onnx_op2(g, "Xor", gm_onnx_op2(g, "Less", r, zero), gm_onnx_op2(g, "Less", y, zero));
    const char *is_zero = gm_onnx_op2(g, "Equal", r, zero);
    const char *wrong = gm_onnx_op2(g, "And", signs_differ, gm_onnx_op1(g, "Not", is_zero));
    return choose(g, wrong, gm_onnx_op2(g, "Add", r, y), r);
}

static const char *emit_power(gm_onnx *g, const char *x, const char *y)
{
    return unless_missing(g, x, y, gm_onnx_op2(g, "Pow", x, y));
}

static const char *emit_binary(const gm_expr *e, gm_onnx *g)
{
    static const char *const arithmetic[][2] = { { "+", "Add" }, { "-", "Sub" }, { "*", "Mul" }, { "/", "Div" } };
    gm_expr *const *args = e->args;
    if (is_text_column(args[0]) || is_text_column(args[1])) {
        bool first = is_text_column(args[0]);
        return negate(g, e->name[0] == '!', text_is_one_of(g, args[first ? 0 : 1]->name, &args[first ? 1 : 0], 1));
    }
    const char *x = emit(args[0], g), *y = emit(args[1], g);
    for (size_t i = 0; i < sizeof(arithmetic) / sizeof(arithmetic[0]); i++)
        if (strcmp(e->name, arithmetic[i][0]) == 0) return gm_onnx_op2(g, arithmetic[i][1], x, y);
    if (strcmp(e->name, "%") == 0) return emit_modulo(g, x, y);
    if (strcmp(e->name, "^") == 0) return emit_power(g, x, y);
    if (strcmp(e->name, "and") == 0 || strcmp(e->name, "or") == 0) return emit_logic(g, e->name[0] == 'a', x, y);
    return emit_compare(g, strcmp(e->name, "=") == 0 ? "==" : e->name, x, y);
}

static const char *emit_between(const gm_expr *e, gm_onnx *g)
{
    const char *x = emit(e->args[0], g);
    const char *above = emit_compare(g, ">=", x, emit(e->args[1], g)), *below = emit_compare(g, "<=", x, emit(e->args[2], g));
    return negate(g, e->negated, emit_logic(g, true, above, below));
}

/* The larger or the smaller of two; missing if either is. */
static const char *emit_extreme(gm_onnx *g, bool larger, const char *x, const char *y)
{
    const char *takes_y = gm_onnx_op2(g, "Less", larger ? x : y, larger ? y : x);
    return unless_missing(g, x, y, choose(g, takes_y, y, x));
}

static const char *emit_call(const gm_expr *e, gm_onnx *g)
{
    static const char *const single[][2] = { { "abs", "Abs" },     { "ceil", "Ceil" },   { "exp", "Exp" }, { "floor", "Floor" },
                                             { "log", "Log" }, { "round", "Round" }, { "sqrt", "Sqrt" } };
    if (strcmp(e->name, "is_missing") == 0) return emit_missing(e->args[0], false, g);
    if (gm_is_date_part(e->name)) return gm_emit_date_part(g, e->args[0]->name, e->name);
    const char *x = emit(e->args[0], g);
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        if (strcmp(e->name, single[i][0]) == 0) return unless_missing(g, x, NULL, gm_onnx_op1(g, single[i][1], x));
    if (strcmp(e->name, "pow") == 0) return emit_power(g, x, emit(e->args[1], g));
    if (strcmp(e->name, "clip") == 0)
        return emit_extreme(g, false, emit_extreme(g, true, x, emit(e->args[1], g)), emit(e->args[2], g));
    if (strcmp(e->name, "if") == 0) {
        const char *chosen = choose(g, gm_onnx_op2(g, "Equal", x, number(g, 0)), emit(e->args[2], g), emit(e->args[1], g));
        return unless_missing(g, x, NULL, chosen);
    }
    for (size_t i = 1; i < e->args_count; i++) {
        const char *y = emit(e->args[i], g);
        x = strcmp(e->name, "coalesce") == 0 ? choose(g, is_nan(g, x), y, x) : emit_extreme(g, strcmp(e->name, "max") == 0, x, y);
    }
    return x;
}

static const char *emit(const gm_expr *e, gm_onnx *g)
{
    switch (e->op) {
    case GM_EXPR_CONST: return number(g, e->type == GM_TYPE_UNKNOWN ? (double)NAN : e->number);
    case GM_EXPR_COLUMN: return e->name;
    case GM_EXPR_UNARY:
        if (e->name[0] == '-') return gm_onnx_op1(g, "Neg", emit(e->args[0], g));
        return negate(g, true, emit(e->args[0], g));
    case GM_EXPR_BINARY: return emit_binary(e, g);
    case GM_EXPR_IN: return emit_in(e, g);
    case GM_EXPR_BETWEEN: return emit_between(e, g);
    case GM_EXPR_IS: return emit_missing(e->args[0], e->negated, g);
    case GM_EXPR_CALL: return emit_call(e, g);
    }
    return NULL;
}

const char *gm_expr_emit(const gm_expr *e, gm_onnx *g) { return emit(e, g); }
