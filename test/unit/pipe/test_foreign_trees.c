/* test_foreign_trees.c - a foreign tree ensemble goes through our engine where its answers are ONNX Runtime's, and through ONNX Runtime else. */
#include "base/fs.h"
#include "harness/harness.h"
#include "model/onnx.h"
#include "pipe/scorer.h"

enum { ROWS = 64 };

/* 10 f <= 1.5 ? 1 : 2, of b; plus 10 or 20 by a <= 0.5. The inputs are a, b; features are b, a. */
static const char *graph(const char *mode, bool computes, gm_arena *a)
{
    gm_onnx *g = gm_onnx_new(a);
    gm_err err = { 0 };
    gm_buf bytes = { 0 };
    const char *first = gm_onnx_input(g, "a", GM_ONNX_FLOAT), *second = gm_onnx_input(g, "b", GM_ONNX_FLOAT);
    const char *x = gm_onnx_op2(g, "Concat", second, first);
    gm_onnx_attr_int(g, "axis", 1);
    if (computes) x = gm_onnx_op1(g, "Neg", x);
    const char *y = gm_onnx_op1(g, "ml.TreeEnsembleRegressor", x);
    gm_onnx_attr_ints(g, "nodes_treeids", (int64_t[]){ 0, 0, 0, 1, 1, 1 }, 6);
    gm_onnx_attr_ints(g, "nodes_nodeids", (int64_t[]){ 0, 1, 2, 0, 1, 2 }, 6);
    gm_onnx_attr_ints(g, "nodes_featureids", (int64_t[]){ 0, 0, 0, 1, 0, 0 }, 6);
    gm_onnx_attr_ints(g, "nodes_truenodeids", (int64_t[]){ 1, 0, 0, 1, 0, 0 }, 6);
    gm_onnx_attr_ints(g, "nodes_falsenodeids", (int64_t[]){ 2, 0, 0, 2, 0, 0 }, 6);
    gm_onnx_attr_ints(g, "nodes_missing_value_tracks_true", (int64_t[]){ 1, 0, 0, 0, 0, 0 }, 6);
    gm_onnx_attr_strs(g, "nodes_modes", (const char *[]){ mode, "LEAF", "LEAF", mode, "LEAF", "LEAF" }, 6);
    gm_onnx_attr_floats(g, "nodes_values", (float[]){ 1.5f, 0, 0, 0.5f, 0, 0 }, 6);
    gm_onnx_attr_ints(g, "target_treeids", (int64_t[]){ 0, 0, 1, 1 }, 4);
    gm_onnx_attr_ints(g, "target_nodeids", (int64_t[]){ 1, 2, 1, 2 }, 4);
    gm_onnx_attr_ints(g, "target_ids", (int64_t[]){ 0, 0, 0, 0 }, 4);
    gm_onnx_attr_floats(g, "target_weights", (float[]){ 1, 2, 10, 20 }, 4);
    gm_onnx_attr_int(g, "n_targets", 1);
    gm_onnx_output(g, y, "variable", GM_ONNX_FLOAT, 1);
    const char *path = gm_path_join(a, gm_harness_tmpdir(), "model.onnx");
    CHECK_OK(gm_onnx_write(g, &bytes, &err), &err);
    CHECK_OK(gm_fs_write(path, bytes.data, bytes.len, &err), &err);
    gm_buf_clear(&bytes);
    return path;
}

static void compare(const char *mode, bool computes, bool ours)
{
    gm_arena *a = gm_harness_arena();
    gm_scorer s;
    gm_err err = { 0 };
    gm_rc rc = gm_scorer_parts(NULL, graph(mode, computes, a), GM_MODEL_ONNX, GM_TASK_REGRESSION, NULL, 0, a, &s, &err);
    if (rc == GM_EUNAVAILABLE) gm_harness_skip("%s", err.message);
    CHECK_OK(rc, &err);
    CHECK((s.trees != NULL) == ours);
    double f[ROWS], got[ROWS], *want = NULL;
    int64_t k[ROWS], width = 0;
    for (int i = 0; i < ROWS; i++) {
        f[i] = i % 8 == 7 ? NAN : i / 16.0;
        k[i] = i % 9 == 8 ? GM_MISSING_INT : i % 3;
    }
    gm_column columns[] = { { .name = "b", .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = f }, { .name = "a", .type = GM_TYPE_INT, .rows = ROWS, .i64 = k } };
    gm_table t = { .rows = ROWS, .columns_count = 2, .columns = columns };
    CHECK_OK(gm_scorer_predict(&s, &t, got, &err), &err);
    CHECK_OK(gm_ort_predict(s.ort, &t, "variable", a, &want, &width, &err), &err);
    for (int i = 0; i < ROWS; i++) CHECK_NEAR(got[i], want[i], 0);
    columns[1] = (gm_column){ .name = "a", .type = GM_TYPE_STRING, .rows = ROWS, .code = (int32_t[ROWS]){ 0 } };
    CHECK_RC(gm_scorer_predict(&s, &t, got, &err), GM_EINVALID);
    CHECK_HAS(err.message, "column \"a\" is text");
}

static void trees_are_ours(void)
{
    compare("BRANCH_LEQ", false, true);
    compare("BRANCH_GT", false, true);
}

static void what_is_not_read_stays_with_onnx_runtime(void)
{
    compare("BRANCH_EQ", false, false);
    compare("BRANCH_LEQ", true, false);
}

TESTS(T(trees_are_ours), T(what_is_not_read_stays_with_onnx_runtime))
