/* test_onnx.c - a graph of every kind of constant, node and attribute runs in ONNX Runtime and gives what it says. */
#include "unit/model/onnx_case.h"

typedef struct bench {
    gm_arena *a;
    gm_onnx *g;
    gm_err err;
} bench;

static bench start(void)
{
    bench b = { .a = gm_arena_new(0) };
    CHECK(b.a != NULL);
    b.g = gm_onnx_new(b.a);
    CHECK(b.g != NULL);
    return b;
}

static const double numbers[] = { 1, -2, NAN };
static const int64_t integers[] = { 5, GM_MISSING_INT, -7 };

/* A float column x, an integer column n and a text column s of three rows. */
static gm_table three_rows(gm_arena *a)
{
    gm_dict_builder *d = gm_dict_builder_new(a);
    int32_t *codes = GM_ARENA_ARRAY(a, int32_t, 3);
    codes[0] = gm_dict_builder_code(d, "B6", 2);
    codes[1] = GM_MISSING_CODE;
    codes[2] = gm_dict_builder_code(d, "UA", 2);
    gm_column *c = GM_ARENA_ARRAY(a, gm_column, 3);
    c[0] = (gm_column){ .name = "x", .type = GM_TYPE_FLOAT, .rows = 3, .f64 = numbers };
    c[1] = (gm_column){ .name = "n", .type = GM_TYPE_INT, .rows = 3, .i64 = integers };
    c[2] = (gm_column){ .name = "s", .type = GM_TYPE_STRING, .rows = 3, .code = codes, .dict = gm_dict_builder_finish(d) };
    return (gm_table){ .rows = 3, .columns_count = 3, .columns = c };
}

/* Run the graph over three_rows and compare one output with what is wanted. */
static void expect(bench *b, const char *output, const double *want, int64_t width)
{
    gm_table t = three_rows(b->a);
    double *got = NULL;
    int64_t got_width = 0;
    gm_ort *ort = case_open(b->g);
    CHECK_OK(gm_ort_predict(ort, &t, output, b->a, &got, &got_width, &b->err), &b->err);
    CHECK(got_width == width);
    for (int64_t i = 0; i < 3 * width; i++)
        if (!(isnan(want[i]) && isnan(got[i]))) CHECK_NEAR(got[i], want[i], 1e-15);
    gm_ort_close(ort);
    gm_arena_free(b->a);
}

static void doubles_are_added_row_by_row(void)
{
    bench b = start();
    const char *x = gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE);
    gm_onnx_output(b.g, gm_onnx_op2(b.g, "Add", x, gm_onnx_double(b.g, 0.1)), "y", GM_ONNX_DOUBLE, 1);
    expect(&b, "y", (double[]){ 1 + 0.1, -2 + 0.1, NAN }, 1);
}

static void a_vector_constant_is_broadcast(void)
{
    bench b = start();
    const char *x = gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE);
    const char *v = gm_onnx_doubles(b.g, (double[]){ 1, 10 }, (int64_t[]){ 1, 2 }, 2);
    gm_onnx_output(b.g, gm_onnx_op2(b.g, "Mul", x, v), "y", GM_ONNX_DOUBLE, 2);
    expect(&b, "y", (double[]){ 1, 10, -2, -20, NAN, NAN }, 2);
}

static void floats_are_cast(void)
{
    bench b = start();
    const char *x = gm_onnx_cast(b.g, gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE), GM_ONNX_FLOAT);
    const char *y = gm_onnx_op2(b.g, "Add", x, gm_onnx_floats(b.g, (float[]){ 0.1f }, (int64_t[]){ 1 }, 1));
    gm_onnx_output(b.g, gm_onnx_cast(b.g, y, GM_ONNX_DOUBLE), "y", GM_ONNX_DOUBLE, 1);
    expect(&b, "y", (double[]){ (double)(1 + 0.1f), (double)(-2 + 0.1f), NAN }, 1);
}

static void missing_integers_are_the_least(void)
{
    bench b = start();
    const char *n = gm_onnx_input(b.g, "n", GM_ONNX_INT64);
    const char *missing = gm_onnx_int64s(b.g, (int64_t[]){ INT64_MIN }, NULL, 0);
    const char *is = gm_onnx_op2(b.g, "Equal", n, missing);
    gm_onnx_output(b.g, gm_onnx_op3(b.g, "Where", is, gm_onnx_double(b.g, -1), gm_onnx_cast(b.g, n, GM_ONNX_DOUBLE)), "y",
                   GM_ONNX_DOUBLE, 1);
    expect(&b, "y", (double[]){ 5, -1, -7 }, 1);
}

static void booleans_choose(void)
{
    bench b = start();
    const char *x = gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE);
    const char *mask = gm_onnx_bools(b.g, (bool[]){ true, false }, (int64_t[]){ 1, 2 }, 2);
    gm_onnx_output(b.g, gm_onnx_op3(b.g, "Where", mask, x, gm_onnx_double(b.g, 8)), "y", GM_ONNX_DOUBLE, 2);
    expect(&b, "y", (double[]){ 1, 8, -2, 8, NAN, 8 }, 2);
}

static void a_label_encoder_takes_lists_and_a_default(void)
{
    bench b = start();
    const char *s = gm_onnx_input(b.g, "s", GM_ONNX_STRING);
    const char *y = gm_onnx_op1(b.g, "ml.LabelEncoder", s);
    gm_onnx_attr_strs(b.g, "keys_strings", (const char *[]){ "B6", GM_ONNX_MISSING_TEXT }, 2);
    gm_onnx_attr_ints(b.g, "values_int64s", (int64_t[]){ 3, 4 }, 2);
    gm_onnx_attr_int(b.g, "default_int64", -1);
    gm_onnx_output(b.g, gm_onnx_cast(b.g, y, GM_ONNX_DOUBLE), "y", GM_ONNX_DOUBLE, 1);
    expect(&b, "y", (double[]){ 3, 4, -1 }, 1);
}

static void attributes_of_every_kind(void)
{
    bench b = start();
    const char *x = gm_onnx_cast(b.g, gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE), GM_ONNX_FLOAT);
    const char *y = gm_onnx_op1(b.g, "ml.Imputer", x);
    gm_onnx_attr_floats(b.g, "imputed_value_floats", (float[]){ 7 }, 1);
    gm_onnx_attr_float(b.g, "replaced_value_float", NAN);
    y = gm_onnx_op1(b.g, "ml.Normalizer", y);
    gm_onnx_attr_str(b.g, "norm", "MAX");
    gm_onnx_output(b.g, gm_onnx_cast(b.g, y, GM_ONNX_DOUBLE), "y", GM_ONNX_DOUBLE, 1);
    expect(&b, "y", (double[]){ 1, 1, 1 }, 1); /* each row over its own largest magnitude */
}

static void two_classes_have_a_probability_and_a_label(void)
{
    bench b = start();
    const char *x = gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE);
    gm_onnx_target t = { .classification = true, .classes = 2, .texts = (const char *[]){ "no", "yes" } };
    gm_table rows = three_rows(b.a);
    const char **labels = NULL;
    double *p = NULL;
    int64_t width = 0;
    gm_onnx_finish(b.g, &t, gm_onnx_op1(b.g, "Sigmoid", x));
    gm_ort *ort = case_open(b.g);
    CHECK_OK(gm_ort_predict(ort, &rows, "probability", b.a, &p, &width, &b.err), &b.err);
    CHECK(width == 1);
    CHECK_NEAR(p[0], 1 / (1 + exp(-1.0)), 1e-15);
    CHECK_OK(gm_ort_predict_texts(ort, &rows, "label", b.a, &labels, &b.err), &b.err);
    CHECK_STR(labels[0], "yes");
    CHECK_STR(labels[1], "no");
    CHECK_STR(labels[2], "no"); /* NaN is no more than any threshold */
    gm_ort_close(ort);
    gm_arena_free(b.a);
}

static void many_classes_have_the_most_probable_label(void)
{
    bench b = start();
    const char *x = gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE);
    const char *w = gm_onnx_doubles(b.g, (double[]){ 1, 0, 1 }, (int64_t[]){ 1, 3 }, 2);
    gm_onnx_target t = { .classification = true, .classes = 3, .ints = (int64_t[]){ 10, 20, 30 } };
    gm_table rows = three_rows(b.a);
    const char **labels = NULL;
    gm_onnx_finish(b.g, &t, gm_onnx_op2(b.g, "Mul", x, w));
    gm_ort *ort = case_open(b.g);
    CHECK(gm_ort_output_width(ort, "probability") == 3);
    CHECK_OK(gm_ort_predict_texts(ort, &rows, "label", b.a, &labels, &b.err), &b.err);
    CHECK_STR(labels[0], "10"); /* 1 0 1: the first of equals */
    CHECK_STR(labels[1], "20"); /* -2 0 -2 */
    gm_ort_close(ort);
    gm_arena_free(b.a);
}

static void an_output_named_like_an_input_is_found(void)
{
    bench b = start();
    const char *x = gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE);
    gm_onnx_output(b.g, gm_onnx_op1(b.g, "Neg", x), "x", GM_ONNX_DOUBLE, 1);
    expect(&b, "x", (double[]){ -1, 2, NAN }, 1);
}

static void the_first_failure_is_kept_to_the_end(void)
{
    bench b = start();
    gm_buf bytes = { 0 };
    CHECK(gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE) != NULL);
    CHECK(gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE) == NULL);
    CHECK(gm_onnx_op1(b.g, "Neg", NULL) == NULL);
    gm_onnx_attr_int(b.g, "axis", 1);
    gm_onnx_output(b.g, NULL, "y", GM_ONNX_DOUBLE, 1);
    CHECK_RC(gm_onnx_write(b.g, &bytes, &b.err), GM_EINVALID);
    CHECK_HAS(b.err.message, "\"x\" is there twice");
    CHECK(bytes.len == 0);
    gm_arena_free(b.a);
}

static void a_small_arena_is_an_ordinary_failure(void)
{
    gm_buf bytes = { 0 };
    gm_err err = { 0 };
    gm_arena *a = gm_arena_new(1 << 16);
    gm_onnx *g = gm_onnx_new(a);
    const char *x = gm_onnx_input(g, "x", GM_ONNX_DOUBLE);
    for (int i = 0; i < 10000; i++) x = gm_onnx_op1(g, "Neg", x);
    gm_onnx_output(g, x, "y", GM_ONNX_DOUBLE, 1);
    CHECK_RC(gm_onnx_write(g, &bytes, &err), GM_ENOMEM);
    gm_arena_free(a);
}

static void equal_graphs_are_equal_bytes(void)
{
    gm_buf bytes[2] = { { 0 }, { 0 } };
    for (int i = 0; i < 2; i++) {
        bench b = start();
        gm_onnx_metadata(b.g, "task", "binary");
        const char *x = gm_onnx_input(b.g, "x", GM_ONNX_DOUBLE);
        gm_onnx_output(b.g, gm_onnx_op1(b.g, "Neg", x), "y", GM_ONNX_DOUBLE, 1);
        CHECK_OK(gm_onnx_write(b.g, &bytes[i], &b.err), &b.err);
        gm_arena_free(b.a);
    }
    CHECK(bytes[0].len == bytes[1].len && memcmp(bytes[0].data, bytes[1].data, bytes[0].len) == 0);
    gm_buf_clear(&bytes[0]);
    gm_buf_clear(&bytes[1]);
}

TESTS(T(doubles_are_added_row_by_row), T(a_vector_constant_is_broadcast), T(floats_are_cast), T(missing_integers_are_the_least),
      T(booleans_choose), T(a_label_encoder_takes_lists_and_a_default),
      T(attributes_of_every_kind), T(two_classes_have_a_probability_and_a_label), T(many_classes_have_the_most_probable_label),
      T(an_output_named_like_an_input_is_found), T(the_first_failure_is_kept_to_the_end),
      T(a_small_arena_is_an_ordinary_failure), T(equal_graphs_are_equal_bytes))
