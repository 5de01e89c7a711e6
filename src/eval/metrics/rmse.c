/* rmse.c - root of the mean squared error.
 *
 *   rmse = sqrt(mean (y - p)^2)
 *
 * Undefined  never, given a row
 * Source     scikit-learn 1.9, root_mean_squared_error
 * Checked    test/conformance/eval/regression.csv; to 1e-13
 */
#include "eval/score_cache.h"

static double squared(double truth, double predicted) { return (truth - predicted) * (truth - predicted); }

static gm_rc rmse(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    double mean = 0;
    gm_rc rc = gm_mean_of(in, scratch, squared, &mean, err);
    if (!rc) *out_value = sqrt(mean);
    return rc;
}

extern const gm_metric gm_metric_rmse;
const gm_metric gm_metric_rmse = {
    .item = { .name = "rmse", .help = "root of the mean squared error" },
    .source = "scikit-learn root_mean_squared_error",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = 0,
    .high = INFINITY,
    .higher_is_better = false,
    .compute = rmse,
};
