/* feature_fit.c - fit and apply impute, standardize, one-hot and ordinal on a table of 1,000,000 rows and 15 columns; and one row of it.
 *
 * The columns are those of a customer table: ten numbers (two with missing values; imputed by the median and standardized), four
 * categories of 30, 6, 4 and 3 values (one with missing ones; one-hot), one of 5,000 (ordinal). Prints one JSON object per line: CPU
 * seconds, and the largest resident size beyond the table and beyond table and matrix.
 * Usage: bench_feature_fit [rows [repeats]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/random.h"
#include "feature/program.h"

enum { NUMBERS = 10, CATEGORIES = 5, COLS = NUMBERS + CATEGORIES, ROWS_ALONE = 2000 };

static _Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "feature_fit: %s\n", what);
    exit(1);
}

static void must(gm_rc rc, const gm_err *err)
{
    if (rc) fail(err->message);
}

static void *need(void *p)
{
    if (!p) fail("out of memory");
    return p;
}

static double peak_mib(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u)) fail("no resource usage");
    return (double)u.ru_maxrss / 1024;
}

static void add_number(gm_column *c, int i, int64_t rows, gm_random *r, gm_arena *a)
{
    double *v = need(GM_ARENA_ARRAY(a, double, rows)), missing = i == 1 ? 0.03 : i == 7 ? 0.01 : 0;
    for (int64_t k = 0; k < rows; k++) {
        double z = gm_random_normal(r);
        v[k] = i % 3 == 1 ? exp(10.4 + 0.6 * z) : i % 3 == 2 ? rint(44 + 14 * z) : 1200 + 5400 * z;
        if (missing > 0 && gm_random_double(r) < missing) v[k] = NAN;
    }
    *c = (gm_column){ .name = need(gm_arena_printf(a, "number%d", i)), .type = GM_TYPE_FLOAT, .rows = rows, .f64 = v };
}

/* Shares fall like 1 / rank. */
static void add_category(gm_column *c, int i, int64_t values, int64_t rows, gm_random *r, gm_arena *a)
{
    gm_dict_builder *b = need(gm_dict_builder_new(a));
    int32_t *code = need(GM_ARENA_ARRAY(a, int32_t, rows));
    char text[32];
    for (int64_t v = 0; v < values; v++) (void)gm_dict_builder_code(b, text, (size_t)snprintf(text, sizeof(text), "merchant_%04d", (int)v));
    for (int64_t k = 0; k < rows; k++) {
        code[k] = (int32_t)(pow((double)values + 1, gm_random_double(r)) - 1);
        if (i == 3 && gm_random_double(r) < 0.02) code[k] = GM_MISSING_CODE;
    }
    *c = (gm_column){ .name = need(gm_arena_printf(a, "category%d", i)), .type = GM_TYPE_STRING, .rows = rows, .code = code,
                      .dict = need((void *)(uintptr_t)gm_dict_builder_finish(b)) };
}

static gm_table make(int64_t rows, gm_arena *a)
{
    static const int64_t values[CATEGORIES] = { 30, 6, 4, 3, 5000 };
    gm_random r;
    gm_random_init(&r, 20261123);
    gm_table t = { .rows = rows, .columns_count = COLS, .columns = need(GM_ARENA_ARRAY(a, gm_column, COLS)) };
    for (int i = 0; i < NUMBERS; i++) add_number(&t.columns[i], i, rows, &r, a);
    for (int i = 0; i < CATEGORIES; i++) add_category(&t.columns[NUMBERS + i], i, values[i], rows, &r, a);
    return t;
}

static void choose(const gm_table *t, gm_feature_spec *specs, gm_arena *a)
{
    static const char *scaled[] = { "impute", "standardize" }, *one_hot[] = { "one_hot" }, *ordinal[] = { "ordinal" };
    static const char never[] = "{\"add_indicator\": \"never\"}";
    gm_node *plain = NULL;
    gm_err err;
    must(gm_json_read(never, sizeof(never) - 1, "params", a, &plain, &err), &err);
    const gm_node **params = need(GM_ARENA_ARRAY(a, const gm_node *, 2));
    params[0] = plain;
    for (int i = 0; i < COLS; i++) {
        specs[i] = (gm_feature_spec){ .name = t->columns[i].name, .transforms = scaled, .transforms_count = 2, .params = params };
        if (i >= NUMBERS) specs[i] = (gm_feature_spec){ .name = t->columns[i].name, .transforms = i == COLS - 1 ? ordinal : one_hot, .transforms_count = 1 };
    }
}

static void measure(const gm_table *t, const gm_feature_spec *specs, double table_mib)
{
    gm_arena *a = need(gm_arena_new(0));
    gm_program *p = NULL;
    gm_matrix m;
    gm_err err;
    int64_t begin = gm_cpu_us();
    must(gm_program_fit(specs, COLS, t, NULL, &(gm_fit_options){ 0 }, a, &p, &err), &err);
    int64_t fitted = gm_cpu_us();
    must(gm_program_apply(p, t, a, &m, &err), &err);
    int64_t applied = gm_cpu_us();
    double matrix_mib = (double)(m.rows * m.cols) * sizeof(double) / 1048576;
    printf("{\"name\": \"feature_fit\", \"rows\": %" PRId64 ", \"columns\": %d, \"out_columns\": %" PRId64
           ", \"fit_cpu_s\": %.3f, \"apply_cpu_s\": %.3f, \"table_mib\": %.0f, \"matrix_mib\": %.0f, \"peak_over_table_mib\": %.0f, "
           "\"peak_over_table_and_matrix_mib\": %.0f}\n",
           t->rows, COLS, m.cols, (double)(fitted - begin) / 1e6, (double)(applied - fitted) / 1e6, table_mib, matrix_mib, peak_mib() - table_mib,
           peak_mib() - table_mib - matrix_mib);
    gm_arena_free(a);
}

/* What a server does for each request: one row, its texts in dictionaries of their own. */
static void measure_one_row(const gm_table *t, const gm_feature_spec *specs)
{
    gm_arena *a = need(gm_arena_new(0)), *request = need(gm_arena_new(0));
    gm_program *p = NULL;
    gm_table row;
    gm_matrix m;
    gm_err err;
    double sum = 0;
    must(gm_program_fit(specs, COLS, t, NULL, &(gm_fit_options){ 0 }, a, &p, &err), &err);
    int64_t spent = 0;
    for (int64_t i = 0; i < ROWS_ALONE; i++) {
        int64_t index = i * 397 % t->rows;
        must(gm_table_take(t, &index, 1, request, &row, &err), &err);
        int64_t begin = gm_cpu_us();
        for (int k = 0; k < 50; k++) must(gm_program_apply(p, &row, request, &m, &err), &err);
        spent += gm_cpu_us() - begin;
        sum += m.data[0];
        gm_arena_reset(request);
    }
    printf("{\"name\": \"feature_one_row\", \"columns\": %d, \"out_columns\": %" PRId64 ", \"cpu_us\": %.3f, \"checksum\": %.6g}\n", COLS, m.cols,
           (double)spent / (50.0 * ROWS_ALONE), sum);
    gm_arena_free(request);
    gm_arena_free(a);
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000000, repeats = argc > 2 ? strtoll(argv[2], NULL, 10) : 3;
    if (rows < 1 || repeats < 1) fail("usage: bench_feature_fit [rows [repeats]]");
    gm_arena *a = need(gm_arena_new(0));
    gm_feature_spec specs[COLS];
    gm_table t = make(rows, a);
    choose(&t, specs, a);
    double table_mib = peak_mib();
    for (int64_t i = 0; i < repeats; i++) measure(&t, specs, table_mib);
    measure_one_row(&t, specs);
    gm_arena_free(a);
    return 0;
}
