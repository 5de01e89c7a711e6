/* compat_deequ.c - Deequ: distances that take off what chance may give, and the chi-square test with rare values merged.
 *
 *   robust = max(0, D - 1.8 sqrt((n + m) / (n m)))
 *
 * That is its default, correctForLowNumberOfSamples = false; the name reads the other way round. Numbers are compared here by
 * their own distribution functions; Deequ compares KLL sketches of theirs, whose rank error adds to its number.
 * Source     com.amazon.deequ.analyzers.Distance
 * Checked    test/conformance/watch/drift_expected.csv, from drift_formulas.py, a restatement of its own; 1e-12
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
    double reference, seen; /* counts: whole numbers, so that ties are ties */
    const char *text;
    double value;
} cell;

static int by_reference(const void *x, const void *y)
{
    const cell *a = x, *b = y;
    if (a->reference != b->reference) return a->reference < b->reference ? -1 : 1;
    return a->text ? strcmp(a->text, b->text) : (a->value > b->value) - (a->value < b->value);
}

/* The two smallest become one, in the second one's place; then the order is restored. */
static void merge_smallest(cell *cells, int64_t count)
{
    cell merged = cells[1];
    merged.reference += cells[0].reference;
    merged.seen += cells[0].seen;
    int64_t at = 1;
    for (; at + 1 < count && by_reference(&cells[at + 1], &merged) < 0; at++) cells[at] = cells[at + 1];
    cells[at] = merged;
}

/* chi-square of the current counts against the reference's shares. value = p.
 *
 * Values that the reference has not count for nothing. The two smallest expected counts are merged while more than a fifth of
 * them (none, when there are two) are below 5 (10).
 * Ties       of expected counts are broken by the text. Deequ breaks them by the order of a hash map, so that its own number may
 *            be another one where several rare values are equally frequent.
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
    for (int64_t k = 0; k < al->known; k++)
        cells[k] =
            (cell){ al->reference[k], al->current[k], al->category ? al->category[k].text : NULL, al->value ? al->value[k] : 0 };
    double per = seen / pair->reference->total; /* expected count of one reference row */
    int64_t count = al->known;
    qsort(cells, (size_t)count, sizeof(*cells), by_reference);
    while (count >= 2) {
        int64_t few = 0, allowed = count > 2 ? (int64_t)(0.2 * (double)count) : 0;
        for (int64_t k = 0; k < count && cells[k].reference * per < (count > 2 ? EXPECTED_MANY : EXPECTED_TWO); k++) few++;
        if (few <= allowed) break;
        merge_smallest(cells, count--);
        cells++;
    }
    if (count < 2) return gm_err_set(err, GM_EINVALID, "too few values are frequent enough for Deequ's chi-square test");
    for (int64_t k = 0; k < count; k++) {
        double expected = cells[k].reference * per, d = cells[k].seen - expected;
        x2 += d * d / expected;
    }
    out->value = out->plain = out->p_value = gm_chi_square_p(x2, (double)(count - 1));
    out->by_p = true;
    return GM_OK;
}
