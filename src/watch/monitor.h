/* monitor.h - one window of served rows against the reference: drift, prediction drift, checks, estimated and realised performance.
 *
 * Knows neither the prediction log nor the clock: `watch` (live), `up` and `rehearse` (replay) feed it and get the same verdicts.
 */
#ifndef GM_WATCH_MONITOR_H
#define GM_WATCH_MONITOR_H

#include "data/check.h"
#include "eval/evaluate.h"
#include "watch/estimate.h"
#include "watch/monitor_spec.h"

/* What is compared with: the package's training profile and reference rows. All borrowed until the monitor is freed. */
typedef struct gm_monitor_reference {
    gm_task task;
    int64_t classes;
    const gm_metric *metric;        /* the pipeline's own                                    */
    double metric_value;            /* on the test rows, as recorded; NaN = from the rows here */
    double threshold;
    const gm_profile *profile;      /* of the training rows' raw columns                     */
    const gm_table *rows;           /* reference.parquet: raw inputs; NULL = none            */
    const double *predicted;        /* [rows->rows * outputs]                                */
    const double *truth;            /* [rows->rows]                                          */
    const char *const *columns;     /* [columns_count] the inputs that are watched           */
    size_t columns_count;
    const char *version;            /* "flights/3", for messages                             */
} gm_monitor_reference;

typedef struct gm_monitor gm_monitor; /* owned; one thread at a time */
/* spec and check specs (validated against the inputs; may be none) are borrowed. Errors: GM_EINVALID a rule for a column that is not an input; GM_ENOMEM. */
gm_rc gm_monitor_new(const gm_monitor_spec *spec, const gm_monitor_reference *reference, const gm_check_spec *checks, size_t checks_count,
                     gm_monitor **out, gm_err *err);
void gm_monitor_free(gm_monitor *m);

/* What was served in a window. Borrowed. */
typedef struct gm_window_rows {
    int64_t from_us, until_us;
    int64_t rows;
    const gm_profile *profile;  /* of the inputs; NULL = made from table */
    const gm_table *table;      /* inputs by name; NULL = only the profile is there: no estimate, no checks, no PCA */
    const double *predicted;    /* [rows * outputs]; NULL = none */
    const double *truth;        /* [rows], NaN = not there yet; NULL = none */
    int64_t labels_late;        /* rows whose label should have been there */
    double requests, errors;    /* NaN = not known */
    double latency_ms_p99;
} gm_window_rows;

typedef struct gm_window_result {
    int64_t from_us, until_us, rows;
    bool judged;                   /* enough rows */
    gm_drift_result drift;         /* of the inputs */
    gm_drift_column prediction;    /* of the predictions; detector NULL = none */
    gm_pca_value pca;              /* rows 0 = none */
    gm_domain_value domain;        /* auc NaN = none */
    int64_t labelled, labels_late;
    double reference_metric;
    gm_interval realised, estimated; /* value NaN = none */
    double decay, decay_estimated; /* how much worse than the reference, in the metric's units, positive = worse; NaN = none */
    bool decay_sure;               /* the whole interval of the realised metric is worse than the reference */
    const gm_check_result *checks; /* [checks_count] */
    size_t checks_count, checks_failed;
    double error_rate, latency_ms_p99;
    bool drifted, decayed;         /* verdicts: drifted by the spec's share or count; decayed: decay_sure and decay > 0 */
} gm_window_result;

/* Judge a window; in a. Errors: GM_EINVALID columns that the reference has and the window has not at all are not errors but drift; GM_ENOMEM. */
gm_rc gm_monitor_window(gm_monitor *m, const gm_window_rows *w, gm_arena *a, gm_window_result *out, gm_err *err);
/* One object; what `watch --json`, the store and the pages read. */
void gm_window_json(const gm_window_result *r, gm_json *j);

/* ---- signals: what conditions of alerts and triggers may name ---- */

/* rows, drifted_columns, drifted_share, max_drift, prediction_drift, missing_share, new_share, range_share, pca_error, domain_auc, labelled, labels_late,
 * decay, decay_estimated, realised, estimated, failed_checks, error_rate, latency_ms_p99, requests, and drift.COLUMN for each column. A value that is
 * not known is missing, and what depends on it does not hold. */
gm_rc gm_signal_check(const char *text, gm_pos at, const char *const *columns, size_t columns_count, gm_arena *a, gm_expr **out, gm_errs *errs);
/* true, false; missing counts as false. Errors: GM_ENOMEM. */
gm_rc gm_signal_holds(const gm_expr *e, const gm_window_result *r, bool *out, gm_err *err);
/* The names with one line each, for documents. */
typedef struct gm_signal { const char *name, *help; } gm_signal;
extern const gm_signal gm_signals[]; /* ends with an empty row */

/* The likely cause in one line, in a: the column that moved first over the windows (oldest first) and how: "weather.temp moved first (2013-04-09, psi 0.31 to 1.92
 * since); then dest". "" when nothing drifted. */
const char *gm_likely_cause(const gm_window_result *windows, size_t count, gm_arena *a);

#endif
