/* cholesky.h - symmetric positive (semi-)definite systems, and quadratics with an L1 penalty. Matrices [n, n] row-major. */
#ifndef GM_TRAIN_CHOLESKY_H
#define GM_TRAIN_CHOLESKY_H

#include <stdbool.h>
#include <stdint.h>

/* In place: the lower triangle becomes L with L L' = A. A pivot of at most 1e-10 of its diagonal means that the column follows from those
 * before it (a full set of one-hot columns beside an intercept does): its row and column of L become 0, and its solution 0.
 * Returns how many columns were given up. */
int64_t gm_cholesky(double *a, int64_t n);
/* Solve L L' x = b in place. */
void gm_cholesky_solve(const double *l, int64_t n, double *b);

/* Minimise  1/2 w'Hw - q'w + sum_j penalty_j |w_j|  over w by coordinate descent, from the w given.
 *
 *   w_j <- S(q_j - sum_{i != j} H_ji w_i, penalty_j) / H_jj,   S(a, p) = sign(a) max(|a| - p, 0);  H_jj = 0: w_j stays 0
 *
 * Stops when no step of a sweep lowers the objective by more than `tolerance` (H_jj step^2 / 2), or after `sweeps_max` sweeps (false).
 * hw [n] scratch. Source: Friedman, Hastie & Tibshirani 2010, covariance updates. */
bool gm_l1_quadratic(const double *h, const double *q, const double *penalty, int64_t n, double tolerance, int64_t sweeps_max, double *w, double *hw);

#endif
