/* accuracy.c - share of rows whose class is predicted rightly.
 *
 *   accuracy = rows with predicted class = true class / rows
 *   binary: class 1 when predicted >= threshold; multiclass: the first largest probability
 *
 * Undefined  never, given a row
 * Source     scikit-learn 1.9, accuracy_score
 * Checked    test/conformance/eval/binary.csv, multiclass.csv; exact
 */
#include "eval/score_cache.h"

static gm_rc proportion(const gm_scores *in, gm_arena *scratch, double *out_successes, double *out_trials, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    *out_successes = c->correct;
    *out_trials = c->total;
    return GM_OK;
}

static gm_rc accuracy(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    double correct = 0, total = 0;
    gm_rc rc = proportion(in, scratch, &correct, &total, err);
    if (!rc) *out_value = correct / total;
    return rc;
}

extern const gm_metric gm_metric_accuracy;
const gm_metric gm_metric_accuracy = {
    .item = { .name = "accuracy", .help = "share of rows whose class is predicted rightly" },
    .source = "scikit-learn accuracy_score",
    .tasks = 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = accuracy,
    .interval = GM_INTERVAL_WILSON,
    .proportion = proportion,
};
