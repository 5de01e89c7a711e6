/* pca.c - do the columns of these rows still hang together as they did in the reference?
 *
 *   z       each column as a number (a text by its share in the reference, one that was not there by 0), missing ones by the
 *           mean or the most frequent text (the first of equals), less the mean, over the standard deviation (n in the
 *           denominator; 1 where it is 0)
 *   V       eigenvectors of the correlations, largest first, as many as it takes for `variance` of the total
 *   error   mean over rows of || z - V' V z ||
 *   band    error +- 3 sd / sqrt(rows), sd with n - 1; NaN for one row
 *   limits  mean +- 3 sd (n in the denominator) of the errors of the reference's own chunks, the last of which may be short;
 *           the lower one at least 0
 *
 * It drifted when the error reaches a limit (the lower only if above 0). Bools are numbers here; NannyML takes them by share.
 * Missing    in the reference throughout: 0. A column that is not there: an error
 * Source     NannyML 0.13, DataReconstructionDriftCalculator; scikit-learn 1.9, PCA(n_components=0.65)
 * Checked    test/conformance/watch/estimate_expected.csv, 14 chunks; to 1e-12
 */
#include <math.h>

#include "watch/estimate_columns.h"
#include "watch/estimate_eigen.h"
#include "watch/estimate_internal.h"

struct gm_pca {
    gm_coder coder;
    double **share;       /* [columns] of text columns: [texts_count + 2] value of each number of the coder */
    double *fill;         /* [columns] of number columns: the mean */
    double *mean, *scale; /* [columns] */
    double *vectors;      /* [components, columns] */
    size_t components;
    double limit_low, limit_high;
};

static gm_rc no_memory(gm_err *err, int64_t rows)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the principal components of %lld rows", (long long)rows);
}

/* ---- columns ------------------------------------------------------------------------------------------------ */

/* x [rows] of numbers of texts: their shares, once missing ones are the most frequent. */
static gm_rc fit_share(gm_pca *p, size_t column, const double *x, int64_t rows, gm_arena *a, gm_err *err)
{
    int32_t texts = p->coder.texts_count[column], most = 1;
    double *count = p->share[column] = GM_ARENA_ARRAY(a, double, (int64_t)texts + 2);
    if (!count) return no_memory(err, rows);
    for (int64_t i = 0; i < rows; i++) count[(int32_t)x[i]]++;
    for (int32_t t = 2; t <= texts; t++)
        if (count[t] > count[most]) most = t;
    double missing = p->coder.missing[column] ? count[texts + 1] : 0;
    if (texts) count[most] += missing;
    for (int32_t t = 0; t <= texts; t++) count[t] /= (double)rows;
    count[texts + 1] = texts ? count[most] : 0;
    return GM_OK;
}

/* The coder gives a missing text 0 where none was missing at the fit; it is the most frequent one all the same. */
static double most_frequent(const gm_pca *p, size_t column)
{
    return p->share[column][p->coder.texts_count[column] + 1];
}

static void fit_fill(gm_pca *p, size_t column, const double *x, int64_t rows)
{
    gm_sum sum = { 0 };
    double count = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (!isfinite(x[i])) continue;
        gm_sum_add(&sum, x[i]);
        count++;
    }
    p->fill[column] = count > 0 ? gm_sum_value(&sum) / count : 0;
}

static void fit_scale(gm_pca *p, size_t column, const double *x, int64_t rows)
{
    gm_sum sum = { 0 }, squares = { 0 };
    for (int64_t i = 0; i < rows; i++) gm_sum_add(&sum, x[i]);
    double mean = gm_sum_value(&sum) / (double)rows;
    for (int64_t i = 0; i < rows; i++) gm_sum_add(&squares, (x[i] - mean) * (x[i] - mean));
    double sd = sqrt(gm_sum_value(&squares) / (double)rows);
    p->mean[column] = mean;
    p->scale[column] = sd > 1e-15 * fabs(mean) ? sd : 1;
}

static void fill_in(const gm_pca *p, const gm_table *t, size_t column, double *x, int64_t rows)
{
    if (!p->coder.text[column]) {
        for (int64_t i = 0; i < rows; i++)
            if (!isfinite(x[i])) x[i] = p->fill[column];
        return;
    }
    const gm_column *c = gm_table_find(t, p->coder.columns[column]);
    for (int64_t i = 0; i < rows; i++)
        x[i] = gm_column_is_missing(c, i) ? most_frequent(p, column) : p->share[column][(int32_t)x[i]];
}

static void standardise(const gm_pca *p, size_t column, double *x, int64_t rows)
{
    double mean = p->mean[column], scale = p->scale[column];
    for (int64_t i = 0; i < rows; i++) x[i] = (x[i] - mean) / scale;
}

/* ---- components --------------------------------------------------------------------------------------------- */

/* Eight sums side by side: one chain of additions would wait for each of them. */
static double product(const double *x, const double *y, int64_t rows)
{
    enum { LANES = 8 };
    double lane[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= rows; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += x[i + k] * y[i + k];
    for (; i < rows; i++) lane[0] += x[i] * y[i];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static gm_rc fit_components(gm_pca *p, const double *z, int64_t rows, double variance, gm_arena *a, gm_arena *scratch,
                            gm_err *err)
{
    size_t n = p->coder.count;
    double *m = GM_ARENA_ARRAY(a, double, n * n), *values = GM_ARENA_ARRAY(scratch, double, n);
    if (!m || !values) return no_memory(err, rows);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            m[i * n + j] = m[j * n + i] = product(z + (int64_t)i * rows, z + (int64_t)j * rows, rows) / (double)(rows - 1);
    gm_rc rc = gm_eigen_symmetric(m, n, values, scratch, err);
    if (rc) return rc;
    double total = 0, so_far = 0;
    for (size_t i = 0; i < n; i++) total += fmax(0, values[i]);
    if (!(total > 0))
        return gm_err_set(err, GM_EINVALID, "none of the %zu columns varies in the reference: nothing hangs together", n);
    size_t kept = 0;
    while (kept < n && (so_far += fmax(0, values[kept]) / total) <= variance) kept++;
    p->components = kept < n ? kept + 1 : n;
    p->vectors = m;
    return GM_OK;
}

/* || z - V' V z || of each row. z [columns, rows] is overwritten. */
static gm_rc distances(const gm_pca *p, double *z, int64_t rows, gm_arena *scratch, double **out, gm_err *err)
{
    size_t n = p->coder.count;
    double *score = GM_ARENA_ARRAY(scratch, double, (int64_t)p->components *rows), *far = GM_ARENA_ARRAY(scratch, double, rows);
    if (!score || !far) return no_memory(err, rows);
    for (size_t k = 0; k < p->components; k++)
        for (size_t c = 0; c < n; c++) {
            double weight = p->vectors[k * n + c], *s = score + (int64_t)k * rows;
            const double *x = z + (int64_t)c * rows;
            for (int64_t i = 0; i < rows; i++) s[i] += weight * x[i];
        }
    for (size_t c = 0; c < n; c++) {
        double *x = z + (int64_t)c * rows;
        for (size_t k = 0; k < p->components; k++) {
            double weight = p->vectors[k * n + c];
            const double *s = score + (int64_t)k * rows;
            for (int64_t i = 0; i < rows; i++) x[i] -= weight * s[i];
        }
        for (int64_t i = 0; i < rows; i++) far[i] += x[i] * x[i];
    }
    for (int64_t i = 0; i < rows; i++) far[i] = sqrt(far[i]);
    *out = far;
    return GM_OK;
}

static void mean_and_sd(const double *x, int64_t count, double less, double *out_mean, double *out_sd)
{
    gm_sum sum = { 0 }, squares = { 0 };
    for (int64_t i = 0; i < count; i++) gm_sum_add(&sum, x[i]);
    double mean = *out_mean = gm_sum_value(&sum) / (double)count;
    for (int64_t i = 0; i < count; i++) gm_sum_add(&squares, (x[i] - mean) * (x[i] - mean));
    *out_sd = (double)count > less ? sqrt(gm_sum_value(&squares) / ((double)count - less)) : NAN;
}

static gm_rc fit_limits(gm_pca *p, const double *far, int64_t rows, int64_t chunk_rows, gm_arena *scratch, gm_err *err)
{
    int64_t chunks = (rows + chunk_rows - 1) / chunk_rows;
    double *errors = GM_ARENA_ARRAY(scratch, double, chunks), mean, sd, ignored;
    if (!errors) return no_memory(err, rows);
    for (int64_t k = 0; k < chunks; k++) {
        int64_t from = k * chunk_rows, count = rows - from < chunk_rows ? rows - from : chunk_rows;
        mean_and_sd(far + from, count, 0, &errors[k], &ignored);
    }
    mean_and_sd(errors, chunks, 0, &mean, &sd);
    p->limit_low = fmax(0, mean - 3 * sd);
    p->limit_high = mean + 3 * sd;
    return GM_OK;
}

static gm_rc fit(gm_pca *p, const gm_table *t, double variance, int64_t chunk_rows, gm_arena *a, gm_arena *scratch, gm_err *err)
{
    size_t n = p->coder.count;
    int64_t rows = t->rows;
    double *x = GM_ARENA_ARRAY(scratch, double, (int64_t)n *rows), *far = NULL;
    p->share = GM_ARENA_ARRAY(a, double *, n);
    p->fill = GM_ARENA_ARRAY(a, double, n);
    p->mean = GM_ARENA_ARRAY(a, double, n);
    p->scale = GM_ARENA_ARRAY(a, double, n);
    if (!x || !p->share || !p->fill || !p->mean || !p->scale) return no_memory(err, rows);
    gm_rc rc = gm_coder_apply(&p->coder, t, NULL, rows, rows, x, scratch, err);
    for (size_t c = 0; !rc && c < n; c++) {
        double *column = x + (int64_t)c * rows;
        if (p->coder.text[c])
            rc = fit_share(p, c, column, rows, a, err);
        else
            fit_fill(p, c, column, rows);
        if (rc) return rc;
        fill_in(p, t, c, column, rows);
        fit_scale(p, c, column, rows);
        standardise(p, c, column, rows);
    }
    if (!rc) rc = fit_components(p, x, rows, variance, a, scratch, err);
    if (!rc) rc = distances(p, x, rows, scratch, &far, err);
    return rc ? rc : fit_limits(p, far, rows, chunk_rows, scratch, err);
}

gm_rc gm_pca_fit(const gm_table *reference, const char *const *columns, size_t columns_count, double variance, int64_t chunk_rows,
                 gm_arena *a, gm_pca **out, gm_err *err)
{
    int64_t rows = reference->rows;
    if (columns_count < 2)
        return gm_err_set(err, GM_EINVALID, "principal components need two columns or more, there are %zu", columns_count);
    if (rows < GM_ESTIMATE_ROWS_MIN)
        return gm_err_set(err, GM_EINVALID, "principal components need %d reference rows, there are %lld",
                          (int)GM_ESTIMATE_ROWS_MIN, (long long)rows);
    if (variance == 0) variance = 0.65;
    if (!(variance > 0 && variance <= 1))
        return gm_err_set(err, GM_EINVALID, "the share of variance must be above 0 and at most 1, not %g", variance);
    if (chunk_rows == 0) chunk_rows = (rows + 9) / 10;
    if (chunk_rows < 1 || chunk_rows > rows / 2)
        return gm_err_set(err, GM_EINVALID, "limits need two chunks of the reference or more: %lld rows do not hold two of %lld",
                          (long long)rows, (long long)chunk_rows);
    gm_pca *p = GM_ARENA_NEW(a, gm_pca);
    gm_arena *scratch = gm_arena_new(0);
    gm_rc rc = p && scratch ? gm_coder_fit(reference, NULL, columns, columns_count, a, &p->coder, err) : no_memory(err, rows);
    if (!rc) rc = fit(p, reference, variance, chunk_rows, a, scratch, err);
    gm_arena_free(scratch);
    if (!rc) *out = p;
    return gm_err_ctx(err, rc, "learning how columns hang together");
}

gm_rc gm_pca_error(const gm_pca *p, const gm_table *current, gm_arena *scratch, gm_pca_value *out, gm_err *err)
{
    size_t n = p->coder.count;
    int64_t rows = current->rows;
    if (rows < 1) return gm_err_set(err, GM_EINVALID, "there are no rows to reconstruct");
    double *x = GM_ARENA_ARRAY(scratch, double, (int64_t)n *rows), *far = NULL, mean, sd;
    if (!x) return no_memory(err, rows);
    gm_rc rc = gm_coder_apply(&p->coder, current, NULL, rows, rows, x, scratch, err);
    for (size_t c = 0; !rc && c < n; c++) {
        fill_in(p, current, c, x + (int64_t)c * rows, rows);
        standardise(p, c, x + (int64_t)c * rows, rows);
    }
    if (!rc) rc = distances(p, x, rows, scratch, &far, err);
    if (rc) return rc;
    mean_and_sd(far, rows, 1, &mean, &sd);
    double half = 3 * sd / sqrt((double)rows);
    *out = (gm_pca_value){ .error = mean,
                           .low = isnan(half) ? NAN : fmax(0, mean - half),
                           .high = mean + half,
                           .limit_low = p->limit_low,
                           .limit_high = p->limit_high,
                           .drifted = mean >= p->limit_high || (p->limit_low > 0 && mean <= p->limit_low),
                           .rows = rows };
    return GM_OK;
}
