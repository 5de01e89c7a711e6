/* sort.c - see sort.h. */
#include "base/sort.h"

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
