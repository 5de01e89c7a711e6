/* collect.h - what a monitor is fed with, live: a package as the reference, and the prediction log's rows of a window.
 *
 * A row belongs to the window in which it was answered. The shadow's rows count for the shadow's version. Columns come back under
 * the names that the model knows them by.
 */
#ifndef GM_LOOP_COLLECT_H
#define GM_LOOP_COLLECT_H

#include "data/engine.h"
#include "loop/labels.h"
#include "pipe/scorer.h"
#include "store/store.h"
#include "watch/monitor.h"

/* A registered version as the reference. All in the arena it was opened in. */
typedef struct gm_reference {
    gm_monitor_reference monitor;
    gm_scorer scorer;
    int64_t version;
    gm_digest digest;
    const char *const
        *logged; /* [logged_count] names of columns that the log has: inputs, keys, time; personal ones are not among them */
    size_t logged_count, logged_inputs_count; /* the inputs come first */
    const char *time;                         /* event time column; NULL = none */
    const char *note;                         /* what it has not, and why; NULL */
} gm_reference;

/* Lay the package out below dir (made here; the caller removes it), and read what monitoring compares with.
 * Errors: GM_ECORRUPT, GM_ENOTFOUND (its blobs are gone), GM_EINVALID, GM_ENOMEM. */
gm_rc gm_reference_open(gm_store *store, const gm_model_version *v, const char *dir, gm_engine *e, gm_arena *a, gm_reference *out,
                        gm_err *err);

/* The inputs that are watched, into out->columns: those that training profiled (out->profile) and that may be logged. */
gm_rc gm_reference_columns(const char *dir, const gm_scorer *s, gm_arena *a, gm_monitor_reference *out, gm_err *err);
/* The reference rows of a package laid out in dir, with their predictions and truth, into out; there may be none, and *out_note
 * says why (else NULL). All in a. Errors: GM_EINVALID, GM_ENOMEM. */
gm_rc gm_reference_rows(const char *dir, const gm_scorer *s, gm_engine *e, gm_arena *a, gm_monitor_reference *out,
                        const char **out_note, gm_err *err);

/* The log of a model over some time, and which versions are in it. In an arena. */
typedef struct gm_served_version {
    int64_t version; /* 0: the log has a name that is no number */
    const char *name;
    int64_t rows, shadow_rows; /* shadow: of these */
} gm_served_version;

typedef struct gm_served_log {
    gm_table table;              /* as gm_predlog_read gives it, by time */
    gm_served_version *versions; /* [versions_count], most rows that were not in the shadow first */
    size_t versions_count;
    const char *model; /* borrowed */
    int64_t from_us, until_us;
    int64_t every; /* each so many-th row was read, 1 = all */
} gm_served_log;

/* rows_max: at most about so many rows are kept, an even share of each file; 0 = 250,000. Errors: those of gm_predlog_read. */
gm_rc gm_served_log_read(const char *dir, const char *model, int64_t from_us, int64_t until_us, int64_t rows_max, gm_arena *a,
                         gm_served_log *out, gm_err *err);

/* The rows of one version. labels may be NULL; key: the names it is joined by. */
typedef struct gm_collect_options {
    const gm_labels *labels;
    gm_strs key;
    int64_t delay_us, now_us; /* a row without a label is late when its answer is older than delay_us */
    int64_t recompute_rows;   /* so many rows, evenly chosen, are scored again; 0 = 100, -1 = none */
    const char *log_dir;      /* for the profile of a window that was not read whole; NULL = of the rows read */
} gm_collect_options;
/* out and what it points to in a. out_why: why there are no labels, in a; "" = there are. Errors: GM_ENOMEM and those of scoring.
 */
gm_rc gm_collect_window(const gm_served_log *log, const gm_reference *ref, const gm_collect_options *o, gm_arena *a,
                        gm_window_rows *out, const char **out_why, gm_err *err);

#endif
