/* online.h - joined columns that a request does not bring, looked up by key: what the join gave in training, from the newest run's table.
 *
 * A join is looked up when the request has its key columns and none of its columns. The event time is the request's time column, else now;
 * a row later than that is not used, one older than `within` is expired: its values are missing, as in training.
 */
#ifndef GM_SERVE_ONLINE_H
#define GM_SERVE_ONLINE_H

#include "feature/online.h"
#include "serve/rows.h"

enum { GM_JOIN_KEYS_MAX = 16 };

typedef struct gm_served_join {
    const char *dataset;
    size_t by[GM_JOIN_KEYS_MAX]; /* columns of the schema */
    size_t by_count;
    int time;                    /* column of the schema, -1 = none */
    int64_t within_us;           /* 0 = any age */
    size_t *columns;             /* [columns_count] the schema's "dataset.name" */
    const char **names;          /* [columns_count] their names in the table */
    size_t columns_count;
} gm_served_join;

typedef enum gm_online_status { GM_ONLINE_PRESENT, GM_ONLINE_EXPIRED, GM_ONLINE_MISSING, GM_ONLINE_STATUSES } gm_online_status;
const char *gm_online_status_name(gm_online_status s); /* "PRESENT" */

/* From the package's schema.json; in a. */
gm_rc gm_served_joins_read(const gm_node *schema_json, const gm_served_schema *s, gm_arena *a, gm_served_join **out, size_t *out_count, gm_err *err);
/* Fill the join's columns of all rows; false when the request brings them itself, or not the key. Texts are borrowed from the table.
 * counts [GM_ONLINE_STATUSES] rows by status, added to. */
gm_rc gm_online_fill(const gm_served_join *j, const gm_online *table, gm_rows *rows, int64_t now_us, int64_t *counts, bool *out_done, gm_err *err);

#endif
