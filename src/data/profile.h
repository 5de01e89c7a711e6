/* profile.h - everything one pass can say about a table, in a form that merges.
 *
 * Checks, schema inference, drift and monitoring read the same profile; profile.bin in a model package is the drift reference.
 * Size: about 45 KB a column at most for quantiles and 0.5 MB for 10,000 distinct texts; independent of the rows.
 */
#ifndef GM_DATA_PROFILE_H
#define GM_DATA_PROFILE_H

#include "base/buf.h"
#include "base/column.h"

typedef struct gm_profile gm_profile; /* in arena (its heap memory goes with the arena) */

/* Profile t in fixed chunks of rows merged in row order: the same bits on any number of threads. */
gm_rc gm_profile_of(const gm_table *t, gm_arena *a, gm_profile **out, gm_err *err);
/* into := into + other (columns by name). Errors: GM_EINVALID when columns or types differ. */
gm_rc gm_profile_merge(gm_profile *into, const gm_profile *other, gm_arena *a, gm_err *err);
void gm_profile_write(const gm_profile *p, gm_buf *out); /* binary, versioned, little-endian */
/* Errors: GM_ECORRUPT, GM_EUNSUPPORTED (a later version), GM_ENOMEM. */
gm_rc gm_profile_read(const void *bytes, size_t len, gm_arena *a, gm_profile **out, gm_err *err);
void gm_profile_json(const gm_profile *p, gm_json *j);   /* for people and `show` */

/* ---- reading a profile ---- */

typedef struct gm_profile_stats {
    const char *name;
    gm_type type;
    int64_t rows, missing;
    int64_t infinite, zeros, negatives; /* numbers; bool: zeros are the false ones           */
    int64_t distinct;                   /* of present values                                 */
    bool distinct_exact;                /* up to 10,000; beyond, 1.6 % standard error        */
    bool increasing;                    /* every present value above the one before          */
    double min, max;                    /* finite values; times in microseconds; NaN = none  */
    double sum, mean, std, skew, kurtosis; /* pandas' definitions (ddof 1, G1, G2); NaN when undefined */
    int64_t length_min, length_max;     /* strings: in characters; 0 when none               */
    double length_mean;
} gm_profile_stats;

size_t gm_profile_count(const gm_profile *p);
int64_t gm_profile_rows(const gm_profile *p);
void gm_profile_stats_at(const gm_profile *p, size_t column, gm_profile_stats *out);
/* Index of a column by name, SIZE_MAX when there is none. */
size_t gm_profile_find(const gm_profile *p, const char *name);

/* Quantiles of a bool, int, float or time column; exact (type 7) up to 10,000 values. p_list, out: [count]. NaN when empty. */
gm_rc gm_profile_quantiles(const gm_profile *p, size_t column, const double *p_list, size_t count, double *out, gm_err *err);
/* Share of present values <= x_list[i]: bins for PSI, steps for KS. */
gm_rc gm_profile_shares(const gm_profile *p, size_t column, const double *x_list, size_t count, double *out, gm_err *err);

/* The finite values of a bool, int, float or time column, ascending, each once, with how many rows have it: what distances between two
 * profiles are computed from. Exact while there are at most 10,000 different values or 10,000 rows; beyond that out->error says by how much
 * a share of the values may be off. In a. Errors: GM_EINVALID a column of texts; GM_ENOMEM. */
typedef struct gm_profile_points {
    double *value, *weight; /* [count] */
    int64_t count;
    double total; /* sum of the weights */
    double error; /* 0 = exact */
} gm_profile_points;
gm_rc gm_profile_sorted(const gm_profile *p, size_t column, gm_arena *a, gm_profile_points *out, gm_err *err);

/* Most frequent values, most frequent first (ties in the order first met), as text. At most max. In arena.
 * exact: false when counts may be low by as much as *out_error (strings beyond 10,000 distinct); numbers beyond that give none. */
typedef struct gm_profile_value {
    const char *text;
    int64_t count;
} gm_profile_value;
gm_rc gm_profile_top(const gm_profile *p, size_t column, size_t max, gm_arena *a, gm_profile_value **out, size_t *out_count,
                     int64_t *out_error, gm_err *err);

#endif
