/* mape.c - mean absolute error as a fraction of the truth.
 *
 *   mape = mean |y - p| / max(|y|, 2^-52), a fraction and not percents
 *
 * Undefined  never; a y of 0 makes it huge
 * Source     scikit-learn 1.9, mean_absolute_percentage_error
 * Checked    test/conformance/eval/regression.csv; to 1e-13
 */
#include <float.h>

#include "eval/score_cache.h"

static double fraction(double truth, double predicted) { return fabs(truth - predicted) / fmax(fabs(truth), DBL_EPSILON); }

static gm_rc mape(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    return gm_mean_of(in, scratch, fraction, out_value, err);
}

extern const gm_metric gm_metric_mape;
const gm_metric gm_metric_mape = {
    .item = { .name = "mape", .help = "mean absolute error as a fraction of the truth" },
    .source = "scikit-learn mean_absolute_percentage_error",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = 0,
    .high = INFINITY,
    .higher_is_better = false,
    .compute = mape,
};
