/* trigger_data.c - see trigger_look.h: has the data changed since the newest run read it? And is there a model at all?
 *
 * What a run read stands in the fields of its load steps' keys: the digest of each file. The same digests made now, through the
 * cache that knows unchanged files by their times, are compared with them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/column.h"
#include "base/fs.h"
#include "loop/trigger_look.h"

enum { RUNS_LOOKED_AT = 20, DATA_SETS_MAX = 64 };

/* Digest over the files as they are now. A database that is no file: none. */
static gm_rc digest_now(const gm_trigger_look *look, const gm_data_spec *d, gm_arena *a, gm_digest *out, gm_err *err)
{
    const char **files = NULL;
    size_t count = 0;
    gm_rc rc = gm_source_files(&d->source, look->spec->base_dir, a, &files, &count, err);
    *out = (gm_digest){ { 0 } };
    if (rc || !count) return rc;
    gm_hasher *h = gm_hasher_new();
    if (!h) return gm_err_set(err, GM_ENOMEM, "not enough memory to look at \"%s\"", d->name);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_digest file;
        rc = gm_stat_digest(look->store, files[i], &file, NULL, err);
        if (!rc) gm_hasher_text(h, file.hex);
    }
    gm_digest all;
    gm_hasher_finish(h, &all);
    if (!rc) *out = all;
    return rc;
}

/* The load step of a data set in the newest run that had one. GM_ENOTFOUND. */
static gm_rc newest_load(const gm_trigger_look *look, const gm_data_spec *d, gm_arena *a, gm_step_record *out, gm_err *err)
{
    gm_run_record *runs = NULL;
    size_t count = 0;
    const char *name = gm_arena_printf(a, "load %s", d->name);
    gm_rc rc = name ? gm_run_list_of(look->store, look->spec->pipeline, RUNS_LOOKED_AT, a, &runs, &count, err)
                    : gm_err_set(err, GM_ENOMEM, "not enough memory");
    for (size_t i = 0; !rc && i < count; i++) {
        gm_step_record *steps = NULL;
        size_t steps_count = 0;
        rc = gm_step_list(look->store, runs[i].id, a, &steps, &steps_count, err);
        for (size_t k = 0; !rc && k < steps_count; k++) {
            if (strcmp(steps[k].name, name) != 0) continue;
            *out = steps[k];
            return GM_OK;
        }
    }
    return rc ? rc : gm_err_set(err, GM_ENOTFOUND, "no run read \"%s\"", d->name);
}

/* The same digest, of the files that this step read: fields are {"inputs": {"file0001": digest, ...}, ...}. */
static bool digest_then(const gm_step_record *load, gm_arena *a, gm_digest *out)
{
    gm_node *root = NULL;
    if (gm_json_read(load->key_fields, strlen(load->key_fields), "key", a, &root, NULL)) return false;
    const gm_node *inputs = gm_node_get(root, "inputs");
    gm_hasher *h = inputs ? gm_hasher_new() : NULL;
    if (!h) return false;
    for (size_t i = 0; i < inputs->count; i++) gm_hasher_text(h, inputs->items[i]->text);
    gm_hasher_finish(h, out);
    return true;
}

/* Rows of the source now, by reading it; -1 = it cannot be read, which the run will say better. */
static int64_t rows_now(const gm_trigger_look *look, const gm_data_spec *d, gm_arena *a)
{
    gm_engine *engine = NULL;
    gm_source source = d->source;
    const char *schema = NULL;
    int64_t rows = -1;
    char *dir = gm_arena_printf(a, "%s/tmp/count-XXXXXX", gm_store_root(look->store));
    if (!dir || !mkdtemp(dir)) return -1;
    if (gm_engine_open(&(gm_engine_options){ .threads = 1, .temp_dir = dir }, &engine, NULL) == GM_OK &&
        gm_data_snapshot(engine, &source, look->spec->base_dir, gm_path_join(a, dir, "rows.parquet"), a, &schema, &rows, NULL))
        rows = -1;
    gm_engine_close(engine);
    (void)gm_fs_remove_tree(dir, NULL); /* scratch */
    return rows;
}

/* When a SQLite database was last written: the file, or the log beside it. 0 = it is none, or not there. */
static int64_t sqlite_time(const gm_trigger_look *look, const gm_data_spec *d, gm_arena *a)
{
    int64_t newest = 0;
    if (strncmp(d->source.from, "sqlite:", 7) != 0) return 0;
    const char *name = d->source.from + 7, *file = gm_arena_strndup(a, name, strcspn(name, "?"));
    const char *path = file ? gm_path_join(a, look->spec->base_dir ? look->spec->base_dir : ".", file) : NULL;
    const char *paths[2] = { path, path ? gm_arena_printf(a, "%s-wal", path) : NULL };
    for (size_t i = 0; i < 2; i++) {
        struct stat st;
        if (!paths[i] || stat(paths[i], &st) != 0 || (i == 1 && st.st_size == 0)) continue;
        int64_t us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
        newest = us > newest ? us : newest;
    }
    return newest;
}

static gm_rc look_sqlite(const gm_trigger_look *look, const gm_data_spec *d, const gm_step_record *load, gm_arena *a, gm_err *err)
{
    char when[48];
    int64_t written = sqlite_time(look, d, a);
    if (!written || written <= load->started_us) return GM_OK;
    (void)gm_time_text(written, when, sizeof(when));
    const char *reason = gm_arena_printf(a, "\"%s\" was written at %s, after the last run read it", d->source.from, when);
    return gm_trigger_wish_newest(look, GM_TRIGGER_NEW_DATA, gm_arena_printf(a, "new data %s", d->name), when, reason, a, err);
}

/* The least number of new rows that any `new data` trigger of the file asks for; 0 = any change. */
static int64_t rows_wanted(const gm_spec *spec)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < spec->retrain.triggers_count; i++)
        if (spec->retrain.triggers[i].kind == GM_TRIGGER_NEW_DATA && spec->retrain.triggers[i].rows_min < least)
            least = spec->retrain.triggers[i].rows_min;
    return least;
}

static gm_rc look_one(const gm_trigger_look *look, const gm_data_spec *d, gm_digest *last, gm_digest *too_few, gm_arena *a,
                      gm_err *err)
{
    gm_digest now, then = { { 0 } };
    gm_step_record load = { 0 };
    gm_err none;
    gm_rc rc = digest_now(look, d, a, &now, err);
    if (rc == GM_ENOTFOUND) return GM_OK; /* the file is being exchanged, or is gone: the run would say so */
    if (!rc && (rc = newest_load(look, d, a, &load, &none)) == GM_ENOTFOUND)
        return GM_OK; /* the first run is a matter of its own */
    if (rc) return rc;
    if (!now.hex[0]) return look_sqlite(look, d, &load, a, err);
    bool settled = strcmp(last->hex, now.hex) == 0;
    *last = now;
    if (!settled || !digest_then(&load, a, &then) || strcmp(then.hex, now.hex) == 0) return GM_OK;
    int64_t wanted = rows_wanted(look->spec), rows = -1;
    if (wanted > 0 && d != look->spec->primary) return GM_OK; /* rows are asked of the primary data set */
    /* With the run that read the other files: data that went back to what it once was is new again. */
    const char *state = gm_arena_printf(a, "%.16s since run %" PRId64, now.hex, load.run_id);
    if (wanted > 0) {
        if (strcmp(too_few->hex, now.hex) == 0) return GM_OK;
        rows = rows_now(look, d, a);
        if (rows >= 0 && rows - load.rows < wanted) {
            *too_few = now;
            return GM_OK;
        }
    }
    const char *reason = rows >= 0 ? gm_arena_printf(a, "%s: %" PRId64 " rows, %" PRId64 " more than the last run read", d->name,
                                                     rows, rows - load.rows)
                                   : gm_arena_printf(a, "%s: the files differ from those that the last run read", d->name);
    return gm_trigger_wish_newest(look, GM_TRIGGER_NEW_DATA, gm_arena_printf(a, "new data %s", d->name), state, reason, a, err);
}

gm_rc gm_trigger_look_data(const gm_trigger_look *look, gm_trigger_data *seen, gm_err *err)
{
    gm_rc rc = GM_OK;
    if (!gm_trigger_wanted(look->spec, GM_TRIGGER_NEW_DATA)) return GM_OK;
    for (size_t i = 0; !rc && i < look->spec->data_count && i < DATA_SETS_MAX; i++) {
        gm_arena *a = gm_arena_new(0);
        rc = a ? look_one(look, &look->spec->data[i], &seen->last[i], &seen->too_few[i], a, err)
               : gm_err_set(err, GM_ENOMEM, "not enough memory to look at the data");
        gm_arena_free(a);
    }
    return rc;
}

/* ---- the first ------------------------------------------------------------------------------------------------------------ */

/* The file and every data set as they are now; what cannot be read counts as absent, and the run will say so. */
static gm_rc digest_all(const gm_trigger_look *look, gm_arena *a, gm_digest *out, gm_err *err)
{
    gm_digest d;
    gm_hasher *h = gm_hasher_new();
    if (!h) return gm_err_set(err, GM_ENOMEM, "not enough memory to look at the data");
    gm_hasher_text(h, look->spec->file && gm_stat_digest(look->store, look->spec->file, &d, NULL, NULL) == GM_OK ? d.hex : "");
    for (size_t i = 0; i < look->spec->data_count; i++)
        gm_hasher_text(h, digest_now(look, &look->spec->data[i], a, &d, NULL) == GM_OK ? d.hex : "");
    gm_hasher_finish(h, out);
    return GM_OK;
}

static gm_rc was_tried(const gm_trigger_look *look, gm_arena *a, bool *out, gm_err *err)
{
    gm_trigger_record *all = NULL;
    size_t count = 0;
    gm_rc rc = gm_trigger_list(look->store, look->spec->pipeline, NULL, 0, a, &all, &count, err);
    *out = false;
    for (size_t i = 0; i < count; i++) *out = *out || strncmp(all[i].cause, GM_TRIGGER_FIRST, strlen(GM_TRIGGER_FIRST)) == 0;
    return rc;
}

static gm_rc first(const gm_trigger_look *look, gm_trigger_data *seen, gm_arena *a, gm_err *err)
{
    gm_model_version *models = NULL;
    size_t count = 0;
    gm_digest now;
    bool tried = false;
    gm_rc rc = gm_model_list(look->store, look->spec->pipeline, a, &models, &count, err);
    if (rc == GM_ENOTFOUND) rc = GM_OK;
    if (rc || count) return rc;
    rc = was_tried(look, a, &tried, err);
    if (!rc) rc = digest_all(look, a, &now, err);
    if (rc) return rc;
    bool settled = strcmp(seen->first.hex, now.hex) == 0;
    seen->first = now;
    if (tried && !settled) return GM_OK;
    return gm_trigger_wish_newest(look, GM_TRIGGER_NEW_DATA, GM_TRIGGER_FIRST, gm_arena_printf(a, "%.16s", now.hex),
                                  "there is no model yet", a, err);
}

gm_rc gm_trigger_look_first(const gm_trigger_look *look, gm_trigger_data *seen, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? first(look, seen, a, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to look at the data");
    gm_arena_free(a);
    return rc;
}
