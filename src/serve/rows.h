/* rows.h - the rows of a request as typed columns: what the decoder of every protocol ends in.
 *
 * One gm_rows per thread, used again and again: after the first requests of a size nothing is allocated. Texts that end in NUL
 * are borrowed from the request's body, others are copied. A decoder sets values cell by cell and then calls gm_rows_finish.
 *
 * What stands in for what, as in gm_conform: whole numbers, decimals and bools for each other in number columns (a column of
 * whole numbers that is given 3.5 is a column of decimals in this request), numbers never for texts or times. A key that is no
 * input takes anything.
 */
#ifndef GM_SERVE_ROWS_H
#define GM_SERVE_ROWS_H

#include "serve/schema.h"

enum { GM_ROWS_MAX = 1 << 20, GM_ROWS_MAX_BYTES = 256 << 20 }; /* of the cells, at 8 bytes each */

/* Breaches of the training schema in one request, by column; not errors unless the server is strict. */
typedef struct gm_breaches {
    int64_t missing, range, unknown_category; /* cells */
} gm_breaches;

typedef struct gm_rows {
    const gm_served_schema *schema;
    gm_table table;        /* inputs first, in the schema's order: table.columns_count = inputs_count                       */
    gm_column *columns;    /* [schema->columns_count] all of them, keys and time too                                         */
    bool *given;           /* [schema->columns_count] whether the request had the column at all                              */
    gm_breaches *breaches; /* [schema->columns_count] filled by gm_rows_finish                                               */
    int64_t rows;
    int64_t breaches_total;
    int64_t unknown_columns; /* columns of the request that the schema does not have: ignored, counted                        */
    struct gm_rows_store *store; /* grows, is kept */
} gm_rows;

void gm_rows_init(gm_rows *r); /* zeroed and empty */
void gm_rows_clear(gm_rows *r);
/* Begin rows (1 .. GM_ROWS_MAX) of this schema, all cells missing. Errors: GM_EINVALID (too many), GM_ENOMEM. */
gm_rc gm_rows_begin(gm_rows *r, const gm_served_schema *s, int64_t rows, gm_err *err);
/* One cell; row and column are the caller's to check. A number for a text column, a text for a number and so on: GM_EINVALID `row
 * 3, column "distance": expected a number, found "far"`. Whole numbers given as 3.0 are whole; a bool takes true, false, 0, 1; a
 * time takes text (ISO 8601, or the training format) or microseconds as a whole number; int64 beyond 2^53 keep all digits. NaN
 * and null are missing, in a column of any type. text[len] must be readable. */
gm_rc gm_rows_set_double(gm_rows *r, size_t column, int64_t row, double v, gm_err *err);
gm_rc gm_rows_set_int(gm_rows *r, size_t column, int64_t row, int64_t v, gm_err *err);
gm_rc gm_rows_set_bool(gm_rows *r, size_t column, int64_t row, bool v, gm_err *err);
gm_rc gm_rows_set_text(gm_rows *r, size_t column, int64_t row, const char *text, size_t len, gm_err *err);
/* Whole cells given as CSV fields are: a number column reads the text as a number, empty is missing. */
gm_rc gm_rows_set_field(gm_rows *r, size_t column, int64_t row, const char *text, size_t len, gm_err *err);
/* Build the dictionaries and check: a column that is not given, is required and is an input is GM_EINVALID naming all such
 * columns; a missing value where training had none, a value out of the training range, and an unknown category are counted; with
 * strict they are GM_EINVALID naming the first of them (row, column, value, what was expected). */
gm_rc gm_rows_finish(gm_rows *r, bool strict, gm_err *err);

#endif
