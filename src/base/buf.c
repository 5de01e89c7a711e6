/* buf.c - see buf.h. */
#include "base/buf.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/node.h"
#include "base/utf8.h"

void gm_buf_clear(gm_buf *b)
{
    free(b->data);
    *b = (gm_buf){ 0 };
}

static bool reserve(gm_buf *b, size_t more)
{
    if (b->failed) return false;
    if (b->capacity - b->len > more) return true;
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity - b->len <= more) {
        if (capacity > SIZE_MAX / 2) {
            b->failed = true;
            return false;
        }
        capacity *= 2;
    }
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void gm_buf_reserve(gm_buf *b, size_t more)
{
    if (b->failed || b->capacity - b->len > more) return;
    char *data = more < SIZE_MAX - b->len ? realloc(b->data, b->len + more + 1) : NULL;
    if (!data) {
        b->failed = true;
        return;
    }
    b->data = data;
    b->capacity = b->len + more + 1;
    b->data[b->len] = '\0';
}

void gm_buf_add_growing(gm_buf *b, const void *bytes, size_t len)
{
    if (!reserve(b, len)) return;
    if (len) memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void gm_buf_text(gm_buf *b, const char *text)
{
    gm_buf_add(b, text, strlen(text));
}

void gm_buf_printf(gm_buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len >= 0 && reserve(b, (size_t)len)) {
        (void)vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

const char *gm_buf_str(const gm_buf *b)
{
    return b->data ? b->data : "";
}

/* ---- numbers as text ----------------------------------------------------------------------------------- */

enum { DIGITS_MAX = 17, TEXT_SIZE = 32 };

/* The significant digits of v > 0 without zeros at either end, and the power of ten of the first. */
static int digits_of(double v, char *digits, int *out_exponent)
{
    char text[TEXT_SIZE];
    int count = 0, before_point = 0, exponent = 0;
    bool point = false, begun = false;
    (void)gm_json_shortest(v, text);
    const char *at = text;
    for (; *at && *at != 'e'; at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        begun = begun || *at != '0';
        if (!point && begun) before_point++;
        if (point && !begun) before_point--;
        if (begun && count < DIGITS_MAX) digits[count++] = *at; /* what is beyond are zeros of a whole number */
    }
    if (*at == 'e') exponent = (int)strtol(at + 1, NULL, 10);
    while (count > 1 && digits[count - 1] == '0') count--;
    *out_exponent = exponent + before_point - 1;
    return count;
}

/* As printf's %.{15,16,17}g lays them out. */
static void lay_out(const char *digits, int count, int exponent, char *out)
{
    int precision = count > 15 ? count : 15;
    bool scientific = exponent < -4 || exponent >= precision;
    int whole = scientific ? 1 : exponent + 1; /* digits before the point */
    if (whole <= 0) {
        *out++ = '0';
        *out++ = '.';
        for (; whole < 0; whole++) *out++ = '0';
        whole = -1; /* the point is written */
    }
    for (int i = 0; i < count || i < whole; i++) {
        if (i == whole) *out++ = '.';
        *out++ = i < count ? digits[i] : '0';
    }
    if (scientific) {
        *out++ = 'e';
        *out++ = exponent < 0 ? '-' : '+';
        exponent = abs(exponent);
        if (exponent >= 100) *out++ = (char)('0' + exponent / 100);
        *out++ = (char)('0' + exponent / 10 % 10);
        *out++ = (char)('0' + exponent % 10);
    }
    *out = '\0';
}

/* Whole numbers below 1e15, the commonest of all. */
static void lay_out_whole(uint64_t n, char *out)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    while (count) *out++ = digits[--count];
    *out = '\0';
}

/* By trial: for the few where the shortest text is another one than the rounded one of 15 to 17 digits, that is powers of two and what is
 * below the normal range. */
static void lay_out_by_trial(double v, char *out)
{
    for (int digits = 15; digits <= DIGITS_MAX; digits++) {
        (void)snprintf(out, TEXT_SIZE, "%.*g", digits, v);
        if (strtod(out, NULL) == v) break;
    }
}

const char *gm_double_text(double v, char *out)
{
    char digits[DIGITS_MAX], *to = out;
    int exponent = 0;
    if (!isfinite(v)) {
        (void)snprintf(out, TEXT_SIZE, "%s", isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return out;
    }
    if (signbit(v)) *to++ = '-';
    v = fabs(v);
    if (v < 1e15 && v == (double)(uint64_t)v) {
        lay_out_whole((uint64_t)v, to);
    } else if (v < DBL_MIN || frexp(v, &exponent) == 0.5) {
        lay_out_by_trial(v, to);
    } else {
        int count = digits_of(v, digits, &exponent);
        lay_out(digits, count, exponent, to);
    }
    return out;
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

void gm_json_init(gm_json *j, gm_buf *out, bool pretty)
{
    *j = (gm_json){ .out = out, .pretty = pretty };
}

static void newline(gm_json *j)
{
    if (!j->pretty) return;
    gm_buf_char(j->out, '\n');
    for (int i = 0; i < j->depth; i++) gm_buf_text(j->out, "  ");
}

/* What goes before a value: nothing after a key, else a comma and a new line where needed. */
static void before_value(gm_json *j)
{
    size_t len = j->out->len;
    bool after_key = len >= 2 && j->out->data[len - 1] == ' ' && j->out->data[len - 2] == ':' && j->pretty;
    after_key = after_key || (len >= 1 && j->out->data[len - 1] == ':' && !j->pretty);
    if (after_key || j->depth == 0) return;
    if (j->need_comma[j->depth]) gm_buf_char(j->out, ',');
    j->need_comma[j->depth] = true;
    newline(j);
}

static void open_level(gm_json *j, char c)
{
    before_value(j);
    gm_buf_char(j->out, c);
    gm_assert(j->depth + 1 < (int)(sizeof(j->need_comma) / sizeof(j->need_comma[0])));
    j->need_comma[++j->depth] = false;
}

static void close_level(gm_json *j, char c)
{
    gm_assert(j->depth > 0);
    bool any = j->need_comma[j->depth--];
    if (any) newline(j);
    gm_buf_char(j->out, c);
}

void gm_json_object(gm_json *j)
{
    open_level(j, '{');
}
void gm_json_object_end(gm_json *j)
{
    close_level(j, '}');
}
void gm_json_array(gm_json *j)
{
    open_level(j, '[');
}
void gm_json_array_end(gm_json *j)
{
    close_level(j, ']');
}

/* Bytes from the start that stand for themselves. */
static size_t plain_length(const unsigned char *s, size_t left)
{
    size_t n = 0;
    while (n < left && s[n] >= 0x20 && s[n] < 0x7F && s[n] != '"' && s[n] != '\\') n++;
    return n;
}

static void quoted(gm_buf *out, const char *text)
{
    gm_buf_char(out, '"');
    const unsigned char *s = (const unsigned char *)text;
    for (size_t left = strlen(text); left > 0;) {
        size_t plain = plain_length(s, left);
        if (plain) gm_buf_add(out, s, plain);
        s += plain;
        left -= plain;
        if (left == 0) break;
        size_t n = gm_utf8_length(s, left);
        if (n == 0) {
            gm_buf_text(out, "\xEF\xBF\xBD");
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            gm_buf_char(out, '\\');
            gm_buf_char(out, (char)*s);
        } else if (*s == '\n') {
            gm_buf_text(out, "\\n");
        } else if (*s == '\t') {
            gm_buf_text(out, "\\t");
        } else if (*s < 0x20 || *s == 0x7F) {
            gm_buf_printf(out, "\\u%04x", *s);
        } else {
            gm_buf_add(out, s, n);
        }
        s += n;
        left -= n;
    }
    gm_buf_char(out, '"');
}

void gm_json_key(gm_json *j, const char *key)
{
    before_value(j);
    quoted(j->out, key);
    gm_buf_text(j->out, j->pretty ? ": " : ":");
}

void gm_json_null(gm_json *j)
{
    before_value(j);
    gm_buf_text(j->out, "null");
}

void gm_json_raw(gm_json *j, const char *json)
{
    before_value(j);
    gm_buf_text(j->out, json);
}

void gm_json_str(gm_json *j, const char *text)
{
    if (!text) {
        gm_json_null(j);
        return;
    }
    before_value(j);
    quoted(j->out, text);
}

void gm_json_int(gm_json *j, int64_t v)
{
    before_value(j);
    gm_buf_printf(j->out, "%lld", (long long)v);
}

void gm_json_double(gm_json *j, double v)
{
    if (!isfinite(v)) {
        gm_json_null(j);
        return;
    }
    char text[32];
    before_value(j);
    gm_buf_text(j->out, gm_double_text(v, text));
}

void gm_json_bool(gm_json *j, bool v)
{
    before_value(j);
    gm_buf_text(j->out, v ? "true" : "false");
}

void gm_json_kstr(gm_json *j, const char *key, const char *text)
{
    gm_json_key(j, key);
    gm_json_str(j, text);
}
void gm_json_kint(gm_json *j, const char *key, int64_t v)
{
    gm_json_key(j, key);
    gm_json_int(j, v);
}
void gm_json_kdouble(gm_json *j, const char *key, double v)
{
    gm_json_key(j, key);
    gm_json_double(j, v);
}
void gm_json_kbool(gm_json *j, const char *key, bool v)
{
    gm_json_key(j, key);
    gm_json_bool(j, v);
}

void gm_err_json(const gm_err *err, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "class", gm_rc_name(err->rc));
    gm_json_kint(j, "rc", err->rc);
    gm_json_kstr(j, "message", err->message);
    gm_json_kstr(j, "hint", err->hint);
    gm_json_kstr(j, "file", err->file);
    gm_json_kint(j, "line", err->line);
    gm_json_kint(j, "col", err->col);
    gm_json_key(j, "context");
    gm_json_array(j);
    for (uint32_t i = 0; i < err->ctx_count; i++) gm_json_str(j, err->ctx[i]);
    gm_json_array_end(j);
    gm_json_object_end(j);
}
