/* digest.c - SHA-256 through OpenSSL's EVP interface. */
#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

struct gm_hasher {
    int unused; /* the EVP context itself stands behind the pointer */
};

static EVP_MD_CTX *context(gm_hasher *h) { return (EVP_MD_CTX *)(void *)h; }

/* Without this OpenSSL reads its configuration file at the first use: 1.7 ms of a start that should take 3. It runs once by itself. */
static void init_openssl(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS, NULL);
}

gm_hasher *gm_hasher_new(void)
{
    init_openssl();
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    if (c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(c);
        c = NULL;
    }
    return (gm_hasher *)(void *)c;
}

void gm_hasher_bytes(gm_hasher *h, const void *bytes, size_t len)
{
    if (len) gm_assert(EVP_DigestUpdate(context(h), bytes, len) == 1);
}

void gm_hasher_field(gm_hasher *h, const void *bytes, size_t len)
{
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)len >> (8 * i));
    gm_hasher_bytes(h, prefix, sizeof(prefix));
    gm_hasher_bytes(h, bytes, len);
}

void gm_hasher_text(gm_hasher *h, const char *text) { gm_hasher_field(h, text, text ? strlen(text) : 0); }

void gm_hasher_finish(gm_hasher *h, gm_digest *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    gm_assert(EVP_DigestFinal_ex(context(h), raw, &len) == 1 && len == 32);
    EVP_MD_CTX_free(context(h));
    for (unsigned int i = 0; i < 32; i++) {
        out->hex[2 * i] = digits[raw[i] >> 4];
        out->hex[2 * i + 1] = digits[raw[i] & 15];
    }
    out->hex[64] = '\0';
}

void gm_digest_of(const void *bytes, size_t len, gm_digest *out)
{
    gm_hasher *h = gm_hasher_new();
    gm_assert(h != NULL);
    gm_hasher_bytes(h, bytes, len);
    gm_hasher_finish(h, out);
}

gm_rc gm_digest_file(const char *path, gm_digest *out, int64_t *out_size_bytes, gm_err *err)
{
    static const size_t chunk = 1 << 16;
    unsigned char bytes[1 << 16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "open", path);
    gm_hasher *h = gm_hasher_new();
    if (!h) {
        (void)close(fd);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to digest \"%s\"", path);
    }
    int64_t total = 0;
    ssize_t n;
    while ((n = read(fd, bytes, chunk)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        gm_hasher_bytes(h, bytes, (size_t)n);
        total += n;
    }
    int saved = errno;
    gm_digest digest;
    gm_hasher_finish(h, &digest);
    (void)close(fd);
    if (n < 0) return gm_err_errno(err, saved, "read", path);
    *out = digest;
    if (out_size_bytes) *out_size_bytes = total;
    return GM_OK;
}

bool gm_digest_parse(const char *hex, gm_digest *out)
{
    if (!hex || strlen(hex) != 64 || strspn(hex, "0123456789abcdef") != 64) return false;
    memcpy(out->hex, hex, 65);
    return true;
}
