/* watcher_internal.h - between watcher.c (a look), watcher_due.c (which windows), watcher_judge.c (what is in them) and
 * watcher_rules.c (whom it concerns). */
#ifndef GM_LOOP_WATCHER_INTERNAL_H
#define GM_LOOP_WATCHER_INTERNAL_H

#include "loop/collect.h"
#include "loop/watcher.h"

enum { GM_WATCHED_VERSIONS_MAX = 8, GM_WATCH_HISTORY = 60, GM_WATCH_NOTES_MAX = 8 };

/* A window is over when its end is so long past that its rows are in the log: lanes write each second. */
#define GM_WATCH_SETTLE_US (INT64_C(5) * 1000000)

/* A version that answered: its reference and its monitor, kept from look to look. */
typedef struct gm_watched {
    int64_t version;
    gm_arena *a;
    gm_reference reference;
    gm_monitor *monitor;
    const char *dir;  /* its package below scratch; removed with it */
    const char *gone; /* why it can never be judged; NULL */
} gm_watched;

struct gm_watcher {
    gm_watcher_options o;
    gm_arena *a;      /* as long as the watcher */
    gm_arena *look;   /* rewound at each look */
    gm_arena *window; /* rewound at each window */
    const char *log_dir;
    const char *model;
    gm_engine *engine; /* open within a look only: it is large */
    gm_watched versions[GM_WATCHED_VERSIONS_MAX];
    size_t versions_count;
    int64_t laid_out;          /* folders made below scratch */
    gm_window_record *records; /* [records_count] of the look, without results, by from, until, version; in look */
    size_t records_count;
    int64_t clock_ahead_us; /* the clock less the monotonic one, while it does not jump; 0 = not looked at yet */
    int64_t jumped_us;      /* monotonic: since when the clock is further ahead; 0 = it is not */
    int64_t log_first_us;   /* the log had begun by then */
    uint64_t rows_stamp;    /* of the log when it was looked at for windows of rows; the times are monotonic */
    int64_t rows_changed_us, rows_read_us, rows_next_us;
    gm_arena *labels_arena;
    gm_labels *labels; /* NULL: no_labels says why */
    const char *no_labels;
    gm_labels_from labels_from;
    gm_labels_look labels_look; /* of what labels holds */
    int64_t labels_version;     /* whose classes the truth is in */
    gm_watcher_look *out;       /* of the look under way; NULL in gm_watcher_show */
};

/* ---- which windows (watcher_due.c) ---- */

typedef struct gm_due {
    int64_t from_us, until_us;
    int64_t again_us; /* when it was judged last; 0 = never */
} gm_due;

typedef struct gm_due_list {
    gm_due *items; /* [count] in look: new ones by time, then those to be judged again */
    size_t count, capacity;
    bool more; /* more windows of rows are due than are listed */
} gm_due_list;

/* Errors: those of the store and of reading the log; GM_ENOMEM. Also reads w->records. */
gm_rc gm_watcher_due(gm_watcher *w, int64_t now_us, gm_due_list *out, gm_err *err);
/* Read w->records again. */
gm_rc gm_watcher_records(gm_watcher *w, int64_t now_us, gm_err *err);
/* Where the window begins that is under way. */
gm_rc gm_watcher_under_way(gm_watcher *w, int64_t now_us, int64_t *out_from_us, gm_err *err);

/* ---- what is in them ---- */

/* A window, judged. */
typedef struct gm_judged {
    int64_t version;
    gm_window_result result;
} gm_judged;

void gm_watcher_note(gm_watcher *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gm_watched_close(gm_watched *v);

/* Judge [from_us, until_us) of every version that answered in it, the main one first. *out_count 0: nobody answered, or
 * (*out_answered) none of them can be judged now. In a. Errors: also GM_ECANCELED, when told to stop. */
gm_rc gm_watcher_judge(gm_watcher *w, int64_t from_us, int64_t until_us, int64_t now_us, gm_arena *a, gm_judged **out,
                       size_t *out_count, bool *out_answered, gm_err *err);
/* Is no label awaited any more? */
bool gm_watcher_is_final(const gm_watcher *w, const gm_window_result *r, int64_t now_us);

bool gm_watcher_stops(const gm_watcher *w);

/* ---- whom it concerns ---- */

/* Take a window of the main version to the rules that are not about labels; see (1) of watcher.h. */
gm_rc gm_watcher_rules(gm_watcher *w, const gm_judged *main, int64_t now_us, gm_err *err);
/* The same of a window in which nobody answered: rules about traffic alone. */
gm_rc gm_watcher_rules_empty(gm_watcher *w, const gm_due *d, int64_t now_us, gm_err *err);
/* Take kept windows (w->records) to the rules about labels, in order of time; see (2) of watcher.h. */
gm_rc gm_watcher_rules_labels(gm_watcher *w, int64_t now_us, gm_err *err);

#endif
