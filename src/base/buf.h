/* buf.h - bytes that grow: text being built, a file being read.
 *
 * Out of memory is remembered in `failed` and later appends do nothing, so that callers check once, at the end.
 */
#ifndef GM_BASE_BUF_H
#define GM_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct gm_buf {
    char *data; /* NUL after the last byte once anything was appended; NULL when empty */
    size_t len, capacity;
    bool failed;
} gm_buf;

void gm_buf_clear(gm_buf *b); /* releases; ready for use again */
void gm_buf_reserve(gm_buf *b, size_t more); /* room for so many bytes more, and not twice that: the size is known */
void gm_buf_add_growing(gm_buf *b, const void *bytes, size_t len);
static inline void gm_buf_add(gm_buf *b, const void *bytes, size_t len)
{
    if (b->failed || len == 0 || b->capacity - b->len <= len) {
        gm_buf_add_growing(b, bytes, len);
        return;
    }
    memcpy(b->data + b->len, bytes, len); /* here, so that a literal becomes a few stores */
    b->len += len;
    b->data[b->len] = '\0';
}
void gm_buf_text(gm_buf *b, const char *text);
void gm_buf_printf(gm_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void gm_buf_char(gm_buf *b, char c)
{
    gm_buf_add(b, &c, 1);
}
/* The text so far, never NULL; borrowed until the next call on b. */
const char *gm_buf_str(const gm_buf *b);

/* JSON, written in order. The caller opens and closes; commas and quoting are done here.
 * Doubles print the shortest text that reads back equal; NaN and infinities print as null. */
typedef struct gm_json {
    gm_buf *out; /* borrowed */
    int depth;
    bool pretty;
    bool need_comma[64];
} gm_json;
void gm_json_init(gm_json *j, gm_buf *out, bool pretty);
void gm_json_object(gm_json *j); /* { as a value of an array, after a key, or at the top */
void gm_json_object_end(gm_json *j);
void gm_json_array(gm_json *j);
void gm_json_array_end(gm_json *j);
void gm_json_key(gm_json *j, const char *key);
void gm_json_str(gm_json *j, const char *text); /* NULL prints null; invalid UTF-8 becomes U+FFFD */
void gm_json_int(gm_json *j, int64_t v);
void gm_json_double(gm_json *j, double v);
void gm_json_bool(gm_json *j, bool v);
void gm_json_null(gm_json *j);
void gm_json_raw(gm_json *j, const char *json); /* a value that is JSON already */
/* key + value in one call */
void gm_json_kstr(gm_json *j, const char *key, const char *text);
void gm_json_kint(gm_json *j, const char *key, int64_t v);
void gm_json_kdouble(gm_json *j, const char *key, double v);
void gm_json_kbool(gm_json *j, const char *key, bool v);

/* An error as an object: class, rc, message, hint, file, line, col, context. */
struct gm_err;
void gm_err_json(const struct gm_err *err, gm_json *j);

/* The shortest decimal text that reads back as v; "nan", "inf", "-inf" otherwise. out holds >= 32 bytes. */
const char *gm_double_text(double v, char *out);

#endif
