/* ks.c - the Kolmogorov-Smirnov distance.
 *
 *   value = max_x |F(x) - G(x)|,  F, G the shares of reference and current values <= x;  p: gm_ks_p
 *
 * Ties       equal values are passed together
 * Sketches   a share of each side may be off by its rank error, so the distance may be off by their sum
 * Range      [0, 1]
 * Source     N. V. Smirnov (1948), Annals of Mathematical Statistics 19(2):279
 * Checked    test_drift_numbers.c by hand; other programs': compat_evidently.c, compat_nannyml.c, compat_deequ.c
 */
#include "watch/compat.h"
#include "watch/detector.h"
#include "watch/drift_tests.h"

static gm_rc ks(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    if (compat) return gm_compat_ks(pair, compat, out, err);
    out->value = out->plain = gm_ks_distance(pair->reference, pair->current);
    out->bound = pair->reference->error + pair->current->error;
    out->p_value = gm_ks_p(out->value, pair->reference->total, pair->current->total);
    return GM_OK;
}

extern const gm_detector gm_detector_ks;
const gm_detector gm_detector_ks = {
    .item = { .name = "ks", .help = "Kolmogorov-Smirnov distance: the largest gap between the distribution functions; numbers" },
    .source = "Smirnov 1948",
    .numbers = true,
    .low = 0,
    .high = 1,
    .limit = 0.18,
    .compat = 1u << GM_COMPAT_DEFAULT | 1u << GM_COMPAT_EVIDENTLY | 1u << GM_COMPAT_NANNYML | 1u << GM_COMPAT_DEEQU,
    .compute = ks,
};
