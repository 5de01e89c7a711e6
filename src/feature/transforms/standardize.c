/* standardize.c - mean 0 and standard deviation 1.
 *
 *   out = (x - mean) / scale,  scale = sqrt(var),  var = sum (x - mean)^2 / n  (ddof 0), over the n finite training values
 *
 * Constant    scale is 1 when var <= n eps var + (n eps mean)^2, eps = 2^-52: what is left is rounding, not spread
 * NaN         skipped in fit, kept in apply; infinities are skipped in fit and stay infinite
 * No value    (a later step of a chain whose column is all NaN): mean 0, scale 1
 * Numerics    two passes; var = (sum d^2 - (sum d)^2 / n) / n with d = x - mean takes out the rounding of the mean
 * Source      scikit-learn 1.9, StandardScaler; Chan, Golub & LeVeque (1983), The American Statistician 37(3)
 * Checked     test/conformance/feature/transforms.json, scikit-learn 1.9.1, to 1e-12
 */
#include <float.h>

#include "feature/transform.h"

typedef struct state {
    int64_t width;
    double *mean, *scale; /* [width] */
} state;

static void fit_column(const double *x, int64_t rows, double *out_mean, double *out_scale)
{
    double n = 0;
    gm_long_sum sum = { 0 };
    for (int64_t r = 0; r < rows; r++) {
        if (!isfinite(x[r])) continue;
        gm_long_sum_add(&sum, x[r]);
        n++;
    }
    *out_mean = 0;
    *out_scale = 1;
    if (n == 0) return;

    double mean = (sum.sum + sum.lost) / n, squares = 0, rest = 0;
    for (int64_t r = 0; r < rows; r++) {
        if (!isfinite(x[r])) continue;
        double d = x[r] - mean;
        squares += d * d;
        rest += d;
    }
    double var = (squares - rest * rest / n) / n, noise = n * DBL_EPSILON * mean;
    *out_mean = mean;
    if (isfinite(var) && var > n * DBL_EPSILON * var + noise * noise) *out_scale = sqrt(var);
}

static gm_rc new_state(int64_t width, gm_arena *a, state **out, gm_err *err)
{
    state *s = GM_ARENA_NEW(a, state);
    if (s) *s = (state){ width, GM_ARENA_ARRAY(a, double, width), GM_ARENA_ARRAY(a, double, width) };
    if (!s || !s->mean || !s->scale) return gm_err_set(err, GM_ENOMEM, "not enough memory to standardize");
    *out = s;
    return GM_OK;
}

static gm_rc fit(const void *conf_in, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err)
{
    (void)conf_in;
    (void)y;
    (void)scratch;
    state *s = NULL;
    gm_rc rc = new_state(in->width, a, &s, err);
    if (rc) return rc;
    for (int64_t c = 0; c < in->width; c++) fit_column(in->numbers + c * in->stride, in->rows, &s->mean[c], &s->scale[c]);
    *out_state = s;
    return GM_OK;
}

static void apply(const void *conf_in, const void *opaque, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    const state *s = opaque;
    for (int64_t c = 0; c < in->width; c++) {
        const double *x = in->numbers + c * in->stride;
        double mean = s->mean[c], scale = s->scale[c], *to = out + c * out_stride;
        for (int64_t r = 0; r < in->rows; r++) to[r] = (x[r] - mean) / scale;
    }
}

static void write(const void *opaque, gm_json *j)
{
    const state *s = opaque;
    gm_state_write_doubles(j, "mean", s->mean, s->width);
    gm_state_write_doubles(j, "scale", s->scale, s->width);
}

static gm_rc read(const void *conf_in, const gm_node *json, gm_type type, int64_t width_in, gm_arena *a,
                  void **out_state, gm_err *err)
{
    (void)type;
    (void)conf_in;
    state *s = NULL;
    gm_rc rc = new_state(width_in, a, &s, err);
    if (!rc) rc = gm_state_read_doubles(json, "mean", width_in, a, &s->mean, NULL, err);
    if (!rc) rc = gm_state_read_doubles(json, "scale", width_in, a, &s->scale, NULL, err);
    if (!rc) *out_state = s;
    return rc;
}

static const char *emit(const void *conf_in, const void *opaque, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    const state *s = opaque;
    const char *centred = gm_onnx_op2(g, "Sub", in->tensor, gm_emit_row(g, s->mean, s->width));
    return gm_onnx_op2(g, "Div", centred, gm_emit_row(g, s->scale, s->width));
}

static void emit_c(const void *conf_in, const void *opaque, gm_type type, int64_t width_in, gm_c *c)
{
    (void)conf_in;
    (void)type;
    const state *s = opaque;
    const char *mean = gm_c_doubles(c, s->mean, width_in), *scale = gm_c_doubles(c, s->scale, width_in);
    gm_c_line(c, "for (int32_t i = 0; i < %lld; i++) o[i] = (a[i] - %s[i]) / %s[i];", (long long)width_in, mean, scale);
}

const gm_transform gm_transform_standardize = {
    .item = { .name = "standardize", .help = "subtract the mean, divide by the standard deviation (ddof 0)" },
    .accepts = GM_ACCEPTS_NUMBERS,
    .chains = true,
    .fit = fit,
    .apply = apply,
    .write = write,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};
