/* metric.h - numbers that say how good predictions are.
 *
 * To add one: copy metrics/roc_auc.c, then add its line to metric_list.h. Names and definitions are scikit-learn's.
 */
#ifndef GM_EVAL_METRIC_H
#define GM_EVAL_METRIC_H

#include "base/registry.h"
#include "feature/program.h" /* gm_task */

/* Predictions beside their truth, one row per example. All borrowed. */
typedef struct gm_scores {
    gm_task task;
    int64_t rows;
    int64_t classes;         /* binary 2, multiclass n, regression 0                                  */
    const double *truth;     /* [rows] class index or value                                           */
    const double *predicted; /* binary [rows] probability of class 1; multiclass [rows, classes]; regression [rows] */
    double threshold;        /* binary: class 1 when predicted >= threshold; 0.5 unless tuned         */
} gm_scores;

typedef struct gm_metric {
    gm_item item;
    const char *source;    /* where the definition comes from, for reports */
    unsigned tasks;        /* bits 1 << gm_task                            */
    double low, high;      /* range, inclusive                             */
    bool higher_is_better;
    /* Errors: GM_EINVALID undefined on this input (one class ...); the message says why. */
    gm_rc (*compute)(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err);
} gm_metric;

extern const gm_registry gm_metrics;
/* The metric that decides for a task when the file names none: roc_auc, log_loss, rmse. */
const gm_metric *gm_metric_default(gm_task task);

#endif
