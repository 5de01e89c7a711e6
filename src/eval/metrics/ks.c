/* ks.c - the Kolmogorov-Smirnov distance between the scores of the two classes.
 *
 *   KS = max over thresholds of (TPR - FPR), the empty threshold included, so KS >= 0
 *
 * Ties       rows of equal score enter together
 * Undefined  when one class has no row: GM_EINVALID
 * Source     as used in credit scoring; one-sided ks_2samp of SciPy 1.17
 * Checked    test/conformance/eval/binary.csv; to 1e-15
 */
#include "eval/score_cache.h"

static gm_rc ks(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    const gm_sweep *s = NULL;
    gm_rc rc = gm_binary_sweep(in, scratch, "ks", &s, err);
    if (rc) return rc;
    double best = 0;
    for (int64_t p = 0; p < s->points; p++) best = fmax(best, s->tp[p] / s->positives - s->fp[p] / s->negatives);
    *out_value = best;
    return GM_OK;
}

extern const gm_metric gm_metric_ks;
const gm_metric gm_metric_ks = {
    .item = { .name = "ks", .help = "largest distance between true and false positive rate" },
    .source = "Kolmogorov-Smirnov, two samples",
    .tasks = 1u << GM_TASK_BINARY,
    .low = 0,
    .high = 1,
    .higher_is_better = true,
    .compute = ks,
};
