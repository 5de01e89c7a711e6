/* fairness.h - how decisions differ between groups of people. */
#ifndef GM_EVAL_FAIRNESS_H
#define GM_EVAL_FAIRNESS_H

#include "eval/evaluate.h"

typedef struct gm_group_rates {
    const char *group;
    int64_t rows;
    double selection_rate;                     /* share predicted positive                     */
    double true_positive_rate;                 /* NaN without positives                        */
    double false_positive_rate;                /* NaN without negatives                        */
    double accuracy;
    bool judged;                               /* rows >= min_rows: counts in the differences  */
} gm_group_rates;

typedef struct gm_fairness {
    const char *column;
    gm_group_rates *groups; /* [groups_count] in the order of gm_slicing */
    size_t groups_count, judged_count;
    /* Largest minus smallest, and smallest over largest, over the judged groups; NaN with fewer than two. */
    double demographic_parity_difference, demographic_parity_ratio; /* of selection rates */
    double equalized_odds_difference, equalized_odds_ratio;         /* the worse of TPR and FPR */
    double equal_opportunity_difference;                            /* of TPR             */
    bool four_fifths; /* demographic_parity_ratio >= 0.8 */
} gm_fairness;

/* Binary only; groups as slices are formed. In arena. Errors: GM_EINVALID not binary, other rows. */
gm_rc gm_fairness_by(const gm_scores *s, const gm_column *column, int64_t min_rows, gm_arena *a, gm_fairness *out, gm_err *err);

#endif
