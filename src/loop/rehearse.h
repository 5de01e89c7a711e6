/* rehearse.h - history through the whole loop: what would have been served, when it would have drifted or decayed, which
 * trainings would have run and been let through, and what users would have seen.
 *
 * Time is the rows' own. At time t nothing is known that happened at t or later, and no label of a row whose time is later than t
 * less the labels' delay: a training at t is an ordinary run of the pipeline (pipe/run.h) on data sets cut at t
 * (pipe/kinds/cut.c), up to its gates. What passes them answers from t on. Its package is, bit for bit, that of a run on a source
 * that ended there, where the types of the columns are those of the whole source (pipe/kinds/cut.c says when they are not).
 * Everything is kept in a store of its own, so that the real registry sees nothing of it, a second rehearsal takes what it shares
 * with the first, and one that was killed goes on. docs/guides/rehearsal.md has the definitions that people need.
 */
#ifndef GM_LOOP_REHEARSE_H
#define GM_LOOP_REHEARSE_H

#include "eval/evaluate.h"
#include "pipe/run.h"

typedef struct gm_rehearse_watch {
    void *ctx;
    void (*note)(void *ctx, const char *line); /* what was decided, as it happens; may be NULL */
    bool (*canceled)(void *ctx);               /* may be NULL */
} gm_rehearse_watch;

typedef struct gm_rehearse_options {
    const char *file;          /* the pipeline's                                                            */
    int64_t from_us, until_us; /* INT64_MIN, INT64_MAX: where the data begin and end                        */
    int64_t step_us;           /* decisions are taken every so often; 0 = the monitor's window              */
    int64_t first_us;          /* the first model learns from so much of the data at least; 0 = a fifth of the period */
    int64_t history_us;        /* a training reads rows of the last so long; -1 = all, 0 = as the file says */
    gm_strs policies;          /* never, weekly, monthly, drift, decay, file, or a trigger as in `retrain: when` */
    const char *trainer; /* this one alone, as the file has it or with its defaults, and no search; NULL = as the file says */
    bool search;         /* each training searches as the file says, not only the first               */
    int64_t jobs;        /* steps at a time; 0 = one for each processor                               */
    gm_rehearse_watch watch;
} gm_rehearse_options;

/* One step of one policy: the rows that its champion of that moment answered. */
typedef struct gm_rehearsal_window {
    int64_t from_us, until_us, rows, labelled;
    int64_t version;               /* of the policy's models, 1 ... */
    double metric;                 /* with all labels that ever came; NaN: fewer than monitor.labels_min, or undefined */
    bool judged, drifted, decayed; /* by the monitor, at the end of the window; decayed: once its labels were known */
    int64_t drifted_columns;
    const char *drifted_names;     /* "weather.temp, weather.dewp": the columns furthest beyond their limits; "" */
    double estimated;              /* performance before labels; NaN */
    bool false_drift, false_decay; /* alarmed, and the next window with labels was no worse than the reference */
} gm_rehearsal_window;

typedef enum gm_rehearsal_outcome {
    GM_REHEARSAL_UNKNOWN = 0,
    GM_REHEARSAL_FIRST, /* nobody answered before */
    GM_REHEARSAL_PROMOTED,
    GM_REHEARSAL_REFUSED, /* by a check or gate */
    GM_REHEARSAL_SAME,    /* it is the champion, bit for bit */
    GM_REHEARSAL_FAILED   /* the run ended with an error */
} gm_rehearsal_outcome;
const char *gm_rehearsal_outcome_name(gm_rehearsal_outcome o); /* static */

typedef struct gm_rehearsal_decision {
    int64_t at_us;
    const char *reason; /* "every month", "decay 0.031 in 2013-04-17" */
    gm_rehearsal_outcome outcome;
    const char *detail; /* which gate, with its numbers; "" */
    gm_digest package;  /* hex "" = none */
    int64_t version;    /* of the policy's models; 0 = it did not answer */
    const char *trainer;
    double test_metric; /* on its own test rows; NaN */
    int64_t rows;       /* of the primary data set at that time */
    int64_t cpu_us;     /* of its steps, whenever they ran */
} gm_rehearsal_decision;

typedef struct gm_rehearsal_policy {
    const char *name;             /* as asked for */
    gm_rehearsal_window *windows; /* [windows_count] in order of time */
    size_t windows_count;
    gm_rehearsal_decision *decisions; /* [decisions_count] in order of time, the first training among them */
    size_t decisions_count;
    int64_t rows, labelled;      /* served */
    int64_t unknown_class;       /* rows whose label is a class that the model which answered did not know: in no number */
    gm_interval overall;         /* the metric over all served rows that have a label */
    gm_comparison against_first; /* overall less that of the first policy, days drawn whole; method NULL for the first itself */
    double mean, worst;          /* of the windows */
    int64_t worst_from_us;
    int64_t trainings, promoted, refused, failed, put_off;        /* after the first */
    int64_t drift_alarms, decay_alarms, false_drift, false_decay; /* windows */
    int64_t cpu_us;                                               /* of all its trainings */
} gm_rehearsal_policy;

typedef struct gm_rehearsal {
    const char *pipeline, *metric;
    bool higher_is_better;
    int64_t from_us, until_us, step_us, begin_us, first_us, history_us, delay_us; /* begin: the first training; history 0 = all */
    const char *first_reason;                                                     /* how `first` was found */
    int64_t rows_without_time;
    const char *const *uncut; /* [uncut_count] data sets without a time: the same at every moment */
    size_t uncut_count;
    gm_rehearsal_policy *policies; /* [policies_count] */
    size_t policies_count;
    int64_t trained, from_cache; /* trainings, over all policies */
    int64_t cpu_trainings_us;    /* of the steps that ran now */
    int64_t cpu_self_us;         /* of this process */
} gm_rehearsal;

/* Replay. store: rehearsal's own, open for writing. out in a.
 * Errors     GM_EINVALID   the file (then errs has the places), no time column, an empty period, an unrecognized policy, no model
 * can be trained GM_ECANCELED  watch.canceled said so; what was done is kept others        of the store and the steps */
gm_rc gm_rehearse(gm_store *store, const gm_rehearse_options *o, gm_arena *a, gm_rehearsal *out, gm_errs *errs, gm_err *err);

/* "2013", "2013-04", "2013-04-09", a time. span_end: the end of what it names (the year, month or day) instead of its begin. */
bool gm_rehearse_time(const char *text, bool span_end, int64_t *out_us);

void gm_rehearsal_json(const gm_rehearsal *r, gm_json *j);
/* One HTML page with its charts, at most 200 KiB. */
void gm_rehearsal_html(const gm_rehearsal *r, gm_buf *out);

#endif
