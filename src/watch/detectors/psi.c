/* psi.c - the population stability index.
 *
 *   PSI = S_k (q_k - p_k) ln(q_k / p_k),  p, q the shares of the reference and the current values in bin k; 0 counts as 0.0001
 *   value = max(0, PSI - (K - 1) (1/n + 1/m)),  K bins, n and m values
 *
 * Bins       drift_bins.c: ten with equal shares of the reference; for texts and up to ten different numbers the values, rare
 *            ones together
 * Chance     two samples of one population have PSI n m / (n + m) about chi-square with K - 1 degrees of freedom (the first term
 *            of its series), so (K - 1) (1/n + 1/m) is what no drift at all is expected to give. `plain` is PSI itself
 * Missing    not counted: the missing share is judged by itself
 * Range      [0, inf)
 * Source     S. Kullback (1959), Information Theory and Statistics, J(1,2); bins and limits 0.1, 0.25: N. Siddiqi (2006); the
 *            chance part: B. Yurdakul & J. Naranjo (2020), Journal of Risk Model Validation 14(4)
 * Checked    test_drift_numbers.c by hand; another program's: compat_evidently.c
 */
#include "watch/compat.h"
#include "watch/detector.h"

#define FILL 1e-4

static gm_rc psi(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    const gm_bins *b = NULL;
    double sum = 0, slope_r = 0, slope_c = 0;
    if (compat) return gm_compat_psi(pair, compat, out, err);
    gm_rc rc = gm_pair_bins(pair, &b, err);
    if (rc) return rc;
    for (int64_t k = 0; k < b->count; k++) {
        double p = b->reference[k] / b->n, q = b->current[k] / b->m;
        p = p > 0 ? p : FILL;
        q = q > 0 ? q : FILL;
        double l = log(q / p);
        sum += (q - p) * l;
        slope_r += fabs(l) + fabs(q - p) / p;
        slope_c += fabs(l) + fabs(q - p) / q;
    }
    out->plain = sum;
    out->value = fmax(0, sum - gm_bins_noise(b));
    out->bound = slope_r * b->error_reference + slope_c * b->error_current;
    return GM_OK;
}

extern const gm_detector gm_detector_psi;
const gm_detector gm_detector_psi = {
    .item = { .name = "psi", .help = "population stability index over ten bins of equal share, or over the categories" },
    .source = "Kullback 1959; Siddiqi 2006",
    .numbers = true,
    .texts = true,
    .low = 0,
    .high = INFINITY,
    .limit = 0.2,
    .compat = 1u << GM_COMPAT_DEFAULT | 1u << GM_COMPAT_EVIDENTLY,
    .compute = psi,
};
