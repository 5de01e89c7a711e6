/* drift_tests.h - p-values of the tests that stand beside a drift, and the distances that two of them rest on. */
#ifndef GM_WATCH_DRIFT_TESTS_H
#define GM_WATCH_DRIFT_TESTS_H

#include "watch/drift_sample.h"

/* Largest distance between the two distribution functions, [0, 1]; NaN when a side is empty. */
double gm_ks_distance(const gm_sample *reference, const gm_sample *current);
/* Area between the two distribution functions, in the values' units times scale; NaN when a side is empty. */
double gm_wasserstein_distance(const gm_sample *reference, const gm_sample *current, double scale);
/* p-value of a KS distance between samples of n and m. Within 0.06 of the exact one from 40 values a side on; two samples of one
 * size, whose distances lie on a coarse lattice, are the worst. */
double gm_ks_p(double distance, double n, double m);
/* P(X >= x) of the chi-square distribution. df > 0, x >= 0. */
double gm_chi_square_p(double x, double df);
/* Contingency chi-square of two rows of counts [count]; columns that are empty in both count for nothing. out_df: columns - 1. */
double gm_chi_square_2(const double *reference, const double *current, int64_t count, double *out_df);

#endif
