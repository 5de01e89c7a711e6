/* average_precision.c - the mean precision over the thresholds at which positives are found.
 *
 *   AP = sum over distinct scores, from the highest, of (R_i - R_(i-1)) P_i
 *   P, R = precision and recall when rows with that score or above are predicted positive
 *
 * Ties       rows of equal score enter together
 * Undefined  when one class has no row: GM_EINVALID (scikit-learn gives 0 without positives, 1 without negatives)
 * Cost       one sort, shared
 * Source     scikit-learn 1.9, average_precision_score; not the trapezoid under the same curve
 * Checked    test/conformance/eval/binary.csv; to 1e-12
 */
#include "eval/score_cache.h"

static gm_rc average_precision(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_sweep *s = NULL;
    gm_rc rc = gm_binary_sweep(in, scratch, "average_precision", &s, err);
    if (rc) return rc;
    gm_sum sum = { 0 };
    double before = 0;
    for (int64_t p = 0; p < s->points; p++) {
        double gained = s->tp[p] - before;
        if (gained > 0) gm_sum_add(&sum, gained * (s->tp[p] / (s->tp[p] + s->fp[p])));
        before = s->tp[p];
    }
    *out_value = gm_sum_value(&sum) / s->positives;
    return GM_OK;
}

extern const gm_metric gm_metric_average_precision;
const gm_metric gm_metric_average_precision = {
    .item = { .name = "average_precision", .help = "mean precision over the positives, best first" },
    .source = "scikit-learn average_precision_score",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = average_precision,
};
