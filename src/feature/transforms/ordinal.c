/* ordinal.c - the place of a category among the sorted categories of training: 0, 1, 2 ...
 *
 * Order       texts by their bytes, numbers by value
 * Missing and unknown  NaN
 * Source      scikit-learn 1.9, OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=nan)
 * Checked     test/conformance/feature/transforms.json, scikit-learn 1.9.1, exact
 */
#include "feature/vocab.h"

typedef struct state {
    int64_t width;
    gm_vocab *vocabs; /* [width] */
} state;

static gm_rc new_state(int64_t width, gm_arena *a, state **out, gm_err *err)
{
    state *s = GM_ARENA_NEW(a, state);
    if (s) *s = (state){ width, GM_ARENA_ARRAY(a, gm_vocab, width) };
    if (!s || !s->vocabs) return gm_err_set(err, GM_ENOMEM, "not enough memory for categories");
    *out = s;
    return GM_OK;
}

static gm_rc fit(const void *conf_in, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err)
{
    (void)conf_in;
    (void)y;
    state *s = NULL;
    int64_t *counts = NULL;
    gm_rc rc = new_state(in->width, a, &s, err);
    for (int64_t c = 0; !rc && c < in->width; c++) rc = gm_vocab_fit(in, c, a, scratch, &s->vocabs[c], &counts, err);
    if (!rc) *out_state = s;
    return rc;
}

static gm_rc prepare(const void *opaque, const gm_column *column, gm_arena *scratch, const void **out_memo, gm_err *err)
{
    return gm_vocab_prepare(((const state *)opaque)->vocabs, column, scratch, out_memo, err);
}

static void apply(const void *conf_in, const void *opaque, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    const state *s = opaque;
    for (int64_t c = 0; c < in->width; c++) {
        const gm_vocab *v = &s->vocabs[c];
        double *to = out + c * out_stride;
        for (int64_t r = 0; r < in->rows; r++) {
            int32_t i = gm_vocab_at(v, in, c, r);
            to[r] = i < 0 || i == v->count ? (double)NAN : (double)i;
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
        gm_vocab_write(&s->vocabs[c], j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static gm_rc read(const void *conf_in, const gm_node *json, gm_type type, int64_t width_in, gm_arena *a,
                  void **out_state, gm_err *err)
{
    (void)conf_in;
    state *s = NULL;
    const gm_node *list = gm_node_get(json, "columns");
    if (!list || list->kind != GM_NODE_SEQ || list->count != (size_t)width_in)
        return gm_err_set(err, GM_EINVALID, "expected a list \"columns\" of %lld", (long long)width_in);
    gm_rc rc = new_state(width_in, a, &s, err);
    for (int64_t c = 0; !rc && c < width_in; c++) rc = gm_vocab_read(list->items[c], type, a, &s->vocabs[c], err);
    if (!rc) *out_state = s;
    return rc;
}

static const char *emit_column(const gm_vocab *v, gm_onnx *g, const char *x)
{
    gm_arena *scratch = gm_arena_new(0);
    int64_t *to = scratch ? GM_ARENA_ARRAY(scratch, int64_t, v->count + 1) : NULL;
    const char *result = NULL;
    if (to) {
        for (int32_t i = 0; i < v->count; i++) to[i] = i;
        to[v->count] = -1;
        const char *index = gm_vocab_emit(v, g, x, to, -1), *minus_one = gm_onnx_int64s(g, &to[v->count], NULL, 0);
        result = gm_onnx_op3(g, "Where", gm_onnx_op2(g, "Equal", index, minus_one), gm_onnx_double(g, (double)NAN),
                             gm_onnx_cast(g, index, GM_ONNX_DOUBLE));
    }
    gm_arena_free(scratch);
    return result;
}

static const char *emit(const void *conf_in, const void *opaque, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    const state *s = opaque;
    gm_arena *scratch = gm_arena_new(0);
    const char **parts = scratch ? GM_ARENA_ARRAY(scratch, const char *, s->width) : NULL, *all = NULL;
    for (int64_t c = 0; parts && c < s->width; c++)
        parts[c] = emit_column(&s->vocabs[c], g, gm_emit_column(g, in->tensor, s->width, c));
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
        const char *k = gm_vocab_c(&s->vocabs[i], i, c);
        gm_c_line(c, "o[%lld] = %s < 0 || %s == %d ? (double)NAN : (double)%s;", (long long)i, k, k, s->vocabs[i].count, k);
    }
}

const gm_transform gm_transform_ordinal = {
    .item = { .name = "ordinal", .help = "the place of a category among the sorted ones" },
    .accepts = GM_ACCEPTS_NUMBERS | (1u << GM_TYPE_STRING),
    .chains = true,
    .fit = fit,
    .prepare = prepare,
    .apply = apply,
    .write = write,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};
