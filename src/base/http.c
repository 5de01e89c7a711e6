/* http.c - a server from start to stop: options, loops, drain, statistics. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/http_internal.h"

enum { LOOPS_MAX = 64 };

static void default_size(size_t *v, size_t d)
{
    if (*v == 0) *v = d;
}

static void default_count(unsigned *v, unsigned d)
{
    if (*v == 0) *v = d;
}

static void default_time(int64_t *v, int64_t d)
{
    if (*v == 0) *v = d;
}

static char *copy(gm_http *h, const char *text, bool *failed)
{
    char *c = text ? gm_arena_strdup(h->arena, text) : NULL;
    if (text && !c) *failed = true;
    return c;
}

static gm_rc take_options(gm_http *h, const gm_http_options *given, gm_err *err)
{
    gm_http_options *o = &h->o;
    bool failed = false;
    *o = *given;
    o->host = copy(h, given->host ? given->host : "127.0.0.1", &failed);
    o->unix_path = copy(h, given->unix_path, &failed);
    o->infer_token = copy(h, given->infer_token, &failed);
    o->admin_token = copy(h, given->admin_token, &failed);
    o->allowed_hosts = copy(h, given->allowed_hosts, &failed);
    if (failed) return gm_err_set(err, GM_ENOMEM, "not enough memory for the server");
    unsigned cpus = gm_cpus() < LOOPS_MAX ? gm_cpus() : LOOPS_MAX;
    default_count(&o->loops, cpus);
    default_count(&o->workers, cpus);
    if (o->loops > LOOPS_MAX || o->workers > LOOPS_MAX)
        return gm_err_set(err, GM_EINVALID, "at most %d loops and as many workers", LOOPS_MAX);
    if (o->port > 65535) return gm_err_set(err, GM_EINVALID, "port %d is above 65535", o->port);
    if (o->port < 0 && !o->unix_path) return gm_err_set(err, GM_EINVALID, "neither a port nor a socket to listen at");
    if (!o->tls_cert != !o->tls_key) return gm_err_set(err, GM_EINVALID, "TLS needs both a certificate and a key");
    if (o->infer_token && !*o->infer_token) return gm_err_set(err, GM_EINVALID, "the inference token is empty");
    if (o->admin_token && !*o->admin_token) return gm_err_set(err, GM_EINVALID, "the admin token is empty");
    default_size(&o->request_line_max, 8 << 10);
    default_size(&o->headers_max_bytes, 16 << 10);
    default_count(&o->headers_max, 64);
    default_count(&o->connections_max, 1024);
    default_count(&o->connections_per_address_max, 64);
    default_count(&o->deferred_max, 256);
    default_count(&o->wrong_tokens_max, 100);
    default_time(&o->header_ms, 10 * 1000);
    default_time(&o->body_idle_ms, 10 * 1000);
    default_time(&o->request_ms, 60 * 1000);
    default_time(&o->keep_alive_ms, 75 * 1000);
    default_time(&o->body_min_bytes_per_s, 1024);
    default_time(&o->body_rate_after_ms, 10 * 1000);
    return GM_OK;
}

static gm_rc make_parts(gm_http *h, gm_err *err)
{
    const gm_http_options *o = &h->o;
    h->loops = calloc(o->loops, sizeof(*h->loops));
    h->zips = calloc((size_t)o->loops + o->workers, sizeof(gm_http_zip *));
    h->listeners = calloc(o->loops, sizeof(*h->listeners));
    h->peers = gm_http_peers_new(o->connections_per_address_max, o->wrong_tokens_max, o->count_loopback);
    for (unsigned i = 0; h->listeners && i < o->loops; i++) h->listeners[i] = -1;
    if (!h->loops || !h->zips || !h->listeners || !h->peers)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for the server");
    for (unsigned i = 0; i < o->loops; i++) gm_http_loop_init(&h->loops[i], h, i);
    gm_rc rc = gm_http_routes_new(o->routes, o->routes_count, &h->routes, err);
    if (!rc && o->tls_cert) rc = gm_http_tls_context_new(o->tls_cert, o->tls_key, &h->tls, err);
    return rc;
}

gm_rc gm_http_prepare(const gm_http_options *o, gm_http **out, gm_err *err)
{
    gm_http *h = calloc(1, sizeof(*h));
    if (!h) return gm_err_set(err, GM_ENOMEM, "not enough memory for the server");
    h->port = h->unix_listener = -1;
    (void)pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&h->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    h->arena = gm_arena_new(0);
    gm_rc rc = h->arena ? take_options(h, o, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for the server");
    if (!rc) rc = make_parts(h, err);
    if (rc) {
        gm_http_stop(h);
        return rc;
    }
    *out = h;
    return GM_OK;
}

gm_rc gm_http_start(const gm_http_options *o, gm_http **out, gm_err *err)
{
    gm_http *h = NULL;
    gm_rc rc = gm_http_prepare(o, &h, err);
    if (rc) return rc;
    rc = gm_http_listen(h, err);
    if (!rc) {
        h->pool = gm_http_pool_new(h, h->o.workers, h->o.deferred_max);
        if (!h->pool) rc = gm_err_set(err, GM_EIO, "could not start %u workers", h->o.workers);
    }
    for (unsigned i = 0; i < h->o.loops && !rc; i++) rc = gm_http_io_start(&h->loops[i], err);
    if (rc) {
        gm_http_stop(h);
        return rc;
    }
    *out = h;
    return GM_OK;
}

int gm_http_port(const gm_http *h)
{
    return h->port;
}

unsigned gm_http_loops(const gm_http *h)
{
    return h->o.loops;
}

unsigned gm_http_workers(const gm_http *h)
{
    return h->o.workers;
}

void gm_http_each_loop(gm_http *h, void (*fn)(unsigned loop, void *arg), void *arg)
{
    for (unsigned i = 0; i < h->o.loops; i++) gm_http_io_call(&h->loops[i], fn, arg);
}

static void nothing(unsigned loop, void *arg)
{
    (void)loop;
    (void)arg;
}

void gm_http_drain(gm_http *h, int64_t wait_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    atomic_store(&h->draining, true);
    for (unsigned i = 0; i < h->o.loops; i++) gm_http_io_drain(&h->loops[i]);
    gm_http_each_loop(h, nothing, NULL); /* every loop has seen it: nobody is accepted after this */
    (void)pthread_mutex_lock(&h->lock);
    while (atomic_load(&h->open) > 0)
        if (pthread_cond_timedwait(&h->changed, &h->lock, &until) != 0) break;
    (void)pthread_mutex_unlock(&h->lock);
}

void gm_http_stop(gm_http *h)
{
    if (!h) return;
    if (h->pool) gm_http_pool_stop(h->pool);
    for (unsigned i = 0; h->loops && i < h->o.loops; i++) {
        gm_http_io_stop(&h->loops[i]);
        gm_http_loop_clear(&h->loops[i]);
    }
    gm_http_listen_close(h);
    gm_http_pool_free(h->pool);
    for (unsigned i = 0; h->zips && i < h->o.loops + h->o.workers; i++) gm_http_zip_free(h->zips[i]);
    gm_http_routes_free(h->routes);
    gm_http_peers_free(h->peers);
    gm_http_tls_context_free(h->tls);
    free(h->zips);
    free(h->loops);
    free(h->listeners);
    gm_arena_free(h->arena);
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

void gm_http_stats_get(const gm_http *h, gm_http_stats *out)
{
    *out = (gm_http_stats){
        .connections_open = atomic_load(&h->open),
        .connections_total = atomic_load(&h->total),
        .refused_total = atomic_load(&h->refused),
        .deferred_now = h->pool ? gm_http_pool_count(h->pool) : 0,
    };
    for (unsigned i = 0; i < h->o.loops; i++)
        out->requests_total += atomic_load_explicit(&h->loops[i].requests, memory_order_relaxed);
}
