/* test_sketch.c - sketches keep the bounds that sketch.h states, on inputs made to break them. */
#include <stdlib.h>

#include "base/random.h"
#include "base/sort.h"
#include "data/sketch.h"
#include "harness/harness.h"

enum { MANY = 1000000 };

static double make(int shape, int64_t i, gm_random *r)
{
    switch (shape) {
    case 0: return (double)i;                                   /* sorted   */
    case 1: return (double)(MANY - i);                          /* reversed */
    case 2: return exp(3 * gm_random_normal(r));                /* skewed   */
    case 3: return (double)gm_random_below(r, 10);              /* ties     */
    default: return i % 2 ? (double)i : -(double)i;             /* two ends in turn: meets fixed parity */
    }
}

static void ranks_are_within_half_a_percent(void)
{
    double *v = malloc(MANY * sizeof(*v));
    CHECK(v != NULL);
    for (int shape = 0; shape < 5; shape++) {
        gm_random r;
        gm_quantiles q = { 0 };
        gm_weighted w;
        gm_random_init(&r, 11);
        for (int64_t i = 0; i < MANY; i++) v[i] = make(shape, i, &r);
        CHECK(gm_quantiles_add(&q, v, MANY / 3) && gm_quantiles_add(&q, v + MANY / 3, MANY - MANY / 3));
        CHECK(gm_quantiles_sorted(&q, &w));
        CHECK(w.total == MANY && w.count < 15 * GM_QUANTILES_LEVEL);
        gm_sort_doubles(v, MANY);
        for (int k = 1; k < 100; k++) {
            double got = gm_weighted_quantile(&w, k / 100.0);
            int64_t low = 0, high = 0; /* the ranks that the value really has */
            while (low < MANY && v[low] < got) low++;
            for (high = low; high < MANY && v[high] <= got; high++) {}
            double error = low > k * (MANY / 100) ? (double)(low - k * (MANY / 100)) : high < k * (MANY / 100) ? (double)(k * (MANY / 100) - high) : 0;
            if (error > 0.005 * MANY) gm_harness_fail(__FILE__, __LINE__, "shape %d, quantile %d%%: rank off by %g", shape, k, error);
        }
        free(w.value);
        free(w.weight);
        gm_quantiles_clear(&q);
    }
    free(v);
}

static void distinct_counts_are_within_three_standard_errors(void)
{
    for (int64_t n = 10; n <= MANY; n = n * 10 + 1) {
        gm_values v = { 0 };
        for (int64_t i = 0; i < n; i++) CHECK(gm_values_add(&v, (uint64_t)i * 8, 1, NULL, 0) && gm_values_add(&v, (uint64_t)i * 8, 1, NULL, 0));
        if (n <= GM_VALUES_MAX) CHECK(gm_values_distinct(&v) == n && !v.hll);
        else CHECK_NEAR((double)gm_values_distinct(&v) / (double)n, 1, 0.05);
        gm_values_clear(&v);
    }
}

static void quantiles_by_selection_equal_those_by_sorting(void)
{
    gm_random r;
    gm_random_init(&r, 5);
    for (int round = 0; round < 300; round++) {
        double v[700], sorted[700];
        int64_t n = gm_random_below(&r, 700) + 1;
        double p = round % 3 ? gm_random_double(&r) : round % 2;
        for (int64_t i = 0; i < n; i++) v[i] = sorted[i] = round % 5 ? gm_random_normal(&r) : (double)gm_random_below(&r, 5);
        gm_sort_doubles(sorted, n);
        CHECK_NEAR(gm_quantile_of(v, n, p), gm_quantile_sorted(sorted, n, p), 0);
    }
    CHECK(isnan(gm_quantile_of(NULL, 0, 0.5)));
}

TESTS(T(ranks_are_within_half_a_percent), T(distinct_counts_are_within_three_standard_errors), T(quantiles_by_selection_equal_those_by_sorting))
