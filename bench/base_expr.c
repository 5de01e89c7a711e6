/* base_expr.c - evaluating expressions over 1,000,000 rows: nanoseconds a row and the bytes a row that are read and written.
 *
 * Prints one JSON object per expression; then one row, as the server evaluates it.
 * Usage: bench_base_expr [rows [repeats]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/expr.h"
#include "base/random.h"

static _Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "base_expr: %s\n", what);
    exit(1);
}

static void *need(void *p)
{
    if (!p) fail("out of memory");
    return p;
}

static gm_table make_table(int64_t rows, gm_arena *a)
{
    static const char *const names[] = { "a", "b", "c", "n", "t", "d" };
    static const gm_type types[] = { GM_TYPE_FLOAT, GM_TYPE_FLOAT, GM_TYPE_FLOAT, GM_TYPE_INT, GM_TYPE_TIME, GM_TYPE_STRING };
    gm_column *columns = need(GM_ARENA_ARRAY(a, gm_column, 6));
    gm_dict_builder *texts = need(gm_dict_builder_new(a));
    for (int i = 0; i < 16; i++) (void)gm_dict_builder_code(texts, &"abcdefghijklmnxy"[i], 1);
    gm_random r;
    gm_random_init(&r, 7);
    for (int k = 0; k < 6; k++) {
        columns[k] = (gm_column){ .name = names[k], .type = types[k], .rows = rows };
        double *f64 = need(GM_ARENA_ARRAY(a, double, rows));
        for (int64_t i = 0; i < rows; i++) {
            bool missing = gm_random_below(&r, 20) == 0;
            if (k < 3) f64[i] = missing ? (double)NAN : gm_random_normal(&r);
            else if (k < 5) ((int64_t *)(void *)f64)[i] = missing ? GM_MISSING_INT : k == 3 ? gm_random_below(&r, 2400) : gm_random_below(&r, INT64_C(1500000000000000));
            else ((int32_t *)(void *)f64)[i] = missing ? -1 : (int32_t)gm_random_below(&r, 16);
        }
        columns[k].f64 = f64;
        if (k == 5) columns[k].dict = need((void *)(uintptr_t)gm_dict_builder_finish(texts));
    }
    return (gm_table){ .rows = rows, .columns_count = 6, .columns = columns };
}

static double seconds_of(const gm_expr *e, const gm_table *t, int64_t times)
{
    gm_arena *a = need(gm_arena_new(0));
    gm_err err;
    gm_column out;
    int64_t start = gm_cpu_us();
    for (int64_t i = 0; i < times; i++) {
        if (gm_expr_eval(e, t, a, &out, &err)) fail(err.message);
        gm_arena_reset(a);
    }
    double s = (double)(gm_cpu_us() - start) / 1e6 / (double)times;
    gm_arena_free(a);
    return s;
}

int main(int argc, char **argv)
{
    static const char *const texts[] = { "a + b * 2 > c and d in ['x', 'y']", "a + b", "floor(n / 100)", "hour(t)", "month(t)",
                                         "if(a is missing, 0, log1p(abs(a)))", "matches(d, '^[a-f]$') or contains(d, 'x')", "lower(d)",
                                         "a between -1 and 1 and n in [1, 2, 3, 5, 8, 13]" };
    int64_t rows = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000000, repeats = argc > 2 ? strtoll(argv[2], NULL, 10) : 5;
    if (rows < 1 || repeats < 1) fail("rows and repeats are at least 1");
    gm_arena *a = need(gm_arena_new(0));
    gm_table t = make_table(rows, a), one = t;
    gm_column first[6];
    memcpy(first, t.columns, sizeof(first));
    for (int k = 0; k < 6; k++) first[k].rows = 1;
    one.rows = 1;
    one.columns = first;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        gm_errs errs = { .arena = a };
        gm_expr *e = NULL;
        gm_expr_host host = gm_expr_table_host(&t);
        if (gm_expr_parse(texts[i], (gm_pos){ 0 }, a, &e, &errs) || gm_expr_check(e, &host, GM_TYPE_UNKNOWN, a, &errs)) fail(errs.items[0].message);
        double best = 1e9;
        for (int64_t k = 0; k < repeats; k++) {
            double s = seconds_of(e, &t, 1);
            if (s < best) best = s;
        }
        printf("{\"name\": \"%s\", \"rows\": %" PRId64 ", \"ns_per_row_min\": %.2f, \"one_row_ns\": %.0f}\n", texts[i], rows, best * 1e9 / (double)rows,
               seconds_of(e, &one, 20000) * 1e9);
    }
    gm_arena_free(a);
    return 0;
}
