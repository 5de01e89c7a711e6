/* test_http.c - what the HTTP server answers: to good requests, to bad bytes, at both sides of every limit, and to those who take
 * their time. */
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/fs.h"
#include "unit/base/http_client.h"

static void echo(gm_http_request *r, void *user)
{
    static const char zeros[16];
    (void)user;
    CHECK(memcmp(r->body.data + r->body.len, zeros, sizeof(zeros)) == 0);
    gm_buf_add(gm_http_out(r), r->body.data, r->body.len);
    gm_http_reply(r, 200, "application/octet-stream");
}

static void show(gm_http_request *r, void *user)
{
    gm_slice q = { 0 };
    (void)user;
    bool has = gm_http_query(r, "q", &q);
    gm_buf_printf(gm_http_out(r), "%.*s|%.*s|%.*s|%s%.*s|%s", (int)r->path.len, r->path.data, (int)r->params[0].len,
                  r->params[0].data ? r->params[0].data : "", (int)r->params[1].len, r->params[1].data ? r->params[1].data : "",
                  has ? "q=" : "", (int)q.len, q.data ? q.data : "", r->admin ? "admin" : "");
    gm_http_reply_header(r, "X-Good", "yes");
    gm_http_reply_header(r, "X-Bad", "a\r\nX-Evil: 1");
    gm_http_reply(r, 200, "text/plain");
}

static void slow_work(gm_http_request *r, void *user)
{
    (void)user;
    (void)usleep(30000);
    gm_buf_printf(gm_http_out(r), "worked on %.*s", (int)r->body.len, r->body.data);
    gm_http_reply(r, 200, "text/plain");
}

static void defer(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, slow_work, user);
}

static atomic_bool gate; /* the test's process is its own */

static void work_behind_gate(gm_http_request *r, void *user)
{
    (void)user;
    while (!atomic_load(&gate)) (void)usleep(1000);
    gm_http_reply(r, 200, "text/plain");
}

static void defer_to_gate(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, work_behind_gate, user);
}

static void silent(gm_http_request *r, void *user)
{
    (void)r;
    (void)user;
}

static void large(gm_http_request *r, void *user)
{
    (void)user;
    for (int i = 0; i < 4 << 20; i += 64)
        gm_buf_add(gm_http_out(r), "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 64);
    gm_http_reply(r, 200, "text/plain");
}

static void send_text(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

static const gm_http_route routes[] = {
    { "GET", "/health", GM_HTTP_OPEN, 0, show, "" },
    { "GET", "/v1/models/{m}", GM_HTTP_OPEN, 0, show, "" },
    { "POST", "/v1/models/{m}:predict", GM_HTTP_INFER, 64 << 10, echo, "" },
    { "POST", "/v2/models/{m}/versions/{v}/infer", GM_HTTP_INFER, 100, show, "" },
    { "POST", "/echo", GM_HTTP_INFER, 3 << 20, echo, "" },
    { "POST", "/small", GM_HTTP_INFER, 100, echo, "" },
    { "POST", "/defer", GM_HTTP_INFER, 100, defer, "" },
    { "POST", "/gate", GM_HTTP_INFER, 100, defer_to_gate, "" },
    { "GET", "/silent", GM_HTTP_OPEN, 0, silent, "" },
    { "GET", "/large", GM_HTTP_OPEN, 0, large, "" },
    { "POST", "/admin/load", GM_HTTP_ADMIN, 100, show, "" },
    { "DELETE", "/admin/load", GM_HTTP_ADMIN, 0, show, "" },
    { "GET", "/admin/load", GM_HTTP_ADMIN, 0, show, "" },
};

static gm_http *start(gm_http_options o)
{
    gm_http *h = NULL;
    gm_err err;
    o.routes = routes;
    o.routes_count = sizeof(routes) / sizeof(routes[0]);
    if (!o.loops) o.loops = 1;
    if (!o.workers) o.workers = 1;
    CHECK_OK(gm_http_start(&o, &h, &err), &err);
    return h;
}

typedef struct wire_case {
    const char *bytes;
    size_t len;
    int status;
    const char *has; /* in the reply; NULL = anything */
} wire_case;
#define WIRE(text, status_, has_)                                                                                                \
    {                                                                                                                            \
        text, sizeof(text) - 1, status_, has_                                                                                    \
    }
#define H "Host: localhost\r\n"

static void check_wire(int port, const wire_case *cases, size_t count)
{
    gm_buf b = { 0 };
    for (size_t i = 0; i < count; i++) {
        int status = client_exchange(port, cases[i].bytes, cases[i].len, &b);
        if (status != cases[i].status)
            gm_harness_fail(__FILE__, __LINE__, "%.300s\ngives %d, want %d: %.300s", cases[i].bytes, status, cases[i].status,
                            gm_buf_str(&b));
        if (cases[i].has) CHECK_HAS(gm_buf_str(&b), cases[i].has);
        if (status >= 400) CHECK_HAS(gm_buf_str(&b), "\r\n\r\n{\"error\":\"");
        CHECK(!strstr(gm_buf_str(&b), "Access-Control") && !strstr(gm_buf_str(&b), "X-Evil"));
    }
    gm_buf_clear(&b);
}

static void good_requests_are_answered(void)
{
    static const wire_case cases[] = {
        WIRE("GET /health HTTP/1.1\r\n" H "\r\n", 200, "X-Good: yes\r\n"),
        WIRE("GET http://localhost/health?q=a%20b+c HTTP/1.1\r\n" H "\r\n", 200, "/health|||q=a b c|"),
        WIRE("GET http://localhost:80/health HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 200, NULL),
        WIRE("\r\nGET /health HTTP/1.1\r\n" H "\r\n", 200, NULL),
        WIRE("GET /health HTTP/1.0\r\n\r\n", 200, NULL),
        WIRE("GET /v1/models/a%20b HTTP/1.1\r\n" H "\r\n", 200, "/v1/models/a b|a b|"),
        WIRE("POST /v1/models/m:predict HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 200, "\r\n\r\nabc"),
        WIRE("POST /v2/models/m/versions/7/infer HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 200, "|m|7|"),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
             200, "\r\n\r\nabcde"),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", 200, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 200, NULL),
        WIRE("OPTIONS /health HTTP/1.1\r\n" H "Origin: http://evil.example\r\nAccess-Control-Request-Method: GET\r\n\r\n", 204,
             "Allow: GET, HEAD\r\n"),
        WIRE("OPTIONS * HTTP/1.1\r\n" H "\r\n", 204, NULL),
        WIRE("GET /silent HTTP/1.1\r\n" H "\r\n", 500, NULL),
        WIRE("GET /nope HTTP/1.1\r\n" H "\r\n", 404, NULL),
        WIRE("GET /health/ HTTP/1.1\r\n" H "\r\n", 404, NULL),
        WIRE("GET /v1/models/ HTTP/1.1\r\n" H "\r\n", 404, NULL),
        WIRE("DELETE /health HTTP/1.1\r\n" H "\r\n", 405, "Allow: GET, HEAD\r\n"),
        WIRE("CONNECT httpserver HTTP/1.1\r\n" H "\r\n", 404, NULL), /* a host, in which no colon need be */
        WIRE("POST /defer HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 200, "worked on abc"),
    };
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf b = { 0 };
    check_wire(gm_http_port(h), cases, sizeof(cases) / sizeof(cases[0]));
    CHECK(client_ask(gm_http_port(h), "HEAD /health HTTP/1.1\r\n" H "\r\n", &b) == 200);
    CHECK_HAS(gm_buf_str(&b), "Content-Length: 16\r\n"); /* "/health||||admin" */
    CHECK(strcmp(b.data + b.len - 4, "\r\n\r\n") == 0);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void bad_framing_is_refused(void)
{
    static const wire_case cases[] = {
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400,
             NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400,
             NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nabcde", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nabcde", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 5,5\r\n\r\nabcde", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\nabcde", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 1000000000000\r\n\r\n", 413, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\n" H "X: a\0b\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\n" H "X\0: ab\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\n"
             "Host: localhost\n\n",
             400, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost: localhost\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\n" H "\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\n X: a\r\n" H "\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost:\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, NULL),
        WIRE("GET http://evil.example/health HTTP/1.1\r\n" H "\r\n", 400, NULL),
        WIRE("GET /health HTTP/2.0\r\n" H "\r\n", 505, NULL),
        WIRE("GET /health HTTP/0.9\r\n" H "\r\n", 505, NULL),
        WIRE("GET /health\r\n" H "\r\n", 400, NULL),
        WIRE("GET  /health HTTP/1.1\r\n" H "\r\n", 400, NULL),
        WIRE("GET /health\r\n\r\n", 400, NULL),
        WIRE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL),
        WIRE("FROB /health HTTP/1.1\r\n" H "\r\n", 400, NULL),
        WIRE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Expect: miracles\r\nContent-Length: 1\r\n\r\na", 417, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Encoding: br\r\nContent-Length: 1\r\n\r\na", 415, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Encoding: gzip, gzip\r\nContent-Length: 1\r\n\r\na", 415, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde", 400, NULL),
        WIRE("GET /health HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na", 413, NULL),
    };
    gm_http *h = start((gm_http_options){ 0 });
    check_wire(gm_http_port(h), cases, sizeof(cases) / sizeof(cases[0]));
    gm_http_stop(h);
}

static void paths_are_decoded_strictly(void)
{
    static const char *const bad[] = { "/v1/models/..%2f..%2fetc", "/v1/models/a%00b", "/v1/models/a%5cb",  "/v1/models/a\\b",
                                       "/v1/models/%c0%ae%c0%ae",  "/v1/models/%zz",   "/v1/models/%2",     "/v1/models/%",
                                       "/v1/models/../health",     "/v1/models/..;/x", "/v1/models/%2e%2e", "/v1/models/a%0ab",
                                       "/v1/models/%ff",           "/v1/models/./x" };
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf b = { 0 };
    char text[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" H "\r\n", bad[i]);
        if (client_ask(gm_http_port(h), text, &b) != 400) gm_harness_fail(__FILE__, __LINE__, "%s: %s", bad[i], gm_buf_str(&b));
    }
    CHECK(client_ask(gm_http_port(h), "GET /v1/models/%252e%c3%a9 HTTP/1.1\r\n" H "\r\n", &b) == 200);
    CHECK_HAS(gm_buf_str(&b), "|%2e\xc3\xa9|"); /* decoded once */
    gm_buf_clear(&b);
    gm_http_stop(h);
}

/* Limits, each at its edge and one beyond. */
static void limits_hold_at_their_edges(void)
{
    gm_http *h = start((gm_http_options){ .request_line_max = 100, .headers_max_bytes = 300, .headers_max = 8 });
    int port = gm_http_port(h);
    gm_buf in = { 0 }, b = { 0 };
    for (int beyond = 0; beyond <= 1; beyond++) {
        in.len = 0; /* "GET /health?" + x + " HTTP/1.1" */
        gm_buf_printf(&in, "GET /health?%0*d HTTP/1.1\r\n" H "\r\n", 100 - 12 - 9 + beyond, 1);
        CHECK(client_exchange(port, in.data, in.len, &b) == (beyond ? 414 : 200));
        in.len = 0; /* "Host: localhost\r\n" is 17, "X: \r\n" 5 */
        gm_buf_printf(&in, "GET /health HTTP/1.1\r\n" H "X: %0*d\r\n\r\n", 300 - 17 - 5 + beyond, 1);
        CHECK(client_exchange(port, in.data, in.len, &b) == (beyond ? 431 : 200));
        in.len = 0;
        gm_buf_printf(&in, "GET /health HTTP/1.1\r\n" H);
        for (int i = 0; i < 7 + beyond; i++) gm_buf_printf(&in, "X%d: y\r\n", i);
        gm_buf_text(&in, "\r\n");
        CHECK(client_exchange(port, in.data, in.len, &b) == (beyond ? 431 : 200));
        in.len = 0;
        gm_buf_printf(&in, "POST /small HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n%0*d", 100 + beyond, 100 + beyond, 1);
        CHECK(client_exchange(port, in.data, in.len, &b) == (beyond ? 413 : 200));
        in.len = 0;
        gm_buf_printf(&in,
                      "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n32\r\n%050d\r\n%x\r\n%0*d\r\n0\r\n\r\n", 1,
                      50 + beyond, 50 + beyond, 1);
        CHECK(client_exchange(port, in.data, in.len, &b) == (beyond ? 413 : 200));
    }
    in.len = 0; /* blanks before a value are no part of it, and count all the same */
    gm_buf_printf(&in, "GET /health HTTP/1.1\r\n" H "X: %*s\r\n\r\n", 4000, "");
    CHECK(client_exchange(port, in.data, in.len, &b) == 431);
    in.len = 0;
    gm_buf_printf(&in, "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;%0400d\r\na\r\n0\r\n\r\n", 1);
    CHECK(client_exchange(port, in.data, in.len, &b) == 400);
    in.len = 0;
    gm_buf_printf(&in, "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: %0400d\r\n\r\n", 1);
    CHECK(client_exchange(port, in.data, in.len, &b) == 431);
    gm_buf_clear(&in);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void a_request_may_come_byte_by_byte(void)
{
    static const char text[] =
        "POST /v1/models/m%20m:predict?q=1 HTTP/1.1\r\n" H "Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /health HTTP/1.1\r\n" H "\r\n";
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf b = { 0 };
    int fd = client_connect(gm_http_port(h));
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        client_send(fd, text + i, 1);
        (void)usleep(300);
    }
    CHECK(client_replies(fd, &b, 2) == 2);
    CHECK_HAS(gm_buf_str(&b), "\r\n\r\nabcdeHTTP/1.1 200 OK");
    (void)close(fd);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void pipelined_requests_are_answered_in_order(void)
{
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf in = { 0 }, b = { 0 };
    for (int i = 0; i < 2000; i++) {
        char body[32];
        (void)snprintf(body, sizeof(body), "%d", i);
        gm_buf_printf(&in, "POST %s HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n%s", i % 100 == 50 ? "/defer" : "/echo",
                      strlen(body), body);
    }
    int fd = client_connect(gm_http_port(h));
    client_send(fd, in.data, in.len);
    CHECK(client_replies(fd, &b, 2000) == 2000);
    const char *at = b.data;
    for (int i = 0; i < 2000; i++) {
        char want[64];
        (void)snprintf(want, sizeof(want), "\r\n\r\n%s%d", i % 100 == 50 ? "worked on " : "", i);
        at = strstr(at, "\r\n\r\n");
        CHECK(at && strncmp(at, want, strlen(want)) == 0);
        at += 4;
    }
    (void)close(fd);
    gm_buf_clear(&in);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void refused_requests_keep_the_connection_when_they_can(void)
{
    static const char text[] = "POST /nope HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET /health HTTP/1.1\r\n" H "\r\n";
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf b = { 0 };
    int fd = client_connect(gm_http_port(h));
    client_send(fd, text, sizeof(text) - 1);
    CHECK(client_replies(fd, &b, 2) == 2);
    CHECK(client_status(&b) == 404);
    CHECK_HAS(gm_buf_str(&b), "HTTP/1.1 200 OK");
    CHECK(!strstr(gm_buf_str(&b), "Connection: close"));
    (void)close(fd);
    CHECK(client_ask(gm_http_port(h), "GET /health HTTP/1.1\r\n" H "Connection: close\r\n\r\n", &b) == 200);
    CHECK_HAS(gm_buf_str(&b), "Connection: close");
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void continue_is_said_to_who_waits_for_it(void)
{
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf b = { 0 };
    int fd = client_connect(gm_http_port(h));
    send_text(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    while (!strstr(gm_buf_str(&b), "\r\n\r\n")) CHECK(client_read(fd, &b, CLIENT_WAIT_MS) == 1);
    CHECK_STR(gm_buf_str(&b), "HTTP/1.1 100 Continue\r\n\r\n");
    b.len = 0;
    send_text(fd, "abc");
    CHECK(client_replies(fd, &b, 1) == 1 && client_status(&b) == 200);
    (void)close(fd);
    fd = client_connect(gm_http_port(h)); /* too large: no one is told to go on */
    b.len = 0;
    static const char big[] = "POST /small HTTP/1.1\r\n" H "Content-Length: 300\r\nExpect: 100-continue\r\n\r\n";
    client_send(fd, big, sizeof(big) - 1);
    CHECK(client_replies(fd, &b, 1) == 1 && client_status(&b) == 413);
    (void)close(fd);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

/* 3 MB of chunks of one byte. */
static void small_chunks_make_no_large_memory(void)
{
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf in = { 0 }, b = { 0 };
    gm_buf_text(&in, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3 << 20; i++) gm_buf_text(&in, "1\r\na\r\n");
    gm_buf_text(&in, "0\r\n\r\n");
    CHECK(client_exchange(gm_http_port(h), in.data, in.len, &b) == 200);
    CHECK_HAS(gm_buf_str(&b), "Content-Length: 3145728\r\n");
    gm_buf_clear(&in);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void zip(const char *bytes, size_t len, int wrapper, gm_buf *out)
{
    z_stream s = { 0 };
    unsigned char step[4096];
    int rc = Z_OK;
    CHECK(deflateInit2(&s, 9, Z_DEFLATED, wrapper, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    s.next_in = (unsigned char *)(uintptr_t)bytes;
    s.avail_in = (unsigned)len;
    while (rc == Z_OK) {
        s.next_out = step;
        s.avail_out = sizeof(step);
        rc = deflate(&s, Z_FINISH);
        gm_buf_add(out, step, sizeof(step) - s.avail_out);
    }
    CHECK(rc == Z_STREAM_END);
    (void)deflateEnd(&s);
}

static int post_zipped(int port, const char *path, const char *encoding, const char *bytes, size_t len, gm_buf *b)
{
    gm_buf in = { 0 };
    gm_buf_printf(&in, "POST %s HTTP/1.1\r\n" H "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", path, encoding, len);
    gm_buf_add(&in, bytes, len);
    int status = client_exchange(port, in.data, in.len, b);
    gm_buf_clear(&in);
    return status;
}

static void bodies_are_unpacked_within_the_limit(void)
{
    gm_http *h = start((gm_http_options){ 0 });
    int port = gm_http_port(h);
    gm_buf z = { 0 }, b = { 0 }, zeros = { 0 };
    zip("hello hello hello", 17, 15 + 16, &z);
    CHECK(post_zipped(port, "/echo", "gzip", z.data, z.len, &b) == 200);
    CHECK_HAS(gm_buf_str(&b), "\r\n\r\nhello hello hello");
    CHECK(post_zipped(port, "/echo", "gzip", z.data, z.len - 1, &b) == 400);
    z.data[z.len - 6] ^= 1; /* its check sum */
    CHECK(post_zipped(port, "/echo", "GZip", z.data, z.len, &b) == 400);
    z.len = 0;
    zip("hello hello hello", 17, 15, &z);
    CHECK(post_zipped(port, "/echo", "deflate", z.data, z.len, &b) == 200);
    gm_buf_char(&z, 'x');
    CHECK(post_zipped(port, "/echo", "deflate", z.data, z.len, &b) == 400);
    for (int beyond = 0; beyond <= 1; beyond++) {
        zeros.len = z.len = 0;
        for (int i = 0; i < 100 + beyond; i++) gm_buf_char(&zeros, '0');
        zip(zeros.data, zeros.len, 15 + 16, &z);
        CHECK(post_zipped(port, "/small", "gzip", z.data, z.len, &b) == (beyond ? 413 : 200));
    }
    zeros.len = z.len = 0;
    for (int i = 0; i < 64 << 10; i++)
        gm_buf_add(&zeros,
                   "0000000000000000000000000000000000000000000000000000000000000000"
                   "0000000000000000000000000000000000000000000000000000000000000000",
                   128);
    zip(zeros.data, zeros.len, 15 + 16, &z); /* 8 MB in 8 kB */
    CHECK(z.len < 20000);
    CHECK(post_zipped(port, "/echo", "gzip", z.data, z.len, &b) == 413);
    gm_buf_clear(&z);
    gm_buf_clear(&b);
    gm_buf_clear(&zeros);
    gm_http_stop(h);
}

static void large_replies_are_zipped_for_who_takes_it(void)
{
    gm_http *h = start((gm_http_options){ .gzip = true });
    gm_buf b = { 0 };
    CHECK(client_ask(gm_http_port(h), "GET /large HTTP/1.1\r\n" H "Accept-Encoding: br, gzip;q=0.5\r\n\r\n", &b) == 200);
    CHECK_HAS(gm_buf_str(&b), "Content-Encoding: gzip\r\n");
    CHECK(b.len < 100000);
    CHECK(client_ask(gm_http_port(h), "GET /large HTTP/1.1\r\n" H "Accept-Encoding: gzip;q=0, br\r\n\r\n", &b) == 200);
    CHECK(!strstr(gm_buf_str(&b), "Content-Encoding") && b.len > 4 << 20);
    CHECK(client_ask(gm_http_port(h), "GET /health HTTP/1.1\r\n" H "Accept-Encoding: gzip\r\n\r\n", &b) == 200);
    CHECK(!strstr(gm_buf_str(&b), "Content-Encoding"));
    gm_buf_clear(&b);
    gm_http_stop(h);
}

/* ---- access -------------------------------------------------------------------------------------------- */

static void admin_routes_are_for_this_machine_and_no_foreign_page(void)
{
    static const wire_case cases[] = {
        WIRE("POST /admin/load HTTP/1.1\r\n" H "\r\n", 200, "|admin"),
        WIRE("POST /admin/load HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", 200, "|admin"),
        WIRE("POST /admin/load HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200, "|admin"),
        WIRE("POST /admin/load HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, NULL),
        WIRE("POST /admin/load HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 403, NULL),
        WIRE("POST /admin/load HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", 403, NULL),
        WIRE("GET /admin/load HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200, "||||"),
        WIRE("POST /admin/load HTTP/1.1\r\n" H "Origin: http://evil.example\r\n\r\n", 403, NULL),
        WIRE("DELETE /admin/load HTTP/1.1\r\n" H "Origin: http://evil.example\r\n\r\n", 403, NULL),
        WIRE("DELETE /admin/load HTTP/1.1\r\n" H "Origin: null\r\n\r\n", 403, NULL),
        WIRE("DELETE /admin/load HTTP/1.1\r\n" H "Origin: http://localhost\r\n\r\n", 200, NULL),
        WIRE("DELETE /admin/load HTTP/1.1\r\n" H "Origin: http://localhost:81\r\n\r\n", 403, NULL),
        WIRE("POST /admin/load HTTP/1.1\r\n" H "Sec-Fetch-Site: cross-site\r\n\r\n", 403, NULL),
        WIRE("POST /admin/load HTTP/1.1\r\n" H "Sec-Fetch-Site: same-site\r\n\r\n", 403, NULL),
        WIRE("POST /admin/load HTTP/1.1\r\n" H "Sec-Fetch-Site: same-origin\r\n\r\n", 200, NULL),
        WIRE("GET /admin/load HTTP/1.1\r\n" H "Sec-Fetch-Site: cross-site\r\n\r\n", 200, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n", 403, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Sec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n\r\n", 403, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Origin: https://behind.a.proxy\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n\r\n", 200, NULL),
    };
    gm_http *h = start((gm_http_options){ 0 });
    check_wire(gm_http_port(h), cases, sizeof(cases) / sizeof(cases[0]));
    gm_http_stop(h);
}

static void tokens_and_hosts_are_checked(void)
{
    static const wire_case cases[] = {
        WIRE("POST /echo HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 401, "WWW-Authenticate: Bearer\r\n"),
        WIRE("POST /echo HTTP/1.1\r\n" H "Authorization: Bearer infer\r\nContent-Length: 0\r\n\r\n", 200, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Authorization: bearer  infer\r\nContent-Length: 0\r\n\r\n", 200, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Authorization: Bearer infe\r\nContent-Length: 0\r\n\r\n", 401, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Authorization: Bearer inferx\r\nContent-Length: 0\r\n\r\n", 401, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Authorization: Basic infer\r\nContent-Length: 0\r\n\r\n", 401, NULL),
        WIRE("POST /echo HTTP/1.1\r\n" H "Authorization: Bearer master\r\nContent-Length: 0\r\n\r\n", 200, NULL),
        WIRE("POST /admin/load HTTP/1.1\r\n" H "\r\n", 401, NULL),
        WIRE("POST /admin/load HTTP/1.1\r\n" H "Authorization: Bearer infer\r\n\r\n", 401, NULL),
        WIRE("POST /admin/load HTTP/1.1\r\n" H "Authorization: Bearer master\r\n\r\n", 200, "|admin"),
        WIRE("POST /admin/load HTTP/1.1\r\nHost: models.example\r\nAuthorization: Bearer master\r\n\r\n", 200, "|admin"),
        WIRE("HEAD /admin/load HTTP/1.1\r\n" H "\r\n", 401, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost: MODELS.example:80\r\n\r\n", 200, NULL),
        WIRE("GET /health HTTP/1.1\r\n" H "\r\n", 200, NULL),
        WIRE("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, NULL),
    };
    gm_http *h = start((gm_http_options){
        .infer_token = "infer", .admin_token = "master", .allowed_hosts = "models.example  b.example", .wrong_tokens_max = 50 });
    gm_buf b = { 0 };
    static const char text[] = "POST /echo HTTP/1.1\r\n" H "Authorization: Bearer no\r\n\r\n";
    /* HEAD's reply has no body to look at: all but that one. */
    check_wire(gm_http_port(h), cases, 11);
    CHECK(client_exchange(gm_http_port(h), cases[11].bytes, cases[11].len, &b) == 401);
    check_wire(gm_http_port(h), cases + 12, 3);
    int until = 0;
    while (until < 100 && client_ask(gm_http_port(h), text, &b) == 401) until++;
    CHECK(client_status(&b) == 429 && until == 50 - 4); /* four wrong ones above */
    CHECK_HAS(gm_buf_str(&b), "Retry-After: 60\r\n");
    CHECK(client_exchange(gm_http_port(h), cases[1].bytes, cases[1].len, &b) == 429); /* the right one too, from here */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)gm_http_port(h)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK(bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    b.len = 0;
    client_send(fd, cases[1].bytes, cases[1].len);
    CHECK(client_replies(fd, &b, 1) == 1 && client_status(&b) == 200); /* from elsewhere it works */
    (void)close(fd);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

/* ---- slow and many ------------------------------------------------------------------------------------- */

static int64_t until_end_ms(int fd, gm_buf *b)
{
    int64_t begun = gm_monotonic_us();
    while (client_read(fd, b, CLIENT_WAIT_MS) > 0) {
    }
    return (gm_monotonic_us() - begun) / 1000;
}

static void the_slow_are_sent_away(void)
{
    static const struct {
        const char *bytes;
        int status; /* 0 = closed without a reply */
    } cases[] = { { "", 0 },
                  { "GET /health HTTP/1.1\r\nHo", 408 },
                  { "POST /echo HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc", 408 },
                  { "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nab", 408 },
                  { "GET /health HTTP/1.1\r\n" H "\r\n", 200 } };
    gm_http *h = start((gm_http_options){ .header_ms = 150, .body_idle_ms = 150, .request_ms = 5000, .keep_alive_ms = 150 });
    gm_buf b = { 0 };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = client_connect(gm_http_port(h));
        b.len = 0;
        if (b.data) b.data[0] = '\0';
        send_text(fd, cases[i].bytes);
        int64_t took_ms = until_end_ms(fd, &b);
        if (client_status(&b) != cases[i].status || took_ms < 100 || took_ms > 5000)
            gm_harness_fail(__FILE__, __LINE__, "%s gives %d after %d ms", cases[i].bytes, client_status(&b), (int)took_ms);
        (void)close(fd);
    }
    gm_buf_clear(&b);
    gm_http_stop(h);
}

/* Never idle for long, and still too slow: a byte every 20 ms. what: option under test. */
static int drip(gm_http_options o, const char *head)
{
    gm_http *h = start(o);
    gm_buf b = { 0 };
    int fd = client_connect(gm_http_port(h)), got = -1;
    int64_t begun = gm_monotonic_us();
    send_text(fd, head);
    while (got < 0 && gm_monotonic_us() - begun < 10 * 1000 * 1000) {
        send_text(fd, "x");
        got = client_read(fd, &b, 20);
    }
    int status = client_status(&b);
    (void)close(fd);
    gm_buf_clear(&b);
    gm_http_stop(h);
    return status;
}

static void a_drip_is_not_enough(void)
{
    static const char body[] = "POST /echo HTTP/1.1\r\n" H "Content-Length: 10000\r\n\r\n";
    CHECK(drip((gm_http_options){ .header_ms = 200 }, "GET /health HTTP/1.1\r\n" H "X: ") == 408);
    CHECK(drip((gm_http_options){ .body_rate_after_ms = 200 }, body) == 408);
    CHECK(drip((gm_http_options){ .request_ms = 200 }, body) == 408);
}

static void who_does_not_read_is_closed(void)
{
    static const char text[] = "GET /large HTTP/1.1\r\n" H "\r\n";
    gm_http *h = start((gm_http_options){ .body_idle_ms = 200, .keep_alive_ms = 60000 });
    gm_http_stats s = { 0 };
    int fd = client_connect(gm_http_port(h));
    for (int i = 0; i < 100; i++) client_send(fd, text, sizeof(text) - 1); /* 400 MB, were they all answered */
    for (int i = 0; i < 1000; i++) {
        gm_http_stats_get(h, &s);
        if (s.connections_total == 1 && s.connections_open == 0) break;
        (void)usleep(10000);
    }
    CHECK(s.connections_open == 0 && s.requests_total < 10);
    (void)close(fd);
    gm_http_stop(h);
}

static void too_many_connections_are_turned_away(void)
{
    gm_http *h = start((gm_http_options){ .connections_max = 4 });
    gm_buf b = { 0 };
    int fds[5];
    for (int i = 0; i < 4; i++) {
        fds[i] = client_connect(gm_http_port(h));
        b.len = 0;
        send_text(fds[i], "GET /health HTTP/1.1\r\n" H "\r\n");
        CHECK(client_replies(fds[i], &b, 1) == 1);
    }
    b.len = 0;
    fds[4] = client_connect(gm_http_port(h));
    (void)until_end_ms(fds[4], &b);
    CHECK(client_status(&b) == 503);
    CHECK_HAS(gm_buf_str(&b), "Retry-After: 1\r\n");
    CHECK_HAS(gm_buf_str(&b), "\r\n\r\n{\"error\":\"too many connections\"}");
    for (int i = 0; i < 5; i++) (void)close(fds[i]);
    gm_http_stop(h);
    h = start((gm_http_options){ .connections_per_address_max = 1, .count_loopback = true });
    fds[0] = client_connect(gm_http_port(h));
    b.len = 0;
    send_text(fds[0], "GET /health HTTP/1.1\r\n" H "\r\n");
    CHECK(client_replies(fds[0], &b, 1) == 1);
    b.len = 0;
    fds[1] = client_connect(gm_http_port(h));
    (void)until_end_ms(fds[1], &b);
    CHECK(client_status(&b) == 503);
    (void)close(fds[0]);
    (void)close(fds[1]);
    for (int i = 0; i < 500; i++) { /* the place is free again, soon */
        if (client_ask(gm_http_port(h), "GET /health HTTP/1.1\r\n" H "\r\n", &b) == 200) break;
        (void)usleep(10000);
    }
    CHECK(client_status(&b) == 200);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

/* Out of descriptors: accepting pauses, those who are connected are served, and it goes on. */
static void no_descriptor_left_is_no_end(void)
{
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf b = { 0 };
    int fds[40], spare[200], count = 0, first = client_connect(gm_http_port(h));
    struct rlimit limit, old;
    send_text(first, "GET /health HTTP/1.1\r\n" H "\r\n");
    CHECK(client_replies(first, &b, 1) == 1);
    for (int i = 0; i < 40; i++) fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    limit = old;
    limit.rlim_cur = 150;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (count < 200 && (spare[count] = dup(first)) >= 0) count++;
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)gm_http_port(h)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (int i = 0; i < 40; i++) CHECK(connect(fds[i], (struct sockaddr *)&to, sizeof(to)) == 0);
    int64_t cpu = gm_cpu_us();
    b.len = 0;
    (void)usleep(300000);
    send_text(first, "GET /health HTTP/1.1\r\n" H "\r\n");
    CHECK(client_replies(first, &b, 1) == 1);
    CHECK(gm_cpu_us() - cpu < 150000); /* it does not spin */
    while (count) (void)close(spare[--count]);
    b.len = 0;
    send_text(fds[39], "GET /health HTTP/1.1\r\n" H "\r\n");
    CHECK(client_replies(fds[39], &b, 1) == 1 && client_status(&b) == 200);
    for (int i = 0; i < 40; i++) (void)close(fds[i]);
    (void)close(first);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void a_thousand_slow_ones_do_not_hold_up_health(void)
{
    enum { SLOW = 1000 };
    gm_http *h = start((gm_http_options){ 0 });
    gm_buf b = { 0 };
    struct rlimit limit;
    int *fds = calloc(SLOW, sizeof(*fds));
    CHECK(fds && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    if (limit.rlim_cur < 2 * SLOW + 50) gm_harness_skip("too few descriptors: %lu", (unsigned long)limit.rlim_cur);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int i = 0; i < SLOW; i++) {
        fds[i] = client_connect(gm_http_port(h));
        send_text(fds[i], "GET /health HTTP/1.1\r\nX");
    }
    int64_t cpu = gm_cpu_us();
    for (int i = 0; i < 20; i++) CHECK(client_ask(gm_http_port(h), "GET /health HTTP/1.1\r\n" H "\r\n", &b) == 200);
    CHECK((gm_cpu_us() - cpu) / 20 < 50000); /* of CPU time, so that a busy machine does not fail it */
    for (int i = 0; i < SLOW; i++) (void)close(fds[i]);
    free(fds);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

/* ---- workers, start and stop --------------------------------------------------------------------------- */

static void a_full_queue_says_so(void)
{
    static const char text[] = "POST /gate HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na";
    enum { CLIENTS = 12 };
    gm_http *h = start((gm_http_options){ .deferred_max = 2 });
    gm_buf b = { 0 };
    int fds[CLIENTS], good = 0, busy = 0;
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client_connect(gm_http_port(h));
        client_send(fds[i], text, sizeof(text) - 1);
    }
    gm_http_stats s = { 0 };
    for (int i = 0; i < 5000 && s.requests_total < CLIENTS - 3; i++) { /* one in work and two that wait: the others hear of it */
        gm_http_stats_get(h, &s);
        (void)usleep(1000);
    }
    atomic_store(&gate, true);
    for (int i = 0; i < CLIENTS; i++) {
        b.len = 0;
        CHECK(client_replies(fds[i], &b, 1) == 1);
        good += client_status(&b) == 200;
        busy += client_status(&b) == 429 && strstr(b.data, "Retry-After: 1\r\n") != NULL;
        (void)close(fds[i]);
    }
    CHECK((good == 2 || good == 3) && good + busy == CLIENTS);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void drain_lets_the_begun_finish(void)
{
    gm_http *h = start((gm_http_options){ .loops = 2 });
    gm_buf b = { 0 };
    int idle = client_connect(gm_http_port(h)), busy = client_connect(gm_http_port(h));
    send_text(idle, "GET /health HTTP/1.1\r\n" H "\r\n");
    CHECK(client_replies(idle, &b, 1) == 1);
    send_text(busy, "POST /defer HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\na");
    gm_http_stats s = { 0 };
    for (int i = 0; i < 1000 && s.deferred_now == 0; i++) {
        gm_http_stats_get(h, &s);
        (void)usleep(500);
    }
    gm_http_drain(h, 10000);
    gm_http_stats_get(h, &s);
    CHECK(s.connections_open == 0 && s.requests_total == 2);
    b.len = 0;
    CHECK(client_replies(busy, &b, 1) == 1 && client_status(&b) == 200);
    CHECK_HAS(gm_buf_str(&b), "Connection: close");
    b.len = 0;
    CHECK(client_read(idle, &b, CLIENT_WAIT_MS) == 0);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)gm_http_port(h)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0);
    (void)close(fd);
    (void)close(idle);
    (void)close(busy);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void a_port_has_one_server(void)
{
    gm_http *h = start((gm_http_options){ .loops = 3 }), *other = NULL;
    gm_err err;
    gm_http_options o = { .port = gm_http_port(h), .routes = routes, .routes_count = 1, .loops = 2, .workers = 1 };
    CHECK_RC(gm_http_start(&o, &other, &err), GM_ECONFLICT);
    CHECK_HAS(err.message, "somebody else");
    o.host = "no such host!";
    CHECK_RC(gm_http_start(&o, &other, &err), GM_EINVALID);
    gm_http_stop(h);
    o.host = NULL;
    CHECK_OK(gm_http_start(&o, &other, &err), &err); /* free again at once */
    gm_http_stop(other);
}

static void a_unix_socket_is_replaced_only_when_it_is_dead(void)
{
    const char *dir = gm_harness_tmpdir();
    char path[256];
    gm_http *other = NULL;
    gm_err err;
    gm_buf b = { 0 };
    (void)snprintf(path, sizeof(path), "%s/s.sock", dir);
    gm_http_options o = { .port = -1, .unix_path = path, .routes = routes, .routes_count = 1, .loops = 2, .workers = 1 };
    CHECK_OK(gm_fs_write(path, "x", 1, &err), &err);
    CHECK_RC(gm_http_start(&o, &other, &err), GM_ECONFLICT);
    CHECK(unlink(path) == 0);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(dead, (struct sockaddr *)&a, sizeof(a)) == 0 && close(dead) == 0);
    gm_http *h = start((gm_http_options){ .port = -1, .unix_path = path, .loops = 2 });
    CHECK(gm_http_port(h) == -1);
    CHECK_RC(gm_http_start(&o, &other, &err), GM_ECONFLICT);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    send_text(fd, "POST /admin/load HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(client_replies(fd, &b, 1) == 1 && client_status(&b) == 200);
    CHECK_HAS(gm_buf_str(&b), "|admin");
    (void)close(fd);
    gm_http_stop(h);
    CHECK(!gm_fs_exists(path));
    gm_buf_clear(&b);
}

TESTS(T(good_requests_are_answered), T(bad_framing_is_refused), T(paths_are_decoded_strictly), T(limits_hold_at_their_edges),
      T(a_request_may_come_byte_by_byte), T(pipelined_requests_are_answered_in_order),
      T(refused_requests_keep_the_connection_when_they_can), T(continue_is_said_to_who_waits_for_it),
      T(small_chunks_make_no_large_memory), T(bodies_are_unpacked_within_the_limit), T(large_replies_are_zipped_for_who_takes_it),
      T(admin_routes_are_for_this_machine_and_no_foreign_page), T(tokens_and_hosts_are_checked), T(the_slow_are_sent_away),
      T(a_drip_is_not_enough), T(who_does_not_read_is_closed), T(too_many_connections_are_turned_away),
      T(no_descriptor_left_is_no_end), T(a_thousand_slow_ones_do_not_hold_up_health), T(a_full_queue_says_so),
      T(drain_lets_the_begun_finish), T(a_port_has_one_server), T(a_unix_socket_is_replaced_only_when_it_is_dead))
