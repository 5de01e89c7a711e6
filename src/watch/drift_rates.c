/* drift_rates.c - the changes that no detector of values sees: missing, never seen, out of range.
 *
 * Each is a share of rows, compared with a limit. A verdict needs the share above its limit and four standard errors above what
 * no drift is expected to give, so that a few rows of a small window do not alarm. An alarm's words come before those on why the
 * values themselves were not judged.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "watch/drift_internal.h"

#define SURE 4.0 /* standard errors: one chance in 30,000 */

static double limit_or(double limit)
{
    return limit > 0 ? limit : GM_DRIFT_RATE_LIMIT;
}

/* Is a share of n rows surely above what is expected?
 *
 *   s = (k + z^2 e) / (n + z^2), against e + z sqrt(s (1 - s) / (n + z^2)),  k of n rows, z = SURE, e the expected share
 *
 * z^2 = 16 rows more that are as expected: so the error of a share of 1 is not 0, and nine rows are too few for any verdict.
 * Source     after Agresti and Coull (1998), The American Statistician 52:119-126, who add as many of which half count
 */
static bool surely(double share, double expected, double n)
{
    double s = (share * n + SURE * SURE * expected) / (n + SURE * SURE);
    return s - expected > SURE * sqrt(s * (1 - s) / (n + SURE * SURE));
}

/* a rise of the missing share
 *
 *   rise = q - p, against 4 sqrt(s (1 - s) (1/n + 1/m)),  p, q the missing shares of n and m rows, s that of both together
 */
static void missing(const gm_drift_options *o, const gm_pair *pair, gm_drift_column *c)
{
    double n = (double)pair->reference->rows, m = (double)pair->current->rows;
    double both = (double)(pair->reference->missing + pair->current->missing) / (n + m),
           rise = c->missing_current - c->missing_reference;
    c->missing_rose = rise > limit_or(o->missing_limit) && rise > SURE * sqrt(both * (1 - both) * (1 / n + 1 / m));
}

static int by_current(const void *x, const void *y)
{
    const gm_category *a = x, *b = y;
    return (a->count < b->count) - (a->count > b->count);
}

/* "new values: XX (31 of 900), YY (4)": the three most frequent. */
static const char *new_texts(const gm_aligned *al, int64_t present, gm_arena *a)
{
    enum { SHOWN = 3, KEPT = 40 };
    int64_t count = al->count - al->known, shown = 0;
    gm_category *items = GM_ARENA_ARRAY(a, gm_category, count);
    const char *text = "new values:";
    if (!items) return NULL;
    for (int64_t i = 0; i < count; i++) {
        items[i] = al->category[al->known + i];
        items[i].count = al->current[al->known + i];
    }
    qsort(items, (size_t)count, sizeof(*items), by_current);
    for (; text && shown < count && shown < SHOWN; shown++) {
        int len = items[shown].len < KEPT ? (int)items[shown].len : KEPT;
        while (len > 0 && len < (int)items[shown].len && ((unsigned char)items[shown].text[len] & 0xC0) == 0x80) len--;
        text = gm_arena_printf(a, "%s%s %.*s (%.0f%s)", text, shown ? "," : "", len, items[shown].text, items[shown].count,
                               shown ? "" : gm_arena_printf(a, " of %lld", (long long)present));
    }
    if (text && count > shown) text = gm_arena_printf(a, "%s, and %lld more", text, (long long)(count - shown));
    return text;
}

/* values never seen in the reference: expected f1 / n of them, f1 the number of values that the reference has once (I. J. Good
 * 1953, Biometrika 40:237: the chance that the next row is new) */
static gm_rc never_seen(const gm_drift_options *o, gm_pair *pair, gm_drift_column *c, gm_arena *a, gm_err *err)
{
    const gm_aligned *al = NULL;
    double unseen = 0, once = 0;
    gm_rc rc = gm_pair_aligned(pair, &al, err);
    if (rc) return rc;
    for (int64_t i = 0; i < al->known; i++) once += al->reference[i] == 1;
    for (int64_t i = al->known; i < al->count; i++) unseen += al->current[i];
    double n = pair->reference->total, m = pair->current->total;
    if (pair->reference->rest > 0 || !(m > 0) || !(n > 0)) return GM_OK; /* nobody knows what a sketch has forgotten */
    c->new_share = unseen / m;
    c->new_values = c->new_share > limit_or(o->new_limit) && surely(c->new_share, once / n, m);
    if (!c->new_values) return GM_OK;
    c->why = new_texts(al, c->rows_current, a);
    return c->why ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to name new values");
}

/* outside the reference's smallest and largest value: expected 2 / (n + 1). An infinity is outside unless the reference has some.
 */
static gm_rc range(const gm_drift_options *o, const gm_pair *pair, gm_drift_column *c, gm_arena *a, gm_err *err)
{
    const gm_sample *r = pair->reference, *s = pair->current;
    double outside = r->infinite ? 0 : (double)s->infinite, present = (double)gm_sample_present(s);
    if (r->count == 0 || !(present > 0)) return GM_OK;
    double low = r->low, high = r->high;
    for (int64_t i = 0; i < s->count && s->value[i] < low; i++) outside += s->weight[i];
    for (int64_t i = s->count; i-- > 0 && s->value[i] > high;) outside += s->weight[i];
    c->range_share = outside / present;
    c->out_of_range = c->range_share > limit_or(o->range_limit) && surely(c->range_share, 2 / (r->total + 1), present);
    if (!c->out_of_range) return GM_OK;
    c->why = gm_arena_printf(a, "outside %.6g to %.6g: %.0f of %.0f", low, high, outside, present);
    return c->why ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to name a range");
}

gm_rc gm_drift_rates(const gm_drift_options *o, gm_pair *pair, gm_drift_column *c, gm_arena *a, gm_err *err)
{
    const gm_sample *r = pair->reference, *s = pair->current;
    if (r->rows > 0 && s->rows > 0) missing(o, pair, c);
    if (gm_drift_kind_of(r) != GM_DRIFT_VALUES || (r->type == GM_TYPE_STRING) != (s->type == GM_TYPE_STRING) ||
        s->type == GM_TYPE_TIME)
        return GM_OK;
    return pair->texts ? never_seen(o, pair, c, a, err) : range(o, pair, c, a, err);
}
