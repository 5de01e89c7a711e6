/* http_head.c - what is decided from a request's head, before a byte of its body is waited for: framing, Host, the route, access,
 * sizes.
 *
 * The order matters: what makes the bytes that follow doubtful (framing, Host) ends the connection; the rest leaves it open when
 * the body is small enough to be read and dropped.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/http_internal.h"
#include "base/utf8.h"

/* The headers that matter here; data NULL = absent. */
typedef struct head {
    gm_slice host, origin, fetch_site, authorization, expect, transfer, timeout;
    unsigned hosts, transfers;
    gm_slice authority; /* of an absolute request target */
} head;

void gm_http_refuse(gm_http_conn *c, int status, bool ends, const char *reason)
{
    if (c->refusal) return; /* the first one tells */
    c->refusal = status;
    c->refusal_ends = ends;
    c->reason = reason;
}

static void pick(head *h, gm_slice name, gm_slice value)
{
    if (name.len == 14 && (name.data[0] | 0x20) == 'c') return; /* Content-Length, in nearly every request */
    switch (name.len) {
    case 4:
        if (!gm_http_slice_is_nocase(name, "host")) break;
        h->host = value;
        h->hosts++;
        break;
    case 6:
        if (gm_http_slice_is_nocase(name, "origin")) h->origin = value;
        if (gm_http_slice_is_nocase(name, "expect")) h->expect = value;
        break;
    case 13:
        if (gm_http_slice_is_nocase(name, "authorization")) h->authorization = value;
        break;
    case 14:
        if (gm_http_slice_is_nocase(name, "sec-fetch-site")) h->fetch_site = value;
        break;
    case 17:
        if (!gm_http_slice_is_nocase(name, "transfer-encoding")) break;
        h->transfer = value;
        h->transfers++;
        break;
    case 20:
        if (gm_http_slice_is_nocase(name, "x-request-timeout-ms")) h->timeout = value;
        break;
    default: break;
    }
}

/* ---- framing ------------------------------------------------------------------------------------------- */

static void check_framing(gm_http_conn *c, const head *h)
{
    if (h->transfers == 0) return;
    if (c->http10) gm_http_refuse(c, 400, true, "HTTP/1.0 has no Transfer-Encoding");
    if (c->has_length) gm_http_refuse(c, 400, true, "both Content-Length and Transfer-Encoding");
    if (h->transfers > 1) gm_http_refuse(c, 400, true, "more than one Transfer-Encoding");
    if (!gm_http_slice_is_nocase(h->transfer, "chunked"))
        gm_http_refuse(c, 501, true, "of transfer encodings only chunked is understood");
}

static bool is_host_char(char b)
{
    return (b >= 'a' && b <= 'z') || (b >= '-' && b <= ':' && b != '/') || (b >= 'A' && b <= 'Z') || b == '_' || b == '[' ||
           b == ']';
}

static bool equal_nocase(gm_slice a, gm_slice b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.data, b.data, a.len) == 0);
}

static void check_host(gm_http_conn *c, const head *h)
{
    if (h->hosts == 0 && c->http10) return;
    if (h->hosts != 1) gm_http_refuse(c, 400, true, h->hosts ? "more than one Host" : "no Host");
    for (size_t i = 0; i < h->host.len; i++)
        if (!is_host_char(h->host.data[i])) gm_http_refuse(c, 400, true, "Host is not a name");
    if (h->host.len == 0) gm_http_refuse(c, 400, true, "Host is empty");
    if (h->authority.data && !equal_nocase(h->authority, h->host))
        gm_http_refuse(c, 400, true, "Host is not the one of the request target");
}

/* Splits the target into authority, path and query. */
static void split_target(gm_http_conn *c, head *h)
{
    gm_slice t = { c->block->data + c->start + c->url, c->url_len };
    if (t.len > 7 && strncasecmp(t.data, "http", 4) == 0) {
        const char *colon = memchr(t.data, ':', t.len); /* none: CONNECT's target is a host */
        size_t skip = colon ? (size_t)(colon - t.data) + 3 : t.len + 1;
        if (skip <= t.len && memcmp(colon, "://", 3) == 0) {
            t.data += skip;
            t.len -= skip;
            h->authority = (gm_slice){ t.data, 0 };
            while (h->authority.len < t.len && !strchr("/?#", t.data[h->authority.len])) h->authority.len++;
            t.data += h->authority.len;
            t.len -= h->authority.len;
        }
    }
    const char *mark = memchr(t.data, '?', t.len);
    c->r.path = (gm_slice){ t.data, mark ? (size_t)(mark - t.data) : t.len };
    c->r.query = mark ? (gm_slice){ mark + 1, t.len - c->r.path.len - 1 } : (gm_slice){ t.data + t.len, 0 };
}

/* A path is text without control characters and backslashes, and no segment of it climbs. */
static bool is_clean_path(gm_slice path)
{
    for (size_t i = 0; i < path.len;) {
        unsigned char b = (unsigned char)path.data[i];
        size_t n = b < 0x80 ? 1 : gm_utf8_length(path.data + i, path.len - i);
        if (n == 0 || b < 0x20 || b == 0x7F || b == '\\') return false;
        if (b == '/' && i + 1 < path.len && path.data[i + 1] == '.') { /* "/." and "/..", with or without ";..." */
            size_t end = i + 2 + (i + 2 < path.len && path.data[i + 2] == '.');
            if (end == path.len || path.data[end] == '/' || path.data[end] == ';') return false;
        }
        i += n;
    }
    return true;
}

/* Decode in place. A slash that came encoded would make another path of it. */
static void decode_path(gm_http_conn *c)
{
    char *path = c->block->data + (c->r.path.data - c->block->data);
    size_t len = c->r.path.len;
    for (size_t i = 0; i + 2 < len; i++)
        if (path[i] == '%' && path[i + 1] == '2' && (path[i + 2] | 0x20) == 'f')
            gm_http_refuse(c, 400, false, "the path has an encoded slash");
    if (!gm_http_percent_decode(path, &len, false))
        gm_http_refuse(c, 400, false, "the path has a % without two hexadecimal digits");
    c->r.path.len = len;
    if (!is_clean_path(c->r.path)) gm_http_refuse(c, 400, false, "the path is not clean text");
}

/* ---- access -------------------------------------------------------------------------------------------- */

static gm_slice without_port(gm_slice host)
{
    const char *end =
        host.len && host.data[0] == '[' ? memchr(host.data, ']', host.len) : memchr(host.data ? host.data : "", ':', host.len);
    if (end) host.len = (size_t)(end - host.data) + (*end == ']');
    return host;
}

static bool is_loopback_name(gm_slice name)
{
    char text[32];
    struct in_addr v4;
    if (name.len == 9 && (memcmp(name.data, "127.0.0.1", 9) == 0 || strncasecmp(name.data, "localhost", 9) == 0)) return true;
    if (gm_slice_is(name, "[::1]")) return true;
    if (name.len >= sizeof(text) || name.len < 4 || memcmp(name.data, "127.", 4) != 0) return false;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    return inet_pton(AF_INET, text, &v4) == 1;
}

static bool is_listed(const char *list, gm_slice name)
{
    for (const char *at = list; at && *at;) {
        size_t len = strcspn(at, " ");
        if (len && equal_nocase(name, (gm_slice){ at, len })) return true;
        at += len + strspn(at + len, " ");
    }
    return false;
}

/* Constant time in the token's bytes. */
static bool is_token(gm_slice got, const char *token)
{
    size_t len = strlen(token);
    unsigned diff = got.len != len;
    for (size_t i = 0; i < len; i++)
        diff |= (unsigned)(unsigned char)token[i] ^ (unsigned)(unsigned char)(i < got.len ? got.data[i] : 0);
    return diff == 0;
}

static gm_slice bearer_of(gm_slice authorization)
{
    gm_slice none = { 0 };
    if (authorization.len < 7 || strncasecmp(authorization.data, "bearer ", 7) != 0) return none;
    gm_slice token = { authorization.data + 7, authorization.len - 7 };
    while (token.len && *token.data == ' ') token.data++, token.len--;
    return token;
}

static bool changes_state(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "OPTIONS") != 0;
}

/* A page of another site must not act through the browser of somebody who may. Sec-Fetch-Site, which no page can set, decides where
 * it is sent (behind a proxy, too, that asks with a Host of its own); else Origin must be the Host. */
static bool is_cross_site(const head *h)
{
    if (h->fetch_site.data)
        return !gm_http_slice_is_nocase(h->fetch_site, "same-origin") && !gm_http_slice_is_nocase(h->fetch_site, "none");
    if (!h->origin.data) return false;
    for (size_t i = 0; i + 3 <= h->origin.len; i++)
        if (memcmp(h->origin.data + i, "://", 3) == 0)
            return !equal_nocase((gm_slice){ h->origin.data + i + 3, h->origin.len - i - 3 }, h->host);
    return true; /* "null" */
}

/* token wanted (NULL = none) or the admin's. */
static void check_token(gm_http_conn *c, const head *h, const char *wanted)
{
    const gm_http_options *o = &c->http->o;
    if (gm_http_peers_blocked(c->http->peers, &c->address, c->loop->now_us)) {
        gm_http_refuse(c, 429, false, "too many wrong tokens from this address");
        return;
    }
    gm_slice token = bearer_of(h->authorization);
    bool admin = token.len && o->admin_token && is_token(token, o->admin_token);
    bool good = token.len && wanted && is_token(token, wanted);
    if (admin) c->r.admin = true;
    if (admin || good) return;
    if (h->authorization.len) gm_http_peers_wrong(c->http->peers, &c->address, c->loop->now_us);
    gm_http_refuse(c, 401, false,
                   h->authorization.len ? "the token is not the right one" : "this needs a token: Authorization: Bearer ...");
}

static void check_access(gm_http_conn *c, const head *h)
{
    const gm_http_options *o = &c->http->o;
    gm_slice name = without_port(h->host);
    bool listed = is_listed(o->allowed_hosts, name);
    bool at_home = c->address.unix_socket || (c->address.local && is_loopback_name(name));
    c->r.admin = at_home && !o->admin_token;
    if (o->allowed_hosts && !listed && !at_home) gm_http_refuse(c, 403, false, "this Host is not served here");
    if (c->asked->access != GM_HTTP_OPEN && is_cross_site(h) && changes_state(c->method))
        gm_http_refuse(c, 403, false, "a page of another site may not do this");
    if (c->asked->access == GM_HTTP_INFER && o->infer_token) check_token(c, h, o->infer_token);
    if (c->asked->access != GM_HTTP_ADMIN) {
        if (!c->r.admin && o->admin_token && h->authorization.len) { /* an open route that tells the administrator more */
            gm_slice token = bearer_of(h->authorization);
            c->r.admin = token.len && !gm_http_peers_blocked(c->http->peers, &c->address, c->loop->now_us) &&
                         is_token(token, o->admin_token);
        }
        return;
    }
    if (o->admin_token) {
        check_token(c, h, o->admin_token);
    } else if (!c->address.local) {
        gm_http_refuse(c, 403, false, "without a token this is for the same machine only");
    } else if (!at_home && !listed) {
        gm_http_refuse(c, 403, false, "without a token this is for a Host that is loopback only");
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static void check_sizes(gm_http_conn *c)
{
    size_t limit = c->asked ? c->asked->body_max_bytes : GM_HTTP_DRINK;
    if (c->content_length > limit) gm_http_refuse(c, 413, true, "the body is too large");
    if (c->refusal && (c->chunked || c->content_length > GM_HTTP_DRINK || c->expects)) c->refusal_ends = true;
}

static void check_expect(gm_http_conn *c, const head *h)
{
    if (!h->expect.data || c->http10) return;
    if (!gm_http_slice_is_nocase(h->expect, "100-continue"))
        gm_http_refuse(c, 417, false, "of expectations only 100-continue is understood");
    c->expects = true;
}

static void find_route(gm_http_conn *c)
{
    c->asked = gm_http_routes_find(c->http->routes, c->method, c->r.path, c->r.params, &c->allowed);
    if (c->asked) return;
    if (gm_slice_is(c->r.path, "*") && strcmp(c->method, "OPTIONS") == 0) c->allowed = "GET, HEAD, POST, OPTIONS";
    if (!c->allowed) {
        gm_http_refuse(c, 404, false, "no such path");
    } else {
        gm_http_refuse(c, strcmp(c->method, "OPTIONS") == 0 ? 204 : 405, false, "this path does not take the method");
    }
}

static void set_deadline(gm_http_conn *c, const head *h)
{
    int64_t ms = 0;
    c->r.deadline_us = c->r.begun_us + c->http->o.request_ms * 1000;
    if (!h->timeout.len || h->timeout.len > 9) return;
    for (size_t i = 0; i < h->timeout.len; i++) {
        if (h->timeout.data[i] < '0' || h->timeout.data[i] > '9') {
            gm_http_refuse(c, 400, false, "X-Request-Timeout-Ms is not a whole number");
            return;
        }
        ms = ms * 10 + (h->timeout.data[i] - '0');
    }
    if (ms && ms < c->http->o.request_ms) c->r.deadline_us = c->r.begun_us + ms * 1000;
}

void gm_http_head_check(gm_http_conn *c)
{
    head h = { 0 };
    for (unsigned i = 0; i < c->fields_count; i++) pick(&h, gm_http_field_name(c, i), gm_http_field_value(c, i));
    split_target(c, &h);
    check_framing(c, &h);
    check_host(c, &h);
    check_expect(c, &h);
    if (!c->refusal) decode_path(c);
    if (!c->refusal) find_route(c);
    if (!c->refusal) check_access(c, &h);
    if (!c->refusal) set_deadline(c, &h);
    check_sizes(c);
}
