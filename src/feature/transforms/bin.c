/* bin.c - the number of the interval a value falls into: 0, 1, 2 ...
 *
 *   out = count of inner edges e with e <= x
 *   quantile   edges are the quantiles i / bins, i = 0 .. bins, of the finite training values sorted as x[0 .. n-1], by the averaged
 *              inverted distribution function: with m = n p, (x[m - 1] + x[m]) / 2 when m is whole, else x[floor(m)];
 *              an edge within 1e-8 of the one before it is left out
 *   uniform    edges are min + i (max - min) / bins
 *
 * NaN         stays NaN. Values beyond the training range fall into the first or last bin
 * Constant    one bin, 0
 * No value    GM_EINVALID
 * Source      Hyndman & Fan (1996), type 2; scikit-learn 1.9, KBinsDiscretizer (ordinal, no subsampling)
 * Checked     test/conformance/feature/transforms.json, scikit-learn 1.9.1, edges to 1e-12
 */
#include <string.h>

#include "feature/transform.h"

typedef struct conf {
    int64_t bins;
    const char *by;
} conf;

static const gm_param params[] = {
    { "bins", GM_PARAM_INT, offsetof(conf, bins), "5", .help = "how many intervals", .low = 2, .high = 1000 },
    { "by", GM_PARAM_STR, offsetof(conf, by), "quantile", .help = "equally many values or equally wide", .choices = "quantile uniform" },
    { 0 },
};

typedef struct state {
    int64_t width;
    double **edges;  /* [width] inner edges, rising */
    int64_t *counts; /* [width]                     */
} state;

static gm_rc new_state(int64_t width, gm_arena *a, state **out, gm_err *err)
{
    state *s = GM_ARENA_NEW(a, state);
    if (s) *s = (state){ width, GM_ARENA_ARRAY(a, double *, width), GM_ARENA_ARRAY(a, int64_t, width) };
    if (!s || !s->edges || !s->counts) return gm_err_set(err, GM_ENOMEM, "not enough memory for bins");
    *out = s;
    return GM_OK;
}

static double averaged_inverted_cdf(const double *sorted, int64_t count, double p)
{
    double m = (double)count * p, below = floor(m);
    int64_t i = (int64_t)below, last = count - 1;
    if (m > below) return sorted[i < last ? i : last];
    return (sorted[i > 0 ? i - 1 : 0] + sorted[i < last ? i : last]) / 2;
}

/* Inner edges into out [bins - 1]; returns how many. */
static int64_t find_edges(const conf *c, const double *sorted, int64_t count, double *out)
{
    double low = sorted[0], high = sorted[count - 1], previous = low;
    int64_t kept = 0;
    if (low == high) return 0;
    if (strcmp(c->by, "uniform") == 0) {
        double step = (high - low) / (double)c->bins;
        for (int64_t i = 1; i < c->bins; i++) out[kept++] = low + (double)i * step;
        return kept;
    }
    for (int64_t i = 1; i < c->bins; i++) {
        double edge = averaged_inverted_cdf(sorted, count, (double)i / (double)c->bins);
        if (edge - previous <= 1e-8) continue;
        out[kept++] = previous = edge;
    }
    /* The last edge, the maximum, closes the last bin; when it lies on the edge before, that bin is empty. */
    if (kept && high - out[kept - 1] <= 1e-8) kept--;
    return kept;
}

static gm_rc fit(const void *opaque, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err)
{
    (void)y;
    const conf *c = opaque;
    state *s = NULL;
    gm_rc rc = new_state(in->width, a, &s, err);
    for (int64_t k = 0; !rc && k < in->width; k++) {
        double *v = NULL;
        int64_t count = 0;
        rc = gm_finite_copy(in->numbers + k * in->stride, in->rows, scratch, &v, &count, err);
        if (rc) return rc;
        if (!count) return gm_err_set(err, GM_EINVALID, "no value in the training rows to bin");
        gm_sort_doubles(v, count);
        s->edges[k] = GM_ARENA_ARRAY(a, double, c->bins);
        if (!s->edges[k]) return gm_err_set(err, GM_ENOMEM, "not enough memory for bins");
        s->counts[k] = find_edges(c, v, count, s->edges[k]);
    }
    if (!rc) *out_state = s;
    return rc;
}

static void apply(const void *conf_in, const void *opaque, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    const state *s = opaque;
    for (int64_t c = 0; c < in->width; c++) {
        const double *x = in->numbers + c * in->stride, *edges = s->edges[c];
        double *to = out + c * out_stride;
        for (int64_t r = 0; r < in->rows; r++) {
            int64_t low = 0, high = s->counts[c]; /* edges[0 .. low) <= x < edges[high ..) */
            while (low < high) {
                int64_t middle = (low + high) / 2;
                if (edges[middle] <= x[r]) low = middle + 1;
                else high = middle;
            }
            to[r] = isnan(x[r]) ? (double)NAN : (double)low;
        }
    }
}

static void write(const void *opaque, gm_json *j)
{
    const state *s = opaque;
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (int64_t c = 0; c < s->width; c++) {
        gm_json_object(j);
        gm_state_write_doubles(j, "edges", s->edges[c], s->counts[c]);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static gm_rc read(const void *conf_in, const gm_node *json, gm_type type, int64_t width_in, gm_arena *a,
                  void **out_state, gm_err *err)
{
    (void)type;
    (void)conf_in;
    state *s = NULL;
    const gm_node *list = gm_node_get(json, "columns");
    if (!list || list->kind != GM_NODE_SEQ || list->count != (size_t)width_in)
        return gm_err_set(err, GM_EINVALID, "expected a list \"columns\" of %lld", (long long)width_in);
    gm_rc rc = new_state(width_in, a, &s, err);
    for (int64_t c = 0; !rc && c < width_in; c++) {
        rc = gm_state_read_doubles(list->items[c], "edges", -1, a, &s->edges[c], &s->counts[c], err);
        for (int64_t i = 0; !rc && i + 1 < s->counts[c]; i++)
            if (!(s->edges[c][i] < s->edges[c][i + 1]))
                rc = gm_err_at(err, list->items[c]->pos, GM_EINVALID, "the edges are not in rising order");
    }
    if (!rc) *out_state = s;
    return rc;
}

static const char *emit_bin(const state *s, int64_t c, gm_onnx *g, const char *x)
{
    const int64_t axis = 1;
    const char *nan = gm_onnx_double(g, (double)NAN), *count = gm_onnx_double(g, 0);
    if (s->counts[c]) {
        const char *passed = gm_onnx_op2(g, "GreaterOrEqual", x, gm_emit_row(g, s->edges[c], s->counts[c]));
        count = gm_onnx_op2(g, "ReduceSum", gm_onnx_cast(g, passed, GM_ONNX_DOUBLE),
                            gm_onnx_int64s(g, &axis, (int64_t[]){ 1 }, 1));
    }
    return gm_onnx_op3(g, "Where", gm_onnx_op1(g, "IsNaN", x), nan, count);
}

static const char *emit(const void *conf_in, const void *opaque, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    const state *s = opaque;
    gm_arena *scratch = gm_arena_new(0);
    const char **parts = scratch ? GM_ARENA_ARRAY(scratch, const char *, s->width) : NULL, *all = NULL;
    for (int64_t c = 0; parts && c < s->width; c++) parts[c] = emit_bin(s, c, g, gm_emit_column(g, in->tensor, s->width, c));
    if (parts) all = gm_emit_concat(g, parts, s->width);
    gm_arena_free(scratch);
    return all;
}

static void emit_c(const void *conf_in, const void *opaque, gm_type type, int64_t width_in, gm_c *c)
{
    (void)conf_in;
    (void)type;
    const state *s = opaque;
    for (int64_t i = 0; i < width_in; i++) {
        const char *edges = gm_c_doubles(c, s->edges[i], s->counts[i]);
        gm_c_line(c, "o[%lld] = %s(%s, %lld, a[%lld]);", (long long)i, gm_c_use(c, "gm_bin"), edges, (long long)s->counts[i], (long long)i);
    }
}

const gm_transform gm_transform_bin = {
    .item = { .name = "bin", .help = "the number of the interval a value falls into", .params = params, .conf_size = sizeof(conf) },
    .accepts = GM_ACCEPTS_NUMBERS,
    .chains = true,
    .fit = fit,
    .apply = apply,
    .write = write,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};
