/* max_error.c - the largest absolute error.
 *
 *   max error = max |y - p|
 *
 * Undefined  never, given a row
 * Source     scikit-learn 1.9, max_error
 * Checked    test/conformance/eval/regression.csv; exact
 */
#include "eval/score_cache.h"

static gm_rc max_error(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    if (rc) return rc;
    double largest = 0;
    for (int64_t i = 0; i < in->rows; i++)
        if (gm_row_weight(c, i) > 0) largest = fmax(largest, fabs(in->truth[i] - in->predicted[i]));
    *out_value = largest;
    return GM_OK;
}

extern const gm_metric gm_metric_max_error;
const gm_metric gm_metric_max_error = {
    .item = { .name = "max_error", .help = "the largest absolute error" },
    .source = "scikit-learn max_error",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = 0,
    .high = INFINITY,
    .higher_is_better = false,
    .compute = max_error,
    .interval = GM_INTERVAL_NONE,
};
