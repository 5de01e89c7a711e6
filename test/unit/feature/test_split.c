/* test_split.c - every row has a side, the shares are met, and what belongs together stays together. */
#include "feature/split.h"
#include "support.h"

enum { ROWS = 1000 };

static void split(const gm_split_options *o, int64_t rows, uint8_t *out, int64_t *counts)
{
    gm_err err;
    CHECK_OK(gm_split(o, rows, out, counts, &err), &err);
}

static void random_meets_its_shares_and_follows_the_key(void)
{
    uint8_t side[ROWS], again[ROWS];
    int64_t counts[4];
    uint64_t keys[ROWS], backwards[ROWS];
    for (int i = 0; i < ROWS; i++) keys[i] = backwards[ROWS - 1 - i] = (uint64_t)i * 31 + 7;
    gm_split_options o = { .validation = 0.15, .test = 0.2, .seed = 42, .row_keys = keys };
    split(&o, ROWS, side, counts);
    CHECK(counts[GM_SIDE_TEST] == 200 && counts[GM_SIDE_VALIDATION] == 150 && counts[GM_SIDE_TRAIN] == 650);
    o.row_keys = backwards;
    split(&o, ROWS, again, counts);
    for (int i = 0; i < ROWS; i++) CHECK(side[i] == again[ROWS - 1 - i]);
    o.seed = 43;
    split(&o, ROWS, side, counts);
    CHECK(memcmp(side, again, ROWS) != 0);
}

static void rows_without_a_label_are_left_out(void)
{
    uint8_t side[10];
    int64_t counts[4];
    double y[10] = { 0, 1, NAN, 0, 1, 1, NAN, 0, 1, 0 };
    split(&(gm_split_options){ .validation = 0.25, .test = 0.25, .target = y }, 10, side, counts);
    CHECK(side[2] == GM_SIDE_OUT && side[6] == GM_SIDE_OUT);
    CHECK(counts[GM_SIDE_OUT] == 2 && counts[GM_SIDE_TEST] == 2 && counts[GM_SIDE_VALIDATION] == 2 && counts[GM_SIDE_TRAIN] == 4);
}

static void stratified_gives_every_side_its_share_of_each_class(void)
{
    uint8_t side[ROWS];
    int64_t counts[4], of_class[3][4] = { { 0 } };
    double y[ROWS];
    for (int i = 0; i < ROWS; i++) y[i] = i % 50 == 0 ? 2 : i % 5 == 0; /* 20 of class 2, 180 of 1, 800 of 0 */
    split(&(gm_split_options){ .by = GM_SPLIT_STRATIFIED, .validation = 0.1, .test = 0.2, .seed = 1, .target = y }, ROWS, side, counts);
    for (int i = 0; i < ROWS; i++) of_class[(int)y[i]][side[i]]++;
    CHECK(of_class[2][GM_SIDE_TEST] == 4 && of_class[2][GM_SIDE_VALIDATION] == 2);
    CHECK(of_class[1][GM_SIDE_TEST] == 36 && of_class[1][GM_SIDE_VALIDATION] == 18);
    CHECK(of_class[0][GM_SIDE_TEST] == 160 && of_class[0][GM_SIDE_VALIDATION] == 80);
}

static void groups_stay_on_one_side(void)
{
    sheet *s = sheet_new(ROWS);
    const char *group[ROWS];
    for (int i = 0; i < ROWS; i++) group[i] = i % 20 ? gm_arena_printf(s->a, "g%d", i * i % 101) : NULL;
    add_texts(s, "g", group);
    uint8_t side[ROWS];
    int64_t counts[4];
    split(&(gm_split_options){ .by = GM_SPLIT_GROUP, .validation = 0.2, .test = 0.2, .seed = 3, .group = &s->columns[0] }, ROWS, side, counts);
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < i; k++)
            if (group[i] && group[k] && strcmp(group[i], group[k]) == 0) CHECK(side[i] == side[k]);
    CHECK(llabs(counts[GM_SIDE_TEST] - 200) < 25 && llabs(counts[GM_SIDE_VALIDATION] - 200) < 25);
}

static void time_puts_the_newest_into_the_test_and_keeps_equal_times_together(void)
{
    sheet *s = sheet_new(ROWS);
    int64_t t[ROWS];
    for (int i = 0; i < ROWS; i++) t[i] = (i * 379 % ROWS) / 7 * 1000000; /* seven rows at each time, out of order */
    t[5] = GM_MISSING_INT;
    t[6] = -5000000;
    add_ints(s, "t", GM_TYPE_TIME, t);
    uint8_t side[ROWS];
    int64_t counts[4], low[3] = { INT64_MAX, INT64_MAX, INT64_MAX }, high[3] = { INT64_MIN, INT64_MIN, INT64_MIN };
    split(&(gm_split_options){ .by = GM_SPLIT_TIME, .validation = 0.15, .test = 0.15, .time = &s->columns[0] }, ROWS, side, counts);
    CHECK(side[5] == GM_SIDE_OUT && side[6] == GM_SIDE_TRAIN && counts[GM_SIDE_OUT] == 1);
    for (int i = 0; i < ROWS; i++) {
        if (side[i] == GM_SIDE_OUT) continue;
        if (t[i] < low[side[i]]) low[side[i]] = t[i];
        if (t[i] > high[side[i]]) high[side[i]] = t[i];
    }
    CHECK(high[GM_SIDE_TRAIN] < low[GM_SIDE_VALIDATION] && high[GM_SIDE_VALIDATION] < low[GM_SIDE_TEST]);
    CHECK(llabs(counts[GM_SIDE_TEST] - 150) <= 4 && llabs(counts[GM_SIDE_VALIDATION] - 150) <= 8);
}

static void impossible_splits_are_told(void)
{
    sheet *s = sheet_new(4);
    add_ints(s, "t", GM_TYPE_TIME, (int64_t[]){ 7, 7, 7, 7 });
    add_floats(s, "x", (double[]){ 1, 2, 3, 4 });
    const gm_column *t = &s->columns[0], *x = &s->columns[1];
    const double no_labels[] = { NAN, NAN, NAN, NAN };
    const struct {
        gm_split_options o;
        const char *says;
    } cases[] = {
        { { .by = GM_SPLIT_TIME, .test = 0.25, .time = t }, "has no rows" },
        { { .by = GM_SPLIT_TIME, .test = 0.25, .time = x }, "\"x\" is no time" },
        { { .by = GM_SPLIT_TIME, .test = 0.25 }, "no time column" },
        { { .by = GM_SPLIT_STRATIFIED, .test = 0.25 }, "no target" },
        { { .by = GM_SPLIT_GROUP, .test = 0.25 }, "no column" },
        { { .test = 0.6, .validation = 0.4 }, "must be shares" },
        { { .test = NAN }, "must be shares" },
        { { .test = 0.25, .target = no_labels }, "training side" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t side[4];
        gm_err err;
        CHECK_RC(gm_split(&cases[i].o, 4, side, NULL, &err), GM_EINVALID);
        CHECK_HAS(err.message, cases[i].says);
    }
}

static void names_go_both_ways(void)
{
    gm_split_by by = GM_SPLIT_RANDOM;
    CHECK(gm_split_from_name("stratified", &by) && by == GM_SPLIT_STRATIFIED);
    CHECK(!gm_split_from_name("strat", &by));
    CHECK_STR(gm_split_name(GM_SPLIT_TIME), "time");
}

TESTS(T(random_meets_its_shares_and_follows_the_key), T(rows_without_a_label_are_left_out),
      T(stratified_gives_every_side_its_share_of_each_class), T(groups_stay_on_one_side),
      T(time_puts_the_newest_into_the_test_and_keeps_equal_times_together), T(impossible_splits_are_told), T(names_go_both_ways))
