/* impute.c - a value where there is none, and, where wanted, a column that says so.
 *
 *   out = x, or fill when x is missing; fill is learned from the finite training values:
 *   mean           compensated sum / n
 *   median         the middle value, or the mean of the two middle ones
 *   most_frequent  the value that occurs most often; ties: the smallest
 *   constant       the parameter `value`
 *
 * Indicator   after the values, one column per input that gets one: 1 where x is missing, else 0. `always`: every
 *             input with missing training values; `auto`: those with at least 1 % missing; `never`
 * Infinite    not used in fit, kept in apply
 * No value    GM_EINVALID, except with constant
 * Source      scikit-learn 1.9, SimpleImputer with add_indicator
 * Checked     test/conformance/feature/transforms.json, scikit-learn 1.9.1, to 1e-12 (the mean), else exact
 */
#include <string.h>

#include "feature/transform.h"

typedef struct conf {
    const char *strategy;
    double value;
    const char *add_indicator;
} conf;

static const gm_param params[] = {
    { "strategy", GM_PARAM_STR, offsetof(conf, strategy), "median", .help = "what to put where a value is missing",
      .choices = "mean median most_frequent constant" },
    { "value", GM_PARAM_DOUBLE, offsetof(conf, value), "0", .help = "the constant" },
    { "add_indicator", GM_PARAM_STR, offsetof(conf, add_indicator), "auto",
      .help = "a column that is 1 where the value was missing; auto: from 1 % missing on", .choices = "auto always never" },
    { 0 },
};

typedef struct state {
    int64_t width, indicators_count;
    double *fill;        /* [width]                                     */
    int64_t *indicators; /* [indicators_count] input columns, rising    */
} state;

static double mean_of(const double *v, int64_t count)
{
    gm_long_sum s = { 0 };
    for (int64_t i = 0; i < count; i++) gm_long_sum_add(&s, v[i]);
    return (s.sum + s.lost) / (double)count;
}

static double median_of(double *v, int64_t count)
{
    int64_t k = count / 2;
    gm_select(v, count, k);
    if (count % 2) return v[k];
    double below = v[0];
    for (int64_t i = 1; i < k; i++) below = fmax(below, v[i]);
    return isfinite(below + v[k]) ? (below + v[k]) / 2 : below / 2 + v[k] / 2;
}

static double most_frequent_of(double *v, int64_t count)
{
    gm_sort_doubles(v, count);
    double best = v[0];
    for (int64_t i = 0, longest = 0, end; i < count; i = end) {
        for (end = i; end < count && v[end] == v[i]; end++) {}
        if (end - i <= longest) continue;
        longest = end - i;
        best = v[i];
    }
    return best;
}

static gm_rc fit_column(const conf *c, const double *x, int64_t rows, gm_arena *scratch, double *out, gm_err *err)
{
    double *v = NULL;
    int64_t count = 0;
    *out = c->value;
    if (strcmp(c->strategy, "constant") == 0) return GM_OK;
    gm_rc rc = gm_finite_copy(x, rows, scratch, &v, &count, err);
    if (rc) return rc;
    if (!count) return gm_err_set(err, GM_EINVALID, "no value in the training rows to take the %s of", c->strategy);
    if (strcmp(c->strategy, "mean") == 0) *out = mean_of(v, count);
    else if (strcmp(c->strategy, "median") == 0) *out = median_of(v, count);
    else *out = most_frequent_of(v, count);
    return GM_OK;
}

static bool wants_indicator(const conf *c, const double *x, int64_t rows)
{
    int64_t missing = 0;
    if (strcmp(c->add_indicator, "never") == 0) return false;
    for (int64_t r = 0; r < rows; r++) missing += isnan(x[r]) != 0;
    return missing > 0 && (strcmp(c->add_indicator, "always") == 0 || (double)missing >= 0.01 * (double)rows);
}

static gm_rc new_state(int64_t width, gm_arena *a, state **out, gm_err *err)
{
    state *s = GM_ARENA_NEW(a, state);
    if (s) *s = (state){ width, 0, GM_ARENA_ARRAY(a, double, width), GM_ARENA_ARRAY(a, int64_t, width) };
    if (!s || !s->fill || !s->indicators) return gm_err_set(err, GM_ENOMEM, "not enough memory to impute");
    *out = s;
    return GM_OK;
}

static gm_rc fit(const void *opaque, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err)
{
    (void)y;
    state *s = NULL;
    gm_rc rc = new_state(in->width, a, &s, err);
    for (int64_t c = 0; !rc && c < in->width; c++) {
        const double *x = in->numbers + c * in->stride;
        rc = fit_column(opaque, x, in->rows, scratch, &s->fill[c], err);
        if (!rc && wants_indicator(opaque, x, in->rows)) s->indicators[s->indicators_count++] = c;
    }
    if (!rc) *out_state = s;
    return rc;
}

static int64_t width(const void *conf_in, const void *opaque, int64_t width_in)
{
    (void)conf_in;
    return width_in + ((const state *)opaque)->indicators_count;
}

static const char *name(const void *conf_in, const void *opaque, const char *const *in_names, int64_t width_in, int64_t i,
                        gm_arena *a)
{
    (void)conf_in;
    if (i < width_in) return in_names[i];
    return gm_arena_printf(a, "%s is missing", in_names[((const state *)opaque)->indicators[i - width_in]]);
}

static void apply(const void *conf_in, const void *opaque, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    const state *s = opaque;
    for (int64_t i = 0; i < s->indicators_count; i++) {
        const double *x = in->numbers + s->indicators[i] * in->stride;
        double *to = out + (s->width + i) * out_stride;
        for (int64_t r = 0; r < in->rows; r++) to[r] = isnan(x[r]) ? 1 : 0;
    }
    for (int64_t c = 0; c < s->width; c++) {
        const double *x = in->numbers + c * in->stride;
        double fill = s->fill[c], *to = out + c * out_stride;
        for (int64_t r = 0; r < in->rows; r++) to[r] = isnan(x[r]) ? fill : x[r];
    }
}

static void write(const void *opaque, gm_json *j)
{
    const state *s = opaque;
    gm_state_write_doubles(j, "fill", s->fill, s->width);
    gm_json_key(j, "indicators");
    gm_json_array(j);
    for (int64_t i = 0; i < s->indicators_count; i++) gm_json_int(j, s->indicators[i]);
    gm_json_array_end(j);
}

static gm_rc read(const void *conf_in, const gm_node *json, gm_type type, int64_t width_in, gm_arena *a,
                  void **out_state, gm_err *err)
{
    (void)type;
    (void)conf_in;
    state *s = NULL;
    gm_rc rc = new_state(width_in, a, &s, err);
    if (!rc) rc = gm_state_read_doubles(json, "fill", width_in, a, &s->fill, NULL, err);
    if (rc) return rc;
    const gm_node *list = gm_node_get(json, "indicators");
    if (!list || list->kind != GM_NODE_SEQ || list->count > (size_t)width_in)
        return gm_err_set(err, GM_EINVALID, "expected a list \"indicators\"");
    for (size_t i = 0; i < list->count; i++) {
        int64_t c = 0, least = i ? s->indicators[i - 1] + 1 : 0;
        rc = gm_node_int(list->items[i], &c, err);
        if (rc) return rc;
        if (c < least || c >= width_in)
            return gm_err_at(err, list->items[i]->pos, GM_EINVALID, "indicator of column %lld is out of place", (long long)c);
        s->indicators[s->indicators_count++] = c;
    }
    *out_state = s;
    return GM_OK;
}

static const char *emit(const void *conf_in, const void *opaque, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    const state *s = opaque;
    const char *is_missing = gm_onnx_op1(g, "IsNaN", in->tensor);
    const char *parts[2] = { gm_onnx_op3(g, "Where", is_missing, gm_emit_row(g, s->fill, s->width), in->tensor) };
    if (!s->indicators_count) return parts[0];
    const char *chosen = is_missing;
    if (s->width > 1) {
        chosen = gm_onnx_op2(g, "Gather", is_missing, gm_onnx_int64s(g, s->indicators, &s->indicators_count, 1));
        gm_onnx_attr_int(g, "axis", 1);
    }
    parts[1] = gm_onnx_cast(g, chosen, GM_ONNX_DOUBLE);
    return gm_emit_concat(g, parts, 2);
}

static void emit_c(const void *conf_in, const void *opaque, gm_type type, int64_t width_in, gm_c *c)
{
    (void)conf_in;
    (void)type;
    const state *s = opaque;
    const char *fill = gm_c_doubles(c, s->fill, width_in);
    if (s->indicators_count) {
        const char *of = gm_c_wholes(c, s->indicators, s->indicators_count);
        gm_c_line(c, "for (int32_t i = 0; i < %lld; i++) o[%lld + i] = isnan(a[%s[i]]) ? 1 : 0;", (long long)s->indicators_count,
                  (long long)width_in, of);
    }
    gm_c_line(c, "for (int32_t i = 0; i < %lld; i++) o[i] = isnan(a[i]) ? %s[i] : a[i];", (long long)width_in, fill);
}

const gm_transform gm_transform_impute = {
    .item = { .name = "impute", .help = "fill missing numbers", .params = params, .conf_size = sizeof(conf) },
    .accepts = GM_ACCEPTS_NUMBERS,
    .chains = true,
    .fit = fit,
    .width = width,
    .name = name,
    .apply = apply,
    .write = write,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};
