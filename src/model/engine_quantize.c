/* engine_quantize.c - values to bytes: the rank of each value among its feature's thresholds, and what a missing one stands as. */
#include <string.h>

#include "model/engine_internal.h"

/* ---- ranks ------------------------------------------------------------------------------------------------- */

/* Thresholds <= v. NaN: 0. A binary search without branches. */
static inline uint32_t search32(const engine_feature *f, float v)
{
    uint32_t k = 0;
    for (uint32_t l = f->levels; l-- > 0;) k += (uint32_t)(f->cuts32[k + (1u << l) - 1] <= v) << l;
    return k;
}

/* Thresholds < v. NaN: 0. */
static inline uint32_t search64(const engine_feature *f, double v)
{
    uint32_t k = 0;
    for (uint32_t l = f->levels; l-- > 0;) k += (uint32_t)(f->cuts64[k + (1u << l) - 1] < v) << l;
    return k;
}

/* The same from the value's bucket; the order of the operands of < makes NaN 0, and each line one instruction. */
static inline uint32_t near32(const engine_feature *f, float low, float scale, uint32_t steps, float v)
{
    float p = (v - low) * scale;
    p = p > 0 ? p : 0;
    p = p < GM_ENGINE_BUCKETS - 1 ? p : GM_ENGINE_BUCKETS - 1;
    uint32_t k = f->start[(int32_t)p];
    for (uint32_t s = 0; s < steps; s++) k += f->cuts32[k] <= v;
    return k;
}

static inline uint32_t near64(const engine_feature *f, double low, double scale, uint32_t steps, double v)
{
    double p = (v - low) * scale;
    p = p > 0 ? p : 0;
    p = p < GM_ENGINE_BUCKETS - 1 ? p : GM_ENGINE_BUCKETS - 1;
    uint32_t k = f->start[(int32_t)p];
    for (uint32_t s = 0; s < steps; s++) k += f->cuts64[k] < v;
    return k;
}

static inline uint32_t rank32(const engine_feature *f, float v)
{
    return f->steps ? near32(f, (float)f->low, (float)f->scale, f->steps, v) : search32(f, v);
}

static inline uint32_t rank64(const engine_feature *f, double v)
{
    return f->steps ? near64(f, f->low, f->scale, f->steps, v) : search64(f, v);
}

/* Loops in which the number of steps is known. */
#define RANK_ALL(bits, type)                                                                                                 \
    static void rank_all##bits(const engine_feature *f, const type *restrict v, int32_t rows, uint32_t *restrict ranks)              \
    {                                                                                                                                \
        type low = (type)f->low, scale = (type)f->scale;                                                                             \
        switch (f->steps) {                                                                                                          \
        case 1:                                                                                                                      \
            for (int32_t r = 0; r < rows; r++) ranks[r] = near##bits(f, low, scale, 1, v[r]);                                        \
            break;                                                                                                                   \
        case 2:                                                                                                                      \
            for (int32_t r = 0; r < rows; r++) ranks[r] = near##bits(f, low, scale, 2, v[r]);                                        \
            break;                                                                                                                   \
        case 3:                                                                                                                      \
            for (int32_t r = 0; r < rows; r++) ranks[r] = near##bits(f, low, scale, 3, v[r]);                                        \
            break;                                                                                                                   \
        case 4:                                                                                                                      \
            for (int32_t r = 0; r < rows; r++) ranks[r] = near##bits(f, low, scale, 4, v[r]);                                        \
            break;                                                                                                                   \
        default:                                                                                                                     \
            for (int32_t r = 0; r < rows; r++) ranks[r] = search##bits(f, v[r]);                                                     \
        }                                                                                                                            \
    }
RANK_ALL(32, float)
RANK_ALL(64, double)

/* LightGBM reads values of at most 1e-35 as 0. */
static inline double flush(double v)
{
    return fabs(v) <= (double)1e-35f ? 0 : v;
}

static inline uint8_t chunk(uint32_t rank, uint32_t number)
{
    uint32_t below = number * GM_ENGINE_CHUNK;
    return (uint8_t)(rank <= below ? 0 : rank - below < GM_ENGINE_CHUNK ? rank - below : GM_ENGINE_CHUNK);
}

/* Is v treated apart under this way; then as which rank? */
static inline bool treated(const engine_feature *f, int32_t way, bool nan, bool zero, uint32_t *rank)
{
    if (!nan && !(zero && way >= WAY_ZERO_LEFT)) return false;
    *rank = way == WAY_NAN_ZERO ? f->zero_rank : way == WAY_NAN_LEFT || way == WAY_ZERO_LEFT ? 0 : f->chunks * GM_ENGINE_CHUNK;
    return true;
}

static inline uint32_t category(const engine_categories *c, double v)
{
    if (!(v > -1.0 && v < (double)c->limit)) return 0;
    return c->id[(int64_t)v];
}

/* ---- one row ----------------------------------------------------------------------------------------------- */

static void put_value(const engine_feature *f, uint32_t rank, bool nan, bool zero, uint8_t *row)
{
    if (f->chunks == 1 && !nan && !zero) {
        for (int32_t i = 0; i < f->used_count; i++) row[f->column[f->used[i]]] = (uint8_t)rank;
        return;
    }
    for (int32_t i = 0; i < f->used_count; i++) {
        int32_t way = f->used[i];
        uint32_t r = rank;
        (void)treated(f, way, nan, zero, &r);
        for (uint32_t k = 0; k < f->chunks; k++) row[(uint32_t)f->column[way] + k] = chunk(r, k);
    }
}

void engine_quantize_row(const gm_engine *e, gm_engine_work *w, const gm_matrix *x, int64_t first)
{
    for (int32_t i = 0; i < e->features_count; i++) {
        const engine_feature *f = &e->features[i];
        double v = x->data[f->feature * x->rows + first];
        if (e->t->float32) {
            put_value(f, rank32(f, (float)v), isnan(v), false, w->row);
        } else {
            v = flush(v);
            put_value(f, rank64(f, v), isnan(v), v == 0, w->row);
        }
    }
    for (int32_t i = 0; i < e->categories_count; i++) {
        const engine_categories *c = &e->categories[i];
        size_t id = category(c, x->data[c->feature * x->rows + first]);
        memcpy(w->row + c->column, c->table + id * (size_t)c->sets_count, (size_t)c->sets_count);
    }
}

/* ---- blocks ------------------------------------------------------------------------------------------------ */

static bool ranks32(const gm_engine *e, const engine_feature *f, gm_engine_work *w, const double *values, int32_t rows)
{
    bool nan = false;
    for (int32_t r = 0; r < rows; r++) {
        w->values[r] = (float)values[r];
        nan |= values[r] != values[r];
    }
#if GM_ENGINE_X86
    if (e->level == GM_ENGINE_AVX512 && f->levels32) {
        engine_avx512_rank(f, w->values, rows, w->ranks);
        return nan;
    }
#endif
    (void)e;
    rank_all32(f, w->values, rows, w->ranks);
    return nan;
}

/* Also true for a zero, when some way treats it apart. */
static bool ranks64(const engine_feature *f, gm_engine_work *w, const double *values, int32_t rows)
{
    bool apart = false, zeros = f->column[WAY_ZERO_LEFT] >= 0 || f->column[WAY_ZERO_RIGHT] >= 0;
    for (int32_t r = 0; r < rows; r++) {
        double v = flush(values[r]);
        w->wide[r] = v;
        apart |= (v != v) | (zeros & (v == 0));
    }
    rank_all64(f, w->wide, rows, w->ranks);
    return apart;
}

static void put_column(const gm_engine *e, const engine_feature *f, int32_t way, const gm_engine_work *w, bool apart, int32_t rows,
                       int32_t stride)
{
    for (uint32_t k = 0; k < f->chunks; k++) {
        uint8_t *q = w->q + ((size_t)f->column[way] + k) * (size_t)stride;
        if (f->chunks == 1)
            for (int32_t r = 0; r < rows; r++) q[r] = (uint8_t)w->ranks[r];
        else
            for (int32_t r = 0; r < rows; r++) q[r] = chunk(w->ranks[r], k);
        if (!apart) continue;
        for (int32_t r = 0; r < rows; r++) {
            double v = e->t->float32 ? (double)w->values[r] : w->wide[r];
            uint32_t rank = 0;
            if (treated(f, way, isnan(v), !e->t->float32 && v == 0, &rank)) q[r] = chunk(rank, k);
        }
    }
}

static void put_categories(const engine_categories *c, gm_engine_work *w, const double *values, int32_t rows, int32_t stride)
{
    for (int32_t r = 0; r < rows; r++) w->ranks[r] = category(c, values[r]);
    for (int32_t s = 0; s < c->sets_count; s++) {
        uint8_t *q = w->q + ((size_t)c->column + (size_t)s) * (size_t)stride;
        for (int32_t r = 0; r < rows; r++) q[r] = c->table[(size_t)w->ranks[r] * (size_t)c->sets_count + (size_t)s];
    }
}

bool engine_quantize_block(const gm_engine *e, gm_engine_work *w, const gm_matrix *x, int64_t first, int32_t rows, int32_t stride)
{
    bool clean = true;
    for (int32_t i = 0; i < e->features_count; i++) {
        const engine_feature *f = &e->features[i];
        const double *values = x->data + f->feature * x->rows + first;
        bool apart = e->t->float32 ? ranks32(e, f, w, values, rows) : ranks64(f, w, values, rows);
        put_column(e, f, f->used[0], w, apart, rows, stride);
        if (apart && f->used_count > 1) clean = false;
        const uint8_t *base = w->q + (size_t)f->column[f->used[0]] * (size_t)stride;
        for (int32_t k = 1; k < f->used_count; k++) {
            if (apart) put_column(e, f, f->used[k], w, apart, rows, stride);
            else memcpy(w->q + (size_t)f->column[f->used[k]] * (size_t)stride, base, f->chunks * (size_t)stride);
        }
    }
    for (int32_t i = 0; i < e->categories_count; i++) {
        const engine_categories *c = &e->categories[i];
        put_categories(c, w, x->data + c->feature * x->rows + first, rows, stride);
    }
    return clean;
}
