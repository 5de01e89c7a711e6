/* compat_internal.h - what the programs' definitions share: NumPy's histograms, SciPy's tests. */
#ifndef GM_WATCH_COMPAT_INTERNAL_H
#define GM_WATCH_COMPAT_INTERNAL_H

#include "watch/drift_internal.h"

/* Shares of both sides in the same bins. */
typedef struct gm_binned {
    int64_t count;
    double *p, *q; /* [count] reference, current */
} gm_binned;

/* Edges of equal width as numpy.histogram_bin_edges makes them: ceil((high - low) / width) bins; whole: integers, whose bins are
 * at least 1 wide. In a: [*out_bins + 1]. NULL when memory is out. */
double *gm_numpy_edges(double low, double high, double width, bool whole, gm_arena *a, int64_t *out_bins);
/* The same with the number of bins given: [bins + 1]. */
double *gm_numpy_bins(double low, double high, int64_t bins, gm_arena *a);
/* Counts in [edge[k], edge[k + 1]), the last bin closed; values outside are not counted. counts [bins]. */
void gm_numpy_histogram(const gm_sample *s, const double *edge, int64_t bins, double *counts);
double gm_sturges_width(double low, double high, double n);
double gm_doane_width(const gm_sample *s);
/* Is the column one of integers for pandas: whole numbers, none missing? */
bool gm_pandas_integers(const gm_sample *s);
/* One bin for each value of both sides. Errors: GM_ENOMEM. */
gm_rc gm_binned_values(gm_pair *pair, gm_binned *out, gm_err *err);

/* sqrt of the Jensen-Shannon divergence of p and q, both normalised, as scipy.spatial.distance.jensenshannon. base e: 0. */
double gm_scipy_jensen_shannon(const gm_binned *b, double base);
/* p-value of scipy.stats.ks_2samp: exact up to 10,000 values a side, else kstwo.sf(D, round(n m / (n + m))). */
double gm_scipy_ks_2samp_p(double distance, int64_t n, int64_t m);
/* scipy.stats.kstwo.sf(d, n): P(D_n >= d). */
double gm_scipy_kstwo_sf(double d, double n);

gm_rc gm_evidently_choose(gm_pair *pair, gm_drift_rule *out, const char **why, gm_err *err);
double gm_evidently_limit(const gm_detector *d);
gm_rc gm_nannyml_limit(const gm_drift_options *o, const gm_detector *d, const gm_drift_side *reference, const char *column,
                       gm_pair *pair, gm_arena *a, double *out, gm_err *err);

typedef gm_rc gm_compat_compute(gm_pair *pair, gm_detector_value *out, gm_err *err);
gm_compat_compute gm_evidently_psi, gm_evidently_jensen_shannon, gm_evidently_hellinger, gm_evidently_ks,
    gm_evidently_wasserstein, gm_evidently_chi_square, gm_evidently_z;
gm_compat_compute gm_nannyml_jensen_shannon, gm_nannyml_hellinger, gm_nannyml_ks, gm_nannyml_wasserstein, gm_nannyml_l_infinity,
    gm_nannyml_chi_square;
gm_compat_compute gm_tfdv_jensen_shannon, gm_tfdv_l_infinity;
gm_compat_compute gm_deequ_ks, gm_deequ_l_infinity, gm_deequ_chi_square;

#endif
