/* test_supervise.c - a server that stays up: started, seen, started again, stopped, whoever is killed. The servers are this
 * program itself. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "harness/harness.h"
#include "serve/supervise.h"

static void notify(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const char *name = getenv("NOTIFY_SOCKET");
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (!name || fd < 0) _exit(3);
    memcpy(to.sun_path, name, strlen(name));
    if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
    if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)(void *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) != 7)
        _exit(4);
}

/* What the supervised process does, told by the environment. */
__attribute__((constructor)) static void be_a_server(void)
{
    const char *mode = getenv("SUPERVISED");
    if (!mode) return;
    dprintf(1, "a server that is %s\n", mode);
    if (strcmp(mode, "broken") == 0) _exit(7);
    if (strcmp(mode, "stubborn") == 0) (void)signal(SIGTERM, SIG_IGN);
    if (strcmp(mode, "silent") != 0) notify();
    if (strcmp(mode, "chatty") == 0)
        for (int i = 0; i < 300; i++)
            dprintf(2, "line %d of what nobody reads twice ........................................\n", i);
    if (strcmp(mode, "short") == 0) _exit(5);
    for (;;) pause();
}

static const char *program(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    return path;
}

static gm_rc start(const char *dir, const char *mode, gm_supervise_options o, gm_err *err)
{
    const char *argv[] = { program(), NULL };
    CHECK(setenv("SUPERVISED", mode, 1) == 0);
    o.dir = dir;
    o.argv = argv;
    gm_rc rc = gm_supervise_start(&o, err);
    (void)unsetenv("SUPERVISED");
    return rc;
}

static gm_supervised status(const char *dir)
{
    gm_supervised s;
    gm_err err;
    CHECK_OK(gm_supervise_status(dir, &s, &err), &err);
    return s;
}

/* Until the state is there, at most ten seconds. */
static gm_supervised until(const char *dir, const char *state, int64_t restarts)
{
    gm_supervised s = status(dir);
    for (int64_t end = gm_monotonic_us() + 10000000; gm_monotonic_us() < end; (void)poll(NULL, 0, 5)) {
        s = status(dir);
        if (strcmp(s.state, state) == 0 && s.restarts >= restarts) return s;
    }
    gm_harness_fail(__FILE__, __LINE__, "the state is %s after %lld restarts, want %s", s.state, (long long)s.restarts, state);
}

static bool alive(int64_t pid)
{
    char path[64], text[256] = "";
    (void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    (void)!fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    const char *end = strrchr(text, ')');
    return end && end[2] != 'Z';
}

static void until_gone(int64_t pid)
{
    for (int i = 0; i < 2000 && alive(pid); i++) (void)poll(NULL, 0, 5);
    CHECK(!alive(pid));
}

static void a_server_is_started_seen_and_stopped(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    CHECK_RC(gm_supervise_stop(dir, 0, &err), GM_ENOTFOUND);
    CHECK_OK(start(dir, "good", (gm_supervise_options){ 0 }, &err), &err);
    gm_supervised s = status(dir);
    CHECK(s.running && alive(s.pid) && alive(s.server) && s.restarts == 0);
    CHECK_STR(s.state, "ready");
    CHECK(gm_fs_exists(gm_path_join(gm_harness_arena(), dir, "pid")));
    CHECK_RC(start(dir, "good", (gm_supervise_options){ 0 }, &err), GM_ECONFLICT);
    CHECK_OK(gm_supervise_stop(dir, 0, &err), &err);
    CHECK(!alive(s.pid) && !alive(s.server));
    CHECK_STR(status(dir).state, "stopped");
    CHECK(!gm_fs_exists(gm_path_join(gm_harness_arena(), dir, "pid")));
    CHECK_STR(status(dir).ended, "signal 15");
    CHECK(!status(dir).running);
    CHECK_RC(gm_supervise_stop(dir, 0, &err), GM_ENOTFOUND);
    CHECK_OK(start(dir, "good", (gm_supervise_options){ 0 }, &err), &err); /* the folder may be used again */
    CHECK_OK(gm_supervise_stop(dir, 0, &err), &err);
}

static void one_that_never_answers_is_no_success(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    CHECK_RC(start(dir, "broken", (gm_supervise_options){ 0 }, &err), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "a server that is broken");
    gm_supervised s = status(dir);
    CHECK_STR(s.state, "failed");
    CHECK_STR(s.ended, "exit code 7");
    CHECK_RC(start(dir, "silent", (gm_supervise_options){ .ready_ms = 50 }, &err), GM_EUNAVAILABLE);
    CHECK_STR(status(dir).ended, "signal 15");
    const char *argv[] = { "/nowhere/at/all", NULL };
    CHECK_RC(gm_supervise_start(&(gm_supervise_options){ .dir = dir, .argv = argv }, &err), GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "could not start \"/nowhere/at/all\": No such file");
}

static void one_that_ends_is_started_again_ever_later(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    CHECK_OK(start(dir, "short", (gm_supervise_options){ .again_ms = 5, .again_max_ms = 20 }, &err), &err);
    gm_supervised s = until(dir, "waiting", 4);
    CHECK_STR(s.ended, "exit code 5");
    CHECK_OK(gm_supervise_stop(dir, 0, &err), &err); /* in a pause too */
    gm_buf b = { 0 };
    CHECK_OK(gm_fs_read(gm_path_join(gm_harness_arena(), dir, "server.log"), 0, &b, &err), &err);
    static const char *const pauses[] = { "again in 5 ms", "again in 10 ms", "again in 20 ms" };
    const char *at = gm_buf_str(&b);
    for (size_t i = 0; i < 3; i++) CHECK((at = strstr(at, pauses[i])) != NULL);
    gm_buf_clear(&b);
}

static void a_killed_server_comes_back(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    CHECK_OK(start(dir, "good", (gm_supervise_options){ .again_ms = 5 }, &err), &err);
    gm_supervised before = status(dir);
    CHECK(kill((pid_t)before.server, SIGKILL) == 0);
    gm_supervised s = until(dir, "ready", 1);
    CHECK(s.server != before.server && s.pid == before.pid);
    CHECK_STR(s.ended, "signal 9");
    CHECK_OK(gm_supervise_stop(dir, 0, &err), &err);
}

static void a_killed_supervisor_takes_its_server_along(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    CHECK_OK(start(dir, "good", (gm_supervise_options){ 0 }, &err), &err);
    gm_supervised s = status(dir);
    CHECK(kill((pid_t)s.pid, SIGKILL) == 0);
    until_gone(s.pid);
    until_gone(s.server);
    CHECK_STR(status(dir).state, "killed");
    CHECK(!status(dir).running && status(dir).server == 0);
    CHECK_OK(start(dir, "good", (gm_supervise_options){ 0 }, &err), &err);
    CHECK_OK(gm_supervise_stop(dir, 0, &err), &err);
}

static void one_that_does_not_end_is_killed(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    CHECK_OK(start(dir, "stubborn", (gm_supervise_options){ .stop_ms = 50 }, &err), &err);
    CHECK_OK(gm_supervise_stop(dir, 0, &err), &err);
    CHECK_STR(status(dir).ended, "signal 9");
}

static void another_process_with_that_id_is_left_alone(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    gm_buf b = { 0 };
    gm_buf_printf(&b, "{\"state\": \"ready\", \"pid\": %d, \"start\": 1, \"server\": %d, \"server_start\": 1}\n", (int)getpid(),
                  (int)getpid());
    CHECK_OK(gm_fs_write(gm_path_join(gm_harness_arena(), dir, "state.json"), b.data, b.len, &err), &err);
    gm_buf_clear(&b);
    CHECK_STR(status(dir).state, "killed");
    CHECK_RC(gm_supervise_stop(dir, 0, &err), GM_ENOTFOUND); /* and this test still runs */
}

static void logs_are_moved_aside_and_bounded(void)
{
    const char *dir = gm_harness_tmpdir();
    gm_err err;
    CHECK_OK(start(dir, "chatty", (gm_supervise_options){ .log_bytes = 4096, .logs_count = 3 }, &err), &err);
    gm_arena *a = gm_harness_arena();
    for (int i = 0; i < 1000 && !gm_fs_exists(gm_path_join(a, dir, "server.log.2")); i++) (void)poll(NULL, 0, 5);
    CHECK_OK(gm_supervise_stop(dir, 0, &err), &err);
    CHECK(gm_fs_exists(gm_path_join(a, dir, "server.log")) && gm_fs_exists(gm_path_join(a, dir, "server.log.1")));
    CHECK(gm_fs_exists(gm_path_join(a, dir, "server.log.2")) && !gm_fs_exists(gm_path_join(a, dir, "server.log.3")));
}

TESTS(T(a_server_is_started_seen_and_stopped), T(one_that_never_answers_is_no_success),
      T(one_that_ends_is_started_again_ever_later), T(a_killed_server_comes_back), T(a_killed_supervisor_takes_its_server_along),
      T(one_that_does_not_end_is_killed), T(another_process_with_that_id_is_left_alone), T(logs_are_moved_aside_and_bounded))
