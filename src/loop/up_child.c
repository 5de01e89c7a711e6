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

extern char **environ;

/* Ours without NOTIFY_SOCKET, which is ours to answer. Owned; NULL without memory. */
static char **child_environment(void)
{
    static const char name[] = "NOTIFY_SOCKET=";
    size_t count = 0, kept = 0;
    while (environ[count]) count++;
    char **env = calloc(count + 1, sizeof(*env));
    for (size_t i = 0; env && i < count; i++)
        if (strncmp(environ[i], name, sizeof(name) - 1) != 0) env[kept++] = environ[i];
    return env;
}

/* Between vfork and exec: only system calls, in memory that is still the parent's. */
static _Noreturn void become(const gm_child_spec *spec, char **env, pid_t parent, volatile int *out_reason)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)prctl(PR_SET_PDEATHSIG, spec->orphan_signal);
    if (getppid() != parent) _exit(127); /* it died before it could be told */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int in = open("/dev/null", O_RDONLY);
    bool ok = in >= 0 && dup2(in, 0) >= 0;
    ok = ok && (spec->out_fd < 0 || dup2(spec->out_fd, 1) >= 0) && (spec->err_fd < 0 || dup2(spec->err_fd, 2) >= 0);
    if (in > 2) (void)close(in);
    if (ok) (void)execve(spec->argv[0], (char *const *)(uintptr_t)spec->argv, env);
    *out_reason = errno;
    _exit(127);
}

/* vfork: no page is copied, and no handler runs of the libraries whose threads are at work meanwhile. A function of its own, with
 * nothing in it that the child could spoil. */
__attribute__((noinline)) static pid_t spawn(const gm_child_spec *spec, char **env, volatile int *out_reason)
{
    pid_t parent = getpid(), pid = vfork();
    if (pid == 0) become(spec, env, parent, out_reason);
    return pid;
}

gm_rc gm_child_start(const gm_child_spec *spec, gm_child *out, gm_err *err)
{
    volatile int reason = 0;
    char **env = child_environment();
    if (!env) return gm_err_set(err, GM_ENOMEM, "not enough memory to start a process");
    pid_t pid = spawn(spec, env, &reason);
    int failed = errno;
    free(env);
    if (pid < 0) return gm_err_set(err, GM_EUNAVAILABLE, "could not start a process: %s", strerror(failed));
    if (reason) {
        (void)waitpid(pid, NULL, 0);
        return gm_err_set(err, GM_EUNAVAILABLE, "could not start \"%s\": %s", spec->argv[0], strerror(reason));
    }
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
