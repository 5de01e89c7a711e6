/* clip.c - values held between bounds: given ones, or fences around the bulk of the training values.
 *
 * clip
 *
 *   out = min(max(x, low), high)
 *   low  = the larger of the parameter `low` and, with low_quantile > 0, that quantile of the finite training values;
 *   high likewise, the smaller, with high_quantile < 1
 *
 * Quantiles   linear interpolation between order statistics (Hyndman & Fan 1996, type 7)
 * NaN         stays NaN; infinities are clipped
 * No value    (for a quantile) GM_EINVALID
 * Checked     test/unit/feature/test_transforms.c: quantiles against transforms.json (pandas 3.1.1), the rest by hand
 */
/* fence
 *
 *   out = min(max(x, q25 - k s), q75 + k s)
 *   s   = q75 - q25, or, where that is 0, q99 - q01, or, where that is 0 too, max - min; of the finite training values
 *
 * For linear models, which one value of 1e300 or one infinity would spoil: with the default of k, 20, the fences of a normal distribution are
 * 27 standard deviations out, so that ordinary values are never touched.
 *
 * Quantiles, NaN  as above
 * Fences          are held within +-1e100, whose square is still a number
 * No value        no fence
 * Source          Tukey (1977), Exploratory Data Analysis, with a wider k
 * Checked         test_transforms.c, by hand
 */
#include "feature/transform.h"

typedef struct conf {
    double low, high, low_quantile, high_quantile;
} conf;

static const gm_param params[] = {
    { "low", GM_PARAM_DOUBLE, offsetof(conf, low), "-inf", .help = "smallest value that is kept" },
    { "high", GM_PARAM_DOUBLE, offsetof(conf, high), "inf", .help = "largest value that is kept" },
    { "low_quantile", GM_PARAM_DOUBLE, offsetof(conf, low_quantile), "0", .help = "share of the training values cut off below; 0 = none",
      .low = 0, .high = 1 },
    { "high_quantile", GM_PARAM_DOUBLE, offsetof(conf, high_quantile), "1", .help = "quantile above which values are cut; 1 = none",
      .low = 0, .high = 1 },
    { 0 },
};

typedef struct state {
    int64_t width;
    double *low, *high; /* [width] */
} state;

static gm_rc new_state(int64_t width, gm_arena *a, state **out, gm_err *err)
{
    state *s = GM_ARENA_NEW(a, state);
    if (s) *s = (state){ width, GM_ARENA_ARRAY(a, double, width), GM_ARENA_ARRAY(a, double, width) };
    if (!s || !s->low || !s->high) return gm_err_set(err, GM_ENOMEM, "not enough memory to clip");
    *out = s;
    return GM_OK;
}

static gm_rc fit_column(const conf *c, const double *x, int64_t rows, gm_arena *scratch, double *low, double *high,
                        gm_err *err)
{
    *low = c->low;
    *high = c->high;
    if (c->low_quantile > 0 || c->high_quantile < 1) {
        double *v = NULL;
        int64_t count = 0;
        gm_rc rc = gm_finite_copy(x, rows, scratch, &v, &count, err);
        if (rc) return rc;
        if (!count) return gm_err_set(err, GM_EINVALID, "no value in the training rows to take a quantile of");
        gm_sort_doubles(v, count);
        if (c->low_quantile > 0) *low = fmax(*low, gm_quantile_linear(v, count, c->low_quantile));
        if (c->high_quantile < 1) *high = fmin(*high, gm_quantile_linear(v, count, c->high_quantile));
    }
    if (*low <= *high) return GM_OK;
    return gm_err_set(err, GM_EINVALID, "the lower bound %g is above the upper bound %g", *low, *high);
}

static gm_rc fit(const void *conf_in, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err)
{
    (void)y;
    state *s = NULL;
    gm_rc rc = new_state(in->width, a, &s, err);
    for (int64_t c = 0; !rc && c < in->width; c++)
        rc = fit_column(conf_in, in->numbers + c * in->stride, in->rows, scratch, &s->low[c], &s->high[c], err);
    if (!rc) *out_state = s;
    return rc;
}

static void apply(const void *conf_in, const void *opaque, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    const state *s = opaque;
    for (int64_t c = 0; c < in->width; c++) {
        const double *x = in->numbers + c * in->stride;
        double low = s->low[c], high = s->high[c], *to = out + c * out_stride;
        for (int64_t r = 0; r < in->rows; r++) to[r] = x[r] < low ? low : x[r] > high ? high : x[r];
    }
}

static void write(const void *opaque, gm_json *j)
{
    const state *s = opaque;
    gm_state_write_doubles(j, "low", s->low, s->width);
    gm_state_write_doubles(j, "high", s->high, s->width);
}

static gm_rc read(const void *conf_in, const gm_node *json, gm_type type, int64_t width_in, gm_arena *a,
                  void **out_state, gm_err *err)
{
    (void)type;
    (void)conf_in;
    state *s = NULL;
    gm_rc rc = new_state(width_in, a, &s, err);
    if (!rc) rc = gm_state_read_doubles(json, "low", width_in, a, &s->low, NULL, err);
    if (!rc) rc = gm_state_read_doubles(json, "high", width_in, a, &s->high, NULL, err);
    if (!rc) *out_state = s;
    return rc;
}

static const char *emit(const void *conf_in, const void *opaque, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    const state *s = opaque;
    const char *low = gm_emit_row(g, s->low, s->width), *high = gm_emit_row(g, s->high, s->width);
    const char *above = gm_onnx_op3(g, "Where", gm_onnx_op2(g, "Greater", in->tensor, high), high, in->tensor);
    return gm_onnx_op3(g, "Where", gm_onnx_op2(g, "Less", in->tensor, low), low, above);
}

static void emit_c(const void *conf_in, const void *opaque, gm_type type, int64_t width_in, gm_c *c)
{
    (void)conf_in;
    (void)type;
    const state *s = opaque;
    const char *low = gm_c_doubles(c, s->low, width_in), *high = gm_c_doubles(c, s->high, width_in);
    gm_c_line(c, "for (int32_t i = 0; i < %lld; i++) o[i] = a[i] < %s[i] ? %s[i] : a[i] > %s[i] ? %s[i] : a[i];", (long long)width_in, low, low,
              high, high);
}

/* ---- fence ------------------------------------------------------------------------------------------------ */

typedef struct fence_conf {
    double k;
} fence_conf;

static const gm_param fence_params[] = {
    { "k", GM_PARAM_DOUBLE, offsetof(fence_conf, k), "20", .help = "how many times the middle half's width beyond it", .low = 0, .high = 1e6 },
    { 0 },
};

static double held(double fence)
{
    const double far = 1e100;
    return fmin(fmax(fence, -far), far);
}

static gm_rc fence_column(double k, const double *x, int64_t rows, gm_arena *scratch, double *low, double *high, gm_err *err)
{
    double *v = NULL;
    int64_t count = 0;
    gm_rc rc = gm_finite_copy(x, rows, scratch, &v, &count, err);
    if (rc) return rc;
    *low = -INFINITY;
    *high = INFINITY;
    if (!count) return GM_OK;
    gm_sort_doubles(v, count);
    double q25 = gm_quantile_linear(v, count, 0.25), q75 = gm_quantile_linear(v, count, 0.75), spread = q75 - q25;
    if (spread == 0) spread = gm_quantile_linear(v, count, 0.99) - gm_quantile_linear(v, count, 0.01);
    if (spread == 0) spread = v[count - 1] - v[0];
    *low = held(q25 - k * spread);
    *high = held(q75 + k * spread);
    return GM_OK;
}

static gm_rc fence_fit(const void *conf_in, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                       void **out_state, gm_err *err)
{
    (void)y;
    const fence_conf *c = conf_in;
    state *s = NULL;
    gm_rc rc = new_state(in->width, a, &s, err);
    for (int64_t i = 0; !rc && i < in->width; i++)
        rc = fence_column(c->k, in->numbers + i * in->stride, in->rows, scratch, &s->low[i], &s->high[i], err);
    if (!rc) *out_state = s;
    return rc;
}

const gm_transform gm_transform_fence = {
    .item = { .name = "fence", .help = "hold values near the bulk of the training values", .params = fence_params, .conf_size = sizeof(fence_conf) },
    .accepts = GM_ACCEPTS_NUMBERS,
    .chains = true,
    .fit = fence_fit,
    .apply = apply,
    .write = write,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};

const gm_transform gm_transform_clip = {
    .item = { .name = "clip", .help = "hold values between bounds or quantiles", .params = params, .conf_size = sizeof(conf) },
    .accepts = GM_ACCEPTS_NUMBERS,
    .chains = true,
    .fit = fit,
    .apply = apply,
    .write = write,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};
