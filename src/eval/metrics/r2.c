/* r2.c - coefficient of determination.
 *
 *   r2 = 1 - sum (y - p)^2 / sum (y - mean y)^2
 *
 * Undefined  for fewer than two rows: GM_EINVALID. A constant y gives 1 when every p equals it, else 0
 * Source     scikit-learn 1.9, r2_score
 * Checked    test/conformance/eval/regression.csv; to 1e-13
 */
#include "eval/score_cache.h"

static double truth_only(double truth, double predicted)
{
    (void)predicted;
    return truth;
}

static gm_rc r2(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    if (rc) return rc;
    if (c->weight_total < 2) return gm_err_set(err, GM_EINVALID, "r2 needs two rows or more");
    double mean = 0;
    rc = gm_mean_of(&c->scores, scratch, truth_only, &mean, err);
    if (rc) return rc;

    gm_sum ee = { 0 }, yy = { 0 };
    for (int64_t i = 0; i < in->rows; i++) {
        double w = gm_row_weight(c, i), e = in->truth[i] - in->predicted[i], y = in->truth[i] - mean;
        gm_sum_add(&ee, w * e * e);
        gm_sum_add(&yy, w * y * y);
    }
    double residual = gm_sum_value(&ee), total = gm_sum_value(&yy);
    *out_value = total > 0 ? 1 - residual / total : residual == 0 ? 1 : 0;
    return GM_OK;
}

extern const gm_metric gm_metric_r2;
const gm_metric gm_metric_r2 = {
    .item = { .name = "r2", .help = "share of the target's variance that is explained" },
    .source = "scikit-learn r2_score",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = -INFINITY,
    .high = 1,
    .higher_is_better = true,
    .compute = r2,
};
