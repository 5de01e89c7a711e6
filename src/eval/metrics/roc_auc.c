/* roc_auc.c - area under the ROC curve.
 *
 *   AUC = share of (positive, negative) pairs in which the positive has the higher score
 *       = area of the trapezoids under (FPR, TPR) over the distinct scores
 *
 * Ties       a tied pair counts one half
 * Undefined  when one class has no row: GM_EINVALID
 * Cost       one sort O(n), shared; 32 n bytes
 * Source     Hanley & McNeil (1982), Radiology 143(1):29-36; scikit-learn 1.9, roc_auc_score
 * Checked    test/conformance/eval/binary.csv; to 1e-14
 */
#include "eval/sweep_area.h"

static gm_rc roc_auc(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_sweep *s = NULL;
    gm_rc rc = gm_binary_sweep(in, scratch, "roc_auc", &s, err);
    if (!rc) *out_value = gm_sweep_area(s);
    return rc;
}

extern const gm_metric gm_metric_roc_auc;
const gm_metric gm_metric_roc_auc = {
    .item = { .name = "roc_auc", .help = "area under the ROC curve" },
    .source = "Hanley & McNeil 1982; scikit-learn roc_auc_score",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = roc_auc,
    .interval = GM_INTERVAL_DELONG,
};
