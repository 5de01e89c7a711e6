/* engine_trees.c - the tree engine, kernel by kernel: one row at a time and 10,000 rows, beside the plain walk, on one thread.
 *
 * Prints one JSON object per kernel; CPU time, the least of several rounds; the margins of each are compared with the plain walk's first.
 * Usage: bench_engine_trees [xgboost|lightgbm MODEL ROWS]; ROWS: float64, column after column, 10,000 rows. Without: 500 full trees of
 *        6 levels over 30 features and 254 cuts, made at random. bench/trees.py trains models and compares with other programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "model/engine_internal.h"
#include "model/model.h"

enum { ROWS = 10000, ONE_ROWS = 2000, ROUNDS = 7, TREES = 500, LEVELS = 6, FEATURES = 30, CUTS = 254 };

static void must(gm_rc rc, const gm_err *err)
{
    if (!rc) return;
    (void)fprintf(stderr, "engine_trees: %s\n", err->message);
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- what is measured -------------------------------------------------------------------------------------- */

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

static gm_trees *random_trees(gm_arena *a, gm_matrix *x)
{
    uint64_t state = 7;
    int32_t count = (2 << LEVELS) - 1, splits = (1 << LEVELS) - 1;
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    *t = (gm_trees){ .float32 = true, .trees_count = TREES, .outputs = 1, .features = FEATURES, .sigmoid_scale = 1 };
    t->trees = GM_ARENA_ARRAY(a, gm_tree, TREES);
    t->base = GM_ARENA_ARRAY(a, double, 1);
    for (int32_t i = 0; i < TREES; i++) {
        gm_tree_node *n = GM_ARENA_ARRAY(a, gm_tree_node, count);
        for (int32_t k = 0; k < count; k++)
            n[k] = (gm_tree_node){ .feature = k < splits ? (int32_t)(uniform(&state) * FEATURES) : -1, .left = 2 * k + 1, .right = 2 * k + 2,
                                   .threshold = (double)(float)((int32_t)(uniform(&state) * CUTS) / (double)CUTS), .default_left = k % 3 == 0,
                                   .value = (double)(float)(uniform(&state) - 0.5) };
        t->trees[i] = (gm_tree){ .nodes = n, .count = count };
    }
    *x = (gm_matrix){ .data = GM_ARENA_ARRAY(a, double, ROWS * FEATURES), .rows = ROWS, .cols = FEATURES };
    for (int64_t i = 0; i < ROWS * FEATURES; i++) x->data[i] = (double)(float)uniform(&state);
    return t;
}

static gm_rc read_file(const char *format, const char *path, const char *rows_path, gm_arena *a, const gm_trees **t, gm_matrix *x, gm_err *err)
{
    gm_model *m = NULL;
    gm_buf bytes = { 0 };
    gm_rc rc = gm_model_load(strcmp(format, "xgboost") == 0 ? GM_MODEL_XGBOOST : GM_MODEL_LIGHTGBM, path, a, &m, err);
    if (!rc) rc = gm_fs_read(rows_path, 0, &bytes, err);
    if (rc) return rc;
    *t = gm_model_trees(m);
    *x = (gm_matrix){ .rows = ROWS, .cols = (*t)->features };
    if (bytes.len != (size_t)(x->rows * x->cols) * sizeof(double)) return gm_err_set(err, GM_EINVALID, "\"%s\" holds other rows", rows_path);
    x->data = GM_ARENA_ARRAY(a, double, x->rows *x->cols);
    memcpy(x->data, bytes.data, bytes.len);
    gm_buf_clear(&bytes);
    return GM_OK;
}

/* ---- measuring --------------------------------------------------------------------------------------------- */

static void print(const char *kernel, const char *what, double us_per_row, bool same)
{
    printf("{\"bench\": \"trees\", \"who\": \"gristmill %s\", \"what\": \"%s\", \"us_per_row\": %.4f, \"rows_per_s\": %.0f, \"same_bits\": %s}\n",
           kernel, what, us_per_row, 1e6 / us_per_row, same ? "true" : "false");
    (void)fflush(stdout);
}

/* Rows as a server sees them: each a matrix of its own. */
static void one_row(const gm_tree_engine *e, const gm_tree_engine_kernel *k, gm_tree_engine_work *w, const gm_matrix *x, const double *want, gm_arena *a)
{
    int64_t outputs = e->t->outputs;
    double *rows = GM_ARENA_ARRAY(a, double, ONE_ROWS *x->cols), *got = GM_ARENA_ARRAY(a, double, ONE_ROWS *outputs), least = 1e30;
    for (int64_t r = 0; r < ONE_ROWS; r++)
        for (int64_t c = 0; c < x->cols; c++) rows[r * x->cols + c] = x->data[c * x->rows + r];
    for (int round = 0; round < ROUNDS * 5; round++) {
        double before = now_us();
        for (int64_t r = 0; r < ONE_ROWS; r++)
            gm_tree_engine_run_one(e, k, w, &(gm_matrix){ .data = rows + r * x->cols, .rows = 1, .cols = x->cols }, 0, got + r * outputs);
        double took = now_us() - before;
        if (took < least) least = took;
    }
    print(k->name, "one row", least / ONE_ROWS, memcmp(got, want, (size_t)(ONE_ROWS * outputs) * sizeof(*got)) == 0);
}

static void many_rows(const gm_tree_engine *e, const gm_tree_engine_kernel *k, gm_tree_engine_work *w, const gm_matrix *x, const double *want, gm_arena *a)
{
    double *got = GM_ARENA_ARRAY(a, double, x->rows *e->t->outputs), least = 1e30;
    for (int round = 0; round < ROUNDS; round++) {
        double before = now_us();
        for (int64_t first = 0; first < x->rows; first += k->rows) {
            int32_t rows = x->rows - first < k->rows ? (int32_t)(x->rows - first) : k->rows;
            gm_tree_engine_run_block(e, k, w, x, first, rows, got + first * e->t->outputs);
        }
        double took = now_us() - before;
        if (took < least) least = took;
    }
    print(k->name, "10,000 rows", least / (double)x->rows, memcmp(got, want, (size_t)(x->rows * e->t->outputs) * sizeof(*got)) == 0);
}

int main(int argc, char **argv)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    const gm_trees *t = NULL;
    gm_matrix x;
    if (argc == 4) must(read_file(argv[1], argv[2], argv[3], a, &t, &x, &err), &err);
    else t = random_trees(a, &x);
    double *want = GM_ARENA_ARRAY(a, double, x.rows *t->outputs), least = 1e30;
    for (int round = 0; round < 3; round++) {
        double before = now_us();
        must(gm_trees_margin(t, &x, want, &err), &err);
        double took = now_us() - before;
        if (took < least) least = took;
    }
    print("plain walk", "10,000 rows", least / ROWS, true);
    for (gm_tree_engine_level l = GM_TREE_ENGINE_SCALAR; l <= gm_tree_engine_level_here(); l++) {
        gm_tree_engine *e = NULL;
        gm_tree_engine_work *w = NULL;
        double before = now_us();
        must(gm_tree_engine_new(t, l, a, &e, &err), &err);
        printf("{\"bench\": \"trees\", \"who\": \"gristmill %s\", \"what\": \"preparing\", \"ms\": %.3f}\n", gm_tree_engine_level_name(l),
               (now_us() - before) / 1e3);
        must(gm_tree_engine_work_new(e, a, &w, &err), &err);
        for (int32_t k = 0; k < gm_tree_engine_kernels_count; k++) {
            if (gm_tree_engine_kernels[k].level != l || !gm_tree_engine_usable(e, &gm_tree_engine_kernels[k])) continue;
            if (gm_tree_engine_kernels[k].one) one_row(e, &gm_tree_engine_kernels[k], w, &x, want, a);
            if (gm_tree_engine_kernels[k].block) many_rows(e, &gm_tree_engine_kernels[k], w, &x, want, a);
        }
    }
    gm_arena_free(a);
    return 0;
}
