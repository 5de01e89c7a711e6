/* local.c - steps as processes of this machine, each the leader of a process group of its own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "pipe/executor.h"

/* Field 22 of /proc/PID/stat: when the process began, in clock ticks since boot. 0 when there is no such process. */
static int64_t start_of(int64_t pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    char *at = strrchr(text, ')'); /* the name in parentheses may hold anything */
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? strtoll(at, NULL, 10) : 0;
}

/* Between vfork and exec: only system calls, in memory that is still the parent's. */
static _Noreturn void become(const gm_job_spec *spec, int log_fd, pid_t parent, volatile int *out_reason)
{
    (void)setpgid(0, 0);
    (void)signal(SIGPIPE, SIG_DFL);         /* ignored by us; a program in a pipeline expects to end by it */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* the runner's death is ours */
    if (getppid() != parent) _exit(127);
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd >= 0 && dup2(null_fd, 0) >= 0 && dup2(log_fd, 1) >= 0 && dup2(log_fd, 2) >= 0 && chdir(spec->cwd) == 0)
        (void)execvpe(spec->argv[0], (char *const *)(uintptr_t)spec->argv, (char *const *)(uintptr_t)spec->env);
    *out_reason = errno;
    _exit(127);
}

/* vfork: the parent waits until the program runs or could not be started, and no page of it is copied for that moment. */
static gm_rc submit(const gm_job_spec *spec, gm_job *out, gm_err *err)
{
    volatile int reason = 0;
    int log_fd = open(spec->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (log_fd < 0) return gm_err_errno(err, errno, "create", spec->log_path);
    (void)prctl(PR_SET_CHILD_SUBREAPER,
                1); /* what a step's program leaves behind comes to us and not to an init that may not collect it */
    pid_t parent = getpid(), pid = vfork();
    if (pid == 0) become(spec, log_fd, parent, &reason);
    int failed = errno;
    (void)close(log_fd);
    if (pid < 0) return gm_err_errno(err, failed, "start a process for", spec->name);
    if (reason) {
        (void)waitpid(pid, NULL, 0);
        gm_rc rc = gm_err_set(err, GM_EINVALID, "could not run \"%s\": %s", spec->argv[0], strerror(reason));
        gm_err_hint(err, "Check that the program is installed and on the PATH.");
        return rc;
    }
    *out = (gm_job){ .id = pid, .start = start_of(pid), .state = GM_JOB_RUNNING };
    return GM_OK;
}

/* The dead of a group that are our children: see submit. */
static void collect(int64_t group)
{
    while (waitpid(-(pid_t)group, NULL, WNOHANG) > 0) {
    }
}

static void reap(gm_job *job)
{
    int status = 0;
    struct rusage usage;
    pid_t got = wait4((pid_t)job->id, &status, WNOHANG, &usage);
    if (got == 0 || (got < 0 && errno == EINTR)) return;
    if (got < 0) {
        job->state = GM_JOB_LOST;
        return;
    }
    collect(job->id);
    job->state = GM_JOB_DONE;
    job->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    job->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    job->cpu_us =
        (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    job->peak_rss_bytes = (int64_t)usage.ru_maxrss * 1024;
}

static gm_rc status(gm_job **jobs, size_t count, int timeout_ms, gm_err *err)
{
    enum { JOBS_MAX = 1024 };
    struct pollfd fds[JOBS_MAX];
    nfds_t open_fds = 0;
    bool ended = false;
    gm_assert(count <= JOBS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->state == GM_JOB_RUNNING) reap(jobs[i]);
        ended = ended || jobs[i]->state != GM_JOB_RUNNING;
    }
    if (ended || timeout_ms == 0 || count == 0) return GM_OK;
    for (size_t i = 0; i < count; i++) {
        int fd = (int)syscall(SYS_pidfd_open, (pid_t)jobs[i]->id, 0);
        if (fd >= 0) fds[open_fds++] = (struct pollfd){ .fd = fd, .events = POLLIN };
    }
    if (open_fds < count && (timeout_ms < 0 || timeout_ms > 20)) timeout_ms = 20; /* no pidfd: look again soon */
    int got = poll(fds, open_fds, timeout_ms);
    int reason = errno;
    for (nfds_t i = 0; i < open_fds; i++) (void)close(fds[i].fd);
    if (got < 0 && reason != EINTR) return gm_err_set(err, GM_EIO, "could not wait for steps: %s", strerror(reason));
    for (size_t i = 0; i < count; i++) reap(jobs[i]);
    return GM_OK;
}

/* The number was given to another process since: it is not for us to end. */
static bool is_anothers(const gm_job *job)
{
    int64_t start = start_of(job->id);
    return start && job->start && start != job->start;
}

static gm_rc kill_jobs(const gm_job *jobs, size_t count, gm_err *err)
{
    (void)err;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].id <= 1) continue;
        if (is_anothers(&jobs[i])) continue;
        (void)kill(-(pid_t)jobs[i].id, SIGKILL);
    }
    for (size_t i = 0; i < count; i++) /* gone, or not our child: then only gone from the table matters */
        for (int tries = 0; tries < 1000 && jobs[i].id > 1 && !is_anothers(&jobs[i]) && kill(-(pid_t)jobs[i].id, 0) == 0;
             tries++) {
            collect(jobs[i].id);
            (void)usleep(1000);
        }
    return GM_OK;
}

static gm_rc fetch(const gm_job *job, const char *dir, gm_err *err)
{
    (void)job;
    (void)dir;
    (void)err;
    return GM_OK;
}

static gm_rc logs(const gm_job *job, const char *log_path, gm_buf *out, gm_err *err)
{
    (void)job;
    return gm_fs_read(log_path, (size_t)16 << 20, out, err);
}

const gm_executor gm_executor_local = {
    .item = { .name = "local", .help = "processes of this machine" },
    .submit = submit,
    .status = status,
    .kill = kill_jobs,
    .fetch = fetch,
    .logs = logs,
};
