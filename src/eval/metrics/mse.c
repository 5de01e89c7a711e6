/* mse.c - mean squared error.
 *
 *   mse = mean (y - p)^2
 *
 * Undefined  never, given a row
 * Source     scikit-learn 1.9, mean_squared_error
 * Checked    test/conformance/eval/regression.csv; to 1e-13
 */
#include "eval/score_cache.h"

static double squared(double truth, double predicted) { return (truth - predicted) * (truth - predicted); }

static gm_rc mse(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_mean_of(in, scratch, squared, out_value, err);
}

extern const gm_metric gm_metric_mse;
const gm_metric gm_metric_mse = {
    .item = { .name = "mse", .help = "mean squared error" },
    .source = "scikit-learn mean_squared_error",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = 0,
    .high = INFINITY,
    .higher_is_better = false,
    .compute = mse,
};
