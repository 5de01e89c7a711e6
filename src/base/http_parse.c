/* http_parse.c - bytes to requests, by llhttp with all its leniency off.
 *
 * The parser sees every byte once, in the order of arrival, and leaves offsets from the request's first byte. Bodies in chunks
 * are joined in place: the joined part never reaches beyond the byte being parsed.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/http_internal.h"
#include "llhttp/llhttp.h"

struct gm_http_parser {
    llhttp_t llhttp;
    gm_http_conn *conn;
};

static gm_http_conn *conn_of(const llhttp_t *p)
{
    return ((const gm_http_parser *)p)->conn;
}

static size_t offset_of(const gm_http_conn *c, const char *at)
{
    return (size_t)(at - c->block->data) - c->start;
}

static int refuse(gm_http_conn *c, int status, const char *reason)
{
    gm_http_refuse(c, status, true, reason);
    return HPE_USER;
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    gm_http_conn *c = conn_of(p);
    if (c->url_len == 0) {
        c->url = offset_of(c, at);
        c->method = llhttp_method_name((llhttp_method_t)llhttp_get_method(p));
        if (at[-2] == ' ') return refuse(c, 400, "more than one space in the request line");
    }
    c->url_len = offset_of(c, at) + len - c->url;
    /* method, space, target, " HTTP/1.1" */
    if (strlen(c->method) + 1 + c->url_len + 9 > c->http->o.request_line_max)
        return refuse(c, 414, "the request line is too long");
    return 0;
}

static int on_version_complete(llhttp_t *p)
{
    gm_http_conn *c = conn_of(p);
    c->http10 = p->http_minor == 0;
    c->fields_begin = c->url + c->url_len + 11; /* " HTTP/1.1\r\n" */
    if (p->http_major != 1) return refuse(c, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    return 0;
}

/* Where the headers end so far must be within the limit; of trailers, which nobody reads, the bytes are counted. */
static int check_fields_size(gm_http_conn *c, const char *at, size_t len)
{
    size_t bytes = c->head_done ? (c->extra_len += len) : offset_of(c, at) + len + 2 - c->fields_begin;
    if (bytes > c->http->o.headers_max_bytes) return refuse(c, 431, "the headers are too large");
    return 0;
}

static int on_header_field(llhttp_t *p, const char *at, size_t len)
{
    gm_http_conn *c = conn_of(p);
    if (check_fields_size(c, at, len)) return HPE_USER;
    if (c->head_done) return 0;
    size_t offset = offset_of(c, at);
    gm_http_field *f = c->fields_count ? &c->fields[c->fields_count - 1] : NULL;
    if (f && !c->in_value && f->name + f->name_len == offset) { /* the rest of a name */
        f->name_len += (uint32_t)len;
        return 0;
    }
    if (c->fields_count == c->http->o.headers_max) return refuse(c, 431, "too many headers");
    c->fields[c->fields_count++] = (gm_http_field){ .name = (uint32_t)offset, .name_len = (uint32_t)len };
    c->in_value = false;
    return 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t len)
{
    gm_http_conn *c = conn_of(p);
    if (check_fields_size(c, at, len)) return HPE_USER;
    if (c->head_done || c->fields_count == 0) return 0;
    gm_http_field *f = &c->fields[c->fields_count - 1];
    size_t offset = offset_of(c, at);
    if (!c->in_value) f->value = (uint32_t)offset;
    f->value_len = (uint32_t)(offset + len - f->value);
    c->in_value = true;
    return 0;
}

static int on_header_value_complete(llhttp_t *p)
{
    conn_of(p)->in_value = true; /* an empty one calls nothing else */
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    gm_http_conn *c = conn_of(p);
    c->head_done = true;
    c->body_us = c->loop->now_us;
    c->keep_alive = llhttp_should_keep_alive(p) != 0;
    c->has_length = (p->flags & F_CONTENT_LENGTH) != 0;
    c->chunked = (p->flags & F_CHUNKED) != 0;
    c->content_length = c->has_length ? p->content_length : 0;
    if (p->http_major != 1) return refuse(c, 400, "the request line names no version of HTTP");
    p->upgrade = 0; /* nothing is upgraded here; the header is passed over */
    gm_http_head_check(c);
    if (c->refusal && c->refusal_ends) return HPE_USER;
    if (c->chunked || c->content_length) c->state = GM_HTTP_BODY;
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
    gm_http_conn *c = conn_of(p);
    size_t limit = c->refusal ? GM_HTTP_DRINK : c->asked->body_max_bytes;
    if (c->body_begin == 0) c->body_begin = offset_of(c, at);
    if (len > limit - c->body_len) return refuse(c, 413, "the body is too large");
    char *to = c->block->data + c->start + c->body_begin + c->body_len;
    if (to != at) memmove(to, at, len);
    c->body_len += len;
    return 0;
}

static int on_extension(llhttp_t *p, const char *at, size_t len)
{
    (void)at;
    gm_http_conn *c = conn_of(p);
    c->extra_len += len;
    return c->extra_len > c->http->o.headers_max_bytes ? refuse(c, 400, "the chunk extensions are too large") : 0;
}

static int on_message_complete(llhttp_t *p)
{
    (void)p;
    return HPE_PAUSED; /* the request is answered before the next one is looked at */
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_version_complete = on_version_complete,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_message_complete = on_message_complete,
};

gm_http_parser *gm_http_parser_new(gm_http_conn *c)
{
    gm_http_parser *p = calloc(1, sizeof(*p));
    if (!p) return NULL;
    p->conn = c;
    llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
    return p;
}

void gm_http_parser_free(gm_http_parser *p)
{
    free(p);
}

void gm_http_parser_reset(gm_http_parser *p)
{
    llhttp_reset(&p->llhttp);
}

gm_http_parsed gm_http_parse(gm_http_conn *c)
{
    if (c->parsed == c->len) return GM_HTTP_MORE;
    llhttp_t *p = &c->parser->llhttp;
    const char *from = c->block->data + c->parsed;
    llhttp_errno_t e = llhttp_execute(p, from, c->len - c->parsed);
    if (e == HPE_OK) {
        c->parsed = c->len;
        return GM_HTTP_MORE;
    }
    if (e == HPE_PAUSED) {
        c->parsed = (size_t)(llhttp_get_error_pos(p) - c->block->data);
        return GM_HTTP_COMPLETE;
    }
    if (!c->refusal) gm_http_refuse(c, 400, true, llhttp_get_error_reason(p));
    return GM_HTTP_BROKEN;
}
