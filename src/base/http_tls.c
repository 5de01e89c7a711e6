/* http_tls.c - TLS 1.2 and later by OpenSSL, over memory: no socket is known here. OpenSSL is initialised by its first call, that
 * is only when a certificate is given. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/http_internal.h"

struct gm_http_tls_context {
    SSL_CTX *ctx;
};

struct gm_http_tls {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

static const char *reason(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *text = e ? ERR_reason_error_string(e) : NULL;
    return text ? text : "unknown reason";
}

static gm_rc load(SSL_CTX *ctx, const char *cert_path, const char *key_path, gm_err *err)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
        return gm_err_set(err, GM_EINVALID, "could not use the certificate \"%s\": %s", cert_path, reason());
    if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1)
        return gm_err_set(err, GM_EINVALID, "could not use the key \"%s\": %s", key_path, reason());
    if (SSL_CTX_check_private_key(ctx) != 1)
        return gm_err_set(err, GM_EINVALID, "the key \"%s\" is not that of the certificate \"%s\"", key_path, cert_path);
    return GM_OK;
}

/* Of the protocols that a client offers, http/1.1; another one is as good as none. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned int in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

gm_rc gm_http_tls_context_new(const char *cert_path, const char *key_path, gm_http_tls_context **out, gm_err *err)
{
    gm_http_tls_context *t = calloc(1, sizeof(*t));
    if (t) t->ctx = SSL_CTX_new(TLS_server_method());
    if (!t || !t->ctx) {
        free(t);
        return gm_err_set(err, GM_ENOMEM, "not enough memory for TLS");
    }
    (void)SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                          SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(t->ctx,
                           SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(t->ctx, choose_protocol, NULL);
    gm_rc rc = load(t->ctx, cert_path, key_path, err);
    ERR_clear_error();
    if (rc) {
        gm_http_tls_context_free(t);
        return rc;
    }
    *out = t;
    return GM_OK;
}

void gm_http_tls_context_free(gm_http_tls_context *t)
{
    if (!t) return;
    SSL_CTX_free(t->ctx);
    free(t);
}

gm_http_tls *gm_http_tls_new(gm_http_tls_context *context)
{
    gm_http_tls *t = calloc(1, sizeof(*t));
    if (!t) return NULL;
    t->ssl = SSL_new(context->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        BIO_free(t->in);
        BIO_free(t->out);
        SSL_free(t->ssl);
        free(t);
        return NULL;
    }
    (void)BIO_set_mem_eof_return(t->in, -1); /* empty means later, not the end */
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    return t;
}

void gm_http_tls_free(gm_http_tls *t)
{
    if (!t) return;
    SSL_free(t->ssl);
    free(t);
}

bool gm_http_tls_put(gm_http_tls *t, const char *bytes, size_t len)
{
    return BIO_write(t->in, bytes, (int)len) == (int)len;
}

int64_t gm_http_tls_read(gm_http_tls *t, char *out, size_t capacity)
{
    int n = SSL_read(t->ssl, out, (int)capacity);
    if (n > 0) return n;
    int why = SSL_get_error(t->ssl, n);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

bool gm_http_tls_write(gm_http_tls *t, const char *bytes, size_t len)
{
    while (len) { /* the memory takes all there is */
        int part = len > (1 << 30) ? 1 << 30 : (int)len;
        int n = SSL_write(t->ssl, bytes, part);
        ERR_clear_error();
        if (n <= 0) return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

void gm_http_tls_end(gm_http_tls *t)
{
    if (SSL_is_init_finished(t->ssl)) (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

bool gm_http_tls_take(gm_http_tls *t, gm_buf *out)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(t->out, &bytes);
    if (len <= 0) return true;
    gm_buf_add(out, bytes, (size_t)len);
    (void)BIO_reset(t->out);
    return !out->failed;
}
