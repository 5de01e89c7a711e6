/* estimate_boost.h - small boosted trees over the columns of a table, for estimating loss and for telling two tables apart.
 *
 * LightGBM with its defaults (100 trees of 31 leaves, rate 0.1, 20 rows a leaf), one thread, the same bits each time.
 */
#ifndef GM_WATCH_ESTIMATE_BOOST_H
#define GM_WATCH_ESTIMATE_BOOST_H

#include "base/column.h"

typedef struct gm_boost gm_boost; /* owned; gm_boost_free; constant: any number of threads may predict */

typedef struct gm_boost_data {
    const double *x; /* [columns, rows] column-major, NaN = missing */
    const double *y; /* [rows] 0 or 1 for a classifier */
    int64_t rows, columns;
    const bool *category; /* [columns] whole numbers without an order; NULL = none */
    bool classify;
    int rounds; /* 0 = 100 */
    uint64_t seed;
} gm_boost_data;

/* Errors: GM_EUNAVAILABLE LightGBM is not there; GM_EINTERNAL it failed; GM_ENOMEM. */
gm_rc gm_boost_fit(const gm_boost_data *d, gm_boost **out, gm_err *err);
void gm_boost_free(gm_boost *b);
/* x [columns, rows]; out [rows] values, or chances of class 1. */
gm_rc gm_boost_predict(const gm_boost *b, const double *x, int64_t rows, double *out, gm_err *err);
/* Gain of the splits on each column in the first ten trees, added to out [columns]: later trees split noise, which gains as
 * well. */
gm_rc gm_boost_add_gain(const gm_boost *b, double *out, gm_err *err);

#endif
