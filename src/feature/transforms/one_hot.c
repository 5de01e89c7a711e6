/* one_hot.c - one column of 0 and 1 for each category of training.
 *
 * Order       sorted categories, then missing if training had it, then the bucket of infrequent ones if there is one
 * Infrequent  a category with fewer training rows than min_frequency (a count when >= 1, else a share of all rows), and, with
 *             max_categories = m > 0 and more than m columns otherwise, the rarest until m - 1 and the bucket are left
 *             (ties: the category that sorts first goes into the bucket). Missing is counted like a category
 * Unknown     (and missing that training did not have): the bucket if there is one, else all zeros
 * Limit       4,096 columns
 * Source      scikit-learn 1.9, OneHotEncoder(handle_unknown="infrequent_if_exist"), except that m categories with none
 *             infrequent fit into max_categories = m
 * Checked     test/conformance/feature/transforms.json, scikit-learn 1.9.1, exact
 */
#include <stdlib.h>
#include <string.h>

#include "feature/vocab.h"

enum { COLUMNS_MAX = 4096 };

typedef struct conf {
    double min_frequency;
    int64_t max_categories;
} conf;

static const gm_param params[] = {
    { "min_frequency", GM_PARAM_DOUBLE, offsetof(conf, min_frequency), "0",
      .help = "rarer categories share a column; a count, or a share below 1", .low = 0, .high = 1e15 },
    { "max_categories", GM_PARAM_INT, offsetof(conf, max_categories), "0", .help = "at most this many columns; 0 = any", .low = 0,
      .high = COLUMNS_MAX },
    { 0 },
};

typedef struct encoded {
    gm_vocab vocab;
    int32_t *to;   /* [count + 1] output column of a category, missing last; -1 = zeros */
    int32_t width; /* output columns */
    int32_t other; /* output column of unknown values, the bucket; -1 = zeros */
} encoded;

typedef struct state {
    int64_t width_in;
    encoded *columns; /* [width_in] */
} state;

static gm_rc out_of_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to encode categories"); }

/* Give output columns to the categories that are not infrequent, in order, and the last one to the bucket. */
static gm_rc assign(encoded *e, const bool *infrequent, gm_arena *a, gm_err *err)
{
    int32_t categories = e->vocab.count + (e->vocab.missing ? 1 : 0), next = 0;
    bool any = false;
    e->to = GM_ARENA_ARRAY(a, int32_t, e->vocab.count + 1);
    if (!e->to) return out_of_memory(err);
    for (int32_t i = 0; i < categories; i++) {
        any = any || infrequent[i];
        e->to[i] = infrequent[i] ? -1 : next++;
    }
    e->other = any ? next : -1;
    e->width = next + (any ? 1 : 0);
    for (int32_t i = 0; i < categories; i++)
        if (infrequent[i]) e->to[i] = e->other;
    if (!e->vocab.missing) e->to[e->vocab.count] = e->other;
    if (e->width <= COLUMNS_MAX) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "%d categories would give more than %d columns", e->vocab.count, COLUMNS_MAX);
    gm_err_hint(err, "Set max_categories, or use target_encode.");
    return rc;
}

typedef struct ranked {
    int64_t count;
    int32_t category;
} ranked;

static int by_count(const void *x, const void *y)
{
    const ranked *p = x, *q = y;
    if (p->count != q->count) return p->count < q->count ? -1 : 1;
    return (p->category > q->category) - (p->category < q->category);
}

static gm_rc find_infrequent(const conf *c, const int64_t *counts, int32_t categories, int64_t rows, gm_arena *scratch,
                             bool **out, gm_err *err)
{
    bool *infrequent = GM_ARENA_ARRAY(scratch, bool, categories);
    ranked *order = GM_ARENA_ARRAY(scratch, ranked, categories);
    if (!infrequent || !order) return out_of_memory(err);
    double least = c->min_frequency < 1 ? c->min_frequency * (double)rows : c->min_frequency;
    int64_t rare = 0;
    for (int32_t i = 0; i < categories; i++) {
        infrequent[i] = (double)counts[i] < least;
        rare += infrequent[i];
        order[i] = (ranked){ counts[i], i };
    }
    int64_t columns = categories - rare + (rare > 0);
    if (c->max_categories > 0 && columns > c->max_categories) {
        if (categories > 1) qsort(order, (size_t)categories, sizeof(*order), by_count);
        for (int64_t i = 0; i < categories - (c->max_categories - 1); i++) infrequent[order[i].category] = true;
    }
    *out = infrequent;
    return GM_OK;
}

static gm_rc new_state(int64_t width_in, gm_arena *a, state **out, gm_err *err)
{
    state *s = GM_ARENA_NEW(a, state);
    if (s) *s = (state){ width_in, GM_ARENA_ARRAY(a, encoded, width_in) };
    if (!s || !s->columns) return out_of_memory(err);
    *out = s;
    return GM_OK;
}

static gm_rc fit(const void *conf_in, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err)
{
    (void)y;
    state *s = NULL;
    gm_rc rc = new_state(in->width, a, &s, err);
    for (int64_t c = 0; !rc && c < in->width; c++) {
        encoded *e = &s->columns[c];
        int64_t *counts = NULL;
        bool *infrequent = NULL;
        rc = gm_vocab_fit(in, c, a, scratch, &e->vocab, &counts, err);
        if (!rc) rc = find_infrequent(conf_in, counts, e->vocab.count + (e->vocab.missing ? 1 : 0), in->rows, scratch, &infrequent, err);
        if (!rc) rc = assign(e, infrequent, a, err);
    }
    if (!rc) *out_state = s;
    return rc;
}

static int64_t width(const void *conf_in, const void *opaque, int64_t width_in)
{
    (void)conf_in;
    int64_t total = 0;
    for (int64_t c = 0; c < width_in; c++) total += ((const state *)opaque)->columns[c].width;
    return total;
}

static const char *name(const void *conf_in, const void *opaque, const char *const *in_names, int64_t width_in, int64_t i,
                        gm_arena *a)
{
    (void)conf_in;
    (void)width_in;
    char number[32];
    const encoded *e = ((const state *)opaque)->columns;
    for (; i >= e->width; e++, in_names++) i -= e->width;
    if (i == e->other) return gm_arena_printf(a, "%s=(infrequent)", *in_names);
    int32_t category = 0;
    while (e->to[category] != i) category++;
    return gm_arena_printf(a, "%s=%s", *in_names, gm_vocab_name(&e->vocab, category, number));
}

static gm_rc prepare(const void *opaque, const gm_column *column, gm_arena *scratch, const void **out_memo, gm_err *err)
{
    return gm_vocab_prepare(&((const state *)opaque)->columns->vocab, column, scratch, out_memo, err);
}

static void apply(const void *conf_in, const void *opaque, const gm_values *in, double *out, int64_t out_stride)
{
    (void)conf_in;
    const state *s = opaque;
    for (int64_t c = 0; c < in->width; c++) {
        const encoded *e = &s->columns[c];
        for (int32_t k = 0; k < e->width; k++) memset(out + k * out_stride, 0, (size_t)in->rows * sizeof(*out));
        for (int64_t r = 0; r < in->rows; r++) {
            int32_t i = gm_vocab_at(&e->vocab, in, c, r), k = i < 0 ? e->other : e->to[i];
            if (k >= 0) out[k * out_stride + r] = 1;
        }
        out += e->width * out_stride;
    }
}

/* The infrequent categories are written as their places among the categories, missing being the last. */
static void write(const void *opaque, gm_json *j)
{
    const state *s = opaque;
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (int64_t c = 0; c < s->width_in; c++) {
        const encoded *e = &s->columns[c];
        gm_json_object(j);
        gm_vocab_write(&e->vocab, j);
        gm_json_key(j, "infrequent");
        gm_json_array(j);
        for (int32_t i = 0; e->other >= 0 && i < e->vocab.count + (e->vocab.missing ? 1 : 0); i++)
            if (e->to[i] == e->other) gm_json_int(j, i);
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static gm_rc read_column(const gm_node *json, gm_type type, gm_arena *a, encoded *e, gm_err *err)
{
    gm_rc rc = gm_vocab_read(json, type, a, &e->vocab, err);
    if (rc) return rc;
    const gm_node *list = gm_node_get(json, "infrequent");
    int64_t categories = e->vocab.count + (e->vocab.missing ? 1 : 0), i = 0;
    bool *infrequent = GM_ARENA_ARRAY(a, bool, categories);
    if (!infrequent) return out_of_memory(err);
    if (!list || list->kind != GM_NODE_SEQ) return gm_err_set(err, GM_EINVALID, "expected a list \"infrequent\"");
    for (size_t k = 0; k < list->count; k++) {
        rc = gm_node_int(list->items[k], &i, err);
        if (rc) return rc;
        if (i < 0 || i >= categories)
            return gm_err_at(err, list->items[k]->pos, GM_EINVALID, "there is no category %lld", (long long)i);
        infrequent[i] = true;
    }
    return assign(e, infrequent, a, err);
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
    for (int64_t c = 0; !rc && c < width_in; c++) rc = read_column(list->items[c], type, a, &s->columns[c], err);
    if (!rc) *out_state = s;
    return rc;
}

static const char *emit_column(const encoded *e, gm_onnx *g, const char *x)
{
    gm_arena *scratch = gm_arena_new(0);
    int64_t *to = scratch ? GM_ARENA_ARRAY(scratch, int64_t, e->vocab.count + 1) : NULL;
    int64_t *places = scratch ? GM_ARENA_ARRAY(scratch, int64_t, e->width) : NULL;
    const char *result = NULL;
    if (to && places) {
        for (int32_t i = 0; i <= e->vocab.count; i++) to[i] = e->to[i];
        for (int32_t k = 0; k < e->width; k++) places[k] = k;
        const char *index = gm_vocab_emit(&e->vocab, g, x, to, e->other);
        const char *is_place = gm_onnx_op2(g, "Equal", index, gm_onnx_int64s(g, places, (int64_t[]){ 1, e->width }, 2));
        result = gm_onnx_cast(g, is_place, GM_ONNX_DOUBLE);
    }
    gm_arena_free(scratch);
    return result;
}

static const char *emit(const void *conf_in, const void *opaque, const gm_emit_in *in, gm_onnx *g)
{
    (void)conf_in;
    const state *s = opaque;
    gm_arena *scratch = gm_arena_new(0);
    const char **parts = scratch ? GM_ARENA_ARRAY(scratch, const char *, s->width_in) : NULL, *all = NULL;
    int64_t count = 0;
    for (int64_t c = 0; parts && c < s->width_in; c++)
        if (s->columns[c].width) parts[count++] = emit_column(&s->columns[c], g, gm_emit_column(g, in->tensor, s->width_in, c));
    if (parts && count) all = gm_emit_concat(g, parts, count);
    gm_arena_free(scratch);
    return all;
}

static void emit_c(const void *conf_in, const void *opaque, gm_type type, int64_t width_in, gm_c *c)
{
    (void)type;
    const state *s = opaque;
    int64_t first = 0;
    gm_c_line(c, "for (int32_t i = 0; i < %lld; i++) o[i] = 0;", (long long)width(conf_in, opaque, width_in));
    for (int64_t i = 0; i < width_in; i++) {
        const encoded *e = &s->columns[i];
        int64_t *to = GM_ARENA_ARRAY(c->a, int64_t, e->vocab.count + 2); /* categories, missing, unknown */
        if (!to) {
            gm_c_fail(c, GM_ENOMEM, "not enough memory to write categories as C");
            return;
        }
        for (int32_t k = 0; k <= e->vocab.count; k++) to[k] = e->to[k];
        to[e->vocab.count + 1] = e->other;
        const char *k = gm_vocab_c(&e->vocab, i, c), *table = gm_c_wholes(c, to, e->vocab.count + 2), *at = gm_c_name(c, 'k');
        gm_c_line(c, "const int32_t %s = %s[%s < 0 ? %d : %s];", at, table, k, e->vocab.count + 1, k);
        gm_c_line(c, "if (%s >= 0) o[%lld + %s] = 1;", at, (long long)first, at);
        c->stack_bytes += 8;
        first += e->width;
    }
}

const gm_transform gm_transform_one_hot = {
    .item = { .name = "one_hot", .help = "a column of 0 and 1 for each category", .params = params, .conf_size = sizeof(conf) },
    .accepts = GM_ACCEPTS_NUMBERS | (1u << GM_TYPE_STRING),
    .chains = true,
    .fit = fit,
    .width = width,
    .name = name,
    .prepare = prepare,
    .apply = apply,
    .write = write,
    .read = read,
    .emit = emit,
    .emit_c = emit_c,
};
