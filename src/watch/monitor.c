/* monitor.c - one window against the reference. See monitor.h.
 *
 * (1) What depends on the reference alone (estimator, components, metric) is computed once, in the monitor's own arena.
 * (2) What cannot be said of a window is left out with a line in its notes; only memory and our own bugs are failures.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "eval/evaluate.h"
#include "watch/monitor_internal.h"

enum { SEED = 1 }; /* of bootstraps and folds: equal windows give equal numbers */

struct gm_monitor {
    gm_arena *a;
    const gm_monitor_spec *spec;
    gm_monitor_reference ref;
    const gm_check_spec *checks; /* [checks_count] */
    size_t checks_count;
    gm_drift_side side;         /* of the inputs: profile, rows, or neither */
    gm_table rows, predictions; /* watched columns of the reference rows; one column of its predictions */
    gm_drift_side predicted;    /* the latter, prepared */
    gm_estimator *estimator;    /* NULL: no_estimate says why */
    const char *no_estimate;
    gm_pca *pca;
    const char *no_pca;
    gm_scores labelled;    /* of the reference rows with a label; rows 0 = none */
    double metric;         /* on the reference; NaN = none */
    double metric_half;    /* from there to the worse end of its 95 % interval; NaN = not known */
    double metric_of_rows; /* on `labelled`, which the estimator learns from; NaN = none */
};

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to judge a window");
}

void gm_window_note(gm_window_result *r, gm_arena *a, const char *fmt, ...)
{
    va_list args;
    if (!r->notes || r->notes_count >= GM_WINDOW_NOTES_MAX) return;
    va_start(args, fmt);
    const char *line = gm_arena_vprintf(a, fmt, args);
    va_end(args);
    if (line) ((const char **)(uintptr_t)r->notes)[r->notes_count++] = line;
}

/* ---- tables ------------------------------------------------------------------------------------------------------------ */

gm_rc gm_table_some(const gm_table *t, const char *const *names, size_t count, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table some = { .rows = t->rows, .columns = GM_ARENA_ARRAY(a, gm_column, count) };
    if (!some.columns) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const gm_column *c = gm_table_find(t, names[i]);
        if (c) some.columns[some.columns_count++] = *c;
    }
    *out = some;
    return GM_OK;
}

static int64_t largest(const double *v, int64_t count)
{
    int64_t best = 0;
    for (int64_t k = 1; k < count; k++)
        if (v[k] > v[best]) best = k;
    return best;
}

/* The class of each row as text. */
static gm_rc class_column(const gm_monitor_reference *ref, const double *predicted, int64_t rows, gm_arena *a, gm_column *out,
                          gm_err *err)
{
    gm_dict_builder *b = gm_dict_builder_new(a);
    int32_t *codes = GM_ARENA_ARRAY(a, int32_t, rows);
    if (!b || !codes) return no_memory(err);
    for (int64_t k = 0; k < ref->classes; k++) {
        const char *name = ref->class_names ? ref->class_names[k] : gm_arena_printf(a, "%" PRId64, k);
        if (!name || gm_dict_builder_code(b, name, strlen(name)) < 0) return no_memory(err);
    }
    for (int64_t i = 0; i < rows; i++) codes[i] = (int32_t)largest(predicted + i * ref->classes, ref->classes);
    *out = (gm_column){ .name = "class", .type = GM_TYPE_STRING, .rows = rows, .code = codes, .dict = gm_dict_builder_finish(b) };
    return out->dict ? GM_OK : no_memory(err);
}

gm_rc gm_prediction_column(const gm_monitor_reference *ref, const double *predicted, int64_t rows, gm_arena *a, gm_column *out,
                           gm_err *err)
{
    if (ref->task == GM_TASK_MULTICLASS) return class_column(ref, predicted, rows, a, out, err);
    *out = (gm_column){
        .name = ref->task == GM_TASK_BINARY ? "probability" : "value", .type = GM_TYPE_FLOAT, .rows = rows, .f64 = predicted
    };
    return GM_OK;
}

/* Scores of the rows whose truth is there. */
static gm_rc labelled_scores(const gm_monitor_reference *ref, const double *predicted, const double *truth, int64_t rows,
                             gm_arena *a, gm_scores *out, gm_err *err)
{
    int64_t outputs = ref->task == GM_TASK_MULTICLASS ? ref->classes : 1, count = 0;
    double *p = GM_ARENA_ARRAY(a, double, rows *outputs), *t = GM_ARENA_ARRAY(a, double, rows);
    if (!p || !t) return no_memory(err);
    for (int64_t i = 0; i < rows; i++) {
        if (isnan(truth[i])) continue;
        memcpy(p + count * outputs, predicted + i * outputs, (size_t)outputs * sizeof(*p));
        t[count++] = truth[i];
    }
    *out = (gm_scores){
        .task = ref->task, .rows = count, .classes = ref->classes, .truth = t, .predicted = p, .threshold = ref->threshold
    };
    return GM_OK;
}

/* ---- the reference ----------------------------------------------------------------------------------------------------- */

static gm_rc check_rules(const gm_monitor_spec *spec, const gm_monitor_reference *ref, gm_err *err)
{
    for (size_t i = 0; i < spec->drift_count; i++) {
        const char *name = spec->drift[i].column;
        bool found = !name;
        for (size_t k = 0; k < ref->columns_count && !found; k++) found = strcmp(ref->columns[k], name) == 0;
        if (found) continue;
        gm_rc rc =
            gm_err_at(err, spec->drift[i].pos, GM_EINVALID, "monitor: \"%.100s\" is not an input of %.100s", name, ref->version);
        const char *near = gm_nearest(name, ref->columns, ref->columns_count);
        if (near)
            gm_err_hint(err, "Did you mean \"%.100s\"? Drift is looked for in what the model reads.", near);
        else
            gm_err_hint(err, "Drift is looked for in what the model reads.");
        return rc;
    }
    return GM_OK;
}

/* A failure that only says that something cannot be known: its message in a. */
static gm_rc not_known(gm_rc rc, const gm_err *why, gm_arena *a, const char **out, gm_err *err)
{
    if (rc == GM_ENOMEM || rc == GM_EINTERNAL) {
        if (err) *err = *why;
        return rc;
    }
    *out = gm_arena_strdup(a, why->message);
    return *out ? GM_OK : no_memory(err);
}

/* How much worse `value` is, in the metric's units. */
static double worse_by(const gm_metric *metric, double reference, double value)
{
    return metric->higher_is_better ? reference - value : value - reference;
}

/* What decay is counted from, and how sure that is: as recorded, or what is not recorded from the reference rows. */
static gm_rc take_metric(gm_monitor *m, gm_err *err)
{
    const gm_monitor_reference *ref = &m->ref;
    gm_interval of_rows = { NAN, NAN, NAN, "" }, recorded = { ref->metric_value, ref->metric_low, ref->metric_high, "" };
    gm_err why = { 0 };
    const char *line = NULL;
    m->metric = m->metric_half = m->metric_of_rows = NAN;
    if (!ref->metric) return GM_OK;
    gm_rc rc = m->rows.rows && ref->predicted && ref->truth
                   ? labelled_scores(ref, ref->predicted, ref->truth, m->rows.rows, m->a, &m->labelled, err)
                   : GM_OK;
    if (rc) return rc;
    if (m->labelled.rows) rc = gm_metric_value(ref->metric, &m->labelled, m->a, &m->metric_of_rows, &why);
    if (m->labelled.rows && !rc) rc = gm_metric_interval(ref->metric, &m->labelled, SEED, m->a, &of_rows, &why);
    if (rc) rc = not_known(rc, &why, m->a, &line, err);
    if (rc) return rc;
    const gm_interval *i = recorded.low < recorded.high ? &recorded : &of_rows;
    m->metric = isnan(ref->metric_value) ? m->metric_of_rows : ref->metric_value;
    m->metric_half = worse_by(ref->metric, i->value, ref->metric->higher_is_better ? i->low : i->high);
    if (m->metric_half < 0) m->metric_half = 0; /* a bootstrap's quantile may lie on the better side */
    return GM_OK;
}

static gm_rc fit_estimator(gm_monitor *m, gm_err *err)
{
    const gm_monitor_reference *ref = &m->ref;
    gm_err why = { 0 };
    if (!ref->metric || !m->labelled.rows)
        m->no_estimate = "the reference has no rows with predictions and labels";
    else if (!gm_estimator_fits(ref->metric, ref->task))
        m->no_estimate = gm_arena_printf(m->a, "%s cannot be estimated", ref->metric->item.name);
    else if (m->labelled.rows < m->rows.rows)
        m->no_estimate = "some reference rows have no label";
    if (m->no_estimate) return GM_OK;
    gm_rc rc = gm_estimator_fit(&m->labelled, &m->rows, ref->metric, m->spec->compat, SEED, m->a, &m->estimator, &why);
    return rc ? not_known(rc, &why, m->a, &m->no_estimate, err) : GM_OK;
}

static gm_rc fit_pca(gm_monitor *m, gm_err *err)
{
    gm_err why = { 0 };
    if (!m->spec->multivariate) return GM_OK;
    if (!m->rows.rows) {
        m->no_pca = "the reference has no rows";
        return GM_OK;
    }
    gm_rc rc = gm_pca_fit(&m->rows, m->ref.columns, m->ref.columns_count, 0, 0, m->a, &m->pca, &why);
    return rc ? not_known(rc, &why, m->a, &m->no_pca, err) : GM_OK;
}

/* The reference's columns are sorted and counted once. */
static gm_rc prepare(gm_monitor *m, gm_err *err)
{
    gm_drift_prepared *inputs = NULL, *predictions = NULL;
    gm_rc rc = m->side.table || m->side.profile ? gm_drift_prepare(&m->side, m->a, &inputs, err) : GM_OK;
    m->side.prepared = inputs;
    m->predicted.table = &m->predictions;
    if (!rc && m->predictions.rows) rc = gm_drift_prepare(&m->predicted, m->a, &predictions, err);
    m->predicted.prepared = predictions;
    return rc;
}

static gm_rc take_reference(gm_monitor *m, gm_err *err)
{
    gm_monitor_reference *ref = &m->ref;
    gm_column *predictions = GM_ARENA_NEW(m->a, gm_column);
    if (!predictions) return no_memory(err);
    gm_rc rc = ref->rows ? gm_table_some(ref->rows, ref->columns, ref->columns_count, m->a, &m->rows, err) : GM_OK;
    if (!rc && m->rows.rows && ref->predicted) {
        rc = gm_prediction_column(ref, ref->predicted, m->rows.rows, m->a, predictions, err);
        m->predictions = (gm_table){ m->rows.rows, 1, predictions };
    }
    /* Another program's numbers are of rows; ours are of all that was trained on. */
    bool by_rows = m->rows.rows && (m->spec->compat != GM_COMPAT_DEFAULT || !ref->profile);
    m->side = by_rows ? (gm_drift_side){ .table = &m->rows } : (gm_drift_side){ .profile = ref->profile };
    if (!rc) rc = prepare(m, err);
    if (!rc) rc = take_metric(m, err);
    if (!rc) rc = fit_estimator(m, err);
    if (!rc) rc = fit_pca(m, err);
    return rc;
}

gm_rc gm_monitor_new(const gm_monitor_spec *spec, const gm_monitor_reference *reference, const gm_check_spec *checks,
                     size_t checks_count, gm_monitor **out, gm_err *err)
{
    gm_rc rc = check_rules(spec, reference, err);
    if (rc) return rc;
    gm_monitor *m = calloc(1, sizeof(*m));
    if (!m) return no_memory(err);
    m->a = gm_arena_new(0);
    m->spec = spec;
    m->ref = *reference;
    m->checks = checks;
    m->checks_count = checks_count;
    rc = m->a ? take_reference(m, err) : no_memory(err);
    if (rc) {
        gm_monitor_free(m);
        return rc;
    }
    *out = m;
    return GM_OK;
}

void gm_monitor_free(gm_monitor *m)
{
    if (!m) return;
    gm_arena_free(m->a);
    free(m);
}

/* ---- drift ------------------------------------------------------------------------------------------------------------- */

static bool has_column(const gm_window_rows *w, const char *name)
{
    return w->table ? gm_table_find(w->table, name) != NULL : gm_profile_find(w->profile, name) != SIZE_MAX;
}

static gm_rc judge_inputs(gm_monitor *m, const gm_window_rows *w, gm_arena *a, gm_window_result *r, gm_err *err)
{
    const gm_monitor_reference *ref = &m->ref;
    const char **there = GM_ARENA_ARRAY(a, const char *, ref->columns_count),
               **absent = GM_ARENA_ARRAY(a, const char *, ref->columns_count);
    size_t count = 0, absent_count = 0, rules_count = 0;
    gm_drift_rule *rules = GM_ARENA_ARRAY(a, gm_drift_rule, m->spec->drift_count);
    if (!there || !absent || !rules) return no_memory(err);
    for (size_t i = 0; i < ref->columns_count; i++) {
        if (has_column(w, ref->columns[i]))
            there[count++] = ref->columns[i];
        else
            absent[absent_count++] = gm_arena_printf(a, "-%s", ref->columns[i]);
    }
    for (size_t i = 0; i < m->spec->drift_count; i++)
        if (!m->spec->drift[i].column || has_column(w, m->spec->drift[i].column)) rules[rules_count++] = m->spec->drift[i];
    bool share = w->profile && w->profile_rows > w->rows;
    gm_drift_side current = { .table = share ? NULL : w->table, .profile = w->profile };
    gm_drift_options o = {
        .compat = m->spec->compat, .rules = rules, .rules_count = rules_count, .columns = there, .columns_count = count
    };
    gm_rc rc = count && (m->side.table || m->side.profile) ? gm_drift_compare(&m->side, &current, &o, a, &r->drift, err) : GM_OK;
    if (rc) return gm_err_ctx(err, rc, "comparing a window with the reference of %.100s", ref->version);
    r->drift.missing_columns = absent;
    r->drift.missing_columns_count = absent_count;
    size_t judged = r->drift.judged + absent_count;
    r->drifted_columns = (int64_t)(r->drift.drifted + absent_count);
    r->drifted_share = judged ? (double)r->drifted_columns / (double)judged : (double)NAN;
    r->drifted = (m->spec->drifted_columns > 0 && r->drifted_columns >= m->spec->drifted_columns) ||
                 r->drifted_share > m->spec->drifted_share;
    return GM_OK;
}

/* By the general rules, without the rates: predictions are neither missing nor new. */
static gm_rc judge_predictions(gm_monitor *m, const gm_window_rows *w, gm_arena *a, gm_window_result *r, gm_err *err)
{
    gm_column column;
    gm_drift_result d = { 0 };
    gm_drift_rule *rules = GM_ARENA_ARRAY(a, gm_drift_rule, m->spec->drift_count);
    size_t count = 0;
    if (!w->predicted || !m->predictions.rows) return GM_OK;
    if (!rules) return no_memory(err);
    gm_rc rc = gm_prediction_column(&m->ref, w->predicted, w->rows, a, &column, err);
    for (size_t i = 0; i < m->spec->drift_count; i++)
        if (!m->spec->drift[i].column) rules[count++] = m->spec->drift[i];
    gm_table current = { .rows = w->rows, .columns_count = 1, .columns = &column };
    gm_drift_options o = { .compat = m->spec->compat, .rules = rules, .rules_count = count, .no_rates = true };
    if (!rc) rc = gm_drift_compare(&m->predicted, &(gm_drift_side){ .table = &current }, &o, a, &d, err);
    if (rc) return gm_err_ctx(err, rc, "comparing the predictions of a window");
    if (d.count) r->prediction = d.columns[0];
    return GM_OK;
}

static gm_rc judge_together(gm_monitor *m, const gm_window_rows *w, gm_arena *a, gm_window_result *r, gm_err *err)
{
    gm_err why = { 0 };
    const char *line = NULL;
    gm_rc rc = GM_OK;
    if (!m->spec->multivariate || !w->table) return GM_OK;
    if (m->pca) rc = gm_pca_error(m->pca, w->table, a, &r->pca, &why);
    if (rc) rc = not_known(rc, &why, a, &line, err);
    if (rc) return rc;
    if (line || m->no_pca) gm_window_note(r, a, "no PCA reconstruction error: %s", line ? line : m->no_pca);
    if (!m->rows.rows) return GM_OK;
    rc = gm_domain_classifier(&m->rows, w->table, m->ref.columns, m->ref.columns_count, 0, SEED, a, &r->domain, &why);
    if (!rc) return GM_OK;
    r->domain = (gm_domain_value){ .auc = NAN };
    rc = not_known(rc, &why, a, &line, err);
    if (!rc) gm_window_note(r, a, "no domain classifier: %s", line);
    return rc;
}

/* ---- performance ------------------------------------------------------------------------------------------------------- */

/* Decay, surely.
 *
 *   decay > sqrt(w^2 + r^2)
 *   w    from the window's metric to the better end of its 95 % interval
 *   r    from the reference's metric to the worse end of its own
 *
 * The 95 % interval of the difference of two independent values does not hold 0: without a change one window in 40 is called
 * worse. The reference is drawn once: where its rows were lucky, all windows after them look worse.
 * Undefined  r not known: taken as 0, with a note; w not known: not sure
 * Source     Newcombe (1998), Statistics in Medicine 17:873-890, method 10; for any two intervals Zou and Donner (2008),
 *            Statistics in Medicine 27:1693-1702
 * Checked    without_a_change_few_windows_decay in test/unit/watch/test_monitor.c
 */
static bool decays_surely(const gm_monitor *m, const gm_window_result *r)
{
    const gm_metric *metric = m->ref.metric;
    double w = worse_by(metric, metric->higher_is_better ? r->realised.high : r->realised.low, r->realised.value);
    return r->decay > 0 && r->decay > hypot(w < 0 ? 0 : w, isnan(m->metric_half) ? 0 : m->metric_half);
}

static gm_rc realised(gm_monitor *m, const gm_window_rows *w, gm_arena *a, gm_window_result *r, gm_err *err)
{
    const gm_metric *metric = m->ref.metric;
    gm_scores scores;
    gm_err why = { 0 };
    const char *line = NULL;
    for (int64_t i = 0; w->truth && i < w->rows; i++) r->labelled += !isnan(w->truth[i]);
    if (!metric || !w->predicted || !r->labelled || r->labelled < m->spec->labels_min) return GM_OK;
    gm_rc rc = labelled_scores(&m->ref, w->predicted, w->truth, w->rows, a, &scores, err);
    if (rc) return rc;
    rc = gm_metric_interval(metric, &scores, SEED, a, &r->realised, &why);
    if (rc) {
        r->realised = (gm_interval){ NAN, NAN, NAN, "" };
        rc = not_known(rc, &why, a, &line, err);
        if (!rc) gm_window_note(r, a, "no realised %s: %s", metric->item.name, line);
        return rc;
    }
    r->decay = worse_by(metric, m->metric, r->realised.value);
    r->decay_sure = r->decayed = decays_surely(m, r);
    if (isnan(m->metric_half) && !isnan(r->decay))
        gm_window_note(r, a, "how sure the reference's %s is, is not known: it is taken as exact", metric->item.name);
    return GM_OK;
}

static gm_rc estimated(gm_monitor *m, const gm_window_rows *w, gm_arena *a, gm_window_result *r, gm_err *err)
{
    gm_err why = { 0 };
    const char *line = m->no_estimate;
    if (!w->predicted || !w->table) return GM_OK;
    if (m->estimator) {
        gm_scores scores = { .task = m->ref.task,
                             .rows = w->rows,
                             .classes = m->ref.classes,
                             .predicted = w->predicted,
                             .threshold = m->ref.threshold };
        gm_rc rc = gm_estimate(m->estimator, &scores, w->table, a, &r->estimated, &why);
        if (rc) r->estimated = (gm_interval){ NAN, NAN, NAN, "" };
        if (rc) rc = not_known(rc, &why, a, &line, err);
        if (rc) return rc;
    }
    if (line)
        gm_window_note(r, a, "performance is not estimated: %s", line);
    else
        r->decay_estimated = worse_by(m->ref.metric, m->metric_of_rows, r->estimated.value);
    return GM_OK;
}

/* ---- the window -------------------------------------------------------------------------------------------------------- */

static gm_window_result nothing_known(const gm_monitor *m, const gm_window_rows *w)
{
    const gm_interval none = { NAN, NAN, NAN, "" };
    return (gm_window_result){ .from_us = w->from_us,
                               .until_us = w->until_us,
                               .rows = w->profile_rows > w->rows ? w->profile_rows : w->rows,
                               .judged = w->rows > 0 && w->rows >= m->spec->rows_min && (w->table || w->profile),
                               .prediction = { .name = "", .value = NAN },
                               .domain = { .auc = NAN },
                               .labels_late = w->labels_late,
                               .metric = m->ref.metric ? m->ref.metric->item.name : "",
                               .reference_metric = m->metric,
                               .realised = none,
                               .estimated = none,
                               .decay = NAN,
                               .decay_estimated = NAN,
                               .requests = w->requests,
                               .error_rate = w->requests > 0 ? w->errors / w->requests : (double)NAN,
                               .latency_ms_p99 = w->latency_ms_p99,
                               .recomputed = w->recomputed,
                               .skewed = w->skewed,
                               .drifted_share = NAN,
                               .drift = { .drifted_share = NAN, .rows_current = w->rows } };
}

gm_rc gm_monitor_window(gm_monitor *m, const gm_window_rows *w, gm_arena *a, gm_window_result *out, gm_err *err)
{
    gm_window_result r = nothing_known(m, w);
    double share = r.rows > 0 ? (double)w->rows / (double)r.rows : 1;
    r.notes = GM_ARENA_ARRAY(a, const char *, GM_WINDOW_NOTES_MAX);
    if (!r.notes) return no_memory(err);
    gm_rc rc = realised(m, w, a, &r, err);
    if (!rc && r.judged) rc = judge_inputs(m, w, a, &r, err);
    if (!rc && r.judged) rc = judge_predictions(m, w, a, &r, err);
    if (!rc && r.judged) rc = judge_together(m, w, a, &r, err);
    if (!rc && r.judged) rc = estimated(m, w, a, &r, err);
    if (!rc && r.judged && m->spec->checks && w->table) rc = gm_window_checks(m->checks, m->checks_count, w, a, &r, err);
    if (rc) return rc;
    if (share < 1) gm_window_note(&r, a, "%.3g %% of the rows were looked at one by one; drift is of all", 100 * share);
    if (!r.judged) gm_window_note(&r, a, "not judged: %" PRId64 " rows, and %" PRId64 " are needed", w->rows, m->spec->rows_min);
    *out = r;
    return GM_OK;
}
