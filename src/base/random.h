/* random.h - reproducible random numbers: the caller seeds, nobody shares. */
#ifndef GM_BASE_RANDOM_H
#define GM_BASE_RANDOM_H

#include <stdint.h>

/* xoshiro256**, seeded through splitmix64 (Blackman & Vigna 2018). */
typedef struct gm_random {
    uint64_t s[4];
} gm_random;

void gm_random_init(gm_random *r, uint64_t seed);
uint64_t gm_random_u64(gm_random *r);
double gm_random_double(gm_random *r);            /* [0, 1), 53 bits */
int64_t gm_random_below(gm_random *r, int64_t n); /* 0 .. n-1, unbiased; n >= 1 */
double gm_random_normal(gm_random *r);            /* mean 0, sd 1 */
/* A hash of (seed, key) for choices that must not depend on order: folds, sampling by row. */
uint64_t gm_hash_u64(uint64_t seed, uint64_t key);
uint64_t gm_hash_bytes(uint64_t seed, const void *bytes, uint64_t len);

#endif
