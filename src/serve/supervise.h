/* supervise.h - a server that stays up without anyone's terminal: a small process starts it, starts it again when it ends, and
 * keeps its log.
 *
 * Everything is keyed by a folder: state.json says who runs (pid too, for people), server.log and server.log.1 ... what was
 * printed, lock is held while the supervisor lives. Any of the processes may be killed at any time: the lock goes with the
 * supervisor, the server is told to end when the supervisor dies, and a process is known by its id and its start time, so that
 * one that got the same id later is left alone.
 *
 * The server tells that it answers by systemd's protocol (READY=1 to $NOTIFY_SOCKET). SIGTERM to the supervisor stops both.
 */
#ifndef GM_SERVE_SUPERVISE_H
#define GM_SERVE_SUPERVISE_H

#include "base/err.h"

typedef struct gm_supervise_options {
    const char *dir;              /* made when absent                                                      */
    const char *const *argv;      /* NULL-terminated; argv[0] is the program's path                        */
    const char *cwd;              /* NULL = as it is                                                       */
    int64_t ready_ms;             /* the first start must answer within; 0 = 30 s                          */
    int64_t stop_ms;              /* from SIGTERM to SIGKILL; 0 = 45 s                                     */
    int64_t again_ms;             /* pause before the first restart, doubled up to again_max_ms; 0 = 100   */
    int64_t again_max_ms;         /* 0 = 30 s; after a minute of answering the pause is the first one again */
    size_t log_bytes, logs_count; /* a log is moved aside at this size; so many are kept; 0 = 8 MiB, 4     */
} gm_supervise_options;

/* Start, and return when the server answers. From a process without threads of its own.
 * Errors: GM_ECONFLICT (one runs in this folder), GM_EUNAVAILABLE (it ended or did not answer: the message has its last line),
 * GM_EIO. */
gm_rc gm_supervise_start(const gm_supervise_options *o, gm_err *err);

typedef struct gm_supervised {
    bool running;   /* the supervisor lives                                            */
    char state[16]; /* "starting", "ready", "waiting" (to start again), "stopping", "stopped", "failed"; "killed" when it left no
                       word */
    int64_t pid, server;        /* of the supervisor and the server; 0 = none                      */
    int64_t restarts, since_us; /* since when it is in this state, wall clock                */
    char ended[64];             /* how the server ended last: "exit code 1", "signal 9"; ""        */
} gm_supervised;
/* Errors: GM_ENOTFOUND (nothing was ever started here), GM_ECORRUPT. */
gm_rc gm_supervise_status(const char *dir, gm_supervised *out, gm_err *err);

/* Stop the server and its supervisor, and wait until they are gone. wait_ms 0 = a minute.
 * Errors: GM_ENOTFOUND (none runs), GM_EUNAVAILABLE (still ending). */
gm_rc gm_supervise_stop(const char *dir, int64_t wait_ms, gm_err *err);

/* For the server: tell whoever waits (a supervisor, systemd) that it answers. Nobody may be waiting. */
void gm_supervise_ready(void);

#endif
