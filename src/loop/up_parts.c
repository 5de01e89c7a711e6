/* up_parts.c - see up_parts.h. A look that fails is repeated, and says so once. */
#include "loop/up_parts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "loop/deliver.h"
#include "loop/up_internal.h"
#include "loop/watcher.h"

enum { EVERY_MS = 1000, NOTES_MAX = 8, LOOK_MS = 2000 /* messages are sent in between */ };

struct gm_up_parts {
    gm_up_parts_options o;
    gm_watcher *watcher; /* NULL: it could not be opened, which is tried again */
    gm_arena *a;
    const char *scratch;
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock; /* of stopping */
    pthread_cond_t wake;
    atomic_bool stopping; /* written under the lock */
    bool more;            /* the last look left windows for the next one */
    char said[NOTES_MAX][GM_UP_WORDS]; /* notes of the last look */
    char failed[2][GM_UP_WORDS];       /* failures of the last look: watching, sending */
};

static void say(const gm_up_parts *p, const char *part, const char *line)
{
    if (p->o.say) p->o.say(p->o.say_ctx, part, line);
}

static void complain(gm_up_parts *p, int which, gm_rc rc, const char *message)
{
    char *last = p->failed[which];
    if (rc && strcmp(last, message) != 0) say(p, which ? "alert" : "watch", message);
    (void)snprintf(last, sizeof(p->failed[which]), "%s", rc ? message : "");
}

/* ---- watching -------------------------------------------------------------------------------------------------------------- */

static void tell(gm_up_parts *p, const gm_watcher_look *look)
{
    char line[160];
    if (look->windows || look->alerts) {
        (void)snprintf(line, sizeof(line), "%" PRId64 " windows judged, %" PRId64 " alerts changed, %" PRId64 " messages to send",
                       look->windows, look->alerts, look->messages);
        say(p, "watch", line);
    }
    for (size_t i = 0; i < NOTES_MAX; i++) {
        const char *note = i < look->notes_count ? look->notes[i] : "";
        if (note[0] && strcmp(p->said[i], note) != 0) say(p, "watch", note);
        (void)snprintf(p->said[i], sizeof(p->said[i]), "%s", note);
    }
}

static void watch(gm_up_parts *p, int64_t now_us)
{
    gm_err err = { 0 };
    gm_watcher_look look = { 0 };
    gm_watcher_options o = {
        .spec = p->o.spec, .store = p->o.store, .scratch = p->scratch, .stop = &p->stopping, .budget_ms = LOOK_MS
    };
    gm_rc rc = p->watcher ? GM_OK : gm_watcher_open(&o, &p->watcher, &err);
    if (!rc) rc = gm_watcher_tick(p->watcher, now_us, &look, &err);
    if (!rc) tell(p, &look);
    p->more = !rc && look.more;
    complain(p, 0, rc, err.message);
}

/* ---- sending -----------------------------------------------------------------------------------------------------------------
 */

static void deliver(gm_up_parts *p, int64_t now_us)
{
    gm_err err = { 0 };
    gm_deliver_result r = { 0 };
    char line[160];
    gm_rc rc = gm_deliver_tick(p->o.store, &p->o.spec->monitor.alerts, now_us,
                               &(gm_deliver_options){ .model = p->o.spec->pipeline, .budget_ms = LOOK_MS }, &r, &err);
    if (!rc && r.sent) {
        (void)snprintf(line, sizeof(line), "%" PRId64 " messages sent", r.sent);
        say(p, "alert", line);
    }
    if (!rc && r.error.rc)
        complain(p, 1, r.error.rc, r.error.message);
    else
        complain(p, 1, rc, err.message);
}

/* ---- the thread
 * ---------------------------------------------------------------------------------------------------------------- */

/* true: time to stop. */
static bool wait_a_moment(gm_up_parts *p)
{
    struct timespec until;
    int64_t ms = p->more ? 1 : p->o.every_ms ? p->o.every_ms : EVERY_MS;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&p->lock);
    if (!atomic_load(&p->stopping)) (void)pthread_cond_timedwait(&p->wake, &p->lock, &until);
    bool stopping = atomic_load(&p->stopping);
    (void)pthread_mutex_unlock(&p->lock);
    return stopping;
}

static void *work(void *ctx)
{
    gm_up_parts *p = ctx;
    do {
        int64_t now_us = p->o.now_us ? p->o.now_us(p->o.now_ctx) : gm_now_us();
        watch(p, now_us);
        if (!atomic_load(&p->stopping)) deliver(p, now_us);
    } while (!wait_a_moment(p));
    return NULL;
}

gm_rc gm_up_parts_start(const gm_up_parts_options *o, gm_up_parts **out, gm_err *err)
{
    gm_up_parts *p = calloc(1, sizeof(*p));
    if (!p || !(p->a = gm_arena_new(0))) {
        free(p);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to watch");
    }
    p->o = *o;
    p->scratch = gm_path_join(p->a, o->dir, "watch");
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->wake, NULL);
    p->runs = p->scratch && pthread_create(&p->thread, NULL, work, p) == 0;
    if (!p->runs) {
        gm_up_parts_stop(p);
        return gm_err_set(err, GM_EUNAVAILABLE, "could not start a thread to watch");
    }
    *out = p;
    return GM_OK;
}

void gm_up_parts_stop(gm_up_parts *p)
{
    if (!p) return;
    (void)pthread_mutex_lock(&p->lock);
    atomic_store(&p->stopping, true);
    (void)pthread_cond_signal(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    if (p->runs) (void)pthread_join(p->thread, NULL);
    gm_watcher_close(p->watcher);
    gm_arena_free(p->a);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_cond_destroy(&p->wake);
    free(p);
}
