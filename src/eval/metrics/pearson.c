/* pearson.c - linear correlation of prediction and truth.
 *
 *   r = Cov(y, p) / sqrt(Var(y) Var(p))
 *
 * Undefined  for a constant y or p, or fewer than two rows: GM_EINVALID
 * Source     Pearson (1895); SciPy 1.17, pearsonr
 * Checked    test/conformance/eval/regression.csv; to 1e-13
 */
#include "eval/score_cache.h"

static gm_rc pearson(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    if (rc) return rc;
    gm_moments m;
    gm_weighted_moments(c, in->truth, in->predicted, &m);
    if (!(m.var_x > 0 && m.var_y > 0))
        return gm_err_set(err, GM_EINVALID, "pearson needs values that differ, the %s are constant", m.var_x > 0 ? "predictions" : "true values");
    *out_value = fmax(-1, fmin(1, m.cov / (sqrt(m.var_x) * sqrt(m.var_y))));
    return GM_OK;
}

extern const gm_metric gm_metric_pearson;
const gm_metric gm_metric_pearson = {
    .item = { .name = "pearson", .help = "linear correlation of prediction and truth" },
    .source = "Pearson 1895; SciPy pearsonr",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = -1,
    .high = 1,
    .higher_is_better = true,
    .compute = pearson,
};
