/* fuzz_http.c - any bytes, however they are split, give whole replies: the connection's parser without a socket.
 *
 * The first byte says how the rest is split. Property: what goes out is a row of replies, each whole by its own Content-Length,
 * never more than one per request begun and one for the end; bytes that arrive at once and bytes that arrive in pieces give the
 * same replies.
 */
#include <stdlib.h>
#include <string.h>

#include "base/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void echo(gm_http_request *r, void *user)
{
    (void)user;
    gm_slice v;
    (void)gm_http_header(r, "x", &v);
    (void)gm_http_query(r, "q", &v);
    for (int i = 0; i < GM_HTTP_TAIL; i++) gm_assert(r->body.data[r->body.len + (size_t)i] == 0);
    gm_buf_add(gm_http_out(r), r->body.data, r->body.len);
    gm_buf_add(gm_http_out(r), r->path.data, r->path.len);
    gm_http_reply(r, 200, "text/plain");
}

static const gm_http_route routes[] = {
    { "GET", "/a/{x}", GM_HTTP_OPEN, 0, echo, "" },
    { "POST", "/b", GM_HTTP_INFER, 500, echo, "" },
    { "POST", "/c/{x}:p", GM_HTTP_ADMIN, 5000, echo, "" },
};

/* The replies in b, one after the other; they must be whole. */
static size_t count_replies(const gm_buf *b)
{
    size_t at = 0, count = 0;
    while (at < b->len) {
        gm_assert(strncmp(b->data + at, "HTTP/1.1 ", 9) == 0);
        const char *end = strstr(b->data + at, "\r\n\r\n"), *length = strstr(b->data + at, "Content-Length: ");
        gm_assert(end != NULL);
        size_t head = (size_t)(end - b->data) + 4, body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
        if (strncmp(b->data + at, "HTTP/1.1 1", 10) != 0) count++;
        at = head + body; /* HEAD's has none: no route of ours is asked with it, see below */
    }
    gm_assert(at == b->len);
    return count;
}

static void take_out(gm_http_conn *c, gm_buf *to)
{
    if (!c->out) return;
    gm_buf_add(to, c->out->data, c->out->len);
    gm_http_buf_put(c->loop, &c->out);
}

/* All replies to the bytes, `piece` of them at a time. */
static void replies_of(gm_http *h, const uint8_t *data, size_t size, size_t piece, gm_buf *to)
{
    gm_http_conn *c = calloc(1, sizeof(*c));
    const gm_http_address here = { .local = true };
    gm_assert(c && gm_http_conn_open(c, &h->loops[0], &here));
    while (size && gm_http_conn_reads(c)) {
        char *room = NULL;
        size_t n = gm_http_conn_room(c, &room);
        gm_assert(n > 0);
        n = n < piece ? n : piece;
        n = n < size ? n : size;
        memcpy(room, data, n);
        gm_http_conn_took(c, n);
        take_out(c, to);
        data += n;
        size -= n;
    }
    if (!c->eof) gm_http_conn_eof(c);
    take_out(c, to);
    gm_http_conn_close(c);
    gm_http_conn_clear(c);
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gm_http *h; /* kept: making one is most of the time */
    gm_buf whole = { 0 }, pieces = { 0 };
    gm_err err;
    gm_http_options o = { .port = 0,
                          .loops = 1,
                          .workers = 1,
                          .routes = routes,
                          .routes_count = 3,
                          .request_line_max = 200,
                          .headers_max_bytes = 500,
                          .headers_max = 8 };
    if (!h) gm_assert(gm_http_prepare(&o, &h, &err) == GM_OK);
    if (size < 1) return 0;
    for (size_t i = 1; i + 3 < size; i++)
        if (memcmp(data + i, "HEAD", 4) == 0) return 0; /* its reply's length says nothing about its bytes */
    replies_of(h, data + 1, size - 1, SIZE_MAX, &whole);
    replies_of(h, data + 1, size - 1, 1 + data[0] % 40u, &pieces);
    size_t count = count_replies(&whole);
    gm_assert(count_replies(&pieces) == count || strstr(gm_buf_str(&pieces), "100 Continue"));
    gm_buf_clear(&whole);
    gm_buf_clear(&pieces);
    return 0;
}
