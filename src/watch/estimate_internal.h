/* estimate_internal.h - what the parts of estimated performance share. */
#ifndef GM_WATCH_ESTIMATE_INTERNAL_H
#define GM_WATCH_ESTIMATE_INTERNAL_H

#include "eval/score_cache.h"
#include "watch/estimate.h"

enum { GM_ESTIMATE_ROWS_MIN = 100 }; /* labelled reference rows */

typedef struct gm_dle gm_dle; /* dle.c */

struct gm_estimator {
    gm_task task;
    int64_t classes, outputs; /* outputs: numbers per row of predictions that are calibrated: binary 1, multiclass classes */
    const gm_metric *metric;
    gm_compat compat;
    int64_t reference_rows;
    gm_isotonic *calibrators; /* [outputs]; count 0 = scores are taken as they are */
    double offset;            /* of the estimate on the reference itself, from what its labels say; 0 with compat nannyml */
    double wobble;            /* how far estimates of parts of the reference were off, beyond sampling; 0 = no further */
    double spread;            /* standard deviation of the metric on n rows, times sqrt(n); NaN = not known */
    gm_dle *dle;              /* regression */
};

/* ---- isotonic.c ---- */

/* As gm_isotonic_fit, from an order that is there already. score [i * stride] and truth [i] by row; fold [rows] and held_out:
 * rows of that fold are left out; fold NULL = none. */
gm_rc gm_isotonic_fit_order(const gm_score_order *order, const double *score, int64_t stride, const double *truth,
                            const uint8_t *fold, int held_out, gm_arena *a, gm_isotonic *out, gm_err *err);

/* ---- cbpe.c: classes ---- */

/* Fit e->calibrators, and e->spread with compat nannyml. reference: labelled rows only. like: what it calibrates is calibrated
 * here; NULL = as it helps. Errors: GM_EINVALID one class; GM_ENOMEM. */
gm_rc gm_cbpe_fit(gm_estimator *e, const gm_scores *reference, const gm_estimator *like, uint64_t seed, gm_arena *a,
                  gm_arena *scratch, gm_err *err);
gm_rc gm_cbpe_value(const gm_estimator *e, const gm_scores *current, gm_arena *scratch, double *out, gm_err *err);
bool gm_cbpe_fits(const gm_metric *metric);

/* The chance of each class by the calibrators, in scratch: [rows * outputs], rows of several classes sum to 1. */
gm_rc gm_cbpe_chances(const gm_estimator *e, const gm_scores *current, gm_arena *scratch, double **out, gm_err *err);
/* Truth of one class against the rest, 0 or 1. [rows] in scratch; NULL when memory is out. */
double *gm_one_against_rest(const gm_scores *s, int64_t class_index, gm_arena *scratch);

/* ---- estimate.c, estimate_record.c ---- */

/* Fit calibrators or trees, and the anchor; not the spread of the default. labelled: rows with truth only. like: as above. */
gm_rc gm_estimator_learn(gm_estimator *e, const gm_scores *labelled, const gm_table *features, const gm_estimator *like,
                         uint64_t seed, gm_arena *a, gm_arena *scratch, gm_err *err);
/* The metric by CBPE or DLE, anchored. */
gm_rc gm_estimator_value(const gm_estimator *e, const gm_scores *s, const gm_table *features, gm_arena *scratch, double *out,
                         gm_err *err);
/* The estimator's own record: tenths of the reference in their order, each estimated from the others, against their labels. Fits
 * e->wobble. Errors: GM_ENOMEM; those of LightGBM. */
gm_rc gm_estimator_record(gm_estimator *e, const gm_scores *labelled, const gm_table *features, uint64_t seed, gm_err *err);

/* ---- cbpe_choice.c: is calibrating worth it? ---- */

/* Expected calibration error with and without, on rows that the calibrator has not seen. positives [rows]. Errors: GM_ENOMEM. */
gm_rc gm_calibration_helps(const gm_score_order *order, const double *score, int64_t stride, const double *positives,
                           gm_compat compat, uint64_t seed, bool *out, gm_err *err);

/* ---- cbpe_shuffle.c: the draws of scikit-learn's StratifiedShuffleSplit ---- */

/* NumPy's RandomState: MT19937. */
typedef struct gm_numpy_random {
    uint32_t state[624];
    int at;
} gm_numpy_random;
void gm_numpy_random_init(gm_numpy_random *r, uint32_t seed);
uint32_t gm_numpy_random_u32(gm_numpy_random *r);
/* Each order of values [count] with the same chance, as RandomState.shuffle. */
void gm_numpy_shuffle(gm_numpy_random *r, uint32_t *values, int64_t count);
/* One draw: the rows of the test side, ceil(share * rows) of them, in out_test [rows]; truth [rows] is 0 or 1, both there.
 * Errors: GM_ENOMEM. */
gm_rc gm_stratified_draw(gm_numpy_random *r, const double *truth, int64_t rows, double share, gm_arena *scratch,
                         uint32_t *out_test, int64_t *out_count, gm_err *err);

/* ---- cbpe_nannyml.c: NannyML's sampling errors and curves ---- */

/* The sampling error of one row, as NannyML 0.13 has it. NaN = it has none for the metric. Errors: GM_ENOMEM. */
gm_rc gm_nannyml_spread(const gm_metric *metric, const gm_scores *reference, gm_arena *scratch, double *out, gm_err *err);
/* Areas of the curves that NannyML walks row by row. order: by score; chance [i * stride]. */
double gm_nannyml_roc_auc(const gm_score_order *order, const double *chance, int64_t stride);
double gm_nannyml_average_precision(const gm_score_order *order, const double *chance);

/* ---- dle.c: values ---- */

bool gm_dle_fits(const gm_metric *metric);
/* quick: a third of the trees, for the record. */
gm_rc gm_dle_fit(gm_estimator *e, const gm_scores *reference, const gm_table *features, bool quick, uint64_t seed, gm_arena *a,
                 gm_arena *scratch, gm_err *err);
gm_rc gm_dle_value(const gm_estimator *e, const gm_scores *current, const gm_table *features, gm_arena *scratch, double *out,
                   gm_err *err);

#endif
