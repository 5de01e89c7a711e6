/* test_sort.c - the two sorts and the selection put the same numbers into the same order. */
#include <stdlib.h>

#include "base/random.h"
#include "base/sort.h"
#include "harness/harness.h"

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Numbers of every size and sign; whole numbers, whose low digits are all the same; few different ones. */
static double value(gm_random *g, int kind)
{
    static const double odd[] = { 0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 1, -1 };
    switch (kind) {
    case 0: return gm_random_normal(g) * pow(10, (double)gm_random_below(g, 600) - 300);
    case 1: return (double)gm_random_below(g, 1000) - 500;
    case 2: return odd[gm_random_below(g, 8)];
    case 3: return 7;
    default: return gm_random_double(g);
    }
}

static void radix_sorts_as_comparing_does(void)
{
    gm_random g;
    gm_random_init(&g, 4);
    for (int round = 0; round < 300; round++) {
        int64_t n = round < 20 ? round : gm_random_below(&g, 5000);
        double *v = calloc((size_t)n + 1, sizeof(double)), *with = calloc((size_t)n + 1, sizeof(double)),
               *scratch = calloc(2 * (size_t)n + 1, sizeof(double));
        double *want = calloc((size_t)n + 1, sizeof(double)), *fast = calloc((size_t)n + 1, sizeof(double)),
               *first = calloc((size_t)n + 1, sizeof(double));
        for (int64_t i = 0; i < n; i++) {
            first[i] = v[i] = want[i] = fast[i] = value(&g, round % 5);
            with[i] = (double)i;
        }
        qsort(want, (size_t)n, sizeof(double), ascending);
        gm_sort_doubles(fast, n);
        gm_sort_radix(v, round & 1 ? with : NULL, scratch, n);
        for (int64_t i = 0; i < n; i++) {
            CHECK(v[i] == want[i] && fast[i] == want[i]);
            if (round & 1) CHECK(first[(int64_t)with[i]] == v[i]); /* what goes along stays with its value */
            if ((round & 1) && i > 0 && v[i] == v[i - 1] && v[i] != 0) CHECK(with[i] > with[i - 1]); /* and in its order */
        }
        free(v);
        free(with);
        free(scratch);
        free(want);
        free(fast);
        free(first);
    }
}

static void selection_splits(void)
{
    gm_random g;
    gm_random_init(&g, 5);
    for (int round = 0; round < 200; round++) {
        double v[500], want[500];
        int64_t n = 1 + gm_random_below(&g, 500), k = gm_random_below(&g, n);
        for (int64_t i = 0; i < n; i++) want[i] = v[i] = value(&g, round % 5);
        qsort(want, (size_t)n, sizeof(double), ascending);
        gm_select(v, n, k);
        CHECK(v[k] == want[k]);
        for (int64_t i = 0; i < n; i++) CHECK(i < k ? v[i] <= v[k] : v[i] >= v[k]);
    }
}

TESTS(T(radix_sorts_as_comparing_does), T(selection_splits))
