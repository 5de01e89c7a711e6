/* wasserstein.c - the first Wasserstein distance, in standard deviations of the reference.
 *
 *   W1 = integral |F(x) - G(x)| dx;  value = W1 / sd(reference), ddof 0: how far values moved, whatever their unit
 *
 * Constant   where the reference has one value, sd is that of both samples together; 0 when all values are equal
 * Sketches   each side's share may be off by its rank error e everywhere between the extremes: the bound is
 *            (e1 + e2) (max - min) / sd, which is far from what sketches do
 * Range      [0, inf)
 * Source     L. N. Vaserstein (1969); Vallender (1974), Theory of Probability 18(4):784, for the integral
 * Checked    test_drift_numbers.c by hand; other programs': compat_evidently.c (the same norm), compat_nannyml.c (none)
 */
#include "watch/compat.h"
#include "watch/detector.h"
#include "watch/drift_tests.h"

/* Of both samples together; d is the distance of the means. */
static double pooled_sd(const gm_sample *r, const gm_sample *c, double scale)
{
    double n = r->total, m = c->total, to_r = scale / r->scale, to_c = scale / c->scale, d = r->mean * to_r - c->mean * to_c;
    double vr = r->std * to_r, vc = c->std * to_c;
    return sqrt((n * vr * vr + m * vc * vc + d * d * (n * m / (n + m))) / (n + m));
}

static gm_rc wasserstein(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    const gm_sample *r = pair->reference, *c = pair->current;
    if (compat) return gm_compat_wasserstein(pair, compat, out, err);
    double scale = fmin(r->scale, c->scale), sd = r->std * (scale / r->scale);
    double area = gm_wasserstein_distance(r, c, scale);
    if (!(sd > 0)) sd = pooled_sd(r, c, scale);
    out->value = out->plain = area > 0 ? area / sd : 0;
    if (r->error + c->error > 0 && area > 0) {
        double low = fmin(r->value[0], c->value[0]), high = fmax(r->value[r->count - 1], c->value[c->count - 1]);
        out->bound = (r->error + c->error) * (high * scale - low * scale) / sd;
    }
    return GM_OK;
}

extern const gm_detector gm_detector_wasserstein;
const gm_detector gm_detector_wasserstein = {
    .item = { .name = "wasserstein", .help = "how far values moved, in standard deviations of the reference; numbers" },
    .source = "Vaserstein 1969",
    .numbers = true,
    .low = 0,
    .high = INFINITY,
    .limit = 0.4,
    .compat = 1u << GM_COMPAT_DEFAULT | 1u << GM_COMPAT_EVIDENTLY | 1u << GM_COMPAT_NANNYML,
    .compute = wasserstein,
};
