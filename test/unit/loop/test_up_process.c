/* test_up_process.c - the processes of `up`: how they end, that they end with it, and who holds the folder. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "harness/harness.h"
#include "loop/up_child.h"
#include "loop/up_internal.h"
#include "loop/up_serve.h"

static gm_err err;

static gm_child shell(const char *script, int orphan_signal)
{
    gm_child c = GM_CHILD_NONE;
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    CHECK_OK(
        gm_child_start(&(gm_child_spec){ .argv = argv, .orphan_signal = orphan_signal, .out_fd = -1, .err_fd = -1 }, &c, &err),
        &err);
    CHECK(c.pid > 0);
    return c;
}

static void wait_end(gm_child *c, int *code, int *number)
{
    for (int i = 0; i < 1000 && !gm_child_ended(c, code, number); i++) (void)usleep(10000);
    CHECK(c->pid == 0);
}

static void the_end_of_a_child_is_told(void)
{
    int code = 0, number = 0;
    gm_child c = shell("exit 7", SIGKILL);
    wait_end(&c, &code, &number);
    CHECK(code == 7 && number == 0);
    c = shell("kill -9 $$", SIGKILL);
    wait_end(&c, &code, &number);
    CHECK(code == -1 && number == 9);
    CHECK(setenv("NOTIFY_SOCKET", "x", 1) == 0);
    c = shell("test -z \"$NOTIFY_SOCKET\"", SIGKILL); /* ours to answer, not the child's */
    wait_end(&c, &code, &number);
    CHECK(code == 0);
    CHECK(!gm_child_ended(&c, &code, &number)); /* there is none any more */
}

static void a_program_that_is_not_there_is_no_child(void)
{
    gm_child c = GM_CHILD_NONE;
    const char *argv[] = { "/nowhere/gristmill", NULL };
    CHECK_RC(gm_child_start(&(gm_child_spec){ .argv = argv, .orphan_signal = SIGKILL, .out_fd = -1, .err_fd = -1 }, &c, &err),
             GM_EUNAVAILABLE);
    CHECK_HAS(err.message, "/nowhere/gristmill");
    CHECK(c.pid == 0);
}

static void a_child_that_does_not_want_to_end_is_ended(void)
{
    gm_child c = shell("trap '' TERM; while :; do sleep 0.05; done", SIGKILL);
    (void)usleep(200000);
    gm_child_stop(&c, SIGTERM, 300);
    CHECK(c.pid == 0 && c.handle == -1);
    c = shell("trap 'exit 0' TERM; while :; do sleep 0.05; done", SIGKILL);
    (void)usleep(200000);
    gm_child_stop(&c, SIGTERM, 20000);
    CHECK(c.pid == 0);
    gm_child_stop(&c, SIGTERM, 1000); /* nothing to stop */
}

static void children_end_with_a_parent_that_is_killed(void)
{
    char path[600], text[32] = "";
    (void)snprintf(path, sizeof(path), "%s/pid", gm_harness_tmpdir());
    pid_t parent = fork();
    if (parent == 0) {
        gm_child c = shell("exec sleep 1000", SIGKILL);
        int len = snprintf(text, sizeof(text), "%d", (int)c.pid);
        (void)gm_fs_write_atomic(path, text, (size_t)len, &err);
        (void)pause();
        _exit(0);
    }
    for (int i = 0; i < 1000 && !gm_fs_exists(path); i++) (void)usleep(10000);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
    (void)close(fd);
    pid_t child = (pid_t)strtol(text, NULL, 10);
    CHECK(child > 0 && kill(child, 0) == 0);
    CHECK(kill(parent, SIGKILL) == 0 && waitpid(parent, NULL, 0) == parent);
    int state = 0;
    for (int i = 0; i < 500 && state == 0; i++) { /* gone, or a zombie of whoever takes orphans in */
        char proc[64], line[256] = "";
        (void)snprintf(proc, sizeof(proc), "/proc/%d/stat", (int)child);
        int stat_fd = open(proc, O_RDONLY);
        if (stat_fd < 0 || read(stat_fd, line, sizeof(line) - 1) <= 0 || strstr(line, ") Z ")) state = 1;
        if (stat_fd >= 0) (void)close(stat_fd);
        (void)usleep(10000);
    }
    CHECK(state == 1);
}

/* ---- the server's keeper, with a shell in the place of the server --------------------------------------------------------- */

static char said[4096];

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", line);
}

static void a_server_that_ends_is_started_again_after_growing_pauses(void)
{
    const char *argv[] = { "/bin/sh", "-c", "echo noise; echo '{\"url\":\"http://h:81\",\"port\":81}'; exit $(($0))", "0", NULL };
    gm_up_serve s = { .argv = argv, .port = &argv[3], .say = say };
    int64_t now = 1000, last_pause = 0;
    said[0] = '\0';
    gm_up_serve_init(&s);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 1000 && !(s.due_ms > now); i++) {
            gm_up_serve_look(&s, now);
            (void)usleep(5000);
        }
        CHECK(!s.ready && s.restarts == round + 1);
        CHECK_STR(argv[3], "81"); /* the same port again, which the shell gives as its code */
        CHECK(s.due_ms - now >= 2 * last_pause);
        last_pause = s.due_ms - now;
        now = s.due_ms;
    }
    CHECK_HAS(said, "serving at http://h:81");
    CHECK_HAS(said, "the server ended with code 81; again in 200 ms");
    gm_up_serve_stop(&s, 1000);
}

/* ---- the folder --------------------------------------------------------------------------------------------------------------
 */

static void one_is_up_in_a_folder(void)
{
    gm_arena *a = gm_arena_new(0);
    const char *root = gm_harness_tmpdir(), *dir = gm_up_dir(root, a);
    gm_up_status s = { 0 };
    int lock = -1, second = -1;
    CHECK_OK(gm_fs_mkdirs(dir, &err), &err);
    CHECK_RC(gm_up_status_read(root, a, &s, &err), GM_ENOTFOUND);
    CHECK_OK(gm_up_lock(dir, a, &lock, &err), &err);
    CHECK_OK(gm_up_status_read(root, a, &s, &err), &err); /* it has only just begun */
    CHECK(s.running && s.pid == 0);
    CHECK_RC(gm_up_lock(dir, a, &second, &err), GM_ECONFLICT);
    CHECK_HAS(err.message, "up already, as process");
    gm_up_status told = {
        .pid = 5, .since_us = 77, .server = 6, .server_restarts = 2, .ready = true, .retraining = 3, .waiting = 4
    };
    (void)snprintf(told.url, sizeof(told.url), "http://127.0.0.1:1");
    (void)snprintf(told.why, sizeof(told.why), "\"quoted\"");
    gm_up_status_write(dir, &told, a);
    CHECK_OK(gm_up_status_read(root, a, &s, &err), &err);
    CHECK(s.running && s.pid == 5 && s.since_us == 77 && s.server == 6 && s.server_restarts == 2 && s.ready &&
          s.retraining == 3 && s.waiting == 4);
    CHECK_STR(s.url, "http://127.0.0.1:1");
    CHECK_STR(s.why, "\"quoted\"");
    (void)close(lock); /* it was killed: what it said last is not true any more */
    CHECK_OK(gm_up_status_read(root, a, &s, &err), &err);
    CHECK(!s.running && !s.ready && s.retraining == 0);
    CHECK_RC(gm_up_stop(root, a, &err), GM_ENOTFOUND);
    CHECK_OK(gm_fs_write(gm_path_join(a, dir, "up.json"), "{", 1, &err), &err);
    CHECK(gm_up_status_read(root, a, &s, &err) != GM_OK);
    gm_arena_free(a);
}

/* Somebody asks whether one is up, and is slow. */
static void a_look_at_the_lock_keeps_nobody_from_starting(void)
{
    gm_arena *a = gm_arena_new(0);
    const char *dir = gm_up_dir(gm_harness_tmpdir(), a);
    int lock = -1, ready[2];
    char byte = 0;
    CHECK_OK(gm_fs_mkdirs(dir, &err), &err);
    CHECK(pipe(ready) == 0);
    pid_t looker = fork();
    if (looker == 0) {
        int fd = open(gm_path_join(a, dir, "up.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 && write(ready[1], "x", 1) == 1;
        (void)usleep(200000);
        _exit(held ? 0 : 1);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK_OK(gm_up_lock(dir, a, &lock, &err), &err);
    int status = 1;
    CHECK(waitpid(looker, &status, 0) == looker && status == 0);
    (void)close(lock);
    (void)close(ready[0]);
    (void)close(ready[1]);
    gm_arena_free(a);
}

TESTS(T(a_look_at_the_lock_keeps_nobody_from_starting), T(the_end_of_a_child_is_told), T(a_program_that_is_not_there_is_no_child),
      T(a_child_that_does_not_want_to_end_is_ended), T(children_end_with_a_parent_that_is_killed),
      T(a_server_that_ends_is_started_again_after_growing_pauses), T(one_is_up_in_a_folder))
