/* test_estimate_cbpe.c - does the estimate meet what the labels will say? Our own definition: ties together, own folds,
 * intervals. */
#include "base/random.h"
#include "unit/watch/estimate_case.h"
#include "watch/estimate_internal.h"

/* Rows of two classes whose chance is `chance`; the score is a distorted one: chance^power. centre moves the mix of easy and
 * hard rows. */
static void made_up(uint64_t seed, int64_t rows, double centre, double power, double *truth, double *score)
{
    gm_random r;
    gm_random_init(&r, seed);
    for (int64_t i = 0; i < rows; i++) {
        double chance = 0.1 + 0.8 / (1 + exp(-(centre + 1.5 * gm_random_normal(&r))));
        truth[i] = gm_random_double(&r) < chance;
        score[i] = floor(1000 * pow(chance, power)) / 1000;
    }
}

static gm_estimator *fitted(const gm_scores *s, const char *metric, gm_arena *a)
{
    gm_estimator *e = NULL;
    gm_err err;
    CHECK_OK(gm_estimator_fit(s, NULL, metric_named(metric), GM_COMPAT_DEFAULT, 7, a, &e, &err), &err);
    return e;
}

static gm_interval estimate_of(const gm_estimator *e, const gm_scores *s)
{
    gm_arena *scratch = gm_arena_new(0);
    gm_scores unlabelled = *s;
    unlabelled.truth = NULL;
    gm_interval out = { 0 };
    gm_err err;
    CHECK_OK(gm_estimate(e, &unlabelled, NULL, scratch, &out, &err), &err);
    gm_arena_free(scratch);
    return out;
}

static double realised(const char *metric, const gm_scores *s)
{
    gm_arena *scratch = gm_arena_new(0);
    double value = NAN;
    gm_err err;
    CHECK_OK(gm_metric_value(metric_named(metric), s, scratch, &value, &err), &err);
    gm_arena_free(scratch);
    return value;
}

/* Other inputs, the same link: every metric is foretold, although the reference's own value is far from it. */
static void other_inputs_are_foretold(void)
{
    enum { ROWS = 20000 };
    static double truth[ROWS], score[ROWS], later_truth[ROWS], later[ROWS];
    made_up(1, ROWS, 0.5, 2, truth, score);
    made_up(2, ROWS, -1.5, 2, later_truth, later);
    gm_scores ref = binary_scores(truth, score, ROWS), cur = binary_scores(later_truth, later, ROWS);
    ref.threshold = cur.threshold = 0.4;
    int judged = 0, moved = 0;
    for (size_t i = 0; i < gm_metrics.count; i++) {
        const gm_metric *m = (const gm_metric *)gm_metrics.items[i];
        const char *name = m->item.name;
        if (!gm_estimator_fits(m, GM_TASK_BINARY)) continue;
        gm_arena *a = gm_arena_new(0);
        gm_estimator *e = fitted(&ref, name, a);
        gm_interval got = estimate_of(e, &cur);
        double was = realised(name, &ref), is = realised(name, &cur);
        CHECK(gm_estimator_calibrates(e));
        CHECK(got.low < got.value && got.value < got.high);
        if (!(fabs(got.value - is) <= 1.3 * (got.high - got.low))) /* the 95 % interval is 3.9 sd wide: five */
            gm_harness_fail(__FILE__, __LINE__, "%s: %.4f [%.4f, %.4f], labels say %.4f", name, got.value, got.low, got.high, is);
        if (fabs(was - is) > 0.05) {
            CHECK(fabs(got.value - is) < 0.2 * fabs(was - is));
            moved++;
        }
        gm_arena_free(a);
        judged++;
    }
    CHECK(judged == 13 && moved >= 7);
}

/* A curve fitted to noise promises skill, here about 0.06 of ROC AUC; anchored, the estimate says what the labels do. */
static void a_model_without_skill_is_not_praised(void)
{
    enum { REFERENCE = 200, ROWS = 1000, WINDOWS = 40 };
    static double truth[REFERENCE], score[REFERENCE], later[ROWS];
    double mean = 0, praise = 0;
    gm_random r;
    gm_random_init(&r, 11);
    for (int w = 0; w < WINDOWS; w++) {
        gm_arena *a = gm_arena_new(0);
        for (int i = 0; i < REFERENCE; i++) {
            score[i] = gm_random_double(&r);
            truth[i] = gm_random_double(&r) < 0.4;
        }
        for (int i = 0; i < ROWS; i++) later[i] = gm_random_double(&r);
        gm_scores ref = binary_scores(truth, score, REFERENCE), cur = binary_scores(NULL, later, ROWS);
        gm_estimator *e = fitted(&ref, "roc_auc", a);
        CHECK_NEAR(estimate_of(e, &ref).value, realised("roc_auc", &ref), 1e-12);
        mean += estimate_of(e, &cur).value / WINDOWS;
        praise += e->offset / WINDOWS;
        gm_arena_free(a);
    }
    CHECK(praise > 0.04);
    CHECK_NEAR(mean, 0.5, 0.025); /* four standard errors: sd of ROC AUC on 200 rows is 0.04 */
}

/* Rows of three classes by two numbers; scores are softmax of a distorted margin. */
static void made_up_classes(uint64_t seed, int64_t rows, double centre, double *truth, double *score)
{
    gm_random r;
    gm_random_init(&r, seed);
    for (int64_t i = 0; i < rows; i++) {
        double x = gm_random_normal(&r) + centre, y = gm_random_normal(&r), margin[3] = { 1.5 * x, 1.5 * y, 0 }, sum = 0,
               soft = 0, u = gm_random_double(&r);
        for (int k = 0; k < 3; k++) sum += exp(margin[k]);
        truth[i] = u < exp(margin[0]) / sum ? 0 : u < (exp(margin[0]) + exp(margin[1])) / sum ? 1 : 2;
        for (int k = 0; k < 3; k++) soft += exp(2 * margin[k]);
        for (int k = 0; k < 3; k++) score[i * 3 + k] = exp(2 * margin[k]) / soft;
    }
}

static void other_inputs_of_several_classes(void)
{
    enum { ROWS = 8000 };
    static double truth[ROWS], score[ROWS * 3], later_truth[ROWS], later[ROWS * 3];
    made_up_classes(1, ROWS, 0, truth, score);
    made_up_classes(2, ROWS, 1, later_truth, later);
    gm_scores ref = { .task = GM_TASK_MULTICLASS, .rows = ROWS, .classes = 3, .truth = truth, .predicted = score }, cur = ref;
    cur.truth = later_truth;
    cur.predicted = later;
    int judged = 0;
    for (size_t i = 0; i < gm_metrics.count; i++) {
        const gm_metric *m = (const gm_metric *)gm_metrics.items[i];
        if (!gm_estimator_fits(m, GM_TASK_MULTICLASS)) continue;
        gm_arena *a = gm_arena_new(0);
        gm_interval got = estimate_of(fitted(&ref, m->item.name, a), &cur);
        double is = realised(m->item.name, &cur);
        /* One class against the rest forgets what the other scores say: a little beside the sampling error. */
        if (!(fabs(got.value - is) <= 0.02 * (strcmp(m->item.name, "log_loss") == 0 ? 3 : 1)))
            gm_harness_fail(__FILE__, __LINE__, "%s: %.4f [%.4f, %.4f], labels say %.4f", m->item.name, got.value, got.low,
                            got.high, is);
        gm_arena_free(a);
        judged++;
    }
    CHECK(judged == 12);
}

/* Of 60 windows, how many have their labelled metric within the interval? 95 of 100, less four standard errors of 3. */
static void check_coverage(const char *name)
{
    enum { REFERENCE = 1000, ROWS = 400, WINDOWS = 60 };
    static double truth[REFERENCE], score[REFERENCE], later_truth[ROWS], later[ROWS];
    int holds = 0;
    for (uint64_t w = 0; w < WINDOWS; w++) {
        gm_arena *a = gm_arena_new(0);
        made_up(1000 + w, REFERENCE, 0, 1.5, truth, score);
        made_up(5000 + w, ROWS, 0.3, 1.5, later_truth, later);
        gm_scores ref = binary_scores(truth, score, REFERENCE), cur = binary_scores(later_truth, later, ROWS);
        gm_interval got = estimate_of(fitted(&ref, name, a), &cur);
        double is = realised(name, &cur);
        holds += got.low <= is && is <= got.high;
        gm_arena_free(a);
    }
    if (holds < 0.84 * WINDOWS)
        gm_harness_fail(__FILE__, __LINE__, "%s: %d of %d intervals hold what the labels said", name, holds, (int)WINDOWS);
}

static void intervals_hold_accuracy(void)
{
    check_coverage("accuracy");
}
static void intervals_hold_roc_auc(void)
{
    check_coverage("roc_auc");
}
static void intervals_hold_f1(void)
{
    check_coverage("f1");
}

/* Rows of days: each day's labels are more or less often positive than the scores say, by a normal amount of sd `moved` on the
 * log odds. */
static void made_up_days(uint64_t seed, int days, int64_t day_rows, double moved, double *truth, double *score)
{
    gm_random r;
    gm_random_init(&r, seed);
    for (int64_t i = 0, day = 0; day < days; day++) {
        double by = moved * gm_random_normal(&r);
        for (int64_t k = 0; k < day_rows; k++, i++) {
            double odds = 1.5 * gm_random_normal(&r);
            score[i] = 1 / (1 + exp(-odds));
            truth[i] = gm_random_double(&r) < 1 / (1 + exp(-odds - by));
        }
    }
}

/* The reference's own days tell how far the next may lie: intervals that know it hold, those that do not, do not. */
static void days_that_differ_widen_the_interval(void)
{
    enum { DAYS = 10, DAY_ROWS = 300, WINDOWS = 40 };
    static double truth[DAYS * DAY_ROWS], score[DAYS * DAY_ROWS], later_truth[DAY_ROWS], later[DAY_ROWS];
    int holds = 0, sampling_alone = 0, same_days = 0;
    for (uint64_t w = 0; w < WINDOWS; w++) {
        gm_arena *a = gm_arena_new(0);
        gm_scores ref = binary_scores(truth, score, DAYS * DAY_ROWS), cur = binary_scores(later_truth, later, DAY_ROWS);
        made_up_days(100 + w, DAYS, DAY_ROWS, 0.7, truth, score);
        made_up_days(9000 + w, 1, DAY_ROWS, 0.7, later_truth, later);
        gm_estimator *e = fitted(&ref, "precision", a);
        double is = realised("precision", &cur);
        gm_interval got = estimate_of(e, &cur);
        holds += got.low <= is && is <= got.high;
        e->wobble = 0;
        got = estimate_of(e, &cur);
        sampling_alone += got.low <= is && is <= got.high;
        made_up_days(100 + w, DAYS, DAY_ROWS, 0, truth, score);
        same_days += fitted(&ref, "precision", a)->wobble == 0;
        gm_arena_free(a);
    }
    CHECK(holds >= 33); /* 38, less three standard errors and more: ten days know their own spread to a quarter */
    CHECK(sampling_alone <= 28);
    CHECK(same_days >= 34); /* 38, less three standard errors */
}

static void calibration_is_chosen_when_it_helps(void)
{
    enum { ROWS = 3000 };
    static double truth[ROWS], score[ROWS];
    gm_arena *a = gm_harness_arena();
    made_up(1, ROWS, 0, 3, truth, score);
    gm_scores s = binary_scores(truth, score, ROWS);
    CHECK(gm_estimator_calibrates(fitted(&s, "accuracy", a)));
    for (int i = 0; i < ROWS; i++) score[i] = 10 * score[i] - 3; /* margins, no chances */
    gm_estimator *e = fitted(&s, "roc_auc", a);
    CHECK(gm_estimator_calibrates(e));
    CHECK_NEAR(estimate_of(e, &s).value, realised("roc_auc", &s), 0.02);
    /* Scores that keep their promise as well as they can: each of ten, in exactly its share. */
    for (int i = 0; i < ROWS; i++) {
        int ten = i % 10, turn = i / 10 % 20;
        score[i] = (ten + 0.5) / 10;
        truth[i] = turn < 2 * ten + 1;
    }
    e = fitted(&s, "accuracy", a);
    CHECK(!gm_estimator_calibrates(e));
    CHECK_NEAR(estimate_of(e, &s).value, realised("accuracy", &s), 1e-12);
    gm_harness_arena_free(a);
}

static void nothing_depends_on_the_order_of_ties(void)
{
    enum { ROWS = 2000 };
    static double truth[ROWS], score[ROWS], turned_truth[ROWS], turned[ROWS];
    made_up(1, ROWS, 0, 2, truth, score);
    for (int i = 0; i < ROWS; i++) score[i] = floor(20 * score[i]) / 20;
    for (int i = 0; i < ROWS; i++) {
        turned[i] = score[ROWS - 1 - i];
        turned_truth[i] = truth[ROWS - 1 - i];
    }
    gm_scores s = binary_scores(truth, score, ROWS), t = binary_scores(turned_truth, turned, ROWS);
    static const char *const names[] = { "roc_auc", "average_precision", "f1", "brier" };
    for (size_t i = 0; i < 4; i++) {
        gm_arena *a = gm_arena_new(0);
        gm_estimator *e = fitted(&s, names[i], a);
        CHECK_NEAR(estimate_of(e, &t).value, estimate_of(e, &s).value, 1e-13); /* sums in another order */
        gm_arena_free(a);
    }
}

static void the_same_rows_give_the_same_bits(void)
{
    enum { ROWS = 1500 };
    static double truth[ROWS + 300], score[ROWS + 300];
    gm_arena *a = gm_harness_arena();
    made_up(1, ROWS, 0, 2, truth, score);
    gm_scores s = binary_scores(truth, score, ROWS), longer = binary_scores(truth, score, ROWS + 300);
    for (int i = ROWS; i < ROWS + 300; i++) { /* without a label: they do not count */
        truth[i] = NAN;
        score[i] = 0.9;
    }
    gm_interval x = estimate_of(fitted(&s, "f1", a), &s), y = estimate_of(fitted(&s, "f1", a), &s),
                z = estimate_of(fitted(&longer, "f1", a), &s);
    CHECK(x.value == y.value && x.low == y.low && x.high == y.high);
    CHECK(x.value == z.value && x.low == z.low && x.high == z.high);
    gm_harness_arena_free(a);
}

static gm_rc fit_rc(const gm_scores *s, const char *metric, gm_compat compat, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_estimator *e = NULL;
    gm_rc rc = gm_estimator_fit(s, NULL, metric_named(metric), compat, 1, a, &e, err);
    CHECK((rc == GM_OK) == (e != NULL));
    gm_arena_free(a);
    return rc;
}

static void errors_say_what_is_missing(void)
{
    enum { ROWS = 200 };
    double truth[ROWS], score[ROWS];
    gm_arena *a = gm_harness_arena();
    gm_err err;
    made_up(1, ROWS, 0, 1, truth, score);
    gm_scores s = binary_scores(truth, score, 99), none = binary_scores(NULL, score, 0),
              unlabelled = binary_scores(NULL, score, ROWS);
    CHECK_RC(fit_rc(&s, "roc_auc", GM_COMPAT_DEFAULT, &err), GM_EINVALID);
    CHECK_HAS(err.message, "needs 100 labelled reference rows, there are 99");
    CHECK_RC(fit_rc(&unlabelled, "roc_auc", GM_COMPAT_DEFAULT, &err), GM_EINVALID);
    CHECK_HAS(err.message, "there are 0");
    s.rows = ROWS;
    CHECK_RC(fit_rc(&s, "ece", GM_COMPAT_DEFAULT, &err), GM_EINVALID);
    CHECK_HAS(err.message, "metric \"ece\" cannot be estimated");
    CHECK_HAS(err.hint, "roc_auc, specificity");
    CHECK_RC(fit_rc(&s, "rmse", GM_COMPAT_DEFAULT, &err), GM_EINVALID);
    CHECK_RC(fit_rc(&s, "roc_auc", GM_COMPAT_TFDV, &err), GM_EINVALID);
    CHECK_HAS(err.message, "nannyml");
    gm_estimator *e = fitted(&s, "roc_auc", a);
    gm_interval v;
    CHECK_RC(gm_estimate(e, &none, NULL, a, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "no rows");
    score[17] = NAN;
    CHECK_RC(gm_estimate(e, &unlabelled, NULL, a, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "row 17");
    CHECK_RC(fit_rc(&s, "roc_auc", GM_COMPAT_DEFAULT, &err), GM_EINVALID);
    score[17] = 0.5;
    unlabelled.task = GM_TASK_REGRESSION;
    CHECK_RC(gm_estimate(e, &unlabelled, NULL, a, &v, &err), GM_EINVALID);
    for (int i = 0; i < ROWS; i++) truth[i] = 1;
    CHECK_RC(fit_rc(&s, "accuracy", GM_COMPAT_DEFAULT, &err), GM_EINVALID);
    CHECK_HAS(err.message, "all 200 are of class 1");
    CHECK_RC(fit_rc(&s, "accuracy", GM_COMPAT_NANNYML, &err), GM_EINVALID);
    gm_harness_arena_free(a);
}

/* One row gets an estimate, with bounds as wide as they must be; where a curve needs both classes, chances are enough. */
static void a_single_row(void)
{
    enum { ROWS = 500 };
    static double truth[ROWS], score[ROWS];
    gm_arena *a = gm_harness_arena();
    made_up(1, ROWS, 0, 2, truth, score);
    double middle = 0.25, top = 2;
    gm_scores s = binary_scores(truth, score, ROWS), one = binary_scores(NULL, &middle, 1), sure = binary_scores(NULL, &top, 1);
    gm_interval v = estimate_of(fitted(&s, "accuracy", a), &one);
    CHECK(v.low >= 0 && v.high <= 1 && v.high - v.low > 0.5);
    gm_estimator *e = fitted(&s, "roc_auc", a);
    CHECK_NEAR(estimate_of(e, &one).value, 0.5 - e->offset, 1e-12);
    gm_err err;
    e->calibrators[0].y[e->calibrators[0].count - 1] = 1; /* rows above all of the reference are sure to be positive */
    CHECK_RC(gm_estimate(e, &sure, NULL, a, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "both classes");
    CHECK_HAS(err.ctx[0], "estimating roc_auc without labels");
    gm_harness_arena_free(a);
}

/* A regression without features: the loss by the prediction alone; and what it asks of features. */
static void losses_of_values(void)
{
    enum { ROWS = 4000 };
    static double truth[ROWS], predicted[ROWS], later[ROWS];
    gm_arena *a = gm_harness_arena();
    gm_random r;
    gm_random_init(&r, 3);
    for (int i = 0; i < ROWS; i++) { /* an error that grows with the prediction */
        predicted[i] = 10 * gm_random_double(&r);
        truth[i] = predicted[i] + (0.1 + 0.2 * predicted[i]) * gm_random_normal(&r);
        later[i] = 8 + 2 * gm_random_double(&r);
    }
    gm_scores s = { .task = GM_TASK_REGRESSION, .rows = ROWS, .truth = truth, .predicted = predicted }, now = s;
    now.truth = NULL;
    now.predicted = later;
    gm_interval mae = estimate_of(fitted(&s, "mae", a), &now), rmse = estimate_of(fitted(&s, "rmse", a), &now);
    CHECK_NEAR(mae.value, 1.9 * sqrt(2 / 3.14159265358979), 0.15); /* mean |normal| of sd 1.9 */
    CHECK_NEAR(rmse.value, sqrt(3.61 + 0.04 * 4 / 12), 0.2);
    CHECK(mae.low < mae.value && mae.value < mae.high && mae.value > 1.3 * realised("mae", &s));
    CHECK_STR(mae.method, "DLE");

    gm_err err;
    gm_interval v;
    gm_estimator *e = NULL;
    gm_column column = { .name = "x", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = later };
    gm_table features = { .rows = ROWS, .columns_count = 1, .columns = &column };
    CHECK_OK(gm_estimator_fit(&s, &features, metric_named("mae"), GM_COMPAT_DEFAULT, 1, a, &e, &err), &err);
    CHECK_RC(gm_estimate(e, &now, NULL, a, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "1 columns of features");
    now.rows = 10;
    CHECK_RC(gm_estimate(e, &now, &features, a, &v, &err), GM_EINVALID);
    CHECK_HAS(err.message, "4000 rows of features for 10 predictions");
    truth[5] = -2;
    CHECK_RC(gm_estimator_fit(&s, NULL, metric_named("rmsle"), GM_COMPAT_DEFAULT, 1, a, &e, &err), GM_EINVALID);
    CHECK_HAS(err.message, "row 5");
    CHECK_RC(gm_estimator_fit(&s, NULL, metric_named("r2"), GM_COMPAT_DEFAULT, 1, a, &e, &err), GM_EINVALID);
    CHECK_HAS(err.hint, "mae, mape, mse, rmse, rmsle");
    gm_harness_arena_free(a);
}

/* Whatever allocation of the caller's arenas fails, the answer is GM_ENOMEM. */
static void memory_may_run_out_anywhere(void)
{
    enum { ROWS = 120 };
    double truth[ROWS], score[ROWS];
    static const char *const names[] = { "f1", "roc_auc", "log_loss", "brier", "mae" };
    made_up(1, ROWS, 0, 2, truth, score);
    for (size_t m = 0; m < sizeof(names) / sizeof(names[0]); m++) {
        gm_scores s = binary_scores(truth, score, ROWS);
        if (strcmp(names[m], "mae") == 0)
            s = (gm_scores){ .task = GM_TASK_REGRESSION, .rows = ROWS, .truth = truth, .predicted = score };
        int failed = 0, succeeded = 0;
        for (size_t limit = 64; limit < 20000; limit += 200) {
            gm_arena *a = gm_arena_new(limit), *scratch = gm_arena_new(limit);
            gm_estimator *e = NULL;
            gm_interval v;
            gm_err err;
            gm_rc rc = gm_estimator_fit(&s, NULL, metric_named(names[m]), GM_COMPAT_DEFAULT, 1, a, &e, &err);
            CHECK(rc == GM_OK || rc == GM_ENOMEM);
            if (!rc) {
                rc = gm_estimate(e, &s, NULL, scratch, &v, &err);
                CHECK(rc == GM_OK || rc == GM_ENOMEM);
            }
            failed += rc == GM_ENOMEM;
            succeeded += rc == GM_OK;
            gm_arena_free(scratch);
            gm_arena_free(a);
        }
        CHECK(failed > 0 && succeeded > 0);
    }
}

/* Values whose errors are larger on some days: the record sees it, and sees nothing where days are alike. */
static void days_that_differ_in_their_losses(void)
{
    enum { ROWS = 2000, DAYS = 5 };
    static double truth[ROWS], predicted[ROWS];
    static const double scale[DAYS] = { 1, 2, 0.7, 1.5, 1 };
    for (int differ = 0; differ < 2; differ++) {
        gm_arena *a = gm_harness_arena();
        gm_random r;
        gm_random_init(&r, 21);
        for (int i = 0; i < ROWS; i++) {
            predicted[i] = gm_random_normal(&r);
            truth[i] = predicted[i] + (differ ? scale[i * DAYS / ROWS] : 1) * gm_random_normal(&r);
        }
        gm_scores s = { .task = GM_TASK_REGRESSION, .rows = ROWS, .truth = truth, .predicted = predicted };
        gm_estimator *e = fitted(&s, "mae", a);
        /* The five mean losses are 0.8 of the scales, of sd 0.37; against the mean of the others 5/4 of that. */
        CHECK(differ ? e->wobble > 0.3 && e->wobble < 0.6 : e->wobble == 0);
        CHECK_NEAR(estimate_of(e, &s).value, realised("mae", &s), 1e-12);
        gm_harness_arena_free(a);
    }
}

/* As scikit-learn 1.9.1 draws: StratifiedShuffleSplit(n_splits=3, test_size=0.1, random_state=42). */
static void draws_are_scikit_learns(void)
{
    double thirds[25], halves[30];
    for (int i = 0; i < 25; i++) thirds[i] = i % 3 == 0;
    for (int i = 0; i < 30; i++) halves[i] = i % 2;
    static const uint32_t of_thirds[9] = { 12, 10, 5, 20, 0, 2, 19, 22, 0 }, of_halves[9] = { 24, 6, 9, 4, 14, 29, 12, 5, 22 };
    gm_arena *a = gm_harness_arena();
    for (int which = 0; which < 2; which++) {
        gm_numpy_random r;
        gm_numpy_random_init(&r, 42);
        for (int draw = 0; draw < 3; draw++) {
            uint32_t test[30];
            int64_t count = 0;
            gm_err err;
            CHECK_OK(gm_stratified_draw(&r, which ? halves : thirds, which ? 30 : 25, 0.1, a, test, &count, &err), &err);
            CHECK(count == 3);
            CHECK(memcmp(test, (which ? of_halves : of_thirds) + 3 * draw, 3 * sizeof(*test)) == 0);
        }
    }
    gm_harness_arena_free(a);
}

static void isotonic_by_hand(void)
{
    gm_arena *a = gm_harness_arena();
    gm_isotonic c;
    gm_err err;
    /* The two rows of score 2 have mean 1/2, which falls to the 0 at 3: pooled, 1/3 from 2 to 3. */
    CHECK_OK(gm_isotonic_fit((double[]){ 4, 1, 2, 2, 3 }, (double[]){ 1, 0, 1, 0, 0 }, 5, a, &c, &err), &err);
    CHECK(c.count == 4);
    CHECK_NEAR(gm_isotonic_at(&c, 0), 0, 0);
    CHECK_NEAR(gm_isotonic_at(&c, 1.5), 1.0 / 6, 1e-15);
    CHECK_NEAR(gm_isotonic_at(&c, 2.5), 1.0 / 3, 1e-15);
    CHECK_NEAR(gm_isotonic_at(&c, 3.5), 2.0 / 3, 1e-15);
    CHECK_NEAR(gm_isotonic_at(&c, 9), 1, 0);
    CHECK(isnan(gm_isotonic_at(&c, NAN)));
    CHECK_RC(gm_isotonic_fit(NULL, NULL, 0, a, &c, &err), GM_EINVALID);
    CHECK_RC(gm_isotonic_fit((double[]){ 1, INFINITY }, (double[]){ 1, 0 }, 2, a, &c, &err), GM_EINVALID);
    CHECK_HAS(err.message, "score of row 1");
    gm_harness_arena_free(a);
}

TESTS(T(other_inputs_are_foretold), T(a_model_without_skill_is_not_praised), T(other_inputs_of_several_classes),
      T(intervals_hold_accuracy), T(intervals_hold_roc_auc), T(intervals_hold_f1), T(days_that_differ_widen_the_interval),
      T(calibration_is_chosen_when_it_helps), T(nothing_depends_on_the_order_of_ties), T(the_same_rows_give_the_same_bits),
      T(errors_say_what_is_missing), T(a_single_row), T(losses_of_values), T(days_that_differ_in_their_losses),
      T(memory_may_run_out_anywhere), T(draws_are_scikit_learns), T(isotonic_by_hand))
