/* rehearse_internal.h - one rehearsal in progress; for the files rehearse*.c. */
#ifndef GM_LOOP_REHEARSE_INTERNAL_H
#define GM_LOOP_REHEARSE_INTERNAL_H

#include "loop/rehearse.h"
#include "pipe/scorer.h"
#include "watch/monitor.h"

/* A training: what a run at a moment came to. Policies share them. */
typedef struct gm_rehearse_training {
    struct gm_rehearse_training *next;
    int64_t at_us;
    const char *with; /* trainer and parameters, or "" for the file's own */
    gm_rc rc;         /* GM_OK: there is a package */
    const char *why;  /* else: what the run said */
    gm_digest package;
    int64_t rows, cpu_us;
} gm_rehearse_training;

/* A window as it was judged. */
typedef struct gm_rehearse_judged {
    struct gm_rehearse_judged *next;
    int64_t first_step, last_step, now_us;
    const char *json; /* gm_window_json */
    gm_window_result result;
} gm_rehearse_judged;

/* A package and what it answered. */
typedef struct gm_rehearse_package {
    struct gm_rehearse_package *next;
    gm_digest digest;
    const char *dir, *trainer, *params_json;
    const char *metric;  /* the one that decided in its training */
    const gm_node *test; /* all metrics of its test rows */
    gm_scorer scorer;
    double *answers;                   /* [rows of the table * outputs] */
    bool *answered;                    /* [steps] */
    bool answers_kept;                 /* the store has them all */
    const double *truth;               /* [rows]; shared by packages of equal classes */
    gm_monitor *monitor;               /* NULL until it is needed; freed with the arena */
    gm_table watched;                  /* the columns it looks at, all rows of the period */
    gm_rehearse_judged *judged;        /* newest first */
    bool judged_recalled, judged_kept; /* asked the store; the store has them all */
} gm_rehearse_package;

typedef struct gm_rehearse_verdict {
    struct gm_rehearse_verdict *next;
    gm_digest package, champion;
    gm_rc rc; /* GM_OK: passed; GM_EREFUSED: a gate said no; else they could not be asked */
    const char *why;
    int64_t cpu_us;
} gm_rehearse_verdict;

typedef struct gm_rehearsing {
    gm_store *store;
    const gm_rehearse_options *o;
    gm_arena *a;
    gm_errs *errs;
    gm_rehearsal *out;
    gm_spec spec;             /* of the whole data; only data, joins, monitor and retrain are used */
    gm_digest *data, *schema; /* [spec.data_count] the whole snapshots */
    const char *time;         /* the primary data set's */
    gm_strs label_columns;    /* that the target is made of */
    const char *dir;          /* scratch, below the store */
    int64_t run_id;           /* for what we keep ourselves; 0 = nothing yet */
    gm_engine *engine;
    gm_table table;        /* rows of [begin, until), by time, joined */
    const int64_t *row_us; /* [table.rows] */
    int64_t steps;
    int64_t *step_row; /* [steps + 1] the first row of each step */
    bool *has_label;   /* [table.rows]; NULL before the first package is open */
    gm_digest table_digest;
    const gm_metric *metric; /* of the first model that was let in: everything is judged by it; NULL before */
    gm_rehearse_training *trainings;
    gm_rehearse_package *packages;
    gm_rehearse_verdict *verdicts;
} gm_rehearsing;

/* ---- rehearse_train.c ---- */

/* The whole of each data set into the store, once. */
gm_rc gm_rehearse_load(gm_rehearsing *r, gm_err *err);
/* A run at a moment, up to its package. like NULL: with the file's trainers and search. Failures of the run itself are in
 * (*out)->rc; the return value is for those that end the rehearsal. */
gm_rc gm_rehearse_train(gm_rehearsing *r, int64_t at_us, const gm_rehearse_package *like, gm_rehearse_training **out,
                        gm_err *err);
/* Its gates against a champion (hex "" = nobody). */
gm_rc gm_rehearse_gates(gm_rehearsing *r, const gm_rehearse_training *t, const gm_rehearse_package *like,
                        const gm_digest *champion, const gm_rehearse_verdict **out, gm_err *err);

/* ---- rehearse_keep.c: what we keep in the store beside the steps' own records ---- */

/* Bytes under a key that they follow from. out_len 0, *out NULL: nothing. */
gm_rc gm_rehearse_recall(gm_rehearsing *r, const char *kind, const char *const *fields, size_t count, void **out, size_t *out_len,
                         gm_err *err);
gm_rc gm_rehearse_keep(gm_rehearsing *r, const char *kind, const char *const *fields, size_t count, const void *bytes, size_t len,
                       gm_err *err);

/* ---- rehearse_serve.c ---- */

/* The rows of the period, joined, in order of time. */
gm_rc gm_rehearse_table(gm_rehearsing *r, gm_err *err);
gm_rc gm_rehearse_package_open(gm_rehearsing *r, const gm_digest *digest, gm_rehearse_package **out, gm_err *err);
/* The metric that everything is judged by is the first champion's: later calls change nothing. */
gm_rc gm_rehearse_metric_by(gm_rehearsing *r, const gm_rehearse_package *champion, gm_err *err);
/* That metric on the package's test rows (its own metric, as long as there is no champion); NaN when it was not computed. */
double gm_rehearse_test_metric(const gm_rehearsing *r, const gm_rehearse_package *p);
/* Its answers for the rows of a step. */
gm_rc gm_rehearse_answer(gm_rehearsing *r, gm_rehearse_package *p, int64_t step, gm_err *err);
/* Keep the answers of all packages and what the monitor said of them. */
gm_rc gm_rehearse_keep_all(gm_rehearsing *r, gm_err *err);
/* The metric of rows [from, until) as this package answered them; NaN when there are fewer labels than the file wants, or it is
 * undefined. */
gm_rc gm_rehearse_metric(gm_rehearsing *r, const gm_rehearse_package *p, int64_t from, int64_t until, int64_t *out_labelled,
                         double *out, gm_err *err);
/* Rows of a step with a label that the package does not know. */
int64_t gm_rehearse_unknown(const gm_rehearsing *r, const gm_rehearse_package *p, int64_t step);
/* Rows [from, until) of a table, without copying. In a. */
gm_rc gm_rehearse_view(const gm_table *t, int64_t from, int64_t until, gm_arena *a, gm_table *out, gm_err *err);

/* ---- rehearse_watch.c ---- */

/* Judge the window of steps [first_step, last_step], which p answered, with the labels known at now_us. In r->a. */
gm_rc gm_rehearse_judge(gm_rehearsing *r, gm_rehearse_package *p, int64_t first_step, int64_t last_step, int64_t now_us,
                        const gm_window_result **out, gm_err *err);
gm_rc gm_rehearse_keep_judged(gm_rehearsing *r, gm_rehearse_package *p, gm_err *err);
/* In a: "weather.temp (psi 0.43), weather.dewp (psi 0.31)"; "" when none. */
const char *gm_rehearse_drifted(const gm_window_result *w, bool with_numbers, gm_arena *a);
/* "2013-04-09", with the minute where steps are no whole days. In a. */
const char *gm_rehearse_day(int64_t us, int64_t step_us, gm_arena *a);
/* Why a trigger was pulled, for people. In r->a. */
const char *gm_rehearse_reason(const gm_rehearsing *r, const gm_trigger_spec *t, const gm_window_result *w);

/* ---- rehearse_policy.c ---- */

/* Replay one policy. out_by_step: [steps] who answered; NULL before the first model. */
gm_rc gm_rehearse_policy(gm_rehearsing *r, const char *name, gm_rehearsal_policy *out, gm_rehearse_package ***out_by_step,
                         gm_err *err);

bool gm_rehearse_canceled(const gm_rehearsing *r);
void gm_rehearse_note(const gm_rehearsing *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
