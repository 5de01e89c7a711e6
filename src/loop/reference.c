/* reference.c - a registered package as what a monitor compares with. See collect.h. */
#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "eval/metric.h"
#include "loop/collect.h"
#include "pipe/conform.h"
#include "pipe/examples.h"
#include "pipe/run.h"
#include "serve/schema.h"

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for a model's reference");
}

static gm_rc read_profile(const char *dir, gm_arena *a, gm_profile **out, gm_err *err)
{
    gm_buf b = { 0 };
    gm_rc rc = gm_fs_read(gm_path_join(a, dir, "profile.bin"), 0, &b, err);
    if (!rc) rc = gm_profile_read(gm_buf_str(&b), b.len, a, out, err);
    gm_buf_clear(&b);
    return rc;
}

/* The metric that decided in training, and its value on the test rows with its interval. */
static gm_rc read_metric(const char *dir, gm_arena *a, gm_monitor_reference *m, gm_err *err)
{
    gm_node *root = NULL;
    gm_rc rc = gm_node_read_file(gm_path_join(a, dir, "metrics.json"), a, &root, err);
    if (rc) return rc;
    const char *name = gm_node_str_or(root, "metric", "");
    if (!name[0] || gm_metric_find(name, m->task, &m->metric, NULL)) m->metric = gm_metric_default(m->task);
    const gm_node *test = gm_node_get(gm_node_get(root, "test"), m->metric->item.name);
    m->metric_value = gm_node_double_or(test, "value", (double)NAN);
    m->metric_low = gm_node_double_or(test, "low", (double)NAN);
    m->metric_high = gm_node_double_or(test, "high", (double)NAN);
    return GM_OK;
}

/* Columns that the log has, and of them the inputs that training profiled. */
static gm_rc read_columns(const char *dir, gm_arena *a, gm_reference *r, gm_err *err)
{
    gm_served_schema schema;
    gm_rc rc = gm_served_schema_read(dir, &r->scorer, a, &schema, err);
    const char **logged = rc ? NULL : GM_ARENA_ARRAY(a, const char *, schema.columns_count);
    const char **watched = rc ? NULL : GM_ARENA_ARRAY(a, const char *, schema.columns_count);
    if (!rc && (!logged || !watched)) rc = no_memory(err);
    if (rc) return rc;
    for (size_t i = 0; i < schema.columns_count; i++) {
        const gm_served_column *c = &schema.columns[i];
        if (c->time) r->time = c->name;
        if (c->personal) continue;
        logged[r->logged_count++] = c->name;
        if (c->input) r->logged_inputs_count++;
        if (c->input && gm_profile_find(r->monitor.profile, c->name) != SIZE_MAX) watched[r->monitor.columns_count++] = c->name;
    }
    r->logged = logged;
    r->monitor.columns = watched;
    return GM_OK;
}

/* Predictions of more than one value a row are not kept in the file: they are made again. */
static gm_rc read_rows(const char *dir, gm_engine *e, gm_arena *a, gm_reference *r, gm_err *err)
{
    gm_table rows;
    const char *path = gm_path_join(a, dir, "reference.parquet");
    if (!path) return no_memory(err);
    if (!gm_fs_exists(path)) return GM_OK;
    gm_rc rc = gm_data_read(e, path, NULL, 0, 0, a, &r->rows, err);
    if (rc) return rc;
    const gm_column *truth = gm_table_find(&r->rows, GM_TARGET_COLUMN), *predicted = gm_table_find(&r->rows, "__prediction");
    if (truth && truth->type == GM_TYPE_FLOAT)
        r->monitor.truth = truth->f64;
    else if (truth) {
        double *y = GM_ARENA_ARRAY(a, double, r->rows.rows);
        if (!y) return no_memory(err);
        for (int64_t i = 0; i < r->rows.rows; i++) y[i] = gm_column_double(truth, i);
        r->monitor.truth = y;
    }
    r->monitor.rows = &r->rows;
    if (predicted && predicted->type == GM_TYPE_FLOAT) {
        r->monitor.predicted = predicted->f64;
        return GM_OK;
    }
    double *again = GM_ARENA_ARRAY(a, double, r->rows.rows * r->scorer.outputs);
    if (!again) return no_memory(err);
    rc = gm_conform(&r->scorer, &r->rows, a, &rows, err);
    if (!rc) rc = gm_scorer_predict(&r->scorer, &rows, again, err);
    if (!rc) r->monitor.predicted = again;
    return rc;
}

gm_rc gm_reference_open(gm_store *store, const gm_model_version *v, const char *dir, gm_engine *e, gm_arena *a, gm_reference *out,
                        gm_err *err)
{
    gm_profile *profile = NULL;
    *out = (gm_reference){ .version = v->version, .digest = v->digest };
    const char *name = gm_arena_printf(a, "%s/%lld", v->model, (long long)v->version);
    gm_rc rc = name ? gm_tree_materialise(store, &v->digest, dir, a, err) : no_memory(err);
    if (!rc) rc = gm_scorer_package(dir, a, &out->scorer, err);
    if (!rc) rc = read_profile(dir, a, &profile, err);
    if (!rc)
        out->monitor = (gm_monitor_reference){ .task = out->scorer.task,
                                               .classes = out->scorer.classes_count,
                                               .metric_value = NAN,
                                               .threshold = 0.5,
                                               .profile = profile,
                                               .version = name,
                                               .class_names = out->scorer.classes };
    if (!rc) rc = read_metric(dir, a, &out->monitor, err);
    if (!rc) rc = read_columns(dir, a, out, err);
    if (!rc) rc = read_rows(dir, e, a, out, err);
    return gm_err_ctx(err, rc, "reading the reference of %s/%lld", v->model, (long long)v->version);
}
