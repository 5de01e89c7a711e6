/* intervals.c - how far a metric would move on other rows of the same kind.
 *
 *   roc_auc                  DeLong: AUC +- 1.96 sd, cut to [0, 1]
 *   k of n rows              Wilson (1927): (k + z^2/2)/(n + z^2) +- z/(n + z^2) sqrt(k (n - k)/n + z^2/4)
 *   the others               Poisson bootstrap: each replicate counts row i Poisson(1) times; 2.5 % and 97.5 % quantiles
 *
 * A replicate in which the metric is undefined is left out; when more than half are, there is no interval. Sorting happens
 * once; a replicate is one pass over the sorted rows.
 * Source     Wilson (1927), JASA 22:209-212; Chamandy et al. (2012), Google: Poisson bootstrap
 * Checked    expected.csv, table comparison (Wilson, DeLong, 1e-12); coverage in test_intervals.c
 */
#include "eval/intervals.h"

#include <stdlib.h>

#include "base/random.h"
#include "eval/delong.h"

int64_t gm_bootstrap_replicates(int64_t rows) { return rows <= 100000 ? 200 : rows <= 400000 ? 100 : 50; }

const char *gm_bootstrap_name(int64_t rows, bool paired)
{
    switch (gm_bootstrap_replicates(rows)) {
    case 200: return paired ? "paired bootstrap, 200 replicates" : "Poisson bootstrap, 200 replicates";
    case 100: return paired ? "paired bootstrap, 100 replicates" : "Poisson bootstrap, 100 replicates";
    default: return paired ? "paired bootstrap, 50 replicates" : "Poisson bootstrap, 50 replicates";
    }
}

void gm_poisson_weights(uint64_t seed, int64_t replicate, int64_t rows, uint8_t *out)
{
    /* P(Poisson(1) <= k) * 2^64, k = 0 .. 11; above that the chance is below 1e-10 a row */
    enum { STEPS = 12 };
    uint64_t limits[STEPS];
    double term = exp(-1), below = 0;
    for (int k = 0; k < STEPS; k++) {
        below += term;
        limits[k] = below >= 1 ? UINT64_MAX : (uint64_t)(below * 0x1p64);
        term /= k + 1;
    }
    uint64_t own = gm_hash_u64(seed, (uint64_t)replicate + 1);
    for (int64_t i = 0; i < rows; i++) {
        uint64_t u = gm_hash_u64(own, (uint64_t)i);
        unsigned weight = 0;
        for (int k = 0; k < STEPS; k++) weight += u >= limits[k];
        out[i] = (uint8_t)weight;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double gm_quantile(double *values, size_t count, double q)
{
    gm_assert(count > 0);
    qsort(values, count, sizeof(*values), by_value);
    double at = q * (double)(count - 1);
    size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;
    return values[low] + (at - (double)low) * (values[high] - values[low]);
}

static gm_rc wilson(const gm_metric *m, const gm_scores *s, gm_arena *scratch, gm_interval *out, gm_err *err)
{
    double k = 0, n = 0, value = 0;
    gm_rc rc = gm_metric_value(m, s, scratch, &value, err);
    if (!rc) rc = m->proportion(s, scratch, &k, &n, err);
    if (rc) return rc;
    double z2 = GM_Z95 * GM_Z95, middle = (k + z2 / 2) / (n + z2);
    double half = n > 0 ? GM_Z95 / (n + z2) * sqrt(k * (n - k) / n + z2 / 4) : NAN;
    *out = (gm_interval){ .value = value, .low = k == 0 ? (n > 0 ? 0 : NAN) : middle - half,
                          .high = k == n && n > 0 ? 1 : middle + half, .method = "Wilson" };
    return GM_OK;
}

static gm_rc delong(const gm_scores *s, gm_arena *scratch, gm_interval *out, gm_err *err)
{
    double auc = 0, *placement = GM_ARENA_ARRAY(scratch, double, s->rows > 0 ? s->rows : 0);
    if (!placement) return gm_err_set(err, GM_ENOMEM, "not enough memory for the interval of roc_auc");
    gm_rc rc = gm_delong_placements(s, scratch, placement, &auc, err);
    if (rc) return rc;
    double half = GM_Z95 * sqrt(gm_delong_covariance(s->truth, s->rows, placement, placement));
    *out = (gm_interval){ .value = auc, .low = isnan(half) ? NAN : fmax(0, auc - half),
                          .high = isnan(half) ? NAN : fmin(1, auc + half), .method = "DeLong" };
    return GM_OK;
}

gm_rc gm_closed_interval(const gm_metric *m, const gm_scores *s, gm_arena *scratch, gm_interval *out, gm_err *err)
{
    if (!gm_metric_fits(m, s->task) || m->interval == GM_INTERVAL_BOOTSTRAP || m->interval == GM_INTERVAL_NONE) {
        gm_interval plain = { .low = NAN, .high = NAN, .method = "" };
        gm_rc rc = gm_metric_value(m, s, scratch, &plain.value, err);
        if (!rc) *out = plain;
        return rc;
    }
    return m->interval == GM_INTERVAL_WILSON ? wilson(m, s, scratch, out, err) : delong(s, scratch, out, err);
}

/* values [replicates] of one metric, used [1] of them filled. */
typedef struct replicates {
    double *values;
    size_t used;
} replicates;

static gm_rc bootstrap(gm_score_cache *c, gm_metric_result *results, size_t count, uint64_t seed, gm_err *err)
{
    int64_t rows = c->scores.rows, total = gm_bootstrap_replicates(rows);
    uint8_t *weights = GM_ARENA_ARRAY(c->a, uint8_t, rows);
    replicates *drawn = GM_ARENA_ARRAY(c->a, replicates, count);
    double *values = GM_ARENA_ARRAY(c->a, double, (int64_t)count * total);
    if (!weights || !drawn || !values) return gm_err_set(err, GM_ENOMEM, "not enough memory for bootstrap intervals");
    for (size_t m = 0; m < count; m++) drawn[m].values = values + (int64_t)m * total;

    for (int64_t r = 0; r < total; r++) {
        gm_poisson_weights(seed, r, rows, weights);
        gm_score_cache_reweigh(c, weights);
        for (size_t m = 0; m < count; m++) {
            if (results[m].undefined || results[m].metric->interval != GM_INTERVAL_BOOTSTRAP) continue;
            gm_err ignored; /* a replicate may lack a class */
            gm_rc rc = results[m].metric->compute(&c->scores, c->a, &drawn[m].values[drawn[m].used], &ignored);
            if (rc == GM_ENOMEM) return gm_err_set(err, rc, "%s", ignored.message);
            if (!rc) drawn[m].used++;
        }
    }
    gm_score_cache_reweigh(c, NULL);

    for (size_t m = 0; m < count; m++) {
        gm_interval *i = &results[m].interval;
        if (results[m].undefined || results[m].metric->interval != GM_INTERVAL_BOOTSTRAP) continue;
        i->method = gm_bootstrap_name(rows, false);
        if (drawn[m].used * 2 < (size_t)total) continue;
        i->low = gm_quantile(drawn[m].values, drawn[m].used, 0.025);
        i->high = gm_quantile(drawn[m].values, drawn[m].used, 0.975);
    }
    return GM_OK;
}

gm_rc gm_metric_results(const gm_metric *const *metrics, size_t count, const gm_scores *s, uint64_t seed, gm_arena *a,
                        gm_metric_result *out, gm_err *err)
{
    gm_score_cache *c = NULL;
    gm_rc rc = gm_score_cache_of(s, a, &c, err);
    if (rc) return rc;
    gm_assert(!c->weights);
    bool any = false;
    for (size_t m = 0; m < count; m++) {
        gm_err why;
        out[m] = (gm_metric_result){ .metric = metrics[m], .interval = { NAN, NAN, NAN, "" } };
        rc = gm_closed_interval(metrics[m], &c->scores, a, &out[m].interval, &why);
        if (rc && rc != GM_EINVALID) return gm_err_set(err, rc, "%s", why.message);
        if (rc && !(out[m].undefined = gm_arena_strdup(a, why.message)))
            return gm_err_set(err, GM_ENOMEM, "not enough memory for the metrics");
        any |= !rc && metrics[m]->interval == GM_INTERVAL_BOOTSTRAP;
    }
    return any ? bootstrap(c, out, count, seed, err) : GM_OK;
}

gm_rc gm_metric_interval(const gm_metric *m, const gm_scores *s, uint64_t seed, gm_arena *scratch, gm_interval *out, gm_err *err)
{
    gm_metric_result result;
    gm_rc rc = gm_metric_results(&m, 1, s, seed, scratch, &result, err);
    if (rc) return rc;
    if (result.undefined) return gm_err_set(err, GM_EINVALID, "%s", result.undefined);
    *out = result.interval;
    return GM_OK;
}
