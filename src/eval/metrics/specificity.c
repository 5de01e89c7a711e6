/* specificity.c - share of the negatives that are predicted negative.
 *
 *   specificity = TN / (TN + FP), the recall of class 0
 *
 * Undefined  0 when there is no negative row
 * Source     scikit-learn 1.9, recall_score(pos_label=0)
 * Checked    test/conformance/eval/binary.csv; exact
 */
#include "eval/class_average.h"

static gm_rc proportion(const gm_scores *in, gm_arena *scratch, double *out_successes, double *out_trials, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    *out_successes = c->counts[0];
    *out_trials = c->truth_totals[0];
    return GM_OK;
}

static gm_rc specificity(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    double hits = 0, truth = 0;
    gm_rc rc = proportion(in, scratch, &hits, &truth, err);
    if (!rc) *out_value = gm_class_recall(hits, 0, truth);
    return rc;
}

extern const gm_metric gm_metric_specificity;
const gm_metric gm_metric_specificity = {
    .item = { .name = "specificity", .help = "share of the negatives that are predicted negative" },
    .source = "scikit-learn recall_score of class 0",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = specificity,
    .interval = GM_INTERVAL_WILSON,
    .proportion = proportion,
};
