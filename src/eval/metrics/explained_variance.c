/* explained_variance.c - r2 that forgives a constant error.
 *
 *   explained variance = 1 - Var(y - p) / Var(y)
 *
 * Undefined  for fewer than two rows: GM_EINVALID. A constant y gives 1 when y - p is constant too, else 0
 * Source     scikit-learn 1.9, explained_variance_score
 * Checked    test/conformance/eval/regression.csv; to 1e-12
 */
#include "eval/score_cache.h"

static double difference(double truth, double predicted) { return truth - predicted; }
static double truth_only(double truth, double predicted)
{
    (void)predicted;
    return truth;
}

static gm_rc explained_variance(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    if (rc) return rc;
    if (c->weight_total < 2) return gm_err_set(err, GM_EINVALID, "explained_variance needs two rows or more");
    double mean_e = 0, mean_y = 0;
    rc = gm_mean_of(&c->scores, scratch, difference, &mean_e, err);
    if (!rc) rc = gm_mean_of(&c->scores, scratch, truth_only, &mean_y, err);
    if (rc) return rc;

    gm_sum ee = { 0 }, yy = { 0 };
    for (int64_t i = 0; i < in->rows; i++) {
        double w = gm_row_weight(c, i), e = in->truth[i] - in->predicted[i] - mean_e, y = in->truth[i] - mean_y;
        gm_sum_add(&ee, w * e * e);
        gm_sum_add(&yy, w * y * y);
    }
    double residual = gm_sum_value(&ee), total = gm_sum_value(&yy);
    *out_value = total > 0 ? 1 - residual / total : residual == 0 ? 1 : 0;
    return GM_OK;
}

extern const gm_metric gm_metric_explained_variance;
const gm_metric gm_metric_explained_variance = {
    .item = { .name = "explained_variance", .help = "share of the target's variance that is explained, bias forgiven" },
    .source = "scikit-learn explained_variance_score",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = -INFINITY,
    .high = 1,
    .higher_is_better = true,
    .compute = explained_variance,
};
