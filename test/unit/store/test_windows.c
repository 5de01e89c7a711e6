/* test_windows.c - windows in the store: kept once, judged again, listed by time. */
#include "store/windows.h"
#include "unit/store/store_fixture.h"

static gm_err err;

static gm_window_record window_of(const char *model, int64_t day, int64_t rows)
{
    return (gm_window_record){ .model = model,
                               .version = 3,
                               .from_us = day * 86400,
                               .until_us = (day + 1) * 86400,
                               .rows = rows,
                               .result_json = "{}",
                               .updated_us = 7 };
}

static void a_window_is_replaced_when_judged_again(void)
{
    gm_window_record *list = NULL;
    size_t count = 0;
    gm_store *store = open_store(new_root());
    gm_arena *a = gm_harness_arena();
    gm_window_record w = window_of("churn", 1, 100);
    CHECK_OK(gm_window_put(store, &w, &err), &err);
    w.rows = 120;
    w.labelled = 90;
    w.final = true;
    w.result_json = "{\"rows\":120}";
    CHECK_OK(gm_window_put(store, &w, &err), &err);
    CHECK_OK(gm_window_list(store, "churn", 0, 0, 0, a, &list, &count, &err), &err);
    CHECK(count == 1 && list[0].rows == 120 && list[0].labelled == 90 && list[0].final && list[0].version == 3 &&
          list[0].updated_us == 7);
    CHECK_STR(list[0].result_json, "{\"rows\":120}");
    gm_store_close(store);
}

static void windows_are_listed_oldest_first_and_the_newest_so_many(void)
{
    gm_window_record *list = NULL;
    size_t count = 0;
    gm_store *store = open_store(new_root());
    gm_arena *a = gm_harness_arena();
    for (int64_t day = 5; day >= 1; day--) {
        gm_window_record w = window_of("churn", day, day), other = window_of("flights", day, 0);
        CHECK_OK(gm_window_put(store, &w, &err), &err);
        CHECK_OK(gm_window_put(store, &other, &err), &err);
    }
    CHECK_OK(gm_window_list(store, "churn", 0, 0, 2, a, &list, &count, &err), &err);
    CHECK(count == 2 && list[0].rows == 4 && list[1].rows == 5);
    CHECK_OK(gm_window_list(store, "churn", 2 * 86400, 4 * 86400, 0, a, &list, &count, &err), &err);
    CHECK(count == 2 && list[0].rows == 2 && list[1].rows == 3);
    CHECK_OK(gm_window_list(store, NULL, 0, 0, 0, a, &list, &count, &err), &err);
    CHECK(count == 10);
    CHECK_OK(gm_window_list(store, "nobody", 0, 0, 0, a, &list, &count, &err), &err);
    CHECK(count == 0);
    gm_store_close(store);
}

static void windows_without_answers_are_known_and_not_shown(void)
{
    gm_window_record *list = NULL;
    size_t count = 0;
    gm_store *store = open_store(new_root());
    gm_arena *a = gm_harness_arena();
    gm_window_record items[] = { window_of("churn", 1, 100), window_of("churn", 2, 0) };
    items[1].version = 0;
    CHECK_OK(gm_windows_put(store, items, 2, &err), &err);
    CHECK_OK(gm_window_list(store, "churn", 0, 0, 0, a, &list, &count, &err), &err);
    CHECK(count == 1 && list[0].rows == 100);
    CHECK_OK(gm_window_list_brief(store, "churn", 0, 0, 0, a, &list, &count, &err), &err);
    CHECK(count == 2 && list[1].version == 0 && list[0].rows == 100);
    CHECK_STR(list[0].result_json, "");
    gm_store_close(store);
}

TESTS(T(a_window_is_replaced_when_judged_again), T(windows_are_listed_oldest_first_and_the_newest_so_many),
      T(windows_without_answers_are_known_and_not_shown))
