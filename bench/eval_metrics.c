/* eval_metrics.c - CPU time of metrics and the search for leaks on a million rows, and of a whole evaluation on 50,000. Prints JSON lines.
 *
 * scikit-learn 1.9 on a million rows, CPU seconds on the machine where these were first measured: roc_auc 0.26, average_precision
 * 0.15, log_loss 0.11, mcc 0.12. Each metric starts without a cache, as there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "eval/evaluation.h"

enum { ROWS = 1000000, SMALL = 50000, REPEATS = 5, SLICED = 10 };

static void fill(double *truth, double *score, int64_t rows, bool as_float)
{
    gm_random r;
    gm_random_init(&r, 1);
    for (int64_t i = 0; i < rows; i++) {
        truth[i] = gm_random_double(&r) < 0.3;
        double p = 1 / (1 + exp(-(truth[i] + gm_random_normal(&r))));
        score[i] = as_float ? (double)(float)p : p;
    }
}

static double best_of(const char *name, const gm_scores *s, double *out_value)
{
    double best = INFINITY;
    const gm_metric *m = NULL;
    if (gm_metric_find(name, s->task, &m, NULL)) exit(1);
    for (int i = 0; i < REPEATS; i++) {
        gm_arena *a = gm_arena_new(0);
        int64_t began = gm_cpu_us();
        if (gm_metric_value(m, s, a, out_value, NULL)) exit(1);
        best = fmin(best, (double)(gm_cpu_us() - began) / 1e6);
        gm_arena_free(a);
    }
    return best;
}

static void whole_evaluation(const gm_scores *s, bool sliced)
{
    static int64_t values[SLICED][SMALL];
    gm_column columns[SLICED];
    for (int c = 0; c < SLICED; c++) {
        for (int64_t i = 0; i < SMALL; i++) values[c][i] = i * (c + 7) % (c + 3);
        columns[c] = (gm_column){ .name = "c", .type = GM_TYPE_INT, .rows = SMALL, .i64 = values[c] };
    }
    gm_arena *a = gm_arena_new(0);
    gm_evaluation e;
    gm_evaluate_options o = { .seed = 1, .slice_columns = columns, .slice_columns_count = sliced ? SLICED : 0 };
    int64_t began = gm_cpu_us();
    if (gm_evaluate(s, &o, a, &e, NULL)) exit(1);
    printf("{\"name\": \"eval_whole%s\", \"n\": %d, \"metrics\": %zu, \"slices\": %zu, \"cpu_s\": %.4f}\n", sliced ? "_sliced" : "", (int)SMALL,
           e.metrics_count, e.slices_count, (double)(gm_cpu_us() - began) / 1e6);
    gm_arena_free(a);
}

/* Ten columns of doubles that nearly all differ, of the million rows. */
static void leak_search(const gm_scores *s)
{
    gm_column columns[SLICED];
    for (int c = 0; c < SLICED; c++) columns[c] = (gm_column){ .name = "c", .type = GM_TYPE_FLOAT, .rows = s->rows, .f64 = s->predicted };
    gm_table t = { .rows = s->rows, .columns_count = SLICED, .columns = columns };
    gm_arena *a = gm_arena_new(0);
    gm_leak *found = NULL;
    size_t count = 0;
    int64_t began = gm_cpu_us();
    if (gm_find_leaks(&t, s->truth, GM_TASK_BINARY, a, &found, &count, NULL)) exit(1);
    printf("{\"name\": \"eval_leaks\", \"n\": %lld, \"columns\": %d, \"suspects\": %zu, \"cpu_s\": %.4f}\n", (long long)s->rows, (int)SLICED, count,
           (double)(gm_cpu_us() - began) / 1e6);
    gm_arena_free(a);
}

int main(void)
{
    static const struct {
        const char *name;
        double sklearn_s;
    } rows[] = { { "roc_auc", 0.26 }, { "average_precision", 0.15 }, { "log_loss", 0.11 }, { "mcc", 0.12 } };
    double *truth = calloc(ROWS, sizeof(double)), *score = calloc(ROWS, sizeof(double));
    if (!truth || !score) return 1;
    gm_scores s = { .task = GM_TASK_BINARY, .rows = ROWS, .classes = 2, .truth = truth, .predicted = score, .threshold = 0.5 };
    for (int as_float = 0; as_float < 2; as_float++) {
        fill(truth, score, ROWS, as_float);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            double value = 0, seconds = best_of(rows[i].name, &s, &value);
            printf("{\"name\": \"eval_%s_%s\", \"n\": %d, \"value\": %.12g, \"cpu_s\": %.4f, \"scikit_learn_cpu_s\": %.2f}\n", rows[i].name,
                   as_float ? "float32" : "float64", (int)ROWS, value, seconds, rows[i].sklearn_s);
        }
    }
    leak_search(&s);
    s.rows = SMALL;
    whole_evaluation(&s, false);
    whole_evaluation(&s, true);
    free(truth);
    free(score);
    return 0;
}
