/* schema.h - what a served model takes and gives: one object for every protocol.
 *
 * From the package's schema.json. Columns stand in the order of the scorer's inputs; key and time columns that are no inputs
 * follow: they are optional in every protocol, logged, never features. The package keeps no type of such keys: they are texts,
 * and numbers are taken too.
 */
#ifndef GM_SERVE_SCHEMA_H
#define GM_SERVE_SCHEMA_H

#include "base/http.h"
#include "base/node.h"
#include "pipe/scorer.h"

typedef struct gm_served_column {
    const char *name;
    size_t name_len;
    gm_type type;
    bool input;                    /* a feature's source: the first inputs_count columns         */
    bool required;                 /* had no missing value in training                            */
    bool key, time;                /* of the data set                                             */
    bool personal;                 /* never in logs                                               */
    double low, high;              /* of training; NaN = not known, and of times: they go on      */
    const char *format;            /* of times given as text, or NULL                             */
    const char *const *categories; /* [categories_count] of training; NULL when not kept   */
    size_t categories_count;
    const struct gm_text_set *known; /* the categories, hashed; NULL when not kept          */
} gm_served_column;

typedef struct gm_served_schema {
    gm_served_column *columns; /* [columns_count] */
    size_t columns_count, inputs_count;
    gm_task task;
    const char *const *classes; /* [classes_count] */
    int64_t classes_count, outputs;
    const char *target;
    char digest[65];                 /* of what decoding depends on: equal digest, equal rows */
    const struct gm_text_set *names; /* of the columns */
} gm_served_schema;

/* dir: a package; scorer: opened from it. In a. Errors: GM_EINVALID with place. */
gm_rc gm_served_schema_read(const char *dir, const gm_scorer *scorer, gm_arena *a, gm_served_schema *out, gm_err *err);
/* Index of the column of that name, found in O(1), or -1. hint: where it probably is (the next in order), so that rows that keep
 * an order cost one comparison each. */
int gm_served_schema_find(const gm_served_schema *s, const char *name, size_t len, size_t hint);

#endif
