/* balanced_accuracy.c - accuracy in which every class weighs the same.
 *
 *   balanced accuracy = mean over classes with rows of (rows predicted rightly / rows of the class)
 *
 * Undefined  never, given a row; classes without rows are left out
 * Source     scikit-learn 1.9, balanced_accuracy_score (not adjusted)
 * Checked    test/conformance/eval/binary.csv, multiclass.csv; to 1e-15
 */
#include "eval/class_average.h"

static gm_rc balanced_accuracy(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    double sum = 0, classes = 0;
    for (int64_t k = 0; k < c->classes; k++) {
        if (c->truth_totals[k] == 0) continue;
        sum += gm_class_score_at(c, k, gm_class_recall);
        classes++;
    }
    *out_value = sum / classes;
    return GM_OK;
}

extern const gm_metric gm_metric_balanced_accuracy;
const gm_metric gm_metric_balanced_accuracy = {
    .item = { .name = "balanced_accuracy", .help = "mean of the classes' recalls" },
    .source = "scikit-learn balanced_accuracy_score",
    .tasks = 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = balanced_accuracy,
};
