/* lbfgs.h - minimise a smooth convex function with its gradient: L-BFGS with a preconditioner. */
#ifndef GM_TRAIN_LBFGS_H
#define GM_TRAIN_LBFGS_H

#include "base/arena.h"
#include "base/err.h"

typedef struct gm_lbfgs_problem {
    void *ctx;
    int64_t n;
    /* The value at w [n], and its gradient into g [n]. */
    double (*value)(void *ctx, const double *w, double *g);
    /* v [n] <- P^-1 v, P symmetric positive definite and near the Hessian. */
    void (*precondition)(void *ctx, double *v);
    /* Make P the Hessian at w, or as near as can be afforded. NULL: P stays. Errors are gm_lbfgs's. */
    gm_rc (*refresh)(void *ctx, const double *w, gm_err *err);
} gm_lbfgs_problem;

typedef struct gm_lbfgs_result {
    int64_t iterations;
    bool converged;
    double value;
} gm_lbfgs_result;

/* From w [n], which becomes the minimum. Each direction is -B^-1 g, with B = P updated by the last 10 steps (Nocedal & Wright 2006,
 * algorithm 7.4); steps are halved until the value falls by 1e-4 of what the slope promises.
 * Where P can be refreshed it is, every 12 steps and before the end is believed: then these are Newton's steps, with L-BFGS between.
 * Converged: g' P^-1 g <= tolerance^2 max(1, |value|), twice the fall still to be had were P the Hessian.
 * Errors: GM_ENOMEM, those of refresh. */
gm_rc gm_lbfgs(const gm_lbfgs_problem *p, double tolerance, int64_t iterations_max, double *w, gm_lbfgs_result *out, gm_err *err);

#endif
