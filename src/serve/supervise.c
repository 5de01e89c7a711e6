/* supervise.c - see supervise.h.
 *
 * Invariants
 *  (1) the lock is held by the supervisor alone, so whoever gets it knows that none lives;
 *  (2) state.json is written whole, and before what it speaks of can be seen by others: a server's id before it is ready;
 *  (3) no signal is sent to a process whose start time differs from the recorded one.
 */
#include "serve/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/node.h"

enum { STEADY_MS = 60000, STATE_LIMIT = 1 << 16, LINE_MAX_LEN = 300 };

/* ---- processes by id and start time ------------------------------------------------------------------------------------ */

/* Field 22 of /proc/PID/stat: when the process began, in clock ticks since boot. 0 when there is none, or it has ended already.
 */
static int64_t began(int64_t pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *at = strrchr(text, ')'); /* the name in parentheses may hold anything */
    if (!at || at[1] != ' ' || at[2] == 'Z') return 0;
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

/* A handle of that very process, or -1 when it is gone; see (3). */
static int handle_of(int64_t pid, int64_t start)
{
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
    if (fd >= 0 && began(pid) == start) return fd;
    if (fd >= 0) (void)close(fd);
    return -1;
}

static bool wait_gone(int handle, int64_t ms)
{
    struct pollfd p = { .fd = handle, .events = POLLIN };
    int n = 0;
    do n = poll(&p, 1, (int)ms);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* ---- the folder ------------------------------------------------------------------------------------------------------ */

static const char *path_in(const char *dir, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s", dir, name);
    return out;
}

typedef struct record {
    gm_supervised seen;
    int64_t start, server_start; /* see (3) */
} record;

static gm_rc read_record(const char *dir, record *out, gm_err *err)
{
    char path[4096];
    gm_buf b = { 0 };
    gm_node *root = NULL;
    gm_arena *a = gm_arena_new(1 << 20);
    gm_rc rc = a ? gm_fs_read(path_in(dir, "state.json", path, sizeof(path)), STATE_LIMIT, &b, err)
                 : gm_err_set(err, GM_ENOMEM, "not enough memory");
    if (!rc && gm_json_read(gm_buf_str(&b), b.len, path, a, &root, err))
        rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" is damaged", path);
    if (!rc) {
        *out = (record){ .start = gm_node_int_or(root, "start", 0), .server_start = gm_node_int_or(root, "server_start", 0) };
        gm_supervised *s = &out->seen;
        s->pid = gm_node_int_or(root, "pid", 0);
        s->server = gm_node_int_or(root, "server", 0);
        s->restarts = gm_node_int_or(root, "restarts", 0);
        s->since_us = gm_node_int_or(root, "since_us", 0);
        (void)snprintf(s->state, sizeof(s->state), "%s", gm_node_str_or(root, "state", ""));
        (void)snprintf(s->ended, sizeof(s->ended), "%s", gm_node_str_or(root, "ended", ""));
    }
    gm_buf_clear(&b);
    gm_arena_free(a);
    return rc;
}

static void write_record(const char *dir, const record *r)
{
    char path[4096];
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "state", r->seen.state);
    gm_json_kint(&j, "pid", r->seen.pid);
    gm_json_kint(&j, "start", r->start);
    gm_json_kint(&j, "server", r->seen.server);
    gm_json_kint(&j, "server_start", r->server_start);
    gm_json_kint(&j, "restarts", r->seen.restarts);
    gm_json_kint(&j, "since_us", r->seen.since_us);
    gm_json_kstr(&j, "ended", r->seen.ended);
    gm_json_object_end(&j);
    gm_buf_char(&b, '\n');
    if (!b.failed)
        (void)gm_fs_write_atomic(path_in(dir, "state.json", path, sizeof(path)), b.data, b.len,
                                 NULL); /* a full disk stops no server */
    gm_buf_clear(&b);
}

/* The lock, or -1 when a supervisor has it. Errors: GM_EIO. */
static gm_rc take_lock(const char *dir, int *out, gm_err *err)
{
    char path[4096];
    int fd = open(path_in(dir, "lock", path, sizeof(path)), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return gm_err_errno(err, errno, "open", path);
    *out = fd;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return GM_OK;
    gm_rc rc = errno == EWOULDBLOCK ? GM_OK : gm_err_errno(err, errno, "lock", path);
    (void)close(fd);
    *out = -1;
    return rc;
}

/* ---- the supervisor -------------------------------------------------------------------------------------------------- */

typedef struct keeper {
    const gm_supervise_options *o;
    record r;
    int report, signals, notify, output; /* report: -1 once the starter knows; output: the server's, -1 when none runs */
    int log;
    size_t log_size;
    int64_t pause_ms, due_ms,
        ready_ms; /* next pause; when to start again, to give up or to kill (0 = never); when it became ready */
    bool stopping;
} keeper;

static int64_t now_ms(void)
{
    return gm_monotonic_us() / 1000;
}

static void set_state(keeper *k, const char *state)
{
    (void)snprintf(k->r.seen.state, sizeof(k->r.seen.state), "%s", state);
    k->r.seen.since_us = gm_now_us();
    write_record(k->o->dir, &k->r);
}

static void rotate(keeper *k)
{
    char from[4096], to[4096], name[32];
    for (size_t i = k->o->logs_count - 1; i > 0; i--) {
        (void)snprintf(name, sizeof(name), "server.log.%zu", i - 1);
        (void)path_in(k->o->dir, i > 1 ? name : "server.log", from, sizeof(from));
        (void)snprintf(name, sizeof(name), "server.log.%zu", i);
        (void)rename(from, path_in(k->o->dir, name, to, sizeof(to))); /* absent is fine */
    }
    if (k->log >= 0) (void)close(k->log);
    k->log = open(path_in(k->o->dir, "server.log", from, sizeof(from)),
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (k->o->logs_count > 1 ? 0 : O_TRUNC), 0640);
    k->log_size = 0;
}

static void keep_output(keeper *k, const char *bytes, size_t len)
{
    while (len > 0) {
        if (k->log_size >= k->o->log_bytes) rotate(k);
        if (k->log < 0) return;
        size_t room = k->o->log_bytes - k->log_size;
        ssize_t n = write(k->log, bytes, len < room ? len : room);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return; /* a full disk stops no server */
        k->log_size += (size_t)n;
        bytes += n;
        len -= (size_t)n;
    }
}

static void say(keeper *k, const char *what)
{
    char line[160], when[32];
    time_t now = (time_t)(gm_now_us() / 1000000);
    struct tm tm;
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    int len = snprintf(line, sizeof(line), "supervisor: %s %s\n", when, what);
    keep_output(k, line, (size_t)len);
}

static _Noreturn void become(const gm_supervise_options *o, int output, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* the supervisor's death is a reason to end */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (getppid() == parent && dup2(output, 1) >= 0 && dup2(output, 2) >= 0 && (!o->cwd || chdir(o->cwd) == 0))
        (void)execv(o->argv[0], (char *const *)(uintptr_t)o->argv);
    (void)dprintf(2, "could not start \"%s\": %s\n", o->argv[0], strerror(errno));
    _exit(127);
}

static void start_server(keeper *k)
{
    int ends[2] = { -1, -1 };
    pid_t parent = getpid(), pid = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid == 0) become(k->o, ends[1], parent);
    if (ends[1] >= 0) (void)close(ends[1]);
    if (pid < 0) {
        if (ends[0] >= 0) (void)close(ends[0]);
        say(k, "could not start a process");
        k->due_ms = now_ms() + k->o->again_max_ms;
        set_state(k, "waiting");
        return;
    }
    k->output = ends[0];
    (void)fcntl(k->output, F_SETFL, O_NONBLOCK);
    k->r.seen.server = pid;
    k->r.server_start = began(pid);
    k->ready_ms = 0;
    k->due_ms = k->report >= 0 ? now_ms() + k->o->ready_ms : 0;
    set_state(k, "starting");
}

static void signal_server(keeper *k, int number)
{
    if (k->r.seen.server > 0) (void)kill((pid_t)k->r.seen.server, number); /* our own child, not yet waited for: it is this one */
}

static void drain_output(keeper *k)
{
    char bytes[1 << 16];
    ssize_t n;
    while (k->output >= 0 && (n = read(k->output, bytes, sizeof(bytes))) > 0) keep_output(k, bytes, (size_t)n);
}

/* READY=1 of our server; others that know the socket's name are not listened to. */
static void take_notice(keeper *k)
{
    char text[256];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = { text, sizeof(text) - 1 };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
    ssize_t n = recvmsg(k->notify, &m, MSG_DONTWAIT);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    struct ucred who = { 0 };
    if (!c || c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len < CMSG_LEN(sizeof(who))) return;
    memcpy(&who, CMSG_DATA(c), sizeof(who));
    text[n] = '\0';
    if (who.pid != k->r.seen.server || !strstr(text, "READY=1") || k->ready_ms || k->stopping) return;
    k->ready_ms = now_ms();
    k->due_ms = 0;
    set_state(k, "ready");
    if (k->report >= 0) {
        (void)!write(k->report, "R", 1); /* a starter that went away is no reason to stop */
        (void)close(k->report);
        k->report = -1;
    }
}

static void stop_server(keeper *k)
{
    if (k->stopping) return;
    k->stopping = true;
    k->due_ms = now_ms() + k->o->stop_ms;
    set_state(k, "stopping");
    signal_server(k, SIGTERM);
}

/* The server ended by itself: again, after a pause. One that never answered is not tried again. */
static void server_ended(keeper *k, int status)
{
    char line[128];
    drain_output(k);
    if (k->output >= 0) (void)close(k->output);
    k->output = -1;
    if (WIFSIGNALED(status))
        (void)snprintf(k->r.seen.ended, sizeof(k->r.seen.ended), "signal %d", WTERMSIG(status));
    else
        (void)snprintf(k->r.seen.ended, sizeof(k->r.seen.ended), "exit code %d", WEXITSTATUS(status));
    k->r.seen.server = k->r.server_start = 0;
    if (k->stopping || k->report >= 0) return;
    if (k->ready_ms && now_ms() - k->ready_ms >= STEADY_MS) k->pause_ms = k->o->again_ms;
    (void)snprintf(line, sizeof(line), "the server ended with %s; again in %lld ms", k->r.seen.ended, (long long)k->pause_ms);
    say(k, line);
    k->due_ms = now_ms() + k->pause_ms;
    k->pause_ms = k->pause_ms * 2 < k->o->again_max_ms ? k->pause_ms * 2 : k->o->again_max_ms;
    set_state(k, "waiting");
}

static void take_signals(keeper *k)
{
    struct signalfd_siginfo info;
    int status = 0;
    while (read(k->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) stop_server(k);
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == k->r.seen.server) server_ended(k, status);
}

/* What is due now: start again, give up on the first start, or kill what does not end. */
static void act(keeper *k)
{
    if (!k->due_ms || now_ms() < k->due_ms) return;
    k->due_ms = 0;
    if (k->r.seen.server > 0 && k->stopping) {
        say(k, "the server does not end; it is killed");
        signal_server(k, SIGKILL);
    } else if (k->r.seen.server > 0) {
        say(k, "the server does not answer in time");
        stop_server(k);
    } else {
        k->r.seen.restarts++;
        start_server(k);
    }
}

/* Neither a server nor the intention to start one. */
static bool finished(const keeper *k)
{
    return k->r.seen.server == 0 && (k->stopping || k->report >= 0);
}

/* For people: kill $(cat pid). What programs go by is state.json. */
static void write_pid(const keeper *k)
{
    char path[4096], text[32];
    int len = snprintf(text, sizeof(text), "%lld\n", (long long)k->r.seen.pid);
    (void)gm_fs_write_atomic(path_in(k->o->dir, "pid", path, sizeof(path)), text, (size_t)len, NULL);
}

static void keep(keeper *k)
{
    char path[4096];
    write_pid(k);
    start_server(k);
    while (!finished(k)) {
        struct pollfd p[3] = { { k->signals, POLLIN, 0 }, { k->notify, POLLIN, 0 }, { k->output, POLLIN, 0 } };
        int64_t left = k->due_ms ? k->due_ms - now_ms() : -1;
        (void)poll(p, 3, k->due_ms ? (int)(left > 0 ? left : 0) : -1);
        if (p[1].revents) take_notice(k);
        if (p[2].revents) drain_output(k);
        if (p[2].revents & POLLHUP && !(p[2].revents & POLLIN)) { /* it closed both ends; its end is told by a signal */
            (void)close(k->output);
            k->output = -1;
        }
        if (p[0].revents) take_signals(k);
        act(k);
    }
    (void)unlink(path_in(k->o->dir, "pid", path, sizeof(path)));
    set_state(k, k->report >= 0 ? "failed" : "stopped");
}

static bool open_notify(keeper *k)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char name[64];
    int yes = 1;
    int len = snprintf(name, sizeof(name), "@gristmill-supervise-%lld-%lld", (long long)k->r.seen.pid, (long long)k->r.start);
    memcpy(at.sun_path, name, (size_t)len);
    at.sun_path[0] = '\0'; /* a name without a file */
    k->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return k->notify >= 0 && setsockopt(k->notify, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) == 0 &&
           bind(k->notify, (struct sockaddr *)(void *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)) ==
               0 &&
           setenv("NOTIFY_SOCKET", name, 1) == 0;
}

/* Nothing of the starter's stays open but the two. */
static void close_others(int lock, int report)
{
    int low = lock < report ? lock : report, high = lock < report ? report : lock,
        null_fd = open("/dev/null", O_RDWR); /* one of the three when the starter had closed it, else closed below */
    for (int i = 0; i < 3; i++) (void)dup2(null_fd, i);
    if (low > 3) (void)syscall(SYS_close_range, 3u, (unsigned)low - 1, 0u);
    if (high > low + 1) (void)syscall(SYS_close_range, (unsigned)low + 1, (unsigned)high - 1, 0u);
    (void)syscall(SYS_close_range, (unsigned)high + 1, ~0u, 0u);
}

static _Noreturn void supervise(const gm_supervise_options *o, int lock, int report)
{
    char path[4096];
    struct stat st;
    sigset_t ours;
    lock = fcntl(lock, F_DUPFD_CLOEXEC, 3); /* away from where the standard streams will be */
    report = fcntl(report, F_DUPFD_CLOEXEC, 3);
    if (lock < 0 || report < 0) _exit(1);
    keeper k = { .o = o, .report = report, .output = -1, .log = -1, .pause_ms = o->again_ms };
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)prctl(PR_SET_NAME, "gm-supervise");
    close_others(lock, report);
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &ours, NULL);
    k.r.seen.pid = getpid();
    k.r.start = began(k.r.seen.pid);
    k.signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    k.log = open(path_in(o->dir, "server.log", path, sizeof(path)), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (k.log >= 0 && fstat(k.log, &st) == 0) k.log_size = (size_t)st.st_size;
    if (k.signals < 0 || !open_notify(&k)) _exit(1);
    keep(&k);
    _exit(k.report >= 0);
}

/* ---- starting, asking, stopping -------------------------------------------------------------------------------------- */

/* The server's last words, for the error: the last line that does not continue another. */
static void last_line(const char *dir, char *out, size_t size)
{
    char path[4096];
    gm_buf b = { 0 };
    out[0] = '\0';
    if (gm_fs_read(path_in(dir, "server.log", path, sizeof(path)), 0, &b, NULL) == GM_OK) {
        const char *text = gm_buf_str(&b), *last = "";
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
            if (*line != ' ' && *line != '\n') last = line;
        (void)snprintf(out, size, "%.*s", (int)strcspn(last, "\n"), last);
    }
    gm_buf_clear(&b);
}

/* Two forks: the supervisor belongs to no session of anyone's, and its end is not our child's. */
static void fork_supervisor(const gm_supervise_options *o, int lock, const int report[2])
{
    pid_t first = fork();
    if (first > 0) {
        (void)waitpid(first, NULL, 0);
        return;
    }
    if (first < 0) return;
    (void)setsid();
    if (fork() != 0) _exit(0);
    (void)close(report[0]);
    supervise(o, lock, report[1]);
}

/* A server whose supervisor was killed may still be answering its last requests, on the port that we need. */
static void wait_for_orphan(const char *dir, int64_t ms)
{
    record r;
    int handle = read_record(dir, &r, NULL) == GM_OK ? handle_of(r.seen.server, r.server_start) : -1;
    if (handle < 0) return;
    (void)wait_gone(handle, ms);
    (void)close(handle);
}

static gm_supervise_options with_defaults(const gm_supervise_options *o)
{
    gm_supervise_options full = *o;
    if (!full.ready_ms) full.ready_ms = 30000;
    if (!full.stop_ms) full.stop_ms = 45000;
    if (!full.again_ms) full.again_ms = 100;
    if (!full.again_max_ms) full.again_max_ms = 30000;
    if (!full.log_bytes) full.log_bytes = 8u << 20;
    if (!full.logs_count) full.logs_count = 4;
    return full;
}

gm_rc gm_supervise_start(const gm_supervise_options *options, gm_err *err)
{
    gm_supervise_options o = with_defaults(options);
    char *whole = NULL, line[LINE_MAX_LEN], answer = 0;
    int lock = -1, report[2];
    gm_rc rc = gm_fs_mkdirs(o.dir, err);
    if (!rc && !(whole = realpath(o.dir, NULL))) rc = gm_err_errno(err, errno, "find", o.dir);
    o.dir = whole; /* the supervisor may change its folder */
    if (!rc) rc = take_lock(o.dir, &lock, err);
    if (!rc && lock < 0) {
        rc = gm_err_set(err, GM_ECONFLICT, "a server runs in \"%s\" already", o.dir);
        gm_err_hint(err, "Stop it first, or name another folder.");
    }
    if (!rc && pipe2(report, O_CLOEXEC) != 0) rc = gm_err_errno(err, errno, "open", "a pipe");
    if (!rc) {
        wait_for_orphan(o.dir, o.stop_ms);
        fork_supervisor(&o, lock, report);
        (void)close(report[1]);
        while (read(report[0], &answer, 1) < 0 && errno == EINTR) {
        }
        (void)close(report[0]);
        last_line(o.dir, line, sizeof(line));
        if (answer != 'R')
            rc = gm_err_set(err, GM_EUNAVAILABLE, "the server did not start: %s", line[0] ? line : "it said nothing");
    }
    if (lock >= 0) (void)close(lock); /* the supervisor's copy holds it */
    free(whole);
    return rc;
}

gm_rc gm_supervise_status(const char *dir, gm_supervised *out, gm_err *err)
{
    record r;
    gm_rc rc = read_record(dir, &r, err);
    if (rc) return rc;
    r.seen.running = r.start > 0 && began(r.seen.pid) == r.start;
    if (!r.seen.running && strcmp(r.seen.state, "stopped") != 0 && strcmp(r.seen.state, "failed") != 0) {
        (void)snprintf(r.seen.state, sizeof(r.seen.state), "killed");
        if (began(r.seen.server) != r.server_start) r.seen.server = 0;
    }
    if (!r.seen.running) r.seen.pid = 0;
    *out = r.seen;
    return GM_OK;
}

gm_rc gm_supervise_stop(const char *dir, int64_t wait_ms, gm_err *err)
{
    gm_supervised s;
    record r;
    gm_rc rc = gm_supervise_status(dir, &s, err);
    if (!rc) rc = read_record(dir, &r, err);
    if (rc) return rc;
    int handle =
        handle_of(s.running ? r.seen.pid : r.seen.server, s.running ? r.start : r.server_start); /* an orphan is ending already */
    if (handle < 0) return gm_err_set(err, GM_ENOTFOUND, "no server runs in \"%s\"", dir);
    (void)syscall(SYS_pidfd_send_signal, handle, SIGTERM, NULL, 0u);
    bool gone = wait_gone(handle, wait_ms ? wait_ms : 60000);
    (void)close(handle);
    return gone ? GM_OK : gm_err_set(err, GM_EUNAVAILABLE, "the server in \"%s\" is still answering its last requests", dir);
}

void gm_supervise_ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    if (!path || !path[0] || strlen(path) >= sizeof(to.sun_path)) return;
    memcpy(to.sun_path, path, strlen(path));
    if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    (void)sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)(void *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
    (void)close(fd);
}
