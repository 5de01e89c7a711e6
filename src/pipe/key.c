/* key.c - action keys: what a step's outputs depend on, and nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "pipe/run.h"

/* The digest of a folder: the digests of its files with their relative names, in order of names. */
static gm_rc digest_folder(gm_store *store, const char *path, gm_arena *a, gm_hasher *h, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0;
    gm_rc rc = gm_fs_list(path, a, &names, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        const char *child = gm_path_join(a, path, names[i]);
        gm_digest d;
        if (names[i][0] == '.' || strcmp(names[i], "__pycache__") == 0) continue;
        gm_hasher_text(h, names[i]);
        rc = gm_stat_digest(store, child, &d, NULL, err); /* first as a file, which most are: one look at each */
        if (!rc) {
            gm_hasher_text(h, d.hex);
        } else if (gm_fs_is_dir(child)) {
            gm_hasher_text(h, "folder");
            rc = digest_folder(store, child, a, h, err);
        }
    }
    gm_hasher_text(h, "end");
    return rc;
}

static gm_rc digest_path(gm_store *store, const char *path, gm_arena *a, gm_digest *out, gm_err *err)
{
    if (!gm_fs_is_dir(path)) return gm_stat_digest(store, path, out, NULL, err);
    gm_hasher *h = gm_hasher_new();
    if (!h) return gm_err_set(err, GM_ENOMEM, "not enough memory to digest \"%s\"", path);
    gm_rc rc = digest_folder(store, path, a, h, err);
    gm_digest d;
    gm_hasher_finish(h, &d);
    if (!rc) *out = d;
    return rc;
}

static gm_rc resolve_edge(gm_store *store, gm_graph *g, const gm_step *s, gm_edge *e, gm_err *err)
{
    if (e->from >= 0) {
        const gm_artifact *artifact = gm_edge_artifact(g, e);
        if (!artifact && e->optional) return GM_OK;
        if (!artifact)
            return gm_err_at(err, s->pos, GM_EINVALID, "step \"%s\" wants the output \"%s\" of step \"%s\", which made none",
                             s->name, e->output, g->steps[e->from].name);
        e->digest = artifact->digest;
        return GM_OK;
    }
    if (!e->path) return GM_OK; /* a fixed digest */
    gm_rc rc = digest_path(store, e->path, g->a, &e->digest, err);
    return rc ? gm_err_ctx(err, gm_err_place(err, rc, s->pos), "reading input \"%s\" of step \"%s\"", e->name, s->name) : GM_OK;
}

gm_rc gm_step_key(gm_store *store, gm_graph *g, gm_step *s, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    char version[32];
    gm_digest key;
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < s->inputs_count; i++) rc = resolve_edge(store, g, s, &s->inputs[i], err);
    if (rc) return rc;
    gm_hasher *h = gm_hasher_new();
    if (!h) return gm_err_set(err, GM_ENOMEM, "not enough memory for a key");
    const char *kind = s->kind                           ? s->kind->item.name
                       : s->inside == GM_INSIDE_REGISTER ? "register"
                       : s->inside == GM_INSIDE_DEPLOY   ? "deploy"
                       : s->inside == GM_INSIDE_CARD     ? "card"
                                                         : "run";
    (void)snprintf(version, sizeof(version), "%d", s->kind ? s->kind->version : 1);
    const char *engine = s->kind && s->kind->uses_data ? gm_engine_version() : "";
    gm_hasher_text(h, kind);
    gm_hasher_text(h, version);
    gm_hasher_text(h, s->params_json);
    gm_hasher_text(h, engine);
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "kind", kind);
    gm_json_kstr(&j, "version", version);
    gm_json_kstr(&j, "engine", engine);
    gm_buf_printf(&b, ",\"params\":%s", s->params_json);
    gm_json_key(&j, "inputs");
    gm_json_object(&j);
    for (size_t i = 0; i < s->inputs_count; i++) {
        gm_hasher_text(h, s->inputs[i].name);
        gm_hasher_text(h, s->inputs[i].digest.hex);
        gm_json_kstr(&j, s->inputs[i].name, s->inputs[i].digest.hex);
    }
    gm_json_object_end(&j);
    gm_json_object_end(&j);
    gm_hasher_finish(h, &key);
    s->key = gm_arena_strdup(g->a, key.hex);
    s->key_fields = gm_arena_strdup(g->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return s->key && s->key_fields ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a key");
}

/* ---- why -------------------------------------------------------------------------------------------------- */

static const char *shown(const gm_node *n)
{
    if (!n) return "(none)";
    if (n->kind == GM_NODE_SEQ) return "(list)";
    if (n->kind == GM_NODE_MAP) return "(map)";
    return n->is_null ? "(none)" : n->text;
}

static void differ(const gm_node *x, const gm_node *y, const char *path, gm_buf *out)
{
    if (x && y && x->kind == y->kind && x->kind != GM_NODE_SCALAR) {
        size_t count = x->count > y->count ? x->count : y->count;
        for (size_t i = 0; i < count; i++) {
            char sub[256];
            if (x->kind == GM_NODE_SEQ) {
                (void)snprintf(sub, sizeof(sub), "%s[%zu]", path, i + 1);
                differ(i < x->count ? x->items[i] : NULL, i < y->count ? y->items[i] : NULL, sub, out);
            } else if (i < x->count) {
                (void)snprintf(sub, sizeof(sub), "%s%s%s", path, path[0] ? "." : "", x->keys[i]);
                differ(x->items[i], gm_node_get(y, x->keys[i]), sub, out);
            }
        }
        for (size_t i = 0; y->kind == GM_NODE_MAP && i < y->count; i++)
            if (!gm_node_get(x, y->keys[i])) {
                char sub[256];
                (void)snprintf(sub, sizeof(sub), "%s%s%s", path, path[0] ? "." : "", y->keys[i]);
                differ(NULL, y->items[i], sub, out);
            }
        return;
    }
    bool equal = x && y && x->kind == GM_NODE_SCALAR && y->kind == GM_NODE_SCALAR && x->is_null == y->is_null &&
                 strcmp(x->text, y->text) == 0;
    if (equal || (!x && !y)) return;
    const char *before = shown(x), *after = shown(y);
    bool digests = strlen(before) == 64 && strlen(after) == 64;
    gm_buf_printf(out, "%s%s", out->len ? "; " : "", path);
    if (digests)
        gm_buf_printf(out, ": %.12s -> %.12s", before, after);
    else
        gm_buf_printf(out, ": %.60s -> %.60s", before, after);
}

const char *gm_key_difference(const char *fields_before, const char *fields_after, gm_arena *a)
{
    gm_node *x = NULL, *y = NULL;
    gm_buf b = { 0 };
    if (gm_json_read(fields_before, strlen(fields_before), "key", a, &x, NULL) ||
        gm_json_read(fields_after, strlen(fields_after), "key", a, &y, NULL))
        return "";
    differ(x, y, "", &b);
    const char *text = gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return text ? text : "";
}
