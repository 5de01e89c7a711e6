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

/* What a rule needs labels for. */
static bool about_labels(const gm_expr *e)
{
    static const char *const names[] = { "labelled", "labels_late", "realised", "decay", "decayed" };
    for (size_t i = 0; e->op == GM_EXPR_COLUMN && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(e->name, names[i]) == 0) return true;
    for (size_t i = 0; i < e->args_count; i++)
        if (about_labels(e->args[i])) return true;
    return false;
}

static bool is_ready(const gm_watcher *w, const gm_alert_rule *rule, const gm_window_result *r, bool final, int64_t now_us)
{
    int64_t delay = w->o.spec->monitor.labels.delay_us;
    if (final || !about_labels(rule->when)) return true;
    return !isnan(r->realised.value) && (!delay || now_us >= r->until_us + delay);
}

/* The windows of that version up to this one, oldest first, this one last; in w->look. */
static gm_rc history(gm_watcher *w, const gm_judged *main, gm_window_result **out, size_t *out_count, gm_err *err)
{
    gm_window_record *r = NULL;
    size_t count = 0, n = 0;
    gm_rc rc = gm_window_list(w->o.store, w->model, 0, main->result.from_us, GM_WATCH_HISTORY, w->look, &r, &count, err);
    gm_window_result *results = rc ? NULL : GM_ARENA_ARRAY(w->look, gm_window_result, count + 1);
    if (!rc && !results) rc = no_memory(err);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_node *root = NULL;
        if (r[i].version != main->version) continue;
        rc = gm_json_read(r[i].result_json, strlen(r[i].result_json), "window", w->look, &root, err);
        if (!rc) rc = gm_window_read(root, w->look, &results[n++], err);
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
    gm_delivery *d = GM_ARENA_ARRAY(w->look, gm_delivery, spec->channels_count);
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
    *out = b.failed ? NULL : gm_arena_strdup(w->look, gm_buf_str(&b));
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
    gm_rc rc = gm_alert_memory(w->o.store, w->model, rule->name, w->look, &alert, err);
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
                                  gm_arena_printf(w->look, "%s/%" PRId64, w->model, main->version), w->o.spec->file, now_us,
                                  w->look, &m, err);
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

gm_rc gm_watcher_rules(gm_watcher *w, const gm_judged *main, bool final, int64_t now_us, gm_err *err)
{
    const gm_alerts_spec *spec = &w->o.spec->monitor.alerts;
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < spec->rules_count; i++)
        if (is_ready(w, &spec->rules[i], &main->result, final, now_us)) rc = ask(w, &spec->rules[i], main, now_us, err);
    return rc;
}
