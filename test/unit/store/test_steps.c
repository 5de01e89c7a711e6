/* test_steps.c - runs, steps, the action cache, fencing tokens, lineage. */
#include "unit/store/store_fixture.h"

static gm_arena *arena;
static gm_err err;

static gm_store *fresh(void)
{
    arena = gm_arena_new(0);
    return open_store(new_root());
}

static void done(gm_store *s)
{
    gm_store_close(s);
    gm_arena_free(arena);
}

static void runs_are_begun_ended_and_listed_newest_first(void)
{
    gm_store *s = fresh();
    gm_run_record *runs = NULL, r;
    size_t count = 0;
    CHECK_RC(gm_run_get(s, 0, arena, &r, &err), GM_ENOTFOUND);
    int64_t a = begin_run(s, "one"), b = begin_run(s, "two"), c = begin_run(s, "'); DROP TABLE runs;--");
    CHECK(a < b && b < c);
    CHECK_OK(gm_run_end(s, b, "done", "{\"x\":1}", &err), &err);
    CHECK_RC(gm_run_end(s, 99, "done", "", &err), GM_ENOTFOUND);
    CHECK_OK(gm_run_list(s, 0, arena, &runs, &count, &err), &err);
    CHECK(count == 3 && runs[0].id == c && runs[2].id == a);
    CHECK_STR(runs[0].pipeline, "'); DROP TABLE runs;--");
    CHECK_STR(runs[0].state, "running");
    CHECK_STR(runs[1].state, "done");
    CHECK_STR(runs[1].summary_json, "{\"x\":1}");
    CHECK(runs[1].ended_us >= runs[1].started_us && runs[1].started_us > 0);
    CHECK_OK(gm_run_list(s, 2, arena, &runs, &count, &err), &err);
    CHECK(count == 2);
    CHECK_OK(gm_run_get(s, a, arena, &r, &err), &err);
    CHECK_STR(r.pipeline, "one");
    done(s);
}

static void a_committed_step_is_found_under_its_key_with_all_it_said(void)
{
    gm_store *s = fresh();
    gm_digest in_digest = put_text(s, "in"), out_digest = put_text(s, "out");
    int64_t run = begin_run(s, "p");
    gm_step_record r = { .run_id = run, .name = "train", .kind = "train", .key = "abc", .key_fields = "{\"seed\":\"1\"}" };
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    CHECK(r.id > 0 && r.token > 0 && r.attempt == 1);
    CHECK_OK(gm_step_set_pid(s, r.id, 1234, 5678, &err), &err);

    gm_step_record *steps = NULL;
    size_t count = 0;
    CHECK_OK(gm_step_unfinished(s, arena, &steps, &count, &err), &err);
    CHECK(count == 1 && steps[0].pid == 1234 && steps[0].pid_start == 5678);
    gm_artifacts found;
    CHECK_RC(gm_action_get(s, "abc", arena, &found, NULL, &err), GM_ENOTFOUND);

    gm_artifact in = { .name = "table", .type = "dataset", .digest = in_digest, .size_bytes = 2, .meta_json = "{\"rows\":5}" };
    gm_artifact outs[] = { { .name = "model", .type = "model", .digest = out_digest, .size_bytes = 3 },
                           { .name = "metrics", .type = "metrics", .digest = in_digest, .size_bytes = 2 } };
    r.cpu_us = 10, r.peak_rss_bytes = 20, r.rows = 30, r.result_json = "{\"auc\":0.7}", r.log_digest = out_digest.hex;
    CHECK_OK(gm_step_commit(s, &r, &(gm_artifacts){ &in, 1 }, &(gm_artifacts){ outs, 2 }, &err), &err);

    gm_step_record maker;
    CHECK_OK(gm_action_get(s, "abc", arena, &found, &maker, &err), &err);
    CHECK(found.count == 2);
    CHECK_STR(found.items[0].name, "model");
    CHECK_STR(found.items[0].type, "model");
    CHECK_STR(found.items[0].digest.hex, out_digest.hex);
    CHECK_STR(found.items[0].meta_json, "");
    CHECK_STR(found.items[1].name, "metrics");
    CHECK(maker.id == r.id && maker.cpu_us == 10 && maker.peak_rss_bytes == 20 && maker.rows == 30 && maker.pid == 0);
    CHECK_STR(maker.state, "done");
    CHECK_STR(maker.result_json, "{\"auc\":0.7}");
    CHECK_STR(maker.key_fields, "{\"seed\":\"1\"}");
    CHECK_STR(maker.log_digest, out_digest.hex);
    CHECK_OK(gm_step_artifacts(s, r.id, true, arena, &found, &err), &err);
    CHECK(found.count == 1);
    CHECK_STR(found.items[0].meta_json, "{\"rows\":5}");
    CHECK_OK(gm_action_get(s, "abc", arena, NULL, NULL, &err), &err);
    CHECK_OK(gm_step_unfinished(s, arena, &steps, &count, &err), &err);
    CHECK(count == 0);
    done(s);
}

static void an_older_attempt_cannot_commit(void)
{
    gm_store *s = fresh();
    gm_digest d = put_text(s, "abc");
    gm_artifact out = { .name = "out", .type = "dataset", .digest = d };
    gm_artifacts outs = { &out, 1 };
    int64_t run = begin_run(s, "p");
    gm_step_record first = { .run_id = run, .name = "x", .key = "k" }, second = first, other = first;
    other.name = "y";
    CHECK_OK(gm_step_begin(s, &first, &err), &err);
    CHECK_OK(gm_step_begin(s, &second, &err), &err);
    CHECK_OK(gm_step_begin(s, &other, &err), &err); /* another step does not fence */
    CHECK(second.attempt == 2 && second.token > first.token);
    CHECK_RC(gm_step_commit(s, &first, NULL, &outs, &err), GM_ECONFLICT);
    CHECK_RC(gm_action_get(s, "k", arena, NULL, NULL, &err), GM_ENOTFOUND);
    gm_step_record forged = second;
    forged.token = first.token;
    CHECK_RC(gm_step_commit(s, &forged, NULL, &outs, &err), GM_ECONFLICT);
    CHECK_OK(gm_step_commit(s, &second, NULL, &outs, &err), &err);
    CHECK_RC(gm_step_commit(s, &second, NULL, &outs, &err), GM_ECONFLICT); /* once */
    first.state = "lost";
    CHECK_OK(gm_step_end(s, &first, &err), &err);
    CHECK_RC(gm_step_end(s, &first, &err), GM_ECONFLICT);
    gm_step_record maker;
    CHECK_OK(gm_action_get(s, "k", arena, NULL, &maker, &err), &err);
    CHECK(maker.id == second.id);
    done(s);
}

static void an_attempt_given_up_cannot_come_back(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    arena = gm_arena_new(0);
    gm_step_record r = { .run_id = begin_run(s, "p"), .name = "x", .key = "k" }, *left = NULL;
    size_t count = 0;
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    gm_store_close(s);

    s = open_store(root); /* as after a crash */
    CHECK_OK(gm_step_unfinished(s, arena, &left, &count, &err), &err);
    CHECK(count == 1);
    left[0].state = "lost";
    left[0].error = "the program ended";
    CHECK_OK(gm_step_end(s, &left[0], &err), &err);
    CHECK_RC(gm_step_commit(s, &r, NULL, NULL, &err), GM_ECONFLICT);
    done(s);
}

static void steps_that_did_not_end_well_leave_no_cache_entry(void)
{
    gm_store *s = fresh();
    int64_t run = begin_run(s, "p");
    gm_step_record r = { .run_id = run, .name = "x", .key = "k" }, skipped = { .run_id = run, .name = "y", .state = "skipped" };
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    r.state = "failed";
    r.error = "no such column";
    CHECK_OK(gm_step_end(s, &r, &err), &err);
    CHECK_OK(gm_step_end(s, &skipped, &err), &err); /* never begun */
    r.state = "done";
    CHECK_RC(gm_step_end(s, &r, &err), GM_EINVALID);
    CHECK_RC(gm_action_get(s, "k", arena, NULL, NULL, &err), GM_ENOTFOUND);
    gm_step_record *steps = NULL;
    size_t count = 0;
    CHECK_OK(gm_step_list(s, 0, arena, &steps, &count, &err), &err);
    CHECK(count == 2);
    CHECK_STR(steps[0].error, "no such column");
    CHECK_STR(steps[1].state, "skipped");
    done(s);
}

static void a_step_whose_artifact_has_no_digest_is_refused_whole(void)
{
    gm_store *s = fresh();
    gm_step_record r = { .run_id = begin_run(s, "p"), .name = "x", .key = "k" }, *steps = NULL;
    gm_artifact out = { .name = "out", .type = "dataset" };
    size_t count = 0;
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    CHECK_RC(gm_step_commit(s, &r, NULL, &(gm_artifacts){ &out, 1 }, &err), GM_EINVALID);
    CHECK_HAS(err.ctx[0], "artifact \"out\"");
    CHECK_OK(gm_step_unfinished(s, arena, &steps, &count, &err), &err);
    CHECK(count == 1); /* still running: nothing of the commit stands */
    done(s);
}

static void cached_steps_show_the_artifacts_of_their_maker(void)
{
    gm_store *s = fresh();
    gm_digest d = put_text(s, "abc");
    int64_t first = begin_run(s, "p");
    (void)commit_step(s, first, "x", "kx", &d);
    int64_t second = begin_run(s, "p");
    gm_step_record cached[] = { { .run_id = second, .name = "x", .key = "kx" }, { .run_id = second, .name = "y", .key = "ky" } }, *steps;
    size_t count = 0;
    CHECK_OK(gm_steps_cached(s, cached, 2, &err), &err);
    CHECK_OK(gm_step_list(s, 0, arena, &steps, &count, &err), &err);
    CHECK(count == 2);
    CHECK_STR(steps[0].state, "cached");
    CHECK_STR(steps[0].key_fields, "{\"code\":\"1\"}"); /* kept once, with the key */
    gm_artifacts found;
    CHECK_OK(gm_step_artifacts(s, steps[0].id, false, arena, &found, &err), &err);
    CHECK(found.count == 1);
    CHECK_STR(found.items[0].digest.hex, d.hex);
    done(s);
}

static void why_finds_the_nearest_other_key(void)
{
    gm_store *s = fresh();
    gm_digest d = put_text(s, "abc");
    gm_step_record r;
    (void)commit_step(s, begin_run(s, "p"), "x", "k1", &d);
    CHECK_RC(gm_step_nearest(s, "x", "k1", arena, &r, &err), GM_ENOTFOUND);
    (void)commit_step(s, begin_run(s, "p"), "x", "k2", &d);
    (void)commit_step(s, begin_run(s, "p"), "z", "k3", &d);
    CHECK_OK(gm_step_nearest(s, "x", "k9", arena, &r, &err), &err);
    CHECK_STR(r.key, "k2");
    CHECK_OK(gm_step_nearest(s, "x", "k2", arena, &r, &err), &err);
    CHECK_STR(r.key, "k1");
    CHECK_STR(r.key_fields, "{\"code\":\"1\"}");
    done(s);
}

static void lineage_goes_both_ways(void)
{
    gm_store *s = fresh();
    gm_digest raw = put_text(s, "raw"), table = put_text(s, "table");
    gm_artifact in = { .name = "in", .type = "dataset", .digest = table }, out = { .name = "m", .type = "model", .digest = raw };
    int64_t run = begin_run(s, "p"), load = commit_step(s, run, "load", "k1", &table);
    gm_step_record r = { .run_id = run, .name = "train", .key = "k2" }, maker, *users = NULL;
    size_t count = 0;
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    CHECK_OK(gm_step_commit(s, &r, &(gm_artifacts){ &in, 1 }, &(gm_artifacts){ &out, 1 }, &err), &err);
    CHECK_OK(gm_lineage_maker(s, &table, arena, &maker, &err), &err);
    CHECK(maker.id == load);
    CHECK_OK(gm_lineage_users(s, &table, arena, &users, &count, &err), &err);
    CHECK(count == 1 && users[0].id == r.id);
    CHECK_OK(gm_lineage_users(s, &raw, arena, &users, &count, &err), &err);
    CHECK(count == 0);
    gm_digest_of("x", 1, &raw);
    CHECK_RC(gm_lineage_maker(s, &raw, arena, &maker, &err), GM_ENOTFOUND);
    done(s);
}

TESTS(T(runs_are_begun_ended_and_listed_newest_first), T(a_committed_step_is_found_under_its_key_with_all_it_said),
      T(an_older_attempt_cannot_commit), T(an_attempt_given_up_cannot_come_back),
      T(steps_that_did_not_end_well_leave_no_cache_entry), T(a_step_whose_artifact_has_no_digest_is_refused_whole),
      T(cached_steps_show_the_artifacts_of_their_maker), T(why_finds_the_nearest_other_key), T(lineage_goes_both_ways))
