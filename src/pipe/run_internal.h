/* run_internal.h - one run in progress; shared by run.c and attempt.c only. */
#ifndef GM_PIPE_RUN_INTERNAL_H
#define GM_PIPE_RUN_INTERNAL_H

#include "pipe/executor.h"
#include "pipe/run.h"

/* A step that is in a process now. */
typedef struct gm_attempt {
    size_t step;     /* index in the graph */
    const char *dir; /* its folder         */
    gm_job job;
    int64_t deadline_us; /* monotonic; 0 = none */
    bool timed_out;
} gm_attempt;

typedef struct gm_runner {
    gm_store *store;
    const gm_executor *executor;
    gm_graph *g;
    const gm_run_options *o;
    gm_arena *a;
    int64_t run_id;
    const char *dir;      /* tmp folder of the run */
    const char *champion; /* digest of the champion's package before the run, "" = none */
    gm_run_result *result;
    gm_err first; /* of the step that failed first */
    bool failed;
    bool planning; /* take what is cached, start nothing, write nothing */
} gm_runner;

/* What is kept beside an output: {"file": the name it was made under}. In a, NULL when out of memory. */
const char *gm_artifact_meta(gm_arena *a, const char *file);
/* Make the folder, write the intent, start the process. */
gm_rc gm_attempt_start(gm_runner *r, size_t step, int64_t attempt_number, gm_attempt *out, gm_err *err);
/* Read what it left, keep the outputs, commit or record the failure. out_step_rc: the step's own answer; the return value is for
 * failures of ours (disk full, store gone). */
gm_rc gm_attempt_finish(gm_runner *r, gm_attempt *t, gm_rc *out_step_rc, gm_err *step_err, gm_err *err);
/* The steps that need no process. */
gm_rc gm_register_package(gm_runner *r, gm_step *s, gm_err *err);
/* out_waits: in a plan, that the step has something to do. */
gm_rc gm_deploy_version(gm_runner *r, gm_step *s, bool *out_waits, gm_err *err);
/* The version that this package is, when registering it changes nothing; 0 = it must be registered, or made champion. */
gm_rc gm_registered_already(gm_runner *r, const gm_digest *package, int64_t *out_version, gm_err *err);
gm_rc gm_keep_card(gm_runner *r, gm_step *s, gm_err *err);
/* Intent and commit of such a step: one JSON text as its only output. */
gm_rc gm_inside_begin(gm_runner *r, gm_step *s, const char *kind, gm_err *err);
gm_rc gm_inside_commit(gm_runner *r, gm_step *s, const char *output, const char *file, const char *text, size_t len, gm_err *err);
/* Open a run record when the first thing is about to be recorded. */
gm_rc gm_runner_begin(gm_runner *r, gm_err *err);

#endif
