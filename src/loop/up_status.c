/* up_status.c - what `gristmill up` is doing, in a file that others read: up.json, and the lock that tells whether it is still
 * true. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/node.h"
#include "loop/up_internal.h"
#include "serve/supervise.h"

enum { STOP_WAIT_MS = 90000, LOCK_WAIT_MS = 1000, LOCK_PAUSE_MS = 20 };

const char *gm_up_dir(const char *store_root, gm_arena *a)
{
    return gm_path_join(a, store_root, "up");
}

static gm_rc taken(const char *path, int fd, gm_err *err)
{
    char text[32] = "";
    (void)!pread(fd, text, sizeof(text) - 1, 0);
    long pid = strtol(text, NULL, 10);
    gm_rc rc = pid > 0 ? gm_err_set(err, GM_ECONFLICT, "it is up already, as process %ld", pid)
                       : gm_err_set(err, GM_ECONFLICT, "it is up already, or \"%s\" is held by another program", path);
    gm_err_hint(err, "`gristmill up --status` shows it, `gristmill up --stop` ends it.");
    return rc;
}

/* Whoever asks whether one is up holds the lock for a moment, shared: that is waited for. */
static int lock_soon(int fd)
{
    int failed = 0;
    for (int ms = 0; (failed = flock(fd, LOCK_EX | LOCK_NB)) != 0 && errno == EWOULDBLOCK && ms < LOCK_WAIT_MS;
         ms += LOCK_PAUSE_MS)
        (void)usleep(LOCK_PAUSE_MS * 1000);
    return failed;
}

gm_rc gm_up_lock(const char *dir, gm_arena *a, int *out_fd, gm_err *err)
{
    char text[32];
    const char *path = gm_path_join(a, dir, "up.lock");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (fd < 0) return gm_err_errno(err, errno, "open", path ? path : dir);
    if (lock_soon(fd) != 0) {
        gm_rc rc = errno == EWOULDBLOCK ? taken(path, fd, err) : gm_err_errno(err, errno, "lock", path);
        (void)close(fd);
        return rc;
    }
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        (void)close(fd);
        return gm_err_errno(err, errno, "write", path);
    }
    *out_fd = fd;
    return GM_OK;
}

void gm_up_status_write(const char *dir, const gm_up_status *s, gm_arena *a)
{
    gm_buf b = { 0 };
    gm_json j;
    const char *path = gm_path_join(a, dir, "up.json");
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kint(&j, "pid", s->pid);
    gm_json_kint(&j, "since_us", s->since_us);
    gm_json_kstr(&j, "url", s->url);
    gm_json_kbool(&j, "ready", s->ready);
    gm_json_kint(&j, "server", s->server);
    gm_json_kint(&j, "server_restarts", s->server_restarts);
    gm_json_kint(&j, "retraining", s->retraining);
    gm_json_kint(&j, "waiting", s->waiting);
    gm_json_kstr(&j, "why", s->why);
    gm_json_object_end(&j);
    gm_buf_char(&b, '\n');
    if (path && !b.failed) (void)gm_fs_write_atomic(path, b.data, b.len, NULL); /* a full disk ends nothing that is up */
    gm_buf_clear(&b);
}

static bool is_locked(const char *dir, gm_arena *a)
{
    const char *path = gm_path_join(a, dir, "up.lock");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return false;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    (void)close(fd);
    return locked;
}

gm_rc gm_up_status_read(const char *store_root, gm_arena *a, gm_up_status *out, gm_err *err)
{
    gm_node *root = NULL;
    gm_up_status s = { 0 };
    const char *dir = gm_up_dir(store_root, a), *path = dir ? gm_path_join(a, dir, "up.json") : NULL;
    if (!path) return gm_err_set(err, GM_ENOMEM, "not enough memory to read the status");
    s.running = is_locked(dir, a);
    if (!gm_fs_exists(path) && !s.running) {
        gm_rc rc = gm_err_set(err, GM_ENOTFOUND, "it was never up here");
        gm_err_hint(err, "`gristmill up` serves, watches and retrains.");
        return rc;
    }
    gm_rc rc = gm_fs_exists(path) ? gm_node_read_file(path, a, &root, err) : GM_OK; /* it has only just begun */
    if (rc) return rc;
    s.pid = gm_node_int_or(root, "pid", 0);
    s.since_us = gm_node_int_or(root, "since_us", 0);
    s.server = gm_node_int_or(root, "server", 0);
    s.server_restarts = gm_node_int_or(root, "server_restarts", 0);
    s.ready = s.running && gm_node_bool_or(root, "ready", false);
    s.retraining = s.running ? gm_node_int_or(root, "retraining", 0) : 0;
    s.waiting = gm_node_int_or(root, "waiting", 0);
    (void)snprintf(s.url, sizeof(s.url), "%s", gm_node_str_or(root, "url", ""));
    (void)snprintf(s.why, sizeof(s.why), "%s", gm_node_str_or(root, "why", ""));
    *out = s;
    return GM_OK;
}

/* Who holds the lock, as it says itself; 0 = nobody. */
static long holder_of(const char *dir, gm_arena *a)
{
    char text[32] = "";
    const char *path = gm_path_join(a, dir, "up.lock");
    int fd = path && is_locked(dir, a) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    (void)!pread(fd, text, sizeof(text) - 1, 0);
    (void)close(fd);
    return strtol(text, NULL, 10);
}

gm_rc gm_up_stop(const char *store_root, gm_arena *a, gm_err *err)
{
    gm_supervised seen;
    const char *dir = gm_up_dir(store_root, a);
    if (!dir) return gm_err_set(err, GM_ENOMEM, "not enough memory to stop it");
    if (gm_supervise_status(dir, &seen, NULL) == GM_OK && seen.running) return gm_supervise_stop(dir, STOP_WAIT_MS, err);
    long pid = holder_of(dir, a);
    if (pid <= 0) return gm_err_set(err, GM_ENOTFOUND, "it is not up");
    if (kill((pid_t)pid, SIGTERM) != 0 && errno != ESRCH)
        return gm_err_set(err, GM_EIO, "could not end process %ld: %s", pid, strerror(errno));
    for (int ms = 0; ms < STOP_WAIT_MS; ms += 50) {
        if (!is_locked(dir, a)) return GM_OK;
        (void)usleep(50000);
    }
    return gm_err_set(err, GM_EUNAVAILABLE, "it is still ending; process %ld", pid);
}
