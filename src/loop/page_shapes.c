/* page_shapes.c - how the values of a column lie on both sides, from profiles. See page.h. */
#include <math.h>
#include <string.h>

#include "loop/page.h"

enum { BINS = 24, TEXTS = 7 };

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the charts of a page");
}

/* From the half percent of both sides that is smallest to the one that is largest: a single value far out would flatten all
 * others. */
static bool range_of(const gm_profile *p, size_t k, double *low, double *high)
{
    double q[2] = { NAN, NAN };
    if (gm_profile_quantiles(p, k, (const double[]){ 0.005, 0.995 }, 2, q, NULL) || isnan(q[0])) return false;
    *low = fmin(*low, q[0]);
    *high = fmax(*high, q[1]);
    return true;
}

static void bin(const gm_profile *p, size_t k, const gm_page_shape *s, double *out)
{
    double edges[BINS - 1], below[BINS - 1];
    for (size_t i = 0; i + 1 < BINS; i++) edges[i] = s->low + (s->high - s->low) * (double)(i + 1) / BINS;
    if (gm_profile_shares(p, k, edges, BINS - 1, below, NULL)) return;
    for (size_t i = 0; i < BINS; i++) {
        double share = (i + 1 < BINS ? below[i] : 1) - (i ? below[i - 1] : 0);
        out[i] = isfinite(share) && share > 0 ? share : 0;
    }
}

static gm_rc numbers(const gm_profile *r, size_t i, const gm_profile *c, size_t k, gm_arena *a, gm_page_shape *s, gm_err *err)
{
    double low = INFINITY, high = -INFINITY;
    bool any = range_of(r, i, &low, &high);
    any = range_of(c, k, &low, &high) || any;
    if (!any || !isfinite(low) || !isfinite(high)) return GM_OK;
    s->low = low;
    s->high = high > low ? high : low + 1;
    s->reference = GM_ARENA_ARRAY(a, double, BINS);
    s->current = GM_ARENA_ARRAY(a, double, BINS);
    if (!s->reference || !s->current) return no_memory(err);
    s->bins = BINS;
    bin(r, i, s, s->reference);
    bin(c, k, s, s->current);
    return GM_OK;
}

static int64_t present(const gm_profile *p, size_t k)
{
    gm_profile_stats s;
    gm_profile_stats_at(p, k, &s);
    return s.rows - s.missing;
}

/* Shares of the labels, and of what is left over. */
static gm_rc count(const gm_profile *p, size_t k, const gm_page_shape *s, gm_arena *a, double *out, gm_err *err)
{
    gm_profile_value *top = NULL;
    size_t n = 0;
    int64_t error = 0, all = present(p, k);
    double rest = 1;
    gm_rc rc = gm_profile_top(p, k, 10000, a, &top, &n, &error, err);
    if (rc || all <= 0) return rc;
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b + 1 < s->bins; b++)
            if (strcmp(s->labels[b], top[i].text) == 0) {
                out[b] = (double)top[i].count / (double)all;
                rest -= out[b];
            }
    out[s->bins - 1] = rest > 0 ? rest : 0;
    return GM_OK;
}

static gm_rc texts(const gm_profile *r, size_t i, const gm_profile *c, size_t k, gm_arena *a, gm_page_shape *s, gm_err *err)
{
    gm_profile_value *top = NULL, *now = NULL;
    size_t n = 0, m = 0, used = 0;
    int64_t error = 0;
    const char **labels = GM_ARENA_ARRAY(a, const char *, TEXTS + 2);
    gm_rc rc = gm_profile_top(r, i, TEXTS, a, &top, &n, &error, err);
    if (!rc) rc = gm_profile_top(c, k, 2, a, &now, &m, &error, err);
    if (!rc && !labels) rc = no_memory(err);
    if (rc || n + m == 0) return rc;
    for (size_t b = 0; b < n; b++) labels[used++] = top[b].text;
    for (size_t b = 0; b < m && used < TEXTS + 1; b++) { /* what is frequent now and was not then */
        bool there = false;
        for (size_t q = 0; q < used && !there; q++) there = strcmp(labels[q], now[b].text) == 0;
        if (!there) labels[used++] = now[b].text;
    }
    labels[used++] = "others";
    s->labels = labels;
    s->reference = GM_ARENA_ARRAY(a, double, used);
    s->current = GM_ARENA_ARRAY(a, double, used);
    if (!s->reference || !s->current) return no_memory(err);
    s->bins = used;
    rc = count(r, i, s, a, s->reference, err);
    return rc ? rc : count(c, k, s, a, s->current, err);
}

gm_rc gm_page_shapes(const gm_profile *reference, const gm_profile *current, const char *const *columns, size_t count_columns,
                     gm_arena *a, gm_page_shape **out, size_t *out_count, gm_err *err)
{
    gm_page_shape *shapes = GM_ARENA_ARRAY(a, gm_page_shape, count_columns);
    size_t n = 0;
    if (!shapes) return no_memory(err);
    for (size_t q = 0; q < count_columns; q++) {
        gm_profile_stats r, c;
        size_t i = gm_profile_find(reference, columns[q]), k = gm_profile_find(current, columns[q]);
        if (i == SIZE_MAX || k == SIZE_MAX) continue;
        gm_profile_stats_at(reference, i, &r);
        gm_profile_stats_at(current, k, &c);
        shapes[n] = (gm_page_shape){ .name = columns[q], .type = r.type };
        bool both_texts = r.type == GM_TYPE_STRING && c.type == GM_TYPE_STRING,
             one_text = r.type == GM_TYPE_STRING || c.type == GM_TYPE_STRING;
        gm_rc rc = both_texts ? texts(reference, i, current, k, a, &shapes[n], err)
                   : one_text ? GM_OK
                              : numbers(reference, i, current, k, a, &shapes[n], err);
        if (rc) return rc;
        if (shapes[n].bins) n++;
    }
    *out = shapes;
    *out_count = n;
    return GM_OK;
}
