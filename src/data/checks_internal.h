/* checks_internal.h - what the check forms in checks/ and the runner share.
 *
 * Before a check runs, its expression is copied and every form in it (`mean(x)`, `rows`, `x is unique`) is replaced by a column
 * of that name: a measure. The measures are computed, and the expression is evaluated like any other: over the rows when it
 * looks at rows, else over one row of measures.
 */
#ifndef GM_DATA_CHECKS_INTERNAL_H
#define GM_DATA_CHECKS_INTERNAL_H

#include "data/check.h"
#include "data/data_internal.h"

/* The arguments of a form in one check. */
typedef struct gm_check_args {
    const gm_expr *call; /* for places and constants; args are columns unless the form says otherwise */
    const gm_table *table;
    const gm_check_tables *others; /* may be NULL */
} gm_check_args;

typedef struct gm_measure {
    const gm_check_form *form;
    const gm_expr *call;
    const char *name; /* as printed: "mean(x)" */
    gm_type type;
} gm_measure;

typedef struct gm_check_plan {
    gm_expr *expr;          /* checked, with measures as columns */
    gm_expr *where;         /* checked; NULL = all rows          */
    const char *where_text; /* printed; "" = all rows            */
    gm_measure *measures;   /* [count] */
    size_t count;
    bool row_check;
} gm_check_plan;

/* The rows that checks with one `where` look at, and what was computed of them. */
typedef struct gm_check_scope {
    const gm_table *table;
    const int64_t *rows; /* [table->rows] rows of the whole table; NULL = the same */
    const gm_check_tables *others;
    int64_t now_us;
    gm_arena *a;       /* for results that are kept */
    gm_basic **basics; /* [columns] NULL until asked for */
} gm_check_scope;

typedef struct gm_check_value {
    double number;        /* float, int, bool, one value for the table; NaN = cannot be computed */
    const char *text;     /* string                */
    const int64_t *bools; /* per row: 0, 1 or missing; [table->rows] */
} gm_check_value;

/* Argument `index` as a column of the table. Errors: GM_EINVALID at its place. */
gm_rc gm_check_column(const gm_check_args *args, size_t index, const gm_column **out, gm_err *err);
/* Exactly n arguments, or GM_EINVALID naming the signature. */
gm_rc gm_check_count(const gm_check_args *args, const gm_check_form *form, size_t n, gm_err *err);
/* One column that holds numbers or times. */
gm_rc gm_check_one_number(const gm_check_args *args, const gm_check_form *form, gm_err *err);
/* Moments of a column of the scope; computed at the first call. */
gm_rc gm_check_basic(gm_check_scope *scope, const gm_column *c, const gm_basic **out, gm_err *err);
gm_rc gm_check_no_memory(gm_err *err);

/* Rows with equal values in all the columns, found by hashing. group_of[row]: a number below *out_groups for each distinct
 * combination, -1 where any is missing. In a. */
gm_rc gm_check_groups(const gm_column *const *columns, size_t count, int64_t rows, gm_arena *a, int64_t **out_group_of, int64_t *out_groups,
                      gm_err *err);
/* The form of a call, of the bare words rows and columns, or of `is unique`; NULL when it is none. */
const gm_check_form *gm_check_form_of(const gm_expr *e, const gm_table *t);

#define X(form) extern const gm_check_form form;
#include "data/check_list.h"
GM_CHECK_LIST(X)
#undef X

#endif
