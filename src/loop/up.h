/* up.h - the loop closed, in one process that people or systemd keep up: it serves, watches what was served, and retrains when
 * there is reason to.
 *
 *   serves    `gristmill serve` as a process, started again when it ends
 *   watches   windows are judged, alerts go out                              (watcher.h, deliver.h)
 *   retrains  wishes are written and answered by `gristmill run` as a process (trigger_look.h, retrain.h)
 * Any of them may be killed at any time. What counts is in the store before it is acted on; the processes end with their parent
 * (up_child.h), and the next start goes on: the kernel's lock on up.lock in the folder says whether one is up.
 */
#ifndef GM_LOOP_UP_H
#define GM_LOOP_UP_H

#include "base/err.h"
#include "pipe/spec.h"

typedef struct gm_up_options {
    const char *program, *file, *store_root; /* program: the path of this program */
    const char *const *serve_args;           /* NULL-terminated options of `serve`; NULL = it is not served */
    int64_t (*now_us)(void *ctx);            /* the clock of triggers, windows and alerts; NULL = the machine's */
    void *now_ctx;
    /* A line for people: part is "up", "serve", "watch" or "retrain". */
    void (*say)(void *ctx, const char *part, const char *line);
    void *say_ctx;
    void (*ready)(void *ctx, const char *url); /* once, when the server answers; without one, when it is up. May be NULL */
    void *ready_ctx;
} gm_up_options;

/* Until SIGTERM or SIGINT; then all is ended in order. From the main thread of a process that has no other.
 * Mistakes of the file are in errs. Errors: GM_ECONFLICT (one is up already, its pid in the message), GM_EINVALID, GM_EIO. */
gm_rc gm_up_run(const gm_up_options *o, gm_errs *errs, gm_err *err);

/* Where it keeps its status, logs and lock: up/ below the store's folder. In a. */
const char *gm_up_dir(const char *store_root, gm_arena *a);

/* As of the last change that it wrote. */
typedef struct gm_up_status {
    bool running;
    int64_t pid, since_us, server, server_restarts;
    bool ready; /* the server answers */
    char url[160];
    int64_t retraining, waiting; /* the wish that runs, how many wait */
    char why[160];               /* why they wait */
} gm_up_status;
/* Errors: GM_ENOTFOUND (it never was up here). */
gm_rc gm_up_status_read(const char *store_root, gm_arena *a, gm_up_status *out, gm_err *err);
/* End it, with its supervisor where there is one, and wait until it is gone. Errors: GM_ENOTFOUND (it is not up), GM_EUNAVAILABLE
 * (still ending). */
gm_rc gm_up_stop(const char *store_root, gm_arena *a, gm_err *err);

#endif
