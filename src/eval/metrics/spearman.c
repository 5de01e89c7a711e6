/* spearman.c - correlation of the ranks of prediction and truth.
 *
 *   rho = pearson of the ranks
 *
 * Ties       share the mean of their ranks
 * Undefined  for a constant y or p: GM_EINVALID
 * Cost       two sorts, shared
 * Source     Spearman (1904), American Journal of Psychology 15(1):72-101; SciPy 1.17, spearmanr
 * Checked    test/conformance/eval/regression.csv; to 1e-13
 */
#include "eval/score_cache.h"

static gm_rc spearman(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    const double *truth = NULL, *predicted = NULL;
    if (!rc) rc = gm_cached_ranks(c, &truth, &predicted, err);
    if (rc) return rc;
    gm_moments m;
    gm_weighted_moments(c, truth, predicted, &m);
    if (!(m.var_x > 0 && m.var_y > 0))
        return gm_err_set(err, GM_EINVALID, "spearman needs values that differ, the %s are constant", m.var_x > 0 ? "predictions" : "true values");
    *out_value = fmax(-1, fmin(1, m.cov / (sqrt(m.var_x) * sqrt(m.var_y))));
    return GM_OK;
}

extern const gm_metric gm_metric_spearman;
const gm_metric gm_metric_spearman = {
    .item = { .name = "spearman", .help = "rank correlation of prediction and truth" },
    .source = "Spearman 1904; SciPy spearmanr",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = -1,
    .high = 1,
    .higher_is_better = true,
    .compute = spearman,
};
