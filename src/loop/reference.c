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

gm_rc gm_reference_columns(const char *dir, const gm_scorer *s, gm_arena *a, gm_monitor_reference *out, gm_err *err)
{
    gm_served_schema schema;
    gm_rc rc = gm_served_schema_read(dir, s, a, &schema, err);
    const char **watched = rc ? NULL : GM_ARENA_ARRAY(a, const char *, schema.columns_count);
    if (!rc && !watched) rc = no_memory(err);
    if (rc) return rc;
    out->columns = watched;
    out->columns_count = 0;
    for (size_t i = 0; i < schema.columns_count; i++) {
        const gm_served_column *c = &schema.columns[i];
        if (c->input && !c->personal && gm_profile_find(out->profile, c->name) != SIZE_MAX)
            watched[out->columns_count++] = c->name;
    }
    return GM_OK;
}

/* Columns that the log has. */
static gm_rc read_logged(const char *dir, gm_arena *a, gm_reference *r, gm_err *err)
{
    gm_served_schema schema;
    gm_rc rc = gm_served_schema_read(dir, &r->scorer, a, &schema, err);
    const char **logged = rc ? NULL : GM_ARENA_ARRAY(a, const char *, schema.columns_count);
    if (!rc && !logged) rc = no_memory(err);
    if (rc) return rc;
    for (size_t i = 0; i < schema.columns_count; i++) {
        const gm_served_column *c = &schema.columns[i];
        if (c->time) r->time = c->name;
        if (c->personal) continue;
        logged[r->logged_count++] = c->name;
        if (c->input) r->logged_inputs_count++;
    }
    r->logged = logged;
    return GM_OK;
}

static gm_rc read_truth(const gm_table *rows, gm_arena *a, const double **out, gm_err *err)
{
    const gm_column *truth = gm_table_find(rows, GM_TARGET_COLUMN);
    *out = truth && truth->type == GM_TYPE_FLOAT ? truth->f64 : NULL;
    if (!truth || *out) return GM_OK;
    double *y = GM_ARENA_ARRAY(a, double, rows->rows);
    if (!y) return no_memory(err);
    for (int64_t i = 0; i < rows->rows; i++) y[i] = gm_column_double(truth, i);
    *out = y;
    return GM_OK;
}

/* The first input that the rows do not have, since it is personal; NULL = all are there. */
static const char *input_left_out(const gm_scorer *s, const gm_table *rows)
{
    for (size_t i = 0; i < s->inputs_count; i++)
        if (!gm_table_find(rows, s->inputs[i])) return s->inputs[i];
    return NULL;
}

/* Predictions of more than one value a row are not kept in the file: they are made again, where all inputs are. */
gm_rc gm_reference_rows(const char *dir, const gm_scorer *s, gm_engine *e, gm_arena *a, gm_monitor_reference *out,
                        const char **out_note, gm_err *err)
{
    gm_table rows, *kept = GM_ARENA_NEW(a, gm_table);
    const char *path = gm_path_join(a, dir, "reference.parquet");
    *out_note = NULL;
    if (!path || !kept) return no_memory(err);
    if (!gm_fs_exists(path)) return GM_OK;
    gm_rc rc = gm_data_read(e, path, NULL, 0, 0, a, kept, err);
    if (rc) return rc;
    const gm_column *predicted = gm_table_find(kept, "__prediction");
    const char *left_out = input_left_out(s, kept);
    bool recorded = predicted && predicted->type == GM_TYPE_FLOAT && s->outputs == 1;
    if (!recorded && left_out) {
        *out_note =
            gm_arena_printf(a,
                            "no reference rows: the package leaves out \"%s\", which is personal, so that its rows cannot "
                            "be scored again",
                            left_out);
        return *out_note ? GM_OK : no_memory(err);
    }
    rc = read_truth(kept, a, &out->truth, err);
    if (rc) return rc;
    out->rows = kept;
    out->predicted = recorded ? predicted->f64 : NULL;
    if (recorded) return GM_OK;
    double *again = GM_ARENA_ARRAY(a, double, kept->rows * s->outputs);
    if (!again) return no_memory(err);
    rc = gm_conform(s, kept, a, &rows, err);
    if (!rc) rc = gm_scorer_predict(s, &rows, again, err);
    if (!rc) out->predicted = again;
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
    if (!rc) rc = gm_reference_columns(dir, &out->scorer, a, &out->monitor, err);
    if (!rc) rc = read_logged(dir, a, out, err);
    if (!rc) rc = gm_reference_rows(dir, &out->scorer, e, a, &out->monitor, &out->note, err);
    return gm_err_ctx(err, rc, "reading the reference of %s/%lld", v->model, (long long)v->version);
}
