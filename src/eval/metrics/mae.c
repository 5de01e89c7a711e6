/* mae.c - mean absolute error.
 *
 *   mae = mean |y - p|
 *
 * Undefined  never, given a row
 * Source     scikit-learn 1.9, mean_absolute_error
 * Checked    test/conformance/eval/regression.csv; to 1e-13
 */
#include "eval/score_cache.h"

static double absolute(double truth, double predicted) { return fabs(truth - predicted); }

static gm_rc mae(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_mean_of(in, scratch, absolute, out_value, err);
}

extern const gm_metric gm_metric_mae;
const gm_metric gm_metric_mae = {
    .item = { .name = "mae", .help = "mean absolute error" },
    .source = "scikit-learn mean_absolute_error",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = 0,
    .high = INFINITY,
    .higher_is_better = false,
    .compute = mae,
};
