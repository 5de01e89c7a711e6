/* mixed.c - see mixed.h. */
#include "train/mixed.h"

#include <string.h>

#include "base/fs.h"
#include "train/segments.h"

static const double constant_share = 0.75;
enum { GRAM_BYTES = 64 << 20 }; /* for the partial sums of segments */

/* The value that fills more than half of the column, if one does (Boyer & Moore 1991): else some value of it. */
static double majority(const double *x, int64_t rows)
{
    double candidate = x[0];
    int64_t lead = 0;
    for (int64_t r = 0; r < rows; r++) {
        if (lead == 0) candidate = x[r];
        lead += x[r] == candidate ? 1 : -1;
    }
    return candidate;
}

static int64_t count_other(const double *x, int64_t rows, double value)
{
    int64_t count = 0;
    for (int64_t r = 0; r < rows; r++) count += x[r] != value;
    return count;
}

static double mean_of(const double *x, int64_t rows)
{
    double sum = 0, rest = 0; /* Neumaier's compensated sum */
    for (int64_t r = 0; r < rows; r++) {
        double t = sum + x[r];
        rest += fabs(sum) >= fabs(x[r]) ? (sum - t) + x[r] : (x[r] - t) + sum;
        sum = t;
    }
    return (sum + rest) / (double)rows;
}

/* Order of the columns: dense ones fill from the front, others from the back (and are then put in ascending order). */
static int64_t order_columns(const gm_matrix *x, gm_mixed *m)
{
    int64_t exceptions = 0, front = 0, back = x->cols;
    for (int64_t c = 0; c < x->cols; c++) {
        const double *column = x->data + c * x->rows;
        double value = majority(column, x->rows);
        int64_t other = count_other(column, x->rows, value);
        bool dense = (double)other > (1 - constant_share) * (double)x->rows;
        int64_t j = dense ? front++ : --back;
        m->column[j] = c;
        m->shift[j] = dense ? mean_of(column, x->rows) : value;
        if (!dense) exceptions += other;
    }
    m->dense_count = front;
    return exceptions;
}

static void fill_dense(const gm_matrix *x, gm_mixed *m)
{
    for (int64_t j = 0; j < m->dense_count; j++) {
        const double *column = x->data + m->column[j] * x->rows;
        for (int64_t r = 0; r < m->rows; r++) m->dense[r * m->stride + j] = column[r] - m->shift[j];
    }
}

/* Counting sort by row: begin first holds counts, then places to write to, at the end the first exception of each row. */
static void fill_exceptions(const gm_matrix *x, gm_mixed *m)
{
    for (int64_t j = m->dense_count; j < m->cols; j++) {
        const double *column = x->data + m->column[j] * x->rows;
        for (int64_t r = 0; r < m->rows; r++) m->begin[r + 1] += column[r] != m->shift[j];
    }
    for (int64_t r = 0; r < m->rows; r++) m->begin[r + 1] += m->begin[r];
    for (int64_t j = m->dense_count; j < m->cols; j++) {
        const double *column = x->data + m->column[j] * x->rows;
        for (int64_t r = 0; r < m->rows; r++) {
            if (column[r] == m->shift[j]) continue;
            int64_t at = m->begin[r]++;
            m->index[at] = (int32_t)j;
            m->value[at] = column[r] - m->shift[j];
        }
    }
    memmove(m->begin + 1, m->begin, (size_t)m->rows * sizeof(*m->begin));
    m->begin[0] = 0;
}

gm_rc gm_mixed_new(const gm_matrix *x, gm_mixed **out, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_mixed *m = a ? GM_ARENA_NEW(a, gm_mixed) : NULL;
    if (!m) goto no_memory;
    *m = (gm_mixed){ .rows = x->rows, .cols = x->cols, .arena = a };
    m->column = GM_ARENA_ARRAY(a, int64_t, x->cols);
    m->shift = GM_ARENA_ARRAY(a, double, x->cols);
    m->begin = GM_ARENA_ARRAY(a, int64_t, x->rows + 1);
    if (!m->column || !m->shift || !m->begin) goto no_memory;
    int64_t exceptions = order_columns(x, m);
    m->stride = (m->dense_count + 3) / 4 * 4;
    m->dense = gm_arena_alloc(a, (size_t)x->rows * (size_t)m->stride, sizeof(double));
    m->index = GM_ARENA_ARRAY(a, int32_t, exceptions);
    m->value = GM_ARENA_ARRAY(a, double, exceptions);
    if (!m->dense || !m->index || !m->value) goto no_memory;
    fill_dense(x, m);
    fill_exceptions(x, m);
    *out = m;
    return GM_OK;
no_memory:
    gm_arena_free(a);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to lay out %lld rows", (long long)x->rows);
}

void gm_mixed_free(gm_mixed *m)
{
    if (m) gm_arena_free(m->arena);
}

double gm_mixed_dot(const gm_mixed *m, int64_t row, const double *w)
{
    const double *x = m->dense + row * m->stride;
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0; /* four sums, so that additions need not wait for each other */
    int64_t j = 0;
    for (; j + 4 <= m->dense_count; j += 4) {
        s0 += x[j] * w[j];
        s1 += x[j + 1] * w[j + 1];
        s2 += x[j + 2] * w[j + 2];
        s3 += x[j + 3] * w[j + 3];
    }
    for (; j < m->dense_count; j++) s0 += x[j] * w[j];
    for (int64_t e = m->begin[row]; e < m->begin[row + 1]; e++) s1 += m->value[e] * w[m->index[e]];
    return w[m->cols] + ((s0 + s1) + (s2 + s3));
}

void gm_mixed_add(const gm_mixed *m, int64_t row, double scale, double *g)
{
    const double *x = m->dense + row * m->stride;
    for (int64_t j = 0; j < m->dense_count; j++) g[j] += scale * x[j];
    for (int64_t e = m->begin[row]; e < m->begin[row + 1]; e++) g[m->index[e]] += scale * m->value[e];
    g[m->cols] += scale;
}

/* ---- gram -------------------------------------------------------------------------------------------------- */

typedef struct gram_work {
    const gm_mixed *m;
    const double *row_weights;
    double *partial; /* [segments, n * n]; row i, columns 0 .. i */
    int64_t segments, n;
} gram_work;

static void gram_row(const gm_mixed *m, int64_t row, double weight, double *g, int64_t n)
{
    const double *x = m->dense + row * m->stride;
    for (int64_t i = 0; i < m->dense_count; i++) {
        double s = weight * x[i], *gi = g + i * n;
        for (int64_t j = 0; j <= i; j++) gi[j] += s * x[j];
    }
    for (int64_t e = m->begin[row]; e < m->begin[row + 1]; e++) {
        double s = weight * m->value[e], *gi = g + m->index[e] * n;
        for (int64_t j = 0; j < m->dense_count; j++) gi[j] += s * x[j];
        for (int64_t f = m->begin[row]; f <= e; f++) gi[m->index[f]] += s * m->value[f];
    }
    gm_mixed_add(m, row, weight, g + m->cols * n); /* the intercept's row */
}

static void gram_segment(void *opaque, int64_t segment)
{
    gram_work *w = opaque;
    int64_t end = gm_segment_begin(w->m->rows, w->segments, segment + 1);
    double *g = w->partial + segment * w->n * w->n;
    for (int64_t r = gm_segment_begin(w->m->rows, w->segments, segment); r < end; r++)
        gram_row(w->m, r, w->row_weights ? w->row_weights[r] : 1, g, w->n);
}

gm_rc gm_mixed_gram(const gm_mixed *m, const double *row_weights, int64_t threads, double *out, gm_err *err)
{
    int64_t n = m->cols + 1, most = GRAM_BYTES / (n * n * 8);
    gram_work w = { .m = m, .row_weights = row_weights, .n = n };
    w.segments = gm_segments_count(m->rows, most > 8 ? 8 : most);
    gm_arena *scratch = gm_arena_new(0);
    w.partial = scratch ? gm_arena_alloc(scratch, (size_t)(w.segments * n), (size_t)n * sizeof(double)) : NULL;
    if (!w.partial) {
        gm_arena_free(scratch);
        return gm_err_set(err, GM_ENOMEM, "not enough memory for products of %lld features", (long long)m->cols);
    }
    gm_segments_run(w.segments, threads, gram_segment, &w);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0;
            for (int64_t s = 0; s < w.segments; s++) sum += w.partial[s * n * n + i * n + j];
            out[i * n + j] = out[j * n + i] = sum;
        }
    gm_arena_free(scratch);
    return GM_OK;
}

void gm_mixed_squares(const gm_mixed *m, const double *row_weights, double *out)
{
    memset(out, 0, (size_t)(m->cols + 1) * sizeof(*out));
    for (int64_t r = 0; r < m->rows; r++) {
        const double *x = m->dense + r * m->stride;
        double weight = row_weights ? row_weights[r] : 1;
        for (int64_t j = 0; j < m->dense_count; j++) out[j] += weight * x[j] * x[j];
        for (int64_t e = m->begin[r]; e < m->begin[r + 1]; e++) out[m->index[e]] += weight * m->value[e] * m->value[e];
        out[m->cols] += weight;
    }
}

/* ---- the way back ------------------------------------------------------------------------------------------ */

gm_rc gm_mixed_save(const gm_mixed *m, const double *w, int64_t outputs, gm_link link, const char *path, gm_err *err)
{
    gm_rc rc = GM_ENOMEM;
    gm_buf text = { 0 };
    gm_json j;
    gm_arena *a = gm_arena_new(0);
    gm_linear model = { .features = m->cols, .outputs = outputs, .link = link };
    model.weights = a ? GM_ARENA_ARRAY(a, double, outputs * m->cols) : NULL;
    model.intercept = a ? GM_ARENA_ARRAY(a, double, outputs) : NULL;
    if (!model.weights || !model.intercept) goto out;
    for (int64_t k = 0; k < outputs; k++, w += m->cols + 1) {
        model.intercept[k] = w[m->cols];
        for (int64_t i = 0; i < m->cols; i++) {
            model.weights[k * m->cols + m->column[i]] = w[i];
            model.intercept[k] -= m->shift[i] * w[i];
        }
    }
    gm_json_init(&j, &text, false);
    gm_linear_json(&model, &j);
    if (!text.failed) rc = gm_fs_write(path, text.data, text.len, err);
out:
    if (rc == GM_ENOMEM) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to write a linear model");
    gm_buf_clear(&text);
    gm_arena_free(a);
    return rc;
}
