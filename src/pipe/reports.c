/* reports.c - see reports.h. The record of a card holds facts of the artifacts only, no times, so that equal runs give equal
 * cards. */
#include "pipe/reports.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/fs.h"
#include "govern/card.h"
#include "model/model.h"

const gm_node *gm_report_read(gm_store *store, const gm_graph *g, const char *step, const char *output)
{
    int index = gm_graph_find(g, step);
    const gm_artifact *artifact = index < 0 ? NULL : gm_step_output(&g->steps[index], output);
    void *bytes = NULL;
    size_t len = 0;
    gm_node *root = NULL;
    if (!artifact || gm_blob_get(store, &artifact->digest, g->a, &bytes, &len, NULL) ||
        gm_json_read(bytes, len, output, g->a, &root, NULL))
        return NULL;
    return root;
}

static void put(gm_json *j, const char *key, const gm_node *n)
{
    if (!n) return;
    gm_json_key(j, key);
    gm_node_json(n, j);
}

static void put_data(gm_store *store, const gm_graph *g, gm_json *j)
{
    gm_json_key(j, "data");
    gm_json_array(j);
    for (size_t i = 0; i < g->spec->data_count; i++) {
        const gm_data_spec *d = &g->spec->data[i];
        gm_json_object(j);
        gm_json_kstr(j, "name", d->name);
        gm_json_kstr(j, "source", d->source.from);
        gm_json_kstr(j, "digest", d->digest);
        gm_json_kint(j, "rows", d->schema ? d->schema->rows : 0);
        gm_json_kint(j, "columns", d->schema ? (int64_t)d->schema->count : 0);
        put(j, "schema", gm_report_read(store, g, gm_arena_printf(g->a, "load %s", d->name), "schema"));
        gm_json_key(j, "personal");
        gm_json_array(j);
        for (size_t k = 0; k < d->personal.count; k++) gm_json_str(j, d->personal.items[k]);
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void put_checks(gm_store *store, const gm_graph *g, gm_json *j)
{
    gm_json_key(j, "checks");
    gm_json_array(j);
    for (size_t i = 0; i < g->spec->data_count; i++) {
        const gm_node *list = gm_report_read(store, g, gm_arena_printf(g->a, "check %s", g->spec->data[i].name), "checks");
        if (list && list->kind == GM_NODE_MAP) list = gm_node_get(list, "checks");
        for (size_t k = 0; list && k < list->count; k++) {
            gm_json_object(j);
            gm_json_kstr(j, "dataset", g->spec->data[i].name);
            for (size_t m = 0; m < list->items[k]->count; m++)
                if (list->items[k]->kind == GM_NODE_MAP && strcmp(list->items[k]->keys[m], "dataset") != 0)
                    put(j, list->items[k]->keys[m], list->items[k]->items[m]);
            gm_json_object_end(j);
        }
    }
    gm_json_array_end(j);
}

static const gm_node *facts_of(const gm_graph *g, const char *step)
{
    int index = gm_graph_find(g, step);
    const char *text = index < 0 ? NULL : g->steps[index].record.result_json;
    gm_node *root = NULL;
    if (!text || !text[0] || gm_json_read(text, strlen(text), "result", g->a, &root, NULL)) return NULL;
    return gm_node_get(root, "facts");
}

static void put_features(const gm_spec *s, gm_json *j)
{
    gm_json_key(j, "features");
    gm_json_array(j);
    for (size_t i = 0; i < s->uses_count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "name", s->uses[i].name);
        gm_json_kstr(j, "kind", gm_kind_name(s->uses[i].kind));
        gm_json_kstr(j, "source", s->uses[i].expr_text);
        gm_json_kstr(j, "reason", s->uses[i].reason);
        put(j, "transforms", s->uses[i].transform);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_key(j, "dropped");
    gm_json_array(j);
    for (size_t i = 0; i < s->drops_count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "name", s->drops[i].name);
        gm_json_kstr(j, "reason", s->drops[i].reason);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void put_candidates(gm_store *store, const gm_graph *g, gm_json *j)
{
    gm_json_key(j, "candidates");
    gm_json_array(j);
    for (size_t i = 0; i < g->spec->tries_count; i++) {
        const char *name = g->spec->tries[i].name;
        const gm_node *training = gm_report_read(store, g, gm_arena_printf(g->a, "train %s", name), "training");
        const gm_node *evaluation = gm_report_read(store, g, gm_arena_printf(g->a, "evaluate %s", name), "evaluation");
        const gm_node *metric = gm_node_get(evaluation, "test_metric");
        if (!evaluation) continue;
        gm_json_object(j);
        gm_json_kstr(j, "trainer", name);
        gm_json_kstr(j, "metric", g->spec->metric);
        gm_json_kdouble(j, "validation", gm_node_double_or(evaluation, "validation_metric", (double)NAN));
        gm_json_kdouble(j, "value", gm_node_double_or(metric, "value", (double)NAN));
        gm_json_kdouble(j, "low", gm_node_double_or(metric, "low", (double)NAN));
        gm_json_kdouble(j, "high", gm_node_double_or(metric, "high", (double)NAN));
        gm_json_kint(j, "rounds", gm_node_int_or(training, "rounds", 0));
        gm_json_kint(j, "trials", gm_node_get(training, "trials") ? (int64_t)gm_node_get(training, "trials")->count : 0);
        put(j, "params", gm_node_get(training, "params"));
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void put_lineage(const gm_graph *g, gm_json *j)
{
    gm_json_key(j, "lineage");
    gm_json_object(j);
    gm_json_kstr(j, "file", g->spec->file);
    for (size_t i = 0; i < g->count; i++)
        for (size_t k = 0; k < g->steps[i].inputs_count; k++)
            if (strncmp(g->steps[i].inputs[k].name, "code:", 5) == 0)
                gm_json_kstr(j, g->steps[i].inputs[k].name, g->steps[i].inputs[k].digest.hex);
    for (size_t i = 0; i < g->count; i++)
        if (g->steps[i].key && g->steps[i].inside == GM_INSIDE_NO) gm_json_kstr(j, g->steps[i].name, g->steps[i].key);
    gm_json_object_end(j);
}

static void put_environment(gm_json *j)
{
    struct utsname u;
    gm_json_key(j, "environment");
    gm_json_object(j);
    gm_json_kstr(j, "program", "gristmill " GM_VERSION);
    gm_json_kstr(j, "engine", gm_engine_version());
    gm_json_kstr(j, "onnxruntime", gm_ort_version());
    if (uname(&u) == 0) {
        gm_json_kstr(j, "os", u.sysname);
        gm_json_kstr(j, "machine", u.machine);
    }
    gm_json_object_end(j);
}

static void put_model(const gm_run_result *r, gm_json *j)
{
    const gm_spec *s = r->graph.spec;
    int package = gm_graph_find(&r->graph, "package");
    const gm_artifact *artifact = package < 0 ? NULL : gm_step_output(&r->graph.steps[package], "package");
    gm_json_key(j, "model");
    gm_json_object(j);
    gm_json_kstr(j, "name", s->pipeline);
    if (r->model) gm_json_kint(j, "version", r->version);
    gm_json_kstr(j, "digest", artifact ? artifact->digest.hex : NULL);
    gm_json_kstr(j, "alias", r->model ? "champion" : NULL);
    gm_json_kstr(j, "task", gm_task_name(s->task));
    gm_json_kstr(j, "target", s->target_text);
    gm_json_key(j, "classes");
    gm_json_array(j);
    for (size_t i = 0; i < s->classes_count; i++) gm_json_str(j, s->classes[i]);
    gm_json_array_end(j);
    gm_json_object_end(j);
}

gm_rc gm_card_record(gm_store *store, const gm_run_result *r, bool timings, gm_buf *out, gm_err *err)
{
    const gm_graph *g = &r->graph;
    gm_json j;
    const gm_node *selection = gm_report_read(store, g, "select", "selection"),
                  *gates = gm_report_read(store, g, "gates", "gates"), *latency = gm_report_read(store, g, "latency", "latency");
    const char *winner = gm_node_str_or(selection, "winner", "");
    gm_json_init(&j, out, true);
    gm_json_object(&j);
    put_model(r, &j);
    put_data(store, g, &j);
    put_checks(store, g, &j);
    put(&j, "split", facts_of(g, "examples"));
    put_features(g->spec, &j);
    put_candidates(store, g, &j);
    gm_json_kstr(&j, "winner", winner);
    put(&j, "evaluation",
        gm_node_get(gm_report_read(store, g, gm_arena_printf(g->a, "evaluate %s", winner), "evaluation"), "test"));
    put(&j, "gates", gm_node_get(gates, "gates"));
    if (timings) put(&j, "timing_gates", gm_node_get(latency, "gates"));
    if (gm_node_get(gates, "comparison")) {
        gm_json_key(&j, "comparison");
        gm_json_object(&j);
        gm_json_kstr(&j, "champion", gm_node_str_or(gates, "champion", NULL));
        const gm_node *c = gm_node_get(gates, "comparison");
        for (size_t i = 0; i < c->count; i++) put(&j, c->keys[i], c->items[i]);
        gm_json_object_end(&j);
    }
    put_lineage(g, &j);
    put_environment(&j);
    put(&j, "govern", g->spec->govern);
    gm_json_object_end(&j);
    gm_buf_char(out, '\n');
    return out->failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for the model card") : GM_OK;
}

static gm_rc write_if_changed(const char *path, const gm_buf *text, gm_err *err)
{
    gm_buf before = { 0 };
    bool same =
        gm_fs_read(path, 0, &before, NULL) == GM_OK && before.len == text->len && memcmp(before.data, text->data, text->len) == 0;
    gm_buf_clear(&before);
    return same ? GM_OK : gm_fs_write_atomic(path, gm_buf_str(text), text->len, err);
}

static gm_rc copy_predictions(gm_store *store, const gm_graph *g, const char *dir, gm_err *err)
{
    int index = gm_graph_find(g, "predict");
    const gm_artifact *predictions = index < 0 ? NULL : gm_step_output(&g->steps[index], "predictions");
    const char *blob = NULL, *path = gm_path_join(g->a, dir, "predictions.parquet");
    gm_digest there = { 0 };
    if (!predictions) return GM_OK;
    if (gm_fs_exists(path) && gm_stat_digest(store, path, &there, NULL, NULL) == GM_OK &&
        strcmp(there.hex, predictions->digest.hex) == 0)
        return GM_OK;
    gm_rc rc = gm_blob_path(store, &predictions->digest, g->a, &blob, err);
    return rc ? rc : gm_fs_copy(blob, path, false, err);
}

static bool is_written(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

/* reports/ for gristmill.yaml, reports-NAME/ for NAME.yaml. */
static const char *reports_dir(const gm_spec *s)
{
    const char *stem = gm_spec_stem(s);
    bool usual = strcmp(stem, "gristmill") == 0;
    return gm_path_join(s->a, s->base_dir, usual ? "reports" : gm_arena_printf(s->a, "reports-%s", stem));
}

gm_rc gm_reports_write(gm_store *store, const gm_run_result *r, const char **out_dir, gm_err *err)
{
    const gm_graph *g = &r->graph;
    int package = gm_graph_find(g, "package");
    gm_buf record = { 0 }, text = { 0 };
    gm_node *root = NULL;
    *out_dir = NULL;
    if (package < 0 || !gm_step_output(&g->steps[package], "package")) return GM_OK;
    const char *dir = reports_dir(g->spec), *md = gm_path_join(g->a, dir, "model_card.md"),
               *html = gm_path_join(g->a, dir, "model_card.html");
    bool nothing_new = r->done == 0 && r->failed == 0 && is_written(md) && is_written(html);
    gm_rc rc = gm_fs_mkdirs(dir, err);
    if (!rc && !nothing_new) {
        rc = gm_card_record(store, r, true, &record, err);
        if (!rc) rc = gm_json_read(gm_buf_str(&record), record.len, "card.json", g->a, &root, err);
        if (!rc) rc = gm_card_markdown(root, &text, err);
        if (!rc) rc = write_if_changed(md, &text, err);
        gm_buf_clear(&text);
        if (!rc) rc = gm_card_html(root, &text, err);
        if (!rc) rc = write_if_changed(html, &text, err);
        gm_buf_clear(&text);
        gm_buf_clear(&record);
    }
    if (!rc) rc = copy_predictions(store, g, dir, err);
    if (!rc) *out_dir = dir;
    return rc;
}
