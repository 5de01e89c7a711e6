/* transform.c - what several transforms need: states as JSON, order statistics, small pieces of ONNX. */
#include "feature/transform.h"

#include <stdlib.h>
#include <string.h>

/* ---- states ------------------------------------------------------------------------------------------------ */

void gm_state_write_doubles(gm_json *j, const char *key, const double *v, int64_t count)
{
    char text[32];
    gm_json_key(j, key);
    gm_json_array(j);
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(v[i])) gm_json_double(j, v[i]);
        else gm_json_str(j, gm_double_text(v[i], text));
    }
    gm_json_array_end(j);
}

static gm_rc read_double(const gm_node *n, double *out, gm_err *err)
{
    static const struct {
        const char *text;
        double value;
    } special[] = { { "nan", NAN }, { "inf", INFINITY }, { "-inf", -INFINITY } };
    for (size_t i = 0; n->kind == GM_NODE_SCALAR && n->quoted && i < 3; i++) {
        if (strcmp(n->text, special[i].text) != 0) continue;
        *out = special[i].value;
        return GM_OK;
    }
    return gm_node_double(n, out, err);
}

gm_rc gm_state_read_doubles(const gm_node *json, const char *key, int64_t count, gm_arena *a, double **out,
                            int64_t *out_count, gm_err *err)
{
    const gm_node *list = gm_node_get(json, key);
    if (!list || list->kind != GM_NODE_SEQ) return gm_err_set(err, GM_EINVALID, "expected a list \"%s\"", key);
    if (count >= 0 && list->count != (size_t)count)
        return gm_err_at(err, list->pos, GM_EINVALID, "\"%s\" has %zu values instead of %lld", key, list->count,
                         (long long)count);
    double *v = GM_ARENA_ARRAY(a, double, list->count);
    if (!v) return gm_err_set(err, GM_ENOMEM, "not enough memory for \"%s\"", key);
    for (size_t i = 0; i < list->count; i++) {
        gm_rc rc = read_double(list->items[i], &v[i], err);
        if (rc) return rc;
    }
    *out = v;
    if (out_count) *out_count = (int64_t)list->count;
    return GM_OK;
}

/* ---- order statistics -------------------------------------------------------------------------------------- */

gm_rc gm_finite_copy(const double *v, int64_t rows, gm_arena *scratch, double **out, int64_t *out_count, gm_err *err)
{
    double *copy = GM_ARENA_ARRAY(scratch, double, rows);
    if (!copy) return gm_err_set(err, GM_ENOMEM, "not enough memory to copy %lld values", (long long)rows);
    int64_t n = 0;
    for (int64_t r = 0; r < rows; r++)
        if (isfinite(v[r])) copy[n++] = v[r];
    *out = copy;
    *out_count = n;
    return GM_OK;
}

double gm_quantile_linear(const double *sorted, int64_t count, double p)
{
    double h = (double)(count - 1) * p, below = floor(h);
    int64_t i = (int64_t)below, next = i + 1 < count ? i + 1 : i;
    return sorted[i] + (h - below) * (sorted[next] - sorted[i]);
}

/* ---- ONNX -------------------------------------------------------------------------------------------------- */

const char *gm_emit_row(gm_onnx *g, const double *v, int64_t width)
{
    return gm_onnx_doubles(g, v, (int64_t[]){ 1, width }, 2);
}

const char *gm_emit_column(gm_onnx *g, const char *tensor, int64_t width, int64_t i)
{
    if (width == 1) return tensor;
    const char *column = gm_onnx_op2(g, "Gather", tensor, gm_onnx_int64s(g, &i, (int64_t[]){ 1 }, 1));
    gm_onnx_attr_int(g, "axis", 1);
    return column;
}

const char *gm_emit_concat(gm_onnx *g, const char *const *tensors, int64_t count)
{
    if (count == 1) return tensors[0];
    const char *all = gm_onnx_node(g, "Concat", tensors, (size_t)count);
    gm_onnx_attr_int(g, "axis", 1);
    return all;
}
