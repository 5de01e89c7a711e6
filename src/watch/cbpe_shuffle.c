/* cbpe_shuffle.c - the random draws by which NannyML decides whether to calibrate, so that we decide alike.
 *
 * Source     Matsumoto and Nishimura (1998), ACM TOMACS 8(1): MT19937; NumPy 2, RandomState.permutation (legacy stream, which
 *            NumPy promises to keep); scikit-learn 1.9, StratifiedShuffleSplit
 * Checked    test_estimate_cbpe.c: first draws of seed 42 as NumPy and scikit-learn give them
 */
#include "watch/estimate_internal.h"

enum { WORDS = 624, SHIFT = 397 };

void gm_numpy_random_init(gm_numpy_random *r, uint32_t seed)
{
    r->state[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++) r->state[i] = UINT32_C(1812433253) * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
    r->at = WORDS;
}

static void refill(gm_numpy_random *r)
{
    for (int i = 0; i < WORDS; i++) {
        uint32_t y = (r->state[i] & UINT32_C(0x80000000)) | (r->state[(i + 1) % WORDS] & UINT32_C(0x7fffffff));
        r->state[i] = r->state[(i + SHIFT) % WORDS] ^ y >> 1 ^ (y & 1 ? UINT32_C(0x9908b0df) : 0);
    }
    r->at = 0;
}

uint32_t gm_numpy_random_u32(gm_numpy_random *r)
{
    if (r->at == WORDS) refill(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9d2c5680);
    y ^= y << 15 & UINT32_C(0xefc60000);
    return y ^ y >> 18;
}

/* 0 .. most, by drawing bits until they fit. */
static uint32_t up_to(gm_numpy_random *r, uint32_t most)
{
    uint32_t mask = most, value;
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    do value = gm_numpy_random_u32(r) & mask;
    while (value > most);
    return value;
}

void gm_numpy_shuffle(gm_numpy_random *r, uint32_t *values, int64_t count)
{
    for (int64_t i = count - 1; i > 0; i--) {
        uint32_t j = up_to(r, (uint32_t)i), kept = values[i];
        values[i] = values[j];
        values[j] = kept;
    }
}

/* How many of each class to draw, so that shares stay: rounded down, and the one that is left to the larger remainder, or to
 * either by lot. */
static void draws_of_classes(gm_numpy_random *r, const int64_t counts[2], int64_t draws, int64_t out[2])
{
    double all = (double)(counts[0] + counts[1]), remainder[2];
    int64_t left = draws;
    for (int k = 0; k < 2; k++) {
        double wanted = (double)counts[k] / all * (double)draws;
        out[k] = (int64_t)floor(wanted);
        remainder[k] = wanted - floor(wanted);
        left -= out[k];
    }
    if (left <= 0) return;
    if (left >= 2) {
        out[0]++;
        out[1]++;
        return;
    }
    uint32_t either[2] = { 0, 1 };
    if (remainder[0] == remainder[1]) gm_numpy_shuffle(r, either, 2);
    out[remainder[0] == remainder[1] ? either[0] : remainder[1] > remainder[0]]++;
}

gm_rc gm_stratified_draw(gm_numpy_random *r, const double *truth, int64_t rows, double share, gm_arena *scratch,
                         uint32_t *out_test, int64_t *out_count, gm_err *err)
{
    uint32_t *own = GM_ARENA_ARRAY(scratch, uint32_t, rows), *train = GM_ARENA_ARRAY(scratch, uint32_t, rows);
    if (!own || !train) return gm_err_set(err, GM_ENOMEM, "not enough memory to draw from %lld rows", (long long)rows);
    int64_t counts[2] = { 0 }, trained[2], left[2], tested[2];
    for (int64_t i = 0; i < rows; i++) counts[truth[i] == 1]++;
    int64_t tests = (int64_t)ceil(share * (double)rows), train_count = 0, test_count = 0;
    draws_of_classes(r, counts, rows - tests, trained);
    for (int k = 0; k < 2; k++) left[k] = counts[k] - trained[k];
    draws_of_classes(r, left, tests, tested);

    for (int k = 0; k < 2; k++) {
        int64_t count = 0;
        for (int64_t i = 0; i < rows; i++)
            if ((truth[i] == 1) == k) own[count++] = (uint32_t)i;
        gm_numpy_shuffle(r, own, count);
        for (int64_t i = 0; i < trained[k]; i++) train[train_count++] = own[i];
        for (int64_t i = 0; i < tested[k]; i++) out_test[test_count++] = own[trained[k] + i];
    }
    gm_numpy_shuffle(r, train, train_count); /* nobody looks at it: it moves the stream on */
    gm_numpy_shuffle(r, out_test, test_count);
    *out_count = test_count;
    return GM_OK;
}
