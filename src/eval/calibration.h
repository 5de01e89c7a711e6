/* calibration.h - calibration over a cache, weights included; evaluate.h has the public form. */
#ifndef GM_EVAL_CALIBRATION_H
#define GM_EVAL_CALIBRATION_H

#include "eval/evaluate.h"
#include "eval/score_cache.h"

/* As gm_calibration. Errors: GM_EINVALID not binary, or predictions outside [0, 1]. */
gm_rc gm_calibration_cached(const gm_score_cache *c, gm_calibration_bin out_bins[10], size_t *out_count, double *out_ece,
                            gm_err *err);

#endif
