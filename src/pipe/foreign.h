/* foreign.h - a model that came from elsewhere, looked at before anybody trusts its numbers. */
#ifndef GM_PIPE_FOREIGN_H
#define GM_PIPE_FOREIGN_H

#include "pipe/scorer.h"

/* What nobody promises of an ONNX file that a program of the user's exported:
 *   - predictions are finite; probabilities lie in 0..1, and those of three or more classes sum to 1;
 *   - the columns of probability stand in our order of classes, as far as a `label` output tells;
 *   - a row alone gets the answer that it gets among others.
 * rows       raw, at least one
 * predicted  [rows, s->outputs], of s for rows
 * Errors: GM_EINVALID that names the fault and the row. */
gm_rc gm_foreign_check(const gm_scorer *s, const gm_table *rows, const double *predicted, gm_arena *a, gm_err *err);

/* s->trees and s->trees_inputs, when the graph is a tree ensemble over columns and our engine's answers are ONNX Runtime's; else s->trees stays
 * NULL: that is no failure. In a. */
void gm_foreign_trees(gm_scorer *s, const char *path, gm_arena *a);

#endif
