/* meta_sqlite_vfs.c - a thin layer over SQLite's own file functions.
 *
 * Every write, sync and truncation of the database and its log passes gm_fault, so that tests can fail it or die there; and a
 * sync that failed stops the store, also one that SQLite itself would overlook (during a checkpoint). All else is passed on.
 */
#include <errno.h>
#include <stdio.h>

#include "base/fs.h"
#include "store/meta_sqlite_internal.h"

typedef struct shim {
    sqlite3_file base; /* first: SQLite sees this */
    atomic_bool *stopped;
    sqlite3_file *real; /* stands behind this struct in the same allocation */
} shim;

static sqlite3_file *real(sqlite3_file *f) { return ((shim *)f)->real; }

static int fault(const char *point, int io_error)
{
    int failed = gm_fault(point);
    return !failed ? SQLITE_OK : failed == ENOSPC ? SQLITE_FULL : io_error;
}

static int shim_close(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }
static int shim_read(sqlite3_file *f, void *into, int len, sqlite3_int64 at)
{
    return real(f)->pMethods->xRead(real(f), into, len, at);
}
static int shim_write(sqlite3_file *f, const void *bytes, int len, sqlite3_int64 at)
{
    int failed = fault("meta.write", SQLITE_IOERR_WRITE);
    return failed ? failed : real(f)->pMethods->xWrite(real(f), bytes, len, at);
}
static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int failed = fault("meta.truncate", SQLITE_IOERR_TRUNCATE);
    return failed ? failed : real(f)->pMethods->xTruncate(real(f), size);
}
static int shim_sync(sqlite3_file *f, int flags)
{
    int failed = fault("meta.sync", SQLITE_IOERR_FSYNC);
    if (!failed) failed = real(f)->pMethods->xSync(real(f), flags);
    if (failed) atomic_store(((shim *)f)->stopped, true);
    return failed;
}
static int shim_size(sqlite3_file *f, sqlite3_int64 *out) { return real(f)->pMethods->xFileSize(real(f), out); }
static int shim_lock(sqlite3_file *f, int level) { return real(f)->pMethods->xLock(real(f), level); }
static int shim_unlock(sqlite3_file *f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
static int shim_reserved(sqlite3_file *f, int *out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
static int shim_control(sqlite3_file *f, int op, void *arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); }
static int shim_sector(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }
static int shim_device(sqlite3_file *f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
static int shim_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
static void shim_shm_barrier(sqlite3_file *f) { real(f)->pMethods->xShmBarrier(real(f)); }
static int shim_shm_unmap(sqlite3_file *f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); }
static int shim_fetch(sqlite3_file *f, sqlite3_int64 at, int len, void **out)
{
    return real(f)->pMethods->xFetch(real(f), at, len, out);
}
static int shim_unfetch(sqlite3_file *f, sqlite3_int64 at, void *page)
{
    return real(f)->pMethods->xUnfetch(real(f), at, page);
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
    .xFetch = shim_fetch,
    .xUnfetch = shim_unfetch,
};

static sqlite3_vfs *below(sqlite3_vfs *v) { return ((gm_meta *)v->pAppData)->vfs_below; }

static int shim_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    gm_meta *m = v->pAppData;
    shim *f = (shim *)file;
    f->real = (sqlite3_file *)(f + 1);
    f->stopped = m->options.stopped;
    f->base.pMethods = NULL;
    int rc = m->vfs_below->xOpen(m->vfs_below, name, f->real, flags, out_flags);
    if (f->real->pMethods) f->base.pMethods = &methods;
    return rc;
}

static int shim_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
    int failed = fault("meta.delete", SQLITE_IOERR_DELETE);
    return failed ? failed : below(v)->xDelete(below(v), name, sync_dir);
}
static int shim_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
    return below(v)->xAccess(below(v), name, flags, out);
}
static int shim_full_path(sqlite3_vfs *v, const char *name, int len, char *out)
{
    return below(v)->xFullPathname(below(v), name, len, out);
}

gm_rc gm_sqlite_vfs_init(gm_meta *m, gm_err *err)
{
    m->vfs_below = sqlite3_vfs_find(NULL);
    if (!m->vfs_below) return gm_err_set(err, GM_EINTERNAL, "SQLite has no file functions");
    (void)snprintf(m->vfs_name, sizeof(m->vfs_name), "gm-%p", (void *)m);
    m->vfs = *m->vfs_below; /* time, randomness and sleep come from below as they are: they ignore the vfs they are given */
    m->vfs.szOsFile = (int)sizeof(shim) + m->vfs_below->szOsFile;
    m->vfs.zName = m->vfs_name;
    m->vfs.pNext = NULL;
    m->vfs.pAppData = m;
    m->vfs.xOpen = shim_open;
    m->vfs.xDelete = shim_delete;
    m->vfs.xAccess = shim_access;
    m->vfs.xFullPathname = shim_full_path;
    int rc = sqlite3_vfs_register(&m->vfs, 0);
    if (rc) return gm_sqlite_error(NULL, rc, "register file functions", err);
    m->vfs_registered = true;
    return GM_OK;
}

void gm_sqlite_vfs_clear(gm_meta *m)
{
    if (m->vfs_registered) (void)sqlite3_vfs_unregister(&m->vfs);
    m->vfs_registered = false;
}
