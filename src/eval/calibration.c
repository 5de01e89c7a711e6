/* calibration.c - do probabilities keep their promise? Definition: metrics/ece.c. */
#include "eval/calibration.h"

enum { BINS = 10 };

/* Edges are i * 0.1 in doubles, as numpy.linspace gives them; a p on an edge belongs to the lower bin. */
static int bin_of(double p)
{
    int bin = (int)(p * BINS);
    if (bin > BINS - 1) bin = BINS - 1;
    while (bin > 0 && p <= bin * 0.1) bin--;
    while (bin < BINS - 1 && p > (bin + 1) * 0.1) bin++;
    return bin;
}

gm_rc gm_calibration_cached(const gm_score_cache *c, gm_calibration_bin out_bins[10], size_t *out_count, double *out_ece, gm_err *err)
{
    const gm_scores *s = &c->scores;
    if (s->task != GM_TASK_BINARY) return gm_err_set(err, GM_EINVALID, "calibration is for binary targets");
    if (!c->probabilities) return gm_err_set(err, GM_EINVALID, "calibration needs probabilities, some predictions are outside 0 to 1");
    if (c->weight_total == 0) return gm_err_set(err, GM_EINVALID, "no row counts: all weights are 0");

    gm_sum predicted[BINS] = { 0 };
    double positive[BINS] = { 0 }, weight[BINS] = { 0 };
    for (int64_t i = 0; i < s->rows; i++) {
        double w = gm_row_weight(c, i);
        int bin = bin_of(s->predicted[i]);
        gm_sum_add(&predicted[bin], w * s->predicted[i]);
        positive[bin] += w * s->truth[i];
        weight[bin] += w;
    }

    size_t count = 0;
    double ece = 0;
    for (int b = 0; b < BINS; b++) {
        if (weight[b] == 0) continue;
        double mean = gm_sum_value(&predicted[b]) / weight[b], share = positive[b] / weight[b];
        out_bins[count++] = (gm_calibration_bin){ .mean_predicted = mean, .share_positive = share, .rows = (int64_t)weight[b] };
        ece += weight[b] / c->weight_total * fabs(share - mean);
    }
    *out_count = count;
    *out_ece = ece;
    return GM_OK;
}

gm_rc gm_calibration(const gm_scores *s, gm_calibration_bin out_bins[10], size_t *out_count, double *out_ece, gm_err *err)
{
    gm_arena *scratch = gm_arena_new(0);
    if (!scratch) return gm_err_set(err, GM_ENOMEM, "not enough memory for calibration");
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(s, scratch, &c, err);
    if (!rc) rc = gm_calibration_cached(c, out_bins, out_count, out_ece, err);
    gm_arena_free(scratch);
    return rc;
}
