/* spec_monitor.c - the sections `monitor` and `retrain`: what is watched, and what starts a training. See
 * docs/formats/gristmill.md. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipe/sections.h"
#include "pipe/spec.h"
#include "watch/channels.h"
#include "watch/monitor.h"

/* ---- monitor ---------------------------------------------------------------------------------------------------------- */

typedef struct monitor_conf {
    const char *window, *drift;
    gm_pos drift_pos; /* of the rule: base/param.h */
    const char *compat, *drifted;
    const gm_node *columns, *labels, *alert;
    int64_t rows_min, labels_min;
    bool checks, multivariate;
} monitor_conf;

const gm_param gm_section_monitor[] = {
    { "window", GM_PARAM_STR, offsetof(monitor_conf, window), "1 day",
      "what is judged together: 1 day, 7 days every 1 day, 5000 rows", 0, 0, NULL },
    { "drift", GM_PARAM_EXPR, offsetof(monitor_conf, drift), "psi > 0.2", "detector and limit of each column", 0, 0, NULL },
    { "columns", GM_PARAM_NODE, offsetof(monitor_conf, columns), "",
      "columns with a rule of their own: { temp: wasserstein > 0.5, zip: none }", 0, 0, NULL },
    { "compat", GM_PARAM_STR, offsetof(monitor_conf, compat), "default", "whose definitions the numbers follow", 0, 0,
      "default evidently nannyml tfdv deequ" },
    { "drifted", GM_PARAM_STR, offsetof(monitor_conf, drifted), "1 column",
      "from when on a window has drifted: 3 columns, or 30% of columns", 0, 0, NULL },
    { "rows_min", GM_PARAM_INT, offsetof(monitor_conf, rows_min), "100", "a window with fewer rows is not judged", 1, 1e12,
      NULL },
    { "labels", GM_PARAM_NODE, offsetof(monitor_conf, labels), "",
      "where the truth comes from later; the data set itself by default", 0, 0, NULL },
    { "labels_min", GM_PARAM_INT, offsetof(monitor_conf, labels_min), "100",
      "fewer rows with labels give no realised performance", 1, 1e12, NULL },
    { "checks", GM_PARAM_BOOL, offsetof(monitor_conf, checks), "true", "the data set's own checks on the rows served", 0, 0,
      NULL },
    { "multivariate", GM_PARAM_BOOL, offsetof(monitor_conf, multivariate), "false",
      "also PCA reconstruction and a domain classifier, over all columns at once", 0, 0, NULL },
    { "alert", GM_PARAM_NODE, offsetof(monitor_conf, alert), "", "who is told, and when", 0, 0, NULL },
    { 0 },
};

typedef struct labels_conf {
    const char *from, *format, *query;
    gm_strs key;
    double delay;
} labels_conf;

const gm_param gm_section_labels[] = {
    { "from", GM_PARAM_STR, offsetof(labels_conf, from), "", "file, glob or folder; the data set itself by default", 0, 0, NULL },
    { "format", GM_PARAM_STR, offsetof(labels_conf, format), "auto", "how the source is written", 0, 0, "auto csv parquet json" },
    { "query", GM_PARAM_STR, offsetof(labels_conf, query), "", "SQL over the source, as table `source`", 0, 0, NULL },
    { "key", GM_PARAM_STRS, offsetof(labels_conf, key), "",
      "columns that lead from a label to its row; the data set's key by default", 0, 0, NULL },
    { "delay", GM_PARAM_DURATION, offsetof(labels_conf, delay), "0s", "how long after its row a label is known", 0, 0, NULL },
    { 0 },
};

/* "1 column", "3 columns", "30% of columns" */
static bool read_drifted(const char *text, gm_monitor_spec *m)
{
    char *end = NULL;
    double v = strtod(text, &end);
    if (end == text || !(v > 0)) return false;
    if (strcmp(end, " column") == 0 || strcmp(end, " columns") == 0) {
        if (v != floor(v) || v > 100000) return false;
        m->drifted_columns = (int64_t)v;
        m->drifted_share = 1;
        return true;
    }
    m->drifted_share = v / 100;
    m->drifted_columns = 0;
    return strcmp(end, "% of columns") == 0 && v < 100;
}

static void read_labels(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    labels_conf c = { 0 };
    gm_labels_spec *l = &s->monitor.labels;
    if (n && n->kind == GM_NODE_SCALAR) {
        l->source = (gm_source){ .from = n->text, .pos = n->pos };
        l->pos = n->pos;
        return;
    }
    if (gm_params_read(gm_section_labels, n, NULL, s->a, &c, errs)) return;
    *l = (gm_labels_spec){ .source = { .from = c.from[0] ? c.from : NULL,
                                       .format = strcmp(c.format, "auto") == 0 ? NULL : c.format,
                                       .query = c.query[0] ? c.query : NULL },
                           .key = c.key,
                           .delay_us = (int64_t)llround(c.delay * 1e6) };
    if (n) l->pos = l->source.pos = n->pos;
    if (n && !l->source.from && l->source.query)
        gm_errs_at(errs, n->pos, GM_EINVALID, "Add `from:`, or take `query` out.", "labels: a query needs a source");
}

/* One rule into the list; a detector that the wanted program does not define is a mistake here, not at the first window. */
static bool read_rule(gm_spec *s, const char *text, gm_pos pos, gm_errs *errs)
{
    gm_monitor_spec *m = &s->monitor;
    gm_drift_rule *rule = &m->drift[m->drift_count];
    gm_err err;
    if (gm_drift_rule_read(text, pos, s->a, rule, errs)) return false;
    const gm_detector *d = rule->numbers ? rule->numbers : rule->texts;
    if (d && gm_detector_defined(d, m->compat, &err)) {
        gm_errs_add_at(errs, &err, pos);
        return false;
    }
    m->drift_count++;
    return true;
}

/* The general rule, then one for each column that has its own. Another program's definitions bring its own choice of detectors, unless a rule is
 * written. */
static void read_rules(gm_spec *s, const monitor_conf *c, gm_pos pos, gm_errs *errs)
{
    gm_monitor_spec *m = &s->monitor;
    size_t own = c->columns && c->columns->kind == GM_NODE_MAP ? c->columns->count : 0;
    m->drift = GM_ARENA_ARRAY(s->a, gm_drift_rule, own + 1);
    if (!m->drift) return;
    if (!m->compat || c->drift_pos.line) (void)read_rule(s, c->drift, c->drift_pos.line ? c->drift_pos : pos, errs);
    if (c->columns && c->columns->kind != GM_NODE_MAP)
        gm_errs_at(errs, c->columns->pos, GM_EINVALID, "Write `columns: { temp: wasserstein > 0.5 }`.",
                   "monitor: columns must be a map from a column to its rule");
    for (size_t i = 0; i < own; i++) {
        const gm_node *rule = c->columns->items[i];
        if (rule->kind != GM_NODE_SCALAR) {
            gm_errs_at(errs, rule->pos, GM_EINVALID, "Write a detector and its limit, or `none`.",
                       "monitor: the rule of column \"%.60s\" must be a text", c->columns->keys[i]);
            continue;
        }
        if (!read_rule(s, rule->text, rule->pos, errs)) continue;
        m->drift[m->drift_count - 1].column = c->columns->keys[i];
        m->drift[m->drift_count - 1].pos = c->columns->key_pos[i];
    }
}

void gm_spec_monitor_read(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    monitor_conf c = { 0 };
    gm_monitor_spec *m = &s->monitor;
    gm_err err;
    gm_pos pos = n ? n->pos : (gm_pos){ 0 };
    m->pos = pos;
    if (n && n->kind != GM_NODE_MAP) {
        gm_errs_at(errs, pos, GM_EINVALID, "Write `monitor: { window: 1 day }`.", "monitor must be a map of keys and values");
        return;
    }
    if (gm_params_read(gm_section_monitor, n, NULL, s->a, &c, errs)) return;
    m->node = n;
    m->rows_min = c.rows_min;
    m->labels_min = c.labels_min;
    m->checks = c.checks;
    m->multivariate = c.multivariate;
    if (gm_window_parse(c.window, &m->window, &err)) gm_errs_add_at(errs, &err, gm_node_get(n, "window")->pos);
    if (gm_compat_from_name(c.compat, &m->compat, &err)) gm_errs_add_at(errs, &err, pos);
    if (!read_drifted(c.drifted, m))
        gm_errs_at(errs, gm_node_get(n, "drifted")->pos, GM_EINVALID, "Write `3 columns` or `30% of columns`.",
                   "drifted: expected a number of columns or a share of them, found \"%.60s\"", c.drifted);
    read_rules(s, &c, pos, errs);
    read_labels(s, c.labels, errs);
    (void)gm_alerts_read(c.alert, NULL, 0, s->a, &m->alerts, errs);
}

/* ---- retrain ---------------------------------------------------------------------------------------------------------- */

typedef struct retrain_conf {
    const gm_node *when;
    const char *at_most;
    double history;
} retrain_conf;

const gm_param gm_section_retrain[] = {
    { "when", GM_PARAM_NODE, offsetof(retrain_conf, when), NULL,
      "what starts a training: drift, decay > 0.02, new data, every week, cron 0 3 * * 1, webhook", 0, 0, NULL },
    { "at_most", GM_PARAM_STR, offsetof(retrain_conf, at_most), "1 per day", "no more trainings than that", 0, 0, NULL },
    { "history", GM_PARAM_DURATION, offsetof(retrain_conf, history), "0s", "trains on the rows of the last so long; 0s: on all",
      0, 0, NULL },
    { 0 },
};

/* "decay > 0.02 in 2 of 3 windows": cut the end off. false: there is one, and it makes no sense. */
static bool take_windows(gm_arena *a, const char **text, gm_trigger_spec *t)
{
    const char *in = NULL;
    int64_t k = 0, n = 0;
    int used = 0;
    t->k = t->n = 1;
    for (const char *p = *text; (p = strstr(p, " in ")) != NULL; p++) in = p;
    if (!in || sscanf(in, " in %" SCNd64 " of %" SCNd64 " windows%n", &k, &n, &used) != 2 || !used || in[used]) return true;
    *text = gm_arena_strndup(a, *text, (size_t)(in - *text));
    t->k = k;
    t->n = n;
    return k >= 1 && k <= n && n <= 60;
}

/* "new data", "new data of 10000 rows" */
static bool is_new_data(const char *text, int64_t *out_rows)
{
    int used = 0;
    *out_rows = 0;
    if (strcmp(text, "new data") == 0) return true;
    return sscanf(text, "new data of %" SCNd64 " rows%n", out_rows, &used) == 1 && used && !text[used] && *out_rows > 0;
}

void gm_trigger_read(const char *text, gm_pos pos, gm_arena *a, gm_trigger_spec *t, gm_errs *errs)
{
    gm_err err;
    *t = (gm_trigger_spec){ .text = text, .pos = pos, .k = 1, .n = 1 };
    if (strncmp(text, "every ", 6) == 0 || strncmp(text, "cron ", 5) == 0) {
        t->kind = GM_TRIGGER_SCHEDULE;
        if (gm_schedule_parse(text, &t->schedule, &err)) gm_errs_add_at(errs, &err, pos);
        return;
    }
    if (is_new_data(text, &t->rows_min)) {
        t->kind = GM_TRIGGER_NEW_DATA;
        return;
    }
    if (strcmp(text, "webhook") == 0 || strcmp(text, "manual") == 0) {
        t->kind = text[0] == 'w' ? GM_TRIGGER_WEBHOOK : GM_TRIGGER_MANUAL;
        return;
    }
    if (!take_windows(a, &text, t)) {
        gm_errs_at(errs, pos, GM_EINVALID, "Write `in 2 of 3 windows`; at most 60 windows are looked at.",
                   "%" PRId64 " of %" PRId64 " windows cannot be", t->k, t->n);
        return;
    }
    t->kind = strcmp(text, "decay") == 0 ? GM_TRIGGER_DECAY : GM_TRIGGER_DRIFT;
    if (strcmp(text, "drift") == 0 || strcmp(text, "decay") == 0) return;
    if (gm_signal_check(text, pos, NULL, 0, a, &t->when, errs)) return;
    gm_signal_about about = gm_signal_needs(t->when); /* decay: it asks for labels or their estimate */
    t->kind = about == GM_ABOUT_ROWS ? GM_TRIGGER_DRIFT : GM_TRIGGER_DECAY;
    t->estimate_only = about == GM_ABOUT_ESTIMATE;
}

/* "1 per day", "2 per 6h" */
static bool read_at_most(const char *text, gm_retrain_spec *r)
{
    int used = 0;
    double seconds = 0;
    char one[64];
    if (sscanf(text, "%" SCNd64 " per %n", &r->at_most, &used) != 1 || !used || r->at_most < 1) return false;
    (void)snprintf(one, sizeof(one), "%s%.40s", isdigit((unsigned char)text[used]) ? "" : "1 ", text + used);
    if (gm_duration_parse(one, &seconds, NULL) || seconds <= 0) return false;
    r->at_most_us = (int64_t)(seconds * 1e6);
    return true;
}

void gm_spec_retrain_read(gm_spec *s, const gm_node *n, gm_errs *errs)
{
    retrain_conf c = { 0 };
    gm_retrain_spec *r = &s->retrain;
    if (!n) return;
    r->pos = n->pos;
    if (n->kind != GM_NODE_MAP) {
        gm_errs_at(errs, n->pos, GM_EINVALID, "Write `retrain: { when: [every week] }`.",
                   "retrain must be a map of keys and values");
        return;
    }
    if (gm_params_read(gm_section_retrain, n, NULL, s->a, &c, errs)) return;
    r->node = n;
    r->history_us = (int64_t)llround(c.history * 1e6);
    if (!read_at_most(c.at_most, r)) {
        const gm_node *at = gm_node_get(n, "at_most");
        gm_errs_at(errs, at ? at->pos : n->pos, GM_EINVALID, "Write `1 per day` or `2 per 6h`.",
                   "at_most: expected a number and a time, found \"%.60s\"", c.at_most);
    }
    size_t count = c.when->kind == GM_NODE_SEQ ? c.when->count : 1;
    r->triggers = GM_ARENA_ARRAY(s->a, gm_trigger_spec, count + 1);
    if (!r->triggers) return;
    for (size_t i = 0; i < count; i++) {
        const gm_node *item = c.when->kind == GM_NODE_SEQ ? c.when->items[i] : c.when;
        if (item->kind != GM_NODE_SCALAR || !item->text[0]) {
            gm_errs_at(errs, item->pos, GM_EINVALID, "Write `when: [drift, decay > 0.02, every week]`.",
                       "retrain: what starts a training must be a text");
            continue;
        }
        gm_trigger_read(item->text, item->pos, s->a, &r->triggers[r->triggers_count++], errs);
    }
    if (r->history_us && s->primary && !s->primary->time)
        gm_errs_at(errs, gm_node_get(n, "history")->pos, GM_EINVALID, "Add `time: COLUMN` to the data set.",
                   "history needs to know when a row of \"%s\" happened", s->primary->name);
}

/* ---- after the data is known -------------------------------------------------------------------------------------------- */

static void check_rule(const gm_drift_rule *rule, const gm_table *columns, gm_errs *errs)
{
    const gm_column *column = gm_table_find(columns, rule->column);
    bool text = column && (column->type == GM_TYPE_STRING || column->type == GM_TYPE_BOOL);
    const gm_detector *detector = rule->numbers ? rule->numbers : rule->texts;
    if (!column)
        gm_errs_at(errs, rule->pos, GM_EINVALID, "Name columns that the model's rows have.", "monitor: no column \"%.60s\"",
                   rule->column);
    else if (detector && !gm_detector_judges(detector, column->type))
        gm_errs_at(errs, rule->pos, GM_EINVALID, "psi, jensen_shannon and hellinger judge columns of any type.",
                   "monitor: %s judges %s, column \"%.60s\" holds %s", detector->item.name, text ? "numbers" : "texts",
                   rule->column, text ? "texts" : "numbers");
}

/* drift.COLUMN in a condition names a column. */
static void check_condition(const gm_expr *when, gm_pos pos, const gm_table *columns, gm_arena *a, gm_errs *errs)
{
    const char **names = NULL;
    size_t count = 0;
    if (!when || gm_expr_columns(when, a, &names, &count, NULL)) return;
    for (size_t i = 0; i < count; i++)
        if (strncmp(names[i], "drift.", 6) == 0 && !gm_table_find(columns, names[i] + 6))
            gm_errs_at(errs, pos, GM_EINVALID, "Name columns that the model's rows have.", "%s: no column \"%.60s\"", names[i],
                       names[i] + 6);
}

void gm_spec_monitor_check(const gm_spec *s, gm_errs *errs)
{
    gm_table columns = { 0 };
    gm_err err;
    const gm_labels_spec *labels = &s->monitor.labels;
    const gm_node *key = s->monitor.node ? gm_node_get(gm_node_get(s->monitor.node, "labels"), "key") : NULL;
    if (!s->primary || !s->primary->schema || (!s->monitor.node && !s->retrain.node)) return;
    if (gm_spec_columns(s, false, &columns, &err)) {
        gm_errs_add(errs, &err);
        return;
    }
    for (size_t i = 0; i < s->monitor.drift_count; i++)
        if (s->monitor.drift[i].column) check_rule(&s->monitor.drift[i], &columns, errs);
    for (size_t i = 0; i < s->monitor.alerts.rules_count; i++)
        check_condition(s->monitor.alerts.rules[i].when, s->monitor.alerts.rules[i].pos, &columns, s->a, errs);
    for (size_t i = 0; i < s->retrain.triggers_count; i++)
        check_condition(s->retrain.triggers[i].when, s->retrain.triggers[i].pos, &columns, s->a, errs);
    for (size_t i = 0; key && i < labels->key.count; i++) {
        const gm_node *item = key->kind == GM_NODE_SEQ ? key->items[i] : key;
        if (gm_schema_find(s->primary->schema, labels->key.items[i])) continue;
        gm_errs_at(errs, item->pos, GM_EINVALID, "Name columns that both the labels and the data set have.",
                   "labels: no column \"%.60s\" in \"%s\"", labels->key.items[i], s->primary->name);
    }
}
