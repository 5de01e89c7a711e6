/* brier.c - mean squared distance between probability and outcome.
 *
 *   Brier = mean (p - y)^2
 *
 * Undefined  when a prediction lies outside [0, 1]: GM_EINVALID
 * Source     Brier (1950), Monthly Weather Review 78(1):1-3; scikit-learn 1.9, brier_score_loss
 * Checked    test/conformance/eval/binary.csv; to 1e-15
 */
#include "eval/score_cache.h"

static double squared(double truth, double predicted) { return (predicted - truth) * (predicted - truth); }

static gm_rc brier(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    if (rc) return rc;
    if (!c->probabilities) return gm_err_set(err, GM_EINVALID, "brier needs probabilities, some predictions are outside 0 to 1");
    return gm_mean_of(&c->scores, scratch, squared, out_value, err);
}

extern const gm_metric gm_metric_brier;
const gm_metric gm_metric_brier = {
    .item = { .name = "brier", .help = "mean squared distance between probability and outcome" },
    .source = "Brier 1950; scikit-learn brier_score_loss",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = false,
    .compute = brier,
};
