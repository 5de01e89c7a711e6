/* score_cache.h - the work that metrics share: sorted orders, the confusion table, losses; each made on first use.
 *
 * A cache belongs to one gm_scores and lives in the arena it was made in. It checks the scores once. Rows may be given
 * integer weights (a bootstrap replicate: how often the row was drawn); orders and losses survive a change of weights,
 * tables and sweeps are made again in the same memory. Not shared between threads.
 */
#ifndef GM_EVAL_SCORE_CACHE_H
#define GM_EVAL_SCORE_CACHE_H

#include "eval/metric.h"

/* Rows by ascending value; equal values form a group. */
typedef struct gm_score_order {
    const uint32_t *row;       /* [rows]                                     */
    const uint32_t *group_end; /* [groups] exclusive ends within row         */
    int64_t rows, groups;
} gm_score_order;
/* values[i * stride], no NaN. Equal values keep the order of their rows; -0 equals 0. In arena. O(rows).
 * Errors: GM_ENOMEM. */
gm_rc gm_score_order_make(const double *values, int64_t stride, int64_t rows, gm_arena *a, gm_score_order *out, gm_err *err);
/* 1-based ranks [order->rows], ties share their mean; weights NULL = 1 each, else a row counts so often. */
void gm_midranks(const gm_score_order *order, const uint8_t *weights, double *out);

/* What is predicted positive as the threshold falls: after point p, all rows with a score of group p or above. */
typedef struct gm_sweep {
    int64_t points;      /* distinct scores                              */
    const double *tp;    /* [points] cumulative weight of positives      */
    const double *fp;    /* [points] cumulative weight of negatives      */
    double positives, negatives;
    const gm_score_order *order; /* point p is its group points - 1 - p  */
} gm_sweep;

typedef struct gm_confusion {
    int64_t classes;
    const double *counts;          /* [classes, classes] truth by row, prediction by column; whole numbers */
    const double *truth_totals;    /* [classes] */
    const double *predicted_totals;/* [classes] */
    double total, correct;
} gm_confusion;

typedef struct gm_score_cache gm_score_cache;
struct gm_score_cache {
    gm_scores scores;
    gm_arena *a;
    bool probabilities;     /* every prediction lies in [0, 1] */
    const uint8_t *weights; /* [rows], NULL = 1 each; borrowed */
    double weight_total;

    gm_score_order *by_score; /* [max(classes, 1)] rows NULL until made */
    uint8_t **positive;       /* [classes] is the row at this place of the order of the class? */
    gm_score_order by_truth, by_error;
    double *errors;           /* [rows] |truth - predicted|         */
    uint32_t *predicted;      /* [rows] class                       */
    double *losses;           /* [rows] -ln p(true class), clipped  */
    double *ranks[2];         /* [rows] truth, predicted            */

    gm_sweep sweep;
    int64_t sweep_class; /* -1 = none */
    double *sweep_tp, *sweep_fp;
    gm_confusion confusion;
    double *confusion_counts;
    bool confusion_fresh;
};

/* Check the scores and make an empty cache. Errors: GM_EINVALID no rows, a truth that is missing or no class, a score
 * that is not finite; GM_ENOMEM. */
gm_rc gm_score_cache_make(const gm_scores *in, gm_arena *a, gm_score_cache **out, gm_err *err);
/* in->cache, or a new one in scratch. Errors: as above. */
gm_rc gm_score_cache_of(const gm_scores *in, gm_arena *scratch, gm_score_cache **out, gm_err *err);
/* From now on rows count as in weights [rows], borrowed until changed; NULL = 1 each. */
void gm_score_cache_reweigh(gm_score_cache *c, const uint8_t *weights);

static inline double gm_row_weight(const gm_score_cache *c, int64_t row)
{
    return c->weights ? (double)c->weights[row] : 1.0;
}

/* Each borrowed until the weights change. Errors: GM_ENOMEM. */
gm_rc gm_cached_order(gm_score_cache *c, int64_t class_index, const gm_score_order **out, gm_err *err);
gm_rc gm_cached_sweep(gm_score_cache *c, int64_t class_index, const gm_sweep **out, gm_err *err);
/* The sweep of class 1. Errors also: GM_EINVALID one class only. */
gm_rc gm_binary_sweep(const gm_scores *in, gm_arena *scratch, const char *metric, const gm_sweep **out, gm_err *err);
gm_rc gm_cached_classes(gm_score_cache *c, const uint32_t **out, gm_err *err);
/* Errors also: GM_EINVALID all weights are 0. */
gm_rc gm_cached_confusion(gm_score_cache *c, const gm_confusion **out, gm_err *err);
gm_rc gm_confusion_of(const gm_scores *in, gm_arena *scratch, const gm_confusion **out, gm_err *err);
gm_rc gm_cached_losses(gm_score_cache *c, const double **out, gm_err *err);
gm_rc gm_cached_ranks(gm_score_cache *c, const double **out_truth, const double **out_predicted, gm_err *err);
/* |truth - predicted|, and its order. */
gm_rc gm_cached_errors(gm_score_cache *c, const double **out_errors, const gm_score_order **out_order, gm_err *err);

/* Neumaier's compensated sum. */
typedef struct gm_sum {
    double total, lost;
} gm_sum;

static inline void gm_sum_add(gm_sum *s, double x)
{
    double t = s->total + x;
    s->lost += fabs(s->total) >= fabs(x) ? (s->total - t) + x : (x - t) + s->total;
    s->total = t;
}

static inline double gm_sum_value(const gm_sum *s) { return s->total + s->lost; }

/* Weighted mean of term(truth, predicted) over rows, for binary and regression scores. Errors: those of the cache. */
gm_rc gm_mean_of(const gm_scores *in, gm_arena *scratch, double (*term)(double truth, double predicted), double *out, gm_err *err);
/* Weighted mean of values [rows]. */
double gm_weighted_mean(const gm_score_cache *c, const double *values);
/* Means and central second moments of two columns, weighted. */
typedef struct gm_moments {
    double mean_x, mean_y, var_x, var_y, cov;
} gm_moments;
void gm_weighted_moments(const gm_score_cache *c, const double *x, const double *y, gm_moments *out);

#endif
