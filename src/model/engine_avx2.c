/* engine_avx2.c - blocks of 256 rows as bit slices, in AVX2.
 *
 * A slice is one bit for each of the 256 rows: bit k of byte i is row 32 k + i, so that comparing the bytes of 32 rows gives bit
 * k of a slice without a transposition. Each distinct comparison is made once per block. A tree's decisions are then muxed level
 * by level,
 *
 *   b_l = mux(b_0, mux(b_1, ...), ...) over the 2^l slices of level l,
 *
 * which gives the number of each row's leaf as slices b_0 .. b_(n-1); eight slices are transposed to one byte per row, and the
 * leaf's value is fetched byte by byte with pshufb from tables of 16 entries, the higher bits choosing among the tables.
 */
#include "model/engine_internal.h"

#if GM_TREE_ENGINE_X86
#include <immintrin.h>
#include <stddef.h>

#define AVX2 __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) AVX2

enum { ROWS = 256, LANES = 32, GROUPS = 8 };

typedef __m256i slice;

/* ---- values ------------------------------------------------------------------------------------------------ */

/* As gm_tree_engine_bucket32, eight at a time. */
AVX2 bool gm_tree_engine_avx2_buckets32(const gm_tree_engine_feature *f, const double *x, int32_t rows, float *values,
                                        uint32_t *buckets)
{
    const __m256 low = _mm256_set1_ps((float)f->low), scale = _mm256_set1_ps((float)f->scale);
    const __m256 zero = _mm256_setzero_ps(), last = _mm256_set1_ps(GM_TREE_ENGINE_BUCKETS - 1);
    __m256 nan = zero;
    for (int32_t r = 0; r < rows; r += 8) {
        __m256 v = _mm256_set_m128(_mm256_cvtpd_ps(_mm256_loadu_pd(x + r + 4)), _mm256_cvtpd_ps(_mm256_loadu_pd(x + r)));
        __m256 p = _mm256_mul_ps(_mm256_sub_ps(v, low), scale);
        _mm256_storeu_ps(values + r, v);
        _mm256_storeu_si256((__m256i *)(void *)(buckets + r), _mm256_cvttps_epi32(_mm256_min_ps(_mm256_max_ps(p, zero), last)));
        nan = _mm256_or_ps(nan, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    }
    return _mm256_movemask_ps(nan) != 0;
}

/* ---- comparisons ------------------------------------------------------------------------------------------- */

INLINE slice load(const void *from)
{
    return _mm256_load_si256((const __m256i *)from);
}

/* masks[p]: rows that go right at comparison p. AVX2 compares signed bytes, hence the flipped highest bit. */
AVX2 static void compare(const gm_tree_engine_program *p, const uint8_t *q, slice *masks)
{
    const slice flip = _mm256_set1_epi8(-128);
    masks[0] = _mm256_setzero_si256();
    for (uint32_t i = 1; i < p->count;) { /* the comparisons of a column follow each other */
        slice v[GROUPS];
        uint32_t column = p->column[i];
        UNROLL
        for (int k = 0; k < GROUPS; k++) v[k] = _mm256_xor_si256(load(q + (size_t)column * ROWS + k * LANES), flip);
        for (; i < p->count && p->column[i] == column; i++) {
            slice cut = _mm256_set1_epi8((char)(p->cut[i] ^ 128)), all = _mm256_setzero_si256();
            UNROLL
            for (int k = 0; k < GROUPS; k++)
                all = _mm256_or_si256(all, _mm256_and_si256(_mm256_cmpgt_epi8(v[k], cut), _mm256_set1_epi8((char)(1 << k))));
            masks[i] = all;
        }
    }
}

/* ---- decisions --------------------------------------------------------------------------------------------- */

INLINE slice mux(slice choose, slice right, slice left)
{
    return _mm256_or_si256(_mm256_and_si256(choose, right), _mm256_andnot_si256(choose, left));
}

/* One of the 2^n slices that ids name, chosen in each row by b[0 .. n). */
INLINE slice mux0(const slice *m, const uint32_t *ids, const slice *b)
{
    (void)b;
    return m[ids[0]];
}
#define MUX(n, below, half)                                                                                                      \
    INLINE slice mux##n(const slice *m, const uint32_t *ids, const slice *b)                                                     \
    {                                                                                                                            \
        return mux(b[0], mux##below(m, ids + (half), b + 1), mux##below(m, ids, b + 1));                                         \
    }
MUX(1, 0, 1)
MUX(2, 1, 2)
MUX(3, 2, 4)
MUX(4, 3, 8)
MUX(5, 4, 16)
MUX(6, 5, 32)
MUX(7, 6, 64)

/* b[0 .. n): the decisions of a tree of n levels. */
INLINE void decide4(const slice *m, const uint32_t *ids, slice *b)
{
    b[0] = mux0(m, ids, b);
    b[1] = mux1(m, ids + 1, b);
    b[2] = mux2(m, ids + 3, b);
    b[3] = mux3(m, ids + 7, b);
}
#define DECIDE(n, below, l)                                                                                                      \
    INLINE void decide##n(const slice *m, const uint32_t *ids, slice *b)                                                         \
    {                                                                                                                            \
        decide##below(m, ids, b);                                                                                                \
        b[l] = mux##l(m, ids + (1 << (l)) - 1, b);                                                                               \
    }
DECIDE(5, 4, 4)
DECIDE(6, 5, 5)
DECIDE(7, 6, 6)
DECIDE(8, 7, 7)

/* ---- leaf numbers, a byte for each row --------------------------------------------------------------------- */

INLINE void swap_bits(slice *a, slice *b, int shift, slice mask)
{
    slice t = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi16(*a, shift), *b), mask);
    *b = _mm256_xor_si256(*b, t);
    *a = _mm256_xor_si256(*a, _mm256_slli_epi16(t, shift));
}

/* Slices to bytes: bit j of byte i of p[k] becomes what bit k of byte i of p[j] was. */
INLINE void transpose(slice *p)
{
    const slice m4 = _mm256_set1_epi8(0x0f), m2 = _mm256_set1_epi8(0x33), m1 = _mm256_set1_epi8(0x55);
    UNROLL
    for (int j = 0; j < 4; j++) swap_bits(&p[j], &p[j + 4], 4, m4);
    UNROLL
    for (int j = 0; j < 8; j += 4)
        for (int i = j; i < j + 2; i++) swap_bits(&p[i], &p[i + 2], 2, m2);
    UNROLL
    for (int j = 0; j < 8; j += 2) swap_bits(&p[j], &p[j + 1], 1, m1);
}

/* The last four decisions are bits 3..0, the earlier ones bits 7, 6, ... */
INLINE void leaf_numbers(const slice *b, int32_t levels, slice *numbers)
{
    UNROLL
    for (int j = 0; j < 8; j++) numbers[j] = _mm256_setzero_si256();
    UNROLL
    for (int32_t l = 0; l < levels; l++) {
        int32_t early = levels - 4;
        numbers[l < early ? 7 - l : levels - 1 - l] = b[l];
    }
    transpose(numbers);
}

/* ---- leaf values ------------------------------------------------------------------------------------------- */

/* Entry `low` of one of 2^(n - 4) tables of 16 bytes, chosen by the highest bits of the bytes of c[0 .. n - 4). */
INLINE slice fetch4(const uint8_t *table, slice low, const slice *c)
{
    (void)c;
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)table)), low);
}
#define FETCH(n, below, half)                                                                                                    \
    INLINE slice fetch##n(const uint8_t *table, slice low, const slice *c)                                                       \
    {                                                                                                                            \
        return _mm256_blendv_epi8(fetch##below(table, low, c + 1), fetch##below(table + (half), low, c + 1), c[0]);              \
    }
FETCH(5, 4, 16)
FETCH(6, 5, 32)
FETCH(7, 6, 64)
FETCH(8, 7, 128)

/* Four byte planes to 32 values of 32 bits: value j * 8 + s of out belongs to row (s / 4) * 16 + j * 4 + s % 4. */
INLINE void join(const slice *p, slice *out)
{
    slice low01 = _mm256_unpacklo_epi8(p[0], p[1]), high01 = _mm256_unpackhi_epi8(p[0], p[1]);
    slice low23 = _mm256_unpacklo_epi8(p[2], p[3]), high23 = _mm256_unpackhi_epi8(p[2], p[3]);
    out[0] = _mm256_unpacklo_epi16(low01, low23);
    out[1] = _mm256_unpackhi_epi16(low01, low23);
    out[2] = _mm256_unpacklo_epi16(high01, high23);
    out[3] = _mm256_unpackhi_epi16(high01, high23);
}

INLINE void add32(const slice *p, float *sums)
{
    slice v[4];
    join(p, v);
    UNROLL
    for (int j = 0; j < 4; j++)
        _mm256_store_ps(sums + j * 8, _mm256_add_ps(_mm256_load_ps(sums + j * 8), _mm256_castsi256_ps(v[j])));
}

INLINE void add64(const slice *p, double *sums)
{
    slice v[4], h[4];
    join(p, v);
    join(p + 4, h);
    UNROLL
    for (int j = 0; j < 4; j++) {
        __m256d a = _mm256_castsi256_pd(_mm256_unpacklo_epi32(v[j], h[j])),
                b = _mm256_castsi256_pd(_mm256_unpackhi_epi32(v[j], h[j]));
        _mm256_store_pd(sums + j * 8, _mm256_add_pd(_mm256_load_pd(sums + j * 8), a));
        _mm256_store_pd(sums + j * 8 + 4, _mm256_add_pd(_mm256_load_pd(sums + j * 8 + 4), b));
    }
}

/* A tree of n levels, for `groups` times 32 rows. */
#define ADD_TREE(n)                                                                                                              \
    AVX2 static void add_tree##n(const gm_tree_engine *e, const gm_tree_engine_tree *t, const slice *masks, const uint32_t *ids, \
                                 int32_t groups, gm_tree_engine_work *w)                                                         \
    {                                                                                                                            \
        slice b[n], numbers[GROUPS], c[4], p[8];                                                                                 \
        const uint8_t *planes = e->planes + t->planes;                                                                           \
        size_t slots = (size_t)t->leaf_slots, at = (size_t)t->output * GM_TREE_ENGINE_ROWS;                                      \
        decide##n(masks, ids, b);                                                                                                \
        leaf_numbers(b, n, numbers);                                                                                             \
        for (int32_t k = 0; k < groups; k++) {                                                                                   \
            slice low = _mm256_and_si256(numbers[k], _mm256_set1_epi8(15));                                                      \
            c[0] = numbers[k];                                                                                                   \
            UNROLL                                                                                                               \
            for (int i = 1; i < 4; i++) c[i] = _mm256_add_epi8(c[i - 1], c[i - 1]);                                              \
            UNROLL                                                                                                               \
            for (size_t i = 0; i < 4; i++) p[i] = fetch##n(planes + i * slots, low, c);                                          \
            if (e->t->float32) {                                                                                                 \
                add32(p, (float *)w->sums + at + k * LANES);                                                                     \
                continue;                                                                                                        \
            }                                                                                                                    \
            UNROLL                                                                                                               \
            for (size_t i = 4; i < 8; i++) p[i] = fetch##n(planes + i * slots, low, c);                                          \
            add64(p, (double *)w->sums + at + k * LANES);                                                                        \
        }                                                                                                                        \
    }
ADD_TREE(4)
ADD_TREE(5)
ADD_TREE(6)
ADD_TREE(7)
ADD_TREE(8)

static void add_tree(const gm_tree_engine *e, const gm_tree_engine_tree *t, const slice *masks, const uint32_t *ids,
                     int32_t groups, gm_tree_engine_work *w)
{
    switch (t->levels) {
    case 4: add_tree4(e, t, masks, ids, groups, w); break;
    case 5: add_tree5(e, t, masks, ids, groups, w); break;
    case 6: add_tree6(e, t, masks, ids, groups, w); break;
    case 7: add_tree7(e, t, masks, ids, groups, w); break;
    default: add_tree8(e, t, masks, ids, groups, w); break;
    }
}

/* place[s]: the row whose sum stands at s. */
static void places(bool float32, uint16_t *place)
{
    for (int s = 0; s < ROWS; s++) {
        int group = s / LANES, i = s % LANES, row = 0;
        if (float32) row = i % 8 / 4 * 16 + i / 8 * 4 + i % 4;
        else row = i % 4 / 2 * 16 + i / 8 * 4 + i / 4 % 2 * 2 + i % 2;
        place[s] = (uint16_t)(group * LANES + row);
    }
}

AVX2 void gm_tree_engine_avx2_block(const gm_tree_engine *e, gm_tree_engine_work *w, int32_t rows, bool clean, double *out)
{
    const gm_tree_engine_program *p = clean ? &e->clean : &e->full;
    slice *masks = (slice *)(void *)w->masks;
    uint16_t place[ROWS];
    int32_t groups = (rows + LANES - 1) / LANES;
    places(e->t->float32, place);
    compare(p, w->q, masks);
    gm_tree_engine_sums_begin(e, w);
    for (int32_t i = 0; i < e->t->trees_count; i++) {
        const gm_tree_engine_tree *t = &e->trees[i];
        if (t->kind == TREE_PADDED) add_tree(e, t, masks, p->ids + t->ids, groups, w);
        else gm_tree_engine_walk_add(e, t, w->q, ROWS, place, groups * LANES, w->sums);
    }
    gm_tree_engine_sums_end(e, w, place, groups * LANES, rows, out);
}
#endif
