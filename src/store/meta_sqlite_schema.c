/* meta_sqlite_schema.c - the tables in SQLite, as a list of migrations.
 *
 * migrations[n] brings version n to n + 1; the number stands in PRAGMA user_version. A released migration is never edited:
 * whoever changes the schema appends one, raises GM_SQLITE_SCHEMA_VERSION and adds a store of the old version to the tests.
 * Digests are 32 raw bytes, action keys hex text, times microseconds since 1970.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/meta_sqlite_internal.h"

static const char version_1[] =
    "CREATE TABLE runs(id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, state TEXT NOT NULL, spec_digest TEXT NOT NULL,"
    " environment TEXT NOT NULL, started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, summary TEXT NOT NULL);"

    /* One row for each attempt; its id is also its fencing token. */
    "CREATE TABLE steps(id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,"
    " key TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, started_us INTEGER NOT NULL,"
    " ended_us INTEGER NOT NULL, cpu_us INTEGER NOT NULL, peak_rss INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " pid INTEGER NOT NULL, pid_start INTEGER NOT NULL, error TEXT NOT NULL, result TEXT NOT NULL,"
    " log_digest TEXT NOT NULL);"
    "CREATE INDEX steps_run ON steps(run_id, name);"
    "CREATE INDEX steps_name ON steps(name);"
    "CREATE INDEX steps_running ON steps(state) WHERE state = 'running';"

    /* What went into an action key: once for each key, however often it is seen. */
    "CREATE TABLE key_fields(key TEXT PRIMARY KEY, fields TEXT NOT NULL) WITHOUT ROWID;"
    /* The action cache: the step whose outputs stand for the key. */
    "CREATE TABLE actions(key TEXT PRIMARY KEY, step_id INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX actions_step ON actions(step_id);"

    /* Lineage: what a step read (output 0) and made (output 1), in order. */
    "CREATE TABLE artifacts(step_id INTEGER NOT NULL, output INTEGER NOT NULL, at INTEGER NOT NULL, name TEXT NOT NULL,"
    " type TEXT NOT NULL, digest BLOB NOT NULL, size INTEGER NOT NULL, meta TEXT NOT NULL,"
    " PRIMARY KEY(step_id, output, at)) WITHOUT ROWID;"
    "CREATE INDEX artifacts_digest ON artifacts(digest, output);"

    "CREATE TABLE datasets(name TEXT NOT NULL, version INTEGER NOT NULL, digest BLOB NOT NULL, source TEXT NOT NULL,"
    " rows INTEGER NOT NULL, columns INTEGER NOT NULL, created_us INTEGER NOT NULL, schema TEXT NOT NULL,"
    " PRIMARY KEY(name, version), UNIQUE(name, digest));"

    "CREATE TABLE model_versions(model TEXT NOT NULL, version INTEGER NOT NULL, digest BLOB NOT NULL,"
    " run_id INTEGER NOT NULL, step_id INTEGER NOT NULL, created_us INTEGER NOT NULL, trainer TEXT NOT NULL,"
    " metrics TEXT NOT NULL, PRIMARY KEY(model, version), UNIQUE(model, digest));"
    "CREATE TABLE model_aliases(model TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL,"
    " PRIMARY KEY(model, alias)) WITHOUT ROWID;"
    /* Every move of an alias; version 0 = dropped. */
    "CREATE TABLE model_alias_log(id INTEGER PRIMARY KEY, model TEXT NOT NULL, alias TEXT NOT NULL,"
    " version INTEGER NOT NULL, at_us INTEGER NOT NULL);"
    "CREATE TABLE model_tags(model TEXT NOT NULL, version INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY(model, version, key)) WITHOUT ROWID;"
    "CREATE TABLE model_uses(digest BLOB NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL, uses INTEGER NOT NULL,"
    " first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, PRIMARY KEY(digest, kind, detail)) WITHOUT ROWID;"

    /* Where small blobs lie; indexed_bytes: up to there every record of the pack stands in `packed` (see blob_pack.c). */
    "CREATE TABLE packs(id INTEGER PRIMARY KEY, indexed_bytes INTEGER NOT NULL, dead INTEGER NOT NULL);"
    "CREATE TABLE packed(digest BLOB PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL,"
    " size INTEGER NOT NULL) WITHOUT ROWID;"

    /* The user's files as last seen (see stat_cache.c). */
    "CREATE TABLE stats(dev INTEGER NOT NULL, ino INTEGER NOT NULL, facts BLOB NOT NULL, PRIMARY KEY(dev, ino)) WITHOUT ROWID;";

static const char version_2[] =
    /* What is tried beside the champion, and every move of the champion that a person or a verdict made. share in millionths. */
    "CREATE TABLE releases(id INTEGER PRIMARY KEY, model TEXT NOT NULL, champion INTEGER NOT NULL, candidate INTEGER NOT NULL,"
    " mode TEXT NOT NULL, share INTEGER NOT NULL, for_us INTEGER NOT NULL, requests_min INTEGER NOT NULL,"
    " rollback TEXT NOT NULL, sticky TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL,"
    " began_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, paused_us INTEGER NOT NULL, paused_since_us INTEGER NOT NULL);"
    "CREATE INDEX releases_model ON releases(model, id);"
    "CREATE UNIQUE INDEX releases_running ON releases(model) WHERE state = 'running';"
    "CREATE TABLE release_log(id INTEGER PRIMARY KEY, release_id INTEGER NOT NULL, at_us INTEGER NOT NULL, what TEXT NOT NULL);"
    "CREATE INDEX release_log_of ON release_log(release_id, id);";

static const char version_3[] =
    /* What monitoring found, whom it told, and which retrainings it asked for. */
    "CREATE TABLE windows(model TEXT NOT NULL, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL, version INTEGER NOT NULL,"
    " rows INTEGER NOT NULL, labelled INTEGER NOT NULL, final INTEGER NOT NULL, result TEXT NOT NULL, updated_us INTEGER NOT "
    "NULL,"
    " PRIMARY KEY(model, from_us, until_us, version)) WITHOUT ROWID;"
    "CREATE TABLE alert_memory(model TEXT NOT NULL, rule TEXT NOT NULL, memory TEXT NOT NULL, window_until_us INTEGER NOT NULL,"
    " alert_id INTEGER NOT NULL, PRIMARY KEY(model, rule)) WITHOUT ROWID;"
    "CREATE TABLE alerts(id INTEGER PRIMARY KEY, model TEXT NOT NULL, rule TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT "
    "NULL,"
    " began_us INTEGER NOT NULL, last_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, said_us INTEGER NOT NULL,"
    " snoozed_until_us INTEGER NOT NULL, title TEXT NOT NULL, detail TEXT NOT NULL);"
    "CREATE UNIQUE INDEX alerts_firing ON alerts(model, rule) WHERE state = 'firing';"
    "CREATE TABLE silences(id INTEGER PRIMARY KEY, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL, model TEXT NOT NULL,"
    " rule TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL);"
    "CREATE TABLE deliveries(id INTEGER PRIMARY KEY, alert_id INTEGER NOT NULL, batch INTEGER NOT NULL, channel TEXT NOT NULL, "
    "message_id TEXT NOT NULL,"
    " kind TEXT NOT NULL, message TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_us INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL, sent_us INTEGER NOT NULL, last_error TEXT NOT NULL);"
    "CREATE INDEX deliveries_due ON deliveries(next_us) WHERE state IN ('waiting', 'lasting', 'held');"
    "CREATE INDEX deliveries_of ON deliveries(alert_id, id);"
    "CREATE TABLE triggers(id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, kind TEXT NOT NULL, cause TEXT NOT NULL, reason TEXT "
    "NOT NULL,"
    " asked_us INTEGER NOT NULL, state TEXT NOT NULL, started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, attempts INTEGER "
    "NOT NULL,"
    " run_id INTEGER NOT NULL, model_version INTEGER NOT NULL, outcome TEXT NOT NULL, UNIQUE(pipeline, cause));"
    "CREATE UNIQUE INDEX triggers_running ON triggers(pipeline) WHERE state = 'running';";

static const char *const migrations[] = { version_1, version_2, version_3 };
_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == GM_SQLITE_SCHEMA_VERSION, "one migration for each version");

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static gm_rc newer(int64_t version, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_EINVALID, "the store has schema version %lld, this program knows versions up to %d",
                          (long long)version, GM_SQLITE_SCHEMA_VERSION);
    gm_err_hint(err, "A newer gristmill made this store: use that one, or keep a store of its own for this one.");
    return rc;
}

static gm_rc not_ours(const char *path, const char *why, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" is not the records of a store: %s", path, why);
    gm_err_hint(err, "Nothing was changed. Restore the file from a copy, or move the folder away to start a new store.");
    return rc;
}

/* Read the first bytes of a file through SQLite's own functions: closing a descriptor of ours would drop the locks that
 * another connection of this process holds on the file. -1 when it cannot be read. */
static int read_header(const char *path, unsigned char *into, int len)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_filename name = vfs ? sqlite3_create_filename(path, "", "", 0, NULL) : NULL;
    sqlite3_file *file = name ? calloc(1, (size_t)vfs->szOsFile) : NULL;
    int rc = file ? vfs->xOpen(vfs, name, file, SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READONLY, NULL) : SQLITE_NOMEM;
    if (!rc) rc = file->pMethods->xRead(file, into, len, 0);
    if (file && file->pMethods) (void)file->pMethods->xClose(file);
    free(file);
    if (name) sqlite3_free_filename(name);
    return rc && rc != SQLITE_IOERR_SHORT_READ ? -1 : 0; /* a short read fills up with zeros */
}

/* Offsets are those of the SQLite file format: 60 user version, 68 application id. */
gm_rc gm_sqlite_inspect(const char *path, bool *out_new, gm_err *err)
{
    unsigned char header[100];
    struct stat st;
    *out_new = false;
    if (lstat(path, &st) != 0) {
        *out_new = errno == ENOENT;
        return *out_new ? GM_OK : gm_err_errno(err, errno, "look at", path);
    }
    if (S_ISLNK(st.st_mode)) return not_ours(path, "it is a symbolic link", err);
    if (!S_ISREG(st.st_mode)) return not_ours(path, "it is no regular file", err);
    *out_new = st.st_size == 0; /* a crash between creating the file and its first write */
    if (*out_new) return GM_OK;
    if (read_header(path, header, sizeof(header)) != 0) return gm_err_set(err, GM_EIO, "could not read \"%s\"", path);
    if (memcmp(header, "SQLite format 3", 16) != 0) return not_ours(path, "it does not begin like an SQLite database", err);
    uint32_t version = big_endian(header + 60), application = big_endian(header + 68);
    if (version == 0 && application == 0)
        *out_new = true; /* begun, not finished; migrate() looks for foreign tables */
    else if (application != GM_SQLITE_APPLICATION_ID)
        return not_ours(path, "another program made it", err);
    return version > GM_SQLITE_SCHEMA_VERSION ? newer(version, err) : GM_OK;
}

static gm_rc pragma(connection *c, const char *sql, int64_t *out, gm_err *err)
{
    return gm_meta_int(&c->base, 0, out, err, sql, "");
}

static gm_rc migrate_one(connection *c, int version, gm_err *err)
{
    char numbers[96];
    (void)snprintf(numbers, sizeof(numbers), "PRAGMA application_id=%d; PRAGMA user_version=%d;", GM_SQLITE_APPLICATION_ID,
                   version + 1);
    gm_rc rc = gm_sqlite_exec(c, "BEGIN IMMEDIATE", err);
    if (!rc) rc = gm_sqlite_exec(c, migrations[version], err);
    if (!rc) rc = gm_sqlite_exec(c, numbers, err);
    if (!rc) rc = gm_sqlite_exec(c, "COMMIT", err);
    if (rc && !sqlite3_get_autocommit(c->db)) (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL); /* already failing */
    return gm_err_ctx(err, rc, "bringing the store from schema version %d to %d", version, version + 1);
}

gm_rc gm_sqlite_migrate(gm_meta *m, gm_err *err)
{
    connection *c = &m->writer;
    int64_t version = 0, tables = 0;
    gm_rc rc = pragma(c, "PRAGMA user_version", &version, err);
    if (rc) return rc;
    if (version > GM_SQLITE_SCHEMA_VERSION) return newer(version, err); /* the header was old: the number stood in the log */
    if (version == GM_SQLITE_SCHEMA_VERSION) return GM_OK;
    if (version == 0) {
        rc = pragma(c, "SELECT count(*) FROM sqlite_master", &tables, err);
        if (rc) return rc;
        if (tables) return not_ours(m->path, "another program made it", err);
    }
    while (!rc && version < GM_SQLITE_SCHEMA_VERSION) rc = migrate_one(c, (int)version++, err);
    if (rc) return rc;
    /* The numbers go into the file's header now, where gm_sqlite_inspect of an older program looks for them. */
    int busy = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return busy && busy != SQLITE_BUSY ? gm_sqlite_error(c->db, busy, "write the new schema", err) : GM_OK;
}
