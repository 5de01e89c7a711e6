/* median_absolute_error.c - the middle absolute error.
 *
 *   medae = median |y - p|, the mean of the two middle ones for an even number of rows
 *
 * Undefined  never, given a row
 * Cost       one sort, shared
 * Source     scikit-learn 1.9, median_absolute_error without weights; a weight means that many equal rows
 * Checked    test/conformance/eval/regression.csv; exact
 */
#include "eval/score_cache.h"

static gm_rc median_absolute_error(const gm_scores *in, gm_arena *scratch, double *out_value, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(in, scratch, &c, err);
    const double *errors = NULL;
    const gm_score_order *order = NULL;
    if (!rc) rc = gm_cached_errors(c, &errors, &order, err);
    if (rc) return rc;
    if (c->weight_total == 0) return gm_err_set(err, GM_EINVALID, "no row counts: all weights are 0");

    double lower_rank = floor((c->weight_total + 1) / 2), upper_rank = floor(c->weight_total / 2) + 1, seen = 0, lower = NAN;
    for (int64_t i = 0; i < order->rows; i++) {
        seen += gm_row_weight(c, order->row[i]);
        double error = errors[order->row[i]];
        if (isnan(lower) && seen >= lower_rank) lower = error;
        if (seen < upper_rank) continue;
        *out_value = (lower + error) / 2;
        return GM_OK;
    }
    return gm_err_set(err, GM_EINTERNAL, "the weights of the rows do not add up");
}

extern const gm_metric gm_metric_median_absolute_error;
const gm_metric gm_metric_median_absolute_error = {
    .item = { .name = "median_absolute_error", .help = "the middle absolute error" },
    .source = "scikit-learn median_absolute_error",
    .tasks = 1u << GM_TASK_REGRESSION,
    .low = 0,
    .high = INFINITY,
    .higher_is_better = false,
    .compute = median_absolute_error,
};
