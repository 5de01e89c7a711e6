/* chi_square.c - chi-square as an effect size.
 *
 *   w2 = S_k (p_k - q_k)^2 / ((p_k + q_k) / 2),  p, q the shares of the reference and the current values in bin k
 *   value = sqrt(max(0, w2 - (K - 1) (1/n + 1/m))),  K bins, n and m values: Cohen's w, which does not grow with the rows
 *   p: P(chi-square with K - 1 degrees of freedom >= X2), X2 the contingency chi-square of the counts
 *
 * Bins       drift_bins.c, so that expected counts are 10 or more
 * Chance     w2 n m / (n + m) is about chi-square with K - 1 degrees of freedom without drift; `plain` is sqrt(w2)
 * Range      [0, 2]
 * Source     K. Pearson (1911); J. Cohen (1988), Statistical Power Analysis, chapter 7 (0.1 small, 0.3 medium, 0.5 large)
 * Checked    test_drift_numbers.c by hand; other programs': compat_evidently.c, compat_nannyml.c, compat_deequ.c
 */
#include "watch/compat.h"
#include "watch/detector.h"
#include "watch/drift_tests.h"

static gm_rc chi_square(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    const gm_bins *b = NULL;
    double df = 0;
    if (compat) return gm_compat_chi_square(pair, compat, out, err);
    gm_rc rc = gm_pair_bins(pair, &b, err);
    if (rc) return rc;
    double w2 = 0, error = 0, x2 = gm_chi_square_2(b->reference, b->current, b->count, &df);
    for (int64_t k = 0; k < b->count; k++) {
        double p = b->reference[k] / b->n, q = b->current[k] / b->m, both = (p + q) / 2, part = both > 0 ? (p - q) / both : 0;
        w2 += both * part * part;
        error += (2 * fabs(part) + part * part / 2) * (b->error_reference + b->error_current);
    }
    double net = fmax(0, w2 - gm_bins_noise(b));
    out->plain = sqrt(w2);
    out->value = sqrt(net);
    out->bound = fmax(sqrt(net + error) - out->value, out->value - sqrt(fmax(0, net - error)));
    out->p_value = df > 0 ? gm_chi_square_p(x2, df) : (double)NAN;
    return GM_OK;
}

extern const gm_detector gm_detector_chi_square;
const gm_detector gm_detector_chi_square = {
    .item = { .name = "chi_square",
              .help = "contingency chi-square over the bins, as an effect that does not grow with the rows (Cohen's w)" },
    .source = "Pearson 1911; Cohen 1988",
    .numbers = true,
    .texts = true,
    .low = 0,
    .high = 2,
    .limit = 0.4,
    .compat = 1u << GM_COMPAT_DEFAULT | 1u << GM_COMPAT_EVIDENTLY | 1u << GM_COMPAT_NANNYML | 1u << GM_COMPAT_DEEQU,
    .compute = chi_square,
};
