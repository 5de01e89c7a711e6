/* monitor.h - one window of served rows against the reference: drift, prediction drift, checks, estimated and realised
 * performance.
 *
 * Knows neither the prediction log nor the clock: `watch` (live), `up` and `rehearse` (replay) feed it and get the same verdicts.
 */
#ifndef GM_WATCH_MONITOR_H
#define GM_WATCH_MONITOR_H

#include "data/check.h"
#include "eval/interval.h"
#include "eval/metric.h"
#include "watch/estimate.h"
#include "watch/monitor_spec.h"

/* What is compared with: the package's training profile and reference rows. All borrowed until the monitor is freed. */
typedef struct gm_monitor_reference {
    gm_task task;
    int64_t classes;
    const gm_metric *metric;        /* the pipeline's own                                    */
    double metric_value;            /* on the test rows, as recorded; NaN = from the rows here */
    double metric_low, metric_high; /* its 95 % interval, low < high; else (both 0) that of the rows here */
    double threshold;
    const gm_profile *profile;  /* of the training rows' raw columns                     */
    const gm_table *rows;       /* reference.parquet: raw inputs; NULL = none            */
    const double *predicted;    /* [rows->rows * outputs]                                */
    const double *truth;        /* [rows->rows]                                          */
    const char *const *columns; /* [columns_count] the inputs that are watched           */
    size_t columns_count;
    const char *version;            /* "flights/3", for messages                             */
    const char *const *class_names; /* [classes] for prediction drift in words; NULL = numbers */
} gm_monitor_reference;

typedef struct gm_monitor gm_monitor; /* owned; one thread at a time */
/* spec and check specs (as read; validated or not; may be none) are borrowed. The general rule of drift also judges the
 * predictions. Our own definitions compare with the training profile; another program's (compat) need rows and take those of the
 * reference where there are any. Checks that say nothing about a window of served rows (rows, references, unique, increasing ...)
 * are left out. Errors: GM_EINVALID a rule for a column that is not an input; GM_ENOMEM. */
gm_rc gm_monitor_new(const gm_monitor_spec *spec, const gm_monitor_reference *reference, const gm_check_spec *checks,
                     size_t checks_count, gm_monitor **out, gm_err *err);
void gm_monitor_free(gm_monitor *m);

/* What was served in a window. Borrowed. */
typedef struct gm_window_rows {
    int64_t from_us, until_us;
    int64_t rows;
    const gm_profile *profile; /* of the inputs; NULL = made from table */
    int64_t
        profile_rows; /* > rows: the table is an even share of the rows that the profile is of, and drift goes by the profile */
    const gm_table *table;   /* inputs by name; NULL = only the profile is there: no estimate, no checks, no PCA */
    const double *predicted; /* [rows * outputs]; NULL = none */
    const double *truth;     /* [rows], NaN = not there yet; NULL = none */
    int64_t labels_late;     /* rows whose label should have been there */
    double requests, errors; /* NaN = not known */
    double latency_ms_p99;
    int64_t recomputed,
        skewed; /* rows that the package scored again, and those of them that it answers otherwise than was served */
} gm_window_rows;

/* A check that was not run on the window, and why: "a window has as many rows as were asked for". */
typedef struct gm_check_left_out {
    const char *name, *why;
} gm_check_left_out;

typedef struct gm_window_result {
    int64_t from_us, until_us, rows;
    bool judged;                /* enough rows */
    gm_drift_result drift;      /* of the inputs */
    gm_drift_column prediction; /* of the predictions; detector NULL = none */
    gm_pca_value pca;           /* rows 0 = none */
    gm_domain_value domain;     /* auc NaN = none */
    int64_t labelled, labels_late;
    double reference_metric;
    gm_interval realised, estimated; /* value NaN = none */
    double decay, decay_estimated;   /* how much worse than the reference, in the metric's units, positive = worse; NaN = none.
                                      The estimate against what the reference rows' own labels say, which it is learnt from */
    bool decay_sure;               /* worse by more than chance does with the rows of both: decay > sqrt(w^2 + r^2), monitor.c */
    const char *metric;            /* "roc_auc"; "" = none */
    const gm_check_result *checks; /* [checks_count]; read back from JSON spec has name, text and warning alone */
    size_t checks_count, checks_failed; /* failed: warnings do not count */
    const gm_check_left_out *left_out;  /* [left_out_count] */
    size_t left_out_count;
    double requests, error_rate, latency_ms_p99; /* NaN = not known */
    int64_t drifted_columns;                     /* drift.drifted and the watched columns that are absent */
    double drifted_share;                        /* of the judged and the absent ones; NaN = none was judged */
    int64_t recomputed, skewed;                  /* as in gm_window_rows: skew between training and serving */
    const char *const *notes;                    /* [notes_count] what could not be said and why: "not estimated: ..." */
    size_t notes_count;
    bool beside; /* another version answered more rows of this window; set by who judges several */
    bool drifted, decayed; /* verdicts: drifted by the spec's share or count; decayed: decay_sure */
} gm_window_result;

/* Judge a window; in a. Errors: GM_EINVALID columns that the reference has and the window has not at all are not errors but
 * drift; GM_ENOMEM. */
gm_rc gm_monitor_window(gm_monitor *m, const gm_window_rows *w, gm_arena *a, gm_window_result *out, gm_err *err);
/* One object; what `watch --json`, the store and the pages read: docs/formats/windows.md. */
void gm_window_json(const gm_window_result *r, gm_json *j);
/* What gm_window_json wrote; numbers and flags are all there, samples of checks and the domain classifier's gains are not. In a.
 * Errors: GM_EINVALID, GM_ENOMEM. */
gm_rc gm_window_read(const gm_node *json, gm_arena *a, gm_window_result *out, gm_err *err);

/* ---- signals: what conditions of alerts and triggers may name ---- */

/* rows, drifted_columns, drifted_share, max_drift, prediction_drift, missing_share, new_share, range_share, pca_error,
 * domain_auc, labelled, labels_late, decay, decay_estimated, realised, estimated, failed_checks, error_rate, latency_ms_p99,
 * requests, skewed_rows, drift.COLUMN for each column, and the verdicts drifted and decayed (true or false). A value that is not
 * known is missing, and what depends on it does not hold. columns_count 0: any column may be named. Errors: GM_EINVALID, with
 * places in errs. */
gm_rc gm_signal_check(const char *text, gm_pos at, const char *const *columns, size_t columns_count, gm_arena *a, gm_expr **out,
                      gm_errs *errs);
/* true, false; missing counts as false. Errors: GM_ENOMEM. */
gm_rc gm_signal_holds(const gm_expr *e, const gm_window_result *r, bool *out, gm_err *err);
/* Does it ask for labels, so that a window is not asked about before they are in? */
bool gm_trigger_waits(const gm_trigger_spec *t);
/* Is a trigger pulled by the newest window? It must hold there, and in k of the last n judged ones. windows: [count] newest
 * first; NULL and those that were not judged are passed over and do not count, but for the first: then the answer is no, since
 * what came before was asked about when it was the newest. Live triggers and rehearsal both go by this. Errors: GM_ENOMEM. */
gm_rc gm_trigger_pulled(const gm_trigger_spec *t, const gm_window_result *const *windows, size_t count, bool *out, gm_err *err);
/* The value of one signal ("decay", "drift.temp"); NaN = not known, or no such signal. Verdicts are 0 and 1. */
double gm_signal_value(const char *name, const gm_window_result *r);
/* What a signal is about: alerts on labels wait for them; triggers on labels or their estimate are about decay. */
typedef enum gm_signal_about { GM_ABOUT_ROWS = 0, GM_ABOUT_ESTIMATE, GM_ABOUT_LABELS } gm_signal_about;
/* The names with one line each, for documents. */
typedef struct gm_signal {
    const char *name, *help;
    gm_signal_about about;
} gm_signal;
extern const gm_signal gm_signals[]; /* ends with an empty row */
/* The most that a condition asks for: labels, else an estimate, else the rows alone. */
gm_signal_about gm_signal_needs(const gm_expr *e);

/* The likely cause in one line, in a: the column that moved first over the windows (oldest first) and how: "weather.temp moved
 * first (2013-04-09, psi 0.31 to 1.92 since); then dest". That no column moved is said where the performance fell. "" when
 * neither happened in the newest judged window. */
const char *gm_likely_cause(const gm_window_result *windows, size_t count, gm_arena *a);

#endif
