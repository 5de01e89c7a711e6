/* explain_values.c - read a model and rows, print contributions: what check_explain.py compares.
 *
 * explain_values xgboost|lightgbm|linear FILE [time]. Input: `rows cols`, for a linear model the means of the features, then the rows. Output: a line per
 * row and output, its contributions and the base, and behind them the margin. With `time`: CPU seconds instead.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/explain.h"

static double next_number(void)
{
    char word[64];
    if (scanf("%63s", word) != 1) exit(2);
    return strtod(word, NULL);
}

static void print(const gm_explainer *e, int64_t rows, const double *values, const double *margin)
{
    int64_t width = gm_explainer_features(e) + 1;
    for (int64_t i = 0; i < rows * gm_explainer_outputs(e); i++) {
        for (int64_t f = 0; f < width; f++) printf("%.17g ", values[i * width + f]);
        printf("%.17g\n", margin[i]);
    }
}

int main(int argc, char **argv)
{
    gm_arena *a = gm_arena_new(0), *scratch = gm_arena_new(0);
    gm_model *m = NULL;
    gm_explainer *e = NULL;
    gm_err err = { 0 };
    gm_matrix x = { 0 };
    if (argc < 3 || scanf("%" SCNd64 " %" SCNd64, &x.rows, &x.cols) != 2 || x.rows < 1 || x.rows > 1 << 20 || x.cols < 1 || x.cols > 1 << 12) return 2;
    bool linear = strcmp(argv[1], "linear") == 0;
    gm_model_format format = linear ? GM_MODEL_LINEAR : strcmp(argv[1], "xgboost") == 0 ? GM_MODEL_XGBOOST : GM_MODEL_LIGHTGBM;
    double *means = GM_ARENA_ARRAY(a, double, x.cols);
    for (int64_t f = 0; linear && f < x.cols; f++) means[f] = next_number();
    x.data = GM_ARENA_ARRAY(a, double, x.rows * x.cols);
    for (int64_t i = 0; i < x.rows; i++)
        for (int64_t f = 0; f < x.cols; f++) x.data[f * x.rows + i] = next_number();
    gm_rc rc = gm_model_load(format, argv[2], a, &m, &err);
    if (!rc) rc = gm_explainer_new(m, means, a, &e, &err);
    if (rc) return fprintf(stderr, "%s\n", err.message), 1;
    int64_t outputs = gm_explainer_outputs(e);
    double *values = GM_ARENA_ARRAY(a, double, x.rows * outputs * (x.cols + 1)), *margin = GM_ARENA_ARRAY(a, double, x.rows * outputs);
    int64_t begun = gm_cpu_us();
    rc = gm_explain(e, &x, scratch, values, &err);
    if (argc > 3) return printf("%.6f\n", (double)(gm_cpu_us() - begun) / 1e6), 0;
    if (!rc) rc = linear ? gm_linear_margin(gm_model_linear(m), &x, margin, &err) : gm_trees_margin(gm_model_trees(m), &x, margin, &err);
    if (rc) return fprintf(stderr, "%s\n", err.message), 1;
    print(e, x.rows, values, margin);
    gm_arena_free(a);
    gm_arena_free(scratch);
    return 0;
}
