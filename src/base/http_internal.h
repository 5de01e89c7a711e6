/* http_internal.h - what the files of the HTTP server share.
 *
 * http.c          options, start, stop, drain, statistics
 * http_listen.c   sockets that listen
 * http_io.c       libuv: loops, reading and writing, time-outs
 * http_conn.c     one connection: bytes in, requests dispatched, bytes out. Knows no socket, so that a test can drive it
 * http_parse.c    llhttp: bytes to offsets
 * http_head.c     what is refused before the body is read: routes, Host, tokens, sizes
 * http_request.c  what a handler asks of its request
 * http_reply.c    status line, headers, body
 * http_route.c    method and path to route
 * http_peers.c    addresses: connections and wrong tokens of each
 * http_pool.c     workers of deferred requests
 * http_zip.c      zlib: bodies in, replies out
 * http_tls.c      OpenSSL
 *
 * Threads: a connection belongs to its loop. While it waits for a worker (state GM_HTTP_WAITING), its request, body_out and
 * deferred_out belong to that worker; the queues between them are the only hand-over.
 */
#ifndef GM_BASE_HTTP_INTERNAL_H
#define GM_BASE_HTTP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/http.h"

enum {
    GM_HTTP_TAIL = 16,              /* zero bytes after a body                           */
    GM_HTTP_BLOCK = 64 << 10,       /* bytes of the block that a loop reads into         */
    GM_HTTP_READ_MAX = 256 << 10,   /* of one connection before the others have a turn   */
    GM_HTTP_OUT_MAX = 1 << 20,      /* replies that wait, before reading stops           */
    GM_HTTP_KEEP_BYTES = 256 << 10, /* a buffer that grew beyond this is not kept        */
    GM_HTTP_POOL = 64,              /* buffers of each kind that a loop keeps            */
    GM_HTTP_DRINK = 64 << 10,       /* body of a refused request read for keep-alive's sake */
    GM_HTTP_SLACK = 1024            /* of a request's head beyond line and headers       */
};

typedef struct gm_http_loop gm_http_loop;
typedef struct gm_http_conn gm_http_conn;
typedef struct gm_http_parser gm_http_parser;
typedef struct gm_http_routes gm_http_routes;
typedef struct gm_http_peers gm_http_peers;
typedef struct gm_http_pool gm_http_pool;
typedef struct gm_http_zip gm_http_zip;
typedef struct gm_http_tls_context gm_http_tls_context;
typedef struct gm_http_tls gm_http_tls;

/* Bytes read. One is the loop's, shared by all connections that have nothing half read; the others belong to one connection. */
typedef struct gm_http_block {
    size_t capacity;
    char data[];
} gm_http_block;

/* Name and value as offsets from the request's first byte: a block may move while a request is read. */
typedef struct gm_http_field {
    uint32_t name, name_len, value, value_len;
} gm_http_field;

/* The address of a peer: IPv4 as ::ffff:a.b.c.d, IPv6 by its /64; all zero for the Unix socket. */
typedef struct gm_http_address {
    unsigned char bytes[16];
    bool local, unix_socket;
} gm_http_address;

typedef enum gm_http_state {
    GM_HTTP_IDLE,    /* no byte of the next request is there          */
    GM_HTTP_HEAD,    /* request line and headers                      */
    GM_HTTP_BODY,    /* a body                                        */
    GM_HTTP_WAITING, /* a worker has the request                      */
    GM_HTTP_ENDING   /* what is in out is sent, then the end          */
} gm_http_state;

typedef enum gm_http_parsed { GM_HTTP_MORE, GM_HTTP_COMPLETE, GM_HTTP_BROKEN } gm_http_parsed;

struct gm_http_conn {
    gm_http_request r; /* first: a request is its connection */
    gm_http *http;
    gm_http_loop *loop;
    gm_http_conn *prev, *next; /* of the loop's open ones */
    gm_http_conn *wait_next;   /* of the queue of the workers, then of the completed ones */
    gm_http_parser *parser;
    gm_http_tls *tls; /* NULL = plain */
    gm_http_address address;
    bool counted; /* in the table of addresses */
    gm_http_state state;

    /* Bytes in: [start, parsed) belongs to the request in hand, [parsed, len) is not looked at yet. */
    gm_http_block *block;
    size_t len, parsed, start;
    bool eof;

    /* The request as it is parsed; offsets from start. */
    const char *method; /* static */
    size_t url, url_len, fields_begin, body_begin, body_len, extra_len;
    gm_http_field *fields; /* [options.headers_max] */
    unsigned fields_count;
    bool in_value, head_done, chunked, has_length, keep_alive, http10;
    uint64_t content_length;
    const char *allowed;        /* methods of the path, for 405 and OPTIONS; of the routes */
    bool expects;               /* Expect: 100-continue, not answered yet */
    const gm_http_route *asked; /* the route found; r.route is NULL when the request is refused */
    int refusal;                /* status, 0 = none */
    bool refusal_ends;          /* and the connection closes after it */
    const char *reason;         /* static */

    /* The reply. */
    bool replied, deferred, zeroed, ends; /* ends: the connection, after this reply */
    int status;
    size_t reply_bytes;
    char saved[GM_HTTP_TAIL]; /* what stood where the body's zero tail is */
    gm_buf *plain;            /* the body after decompression; NULL when there was none */
    gm_buf *body_out;         /* gm_http_out */
    gm_buf *deferred_out;     /* the whole reply, by a worker */
    gm_buf headers_out;       /* headers by the handler */
    void (*work)(gm_http_request *r, void *user);
    void *work_user;

    /* Bytes out. */
    gm_buf *out;     /* NULL when none wait */
    size_t out_sent; /* of out */
    gm_buf cipher;   /* TLS: out, encrypted */
    bool linger;     /* the peer may still be sending: end without a reset, which would cost it the reply */

    /* Time, monotonic microseconds. */
    int64_t since_us;    /* of the present state; accepted, for a first request */
    int64_t body_us;     /* the head was complete */
    int64_t read_us;     /* last byte in */
    int64_t written_us;  /* last time that bytes went out while others waited */
    int64_t stalled_us;  /* since when bytes wait; 0 = none do */
    size_t stalled_sent; /* bytes that went out since */
    bool first;          /* no request yet */
};

/* What each loop has for its connections; used by its thread only. */
struct gm_http_loop {
    gm_http *http;
    unsigned index;
    int64_t now_us, sweep_us; /* sweep_us: from one look at the time-outs to the next */
    gm_http_block *shared, *spare[8];
    unsigned spare_count;
    gm_http_conn *conns; /* open */
    gm_buf *bufs[GM_HTTP_POOL];
    gm_arena *arenas[GM_HTTP_POOL];
    unsigned bufs_count, arenas_count;
    char good[96]; /* "HTTP/1.1 200 OK\r\nDate: ...\r\n", the date as of the last sweep */
    size_t good_len;
    _Atomic int64_t requests; /* written by this loop only */
    void *io;                 /* of http_io.c */
};

struct gm_http {
    gm_http_options o; /* with the defaults filled in; texts are copies in arena */
    gm_arena *arena;
    gm_http_loop *loops; /* [o.loops] */
    gm_http_zip **zips;  /* [o.loops + o.workers] */
    gm_http_routes *routes;
    gm_http_peers *peers;
    gm_http_pool *pool;
    gm_http_tls_context *tls;
    int port;
    int *listeners; /* [o.loops], TCP; -1 = none */
    int unix_listener;
    bool unix_bound; /* unix_path is ours to remove */
    atomic_bool draining;
    _Atomic int64_t open, total, refused;
    pthread_mutex_t lock; /* with changed: a wait for connections to end */
    pthread_cond_t changed;
};

/* http.c: everything but sockets and threads. Owned; gm_http_stop. */
gm_rc gm_http_prepare(const gm_http_options *o, gm_http **out, gm_err *err);

/* http_conn.c */
void gm_http_loop_init(gm_http_loop *l, gm_http *h, unsigned index);
void gm_http_loop_clear(gm_http_loop *l);
void gm_http_loop_date(gm_http_loop *l);
gm_buf *gm_http_buf_get(gm_http_loop *l);
void gm_http_buf_put(gm_http_loop *l, gm_buf **b);
/* A connection that is open from now, in new or zeroed memory or that of a closed one. address copied. false when memory is out.
 */
bool gm_http_conn_open(gm_http_conn *c, gm_http_loop *l, const gm_http_address *address);
void gm_http_conn_close(gm_http_conn *c); /* gives back to the loop what it holds; may be opened again */
void gm_http_conn_clear(gm_http_conn *c); /* after the close: its parser and arrays too */
/* Where the next bytes go. 0 = no room for memory's sake. */
size_t gm_http_conn_room(gm_http_conn *c, char **out);
/* len bytes are there; answer what is complete. */
void gm_http_conn_took(gm_http_conn *c, size_t len);
void gm_http_conn_run(gm_http_conn *c);
/* The peer sends no more. */
void gm_http_conn_eof(gm_http_conn *c);
/* A worker has answered. */
void gm_http_conn_completed(gm_http_conn *c);
size_t gm_http_conn_waiting(const gm_http_conn *c); /* bytes of out that are not sent */
bool gm_http_conn_reads(const gm_http_conn *c);     /* whether more bytes are wanted */
/* Time-outs: replies 408 where a request has begun. false = close now. */
bool gm_http_conn_in_time(gm_http_conn *c);
/* Answer status by ourselves and end the connection after it. */
void gm_http_conn_fail(gm_http_conn *c, int status, const char *reason);

/* http_parse.c */
gm_http_parser *gm_http_parser_new(gm_http_conn *c);
void gm_http_parser_free(gm_http_parser *p);
void gm_http_parser_reset(gm_http_parser *p);
/* From parsed to len. GM_HTTP_BROKEN: c->refusal and c->reason say why. */
gm_http_parsed gm_http_parse(gm_http_conn *c);

/* http_head.c: sets c->refusal unless the request may go on to its body. */
void gm_http_head_check(gm_http_conn *c);
void gm_http_refuse(gm_http_conn *c, int status, bool ends, const char *reason);

/* http_request.c */
bool gm_http_slice_is_nocase(gm_slice s, const char *lower);
/* The i-th header. */
gm_slice gm_http_field_name(const gm_http_conn *c, unsigned i);
gm_slice gm_http_field_value(const gm_http_conn *c, unsigned i);
/* %xx in place, `plus` as a blank too. false: not two hex digits. */
bool gm_http_percent_decode(char *text, size_t *len, bool plus);

/* http_reply.c */
const char *gm_http_status_text(int status);
size_t gm_http_date(char *out, size_t size); /* "Date: ...\r\n" of now; its length */
/* {"error": reason} with the headers that go with it, by the server itself. */
void gm_http_reply_self(gm_http_conn *c, int status, const char *reason);

/* http_route.c */
gm_rc gm_http_routes_new(const gm_http_route *routes, size_t count, gm_http_routes **out, gm_err *err);
void gm_http_routes_free(gm_http_routes *t);
/* The route, or NULL; then out_allowed names what the path would take ("GET, HEAD, POST"; borrowed), NULL when the path is not
 * known. */
const gm_http_route *gm_http_routes_find(const gm_http_routes *t, const char *method, gm_slice path, gm_slice *params,
                                         const char **out_allowed);

/* http_peers.c; thread-safe */
gm_http_peers *gm_http_peers_new(unsigned connections_max, unsigned wrong_max, bool count_local);
void gm_http_peers_free(gm_http_peers *p);
bool gm_http_peers_open(gm_http_peers *p, const gm_http_address *a); /* false: the address has too many */
void gm_http_peers_close(gm_http_peers *p, const gm_http_address *a);
void gm_http_peers_wrong(gm_http_peers *p, const gm_http_address *a, int64_t now_us);
bool gm_http_peers_blocked(gm_http_peers *p, const gm_http_address *a, int64_t now_us);

/* http_pool.c */
gm_http_pool *gm_http_pool_new(gm_http *h, unsigned workers, unsigned waiting_max);
bool gm_http_pool_reserve(gm_http_pool *p);              /* false: full */
void gm_http_pool_put(gm_http_pool *p, gm_http_conn *c); /* after a reservation */
int64_t gm_http_pool_count(gm_http_pool *p);             /* waiting and in work */
void gm_http_pool_stop(gm_http_pool *p);                 /* nothing more is reserved; finish what waits, join */
void gm_http_pool_free(gm_http_pool *p);

/* http_zip.c */
gm_http_zip *gm_http_zip_new(void);
void gm_http_zip_free(gm_http_zip *z);
/* Status: 0, 400 (not a whole stream), 413 (more than limit), 503 (memory). Appends. */
int gm_http_zip_inflate(gm_http_zip *z, gm_slice in, size_t limit, gm_buf *out);
bool gm_http_zip_gzip(gm_http_zip *z, gm_slice in, gm_buf *out);

/* http_tls.c */
gm_rc gm_http_tls_context_new(const char *cert_path, const char *key_path, gm_http_tls_context **out, gm_err *err);
void gm_http_tls_context_free(gm_http_tls_context *t);
gm_http_tls *gm_http_tls_new(gm_http_tls_context *context);
void gm_http_tls_free(gm_http_tls *t);
bool gm_http_tls_put(gm_http_tls *t, const char *bytes, size_t len);  /* what came from the peer */
int64_t gm_http_tls_read(gm_http_tls *t, char *out, size_t capacity); /* > 0 bytes, 0 none now, -1 ended */
bool gm_http_tls_write(gm_http_tls *t, const char *bytes, size_t len);
void gm_http_tls_end(gm_http_tls *t);               /* close notify */
bool gm_http_tls_take(gm_http_tls *t, gm_buf *out); /* append what goes to the peer */

/* http_listen.c */
gm_rc gm_http_listen(gm_http *h, gm_err *err);
void gm_http_listen_close(gm_http *h);
void gm_http_address_of(const struct sockaddr_storage *from, gm_http_address *out);

/* http_io.c */
gm_rc gm_http_io_start(gm_http_loop *l, gm_err *err);                                   /* the loop's thread runs */
void gm_http_io_completed(gm_http_loop *l, gm_http_conn *c);                            /* a worker hands the connection back */
void gm_http_io_call(gm_http_loop *l, void (*fn)(unsigned loop, void *arg), void *arg); /* and wait */
void gm_http_io_drain(gm_http_loop *l);
void gm_http_io_stop(gm_http_loop *l); /* closes everything, joins */

#endif
