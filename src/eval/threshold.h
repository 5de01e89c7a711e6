/* threshold.h - where to cut a probability: by F1, or by what mistakes cost. */
#ifndef GM_EVAL_THRESHOLD_H
#define GM_EVAL_THRESHOLD_H

#include "eval/score_cache.h"

typedef struct gm_threshold {
    double threshold; /* class 1 when predicted >= threshold; infinity = never */
    double value;     /* the F1, or the cost, there                            */
} gm_threshold;

/* Over the distinct scores and infinity; of equals the highest threshold for F1, the lowest for costs. Errors: GM_EINVALID one
 * class only, a cost below 0. */
gm_rc gm_threshold_best_f1(const gm_scores *s, gm_arena *scratch, gm_threshold *out, gm_err *err);
gm_rc gm_threshold_least_cost(const gm_scores *s, double cost_false_positive, double cost_false_negative, gm_arena *scratch,
                              gm_threshold *out, gm_err *err);
/* The score of point p of a sweep. */
double gm_sweep_threshold(const gm_scores *s, const gm_sweep *sweep, int64_t point);

#endif
