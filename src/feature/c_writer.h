/* c_writer.h - C11 text being put together: tables, small helper functions, the body of a function. For models as one C file.
 *
 * A feature program and a model become statements over one row. Whatever a statement needs of the helpers of c_helpers.c is
 * written once, before it; constants become `static const` tables whose bytes are counted, and so are the bytes of local
 * variables: the file states its ROM and RAM. Failures are remembered: callers check c->rc once, at the end.
 *
 * Texts of users (names, categories) pass through gm_c_string and gm_c_comment alone.
 */
#ifndef GM_FEATURE_C_WRITER_H
#define GM_FEATURE_C_WRITER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef struct gm_c {
    gm_buf tables, body;
    uint64_t helpers;    /* bit i: helper i of c_helpers.c is used */
    int64_t table_bytes; /* of `static const` tables                */
    int64_t stack_bytes; /* of local variables                      */
    int numbered;        /* names given so far                      */
    int depth;           /* of braces in body                       */
    gm_arena *a;         /* borrowed: names                         */
    gm_err *err;         /* borrowed                                */
    gm_rc rc;            /* the first failure                       */
} gm_c;

void gm_c_init(gm_c *c, gm_arena *a, gm_err *err);
void gm_c_clear(gm_c *c);
/* What cannot be said is GM_EUNSUPPORTED; only the first failure is kept. */
void gm_c_fail(gm_c *c, gm_rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A line of the body, indented; "{" at its end opens a block. */
void gm_c_line(gm_c *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gm_c_close(gm_c *c); /* the block opened last */
/* A name of its own: "v12"; in c's arena, "" when memory is out. */
const char *gm_c_name(gm_c *c, char letter);
/* Text in c's arena, "" when memory is out. */
const char *gm_c_text(gm_c *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `const <type> vN = <text>;` Returns "vN". type: "double ", "int64_t ", "const char *": 8 bytes are counted for each. */
const char *gm_c_value(gm_c *c, const char *type, const char *text);
/* Write that helper function, and those it calls, into the file. name: a string that stays. Returns name. */
const char *gm_c_use(gm_c *c, const char *name);
/* All that are used, in order. */
void gm_c_helpers(const gm_c *c, gm_buf *out);

/* `static const double tN[] = { ... };` and its name. count 0 gives one element that nobody reads. */
const char *gm_c_doubles(gm_c *c, const double *v, int64_t count);
/* The same in the smallest of int8_t, int16_t, int32_t, int64_t that holds all. */
const char *gm_c_wholes(gm_c *c, const int64_t *v, int64_t count);
/* Texts one after the other, each with its NUL, and where each begins: names of the two tables. */
void gm_c_texts(gm_c *c, const char *const *v, int64_t count, const char **out_pool, const char **out_at);

/* A constant: exactly v, NaN and infinities too. out holds >= 40 bytes. */
const char *gm_c_double(double v, char *out);
const char *gm_c_float(float v, char *out);
const char *gm_c_whole(int64_t v, char *out);
/* "text" with quotes, in ASCII: no trigraph, no newline, other bytes as octal escapes. */
void gm_c_string(gm_buf *out, const char *text);
/* text as it may stand within a comment: one line of ASCII that neither ends nor opens a comment. */
void gm_c_comment(gm_buf *out, const char *text);
/* An identifier made of text: letters, digits and _; no keyword, no macro of the standard headers. In a. NULL: out of memory. */
char *gm_c_identifier(gm_arena *a, const char *text);

#endif
