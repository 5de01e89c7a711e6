/* alerts.c - when a rule fires, lasts, is said again and is over; see alerts.h. */
#include "watch/alerts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is known of a window however few rows it has. */
bool gm_alert_about_traffic(const gm_expr *e)
{
    static const char *const known[] = { "rows", "requests", "error_rate", "latency_ms_p99" };
    bool any = false;
    if (e->op == GM_EXPR_COLUMN) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) any |= strcmp(e->name, known[i]) == 0;
        return any;
    }
    for (size_t i = 0; i < e->args_count; i++)
        if (!gm_alert_about_traffic(e->args[i])) return false;
    return true;
}

static int64_t held_of(uint64_t held, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) count += (int64_t)(held >> i & 1);
    return count;
}

gm_rc gm_alert_step(const gm_alert_rule *rule, const gm_alerts_spec *spec, const gm_window_result *w, int64_t now_us,
                    gm_alert_state *state, gm_alert_change *out, gm_err *err)
{
    bool holds = false, was = state->firing;
    *out = was ? GM_ALERT_LASTS : GM_ALERT_NONE;
    if (!w->judged && !gm_alert_about_traffic(rule->when)) return GM_OK;
    gm_rc rc = gm_signal_holds(rule->when, w, &holds, err);
    if (rc) return gm_err_ctx(err, rc, "judging the alert rule \"%s\"", rule->name);
    state->held = state->held << 1 | (uint64_t)holds;
    if (state->windows < GM_ALERT_WINDOWS_MAX) state->windows++;
    if (holds) state->last_us = w->until_us;
    state->firing = held_of(state->held, rule->n) >= rule->k;
    if (!was && state->firing) {
        *out = GM_ALERT_BEGAN;
        state->began_us = w->until_us;
    } else if (was && !state->firing) {
        *out = GM_ALERT_ENDED; /* began_us and said_us stay, for the message */
    } else if (was && spec->repeat_us > 0 && now_us - state->said_us >= spec->repeat_us) {
        *out = GM_ALERT_REPEAT;
    }
    if (*out == GM_ALERT_BEGAN || *out == GM_ALERT_REPEAT || *out == GM_ALERT_ENDED) state->said_us = now_us;
    return GM_OK;
}

/* ---- between windows ------------------------------------------------------------------------------------------------------ */

/* held as hex text: 60 bits are more than a JSON number holds exactly. */
void gm_alert_state_json(const gm_alert_state *s, gm_json *j)
{
    char held[24];
    (void)snprintf(held, sizeof(held), "%" PRIx64, s->held);
    gm_json_object(j);
    gm_json_kbool(j, "firing", s->firing);
    gm_json_kint(j, "began_us", s->began_us);
    gm_json_kint(j, "last_us", s->last_us);
    gm_json_kint(j, "said_us", s->said_us);
    gm_json_kstr(j, "held", held);
    gm_json_kint(j, "windows", s->windows);
    gm_json_object_end(j);
}

gm_rc gm_alert_state_read(const char *json, gm_alert_state *out, gm_err *err)
{
    gm_node *n = NULL;
    uint64_t held = 0;
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to read what a rule remembers");
    gm_rc rc = gm_json_read(json, strlen(json), "", a, &n, err);
    const char *text = rc ? "" : gm_node_str_or(n, "held", "");
    if (rc || sscanf(text, "%" SCNx64, &held) != 1) {
        rc = gm_err_set(err, GM_ECORRUPT, "what a rule remembers of earlier windows cannot be read");
    } else {
        *out = (gm_alert_state){ .firing = gm_node_bool_or(n, "firing", false),
                                 .began_us = gm_node_int_or(n, "began_us", 0),
                                 .last_us = gm_node_int_or(n, "last_us", 0),
                                 .said_us = gm_node_int_or(n, "said_us", 0),
                                 .held = held,
                                 .windows = gm_node_int_or(n, "windows", 0) };
    }
    gm_arena_free(a);
    return rc;
}
