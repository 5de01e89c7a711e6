/* monitor_read.c - a window's result from its JSON, for rules, pages and triggers that look at what the store keeps. See
 * monitor_json.c. */
#include <math.h>
#include <string.h>

#include "watch/monitor.h"

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to read a window");
}

/* Absent and null are NaN: not known. */
static double number(const gm_node *map, const char *key)
{
    return gm_node_double_or(map, key, (double)NAN);
}

static size_t count_of(const gm_node *list)
{
    return list && list->kind == GM_NODE_SEQ ? list->count : 0;
}

static gm_interval interval(const gm_node *map, const char *key)
{
    const gm_node *n = gm_node_get(map, key);
    return (gm_interval){ number(n, "value"), number(n, "low"), number(n, "high"), gm_node_str_or(n, "method", "") };
}

static gm_drift_column column(const gm_node *n)
{
    gm_drift_column c = { .name = gm_node_str_or(n, "name", ""),
                          .value = number(n, "value"),
                          .limit = number(n, "limit"),
                          .plain = gm_node_double_or(n, "plain", number(n, "value")),
                          .bound = gm_node_double_or(n, "bound", 0),
                          .by_p = gm_node_bool_or(n, "value_is_p", false),
                          .p_value = number(n, "p_value"),
                          .p_adjusted = number(n, "p_adjusted"),
                          .rows_reference = gm_node_int_or(n, "rows_reference", 0),
                          .rows_current = gm_node_int_or(n, "rows_current", 0),
                          .missing_reference = number(n, "missing_reference"),
                          .missing_current = number(n, "missing_current"),
                          .new_share = number(n, "new_share"),
                          .range_share = number(n, "range_share"),
                          .mean_reference = number(n, "mean_reference"),
                          .mean_current = number(n, "mean_current"),
                          .drifted = gm_node_bool_or(n, "drifted", false),
                          .by_chance = gm_node_bool_or(n, "by_chance", false),
                          .missing_rose = gm_node_bool_or(n, "missing_rose", false),
                          .new_values = gm_node_bool_or(n, "new_values", false),
                          .out_of_range = gm_node_bool_or(n, "out_of_range", false),
                          .why = gm_node_str_or(n, "why", "") };
    const gm_node *detector = gm_node_get(n, "detector");
    (void)gm_type_from_name(gm_node_str_or(n, "type", ""), &c.type);
    if (detector && !detector->is_null && gm_detector_find(detector->text, &c.detector, NULL)) c.detector = NULL;
    return c;
}

static gm_rc drift(const gm_node *n, gm_arena *a, gm_drift_result *out, gm_err *err)
{
    const gm_node *columns = gm_node_get(n, "columns"), *missing = gm_node_get(n, "missing_columns");
    gm_drift_result r = { .columns = GM_ARENA_ARRAY(a, gm_drift_column, count_of(columns)),
                          .missing_columns = GM_ARENA_ARRAY(a, const char *, count_of(missing)),
                          .judged = (size_t)gm_node_int_or(n, "judged", 0),
                          .drifted = (size_t)gm_node_int_or(n, "drifted", 0),
                          .drifted_share = number(n, "drifted_share"),
                          .dataset_drifted = gm_node_bool_or(n, "dataset_drifted", false),
                          .rows_reference = gm_node_int_or(n, "rows_reference", 0),
                          .rows_current = gm_node_int_or(n, "rows_current", 0) };
    if (!r.columns || !r.missing_columns) return no_memory(err);
    (void)gm_compat_from_name(gm_node_str_or(n, "definitions", "default"), &r.compat, NULL);
    for (size_t i = 0; i < count_of(columns); i++) r.columns[r.count++] = column(columns->items[i]);
    for (size_t i = 0; i < count_of(missing); i++)
        if (missing->items[i]->kind == GM_NODE_SCALAR) r.missing_columns[r.missing_columns_count++] = missing->items[i]->text;
    *out = r;
    return GM_OK;
}

static gm_rc checks(const gm_node *n, gm_arena *a, gm_window_result *r, gm_err *err)
{
    const gm_node *results = gm_node_get(n, "results"), *left = gm_node_get(n, "left_out");
    gm_check_spec *specs = GM_ARENA_ARRAY(a, gm_check_spec, count_of(results));
    gm_check_result *checked = GM_ARENA_ARRAY(a, gm_check_result, count_of(results));
    gm_check_left_out *out = GM_ARENA_ARRAY(a, gm_check_left_out, count_of(left));
    if (!specs || !checked || !out) return no_memory(err);
    for (size_t i = 0; i < count_of(results); i++) {
        const gm_node *c = results->items[i];
        specs[i] = (gm_check_spec){ .text = gm_node_str_or(c, "check", ""),
                                    .name = gm_node_str_or(c, "name", ""),
                                    .warning = strcmp(gm_node_str_or(c, "severity", ""), "warning") == 0,
                                    .allow = gm_node_double_or(c, "allow", 0) };
        checked[i] = (gm_check_result){ .spec = &specs[i],
                                        .ok = gm_node_bool_or(c, "ok", false),
                                        .row_check = gm_node_bool_or(c, "row_check", false),
                                        .considered = gm_node_int_or(c, "considered", 0),
                                        .broken = gm_node_int_or(c, "broken", 0),
                                        .observed = number(c, "observed"),
                                        .observed_text = gm_node_str_or(c, "observed_text", "") };
    }
    for (size_t i = 0; i < count_of(left); i++)
        out[i] = (gm_check_left_out){ gm_node_str_or(left->items[i], "name", ""), gm_node_str_or(left->items[i], "why", "") };
    r->checks_failed = (size_t)gm_node_int_or(n, "failed", 0);
    r->checks = checked;
    r->checks_count = count_of(results);
    r->left_out = out;
    r->left_out_count = count_of(left);
    return GM_OK;
}

static gm_rc together(const gm_node *root, gm_arena *a, gm_window_result *r, gm_err *err)
{
    const gm_node *pca = gm_node_get(root, "pca"), *domain = gm_node_get(root, "domain"),
                  *columns = gm_node_get(domain, "columns");
    r->pca = (gm_pca_value){ .error = number(pca, "error"),
                             .low = number(pca, "low"),
                             .high = number(pca, "high"),
                             .limit_low = number(pca, "limit_low"),
                             .limit_high = number(pca, "limit_high"),
                             .drifted = gm_node_bool_or(pca, "drifted", false),
                             .rows = gm_node_int_or(pca, "rows", 0) };
    r->domain = (gm_domain_value){ .auc = number(domain, "auc"),
                                   .limit_low = number(domain, "limit_low"),
                                   .limit_high = number(domain, "limit_high"),
                                   .drifted = gm_node_bool_or(domain, "drifted", false),
                                   .columns = GM_ARENA_ARRAY(a, const char *, count_of(columns)),
                                   .gain = GM_ARENA_ARRAY(a, double, count_of(columns)) };
    if (!r->domain.columns || !r->domain.gain) return no_memory(err);
    for (size_t i = 0; i < count_of(columns); i++) {
        r->domain.columns[i] = gm_node_str_or(columns->items[i], "name", "");
        r->domain.gain[i] = number(columns->items[i], "gain");
    }
    r->domain.count = count_of(columns);
    return GM_OK;
}

static gm_rc notes(const gm_node *list, gm_arena *a, gm_window_result *r, gm_err *err)
{
    const char **lines = GM_ARENA_ARRAY(a, const char *, count_of(list));
    if (!lines) return no_memory(err);
    for (size_t i = 0; i < count_of(list); i++)
        if (list->items[i]->kind == GM_NODE_SCALAR) lines[r->notes_count++] = list->items[i]->text;
    r->notes = lines;
    return GM_OK;
}

gm_rc gm_window_read(const gm_node *json, gm_arena *a, gm_window_result *out, gm_err *err)
{
    const gm_node *performance = gm_node_get(json, "performance"), *traffic = gm_node_get(json, "traffic"),
                  *prediction = gm_node_get(json, "prediction");
    gm_drift_result one = { 0 };
    if (!json || json->kind != GM_NODE_MAP) return gm_err_set(err, GM_EINVALID, "what is kept of a window is no object");
    gm_window_result r = { .from_us = gm_node_int_or(json, "from_us", 0),
                           .until_us = gm_node_int_or(json, "until_us", 0),
                           .rows = gm_node_int_or(json, "rows", 0),
                           .judged = gm_node_bool_or(json, "judged", false),
                           .beside = gm_node_bool_or(json, "beside", false),
                           .drifted = gm_node_bool_or(json, "drifted", false),
                           .decayed = gm_node_bool_or(json, "decayed", false),
                           .drifted_columns = gm_node_int_or(json, "drifted_columns", 0),
                           .drifted_share = number(json, "drifted_share"),
                           .prediction = { .name = "", .value = NAN, .why = "" },
                           .metric = gm_node_str_or(performance, "metric", ""),
                           .reference_metric = number(performance, "reference"),
                           .realised = interval(performance, "realised"),
                           .estimated = interval(performance, "estimated"),
                           .decay = number(performance, "decay"),
                           .decay_estimated = number(performance, "decay_estimated"),
                           .decay_sure = gm_node_bool_or(performance, "decay_sure", false),
                           .labelled = gm_node_int_or(performance, "labelled", 0),
                           .labels_late = gm_node_int_or(performance, "labels_late", 0),
                           .requests = number(traffic, "requests"),
                           .error_rate = number(traffic, "error_rate"),
                           .latency_ms_p99 = number(traffic, "latency_ms_p99"),
                           .recomputed = gm_node_int_or(traffic, "recomputed", 0),
                           .skewed = gm_node_int_or(traffic, "skewed", 0) };
    gm_rc rc = drift(gm_node_get(json, "drift"), a, &r.drift, err);
    if (!rc && prediction && prediction->kind == GM_NODE_MAP) rc = drift(prediction, a, &one, err);
    if (one.count) r.prediction = one.columns[0];
    if (!rc) rc = together(json, a, &r, err);
    if (!rc) rc = checks(gm_node_get(json, "checks"), a, &r, err);
    if (!rc) rc = notes(gm_node_get(json, "notes"), a, &r, err);
    if (!rc) *out = r;
    return rc;
}
