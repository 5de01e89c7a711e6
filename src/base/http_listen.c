/* http_listen.c - sockets that listen: one per loop on the TCP port, one for all on the Unix socket.
 *
 * SO_REUSEPORT alone would let a second server of the same user share the port in silence. So the first socket is bound and
 * listens without it, which fails while anybody listens there; only then it takes the option on, and the sockets of the other
 * loops join it with theirs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/http_internal.h"

enum { BACKLOG = 1024 };

/* Loopback is local; see gm_http_address. */
void gm_http_address_of(const struct sockaddr_storage *from, gm_http_address *out)
{
    static const unsigned char v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };
    *out = (gm_http_address){ 0 };
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *a = (const void *)from;
        memcpy(out->bytes, v4_mapped, sizeof(v4_mapped));
        memcpy(out->bytes + 12, &a->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const void *)from;
        memcpy(out->bytes, &a->sin6_addr, 16);
        out->local = IN6_IS_ADDR_LOOPBACK(&a->sin6_addr);
        if (memcmp(out->bytes, v4_mapped, sizeof(v4_mapped)) != 0) memset(out->bytes + 8, 0, 8); /* a household has a /64 */
    } else {
        out->local = out->unix_socket = true;
    }
    if (memcmp(out->bytes, v4_mapped, sizeof(v4_mapped)) == 0 && out->bytes[12] == 127) out->local = true;
}

static int open_socket(const struct addrinfo *a, bool first)
{
    const int one = 1, zero = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* accepted sockets inherit it */
    if (a->ai_family == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    bool good = first || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0;
    good = good && bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    if (good && first) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    if (good) return fd;
    int why = errno;
    (void)close(fd);
    errno = why;
    return -1;
}

static gm_rc bind_error(gm_err *err, const char *host, int port, int why)
{
    if (why == EADDRINUSE) {
        gm_rc rc = gm_err_set(err, GM_ECONFLICT, "could not listen on %s port %d: somebody else does", host, port);
        gm_err_hint(err, "Choose another port, or stop the program that has this one.");
        return rc;
    }
    gm_rc rc = why == EACCES || why == EADDRNOTAVAIL ? GM_EINVALID : GM_EIO;
    return gm_err_set(err, rc, "could not listen on %s port %d: %s", host, port, strerror(why));
}

static int port_of(int fd)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) return -1;
    return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                             : ((struct sockaddr_in *)(void *)&bound)->sin_port);
}

static void set_port(struct addrinfo *a, int port)
{
    if (a->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)(void *)a->ai_addr)->sin_port = htons((uint16_t)port);
    }
}

static gm_rc listen_tcp(gm_http *h, gm_err *err)
{
    const struct addrinfo want = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char port[16];
    (void)snprintf(port, sizeof(port), "%d", h->o.port);
    int e = getaddrinfo(h->o.host, port, &want, &found);
    if (e) return gm_err_set(err, GM_EINVALID, "could not find the address \"%s\": %s", h->o.host, gai_strerror(e));
    gm_rc rc = GM_OK;
    for (unsigned i = 0; i < h->o.loops && !rc; i++) {
        h->listeners[i] = open_socket(found, i == 0);
        if (h->listeners[i] < 0) rc = bind_error(err, h->o.host, h->o.port, errno);
        if (i == 0 && !rc) {
            h->port = port_of(h->listeners[0]);
            set_port(found, h->port);
        }
    }
    freeaddrinfo(found);
    return rc;
}

/* Whether somebody answers at the socket; a dead server leaves one that nobody listens at. */
static bool is_alive(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return true;
    bool alive = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN;
    (void)close(fd);
    return alive;
}

static gm_rc listen_unix(gm_http *h, gm_err *err)
{
    const char *path = h->o.unix_path;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct stat st;
    if (strlen(path) >= sizeof(a.sun_path))
        return gm_err_set(err, GM_EINVALID, "the path of the socket \"%s\" is too long", path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) return gm_err_set(err, GM_ECONFLICT, "\"%s\" is there and is no socket", path);
        if (is_alive(&a)) return gm_err_set(err, GM_ECONFLICT, "could not listen at \"%s\": somebody else does", path);
        if (unlink(path) != 0) return gm_err_errno(err, errno, "replace", path);
    }
    h->unix_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (h->unix_listener < 0 || bind(h->unix_listener, (const struct sockaddr *)&a, sizeof(a)) != 0)
        return errno == EADDRINUSE ? gm_err_set(err, GM_ECONFLICT, "could not listen at \"%s\": somebody else does", path)
                                   : gm_err_errno(err, errno, "listen at", path);
    h->unix_bound = true;
    if (listen(h->unix_listener, BACKLOG) != 0) return gm_err_errno(err, errno, "listen at", path);
    return GM_OK;
}

gm_rc gm_http_listen(gm_http *h, gm_err *err)
{
    gm_rc rc = h->o.port < 0 ? GM_OK : listen_tcp(h, err);
    if (!rc && h->o.unix_path) rc = listen_unix(h, err);
    return rc;
}

void gm_http_listen_close(gm_http *h)
{
    for (unsigned i = 0; i < h->o.loops; i++)
        if (h->listeners && h->listeners[i] >= 0) {
            (void)close(h->listeners[i]);
            h->listeners[i] = -1;
        }
    if (h->unix_listener >= 0) (void)close(h->unix_listener);
    h->unix_listener = -1;
    if (h->unix_bound) (void)unlink(h->o.unix_path);
    h->unix_bound = false;
}
