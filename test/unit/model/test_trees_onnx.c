/* test_trees_onnx.c - tree ensembles of foreign ONNX graphs: what is read answers as ONNX Runtime does, what is broken is refused by name. */
#include "model/trees.h"
#include "unit/model/onnx_case.h"

enum { ROWS = 400, FEATURES = 3, DEPTH = 3, NODES = (2 << DEPTH) - 1, TREES_MAX = 8, CLASSES_MAX = 4 };

/* What a graph is made of. Trees are full; a leaf has a weight for each id in `ids`, or for tree % classes alone. */
typedef struct form {
    bool regressor, wide, negative, each; /* each: a leaf has weights for all outputs */
    bool second;                          /* of two classes: the one set of weights is the second's */
    int64_t outputs, trees, bases;        /* outputs 2 of a classifier without each: one set of weights */
    const char *transform, *aggregate;
    const char *const *modes;             /* [modes_count] */
    int modes_count;
} form;

typedef struct lists {
    int64_t tree[TREES_MAX * NODES], node[TREES_MAX * NODES], feature[TREES_MAX * NODES], yes[TREES_MAX * NODES], no[TREES_MAX * NODES],
        missing[TREES_MAX * NODES];
    const char *mode[TREES_MAX * NODES];
    double value[TREES_MAX * NODES];
    size_t nodes;
    int64_t leaf_tree[TREES_MAX * NODES * CLASSES_MAX], leaf_node[TREES_MAX * NODES * CLASSES_MAX], leaf_id[TREES_MAX * NODES * CLASSES_MAX];
    double weight[TREES_MAX * NODES * CLASSES_MAX];
    size_t leaves;
} lists;

static void add_weight(lists *l, int64_t tree, int64_t node, int64_t id, double weight)
{
    l->leaf_tree[l->leaves] = tree;
    l->leaf_node[l->leaves] = node;
    l->leaf_id[l->leaves] = id;
    l->weight[l->leaves++] = weight;
}

static void fill(const form *f, gm_random *r, lists *l)
{
    *l = (lists){ 0 };
    for (int64_t t = 0; t < f->trees; t++)
        for (int64_t k = 0; k < NODES; k++) {
            size_t i = l->nodes++;
            bool leaf = k >= NODES / 2;
            double v = (double)(float)((double)gm_random_below(r, 40) / 10 - 2.03);
            l->tree[i] = t, l->node[i] = k;
            l->mode[i] = leaf ? "LEAF" : f->modes[gm_random_below(r, f->modes_count)];
            l->value[i] = leaf ? 0 : v;
            l->feature[i] = leaf ? 0 : gm_random_below(r, FEATURES);
            l->yes[i] = leaf ? 0 : 2 * k + 2, l->no[i] = leaf ? 0 : 2 * k + 1; /* the true branch on the right */
            l->missing[i] = gm_random_below(r, 2);
            if (!leaf) continue;
            bool pair = !f->regressor && f->outputs == 2 && !f->each;
            for (int64_t o = 0; o < f->outputs; o++)
                if (f->each || o == (pair ? f->second : t % f->outputs))
                    add_weight(l, t, k, o, (double)(float)(gm_random_double(r) / (double)f->trees - (f->negative ? 0.5 / (double)f->trees : 0)));
        }
}

static void put_values(gm_onnx *g, bool wide, const char *name, const char *long_name, const double *v, size_t n)
{
    float floats[TREES_MAX * NODES * CLASSES_MAX];
    for (size_t i = 0; i < n; i++) floats[i] = (float)v[i];
    if (wide) gm_onnx_attr_tensor_doubles(g, long_name, v, n);
    else gm_onnx_attr_floats(g, name, floats, n);
}

/* The file's bytes; its output is called probabilities or variable. */
static gm_buf make_graph(const form *f, const lists *l, gm_arena *a)
{
    static const double bases[CLASSES_MAX] = { 0.125, -0.3, 0.7, 0.05 };
    static const int64_t labels[CLASSES_MAX] = { 0, 1, 2, 3 };
    gm_onnx *g = gm_onnx_new(a);
    gm_err err = { 0 };
    gm_buf bytes = { 0 };
    const char *x = case_inputs(g, a, FEATURES);
    if (!f->wide) x = gm_onnx_cast(g, x, GM_ONNX_FLOAT);
    const char *y = gm_onnx_op1(g, f->regressor ? "ml.TreeEnsembleRegressor" : "ml.TreeEnsembleClassifier", x);
    if (!f->regressor) y = gm_onnx_second_output(g);
    gm_onnx_attr_ints(g, "nodes_treeids", l->tree, l->nodes);
    gm_onnx_attr_ints(g, "nodes_nodeids", l->node, l->nodes);
    gm_onnx_attr_ints(g, "nodes_featureids", l->feature, l->nodes);
    gm_onnx_attr_ints(g, "nodes_truenodeids", l->yes, l->nodes);
    gm_onnx_attr_ints(g, "nodes_falsenodeids", l->no, l->nodes);
    gm_onnx_attr_ints(g, "nodes_missing_value_tracks_true", l->missing, l->nodes);
    gm_onnx_attr_strs(g, "nodes_modes", l->mode, l->nodes);
    put_values(g, f->wide, "nodes_values", "nodes_values_as_tensor", l->value, l->nodes);
    gm_onnx_attr_ints(g, f->regressor ? "target_treeids" : "class_treeids", l->leaf_tree, l->leaves);
    gm_onnx_attr_ints(g, f->regressor ? "target_nodeids" : "class_nodeids", l->leaf_node, l->leaves);
    gm_onnx_attr_ints(g, f->regressor ? "target_ids" : "class_ids", l->leaf_id, l->leaves);
    put_values(g, f->wide, f->regressor ? "target_weights" : "class_weights", f->regressor ? "target_weights_as_tensor" : "class_weights_as_tensor",
               l->weight, l->leaves);
    if (f->bases) put_values(g, f->wide, "base_values", "base_values_as_tensor", bases, (size_t)f->bases);
    gm_onnx_attr_str(g, "post_transform", f->transform);
    if (f->regressor) gm_onnx_attr_int(g, "n_targets", f->outputs);
    else gm_onnx_attr_ints(g, "classlabels_int64s", labels, (size_t)f->outputs);
    if (f->aggregate) gm_onnx_attr_str(g, "aggregate_function", f->aggregate);
    gm_onnx_output(g, y, f->regressor ? "variable" : "probabilities", GM_ONNX_FLOAT, f->outputs);
    CHECK_OK(gm_onnx_write(g, &bytes, &err), &err);
    return bytes;
}

static const char *output_of(const form *f)
{
    return f->regressor ? "variable" : "probabilities";
}

/* Values on the grid of the thresholds, beside it, and odd ones. */
static gm_matrix make_rows(gm_random *r, gm_arena *a)
{
    static const double odd[] = { NAN, INFINITY, -INFINITY, 0, -0.0, 1e-40 };
    gm_matrix x = { .rows = ROWS, .cols = FEATURES, .data = GM_ARENA_ARRAY(a, double, ROWS * FEATURES) };
    for (int64_t i = 0; i < ROWS * FEATURES; i++) {
        float v = (float)((double)gm_random_below(r, 40) / 10 - 2.03);
        int64_t side = gm_random_below(r, 3) - 1;
        x.data[i] = side == 0 ? (double)v : (double)nextafterf(v, side < 0 ? -INFINITY : INFINITY);
        if (gm_random_below(r, 8) == 0) x.data[i] = odd[gm_random_below(r, 6)];
    }
    return x;
}

static void as_onnx_runtime(const form *f)
{
    gm_random r;
    gm_random_init(&r, 7);
    for (int round = 0; round < 3; round++) {
        gm_arena *a = gm_arena_new(0);
        gm_err err = { 0 };
        lists *l = GM_ARENA_NEW(a, lists);
        fill(f, &r, l);
        gm_buf bytes = make_graph(f, l, a);
        gm_onnx_trees o = { 0 };
        gm_ort *ort = NULL;
        char path[512];
        double *theirs = NULL;
        int64_t width = 0;
        CHECK_OK(gm_trees_read_onnx(bytes.data, bytes.len, output_of(f), a, &o, &err), &err);
        CHECK(o.trees->features == FEATURES && !o.matrix && strcmp(o.inputs[2], "f2") == 0 && o.trees->float32 == !f->wide);
        (void)snprintf(path, sizeof(path), "%s/model.onnx", gm_harness_tmpdir());
        CHECK_OK(gm_fs_write(path, bytes.data, bytes.len, &err), &err);
        gm_buf_clear(&bytes);
        gm_rc rc = gm_ort_open(path, &ort, &err);
        if (rc == GM_EUNAVAILABLE) gm_harness_skip("%s", err.message);
        CHECK_OK(rc, &err);
        gm_matrix x = make_rows(&r, a);
        gm_table t = case_table(&x, a);
        int64_t outputs = o.trees->outputs;
        double *ours = GM_ARENA_ARRAY(a, double, ROWS *outputs);
        gm_model *m = gm_model_of_trees(o.trees, a);
        CHECK(m && gm_model_predict(m, &x, ours, &err) == GM_OK);
        CHECK_OK(gm_ort_predict(ort, &t, output_of(f), a, &theirs, &width, &err), &err);
        CHECK(width == f->outputs && outputs == (width == 2 && !f->regressor ? 1 : width));
        for (int64_t i = 0; i < ROWS; i++)
            for (int64_t k = 0; k < outputs; k++) {
                double want = theirs[i * width + (outputs == 1 ? width - 1 : k)], got = ours[i * outputs + k];
                if (!(fabs(got - want) <= 1e-6 * fmax(1, fabs(want))))
                    gm_harness_fail(__FILE__, __LINE__, "row %lld, output %lld: %.9g, ONNX Runtime %.9g", (long long)i, (long long)k, got, want);
            }
        gm_ort_close(ort);
        gm_arena_free(a);
    }
}

static const char *const leq[] = { "BRANCH_LEQ" }, *const lt[] = { "BRANCH_LT" }, *const greater[] = { "BRANCH_GT", "BRANCH_GTE" },
                  *const mixed[] = { "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE" };

static void regressors(void)
{
    for (int wide = 0; wide < 2; wide++) {
        as_onnx_runtime(&(form){ .regressor = true, .wide = wide, .outputs = 1, .trees = 7, .transform = "NONE", .modes = leq, .modes_count = 1 });
        as_onnx_runtime(&(form){ .regressor = true, .wide = wide, .outputs = 1, .trees = 7, .bases = 1, .transform = "NONE", .modes = lt, .modes_count = 1 });
        as_onnx_runtime(&(form){ .regressor = true, .wide = wide, .outputs = 3, .trees = 8, .bases = 3, .each = true, .transform = "NONE",
                                 .modes = greater, .modes_count = 2 });
        as_onnx_runtime(&(form){ .regressor = true, .wide = wide, .outputs = 1, .trees = 8, .transform = "NONE", .aggregate = "AVERAGE",
                                 .modes = leq, .modes_count = 1 });
    }
}

static void modes_may_be_mixed(void)
{
    as_onnx_runtime(&(form){ .regressor = true, .outputs = 1, .trees = 8, .negative = true, .transform = "NONE", .modes = mixed, .modes_count = 4 });
    as_onnx_runtime(&(form){ .outputs = 3, .trees = 8, .each = true, .transform = "NONE", .modes = mixed, .modes_count = 4 });
}

static void classifiers_of_two(void)
{
    /* scikit-learn's forests, its boosting, XGBoost's */
    for (int wide = 0; wide < 2; wide++) {
        as_onnx_runtime(&(form){ .wide = wide, .outputs = 2, .trees = 5, .each = true, .transform = "NONE", .modes = leq, .modes_count = 1 });
        as_onnx_runtime(&(form){ .wide = wide, .outputs = 2, .trees = 5, .bases = 1, .negative = true, .transform = "LOGISTIC", .modes = leq, .modes_count = 1 });
        as_onnx_runtime(&(form){ .wide = wide, .outputs = 2, .trees = 5, .negative = true, .transform = "LOGISTIC", .modes = lt, .modes_count = 1 });
        as_onnx_runtime(&(form){ .wide = wide, .outputs = 2, .trees = 5, .second = true, .negative = true, .transform = "LOGISTIC", .modes = lt,
                                 .modes_count = 1 });
        as_onnx_runtime(&(form){ .wide = wide, .outputs = 2, .trees = 5, .transform = "NONE", .modes = lt, .modes_count = 1 });
    }
}

static void classifiers_of_many(void)
{
    for (int wide = 0; wide < 2; wide++) {
        as_onnx_runtime(&(form){ .wide = wide, .outputs = 3, .trees = 6, .negative = true, .transform = "SOFTMAX", .modes = lt, .modes_count = 1 });
        as_onnx_runtime(&(form){ .wide = wide, .outputs = 4, .trees = 8, .each = true, .bases = 4, .transform = "SOFTMAX", .modes = leq, .modes_count = 1 });
        as_onnx_runtime(&(form){ .wide = wide, .outputs = 3, .trees = 6, .each = true, .transform = "LOGISTIC", .modes = leq, .modes_count = 1 });
    }
}

/* ---- what is refused --------------------------------------------------------------------------------------- */

static const form plain = { .regressor = true, .outputs = 1, .trees = 2, .transform = "NONE", .modes = leq, .modes_count = 1 };

static lists *good_lists(const form *f, gm_arena *a)
{
    gm_random r;
    gm_random_init(&r, 3);
    lists *l = GM_ARENA_NEW(a, lists);
    fill(f, &r, l);
    return l;
}

static void refused(const form *f, const lists *l, gm_arena *a, gm_rc want, const char *part)
{
    gm_err err = { 0 };
    gm_onnx_trees o = { 0 };
    gm_buf bytes = make_graph(f, l, a);
    CHECK_RC(gm_trees_read_onnx(bytes.data, bytes.len, output_of(f), a, &o, &err), want);
    CHECK_HAS(err.message, part);
    CHECK(o.trees == NULL);
    gm_buf_clear(&bytes);
}

#define REFUSED(change, rc, part)                 \
    do {                                          \
        lists *l = good_lists(&plain, a);         \
        change;                                   \
        refused(&plain, l, a, rc, part);          \
    } while (0)

static void broken_lists_are_refused(void)
{
    gm_arena *a = gm_arena_new(0);
    REFUSED(l->yes[1] = 99, GM_EINVALID, "tree 0, node 1: a child that is not there");
    REFUSED(l->no[NODES] = -1, GM_EINVALID, "tree 1, node 0: a child that is not there");
    REFUSED(l->yes[1] = 0, GM_EINVALID, "two parents");
    REFUSED(l->yes[0] = l->no[0], GM_EINVALID, "two parents");
    REFUSED(l->value[2] = NAN, GM_EINVALID, "tree 0, node 2: the threshold is not a number");
    REFUSED(l->feature[2] = -1, GM_EINVALID, "tree 0, node 2: a feature");
    REFUSED(l->feature[2] = INT64_MAX, GM_EINVALID, "a feature");
    REFUSED(l->feature[2] = FEATURES, GM_EINVALID, "a feature");
    REFUSED(l->node[2] = 1, GM_EINVALID, "there twice");
    REFUSED(l->tree[NODES + 3] = 0; l->node[NODES + 3] = 77, GM_EUNSUPPORTED, "do not stand together");
    REFUSED(l->mode[2] = "BRANCH_XOR", GM_EINVALID, "an unrecognized mode");
    REFUSED(l->mode[2] = "BRANCH_EQ", GM_EUNSUPPORTED, "a test of equality");
    REFUSED(l->mode[2] = "BRANCH_NEQ", GM_EUNSUPPORTED, "a test of equality");
    REFUSED(l->value[2] = INFINITY, GM_EUNSUPPORTED, "an infinite threshold");
    REFUSED(l->leaf_id[1] = 1, GM_EINVALID, "a weight for output 1 of 1");
    REFUSED(l->leaf_node[1] = 0, GM_EINVALID, "a leaf that is not there");
    REFUSED(l->leaf_node[1] = l->leaf_node[0], GM_EUNSUPPORTED, "two weights");
    REFUSED(l->weight[1] = INFINITY, GM_EINVALID, "not finite");
    gm_arena_free(a);
}

static void other_forms_are_refused(void)
{
    gm_arena *a = gm_arena_new(0);
    const lists *l = good_lists(&plain, a);
    form f = plain;
    f.transform = "PROBIT";
    refused(&f, l, a, GM_EUNSUPPORTED, "a transform");
    f = plain, f.aggregate = "MAX";
    refused(&f, l, a, GM_EUNSUPPORTED, "an aggregate");
    f = plain, f.bases = 2;
    refused(&f, l, a, GM_EINVALID, "2 base values for 1 outputs");
    f = plain, f.outputs = 0;
    refused(&f, l, a, GM_EINVALID, "0 outputs");
    f = plain, f.trees = 3, f.aggregate = "AVERAGE";
    refused(&f, good_lists(&f, a), a, GM_EUNSUPPORTED, "an aggregate");
    gm_arena_free(a);
}

static void lists_of_different_lengths_are_refused(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err = { 0 };
    gm_onnx_trees o = { 0 };
    gm_buf bytes = { 0 };
    gm_onnx *g = gm_onnx_new(a);
    const char *y = gm_onnx_op1(g, "ml.TreeEnsembleRegressor", case_inputs(g, a, 2));
    gm_onnx_attr_ints(g, "nodes_treeids", (int64_t[]){ 0, 0 }, 2);
    gm_onnx_attr_strs(g, "nodes_modes", (const char *[]){ "LEAF" }, 1);
    gm_onnx_output(g, y, "variable", GM_ONNX_FLOAT, 1);
    CHECK_OK(gm_onnx_write(g, &bytes, &err), &err);
    CHECK_RC(gm_trees_read_onnx(bytes.data, bytes.len, "variable", a, &o, &err), GM_EINVALID);
    CHECK_HAS(err.message, "\"nodes_treeids\" of the tree ensemble has 2 values, expected 1");
    CHECK_RC(gm_trees_read_onnx(bytes.data, bytes.len, "other", a, &o, &err), GM_EUNSUPPORTED);
    CHECK_RC(gm_trees_read_onnx(bytes.data, bytes.len - 3, "variable", a, &o, &err), GM_EINVALID);
    CHECK_RC(gm_trees_read_onnx("", 0, "variable", a, &o, &err), GM_EINVALID);
    gm_buf_clear(&bytes);
    gm_arena_free(a);
}

static void graphs_that_compute_are_refused(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err = { 0 };
    gm_onnx_trees o = { 0 };
    gm_buf bytes = { 0 };
    gm_onnx *g = gm_onnx_new(a);
    gm_onnx_output(g, gm_onnx_op1(g, "Abs", case_inputs(g, a, 2)), "variable", GM_ONNX_DOUBLE, 2);
    CHECK_OK(gm_onnx_write(g, &bytes, &err), &err);
    CHECK_RC(gm_trees_read_onnx(bytes.data, bytes.len, "variable", a, &o, &err), GM_EUNSUPPORTED);
    CHECK_HAS(err.message, "Abs");
    gm_buf_clear(&bytes);
    gm_arena_free(a);
}

/* A graph in an attribute of a node of a graph, 100,000 times: the reader must not fall as deep. */
static void deep_nesting_is_refused(void)
{
    enum { LEVELS = 100000 };
    gm_arena *a = gm_arena_new(0);
    gm_err err = { 0 };
    gm_onnx_trees o = { 0 };
    static const uint8_t tags[] = { 0x3a, 0x0a, 0x2a, 0x32 }; /* model.graph, then graph.node, node.attribute, attribute.g */
    size_t most = LEVELS * 8, at = most;
    uint8_t *bytes = GM_ARENA_ARRAY(a, uint8_t, most);
    for (int level = LEVELS - 1; level >= 0; level--) {
        uint64_t size = most - at;
        uint8_t varint[10];
        size_t n = 0;
        for (; size >= 0x80; size >>= 7) varint[n++] = (uint8_t)(size | 0x80);
        varint[n++] = (uint8_t)size;
        at -= n;
        memcpy(bytes + at, varint, n);
        bytes[--at] = tags[level == 0 ? 0 : 1 + (level - 1) % 3];
    }
    CHECK_RC(gm_trees_read_onnx(bytes + at, most - at, "variable", a, &o, &err), GM_EINVALID);
    CHECK_HAS(err.message, "nested");
    gm_arena_free(a);
}

TESTS(T(regressors), T(modes_may_be_mixed), T(classifiers_of_two), T(classifiers_of_many), T(broken_lists_are_refused), T(other_forms_are_refused),
      T(lists_of_different_lengths_are_refused), T(graphs_that_compute_are_refused), T(deep_nesting_is_refused))
