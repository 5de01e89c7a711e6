/* expr_internal.h - what the files base/expr_*.c share.
 *
 * Evaluation is a list of steps over blocks of rows. A register is a value of one node: for a column it points into
 * the column, for the rest at a buffer of one block. A step reads registers and writes one. Nothing is decided row by row:
 * the types are known when the list is made, and each step is one loop.
 */
#ifndef GM_BASE_EXPR_INTERNAL_H
#define GM_BASE_EXPR_INTERNAL_H

#include "base/expr.h"
#include "base/expr_functions.h"

enum {
    GM_EXPR_TEXT_MAX = 4096,  /* bytes of an expression                            */
    GM_EXPR_NESTING_MAX = 64, /* brackets, calls, signs inside one another         */
    GM_EXPR_PATH_MAX = 256,   /* nodes from the root to a leaf: bounds every walk   */
    GM_EXPR_BLOCK = 1024,     /* rows: registers of a usual expression stay in L1/2 */
    GM_EXPR_PATTERN_MAX = 256 /* bytes of a regular expression                     */
};

typedef struct gm_expr_reg {
    gm_type type;
    union { /* the current block */
        const double *f64;
        const int64_t *i64;
        const int32_t *code;
        const void *any;
    };
    const gm_dict *dict;      /* string                                       */
    const char *base;         /* a column's row 0; NULL for buffers           */
    size_t stride;            /* bytes a row of base                          */
    size_t place;             /* of the column in its table                   */
    const gm_expr *constant;  /* the CONST it was made from, or NULL          */
    struct gm_expr_reg *next; /* the next register that moves with the blocks */
} gm_expr_reg;

typedef struct gm_expr_step gm_expr_step;
typedef void (*gm_expr_kernel)(const gm_expr_step *s, size_t n);

struct gm_expr_step {
    gm_expr_kernel run;
    const gm_expr_reg **in; /* [in_count] */
    size_t in_count;
    union {
        double *f64;
        int64_t *i64;
        int32_t *code;
        void *any;
    } out;
    /* What a text or a set is looked up in: [-1 .. table_count - 1], element -1 is the answer for missing. */
    const void *table;
    const void *table_b; /* of the second input */
    size_t table_count;
    char *out_base; /* the step that writes the result: row 0 of it */
    gm_expr_step *next;
};

/* ---- expr_kernels.c: loops ---- */

/* "+" "-" "*" "/" "%" "^" over doubles. */
gm_expr_kernel gm_expr_arithmetic(const char *name);
/* "<" ... "!=" over doubles, or over int64. */
gm_expr_kernel gm_expr_comparison(const char *name, bool ints);
/* The same over two string registers whose codes are looked up in table and table_b (int32, ordered like the texts). */
gm_expr_kernel gm_expr_comparison_ranks(const char *name);
void gm_expr_negate(const gm_expr_step *s, size_t n);
void gm_expr_and(const gm_expr_step *s, size_t n);
void gm_expr_or(const gm_expr_step *s, size_t n);
void gm_expr_not(const gm_expr_step *s, size_t n);
/* Is in[0] one of the sorted table[table_count]? */
void gm_expr_in_f64(const gm_expr_step *s, size_t n);
void gm_expr_in_i64(const gm_expr_step *s, size_t n);
/* bool -> never missing. */
void gm_expr_missing_f64(const gm_expr_step *s, size_t n);
void gm_expr_missing_i64(const gm_expr_step *s, size_t n);
void gm_expr_missing_code(const gm_expr_step *s, size_t n);
/* int64 -> double and back. */
void gm_expr_widen(const gm_expr_step *s, size_t n);
void gm_expr_narrow(const gm_expr_step *s, size_t n);
/* if(in[0], in[1], in[2]) and coalesce(in...) for the storage of the result; the code forms expect one dictionary. */
gm_expr_kernel gm_expr_if(gm_type type);
gm_expr_kernel gm_expr_coalesce(gm_type type);
/* out = table[code of in[0]] */
void gm_expr_gather_i64(const gm_expr_step *s, size_t n);
void gm_expr_gather_f64(const gm_expr_step *s, size_t n);
void gm_expr_gather_code(const gm_expr_step *s, size_t n);
/* min and max of times: the rows of the table work on numbers. */
gm_expr_kernel gm_expr_extreme_time(const char *name);

void gm_expr_rows_abs(const gm_expr_step *s, size_t n);
void gm_expr_rows_ceil(const gm_expr_step *s, size_t n);
void gm_expr_rows_clip(const gm_expr_step *s, size_t n);
void gm_expr_rows_exp(const gm_expr_step *s, size_t n);
void gm_expr_rows_floor(const gm_expr_step *s, size_t n);
void gm_expr_rows_log(const gm_expr_step *s, size_t n);
void gm_expr_rows_log1p(const gm_expr_step *s, size_t n);
void gm_expr_rows_max(const gm_expr_step *s, size_t n);
void gm_expr_rows_min(const gm_expr_step *s, size_t n);
void gm_expr_rows_pow(const gm_expr_step *s, size_t n);
void gm_expr_rows_round(const gm_expr_step *s, size_t n);
void gm_expr_rows_sqrt(const gm_expr_step *s, size_t n);
void gm_expr_rows_year(const gm_expr_step *s, size_t n);
void gm_expr_rows_month(const gm_expr_step *s, size_t n);
void gm_expr_rows_day(const gm_expr_step *s, size_t n);
void gm_expr_rows_day_of_year(const gm_expr_step *s, size_t n);
void gm_expr_rows_weekday(const gm_expr_step *s, size_t n);
void gm_expr_rows_hour(const gm_expr_step *s, size_t n);
void gm_expr_rows_minute(const gm_expr_step *s, size_t n);
void gm_expr_rows_seconds(const gm_expr_step *s, size_t n);
void gm_expr_rows_seconds_between(const gm_expr_step *s, size_t n);
void gm_expr_rows_hours_between(const gm_expr_step *s, size_t n);
void gm_expr_rows_days_between(const gm_expr_step *s, size_t n);

/* ---- expr_text.c: rules for one text ---- */

double gm_expr_text_contains(const gm_expr *call, const char *text, size_t len);
double gm_expr_text_starts_with(const gm_expr *call, const char *text, size_t len);
double gm_expr_text_ends_with(const gm_expr *call, const char *text, size_t len);
double gm_expr_text_matches(const gm_expr *call, const char *text, size_t len);
double gm_expr_text_length(const gm_expr *call, const char *text, size_t len);
double gm_expr_text_number(const gm_expr *call, const char *text, size_t len);
void gm_expr_text_lower(const char *text, size_t len, gm_buf *out);
void gm_expr_text_upper(const char *text, size_t len, gm_buf *out);
void gm_expr_text_trim(const char *text, size_t len, gm_buf *out);
/* Compile the pattern of a matches() call into call->prepared, released with a. Errors: GM_EINVALID at its place. */
gm_rc gm_expr_pattern_prepare(gm_expr *call, gm_arena *a, gm_err *err);

/* How texts compare: bytes, then length. */
int gm_expr_text_order(const char *x, size_t x_len, const char *y, size_t y_len);

/* ---- small things ---- */

static inline bool gm_expr_is_number(gm_type t)
{
    return t == GM_TYPE_BOOL || t == GM_TYPE_INT || t == GM_TYPE_FLOAT;
}

/* A word that does not name a column when written plainly. */
bool gm_expr_is_reserved(const char *word);
/* Can the name stand without col('...')? */
bool gm_expr_is_plain_name(const char *name);
/* Seconds of a unit of time, 0 when the word is none. */
double gm_expr_unit_seconds(const char *word, size_t len);

#endif
