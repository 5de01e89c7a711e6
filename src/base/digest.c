/* digest.c - SHA-256 by OpenSSL's block functions, which choose the processor's own instructions.
 *
 * The plain functions and not EVP: a key or a small blob is digested in less time than EVP takes to look its algorithm up, and
 * they can be linked in without the rest of the library, whose loading is half of a start.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gm_hasher {
    SHA256_CTX context;
};

gm_hasher *gm_hasher_new(void)
{
    gm_hasher *h = malloc(sizeof(*h));
    if (h) (void)SHA256_Init(&h->context); /* these functions always succeed */
    return h;
}

void gm_hasher_bytes(gm_hasher *h, const void *bytes, size_t len)
{
    if (len) (void)SHA256_Update(&h->context, bytes, len);
}

void gm_hasher_field(gm_hasher *h, const void *bytes, size_t len)
{
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)len >> (8 * i));
    gm_hasher_bytes(h, prefix, sizeof(prefix));
    gm_hasher_bytes(h, bytes, len);
}

void gm_hasher_text(gm_hasher *h, const char *text)
{
    gm_hasher_field(h, text, text ? strlen(text) : 0);
}

static void finish(SHA256_CTX *c, gm_digest *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[SHA256_DIGEST_LENGTH];
    (void)SHA256_Final(raw, c);
    for (size_t i = 0; i < sizeof(raw); i++) {
        out->hex[2 * i] = digits[raw[i] >> 4];
        out->hex[2 * i + 1] = digits[raw[i] & 15];
    }
    out->hex[64] = '\0';
}

void gm_hasher_finish(gm_hasher *h, gm_digest *out)
{
    finish(&h->context, out);
    free(h);
}

void gm_digest_of(const void *bytes, size_t len, gm_digest *out)
{
    SHA256_CTX c;
    (void)SHA256_Init(&c);
    if (len) (void)SHA256_Update(&c, bytes, len);
    finish(&c, out);
}

/* H((key ^ opad) || H((key ^ ipad) || bytes)), the key filled up with zeros to a block, digested first when it is longer. */
void gm_hmac_of(const void *key, size_t key_len, const void *bytes, size_t len, gm_digest *out)
{
    unsigned char block[SHA256_CBLOCK] = { 0 }, pad[SHA256_CBLOCK], inner[SHA256_DIGEST_LENGTH];
    SHA256_CTX c;
    if (key_len > sizeof(block)) (void)SHA256(key, key_len, block);
    else if (key_len) memcpy(block, key, key_len);
    for (size_t i = 0; i < sizeof(block); i++) pad[i] = block[i] ^ 0x36;
    (void)SHA256_Init(&c); /* these functions always succeed */
    (void)SHA256_Update(&c, pad, sizeof(pad));
    (void)SHA256_Update(&c, bytes, len);
    (void)SHA256_Final(inner, &c);
    for (size_t i = 0; i < sizeof(block); i++) pad[i] = block[i] ^ 0x5c;
    (void)SHA256_Init(&c);
    (void)SHA256_Update(&c, pad, sizeof(pad));
    (void)SHA256_Update(&c, inner, sizeof(inner));
    finish(&c, out);
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
