/* command.c - a program of the user's own: the message as JSON on its standard input; exit code 0 says that it took it.
 *
 * An argument array, never a shell. The program runs in a process group of its own, which ends with the time-out.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/channels.h"

extern char **environ;

typedef struct conf {
    gm_strs run;
} conf;

static const gm_param params[] = {
    { "run", GM_PARAM_STRS, offsetof(conf, run), NULL, "program and arguments: [./page.sh, ml-team]; ./ is where the file is", 0,
      0, NULL },
    { 0 },
};

enum { ARGUMENTS_MAX = 64, EXIT_NOT_FOUND = 127, EXIT_NOT_EXECUTABLE = 126 };

static void check(const void *opaque, const gm_node *map, gm_pos at, gm_errs *errs)
{
    const conf *c = opaque;
    (void)map;
    if (!c->run.count || !c->run.items[0][0])
        gm_errs_at(errs, at, GM_EINVALID, "Write `- command: [./page.sh, ml-team]`.", "command: there is no program to run");
    else if (c->run.count == 1 && strchr(c->run.items[0], ' '))
        gm_errs_at(errs, at, GM_EINVALID, "Write program and arguments as a list: [./page.sh, ml-team]. No shell reads them.",
                   "command: \"%.60s\" is one word with a space in it", c->run.items[0]);
    else if (c->run.count >= ARGUMENTS_MAX)
        gm_errs_at(errs, at, GM_EINVALID, "Put them in a script.", "command: more than %d arguments", ARGUMENTS_MAX - 1);
}

typedef struct child {
    pid_t pid;
    int in, out;    /* our ends: its standard input, its output and errors; -1 = closed */
    char said[160]; /* the first line of what it printed */
    size_t said_len;
} child;

static void close_fd(int *fd)
{
    if (*fd >= 0) (void)close(*fd); /* pipes */
    *fd = -1;
}

static gm_rc start(const conf *c, child *p, gm_err *err)
{
    char *argv[ARGUMENTS_MAX + 1] = { 0 };
    int in[2] = { -1, -1 }, out[2] = { -1, -1 };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    for (size_t i = 0; i < c->run.count && i < ARGUMENTS_MAX; i++)
        argv[i] = (char *)(uintptr_t)c->run.items[i]; /* exec does not write to it */
    if (pipe2(out, O_CLOEXEC) || pipe2(in, O_CLOEXEC)) {
        int why = errno;
        close_fd(&out[0]);
        close_fd(&out[1]);
        return gm_err_errno(err, why, "make a pipe for", argv[0]);
    }
    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    (void)posix_spawn_file_actions_init(&actions); /* these fail for lack of memory alone; then spawning fails too */
    (void)posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &defaults);
    int why = posix_spawnp(&p->pid, argv[0], &actions, &attr, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    close_fd(&in[0]);
    close_fd(&out[1]);
    p->in = in[1];
    p->out = out[0];
    if (!why) return GM_OK;
    close_fd(&p->in);
    close_fd(&p->out);
    bool never = why == ENOENT || why == EACCES || why == ENOEXEC || why == ENOTDIR;
    gm_rc rc = gm_err_set(err, never ? GM_EREFUSED : GM_EUNAVAILABLE, "could not start \"%.100s\": %s", argv[0], strerror(why));
    if (never)
        gm_err_hint(err,
                    "A program with a / in its name is looked for beside the pipeline file, others in PATH; it must be executable"
                    " (chmod +x), and a script names its interpreter in its first line.");
    return rc;
}

/* Keeps the first line; the rest is read and dropped, so that the program is not held up. false at its end. */
static bool listen_to(child *p)
{
    char bytes[1024];
    ssize_t n = read(p->out, bytes, sizeof(bytes));
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    for (ssize_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool line_over = p->said_len && p->said[p->said_len] == '\n';
        if (line_over || p->said_len >= sizeof(p->said) - 2) continue;
        if (c == '\n' && p->said_len)
            p->said[p->said_len] = '\n'; /* marks the end; cut off below */
        else if (c >= ' ' && c != 0x7f)
            p->said[p->said_len++] = (char)c;
    }
    return n > 0;
}

/* The message goes in, what it says comes out, until it closes its output or the time is up. */
static bool talk(child *p, const char *text, int64_t until_us)
{
    size_t len = strlen(text), done = 0;
    (void)fcntl(p->in, F_SETFL, O_NONBLOCK);
    while (p->out >= 0) {
        int64_t left_ms = (until_us - gm_monotonic_us()) / 1000;
        struct pollfd fds[2] = { { .fd = p->out, .events = POLLIN }, { .fd = p->in, .events = POLLOUT } };
        if (left_ms <= 0) return false;
        int ready = poll(fds, 2, left_ms > 1000 ? 1000 : (int)left_ms);
        if (ready < 0 && errno != EINTR) return false;
        if (ready <= 0) continue;
        if (fds[0].revents && !listen_to(p)) close_fd(&p->out);
        if (p->in < 0 || !fds[1].revents) continue;
        ssize_t n = write(p->in, text + done, len - done);
        if (n > 0) done += (size_t)n;
        if (done == len || (n < 0 && errno != EINTR && errno != EAGAIN)) close_fd(&p->in); /* it need not read all of it */
    }
    return true;
}

/* Its exit status, or -1 when the time is up: then the whole group is ended. */
static int wait_for(child *p, bool in_time, int64_t until_us)
{
    int status = 0;
    while (in_time) {
        pid_t got = waitpid(p->pid, &status, WNOHANG);
        if (got == p->pid) return status;
        if (got < 0 && errno != EINTR) return -1;
        if (gm_monotonic_us() >= until_us) break;
        (void)poll(NULL, 0, 5);
    }
    (void)kill(-p->pid, SIGKILL);
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return -1;
}

static gm_rc judge(const conf *c, const child *p, int status, int64_t timeout_ms, gm_err *err)
{
    const char *name = c->run.items[0], *colon = p->said[0] ? ": " : "";
    if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return GM_OK;
    if (status < 0)
        return gm_err_set(err, GM_EUNAVAILABLE, "\"%.100s\" took longer than %g s and was ended%s%s", name,
                          (double)timeout_ms / 1000, colon, p->said);
    if (WIFSIGNALED(status))
        return gm_err_set(err, GM_EUNAVAILABLE, "\"%.100s\" was ended by signal %d%s%s", name, WTERMSIG(status), colon, p->said);
    int code = WEXITSTATUS(status);
    return gm_err_set(err, code == EXIT_NOT_FOUND || code == EXIT_NOT_EXECUTABLE ? GM_EREFUSED : GM_EUNAVAILABLE,
                      "\"%.100s\" ended with code %d%s%s", name, code, colon, p->said);
}

static gm_rc send(const void *opaque, const gm_message *m, int64_t timeout_ms, gm_arena *a, gm_sent *out, gm_err *err)
{
    const conf *c = opaque;
    child p = { .in = -1, .out = -1 };
    sigset_t pipe_signal, before;
    int64_t until_us = gm_monotonic_us() + timeout_ms * 1000;
    const char *line = gm_arena_printf(a, "%s\n", m->json);
    if (!line) return gm_err_set(err, GM_ENOMEM, "not enough memory to send a message");
    gm_rc rc = start(c, &p, err);
    if (rc) return rc;
    /* A program that does not read must not end us: the signal is kept away from this thread, and taken back if it came. */
    (void)sigemptyset(&pipe_signal);
    (void)sigaddset(&pipe_signal, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    bool in_time = talk(&p, line, until_us);
    (void)sigtimedwait(&pipe_signal, NULL, &(struct timespec){ 0 });
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    close_fd(&p.in);
    close_fd(&p.out);
    p.said[p.said_len] = '\0';
    int status = wait_for(&p, in_time, until_us);
    (void)snprintf(out->said, sizeof(out->said), "%s", p.said[0] ? p.said : status == 0 ? "ended with code 0" : "");
    return judge(c, &p, status, timeout_ms, err);
}

const gm_channel gm_channel_command = { .item = { "command", "a program of your own: the message as JSON on its standard input",
                                                  params, sizeof(conf) },
                                        .check = check,
                                        .send = send };
