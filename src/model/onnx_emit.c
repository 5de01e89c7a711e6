/* onnx_emit.c - models as ONNX nodes: links, linear models, tree ensembles, and the named outputs. */
#include "onnx.h"

#include <string.h>

#include "onnx_internal.h"

/* ---- links and linear models --------------------------------------------------------------------------- */

static const char *link_of(gm_onnx *g, gm_link link, double sigmoid_scale, const char *margin)
{
    const char *y = NULL;
    switch (link) {
    case GM_LINK_IDENTITY: return margin;
    case GM_LINK_SIGMOID:
        if (sigmoid_scale != 1) margin = gm_onnx_op2(g, "Mul", margin, gm_onnx_double(g, sigmoid_scale));
        return gm_onnx_op1(g, "Sigmoid", margin);
    case GM_LINK_SOFTMAX:
        y = gm_onnx_op1(g, "Softmax", margin);
        gm_onnx_attr_int(g, "axis", 1);
        return y;
    case GM_LINK_EXP: return gm_onnx_op1(g, "Exp", margin);
    }
    return gm_onnx_fail(g, GM_EUNSUPPORTED, "the model's link %d has no ONNX form", (int)link);
}

/* y = link(x W' + b), all double. */
static const char *emit_linear(gm_onnx *g, const gm_linear *m, const char *x)
{
    double *columns = GM_ARENA_ARRAY(g->arena, double, m->features * m->outputs);
    if (!columns) return gm_onnx_fail(g, GM_ENOMEM, "the linear model is too large for its arena");
    for (int64_t o = 0; o < m->outputs; o++)
        for (int64_t f = 0; f < m->features; f++) columns[f * m->outputs + o] = m->weights[o * m->features + f];
    const char *w = gm_onnx_doubles(g, columns, (int64_t[]){ m->features, m->outputs }, 2);
    const char *b = gm_onnx_doubles(g, m->intercept, (int64_t[]){ 1, m->outputs }, 2);
    return link_of(g, m->link, 1, gm_onnx_op2(g, "Add", gm_onnx_op2(g, "MatMul", x, w), b));
}

/* ---- named outputs ------------------------------------------------------------------------------------- */

static const char *label_constant(gm_onnx *g, const gm_onnx_target *t)
{
    int64_t count = (int64_t)t->classes;
    if (t->texts) return gm_onnx_strings(g, t->texts, &count, 1);
    if (t->ints) return gm_onnx_int64s(g, t->ints, &count, 1);
    int64_t *numbers = GM_ARENA_ARRAY(g->arena, int64_t, count);
    if (!numbers) return gm_onnx_fail(g, GM_ENOMEM, "the class labels are too many for the arena");
    for (int64_t i = 0; i < count; i++) numbers[i] = i;
    return gm_onnx_int64s(g, numbers, &count, 1);
}

static const char *label_of(gm_onnx *g, const gm_onnx_target *t, const char *probability)
{
    const char *index = NULL;
    if (t->classes == 2) {
        const char *threshold = gm_onnx_double(g, t->threshold > 0 ? t->threshold : 0.5);
        index = gm_onnx_cast(g, gm_onnx_op2(g, "GreaterOrEqual", probability, threshold), GM_ONNX_INT64);
    } else {
        index = gm_onnx_op1(g, "ArgMax", probability);
        gm_onnx_attr_int(g, "axis", 1);
        gm_onnx_attr_int(g, "keepdims", 1);
    }
    return gm_onnx_op2(g, "Gather", label_constant(g, t), index);
}

void gm_onnx_finish(gm_onnx *g, const gm_onnx_target *t, const char *tensor)
{
    if (!t->classification) {
        gm_onnx_output(g, tensor, "prediction", GM_ONNX_DOUBLE, 1);
        return;
    }
    gm_assert(t->classes >= 2);
    gm_onnx_output(g, tensor, "probability", GM_ONNX_DOUBLE, t->classes == 2 ? 1 : (int64_t)t->classes);
    gm_onnx_output(g, label_of(g, t, tensor), "label", t->texts ? GM_ONNX_STRING : GM_ONNX_INT64, 1);
}

gm_rc gm_onnx_emit_model(gm_onnx *g, const gm_model *m, const char *x, const char **out_tensor, gm_err *err)
{
    const gm_linear *linear = gm_model_linear(m);
    const gm_trees *trees = gm_model_trees(m);
    const char *y = NULL;
    if (!g->failure.rc) {
        if (linear)
            y = emit_linear(g, linear, x);
        else if (trees)
            y = link_of(g, trees->link, trees->sigmoid_scale, gm_onnx_emit_trees(g, trees, x));
        else
            (void)gm_onnx_fail(g, GM_EUNSUPPORTED, "a model that is an ONNX file already has no nodes to add");
    }
    if (g->failure.rc) {
        if (err) *err = g->failure;
        return g->failure.rc;
    }
    *out_tensor = y;
    return GM_OK;
}
