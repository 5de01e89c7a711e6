/* test_alerts_store.c - an alert and its messages are one transaction; a message is claimed, kept until it was taken, and never
 * loses its id; silences and snoozes. */
#include "store/alerts.h"
#include "unit/store/store_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

static gm_arena *arena;
static gm_err err;
static gm_store *store;

static void fresh(void)
{
    arena = gm_harness_arena();
    store = open_store(new_root());
}

static gm_alert_record alert_of(const char *state)
{
    return (gm_alert_record){ .model = "flights",
                              .rule = "drift",
                              .severity = "warning",
                              .state = state,
                              .memory = "{\"held\":1}",
                              .began_us = 100,
                              .last_us = 110,
                              .said_us = 120,
                              .ended_us = state[0] == 'r' ? 900 : 0,
                              .title = "drift of flights",
                              .detail_json = "{}" };
}

static gm_delivery message_to(const char *channel, const char *kind, int64_t next_us)
{
    return (gm_delivery){ .channel = channel,
                          .message_id = kind,
                          .kind = kind,
                          .message_json = "{\"text\":\"hello\"}",
                          .created_us = 50,
                          .next_us = next_us };
}

static int64_t fire(int64_t until_us, const gm_delivery *messages, size_t count)
{
    gm_alert_record w = alert_of("firing");
    CHECK_OK(gm_alert_take(store, &w, until_us, messages, count, &err), &err);
    return w.id;
}

static size_t due_at(int64_t now_us, gm_delivery **out)
{
    size_t count = 0;
    CHECK_OK(gm_delivery_due(store, "flights", now_us, 0, arena, out, &count, &err), &err);
    return count;
}

static const gm_delivery *of_id(int64_t id)
{
    gm_delivery *all = NULL;
    size_t count = 0;
    CHECK_OK(gm_delivery_list(store, 0, 0, arena, &all, &count, &err), &err);
    for (size_t i = 0; i < count; i++)
        if (all[i].id == id) return &all[i];
    gm_harness_fail(__FILE__, __LINE__, "no message %lld", (long long)id);
}

static void an_alert_begins_lasts_and_ends_and_its_memory_is_kept(void)
{
    gm_alert_record w = alert_of(""), got;
    gm_alert_record *all = NULL;
    size_t count = 0;
    fresh();
    CHECK_RC(gm_alert_memory(store, "flights", "drift", arena, &got, &err), GM_ENOTFOUND);
    CHECK_OK(gm_alert_take(store, &w, 1000, NULL, 0, &err), &err);
    CHECK(w.id == 0);
    CHECK_OK(gm_alert_memory(store, "flights", "drift", arena, &got, &err), &err);
    CHECK(got.id == 0 && got.window_until_us == 1000);
    CHECK_STR(got.memory, "{\"held\":1}");
    int64_t id = fire(2000, NULL, 0);
    CHECK(id > 0 && fire(3000, NULL, 0) == id);
    CHECK_OK(gm_alert_memory(store, "flights", "drift", arena, &got, &err), &err);
    CHECK(got.id == id && got.began_us == 100);
    CHECK_STR(got.state, "firing");
    w = alert_of("resolved");
    CHECK_OK(gm_alert_take(store, &w, 4000, NULL, 0, &err), &err);
    CHECK_OK(gm_alert_memory(store, "flights", "drift", arena, &got, &err), &err);
    CHECK(got.id == 0);
    CHECK_OK(gm_alert_get(store, id, arena, &got, &err), &err);
    CHECK(got.ended_us == 900);
    CHECK_STR(got.state, "resolved");
    CHECK(fire(5000, NULL, 0) == id + 1);
    CHECK_OK(gm_alert_list(store, NULL, false, 0, arena, &all, &count, &err), &err);
    CHECK(count == 2 && all[0].id == id + 1 && all[1].id == id);
    CHECK_OK(gm_alert_list(store, "flights", true, 0, arena, &all, &count, &err), &err);
    CHECK(count == 1);
    CHECK_OK(gm_alert_list(store, "other", false, 0, arena, &all, &count, &err), &err);
    CHECK(count == 0);
    CHECK_RC(gm_alert_get(store, 99, arena, &got, &err), GM_ENOTFOUND);
    gm_store_close(store);
}

static void a_window_is_taken_in_once(void)
{
    gm_delivery *due = NULL;
    fresh();
    gm_delivery m = message_to("webhook", "firing", 50);
    int64_t id = fire(1000, &m, 1);
    gm_alert_record again = alert_of("firing");
    CHECK_RC(gm_alert_take(store, &again, 1000, &m, 1, &err), GM_ECONFLICT);
    CHECK_RC(gm_alert_take(store, &again, 900, &m, 1, &err), GM_ECONFLICT);
    CHECK(due_at(50, &due) == 1 && due[0].alert_id == id);
    gm_store_close(store);
}

static void a_message_is_claimed_by_one_and_comes_back_when_the_claimer_is_gone(void)
{
    gm_delivery *due = NULL, *second = NULL;
    gm_delivery m = message_to("webhook", "firing", 50);
    fresh();
    (void)fire(1000, &m, 1);
    CHECK(due_at(49, &due) == 0);
    size_t others = 1;
    int64_t next = 0;
    CHECK_OK(gm_delivery_due(store, "other", 50, 0, arena, &due, &others, &err), &err);
    CHECK_OK(gm_delivery_next(store, "other", &next, &err), &err);
    CHECK(others == 0 && next == INT64_MAX); /* another pipeline in the same folder */
    CHECK_OK(gm_delivery_next(store, "flights", &next, &err), &err);
    CHECK(next == 50);
    CHECK(due_at(50, &due) == 1 && due_at(50, &second) == 1);
    CHECK_OK(gm_delivery_claim(store, due, 1, 500, &err), &err);
    CHECK_RC(gm_delivery_claim(store, second, 1, 500, &err), GM_ECONFLICT);
    CHECK(due_at(499, &second) == 0);
    CHECK(due_at(500, &second) == 1);
    CHECK(second[0].attempts == 1 && second[0].batch == second[0].id);
    CHECK_STR(second[0].message_id, "firing");
    CHECK_OK(gm_delivery_claim(store, second, 1, 900, &err), &err);
    CHECK_OK(gm_delivery_done(store, second, 1, "waiting", "connection refused", 600, 700, &err), &err);
    CHECK(due_at(699, &due) == 0 && due_at(700, &due) == 1);
    CHECK(due[0].attempts == 2 && due[0].sent_us == 0);
    CHECK_STR(due[0].last_error, "connection refused");
    CHECK_OK(gm_delivery_claim(store, due, 1, 900, &err), &err);
    CHECK_OK(gm_delivery_done(store, due, 1, "sent", "", 710, 0, &err), &err);
    CHECK(due_at(INT64_MAX, &second) == 0);
    CHECK(of_id(due[0].id)->sent_us == 710);
    CHECK_RC(gm_delivery_retry(store, due[0].id, 800, &err), GM_ECONFLICT);
    CHECK_RC(gm_delivery_retry(store, 77, 800, &err), GM_ENOTFOUND);
    gm_store_close(store);
}

static void a_batch_stays_together_and_later_messages_wait_behind_it(void)
{
    gm_delivery *due = NULL, *later = NULL;
    fresh();
    gm_delivery m[] = { message_to("webhook", "firing", 50), message_to("slack", "firing", 50) };
    int64_t id = fire(1000, m, 2), next = 0;
    CHECK(due_at(50, &due) == 2);
    CHECK_OK(gm_delivery_claim(store, due, 2, 500, &err), &err);
    CHECK_OK(gm_delivery_done(store, due, 2, "waiting", "no", 60, 80, &err), &err);
    gm_alert_record over = alert_of("resolved");
    gm_delivery r = message_to("webhook", "resolved", 55);
    CHECK_OK(gm_alert_take(store, &over, 2000, &r, 1, &err), &err);
    CHECK(over.id == id);
    CHECK(due_at(79, &later) == 0); /* the recovery is not said before what it is the recovery of */
    CHECK_OK(gm_delivery_next(store, NULL, &next, &err), &err);
    CHECK(next == 55);
    CHECK(due_at(80, &later) == 2 && later[0].batch == due[0].id && later[1].batch == due[0].id);
    CHECK_OK(gm_delivery_claim(store, later, 2, 500, &err), &err);
    CHECK_OK(gm_delivery_done(store, later, 2, "refused", "404", 90, 0, &err), &err);
    CHECK(due_at(90, &later) == 1);
    CHECK_STR(later[0].kind, "resolved");
    CHECK_OK(gm_delivery_retry(store, due[1].id, 95, &err), &err); /* by hand: both of them */
    CHECK(due_at(95, &later) == 2);
    CHECK(strcmp(later[0].kind, "firing") == 0 && strcmp(later[1].kind, "firing") == 0);
    gm_store_close(store);
}

static void what_lasts_is_due_again_until_the_alert_ends(void)
{
    gm_delivery *due = NULL;
    gm_delivery m = message_to("alertmanager", "firing", 50);
    bool said = true;
    fresh();
    int64_t id = fire(1000, &m, 1);
    CHECK_OK(gm_delivery_was_said(store, id, "alertmanager", &said, &err), &err);
    CHECK(!said && due_at(50, &due) == 1);
    CHECK_OK(gm_delivery_claim(store, due, 1, 500, &err), &err);
    CHECK_OK(gm_delivery_done(store, due, 1, "lasting", "", 60, 120, &err), &err);
    CHECK_OK(gm_delivery_was_said(store, id, "alertmanager", &said, &err), &err);
    CHECK(said);
    CHECK(due_at(119, &due) == 0 && due_at(120, &due) == 1);
    CHECK_OK(gm_delivery_claim(store, due, 1, 500, &err), &err);
    gm_alert_record over = alert_of("resolved");
    CHECK_OK(gm_alert_take(store, &over, 2000, NULL, 0, &err), &err);
    CHECK_OK(gm_delivery_done(store, due, 1, "lasting", "", 130, 190, &err), &err); /* it was on its way when the alert ended */
    CHECK(due_at(INT64_MAX, &due) == 0);
    gm_store_close(store);
}

static void the_first_send_of_an_ended_alert_does_not_last(void)
{
    gm_delivery *due = NULL;
    gm_delivery m = message_to("alertmanager", "firing", 50);
    fresh();
    (void)fire(1000, &m, 1);
    CHECK(due_at(50, &due) == 1);
    CHECK_OK(gm_delivery_claim(store, due, 1, 500, &err), &err);
    gm_alert_record over = alert_of("resolved");
    CHECK_OK(gm_alert_take(store, &over, 2000, NULL, 0, &err), &err);
    CHECK_OK(gm_delivery_done(store, due, 1, "lasting", "", 60, 120, &err), &err);
    CHECK_STR(of_id(due[0].id)->state, "sent");
    gm_store_close(store);
}

static void a_repeat_is_not_queued_behind_a_message_that_still_waits(void)
{
    gm_delivery *due = NULL;
    fresh();
    gm_delivery first = message_to("webhook", "firing", 50),
                repeats[] = { message_to("webhook", "repeat", 60), message_to("slack", "repeat", 60) };
    (void)fire(1000, &first, 1);
    (void)fire(2000, repeats, 2);
    CHECK(due_at(100, &due) == 2);
    CHECK_STR(due[0].kind, "firing");
    CHECK_STR(due[1].channel, "slack");
    gm_store_close(store);
}

static void what_was_said_long_ago_is_forgotten(void)
{
    const int64_t day = 86400 * (int64_t)1000000;
    gm_delivery *all = NULL;
    size_t count = 0;
    fresh();
    gm_delivery m[] = { message_to("webhook", "firing", 50), message_to("slack", "firing", 50),
                        message_to("late", "firing", 50) };
    (void)fire(1000, m, 3);
    CHECK(due_at(50, &all) == 3);
    CHECK_OK(gm_delivery_done(store, &all[0], 1, "sent", "", 60, 0, &err), &err);
    CHECK_OK(gm_delivery_done(store, &all[1], 1, "refused", "404", 60, 0, &err), &err);
    m[0].created_us = 90 * day + 51;
    m[0].kind = "repeat";
    (void)fire(2000, m, 1); /* it goes on: who heard of it must be known when it ends */
    CHECK(due_at(INT64_MAX, &all) == 2);
    CHECK_OK(gm_delivery_done(store, &all[0], 1, "sent", "", 70, 0, &err), &err);
    CHECK_OK(gm_delivery_done(store, &all[1], 1, "sent", "", 70, 0, &err), &err);
    m[0].kind = "resolved";
    gm_alert_record over = alert_of("resolved");
    bool heard = false;
    CHECK_OK(gm_alert_take(store, &over, 3000, m, 1, &err), &err);
    CHECK_OK(gm_delivery_was_said(store, over.id, "webhook", &heard, &err), &err);
    CHECK(heard);
    CHECK_OK(gm_delivery_list(store, 0, 0, arena, &all, &count, &err), &err);
    CHECK(count == 5);
    CHECK(due_at(INT64_MAX, &all) == 1);
    CHECK_OK(gm_delivery_done(store, &all[0], 1, "sent", "", 80, 0, &err), &err);
    m[0].created_us = 90 * day; /* the first are 90 days old, less 50 us */
    m[0].kind = "firing";
    (void)fire(4000, m, 1);
    CHECK_OK(gm_delivery_list(store, 0, 0, arena, &all, &count, &err), &err);
    CHECK(count == 6);
    m[0].created_us = 90 * day + 51;
    m[0].kind = "repeat";
    m[0].channel = "slack";
    (void)fire(5000, m, 1);
    CHECK_OK(gm_delivery_list(store, 0, 0, arena, &all, &count, &err), &err);
    CHECK(count == 5); /* two sent ones of the alert that is over are gone; what was refused is not */
    CHECK(all[4].id == 2 && strcmp(all[4].state, "refused") == 0);
    gm_store_close(store);
}

static void an_alert_keeps_the_severity_that_others_know_it_by(void)
{
    gm_alert_record got, w = alert_of("firing");
    fresh();
    int64_t id = fire(1000, NULL, 0);
    w.severity = "critical"; /* the file was changed */
    CHECK_OK(gm_alert_take(store, &w, 2000, NULL, 0, &err), &err);
    CHECK(w.id == id);
    CHECK_OK(gm_alert_get(store, id, arena, &got, &err), &err);
    CHECK_STR(got.severity, "warning");
    gm_store_close(store);
}

static void snooze_and_silence_are_kept_and_end(void)
{
    gm_delivery *due = NULL;
    gm_silence *all = NULL;
    gm_alert_record got;
    size_t count = 0;
    gm_delivery m = message_to("webhook", "firing", 50);
    fresh();
    int64_t id = fire(1000, &m, 1), silence = 0;
    CHECK_OK(gm_alert_snooze(store, id, 5000, &err), &err);
    CHECK_OK(gm_alert_get(store, id, arena, &got, &err), &err);
    CHECK(got.snoozed_until_us == 5000 && due_at(60, &due) == 1);
    CHECK_OK(gm_delivery_done(store, due, 1, "held", "snoozed", 60, 5000, &err), &err);
    CHECK(due_at(4999, &due) == 0);
    gm_silence n = { .from_us = 0, .until_us = 9000, .model = "", .rule = "drift", .reason = "holiday", .actor = "ana" };
    CHECK_OK(gm_silence_add(store, &n, &silence, &err), &err);
    n.until_us = 0;
    CHECK_RC(gm_silence_add(store, &n, NULL, &err), GM_EINVALID);
    CHECK_OK(gm_silence_list(store, 100, arena, &all, &count, &err), &err);
    CHECK(count == 1 && all[0].id == silence && all[0].until_us == 9000);
    CHECK_STR(all[0].reason, "holiday");
    CHECK_OK(gm_silence_end(store, silence, 200, &err), &err);
    CHECK(due_at(200, &due) == 1); /* looked at again at once */
    CHECK_RC(gm_silence_end(store, silence, 300, &err), GM_ECONFLICT);
    CHECK_RC(gm_silence_end(store, 12, 300, &err), GM_ENOTFOUND);
    CHECK_OK(gm_silence_list(store, 200, arena, &all, &count, &err), &err);
    CHECK(count == 0);
    gm_alert_record over = alert_of("resolved");
    CHECK_OK(gm_alert_take(store, &over, 2000, NULL, 0, &err), &err);
    CHECK(due_at(INT64_MAX, &due) == 0); /* never said, and over */
    CHECK_STR(of_id(1)->state, "dropped");
    CHECK_RC(gm_alert_snooze(store, id, 1, &err), GM_ECONFLICT);
    CHECK_RC(gm_alert_snooze(store, 44, 1, &err), GM_ENOTFOUND);
    gm_store_close(store);
}

/* A store as the program before made it, only read: there is nothing, and a writer brings it up to date. */
static void a_store_of_the_second_schema_has_no_alerts_yet(void)
{
    char path[600];
    sqlite3 *db = NULL;
    gm_alert_record *alerts = NULL, memory;
    gm_delivery *messages = NULL;
    gm_silence *silences = NULL;
    size_t counts[3] = { 9, 9, 9 };
    int64_t next = 0;
    arena = gm_harness_arena();
    const char *root = new_root();
    gm_store_close(open_store(root));
    (void)snprintf(path, sizeof(path), "%s/meta.db", root);
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(
        sqlite3_exec(db,
                     "DROP TABLE windows; DROP TABLE alert_memory; DROP TABLE alerts; DROP TABLE silences; DROP TABLE deliveries;"
                     " DROP TABLE triggers; PRAGMA user_version=2; PRAGMA wal_checkpoint(TRUNCATE)",
                     NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    store = open_reader(root);
    CHECK_OK(gm_alert_list(store, NULL, false, 0, arena, &alerts, &counts[0], &err), &err);
    CHECK_OK(gm_delivery_list(store, 0, 0, arena, &messages, &counts[1], &err), &err);
    CHECK_OK(gm_silence_list(store, 0, arena, &silences, &counts[2], &err), &err);
    CHECK_OK(gm_delivery_next(store, NULL, &next, &err), &err);
    CHECK(counts[0] + counts[1] + counts[2] == 0 && next == INT64_MAX);
    CHECK_RC(gm_alert_memory(store, "flights", "drift", arena, &memory, &err), GM_ENOTFOUND);
    CHECK_RC(gm_alert_get(store, 1, arena, &memory, &err), GM_ENOTFOUND);
    gm_store_close(store);
    store = open_store(root);
    CHECK(fire(1000, NULL, 0) == 1);
    gm_store_close(store);
}

/* A process is killed at each point of taking a window in: afterwards the alert and its message are both there, or neither. */
static void a_crash_leaves_alert_and_message_together(void)
{
    int both = 0, neither = 0;
    for (int n = 1; n <= 200; n++) {
        char number[48];
        const char *root = new_root();
        CHECK_OK(gm_fs_remove_tree(root, &err), &err);
        gm_store_close(open_store(root));
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            (void)snprintf(number, sizeof(number), "kill:%d", n);
            (void)setenv("GRISTMILL_FAULT", number, 1);
            gm_alert_record w = alert_of("firing");
            gm_delivery m = message_to("webhook", "firing", 50);
            gm_store *s = NULL;
            if (gm_store_open(root, NULL, &s, NULL)) _exit(3);
            if (gm_alert_take(s, &w, 1000, &m, 1, NULL)) _exit(4);
            gm_store_close(s);
            _exit(0);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 0 && both > 0 && neither > 0);
            return;
        }
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        gm_alert_record *alerts = NULL;
        gm_delivery *due = NULL;
        size_t alerts_count = 0;
        arena = gm_harness_arena();
        store = open_store(root);
        CHECK_OK(gm_alert_list(store, NULL, true, 0, arena, &alerts, &alerts_count, &err), &err);
        CHECK(alerts_count == due_at(60, &due));
        both += alerts_count == 1;
        neither += alerts_count == 0;
        gm_store_close(store);
        gm_harness_arena_free(arena);
    }
    gm_harness_fail(__FILE__, __LINE__, "the points of a take never ended");
}

TESTS(T(an_alert_keeps_the_severity_that_others_know_it_by), T(an_alert_begins_lasts_and_ends_and_its_memory_is_kept),
      T(a_window_is_taken_in_once), T(a_message_is_claimed_by_one_and_comes_back_when_the_claimer_is_gone),
      T(a_batch_stays_together_and_later_messages_wait_behind_it), T(what_lasts_is_due_again_until_the_alert_ends),
      T(the_first_send_of_an_ended_alert_does_not_last), T(a_repeat_is_not_queued_behind_a_message_that_still_waits),
      T(what_was_said_long_ago_is_forgotten), T(snooze_and_silence_are_kept_and_end),
      T(a_store_of_the_second_schema_has_no_alerts_yet), T(a_crash_leaves_alert_and_message_together))
