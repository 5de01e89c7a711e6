/* windows.c - what monitoring found, one row for a window of a model version. See windows.h. */
#include "store/windows.h"

#include "base/clock.h"
#include "store/store_internal.h"

struct put_call {
    const gm_window_record *items; /* [count] */
    size_t count;
};

static gm_rc put_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct put_call *call = ctx;
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < call->count; i++) {
        const gm_window_record *w = &call->items[i];
        rc = gm_meta_exec(
            tx, err,
            "INSERT INTO windows(model, from_us, until_us, version, rows, labelled, final, result, updated_us)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
            " ON CONFLICT(model, from_us, until_us, version) DO UPDATE SET rows = excluded.rows, labelled = excluded.labelled,"
            " final = excluded.final, result = excluded.result, updated_us = excluded.updated_us",
            "tiiiiiiti", w->model, w->from_us, w->until_us, w->version, w->rows, w->labelled, (int64_t)w->final, w->result_json,
            w->updated_us ? w->updated_us : gm_now_us());
    }
    return rc;
}

gm_rc gm_windows_put(gm_store *s, const gm_window_record *items, size_t count, gm_err *err)
{
    struct put_call call = { items, count };
    return gm_store_write(s, true, put_work, &call, err);
}

gm_rc gm_window_put(gm_store *s, const gm_window_record *w, gm_err *err)
{
    return gm_windows_put(s, w, 1, err);
}

static bool read_one(gm_stmt *st, gm_arena *a, gm_window_record *out)
{
    gm_meta_reader r = { .st = st, .a = a };
    out->model = gm_meta_read_text(&r);
    out->version = gm_meta_read_int(&r);
    out->from_us = gm_meta_read_int(&r);
    out->until_us = gm_meta_read_int(&r);
    out->rows = gm_meta_read_int(&r);
    out->labelled = gm_meta_read_int(&r);
    out->final = gm_meta_read_int(&r) != 0;
    out->result_json = gm_meta_read_text(&r);
    out->updated_us = gm_meta_read_int(&r);
    return !r.failed;
}

struct list_call {
    const char *model; /* NULL = all */
    int64_t since_us, until_us, limit;
    bool brief; /* all of them, without their results */
    gm_arena *a;
    gm_window_record *items; /* [count] newest first */
    size_t count, capacity;
};

#define SELECT                                                                                                                   \
    "SELECT model, version, from_us, until_us, rows, labelled, final, CASE WHEN ?5 = 1 THEN '' ELSE result END, updated_us "     \
    "FROM windows"
#define BETWEEN " AND (?2 = 0 OR from_us >= ?2) AND (?3 = 0 OR from_us < ?3) AND (?5 = 1 OR version <> 0)"

static gm_rc list_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct list_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, ok = true, there = false;
    gm_rc rc = tx->backend->has_table(tx, "windows", &there, err); /* not in an older store that is only read */
    if (rc || !there) return rc;
    int64_t limit = call->limit > 0 ? call->limit : INT64_MAX, brief = call->brief;
    if (call->model) /* by the primary key */
        rc = gm_meta_query(tx, &st, err,
                           SELECT " WHERE model = ?1" BETWEEN " ORDER BY from_us DESC, until_us DESC, version DESC LIMIT ?4",
                           "tiiii", call->model, call->since_us, call->until_us, limit, brief);
    else
        rc = gm_meta_query(tx, &st, err,
                           SELECT " WHERE ?1 = ''" BETWEEN " ORDER BY from_us DESC, until_us DESC, model, version DESC LIMIT ?4",
                           "tiiii", "", call->since_us, call->until_us, limit, brief);
    while (!rc && ok && !(rc = gm_meta_next(st, &row, err)) && row) {
        call->items = gm_meta_grow(call->a, call->items, call->count, &call->capacity, sizeof(*call->items));
        ok = call->items && read_one(st, call->a, &call->items[call->count++]);
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to list the windows");
}

static gm_rc list(gm_store *s, struct list_call *call, gm_window_record **out, size_t *out_count, gm_err *err)
{
    gm_rc rc = gm_store_read(s, list_work, call, err);
    if (rc) return rc;
    for (size_t i = 0; i < call->count / 2; i++) {
        gm_window_record other = call->items[i];
        call->items[i] = call->items[call->count - 1 - i];
        call->items[call->count - 1 - i] = other;
    }
    *out = call->items;
    *out_count = call->count;
    return GM_OK;
}

gm_rc gm_window_list(gm_store *s, const char *model, int64_t since_us, int64_t until_us, int64_t limit, gm_arena *a,
                     gm_window_record **out, size_t *out_count, gm_err *err)
{
    struct list_call call = { .model = model, .since_us = since_us, .until_us = until_us, .limit = limit, .a = a };
    return list(s, &call, out, out_count, err);
}

gm_rc gm_window_list_brief(gm_store *s, const char *model, int64_t since_us, int64_t until_us, int64_t limit, gm_arena *a,
                           gm_window_record **out, size_t *out_count, gm_err *err)
{
    struct list_call call = { .model = model, .since_us = since_us, .until_us = until_us, .limit = limit, .brief = true, .a = a };
    return list(s, &call, out, out_count, err);
}
