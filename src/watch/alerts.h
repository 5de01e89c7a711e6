/* alerts.h - from windows to alerts: rules, k of n, begin and end, grouping, repetition. Pure: state in, state and messages out.
 *
 * An alert is a rule of a model that holds: it fires once, is repeated when asked to, and is resolved when the rule has not held in a window more than n - k times
 * of the last n. A silence keeps messages back, not alerts. A window that was not judged (too few rows) changes nothing.
 */
#ifndef GM_WATCH_ALERTS_H
#define GM_WATCH_ALERTS_H

#include "watch/channels.h"
#include "watch/monitor.h"

typedef struct gm_alert_state {       /* of one rule; what the store keeps between windows */
    bool firing;
    int64_t began_us, last_us, said_us; /* when it began, last held, was last said */
    uint64_t held;                      /* bit 0: the newest window; n <= 60 */
    int64_t windows;                    /* how many windows were seen, at most 60 */
} gm_alert_state;

typedef enum gm_alert_change { GM_ALERT_NONE = 0, GM_ALERT_BEGAN, GM_ALERT_LASTS, GM_ALERT_REPEAT, GM_ALERT_ENDED } gm_alert_change;
/* Takes one judged window in. now_us for repeats. */
gm_rc gm_alert_step(const gm_alert_rule *rule, const gm_alerts_spec *spec, const gm_window_result *w, int64_t now_us, gm_alert_state *state, gm_alert_change *out,
                    gm_err *err);

/* What the message says. windows [count], oldest first, the last one is the newest. file: for the command to look closer. In a. */
gm_rc gm_alert_message(const gm_alert_rule *rule, const gm_alert_state *state, gm_alert_change change, const gm_window_result *windows, size_t count,
                       const char *model, const char *version, const char *file, gm_arena *a, gm_message *out, gm_err *err);

#endif
