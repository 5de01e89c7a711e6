/* engine_avx512.c - AVX-512 with VBMI: 64 trees at once for one row, bit slices of 512 rows for blocks, ranks of 16 values at
 * once.
 *
 * One row: the row's bytes stand in one to four registers and vpermb fetches for 64 trees the byte that each looks at; the
 * decisions are a mask of 64 bits, which picks each tree's next column and cut out of the 2^l places of the next level. Blocks:
 * as engine_avx2.c, but slices are masks in the rows' own order, a mux is one vpternlog, and a byte of 64 leaves is one vpermb.
 */
#include "model/engine_internal.h"

#if GM_TREE_ENGINE_X86
#include <immintrin.h>
#include <stddef.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))
#define INLINE static inline __attribute__((always_inline)) AVX512

enum { ROWS = 512, LANES = 64, GROUPS = 8 };

typedef __m512i slice;

INLINE slice load(const void *from)
{
    return _mm512_loadu_si512(from);
}

/* ---- ranks ------------------------------------------------------------------------------------------------- */

/* Entry `at` (16 lanes) of a level of 2^n floats. */
INLINE __m512 entries5(const float *t, __m512i at)
{
    return _mm512_permutex2var_ps(_mm512_loadu_ps(t), at, _mm512_loadu_ps(t + 16));
}

INLINE __m512 entries6(const float *t, __m512i at)
{
    return _mm512_mask_blend_ps(_mm512_test_epi32_mask(at, _mm512_set1_epi32(32)), entries5(t, at), entries5(t + 32, at));
}

INLINE __m512 entries7(const float *t, __m512i at)
{
    return _mm512_mask_blend_ps(_mm512_test_epi32_mask(at, _mm512_set1_epi32(64)), entries6(t, at), entries6(t + 64, at));
}

/* A step down the search tree: 2 at + (cut <= v); NaN is above no cut. */
INLINE __m512i step(__m512i at, __m512 cut, __m512 v)
{
    __m512i twice = _mm512_add_epi32(at, at);
    return _mm512_mask_add_epi32(twice, _mm512_cmp_ps_mask(cut, v, _CMP_LE_OQ), twice, _mm512_set1_epi32(1));
}

AVX512 void gm_tree_engine_avx512_rank(const gm_tree_engine_feature *f, const float *values, int32_t rows, uint8_t *ranks)
{
    const float *t = f->levels32;
    __m512 low = _mm512_loadu_ps(t), level4 = _mm512_loadu_ps(t + 16); /* levels 0 to 3 begin at 1, 2, 4, 8 */
    for (int32_t r = 0; r < rows; r += 16) {
        __m512 v = _mm512_loadu_ps(values + r);
        __m512i at = step(_mm512_setzero_si512(), _mm512_set1_ps(t[1]), v);
        for (int32_t first = 2; first < 16; first *= 2)
            at = step(at, _mm512_permutexvar_ps(_mm512_add_epi32(at, _mm512_set1_epi32(first)), low), v);
        at = step(at, _mm512_permutexvar_ps(at, level4), v);
        at = step(at, entries5(t + 32, at), v);
        at = step(at, entries6(t + 64, at), v);
        at = step(at, entries7(t + 128, at), v);
        _mm_storeu_si128((__m128i *)(void *)(ranks + r), _mm512_cvtepi32_epi8(at));
    }
}

/* ---- one row ----------------------------------------------------------------------------------------------- */

/* The row's byte of each of 64 columns; `quarters` of 64 bytes are in use. */
INLINE slice look_up(const slice *row, int32_t quarters, slice column)
{
    if (quarters == 1) return _mm512_permutexvar_epi8(column, row[0]);
    slice low = _mm512_permutex2var_epi8(row[0], column, row[1]);
    if (quarters == 2) return low;
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(column), low, _mm512_permutex2var_epi8(row[2], column, row[3]));
}

/* One of 2^n vectors of bytes, chosen in each lane by k[0 .. n). */
INLINE slice pick0(const uint8_t *v, const __mmask64 *k)
{
    (void)k;
    return load(v);
}
#define PICK(n, below, half)                                                                                                     \
    INLINE slice pick##n(const uint8_t *v, const __mmask64 *k)                                                                   \
    {                                                                                                                            \
        return _mm512_mask_blend_epi8(k[0], pick##below(v, k + 1), pick##below(v + (half)*GM_TREE_ENGINE_GROUP, k + 1));         \
    }
PICK(1, 0, 1)
PICK(2, 1, 2)
PICK(3, 2, 4)
PICK(4, 3, 8)
PICK(5, 4, 16)
PICK(6, 5, 32)
PICK(7, 6, 64)

#define LEVEL(l)                                                                                                                 \
    if (g->levels > (l)) {                                                                                                       \
        size_t at = (((size_t)1 << (l)) - 1) * GM_TREE_ENGINE_GROUP;                                                             \
        k[l] = _mm512_cmpgt_epu8_mask(look_up(row, quarters, pick##l(g->columns + at, k)), pick##l(g->cuts + at, k));            \
    }

/* number [64]: the leaf of each tree of the group. */
AVX512 static void group_leaves(const gm_tree_engine_group *g, const slice *row, int32_t quarters, uint8_t *number)
{
    __mmask64 k[GM_TREE_ENGINE_DEPTH_MAX] = { 0 };
    LEVEL(0)
    LEVEL(1)
    LEVEL(2)
    LEVEL(3)
    LEVEL(4)
    LEVEL(5)
    LEVEL(6)
    LEVEL(7)
    slice sum = _mm512_setzero_si512();
    for (int32_t l = 0; l < g->levels; l++) {
        sum = _mm512_add_epi8(sum, sum);
        sum = _mm512_mask_add_epi8(sum, k[l], sum, _mm512_set1_epi8(1));
    }
    _mm512_storeu_si512(number, sum);
}

static int32_t quarters_of(const gm_tree_engine *e)
{
    return e->columns <= 64 ? 1 : e->columns <= 128 ? 2 : 4;
}

/* The value of tree i of the group; a tree that is too deep is walked. */
#define VALUE(g, i, leaves, walked_leaves)                                                                                       \
    ((g)->walked >> (i)&1 ? (walked_leaves)[gm_tree_engine_walk_tree(e, &t[i], w->row, 1)]                                       \
                          : (leaves)[((size_t)(i) << (g)->levels) + number[i]])

AVX512 static void one32(const gm_tree_engine *e, const gm_tree_engine_work *w, const slice *row, float *sums)
{
    uint8_t number[GM_TREE_ENGINE_GROUP];
    for (int32_t n = 0; n < e->groups_count; n++) {
        const gm_tree_engine_group *g = &e->groups[n];
        const gm_tree_engine_tree *t = e->trees + n * GM_TREE_ENGINE_GROUP;
        int32_t left = e->t->trees_count - n * GM_TREE_ENGINE_GROUP,
                count = left < GM_TREE_ENGINE_GROUP ? left : GM_TREE_ENGINE_GROUP;
        group_leaves(g, row, quarters_of(e), number);
        if (e->t->outputs == 1 && !g->walked) { /* the sum stays in a register */
            float sum = sums[0];
            for (int32_t i = 0; i < count; i++) sum += g->leaves32[((size_t)i << g->levels) + number[i]];
            sums[0] = sum;
        } else {
            for (int32_t i = 0; i < count; i++) sums[t[i].output] += VALUE(g, i, g->leaves32, e->leaves32);
        }
    }
}

AVX512 static void one64(const gm_tree_engine *e, const gm_tree_engine_work *w, const slice *row, double *sums)
{
    uint8_t number[GM_TREE_ENGINE_GROUP];
    for (int32_t n = 0; n < e->groups_count; n++) {
        const gm_tree_engine_group *g = &e->groups[n];
        const gm_tree_engine_tree *t = e->trees + n * GM_TREE_ENGINE_GROUP;
        int32_t left = e->t->trees_count - n * GM_TREE_ENGINE_GROUP,
                count = left < GM_TREE_ENGINE_GROUP ? left : GM_TREE_ENGINE_GROUP;
        group_leaves(g, row, quarters_of(e), number);
        for (int32_t i = 0; i < count; i++) sums[t[i].output] += VALUE(g, i, g->leaves64, e->leaves64);
    }
}

AVX512 void gm_tree_engine_avx512_one(const gm_tree_engine *e, gm_tree_engine_work *w, double *out)
{
    slice row[4];
    float *sums = w->sums;
    UNROLL
    for (int i = 0; i < 4; i++) row[i] = load(w->row + i * LANES);
    for (int32_t k = 0; k < e->t->outputs; k++) {
        if (e->t->float32) sums[k] = (float)e->t->base[k];
        else out[k] = e->t->base[k];
    }
    if (!e->t->float32) {
        one64(e, w, row, out);
        return;
    }
    one32(e, w, row, sums);
    for (int32_t k = 0; k < e->t->outputs; k++) out[k] = (double)sums[k];
}

/* ---- blocks ------------------------------------------------------------------------------------------------ */

/* masks[p]: rows that go right at comparison p. */
AVX512 static void compare(const gm_tree_engine_program *p, const uint8_t *q, uint64_t *masks)
{
    UNROLL
    for (int k = 0; k < GROUPS; k++) masks[k] = 0;
    for (uint32_t i = 1; i < p->count;) { /* the comparisons of a column follow each other */
        slice v[GROUPS];
        uint32_t column = p->column[i];
        UNROLL
        for (int k = 0; k < GROUPS; k++) v[k] = load(q + (size_t)column * ROWS + k * LANES);
        for (; i < p->count && p->column[i] == column; i++) {
            slice cut = _mm512_set1_epi8((char)p->cut[i]);
            UNROLL
            for (int k = 0; k < GROUPS; k++) masks[(size_t)i * GROUPS + (size_t)k] = _mm512_cmpgt_epu8_mask(v[k], cut);
        }
    }
}

/* choose ? right : left, bit by bit. */
INLINE slice mux(slice choose, slice right, slice left)
{
    return _mm512_ternarylogic_epi64(choose, right, left, 0xca);
}

INLINE slice mux0(const uint64_t *m, const uint32_t *ids, const slice *b)
{
    (void)b;
    return load(m + (size_t)ids[0] * GROUPS);
}
#define MUX(n, below, half)                                                                                                      \
    INLINE slice mux##n(const uint64_t *m, const uint32_t *ids, const slice *b)                                                  \
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
INLINE void decide4(const uint64_t *m, const uint32_t *ids, slice *b)
{
    b[0] = mux0(m, ids, b);
    b[1] = mux1(m, ids + 1, b);
    b[2] = mux2(m, ids + 3, b);
    b[3] = mux3(m, ids + 7, b);
}
#define DECIDE(n, below, l)                                                                                                      \
    INLINE void decide##n(const uint64_t *m, const uint32_t *ids, slice *b)                                                      \
    {                                                                                                                            \
        decide##below(m, ids, b);                                                                                                \
        b[l] = mux##l(m, ids + (1 << (l)) - 1, b);                                                                               \
    }
DECIDE(5, 4, 4)
DECIDE(6, 5, 5)
DECIDE(7, 6, 6)
DECIDE(8, 7, 7)

/* Byte `at` of a table of 2^n bytes (at least 64). */
INLINE slice fetch6(const uint8_t *table, slice at)
{
    return _mm512_permutexvar_epi8(at, load(table));
}

INLINE slice fetch7(const uint8_t *table, slice at)
{
    return _mm512_permutex2var_epi8(load(table), at, load(table + 64));
}

INLINE slice fetch8(const uint8_t *table, slice at)
{
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), fetch7(table, at), fetch7(table + 128, at));
}

/* Four byte planes to 64 values of 32 bits: value j * 16 + s of out belongs to row (s / 4) * 16 + j * 4 + s % 4. */
INLINE void join(const slice *p, slice *out)
{
    slice low01 = _mm512_unpacklo_epi8(p[0], p[1]), high01 = _mm512_unpackhi_epi8(p[0], p[1]);
    slice low23 = _mm512_unpacklo_epi8(p[2], p[3]), high23 = _mm512_unpackhi_epi8(p[2], p[3]);
    out[0] = _mm512_unpacklo_epi16(low01, low23);
    out[1] = _mm512_unpackhi_epi16(low01, low23);
    out[2] = _mm512_unpacklo_epi16(high01, high23);
    out[3] = _mm512_unpackhi_epi16(high01, high23);
}

INLINE void add32(const slice *p, float *sums)
{
    slice v[4];
    join(p, v);
    UNROLL
    for (int j = 0; j < 4; j++)
        _mm512_storeu_ps(sums + j * 16, _mm512_add_ps(_mm512_loadu_ps(sums + j * 16), _mm512_castsi512_ps(v[j])));
}

INLINE void add64(const slice *p, double *sums)
{
    slice v[4], h[4];
    join(p, v);
    join(p + 4, h);
    UNROLL
    for (int j = 0; j < 4; j++) {
        __m512d a = _mm512_castsi512_pd(_mm512_unpacklo_epi32(v[j], h[j])),
                b = _mm512_castsi512_pd(_mm512_unpackhi_epi32(v[j], h[j]));
        _mm512_storeu_pd(sums + j * 16, _mm512_add_pd(_mm512_loadu_pd(sums + j * 16), a));
        _mm512_storeu_pd(sums + j * 16 + 8, _mm512_add_pd(_mm512_loadu_pd(sums + j * 16 + 8), b));
    }
}

/* A tree of n levels, for `groups` times 64 rows. */
#define ADD_TREE(n, fetch)                                                                                                       \
    AVX512 static void add_tree##n(const gm_tree_engine *e, const gm_tree_engine_tree *t, const uint64_t *masks,                 \
                                   const uint32_t *ids, int32_t groups, gm_tree_engine_work *w)                                  \
    {                                                                                                                            \
        slice b[n], p[8];                                                                                                        \
        uint64_t words[n][GROUPS];                                                                                               \
        const uint8_t *planes = e->planes + t->planes;                                                                           \
        size_t slots = (size_t)t->leaf_slots, first = (size_t)t->output * GM_TREE_ENGINE_ROWS;                                   \
        decide##n(masks, ids, b);                                                                                                \
        UNROLL                                                                                                                   \
        for (int l = 0; l < n; l++) _mm512_storeu_si512(words[l], b[l]);                                                         \
        for (int32_t k = 0; k < groups; k++) {                                                                                   \
            slice at = _mm512_setzero_si512();                                                                                   \
            UNROLL                                                                                                               \
            for (int l = 0; l < n; l++)                                                                                          \
                at = _mm512_mask_add_epi8(at, words[l][k], at, _mm512_set1_epi8((char)(1 << (n - 1 - l))));                      \
            UNROLL                                                                                                               \
            for (size_t i = 0; i < 4; i++) p[i] = fetch(planes + i * slots, at);                                                 \
            if (e->t->float32) {                                                                                                 \
                add32(p, (float *)w->sums + first + k * LANES);                                                                  \
                continue;                                                                                                        \
            }                                                                                                                    \
            UNROLL                                                                                                               \
            for (size_t i = 4; i < 8; i++) p[i] = fetch(planes + i * slots, at);                                                 \
            add64(p, (double *)w->sums + first + k * LANES);                                                                     \
        }                                                                                                                        \
    }
ADD_TREE(4, fetch6)
ADD_TREE(5, fetch6)
ADD_TREE(6, fetch6)
ADD_TREE(7, fetch7)
ADD_TREE(8, fetch8)

static void add_tree(const gm_tree_engine *e, const gm_tree_engine_tree *t, const uint64_t *masks, const uint32_t *ids,
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
        if (float32) row = i % 16 / 4 * 16 + i / 16 * 4 + i % 4;
        else row = i % 8 / 2 * 16 + i / 16 * 4 + i / 8 % 2 * 2 + i % 2;
        place[s] = (uint16_t)(group * LANES + row);
    }
}

AVX512 void gm_tree_engine_avx512_block(const gm_tree_engine *e, gm_tree_engine_work *w, int32_t rows, bool clean, double *out)
{
    const gm_tree_engine_program *p = clean ? &e->clean : &e->full;
    uint64_t *masks = (uint64_t *)(void *)w->masks;
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
