/* http_io.c - the loops, by libuv: one thread each, its listening sockets, its connections, one timer.
 *
 * libuv watches the descriptors; reading and writing are one recv and one send of ours, so that a request costs three system
 * calls and no queue of write requests. Time-outs are looked for in one walk over the open connections a few times a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/http_internal.h"

enum {
    ACCEPT_AT_ONCE = 64,
    CIPHER_STEP = 32 << 10,
    LINGER_US = 1000 * 1000,
    LINGER_BYTES = 4 << 20,
    SWEEP_MS_MAX = 250,
    FREE_CONNS = 128,
    LISTENERS = 2 /* TCP, Unix */
};

typedef struct conn {
    gm_http_conn c; /* first */
    uv_poll_t poll;
    int fd, mask;
    bool lingering, closing, noticed; /* noticed: bytes came while none were wanted */
    size_t drunk;
    struct conn *free_next;
} conn;

typedef struct call {
    void (*fn)(unsigned loop, void *arg);
    void *arg;
    bool done;
    struct call *next;
} call;

typedef struct io {
    gm_http_loop *l;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t sweep;
    uv_poll_t listeners[LISTENERS];
    int listening[LISTENERS]; /* descriptors; -1 = closed */
    bool paused, joinable;
    conn *free;
    unsigned free_count;
    int64_t ticked_us;
    char cipher[CIPHER_STEP];

    pthread_t thread;
    pthread_mutex_t lock; /* of what follows: written by other threads */
    pthread_cond_t changed;
    gm_http_conn *completed;
    call *calls;
    bool drain, stop;
} io;

static io *io_of(const gm_http_conn *c)
{
    return c->loop->io;
}

static void on_event(uv_poll_t *p, int status, int events);

/* ---- connections --------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    conn *k = h->data;
    io *w = io_of(&k->c);
    if (w->free_count < FREE_CONNS) {
        k->free_next = w->free;
        w->free = k;
        w->free_count++;
    } else {
        gm_http_conn_clear(&k->c);
        free(k);
    }
}

static void close_conn(conn *k)
{
    gm_http_conn *c = &k->c;
    gm_http *h = c->http;
    if (k->closing) return;
    k->closing = true;
    if (c->counted) gm_http_peers_close(h->peers, &c->address);
    gm_http_conn_close(c);
    uv_close((uv_handle_t *)&k->poll, on_closed);
    (void)close(k->fd);
    if (atomic_fetch_sub(&h->open, 1) == 1 && atomic_load(&h->draining)) {
        (void)pthread_mutex_lock(&h->lock);
        (void)pthread_cond_broadcast(&h->changed);
        (void)pthread_mutex_unlock(&h->lock);
    }
}

static void watch(conn *k, int mask)
{
    if (mask == k->mask || k->closing) return;
    k->mask = mask;
    if (mask == 0) {
        (void)uv_poll_stop(&k->poll);
    } else if (uv_poll_start(&k->poll, mask, on_event) != 0) {
        close_conn(k);
    }
}

/* Plain bytes out become encrypted ones. */
static bool encrypt(gm_http_conn *c)
{
    if (!c->tls) return true;
    bool good = true;
    if (c->out && c->out->len) good = gm_http_tls_write(c->tls, c->out->data, c->out->len);
    gm_http_buf_put(c->loop, &c->out);
    return gm_http_tls_take(c->tls, &c->cipher) && good;
}

/* Send what waits. false: the connection is gone. */
static bool flush(conn *k)
{
    gm_http_conn *c = &k->c;
    if (!encrypt(c)) return false;
    gm_buf *b = c->tls ? &c->cipher : c->out;
    if (!b || b->len == 0) return true;
    ssize_t n = send(k->fd, b->data + c->out_sent, b->len - c->out_sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n > 0) {
        c->out_sent += (size_t)n;
        c->stalled_sent += (size_t)n;
        c->written_us = c->loop->now_us;
    }
    if (c->out_sent == b->len) {
        c->out_sent = c->stalled_sent = 0;
        c->stalled_us = 0;
        if (c->tls) {
            if (b->capacity > GM_HTTP_KEEP_BYTES) gm_buf_clear(b);
            b->len = 0;
        } else {
            gm_http_buf_put(c->loop, &c->out);
        }
    } else if (!c->stalled_us) {
        c->stalled_us = c->written_us = c->loop->now_us;
        c->stalled_sent = 0;
    }
    return true;
}

/* All is sent and the connection shall end. A peer that may still be sending gets a moment to read the reply: closing with unread
 * bytes would reset the connection, and the reply with it. */
static void end_conn(conn *k)
{
    gm_http_conn *c = &k->c;
    if (k->lingering) return;
    if (c->tls) {
        gm_http_tls_end(c->tls);
        (void)flush(k); /* the peer knows the end by the close, too */
    }
    if (!c->linger || c->eof) {
        close_conn(k);
        return;
    }
    (void)shutdown(k->fd, SHUT_WR);
    k->lingering = true;
    c->since_us = c->loop->now_us;
    watch(k, UV_READABLE);
}

/* What TLS has decrypted. */
static void pump_tls(conn *k)
{
    gm_http_conn *c = &k->c;
    char *room;
    while (gm_http_conn_reads(c)) {
        size_t capacity = gm_http_conn_room(c, &room);
        int64_t n = capacity ? gm_http_tls_read(c->tls, room, capacity) : -1;
        if (n > 0) {
            gm_http_conn_took(c, (size_t)n);
            continue;
        }
        gm_http_conn_took(c, 0); /* settles the block */
        if (n < 0) gm_http_conn_eof(c);
        return;
    }
}

/* The peer is gone. While a worker has the request the connection is kept, and closed when it comes back. */
static void lose(conn *k)
{
    gm_http_conn *c = &k->c;
    if (c->state != GM_HTTP_WAITING) {
        close_conn(k);
        return;
    }
    gm_http_buf_put(c->loop, &c->out);
    c->cipher.len = c->out_sent = 0;
    k->noticed = true;
    watch(k, 0);
}

/* After anything that may have changed what the connection waits for. */
static void go_on(conn *k)
{
    gm_http_conn *c = &k->c;
    for (bool full = true; full;) {
        full = gm_http_conn_waiting(c) > GM_HTTP_OUT_MAX;
        if (!flush(k)) {
            lose(k);
            return;
        }
        full = full && gm_http_conn_waiting(c) <= GM_HTTP_OUT_MAX && c->state < GM_HTTP_WAITING;
        if (!full) break;
        gm_http_conn_run(c); /* requests that waited for room in out */
        if (c->tls) pump_tls(k);
    }
    bool waits = gm_http_conn_waiting(c) > 0;
    if (c->state == GM_HTTP_ENDING && !waits) {
        end_conn(k);
        return;
    }
    /* While a worker has the request the descriptor stays watched until bytes really come: most clients send none. */
    bool reads = gm_http_conn_reads(c) || (c->state == GM_HTTP_WAITING && !k->noticed && !c->eof);
    watch(k, (reads ? UV_READABLE : 0) | (waits ? UV_WRITABLE : 0));
}

/* Bytes for nobody. */
static void drink(conn *k)
{
    io *w = io_of(&k->c);
    ssize_t n = recv(k->fd, w->cipher, sizeof(w->cipher), 0);
    if (n > 0) k->drunk += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || k->drunk > LINGER_BYTES) close_conn(k);
}

static void read_some(conn *k)
{
    gm_http_conn *c = &k->c;
    io *w = io_of(c);
    char *room = w->cipher;
    size_t capacity = c->tls ? sizeof(w->cipher) : gm_http_conn_room(c, &room);
    ssize_t n = capacity ? recv(k->fd, room, capacity, 0) : -1;
    if (n < 0 && capacity && (errno == EAGAIN || errno == EINTR)) {
        gm_http_conn_took(c, 0);
        return;
    }
    if (n < 0) {
        c->linger = false;
        close_conn(k);
    } else if (n == 0) {
        gm_http_conn_eof(c);
    } else if (!c->tls) {
        gm_http_conn_took(c, (size_t)n);
    } else if (gm_http_tls_put(c->tls, w->cipher, (size_t)n)) {
        pump_tls(k);
    } else {
        close_conn(k);
    }
}

static void on_event(uv_poll_t *p, int status, int events)
{
    conn *k = p->data;
    gm_http_conn *c = &k->c;
    c->loop->now_us = gm_monotonic_us();
    if (k->closing) return;
    if (k->lingering) {
        drink(k);
        return;
    }
    if (status < 0) k->mask = 0;                         /* an error of the descriptor: libuv has stopped watching */
    if (status < 0 || events == 0) events = UV_READABLE; /* recv tells what it is */
    if (events & UV_READABLE) {
        if (gm_http_conn_reads(c)) {
            read_some(k);
        } else {
            k->noticed = true;
        }
    }
    if (!k->closing) go_on(k);
}

/* ---- accepting ----------------------------------------------------------------------------------------- */

static const char busy[] =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    "Content-Length: 32\r\n\r\n{\"error\":\"too many connections\"}";

static void turn_away(gm_http *h, int fd)
{
    atomic_fetch_add(&h->refused, 1);
    if (!h->tls) (void)send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
}

static conn *conn_get(io *w)
{
    conn *k = w->free;
    if (!k) return calloc(1, sizeof(*k));
    w->free = k->free_next;
    w->free_count--;
    return k;
}

static void open_conn(io *w, int fd, const gm_http_address *address)
{
    gm_http *h = w->l->http;
    if (atomic_fetch_add(&h->open, 1) >= (int64_t)h->o.connections_max || !gm_http_peers_open(h->peers, address)) {
        atomic_fetch_sub(&h->open, 1);
        turn_away(h, fd);
        return;
    }
    conn *k = conn_get(w);
    bool good = k && gm_http_conn_open(&k->c, w->l, address);
    if (good && uv_poll_init(&w->loop, &k->poll, fd) != 0) {
        gm_http_conn_close(&k->c);
        good = false;
    }
    if (!good) {
        if (k) gm_http_conn_clear(&k->c);
        free(k);
        gm_http_peers_close(h->peers, address);
        atomic_fetch_sub(&h->open, 1);
        turn_away(h, fd);
        return;
    }
    atomic_fetch_add(&h->total, 1);
    k->poll.data = k;
    k->fd = fd;
    k->mask = 0;
    k->drunk = 0;
    k->lingering = k->closing = k->noticed = false;
    k->c.counted = true;
    if (h->tls && !address->unix_socket) {
        k->c.tls = gm_http_tls_new(h->tls);
        if (!k->c.tls) {
            close_conn(k);
            return;
        }
    }
    watch(k, UV_READABLE);
}

static void listen_on(io *w, bool on);

static void accept_some(io *w, int i)
{
    for (int n = 0; n < ACCEPT_AT_ONCE; n++) {
        struct sockaddr_storage from = { 0 };
        socklen_t len = sizeof(from);
        gm_http_address address;
        int fd = accept4(w->listening[i], (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (i == LISTENERS - 1) from.ss_family = AF_UNIX;
            gm_http_address_of(&from, &address);
            open_conn(w, fd, &address);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            listen_on(w, false); /* no descriptor is free: again at the next sweep */
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static void on_listener(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    io *w = p->loop->data;
    w->l->now_us = gm_monotonic_us();
    accept_some(w, (int)(p - w->listeners));
}

static void listen_on(io *w, bool on)
{
    w->paused = !on;
    for (int i = 0; i < LISTENERS; i++) {
        if (w->listening[i] < 0) continue;
        if (!on || uv_poll_start(&w->listeners[i], UV_READABLE, on_listener) != 0) (void)uv_poll_stop(&w->listeners[i]);
    }
}

static void stop_listening(io *w, bool accept_first)
{
    for (int i = 0; i < LISTENERS; i++) {
        if (w->listening[i] < 0) continue;
        if (accept_first) accept_some(w, i); /* who stood in the queue is answered still */
        uv_close((uv_handle_t *)&w->listeners[i], NULL);
        if (i == LISTENERS - 1) { /* a duplicate; the listening socket itself is closed by gm_http_listen_close */
            (void)close(w->listening[i]);
        } else {
            (void)close(w->listening[i]);
            w->l->http->listeners[w->l->index] = -1;
        }
        w->listening[i] = -1;
    }
}

/* ---- upkeep and messages ------------------------------------------------------------------------------- */

static void on_sweep(uv_timer_t *t)
{
    io *w = t->loop->data;
    gm_http_loop *l = w->l;
    l->now_us = gm_monotonic_us();
    gm_http_loop_date(l);
    for (gm_http_conn *c = l->conns, *next; c; c = next) {
        conn *k = (conn *)c;
        next = c->next;
        if (c->state == GM_HTTP_WAITING) continue;
        bool good = k->lingering ? l->now_us - c->since_us <= LINGER_US : gm_http_conn_in_time(c);
        if (!good) {
            close_conn(k);
        } else if (c->state == GM_HTTP_ENDING && !k->lingering) {
            go_on(k);
        }
    }
    if (w->paused) listen_on(w, true);
    if (l->http->o.tick && l->now_us - w->ticked_us >= 1000 * 1000) {
        w->ticked_us = l->now_us;
        l->http->o.tick(l->index, l->http->o.user);
    }
}

static void take_completed(io *w)
{
    (void)pthread_mutex_lock(&w->lock);
    gm_http_conn *list = w->completed;
    w->completed = NULL;
    (void)pthread_mutex_unlock(&w->lock);
    for (gm_http_conn *c = list, *next; c; c = next) {
        conn *k = (conn *)c;
        next = c->wait_next;
        k->noticed = false;
        gm_http_conn_completed(c);
        if (c->tls) pump_tls(k);
        go_on(k);
    }
}

static void take_calls(io *w)
{
    for (;;) {
        (void)pthread_mutex_lock(&w->lock);
        call *one = w->calls;
        if (one) w->calls = one->next;
        (void)pthread_mutex_unlock(&w->lock);
        if (!one) return;
        one->fn(w->l->index, one->arg);
        (void)pthread_mutex_lock(&w->lock);
        one->done = true;
        (void)pthread_cond_broadcast(&w->changed);
        (void)pthread_mutex_unlock(&w->lock);
    }
}

static bool is_between_requests(const conn *k)
{
    return !k->closing && !k->lingering && k->c.state == GM_HTTP_IDLE && gm_http_conn_waiting(&k->c) == 0;
}

/* No more connections; those between two requests end now, the others after their reply. A request that has arrived already is
 * answered: closing over unread bytes would reset the connection. */
static void begin_drain(io *w)
{
    stop_listening(w, true);
    for (gm_http_conn *c = w->l->conns, *next; c; c = next) {
        conn *k = (conn *)c;
        next = c->next;
        if (!is_between_requests(k)) continue;
        read_some(k);
        if (!k->closing) go_on(k);
        if (is_between_requests(k)) close_conn(k);
    }
}

static void close_all(io *w)
{
    stop_listening(w, false);
    for (gm_http_conn *c = w->l->conns, *next; c; c = next) {
        next = c->next;
        close_conn((conn *)c);
    }
    uv_close((uv_handle_t *)&w->wake, NULL);
    uv_close((uv_handle_t *)&w->sweep, NULL);
}

static void on_wake(uv_async_t *a)
{
    io *w = a->loop->data;
    w->l->now_us = gm_monotonic_us();
    (void)pthread_mutex_lock(&w->lock);
    bool drain = w->drain, stop = w->stop;
    w->drain = false;
    (void)pthread_mutex_unlock(&w->lock);
    take_completed(w);
    if (drain) begin_drain(w);
    take_calls(w);
    if (stop) close_all(w);
}

static void *run(void *opaque)
{
    io *w = opaque;
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- from outside -------------------------------------------------------------------------------------- */

static uint64_t sweep_ms(const gm_http_options *o)
{
    int64_t least = o->header_ms < o->body_idle_ms ? o->header_ms : o->body_idle_ms;
    if (o->keep_alive_ms < least) least = o->keep_alive_ms;
    if (o->request_ms < least) least = o->request_ms;
    int64_t ms = least / 8;
    return ms < 5 ? 5 : ms > SWEEP_MS_MAX ? SWEEP_MS_MAX : (uint64_t)ms;
}

static int add_listener(io *w, int i, int fd)
{
    if (fd < 0) return 0;
    int e = uv_poll_init(&w->loop, &w->listeners[i], fd);
    if (e == 0) w->listening[i] = fd;
    return e;
}

static int set_up(io *w)
{
    gm_http *h = w->l->http;
    uint64_t every = sweep_ms(&h->o);
    w->l->sweep_us = (int64_t)every * 1000;
    int e = uv_async_init(&w->loop, &w->wake, on_wake);
    if (!e) e = uv_timer_init(&w->loop, &w->sweep);
    if (!e) e = uv_timer_start(&w->sweep, on_sweep, every, every);
    if (!e) e = add_listener(w, 0, h->listeners[w->l->index]);
    if (!e && h->unix_listener >= 0) {
        int fd = fcntl(h->unix_listener, F_DUPFD_CLOEXEC, 0);
        e = fd < 0 ? -errno : add_listener(w, LISTENERS - 1, fd);
        if (e && fd >= 0) (void)close(fd);
    }
    if (!e) listen_on(w, true);
    return e;
}

static void free_io(io *w)
{
    while (w->free) {
        conn *k = w->free;
        w->free = k->free_next;
        gm_http_conn_clear(&k->c);
        free(k);
    }
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_cond_destroy(&w->changed);
    w->l->io = NULL;
    free(w);
}

static void close_walked(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h)) uv_close(h, NULL);
}

gm_rc gm_http_io_start(gm_http_loop *l, gm_err *err)
{
    io *w = calloc(1, sizeof(*w));
    if (!w) return gm_err_set(err, GM_ENOMEM, "not enough memory for an event loop");
    w->l = l;
    for (int i = 0; i < LISTENERS; i++) w->listening[i] = -1;
    int e = uv_loop_init(&w->loop);
    if (e) {
        free(w);
        return gm_err_set(err, GM_EIO, "could not make an event loop: %s", uv_strerror(e));
    }
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->changed, NULL);
    w->loop.data = w;
    w->ticked_us = l->now_us;
    l->io = w;
    e = set_up(w);
    if (!e) e = -pthread_create(&w->thread, NULL, run, w);
    if (!e) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EIO, "could not start an event loop: %s", uv_strerror(e));
    if (w->listening[LISTENERS - 1] >= 0) (void)close(w->listening[LISTENERS - 1]);
    uv_walk(&w->loop, close_walked, NULL);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&w->loop);
    free_io(w);
    return rc;
}

void gm_http_io_completed(gm_http_loop *l, gm_http_conn *c)
{
    io *w = l->io;
    (void)pthread_mutex_lock(&w->lock);
    c->wait_next = w->completed;
    w->completed = c;
    (void)uv_async_send(&w->wake); /* under the lock: the loop cannot end in between */
    (void)pthread_mutex_unlock(&w->lock);
}

void gm_http_io_call(gm_http_loop *l, void (*fn)(unsigned loop, void *arg), void *arg)
{
    io *w = l->io;
    call one = { .fn = fn, .arg = arg };
    (void)pthread_mutex_lock(&w->lock);
    call **end = &w->calls;
    while (*end) end = &(*end)->next;
    *end = &one;
    (void)uv_async_send(&w->wake);
    while (!one.done) (void)pthread_cond_wait(&w->changed, &w->lock);
    (void)pthread_mutex_unlock(&w->lock);
}

void gm_http_io_drain(gm_http_loop *l)
{
    io *w = l->io;
    (void)pthread_mutex_lock(&w->lock);
    w->drain = true;
    (void)uv_async_send(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
}

void gm_http_io_stop(gm_http_loop *l)
{
    io *w = l->io;
    if (!w) return;
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    (void)uv_async_send(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)uv_loop_close(&w->loop);
    free_io(w);
}
