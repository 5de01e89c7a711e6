/* chi_square.c - the contingency chi-square as an effect size.
 *
 *   X2 = S_k S_side (count - expected)^2 / expected  over the bins of both sides
 *   value = w = sqrt(max(0, X2 - (K - 1)) (1/n + 1/m)):  Cohen's w per sample, which does not grow with the rows; `plain`:
 * sqrt(X2 (1/n + 1/m)) p: P(chi-square with K - 1 degrees of freedom >= X2)
 *
 * Bins       drift_bins.c, so that expected counts are 5 or more
 * Chance     X2 is K - 1 on average without drift, which is taken off
 * Range      [0, 2]
 * Source     K. Pearson (1911); J. Cohen (1988), Statistical Power Analysis, chapter 7 (0.1 small, 0.3 medium, 0.5 large)
 * Checked    test_drift_numbers.c by hand; other programs' statistic or p-value: compat_evidently.c, compat_nannyml.c,
 * compat_deequ.c
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
    double x2 = gm_chi_square_2(b->reference, b->current, b->count, &df), per = 1 / b->n + 1 / b->m;
    out->plain = sqrt(x2 * per);
    out->value = sqrt(fmax(0, x2 - df) * per);
    out->p_value = df > 0 ? gm_chi_square_p(x2, df) : (double)NAN;
    for (int64_t k = 0; k < b->count; k++) { /* w2 = S (p - q)^2 / (share of both) */
        double p = b->reference[k] / b->n, q = b->current[k] / b->m, both = (b->reference[k] + b->current[k]) / (b->n + b->m);
        if (both > 0)
            out->bound += (2 * fabs(p - q) / both + (p - q) * (p - q) / (both * both)) * (b->error_reference + b->error_current);
    }
    out->bound = out->bound > 0 ? sqrt(out->value * out->value + out->bound) - out->value : 0;
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
