/* test_up_looks.c - what asks for a retraining: no model, times, windows, data. Each look is repeated, as after a crash, and asks
 * once. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/column.h"
#include "loop/trigger_look.h"
#include "loop/up_data.h"
#include "store/windows.h"
#include "unit/loop/up_fixture.h"
#include "watch/monitor.h"

static int64_t us(const char *text)
{
    int64_t t = 0;
    CHECK(gm_time_parse(text, &t));
    return t;
}

static gm_trigger_look look_at(const char *now, const char *since)
{
    return (gm_trigger_look){ .store = store, .spec = &spec, .now_us = us(now), .since_us = us(since) };
}

static gm_trigger_record newest(void)
{
    gm_trigger_record *all = NULL;
    size_t count = 0;
    CHECK_OK(gm_trigger_list(store, "churn", NULL, 0, arena, &all, &count, &err), &err);
    CHECK(count > 0);
    return all[0];
}

/* ---- schedules ------------------------------------------------------------------------------------------------------- */

static gm_trigger_spec every(const char *text)
{
    gm_trigger_spec t = { .kind = GM_TRIGGER_SCHEDULE, .text = text, .k = 1, .n = 1 };
    CHECK_OK(gm_schedule_parse(text, &t.schedule, &err), &err);
    return t;
}

static void a_time_that_came_asks_once(void)
{
    fresh_up();
    gm_trigger_spec t = every("every day at 03:00");
    spec.retrain.triggers = &t;
    spec.retrain.triggers_count = 1;
    gm_trigger_look look = look_at("2026-12-01T02:59:59", "2026-12-01T01:00:00");
    CHECK_OK(gm_trigger_look_schedule(&look, &err), &err);
    CHECK(triggers(NULL) == 0);
    look.now_us = us("2026-12-01T03:00:00");
    for (int i = 0; i < 3; i++) CHECK_OK(gm_trigger_look_schedule(&look, &err), &err);
    CHECK(triggers(NULL) == 1);
    CHECK_STR(newest().cause, "schedule 2026-12-01T03:00:00 every day at 03:00");
    look = look_at("2026-12-01T09:00:00", "2026-12-01T08:00:00"); /* the program was started again */
    CHECK_OK(gm_trigger_look_schedule(&look, &err), &err);
    CHECK(triggers(NULL) == 1);
    done_up();
}

static void missed_times_are_one_training(void)
{
    fresh_up();
    gm_trigger_spec t = every("every 6 hours");
    spec.retrain.triggers = &t;
    spec.retrain.triggers_count = 1;
    int64_t id = 0;
    gm_run_record r = { .pipeline = "churn", .environment_json = "{}", .started_us = us("2026-12-01T05:00:00") };
    CHECK_OK(gm_run_begin(store, &r, &id, &err), &err);
    gm_trigger_look look = look_at("2026-12-04T13:00:00", "2026-12-04T12:59:59"); /* it was down for three days */
    CHECK_OK(gm_trigger_look_schedule(&look, &err), &err);
    CHECK(triggers(NULL) == 1);
    CHECK_STR(newest().cause, "schedule 2026-12-04T12:00:00 every 6 hours");
    r.started_us = us("2026-12-04T18:30:00"); /* a run of a person's own, later than what was due */
    CHECK_OK(gm_run_begin(store, &r, &id, &err), &err);
    look.now_us = us("2026-12-04T19:00:00");
    CHECK_OK(gm_trigger_look_schedule(&look, &err), &err);
    CHECK(triggers(NULL) == 1);
    done_up();
}

static void times_that_come_while_one_waits_are_taken_into_it(void)
{
    fresh_up();
    gm_trigger_spec t[2] = { every("every 6 hours"), every("every day at 03:00") };
    spec.retrain.triggers = t;
    spec.retrain.triggers_count = 2;
    gm_trigger_look look = look_at("2026-12-01T01:00:00", "2026-12-01T01:00:00");
    for (int h = 0; h < 48; h++) { /* at_most holds it up */
        look.now_us += (int64_t)3600000000;
        CHECK_OK(gm_trigger_look_schedule(&look, &err), &err);
        CHECK(triggers(NULL) == (h > 0));
    }
    CHECK_STR(newest().cause, "schedule 2026-12-03T00:00:00 every 6 hours");
    look.now_us = us("2026-12-03T03:30:00");
    CHECK_OK(gm_trigger_look_schedule(&look, &err), &err);
    CHECK(triggers(NULL) == 1);
    CHECK_STR(newest().cause, "schedule 2026-12-03T03:00:00 every day at 03:00");
    done_up();
}

/* ---- windows ----------------------------------------------------------------------------------------------------------- */

static void window(int64_t version, int day, bool drifted, bool decayed, bool final)
{
    gm_buf b = { 0 };
    gm_json j;
    int64_t from = us("2013-04-01") + day * (int64_t)86400000000;
    gm_window_result r = { .from_us = from, .until_us = from + 86400000000, .rows = 500, .judged = true, .metric = "roc_auc" };
    r.drifted = drifted;
    r.drifted_columns = drifted;
    r.decayed = decayed;
    r.decay = decayed ? 0.05 : (double)NAN;
    r.decay_estimated = (double)NAN;
    r.realised.value = decayed ? 0.61 : (double)NAN;
    r.estimated.value = r.reference_metric = (double)NAN;
    gm_json_init(&j, &b, false);
    gm_window_json(&r, &j);
    gm_window_record w = {
        .model = "churn", .version = version, .from_us = r.from_us, .until_us = r.until_us, .rows = 500, .final = final
    };
    w.result_json = gm_buf_str(&b);
    CHECK_OK(gm_window_put(store, &w, &err), &err);
    gm_buf_clear(&b);
}

static void ask_windows(const char *now)
{
    gm_trigger_look look = look_at(now, now);
    for (int i = 0; i < 2; i++) CHECK_OK(gm_trigger_look_windows(&look, &err), &err);
}

static void a_drifted_window_of_the_champion_asks(void)
{
    fresh_up();
    gm_trigger_spec t = { .kind = GM_TRIGGER_DRIFT, .text = "drift", .k = 1, .n = 1 };
    spec.retrain.triggers = &t;
    spec.retrain.triggers_count = 1;
    window(1, 0, true, false, false);
    ask_windows("2013-04-03");
    CHECK(triggers(NULL) == 0); /* there is no champion */
    (void)model_of(0, "a", "champion");
    window(2, 0, true, false, false); /* another version's */
    ask_windows("2013-04-03");
    CHECK(triggers(NULL) == 1);
    CHECK_STR(newest().cause, "drift 2013-04-01T00:00:00..2013-04-02T00:00:00 of version 1");
    window(1, 1, false, false, false);
    ask_windows("2013-04-03");
    CHECK(triggers(NULL) == 1);
    window(1, 2, true, false, false);
    ask_windows("2013-04-04");
    CHECK(triggers(NULL) == 2);
    CHECK_STR(newest().kind, "drift");
    done_up();
}

static void two_of_three_windows_must_hold(void)
{
    static const bool days[] = { true, false, true, true, false, false, true };
    static const size_t asked[] = { 0, 0, 1, 2, 2, 2, 2 }; /* the third: it and the first; the fourth: it and the third */
    fresh_up();
    gm_trigger_spec t = { .kind = GM_TRIGGER_DRIFT, .text = "drift in 2 of 3 windows", .k = 2, .n = 3 };
    spec.retrain.triggers = &t;
    spec.retrain.triggers_count = 1;
    (void)model_of(0, "a", "champion");
    for (int d = 0; d < 7; d++) {
        window(1, d, days[d], false, false);
        ask_windows("2013-05-01");
        CHECK(triggers(NULL) == asked[d]);
    }
    done_up();
}

static void decay_waits_for_the_labels(void)
{
    fresh_up();
    gm_trigger_spec t = { .kind = GM_TRIGGER_DECAY, .text = "decay", .k = 1, .n = 1 };
    spec.retrain.triggers = &t;
    spec.retrain.triggers_count = 1;
    spec.monitor.labels.delay_us = (int64_t)10 * 86400 * 1000000;
    (void)model_of(0, "a", "champion");
    window(1, 0, true, true, false); /* of the labels that are there */
    ask_windows("2013-04-11");
    CHECK(triggers(NULL) == 0);
    ask_windows("2013-04-12"); /* ten days after its end */
    CHECK(triggers(NULL) == 1);
    CHECK_HAS(newest().reason, "roc_auc 0.6100, 0.0500 worse than the reference");
    window(1, 8, false, true, true); /* all labels came early */
    ask_windows("2013-04-12");
    CHECK(triggers(NULL) == 2);
    done_up();
}

static void a_condition_over_signals_is_asked(void)
{
    fresh_up();
    gm_errs errs = { .arena = arena };
    gm_trigger_spec t = { .kind = GM_TRIGGER_DECAY, .text = "decay > 0.06", .k = 1, .n = 1 };
    CHECK_RC(gm_signal_check("decay > 0.06", (gm_pos){ 0 }, NULL, 0, arena, &t.when, &errs), GM_OK);
    spec.retrain.triggers = &t;
    spec.retrain.triggers_count = 1;
    (void)model_of(0, "a", "champion");
    window(1, 0, false, true, true); /* 0.05 worse */
    ask_windows("2013-04-12");
    CHECK(triggers(NULL) == 0);
    t.text = "decay > 0.04";
    CHECK_RC(gm_signal_check("decay > 0.04", (gm_pos){ 0 }, NULL, 0, arena, &t.when, &errs), GM_OK);
    ask_windows("2013-04-12");
    CHECK(triggers(NULL) == 1);
    done_up();
}

/* ---- data ---------------------------------------------------------------------------------------------------------------- */

static gm_data_spec data;
static gm_trigger_spec new_data;
static gm_trigger_data seen;

static void write_data(const char *text)
{
    CHECK_OK(gm_fs_write(gm_path_join(arena, spec.base_dir, "t.csv"), text, strlen(text), &err), &err);
}

/* A run that read the file as it is now. */
static void load(int64_t rows)
{
    gm_digest d;
    int64_t id = 0;
    gm_run_record r = { .pipeline = "churn", .environment_json = "{}" };
    CHECK_OK(gm_stat_digest(store, gm_path_join(arena, spec.base_dir, "t.csv"), &d, NULL, &err), &err);
    CHECK_OK(gm_run_begin(store, &r, &id, &err), &err);
    gm_step_record s = { .run_id = id, .name = "load t", .kind = "load", .key = d.hex, .rows = rows };
    s.key_fields = gm_arena_printf(arena, "{\"inputs\":{\"file0001\":\"%s\"}}", d.hex);
    CHECK_OK(gm_step_begin(store, &s, &err), &err);
    CHECK_OK(gm_step_commit(store, &s, NULL, NULL, &err), &err);
}

static void fresh_data(void)
{
    fresh_up();
    spec.base_dir = gm_arena_strdup(arena, gm_harness_tmpdir());
    data = (gm_data_spec){ .name = "t", .source = { .from = "t.csv" } };
    new_data = (gm_trigger_spec){ .kind = GM_TRIGGER_NEW_DATA, .text = "new data", .k = 1, .n = 1 };
    seen = (gm_trigger_data){ 0 };
    spec.data = spec.primary = &data;
    spec.data_count = 1;
    spec.retrain.triggers = &new_data;
    spec.retrain.triggers_count = 1;
}

static void look_data(void)
{
    gm_trigger_look look = look_at("2026-12-01", "2026-12-01");
    CHECK_OK(gm_trigger_look_data(&look, &seen, &err), &err);
}

static void changed_files_ask_once_they_have_settled(void)
{
    fresh_data();
    write_data("a,b\n1,2\n");
    look_data();
    look_data();
    CHECK(triggers(NULL) == 0); /* no run read anything: the first training is a matter of its own */
    load(1);
    look_data();
    look_data();
    CHECK(triggers(NULL) == 0);
    write_data("a,b\n1,2\n3,");
    look_data();
    write_data("a,b\n1,2\n3,4\n"); /* it was being written */
    look_data();
    CHECK(triggers(NULL) == 0);
    look_data();
    CHECK(triggers(NULL) == 1);
    CHECK_STR(newest().kind, "new data");
    CHECK_HAS(newest().reason, "t: the files differ");
    look_data();
    CHECK(triggers(NULL) == 1);
    load(2);
    look_data();
    look_data();
    CHECK(triggers(NULL) == 1);
    CHECK_OK(gm_trigger_drop_waiting(store, "churn", INT64_MAX, 1, "a run did its work", &err), &err);
    write_data("a,b\n1,2\n"); /* as it once was: other files than those that the newest run read */
    look_data();
    look_data();
    CHECK(triggers(NULL) == 2);
    CHECK(unlink(gm_path_join(arena, spec.base_dir, "t.csv")) == 0); /* being exchanged */
    look_data();
    CHECK(triggers(NULL) == 2);
    done_up();
}

static void data_that_changes_all_the_time_has_one_wish_waiting(void)
{
    fresh_data();
    write_data("a,b\n1,2\n");
    load(1);
    gm_trigger_record last = { 0 };
    for (int i = 0; i < 5; i++) { /* none may begin yet */
        write_data(gm_arena_printf(arena, "a,b\n1,2\n3,%d\n", i));
        look_data();
        look_data();
        CHECK(triggers(NULL) == 1);
        CHECK(i == 0 || strcmp(newest().cause, last.cause) != 0); /* it is about the data as they are */
        last = newest();
    }
    gm_trigger_record run = last;
    run.state = "running";
    CHECK_OK(gm_trigger_set(store, &run, &err), &err);
    look_data();
    CHECK(triggers(NULL) == 1); /* nothing came since: the run will read it */
    for (int i = 5; i < 8; i++) {
        write_data(gm_arena_printf(arena, "a,b\n1,2\n3,%d\n", i));
        look_data();
        look_data();
    }
    CHECK(triggers(NULL) == 2 && triggers("waiting") == 1); /* what came while it runs */
    done_up();
}

static void other_pipelines_hide_nothing(void)
{
    int64_t id = 0;
    fresh_data();
    write_data("a,b\n1,2\n");
    load(1);
    gm_run_record other = { .pipeline = "flights", .environment_json = "{}", .started_us = us("2026-12-01") };
    for (int i = 0; i < 60; i++) CHECK_OK(gm_run_begin(store, &other, &id, &err), &err);
    write_data("a,b\n1,2\n3,4\n");
    look_data();
    look_data();
    CHECK(triggers(NULL) == 1); /* the run that read it is found */
    gm_trigger_spec t = every("every day at 03:00");
    spec.retrain.triggers = &t;
    gm_run_record own = { .pipeline = "churn", .environment_json = "{}", .started_us = us("2026-11-29T04:00:00") };
    CHECK_OK(gm_run_begin(store, &own, &id, &err), &err);
    for (int i = 0; i < 60; i++) CHECK_OK(gm_run_begin(store, &other, &id, &err), &err);
    gm_trigger_look look = look_at("2026-12-01T02:00:00", "2026-12-01T01:00:00");
    CHECK_OK(gm_trigger_look_schedule(&look, &err), &err);
    CHECK(triggers(NULL) == 2); /* missed since its own run, not since the program began */
    CHECK_STR(newest().cause, "schedule 2026-11-30T03:00:00 every day at 03:00");
    done_up();
}

static void so_many_new_rows_are_waited_for(void)
{
    fresh_data();
    new_data.rows_min = 2;
    write_data("a,b\n1,2\n");
    load(1);
    write_data("a,b\n1,2\n3,4\n");
    for (int i = 0; i < 3; i++) look_data();
    CHECK(triggers(NULL) == 0); /* one more */
    write_data("a,b\n1,2\n3,4\n5,6\n");
    for (int i = 0; i < 3; i++) look_data();
    CHECK(triggers(NULL) == 1);
    CHECK_STR(newest().reason, "t: 3 rows, 2 more than the last run read");
    done_up();
}

static void a_database_file_goes_by_its_time(void)
{
    fresh_data();
    write_data("x");
    load(1);
    data.source.from = "sqlite:t.db?table=t";
    CHECK_OK(gm_fs_write(gm_path_join(arena, spec.base_dir, "t.db"), "SQLite", 6, &err), &err);
    const char *path = gm_path_join(arena, spec.base_dir, "t.db");
    struct timespec old[2] = { { 1000000, 0 }, { 1000000, 0 } }, later[2] = { { 4000000000, 0 }, { 4000000000, 0 } };
    CHECK(utimensat(AT_FDCWD, path, old, 0) == 0);
    look_data();
    CHECK(triggers(NULL) == 0);
    CHECK(utimensat(AT_FDCWD, path, later, 0) == 0);
    look_data();
    look_data();
    CHECK(triggers(NULL) == 1);
    CHECK_HAS(newest().reason, "was written at 2096-10-02");
    done_up();
}

/* ---- the first ------------------------------------------------------------------------------------------------------------ */

static void look_first(void)
{
    gm_trigger_look look = look_at("2026-12-01", "2026-12-01");
    CHECK_OK(gm_trigger_look_first(&look, &seen, &err), &err);
}

static void the_first_training_needs_no_other_reason(void)
{
    fresh_data();
    for (int i = 0; i < 3; i++) look_first(); /* also when its data is not there: the run says so */
    CHECK(triggers(NULL) == 1);
    CHECK_STR(newest().reason, "there is no model yet");
    CHECK(strncmp(newest().cause, GM_TRIGGER_FIRST, 5) == 0);
    write_data("a,b\n1,2\n3");
    look_first();
    write_data("a,b\n1,2\n3,4\n"); /* it was being written */
    look_first();
    CHECK(triggers(NULL) == 1);
    look_first();
    CHECK(triggers(NULL) == 1); /* it waits, and will read what came */
    gm_trigger_record t = newest();
    t.state = "running";
    CHECK_OK(gm_trigger_set(store, &t, &err), &err);
    t.state = "failed";
    CHECK_OK(gm_trigger_set(store, &t, &err), &err);
    write_data("a,b\n1,2\n3,4\n5,6\n");
    look_first();
    look_first();
    look_first();
    CHECK(triggers(NULL) == 2); /* what failed is tried again with what came */
    (void)model_of(0, "a", "champion");
    write_data("a,b\n1,2\n3,5\n");
    look_first();
    look_first();
    CHECK(triggers(NULL) == 2);
    done_up();
}

/* ---- the thread of up ------------------------------------------------------------------------------------------------------ */

static size_t asked_count;
static void count_asked(void *ctx, const gm_trigger_record *t)
{
    (void)ctx;
    (void)t;
    __atomic_add_fetch(&asked_count, 1, __ATOMIC_SEQ_CST);
}

static bool asked_in_time(size_t wanted)
{
    for (int i = 0; i < 1000 && __atomic_load_n(&asked_count, __ATOMIC_SEQ_CST) < wanted; i++) (void)usleep(10000);
    return __atomic_load_n(&asked_count, __ATOMIC_SEQ_CST) == wanted;
}

static void a_thread_looks_until_it_is_stopped(void)
{
    fresh_data();
    gm_up_data *d = NULL;
    gm_up_data_options o = { .spec = &spec, .store = store, .seen = &seen, .asked = count_asked, .every_ms = 10 };
    asked_count = 0;
    write_data("a,b\n1,2\n");
    CHECK_OK(gm_up_data_start(&o, &d, &err), &err);
    CHECK(asked_in_time(1)); /* the first */
    gm_up_data_stop(d);
    CHECK(strncmp(newest().cause, GM_TRIGGER_FIRST, 5) == 0);
    (void)model_of(0, "a", "champion");
    load(1);
    CHECK_OK(gm_up_data_start(&o, &d, &err), &err);
    write_data("a,b\n1,2\n3,4\n");
    CHECK(asked_in_time(2));
    CHECK(strncmp(newest().cause, "new data t ", 11) == 0);
    gm_up_data_stop(d);
    write_data("a,b\n1,2\n3,4\n5,6\n");
    (void)usleep(100000);
    CHECK(triggers(NULL) == 2 && asked_in_time(2)); /* nobody looks any more */
    gm_up_data_stop(NULL);
    done_up();
}

TESTS(T(a_thread_looks_until_it_is_stopped), T(the_first_training_needs_no_other_reason), T(a_time_that_came_asks_once),
      T(missed_times_are_one_training), T(times_that_come_while_one_waits_are_taken_into_it),
      T(a_drifted_window_of_the_champion_asks), T(two_of_three_windows_must_hold), T(decay_waits_for_the_labels),
      T(a_condition_over_signals_is_asked), T(changed_files_ask_once_they_have_settled),
      T(data_that_changes_all_the_time_has_one_wish_waiting), T(other_pipelines_hide_nothing), T(so_many_new_rows_are_waited_for),
      T(a_database_file_goes_by_its_time))
