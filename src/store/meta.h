/* meta.h - records: what a metadata backend must do, and the few helpers through which the store speaks SQL to it.
 *
 * The store's statements are written once, in SQL that SQLite (3.35 or newer) and PostgreSQL both read (ON CONFLICT, RETURNING,
 * recursive WITH). Parameters are ?1, ?2 ...; a backend whose engine says $1 rewrites them when it prepares. Only the schema
 * (types, migrations) belongs to the backend.
 * Threads: any thread may call read and write at any time; a gm_tx and its statements belong to the work that got them.
 * To add a backend: fill a gm_meta_backend in meta_<name>.c and choose it in store.c.
 */
#ifndef GM_STORE_META_H
#define GM_STORE_META_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"

typedef struct gm_meta gm_meta; /* one opened database */
typedef struct gm_meta_backend gm_meta_backend;

/* One connection within a transaction (write) or on one snapshot (read). Backends put it first in their own struct. */
typedef struct gm_tx {
    const gm_meta_backend *backend;
} gm_tx;

/* A prepared statement, kept by the connection for the next time. */
typedef struct gm_stmt {
    const gm_meta_backend *backend;
} gm_stmt;

/* What runs inside a transaction. A failure undoes this work alone. */
typedef gm_rc (*gm_meta_work)(gm_tx *tx, void *ctx, gm_err *err);

typedef struct gm_meta_options {
    bool read_only;
    bool no_migration; /* another process may be writing: GM_EUNAVAILABLE when the schema is older than this program's */
    /* Called inside each write transaction just before it commits, and once after, with whether it did. NULL = none. */
    gm_rc (*before_commit)(void *ctx, gm_tx *tx, gm_err *err);
    void (*after_commit)(void *ctx, bool committed);
    void *ctx;            /* borrowed until close */
    atomic_bool *stopped; /* set by whoever sees a sync fail; once set, nothing is written any more; borrowed until close */
} gm_meta_options;

struct gm_meta_backend {
    const char *name;
    int schema_version; /* newest version this program knows */

    /* Open and, unless read_only, bring the schema up to schema_version. A store of a newer version is refused and left
     * untouched. where: SQLite: path of the file; PostgreSQL: a connection string.
     * Errors: GM_ENOTFOUND (read_only and nothing there), GM_EINVALID (newer), GM_ECORRUPT, GM_EIO. */
    gm_rc (*open)(const char *where, const gm_meta_options *options, gm_meta **out, gm_err *err);
    void (*close)(gm_meta *m);

    /* Run work in a transaction; works of several threads may share one. With durable, GM_OK means that a power cut cannot take
     * it back; without, that a crash of the program cannot, and the machine's only until the next durable write.
     * A failed sync stops the writer: this and all later calls give GM_EIO. */
    gm_rc (*write)(gm_meta *m, bool durable, gm_meta_work work, void *ctx, gm_err *err);
    /* Run work on one snapshot of what was committed. */
    gm_rc (*read)(gm_meta *m, gm_meta_work work, void *ctx, gm_err *err);
    /* A number that changes with every commit, whoever makes it; a file look, no statement on the records. */
    gm_rc (*data_version)(gm_meta *m, int64_t *out, gm_err *err);
    /* A store opened read_only may be older than the newest tables. */
    gm_rc (*has_table)(gm_tx *tx, const char *name, bool *out, gm_err *err);
    /* Let the engine check its own file; say one line for each problem found. */
    gm_rc (*check)(gm_meta *m, void (*say)(void *ctx, const char *line), void *ctx, int64_t *out_problems, gm_err *err);

    /* sql: a literal (its address is the key under which the statement is kept). */
    gm_rc (*prepare)(gm_tx *tx, const char *sql, gm_stmt **out, gm_err *err);
    void (*bind_int)(gm_stmt *st, int at, int64_t value);
    void (*bind_text)(gm_stmt *st, int at, const char *value); /* NULL = ''; borrowed until reset */
    void (*bind_bytes)(gm_stmt *st, int at, const void *bytes, size_t len); /* copied */
    gm_rc (*step)(gm_stmt *st, bool *out_row, gm_err *err);
    int64_t (*column_int)(gm_stmt *st, int at);                       /* columns count from 0 */
    const char *(*column_text)(gm_stmt *st, int at);                  /* never NULL; until the next step or reset */
    const void *(*column_bytes)(gm_stmt *st, int at, size_t *out_len);
    void (*reset)(gm_stmt *st);
};

extern const gm_meta_backend gm_meta_sqlite;

/* Prepare and bind. types has one letter for each parameter: i int64_t, t const char *, d const gm_digest * (32 bytes),
 * b const void * and size_t. End with gm_meta_next giving no row or failing, or with gm_meta_done. */
gm_rc gm_meta_query(gm_tx *tx, gm_stmt **out, gm_err *err, const char *sql, const char *types, ...);
gm_rc gm_meta_next(gm_stmt *st, bool *out_row, gm_err *err);
void gm_meta_done(gm_stmt *st);
/* Prepare, bind and run to the end; rows are ignored. */
gm_rc gm_meta_exec(gm_tx *tx, gm_err *err, const char *sql, const char *types, ...);
/* The first column of the first row; fallback when there is no row. */
gm_rc gm_meta_int(gm_tx *tx, int64_t fallback, int64_t *out, gm_err *err, const char *sql, const char *types, ...);

/* Columns of a row in order, copied into an arena; `failed` when it is full: look once, at the end of the row. */
typedef struct gm_meta_reader {
    gm_stmt *st;
    gm_arena *a;
    int at;
    bool failed;
} gm_meta_reader;
int64_t gm_meta_read_int(gm_meta_reader *r);
const char *gm_meta_read_text(gm_meta_reader *r);
gm_digest gm_meta_read_digest(gm_meta_reader *r); /* 32 bytes -> hex; anything else -> "" */

/* Room for one more of `size` bytes: items, moved within the arena when full. NULL when the arena is full. */
void *gm_meta_grow(gm_arena *a, void *items, size_t count, size_t *capacity, size_t size);

#endif
