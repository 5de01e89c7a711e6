/* meta_sqlite_internal.h - what the files of the SQLite backend share. */
#ifndef GM_STORE_META_SQLITE_INTERNAL_H
#define GM_STORE_META_SQLITE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "store/meta.h"

/* A statement kept by its connection. */
typedef struct kept_stmt {
    gm_stmt base; /* first: a gm_stmt is one of these */
    sqlite3_stmt *st;
    const char *sql; /* the literal whose address is the key */
    struct connection *owner;
    bool busy; /* between prepare and reset; the same statement cannot be nested in itself */
} kept_stmt;

typedef struct connection {
    gm_tx base; /* first: a gm_tx is one of these */
    sqlite3 *db;
    kept_stmt **kept; /* [kept_count] owned */
    size_t kept_count, kept_capacity;
} connection;

typedef struct job job; /* one thread's work waiting for its transaction: meta_sqlite_write.c */

struct gm_meta {
    gm_meta_options options;
    char path[4096];
    char vfs_name[32];
    sqlite3_vfs vfs; /* passes every write and sync by gm_fault and notes a sync that failed */
    sqlite3_vfs *vfs_below; /* SQLite's own */
    bool vfs_registered;

    connection writer;   /* used by the leading thread alone */
    bool writer_snapshot; /* a read transaction stands open on it for the next read; the leader ends it before it writes */
    bool synced_commits; /* what PRAGMA synchronous says now */
    pthread_mutex_t queue_mutex;
    pthread_cond_t queue_moved;
    job *queue, **queue_end;
    bool leading; /* some thread runs a batch, or reads on the writer's connection */

    connection reader; /* opened when first needed */
    pthread_mutex_t read_mutex;
};

/* Turn SQLite's code into ours, with its message. db may be NULL. */
gm_rc gm_sqlite_error(sqlite3 *db, int code, const char *doing, gm_err *err);
gm_rc gm_sqlite_exec(connection *c, const char *sql, gm_err *err);

/* meta_sqlite_vfs.c: fill and register m->vfs; unregister it. */
gm_rc gm_sqlite_vfs_init(gm_meta *m, gm_err *err);
void gm_sqlite_vfs_clear(gm_meta *m);

/* meta_sqlite_schema.c: the list of migrations. Bring an opened writer to the newest version. READABLE: the oldest that this program
 * reads as it is; since then tables were only added (whoever reads one of those asks has_table first). */
enum { GM_SQLITE_SCHEMA_VERSION = 3, GM_SQLITE_SCHEMA_READABLE = 1, GM_SQLITE_APPLICATION_ID = 0x474d7374 /* "GMst" */ };
gm_rc gm_sqlite_migrate(gm_meta *m, gm_err *err);
/* Look at the file's header without SQLite, so that nothing is touched: is it ours, and not newer?
 * out_new: there is no database yet. Errors: GM_EINVALID (newer), GM_ECORRUPT (not ours), GM_EIO. */
gm_rc gm_sqlite_inspect(const char *path, bool *out_new, gm_err *err);

/* meta_sqlite_write.c: group commit. */
gm_rc gm_sqlite_write(gm_meta *m, bool durable, gm_meta_work work, void *ctx, gm_err *err);
/* Run work on the writer's connection if nobody uses it; false when somebody does (nothing was done). */
bool gm_sqlite_read_as_leader(gm_meta *m, gm_meta_work work, void *ctx, gm_rc *out_rc, gm_err *err);

#endif
