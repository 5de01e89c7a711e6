/* sort.c - see sort.h. */
#include "base/sort.h"

#include <string.h>

/* ---- sorting ---- */

static void insertion(double *v, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        double x = v[i];
        int64_t k = i;
        for (; k > 0 && v[k - 1] > x; k--) v[k] = v[k - 1];
        v[k] = x;
    }
}

static void sift(double *v, int64_t n, int64_t i)
{
    double x = v[i];
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && v[child + 1] > v[child]) child++;
        if (v[child] <= x) break;
        v[i] = v[child];
    }
    v[i] = x;
}

static void heap_sort(double *v, int64_t n)
{
    for (int64_t i = n / 2; i-- > 0;) sift(v, n, i);
    while (n-- > 1) {
        double top = v[0];
        v[0] = v[n];
        v[n] = top;
        sift(v, n, 0);
    }
}

/* Quicksort with the median of three; a bad run of pivots ends in heap sort, so the worst case is n log n. */
static void sort_part(double *v, int64_t n, int depth)
{
    while (n > 24) {
        if (depth-- == 0) {
            heap_sort(v, n);
            return;
        }
        double a = v[0], b = v[n / 2], c = v[n - 1],
               pivot = a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
        int64_t i = 0, k = n - 1;
        while (i <= k) {
            while (v[i] < pivot) i++;
            while (v[k] > pivot) k--;
            if (i > k) break;
            double t = v[i];
            v[i++] = v[k];
            v[k--] = t;
        }
        sort_part(v, k + 1, depth);
        v += i;
        n -= i;
    }
    insertion(v, n);
}

void gm_sort_doubles(double *v, int64_t count)
{
    int depth = 2;
    for (int64_t n = count; n > 1; n /= 2) depth += 2;
    sort_part(v, count, depth);
}

/* ---- sorting by digits ---- */

enum { DIGIT_BITS = 11, DIGITS = 6, DIGIT_VALUES = 1 << DIGIT_BITS };

/* The bits of a double in an order that is that of the numbers: negative ones reversed, positive ones above them. */
static uint64_t key_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits ^ (bits >> 63 ? UINT64_MAX : (uint64_t)1 << 63);
}

static uint32_t digit_of(double v, int digit) { return (uint32_t)(key_of(v) >> (digit * DIGIT_BITS)) & (DIGIT_VALUES - 1); }

/* Least digit first; a digit that all values share is skipped, so that whole numbers take two or three rounds. */
void gm_sort_radix(double *v, double *with, double *scratch, int64_t count)
{
    uint32_t starts[DIGITS][DIGIT_VALUES] = { 0 };
    double *from = v, *to = scratch, *with_from = with, *with_to = with ? scratch + count : NULL;
    for (int64_t i = 0; i < count; i++) {
        uint64_t key = key_of(v[i]);
        for (int d = 0; d < DIGITS; d++) starts[d][key >> (d * DIGIT_BITS) & (DIGIT_VALUES - 1)]++;
    }
    for (int d = 0; d < DIGITS && count > 0; d++) {
        uint32_t *at = starts[d], before = 0;
        if (at[digit_of(from[0], d)] == count) continue;
        for (uint32_t k = 0; k < DIGIT_VALUES; k++) {
            uint32_t n = at[k];
            at[k] = before;
            before += n;
        }
        for (int64_t i = 0; i < count; i++) {
            uint32_t place = at[digit_of(from[i], d)]++;
            to[place] = from[i];
            if (with) with_to[place] = with_from[i];
        }
        double *swap = from;
        from = to;
        to = swap;
        swap = with_from;
        with_from = with_to;
        with_to = swap;
    }
    if (from == v) return;
    memcpy(v, from, (size_t)count * sizeof(*v));
    if (with) memcpy(with, with_from, (size_t)count * sizeof(*with));
}

/* v[k] gets the value it would have when sorted; smaller ones before it, larger ones after. Hoare's selection. */
void gm_select(double *v, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1, rounds = 0;
    while (high - low > 24) {
        if (++rounds > 128) { /* a run of bad pivots: n log n is the limit */
            gm_sort_doubles(v + low, high - low + 1);
            return;
        }
        double a = v[low], b = v[low + (high - low) / 2], c = v[high];
        double pivot = a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
        int64_t i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot) i++;
            while (v[j] > pivot) j--;
            if (i > j) break;
            double t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            return;
    }
    insertion(v + low, high - low + 1);
}
