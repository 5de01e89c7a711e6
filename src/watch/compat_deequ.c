/* compat_deequ.c - Deequ: distances that take off what chance may give, and the chi-square test with rare values merged.
 *
 *   robust = max(0, D - 1.8 sqrt((n + m) / (n m))), its default (correctForLowNumberOfSamples = false; the name reads the other
 * way round)
 *
 * Numbers are compared here by their own distribution functions; Deequ compares KLL sketches of theirs, whose rank error adds to
 * its number. Source     com.amazon.deequ.analyzers.Distance Checked    test/conformance/watch/drift_expected.csv, from
 * drift_formulas.py, a restatement of its own; 1e-12
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "watch/compat_internal.h"
#include "watch/drift_tests.h"

enum { EXPECTED_MANY = 5, EXPECTED_TWO = 10 };

static double robust(double distance, double n, double m)
{
    return fmax(0, distance - 1.8 * sqrt((n + m) / (n * m)));
}

gm_rc gm_deequ_ks(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    (void)err;
    out->plain = gm_ks_distance(pair->reference, pair->current);
    out->value = robust(out->plain, pair->reference->total, pair->current->total);
    return GM_OK;
}

gm_rc gm_deequ_l_infinity(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    gm_rc rc = gm_tfdv_l_infinity(pair, out, err); /* the same before what is taken off */
    if (!rc) out->value = robust(out->plain, pair->reference->total, pair->current->total);
    return rc;
}

typedef struct cell {
    double expected, seen;
} cell;

static int by_expected(const void *x, const void *y)
{
    const cell *a = x, *b = y;
    return (a->expected > b->expected) - (a->expected < b->expected);
}

/* chi-square of the current counts against the reference's shares - values that the reference has not count for nothing; the two
 * smallest expected counts are merged while more than a fifth of them (none, when there are two) are below 5 (10). value = p.
 */
gm_rc gm_deequ_chi_square(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    const gm_aligned *al = NULL;
    double seen = 0, x2 = 0;
    gm_rc rc = gm_pair_aligned(pair, &al, err);
    cell *cells = rc ? NULL : GM_ARENA_ARRAY(pair->arena, cell, al->known + 1);
    if (rc) return rc;
    if (!cells) return gm_err_set(err, GM_ENOMEM, "not enough memory for %lld values", (long long)al->known);
    for (int64_t k = 0; k < al->known; k++) seen += al->current[k];
    for (int64_t k = 0; k < al->known; k++) cells[k] = (cell){ al->reference[k] / pair->reference->total * seen, al->current[k] };
    int64_t first = 0, count = al->known;
    qsort(cells, (size_t)count, sizeof(*cells), by_expected);
    while (count - first >= 2) {
        int64_t left = count - first, few = 0, allowed = left > 2 ? (int64_t)(0.2 * (double)left) : 0;
        for (int64_t k = first; k < count; k++) few += cells[k].expected < (left > 2 ? EXPECTED_MANY : EXPECTED_TWO);
        if (few <= allowed) break;
        cell merged = { cells[first].expected + cells[first + 1].expected, cells[first].seen + cells[first + 1].seen };
        int64_t at = ++first; /* keep the order */
        for (; at + 1 < count && cells[at + 1].expected < merged.expected; at++) cells[at] = cells[at + 1];
        cells[at] = merged;
    }
    if (count - first < 2) return gm_err_set(err, GM_EINVALID, "too few values are frequent enough for Deequ's chi-square test");
    for (int64_t k = first; k < count; k++)
        x2 += (cells[k].seen - cells[k].expected) * (cells[k].seen - cells[k].expected) / cells[k].expected;
    out->value = out->plain = out->p_value = gm_chi_square_p(x2, (double)(count - first - 1));
    out->by_p = true;
    return GM_OK;
}
