/* test_deliver.c - the queue's worker: what is sent, kept back, put together, dropped and tried again; how long it waits. The
 * channel is a program that writes what it gets to a file. */
#include "loop/deliver.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "harness/harness.h"
#include "store/alerts.h"
#include "watch/alerts.h"

static gm_arena *a;
static gm_err err;
static gm_store *store;
static gm_alerts_spec spec;
static gm_deliver_result r;
static char out_file[600], stop_file[600];
static int64_t now_us;

static const int64_t SECOND = 1000000;

/* Two channels that append a line to `out`; they fail while `stop` is there. */
static void fresh(int64_t group_us)
{
    static gm_channel_spec channels[2];
    const char *dir = gm_harness_tmpdir();
    char root[600];
    a = gm_harness_arena();
    (void)snprintf(root, sizeof(root), "%s/store", dir);
    (void)snprintf(out_file, sizeof(out_file), "%s/out", dir);
    (void)snprintf(stop_file, sizeof(stop_file), "%s/stop", dir);
    CHECK_OK(gm_store_open(root, NULL, &store, &err), &err);
    const char *params =
        gm_arena_printf(a, "{\"run\":[\"sh\",\"-c\",\"test ! -e %s || exit 7; cat >> %s\"]}", stop_file, out_file);
    channels[0] = (gm_channel_spec){ .kind = "command", .name = "command", .params_json = params };
    channels[1] = (gm_channel_spec){ .kind = "command", .name = "command-2", .params_json = params };
    spec = (gm_alerts_spec){ .channels = channels, .channels_count = 2, .group_us = group_us };
    now_us = gm_now_us();
}

static void fail_from_now_on(bool fail)
{
    if (fail)
        CHECK_OK(gm_fs_write(stop_file, "", 0, &err), &err);
    else
        CHECK(unlink(stop_file) == 0);
}

static int64_t windows;

static int64_t take(const char *rule, const char *state, const char *kind, const char *channel, int64_t due_us)
{
    const char *json = gm_arena_printf(
        a,
        "{\"id\":\"%s "
        "%s\",\"kind\":\"%s\",\"severity\":\"warning\",\"model\":\"m\",\"rule\":\"%s\",\"title\":\"t\",\"text\":\"x\"}",
        rule, kind, kind, rule);
    gm_delivery d = {
        .channel = channel, .message_id = kind, .kind = kind, .message_json = json, .created_us = now_us, .next_us = due_us
    };
    gm_alert_record w = { .model = "m",
                          .rule = rule,
                          .severity = "warning",
                          .state = state,
                          .memory = "{}",
                          .began_us = 1,
                          .last_us = 2,
                          .said_us = 3,
                          .ended_us = state[0] == 'r' ? 4 : 0,
                          .title = "t",
                          .detail_json = "{}" };
    CHECK_OK(gm_alert_take(store, &w, ++windows, &d, channel[0] ? 1 : 0, &err), &err);
    return w.id;
}

static void tick(int64_t at_us)
{
    CHECK_OK(gm_deliver_tick(store, &spec, at_us, NULL, &r, &err), &err);
}

static const char *written(void)
{
    gm_buf b = { 0 };
    if (!gm_fs_exists(out_file)) return "";
    CHECK_OK(gm_fs_read(out_file, 0, &b, &err), &err);
    const char *copy = gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return copy;
}

static int lines(void)
{
    int count = 0;
    for (const char *c = written(); *c; c++) count += *c == '\n';
    return count;
}

static gm_delivery newest(void)
{
    gm_delivery *d = NULL;
    size_t count = 0;
    CHECK_OK(gm_delivery_list(store, 0, 1, a, &d, &count, &err), &err);
    CHECK(count == 1);
    return d[0];
}

static void waits_grow_to_an_hour_and_chance_takes_half_at_most(void)
{
    CHECK(gm_deliver_backoff_us(1, 0) == 5 * SECOND && gm_deliver_backoff_us(2, 0) == 10 * SECOND);
    CHECK(gm_deliver_backoff_us(1, 1) == 5 * SECOND / 2);
    CHECK(gm_deliver_backoff_us(10, 0) == 2560 * SECOND && gm_deliver_backoff_us(11, 0) == 3600 * SECOND);
    CHECK(gm_deliver_backoff_us(1000000, 0) == 3600 * SECOND && gm_deliver_backoff_us(1000000, 1) == 1800 * SECOND);
}

static void what_is_due_is_sent_and_the_rest_waits(void)
{
    fresh(0);
    tick(now_us);
    CHECK(r.sent == 0 && r.next_us == INT64_MAX);
    (void)take("drift", "firing", "firing", "command", now_us);
    (void)take("decay", "firing", "firing", "command", now_us + 9 * SECOND);
    tick(now_us);
    CHECK(r.sent == 1 && lines() == 1 && r.next_us == now_us + 9 * SECOND && r.error.message[0] == '\0');
    tick(now_us + 9 * SECOND);
    CHECK(r.sent == 1 && lines() == 2 && r.next_us == INT64_MAX);
    gm_store_close(store);
}

static void a_failure_waits_and_is_told(void)
{
    fresh(0);
    fail_from_now_on(true);
    (void)take("drift", "firing", "firing", "command", now_us);
    (void)take("decay", "firing", "firing", "command", now_us);
    (void)take("other", "firing", "firing", "command-2", now_us);
    tick(now_us);
    CHECK(r.failed == 3 && r.sent == 0 && lines() == 0);
    CHECK_HAS(r.error.message, "ended with code 7");
    CHECK(r.next_us >= now_us + 5 * SECOND / 2 && r.next_us <= now_us + 8 * SECOND);
    CHECK_HAS(newest().last_error, "ended with code 7");
    fail_from_now_on(false);
    tick(now_us + 60 * SECOND);
    CHECK(r.sent == 3 && lines() == 3);
    CHECK(newest().last_error[0] == '\0' && newest().attempts == 2);
    gm_store_close(store);
}

static void a_channel_that_is_gone_refuses(void)
{
    fresh(0);
    (void)take("drift", "firing", "firing", "webhook", now_us);
    tick(now_us);
    CHECK(r.refused == 1);
    CHECK_STR(newest().state, "refused");
    CHECK_HAS(newest().last_error, "no channel \"webhook\"");
    gm_store_close(store);
}

static void a_group_leaves_together_and_stays_together(void)
{
    fresh(300 * SECOND);
    (void)take("a", "firing", "firing", "command", now_us);
    (void)take("b", "firing", "firing", "command", now_us + 200 * SECOND);
    (void)take("c", "firing", "firing", "command-2", now_us + 200 * SECOND);
    fail_from_now_on(true);
    tick(now_us);
    CHECK(r.failed == 2);
    (void)take("d", "firing", "firing", "command", now_us + 400 * SECOND);
    fail_from_now_on(false);
    tick(now_us + 100 * SECOND);
    CHECK(r.sent == 2 && lines() == 1);
    CHECK_HAS(written(), "\"rule\":\"a\"");
    CHECK_HAS(written(), "\"rule\":\"b\"");
    CHECK(!strstr(written(), "\"rule\":\"c\"") && !strstr(written(), "\"rule\":\"d\""));
    tick(now_us + 400 * SECOND);
    CHECK(r.sent == 2 && lines() == 3);
    gm_store_close(store);
}

static void silences_are_about_models_and_rules(void)
{
    fresh(0);
    gm_silence
        other = { .from_us = 0, .until_us = now_us + 100 * SECOND, .model = "other", .rule = "", .reason = "", .actor = "ana" },
        one = { .from_us = 0, .until_us = now_us + 50 * SECOND, .model = "m", .rule = "drift", .reason = "why", .actor = "ana" },
        past = { .from_us = 0, .until_us = now_us - 1, .model = "", .rule = "", .reason = "", .actor = "ana" };
    CHECK_OK(gm_silence_add(store, &other, NULL, &err), &err);
    CHECK_OK(gm_silence_add(store, &one, NULL, &err), &err);
    CHECK_OK(gm_silence_add(store, &past, NULL, &err), &err);
    (void)take("drift", "firing", "firing", "command", now_us);
    (void)take("decay", "firing", "firing", "command", now_us);
    tick(now_us);
    CHECK(r.held == 1 && r.sent == 1);
    CHECK_HAS(written(), "decay");
    tick(now_us + 49 * SECOND);
    CHECK(r.sent == 0 && r.next_us == now_us + 50 * SECOND);
    tick(now_us + 50 * SECOND);
    CHECK(r.sent == 1 && lines() == 2 && r.next_us == INT64_MAX);
    gm_store_close(store);
}

static void recoveries_are_for_those_who_heard(void)
{
    fresh(0);
    int64_t id = take("drift", "firing", "firing", "command", now_us);
    CHECK_OK(gm_alert_snooze(store, id, now_us + 1000 * SECOND, &err), &err);
    tick(now_us);
    CHECK(r.held == 1 && lines() == 0);
    (void)take("drift", "resolved", "resolved", "command", now_us);
    tick(now_us);
    CHECK(r.dropped == 1 && lines() == 0);
    id = take("drift", "firing", "firing", "command", now_us);
    tick(now_us);
    CHECK_OK(gm_alert_snooze(store, id, now_us + 1000 * SECOND, &err), &err);
    (void)take("drift", "resolved", "resolved", "command", now_us);
    tick(now_us);
    CHECK(r.sent == 1 && lines() == 2); /* a snooze keeps no recovery back */
    gm_store_close(store);
}

static void alert_and_recovery_that_wait_together_both_leave(void)
{
    fresh(0);
    (void)take("drift", "firing", "firing", "command", now_us);
    (void)take("drift", "resolved", "resolved", "command", now_us);
    tick(now_us);
    CHECK(r.sent == 2 && lines() == 2);
    CHECK(strstr(written(), "drift firing") < strstr(written(), "drift resolved"));
    gm_store_close(store);
}

static void a_budget_ends_the_tick_and_loses_nothing(void)
{
    fresh(0);
    for (int i = 0; i < 6; i++) (void)take(gm_arena_printf(a, "r%d", i), "firing", "firing", "command", now_us);
    CHECK_OK(gm_deliver_tick(store, &spec, now_us, &(gm_deliver_options){ .budget_ms = 1 }, &r, &err), &err);
    CHECK(r.sent >= 1 && r.sent < 6 && r.next_us == now_us); /* a program takes longer than a millisecond to start and end */
    tick(now_us);
    CHECK(lines() == 6);
    gm_store_close(store);
}

static void a_message_that_cannot_be_read_holds_up_no_other(void)
{
    fresh(0);
    gm_delivery bad = {
        .channel = "command", .message_id = "x", .kind = "firing", .message_json = "{", .created_us = now_us, .next_us = now_us
    };
    gm_alert_record w = {
        .model = "m", .rule = "bad", .severity = "warning", .state = "firing", .memory = "{}", .title = "t", .detail_json = "{}"
    };
    CHECK_OK(gm_alert_take(store, &w, ++windows, &bad, 1, &err), &err);
    (void)take("drift", "firing", "firing", "command", now_us);
    tick(now_us);
    CHECK(r.refused == 1 && r.sent == 1 && lines() == 1);
    gm_store_close(store);
}

static void a_rule_that_left_the_file_ends_its_alert(void)
{
    gm_alert_rule rule = { .name = "drift" };
    gm_alert_record *alerts = NULL, memory;
    size_t count = 0;
    fresh(0);
    spec.rules = &rule;
    spec.rules_count = 1;
    gm_deliver_options of_m = { .model = "m" }, of_other = { .model = "other" };
    (void)take("drift", "firing", "firing", "command", now_us);
    (void)take("old", "firing", "firing", "command", now_us);
    CHECK_OK(gm_deliver_tick(store, &spec, now_us, &of_other, &r, &err), &err);
    CHECK(r.sent == 0 && lines() == 0); /* another pipeline's, in the same folder */
    CHECK_OK(gm_deliver_tick(store, &spec, now_us, &of_m, &r, &err), &err);
    CHECK(r.sent == 3 && r.dropped == 1 && lines() == 3); /* command-2 never heard of it */
    CHECK_HAS(written(), "the file has no such rule any more");
    CHECK_OK(gm_alert_list(store, "m", true, 0, a, &alerts, &count, &err), &err);
    CHECK(count == 1);
    CHECK_STR(alerts[0].rule, "drift");
    CHECK_OK(gm_alert_memory(store, "m", "old", a, &memory, &err), &err);
    gm_alert_state state;
    CHECK_OK(gm_alert_state_read(memory.memory, &state, &err), &err);
    CHECK(!state.firing && memory.id == 0);
    CHECK_OK(gm_deliver_tick(store, &spec, now_us, &of_m, &r, &err), &err);
    CHECK(r.sent == 0 && lines() == 3);
    gm_store_close(store);
}

TESTS(T(waits_grow_to_an_hour_and_chance_takes_half_at_most), T(what_is_due_is_sent_and_the_rest_waits),
      T(a_failure_waits_and_is_told), T(a_channel_that_is_gone_refuses), T(a_group_leaves_together_and_stays_together),
      T(silences_are_about_models_and_rules), T(recoveries_are_for_those_who_heard),
      T(alert_and_recovery_that_wait_together_both_leave), T(a_budget_ends_the_tick_and_loses_nothing),
      T(a_message_that_cannot_be_read_holds_up_no_other), T(a_rule_that_left_the_file_ends_its_alert))
