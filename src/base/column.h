/* column.h - typed columns in memory: what checks, features, trainers and metrics compute on.
 *
 * Five types, three storages. Missing is NaN (float), INT64_MIN (bool, int, time) and code -1 (string), so a row
 * needs no bitmap. Strings are dictionary codes: equal text has equal code within one dictionary. Columns are
 * constant once built; several may share storage.
 */
#ifndef GM_BASE_COLUMN_H
#define GM_BASE_COLUMN_H

#include <math.h>

#include "base/arena.h"
#include "base/err.h"

typedef enum gm_type {
    GM_TYPE_UNKNOWN = 0,
    GM_TYPE_BOOL,   /* i64: 0, 1                                    */
    GM_TYPE_INT,    /* i64                                          */
    GM_TYPE_FLOAT,  /* f64                                          */
    GM_TYPE_STRING, /* code into dict                               */
    GM_TYPE_TIME    /* i64: microseconds since 1970-01-01T00:00 UTC */
} gm_type;

#define GM_MISSING_INT INT64_MIN
#define GM_MISSING_CODE (-1)

/* Distinct texts. Not every text need be used by a row. */
typedef struct gm_dict {
    const char *const *texts;  /* [count] NUL-terminated UTF-8 */
    const uint32_t *text_lens; /* [count] bytes                */
    int32_t count;
} gm_dict;

typedef struct gm_column {
    const char *name;
    gm_type type;
    int64_t rows;
    union {
        const double *f64;   /* float            */
        const int64_t *i64;  /* bool, int, time  */
        const int32_t *code; /* string           */
    };
    const gm_dict *dict; /* string only */
} gm_column;

typedef struct gm_table {
    int64_t rows;
    size_t columns_count;
    gm_column *columns; /* [columns_count] */
} gm_table;

const char *gm_type_name(gm_type t); /* "float"; static */
bool gm_type_from_name(const char *name, gm_type *out);

/* By exact name; NULL when there is none. */
const gm_column *gm_table_find(const gm_table *t, const char *name);
/* Errors: GM_EINVALID `no column "x"`, with a near name or the columns as hint. */
gm_rc gm_table_column(const gm_table *t, const char *name, const gm_column **out, gm_err *err);

bool gm_column_is_missing(const gm_column *c, int64_t row);
/* bool, int, float and time as double (time in microseconds); NaN when missing or string. */
double gm_column_double(const gm_column *c, int64_t row);
/* Text of a string value, NULL when missing; only for GM_TYPE_STRING. */
const char *gm_column_text(const gm_column *c, int64_t row);
/* Any value as text for people: times as 2013-01-31T05:00:00, missing as "". Returns out. */
const char *gm_column_show(const gm_column *c, int64_t row, char *out, size_t out_size);

/* The rows named by index[count], in that order; an index of -1 gives a missing value. New columns in arena,
 * dictionaries shared. NULL-safe for count 0. */
gm_rc gm_table_take(const gm_table *t, const int64_t *index, int64_t count, gm_arena *a, gm_table *out, gm_err *err);

/* Numbers for trainers: column-major, data[col * rows + row], NaN = missing. For one row this is also the row. */
typedef struct gm_matrix {
    double *data;
    int64_t rows, cols;
    const char **names; /* [cols] feature names; may be NULL */
} gm_matrix;

/* Time text <-> microseconds. Accepts 2013-01-31, 2013-01-31T05:00:00[.ffffff][Z|+hh:mm], blank for T. */
bool gm_time_parse(const char *text, int64_t *out_us);
const char *gm_time_text(int64_t us, char *out, size_t out_size); /* 2013-01-31T05:00:00[.ffffff] */

/* Builds a dictionary from texts as they come. */
typedef struct gm_dict_builder gm_dict_builder;
gm_dict_builder *gm_dict_builder_new(gm_arena *a);
/* The code of text, added if new; -2 when memory is out. */
int32_t gm_dict_builder_code(gm_dict_builder *b, const char *text, size_t len);
/* In arena; further adding gives longer dictionaries, codes stay. */
const gm_dict *gm_dict_builder_finish(gm_dict_builder *b);
/* Code of text in d by a linear look; -1 when absent. */
int32_t gm_dict_find(const gm_dict *d, const char *text, size_t len);

#endif
