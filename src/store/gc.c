/* gc.c - giving back space: old runs, and blobs that nothing leads to any more.
 *
 * Order: first the records go, in one durable transaction, then the blobs. A crash between leaves blobs without a name, which the
 * next gc removes; never a name without its blob.
 */
#include "base/clock.h"
#include "store/roots.h"

enum { KEEP_RUNS = 20 };
static const double KEEP_SECONDS = 30.0 * 24 * 3600;

struct gc_call {
    gm_store *s;
    const gm_roots *roots;
    int64_t runs_removed;
    bool dry_run;
};

/* A step that runs may have put blobs that nothing names yet. Steps that a dead process left running hold nothing back: their
 * blobs will be made again. */
static gm_rc check_idle(gm_tx *tx, gm_store *s, gm_err *err)
{
    int64_t open = 0, first = atomic_load(&s->first_step);
    if (!first) return GM_OK;
    gm_rc rc = gm_meta_int(tx, 0, &open, err, "SELECT count(*) FROM steps WHERE state = 'running' AND id >= ?1", "i", first);
    if (!rc && open) {
        rc = gm_err_set(err, GM_ECONFLICT, "%lld steps are running", (long long)open);
        gm_err_hint(err, "Run gc when they have ended.");
    }
    return rc;
}

static gm_rc remove_run(gm_tx *tx, int64_t id, gm_err *err)
{
    gm_rc rc = gm_meta_exec(tx, err, "DELETE FROM actions WHERE step_id IN (SELECT id FROM steps WHERE run_id = ?1)", "i", id);
    if (!rc) rc = gm_meta_exec(tx, err, "DELETE FROM artifacts WHERE step_id IN (SELECT id FROM steps WHERE run_id = ?1)", "i", id);
    if (!rc) rc = gm_meta_exec(tx, err, "DELETE FROM steps WHERE run_id = ?1", "i", id);
    return rc ? rc : gm_meta_exec(tx, err, "DELETE FROM runs WHERE id = ?1", "i", id);
}

static gm_rc remove_runs(gm_tx *tx, struct gc_call *call, gm_err *err)
{
    gm_stmt *st = NULL;
    bool row = false;
    gm_arena *a = gm_arena_new(0);
    int64_t *ids = NULL;
    size_t count = 0, capacity = 0;
    gm_rc rc = a ? gm_meta_query(tx, &st, err, "SELECT id FROM runs WHERE id <= ?1", "i", call->roots->last_run)
                 : gm_err_set(err, GM_ENOMEM, "not enough memory to list the runs");
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        int64_t id = st->backend->column_int(st, 0);
        if (gm_roots_has_run(call->roots, id)) continue;
        ids = gm_meta_grow(a, ids, count, &capacity, sizeof(*ids));
        if (ids) {
            ids[count++] = id;
            continue;
        }
        gm_meta_done(st);
        rc = gm_err_set(err, GM_ENOMEM, "not enough memory to list the runs");
    }
    for (size_t i = 0; i < count && !rc && !call->dry_run; i++) rc = remove_run(tx, ids[i], err);
    call->runs_removed = (int64_t)count;
    gm_arena_free(a);
    return rc;
}

/* Versions of data sets whose snapshot is not kept; the newest of each name always is, so that numbers go on counting. */
static gm_rc remove_datasets(gm_tx *tx, const struct gc_call *call, gm_err *err)
{
    gm_stmt *st = NULL;
    bool row = false;
    gm_digest_map gone = { 0 };
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT digest FROM datasets", "");
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        gm_meta_reader r = { .st = st };
        gm_digest hex = gm_meta_read_digest(&r);
        gm_raw_digest d;
        if (!gm_digest_raw(&hex, &d) || gm_digest_map_get(&call->roots->blobs, &d)) continue;
        if (gm_digest_map_put(&gone, &d, 0)) continue;
        gm_meta_done(st);
        rc = gm_err_set(err, GM_ENOMEM, "not enough memory to list the data sets");
    }
    for (size_t i = 0; i < gone.count && !rc; i++)
        rc = gm_meta_exec(tx, err, "DELETE FROM datasets WHERE digest = ?1", "b", (const void *)gone.keys[i].bytes, (size_t)32);
    gm_digest_map_clear(&gone);
    return rc;
}

static gm_rc records_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct gc_call *call = ctx;
    gm_rc rc = check_idle(tx, call->s, err);
    if (!rc) rc = remove_runs(tx, call, err);
    if (rc || call->dry_run) return rc;
    rc = remove_datasets(tx, call, err);
    return rc ? rc : gm_meta_exec(tx, err, "DELETE FROM key_fields WHERE key NOT IN (SELECT key FROM steps)", "");
}

gm_rc gm_store_gc(gm_store *s, const gm_gc_options *options, gm_gc_report *out, gm_err *err)
{
    static const gm_gc_options defaults = { 0 };
    const gm_gc_options *o = options ? options : &defaults;
    double seconds = o->keep_seconds > 0 ? o->keep_seconds : KEEP_SECONDS;
    gm_roots_options keep = { .keep_runs = o->keep_runs > 0 ? o->keep_runs : KEEP_RUNS };
    keep.since_us = gm_now_us() - (int64_t)(seconds * 1e6);
    gm_roots roots = { 0 };
    gm_gc_report report = { 0 };
    gm_rc rc = gm_store_writable(s, err);
    if (rc) return rc;
    (void)pthread_rwlock_wrlock(&s->care);
    rc = gm_roots_find(s, &keep, &roots, err);
    struct gc_call call = { .s = s, .roots = &roots, .dry_run = o->dry_run };
    if (!rc) rc = o->dry_run ? gm_store_read(s, records_work, &call, err) : gm_store_write(s, true, records_work, &call, err);
    report.runs_removed = call.runs_removed;
    if (!rc) rc = s->blob_backend->sweep(s->blobs, &roots.blobs, o->dry_run, &report, err);
    gm_digest_map_clear(&s->verified); /* files may have gone */
    (void)pthread_rwlock_unlock(&s->care);
    gm_roots_clear(&roots);
    if (rc) return gm_err_ctx(err, rc, "removing what is no longer needed from \"%s\"", s->root);
    *out = report;
    return GM_OK;
}
