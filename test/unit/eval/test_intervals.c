/* test_intervals.c - do 95 % intervals hold the truth about 95 times in 100, and are they the same every time? */
#include "eval/intervals.h"
#include "unit/eval/eval_case.h"

static void weights_are_poisson_and_reproducible(void)
{
    enum { ROWS = 200000 };
    static uint8_t w[ROWS], again[ROWS];
    gm_poisson_weights(5, 3, ROWS, w);
    gm_poisson_weights(5, 3, ROWS, again);
    CHECK(memcmp(w, again, ROWS) == 0);
    gm_poisson_weights(5, 3, 1000, again); /* fewer rows: the same weights */
    CHECK(memcmp(w, again, 1000) == 0);
    double counts[12] = { 0 }, want = exp(-1);
    for (int i = 0; i < ROWS; i++) counts[w[i]]++;
    for (int k = 0; k < 5; k++) {
        CHECK_NEAR(counts[k] / ROWS, want, 5 * sqrt(want / ROWS)); /* five standard errors */
        want /= k + 1;
    }
    gm_poisson_weights(5, 4, ROWS, again);
    CHECK(memcmp(w, again, ROWS) != 0);
}

/* The share of made-up samples whose interval holds the value of a very large sample. 120 samples: 95 % +- 5 % is five standard
 * errors of 2 % on each side, cut to what percentile intervals of 300 rows reach. */
static void check_coverage(const char *name, double low_share)
{
    enum { LARGE = 200000, ROWS = 300, SAMPLES = 120 };
    static double truth[LARGE], score[LARGE];
    made_up(99, LARGE, 1, truth, score);
    gm_scores s = binary_scores(truth, score, LARGE);
    double target = metric_of(name, &s);
    int holds = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        gm_arena *a = gm_arena_new(0);
        gm_interval interval;
        gm_err err;
        made_up(1000 + i, ROWS, 1, truth, score);
        s.rows = ROWS;
        CHECK_OK(gm_metric_interval(metric_named(name), &s, i, a, &interval, &err), &err);
        CHECK(interval.low <= interval.value && interval.value <= interval.high);
        holds += interval.low <= target && target <= interval.high;
        gm_arena_free(a);
    }
    if (holds < low_share * SAMPLES || holds > 0.995 * SAMPLES)
        gm_harness_fail(__FILE__, __LINE__, "%s: %d of %d intervals hold %.4f", name, holds, (int)SAMPLES, target);
}

static void delong_covers(void) { check_coverage("roc_auc", 0.90); }
static void wilson_covers(void) { check_coverage("accuracy", 0.90); }
static void bootstrap_covers_log_loss(void) { check_coverage("log_loss", 0.89); }
static void bootstrap_covers_f1(void) { check_coverage("f1", 0.89); }

/* Two ways to the same interval: gini = 2 AUC - 1 by bootstrap, AUC by DeLong. */
static void bootstrap_agrees_with_delong(void)
{
    enum { ROWS = 20000 };
    static double truth[ROWS], score[ROWS];
    made_up(3, ROWS, 1, truth, score);
    gm_scores s = binary_scores(truth, score, ROWS);
    gm_arena *a = gm_arena_new(0);
    gm_interval auc, gini;
    gm_err err;
    CHECK_OK(gm_metric_interval(metric_named("roc_auc"), &s, 1, a, &auc, &err), &err);
    CHECK_OK(gm_metric_interval(metric_named("gini"), &s, 1, a, &gini, &err), &err);
    CHECK_NEAR((gini.high - gini.low) / 2, auc.high - auc.low, 0.2 * (auc.high - auc.low)); /* 200 replicates */
    CHECK_STR(auc.method, "DeLong");
    CHECK_STR(gini.method, "Poisson bootstrap, 200 replicates");
    gm_arena_free(a);
}

static void the_same_seed_gives_the_same_bits(void)
{
    enum { ROWS = 500 };
    static double truth[ROWS], score[ROWS];
    made_up(3, ROWS, 1, truth, score);
    gm_scores s = binary_scores(truth, score, ROWS);
    gm_interval x, y, z;
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    const gm_metric *m = metric_named("average_precision");
    CHECK_OK(gm_metric_interval(m, &s, 1, a, &x, &err), &err);
    CHECK_OK(gm_metric_interval(m, &s, 1, a, &y, &err), &err);
    CHECK_OK(gm_metric_interval(m, &s, 2, a, &z, &err), &err);
    CHECK(x.low == y.low && x.high == y.high);
    CHECK(x.low != z.low);
    gm_arena_free(a);
}

static void proportions_at_the_ends(void)
{
    double truth[] = { 1, 1, 1, 0 }, all[] = { .9, .9, .9, .1 }, none[] = { .1, .1, .1, .9 };
    gm_scores s = binary_scores(truth, all, 4);
    gm_arena *a = gm_arena_new(0);
    gm_interval i;
    gm_err err;
    CHECK_OK(gm_metric_interval(metric_named("accuracy"), &s, 1, a, &i, &err), &err);
    CHECK(i.high == 1 && i.low > 0.5 && i.low < 0.52); /* 4 / (4 + 1.96^2) = 0.5101 */
    s.predicted = none;
    CHECK_OK(gm_metric_interval(metric_named("accuracy"), &s, 1, a, &i, &err), &err);
    CHECK(i.low == 0 && i.high > 0.48 && i.high < 0.5);
    s.truth = (double[]){ 0, 0, 0, 0 }; /* no positives: recall is 0 of 0 */
    CHECK_OK(gm_metric_interval(metric_named("recall"), &s, 1, a, &i, &err), &err);
    CHECK(i.value == 0 && isnan(i.low) && isnan(i.high));
    gm_arena_free(a);
}

static void no_interval_where_there_is_none(void)
{
    double truth[] = { 1, 2, 3 }, p[] = { 1, 2, 5 };
    gm_scores s = value_scores(truth, p, 3);
    gm_arena *a = gm_arena_new(0);
    gm_interval i;
    gm_err err;
    CHECK_OK(gm_metric_interval(metric_named("max_error"), &s, 1, a, &i, &err), &err);
    CHECK(i.value == 2 && isnan(i.low) && isnan(i.high));
    CHECK_STR(i.method, "");
    double one[] = { 1, 1 }, q[] = { .2, .3 };
    s = binary_scores(one, q, 2);
    CHECK_RC(gm_metric_interval(metric_named("roc_auc"), &s, 1, a, &i, &err), GM_EINVALID);
    CHECK_HAS(err.message, "both classes");
    double two[] = { 0, 1 };
    s.truth = two; /* one row each: no variance */
    CHECK_OK(gm_metric_interval(metric_named("roc_auc"), &s, 1, a, &i, &err), &err);
    CHECK(i.value == 1 && isnan(i.low));
    gm_arena_free(a);
}

TESTS(T(weights_are_poisson_and_reproducible), T(delong_covers), T(wilson_covers), T(bootstrap_covers_log_loss), T(bootstrap_covers_f1),
      T(bootstrap_agrees_with_delong), T(the_same_seed_gives_the_same_bits), T(proportions_at_the_ends), T(no_interval_where_there_is_none))
