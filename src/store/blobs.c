/* blobs.c - the blob functions of store.h: digests made and checked here, bytes moved by the backend.
 *
 * Whatever is read is checked against its name. A blob found damaged is remembered, and the next put of the same bytes writes them
 * again, so that running a step again heals the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/inside.h"
#include "store/store_internal.h"

enum { BATCH_BYTES = 4 << 20, BATCH_FILES = 1024 };

static gm_rc raw_of(const gm_digest *d, gm_raw_digest *out, gm_err *err)
{
    return gm_digest_raw(d, out) ? GM_OK
                                 : gm_err_set(err, GM_EINVALID, "\"%.70s\" is not a digest: 64 lower-case hex digits", d->hex);
}

/* ---- damaged blobs ------------------------------------------------------------------------------------------- */

bool gm_blob_is_damaged(gm_store *s, const gm_raw_digest *d)
{
    (void)pthread_mutex_lock(&s->seen_mutex);
    const int64_t *at = gm_digest_map_get(&s->damaged, d);
    bool damaged = at && *at;
    (void)pthread_mutex_unlock(&s->seen_mutex);
    return damaged;
}

static void set_damaged(gm_store *s, const gm_raw_digest *d, bool damaged)
{
    (void)pthread_mutex_lock(&s->seen_mutex);
    if (damaged || gm_digest_map_get(&s->damaged, d)) (void)gm_digest_map_put(&s->damaged, d, damaged); /* else found again */
    (void)pthread_mutex_unlock(&s->seen_mutex);
}

static gm_rc damaged_error(gm_store *s, const gm_raw_digest *d, gm_err *err)
{
    gm_digest hex;
    gm_digest_hex(d, &hex);
    set_damaged(s, d, true);
    gm_rc rc = gm_err_set(err, GM_ECORRUPT, "the bytes of blob %s do not match their digest", hex.hex);
    gm_err_hint(err, "Nothing was taken from it. `gristmill fsck` lists all such blobs; running the step that made it writes it again.");
    return rc;
}

static gm_rc missing_error(const gm_raw_digest *d, gm_err *err)
{
    gm_digest hex;
    gm_digest_hex(d, &hex);
    return gm_err_set(err, GM_ENOTFOUND, "there is no blob %s in the store", hex.hex);
}

/* ---- put ----------------------------------------------------------------------------------------------------- */

/* A larger blob from memory takes the way of a file, through an unnamed one. */
static gm_rc put_large(gm_store *s, const void *bytes, size_t len, gm_digest *out, gm_err *err)
{
    int64_t size = 0;
    int fd = memfd_create("blob", MFD_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "make", "a file in memory");
    gm_rc rc = gm_inside_write_at(fd, bytes, len, 0, "blob.stage") ? GM_OK : gm_err_errno(err, errno, "write", "a file in memory");
    if (!rc) rc = s->blob_backend->put_file(s->blobs, fd, "a blob", false, out, &size, err);
    (void)close(fd);
    return rc;
}

/* A small blob that is there already: do its kept bytes still equal these? One short read, so that doing a step again mends what it made. */
static bool kept_differs(gm_store *s, const gm_raw_digest *d, const void *bytes, size_t len)
{
    int64_t size = -1;
    if (s->blob_backend->find(s->blobs, d, &size, NULL) != GM_OK || size != (int64_t)len) return false;
    char *kept = malloc(len + 1);
    bool differs = kept && (s->blob_backend->read(s->blobs, d, kept, size, NULL) != GM_OK || memcmp(kept, bytes, len) != 0);
    free(kept);
    return differs;
}

gm_rc gm_blob_put(gm_store *s, const void *bytes, size_t len, gm_digest *out, gm_err *err)
{
    gm_rc rc = gm_store_writable(s, err);
    if (rc) return rc;
    gm_digest digest;
    gm_blob_item item = { .bytes = bytes, .len = len };
    gm_digest_of(bytes, len, &digest);
    gm_assert(gm_digest_raw(&digest, &item.digest));
    item.again = gm_blob_is_damaged(s, &item.digest);
    (void)pthread_rwlock_rdlock(&s->care);
    int64_t known = -1;
    if (len <= GM_BLOB_SMALL_MAX) {
        item.again = item.again || kept_differs(s, &item.digest, bytes, len);
        rc = s->blob_backend->put(s->blobs, &item, 1, true, err);
    } else {
        rc = s->blob_backend->find(s->blobs, &item.digest, &known, err);
        if (!rc && (known != (int64_t)len || item.again)) rc = put_large(s, bytes, len, &digest, err);
    }
    (void)pthread_rwlock_unlock(&s->care);
    if (rc) return gm_err_ctx(err, rc, "keeping %zu bytes in \"%s\"", len, s->root);
    if (item.again) set_damaged(s, &item.digest, false);
    *out = digest;
    return GM_OK;
}

/* A user's file, opened for reading: a regular file that did not block. */
static gm_rc open_user_file(const char *path, int *out_fd, struct stat *out_st, gm_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return gm_err_errno(err, errno, "open", path);
    gm_rc rc = GM_OK;
    if (fstat(fd, out_st) != 0) rc = gm_err_errno(err, errno, "look at", path);
    else if (!S_ISREG(out_st->st_mode))
        rc = gm_err_set(err, GM_EINVALID, "\"%s\" is %s, not a file", path, S_ISDIR(out_st->st_mode) ? "a folder" : "something else");
    if (rc) (void)close(fd);
    else *out_fd = fd;
    return rc;
}

/* Remember the digest when the file did not change while it was read. */
static void remember(gm_store *s, int fd, const struct stat *before, const gm_raw_digest *d, int64_t now_ns)
{
    struct stat after;
    if (s->read_only || fstat(fd, &after) != 0) return;
    if (after.st_size != before->st_size || memcmp(&after.st_mtim, &before->st_mtim, sizeof(after.st_mtim)) != 0 ||
        memcmp(&after.st_ctim, &before->st_ctim, sizeof(after.st_ctim)) != 0)
        return;
    gm_stat_cache_put(s->stats, &after, d, now_ns);
}

/* True when the stat cache knows the file and its bytes are in the store. */
static bool kept_already(gm_store *s, const struct stat *st, gm_raw_digest *out)
{
    int64_t size = -1;
    return gm_stat_cache_get(s->stats, st, out) && !gm_blob_is_damaged(s, out) &&
           s->blob_backend->find(s->blobs, out, &size, NULL) == GM_OK && size == st->st_size;
}

/* Read a small file whole; len is what stat said. Errors: GM_EUNAVAILABLE when it is changing under our hands. */
static gm_rc read_small(int fd, const char *path, void *into, size_t len, gm_err *err)
{
    char more;
    errno = 0;
    if (gm_inside_read_at(fd, into, len, 0) && pread(fd, &more, 1, (off_t)len) == 0) return GM_OK;
    return gm_err_set(err, GM_EUNAVAILABLE, "\"%s\" changes while it is read", path);
}

static gm_rc put_small_file(gm_store *s, int fd, const char *path, const struct stat *st, bool take, gm_digest *out, gm_err *err)
{
    gm_raw_digest raw;
    size_t len = (size_t)st->st_size;
    int64_t now = gm_stat_cache_now();
    char *bytes = malloc(len + 1);
    if (!bytes) return gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", path);
    gm_rc rc = read_small(fd, path, bytes, len, err);
    if (!rc) {
        gm_digest_of(bytes, len, out);
        gm_assert(gm_digest_raw(out, &raw));
        gm_blob_item item = { raw, bytes, len, gm_blob_is_damaged(s, &raw) || kept_differs(s, &raw, bytes, len) };
        rc = s->blob_backend->put(s->blobs, &item, 1, true, err);
    }
    free(bytes);
    if (rc) return rc;
    set_damaged(s, &raw, false);
    if (take) (void)unlink(path); /* the bytes are safe; a leftover only wastes space */
    else remember(s, fd, st, &raw, now);
    return GM_OK;
}

static gm_rc put_one_file(gm_store *s, const char *path, bool take, gm_digest *out, int64_t *out_size, gm_err *err)
{
    struct stat st;
    gm_raw_digest raw;
    int fd = -1;
    gm_rc rc = open_user_file(path, &fd, &st, err);
    if (rc) return rc;
    int64_t size = st.st_size, now = gm_stat_cache_now();
    if (kept_already(s, &st, &raw)) {
        gm_digest_hex(&raw, out);
        if (take) (void)unlink(path); /* the bytes are in the store */
    } else if (size <= GM_BLOB_SMALL_MAX) {
        rc = put_small_file(s, fd, path, &st, take, out, err);
    } else {
        rc = s->blob_backend->put_file(s->blobs, fd, path, take, out, &size, err);
        if (!rc) gm_assert(gm_digest_raw(out, &raw));
        if (!rc) set_damaged(s, &raw, false);
        if (!rc && !take) remember(s, fd, &st, &raw, now);
    }
    (void)close(fd);
    if (!rc && out_size) *out_size = size;
    return rc;
}

gm_rc gm_blob_put_file(gm_store *s, const char *path, bool take, gm_digest *out, int64_t *out_size, gm_err *err)
{
    gm_digest digest;
    int64_t size = 0;
    gm_rc rc = gm_store_writable(s, err);
    if (rc) return rc;
    (void)pthread_rwlock_rdlock(&s->care);
    rc = put_one_file(s, path, take, &digest, &size, err);
    (void)pthread_rwlock_unlock(&s->care);
    if (rc) return rc;
    *out = digest;
    if (out_size) *out_size = size;
    return GM_OK;
}

/* ---- many files ----------------------------------------------------------------------------------------------- */

typedef struct batch {
    gm_blob_item *items; /* [BATCH_FILES] bytes point into `bytes` */
    char *bytes;         /* [BATCH_BYTES] */
    size_t count, used;
} batch;

static gm_rc flush_batch(gm_store *s, batch *b, gm_err *err)
{
    gm_rc rc = s->blob_backend->put(s->blobs, b->items, b->count, false, err);
    for (size_t i = 0; i < b->count && !rc; i++)
        if (b->items[i].again) set_damaged(s, &b->items[i].digest, false);
    b->count = b->used = 0;
    return rc;
}

/* Read one small file into the batch; larger ones go their own way at once. */
static gm_rc add_to_batch(gm_store *s, batch *b, const char *path, gm_digest *out, gm_err *err)
{
    struct stat st;
    int fd = -1;
    gm_rc rc = open_user_file(path, &fd, &st, err);
    if (rc) return rc;
    size_t len = (size_t)st.st_size;
    gm_raw_digest raw;
    int64_t now = gm_stat_cache_now();
    if (kept_already(s, &st, &raw)) {
        gm_digest_hex(&raw, out);
    } else if (st.st_size > GM_BLOB_SMALL_MAX) {
        rc = put_one_file(s, path, false, out, NULL, err);
    } else {
        if (b->count == BATCH_FILES || b->used + len > BATCH_BYTES) rc = flush_batch(s, b, err);
        if (!rc) rc = read_small(fd, path, b->bytes + b->used, len, err);
        if (!rc) {
            gm_digest_of(b->bytes + b->used, len, out);
            gm_assert(gm_digest_raw(out, &raw));
            b->items[b->count++] = (gm_blob_item){ raw, b->bytes + b->used, len, gm_blob_is_damaged(s, &raw) };
            b->used += len;
            remember(s, fd, &st, &raw, now);
        }
    }
    (void)close(fd);
    return rc;
}

gm_rc gm_blob_put_files(gm_store *s, const char *const *paths, size_t count, gm_digest *out, gm_err *err)
{
    batch b = { 0 };
    gm_rc rc = gm_store_writable(s, err);
    if (rc) return rc;
    b.items = malloc(BATCH_FILES * sizeof(*b.items));
    b.bytes = malloc(BATCH_BYTES);
    if (!b.items || !b.bytes) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to keep %zu files", count);
    (void)pthread_rwlock_rdlock(&s->care);
    for (size_t i = 0; i < count && !rc; i++) rc = add_to_batch(s, &b, paths[i], &out[i], err);
    if (!rc) rc = flush_batch(s, &b, err);
    if (!rc) rc = s->blob_backend->put(s->blobs, NULL, 0, true, err); /* one sync for all */
    (void)pthread_rwlock_unlock(&s->care);
    free(b.items);
    free(b.bytes);
    return rc;
}

/* ---- get ------------------------------------------------------------------------------------------------------ */

static gm_rc read_checked(gm_store *s, const gm_raw_digest *d, void *into, int64_t size, gm_err *err)
{
    gm_digest found, wanted;
    gm_rc rc = s->blob_backend->read(s->blobs, d, into, size, err);
    if (rc == GM_ECORRUPT) set_damaged(s, d, true);
    if (rc) return rc;
    gm_digest_of(into, (size_t)size, &found);
    gm_digest_hex(d, &wanted);
    return strcmp(found.hex, wanted.hex) == 0 ? GM_OK : damaged_error(s, d, err);
}

static gm_rc find_there(gm_store *s, const gm_raw_digest *d, int64_t *out_size, gm_err *err)
{
    gm_rc rc = s->blob_backend->find(s->blobs, d, out_size, err);
    return !rc && *out_size < 0 ? missing_error(d, err) : rc;
}

gm_rc gm_blob_get_raw(gm_store *s, const gm_raw_digest *d, int64_t size_max, void **out, size_t *out_len, gm_err *err)
{
    int64_t size = 0;
    *out = NULL;
    gm_rc rc = find_there(s, d, &size, err);
    if (rc || size > size_max) return rc;
    void *bytes = malloc((size_t)size + 1);
    if (!bytes) return gm_err_set(err, GM_ENOMEM, "not enough memory for a blob of %lld bytes", (long long)size);
    rc = read_checked(s, d, bytes, size, err);
    if (rc) {
        free(bytes);
        return rc;
    }
    *out = bytes;
    *out_len = (size_t)size;
    return GM_OK;
}

gm_rc gm_blob_get(gm_store *s, const gm_digest *d, gm_arena *a, void **out, size_t *out_len, gm_err *err)
{
    gm_raw_digest raw;
    int64_t size = 0;
    gm_rc rc = raw_of(d, &raw, err);
    if (rc) return rc;
    (void)pthread_rwlock_rdlock(&s->care);
    char *bytes = NULL;
    rc = find_there(s, &raw, &size, err);
    if (!rc) {
        bytes = gm_arena_alloc(a, (size_t)size + 1, 1);
        rc = bytes ? read_checked(s, &raw, bytes, size, err)
                   : gm_err_set(err, GM_ENOMEM, "not enough memory for a blob of %lld bytes", (long long)size);
    }
    (void)pthread_rwlock_unlock(&s->care);
    if (rc) return rc;
    bytes[size] = '\0';
    *out = bytes;
    *out_len = (size_t)size;
    return GM_OK;
}

/* Digest of the file behind a path that the backend gave, without following links. */
static gm_rc check_path(gm_store *s, const gm_raw_digest *d, const char *path, gm_err *err)
{
    gm_digest found, wanted;
    int fd = -1;
    int64_t size = 0;
    gm_rc rc = gm_inside_file(s->root_fd, path + strlen(s->root) + 1, &fd, &size, err);
    if (rc) return rc;
    (void)close(fd); /* no part of the path is a link, so that the path may be used from here on */
    rc = gm_digest_file(path, &found, NULL, err);
    gm_digest_hex(d, &wanted);
    if (rc) return rc;
    return strcmp(found.hex, wanted.hex) == 0 ? GM_OK : damaged_error(s, d, err);
}

/* again: whatever was checked before. */
static gm_rc path_checked(gm_store *s, const gm_raw_digest *d, bool again, gm_arena *a, const char **out_path, gm_err *err)
{
    int64_t size = 0;
    const char *path = NULL;
    gm_rc rc = find_there(s, d, &size, err);
    if (!rc) rc = s->blob_backend->path(s->blobs, d, size, a, &path, err);
    if (rc) return rc;
    (void)pthread_mutex_lock(&s->seen_mutex);
    bool verified = !again && gm_digest_map_get(&s->verified, d) != NULL;
    (void)pthread_mutex_unlock(&s->seen_mutex);
    if (!verified) rc = check_path(s, d, path, err);
    if (rc) return rc;
    (void)pthread_mutex_lock(&s->seen_mutex);
    if (!verified) (void)gm_digest_map_put(&s->verified, d, 1); /* without memory it is checked again next time */
    (void)pthread_mutex_unlock(&s->seen_mutex);
    *out_path = path;
    return GM_OK;
}

static gm_rc blob_path(gm_store *s, const gm_digest *d, bool again, gm_arena *a, const char **out_path, gm_err *err)
{
    gm_raw_digest raw;
    gm_rc rc = raw_of(d, &raw, err);
    if (rc) return rc;
    (void)pthread_rwlock_rdlock(&s->care);
    rc = path_checked(s, &raw, again, a, out_path, err);
    (void)pthread_rwlock_unlock(&s->care);
    return rc;
}

gm_rc gm_blob_path(gm_store *s, const gm_digest *d, gm_arena *a, const char **out_path, gm_err *err)
{
    return blob_path(s, d, false, a, out_path, err);
}

gm_rc gm_blob_path_now(gm_store *s, const gm_digest *d, gm_arena *a, const char **out_path, gm_err *err)
{
    return blob_path(s, d, true, a, out_path, err);
}

bool gm_blob_exists(gm_store *s, const gm_digest *d)
{
    int64_t size = 0;
    return gm_blob_size(s, d, &size, NULL) == GM_OK;
}

gm_rc gm_blob_size(gm_store *s, const gm_digest *d, int64_t *out_size, gm_err *err)
{
    gm_raw_digest raw;
    int64_t size = -1;
    gm_rc rc = raw_of(d, &raw, err);
    if (rc) return rc;
    (void)pthread_rwlock_rdlock(&s->care);
    rc = find_there(s, &raw, &size, err);
    (void)pthread_rwlock_unlock(&s->care);
    if (!rc) *out_size = size;
    return rc;
}

/* ---- digests of the user's files --------------------------------------------------------------------------------- */

gm_rc gm_stat_digest(gm_store *s, const char *path, gm_digest *out, int64_t *out_size, gm_err *err)
{
    struct stat st;
    gm_raw_digest raw;
    gm_digest digest;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && gm_stat_cache_get(s->stats, &st, &raw)) {
        gm_digest_hex(&raw, out);
        if (out_size) *out_size = st.st_size;
        return GM_OK;
    }
    int fd = -1;
    int64_t size = 0, now = gm_stat_cache_now();
    gm_rc rc = open_user_file(path, &fd, &st, err);
    if (!rc) rc = gm_digest_file(path, &digest, &size, err);
    if (!rc) {
        struct stat named; /* the path was opened twice: remember only when both were the same file */
        gm_assert(gm_digest_raw(&digest, &raw));
        if (stat(path, &named) == 0 && named.st_ino == st.st_ino && named.st_dev == st.st_dev && size == st.st_size)
            remember(s, fd, &st, &raw, now);
        *out = digest;
        if (out_size) *out_size = size;
    }
    if (fd >= 0) (void)close(fd);
    return rc;
}
