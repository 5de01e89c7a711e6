/* graph.h - the steps that a pipeline stands for, and what flows between them. */
#ifndef GM_PIPE_GRAPH_H
#define GM_PIPE_GRAPH_H

#include "pipe/spec.h"
#include "pipe/step.h"
#include "store/store.h"

/* An input: another step's output, or a user's file. */
typedef struct gm_edge {
    const char *name;   /* as the step knows it                                        */
    int from;           /* index of the step it comes from; -1 = a file or a fixed digest */
    const char *output; /* of that step                                                */
    const char *path;   /* a user's file or folder, beside the pipeline file           */
    const char *type;
    bool optional;    /* the step may have given nothing                             */
    gm_digest digest; /* known for fixed digests; files are digested when the key is made */
} gm_edge;

typedef enum gm_inside { GM_INSIDE_NO = 0, GM_INSIDE_REGISTER, GM_INSIDE_DEPLOY, GM_INSIDE_CARD } gm_inside;

typedef enum gm_step_state {
    GM_STEP_WAITING = 0,
    GM_STEP_RUNNING,
    GM_STEP_DONE,
    GM_STEP_CACHED,
    GM_STEP_FAILED,
    GM_STEP_SKIPPED
} gm_step_state;

typedef struct gm_step {
    const char *name;         /* "load flights", "train xgboost" */
    const gm_step_kind *kind; /* NULL: a program of the user's   */
    const gm_user_step *user; /* then not NULL                   */
    const char *params_json;  /* part of the key                 */
    const char *local_json;   /* paths and places: not part of the key; may be NULL */
    gm_edge *inputs;
    size_t inputs_count, inputs_capacity;
    bool cacheable;
    bool wants_champion; /* the champion's package becomes input "champion" */
    bool for_new_only;   /* not asked when the package is the champion already */
    gm_inside inside;    /* done by the runner itself, without a process    */
    double timeout_seconds;
    int64_t retry;
    gm_pos pos;
    /* While planning and running. */
    bool remake; /* an output in the cache is damaged: run it although its key is known */
    gm_step_state state;
    const char *key, *key_fields; /* hex; JSON object of the fields               */
    gm_artifacts outputs;
    gm_step_record record;
    const char *reason; /* why it runs, for plan */
} gm_step;

/* How far a run goes. PACKAGE: candidates are judged and the best is packed. GATES: it is judged too, and nothing is registered, deployed
 * or reported. */
typedef enum gm_goal { GM_GOAL_ALL = 0, GM_GOAL_PACKAGE, GM_GOAL_GATES } gm_goal;

typedef struct gm_graph {
    gm_spec *spec;
    gm_goal goal;
    gm_arena *a;
    gm_step *steps;
    size_t count, capacity;
} gm_graph;

/* First part: load every data set, inspect the target, run the user's steps that need no examples. Needs gm_spec_read only. */
gm_rc gm_graph_begin(gm_spec *spec, gm_graph *out, gm_errs *errs);
/* Second part, after gm_spec_resolve: checks, examples, features, trainers ... */
gm_rc gm_graph_extend(gm_graph *g, gm_errs *errs);
/* Index of a step by name; -1. */
int gm_graph_find(const gm_graph *g, const char *name);
/* Output of a step by name, NULL when there is none. For `check` without broken rows `clean` is its input's data: see
 * gm_edge_digest. */
const gm_artifact *gm_step_output(const gm_step *s, const char *name);
/* The digest an edge stands for, once its step is done or cached. */
const gm_artifact *gm_edge_artifact(const gm_graph *g, const gm_edge *e);

#endif
