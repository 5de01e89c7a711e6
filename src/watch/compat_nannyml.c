/* compat_nannyml.c - NannyML 0.13: a chunk against a fitted reference, and limits from the reference's own chunks.
 *
 * Numbers of Jensen-Shannon and Hellinger are counted in bins of equal width over the reference (Doane), texts value by value;
 * what falls outside is one bin more that the reference has empty. From 10,000 reference values on, KS and Wasserstein work on
 * 10,000 bins.
 *
 * Source     nannyml/drift/univariate/methods.py, version 0.13.1
 * Checked    test/conformance/watch/drift_nannyml.csv: all methods on 7 columns, 14 chunks each, and their limits; 1e-12
 */
#include <math.h>

#include "watch/compat_internal.h"
#include "watch/drift_tests.h"

enum { BINNED_FROM = 10000, BINS = 10000, CHUNKS = 10 };

extern const gm_detector gm_detector_chi_square, gm_detector_ks;

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the bins of a column");
}

/* What no bin of the reference has: as much as is missing to 1, rounding included. */
static void overflow(gm_binned *b)
{
    double sum = 0;
    for (int64_t k = 0; k < b->count; k++) sum += b->q[k];
    if (!(1 - sum > 0)) return;
    b->p[b->count] = 0;
    b->q[b->count++] = 1 - sum;
}

static gm_rc binned_numbers(gm_pair *pair, gm_binned *b, gm_err *err)
{
    const gm_sample *r = pair->reference, *c = pair->current;
    double *edge = gm_numpy_edges(r->low, r->high, gm_doane_width(r), false, pair->arena, &b->count);
    b->p = edge ? GM_ARENA_ARRAY(pair->arena, double, b->count + 1) : NULL;
    b->q = edge ? GM_ARENA_ARRAY(pair->arena, double, b->count + 1) : NULL;
    if (!b->p || !b->q) return no_memory(err);
    gm_numpy_histogram(r, edge, b->count, b->p);
    gm_numpy_histogram(c, edge, b->count, b->q);
    for (int64_t k = 0; k < b->count; k++) {
        b->p[k] /= r->total;
        b->q[k] /= c->total;
    }
    return GM_OK;
}

static gm_rc binned(gm_pair *pair, gm_binned *b, gm_err *err)
{
    const gm_aligned *al = NULL;
    gm_rc rc = pair->texts ? gm_binned_values(pair, b, err) : binned_numbers(pair, b, err);
    if (!rc && pair->texts) rc = gm_pair_aligned(pair, &al, err);
    if (rc) return rc;
    if (al) b->count = al->known;
    overflow(b);
    return GM_OK;
}

gm_rc gm_nannyml_jensen_shannon(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    gm_binned b;
    gm_rc rc = binned(pair, &b, err);
    if (!rc) out->value = out->plain = gm_scipy_jensen_shannon(&b, 2);
    return rc;
}

gm_rc gm_nannyml_hellinger(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    gm_binned b;
    double sum = 0;
    gm_rc rc = binned(pair, &b, err);
    if (rc) return rc;
    for (int64_t k = 0; k < b.count; k++) sum += (sqrt(b.p[k]) - sqrt(b.q[k])) * (sqrt(b.p[k]) - sqrt(b.q[k]));
    out->value = out->plain = sqrt(sum) / sqrt(2);
    return GM_OK;
}

/* Counts of both in 10,000 bins between the reference's smallest and largest value. */
static gm_rc many_bins(gm_pair *pair, gm_binned *b, double *width, gm_err *err)
{
    const gm_sample *r = pair->reference;
    double *edge = gm_numpy_bins(r->low, r->high, BINS, pair->arena);
    *b = (gm_binned){ .count = BINS,
                      .p = GM_ARENA_ARRAY(pair->arena, double, BINS),
                      .q = GM_ARENA_ARRAY(pair->arena, double, BINS) };
    if (!edge || !b->p || !b->q) return no_memory(err);
    gm_numpy_histogram(r, edge, BINS, b->p);
    gm_numpy_histogram(pair->current, edge, BINS, b->q);
    *width = edge[1] - edge[0];
    return GM_OK;
}

static double below(const gm_sample *s, double x)
{
    double n = 0;
    for (int64_t i = 0; i < s->count && s->value[i] < x; i++) n += s->weight[i];
    return n;
}

gm_rc gm_nannyml_ks(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    const gm_sample *r = pair->reference, *c = pair->current;
    gm_binned b;
    double width, most = 0;
    if (r->total < BINNED_FROM) {
        out->value = out->plain = gm_ks_distance(r, c);
        return GM_OK;
    }
    gm_rc rc = many_bins(pair, &b, &width, err);
    if (rc) return rc;
    double up_r = 0, up_c = below(c, r->low) / c->total;
    for (int64_t k = 0; k < b.count; k++) {
        up_r += b.p[k] / r->total;
        up_c += b.q[k] / c->total;
        most = fmax(most, fabs(up_r - up_c));
    }
    out->value = out->plain = most;
    return GM_OK;
}

/* Area under the step function of the values below low, low itself counted once, as that program has it. */
static double area_below(const gm_sample *s, double low, double n)
{
    double up = 0, area = 0;
    for (int64_t i = 0; i < s->count && s->value[i] < low; i++) {
        up += s->weight[i];
        area += up / (n + 1) * ((i + 1 < s->count && s->value[i + 1] < low ? s->value[i + 1] : low) - s->value[i]);
    }
    return area;
}

static double area_above(const gm_sample *s, double high, double n)
{
    double up = 1, area = 0, before = high;
    for (int64_t i = 0; i < s->count; i++) {
        if (s->value[i] <= high) continue;
        area += (1 - up / (n + 1)) * (s->value[i] - before);
        up += s->weight[i];
        before = s->value[i];
    }
    return area;
}

gm_rc gm_nannyml_wasserstein(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    const gm_sample *r = pair->reference, *c = pair->current;
    gm_binned b;
    double width, n = c->total, within = 0, up_r = 0, scale = fmin(r->scale, c->scale);
    if (r->total < BINNED_FROM) {
        out->value = out->plain = gm_wasserstein_distance(r, c, scale) / scale;
        return GM_OK;
    }
    gm_rc rc = many_bins(pair, &b, &width, err);
    if (rc) return rc;
    double smaller = below(c, r->low), bigger = 0;
    for (int64_t i = c->count; i-- > 0 && c->value[i] > r->high;) bigger += c->weight[i];
    double left = smaller > 0 ? (smaller + 1) / n : 0, right = bigger > 0 ? (bigger + 1) / n : 0, up_c = 0;
    for (int64_t k = 0; k < b.count; k++) {
        up_r += b.p[k] / r->total;
        up_c += b.q[k] / n;
        within += fabs(up_r - (up_c + left)) * width;
    }
    out->value = out->plain = within + left * area_below(c, r->low, smaller) + right * area_above(c, r->high, bigger);
    return GM_OK;
}

gm_rc gm_nannyml_l_infinity(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    return gm_tfdv_l_infinity(pair, out, err);
}

/* contingency chi-square - with Yates' correction when there are two values, as scipy.stats.chi2_contingency: counts move towards
 * the expected ones by 0.5 at most. */
gm_rc gm_nannyml_chi_square(gm_pair *pair, gm_detector_value *out, gm_err *err)
{
    const gm_aligned *al = NULL;
    double x2 = 0, df = 0, n = pair->reference->total, m = pair->current->total;
    gm_rc rc = gm_pair_aligned(pair, &al, err);
    if (rc) return rc;
    x2 = gm_chi_square_2(al->reference, al->current, al->count, &df);
    if (df == 1) {
        x2 = 0;
        for (int64_t k = 0; k < al->count; k++) {
            double both = al->reference[k] + al->current[k], er = n * both / (n + m), ec = m * both / (n + m);
            double d = fabs(al->reference[k] - er), moved = d - fmin(0.5, d);
            x2 += both > 0 ? moved * moved / er + moved * moved / ec : 0;
        }
    }
    out->value = out->plain = x2;
    out->p_value = df > 0 ? gm_chi_square_p(x2, df) : 1;
    return GM_OK;
}

/* limit - mean + 3 sd (ddof 0) of the values of the reference's own chunks; the last chunk may be shorter. */
gm_rc gm_nannyml_limit(const gm_drift_options *o, const gm_detector *d, const gm_drift_side *reference, const char *column,
                       gm_pair *pair, gm_arena *a, double *out, gm_err *err)
{
    const gm_column *c = reference->table ? gm_table_find(reference->table, column) : NULL;
    int64_t rows = c ? c->rows : 0, size = o->chunk_rows > 0 ? o->chunk_rows : rows / CHUNKS;
    double sum = 0, squares = 0, count = 0;
    *out = NAN;
    if (!c || size < 1 || d == &gm_detector_chi_square) return GM_OK;
    double *values = GM_ARENA_ARRAY(a, double, rows / size + 1);
    if (!values) return no_memory(err);
    for (int64_t from = 0; from < rows; from += size) {
        gm_column part = *c;
        gm_sample s;
        gm_detector_value v;
        part.rows = rows - from < size ? rows - from : size;
        if (c->type == GM_TYPE_STRING)
            part.code += from;
        else if (c->type == GM_TYPE_FLOAT)
            part.f64 += from;
        else
            part.i64 += from;
        gm_rc rc = gm_sample_of_column(&part, a, &s, err);
        if (!rc && pair->texts && s.type == GM_TYPE_BOOL) rc = gm_sample_as_texts(&s, a, &s, err);
        if (rc) return rc;
        if (!(s.total > 0)) continue;
        gm_pair chunk = { .reference = pair->reference, .current = &s, .texts = pair->texts, .arena = a };
        rc = gm_detector_value_of(d, &chunk, GM_COMPAT_NANNYML, &v, err);
        if (rc) return rc;
        values[(int64_t)count] = v.value;
        sum += v.value;
        count++;
    }
    if (count == 0) return GM_OK;
    for (int64_t k = 0; k < (int64_t)count; k++) squares += (values[k] - sum / count) * (values[k] - sum / count);
    *out = sum / count + 3 * sqrt(squares / count);
    if (d == &gm_detector_ks) *out = fmin(1, *out);
    return GM_OK;
}
