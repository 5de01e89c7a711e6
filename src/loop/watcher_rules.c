/* watcher_rules.c - a judged window and the rules of the file: what begins, lasts or ends, and the messages of it. See watcher.h.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "loop/watcher_internal.h"
#include "store/alerts.h"
#include "watch/alerts.h"

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to ask the rules");
}

/* The windows of that version up to this one, oldest first, this one last; in w->window. */
static gm_rc history(gm_watcher *w, const gm_judged *main, gm_window_result **out, size_t *out_count, gm_err *err)
{
    gm_window_record *r = NULL;
    size_t count = 0, n = 0;
    gm_rc rc = gm_window_list(w->o.store, w->model, 0, main->result.from_us, GM_WATCH_HISTORY, w->window, &r, &count, err);
    gm_window_result *results = rc ? NULL : GM_ARENA_ARRAY(w->window, gm_window_result, count + 1);
    if (!rc && !results) rc = no_memory(err);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_node *root = NULL;
        if (r[i].version != main->version) continue;
        rc = gm_json_read(r[i].result_json, strlen(r[i].result_json), "window", w->window, &root, err);
        if (!rc) rc = gm_window_read(root, w->window, &results[n++], err);
    }
    if (rc) return rc;
    results[n++] = main->result;
    *out = results;
    *out_count = n;
    return GM_OK;
}

/* One message to each channel. */
static gm_rc deliveries(gm_watcher *w, const gm_message *m, int64_t now_us, gm_delivery **out, size_t *out_count, gm_err *err)
{
    const gm_alerts_spec *spec = &w->o.spec->monitor.alerts;
    gm_delivery *d = GM_ARENA_ARRAY(w->window, gm_delivery, spec->channels_count);
    if (!d) return no_memory(err);
    for (size_t i = 0; i < spec->channels_count; i++)
        d[i] = (gm_delivery){ .channel = spec->channels[i].name,
                              .message_id = m->id,
                              .kind = m->kind,
                              .message_json = m->json,
                              .next_us = now_us + spec->group_us,
                              .created_us = now_us };
    *out = d;
    *out_count = spec->channels_count;
    return GM_OK;
}

static gm_rc remember(gm_watcher *w, const gm_alert_state *s, const char **out, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_alert_state_json(s, &j);
    *out = b.failed ? NULL : gm_arena_strdup(w->window, gm_buf_str(&b));
    gm_buf_clear(&b);
    return *out ? GM_OK : no_memory(err);
}

static gm_rc ask(gm_watcher *w, const gm_alert_rule *rule, const gm_judged *main, int64_t now_us, gm_err *err)
{
    const gm_alerts_spec *spec = &w->o.spec->monitor.alerts;
    gm_alert_state state = { 0 };
    gm_alert_change change = GM_ALERT_NONE;
    gm_alert_record alert = { 0 };
    gm_delivery *messages = NULL;
    size_t messages_count = 0;
    gm_rc rc = gm_alert_memory(w->o.store, w->model, rule->name, w->window, &alert, err);
    if (rc == GM_ENOTFOUND) {
        alert = (gm_alert_record){ 0 };
        rc = GM_OK;
    } else if (!rc) {
        if (main->result.until_us <= alert.window_until_us) return GM_OK; /* it was here before */
        rc = gm_alert_state_read(alert.memory, &state, err);
    }
    if (!rc) rc = gm_alert_step(rule, spec, &main->result, now_us, &state, &change, err);
    if (rc) return rc;
    alert.model = w->model;
    alert.rule = rule->name;
    alert.severity = gm_severity_name(rule->severity);
    alert.state = state.firing ? "firing" : change == GM_ALERT_ENDED ? "resolved" : "";
    alert.began_us = state.began_us;
    alert.last_us = state.last_us;
    alert.said_us = state.said_us;
    alert.ended_us = change == GM_ALERT_ENDED ? main->result.until_us : 0;
    rc = remember(w, &state, &alert.memory, err);
    if (!rc && (change == GM_ALERT_BEGAN || change == GM_ALERT_REPEAT || change == GM_ALERT_ENDED)) {
        gm_window_result *windows = NULL;
        size_t count = 0;
        gm_message m;
        rc = history(w, main, &windows, &count, err);
        if (!rc)
            rc = gm_alert_message(rule, &state, change, windows, count, w->model,
                                  gm_arena_printf(w->window, "%s/%" PRId64, w->model, main->version), w->o.spec->file, now_us,
                                  w->window, &m, err);
        if (rc) return rc;
        alert.title = m.title;
        alert.detail_json = m.json;
        rc = deliveries(w, &m, now_us, &messages, &messages_count, err);
    }
    if (!rc) rc = gm_alert_take(w->o.store, &alert, main->result.until_us, messages, messages_count, err);
    if (rc == GM_ECONFLICT) return GM_OK; /* another look was faster */
    if (rc) return gm_err_ctx(err, rc, "asking the rule \"%s\"", rule->name);
    w->out->alerts += change == GM_ALERT_BEGAN || change == GM_ALERT_ENDED;
    w->out->messages += (int64_t)messages_count;
    return GM_OK;
}

gm_rc gm_watcher_rules(gm_watcher *w, const gm_judged *main, int64_t now_us, gm_err *err)
{
    const gm_alerts_spec *spec = &w->o.spec->monitor.alerts;
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < spec->rules_count; i++)
        if (gm_signal_needs(spec->rules[i].when) != GM_ABOUT_LABELS) rc = ask(w, &spec->rules[i], main, now_us, err);
    return rc;
}

gm_rc gm_watcher_rules_empty(gm_watcher *w, const gm_due *d, int64_t now_us, gm_err *err)
{
    const gm_alerts_spec *spec = &w->o.spec->monitor.alerts;
    const gm_interval none = { NAN, NAN, NAN, "" };
    gm_model_version champion = { 0 };
    gm_judged nobody = { .result = { .from_us = d->from_us,
                                     .until_us = d->until_us,
                                     .prediction = { .name = "", .value = NAN },
                                     .domain = { .auc = NAN },
                                     .metric = "",
                                     .reference_metric = NAN,
                                     .realised = none,
                                     .estimated = none,
                                     .decay = NAN,
                                     .decay_estimated = NAN,
                                     .error_rate = NAN,
                                     .latency_ms_p99 = NAN,
                                     .drifted_share = NAN,
                                     .drift = { .drifted_share = NAN } } };
    if (d->from_us < w->log_first_us) return GM_OK; /* nobody was asking yet, or nobody wrote it down */
    gm_rc rc = gm_model_resolve(w->o.store, w->model, w->window, &champion, err);
    if (rc == GM_ENOTFOUND) return GM_OK; /* there is no model that could have been asked */
    nobody.version = champion.version;
    for (size_t i = 0; !rc && i < spec->rules_count; i++)
        if (gm_alert_about_traffic(spec->rules[i].when)) rc = ask(w, &spec->rules[i], &nobody, now_us, err);
    return rc;
}

/* ---- labels -------------------------------------------------------------------------------------------------------------- */

/* A later window overtakes an earlier one that is still without its labels when so many have them. */
enum { OVERTAKING = 4 };

/* A window's records, a version each: w->records[begin .. end). */
typedef struct kept {
    size_t begin, end;
    int64_t from_us, until_us;
} kept;

static bool next_kept(const gm_watcher *w, kept *k)
{
    const gm_window_record *r = w->records;
    if (k->end >= w->records_count) return false;
    k->begin = k->end;
    k->from_us = r[k->begin].from_us;
    k->until_us = r[k->begin].until_us;
    while (k->end < w->records_count && r[k->end].from_us == k->from_us && r[k->end].until_us == k->until_us) k->end++;
    return true;
}

/* Without its results: can the window be ready? *out_waited: it is to be waited for. */
static bool may_be_ready(const gm_watcher *w, const kept *k, int64_t now_us, bool *out_waited)
{
    const gm_monitor_spec *m = &w->o.spec->monitor;
    int64_t delay = m->labels.delay_us;
    bool ready = false, final = false;
    *out_waited = false;
    for (size_t i = k->begin; i < k->end; i++) {
        const gm_window_record *r = &w->records[i];
        if (!r->version) continue;
        final = final || r->final;
        ready = ready || (r->labelled > 0 && r->labelled >= m->labels_min);
        *out_waited = *out_waited || r->rows >= m->labels_min;
    }
    ready = final || (ready && (!delay || now_us >= k->until_us + delay));
    *out_waited = *out_waited && !ready;
    return ready;
}

/* The window as it was kept, of the version that answered most of it. version 0: it is not there any more. In w->window. */
static gm_rc read_main(gm_watcher *w, const kept *k, gm_judged *out, bool *out_final, gm_err *err)
{
    gm_window_record *r = NULL;
    size_t count = 0;
    *out = (gm_judged){ 0 };
    gm_rc rc = gm_window_list(w->o.store, w->model, k->from_us, k->from_us + 1, 0, w->window, &r, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_node *root = NULL;
        gm_window_result result;
        if (r[i].until_us != k->until_us) continue;
        rc = gm_json_read(r[i].result_json, strlen(r[i].result_json), "window", w->window, &root, err);
        if (!rc) rc = gm_window_read(root, w->window, &result, err);
        if (rc || result.beside || (out->version && out->result.rows >= result.rows)) continue;
        *out = (gm_judged){ r[i].version, result };
        *out_final = r[i].final;
    }
    return rc;
}

/* *out_taken: the rule has seen it now. */
static gm_rc ask_kept(gm_watcher *w, const gm_alert_rule *rule, const kept *k, int64_t now_us, bool *out_taken, gm_err *err)
{
    gm_judged main;
    bool final = false;
    *out_taken = false;
    gm_arena_rewind(w->window);
    gm_rc rc = read_main(w, k, &main, &final, err);
    if (rc || !main.version || (!final && isnan(main.result.realised.value))) return rc;
    *out_taken = true;
    return ask(w, rule, &main, now_us, err);
}

static gm_rc ask_in_order(gm_watcher *w, const gm_alert_rule *rule, int64_t now_us, gm_err *err)
{
    gm_alert_record memory = { 0 };
    size_t ready_left = 0;
    bool waited = false;
    gm_arena_rewind(w->window);
    gm_rc rc = gm_alert_memory(w->o.store, w->model, rule->name, w->window, &memory, err);
    if (rc && rc != GM_ENOTFOUND) return rc;
    int64_t seen_us = rc ? 0 : memory.window_until_us;
    for (kept k = { 0 }; next_kept(w, &k);) ready_left += k.until_us > seen_us && may_be_ready(w, &k, now_us, &waited);
    rc = GM_OK;
    for (kept k = { 0 }; !rc && ready_left && !gm_watcher_stops(w) && next_kept(w, &k);) {
        if (k.until_us <= seen_us) continue;
        bool taken = false, ready = may_be_ready(w, &k, now_us, &waited);
        ready_left -= ready;
        if (ready) rc = ask_kept(w, rule, &k, now_us, &taken, err);
        if (!taken && (waited || ready) && ready_left < OVERTAKING) break;
    }
    return rc;
}

gm_rc gm_watcher_rules_labels(gm_watcher *w, int64_t now_us, gm_err *err)
{
    const gm_alerts_spec *spec = &w->o.spec->monitor.alerts;
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < spec->rules_count; i++)
        if (gm_signal_needs(spec->rules[i].when) == GM_ABOUT_LABELS) rc = ask_in_order(w, &spec->rules[i], now_us, err);
    return rc;
}
