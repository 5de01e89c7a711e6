/* test_release.c - releases: one at a time, alias and record in step, history, and what a reader and a server need of the store.
 */
#include "base/clock.h"
#include "base/fs.h"
#include "store/release.h"
#include "unit/store/store_fixture.h"

#include <sqlite3.h>
#include <sys/wait.h>

static gm_arena *arena;
static gm_err err;
static gm_store *store;
static const char *root;

static int64_t add(const char *bytes, const char *aliases)
{
    int64_t version = 0;
    gm_model_version v = { .model = "churn", .digest = put_text(store, bytes), .aliases = aliases };
    CHECK_OK(gm_model_register(store, &v, &version, NULL, &err), &err);
    return version;
}

static void fresh(void)
{
    arena = gm_arena_new(0);
    root = new_root();
    store = open_store(root);
    (void)add("a", "champion");
    (void)add("b", "");
    (void)add("c", "");
}

static void done(void)
{
    gm_store_close(store);
    gm_arena_free(arena);
}

static gm_release canary_of(int64_t version)
{
    return (gm_release){ .model = "churn",
                         .candidate = version,
                         .mode = GM_RELEASE_CANARY,
                         .share = 0.1,
                         .for_us = 3600000000,
                         .requests_min = 500,
                         .rollback = "error_rate > 1%",
                         .sticky = "customer_id",
                         .actor = "ana" };
}

static int64_t begin(int64_t version)
{
    int64_t id = 0;
    gm_release r = canary_of(version);
    CHECK_OK(gm_release_begin(store, &r, &id, &err), &err);
    return id;
}

static int64_t held(const char *ref)
{
    gm_model_version v;
    return gm_model_resolve(store, ref, arena, &v, &err) == GM_OK ? v.version : 0;
}

static void a_release_is_kept_whole_and_gives_the_candidate_its_alias(void)
{
    gm_release r;
    fresh();
    CHECK_RC(gm_release_get(store, "churn", arena, &r, &err), GM_ENOTFOUND);
    int64_t id = begin(2);
    CHECK_OK(gm_release_get(store, "churn", arena, &r, &err), &err);
    CHECK(r.id == id && r.champion == 1 && r.candidate == 2 && r.mode == GM_RELEASE_CANARY && r.for_us == 3600000000);
    CHECK_NEAR(r.share, 0.1, 1e-9);
    CHECK(r.requests_min == 500 && !r.paused && r.began_us > 0 && r.ended_us == 0);
    CHECK_STR(r.rollback, "error_rate > 1%");
    CHECK_STR(r.sticky, "customer_id");
    CHECK_STR(r.actor, "ana");
    CHECK_STR(r.state, "running");
    CHECK(held("churn@challenger") == 2 && held("churn@champion") == 1);
    done();
}

static void only_one_release_of_a_model_runs(void)
{
    fresh();
    int64_t id = begin(2);
    gm_release second = canary_of(3), at_once = { .model = "churn", .candidate = 3 };
    CHECK_RC(gm_release_begin(store, &second, NULL, &err), GM_ECONFLICT);
    char named[32];
    (void)snprintf(named, sizeof(named), "release %lld ", (long long)id);
    CHECK_HAS(err.message, named);
    CHECK_RC(gm_release_begin(store, &at_once, NULL, &err), GM_ECONFLICT);
    CHECK(held("churn@challenger") == 2 && held("churn@champion") == 1);
    done();
}

static void what_makes_no_sense_is_refused_and_changes_nothing(void)
{
    gm_release r = canary_of(1), *all = NULL;
    size_t count = 9;
    fresh();
    CHECK_RC(gm_release_begin(store, &r, NULL, &err), GM_EINVALID); /* the champion beside itself */
    r = canary_of(9);
    CHECK_RC(gm_release_begin(store, &r, NULL, &err), GM_ENOTFOUND);
    r = canary_of(2);
    r.share = 1.5;
    CHECK_RC(gm_release_begin(store, &r, NULL, &err), GM_EINVALID);
    r.share = 0.5;
    r.champion = 3;
    CHECK_RC(gm_release_begin(store, &r, NULL, &err), GM_ECONFLICT); /* it is 1 */
    CHECK_OK(gm_model_alias_drop(store, "churn", "champion", &err), &err);
    r.champion = 0;
    CHECK_RC(gm_release_begin(store, &r, NULL, &err), GM_EINVALID);
    CHECK_HAS(err.hint, "churn/2");
    CHECK_OK(gm_release_list(store, NULL, arena, &all, &count, &err), &err);
    CHECK(count == 0 && held("churn@challenger") == 0);
    done();
}

static void promotion_moves_the_champion_and_drops_the_challenger(void)
{
    gm_release *all = NULL, r;
    size_t count = 0;
    fresh();
    int64_t id = begin(2);
    CHECK_OK(gm_release_end(store, id, "promoted", "ran 1 hour", &err), &err);
    CHECK(held("churn@champion") == 2 && held("churn@challenger") == 0);
    CHECK_RC(gm_release_get(store, "churn", arena, &r, &err), GM_ENOTFOUND);
    CHECK_RC(gm_release_end(store, id, "rolled_back", "late", &err), GM_ECONFLICT);
    CHECK(held("churn@champion") == 2);
    CHECK_OK(gm_release_list(store, "churn", arena, &all, &count, &err), &err);
    CHECK(count == 1 && all[0].ended_us >= all[0].began_us);
    CHECK_STR(all[0].state, "promoted");
    CHECK_STR(all[0].reason, "ran 1 hour");
    done();
}

static void rolling_back_leaves_the_champion(void)
{
    fresh();
    int64_t id = begin(2);
    CHECK_OK(gm_release_end(store, id, "rolled_back", "errors", &err), &err);
    CHECK(held("churn@champion") == 1 && held("churn@challenger") == 0);
    (void)begin(3); /* the next may begin */
    done();
}

static void moving_the_champion_ends_what_was_tried_beside_it(void)
{
    gm_release *all = NULL;
    size_t count = 0;
    fresh();
    int64_t id = begin(2);
    CHECK_OK(gm_model_alias_set(store, "churn", "champion", 3, &err), &err);
    CHECK_RC(gm_release_end(store, id, "promoted", "", &err), GM_ECONFLICT);
    CHECK(held("churn@champion") == 3 && held("churn@challenger") == 0);
    (void)begin(2);
    (void)add("d", "champion"); /* as a run does that registers a better one */
    (void)begin(2);
    CHECK_OK(gm_model_alias_set(store, "churn", "champion", 2, &err), &err); /* by hand to the one that was tried */
    (void)begin(3);
    CHECK_OK(gm_model_alias_drop(store, "churn", "champion", &err), &err);
    CHECK_OK(gm_release_list(store, "churn", arena, &all, &count, &err), &err);
    CHECK(count == 4);
    static const char *const states[] = { "ended", "promoted", "ended", "ended" };
    for (size_t i = 0; i < count && i < 4; i++) CHECK_STR(all[i].state, states[i]);
    CHECK_STR(all[0].reason, "the champion was taken away");
    CHECK_STR(all[3].reason, "the champion became version 3");
    done();
}

static void a_challenger_that_somebody_moved_is_left_alone(void)
{
    fresh();
    int64_t id = begin(2);
    CHECK_OK(gm_model_alias_set(store, "churn", "challenger", 3, &err), &err);
    CHECK_OK(gm_release_end(store, id, "ended", "", &err), &err);
    CHECK(held("churn@challenger") == 3);
    done();
}

static void changes_and_pauses_are_kept_with_their_times(void)
{
    gm_release r;
    gm_release_event *events = NULL;
    size_t count = 0;
    fresh();
    int64_t id = begin(2);
    CHECK_OK(gm_release_get(store, "churn", arena, &r, &err), &err);
    r.share = 0.25;
    r.paused = true;
    CHECK_OK(gm_release_change(store, &r, &err), &err);
    CHECK_OK(gm_release_get(store, "churn", arena, &r, &err), &err);
    CHECK(r.paused && r.paused_since_us >= r.began_us && r.paused_us == 0);
    CHECK_NEAR(r.share, 0.25, 1e-9);
    CHECK(gm_release_ran_us(&r, r.paused_since_us + 77000000) == r.paused_since_us - r.began_us); /* the clock stands */
    int64_t since = r.paused_since_us;
    CHECK_OK(gm_release_change(store, &r, &err), &err); /* paused again: the pause goes on */
    r.paused = false;
    CHECK_OK(gm_release_change(store, &r, &err), &err);
    CHECK_OK(gm_release_get(store, "churn", arena, &r, &err), &err);
    CHECK(!r.paused && r.paused_since_us == 0 && r.paused_us > 0 && r.paused_us <= gm_now_us() - since);
    CHECK(gm_release_ran_us(&r, r.began_us + 5000000) == 5000000 - r.paused_us);
    CHECK_OK(gm_release_end(store, id, "promoted", "by hand", &err), &err);
    CHECK_RC(gm_release_change(store, &r, &err), GM_ECONFLICT);
    CHECK_OK(gm_release_history(store, id, arena, &events, &count, &err), &err);
    static const char *const want[] = { "began: canary of version 2 beside 1, 10 % of the requests", "share 10 % -> 25 %",
                                        "paused", "resumed", "promoted: by hand" };
    CHECK(count == sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < count && i < 5; i++) CHECK_STR(events[i].what, want[i]);
    done();
}

static void at_once_moves_the_champion_and_going_back_is_undoing(void)
{
    int64_t before = -1;
    fresh();
    CHECK_OK(gm_release_champion_before(store, "churn", &before, &err), &err);
    CHECK(before == 0);
    for (int64_t v = 2; v <= 3; v++) {
        gm_release r = { .model = "churn", .candidate = v, .actor = "ana" };
        CHECK_OK(gm_release_begin(store, &r, NULL, &err), &err);
        CHECK(held("churn@champion") == v);
    }
    for (int64_t want = 2; want >= 1; want--) {
        CHECK_OK(gm_release_champion_before(store, "churn", &before, &err), &err);
        CHECK(before == want);
        gm_release back = { .model = "churn", .candidate = before, .state = "rolled_back" };
        CHECK_OK(gm_release_begin(store, &back, NULL, &err), &err);
    }
    CHECK_OK(gm_release_champion_before(store, "churn", &before, &err), &err);
    CHECK(before == 0); /* never forward again to what was taken away */
    gm_release third = { .model = "churn", .candidate = 3 }, first = { .model = "churn", .candidate = 1 };
    CHECK_OK(gm_release_begin(store, &third, NULL, &err), &err);
    CHECK_OK(gm_release_begin(store, &first, NULL, &err), &err); /* an old one, but on purpose: also that can be undone */
    CHECK_OK(gm_release_champion_before(store, "churn", &before, &err), &err);
    CHECK(before == 3);
    done();
}

static void a_reader_sees_every_commit_in_the_data_version(void)
{
    gm_store *reader = NULL;
    int64_t first = 0, again = 0, own = 0, own_after = 0;
    gm_release r;
    fresh();
    CHECK_OK(gm_store_open(root, &(gm_store_options){ .read_only = true }, &reader, &err), &err);
    CHECK_OK(gm_store_data_version(reader, &first, &err), &err);
    CHECK_OK(gm_store_data_version(reader, &again, &err), &err);
    CHECK(first == again);
    CHECK_OK(gm_store_data_version(store, &own, &err), &err);
    (void)begin(2);
    CHECK_OK(gm_store_data_version(reader, &again, &err), &err);
    CHECK_OK(gm_store_data_version(store, &own_after, &err), &err);
    CHECK(first != again && own != own_after);
    CHECK_OK(gm_release_get(reader, "churn", arena, &r, &err), &err);
    CHECK(r.candidate == 2);
    int64_t cpu = gm_cpu_us();
    for (int i = 0; i < 10000; i++) CHECK_OK(gm_store_data_version(reader, &again, &err), &err);
    printf("# data version: %.2f us of CPU\n", (double)(gm_cpu_us() - cpu) / 10000);
    gm_store_close(reader);
    done();
}

static void a_verdict_is_written_beside_a_writer_and_a_reader(void)
{
    gm_store *reader = NULL, *beside = NULL;
    gm_digest d;
    gm_release *all = NULL;
    size_t count = 0;
    fresh();
    int64_t id = begin(2);
    CHECK_OK(gm_store_open(root, &(gm_store_options){ .read_only = true }, &reader, &err), &err);
    CHECK(held("churn@champion") == 1); /* `store` holds the lock, and a snapshot for its next read */
    CHECK_OK(gm_release_end_at(root, id, "promoted", "an hour", &err), &err);
    CHECK_RC(gm_release_end_at(root, id, "rolled_back", "", &err), GM_ECONFLICT);
    CHECK_OK(gm_release_list(reader, "churn", arena, &all, &count, &err), &err);
    CHECK(count == 1);
    CHECK_STR(all[0].state, "promoted");
    (void)add("d", ""); /* the writer goes on, and sees it once it has written */
    CHECK(held("churn@champion") == 2);
    CHECK_OK(gm_store_open(root, &(gm_store_options){ .beside = true }, &beside, &err), &err);
    CHECK_RC(gm_blob_put(beside, "x", 1, &d, &err), GM_EINVALID);
    CHECK_RC(gm_store_gc(beside, NULL, &(gm_gc_report){ 0 }, &err), GM_EINVALID);
    CHECK_OK(gm_model_alias_set(beside, "churn", "champion", 1, &err), &err);
    gm_store_close(beside);
    gm_store_close(reader);
    done();
}

/* Two processes: one writes as a run does, the other begins and ends releases. Nothing of either is lost. */
static void a_run_and_the_registry_write_side_by_side(void)
{
    enum { TIMES = 60 };
    int status = 0;
    gm_release *all = NULL;
    size_t count = 0;
    fresh();
    gm_store_close(store);
    pid_t child = fork();
    if (child == 0) {
        gm_store *other = NULL;
        bool ok = true;
        for (int i = 0; ok && i < TIMES; i++) {
            int64_t id = 0;
            gm_release r = canary_of(2);
            ok = gm_store_open(root, &(gm_store_options){ .beside = true }, &other, &err) == GM_OK &&
                 gm_release_begin(other, &r, &id, &err) == GM_OK;
            gm_store_close(other);
            ok = ok && gm_release_end_at(root, id, "rolled_back", "", &err) == GM_OK;
        }
        _exit(ok ? 0 : 1);
    }
    store = open_store(root);
    for (int i = 0; i < TIMES; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "blob %d", i);
        gm_digest d = put_text(store, text);
        (void)commit_step(store, begin_run(store, "p"), "load", text, &d);
        CHECK(held("churn@champion") == 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(gm_release_list(store, NULL, arena, &all, &count, &err), &err);
    gm_run_record *runs = NULL;
    size_t runs_count = 0;
    CHECK_OK(gm_run_list(store, 0, arena, &runs, &runs_count, &err), &err);
    CHECK(runs_count == TIMES);
    gm_store_close(store);
    store = open_store(root);
    CHECK_OK(gm_release_list(store, NULL, arena, &all, &count, &err), &err);
    CHECK(count == TIMES);
    done();
}

static void opening_to_read_is_quick(void)
{
    enum { TIMES = 200 };
    gm_release r;
    fresh();
    (void)begin(2);
    gm_store_close(store);
    int64_t cpu = gm_cpu_us();
    for (int i = 0; i < TIMES; i++) {
        gm_store *reader = NULL;
        gm_arena_reset(arena);
        CHECK_OK(gm_store_open(root, &(gm_store_options){ .read_only = true }, &reader, &err), &err);
        CHECK_OK(gm_release_get(reader, "churn", arena, &r, &err), &err);
        gm_store_close(reader);
    }
    double us = (double)(gm_cpu_us() - cpu) / TIMES;
    printf("# open read-only, one release read, close: %.0f us of CPU\n", us);
    CHECK(us < 20000); /* meant: 2 ms; sanitizers and a loaded machine take longer */
    store = NULL;
    done();
}

/* Take the newer tables away again: a store as the program before made it. */
static void make_old(void)
{
    sqlite3 *db = NULL;
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/meta.db", root);
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "DROP TABLE releases; DROP TABLE release_log; DROP TABLE windows; DROP TABLE alert_memory; DROP TABLE alerts;"
                       " DROP TABLE silences; DROP TABLE deliveries; DROP TABLE triggers; PRAGMA user_version=1; PRAGMA wal_checkpoint(TRUNCATE)",
                       NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void a_store_of_the_first_schema_is_read_and_brought_up_to_date_by_a_writer(void)
{
    gm_store *reader = NULL;
    gm_release *all = NULL, r;
    size_t count = 9;
    fresh();
    gm_store_close(store);
    make_old();
    CHECK_OK(gm_store_open(root, &(gm_store_options){ .read_only = true }, &reader, &err), &err);
    CHECK_OK(gm_release_list(reader, NULL, arena, &all, &count, &err), &err);
    CHECK(count == 0);
    CHECK_RC(gm_release_get(reader, "churn", arena, &r, &err), GM_ENOTFOUND);
    CHECK_OK(gm_store_open(root, &(gm_store_options){ .beside = true }, &store, &err), &err); /* takes the lock this time */
    CHECK(held("churn") == 1);                                                                /* what was there is there */
    (void)begin(2);
    CHECK_OK(gm_release_get(reader, "churn", arena, &r, &err), &err); /* the reader that was open sees it too */
    CHECK(r.candidate == 2);
    gm_store_close(reader);
    done();
}

static void gc_keeps_both_sides_of_a_running_release(void)
{
    gm_gc_report report;
    fresh();
    (void)begin(2);
    gm_digest stray = put_text(store, "stray");
    CHECK_OK(gm_store_gc(store, &(gm_gc_options){ .keep_runs = 1, .keep_seconds = 1 }, &report, &err), &err);
    CHECK(!gm_blob_exists(store, &stray));
    for (int64_t v = 1; v <= 2; v++) {
        gm_model_version m;
        char ref[16];
        (void)snprintf(ref, sizeof(ref), "churn/%lld", (long long)v);
        CHECK_OK(gm_model_resolve(store, ref, arena, &m, &err), &err);
        CHECK(gm_blob_exists(store, &m.digest));
    }
    done();
}

static bool holds(const char *text, double errors, double p99, double shift, double requests)
{
    gm_expr *e = NULL;
    gm_errs errs = { .arena = arena };
    CHECK(gm_release_condition(text, (gm_pos){ 0 }, arena, &e, &errs) == GM_OK);
    return e && gm_release_condition_holds(e, (double[]){ errors, p99, shift, requests });
}

static void conditions_are_read_checked_and_judged(void)
{
    gm_expr *e = NULL;
    fresh();
    CHECK(holds("error_rate > 1%", 0.02, 0, 0, 0) && !holds("error_rate > 1%", 0.01, 0, 0, 0));
    CHECK(holds("error_rate > 1% or latency_ms_p99 > 20", 0, 21, 0, 0));
    CHECK(holds("score_shift > 0.3 and requests >= 1000", 0, 0, 0.4, 1000));
    CHECK(!holds("latency_ms_p99 > 20", 0, (double)NAN, 0, 0)); /* not known: does not hold */
    gm_errs errs = { .arena = arena };
    CHECK_RC(gm_release_condition("eror_rate > 1%", (gm_pos){ "gristmill.yaml", 7, 3 }, arena, &e, &errs), GM_EINVALID);
    CHECK(errs.count == 1 && errs.items[0].line == 7);
    CHECK_HAS(errs.items[0].hint, "error_rate");
    CHECK_RC(gm_release_condition("error_rate + 1", (gm_pos){ 0 }, arena, &e, &errs), GM_EINVALID); /* no condition */
    done();
}

/* A child promotes with the n-th point of the store killing it; alias and record stay in step. */
static void a_killed_promotion_is_all_or_nothing(void)
{
    bool killed = true;
    for (int n = 1; killed; n++) {
        gm_release r;
        char fault[32];
        int status = 0;
        (void)snprintf(fault, sizeof(fault), "kill:%d", n);
        fresh();
        int64_t id = begin(2);
        gm_store_close(store);
        pid_t child = fork();
        if (child == 0) {
            (void)setenv("GRISTMILL_FAULT", fault, 1);
            (void)gm_release_end_at(root, id, "promoted", "", &err);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        killed = WIFSIGNALED(status);
        store = open_store(root);
        bool over = gm_release_get(store, "churn", arena, &r, &err) == GM_ENOTFOUND;
        CHECK(over == (held("churn@champion") == 2) && over == (held("churn@challenger") == 0));
        CHECK(killed || over);
        CHECK(n > 3 || killed);
        done();
        CHECK_OK(gm_fs_remove_tree(root, &err), &err);
    }
}

TESTS(T(a_release_is_kept_whole_and_gives_the_candidate_its_alias), T(only_one_release_of_a_model_runs),
      T(what_makes_no_sense_is_refused_and_changes_nothing), T(promotion_moves_the_champion_and_drops_the_challenger),
      T(rolling_back_leaves_the_champion), T(moving_the_champion_ends_what_was_tried_beside_it),
      T(a_challenger_that_somebody_moved_is_left_alone), T(changes_and_pauses_are_kept_with_their_times),
      T(at_once_moves_the_champion_and_going_back_is_undoing), T(a_reader_sees_every_commit_in_the_data_version),
      T(a_verdict_is_written_beside_a_writer_and_a_reader), T(a_run_and_the_registry_write_side_by_side),
      T(opening_to_read_is_quick), T(a_store_of_the_first_schema_is_read_and_brought_up_to_date_by_a_writer),
      T(gc_keeps_both_sides_of_a_running_release), T(conditions_are_read_checked_and_judged),
      T(a_killed_promotion_is_all_or_nothing))
