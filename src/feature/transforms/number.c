/* number.c - a number, bool or whole number as it is; missing stays NaN. What trees need. */
#include <string.h>

#include "feature/transform.h"

static void apply(const void *conf_in, const void *state, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    (void)state;
    for (int64_t c = 0; c < in->width; c++)
        memcpy(out + c * out_stride, in->numbers + c * in->stride, (size_t)in->rows * sizeof(*out));
}

static const char *emit(const void *conf_in, const void *state, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    (void)state;
    (void)g;
    return in->tensor;
}

static void emit_c(const void *conf_in, const void *state, gm_type type, int64_t width_in, gm_c *c)
{
    (void)conf_in;
    (void)state;
    (void)type;
    gm_c_line(c, "for (int32_t i = 0; i < %lld; i++) o[i] = a[i];", (long long)width_in);
}

const gm_transform gm_transform_number = {
    .item = { .name = "number", .help = "the number as it is, missing as NaN" },
    .accepts = GM_ACCEPTS_NUMBERS,
    .chains = true,
    .apply = apply,
    .emit = emit,
    .emit_c = emit_c,
};
