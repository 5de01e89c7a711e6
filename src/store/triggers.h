/* triggers.h - wishes to retrain, and what became of them. A wish is a row before it is acted on, and its cause is unique, so
 * that a crash neither loses nor doubles a retraining: whoever restarts finds the running one and goes on with it. All of it may
 * be done `beside` a run (store.h). */
#ifndef GM_STORE_TRIGGERS_H
#define GM_STORE_TRIGGERS_H

#include "store/store.h"

typedef struct gm_trigger_record {
    int64_t id;
    const char *pipeline, *kind; /* kind: gm_trigger_kind_name */
    const char
        *cause; /* unique within the pipeline: "schedule 2026-12-01T03:00", "drift 2013-04-09..2013-04-10", "new data <digest>" */
    const char *reason; /* for people */
    int64_t asked_us;
    const char
        *state; /* waiting, running, done, failed, refused (a gate said no), dropped (at_most, or a newer one did its work) */
    int64_t started_us, ended_us;
    int64_t attempts;              /* how often a process began to run it */
    int64_t run_id, model_version; /* 0 = none */
    const char *outcome; /* "registered flights/4, canary 10 %", "gate roc_auc >= champion - 0.005: 0.636 wanted 0.652" */
} gm_trigger_record;

/* A wish with a known cause is the old one, whatever became of it: *out_new false. asked_us 0 = now. Durable on GM_OK. */
gm_rc gm_trigger_ask(gm_store *s, const gm_trigger_record *t, int64_t *out_id, bool *out_new, gm_err *err);
/* The same, but a wish of the pipeline that waits and whose cause begins with begin takes over cause and reason instead: one that
 * looks again and again has at most one wish waiting. *out_new is false then, and asked_us stays that of the older one. */
gm_rc gm_trigger_ask_instead(gm_store *s, const gm_trigger_record *t, const char *begin, int64_t *out_id, bool *out_new,
                             gm_err *err);
/* Those that wait and were asked for at or before a time are dropped, all at once. Durable on GM_OK. */
gm_rc gm_trigger_drop_waiting(gm_store *s, const char *pipeline, int64_t asked_until_us, int64_t ended_us, const char *outcome,
                              gm_err *err);
/* An end also forgets old ones of the pipeline: over for 90 days, and not among its newest 1,000. Those of windows stay, as long
 * as windows do. By id; writes state, started_us, ended_us, run_id, model_version, outcome. waiting -> running (attempts + 1) or
 * dropped; running -> running (attempts + 1: begun again after a crash), waiting (it could not begin; started_us is forgotten),
 * or an end. Durable on GM_OK. Errors: GM_ENOTFOUND; GM_EINVALID no such state; GM_ECONFLICT from any other state, or when
 * another one of the pipeline runs. */
gm_rc gm_trigger_set(gm_store *s, const gm_trigger_record *t, gm_err *err);
/* A new text for one that is over: what became of its release since. Errors: GM_ENOTFOUND, GM_ECONFLICT (it is not over). */
gm_rc gm_trigger_note(gm_store *s, int64_t id, const char *outcome, gm_err *err);
/* Newest first. state NULL = any; limit 0 = all. */
gm_rc gm_trigger_list(gm_store *s, const char *pipeline_or_null, const char *state_or_null, int64_t limit, gm_arena *a,
                      gm_trigger_record **out, size_t *out_count, gm_err *err);
/* Begun at or after a time, whatever became of them: for at_most. */
gm_rc gm_trigger_count(gm_store *s, const char *pipeline, int64_t started_since_us, int64_t *out, gm_err *err);

#endif
