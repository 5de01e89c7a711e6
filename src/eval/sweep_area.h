/* sweep_area.h - the area under the ROC curve of a sweep. */
#ifndef GM_EVAL_SWEEP_AREA_H
#define GM_EVAL_SWEEP_AREA_H

#include "eval/score_cache.h"

/* Trapezoids over the distinct scores, which equals the share of (positive, negative) pairs in order, ties one half.
 * Both classes must have rows. Twice the area in pairs is a whole number: exact up to 2^53 pairs. */
static inline double gm_sweep_area(const gm_sweep *s)
{
    double pairs_twice = 0, tp = 0, fp = 0;
    for (int64_t p = 0; p < s->points; p++) {
        pairs_twice += (s->fp[p] - fp) * (s->tp[p] + tp);
        tp = s->tp[p];
        fp = s->fp[p];
    }
    return pairs_twice / 2 / (s->positives * s->negatives);
}

#endif
