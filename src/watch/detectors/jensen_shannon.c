/* jensen_shannon.c - the Jensen-Shannon distance.
 *
 *   JSD = 1/2 S_k p_k log2(p_k / m_k) + 1/2 S_k q_k log2(q_k / m_k),  m_k = (p_k + q_k) / 2
 *   value = sqrt(max(0, JSD - (K - 1) (1/n + 1/m) / (8 ln 2))),  K bins, n and m values
 *
 * Bins       drift_bins.c
 * Chance     JSD is PSI / (8 ln 2) to second order, and so is what chance adds to it; `plain` is sqrt(JSD)
 * Range      [0, 1]; empty bins count for nothing
 * Source     J. Lin (1991), IEEE Trans. Information Theory 37(1):145; the root is a metric: Endres & Schindelin (2003)
 * Checked    test_drift_numbers.c by hand; other programs': compat_evidently.c, compat_nannyml.c, compat_tfdv.c
 */
#include "watch/compat.h"
#include "watch/detector.h"

static double part(double p, double m)
{
    return p > 0 ? p * log2(p / m) : 0;
}

static gm_rc jensen_shannon(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    const gm_bins *b = NULL;
    double sum = 0, slope_r = 0, slope_c = 0;
    if (compat) return gm_compat_jensen_shannon(pair, compat, out, err);
    gm_rc rc = gm_pair_bins(pair, &b, err);
    if (rc) return rc;
    for (int64_t k = 0; k < b->count; k++) {
        double p = b->reference[k] / b->n, q = b->current[k] / b->m, m = (p + q) / 2;
        sum += part(p, m) / 2 + part(q, m) / 2;
        slope_r += p > 0 ? fabs(log2(p / m)) / 2 : 0.5;
        slope_c += q > 0 ? fabs(log2(q / m)) / 2 : 0.5;
    }
    sum = fmin(1, fmax(0, sum));
    double noise = gm_bins_noise(b) / (8 * log(2)), error = slope_r * b->error_reference + slope_c * b->error_current;
    out->plain = sqrt(sum);
    out->value = sqrt(fmax(0, sum - noise));
    out->bound = fmax(sqrt(fmax(0, sum - noise) + error) - out->value, out->value - sqrt(fmax(0, sum - noise - error)));
    return GM_OK;
}

extern const gm_detector gm_detector_jensen_shannon;
const gm_detector gm_detector_jensen_shannon = {
    .item = { .name = "jensen_shannon",
              .help = "Jensen-Shannon distance, base 2, over ten bins of equal share or over the categories" },
    .source = "Lin 1991",
    .numbers = true,
    .texts = true,
    .low = 0,
    .high = 1,
    .limit = 0.2,
    .compat = 1u << GM_COMPAT_DEFAULT | 1u << GM_COMPAT_EVIDENTLY | 1u << GM_COMPAT_NANNYML | 1u << GM_COMPAT_TFDV,
    .compute = jensen_shannon,
};
