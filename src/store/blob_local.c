/* blob_local.c - blobs in a folder: small ones in packs (blob_pack.c), each larger one a file under objects/.
 *
 * Invariants
 *  (1) a file under objects/ holds exactly the bytes that its name digests, and is never written again;
 *  (2) a file under tmp/ belongs to nobody after a restart and may be removed (files of readers carry their pid and wait for its end);
 *  (3) put answers GM_OK only after the bytes and the name are on disk.
 * (1) and (3) follow from the order write, sync, rename, sync the folder.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/blob_pack.h"
#include "store/inside.h"

enum { CHUNK = 256 << 10 };

struct gm_blobs {
    gm_blob_options options;
    gm_packs *packs;
    int objects_fd, tmp_fd;
    atomic_uint next_tmp;
    atomic_bool shard_synced[256]; /* objects/ was synced since the folder objects/xx was there */
};

/* ---- tmp/ -------------------------------------------------------------------------------------------------- */

/* "w-PID-N" of a writer, "r-PID-<digest>" of a reader. */
static void tmp_name(gm_blobs *b, char out[64])
{
    (void)snprintf(out, 64, "w-%ld-%u", (long)getpid(), atomic_fetch_add(&b->next_tmp, 1));
}

static void reader_name(const gm_raw_digest *d, char out[128])
{
    gm_digest hex;
    gm_digest_hex(d, &hex);
    (void)snprintf(out, 128, "r-%ld-%s", (long)getpid(), hex.hex);
}

/* Remove from tmp/ what nobody uses: all files when `all_mine` is false and their process is gone or was a writer (we hold
 * the lock, so it is gone); our own reader files when it is true. */
static void clean_tmp(gm_blobs *b, bool all_mine)
{
    int fd = openat(b->tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) (void)close(fd);
        return; /* leftovers are harmless, see (2) */
    }
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] != 'w' && e->d_name[0] != 'r') continue;
        long pid = e->d_name[1] == '-' ? strtol(e->d_name + 2, NULL, 10) : 0;
        bool reader = e->d_name[0] == 'r';
        bool mine = pid == (long)getpid();
        bool gone = !mine && (!reader || pid <= 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH));
        if (all_mine ? mine && reader : gone) (void)unlinkat(b->tmp_fd, e->d_name, 0);
    }
    (void)closedir(dir);
}

/* ---- objects/ ---------------------------------------------------------------------------------------------- */

static void object_name(const gm_raw_digest *d, char out[72])
{
    gm_digest hex;
    gm_digest_hex(d, &hex);
    (void)snprintf(out, 72, "%.2s/%s", hex.hex, hex.hex + 2);
}

/* The folder objects/xx, made durable the first time that this handle uses it. */
static gm_rc open_shard(gm_blobs *b, const gm_raw_digest *d, int *out_fd, gm_err *err)
{
    char name[3];
    (void)snprintf(name, sizeof(name), "%02x", d->bytes[0]);
    gm_rc rc = gm_inside_dir(b->objects_fd, name, false, out_fd, err);
    if (rc || atomic_load(&b->shard_synced[d->bytes[0]])) return rc;
    if (!gm_inside_sync(b->objects_fd, "blob.sync_dir")) {
        rc = gm_err_errno(err, errno, "sync", "objects");
        (void)close(*out_fd);
        atomic_store(b->options.stopped, true);
        return rc;
    }
    atomic_store(&b->shard_synced[d->bytes[0]], true);
    return GM_OK;
}

/* Give the file from_name of from_dir its name under objects/. */
static gm_rc name_object(gm_blobs *b, const gm_raw_digest *d, int from_dir, const char *from_name, gm_err *err)
{
    char name[72];
    int shard = -1;
    object_name(d, name);
    gm_rc rc = open_shard(b, d, &shard, err);
    if (rc) return rc;
    int fault = gm_fault("blob.rename");
    if (fault || renameat(from_dir, from_name, shard, name + 3) != 0) {
        rc = gm_err_errno(err, fault ? fault : errno, "rename a file to", name);
    } else if (!gm_inside_sync(shard, "blob.sync_dir")) { /* the blob may be there; putting it again is harmless */
        rc = gm_err_errno(err, errno, "sync", "objects");
        atomic_store(b->options.stopped, true);
    }
    (void)close(shard);
    return rc;
}

/* Read fd to its end: digest, and a copy to `to` when that is >= 0. */
static gm_rc read_through(int fd, int to, const char *path, gm_raw_digest *out, int64_t *out_size, gm_err *err)
{
    gm_digest hex;
    char *bytes = malloc(CHUNK);
    gm_hasher *h = bytes ? gm_hasher_new() : NULL;
    gm_rc rc = h ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", path);
    int64_t at = 0;
    while (!rc) {
        ssize_t n = pread(fd, bytes, CHUNK, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = gm_err_errno(err, errno, "read", path);
        if (n <= 0) break;
        gm_hasher_bytes(h, bytes, (size_t)n);
        if (to >= 0 && !gm_inside_write_at(to, bytes, (size_t)n, at, "blob.write"))
            rc = gm_err_errno(err, errno, "write a blob of", path);
        at += n;
    }
    if (h) gm_hasher_finish(h, &hex);
    free(bytes);
    if (rc) return rc;
    gm_assert(gm_digest_raw(&hex, out));
    *out_size = at;
    return GM_OK;
}

/* Copy what fd holds to a file of tmp/, synced. A reflink where the file system can, so that no byte is copied. */
static gm_rc copy_to_tmp(gm_blobs *b, int fd, const char *path, const char *tmp, gm_raw_digest *out, int64_t *out_size,
                         gm_err *err)
{
    int fault = gm_fault("blob.create");
    int to = fault ? (errno = fault, -1) : gm_inside_open(b->tmp_fd, tmp, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (to < 0) return gm_inside_error(err, errno, "create", tmp);
    bool cloned = ioctl(to, FICLONE, fd) == 0;
    gm_rc rc = read_through(cloned ? to : fd, cloned ? -1 : to, path, out, out_size, err);
    if (!rc && fchmod(to, 0444) != 0) rc = gm_err_errno(err, errno, "protect", tmp);
    if (!rc && !gm_inside_sync(to, "blob.sync")) {
        rc = gm_err_errno(err, errno, "sync", tmp);
        atomic_store(b->options.stopped, true);
    }
    (void)close(to);
    return rc;
}

/* Move path itself into the store; GM_EUNSUPPORTED when it cannot be (another file system, or more than one name). */
static gm_rc take_file(gm_blobs *b, int fd, const char *path, gm_raw_digest *out, int64_t *out_size, gm_err *err)
{
    struct stat by_fd, by_name, tmp;
    if (fstat(fd, &by_fd) != 0 || lstat(path, &by_name) != 0 || fstat(b->tmp_fd, &tmp) != 0 || by_fd.st_ino != by_name.st_ino ||
        by_fd.st_dev != by_name.st_dev || by_fd.st_dev != tmp.st_dev || by_fd.st_nlink != 1)
        return gm_err_set(err, GM_EUNSUPPORTED, "\"%s\" cannot be moved", path);
    gm_rc rc = read_through(fd, -1, path, out, out_size, err);
    if (!rc && fchmod(fd, 0444) != 0) rc = gm_err_errno(err, errno, "protect", path);
    if (!rc && !gm_inside_sync(fd, "blob.sync")) {
        rc = gm_err_errno(err, errno, "sync", path);
        atomic_store(b->options.stopped, true);
    }
    return rc ? rc : name_object(b, out, AT_FDCWD, path, err);
}

static gm_rc put_file(gm_blobs *b, int fd, const char *path, bool take, gm_digest *out, int64_t *out_size, gm_err *err)
{
    gm_raw_digest digest;
    int64_t size = 0;
    char tmp[64];
    if (atomic_load(b->options.stopped)) return gm_err_set(err, GM_EIO, "the store has stopped writing because a sync failed");
    gm_rc rc = take ? take_file(b, fd, path, &digest, &size, err) : GM_EUNSUPPORTED;
    if (rc == GM_EUNSUPPORTED) {
        tmp_name(b, tmp);
        rc = copy_to_tmp(b, fd, path, tmp, &digest, &size, err);
        if (!rc) rc = name_object(b, &digest, b->tmp_fd, tmp, err);
        if (rc) (void)unlinkat(b->tmp_fd, tmp, 0); /* already failing; a leftover is harmless, see (2) */
        else if (take) (void)unlink(path);         /* the bytes are safe; a leftover only wastes space */
    }
    if (rc) return gm_err_ctx(err, rc, "keeping \"%.100s\"", path);
    gm_digest_hex(&digest, out);
    *out_size = size;
    return GM_OK;
}

/* ---- finding and reading ------------------------------------------------------------------------------------ */

static gm_rc find(gm_blobs *b, const gm_raw_digest *d, int64_t *out_size, gm_err *err)
{
    char name[72];
    gm_rc rc = gm_packs_find_many(b->packs, d, 1, out_size, err);
    if (rc || *out_size >= 0) return rc;
    int fd = -1;
    object_name(d, name);
    rc = gm_inside_file(b->objects_fd, name, &fd, out_size, err);
    if (!rc) (void)close(fd);
    if (rc == GM_ENOTFOUND) *out_size = -1;
    return rc == GM_ENOTFOUND ? GM_OK : rc;
}

static gm_rc find_many(gm_blobs *b, const gm_raw_digest *d, size_t count, int64_t *out_sizes, gm_err *err)
{
    return gm_packs_find_many(b->packs, d, count, out_sizes, err);
}

static gm_rc read_blob(gm_blobs *b, const gm_raw_digest *d, void *into, int64_t size, gm_err *err)
{
    char name[72];
    int fd = -1;
    int64_t found = 0;
    if (size <= GM_BLOB_SMALL_MAX) {
        gm_rc rc = gm_packs_read(b->packs, d, into, size, err);
        if (rc != GM_ENOTFOUND) return rc;
    }
    object_name(d, name);
    gm_rc rc = gm_inside_file(b->objects_fd, name, &fd, &found, err);
    if (rc) return rc;
    if (found != size || !gm_inside_read_at(fd, into, (size_t)size, 0))
        rc = gm_err_set(err, GM_ECORRUPT, "\"objects/%s\" cannot be read to its end", name);
    (void)close(fd);
    return rc;
}

/* A packed blob gets a file in tmp/ under a name of this process; made once, removed on close. */
static gm_rc path_of(gm_blobs *b, const gm_raw_digest *d, int64_t size, gm_arena *a, const char **out_path, gm_err *err)
{
    char name[128], made[64];
    int64_t packed = -1;
    gm_rc rc = gm_packs_find_many(b->packs, d, 1, &packed, err);
    if (rc) return rc;
    if (packed < 0) {
        object_name(d, name);
        *out_path = gm_arena_printf(a, "%s/objects/%s", b->options.root, name);
        return *out_path ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a path");
    }
    reader_name(d, name);
    const char *path = gm_arena_printf(a, "%s/tmp/%s", b->options.root, name);
    void *bytes = gm_arena_alloc(a, (size_t)size + 1, 1);
    if (!path || !bytes) return gm_err_set(err, GM_ENOMEM, "not enough memory for a file of %lld bytes", (long long)size);
    if (faccessat(b->tmp_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        rc = gm_packs_read(b->packs, d, bytes, size, err);
        if (rc) return rc;
        tmp_name(b, made);
        int fd = gm_inside_open(b->tmp_fd, made, O_RDWR | O_CREAT | O_EXCL, 0444);
        if (fd < 0) return gm_inside_error(err, errno, "create", made);
        bool ok = gm_inside_write_at(fd, bytes, (size_t)size, 0, "blob.extract") && renameat(b->tmp_fd, made, b->tmp_fd, name) == 0;
        if (!ok) rc = gm_err_errno(err, errno, "write", path);
        (void)close(fd);
        if (!ok) (void)unlinkat(b->tmp_fd, made, 0); /* already failing; see (2) */
    }
    if (!rc) *out_path = path;
    return rc;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

typedef gm_rc (*object_visit)(void *ctx, int shard_fd, const char *name, const gm_raw_digest *d, int64_t size, gm_err *err);

static gm_rc each_in_shard(int shard, const char *shard_name, object_visit visit, void *ctx, gm_err *err)
{
    gm_rc rc = GM_OK;
    int fd = openat(shard, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        rc = gm_err_errno(err, errno, "open the folder", shard_name);
        if (fd >= 0) (void)close(fd);
        return rc;
    }
    for (struct dirent *e; !rc && (e = readdir(dir));) {
        gm_digest hex;
        gm_raw_digest d;
        struct stat st;
        if (snprintf(hex.hex, sizeof(hex.hex), "%s%.62s", shard_name, e->d_name) != 64 || strlen(e->d_name) != 62) continue;
        if (!gm_digest_raw(&hex, &d)) continue;
        if (fstatat(shard, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue; /* removed meanwhile */
        rc = visit(ctx, shard, e->d_name, &d, st.st_size, err);
    }
    (void)closedir(dir);
    return rc;
}

static gm_rc each_object(gm_blobs *b, object_visit visit, void *ctx, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (int i = 0; i < 256 && !rc; i++) {
        char name[3];
        int shard = -1;
        (void)snprintf(name, sizeof(name), "%02x", (unsigned)i);
        rc = gm_inside_dir(b->objects_fd, name, true, &shard, err);
        if (rc == GM_ENOTFOUND) {
            rc = GM_OK;
            continue;
        }
        if (rc) break;
        rc = each_in_shard(shard, name, visit, ctx, err);
        (void)close(shard);
    }
    return rc;
}

struct each_call {
    gm_rc (*visit)(void *ctx, const gm_raw_digest *d, int64_t size, gm_err *err);
    void *ctx;
};

static gm_rc pass_on(void *ctx, int shard, const char *name, const gm_raw_digest *d, int64_t size, gm_err *err)
{
    (void)shard, (void)name;
    struct each_call *call = ctx;
    return call->visit(call->ctx, d, size, err);
}

static gm_rc each(gm_blobs *b, gm_rc (*visit)(void *ctx, const gm_raw_digest *d, int64_t size, gm_err *err), void *ctx,
                  gm_err *err)
{
    struct each_call call = { visit, ctx };
    gm_rc rc = gm_packs_each(b->packs, visit, ctx, err);
    return rc ? rc : each_object(b, pass_on, &call, err);
}

struct sweep_call {
    const gm_digest_map *keep;
    bool dry_run;
    gm_gc_report *io;
};

static gm_rc sweep_object(void *ctx, int shard, const char *name, const gm_raw_digest *d, int64_t size, gm_err *err)
{
    struct sweep_call *call = ctx;
    bool live = gm_digest_map_get(call->keep, d) != NULL;
    if (!live && !call->dry_run) {
        int fault = gm_fault("blob.unlink");
        if (fault || (unlinkat(shard, name, 0) != 0 && errno != ENOENT))
            return gm_err_errno(err, fault ? fault : errno, "remove", name);
    }
    *(live ? &call->io->blobs_kept : &call->io->blobs_removed) += 1;
    *(live ? &call->io->bytes_kept : &call->io->bytes_removed) += size;
    return GM_OK;
}

static gm_rc sweep(gm_blobs *b, const gm_digest_map *keep, bool dry_run, gm_gc_report *io_report, gm_err *err)
{
    struct sweep_call call = { keep, dry_run, io_report };
    gm_rc rc = gm_packs_sweep(b->packs, keep, dry_run, io_report, err);
    return rc ? rc : each_object(b, sweep_object, &call, err);
}

/* ---- the backend -------------------------------------------------------------------------------------------- */

static void close_blobs(gm_blobs *b)
{
    if (!b) return;
    if (b->tmp_fd >= 0) {
        clean_tmp(b, true);
        (void)close(b->tmp_fd);
    }
    if (b->objects_fd >= 0) (void)close(b->objects_fd);
    gm_packs_close(b->packs);
    free(b);
}

static gm_rc open_blobs(const gm_blob_options *options, gm_blobs **out, gm_err *err)
{
    gm_blobs *b = calloc(1, sizeof(*b));
    if (!b) return gm_err_set(err, GM_ENOMEM, "not enough memory to open the store");
    b->options = *options;
    b->objects_fd = b->tmp_fd = -1;
    gm_rc rc = gm_inside_dir(options->root_fd, "objects", options->read_only, &b->objects_fd, err);
    if (!rc) rc = gm_inside_dir(options->root_fd, "tmp", options->read_only, &b->tmp_fd, err);
    if (!rc) rc = gm_packs_open(options, &b->packs, err);
    if (rc) {
        close_blobs(b);
        return rc;
    }
    if (!options->read_only) clean_tmp(b, false);
    *out = b;
    return GM_OK;
}

static gm_rc put(gm_blobs *b, const gm_blob_item *items, size_t count, bool sync, gm_err *err)
{
    for (size_t i = 0; i < count; i++) {
        char name[128];
        if (!items[i].again) continue;
        reader_name(&items[i].digest, name);
        (void)unlinkat(b->tmp_fd, name, 0); /* made from the damaged bytes, if at all */
    }
    return gm_packs_put(b->packs, items, count, sync, err);
}
static gm_rc check(gm_blobs *b, void (*say)(void *ctx, const char *line), void *ctx, int64_t *out_problems,
                   int64_t *out_repaired, gm_err *err)
{
    return gm_packs_check(b->packs, say, ctx, out_problems, out_repaired, err);
}
static gm_rc before_commit(gm_blobs *b, gm_tx *tx, gm_err *err) { return gm_packs_before_commit(b->packs, tx, err); }
static void after_commit(gm_blobs *b, bool committed) { gm_packs_after_commit(b->packs, committed); }
static bool has_unindexed(gm_blobs *b) { return gm_packs_has_unindexed(b->packs); }

const gm_blob_backend gm_blob_local = {
    .name = "folder",
    .open = open_blobs,
    .close = close_blobs,
    .put = put,
    .put_file = put_file,
    .find = find,
    .find_many = find_many,
    .read = read_blob,
    .path = path_of,
    .each = each,
    .check = check,
    .sweep = sweep,
    .before_commit = before_commit,
    .after_commit = after_commit,
    .has_unindexed = has_unindexed,
};
