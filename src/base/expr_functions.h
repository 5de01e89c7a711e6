/* expr_functions.h - the functions of the expression language, as a table: what checks, documents and ONNX emission read.
 *
 * To add one: write its loop in expr_kernels.c (numbers, times) or its rule for one text in expr_text.c, then its row in
 * expr_functions.c. The row's example is run as a test and stands in docs/reference/expressions.md.
 */
#ifndef GM_BASE_EXPR_FUNCTIONS_H
#define GM_BASE_EXPR_FUNCTIONS_H

#include "base/buf.h"
#include "base/expr.h"

struct gm_expr_step; /* expr_internal.h */

typedef enum gm_expr_group { GM_EXPR_NUMBERS, GM_EXPR_CHOICE, GM_EXPR_TEXTS, GM_EXPR_TIMES } gm_expr_group;

typedef struct gm_expr_function {
    const char *name;
    const char *signature; /* "clip(x, low, high)" */
    gm_expr_group group;
    /* One letter for each argument: n number, t time, s text, q text in quotes, b bool, o number or time, a any,
     * c anything, the same for all c. A + at the end: the last one once or more. */
    const char *args;
    gm_type result; /* UNKNOWN: that of the c or o arguments */
    const char *help;
    const char *example, *gives; /* an expression of constants and its printed value */
    /* The standard ONNX operators that compute it, in order; "" when there are none. Missing is NaN there: operators
     * that lose NaN need a Where. */
    const char *onnx;
    /* At most one of these; without any the evaluator knows the function by name. */
    void (*rows)(const struct gm_expr_step *s, size_t n);                 /* n, t, o and b arguments, a block */
    double (*of_text)(const gm_expr *call, const char *text, size_t len); /* one text; NaN = missing          */
    void (*to_text)(const char *text, size_t len, gm_buf *out);           /* one text                         */
} gm_expr_function;

/* All, in alphabetical order; static. */
const gm_expr_function *gm_expr_functions(size_t *out_count);
/* NULL when there is none. */
const gm_expr_function *gm_expr_function_find(const char *name);
/* The function that a CALL means: NULL when the table has no such name or it does not take that many arguments, or the
 * call has `by`: then the host answers for it. */
const gm_expr_function *gm_expr_function_of(const gm_expr *call);
/* docs/reference/expressions.md: grammar, rules for missing values, and this table. */
void gm_expr_functions_markdown(gm_buf *out);

#endif
