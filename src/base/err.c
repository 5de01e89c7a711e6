/* err.c - see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { ERRS_MAX = 100 };

static const struct {
    const char *name;
    int exit_code, http_status;
    bool may_retry;
} rc_table[GM_RC_COUNT] = {
    [GM_OK] = { "ok", 0, 200, false },
    [GM_EINVALID] = { "invalid", 3, 400, false },
    [GM_ENOTFOUND] = { "not found", 4, 404, false },
    [GM_ECONFLICT] = { "conflict", 5, 409, false },
    [GM_EREFUSED] = { "refused", 1, 422, false },
    [GM_EUNAVAILABLE] = { "unavailable", 6, 503, true },
    [GM_EIO] = { "io", 7, 500, true },
    [GM_ENOMEM] = { "out of memory", 8, 507, true },
    [GM_ECORRUPT] = { "corrupt", 9, 500, false },
    [GM_EUNSUPPORTED] = { "unsupported", 10, 501, false },
    [GM_ECANCELED] = { "canceled", 130, 504, false },
    [GM_EINTERNAL] = { "internal", 70, 500, false },
};

const char *gm_rc_name(gm_rc rc)
{
    return rc < GM_RC_COUNT ? rc_table[rc].name : "unknown";
}
int gm_rc_exit_code(gm_rc rc)
{
    return rc < GM_RC_COUNT ? rc_table[rc].exit_code : 70;
}
int gm_rc_http_status(gm_rc rc)
{
    return rc < GM_RC_COUNT ? rc_table[rc].http_status : 500;
}
bool gm_rc_may_retry(gm_rc rc)
{
    return rc < GM_RC_COUNT && rc_table[rc].may_retry;
}

static void begin(gm_err *err, gm_rc rc, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
static void begin(gm_err *err, gm_rc rc, const char *fmt, va_list args)
{
    err->rc = rc;
    err->line = err->col = err->ctx_count = 0;
    err->file[0] = err->hint[0] = '\0';
    (void)vsnprintf(err->message, sizeof(err->message), fmt, args);
}

gm_rc gm_err_set(gm_err *err, gm_rc rc, const char *fmt, ...)
{
    gm_assert(rc != GM_OK);
    if (!err) return rc;
    va_list args;
    va_start(args, fmt);
    begin(err, rc, fmt, args);
    va_end(args);
    return rc;
}

gm_rc gm_err_place(gm_err *err, gm_rc rc, gm_pos pos)
{
    if (!rc || !err || err->line || err->file[0]) return rc;
    if (pos.file) (void)snprintf(err->file, sizeof(err->file), "%s", pos.file);
    err->line = pos.line;
    err->col = pos.col;
    return rc;
}

gm_rc gm_err_at(gm_err *err, gm_pos pos, gm_rc rc, const char *fmt, ...)
{
    gm_assert(rc != GM_OK);
    if (!err) return rc;
    va_list args;
    va_start(args, fmt);
    begin(err, rc, fmt, args);
    va_end(args);
    return gm_err_place(err, rc, pos);
}

gm_rc gm_err_ctx(gm_err *err, gm_rc rc, const char *fmt, ...)
{
    if (!rc || !err || err->ctx_count >= sizeof(err->ctx) / sizeof(err->ctx[0])) return rc;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(err->ctx[err->ctx_count++], sizeof(err->ctx[0]), fmt, args);
    va_end(args);
    return rc;
}

void gm_err_hint(gm_err *err, const char *fmt, ...)
{
    if (!err) return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(err->hint, sizeof(err->hint), fmt, args);
    va_end(args);
}

gm_rc gm_err_errno(gm_err *err, int errnum, const char *verb, const char *path)
{
    gm_rc rc = errnum == ENOENT || errnum == ENOTDIR ? GM_ENOTFOUND : errnum == ENOMEM ? GM_ENOMEM : GM_EIO;
    (void)gm_err_set(err, rc, "could not %s \"%s\": %s", verb, path, strerror(errnum));
    if (errnum == ENOSPC || errnum == EDQUOT)
        gm_err_hint(err, "Free space on that disk (`gristmill gc` removes what no kept run needs), then run again.");
    if (errnum == EIO) gm_err_hint(err, "Check the disk, then run again: everything that was acknowledged is kept.");
    if (errnum == EROFS) gm_err_hint(err, "The file system is mounted for reading only.");
    if (errnum == EACCES || errnum == EPERM) gm_err_hint(err, "Check the owner and the permissions of that path.");
    return rc;
}

void gm_assert_failed(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "gristmill: internal error: \"%s\" does not hold (%s:%d)\n", what, file, line);
    abort();
}

void gm_errs_add(gm_errs *errs, const gm_err *err)
{
    if (errs->count == errs->capacity) {
        size_t capacity = errs->capacity ? errs->capacity * 2 : 8;
        gm_err *items = capacity <= ERRS_MAX * 2 ? gm_arena_alloc(errs->arena, capacity, sizeof(*items)) : NULL;
        if (!items) {
            errs->dropped++;
            return;
        }
        if (errs->count) memcpy(items, errs->items, errs->count * sizeof(*items));
        errs->items = items;
        errs->capacity = capacity;
    }
    errs->items[errs->count++] = *err;
}

void gm_errs_add_at(gm_errs *errs, gm_err *err, gm_pos pos)
{
    (void)gm_err_place(err, err->rc, pos);
    gm_errs_add(errs, err);
}

gm_rc gm_errs_since(const gm_errs *errs, size_t before)
{
    if (gm_errs_total(errs) == before) return GM_OK;
    return before < errs->count ? errs->items[before].rc : GM_EINVALID;
}

gm_rc gm_errs_first(const gm_errs *errs, gm_rc rc, gm_err *err)
{
    if (!rc) return rc;
    if (!errs->count) return gm_err_set(err, rc, "not enough memory to list mistakes");
    if (err) *err = errs->items[0];
    return rc;
}

void gm_errs_at(gm_errs *errs, gm_pos pos, gm_rc rc, const char *hint, const char *fmt, ...)
{
    gm_err err;
    va_list args;
    va_start(args, fmt);
    begin(&err, rc, fmt, args);
    va_end(args);
    (void)gm_err_place(&err, rc, pos);
    if (hint) gm_err_hint(&err, "%s", hint);
    gm_errs_add(errs, &err);
}

/* Damerau-Levenshtein (adjacent swaps count one) over at most 63 bytes. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), rows[3][64];
    if (n > 63 || m > 63) return 64;
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++) last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *t = before;
        before = last;
        last = now;
        now = t;
    }
    return last[m];
}

const char *gm_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t len = strlen(word), best_distance = len <= 3 ? 2 : 3;
    if (len >= 9) best_distance = 4;
    for (size_t i = 0; i < count; i++) {
        size_t d = edit_distance(word, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}
