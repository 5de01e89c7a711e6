/* trees_onnx_values.c - for check_trees_onnx.py: `trees_onnx_values MODEL.onnx OUTPUT` with `ROWS COLUMNS` and the numbers of a matrix on stdin,
 * row by row, prints a line of predictions per row. Ends with 3 when the graph is not read, and says why. */
#include <stdio.h>

#include "base/fs.h"
#include "model/model.h"

int main(int argc, char **argv)
{
    gm_arena *a = gm_arena_new(0);
    gm_buf file = { 0 };
    gm_err err = { 0 };
    gm_onnx_trees o = { 0 };
    long long rows = 0, cols = 0;
    if (argc != 3 || !a || scanf("%lld %lld", &rows, &cols) != 2 || rows < 1 || cols < 1) return 2;
    gm_rc rc = gm_fs_read(argv[1], 0, &file, &err);
    if (!rc) rc = gm_trees_read_onnx(gm_buf_str(&file), file.len, argv[2], a, &o, &err);
    gm_model *m = rc ? NULL : gm_model_of_trees(o.trees, a);
    gm_matrix x = { .data = GM_ARENA_ARRAY(a, double, rows * cols), .rows = rows, .cols = cols };
    double *out = m ? GM_ARENA_ARRAY(a, double, rows *gm_model_outputs(m)) : NULL;
    for (long long i = 0; x.data && i < rows * cols; i++)
        if (scanf("%lf", &x.data[i % cols * rows + i / cols]) != 1) return 2;
    if (!rc) rc = out && x.data ? gm_model_predict(m, &x, out, &err) : GM_ENOMEM;
    for (int64_t i = 0; !rc && i < rows; i++)
        for (int64_t k = 0; k < gm_model_outputs(m); k++) printf("%.17g%c", out[i * gm_model_outputs(m) + k], k + 1 < gm_model_outputs(m) ? ' ' : '\n');
    if (rc) (void)fprintf(stderr, "%s\n", err.message);
    gm_buf_clear(&file);
    gm_arena_free(a);
    return rc ? 3 : 0;
}
