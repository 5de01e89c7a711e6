/* digest.h - SHA-256 over OpenSSL: names for content, and keys over length-prefixed fields. */
#ifndef GM_BASE_DIGEST_H
#define GM_BASE_DIGEST_H

#include "base/err.h"

typedef struct gm_digest {
    char hex[65]; /* 64 lower-case hex digits, NUL */
} gm_digest;

void gm_digest_of(const void *bytes, size_t len, gm_digest *out);
/* Errors: GM_ENOTFOUND, GM_EIO. out_size_bytes may be NULL. */
gm_rc gm_digest_file(const char *path, gm_digest *out, int64_t *out_size_bytes, gm_err *err);
/* HMAC-SHA256 (RFC 2104) of bytes under a key. */
void gm_hmac_of(const void *key, size_t key_len, const void *bytes, size_t len, gm_digest *out);
bool gm_digest_parse(const char *hex, gm_digest *out); /* false unless 64 hex digits */

/* A digest over many parts. Raw bytes, or fields: each field is its 8-byte little-endian length and its bytes,
 * so that ("ab", "c") and ("a", "bc") differ. */
typedef struct gm_hasher gm_hasher;
gm_hasher *gm_hasher_new(void); /* owned; gm_hasher_finish frees it. NULL when out of memory */
void gm_hasher_bytes(gm_hasher *h, const void *bytes, size_t len);
void gm_hasher_field(gm_hasher *h, const void *bytes, size_t len);
void gm_hasher_text(gm_hasher *h, const char *text); /* a field; NULL is an empty field */
void gm_hasher_finish(gm_hasher *h, gm_digest *out);

#endif
