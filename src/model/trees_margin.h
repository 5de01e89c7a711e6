/* trees_margin.h - for this room: the plain evaluator in memory of the caller's. */
#ifndef GM_MODEL_TREES_MARGIN_H
#define GM_MODEL_TREES_MARGIN_H

#include "model/trees.h"

/* As gm_trees_margin, for `rows` rows of x from `first`; out [rows * outputs].
 * block  [rows * features] doubles to work in; sums [rows * outputs] */
void gm_trees_margin_rows(const gm_trees *t, const gm_matrix *x, int64_t first, int64_t rows, double *block, float *sums, double *out);

#endif
