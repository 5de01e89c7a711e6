/* drift_bins.c - our own bins: what PSI, Jensen-Shannon, Hellinger, L-infinity and chi-square count in.
 *
 * Invariants
 *  (1) bins are made from the reference alone, but for how coarse they are: each category or group of categories is expected at
 *      least 10 times in the smaller sample, so that no bin is noise alone;
 *  (2) counts of a side sum to its total.
 */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "watch/drift_sample.h"

enum { BINS = 10, GROUPS_MAX = 20 };
#define EXPECTED_MIN 10.0

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
static int64_t first_with(const gm_sample *s, double wanted)
{
    int64_t low = 0, high = s->count;
    while (low < high) {
        int64_t at = low + (high - low) / 2;
        if (s->up[at] < wanted)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

static int64_t quantile_edges(const gm_sample *s, double *edge)
{
    int64_t count = 0, i = 0;
    double up_to = 0;
    for (int k = 1; k < BINS; k++) {
        double wanted = s->total * k / BINS * (1 - 1e-12);
        if (s->up)
            i = first_with(s, wanted);
        else
            while (i < s->count && up_to + s->weight[i] < wanted) up_to += s->weight[i++];
        int64_t at = i < s->count - 1 ? i : s->count - 2;
        if (count == 0 || s->value[at] > edge[count - 1]) edge[count++] = s->value[at];
    }
    return count;
}

static void count_between(const gm_sample *s, const double *edge, int64_t edges, double *counts)
{
    int64_t i = 0;
    double below, before = 0;
    for (int64_t k = 0; s->up && k <= edges; k++) {
        double up = k == edges ? s->total : gm_sample_up_to(s, edge[k], &below);
        counts[k] = up - before;
        before = up;
    }
    for (int64_t k = 0; !s->up && k <= edges; k++) {
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

/* bins of categories - one for each frequent value, and groups of the others.
 *
 *   frequent: r_i / n * min(n, m) >= 10, r_i the value's count among the n of the reference
 *   the others, those that only the current side has included, fall into G groups by a hash of the value:
 *   G = floor(their reference share * min(n, m) / 10), 1 <= G <= 20; a group that both sides have empty counts for nothing
 *
 * Which group a rare value falls into has nothing to do with how often the reference happens to have it. So both sides' shares of
 * a group estimate the same thing while nothing changes, and a column of many rare values does not drift because each sample has
 * its own. (Groups of values that are about as frequent in the reference would not do: its most frequent rare values are those
 * that it has by chance.) A value that is new beside frequent ones only is a group of its own. Values of a sketch that it no
 * longer tells apart: one group.
 * Source     Cochran (1954), Biometrics 10:417, on the smallest expected count; 10 for his 5, since PSI nears its limit later
 * Checked    test_drift_numbers.c: 3,000 texts, most of them rare, windows of 900
 */
static uint64_t hash_of(const gm_aligned *al, int64_t i)
{
    uint64_t bits;
    if (al->category) return gm_hash_bytes(1, al->category[i].text, al->category[i].len);
    double v = al->value[i] == 0 ? 0 : al->value[i]; /* -0 is 0 */
    memcpy(&bits, &v, sizeof(bits));
    return gm_hash_u64(1, bits);
}

static bool frequent(const gm_pair *p, double count)
{
    return count / p->reference->total * fmin(p->reference->total, p->current->total) >= EXPECTED_MIN;
}

static void category_bins(gm_pair *p, const gm_aligned *al, double *r, double *c)
{
    double rest_r = p->texts ? p->reference->rest : 0, rest_c = p->texts ? p->current->rest : 0, rare = rest_r;
    double group_r[GROUPS_MAX] = { rest_r }, group_c[GROUPS_MAX] = { rest_c };
    int64_t bin = 0;
    for (int64_t i = 0; i < al->known; i++) rare += frequent(p, al->reference[i]) ? 0 : al->reference[i];
    double wanted = rare / p->reference->total * fmin(p->reference->total, p->current->total) / EXPECTED_MIN;
    uint64_t groups = rest_r + rest_c > 0 || wanted < 2 ? 1 : wanted > GROUPS_MAX ? GROUPS_MAX : (uint64_t)wanted;
    for (int64_t i = 0; i < al->count; i++) {
        if (i < al->known && frequent(p, al->reference[i])) {
            r[bin] = al->reference[i];
            c[bin++] = al->current[i];
        } else {
            uint64_t at = groups > 1 ? hash_of(al, i) % groups : 0;
            group_r[at] += al->reference[i];
            group_c[at] += al->current[i];
        }
    }
    for (uint64_t k = 0; k < groups; k++) {
        if (!(group_r[k] + group_c[k] > 0)) continue;
        r[bin] = group_r[k];
        c[bin++] = group_c[k];
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
            double *r = GM_ARENA_ARRAY(p->arena, double, al->known + GROUPS_MAX),
                   *c = GM_ARENA_ARRAY(p->arena, double, al->known + GROUPS_MAX);
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
