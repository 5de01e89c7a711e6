/* estimate_boost.h - small boosted trees over the columns of a table, for estimating loss and for telling two tables apart.
 *
 * LightGBM with its defaults (100 trees of 31 leaves, rate 0.1, 20 rows a leaf), one thread, the same bits each time.
 */
#ifndef GM_WATCH_ESTIMATE_BOOST_H
#define GM_WATCH_ESTIMATE_BOOST_H

#include "base/column.h"

/* How the columns of a table become numbers: numbers, times and bools as they are, texts as 1 + the place of the text among those that were there at
 * the fit, in order of their bytes; 0 = a text that was not. A missing text is a text of its own. */
typedef struct gm_boost_coder {
    const char *const *columns; /* [count] borrowed */
    size_t count;
    bool *text;         /* [count] */
    const char ***texts; /* [count] of text columns: sorted, [texts_count]; a missing one is "" with missing set */
    int32_t *texts_count;
    bool *missing;      /* [count] was one missing? It has the code after all texts */
} gm_boost_coder;

/* From the rows of one or two tables (also may be NULL). A column that is text in either is text; of another type in the other table it is an
 * error. In arena. Errors: GM_EINVALID no such column; GM_ENOMEM. */
gm_rc gm_boost_coder_fit(const gm_table *t, const gm_table *also, const char *const *columns, size_t count, gm_arena *a, gm_boost_coder *out,
                         gm_err *err);
/* Rows of t as numbers: out[column * stride + i] for rows[i], i < rows_count; rows NULL = all in order. Errors: GM_EINVALID a column is not there or
 * has changed its type; GM_ENOMEM. */
gm_rc gm_boost_code(const gm_boost_coder *c, const gm_table *t, const int64_t *rows, int64_t rows_count, int64_t stride, double *out,
                    gm_arena *scratch, gm_err *err);

typedef struct gm_boost gm_boost; /* owned; gm_boost_free; constant: any number of threads may predict */

typedef struct gm_boost_data {
    const double *x; /* [columns, rows] column-major, NaN = missing */
    const double *y; /* [rows] 0 or 1 for a classifier */
    int64_t rows, columns;
    const bool *category; /* [columns] whole numbers without an order; NULL = none */
    bool classify;
    uint64_t seed;
} gm_boost_data;

/* Errors: GM_EUNAVAILABLE LightGBM is not there; GM_EINTERNAL it failed; GM_ENOMEM. */
gm_rc gm_boost_fit(const gm_boost_data *d, gm_boost **out, gm_err *err);
void gm_boost_free(gm_boost *b);
/* x [columns, rows]; out [rows] values, or chances of class 1. */
gm_rc gm_boost_predict(const gm_boost *b, const double *x, int64_t rows, double *out, gm_err *err);
/* Gain of all splits on a column, added to out [columns]. */
gm_rc gm_boost_add_gain(const gm_boost *b, double *out, gm_err *err);

#endif
