/* test_predlog_profile.c - hours of the log as profiles: each row once, wherever it lies, whatever was killed. */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "serve/predlog_internal.h"
#include "unit/serve/schema_case.h"

#define HOUR GM_PREDLOG_HOUR_US
#define BEGIN (INT64_C(490000) * HOUR)

static gm_err err;
static char dir[600];
static const char *const inputs[] = { "distance", "carrier", "late", "at" }; /* temp is personal */

static gm_served served_case(gm_arena *a, const char *version)
{
    gm_served s = { .model = "flights", .version = version, .loaded_us = 1, .schema = schema_case(a, GM_TASK_BINARY) };
    gm_digest_of(version, strlen(version), &s.digest);
    return s;
}

/* n rows that were answered at `at`; distances count on from first. */
static void add(gm_predlog *l, const gm_served *s, int64_t at, int64_t n, int64_t first)
{
    gm_rows rows;
    double values[64];
    gm_rows_init(&rows);
    CHECK_OK(gm_rows_begin(&rows, &s->schema, n, &err), &err);
    for (int64_t i = 0; i < n; i++) {
        values[i] = 0.5;
        CHECK_OK(gm_rows_set_int(&rows, DISTANCE, i, first + i, &err), &err);
        CHECK_OK(gm_rows_set_text(&rows, CARRIER, i, i % 2 ? "AA" : "UA", 2, &err), &err);
        CHECK_OK(gm_rows_set_int(&rows, AT, i, 1700000000000000 + i, &err), &err);
    }
    CHECK_OK(gm_rows_finish(&rows, false, &err), &err);
    gm_logged e = { .id = { "x", 1 },
                    .served = s,
                    .protocol = "oip",
                    .arm = "champion",
                    .time_us = at,
                    .latency_us = 7,
                    .rows = &rows,
                    .values = values };
    CHECK_OK(gm_predlog_add(l, 0, &e, &err), &err);
    gm_rows_clear(&rows);
}

static gm_predlog *open_log(void)
{
    gm_predlog *l = NULL;
    CHECK_OK(gm_predlog_open(&(gm_predlog_options){ .dir = dir, .mode = GM_PREDLOG_FULL, .share = 1, .lanes = 1 }, &l, &err),
             &err);
    return l;
}

static void seal(void)
{
    int64_t files = 0;
    CHECK_OK(gm_predlog_seal(dir, 36500, 0, &files, &err), &err);
}

/* Four hours and a half of a version, and some rows of another: two sealed segments, and one that is still open. */
static gm_predlog *write_hours(gm_arena *a)
{
    gm_served three = served_case(a, "3"), four = served_case(a, "4");
    (void)snprintf(dir, sizeof(dir), "%s/log", gm_harness_tmpdir());
    gm_predlog *l = open_log();
    for (int64_t q = 0; q < 10; q++) add(l, &three, BEGIN + q * HOUR / 4, 20, 100 * q);
    add(l, &four, BEGIN + HOUR, 20, 5000);
    gm_predlog_close(l);
    seal();
    l = open_log();
    for (int64_t q = 8; q < 14; q++) add(l, &three, BEGIN + q * HOUR / 4 + 1, 20, 100 * q);
    gm_predlog_close(l);
    seal();
    l = open_log();
    for (int64_t q = 13; q < 18; q++) add(l, &three, BEGIN + q * HOUR / 4 + 2, 20, 100 * q);
    return l;
}

/* The profile of a window, by hours and by rows: equal in everything that does not depend on the order of rows. */
static void same(int64_t since, int64_t until, gm_arena *a)
{
    gm_table t;
    gm_profile *hours = NULL;
    int64_t rows = 0, want = 0, sum = 0;
    CHECK_OK(gm_predlog_profile(dir, "flights", "3", since, until, inputs, 4, a, &hours, &rows, &err), &err);
    CHECK_OK(gm_predlog_read(dir, "flights", since, until, a, &t, &err), &err);
    for (int64_t i = 0; i < t.rows; i++) {
        if (strcmp(gm_column_text(gm_table_find(&t, "version"), i), "3") != 0) continue;
        want++;
        sum += gm_table_find(&t, "distance")->i64[i];
    }
    CHECK(rows == want);
    if (!want) {
        CHECK(hours == NULL);
        return;
    }
    gm_profile_stats s;
    gm_profile_stats_at(hours, gm_profile_find(hours, "distance"), &s);
    CHECK(s.rows == want && s.missing == 0);
    CHECK_NEAR(s.sum, (double)sum, 0);
    gm_profile_stats_at(hours, gm_profile_find(hours, "carrier"), &s);
    CHECK(s.distinct == 2);
    CHECK(gm_profile_find(hours, "temp") == SIZE_MAX && gm_profile_find(hours, "flight") == SIZE_MAX); /* personal; a key */
}

static void any_window_is_its_rows(void)
{
    gm_arena *a = gm_harness_arena();
    gm_predlog *l = write_hours(a);
    for (int64_t from = -1; from < 20; from += 2)
        for (int64_t quarters = 1; quarters < 22; quarters += 3)
            same(BEGIN + from * HOUR / 4, BEGIN + (from + quarters) * HOUR / 4, a);
    same(BEGIN, BEGIN + 5 * HOUR, a);
    same(BEGIN + 1, BEGIN + 4 * HOUR - 1, a);
    gm_predlog_close(l);
}

static int files_in(const char *folder)
{
    char path[800];
    (void)snprintf(path, sizeof(path), "%s/" GM_PREDLOG_PROFILES "/flights", dir);
    return gm_harness_files_in(path, folder);
}

static void a_file_for_each_version_and_hour_of_a_segment(void)
{
    gm_arena *a = gm_harness_arena();
    int64_t rows = 0;
    gm_predlog *l = write_hours(a);
    CHECK(files_in("3") == 5 && files_in("4") == 1); /* hours 0 1 2 of the first segment, 2 3 of the second */
    CHECK_OK(gm_predlog_rows_sealed(dir, "flights", "3", BEGIN, BEGIN + 2 * HOUR, &rows, &err), &err);
    CHECK(rows == 160);
    CHECK_OK(gm_predlog_rows_sealed(dir, "flights", NULL, BEGIN, BEGIN + 100 * HOUR, &rows, &err), &err);
    CHECK(rows == 340);
    CHECK_OK(gm_predlog_rows_sealed(dir, "nobody", NULL, BEGIN, BEGIN + 100 * HOUR, &rows, &err), &err);
    CHECK(rows == 0);
    gm_predlog_close(l);
}

static void killed_anywhere_while_sealing_each_row_counts_once(void)
{
    for (int n = 1;; n += 4) {
        gm_arena *a = gm_arena_new(0);
        gm_predlog *l = write_hours(a);
        char kill_at[32];
        int status = 0;
        gm_predlog_close(l);
        (void)snprintf(kill_at, sizeof(kill_at), "kill:%d", n);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            int64_t files = 0;
            (void)setenv("GRISTMILL_FAULT", kill_at, 1);
            _exit(gm_predlog_seal(dir, 36500, 0, &files, NULL) != GM_OK);
        }
        CHECK(waitpid(child, &status, 0) == child);
        same(BEGIN, BEGIN + 5 * HOUR, a);
        seal();
        same(BEGIN, BEGIN + 5 * HOUR, a);
        gm_arena_free(a);
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 0 && n > 6);
            return;
        }
        CHECK(WTERMSIG(status) == SIGKILL);
    }
}

static void logs_without_profiles_are_read_by_rows(void)
{
    char path[800];
    gm_arena *a = gm_harness_arena();
    gm_predlog *l = write_hours(a);
    (void)snprintf(path, sizeof(path), "%s/" GM_PREDLOG_PROFILES, dir);
    CHECK_OK(gm_fs_remove_tree(path, &err), &err);
    same(BEGIN, BEGIN + 5 * HOUR, a);
    same(BEGIN + HOUR / 2, BEGIN + 2 * HOUR, a);
    gm_predlog_close(l);
}

static void a_share_of_the_rows(void)
{
    gm_table all, some;
    gm_arena *a = gm_harness_arena();
    gm_predlog *l = write_hours(a);
    CHECK_OK(gm_predlog_read(dir, "flights", 0, 0, a, &all, &err), &err);
    CHECK_OK(gm_predlog_sample(dir, "flights", 0, 0, 4, a, &some, &err), &err);
    CHECK(all.rows == 440 && some.rows == 110);
    CHECK_STR(gm_column_text(gm_table_find(&some, "carrier"), 0), "UA");
    gm_predlog_close(l);
}

/* Times alone, whole and by and by: what is read until more is known to come is what comes first. */
static void times_in_parts(void)
{
    gm_table all;
    uint64_t stamp = 0, again = 0;
    int64_t *times = NULL, count = 0, since = 0, seen = 0;
    bool more = true;
    gm_arena *a = gm_harness_arena();
    gm_predlog *l = write_hours(a);
    CHECK_OK(gm_predlog_stamp(dir, &stamp, &err), &err);
    CHECK_OK(gm_predlog_stamp(dir, &again, &err), &err);
    CHECK(stamp == again);
    CHECK_OK(gm_predlog_read(dir, "flights", BEGIN, BEGIN + 9 * HOUR, a, &all, &err), &err);
    const gm_column *time = gm_table_find(&all, "time");
    CHECK_OK(gm_predlog_times(dir, "flights", BEGIN, BEGIN + 9 * HOUR, 0, a, &times, &count, &more, &err), &err);
    CHECK(count == all.rows && !more);
    for (int64_t i = 0; i < count; i++) CHECK(times[i] == time->i64[i]);
    CHECK_OK(gm_predlog_times(dir, "else", BEGIN, BEGIN + 9 * HOUR, 0, a, &times, &count, &more, &err), &err);
    CHECK(count == 0 && !more);
    gm_predlog_close(l);
    seal();
    CHECK_OK(gm_predlog_stamp(dir, &again, &err), &err);
    CHECK(stamp != again);
    int parts = 0;
    for (more = true, since = BEGIN; more && parts < 50; parts++) {
        CHECK_OK(gm_predlog_times(dir, "flights", since, BEGIN + 9 * HOUR, 30, a, &times, &count, &more, &err), &err);
        CHECK(!more || count > 30);
        for (int64_t i = 0; i < count; i++) CHECK(times[i] == time->i64[seen + i]);
        seen += count;
        since = count ? times[count - 1] + 1 : since;
    }
    CHECK(seen == all.rows && parts > 1);
}

static void the_extent_holds_all_rows(void)
{
    int64_t first = 1, last = 1;
    gm_arena *a = gm_harness_arena();
    (void)snprintf(dir, sizeof(dir), "%s/none", gm_harness_tmpdir());
    CHECK_OK(gm_predlog_extent(dir, &first, &last, &err), &err);
    CHECK(first == 0 && last == 0);
    gm_predlog *l = write_hours(a);
    gm_predlog_close(l);
    seal();
    CHECK_OK(gm_predlog_extent(dir, &first, &last, &err), &err);
    CHECK(first == BEGIN && last == BEGIN + 17 * HOUR / 4 + 2);
}

/* A clock that began in 1970 and was set right: 490,000 hours without rows, and 400 rows that would be looked at in each of them. */
static void a_clock_that_jumped_costs_no_more(void)
{
    gm_arena *a = gm_harness_arena();
    gm_served three = served_case(a, "3");
    (void)snprintf(dir, sizeof(dir), "%s/log", gm_harness_tmpdir());
    gm_predlog *l = open_log();
    add(l, &three, 1, 20, 0);
    for (int64_t i = 0; i < 500; i++) add(l, &three, BEGIN + i, 20, 100);
    gm_predlog_close(l);
    int64_t began = gm_monotonic_us();
    seal();
    CHECK(gm_monotonic_us() - began < 5000000);
    CHECK(files_in("3") == 2);
    same(BEGIN, BEGIN + HOUR, a);
    same(0, HOUR, a);
}

/* Rows of removed Parquet files leave no profiles behind, which would count them. */
static void profiles_go_with_their_rows(void)
{
    int64_t files = 0, rows = 0, first = 0, last = 0;
    gm_arena *a = gm_harness_arena();
    gm_predlog *l = write_hours(a);
    gm_predlog_close(l);
    CHECK(files_in("3") > 0);
    CHECK_OK(gm_predlog_seal(dir, 36500, 1, &files, &err), &err);
    CHECK(files == 1 && files_in("3") == 0 && files_in("4") == 0);
    CHECK_OK(gm_predlog_rows_sealed(dir, "flights", NULL, BEGIN, BEGIN + 9 * HOUR, &rows, &err), &err);
    CHECK_OK(gm_predlog_extent(dir, &first, &last, &err), &err);
    CHECK(rows == 0 && first == 0 && last == 0);
}

TESTS(T(a_clock_that_jumped_costs_no_more), T(profiles_go_with_their_rows), T(any_window_is_its_rows), T(a_file_for_each_version_and_hour_of_a_segment),
      T(killed_anywhere_while_sealing_each_row_counts_once), T(logs_without_profiles_are_read_by_rows), T(a_share_of_the_rows),
      T(times_in_parts), T(the_extent_holds_all_rows))
