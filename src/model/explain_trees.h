/* explain_trees.h - exact TreeSHAP over a tree ensemble; for explain.c. */
#ifndef GM_MODEL_EXPLAIN_TREES_H
#define GM_MODEL_EXPLAIN_TREES_H

#include "model/trees.h"

typedef struct gm_tree_explainer gm_tree_explainer; /* in arena; constant; borrows the trees */

/* Errors: GM_EUNSUPPORTED (a tree whose file has no cover), GM_ENOMEM. */
gm_rc gm_tree_explainer_new(const gm_trees *t, gm_arena *a, gm_tree_explainer **out, gm_err *err);
/* x [rows, features] column-major; out [rows, outputs, features + 1], the last is the base. Errors: GM_ENOMEM; width was checked. */
gm_rc gm_tree_explain(const gm_tree_explainer *e, const gm_matrix *x, gm_arena *scratch, double *out, gm_err *err);

#endif
