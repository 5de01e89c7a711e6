/* recall.c - share of the positives that are found: of class 1, and averaged over classes.
 *
 *   recall = TP / (TP + FN), also known as sensitivity and true positive rate
 *   macro: mean over the classes that occur in truth or prediction; weighted: mean by rows of the class
 *
 * Undefined  0 where nothing can be divided (scikit-learn's zero_division=0)
 * Source     scikit-learn 1.9, recall_score
 * Checked    test/conformance/eval/binary.csv, multiclass.csv; to 1e-15
 */
#include "eval/class_average.h"

static gm_rc proportion(const gm_scores *in, gm_arena *scratch, double *out_successes, double *out_trials, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    *out_successes = c->counts[3];
    *out_trials = c->truth_totals[1];
    return GM_OK;
}

static gm_rc recall(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (!rc) *out_value = gm_class_score_at(c, 1, gm_class_recall);
    return rc;
}

static gm_rc recall_macro(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_class_macro(in, scratch, gm_class_recall, out_value, err);
}

static gm_rc recall_weighted(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_class_weighted(in, scratch, gm_class_recall, out_value, err);
}

extern const gm_metric gm_metric_recall, gm_metric_recall_macro, gm_metric_recall_weighted;
const gm_metric gm_metric_recall = {
    .item = { .name = "recall", .help = "share of the positives that are found" },
    .source = "scikit-learn recall_score",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = recall,
    .interval = GM_INTERVAL_WILSON,
    .proportion = proportion,
};

const gm_metric gm_metric_recall_macro = {
    .item = { .name = "recall_macro", .help = "recall, mean over classes" },
    .source = "scikit-learn recall_score, macro",
    .tasks = 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = recall_macro,
};

const gm_metric gm_metric_recall_weighted = {
    .item = { .name = "recall_weighted", .help = "recall, mean over classes by their rows" },
    .source = "scikit-learn recall_score, weighted",
    .tasks = 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = recall_weighted,
};
