/* test_slices.c - slices, calibration, thresholds and groups: how rows are cut, and the numbers of each part. */
#include "eval/fairness.h"
#include "eval/slices.h"
#include "eval/threshold.h"
#include "unit/eval/eval_case.h"

static gm_column int_column(const char *name, const int64_t *v, int64_t rows) { return (gm_column){ .name = name, .type = GM_TYPE_INT, .rows = rows, .i64 = v }; }
static gm_column float_column(const char *name, const double *v, int64_t rows) { return (gm_column){ .name = name, .type = GM_TYPE_FLOAT, .rows = rows, .f64 = v }; }

static void numbers_are_cut_at_quartiles(void)
{
    double v[20];
    for (int i = 0; i < 20; i++) v[i] = i < 18 ? 18.0 - i : (double)NAN; /* 18 .. 1, then missing */
    gm_column c = float_column("x", v, 20);
    gm_arena *a = gm_arena_new(0);
    gm_slicing s;
    gm_err err;
    CHECK_OK(gm_slicing_make(&c, a, &s, &err), &err);
    CHECK(s.count == 5);
    CHECK_STR(s.names[0], "[1, 5)");
    CHECK_STR(s.names[1], "[5, 10)");
    CHECK_STR(s.names[2], "[10, 14)");
    CHECK_STR(s.names[3], "[14, 18]");
    CHECK_STR(s.names[4], "(missing)");
    CHECK(s.rows[0] == 4 && s.rows[1] == 5 && s.rows[2] == 4 && s.rows[3] == 5 && s.rows[4] == 2);
    CHECK(s.slice[17] == 0 && s.slice[0] == 3 && s.slice[19] == 4);
    gm_arena_free(a);
}

static void equal_values_stay_together(void)
{
    double v[100];
    for (int i = 0; i < 100; i++) v[i] = i < 80 ? 0 : i < 90 ? 1 : i;
    gm_column c = float_column("x", v, 100);
    gm_arena *a = gm_arena_new(0);
    gm_slicing s;
    gm_err err;
    CHECK_OK(gm_slicing_make(&c, a, &s, &err), &err);
    int64_t total = 0;
    for (int k = 0; k < s.count; k++) total += s.rows[k];
    CHECK(total == 100 && s.rows[0] == 100); /* every cut falls into the zeros: one slice */
    for (int i = 0; i < 100; i++) v[i] = i < 60 ? 0 : i; /* 60 of 100: the last cut is free */
    CHECK_OK(gm_slicing_make(&c, a, &s, &err), &err);
    CHECK(s.count == 2 && s.rows[0] == 75 && s.rows[1] == 25);
    gm_arena_free(a);
}

static void few_whole_numbers_are_values(void)
{
    int64_t v[6] = { 3, 1, 1, GM_MISSING_INT, 3, 2 };
    gm_column c = int_column("month", v, 6);
    gm_arena *a = gm_arena_new(0);
    gm_slicing s;
    gm_err err;
    CHECK_OK(gm_slicing_make(&c, a, &s, &err), &err);
    CHECK(s.count == 4);
    CHECK_STR(s.names[0], "1");
    CHECK_STR(s.names[2], "3");
    CHECK_STR(s.names[3], "(missing)");
    CHECK(s.rows[0] == 2 && s.slice[3] == 3);
    v[0] = v[1] = v[2] = v[4] = v[5] = GM_MISSING_INT;
    CHECK_OK(gm_slicing_make(&c, a, &s, &err), &err);
    CHECK(s.count == 1 && s.rows[0] == 6);
    gm_arena_free(a);
}

enum { ROWS = 1200 };
static double truth[ROWS], score[ROWS];
static int64_t group[ROWS];

static void worst_slices_come_first(void)
{
    made_up(8, ROWS, 0.5, truth, score);
    for (int i = 0; i < ROWS; i++) {
        group[i] = i < 20 ? 9 : i < 220 ? 7 : i < 320 ? 5 : 1;
        if (group[i] == 7) score[i] = 1 - score[i];
        if (group[i] == 5) truth[i] = 1;
    }
    gm_scores s = binary_scores(truth, score, ROWS);
    gm_column c = int_column("group", group, ROWS);
    gm_arena *a = gm_arena_new(0);
    gm_slice *slices = NULL;
    size_t count = 0;
    gm_err err;
    CHECK_OK(gm_slices(metric_named("roc_auc"), &s, &c, 1, 50, a, &slices, &count, &err), &err);
    CHECK(count == 4);
    CHECK_STR(slices[0].value, "7");
    CHECK(slices[0].judged && slices[0].rows == 200 && slices[0].metric.value < 0.3);
    CHECK_STR(slices[0].metric.method, "DeLong");
    CHECK_STR(slices[1].value, "1");
    CHECK(!slices[2].judged && slices[2].rows == 100 && slices[2].positives == 100); /* one class */
    CHECK(!slices[3].judged && slices[3].rows == 20 && isnan(slices[3].metric.value));
    gm_scores part = binary_scores(truth + 20, score + 20, 200);
    CHECK_NEAR(slices[0].metric.value, metric_of("roc_auc", &part), 0);

    CHECK_OK(gm_slices(metric_named("log_loss"), &s, &c, 1, 50, a, &slices, &count, &err), &err); /* the highest is worst */
    CHECK_STR(slices[0].value, "7");
    CHECK_HAS(slices[0].metric.method, "bootstrap");
    CHECK(slices[0].metric.low < slices[0].metric.value && slices[0].metric.value < slices[0].metric.high);
    gm_arena_free(a);
}

static void many_small_values_are_folded(void)
{
    made_up(8, ROWS, 0.5, truth, score);
    static const char *texts[600];
    static uint32_t lens[600];
    static int32_t codes[ROWS];
    static char room[600][8];
    for (int i = 0; i < 600; i++) {
        (void)snprintf(room[i], sizeof(room[i]), "v%d", i);
        texts[i] = room[i];
        lens[i] = (uint32_t)strlen(room[i]);
    }
    for (int i = 0; i < ROWS; i++) codes[i] = i < 600 ? i : 0;
    gm_dict dict = { .texts = texts, .text_lens = lens, .count = 600 };
    gm_column c = { .name = "id", .type = GM_TYPE_STRING, .rows = ROWS, .code = codes, .dict = &dict };
    gm_scores s = binary_scores(truth, score, ROWS);
    gm_arena *a = gm_arena_new(0);
    gm_slice *slices = NULL;
    size_t count = 0;
    gm_err err;
    CHECK_OK(gm_slices(metric_named("roc_auc"), &s, &c, 1, 50, a, &slices, &count, &err), &err);
    CHECK(count == 22 && slices[0].judged && slices[0].rows == 601);
    CHECK_STR(slices[1].value, "(579 more values)");
    int64_t total = 0;
    for (size_t i = 0; i < count; i++) total += slices[i].rows;
    CHECK(total == ROWS);
    gm_arena_free(a);
}

static void calibration_by_hand(void)
{
    double t[] = { 0, 1, 1, 1 }, p[] = { .1, .1, .95, 1 }; /* .1 lies on an edge: the lower bin */
    gm_scores s = binary_scores(t, p, 4);
    gm_calibration_bin bins[10];
    size_t count = 0;
    double ece = 0;
    gm_err err;
    CHECK_OK(gm_calibration(&s, bins, &count, &ece, &err), &err);
    CHECK(count == 2 && bins[0].rows == 2 && bins[1].rows == 2);
    CHECK_NEAR(bins[0].mean_predicted, .1, 1e-15);
    CHECK_NEAR(bins[0].share_positive, .5, 1e-15);
    CHECK_NEAR(ece, .5 * .4 + .5 * .025, 1e-15);
}

/* From scikit-learn 1.9.1 (calibration_curve, 10 uniform bins) on binary.csv. */
static void calibration_of_the_reference(void)
{
    static const double shares[] = { 0.273972602739726, 0.2647058823529412, 0.42424242424242425, 0.45454545454545453, 0.43137254901960786,
                                     0.5652173913043478, 0.5396039603960396, 0.5979381443298969, 0.7216494845360825, 0.7804878048780488 };
    reference r = read_reference("binary.csv");
    gm_scores s = binary_scores(reference_column(&r, 0), reference_column(&r, 1), r.rows);
    gm_calibration_bin bins[10];
    size_t count = 0;
    double ece = 0;
    gm_err err;
    CHECK_OK(gm_calibration(&s, bins, &count, &ece, &err), &err);
    CHECK(count == 10);
    for (size_t i = 0; i < 10; i++) CHECK_NEAR(bins[i].share_positive, shares[i], 1e-14);
    CHECK_NEAR(bins[9].mean_predicted, 0.9449349593495935, 1e-13);
    free(r.data);
}

static void thresholds_of_the_reference(void)
{
    reference r = read_reference("binary.csv");
    gm_scores s = binary_scores(reference_column(&r, 0), reference_column(&r, 1), r.rows);
    gm_arena *a = gm_arena_new(0);
    gm_threshold t;
    gm_err err;
    CHECK_OK(gm_threshold_least_cost(&s, 1, 5, a, &t, &err), &err);
    CHECK_NEAR(t.threshold, 0.021, 0); /* the sweep of all scores: 707 */
    CHECK_NEAR(t.value, 707, 0);
    CHECK_OK(gm_threshold_best_f1(&s, a, &t, &err), &err);
    double best = 0;
    for (int i = 0; i <= 1000; i++) { /* every score has three digits */
        s.threshold = i / 1000.0;
        best = fmax(best, metric_of("f1", &s));
    }
    CHECK_NEAR(t.value, best, 1e-15);
    s.threshold = t.threshold;
    CHECK_NEAR(metric_of("f1", &s), best, 1e-15);
    CHECK_RC(gm_threshold_least_cost(&s, -1, 5, a, &t, &err), GM_EINVALID);
    gm_arena_free(a);
    free(r.data);
}

static void never_positive_can_be_cheapest(void)
{
    double t[] = { 0, 0, 0, 1 }, p[] = { .9, .8, .7, .1 };
    gm_scores s = binary_scores(t, p, 4);
    gm_arena *a = gm_arena_new(0);
    gm_threshold best;
    gm_err err;
    CHECK_OK(gm_threshold_least_cost(&s, 10, 1, a, &best, &err), &err);
    CHECK(isinf(best.threshold) && best.value == 1);
    gm_arena_free(a);
}

/* Fairlearn 0.15 on binary.csv by group. */
static void groups_of_the_reference(void)
{
    reference r = read_reference("binary.csv");
    int64_t *codes = calloc((size_t)r.rows, sizeof(*codes));
    for (int64_t i = 0; i < r.rows; i++) codes[i] = (int64_t)reference_column(&r, 3)[i] - 'a';
    gm_column c = int_column("group", codes, r.rows);
    gm_scores s = binary_scores(reference_column(&r, 0), reference_column(&r, 1), r.rows);
    gm_arena *a = gm_arena_new(0);
    gm_fairness f;
    gm_err err;
    CHECK_OK(gm_fairness_by(&s, &c, 1, a, &f, &err), &err);
    CHECK(f.groups_count == 3 && f.judged_count == 3 && f.groups[0].rows == 895);
    CHECK_NEAR(f.groups[0].selection_rate, 0.6480446927374302, 1e-12);
    CHECK_NEAR(f.groups[1].true_positive_rate, 0.5919282511210763, 1e-12);
    CHECK_NEAR(f.groups[2].false_positive_rate, 0.5, 1e-12);
    CHECK_NEAR(f.groups[2].accuracy, 0.664179104477612, 1e-12);
    CHECK_NEAR(f.demographic_parity_difference, 0.22893494311880092, 1e-12);
    CHECK_NEAR(f.demographic_parity_ratio, 0.6553114339559627, 1e-12);
    CHECK_NEAR(f.equalized_odds_difference, 0.24954760031471285, 1e-12);
    CHECK_NEAR(f.equalized_odds_ratio, 0.5411905106321423, 1e-12);
    CHECK_NEAR(f.equal_opportunity_difference, 0.176364431805753, 1e-12);
    CHECK(!f.four_fifths);
    CHECK_OK(gm_fairness_by(&s, &c, 500, a, &f, &err), &err); /* one large group: nothing to compare */
    CHECK(f.judged_count == 1 && isnan(f.demographic_parity_ratio) && !f.four_fifths);
    gm_arena_free(a);
    free(codes);
    free(r.data);
}

TESTS(T(numbers_are_cut_at_quartiles), T(equal_values_stay_together), T(few_whole_numbers_are_values), T(worst_slices_come_first),
      T(many_small_values_are_folded), T(calibration_by_hand), T(calibration_of_the_reference), T(thresholds_of_the_reference),
      T(never_positive_can_be_cheapest), T(groups_of_the_reference))
