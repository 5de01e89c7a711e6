/* domain.c - can a classifier tell the rows of two tables apart?
 *
 *   Rows of both tables, labelled by where they come from, are dealt into five folds: of each table, runs of neighbouring rows.
 *   Boosted trees (estimate_boost.h) learned on four of them give the rows of the fifth a chance of being current.
 *
 *   auc    ROC AUC of the chances of all rows together, ties one half: 0.5 = they look alike, 1 = each row gives itself away
 *   limit  0.65, or 0.5 + 3 sqrt((n0 + n1 + 1) / (12 n0 n1)) where few rows make chance reach further
 *   gain   of each column in the first ten trees of each fold: later ones split noise
 *
 * Neighbours stay together because rows of one hour often share values (its weather): dealt by lot, each would be known by its
 * twin in another fold. Well below 0.5, the tables hold the same rows, or what moves within each of them moves more than what
 * is between them. Each table is cut to rows_max rows by an even stride, so that its whole time is seen.
 * Missing    as the trees take it; a missing text is a text of its own
 * Source     Rabanser, Guenther and Lipton (2019), NeurIPS: classifier two-sample test; folds and limits: NannyML 0.13,
 *            DomainClassifierCalculator; variance under no difference: Mann and Whitney (1947)
 * Checked    test/conformance/watch/estimate_expected.csv, 6 chunks; to 1e-12, the trees being the same
 */
#include <stdlib.h>

#include "watch/estimate_boost.h"
#include "watch/estimate_columns.h"
#include "watch/estimate_internal.h"

enum { FOLDS = 5, SIDE_ROWS_MIN = 50, SIDE_ROWS_MAX = 5000 };

/* Both tables' rows in one matrix: the reference's, then the current ones. */
typedef struct rows {
    gm_coder coder;
    int64_t count, side[2];
    double *x;      /* [columns, count] */
    double *y;      /* [count] 1 = current */
    double *chance; /* [count] */
    uint8_t *fold;  /* [count] */
    bool *category; /* [columns] */
} rows;

static gm_rc no_memory(gm_err *err, int64_t count)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to tell %lld rows apart", (long long)count);
}

/* Folds of sizes as scikit-learn's StratifiedKFold gives them: of side s as many as there are j = f (mod 5) among its places in
 * the whole. */
static void deal(rows *d)
{
    for (int64_t s = 0, at = 0; s < 2; s++) {
        int64_t first = at, last = at + d->side[s];
        for (int f = 0; f < FOLDS; f++)
            for (int64_t j = first + (f - first % FOLDS + FOLDS) % FOLDS; j < last; j += FOLDS) d->fold[at++] = (uint8_t)f;
    }
}

static gm_rc lay_out(rows *d, const gm_table *const tables[2], gm_arena *scratch, gm_err *err)
{
    for (int64_t s = 0, at = 0; s < 2; at += d->side[s++]) {
        int64_t *drawn = GM_ARENA_ARRAY(scratch, int64_t, d->side[s]);
        if (!drawn) return no_memory(err, d->count);
        for (int64_t i = 0; i < d->side[s]; i++) drawn[i] = i * tables[s]->rows / d->side[s];
        gm_rc rc = gm_coder_apply(&d->coder, tables[s], drawn, d->side[s], d->count, d->x + at, scratch, err);
        if (rc) return rc;
        for (int64_t i = 0; i < d->side[s]; i++) d->y[at + i] = (double)s;
    }
    /* Texts from 0 on, as there: LightGBM bins a category 0 otherwise than the rest. None is new, so that 0 is free. */
    for (size_t c = 0; c < d->coder.count; c++)
        for (int64_t i = 0; d->coder.text[c] && i < d->count; i++) d->x[(int64_t)c * d->count + i]--;
    deal(d);
    return GM_OK;
}

/* Columns of the rows in a fold, or of all others, closely packed; y of them if it is not NULL. Returns how many rows. */
static int64_t pack(const rows *d, int f, bool others, double *x, double *y)
{
    int64_t count = 0;
    for (int64_t i = 0; i < d->count; i++)
        if ((d->fold[i] == f) != others) {
            if (y) y[count] = d->y[i];
            count++;
        }
    for (size_t c = 0; c < d->coder.count; c++) {
        const double *column = d->x + (int64_t)c * d->count;
        double *to = x + (int64_t)c * count;
        for (int64_t i = 0; i < d->count; i++)
            if ((d->fold[i] == f) != others) *to++ = column[i];
    }
    return count;
}

/* x, y for work. */
static gm_rc learn_fold(rows *d, int f, double *x, double *y, double *gain, uint64_t seed, gm_err *err)
{
    gm_boost *b = NULL;
    int64_t count = pack(d, f, true, x, y);
    gm_rc rc = gm_boost_fit(&(gm_boost_data){ .x = x,
                                              .y = y,
                                              .rows = count,
                                              .columns = (int64_t)d->coder.count,
                                              .category = d->category,
                                              .classify = true,
                                              .seed = seed },
                            &b, err);
    if (rc) return rc;
    count = pack(d, f, false, x, NULL);
    rc = gm_boost_predict(b, x, count, y, err);
    for (int64_t i = 0, k = 0; !rc && i < d->count; i++)
        if (d->fold[i] == f) d->chance[i] = y[k++];
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
    d->fold = GM_ARENA_ARRAY(scratch, uint8_t, d->count);
    d->category = GM_ARENA_ARRAY(scratch, bool, d->coder.count);
    if (!d->fold || !d->x || !d->y || !d->chance || !d->category) return no_memory(err, d->count);
    for (size_t c = 0; c < d->coder.count; c++) d->category[c] = d->coder.text[c];
    return GM_OK;
}

static gm_rc learn(rows *d, uint64_t seed, double *gain, gm_arena *scratch, double *out_auc, gm_err *err)
{
    double *x = GM_ARENA_ARRAY(scratch, double, d->count * (int64_t)d->coder.count),
           *y = GM_ARENA_ARRAY(scratch, double, d->count);
    if (!x || !y) return no_memory(err, d->count);
    gm_rc rc = GM_OK;
    for (int f = 0; !rc && f < FOLDS; f++) rc = learn_fold(d, f, x, y, gain, seed, err);
    const gm_item *auc = NULL;
    if (!rc) rc = gm_registry_find(&gm_metrics, "roc_auc", &auc, err);
    gm_scores s = {
        .task = GM_TASK_BINARY, .rows = d->count, .classes = 2, .truth = d->y, .predicted = d->chance, .threshold = 0.5
    };
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

gm_rc gm_domain_classifier(const gm_table *reference, const gm_table *current, const char *const *columns, size_t columns_count,
                           int64_t rows_max, uint64_t seed, gm_arena *a, gm_domain_value *out, gm_err *err)
{
    const gm_table *const tables[2] = { reference, current };
    if (columns_count == 0) return gm_err_set(err, GM_EINVALID, "telling tables apart needs columns, there are none");
    for (int s = 0; s < 2; s++)
        if (tables[s]->rows < SIDE_ROWS_MIN)
            return gm_err_set(err, GM_EINVALID, "telling tables apart needs %d rows of each, there are %lld %s ones",
                              (int)SIDE_ROWS_MIN, (long long)tables[s]->rows, s ? "current" : "reference");
    if (rows_max == 0) rows_max = SIDE_ROWS_MAX;
    if (rows_max < SIDE_ROWS_MIN)
        return gm_err_set(err, GM_EINVALID, "rows_max must be %d or more, not %lld", (int)SIDE_ROWS_MIN, (long long)rows_max);
    rows d = { 0 };
    gm_domain_value v = { .limit_low = 0.45 };
    gm_arena *scratch = gm_arena_new(0);
    double *gain = scratch ? GM_ARENA_ARRAY(scratch, double, columns_count) : NULL;
    gm_rc rc =
        gain ? gm_coder_fit(reference, current, columns, columns_count, a, &d.coder, err) : no_memory(err, reference->rows);
    if (!rc) rc = allocate(&d, tables, rows_max, scratch, err);
    if (!rc) rc = lay_out(&d, tables, scratch, err);
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
