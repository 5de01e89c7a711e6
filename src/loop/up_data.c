/* up_data.c - see up_data.h. */
#include "loop/up_data.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "loop/up_internal.h"

enum { EVERY_MS = 1000, DATA_EACH = 3 };

struct gm_up_data {
    gm_up_data_options o;
    pthread_t thread;
    pthread_mutex_t lock; /* of stopping */
    pthread_cond_t wake;
    bool stopping;
    char failed[GM_UP_WORDS]; /* of the last look */
};

static void look_once(gm_up_data *d, bool data_too)
{
    gm_err err = { 0 };
    gm_trigger_look look = { .store = d->o.store, .spec = d->o.spec, .asked = d->o.asked, .ctx = d->o.ctx };
    look.now_us = d->o.now_us ? d->o.now_us(d->o.now_ctx) : gm_now_us();
    gm_rc rc = gm_trigger_look_first(&look, d->o.seen, &err);
    if (!rc && data_too) rc = gm_trigger_look_data(&look, d->o.seen, &err);
    if (rc && strcmp(d->failed, err.message) != 0 && d->o.say) d->o.say(d->o.ctx, "retrain", err.message);
    if (rc || data_too) (void)snprintf(d->failed, sizeof(d->failed), "%s", rc ? err.message : "");
}

/* true: time to stop. */
static bool wait_a_moment(gm_up_data *d)
{
    struct timespec until;
    int64_t us = gm_monotonic_us() + (d->o.every_ms ? d->o.every_ms : EVERY_MS) * 1000;
    until.tv_sec = (time_t)(us / 1000000);
    until.tv_nsec = (long)(us % 1000000) * 1000;
    (void)pthread_mutex_lock(&d->lock);
    if (!d->stopping) (void)pthread_cond_timedwait(&d->wake, &d->lock, &until); /* woken early: it looks early */
    bool stopping = d->stopping;
    (void)pthread_mutex_unlock(&d->lock);
    return stopping;
}

static void *work(void *ctx)
{
    gm_up_data *d = ctx;
    uint64_t n = 0;
    do look_once(d, n++ % DATA_EACH == 0);
    while (!wait_a_moment(d));
    return NULL;
}

gm_rc gm_up_data_start(const gm_up_data_options *o, gm_up_data **out, gm_err *err)
{
    pthread_condattr_t clock;
    gm_up_data *d = calloc(1, sizeof(*d));
    if (!d) return gm_err_set(err, GM_ENOMEM, "not enough memory to look at the data");
    d->o = *o;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC); /* of gm_monotonic_us */
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_cond_init(&d->wake, &clock);
    (void)pthread_condattr_destroy(&clock);
    if (pthread_create(&d->thread, NULL, work, d) == 0) {
        *out = d;
        return GM_OK;
    }
    (void)pthread_mutex_destroy(&d->lock);
    (void)pthread_cond_destroy(&d->wake);
    free(d);
    return gm_err_set(err, GM_EUNAVAILABLE, "could not start a thread to look at the data");
}

void gm_up_data_stop(gm_up_data *d)
{
    if (!d) return;
    (void)pthread_mutex_lock(&d->lock);
    d->stopping = true;
    (void)pthread_cond_signal(&d->wake);
    (void)pthread_mutex_unlock(&d->lock);
    (void)pthread_join(d->thread, NULL);
    (void)pthread_mutex_destroy(&d->lock);
    (void)pthread_cond_destroy(&d->wake);
    free(d);
}
