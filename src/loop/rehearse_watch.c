/* rehearse_watch.c - windows of the replay, judged by the monitor that judges live ones; and which triggers they pull. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "loop/collect.h"
#include "loop/rehearse_internal.h"

/* What the monitor looks at, as live; but the time that orders the rows, which is always new. */
static gm_rc watched(gm_rehearsing *r, gm_rehearse_package *p, gm_monitor_reference *ref, gm_err *err)
{
    gm_rc rc = gm_reference_columns(p->dir, &p->scorer, r->a, ref, err);
    if (rc) return rc;
    const char **names = GM_ARENA_ARRAY(r->a, const char *, ref->columns_count);
    gm_table t = { .rows = r->table.rows, .columns = GM_ARENA_ARRAY(r->a, gm_column, ref->columns_count) };
    if (!names || !t.columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for a monitor");
    for (size_t i = 0; i < ref->columns_count; i++) {
        const gm_column *c = gm_table_find(&r->table, ref->columns[i]);
        if (!c || strcmp(c->name, r->time) == 0) continue;
        names[t.columns_count] = c->name;
        t.columns[t.columns_count++] = *c;
    }
    p->watched = t;
    ref->columns = names;
    ref->columns_count = t.columns_count;
    return GM_OK;
}

static void free_monitor(void *m)
{
    gm_monitor_free(m);
}

static gm_rc open_monitor(gm_rehearsing *r, gm_rehearse_package *p, gm_err *err)
{
    gm_buf b = { 0 };
    gm_profile *profile = NULL;
    const gm_node *test = gm_node_get(p->test, r->metric->item.name);
    gm_monitor_reference ref = { .task = p->scorer.task,
                                 .classes = p->scorer.classes_count,
                                 .metric = r->metric,
                                 .metric_value = gm_rehearse_test_metric(r, p),
                                 .metric_low = gm_node_double_or(test, "low", (double)NAN),
                                 .metric_high = gm_node_double_or(test, "high", (double)NAN),
                                 .threshold = 0.5,
                                 .version = r->spec.pipeline,
                                 .class_names = p->scorer.classes };
    const char *note = NULL;
    gm_rc rc = gm_fs_read(gm_path_join(r->a, p->dir, "profile.bin"), 0, &b, err);
    if (!rc) rc = gm_profile_read(b.data, b.len, r->a, &profile, err);
    gm_buf_clear(&b);
    ref.profile = profile;
    if (!rc) rc = watched(r, p, &ref, err);
    if (!rc && !r->engine) rc = gm_engine_open(&(gm_engine_options){ .threads = r->spec.threads }, &r->engine, err);
    if (!rc) rc = gm_reference_rows(p->dir, &p->scorer, r->engine, r->a, &ref, &note, err);
    if (note) gm_rehearse_note(r, "%s", note);
    const gm_data_spec *d = r->spec.primary;
    bool checks = r->spec.monitor.checks;
    if (!rc)
        rc = gm_monitor_new(&r->spec.monitor, &ref, checks ? d->check_specs : NULL, checks ? d->checks_count : 0, &p->monitor,
                            err);
    if (!rc && !gm_arena_defer(r->a, free_monitor, p->monitor)) {
        gm_monitor_free(p->monitor);
        p->monitor = NULL;
        rc = gm_err_set(err, GM_ENOMEM, "not enough memory for a monitor");
    }
    return gm_err_ctx(err, rc, "reading what the monitor compares with");
}

/* The truth of rows [from, until) as it was known at a moment. */
static gm_rc known_truth(gm_rehearsing *r, const gm_rehearse_package *p, int64_t from, int64_t until, int64_t now_us, gm_arena *a,
                         gm_window_rows *w, gm_err *err)
{
    double *truth = GM_ARENA_ARRAY(a, double, until - from);
    if (!truth) return gm_err_set(err, GM_ENOMEM, "not enough memory to judge a window");
    for (int64_t i = from; i < until; i++) {
        bool known = r->row_us[i] + r->out->delay_us <= now_us;
        truth[i - from] = known ? p->truth[i] : (double)NAN;
        w->labels_late += known && isnan(p->truth[i]);
    }
    w->truth = truth;
    return GM_OK;
}

/* ---- verdicts ------------------------------------------------------------------------------------------------------------- */

enum { FIELDS = 6 };

/* What a verdict depends on beside the rows: the section without who is told, the checks, and the metric. */
static gm_rc judged_fields(gm_rehearsing *r, const gm_rehearse_package *p, const char *fields[FIELDS], gm_err *err)
{
    const gm_node *section = r->spec.monitor.node;
    gm_buf b = { 0 };
    for (size_t i = 0; section && i < section->count; i++) {
        if (strcmp(section->keys[i], "alert") == 0) continue;
        gm_json j;
        gm_buf_printf(&b, "%s=", section->keys[i]);
        gm_json_init(&j, &b, false);
        gm_node_json(section->items[i], &j);
    }
    gm_buf_text(&b, "; checks ");
    if (r->spec.monitor.checks && r->spec.primary->checks) { /* as written: their texts, and where, allow and severity */
        gm_json j;
        gm_json_init(&j, &b, false);
        gm_node_json(r->spec.primary->checks, &j);
    }
    fields[0] = p->digest.hex;
    fields[1] = r->table_digest.hex;
    fields[2] = b.failed ? NULL : gm_arena_strdup(r->a, gm_buf_str(&b));
    fields[3] = GM_VERSION;
    fields[4] = gm_arena_printf(r->a, "%" PRId64, r->out->delay_us);
    fields[5] = r->metric->item.name;
    gm_buf_clear(&b);
    return fields[2] && fields[4] ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a key");
}

static gm_rc add_judged(gm_rehearsing *r, gm_rehearse_package *p, int64_t first_step, int64_t last_step, int64_t now_us,
                        const gm_node *json, const char *text, gm_rehearse_judged **out, gm_err *err)
{
    gm_rehearse_judged *w = GM_ARENA_NEW(r->a, gm_rehearse_judged);
    if (!w) return gm_err_set(err, GM_ENOMEM, "not enough memory for a window");
    *w = (gm_rehearse_judged){
        .next = p->judged, .first_step = first_step, .last_step = last_step, .now_us = now_us, .json = text
    };
    gm_rc rc = gm_window_read(json, r->a, &w->result, err);
    if (rc) return rc;
    p->judged = w;
    if (out) *out = w;
    return GM_OK;
}

/* A list of [first step, last step, now, result], as they were judged. */
static gm_rc recall_judged(gm_rehearsing *r, gm_rehearse_package *p, gm_err *err)
{
    const char *fields[FIELDS];
    void *bytes = NULL;
    size_t len = 0;
    gm_node *list = NULL;
    p->judged_recalled = true;
    gm_rc rc = judged_fields(r, p, fields, err);
    if (!rc) rc = gm_rehearse_recall(r, "windows", fields, FIELDS, &bytes, &len, err);
    if (rc || !len || gm_json_read(bytes, len, "windows", r->a, &list, NULL)) return rc;
    for (size_t i = 0; !rc && i < list->count; i++) {
        const gm_node *entry = list->items[i];
        int64_t numbers[3] = { 0 };
        if (entry->kind != GM_NODE_SEQ || entry->count != 4) continue;
        for (size_t k = 0; !rc && k < 3; k++) rc = gm_node_int(entry->items[k], &numbers[k], err);
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, false);
        gm_node_json(entry->items[3], &j);
        const char *text = gm_arena_strdup(r->a, gm_buf_str(&b));
        gm_buf_clear(&b);
        if (!rc && !text) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for a window");
        if (!rc) rc = add_judged(r, p, numbers[0], numbers[1], numbers[2], entry->items[3], text, NULL, err);
    }
    p->judged_kept = !rc;
    return rc;
}

gm_rc gm_rehearse_keep_judged(gm_rehearsing *r, gm_rehearse_package *p, gm_err *err)
{
    const char *fields[FIELDS];
    gm_buf b = { 0 };
    gm_json j;
    gm_rc rc = judged_fields(r, p, fields, err);
    if (rc) return rc;
    gm_json_init(&j, &b, false);
    gm_json_array(&j);
    for (const gm_rehearse_judged *w = p->judged; w; w = w->next) {
        gm_json_array(&j);
        gm_json_int(&j, w->first_step);
        gm_json_int(&j, w->last_step);
        gm_json_int(&j, w->now_us);
        gm_json_raw(&j, w->json);
        gm_json_array_end(&j);
    }
    gm_json_array_end(&j);
    rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to keep the windows")
                  : gm_rehearse_keep(r, "windows", fields, FIELDS, gm_buf_str(&b), b.len, err);
    p->judged_kept = !rc;
    gm_buf_clear(&b);
    return rc;
}

/* The monitor needs much memory for a moment: what stays is the verdict, through the form in which it is kept. */
static gm_rc judge_now(gm_rehearsing *r, gm_rehearse_package *p, int64_t first_step, int64_t last_step, int64_t now_us,
                       gm_arena *a, gm_buf *out, gm_err *err)
{
    int64_t from = r->step_row[first_step], until = r->step_row[last_step + 1],
            end = r->out->begin_us + (last_step + 1) * r->out->step_us;
    gm_table rows;
    gm_window_result result;
    gm_json j;
    gm_window_rows w = { .from_us = r->out->begin_us + first_step * r->out->step_us,
                         .until_us = end < r->out->until_us ? end : r->out->until_us,
                         .rows = until - from,
                         .table = &rows,
                         .predicted = p->answers + from * p->scorer.outputs,
                         .requests = (double)NAN,
                         .errors = (double)NAN,
                         .latency_ms_p99 = (double)NAN };
    gm_rc rc = gm_rehearse_view(&p->watched, from, until, a, &rows, err);
    if (!rc) rc = known_truth(r, p, from, until, now_us, a, &w, err);
    if (!rc) rc = gm_monitor_window(p->monitor, &w, a, &result, err);
    if (rc) return rc;
    gm_json_init(&j, out, false);
    gm_window_json(&result, &j);
    return out->failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to judge a window") : GM_OK;
}

gm_rc gm_rehearse_judge(gm_rehearsing *r, gm_rehearse_package *p, int64_t first_step, int64_t last_step, int64_t now_us,
                        const gm_window_result **out, gm_err *err)
{
    gm_rc rc = p->judged_recalled ? GM_OK : recall_judged(r, p, err);
    for (const gm_rehearse_judged *w = p->judged; !rc && w; w = w->next)
        if (w->first_step == first_step && w->last_step == last_step && w->now_us == now_us) {
            *out = &w->result;
            return GM_OK;
        }
    gm_node *json = NULL;
    gm_rehearse_judged *made = NULL;
    gm_buf b = { 0 };
    gm_arena *a = gm_arena_new(0);
    if (!rc && !a) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to judge a window");
    if (!rc && !p->monitor) rc = open_monitor(r, p, err);
    if (!rc) rc = judge_now(r, p, first_step, last_step, now_us, a, &b, err);
    const char *text = rc ? NULL : gm_arena_strdup(r->a, gm_buf_str(&b));
    if (!rc && !text) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to judge a window");
    if (!rc) rc = gm_json_read(text, b.len, "window", r->a, &json, err);
    if (!rc) rc = add_judged(r, p, first_step, last_step, now_us, json, text, &made, err);
    gm_buf_clear(&b);
    gm_arena_free(a);
    if (rc) return rc;
    p->judged_kept = false;
    *out = &made->result;
    return GM_OK;
}

/* ---- in words ------------------------------------------------------------------------------------------------------------ */

/* The columns furthest beyond their limits, at most three. */
const char *gm_rehearse_drifted(const gm_window_result *w, bool with_numbers, gm_arena *a)
{
    enum { NAMED_MAX = 3 };
    const gm_drift_column *best[NAMED_MAX] = { NULL };
    gm_buf b = { 0 };
    for (size_t i = 0; i < w->drift.count; i++) {
        const gm_drift_column *c = &w->drift.columns[i], *carry = c;
        if (!c->drifted && !c->missing_rose && !c->new_values && !c->out_of_range) continue;
        for (size_t k = 0; k < NAMED_MAX && carry; k++) {
            double here = best[k] ? best[k]->value / best[k]->limit : -1, mine = carry->value / carry->limit;
            if (best[k] && !(mine > here)) continue;
            const gm_drift_column *pushed = best[k];
            best[k] = carry;
            carry = pushed;
        }
    }
    for (size_t k = 0; k < NAMED_MAX && best[k]; k++) {
        gm_buf_printf(&b, "%s%s", b.len ? ", " : "", best[k]->name);
        if (with_numbers && best[k]->drifted && best[k]->detector)
            gm_buf_printf(&b, " (%s %.2f)", best[k]->detector->item.name, best[k]->value);
        else if (with_numbers && best[k]->why && best[k]->why[0])
            gm_buf_printf(&b, " (%.60s)", best[k]->why);
    }
    const char *text = b.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return text ? text : "";
}

const char *gm_rehearse_day(int64_t us, int64_t step_us, gm_arena *a)
{
    char text[48];
    (void)gm_time_text(us, text, sizeof(text));
    if (step_us % 86400000000 == 0 && us % 86400000000 == 0)
        text[10] = '\0'; /* midnight of a day */
    else
        text[16] = '\0';
    const char *copy = gm_arena_strdup(a, text);
    return copy ? copy : "";
}

const char *gm_rehearse_reason(const gm_rehearsing *r, const gm_trigger_spec *t, const gm_window_result *w)
{
    const char *when = gm_rehearse_day(w->from_us, r->out->step_us, r->a), *text = NULL;
    if (t->kind == GM_TRIGGER_DECAY && !isnan(w->realised.value))
        text = gm_arena_printf(r->a, "%s: %s %.4f [%.4f, %.4f] on %s, %.4f on its test rows", t->text, r->metric->item.name,
                               w->realised.value, w->realised.low, w->realised.high, when, w->reference_metric);
    else if (t->kind == GM_TRIGGER_DRIFT)
        text = gm_arena_printf(r->a, "%s: %s on %s", t->text, gm_rehearse_drifted(w, true, r->a), when);
    else
        text = gm_arena_printf(r->a, "%s on %s", t->text, when);
    return text ? text : t->text;
}
