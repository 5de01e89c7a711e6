/* log_loss.c - mean surprise at the truth, in nats; also known as cross-entropy.
 *
 *   log loss = mean -ln(p of the true class), p clipped to [e, 1 - e], e = 2^-52
 *
 * Undefined  when a prediction lies outside [0, 1]: GM_EINVALID. Probabilities of a row that do not add up to 1 are
 *            taken as they are
 * Source     scikit-learn 1.9, log_loss on float64
 * Checked    test/conformance/eval/binary.csv, multiclass.csv; to 1e-13
 */
#include "eval/score_cache.h"

static gm_rc log_loss(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    if (rc) return rc;
    if (!c->probabilities) return gm_err_set(err, GM_EINVALID, "log_loss needs probabilities, some predictions are outside 0 to 1");
    if (c->weight_total == 0) return gm_err_set(err, GM_EINVALID, "no row counts: all weights are 0");
    const double *losses = NULL;
    rc = gm_cached_losses(c, &losses, err);
    if (!rc) *out_value = gm_weighted_mean(c, losses);
    return rc;
}

extern const gm_metric gm_metric_log_loss;
const gm_metric gm_metric_log_loss = {
    .item = { .name = "log_loss", .help = "mean negative log probability of the true class" },
    .source = "scikit-learn log_loss",
    .tasks = 1u << GM_TASK_BINARY | 1u << GM_TASK_MULTICLASS,
    .low = 0,
    .high = INFINITY,
    .higher_is_better = false,
    .compute = log_loss,
};
