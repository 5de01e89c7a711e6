/* delong.c - DeLong's covariance of ROC AUCs, from one sort for each model.
 *
 *   v(i) = share of negatives below positive i;  w(j) = share of positives above negative j;  ties one half
 *   AUC  = mean v = mean w
 *   Cov(AUC_a, AUC_b) = cov(v_a, v_b) / n1 + cov(w_a, w_b) / n0        (sample covariances, divisor n - 1)
 *
 * A placement needs only how many of the other class lie in lower groups and in the same one, which one pass over the
 * sorted groups counts: the midranks of Sun & Xu without a second and third sort.
 *
 * Source     DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837-845; Sun & Xu (2014), IEEE SPL 21(11):1389-1393
 * Checked    test/conformance/eval/expected.csv, table comparison; to 1e-12
 */
#include "eval/delong.h"

double gm_two_sided_p(double z) { return erfc(fabs(z) / sqrt(2)); }

gm_rc gm_delong_placements(const gm_scores *s, gm_arena *scratch, double *placement, double *out_auc, gm_err *err)
{
    const gm_score_order *order = NULL;
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(s, scratch, &c, err);
    if (!rc) rc = gm_cached_order(c, 1, &order, err);
    if (rc) return rc;

    int64_t positives = 0;
    for (int64_t i = 0; i < s->rows; i++) positives += s->truth[i] == 1;
    int64_t negatives = s->rows - positives;
    if (positives == 0 || negatives == 0)
        return gm_err_set(err, GM_EINVALID, "roc_auc needs rows of both classes, all %lld are of class %d", (long long)s->rows,
                          positives == 0 ? 0 : 1);

    double n1 = (double)positives, n0 = (double)negatives, positives_below = 0, negatives_below = 0;
    gm_sum area = { 0 };
    for (int64_t g = 0, i = 0; g < order->groups; g++) {
        int64_t start = i, end = order->group_end[g];
        double here = 0;
        for (; i < end; i++) here += s->truth[order->row[i]];
        double others = (double)(end - start) - here;
        double v = (negatives_below + others / 2) / n0, w = (n1 - positives_below - here / 2) / n1;
        for (int64_t j = start; j < end; j++) placement[order->row[j]] = s->truth[order->row[j]] == 1 ? v : w;
        gm_sum_add(&area, here * v);
        positives_below += here;
        negatives_below += others;
    }
    *out_auc = gm_sum_value(&area) / n1;
    return GM_OK;
}

static double class_covariance(const double *truth, int64_t rows, const double *u, const double *v, double class_value)
{
    gm_sum sum_u = { 0 }, sum_v = { 0 }, products = { 0 };
    double n = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (truth[i] != class_value) continue;
        gm_sum_add(&sum_u, u[i]);
        gm_sum_add(&sum_v, v[i]);
        n++;
    }
    if (n < 2) return NAN;
    double mean_u = gm_sum_value(&sum_u) / n, mean_v = gm_sum_value(&sum_v) / n;
    for (int64_t i = 0; i < rows; i++)
        if (truth[i] == class_value) gm_sum_add(&products, (u[i] - mean_u) * (v[i] - mean_v));
    return gm_sum_value(&products) / (n - 1) / n;
}

double gm_delong_covariance(const double *truth, int64_t rows, const double *u, const double *v)
{
    return class_covariance(truth, rows, u, v, 1) + class_covariance(truth, rows, u, v, 0);
}
