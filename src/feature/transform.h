/* transform.h - one step of a feature: numbers, categories or times in, columns of doubles out.
 *
 * A feature is a source (a raw column or an expression) and a chain of transforms. The first transform of a chain
 * reads the source itself, the others read the doubles of the one before. A transform is fitted once, on training
 * rows; its state is then constant, is written to features.json and read back to the same bits, and is applied by
 * one function to a block of any number of rows: training, batch scoring and a single request run the same code.
 *
 * To add one: copy transforms/clip.c, then add its line to transform_list.h.
 */
#ifndef GM_FEATURE_TRANSFORM_H
#define GM_FEATURE_TRANSFORM_H

#include "base/column.h"
#include "base/registry.h"
#include "base/sort.h"
#include "feature/c_writer.h"
#include "feature/program.h"
#include "model/onnx.h"

/* A block of rows. Numbers (bool, int, float, and everything after the first transform) always arrive as doubles. */
typedef struct gm_values {
    const gm_column *column; /* the source, all its rows; NULL after the first transform    */
    int64_t first;           /* the block is rows first .. first + rows - 1 of column       */
    const double *numbers;   /* [width][stride] column-major, NaN missing; NULL for strings and times */
    int64_t stride;
    int64_t rows, width;     /* width 1 for a source                                        */
    const void *memo;        /* what prepare() gave for column, or NULL                     */
} gm_values;

/* What a transform that looks at the target may use in training. */
typedef struct gm_truth {
    const double *target; /* [rows] class index or value, no NaN; NULL = none */
    gm_task task;
    int64_t classes;      /* multiclass: number of classes                    */
    const uint8_t *fold;  /* [rows] 0 .. GM_FOLDS - 1                          */
} gm_truth;

#define GM_FOLDS 5

/* Where a transform's input is in an ONNX graph. */
typedef struct gm_emit_in {
    const char *tensor; /* [N, width] double, or [N, 1] string or int64 as type says */
    gm_type type;       /* FLOAT, STRING or TIME                                     */
    int64_t width;
} gm_emit_in;

typedef struct gm_transform {
    gm_item item;     /* params fill conf                                                   */
    unsigned accepts; /* types of a source it can read: bits 1u << gm_type                  */
    bool chains;      /* may also follow another transform                                  */

    /* Learn from the training rows, all in one block.
     * a          for the state; scratch is reset by the caller
     * Errors     GM_EINVALID  nothing to learn from, or a parameter that does not fit; GM_ENOMEM */
    gm_rc (*fit)(const void *conf, const gm_values *in, const gm_truth *y, gm_arena *a, gm_arena *scratch,
                 void **out_state, gm_err *err);
    /* Columns that apply writes; NULL = width_in. */
    int64_t (*width)(const void *conf, const void *state, int64_t width_in);
    /* Name of output i, from the names of the inputs; in a (NULL: out of memory). NULL = the input's own name. */
    const char *(*name)(const void *conf, const void *state, const char *const *in_names, int64_t width_in, int64_t i,
                        gm_arena *a);
    /* Once per table, before the blocks: something that makes apply faster on this column. May be NULL. */
    gm_rc (*prepare)(const void *state, const gm_column *column, gm_arena *scratch, const void **out_memo, gm_err *err);
    /* out [width][out_stride] column-major. Cannot fail and allocates nothing. */
    void (*apply)(const void *conf, const void *state, const gm_values *in, double *out, int64_t out_stride);
    /* The training rows' own values, where they differ from apply (out of fold). NULL = apply. */
    gm_rc (*apply_train)(const void *conf, const void *state, const gm_values *in, const gm_truth *y, gm_arena *scratch,
                         double *out, int64_t out_stride, gm_err *err);
    /* The state as members of an open JSON object, and back. NULL = no state. type: FLOAT, STRING or TIME, what it reads. */
    void (*write)(const void *state, gm_json *j);
    gm_rc (*read)(const void *conf, const gm_node *json, gm_type type, int64_t width_in, gm_arena *a,
                  void **out_state, gm_err *err);
    /* Add nodes that compute apply; returns a double tensor [N, width]. Failures are remembered by g. */
    const char *(*emit)(const void *conf, const void *state, const gm_emit_in *in, gm_onnx *g);
    /* Add C statements that compute apply for one row, bit for bit: from `a`, which is const double *, const char * (NULL missing) or int64_t
     * (INT64_MIN missing) as type says, FLOAT, STRING or TIME, to `double *o`. NULL = there is no such form. Failures are remembered by c. */
    void (*emit_c)(const void *conf, const void *state, gm_type type, int64_t width_in, gm_c *c);
} gm_transform;

#define GM_ACCEPTS_NUMBERS ((1u << GM_TYPE_BOOL) | (1u << GM_TYPE_INT) | (1u << GM_TYPE_FLOAT))

/* ---- helpers that several transforms use ------------------------------------------------------------------- */

/* Doubles of a state: infinities and NaN travel as the texts "inf", "-inf" and "nan". */
void gm_state_write_doubles(gm_json *j, const char *key, const double *v, int64_t count);
/* count < 0: any number; out_count may be NULL then only if count >= 0. Errors: GM_EINVALID with place. */
gm_rc gm_state_read_doubles(const gm_node *json, const char *key, int64_t count, gm_arena *a, double **out,
                            int64_t *out_count, gm_err *err);

/* A long sum without the rounding of its terms (Neumaier 1974): value = sum + lost. */
typedef struct gm_long_sum {
    double sum, lost;
} gm_long_sum;
static inline void gm_long_sum_add(gm_long_sum *s, double x)
{
    double t = s->sum + x;
    s->lost += fabs(s->sum) >= fabs(x) ? (s->sum - t) + x : (x - t) + s->sum;
    s->sum = t;
}

/* Non-missing, finite values of v[0 .. rows) copied together; in scratch. */
gm_rc gm_finite_copy(const double *v, int64_t rows, gm_arena *scratch, double **out, int64_t *out_count, gm_err *err);
/* Quantile of sorted values, p in [0, 1], by linear interpolation (type 7). count >= 1. */
double gm_quantile_linear(const double *sorted, int64_t count, double p);

/* [1, width] double constant, for broadcasting over rows. */
const char *gm_emit_row(gm_onnx *g, const double *v, int64_t width);
/* Column i of a [N, width] tensor as [N, 1]; the tensor itself when width is 1. */
const char *gm_emit_column(gm_onnx *g, const char *tensor, int64_t width, int64_t i);
/* Tensors beside each other; the tensor itself when there is one. */
const char *gm_emit_concat(gm_onnx *g, const char *const *tensors, int64_t count);
/* hour, weekday, ... of date_parts.c, which the functions of the same names in expressions equal: of an int64 tensor of microseconds
 * [N, 1], as a double tensor; NULL when there is no such part. */
bool gm_is_date_part(const char *name);
const char *gm_emit_date_part(gm_onnx *g, const char *us, const char *part);

#endif
