/* monitor_signals.c - what conditions of alerts and triggers may name, and whether they hold. See monitor.h. */
#include <math.h>
#include <string.h>

#include "watch/monitor.h"

#define COLUMN_PREFIX "drift."

/* Whoever adds one here also adds it to docs/formats/windows.md. */
typedef enum signal_id {
    ROWS,
    DRIFTED,
    DRIFTED_COLUMNS,
    DRIFTED_SHARE,
    MAX_DRIFT,
    PREDICTION_DRIFT,
    MISSING_SHARE,
    NEW_SHARE,
    RANGE_SHARE,
    PCA_ERROR,
    DOMAIN_AUC,
    LABELLED,
    LABELS_LATE,
    REALISED,
    ESTIMATED,
    DECAY,
    DECAY_ESTIMATED,
    DECAYED,
    FAILED_CHECKS,
    REQUESTS,
    ERROR_RATE,
    LATENCY_MS_P99,
    SKEWED_ROWS,
    SIGNALS
} signal_id;

const gm_signal gm_signals[] = {
    [ROWS] = { "rows", "rows served in the window", GM_ABOUT_ROWS },
    [DRIFTED] = { "drifted", "true when enough columns drifted for the window to count as drifted", GM_ABOUT_ROWS },
    [DRIFTED_COLUMNS] = { "drifted_columns", "columns that drifted, or are absent", GM_ABOUT_ROWS },
    [DRIFTED_SHARE] = { "drifted_share", "their share of the columns judged", GM_ABOUT_ROWS },
    [MAX_DRIFT] = { "max_drift", "the largest value of a column's detector", GM_ABOUT_ROWS },
    [PREDICTION_DRIFT] = { "prediction_drift", "how far the predictions are from those on the reference rows", GM_ABOUT_ROWS },
    [MISSING_SHARE] = { "missing_share", "the largest rise of a column's share of missing values", GM_ABOUT_ROWS },
    [NEW_SHARE] = { "new_share", "the largest share of values that the reference never had", GM_ABOUT_ROWS },
    [RANGE_SHARE] = { "range_share", "the largest share of values outside the reference's smallest and largest", GM_ABOUT_ROWS },
    [PCA_ERROR] = { "pca_error", "PCA reconstruction error over all columns (multivariate: true)", GM_ABOUT_ROWS },
    [DOMAIN_AUC] = { "domain_auc", "how well a classifier tells the window from the reference (multivariate: true)",
                     GM_ABOUT_ROWS },
    [LABELLED] = { "labelled", "rows whose label is there", GM_ABOUT_LABELS },
    [LABELS_LATE] = { "labels_late", "rows whose label should be there and is not", GM_ABOUT_LABELS },
    [REALISED] = { "realised", "the metric on the labelled rows", GM_ABOUT_LABELS },
    [ESTIMATED] = { "estimated", "the metric, estimated without labels", GM_ABOUT_ESTIMATE },
    [DECAY] = { "decay", "how much worse the metric is than on the reference, in its own units; positive is worse",
                GM_ABOUT_LABELS },
    [DECAY_ESTIMATED] = { "decay_estimated", "the same of the estimate", GM_ABOUT_ESTIMATE },
    [DECAYED] = { "decayed", "true when the metric is worse than on the reference by more than the 95 % intervals of both",
                  GM_ABOUT_LABELS },
    [FAILED_CHECKS] = { "failed_checks", "data checks that the served rows break; warnings do not count", GM_ABOUT_ROWS },
    [REQUESTS] = { "requests", "requests answered", GM_ABOUT_ROWS },
    [ERROR_RATE] = { "error_rate", "share of the requests that failed", GM_ABOUT_ROWS },
    [LATENCY_MS_P99] = { "latency_ms_p99", "99 % of the rows were answered within so many milliseconds", GM_ABOUT_ROWS },
    [SKEWED_ROWS] = { "skewed_rows", "rows that the package, asked again, answers otherwise than was served", GM_ABOUT_ROWS },
    [SIGNALS] = { NULL, NULL, GM_ABOUT_ROWS },
};

/* ---- values ------------------------------------------------------------------------------------------------------------ */

static double larger(double a, double b)
{
    return isnan(a) || b > a ? b : a;
}

static double of_columns(signal_id id, const gm_drift_result *d)
{
    double most = NAN;
    for (size_t i = 0; i < d->count; i++) {
        const gm_drift_column *c = &d->columns[i];
        if (id == MAX_DRIFT) most = larger(most, c->value);
        if (id == MISSING_SHARE) most = larger(most, c->missing_current - c->missing_reference);
        if (id == NEW_SHARE) most = larger(most, c->new_share);
        if (id == RANGE_SHARE) most = larger(most, c->range_share);
    }
    return most;
}

static double value_of(signal_id id, const gm_window_result *r)
{
    switch (id) {
    case ROWS: return (double)r->rows;
    case DRIFTED: return r->judged ? r->drifted : (double)NAN;
    case DRIFTED_COLUMNS: return r->judged ? (double)r->drifted_columns : (double)NAN;
    case DRIFTED_SHARE: return r->drifted_share;
    case MAX_DRIFT:
    case MISSING_SHARE:
    case NEW_SHARE:
    case RANGE_SHARE: return of_columns(id, &r->drift);
    case PREDICTION_DRIFT: return r->prediction.detector ? r->prediction.value : (double)NAN;
    case PCA_ERROR: return r->pca.rows ? r->pca.error : (double)NAN;
    case DOMAIN_AUC: return r->domain.auc;
    case LABELLED: return (double)r->labelled;
    case LABELS_LATE: return (double)r->labels_late;
    case REALISED: return r->realised.value;
    case ESTIMATED: return r->estimated.value;
    case DECAY: return r->decay;
    case DECAY_ESTIMATED: return r->decay_estimated;
    case DECAYED: return isnan(r->decay) ? (double)NAN : r->decayed;
    case FAILED_CHECKS: return (double)r->checks_failed;
    case REQUESTS: return r->requests;
    case ERROR_RATE: return r->error_rate;
    case LATENCY_MS_P99: return r->latency_ms_p99;
    case SKEWED_ROWS: return r->recomputed ? (double)r->skewed : (double)NAN;
    case SIGNALS: break;
    }
    return NAN;
}

double gm_signal_value(const char *name, const gm_window_result *r)
{
    for (size_t i = 0; i < SIGNALS; i++)
        if (strcmp(gm_signals[i].name, name) == 0) return value_of((signal_id)i, r);
    if (strncmp(name, COLUMN_PREFIX, strlen(COLUMN_PREFIX)) != 0) return NAN;
    for (size_t i = 0; i < r->drift.count; i++)
        if (strcmp(r->drift.columns[i].name, name + strlen(COLUMN_PREFIX)) == 0) return r->drift.columns[i].value;
    return NAN;
}

/* ---- names ------------------------------------------------------------------------------------------------------------- */

typedef struct known {
    const char *const *columns; /* [columns_count]; 0: any column may be named */
    size_t columns_count;
    const char **names; /* [names_count] to suggest from */
    size_t names_count;
} known;

static bool column_type(void *ctx, const char *name, gm_type *out_type)
{
    const known *k = ctx;
    for (size_t i = 0; i < SIGNALS; i++)
        if (strcmp(gm_signals[i].name, name) == 0) {
            *out_type = i == DRIFTED || i == DECAYED ? GM_TYPE_BOOL : GM_TYPE_FLOAT;
            return true;
        }
    *out_type = GM_TYPE_FLOAT;
    if (strncmp(name, COLUMN_PREFIX, strlen(COLUMN_PREFIX)) != 0) return false;
    for (size_t i = 0; i < k->columns_count; i++)
        if (strcmp(k->columns[i], name + strlen(COLUMN_PREFIX)) == 0) return true;
    return k->columns_count == 0;
}

static size_t suggestions(void *ctx, const char *const **out_names)
{
    const known *k = ctx;
    *out_names = k->names;
    return k->names_count;
}

gm_rc gm_signal_check(const char *text, gm_pos at, const char *const *columns, size_t columns_count, gm_arena *a, gm_expr **out,
                      gm_errs *errs)
{
    gm_expr *e = NULL;
    known k = { columns, columns_count, GM_ARENA_ARRAY(a, const char *, SIGNALS + columns_count), 0 };
    for (size_t i = 0; k.names && i < SIGNALS; i++) k.names[k.names_count++] = gm_signals[i].name;
    for (size_t i = 0; k.names && i < columns_count; i++) {
        const char *name = gm_arena_printf(a, COLUMN_PREFIX "%s", columns[i]);
        if (name) k.names[k.names_count++] = name;
    }
    gm_expr_host host = { .column = column_type, .names = suggestions, .ctx = &k };
    gm_rc rc = gm_expr_parse(text, at, a, &e, errs);
    if (!rc) rc = gm_expr_check(e, &host, GM_TYPE_BOOL, a, errs);
    if (!rc) *out = e;
    return rc;
}

gm_signal_about gm_signal_needs(const gm_expr *e)
{
    gm_signal_about most = GM_ABOUT_ROWS;
    for (size_t i = 0; e->op == GM_EXPR_COLUMN && i < SIGNALS; i++)
        if (strcmp(gm_signals[i].name, e->name) == 0) most = gm_signals[i].about;
    for (size_t i = 0; i < e->args_count; i++) {
        gm_signal_about here = gm_signal_needs(e->args[i]);
        most = here > most ? here : most;
    }
    return most;
}

/* ---- does it hold? ----------------------------------------------------------------------------------------------------- */

static gm_rc look_up(void *ctx, const gm_expr *e, double *out, gm_err *err)
{
    if (e->op != GM_EXPR_COLUMN)
        return gm_err_set(err, GM_EINVALID, "a condition over windows has no texts and no functions of its own");
    *out = gm_signal_value(e->name, ctx);
    return GM_OK;
}

gm_rc gm_signal_holds(const gm_expr *e, const gm_window_result *r, bool *out, gm_err *err)
{
    double value = 0;
    gm_window_result copy = *r; /* the callback's context is not const */
    gm_rc rc = gm_expr_eval_scalar(e, look_up, &copy, &value, err);
    if (!rc) *out = !isnan(value) && value != 0;
    return rc;
}

bool gm_trigger_waits(const gm_trigger_spec *t)
{
    return t->kind == GM_TRIGGER_DECAY && !t->estimate_only;
}

gm_rc gm_trigger_pulled(const gm_trigger_spec *t, const gm_window_result *const *windows, size_t count, bool *out, gm_err *err)
{
    int64_t held = 0, looked = 0;
    *out = false;
    for (size_t i = 0; i < count && looked < t->n; i++) {
        const gm_window_result *w = windows[i];
        bool here = false;
        if (w && w->judged) {
            gm_rc rc = GM_OK;
            here = t->kind == GM_TRIGGER_DECAY ? w->decayed : w->drifted;
            if (t->when) rc = gm_signal_holds(t->when, w, &here, err);
            if (rc) return rc;
            looked++;
            held += here;
        }
        if (i == 0 && !here) return GM_OK;
    }
    *out = held >= t->k && held > 0;
    return GM_OK;
}
