/* logistic_loss.c - value, gradient and curvature of the logistic loss; see logistic.h. */
#include <string.h>

#include "train/logistic.h"
#include "train/segments.h"

enum { PARTIAL_BYTES = 64 << 20 };

gm_rc gm_logistic_init(gm_logistic *f, gm_arena *a, gm_err *err)
{
    f->count = f->outputs * f->n;
    int64_t most = PARTIAL_BYTES / ((f->count + 1) * 8);
    f->segments = gm_segments_count(f->x->rows, most > GM_SEGMENTS_MAX ? GM_SEGMENTS_MAX : most);
    f->partial = GM_ARENA_ARRAY(a, double, f->segments * (f->count + 1));
    f->scores = GM_ARENA_ARRAY(a, double, f->segments * f->outputs);
    f->row_weights = GM_ARENA_ARRAY(a, double, f->x->rows);
    if (f->partial && f->scores && f->row_weights) return GM_OK;
    return gm_err_set(err, GM_ENOMEM, "not enough memory to fit %lld weights", (long long)f->count);
}

static void row_scores(const gm_logistic *f, int64_t row, double *z)
{
    for (int64_t k = 0; k < f->outputs; k++) z[k] = gm_mixed_dot(f->x, row, f->w + k * f->n);
}

/* Scores of a row -> shares of the classes (of class 1, when there are two). Returns the loss of class y. */
static double row_shares(double *z, int64_t outputs, double y)
{
    if (outputs == 1) {
        double e = exp(-fabs(z[0])), loss = log1p(e) + fmax(z[0], 0) - y * z[0];
        z[0] = z[0] >= 0 ? 1 / (1 + e) : e / (1 + e);
        return loss;
    }
    double top = z[0], sum = 0, own = z[(int64_t)y];
    for (int64_t k = 1; k < outputs; k++) top = fmax(top, z[k]);
    for (int64_t k = 0; k < outputs; k++) sum += z[k] = exp(z[k] - top);
    for (int64_t k = 0; k < outputs; k++) z[k] /= sum;
    return log(sum) + top - own;
}

static void value_segment(void *opaque, int64_t segment)
{
    gm_logistic *f = opaque;
    double *g = f->partial + segment * (f->count + 1), *z = f->scores + segment * f->outputs, loss = 0;
    memset(g, 0, (size_t)f->count * sizeof(*g));
    int64_t end = gm_segment_begin(f->x->rows, f->segments, segment + 1);
    for (int64_t r = gm_segment_begin(f->x->rows, f->segments, segment); r < end; r++) {
        row_scores(f, r, z);
        loss += row_shares(z, f->outputs, f->y[r]);
        if (f->outputs == 1) z[0] -= f->y[r];
        else z[(int64_t)f->y[r]] -= 1;
        for (int64_t k = 0; k < f->outputs; k++) gm_mixed_add(f->x, r, z[k], g + k * f->n);
    }
    g[f->count] = loss;
}

double gm_logistic_value(gm_logistic *f, const double *w, double *g)
{
    double loss = 0, squares = 0;
    f->w = w;
    gm_segments_run(f->segments, f->threads, value_segment, f);
    memset(g, 0, (size_t)f->count * sizeof(*g));
    for (int64_t s = 0; s < f->segments; s++) {
        const double *partial = f->partial + s * (f->count + 1);
        for (int64_t i = 0; i < f->count; i++) g[i] += partial[i];
        loss += partial[f->count];
    }
    for (int64_t k = 0; k < f->outputs; k++)
        for (int64_t i = k * f->n; i < k * f->n + f->x->cols; i++) {
            g[i] += f->lambda * w[i];
            squares += w[i] * w[i];
        }
    return loss + f->lambda / 2 * squares;
}

static void curvature_segment(void *opaque, int64_t segment)
{
    gm_logistic *f = opaque;
    double *p = f->scores + segment * f->outputs;
    int64_t end = gm_segment_begin(f->x->rows, f->segments, segment + 1);
    for (int64_t r = gm_segment_begin(f->x->rows, f->segments, segment); r < end; r++) {
        row_scores(f, r, p);
        (void)row_shares(p, f->outputs, f->y[r]); /* its loss is not asked for */
        f->row_weights[r] = p[f->k] * ((f->k == f->l) - p[f->l]);
    }
}

void gm_logistic_curvature(gm_logistic *f, const double *w, int64_t k, int64_t l)
{
    f->w = w;
    f->k = k;
    f->l = l;
    gm_segments_run(f->segments, f->threads, curvature_segment, f);
}
