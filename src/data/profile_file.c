/* profile_file.c - profiles as bytes: little-endian, versioned, read with every count bounded.
 *
 *   "GMPROF" version(u16)  rows(i64) columns(u32)
 *   per column: name, type(u8), counts, moments, value table, quantile sketch - in the order of put_column()
 * Texts are a u32 length and bytes; doubles are their 64 bits.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/profile_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bytes are written as they lie in memory");

enum { VERSION = 1, HLL_BYTES = 1 << GM_HLL_BITS, COLUMNS_MAX = 100000, NAME_MAX_BYTES = 1 << 16 };
static const char magic[6] = { 'G', 'M', 'P', 'R', 'O', 'F' };

/* The numbers of a column, in one place for both directions: (field). */
#define COUNTS(X) X(rows) X(missing) X(infinite) X(zeros) X(negatives) X(length_min) X(length_max) X(length_sum)
#define DOUBLES(X)                                                                                                   \
    X(moments.n) X(moments.mean) X(moments.m2) X(moments.m3) X(moments.m4) X(moments.sum) X(moments.sum_error)       \
    X(moments.min) X(moments.max) X(first) X(last)

/* ---- writing ---- */

static void put_u8(gm_buf *b, uint8_t v) { gm_buf_add(b, &v, sizeof(v)); }
static void put_u32(gm_buf *b, uint32_t v) { gm_buf_add(b, &v, sizeof(v)); }
static void put_u64(gm_buf *b, uint64_t v) { gm_buf_add(b, &v, sizeof(v)); }
static void put_i64(gm_buf *b, int64_t v) { gm_buf_add(b, &v, sizeof(v)); }

/* One NaN for all: its bits may differ between machines. */
static void put_f64(gm_buf *b, double v)
{
    uint64_t bits = 0x7FF8000000000000u;
    if (!isnan(v)) memcpy(&bits, &v, sizeof(bits));
    put_u64(b, bits);
}

static void put_values(gm_buf *b, const gm_values *v)
{
    put_u8(b, v->dropped);
    put_i64(b, v->error);
    put_u32(b, v->count);
    for (uint32_t i = 0; i < v->count; i++) {
        put_u64(b, v->items[i].key);
        put_i64(b, v->items[i].count);
        put_u32(b, v->items[i].text_len);
        if (v->items[i].text_len) gm_buf_add(b, v->texts + v->items[i].text_at, v->items[i].text_len);
    }
    put_u8(b, v->hll != NULL);
    if (v->hll) gm_buf_add(b, v->hll, HLL_BYTES);
}

static void put_quantiles(gm_buf *b, const gm_quantiles *q)
{
    put_i64(b, q->count);
    put_u8(b, q->exact_capacity >= 0);
    if (q->exact_capacity >= 0) {
        for (int64_t i = 0; i < q->count; i++) put_f64(b, q->exact[i]);
        return;
    }
    put_u64(b, q->odd);
    for (size_t h = 0; h < GM_QUANTILES_LEVELS; h++) {
        put_u32(b, q->level_count[h]);
        for (uint32_t i = 0; i < q->level_count[h]; i++) put_f64(b, q->level[h][i]);
    }
}

static void put_column(gm_buf *b, const gm_profile_column *c)
{
    put_u32(b, (uint32_t)strlen(c->name));
    gm_buf_text(b, c->name);
    put_u8(b, (uint8_t)c->type);
    put_u8(b, c->increasing);
#define X(field) put_i64(b, c->field);
    COUNTS(X)
#undef X
#define X(field) put_f64(b, c->field);
    DOUBLES(X)
#undef X
    put_values(b, &c->values);
    put_quantiles(b, &c->quantiles);
}

void gm_profile_write(const gm_profile *p, gm_buf *out)
{
    uint16_t version = VERSION;
    gm_buf_add(out, magic, sizeof(magic));
    gm_buf_add(out, &version, sizeof(version));
    put_i64(out, p->rows);
    put_u32(out, (uint32_t)p->count);
    for (size_t k = 0; k < p->count; k++) put_column(out, &p->columns[k]);
}

/* ---- reading ---- */

/* After a failure everything reads as zero, and `bad` or `no_memory` says why. */
typedef struct reader {
    const unsigned char *at;
    size_t left;
    bool bad, no_memory;
} reader;

static const void *take(reader *r, size_t n)
{
    if (r->bad || n > r->left) {
        r->bad = true;
        return NULL;
    }
    const void *bytes = r->at;
    r->at += n;
    r->left -= n;
    return bytes;
}

static void get(reader *r, void *out, size_t n)
{
    const void *bytes = take(r, n);
    if (bytes) memcpy(out, bytes, n);
    else memset(out, 0, n);
}

static uint8_t get_u8(reader *r)
{
    uint8_t v;
    get(r, &v, sizeof(v));
    return v;
}

static uint32_t get_u32(reader *r)
{
    uint32_t v;
    get(r, &v, sizeof(v));
    return v;
}

static uint64_t get_u64(reader *r)
{
    uint64_t v;
    get(r, &v, sizeof(v));
    return v;
}

static int64_t get_i64(reader *r) { return (int64_t)get_u64(r); }

static double get_f64(reader *r)
{
    uint64_t bits = get_u64(r);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* A count: not negative, and small enough that ten thousand of them can be added. */
static int64_t get_count(reader *r)
{
    int64_t v = get_i64(r);
    r->bad |= v < 0 || v > (int64_t)1 << 48;
    return r->bad ? 0 : v;
}

static void get_values(reader *r, gm_values *v)
{
    bool dropped = get_u8(r) != 0;
    v->error = get_count(r);
    uint32_t count = get_u32(r);
    r->bad |= count > GM_VALUES_MAX;
    for (uint32_t i = 0; !r->bad && i < count; i++) {
        uint64_t key = get_u64(r);
        int64_t times = get_count(r);
        uint32_t len = get_u32(r);
        r->bad |= len > 256;
        const char *text = take(r, len);
        if (!r->bad && !gm_values_add(v, key, times, text, len)) r->no_memory = r->bad = true;
    }
    r->bad |= !r->bad && v->count != count; /* a key twice */
    v->dropped = dropped;
    if (get_u8(r) == 0) return;
    const void *hll = take(r, HLL_BYTES);
    v->hll = hll ? malloc(HLL_BYTES) : NULL;
    if (hll && !v->hll) r->no_memory = r->bad = true;
    if (!v->hll) return;
    memcpy(v->hll, hll, HLL_BYTES);
    for (size_t i = 0; i < HLL_BYTES; i++) r->bad |= v->hll[i] > 64 - GM_HLL_BITS + 1;
}

static void get_level(reader *r, gm_quantiles *q, size_t h)
{
    uint32_t count = get_u32(r);
    r->bad |= count >= GM_QUANTILES_LEVEL;
    if (r->bad || count == 0) return;
    q->level[h] = malloc(2 * GM_QUANTILES_LEVEL * sizeof(double));
    if (!q->level[h]) {
        r->no_memory = r->bad = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        q->level[h][i] = get_f64(r);
        r->bad |= !isfinite(q->level[h][i]);
    }
    q->level_count[h] = count;
}

static void get_quantiles(reader *r, gm_quantiles *q)
{
    int64_t count = get_count(r);
    if (get_u8(r)) {
        r->bad |= count > GM_QUANTILES_EXACT;
        for (int64_t i = 0; !r->bad && i < count; i++) {
            double v = get_f64(r);
            r->bad |= !isfinite(v);
            if (!r->bad && !gm_quantiles_add(q, &v, 1)) r->no_memory = r->bad = true;
        }
        return;
    }
    q->exact_capacity = -1;
    q->count = count;
    q->odd = get_u64(r);
    for (size_t h = 0; !r->bad && h < GM_QUANTILES_LEVELS; h++) get_level(r, q, h);
}

static void get_column(reader *r, gm_arena *a, gm_profile_column *c)
{
    uint32_t len = get_u32(r);
    r->bad |= len > NAME_MAX_BYTES;
    const char *name = take(r, r->bad ? 0 : len);
    c->name = name ? gm_arena_strndup(a, name, len) : "";
    if (!c->name) r->no_memory = r->bad = true;
    uint8_t type = get_u8(r);
    r->bad |= type < GM_TYPE_BOOL || type > GM_TYPE_TIME;
    c->type = r->bad ? GM_TYPE_FLOAT : (gm_type)type;
    c->values.texts_kept = c->type == GM_TYPE_STRING;
    c->increasing = get_u8(r) != 0;
#define X(field) c->field = get_count(r);
    COUNTS(X)
#undef X
#define X(field) c->field = get_f64(r);
    DOUBLES(X)
#undef X
    r->bad |= c->missing > c->rows;
    get_values(r, &c->values);
    get_quantiles(r, &c->quantiles);
}

gm_rc gm_profile_read(const void *bytes, size_t len, gm_arena *a, gm_profile **out, gm_err *err)
{
    reader r = { .at = bytes, .left = len };
    char found[sizeof(magic)];
    uint16_t version = 0;
    get(&r, found, sizeof(found));
    get(&r, &version, sizeof(version));
    if (r.bad || memcmp(found, magic, sizeof(magic)) != 0) return gm_err_set(err, GM_ECORRUPT, "these bytes are no profile");
    if (version > VERSION) return gm_err_set(err, GM_EUNSUPPORTED, "the profile has version %d, this program reads up to %d", version, VERSION);
    int64_t rows = get_count(&r);
    uint32_t count = get_u32(&r);
    if (r.bad || count > COLUMNS_MAX || count > r.left / 64) return gm_err_set(err, GM_ECORRUPT, "the profile is cut off or damaged");

    gm_profile *p = NULL;
    gm_rc rc = gm_profile_begin(0, NULL, NULL, a, &p, err);
    if (rc) return rc;
    p->columns = GM_ARENA_ARRAY(a, gm_profile_column, count);
    if (!p->columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for the profile");
    p->rows = rows;
    for (uint32_t k = 0; !r.bad && k < count; k++) {
        p->count = k + 1; /* what is half read goes with the arena too */
        get_column(&r, a, &p->columns[k]);
    }
    if (r.no_memory) return gm_err_set(err, GM_ENOMEM, "not enough memory for the profile");
    if (r.bad || r.left) return gm_err_set(err, GM_ECORRUPT, "the profile is cut off or damaged");
    *out = p;
    return GM_OK;
}
