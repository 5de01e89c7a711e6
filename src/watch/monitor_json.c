/* monitor_json.c - what was found in a window, for programs, the store and the pages. monitor_read.c reads it back. Format:
 * docs/formats/windows.md. */
#include <math.h>

#include "watch/monitor.h"

static void ktime(gm_json *j, const char *key, int64_t us)
{
    char text[48];
    gm_json_kstr(j, key, gm_time_text(us, text, sizeof(text)));
}

static void interval_json(gm_json *j, const char *key, const gm_interval *i)
{
    gm_json_key(j, key);
    if (isnan(i->value)) {
        gm_json_null(j);
        return;
    }
    gm_json_object(j);
    gm_json_kdouble(j, "value", i->value);
    gm_json_kdouble(j, "low", i->low);
    gm_json_kdouble(j, "high", i->high);
    gm_json_kstr(j, "method", i->method ? i->method : "");
    gm_json_object_end(j);
}

static void performance_json(const gm_window_result *r, gm_json *j)
{
    gm_json_key(j, "performance");
    gm_json_object(j);
    gm_json_kstr(j, "metric", r->metric ? r->metric : "");
    gm_json_kdouble(j, "reference", r->reference_metric);
    interval_json(j, "realised", &r->realised);
    interval_json(j, "estimated", &r->estimated);
    gm_json_kdouble(j, "decay", r->decay);
    gm_json_kdouble(j, "decay_estimated", r->decay_estimated);
    gm_json_kbool(j, "decay_sure", r->decay_sure);
    gm_json_kint(j, "labelled", r->labelled);
    gm_json_kint(j, "labels_late", r->labels_late);
    gm_json_object_end(j);
}

/* As a comparison of one column, so that whoever reads the inputs can read it. */
static void prediction_json(const gm_window_result *r, gm_json *j)
{
    gm_drift_column column = r->prediction;
    const gm_drift_result one = { .compat = r->drift.compat,
                                  .columns = &column,
                                  .count = 1,
                                  .judged = (size_t)!isnan(column.value),
                                  .drifted = column.drifted,
                                  .drifted_share = isnan(column.value) ? (double)NAN : column.drifted,
                                  .dataset_drifted = column.drifted,
                                  .rows_reference = column.rows_reference,
                                  .rows_current = column.rows_current };
    gm_json_key(j, "prediction");
    if (column.name && column.name[0])
        gm_drift_json(&one, j);
    else
        gm_json_null(j);
}

static void together_json(const gm_window_result *r, gm_json *j)
{
    gm_json_key(j, "pca");
    if (r->pca.rows) {
        gm_json_object(j);
        gm_json_kdouble(j, "error", r->pca.error);
        gm_json_kdouble(j, "low", r->pca.low);
        gm_json_kdouble(j, "high", r->pca.high);
        gm_json_kdouble(j, "limit_low", r->pca.limit_low);
        gm_json_kdouble(j, "limit_high", r->pca.limit_high);
        gm_json_kbool(j, "drifted", r->pca.drifted);
        gm_json_kint(j, "rows", r->pca.rows);
        gm_json_object_end(j);
    } else {
        gm_json_null(j);
    }
    gm_json_key(j, "domain");
    if (isnan(r->domain.auc)) {
        gm_json_null(j);
        return;
    }
    gm_json_object(j);
    gm_json_kdouble(j, "auc", r->domain.auc);
    gm_json_kdouble(j, "limit_low", r->domain.limit_low);
    gm_json_kdouble(j, "limit_high", r->domain.limit_high);
    gm_json_kbool(j, "drifted", r->domain.drifted);
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (size_t i = 0; i < r->domain.count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "name", r->domain.columns[i]);
        gm_json_kdouble(j, "gain", r->domain.gain[i]);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

static void checks_json(const gm_window_result *r, gm_json *j)
{
    gm_json_key(j, "checks");
    gm_json_object(j);
    gm_json_kint(j, "failed", (int64_t)r->checks_failed);
    gm_json_key(j, "results");
    gm_check_results_json(r->checks, r->checks_count, j);
    gm_json_key(j, "left_out");
    gm_json_array(j);
    for (size_t i = 0; i < r->left_out_count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "name", r->left_out[i].name);
        gm_json_kstr(j, "why", r->left_out[i].why);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

void gm_window_json(const gm_window_result *r, gm_json *j)
{
    gm_json_object(j);
    ktime(j, "from", r->from_us);
    ktime(j, "until", r->until_us);
    gm_json_kint(j, "from_us", r->from_us);
    gm_json_kint(j, "until_us", r->until_us);
    gm_json_kint(j, "rows", r->rows);
    gm_json_kbool(j, "judged", r->judged);
    if (r->beside) gm_json_kbool(j, "beside", true);
    gm_json_kbool(j, "drifted", r->drifted);
    gm_json_kbool(j, "decayed", r->decayed);
    gm_json_kint(j, "drifted_columns", r->drifted_columns);
    gm_json_kdouble(j, "drifted_share", r->drifted_share);
    performance_json(r, j);
    gm_json_key(j, "drift");
    gm_drift_json(&r->drift, j);
    prediction_json(r, j);
    together_json(r, j);
    checks_json(r, j);
    gm_json_key(j, "traffic");
    gm_json_object(j);
    gm_json_kdouble(j, "requests", r->requests);
    gm_json_kdouble(j, "error_rate", r->error_rate);
    gm_json_kdouble(j, "latency_ms_p99", r->latency_ms_p99);
    gm_json_kint(j, "recomputed", r->recomputed);
    gm_json_kint(j, "skewed", r->skewed);
    gm_json_object_end(j);
    gm_json_key(j, "notes");
    gm_json_array(j);
    for (size_t i = 0; i < r->notes_count; i++) gm_json_str(j, r->notes[i]);
    gm_json_array_end(j);
    gm_json_object_end(j);
}
