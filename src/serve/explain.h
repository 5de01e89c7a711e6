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

/* features: of the rows, as the scorer made them. A linear model is explained against s->means. The explainer is made for this call: some
 * milliseconds for hundreds of trees. In a. Errors: GM_EUNSUPPORTED (a foreign model; trees without cover; a linear model whose package has no
 * means), GM_ENOMEM. */
gm_rc gm_scorer_explain(const gm_scorer *s, const gm_matrix *features, gm_arena *a, gm_explanation *out, gm_err *err);
/* Base and sum. */
double gm_explanation_margin(const gm_explanation *e, int64_t row, int64_t output);
/* Features of a row by the size of what they add, largest first; order [features_count]. */
void gm_explanation_order(const gm_explanation *e, int64_t row, int64_t output, size_t *order);
/* {"base", "margin", "link", "contributions": [{"feature", "value"}, ...]}, the largest first; of a multiclass model a list of these, each with
 * its "class". Errors: GM_ENOMEM. */
gm_rc gm_explanation_json(const gm_explanation *e, int64_t row, gm_arena *scratch, gm_json *j, gm_err *err);

#endif
