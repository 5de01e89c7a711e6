/* test_compare.c - candidate against champion: signs, p-values by hand, rows that do not match. */
#include "unit/eval/eval_case.h"

enum { ROWS = 3000 };
static double truth[ROWS], good[ROWS], worse[ROWS];

static void make(void)
{
    gm_random r;
    gm_random_init(&r, 4);
    made_up(1, ROWS, 1, truth, good);
    for (int i = 0; i < ROWS; i++) worse[i] = 0.4 * good[i] + 0.6 * gm_random_double(&r);
}

static gm_comparison compared(const char *metric, const gm_scores *a, const gm_scores *b)
{
    gm_comparison c;
    gm_err err;
    gm_arena *arena = gm_arena_new(0);
    CHECK_OK(gm_compare(metric_named(metric), a, b, 1, arena, &c, &err), &err);
    gm_arena_free(arena);
    return c;
}

static void the_better_model_is_told(void)
{
    static const struct {
        const char *metric, *method;
        double sign;
    } cases[] = { { "roc_auc", "DeLong paired", 1 }, { "accuracy", "McNemar exact", 1 },
                  { "average_precision", "paired bootstrap, 200 replicates", 1 }, { "brier", "paired bootstrap, 200 replicates", -1 } };
    make();
    gm_scores a = binary_scores(truth, good, ROWS), b = binary_scores(truth, worse, ROWS);
    for (size_t i = 0; i < 4; i++) {
        gm_comparison c = compared(cases[i].metric, &a, &b), back = compared(cases[i].metric, &b, &a);
        CHECK_STR(c.method, cases[i].method);
        CHECK_NEAR(c.delta, metric_of(cases[i].metric, &a) - metric_of(cases[i].metric, &b), 1e-12);
        CHECK(c.delta * cases[i].sign > 0 && c.p_value < 0.02);
        CHECK(c.low < c.delta && c.delta < c.high && c.low * c.high > 0);
        CHECK_NEAR(back.delta, -c.delta, 1e-12);
    }
}

static void a_model_equals_itself(void)
{
    static const char *const metrics[] = { "roc_auc", "accuracy", "log_loss" };
    make();
    gm_scores a = binary_scores(truth, good, ROWS);
    for (size_t i = 0; i < 3; i++) {
        gm_comparison c = compared(metrics[i], &a, &a);
        CHECK(c.delta == 0 && c.p_value == 1 && c.low == 0 && c.high == 0);
    }
}

/* 3 rows only a gets right, 1 only b: p = 2 (C(4,0) + C(4,1)) / 16 = 0.625. */
static void mcnemar_by_hand(void)
{
    double t[] = { 1, 1, 1, 1, 0, 0 }, a[] = { .9, .9, .9, .1, .1, .9 }, b[] = { .1, .1, .1, .9, .1, .9 };
    gm_scores sa = binary_scores(t, a, 6), sb = binary_scores(t, b, 6);
    int64_t only_a = 0, only_b = 0;
    double p = 0;
    gm_err err;
    CHECK_OK(gm_mcnemar(&sa, &sb, &only_a, &only_b, &p, &err), &err);
    CHECK(only_a == 3 && only_b == 1);
    CHECK_NEAR(p, 0.625, 1e-14);
    CHECK_OK(gm_mcnemar(&sa, &sa, &only_a, &only_b, &p, &err), &err);
    CHECK(only_a == 0 && only_b == 0 && p == 1);
}

static void other_rows_are_refused(void)
{
    double t[] = { 0, 1, 1 }, u[] = { 0, 1, 0 }, p[] = { .1, .2, .3 };
    gm_scores a = binary_scores(t, p, 3), b = binary_scores(u, p, 3);
    gm_comparison c;
    gm_err err;
    gm_arena *arena = gm_arena_new(0);
    CHECK_RC(gm_compare(metric_named("roc_auc"), &a, &b, 1, arena, &c, &err), GM_EINVALID);
    CHECK_HAS(err.message, "truth of row 2 differs");
    b = binary_scores(t, p, 2);
    CHECK_RC(gm_compare(metric_named("roc_auc"), &a, &b, 1, arena, &c, &err), GM_EINVALID);
    CHECK_RC(gm_compare(metric_named("rmse"), &a, &a, 1, arena, &c, &err), GM_EINVALID);
    CHECK_HAS(err.message, "regression");
    gm_arena_free(arena);
}

/* Under equality of two noisy models p is about uniform: below 0.1 in about a tenth of 200 draws (sd 2 %). */
static void p_values_are_honest(void)
{
    int small = 0;
    enum { N = 300, DRAWS = 200 };
    static double t[N], x[N], y[N];
    for (uint64_t d = 0; d < DRAWS; d++) {
        gm_random r;
        gm_random_init(&r, 500 + d);
        for (int i = 0; i < N; i++) {
            t[i] = gm_random_double(&r) < 0.5;
            x[i] = t[i] + 2 * gm_random_normal(&r);
            y[i] = t[i] + 2 * gm_random_normal(&r);
        }
        gm_scores a = binary_scores(t, x, N), b = binary_scores(t, y, N);
        small += compared("roc_auc", &a, &b).p_value < 0.1;
    }
    CHECK(small >= 8 && small <= 34);
}

/* Rows that come in blocks, in each of which one of two equal models is better by chance: the rows' own interval takes their number for
 * knowledge, that of blocks is right about as often as it says. */
static void blocks_are_drawn_whole(void)
{
    int by_rows = 0, by_blocks = 0;
    enum { N = 600, BLOCKS = 40, DRAWS = 150 };
    static double t[N], x[N], y[N];
    static int32_t block[N];
    gm_err err;
    for (uint64_t d = 0; d < DRAWS; d++) {
        gm_random r;
        gm_comparison c;
        gm_arena *arena = gm_arena_new(0);
        double bias = 0;
        gm_random_init(&r, 900 + d);
        for (int i = 0; i < N; i++) {
            block[i] = i * BLOCKS / N;
            if (i % (N / BLOCKS) == 0) bias = gm_random_normal(&r);
            t[i] = gm_random_double(&r) < 0.5;
            x[i] = fmin(0.95, fmax(0.05, 0.5 + (t[i] - 0.5) * 0.3 * bias));
            y[i] = fmin(0.95, fmax(0.05, 0.5 - (t[i] - 0.5) * 0.3 * bias));
        }
        gm_scores a = binary_scores(t, x, N), b = binary_scores(t, y, N);
        by_rows += compared("brier", &a, &b).p_value < 0.1;
        CHECK_OK(gm_compare_blocks(metric_named("brier"), &a, &b, block, BLOCKS, 1, arena, &c, &err), &err);
        CHECK_NEAR(c.delta, metric_of("brier", &a) - metric_of("brier", &b), 1e-12);
        CHECK(c.low <= c.delta && c.delta <= c.high);
        by_blocks += c.p_value < 0.1;
        gm_arena_free(arena);
    }
    CHECK(by_rows > DRAWS / 2);
    CHECK(by_blocks >= 5 && by_blocks <= 30);
}

static void few_blocks_say_nothing(void)
{
    static int32_t block[ROWS];
    gm_comparison c;
    gm_err err;
    gm_arena *arena = gm_arena_new(0);
    make();
    gm_scores a = binary_scores(truth, good, ROWS), b = binary_scores(truth, worse, ROWS);
    for (int i = 0; i < ROWS; i++) block[i] = i % (GM_BLOCKS_MIN - 1);
    CHECK_OK(gm_compare_blocks(metric_named("roc_auc"), &a, &b, block, GM_BLOCKS_MIN - 1, 1, arena, &c, &err), &err);
    CHECK(c.delta > 0 && isnan(c.low) && isnan(c.high) && isnan(c.p_value));
    gm_arena_free(arena);
}

TESTS(T(blocks_are_drawn_whole), T(few_blocks_say_nothing), T(the_better_model_is_told), T(a_model_equals_itself), T(mcnemar_by_hand), T(other_rows_are_refused), T(p_values_are_honest))
