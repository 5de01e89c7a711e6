/* test_up_retrain.c - wishes one after another, with a clock and a runner of the test's own: nothing is lost, nothing doubled. */
#include "loop/retrain.h"
#include "store/release.h"
#include "unit/loop/up_fixture.h"

#define HOUR ((int64_t)3600000000)

/* A process that the test ends when it likes. */
typedef struct process {
    int64_t started[64];
    int count, code;
    bool over, fails_to_start, stopped;
    const char *words;
} process;

static process p;
static gm_retrain *r;

static gm_rc start(void *ctx, int64_t id, gm_err *e)
{
    process *q = ctx;
    if (q->fails_to_start) return gm_err_set(e, GM_EUNAVAILABLE, "no more processes");
    q->started[q->count++] = id;
    q->over = false;
    return GM_OK;
}

static bool ended(void *ctx, int *out_code, const char **out_words)
{
    process *q = ctx;
    *out_code = q->code;
    *out_words = q->words ? q->words : "";
    return q->over;
}

static void stop(void *ctx)
{
    ((process *)ctx)->stopped = true;
}

static void open_retrain(void)
{
    gm_retrain_options o = { .store = store,
                             .spec = &spec,
                             .runner = { .ctx = &p, .start = start, .ended = ended, .stop = stop } };
    p = (process){ 0 };
    CHECK_OK(gm_retrain_new(&o, &r, &err), &err);
}

static void fresh(void)
{
    fresh_up();
    spec.retrain.at_most = 0;
    open_retrain();
}

static void done(void)
{
    gm_retrain_free(r);
    done_up();
}

static void tick(int64_t now_us)
{
    CHECK_OK(gm_retrain_tick(r, now_us, &err), &err);
}

static void end(int code)
{
    p.over = true;
    p.code = code;
}

static void a_wish_is_run_and_its_outcome_is_read_from_the_records(void)
{
    fresh();
    tick(HOUR);
    CHECK(p.count == 0);
    int64_t id = wish("manual", "m", HOUR);
    tick(HOUR + 1);
    CHECK(p.count == 1 && p.started[0] == id);
    gm_trigger_record t = trigger(id);
    CHECK_STR(t.state, "running");
    CHECK(t.started_us == HOUR + 1 && t.attempts == 1);
    tick(HOUR + 2); /* still at work */
    CHECK(p.count == 1);
    int64_t run = run_of(id, "done", false), version = model_of(run, "a", "champion");
    end(0);
    tick(HOUR + 3);
    t = trigger(id);
    CHECK_STR(t.state, "done");
    CHECK(t.run_id == run && t.model_version == version && t.ended_us == HOUR + 3);
    CHECK_STR(t.outcome, "registered churn/1, champion at once");
    tick(HOUR + 4);
    CHECK(p.count == 1);
    done();
}

static void what_waits_when_one_begins_is_its_work_too(void)
{
    fresh();
    int64_t a = wish("drift", "a", 10), b = wish("new data", "b", 20), c = wish("webhook", "c", 30);
    gm_trigger_spec webhook = { .kind = GM_TRIGGER_WEBHOOK };
    spec.retrain.triggers = &webhook;
    spec.retrain.triggers_count = 1;
    tick(40);
    CHECK(p.count == 1 && p.started[0] == a); /* the oldest */
    CHECK_STR(trigger(b).state, "dropped");
    CHECK_STR(trigger(c).state, "dropped");
    CHECK_HAS(trigger(b).outcome, "does its work");
    int64_t later = wish("drift", "later", 50);
    tick(60);
    CHECK_STR(trigger(later).state, "waiting"); /* it may be about data that the run did not see */
    (void)run_of(a, "done", false);
    end(0);
    tick(70);
    CHECK(p.count == 2 && p.started[1] == later);
    done();
}

static void no_more_than_at_most(void)
{
    gm_retrain_status s;
    fresh();
    spec.retrain.at_most = 1;
    spec.retrain.at_most_us = 24 * HOUR;
    int64_t a = wish("drift", "a", 10 * HOUR);
    tick(10 * HOUR);
    (void)run_of(a, "done", false);
    end(0);
    tick(11 * HOUR);
    int64_t b = wish("drift", "b", 12 * HOUR);
    tick(12 * HOUR);
    tick(34 * HOUR - 1);
    CHECK(p.count == 1);
    CHECK_STR(trigger(b).state, "waiting"); /* put off, not lost */
    gm_retrain_status_get(r, &s);
    CHECK(s.waiting == 1 && s.running == 0);
    CHECK_HAS(s.why, "at most 1 in 24 h");
    int64_t now = wish("manual", GM_RETRAIN_NOW "x", 33 * HOUR);
    tick(33 * HOUR);
    CHECK(p.count == 2 && p.started[1] == now); /* a person who says so waits for nothing */
    CHECK_STR(trigger(b).state, "dropped");
    (void)run_of(now, "done", false);
    end(0);
    int64_t c = wish("drift", "c", 35 * HOUR);
    tick(35 * HOUR);
    CHECK(p.count == 2);
    tick(57 * HOUR);
    CHECK(p.count == 3 && p.started[2] == c);
    done();
}

static void what_a_crash_left_goes_on(void)
{
    fresh();
    int64_t id = wish("drift", "a", 10), other = wish("drift", "b", 10);
    gm_trigger_record t = { .id = id, .state = "running", .started_us = 20 };
    CHECK_OK(gm_trigger_set(store, &t, &err), &err); /* and then the loop was killed */
    (void)run_of(id, NULL, false);                   /* its run too, in the middle */
    tick(1000);
    CHECK(p.count == 1 && p.started[0] == id);
    t = trigger(id);
    CHECK(t.attempts == 2 && t.started_us == 20);
    CHECK_STR(trigger(other).state, "dropped"); /* asked before it began */
    done();
}

static void an_answer_that_was_not_taken_in_is_not_run_again(void)
{
    fresh();
    int64_t id = wish("drift", "a", 10);
    gm_trigger_record t = { .id = id, .state = "running", .started_us = 20 };
    CHECK_OK(gm_trigger_set(store, &t, &err), &err);
    (void)run_of(id, NULL, false);
    int64_t run = run_of(id, "done", false);
    (void)model_of(run, "a", "champion");
    tick(1000);
    CHECK(p.count == 0);
    t = trigger(id);
    CHECK_STR(t.state, "done");
    CHECK(t.attempts == 1 && t.run_id == run && t.model_version == 1);
    done();
}

static void a_version_registered_by_a_run_that_was_cut_off_is_the_wishs_own(void)
{
    fresh();
    int64_t id = wish("drift", "a", 10);
    tick(20);
    (void)model_of(run_of(id, NULL, false), "a", "champion");
    end(-1);
    tick(30);
    tick(HOUR);
    CHECK(p.count == 2);
    (void)run_of(id, "done", false); /* everything from the cache, nothing to register */
    end(0);
    tick(HOUR + 1);
    CHECK_STR(trigger(id).outcome, "registered churn/1, champion at once");
    done();
}

static void a_process_that_is_ended_is_started_again_after_growing_pauses(void)
{
    fresh();
    int64_t id = wish("drift", "a", 10), now = 100;
    tick(now);
    int64_t last = 0;
    for (int i = 1; i < 10; i++) {
        CHECK(p.count == i);
        end(-1);
        tick(now);
        CHECK_STR(trigger(id).state, "running");
        int64_t pause = 0;
        for (; p.count == i; pause += 500000) tick(now += 500000);
        CHECK(pause >= last || pause == 60000000);
        CHECK(pause <= 61000000);
        last = pause;
    }
    end(-1);
    tick(now);
    CHECK_STR(trigger(id).state, "failed"); /* the tenth time */
    CHECK_HAS(trigger(id).outcome, "10 attempts");
    done();
}

static void a_failure_that_may_pass_goes_on_and_another_is_the_end(void)
{
    fresh();
    int64_t id = wish("drift", "a", 10);
    tick(20);
    (void)run_of(id, "failed", true); /* one of its steps was killed */
    end(gm_rc_exit_code(GM_EUNAVAILABLE));
    tick(30);
    CHECK_STR(trigger(id).state, "running");
    tick(HOUR);
    CHECK(p.count == 2);
    (void)run_of(id, "failed", false);
    end(gm_rc_exit_code(GM_EINVALID));
    tick(HOUR + 1);
    CHECK_STR(trigger(id).state, "failed");
    int64_t second = wish("drift", "b", HOUR);
    tick(HOUR + 2);
    p.words = "gristmill.yaml:3:1: unrecognized key \"feautres\"";
    end(gm_rc_exit_code(GM_EINVALID)); /* no record at all: the file has a mistake */
    tick(HOUR + 3);
    CHECK_STR(trigger(second).state, "failed");
    CHECK_HAS(trigger(second).outcome, "feautres");
    done();
}

static void a_store_in_use_is_waited_for(void)
{
    fresh();
    int64_t id = wish("drift", "a", 10);
    p.fails_to_start = true;
    tick(20);
    CHECK_STR(trigger(id).state, "running");
    p.fails_to_start = false;
    tick(HOUR);
    CHECK(p.count == 1);
    for (int i = 0; i < 30; i++) { /* a run of a person's own may take as long as it likes */
        end(gm_rc_exit_code(GM_ECONFLICT));
        tick(HOUR * (i + 2));
        CHECK_STR(trigger(id).state, "running");
        tick(HOUR * (i + 2) + HOUR / 2);
    }
    CHECK(p.count == 31);
    done();
}

static void a_refusal_says_which_gate(void)
{
    fresh();
    int64_t id = wish("decay", "a", 10), run = 0;
    tick(20);
    run = run_of(id, "refused", false);
    gm_step_record s = { .run_id = run, .name = "gates", .kind = "gates", .key = "k", .key_fields = "{}" };
    CHECK_OK(gm_step_begin(store, &s, &err), &err);
    s.state = "failed";
    s.error = "the gate \"roc_auc >= champion\" is not passed: 0.636 against 0.652";
    CHECK_OK(gm_step_end(store, &s, &err), &err);
    end(gm_rc_exit_code(GM_EREFUSED));
    tick(30);
    CHECK_STR(trigger(id).state, "refused");
    CHECK_STR(trigger(id).outcome, "gates: the gate \"roc_auc >= champion\" is not passed: 0.636 against 0.652");
    CHECK(trigger(id).run_id == run);
    done();
}

static void a_release_is_decided_before_the_next_training_and_its_end_is_told(void)
{
    gm_retrain_status s;
    fresh();
    (void)model_of(0, "old", "champion");
    int64_t id = wish("drift", "a", 10), release = 0;
    tick(20);
    int64_t version = model_of(run_of(id, "done", false), "new", "");
    gm_release rel = { .model = "churn", .candidate = version, .mode = GM_RELEASE_CANARY, .share = 0.1, .actor = "run" };
    CHECK_OK(gm_release_begin(store, &rel, &release, &err), &err);
    end(0);
    tick(30);
    CHECK_HAS(trigger(id).outcome, "registered churn/2; canary of 10 % of the requests (release 1): running");
    int64_t next = wish("drift", "b", 40);
    tick(50);
    CHECK(p.count == 1);
    gm_retrain_status_get(r, &s);
    CHECK_STR(s.why, "release 1 of churn/2 is undecided");
    CHECK_OK(gm_release_end(store, release, "rolled_back", "error_rate 3 % against 0.1 %", &err), &err);
    tick(60);
    CHECK_HAS(trigger(id).outcome, "(release 1): rolled back, error_rate 3 % against 0.1 %");
    CHECK(p.count == 2 && p.started[1] == next);
    done();
}

static void a_webhook_that_the_file_does_not_have_is_dropped(void)
{
    fresh();
    int64_t id = wish("webhook", "w", 10);
    tick(20);
    CHECK(p.count == 0);
    CHECK_STR(trigger(id).state, "dropped");
    CHECK_HAS(trigger(id).outcome, "webhook");
    done();
}

static void what_is_stopped_waits_for_the_next_start(void)
{
    fresh();
    int64_t id = wish("drift", "a", 10);
    tick(20);
    gm_retrain_free(r);
    CHECK(p.stopped);
    CHECK_STR(trigger(id).state, "waiting");
    open_retrain();
    tick(30);
    CHECK(p.count == 1);
    (void)run_of(id, "done", false); /* it came to an end just before it was stopped */
    gm_retrain_free(r);
    CHECK_STR(trigger(id).state, "done");
    r = NULL;
    done();
}

TESTS(T(a_wish_is_run_and_its_outcome_is_read_from_the_records), T(what_waits_when_one_begins_is_its_work_too),
      T(no_more_than_at_most), T(what_a_crash_left_goes_on), T(an_answer_that_was_not_taken_in_is_not_run_again),
      T(a_version_registered_by_a_run_that_was_cut_off_is_the_wishs_own),
      T(a_process_that_is_ended_is_started_again_after_growing_pauses), T(a_failure_that_may_pass_goes_on_and_another_is_the_end),
      T(a_store_in_use_is_waited_for), T(a_refusal_says_which_gate),
      T(a_release_is_decided_before_the_next_training_and_its_end_is_told), T(a_webhook_that_the_file_does_not_have_is_dropped),
      T(what_is_stopped_waits_for_the_next_start))
