/* target.h - the target: what is predicted, as numbers. */
#ifndef GM_PIPE_TARGET_H
#define GM_PIPE_TARGET_H

#include "base/expr.h"
#include "feature/program.h"

/* The target as a column of t: an exact column name first, else an expression over t's columns. out_expr: the expression (a
 * COLUMN node for a plain column). In a. Errors to errs. */
gm_rc gm_target_column(const gm_table *t, const char *text, gm_pos pos, gm_arena *a, gm_expr **out_expr, gm_column *out,
                       gm_errs *errs);

typedef struct gm_target {
    gm_task task;
    const char *reason;   /* why this task */
    const char **classes; /* [classes_count] in index order; the positive class of a binary task is the last */
    int64_t *counts;      /* [classes_count] rows of each */
    size_t classes_count; /* 0 for regression */
    int64_t missing;      /* rows without a label */
} gm_target;

/* Which task a target column is. wanted UNKNOWN: two distinct values are binary, up to 50 texts or up to 10 whole numbers are
 * classes, other numbers regression. Errors: GM_EINVALID all missing, one class only, too many classes; the message counts. */
gm_rc gm_target_infer(const gm_column *c, gm_task wanted, gm_arena *a, gm_target *out, gm_err *err);

/* The values: class index or number; NaN where missing (or not one of the classes). [c->rows] in a. */
gm_rc gm_target_values(const gm_column *c, gm_task task, const char *const *classes, size_t classes_count, gm_arena *a,
                       double **out, gm_err *err);

#endif
