/* log.c - the natural logarithm of 1 + x.
 *
 *   out = ln(1 + x) for x > -1, else NaN;   signed: out = sign(x) ln(1 + |x|)
 *
 * Computed as ln(u) x / (u - 1) with u = 1 + x rounded, and as x where u = 1: accurate to a few ulp for small x, and sayable in
 * ONNX, which has no log1p, by the same operations.
 * NaN         stays NaN; +inf stays +inf
 * Source      Kahan's device, as in Goldberg (1991), ACM Computing Surveys 23(1), theorem 4
 * Checked     against log1p of libm in test/unit/feature/test_transforms.c, 4 ulp
 */
#include "feature/transform.h"

typedef struct conf {
    bool is_signed;
} conf;

static const gm_param params[] = {
    { "signed", GM_PARAM_BOOL, offsetof(conf, is_signed), "false", .help = "sign(x) ln(1 + |x|), for values of both signs" },
    { 0 },
};

static double log1p_of(double x)
{
    if (x == (double)INFINITY) return x;
    double u = 1 + x;
    if (u == 1) return x;
    return log(u) * x / (u - 1);
}

static void apply(const void *opaque, const void *state, const gm_values *in, double *out, int64_t out_stride)
{
    (void)state;
    bool is_signed = ((const conf *)opaque)->is_signed;
    for (int64_t c = 0; c < in->width; c++) {
        const double *x = in->numbers + c * in->stride;
        double *to = out + c * out_stride;
        for (int64_t r = 0; r < in->rows; r++) {
            if (is_signed) to[r] = x[r] < 0 ? -log1p_of(-x[r]) : log1p_of(x[r]);
            else to[r] = x[r] > -1 ? log1p_of(x[r]) : (double)NAN;
        }
    }
}

static const char *emit_log1p(gm_onnx *g, const char *x)
{
    const char *one = gm_onnx_double(g, 1), *u = gm_onnx_op2(g, "Add", one, x);
    const char *product = gm_onnx_op2(g, "Mul", gm_onnx_op1(g, "Log", u), x);
    const char *ratio = gm_onnx_op2(g, "Div", product, gm_onnx_op2(g, "Sub", u, one));
    const char *is_itself = gm_onnx_op2(g, "Or", gm_onnx_op2(g, "Equal", u, one),
                                        gm_onnx_op2(g, "Equal", x, gm_onnx_double(g, (double)INFINITY)));
    return gm_onnx_op3(g, "Where", is_itself, x, ratio);
}

static const char *emit(const void *opaque, const void *state, const gm_emit_in *in, gm_onnx *g)
{
    (void)state;
    if (!((const conf *)opaque)->is_signed) {
        const char *defined = gm_onnx_op2(g, "Greater", in->tensor, gm_onnx_double(g, -1));
        return gm_onnx_op3(g, "Where", defined, emit_log1p(g, in->tensor), gm_onnx_double(g, (double)NAN));
    }
    const char *magnitude = emit_log1p(g, gm_onnx_op1(g, "Abs", in->tensor));
    const char *negative = gm_onnx_op2(g, "Less", in->tensor, gm_onnx_double(g, 0));
    return gm_onnx_op3(g, "Where", negative, gm_onnx_op1(g, "Neg", magnitude), magnitude);
}

static void emit_c(const void *conf_in, const void *state, gm_type type, int64_t width_in, gm_c *c)
{
    (void)state;
    (void)type;
    const char *f = gm_c_use(c, "gm_log1p");
    gm_c_line(c, "for (int32_t i = 0; i < %lld; i++) {", (long long)width_in);
    if (((const conf *)conf_in)->is_signed) gm_c_line(c, "o[i] = a[i] < 0 ? -%s(-a[i]) : %s(a[i]);", f, f);
    else gm_c_line(c, "o[i] = a[i] > -1 ? %s(a[i]) : (double)NAN;", f);
    gm_c_close(c);
}

const gm_transform gm_transform_log = {
    .item = { .name = "log", .help = "ln(1 + x)", .params = params, .conf_size = sizeof(conf) },
    .accepts = GM_ACCEPTS_NUMBERS,
    .chains = true,
    .apply = apply,
    .emit = emit,
    .emit_c = emit_c,
};
