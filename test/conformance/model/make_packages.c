/* make_packages.c - for check_package.py: packages of several kinds of model, each with rows and the answers of our own engine.
 *
 *   make_packages DIR   writes DIR/<name>/ (a sealed package) and DIR/<name>.answers.json
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/random.h"
#include "model/onnx.h"
#include "model/package.h"

enum { ROWS = 500, NUMBERS = 2, FEATURES = 3, DEPTH = 4 };

static const char *const carriers[] = { "AA", "B6", "UA", "it's" };
enum { CARRIERS = sizeof(carriers) / sizeof(carriers[0]) };

typedef struct data {
    double numbers[NUMBERS][ROWS];
    int32_t carrier[ROWS];  /* -1: missing */
    double matrix[FEATURES * ROWS];
} data;

static void stop_on(gm_rc rc, const gm_err *err)
{
    if (!rc) return;
    (void)fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static data *make_data(gm_arena *a)
{
    gm_random r;
    gm_random_init(&r, 3);
    data *d = GM_ARENA_NEW(a, data);
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < NUMBERS; k++) d->numbers[k][i] = gm_random_below(&r, 8) ? gm_random_normal(&r) : NAN;
        d->carrier[i] = (int32_t)gm_random_below(&r, CARRIERS + 1) - 1;
        for (int k = 0; k < NUMBERS; k++) d->matrix[k * ROWS + i] = d->numbers[k][i];
        d->matrix[NUMBERS * ROWS + i] = d->carrier[i]; /* missing is category -1 */
    }
    return d;
}

static int32_t grow(gm_tree *tree, gm_random *r, bool float32, int depth)
{
    int32_t at = tree->count++;
    double v = gm_random_normal(r);
    if (float32) v = (double)(float)v;
    if (depth == 0) {
        tree->nodes[at] = (gm_tree_node){ .feature = -1, .value = v };
        return at;
    }
    gm_tree_node n = { .feature = (int32_t)gm_random_below(r, float32 ? NUMBERS : FEATURES), .threshold = v,
                       .default_left = gm_random_below(r, 2) };
    if (n.feature == NUMBERS) {
        n.categorical = true;
        n.cat_end = 1;
    } else if (!float32) {
        n.missing = (gm_tree_missing)gm_random_below(r, 3);
    }
    n.left = grow(tree, r, float32, depth - 1);
    n.right = grow(tree, r, float32, depth - 1);
    tree->nodes[at] = n;
    return at;
}

static gm_model *forest(gm_arena *a, bool float32, int32_t outputs, gm_link link)
{
    gm_random r;
    gm_random_init(&r, 17);
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    *t = (gm_trees){ .float32 = float32, .less_or_equal = !float32, .trees_count = 8 * outputs, .outputs = outputs, .features = FEATURES,
                     .base = GM_ARENA_ARRAY(a, double, outputs), .link = link, .sigmoid_scale = 1, .cats = GM_ARENA_NEW(a, uint32_t) };
    t->cats[0] = 1u << 1 | 1u << 3;
    t->base[0] = 0.25;
    t->trees = GM_ARENA_ARRAY(a, gm_tree, t->trees_count);
    for (int32_t i = 0; i < t->trees_count; i++) {
        t->trees[i] = (gm_tree){ .nodes = GM_ARENA_ARRAY(a, gm_tree_node, 2 << DEPTH), .output = i % outputs };
        (void)grow(&t->trees[i], &r, float32, DEPTH);
    }
    return gm_model_of_trees(t, a);
}

static gm_model *linear(gm_arena *a)
{
    gm_linear *m = GM_ARENA_NEW(a, gm_linear);
    static double weights[] = { 1, -0.5, 0.25 }, intercept[] = { 0.125 };
    *m = (gm_linear){ .features = FEATURES, .outputs = 1, .weights = weights, .intercept = intercept, .link = GM_LINK_IDENTITY };
    return gm_model_of_linear(m, a);
}

/* Raw columns n0, n1 and carrier to the model and its named outputs. */
static void write_graph(const gm_model *m, const gm_onnx_target *target, const char *path, gm_arena *a)
{
    static const int64_t codes[] = { 0, 1, 2, 3 };
    gm_err err = { 0 };
    gm_buf bytes = { 0 };
    const char *y = NULL;
    gm_onnx *g = gm_onnx_new(a);
    const char *n0 = gm_onnx_input(g, "n0", GM_ONNX_DOUBLE), *n1 = gm_onnx_input(g, "n1", GM_ONNX_DOUBLE);
    const char *code = gm_onnx_op1(g, "ml.LabelEncoder", gm_onnx_input(g, "carrier", GM_ONNX_STRING));
    gm_onnx_attr_strs(g, "keys_strings", carriers, CARRIERS);
    gm_onnx_attr_ints(g, "values_int64s", codes, CARRIERS);
    gm_onnx_attr_int(g, "default_int64", -1);
    const char *x = gm_onnx_op3(g, "Concat", n0, n1, gm_onnx_cast(g, code, GM_ONNX_DOUBLE));
    gm_onnx_attr_int(g, "axis", 1);
    stop_on(gm_onnx_emit_model(g, m, x, &y, &err), &err);
    gm_onnx_finish(g, target, y);
    stop_on(gm_onnx_write(g, &bytes, &err), &err);
    stop_on(gm_fs_write(path, bytes.data, bytes.len, &err), &err);
    gm_buf_clear(&bytes);
}

static void write_answers(const gm_model *m, const data *d, const char *output, const char *path, gm_arena *a)
{
    gm_err err = { 0 };
    gm_buf text = { 0 };
    gm_json j;
    int64_t width = gm_model_outputs(m);
    double *answers = GM_ARENA_ARRAY(a, double, ROWS * width);
    gm_matrix x = { .data = GM_ARENA_ARRAY(a, double, FEATURES * ROWS), .rows = ROWS, .cols = FEATURES };
    for (int i = 0; i < FEATURES * ROWS; i++) x.data[i] = d->matrix[i];
    stop_on(gm_model_predict(m, &x, answers, &err), &err);
    gm_json_init(&j, &text, false);
    gm_json_object(&j);
    for (int k = 0; k < NUMBERS; k++) {
        gm_json_key(&j, k ? "n1" : "n0");
        gm_json_array(&j);
        for (int i = 0; i < ROWS; i++) gm_json_double(&j, d->numbers[k][i]);
        gm_json_array_end(&j);
    }
    gm_json_key(&j, "carrier");
    gm_json_array(&j);
    for (int i = 0; i < ROWS; i++) gm_json_str(&j, d->carrier[i] < 0 ? GM_ONNX_MISSING_TEXT : carriers[d->carrier[i]]);
    gm_json_array_end(&j);
    gm_json_kstr(&j, "output", output);
    gm_json_kint(&j, "width", width);
    gm_json_key(&j, "answers");
    gm_json_array(&j);
    for (int64_t i = 0; i < ROWS * width; i++) gm_json_double(&j, answers[i]);
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    stop_on(gm_fs_write(path, text.data, text.len, &err), &err);
    gm_buf_clear(&text);
}

static void write_package(const char *root, const char *name, const gm_model *m, const data *d, gm_arena *a)
{
    static const gm_signature_column in[] = { { "n0", GM_TYPE_FLOAT, true }, { "n1", GM_TYPE_FLOAT, true }, { "carrier", GM_TYPE_STRING, true } };
    static const char *const classes[] = { "early", "late", "lost" };
    gm_err err = { 0 };
    gm_digest digest;
    int64_t width = gm_model_outputs(m);
    bool regression = gm_model_linear(m) != NULL;
    const char *dir = gm_path_join(a, root, name), *output = regression ? "prediction" : "probability";
    gm_onnx_target target = { .classification = !regression, .texts = classes, .classes = width == 1 ? 2 : (size_t)width };
    const gm_signature_column out[] = { { output, GM_TYPE_FLOAT, true }, { "label", GM_TYPE_STRING, true } };
    stop_on(gm_fs_mkdirs(dir, &err), &err);
    write_graph(m, &target, gm_path_join(a, dir, "model.onnx"), a);
    write_answers(m, d, output, gm_arena_printf(a, "%s.answers.json", dir), a);
    stop_on(gm_package_mlmodel(dir, in, FEATURES, out, regression ? 1 : 2, &err), &err);
    stop_on(gm_package_seal(dir, &digest, &err), &err);
    (void)printf("%s %s\n", name, digest.hex);
}

int main(int argc, char **argv)
{
    gm_arena *a = gm_arena_new(0);
    if (argc != 2 || !a) {
        (void)fprintf(stderr, "usage: make_packages DIR\n");
        return 2;
    }
    const data *d = make_data(a);
    write_package(argv[1], "linear", linear(a), d, a);
    write_package(argv[1], "binary_float32", forest(a, true, 1, GM_LINK_SIGMOID), d, a);
    write_package(argv[1], "binary_double", forest(a, false, 1, GM_LINK_SIGMOID), d, a);
    write_package(argv[1], "three_classes", forest(a, false, 3, GM_LINK_SOFTMAX), d, a);
    gm_arena_free(a);
    return 0;
}
