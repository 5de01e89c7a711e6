/* engine_quantize.c - values to bytes: the rank of each value among its feature's thresholds, and what a missing one stands as. */
#include <string.h>

#include "model/engine_internal.h"

#if GM_TREE_ENGINE_X86
#include <emmintrin.h>
#endif

/* ---- ranks ------------------------------------------------------------------------------------------------- */

/* Thresholds <= v. NaN: 0. A binary search without branches. */
static inline uint32_t search32(const gm_tree_engine_feature *f, float v)
{
    uint32_t k = 0;
    for (uint32_t l = f->levels; l-- > 0;) k += (uint32_t)(f->cuts32[k + (1u << l) - 1] <= v) << l;
    return k;
}

/* Thresholds < v. NaN: 0. */
static inline uint32_t search64(const gm_tree_engine_feature *f, double v)
{
    uint32_t k = 0;
    for (uint32_t l = f->levels; l-- > 0;) k += (uint32_t)(f->cuts64[k + (1u << l) - 1] < v) << l;
    return k;
}

/* The bucket of a value: never falls when the value rises, whatever the rounding; NaN: 0. engine_build.c counts the cuts with
 * these. */
uint32_t gm_tree_engine_bucket32(const gm_tree_engine_feature *f, float v)
{
    float p = (v - (float)f->low) * (float)f->scale;
#if GM_TREE_ENGINE_X86 /* the same without branches */
    return (uint32_t)_mm_cvttss_si32(
        _mm_min_ss(_mm_max_ss(_mm_set_ss(p), _mm_setzero_ps()), _mm_set_ss(GM_TREE_ENGINE_BUCKETS - 1)));
#else
    return (uint32_t)(p > 0 ? p < GM_TREE_ENGINE_BUCKETS - 1 ? p : GM_TREE_ENGINE_BUCKETS - 1 : 0);
#endif
}

uint32_t gm_tree_engine_bucket64(const gm_tree_engine_feature *f, double v)
{
    double p = (v - f->low) * f->scale;
#if GM_TREE_ENGINE_X86
    return (uint32_t)_mm_cvttsd_si32(
        _mm_min_sd(_mm_max_sd(_mm_set_sd(p), _mm_setzero_pd()), _mm_set_sd(GM_TREE_ENGINE_BUCKETS - 1)));
#else
    return (uint32_t)(p > 0 ? p < GM_TREE_ENGINE_BUCKETS - 1 ? p : GM_TREE_ENGINE_BUCKETS - 1 : 0);
#endif
}

/* From the bucket on. More steps than the feature needs do no harm: behind its cuts stands NaN. */
static inline uint32_t near32(const gm_tree_engine_feature *f, uint32_t bucket, uint32_t steps, float v)
{
    uint32_t k = f->start[bucket];
    for (uint32_t s = 0; s < steps; s++) k += f->cuts32[k] <= v;
    return k;
}

static inline uint32_t near64(const gm_tree_engine_feature *f, uint32_t bucket, uint32_t steps, double v)
{
    uint32_t k = f->start[bucket];
    for (uint32_t s = 0; s < steps; s++) k += f->cuts64[k] < v;
    return k;
}

/* Loops in which the number of steps is known. v [rows], bucket [rows]; out may be bucket itself. */
#define RANKS_LOOP(bits, steps, out_type) \
    for (int32_t r = 0; r < rows; r++) out[r] = (out_type)near##bits(f, bucket[r], steps, v[r])
#define RANKS(name, bits, type, out_type)                                                                                        \
    static void name(const gm_tree_engine_feature *f, const type *v, const uint32_t *bucket, int32_t rows, out_type *out)        \
    {                                                                                                                            \
        switch (f->steps) {                                                                                                      \
        case 0:                                                                                                                  \
            for (int32_t r = 0; r < rows; r++) out[r] = (out_type)search##bits(f, v[r]);                                         \
            break;                                                                                                               \
        case 1: RANKS_LOOP(bits, 1, out_type); break;                                                                            \
        case 2: RANKS_LOOP(bits, 2, out_type); break;                                                                            \
        case 3: RANKS_LOOP(bits, 3, out_type); break;                                                                            \
        default: RANKS_LOOP(bits, GM_TREE_ENGINE_STEPS_MAX, out_type); break;                                                    \
        }                                                                                                                        \
    }
RANKS(ranks32_byte, 32, float, uint8_t)
RANKS(ranks32_wide, 32, float, uint32_t)
RANKS(ranks64_byte, 64, double, uint8_t)
RANKS(ranks64_wide, 64, double, uint32_t)

/* LightGBM reads values of at most 1e-35 as 0. */
static inline double flush(double v)
{
    return fabs(v) <= (double)1e-35f ? 0 : v;
}

static inline uint8_t chunk(uint32_t rank, uint32_t number)
{
    uint32_t below = number * GM_TREE_ENGINE_CHUNK;
    return (uint8_t)(rank <= below ? 0 : rank - below < GM_TREE_ENGINE_CHUNK ? rank - below : GM_TREE_ENGINE_CHUNK);
}

/* Is v treated apart under this way; then as which rank? */
static inline bool treated(const gm_tree_engine_feature *f, int32_t way, bool nan, bool zero, uint32_t *rank)
{
    if (!nan && !(zero && way >= WAY_ZERO_LEFT)) return false;
    *rank = way == WAY_NAN_ZERO ? f->zero_rank : way == WAY_NAN_LEFT || way == WAY_ZERO_LEFT ? 0 : f->chunks * GM_TREE_ENGINE_CHUNK;
    return true;
}

static inline uint32_t category(const gm_tree_engine_categories *c, double v)
{
    if (!(v > -1.0 && v < (double)c->limit)) return 0;
    return c->id[(int64_t)v];
}

/* ---- one row ----------------------------------------------------------------------------------------------- */

static void put_value(const gm_tree_engine_feature *f, uint32_t rank, bool nan, bool zero, uint8_t *row)
{
    for (int32_t i = 0; i < f->used_count; i++) {
        int32_t way = f->used[i];
        uint32_t r = rank;
        (void)treated(f, way, nan, zero, &r);
        for (uint32_t k = 0; k < f->chunks; k++) row[(uint32_t)f->column[way] + k] = chunk(r, k);
    }
}

/* The usual case has no branch that differs between features: two ways at most, the same number of steps. */
static void row32(const gm_tree_engine *e, const gm_matrix *x, int64_t first, uint8_t *row)
{
    uint32_t steps = e->steps;
    for (int32_t i = 0; i < e->features_count; i++) {
        const gm_tree_engine_feature *f = &e->features[i];
        float v = (float)x->data[f->feature * x->rows + first];
        uint32_t rank = f->steps ? near32(f, gm_tree_engine_bucket32(f, v), steps, v) : search32(f, v);
        row[f->pair[0]] = row[f->pair[1]] = (uint8_t)rank;
        if (isnan(v) || f->more) put_value(f, rank, isnan(v), false, row);
    }
}

static void row64(const gm_tree_engine *e, const gm_matrix *x, int64_t first, uint8_t *row)
{
    uint32_t steps = e->steps;
    for (int32_t i = 0; i < e->features_count; i++) {
        const gm_tree_engine_feature *f = &e->features[i];
        double v = flush(x->data[f->feature * x->rows + first]);
        uint32_t rank = f->steps ? near64(f, gm_tree_engine_bucket64(f, v), steps, v) : search64(f, v);
        row[f->pair[0]] = row[f->pair[1]] = (uint8_t)rank;
        if (isnan(v) || v == 0 || f->more) put_value(f, rank, isnan(v), v == 0, row);
    }
}

void gm_tree_engine_quantize_row(const gm_tree_engine *e, gm_tree_engine_work *w, const gm_matrix *x, int64_t first)
{
    if (e->t->float32) row32(e, x, first, w->row);
    else row64(e, x, first, w->row);
    for (int32_t i = 0; i < e->categories_count; i++) {
        const gm_tree_engine_categories *c = &e->categories[i];
        size_t id = category(c, x->data[c->feature * x->rows + first]);
        memcpy(w->row + c->column, c->table + id * (size_t)c->sets_count, (size_t)c->sets_count);
    }
}

/* ---- blocks ------------------------------------------------------------------------------------------------ */

/* Values and buckets of a feature's rows to w; true when one is missing, or is a zero that some way treats apart. */
static bool buckets32(const gm_tree_engine *e, const gm_tree_engine_feature *f, gm_tree_engine_work *w, const double *values,
                      int32_t rows)
{
#if GM_TREE_ENGINE_X86
    if (e->level >= GM_TREE_ENGINE_AVX2 && rows % 8 == 0)
        return gm_tree_engine_avx2_buckets32(f, values, rows, w->values, w->ranks);
#endif
    (void)e;
    bool nan = false;
    for (int32_t r = 0; r < rows; r++) {
        float v = (float)values[r];
        w->values[r] = v;
        w->ranks[r] = gm_tree_engine_bucket32(f, v);
        nan |= v != v;
    }
    return nan;
}

static bool buckets64(const gm_tree_engine_feature *f, gm_tree_engine_work *w, const double *values, int32_t rows)
{
    bool apart = false, zeros = f->column[WAY_ZERO_LEFT] >= 0 || f->column[WAY_ZERO_RIGHT] >= 0;
    for (int32_t r = 0; r < rows; r++) {
        double v = flush(values[r]);
        w->wide[r] = v;
        w->ranks[r] = gm_tree_engine_bucket64(f, v);
        apart |= (v != v) | (zeros & (v == 0));
    }
    return apart;
}

/* The bytes of the first way, as if nothing were treated apart; ranks too when they take several columns. */
static void put_ranks(const gm_tree_engine *e, const gm_tree_engine_feature *f, gm_tree_engine_work *w, int32_t rows, uint8_t *q)
{
    bool wide = f->chunks > 1;
#if GM_TREE_ENGINE_X86
    if (e->level == GM_TREE_ENGINE_AVX512 && f->levels32) {
        gm_tree_engine_avx512_rank(f, w->values, rows, q);
        return;
    }
#endif
    if (e->t->float32 && !wide) ranks32_byte(f, w->values, w->ranks, rows, q);
    else if (e->t->float32) ranks32_wide(f, w->values, w->ranks, rows, w->ranks);
    else if (!wide) ranks64_byte(f, w->wide, w->ranks, rows, q);
    else ranks64_wide(f, w->wide, w->ranks, rows, w->ranks);
}

/* The columns of one way, from those of the first or from ranks. */
static void put_way(const gm_tree_engine *e, const gm_tree_engine_feature *f, int32_t way, const gm_tree_engine_work *w,
                    bool apart, int32_t rows, int32_t stride)
{
    const uint8_t *first = w->q + (size_t)f->column[f->used[0]] * (size_t)stride;
    for (uint32_t k = 0; k < f->chunks; k++) {
        uint8_t *q = w->q + ((size_t)f->column[way] + k) * (size_t)stride;
        if (f->chunks > 1)
            for (int32_t r = 0; r < rows; r++) q[r] = chunk(w->ranks[r], k);
        else if (q != first)
            memcpy(q, first, (size_t)rows);
        for (int32_t r = 0; apart && r < rows; r++) {
            double v = e->t->float32 ? (double)w->values[r] : w->wide[r];
            uint32_t rank = 0;
            if (treated(f, way, isnan(v), !e->t->float32 && v == 0, &rank)) q[r] = chunk(rank, k);
        }
    }
}

static void put_categories(const gm_tree_engine_categories *c, gm_tree_engine_work *w, const double *values, int32_t rows,
                           int32_t stride)
{
    for (int32_t r = 0; r < rows; r++) w->ranks[r] = category(c, values[r]);
    for (int32_t s = 0; s < c->sets_count; s++) {
        uint8_t *q = w->q + ((size_t)c->column + (size_t)s) * (size_t)stride;
        for (int32_t r = 0; r < rows; r++) q[r] = c->table[(size_t)w->ranks[r] * (size_t)c->sets_count + (size_t)s];
    }
}

bool gm_tree_engine_quantize_block(const gm_tree_engine *e, gm_tree_engine_work *w, const gm_matrix *x, int64_t first,
                                   int32_t rows, int32_t stride)
{
    bool clean = true;
    for (int32_t i = 0; i < e->features_count; i++) {
        const gm_tree_engine_feature *f = &e->features[i];
        const double *values = x->data + f->feature * x->rows + first;
        bool apart = e->t->float32 ? buckets32(e, f, w, values, rows) : buckets64(f, w, values, rows);
        put_ranks(e, f, w, rows, w->q + (size_t)f->column[f->used[0]] * (size_t)stride);
        for (int32_t k = f->used_count; k-- > 0;)
            put_way(e, f, f->used[k], w, apart, rows, stride); /* the first last: others copy it */
        if (apart && f->used_count > 1) clean = false;
    }
    for (int32_t i = 0; i < e->categories_count; i++) {
        const gm_tree_engine_categories *c = &e->categories[i];
        put_categories(c, w, x->data + c->feature * x->rows + first, rows, stride);
    }
    return clean;
}
