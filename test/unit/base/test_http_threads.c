/* test_http_threads.c - many clients, loops and workers at once, for the thread sanitizer: requests answered here and deferred,
 * calls into the loops, statistics, a drain and a stop while requests are under way. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "unit/base/http_client.h"

enum { CLIENTS = 4, REQUESTS = 60, LOOPS = 2, WORKERS = 2 };

typedef struct shared {
    int64_t answered[LOOPS + WORKERS]; /* each written by its own thread only */
    int64_t done[LOOPS];
    int port;
    atomic_int failed;
} shared;

static void answer(gm_http_request *r, void *user)
{
    shared *s = user;
    s->answered[r->loop]++;
    gm_buf_add(gm_http_out(r), r->body.data, r->body.len);
    gm_http_reply_header(r, "X-Loop", "1");
    gm_http_reply(r, 200, "text/plain");
}

static void defer(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, answer, user);
}

static void done(const gm_http_request *r, int status, size_t reply_bytes, void *user)
{
    shared *s = user;
    s->done[r->loop]++;
    CHECK(status == 200 && reply_bytes > 0 && r->begun_us <= gm_monotonic_us());
}

static void tick(unsigned loop, void *user)
{
    CHECK(((shared *)user)->done[loop] >= 0);
}

static const gm_http_route routes[] = {
    { "POST", "/now", GM_HTTP_INFER, 1 << 20, answer, "" },
    { "POST", "/later", GM_HTTP_INFER, 1 << 20, defer, "" },
};

static void *client(void *opaque)
{
    shared *s = opaque;
    gm_buf in = { 0 }, b = { 0 };
    for (int i = 0; i < REQUESTS; i += 2)
        gm_buf_printf(&in, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST /later HTTP/1.1\r\nHost: "
                           "a\r\nContent-Length: 5\r\n\r\nthere");
    int fd = client_connect(s->port);
    client_send(fd, in.data, in.len);
    if (client_replies(fd, &b, REQUESTS) != REQUESTS) atomic_fetch_add(&s->failed, 1);
    (void)close(fd);
    gm_buf_clear(&in);
    gm_buf_clear(&b);
    return NULL;
}

static void add_up(unsigned loop, void *arg)
{
    int64_t *sum = arg; /* one loop after the other */
    *sum += loop + 1;
}

static void threads_share_nothing_by_accident(void)
{
    static shared s;
    gm_http *h = NULL;
    gm_err err;
    pthread_t threads[CLIENTS];
    gm_http_options o = { .loops = LOOPS,
                          .workers = WORKERS,
                          .routes = routes,
                          .routes_count = 2,
                          .done = done,
                          .tick = tick,
                          .user = &s,
                          .gzip = true };
    CHECK_OK(gm_http_start(&o, &h, &err), &err);
    s.port = gm_http_port(h);
    for (int i = 0; i < CLIENTS; i++) CHECK(pthread_create(&threads[i], NULL, client, &s) == 0);
    int64_t sum = 0;
    gm_http_stats stats;
    for (int i = 0; i < 20; i++) {
        gm_http_each_loop(h, add_up, &sum);
        gm_http_stats_get(h, &stats);
    }
    CHECK(sum == 20 * 3);
    for (int i = 0; i < CLIENTS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(s.failed == 0);
    gm_http_drain(h, 10000);
    gm_http_stats_get(h, &stats);
    CHECK(stats.requests_total == CLIENTS * REQUESTS && stats.connections_open == 0 && stats.deferred_now == 0);
    gm_http_stop(h);
    CHECK(s.done[0] + s.done[1] == CLIENTS * REQUESTS);
    CHECK(s.answered[0] + s.answered[1] == CLIENTS * REQUESTS / 2 && s.answered[2] + s.answered[3] == CLIENTS * REQUESTS / 2);
}

/* Requests wait at workers when the stop comes; nothing is lost track of. */
static void a_stop_in_the_middle_is_clean(void)
{
    static shared s;
    for (int round = 0; round < 5; round++) {
        gm_http *h = NULL;
        gm_err err;
        gm_http_options o = { .loops = LOOPS, .workers = WORKERS, .routes = routes, .routes_count = 2, .user = &s };
        CHECK_OK(gm_http_start(&o, &h, &err), &err);
        int fd = client_connect(gm_http_port(h));
        for (int i = 0; i < 50; i++) client_send(fd, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 52);
        (void)usleep((useconds_t)round * 700);
        gm_http_stop(h);
        (void)close(fd);
    }
}

TESTS(T(threads_share_nothing_by_accident), T(a_stop_in_the_middle_is_clean))
