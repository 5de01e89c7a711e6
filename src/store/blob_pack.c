/* blob_pack.c - appending to packs, finding and reading in them.
 *
 * Invariants
 *  (1) a put answers GM_OK only after its records, and the name of their pack, are on disk;
 *  (2) an index row is committed only after its record is on disk, and no later than the first name that leads to it: rows ride
 *      in the next transaction of the records, whatever that is about;
 *  (3) behind the last whole record of a pack there is nothing, or the rest of a write that failed, which is cut off before
 *      anything is appended;
 *  (4) the place of a record is in `pending` or in the index, never in neither: it leaves the one after it is committed to
 *      the other.
 * Threads: appends are short and take the mutex; the sync runs outside it, and one sync serves all who wait.
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

const char gm_pack_magic[PACK_HEAD + 1] = "gristmill pack 1";

void gm_pack_name(int64_t id, char out[32]) { (void)snprintf(out, 32, "%08lld.pack", (long long)id); }

void gm_pack_head(const gm_raw_digest *d, int64_t size, unsigned char out[RECORD_HEAD])
{
    memcpy(out, "GMB1\0\0\0\0", 8);
    for (int i = 0; i < 8; i++) out[8 + i] = (unsigned char)((uint64_t)size >> (8 * i));
    memcpy(out + 16, d->bytes, 32);
}

bool gm_pack_head_read(const unsigned char head[RECORD_HEAD], gm_raw_digest *out_digest, int64_t *out_size)
{
    uint64_t size = 0;
    for (int i = 0; i < 8; i++) size |= (uint64_t)head[8 + i] << (8 * i);
    memcpy(out_digest->bytes, head + 16, 32);
    *out_size = (int64_t)size;
    return memcmp(head, "GMB1\0\0\0\0", 8) == 0 && size <= GM_BLOB_SMALL_MAX;
}

gm_rc gm_packs_open(const gm_blob_options *options, gm_packs **out, gm_err *err)
{
    gm_packs *p = calloc(1, sizeof(*p));
    if (!p) return gm_err_set(err, GM_ENOMEM, "not enough memory to open the store");
    p->options = *options;
    p->dir_fd = p->active_fd = -1;
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_mutex_init(&p->recover_mutex, NULL);
    (void)pthread_cond_init(&p->moved, NULL);
    gm_rc rc = gm_inside_dir(options->root_fd, "packs", options->read_only, &p->dir_fd, err);
    if (rc) {
        gm_packs_close(p);
        return rc;
    }
    *out = p;
    return GM_OK;
}

void gm_pack_forget_fds(gm_packs *p)
{
    for (size_t i = 0; i < p->fds_count; i++) (void)close(p->fds[i].fd);
    p->fds_count = 0;
}

void gm_packs_close(gm_packs *p)
{
    if (!p) return;
    gm_pack_forget_fds(p);
    if (p->active_fd >= 0) (void)close(p->active_fd);
    if (p->dir_fd >= 0) (void)close(p->dir_fd);
    gm_digest_map_clear(&p->pending);
    free(p->places);
    free(p->names);
    free(p->marks);
    (void)pthread_mutex_destroy(&p->mutex);
    (void)pthread_mutex_destroy(&p->recover_mutex);
    (void)pthread_cond_destroy(&p->moved);
    free(p);
}

gm_rc gm_pack_stopped(gm_packs *p, gm_err *err)
{
    if (!atomic_load(p->options.stopped)) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EIO, "the store has stopped writing because a sync to the disk failed");
    gm_err_hint(err, "Check the disk and the space on it, then start again: everything that was acknowledged is kept.");
    return rc;
}

/* ---- appending; the mutex is held ------------------------------------------------------------------------- */

bool gm_pack_note(gm_packs *p, const gm_raw_digest *d, gm_place place)
{
    if (p->places_count == p->places_capacity) {
        size_t capacity = p->places_capacity ? p->places_capacity * 2 : 64;
        gm_place *places = realloc(p->places, capacity * sizeof(*places));
        if (places) p->places = places;
        gm_raw_digest *names = realloc(p->names, capacity * sizeof(*names));
        if (names) p->names = names;
        int64_t *marks = realloc(p->marks, capacity * sizeof(*marks));
        if (marks) p->marks = marks;
        if (!places || !names || !marks) return false;
        p->places_capacity = capacity;
    }
    if (!gm_digest_map_put(&p->pending, d, (int64_t)p->places_count)) return false;
    p->appended += RECORD_HEAD + place.size;
    p->places[p->places_count] = place;
    p->names[p->places_count] = *d;
    p->marks[p->places_count++] = p->appended;
    return true;
}

gm_rc gm_pack_create(gm_packs *p, int64_t id, int *out_fd, gm_err *err)
{
    char name[32];
    gm_pack_name(id, name);
    int fault = gm_fault("pack.create");
    int fd = fault ? (errno = fault, -1) : gm_inside_open(p->dir_fd, name, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd < 0) return gm_inside_error(err, errno, "create", name);
    if (!gm_inside_write_at(fd, gm_pack_magic, PACK_HEAD, 0, "pack.write")) {
        gm_rc rc = gm_err_errno(err, errno, "write", name);
        (void)close(fd);
        (void)unlinkat(p->dir_fd, name, 0); /* already failing; recovery removes a pack without a head */
        return rc;
    }
    *out_fd = fd;
    return GM_OK;
}

static gm_rc sync_active(gm_packs *p, gm_err *err);

/* See to it that there is a pack with room. */
static gm_rc choose_pack(gm_packs *p, gm_err *err)
{
    while (p->active_fd >= 0 && p->end >= PACK_MAX) {
        while (p->syncing) (void)pthread_cond_wait(&p->moved, &p->mutex);
        if (p->active_fd < 0 || p->end < PACK_MAX) continue; /* another thread has changed it meanwhile */
        gm_rc rc = sync_active(p, err);
        if (rc) return rc;
        (void)close(p->active_fd);
        p->active_fd = -1;
    }
    if (p->active_fd >= 0) return GM_OK;
    gm_rc rc = gm_pack_create(p, p->next_id, &p->active_fd, err);
    if (rc) return rc;
    p->active_id = p->next_id++;
    p->end = PACK_HEAD;
    p->dir_changed = true;
    return GM_OK;
}

/* Write records [count] with one write. */
static gm_rc append(gm_packs *p, const gm_blob_item *const *items, size_t count, gm_err *err)
{
    gm_rc rc = gm_pack_stopped(p, err);
    if (!rc) rc = choose_pack(p, err);
    if (rc) return rc;
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++) total += RECORD_HEAD + items[i]->len;
    unsigned char *bytes = malloc(total);
    if (!bytes) return gm_err_set(err, GM_ENOMEM, "not enough memory to keep %zu small blobs", count);
    for (size_t i = 0; i < count; i++) {
        gm_pack_head(&items[i]->digest, (int64_t)items[i]->len, bytes + at);
        if (items[i]->len) memcpy(bytes + at + RECORD_HEAD, items[i]->bytes, items[i]->len);
        at += RECORD_HEAD + items[i]->len;
    }
    if (!gm_inside_write_at(p->active_fd, bytes, total, p->end, "pack.write")) {
        rc = gm_err_errno(err, errno, "write", "packs");
        if (ftruncate(p->active_fd, p->end) != 0) { /* see (3): leave that pack to the next recovery */
            (void)close(p->active_fd);
            p->active_fd = -1;
        }
    }
    free(bytes);
    for (size_t i = 0; i < count && !rc; i++) {
        gm_place place = { p->active_id, p->end, (int64_t)items[i]->len };
        if (!gm_pack_note(p, &items[i]->digest, place)) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to index a blob");
        else p->end += RECORD_HEAD + place.size; /* without memory the rest is overwritten by the next append */
    }
    return rc;
}

/* Sync the active pack, and the folder when it is new. Called with the mutex, which is given up meanwhile. */
static gm_rc sync_active(gm_packs *p, gm_err *err)
{
    int64_t target = p->appended;
    int fd = p->active_fd;
    bool with_dir = p->dir_changed;
    if (p->synced >= target && !with_dir) return GM_OK;
    p->syncing = true;
    (void)pthread_mutex_unlock(&p->mutex);
    bool ok = gm_inside_sync(fd, "pack.sync") && (!with_dir || gm_inside_sync(p->dir_fd, "pack.sync_dir"));
    int saved = errno;
    (void)pthread_mutex_lock(&p->mutex);
    p->syncing = false;
    if (ok) {
        p->synced = target;
        if (with_dir) p->dir_changed = false;
    } else {
        atomic_store(p->options.stopped, true);
    }
    (void)pthread_cond_broadcast(&p->moved);
    return ok ? GM_OK : gm_err_errno(err, saved, "sync", "packs");
}

static gm_rc wait_synced(gm_packs *p, int64_t mark, gm_err *err)
{
    gm_rc rc = GM_OK;
    while (!rc && p->synced < mark) {
        rc = gm_pack_stopped(p, err);
        if (rc) break;
        if (p->syncing) (void)pthread_cond_wait(&p->moved, &p->mutex);
        else rc = sync_active(p, err);
    }
    return rc;
}

/* ---- finding ---------------------------------------------------------------------------------------------- */

gm_rc gm_pack_place_check(const gm_place *place, gm_err *err)
{
    if (place->size >= 0 && place->size <= GM_BLOB_SMALL_MAX && place->offset >= PACK_HEAD && place->offset <= 2 * (int64_t)PACK_MAX)
        return GM_OK;
    return gm_err_set(err, GM_ECORRUPT, "the index of pack %lld is damaged", (long long)place->pack);
}

struct find_call {
    const gm_raw_digest *digests; /* [count] */
    size_t count;
    gm_place *places; /* [count]; size -1 = unknown so far */
};

static gm_rc find_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct find_call *call = ctx;
    gm_rc rc = GM_OK;
    for (size_t i = 0; i < call->count && !rc; i++) {
        gm_place *place = &call->places[i];
        gm_stmt *st = NULL;
        bool row = false;
        if (place->size >= 0) continue;
        rc = gm_meta_query(tx, &st, err, "SELECT pack, offset, size FROM packed WHERE digest = ?1", "b",
                           (const void *)call->digests[i].bytes, (size_t)32);
        if (!rc) rc = gm_meta_next(st, &row, err);
        if (rc || !row) continue;
        gm_meta_reader r = { .st = st };
        place->pack = gm_meta_read_int(&r);
        place->offset = gm_meta_read_int(&r);
        place->size = gm_meta_read_int(&r);
        gm_meta_done(st);
        rc = gm_pack_place_check(place, err);
    }
    return rc;
}

/* Places of many; size -1 where there is none. First `pending`, then the index: see (4). */
static gm_rc find_places(gm_packs *p, const gm_raw_digest *d, size_t count, gm_place *places, gm_err *err)
{
    size_t missing = count;
    gm_rc rc = p->options.read_only ? GM_OK : gm_packs_recover(p, err);
    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < count && !rc; i++) {
        const int64_t *at = gm_digest_map_get(&p->pending, &d[i]);
        places[i] = at ? p->places[*at] : (gm_place){ .size = -1 };
        if (at) missing--;
    }
    (void)pthread_mutex_unlock(&p->mutex);
    if (rc || missing == 0) return rc;
    struct find_call call = { d, count, places };
    return p->options.records->read(p->options.meta, find_work, &call, err);
}

gm_rc gm_packs_find_many(gm_packs *p, const gm_raw_digest *d, size_t count, int64_t *out_sizes, gm_err *err)
{
    gm_place one, *places = count == 1 ? &one : malloc((count ? count : 1) * sizeof(*places));
    if (!places) return gm_err_set(err, GM_ENOMEM, "not enough memory to look for %zu blobs", count);
    gm_rc rc = find_places(p, d, count, places, err);
    for (size_t i = 0; i < count && !rc; i++) out_sizes[i] = places[i].size;
    if (places != &one) free(places);
    return rc;
}

/* ---- put -------------------------------------------------------------------------------------------------- */

/* Of the items, those to be written: not there, or to be written again, and each digest once. out [count]. */
static gm_rc choose_new(gm_packs *p, const gm_blob_item *items, size_t count, const gm_blob_item **out, size_t *out_count,
                        gm_err *err)
{
    gm_digest_map seen = { 0 };
    gm_raw_digest *digests = malloc(count * sizeof(*digests));
    int64_t *sizes = malloc(count * sizeof(*sizes));
    gm_rc rc = digests && sizes ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to keep %zu small blobs", count);
    for (size_t i = 0; i < count && !rc; i++) digests[i] = items[i].digest;
    if (!rc) rc = gm_packs_find_many(p, digests, count, sizes, err);
    size_t kept = 0;
    for (size_t i = 0; i < count && !rc; i++) {
        gm_assert(items[i].len <= GM_BLOB_SMALL_MAX);
        if ((sizes[i] >= 0 && !items[i].again) || gm_digest_map_get(&seen, &digests[i])) continue;
        if (!gm_digest_map_put(&seen, &digests[i], 1)) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to keep small blobs");
        out[kept++] = &items[i];
    }
    gm_digest_map_clear(&seen);
    free(digests);
    free(sizes);
    *out_count = kept;
    return rc;
}

gm_rc gm_packs_put(gm_packs *p, const gm_blob_item *items, size_t count, bool sync, gm_err *err)
{
    if (count == 0 && !sync) return GM_OK;
    size_t fresh_count = 0;
    const gm_blob_item **fresh = malloc((count ? count : 1) * sizeof(const gm_blob_item *));
    if (!fresh) return gm_err_set(err, GM_ENOMEM, "not enough memory to keep %zu small blobs", count);
    gm_rc rc = count ? choose_new(p, items, count, fresh, &fresh_count, err) : GM_OK;
    (void)pthread_mutex_lock(&p->mutex);
    if (!rc && fresh_count) rc = append(p, fresh, fresh_count, err);
    /* Waiting for all that was appended covers blobs that another thread has written and not yet synced. */
    if (!rc && sync) rc = wait_synced(p, p->appended, err);
    (void)pthread_mutex_unlock(&p->mutex);
    free(fresh);
    return rc;
}

/* ---- index rows, carried by the transactions of the records ------------------------------------------------ */

bool gm_packs_has_unindexed(gm_packs *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    bool some = p->places_count > 0;
    (void)pthread_mutex_unlock(&p->mutex);
    return some;
}

gm_rc gm_packs_before_commit(gm_packs *p, gm_tx *tx, gm_err *err)
{
    (void)pthread_mutex_lock(&p->mutex);
    size_t count = 0;
    while (count < p->places_count && p->marks[count] <= p->synced) count++;
    gm_place *places = count ? malloc(count * sizeof(*places)) : NULL;
    gm_raw_digest *names = count ? malloc(count * sizeof(*names)) : NULL;
    if (places && names) {
        memcpy(places, p->places, count * sizeof(*places));
        memcpy(names, p->names, count * sizeof(*names));
        p->flushing = count;
    }
    (void)pthread_mutex_unlock(&p->mutex);
    gm_rc rc = count && (!places || !names) ? gm_err_set(err, GM_ENOMEM, "not enough memory to index %zu blobs", count) : GM_OK;
    for (size_t i = 0; i < count && !rc; i++) {
        rc = gm_meta_exec(tx, err,
                          "INSERT INTO packed(digest, pack, offset, size) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(digest)"
                          " DO UPDATE SET pack = excluded.pack, offset = excluded.offset, size = excluded.size",
                          "biii", (const void *)names[i].bytes, (size_t)32, places[i].pack, places[i].offset, places[i].size);
        bool last_of_pack = i + 1 == count || places[i + 1].pack != places[i].pack;
        if (!rc && last_of_pack)
            rc = gm_meta_exec(tx, err,
                              "INSERT INTO packs(id, indexed_bytes, dead) VALUES(?1, ?2, 0) ON CONFLICT(id)"
                              " DO UPDATE SET indexed_bytes = excluded.indexed_bytes",
                              "ii", places[i].pack, places[i].offset + RECORD_HEAD + places[i].size);
    }
    free(places);
    free(names);
    return rc;
}

void gm_packs_after_commit(gm_packs *p, bool committed)
{
    (void)pthread_mutex_lock(&p->mutex);
    size_t n = committed ? p->flushing : 0, left = p->places_count - n;
    p->flushing = 0;
    if (n) {
        memmove(p->places, p->places + n, left * sizeof(*p->places));
        memmove(p->names, p->names + n, left * sizeof(*p->names));
        memmove(p->marks, p->marks + n, left * sizeof(*p->marks));
        p->places_count = left;
        gm_digest_map_clear(&p->pending);
        for (size_t i = 0; i < left; i++)
            if (!gm_digest_map_put(&p->pending, &p->names[i], (int64_t)i)) p->places_count = 0; /* found by the next recovery */
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

gm_rc gm_pack_fd(gm_packs *p, int64_t id, int *out_fd, bool *out_kept, gm_err *err)
{
    char name[32];
    int64_t size = 0;
    gm_rc rc = GM_OK;
    (void)pthread_mutex_lock(&p->mutex);
    size_t i = 0;
    while (i < p->fds_count && p->fds[i].id != id) i++;
    *out_kept = i < PACK_FDS;
    if (i < p->fds_count) {
        *out_fd = p->fds[i].fd;
    } else {
        gm_pack_name(id, name);
        rc = gm_inside_file(p->dir_fd, name, out_fd, &size, err);
        if (!rc && *out_kept) {
            p->fds[i].id = id;
            p->fds[i].fd = *out_fd;
            p->fds_count++;
        }
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return rc;
}

static gm_rc read_record(gm_packs *p, const gm_raw_digest *d, const gm_place *place, void *into, gm_err *err)
{
    unsigned char head[RECORD_HEAD];
    gm_raw_digest found;
    int64_t size = 0;
    int fd = -1;
    bool kept = false;
    gm_rc rc = gm_pack_fd(p, place->pack, &fd, &kept, err);
    if (rc) return rc;
    if (!gm_inside_read_at(fd, head, sizeof(head), place->offset) ||
        !gm_inside_read_at(fd, into, (size_t)place->size, place->offset + RECORD_HEAD))
        rc = gm_err_set(err, GM_ECORRUPT, "pack %lld ends before a blob that it should hold", (long long)place->pack);
    else if (!gm_pack_head_read(head, &found, &size) || size != place->size || memcmp(found.bytes, d->bytes, 32) != 0)
        rc = gm_err_set(err, GM_ECORRUPT, "pack %lld holds something else at byte %lld", (long long)place->pack,
                        (long long)place->offset);
    if (!kept) (void)close(fd);
    return rc;
}

gm_rc gm_packs_read(gm_packs *p, const gm_raw_digest *d, void *into, int64_t size, gm_err *err)
{
    gm_place place;
    gm_rc rc = GM_ENOTFOUND;
    for (int attempt = 0; attempt < 2 && rc == GM_ENOTFOUND; attempt++) { /* a gc may have moved it since we looked */
        rc = find_places(p, d, 1, &place, err);
        if (rc) return rc;
        if (place.size < 0) return gm_err_set(err, GM_ENOTFOUND, "the blob is in no pack");
        if (place.size != size) return gm_err_set(err, GM_ECORRUPT, "a blob has changed its size");
        rc = read_record(p, d, &place, into, err);
    }
    return rc == GM_ENOTFOUND ? gm_err_set(err, GM_ECORRUPT, "pack %lld is missing", (long long)place.pack) : rc;
}
