/* estimate.h - how good a model is on rows whose labels are not there yet, and how unlike the reference rows are as a whole.
 *
 * CBPE (NannyML 0.13): the scores are calibrated on the reference; then a row counts as much for each cell of the confusion
 * matrix as its calibrated probability says. DLE: a regression on features and prediction foretells the loss. Both assume that
 * what links columns and label has not changed; docs/numerics/estimated-performance.md. compat NANNYML gives NannyML's numbers;
 * our own default is anchored: on the reference itself it says what the labels there say, so that only other inputs move it. It
 * groups tied scores.
 */
#ifndef GM_WATCH_ESTIMATE_H
#define GM_WATCH_ESTIMATE_H

#include "eval/interval.h"
#include "eval/metric.h"
#include "watch/detector.h"

/* ---- calibration ---- */

/* Isotonic regression by pool-adjacent-violators with clipping at the ends, as scikit-learn's
 * IsotonicRegression(out_of_bounds="clip"). */
typedef struct gm_isotonic {
    double *x, *y;
    size_t count;
} gm_isotonic; /* in arena; linear between thresholds */
/* score, truth [rows], finite, any order. Errors: GM_EINVALID no rows, not a number; GM_ENOMEM. */
gm_rc gm_isotonic_fit(const double *score, const double *truth, int64_t rows, gm_arena *a, gm_isotonic *out, gm_err *err);
double gm_isotonic_at(const gm_isotonic *c, double score); /* NaN for NaN */

/* ---- estimated performance ---- */

/* Fitted on reference rows; constant afterwards: any number of threads may use it. In arena. */
typedef struct gm_estimator gm_estimator;

/* reference: scores with truth; rows whose truth is NaN do not count; >= 100 labelled rows. features (may be NULL): the
 * reference's rows for DLE (regression), numbers and texts as served. compat: default or nannyml. seed: of folds and
 * bootstraps; the same seed gives the same bits.
 * Errors: GM_EINVALID too few rows, one class; a metric that has no estimate (the hint lists those that have one); another
 * compat; GM_ENOMEM; regression also GM_EUNAVAILABLE (LightGBM is not there). */
gm_rc gm_estimator_fit(const gm_scores *reference, const gm_table *features, const gm_metric *metric, gm_compat compat,
                       uint64_t seed, gm_arena *a, gm_estimator **out, gm_err *err);
/* Can the metric be estimated for the task? Classes: all but ece and ks. Regression: mae, mape, mse, rmse, rmsle. */
bool gm_estimator_fits(const gm_metric *metric, gm_task task);
/* Were the reference's scores so far off that they are calibrated first? */
bool gm_estimator_calibrates(const gm_estimator *e);
/* current: scores without truth (truth NULL), with the threshold in use. features: as at the fit (regression), rows in the same
 * order. out: value with a 95 % interval (compat nannyml: 3 standard deviations) of where the metric will lie once labels are
 * there; NaN bounds when that is not known; method "CBPE" or "DLE". Any number of rows from 1 on; few give wide intervals. When
 * parts of the reference (give it in order of time) differed by more than chance from what the rest said of them, the interval is
 * no narrower than that.
 * Errors: GM_EINVALID no rows, scores that are not finite, another task or other classes, a column that the fit had and is not
 * there; GM_ENOMEM.
 * Cost: 10,000 rows of two classes 0.3 to 0.5 ms; their fit 10 to 25 ms; of values, 2,000 rows x
 * 15 columns, 0.4 s. */
gm_rc gm_estimate(const gm_estimator *e, const gm_scores *current, const gm_table *features, gm_arena *scratch, gm_interval *out,
                  gm_err *err);

/* ---- multivariate drift ---- */

/* PCA reconstruction error (NannyML 0.13): impute, texts by share, standardise, components for a share of the variance, mean
 * Euclidean distance between a row and its image. Fit on reference rows; limits mean +- 3 sd over the reference's chunks.
 * Constant afterwards: any number of threads. */
typedef struct gm_pca gm_pca;
/* columns [columns_count >= 2], numbers, times, bools and texts; reference: >= 100 rows. variance: share to keep, in (0, 1]; 0
 * = 0.65. chunk_rows: for the limits; 0 = a tenth. In arena. Errors: GM_EINVALID too few rows, columns or chunks, no such
 * column, none that varies; GM_ENOMEM.
 * Cost: 5,000 rows x 30 columns about 15 ms. */
gm_rc gm_pca_fit(const gm_table *reference, const char *const *columns, size_t columns_count, double variance, int64_t chunk_rows,
                 gm_arena *a, gm_pca **out, gm_err *err);
typedef struct gm_pca_value {
    double error, low, high;      /* band of sampling error, 3 sd; NaN for one row */
    double limit_low, limit_high; /* limit_low 0 = none */
    bool drifted;
    int64_t rows;
} gm_pca_value;
/* Errors: GM_EINVALID no rows, a column that is not there or is no longer text (one without any value is taken as it is);
 * GM_ENOMEM. */
gm_rc gm_pca_error(const gm_pca *p, const gm_table *current, gm_arena *scratch, gm_pca_value *out, gm_err *err);

/* Can a classifier tell current rows from reference rows? Cross-validated ROC AUC of our LightGBM (100 trees, 31 leaves, 5
 * stratified folds by lot); 0.5 = no. Each side is cut to rows_max rows by an even stride (0 = 5,000). columns: the columns
 * that give it away, largest gain first.
 * Errors: GM_EINVALID below 50 rows of either, no columns, one that is not there or text on one side only; GM_EUNAVAILABLE no
 * LightGBM; GM_ENOMEM.
 * Cost: 2 x 5,000 rows x 15 columns about a second of one core. */
typedef struct gm_domain_value {
    double auc;
    double limit_low, limit_high; /* drifted: above limit_high; below limit_low: rows of one in the other */
    bool drifted;
    const char **columns; /* [count] in arena */
    double *gain;         /* [count] in arena */
    size_t count;
} gm_domain_value;
gm_rc gm_domain_classifier(const gm_table *reference, const gm_table *current, const char *const *columns, size_t columns_count,
                           int64_t rows_max, uint64_t seed, gm_arena *a, gm_domain_value *out, gm_err *err);

/* ---- sequential detectors: a value at a time, bounded memory ---- */

/* ADWIN (Bifet and Gavalda 2007; river 0.26 defaults: clock 32, 5 buckets a row, window >= 5, grace 10). Owned; 6 KiB whatever
 * the length. */
typedef struct gm_adwin gm_adwin;
/* delta: the chance of a false cut at each look, in (0, 1); 0 = 0.002. Errors: GM_EINVALID; GM_ENOMEM. */
gm_rc gm_adwin_new(double delta, gm_adwin **out, gm_err *err);
void gm_adwin_free(gm_adwin *d);
/* true when the window was cut: the mean has changed. Mean and width are then those of what is left; the next value begins a
 * new window. A value that is not finite is passed over. */
bool gm_adwin_add(gm_adwin *d, double value);
double gm_adwin_mean(const gm_adwin *d); /* 0 when empty */
int64_t gm_adwin_width(const gm_adwin *d);

/* Page-Hinkley (river 0.26 defaults: 30 values, delta 0.005, threshold 50, alpha 0.9999, both directions). A plain value: no
 * memory. */
typedef struct gm_page_hinkley {
    int64_t values_min;             /* settings; 0 = default */
    double delta, threshold, alpha; /* threshold in units of the values: take a small one for shares */
    int64_t values;                 /* state; begins zeroed */
    double mean, sum_up, sum_down, least_up, most_down;
} gm_page_hinkley;
/* true when the mean has moved; the state then begins anew, the settings stay. A value that is not finite is passed over. */
bool gm_page_hinkley_add(gm_page_hinkley *d, double value);

#endif
