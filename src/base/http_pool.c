/* http_pool.c - the workers that answer deferred requests, first come first served.
 *
 * A request reserves its place before it is put, so that a full queue is known while its handler can still say so. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/http_internal.h"

typedef struct worker {
    pthread_t thread;
    gm_http_pool *pool;
    unsigned index; /* loops .. loops + workers - 1 */
    void (*rest)(unsigned worker, void *user);
    void *user;
} worker;

struct gm_http_pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    gm_http_conn *first, *last; /* linked by wait_next */
    unsigned waiting_max, reserved, in_work;
    bool stopping;
    unsigned count;
    worker workers[];
};

static gm_http_conn *take(gm_http_pool *p)
{
    gm_http_conn *c = NULL;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->first && !(p->stopping && p->reserved == 0)) (void)pthread_cond_wait(&p->changed, &p->lock);
    c = p->first;
    if (c) {
        p->first = c->wait_next;
        if (!p->first) p->last = NULL;
        p->reserved--;
        p->in_work++;
    }
    if (p->stopping) (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    return c;
}

static void *work(void *opaque)
{
    worker *w = opaque;
    for (gm_http_conn *c; (c = take(w->pool)) != NULL;) {
        c->r.loop = w->index;
        c->r.now_us = gm_monotonic_us();
        c->work(&c->r, c->work_user);
        if (w->rest) w->rest(w->index, w->user);
        (void)pthread_mutex_lock(&w->pool->lock);
        w->pool->in_work--;
        (void)pthread_mutex_unlock(&w->pool->lock);
        gm_http_io_completed(c->loop, c);
    }
    return NULL;
}

gm_http_pool *gm_http_pool_new(gm_http *h, unsigned workers, unsigned waiting_max)
{
    gm_http_pool *p = calloc(1, sizeof(*p) + workers * sizeof(p->workers[0]));
    if (!p) return NULL;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->changed, NULL);
    p->waiting_max = waiting_max;
    for (; p->count < workers; p->count++) {
        worker *w = &p->workers[p->count];
        *w = (worker){ .pool = p, .index = h->o.loops + p->count, .rest = h->o.rest, .user = h->o.user };
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            gm_http_pool_free(p);
            return NULL;
        }
    }
    return p;
}

bool gm_http_pool_reserve(gm_http_pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
    bool good = !p->stopping && p->reserved < p->waiting_max;
    if (good) p->reserved++;
    (void)pthread_mutex_unlock(&p->lock);
    return good;
}

void gm_http_pool_put(gm_http_pool *p, gm_http_conn *c)
{
    c->wait_next = NULL;
    (void)pthread_mutex_lock(&p->lock);
    if (p->last) {
        p->last->wait_next = c;
    } else {
        p->first = c;
    }
    p->last = c;
    (void)pthread_cond_signal(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
}

int64_t gm_http_pool_count(gm_http_pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
    int64_t n = (int64_t)p->reserved + p->in_work;
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}

void gm_http_pool_stop(gm_http_pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->count; i++) (void)pthread_join(p->workers[i].thread, NULL);
    p->count = 0;
}

void gm_http_pool_free(gm_http_pool *p)
{
    if (!p) return;
    gm_http_pool_stop(p);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
