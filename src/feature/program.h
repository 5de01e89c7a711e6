/* program.h - the feature program: raw typed columns in, a matrix of numbers out.
 *
 * Fitted on training rows only; then the same object runs over columns in training and batch scoring, over one row in the server, and
 * leaves as standard ONNX. features.json is its whole state.
 */
#ifndef GM_FEATURE_PROGRAM_H
#define GM_FEATURE_PROGRAM_H

#include "base/column.h"
#include "base/expr.h"
#include "base/node.h"
#include "base/registry.h"
#include "data/schema.h"

/* One feature as asked for: a source (column of the table or an added expression) and transforms in order. */
typedef struct gm_feature_spec {
    const char *name;          /* column name, or the name of an added feature        */
    gm_expr *expr;             /* added: how it is computed from raw columns; or NULL */
    gm_kind kind;              /* decides defaults                                    */
    const char **transforms;   /* [count] names of transforms; NULL = by kind         */
    const gm_node **params;    /* [count] their parameters (map) or NULL              */
    size_t transforms_count;
    bool for_linear;           /* set by defaults: standardise, one-hot; trees take impute-free numbers */
    gm_pos pos;
} gm_feature_spec;

typedef struct gm_program gm_program; /* in arena; constant after fit, shared by threads */

typedef enum gm_task { GM_TASK_UNKNOWN = 0, GM_TASK_BINARY, GM_TASK_MULTICLASS, GM_TASK_REGRESSION } gm_task;
const char *gm_task_name(gm_task t);

typedef struct gm_fit_options {
    gm_task task;
    int64_t classes;  /* multiclass: number of classes */
    uint64_t seed;    /* for the folds of target encoding */
    const uint64_t *row_keys; /* [rows] a hash per row that decides its fold; NULL = row number */
} gm_fit_options;

/* The transforms of a feature for which the file names none, in order; 0 = such a column is not used. Static.
 * distinct   of the training rows, missing not counted; decides between one_hot (<= 20) and target_encode
 * out_why    a sentence for `explain`; may be NULL */
size_t gm_feature_defaults(gm_kind kind, int64_t distinct, bool for_linear, const char *const **out_names, const char **out_why);

/* Fit on t (training rows only). target [t->rows] class index or value, no NaN; NULL when no transform looks at it. Errors: GM_EINVALID (a feature all missing, a transform that does not fit its type) with place. */
gm_rc gm_program_fit(const gm_feature_spec *specs, size_t count, const gm_table *t, const double *target,
                     const gm_fit_options *o, gm_arena *a, gm_program **out, gm_err *err);
/* The training rows' own matrix: as apply, but target-encoded columns are out-of-fold. Same t, target and options as fit. */
gm_rc gm_program_fit_matrix(const gm_program *p, const gm_table *t, const double *target, const gm_fit_options *o,
                            gm_arena *a, gm_matrix *out, gm_err *err);
/* Any rows, by the same code for one and for millions. Columns by name; extra columns are ignored; a missing column is GM_EINVALID naming
 * it; numbers of any type stand in for each other, and a column that is all missing for any. Unknown categories follow the transform's
 * rule. out in arena. Cost: 1,024 rows at a time, so that what lies between the steps of a chain stays in cache. */
gm_rc gm_program_apply(const gm_program *p, const gm_table *t, gm_arena *a, gm_matrix *out, gm_err *err);

/* What one thread needs to apply a program again and again: after the first calls of a size nothing is allocated, but for what
 * gm_expr_work_eval says. */
typedef struct gm_program_session gm_program_session;
gm_rc gm_program_session_new(const gm_program *p, gm_program_session **out, gm_err *err); /* owned; p is borrowed */
void gm_program_session_free(gm_program_session *w);
/* As gm_program_apply, bit for bit. t: exactly the program's inputs in their order, whose names are not looked at. out: until the next call. */
gm_rc gm_program_session_apply(gm_program_session *w, const gm_table *t, const gm_matrix **out, gm_err *err);

size_t gm_program_width(const gm_program *p);                  /* columns of the matrix */
const char *gm_program_output_name(const gm_program *p, size_t i); /* "carrier", "origin=JFK", ... */
/* The feature (index of the spec) that output i comes from. */
size_t gm_program_output_feature(const gm_program *p, size_t i);
size_t gm_program_features_count(const gm_program *p);
const char *gm_program_feature_name(const gm_program *p, size_t feature);
/* Raw inputs: the columns the program reads. */
size_t gm_program_inputs_count(const gm_program *p);
const char *gm_program_input_name(const gm_program *p, size_t i, gm_type *out_type);

void gm_program_json(const gm_program *p, gm_json *j);
gm_rc gm_program_read(const gm_node *json, gm_arena *a, gm_program **out, gm_err *err);

/* Emit as ONNX: graph inputs are the raw inputs ([N,1]: double for numbers and bools, string for categories, int64 microseconds for times);
 * where a feature cannot be said in standard operators its value is an input of the graph (double), and gm_program_onnx_inputs says so.
 * Returns the name of the double tensor [N, width]. */
struct gm_onnx;
gm_rc gm_program_emit(const gm_program *p, struct gm_onnx *g, const char **out_tensor, gm_err *err);
typedef struct gm_graph_input { /* not gm_onnx_input, which is a function of model/onnx.h */
    const char *name;
    gm_type type;        /* of the graph's input                         */
    bool computed;       /* by gm_program_onnx_table, before the graph */
} gm_graph_input;
size_t gm_program_onnx_inputs(const gm_program *p, const gm_graph_input **out);
/* The table that the graph reads, from raw columns: the computed inputs added. */
gm_rc gm_program_onnx_table(const gm_program *p, const gm_table *raw, gm_arena *a, gm_table *out, gm_err *err);

/* As C over one row (c_writer.h). Names of struct fields for the raw inputs [inputs_count]: identifiers, all different; in a. */
struct gm_c;
gm_rc gm_program_c_fields(const gm_program *p, gm_arena *a, const char *const **out, gm_err *err);
/* Statements into c->body that read `in->field` (double, NaN missing, for bools and numbers; int64_t microseconds, INT64_MIN missing, for
 * times; const char *, NULL missing, for texts) and write `x[0 .. width)`, doubles, as gm_program_apply does, bit for bit where the C library
 * is the same. Errors: GM_EUNSUPPORTED, naming the feature, where an expression or transform has no such form. */
gm_rc gm_program_emit_c(const gm_program *p, const char *const *fields, struct gm_c *c);

extern const gm_registry gm_transforms;

/* ---- joins ----------------------------------------------------------------------------------------------- */

typedef struct gm_asof_options {
    const char *const *by;  /* [by_count] equal keys, same name on both sides */
    size_t by_count;
    const char *left_time, *right_time;
    double within_seconds;  /* <= 0: no limit */
    const char *prefix;     /* right columns are named prefix.column */
} gm_asof_options;
/* For each left row the right row with equal keys and the largest time <= its own, no older than `within`; ties: the later row. No match: missing.
 * Never drops, duplicates or reorders left rows. A missing key or time matches nothing. left_time NULL: exact join on keys (last row wins). */
gm_rc gm_asof_join(const gm_table *left, const gm_table *right, const gm_asof_options *o, gm_arena *a, gm_table *out,
                   int64_t *out_matched, gm_err *err);

#endif
