/* server.c - see server.h: start, the control thread, the access log, the end. */
#include "serve/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "serve/protocols.h"
#include "serve/server_internal.h"

enum { FOLLOW_MS = 200, ACCESS_FLUSH_BYTES = 64 * 1024, LOG_TICK_US = 1000000 };

/* ---- routes ---------------------------------------------------------------------------------------------------------- */

/* A platform may ask for a path that a protocol has already, with the same meaning: that one stays. */
static void add_route(gm_server *s, gm_http_route route)
{
    for (size_t i = 0; i < s->routes_count; i++)
        if (strcmp(s->routes[i].path, route.path) == 0 && strcmp(s->routes[i].method, route.method) == 0) return;
    s->routes[s->routes_count++] = route;
}

static gm_rc make_routes(gm_server *s, gm_err *err)
{
    s->routes_count = gm_protocol_routes_count;
    s->routes = GM_ARENA_ARRAY(s->arena, gm_http_route, s->routes_count + 3);
    if (!s->routes) return gm_err_set(err, GM_ENOMEM, "not enough memory for the routes");
    memcpy(s->routes, gm_protocol_routes, s->routes_count * sizeof(*s->routes));
    add_route(s, (gm_http_route){ "GET", "/metrics", GM_HTTP_OPEN, 0, gm_metrics_handle, "Counters in Prometheus' text format" });
    if (s->o.predict_path)
        add_route(s, (gm_http_route){ "POST", s->o.predict_path, GM_HTTP_INFER, GM_INFER_MAX_BYTES, gm_protocol_predict, "Predict (Vertex AI)" });
    if (s->o.health_path) add_route(s, (gm_http_route){ "GET", s->o.health_path, GM_HTTP_OPEN, 0, gm_protocol_health, "Health (Vertex AI)" });
    return GM_OK;
}

/* ---- after each reply ------------------------------------------------------------------------------------------------- */

static void flush_access(gm_lane *lane)
{
    size_t done = 0;
    while (done < lane->access.len) {
        ssize_t n = write(lane->server->o.access_log_fd, lane->access.data + done, lane->access.len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break; /* a log that cannot be written stops no answer */
        done += (size_t)n;
    }
    lane->access.len = 0;
    if (lane->access.failed) gm_buf_clear(&lane->access); /* lines were lost for want of memory; the next ones need not be */
}

static void add_slice(gm_buf *b, gm_slice text, size_t max)
{
    char part[512];
    gm_json j;
    size_t len = text.len < max ? text.len : max;
    if (len >= sizeof(part)) len = sizeof(part) - 1;
    memcpy(part, text.data ? text.data : "", len);
    part[len] = '\0';
    gm_json_init(&j, b, false);
    gm_json_str(&j, part);
}

static void access_line(gm_lane *lane, const gm_http_request *r, int status, size_t reply_bytes)
{
    int64_t took_us = gm_monotonic_us() - r->begun_us;
    gm_buf *b = &lane->access;
    char time_text[40];
    gm_buf_printf(b, "{\"time\":\"%sZ\",\"method\":", gm_time_text(gm_now_us(), time_text, sizeof(time_text)));
    add_slice(b, (gm_slice){ r->route ? r->route->method : "", r->route ? strlen(r->route->method) : 0 }, 16);
    gm_buf_text(b, ",\"path\":");
    add_slice(b, r->path, 256);
    gm_buf_printf(b, ",\"status\":%d,\"request_bytes\":%zu,\"reply_bytes\":%zu,\"us\":%" PRId64 "}\n", status, r->body.len, reply_bytes, took_us);
    if (b->len >= ACCESS_FLUSH_BYTES) flush_access(lane);
}

static void done(const gm_http_request *r, int status, size_t reply_bytes, void *user)
{
    gm_server *s = user;
    gm_lane *lane = &s->lanes[r->loop];
    lane->request = NULL;
    if (status >= 100 && status < 600) atomic_store_explicit(&lane->statuses[status / 100], lane->statuses[status / 100] + 1, memory_order_relaxed);
    if (s->o.access_log_fd >= 0) access_line(lane, r, status, reply_bytes);
}

static void tick(unsigned loop, void *user)
{
    gm_server *s = user;
    gm_lane *lane = &s->lanes[loop];
    gm_lane_refresh(lane); /* so that a lane without requests does not hold an old version */
    if (lane->access.len || lane->access.failed) flush_access(lane);
}

/* A worker that waits for its next request does not hold an old version either. */
static void rest(unsigned worker, void *user)
{
    gm_lane *lane = &((gm_server *)user)->lanes[worker];
    gm_routing_unref(lane->routing);
    lane->routing = NULL;
    lane->request = NULL;
}

/* ---- control ------------------------------------------------------------------------------------------------------------ */

static void *control(void *user)
{
    gm_server *s = user;
    int64_t every_ms = s->o.follow_ms ? s->o.follow_ms : FOLLOW_MS;
    struct timespec pause = { every_ms / 1000, every_ms % 1000 * 1000000 };
    int64_t ticked_us = 0;
    while (!__atomic_load_n(&s->stopping, __ATOMIC_ACQUIRE)) {
        gm_follow_look(s);
        if (s->log && gm_monotonic_us() - ticked_us >= LOG_TICK_US) {
            ticked_us = gm_monotonic_us();
            for (unsigned i = 0; i < s->lanes_count; i++) gm_predlog_tick(s->log, i); /* here: a sync must not stop a loop */
        }
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

static gm_rc make_lanes(gm_server *s, gm_err *err)
{
    s->lanes_count = s->o.http.loops + s->o.http.workers;
    s->lanes = aligned_alloc(64, s->lanes_count * sizeof(*s->lanes));
    if (!s->lanes) return gm_err_set(err, GM_ENOMEM, "not enough memory for %u threads", s->lanes_count);
    memset(s->lanes, 0, s->lanes_count * sizeof(*s->lanes));
    uint64_t seed = (uint64_t)gm_now_us() ^ (uint64_t)getpid() << 40;
    for (unsigned i = 0; i < s->lanes_count; i++) {
        gm_lane *lane = &s->lanes[i];
        lane->server = s;
        lane->index = i;
        gm_rows_init(&lane->rows);
        gm_rows_init(&lane->shadow_rows);
        gm_random_init(&lane->random, seed + i);
        pthread_mutex_init(&lane->lock, NULL);
    }
    return GM_OK;
}

static void free_lanes(gm_server *s)
{
    for (unsigned i = 0; s->lanes && i < s->lanes_count; i++) {
        gm_lane *lane = &s->lanes[i];
        if (lane->access.len) flush_access(lane);
        gm_routing_unref(lane->routing);
        gm_rows_clear(&lane->rows);
        gm_rows_clear(&lane->shadow_rows);
        free(lane->answers.values);
        free(lane->shadow_answers.values);
        gm_buf_clear(&lane->access);
        pthread_mutex_destroy(&lane->lock);
    }
    free(s->lanes);
}

static gm_rc start(gm_server *s, gm_err *err)
{
    if (!s->o.http.loops) s->o.http.loops = gm_cpus();
    if (!s->o.http.workers) s->o.http.workers = s->o.http.loops;
    gm_rc rc = make_routes(s, err);
    if (!rc) rc = make_lanes(s, err);
    if (!rc) rc = gm_follow_new(s, err);
    if (rc) return rc;
    s->o.log.lanes = s->lanes_count;
    s->o.log.say = s->o.say;
    s->o.log.say_user = s->o.say_user;
    if (s->o.log.dir && s->o.log.mode != GM_PREDLOG_OFF) rc = gm_predlog_open(&s->o.log, &s->log, err);
    s->o.http.routes = s->routes;
    s->o.http.routes_count = s->routes_count;
    s->o.http.done = done;
    s->o.http.tick = tick;
    s->o.http.rest = rest;
    s->o.http.user = s;
    if (!rc) rc = gm_http_start(&s->o.http, &s->http, err);
    if (!rc && s->o.store_root && pthread_create(&s->control, NULL, control, s) != 0)
        rc = gm_err_set(err, GM_EUNAVAILABLE, "could not start the thread that follows the store");
    s->control_runs = !rc && s->o.store_root;
    return rc;
}

gm_rc gm_server_start(const gm_server_options *o, gm_server **out, gm_err *err)
{
    gm_server *s = calloc(1, sizeof(*s));
    if (!s || !(s->arena = gm_arena_new(0))) {
        free(s);
        return gm_err_set(err, GM_ENOMEM, "not enough memory for a server");
    }
    s->o = *o;
    s->started_us = gm_now_us();
    pthread_mutex_init(&s->lock, NULL);
    gm_rc rc = start(s, err);
    if (rc)
        gm_server_stop(s);
    else
        *out = s;
    return rc;
}

int gm_server_port(const gm_server *s)
{
    return gm_http_port(s->http);
}

void gm_server_drain(gm_server *s, int64_t delay_ms, int64_t wait_ms)
{
    struct timespec delay = { delay_ms / 1000, delay_ms % 1000 * 1000000 };
    __atomic_store_n(&s->draining, true, __ATOMIC_RELEASE);
    if (delay_ms > 0) nanosleep(&delay, NULL);
    gm_http_drain(s->http, wait_ms);
}

void gm_server_stop(gm_server *s)
{
    if (!s) return;
    __atomic_store_n(&s->stopping, true, __ATOMIC_RELEASE);
    if (s->control_runs) pthread_join(s->control, NULL);
    if (s->http) gm_http_stop(s->http);
    gm_predlog_close(s->log);
    free_lanes(s);
    gm_follow_free(s);
    pthread_mutex_destroy(&s->lock);
    gm_arena_free(s->arena);
    free(s);
}
