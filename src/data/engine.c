/* engine.c - DuckDB opened with our settings, its errors as ours, and SQL with names quoted.
 *
 * Settings: the memory limit and threads of the options; no extension is loaded or fetched at run time; rows keep their order;
 * times are UTC.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpus.h"
#include "base/fs.h"
#include "data/engine_internal.h"

/* ---- the library ---- */

static duck_api api;
static gm_rc api_rc;
static gm_err api_err;
static pthread_once_t api_once = PTHREAD_ONCE_INIT;

static void load(void)
{
    void *handle = NULL;
    api_rc = gm_library_open("libduckdb.so", &handle, &api_err);
#define X(result, name, args) \
    if (!api_rc) api_rc = gm_library_symbol(handle, "duckdb_" #name, (void **)(void *)&api.name, &api_err);
    GM_DUCKDB_FUNCTIONS(X)
#undef X
    if (api_rc || strcmp(api.library_version(), GM_ENGINE_VERSION) == 0) return;
    api_rc = gm_err_set(&api_err, GM_EUNSUPPORTED, "the library \"libduckdb.so\" has version %.40s; this program works with %s", api.library_version(), GM_ENGINE_VERSION);
    gm_err_hint(&api_err, "`make build` fetches that version; GRISTMILL_LIB_DIR names another folder to look in.");
}

gm_rc gm_duck(const duck_api **out, gm_err *err)
{
    (void)pthread_once(&api_once, load); /* cannot fail with these arguments */
    if (api_rc) {
        if (err) *err = api_err;
        return api_rc;
    }
    *out = &api;
    return GM_OK;
}

const char *gm_engine_version(void) { return GM_ENGINE_VERSION; }

/* ---- errors ---- */

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

gm_rc gm_duck_failed(const char *what, const char *reason, gm_err *err)
{
    const char *text = reason ? reason : "no reason given", *colon = strstr(text, "Error: ");
    gm_rc rc = GM_EINVALID;
    if (begins(text, "Out of Memory")) rc = GM_ENOMEM;
    if (begins(text, "IO Error")) rc = strstr(text, "No files found") ? GM_ENOTFOUND : GM_EIO;
    if (begins(text, "INTERNAL") || begins(text, "FATAL")) rc = GM_EINTERNAL;
    if (begins(text, "Interrupt")) rc = GM_ECANCELED;
    if (colon) text = colon + strlen("Error: ");
    rc = gm_err_set(err, rc, "could not %s: %.*s", what, (int)strcspn(text, "\n"), text);
    if (rc == GM_ENOMEM) gm_err_hint(err, "Raise the memory limit of the step, or take fewer columns.");
    if (rc == GM_EIO && strstr(text, "No space left")) gm_err_hint(err, "The disk is full; make room and run again.");
    return rc;
}

gm_rc gm_duck_query(gm_engine *e, duck_connection con, const char *sql, const char *what, gm_err *err)
{
    duck_result result;
    memset(&result, 0, sizeof(result));
    gm_rc rc = GM_OK;
    if (e->duck->query(con, sql, &result) != DUCK_OK) rc = gm_duck_failed(what, e->duck->result_error(&result), err);
    e->duck->destroy_result(&result);
    return rc;
}

gm_rc gm_engine_run(gm_engine *e, const char *sql, const char *what, gm_err *err) { return gm_duck_query(e, e->con, sql, what, err); }

/* ---- open ---- */

static gm_rc configure(gm_engine *e, const gm_engine_options *o, duck_config config, gm_err *err)
{
    char threads[24], memory[32], temp[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    int64_t memory_bytes = o && o->memory_bytes > 0 ? o->memory_bytes : (int64_t)512 << 20;
    (void)snprintf(threads, sizeof(threads), "%" PRId64, o && o->threads > 0 ? o->threads : (int64_t)gm_cpus());
    (void)snprintf(memory, sizeof(memory), "%" PRId64 "B", memory_bytes);
    if (o && o->temp_dir) (void)snprintf(temp, sizeof(temp), "%s", o->temp_dir);
    else (void)snprintf(temp, sizeof(temp), "%s/gristmill-spill-%d", tmp && *tmp ? tmp : "/tmp", (int)getpid());

    const char *const settings[][2] = {
        { "threads", threads },
        { "memory_limit", memory },
        { "temp_directory", temp },
        { "autoinstall_known_extensions", "false" },
        { "autoload_known_extensions", "false" },
        { "allow_community_extensions", "false" },
        { "preserve_insertion_order", "true" },
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (e->duck->set_config(config, settings[i][0], settings[i][1]) != DUCK_OK)
            return gm_err_set(err, GM_EINVALID, "the data engine refuses %s = %s", settings[i][0], settings[i][1]);
    return GM_OK;
}

static gm_rc open_database(gm_engine *e, const gm_engine_options *o, gm_err *err)
{
    duck_config config = NULL;
    char *reason = NULL;
    if (e->duck->create_config(&config) != DUCK_OK) return gm_err_set(err, GM_ENOMEM, "not enough memory for the data engine");
    gm_rc rc = configure(e, o, config, err);
    if (!rc && e->duck->open_ext(NULL, &e->database, config, &reason) != DUCK_OK) rc = gm_duck_failed("open the data engine", reason, err);
    if (reason) e->duck->free(reason);
    e->duck->destroy_config(&config);
    if (rc) return rc;
    if (e->duck->connect(e->database, &e->con) != DUCK_OK || e->duck->connect(e->database, &e->write_con) != DUCK_OK)
        return gm_err_set(err, GM_ENOMEM, "could not connect to the data engine");
    return gm_engine_run(e, "SET TimeZone = 'UTC'", "set the time zone", err);
}

gm_rc gm_engine_open(const gm_engine_options *o, gm_engine **out, gm_err *err)
{
    const duck_api *duck = NULL;
    gm_rc rc = gm_duck(&duck, err);
    if (rc) return rc;
    gm_engine *e = calloc(1, sizeof(*e));
    if (!e) return gm_err_set(err, GM_ENOMEM, "not enough memory for the data engine");
    e->duck = duck;
    rc = open_database(e, o, err);
    if (!rc) rc = gm_duck_rows_function(e, err);
    if (rc) {
        gm_engine_close(e);
        return rc;
    }
    *out = e;
    return GM_OK;
}

void gm_engine_close(gm_engine *e)
{
    if (!e) return;
    if (e->con) e->duck->disconnect(&e->con);
    if (e->write_con) e->duck->disconnect(&e->write_con);
    if (e->database) e->duck->close(&e->database);
    free(e);
}

/* ---- SQL text ---- */

static void quoted(gm_buf *sql, const char *text, char quote)
{
    gm_buf_char(sql, quote);
    for (; *text; text++) {
        if (*text == quote) gm_buf_char(sql, quote);
        gm_buf_char(sql, *text);
    }
    gm_buf_char(sql, quote);
}

void gm_sql_ident(gm_buf *sql, const char *name) { quoted(sql, name, '"'); }
void gm_sql_literal(gm_buf *sql, const char *text) { quoted(sql, text, '\''); }

void gm_sql_path(gm_buf *sql, const char *path)
{
    gm_buf plain = { 0 };
    for (; *path; path++) {
        if (strchr("*?[", *path)) gm_buf_printf(&plain, "[%c]", *path);
        else gm_buf_char(&plain, *path);
    }
    sql->failed |= plain.failed;
    gm_sql_literal(sql, gm_buf_str(&plain));
    gm_buf_clear(&plain);
}

/* ---- scratch files ---- */

gm_rc gm_scratch_name(const char *path, char *out, size_t out_size, gm_err *err)
{
    int n = snprintf(out, out_size, "%s.%d.part", path, (int)getpid());
    return n > 0 && (size_t)n < out_size ? GM_OK : gm_err_set(err, GM_EINVALID, "the path \"%.100s...\" is too long", path);
}

gm_rc gm_scratch_commit(const char *scratch, const char *path, gm_err *err)
{
    char dir[PATH_MAX];
    int fd = open(scratch, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "open", scratch);
    int fault = gm_fault("data.sync");
    gm_rc rc = fault || fsync(fd) != 0 ? gm_err_errno(err, fault ? fault : errno, "sync", path) : GM_OK;
    (void)close(fd); /* nothing was written through it */
    fault = rc ? 0 : gm_fault("data.rename");
    if (!rc && (fault || rename(scratch, path) != 0)) rc = gm_err_errno(err, fault ? fault : errno, "rename a file to", path);
    if (rc) return rc;
    (void)snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = '\0';
    return gm_fs_sync_dir(slash ? dir : ".", err);
}
