/* eval_case.h - what the tests of eval share: scores by hand, reference tables, made-up rows. */
#ifndef GM_TEST_EVAL_CASE_H
#define GM_TEST_EVAL_CASE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "eval/evaluate.h"
#include "eval/score_cache.h"
#include "harness/harness.h"

static inline gm_scores binary_scores(const double *truth, const double *predicted, int64_t rows)
{
    return (gm_scores){ .task = GM_TASK_BINARY, .rows = rows, .classes = 2, .truth = truth, .predicted = predicted, .threshold = 0.5 };
}

static inline gm_scores class_scores(const double *truth, const double *predicted, int64_t rows, int64_t classes)
{
    return (gm_scores){ .task = GM_TASK_MULTICLASS, .rows = rows, .classes = classes, .truth = truth, .predicted = predicted };
}

static inline gm_scores value_scores(const double *truth, const double *predicted, int64_t rows)
{
    return (gm_scores){ .task = GM_TASK_REGRESSION, .rows = rows, .truth = truth, .predicted = predicted };
}

static inline const gm_metric *metric_named(const char *name)
{
    const gm_item *item = NULL;
    gm_err err;
    CHECK_OK(gm_registry_find(&gm_metrics, name, &item, &err), &err);
    return (const gm_metric *)item;
}

static inline gm_rc value_of(const char *name, const gm_scores *s, double *out, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = gm_metric_value(metric_named(name), s, a, out, err);
    gm_arena_free(a);
    return rc;
}

static inline double metric_of(const char *name, const gm_scores *s)
{
    double value = -99;
    gm_err err;
    CHECK_OK(value_of(name, s, &value, &err), &err);
    return value;
}

/* Numbers of a reference table by column; text columns read as the code of their first letter. */
typedef struct reference {
    int64_t rows;
    size_t columns;
    double *data; /* [columns, rows] */
} reference;

static inline reference read_reference(const char *name)
{
    char path[512], line[512];
    (void)snprintf(path, sizeof(path), "%s/test/conformance/eval/%s", GM_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    enum { ROWS_MAX = 2000 };
    reference r = { 0 };
    bool header = true;
    while (fgets(line, sizeof(line), f)) {
        if (line[0] == '#') continue;
        if (header) {
            for (const char *p = line; *p; p++) r.columns += *p == ',' || *p == '\n';
            r.data = calloc(r.columns * ROWS_MAX, sizeof(double));
            header = false;
            continue;
        }
        char *at = line;
        for (size_t c = 0; c < r.columns; c++) {
            char *end = at + strcspn(at, ",\n");
            *end = '\0';
            char *stop = NULL;
            double v = strtod(at, &stop);
            r.data[c * ROWS_MAX + (size_t)r.rows] = stop == at ? (double)at[0] : v;
            at = end + 1;
        }
        r.rows++;
        CHECK(r.rows <= ROWS_MAX);
    }
    (void)fclose(f);
    return r;
}

static inline const double *reference_column(const reference *r, size_t column) { return r->data + column * 2000; }

/* Calls fn for each line of expected.csv whose table is `table`. Returns how many. */
static inline int each_expected(const char *table, void (*fn)(const char *name, double value, void *ctx), void *ctx)
{
    char path[512], line[256];
    (void)snprintf(path, sizeof(path), "%s/test/conformance/eval/expected.csv", GM_SOURCE_DIR);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    int count = 0;
    while (fgets(line, sizeof(line), f)) {
        char *name = strchr(line, ','), *value = name ? strchr(name + 1, ',') : NULL;
        if (line[0] == '#' || !value) continue;
        *name++ = '\0';
        *value++ = '\0';
        if (strcmp(line, table) != 0) continue;
        fn(name, strtod(value, NULL), ctx);
        count++;
    }
    (void)fclose(f);
    return count;
}

/* Binary rows whose score has the given noise: the AUC falls as it grows. Values with few digits, so that there are ties. */
static inline void made_up(uint64_t seed, int64_t rows, double noise, double *truth, double *score)
{
    gm_random r;
    gm_random_init(&r, seed);
    for (int64_t i = 0; i < rows; i++) {
        truth[i] = gm_random_double(&r) < 0.4;
        double x = truth[i] + noise * gm_random_normal(&r);
        score[i] = floor(1000 / (1 + exp(-x))) / 1000;
    }
}

#endif
