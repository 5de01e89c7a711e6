/* test_drift_numbers.c - our own detectors on samples small enough to compute by hand. */
#include "unit/watch/drift_case.h"

enum { MANY = 1000 };

/* Ten hundreds of the numbers 0..9 but for the given counts. */
static double *repeated(const int *counts, int values, int64_t *rows)
{
    double *v = calloc(100000, sizeof(*v));
    *rows = 0;
    for (int k = 0; k < values; k++)
        for (int i = 0; i < counts[k]; i++) v[(*rows)++] = k;
    return v;
}

static gm_detector_value of(const char *detector, const gm_column *r, const gm_column *c)
{
    gm_detector_value v;
    gm_err err;
    CHECK_OK(drift_value(drift_detector(detector), r, c, r->type == GM_TYPE_STRING, GM_COMPAT_DEFAULT, &v, &err), &err);
    return v;
}

/* p = (0.6, 0.4), q = (0.3, 0.7), 100 rows each */
static void two_values_by_hand(void)
{
    int64_t n, m;
    double *x = repeated((int[]){ 60, 40 }, 2, &n), *y = repeated((int[]){ 30, 70 }, 2, &m);
    gm_column r = drift_numbers("x", x, n), c = drift_numbers("x", y, m);
    double psi = -0.3 * log(0.5) + 0.3 * log(1.75), noise = 0.02;
    double jsd = (0.6 * log2(0.6 / 0.45) + 0.4 * log2(0.4 / 0.55) + 0.3 * log2(0.3 / 0.45) + 0.7 * log2(0.7 / 0.55)) / 2;
    double h2 = 1 - sqrt(0.18) - sqrt(0.28), x2 = 4 * 15 * 15 * (1 / 45.0 + 1 / 55.0) / 2;
    CHECK_NEAR(of("psi", &r, &c).plain, psi, 1e-14);
    CHECK_NEAR(of("psi", &r, &c).value, psi - noise, 1e-14);
    CHECK_NEAR(of("jensen_shannon", &r, &c).plain, sqrt(jsd), 1e-14);
    CHECK_NEAR(of("jensen_shannon", &r, &c).value, sqrt(jsd - noise / 8 / log(2)), 1e-14);
    CHECK_NEAR(of("hellinger", &r, &c).plain, sqrt(h2), 1e-14);
    CHECK_NEAR(of("hellinger", &r, &c).value, sqrt(h2 - noise / 8), 1e-14);
    CHECK_NEAR(of("l_infinity", &r, &c).value, 0.3, 1e-14);
    CHECK_NEAR(of("ks", &r, &c).value, 0.3, 1e-14);
    CHECK_NEAR(of("wasserstein", &r, &c).value, 0.3 / sqrt(0.24), 1e-13);
    CHECK_NEAR(of("chi_square", &r, &c).plain, sqrt(x2 * noise), 1e-14);
    CHECK_NEAR(of("chi_square", &r, &c).value, sqrt((x2 - 1) * noise), 1e-14);
    CHECK_NEAR(of("chi_square", &r, &c).p_value, erfc(sqrt(x2 / 2)), 1e-14); /* one degree of freedom: a squared normal */
    free(x);
    free(y);
}

static void quantile_bins_hold_a_tenth_each(void)
{
    double x[MANY], y[MANY];
    for (int i = 0; i < MANY; i++) {
        x[i] = i;
        y[i] = i < 500 ? -1e9 : 1e9; /* the ends are open */
    }
    gm_column r = drift_numbers("x", x, MANY), c = drift_numbers("x", y, MANY);
    double want = 2 * (0.5 - 0.1) * log(0.5 / 0.1) + 8 * (1e-4 - 0.1) * log(1e-4 / 0.1);
    CHECK_NEAR(of("psi", &r, &c).plain, want, 1e-12);
    CHECK_NEAR(of("psi", &r, &c).value, want - 9 * 0.002, 1e-12);
    CHECK_NEAR(of("psi", &r, &r).plain, 0, 1e-14);
    CHECK(of("psi", &r, &r).value == 0 && of("wasserstein", &r, &r).value == 0 && of("ks", &r, &r).value == 0);
    CHECK_NEAR(of("ks", &r, &c).value, 0.5, 1e-14);
    CHECK_NEAR(of("jensen_shannon", &r, &(gm_column){ .name = "x", .type = GM_TYPE_FLOAT, .rows = 1, .f64 = y }).plain,
               sqrt(0.1 / 2 * log2(0.1 / 0.55) + 0.9 / 2 + log2(1 / 0.55) / 2), 1e-12);
}

/* 95 % of one value: its bin, and what is below or above. */
static void a_frequent_value_does_not_swallow_the_others(void)
{
    double x[MANY], y[MANY];
    for (int i = 0; i < MANY; i++) {
        x[i] = i < 50 ? i + 1 : 100;
        y[i] = i < 500 ? i / 10 : 100;
    }
    gm_column r = drift_numbers("x", x, MANY), c = drift_numbers("x", y, MANY);
    double want = (0.5 - 0.05) * log(0.5 / 0.05) + (0.5 - 0.95) * log(0.5 / 0.95);
    CHECK_NEAR(of("psi", &r, &c).plain, want, 1e-12);
}

static void shifted_by_half_a_deviation(void)
{
    double x[MANY], y[MANY];
    for (int i = 0; i < MANY; i++) {
        x[i] = i;
        y[i] = i + 150;
    }
    gm_column r = drift_numbers("x", x, MANY), c = drift_numbers("x", y, MANY);
    CHECK_NEAR(of("wasserstein", &r, &c).value, 150 / sqrt((1e6 - 1) / 12), 1e-12);
    CHECK_NEAR(of("ks", &r, &c).value, 0.15, 1e-14);
}

static void a_constant_reference_still_sees_change(void)
{
    double x[MANY], y[MANY];
    for (int i = 0; i < MANY; i++) {
        x[i] = 5;
        y[i] = i < 500 ? 5 : 6;
    }
    gm_column r = drift_numbers("x", x, MANY), c = drift_numbers("x", y, MANY);
    CHECK_NEAR(of("psi", &r, &c).plain, 0.5 * log(2) + (0.5 - 1e-4) * log(0.5 / 1e-4), 1e-12);
    CHECK_NEAR(of("wasserstein", &r, &c).value, 0.5 / sqrt(0.25 * 0.75), 1e-13); /* sd of both together */
    CHECK(of("psi", &r, &r).value == 0 && of("wasserstein", &r, &r).value == 0);
}

static void huge_values_stay_finite(void)
{
    double x[MANY], y[MANY];
    for (int i = 0; i < MANY; i++) {
        x[i] = (i - 500) * 3e305;
        y[i] = (i - 400) * 3e305;
    }
    gm_column r = drift_numbers("x", x, MANY), c = drift_numbers("x", y, MANY);
    CHECK_NEAR(of("wasserstein", &r, &c).value, 100 / sqrt((1e6 - 1) / 12), 1e-12);
    for (size_t k = 0; k < gm_detectors.count; k++) CHECK(isfinite(of(gm_detectors.items[k]->name, &r, &c).value));
    for (int i = 0; i < MANY; i++) y[i] = i; /* beside an ordinary side */
    CHECK(isfinite(of("wasserstein", &r, &c).value) && isfinite(of("wasserstein", &c, &r).value));
}

/* Values stay within their range and do not depend on the order of the rows, whatever the samples. */
static void ranges_and_order(void)
{
    gm_random g;
    gm_random_init(&g, 17);
    for (int round = 0; round < 200; round++) {
        double x[400], y[300], back[400];
        int64_t n = 1 + gm_random_below(&g, 400), m = 1 + gm_random_below(&g, 300), values = 1 + gm_random_below(&g, 40);
        for (int64_t i = 0; i < n; i++) x[i] = round & 1 ? gm_random_normal(&g) : (double)gm_random_below(&g, values);
        for (int64_t i = 0; i < m; i++) y[i] = round & 1 ? 3 * gm_random_normal(&g) : (double)gm_random_below(&g, values) - 2;
        for (int64_t i = 0; i < n; i++) back[i] = x[n - 1 - i];
        gm_column r = drift_numbers("x", x, n), b = drift_numbers("x", back, n), c = drift_numbers("x", y, m);
        for (size_t k = 0; k < gm_detectors.count; k++) {
            const gm_detector *d = (const gm_detector *)gm_detectors.items[k];
            gm_detector_value v = of(d->item.name, &r, &c), w = of(d->item.name, &b, &c);
            if (!(v.value >= d->low && v.value <= d->high && v.plain >= v.value - 1e-15 && v.bound == 0))
                gm_harness_fail(__FILE__, __LINE__, "round %d: %s is %g, plain %g, bound %g", round, d->item.name, v.value,
                                v.plain, v.bound);
            CHECK(v.value == w.value && v.plain == w.plain);
            CHECK(isnan(v.p_value) || (v.p_value >= 0 && v.p_value <= 1));
        }
    }
}

/* Each sample has rare texts of its own; they are grouped by nothing that depends on the sample. */
static void rare_texts_are_no_drift(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_random g;
    gm_random_init(&g, 3);
    static char names[3000][8];
    const char *x[8000], *y[900];
    double worst = 0, most_plain = 0;
    for (int i = 0; i < 3000; i++) (void)snprintf(names[i], sizeof(names[i]), "t%d", i);
    for (int i = 0; i < 8000; i++) x[i] = names[(int)(3000 * pow(gm_random_double(&g), 3))];
    gm_column r = drift_texts(a, "t", x, 8000);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 900; i++) y[i] = names[(int)(3000 * pow(gm_random_double(&g), 3))];
        gm_column c = drift_texts(a, "t", y, 900);
        gm_detector_value v = of("psi", &r, &c);
        worst = fmax(worst, v.value);
        most_plain = fmax(most_plain, v.plain);
    }
    CHECK(worst < 0.05 && most_plain < 0.1);
    gm_arena_free(a);
}

static void kinds_and_definitions_are_checked(void)
{
    gm_arena *a = gm_arena_new(0);
    double x[3] = { 1, 2, 3 };
    gm_column n = drift_numbers("x", x, 3), t = drift_texts(a, "t", (const char *[]){ "a", "b", NULL }, 3);
    gm_detector_value v = { .value = -7 };
    gm_err err;
    CHECK_RC(drift_value(drift_detector("ks"), &t, &t, true, GM_COMPAT_DEFAULT, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "judges numbers");
    CHECK_RC(drift_value(drift_detector("psi"), &n, &n, false, GM_COMPAT_NANNYML, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "nannyml has no detector \"psi\"");
    CHECK_HAS(err.hint, "wasserstein");
    CHECK(v.value == -7);
    gm_compat compat = GM_COMPAT_DEFAULT;
    CHECK_RC(gm_compat_from_name("evidentely", &compat, &err), GM_EINVALID);
    CHECK_HAS(err.hint, "evidently");
    CHECK_OK(gm_compat_from_name("tfdv", &compat, &err), &err);
    CHECK(compat == GM_COMPAT_TFDV);
    gm_arena_free(a);
}

TESTS(T(two_values_by_hand), T(quantile_bins_hold_a_tenth_each), T(a_frequent_value_does_not_swallow_the_others),
      T(shifted_by_half_a_deviation), T(a_constant_reference_still_sees_change), T(huge_values_stay_finite), T(ranges_and_order),
      T(rare_texts_are_no_drift), T(kinds_and_definitions_are_checked))
