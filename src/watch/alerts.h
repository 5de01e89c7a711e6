/* alerts.h - from windows to alerts: rules, k of n, begin and end, repetition, and what the message says. Pure: state in, state
 * and messages out.
 *
 * An alert is a rule of a model that holds: it fires once k of the last n windows held, is repeated when asked to, and is
 * resolved when fewer than k of the last n hold. A silence keeps messages back, not alerts. A window that was not judged (too few
 * rows) says nothing of columns and metrics: it counts only for rules that are about traffic alone (rows, requests, error_rate,
 * latency_ms_p99).
 */
#ifndef GM_WATCH_ALERTS_H
#define GM_WATCH_ALERTS_H

#include "watch/channels.h"
#include "watch/monitor.h"

enum { GM_ALERT_WINDOWS_MAX = 60 }; /* n of "k of n" */

typedef struct gm_alert_state { /* of one rule; what the store keeps between windows */
    bool firing;
    int64_t began_us; /* end of the window with which it began to fire; 0 = does not fire */
    int64_t last_us;  /* end of the last window in which it held; 0 = never */
    int64_t said_us;  /* when the last message of the alert that fires was made */
    uint64_t held;    /* bit 0: the newest window */
    int64_t windows;  /* how many windows were seen, at most GM_ALERT_WINDOWS_MAX */
} gm_alert_state;

typedef enum gm_alert_change {
    GM_ALERT_NONE = 0,
    GM_ALERT_BEGAN,
    GM_ALERT_LASTS,
    GM_ALERT_REPEAT,
    GM_ALERT_ENDED
} gm_alert_change;
/* Is the condition about rows, requests, error_rate and latency_ms_p99 alone? */
bool gm_alert_about_traffic(const gm_expr *when);
/* Takes one window in. now_us: for repeats. LASTS: it fires as before, and nothing is to be said. Errors: GM_ENOMEM. */
gm_rc gm_alert_step(const gm_alert_rule *rule, const gm_alerts_spec *spec, const gm_window_result *w, int64_t now_us,
                    gm_alert_state *state, gm_alert_change *out, gm_err *err);
/* As JSON, and back. Errors: GM_ECORRUPT. */
void gm_alert_state_json(const gm_alert_state *s, gm_json *j);
gm_rc gm_alert_state_read(const char *json, gm_alert_state *out, gm_err *err);

/* What the message says. windows [count], oldest first, the last one is the newest; those that are of use: n of the rule, and
 * what the likely cause is looked for in. change: BEGAN, REPEAT or ENDED. version: "flights/3". file: of the command to look
 * closer. The id depends on model, rule, kind and windows alone. In a. Errors: GM_ENOMEM. */
gm_rc gm_alert_message(const gm_alert_rule *rule, const gm_alert_state *state, gm_alert_change change,
                       const gm_window_result *windows, size_t count, const char *model, const char *version, const char *file,
                       int64_t now_us, gm_arena *a, gm_message *out, gm_err *err);

#endif
