/* up_child.c - see up_child.h. */
#include "loop/up_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void become(const gm_child_spec *spec, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    (void)prctl(PR_SET_PDEATHSIG, spec->orphan_signal);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int in = open("/dev/null", O_RDONLY);
    bool ok = getppid() == parent && in >= 0 && dup2(in, 0) >= 0; /* else the parent died before it could be told */
    ok = ok && (spec->out_fd < 0 || dup2(spec->out_fd, 1) >= 0) && (spec->err_fd < 0 || dup2(spec->err_fd, 2) >= 0);
    (void)unsetenv("NOTIFY_SOCKET"); /* ours to answer */
    if (ok) (void)execv(spec->argv[0], (char *const *)(uintptr_t)spec->argv);
    (void)dprintf(2, "could not start \"%s\": %s\n", spec->argv[0], strerror(errno));
    _exit(127);
}

gm_rc gm_child_start(const gm_child_spec *spec, gm_child *out, gm_err *err)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) become(spec, parent);
    if (pid < 0) return gm_err_set(err, GM_EUNAVAILABLE, "could not start a process: %s", strerror(errno));
    *out = (gm_child){ .pid = pid, .handle = (int)syscall(SYS_pidfd_open, pid, 0) };
    return GM_OK;
}

static void clear(gm_child *c)
{
    if (c->handle >= 0) (void)close(c->handle);
    *c = (gm_child)GM_CHILD_NONE;
}

bool gm_child_ended(gm_child *c, int *out_code, int *out_signal)
{
    int status = 0;
    if (c->pid <= 0) return false;
    pid_t got = waitpid(c->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return false;
    *out_code = got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *out_signal = got > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    clear(c);
    return true;
}

void gm_child_signal(const gm_child *c, int number)
{
    if (c->pid > 0) (void)kill(c->pid, number); /* our own, not yet waited for: it is this one */
}

void gm_child_stop(gm_child *c, int number, int64_t ms)
{
    int code = 0, ended = 0;
    if (c->pid <= 0) return;
    gm_child_signal(c, number);
    struct pollfd p = { .fd = c->handle, .events = POLLIN };
    for (int64_t left = ms; c->handle >= 0 && left > 0 && poll(&p, 1, 100) == 0; left -= 100) {
    }
    if (gm_child_ended(c, &code, &ended)) return;
    gm_child_signal(c, SIGKILL);
    if (c->pid > 0) (void)waitpid(c->pid, NULL, 0);
    clear(c);
}
