/* delong.h - the variance of ROC AUCs, and of their difference on the same rows. */
#ifndef GM_EVAL_DELONG_H
#define GM_EVAL_DELONG_H

#include "eval/score_cache.h"

/* Standard normal: 97.5 % quantile, and the share outside +-z. */
#define GM_Z95 1.959963984540054
double gm_two_sided_p(double z);

/* placement [rows]: for a positive the share of negatives scored below it, for a negative the share of positives scored
 * above it, ties one half. Weights are not looked at. Errors: GM_EINVALID one class only; GM_ENOMEM. */
gm_rc gm_delong_placements(const gm_scores *s, gm_arena *scratch, double *placement, double *out_auc, gm_err *err);
/* Covariance of two AUCs over the same truth (binary, [rows]) from their placements; u = v gives the variance. NaN when a
 * class has one row only. */
double gm_delong_covariance(const double *truth, int64_t rows, const double *u, const double *v);

#endif
