/* watch_estimate.c - CPU time of estimates without labels and of multivariate drift, one thread. Prints JSON lines.
 *
 * Wanted: CBPE on 10,000 rows 2 ms; components of 5,000 rows x 30 columns 50 ms; telling 2 x 5,000 rows x 15 columns apart 1.5 s.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "watch/estimate.h"

enum { SCORED = 10000, ROWS = 5000, COLUMNS = 30, TOLD_APART = 15, REPEATS = 5 };

static void classes(const char *name)
{
    static double truth[SCORED], score[SCORED];
    gm_random r;
    gm_random_init(&r, 1);
    for (int i = 0; i < SCORED; i++) {
        score[i] = gm_random_double(&r);
        truth[i] = gm_random_double(&r) < score[i] * score[i];
    }
    gm_scores s = { .task = GM_TASK_BINARY, .rows = SCORED, .classes = 2, .truth = truth, .predicted = score, .threshold = 0.5 };
    const gm_metric *m = NULL;
    if (gm_metric_find(name, s.task, &m, NULL)) exit(1);
    double fit_ms = INFINITY, estimate_ms = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        gm_arena *a = gm_arena_new(0);
        gm_estimator *e = NULL;
        gm_interval out;
        int64_t began = gm_cpu_us();
        if (gm_estimator_fit(&s, NULL, m, GM_COMPAT_DEFAULT, 1, a, &e, NULL)) exit(1);
        int64_t fitted = gm_cpu_us();
        if (gm_estimate(e, &s, NULL, a, &out, NULL)) exit(1);
        fit_ms = fmin(fit_ms, (double)(fitted - began) / 1e3);
        estimate_ms = fmin(estimate_ms, (double)(gm_cpu_us() - fitted) / 1e3);
        gm_arena_free(a);
    }
    printf("{\"name\": \"cbpe_%s\", \"n\": %d, \"fit_ms\": %.3f, \"estimate_ms\": %.3f}\n", name, (int)SCORED, fit_ms,
           estimate_ms);
}

/* Every third column texts; the others normal, moved by shift. */
static gm_table made_up(uint64_t seed, double shift, const char *const *names, gm_arena *a)
{
    static const char *const letters[] = { "a", "b", "c", "d" };
    static const uint32_t lens[] = { 1, 1, 1, 1 };
    static const gm_dict dict = { .texts = letters, .text_lens = lens, .count = 4 };
    gm_random r;
    gm_random_init(&r, seed);
    gm_table t = { .rows = ROWS, .columns_count = COLUMNS, .columns = GM_ARENA_ARRAY(a, gm_column, COLUMNS) };
    for (int c = 0; c < COLUMNS; c++) {
        double *x = GM_ARENA_ARRAY(a, double, ROWS);
        int32_t *code = GM_ARENA_ARRAY(a, int32_t, ROWS);
        for (int i = 0; i < ROWS; i++) {
            x[i] = gm_random_normal(&r) + shift;
            code[i] = (int32_t)gm_random_below(&r, 4);
        }
        t.columns[c] = c % 3 == 2
                           ? (gm_column){ .name = names[c], .type = GM_TYPE_STRING, .rows = ROWS, .code = code, .dict = &dict }
                           : (gm_column){ .name = names[c], .type = GM_TYPE_FLOAT, .rows = ROWS, .f64 = x };
    }
    return t;
}

static void tables(void)
{
    static char text[COLUMNS][8];
    const char *names[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        (void)snprintf(text[c], sizeof(text[c]), "c%d", c);
        names[c] = text[c];
    }
    gm_arena *kept = gm_arena_new(0);
    gm_table reference = made_up(1, 0, names, kept), current = made_up(2, 0.1, names, kept);
    double fit_ms = INFINITY, error_ms = INFINITY, domain_s = INFINITY;
    for (int i = 0; i < REPEATS; i++) {
        gm_arena *a = gm_arena_new(0);
        gm_pca *p = NULL;
        gm_pca_value v;
        int64_t began = gm_cpu_us();
        if (gm_pca_fit(&reference, names, COLUMNS, 0, 0, a, &p, NULL)) exit(1);
        int64_t fitted = gm_cpu_us();
        if (gm_pca_error(p, &current, a, &v, NULL)) exit(1);
        fit_ms = fmin(fit_ms, (double)(fitted - began) / 1e3);
        error_ms = fmin(error_ms, (double)(gm_cpu_us() - fitted) / 1e3);
        gm_arena_free(a);
    }
    printf("{\"name\": \"pca\", \"n\": %d, \"columns\": %d, \"fit_ms\": %.2f, \"error_ms\": %.2f}\n", (int)ROWS, (int)COLUMNS,
           fit_ms, error_ms);
    for (int i = 0; i < 2; i++) {
        gm_arena *a = gm_arena_new(0);
        gm_domain_value v;
        int64_t began = gm_cpu_us();
        if (gm_domain_classifier(&reference, &current, names, TOLD_APART, 0, 1, a, &v, NULL)) exit(1);
        domain_s = fmin(domain_s, (double)(gm_cpu_us() - began) / 1e6);
        gm_arena_free(a);
    }
    printf("{\"name\": \"domain_classifier\", \"n\": %d, \"columns\": %d, \"cpu_s\": %.3f}\n", 2 * (int)ROWS, (int)TOLD_APART,
           domain_s);
    gm_arena_free(kept);
}

int main(void)
{
    static const char *const names[] = { "roc_auc", "accuracy", "f1", "log_loss", "average_precision" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) classes(names[i]);
    tables();
    return 0;
}
