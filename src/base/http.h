/* http.h - an HTTP/1.1 server: event loops over libuv, parsing by llhttp, TLS by OpenSSL.
 *
 * One loop per thread, each with connections of its own. A handler runs on its request's loop and answers before it returns, or
 * hands the request to the pool of workers with gm_http_defer. One route table: a route cannot be declared without its access and
 * body limit. The server answers by itself, always as {"error": "..."}: 400 (framing, Host, encoding), 401/403 (access), 404, 405
 * (with Allow), 408, 413, 414, 415 (content encoding), 429 and 503 (too many connections or deferred requests, draining; both
 * with Retry-After), 431.
 */
#ifndef GM_BASE_HTTP_H
#define GM_BASE_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef struct gm_slice {
    const char *data; /* not NUL-terminated */
    size_t len;
} gm_slice;
bool gm_slice_is(gm_slice s, const char *text);

typedef struct gm_http gm_http; /* all loops of one server */
typedef struct gm_http_request gm_http_request;

typedef enum gm_http_access {
    GM_HTTP_OPEN,  /* anybody who reaches the address: health, metrics                                        */
    GM_HTTP_INFER, /* the inference token when one is set, else anybody                                       */
    GM_HTTP_ADMIN  /* the admin token; without one only from loopback or the Unix socket, and only for a Host that is loopback */
} gm_http_access;

typedef struct gm_http_route {
    const char *method; /* "GET" (serves HEAD too), "POST", "DELETE" ... */
    const char *
        path; /* "/v2/models/{model}/versions/{version}/infer", "/v1/models/{model}:predict": {name} matches within one segment */
    gm_http_access access;
    size_t body_max_bytes; /* after decompression too; 0 = a body is refused unless empty */
    void (*handle)(gm_http_request *r, void *user);
    const char *summary; /* one line, for the OpenAPI document */
} gm_http_route;

enum { GM_HTTP_PARAMS_MAX = 4 };

/* What a handler sees; read only. Slices live until the reply is sent. */
struct gm_http_request {
    const gm_http_route *route;
    void *server_user;                   /* gm_http_options.user                                              */
    gm_slice path, query;                /* path percent-decoded (a NUL, / or \ from %xx is a 400), query raw  */
    gm_slice params[GM_HTTP_PARAMS_MAX]; /* in the order of the route's path                              */
    gm_slice body;       /* complete, chunks joined, gzip and deflate undone; writable, followed by 16 bytes of zero */
    gm_arena *arena;     /* reset when the reply is sent                                       */
    unsigned loop;       /* 0 .. loops - 1: index of the handler's per-loop state; workers: see gm_http_defer */
    int64_t begun_us;    /* monotonic: first byte of the request                              */
    int64_t now_us;      /* monotonic: when this thread had last waited for something to do   */
    int64_t deadline_us; /* monotonic, from X-Request-Timeout-Ms or the server's own; 0 = none */
    bool local;          /* loopback or Unix socket                                           */
    bool admin;          /* came with the admin token, or local without one being set          */
};

/* Value of a header, case-insensitive name; false when absent. */
bool gm_http_header(const gm_http_request *r, const char *name, gm_slice *out);
/* Value of ?name=value, percent-decoded in the request's arena. */
bool gm_http_query(const gm_http_request *r, const char *name, gm_slice *out);
/* The reply's body: append to it, then call gm_http_reply. Kept and reused by the loop. */
gm_buf *gm_http_out(gm_http_request *r);
/* A header of the reply, before gm_http_reply. Values with CR, LF or NUL are dropped. Copied. */
void gm_http_reply_header(gm_http_request *r, const char *name, const char *value);
/* Send status and what is in gm_http_out. content_type NULL = none. gzip is applied when the client accepts it and the body is
 * over 1 KiB and the options say so. Exactly one reply per request. */
void gm_http_reply(gm_http_request *r, int status, const char *content_type);
/* {"error": message}; what was in gm_http_out is dropped. */
void gm_http_reply_error(gm_http_request *r, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* From an err: its status, message and hint; never its context or places. */
void gm_http_reply_err(gm_http_request *r, const gm_err *err);
/* Let work(r, user) run on a worker thread; it replies there. The request's slices and arena stay valid; later requests of the
 * connection wait. In work, r->loop is loops + worker index. Replies 429 by itself, returning false, when the queue is full. */
bool gm_http_defer(gm_http_request *r, void (*work)(gm_http_request *r, void *user), void *user);

typedef struct gm_http_options {
    const char *host;            /* NULL = 127.0.0.1 */
    int port;                    /* 0 = any that is free; -1 = no TCP */
    const char *unix_path;       /* NULL = none; a stale socket is replaced, another file is an error */
    unsigned loops;              /* 0 = CPUs that the cgroup gives (cpu.max), at most 64 */
    unsigned workers;            /* 0 = the same */
    const gm_http_route *routes; /* [routes_count], borrowed */
    size_t routes_count;
    const char *infer_token, *admin_token; /* Authorization: Bearer; compared in constant time; NULL = none */
    const char *tls_cert, *tls_key;        /* PEM files, both or none; TLS 1.2 and later; the Unix socket stays plain */
    const char *allowed_hosts;             /* space-separated; NULL = any for OPEN and INFER */
    bool gzip;
    /* limits; 0 = the default in brackets */
    size_t request_line_max;                                    /* 8 KiB */
    size_t headers_max_bytes;                                   /* 16 KiB */
    unsigned headers_max;                                       /* 64 */
    unsigned connections_max, connections_per_address_max;      /* 1,024; 64, loopback exempt */
    unsigned deferred_max;                                      /* 256 */
    int64_t header_ms, body_idle_ms, request_ms, keep_alive_ms; /* 10 s, 10 s, 60 s, 75 s */
    int64_t body_min_bytes_per_s, body_rate_after_ms; /* 1 KiB, judged after 10 s; a reader of replies is held to the same */
    unsigned wrong_tokens_max;                        /* 100 a minute and address, then 429 for a minute */
    bool count_loopback;                              /* loopback is not exempt from the limit per address */
    /* Called on the loop when a reply was handed to the connection (also for those the server made by itself, route NULL then).
     */
    void (*done)(const gm_http_request *r, int status, size_t reply_bytes, void *user);
    /* Called on each loop's thread about every second, for upkeep of per-loop state. May be NULL. */
    void (*tick)(unsigned loop, void *user);
    /* Called on a worker's thread after each deferred request, with its r->loop: what it keeps for a request ends here. May be NULL. */
    void (*rest)(unsigned worker, void *user);
    void *user;
} gm_http_options;

/* Bind, start the threads, return. Errors: GM_EINVALID (certificate, address), GM_ECONFLICT (port or socket taken), GM_EIO. */
gm_rc gm_http_start(const gm_http_options *o, gm_http **out, gm_err *err);
int gm_http_port(const gm_http *h); /* -1 without TCP */
unsigned gm_http_loops(const gm_http *h);
unsigned gm_http_workers(const gm_http *h);
/* Run fn(loop, arg) once on every loop's thread, and wait until all have. Not from a loop. */
void gm_http_each_loop(gm_http *h, void (*fn)(unsigned loop, void *arg), void *arg);
/* Stop accepting, answer what was begun with Connection: close, wait until all is sent or wait_ms passed. */
void gm_http_drain(gm_http *h, int64_t wait_ms);
void gm_http_stop(gm_http *h); /* closes what is left, joins the threads, frees */

typedef struct gm_http_stats {
    int64_t connections_open, connections_total, requests_total, refused_total, deferred_now;
} gm_http_stats;
void gm_http_stats_get(const gm_http *h, gm_http_stats *out);

#endif
