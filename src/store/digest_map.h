/* digest_map.h - 32 raw bytes as a key: digests without their hex, and a map from them to a number.
 *
 * The map is a table with open addressing that doubles; keys stay in the order in which they were added. Not shared between
 * threads without a lock of the caller's.
 */
#ifndef GM_STORE_DIGEST_MAP_H
#define GM_STORE_DIGEST_MAP_H

#include "base/digest.h"

typedef struct gm_raw_digest {
    unsigned char bytes[32];
} gm_raw_digest;

bool gm_digest_raw(const gm_digest *d, gm_raw_digest *out); /* false unless 64 lower-case hex digits */
void gm_digest_hex(const gm_raw_digest *raw, gm_digest *out);

typedef struct gm_digest_map {
    gm_raw_digest *keys; /* [count] */
    int64_t *values;     /* [count] */
    uint32_t *slots;     /* [slots_count] index of a key + 1; 0 = free */
    size_t count, capacity, slots_count;
} gm_digest_map;

void gm_digest_map_clear(gm_digest_map *m);
/* Add or replace; false when memory is out (nothing changed). */
bool gm_digest_map_put(gm_digest_map *m, const gm_raw_digest *key, int64_t value);
/* NULL when absent; until the next put. */
int64_t *gm_digest_map_get(const gm_digest_map *m, const gm_raw_digest *key);

#endif
