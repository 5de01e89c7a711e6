/* domain.c - can a classifier tell the rows of two tables apart?
 *
 *   Rows of both tables, labelled by where they come from, are dealt by lot into five folds with equal shares of each table. Boosted trees
 *   (estimate_boost.h) learned on four of them give the rows of the fifth a chance of being current.
 *
 *   auc    ROC AUC of the chances of all rows together, ties one half: 0.5 = they look alike, 1 = each row gives itself away
 *   limit  0.65, or 0.5 + 3 sqrt((n0 + n1 + 1) / (12 n0 n1)) where few rows make chance reach further; below 0.45 folds disagree by chance alone
 *   gain   of each column in the first ten trees of each fold: later ones split noise
 *
 * Each table is cut to rows_max rows by an even stride, so that its whole time is seen.
 * Missing    as the trees take it
 * Source     Rabanser, Guenther and Lipton (2019), NeurIPS: classifier two-sample test; limits: NannyML 0.13; variance under no difference:
 *            Mann and Whitney (1947)
 * Checked    test_estimate_domain.c: rows of one kind, shifted ones, columns that only together have changed. NannyML deals folds in the order of rows:
 *            its numbers differ; docs/numerics/multivariate-drift.md
 */
#include <stdlib.h>

#include "base/random.h"
#include "watch/estimate_boost.h"
#include "watch/estimate_columns.h"
#include "watch/estimate_internal.h"

enum { FOLDS = 5, SIDE_ROWS_MIN = 50, SIDE_ROWS_MAX = 5000 };

/* Both tables' rows in one matrix, fold after fold. */
typedef struct rows {
    gm_coder coder;
    int64_t count, side[2];
    double *x;              /* [columns, count] */
    double *y;              /* [count] 1 = current */
    double *chance;         /* [count] */
    bool *category;         /* [columns] */
    int64_t from[FOLDS + 1]; /* rows of fold f: from[f] .. from[f + 1] - 1 */
} rows;

static gm_rc no_memory(gm_err *err, int64_t count)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to tell %lld rows apart", (long long)count);
}

/* count rows of total by an even stride, in an order by lot. */
static void draw(gm_random *r, int64_t total, int64_t count, int64_t *out)
{
    for (int64_t i = 0; i < count; i++) out[i] = i * total / count;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = gm_random_below(r, i + 1), kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}

/* A column of the matrix is filled fold by fold: the fold's part of each side. */
static gm_rc lay_out(rows *d, const gm_table *const tables[2], uint64_t seed, gm_arena *scratch, gm_err *err)
{
    gm_random r;
    gm_random_init(&r, seed);
    int64_t *drawn[2], at = 0;
    for (int s = 0; s < 2; s++) {
        drawn[s] = GM_ARENA_ARRAY(scratch, int64_t, d->side[s]);
        if (!drawn[s]) return no_memory(err, d->count);
        draw(&r, tables[s]->rows, d->side[s], drawn[s]);
    }
    for (int f = 0; f < FOLDS; f++) {
        d->from[f] = at;
        for (int s = 0; s < 2; s++) {
            int64_t begin = d->side[s] * f / FOLDS, count = d->side[s] * (f + 1) / FOLDS - begin;
            gm_rc rc = gm_coder_apply(&d->coder, tables[s], drawn[s] + begin, count, d->count, d->x + at, scratch, err);
            if (rc) return rc;
            for (int64_t i = 0; i < count; i++) d->y[at + i] = s;
            at += count;
        }
    }
    d->from[FOLDS] = at;
    return GM_OK;
}

/* Columns of rows [from, until), or of all others, closely packed. Returns how many rows. */
static int64_t pack(const rows *d, int64_t from, int64_t until, bool others, double *x, double *y)
{
    int64_t inside = until - from, count = others ? d->count - inside : inside;
    for (size_t c = 0; c < d->coder.count; c++) {
        const double *column = d->x + (int64_t)c * d->count;
        double *to = x + (int64_t)c * count;
        for (int64_t i = others ? 0 : from; i < (others ? d->count : until); i++)
            if (!others || i < from || i >= until) *to++ = column[i];
    }
    for (int64_t i = 0, k = 0; others && i < d->count; i++)
        if (i < from || i >= until) y[k++] = d->y[i];
    return count;
}

static gm_rc learn_fold(rows *d, int f, double *x, double *y, double *gain, uint64_t seed, gm_err *err)
{
    gm_boost *b = NULL;
    int64_t count = pack(d, d->from[f], d->from[f + 1], true, x, y);
    gm_rc rc = gm_boost_fit(&(gm_boost_data){ .x = x, .y = y, .rows = count, .columns = (int64_t)d->coder.count, .category = d->category,
                                              .classify = true, .seed = seed }, &b, err);
    if (rc) return rc;
    count = pack(d, d->from[f], d->from[f + 1], false, x, y);
    rc = gm_boost_predict(b, x, count, d->chance + d->from[f], err);
    if (!rc) rc = gm_boost_add_gain(b, gain, err);
    gm_boost_free(b);
    return rc;
}

static gm_rc allocate(rows *d, const gm_table *const tables[2], int64_t rows_max, gm_arena *scratch, gm_err *err)
{
    for (int s = 0; s < 2; s++) d->side[s] = tables[s]->rows < rows_max ? tables[s]->rows : rows_max;
    d->count = d->side[0] + d->side[1];
    d->x = GM_ARENA_ARRAY(scratch, double, d->count * (int64_t)d->coder.count);
    d->y = GM_ARENA_ARRAY(scratch, double, d->count);
    d->chance = GM_ARENA_ARRAY(scratch, double, d->count);
    d->category = GM_ARENA_ARRAY(scratch, bool, d->coder.count);
    if (!d->x || !d->y || !d->chance || !d->category) return no_memory(err, d->count);
    for (size_t c = 0; c < d->coder.count; c++) d->category[c] = d->coder.text[c];
    return GM_OK;
}

static gm_rc learn(rows *d, uint64_t seed, double *gain, gm_arena *scratch, double *out_auc, gm_err *err)
{
    double *x = GM_ARENA_ARRAY(scratch, double, d->count * (int64_t)d->coder.count), *y = GM_ARENA_ARRAY(scratch, double, d->count);
    if (!x || !y) return no_memory(err, d->count);
    gm_rc rc = GM_OK;
    for (int f = 0; !rc && f < FOLDS; f++) rc = learn_fold(d, f, x, y, gain, seed, err);
    const gm_item *auc = NULL;
    if (!rc) rc = gm_registry_find(&gm_metrics, "roc_auc", &auc, err);
    gm_scores s = { .task = GM_TASK_BINARY, .rows = d->count, .classes = 2, .truth = d->y, .predicted = d->chance, .threshold = 0.5 };
    return rc ? rc : gm_metric_value((const gm_metric *)auc, &s, scratch, out_auc, err);
}

typedef struct giveaway {
    const char *column;
    double gain;
    size_t place;
} giveaway;

static int by_gain(const void *a, const void *b)
{
    const giveaway *x = a, *y = b;
    if (x->gain != y->gain) return x->gain > y->gain ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static gm_rc rank_columns(const rows *d, const double *gain, gm_arena *a, gm_arena *scratch, gm_domain_value *out, gm_err *err)
{
    size_t n = d->coder.count;
    giveaway *g = GM_ARENA_ARRAY(scratch, giveaway, n);
    out->columns = GM_ARENA_ARRAY(a, const char *, n);
    out->gain = GM_ARENA_ARRAY(a, double, n);
    if (!g || !out->columns || !out->gain) return no_memory(err, d->count);
    for (size_t c = 0; c < n; c++) g[c] = (giveaway){ d->coder.columns[c], gain[c], c };
    qsort(g, n, sizeof(*g), by_gain);
    for (size_t c = 0; c < n; c++) {
        out->columns[c] = g[c].column;
        out->gain[c] = g[c].gain;
    }
    out->count = n;
    return GM_OK;
}

gm_rc gm_domain_classifier(const gm_table *reference, const gm_table *current, const char *const *columns, size_t columns_count, int64_t rows_max,
                           uint64_t seed, gm_arena *a, gm_domain_value *out, gm_err *err)
{
    const gm_table *const tables[2] = { reference, current };
    if (columns_count == 0) return gm_err_set(err, GM_EINVALID, "telling tables apart needs columns, there are none");
    for (int s = 0; s < 2; s++)
        if (tables[s]->rows < SIDE_ROWS_MIN)
            return gm_err_set(err, GM_EINVALID, "telling tables apart needs %d rows of each, there are %lld %s ones", (int)SIDE_ROWS_MIN,
                              (long long)tables[s]->rows, s ? "current" : "reference");
    if (rows_max == 0) rows_max = SIDE_ROWS_MAX;
    if (rows_max < SIDE_ROWS_MIN) return gm_err_set(err, GM_EINVALID, "rows_max must be %d or more, not %lld", (int)SIDE_ROWS_MIN, (long long)rows_max);
    rows d = { 0 };
    gm_domain_value v = { .limit_low = 0.45 };
    gm_arena *scratch = gm_arena_new(0);
    double *gain = scratch ? GM_ARENA_ARRAY(scratch, double, columns_count) : NULL;
    gm_rc rc = gain ? gm_coder_fit(reference, current, columns, columns_count, a, &d.coder, err) : no_memory(err, reference->rows);
    if (!rc) rc = allocate(&d, tables, rows_max, scratch, err);
    if (!rc) rc = lay_out(&d, tables, seed, scratch, err);
    if (!rc) rc = learn(&d, seed, gain, scratch, &v.auc, err);
    if (!rc) rc = rank_columns(&d, gain, a, scratch, &v, err);
    gm_arena_free(scratch);
    if (rc) return gm_err_ctx(err, rc, "telling current rows from reference rows");
    double n0 = (double)d.side[0], n1 = (double)d.side[1];
    v.limit_high = fmax(0.65, 0.5 + 3 * sqrt((n0 + n1 + 1) / (12 * n0 * n1)));
    v.drifted = v.auc > v.limit_high;
    *out = v;
    return GM_OK;
}
