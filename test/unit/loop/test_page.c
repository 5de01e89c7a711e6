/* test_page.c - pages: nothing in a text becomes markup, no page is too long, the charts hold what there is. */
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "harness/harness.h"
#include "loop/page.h"

enum { DAYS = 400, COLUMNS = 500 };
#define DAY_US (INT64_C(86400) * 1000000)

static gm_err err;

static const gm_detector *psi(void)
{
    const gm_detector *d = NULL;
    CHECK_OK(gm_detector_find("psi", &d, &err), &err);
    return d;
}

static gm_window_result window_of(int64_t day, size_t columns, const char *name, gm_arena *a)
{
    gm_drift_column *c = GM_ARENA_ARRAY(a, gm_drift_column, columns);
    for (size_t i = 0; i < columns; i++)
        c[i] = (gm_drift_column){ .name = i ? gm_arena_printf(a, "column_with_a_long_name_%zu", i) : name,
                                  .type = GM_TYPE_FLOAT,
                                  .detector = psi(),
                                  .value = 0.1 + (double)(i % 7) / 10,
                                  .limit = 0.2,
                                  .p_adjusted = 0.01,
                                  .new_share = NAN,
                                  .range_share = 0.01,
                                  .drifted = i % 7 > 1,
                                  .why = "a reason that is not short at all" };
    return (gm_window_result){ .from_us = day * DAY_US,
                               .until_us = (day + 1) * DAY_US,
                               .rows = 1000,
                               .judged = true,
                               .drifted = day % 3 == 0,
                               .drifted_columns = day % 3 ? 0 : 2,
                               .metric = "roc_auc",
                               .reference_metric = 0.7,
                               .realised = { 0.65, 0.6, 0.7, "DeLong" },
                               .estimated = { 0.68, 0.66, 0.70, "CBPE" },
                               .decay = 0.05,
                               .decayed = day % 5 == 0,
                               .drift = { .columns = c, .count = columns, .judged = columns },
                               .domain = { .auc = NAN } };
}

static gm_page_shape shape_of(const char *name, gm_arena *a)
{
    gm_page_shape s = { .name = name,
                        .low = 0,
                        .high = 1,
                        .type = GM_TYPE_FLOAT,
                        .bins = 24,
                        .reference = GM_ARENA_ARRAY(a, double, 24),
                        .current = GM_ARENA_ARRAY(a, double, 24) };
    for (int i = 0; i < 24; i++) s.reference[i] = s.current[23 - i] = (double)i / 276;
    return s;
}

static const char *page_of(size_t days, size_t columns, const char *name, gm_arena *a)
{
    gm_window_result *r = GM_ARENA_ARRAY(a, gm_window_result, days);
    gm_page_window *w = GM_ARENA_ARRAY(a, gm_page_window, days);
    gm_page_shape *shapes = GM_ARENA_ARRAY(a, gm_page_shape, columns);
    gm_alert_record alert = { .id = 4,
                              .model = name,
                              .rule = name,
                              .severity = "warning",
                              .state = "firing",
                              .began_us = (int64_t)(days - 1) * DAY_US,
                              .title = name };
    gm_buf b = { 0 };
    for (size_t i = 0; i < days; i++) {
        r[i] = window_of((int64_t)i, columns, name, a);
        w[i] = (gm_page_window){ .version = 3, .result = &r[i] };
    }
    for (size_t i = 0; i < columns; i++) shapes[i] = shape_of(r[days - 1].drift.columns[i].name, a);
    gm_watch_page p = { .model = name,
                        .windows = w,
                        .windows_count = days,
                        .alerts = &alert,
                        .alerts_count = 1,
                        .cause = name,
                        .shapes = shapes,
                        .shapes_count = columns };
    gm_watch_page_html(&p, &b);
    CHECK(!b.failed);
    const char *text = gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return text;
}

static void no_text_becomes_markup(void)
{
    const char *text = page_of(3, 2, "<script>alert(\"1\")</script>&'", gm_harness_arena());
    CHECK(!strstr(text, "<script") && strstr(text, "&lt;script&gt;"));
    CHECK(strstr(text, "default-src 'none'"));
    CHECK(!strstr(text, "href=") && !strstr(text, "src="));
}

static void a_page_keeps_to_its_size_and_says_what_is_left_out(void)
{
    gm_arena *a = gm_harness_arena();
    const char *text = page_of(DAYS, COLUMNS, "x", a);
    CHECK(strlen(text) <= GM_PAGE_BYTES_MAX);
    CHECK(strstr(text, "columns are left out"));
    CHECK(strstr(text, "older windows are left out"));
    CHECK(strstr(text, "</main></body></html>"));
    CHECK(strstr(text, "class=\"area\"")); /* the estimated band */
    CHECK(strstr(text, "class=\"baddot\""));
    CHECK(strstr(text, "class=\"mark\"")); /* the alert */
    CHECK(!strstr(page_of(5, 3, "x", a), "left out"));
}

/* The worst that can be: every text long and each byte of it six when escaped, more of everything than is shown. */
static void texts_that_grow_keep_the_page_to_its_size(void)
{
    enum { LONG = 1200, MANY = 200 };
    gm_arena *a = gm_harness_arena();
    static const char fills[] = "<\"";
    for (size_t k = 0; k < 2; k++) {
        char *text = GM_ARENA_ARRAY(a, char, LONG + 1);
        gm_buf b = { 0 };
        memset(text, fills[k], LONG);
        text[LONG] = '\0';
        gm_window_result r = window_of(0, MANY, text, a);
        gm_alert_record *alerts = GM_ARENA_ARRAY(a, gm_alert_record, MANY);
        gm_check_result *checks = GM_ARENA_ARRAY(a, gm_check_result, MANY);
        gm_check_left_out *left_out = GM_ARENA_ARRAY(a, gm_check_left_out, MANY);
        gm_page_shape *shapes = GM_ARENA_ARRAY(a, gm_page_shape, MANY);
        const char **absent = GM_ARENA_ARRAY(a, const char *, MANY);
        gm_check_spec spec = { .name = text };
        for (size_t i = 0; i < MANY; i++) {
            r.drift.columns[i].name = r.drift.columns[i].why = text;
            alerts[i] = (gm_alert_record){ .rule = text, .severity = "warning", .state = "firing", .title = text };
            checks[i] = (gm_check_result){ .spec = &spec, .observed_text = text };
            left_out[i] = (gm_check_left_out){ text, text };
            shapes[i] = shape_of(text, a);
            absent[i] = text;
        }
        r.drift.missing_columns = absent;
        r.drift.missing_columns_count = MANY;
        r.checks = checks;
        r.left_out = left_out;
        r.checks_count = r.left_out_count = MANY;
        gm_page_window w = { .version = 1, .result = &r };
        gm_watch_page p = { .model = text,
                            .windows = &w,
                            .windows_count = 1,
                            .alerts = alerts,
                            .alerts_count = MANY,
                            .cause = text,
                            .shapes = shapes,
                            .shapes_count = MANY };
        gm_watch_page_html(&p, &b);
        CHECK(!b.failed && b.len <= GM_PAGE_BYTES_MAX && b.len > 20000);
        CHECK(strstr(gm_buf_str(&b), "columns are left out") && strstr(gm_buf_str(&b), "alerts are left out") &&
              strstr(gm_buf_str(&b), "checks are left out"));
        CHECK(strstr(gm_buf_str(&b), k ? "&quot;\u2026" : "&lt;\u2026"));
        gm_buf_clear(&b);
        gm_drift_page d = { .reference = text, .current = text, .result = &r.drift, .shapes = shapes, .shapes_count = MANY };
        gm_drift_page_html(&d, &b);
        CHECK(!b.failed && b.len <= GM_PAGE_BYTES_MAX);
        gm_buf_clear(&b);
    }
}

static void nothing_yet_is_said(void)
{
    gm_buf b = { 0 };
    gm_watch_page_html(&(gm_watch_page){ .model = "churn", .cause = "" }, &b);
    CHECK(strstr(gm_buf_str(&b), "nothing was served"));
    gm_buf_clear(&b);
}

static void shapes_of_profiles(void)
{
    static const char *const texts[] = { "AA", "B6", "UA" };
    static const uint32_t lens[] = { 2, 2, 2 };
    static const gm_dict dict = { texts, lens, 3 };
    static const char *const names[] = { "x", "carrier", "absent", "empty" };
    enum { N = 3000 };
    gm_arena *a = gm_harness_arena();
    gm_profile *profiles[2];
    gm_page_shape *shapes = NULL;
    size_t count = 0;
    gm_random r;
    gm_random_init(&r, 5);
    for (int side = 0; side < 2; side++) {
        double *x = GM_ARENA_ARRAY(a, double, N), *empty = GM_ARENA_ARRAY(a, double, N);
        int32_t *codes = GM_ARENA_ARRAY(a, int32_t, N);
        for (int i = 0; i < N; i++) {
            x[i] = gm_random_normal(&r) + 2 * side;
            codes[i] = side ? 2 : i % 2;
            empty[i] = NAN;
        }
        x[0] = 1e9; /* one far out does not flatten the others */
        gm_column *c = GM_ARENA_ARRAY(a, gm_column, 3);
        c[0] = (gm_column){ .name = "x", .type = GM_TYPE_FLOAT, .rows = N, .f64 = x };
        c[1] = (gm_column){ .name = "carrier", .type = GM_TYPE_STRING, .rows = N, .code = codes, .dict = &dict };
        c[2] = (gm_column){ .name = "empty", .type = GM_TYPE_FLOAT, .rows = N, .f64 = empty };
        CHECK_OK(gm_profile_of(&(gm_table){ N, 3, c }, a, &profiles[side], &err), &err);
    }
    CHECK_OK(gm_page_shapes(profiles[0], profiles[1], names, 4, a, &shapes, &count, &err), &err);
    CHECK(count == 2);
    CHECK(shapes[0].low < -1 && shapes[0].high < 10);
    for (int k = 0; k < 2; k++)
        for (int side = 0; side < 2; side++) {
            double sum = 0;
            for (size_t i = 0; i < shapes[k].bins; i++) sum += side ? shapes[k].current[i] : shapes[k].reference[i];
            CHECK_NEAR(sum, 1, 1e-9);
        }
    CHECK(shapes[1].bins == 4); /* AA, B6, what is new now, others */
    CHECK_STR(shapes[1].labels[2], "UA");
    CHECK_NEAR(shapes[1].current[2], 1, 1e-12);
    CHECK_NEAR(shapes[1].reference[0], 0.5, 1e-12);
}

static void two_sides(void)
{
    gm_arena *a = gm_harness_arena();
    gm_buf b = { 0 };
    gm_window_result r = window_of(0, 4, "<b>", a);
    gm_page_shape s = shape_of("<b>", a);
    gm_drift_page p = { .reference = "a&b.csv", .current = "b.csv", .result = &r.drift, .shapes = &s, .shapes_count = 1 };
    gm_drift_page_html(&p, &b);
    CHECK(strstr(gm_buf_str(&b), "a&amp;b.csv"));
    CHECK(strstr(gm_buf_str(&b), "&lt;b&gt;"));
    CHECK(!strstr(gm_buf_str(&b), "<b>"));
    CHECK(strstr(gm_buf_str(&b), "<svg"));
    gm_buf_clear(&b);
}

TESTS(T(no_text_becomes_markup), T(a_page_keeps_to_its_size_and_says_what_is_left_out),
      T(texts_that_grow_keep_the_page_to_its_size), T(nothing_yet_is_said), T(shapes_of_profiles), T(two_sides))
