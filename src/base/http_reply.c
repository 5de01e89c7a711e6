/* http_reply.c - status line, headers, body: to the connection's bytes out, or to the worker's own buffer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/http_internal.h"

enum { GZIP_MIN = 1024 };

const char *gm_http_status_text(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
    }
}

/* IMF-fixdate (RFC 9110, 5.6.7), in English whatever the locale. */
size_t gm_http_date(char *out, size_t size)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)(gm_now_us() / 1000000);
    struct tm t;
    if (!gmtime_r(&now, &t)) return 0;
    return (size_t)snprintf(out, size, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + t.tm_wday * 3, t.tm_mday,
                            months + t.tm_mon * 3, t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

gm_buf *gm_http_out(gm_http_request *r)
{
    return ((gm_http_conn *)r)->body_out;
}

void gm_http_reply_header(gm_http_request *r, const char *name, const char *value)
{
    gm_buf *b = &((gm_http_conn *)r)->headers_out;
    if (strpbrk(value, "\r\n") || strpbrk(name, "\r\n: ")) return;
    gm_buf_text(b, name);
    gm_buf_add(b, ": ", 2);
    gm_buf_text(b, value);
    gm_buf_add(b, "\r\n", 2);
}

static void add_number(gm_buf *b, size_t n)
{
    char digits[24], *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    gm_buf_add(b, at, (size_t)(digits + sizeof(digits) - at));
}

/* Whether the client takes gzip: named, or *, and not with q=0. */
static bool takes_gzip(const gm_http_request *r)
{
    gm_slice v;
    if (!gm_http_header(r, "accept-encoding", &v)) return false;
    while (v.len) {
        const char *comma = memchr(v.data, ',', v.len);
        gm_slice one = { v.data, comma ? (size_t)(comma - v.data) : v.len };
        v.data += one.len + (comma != NULL);
        v.len -= one.len + (comma != NULL);
        while (one.len && (*one.data == ' ' || *one.data == '\t')) one.data++, one.len--;
        const char *semicolon = memchr(one.data, ';', one.len);
        size_t name_len = semicolon ? (size_t)(semicolon - one.data) : one.len;
        while (name_len && one.data[name_len - 1] == ' ') name_len--;
        gm_slice name = { one.data, name_len };
        if (!gm_http_slice_is_nocase(name, "gzip") && !gm_slice_is(name, "*")) continue;
        for (size_t i = name_len; i + 1 < one.len; i++) /* "q=0", "q=0.0": nothing but zeros and a point after the = */
            if ((one.data[i] | 0x20) == 'q' && one.data[i + 1] == '=') {
                for (i += 2; i < one.len; i++)
                    if (one.data[i] >= '1' && one.data[i] <= '9') return true;
                return false;
            }
        return true;
    }
    return false;
}

/* The body as gzip in `zipped`; false = send it as it is. */
static bool compress(gm_http_conn *c, gm_buf *zipped)
{
    const gm_buf *body = c->body_out;
    if (!c->http->o.gzip || body->len <= GZIP_MIN || !takes_gzip(&c->r)) return false;
    if (!c->http->zips[c->r.loop]) c->http->zips[c->r.loop] = gm_http_zip_new();
    gm_http_zip *z = c->http->zips[c->r.loop];
    return z && gm_http_zip_gzip(z, (gm_slice){ body->data, body->len }, zipped) && zipped->len < body->len;
}

static void add_head(gm_http_conn *c, gm_buf *to, int status, const char *content_type, size_t body_len, bool zipped)
{
    if (status == 200 && c->r.loop == c->loop->index) {
        gm_buf_add(to, c->loop->good, c->loop->good_len);
    } else {
        char date[64]; /* the loop's text may change under a worker */
        gm_buf_add(to, "HTTP/1.1 ", 9);
        add_number(to, (size_t)status);
        gm_buf_char(to, ' ');
        gm_buf_text(to, gm_http_status_text(status));
        gm_buf_add(to, "\r\n", 2);
        gm_buf_add(to, date, gm_http_date(date, sizeof(date)));
    }
    if (content_type) {
        gm_buf_add(to, "Content-Type: ", 14);
        gm_buf_text(to, content_type);
        gm_buf_add(to, "\r\n", 2);
    }
    if (c->headers_out.len) gm_buf_add(to, c->headers_out.data, c->headers_out.len);
    if (zipped) gm_buf_text(to, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n");
    if (c->ends) gm_buf_text(to, "Connection: close\r\n");
    if (!c->ends && c->http10) gm_buf_text(to, "Connection: keep-alive\r\n");
    if (status != 204 && status != 304) {
        gm_buf_add(to, "Content-Length: ", 16);
        add_number(to, body_len);
        gm_buf_add(to, "\r\n", 2);
    }
    gm_buf_add(to, "\r\n", 2);
}

void gm_http_reply(gm_http_request *r, int status, const char *content_type)
{
    gm_http_conn *c = (gm_http_conn *)r;
    gm_assert(!c->replied && status >= 200 && status <= 599);
    bool on_worker = r->loop >= c->http->o.loops;
    gm_buf packed = { 0 }, *body = c->body_out;
    if (body->failed) {
        body->failed = false;
        gm_http_reply_self(c, 500, "not enough memory for the reply");
        return;
    }
    bool zipped = compress(c, &packed);
    if (zipped) body = &packed;
    if (!on_worker && !c->out) c->out = gm_http_buf_get(c->loop);
    gm_buf *to = on_worker ? c->deferred_out : c->out;
    c->replied = true;
    c->status = status;
    c->ends = !c->keep_alive || c->refusal_ends || c->eof || atomic_load_explicit(&c->http->draining, memory_order_relaxed);
    size_t before = to->len;
    bool bodiless = status == 204 || status == 304 || strcmp(c->method, "HEAD") == 0;
    add_head(c, to, status, content_type, body->len, zipped);
    if (body->len && !bodiless) gm_buf_add(to, body->data, body->len);
    c->reply_bytes = to->len - before;
    if (to->failed) c->ends = true; /* the peer sees a reply cut off */
    gm_buf_clear(&packed);
}

static void reply_json(gm_http_request *r, int status, const char *message, const char *hint)
{
    gm_buf *b = gm_http_out(r);
    gm_json j;
    b->len = 0;
    gm_json_init(&j, b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "error", message);
    if (hint && hint[0]) gm_json_kstr(&j, "hint", hint);
    gm_json_object_end(&j);
    if (status == 204) b->len = 0;
    gm_http_reply(r, status, status == 204 ? NULL : "application/json");
}

void gm_http_reply_error(gm_http_request *r, int status, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (status == 429 || status == 503) gm_http_reply_header(r, "Retry-After", "1");
    reply_json(r, status, text, NULL);
}

void gm_http_reply_err(gm_http_request *r, const gm_err *err)
{
    int status = gm_rc_http_status(err->rc);
    if (status == 429 || status == 503) gm_http_reply_header(r, "Retry-After", "1");
    reply_json(r, status, err->message, err->hint);
}

void gm_http_reply_self(gm_http_conn *c, int status, const char *reason)
{
    c->r.route = NULL;
    c->headers_out.len = 0;
    if (status == 401) gm_http_reply_header(&c->r, "WWW-Authenticate", "Bearer");
    if ((status == 405 || status == 204) && c->allowed) gm_http_reply_header(&c->r, "Allow", c->allowed);
    if (status == 415) gm_http_reply_header(&c->r, "Accept-Encoding", "gzip, deflate");
    if (status == 429 || status == 503)
        gm_http_reply_header(&c->r, "Retry-After", status == 429 && c->refusal == 429 ? "60" : "1");
    reply_json(&c->r, status, reason ? reason : gm_http_status_text(status), NULL);
}
