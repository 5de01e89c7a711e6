/* onnx_case.h - for the tests of this room: graphs written to a file and run, and matrices full of difficult values. */
#ifndef GM_TEST_ONNX_CASE_H
#define GM_TEST_ONNX_CASE_H

#include <stdio.h>

#include "base/fs.h"
#include "base/random.h"
#include "harness/harness.h"
#include "model/onnx.h"

/* Write g to a file in a new folder and open it. */
static inline gm_ort *case_open(gm_onnx *g)
{
    char path[512];
    gm_buf bytes = { 0 };
    gm_err err = { 0 };
    gm_ort *ort = NULL;
    CHECK_OK(gm_onnx_write(g, &bytes, &err), &err);
    (void)snprintf(path, sizeof(path), "%s/model.onnx", gm_harness_tmpdir());
    CHECK_OK(gm_fs_write(path, bytes.data, bytes.len, &err), &err);
    gm_buf_clear(&bytes);
    CHECK_OK(gm_ort_open(path, &ort, &err), &err);
    return ort;
}

/* Graph inputs f0 .. f<cols-1>, side by side as one double tensor [N, cols]. */
static inline const char *case_inputs(gm_onnx *g, gm_arena *a, int64_t cols)
{
    const char **names = GM_ARENA_ARRAY(a, const char *, cols);
    for (int64_t i = 0; i < cols; i++)
        names[i] = gm_onnx_input(g, gm_arena_printf(a, "f%lld", (long long)i), GM_ONNX_DOUBLE);
    const char *x = gm_onnx_node(g, "Concat", names, (size_t)cols);
    gm_onnx_attr_int(g, "axis", 1);
    return x;
}

/* The matrix as a table of columns f0, f1, ... */
static inline gm_table case_table(const gm_matrix *x, gm_arena *a)
{
    gm_table t = { .rows = x->rows, .columns_count = (size_t)x->cols, .columns = GM_ARENA_ARRAY(a, gm_column, x->cols) };
    for (int64_t i = 0; i < x->cols; i++)
        t.columns[i] = (gm_column){ .name = gm_arena_printf(a, "f%lld", (long long)i), .type = GM_TYPE_FLOAT,
                                    .rows = x->rows, .f64 = x->data + i * x->rows };
    return t;
}

/* One value in five is missing, infinite, zero, tiny or an integer; the others are normal. */
static inline double case_value(gm_random *r)
{
    static const double odd[] = { NAN, INFINITY, -INFINITY, 0, -0.0, 1e-36, -1e-36, 1e-35, 1e300, -1e300, -0.5, 0.5 };
    switch (gm_random_below(r, 10)) {
    case 0: return odd[gm_random_below(r, sizeof(odd) / sizeof(odd[0]))];
    case 1: return (double)gm_random_below(r, 70) - 3;
    default: return gm_random_normal(r);
    }
}

static inline gm_matrix case_matrix(int64_t rows, int64_t cols, uint64_t seed, gm_arena *a)
{
    gm_random r;
    gm_random_init(&r, seed);
    gm_matrix x = { .rows = rows, .cols = cols, .data = GM_ARENA_ARRAY(a, double, rows * cols) };
    for (int64_t i = 0; i < rows * cols; i++) x.data[i] = case_value(&r);
    return x;
}

/* Emit m, run it on x, and compare with gm_model_predict: |difference| <= tolerance * max(1, |value|). */
static inline void case_compare(const gm_model *m, const gm_matrix *x, double tolerance, gm_arena *a)
{
    gm_err err = { 0 };
    int64_t outputs = gm_model_outputs(m), width = 0;
    gm_onnx *g = gm_onnx_new(a);
    const char *y = NULL;
    double *want = GM_ARENA_ARRAY(a, double, x->rows * outputs), *got = NULL;
    CHECK_OK(gm_onnx_emit_model(g, m, case_inputs(g, a, x->cols), &y, &err), &err);
    gm_onnx_output(g, y, "y", GM_ONNX_DOUBLE, outputs);
    gm_ort *ort = case_open(g);
    gm_table t = case_table(x, a);
    CHECK_OK(gm_ort_predict(ort, &t, "y", a, &got, &width, &err), &err);
    CHECK_OK(gm_model_predict(m, x, want, &err), &err);
    CHECK(width == outputs);
    for (int64_t i = 0; i < x->rows * outputs; i++) {
        if (isnan(want[i]) && isnan(got[i])) continue;
        if (want[i] == got[i]) continue; /* also infinities */
        if (!(fabs(want[i] - got[i]) <= tolerance * fmax(1, fabs(want[i]))))
            gm_harness_fail(__FILE__, __LINE__, "row %lld: ONNX Runtime %.17g, we %.17g", (long long)(i / outputs), got[i],
                            want[i]);
    }
    gm_ort_close(ort);
}

#endif
