/* engine.h - tables from files and databases, through DuckDB with bounded memory.
 *
 * The one room file that knows DuckDB is engine.c (with duckdb_api.h, our own prototypes; the library is loaded when first used).
 */
#ifndef GM_DATA_ENGINE_H
#define GM_DATA_ENGINE_H

#include "base/column.h"
#include "base/node.h"

typedef struct gm_engine gm_engine; /* one DuckDB database and connection; one thread at a time */

typedef struct gm_engine_options {
    int64_t threads;          /* 0 = all cores        */
    int64_t memory_bytes;     /* 0 = 512 MiB          */
    const char *temp_dir;     /* for spilling; NULL = system's */
} gm_engine_options;

gm_rc gm_engine_open(const gm_engine_options *o, gm_engine **out, gm_err *err);
void gm_engine_close(gm_engine *e);
/* Part of the keys of steps. Pinned, so that it is known without loading 70 MB of library; another version is refused when it is opened. */
#define GM_ENGINE_VERSION "v1.5.6"
const char *gm_engine_version(void);

/* Where data comes from, as written under `data:`. */
typedef struct gm_source {
    const char *from;   /* file, glob, folder, sqlite:FILE?table=T, postgres://..., https:// */
    const char *format; /* csv, parquet, json or NULL = by name                              */
    const char *query;  /* SQL over the source as table `source`; NULL = all of it           */
    gm_pos pos;
} gm_source;

/* Files a source stands for, sorted; count 0 for databases. Errors: GM_ENOTFOUND. In arena. */
gm_rc gm_source_files(const gm_source *s, const char *base_dir, gm_arena *a, const char ***out, size_t *out_count,
                      gm_err *err);

/* Have its columns types of their own (Parquet, JSON), or are they found from texts (CSV, databases)? false also when it cannot be
 * told. a: for a moment. */
bool gm_source_is_typed(const gm_source *s, const char *base_dir, gm_arena *a);

/* Read the source, infer kinds (thousands separators, three or more date formats, BOM, CRLF, latin-1 refused with the byte's place,
 * ragged rows refused with file:line), normalise types to the five of column.h, and write one Parquet file: the dataset's snapshot.
 * The bytes of out_path depend on the content only (threads do not matter).
 * schema_json (in arena): see gm_schema. Errors: GM_ENOTFOUND, GM_EINVALID with file:line:column name. Nothing half-written. */
gm_rc gm_data_snapshot(gm_engine *e, const gm_source *s, const char *base_dir, const char *out_path, gm_arena *a,
                       const char **out_schema_json, int64_t *out_rows, gm_err *err);

/* A Parquet file written by us (or CSV/JSON/Parquet of a user) as columns in memory. columns NULL = all. limit 0 = all rows.
 * Order of rows is the file's. Errors: GM_EINVALID no such column, GM_ENOMEM with the size wanted. */
gm_rc gm_data_read(gm_engine *e, const char *path, const char *const *columns, size_t columns_count, int64_t limit,
                   gm_arena *a, gm_table *out, gm_err *err);
/* Write columns as Parquet (or CSV by the name's ending); whole or not at all; deterministic bytes. */
gm_rc gm_data_write(gm_engine *e, const gm_table *t, const char *path, gm_err *err);
/* Read the source as gm_data_snapshot does, and write what `map` makes of it to out_path as gm_data_write does. in: the next up to 65,536 rows,
 * the first of them row first_row of the source; out: a table with the same columns each time, valid until the next call. An empty source is
 * one call with no rows. So memory does not grow with the source. Errors: those of reading and writing, and map's own. */
typedef gm_rc (*gm_table_map)(void *ctx, const gm_table *in, int64_t first_row, gm_table *out, gm_err *err);
gm_rc gm_data_map(gm_engine *e, const gm_source *s, const char *base_dir, gm_table_map map, void *ctx, const char *out_path, int64_t *out_rows,
                  gm_err *err);
/* Run SQL whose result is written to Parquet: `sql:` steps. tables: names bound to Parquet paths. */
gm_rc gm_data_sql(gm_engine *e, const char *sql, const char *const *names, const char *const *paths, size_t count,
                  const char *out_path, int64_t *out_rows, gm_err *err);

#endif
