/* schema.h - what is known of a dataset's columns, and what each one is good for.
 *
 * Kinds decide default transforms and what `explain` says: a number, category, text, time, bool, an ID (unique or nearly, of no use to a
 * model), constant, empty.
 */
#ifndef GM_DATA_SCHEMA_H
#define GM_DATA_SCHEMA_H

#include "base/buf.h"
#include "base/column.h"
#include "base/node.h"

typedef enum gm_kind {
    GM_KIND_UNKNOWN = 0,
    GM_KIND_NUMBER,
    GM_KIND_CATEGORY, /* few distinct values (<= 1000 and <= half the rows) */
    GM_KIND_TEXT,     /* many distinct texts, not an id                     */
    GM_KIND_TIME,
    GM_KIND_BOOL,
    GM_KIND_ID,       /* (nearly) every row its own value: keys, counters   */
    GM_KIND_CONSTANT,
    GM_KIND_EMPTY     /* all missing                                        */
} gm_kind;

typedef struct gm_field {
    const char *name;
    gm_type type;
    gm_kind kind;
    const char *reason;      /* why this kind, for explain: "336,776 distinct of 336,776 rows"         */
    const char *format;      /* how the text was read: "thousands separators", "%d/%m/%Y", or ""        */
    int64_t rows, missing, distinct; /* distinct: exact up to 10,000, then estimated (1.6 %)            */
    double min, max, mean, std;      /* numbers and times (microseconds); std ddof 1; NaN when undefined */
    const char **top;        /* [top_count] most frequent values as text                                */
    int64_t *top_counts;
    size_t top_count;        /* <= 20 */
} gm_field;

typedef struct gm_schema {
    gm_field *fields;
    size_t count;
    int64_t rows;
} gm_schema;

/* From a profile of the columns; in arena. */
gm_rc gm_schema_infer(const gm_table *t, gm_arena *a, gm_schema *out, gm_err *err);
void gm_schema_json(const gm_schema *s, gm_json *j);
gm_rc gm_schema_read(const gm_node *json, gm_arena *a, gm_schema *out, gm_err *err);
const gm_field *gm_schema_find(const gm_schema *s, const char *name);
const char *gm_kind_name(gm_kind k);

/* One text as a column of this type and format (gm_field.format; NULL or "" = the usual one) was read. Missing gives NaN and GM_MISSING_INT.
 * *out_number for FLOAT, *out_whole for INT, BOOL and TIME. false when the text is no such value. */
bool gm_field_parse(gm_type type, const char *format, const char *text, double *out_number, int64_t *out_whole);

/* What changed since `expected`: a column that vanished (with a near name, when there is one) or has another type. An
 * integer column where decimals were expected is fine, and so is one that is all missing on either side. Columns that are
 * new are not reported. Each difference is added to errs; GM_EINVALID when there is any. Column order does not matter. */
gm_rc gm_schema_compare(const gm_schema *expected, const gm_schema *found, gm_errs *errs);

#endif
