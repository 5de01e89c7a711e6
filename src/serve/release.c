/* release.c - see release.h: the arm of a request, and counting what an arm does. Everything here runs once a request. */
#include "serve/release.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

/* ---- the arm -------------------------------------------------------------------------------------------------------- */

/* 53 bits as a point in [0, 1). */
static double point(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

gm_arm gm_release_pick(const gm_release *r, gm_slice sticky, gm_slice variant, uint64_t random)
{
    if (r->paused || (r->mode != GM_RELEASE_CANARY && r->mode != GM_RELEASE_AB)) return GM_ARM_CHAMPION;
    if (gm_slice_is(variant, "candidate")) return GM_ARM_CANDIDATE;
    if (gm_slice_is(variant, "champion")) return GM_ARM_CHAMPION;
    uint64_t bits = sticky.len ? gm_hash_bytes((uint64_t)r->id, sticky.data, sticky.len) : random;
    return point(bits) < r->share ? GM_ARM_CANDIDATE : GM_ARM_CHAMPION;
}

bool gm_release_copies(const gm_release *r, uint64_t random)
{
    return r->mode == GM_RELEASE_SHADOW && !r->paused && point(random) < r->share;
}

/* ---- buckets -------------------------------------------------------------------------------------------------------- */

/* Octave 2^e .. 2^(e+1) in eight equal steps. */
unsigned gm_latency_bucket(int64_t us)
{
    if (us < 1) us = 1;
    unsigned e = 63u - (unsigned)__builtin_clzll((unsigned long long)us);
    if (e >= GM_LATENCY_BUCKETS / 8) return GM_LATENCY_BUCKETS - 1;
    unsigned step = e >= 3 ? (unsigned)(us >> (e - 3)) & 7u : (unsigned)(us << (3 - e)) & 7u;
    return e * 8 + step;
}

int64_t gm_latency_bucket_us(unsigned b)
{
    unsigned e = b / 8, step = b % 8;
    return ((int64_t)(8 + step + 1) * ((int64_t)1 << e) + 7) / 8; /* 2^e (1 + (step + 1) / 8), rounded up */
}

/* The exponent and the two highest bits of the fraction of a double count quarters of an octave. */
static int64_t quarters(double u)
{
    uint64_t bits;
    memcpy(&bits, &u, sizeof(bits));
    return (int64_t)(bits >> 50);
}

unsigned gm_score_bucket(double position)
{
    enum { SIDE = GM_SCORE_BUCKETS / 2 };
    double x = position < 0 ? 0 : position > 1 ? 1 : position;
    int64_t k = quarters(0.5) - quarters(x < 0.5 ? x : 1 - x);
    if (k > SIDE - 1) k = SIDE - 1;
    return (unsigned)(x < 0.5 ? SIDE - 1 - k : SIDE + k);
}

/* ---- counting ------------------------------------------------------------------------------------------------------- */

void gm_arm_saw(gm_arm_seen *s, bool error, int64_t latency_us, double score_position)
{
    s->requests++;
    s->errors += error;
    s->latency_us[gm_latency_bucket(latency_us)]++;
    if (!isnan(score_position)) s->scores[gm_score_bucket(score_position)]++;
}

void gm_arm_add(gm_arm_seen *into, const gm_arm_seen *from)
{
    into->requests += from->requests;
    into->errors += from->errors;
    for (int i = 0; i < GM_LATENCY_BUCKETS; i++) into->latency_us[i] += from->latency_us[i];
    for (int i = 0; i < GM_SCORE_BUCKETS; i++) into->scores[i] += from->scores[i];
}

void gm_arm_subtract(gm_arm_seen *from, const gm_arm_seen *what)
{
    from->requests -= what->requests;
    from->errors -= what->errors;
    for (int i = 0; i < GM_LATENCY_BUCKETS; i++) from->latency_us[i] -= what->latency_us[i];
    for (int i = 0; i < GM_SCORE_BUCKETS; i++) from->scores[i] -= what->scores[i];
}

double gm_arm_latency_us(const gm_arm_seen *s, double q)
{
    int64_t total = 0, below = 0;
    for (int i = 0; i < GM_LATENCY_BUCKETS; i++) total += s->latency_us[i];
    for (unsigned i = 0; total && i < GM_LATENCY_BUCKETS; i++) {
        below += s->latency_us[i];
        if ((double)below >= q * (double)total) return (double)gm_latency_bucket_us(i);
    }
    return (double)NAN;
}
