/* meta_sqlite.c - records in one SQLite file: connections, statements, errors.
 *
 * WAL with synchronous=FULL: readers never wait for the writer. One connection writes (meta_sqlite_write.c), and reads while
 * nothing is being written; another, opened when first needed, reads meanwhile. Closing leaves the log beside the file unless it
 * has grown, so that neither opening nor closing costs a sync.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/meta_sqlite_internal.h"

enum { BUSY_MS = 5000, LOG_KEPT_BYTES = 256 << 10 };

gm_rc gm_sqlite_error(sqlite3 *db, int code, const char *doing, gm_err *err)
{
    const char *why = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    gm_rc rc = GM_EINTERNAL;
    switch (code & 0xff) {
    case SQLITE_FULL: rc = GM_EIO; break;
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN: rc = GM_EIO; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: rc = GM_ECORRUPT; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: rc = GM_EUNAVAILABLE; break;
    case SQLITE_NOMEM: rc = GM_ENOMEM; break;
    case SQLITE_CONSTRAINT: rc = GM_ECONFLICT; break;
    case SQLITE_TOOBIG: rc = GM_EINVALID; break;
    default: break;
    }
    (void)gm_err_set(err, rc, "could not %.80s: %s", doing, why);
    if ((code & 0xff) == SQLITE_FULL) gm_err_hint(err, "Free space on the disk and run again.");
    else if (rc == GM_EIO) gm_err_hint(err, "Check the disk, then run again: everything that was acknowledged is kept.");
    if (rc == GM_ECORRUPT) gm_err_hint(err, "`gristmill fsck` says what is damaged. Restore the store from a copy.");
    return rc;
}

gm_rc gm_sqlite_exec(connection *c, const char *sql, gm_err *err)
{
    int code = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return code ? gm_sqlite_error(c->db, code, sql, err) : GM_OK;
}

/* ---- statements ------------------------------------------------------------------------------------------- */

static kept_stmt *kept_of(gm_stmt *st) { return (kept_stmt *)st; }

static kept_stmt *keep(connection *c, const char *sql)
{
    if (c->kept_count == c->kept_capacity) {
        size_t capacity = c->kept_capacity ? c->kept_capacity * 2 : 32;
        kept_stmt **more = realloc(c->kept, capacity * sizeof(*more));
        if (!more) return NULL;
        c->kept = more;
        c->kept_capacity = capacity;
    }
    kept_stmt *k = calloc(1, sizeof(*k));
    if (!k) return NULL;
    *k = (kept_stmt){ .base = { &gm_meta_sqlite }, .sql = sql, .owner = c };
    c->kept[c->kept_count++] = k;
    return k;
}

static gm_rc prepare(gm_tx *tx, const char *sql, gm_stmt **out, gm_err *err)
{
    connection *c = (connection *)tx;
    kept_stmt *k = NULL;
    for (size_t i = 0; i < c->kept_count && !k; i++)
        if (c->kept[i]->sql == sql) k = c->kept[i];
    if (!k) k = keep(c, sql);
    if (!k) return gm_err_set(err, GM_ENOMEM, "not enough memory for a statement of the store");
    gm_assert(!k->busy);
    if (!k->st) {
        int code = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &k->st, NULL);
        if (code) return gm_sqlite_error(c->db, code, "prepare a statement of the store", err);
    }
    k->busy = true;
    *out = &k->base;
    return GM_OK;
}

/* Binding fails only for a wrong index (a bug) or without memory; NULL then breaks a NOT NULL at the next step. */
static void bind_int(gm_stmt *st, int at, int64_t value) { (void)sqlite3_bind_int64(kept_of(st)->st, at, value); }
static void bind_text(gm_stmt *st, int at, const char *value)
{
    (void)sqlite3_bind_text(kept_of(st)->st, at, value ? value : "", -1, SQLITE_STATIC);
}
static void bind_bytes(gm_stmt *st, int at, const void *bytes, size_t len)
{
    (void)sqlite3_bind_blob64(kept_of(st)->st, at, bytes, len, SQLITE_TRANSIENT);
}

static gm_rc step(gm_stmt *st, bool *out_row, gm_err *err)
{
    kept_stmt *k = kept_of(st);
    int code = sqlite3_step(k->st);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        *out_row = code == SQLITE_ROW;
        return GM_OK;
    }
    return gm_sqlite_error(k->owner->db, code, code == SQLITE_CONSTRAINT ? "keep a record" : "reach the records", err);
}

static int64_t column_int(gm_stmt *st, int at) { return sqlite3_column_int64(kept_of(st)->st, at); }
static const char *column_text(gm_stmt *st, int at)
{
    const char *text = (const char *)sqlite3_column_text(kept_of(st)->st, at);
    return text ? text : "";
}
static const void *column_bytes(gm_stmt *st, int at, size_t *out_len)
{
    const void *bytes = sqlite3_column_blob(kept_of(st)->st, at);
    *out_len = (size_t)sqlite3_column_bytes(kept_of(st)->st, at);
    return bytes;
}
static void reset(gm_stmt *st)
{
    kept_stmt *k = kept_of(st);
    (void)sqlite3_reset(k->st); /* repeats the error of the last step, which was given already */
    (void)sqlite3_clear_bindings(k->st);
    k->busy = false;
}

/* ---- connections ------------------------------------------------------------------------------------------ */

static void disconnect(connection *c)
{
    for (size_t i = 0; i < c->kept_count; i++) {
        (void)sqlite3_finalize(c->kept[i]->st);
        free(c->kept[i]);
    }
    free(c->kept);
    if (c->db) (void)sqlite3_close(c->db);
    *c = (connection){ 0 };
}

static gm_rc connect_to(gm_meta *m, int flags, connection *c, gm_err *err)
{
    c->base.backend = &gm_meta_sqlite;
    int code = sqlite3_open_v2(m->path, &c->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, m->vfs_name);
    if (code) {
        gm_rc rc = gm_sqlite_error(c->db, code, "open the records", err);
        disconnect(c);
        return rc;
    }
    (void)sqlite3_busy_timeout(c->db, BUSY_MS);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int persist = 1;
    (void)sqlite3_file_control(c->db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
    return GM_OK;
}

static gm_rc open_writer(gm_meta *m, bool is_new, gm_err *err)
{
    gm_rc rc = connect_to(m, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &m->writer, err);
    if (!rc && is_new) rc = gm_sqlite_exec(&m->writer, "PRAGMA journal_mode=WAL", err);
    if (!rc) rc = gm_sqlite_exec(&m->writer, "PRAGMA synchronous=FULL", err);
    m->synced_commits = true;
    if (rc || !m->options.no_migration) return rc ? rc : gm_sqlite_migrate(m, err);
    int64_t version = 0;
    rc = gm_meta_int(&m->writer.base, 0, &version, err, "PRAGMA user_version", "");
    if (rc || version == GM_SQLITE_SCHEMA_VERSION) return rc;
    if (version > GM_SQLITE_SCHEMA_VERSION) return gm_sqlite_migrate(m, err); /* says that it is newer */
    return gm_err_set(err, GM_EUNAVAILABLE, "the store is of schema version %lld", (long long)version);
}

static gm_rc open_reader(gm_meta *m, gm_err *err)
{
    int64_t version = 0;
    gm_rc rc = connect_to(m, SQLITE_OPEN_READONLY, &m->reader, err);
    if (!rc) rc = gm_meta_int(&m->reader.base, 0, &version, err, "PRAGMA user_version", "");
    if (!rc && version == 0) rc = gm_err_set(err, GM_ENOTFOUND, "there is no store yet at \"%s\"", m->path);
    if (!rc && version > GM_SQLITE_SCHEMA_VERSION)
        rc = gm_err_set(err, GM_EINVALID, "the store has schema version %lld, this program knows versions up to %d",
                        (long long)version, GM_SQLITE_SCHEMA_VERSION);
    if (!rc && version < GM_SQLITE_SCHEMA_READABLE) {
        rc = gm_err_set(err, GM_EINVALID, "the store has schema version %lld, this program reads versions from %d",
                        (long long)version, GM_SQLITE_SCHEMA_READABLE);
        gm_err_hint(err, "Any command that writes, such as `gristmill run`, brings the store up to date.");
    }
    if (rc) disconnect(&m->reader);
    return rc;
}

static void close_meta(gm_meta *m)
{
    if (!m) return;
    disconnect(&m->reader);
    if (m->writer_snapshot) (void)sqlite3_exec(m->writer.db, "COMMIT", NULL, NULL, NULL); /* it only read */
    struct stat st;
    char log[sizeof(m->path) + 8];
    (void)snprintf(log, sizeof(log), "%s-wal", m->path);
    if (m->writer.db && !atomic_load(m->options.stopped) && stat(log, &st) == 0 && st.st_size > LOG_KEPT_BYTES) {
        (void)sqlite3_busy_timeout(m->writer.db, 0);
        /* A reader may forbid it, or the disk: the log then simply stays, and is read by the next open. */
        (void)sqlite3_wal_checkpoint_v2(m->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    disconnect(&m->writer);
    gm_sqlite_vfs_clear(m);
    (void)pthread_mutex_destroy(&m->queue_mutex);
    (void)pthread_cond_destroy(&m->queue_moved);
    (void)pthread_mutex_destroy(&m->read_mutex);
    free(m);
}

static gm_rc open_meta(const char *where, const gm_meta_options *options, gm_meta **out, gm_err *err)
{
    bool is_new = false;
    gm_rc rc = gm_sqlite_inspect(where, &is_new, err);
    if (rc) return rc;
    if (is_new && options->read_only) return gm_err_set(err, GM_ENOTFOUND, "there is no store yet at \"%s\"", where);

    gm_meta *m = calloc(1, sizeof(*m));
    if (!m) return gm_err_set(err, GM_ENOMEM, "not enough memory to open the store");
    m->options = *options;
    m->queue_end = &m->queue;
    (void)pthread_mutex_init(&m->queue_mutex, NULL);
    (void)pthread_cond_init(&m->queue_moved, NULL);
    (void)pthread_mutex_init(&m->read_mutex, NULL);
    (void)snprintf(m->path, sizeof(m->path), "%s", where);

    rc = gm_sqlite_vfs_init(m, err);
    if (!rc) rc = options->read_only ? open_reader(m, err) : open_writer(m, is_new, err);
    if (rc) {
        close_meta(m);
        return rc;
    }
    *out = m;
    return GM_OK;
}

/* On the connection that reads: another one than the writer's, so that a commit in progress delays nobody. */
static gm_rc read_beside(gm_meta *m, gm_meta_work work, void *ctx, gm_err *err)
{
    (void)pthread_mutex_lock(&m->read_mutex);
    gm_rc rc = m->reader.db ? GM_OK : open_reader(m, err);
    if (!rc) rc = gm_meta_exec(&m->reader.base, err, "BEGIN", "");
    if (!rc) {
        rc = work(&m->reader.base, ctx, err);
        gm_rc ended = gm_meta_exec(&m->reader.base, rc ? NULL : err, "COMMIT", "");
        if (!rc) rc = ended;
    }
    (void)pthread_mutex_unlock(&m->read_mutex);
    return rc;
}

/* Who has no lock (read_only, no_migration) must see what others committed since it looked last: a snapshot of its own each time. */
static gm_rc read_meta(gm_meta *m, gm_meta_work work, void *ctx, gm_err *err)
{
    gm_rc rc = GM_OK;
    bool alone = !m->options.read_only && !m->options.no_migration;
    return alone && gm_sqlite_read_as_leader(m, work, ctx, &rc, err) ? rc : read_beside(m, work, ctx, err);
}

/* Always on the connection that reads, whose number the commits of all others move, those of our own writer too. */
static gm_rc data_version(gm_meta *m, int64_t *out, gm_err *err)
{
    (void)pthread_mutex_lock(&m->read_mutex);
    gm_rc rc = m->reader.db ? GM_OK : open_reader(m, err);
    if (!rc) rc = gm_meta_int(&m->reader.base, 0, out, err, "PRAGMA data_version", "");
    (void)pthread_mutex_unlock(&m->read_mutex);
    return rc;
}

static gm_rc has_table(gm_tx *tx, const char *name, bool *out, gm_err *err)
{
    int64_t count = 0;
    gm_rc rc = gm_meta_int(tx, 0, &count, err, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1", "t", name);
    if (!rc) *out = count > 0;
    return rc;
}

struct check_call {
    void (*say)(void *ctx, const char *line);
    void *ctx;
    int64_t problems;
};

static gm_rc check_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct check_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false;
    gm_rc rc = gm_meta_query(tx, &st, err, "PRAGMA integrity_check", "");
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        const char *line = column_text(st, 0);
        if (strcmp(line, "ok") == 0) continue;
        call->problems++;
        if (call->say) call->say(call->ctx, line);
    }
    return rc;
}

static gm_rc check_meta(gm_meta *m, void (*say)(void *ctx, const char *line), void *ctx, int64_t *out_problems, gm_err *err)
{
    struct check_call call = { say, ctx, 0 };
    gm_rc rc = read_meta(m, check_work, &call, err);
    if (!rc) *out_problems = call.problems;
    return rc;
}

const gm_meta_backend gm_meta_sqlite = {
    .name = "sqlite",
    .schema_version = GM_SQLITE_SCHEMA_VERSION,
    .open = open_meta,
    .close = close_meta,
    .write = gm_sqlite_write,
    .read = read_meta,
    .data_version = data_version,
    .has_table = has_table,
    .check = check_meta,
    .prepare = prepare,
    .bind_int = bind_int,
    .bind_text = bind_text,
    .bind_bytes = bind_bytes,
    .step = step,
    .column_int = column_int,
    .column_text = column_text,
    .column_bytes = column_bytes,
    .reset = reset,
};
