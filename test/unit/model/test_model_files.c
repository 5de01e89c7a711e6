/* test_model_files.c - linear models by hand; what is no model is refused and never crashes; foreign ONNX models are fed as they ask. */
#include "unit/model/onnx_case.h"

static gm_arena *arena(void)
{
    gm_arena *a = gm_arena_new(0);
    CHECK(a != NULL);
    return a;
}

static const char *written(const char *name, const void *bytes, size_t len)
{
    static char path[512];
    gm_err err = { 0 };
    (void)snprintf(path, sizeof(path), "%s/%s", gm_harness_tmpdir(), name);
    CHECK_OK(gm_fs_write(path, bytes, len, &err), &err);
    return path;
}

/* ---- linear -------------------------------------------------------------------------------------------- */

static double weights[] = { 1, -2, 0.5, 0.25 };
static double intercept[] = { 0.5, -1 };

static void a_linear_model_by_hand(void)
{
    gm_arena *a = arena();
    gm_err err = { 0 };
    double out[2];
    gm_linear m = { .features = 2, .outputs = 1, .weights = weights, .intercept = intercept, .link = GM_LINK_SIGMOID };
    gm_matrix x = { .data = (double[]){ 3, NAN, 1, 1 }, .rows = 2, .cols = 2 }; /* rows (3, 1), (NaN, 1) */
    CHECK_OK(gm_model_predict(gm_model_of_linear(&m, a), &x, out, &err), &err);
    CHECK_NEAR(out[0], 1 / (1 + exp(-1.5)), 1e-15); /* 3 - 2 + 0.5 */
    CHECK(isnan(out[1]));
    x.cols = 1;
    CHECK_RC(gm_model_predict(gm_model_of_linear(&m, a), &x, out, &err), GM_EINVALID);
    CHECK_HAS(err.message, "takes 2 features, the matrix has 1");
    gm_arena_free(a);
}

static void links_keep_their_range(void)
{
    double v[] = { 1000, -1000, 0 };
    gm_link_apply(GM_LINK_SIGMOID, 1, v, 3, 1);
    CHECK(v[0] == 1 && v[1] == 0 && v[2] == 0.5);
    double s[] = { 1000, 1000, -1000 };
    gm_link_apply(GM_LINK_SOFTMAX, 1, s, 1, 3);
    CHECK(s[0] == 0.5 && s[1] == 0.5 && s[2] == 0);
    double e[] = { 0, 1 };
    gm_link_apply(GM_LINK_EXP, 1, e, 2, 1);
    CHECK_NEAR(e[1], exp(1), 0);
}

static void linear_models_equal_onnx_runtime(void)
{
    gm_arena *a = arena();
    gm_random r;
    gm_random_init(&r, 5);
    gm_linear m = { .features = 20, .outputs = 3, .link = GM_LINK_SOFTMAX };
    m.weights = GM_ARENA_ARRAY(a, double, 60);
    m.intercept = GM_ARENA_ARRAY(a, double, 3);
    for (int i = 0; i < 60; i++) m.weights[i] = gm_random_normal(&r);
    for (int i = 0; i < 3; i++) m.intercept[i] = gm_random_normal(&r);
    gm_matrix x = { .rows = 10000, .cols = 20, .data = GM_ARENA_ARRAY(a, double, 200000) };
    for (int i = 0; i < 200000; i++) x.data[i] = gm_random_normal(&r);
    for (gm_link link = GM_LINK_IDENTITY; link <= GM_LINK_EXP; link++) {
        m.link = link;
        case_compare(gm_model_of_linear(&m, a), &x, 1e-12, a);
    }
    gm_arena_free(a);
}

static void a_linear_file_reads_back_equal(void)
{
    gm_arena *a = arena();
    gm_err err = { 0 };
    gm_buf text = { 0 };
    gm_json j;
    gm_model *m = NULL;
    gm_linear before = { .features = 2, .outputs = 2, .weights = weights, .intercept = intercept, .link = GM_LINK_SOFTMAX };
    before.weights[1] = 0.1 + 0.2; /* needs all 17 digits */
    gm_json_init(&j, &text, true);
    gm_linear_json(&before, &j);
    CHECK_OK(gm_model_load(GM_MODEL_LINEAR, written("model.json", text.data, text.len), a, &m, &err), &err);
    const gm_linear *after = gm_model_linear(m);
    CHECK(after->features == 2 && after->outputs == 2 && after->link == GM_LINK_SOFTMAX);
    CHECK(memcmp(after->weights, weights, sizeof(weights)) == 0 && memcmp(after->intercept, intercept, sizeof(intercept)) == 0);
    CHECK(gm_model_outputs(m) == 2 && gm_model_trees(m) == NULL && gm_model_format_of(m) == GM_MODEL_LINEAR);
    gm_buf_clear(&text);
    gm_arena_free(a);
}

static void spoiled_linear_files_say_what_is_wrong(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "{}", "not a linear model" },
        { "[1]", "not a linear model" },
        { "{\"format\": \"gristmill-linear\", \"version\": 2}", "version 2" },
        { "{\"format\": \"gristmill-linear\", \"version\": 1, \"features\": -1, \"outputs\": 1}", "-1 features" },
        { "{\"format\": \"gristmill-linear\", \"version\": 1, \"features\": 100000000, \"outputs\": 100000000}", "features" },
        { "{\"format\": \"gristmill-linear\", \"version\": 1, \"features\": 1, \"outputs\": 1, \"link\": \"probit\"}", "probit" },
        { "{\"format\": \"gristmill-linear\", \"version\": 1, \"features\": 1, \"outputs\": 1, \"link\": \"exp\"}", "weights" },
        { "{\"format\": \"gristmill-linear\", \"version\": 1, \"features\": 1, \"outputs\": 1, \"link\": \"exp\", \"weights\": [[1, 2]]}", "1 numbers" },
        { "{\"format\": \"gristmill-linear\", \"version\": 1, \"features\": 1, \"outputs\": 1, \"link\": \"exp\", \"weights\": [[null]], \"intercept\": [0]}", "number" },
        { "{\"format\": \"gristmill-linear\", \"version\": 1, \"features\": 1, \"outputs\": 1, \"link\": \"exp\", \"weights\": [[1]]}", "intercept" },
        { "{\"format\": \"gristmill-linear\", \"ver", "" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_arena *a = arena();
        gm_err err = { 0 };
        gm_model *m = NULL;
        gm_rc rc = gm_model_load(GM_MODEL_LINEAR, written("model.json", cases[i].text, strlen(cases[i].text)), a, &m, &err);
        if (rc != GM_EINVALID && rc != GM_EUNSUPPORTED) gm_harness_fail(__FILE__, __LINE__, "%s: %s", cases[i].text, gm_rc_name(rc));
        CHECK_HAS(err.message, cases[i].says);
        CHECK(m == NULL);
        gm_arena_free(a);
    }
}

/* ---- no models at all ---------------------------------------------------------------------------------- */

static void random_bytes_are_no_model(void)
{
    gm_random r;
    gm_random_init(&r, 11);
    for (int i = 0; i < 200; i++) {
        unsigned char bytes[256];
        size_t len = (size_t)gm_random_below(&r, sizeof(bytes));
        for (size_t k = 0; k < len; k++) bytes[k] = (unsigned char)gm_random_u64(&r);
        const char *path = written("model", bytes, len);
        for (gm_model_format f = GM_MODEL_LINEAR; f <= GM_MODEL_LIGHTGBM; f++) {
            gm_arena *a = arena();
            gm_err err = { 0 };
            gm_model *m = NULL;
            CHECK(gm_model_load(f, path, a, &m, &err) != GM_OK);
            CHECK(err.message[0] && m == NULL);
            gm_arena_free(a);
        }
        if (i % 20) continue; /* opening a session is slower */
        gm_arena *a = arena();
        gm_err err = { 0 };
        gm_model *m = NULL;
        CHECK(gm_model_load(GM_MODEL_ONNX, path, a, &m, &err) != GM_OK);
        CHECK(err.message[0]);
        gm_arena_free(a);
    }
}

/* A graph with a two-column input matrix, as scikit-learn's exporter makes it, made by hand: probabilities (1 - s, s), s = sigmoid(f0). */
static gm_buf pair_graph(gm_arena *a)
{
    gm_buf bytes = { 0 };
    gm_err err = { 0 };
    gm_onnx *g = gm_onnx_new(a);
    const char *s = gm_onnx_op1(g, "Sigmoid", gm_onnx_input(g, "f0", GM_ONNX_DOUBLE));
    const char *both = gm_onnx_op2(g, "Concat", gm_onnx_op2(g, "Sub", gm_onnx_double(g, 1), s), s);
    gm_onnx_attr_int(g, "axis", 1);
    gm_onnx_output(g, gm_onnx_cast(g, both, GM_ONNX_INT64), "label", GM_ONNX_INT64, 2);
    gm_onnx_output(g, both, "probabilities", GM_ONNX_DOUBLE, 2);
    CHECK_OK(gm_onnx_write(g, &bytes, &err), &err);
    return bytes;
}

static void a_pair_of_probabilities_is_a_binary_model(void)
{
    gm_arena *a = arena();
    gm_err err = { 0 };
    gm_model *m = NULL;
    double out[3];
    gm_buf bytes = pair_graph(a);
    gm_matrix x = { .data = (double[]){ 0, 2, -2 }, .rows = 3, .cols = 1 };
    CHECK_OK(gm_model_load(GM_MODEL_ONNX, written("model.onnx", bytes.data, bytes.len), a, &m, &err), &err);
    CHECK(gm_model_outputs(m) == 1);
    CHECK_OK(gm_model_predict(m, &x, out, &err), &err);
    for (int i = 0; i < 3; i++) CHECK_NEAR(out[i], 1 / (1 + exp(-x.data[i])), 1e-15);
    gm_buf_clear(&bytes);
    gm_arena_free(a);
}

/* An error with a message, or a model that answers: a file cut between two fields is a valid one. */
static void load_and_try(const void *bytes, size_t len)
{
    gm_arena *a = arena();
    gm_err err = { 0 };
    gm_model *m = NULL;
    double out[2];
    gm_matrix x = { .data = (double[]){ 0 }, .rows = 1, .cols = 1 };
    gm_rc rc = gm_model_load(GM_MODEL_ONNX, written("model.onnx", bytes, len), a, &m, &err);
    if (!rc && gm_model_outputs(m) <= 2) rc = gm_model_predict(m, &x, out, &err);
    CHECK(!rc || err.message[0]);
    gm_arena_free(a);
}

static void damaged_onnx_files_do_not_crash(void)
{
    gm_arena *a = arena();
    gm_buf bytes = pair_graph(a);
    for (size_t i = 0; i < bytes.len; i += 5) {
        load_and_try(bytes.data, i);
        bytes.data[i] = (char)(bytes.data[i] ^ 4);
        load_and_try(bytes.data, bytes.len);
        bytes.data[i] = (char)(bytes.data[i] ^ 4);
    }
    gm_buf_clear(&bytes);
    gm_arena_free(a);
}

static void a_file_that_is_not_there(void)
{
    gm_arena *a = arena();
    gm_model *m = NULL;
    for (gm_model_format f = GM_MODEL_LINEAR; f <= GM_MODEL_ONNX; f++) {
        gm_err err = { 0 };
        CHECK_RC(gm_model_load(f, "no/such/file", a, &m, &err), GM_ENOTFOUND);
        CHECK_HAS(err.message, "no/such/file");
    }
    gm_arena_free(a);
}

/* ---- feeding ONNX Runtime ------------------------------------------------------------------------------ */

static gm_ort *doubled(gm_arena *a, gm_onnx_type type)
{
    gm_onnx *g = gm_onnx_new(a);
    const char *x = gm_onnx_cast(g, gm_onnx_input(g, "x", type), GM_ONNX_DOUBLE);
    gm_onnx_output(g, gm_onnx_op2(g, "Add", x, x), "y", GM_ONNX_DOUBLE, 1);
    return case_open(g);
}

static void columns_become_what_the_input_holds(void)
{
    gm_arena *a = arena();
    gm_err err = { 0 };
    double *y = NULL;
    int64_t width = 0;
    const double floats[] = { 1.5, -2, 3 };
    const int64_t ints[] = { 1, 0, 1 };
    gm_column c = { .name = "x", .type = GM_TYPE_FLOAT, .rows = 3, .f64 = floats };
    gm_table t = { .rows = 3, .columns_count = 1, .columns = &c };
    gm_ort *ort = doubled(a, GM_ONNX_FLOAT);
    CHECK_OK(gm_ort_predict(ort, &t, "y", a, &y, &width, &err), &err);
    CHECK(width == 1 && y[0] == 3 && y[1] == -4 && y[2] == 6);
    gm_ort_close(ort);

    ort = doubled(a, GM_ONNX_INT64);
    CHECK_RC(gm_ort_predict(ort, &t, "y", a, &y, &width, &err), GM_EINVALID);
    CHECK_HAS(err.message, "row 0 of column \"x\" is \"1.5\"");
    c = (gm_column){ .name = "x", .type = GM_TYPE_INT, .rows = 3, .i64 = ints };
    CHECK_OK(gm_ort_predict(ort, &t, "y", a, &y, &width, &err), &err);
    CHECK(y[0] == 2 && y[1] == 0);
    gm_ort_close(ort);

    ort = doubled(a, GM_ONNX_BOOL);
    CHECK_OK(gm_ort_predict(ort, &t, "y", a, &y, &width, &err), &err);
    CHECK(y[0] == 2 && y[1] == 0 && y[2] == 2);
    CHECK_RC(gm_ort_predict(ort, &t, "z", a, &y, &width, &err), GM_EINVALID);
    CHECK_HAS(err.hint, "\"y\"");
    c.name = "other";
    c.type = GM_TYPE_STRING;
    CHECK_RC(gm_ort_predict(ort, &t, "y", a, &y, &width, &err), GM_EINVALID);
    gm_ort_close(ort);
    gm_arena_free(a);
}

static void no_rows_give_no_predictions(void)
{
    gm_arena *a = arena();
    gm_err err = { 0 };
    double *y = NULL;
    int64_t width = 0;
    gm_column c = { .name = "x", .type = GM_TYPE_FLOAT };
    gm_table t = { .rows = 0, .columns_count = 1, .columns = &c };
    gm_ort *ort = doubled(a, GM_ONNX_DOUBLE);
    CHECK_OK(gm_ort_predict(ort, &t, "y", a, &y, &width, &err), &err);
    CHECK(width == 1);
    gm_ort_close(ort);
    gm_arena_free(a);
}

static void the_pinned_library_is_the_one_loaded(void)
{
    gm_arena *a = arena();
    gm_ort *ort = doubled(a, GM_ONNX_DOUBLE);
    CHECK_STR(gm_ort_library_version(ort), gm_ort_version());
    const char **names = NULL;
    gm_type *types = NULL;
    size_t count = 0;
    gm_err err = { 0 };
    CHECK_OK(gm_ort_inputs(ort, a, &names, &types, &count, &err), &err);
    CHECK(count == 1 && types[0] == GM_TYPE_FLOAT);
    CHECK_STR(names[0], "x");
    CHECK_OK(gm_ort_outputs(ort, a, &names, &types, &count, &err), &err);
    CHECK(count == 1);
    CHECK_STR(names[0], "y");
    gm_ort_close(ort);
    gm_arena_free(a);
}

TESTS(T(a_linear_model_by_hand), T(links_keep_their_range), T(linear_models_equal_onnx_runtime), T(a_linear_file_reads_back_equal),
      T(spoiled_linear_files_say_what_is_wrong), T(random_bytes_are_no_model), T(a_pair_of_probabilities_is_a_binary_model),
      T(damaged_onnx_files_do_not_crash), T(a_file_that_is_not_there), T(columns_become_what_the_input_holds),
      T(no_rows_give_no_predictions), T(the_pinned_library_is_the_one_loaded))
