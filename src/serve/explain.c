/* explain.c - see explain.h. */
#include "serve/explain.h"

#include <math.h>

#include "model/explain.h"

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to explain an answer");
}

/* Contributions of the matrix's columns, summed by the feature that they come from. */
static void sum_up(const gm_program *p, const double *from, int64_t cols, double *to, size_t features)
{
    for (int64_t c = 0; c < cols; c++) to[gm_program_output_feature(p, (size_t)c)] += from[c];
    to[features] = from[cols];
}

static const char *link_of(const gm_model *m)
{
    return gm_link_name(gm_model_trees(m) ? gm_model_trees(m)->link : gm_model_linear(m)->link);
}

static gm_rc explain(const gm_scorer *s, const gm_matrix *x, gm_arena *scratch, gm_arena *a, gm_explanation *out, gm_err *err)
{
    gm_explainer *e = NULL;
    gm_rc rc = gm_explainer_new(s->model, s->means, scratch, &e, err);
    if (rc) return rc;
    size_t count = gm_program_features_count(s->program);
    *out = (gm_explanation){ .rows = x->rows,
                             .outputs = gm_explainer_outputs(e),
                             .features_count = count,
                             .features = (const char **)gm_arena_alloc(a, count, sizeof(*out->features)),
                             .classes = s->classes,
                             .classes_count = s->classes_count,
                             .link = link_of(s->model) };
    size_t cells = (size_t)(x->rows * out->outputs);
    double *raw = GM_ARENA_ARRAY(scratch, double, cells * (size_t)(x->cols + 1));
    out->values = GM_ARENA_ARRAY(a, double, cells * (count + 1));
    if (!out->features || !out->values || !raw) return no_memory(err);
    rc = gm_explain(e, x, scratch, raw, err);
    for (size_t i = 0; i < count; i++) out->features[i] = gm_program_feature_name(s->program, i);
    for (size_t i = 0; !rc && i < cells; i++) sum_up(s->program, raw + i * (size_t)(x->cols + 1), x->cols, out->values + i * (count + 1), count);
    return rc;
}

gm_rc gm_scorer_explain(const gm_scorer *s, const gm_matrix *features, gm_arena *a, gm_explanation *out, gm_err *err)
{
    gm_explanation e;
    if (!s->model || !features) {
        gm_rc rc = gm_err_set(err, GM_EUNSUPPORTED, "answers of a foreign model cannot be explained");
        gm_err_hint(err, "Tree ensembles and linear models that the pipeline trained can be.");
        return rc;
    }
    if (gm_model_linear(s->model) && !s->means) {
        gm_rc rc = gm_err_set(err, GM_EUNSUPPORTED, "this package does not say what its linear model is explained against");
        gm_err_hint(err, "It is older than explanations by reference rows: `gristmill run` makes a new version.");
        return rc;
    }
    gm_arena *scratch = gm_arena_new(0);
    gm_rc rc = scratch ? explain(s, features, scratch, a, &e, err) : no_memory(err);
    gm_arena_free(scratch);
    if (!rc) *out = e;
    return rc;
}

/* ---- showing ----------------------------------------------------------------------------------------------------------------- */

static const double *row_of(const gm_explanation *e, int64_t row, int64_t output)
{
    return e->values + (size_t)(row * e->outputs + output) * (e->features_count + 1);
}

double gm_explanation_margin(const gm_explanation *e, int64_t row, int64_t output)
{
    const double *v = row_of(e, row, output);
    double sum = v[e->features_count];
    for (size_t i = 0; i < e->features_count; i++) sum += v[i];
    return sum;
}

/* By insertion: a pipeline has tens of features. Equal ones keep the pipeline's order, NaN comes last. */
void gm_explanation_order(const gm_explanation *e, int64_t row, int64_t output, size_t *order)
{
    const double *v = row_of(e, row, output);
    for (size_t i = 0; i < e->features_count; i++) {
        size_t at = i;
        for (; at && (fabs(v[i]) > fabs(v[order[at - 1]]) || (isnan(v[order[at - 1]]) && !isnan(v[i]))); at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

gm_rc gm_explanation_json(const gm_explanation *e, int64_t row, gm_arena *scratch, gm_json *j, gm_err *err)
{
    size_t *order = GM_ARENA_ARRAY(scratch, size_t, e->features_count);
    if (!order) return no_memory(err);
    if (e->outputs > 1) gm_json_array(j);
    for (int64_t k = 0; k < e->outputs; k++) {
        const double *v = row_of(e, row, k);
        gm_explanation_order(e, row, k, order);
        gm_json_object(j);
        if (e->outputs > 1 && k < e->classes_count) gm_json_kstr(j, "class", e->classes[k]);
        gm_json_kdouble(j, "base", v[e->features_count]);
        gm_json_kdouble(j, "margin", gm_explanation_margin(e, row, k));
        gm_json_kstr(j, "link", e->link);
        gm_json_key(j, "contributions");
        gm_json_array(j);
        for (size_t i = 0; i < e->features_count; i++) {
            gm_json_object(j);
            gm_json_kstr(j, "feature", e->features[order[i]]);
            gm_json_kdouble(j, "value", v[order[i]]);
            gm_json_object_end(j);
        }
        gm_json_array_end(j);
        gm_json_object_end(j);
    }
    if (e->outputs > 1) gm_json_array_end(j);
    return GM_OK;
}
