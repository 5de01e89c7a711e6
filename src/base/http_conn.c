/* http_conn.c - one connection: bytes in, requests dispatched one after the other, bytes out. No socket is known here.
 *
 * Invariants
 *  (1) between two calls the loop's shared block is nobody's: what is half read has moved to a block of the connection's own, and
 * a request that waits for a worker took the shared block with it. (2) slices of the request in hand point into the block at
 * start; when the block moves, they move with it (move_block), which happens only before the request is complete. (3) the 16 zero
 * bytes after a body overwrite what follows it, kept in `saved` until the reply.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/http_internal.h"

enum { OWN_BLOCK_MIN = 4096, ROOM_MIN = 2048, GROW_AT_ONCE = 1 << 20, SPARES = 8, ARENA_KEEP = 4 << 20 };

/* ---- what a loop keeps --------------------------------------------------------------------------------- */

static gm_http_block *block_get(gm_http_loop *l, size_t capacity)
{
    for (unsigned i = 0; i < l->spare_count; i++)
        if (l->spare[i]->capacity >= capacity) {
            gm_http_block *b = l->spare[i];
            l->spare[i] = l->spare[--l->spare_count];
            return b;
        }
    gm_http_block *b = malloc(sizeof(*b) + capacity);
    if (b) b->capacity = capacity;
    return b;
}

static void block_put(gm_http_loop *l, gm_http_block *b)
{
    if (!b || b == l->shared) return;
    if (!l->shared && b->capacity == GM_HTTP_BLOCK) {
        l->shared = b;
    } else if (l->spare_count < SPARES && b->capacity >= GM_HTTP_BLOCK && b->capacity <= GM_HTTP_KEEP_BYTES) {
        l->spare[l->spare_count++] = b;
    } else {
        free(b);
    }
}

gm_buf *gm_http_buf_get(gm_http_loop *l)
{
    if (l->bufs_count) return l->bufs[--l->bufs_count];
    return calloc(1, sizeof(gm_buf));
}

void gm_http_buf_put(gm_http_loop *l, gm_buf **b)
{
    if (!*b) return;
    if ((*b)->capacity > GM_HTTP_KEEP_BYTES || (*b)->failed) gm_buf_clear(*b);
    (*b)->len = 0;
    if (l->bufs_count < GM_HTTP_POOL) {
        l->bufs[l->bufs_count++] = *b;
    } else {
        gm_buf_clear(*b);
        free(*b);
    }
    *b = NULL;
}

static gm_arena *arena_get(gm_http_loop *l)
{
    return l->arenas_count ? l->arenas[--l->arenas_count] : gm_arena_new(0);
}

static void arena_put(gm_http_loop *l, gm_arena **a)
{
    if (!*a) return;
    if (gm_arena_used(*a) > ARENA_KEEP) {
        gm_arena_reset(*a);
    } else {
        gm_arena_rewind(*a);
    }
    if (l->arenas_count < GM_HTTP_POOL) {
        l->arenas[l->arenas_count++] = *a;
    } else {
        gm_arena_free(*a);
    }
    *a = NULL;
}

void gm_http_loop_init(gm_http_loop *l, gm_http *h, unsigned index)
{
    *l = (gm_http_loop){ .http = h, .index = index, .now_us = gm_monotonic_us() };
    gm_http_loop_date(l);
}

void gm_http_loop_clear(gm_http_loop *l)
{
    while (l->bufs_count) {
        gm_buf *b = l->bufs[--l->bufs_count];
        gm_buf_clear(b);
        free(b);
    }
    while (l->arenas_count) gm_arena_free(l->arenas[--l->arenas_count]);
    while (l->spare_count) free(l->spare[--l->spare_count]);
    free(l->shared);
    l->shared = NULL;
}

void gm_http_loop_date(gm_http_loop *l)
{
    static const char line[] = "HTTP/1.1 200 OK\r\n";
    memcpy(l->good, line, sizeof(line));
    l->good_len = sizeof(line) - 1 + gm_http_date(l->good + sizeof(line) - 1, sizeof(l->good) - sizeof(line) + 1);
}

/* ---- open and close ------------------------------------------------------------------------------------ */

/* Ready for the request that begins at c->parsed. */
static void next_request(gm_http_conn *c)
{
    c->r = (gm_http_request){ .server_user = c->http->o.user, .loop = c->loop->index, .local = c->address.local };
    c->start = c->parsed;
    c->method = "";
    c->url = c->url_len = c->fields_begin = c->body_begin = c->body_len = c->extra_len = 0;
    c->fields_count = 0;
    c->in_value = c->head_done = c->chunked = c->has_length = c->keep_alive = c->http10 = c->expects = false;
    c->content_length = 0;
    c->allowed = c->reason = NULL;
    c->asked = NULL;
    c->refusal = 0;
    c->refusal_ends = c->replied = c->deferred = c->zeroed = c->ends = false;
    c->state = GM_HTTP_IDLE;
    c->since_us = c->loop->now_us;
    gm_http_parser_reset(c->parser);
}

bool gm_http_conn_open(gm_http_conn *c, gm_http_loop *l, const gm_http_address *address)
{
    c->http = l->http;
    c->loop = l;
    c->address = *address;
    if (!c->parser) c->parser = gm_http_parser_new(c);
    if (!c->fields) c->fields = calloc(l->http->o.headers_max, sizeof(*c->fields));
    if (!c->parser || !c->fields) return false;
    c->block = NULL;
    c->len = c->parsed = c->start = 0;
    c->eof = c->linger = c->counted = false;
    c->out_sent = c->stalled_sent = 0;
    c->first = true;
    c->read_us = l->now_us;
    c->written_us = c->stalled_us = 0;
    c->tls = NULL;
    next_request(c);
    c->prev = NULL;
    c->next = l->conns;
    if (c->next) c->next->prev = c;
    l->conns = c;
    return true;
}

static void give_back(gm_http_conn *c)
{
    gm_http_buf_put(c->loop, &c->body_out);
    gm_http_buf_put(c->loop, &c->plain);
    gm_http_buf_put(c->loop, &c->deferred_out);
    arena_put(c->loop, &c->r.arena);
    c->headers_out.len = 0;
}

void gm_http_conn_close(gm_http_conn *c)
{
    gm_assert(c->state != GM_HTTP_WAITING);
    give_back(c);
    gm_http_buf_put(c->loop, &c->out);
    block_put(c->loop, c->block);
    c->block = NULL;
    gm_buf_clear(&c->cipher);
    gm_http_tls_free(c->tls);
    c->tls = NULL;
    if (c->next) c->next->prev = c->prev;
    if (c->prev) c->prev->next = c->next;
    if (c->loop->conns == c) c->loop->conns = c->next;
    c->prev = c->next = NULL;
}

void gm_http_conn_clear(gm_http_conn *c)
{
    gm_http_parser_free(c->parser);
    free(c->fields);
    gm_buf_clear(&c->headers_out);
    c->parser = NULL;
    c->fields = NULL;
}

size_t gm_http_conn_waiting(const gm_http_conn *c)
{
    return c->cipher.len + (c->out ? c->out->len : 0) - c->out_sent;
}

bool gm_http_conn_reads(const gm_http_conn *c)
{
    return c->state < GM_HTTP_WAITING && !c->eof && gm_http_conn_waiting(c) <= GM_HTTP_OUT_MAX;
}

/* ---- the block of bytes -------------------------------------------------------------------------------- */

static void move_slice(gm_slice *s, const char *from, const char *to)
{
    if (s->data) s->data = to + (s->data - from);
}

/* The connection's bytes from start on into `to` (its own block's beginning is allowed); see (2). */
static void move_block(gm_http_conn *c, gm_http_block *to)
{
    gm_http_block *from = c->block;
    const char *old = from->data + c->start;
    if (c->head_done) {
        move_slice(&c->r.path, old, to->data);
        move_slice(&c->r.query, old, to->data);
        for (int i = 0; i < GM_HTTP_PARAMS_MAX; i++) move_slice(&c->r.params[i], old, to->data);
    }
    memmove(to->data, old, c->len - c->start);
    c->len -= c->start;
    c->parsed -= c->start;
    c->start = 0;
    c->block = to;
    if (from != to) block_put(c->loop, from);
}

/* How large a block makes sense for what is coming. */
static size_t wanted_capacity(const gm_http_conn *c, size_t now)
{
    size_t doubled = now * 2;
    if (!c->head_done || !c->has_length) return doubled;
    size_t whole = c->parsed - c->start + (size_t)c->content_length - c->body_len + GM_HTTP_TAIL + ROOM_MIN;
    if (whole > now && (whole <= GROW_AT_ONCE || whole < doubled)) return whole;
    return doubled;
}

size_t gm_http_conn_room(gm_http_conn *c, char **out)
{
    gm_http_loop *l = c->loop;
    if (!c->block) {
        if (!l->shared) l->shared = block_get(l, GM_HTTP_BLOCK);
        c->block = l->shared;
        c->len = c->parsed = c->start = 0;
        if (!c->block) return 0;
    }
    if (c->block->capacity - c->len < GM_HTTP_TAIL + ROOM_MIN && c->start > 0) move_block(c, c->block);
    if (c->block->capacity - c->len < GM_HTTP_TAIL + ROOM_MIN) {
        gm_http_block *larger = block_get(l, wanted_capacity(c, c->block->capacity));
        if (!larger) return 0;
        move_block(c, larger);
    }
    size_t room = c->block->capacity - c->len - GM_HTTP_TAIL;
    *out = c->block->data + c->len;
    return room < GM_HTTP_READ_MAX ? room : GM_HTTP_READ_MAX;
}

/* After the bytes were looked at; see (1). */
static void settle(gm_http_conn *c)
{
    gm_http_loop *l = c->loop;
    if (!c->block) return;
    if (c->state == GM_HTTP_WAITING) {
        if (c->block == l->shared) l->shared = NULL;
        return;
    }
    if (c->state == GM_HTTP_ENDING || (c->state == GM_HTTP_IDLE && c->parsed == c->len)) {
        block_put(l, c->block);
        c->block = NULL;
        c->len = c->parsed = c->start = 0;
        return;
    }
    if (c->block != l->shared) return;
    size_t kept = c->len - c->start;
    gm_http_block *own = block_get(l, wanted_capacity(c, kept < OWN_BLOCK_MIN / 2 ? OWN_BLOCK_MIN / 2 : kept));
    if (own) {
        move_block(c, own);
    } else { /* without memory the connection cannot go on */
        c->state = GM_HTTP_ENDING;
        c->block = NULL;
        c->len = c->parsed = c->start = 0;
    }
}

/* ---- a request is answered ----------------------------------------------------------------------------- */

static bool begin_reply(gm_http_conn *c)
{
    if (!c->body_out) c->body_out = gm_http_buf_get(c->loop);
    if (!c->out) c->out = gm_http_buf_get(c->loop);
    if (!c->r.arena) c->r.arena = arena_get(c->loop);
    return c->body_out && c->out && c->r.arena;
}

/* The reply is in out. */
static void finish(gm_http_conn *c)
{
    const gm_http_options *o = &c->http->o;
    gm_http_loop *l = c->loop;
    if (c->zeroed) memcpy(c->block->data + c->start + c->body_begin + c->body_len, c->saved, GM_HTTP_TAIL);
    c->zeroed = false;
    atomic_store_explicit(&l->requests, atomic_load_explicit(&l->requests, memory_order_relaxed) + 1, memory_order_relaxed);
    if (o->done) o->done(&c->r, c->status, c->reply_bytes, o->user);
    give_back(c);
    c->first = false;
    if (c->ends) {
        c->linger = c->refusal_ends || c->parsed < c->len;
        c->state = GM_HTTP_ENDING;
        c->since_us = l->now_us;
    } else {
        next_request(c);
    }
}

void gm_http_conn_fail(gm_http_conn *c, int status, const char *reason)
{
    if (c->state >= GM_HTTP_WAITING) return;
    if (!c->head_done) c->r.path = c->r.query = (gm_slice){ "", 0 };
    if (!c->r.begun_us) c->r.begun_us = c->loop->now_us;
    c->refusal = status;
    c->refusal_ends = true;
    if (begin_reply(c)) {
        gm_http_reply_self(c, status, reason);
        finish(c);
    }
    c->state = GM_HTTP_ENDING;
}

/* The body's 16 bytes of zero; see (3). */
static void set_body(gm_http_conn *c)
{
    if (c->body_begin == 0) c->body_begin = c->parsed - c->start;
    char *end = c->block->data + c->start + c->body_begin + c->body_len;
    memcpy(c->saved, end, GM_HTTP_TAIL);
    memset(end, 0, GM_HTTP_TAIL);
    c->zeroed = true;
    c->r.body = (gm_slice){ end - c->body_len, c->body_len };
}

/* Undo the Content-Encoding. Status, 0 = good. */
static int unpack_body(gm_http_conn *c)
{
    static const char zeros[GM_HTTP_TAIL];
    gm_slice encoding;
    if (c->body_len == 0 || !gm_http_header(&c->r, "content-encoding", &encoding) ||
        gm_http_slice_is_nocase(encoding, "identity"))
        return 0;
    if (!gm_http_slice_is_nocase(encoding, "gzip") && !gm_http_slice_is_nocase(encoding, "x-gzip") &&
        !gm_http_slice_is_nocase(encoding, "deflate"))
        return 415;
    gm_http_zip **z = &c->http->zips[c->loop->index];
    if (!*z) *z = gm_http_zip_new();
    c->plain = gm_http_buf_get(c->loop);
    if (!*z || !c->plain) return 503;
    int status = gm_http_zip_inflate(*z, c->r.body, c->asked->body_max_bytes, c->plain);
    if (status) return status;
    c->r.body.len = c->plain->len;
    gm_buf_add(c->plain, zeros, sizeof(zeros));
    if (c->plain->failed) return 503;
    c->r.body.data = c->plain->data;
    return 0;
}

static const char *reason_of_body(int status)
{
    switch (status) {
    case 400: return "the body is not what Content-Encoding says, or is cut off";
    case 413: return "the body is too large when it is unpacked";
    case 415: return "of content encodings only gzip and deflate are understood";
    default: return "not enough memory";
    }
}

/* A whole request is there: answer it, or hand it to the workers. */
static void dispatch(gm_http_conn *c)
{
    if (!begin_reply(c)) {
        c->state = GM_HTTP_ENDING;
        return;
    }
    set_body(c);
    if (c->refusal) {
        gm_http_reply_self(c, c->refusal, c->reason);
        finish(c);
        return;
    }
    int status = unpack_body(c);
    if (status) {
        gm_http_reply_self(c, status, reason_of_body(status));
        finish(c);
        return;
    }
    c->r.route = c->asked;
    c->r.now_us = c->loop->now_us;
    c->asked->handle(&c->r, c->http->o.user);
    if (c->deferred) {
        c->state = GM_HTTP_WAITING;
        settle(c);
        gm_http_pool_put(c->http->pool, c);
        return;
    }
    if (!c->replied) gm_http_reply_self(c, 500, "the request was not answered");
    finish(c);
}

bool gm_http_defer(gm_http_request *r, void (*work)(gm_http_request *r, void *user), void *user)
{
    gm_http_conn *c = (gm_http_conn *)r;
    gm_assert(!c->deferred && !c->replied && r->loop == c->loop->index);
    c->deferred_out = gm_http_buf_get(c->loop);
    if (!c->deferred_out || !gm_http_pool_reserve(c->http->pool)) {
        gm_http_reply_error(r, 429, "too many requests wait");
        return false;
    }
    c->work = work;
    c->work_user = user;
    c->deferred = true;
    return true;
}

void gm_http_conn_completed(gm_http_conn *c)
{
    gm_buf *reply = c->deferred_out;
    c->deferred_out = NULL;
    c->r.loop = c->loop->index;
    c->state = GM_HTTP_BODY;
    if (!c->replied) {
        c->ends = true;
        if (begin_reply(c)) gm_http_reply_self(c, 500, "the request was not answered");
    } else if (!c->out || c->out->len == 0) {
        gm_http_buf_put(c->loop, &c->out);
        c->out = reply;
        reply = NULL;
    } else {
        gm_buf_add(c->out, reply->data, reply->len);
    }
    gm_http_buf_put(c->loop, &reply);
    finish(c);
    gm_http_conn_run(c);
}

/* ---- bytes in ------------------------------------------------------------------------------------------ */

/* All bytes were looked at and the request is not whole. */
static void after_more(gm_http_conn *c)
{
    const gm_http_options *o = &c->http->o;
    if (!c->head_done && c->parsed - c->start > o->request_line_max + o->headers_max_bytes + GM_HTTP_SLACK) {
        gm_http_conn_fail(c, 431, "the head of the request is too large");
        return;
    }
    if (c->head_done && c->chunked) { /* the framing of chunks is not kept */
        if (c->body_begin == 0) c->body_begin = c->parsed - c->start;
        c->len = c->parsed = c->start + c->body_begin + c->body_len;
    }
    if (c->head_done && c->expects && c->out == NULL) c->out = gm_http_buf_get(c->loop);
    if (c->head_done && c->expects && c->out) {
        gm_buf_text(c->out, "HTTP/1.1 100 Continue\r\n\r\n");
        c->expects = false;
    }
    if (c->eof) c->state = GM_HTTP_ENDING;
}

void gm_http_conn_run(gm_http_conn *c)
{
    bool more = false;
    while (!more && c->state < GM_HTTP_WAITING && gm_http_conn_waiting(c) <= GM_HTTP_OUT_MAX) {
        if (c->parsed == c->len) break;
        if (c->state == GM_HTTP_IDLE) {
            c->state = GM_HTTP_HEAD;
            c->r.begun_us = c->loop->now_us;
        }
        switch (gm_http_parse(c)) {
        case GM_HTTP_MORE:
            after_more(c);
            more = true;
            break;
        case GM_HTTP_COMPLETE: dispatch(c); break;
        case GM_HTTP_BROKEN: gm_http_conn_fail(c, c->refusal, c->reason); break;
        }
    }
    if (c->eof && c->parsed == c->len && c->state < GM_HTTP_WAITING) c->state = GM_HTTP_ENDING;
    if (c->state != GM_HTTP_WAITING) settle(c);
}

void gm_http_conn_took(gm_http_conn *c, size_t len)
{
    c->len += len;
    if (len) c->read_us = c->loop->now_us;
    gm_http_conn_run(c);
}

void gm_http_conn_eof(gm_http_conn *c)
{
    c->eof = true;
    if (c->state != GM_HTTP_WAITING) gm_http_conn_run(c);
}

/* ---- time ---------------------------------------------------------------------------------------------- */

static bool is_too_slow(const gm_http_options *o, size_t bytes, int64_t since_us, int64_t now_us)
{
    int64_t took = now_us - since_us;
    return took > o->body_rate_after_ms * 1000 && (double)bytes * 1e6 < (double)o->body_min_bytes_per_s * (double)took;
}

bool gm_http_conn_in_time(gm_http_conn *c)
{
    const gm_http_options *o = &c->http->o;
    int64_t now = c->loop->now_us + c->loop->sweep_us; /* late at the next look is late now: limits are never exceeded */
    int64_t begun = c->first ? c->since_us : c->r.begun_us;
    if (c->stalled_us) {
        if (now - c->written_us > o->body_idle_ms * 1000) return false;
        if (is_too_slow(o, c->stalled_sent, c->stalled_us, now)) return false;
    }
    switch (c->state) {
    case GM_HTTP_IDLE: return now - c->since_us <= (c->first ? o->header_ms : o->keep_alive_ms) * 1000;
    case GM_HTTP_HEAD:
        if (now - begun > o->header_ms * 1000) gm_http_conn_fail(c, 408, "the headers did not come in time");
        break;
    case GM_HTTP_BODY:
        if (c->stalled_us) break; /* not the sender's fault: nothing is read */
        if (now - c->read_us > o->body_idle_ms * 1000 || is_too_slow(o, c->body_len, c->body_us, now) ||
            now - begun > o->request_ms * 1000)
            gm_http_conn_fail(c, 408, "the body did not come in time");
        break;
    default: break;
    }
    if (c->state == GM_HTTP_ENDING) settle(c);
    return true;
}
