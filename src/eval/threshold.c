/* threshold.c - the best cut over all that the scores offer.
 *
 *   F1(t)   = 2 TP / (2 TP + FP + FN);                    the largest, of equals the highest t
 *   cost(t) = cost_fp FP + cost_fn FN;                    the smallest, of equals the lowest t
 *
 * One walk down the sweep: O(rows) after the shared sort. A calibrated model's least cost lies at
 * cost_fp / (cost_fp + cost_fn); the sweep does not assume that it is calibrated.
 * Source     scikit-learn 1.9, precision_recall_curve and TunedThresholdClassifierCV, with every score tried
 * Checked    test_threshold.c against the sweep of the reference table: costs 1 and 5 give 707 at 0.021
 */
#include "eval/threshold.h"

double gm_sweep_threshold(const gm_scores *s, const gm_sweep *sweep, int64_t point)
{
    const gm_score_order *o = sweep->order;
    return s->predicted[o->row[o->group_end[o->groups - 1 - point] - 1]];
}

gm_rc gm_threshold_best_f1(const gm_scores *s, gm_arena *scratch, gm_threshold *out, gm_err *err)
{
    const gm_sweep *sweep = NULL;
    gm_rc rc = gm_binary_sweep(s, scratch, "the best threshold", &sweep, err);
    if (rc) return rc;
    gm_threshold best = { INFINITY, 0 };
    for (int64_t p = 0; p < sweep->points; p++) {
        double f1 = 2 * sweep->tp[p] / (sweep->tp[p] + sweep->fp[p] + sweep->positives);
        if (f1 > best.value) best = (gm_threshold){ gm_sweep_threshold(s, sweep, p), f1 };
    }
    *out = best;
    return GM_OK;
}

gm_rc gm_threshold_least_cost(const gm_scores *s, double cost_false_positive, double cost_false_negative, gm_arena *scratch,
                              gm_threshold *out, gm_err *err)
{
    if (!(cost_false_positive >= 0 && cost_false_negative >= 0))
        return gm_err_set(err, GM_EINVALID, "costs must not be negative, got %g and %g", cost_false_positive, cost_false_negative);
    const gm_sweep *sweep = NULL;
    gm_rc rc = gm_binary_sweep(s, scratch, "the least cost", &sweep, err);
    if (rc) return rc;
    gm_threshold best = { INFINITY, cost_false_negative * sweep->positives };
    for (int64_t p = 0; p < sweep->points; p++) {
        double cost = cost_false_positive * sweep->fp[p] + cost_false_negative * (sweep->positives - sweep->tp[p]);
        if (cost <= best.value) best = (gm_threshold){ gm_sweep_threshold(s, sweep, p), cost };
    }
    *out = best;
    return GM_OK;
}
