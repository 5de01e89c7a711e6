/* watcher.h - a pipeline's model, watched: which windows are due, what is found in them, and whom it concerns.
 *
 * A look judges every window that is over and was not judged yet, and those whose labels came meanwhile; it keeps what it found
 * in the store (store/windows.h) and takes it to the rules of the file (store/alerts.h). A window that is not over is shown,
 * never kept.
 *
 * (1) Rules before records: a window whose record is there was taken to the rules. A look that is killed is simply repeated;
 * rules know which window they saw last, so that an alert comes once. A window in which nobody answered has no rows and no
 * requests, and is taken to the rules about traffic. (2) A rule about labels (decay, realised ...) takes a kept
 * window once enough of its labels are there and labels.delay has passed, or when none is awaited any more; other rules take it
 * as soon as it is over. Where labels come out of order later windows are held until the earlier ones are ready; but for windows
 * of fewer rows than labels_min, and for those that four later ones have overtaken, nobody waits. (3) A window is final when all
 * its labels are there, or labels.delay and a week have passed (30 days where no delay is given); until then it is judged again
 * whenever the source of the labels changed. The rules follow the version that answered most rows of the window; the others are
 * judged and kept. A clock that jumps ahead is believed after a minute. (4) A window that nobody could judge (a package is not there) is tried again, more and more seldom, for 30
 * days. A window whose end is in the future is never judged, and that a window had no rows is believed only when it was over at
 * that time.
 */
#ifndef GM_LOOP_WATCHER_H
#define GM_LOOP_WATCHER_H

#include <stdatomic.h>

#include "loop/page.h"
#include "pipe/spec.h"
#include "store/windows.h"
#include "watch/monitor.h"

typedef struct gm_watcher gm_watcher; /* owned; one thread at a time */

typedef struct gm_watcher_options {
    const gm_spec *spec; /* as gm_spec_read left it; borrowed until closed */
    gm_store *store;     /* open for writing, or beside; borrowed until closed. Opened read_only: gm_watcher_show alone works */
    const char *log_dir; /* NULL = predictions, below the store's folder */
    const char *scratch; /* a folder of its own for packages and labels, made here and removed when closed;
                            what it holds of an earlier time is removed first */
    int64_t rows_max;    /* of a window that are kept in memory; 0 = 250,000 */
    int64_t since_us;    /* windows that begin earlier are left alone; 0 = a first look goes back a week */
    bool no_rules;       /* windows are kept and no rule is asked */
    const atomic_bool *stop; /* true: a look ends with the step it is at; borrowed, NULL = never */
    int64_t budget_ms;       /* a look begins no further window after so long; 0 = judges all that are due */
} gm_watcher_options;

gm_rc gm_watcher_open(const gm_watcher_options *o, gm_watcher **out, gm_err *err);
void gm_watcher_close(gm_watcher *w);

/* What a look did. */
typedef struct gm_watcher_look {
    int64_t windows;      /* judged, for the first time or again */
    int64_t alerts;       /* rules that began or ceased to hold */
    int64_t messages;     /* put into the queue; gm_deliver sends them */
    bool more;            /* windows are left for the next look */
    const char *notes[8]; /* [notes_count] what could not be done: "flights/2: its package is gone"; until the next look */
    size_t notes_count;
} gm_watcher_look;
/* now_us: the clock of windows, delays and rules. Labels that cannot be read are a note, and columns are judged without them.
 * Errors: GM_EINVALID the file is wrong (a rule for a column that is no input); those of the store and of reading the log. What
 * was done before is kept. */
gm_rc gm_watcher_tick(gm_watcher *w, int64_t now_us, gm_watcher_look *out, gm_err *err);

/* The window that is under way at now_us (for windows of rows: the rows since the last whole one), judged and not kept. In a.
 * *out_version 0: nothing was served in it. */
gm_rc gm_watcher_show(gm_watcher *w, int64_t now_us, gm_arena *a, gm_window_result *out, int64_t *out_version, gm_err *err);
/* How the columns of the rows served in [from_us, until_us) lie beside those of that version's reference. In a. */
gm_rc gm_watcher_shapes(gm_watcher *w, int64_t version, int64_t from_us, int64_t until_us, gm_arena *a, gm_page_shape **out,
                        size_t *out_count, gm_err *err);

#endif
