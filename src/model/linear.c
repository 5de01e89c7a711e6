/* linear.c - linear models: their margin, their links and their file. */
#include "model.h"

#include <string.h>

static const char *const link_names[] = {
    [GM_LINK_IDENTITY] = "identity",
    [GM_LINK_SIGMOID] = "sigmoid",
    [GM_LINK_SOFTMAX] = "softmax",
    [GM_LINK_EXP] = "exp",
};

enum { LINKS = sizeof(link_names) / sizeof(link_names[0]), CELLS_MAX = 1 << 27 };

const char *gm_link_name(gm_link link)
{
    gm_assert((unsigned)link < LINKS);
    return link_names[link];
}

/* linear margin - a weighted sum of the features of a row.
 *
 *   out[r, o] = sum over f of x[r, f] w[o, f]  +  b[o]
 *
 * Shapes     x [rows, features] column-major, w [outputs, features], b [outputs], out [rows, outputs] row-major
 * NaN        any missing feature makes the row's margins NaN
 * Source     by definition; summed in the order of the features, intercept last
 * Checked    test_model_files.c against sums by hand and ONNX Runtime's MatMul, 1e-12 (its order of summing differs)
 */
gm_rc gm_linear_margin(const gm_linear *m, const gm_matrix *x, double *out, gm_err *err)
{
    if (x->cols != m->features)
        return gm_err_set(err, GM_EINVALID, "the model takes %lld features, the matrix has %lld", (long long)m->features,
                          (long long)x->cols);
    memset(out, 0, (size_t)(x->rows * m->outputs) * sizeof(*out));
    for (int64_t f = 0; f < m->features; f++) {
        const double *column = x->data + f * x->rows;
        for (int64_t o = 0; o < m->outputs; o++) {
            double w = m->weights[o * m->features + f];
            for (int64_t r = 0; r < x->rows; r++) out[r * m->outputs + o] += column[r] * w;
        }
    }
    for (int64_t r = 0; r < x->rows; r++)
        for (int64_t o = 0; o < m->outputs; o++) out[r * m->outputs + o] += m->intercept[o];
    return GM_OK;
}

/* ---- links --------------------------------------------------------------------------------------------- */

/* 1 / (1 + e^-v), from whichever side does not overflow. */
static double sigmoid(double v)
{
    if (v >= 0) return 1 / (1 + exp(-v));
    double e = exp(v);
    return e / (1 + e);
}

static void softmax(double *v, int64_t n)
{
    double max = v[0], sum = 0;
    for (int64_t i = 1; i < n; i++) max = v[i] > max ? v[i] : max;
    for (int64_t i = 0; i < n; i++) sum += v[i] = exp(v[i] - max);
    for (int64_t i = 0; i < n; i++) v[i] /= sum;
}

void gm_link_apply(gm_link link, double scale, double *values, int64_t rows, int64_t outputs)
{
    int64_t n = rows * outputs;
    if (link == GM_LINK_SIGMOID)
        for (int64_t i = 0; i < n; i++) values[i] = sigmoid(scale * values[i]);
    else if (link == GM_LINK_EXP)
        for (int64_t i = 0; i < n; i++) values[i] = exp(values[i]);
    else if (link == GM_LINK_SOFTMAX)
        for (int64_t r = 0; r < rows; r++) softmax(values + r * outputs, outputs);
}

/* ---- the file ------------------------------------------------------------------------------------------ */

void gm_linear_json(const gm_linear *m, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "format", "gristmill-linear");
    gm_json_kint(j, "version", 1);
    gm_json_kstr(j, "link", gm_link_name(m->link));
    gm_json_kint(j, "features", m->features);
    gm_json_kint(j, "outputs", m->outputs);
    gm_json_key(j, "weights");
    gm_json_array(j);
    for (int64_t o = 0; o < m->outputs; o++) {
        gm_json_array(j);
        for (int64_t f = 0; f < m->features; f++) gm_json_double(j, m->weights[o * m->features + f]);
        gm_json_array_end(j);
    }
    gm_json_array_end(j);
    gm_json_key(j, "intercept");
    gm_json_array(j);
    for (int64_t o = 0; o < m->outputs; o++) gm_json_double(j, m->intercept[o]);
    gm_json_array_end(j);
    gm_json_object_end(j);
}

static gm_pos pos_of(const gm_node *n)
{
    return n ? n->pos : (gm_pos){ 0 };
}

static gm_rc read_doubles(const gm_node *list, int64_t count, const char *what, double *out, gm_err *err)
{
    if (!list || list->kind != GM_NODE_SEQ || (int64_t)list->count != count)
        return gm_err_at(err, pos_of(list), GM_EINVALID, "the linear model's %s must be a list of %lld numbers", what,
                         (long long)count);
    for (size_t i = 0; i < list->count; i++) {
        gm_rc rc = gm_node_double(list->items[i], &out[i], err);
        if (rc) return gm_err_ctx(err, rc, "reading %s of a linear model", what);
        if (!isfinite(out[i]))
            return gm_err_at(err, list->items[i]->pos, GM_EINVALID, "the linear model's %s must be finite", what);
    }
    return GM_OK;
}

static gm_rc read_link(const gm_node *json, gm_link *out, gm_err *err)
{
    const char *name = gm_node_str_or(json, "link", "");
    for (int i = 0; i < LINKS; i++)
        if (strcmp(link_names[i], name) == 0) {
            *out = (gm_link)i;
            return GM_OK;
        }
    return gm_err_at(err, pos_of(gm_node_get(json, "link")), GM_EINVALID, "unrecognized link \"%s\"", name);
}

/* Format, version and sizes. */
static gm_rc read_head(const gm_node *json, gm_linear *m, gm_err *err)
{
    if (strcmp(gm_node_str_or(json, "format", ""), "gristmill-linear") != 0)
        return gm_err_at(err, pos_of(json), GM_EINVALID, "this is not a linear model's file");
    int64_t version = gm_node_int_or(json, "version", 0);
    if (version != 1)
        return gm_err_at(err, pos_of(gm_node_get(json, "version")), GM_EUNSUPPORTED,
                         "linear model of version %lld; this program reads version 1", (long long)version);
    m->features = gm_node_int_or(json, "features", -1);
    m->outputs = gm_node_int_or(json, "outputs", -1);
    if (m->features < 0 || m->outputs < 1 || m->features > CELLS_MAX || m->outputs > CELLS_MAX ||
        m->features * m->outputs > CELLS_MAX)
        return gm_err_at(err, pos_of(json), GM_EINVALID, "a linear model of %lld features and %lld outputs",
                         (long long)m->features, (long long)m->outputs);
    return read_link(json, &m->link, err);
}

gm_rc gm_linear_read(const gm_node *json, gm_arena *a, gm_linear **out, gm_err *err)
{
    gm_linear *m = GM_ARENA_NEW(a, gm_linear);
    if (!m) return gm_err_set(err, GM_ENOMEM, "no memory for a linear model");
    gm_rc rc = read_head(json, m, err);
    if (rc) return rc;
    const gm_node *rows = gm_node_get(json, "weights");
    if (!rows || rows->kind != GM_NODE_SEQ || (int64_t)rows->count != m->outputs)
        return gm_err_at(err, pos_of(rows), GM_EINVALID, "the linear model's weights must be %lld lists",
                         (long long)m->outputs);
    m->weights = GM_ARENA_ARRAY(a, double, m->features * m->outputs);
    m->intercept = GM_ARENA_ARRAY(a, double, m->outputs);
    if (!m->weights || !m->intercept) return gm_err_set(err, GM_ENOMEM, "no memory for a linear model");
    for (int64_t o = 0; o < m->outputs; o++) {
        rc = read_doubles(rows->items[o], m->features, "weights", m->weights + o * m->features, err);
        if (rc) return rc;
    }
    rc = read_doubles(gm_node_get(json, "intercept"), m->outputs, "intercept", m->intercept, err);
    if (!rc) *out = m;
    return rc;
}
