/* l_infinity.c - the largest change of one category's share.
 *
 *   value = max_k |p_k - q_k|
 *
 * Bins       drift_bins.c
 * Range      [0, 1]
 * Source     Breck, Polyzotis, Roy, Whang & Zinkevich (2019), Data Validation for Machine Learning, MLSys, section 3.2
 * Checked    test_drift_numbers.c by hand; other programs': compat_nannyml.c, compat_tfdv.c, compat_deequ.c
 */
#include "watch/compat.h"
#include "watch/detector.h"

static gm_rc l_infinity(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    const gm_bins *b = NULL;
    double most = 0;
    if (compat) return gm_compat_l_infinity(pair, compat, out, err);
    gm_rc rc = gm_pair_bins(pair, &b, err);
    if (rc) return rc;
    for (int64_t k = 0; k < b->count; k++) most = fmax(most, fabs(b->reference[k] / b->n - b->current[k] / b->m));
    out->value = out->plain = most;
    out->bound = b->error_reference + b->error_current;
    return GM_OK;
}

extern const gm_detector gm_detector_l_infinity;
const gm_detector gm_detector_l_infinity = {
    .item = { .name = "l_infinity", .help = "largest change of one bin's or one category's share" },
    .source = "Breck et al. 2019",
    .numbers = true,
    .texts = true,
    .low = 0,
    .high = 1,
    .limit = 0.1,
    .compat = 1u << GM_COMPAT_DEFAULT | 1u << GM_COMPAT_NANNYML | 1u << GM_COMPAT_TFDV | 1u << GM_COMPAT_DEEQU,
    .compute = l_infinity,
};
