/* test_http_tls.c - the HTTP server over TLS, with a certificate made here: replies large and small, old protocols refused, bad
 * files named. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/fs.h"
#include "unit/base/http_client.h"

static void large(gm_http_request *r, void *user)
{
    (void)user;
    for (int i = 0; i < 3 << 20; i += 32) gm_buf_add(gm_http_out(r), "0123456789abcdef0123456789abcde\n", 32);
    gm_http_reply(r, 200, "text/plain");
}

static void echo(gm_http_request *r, void *user)
{
    (void)user;
    gm_buf_add(gm_http_out(r), r->body.data, r->body.len);
    gm_http_reply(r, 200, "text/plain");
}

static void defer(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, echo, user);
}

static const gm_http_route routes[] = {
    { "POST", "/echo", GM_HTTP_INFER, 1 << 20, echo, "" },
    { "POST", "/later", GM_HTTP_INFER, 1 << 20, defer, "" },
    { "GET", "/large", GM_HTTP_OPEN, 0, large, "" },
};

/* A key on P-256 and a certificate that it signed itself, as PEM files. */
static void make_certificate(const char *cert_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    CHECK(key && x);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(x), -3600) && X509_gmtime_adj(X509_getm_notAfter(x), 3600));
    CHECK(X509_set_pubkey(x, key) == 1);
    CHECK(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                                     0) == 1);
    CHECK(X509_set_issuer_name(x, X509_get_subject_name(x)) == 1);
    CHECK(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(cert_path, "w");
    CHECK(f && PEM_write_X509(f, x) == 1 && fclose(f) == 0);
    f = fopen(key_path, "w");
    CHECK(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(f) == 0);
    X509_free(x);
    EVP_PKEY_free(key);
}

typedef struct files {
    char cert[256], key[256], other_key[256];
} files;

static files make_files(void)
{
    files f;
    const char *dir = gm_harness_tmpdir();
    (void)snprintf(f.cert, sizeof(f.cert), "%s/cert.pem", dir);
    (void)snprintf(f.key, sizeof(f.key), "%s/key.pem", dir);
    (void)snprintf(f.other_key, sizeof(f.other_key), "%s/other.pem", dir);
    make_certificate(f.cert, f.other_key); /* its certificate is replaced by the next */
    make_certificate(f.cert, f.key);
    return f;
}

static gm_http *start(const files *f)
{
    gm_http *h = NULL;
    gm_err err;
    gm_http_options o = {
        .loops = 1, .workers = 1, .routes = routes, .routes_count = 3, .tls_cert = f->cert, .tls_key = f->key, .header_ms = 2000
    };
    CHECK_OK(gm_http_start(&o, &h, &err), &err);
    return h;
}

/* Whether the handshake came about with at most `version`. */
static SSL *connect_tls(SSL_CTX *ctx, int fd, int version)
{
    SSL *ssl = SSL_new(ctx);
    CHECK(ssl && SSL_set_max_proto_version(ssl, version) == 1 && SSL_set_fd(ssl, fd) == 1);
    if (SSL_connect(ssl) == 1) return ssl;
    SSL_free(ssl);
    return NULL;
}

static void exchange(int port, int version, const char *text, size_t piece, gm_buf *b)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int fd = client_connect(port), n;
    char bytes[16384];
    CHECK(ctx);
    SSL *ssl = connect_tls(ctx, fd, version);
    CHECK(ssl);
    for (size_t at = 0, len = strlen(text); at < len; at += piece)
        CHECK(SSL_write(ssl, text + at, (int)(len - at < piece ? len - at : piece)) > 0);
    b->len = 0;
    while ((n = SSL_read(ssl, bytes, sizeof(bytes))) > 0) gm_buf_add(b, bytes, (size_t)n);
    CHECK(SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN); /* closed with a notice, not cut off */
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    (void)close(fd);
}

static void replies_come_over_tls(void)
{
    files f = make_files();
    gm_http *h = start(&f);
    gm_buf b = { 0 };
    const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    for (int i = 0; i < 2; i++) {
        exchange(gm_http_port(h), versions[i],
                 "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPOST /later HTTP/1.1\r\nHost: "
                 "a\r\nContent-Length: 3\r\nConnection: close\r\n\r\ndef",
                 i ? 7 : 1000, &b);
        CHECK_HAS(gm_buf_str(&b), "\r\n\r\nabcHTTP/1.1 200 OK");
        CHECK(strcmp(b.data + b.len - 7, "\r\n\r\ndef") == 0);
        exchange(gm_http_port(h), versions[i],
                 "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 1000, &b);
        CHECK(b.len > 2 * (3 << 20) && b.len < 2 * (3 << 20) + 1000);
        exchange(gm_http_port(h), versions[i], "GET /nope HTTP/1.1\r\n\r\n", 1000, &b);
        CHECK(client_status(&b) == 400);
    }
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void old_protocols_and_plain_text_are_refused(void)
{
    files f = make_files();
    gm_http *h = start(&f);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    gm_buf b = { 0 };
    int fd = client_connect(gm_http_port(h));
    CHECK(ctx);
    SSL_CTX_set_security_level(ctx, 0);
    CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION) == 1);
    CHECK(!connect_tls(ctx, fd, TLS1_1_VERSION));
    (void)close(fd);
    SSL_CTX_free(ctx);
    CHECK(client_ask(gm_http_port(h), "GET /large HTTP/1.1\r\nHost: a\r\n\r\n", &b) == 0);
    fd = client_connect(gm_http_port(h)); /* no handshake: gone after header_ms */
    b.len = 0;
    while (client_read(fd, &b, CLIENT_WAIT_MS) > 0) {
    }
    CHECK(b.len == 0);
    (void)close(fd);
    gm_buf_clear(&b);
    gm_http_stop(h);
}

static void a_wrong_certificate_is_named(void)
{
    files f = make_files();
    gm_http *h = NULL;
    gm_err err;
    gm_http_options o = { .loops = 1, .workers = 1, .tls_cert = f.cert, .tls_key = f.other_key };
    CHECK_RC(gm_http_start(&o, &h, &err), GM_EINVALID);
    CHECK_HAS(err.message, "other.pem");
    o.tls_cert = f.key;
    CHECK_RC(gm_http_start(&o, &h, &err), GM_EINVALID);
    CHECK_HAS(err.message, "could not use the certificate");
    o.tls_cert = NULL;
    CHECK_RC(gm_http_start(&o, &h, &err), GM_EINVALID);
    CHECK_HAS(err.message, "both a certificate and a key");
}

TESTS(T(replies_come_over_tls), T(old_protocols_and_plain_text_are_refused), T(a_wrong_certificate_is_named))
