/* test_online.c - the online table gives the latest row of a key, and reads nothing wild from a damaged file. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "feature/online.h"
#include "support.h"

static const char *const by[] = { "place", "gate" };
static const char *const looked_up[] = { "temp", "sky", "row" };
static const gm_online_options options = { .by = by, .by_count = 2, .time = "time", .columns = looked_up, .columns_count = 3 };

static sheet *random_weather(gm_random *r, int64_t rows)
{
    static const char *const places[] = { "EWR", "JFK", "LGA", "", "a long name of a place" };
    static const char *const skies[] = { "clear", "rain", NULL };
    sheet *s = sheet_new(rows);
    const char **place = GM_ARENA_ARRAY(s->a, const char *, rows), **sky = GM_ARENA_ARRAY(s->a, const char *, rows);
    int64_t *gate = GM_ARENA_ARRAY(s->a, int64_t, rows), *time = GM_ARENA_ARRAY(s->a, int64_t, rows), *row = GM_ARENA_ARRAY(s->a, int64_t, rows);
    double *temp = GM_ARENA_ARRAY(s->a, double, rows);
    for (int64_t i = 0; i < rows; i++) {
        place[i] = gm_random_below(r, 20) ? places[gm_random_below(r, 5)] : NULL;
        sky[i] = skies[gm_random_below(r, 3)];
        gate[i] = gm_random_below(r, 20) ? gm_random_below(r, 30) - 3 : GM_MISSING_INT;
        time[i] = gm_random_below(r, 20) ? gm_random_below(r, 50) : GM_MISSING_INT;
        temp[i] = gm_random_below(r, 10) ? gm_random_normal(r) : (double)NAN;
        row[i] = i;
    }
    add_texts(s, "place", place);
    add_ints(s, "gate", GM_TYPE_INT, gate);
    add_ints(s, "time", GM_TYPE_TIME, time);
    add_floats(s, "temp", temp);
    add_texts(s, "sky", sky);
    add_ints(s, "row", GM_TYPE_INT, row);
    return s;
}

static int64_t latest(const gm_table *t, int64_t as_row)
{
    const gm_column *place = gm_table_find(t, "place"), *gate = gm_table_find(t, "gate"), *time = gm_table_find(t, "time");
    int64_t best = -1;
    if (gm_column_is_missing(place, as_row) || gm_column_is_missing(gate, as_row)) return -1;
    for (int64_t i = 0; i < t->rows; i++) {
        if (gm_column_is_missing(time, i) || place->code[i] != place->code[as_row] || gate->i64[i] != gate->i64[as_row]) continue;
        if (best < 0 || time->i64[i] >= time->i64[best]) best = i;
    }
    return best;
}

static void check_row(const gm_online *o, int64_t found, const gm_table *t, int64_t row)
{
    gm_type type;
    int temp = gm_online_column(o, "temp", &type), sky = gm_online_column(o, "sky", &type), number = gm_online_column(o, "row", &type);
    double wanted = gm_table_find(t, "temp")->f64[row], got = gm_online_double(o, found, temp);
    const char *text = gm_column_text(gm_table_find(t, "sky"), row), *found_text = gm_online_text(o, found, sky);
    CHECK(gm_online_int(o, found, number) == row);
    CHECK(got == wanted || (isnan(got) && isnan(wanted)));
    CHECK(text ? found_text && strcmp(text, found_text) == 0 : !found_text);
    CHECK(gm_online_time(o, found) == gm_table_find(t, "time")->i64[row]);
}

static void the_latest_row_of_each_key(void)
{
    gm_random r;
    gm_err err;
    gm_random_init(&r, 11);
    for (int64_t rows = 1; rows < 3000; rows = rows * 3 + 1) {
        sheet *s = random_weather(&r, rows);
        const char *path = gm_arena_printf(s->a, "%s/t", gm_harness_tmpdir());
        gm_online *o = NULL;
        int64_t keys = 0, distinct = 0;
        CHECK_OK(gm_online_write(&s->t, &options, path, &keys, &err), &err);
        CHECK_OK(gm_online_open(path, &o, &err), &err);
        const gm_column *key[2] = { gm_table_find(&s->t, "place"), gm_table_find(&s->t, "gate") };
        for (int64_t i = 0; i < rows; i++) {
            int64_t wanted = latest(&s->t, i), found = gm_online_find(o, key, i);
            CHECK((wanted < 0) == (found < 0));
            if (found >= 0) check_row(o, found, &s->t, wanted);
            distinct += wanted == i;
        }
        CHECK(keys == gm_online_keys(o) && keys == distinct);
        gm_online_close(o);
        gm_harness_arena_free(s->a);
    }
}

static void equal_tables_give_equal_files(void)
{
    gm_buf x = { 0 }, y = { 0 };
    gm_err err;
    int64_t keys;
    for (int k = 0; k < 2; k++) {
        gm_random r;
        gm_random_init(&r, 5);
        sheet *s = random_weather(&r, 200);
        const char *path = gm_arena_printf(s->a, "%s/t", gm_harness_tmpdir());
        CHECK_OK(gm_online_write(&s->t, &options, path, &keys, &err), &err);
        CHECK_OK(gm_fs_read(path, 0, k ? &y : &x, &err), &err);
        gm_harness_arena_free(s->a);
    }
    CHECK(x.len == y.len && memcmp(x.data, y.data, x.len) == 0);
    gm_buf_clear(&x);
    gm_buf_clear(&y);
}

/* Every byte of the file changed, one at a time, and every length: refused, or read without harm. */
static void damaged_files(void)
{
    gm_random r;
    gm_err err;
    int64_t keys, refused = 0;
    gm_random_init(&r, 3);
    sheet *s = random_weather(&r, 30);
    const char *path = gm_arena_printf(s->a, "%s/t", gm_harness_tmpdir());
    const gm_column *key[2] = { gm_table_find(&s->t, "place"), gm_table_find(&s->t, "gate") };
    gm_buf b = { 0 };
    CHECK_OK(gm_online_write(&s->t, &options, path, &keys, &err), &err);
    CHECK_OK(gm_fs_read(path, 0, &b, &err), &err);
    for (size_t at = 0; at < b.len; at++) {
        gm_online *o = NULL;
        gm_type type;
        b.data[at] = (char)(b.data[at] ^ 0x55);
        CHECK_OK(gm_fs_write(path, b.data, b.len, &err), &err);
        b.data[at] = (char)(b.data[at] ^ 0x55);
        if (gm_online_open(path, &o, &err)) {
            CHECK(err.rc == GM_ECORRUPT);
            refused++;
            continue;
        }
        int sky = gm_online_column(o, "sky", &type);
        for (int64_t i = 0; i < s->t.rows; i++) {
            int64_t found = gm_online_find(o, key, i);
            if (found >= 0 && sky >= 0 && type == GM_TYPE_STRING && gm_online_text(o, found, sky)) CHECK(strlen(gm_online_text(o, found, sky)) < b.len);
        }
        gm_online_close(o);
    }
    CHECK(refused > 100);
    for (size_t len = 0; len < b.len; len += 7) {
        gm_online *o = NULL;
        CHECK_OK(gm_fs_write(path, b.data, len, &err), &err);
        CHECK(gm_online_open(path, &o, &err) == GM_ECORRUPT);
    }
    gm_buf_clear(&b);
    gm_harness_arena_free(s->a);
}

static void wrong_keys(void)
{
    gm_random r;
    gm_err err;
    int64_t keys;
    static const char *const bad[] = { "temp" }, *const absent[] = { "nothing" };
    gm_random_init(&r, 3);
    sheet *s = random_weather(&r, 30);
    const char *path = gm_arena_printf(s->a, "%s/t", gm_harness_tmpdir());
    gm_online_options o = options;
    o.by = bad;
    o.by_count = 1;
    CHECK(gm_online_write(&s->t, &o, path, &keys, &err) == GM_EINVALID);
    CHECK_HAS(err.message, "temp");
    o.by = absent;
    CHECK(gm_online_write(&s->t, &o, path, &keys, &err) == GM_EINVALID);
    CHECK_HAS(err.message, "nothing");
    gm_harness_arena_free(s->a);
}

TESTS(T(the_latest_row_of_each_key), T(equal_tables_give_equal_files), T(damaged_files), T(wrong_keys))
