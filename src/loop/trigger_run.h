/* trigger_run.h - what became of the run that a wish led to, read from the records alone.
 *
 * `gristmill run --trigger N` names the wish in the run's record before anything else is done, so that whoever comes later, after
 * any crash, can tell whether it came to an answer. */
#ifndef GM_LOOP_TRIGGER_RUN_H
#define GM_LOOP_TRIGGER_RUN_H

#include "store/triggers.h"

typedef struct gm_trigger_run {
    int64_t run_id;      /* the newest run of the wish; 0 = none was begun                              */
    bool ended;          /* it came to an answer; else it was cut off, failed for a passing reason, or is still working */
    const char *state;   /* done, refused, failed; "" while not ended                                   */
    int64_t version;     /* of the model: registered by this wish, or the champion that it came to again; 0 = none */
    bool version_is_new; /* registered by a run of this wish                                            */
    const char *why;     /* refused, failed: what the step said; ""                                     */
} gm_trigger_run;

/* In a. Errors: those of reading a store. */
gm_rc gm_trigger_run_find(gm_store *s, int64_t trigger, gm_arena *a, gm_trigger_run *out, gm_err *err);

/* The outcome for people, in a: "registered flights/4, champion at once", "registered flights/4; canary of 10 % of the requests
 * (release 3): promoted, ran 1 h and nothing spoke against it", "the gate ... is not passed: ...". */
gm_rc gm_trigger_outcome(gm_store *s, const char *pipeline, const gm_trigger_run *run, gm_arena *a, const char **out,
                         gm_err *err);

#endif
