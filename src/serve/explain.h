/* explain.h - why an answer is what it is: what each feature of the pipeline added to it. model/explain.h has the definitions.
 *
 * A feature is a column or an expression of the pipeline file; what its transforms made of it (the columns of a one-hot, say) is summed.
 */
#ifndef GM_SERVE_EXPLAIN_H
#define GM_SERVE_EXPLAIN_H

#include "serve/served.h"

typedef struct gm_explanation {
    int64_t rows, outputs;       /* outputs: classes of a multiclass model, else 1 */
    const char **features;       /* [features_count] */
    size_t features_count;
    double *values;              /* [rows, outputs, features_count + 1], the last is the base; base + sum = margin */
    const char *const *classes;  /* [classes_count] */
    int64_t classes_count;
    const char *link;            /* from margin to answer: "sigmoid", "identity" ... */
} gm_explanation;

/* features: of the rows, as the scorer made them. means [features->cols] for linear models, NULL for trees. The explainer is made for this call: some
 * milliseconds for hundreds of trees. In a. Errors: those of gm_explainer_new. */
gm_rc gm_scorer_explain(const gm_scorer *s, const gm_matrix *features, const double *means, gm_arena *a, gm_explanation *out, gm_err *err);
/* The same for a served model; a linear one is explained against the means of the package's example rows.
 * features: gm_scorer_session_features after predict, at most one block of rows. */
gm_rc gm_served_explain(const gm_served *s, const gm_matrix *features, gm_arena *a, gm_explanation *out, gm_err *err);
/* Base and sum. */
double gm_explanation_margin(const gm_explanation *e, int64_t row, int64_t output);
/* Features of a row by the size of what they add, largest first; order [features_count]. */
void gm_explanation_order(const gm_explanation *e, int64_t row, int64_t output, size_t *order);
/* {"base", "margin", "link", "contributions": [{"feature", "value"}, ...]}, the largest first; of a multiclass model a list of these, each with
 * its "class". Errors: GM_ENOMEM. */
gm_rc gm_explanation_json(const gm_explanation *e, int64_t row, gm_arena *scratch, gm_json *j, gm_err *err);

#endif
