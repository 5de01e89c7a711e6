/* test_drift_tests.c - p-values against counted paths, closed forms and each other; adjusted p-values by hand. */
#include "unit/watch/drift_case.h"

#include "watch/compat_internal.h"
#include "watch/drift_tests.h"

/* Even degrees of freedom: exp(-x/2) S_{k < df/2} (x/2)^k / k! */
static void chi_square_in_closed_form(void)
{
    const double xs[] = { 1e-8, 0.1, 1, 3.84, 10, 40, 200, 900 };
    for (size_t i = 0; i < sizeof(xs) / sizeof(xs[0]); i++) {
        for (int df = 2; df <= 200; df += 18) {
            double term = exp(-xs[i] / 2), sum = 0;
            for (int k = 0; k < df / 2; k++, term *= xs[i] / 2 / k) sum += term;
            if (sum > 1e-280) CHECK_NEAR(gm_chi_square_p(xs[i], df) / sum, 1, 1e-11);
        }
        CHECK_NEAR(gm_chi_square_p(xs[i], 1), erfc(sqrt(xs[i] / 2)), 1e-13);
    }
    CHECK(gm_chi_square_p(0, 3) == 1 && gm_chi_square_p(INFINITY, 3) == 0 && isnan(gm_chi_square_p(NAN, 3)) &&
          isnan(gm_chi_square_p(1, 0)));
}

static void contingency_by_hand(void)
{
    double df;
    CHECK_NEAR(gm_chi_square_2((double[]){ 10, 20, 0 }, (double[]){ 20, 10, 0 }, 3, &df), 4 * 25 / 15.0, 1e-12);
    CHECK(df == 1);
    CHECK(gm_chi_square_2((double[]){ 10 }, (double[]){ 20 }, 1, &df) == 0 && df == 0);
}

/* All orders of n and m values are equally likely: count those whose distance is at least d. */
static double counted(int n, int m, double d)
{
    int64_t all = 0, far = 0;
    for (uint32_t mask = 0; mask < 1u << (n + m); mask++) {
        if (__builtin_popcount(mask) != n) continue;
        double most = 0;
        for (int i = 0, up = 0; i < n + m; i++) {
            up += (int)(mask >> i & 1);
            most = fmax(most, fabs((double)up / n - (double)(i + 1 - up) / m));
        }
        all++;
        far += most >= d - 1e-12;
    }
    return (double)far / (double)all;
}

static void two_samples_are_counted_exactly(void)
{
    const int sizes[][2] = { { 5, 5 }, { 8, 8 }, { 7, 4 }, { 4, 7 }, { 9, 6 }, { 1, 10 }, { 12, 3 } };
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        int n = sizes[k][0], m = sizes[k][1];
        for (int h = 0; h <= n * m; h++) {
            double d = (double)h / (n * m), want = counted(n, m, d);
            double reached = 0; /* a distance that two such samples can have */
            for (int i = 0; i <= n; i++)
                for (int j = 0; j <= m; j++) reached += fabs(fabs((double)i / n - (double)j / m) - d) < 1e-12;
            if (reached > 0) CHECK_NEAR(gm_scipy_ks_2samp_p(d, n, m), want, 1e-13);
        }
    }
}

static void the_shown_p_value_is_near_the_exact_one(void)
{
    const int64_t sizes[][2] = { { 40, 40 }, { 100, 60 }, { 900, 50 }, { 900, 3000 } };
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        double n = (double)sizes[k][0], m = (double)sizes[k][1], e = sqrt(n * m / (n + m));
        for (double t = 0.5; t < 2.5; t += 0.1) {
            double d = floor(t / e * n) / n; /* on the grid of one side */
            CHECK_NEAR(gm_ks_p(d, n, m), gm_scipy_ks_2samp_p(d, sizes[k][0], sizes[k][1]), 0.06);
        }
        CHECK(gm_ks_p(0, n, m) == 1 && gm_ks_p(1, n, m) < 1e-9 && isnan(gm_ks_p(NAN, n, m)));
    }
}

/* Known values; and where the switches are, the parts agree. */
static void one_sample_distribution(void)
{
    CHECK_NEAR(gm_scipy_kstwo_sf(0.75, 1), 0.5, 1e-15);                      /* P(D_1 >= d) = 2 (1 - d) from 1/2 on */
    CHECK_NEAR(gm_scipy_kstwo_sf(0.3, 2), 1 - 0.5 * 0.2 * 0.2, 1e-14);       /* 1 - n!/n^n (2 n d - 1)^n */
    CHECK_NEAR(gm_scipy_kstwo_sf(0.274, 10), 1 - 0.6284796154565482, 1e-12); /* Marsaglia, Tsang & Wang (2003), section 4 */
    for (int n = 20; n <= 140; n += 40) {
        double d = sqrt(4.0 / n);
        CHECK_NEAR(gm_scipy_kstwo_sf(d - 1e-9, n) / gm_scipy_kstwo_sf(d + 1e-9, n), 1, 1e-3); /* matrix and one-sided sum */
    }
    for (int n = 1000; n <= 100000; n *= 10) {
        double d = sqrt(2.2 / n), low = pow(1.4 / n, 2.0 / 3);
        CHECK_NEAR(gm_scipy_kstwo_sf(d - 1e-9, n), gm_scipy_kstwo_sf(d + 1e-9, n), 1e-4);     /* Pelz and Good; one-sided sum */
        CHECK_NEAR(gm_scipy_kstwo_sf(low - 1e-9, n), gm_scipy_kstwo_sf(low + 1e-9, n), 1e-5); /* matrix; Pelz and Good */
    }
    CHECK(gm_scipy_kstwo_sf(0, 5) == 1 && gm_scipy_kstwo_sf(1, 5) == 0 && gm_scipy_kstwo_sf(0.9, 1000) == 0 &&
          isnan(gm_scipy_kstwo_sf(NAN, 5)));
}

static void adjusted_by_hand(void)
{
    gm_arena *a = gm_arena_new(0);
    double p[] = { 0.01, NAN, 0.04, 0.03, 0.005 };
    gm_benjamini_hochberg(p, 5, a);
    CHECK_NEAR(p[0], 0.02, 1e-15);
    CHECK(isnan(p[1]));
    CHECK_NEAR(p[2], 0.04, 1e-15);
    CHECK_NEAR(p[3], 0.04, 1e-15);
    CHECK_NEAR(p[4], 0.02, 1e-15);
    double one[] = { 0.7 }, none[] = { NAN, NAN };
    gm_benjamini_hochberg(one, 1, a);
    gm_benjamini_hochberg(none, 2, a);
    gm_benjamini_hochberg(none, 0, a);
    CHECK(one[0] == 0.7 && isnan(none[0]));
    gm_arena_free(a);
}

TESTS(T(chi_square_in_closed_form), T(contingency_by_hand), T(two_samples_are_counted_exactly),
      T(the_shown_p_value_is_near_the_exact_one), T(one_sample_distribution), T(adjusted_by_hand))
