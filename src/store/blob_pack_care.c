/* blob_pack_care.c - packs after a crash, under inspection, and when space is wanted back.
 *
 * Recovery   an index that ends before its pack does: the records behind are read, proved by their digests, and indexed; a
 *            half-written tail is cut off. A pack that gc had emptied is removed.
 * Sweep      a pack with dead records is copied without them: new pack, sync, then one transaction that moves the index rows and
 *            marks the old pack dead, then the old file goes. A crash between leaves a pack too many, never one too few.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/blob_pack_internal.h"
#include "store/inside.h"

typedef struct pack_row {
    int64_t id, indexed, dead;
} pack_row;

struct rows_call {
    gm_arena *a;
    pack_row *rows; /* [count] */
    size_t count, capacity;
};

static gm_rc rows_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct rows_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false;
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT id, indexed_bytes, dead FROM packs ORDER BY id", "");
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        call->rows = gm_meta_grow(call->a, call->rows, call->count, &call->capacity, sizeof(*call->rows));
        if (!call->rows) {
            gm_meta_done(st);
            return gm_err_set(err, GM_ENOMEM, "not enough memory to list the packs");
        }
        gm_meta_reader r = { .st = st };
        pack_row *out = &call->rows[call->count++];
        out->id = gm_meta_read_int(&r);
        out->indexed = gm_meta_read_int(&r);
        out->dead = gm_meta_read_int(&r);
    }
    return rc;
}

static gm_rc forget_pack_work(gm_tx *tx, void *ctx, gm_err *err)
{
    return gm_meta_exec(tx, err, "DELETE FROM packs WHERE id = ?1 AND dead = 1", "i", *(int64_t *)ctx);
}

/* Remove a pack that the index no longer uses, then its row. */
static gm_rc remove_dead(gm_packs *p, int64_t id, gm_err *err)
{
    char name[32];
    gm_pack_name(id, name);
    int fault = gm_fault("pack.unlink");
    if (fault || (unlinkat(p->dir_fd, name, 0) != 0 && errno != ENOENT))
        return gm_err_errno(err, fault ? fault : errno, "remove", name);
    if (!gm_inside_sync(p->dir_fd, "pack.sync_dir")) return gm_err_errno(err, errno, "sync", "packs");
    return p->options.records->write(p->options.meta, false, forget_pack_work, &id, err);
}

/* ---- recovery --------------------------------------------------------------------------------------------- */

/* Read whole records of fd from `at` on; out_end: behind the last good one. see gets each. */
static gm_rc scan(int fd, int64_t at, gm_rc (*see)(void *ctx, const gm_raw_digest *d, int64_t offset, int64_t size, gm_err *err),
                  void *ctx, int64_t *out_end, gm_err *err)
{
    unsigned char head[RECORD_HEAD];
    char *bytes = malloc(GM_BLOB_SMALL_MAX);
    if (!bytes) return gm_err_set(err, GM_ENOMEM, "not enough memory to read a pack");
    gm_rc rc = GM_OK;
    while (!rc) {
        gm_raw_digest named, found;
        gm_digest hex;
        int64_t size = 0;
        if (!gm_inside_read_at(fd, head, sizeof(head), at) || !gm_pack_head_read(head, &named, &size) ||
            !gm_inside_read_at(fd, bytes, (size_t)size, at + RECORD_HEAD))
            break;
        gm_digest_of(bytes, (size_t)size, &hex);
        if (!gm_digest_raw(&hex, &found) || memcmp(found.bytes, named.bytes, 32) != 0) break;
        rc = see(ctx, &named, at, size, err);
        if (!rc) at += RECORD_HEAD + size;
    }
    free(bytes);
    *out_end = at;
    return rc;
}

struct note_call {
    gm_packs *p;
    int64_t pack;
};

static gm_rc note_found(void *ctx, const gm_raw_digest *d, int64_t offset, int64_t size, gm_err *err)
{
    struct note_call *call = ctx;
    (void)pthread_mutex_lock(&call->p->mutex);
    bool ok = gm_pack_note(call->p, d, (gm_place){ call->pack, offset, size });
    (void)pthread_mutex_unlock(&call->p->mutex);
    return ok ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to index what a crash left");
}

/* Make the unindexed tail of one pack known and cut off what is half there. Takes the pack as the one to append to when it
 * has room and is whole. */
static gm_rc recover_pack(gm_packs *p, int64_t id, int64_t indexed, gm_err *err)
{
    char name[32], magic[PACK_HEAD];
    struct stat st;
    gm_pack_name(id, name);
    int fd = gm_inside_open(p->dir_fd, name, O_RDWR, 0);
    if (fd < 0) return gm_inside_error(err, errno, "open", name);
    gm_rc rc = GM_OK;
    bool keep = false;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = gm_err_set(err, GM_ECORRUPT, "\"packs/%s\" in the store is no regular file", name);
    } else if (indexed == 0 && (!gm_inside_read_at(fd, magic, PACK_HEAD, 0) || memcmp(magic, gm_pack_magic, PACK_HEAD) != 0)) {
        if (st.st_size <= PACK_HEAD) (void)unlinkat(p->dir_fd, name, 0); /* died while making it; else fsck shows it */
    } else if (st.st_size >= indexed) {
        int64_t end = indexed ? indexed : PACK_HEAD;
        struct note_call call = { p, id };
        if (st.st_size > end) {
            rc = scan(fd, end, note_found, &call, &end, err);
            if (!rc && st.st_size > end && ftruncate(fd, end) != 0) rc = gm_err_errno(err, errno, "shorten", name);
            /* What is about to be indexed must be on disk before its row. */
            if (!rc && !gm_inside_sync(fd, "pack.sync")) rc = gm_err_errno(err, errno, "sync", name);
        }
        keep = !rc && end < PACK_MAX;
        if (keep) {
            if (p->active_fd >= 0) (void)close(p->active_fd);
            p->active_fd = fd;
            p->active_id = id;
            p->end = end;
        }
    } /* else: shorter than its index says; damage that fsck shows and nothing is appended to */
    if (!keep) (void)close(fd);
    return rc;
}

static gm_rc recover_all(gm_packs *p, gm_arena *a, gm_err *err)
{
    struct rows_call call = { .a = a };
    const char **names = NULL;
    size_t count = 0;
    char dir[4160];
    (void)snprintf(dir, sizeof(dir), "%s/packs", p->options.root);
    gm_rc rc = p->options.records->read(p->options.meta, rows_work, &call, err);
    for (size_t i = 0; i < call.count && !rc; i++) {
        if (call.rows[i].id >= p->next_id) p->next_id = call.rows[i].id + 1;
        if (call.rows[i].dead) rc = remove_dead(p, call.rows[i].id, err);
    }
    if (!rc) rc = gm_fs_list(dir, a, &names, &count, err);
    for (size_t i = 0, at = 0; i < count && !rc; i++) {
        char *rest = NULL;
        int64_t id = strtoll(names[i], &rest, 10);
        if (id <= 0 || strcmp(rest, ".pack") != 0) continue;
        while (at < call.count && call.rows[at].id < id) at++;
        if (id >= p->next_id) p->next_id = id + 1;
        rc = recover_pack(p, id, at < call.count && call.rows[at].id == id ? call.rows[at].indexed : 0, err);
    }
    (void)pthread_mutex_lock(&p->mutex);
    p->synced = p->appended;
    (void)pthread_mutex_unlock(&p->mutex);
    return gm_err_ctx(err, rc, "looking at the packs after a crash");
}

gm_rc gm_packs_recover(gm_packs *p, gm_err *err)
{
    gm_rc rc = GM_OK;
    (void)pthread_mutex_lock(&p->recover_mutex);
    if (!p->recovered) {
        gm_arena *a = gm_arena_new(0);
        p->next_id = 1;
        rc = a ? recover_all(p, a, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to look at the packs");
        gm_arena_free(a);
        p->recovered = !rc;
    }
    (void)pthread_mutex_unlock(&p->recover_mutex);
    return rc;
}

/* ---- every record of the index ----------------------------------------------------------------------------- */

typedef struct index_row {
    gm_raw_digest digest;
    gm_place place;
} index_row;

struct index_call {
    gm_arena *a;
    index_row *rows; /* [count] by pack and offset */
    size_t count, capacity;
};

static gm_rc index_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct index_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false;
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT digest, pack, offset, size FROM packed ORDER BY pack, offset", "");
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        size_t len = 0;
        const void *digest = st->backend->column_bytes(st, 0, &len);
        if (len != 32) continue; /* the check of the records reports it */
        call->rows = gm_meta_grow(call->a, call->rows, call->count, &call->capacity, sizeof(*call->rows));
        if (!call->rows) {
            gm_meta_done(st);
            return gm_err_set(err, GM_ENOMEM, "not enough memory to list the small blobs");
        }
        index_row *out = &call->rows[call->count++];
        memcpy(out->digest.bytes, digest, 32);
        gm_meta_reader r = { .st = st, .at = 1 };
        out->place.pack = gm_meta_read_int(&r);
        out->place.offset = gm_meta_read_int(&r);
        out->place.size = gm_meta_read_int(&r);
        rc = gm_pack_place_check(&out->place, err);
        if (rc) gm_meta_done(st);
    }
    return rc;
}

static gm_rc nothing_work(gm_tx *tx, void *ctx, gm_err *err)
{
    (void)tx, (void)ctx, (void)err;
    return GM_OK;
}

/* All rows, those still pending included, sorted by place. */
static gm_rc list_index(gm_packs *p, gm_arena *a, struct index_call *out, gm_err *err)
{
    gm_rc rc = p->options.read_only ? GM_OK : gm_packs_recover(p, err);
    if (!rc && gm_packs_has_unindexed(p)) rc = p->options.records->write(p->options.meta, false, nothing_work, NULL, err);
    *out = (struct index_call){ .a = a };
    return rc ? rc : p->options.records->read(p->options.meta, index_work, out, err);
}

gm_rc gm_packs_each(gm_packs *p, gm_rc (*visit)(void *ctx, const gm_raw_digest *d, int64_t size, gm_err *err), void *ctx,
                    gm_err *err)
{
    struct index_call index;
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? list_index(p, a, &index, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to list the small blobs");
    for (size_t i = 0; !rc && i < index.count; i++) rc = visit(ctx, &index.rows[i].digest, index.rows[i].place.size, err);
    gm_arena_free(a);
    return rc;
}

/* ---- check ------------------------------------------------------------------------------------------------ */

struct lost_call {
    gm_packs *p;
    int64_t pack, found;
};

/* A whole record that the index does not know: a restored database can be older than the packs. */
static gm_rc note_lost(void *ctx, const gm_raw_digest *d, int64_t offset, int64_t size, gm_err *err)
{
    struct lost_call *call = ctx;
    int64_t known = -1;
    gm_rc rc = gm_packs_find_many(call->p, d, 1, &known, err);
    if (rc || known >= 0) return rc;
    call->found++;
    struct note_call note = { call->p, call->pack };
    return note_found(&note, d, offset, size, err);
}

gm_rc gm_packs_check(gm_packs *p, void (*say)(void *ctx, const char *line), void *ctx, int64_t *out_problems,
                     int64_t *out_repaired, gm_err *err)
{
    struct rows_call packs = { .a = gm_arena_new(0) };
    if (!packs.a) return gm_err_set(err, GM_ENOMEM, "not enough memory to check the packs");
    gm_rc rc = p->options.read_only ? GM_OK : gm_packs_recover(p, err);
    if (!rc) rc = p->options.records->read(p->options.meta, rows_work, &packs, err);
    for (size_t i = 0; i < packs.count && !rc; i++) {
        int fd = -1;
        int64_t size = 0, end = 0;
        char name[32], line[160];
        if (packs.rows[i].dead) continue;
        gm_pack_name(packs.rows[i].id, name);
        struct lost_call lost = { p, packs.rows[i].id, 0 };
        gm_rc opened = gm_inside_file(p->dir_fd, name, &fd, &size, NULL);
        if (!opened && !p->options.read_only) rc = scan(fd, PACK_HEAD, note_lost, &lost, &end, err);
        if (fd >= 0) (void)close(fd);
        *out_repaired += lost.found;
        if (!opened && size >= packs.rows[i].indexed) continue;
        (void)snprintf(line, sizeof(line), opened ? "packs/%s is missing" : "packs/%s is shorter than its index says", name);
        (*out_problems)++;
        if (say) say(ctx, line);
    }
    (void)pthread_mutex_lock(&p->mutex);
    if (!rc) p->synced = p->appended; /* nothing was written: what was found lies in packs that were synced before */
    (void)pthread_mutex_unlock(&p->mutex);
    if (!rc && gm_packs_has_unindexed(p)) rc = p->options.records->write(p->options.meta, true, nothing_work, NULL, err);
    gm_arena_free(packs.a);
    return rc;
}

/* ---- sweep ------------------------------------------------------------------------------------------------ */

struct move_call {
    int64_t from, to, size;  /* packs; to 0 = everything in it was dead */
    const index_row *rows;   /* [count] of the old pack */
    const int64_t *offsets;  /* [count] in the new pack; -1 = dead */
    size_t count;
};

static gm_rc move_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct move_call *m = ctx;
    gm_rc rc = GM_OK;
    for (size_t i = 0; i < m->count && !rc; i++) {
        const void *digest = m->rows[i].digest.bytes;
        if (m->offsets[i] < 0)
            rc = gm_meta_exec(tx, err, "DELETE FROM packed WHERE digest = ?1", "b", digest, (size_t)32);
        else
            rc = gm_meta_exec(tx, err, "UPDATE packed SET pack = ?1, offset = ?2 WHERE digest = ?3", "iib", m->to, m->offsets[i],
                              digest, (size_t)32);
    }
    if (!rc && m->to)
        rc = gm_meta_exec(tx, err, "INSERT INTO packs(id, indexed_bytes, dead) VALUES(?1, ?2, 0)", "ii", m->to, m->size);
    return rc ? rc : gm_meta_exec(tx, err, "UPDATE packs SET dead = 1 WHERE id = ?1", "i", m->from);
}

/* Copy the live records of one pack behind each other into fd. Bytes are moved as they are: judging them is fsck's work. */
static gm_rc copy_live(gm_packs *p, struct move_call *m, int64_t *offsets, int to, gm_err *err)
{
    int from = -1;
    bool kept = false;
    char *bytes = malloc(RECORD_HEAD + GM_BLOB_SMALL_MAX);
    gm_rc rc = bytes ? gm_pack_fd(p, m->from, &from, &kept, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to copy a pack");
    m->size = PACK_HEAD;
    for (size_t i = 0; i < m->count && !rc; i++) {
        size_t len = RECORD_HEAD + (size_t)m->rows[i].place.size;
        if (offsets[i] < 0) continue;
        if (!gm_inside_read_at(from, bytes, len, m->rows[i].place.offset)) {
            rc = gm_err_set(err, GM_ECORRUPT, "pack %lld ends before a blob that it should hold", (long long)m->from);
            gm_err_hint(err, "`gristmill fsck` names the blobs. Nothing was removed from this pack.");
        } else if (!gm_inside_write_at(to, bytes, len, m->size, "pack.write")) {
            rc = gm_err_errno(err, errno, "write", "packs");
        }
        offsets[i] = m->size;
        m->size += (int64_t)len;
    }
    if (from >= 0 && !kept) (void)close(from);
    free(bytes);
    return rc;
}

/* Rewrite one pack without its dead records. offsets: 0 live, -1 dead. */
static gm_rc rewrite(gm_packs *p, struct move_call *m, int64_t *offsets, bool any_live, gm_err *err)
{
    int to = -1;
    char name[32] = "";
    gm_rc rc = GM_OK;
    if (any_live) {
        m->to = p->next_id++;
        gm_pack_name(m->to, name);
        rc = gm_pack_create(p, m->to, &to, err);
        if (!rc) rc = copy_live(p, m, offsets, to, err);
        if (!rc && (!gm_inside_sync(to, "pack.sync") || !gm_inside_sync(p->dir_fd, "pack.sync_dir")))
            rc = gm_err_errno(err, errno, "sync", name);
        if (to >= 0) (void)close(to);
    }
    if (rc) {
        if (name[0]) (void)unlinkat(p->dir_fd, name, 0); /* already failing; no row names it */
        return rc;
    }
    /* When the commit fails the new pack stays: a transaction whose sync failed may yet be found whole by the next open. */
    rc = p->options.records->write(p->options.meta, true, move_work, m, err);
    return rc ? rc : remove_dead(p, m->from, err);
}

static gm_rc sweep_pack(gm_packs *p, const index_row *rows, size_t count, const gm_digest_map *keep, bool dry_run,
                        gm_gc_report *io, gm_err *err)
{
    int64_t *offsets = malloc(count * sizeof(*offsets));
    if (!offsets) return gm_err_set(err, GM_ENOMEM, "not enough memory to rewrite a pack");
    gm_gc_report found = { 0 };
    for (size_t i = 0; i < count; i++) {
        bool live = gm_digest_map_get(keep, &rows[i].digest) != NULL;
        offsets[i] = live ? 0 : -1;
        *(live ? &found.blobs_kept : &found.blobs_removed) += 1;
        *(live ? &found.bytes_kept : &found.bytes_removed) += rows[i].place.size;
    }
    gm_rc rc = GM_OK;
    if (!dry_run && found.blobs_removed) {
        struct move_call m = { .from = rows[0].place.pack, .rows = rows, .offsets = offsets, .count = count };
        rc = rewrite(p, &m, offsets, found.blobs_kept > 0, err);
    }
    free(offsets);
    if (rc) return rc;
    io->blobs_kept += found.blobs_kept;
    io->bytes_kept += found.bytes_kept;
    io->blobs_removed += found.blobs_removed;
    io->bytes_removed += found.bytes_removed;
    return GM_OK;
}

gm_rc gm_packs_sweep(gm_packs *p, const gm_digest_map *keep, bool dry_run, gm_gc_report *io_report, gm_err *err)
{
    struct index_call index;
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to list the small blobs");
    gm_rc rc = list_index(p, a, &index, err);
    for (size_t i = 0, end; !rc && i < index.count; i = end) {
        for (end = i; end < index.count && index.rows[end].place.pack == index.rows[i].place.pack;) end++;
        rc = sweep_pack(p, index.rows + i, end - i, keep, dry_run, io_report, err);
    }
    if (!dry_run) { /* the pack being written may be gone: the next put makes a new one */
        gm_pack_forget_fds(p);
        if (p->active_fd >= 0) (void)close(p->active_fd);
        p->active_fd = -1;
    }
    gm_arena_free(a);
    return rc;
}
