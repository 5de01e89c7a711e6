/* monitor_spec.h - the sections `monitor` and `retrain` as typed values; pipe/spec_monitor.c reads them. */
#ifndef GM_WATCH_MONITOR_SPEC_H
#define GM_WATCH_MONITOR_SPEC_H

#include "base/expr.h"
#include "data/engine.h"
#include "watch/drift.h"
#include "watch/schedule.h"

/* What is judged together. Time: windows of length that begin every step (step = length: they tile the time since 1970); rows:
 * each so many rows. */
typedef struct gm_window_spec {
    int64_t length_us, step_us;
    int64_t rows; /* > 0: by rows, the other two are 0 */
} gm_window_spec;
/* "1 day", "7 days every 1 day", "5000 rows". Errors: GM_EINVALID. */
gm_rc gm_window_parse(const char *text, gm_window_spec *out, gm_err *err);
/* In a: "1 day". */
const char *gm_window_text(const gm_window_spec *w, gm_arena *a);

/* Where the truth comes from. Rows are joined by key (and row time where the key has it); the last row of a key wins. */
typedef struct gm_labels_spec {
    gm_source source; /* from NULL: the primary data set, once it has the rows */
    gm_strs key;      /* columns that are in the labels and in the log */
    int64_t delay_us; /* a label is known so long after its row's time: rehearsal goes by it, watch says "late" beyond it */
    gm_pos pos;
} gm_labels_spec;

typedef enum gm_severity { GM_SEVERITY_INFO = 0, GM_SEVERITY_WARNING, GM_SEVERITY_CRITICAL } gm_severity;
const char *gm_severity_name(gm_severity s);

/* A condition over the signals of a window (signals.h), that holds in k of the last n windows. */
typedef struct gm_alert_rule {
    const char *name, *text;
    gm_expr *when;
    int64_t k, n; /* 1 of 1 by default */
    gm_severity severity;
    gm_pos pos;
} gm_alert_rule;

/* Where alerts go: channels.h has the kinds. params_json: the channel's parameters, filled; secrets stand there as their source
 * (env:NAME, file:PATH). */
typedef struct gm_channel_spec {
    const char *kind, *name, *params_json; /* name: kind, or kind-2 ... */
    gm_pos pos;
} gm_channel_spec;

typedef struct gm_alerts_spec {
    gm_alert_rule *rules; /* [rules_count]; defaults: drift (warning), decay (critical), failed checks (warning) */
    size_t rules_count;
    gm_channel_spec *channels; /* [channels_count] */
    size_t channels_count;
    int64_t group_us;  /* alerts within so long go out as one message; 0 = each at once */
    int64_t repeat_us; /* said again while it lasts; 0 = never */
} gm_alerts_spec;

typedef struct gm_monitor_spec {
    const gm_node *node;   /* as written; NULL: no such section, and everything is default */
    gm_window_spec window; /* 1 day */
    gm_compat compat;
    gm_drift_rule *drift; /* [drift_count] the general rule first */
    size_t drift_count;
    double drifted_share;    /* a window is drifted when more than this share of the judged columns is ... */
    int64_t drifted_columns; /* ... or at least so many, when > 0 (the default is 1) */
    int64_t rows_min;        /* a window with fewer rows is not judged; 100 */
    gm_labels_spec labels;
    int64_t labels_min; /* fewer labelled rows give no realised metric; 100 */
    bool checks;        /* the data set's own checks on the served rows */
    bool multivariate;  /* PCA and domain classifier too */
    gm_alerts_spec alerts;
    gm_pos pos;
} gm_monitor_spec;

typedef enum gm_trigger_kind {
    GM_TRIGGER_MANUAL = 0,
    GM_TRIGGER_SCHEDULE,
    GM_TRIGGER_NEW_DATA,
    GM_TRIGGER_DRIFT,
    GM_TRIGGER_DECAY,
    GM_TRIGGER_WEBHOOK
} gm_trigger_kind;
const char *gm_trigger_kind_name(gm_trigger_kind k); /* manual, schedule, new data, drift, decay, webhook */

typedef struct gm_trigger_spec {
    gm_trigger_kind kind;
    const char *text;     /* as written */
    gm_schedule schedule; /* SCHEDULE */
    gm_expr *when;        /* DECAY, DRIFT with a condition over signals: `decay > 0.02`; NULL = the window's own verdict */
    bool estimate_only;   /* DECAY: asks for no labels, and does not wait for them */
    int64_t k, n;         /* k of the last n windows; 1 of 1 */
    int64_t rows_min;     /* NEW_DATA: so many more rows; 0 = any */
    gm_pos pos;
} gm_trigger_spec;

typedef struct gm_retrain_spec {
    const gm_node *node; /* as written; NULL: no such section */
    gm_trigger_spec *triggers;
    size_t triggers_count;
    int64_t at_most; /* runs per at_most_us; 0 = no limit */
    int64_t at_most_us;
    int64_t history_us; /* trains on rows of the last so long; 0 = all */
    gm_pos pos;
} gm_retrain_spec;

#endif
