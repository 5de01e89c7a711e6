/* estimate.c - estimated performance: who does it, what it is anchored to, and how sure it is.
 *
 *   value      what CBPE or DLE says of these rows - what it says of the reference + what the reference's labels say, cut to the
 *              metric's range
 *   interval   value +- 1.96 sqrt(spread^2 (1 / rows + 1 / reference rows) + wobble^2), cut likewise
 *   spread     of the reference: half the metric's own 95 % interval there (DeLong, Wilson, bootstrap) / 1.96 * sqrt(reference
 *              rows)
 *   wobble     how far such estimates were off on parts of the reference, beyond sampling (estimate_record.c)
 *
 * Anchored, the estimate is exact on the reference itself, and what changes it are the inputs alone. A curve fitted to few
 * labels promises too much of the very model (ROC AUC 0.06 too high on 200 labels without any link); most of that is the same
 * on both sides. The interval says where the metric of these rows will lie once their labels are there: they are a sample, so is
 * the reference, and the link is as steady as it was within the reference.
 * compat nannyml: not anchored; value +- 3 spread / sqrt(rows), with NannyML's spread.
 * Checked    test_estimate_cbpe.c: of simulated windows 95 in 100 hold; docs/numerics/estimated-performance.md
 */
#include <string.h>

#include "eval/delong.h"
#include "eval/evaluate.h"
#include "watch/estimate_internal.h"

enum { SPREAD_ROWS_MAX = 5000 }; /* a bootstrap of more rows costs more and says the same */

bool gm_estimator_fits(const gm_metric *metric, gm_task task)
{
    return gm_metric_fits(metric, task) && (task == GM_TASK_REGRESSION ? gm_dle_fits(metric) : gm_cbpe_fits(metric));
}

bool gm_estimator_calibrates(const gm_estimator *e)
{
    for (int64_t k = 0; e->calibrators && k < e->outputs; k++)
        if (e->calibrators[k].count) return true;
    return false;
}

static gm_rc no_estimate(const gm_metric *metric, gm_task task, gm_arena *a, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_EINVALID, "metric \"%s\" cannot be estimated before the labels are there", metric->item.name);
    const char *names = "";
    for (size_t i = 0; names && i < gm_metrics.count; i++)
        if (gm_estimator_fits((const gm_metric *)gm_metrics.items[i], task))
            names = gm_arena_printf(a, "%s%s%s", names, names[0] ? ", " : "", gm_metrics.items[i]->name);
    if (names) gm_err_hint(err, "Estimates: %s.", names);
    return rc;
}

/* Rows [count] of s, every stride-th of those that have a label. In arena. */
static gm_rc take_rows(const gm_scores *s, const int64_t *rows, int64_t count, int64_t width, gm_arena *a, gm_scores *out,
                       gm_err *err)
{
    double *truth = GM_ARENA_ARRAY(a, double, count), *predicted = GM_ARENA_ARRAY(a, double, count *width);
    if (!truth || !predicted) return gm_err_set(err, GM_ENOMEM, "not enough memory for %lld reference rows", (long long)count);
    for (int64_t i = 0; i < count; i++) {
        truth[i] = s->truth[rows[i]];
        memcpy(predicted + i * width, s->predicted + rows[i] * width, (size_t)width * sizeof(double));
    }
    *out = *s;
    out->rows = count;
    out->truth = truth;
    out->predicted = predicted;
    out->cache = NULL;
    return GM_OK;
}

static gm_rc labelled_rows(const gm_scores *s, gm_arena *a, int64_t **out, int64_t *out_count, gm_err *err)
{
    int64_t *rows = GM_ARENA_ARRAY(a, int64_t, s->rows > 0 ? s->rows : 0), count = 0;
    if (!rows) return gm_err_set(err, GM_ENOMEM, "not enough memory for %lld reference rows", (long long)s->rows);
    for (int64_t i = 0; s->truth && i < s->rows; i++)
        if (!isnan(s->truth[i])) rows[count++] = i;
    *out = rows;
    *out_count = count;
    return GM_OK;
}

static gm_rc own_spread(const gm_metric *metric, const gm_scores *labelled, int64_t width, uint64_t seed, gm_arena *scratch,
                        double *out, gm_err *err)
{
    gm_scores s = *labelled;
    if (metric->interval == GM_INTERVAL_BOOTSTRAP && s.rows > SPREAD_ROWS_MAX) {
        int64_t *rows = GM_ARENA_ARRAY(scratch, int64_t, SPREAD_ROWS_MAX);
        if (!rows) return gm_err_set(err, GM_ENOMEM, "not enough memory for an interval");
        for (int64_t i = 0; i < SPREAD_ROWS_MAX; i++) rows[i] = i * s.rows / SPREAD_ROWS_MAX;
        gm_rc rc = take_rows(labelled, rows, SPREAD_ROWS_MAX, width, scratch, &s, err);
        if (rc) return rc;
    }
    gm_interval interval;
    gm_rc rc = gm_metric_interval(metric, &s, seed, scratch, &interval, err);
    if (!rc) *out = (interval.high - interval.low) / (2 * GM_Z95) * sqrt((double)s.rows);
    return rc;
}

static gm_rc raw_value(const gm_estimator *e, const gm_scores *s, const gm_table *features, gm_arena *scratch, double *out,
                       gm_err *err)
{
    return e->task == GM_TASK_REGRESSION ? gm_dle_value(e, s, features, scratch, out, err)
                                         : gm_cbpe_value(e, s, scratch, out, err);
}

gm_rc gm_estimator_value(const gm_estimator *e, const gm_scores *s, const gm_table *features, gm_arena *scratch, double *out,
                         gm_err *err)
{
    double value = NAN;
    gm_rc rc = raw_value(e, s, features, scratch, &value, err);
    if (!rc) *out = fmin(fmax(value - e->offset, e->metric->low), e->metric->high);
    return rc;
}

gm_rc gm_estimator_learn(gm_estimator *e, const gm_scores *labelled, const gm_table *features, const gm_estimator *like,
                         uint64_t seed, gm_arena *a, gm_arena *scratch, gm_err *err)
{
    double estimated = 0, realised = 0;
    e->reference_rows = labelled->rows;
    gm_rc rc = e->task == GM_TASK_REGRESSION ? gm_dle_fit(e, labelled, features, like != NULL, seed, a, scratch, err)
                                             : gm_cbpe_fit(e, labelled, like, seed, a, scratch, err);
    if (rc || e->compat != GM_COMPAT_DEFAULT) return rc;
    rc = raw_value(e, labelled, features, scratch, &estimated, err);
    if (!rc) rc = gm_metric_value(e->metric, labelled, scratch, &realised, err);
    if (!rc) e->offset = estimated - realised;
    return rc;
}

static gm_rc fit(gm_estimator *e, const gm_scores *reference, const gm_table *features, uint64_t seed, gm_arena *a,
                 gm_arena *scratch, gm_err *err)
{
    int64_t *rows = NULL, count = 0;
    gm_scores labelled;
    gm_table labelled_features;
    gm_rc rc = labelled_rows(reference, scratch, &rows, &count, err);
    if (rc) return rc;
    if (count < GM_ESTIMATE_ROWS_MIN)
        return gm_err_set(err, GM_EINVALID, "estimating %s needs %d labelled reference rows, there are %lld",
                          e->metric->item.name, (int)GM_ESTIMATE_ROWS_MIN, (long long)count);
    rc = take_rows(reference, rows, count, e->outputs, scratch, &labelled, err);
    if (!rc && features && count < features->rows) {
        rc = gm_table_take(features, rows, count, scratch, &labelled_features, err);
        features = &labelled_features;
    }
    if (!rc) rc = gm_estimator_learn(e, &labelled, features, NULL, seed, a, scratch, err);
    if (!rc && isnan(e->spread)) rc = own_spread(e->metric, &labelled, e->outputs, seed, scratch, &e->spread, err);
    if (!rc && e->compat == GM_COMPAT_DEFAULT) rc = gm_estimator_record(e, &labelled, features, seed, err);
    return rc;
}

gm_rc gm_estimator_fit(const gm_scores *reference, const gm_table *features, const gm_metric *metric, gm_compat compat,
                       uint64_t seed, gm_arena *a, gm_estimator **out, gm_err *err)
{
    gm_task task = reference->task;
    if (!gm_estimator_fits(metric, task)) return no_estimate(metric, task, a, err);
    if (compat != GM_COMPAT_DEFAULT && compat != GM_COMPAT_NANNYML)
        return gm_err_set(err, GM_EINVALID, "estimated performance has the definitions default and nannyml, no other");
    gm_estimator *e = GM_ARENA_NEW(a, gm_estimator);
    gm_arena *scratch = gm_arena_new(0);
    gm_rc rc = e && scratch ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to estimate %s", metric->item.name);
    int64_t classes = task == GM_TASK_BINARY ? 2 : task == GM_TASK_MULTICLASS ? reference->classes : 0;
    if (!rc)
        *e = (gm_estimator){ .task = task,
                             .classes = classes,
                             .outputs = task == GM_TASK_MULTICLASS ? classes : 1,
                             .metric = metric,
                             .compat = compat,
                             .spread = NAN };
    if (!rc) rc = fit(e, reference, features, seed, a, scratch, err);
    gm_arena_free(scratch);
    if (!rc) *out = e;
    return gm_err_ctx(err, rc, "learning to estimate %s without labels", metric->item.name);
}

gm_rc gm_estimate(const gm_estimator *e, const gm_scores *current, const gm_table *features, gm_arena *scratch, gm_interval *out,
                  gm_err *err)
{
    bool regression = e->task == GM_TASK_REGRESSION;
    if (current->task != e->task || (e->task == GM_TASK_MULTICLASS && current->classes != e->classes))
        return gm_err_set(err, GM_EINVALID, "the predictions are of another task or other classes than the reference");
    if (current->rows < 1) return gm_err_set(err, GM_EINVALID, "there are no rows to estimate %s on", e->metric->item.name);
    double value = NAN;
    gm_rc rc = gm_estimator_value(e, current, features, scratch, &value, err);
    if (rc) return gm_err_ctx(err, rc, "estimating %s without labels", e->metric->item.name);
    double rows = (double)current->rows, sampling = e->spread * sqrt(1 / rows + 1 / (double)e->reference_rows);
    double half = e->compat == GM_COMPAT_NANNYML ? 3 * e->spread / sqrt(rows) : GM_Z95 * hypot(sampling, e->wobble);
    *out = (gm_interval){ .value = value,
                          .low = isnan(half) ? NAN : fmax(e->metric->low, value - half),
                          .high = isnan(half) ? NAN : fmin(e->metric->high, value + half),
                          .method = regression ? "DLE" : "CBPE" };
    return GM_OK;
}
