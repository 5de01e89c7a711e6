/* data_internal.h - what the files of this room share: tables in chunks, rows of text, and SQL with quoting.
 *
 * Everything that comes in passes through one of two shapes:
 *   gm_text_rows    rows of texts (CSV, SQLite, PostgreSQL): types are inferred, then values are parsed
 *   gm_chunks       typed tables of up to GM_CHUNK_ROWS rows, one after the other (also Parquet and JSON)
 * and everything that is written to Parquet is a gm_chunks. So memory is bounded by one chunk.
 */
#ifndef GM_DATA_INTERNAL_H
#define GM_DATA_INTERNAL_H

#include "base/buf.h"
#include "data/engine.h"
#include "data/profile.h"
#include "data/schema.h"

/* Profiles are merged per chunk of this many rows, so it is part of the meaning of their last bits. */
enum { GM_CHUNK_ROWS = 65536 };

/* ---- tables in chunks ---- */

typedef struct gm_chunks {
    size_t count;            /* columns        */
    const char *const *names; /* [count]       */
    const gm_type *types;    /* [count]        */
    int64_t rows;            /* of all chunks together; -1 = not known before the end */
    void *ctx;
    /* The next chunk, valid until the next call; rows 0 at the end. */
    gm_rc (*next)(void *ctx, gm_table *out, gm_err *err);
} gm_chunks;

/* Chunks of a table in memory (views, no copies). */
typedef struct gm_table_chunks {
    const gm_table *table;
    int64_t done;
    gm_column *view; /* [columns_count] */
} gm_table_chunks;
gm_rc gm_chunks_of_table(const gm_table *t, gm_arena *a, gm_table_chunks *ctx, gm_chunks *out, gm_err *err);
/* A view of rows [from, from + rows). columns: [t->columns_count] for the view's columns. */
void gm_table_view(const gm_table *t, int64_t from, int64_t rows, gm_column *columns, gm_table *out);

/* Collect chunks whose rows are known into one table in the arena. limit 0 = all rows; wanted NULL = all columns. */
gm_rc gm_chunks_collect(gm_chunks *in, const char *const *wanted, size_t wanted_count, int64_t limit, gm_arena *a, gm_table *out,
                        gm_err *err);

/* ---- rows of text ---- */

typedef struct gm_cell {
    const char *text; /* NULL = SQL's NULL; not NUL-terminated */
    uint32_t len;
    bool quoted;
} gm_cell;

typedef struct gm_text_rows gm_text_rows;
struct gm_text_rows {
    const char *label; /* the file's or source's name, for messages */
    size_t count;
    const char **names;       /* [count]                                        */
    const bool *declared_text; /* [count] or NULL: text whatever the values say */
    int64_t line;             /* of the row last returned; 0 when there are no lines */
    void *ctx;
    /* *out_cells [count], valid until the next call; NULL at the end. */
    gm_rc (*next)(gm_text_rows *r, const gm_cell **out_cells, gm_err *err);
    gm_rc (*rewind)(gm_text_rows *r, gm_err *err); /* to before the first row; also needed before the first next */
    void (*close)(gm_text_rows *r);
};

/* path, label: borrowed until closed. The names are known after opening. */
gm_rc gm_csv_open(const char *path, const char *label, gm_arena *a, gm_text_rows **out, gm_err *err);
gm_rc gm_sqlite_open(const char *path, const char *table, const char *label, gm_arena *a, gm_text_rows **out, gm_err *err);
gm_rc gm_postgres_open(const char *url, const char *table, const char *label, gm_arena *a, gm_text_rows **out, gm_err *err);

/* How the values of a column are written. */
typedef enum gm_form {
    GM_FORM_EMPTY = 0, /* nothing but missing values: float */
    GM_FORM_INT,
    GM_FORM_FLOAT,
    GM_FORM_THOUSANDS_INT, /* 1,234 or 1 234; separator in gm_rule */
    GM_FORM_THOUSANDS_FLOAT,
    GM_FORM_BOOL,      /* true/false, yes/no          */
    GM_FORM_TIME,      /* 2013-01-31[T10:00[:00][Z]], 2013/01/31 */
    GM_FORM_TIME_DMY,  /* 31/01/2013, 31-01-2013, 31.01.2013 [10:00] */
    GM_FORM_TIME_MDY,  /* 01/31/2013                  */
    GM_FORM_TIME_NAMED, /* 31 Jan 2013, Jan 31, 2013  */
    GM_FORM_TEXT
} gm_form;

typedef struct gm_rule {
    gm_form form;
    gm_type type;
    char separator;         /* thousands: ',' or ' '                     */
    uint32_t missing;       /* bits of the markers that mean missing      */
    const char *format;     /* for gm_field.format; static                */
    const char *reason;     /* why text, with counts and the first row; NULL = as the values say. In arena */
} gm_rule;

/* What was seen in a column. One per column and file; add up over files. */
typedef struct gm_sight {
    int64_t count[16]; /* by class, see infer.c                        */
    int64_t first_row[16], first_line[16]; /* of the first value of a class; 0-based, 0 = no lines */
    char example[16][40];
    uint32_t markers;  /* missing markers met                          */
    int64_t rows, missing;
} gm_sight;

void gm_sight_add(gm_sight *s, const gm_cell *cell, int64_t line);
void gm_sight_merge(gm_sight *into, const gm_sight *other);
/* Decide all columns of a source. Texts in arena. */
gm_rc gm_rules_decide(const gm_sight *sights, const bool *declared_text, size_t count, gm_arena *a, gm_rule *out, gm_err *err);

/* Parse by the rule. Missing values give NaN and GM_MISSING_INT. false when the value does not have the rule's form. */
bool gm_rule_double(const gm_rule *r, const gm_cell *cell, double *out);
bool gm_rule_int(const gm_rule *r, const gm_cell *cell, int64_t *out); /* int, bool, time */
bool gm_rule_missing(const gm_rule *r, const gm_cell *cell);           /* text            */

/* Rows of text as typed chunks. rows_list: the files in order, each with the columns of names (in any order). */
gm_rc gm_chunks_of_text(gm_text_rows **rows_list, size_t rows_count, const gm_rule *rules, int64_t rows, gm_arena *a, gm_chunks *out,
                        gm_err *err);

/* One look at all rows: names equal in all sources, no type change between them. rules [count of rows_list[0]] in arena. */
gm_rc gm_rules_infer(gm_text_rows **rows_list, size_t rows_count, gm_arena *a, const gm_rule **out_rules, int64_t *out_rows, gm_err *err);

/* ---- DuckDB ---- */

/* Quoting is done here and nowhere else. */
void gm_sql_ident(gm_buf *sql, const char *name);
void gm_sql_literal(gm_buf *sql, const char *text);
void gm_sql_path(gm_buf *sql, const char *path); /* a literal that no reader takes for a pattern */

/* Run statements whose result nobody reads. what: for the error's first words, "could not <what>: ...". */
gm_rc gm_engine_run(gm_engine *e, const char *sql, const char *what, gm_err *err);
/* Anything SQL can select from: read_parquet('...'), (SELECT ...). Its columns cast to our five types. Streams.
 * limit 0 = all rows; -1 = all rows, without counting them first. columns NULL = all. */
typedef struct gm_relation gm_relation;
gm_rc gm_relation_open(gm_engine *e, const char *relation_sql, const char *what, const char *const *columns, size_t columns_count,
                       int64_t limit, gm_arena *a, gm_relation **out, gm_chunks *out_chunks, gm_err *err);
void gm_relation_close(gm_relation *r);
/* Write chunks as Parquet, or CSV by the name's ending; whole or not at all. */
gm_rc gm_chunks_write(gm_engine *e, gm_chunks *in, const char *path, int64_t *out_rows, gm_err *err);

/* A name for a scratch file beside path, and its change into path: sync, rename, sync the folder. */
gm_rc gm_scratch_name(const char *path, char *out, size_t out_size, gm_err *err);
gm_rc gm_scratch_commit(const char *scratch, const char *path, gm_err *err);

/* ---- profile ---- */

/* An empty profile for columns of these names and types; add chunks in row order. */
gm_rc gm_profile_begin(size_t count, const char *const *names, const gm_type *types, gm_arena *a, gm_profile **out, gm_err *err);
gm_rc gm_profile_add(gm_profile *p, const gm_table *chunk, gm_arena *a, gm_err *err);

/* Count, mean and sum of squared deviations of the finite values of a column, by the profile's own computation. */
typedef struct gm_basic {
    int64_t missing, present; /* infinite values are present */
    double mean, std, sum, min, max; /* of finite values; NaN when undefined; std ddof 1 */
} gm_basic;
gm_rc gm_basic_of(const gm_column *c, gm_basic *out, gm_err *err);

/* The schema that a profile tells. rules: how the columns were read, or NULL. */
gm_rc gm_schema_of_profile(const gm_profile *p, const gm_rule *rules, gm_arena *a, gm_schema *out, gm_err *err);

#endif
