/* lineage.c - see lineage.h: the two trees are collected from the store, then written as text or as JSON. */
#include "govern/lineage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 20000, DEPTH_MAX = 200 };

struct lnode;
/* A step with the artifacts on its far side: inputs when looking back, outputs when looking forward. */
typedef struct lstep {
    gm_step_record record;
    struct lnode *items; /* [count] */
    size_t count;
} lstep;

typedef struct lnode {
    gm_artifact artifact;
    const gm_dataset_version *dataset; /* NULL when it is none that is registered */
    bool repeated;                     /* followed elsewhere                      */
    lstep *steps;                      /* [count] its maker, or its users         */
    size_t count;
} lnode;

typedef struct walk {
    gm_store *store;
    gm_arena *a;
    bool forward;
    gm_dataset_version *datasets;
    size_t datasets_count;
    gm_digest *seen; /* [seen_count] of [NODES_MAX] */
    size_t seen_count;
} walk;

static const gm_dataset_version *find_dataset(const walk *w, const gm_digest *d)
{
    for (size_t i = 0; i < w->datasets_count; i++)
        if (strcmp(w->datasets[i].digest.hex, d->hex) == 0) return &w->datasets[i];
    return NULL;
}

/* Remember a digest; false when it was there. */
static bool first_time(walk *w, const gm_digest *d)
{
    for (size_t i = 0; i < w->seen_count; i++)
        if (memcmp(w->seen[i].hex, d->hex, sizeof(d->hex)) == 0) return false;
    if (w->seen_count < NODES_MAX) w->seen[w->seen_count++] = *d;
    return true;
}

static gm_rc expand(walk *w, lnode *n, int depth, gm_err *err);

static gm_rc expand_step(walk *w, lstep *s, int depth, gm_err *err)
{
    gm_artifacts list = { 0 };
    gm_rc rc = gm_step_artifacts(w->store, s->record.id, !w->forward, w->a, &list, err);
    if (rc) return rc;
    s->items = GM_ARENA_ARRAY(w->a, lnode, list.count);
    if (!s->items) return gm_err_set(err, GM_ENOMEM, "not enough memory for the lineage");
    s->count = list.count;
    for (size_t i = 0; !rc && i < list.count; i++) {
        s->items[i].artifact = list.items[i];
        rc = expand(w, &s->items[i], depth + 1, err);
    }
    return rc;
}

/* Fill n->steps from the store, and so on. A lineage beyond the limits is cut: what is left out shows as repeated. */
static gm_rc expand(walk *w, lnode *n, int depth, gm_err *err)
{
    gm_step_record *found = NULL, maker;
    size_t count = 0;
    gm_rc rc = GM_OK;
    n->dataset = find_dataset(w, &n->artifact.digest);
    n->repeated = !first_time(w, &n->artifact.digest) || depth > DEPTH_MAX || w->seen_count >= NODES_MAX;
    if (n->repeated) return GM_OK;
    if (w->forward) {
        rc = gm_lineage_users(w->store, &n->artifact.digest, w->a, &found, &count, err);
    } else {
        rc = gm_lineage_maker(w->store, &n->artifact.digest, w->a, &maker, err);
        if (rc == GM_ENOTFOUND) return GM_OK; /* came from outside: a file, code */
        found = &maker;
        count = 1;
    }
    if (rc) return rc;
    n->steps = GM_ARENA_ARRAY(w->a, lstep, count);
    if (!n->steps) return gm_err_set(err, GM_ENOMEM, "not enough memory for the lineage");
    for (size_t i = 0; !rc && i < count; i++) {
        bool again = false; /* another attempt with the same key made the same */
        for (size_t k = 0; k < n->count && !again; k++)
            again = strcmp(n->steps[k].record.key, found[i].key) == 0 && strcmp(n->steps[k].record.name, found[i].name) == 0;
        if (again) continue;
        n->steps[n->count].record = found[i];
        rc = expand_step(w, &n->steps[n->count++], depth, err);
    }
    return rc;
}

typedef struct lineage {
    gm_model_version model; /* model NULL = the reference is a digest */
    lnode back, forward;
    gm_model_use_record *uses;
    size_t uses_count;
} lineage;

static gm_rc walk_from(gm_store *store, bool forward, const gm_digest *digest, const char *name, gm_arena *a, lnode *out,
                       gm_err *err)
{
    walk w = { .store = store, .a = a, .forward = forward, .seen = GM_ARENA_ARRAY(a, gm_digest, NODES_MAX) };
    if (!w.seen) return gm_err_set(err, GM_ENOMEM, "not enough memory for the lineage");
    out->artifact = (gm_artifact){ .name = name, .type = "", .digest = *digest };
    gm_rc rc = gm_dataset_list(store, NULL, a, &w.datasets, &w.datasets_count, err);
    return rc ? rc : expand(&w, out, 0, err);
}

static gm_rc collect(gm_store *store, const char *ref, gm_arena *a, lineage *out, gm_err *err)
{
    gm_digest digest;
    const char *name = "artifact";
    gm_rc rc = GM_OK;
    if (!gm_digest_parse(ref, &digest)) {
        rc = gm_model_resolve(store, ref, a, &out->model, err);
        if (rc) return rc;
        digest = out->model.digest;
        name = "package";
    }
    rc = walk_from(store, false, &digest, name, a, &out->back, err);
    if (!rc) rc = walk_from(store, true, &digest, name, a, &out->forward, err);
    if (!rc) rc = gm_model_uses(store, &digest, a, &out->uses, &out->uses_count, err);
    if (!rc && !out->model.model && out->back.count == 0 && out->forward.count == 0 && !out->back.dataset) {
        rc = gm_err_set(err, GM_ENOTFOUND, "no recorded step made or used %.12s", digest.hex);
        gm_err_hint(err, "`gristmill models` and `gristmill data` list what is known by name.");
    }
    return rc;
}

/* ---- as text ---------------------------------------------------------------------------------------------------- */

static void put_artifact(gm_buf *out, const lnode *n)
{
    gm_buf_text(out, n->artifact.name);
    if (n->artifact.type && n->artifact.type[0] && strcmp(n->artifact.type, n->artifact.name) != 0)
        gm_buf_printf(out, " (%s)", n->artifact.type);
    gm_buf_printf(out, " %.12s", n->artifact.digest.hex);
    if (n->dataset)
        gm_buf_printf(out, ", %s version %" PRId64 " from %s, %" PRId64 " rows", n->dataset->name, n->dataset->version,
                      n->dataset->source, n->dataset->rows);
}

static void put_indent(gm_buf *out, int depth)
{
    for (int i = 0; i < depth; i++) gm_buf_text(out, "  ");
}

static void back_text(gm_buf *out, const lnode *n, int depth)
{
    put_indent(out, depth);
    put_artifact(out, n);
    if (n->count)
        gm_buf_printf(out, " <- %s, run %" PRId64 "\n", n->steps[0].record.name, n->steps[0].record.run_id);
    else
        gm_buf_text(out, n->repeated ? " (see above)\n" : "\n");
    for (size_t i = 0; n->count && i < n->steps[0].count; i++) back_text(out, &n->steps[0].items[i], depth + 1);
}

static void forward_text(gm_buf *out, const lnode *n, int depth)
{
    for (size_t i = 0; i < n->count; i++) {
        const lstep *s = &n->steps[i];
        put_indent(out, depth);
        gm_buf_printf(out, "-> %s, run %" PRId64 "\n", s->record.name, s->record.run_id);
        for (size_t k = 0; k < s->count; k++) {
            put_indent(out, depth + 1);
            put_artifact(out, &s->items[k]);
            gm_buf_text(out, s->items[k].repeated ? " (see above)\n" : "\n");
            forward_text(out, &s->items[k], depth + 2);
        }
    }
}

static void write_text(const lineage *l, gm_buf *out)
{
    if (l->model.model) {
        gm_buf_printf(out, "%s version %" PRId64, l->model.model, l->model.version);
        if (l->model.aliases && l->model.aliases[0]) gm_buf_printf(out, " (%s)", l->model.aliases);
        gm_buf_text(out, "\n\n");
    }
    gm_buf_text(out, "made from\n");
    back_text(out, &l->back, 1);
    gm_buf_text(out, "\nused by\n");
    forward_text(out, &l->forward, 1);
    for (size_t i = 0; i < l->uses_count; i++) {
        gm_buf_printf(out, "  -> %s: %s", l->uses[i].kind, l->uses[i].detail);
        gm_buf_printf(out, l->uses[i].uses > 1 ? ", %" PRId64 " times\n" : "\n", l->uses[i].uses);
    }
    if (l->forward.count == 0 && l->uses_count == 0) gm_buf_text(out, "  nothing yet\n");
}

/* ---- as JSON ---------------------------------------------------------------------------------------------------- */

static void step_members(gm_json *j, const gm_step_record *r)
{
    gm_json_kstr(j, "step", r->name);
    gm_json_kstr(j, "kind", r->kind);
    gm_json_kint(j, "run", r->run_id);
    gm_json_kstr(j, "key", r->key);
}

static void artifact_members(gm_json *j, const lnode *n)
{
    gm_json_kstr(j, "name", n->artifact.name);
    gm_json_kstr(j, "type", n->artifact.type);
    gm_json_kstr(j, "digest", n->artifact.digest.hex);
    if (n->dataset) {
        gm_json_key(j, "dataset");
        gm_json_object(j);
        gm_json_kstr(j, "name", n->dataset->name);
        gm_json_kint(j, "version", n->dataset->version);
        gm_json_kstr(j, "source", n->dataset->source);
        gm_json_kint(j, "rows", n->dataset->rows);
        gm_json_object_end(j);
    }
    if (n->repeated) gm_json_kbool(j, "repeated", true);
}

/* gm_json nests at most 64 levels; a step takes four. Deeper ones are marked as cut. */
enum { JSON_DEPTH_MAX = 14 };

static void back_json(gm_json *j, const lnode *n, int depth)
{
    gm_json_object(j);
    artifact_members(j, n);
    if (n->count && depth == JSON_DEPTH_MAX)
        gm_json_kbool(j, "cut", true);
    else if (n->count) {
        gm_json_key(j, "made_by");
        gm_json_object(j);
        step_members(j, &n->steps[0].record);
        gm_json_key(j, "inputs");
        gm_json_array(j);
        for (size_t i = 0; i < n->steps[0].count; i++) back_json(j, &n->steps[0].items[i], depth + 1);
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    gm_json_object_end(j);
}

static void forward_json(gm_json *j, const lnode *n, int depth)
{
    gm_json_array(j);
    for (size_t i = 0; i < n->count; i++) {
        gm_json_object(j);
        step_members(j, &n->steps[i].record);
        if (depth == JSON_DEPTH_MAX) gm_json_kbool(j, "cut", true);
        gm_json_key(j, "outputs");
        gm_json_array(j);
        for (size_t k = 0; depth < JSON_DEPTH_MAX && k < n->steps[i].count; k++) {
            gm_json_object(j);
            artifact_members(j, &n->steps[i].items[k]);
            gm_json_key(j, "used_by");
            forward_json(j, &n->steps[i].items[k], depth + 1);
            gm_json_object_end(j);
        }
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void write_json(const char *ref, const lineage *l, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "ref", ref);
    gm_json_key(j, "model");
    if (l->model.model) {
        gm_json_object(j);
        gm_json_kstr(j, "name", l->model.model);
        gm_json_kint(j, "version", l->model.version);
        gm_json_kstr(j, "aliases", l->model.aliases);
        gm_json_kstr(j, "trainer", l->model.trainer);
        gm_json_object_end(j);
    } else
        gm_json_null(j);
    gm_json_key(j, "artifact");
    back_json(j, &l->back, 0);
    gm_json_key(j, "used_by");
    forward_json(j, &l->forward, 0);
    gm_json_key(j, "uses");
    gm_json_array(j);
    for (size_t i = 0; i < l->uses_count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "kind", l->uses[i].kind);
        gm_json_kstr(j, "detail", l->uses[i].detail);
        gm_json_kint(j, "uses", l->uses[i].uses);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

/* ---- both --------------------------------------------------------------------------------------------------------- */

static gm_rc with_lineage(gm_store *store, const char *ref, gm_buf *text, gm_json *j, gm_err *err)
{
    lineage l = { 0 };
    gm_arena *a = gm_arena_new((size_t)256 << 20);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory for the lineage");
    gm_rc rc = collect(store, ref, a, &l, err);
    if (!rc && text) write_text(&l, text);
    if (!rc && j) write_json(ref, &l, j);
    gm_arena_free(a);
    if (!rc && (text ? text->failed : j->out->failed)) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for the lineage");
    return gm_err_ctx(err, rc, "reading the lineage of \"%.80s\"", ref);
}

gm_rc gm_lineage_text(gm_store *store, const char *ref, gm_buf *out, gm_err *err)
{
    return with_lineage(store, ref, out, NULL, err);
}

gm_rc gm_lineage_json(gm_store *store, const char *ref, gm_json *j, gm_err *err)
{
    return with_lineage(store, ref, NULL, j, err);
}
