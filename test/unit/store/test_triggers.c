/* test_triggers.c - wishes to retrain: asked once, one at a time, and never out of an end again. */
#include "store/triggers.h"
#include "unit/store/store_fixture.h"

#include <sys/wait.h>

static gm_arena *arena;
static gm_err err;
static gm_store *store;
static const char *root;

static void fresh(void)
{
    arena = gm_arena_new(0);
    root = new_root();
    store = open_store(root);
}

static void done(void)
{
    gm_store_close(store);
    gm_arena_free(arena);
}

static int64_t ask(const char *pipeline, const char *cause, bool *out_new)
{
    int64_t id = 0;
    gm_trigger_record t = { .pipeline = pipeline, .kind = "manual", .cause = cause, .reason = "because", .asked_us = 1000 };
    CHECK_OK(gm_trigger_ask(store, &t, &id, out_new, &err), &err);
    CHECK(id > 0);
    return id;
}

static gm_rc set(int64_t id, const char *state, int64_t at_us)
{
    gm_trigger_record t = { .id = id, .state = state, .started_us = at_us, .ended_us = at_us + 5, .run_id = 7, .outcome = "so" };
    return gm_trigger_set(store, &t, &err);
}

static gm_trigger_record get(int64_t id)
{
    gm_trigger_record *all = NULL;
    size_t count = 0;
    CHECK_OK(gm_trigger_list(store, NULL, NULL, 0, arena, &all, &count, &err), &err);
    for (size_t i = 0; i < count; i++)
        if (all[i].id == id) return all[i];
    CHECK(false && "no such trigger");
    return (gm_trigger_record){ 0 };
}

static void a_known_cause_is_the_old_wish(void)
{
    bool is_new = false;
    fresh();
    int64_t first = ask("churn", "drift 1..2", &is_new);
    CHECK(is_new);
    CHECK(ask("churn", "drift 1..2", &is_new) == first && !is_new);
    int64_t other = ask("flights", "drift 1..2", &is_new);
    CHECK(is_new && other != first); /* causes are the pipeline's own */
    gm_trigger_record t = get(first);
    CHECK_STR(t.pipeline, "churn");
    CHECK_STR(t.kind, "manual");
    CHECK_STR(t.reason, "because");
    CHECK_STR(t.state, "waiting");
    CHECK(t.asked_us == 1000 && t.attempts == 0 && t.started_us == 0 && t.run_id == 0);
    CHECK_OK(set(first, "running", 10), &err);
    CHECK_OK(set(first, "done", 10), &err);
    CHECK(ask("churn", "drift 1..2", &is_new) == first && !is_new); /* also when it is over */
    done();
}

static void one_runs_at_a_time_in_a_pipeline(void)
{
    fresh();
    int64_t a = ask("churn", "a", NULL), b = ask("churn", "b", NULL), c = ask("flights", "c", NULL);
    CHECK_OK(set(a, "running", 10), &err);
    CHECK_RC(set(b, "running", 11), GM_ECONFLICT);
    CHECK_HAS(err.message, "is running");
    CHECK_OK(set(c, "running", 11), &err);
    CHECK_OK(set(a, "running", 12), &err); /* again, after a crash */
    gm_trigger_record t = get(a);
    CHECK(t.attempts == 2 && t.started_us == 12 && t.ended_us == 0 && t.run_id == 7);
    CHECK_OK(set(a, "refused", 12), &err);
    t = get(a);
    CHECK(t.attempts == 2 && t.ended_us == 17);
    CHECK_STR(t.state, "refused");
    CHECK_STR(t.outcome, "so");
    CHECK_OK(set(b, "running", 20), &err);
    done();
}

static void an_end_is_an_end(void)
{
    static const char *const ends[] = { "done", "failed", "refused", "dropped" };
    static const char *const all[] = { "waiting", "running", "done", "failed", "refused", "dropped" };
    fresh();
    for (size_t i = 0; i < 4; i++) {
        int64_t id = ask("churn", ends[i], NULL);
        CHECK_OK(set(id, "running", 10), &err);
        CHECK_OK(set(id, ends[i], 10), &err);
        for (size_t k = 0; k < 6; k++) CHECK_RC(set(id, all[k], 20), GM_ECONFLICT);
        CHECK_STR(get(id).state, ends[i]);
    }
    CHECK_RC(set(99, "running", 1), GM_ENOTFOUND);
    CHECK_RC(set(1, "asleep", 1), GM_EINVALID);
    CHECK_HAS(err.message, "asleep");
    done();
}

static void what_waits_runs_or_is_dropped(void)
{
    fresh();
    int64_t id = ask("churn", "a", NULL);
    CHECK_RC(set(id, "waiting", 1), GM_ECONFLICT);
    CHECK_RC(set(id, "done", 1), GM_ECONFLICT);
    CHECK_RC(set(id, "refused", 1), GM_ECONFLICT);
    CHECK_OK(set(id, "running", 10), &err);
    CHECK_OK(set(id, "waiting", 10), &err); /* it could not begin */
    CHECK(get(id).started_us == 0 && get(id).attempts == 1);
    CHECK_OK(set(id, "dropped", 0), &err);
    done();
}

static void what_was_begun_is_counted_and_listed(void)
{
    int64_t count = -1;
    size_t n = 0;
    gm_trigger_record *list = NULL;
    fresh();
    for (int64_t i = 1; i <= 5; i++) {
        char cause[16];
        (void)snprintf(cause, sizeof(cause), "c%lld", (long long)i);
        int64_t id = ask("churn", cause, NULL);
        if (i == 5) continue;
        CHECK_OK(set(id, "running", i * 100), &err);
        CHECK_OK(set(id, i == 2 ? "failed" : i == 3 ? "waiting" : "done", i * 100), &err);
        if (i == 3) CHECK_OK(set(id, "dropped", 0), &err);
    }
    CHECK_OK(gm_trigger_count(store, "churn", 0, &count, &err), &err);
    CHECK(count == 3); /* 1, 2, 4: one that never began and one that gave up its place do not count */
    CHECK_OK(gm_trigger_count(store, "churn", 200, &count, &err), &err);
    CHECK(count == 2);
    CHECK_OK(gm_trigger_count(store, "churn", 201, &count, &err), &err);
    CHECK(count == 1);
    CHECK_OK(gm_trigger_count(store, "flights", 0, &count, &err), &err);
    CHECK(count == 0);
    CHECK_OK(gm_trigger_list(store, "churn", "done", 0, arena, &list, &n, &err), &err);
    CHECK(n == 2 && list[0].id > list[1].id);
    CHECK_OK(gm_trigger_list(store, NULL, NULL, 2, arena, &list, &n, &err), &err);
    CHECK(n == 2);
    CHECK_STR(list[0].cause, "c5");
    CHECK_OK(gm_trigger_list(store, "flights", NULL, 0, arena, &list, &n, &err), &err);
    CHECK(n == 0);
    done();
}

/* Two processes ask for the same and try to run different ones: one row, one winner; the lock is not needed. */
static void processes_beside_each_other_agree(void)
{
    enum { PROCESSES = 4, CAUSES = 25 };
    fresh();
    gm_store_close(store);
    gm_store *writer = open_store(root); /* a run holds the lock all the while */
    for (int p = 0; p < PROCESSES; p++) {
        if (fork() != 0) continue;
        int won = 0;
        gm_store *mine = NULL;
        if (gm_store_open(root, &(gm_store_options){ .beside = true }, &mine, &err)) _exit(99);
        for (int i = 0; i < CAUSES; i++) {
            char cause[16];
            bool is_new = false;
            (void)snprintf(cause, sizeof(cause), "c%d", i);
            gm_trigger_record t = { .pipeline = "churn", .kind = "manual", .cause = cause };
            if (gm_trigger_ask(mine, &t, &t.id, &is_new, &err)) _exit(98);
            t.state = "running";
            if (is_new && gm_trigger_set(mine, &t, &err) == GM_OK) won++;
        }
        gm_store_close(mine);
        _exit(won);
    }
    int won = 0, status = 0;
    while (wait(&status) > 0) {
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 98);
        won += WEXITSTATUS(status);
    }
    CHECK(won == 1); /* nobody ends what runs, so that the first one keeps the others out */
    gm_trigger_record *list = NULL;
    size_t n = 0;
    CHECK_OK(gm_trigger_list(writer, "churn", NULL, 0, arena, &list, &n, &err), &err);
    CHECK(n == CAUSES);
    gm_store_close(writer);
    gm_arena_free(arena);
}

/* A process that stays beside the others for days sees at each look what they wrote meanwhile. */
static void what_another_writes_is_seen_at_the_next_look(void)
{
    gm_trigger_record *list = NULL;
    size_t n = 0;
    gm_store *beside = NULL;
    fresh();
    CHECK_OK(gm_store_open(root, &(gm_store_options){ .beside = true }, &beside, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        char cause[16];
        CHECK_OK(gm_trigger_list(beside, "churn", NULL, 0, arena, &list, &n, &err), &err);
        CHECK(n == i);
        (void)snprintf(cause, sizeof(cause), "c%zu", i);
        int64_t id = ask("churn", cause, NULL); /* through the other handle */
        CHECK_OK(gm_trigger_list(beside, "churn", NULL, 0, arena, &list, &n, &err), &err);
        CHECK(n == i + 1 && list[0].id == id);
    }
    gm_store_close(beside);
    done();
}

static void the_outcome_of_what_is_over_may_be_renewed(void)
{
    fresh();
    int64_t id = ask("churn", "a", NULL);
    CHECK_RC(gm_trigger_note(store, id, "later", &err), GM_ECONFLICT);
    CHECK_OK(set(id, "running", 10), &err);
    CHECK_RC(gm_trigger_note(store, id, "later", &err), GM_ECONFLICT);
    CHECK_OK(set(id, "done", 10), &err);
    CHECK_OK(gm_trigger_note(store, id, "later", &err), &err);
    CHECK_STR(get(id).outcome, "later");
    CHECK_STR(get(id).state, "done");
    CHECK_RC(gm_trigger_note(store, 99, "later", &err), GM_ENOTFOUND);
    done();
}

static void a_wish_that_waits_takes_a_newer_cause_over(void)
{
    int64_t id = 0, same = 0;
    bool is_new = false;
    fresh();
    gm_trigger_record t = { .pipeline = "churn", .kind = "new data", .cause = "new data t 1", .reason = "one", .asked_us = 5 };
    CHECK_OK(gm_trigger_ask_instead(store, &t, "new data t ", &id, &is_new, &err), &err);
    CHECK(is_new);
    (void)ask("churn", "new data tt 1", NULL); /* another data set */
    t.cause = "new data t 2";
    t.reason = "two";
    t.asked_us = 9;
    CHECK_OK(gm_trigger_ask_instead(store, &t, "new data t ", &same, &is_new, &err), &err);
    CHECK(same == id && !is_new);
    CHECK_STR(get(id).cause, "new data t 2");
    CHECK_STR(get(id).reason, "two");
    CHECK(get(id).asked_us == 5);
    CHECK_RC(set(id, "running", 10), GM_OK);
    CHECK_OK(gm_trigger_ask_instead(store, &t, "new data t ", &same, &is_new, &err), &err);
    CHECK(same == id && !is_new); /* known */
    t.cause = "new data t 3";
    CHECK_OK(gm_trigger_ask_instead(store, &t, "new data t ", &same, &is_new, &err), &err);
    CHECK(same != id && is_new); /* what runs stays as it is */
    done();
}

static void those_that_wait_are_dropped_at_once(void)
{
    fresh();
    int64_t a = ask("churn", "a", NULL), b = ask("churn", "b", NULL), other = ask("flights", "a", NULL), later = 0;
    gm_trigger_record t = { .pipeline = "churn", .kind = "manual", .cause = "c", .reason = "r", .asked_us = 1001 };
    CHECK_OK(gm_trigger_ask(store, &t, &later, NULL, &err), &err);
    CHECK_RC(set(b, "running", 10), GM_OK);
    CHECK_OK(gm_trigger_drop_waiting(store, "churn", 1000, 77, "b does its work", &err), &err);
    CHECK_STR(get(a).state, "dropped");
    CHECK_STR(get(a).outcome, "b does its work");
    CHECK(get(a).ended_us == 77);
    CHECK_STR(get(b).state, "running");
    CHECK_STR(get(later).state, "waiting");
    CHECK_STR(get(other).state, "waiting");
    done();
}

static void what_is_long_over_is_forgotten(void)
{
    gm_trigger_record *all = NULL;
    size_t count = 0;
    int64_t day = (int64_t)86400 * 1000000;
    fresh();
    int64_t window = 0, foreign = ask("flights", "a", NULL);
    gm_trigger_record w = { .pipeline = "churn", .kind = "drift", .cause = "w", .reason = "r", .asked_us = 1000 };
    CHECK_OK(gm_trigger_ask(store, &w, &window, NULL, &err), &err);
    for (int i = 0; i < 1010; i++) (void)ask("churn", gm_arena_printf(arena, "old %d", i), NULL);
    CHECK_OK(gm_trigger_drop_waiting(store, "churn", 1000, day, "old", &err), &err);
    CHECK_OK(gm_trigger_drop_waiting(store, "flights", 1000, day, "old", &err), &err);
    int64_t id = ask("churn", "one more", NULL);
    CHECK_RC(set(id, "running", 90 * day), GM_OK);
    CHECK_RC(set(id, "done", 90 * day), GM_OK); /* the old ones have been over for 89 days */
    CHECK_OK(gm_trigger_list(store, "churn", NULL, 0, arena, &all, &count, &err), &err);
    CHECK(count == 1012);
    id = ask("churn", "another", NULL);
    CHECK_RC(set(id, "running", 92 * day), GM_OK);
    CHECK_RC(set(id, "done", 92 * day), GM_OK);
    CHECK_OK(gm_trigger_list(store, "churn", NULL, 0, arena, &all, &count, &err), &err);
    CHECK(count == 1001); /* the newest 1,000, and the window's */
    CHECK(all[0].id == id && all[1000].id == window);
    CHECK_STR(get(foreign).state, "dropped");
    done();
}

TESTS(T(a_wish_that_waits_takes_a_newer_cause_over), T(those_that_wait_are_dropped_at_once), T(what_is_long_over_is_forgotten),
      T(what_another_writes_is_seen_at_the_next_look), T(the_outcome_of_what_is_over_may_be_renewed),
      T(a_known_cause_is_the_old_wish), T(one_runs_at_a_time_in_a_pipeline), T(an_end_is_an_end),
      T(what_waits_runs_or_is_dropped), T(what_was_begun_is_counted_and_listed), T(processes_beside_each_other_agree))
