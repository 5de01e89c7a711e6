/* ece.c - expected calibration error: how far probabilities are from the shares they promise.
 *
 *   ECE = sum over ten equal-width bins of (rows in bin / rows) |mean y - mean p|
 *   bin = number of inner edges 0.1, 0.2, ... 0.9 below p
 *
 * Ties       a p on an edge belongs to the lower bin
 * Undefined  when a prediction lies outside [0, 1]: GM_EINVALID
 * Source     Guo et al. (2017), ICML; bins as in scikit-learn 1.9, calibration_curve
 * Checked    test/conformance/eval/binary.csv; to 1e-14
 */
#include "eval/calibration.h"

static gm_rc ece(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    gm_calibration_bin bins[10];
    size_t count = 0;
    return rc ? rc : gm_calibration_cached(c, bins, &count, out_value, err);
}

extern const gm_metric gm_metric_ece;
const gm_metric gm_metric_ece = {
    .item = { .name = "ece", .help = "expected calibration error, ten equal-width bins" },
    .source = "Guo et al. 2017",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = false,
    .compute = ece,
    .interval = GM_INTERVAL_NONE, /* resampling adds noise to every bin: its intervals lie above the value */
};
