/* explain.h - what each feature adds to an answer.
 *
 * Trees: exact path-dependent TreeSHAP (Lundberg et al. 2018, algorithm 2; cover weights of the trainer), equal to XGBoost's pred_contribs and
 * LightGBM's pred_contrib. Linear: weight * (x - mean), the mean being that of the reference rows. On the margin, before the link:
 * base + sum of contributions = margin.
 */
#ifndef GM_MODEL_EXPLAIN_H
#define GM_MODEL_EXPLAIN_H

#include "model/model.h"

typedef struct gm_explainer gm_explainer; /* in arena; constant */
/* means [features]: of the reference rows, for linear models; NULL for trees. Errors: GM_EUNSUPPORTED (a foreign model; trees whose file has no
 * cover), GM_EINVALID (a linear model without means), GM_ENOMEM. */
gm_rc gm_explainer_new(const gm_model *m, const double *means, gm_arena *a, gm_explainer **out, gm_err *err);
/* x: rows; out [rows, outputs, features + 1], the last is the base. Threads: any, each with a scratch of its own.
 * Errors: GM_EINVALID (width), GM_ENOMEM. */
gm_rc gm_explain(const gm_explainer *e, const gm_matrix *x, gm_arena *scratch, double *out, gm_err *err);
int64_t gm_explainer_outputs(const gm_explainer *e);
int64_t gm_explainer_features(const gm_explainer *e);

#endif
