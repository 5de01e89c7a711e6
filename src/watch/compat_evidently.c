/* compat_evidently.c - Evidently 0.7: its statistics, and how it chooses among them.
 *
 * NaN and infinite values are dropped first. Numbers with more than 20 different reference values are counted in bins of equal
 * width over both sides together (Sturges), other columns value by value. Tests answer with their p-value.
 *
 * Source     evidently/legacy/calculations/stattests, version 0.7.23
 * Checked    test/conformance/watch/drift_evidently.csv: 11 columns of two sizes, each statistic here, the choice; 1e-12
 */
#include <math.h>
#include <string.h>

#include "watch/compat_internal.h"
#include "watch/drift_tests.h"

enum { VALUES_MAX = 20, SMALL = 1000, INT_VALUES = 10 };

extern const gm_detector gm_detector_jensen_shannon, gm_detector_ks, gm_detector_wasserstein, gm_detector_chi_square;

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the bins of a column");
}

/* Shares of both sides between edges. */
static gm_rc binned_between(gm_pair *pair, const double *edge, int64_t bins, gm_binned *out, gm_err *err)
{
    gm_binned b = { .count = bins,
                    .p = GM_ARENA_ARRAY(pair->arena, double, bins),
                    .q = GM_ARENA_ARRAY(pair->arena, double, bins) };
    if (!edge || !b.p || !b.q) return no_memory(err);
    gm_numpy_histogram(pair->reference, edge, bins, b.p);
    gm_numpy_histogram(pair->current, edge, bins, b.q);
    for (int64_t k = 0; k < bins; k++) {
        b.p[k] /= pair->reference->total;
        b.q[k] /= pair->current->total;
    }
    *out = b;
    return GM_OK;
}

/* Sturges over so many values of both sides. */
static gm_rc binned_sturges(gm_pair *pair, double values, gm_binned *out, gm_err *err)
{
    const gm_sample *r = pair->reference, *c = pair->current;
    double low = fmin(r->low, c->low), high = fmax(r->high, c->high);
    int64_t bins = 0;
    double *edge = gm_numpy_edges(low, high, gm_sturges_width(low, high, values), gm_pandas_integers(r) && gm_pandas_integers(c),
                                  pair->arena, &bins);
    return binned_between(pair, edge, bins, out, err);
}

static gm_rc binned(gm_pair *pair, gm_binned *out, gm_err *err)
{
    if (pair->texts || pair->reference->count <= VALUES_MAX) return gm_binned_values(pair, out, err);
    return binned_sturges(pair, pair->reference->total + pair->current->total, out, err);
}

/* An empty bin gets 0.0001, or a millionth of the smallest share when that is 0.0001 or less. */
static void fill(double *share, int64_t count)
{
    double least = INFINITY;
    for (int64_t k = 0; k < count; k++)
        if (share[k] > 0) least = fmin(least, share[k]);
    for (int64_t k = 0; k < count; k++)
        if (share[k] == 0) share[k] = least <= 1e-4 ? least / 1e6 : 1e-4;
}

gm_rc gm_evidently_psi(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    gm_binned b;
    double sum = 0;
    gm_rc rc = binned(pair, &b, err);
    if (rc) return rc;
    fill(b.p, b.count);
    fill(b.q, b.count);
    for (int64_t k = 0; k < b.count; k++) sum += (b.p[k] - b.q[k]) * log(b.p[k] / b.q[k]);
    out->value = out->plain = sum;
    return GM_OK;
}

gm_rc gm_evidently_jensen_shannon(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    gm_binned b;
    gm_rc rc = binned(pair, &b, err);
    if (!rc) out->value = out->plain = gm_scipy_jensen_shannon(&b, 0);
    return rc;
}

/* Numbers: Sturges over the different values, each counted once. */
gm_rc gm_evidently_hellinger(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    gm_binned b;
    const gm_aligned *al = NULL;
    double overlap = 0;
    gm_rc rc = gm_pair_aligned(pair, &al, err);
    if (!rc) rc = pair->texts ? gm_binned_values(pair, &b, err) : binned_sturges(pair, (double)al->count, &b, err);
    if (rc) return rc;
    for (int64_t k = 0; k < b.count; k++) overlap += sqrt(b.p[k] * b.q[k]);
    out->value = out->plain = sqrt(fmax(0, 1 - overlap));
    return GM_OK;
}

gm_rc gm_evidently_ks(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    (void)err;
    double d = gm_ks_distance(pair->reference, pair->current);
    out->value = out->plain = out->p_value =
        gm_scipy_ks_2samp_p(d, (int64_t)pair->reference->total, (int64_t)pair->current->total);
    out->by_p = true;
    return GM_OK;
}

gm_rc gm_evidently_wasserstein(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    (void)err;
    const gm_sample *r = pair->reference;
    double scale = fmin(r->scale, pair->current->scale);
    out->value = out->plain = gm_wasserstein_distance(r, pair->current, scale) / fmax(r->std * (scale / r->scale), 0.001 * scale);
    return GM_OK;
}

/* Goodness of fit: the reference's counts, scaled to the current rows, are taken as the truth. A value that the reference has not
 * gives p = 0. */
gm_rc gm_evidently_chi_square(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    const gm_aligned *al = NULL;
    double x2 = 0, n = pair->reference->total, m = pair->current->total;
    gm_rc rc = gm_pair_aligned(pair, &al, err);
    if (rc) return rc;
    for (int64_t k = 0; k < al->count; k++) {
        double expected = al->reference[k] * m / n, d = al->current[k] - expected;
        x2 += expected > 0 ? d * d / expected : (double)INFINITY;
    }
    out->value = out->plain = out->p_value = al->count > 1 ? gm_chi_square_p(x2, (double)(al->count - 1)) : (double)NAN;
    out->by_p = true;
    return GM_OK;
}

/* ---- the choice ---- */

/* Two proportions: of the values that are not the first one in order.
 *
 *   z = (p - q) / sqrt(s (1 - s) (1/n + 1/m)),  s of both together;  value = P(|Z| >= |z|)
 */
gm_rc gm_evidently_z(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    const gm_aligned *al = NULL;
    int64_t first = 0;
    gm_rc rc = gm_pair_aligned(pair, &al, err);
    if (rc) return rc;
    for (int64_t k = 1; k < al->count; k++) {
        if (al->value ? al->value[k] < al->value[first] : strcmp(al->category[k].text, al->category[first].text) < 0) first = k;
    }
    double n = pair->reference->total, m = pair->current->total, p = 1 - al->reference[first] / n, q = 1 - al->current[first] / m;
    double s = (p * n + q * m) / (n + m), z = (p - q) / sqrt(s * (1 - s) * (1 / n + 1 / m));
    out->value = out->plain = out->p_value = al->count == 1 ? 1 : erfc(fabs(z) / sqrt(2));
    out->by_p = true;
    return GM_OK;
}

static gm_rc z_test(gm_pair *pair, gm_compat compat, gm_detector_value *out, gm_err *err)
{
    (void)compat;
    return gm_evidently_z(pair, out, err);
}

/* Not in the list: only this choice takes it. */
static const gm_detector z_detector = {
    .item = { .name = "z_test", .help = "two-proportion z-test" },
    .source = "Evidently 0.7",
    .numbers = true,
    .texts = true,
    .low = 0,
    .high = 1,
    .limit = 0.05,
    .compat = 1u << GM_COMPAT_EVIDENTLY,
    .compute = z_test,
};

/* By the reference's rows and the different values of both sides. Whole numbers with at most 10 values are a category, texts with
 * more than half different free text. */
gm_rc gm_evidently_choose(gm_pair *pair, gm_drift_rule *out, const char **why, gm_err *err)
{
    const gm_aligned *al = NULL;
    const gm_sample *r = pair->reference;
    if (r->type == GM_TYPE_TIME || (r->type == GM_TYPE_STRING && 2 * (double)r->distinct > r->total)) {
        *why = r->type == GM_TYPE_TIME ? "Evidently does not judge times" : "free text, which Evidently judges by a classifier";
        *out = (gm_drift_rule){ .limit = NAN };
        return GM_OK;
    }
    gm_rc rc = gm_pair_aligned(pair, &al, err);
    if (rc) return rc;
    bool category = pair->texts || (gm_pandas_integers(r) && r->count <= INT_VALUES);
    const gm_detector *d = &gm_detector_jensen_shannon;
    if (r->total <= SMALL) {
        d = al->count <= 2 ? &z_detector : category || al->count <= 5 ? &gm_detector_chi_square : &gm_detector_ks;
    } else if (!category && al->count > 5) {
        d = &gm_detector_wasserstein;
    }
    *out = (gm_drift_rule){ .numbers = d, .texts = d, .limit = NAN };
    return GM_OK;
}

double gm_evidently_limit(const gm_detector *d)
{
    return d == &gm_detector_ks || d == &gm_detector_chi_square || d == &z_detector ? 0.05 : 0.1;
}
