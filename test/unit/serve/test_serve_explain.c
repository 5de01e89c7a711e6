/* test_serve_explain.c - contributions summed over what transforms made of a feature. */
#include <stdio.h>

#include "harness/harness.h"
#include "serve/explain.h"

/* number "far", one-hot "carrier": four columns of features. */
static gm_scorer scorer_case(gm_arena *a, gm_matrix *x)
{
    static double far[] = { 1, 2, 3, 4, 5, 6 };
    static int32_t codes[] = { 0, 1, 2, 0, 1, 2 };
    static const char *texts[] = { "AA", "B6", "UA" };
    static uint32_t lens[] = { 2, 2, 2 };
    static gm_dict dict = { texts, lens, 3 };
    static gm_column columns[] = { { .name = "far", .type = GM_TYPE_FLOAT, .rows = 6, .f64 = far },
                                   { .name = "carrier", .type = GM_TYPE_STRING, .rows = 6, .code = codes, .dict = &dict } };
    static const char *number[] = { "number" }, *one_hot[] = { "one_hot" };
    static const gm_node *none[1];
    gm_table t = { 6, 2, columns };
    gm_feature_spec specs[] = { { .name = "far", .transforms = number, .params = none, .transforms_count = 1 },
                                { .name = "carrier", .transforms = one_hot, .params = none, .transforms_count = 1 } };
    gm_scorer s = { .task = GM_TASK_BINARY };
    gm_err err;
    CHECK_OK(gm_program_fit(specs, 2, &t, NULL, &(gm_fit_options){ .task = GM_TASK_BINARY }, a, &s.program, &err), &err);
    CHECK_OK(gm_program_apply(s.program, &t, a, x, &err), &err);
    double *weights = GM_ARENA_ARRAY(a, double, x->cols), *intercept = GM_ARENA_ARRAY(a, double, 1);
    gm_linear *l = GM_ARENA_NEW(a, gm_linear);
    for (int64_t i = 0; i < x->cols; i++) weights[i] = i ? -(double)i : 0.5;
    *l = (gm_linear){ .features = x->cols, .outputs = 1, .weights = weights, .intercept = intercept, .link = GM_LINK_SIGMOID };
    s.model = gm_model_of_linear(l, a);
    return s;
}

static void summed_by_feature(void)
{
    gm_arena *a = gm_harness_arena();
    gm_matrix x;
    gm_err err;
    gm_explanation e;
    double margin[6], means[16];
    gm_scorer s = scorer_case(a, &x);
    CHECK(x.cols >= 4 && x.cols <= 16);
    for (int64_t c = 0; c < x.cols; c++) means[c] = 0.25;
    CHECK_RC(gm_scorer_explain(&s, &x, a, &e, &err), GM_EUNSUPPORTED);
    CHECK_HAS(err.message, "does not say what its linear model is explained against");
    s.means = means;
    CHECK_OK(gm_scorer_explain(&s, &x, a, &e, &err), &err);
    CHECK_OK(gm_linear_margin(gm_model_linear(s.model), &x, margin, &err), &err);
    CHECK(e.features_count == 2 && e.rows == 6 && e.outputs == 1);
    CHECK_STR(e.features[1], "carrier");
    CHECK_STR(e.link, "sigmoid");
    for (int64_t r = 0; r < 6; r++) {
        double carrier = 0;
        for (int64_t c = 1; c < x.cols; c++) carrier += -(double)c * (x.data[c * 6 + r] - 0.25);
        CHECK_NEAR(e.values[r * 3 + 1], carrier, 1e-12);
        CHECK_NEAR(gm_explanation_margin(&e, r, 0), margin[r], 1e-12);
    }
}

static void largest_first(void)
{
    gm_arena *a = gm_harness_arena();
    static const char *names[] = { "a", "b", "c", "d" };
    double values[] = { 0.1, -3, (double)NAN, 2, 7 };
    gm_explanation e = { .rows = 1, .outputs = 1, .features = names, .features_count = 4, .values = values, .link = "identity" };
    size_t order[4];
    gm_buf b = { 0 };
    gm_json j;
    gm_err err;
    gm_explanation_order(&e, 0, 0, order);
    CHECK(order[0] == 1 && order[1] == 3 && order[2] == 0 && order[3] == 2);
    values[2] = 0;
    gm_json_init(&j, &b, false);
    CHECK_OK(gm_explanation_json(&e, 0, a, &j, &err), &err);
    CHECK_HAS(gm_buf_str(&b), "\"contributions\":[{\"feature\":\"b\",\"value\":-3");
    CHECK_HAS(gm_buf_str(&b), "\"base\":7");
    gm_buf_clear(&b);
}

static void foreign_models_are_not_explained(void)
{
    gm_err err;
    gm_explanation e;
    gm_scorer s = { 0 };
    CHECK_RC(gm_scorer_explain(&s, NULL, gm_harness_arena(), &e, &err), GM_EUNSUPPORTED);
}

TESTS(T(summed_by_feature), T(largest_first), T(foreign_models_are_not_explained))
