/* compat_tfdv.c - TensorFlow Data Validation: divergence of standard histograms, L-infinity of normalised counts.
 *
 * Source     tensorflow_data_validation/anomalies/metrics.cc; statistics/generators and utils/quantiles_util.py for the histogram
 * Checked    test/conformance/watch/drift_expected.csv, from drift_formulas.py, a restatement of its own; 1e-12
 */
#include <math.h>

#include "base/sort.h"
#include "watch/compat_internal.h"

enum { BUCKETS = 10 };

typedef struct histogram {
    double edge[BUCKETS + 1], count[BUCKETS];
    bool point; /* one value: a bucket of no width */
} histogram;

/* Ten buckets of equal width between the smallest and the largest finite value. */
static void standard(const gm_sample *s, histogram *h)
{
    *h = (histogram){ .point = s->low == s->high };
    for (int k = 0; k <= BUCKETS; k++) h->edge[k] = k == BUCKETS ? s->high : s->low + (s->high - s->low) / BUCKETS * k;
    if (!h->point) gm_numpy_histogram(s, h->edge, BUCKETS, h->count);
}

/* What of a histogram lies between two neighbouring boundaries: values are spread evenly over their bucket. */
static double between(const histogram *h, double low, double high)
{
    for (int k = 0; !h->point && k < BUCKETS; k++)
        if (h->edge[k] <= low && high <= h->edge[k + 1]) return h->count[k] * ((high - low) / (h->edge[k + 1] - h->edge[k]));
    return 0;
}

static double term(double p, double q)
{
    double m = (p + q) / 2;
    return (p > 0 ? p * log2(p / m) : 0) + (q > 0 ? q * log2(q / m) : 0);
}

/* divergence of two histograms - counted again between all boundaries of both; points, infinite and missing values are buckets
 * beside them, the latter two of which never match.
 *
 *   JSD = 1/2 S p log2(p / m) + 1/2 S q log2(q / m),  m = (p + q) / 2, capped at 1
 */
static double numbers(const gm_sample *r, const gm_sample *c)
{
    histogram h, g;
    double edge[2 * (BUCKETS + 1)], sum = 0, n = (double)r->rows, m = (double)c->rows;
    int64_t edges = 0, kept = 0;
    standard(r, &h);
    standard(c, &g);
    for (int k = 0; !h.point && k <= BUCKETS; k++) edge[edges++] = h.edge[k];
    for (int k = 0; !g.point && k <= BUCKETS; k++) edge[edges++] = g.edge[k];
    gm_sort_doubles(edge, edges);
    for (int64_t k = 0; k < edges; k++)
        if (kept == 0 || edge[k] > edge[kept - 1]) edge[kept++] = edge[k];
    for (int64_t k = 0; k + 1 < kept; k++)
        sum += term(between(&h, edge[k], edge[k + 1]) / n, between(&g, edge[k], edge[k + 1]) / m);
    if (h.point && g.point && h.edge[0] == g.edge[0]) {
        sum += term(r->total / n, c->total / m);
    } else {
        if (h.point) sum += term(r->total / n, 0);
        if (g.point) sum += term(0, c->total / m);
    }
    sum += term((double)r->infinite / n, 0) + term(0, (double)c->infinite / m);
    sum += term((double)r->missing / n, 0) + term(0, (double)c->missing / m);
    return fmin(1, sum / 2);
}

gm_rc gm_tfdv_jensen_shannon(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    gm_binned b;
    double sum = 0;
    gm_rc rc = GM_OK;
    if (!pair->texts) {
        sum = numbers(pair->reference, pair->current);
    } else {
        rc = gm_binned_values(pair, &b, err);
        if (rc) return rc;
        for (int64_t k = 0; k < b.count; k++) sum += term(b.p[k], b.q[k]);
        sum = fmin(1, sum / 2);
    }
    out->value = out->plain = sum;
    return GM_OK;
}

gm_rc gm_tfdv_l_infinity(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    gm_binned b;
    double most = 0;
    gm_rc rc = gm_binned_values(pair, &b, err);
    if (rc) return rc;
    for (int64_t k = 0; k < b.count; k++) most = fmax(most, fabs(b.p[k] - b.q[k]));
    out->value = out->plain = most;
    return GM_OK;
}
