/* retrain.c - see retrain.h. */
#include "loop/retrain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/column.h"
#include "loop/trigger_look.h"
#include "loop/trigger_run.h"
#include "store/release.h"

enum { DEATHS_MAX = 10, NOTED_MAX = 20 };
static const int64_t again_first_us = 1000000, again_most_us = 60000000;

struct gm_retrain {
    gm_retrain_options o;
    int64_t running;                 /* the wish whose process was started here and not yet taken in; 0 = none */
    int64_t now_us;                  /* of the last look */
    int64_t not_before_us, pause_us; /* after a process that came to no answer */
    int64_t deaths;                  /* of processes of one wish, in a row */
    int64_t deaths_of;
    gm_retrain_status status;
};

gm_rc gm_retrain_new(const gm_retrain_options *o, gm_retrain **out, gm_err *err)
{
    gm_retrain *r = calloc(1, sizeof(*r));
    if (!r) return gm_err_set(err, GM_ENOMEM, "not enough memory to retrain");
    r->o = *o;
    *out = r;
    return GM_OK;
}

void gm_retrain_respec(gm_retrain *r, const gm_spec *spec)
{
    r->o.spec = spec;
}

void gm_retrain_status_get(const gm_retrain *r, gm_retrain_status *out)
{
    *out = r->status;
}

static void say(const gm_retrain *r, const gm_trigger_record *t, const char *what)
{
    if (r->o.say) r->o.say(r->o.say_ctx, t, what ? what : "");
}

static gm_rc wishes(gm_retrain *r, const char *state, gm_arena *a, gm_trigger_record **out, size_t *out_count, gm_err *err)
{
    return gm_trigger_list(r->o.store, r->o.spec->pipeline, state, 0, a, out, out_count, err);
}

static bool is_now(const gm_trigger_record *t)
{
    return strncmp(t->cause, GM_RETRAIN_NOW, sizeof(GM_RETRAIN_NOW) - 1) == 0;
}

/* ---- the end of one ----------------------------------------------------------------------------------------------------- */

static gm_rc finish(gm_retrain *r, gm_trigger_record *t, const char *state, const char *outcome, const gm_trigger_run *run,
                    int64_t now_us, gm_arena *a, gm_err *err)
{
    t->state = state;
    t->ended_us = now_us;
    t->outcome = outcome;
    if (run) {
        t->run_id = run->run_id;
        t->model_version = run->version;
    }
    gm_rc rc = gm_trigger_set(r->o.store, t, err);
    if (rc) return rc;
    r->running = r->deaths = r->not_before_us = r->pause_us = 0;
    say(r, t, gm_arena_printf(a, "%s: %s", state, outcome));
    return GM_OK;
}

/* Take in an answer, if the records have one. */
static gm_rc take_answer(gm_retrain *r, gm_trigger_record *t, int64_t now_us, gm_arena *a, bool *out_answered, gm_err *err)
{
    gm_trigger_run run;
    const char *outcome = NULL;
    gm_rc rc = gm_trigger_run_find(r->o.store, t->id, a, &run, err);
    *out_answered = !rc && run.ended;
    if (rc || !run.ended) return rc;
    rc = gm_trigger_outcome(r->o.store, t->pipeline, &run, a, &outcome, err);
    return rc ? rc : finish(r, t, run.state, outcome, &run, now_us, a, err);
}

/* ---- beginning ------------------------------------------------------------------------------------------------------------ */

static void pause_after(gm_retrain *r, int64_t now_us)
{
    r->pause_us = r->pause_us ? r->pause_us * 2 : again_first_us;
    if (r->pause_us > again_most_us) r->pause_us = again_most_us;
    r->not_before_us = now_us + r->pause_us;
}

/* See (4). Also when a running one is taken up again, since a crash may have come between. */
static gm_rc drop_others(gm_retrain *r, const gm_trigger_record *t, gm_arena *a, gm_err *err)
{
    gm_trigger_record *all = NULL;
    size_t count = 0, old = 0;
    const char *outcome = gm_arena_printf(a, "trigger %" PRId64 " does its work", t->id);
    if (!outcome) return gm_err_set(err, GM_ENOMEM, "not enough memory to look at the triggers");
    gm_rc rc = wishes(r, "waiting", a, &all, &count, err);
    for (size_t i = 0; !rc && i < count; i++)
        if (all[i].asked_us <= t->started_us) all[old++] = all[i];
    if (rc || !old) return rc;
    rc = gm_trigger_drop_waiting(r->o.store, t->pipeline, t->started_us, t->started_us, outcome, err);
    for (size_t i = 0; !rc && i < old; i++) say(r, &all[i], gm_arena_printf(a, "dropped: %s", outcome));
    return rc;
}

/* The wish is on record as running; started_us is kept when it goes on after a crash. */
static gm_rc begin(gm_retrain *r, gm_trigger_record *t, int64_t now_us, gm_arena *a, gm_err *err)
{
    bool again = strcmp(t->state, "running") == 0;
    t->state = "running";
    if (!again) t->started_us = now_us;
    t->ended_us = 0;
    t->outcome = "";
    gm_rc rc = gm_trigger_set(r->o.store, t, err);
    if (!rc) rc = drop_others(r, t, a, err);
    if (rc) return rc;
    gm_err start_err;
    if (r->o.runner.start(r->o.runner.ctx, t->id, &start_err)) { /* no process: another time */
        pause_after(r, now_us);
        say(r, t, gm_arena_printf(a, "could not begin: %s", start_err.message));
        return GM_OK;
    }
    r->running = t->id;
    say(r, t, again ? "goes on" : gm_arena_printf(a, "began: %s", t->reason));
    return GM_OK;
}

/* Cut off, or failed for a reason that may pass; or it says that all is well: then its answer is there at the next look. */
static bool may_go_on(int code)
{
    if (code <= 0 || code == gm_rc_exit_code(GM_ECANCELED)) return true;
    for (gm_rc rc = GM_OK + 1; rc < GM_RC_COUNT; rc++)
        if (gm_rc_may_retry(rc) && gm_rc_exit_code(rc) == code) return true;
    return false;
}

/* A process that left no answer: the store was in use, it was killed, the file has mistakes. */
static gm_rc no_answer(gm_retrain *r, gm_trigger_record *t, int code, const char *words, int64_t now_us, gm_arena *a, gm_err *err)
{
    r->running = 0;
    if (code == gm_rc_exit_code(GM_ECONFLICT)) {
        pause_after(r, now_us);
        say(r, t, gm_arena_printf(a, "waits: %s", words));
        return GM_OK;
    }
    if (may_go_on(code)) {
        r->deaths = r->deaths_of == t->id ? r->deaths + 1 : 1;
        r->deaths_of = t->id;
        if (r->deaths >= DEATHS_MAX)
            return finish(r, t, "failed",
                          gm_arena_printf(a, "it did not come to an end in %" PRId64 " attempts: %s", r->deaths,
                                          words[0] ? words : "its process was ended"),
                          NULL, now_us, a, err);
        pause_after(r, now_us);
        say(r, t, gm_arena_printf(a, "will go on: %s", words[0] ? words : "its process was ended"));
        return GM_OK;
    }
    return finish(r, t, "failed",
                  words && words[0] ? words : gm_arena_printf(a, "the run ended with code %d and no record", code), NULL, now_us,
                  a, err);
}

/* ---- which one ------------------------------------------------------------------------------------------------------------ */

/* Why nothing may begin now, in r->status.why; "" = it may. */
static gm_rc obstacle(gm_retrain *r, const gm_trigger_record *t, int64_t now_us, gm_arena *a, gm_err *err)
{
    const gm_retrain_spec *spec = &r->o.spec->retrain;
    gm_release release;
    int64_t begun = 0;
    r->status.why[0] = '\0';
    if (is_now(t) || strncmp(t->cause, GM_TRIGGER_FIRST, strlen(GM_TRIGGER_FIRST)) == 0) return GM_OK;
    gm_rc rc = gm_release_get(r->o.store, t->pipeline, a, &release, err);
    if (!rc) {
        (void)snprintf(r->status.why, sizeof(r->status.why), "release %" PRId64 " of %s/%" PRId64 " is undecided", release.id,
                       release.model, release.candidate);
        return GM_OK;
    }
    if (rc != GM_ENOTFOUND) return rc;
    if (spec->at_most <= 0) return GM_OK;
    rc = gm_trigger_count(r->o.store, t->pipeline, now_us - spec->at_most_us + 1, &begun, err);
    if (!rc && begun >= spec->at_most)
        (void)snprintf(r->status.why, sizeof(r->status.why), "at most %" PRId64 " in %g h, and %" PRId64 " began in that time",
                       spec->at_most, (double)spec->at_most_us / 3600e6, begun);
    return rc;
}

/* A webhook that the file does not have. */
static gm_rc drop_unwanted(gm_retrain *r, gm_trigger_record *t, int64_t now_us, gm_arena *a, bool *out_dropped, gm_err *err)
{
    *out_dropped =
        strcmp(t->kind, gm_trigger_kind_name(GM_TRIGGER_WEBHOOK)) == 0 && !gm_trigger_wanted(r->o.spec, GM_TRIGGER_WEBHOOK);
    if (!*out_dropped) return GM_OK;
    t->state = "dropped";
    t->ended_us = now_us;
    t->outcome = "the file does not say `when: webhook`";
    gm_rc rc = gm_trigger_set(r->o.store, t, err);
    if (!rc) say(r, t, gm_arena_printf(a, "dropped: %s", t->outcome));
    return rc;
}

/* The oldest that waits, or the oldest that asks for now. */
static gm_rc begin_next(gm_retrain *r, int64_t now_us, gm_arena *a, gm_err *err)
{
    gm_trigger_record *all = NULL, *next = NULL;
    size_t count = 0;
    gm_rc rc = wishes(r, "waiting", a, &all, &count, err);
    r->status.waiting = 0;
    for (size_t i = count; !rc && i-- > 0;) { /* newest first in the list */
        bool dropped = false;
        rc = drop_unwanted(r, &all[i], now_us, a, &dropped, err);
        if (dropped) continue;
        r->status.waiting++;
        if (!next || (is_now(&all[i]) && !is_now(next))) next = &all[i];
    }
    if (rc || !next) {
        r->status.why[0] = '\0';
        return rc;
    }
    rc = obstacle(r, next, now_us, a, err);
    if (rc || r->status.why[0] || now_us < r->not_before_us) return rc;
    rc = begin(r, next, now_us, a, err);
    return rc == GM_ECONFLICT ? GM_OK : rc; /* somebody else was quicker: the next look sees it */
}

/* ---- what became of releases ------------------------------------------------------------------------------------------------
 */

/* The outcome names the end of the release, which comes later than that of the run. */
static gm_rc renew_outcomes(gm_retrain *r, gm_arena *a, gm_err *err)
{
    gm_trigger_record *all = NULL;
    size_t count = 0;
    gm_rc rc = gm_trigger_list(r->o.store, r->o.spec->pipeline, "done", NOTED_MAX, a, &all, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_trigger_run run;
        const char *outcome = NULL;
        if (!strstr(all[i].outcome, ": running")) continue;
        rc = gm_trigger_run_find(r->o.store, all[i].id, a, &run, err);
        if (rc || !run.ended) continue;
        rc = gm_trigger_outcome(r->o.store, all[i].pipeline, &run, a, &outcome, err);
        if (rc || strcmp(outcome, all[i].outcome) == 0) continue;
        rc = gm_trigger_note(r->o.store, all[i].id, outcome, err);
        if (!rc) say(r, &all[i], outcome);
    }
    return rc;
}

/* ---- the tick ---------------------------------------------------------------------------------------------------------------
 */

static gm_rc tick(gm_retrain *r, int64_t now_us, gm_arena *a, gm_err *err)
{
    gm_trigger_record *running = NULL;
    size_t count = 0;
    int code = 0;
    bool answered = false;
    const char *words = "";
    if (r->running && !r->o.runner.ended(r->o.runner.ctx, &code, &words)) return GM_OK;
    bool ended = r->running != 0;
    gm_rc rc = wishes(r, "running", a, &running, &count, err);
    if (rc) return rc;
    r->status.running = 0;
    if (count) {
        gm_trigger_record *t = &running[0];
        rc = take_answer(r, t, now_us, a, &answered, err);
        if (!rc && !answered && ended)
            rc = no_answer(r, t, code, words, now_us, a, err);
        else if (!rc && !answered && now_us >= r->not_before_us)
            rc = begin(r, t, now_us, a, err);
    } else {
        r->running = 0; /* somebody else has taken it in */
    }
    if (!rc) rc = renew_outcomes(r, a, err);
    if (!rc && (!count || answered)) rc = begin_next(r, now_us, a, err);
    if (!rc) r->status.running = r->running;
    return rc;
}

gm_rc gm_retrain_tick(gm_retrain *r, int64_t now_us, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    r->now_us = now_us;
    gm_rc rc = a ? tick(r, now_us, a, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to look at the triggers");
    gm_arena_free(a);
    return rc;
}

/* What runs is ended with us: its wish stays `running` when the records cannot be written now, and the next start goes on either
 * way. */
void gm_retrain_free(gm_retrain *r)
{
    if (!r) return;
    if (r->running) {
        gm_err ignored;
        gm_trigger_record *running = NULL;
        size_t count = 0;
        bool answered = false;
        gm_arena *a = gm_arena_new(0);
        r->o.runner.stop(r->o.runner.ctx);
        if (a && wishes(r, "running", a, &running, &count, &ignored) == GM_OK && count &&
            take_answer(r, &running[0], r->now_us, a, &answered, &ignored) == GM_OK && !answered) {
            running[0].state = "waiting";
            running[0].outcome = "it was stopped, and will go on";
            (void)gm_trigger_set(r->o.store, &running[0], &ignored);
        }
        gm_arena_free(a);
    }
    free(r);
}
