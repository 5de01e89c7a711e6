/* up_child.h - the processes of `gristmill up`: started so that they cannot outlive it, looked at without waiting.
 *
 * When the parent dies, however it dies, the kernel sends the child the signal that was chosen here. */
#ifndef GM_LOOP_UP_CHILD_H
#define GM_LOOP_UP_CHILD_H

#include <sys/types.h>

#include "base/err.h"

typedef struct gm_child_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is a path */
    int orphan_signal;       /* what it gets when we die           */
    int out_fd, err_fd;      /* its standard output and error; -1 = ours; not closed here */
} gm_child_spec;

typedef struct gm_child {
    pid_t pid;  /* 0 = none */
    int handle; /* readable once it has ended; -1 = none */
} gm_child;
#define GM_CHILD_NONE { 0, -1 }

/* From the thread that lives as long as the process. Errors: GM_EUNAVAILABLE (no process, no such program), GM_ENOMEM. */
gm_rc gm_child_start(const gm_child_spec *spec, gm_child *out, gm_err *err);
/* true: it has ended, and c is empty again. code: exit code, or -1 and the signal. */
bool gm_child_ended(gm_child *c, int *out_code, int *out_signal);
void gm_child_signal(const gm_child *c, int signal);
/* Signal, wait up to ms, then SIGKILL; c is empty afterwards. */
void gm_child_stop(gm_child *c, int signal, int64_t ms);

#endif
