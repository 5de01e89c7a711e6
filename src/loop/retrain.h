/* retrain.h - wishes to retrain, one after another: which one is due, its run begun, and what became of it.
 *
 *   (1) a wish is a row before its run begins, and `running` before its process does;
 *   (2) the run's record names the wish before the run does anything, and a run whose wish has an answer ends at once (under the
 * store's lock), so that no wish is answered twice; (3) what became of a wish is read from the records, never from what a process
 * said, so that it can be told after any crash; (4) one runs at a time; when it begins, the others that wait are dropped, since
 * it reads the same data. A wish waits while a release of the model is undecided, and while at_most is reached; `--now` waits for
 * neither.
 */
#ifndef GM_LOOP_RETRAIN_H
#define GM_LOOP_RETRAIN_H

#include "pipe/spec.h"
#include "store/triggers.h"

/* How a run is started: as a process, or by a test. */
typedef struct gm_retrain_runner {
    void *ctx;
    gm_rc (*start)(void *ctx, int64_t trigger, gm_err *err);
    /* Whether it has ended: exit code (-1: by a signal, or lost) and its last words, static or in the runner's keeping. */
    bool (*ended)(void *ctx, int *out_code, const char **out_words);
    void (*stop)(void *ctx); /* end it, wait until it is gone */
} gm_retrain_runner;

typedef struct gm_retrain_options {
    gm_store *store;     /* open for records (beside is enough); borrowed */
    const gm_spec *spec; /* borrowed */
    gm_retrain_runner runner;
    void (*say)(void *ctx, const gm_trigger_record *t, const char *what); /* "began", "done: ..."; t is borrowed; may be NULL */
    void *say_ctx;
} gm_retrain_options;

typedef struct gm_retrain gm_retrain; /* owned; one thread */
gm_rc gm_retrain_new(const gm_retrain_options *o, gm_retrain **out, gm_err *err);
/* Ends what runs; its wish waits again, and the next start goes on from the cache. */
void gm_retrain_free(gm_retrain *r);
/* The file was read again. Borrowed. */
void gm_retrain_respec(gm_retrain *r, const gm_spec *spec);
/* Look: end what has ended, go on with what a crash left, begin what is due. Errors: those of the store; the next call goes on.
 */
gm_rc gm_retrain_tick(gm_retrain *r, int64_t now_us, gm_err *err);

/* What goes on, for people. */
typedef struct gm_retrain_status {
    int64_t running; /* id of the wish; 0 = none */
    int64_t waiting; /* how many wait */
    char why[160];   /* why they wait: "release 3 of flights/4 is undecided", "1 per day: the next may begin at ..."; "" */
} gm_retrain_status;
void gm_retrain_status_get(const gm_retrain *r, gm_retrain_status *out);

/* A wish of a person that waits for nothing begins so. */
#define GM_RETRAIN_NOW "now "

#endif
