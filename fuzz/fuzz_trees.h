/* fuzz_trees.h - what holds of every tree ensemble that a reader lets through. */
#ifndef GM_FUZZ_TREES_H
#define GM_FUZZ_TREES_H

#include <stdlib.h>

#include "model/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static inline void fuzz_require(bool holds)
{
    if (!holds) abort();
}

/* Rows of missing, small, large and infinite values get margins, and the ensemble has an ONNX form or an error that says why not. */
static inline void fuzz_trees(gm_trees *t, gm_arena *a)
{
    static const double values[] = { NAN, 0, 1, -1e300, INFINITY, 33 };
    enum { ROWS = sizeof(values) / sizeof(values[0]) };
    gm_err err = { 0 };
    gm_buf bytes = { 0 };
    if (t->features > 1000 || t->outputs > 1000) return; /* as good, and slower */
    gm_matrix x = { .rows = ROWS, .cols = t->features, .data = GM_ARENA_ARRAY(a, double, ROWS * t->features) };
    double *out = GM_ARENA_ARRAY(a, double, ROWS * t->outputs);
    fuzz_require(x.data && out);
    for (int64_t i = 0; i < ROWS * x.cols; i++) x.data[i] = values[(i + i / ROWS) % ROWS];
    gm_model *m = gm_model_of_trees(t, a);
    gm_onnx *g = gm_onnx_new(a);
    fuzz_require(m && g && gm_model_predict(m, &x, out, &err) == GM_OK);
    const char *y = NULL, *input = gm_onnx_input(g, "x", GM_ONNX_DOUBLE);
    gm_rc rc = gm_onnx_emit_model(g, m, input, &y, &err);
    if (!rc) {
        gm_onnx_output(g, y, "y", GM_ONNX_DOUBLE, t->outputs);
        rc = gm_onnx_write(g, &bytes, &err);
    }
    fuzz_require(rc ? err.message[0] != '\0' : bytes.len > 0);
    gm_buf_clear(&bytes);
}

#endif
