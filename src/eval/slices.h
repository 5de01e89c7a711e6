/* slices.h - the rows of a table by the values of one column, and a metric on each. evaluate.h has the usual form. */
#ifndef GM_EVAL_SLICES_H
#define GM_EVAL_SLICES_H

#include "eval/evaluate.h"
#include "eval/intervals.h"

/* Which slice each row is in. Texts and whole numbers with up to 12 values: one slice a value; other numbers and times:
 * quartiles; missing values are a slice of their own. In arena. */
typedef struct gm_slicing {
    int32_t *slice;         /* [rows]                                          */
    const char **names;     /* [count] "AA", "[3, 7)", "missing"               */
    int64_t *rows;          /* [count] rows in the slice                       */
    int32_t count;
} gm_slicing;
gm_rc gm_slicing_make(const gm_column *column, gm_arena *a, gm_slicing *out, gm_err *err);

/* As gm_slices; intervals by bootstrap for the worst `bootstrapped` slices only, closed forms for all when it is >= 0,
 * none at all when it is negative. */
gm_rc gm_slices_with(const gm_metric *m, const gm_scores *s, const gm_column *columns, size_t columns_count, int64_t min_rows,
                     int64_t bootstrapped, gm_arena *a, gm_slice **out, size_t *out_count, gm_err *err);

#endif
