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
 * The whole text becomes tokens first. After a mistake parsing goes on, so that one call reports them all: a missing
 * operand is made up, a token that fits nowhere is skipped. Each place is reported once.
 *
 * A node is never NULL while parsing: when the arena is full it is the parser's spare one, and the result is GM_ENOMEM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/expr_internal.h"

typedef enum token_kind { TOKEN_END, TOKEN_LITERAL, TOKEN_NAME, TOKEN_WORD } token_kind;

typedef struct token {
    token_kind kind;
    const char *text;  /* NAME: the name; WORD: "<=", "and", ...; static or in arena */
    const char *start; /* in the source */
    size_t len;
    gm_expr literal;   /* LITERAL */
    gm_pos pos;
} token;

typedef struct parser {
    gm_arena *a;
    gm_errs *errs;
    token *tokens; /* the last one is TOKEN_END */
    size_t count, next;
    gm_pos last_error;
    size_t errors;
    int nesting;
    bool stopped; /* too deep: nothing more is reported */
    bool no_memory;
    gm_expr **stack; /* [stack_count], see push */
    size_t stack_count;
    gm_expr spare;
} parser;

static void fail(parser *p, gm_pos at, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void fail(parser *p, gm_pos at, const char *hint, const char *fmt, ...)
{
    bool same_place = p->errors && at.line == p->last_error.line && at.col == p->last_error.col;
    if (p->stopped || same_place) return;
    char message[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args); /* a cut message is still a message */
    va_end(args);
    p->errors++;
    p->last_error = at;
    gm_errs_at(p->errs, at, GM_EINVALID, hint, "%s", message);
}

/* ---- words -------------------------------------------------------------------------------------------------- */

static const char *const keywords[] = { "and", "between", "false", "in", "is", "missing", "not", "or", "true" };
enum { KEYWORDS_COUNT = sizeof(keywords) / sizeof(keywords[0]) };

static const char *keyword(const char *word, size_t len)
{
    for (size_t i = 0; i < KEYWORDS_COUNT; i++)
        if (strlen(keywords[i]) == len && memcmp(keywords[i], word, len) == 0) return keywords[i];
    return NULL;
}

bool gm_expr_is_reserved(const char *word)
{
    return keyword(word, strlen(word)) || strcmp(word, "by") == 0;
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    return is_name_start(c) || is_digit(c);
}

/* Bytes of the dotted name at s, 0 when there is none. */
static size_t name_len(const char *s)
{
    if (!is_name_start(*s)) return 0;
    size_t n = 0;
    for (;;) {
        while (is_name_char(s[n])) n++;
        if (s[n] != '.' || !is_name_start(s[n + 1])) return n;
        n++;
    }
}

bool gm_expr_is_plain_name(const char *name)
{
    return *name && name_len(name) == strlen(name) && !gm_expr_is_reserved(name);
}

static const struct unit {
    const char *name;
    double seconds;
} units[] = {
    { "ms", 1e-3 },     { "s", 1 },       { "sec", 1 },     { "second", 1 },  { "seconds", 1 },  { "min", 60 },
    { "minute", 60 },   { "minutes", 60 }, { "h", 3600 },   { "hour", 3600 }, { "hours", 3600 }, { "d", 86400 },
    { "day", 86400 },   { "days", 86400 }, { "w", 604800 }, { "week", 604800 }, { "weeks", 604800 },
};

double gm_expr_unit_seconds(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, word, len) == 0) return units[i].seconds;
    return 0;
}

/* Symbols, longer ones before their beginnings. hint: what people mean who come from another language. */
static const struct symbol {
    const char *written, *word, *hint;
} symbols[] = {
    { "===", "==", "Write ==." },
    { "<=>", "==", "Write ==." },
    { "<=", "<=", NULL },
    { ">=", ">=", NULL },
    { "==", "==", NULL },
    { "!=", "!=", NULL },
    { "<>", "!=", "Write !=." },
    { "&&", "and", "Write \"and\"." },
    { "||", "or", "Write \"or\"; texts are joined by concat(a, b)." },
    { "**", "^", "Write ^." },
    { "=", "==", NULL },
    { "<", "<", NULL },
    { ">", ">", NULL },
    { "+", "+", NULL },
    { "-", "-", NULL },
    { "*", "*", NULL },
    { "/", "/", NULL },
    { "%", "%", NULL },
    { "^", "^", NULL },
    { "(", "(", NULL },
    { ")", ")", NULL },
    { "[", "[", NULL },
    { "]", "]", NULL },
    { ",", ",", NULL },
    { "!", "not", "Write \"not\"." },
    { "&", "and", "Write \"and\"." },
    { "|", "or", "Write \"or\"." },
};

/* ---- characters --------------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at s, 0 when it is malformed (overlong, surrogate, too large or cut). */
static size_t utf8_len(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
    return n;
}

typedef struct lexer {
    parser *p;
    const char *at;
    gm_pos pos;
} lexer;

static void step_over(lexer *x, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (x->at[i] == '\n') {
            x->pos.line++;
            x->pos.col = 1;
        } else if (((unsigned char)x->at[i] & 0xc0) != 0x80) {
            x->pos.col++;
        }
    }
    x->at += bytes;
}

/* ---- tokens ------------------------------------------------------------------------------------------------- */

/* Bytes of the number at s: digits, point, exponent. */
static size_t number_len(const char *s)
{
    size_t n = 0;
    while (is_digit(s[n])) n++;
    if (s[n] == '.' && is_digit(s[n + 1])) {
        n++;
        while (is_digit(s[n])) n++;
    }
    size_t e = n;
    if (s[e] == 'e' || s[e] == 'E') {
        e++;
        if (s[e] == '+' || s[e] == '-') e++;
        if (is_digit(s[e])) {
            while (is_digit(s[e])) e++;
            n = e;
        }
    }
    return n;
}

/* `5%` is 0.05, `a%5` and `5 % 3` are remainders: the sign touches the number and nothing touches it behind. */
static bool percent_follows(const char *s)
{
    if (*s != '%') return false;
    char c = s[1];
    return !(is_name_char(c) || c == '(' || c == '\'' || c == '"' || c == '.');
}

/* The number text[len] times 10^-2, rounded once. */
static double percent_value(parser *p, const char *text, size_t len)
{
    size_t mantissa = 0;
    while (mantissa < len && text[mantissa] != 'e' && text[mantissa] != 'E') mantissa++;
    long exponent = mantissa < len ? strtol(text + mantissa + 1, NULL, 10) : 0;
    if (exponent < -100000) exponent = -100000; /* zero all the same; keeps the subtraction in range */
    char *shifted = gm_arena_printf(p->a, "%.*se%ld", (int)mantissa, text, exponent - 2);
    p->no_memory |= !shifted;
    return shifted ? strtod(shifted, NULL) : 0;
}

static void lex_number(lexer *x, token *t)
{
    size_t len = number_len(x->at);
    char *copy = gm_arena_strndup(x->p->a, x->at, len);
    x->p->no_memory |= !copy;
    double value = copy ? strtod(copy, NULL) : 0;
    bool whole = !memchr(x->at, '.', len) && !memchr(x->at, 'e', len) && !memchr(x->at, 'E', len);
    t->literal.type = whole && value < 9007199254740992.0 ? GM_TYPE_INT : GM_TYPE_FLOAT;

    const char *after = x->at + len;
    if (percent_follows(after)) {
        value = percent_value(x->p, x->at, len);
        t->literal.type = GM_TYPE_FLOAT;
        t->literal.is_percent = true;
        len++;
    } else {
        const char *word = after;
        while (*word == ' ' || *word == '\t') word++;
        size_t word_len = 0;
        while (is_name_char(word[word_len])) word_len++;
        double seconds = gm_expr_unit_seconds(word, word_len);
        if (seconds > 0) {
            value = seconds < 1 ? value / 1000 : value * seconds;
            t->literal.type = GM_TYPE_FLOAT;
            t->literal.is_duration = true;
            len = (size_t)(word - x->at) + word_len;
        } else if (word == after && word_len) {
            fail(x->p, t->pos, "Units of time are ms, s, min, h, day and week; a name cannot begin with a digit: write col('...').",
                 "unrecognized unit \"%.*s\" after a number", (int)(word_len < 40 ? word_len : 40), word);
            len += word_len;
        }
    }
    if (isinf(value)) fail(x->p, t->pos, "", "the number \"%.40s\" is too large", copy ? copy : "");
    t->literal.number = value;
    t->len = len;
}

/* A quote inside is written twice; nothing else is special, so that patterns need no second level of escapes. */
static void lex_text(lexer *x, token *t)
{
    char quote = *x->at;
    const char *s = x->at + 1;
    size_t end = 0, n = 0;
    while (s[end] && !(s[end] == quote && s[end + 1] != quote)) end += s[end] == quote ? 2 : 1;
    char *out = gm_arena_alloc(x->p->a, end + 1, 1);
    x->p->no_memory |= !out;
    for (size_t i = 0; out && i < end; i++) {
        if (s[i] == quote) i++;
        out[n++] = s[i];
    }
    s += end;
    if (!*s) fail(x->p, t->pos, "Close it with the same quote; a quote inside a text is written twice.", "the text has no closing quote");
    t->literal.type = GM_TYPE_STRING;
    t->literal.text = out ? out : "";
    t->len = (size_t)(s - x->at) + (*s ? 1 : 0);
}

static bool lex_symbol(lexer *x, token *t)
{
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        size_t len = strlen(symbols[i].written);
        if (strncmp(x->at, symbols[i].written, len) != 0) continue;
        if (symbols[i].hint)
            fail(x->p, t->pos, symbols[i].hint, "unrecognized operator \"%s\"", symbols[i].written);
        t->kind = TOKEN_WORD;
        t->text = symbols[i].word;
        t->len = len;
        return true;
    }
    return false;
}

static void lex_name(lexer *x, token *t)
{
    t->len = name_len(x->at);
    const char *word = keyword(x->at, t->len);
    if (word) {
        t->kind = TOKEN_WORD;
        t->text = word;
        return;
    }
    t->kind = TOKEN_NAME;
    t->text = gm_arena_strndup(x->p->a, x->at, t->len);
    x->p->no_memory |= !t->text;
    if (!t->text) t->text = "";
}

static void bad_character(lexer *x, const token *t)
{
    unsigned char c = (unsigned char)*x->at;
    if (c < 0x20 || c == 0x7f)
        fail(x->p, t->pos, "", "unexpected character 0x%02x", c);
    else
        fail(x->p, t->pos, c == '{' || c == '}' ? "Lists are written [a, b]." : c == '.' ? "A number needs a digit before the point." : "",
             "unexpected character \"%c\"", c);
}

/* Fill t from the next character on; false when that character is none of ours. */
static bool lex_one(lexer *x, token *t)
{
    *t = (token){ .kind = TOKEN_LITERAL, .start = x->at, .pos = x->pos, .text = "" };
    t->literal.op = GM_EXPR_CONST;
    t->literal.pos = x->pos;
    char c = *x->at;
    if (is_digit(c))
        lex_number(x, t);
    else if (c == '\'' || c == '"')
        lex_text(x, t);
    else if (is_name_start(c))
        lex_name(x, t);
    else if (!lex_symbol(x, t)) {
        bad_character(x, t);
        t->len = 1;
        return false;
    }
    return true;
}

static gm_rc lex_all(parser *p, const char *text, gm_pos at)
{
    lexer x = { .p = p, .at = text, .pos = at };
    size_t len = strlen(text);
    p->tokens = GM_ARENA_ARRAY(p->a, token, len + 1);
    if (!p->tokens) return GM_ENOMEM;
    while (*x.at) {
        if (strchr(" \t\r\n", *x.at)) {
            step_over(&x, 1);
            continue;
        }
        token *t = &p->tokens[p->count];
        if (lex_one(&x, t)) p->count++;
        step_over(&x, t->len);
    }
    p->tokens[p->count++] = (token){ .kind = TOKEN_END, .text = "", .start = x.at, .pos = x.pos };
    return GM_OK;
}

/* ---- the tree ----------------------------------------------------------------------------------------------- */

static gm_expr *parse_or(parser *p);
static gm_expr *parse_unary(parser *p);

static const token *peek(const parser *p)
{
    return &p->tokens[p->next];
}

static bool is_word(const token *t, const char *word)
{
    return t->kind == TOKEN_WORD && strcmp(t->text, word) == 0;
}

static bool at_word(const parser *p, const char *word)
{
    return is_word(peek(p), word);
}

static bool at_open_bracket_next(const parser *p)
{
    return p->next + 1 < p->count && is_word(&p->tokens[p->next + 1], "(");
}

static const token *take(parser *p)
{
    const token *t = peek(p);
    if (t->kind != TOKEN_END) p->next++;
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
    gm_expr *e = GM_ARENA_NEW(p->a, gm_expr);
    if (!e) {
        p->no_memory = true;
        e = &p->spare;
    }
    *e = (gm_expr){ .op = op, .pos = pos };
    return e;
}

static void set_args(parser *p, gm_expr *e, gm_expr *const *args, size_t count)
{
    e->args = GM_ARENA_ARRAY(p->a, gm_expr *, count);
    if (!e->args) {
        p->no_memory = true;
        return;
    }
    memcpy(e->args, args, count * sizeof(*args));
    e->args_count = count;
}

static gm_expr *binary(parser *p, const token *op, gm_expr *left, gm_expr *right)
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
    fail(p, peek(p)->pos, "Split it: add a feature for a part of it and use its name.", "the expression is nested deeper than %d levels",
         GM_EXPR_NESTING_MAX);
    p->stopped = true;
    p->next = p->count - 1;
    return false;
}

static void ascend(parser *p)
{
    p->nesting--;
}

/* What stands at t, for messages. */
static const char *found(const parser *p, const token *t, char *out, size_t size)
{
    (void)p;
    if (t->kind == TOKEN_END)
        (void)snprintf(out, size, "the end");
    else
        (void)snprintf(out, size, "\"%.*s\"", (int)(t->len < 40 ? t->len : 40), t->start);
    return out;
}

/* AND, OR ...: words of ours in other letters. */
static const char *lower_case_keyword(const token *t)
{
    char word[16];
    if (t->kind != TOKEN_NAME || t->len >= sizeof(word)) return NULL;
    for (size_t i = 0; i < t->len; i++) {
        char c = t->start[i];
        word[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return keyword(word, t->len);
}

static void expected(parser *p, const char *what)
{
    char text[64];
    fail(p, peek(p)->pos, "", "expected %s, found %s", what, found(p, peek(p), text, sizeof(text)));
}

/* A place where a value is missing gets one, so that the rest can be read. */
static gm_expr *made_up(parser *p)
{
    return node(p, GM_EXPR_CONST, peek(p)->pos);
}

/* Arguments and list items wait on one stack until their node is made. Each stands for a token or a level, so it cannot be full. */
static void push(parser *p, gm_expr *e)
{
    gm_assert(p->stack_count < p->count + GM_EXPR_NESTING_MAX + 2);
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
    for (; peek(p)->kind != TOKEN_END; p->next++) {
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
    fail(p, peek(p)->pos, "", "expected \"%s\" for the \"%s\" in column %u, found %s", close, *close == ')' ? "(" : "[", opened.col,
         found(p, peek(p), text, sizeof(text)));
    skip_to_comma(p, close);
    (void)take_word(p, close);
}

/* [a, b, ...]: pushes the items. */
static void parse_list(parser *p)
{
    gm_pos opened = peek(p)->pos;
    if (!take_word(p, "[")) {
        char text[64];
        fail(p, opened, "A list is written ['a', 'b'].", "expected a list after \"in\", found %s", found(p, peek(p), text, sizeof(text)));
        if (at_word(p, "(")) (void)parse_unary(p);
        return;
    }
    if (!descend(p)) return;
    if (at_word(p, "]")) fail(p, peek(p)->pos, "", "the list is empty");
    while (!at_word(p, "]") && peek(p)->kind != TOKEN_END) {
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
    const token *t = peek(p);
    call->by = parse_unary(p);
    if (call->by->op != GM_EXPR_COLUMN) fail(p, t->pos, "", "expected the name of a column after \"by\"");
    if (take_word(p, ",")) call->where = parse_or(p);
}

static bool at_by(const parser *p)
{
    const token *t = peek(p);
    return t->kind == TOKEN_NAME && t->len == 2 && memcmp(t->start, "by", 2) == 0;
}

/* name "(" ... ")"; the name is peek(p). col('name') is a column. */
static gm_expr *parse_call(parser *p)
{
    const token *name = take(p);
    gm_pos opened = take(p)->pos;
    gm_expr *e = node(p, GM_EXPR_CALL, name->pos);
    e->name = name->text;
    if (!descend(p)) return e;

    size_t base = p->stack_count;
    while (!at_word(p, ")") && peek(p)->kind != TOKEN_END) {
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
    if (!good) fail(p, name->pos, "Write col('name of the column').", "col takes one name in quotes");
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

static gm_expr *literal(parser *p, const token *t)
{
    gm_expr *e = node(p, GM_EXPR_CONST, t->pos);
    *e = t->literal;
    return e;
}

static gm_expr *parse_primary(parser *p)
{
    const token *t = peek(p);
    if (t->kind == TOKEN_LITERAL) return literal(p, take(p));
    if ((t->kind == TOKEN_NAME || is_word(t, "missing")) && at_open_bracket_next(p)) return parse_call(p);
    if (t->kind == TOKEN_NAME) {
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
    const token *op = take(p);
    if (!descend(p)) return left;
    gm_expr *e = binary(p, op, left, parse_unary(p));
    ascend(p);
    return e;
}

static bool at_number(const parser *p)
{
    const token *t = peek(p);
    return t->kind == TOKEN_LITERAL && t->literal.type != GM_TYPE_STRING;
}

/* -5 is a constant, so that a folded tree prints and reads back; -5^2 is still -(5^2). */
static gm_expr *parse_negative(parser *p, const token *minus)
{
    bool power = is_word(&p->tokens[p->next + 1], "^"); /* a literal is never the last token */
    if (power) return NULL;
    gm_expr *e = literal(p, take(p));
    e->pos = minus->pos;
    e->number = e->type == GM_TYPE_INT && e->number == 0 ? 0 : -e->number;
    return e;
}

static gm_expr *parse_unary(parser *p)
{
    if (!at_word(p, "-")) return parse_power(p);
    const token *minus = take(p);
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
        const token *op = take(p);
        e = binary(p, op, e, parse_unary(p));
    }
    return e;
}

static gm_expr *parse_sum(parser *p)
{
    gm_expr *e = parse_term(p);
    while (at_word(p, "+") || at_word(p, "-")) {
        const token *op = take(p);
        e = binary(p, op, e, parse_term(p));
    }
    return e;
}

static bool at_comparison(const parser *p)
{
    const token *t = peek(p);
    if (t->kind != TOKEN_WORD) return false;
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
    const token *t = peek(p);
    char text[64];
    (void)found(p, t, text, sizeof(text));
    if (t->kind == TOKEN_NAME && strcmp(t->text, "unique") == 0) {
        e->name = "unique";
    } else if (t->kind == TOKEN_NAME) {
        bool null = gm_nearest(t->text, (const char *const[]){ "null", "NULL", "na", "NA", "nan", "NaN", "None", "empty" }, 8) != NULL;
        const char *near = gm_nearest(t->text, (const char *const[]){ "missing", "unique" }, 2);
        fail(p, t->pos, near ? (*near == 'm' ? "Did you mean \"missing\"?" : "Did you mean \"unique\"?") : null ? "Write \"is missing\"." : "Compare with ==.",
             "expected \"missing\" or \"unique\" after \"is\", found %s", text);
    } else {
        fail(p, t->pos, "Compare with ==.", "expected \"missing\" or \"unique\" after \"is\", found %s", text);
        return e;
    }
    take(p);
    return e;
}

/* The comparison that may follow x; x when there is none. */
static gm_expr *parse_comparison_of(parser *p, gm_expr *x)
{
    if (at_comparison(p)) {
        const token *op = take(p);
        return binary(p, op, x, parse_sum(p));
    }
    gm_pos pos = peek(p)->pos;
    const token *after = p->next + 1 < p->count ? &p->tokens[p->next + 1] : peek(p);
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
        fail(p, peek(p)->pos, "Write \"a < b and b < c\", or \"b between a and c\".", "comparisons cannot be chained");
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
        const token *op = take(p);
        e = binary(p, op, e, parse_not(p));
    }
    return e;
}

static gm_expr *parse_or(parser *p)
{
    gm_expr *e = parse_and(p);
    while (at_word(p, "or")) {
        const token *op = take(p);
        e = binary(p, op, e, parse_and(p));
    }
    return e;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

/* What is left after a whole expression: name it once, then read on behind it for further mistakes. */
static void report_rest(parser *p)
{
    while (peek(p)->kind != TOKEN_END) {
        const token *t = peek(p);
        const char *word = lower_case_keyword(t);
        char text[64], hint[96] = "";
        if (word) (void)snprintf(hint, sizeof(hint), "Did you mean \"%s\"?", word);
        bool operand = t->kind == TOKEN_NAME || t->kind == TOKEN_LITERAL;
        if (operand && !word) (void)snprintf(hint, sizeof(hint), "An operator or a comma is missing before it; text stands in quotes.");
        fail(p, t->pos, hint, "unexpected %s", found(p, t, text, sizeof(text)));
        size_t before = p->next;
        if (!operand || word) take(p);
        if (peek(p)->kind != TOKEN_END) (void)parse_or(p);
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
    parser p = { .a = a, .errs = errs };

    size_t len = strnlen(text, GM_EXPR_TEXT_MAX + 1);
    if (len > GM_EXPR_TEXT_MAX) {
        fail(&p, at, "Split it: add a feature for a part of it and use its name.", "the expression is longer than %d bytes", GM_EXPR_TEXT_MAX);
        return GM_EINVALID;
    }
    lexer x = { .p = &p, .at = text, .pos = at };
    for (size_t n; *x.at; step_over(&x, n)) {
        n = utf8_len(x.at);
        if (n) continue;
        fail(&p, x.pos, "Save the file as UTF-8.", "the expression is not UTF-8: byte 0x%02x", (unsigned char)*x.at);
        return GM_EINVALID;
    }

    gm_expr *e = NULL;
    if (lex_all(&p, text, at) == GM_OK && !p.no_memory) {
        if (p.count == 1)
            fail(&p, at, "", "the expression is empty");
        else if ((p.stack = GM_ARENA_ARRAY(a, gm_expr *, p.count + GM_EXPR_NESTING_MAX + 2)) == NULL)
            p.no_memory = true;
        else {
            e = parse_or(&p);
            report_rest(&p);
        }
        if (!p.errors && !p.no_memory && height(e) > GM_EXPR_PATH_MAX)
            fail(&p, at, "Split it: add a feature for a part of it and use its name.", "more than %d operations stand in a row", GM_EXPR_PATH_MAX);
    } else {
        p.no_memory = true;
    }
    if (p.no_memory) {
        gm_errs_at(errs, at, GM_ENOMEM, "", "not enough memory to read the expression");
        return GM_ENOMEM;
    }
    if (p.errors) return GM_EINVALID;
    *out = e;
    return GM_OK;
}
