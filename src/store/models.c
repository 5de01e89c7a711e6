/* models.c - the registry: versions of models, aliases, tags, and who used them.
 *
 * A version is a package's digest under a number that counts up per model; both never change. Registering a digest that the model
 * has already gives its old number, so that running a pipeline again changes nothing. Versions are never removed here.
 */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/node.h"
#include "store/model_names.h"
#include "store/store_internal.h"

/* ---- register ------------------------------------------------------------------------------------------------- */

struct name_call {
    const char *model, *key, *value; /* alias or tag; value of a tag */
    int64_t version;
};

static gm_rc alias_set_work(gm_tx *tx, void *ctx, gm_err *err);
static gm_rc tag_work(gm_tx *tx, void *ctx, gm_err *err);

struct register_call {
    const gm_model_version *v;
    const gm_node *tags; /* NULL = none */
    gm_arena *a;
    int64_t version;
    bool is_new;
};

/* Aliases and tags of a new version: in its own transaction, so that no crash leaves it without them. */
static gm_rc name_new(gm_tx *tx, const struct register_call *call, gm_err *err)
{
    struct name_call name = { .model = call->v->model, .version = call->version };
    gm_rc rc = GM_OK;
    for (size_t i = 0; call->tags && i < call->tags->count && !rc; i++) {
        name.key = call->tags->keys[i];
        name.value = call->tags->items[i]->text;
        rc = gm_model_tag_check(name.key, err);
        if (!rc) rc = tag_work(tx, &name, err);
    }
    for (const char *at = call->v->aliases ? call->v->aliases : ""; *at && !rc; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        name.key = gm_arena_strndup(call->a, at, len);
        rc = name.key ? gm_model_alias_check(name.key, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for an alias");
        if (!rc) rc = alias_set_work(tx, &name, err);
        at += len;
    }
    return rc;
}

static gm_rc register_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct register_call *call = ctx;
    const gm_model_version *v = call->v;
    gm_rc rc = gm_meta_int(tx, 0, &call->version, err, "SELECT version FROM model_versions WHERE model = ?1 AND digest = ?2", "td",
                           v->model, &v->digest);
    call->is_new = call->version == 0;
    if (rc || !call->is_new) return rc;
    rc = gm_meta_int(tx, 0, &call->version, err,
                       "INSERT INTO model_versions(model, version, digest, run_id, step_id, created_us, trainer, metrics) VALUES(?1,"
                       " (SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE model = ?1), ?2, ?3, ?4, ?5, ?6, ?7)"
                       " RETURNING version",
                       "tdiiitt", v->model, &v->digest, v->run_id, v->step_id, v->created_us ? v->created_us : gm_now_us(),
                       v->trainer, v->metrics_json);
    return rc ? rc : name_new(tx, call, err);
}

gm_rc gm_model_register(gm_store *s, const gm_model_version *v, int64_t *out_version, bool *out_new, gm_err *err)
{
    gm_node *tags = NULL;
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? gm_model_name_check(v->model, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to register a model");
    if (!rc && v->tags_json && v->tags_json[0]) rc = gm_json_read(v->tags_json, strlen(v->tags_json), "tags", a, &tags, err);
    struct register_call call = { .v = v, .tags = tags, .a = a };
    if (!rc) rc = gm_store_write(s, true, register_work, &call, err);
    gm_arena_free(a);
    if (rc) return gm_err_ctx(err, rc, "registering a version of model \"%s\"", v->model ? v->model : "");
    *out_version = call.version;
    if (out_new) *out_new = call.is_new;
    return GM_OK;
}

/* ---- look up --------------------------------------------------------------------------------------------------- */

typedef struct version_rows {
    gm_arena *a;
    gm_model_version *items; /* [count] */
    size_t count, capacity;
} version_rows;

#define VERSION_COLUMNS "model, version, digest, run_id, step_id, created_us, trainer, metrics"

static gm_rc read_versions(gm_stmt *st, version_rows *rows, gm_err *err)
{
    bool row = false, ok = true;
    gm_rc rc = GM_OK;
    while (ok && !(rc = gm_meta_next(st, &row, err)) && row) {
        rows->items = gm_meta_grow(rows->a, rows->items, rows->count, &rows->capacity, sizeof(*rows->items));
        ok = rows->items != NULL;
        if (!ok) break;
        gm_meta_reader r = { .st = st, .a = rows->a };
        gm_model_version *v = &rows->items[rows->count++];
        v->model = gm_meta_read_text(&r);
        v->version = gm_meta_read_int(&r);
        v->digest = gm_meta_read_digest(&r);
        v->run_id = gm_meta_read_int(&r);
        v->step_id = gm_meta_read_int(&r);
        v->created_us = gm_meta_read_int(&r);
        v->trainer = gm_meta_read_text(&r);
        v->metrics_json = gm_meta_read_text(&r);
        v->aliases = "";
        v->tags_json = "{}";
        ok = !r.failed;
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to list the models");
}

/* Fill aliases ("champion challenger", sorted) and tags_json of one version. */
static gm_rc fill_names(gm_tx *tx, gm_model_version *v, gm_arena *a, gm_err *err)
{
    gm_buf aliases = { 0 }, tags = { 0 };
    gm_json j;
    gm_stmt *st = NULL;
    bool row = false;
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT alias FROM model_aliases WHERE model = ?1 AND version = ?2 ORDER BY alias", "ti",
                             v->model, v->version);
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row)
        gm_buf_printf(&aliases, "%s%s", aliases.len ? " " : "", st->backend->column_text(st, 0));
    gm_json_init(&j, &tags, false);
    gm_json_object(&j);
    if (!rc)
        rc = gm_meta_query(tx, &st, err, "SELECT key, value FROM model_tags WHERE model = ?1 AND version = ?2 ORDER BY key", "ti",
                           v->model, v->version);
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        gm_json_key(&j, st->backend->column_text(st, 0));
        gm_json_str(&j, st->backend->column_text(st, 1));
    }
    gm_json_object_end(&j);
    v->aliases = gm_arena_strdup(a, gm_buf_str(&aliases));
    v->tags_json = gm_arena_strdup(a, gm_buf_str(&tags));
    bool ok = v->aliases && v->tags_json && !aliases.failed && !tags.failed;
    gm_buf_clear(&aliases);
    gm_buf_clear(&tags);
    return rc || ok ? rc : gm_err_set(err, GM_ENOMEM, "not enough memory to list the models");
}

struct list_call {
    const char *name; /* NULL = all models */
    version_rows rows;
};

static gm_rc list_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct list_call *call = ctx;
    gm_stmt *st = NULL;
    gm_rc rc = call->name
                   ? gm_meta_query(tx, &st, err, "SELECT " VERSION_COLUMNS " FROM model_versions WHERE model = ?1 ORDER BY version DESC",
                                   "t", call->name)
                   : gm_meta_query(tx, &st, err, "SELECT " VERSION_COLUMNS " FROM model_versions ORDER BY model, version DESC", "");
    if (!rc) rc = read_versions(st, &call->rows, err);
    for (size_t i = 0; i < call->rows.count && !rc; i++) rc = fill_names(tx, &call->rows.items[i], call->rows.a, err);
    return rc;
}

gm_rc gm_model_list(gm_store *s, const char *name_or_null, gm_arena *a, gm_model_version **out, size_t *out_count, gm_err *err)
{
    struct list_call call = { name_or_null, { .a = a } };
    gm_rc rc = gm_store_read(s, list_work, &call, err);
    if (rc) return rc;
    *out = call.rows.items;
    *out_count = call.rows.count;
    return GM_OK;
}

/* `there is no model "chrn"`, with the nearest name or all of them as hint. */
static gm_rc no_such_model(gm_tx *tx, const char *name, gm_arena *a, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0, capacity = 0;
    gm_stmt *st = NULL;
    bool row = false;
    gm_buf all = { 0 };
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT DISTINCT model FROM model_versions ORDER BY model LIMIT 100", "");
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        names = gm_meta_grow(a, names, count, &capacity, sizeof(*names));
        const char *copy = names ? gm_arena_strdup(a, st->backend->column_text(st, 0)) : NULL;
        if (!copy) {
            gm_meta_done(st);
            break; /* the hint is shorter */
        }
        names[count++] = copy;
        gm_buf_printf(&all, "%s%s", count > 1 ? ", " : "", copy);
    }
    if (rc) return rc;
    rc = gm_err_set(err, GM_ENOTFOUND, "there is no model \"%s\"", name);
    const char *nearest = gm_nearest(name, names, count);
    if (nearest) gm_err_hint(err, "Did you mean \"%s\"? Registered: %s.", nearest, gm_buf_str(&all));
    else if (count) gm_err_hint(err, "Registered: %s.", gm_buf_str(&all));
    else gm_err_hint(err, "No model is registered yet: `gristmill run` registers one when its gates pass.");
    gm_buf_clear(&all);
    return rc;
}

struct resolve_call {
    gm_model_ref ref;
    version_rows rows;
};

/* The version number that ref means; 0 = none. */
static gm_rc pick_version(gm_tx *tx, const gm_model_ref *ref, int64_t *out, gm_err *err)
{
    const char *alias = ref->alias[0] ? ref->alias : "champion";
    *out = ref->version;
    if (ref->version) return GM_OK;
    gm_rc rc = gm_meta_int(tx, 0, out, err, "SELECT version FROM model_aliases WHERE model = ?1 AND alias = ?2", "tt", ref->name, alias);
    if (rc || *out || ref->alias[0]) return rc;
    return gm_meta_int(tx, 0, out, err, "SELECT coalesce(max(version), 0) FROM model_versions WHERE model = ?1", "t", ref->name);
}

static gm_rc resolve_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct resolve_call *call = ctx;
    gm_stmt *st = NULL;
    int64_t version = 0, known = 0;
    gm_rc rc = pick_version(tx, &call->ref, &version, err);
    if (!rc)
        rc = gm_meta_query(tx, &st, err, "SELECT " VERSION_COLUMNS " FROM model_versions WHERE model = ?1 AND version = ?2", "ti",
                           call->ref.name, version);
    if (!rc) rc = read_versions(st, &call->rows, err);
    if (rc) return rc;
    if (call->rows.count) return fill_names(tx, &call->rows.items[0], call->rows.a, err);

    rc = gm_meta_int(tx, 0, &known, err, "SELECT coalesce(max(version), 0) FROM model_versions WHERE model = ?1", "t", call->ref.name);
    if (rc) return rc;
    if (!known) return no_such_model(tx, call->ref.name, call->rows.a, err);
    rc = call->ref.alias[0] ? gm_err_set(err, GM_ENOTFOUND, "model \"%s\" has no alias \"%s\"", call->ref.name, call->ref.alias)
                            : gm_err_set(err, GM_ENOTFOUND, "model \"%s\" has no version %lld", call->ref.name,
                                         (long long)call->ref.version);
    gm_err_hint(err, "Its newest version is %lld; `gristmill models %s` lists all.", (long long)known, call->ref.name);
    return rc;
}

gm_rc gm_model_resolve(gm_store *s, const char *ref, gm_arena *a, gm_model_version *out, gm_err *err)
{
    struct resolve_call call = { .rows = { .a = a } };
    gm_rc rc = gm_model_ref_parse(ref, &call.ref, err);
    if (!rc) rc = gm_store_read(s, resolve_work, &call, err);
    if (!rc) *out = call.rows.items[0];
    return rc;
}

/* ---- aliases, tags, uses ------------------------------------------------------------------------------------------ */

static gm_rc check_version(gm_tx *tx, const struct name_call *call, gm_err *err)
{
    int64_t found = 0;
    gm_rc rc = gm_meta_int(tx, 0, &found, err, "SELECT count(*) FROM model_versions WHERE model = ?1 AND version = ?2", "ti",
                           call->model, call->version);
    return rc || found ? rc : gm_err_set(err, GM_ENOTFOUND, "model \"%s\" has no version %lld", call->model, (long long)call->version);
}

/* Every move is kept: who stood behind a name at what time. */
static gm_rc log_alias(gm_tx *tx, const struct name_call *call, gm_err *err)
{
    gm_rc rc = gm_meta_exec(tx, err, "INSERT INTO model_alias_log(model, alias, version, at_us) VALUES(?1, ?2, ?3, ?4)", "ttii",
                            call->model, call->key, call->version, gm_now_us());
    return rc || strcmp(call->key, "champion") != 0 ? rc : gm_release_champion_moved(tx, call->model, call->version, err);
}

static gm_rc alias_set_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct name_call *call = ctx;
    int64_t old = 0;
    gm_rc rc = check_version(tx, call, err);
    if (!rc)
        rc = gm_meta_int(tx, 0, &old, err, "SELECT version FROM model_aliases WHERE model = ?1 AND alias = ?2", "tt", call->model,
                         call->key);
    if (rc || old == call->version) return rc;
    rc = gm_meta_exec(tx, err,
                      "INSERT INTO model_aliases(model, alias, version) VALUES(?1, ?2, ?3) ON CONFLICT(model, alias)"
                      " DO UPDATE SET version = excluded.version",
                      "tti", call->model, call->key, call->version);
    return rc ? rc : log_alias(tx, call, err);
}

gm_rc gm_model_alias_move(gm_tx *tx, const char *model, const char *alias, int64_t version, gm_err *err)
{
    struct name_call call = { .model = model, .key = alias, .version = version };
    return alias_set_work(tx, &call, err);
}

gm_rc gm_model_alias_set(gm_store *s, const char *model, const char *alias, int64_t version, gm_err *err)
{
    struct name_call call = { .model = model, .key = alias, .version = version };
    gm_rc rc = gm_model_alias_check(alias, err);
    return rc ? rc : gm_store_write(s, true, alias_set_work, &call, err);
}

static gm_rc alias_drop_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct name_call *call = ctx;
    int64_t old = 0;
    gm_rc rc = gm_meta_int(tx, 0, &old, err, "DELETE FROM model_aliases WHERE model = ?1 AND alias = ?2 RETURNING version", "tt",
                           call->model, call->key);
    if (!rc && !old) rc = gm_err_set(err, GM_ENOTFOUND, "model \"%s\" has no alias \"%s\"", call->model, call->key);
    return rc ? rc : log_alias(tx, call, err);
}

gm_rc gm_model_alias_leave(gm_tx *tx, const char *model, const char *alias, int64_t version, gm_err *err)
{
    struct name_call call = { .model = model, .key = alias };
    int64_t held = 0;
    gm_rc rc = gm_meta_int(tx, 0, &held, err, "SELECT version FROM model_aliases WHERE model = ?1 AND alias = ?2", "tt", model, alias);
    return rc || held != version ? rc : alias_drop_work(tx, &call, err);
}

gm_rc gm_model_alias_drop(gm_store *s, const char *model, const char *alias, gm_err *err)
{
    struct name_call call = { .model = model, .key = alias };
    return gm_store_write(s, true, alias_drop_work, &call, err);
}

static gm_rc tag_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct name_call *call = ctx;
    gm_rc rc = check_version(tx, call, err);
    if (rc) return rc;
    if (!call->value)
        return gm_meta_exec(tx, err, "DELETE FROM model_tags WHERE model = ?1 AND version = ?2 AND key = ?3", "tit", call->model,
                            call->version, call->key);
    return gm_meta_exec(tx, err,
                        "INSERT INTO model_tags(model, version, key, value) VALUES(?1, ?2, ?3, ?4)"
                        " ON CONFLICT(model, version, key) DO UPDATE SET value = excluded.value",
                        "titt", call->model, call->version, call->key, call->value);
}

gm_rc gm_model_tag(gm_store *s, const char *model, int64_t version, const char *key, const char *value, gm_err *err)
{
    struct name_call call = { model, key, value, version };
    gm_rc rc = gm_model_tag_check(key, err);
    return rc ? rc : gm_store_write(s, true, tag_work, &call, err);
}

struct use_call {
    const gm_digest *digest;
    const char *kind, *detail;
};

static gm_rc use_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct use_call *call = ctx;
    return gm_meta_exec(tx, err,
                        "INSERT INTO model_uses(digest, kind, detail, uses, first_us, last_us) VALUES(?1, ?2, ?3, 1, ?4, ?4)"
                        " ON CONFLICT(digest, kind, detail) DO UPDATE SET uses = model_uses.uses + 1, last_us = excluded.last_us",
                        "dtti", call->digest, call->kind, call->detail, gm_now_us());
}

gm_rc gm_model_use(gm_store *s, const gm_digest *digest, const char *kind, const char *detail, gm_err *err)
{
    struct use_call call = { digest, kind, detail };
    return gm_store_write(s, false, use_work, &call, err);
}

struct uses_call {
    const gm_digest *digest;
    gm_arena *a;
    gm_model_use_record *items; /* [count] */
    size_t count, capacity;
};

static gm_rc uses_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct uses_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, ok = true;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT kind, detail, uses, first_us, last_us FROM model_uses WHERE digest = ?1 ORDER BY last_us DESC", "d",
                             call->digest);
    while (ok && !rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        call->items = gm_meta_grow(call->a, call->items, call->count, &call->capacity, sizeof(*call->items));
        ok = call->items != NULL;
        if (!ok) break;
        gm_meta_reader r = { .st = st, .a = call->a };
        gm_model_use_record *u = &call->items[call->count++];
        u->kind = gm_meta_read_text(&r);
        u->detail = gm_meta_read_text(&r);
        u->uses = gm_meta_read_int(&r);
        u->first_us = gm_meta_read_int(&r);
        u->last_us = gm_meta_read_int(&r);
        ok = !r.failed;
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to list the uses of a model");
}

gm_rc gm_model_uses(gm_store *s, const gm_digest *digest, gm_arena *a, gm_model_use_record **out, size_t *out_count, gm_err *err)
{
    struct uses_call call = { .digest = digest, .a = a };
    gm_rc rc = gm_store_read(s, uses_work, &call, err);
    if (rc) return rc;
    *out = call.items;
    *out_count = call.count;
    return GM_OK;
}
