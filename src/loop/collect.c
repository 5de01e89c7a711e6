/* collect.c - the prediction log as windows. See collect.h. */
#include "loop/collect.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "model/package.h"
#include "pipe/conform.h"
#include "serve/predlog.h"

enum { RECOMPUTE_ROWS = 100 };

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the rows of a window");
}

/* ---- the log ----------------------------------------------------------------------------------------------------------- */

static int most_rows_first(const void *x, const void *y)
{
    const gm_served_version *a = x, *b = y;
    int64_t m = a->rows - a->shadow_rows, n = b->rows - b->shadow_rows;
    if (m != n) return m > n ? -1 : 1;
    return (a->version < b->version) - (a->version > b->version); /* the newer one */
}

static gm_rc find_versions(gm_served_log *log, gm_arena *a, gm_err *err)
{
    const gm_column *version = gm_table_find(&log->table, "version"), *arm = gm_table_find(&log->table, "arm");
    if (!version || version->type != GM_TYPE_STRING) return GM_OK; /* no rows at all */
    int32_t count = version->dict->count;
    log->versions = GM_ARENA_ARRAY(a, gm_served_version, count);
    if (!log->versions) return no_memory(err);
    for (int32_t k = 0; k < count; k++)
        log->versions[k] =
            (gm_served_version){ .version = strtoll(version->dict->texts[k], NULL, 10), .name = version->dict->texts[k] };
    int32_t shadow = arm && arm->type == GM_TYPE_STRING ? gm_dict_find(arm->dict, "shadow", strlen("shadow")) : -1;
    for (int64_t i = 0; i < log->table.rows; i++) {
        if (version->code[i] < 0) continue;
        gm_served_version *v = &log->versions[version->code[i]];
        v->rows++;
        if (shadow >= 0 && arm->code[i] == shadow) v->shadow_rows++;
    }
    for (int32_t k = 0; k < count; k++)
        if (log->versions[k].rows) log->versions[log->versions_count++] = log->versions[k];
    if (log->versions_count) qsort(log->versions, log->versions_count, sizeof(*log->versions), most_rows_first);
    return GM_OK;
}

gm_rc gm_served_log_read(const char *dir, const char *model, int64_t from_us, int64_t until_us, int64_t rows_max, gm_arena *a,
                         gm_served_log *out, gm_err *err)
{
    gm_served_log log = { .from_us = from_us, .until_us = until_us, .model = model, .every = 1 };
    int64_t sealed = 0;
    if (!rows_max) rows_max = 250000;
    gm_rc rc = gm_predlog_rows_sealed(dir, model, NULL, from_us, until_us, &sealed, err);
    if (!rc && sealed > rows_max) log.every = (sealed + rows_max - 1) / rows_max;
    if (!rc) rc = gm_predlog_sample(dir, model, from_us, until_us, log.every, a, &log.table, err);
    if (!rc) rc = find_versions(&log, a, err);
    if (!rc) *out = log;
    return rc;
}

/* ---- the rows of one version ------------------------------------------------------------------------------------------- */

static gm_rc rows_of(const gm_served_log *log, const gm_reference *ref, gm_arena *a, gm_table *out, gm_err *err)
{
    const gm_column *version = gm_table_find(&log->table, "version");
    int64_t *index = GM_ARENA_ARRAY(a, int64_t, log->table.rows), count = 0;
    char name[32];
    if (!index) return no_memory(err);
    if (!version) return gm_table_take(&log->table, index, 0, a, out, err);
    int len = snprintf(name, sizeof(name), "%" PRId64, ref->version);
    int32_t code = gm_dict_find(version->dict, name, (size_t)len);
    for (int64_t i = 0; i < log->table.rows && code >= 0; i++)
        if (version->code[i] == code) index[count++] = i;
    return gm_table_take(&log->table, index, count, a, out, err);
}

/* NULL, and no failure: the log has no answers of this kind. */
static gm_rc answers(const gm_table *t, const gm_scorer *s, gm_arena *a, const double **out, gm_err *err)
{
    double *values = GM_ARENA_ARRAY(a, double, t->rows * s->outputs);
    if (!values) return no_memory(err);
    for (int64_t k = 0; k < s->outputs; k++) {
        const char *name = s->task == GM_TASK_BINARY       ? "probability"
                           : s->task == GM_TASK_REGRESSION ? "prediction"
                                                           : gm_arena_printf(a, "probability_%s", s->classes[k]);
        if (!name) return no_memory(err);
        const gm_column *c = gm_predlog_answer(t, name);
        if (!c) return GM_OK;
        for (int64_t i = 0; i < t->rows; i++) {
            values[i * s->outputs + k] = gm_column_double(c, i);
            if (isnan(values[i * s->outputs + k])) return GM_OK; /* a row of another shape: nothing can be said of all */
        }
    }
    *out = values;
    return GM_OK;
}

/* Columns under the model's own names, with the types of training where they can have them. */
static gm_rc inputs(const gm_table *t, const gm_reference *ref, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table named = { .rows = t->rows, .columns = GM_ARENA_ARRAY(a, gm_column, ref->logged_count) };
    if (!named.columns) return no_memory(err);
    for (size_t i = 0; i < ref->logged_count; i++) {
        const char *name = gm_predlog_column(ref->logged[i], a);
        const gm_column *c = name ? gm_table_find(t, name) : NULL;
        if (!c) continue;
        named.columns[named.columns_count] = *c;
        named.columns[named.columns_count++].name = ref->logged[i];
    }
    gm_rc rc = gm_conform(&ref->scorer, &named, a, out, NULL);
    if (rc == GM_ENOMEM) return no_memory(err);
    if (rc) *out = named; /* a value that is none of training's: drift shows it */
    return GM_OK;
}

/* Latency belongs to a request, which is the rows of one id; it is shown for rows, as users feel it. */
static gm_rc traffic(const gm_table *t, gm_arena *a, gm_window_rows *w, gm_err *err)
{
    const gm_column *took = gm_table_find(t, "latency_us"), *row = gm_table_find(t, "row");
    w->requests = w->errors = w->latency_ms_p99 = NAN;
    if (!took || !row || !t->rows) return GM_OK;
    double *ms = GM_ARENA_ARRAY(a, double, t->rows);
    if (!ms) return no_memory(err);
    w->requests = 0;
    for (int64_t i = 0; i < t->rows; i++) {
        ms[i] = gm_column_double(took, i) / 1e3;
        if (gm_column_double(row, i) == 0) w->requests++;
        if (isnan(ms[i])) return GM_OK;
    }
    int64_t at = (int64_t)ceil(0.99 * (double)t->rows) - 1;
    gm_select(ms, t->rows, at);
    w->latency_ms_p99 = ms[at];
    return GM_OK;
}

/* ---- skew -------------------------------------------------------------------------------------------------------------- */

/* Our own engines give the same bits whatever the batch; a foreign graph's runtime is only near. */
static bool same_answer(const gm_scorer *s, const double *again, const double *served)
{
    if (!s->ort || s->trees) return memcmp(again, served, (size_t)s->outputs * sizeof(double)) == 0;
    for (int64_t k = 0; k < s->outputs; k++)
        if (!(fabs(again[k] - served[k]) <= GM_PACKAGE_TOLERANCE * fmax(1, fabs(served[k])))) return false;
    return true;
}

/* The package must give what was served: features are computed by one program, in training and here. Rows that it cannot read any
 * more are none that it answered: drift shows them. */
static gm_rc recompute(const gm_reference *ref, int64_t rows_max, gm_arena *a, gm_window_rows *w, gm_err *err)
{
    gm_table some;
    int64_t rows = w->rows < rows_max ? w->rows : rows_max, *index = GM_ARENA_ARRAY(a, int64_t, rows),
            outputs = ref->scorer.outputs;
    double *again = GM_ARENA_ARRAY(a, double, rows *outputs);
    if (!index || !again) return no_memory(err);
    for (size_t i = 0; i < ref->scorer.inputs_count; i++)
        if (!gm_table_find(w->table, ref->scorer.inputs[i])) return GM_OK; /* personal: not in the log */
    for (int64_t i = 0; i < rows; i++) index[i] = i * w->rows / rows;
    gm_rc rc = gm_table_take(w->table, index, rows, a, &some, err);
    if (!rc) rc = gm_scorer_predict(&ref->scorer, &some, again, err);
    if (rc == GM_EINVALID) return GM_OK;
    if (rc) return gm_err_ctx(err, rc, "scoring logged rows again");
    w->recomputed = rows;
    for (int64_t i = 0; i < rows; i++)
        w->skewed += !same_answer(&ref->scorer, again + i * outputs, w->predicted + index[i] * outputs);
    return GM_OK;
}

/* ---- labels ------------------------------------------------------------------------------------------------------------ */

static gm_rc join_labels(const gm_collect_options *o, const gm_table *t, gm_arena *a, gm_window_rows *w, const char **out_why,
                         gm_err *err)
{
    const gm_column *time = gm_table_find(t, "time");
    const char **names = GM_ARENA_ARRAY(a, const char *, o->key.count);
    double *truth = GM_ARENA_ARRAY(a, double, t->rows);
    int64_t keyed = 0, unlabelled_late = 0;
    if (!names || !truth) return no_memory(err);
    for (size_t i = 0; i < o->key.count; i++) {
        names[i] = gm_predlog_column(o->key.items[i], a);
        if (!names[i]) return no_memory(err);
        if (gm_table_find(t, names[i])) continue;
        *out_why = gm_arena_printf(a, "the log has no column \"%s\", by which labels are joined", o->key.items[i]);
        return *out_why ? GM_OK : no_memory(err);
    }
    gm_rc rc = gm_labels_join(o->labels, t, names, a, truth, &keyed, err);
    if (rc) return rc;
    w->truth = truth;
    for (int64_t i = 0; i < t->rows; i++) unlabelled_late += isnan(truth[i]) && time && time->i64[i] + o->delay_us < o->now_us;
    int64_t keyless = t->rows - keyed; /* no label will ever find them */
    w->labels_late = unlabelled_late > keyless ? unlabelled_late - keyless : 0;
    if (keyed == 0 && t->rows) *out_why = "no request gave the key by which labels are joined";
    return GM_OK;
}

/* All rows of a window that was not read whole. Where files do not agree about a type the rows that were read have to do. */
static gm_rc whole_profile(const gm_served_log *log, const gm_reference *ref, const char *log_dir, gm_arena *a, gm_window_rows *w,
                           gm_err *err)
{
    char version[32];
    gm_profile *profile = NULL;
    int64_t rows = 0;
    const char **names = GM_ARENA_ARRAY(a, const char *, ref->logged_inputs_count);
    if (!names) return no_memory(err);
    for (size_t i = 0; i < ref->logged_inputs_count; i++) {
        names[i] = gm_predlog_column(ref->logged[i], a);
        if (!names[i]) return no_memory(err);
        if (strcmp(names[i], ref->logged[i]) != 0) return GM_OK; /* profiles have the log's names */
    }
    (void)snprintf(version, sizeof(version), "%" PRId64, ref->version);
    gm_rc rc = gm_predlog_profile(log_dir, log->model, version, log->from_us, log->until_us, names, ref->logged_inputs_count, a,
                                  &profile, &rows, err);
    if (rc == GM_EINVALID) return GM_OK;
    if (!rc && rows >= w->rows) {
        w->profile = profile;
        w->profile_rows = rows;
    }
    return rc;
}

gm_rc gm_collect_window(const gm_served_log *log, const gm_reference *ref, const gm_collect_options *o, gm_arena *a,
                        gm_window_rows *out, const char **out_why, gm_err *err)
{
    gm_table rows, *named = GM_ARENA_NEW(a, gm_table);
    gm_window_rows w = { .from_us = log->from_us, .until_us = log->until_us };
    if (!named) return no_memory(err);
    *out_why = "";
    gm_rc rc = rows_of(log, ref, a, &rows, err);
    if (!rc) rc = inputs(&rows, ref, a, named, err);
    if (!rc) rc = answers(&rows, &ref->scorer, a, &w.predicted, err);
    if (!rc) rc = traffic(&rows, a, &w, err);
    if (rc) return rc;
    w.rows = rows.rows;
    w.table = named;
    if (o->recompute_rows >= 0 && w.predicted && w.rows)
        rc = recompute(ref, o->recompute_rows ? o->recompute_rows : RECOMPUTE_ROWS, a, &w, err);
    if (!rc && o->labels && w.rows) rc = join_labels(o, &rows, a, &w, out_why, err);
    w.requests *= (double)log->every;
    if (!rc && log->every > 1 && o->log_dir) rc = whole_profile(log, ref, o->log_dir, a, &w, err);
    if (!rc) *out = w;
    return rc;
}
