/* compat_numpy.c - histograms of NumPy 2 and tests of SciPy 1.17, as other programs call them. */
#include <math.h>

#include "watch/compat_internal.h"

/* equal-width edges - edge[i] = i * step + low, step = (high - low) / bins, the last is high itself: that order of operations
 * decides in which bin a value on an edge falls.
 *
 * Constant   low = high: one bin from low - 0.5 to low + 0.5
 * Source     numpy.linspace and numpy.histogram_bin_edges, NumPy 2
 */
double *gm_numpy_edges(double low, double high, double width, bool whole, gm_arena *a, int64_t *out_bins)
{
    enum { BINS_MAX = 1000000 };
    double bins = width > 0 && high > low ? ceil((high - low) / (whole && width < 1 ? 1 : width)) : 1;
    *out_bins = bins < 1 || isnan(bins) ? 1 : bins > BINS_MAX ? BINS_MAX : (int64_t)bins;
    return gm_numpy_bins(low, high, *out_bins, a);
}

double *gm_numpy_bins(double low, double high, int64_t bins, gm_arena *a)
{
    if (low == high) {
        low -= 0.5;
        high += 0.5;
    }
    double *edge = GM_ARENA_ARRAY(a, double, bins + 1), step = (high - low) / (double)bins;
    if (!edge) return NULL;
    for (int64_t i = 0; i < bins; i++) edge[i] = (double)i * step + low;
    edge[bins] = high;
    return edge;
}

void gm_numpy_histogram(const gm_sample *s, const double *edge, int64_t bins, double *counts)
{
    int64_t i = 0;
    while (i < s->count && s->value[i] < edge[0]) i++;
    for (int64_t k = 0; k < bins; k++) {
        double n = 0;
        for (; i < s->count && (k + 1 < bins ? s->value[i] < edge[k + 1] : s->value[i] <= edge[k + 1]); i++) n += s->weight[i];
        counts[k] = n;
    }
}

double gm_sturges_width(double low, double high, double n)
{
    return (high - low) / (log2(n) + 1);
}

/* Doane (1976): 1 + log2 n + log2(1 + |g| / sg) bins, g the skewness (ddof 0), sg = sqrt(6 (n - 2) / ((n + 1) (n + 3))). 0 = one
 * bin. */
double gm_doane_width(const gm_sample *s)
{
    double n = s->total, sum = 0;
    if (n <= 2) return 0;
    double sg = sqrt(6 * (n - 2) / ((n + 1) * (n + 3)));
    if (!(s->std > 0)) return 0;
    for (int64_t i = 0; i < s->count; i++) {
        double z = (s->value[i] * s->scale - s->mean) / s->std;
        sum += s->weight[i] * (z * z * z);
    }
    return (s->high - s->low) / (1 + log2(n) + log2(1 + fabs(sum / n) / sg));
}

bool gm_pandas_integers(const gm_sample *s)
{
    return s->type == GM_TYPE_INT && s->missing == 0;
}

gm_rc gm_binned_values(gm_pair *pair, gm_binned *out, gm_err *err)
{
    const gm_aligned *al = NULL;
    gm_rc rc = gm_pair_aligned(pair, &al, err);
    if (rc) return rc;
    gm_binned b = { .count = al->count,
                    .p = GM_ARENA_ARRAY(pair->arena, double, al->count + 1),
                    .q = GM_ARENA_ARRAY(pair->arena, double, al->count + 1) };
    if (!b.p || !b.q) return gm_err_set(err, GM_ENOMEM, "not enough memory to compare %lld values", (long long)al->count);
    for (int64_t k = 0; k < al->count; k++) {
        b.p[k] = al->reference[k] / pair->reference->total;
        b.q[k] = al->current[k] / pair->current->total;
    }
    *out = b;
    return GM_OK;
}

double gm_scipy_jensen_shannon(const gm_binned *b, double base)
{
    double sp = 0, sq = 0, left = 0, right = 0;
    for (int64_t k = 0; k < b->count; k++) {
        sp += b->p[k];
        sq += b->q[k];
    }
    for (int64_t k = 0; k < b->count; k++) {
        double p = b->p[k] / sp, q = b->q[k] / sq, m = (p + q) / 2;
        left += p > 0 ? p * log(p / m) : 0;
        right += q > 0 ? q * log(q / m) : 0;
    }
    return sqrt(fmax(0, left + right) / (base > 0 ? log(base) : 1) / 2);
}

/* ---- the two-sample Kolmogorov-Smirnov test ---- */

/* P(D_{n,n} >= h / n): a series of binomial ratios, evaluated from the inside. Source: Hodges (1958), Arkiv foer Matematik 3:469,
 * (2.3). */
static double outside_square(int64_t n, int64_t h)
{
    double sum = 0;
    for (int64_t k = n / h; k >= 0; k--) {
        double term = 1;
        for (int64_t i = 0; i < h; i++) term = (double)(n - k * h - i) * term / (double)(n + k * h + i + 1);
        sum = term * (1 - sum);
    }
    return 2 * sum;
}

/* P(D_{m,n} >= h / lcm(m, n)), as the share of lattice paths from (0, 0) to (m, n) that leave the band |x n - y m| < h gcd:
 * column by column, what is outside counts 1. Source: Hodges (1958), the inside method; Viehmann (2021), arXiv:2102.08037, for
 * the shares in place of counts. */
static double outside_band(int64_t m, int64_t n, int64_t g, int64_t h, gm_arena *a)
{
    if (m < n) {
        int64_t swap = m;
        m = n;
        n = swap;
    }
    double mg = (double)(m / g), ng = (double)(n / g);
    int64_t low = 0, high = (int64_t)fmin(ceil((double)h / mg), (double)(n + 1)),
            kept = 2 * high + 2 < n + 1 ? 2 * high + 2 : n + 1, len = high - low;
    double *share = GM_ARENA_ARRAY(a, double, kept + 2);
    if (!share) return NAN;
    for (int64_t j = 0; j < kept; j++) share[j] = j < high ? 0 : 1;
    for (int64_t i = 1; i <= m; i++) {
        int64_t last_low = low, last_len = len;
        low = (int64_t)fmax(floor((ng * (double)i - (double)h) / mg) + 1, 0);
        low = low < n ? low : n;
        high = (int64_t)fmin(ceil((ng * (double)i + (double)h) / mg), (double)(n + 1));
        if (high <= low) return 1;
        double value = low == 0 ? 0 : 1;
        for (int64_t k = 0; k < high - low; k++) {
            int64_t j = k + low;
            value = (share[j - last_low] * (double)i + value * (double)j) / (double)(i + j);
            share[k] = value;
        }
        len = high - low;
        for (int64_t k = len; k < len + (last_len - len); k++) share[k] = 1;
    }
    return share[high - low - 1];
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

double gm_scipy_ks_2samp_p(double distance, int64_t n, int64_t m)
{
    enum { EXACT_MAX = 10000 };
    if (n > EXACT_MAX || m > EXACT_MAX) return gm_scipy_kstwo_sf(distance, nearbyint((double)n * (double)m / (double)(n + m)));
    int64_t g = gcd(n, m), h = (int64_t)nearbyint(distance * (double)(n / g * m));
    if (h == 0) return 1;
    if (n == m) return fmin(1, fmax(0, outside_square(n, h)));
    gm_arena *a = gm_arena_new(0);
    double p = a ? outside_band(n, m, g, h, a) : (double)NAN;
    gm_arena_free(a);
    return fmin(1, fmax(0, p));
}
