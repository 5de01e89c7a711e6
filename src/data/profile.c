/* profile.c - counts, moments and sketches of every column in one pass.
 *
 * Invariants
 *  (1) moments are computed per chunk of 65,536 rows and merged in row order; sketches take the values in row order. So a
 *      profile depends on the rows alone;
 *  (2) floats: infinite values are counted, take part in `distinct`, and in nothing else.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sort.h"
#include "data/data_internal.h"
#include "data/profile_internal.h"

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory for the profile"); }

static void clear(void *object)
{
    gm_profile *p = object;
    for (size_t k = 0; k < p->count; k++) {
        gm_values_clear(&p->columns[k].values);
        gm_quantiles_clear(&p->columns[k].quantiles);
    }
}

gm_rc gm_profile_begin(size_t count, const char *const *names, const gm_type *types, gm_arena *a, gm_profile **out, gm_err *err)
{
    gm_profile *p = GM_ARENA_NEW(a, gm_profile);
    if (!p) return no_memory(err);
    *p = (gm_profile){ .count = count, .columns = GM_ARENA_ARRAY(a, gm_profile_column, count) };
    if (!p->columns || !gm_arena_defer(a, clear, p)) return no_memory(err);
    for (size_t k = 0; k < count; k++) {
        p->columns[k] = (gm_profile_column){ .name = gm_arena_strdup(a, names[k]), .type = types[k], .increasing = true };
        p->columns[k].moments.min = p->columns[k].moments.max = NAN;
        p->columns[k].first = p->columns[k].last = NAN;
        p->columns[k].values.texts_kept = types[k] == GM_TYPE_STRING;
        if (!p->columns[k].name) return no_memory(err);
    }
    *out = p;
    return GM_OK;
}

/* ---- moments ---- */

/* sums of powers - count, mean and central moments that merge.
 *
 *   one chunk:  mean = S x / n;  Mk = S (x - mean)^k, k = 2, 3, 4
 *   two parts A, B, d = mean_B - mean_A, n = nA + nB:
 *     mean = mean_A + d nB / n
 *     M2 = M2A + M2B + d^2 nA nB / n
 *     M3 = M3A + M3B + d^3 nA nB (nA - nB) / n^2 + 3 d (nA M2B - nB M2A) / n
 *     M4 = M4A + M4B + d^4 nA nB (nA^2 - nA nB + nB^2) / n^3 + 6 d^2 (nA^2 M2B + nB^2 M2A) / n^2 + 4 d (nA M3B - nB M3A) / n
 *
 * Range      finite values only
 * Source     P. Pebay, Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
 *            Moments (2008), SAND2008-6212, equations 1.3 to 2.1
 * Checked    test/conformance/data/pandas_profile.json: mean, std, skew, kurtosis of pandas, 1e-12 relative
 */
static void merge_moments(gm_moments *a, const gm_moments *b)
{
    if (b->n == 0) return;
    if (a->n == 0) {
        *a = *b;
        return;
    }
    double n = a->n + b->n, d = b->mean - a->mean, ab = a->n * b->n, d2 = d * d;
    double m3 = a->m3 + b->m3 + d2 * d * ab * (a->n - b->n) / (n * n) + 3 * d * (a->n * b->m2 - b->n * a->m2) / n;
    double m4 = a->m4 + b->m4 + d2 * d2 * ab * (a->n * a->n - ab + b->n * b->n) / (n * n * n) +
                6 * d2 * (a->n * a->n * b->m2 + b->n * b->n * a->m2) / (n * n) + 4 * d * (a->n * b->m3 - b->n * a->m3) / n;
    a->mean += d * b->n / n;
    a->m2 += b->m2 + d2 * ab / n;
    a->m3 = m3;
    a->m4 = m4;
    a->n = n;
    double sum = a->sum + b->sum;
    a->sum_error += b->sum_error + (fabs(a->sum) >= fabs(b->sum) ? (a->sum - sum) + b->sum : (b->sum - sum) + a->sum);
    a->sum = sum;
    a->min = fmin(a->min, b->min);
    a->max = fmax(a->max, b->max);
}

/* Four lanes, so that the additions do not wait for each other; the order is fixed. */
static gm_moments moments_of(const double *x, int64_t n)
{
    double s[4] = { 0 }, e[4] = { 0 }, m2[4] = { 0 }, m3[4] = { 0 }, m4[4] = { 0 }, low = x[0], high = x[0];
    for (int64_t i = 0; i < n; i++) {
        double t = s[i & 3] + x[i];
        e[i & 3] += fabs(s[i & 3]) >= fabs(x[i]) ? (s[i & 3] - t) + x[i] : (x[i] - t) + s[i & 3];
        s[i & 3] = t;
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    gm_moments m = { .n = (double)n, .sum = (s[0] + s[1]) + (s[2] + s[3]), .sum_error = (e[0] + e[1]) + (e[2] + e[3]), .min = low, .max = high };
    m.mean = (m.sum + m.sum_error) / m.n;
    for (int64_t i = 0; i < n; i++) {
        double d = x[i] - m.mean, d2 = d * d;
        m2[i & 3] += d2;
        m3[i & 3] += d2 * d;
        m4[i & 3] += d2 * d2;
    }
    m.m2 = (m2[0] + m2[1]) + (m2[2] + m2[3]);
    m.m3 = (m3[0] + m3[1]) + (m3[2] + m3[3]);
    m.m4 = (m4[0] + m4[1]) + (m4[2] + m4[3]);
    return m;
}

/* ---- one chunk of one column ---- */

static void follow(gm_profile_column *p, const double *x, int64_t n)
{
    bool up = p->increasing && !(p->last >= x[0]);
    for (int64_t i = 1; up && i < n; i++) up = x[i - 1] < x[i];
    p->increasing = up;
    if (isnan(p->first)) p->first = x[0];
    p->last = x[n - 1];
}

static bool count_values(gm_values *v, const gm_column *c)
{
    for (int64_t i = 0; i < c->rows; i++) {
        if (c->type == GM_TYPE_FLOAT) {
            if (!isnan(c->f64[i]) && !gm_values_add(v, gm_values_number_key(c->f64[i]), 1, NULL, 0)) return false;
        } else if (c->i64[i] != GM_MISSING_INT && !gm_values_add(v, (uint64_t)c->i64[i], 1, NULL, 0)) {
            return false;
        }
    }
    return true;
}

/* Counts and moments of one chunk; its finite values go to scratch [chunk rows]. Gives how many. */
static int64_t add_moments(gm_profile_column *p, const gm_column *c, double *scratch)
{
    int64_t n = 0;
    for (int64_t i = 0; i < c->rows; i++) {
        double x = gm_column_double(c, i);
        p->infinite += isinf(x) != 0;
        p->zeros += x == 0;
        p->negatives += x < 0;
        p->missing += isnan(x) != 0;
        scratch[n] = x;
        n += isfinite(x) != 0;
    }
    if (n > 0) {
        gm_moments m = moments_of(scratch, n);
        merge_moments(&p->moments, &m);
        follow(p, scratch, n);
    }
    return n;
}

static bool add_numbers(gm_profile_column *p, const gm_column *c, double *scratch)
{
    int64_t n = add_moments(p, c, scratch);
    return count_values(&p->values, c) && gm_quantiles_add(&p->quantiles, scratch, n);
}

static int64_t characters(const char *s, uint32_t n)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < n; i++) count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

static bool add_texts(gm_profile_column *p, const gm_column *c, gm_arena *scratch)
{
    int64_t *counts = GM_ARENA_ARRAY(scratch, int64_t, c->dict->count);
    int32_t *order = GM_ARENA_ARRAY(scratch, int32_t, c->rows);
    int64_t used = 0;
    if (!counts || !order) return false;
    for (int64_t i = 0; i < c->rows; i++) {
        if (c->code[i] < 0) p->missing++;
        else if (counts[c->code[i]]++ == 0) order[used++] = c->code[i]; /* in the order of the rows, not of the dictionary */
    }
    for (int64_t i = 0; i < used; i++) {
        const char *text = c->dict->texts[order[i]];
        uint32_t len = c->dict->text_lens[order[i]];
        int64_t n = counts[order[i]], length = characters(text, len);
        if (p->length_sum == 0 && p->length_max == 0 && p->values.count == 0) p->length_min = length;
        if (length < p->length_min) p->length_min = length;
        if (length > p->length_max) p->length_max = length;
        p->length_sum += n * length;
        if (!gm_values_add(&p->values, gm_hash_bytes(0, text, len), n, text, len)) return false;
    }
    return true;
}

gm_rc gm_profile_add(gm_profile *p, const gm_table *chunk, gm_arena *a, gm_err *err)
{
    (void)a;
    gm_assert(chunk->columns_count == p->count);
    gm_arena *scratch = gm_arena_new(0);
    double *numbers = scratch ? GM_ARENA_ARRAY(scratch, double, chunk->rows + 1) : NULL;
    bool ok = numbers != NULL;
    for (size_t k = 0; ok && k < p->count; k++) {
        const gm_column *c = &chunk->columns[k];
        p->columns[k].rows += chunk->rows;
        ok = c->type == GM_TYPE_STRING ? add_texts(&p->columns[k], c, scratch) : add_numbers(&p->columns[k], c, numbers);
    }
    p->rows += chunk->rows;
    gm_arena_free(scratch);
    return ok ? GM_OK : no_memory(err);
}

gm_rc gm_profile_of(const gm_table *t, gm_arena *a, gm_profile **out, gm_err *err)
{
    gm_profile *p = NULL;
    gm_table_chunks ctx;
    gm_chunks chunks;
    gm_rc rc = gm_chunks_of_table(t, a, &ctx, &chunks, err);
    if (!rc) rc = gm_profile_begin(chunks.count, chunks.names, chunks.types, a, &p, err);
    while (!rc) {
        gm_table chunk;
        rc = chunks.next(chunks.ctx, &chunk, err);
        if (rc || chunk.rows == 0) break;
        rc = gm_profile_add(p, &chunk, a, err);
    }
    if (!rc) *out = p;
    return rc;
}

gm_rc gm_basic_of(const gm_column *c, gm_basic *out, gm_err *err)
{
    gm_profile_column p = { .type = c->type, .moments = { .min = NAN, .max = NAN }, .first = NAN, .last = NAN };
    double *scratch = c->type == GM_TYPE_STRING ? NULL : malloc(GM_CHUNK_ROWS * sizeof(double));
    if (c->type != GM_TYPE_STRING && !scratch) return no_memory(err);
    for (int64_t from = 0; from < c->rows; from += GM_CHUNK_ROWS) {
        gm_column part;
        gm_table one = { .rows = c->rows, .columns_count = 1, .columns = (gm_column[]){ *c } }, view;
        gm_table_view(&one, from, c->rows - from < GM_CHUNK_ROWS ? c->rows - from : GM_CHUNK_ROWS, &part, &view);
        if (c->type != GM_TYPE_STRING) (void)add_moments(&p, &part, scratch);
        else
            for (int64_t i = 0; i < part.rows; i++) p.missing += part.code[i] < 0;
    }
    free(scratch);
    const gm_moments *m = &p.moments;
    *out = (gm_basic){ .missing = p.missing, .present = c->rows - p.missing, .mean = m->n > 0 ? m->mean : NAN, .std = m->n >= 2 ? sqrt(m->m2 / (m->n - 1)) : NAN,
                       .sum = m->sum + m->sum_error, .min = m->min, .max = m->max };
    return GM_OK;
}

/* ---- merging ---- */

static bool merge_column(gm_profile_column *into, const gm_profile_column *o)
{
    bool into_empty = into->rows == into->missing, other_empty = o->rows == o->missing;
    into->increasing = into->increasing && o->increasing && !(into->last >= o->first);
    if (isnan(into->first)) into->first = o->first;
    if (!isnan(o->last)) into->last = o->last;
    if (!other_empty) {
        into->length_min = into_empty || o->length_min < into->length_min ? o->length_min : into->length_min;
        into->length_max = o->length_max > into->length_max ? o->length_max : into->length_max;
    }
    into->length_sum += o->length_sum;
    into->rows += o->rows;
    into->missing += o->missing;
    into->infinite += o->infinite;
    into->zeros += o->zeros;
    into->negatives += o->negatives;
    merge_moments(&into->moments, &o->moments);
    return gm_values_merge(&into->values, &o->values) && gm_quantiles_merge(&into->quantiles, &o->quantiles);
}

gm_rc gm_profile_merge(gm_profile *into, const gm_profile *other, gm_arena *a, gm_err *err)
{
    (void)a;
    if (into->count != other->count)
        return gm_err_set(err, GM_EINVALID, "the profiles have %zu and %zu columns", into->count, other->count);
    for (size_t k = 0; k < into->count; k++) {
        size_t from = gm_profile_find(other, into->columns[k].name);
        if (from == SIZE_MAX) return gm_err_set(err, GM_EINVALID, "the other profile has no column \"%.100s\"", into->columns[k].name);
        if (other->columns[from].type != into->columns[k].type)
            return gm_err_set(err, GM_EINVALID, "column \"%.100s\" is %s in one profile and %s in the other", into->columns[k].name,
                              gm_type_name(into->columns[k].type), gm_type_name(other->columns[from].type));
    }
    for (size_t k = 0; k < into->count; k++)
        if (!merge_column(&into->columns[k], &other->columns[gm_profile_find(other, into->columns[k].name)])) return no_memory(err);
    into->rows += other->rows;
    return GM_OK;
}

/* ---- reading ---- */

size_t gm_profile_count(const gm_profile *p) { return p->count; }
int64_t gm_profile_rows(const gm_profile *p) { return p->rows; }

size_t gm_profile_find(const gm_profile *p, const char *name)
{
    for (size_t k = 0; k < p->count; k++)
        if (strcmp(p->columns[k].name, name) == 0) return k;
    return SIZE_MAX;
}

/* std, skew, kurtosis - as pandas reports them.
 *
 *   std = sqrt(M2 / (n - 1));  with m_k = M_k / n:
 *   skew G1 = m3 / m2^1.5 * sqrt(n (n - 1)) / (n - 2)
 *   kurtosis G2 = (n - 1) / ((n - 2) (n - 3)) * ((n + 1) (m4 / m2^2 - 3) + 6)      (excess)
 *
 * Undefined  std for n < 2, skew for n < 3, kurtosis for n < 4: NaN; a constant column has skew and kurtosis 0
 * Source     Joanes & Gill (1998), The Statistician 47(1):183, G1 and G2
 * Checked    test/conformance/data/pandas_profile.json, 1e-12 relative
 */
static void shape(const gm_moments *m, gm_profile_stats *out)
{
    double n = m->n;
    out->std = n >= 2 ? sqrt(m->m2 / (n - 1)) : NAN;
    out->skew = n >= 3 ? 0 : NAN;
    out->kurtosis = n >= 4 ? 0 : NAN;
    double m2 = m->m2 / n;
    if (!(m2 > 0)) return;
    if (n >= 3) out->skew = m->m3 / n / (m2 * sqrt(m2)) * sqrt(n * (n - 1)) / (n - 2);
    if (n >= 4) out->kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (m->m4 / n / (m2 * m2) - 3) + 6);
}

void gm_profile_stats_at(const gm_profile *p, size_t column, gm_profile_stats *out)
{
    gm_assert(column < p->count);
    const gm_profile_column *c = &p->columns[column];
    int64_t present = c->rows - c->missing;
    *out = (gm_profile_stats){ .name = c->name, .type = c->type, .rows = c->rows, .missing = c->missing, .infinite = c->infinite,
                               .zeros = c->zeros, .negatives = c->negatives, .distinct = gm_values_distinct(&c->values),
                               .distinct_exact = c->values.hll == NULL, .increasing = c->increasing && c->infinite == 0 && present > 0,
                               .min = c->moments.min, .max = c->moments.max, .mean = c->moments.n > 0 ? c->moments.mean : NAN,
                               .sum = c->moments.sum + c->moments.sum_error, .length_min = c->length_min, .length_max = c->length_max,
                               .length_mean = present > 0 ? (double)c->length_sum / (double)present : NAN };
    if (c->type == GM_TYPE_STRING) out->increasing = false;
    if (out->increasing) { /* known without a sketch */
        out->distinct = present;
        out->distinct_exact = true;
    }
    if (out->distinct > present) out->distinct = present;
    shape(&c->moments, out);
}

static gm_rc sorted(const gm_profile *p, size_t column, gm_weighted *out, gm_err *err)
{
    gm_assert(column < p->count);
    if (p->columns[column].type == GM_TYPE_STRING)
        return gm_err_set(err, GM_EINVALID, "column \"%.100s\" holds texts, which have no quantiles", p->columns[column].name);
    return gm_quantiles_sorted(&p->columns[column].quantiles, out) ? GM_OK : no_memory(err);
}

gm_rc gm_profile_quantiles(const gm_profile *p, size_t column, const double *p_list, size_t count, double *out, gm_err *err)
{
    gm_weighted w;
    gm_rc rc = sorted(p, column, &w, err);
    if (rc) return rc;
    const gm_moments *m = &p->columns[column].moments;
    for (size_t i = 0; i < count; i++) /* the ends are known exactly */
        out[i] = w.count > 0 && p_list[i] <= 0 ? m->min : w.count > 0 && p_list[i] >= 1 ? m->max : gm_weighted_quantile(&w, p_list[i]);
    free(w.value);
    free(w.weight);
    return GM_OK;
}

gm_rc gm_profile_shares(const gm_profile *p, size_t column, const double *x_list, size_t count, double *out, gm_err *err)
{
    gm_weighted w;
    gm_rc rc = sorted(p, column, &w, err);
    if (rc) return rc;
    for (size_t i = 0; i < count; i++) out[i] = gm_weighted_share_up_to(&w, x_list[i]);
    free(w.value);
    free(w.weight);
    return GM_OK;
}

static double number_of(gm_type type, uint64_t key)
{
    double v;
    memcpy(&v, &key, sizeof(v));
    return type == GM_TYPE_FLOAT ? v : (double)(int64_t)key;
}

/* From the counted values while they are all there, else from the quantile sketch. */
gm_rc gm_profile_sorted(const gm_profile *p, size_t column, gm_arena *a, gm_profile_points *out, gm_err *err)
{
    gm_assert(column < p->count);
    const gm_profile_column *c = &p->columns[column];
    const gm_quantiles *q = &c->quantiles;
    if (c->type == GM_TYPE_STRING) return gm_err_set(err, GM_EINVALID, "column \"%.100s\" holds texts, which have no order", c->name);
    bool counted = !c->values.dropped, exact = counted || q->exact || q->count == 0;
    int64_t n = counted ? c->values.count : q->exact ? q->count : 0;
    for (size_t h = 0; !exact && h < GM_QUANTILES_LEVELS; h++) n += q->level_count[h];
    double *value = GM_ARENA_ARRAY(a, double, n + 1), *weight = GM_ARENA_ARRAY(a, double, n + 1), *scratch = GM_ARENA_ARRAY(a, double, 2 * n + 1);
    if (!value || !weight || !scratch) return no_memory(err);
    int64_t at = 0, kept = 0;
    for (uint32_t i = 0; counted && i < c->values.count; i++) {
        double v = number_of(c->type, c->values.items[i].key);
        if (!isfinite(v)) continue;
        value[at] = v;
        weight[at++] = (double)c->values.items[i].count;
    }
    for (int64_t i = 0; !counted && q->exact && i < q->count; i++) {
        value[at] = q->exact[i];
        weight[at++] = 1;
    }
    for (size_t h = 0; !exact && h < GM_QUANTILES_LEVELS; h++) {
        for (uint32_t i = 0; i < q->level_count[h]; i++) {
            value[at] = q->level[h][i];
            weight[at++] = ldexp(1, (int)h);
        }
    }
    gm_sort_radix(value, weight, scratch, at);
    double total = 0;
    for (int64_t i = 0; i < at; i++) {
        total += weight[i];
        if (kept > 0 && value[kept - 1] == value[i]) {
            weight[kept - 1] += weight[i];
        } else {
            value[kept] = value[i];
            weight[kept++] = weight[i];
        }
    }
    *out = (gm_profile_points){ .value = value, .weight = weight, .count = kept, .total = total,
                                .error = exact ? 0 : log2((double)q->count / GM_QUANTILES_LEVEL) / (2 * GM_QUANTILES_LEVEL) };
    return GM_OK;
}

typedef struct ranked {
    int64_t count;
    uint32_t index;
} ranked;

static int by_count(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    return (a->index > b->index) - (a->index < b->index);
}

static const char *value_text(const gm_profile_column *c, const gm_value *v, gm_arena *a)
{
    char text[64];
    gm_column one = { .name = c->name, .type = c->type, .rows = 1 };
    if (c->type == GM_TYPE_STRING) return gm_arena_strndup(a, c->values.texts ? c->values.texts + v->text_at : "", v->text_len);
    int64_t whole = (int64_t)v->key;
    double number;
    memcpy(&number, &v->key, sizeof(number));
    if (c->type == GM_TYPE_FLOAT) one.f64 = &number;
    else one.i64 = &whole;
    return gm_arena_strdup(a, gm_column_show(&one, 0, text, sizeof(text)));
}

gm_rc gm_profile_top(const gm_profile *p, size_t column, size_t max, gm_arena *a, gm_profile_value **out, size_t *out_count, int64_t *out_error,
                     gm_err *err)
{
    gm_assert(column < p->count);
    const gm_profile_column *c = &p->columns[column];
    size_t count = c->values.count < max ? c->values.count : max;
    ranked *order = malloc((c->values.count + 1) * sizeof(*order));
    gm_profile_value *top = GM_ARENA_ARRAY(a, gm_profile_value, count);
    if (!order || !top) {
        free(order);
        return no_memory(err);
    }
    for (uint32_t i = 0; i < c->values.count; i++) order[i] = (ranked){ c->values.items[i].count, i };
    qsort(order, c->values.count, sizeof(*order), by_count);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        top[i] = (gm_profile_value){ value_text(c, &c->values.items[order[i].index], a), order[i].count };
        ok = top[i].text != NULL;
    }
    free(order);
    if (!ok) return no_memory(err);
    *out = top;
    *out_count = count;
    if (out_error) *out_error = c->values.error;
    return GM_OK;
}

void gm_profile_json(const gm_profile *p, gm_json *j)
{
    static const double points[] = { 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99 };
    double quantiles[7];
    gm_json_object(j);
    gm_json_kint(j, "rows", p->rows);
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (size_t k = 0; k < p->count; k++) {
        gm_profile_stats s;
        gm_profile_stats_at(p, k, &s);
        gm_json_object(j);
        gm_json_kstr(j, "name", s.name);
        gm_json_kstr(j, "type", gm_type_name(s.type));
        gm_json_kint(j, "missing", s.missing);
        gm_json_kint(j, "distinct", s.distinct);
        gm_json_kbool(j, "distinct_exact", s.distinct_exact);
        if (s.type == GM_TYPE_STRING) {
            gm_json_kint(j, "length_min", s.length_min);
            gm_json_kint(j, "length_max", s.length_max);
            gm_json_kdouble(j, "length_mean", s.length_mean);
        } else {
            gm_json_kdouble(j, "min", s.min);
            gm_json_kdouble(j, "max", s.max);
            gm_json_kdouble(j, "mean", s.mean);
            gm_json_kdouble(j, "std", s.std);
            gm_json_kdouble(j, "skew", s.skew);
            gm_json_kdouble(j, "kurtosis", s.kurtosis);
            gm_json_kint(j, "zeros", s.zeros);
            gm_json_kint(j, "negatives", s.negatives);
            gm_json_kint(j, "infinite", s.infinite);
            if (gm_profile_quantiles(p, k, points, 7, quantiles, NULL) == GM_OK) {
                gm_json_key(j, "quantiles");
                gm_json_array(j);
                for (size_t i = 0; i < 7; i++) gm_json_double(j, quantiles[i]);
                gm_json_array_end(j);
            }
        }
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}
