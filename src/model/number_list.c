/* number_list.c - see number_list.h. */
#include "model/number_list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POWERS = 23, DIGITS_MAX = 19 };

gm_number_list gm_number_list_of(const gm_node *list)
{
    return (gm_number_list){ .list = list, .at = list->items ? NULL : list->text };
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The next entry of a list that is text: it is valid, and a comma or the closing bracket follows it, after blanks. NULL: none. */
static const char *text_entry(gm_number_list *l)
{
    if (l->next == l->list->count) return NULL;
    l->next++;
    while (is_blank(*l->at)) l->at++;
    return l->at;
}

/* Past the entry that ends at `end` and its comma. */
static void leave_entry(gm_number_list *l, const char *end)
{
    while (is_blank(*end)) end++;
    l->at = end + 1;
}

static const char *entry_end(const char *from)
{
    while (*from != ',' && *from != ']' && !is_blank(*from)) from++;
    return from;
}

/* The next entry of any other list, whose texts end in NUL; NULL: none, or no scalar. */
static const char *node_entry(gm_number_list *l)
{
    if (l->next == l->list->count) return NULL;
    const gm_node *n = l->list->items[l->next++];
    return n->kind == GM_NODE_SCALAR ? n->text : NULL;
}

static bool is_word(const char *from, const char *end, const char *word)
{
    return (size_t)(end - from) == strlen(word) && memcmp(from, word, strlen(word)) == 0;
}

/* Digits, fewer than could leave int32. */
static bool short_int(const char *at, const char **out_end, int32_t *out)
{
    bool negative = *at == '-';
    const char *digits = at += negative;
    int32_t v = 0;
    for (; is_digit(*at) && at - digits < 9; at++) v = v * 10 + (*at - '0');
    *out = negative ? -v : v;
    *out_end = at;
    return at > digits && (*at == ',' || *at == ']' || is_blank(*at));
}

bool gm_number_list_int(gm_number_list *l, int32_t *out)
{
    const char *end = NULL, *from = l->at ? text_entry(l) : node_entry(l);
    char *past = NULL;
    if (!from) return false;
    if (l->at) {
        if (short_int(from, &end, out)) {
            leave_entry(l, end);
            return true;
        }
        leave_entry(l, end = entry_end(from));
    } else {
        end = from + strlen(from);
    }
    long long v = strtoll(from, &past, 10);
    if (past == from || past != end || v < INT32_MIN || v > INT32_MAX) {
        bool truth = is_word(from, end, "true");
        if (!truth && !is_word(from, end, "false")) return false;
        v = truth;
    }
    *out = (int32_t)v;
    return true;
}

/* Most decimals: digits times or by a power of ten, both exact as doubles, is the double next to the decimal; and rounding that to
 * float32 rounds the decimal, unless the double lies in the middle of two float32, where it hides on which side the decimal was
 * (Clinger 1990, PLDI, "How to read floating point numbers accurately"). false: it takes longer. */
static bool short_float(const char *at, const char **out_end, float *out)
{
    static const double powers[POWERS] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                           1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    uint64_t digits = 0, bits;
    int count = 0, exponent = 0, given = 0;
    bool negative = *at == '-', down = false;
    at += negative;
    for (; is_digit(*at) && count <= DIGITS_MAX; at++, count++) digits = digits * 10 + (uint64_t)(*at - '0');
    if (*at == '.')
        for (at++; is_digit(*at) && count <= DIGITS_MAX; at++, count++, exponent--) digits = digits * 10 + (uint64_t)(*at - '0');
    if (count == 0 || count > DIGITS_MAX || digits >> 53) return false;
    if ((*at | 0x20) == 'e') {
        at++;
        down = *at == '-';
        at += *at == '-' || *at == '+';
        for (; is_digit(*at) && given < 1000; at++) given = given * 10 + (*at - '0');
        exponent += down ? -given : given;
    }
    *out_end = at;
    if ((*at != ',' && *at != ']' && !is_blank(*at)) || exponent <= -POWERS || exponent >= POWERS) return false;
    double v = exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
    memcpy(&bits, &v, sizeof(bits));
    if ((bits & 0x1FFFFFFF) == 0x10000000 || v > 1e38 || (v < 1e-37 && digits)) return false; /* in the middle; too large; perhaps subnormal */
    *out = negative ? -(float)v : (float)v;
    return true;
}

bool gm_number_list_float(gm_number_list *l, float *out)
{
    const char *end = NULL, *from = l->at ? text_entry(l) : node_entry(l);
    char *past = NULL;
    if (!from) return false;
    if (l->at) {
        if (short_float(from, &end, out)) {
            leave_entry(l, end);
            return true;
        }
        leave_entry(l, end = entry_end(from));
    } else {
        end = from + strlen(from);
    }
    *out = strtof(from, &past);
    return past != from && past == end;
}
