/* store.c - opening and closing: the folder, its lock, the two backends.
 *
 *   lock            flock while somebody writes; holds the writer's pid. The kernel drops it when the process ends, however it ends.
 *                   It guards blobs, steps and gc; the registry alone is changed without it (`beside`), since SQLite puts the
 *                   transactions of several processes in order and every such change reads what it rests on in its own transaction.
 *   meta.db         records (meta_sqlite.c), with meta.db-wal and meta.db-shm
 *   objects/aa/...  blobs larger than 64 KiB     packs/   the small ones     tmp/   nobody's after a restart
 *   .gitignore      "*": a store is not for version control
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "store/inside.h"
#include "store/store_internal.h"

/* ---- the lock ----------------------------------------------------------------------------------------------- */

enum { DEAD_HOLDER_WAIT_US = 2000000 };

static long holder(int fd)
{
    char text[32] = "";
    return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

/* The writer was killed while it started a process, which keeps the lock for the moment until it ends or runs its program. */
static bool holder_is_dead(int fd)
{
    long pid = holder(fd);
    return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static gm_rc locked_error(gm_store *s, int fd, gm_err *err)
{
    long pid = holder(fd);
    gm_rc rc = pid > 0 ? gm_err_set(err, GM_ECONFLICT, "the store \"%s\" is in use by process %ld", s->root, pid)
                       : gm_err_set(err, GM_ECONFLICT, "the store \"%s\" is in use by another process", s->root);
    gm_err_hint(err, "Wait until it ends, or stop it. Commands that only look need no lock.");
    return rc;
}

static gm_rc lock_store(gm_store *s, int64_t wait_ms, gm_err *err)
{
    char text[32];
    int fd = gm_inside_open(s->root_fd, "lock", O_RDWR | O_CREAT, 0644);
    if (fd < 0) return gm_inside_error(err, errno, "open", "lock");
    int64_t began = gm_monotonic_us(), give_up = began + wait_ms * 1000;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        gm_rc rc = GM_OK;
        if (errno != EWOULDBLOCK && errno != EINTR) rc = gm_err_errno(err, errno, "lock", s->root);
        else if (gm_monotonic_us() >= give_up && !(gm_monotonic_us() < began + DEAD_HOLDER_WAIT_US && holder_is_dead(fd)))
            rc = locked_error(s, fd, err);
        if (rc) {
            (void)close(fd);
            return rc;
        }
        (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    s->lock_fd = fd;
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) return gm_err_errno(err, errno, "write", "lock");
    return GM_OK;
}

/* ---- open --------------------------------------------------------------------------------------------------- */

static gm_rc open_root(const char *root, gm_store *s, gm_err *err)
{
    char path[PATH_MAX];
    if (!s->read_only && !s->beside && !gm_fs_is_dir(root)) {
        gm_rc rc = gm_fs_mkdirs(root, err);
        if (rc) return rc;
    }
    if (!realpath(root, path)) {
        if (errno == ENOENT) return gm_err_set(err, GM_ENOTFOUND, "there is no store yet at \"%s\"", root);
        return gm_err_errno(err, errno, "open the folder", root);
    }
    /* The longest name inside: objects/aa/ and 62 digits, or tmp/ and a reader's name. */
    if (strlen(path) + 128 > sizeof(s->root)) return gm_err_set(err, GM_EINVALID, "the path \"%.100s...\" is too long", root);
    (void)snprintf(s->root, sizeof(s->root), "%s", path);
    s->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->root_fd < 0 ? gm_err_errno(err, errno, "open the folder", root) : GM_OK;
}

static gm_rc before_commit(void *ctx, gm_tx *tx, gm_err *err)
{
    gm_store *s = ctx;
    if (s->stats) gm_stat_cache_before_commit(s->stats, tx);
    return s->blobs && s->blob_backend->before_commit ? s->blob_backend->before_commit(s->blobs, tx, err) : GM_OK;
}

static void after_commit(void *ctx, bool committed)
{
    gm_store *s = ctx;
    if (s->blobs && s->blob_backend->after_commit) s->blob_backend->after_commit(s->blobs, committed);
}

static gm_rc open_backends(gm_store *s, gm_err *err)
{
    char path[sizeof(s->root) + 16];
    (void)snprintf(path, sizeof(path), "%s/meta.db", s->root);
    s->records = &gm_meta_sqlite;
    s->blob_backend = &gm_blob_local;
    gm_meta_options records = { .read_only = s->read_only, .ctx = s, .stopped = &s->stopped };
    records.no_migration = s->beside;
    records.before_commit = s->beside ? NULL : before_commit;
    records.after_commit = s->beside ? NULL : after_commit;
    gm_rc rc = s->records->open(path, &records, &s->meta, err);
    if (rc) return rc;
    s->stats = gm_stat_cache_new(s->records, s->meta);
    if (!s->stats) return gm_err_set(err, GM_ENOMEM, "not enough memory to open the store");
    gm_blob_options blobs = { .read_only = s->read_only || s->beside, .root_fd = s->root_fd, .root = s->root, .stopped = &s->stopped };
    blobs.records = s->records;
    blobs.meta = s->meta;
    return s->blob_backend->open(&blobs, &s->blobs, err);
}

/* A new store, or one whose making was cut short, gets its .gitignore; whatever else it needs its backends make. */
static gm_rc greet_new(gm_store *s, gm_err *err)
{
    if (faccessat(s->root_fd, "meta.db", F_OK, AT_SYMLINK_NOFOLLOW) == 0) return GM_OK;
    int fd = gm_inside_open(s->root_fd, ".gitignore", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) return gm_inside_error(err, errno, "create", ".gitignore");
    bool ok = write(fd, "*\n", 2) == 2;
    int saved = errno;
    (void)close(fd);
    return ok ? GM_OK : gm_err_errno(err, saved, "write", ".gitignore");
}

static gm_rc open_as(const char *root, const gm_store_options *o, bool beside, gm_store **out, gm_err *err)
{
    gm_store *s = calloc(1, sizeof(*s));
    if (!s) return gm_err_set(err, GM_ENOMEM, "not enough memory to open the store");
    s->read_only = o->read_only;
    s->beside = beside;
    s->root_fd = s->lock_fd = -1;
    (void)pthread_rwlock_init(&s->care, NULL);
    (void)pthread_mutex_init(&s->seen_mutex, NULL);
    gm_rc rc = open_root(root, s, err);
    if (!rc && beside && faccessat(s->root_fd, "meta.db", F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        rc = gm_err_set(err, GM_ENOTFOUND, "there is no store yet at \"%s\"", root);
    if (!rc && !s->read_only && !beside) rc = lock_store(s, o->lock_wait_ms, err);
    if (!rc && !s->read_only && !beside) rc = greet_new(s, err);
    if (!rc) rc = open_backends(s, err);
    if (rc) {
        gm_store_close(s);
        return rc;
    }
    *out = s;
    return GM_OK;
}

gm_rc gm_store_open(const char *root, const gm_store_options *options, gm_store **out, gm_err *err)
{
    static const gm_store_options defaults = { 0 };
    const gm_store_options *o = options ? options : &defaults;
    bool beside = o->beside && !o->read_only;
    gm_rc rc = open_as(root, o, beside, out, err);
    if (rc == GM_EUNAVAILABLE && beside) rc = open_as(root, o, false, out, err); /* older: the lock, then the migration */
    return gm_err_ctx(err, rc, "opening the store \"%s\"", root);
}

void gm_store_close(gm_store *s)
{
    if (!s) return;
    if (s->blobs && !s->read_only && !s->beside && !atomic_load(&s->stopped) &&
        ((s->blob_backend->has_unindexed && s->blob_backend->has_unindexed(s->blobs)) || gm_stat_cache_has_unsaved(s->stats)))
        (void)gm_store_flush(s, NULL); /* what is not indexed now, the next open indexes */
    if (s->blobs) s->blob_backend->close(s->blobs);
    gm_stat_cache_free(s->stats);
    if (s->meta) s->records->close(s->meta);
    if (s->root_fd >= 0) (void)close(s->root_fd);
    if (s->lock_fd >= 0) (void)close(s->lock_fd); /* last: this lets the next writer in */
    gm_digest_map_clear(&s->verified);
    gm_digest_map_clear(&s->damaged);
    (void)pthread_rwlock_destroy(&s->care);
    (void)pthread_mutex_destroy(&s->seen_mutex);
    free(s);
}

const char *gm_store_root(const gm_store *s) { return s->root; }

/* ---- work on the records ------------------------------------------------------------------------------------- */

gm_rc gm_store_writable(const gm_store *s, gm_err *err)
{
    return s->read_only || s->beside ? gm_err_set(err, GM_EINVALID, "the store \"%s\" was opened for reading only", s->root) : GM_OK;
}

gm_rc gm_store_write(gm_store *s, bool durable, gm_meta_work work, void *ctx, gm_err *err)
{
    gm_rc rc = s->beside ? GM_OK : gm_store_writable(s, err);
    return rc ? rc : s->records->write(s->meta, durable, work, ctx, err);
}

gm_rc gm_store_read(gm_store *s, gm_meta_work work, void *ctx, gm_err *err)
{
    return s->records->read(s->meta, work, ctx, err);
}

static gm_rc nothing(gm_tx *tx, void *ctx, gm_err *err)
{
    (void)tx, (void)ctx, (void)err;
    return GM_OK;
}

gm_rc gm_store_flush(gm_store *s, gm_err *err) { return gm_store_write(s, false, nothing, NULL, err); }
