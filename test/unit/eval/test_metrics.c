/* test_metrics.c - metrics by hand and at the edges; test_metrics_reference.c compares with scikit-learn. */
#include "unit/eval/eval_case.h"

/* Three of the four (positive, negative) pairs are in order: 3/4. */
static void three_pairs_of_four_in_order(void)
{
    double t[] = { 0, 0, 1, 1 }, p[] = { .1, .4, .35, .8 };
    gm_scores s = binary_scores(t, p, 4);
    CHECK_NEAR(metric_of("roc_auc", &s), 0.75, 1e-15);
    CHECK_NEAR(metric_of("gini", &s), 0.5, 1e-15);
    CHECK_NEAR(metric_of("ks", &s), 0.5, 1e-15);
    /* recall 1/2 at precision 1, then 1 at 2/3 */
    CHECK_NEAR(metric_of("average_precision", &s), 0.5 + 0.5 * 2 / 3, 1e-15);
    CHECK_NEAR(metric_of("brier", &s), (.01 + .16 + .4225 + .04) / 4, 1e-15);
    CHECK_NEAR(metric_of("log_loss", &s), -(log(.9) + log(.6) + log(.35) + log(.8)) / 4, 1e-15);
}

static void a_tied_pair_counts_one_half(void)
{
    double t[] = { 0, 1, 0, 1 }, p[] = { .5, .5, .5, .5 };
    gm_scores s = binary_scores(t, p, 4);
    CHECK_NEAR(metric_of("roc_auc", &s), 0.5, 0);
    CHECK_NEAR(metric_of("average_precision", &s), 0.5, 0);
    CHECK_NEAR(metric_of("ks", &s), 0, 0);
}

/* tn 1, fp 2, fn 1, tp 3. A score at the threshold is positive. */
static void a_confusion_by_hand(void)
{
    double t[] = { 0, 0, 0, 1, 1, 1, 1 }, p[] = { .1, .5, .9, .49, .5, .7, .8 };
    gm_scores s = binary_scores(t, p, 7);
    CHECK_NEAR(metric_of("accuracy", &s), 4.0 / 7, 1e-15);
    CHECK_NEAR(metric_of("precision", &s), 3.0 / 5, 1e-15);
    CHECK_NEAR(metric_of("recall", &s), 3.0 / 4, 1e-15);
    CHECK_NEAR(metric_of("specificity", &s), 1.0 / 3, 1e-15);
    CHECK_NEAR(metric_of("f1", &s), 6.0 / 9, 1e-15);
    CHECK_NEAR(metric_of("balanced_accuracy", &s), (3.0 / 4 + 1.0 / 3) / 2, 1e-15);
    CHECK_NEAR(metric_of("mcc", &s), (3.0 * 1 - 2 * 1) / sqrt(5 * 4 * 3 * 2), 1e-15);
    double po = 4.0 / 7, pe = (5.0 * 4 + 2 * 3) / 49;
    CHECK_NEAR(metric_of("cohen_kappa", &s), (po - pe) / (1 - pe), 1e-15);
    s.threshold = 0.8;
    CHECK_NEAR(metric_of("recall", &s), 1.0 / 4, 1e-15);
}

static void nothing_to_divide_gives_zero(void)
{
    double t[] = { 0, 1 }, p[] = { .1, .2 }, all[] = { 1, 1 };
    gm_scores s = binary_scores(t, p, 2);
    CHECK_NEAR(metric_of("precision", &s), 0, 0);
    CHECK_NEAR(metric_of("f1", &s), 0, 0);
    CHECK_NEAR(metric_of("mcc", &s), 0, 0);
    s.truth = all;
    CHECK_NEAR(metric_of("specificity", &s), 0, 0);
}

static void one_class_only_is_undefined(void)
{
    static const char *const names[] = { "roc_auc", "average_precision", "ks", "gini" };
    double t[] = { 1, 1 }, p[] = { 0, 1 };
    gm_scores s = binary_scores(t, p, 2);
    for (size_t i = 0; i < 4; i++) {
        double value = -1;
        gm_err err;
        CHECK_RC(value_of(names[i], &s, &value, &err), GM_EINVALID);
        CHECK_HAS(err.message, "both classes");
        CHECK_HAS(err.message, names[i]);
        CHECK_NEAR(value, -1, 0); /* not written on failure */
    }
}

static void bad_scores_are_refused(void)
{
    double t[] = { 0, 1, 1 }, nan_p[] = { .1, NAN, .2 }, inf_p[] = { .1, .2, INFINITY }, nan_t[] = { 0, NAN, 1 }, two[] = { 0, 2, 1 }, p[] = { .1, .2, .3 };
    double value = -1;
    gm_err err;
    gm_scores s = binary_scores(t, nan_p, 3);
    CHECK_RC(value_of("roc_auc", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "prediction of row 1 is not a number");
    s.predicted = inf_p;
    CHECK_RC(value_of("accuracy", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "row 2 is infinite");
    s = binary_scores(nan_t, p, 3);
    CHECK_RC(value_of("log_loss", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "truth of row 1 is missing");
    s = binary_scores(two, p, 3);
    CHECK_RC(value_of("accuracy", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "not one of the 2 classes");
    s = binary_scores(t, p, 0);
    CHECK_RC(value_of("accuracy", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "no rows");
    CHECK_NEAR(value, -1, 0);
}

static void probabilities_are_asked_for_where_needed(void)
{
    double t[] = { 0, 1 }, p[] = { -3, 2.5 }, value = -1;
    gm_err err;
    gm_scores s = binary_scores(t, p, 2);
    CHECK_RC(value_of("log_loss", &s, &value, &err), GM_EINVALID);
    CHECK_RC(value_of("brier", &s, &value, &err), GM_EINVALID);
    CHECK_RC(value_of("ece", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "outside 0 to 1");
    CHECK_NEAR(metric_of("roc_auc", &s), 1, 0);
}

static void certain_and_wrong_is_clipped(void)
{
    double t[] = { 1 }, p[] = { 0 };
    gm_scores s = binary_scores(t, p, 1);
    CHECK_NEAR(metric_of("log_loss", &s), 52 * log(2), 1e-12);
}

static void classes_by_hand(void)
{
    /* rows of class 0 0 1 2; predicted 0 1 1 1 (the first of equals in the last row) */
    double t[] = { 0, 0, 1, 2 };
    double p[] = { .8, .1, .1, .2, .5, .3, 0, 1, 0, .2, .4, .4 };
    gm_scores s = class_scores(t, p, 4, 3);
    CHECK_NEAR(metric_of("accuracy", &s), 0.5, 1e-15);
    CHECK_NEAR(metric_of("balanced_accuracy", &s), (0.5 + 1 + 0) / 3, 1e-15);
    CHECK_NEAR(metric_of("precision_macro", &s), (1 + 1.0 / 3 + 0) / 3, 1e-15);
    CHECK_NEAR(metric_of("recall_weighted", &s), 0.5, 1e-15);
    CHECK_NEAR(metric_of("f1_macro", &s), (2.0 / 3 + 2.0 / 4 + 0) / 3, 1e-15);
    CHECK_NEAR(metric_of("f1_weighted", &s), (2 * 2.0 / 3 + 2.0 / 4) / 4, 1e-15);
    CHECK_NEAR(metric_of("log_loss", &s), -(log(.8) + log(.2) + log(1 - 0x1p-52) + log(.4)) / 4, 1e-15);
    /* class 0: 2x2 pairs, .8>{0,.2} and .2>0, .2=.2: 3.5/4; class 1: 3 pairs all; class 2: .4 above .1 .3 0 */
    CHECK_NEAR(metric_of("roc_auc_ovr", &s), (3.5 / 4 + 1 + 1) / 3, 1e-15);
}

static void a_class_that_never_occurs_does_not_count(void)
{
    double t[] = { 0, 1, 0, 1 }, p[] = { .8, .2, 0, 0, .3, .7, 0, 0, .4, .6, 0, 0, .1, .9, 0, 0 }, value = -1;
    gm_scores s = class_scores(t, p, 4, 4);
    gm_err err;
    CHECK_NEAR(metric_of("recall_macro", &s), 0.75, 1e-15); /* of two classes, not of four */
    CHECK_NEAR(metric_of("balanced_accuracy", &s), 0.75, 1e-15);
    CHECK_RC(value_of("roc_auc_ovr", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "class 2 has none");
}

static void regression_by_hand(void)
{
    double t[] = { 1, 2, 4, 9 }, p[] = { 2, 2, 3, 5 };
    gm_scores s = value_scores(t, p, 4);
    CHECK_NEAR(metric_of("mse", &s), 18.0 / 4, 1e-15);
    CHECK_NEAR(metric_of("rmse", &s), sqrt(4.5), 1e-15);
    CHECK_NEAR(metric_of("mae", &s), 1.5, 1e-15);
    CHECK_NEAR(metric_of("median_absolute_error", &s), 1, 1e-15);
    CHECK_NEAR(metric_of("max_error", &s), 4, 0);
    CHECK_NEAR(metric_of("mape", &s), (1 + 0 + .25 + 4.0 / 9) / 4, 1e-15);
    CHECK_NEAR(metric_of("r2", &s), 1 - 18.0 / 38, 1e-15);
    CHECK_NEAR(metric_of("explained_variance", &s), 1 - (18 - 4.0) / 38, 1e-15);
    /* ranks 1.5 1.5 3 4 against 1 2 3 4 */
    CHECK_NEAR(metric_of("spearman", &s), 4.5 / sqrt(4.5 * 5), 1e-15);
}

static void constants_in_regression(void)
{
    double t[] = { 3, 3, 3 }, p[] = { 3, 3, 3 }, off[] = { 4, 4, 4 }, value = -1;
    gm_err err;
    gm_scores s = value_scores(t, p, 3);
    CHECK_NEAR(metric_of("r2", &s), 1, 0);
    CHECK_RC(value_of("pearson", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "true values are constant");
    CHECK_RC(value_of("spearman", &s, &value, &err), GM_EINVALID);
    s.predicted = off;
    CHECK_NEAR(metric_of("r2", &s), 0, 0);
    CHECK_NEAR(metric_of("explained_variance", &s), 1, 0);
    s.rows = 1;
    CHECK_RC(value_of("r2", &s, &value, &err), GM_EINVALID);
}

static void logarithms_need_values_above_minus_one(void)
{
    double t[] = { 1, -1 }, p[] = { 1, 1 }, value = -1;
    gm_err err;
    gm_scores s = value_scores(t, p, 2);
    CHECK_RC(value_of("rmsle", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "row 1");
}

static void names_are_found_by_task(void)
{
    const gm_metric *m = NULL;
    gm_err err;
    CHECK_OK(gm_metric_find("log_loss", GM_TASK_MULTICLASS, &m, &err), &err);
    CHECK_STR(m->item.name, "log_loss");
    CHECK_RC(gm_metric_find("rmse", GM_TASK_BINARY, &m, &err), GM_EINVALID);
    CHECK_STR(err.message, "metric \"rmse\" is for regression targets, this one is binary");
    CHECK_HAS(err.hint, "roc_auc");
    CHECK_RC(gm_metric_find("roc_acu", GM_TASK_BINARY, &m, &err), GM_EINVALID);
    CHECK_STR(err.message, "unrecognized metric \"roc_acu\"");
    CHECK_STR(err.hint, "Did you mean \"roc_auc\"?");
    CHECK_STR(gm_metric_default(GM_TASK_BINARY)->item.name, "roc_auc");
    CHECK_STR(gm_metric_default(GM_TASK_MULTICLASS)->item.name, "log_loss");
    CHECK_STR(gm_metric_default(GM_TASK_REGRESSION)->item.name, "rmse");
    CHECK(gm_metric_default(GM_TASK_UNKNOWN) == NULL);
}

static void the_list_is_alphabetical_and_complete(void)
{
    for (size_t i = 0; i < gm_metrics.count; i++) {
        const gm_metric *m = (const gm_metric *)gm_metrics.items[i];
        CHECK(i == 0 || strcmp(gm_metrics.items[i - 1]->name, m->item.name) < 0);
        CHECK(m->tasks && m->compute && m->source && m->item.help && m->low < m->high);
        CHECK((m->interval == GM_INTERVAL_WILSON) == (m->proportion != NULL));
    }
}

/* The radix sort against the definition, with ties, negatives, zeros of both signs; seeds are printed by a failure's row. */
static void orders_agree_with_comparison(void)
{
    enum { ROWS = 5000 };
    static double v[ROWS];
    for (uint64_t seed = 1; seed <= 4; seed++) {
        gm_random r;
        gm_random_init(&r, seed);
        int64_t rows = seed == 1 ? 100 : ROWS; /* both ways of sorting */
        for (int64_t i = 0; i < rows; i++) {
            double x = gm_random_normal(&r) * (seed == 2 ? 1e300 : 1);
            v[i] = seed == 3 ? floor(x * 4) / 4 * (gm_random_below(&r, 2) ? 1 : -1) : x;
        }
        gm_arena *a = gm_arena_new(0);
        gm_score_order o;
        gm_err err;
        CHECK_OK(gm_score_order_make(v, 1, rows, a, &o, &err), &err);
        int64_t start = 0;
        for (int64_t g = 0; g < o.groups; g++) {
            for (int64_t i = start; i < o.group_end[g]; i++) {
                CHECK(v[o.row[i]] == v[o.row[start]]);
                CHECK(i == start || o.row[i] > o.row[i - 1]);
            }
            if (g) CHECK(v[o.row[start - 1]] < v[o.row[start]]);
            start = o.group_end[g];
        }
        CHECK(start == rows);
        gm_arena_free(a);
    }
}

/* A weight means that many equal rows, for every metric. */
static void weights_are_repeated_rows(void)
{
    enum { ROWS = 300 };
    static double t[ROWS], p[ROWS], t2[ROWS * 4], p2[ROWS * 4];
    static uint8_t w[ROWS];
    for (gm_task task = GM_TASK_BINARY; task <= GM_TASK_REGRESSION; task += 2) {
        made_up(7, ROWS, 1, t, p);
        int64_t rows = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            if (task == GM_TASK_REGRESSION) t[i] = t[i] * .7 + p[(i * 7) % ROWS] - .5;
            w[i] = (uint8_t)(i * i % 4);
            for (int k = 0; k < w[i]; k++, rows++) {
                t2[rows] = t[i];
                p2[rows] = p[i];
            }
        }
        gm_scores s = task == GM_TASK_BINARY ? binary_scores(t, p, ROWS) : value_scores(t, p, ROWS), repeated = s;
        repeated.truth = t2;
        repeated.predicted = p2;
        repeated.rows = rows;
        gm_arena *a = gm_arena_new(0);
        gm_err err;
        CHECK_OK(gm_score_cache_of(&s, a, &s.cache, &err), &err);
        for (size_t m = 0; m < gm_metrics.count; m++) {
            const gm_metric *metric = (const gm_metric *)gm_metrics.items[m];
            double plain = 0, weighted = 0, again = 0;
            if (!gm_metric_fits(metric, task)) continue;
            plain = metric_of(metric->item.name, &s);
            gm_score_cache_reweigh(s.cache, w);
            weighted = metric_of(metric->item.name, &s);
            gm_score_cache_reweigh(s.cache, NULL);
            again = metric_of(metric->item.name, &s);
            CHECK_NEAR(weighted, metric_of(metric->item.name, &repeated), 1e-12);
            CHECK_NEAR(again, plain, 0);
        }
        gm_arena_free(a);
    }
}

/* A scratch that is too small is an ordinary failure, whatever does not fit. */
static void little_memory_is_an_ordinary_failure(void)
{
    enum { ROWS = 300 };
    static double t[ROWS], p[ROWS];
    made_up(7, ROWS, 1, t, p);
    for (gm_task task = GM_TASK_BINARY; task <= GM_TASK_REGRESSION; task += 2) {
        gm_scores s = task == GM_TASK_BINARY ? binary_scores(t, p, ROWS) : value_scores(t, p, ROWS);
        for (size_t m = 0; m < gm_metrics.count; m++) {
            const gm_metric *metric = (const gm_metric *)gm_metrics.items[m];
            gm_rc rc = GM_ENOMEM;
            if (!gm_metric_fits(metric, task)) continue;
            for (size_t limit = 64; rc == GM_ENOMEM && limit < 100000; limit += 256) {
                double value = -99;
                gm_err err;
                gm_arena *a = gm_arena_new(limit);
                rc = gm_metric_value(metric, &s, a, &value, &err);
                if (rc) CHECK(rc == GM_ENOMEM && value == -99 && strstr(err.message, "not enough memory"));
                gm_arena_free(a);
            }
            CHECK(rc == GM_OK);
        }
    }
}

static void two_classes_need_not_be_said(void)
{
    double t[] = { 0, 1 }, p[] = { .1, .9 }, value = 0;
    gm_scores s = binary_scores(t, p, 2);
    gm_err err;
    s.classes = 0;
    CHECK_NEAR(metric_of("accuracy", &s), 1, 0);
    s.task = GM_TASK_MULTICLASS;
    CHECK_RC(value_of("accuracy", &s, &value, &err), GM_EINVALID);
    CHECK_HAS(err.message, "two classes or more");
}

TESTS(T(three_pairs_of_four_in_order), T(a_tied_pair_counts_one_half), T(a_confusion_by_hand), T(nothing_to_divide_gives_zero),
      T(one_class_only_is_undefined), T(bad_scores_are_refused), T(probabilities_are_asked_for_where_needed),
      T(certain_and_wrong_is_clipped), T(classes_by_hand), T(a_class_that_never_occurs_does_not_count), T(regression_by_hand),
      T(constants_in_regression), T(logarithms_need_values_above_minus_one), T(names_are_found_by_task),
      T(the_list_is_alphabetical_and_complete), T(orders_agree_with_comparison), T(weights_are_repeated_rows),
      T(little_memory_is_an_ordinary_failure), T(two_classes_need_not_be_said))
