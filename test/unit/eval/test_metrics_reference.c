/* test_metrics_reference.c - metrics, intervals and comparisons against scikit-learn and SciPy: test/conformance/eval/. */
#include "eval/intervals.h"
#include "unit/eval/eval_case.h"

/* Sums of 1,500 terms in another order differ by a few units in the last place. */
#define TOLERANCE 1e-12

static void check_metric(const char *name, double want, void *ctx)
{
    double got = metric_of(name, ctx);
    if (!(fabs(got - want) <= TOLERANCE * fmax(1, fabs(want)))) gm_harness_fail(__FILE__, __LINE__, "%s is %.17g, want %.17g", name, got, want);
}

static void binary_metrics(void)
{
    reference r = read_reference("binary.csv");
    gm_scores s = binary_scores(reference_column(&r, 0), reference_column(&r, 1), r.rows);
    CHECK(r.rows == 1500);
    CHECK(each_expected("binary", check_metric, &s) == 15);
    s.threshold = 0.3;
    CHECK(each_expected("binary_at_0.3", check_metric, &s) == 15);
    free(r.data);
}

static void multiclass_metrics(void)
{
    reference r = read_reference("multiclass.csv");
    double *p = calloc((size_t)r.rows * 3, sizeof(double));
    for (int64_t i = 0; i < r.rows; i++)
        for (size_t k = 0; k < 3; k++) p[(size_t)i * 3 + k] = reference_column(&r, k + 1)[i];
    gm_scores s = class_scores(reference_column(&r, 0), p, r.rows, 3);
    CHECK(each_expected("multiclass", check_metric, &s) == 12);
    free(p);
    free(r.data);
}

static void regression_metrics(void)
{
    reference r = read_reference("regression.csv");
    gm_scores s = value_scores(reference_column(&r, 0), reference_column(&r, 1), r.rows);
    CHECK(each_expected("regression", check_metric, &s) == 10);
    double *t = calloc((size_t)r.rows * 2, sizeof(double)), *p = t + r.rows;
    for (int64_t i = 0; i < r.rows; i++) {
        t[i] = exp(s.truth[i] / 3);
        p[i] = exp(s.predicted[i] / 3);
    }
    s.truth = t;
    s.predicted = p;
    CHECK(each_expected("positive", check_metric, &s) == 11);
    free(t);
    free(r.data);
}

typedef struct compared {
    gm_interval auc, accuracy;
    gm_comparison by_auc;
    int64_t only_a, only_b;
    double p;
} compared;

static void check_comparison(const char *name, double want, void *ctx)
{
    const compared *c = ctx;
    double got = strcmp(name, "delong_low") == 0          ? c->auc.low
                 : strcmp(name, "delong_high") == 0       ? c->auc.high
                 : strcmp(name, "delong_delta") == 0      ? c->by_auc.delta
                 : strcmp(name, "delong_p") == 0          ? c->by_auc.p_value
                 : strcmp(name, "delong_half_width") == 0 ? (c->by_auc.high - c->by_auc.low) / 2
                 : strcmp(name, "mcnemar_only_a") == 0    ? (double)c->only_a
                 : strcmp(name, "mcnemar_only_b") == 0    ? (double)c->only_b
                 : strcmp(name, "mcnemar_p") == 0         ? c->p
                 : strcmp(name, "wilson_low") == 0        ? c->accuracy.low
                 : strcmp(name, "wilson_high") == 0       ? c->accuracy.high
                                                          : NAN;
    if (!(fabs(got - want) <= TOLERANCE)) gm_harness_fail(__FILE__, __LINE__, "%s is %.17g, want %.17g", name, got, want);
}

static void intervals_and_comparisons(void)
{
    reference r = read_reference("binary.csv");
    gm_scores a = binary_scores(reference_column(&r, 0), reference_column(&r, 1), r.rows), b = a;
    b.predicted = reference_column(&r, 2);
    gm_arena *arena = gm_arena_new(0);
    compared c;
    gm_err err;
    CHECK_OK(gm_metric_interval(metric_named("roc_auc"), &a, 1, arena, &c.auc, &err), &err);
    CHECK_OK(gm_metric_interval(metric_named("accuracy"), &a, 1, arena, &c.accuracy, &err), &err);
    CHECK_OK(gm_compare(metric_named("roc_auc"), &a, &b, 1, arena, &c.by_auc, &err), &err);
    CHECK_OK(gm_mcnemar(&a, &b, &c.only_a, &c.only_b, &c.p, &err), &err);
    CHECK(each_expected("comparison", check_comparison, &c) == 10);
    gm_arena_free(arena);
    free(r.data);
}

TESTS(T(binary_metrics), T(multiclass_metrics), T(regression_metrics), T(intervals_and_comparisons))
