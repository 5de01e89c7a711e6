/* expr_lex.c - the text of an expression -> tokens; see expr_lex.h.
 *
 * The whole text becomes tokens before anything is parsed. A character that is none of ours is reported and skipped.
 */
#include "base/expr_lex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void gm_expr_fail(gm_expr_source *in, gm_pos at, const char *hint, const char *fmt, ...)
{
    bool same_place = in->errors && at.line == in->last_error.line && at.col == in->last_error.col;
    if (in->stopped || same_place) return;
    char message[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, args); /* a cut message is still a message */
    va_end(args);
    in->errors++;
    in->last_error = at;
    gm_errs_at(in->errs, at, GM_EINVALID, hint, "%s", message);
}

/* ---- words -------------------------------------------------------------------------------------------------- */

static const char *const keywords[] = { "and", "between", "false", "in", "is", "missing", "not", "or", "true" };
enum { KEYWORDS_COUNT = sizeof(keywords) / sizeof(keywords[0]) };

const char *gm_expr_keyword(const char *word, size_t len)
{
    for (size_t i = 0; i < KEYWORDS_COUNT; i++)
        if (strlen(keywords[i]) == len && memcmp(keywords[i], word, len) == 0) return keywords[i];
    return NULL;
}

bool gm_expr_is_reserved(const char *word)
{
    return gm_expr_keyword(word, strlen(word)) || strcmp(word, "by") == 0;
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
    { "ms", 1e-3 },   { "s", 1 },        { "sec", 1 },    { "second", 1 },    { "seconds", 1 },    { "min", 60 },
    { "minute", 60 }, { "minutes", 60 }, { "h", 3600 },   { "hour", 3600 },   { "hours", 3600 },   { "d", 86400 },
    { "day", 86400 }, { "days", 86400 }, { "w", 604800 }, { "week", 604800 }, { "weeks", 604800 },
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

typedef struct lexer {
    gm_expr_source *in;
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
static double percent_value(gm_expr_source *in, const char *text, size_t len)
{
    size_t mantissa = 0;
    while (mantissa < len && text[mantissa] != 'e' && text[mantissa] != 'E') mantissa++;
    long exponent = mantissa < len ? strtol(text + mantissa + 1, NULL, 10) : 0;
    if (exponent < -100000) exponent = -100000; /* zero all the same; keeps the subtraction in range */
    char *shifted = gm_arena_printf(in->a, "%.*se%ld", (int)mantissa, text, exponent - 2);
    in->no_memory |= !shifted;
    return shifted ? strtod(shifted, NULL) : 0;
}

static void lex_number(lexer *x, gm_token *t)
{
    size_t len = number_len(x->at);
    char *copy = gm_arena_strndup(x->in->a, x->at, len);
    x->in->no_memory |= !copy;
    double value = copy ? strtod(copy, NULL) : 0;
    bool whole = !memchr(x->at, '.', len) && !memchr(x->at, 'e', len) && !memchr(x->at, 'E', len);
    t->literal.type = whole && value < 9007199254740992.0 ? GM_TYPE_INT : GM_TYPE_FLOAT;

    const char *after = x->at + len;
    if (percent_follows(after)) {
        value = percent_value(x->in, x->at, len);
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
            gm_expr_fail(x->in, t->pos,
                         "Units of time are ms, s, min, h, day and week; a name cannot begin with a digit: write col('...').",
                         "unrecognized unit \"%.*s\" after a number", (int)(word_len < 40 ? word_len : 40), word);
            len += word_len;
        }
    }
    if (isinf(value)) gm_expr_fail(x->in, t->pos, "", "the number \"%.40s\" is too large", copy ? copy : "");
    t->literal.number = value;
    t->len = len;
}

/* A quote inside is written twice; nothing else is special, so that patterns need no second level of escapes. */
static void lex_text(lexer *x, gm_token *t)
{
    char quote = *x->at;
    const char *s = x->at + 1;
    size_t end = 0, n = 0;
    while (s[end] && !(s[end] == quote && s[end + 1] != quote)) end += s[end] == quote ? 2 : 1;
    char *out = gm_arena_alloc(x->in->a, end + 1, 1);
    x->in->no_memory |= !out;
    for (size_t i = 0; out && i < end; i++) {
        if (s[i] == quote) i++;
        out[n++] = s[i];
    }
    s += end;
    if (!*s)
        gm_expr_fail(x->in, t->pos, "Close it with the same quote; a quote inside a text is written twice.",
                     "the text has no closing quote");
    t->literal.type = GM_TYPE_STRING;
    t->literal.text = out ? out : "";
    t->len = (size_t)(s - x->at) + (*s ? 1 : 0);
}

static bool lex_symbol(lexer *x, gm_token *t)
{
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        size_t len = strlen(symbols[i].written);
        if (strncmp(x->at, symbols[i].written, len) != 0) continue;
        if (symbols[i].hint) gm_expr_fail(x->in, t->pos, symbols[i].hint, "unrecognized operator \"%s\"", symbols[i].written);
        t->kind = GM_TOKEN_WORD;
        t->text = symbols[i].word;
        t->len = len;
        return true;
    }
    return false;
}

static void lex_name(lexer *x, gm_token *t)
{
    t->len = name_len(x->at);
    const char *word = gm_expr_keyword(x->at, t->len);
    if (word) {
        t->kind = GM_TOKEN_WORD;
        t->text = word;
        return;
    }
    t->kind = GM_TOKEN_NAME;
    t->text = gm_arena_strndup(x->in->a, x->at, t->len);
    x->in->no_memory |= !t->text;
    if (!t->text) t->text = "";
}

static void bad_character(lexer *x, const gm_token *t)
{
    unsigned char c = (unsigned char)*x->at;
    if (c < 0x20 || c == 0x7f)
        gm_expr_fail(x->in, t->pos, "", "unexpected character 0x%02x", c);
    else
        gm_expr_fail(x->in, t->pos,
                     c == '{' || c == '}' ? "Lists are written [a, b]."
                     : c == '.'           ? "A number needs a digit before the point."
                                          : "",
                     "unexpected character \"%c\"", c);
}

/* Fill t from the next character on; false when that character is none of ours. */
static bool lex_one(lexer *x, gm_token *t)
{
    *t = (gm_token){ .kind = GM_TOKEN_LITERAL, .start = x->at, .pos = x->pos, .text = "" };
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

static gm_rc check_text(gm_expr_source *in, const char *text, gm_pos at)
{
    size_t len = strnlen(text, GM_EXPR_TEXT_MAX + 1);
    if (len > GM_EXPR_TEXT_MAX) {
        gm_expr_fail(in, at, "Split it: add a feature for a part of it and use its name.",
                     "the expression is longer than %d bytes", GM_EXPR_TEXT_MAX);
        return GM_EINVALID;
    }
    lexer x = { .in = in, .at = text, .pos = at };
    for (size_t n; *x.at; step_over(&x, n)) {
        n = gm_utf8_length(x.at, SIZE_MAX);
        if (n) continue;
        gm_expr_fail(in, x.pos, "Save the file as UTF-8.", "the expression is not UTF-8: byte 0x%02x", (unsigned char)*x.at);
        return GM_EINVALID;
    }
    return GM_OK;
}

gm_rc gm_expr_lex(gm_expr_source *in, const char *text, gm_pos at)
{
    gm_rc rc = check_text(in, text, at);
    if (rc) return rc;
    lexer x = { .in = in, .at = text, .pos = at };
    in->tokens = GM_ARENA_ARRAY(in->a, gm_token, strlen(text) + 1);
    if (!in->tokens) return GM_ENOMEM;
    while (*x.at) {
        if (strchr(" \t\r\n", *x.at)) {
            step_over(&x, 1);
            continue;
        }
        gm_token *t = &in->tokens[in->count];
        if (lex_one(&x, t)) in->count++;
        step_over(&x, t->len);
    }
    in->tokens[in->count++] = (gm_token){ .kind = GM_TOKEN_END, .text = "", .start = x.at, .pos = x.pos };
    return in->no_memory ? GM_ENOMEM : GM_OK;
}
