/* test_evaluation.c - the whole evaluation of a candidate, its JSON, and what it says to try next. */
#include "base/node.h"
#include "eval/evaluation.h"
#include "unit/eval/eval_case.h"

enum { ROWS = 3000 };
static double truth[ROWS], score[ROWS];
static int64_t month[ROWS], train_month[ROWS];

static gm_evaluation evaluated(gm_arena *a, const gm_scores *s, const gm_column *columns, size_t count)
{
    gm_evaluation e;
    gm_err err;
    static const char *const names[] = { "no", "yes" };
    gm_evaluate_options o = { .slice_columns = columns, .slice_columns_count = count, .seed = 1, .class_names = names };
    CHECK_OK(gm_evaluate(s, &o, a, &e, &err), &err);
    return e;
}

static gm_column int_column(const char *name, const int64_t *v, int64_t rows) { return (gm_column){ .name = name, .type = GM_TYPE_INT, .rows = rows, .i64 = v }; }

static gm_evaluation binary_case(gm_arena *a, gm_column *c)
{
    made_up(5, ROWS, 1, truth, score);
    for (int i = 0; i < ROWS; i++) {
        month[i] = i < 300 ? 4 : 3;
        train_month[i] = 1 + i % 3;
        if (month[i] == 4) score[i] = (double)(i * 7 % 100) / 100;
    }
    *c = int_column("month", month, ROWS);
    gm_scores s = binary_scores(truth, score, ROWS);
    return evaluated(a, &s, c, 1);
}

static void all_of_a_binary_candidate(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_column c;
    gm_evaluation e = binary_case(a, &c);
    gm_scores s = binary_scores(truth, score, ROWS);
    CHECK(e.metrics_count == 15);
    for (size_t i = 0; i < e.metrics_count; i++) {
        const gm_metric_result *m = &e.metrics[i];
        CHECK(!m->undefined);
        CHECK_NEAR(m->interval.value, metric_of(m->metric->item.name, &s), 1e-12);
        if (m->metric->interval != GM_INTERVAL_NONE) CHECK(m->interval.low <= m->interval.value && m->interval.value <= m->interval.high);
    }
    CHECK_STR(e.main->item.name, "roc_auc");
    CHECK(e.confusion[0] + e.confusion[1] + e.confusion[2] + e.confusion[3] == ROWS);
    CHECK(e.slices_count == 2 && strcmp(e.slices[0].value, "4") == 0);

    CHECK(e.roc_count == GM_CURVE_POINTS_MAX && e.pr_count == GM_CURVE_POINTS_MAX - 1);
    double area = 0;
    for (size_t i = 1; i < e.roc_count; i++) {
        CHECK(e.roc[i].x >= e.roc[i - 1].x && e.roc[i].y >= e.roc[i - 1].y);
        area += (e.roc[i].x - e.roc[i - 1].x) * (e.roc[i].y + e.roc[i - 1].y) / 2;
    }
    CHECK(e.roc[0].x == 0 && e.roc[e.roc_count - 1].x == 1 && e.roc[e.roc_count - 1].y == 1);
    CHECK_NEAR(area, gm_evaluation_metric(&e, "roc_auc")->interval.value, 2e-3); /* 200 points of about 800 */
    for (size_t i = 0; i < e.thresholds_count; i++) {
        s.threshold = e.thresholds[i].threshold;
        CHECK_NEAR(e.thresholds[i].precision, metric_of("precision", &s), 1e-15);
        CHECK_NEAR(e.thresholds[i].recall, metric_of("recall", &s), 1e-15);
        CHECK_NEAR(e.thresholds[i].f1, metric_of("f1", &s), 1e-15);
        CHECK_NEAR(e.thresholds[i].specificity, metric_of("specificity", &s), 1e-15);
    }
    CHECK(gm_evaluation_metric(&e, "nonsense") == NULL);
    gm_arena_free(a);
}

static void json_reads_back(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_column c;
    gm_evaluation e = binary_case(a, &c);
    gm_buf text = { 0 };
    gm_json j;
    gm_node *root = NULL;
    gm_err err;
    gm_json_init(&j, &text, false);
    gm_evaluation_json(&e, &j);
    CHECK_OK(gm_json_read(text.data, text.len, "evaluation.json", a, &root, &err), &err);
    CHECK_STR(gm_node_str_or(root, "metric", ""), "roc_auc");
    const gm_node *auc = gm_node_get(gm_node_get(root, "metrics"), "roc_auc");
    CHECK(gm_node_double_or(auc, "value", 0) == gm_evaluation_metric(&e, "roc_auc")->interval.value);
    CHECK_STR(gm_node_str_or(auc, "method", ""), "DeLong");
    CHECK(gm_node_get(root, "slices")->count == 2 && gm_node_get(root, "roc")->count == 200);
    CHECK(gm_node_get(gm_node_get(root, "confusion")->items[1], "x") == NULL);
    CHECK(gm_node_get(root, "leaks") == NULL);
    CHECK_STR(gm_node_get(root, "class_names")->items[1]->text, "yes");
    gm_buf_clear(&text);
    gm_arena_free(a);
}

static void other_tasks_and_undefined_metrics(void)
{
    gm_arena *a = gm_arena_new(0);
    double t[] = { 0, 1, 2, 1 }, p[] = { .5, .3, .2, .1, .8, .1, .2, .2, .6, .3, .4, .3 }, y[] = { -3, 2, 5, 1 }, q[] = { 1, 2, 4, 1 };
    gm_scores s = class_scores(t, p, 4, 3);
    gm_evaluation e;
    gm_err err;
    CHECK_OK(gm_evaluate(&s, &(gm_evaluate_options){ .seed = 1 }, a, &e, &err), &err);
    CHECK_STR(e.main->item.name, "log_loss");
    CHECK(e.metrics_count == 12 && e.confusion[4] == 2 && e.roc_count == 0);
    s = value_scores(y, q, 4);
    CHECK_OK(gm_evaluate(&s, &(gm_evaluate_options){ .seed = 1 }, a, &e, &err), &err);
    CHECK(!e.confusion);
    CHECK_HAS(gm_evaluation_metric(&e, "rmsle")->undefined, "above -1");
    CHECK(!gm_evaluation_metric(&e, "rmse")->undefined);

    double ones[] = { 1, 1, 1, 1 }, r[] = { .1, .2, .3, .4 }; /* the deciding metric must be there */
    s = binary_scores(ones, r, 4);
    CHECK_RC(gm_evaluate(&s, &(gm_evaluate_options){ .seed = 1 }, a, &e, &err), GM_EINVALID);
    CHECK_HAS(err.message, "both classes");
    CHECK_OK(gm_evaluate(&s, &(gm_evaluate_options){ .main = metric_named("accuracy") }, a, &e, &err), &err);
    CHECK_HAS(gm_evaluation_metric(&e, "roc_auc")->undefined, "both classes");
    CHECK(e.roc_count == 0 && e.calibration_count > 0);
    CHECK_RC(gm_evaluate(&s, &(gm_evaluate_options){ .main = metric_named("rmse") }, a, &e, &err), GM_EINVALID);
    gm_arena_free(a);
}

static const gm_feedback *of_kind(const gm_feedback *items, size_t count, const char *kind, const char *about)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].kind, kind) == 0 && (!about || (items[i].about && strcmp(items[i].about, about) == 0))) return &items[i];
    return NULL;
}

static void feedback_names_what_is_weak(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_column c, t;
    gm_evaluation e = binary_case(a, &c);
    t = int_column("month", train_month, ROWS);
    for (int i = 0; i < ROWS; i++) month[i] = i < 1800 ? 4 : 3;
    gm_table train = { ROWS, 1, &t }, test = { ROWS, 1, &c };
    gm_importance importance[] = { { "month", 0.00001, 0.0001 }, { "distance", 0.1, 0.01 } };
    gm_leak leak = { "delay", 0.999, "\"delay\" alone ranks the target." };
    e.importance = importance;
    e.importance_count = 2;
    e.leaks = &leak;
    e.leaks_count = 1;
    gm_feedback_facts f = { .evaluation = &e, .train_value = 0.97, .validation_value = 0.80, .train_rows = 800, .train = &train, .test = &test };
    gm_feedback *items = NULL;
    size_t count = 0;
    gm_err err;
    CHECK_OK(gm_give_feedback(&f, a, &items, &count, &err), &err);
    for (size_t i = 1; i < count; i++) CHECK(items[i - 1].severity >= items[i].severity);
    CHECK_STR(items[0].kind, "leak");
    CHECK(of_kind(items, count, "overfit", NULL)->severity == GM_FEEDBACK_SERIOUS);
    CHECK_HAS(of_kind(items, count, "overfit", NULL)->text, "0.9700 on the training rows and 0.8000");
    CHECK_HAS(of_kind(items, count, "slice", "month")->text, "where month is 4 (300 rows)");
    CHECK_HAS(of_kind(items, count, "drift", "month")->text, "60.0 % of the test rows have a \"month\" outside the 1 to 3");
    CHECK_HAS(of_kind(items, count, "unused", NULL)->text, "1 of 2 columns");
    CHECK_HAS(of_kind(items, count, "unused", NULL)->text, ": month.");
    CHECK_HAS(of_kind(items, count, "rows", NULL)->text, "800 rows");
    CHECK(!of_kind(items, count, "imbalance", NULL) && !of_kind(items, count, "chance", NULL));
    gm_arena_free(a);
}

static void feedback_of_a_model_without_skill(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_random r;
    gm_random_init(&r, 3);
    for (int i = 0; i < 400; i++) {
        truth[i] = i % 20 == 0;
        score[i] = gm_random_double(&r);
    }
    gm_scores s = binary_scores(truth, score, 400);
    gm_evaluation e = evaluated(a, &s, NULL, 0);
    gm_feedback *items = NULL;
    size_t count = 0;
    gm_err err;
    gm_feedback_facts f = { .evaluation = &e, .train_value = NAN, .validation_value = NAN };
    CHECK_OK(gm_give_feedback(&f, a, &items, &count, &err), &err);
    CHECK_STR(items[0].kind, "chance");
    CHECK(of_kind(items, count, "imbalance", NULL) && of_kind(items, count, "rows", NULL) && of_kind(items, count, "calibration", NULL));
    CHECK_HAS(of_kind(items, count, "calibration", NULL)->text, "too high");
    CHECK_HAS(of_kind(items, count, "imbalance", NULL)->text, "5.00 %");
    gm_arena_free(a);
}

static void new_categories_are_drift(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_column c;
    gm_evaluation e = binary_case(a, &c);
    static const char *const x[] = { "AA", "UA" }, *const y[] = { "UA", "ZZ", "AA" };
    static const uint32_t lens[] = { 2, 2, 2 };
    gm_dict dx = { x, lens, 2 }, dy = { y, lens, 3 };
    static int32_t train_codes[100], test_codes[100];
    for (int i = 0; i < 100; i++) {
        train_codes[i] = i % 2;
        test_codes[i] = i < 30 ? 1 : i < 90 ? 2 : -1;
    }
    gm_column train_c = { .name = "carrier", .type = GM_TYPE_STRING, .rows = 100, .code = train_codes, .dict = &dx };
    gm_column test_c = { .name = "carrier", .type = GM_TYPE_STRING, .rows = 100, .code = test_codes, .dict = &dy };
    gm_table train = { 100, 1, &train_c }, test = { 100, 1, &test_c };
    gm_feedback_facts f = { .evaluation = &e, .train_value = NAN, .validation_value = NAN, .train = &train, .test = &test };
    gm_feedback *items = NULL;
    size_t count = 0;
    gm_err err;
    CHECK_OK(gm_give_feedback(&f, a, &items, &count, &err), &err);
    CHECK_HAS(of_kind(items, count, "drift", "carrier")->text, "33.3 % of the test rows have a value of \"carrier\" that training never saw, such as \"ZZ\"");
    gm_arena_free(a);
}

TESTS(T(all_of_a_binary_candidate), T(json_reads_back), T(other_tasks_and_undefined_metrics), T(feedback_names_what_is_weak),
      T(feedback_of_a_model_without_skill), T(new_categories_are_drift))
