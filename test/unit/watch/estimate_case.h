/* estimate_case.h - what the tests of estimated performance share: the reference tables of test/conformance/watch. */
#ifndef GM_TEST_ESTIMATE_CASE_H
#define GM_TEST_ESTIMATE_CASE_H

#include <stdio.h>
#include <stdlib.h>

#include "harness/harness.h"
#include "watch/estimate.h"

enum { CHUNK = 250, REFERENCE_ROWS = 2000, CURRENT_ROWS = 1500, CHUNKS = (REFERENCE_ROWS + CURRENT_ROWS) / CHUNK };

/* A comma-separated file as a table, in arena: columns whose every value is a number are float, others text; empty = missing. */
static inline gm_table read_table(const char *name, gm_arena *a)
{
    enum { COLUMNS_MAX = 32, ROWS_MAX = 4000 };
    static char line[1024];
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/test/conformance/watch/%s", GM_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    gm_table t = { .columns = GM_ARENA_ARRAY(a, gm_column, COLUMNS_MAX) };
    const char **cells = GM_ARENA_ARRAY(a, const char *, COLUMNS_MAX *ROWS_MAX); /* [columns, ROWS_MAX] */
    bool header = true;
    while (fgets(line, sizeof(line), f)) {
        if (line[0] == '#') continue;
        char *at = gm_arena_strdup(a, line);
        for (size_t c = 0;; c++) {
            char *end = at + strcspn(at, ",\n"), stop = *end;
            *end = '\0';
            CHECK(c < COLUMNS_MAX && t.rows < ROWS_MAX);
            if (header)
                t.columns[t.columns_count++].name = at;
            else
                cells[c * ROWS_MAX + (size_t)t.rows] = at;
            if (stop != ',') break;
            at = end + 1;
        }
        t.rows += !header;
        header = false;
    }
    (void)fclose(f); /* read only */
    for (size_t c = 0; c < t.columns_count; c++) {
        const char **of = cells + c * ROWS_MAX;
        bool numbers = true;
        double *values = GM_ARENA_ARRAY(a, double, t.rows);
        int32_t *codes = GM_ARENA_ARRAY(a, int32_t, t.rows);
        gm_dict_builder *dict = gm_dict_builder_new(a);
        for (int64_t i = 0; i < t.rows; i++) {
            char *end = NULL;
            values[i] = of[i][0] ? strtod(of[i], &end) : NAN;
            numbers &= !end || *end == '\0';
            codes[i] = of[i][0] ? gm_dict_builder_code(dict, of[i], (uint32_t)strlen(of[i])) : GM_MISSING_CODE;
        }
        t.columns[c].rows = t.rows;
        t.columns[c].type = numbers ? GM_TYPE_FLOAT : GM_TYPE_STRING;
        if (numbers)
            t.columns[c].f64 = values;
        else {
            t.columns[c].code = codes;
            t.columns[c].dict = gm_dict_builder_finish(dict);
        }
    }
    return t;
}

static inline const double *numbers_of(const gm_table *t, const char *name)
{
    const gm_column *c = gm_table_find(t, name);
    CHECK(c && c->type == GM_TYPE_FLOAT);
    return c->f64;
}

/* Rows from .. from + count - 1 of t. */
static inline gm_table rows_of(const gm_table *t, int64_t from, int64_t count, gm_arena *a)
{
    gm_table out;
    gm_err err;
    int64_t *index = GM_ARENA_ARRAY(a, int64_t, count);
    for (int64_t i = 0; i < count; i++) index[i] = from + i;
    CHECK_OK(gm_table_take(t, index, count, a, &out, &err), &err);
    return out;
}

/* Values of estimate_expected.csv by chunk: the reference's first, then those of the current rows. */
typedef struct expected {
    double value[CHUNKS], error[CHUNKS];
    int count;
} expected;

static inline expected expected_of(const char *what, const char *name)
{
    char path[512], line[256];
    (void)snprintf(path, sizeof(path), "%s/test/conformance/watch/estimate_expected.csv", GM_SOURCE_DIR);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    expected e = { 0 };
    while (fgets(line, sizeof(line), f)) {
        char of[32], metric[48], period[16], value[48], error[48];
        int chunk = 0;
        if (sscanf(line, "%31[^,],%47[^,],%15[^,],%d,%47[^,],%47[^,\n]", of, metric, period, &chunk, value, error) != 6) continue;
        if (strcmp(of, what) != 0 || strcmp(metric, name) != 0) continue;
        int place = chunk + (strcmp(period, "analysis") == 0 ? REFERENCE_ROWS / CHUNK : 0);
        CHECK(place >= 0 && place < CHUNKS);
        e.value[place] = strtod(value, NULL);
        e.error[place] = strtod(error, NULL);
        e.count++;
    }
    (void)fclose(f); /* read only */
    return e;
}

static inline const gm_metric *metric_named(const char *name)
{
    const gm_item *item = NULL;
    gm_err err;
    CHECK_OK(gm_registry_find(&gm_metrics, name, &item, &err), &err);
    return (const gm_metric *)item;
}

static inline gm_scores binary_scores(const double *truth, const double *predicted, int64_t rows)
{
    return (gm_scores){
        .task = GM_TASK_BINARY, .rows = rows, .classes = 2, .truth = truth, .predicted = predicted, .threshold = 0.5
    };
}

#endif
