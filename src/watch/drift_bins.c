/* drift_bins.c - our own bins: what PSI, Jensen-Shannon, Hellinger, L-infinity and chi-square count in unless another program's
 * are asked for.
 *
 * Invariants
 *  (1) bins are made from the reference alone, but for how coarse they are: each category or group of categories is expected at
 * least 5 times in the smaller sample (Cochran 1954), so that no bin is noise alone; (2) counts of a side sum to its total.
 */
#include <math.h>

#include "watch/drift_sample.h"

enum { BINS = 10 };
#define EXPECTED_MIN 5.0

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the bins of a column");
}

/* bins of numbers - ten with about equal shares of the reference.
 *
 *   e_k = the smallest value with at least k / 10 of the reference at or below it, k = 1..9; equal ones count once
 *   bin k holds e_{k-1} < x <= e_k, the first is open below, the last open above
 *
 * Ties       an edge at the largest value moves to the one below it, so that no bin is empty in the reference
 * Source     N. Siddiqi, Credit Risk Scorecards (2006); quantiles: Hyndman & Fan (1996), definition 1
 */
static int64_t quantile_edges(const gm_sample *s, double *edge)
{
    int64_t count = 0, i = 0;
    double up_to = 0;
    for (int k = 1; k < BINS; k++) {
        double wanted = s->total * k / BINS * (1 - 1e-12);
        while (i < s->count && up_to + s->weight[i] < wanted) up_to += s->weight[i++];
        int64_t at = i < s->count - 1 ? i : s->count - 2;
        if (count == 0 || s->value[at] > edge[count - 1]) edge[count++] = s->value[at];
    }
    return count;
}

static void count_between(const gm_sample *s, const double *edge, int64_t edges, double *counts)
{
    int64_t i = 0;
    for (int64_t k = 0; k <= edges; k++) {
        double n = 0;
        for (; i < s->count && (k == edges || s->value[i] <= edge[k]); i++) n += s->weight[i];
        counts[k] = n;
    }
}

static bool quantile_bins(gm_pair *p)
{
    double *edge = GM_ARENA_ARRAY(p->arena, double, BINS), *r = GM_ARENA_ARRAY(p->arena, double, BINS),
           *c = GM_ARENA_ARRAY(p->arena, double, BINS);
    if (!edge || !r || !c) return false;
    int64_t edges = quantile_edges(p->reference, edge);
    count_between(p->reference, edge, edges, r);
    count_between(p->current, edge, edges, c);
    p->bins = (gm_bins){ .count = edges + 1, .reference = r, .current = c, .edge = edge };
    p->bins.error_reference = 2 * p->reference->error; /* two ends of a bin */
    p->bins.error_current = 2 * p->current->error;
    return true;
}

/* bins of categories - one for each value that is frequent enough, groups of the others, one for what the reference has not.
 *
 *   Values in the order of their reference counts r_i, most frequent first; a bin is closed as soon as r_i / n * min(n, m) >= 5.
 *   The last bin holds what the reference has not seen. Its reference count is f1, the number of values that the reference has
 * once (Good and Turing: f1 / n is the chance that the next row is new); the others are scaled by (n - f1) / n.
 *
 * So a column of many rare values does not drift because each sample has its own rare ones. Values of a sketch that it no longer
 * tells apart belong to the last bin on both sides. Source     I. J. Good (1953), Biometrika 40:237; W. G. Cochran (1954),
 * Biometrics 10:417
 */
static void category_bins(gm_pair *p, const gm_aligned *al, double *r, double *c)
{
    double n = p->reference->total, m = p->current->total, smaller = fmin(n, m), once = 0,
           other = p->texts ? p->current->rest : 0;
    double rest = p->texts ? p->reference->rest : 0, known = n - rest;
    for (int64_t i = 0; i < al->known; i++) once += al->reference[i] == 1;
    double unseen = fmin(once, known / 2), scale = known > 0 ? (known - unseen) / known : 0;
    int64_t bin = 0;
    bool open = false;
    for (int64_t i = 0; i < al->known; i++) {
        if (!open) r[bin] = c[bin] = 0;
        open = true;
        r[bin] += al->reference[i];
        c[bin] += al->current[i];
        if (r[bin] / n * smaller < EXPECTED_MIN) continue;
        bin++;
        open = false;
    }
    if (open && bin > 0) { /* too few for a bin of their own */
        r[bin - 1] += r[bin];
        c[bin - 1] += c[bin];
    } else if (open) {
        bin++;
    }
    for (int64_t i = 0; i < bin; i++) r[i] *= scale;
    for (int64_t i = al->known; i < al->count; i++) other += al->current[i];
    if (unseen + rest > 0 || other > 0) {
        r[bin] = unseen + rest;
        c[bin++] = other;
    }
    p->bins = (gm_bins){
        .count = bin, .reference = r, .current = c, .error_reference = p->reference->error, .error_current = p->current->error
    };
}

gm_rc gm_pair_bins(gm_pair *p, const gm_bins **out, gm_err *err)
{
    if (!p->has_bins) {
        if (p->texts || p->reference->count <= BINS) {
            const gm_aligned *al = NULL;
            gm_rc rc = gm_pair_aligned(p, &al, err);
            if (rc) return rc;
            double *r = GM_ARENA_ARRAY(p->arena, double, al->known + 1), *c = GM_ARENA_ARRAY(p->arena, double, al->known + 1);
            if (!r || !c) return no_memory(err);
            category_bins(p, al, r, c);
        } else if (!quantile_bins(p)) {
            return no_memory(err);
        }
        p->bins.n = p->reference->total;
        p->bins.m = p->current->total;
        p->has_bins = true;
    }
    *out = &p->bins;
    return GM_OK;
}
