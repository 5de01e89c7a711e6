/* estimate_eigen.h - eigenvalues and eigenvectors of a symmetric matrix. */
#ifndef GM_WATCH_ESTIMATE_EIGEN_H
#define GM_WATCH_ESTIMATE_EIGEN_H

#include "base/arena.h"
#include "base/err.h"

/* m [n, n] symmetric, finite; overwritten with the eigenvectors, one a row, of length 1, largest value first. The sign is such
 * that the entry of largest magnitude is positive. values [n]. O(n^3): 30 columns take 0.1 ms, 500 a third of a second.
 * Errors: GM_EINVALID an entry that is not finite; GM_EINTERNAL no convergence; GM_ENOMEM. */
gm_rc gm_eigen_symmetric(double *m, size_t n, double *values, gm_arena *scratch, gm_err *err);

#endif
