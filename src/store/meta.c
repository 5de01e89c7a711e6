/* meta.c - the helpers of meta.h: binding by a string of types, reading columns in order. */
#include "store/meta.h"

#include <string.h>

#include "store/digest_map.h"

static gm_rc bind(gm_stmt *st, const char *types, va_list args, gm_err *err)
{
    const gm_meta_backend *b = st->backend;
    gm_raw_digest raw;
    for (int i = 0; types[i]; i++) {
        switch (types[i]) {
        case 'i': b->bind_int(st, i + 1, va_arg(args, int64_t)); break;
        case 't': b->bind_text(st, i + 1, va_arg(args, const char *)); break;
        case 'b': {
            const void *bytes = va_arg(args, const void *);
            b->bind_bytes(st, i + 1, bytes, va_arg(args, size_t));
            break;
        }
        case 'd': {
            const gm_digest *d = va_arg(args, const gm_digest *);
            if (!gm_digest_raw(d, &raw)) {
                b->reset(st);
                return gm_err_set(err, GM_EINVALID, "\"%.70s\" is not a digest: 64 lower-case hex digits", d->hex);
            }
            b->bind_bytes(st, i + 1, raw.bytes, sizeof(raw.bytes));
            break;
        }
        default: gm_assert(false && "a type letter of meta.h");
        }
    }
    return GM_OK;
}

static gm_rc vquery(gm_tx *tx, gm_stmt **out, gm_err *err, const char *sql, const char *types, va_list args)
{
    gm_rc rc = tx->backend->prepare(tx, sql, out, err);
    return rc ? rc : bind(*out, types, args, err);
}

gm_rc gm_meta_query(gm_tx *tx, gm_stmt **out, gm_err *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    gm_rc rc = vquery(tx, out, err, sql, types, args);
    va_end(args);
    return rc;
}

gm_rc gm_meta_next(gm_stmt *st, bool *out_row, gm_err *err)
{
    gm_rc rc = st->backend->step(st, out_row, err);
    if (rc || !*out_row) st->backend->reset(st);
    return rc;
}

void gm_meta_done(gm_stmt *st) { st->backend->reset(st); }

static gm_rc run(gm_stmt *st, gm_err *err)
{
    bool row = true;
    gm_rc rc = GM_OK;
    while (!rc && row) rc = gm_meta_next(st, &row, err);
    return rc;
}

gm_rc gm_meta_exec(gm_tx *tx, gm_err *err, const char *sql, const char *types, ...)
{
    gm_stmt *st = NULL;
    va_list args;
    va_start(args, types);
    gm_rc rc = vquery(tx, &st, err, sql, types, args);
    va_end(args);
    return rc ? rc : run(st, err);
}

gm_rc gm_meta_int(gm_tx *tx, int64_t fallback, int64_t *out, gm_err *err, const char *sql, const char *types, ...)
{
    gm_stmt *st = NULL;
    bool row = false;
    va_list args;
    va_start(args, types);
    gm_rc rc = vquery(tx, &st, err, sql, types, args);
    va_end(args);
    if (!rc) rc = gm_meta_next(st, &row, err);
    if (rc) return rc;
    *out = row ? st->backend->column_int(st, 0) : fallback;
    return row ? run(st, err) : GM_OK; /* a RETURNING statement has done its work only at its end */
}

int64_t gm_meta_read_int(gm_meta_reader *r) { return r->st->backend->column_int(r->st, r->at++); }

const char *gm_meta_read_text(gm_meta_reader *r)
{
    const char *copy = gm_arena_strdup(r->a, r->st->backend->column_text(r->st, r->at++));
    if (copy) return copy;
    r->failed = true;
    return "";
}

gm_digest gm_meta_read_digest(gm_meta_reader *r)
{
    gm_digest d = { "" };
    gm_raw_digest raw;
    size_t len = 0;
    const void *bytes = r->st->backend->column_bytes(r->st, r->at++, &len);
    if (len != sizeof(raw.bytes)) return d;
    memcpy(raw.bytes, bytes, len);
    gm_digest_hex(&raw, &d);
    return d;
}

void *gm_meta_grow(gm_arena *a, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) return items;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *moved = gm_arena_alloc(a, more, size);
    if (!moved) return NULL;
    if (count) memcpy(moved, items, count * size);
    *capacity = more;
    return moved;
}
