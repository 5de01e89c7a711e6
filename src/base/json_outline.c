/* json_outline.c - JSON of which lists of numbers stay text: see gm_json_outline in node.h.
 *
 * A model's file is millions of numbers in lists. As a tree each would take a hundred bytes, which costs more time, in pages of
 * memory that are touched once, than to look at its text twice.
 */
#include <string.h>

#include "base/node.h"
#include "base/utf8.h"

enum { DEPTH_MAX = 64, KEYS_COMPARED_MAX = 1000, ENTRIES_FIRST = 8 };

typedef struct outline {
    gm_arena *a;
    const char *file, *text, *at, *end;
    gm_err *err;
} outline;

static gm_rc out_of_memory(const outline *o)
{
    return gm_err_set(o->err, GM_ENOMEM, "not enough memory to read \"%s\"", o->file);
}

static gm_rc not_json(const outline *o, const char *why)
{
    gm_pos pos = { .file = o->file, .line = 1, .col = 1 };
    for (const char *c = o->text; c < o->at; c++, pos.col++)
        if (*c == '\n') {
            pos.line++;
            pos.col = 0;
        }
    return gm_err_at(o->err, pos, GM_EINVALID, "not valid JSON: %s", why);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The next byte that is not blank; 0 at the end. */
static char peek(outline *o)
{
    while (o->at < o->end && is_blank(*o->at)) o->at++;
    return o->at < o->end ? *o->at : '\0';
}

/* ---- plain scalars --------------------------------------------------------------------------------------- */

static const char *digits_end(const char *at, const char *end)
{
    while (at < end && is_digit(*at)) at++;
    return at;
}

/* Where the number at `at` ends (RFC 8259, 6); NULL: it is none. */
static inline const char *number_end(const char *at, const char *end)
{
    if (end - at > 1 && is_digit(at[0]) && (at[1] == ',' || at[1] == ']')) return at + 1; /* most are one digit */
    if (at < end && *at == '-') at++;
    const char *whole = at;
    at = digits_end(at, end);
    if (at == whole || (*whole == '0' && at - whole > 1)) return NULL;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = digits_end(at, end);
        if (at == fraction) return NULL;
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        const char *exponent = at;
        at = digits_end(at, end);
        if (at == exponent) return NULL;
    }
    return at;
}

static const char *word_end(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(end - at) >= len && memcmp(at, word, len) == 0 ? at + len : NULL;
}

/* A number, true or false. */
static inline const char *literal_end(const char *at, const char *end)
{
    if (at < end && (*at == '-' || is_digit(*at))) return number_end(at, end);
    const char *past = word_end(at, end, "true");
    return past ? past : word_end(at, end, "false");
}

static gm_rc literal(outline *o, gm_node *n)
{
    const char *past = word_end(o->at, o->end, "null");
    n->is_null = past != NULL;
    n->literal = !past;
    if (!past) past = literal_end(o->at, o->end);
    if (!past) return not_json(o, "expected a value");
    n->text_len = n->is_null ? 0 : (size_t)(past - o->at);
    n->text = gm_arena_strndup(o->a, o->at, n->text_len);
    if (!n->text) return out_of_memory(o);
    o->at = past;
    return GM_OK;
}

/* ---- texts ----------------------------------------------------------------------------------------------- */

static bool hex4(const char *at, const char *end, uint32_t *out)
{
    *out = 0;
    if (end - at < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = (char)(at[i] | (at[i] >= 'A' && at[i] <= 'F' ? 0x20 : 0));
        if (!is_digit(c) && !(c >= 'a' && c <= 'f')) return false;
        *out = *out << 4 | (uint32_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static char *add_character(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* What follows a backslash; NULL: nothing that may. */
static char *escaped(outline *o, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = o->at < o->end ? *o->at++ : '\0';
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        *to++ = into[known - from];
        return to;
    }
    uint32_t high = 0, low = 0;
    if (c != 'u' || !hex4(o->at, o->end, &high)) return NULL;
    o->at += 4;
    if (high < 0xD800 || high > 0xDFFF) return add_character(to, high);
    if (high > 0xDBFF || o->end - o->at < 6 || o->at[0] != '\\' || o->at[1] != 'u' || !hex4(o->at + 2, o->end, &low) ||
        low < 0xDC00 || low > 0xDFFF)
        return NULL; /* half of a pair */
    o->at += 6;
    return add_character(to, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
}

/* The text whose opening quote is at o->at. It is no longer than its source. */
static gm_rc text(outline *o, const char **out, size_t *out_len)
{
    const char *close = o->at + 1;
    while (close < o->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= o->end) return not_json(o, "a text without its end");
    char *copy = gm_arena_alloc(o->a, (size_t)(close - o->at), 1), *to = copy;
    if (!copy) return out_of_memory(o);
    o->at++;
    while (o->at < close) {
        size_t n = gm_utf8_length(o->at, (size_t)(close - o->at));
        if (n == 0) return not_json(o, "a text that is not UTF-8");
        if ((unsigned char)*o->at < 0x20) return not_json(o, "a control character in a text");
        if (*o->at == '\\') {
            o->at++;
            to = escaped(o, to);
            if (!to) return not_json(o, "an escape that JSON does not have");
        } else {
            memcpy(to, o->at, n);
            to += n;
            o->at += n;
        }
    }
    o->at = close + 1;
    *out = copy;
    *out_len = (size_t)(to - copy); /* the arena's zero follows it */
    return GM_OK;
}

/* ---- lists and maps -------------------------------------------------------------------------------------- */

/* A list of numbers as text; false: it is another one, and nothing was read. */
static bool numbers(outline *o, gm_node *n)
{
    const char *begin = o->at + 1, *at = begin, *end = o->end;
    for (size_t count = 1;; count++) {
        while (at < end && is_blank(*at)) at++;
        at = literal_end(at, end);
        if (!at) return false;
        while (at < end && is_blank(*at)) at++;
        if (at == end || (*at != ',' && *at != ']')) return false;
        if (*at++ == ',') continue;
        n->count = count;
        n->text = begin;
        n->text_len = (size_t)(at - 1 - begin);
        o->at = at;
        return true;
    }
}

static gm_rc value(outline *o, int depth, gm_node *n);

/* Room for one more entry; arrays double. */
static gm_rc add_entry(const outline *o, gm_node *n, size_t *capacity)
{
    if (n->count == *capacity) {
        size_t grown = *capacity ? *capacity * 2 : ENTRIES_FIRST;
        gm_node **items = GM_ARENA_ARRAY(o->a, gm_node *, grown);
        const char **keys = n->kind == GM_NODE_MAP ? GM_ARENA_ARRAY(o->a, const char *, grown) : NULL;
        gm_pos *key_pos = n->kind == GM_NODE_MAP ? GM_ARENA_ARRAY(o->a, gm_pos, grown) : NULL;
        if (!items || (n->kind == GM_NODE_MAP && (!keys || !key_pos))) return out_of_memory(o);
        for (size_t i = 0; i < n->count; i++) {
            items[i] = n->items[i];
            if (keys) keys[i] = n->keys[i];
        }
        for (size_t i = 0; key_pos && i < grown; i++) key_pos[i].file = o->file;
        n->items = items;
        n->keys = keys;
        n->key_pos = key_pos;
        *capacity = grown;
    }
    n->items[n->count] = GM_ARENA_NEW(o->a, gm_node);
    return n->items[n->count] ? GM_OK : out_of_memory(o);
}

static gm_rc key(outline *o, gm_node *n)
{
    size_t len = 0;
    if (peek(o) != '"') return not_json(o, "expected a key");
    gm_rc rc = text(o, &n->keys[n->count], &len);
    if (rc) return rc;
    for (size_t k = 0; k < n->count && n->count <= KEYS_COMPARED_MAX; k++)
        if (strcmp(n->keys[k], n->keys[n->count]) == 0)
            return gm_err_set(o->err, GM_EINVALID, "%s has the key \"%.100s\" twice in one object", o->file, n->keys[k]);
    if (peek(o) != ':') return not_json(o, "expected a colon");
    o->at++;
    return GM_OK;
}

/* From the opening bracket to the closing one. */
static gm_rc entries(outline *o, int depth, char close, gm_node *n)
{
    size_t capacity = 0;
    o->at++;
    if (peek(o) == close) {
        o->at++;
        return GM_OK;
    }
    for (;;) {
        gm_rc rc = add_entry(o, n, &capacity);
        if (!rc && n->kind == GM_NODE_MAP) rc = key(o, n);
        if (!rc) rc = value(o, depth + 1, n->items[n->count]);
        if (rc) return rc;
        n->count++;
        char c = peek(o);
        if (c != ',' && c != close) return not_json(o, "expected a comma or the end of the list or object");
        o->at++;
        if (c == close) return GM_OK;
    }
}

static gm_rc value(outline *o, int depth, gm_node *n)
{
    if (depth > DEPTH_MAX) return gm_err_set(o->err, GM_EINVALID, "%s is nested deeper than %d", o->file, DEPTH_MAX);
    n->pos.file = o->file;
    switch (peek(o)) {
    case '{': n->kind = GM_NODE_MAP; return entries(o, depth, '}', n);
    case '[': n->kind = GM_NODE_SEQ; return numbers(o, n) ? GM_OK : entries(o, depth, ']', n);
    case '"': n->quoted = true; return text(o, &n->text, &n->text_len);
    default: return literal(o, n);
    }
}

gm_rc gm_json_outline(const char *document, size_t len, const char *file_name, gm_arena *a, gm_node **out_root, gm_err *err)
{
    outline o = { .a = a, .file = gm_arena_strdup(a, file_name), .text = document, .at = document, .end = document + len, .err = err };
    gm_node *root = GM_ARENA_NEW(a, gm_node);
    if (!o.file || !root) return gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", file_name);
    gm_rc rc = value(&o, 0, root);
    if (!rc && (peek(&o) || o.at != o.end)) rc = not_json(&o, "something follows the value");
    if (!rc) *out_root = root;
    return rc;
}
