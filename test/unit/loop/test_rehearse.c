/* test_rehearse.c - rehearsal's pieces: times as people write them, views, joins that the future cannot change, the page and the
 * JSON. */
#include "loop/rehearse.h"

#include <stdio.h>

#include "harness/harness.h"
#include "loop/rehearse_internal.h"

static gm_err err;

static const char *moment(const char *text, bool end)
{
    static char out[48];
    int64_t us = 0;
    return gm_rehearse_time(text, end, &us) ? gm_time_text(us, out, sizeof(out)) : "none";
}

static void times_name_spans(void)
{
    CHECK_STR(moment("2013", false), "2013-01-01T00:00:00");
    CHECK_STR(moment("2013", true), "2014-01-01T00:00:00");
    CHECK_STR(moment("2013-12", false), "2013-12-01T00:00:00");
    CHECK_STR(moment("2013-12", true), "2014-01-01T00:00:00");
    CHECK_STR(moment("2012-02", true), "2012-03-01T00:00:00");
    CHECK_STR(moment("2012-02-29", true), "2012-03-01T00:00:00");
    CHECK_STR(moment("2013-04-09T06:00", true), "2013-04-09T06:00:00");
    static const char *const wrong[] = { "",       "13",    "2013-13",  "2013-00", "2013-02-30",
                                         "2013-4", "april", "2013-04-", "2013x",   "99999" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (strcmp(moment(wrong[i], false), "none") != 0)
            gm_harness_fail(__FILE__, __LINE__, "\"%s\" is taken for a time", wrong[i]);
        CHECK_STR(moment(wrong[i], true), "none");
    }
}

static void a_view_is_the_rows_themselves(void)
{
    gm_arena *a = gm_harness_arena();
    const double x[] = { 1, 2, 3, 4 };
    const int64_t n[] = { 10, 20, 30, 40 };
    const int32_t code[] = { 0, 1, 0, -1 };
    const char *const texts[] = { "a", "b" };
    const uint32_t lens[] = { 1, 1 };
    const gm_dict dict = { .texts = texts, .text_lens = lens, .count = 2 };
    gm_column columns[] = { { .name = "x", .type = GM_TYPE_FLOAT, .rows = 4, .f64 = x },
                            { .name = "n", .type = GM_TYPE_INT, .rows = 4, .i64 = n },
                            { .name = "s", .type = GM_TYPE_STRING, .rows = 4, .code = code, .dict = &dict } };
    gm_table t = { .rows = 4, .columns_count = 3, .columns = columns }, view;
    CHECK_OK(gm_rehearse_view(&t, 1, 4, a, &view, &err), &err);
    CHECK(view.rows == 3 && view.columns[0].rows == 3);
    CHECK(view.columns[0].f64[0] == 2 && view.columns[1].i64[2] == 40);
    CHECK_STR(gm_column_text(&view.columns[2], 0), "b");
    CHECK(gm_column_is_missing(&view.columns[2], 2));
    CHECK_OK(gm_rehearse_view(&t, 2, 2, a, &view, &err), &err);
    CHECK(view.rows == 0);
}

/* The joins of a replay are made once over the whole period: rows before a moment must be what they are when the other side ends
 * there. */
static void a_join_by_time_cannot_see_what_comes_later(void)
{
    enum { LEFT = 400, OTHER = 300 };
    gm_arena *a = gm_harness_arena();
    static int64_t left_us[LEFT], left_key[LEFT], right_us[OTHER], right_key[OTHER];
    static double value[OTHER];
    uint64_t seed = 7;
    for (int i = 0; i < LEFT; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        left_us[i] = (int64_t)(seed >> 33) % 1000000;
        left_key[i] = (int64_t)(seed >> 20) % 3;
    }
    for (int i = 0; i < OTHER; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        right_us[i] = (int64_t)(seed >> 33) % 1000000;
        right_key[i] = (int64_t)(seed >> 20) % 3;
        value[i] = i;
    }
    gm_column left_columns[] = { { .name = "at", .type = GM_TYPE_TIME, .rows = LEFT, .i64 = left_us },
                                 { .name = "k", .type = GM_TYPE_INT, .rows = LEFT, .i64 = left_key } };
    gm_column right_columns[] = { { .name = "hour", .type = GM_TYPE_TIME, .rows = OTHER, .i64 = right_us },
                                  { .name = "k", .type = GM_TYPE_INT, .rows = OTHER, .i64 = right_key },
                                  { .name = "v", .type = GM_TYPE_FLOAT, .rows = OTHER, .f64 = value } };
    gm_table left = { LEFT, 2, left_columns }, right = { OTHER, 3, right_columns }, whole, cut, joined;
    const char *by[] = { "k" };
    gm_asof_options o = { .by = by, .by_count = 1, .left_time = "at", .right_time = "hour", .prefix = "w" };
    int64_t matched = 0, compared = 0, index[OTHER];
    CHECK_OK(gm_asof_join(&left, &right, &o, a, &whole, &matched, &err), &err);
    for (int64_t until = 100000; until < 1000000; until += 90001) {
        int64_t count = 0;
        for (int64_t i = 0; i < OTHER; i++)
            if (right_us[i] < until) index[count++] = i;
        CHECK_OK(gm_table_take(&right, index, count, a, &cut, &err), &err);
        CHECK_OK(gm_asof_join(&left, &cut, &o, a, &joined, &matched, &err), &err);
        const gm_column *x = gm_table_find(&whole, "w.v"), *y = gm_table_find(&joined, "w.v");
        CHECK(x && y);
        for (int64_t i = 0; i < LEFT; i++) {
            if (left_us[i] >= until) continue;
            CHECK((isnan(x->f64[i]) && isnan(y->f64[i])) || x->f64[i] == y->f64[i]);
            compared++;
        }
    }
    CHECK(compared > 1000);
}

/* As many policies, windows and decisions as may be, with texts that want to be markup. */
static gm_rehearsal *large(gm_arena *a, size_t policies, size_t windows, size_t decisions)
{
    gm_rehearsal *r = GM_ARENA_NEW(a, gm_rehearsal);
    const int64_t day = 86400000000, begin = 1356998400000000;
    const char *detail = gm_arena_printf(a, "%0400d<script>alert(1)</script>&\"", 0);
    *r = (gm_rehearsal){ .pipeline = "<b>orders</b>",
                         .metric = "roc_auc",
                         .higher_is_better = true,
                         .from_us = begin,
                         .begin_us = begin,
                         .until_us = begin + (int64_t)windows * day,
                         .step_us = day,
                         .first_reason = "as asked for",
                         .policies_count = policies,
                         .policies = GM_ARENA_ARRAY(a, gm_rehearsal_policy, policies) };
    for (size_t i = 0; i < policies; i++) {
        gm_rehearsal_policy *p = &r->policies[i];
        *p = (gm_rehearsal_policy){
            .name = gm_arena_printf(a, "drift > %zu & <i>", i),
            .windows = GM_ARENA_ARRAY(a, gm_rehearsal_window, windows),
            .windows_count = windows,
            .decisions = GM_ARENA_ARRAY(a, gm_rehearsal_decision, decisions),
            .decisions_count = decisions,
            .overall = { .value = 0.7, .low = 0.69, .high = 0.71, .method = "DeLong" },
            .against_first = { .delta = 0.01, .low = 0, .high = 0.02, .method = i ? "DeLong paired" : NULL },
            .mean = 0.7,
            .worst = 0.5,
            .worst_from_us = begin
        };
        for (size_t k = 0; k < windows; k++)
            p->windows[k] = (gm_rehearsal_window){ .from_us = begin + (int64_t)k * day,
                                                   .until_us = begin + (int64_t)(k + 1) * day,
                                                   .rows = 900,
                                                   .version = 1,
                                                   .metric = k % 11 != 5 ? 0.6 + (double)(k % 7) / 40 : (double)NAN,
                                                   .drifted = k % 2 == 0,
                                                   .decayed = k % 3 == 0,
                                                   .drifted_names = "x<y",
                                                   .estimated = 0.65 };
        for (size_t k = 0; k < decisions; k++)
            p->decisions[k] = (gm_rehearsal_decision){ .at_us = begin + (int64_t)k * day,
                                                       .reason = k ? "drift > 1 & more" : "the first model",
                                                       .outcome = k ? GM_REHEARSAL_REFUSED : GM_REHEARSAL_FIRST,
                                                       .detail = detail,
                                                       .trainer = "logistic",
                                                       .test_metric = 0.7 };
    }
    return r;
}

static void a_page_is_never_larger_than_200_kib(void)
{
    static const size_t shapes[][3] = { { 1, 1, 1 }, { 2, 366, 13 }, { 16, 5000, 500 }, { 16, 20, 20 }, { 1, 20000, 3000 } };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        gm_arena *a = gm_harness_arena();
        gm_buf b = { 0 };
        gm_rehearsal_html(large(a, shapes[i][0], shapes[i][1], shapes[i][2]), &b);
        CHECK(!b.failed);
        if (b.len > (size_t)200 << 10)
            gm_harness_fail(__FILE__, __LINE__, "%zu policies of %zu windows: %zu bytes", shapes[i][0], shapes[i][1], b.len);
        CHECK(!strstr(gm_buf_str(&b), "<script") && !strstr(gm_buf_str(&b), "<b>orders") && !strstr(gm_buf_str(&b), "& <i>"));
        CHECK_HAS(gm_buf_str(&b), "&lt;b&gt;orders");
        CHECK_HAS(gm_buf_str(&b), "<svg");
        gm_buf_clear(&b);
        gm_harness_arena_free(a);
    }
}

static void the_json_reads_back(void)
{
    gm_arena *a = gm_harness_arena();
    gm_buf b = { 0 };
    gm_json j;
    gm_node *root = NULL;
    gm_json_init(&j, &b, true);
    gm_rehearsal_json(large(a, 2, 30, 4), &j);
    CHECK_OK(gm_json_read(gm_buf_str(&b), b.len, "rehearsal", a, &root, &err), &err);
    const gm_node *policies = gm_node_get(root, "policies");
    CHECK(policies && policies->count == 2);
    CHECK(gm_node_get(policies->items[1], "windows")->count == 30);
    CHECK_STR(gm_node_str_or(gm_node_get(policies->items[1], "decisions")->items[1], "outcome", ""), "refused");
    CHECK(gm_node_get(policies->items[0], "against_first")->is_null &&
          !gm_node_get(policies->items[1], "against_first")->is_null);
    CHECK(isnan(gm_node_double_or(gm_node_get(policies->items[0], "windows")->items[5], "metric", (double)NAN)));
    gm_buf_clear(&b);
}

TESTS(T(times_name_spans), T(a_view_is_the_rows_themselves), T(a_join_by_time_cannot_see_what_comes_later),
      T(a_page_is_never_larger_than_200_kib), T(the_json_reads_back))
