/* roots.c - from what must stay to all that it leads to.
 *
 *   1 runs    the kept ones, those still running, the runs that made registered versions of models; then, until nothing is added:
 *             for each step of a kept run, the run of the step that stands for its action key, and the runs that made its inputs
 *   2 blobs   artifacts of all steps of these runs, their logs and files; versions of models; the newest version of each data set
 *   3 parts   a blob of text may name others (the manifest of a folder or of a package): every run of 64 hex digits in it that is
 *             the name of a blob counts, and so on
 * (3) is deliberately blind to formats: it can keep too much, and never removes a part because a format changed.
 */
#include "store/roots.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/inside.h"

enum { TEXT_MAX = 64 << 20, HEX = 64 };

static gm_raw_digest run_key(int64_t id)
{
    gm_raw_digest key = { { 0 } };
    memcpy(key.bytes, &id, sizeof(id));
    return key;
}

static gm_rc full(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to follow what the store leads to"); }

bool gm_roots_has_run(const gm_roots *r, int64_t id)
{
    gm_raw_digest key = run_key(id);
    return gm_digest_map_get(&r->runs, &key) != NULL;
}

void gm_roots_clear(gm_roots *r)
{
    gm_digest_map_clear(&r->runs);
    gm_digest_map_clear(&r->blobs);
}

struct roots_call {
    const gm_roots_options *options;
    gm_roots *roots;
};

/* Add the run ids of a statement. */
static gm_rc add_runs(gm_stmt *st, gm_roots *roots, gm_err *err)
{
    bool row = false;
    gm_rc rc = GM_OK;
    while (!(rc = gm_meta_next(st, &row, err)) && row) {
        int64_t id = st->backend->column_int(st, 0);
        gm_raw_digest key = run_key(id);
        if (gm_digest_map_get(&roots->runs, &key) || gm_digest_map_put(&roots->runs, &key, id)) continue;
        gm_meta_done(st);
        return full(err);
    }
    return rc;
}

/* Add the digests (32 bytes, or 64 hex digits) of a statement's first column. */
static gm_rc add_blobs(gm_stmt *st, gm_roots *roots, gm_err *err)
{
    bool row = false;
    gm_rc rc = GM_OK;
    while (!(rc = gm_meta_next(st, &row, err)) && row) {
        gm_raw_digest d;
        gm_digest hex = { "" };
        size_t len = 0;
        const void *bytes = st->backend->column_bytes(st, 0, &len);
        if (len == sizeof(d.bytes)) memcpy(d.bytes, bytes, len);
        else if (len == HEX) memcpy(hex.hex, bytes, len);
        if ((len != sizeof(d.bytes) && !gm_digest_raw(&hex, &d)) || gm_digest_map_get(&roots->blobs, &d)) continue;
        if (gm_digest_map_put(&roots->blobs, &d, 0)) continue;
        gm_meta_done(st);
        return full(err);
    }
    return rc;
}

static gm_rc first_runs(gm_tx *tx, const gm_roots_options *o, gm_roots *roots, gm_err *err)
{
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT id FROM runs WHERE ?1 = 1 OR started_us >= ?2 OR state = 'running'", "ii",
                             (int64_t)o->everything, o->since_us);
    if (!rc) rc = add_runs(st, roots, err);
    if (!rc) rc = gm_meta_query(tx, &st, err, "SELECT id FROM runs ORDER BY id DESC LIMIT ?1", "i", o->keep_runs);
    if (!rc) rc = add_runs(st, roots, err);
    if (!rc)
        rc = gm_meta_query(tx, &st, err,
                           "SELECT run_id FROM model_versions WHERE run_id <> 0 UNION SELECT s.run_id FROM model_versions v"
                           " JOIN artifacts a ON a.digest = v.digest AND a.output = 1 JOIN steps s ON s.id = a.step_id"
                           " UNION SELECT run_id FROM steps WHERE state = 'running'",
                           "");
    return rc ? rc : add_runs(st, roots, err);
}

/* The runs that one run leans on. */
static gm_rc runs_behind(gm_tx *tx, int64_t run, gm_roots *roots, gm_err *err)
{
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT DISTINCT m.run_id FROM steps s JOIN actions c ON c.key = s.key JOIN steps m ON m.id = c.step_id"
                             " WHERE s.run_id = ?1",
                             "i", run);
    if (!rc) rc = add_runs(st, roots, err);
    if (!rc)
        rc = gm_meta_query(tx, &st, err,
                           "SELECT m.run_id FROM steps s JOIN artifacts i ON i.step_id = s.id AND i.output = 0"
                           " JOIN steps m ON m.id = (SELECT max(o.step_id) FROM artifacts o WHERE o.digest = i.digest AND o.output = 1)"
                           " WHERE s.run_id = ?1",
                           "i", run);
    return rc ? rc : add_runs(st, roots, err);
}

static gm_rc blobs_of_run(gm_tx *tx, int64_t run, gm_roots *roots, gm_err *err)
{
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT a.digest FROM steps s JOIN artifacts a ON a.step_id = s.id WHERE s.run_id = ?1", "i", run);
    if (!rc) rc = add_blobs(st, roots, err);
    if (!rc) rc = gm_meta_query(tx, &st, err, "SELECT log_digest FROM steps WHERE run_id = ?1 AND log_digest <> ''", "i", run);
    if (!rc) rc = add_blobs(st, roots, err);
    if (!rc) rc = gm_meta_query(tx, &st, err, "SELECT spec_digest FROM runs WHERE id = ?1", "i", run);
    return rc ? rc : add_blobs(st, roots, err);
}

static gm_rc roots_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct roots_call *call = ctx;
    gm_roots *roots = call->roots;
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_int(tx, 0, &roots->last_run, err, "SELECT max(id) FROM runs", "");
    if (!rc) rc = first_runs(tx, call->options, roots, err);
    for (size_t i = 0; i < roots->runs.count && !rc; i++) rc = runs_behind(tx, roots->runs.values[i], roots, err); /* count grows */
    for (size_t i = 0; i < roots->runs.count && !rc; i++) rc = blobs_of_run(tx, roots->runs.values[i], roots, err);
    if (!rc) rc = gm_meta_query(tx, &st, err, "SELECT digest FROM model_versions", "");
    if (!rc) rc = add_blobs(st, roots, err);
    if (!rc)
        rc = gm_meta_query(tx, &st, err,
                           "SELECT digest FROM datasets d WHERE ?1 = 1 OR version = (SELECT max(version) FROM datasets n WHERE"
                           " n.name = d.name)",
                           "i", (int64_t)call->options->everything);
    return rc ? rc : add_blobs(st, roots, err);
}

/* ---- parts ------------------------------------------------------------------------------------------------------ */

/* Add each run of exactly 64 hex digits in text that names a blob of the store. */
static gm_rc add_named(gm_store *s, const char *text, size_t len, gm_roots *roots, gm_err *err)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0, run = 0; i <= len; i++) {
        if (i < len && text[i] && strchr(digits, text[i])) {
            run++;
            continue;
        }
        gm_digest hex = { "" };
        gm_raw_digest d;
        int64_t size = -1;
        if (run == HEX) {
            memcpy(hex.hex, text + i - HEX, HEX);
            if (gm_digest_raw(&hex, &d) && !gm_digest_map_get(&roots->blobs, &d)) {
                gm_rc rc = s->blob_backend->find(s->blobs, &d, &size, err);
                if (rc && rc != GM_ECORRUPT) return rc;
                if (size >= 0 && !gm_digest_map_put(&roots->blobs, &d, 0)) return full(err);
            }
        }
        run = 0;
    }
    return GM_OK;
}

/* Does a blob begin like text? Large ones are looked at before they are read. */
static bool begins_like_text(gm_store *s, const gm_raw_digest *d, int64_t size, gm_arena *a)
{
    char start[4096];
    const char *path = NULL;
    if (size <= GM_BLOB_SMALL_MAX) return true; /* cheap to read */
    if (size > TEXT_MAX || s->blob_backend->path(s->blobs, d, size, a, &path, NULL) != GM_OK) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool text = fd >= 0 && gm_inside_read_at(fd, start, sizeof(start), 0) && !memchr(start, '\0', sizeof(start));
    if (fd >= 0) (void)close(fd);
    return text;
}

/* What one blob names. One that cannot be read names nothing: fsck reports it. */
static gm_rc follow_one(gm_store *s, const gm_raw_digest *d, gm_roots *roots, gm_arena *a, gm_err *err)
{
    int64_t size = -1;
    gm_rc rc = s->blob_backend->find(s->blobs, d, &size, err);
    if (rc == GM_ECORRUPT || (!rc && size < HEX)) return GM_OK;
    if (rc || !begins_like_text(s, d, size, a)) return rc;
    char *bytes = malloc((size_t)size);
    if (!bytes) return full(err);
    rc = s->blob_backend->read(s->blobs, d, bytes, size, err);
    bool text = !rc && !memchr(bytes, '\0', size < 4096 ? (size_t)size : 4096);
    if (rc == GM_ENOTFOUND || rc == GM_ECORRUPT) rc = GM_OK;
    if (text) rc = add_named(s, bytes, (size_t)size, roots, err);
    free(bytes);
    return rc;
}

static gm_rc follow_parts(gm_store *s, gm_roots *roots, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? GM_OK : full(err);
    for (size_t i = 0; !rc && i < roots->blobs.count; i++) { /* the list grows while it is walked */
        gm_raw_digest d = roots->blobs.keys[i];
        rc = follow_one(s, &d, roots, a, err);
        gm_arena_reset(a);
    }
    gm_arena_free(a);
    return rc;
}

gm_rc gm_roots_find(gm_store *s, const gm_roots_options *options, gm_roots *out, gm_err *err)
{
    gm_roots roots = { 0 };
    struct roots_call call = { options, &roots };
    gm_rc rc = gm_store_read(s, roots_work, &call, err);
    if (!rc) rc = follow_parts(s, &roots, err);
    if (rc) gm_roots_clear(&roots);
    else *out = roots;
    return rc;
}
