/* random.c - xoshiro256** and splitmix64, from their authors' published description. */
#include "base/random.h"

#include <math.h>
#include <string.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void gm_random_init(gm_random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) r->s[i] = splitmix64(&seed);
}

uint64_t gm_random_u64(gm_random *r)
{
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double gm_random_double(gm_random *r)
{
    return (double)(gm_random_u64(r) >> 11) * 0x1p-53;
}

int64_t gm_random_below(gm_random *r, int64_t n)
{
    uint64_t bound = (uint64_t)n, limit = UINT64_MAX - UINT64_MAX % bound, x;
    do x = gm_random_u64(r);
    while (x >= limit);
    return (int64_t)(x % bound);
}

/* Marsaglia's polar method; the second value is not kept, so that the state is only the generator's. */
double gm_random_normal(gm_random *r)
{
    for (;;) {
        double u = 2 * gm_random_double(r) - 1, v = 2 * gm_random_double(r) - 1, s = u * u + v * v;
        if (s > 0 && s < 1) return u * sqrt(-2 * log(s) / s);
    }
}

uint64_t gm_hash_u64(uint64_t seed, uint64_t key)
{
    uint64_t state = seed ^ (key * 0xD6E8FEB86659FD93u);
    (void)splitmix64(&state);
    return splitmix64(&state);
}

uint64_t gm_hash_bytes(uint64_t seed, const void *bytes, uint64_t len)
{
    const unsigned char *p = bytes;
    uint64_t h = seed ^ (len * 0x9E3779B97F4A7C15u);
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = gm_hash_u64(h, word);
        p += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    for (uint64_t i = 0; i < len; i++) tail |= (uint64_t)p[i] << (8 * i);
    return gm_hash_u64(h, tail);
}
