/* rmsle.c - root of the mean squared difference of logarithms.
 *
 *   rmsle = sqrt(mean (ln(1 + y) - ln(1 + p))^2)
 *
 * Undefined  when a y or p is -1 or less: GM_EINVALID
 * Source     scikit-learn 1.9, root_mean_squared_log_error
 * Checked    test/conformance/eval/regression.csv; to 1e-13
 */
#include "eval/score_cache.h"

static double squared_log(double truth, double predicted)
{
    double d = log1p(truth) - log1p(predicted);
    return d * d;
}

static gm_rc rmsle(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    for (int64_t i = 0; i < in->rows; i++)
        if (in->truth[i] <= -1 || in->predicted[i] <= -1)
            return gm_err_set(err, GM_EINVALID, "rmsle needs values above -1, row %lld has %g beside %g", (long long)i,
                              in->truth[i], in->predicted[i]);
    double mean = 0;
    gm_rc rc = gm_mean_of(in, scratch, squared_log, &mean, err);
    if (!rc) *out_value = sqrt(mean);
    return rc;
}

extern const gm_metric gm_metric_rmsle;
const gm_metric gm_metric_rmsle = {
    .item = { .name = "rmsle", .help = "root of the mean squared difference of logarithms" },
    .source = "scikit-learn root_mean_squared_log_error",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = 0,
    .high = INFINITY,
    .higher_is_better = false,
    .compute = rmsle,
};
