/* deliver_gone.c - alerts whose rule is no longer in the file; see deliver.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loop/deliver.h"
#include "store/alerts.h"
#include "watch/alerts.h"

static bool has_rule(const gm_alerts_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->rules_count; i++)
        if (strcmp(spec->rules[i].name, name) == 0) return true;
    return false;
}

static const char *kept(gm_buf *b, gm_arena *a)
{
    const char *text = b->failed ? NULL : gm_arena_strdup(a, gm_buf_str(b));
    gm_buf_clear(b);
    return text;
}

static const char *message_of(const gm_alert_record *w, int64_t now_us, const char *id, gm_arena *a)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "id", id);
    gm_json_kstr(&j, "kind", "resolved");
    gm_json_kstr(&j, "severity", w->severity);
    gm_json_kstr(&j, "model", w->model);
    gm_json_kstr(&j, "rule", w->rule);
    gm_json_kstr(&j, "title", w->title);
    gm_json_kstr(&j, "text", "It is no longer judged. What it last said stands in `gristmill alerts`.\n");
    gm_json_kint(&j, "began_us", w->began_us);
    gm_json_kint(&j, "at_us", now_us);
    gm_json_object_end(&j);
    return kept(&b, a);
}

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to end an alert");
}

/* Over, with an empty memory, should the rule come back. */
static gm_rc end(gm_store *store, const gm_alerts_spec *spec, const gm_alert_record *alert, int64_t now_us, gm_arena *a,
                 gm_err *err)
{
    char id[33], began[24];
    gm_buf b = { 0 };
    gm_json j;
    gm_alert_record w = *alert, memory = { 0 };
    gm_delivery *d = GM_ARENA_ARRAY(a, gm_delivery, spec->channels_count);
    (void)snprintf(began, sizeof(began), "%" PRId64, w.began_us);
    gm_message_id((const char *[]){ w.model, w.rule, "gone", began }, 4, id);
    gm_json_init(&j, &b, false);
    gm_alert_state_json(&(gm_alert_state){ 0 }, &j);
    w.memory = kept(&b, a);
    w.state = "resolved";
    w.ended_us = w.said_us = now_us;
    w.title = gm_arena_printf(a, "%s: %s is over: the file has no such rule any more", w.model, w.rule);
    const char *json = w.title ? message_of(&w, now_us, id, a) : NULL;
    if (!d || !w.memory || !json) return no_memory(err);
    w.detail_json = json;
    for (size_t i = 0; i < spec->channels_count; i++)
        d[i] = (gm_delivery){ .channel = spec->channels[i].name,
                              .message_id = id,
                              .kind = "resolved",
                              .message_json = json,
                              .created_us = now_us,
                              .next_us = now_us + spec->group_us };
    gm_rc rc = gm_alert_memory(store, w.model, w.rule, a, &memory, err);
    if (rc == GM_ENOTFOUND)
        memory.window_until_us = now_us;
    else if (rc)
        return rc;
    rc = gm_alert_take(store, &w, memory.window_until_us + 1, d, spec->channels_count, err);
    return rc == GM_ECONFLICT ? GM_OK : rc; /* another process was faster */
}

gm_rc gm_deliver_end_gone(gm_store *store, const gm_alerts_spec *spec, const char *model, int64_t now_us, int64_t *out_ended,
                          gm_err *err)
{
    gm_alert_record *alerts = NULL;
    size_t count = 0;
    gm_arena *a = gm_arena_new(0);
    *out_ended = 0;
    if (!a) return no_memory(err);
    gm_rc rc = gm_alert_list(store, model, true, 0, a, &alerts, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        if (has_rule(spec, alerts[i].rule)) continue;
        rc = end(store, spec, &alerts[i], now_us, a, err);
        *out_ended += !rc;
    }
    gm_arena_free(a);
    return rc;
}
