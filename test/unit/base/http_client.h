/* http_client.h - a client for the tests of the HTTP server: raw bytes to a port, raw bytes back. */
#ifndef GM_TEST_HTTP_CLIENT_H
#define GM_TEST_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/http.h"
#include "harness/harness.h"

enum { CLIENT_WAIT_MS = 20000 }; /* a machine under load is slow, not wrong */

static inline int client_connect(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    return fd;
}

/* The server may have closed already: then fewer bytes go out. */
static inline void client_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) return;
        bytes += n;
        len -= (size_t)n;
    }
}

/* One more read into b. 1 = bytes came, 0 = the end, -1 = nothing within wait_ms. A reset counts as the end. */
static inline int client_read(int fd, gm_buf *b, int wait_ms)
{
    char bytes[65536];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll(&p, 1, wait_ms) <= 0) return -1;
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    if (n <= 0) return 0;
    gm_buf_add(b, bytes, (size_t)n);
    return 1;
}

/* Read replies until `count` are whole, by their Content-Length, or the connection ends. Returns how many are whole. */
static inline int client_replies(int fd, gm_buf *b, int count)
{
    for (;;) {
        size_t at = 0;
        int whole = 0;
        while (b->data && at < b->len) {
            const char *end = strstr(b->data + at, "\r\n\r\n");
            if (!end) break;
            size_t head = (size_t)(end - b->data) + 4;
            const char *length = strstr(b->data + at, "Content-Length: ");
            size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
            if (b->len < head + body) break;
            at = head + body;
            whole++;
        }
        if (whole >= count) return whole;
        if (client_read(fd, b, CLIENT_WAIT_MS) <= 0) return whole;
    }
}

static inline int client_status(const gm_buf *b)
{
    const char *text = gm_buf_str(b);
    return strncmp(text, "HTTP/1.1 ", 9) == 0 ? (int)strtol(text + 9, NULL, 10) : 0;
}

/* Bytes out, the sending side closed, everything back. Status, 0 = closed without a reply. */
static inline int client_exchange(int port, const char *bytes, size_t len, gm_buf *b)
{
    int fd = client_connect(port);
    b->len = 0;
    if (b->data) b->data[0] = '\0';
    client_send(fd, bytes, len);
    (void)shutdown(fd, SHUT_WR);
    while (client_read(fd, b, CLIENT_WAIT_MS) > 0) {
    }
    (void)close(fd);
    return client_status(b);
}

static inline int client_ask(int port, const char *text, gm_buf *b)
{
    return client_exchange(port, text, strlen(text), b);
}

#endif
