/* ort_watch.c - see ort_watch.h.
 *
 * Invariants
 *  (1) everything here is under one lock, which nobody holds while a model runs;
 *  (2) a watch is in one list: of those under way, or of those to be used again;
 *  (3) options that say "stop" are told otherwise before they are used again.
 */
#include "ort_watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

enum { LOOK_EVERY_US = 50000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begun; /* something runs now; its clock is the monotonic one */
static gm_ort_watch *under_way, *unused;
static const gm_ort_api *library; /* a copy that outlives every session; the library stays loaded */
static bool runs, sleeps;

static void wait_until(int64_t us)
{
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
    while (pthread_cond_timedwait(&begun, &lock, &t) != ETIMEDOUT) {
    }
}

static void *look(void *none)
{
    (void)none;
    pthread_mutex_lock(&lock);
    for (;;) {
        sleeps = !under_way;
        while (!under_way) pthread_cond_wait(&begun, &lock);
        int64_t now = gm_monotonic_us();
        for (gm_ort_watch *w = under_way; w; w = w->next) {
            if (now < w->due_us || w->stopped) continue;
            w->stopped = true;
            ort_status *status = library->stop_run(w->options);
            if (status) library->release_status(status);
        }
        wait_until(now + LOOK_EVERY_US);
    }
    return NULL;
}

/* With all signals blocked: they are for threads that expect them. */
static bool start(const gm_ort_api *api)
{
    static gm_ort_api copy;
    pthread_condattr_t monotonic;
    pthread_t thread;
    sigset_t all, before;
    copy = *api;
    library = &copy;
    bool ok = pthread_condattr_init(&monotonic) == 0;
    ok = ok && pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&begun, &monotonic) == 0;
    sigfillset(&all);
    ok = ok && pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    if (!ok) return false;
    ok = pthread_create(&thread, NULL, look, NULL) == 0;
    if (ok) (void)pthread_detach(thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

static gm_ort_watch *take(const gm_ort_api *api, ort_status **status)
{
    gm_ort_watch *w = unused;
    if (w) {
        unused = w->next;
        return w;
    }
    w = calloc(1, sizeof(*w));
    if (!w) return NULL;
    *status = api->create_run_options(&w->options);
    if (!*status) *status = api->set_run_log_level(w->options, ORT_LOG_FATAL); /* what goes wrong is in the status */
    if (!*status) return w;
    if (w->options) api->release_run_options(w->options);
    free(w);
    return NULL;
}

static void put(gm_ort_watch **list, gm_ort_watch *w)
{
    w->next = *list;
    *list = w;
}

gm_rc gm_ort_watch_begin(const gm_ort_api *api, int64_t limit_ms, gm_ort_watch **out, ort_status **status, gm_err *err)
{
    *status = NULL;
    pthread_mutex_lock(&lock);
    gm_ort_watch *w = runs || (runs = start(api)) ? take(api, status) : NULL;
    if (w && w->stopped && (*status = api->go_on(w->options))) { /* see (3) */
        put(&unused, w);
        w = NULL;
    }
    if (w) {
        w->stopped = false;
        w->limit_ms = limit_ms;
        w->due_us = gm_monotonic_us() + limit_ms * 1000;
        put(&under_way, w);
        if (sleeps) (void)pthread_cond_signal(&begun);
        sleeps = false;
    }
    pthread_mutex_unlock(&lock);
    if (w) *out = w;
    return w || *status ? GM_OK : gm_err_set(err, GM_ENOMEM, "no memory or thread for running a model");
}

bool gm_ort_watch_end(gm_ort_watch *w)
{
    pthread_mutex_lock(&lock);
    gm_ort_watch **at = &under_way;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
    bool stopped = w->stopped;
    put(&unused, w);
    pthread_mutex_unlock(&lock);
    return stopped;
}
