/* eval_values.c - read scores as text, print every metric: what check_sklearn.py compares.
 *
 * Input: `task rows width`, then for each row its truth and width predictions. Output: `name value` or `name undefined`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/intervals.h"

static double next_number(void)
{
    char word[64];
    if (scanf("%63s", word) != 1) exit(2);
    return strtod(word, NULL);
}

int main(void)
{
    char task[32];
    int64_t rows = 0, width = 0;
    if (scanf("%31s %" SCNd64 " %" SCNd64, task, &rows, &width) != 3 || rows < 1 || rows > 10000000 || width < 1 || width > 1000) return 2;
    double *truth = calloc((size_t)rows, sizeof(double)), *predicted = calloc((size_t)(rows * width), sizeof(double));
    if (!truth || !predicted) return 2;
    for (int64_t i = 0; i < rows; i++) {
        truth[i] = next_number();
        for (int64_t k = 0; k < width; k++) predicted[i * width + k] = next_number();
    }
    gm_scores s = { .task = strcmp(task, "binary") == 0 ? GM_TASK_BINARY : strcmp(task, "multiclass") == 0 ? GM_TASK_MULTICLASS : GM_TASK_REGRESSION,
                    .rows = rows, .truth = truth, .predicted = predicted, .threshold = 0.5 };
    s.classes = s.task == GM_TASK_BINARY ? 2 : s.task == GM_TASK_MULTICLASS ? width : 0;
    for (size_t i = 0; i < gm_metrics.count; i++) {
        const gm_metric *m = (const gm_metric *)gm_metrics.items[i];
        if (!gm_metric_fits(m, s.task)) continue;
        gm_arena *a = gm_arena_new(0);
        double value = 0;
        if (gm_metric_value(m, &s, a, &value, NULL)) printf("%s undefined\n", m->item.name);
        else printf("%s %.17g\n", m->item.name, value);
        gm_arena_free(a);
    }
    free(truth);
    free(predicted);
    return 0;
}
