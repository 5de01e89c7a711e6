/* score_order.c - rows by ascending score: a radix sort over the bits of the doubles.
 *
 * A double's bits, with the sign bit flipped (or all bits, for negatives), sort as whole numbers like the doubles do. Six
 * passes of 11 bits; a digit that is the same in every row is skipped, so that scores that were float32 take three.
 * Short inputs go to qsort. Both are stable: equal scores keep the order of their rows.
 */
#include <stdlib.h>
#include <string.h>

#include "eval/score_cache.h"

enum { DIGIT_BITS = 11, DIGITS = 6, BUCKETS = 1 << DIGIT_BITS, SHORT = 1024 };

typedef struct keyed {
    uint64_t key;
    uint32_t row;
} keyed;

static uint64_t key_of(double v)
{
    uint64_t bits;
    v += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &v, sizeof(bits));
    return bits >> 63 ? ~bits : bits | (UINT64_C(1) << 63);
}

static int by_key(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static size_t digit_of(uint64_t key, int digit) { return (size_t)(key >> (digit * DIGIT_BITS)) & (BUCKETS - 1); }

/* Sort items [n]; spare [n]; counts [DIGITS * BUCKETS], zero. Returns where the result is. */
static keyed *radix_sort(keyed *items, keyed *spare, size_t n, uint32_t *counts)
{
    for (size_t i = 0; i < n; i++)
        for (int d = 0; d < DIGITS; d++) counts[(size_t)d * BUCKETS + digit_of(items[i].key, d)]++;

    for (int d = 0; d < DIGITS; d++) {
        uint32_t *c = counts + (size_t)d * BUCKETS;
        if (c[digit_of(items[0].key, d)] == n) continue;
        uint32_t start = 0;
        for (size_t b = 0; b < BUCKETS; b++) {
            uint32_t count = c[b];
            c[b] = start;
            start += count;
        }
        for (size_t i = 0; i < n; i++) spare[c[digit_of(items[i].key, d)]++] = items[i];
        keyed *swap = items;
        items = spare;
        spare = swap;
    }
    return items;
}

gm_rc gm_score_order_make(const double *values, int64_t stride, int64_t rows, gm_arena *a, gm_score_order *out, gm_err *err)
{
    size_t n = (size_t)rows;
    uint32_t *row = GM_ARENA_ARRAY(a, uint32_t, n), *group_end = GM_ARENA_ARRAY(a, uint32_t, n);
    gm_arena *own = gm_arena_new(0); /* given back at once: the sort needs four times what its result takes */
    keyed *items = own ? GM_ARENA_ARRAY(own, keyed, n) : NULL;
    keyed *spare = own ? GM_ARENA_ARRAY(own, keyed, n > SHORT ? n : 0) : NULL;
    uint32_t *counts = own ? GM_ARENA_ARRAY(own, uint32_t, n > SHORT ? DIGITS * BUCKETS : 0) : NULL;
    if (!row || !group_end || !items || !spare || !counts) {
        gm_arena_free(own);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to rank %zu rows", n);
    }

    for (size_t i = 0; i < n; i++) items[i] = (keyed){ key_of(values[(int64_t)i * stride]), (uint32_t)i };
    if (n > SHORT)
        items = radix_sort(items, spare, n, counts);
    else
        qsort(items, n, sizeof(*items), by_key);

    size_t groups = 0;
    for (size_t i = 0; i < n; i++) {
        row[i] = items[i].row;
        if (i && items[i].key != items[i - 1].key) group_end[groups++] = (uint32_t)i;
    }
    if (n) group_end[groups++] = (uint32_t)n;
    gm_arena_free(own);
    *out = (gm_score_order){ .row = row, .group_end = group_end, .rows = rows, .groups = (int64_t)groups };
    return GM_OK;
}

void gm_midranks(const gm_score_order *order, const uint8_t *weights, double *out)
{
    double before = 0; /* weight of the groups below */
    for (int64_t g = 0, i = 0; g < order->groups; g++) {
        int64_t start = i, end = order->group_end[g];
        double weight = 0;
        for (; i < end; i++) weight += weights ? (double)weights[order->row[i]] : 1.0;
        for (int64_t j = start; j < end; j++) out[order->row[j]] = before + (weight + 1) / 2;
        before += weight;
    }
}
