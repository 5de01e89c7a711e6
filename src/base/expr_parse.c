/* expr_parse.c - text of an expression -> tree.
 *
 *   or       = and { "or" and }
 *   and      = not { "and" not }
 *   not      = "not" not | compare
 *   compare  = sum [ op sum | ["not"] "in" list | ["not"] "between" sum "and" sum | "is" ["not"] word ]
 *   sum      = term { ("+" | "-") term }
 *   term     = unary { ("*" | "/" | "%") unary }
 *   unary    = "-" unary | power
 *   power    = primary [ "^" unary ]
 *   primary  = literal | name | name "(" arguments ")" | "(" or ")"
 *
 * The text has become tokens in expr_lex.c. After a mistake parsing goes on, so that one call reports them all: a missing
 * operand is made up, a token that fits nowhere is skipped. Each place is reported once.
 *
 * A node is never NULL while parsing: when the arena is full it is the parser's spare one, and the result is GM_ENOMEM.
 */
#include "base/expr_lex.h"

#include <stdio.h>
#include <string.h>

typedef struct parser {
    gm_expr_source in;
    size_t next; /* token */
    int nesting;
    gm_expr **stack; /* [stack_count], see push */
    size_t stack_count;
    gm_expr spare;
} parser;

/* ---- the tree ----------------------------------------------------------------------------------------------- */

static gm_expr *parse_or(parser *p);
static gm_expr *parse_unary(parser *p);

static const gm_token *peek(const parser *p)
{
    return &p->in.tokens[p->next];
}

static bool is_word(const gm_token *t, const char *word)
{
    return t->kind == GM_TOKEN_WORD && strcmp(t->text, word) == 0;
}

static bool at_word(const parser *p, const char *word)
{
    return is_word(peek(p), word);
}

static bool at_open_bracket_next(const parser *p)
{
    return p->next + 1 < p->in.count && is_word(&p->in.tokens[p->next + 1], "(");
}

static const gm_token *take(parser *p)
{
    const gm_token *t = peek(p);
    if (t->kind != GM_TOKEN_END) p->next++;
    return t;
}

static bool take_word(parser *p, const char *word)
{
    bool yes = at_word(p, word);
    if (yes) p->next++;
    return yes;
}

static gm_expr *node(parser *p, gm_expr_op op, gm_pos pos)
{
    gm_expr *e = GM_ARENA_NEW(p->in.a, gm_expr);
    if (!e) {
        p->in.no_memory = true;
        e = &p->spare;
    }
    *e = (gm_expr){ .op = op, .pos = pos };
    return e;
}

static void set_args(parser *p, gm_expr *e, gm_expr *const *args, size_t count)
{
    e->args = GM_ARENA_ARRAY(p->in.a, gm_expr *, count);
    if (!e->args) {
        p->in.no_memory = true;
        return;
    }
    memcpy(e->args, args, count * sizeof(*args));
    e->args_count = count;
}

static gm_expr *binary(parser *p, const gm_token *op, gm_expr *left, gm_expr *right)
{
    gm_expr *e = node(p, GM_EXPR_BINARY, op->pos);
    e->name = op->text;
    set_args(p, e, (gm_expr *[]){ left, right }, 2);
    return e;
}

/* One level deeper; false when that is too deep: then the rest of the text is given up. */
static bool descend(parser *p)
{
    if (p->nesting < GM_EXPR_NESTING_MAX) {
        p->nesting++;
        return true;
    }
    gm_expr_fail(&p->in, peek(p)->pos, "Split it: add a feature for a part of it and use its name.",
                 "the expression is nested deeper than %d levels", GM_EXPR_NESTING_MAX);
    p->in.stopped = true;
    p->next = p->in.count - 1;
    return false;
}

static void ascend(parser *p)
{
    p->nesting--;
}

/* What stands at t, for messages. */
static const char *found(const parser *p, const gm_token *t, char *out, size_t size)
{
    (void)p;
    if (t->kind == GM_TOKEN_END)
        (void)snprintf(out, size, "the end");
    else
        (void)snprintf(out, size, "\"%.*s\"", (int)(t->len < 40 ? t->len : 40), t->start);
    return out;
}

/* AND, OR ...: words of ours in other letters. */
static const char *lower_case_keyword(const gm_token *t)
{
    char word[16];
    if (t->kind != GM_TOKEN_NAME || t->len >= sizeof(word)) return NULL;
    for (size_t i = 0; i < t->len; i++) {
        char c = t->start[i];
        word[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return gm_expr_keyword(word, t->len);
}

static void expected(parser *p, const char *what)
{
    char text[64];
    gm_expr_fail(&p->in, peek(p)->pos, "", "expected %s, found %s", what, found(p, peek(p), text, sizeof(text)));
}

/* A place where a value is missing gets one, so that the rest can be read. */
static gm_expr *made_up(parser *p)
{
    return node(p, GM_EXPR_CONST, peek(p)->pos);
}

/* Arguments and list items wait on one stack until their node is made. Each stands for a token or a level, so it cannot be full.
 */
static void push(parser *p, gm_expr *e)
{
    gm_assert(p->stack_count < p->in.count + GM_EXPR_NESTING_MAX + 2);
    p->stack[p->stack_count++] = e;
}

/* The nodes pushed since `base` become e's arguments. */
static void pop_args(parser *p, gm_expr *e, size_t base)
{
    set_args(p, e, p->stack + base, p->stack_count - base);
    p->stack_count = base;
}

/* Skip what fits nowhere up to a comma or the closing bracket of this level. */
static void skip_to_comma(parser *p, const char *close)
{
    int depth = 0;
    for (; peek(p)->kind != GM_TOKEN_END; p->next++) {
        if (depth == 0 && (at_word(p, ",") || at_word(p, close))) return;
        if (at_word(p, "(") || at_word(p, "[")) depth++;
        if (at_word(p, ")") || at_word(p, "]")) depth--;
        if (depth < 0) return;
    }
}

/* The closing bracket, or the message that it is missing. */
static void close_with(parser *p, const char *close, gm_pos opened)
{
    if (take_word(p, close)) return;
    char text[64];
    gm_expr_fail(&p->in, peek(p)->pos, "", "expected \"%s\" for the \"%s\" in column %u, found %s", close,
                 *close == ')' ? "(" : "[", opened.col, found(p, peek(p), text, sizeof(text)));
    skip_to_comma(p, close);
    (void)take_word(p, close);
}

/* [a, b, ...]: pushes the items. */
static void parse_list(parser *p)
{
    gm_pos opened = peek(p)->pos;
    if (!take_word(p, "[")) {
        char text[64];
        gm_expr_fail(&p->in, opened, "A list is written ['a', 'b'].", "expected a list after \"in\", found %s",
                     found(p, peek(p), text, sizeof(text)));
        if (at_word(p, "(")) (void)parse_unary(p);
        return;
    }
    if (!descend(p)) return;
    if (at_word(p, "]")) gm_expr_fail(&p->in, peek(p)->pos, "", "the list is empty");
    while (!at_word(p, "]") && peek(p)->kind != GM_TOKEN_END) {
        push(p, parse_or(p));
        if (!take_word(p, ",")) break;
    }
    close_with(p, "]", opened);
    ascend(p);
}

/* `by column [, condition]` at the end of a call's arguments. */
static void parse_by(parser *p, gm_expr *call)
{
    take(p);
    const gm_token *t = peek(p);
    call->by = parse_unary(p);
    if (call->by->op != GM_EXPR_COLUMN) gm_expr_fail(&p->in, t->pos, "", "expected the name of a column after \"by\"");
    if (take_word(p, ",")) call->where = parse_or(p);
}

static bool at_by(const parser *p)
{
    const gm_token *t = peek(p);
    return t->kind == GM_TOKEN_NAME && t->len == 2 && memcmp(t->start, "by", 2) == 0;
}

/* name "(" ... ")"; the name is peek(p). col('name') is a column. */
static gm_expr *parse_call(parser *p)
{
    const gm_token *name = take(p);
    gm_pos opened = take(p)->pos;
    gm_expr *e = node(p, GM_EXPR_CALL, name->pos);
    e->name = name->text;
    if (!descend(p)) return e;

    size_t base = p->stack_count;
    while (!at_word(p, ")") && peek(p)->kind != GM_TOKEN_END) {
        push(p, parse_or(p));
        if (at_by(p)) {
            parse_by(p, e);
            break;
        }
        if (!take_word(p, ",")) break;
        if (at_word(p, ")")) expected(p, "a value after the comma");
    }
    close_with(p, ")", opened);
    ascend(p);
    pop_args(p, e, base);

    if (strcmp(e->name, "col") != 0) return e;
    gm_expr *column = node(p, GM_EXPR_COLUMN, name->pos);
    bool good = e->args_count == 1 && !e->by && e->args[0]->op == GM_EXPR_CONST && e->args[0]->type == GM_TYPE_STRING &&
                e->args[0]->text[0];
    if (!good) gm_expr_fail(&p->in, name->pos, "Write col('name of the column').", "col takes one name in quotes");
    column->name = good ? e->args[0]->text : "";
    return column;
}

static gm_expr *parse_brackets(parser *p)
{
    gm_pos opened = take(p)->pos;
    if (!descend(p)) return made_up(p);
    gm_expr *e = parse_or(p);
    close_with(p, ")", opened);
    ascend(p);
    return e;
}

static gm_expr *literal(parser *p, const gm_token *t)
{
    gm_expr *e = node(p, GM_EXPR_CONST, t->pos);
    *e = t->literal;
    return e;
}

static gm_expr *parse_primary(parser *p)
{
    const gm_token *t = peek(p);
    if (t->kind == GM_TOKEN_LITERAL) return literal(p, take(p));
    if ((t->kind == GM_TOKEN_NAME || is_word(t, "missing")) && at_open_bracket_next(p)) return parse_call(p);
    if (t->kind == GM_TOKEN_NAME) {
        gm_expr *e = node(p, GM_EXPR_COLUMN, t->pos);
        e->name = take(p)->text;
        return e;
    }
    if (is_word(t, "(")) return parse_brackets(p);
    if (is_word(t, "true") || is_word(t, "false")) {
        gm_expr *e = node(p, GM_EXPR_CONST, t->pos);
        e->type = GM_TYPE_BOOL;
        e->number = is_word(take(p), "true");
        return e;
    }
    if (is_word(t, "missing")) return node(p, GM_EXPR_CONST, take(p)->pos);

    expected(p, "a value");
    if (is_word(t, "[")) { /* read it all the same: it may hold more mistakes */
        size_t base = p->stack_count;
        parse_list(p);
        p->stack_count = base;
    }
    return made_up(p);
}

static gm_expr *parse_power(parser *p)
{
    gm_expr *left = parse_primary(p);
    if (!at_word(p, "^")) return left;
    const gm_token *op = take(p);
    if (!descend(p)) return left;
    gm_expr *e = binary(p, op, left, parse_unary(p));
    ascend(p);
    return e;
}

static bool at_number(const parser *p)
{
    const gm_token *t = peek(p);
    return t->kind == GM_TOKEN_LITERAL && t->literal.type != GM_TYPE_STRING;
}

/* -5 is a constant, so that a folded tree prints and reads back; -5^2 is still -(5^2). */
static gm_expr *parse_negative(parser *p, const gm_token *minus)
{
    bool power = is_word(&p->in.tokens[p->next + 1], "^"); /* a literal is never the last gm_token */
    if (power) return NULL;
    gm_expr *e = literal(p, take(p));
    e->pos = minus->pos;
    e->number = e->type == GM_TYPE_INT && e->number == 0 ? 0 : -e->number;
    return e;
}

static gm_expr *parse_unary(parser *p)
{
    if (!at_word(p, "-")) return parse_power(p);
    const gm_token *minus = take(p);
    if (at_number(p)) {
        gm_expr *e = parse_negative(p, minus);
        if (e) return e;
    }
    gm_expr *e = node(p, GM_EXPR_UNARY, minus->pos);
    e->name = "-";
    if (!descend(p)) return e;
    gm_expr *operand = parse_unary(p);
    ascend(p);
    set_args(p, e, &operand, 1);
    return e;
}

static gm_expr *parse_term(parser *p)
{
    gm_expr *e = parse_unary(p);
    while (at_word(p, "*") || at_word(p, "/") || at_word(p, "%")) {
        const gm_token *op = take(p);
        e = binary(p, op, e, parse_unary(p));
    }
    return e;
}

static gm_expr *parse_sum(parser *p)
{
    gm_expr *e = parse_term(p);
    while (at_word(p, "+") || at_word(p, "-")) {
        const gm_token *op = take(p);
        e = binary(p, op, e, parse_term(p));
    }
    return e;
}

static bool at_comparison(const parser *p)
{
    const gm_token *t = peek(p);
    if (t->kind != GM_TOKEN_WORD) return false;
    static const char *const words[] = { "<", "<=", ">", ">=", "==", "!=" };
    for (size_t i = 0; i < 6; i++)
        if (strcmp(t->text, words[i]) == 0) return true;
    return false;
}

static gm_expr *parse_between(parser *p, gm_expr *x, gm_pos pos, bool negated)
{
    gm_expr *e = node(p, GM_EXPR_BETWEEN, pos);
    e->negated = negated;
    gm_expr *low = parse_sum(p), *high;
    if (take_word(p, "and")) {
        high = parse_sum(p);
    } else {
        expected(p, "\"and\" and the upper end of \"between\"");
        high = made_up(p);
    }
    set_args(p, e, (gm_expr *[]){ x, low, high }, 3);
    return e;
}

static gm_expr *parse_in(parser *p, gm_expr *x, gm_pos pos, bool negated)
{
    gm_expr *e = node(p, GM_EXPR_IN, pos);
    e->negated = negated;
    size_t base = p->stack_count;
    push(p, x);
    parse_list(p);
    pop_args(p, e, base);
    return e;
}

static gm_expr *parse_is(parser *p, gm_expr *x, gm_pos pos)
{
    gm_expr *e = node(p, GM_EXPR_IS, pos);
    e->negated = take_word(p, "not");
    set_args(p, e, &x, 1);
    e->name = "missing";
    if (take_word(p, "missing")) return e;
    const gm_token *t = peek(p);
    char text[64];
    (void)found(p, t, text, sizeof(text));
    if (t->kind == GM_TOKEN_NAME && strcmp(t->text, "unique") == 0) {
        e->name = "unique";
    } else if (t->kind == GM_TOKEN_NAME) {
        bool null =
            gm_nearest(t->text, (const char *const[]){ "null", "NULL", "na", "NA", "nan", "NaN", "None", "empty" }, 8) != NULL;
        const char *near = gm_nearest(t->text, (const char *const[]){ "missing", "unique" }, 2);
        gm_expr_fail(&p->in, t->pos,
                     near   ? (*near == 'm' ? "Did you mean \"missing\"?" : "Did you mean \"unique\"?")
                     : null ? "Write \"is missing\"."
                            : "Compare with ==.",
                     "expected \"missing\" or \"unique\" after \"is\", found %s", text);
    } else {
        gm_expr_fail(&p->in, t->pos, "Compare with ==.", "expected \"missing\" or \"unique\" after \"is\", found %s", text);
        return e;
    }
    take(p);
    return e;
}

/* The comparison that may follow x; x when there is none. */
static gm_expr *parse_comparison_of(parser *p, gm_expr *x)
{
    if (at_comparison(p)) {
        const gm_token *op = take(p);
        return binary(p, op, x, parse_sum(p));
    }
    gm_pos pos = peek(p)->pos;
    const gm_token *after = p->next + 1 < p->in.count ? &p->in.tokens[p->next + 1] : peek(p);
    bool negated = at_word(p, "not") && (is_word(after, "in") || is_word(after, "between"));
    if (negated) take(p);
    if (take_word(p, "in")) return parse_in(p, x, pos, negated);
    if (take_word(p, "between")) return parse_between(p, x, pos, negated);
    if (take_word(p, "is")) return parse_is(p, x, pos);
    return x;
}

static gm_expr *parse_compare(parser *p)
{
    gm_expr *x = parse_sum(p);
    gm_expr *e = parse_comparison_of(p, x);
    if (e == x) return e;
    while (at_comparison(p) || at_word(p, "in") || at_word(p, "between") || at_word(p, "is")) {
        gm_expr_fail(&p->in, peek(p)->pos, "Write \"a < b and b < c\", or \"b between a and c\".",
                     "comparisons cannot be chained");
        gm_expr *next = parse_comparison_of(p, e);
        if (next == e) break;
        e = next;
    }
    return e;
}

static gm_expr *parse_not(parser *p)
{
    if (!at_word(p, "not")) return parse_compare(p);
    gm_expr *e = node(p, GM_EXPR_UNARY, take(p)->pos);
    e->name = "not";
    if (!descend(p)) return e;
    gm_expr *operand = parse_not(p);
    ascend(p);
    set_args(p, e, &operand, 1);
    return e;
}

static gm_expr *parse_and(parser *p)
{
    gm_expr *e = parse_not(p);
    while (at_word(p, "and")) {
        const gm_token *op = take(p);
        e = binary(p, op, e, parse_not(p));
    }
    return e;
}

static gm_expr *parse_or(parser *p)
{
    gm_expr *e = parse_and(p);
    while (at_word(p, "or")) {
        const gm_token *op = take(p);
        e = binary(p, op, e, parse_and(p));
    }
    return e;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

/* What is left after a whole expression: name it once, then read on behind it for further mistakes. */
static void report_rest(parser *p)
{
    while (peek(p)->kind != GM_TOKEN_END) {
        const gm_token *t = peek(p);
        const char *word = lower_case_keyword(t);
        char text[64], hint[96] = "";
        if (word) (void)snprintf(hint, sizeof(hint), "Did you mean \"%s\"?", word);
        bool operand = t->kind == GM_TOKEN_NAME || t->kind == GM_TOKEN_LITERAL;
        if (operand && !word)
            (void)snprintf(hint, sizeof(hint), "An operator or a comma is missing before it; text stands in quotes.");
        gm_expr_fail(&p->in, t->pos, hint, "unexpected %s", found(p, t, text, sizeof(text)));
        size_t before = p->next;
        if (!operand || word) take(p);
        if (peek(p)->kind != GM_TOKEN_END) (void)parse_or(p);
        if (p->next == before) take(p);
    }
}

/* Nodes on the longest way down. The text's length bounds the recursion. */
static size_t height(const gm_expr *e)
{
    size_t highest = 0;
    for (size_t i = 0; i < e->args_count; i++) {
        size_t h = height(e->args[i]);
        if (h > highest) highest = h;
    }
    if (e->where) {
        size_t h = height(e->where);
        if (h > highest) highest = h;
    }
    return highest + 1;
}

gm_rc gm_expr_parse(const char *text, gm_pos at, gm_arena *a, gm_expr **out, gm_errs *errs)
{
    if (at.line == 0) at.line = at.col = 1;
    if (at.col == 0) at.col = 1;
    parser p = { .in = { .a = a, .errs = errs } };
    gm_expr_source *in = &p.in;
    gm_expr *e = NULL;
    gm_rc rc = gm_expr_lex(in, text, at);
    if (rc == GM_EINVALID) return rc;
    in->no_memory |= rc == GM_ENOMEM;
    if (!in->no_memory && in->count == 1)
        gm_expr_fail(in, at, "", "the expression is empty");
    else if (!in->no_memory) {
        p.stack = GM_ARENA_ARRAY(a, gm_expr *, in->count + GM_EXPR_NESTING_MAX + 2);
        in->no_memory = !p.stack;
        if (p.stack) e = parse_or(&p);
        if (p.stack) report_rest(&p);
    }
    if (e && !in->errors && !in->no_memory && height(e) > GM_EXPR_PATH_MAX)
        gm_expr_fail(in, at, "Split it: add a feature for a part of it and use its name.",
                     "more than %d operations stand in a row", GM_EXPR_PATH_MAX);
    if (in->no_memory) {
        gm_errs_at(errs, at, GM_ENOMEM, "", "not enough memory to read the expression");
        return GM_ENOMEM;
    }
    if (in->errors) return GM_EINVALID;
    *out = e;
    return GM_OK;
}
