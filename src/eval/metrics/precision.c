/* precision.c - share of the predicted positives that are positive: of class 1, and averaged over classes.
 *
 *   precision = TP / (TP + FP)
 *   macro: mean over the classes that occur in truth or prediction; weighted: mean by rows of the class
 *
 * Undefined  0 where nothing can be divided (scikit-learn's zero_division=0)
 * Source     scikit-learn 1.9, precision_score
 * Checked    test/conformance/eval/binary.csv, multiclass.csv; to 1e-15
 */
#include "eval/class_average.h"

static gm_rc proportion(const gm_scores *in, gm_arena *scratch, double *out_successes, double *out_trials, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    *out_successes = c->counts[3];
    *out_trials = c->predicted_totals[1];
    return GM_OK;
}

static gm_rc precision(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (!rc) *out_value = gm_class_score_at(c, 1, gm_class_precision);
    return rc;
}

static gm_rc precision_macro(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_class_macro(in, scratch, gm_class_precision, out_value, err);
}

static gm_rc precision_weighted(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_class_weighted(in, scratch, gm_class_precision, out_value, err);
}

extern const gm_metric gm_metric_precision, gm_metric_precision_macro, gm_metric_precision_weighted;
const gm_metric gm_metric_precision = {
    .item = { .name = "precision", .help = "share of the predicted positives that are positive" },
    .source = "scikit-learn precision_score",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = precision,
    .interval = GM_INTERVAL_WILSON,
    .proportion = proportion,
};

const gm_metric gm_metric_precision_macro = {
    .item = { .name = "precision_macro", .help = "precision, mean over classes" },
    .source = "scikit-learn precision_score, macro",
    .tasks = 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = precision_macro,
};

const gm_metric gm_metric_precision_weighted = {
    .item = { .name = "precision_weighted", .help = "precision, mean over classes by their rows" },
    .source = "scikit-learn precision_score, weighted",
    .tasks = 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = precision_weighted,
};
