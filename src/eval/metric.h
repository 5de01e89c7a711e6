/* metric.h - numbers that say how good predictions are.
 *
 * To add one: copy metrics/roc_auc.c, then add its line to metric_list.h. Names and definitions are scikit-learn's.
 */
#ifndef GM_EVAL_METRIC_H
#define GM_EVAL_METRIC_H

#include "base/registry.h"
#include "feature/program.h" /* gm_task */

struct gm_score_cache; /* score_cache.h: sorted orders, confusion and losses that several metrics share */

/* Predictions beside their truth, one row per example. All borrowed. Fields that are not named must be zero. */
typedef struct gm_scores {
    gm_task task;
    int64_t rows;
    int64_t classes;         /* binary 2, multiclass n, regression 0                                  */
    const double *truth;     /* [rows] class index or value                                           */
    const double *predicted; /* binary [rows] probability of class 1; multiclass [rows, classes]; regression [rows] */
    double threshold;        /* binary: class 1 when predicted >= threshold; 0.5 unless tuned         */
    struct gm_score_cache *cache; /* of these very scores; NULL = each metric makes its own in scratch */
} gm_scores;

/* How a 95 % interval of the metric is found. */
typedef enum gm_interval_kind {
    GM_INTERVAL_BOOTSTRAP = 0,
    GM_INTERVAL_WILSON, /* proportion() is set                                    */
    GM_INTERVAL_DELONG, /* roc_auc                                                */
    GM_INTERVAL_NONE    /* a maximum: resampling says nothing about its spread    */
} gm_interval_kind;

typedef struct gm_metric {
    gm_item item;
    const char *source;    /* where the definition comes from, for reports */
    unsigned tasks;        /* bits 1 << gm_task                            */
    double low, high;      /* range, inclusive                             */
    bool higher_is_better;
    /* out_value is written on GM_OK only. Call it through gm_metric_value, which checks the task first.
     * Errors: GM_EINVALID undefined on this input (one class, no rows, NaN among the scores ...), the message says why;
     *         GM_ENOMEM. */
    gm_rc (*compute)(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err);
    gm_interval_kind interval;
    /* WILSON: the metric is successes / trials. NULL otherwise. */
    gm_rc (*proportion)(const gm_scores *in, gm_arena *scratch, double *out_successes, double *out_trials, gm_err *err);
} gm_metric;

extern const gm_registry gm_metrics;
/* The metric that decides for a task when the file names none: roc_auc, log_loss, rmse. */
const gm_metric *gm_metric_default(gm_task task);

/* Is the metric defined for the task? */
bool gm_metric_fits(const gm_metric *m, gm_task task);
/* By name. Errors: GM_EINVALID `unrecognized metric "x"` with a near name, or `metric "rmse" is for regression, the
 * target is binary` with those that fit. */
gm_rc gm_metric_find(const char *name, gm_task task, const gm_metric **out, gm_err *err);
/* compute() after a look at the task. Errors: those of compute. */
gm_rc gm_metric_value(const gm_metric *m, const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err);

#endif
