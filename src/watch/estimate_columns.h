/* estimate_columns.h - the columns of a table as numbers, for trees and for principal components.
 *
 * Numbers, times (microseconds) and bools are what they are, NaN = missing. A text is 1 + its place among the texts that were
 * there at the fit, in order of their bytes; 0 = a text that was not there; a missing text has a number of its own behind them,
 * if one was missing at the fit, else 0.
 */
#ifndef GM_WATCH_ESTIMATE_COLUMNS_H
#define GM_WATCH_ESTIMATE_COLUMNS_H

#include "base/column.h"

typedef struct gm_coder {
    const char *const *columns; /* [count] names */
    size_t count;
    bool *text;           /* [count] */
    const char ***texts;  /* [count] of text columns: [texts_count] ascending; the arena's own copies */
    int32_t *texts_count; /* [count] */
    bool *missing;        /* [count] of text columns: was one missing? Its number is texts_count + 1 */
} gm_coder;

/* From the rows of one or two tables (also may be NULL), with copies of the names. A column without any value fits every type.
 * In arena.
 * Errors: GM_EINVALID no such column, text in one and not in the other; GM_ENOMEM. */
gm_rc gm_coder_fit(const gm_table *t, const gm_table *also, const char *const *columns, size_t count, gm_arena *a, gm_coder *out,
                   gm_err *err);
/* out[column * stride + i] for row rows[i] of t, i < rows_count; rows NULL = the first rows_count in order.
 * Errors: GM_EINVALID a column is not there or is no longer text, or has become it; GM_ENOMEM. */
gm_rc gm_coder_apply(const gm_coder *c, const gm_table *t, const int64_t *rows, int64_t rows_count, int64_t stride, double *out,
                     gm_arena *scratch, gm_err *err);

#endif
