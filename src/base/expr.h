/* expr.h - the one expression language: checks, features, targets, gates, triggers, policies.
 *
 * Total and without side effects. Parsed once, checked before anything runs, evaluated over columns (one row is a
 * column of length 1). Grammar, functions and missing-value rules: docs/reference/expressions.md.
 *
 *   a or b, a and b, not a          bool
 *   a < b, <=, >, >=, ==, !=, =     bool; = is ==
 *   x in ['A', 'B'], x not in [..]  bool
 *   x between lo and hi             bool, inclusive
 *   x is missing, x is not missing  bool
 *   x is unique                     only where the host allows it (checks); see gm_expr_host
 *   + - * / % ^, unary -            float (int and bool widen); % has the sign of the divisor
 *   f(a, b, ...)                    functions of the table in expr_functions.c, or of the host
 *   col('any name')  a.b  name      a column
 *   12  1.5e3  5%  'text'  "text"  true  false  missing   literals; 3h, 2 days are durations in seconds
 *   min(roc_auc by carrier, rows >= 500)    aggregate with `by` and a condition: host calls only (gates)
 *
 * Missing: arithmetic with missing is missing; a comparison with missing is missing; and/or are three-valued.
 */
#ifndef GM_BASE_EXPR_H
#define GM_BASE_EXPR_H

#include "base/buf.h"
#include "base/column.h"

typedef struct gm_expr gm_expr; /* in arena; constant after checking */

typedef enum gm_expr_op {
    GM_EXPR_CONST,   /* type, number/text                      */
    GM_EXPR_COLUMN,  /* name                                   */
    GM_EXPR_CALL,    /* name, args                             */
    GM_EXPR_UNARY,   /* name: "-", "not"                       */
    GM_EXPR_BINARY,  /* name: "+", "<", "and", ...             */
    GM_EXPR_IN,      /* args[0] in args[1..]; negated          */
    GM_EXPR_BETWEEN, /* args[0..2]                             */
    GM_EXPR_IS       /* name: "missing", "unique", ...; negated */
} gm_expr_op;

/* The tree is open: feature/ emits ONNX from it, eval/ reads gates, data/ turns checks into passes. */
struct gm_expr {
    gm_expr_op op;
    gm_type type;     /* of the result, after gm_expr_check; UNKNOWN before, and for `missing` */
    bool negated;     /* IN, IS, BETWEEN                                                       */
    bool is_duration; /* CONST written as 3h, 2 days: number is seconds                        */
    bool is_percent;  /* CONST written as 5%: number is 0.05                                   */
    const char *name; /* COLUMN, CALL, UNARY, BINARY, IS                                       */
    double number;    /* CONST bool (0, 1), int, float                                         */
    const char *text; /* CONST string                                                          */
    gm_expr **args;   /* [args_count]                                                          */
    size_t args_count;
    gm_expr *by;    /* CALL with `by`: the grouping column, or NULL                          */
    gm_expr *where; /* CALL with `, <condition>` after by: or NULL                           */
    gm_pos pos;     /* in the user's file                                                    */
    void *prepared; /* of base/expr_*.c alone: the compiled pattern of matches()             */
};

/* Parse. at = place of the first character, for messages (no place counts as line 1, column 1; at.file borrowed until
 * the tree is no longer used). All errors found are added to errs (the parser goes on after the first); then the result
 * is GM_EINVALID. Limits: 4 KiB of text, 64 levels of nesting, 256 operations on one path of the tree. */
gm_rc gm_expr_parse(const char *text, gm_pos at, gm_arena *a, gm_expr **out, gm_errs *errs);

/* What names mean to whoever checks the expression. */
typedef struct gm_expr_host {
    /* Type of a column; false when there is none. NULL = no columns. */
    bool (*column)(void *ctx, const char *name, gm_type *out_type);
    /* Names to suggest from; may be NULL. */
    size_t (*names)(void *ctx, const char *const **out_names);
    /* A call the table does not have (psi, missing, min of one argument, any call with `by`): its type; its arguments are
     * checked. false = unrecognized, or err says what is wrong with it. May be NULL. */
    bool (*call)(void *ctx, const gm_expr *call, gm_type *out_type, gm_err *err);
    bool allow_unique; /* `x is unique` */
    void *ctx;
} gm_expr_host;

/* Resolve names and types, fold constants, turn quoted times that stand beside times into times (CONST of GM_TYPE_TIME:
 * text as written, number in microseconds). want = GM_TYPE_UNKNOWN for any; FLOAT takes every number. All errors are
 * added to errs; then GM_EINVALID. May be called again, for another host. */
gm_rc gm_expr_check(gm_expr *e, const gm_expr_host *host, gm_type want, gm_arena *a, gm_errs *errs);
/* A host whose columns are those of a table; table borrowed until the host is no longer used. */
gm_expr_host gm_expr_table_host(const gm_table *t);

/* Evaluate a checked tree over all rows of t. Result [t->rows]: in arena, or the storage of t's own column; its name is
 * "". Any number of threads may evaluate one tree. Errors: GM_ENOMEM, GM_EINVALID (a host-only construct; a column that
 * is not in t or changed its type). */
gm_rc gm_expr_eval(const gm_expr *e, const gm_table *t, gm_arena *a, gm_column *out, gm_err *err);
/* The same again and again, as one thread does it for one row after the other: the steps are made once and kept. */
typedef struct gm_expr_work gm_expr_work;
gm_rc gm_expr_work_new(const gm_expr *e, gm_expr_work **out, gm_err *err); /* owned; e is borrowed until freed */
void gm_expr_work_free(gm_expr_work *w);
/* As gm_expr_eval, bit for bit. Every t has the same columns in the same places. out: until the next call, or the storage of t's own column.
 * After the first calls of a size nothing is allocated, but for texts put together out of others' values (concat, text) and matches(). */
gm_rc gm_expr_work_eval(gm_expr_work *w, const gm_table *t, gm_column *out, gm_err *err);
/* For a scalar host (gates): values of columns and host calls come from the callback, and so does a whole comparison or
 * `in` of strings; NaN = missing, bool is 0 or 1. */
typedef gm_rc (*gm_expr_lookup)(void *ctx, const gm_expr *e, double *out, gm_err *err);
gm_rc gm_expr_eval_scalar(const gm_expr *e, gm_expr_lookup lookup, void *ctx, double *out, gm_err *err);

/* Print back; parse(print(e)) gives the same tree, also of a checked and folded one (unless its parentheses nest beyond the limit). */
void gm_expr_print(const gm_expr *e, gm_buf *out);
/* Distinct column names in the order met (also in by and where); in arena. */
gm_rc gm_expr_columns(const gm_expr *e, gm_arena *a, const char ***out_names, size_t *out_count, gm_err *err);
/* Deep equality of trees (places aside; a quoted time equals its text). */
bool gm_expr_equal(const gm_expr *x, const gm_expr *y);

#endif
