/* up.c - see up.h: one loop that waits for signals, processes and the clock, and looks at everything in turn. */
#include "loop/up.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "loop/trigger_look.h"
#include "loop/up_data.h"
#include "loop/up_internal.h"
#include "loop/up_parts.h"
#include "loop/up_run.h"
#include "loop/up_serve.h"
#include "store/release.h"

enum { WAKE_MS = 250, LOOK_MS = 1000, WINDOWS_MS = 20000, SERVE_STOP_MS = 45000, ARGS_MAX = 64 };

typedef struct up {
    const gm_up_options *o;
    gm_arena *a; /* of the whole time */
    const char *dir;
    int lock, signals;
    gm_store *store;
    gm_arena *spec_a; /* of the file as it is now */
    gm_spec spec;
    struct timespec file_time;
    gm_up_serve serve;
    gm_up_trainer run;
    gm_retrain *retrain;
    gm_up_parts *parts;
    gm_up_data *data; /* NULL, as parts: it could not be started, which is tried again */
    gm_trigger_data seen;
    int64_t began_us, data_version, looked_ms, windows_ms;
    char failed[GM_UP_WORDS];      /* what a look said last, so that it is said once */
    char not_watched[GM_UP_WORDS]; /* the same, why nothing is watched */
    gm_up_status status, written;
    bool said_ready;
} up;

static void say(up *u, const char *part, const char *line)
{
    if (u->o->say) u->o->say(u->o->say_ctx, part, line);
}

static int64_t now_us(const up *u)
{
    return u->o->now_us ? u->o->now_us(u->o->now_ctx) : gm_now_us();
}

static int64_t now_ms(void)
{
    return gm_monotonic_us() / 1000;
}

/* What fails is tried again; the same failure is not said again. said: u->failed or u->not_watched. */
static void complain(up *u, const char *part, char *said, gm_rc rc, const gm_err *err)
{
    if (rc && strcmp(said, err->message) != 0) say(u, part, err->message);
    (void)snprintf(said, GM_UP_WORDS, "%s", rc ? err->message : "");
}

/* ---- the file ------------------------------------------------------------------------------------------------------------- */

static struct timespec time_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mtim : (struct timespec){ 0 };
}

static gm_rc read_spec(up *u, gm_arena **out_a, gm_spec *out, gm_errs *errs, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to read the file");
    gm_rc rc = gm_spec_read(u->o->file, a, out, errs);
    if (rc) {
        if (errs->count)
            *err = errs->items[0];
        else
            (void)gm_err_set(err, rc, "could not read \"%s\"", u->o->file);
        gm_arena_free(a);
        return rc;
    }
    *out_a = a;
    return GM_OK;
}

static void asked(void *ctx, const gm_trigger_record *t)
{
    char line[600];
    (void)snprintf(line, sizeof(line), "%" PRId64 " (%s) asked: %s", t->id, t->kind, t->reason);
    say(ctx, "retrain", line);
}

static void part_says(void *ctx, const char *part, const char *line)
{
    say(ctx, part, line);
}

/* The threads that are not there yet. */
static gm_rc start_parts(up *u, gm_err *err)
{
    gm_up_parts_options o = { .spec = &u->spec,
                              .store = u->store,
                              .dir = u->dir,
                              .now_us = u->o->now_us,
                              .now_ctx = u->o->now_ctx,
                              .say = u->o->say,
                              .say_ctx = u->o->say_ctx };
    gm_up_data_options d = { .spec = &u->spec,
                             .store = u->store,
                             .seen = &u->seen,
                             .now_us = u->o->now_us,
                             .now_ctx = u->o->now_ctx,
                             .asked = asked,
                             .say = part_says,
                             .ctx = u };
    gm_rc rc = u->parts ? GM_OK : gm_up_parts_start(&o, &u->parts, err);
    return rc || u->data ? rc : gm_up_data_start(&d, &u->data, err);
}

/* Both borrow the file's words. */
static void stop_parts(up *u)
{
    gm_up_data_stop(u->data);
    gm_up_parts_stop(u->parts);
    u->data = NULL;
    u->parts = NULL;
}

/* The file changed: what it says now goes, if it can be read. */
static void renew_spec(up *u)
{
    struct timespec t = time_of(u->o->file);
    gm_arena *a = NULL, *errs_a = NULL;
    gm_spec spec;
    gm_err err;
    if (t.tv_sec == u->file_time.tv_sec && t.tv_nsec == u->file_time.tv_nsec) return;
    u->file_time = t;
    errs_a = gm_arena_new(0);
    gm_errs errs = { .arena = errs_a };
    gm_rc rc = read_spec(u, &a, &spec, &errs, &err);
    if (!rc && strcmp(spec.pipeline, u->spec.pipeline) != 0) {
        rc = gm_err_set(&err, GM_EINVALID, "the pipeline's name changed; start again for that");
        gm_arena_free(a);
    }
    if (rc) {
        char line[400];
        (void)snprintf(line, sizeof(line), "the file cannot be used as it is now (line %u: %s); going on with what it said",
                       err.line, err.message);
        say(u, "up", line);
    } else {
        stop_parts(u);
        gm_arena_free(u->spec_a);
        u->spec_a = a;
        u->spec = spec;
        gm_retrain_respec(u->retrain, &u->spec);
        say(u, "up", "the file was read again");
    }
    gm_arena_free(errs_a);
}

/* Also when they could not be started before. */
static void watch_too(up *u)
{
    gm_err err = { 0 };
    if (!u->parts || !u->data) complain(u, "watch", u->not_watched, start_parts(u, &err), &err);
}

/* ---- beginning ------------------------------------------------------------------------------------------------------------- */

/* Made when there is none, brought up to date when it is older; both need the lock, which a run must be able to have later. */
static gm_rc open_store(up *u, gm_err *err)
{
    gm_store_options beside = { .beside = true };
    gm_rc rc = gm_store_open(u->o->store_root, &beside, &u->store, err);
    if (rc == GM_ENOTFOUND) rc = gm_store_open(u->o->store_root, &(gm_store_options){ .lock_wait_ms = 5000 }, &u->store, err);
    if (rc) return rc;
    gm_store_close(u->store);
    u->store = NULL;
    return gm_store_open(u->o->store_root, &beside, &u->store, err);
}

static void serve_says(void *ctx, const char *line)
{
    say(ctx, "serve", line);
}

static void retrain_says(void *ctx, const gm_trigger_record *t, const char *what)
{
    char line[600];
    (void)snprintf(line, sizeof(line), "%" PRId64 " (%s) %s", t->id, t->kind, what);
    say(ctx, "retrain", line);
}

static gm_rc prepare_serve(up *u, gm_err *err)
{
    const char **argv = GM_ARENA_ARRAY(u->a, const char *, ARGS_MAX + 8);
    size_t n = 0;
    if (!argv) return gm_err_set(err, GM_ENOMEM, "not enough memory to serve");
    argv[n++] = u->o->program;
    argv[n++] = "serve";
    argv[n++] = "--json";
    argv[n++] = "-f";
    argv[n++] = u->o->file;
    for (size_t i = 0; u->o->serve_args && u->o->serve_args[i] && i < ARGS_MAX; i++) {
        argv[n] = u->o->serve_args[i];
        if (i > 0 && strcmp(u->o->serve_args[i - 1], "--port") == 0) u->serve.port = &argv[n];
        n++;
    }
    u->serve.argv = argv;
    u->serve.say = serve_says;
    u->serve.say_ctx = u;
    gm_up_serve_init(&u->serve);
    return GM_OK;
}

static gm_rc begin(up *u, gm_errs *errs, gm_err *err)
{
    sigset_t ours;
    u->file_time = time_of(u->o->file); /* before it is read: a change that comes between is read again */
    gm_rc rc = read_spec(u, &u->spec_a, &u->spec, errs, err);
    if (!rc) rc = open_store(u, err);
    if (!rc && !(u->dir = gm_up_dir(gm_store_root(u->store), u->a)))
        rc = gm_err_set(err, GM_ENOMEM, "not enough memory to begin");
    if (!rc) rc = gm_fs_mkdirs(u->dir, err);
    if (!rc) rc = gm_up_lock(u->dir, u->a, &u->lock, err);
    if (rc) return rc;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &ours, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    u->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (u->signals < 0) return gm_err_set(err, GM_EIO, "could not wait for signals: %s", strerror(errno));
    gm_up_trainer_init(&u->run, u->o->program, u->o->file, u->dir);
    gm_retrain_options ro = {
        .store = u->store, .spec = &u->spec, .runner = gm_up_runner(&u->run), .say = retrain_says, .say_ctx = u
    };
    rc = gm_retrain_new(&ro, &u->retrain, err);
    if (!rc) rc = prepare_serve(u, err);
    if (!rc) rc = start_parts(u, err);
    u->began_us = now_us(u);
    u->status = (gm_up_status){ .running = true, .pid = getpid(), .since_us = gm_now_us() };
    return rc;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------------
 */

static bool told_to_stop(up *u)
{
    struct signalfd_siginfo info;
    bool stop = false;
    while (read(u->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        stop = stop || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
    return stop;
}

/* Times are looked at every second, records when they have changed; data on a thread of its own. */
static void look_for_reasons(up *u)
{
    gm_err err = { 0 };
    int64_t version = 0, ms = now_ms();
    gm_trigger_look look = {
        .store = u->store, .spec = &u->spec, .now_us = now_us(u), .since_us = u->began_us, .asked = asked, .ctx = u
    };
    gm_rc rc = gm_store_data_version(u->store, &version, &err);
    bool changed = !rc && version != u->data_version;
    if (!changed && ms - u->looked_ms < LOOK_MS) return;
    u->data_version = version;
    u->looked_ms = ms;
    renew_spec(u);
    watch_too(u);
    if (!rc) rc = gm_trigger_look_schedule(&look, &err);
    if (!rc && (changed || ms - u->windows_ms >= WINDOWS_MS)) { /* a window's labels are waited for by the clock */
        u->windows_ms = ms;
        rc = gm_trigger_look_windows(&look, &err);
    }
    if (!rc) rc = gm_retrain_tick(u->retrain, look.now_us, &err);
    complain(u, "retrain", u->failed, rc, &err);
}

static void tell_status(up *u)
{
    gm_retrain_status r;
    gm_retrain_status_get(u->retrain, &r);
    u->status.server = u->serve.child.pid;
    u->status.server_restarts = u->serve.restarts;
    u->status.ready = u->serve.ready;
    (void)snprintf(u->status.url, sizeof(u->status.url), "%s", u->serve.url);
    u->status.retraining = r.running;
    u->status.waiting = r.waiting;
    (void)snprintf(u->status.why, sizeof(u->status.why), "%s", r.why);
    if (memcmp(&u->status, &u->written, sizeof(u->status)) == 0) return;
    u->written = u->status;
    gm_arena *a = gm_arena_new(1 << 16);
    if (a) gm_up_status_write(u->dir, &u->status, a);
    gm_arena_free(a);
}

static void loop(up *u)
{
    while (!told_to_stop(u)) {
        if (u->o->serve_args) gm_up_serve_look(&u->serve, now_ms());
        if (!u->said_ready && (u->serve.ready || !u->o->serve_args)) {
            u->said_ready = true;
            tell_status(u); /* whoever hears that it is ready asks where */
            if (u->o->ready) u->o->ready(u->o->ready_ctx, u->serve.url);
        }
        look_for_reasons(u);
        tell_status(u);
        struct pollfd p[2] = { { u->signals, POLLIN, 0 }, { u->serve.out, POLLIN, 0 } };
        (void)poll(p, 2, WAKE_MS);
        if (p[1].revents & POLLHUP && !(p[1].revents & POLLIN)) { /* it closed its output; that it ended is told by a signal */
            (void)close(u->serve.out);
            u->serve.out = -1;
        }
    }
}

gm_rc gm_up_run(const gm_up_options *o, gm_errs *errs, gm_err *err)
{
    up u = { .o = o, .lock = -1, .signals = -1, .a = gm_arena_new(0) };
    u.serve.child = (gm_child)GM_CHILD_NONE;
    u.serve.out = -1;
    if (!u.a) return gm_err_set(err, GM_ENOMEM, "not enough memory to begin");
    gm_rc rc = begin(&u, errs, err);
    if (!rc) {
        loop(&u);
        say(&u, "up", "stopping");
    }
    gm_retrain_free(u.retrain); /* what trains is ended first; the server answers until the end */
    stop_parts(&u);
    gm_up_serve_stop(&u.serve, SERVE_STOP_MS);
    if (!rc) {
        u.status.pid = 0;
        u.status.ready = false;
        u.status.server = u.status.retraining = 0;
        gm_up_status_write(u.dir, &u.status, u.a);
    }
    if (u.signals >= 0) (void)close(u.signals);
    if (u.lock >= 0) (void)close(u.lock);
    gm_store_close(u.store);
    gm_arena_free(u.spec_a);
    gm_arena_free(u.a);
    return rc;
}
