/* err.h - what went wrong, where, and what to do about it.
 *
 * A function that can fail returns gm_rc and takes `gm_err *err` last. The one who discovers a failure
 * sets it; those above may add a line of context; only `cli` prints it. A gm_err is a plain value on the
 * caller's stack, never allocates, and NULL is allowed everywhere.
 */
#ifndef GM_BASE_ERR_H
#define GM_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By what the caller can do about it. gm_rc_table in err.c gives each its name, exit code and HTTP status. */
typedef enum gm_rc {
    GM_OK = 0,
    GM_EINVALID,     /* the input is wrong: a file, a value, an argument; the user changes it     */
    GM_ENOTFOUND,    /* the named thing does not exist                                             */
    GM_ECONFLICT,    /* somebody else holds it, or it exists already with other content            */
    GM_EREFUSED,     /* an answer, not an accident: a check, gate or policy said no                */
    GM_EUNAVAILABLE, /* might work next time: a server, a lock, a busy resource                    */
    GM_EIO,          /* the disk or a pipe failed; what was acknowledged before is kept            */
    GM_ENOMEM,       /* a stated limit on memory was reached                                       */
    GM_ECORRUPT,     /* kept bytes do not match their digest or format                             */
    GM_EUNSUPPORTED, /* understood, and this program cannot do it                                  */
    GM_ECANCELED,    /* stopped on request or by a timeout                                         */
    GM_EINTERNAL,    /* a bug of ours or of a library                                              */
    GM_RC_COUNT
} gm_rc;

/* A place in a user's file; file borrowed until the error is set (it is copied). */
typedef struct gm_pos {
    const char *file; /* NULL = none */
    uint32_t line;    /* 1-based, 0 = none */
    uint32_t col;     /* 1-based, in characters, 0 = none */
} gm_pos;

typedef struct gm_err {
    gm_rc rc;
    uint32_t line, col;
    uint32_t ctx_count;
    char file[256];    /* the user's file, or ""                */
    char message[512]; /* what failed: lower case, no full stop */
    char hint[384];    /* what to do: a full sentence, or ""    */
    char ctx[6][160];  /* "reading step ..." lines, innermost first */
} gm_err;

/* A failure starts here. Clears what was in err; returns rc. */
gm_rc gm_err_set(gm_err *err, gm_rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A failure starts here, at a place in a user's file. */
gm_rc gm_err_at(gm_err *err, gm_pos pos, gm_rc rc, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Give an error a place if it has none; no-op on GM_OK; returns rc. */
gm_rc gm_err_place(gm_err *err, gm_rc rc, gm_pos pos);
/* Add a line of context on the way up ("reading step \"validate\""); no-op on GM_OK; returns rc. */
gm_rc gm_err_ctx(gm_err *err, gm_rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Set the sentence that says what to do. */
void gm_err_hint(gm_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* From errno: `could not <verb> "<path>": <reason>`; ENOENT is GM_ENOTFOUND, ENOSPC has a hint, the rest GM_EIO. */
gm_rc gm_err_errno(gm_err *err, int errnum, const char *verb, const char *path);

const char *gm_rc_name(gm_rc rc); /* "invalid"; static */
int gm_rc_exit_code(gm_rc rc);
int gm_rc_http_status(gm_rc rc);
bool gm_rc_may_retry(gm_rc rc);

/* The nearest of `names` to `word` by edit distance, or NULL when none is near enough to suggest. */
const char *gm_nearest(const char *word, const char *const *names, size_t count);

/* Facts about our own code; stay on in release builds. Stops the program with file and line. */
#define gm_assert(x) ((x) ? (void)0 : gm_assert_failed(#x, __FILE__, __LINE__))
_Noreturn void gm_assert_failed(const char *what, const char *file, int line);

struct gm_arena;
/* Several mistakes of one file, in the order found. Full after `max`: later ones are only counted. */
typedef struct gm_errs {
    struct gm_arena *arena; /* borrowed until the list is no longer used */
    gm_err *items;          /* [count] in arena */
    size_t count, capacity, dropped;
} gm_errs;
/* Copy err into the list. */
void gm_errs_add(gm_errs *errs, const gm_err *err);
/* The same, with a place if it has none. */
void gm_errs_add_at(gm_errs *errs, gm_err *err, gm_pos pos);
/* How many mistakes were found, listed or not: counting the list alone would miss those of a full one. */
static inline size_t gm_errs_total(const gm_errs *errs)
{
    return errs->count + errs->dropped;
}
/* GM_OK when none was found since the total was `before`, else the class of the first of them. */
gm_rc gm_errs_since(const gm_errs *errs, size_t before);
/* For callers who report one mistake only: the first into err. Returns rc; no-op on GM_OK. */
gm_rc gm_errs_first(const gm_errs *errs, gm_rc rc, gm_err *err);
/* Set and add in one step. */
void gm_errs_at(gm_errs *errs, gm_pos pos, gm_rc rc, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
