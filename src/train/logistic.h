/* logistic.h - the loss of logistic regression, and its two ways to the minimum. For trainers/logistic.c, which has the definition. */
#ifndef GM_TRAIN_LOGISTIC_H
#define GM_TRAIN_LOGISTIC_H

#include "train/lbfgs.h"
#include "train/mixed.h"

/* One problem. Weights are [outputs, n], the intercept last in each row; outputs: 1 for two classes. */
typedef struct gm_logistic {
    const gm_mixed *x;
    const double *y;    /* [rows] class index                                        */
    const double *gram; /* [n, n] of x, or NULL when it is too much work             */
    int64_t outputs, n, threads;
    double lambda;      /* lambda / 2 |W|^2 is added, without intercepts; 0 = nothing */
    /* set by gm_logistic_init */
    int64_t count, segments; /* count = outputs * n                                  */
    double *partial;    /* [segments, count + 1]: gradient and loss of each segment  */
    double *scores;     /* [segments, outputs]                                       */
    double *row_weights; /* [rows]                                                   */
    /* of the pass that runs */
    const double *w;
    int64_t k, l;
} gm_logistic;

/* Scratch in a. Errors: GM_ENOMEM. */
gm_rc gm_logistic_init(gm_logistic *f, gm_arena *a, gm_err *err);
/* Loss at w [count], and its gradient into g [count]. The same bits with any number of threads. */
double gm_logistic_value(gm_logistic *f, const double *w, double *g);
/* row_weights <- p_k ([k = l] - p_l) at w: the Hessian's block (k, l) is the sum of these times (x, 1)(x, 1)'. */
void gm_logistic_curvature(gm_logistic *f, const double *w, int64_t k, int64_t l);

/* Minimise from w, in place, with the L2 penalty lambda (or none). shares [classes]: of the classes, when w is 0 but for intercepts. */
gm_rc gm_logistic_fit_l2(gm_logistic *f, const double *shares, double tolerance, int64_t iterations_max, gm_arena *a, double *w,
                         gm_lbfgs_result *out, gm_err *err);
/* Minimise loss + penalty |W|_1 from w, in place; lambda must be 0. Errors: GM_EUNSUPPORTED (too many features), GM_ENOMEM. */
gm_rc gm_logistic_fit_l1(gm_logistic *f, double penalty, double tolerance, int64_t iterations_max, gm_arena *a, double *w, gm_lbfgs_result *out,
                         gm_err *err);

#endif
