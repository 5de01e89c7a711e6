/* mixed.h - a feature matrix laid out for linear algebra by rows: dense columns side by side, mostly constant ones as exceptions.
 *
 * One-hot columns are 0 in most rows, imputed ones hold the same value in many: a column in which one value fills at least three
 * quarters of the rows is kept as that value and the rows that differ from it. Every column is shifted by `shift` (that value, or the
 * mean), which the intercept takes up: it changes no prediction, and makes sums of squares exact enough to subtract from.
 *
 *   x[row, column[j]] = shift[j] + (j < dense_count ? dense[row, j] : the exception of row and j, or 0)
 *
 * j is the inner order: dense columns first. Everything below uses it; gm_mixed_save turns weights back.
 */
#ifndef GM_TRAIN_MIXED_H
#define GM_TRAIN_MIXED_H

#include "base/column.h"
#include "model/model.h"

typedef struct gm_mixed {
    int64_t rows, cols, dense_count, stride; /* stride: dense_count rounded up to 4; the rest is 0 */
    int64_t *column;    /* [cols] place in the feature matrix                     */
    double *shift;      /* [cols]                                                 */
    double *dense;      /* [rows, stride] row-major                               */
    int64_t *begin;     /* [rows + 1] first exception of a row                    */
    int32_t *index;     /* [exceptions] inner column, ascending within a row      */
    double *value;      /* [exceptions]                                           */
    gm_arena *arena;    /* holds all of it                                        */
} gm_mixed;

/* x: finite values only. Owned; gm_mixed_free. Errors: GM_ENOMEM. */
gm_rc gm_mixed_new(const gm_matrix *x, gm_mixed **out, gm_err *err);
void gm_mixed_free(gm_mixed *m);

/* The row's features . w[0 .. cols-1] + w[cols], the intercept. */
double gm_mixed_dot(const gm_mixed *m, int64_t row, const double *w);
/* g[0 .. cols-1] += scale * the row's features; g[cols] += scale */
void gm_mixed_add(const gm_mixed *m, int64_t row, double scale, double *g);

/* out [(cols + 1) * (cols + 1)], symmetric, = sum over rows of weight * (x, 1)(x, 1)': the last row and column belong to the intercept.
 * row_weights [rows], or NULL for 1. Any number of threads gives the same bits. Errors: GM_ENOMEM. */
gm_rc gm_mixed_gram(const gm_mixed *m, const double *row_weights, int64_t threads, double *out, gm_err *err);

/* out [cols + 1] = the diagonal of that gram: for when the whole is too large. One thread. */
void gm_mixed_squares(const gm_mixed *m, const double *row_weights, double *out);

/* The model with these inner weights [outputs, cols + 1], the intercept last, written to path as model.json. Errors: GM_ENOMEM, GM_EIO. */
gm_rc gm_mixed_save(const gm_mixed *m, const double *w, int64_t outputs, gm_link link, const char *path, gm_err *err);

#endif
