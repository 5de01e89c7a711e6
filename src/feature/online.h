/* online.h - the online table of a joined data set: its latest row per key, in a file that is mapped and looked up in place.
 *
 * Written whole by a run (then it is a blob like any other, named by its digest), read by any number of servers without copying. Equal rows
 * give equal bytes. Layout: docs/formats/online-table.md.
 */
#ifndef GM_FEATURE_ONLINE_H
#define GM_FEATURE_ONLINE_H

#include "base/column.h"

typedef struct gm_online gm_online; /* constant; shared by threads */

typedef struct gm_online_options {
    const char *const *by; /* [by_count] key columns: text, int, bool or time; a row with a missing key or time is left out */
    size_t by_count;
    const char *time;      /* NULL: the last row of a key in the table's order */
    const char *const *columns; /* [columns_count] what can be looked up */
    size_t columns_count;
} gm_online_options;

/* Errors: GM_EINVALID (no such column, a float as key), GM_EIO, GM_ENOMEM. out_keys: rows kept. */
gm_rc gm_online_write(const gm_table *t, const gm_online_options *o, const char *path, int64_t *out_keys, gm_err *err);
/* Map a file; every offset in it is checked, so that a damaged file is GM_ECORRUPT and never a wild read. */
gm_rc gm_online_open(const char *path, gm_online **out, gm_err *err);
void gm_online_close(gm_online *o);

int64_t gm_online_keys(const gm_online *o);
/* Index of a looked-up column by name, -1 when it has none; its type. */
int gm_online_column(const gm_online *o, const char *name, gm_type *out_type);
size_t gm_online_by(const gm_online *o, size_t i, const char **out_name, gm_type *out_type); /* returns by_count; out_ written for i < by_count */

/* The row of a key; -1 when there is none or a part of it is missing. keys [by_count] columns in the order of `by`, of the same storage
 * (a whole number in a float column is one). No allocation. */
int64_t gm_online_find(const gm_online *o, const gm_column *const *keys, int64_t row);
int64_t gm_online_time(const gm_online *o, int64_t found); /* microseconds; INT64_MIN without a time */
/* Cells; missing as in a gm_column (NaN, INT64_MIN, NULL). */
double gm_online_double(const gm_online *o, int64_t found, int column);
int64_t gm_online_int(const gm_online *o, int64_t found, int column);
const char *gm_online_text(const gm_online *o, int64_t found, int column);

#endif
