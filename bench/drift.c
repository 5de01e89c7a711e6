/* drift.c - drift of raw columns, 500,000 against 500,000 rows of 15, and of two stored profiles of 20 columns.
 *
 *   bench_drift [ROWS [FOLDER]]      prints JSON: CPU seconds of each, least of several
 *
 * FOLDER: ref.parquet and cur.parquet are written there, too. The tables are made here, in the shapes of bench/data_profile.c:
 * 9 numbers, 5 categories of 3 to 5,000 values, a flag; age, income, score, country and plan have moved in the second. One thread.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/random.h"
#include "data/engine.h"
#include "watch/drift.h"

enum { NUMBERS = 9, TEXTS = 5, COLUMNS = NUMBERS + TEXTS + 1, PROFILED = 20 };

static double number(gm_random *r, int k, bool moved)
{
    switch (k) {
    case 0: return fmin(95, fmax(18, rint(44 + 1.5 * moved + 14 * gm_random_normal(r))));
    case 1:
        return gm_random_below(r, 100) < 3 ? (double)NAN
                                           : rint(100 * (moved ? 1.1 : 1) * exp(10.4 + 0.6 * gm_random_normal(r))) / 100;
    case 2: return rint(100 * (1200 + 5400 * gm_random_normal(r))) / 100;
    case 3: return rint(1e6 * pow(gm_random_double(r), moved ? 2.3 : 2.5)) / 1e6;
    case 4: return floor(-log(1 - gm_random_double(r)) * 3.2);
    case 5: return rint(1e5 * (-60 + 130 * gm_random_double(r))) / 1e5;
    case 6: return rint(1e5 * (-180 + 360 * gm_random_double(r))) / 1e5;
    case 7: return gm_random_below(r, 100) < 1 ? (double)NAN : rint(-8000 * log(1 - gm_random_double(r))) / 100 + 0.01;
    default: return rint(1e6 * gm_random_normal(r) * 1.7) / 1e6;
    }
}

static gm_table make(gm_arena *a, int64_t rows, bool moved)
{
    static const char *const names[COLUMNS] = { "age",    "income", "balance",  "score",  "events",
                                                "lat",    "lon",    "amount",   "ratio",  "country",
                                                "device", "plan",   "merchant", "gender", "is_active" };
    static const int values[TEXTS] = { 30, 6, 4, 5000, 3 };
    gm_random r;
    gm_random_init(&r, 20261123 + (uint64_t)moved);
    gm_column *c = GM_ARENA_ARRAY(a, gm_column, COLUMNS);
    for (int k = 0; k < COLUMNS; k++) {
        bool whole = k == 0 || k == 4 || k == COLUMNS - 1, text = k >= NUMBERS && k < NUMBERS + TEXTS;
        c[k] = (gm_column){ .name = names[k],
                            .rows = rows,
                            .type = k == COLUMNS - 1 ? GM_TYPE_BOOL
                                    : text           ? GM_TYPE_STRING
                                    : whole          ? GM_TYPE_INT
                                                     : GM_TYPE_FLOAT };
        if (text) {
            int32_t *code = GM_ARENA_ARRAY(a, int32_t, rows);
            gm_dict_builder *b = gm_dict_builder_new(a);
            int n = values[k - NUMBERS];
            double power = moved && (k == NUMBERS || k == NUMBERS + 2) ? 1.8 : 2.2;
            for (int64_t i = 0; i < rows; i++) {
                char word[32];
                (void)snprintf(word, sizeof(word), "%s_%04d", names[k], (int)(n * pow(gm_random_double(&r), power)));
                code[i] = k == NUMBERS + 4 && gm_random_below(&r, 50) == 0 ? GM_MISSING_CODE
                                                                           : gm_dict_builder_code(b, word, strlen(word));
            }
            c[k].code = code;
            c[k].dict = gm_dict_builder_finish(b);
        } else if (whole) {
            int64_t *v = GM_ARENA_ARRAY(a, int64_t, rows);
            for (int64_t i = 0; i < rows; i++)
                v[i] = c[k].type == GM_TYPE_BOOL ? gm_random_below(&r, 100) < 83 : (int64_t)number(&r, k, moved);
            c[k].i64 = v;
        } else {
            double *v = GM_ARENA_ARRAY(a, double, rows);
            for (int64_t i = 0; i < rows; i++) v[i] = number(&r, k, moved);
            c[k].f64 = v;
        }
    }
    return (gm_table){ .rows = rows, .columns_count = COLUMNS, .columns = c };
}

static int failed(const gm_err *err)
{
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

/* 20 columns: the 15, and the first five once more under another name. */
static gm_table widened(const gm_table *t, gm_arena *a)
{
    gm_table w = { .rows = t->rows, .columns_count = PROFILED, .columns = GM_ARENA_ARRAY(a, gm_column, PROFILED) };
    for (int k = 0; k < PROFILED; k++) {
        w.columns[k] = t->columns[k % COLUMNS];
        if (k >= COLUMNS) w.columns[k].name = gm_arena_printf(a, "%s_2", t->columns[k - COLUMNS].name);
    }
    return w;
}

static int stored(const gm_table *ref, const gm_table *cur, gm_arena *a, double *out_all, double *out_compare, size_t *out_bytes)
{
    gm_buf bytes[2] = { { 0 }, { 0 } };
    gm_err err = { 0 };
    for (int side = 0; side < 2; side++) {
        gm_profile *p = NULL;
        gm_table w = widened(side ? cur : ref, a);
        if (gm_profile_of(&w, a, &p, &err)) return failed(&err);
        gm_profile_write(p, &bytes[side]);
    }
    *out_bytes = bytes[0].len;
    *out_all = *out_compare = INFINITY;
    for (int round = 0; round < 15; round++) {
        gm_arena *once = gm_arena_new(0);
        gm_profile *r = NULL, *c = NULL;
        gm_drift_result result;
        int64_t start = gm_cpu_us();
        if (gm_profile_read(bytes[0].data, bytes[0].len, once, &r, &err) ||
            gm_profile_read(bytes[1].data, bytes[1].len, once, &c, &err))
            return failed(&err);
        int64_t read = gm_cpu_us();
        if (gm_drift_compare(&(gm_drift_side){ .profile = r }, &(gm_drift_side){ .profile = c }, NULL, once, &result, &err))
            return failed(&err);
        int64_t end = gm_cpu_us();
        *out_all = fmin(*out_all, (double)(end - start) / 1e3);
        *out_compare = fmin(*out_compare, (double)(end - read) / 1e3);
        gm_arena_free(once);
    }
    gm_buf_clear(&bytes[0]);
    gm_buf_clear(&bytes[1]);
    return 0;
}

/* A window of 900 rows against a prepared reference: what a day of a rehearsal costs. */
static int window(const gm_table *ref, const gm_table *cur, gm_arena *a, double *out_ms)
{
    gm_err err = { 0 };
    gm_drift_prepared *prepared = NULL;
    gm_drift_result result;
    gm_column columns[COLUMNS];
    gm_table part = { .rows = 900, .columns_count = COLUMNS, .columns = columns };
    for (int k = 0; k < COLUMNS; k++) {
        columns[k] = cur->columns[k];
        columns[k].rows = part.rows;
    }
    if (gm_drift_prepare(&(gm_drift_side){ .table = ref }, a, &prepared, &err)) return failed(&err);
    *out_ms = INFINITY;
    for (int round = 0; round < 15; round++) {
        gm_arena *once = gm_arena_new(0);
        int64_t start = gm_cpu_us();
        if (gm_drift_compare(&(gm_drift_side){ .prepared = prepared }, &(gm_drift_side){ .table = &part }, NULL, once, &result,
                             &err))
            return failed(&err);
        *out_ms = fmin(*out_ms, (double)(gm_cpu_us() - start) / 1e3);
        gm_arena_free(once);
    }
    return 0;
}

static int write_files(const gm_table *ref, const gm_table *cur, const char *dir, gm_arena *a)
{
    gm_engine *e = NULL;
    gm_err err = { 0 };
    gm_rc rc = gm_engine_open(&(gm_engine_options){ .threads = 1 }, &e, &err);
    if (!rc) rc = gm_data_write(e, ref, gm_path_join(a, dir, "ref.parquet"), &err);
    if (!rc) rc = gm_data_write(e, cur, gm_path_join(a, dir, "cur.parquet"), &err);
    gm_engine_close(e);
    return rc ? failed(&err) : 0;
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? strtoll(argv[1], NULL, 10) : 500000;
    if (rows < 900) return 1;
    gm_arena *a = gm_arena_new(0);
    gm_err err = { 0 };
    gm_table ref = make(a, rows, false), cur = make(a, rows, true);
    gm_drift_result result = { 0 };
    double raw_s = INFINITY, read_ms = 0, profiles_ms = 0, window_ms = 0;
    size_t bytes = 0;
    for (int round = 0; round < 3; round++) {
        gm_arena *once = gm_arena_new(0);
        int64_t start = gm_cpu_us();
        if (gm_drift_compare(&(gm_drift_side){ .table = &ref }, &(gm_drift_side){ .table = &cur }, NULL, once, &result, &err))
            return failed(&err);
        raw_s = fmin(raw_s, (double)(gm_cpu_us() - start) / 1e6);
        gm_arena_free(once);
    }
    if (stored(&ref, &cur, a, &read_ms, &profiles_ms, &bytes) || window(&ref, &cur, a, &window_ms)) return 1;
    printf("{\"name\": \"drift\", \"rows\": %" PRId64
           ", \"columns\": %d, \"drifted\": %zu, \"cpu_s_raw\": %.4f, \"profiles\": {\"columns\": %d, \"bytes\": %zu, "
           "\"cpu_ms_compare\": %.3f, \"cpu_ms_read_and_compare\": %.3f}, \"cpu_ms_window_of_900\": %.3f}\n",
           rows, COLUMNS, result.drifted, raw_s, PROFILED, bytes, profiles_ms, read_ms, window_ms);
    int status = argc > 2 ? write_files(&ref, &cur, argv[2], a) : 0;
    gm_arena_free(a);
    return status;
}
