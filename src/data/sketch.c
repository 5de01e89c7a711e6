/* sketch.c - see sketch.h. */
#include "data/sketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "base/sort.h"

enum { HLL_COUNT = 1 << GM_HLL_BITS, TEXT_KEPT = 256 };

/* ---- HyperLogLog ---- */

static void hll_add(uint8_t *hll, uint64_t hash)
{
    uint64_t rest = hash << GM_HLL_BITS | (uint64_t)1 << (GM_HLL_BITS - 1); /* the added bit ends the run of zeros */
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t *slot = &hll[hash >> (64 - GM_HLL_BITS)];
    if (rank > *slot) *slot = rank;
}

/* distinct values - how many different values were added.
 *
 *   n = m^2 / (2 ln 2) / (m tau(1 - C[q+1] / m) + sum_{k=q..1} ... ), Horner form over the histogram C of the registers,
 *   m = 4096 registers, q = 52 further bits of the hash
 *
 * Range      0 and up; standard error 1.04 / sqrt(m) = 1.6 % at every size, without bias tables
 * Source     O. Ertl, New cardinality estimation algorithms for HyperLogLog sketches (2017), algorithm 6
 * Checked    test_sketch.c: within 5 % (three standard errors) from 10,001 to 1,000,000 values
 */
static double tau(double x)
{
    if (x == 0 || x == 1) return 0;
    double y = 1, z = 1 - x, before;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static double sigma(double x)
{
    if (x == 1) return INFINITY;
    double y = 1, z = x, before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double hll_estimate(const uint8_t *hll)
{
    enum { Q = 64 - GM_HLL_BITS };
    double m = HLL_COUNT;
    int64_t histogram[Q + 2] = { 0 };
    for (size_t i = 0; i < HLL_COUNT; i++) histogram[hll[i]]++;
    double z = m * tau(1 - (double)histogram[Q + 1] / m);
    for (int k = Q; k >= 1; k--) z = 0.5 * (z + (double)histogram[k]);
    z += m * sigma((double)histogram[0] / m);
    return m * m / (2 * log(2)) / z;
}

/* ---- distinct values ---- */

static uint64_t hash_of(const gm_values *v, uint64_t key) { return v->texts_kept ? key : gm_hash_u64(0, key); }

uint64_t gm_values_number_key(double v)
{
    uint64_t bits;
    if (v == 0) v = 0; /* -0 is 0 */
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static uint32_t slot_of(const gm_values *v, uint64_t key)
{
    uint32_t mask = v->slots_count - 1, at = (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 32) & mask;
    while (v->slots[at] && v->items[v->slots[at] - 1].key != key) at = (at + 1) & mask;
    return at;
}

static bool rebuild_slots(gm_values *v, uint32_t slots_count)
{
    if (slots_count != v->slots_count) {
        uint32_t *slots = realloc(v->slots, slots_count * sizeof(*slots));
        if (!slots) return false;
        v->slots = slots;
        v->slots_count = slots_count;
    }
    memset(v->slots, 0, slots_count * sizeof(*v->slots));
    for (uint32_t i = 0; i < v->count; i++) v->slots[slot_of(v, v->items[i].key)] = i + 1;
    return true;
}

static bool room_for_value(gm_values *v, uint32_t text_len)
{
    if (v->count == v->capacity) {
        uint32_t capacity = v->capacity ? v->capacity * 2 : 32;
        gm_value *items = realloc(v->items, capacity * sizeof(*items));
        if (!items) return false;
        v->items = items;
        v->capacity = capacity;
        if (!rebuild_slots(v, capacity * 2)) return false;
    }
    if (v->texts_len + text_len <= v->texts_capacity) return true;
    size_t wanted = (v->texts_len + text_len) * 2;
    char *texts = realloc(v->texts, wanted);
    if (!texts) return false;
    v->texts = texts;
    v->texts_capacity = wanted;
    return true;
}

static int descending(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a < b) - (a > b);
}

/* Misra-Gries: take the count of the 5,001st most frequent value from all and forget those that fall to zero. Whatever
 * occurs more often than `error` times is still there. Source: Agarwal et al., Mergeable Summaries (2012), section 3. */
static bool forget_rare(gm_values *v)
{
    enum { KEPT = GM_VALUES_MAX / 2 };
    int64_t *counts = malloc(v->count * sizeof(*counts));
    char *texts = malloc(v->texts_len + 1);
    if (!counts || !texts) {
        free(counts);
        free(texts);
        return false;
    }
    for (uint32_t i = 0; i < v->count; i++) counts[i] = v->items[i].count;
    qsort(counts, v->count, sizeof(*counts), descending);
    int64_t taken = counts[KEPT];
    free(counts);
    uint32_t kept = 0;
    size_t texts_len = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        gm_value item = v->items[i];
        if (item.count <= taken) continue;
        memcpy(texts + texts_len, v->texts + item.text_at, item.text_len);
        item.text_at = (uint32_t)texts_len;
        item.count -= taken;
        texts_len += item.text_len;
        v->items[kept++] = item;
    }
    free(v->texts);
    v->texts = texts;
    v->texts_capacity = v->texts_len + 1;
    v->texts_len = texts_len;
    v->count = kept;
    v->error += taken;
    return rebuild_slots(v, v->slots_count);
}

/* The values no longer fit: from now on hashes are counted. */
static bool start_hll(gm_values *v)
{
    v->hll = calloc(HLL_COUNT, 1);
    if (!v->hll) return false;
    for (uint32_t i = 0; i < v->count; i++) hll_add(v->hll, hash_of(v, v->items[i].key));
    return true;
}

static void drop_items(gm_values *v)
{
    free(v->items);
    free(v->slots);
    free(v->texts);
    v->items = NULL;
    v->slots = NULL;
    v->texts = NULL;
    v->count = v->capacity = v->slots_count = 0;
    v->texts_len = v->texts_capacity = 0;
}

bool gm_values_add(gm_values *v, uint64_t key, int64_t count, const char *text, uint32_t text_len)
{
    if (v->hll) hll_add(v->hll, hash_of(v, key));
    if (v->dropped) return true;
    if (v->slots_count > 0) {
        uint32_t at = v->slots[slot_of(v, key)];
        if (at) {
            v->items[at - 1].count += count;
            return true;
        }
    }
    if (text_len > TEXT_KEPT) {
        text_len = TEXT_KEPT;
        while (text_len > 0 && ((unsigned char)text[text_len] & 0xC0) == 0x80) text_len--;
    }
    if (v->count == GM_VALUES_MAX) {
        if (!v->hll) {
            if (!start_hll(v)) return false;
            hll_add(v->hll, hash_of(v, key));
        }
        if (!v->texts_kept) {
            v->dropped = true;
            drop_items(v);
            return true;
        }
        if (!forget_rare(v)) return false;
    }
    if (!room_for_value(v, text_len)) return false;
    v->items[v->count] = (gm_value){ .key = key, .count = count, .text_at = (uint32_t)v->texts_len, .text_len = text_len };
    if (text_len) memcpy(v->texts + v->texts_len, text, text_len);
    v->texts_len += text_len;
    v->slots[slot_of(v, key)] = ++v->count;
    return true;
}

bool gm_values_merge(gm_values *into, const gm_values *other)
{
    if (other->hll && !into->hll && !start_hll(into)) return false;
    for (size_t i = 0; other->hll && i < HLL_COUNT; i++)
        if (other->hll[i] > into->hll[i]) into->hll[i] = other->hll[i];
    if (other->dropped && !into->dropped) {
        into->dropped = true;
        drop_items(into);
    }
    into->error += other->error;
    for (uint32_t i = 0; i < other->count; i++) {
        const gm_value *o = &other->items[i];
        if (!gm_values_add(into, o->key, o->count, other->texts ? other->texts + o->text_at : NULL, o->text_len)) return false;
    }
    return true;
}

int64_t gm_values_distinct(const gm_values *v) { return v->hll ? (int64_t)llround(hll_estimate(v->hll)) : v->count; }

void gm_values_clear(gm_values *v)
{
    drop_items(v);
    free(v->hll);
    *v = (gm_values){ .texts_kept = v->texts_kept };
}

/* quantile, type 7 - as NumPy, pandas and R compute it by default.
 *
 *   h = (n - 1) p;  q = v[floor h] + (h - floor h) (v[floor h + 1] - v[floor h]),  v ascending, 0-based
 *
 * Range      p in [0, 1]; n = 0 gives NaN
 * Source     Hyndman & Fan (1996), The American Statistician 50(4):361, definition 7
 * Checked    test/conformance/data/pandas_profile.json from pandas, 1e-12 relative
 */
double gm_quantile_sorted(const double *v, int64_t n, double p)
{
    if (n == 0) return NAN;
    double h = (double)(n - 1) * p, low = floor(h);
    int64_t i = (int64_t)low;
    return i + 1 < n ? v[i] + (h - low) * (v[i + 1] - v[i]) : v[n - 1];
}

double gm_quantile_of(double *v, int64_t n, double p)
{
    if (n == 0) return NAN;
    int64_t k = (int64_t)floor((double)(n - 1) * p);
    gm_select(v, n, k);
    if (k + 1 == n) return v[k];
    double next = v[k + 1];
    for (int64_t i = k + 2; i < n; i++) next = v[i] < next ? v[i] : next;
    return v[k] + ((double)(n - 1) * p - (double)k) * (next - v[k]);
}

/* ---- quantile sketch ---- */

/* quantile sketch - a value's rank among n, with bounded memory.
 *
 *   Level h holds up to 512 values that each stand for 2^h. A full level is sorted; every second value moves up, from the
 *   even and the odd places in turn. So one compaction moves a rank by at most 2^h, and two in a row nearly cancel.
 *
 * Range      exact up to 10,000 values; beyond, the rank error is at most log2(n / 512) / 1024 (1 % at 10^6), in practice
 *            about a tenth of that
 * Source     Manku, Rajagopalan & Lindsay (1998), SIGMOD; Karnin, Lang & Liberty (2016) with fixed in place of random parity
 * Checked    test_sketch.c: rank error <= 0.5 % on sorted, reversed, random and skewed inputs of 10^6
 */
static bool compact(gm_quantiles *q, uint32_t h);

static bool put_in_level(gm_quantiles *q, uint32_t h, const double *values, int64_t count, int64_t stride)
{
    gm_assert(h < GM_QUANTILES_LEVELS);
    if (!q->level[h]) {
        q->level[h] = malloc(2 * GM_QUANTILES_LEVEL * sizeof(double));
        if (!q->level[h]) return false;
    }
    for (int64_t i = 0; i < count; i += stride) {
        q->level[h][q->level_count[h]++] = values[i];
        if (q->level_count[h] == GM_QUANTILES_LEVEL && !compact(q, h)) return false;
    }
    return true;
}

static bool compact(gm_quantiles *q, uint32_t h)
{
    int64_t odd = (int64_t)(q->odd >> h & 1);
    q->odd ^= (uint64_t)1 << h;
    gm_sort_doubles(q->level[h], GM_QUANTILES_LEVEL);
    q->level_count[h] = 0;
    return put_in_level(q, h + 1, q->level[h] + odd, GM_QUANTILES_LEVEL - odd, 2);
}

static bool leave_exact(gm_quantiles *q)
{
    double *exact = q->exact;
    int64_t count = q->count;
    q->exact = NULL;
    q->exact_capacity = -1;
    bool ok = put_in_level(q, 0, exact, count, 1);
    free(exact);
    return ok;
}

bool gm_quantiles_add(gm_quantiles *q, const double *values, int64_t count)
{
    if (count == 0) return true;
    if (q->exact_capacity >= 0) {
        if (q->count + count <= GM_QUANTILES_EXACT) {
            if (q->count + count > q->exact_capacity) {
                int64_t capacity = (q->count + count) * 2;
                double *more = realloc(q->exact, (size_t)capacity * sizeof(*more));
                if (!more) return false;
                q->exact = more;
                q->exact_capacity = capacity;
            }
            memcpy(q->exact + q->count, values, (size_t)count * sizeof(*values));
            q->count += count;
            return true;
        }
        if (!leave_exact(q)) return false;
    }
    q->count += count;
    return put_in_level(q, 0, values, count, 1);
}

bool gm_quantiles_merge(gm_quantiles *into, const gm_quantiles *other)
{
    if (other->exact_capacity >= 0) return gm_quantiles_add(into, other->exact, other->count);
    if (into->exact_capacity >= 0 && !leave_exact(into)) return false;
    for (uint32_t h = 0; h < GM_QUANTILES_LEVELS; h++)
        if (other->level_count[h] && !put_in_level(into, h, other->level[h], other->level_count[h], 1)) return false;
    into->count += other->count;
    return true;
}

void gm_quantiles_clear(gm_quantiles *q)
{
    free(q->exact);
    for (size_t h = 0; h < GM_QUANTILES_LEVELS; h++) free(q->level[h]);
    *q = (gm_quantiles){ 0 };
}

typedef struct weighted {
    double value, weight;
} weighted;

static int by_value(const void *x, const void *y)
{
    double a = ((const weighted *)x)->value, b = ((const weighted *)y)->value;
    return (a > b) - (a < b);
}

bool gm_quantiles_sorted(const gm_quantiles *q, gm_weighted *out)
{
    int64_t n = q->exact ? q->count : 0;
    for (size_t h = 0; h < GM_QUANTILES_LEVELS; h++) n += q->level_count[h];
    weighted *all = malloc((size_t)(n + 1) * sizeof(*all));
    *out = (gm_weighted){ .value = malloc((size_t)(n + 1) * sizeof(double)), .weight = malloc((size_t)(n + 1) * sizeof(double)), .count = n };
    if (!all || !out->value || !out->weight) {
        free(all);
        free(out->value);
        free(out->weight);
        *out = (gm_weighted){ 0 };
        return false;
    }
    int64_t at = 0;
    for (int64_t i = 0; q->exact && i < q->count; i++) all[at++] = (weighted){ q->exact[i], 1 };
    for (size_t h = 0; h < GM_QUANTILES_LEVELS; h++)
        for (uint32_t i = 0; i < q->level_count[h]; i++) all[at++] = (weighted){ q->level[h][i], ldexp(1, (int)h) };
    qsort(all, (size_t)n, sizeof(*all), by_value);
    for (int64_t i = 0; i < n; i++) {
        out->value[i] = all[i].value;
        out->weight[i] = all[i].weight;
        out->total += all[i].weight;
    }
    free(all);
    return true;
}

double gm_weighted_quantile(const gm_weighted *w, double p)
{
    if (w->count == 0) return NAN;
    if (w->total == (double)w->count) return gm_quantile_sorted(w->value, w->count, p);
    double wanted = p * (w->total - 1), before = 0; /* rank of the value, from 0 */
    for (int64_t i = 0; i < w->count; i++) {
        before += w->weight[i];
        if (before > wanted) return w->value[i];
    }
    return w->value[w->count - 1];
}

double gm_weighted_share_up_to(const gm_weighted *w, double x)
{
    double up_to = 0;
    if (w->count == 0) return NAN;
    for (int64_t i = 0; i < w->count && w->value[i] <= x; i++) up_to += w->weight[i];
    return up_to / w->total;
}
