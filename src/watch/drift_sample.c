/* drift_sample.c - see drift_sample.h. */
#include "watch/drift_sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sort.h"

enum { TEXT_KEPT = 256, SORT_SMALL = 1024, SORTED_MAX = 10000 };

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to compare a column");
}

/* ---- numbers ---- */

/* mean and standard deviation (ddof 0) of weighted values, of x = value * scale.
 *
 *   c = S w x / W, up to rounding;  d = x - c;  mean = c + S w d / W;  std = sqrt((S w d^2 - (S w d)^2 / W) / W)
 *
 * Source     Chan, Golub & LeVeque (1983), The American Statistician 37(3):242, the corrected two-pass algorithm
 * Checked    test/conformance/watch/drift_evidently.csv, the normed Wasserstein distances, 1e-12 relative
 */
static void moments(gm_sample *s)
{
    double largest = s->count ? fmax(fabs(s->value[0]), fabs(s->value[s->count - 1])) : 0, sum[4] = { 0 }, first[4] = { 0 },
           second[4] = { 0 };
    s->scale = largest > 0x1p450 ? 0x1p-600 : 1;
    if (s->count == 0) return;
    for (int64_t i = 0; i < s->count; i++) sum[i & 3] += s->weight[i] * (s->value[i] * s->scale);
    double centre = ((sum[0] + sum[1]) + (sum[2] + sum[3])) / s->total;
    for (int64_t i = 0; i < s->count; i++) {
        double d = s->value[i] * s->scale - centre, wd = s->weight[i] * d;
        first[i & 3] += wd;
        second[i & 3] += wd * d;
    }
    double d1 = (first[0] + first[1]) + (first[2] + first[3]), d2 = (second[0] + second[1]) + (second[2] + second[3]);
    s->mean = centre + d1 / s->total;
    s->std = sqrt(fmax(0, d2 - d1 * d1 / s->total) / s->total);
}

/* Equal neighbours become one value with their count. */
static bool merge_equal(double *v, int64_t n, gm_arena *a, gm_sample *s)
{
    int64_t kept = 0;
    double *weight = GM_ARENA_ARRAY(a, double, n);
    if (!weight) return false;
    for (int64_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && v[k] == v[i]; k++) {
        }
        v[kept] = v[i];
        weight[kept++] = (double)(k - i);
    }
    s->value = v;
    s->weight = weight;
    s->count = kept;
    s->total = (double)n;
    return true;
}

static gm_rc numbers_of_column(const gm_column *c, gm_arena *a, gm_sample *s, gm_err *err)
{
    int64_t n = 0;
    bool up = true;
    double *v = GM_ARENA_ARRAY(a, double, c->rows), *scratch = GM_ARENA_ARRAY(a, double, c->rows);
    if (!v || !scratch) return no_memory(err);
    for (int64_t i = 0; i < c->rows; i++) {
        double x = c->type == GM_TYPE_FLOAT ? c->f64[i] : c->i64[i] == GM_MISSING_INT ? (double)NAN : (double)c->i64[i];
        s->missing += isnan(x) != 0;
        s->infinite += isinf(x) != 0;
        v[n] = x;
        up = up && (n == 0 || !(v[n - 1] >= x));
        n += isfinite(x) != 0;
    }
    s->increasing = up && n > 0 && s->infinite == 0;
    if (n < SORT_SMALL)
        gm_sort_doubles(v, n);
    else
        gm_sort_radix(v, NULL, scratch, n);
    if (!merge_equal(v, n, a, s)) return no_memory(err);
    s->distinct = s->count + (s->infinite > 0);
    s->low = s->count ? v[0] : (double)NAN;
    s->high = s->count ? v[s->count - 1] : (double)NAN;
    moments(s);
    return GM_OK;
}

/* ---- texts ---- */

static uint32_t kept_len(const char *text, uint32_t len)
{
    if (len <= TEXT_KEPT) return len;
    len = TEXT_KEPT;
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) len--;
    return len;
}

static int text_order(const gm_category *x, const gm_category *y)
{
    int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int by_count(const void *x, const void *y)
{
    const gm_category *a = x, *b = y;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    return text_order(a, b);
}

/* A table of texts to their places, for as long as one pair is compared. */
typedef struct places {
    uint32_t *slot; /* [size] place + 1; 0 = free */
    uint32_t size;
} places;

static bool places_begin(places *p, int64_t count, gm_arena *a)
{
    p->size = 16;
    while ((int64_t)p->size < 2 * count) p->size *= 2;
    p->slot = GM_ARENA_ARRAY(a, uint32_t, p->size);
    return p->slot != NULL;
}

/* The slot of a text: empty, or that of the equal one among items. */
static uint32_t *place_of(places *p, const gm_category *items, const gm_category *c)
{
    uint32_t at = (uint32_t)(gm_hash_bytes(0, c->text, c->len) >> 32) & (p->size - 1);
    while (p->slot[at]) {
        const gm_category *o = &items[p->slot[at] - 1];
        if (o->len == c->len && memcmp(o->text, c->text, c->len) == 0) break;
        at = (at + 1) & (p->size - 1);
    }
    return &p->slot[at];
}

/* Texts that are equal in what is kept of them become one. Only needed where one was cut. */
static bool merge_cut(gm_category *items, int64_t *count, gm_arena *a)
{
    places p;
    int64_t kept = 0;
    if (!places_begin(&p, *count, a)) return false;
    for (int64_t i = 0; i < *count; i++) {
        uint32_t *slot = place_of(&p, items, &items[i]);
        if (*slot) {
            items[*slot - 1].count += items[i].count;
        } else {
            items[kept++] = items[i];
            *slot = (uint32_t)kept;
        }
    }
    *count = kept;
    return true;
}

static gm_rc texts_of_column(const gm_column *c, gm_arena *a, gm_sample *s, gm_err *err)
{
    int64_t *counts = GM_ARENA_ARRAY(a, int64_t, c->dict->count), used = 0, at = 0;
    bool cut = false;
    if (!counts) return no_memory(err);
    for (int64_t i = 0; i < c->rows; i++) {
        if (c->code[i] < 0)
            s->missing++;
        else
            counts[c->code[i]]++;
    }
    for (int32_t k = 0; k < c->dict->count; k++) used += counts[k] > 0;
    gm_category *items = GM_ARENA_ARRAY(a, gm_category, used);
    if (!items) return no_memory(err);
    for (int32_t k = 0; k < c->dict->count; k++) {
        if (!counts[k]) continue;
        uint32_t len = kept_len(c->dict->texts[k], c->dict->text_lens[k]);
        cut |= len < c->dict->text_lens[k];
        items[at++] = (gm_category){ c->dict->texts[k], len, (double)counts[k] };
    }
    if (cut && !merge_cut(items, &at, a)) return no_memory(err);
    if (at < SORTED_MAX || 2 * at < gm_sample_present(s))
        qsort(items, (size_t)at, sizeof(*items), by_count); /* no order for free text */
    s->category = items;
    s->categories = s->distinct = at;
    s->total = (double)gm_sample_present(s);
    return GM_OK;
}

gm_rc gm_sample_of_column(const gm_column *c, gm_arena *a, gm_sample *out, gm_err *err)
{
    gm_sample s = { .type = c->type, .rows = c->rows, .low = NAN, .high = NAN, .mean = NAN, .std = NAN, .scale = 1 };
    gm_rc rc = c->type == GM_TYPE_STRING ? texts_of_column(c, a, &s, err) : numbers_of_column(c, a, &s, err);
    if (!rc) *out = s;
    return rc;
}

/* ---- from a profile ---- */

static gm_rc texts_of_profile(const gm_profile *p, size_t column, gm_arena *a, gm_sample *s, gm_err *err)
{
    gm_profile_value *top = NULL;
    size_t count = 0;
    int64_t error = 0;
    gm_rc rc = gm_profile_top(p, column, SIZE_MAX, a, &top, &count, &error, err);
    gm_category *items = rc ? NULL : GM_ARENA_ARRAY(a, gm_category, count);
    if (rc) return rc;
    if (!items) return no_memory(err);
    double counted = 0;
    int64_t at = (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        items[i] = (gm_category){ top[i].text, (uint32_t)strlen(top[i].text), (double)top[i].count };
        counted += items[i].count;
    }
    if (!merge_cut(items, &at, a)) return no_memory(err);
    qsort(items, (size_t)at, sizeof(*items), by_count);
    s->category = items;
    s->categories = at;
    s->total = (double)gm_sample_present(s);
    s->rest = fmax(0, s->total - counted);
    s->error = s->total > 0 ? (double)error / s->total : 0;
    return GM_OK;
}

gm_rc gm_sample_of_profile(const gm_profile *p, size_t column, gm_arena *a, gm_sample *out, gm_err *err)
{
    gm_profile_stats stats;
    gm_profile_points points;
    gm_profile_stats_at(p, column, &stats);
    gm_sample s = { .type = stats.type,
                    .rows = stats.rows,
                    .missing = stats.missing,
                    .infinite = stats.infinite,
                    .distinct = stats.distinct,
                    .increasing = stats.increasing,
                    .low = stats.min,
                    .high = stats.max,
                    .mean = NAN,
                    .std = NAN,
                    .scale = 1 };
    gm_rc rc;
    if (stats.type == GM_TYPE_STRING) {
        rc = texts_of_profile(p, column, a, &s, err);
    } else {
        rc = gm_profile_sorted(p, column, a, &points, err);
        if (rc) return rc;
        s.value = points.value;
        s.weight = points.weight;
        s.count = points.count;
        s.total = points.total;
        s.error = points.error;
        moments(&s);
        if (points.error > 0 && s.scale == 1) { /* the profile's own moments are exact */
            double n = (double)(stats.rows - stats.missing - stats.infinite);
            s.mean = stats.mean;
            s.std = stats.std * sqrt((n - 1) / n);
        }
    }
    if (!rc) *out = s;
    return rc;
}

gm_rc gm_sample_as_texts(const gm_sample *s, gm_arena *a, gm_sample *out, gm_err *err)
{
    gm_sample t = *s;
    gm_category *items = GM_ARENA_ARRAY(a, gm_category, s->count);
    if (!items) return no_memory(err);
    for (int64_t i = 0; i < s->count; i++) {
        char text[32];
        const char *word = s->type == GM_TYPE_BOOL ? (s->value[i] != 0 ? "true" : "false") : gm_double_text(s->value[i], text);
        char *copy = gm_arena_strdup(a, word);
        if (!copy) return no_memory(err);
        items[i] = (gm_category){ copy, (uint32_t)strlen(copy), s->weight[i] };
    }
    qsort(items, (size_t)s->count, sizeof(*items), by_count);
    t.category = items;
    t.categories = s->count;
    t.rest = 0;
    *out = t;
    return GM_OK;
}

gm_rc gm_sample_sum_up(gm_sample *s, gm_arena *a, gm_err *err)
{
    double *up = GM_ARENA_ARRAY(a, double, s->count), sum = 0;
    if (!up) return no_memory(err);
    for (int64_t i = 0; i < s->count; i++) up[i] = sum += s->weight[i];
    s->up = up;
    return GM_OK;
}

double gm_sample_up_to(const gm_sample *s, double x, double *out_below)
{
    int64_t low = 0, high = s->count; /* the first value above x */
    while (low < high) {
        int64_t at = low + (high - low) / 2;
        if (s->value[at] <= x)
            low = at + 1;
        else
            high = at;
    }
    double up = low > 0 ? s->up[low - 1] : 0;
    *out_below = low > 0 && s->value[low - 1] == x ? (low > 1 ? s->up[low - 2] : 0) : up;
    return up;
}

/* ---- two sides ---- */

static bool align_numbers(gm_pair *p)
{
    const gm_sample *r = p->reference, *c = p->current;
    int64_t most = r->count + c->count, only = 0;
    double *rc = GM_ARENA_ARRAY(p->arena, double, most), *cc = GM_ARENA_ARRAY(p->arena, double, most),
           *v = GM_ARENA_ARRAY(p->arena, double, most);
    if (!rc || !cc || !v) return false;
    for (int64_t i = 0; i < r->count; i++) {
        v[i] = r->value[i];
        rc[i] = r->weight[i];
    }
    for (int64_t i = 0, k = 0; k < c->count; k++) {
        while (i < r->count && r->value[i] < c->value[k]) i++;
        if (i < r->count && r->value[i] == c->value[k]) {
            cc[i] = c->weight[k];
        } else {
            v[r->count + only] = c->value[k];
            cc[r->count + only++] = c->weight[k];
        }
    }
    p->aligned = (gm_aligned){ .count = r->count + only, .known = r->count, .reference = rc, .current = cc, .value = v };
    return true;
}

static bool align_texts(gm_pair *p)
{
    const gm_sample *r = p->reference, *c = p->current;
    int64_t most = r->categories + c->categories, only = 0;
    double *rc = GM_ARENA_ARRAY(p->arena, double, most), *cc = GM_ARENA_ARRAY(p->arena, double, most);
    gm_category *t = GM_ARENA_ARRAY(p->arena, gm_category, most);
    places known;
    if (!rc || !cc || !t || !places_begin(&known, r->categories, p->arena)) return false;
    for (int64_t i = 0; i < r->categories; i++) {
        t[i] = r->category[i];
        rc[i] = r->category[i].count;
        *place_of(&known, t, &t[i]) = (uint32_t)i + 1;
    }
    for (int64_t k = 0; k < c->categories; k++) {
        uint32_t at = *place_of(&known, t, &c->category[k]);
        if (at) {
            cc[at - 1] = c->category[k].count;
        } else {
            t[r->categories + only] = c->category[k];
            cc[r->categories + only++] = c->category[k].count;
        }
    }
    p->aligned =
        (gm_aligned){ .count = r->categories + only, .known = r->categories, .reference = rc, .current = cc, .category = t };
    return true;
}

gm_rc gm_pair_aligned(gm_pair *p, const gm_aligned **out, gm_err *err)
{
    if (!p->has_aligned && !(p->texts ? align_texts(p) : align_numbers(p))) return no_memory(err);
    p->has_aligned = true;
    *out = &p->aligned;
    return GM_OK;
}
