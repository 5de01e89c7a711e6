/* mcc.c - Matthews' correlation coefficient of predicted and true class.
 *
 *   mcc = (c n - sum t_k p_k) / sqrt((n^2 - sum p_k^2)(n^2 - sum t_k^2))
 *   c rows predicted rightly, n rows, t_k rows of class k, p_k rows predicted as k
 *
 * Undefined  never: 0 when truth or prediction has one class only
 * Source     Gorodkin (2004), Computational Biology and Chemistry 28:367-374; scikit-learn 1.9, matthews_corrcoef
 * Checked    test/conformance/eval/binary.csv, multiclass.csv; to 1e-13
 */
#include "eval/score_cache.h"

static gm_rc mcc(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_confusion *c = NULL;
    gm_rc rc = gm_confusion_of(in, scratch, &c, err);
    if (rc) return rc;
    double n2 = c->total * c->total, both = c->correct * c->total, predicted = n2, truth = n2;
    for (int64_t k = 0; k < c->classes; k++) {
        both -= c->truth_totals[k] * c->predicted_totals[k];
        predicted -= c->predicted_totals[k] * c->predicted_totals[k];
        truth -= c->truth_totals[k] * c->truth_totals[k];
    }
    *out_value = predicted > 0 && truth > 0 ? both / (sqrt(predicted) * sqrt(truth)) : 0;
    return GM_OK;
}

extern const gm_metric gm_metric_mcc;
const gm_metric gm_metric_mcc = {
    .item = { .name = "mcc", .help = "Matthews correlation of predicted and true class" },
    .source = "Matthews 1975, Gorodkin 2004; scikit-learn matthews_corrcoef",
    .tasks = 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS,
    .low = -1,
    .high = 1,
    .higher_is_better = true,
    .compute = mcc,
};
