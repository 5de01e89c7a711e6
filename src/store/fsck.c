/* fsck.c - looking at everything: the database's own structure, every byte of every blob, every name that should lead to one.
 *
 * Nothing is deleted. What can be made again from the blobs alone (rows of the pack index) is, and counted as repaired.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/roots.h"

struct fsck_call {
    gm_store *s;
    void (*say)(void *ctx, const char *line);
    void *ctx;
    gm_fsck_report report;
    gm_digest_map there; /* every blob that exists */
};

static void tell(struct fsck_call *call, const char *line)
{
    if (call->say) call->say(call->ctx, line);
}

static void tell_blob(struct fsck_call *call, const char *what, const gm_raw_digest *d, const char *where)
{
    char line[256];
    gm_digest hex;
    gm_digest_hex(d, &hex);
    (void)snprintf(line, sizeof(line), "blob %s %s%s%s", hex.hex, what, where[0] ? ": " : "", where);
    tell(call, line);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

/* A large blob is a file of its own: it is digested as a stream; a small one is read whole. */
static gm_rc read_through(gm_store *s, const gm_raw_digest *d, int64_t size, gm_err *err)
{
    void *bytes = NULL;
    size_t len = 0;
    if (size <= GM_BLOB_SMALL_MAX) {
        gm_rc rc = gm_blob_get_raw(s, d, size, &bytes, &len, err);
        free(bytes);
        return rc;
    }
    const char *path = NULL;
    gm_digest found, wanted;
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to check a blob");
    gm_rc rc = s->blob_backend->path(s->blobs, d, size, a, &path, err);
    if (!rc) rc = gm_digest_file(path, &found, NULL, err);
    gm_arena_free(a);
    gm_digest_hex(d, &wanted);
    if (!rc && strcmp(found.hex, wanted.hex) != 0) rc = gm_err_set(err, GM_ECORRUPT, "its bytes do not match its digest");
    return rc;
}

static gm_rc visit_blob(void *ctx, const gm_raw_digest *d, int64_t size, gm_err *err)
{
    struct fsck_call *call = ctx;
    gm_err why;
    int64_t found = -1;
    gm_rc rc = call->s->blob_backend->find(call->s->blobs, d, &found, &why); /* a link planted in its place fails here */
    if (!rc) rc = read_through(call->s, d, size, &why);
    if (rc == GM_ENOMEM) {
        if (err) *err = why;
        return rc;
    }
    call->report.blobs++;
    call->report.bytes += size;
    if (rc) {
        call->report.corrupt++;
        tell_blob(call, "is damaged", d, why.message);
    }
    return gm_digest_map_put(&call->there, d, size) ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to list the blobs");
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* Names that promise bytes: outputs of steps, logs, versions of models and of data sets. Inputs may be the user's own files. */
static gm_rc names_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct fsck_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT digest, 'output ' || name || ' of step ' || step_id FROM artifacts WHERE output = 1"
                             " UNION ALL SELECT digest, 'model ' || model || ' version ' || version FROM model_versions"
                             " UNION ALL SELECT digest, 'data set ' || name || ' version ' || version FROM datasets",
                             "");
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        gm_raw_digest d;
        gm_meta_reader r = { .st = st };
        gm_digest hex = gm_meta_read_digest(&r);
        if (gm_digest_raw(&hex, &d) && gm_digest_map_get(&call->there, &d)) continue;
        call->report.missing++;
        if (gm_digest_raw(&hex, &d)) tell_blob(call, "is missing", &d, st->backend->column_text(st, 1));
        else tell(call, st->backend->column_text(st, 1)); /* a name without a digest */
    }
    if (!rc) rc = gm_meta_query(tx, &st, err, "SELECT log_digest, id FROM steps WHERE log_digest <> ''", "");
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        gm_raw_digest d;
        gm_digest hex;
        (void)snprintf(hex.hex, sizeof(hex.hex), "%.64s", st->backend->column_text(st, 0));
        if (!gm_digest_raw(&hex, &d) || gm_digest_map_get(&call->there, &d)) continue;
        call->report.missing++;
        tell_blob(call, "is missing", &d, "the log of a step");
    }
    return rc;
}

static gm_rc count_unreferenced(struct fsck_call *call, gm_err *err)
{
    gm_roots roots = { 0 };
    gm_rc rc = gm_roots_find(call->s, &(gm_roots_options){ .everything = true }, &roots, err);
    for (size_t i = 0; i < call->there.count && !rc; i++)
        if (!gm_digest_map_get(&roots.blobs, &call->there.keys[i])) call->report.unreferenced++;
    gm_roots_clear(&roots);
    return rc;
}

gm_rc gm_store_fsck(gm_store *s, void (*say)(void *ctx, const char *line), void *ctx, gm_fsck_report *out, gm_err *err)
{
    struct fsck_call call = { .s = s, .say = say, .ctx = ctx };
    int64_t in_records = 0, in_layout = 0;
    (void)pthread_rwlock_rdlock(&s->care);
    gm_rc rc = s->records->check(s->meta, say, ctx, &in_records, err);
    if (!rc) rc = s->blob_backend->check(s->blobs, say, ctx, &in_layout, &call.report.repaired, err);
    if (!rc) rc = s->blob_backend->each(s->blobs, visit_blob, &call, err);
    if (!rc) rc = gm_store_read(s, names_work, &call, err);
    if (!rc) rc = count_unreferenced(&call, err);
    (void)pthread_rwlock_unlock(&s->care);
    gm_digest_map_clear(&call.there);
    if (rc) return gm_err_ctx(err, rc, "checking the store \"%s\"", s->root);
    call.report.corrupt += in_records + in_layout;
    *out = call.report;
    return GM_OK;
}
