/* f1.c - harmonic mean of precision and recall: of class 1, and averaged over classes.
 *
 *   F1 = 2 TP / (2 TP + FP + FN)
 *   macro: mean over the classes that occur in truth or prediction; weighted: mean by rows of the class
 *
 * Undefined  0 where nothing can be divided (scikit-learn's zero_division=0)
 * Source     scikit-learn 1.9, f1_score
 * Checked    test/conformance/eval/binary.csv, multiclass.csv; to 1e-15
 */
#include "eval/class_average.h"

static gm_rc f1(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (!rc) *out_value = gm_class_score_at(c, 1, gm_class_f1);
    return rc;
}

static gm_rc f1_macro(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_class_macro(in, scratch, gm_class_f1, out_value, err);
}

static gm_rc f1_weighted(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_class_weighted(in, scratch, gm_class_f1, out_value, err);
}

extern const gm_metric gm_metric_f1, gm_metric_f1_macro, gm_metric_f1_weighted;
const gm_metric gm_metric_f1 = {
    .item = { .name = "f1", .help = "harmonic mean of precision and recall" },
    .source = "scikit-learn f1_score",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = f1,
};

const gm_metric gm_metric_f1_macro = {
    .item = { .name = "f1_macro", .help = "f1, mean over classes" },
    .source = "scikit-learn f1_score, macro",
    .tasks = 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = f1_macro,
};

const gm_metric gm_metric_f1_weighted = {
    .item = { .name = "f1_weighted", .help = "f1, mean over classes by their rows" },
    .source = "scikit-learn f1_score, weighted",
    .tasks = 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = f1_weighted,
};
