/* graph.c - see graph.h. Every section of the file becomes plain steps here. */
#include "pipe/graph.h"

#include <string.h>

#include "base/fs.h"
#include "data/engine.h"
#include "pipe/feature_params.h"
#include "pipe/scorer.h"
#include "train/trainer.h"

/* A JSON object being written into an arena text. */
typedef struct text {
    gm_buf b;
    gm_json j;
} text;

static void text_begin(text *t)
{
    t->b = (gm_buf){ 0 };
    gm_json_init(&t->j, &t->b, false);
    gm_json_object(&t->j);
}

static const char *text_end(text *t, gm_arena *a)
{
    gm_json_object_end(&t->j);
    const char *s = gm_arena_strdup(a, gm_buf_str(&t->b));
    gm_assert(s != NULL && !t->b.failed); /* as for the steps themselves: a few kilobytes */
    gm_buf_clear(&t->b);
    return s;
}

static gm_step *add_step(gm_graph *g, const char *name, const char *kind, gm_pos pos)
{
    if (g->count == g->capacity) {
        size_t capacity = g->capacity ? g->capacity * 2 : 32;
        gm_step *steps = GM_ARENA_ARRAY(g->a, gm_step, capacity);
        gm_assert(steps != NULL);
        if (g->count) memcpy(steps, g->steps, g->count * sizeof(*steps));
        g->steps = steps;
        g->capacity = capacity;
    }
    gm_step *s = &g->steps[g->count++];
    *s = (gm_step){ .name = name, .cacheable = true, .params_json = "{}", .pos = pos, .record = { .rows = -1 } };
    if (kind) {
        const gm_item *item = NULL;
        gm_assert(gm_registry_find(&gm_step_kinds, kind, &item, NULL) == GM_OK);
        s->kind = (const gm_step_kind *)item;
    }
    return s;
}

static gm_edge *add_edge(gm_graph *g, gm_step *s, const char *name)
{
    if (s->inputs_count == s->inputs_capacity) {
        size_t capacity = s->inputs_capacity ? s->inputs_capacity * 2 : 8;
        gm_edge *edges = GM_ARENA_ARRAY(g->a, gm_edge, capacity);
        gm_assert(edges != NULL);
        if (s->inputs_count) memcpy(edges, s->inputs, s->inputs_count * sizeof(*edges));
        s->inputs = edges;
        s->inputs_capacity = capacity;
    }
    gm_edge *e = &s->inputs[s->inputs_count++];
    *e = (gm_edge){ .name = name, .from = -1, .type = "file" };
    return e;
}

static void link_step(gm_graph *g, gm_step *s, const char *name, const char *from_step, const char *output, const char *type)
{
    gm_edge *e = add_edge(g, s, name);
    e->from = gm_graph_find(g, from_step);
    gm_assert(e->from >= 0);
    e->output = output;
    e->type = type;
}

int gm_graph_find(const gm_graph *g, const char *name)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->steps[i].name, name) == 0) return (int)i;
    return -1;
}

const gm_artifact *gm_step_output(const gm_step *s, const char *name)
{
    for (size_t i = 0; i < s->outputs.count; i++)
        if (strcmp(s->outputs.items[i].name, name) == 0) return &s->outputs.items[i];
    return NULL;
}

const gm_artifact *gm_edge_artifact(const gm_graph *g, const gm_edge *e)
{
    const gm_step *s = &g->steps[e->from];
    const gm_artifact *found = gm_step_output(s, e->output);
    if (found || strcmp(e->output, "clean") != 0) return found;
    for (size_t i = 0; i < s->inputs_count; i++) /* no row was quarantined: the data as it came in */
        if (strcmp(s->inputs[i].name, "data") == 0) return gm_edge_artifact(g, &s->inputs[i]);
    return NULL;
}

static const char *named(gm_graph *g, const char *verb, const char *what)
{
    const char *name = gm_arena_printf(g->a, "%s %s", verb, what);
    gm_assert(name != NULL);
    return name;
}

static void place_json(gm_json *j, gm_pos pos)
{
    gm_json_kstr(j, "file", pos.file);
    gm_json_kint(j, "line", pos.line);
    gm_json_kint(j, "col", pos.col);
}

static void strings_json(gm_json *j, const char *key, const char *const *items, size_t count)
{
    gm_json_key(j, key);
    gm_json_array(j);
    for (size_t i = 0; i < count; i++) gm_json_str(j, items[i]);
    gm_json_array_end(j);
}

/* ---- first part ------------------------------------------------------------------------------------------ */

/* In the place of `load`: the part of a snapshot that was there at a moment. */
static void add_cut(gm_graph *g, const gm_data_spec *d)
{
    const gm_cut_spec *c = d->cut;
    gm_step *s = add_step(g, named(g, "load", d->name), "cut", d->source.pos);
    text t;
    text_begin(&t);
    gm_json_kstr(&t.j, "time", c->time);
    gm_json_kint(&t.j, "until_us", c->until_us);
    if (c->hidden.count) {
        strings_json(&t.j, "hidden", c->hidden.items, c->hidden.count);
        gm_json_kint(&t.j, "hidden_after_us", c->hidden_after_us);
    }
    if (c->typed) gm_json_kbool(&t.j, "typed", true);
    s->params_json = text_end(&t, g->a);
    gm_edge *e = add_edge(g, s, "data");
    e->type = "dataset";
    e->digest = c->data;
    e = add_edge(g, s, "schema");
    e->type = "report";
    e->digest = c->schema;
}

static void add_load(gm_graph *g, gm_data_spec *d, gm_errs *errs)
{
    if (d->cut) {
        add_cut(g, d);
        return;
    }
    const char **files = NULL;
    size_t count = 0;
    gm_err err;
    gm_rc rc = gm_source_files(&d->source, g->spec->base_dir, g->a, &files, &count, &err);
    if (rc) {
        gm_errs_add_at(errs, &err, d->source.pos);
        return;
    }
    gm_step *s = add_step(g, named(g, "load", d->name), "load", d->source.pos);
    text t;
    text_begin(&t);
    gm_json_kstr(&t.j, "format", d->source.format);
    if (!d->source.format && count)
        gm_json_kstr(&t.j, "suffix",
                     strrchr(files[0], '.')); /* it tells the format: equal bytes of another name read otherwise */
    gm_json_kstr(&t.j, "query", d->source.query);
    if (count == 0) gm_json_kstr(&t.j, "source", d->source.from); /* a database: nothing to digest, so never cached */
    s->params_json = text_end(&t, g->a);
    text_begin(&t);
    gm_json_kstr(&t.j, "from", d->source.from);
    gm_json_kstr(&t.j, "base_dir", g->spec->base_dir);
    place_json(&t.j, d->source.pos);
    s->local_json = text_end(&t, g->a);
    s->cacheable = count > 0;
    for (size_t i = 0; i < count; i++) {
        gm_edge *e = add_edge(g, s, gm_arena_printf(g->a, "file%04zu", i + 1));
        e->path = files[i];
    }
}

static void add_inspect(gm_graph *g)
{
    gm_spec *p = g->spec;
    gm_step *s = add_step(g, "inspect", "inspect", p->target_pos);
    text t;
    text_begin(&t);
    gm_json_kstr(&t.j, "target", p->target_text);
    gm_json_kstr(&t.j, "task", p->task ? gm_task_name(p->task) : "auto");
    s->params_json = text_end(&t, g->a);
    text_begin(&t);
    place_json(&t.j, p->target_pos);
    s->local_json = text_end(&t, g->a);
    link_step(g, s, "data", named(g, "load", p->primary->name), "data", "dataset");
}

gm_rc gm_graph_begin(gm_spec *spec, gm_graph *out, gm_errs *errs)
{
    size_t before = gm_errs_total(errs);
    *out = (gm_graph){ .spec = spec, .goal = out->goal, .a = spec->a };
    for (size_t i = 0; i < spec->data_count; i++) add_load(out, &spec->data[i], errs);
    if (gm_errs_since(errs, before)) return gm_errs_since(errs, before);
    if (spec->target_text && spec->primary) add_inspect(out);
    return GM_OK;
}

/* ---- second part ----------------------------------------------------------------------------------------- */

/* references(col, other.column) reads another data set: it becomes an input of the check. */
static void link_references(gm_graph *g, gm_step *s, const gm_data_spec *d)
{
    for (size_t i = 0; i < g->spec->data_count; i++) {
        const gm_data_spec *other = &g->spec->data[i];
        const char *prefix = gm_arena_printf(g->a, "%s.", other->name);
        bool named_here = false;
        for (size_t k = 0; k < d->checks_count; k++) named_here = named_here || strstr(d->check_specs[k].text, prefix);
        if (other != d && named_here)
            link_step(g, s, gm_arena_printf(g->a, GM_REFERENCED_INPUT "%s", other->name), named(g, "load", other->name), "data",
                      "dataset");
    }
}

static bool asks_the_time(const gm_data_spec *d)
{
    for (size_t i = 0; i < d->checks_count; i++)
        if (strstr(d->check_specs[i].text, "freshness")) return true;
    return false;
}

static void add_check(gm_graph *g, const gm_data_spec *d)
{
    gm_step *s = add_step(g, named(g, "check", d->name), "check", d->pos);
    text t;
    text_begin(&t);
    gm_json_key(&t.j, "checks");
    gm_node_json(d->checks, &t.j);
    strings_json(&t.j, "personal", d->personal.items, d->personal.count);
    if (d->cut && asks_the_time(d)) gm_json_kint(&t.j, "as_of_us", d->cut->until_us);
    s->params_json = text_end(&t, g->a);
    text_begin(&t);
    gm_json_kstr(&t.j, "name", d->name);
    gm_json_kstr(&t.j, "file", g->spec->file);
    gm_json_key(&t.j, "places");
    gm_json_array(&t.j);
    for (size_t i = 0; i < d->checks->count; i++) {
        gm_json_object(&t.j);
        place_json(&t.j, d->checks->items[i]->pos);
        gm_json_object_end(&t.j);
    }
    gm_json_array_end(&t.j);
    s->local_json = text_end(&t, g->a);
    link_step(g, s, "data", named(g, "load", d->name), "data", "dataset");
    link_references(g, s, d);
    if (!d->cut && asks_the_time(d)) s->cacheable = false; /* its answer changes with the time of day */
}

/* The step and output that give a data set's rows after its checks. */
static void link_data(gm_graph *g, gm_step *s, const char *name, const gm_data_spec *d)
{
    const char *check = named(g, "check", d->name);
    if (gm_graph_find(g, check) >= 0)
        link_step(g, s, name, check, "clean", "dataset");
    else
        link_step(g, s, name, named(g, "load", d->name), "data", "dataset");
}

static void joins_json(gm_json *j, const gm_spec *p)
{
    gm_json_key(j, "joins");
    gm_json_array(j);
    for (size_t i = 0; i < p->joins_count; i++) {
        const gm_data_spec *d = gm_spec_data(p, p->joins[i].dataset);
        gm_json_object(j);
        gm_json_kstr(j, "dataset", d->name);
        strings_json(j, "by", p->joins[i].by.items, p->joins[i].by.count);
        gm_json_kdouble(j, "within", p->joins[i].within_seconds);
        gm_json_kstr(j, "time", d->time);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void add_examples(gm_graph *g)
{
    const gm_spec *p = g->spec;
    gm_step *s = add_step(g, "examples", "examples", p->target_pos);
    text t;
    text_begin(&t);
    gm_json_kstr(&t.j, "target", p->target_text);
    gm_json_kstr(&t.j, "task", gm_task_name(p->task));
    strings_json(&t.j, "classes", p->classes, p->classes_count);
    gm_json_kstr(&t.j, "time", p->primary->time);
    joins_json(&t.j, p);
    gm_json_key(&t.j, "split");
    gm_json_object(&t.j);
    gm_json_kstr(&t.j, "by", p->split.by);
    gm_json_kstr(&t.j, "column", p->split.column);
    gm_json_kdouble(&t.j, "validation", p->split.validation);
    gm_json_kdouble(&t.j, "test", p->split.test);
    gm_json_object_end(&t.j);
    gm_json_kint(&t.j, "seed", (int64_t)p->seed);
    if (p->retrain.history_us > 0 && p->primary->time) gm_json_kint(&t.j, "history_us", p->retrain.history_us);
    s->params_json = text_end(&t, g->a);
    link_data(g, s, "data", p->primary);
    for (size_t i = 0; i < p->joins_count; i++)
        link_data(g, s, gm_arena_printf(g->a, GM_JOINED_INPUT "%s", p->joins[i].dataset), gm_spec_data(p, p->joins[i].dataset));
}

static void task_json(gm_json *j, const gm_spec *p)
{
    gm_json_kstr(j, "task", gm_task_name(p->task));
    strings_json(j, "classes", p->classes, p->classes_count);
}

static const char *features_step(const gm_try_spec *t)
{
    return t->wants_scaled ? "features linear" : "features trees";
}

static void add_features(gm_graph *g, const gm_try_spec *try, gm_errs *errs)
{
    const gm_spec *p = g->spec;
    if (gm_graph_find(g, features_step(try)) >= 0) return;
    gm_step *s = add_step(g, features_step(try), "features", try->pos);
    text t;
    text_begin(&t);
    gm_json_key(&t.j, "features");
    gm_feature_params_json(p, &t.j, errs);
    gm_json_kbool(&t.j, "linear", try->wants_scaled);
    gm_json_kint(&t.j, "seed", (int64_t)p->seed);
    task_json(&t.j, p);
    s->params_json = text_end(&t, g->a);
    link_step(g, s, "examples", "examples", "examples", "dataset");
}

static void add_train(gm_graph *g, const gm_try_spec *try)
{
    const gm_spec *p = g->spec;
    gm_step *s = add_step(g, named(g, "train", try->name), "train", try->pos);
    text t;
    text_begin(&t);
    gm_json_kstr(&t.j, "trainer", try->name);
    gm_json_kstr(&t.j, "library", ((const gm_trainer *)try->trainer)->version);
    gm_buf_text(&t.b, ",\"params\":");
    gm_buf_text(&t.b, try->params_json);
    gm_json_kint(&t.j, "trials", p->trials);
    gm_json_kstr(&t.j, "metric", p->metric);
    gm_json_kint(&t.j, "seed", (int64_t)p->seed);
    gm_json_kint(&t.j, "threads", p->threads);
    task_json(&t.j, p);
    s->params_json = text_end(&t, g->a);
    link_step(g, s, "examples", "examples", "examples", "dataset");
    link_step(g, s, "features", features_step(try), "features", "features");
}

/* Columns to slice by: the categories and bools among the features, the first eight. */
static void slices_json(gm_json *j, const gm_spec *p)
{
    enum { SLICES_MAX = 8 };
    size_t count = 0;
    gm_json_key(j, "slices");
    gm_json_array(j);
    for (size_t i = 0; i < p->uses_count && count < SLICES_MAX; i++) {
        if ((p->uses[i].kind != GM_KIND_CATEGORY && p->uses[i].kind != GM_KIND_BOOL) || p->uses[i].expr_text) continue;
        gm_json_str(j, p->uses[i].name);
        count++;
    }
    gm_json_array_end(j);
}

/* Columns of the examples that stay out of samples and reports, those of joined data by their names there. */
static void personal_json(gm_json *j, const gm_spec *p)
{
    gm_json_key(j, "personal");
    gm_json_array(j);
    for (size_t i = 0; i < p->primary->personal.count; i++) gm_json_str(j, p->primary->personal.items[i]);
    for (size_t i = 0; i < p->joins_count; i++) {
        const gm_data_spec *d = gm_spec_data(p, p->joins[i].dataset);
        for (size_t k = 0; k < d->personal.count; k++)
            gm_json_str(j, gm_arena_printf(p->a, "%s.%s", d->name, d->personal.items[k]));
    }
    gm_json_array_end(j);
}

static void link_model(gm_graph *g, gm_step *s, const gm_try_spec *try, const char *suffix)
{
    const char *model = gm_arena_printf(g->a, "model%s", suffix), *features = gm_arena_printf(g->a, "features%s", suffix);
    if (try->trainer) {
        link_step(g, s, model, named(g, "train", try->name), "model", "model");
        link_step(g, s, features, features_step(try), "features", "features");
        link_step(g, s, gm_arena_printf(g->a, "training%s", suffix), named(g, "train", try->name), "training", "report");
    } else {
        link_step(g, s, model, try->name, "model", "model");
    }
}

static void add_evaluate(gm_graph *g, const gm_try_spec *try)
{
    const gm_spec *p = g->spec;
    gm_step *s = add_step(g, named(g, "evaluate", try->name), "evaluate", try->pos);
    text t;
    text_begin(&t);
    gm_json_kstr(&t.j, "metric", p->metric);
    gm_json_kint(&t.j, "seed", (int64_t)p->seed);
    slices_json(&t.j, p);
    personal_json(&t.j, p);
    task_json(&t.j, p);
    s->params_json = text_end(&t, g->a);
    link_step(g, s, "examples", "examples", "examples", "dataset");
    link_model(g, s, try, "");
}

static void tries_json(gm_json *j, const gm_spec *p)
{
    gm_json_key(j, "tries");
    gm_json_array(j);
    for (size_t i = 0; i < p->tries_count; i++) gm_json_str(j, p->tries[i].name);
    gm_json_array_end(j);
}

static void add_select(gm_graph *g)
{
    const gm_spec *p = g->spec;
    gm_step *s = add_step(g, "select", "select", p->target_pos);
    text t;
    text_begin(&t);
    gm_json_kstr(&t.j, "metric", p->metric);
    tries_json(&t.j, p);
    s->params_json = text_end(&t, g->a);
    for (size_t i = 0; i < p->tries_count; i++)
        link_step(g, s, gm_arena_printf(g->a, "evaluation_%s", p->tries[i].name), named(g, "evaluate", p->tries[i].name),
                  "evaluation", "report");
}

static void add_package(gm_graph *g)
{
    const gm_spec *p = g->spec;
    gm_step *s = add_step(g, "package", "package", p->target_pos);
    text t;
    text_begin(&t);
    gm_json_kstr(&t.j, "pipeline", p->pipeline);
    gm_json_kstr(&t.j, "target", p->target_text);
    gm_json_kstr(&t.j, "metric", p->metric);
    gm_json_kstr(&t.j, "time", p->primary->time);
    strings_json(&t.j, "key", p->primary->key.items, p->primary->key.count);
    joins_json(&t.j, p);
    personal_json(&t.j, p);
    tries_json(&t.j, p);
    task_json(&t.j, p);
    s->params_json = text_end(&t, g->a);
    link_step(g, s, "selection", "select", "selection", "report");
    link_step(g, s, "examples", "examples", "examples", "dataset");
    link_step(g, s, "schema", named(g, "load", p->primary->name), "schema", "report");
    for (size_t i = 0; i < p->tries_count; i++) {
        link_model(g, s, &p->tries[i], gm_arena_printf(g->a, "_%s", p->tries[i].name));
        link_step(g, s, gm_arena_printf(g->a, "evaluation_%s", p->tries[i].name), named(g, "evaluate", p->tries[i].name),
                  "evaluation", "report");
    }
}

static bool is_timing(const char *gate)
{
    return strstr(gate, "latency_us") != NULL;
}

static void gates_json(gm_json *j, const gm_spec *p, bool timing)
{
    gm_json_key(j, "gates");
    gm_json_array(j);
    for (size_t i = 0; i < p->gates_count; i++)
        if (is_timing(p->gate_texts[i]) == timing) gm_json_str(j, p->gate_texts[i]);
    gm_json_array_end(j);
}

static void add_gates(gm_graph *g, bool timing)
{
    const gm_spec *p = g->spec;
    size_t count = 0;
    for (size_t i = 0; i < p->gates_count; i++) count += is_timing(p->gate_texts[i]) == timing;
    if (timing && count == 0) return;
    gm_step *s =
        add_step(g, timing ? "latency" : "gates", timing ? "latency" : "gates", p->gates ? p->gates->pos : p->target_pos);
    text t;
    text_begin(&t);
    gates_json(&t.j, p, timing);
    gm_json_kstr(&t.j, "metric", p->metric);
    gm_json_kstr(&t.j, "time", p->primary->time);
    task_json(&t.j, p);
    s->params_json = text_end(&t, g->a);
    s->wants_champion = !timing;
    s->for_new_only = timing;
    s->cacheable = !timing;
    link_step(g, s, "package", "package", "package", "package");
    if (!timing) link_step(g, s, "examples", "examples", "examples", "dataset");
}

static void add_register(gm_graph *g)
{
    gm_step *s = add_step(g, "register", NULL, g->spec->target_pos);
    s->inside = GM_INSIDE_REGISTER;
    s->cacheable = false;
    link_step(g, s, "package", "package", "package", "package");
    link_step(g, s, "gates", "gates", "gates", "report");
    if (gm_graph_find(g, "latency") < 0) return;
    link_step(g, s, "latency", "latency", "latency", "report");
    s->inputs[s->inputs_count - 1].optional = true;
}

/* Only where the file says how; without the section a version that is registered is champion. */
static void add_deploy(gm_graph *g)
{
    const gm_deploy_spec *d = &g->spec->deploy;
    if (!d->node) return;
    gm_step *s = add_step(g, "deploy", NULL, d->pos);
    text t;
    text_begin(&t);
    gm_json_key(&t.j, "deploy");
    gm_node_json(d->node, &t.j);
    s->params_json = text_end(&t, g->a);
    s->inside = GM_INSIDE_DEPLOY;
    s->cacheable = false;
    link_step(g, s, "registered", "register", "registered", "report");
}

static void add_predict(gm_graph *g)
{
    const gm_spec *p = g->spec;
    gm_step *s = add_step(g, "predict", "predict", p->target_pos);
    text t;
    text_begin(&t);
    strings_json(&t.j, "key", p->primary->key.items, p->primary->key.count);
    gm_json_kstr(&t.j, "time", p->primary->time);
    s->params_json = text_end(&t, g->a);
    link_step(g, s, "package", "package", "package", "package");
    link_step(g, s, "examples", "examples", "examples", "dataset");
    link_step(g, s, "registered", "register", "registered", "report");
}

/* The latest row per key of each joined data set, for the server. A key that no exact comparison fits has no such table. */
static void add_online(gm_graph *g, const gm_join_spec *join)
{
    const gm_data_spec *d = gm_spec_data(g->spec, join->dataset);
    for (size_t i = 0; i < join->by.count; i++) {
        const gm_field *f = gm_schema_find(d->schema, join->by.items[i]);
        if (!f || f->type == GM_TYPE_FLOAT) return;
    }
    gm_step *s = add_step(g, named(g, "online", d->name), "online", join->pos);
    text t;
    text_begin(&t);
    strings_json(&t.j, "by", join->by.items, join->by.count);
    gm_json_kstr(&t.j, "time", d->time);
    s->params_json = text_end(&t, g->a);
    link_data(g, s, "data", d);
}

/* The record that the model card is written from; what people said of the model is part of it. */
static void add_card(gm_graph *g)
{
    const gm_spec *p = g->spec;
    gm_step *s = add_step(g, "card", NULL, p->target_pos);
    text t;
    text_begin(&t);
    gm_json_key(&t.j, "govern");
    gm_node_json(p->govern, &t.j);
    gm_json_key(&t.j, "features");
    gm_json_array(&t.j);
    for (size_t i = 0; i < p->uses_count; i++)
        gm_json_str(&t.j, gm_arena_printf(g->a, "%s: %s", p->uses[i].name, p->uses[i].reason ? p->uses[i].reason : ""));
    for (size_t i = 0; i < p->drops_count; i++)
        gm_json_str(&t.j, gm_arena_printf(g->a, "not %s: %s", p->drops[i].name, p->drops[i].reason));
    gm_json_array_end(&t.j);
    s->params_json = text_end(&t, g->a);
    s->inside = GM_INSIDE_CARD;
    link_step(g, s, "registered", "register", "registered", "report");
    link_step(g, s, "gates", "gates", "gates", "report");
    link_step(g, s, "selection", "select", "selection", "report");
    for (size_t i = 0; i < p->data_count; i++) {
        const char *check = named(g, "check", p->data[i].name);
        if (gm_graph_find(g, check) >= 0)
            link_step(g, s, gm_arena_printf(g->a, "checks_%s", p->data[i].name), check, "checks", "report");
    }
}

/* ---- the user's steps ------------------------------------------------------------------------------------- */

/* Is `from` "STEP" or "STEP.OUTPUT" of this step? A file may have such a name too ("train.py" beside a step "train"): only
 * outputs count. */
static bool names_output(const gm_user_step *u, const char *from, const char **out_output)
{
    size_t len = strlen(u->name);
    if (strncmp(from, u->name, len) != 0) return false;
    if (from[len] == '\0') {
        *out_output = u->outputs_count ? u->outputs[0].name : "";
        return true;
    }
    for (size_t i = 0; from[len] == '.' && i < u->outputs_count; i++)
        if (strcmp(u->outputs[i].name, from + len + 1) == 0) {
            *out_output = u->outputs[i].name;
            return true;
        }
    return false;
}

/* "STEP.something" that is no output and no file: a mistyped output more likely than a missing file. */
static void check_output_name(gm_graph *g, const gm_step *s, const char *from, const char *path, gm_errs *errs)
{
    for (size_t i = 0; i < g->spec->steps_count; i++) {
        const gm_user_step *u = &g->spec->steps[i];
        size_t len = strlen(u->name);
        gm_buf names = { 0 };
        if (strncmp(from, u->name, len) != 0 || from[len] != '.' || gm_fs_exists(path)) continue;
        for (size_t k = 0; k < u->outputs_count; k++) gm_buf_printf(&names, "%s%s", k ? ", " : "", u->outputs[k].name);
        gm_errs_at(errs, s->pos, GM_EINVALID,
                   u->outputs_count ? gm_arena_printf(g->a, "Its outputs are: %s.", gm_buf_str(&names)) : "It has no outputs.",
                   "step \"%s\" has no output \"%s\", and there is no file \"%s\"", u->name, from + len + 1, from);
        gm_buf_clear(&names);
        return;
    }
}

/* `from`: a data set, "examples", "STEP", "STEP.OUTPUT", or a file beside the pipeline file. */
static void link_user_input(gm_graph *g, gm_step *s, const char *name, const char *from, gm_errs *errs)
{
    const gm_data_spec *d = gm_spec_data(g->spec, from);
    if (d) {
        link_data(g, s, name, d);
        return;
    }
    if (strcmp(from, "examples") == 0 && gm_graph_find(g, "examples") >= 0) {
        link_step(g, s, name, "examples", "examples", "dataset");
        return;
    }
    for (size_t i = 0; i < g->spec->steps_count; i++) {
        const char *output = NULL;
        if (!names_output(&g->spec->steps[i], from, &output)) continue;
        link_step(g, s, name, g->spec->steps[i].name, output, "file");
        return;
    }
    gm_edge *e = add_edge(g, s, name);
    e->path = gm_path_join(g->a, g->spec->base_dir, from);
    check_output_name(g, s, from, e->path, errs);
}

static bool ready(const gm_graph *g, const gm_user_step *u)
{
    const char *output = NULL;
    for (size_t k = 0; k < u->inputs_count; k++)
        for (size_t i = 0; i < g->spec->steps_count; i++)
            if (names_output(&g->spec->steps[i], u->inputs[k].from, &output) && gm_graph_find(g, g->spec->steps[i].name) < 0)
                return false;
    return true;
}

static void user_params(gm_graph *g, gm_step *s, const gm_user_step *u)
{
    text t;
    text_begin(&t);
    strings_json(&t.j, "run", u->run.items, u->run.count);
    gm_json_kstr(&t.j, "shell", u->shell);
    gm_json_kstr(&t.j, "sql", u->sql);
    gm_json_key(&t.j, "params");
    gm_node_json(u->params, &t.j);
    gm_json_key(&t.j, "env");
    gm_node_json(u->env, &t.j);
    gm_json_key(&t.j, "outputs");
    gm_json_array(&t.j);
    for (size_t i = 0; i < u->outputs_count; i++) {
        gm_json_object(&t.j);
        gm_json_kstr(&t.j, "name", u->outputs[i].name);
        gm_json_kstr(&t.j, "file", u->outputs[i].file);
        gm_json_object_end(&t.j);
    }
    gm_json_array_end(&t.j);
    if (u->sql) {
        gm_json_kstr(&t.j, "output", u->outputs[0].name);
        gm_json_kstr(&t.j, "file", u->outputs[0].file);
    }
    s->params_json = text_end(&t, g->a);
}

/* Code that the command names is part of the key without being asked for. */
static void link_code(gm_graph *g, gm_step *s, const gm_user_step *u)
{
    for (size_t i = 0; i < u->code.count; i++) {
        gm_edge *e = add_edge(g, s, gm_arena_printf(g->a, "code:%s", u->code.items[i]));
        e->path = gm_path_join(g->a, g->spec->base_dir, u->code.items[i]);
    }
    for (size_t i = 0; i < u->run.count; i++) {
        const char *word = u->run.items[i], *path = gm_path_join(g->a, g->spec->base_dir, word);
        bool again = false;
        for (size_t k = 0; k < u->code.count; k++) again = again || strcmp(u->code.items[k], word) == 0;
        if (again || strchr(word, '{') || word[0] == '-' || word[0] == '/' || !gm_fs_exists(path) || gm_fs_is_dir(path)) continue;
        gm_edge *e = add_edge(g, s, gm_arena_printf(g->a, "code:%s", word));
        e->path = path;
    }
}

static void add_user_step(gm_graph *g, const gm_user_step *u, gm_errs *errs)
{
    gm_step *s = add_step(g, u->name, u->sql ? "sql" : NULL, u->pos);
    s->user = u->sql ? NULL : u;
    s->cacheable = u->cache;
    s->timeout_seconds = u->timeout_seconds;
    s->retry = u->retry;
    user_params(g, s, u);
    for (size_t i = 0; i < u->inputs_count; i++) link_user_input(g, s, u->inputs[i].name, u->inputs[i].from, errs);
    if (!u->sql) link_code(g, s, u);
}

static void add_user_steps(gm_graph *g, gm_errs *errs)
{
    const gm_spec *p = g->spec;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < p->steps_count; i++) {
            if (gm_graph_find(g, p->steps[i].name) >= 0 || !ready(g, &p->steps[i])) continue;
            add_user_step(g, &p->steps[i], errs);
            moved = true;
        }
    }
    gm_buf cycle = { 0 };
    gm_pos pos = { 0 };
    for (size_t i = 0; i < p->steps_count; i++) {
        if (gm_graph_find(g, p->steps[i].name) >= 0) continue;
        if (!cycle.len) pos = p->steps[i].pos;
        gm_buf_printf(&cycle, "%s\"%s\"", cycle.len ? ", " : "", p->steps[i].name);
    }
    if (cycle.len)
        gm_errs_at(errs, pos, GM_EINVALID, "Every step's inputs must come from files, data sets or steps before it.",
                   "the steps %s wait for one another", gm_buf_str(&cycle));
    gm_buf_clear(&cycle);
}

gm_rc gm_graph_extend(gm_graph *g, gm_errs *errs)
{
    const gm_spec *p = g->spec;
    size_t before = gm_errs_total(errs);
    for (size_t i = 0; i < p->data_count; i++)
        if (p->data[i].checks && p->data[i].checks->count) add_check(g, &p->data[i]);
    if (p->target_text && p->primary) add_examples(g);
    add_user_steps(g, errs);
    if (gm_errs_since(errs, before) || !p->target_text || !p->primary) return gm_errs_since(errs, before);
    for (size_t i = 0; i < p->tries_count; i++) {
        if (p->tries[i].trainer) {
            add_features(g, &p->tries[i], errs);
            add_train(g, &p->tries[i]);
        }
        add_evaluate(g, &p->tries[i]);
    }
    add_select(g);
    add_package(g);
    if (g->goal != GM_GOAL_PACKAGE) add_gates(g, false);
    if (g->goal != GM_GOAL_ALL) return gm_errs_since(errs, before);
    add_gates(g, true);
    for (size_t i = 0; i < g->spec->joins_count; i++) add_online(g, &g->spec->joins[i]);
    add_register(g);
    add_deploy(g);
    add_predict(g);
    add_card(g);
    return gm_errs_since(errs, before);
}
