/* expr_text.c - what the expression language does with one text: predicates, patterns, changes.
 *
 * The evaluator asks once for each entry of a dictionary, not for each row. Letters are ASCII: other bytes stay as they are,
 * so that results depend on no locale. Lengths are in characters.
 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/expr_internal.h"

int gm_expr_text_order(const char *x, size_t x_len, const char *y, size_t y_len)
{
    size_t common = x_len < y_len ? x_len : y_len;
    int order = common ? memcmp(x, y, common) : 0;
    return order ? order : (x_len > y_len) - (x_len < y_len);
}

/* ---- predicates: call->args[1] is a quoted text --------------------------------------------------------------- */

double gm_expr_text_contains(const gm_expr *call, const char *text, size_t len)
{
    const char *part = call->args[1]->text;
    return memmem(text, len, part, strlen(part)) != NULL;
}

double gm_expr_text_starts_with(const gm_expr *call, const char *text, size_t len)
{
    const char *part = call->args[1]->text;
    size_t part_len = strlen(part);
    return part_len <= len && memcmp(text, part, part_len) == 0;
}

double gm_expr_text_ends_with(const gm_expr *call, const char *text, size_t len)
{
    const char *part = call->args[1]->text;
    size_t part_len = strlen(part);
    return part_len <= len && memcmp(text + len - part_len, part, part_len) == 0;
}

double gm_expr_text_matches(const gm_expr *call, const char *text, size_t len)
{
    (void)len; /* texts end with NUL and hold none */
    gm_assert(call->prepared);
    return regexec(call->prepared, text, 0, NULL, 0) == 0; /* needs no memory of ours; safe from several threads */
}

double gm_expr_text_length(const gm_expr *call, const char *text, size_t len)
{
    (void)call;
    size_t characters = 0;
    for (size_t i = 0; i < len; i++) characters += ((unsigned char)text[i] & 0xc0) != 0x80;
    return (double)characters;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Decimal notation with blanks around it; everything else, also "nan", "inf" and "0x10", is missing. */
double gm_expr_text_number(const gm_expr *call, const char *text, size_t len)
{
    (void)call;
    while (len && is_blank(*text)) text++, len--;
    while (len && is_blank(text[len - 1])) len--;
    char copy[400]; /* longer than any double written in full */
    if (len == 0 || len >= sizeof(copy) || strspn(text, "+-.0123456789eE") < len) return NAN;
    memcpy(copy, text, len);
    copy[len] = 0;
    char *end;
    double value = strtod(copy, &end);
    return *end ? NAN : value;
}

/* ---- changes ------------------------------------------------------------------------------------------------ */

void gm_expr_text_lower(const char *text, size_t len, gm_buf *out)
{
    for (size_t i = 0; i < len; i++) gm_buf_char(out, (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]));
}

void gm_expr_text_upper(const char *text, size_t len, gm_buf *out)
{
    for (size_t i = 0; i < len; i++) gm_buf_char(out, (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]));
}

void gm_expr_text_trim(const char *text, size_t len, gm_buf *out)
{
    while (len && is_blank(*text)) text++, len--;
    while (len && is_blank(text[len - 1])) len--;
    gm_buf_add(out, text, len);
}

/* ---- patterns ----------------------------------------------------------------------------------------------- */

enum { REPEATS_MAX = 1000, REPEATS_PRODUCT_MAX = 5000 };

/* The compiled form grows with the product of nested counts, and references back make matching exponential: both are
 * refused before the library sees the pattern. NULL when the pattern is fine, else what is wrong. */
static const char *refuse(const char *pattern)
{
    if (strlen(pattern) > GM_EXPR_PATTERN_MAX) return "more than 256 bytes";
    long product = 1;
    for (const char *s = pattern; *s; s++) {
        if (*s == '\\' && s[1]) {
            if (s[1] >= '1' && s[1] <= '9') return "a reference back (\\1)";
            s++;
        } else if (*s == '{') {
            long high = 1;
            for (const char *d = s + 1; *d && *d != '}'; d++) {
                if (*d < '0' || *d > '9') continue;
                long count = strtol(d, (char **)&d, 10);
                if (count > high) high = count;
                d--;
            }
            if (high > REPEATS_MAX || (product *= high) > REPEATS_PRODUCT_MAX)
                return "too many repeats: counts in {} multiply to more than 5000";
        }
    }
    return NULL;
}

static void release(void *pattern)
{
    regfree(pattern);
}

gm_rc gm_expr_pattern_prepare(gm_expr *call, gm_arena *a, gm_err *err)
{
    const gm_expr *pattern = call->args[1];
    if (call->prepared) return GM_OK;
    const char *wrong = refuse(pattern->text);
    if (wrong) return gm_err_at(err, pattern->pos, GM_EINVALID, "the pattern has %s", wrong);

    regex_t *compiled = GM_ARENA_NEW(a, regex_t);
    if (!compiled) return gm_err_set(err, GM_ENOMEM, "not enough memory for a pattern");
    int status = regcomp(compiled, pattern->text, REG_EXTENDED | REG_NOSUB);
    if (status) {
        char reason[128];
        (void)regerror(status, compiled, reason, sizeof(reason));
        (void)gm_err_at(err, pattern->pos, GM_EINVALID, "cannot read the pattern \"%.60s\": %s", pattern->text, reason);
        gm_err_hint(err, "Patterns are POSIX extended regular expressions: [0-9] instead of \\d, [[:space:]] instead of \\s.");
        return GM_EINVALID;
    }
    if (!gm_arena_defer(a, release, compiled)) {
        regfree(compiled);
        return gm_err_set(err, GM_ENOMEM, "not enough memory for a pattern");
    }
    call->prepared = compiled;
    return GM_OK;
}
