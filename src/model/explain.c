/* explain.c - see explain.h.
 *
 * linear contributions - weight times distance from the mean
 *
 *   phi_f = w_f (x_f - mean_f),   base = b + sum over f of w_f mean_f
 *
 * NaN        a missing feature's contribution is NaN, as its margin is
 * Source     Strumbelj & Kononenko (2014): the Shapley values of a linear model whose features are taken as independent
 * Checked    test_explain: shap 0.51 LinearExplainer with the same mean as background, 1e-12
 */
#include "model/explain.h"

#include <string.h>

#include "model/explain_trees.h"

struct gm_explainer {
    gm_tree_explainer *trees;
    const gm_linear *linear;
    const double *means; /* [features], of the linear model */
    double *base;        /* [outputs], of the linear model  */
    int64_t features, outputs;
};

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to explain a model"); }

static gm_rc prepare_linear(gm_explainer *e, const double *means, gm_arena *a, gm_err *err)
{
    const gm_linear *l = e->linear;
    double *copy = GM_ARENA_ARRAY(a, double, l->features);
    e->base = GM_ARENA_ARRAY(a, double, l->outputs);
    if (!means) return gm_err_set(err, GM_EINVALID, "a linear model is explained against the means of its features");
    if (!copy || !e->base) return no_memory(err);
    if (l->features) memcpy(copy, means, (size_t)l->features * sizeof(*copy));
    e->means = copy;
    for (int64_t o = 0; o < l->outputs; o++) {
        e->base[o] = l->intercept[o];
        for (int64_t f = 0; f < l->features; f++) e->base[o] += l->weights[o * l->features + f] * means[f];
    }
    return GM_OK;
}

gm_rc gm_explainer_new(const gm_model *m, const double *means, gm_arena *a, gm_explainer **out, gm_err *err)
{
    const gm_trees *trees = gm_model_trees(m);
    gm_explainer *e = GM_ARENA_NEW(a, gm_explainer);
    gm_rc rc = GM_OK;
    if (!e) return no_memory(err);
    e->linear = gm_model_linear(m);
    if (trees) {
        e->features = trees->features;
        e->outputs = trees->outputs;
        rc = gm_tree_explainer_new(trees, a, &e->trees, err);
    } else if (e->linear) {
        e->features = e->linear->features;
        e->outputs = e->linear->outputs;
        rc = prepare_linear(e, means, a, err);
    } else {
        rc = gm_err_set(err, GM_EUNSUPPORTED, "a foreign model cannot be explained: only tree ensembles and linear models can");
    }
    if (!rc) *out = e;
    return rc;
}

static void explain_linear(const gm_explainer *e, const gm_matrix *x, double *out)
{
    int64_t features = e->features;
    for (int64_t r = 0; r < x->rows; r++)
        for (int64_t o = 0; o < e->outputs; o++) {
            double *row = out + (r * e->outputs + o) * (features + 1);
            for (int64_t f = 0; f < features; f++) row[f] = e->linear->weights[o * features + f] * (x->data[f * x->rows + r] - e->means[f]);
            row[features] = e->base[o];
        }
}

gm_rc gm_explain(const gm_explainer *e, const gm_matrix *x, gm_arena *scratch, double *out, gm_err *err)
{
    if (x->cols != e->features)
        return gm_err_set(err, GM_EINVALID, "the model takes %lld features, the matrix has %lld", (long long)e->features, (long long)x->cols);
    if (e->trees) return gm_tree_explain(e->trees, x, scratch, out, err);
    explain_linear(e, x, out);
    return GM_OK;
}

int64_t gm_explainer_outputs(const gm_explainer *e) { return e->outputs; }
int64_t gm_explainer_features(const gm_explainer *e) { return e->features; }
