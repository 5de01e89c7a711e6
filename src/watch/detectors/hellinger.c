/* hellinger.c - the Hellinger distance.
 *
 *   H2 = 1 - S_k sqrt(p_k q_k);  value = sqrt(max(0, H2 - (K - 1) (1/n + 1/m) / 8)),  K bins, n and m values
 *
 * Bins       drift_bins.c
 * Chance     H2 is PSI / 8 to second order, and so is what chance adds to it; `plain` is sqrt(H2)
 * Range      [0, 1]
 * Source     E. Hellinger (1909), Journal fuer die reine und angewandte Mathematik 136:210
 * Checked    test_drift_numbers.c by hand; other programs': compat_evidently.c, compat_nannyml.c
 */
#include "watch/compat.h"
#include "watch/detector.h"

static gm_rc hellinger(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    const gm_bins *b = NULL;
    double overlap = 0, error = 0;
    if (compat) return gm_compat_hellinger(pair, compat, out, err);
    gm_rc rc = gm_pair_bins(pair, &b, err);
    if (rc) return rc;
    for (int64_t k = 0; k < b->count; k++) {
        double p = b->reference[k] / b->n, q = b->current[k] / b->m;
        overlap += sqrt(p * q);
        error += sqrt((p + b->error_reference) * (q + b->error_current)) - sqrt(p * q);
    }
    double h2 = fmin(1, fmax(0, 1 - overlap)), net = fmax(0, h2 - gm_bins_noise(b) / 8);
    out->plain = sqrt(h2);
    out->value = sqrt(net);
    out->bound = fmax(sqrt(net + error) - out->value, out->value - sqrt(fmax(0, net - error)));
    return GM_OK;
}

extern const gm_detector gm_detector_hellinger;
const gm_detector gm_detector_hellinger = {
    .item = { .name = "hellinger", .help = "Hellinger distance over ten bins of equal share or over the categories" },
    .source = "Hellinger 1909",
    .numbers = true,
    .texts = true,
    .low = 0,
    .high = 1,
    .limit = 0.15,
    .compat = 1u << GM_COMPAT_DEFAULT | 1u << GM_COMPAT_EVIDENTLY | 1u << GM_COMPAT_NANNYML,
    .compute = hellinger,
};
