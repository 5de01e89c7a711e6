/* predlog_internal.h - between the reading files of the prediction log: segments and sealed files as tables. */
#ifndef GM_SERVE_PREDLOG_INTERNAL_H
#define GM_SERVE_PREDLOG_INTERNAL_H

#include "data/engine.h"
#include "serve/predlog.h"

#define GM_PREDLOG_SEALED "sealed" /* folder of Parquet: sealed/<model>/<version>/<file> */

/* Which rows. */
typedef struct gm_predlog_filter {
    int64_t since_us, until_us; /* since <= time < until; 0 = no bound */
    const char *model;          /* NULL = any                          */
    const char *id;             /* NULL = any                          */
    int64_t row;                /* -1 = any                            */
    int64_t every;              /* of the rows of a file that pass, each so many-th; 0 and 1 = all */
} gm_predlog_filter;

/* Rows of one model version, from one file. */
typedef struct gm_predlog_part {
    const char *model, *version;
    int64_t first_us, last_us;
    gm_table table;
    const char *const *inputs; /* [inputs_count] columns of table that the model reads; only of parts from a segment */
    size_t inputs_count;
} gm_predlog_part;

typedef struct gm_predlog_parts {
    gm_predlog_part *items; /* [count] in arena */
    size_t count, capacity;
    int64_t first_us, last_us; /* of everything seen, filtered out or not; 0 = nothing */
    int64_t damaged;           /* records whose checksum is wrong, torn ends not counted */
} gm_predlog_parts;

/* Room for one more. Errors: GM_ENOMEM. */
gm_rc gm_predlog_parts_add(gm_predlog_parts *p, gm_arena *a, gm_predlog_part **out, gm_err *err);
void gm_predlog_parts_saw(gm_predlog_parts *p, int64_t first_us, int64_t last_us);

/* The rows of a segment that pass, a part for each version, in the order of their first appearance; texts are in a. A torn end is left out.
 * Errors: GM_ENOTFOUND, GM_EIO; GM_ECORRUPT (no segment). */
gm_rc gm_predlog_decode(const char *path, const gm_predlog_filter *f, gm_arena *a, gm_predlog_parts *parts, gm_err *err);

/* A file of the log: a segment in raw/, or Parquet below sealed/. */
typedef struct gm_predlog_file {
    const char *path, *segment; /* segment: its name without ending */
    bool open;                  /* of a segment: a server may write it */
    int64_t first_us, last_us;  /* of Parquet, from its name; rows of other times are not in it */
    int64_t size_bytes;
} gm_predlog_file;
/* In order of time; in a. A folder that is not there is an empty log. Errors: GM_EIO, GM_ENOMEM. */
gm_rc gm_predlog_segments(const char *dir, gm_arena *a, gm_predlog_file **out, size_t *out_count, gm_err *err);
gm_rc gm_predlog_sealed(const char *dir, gm_arena *a, gm_predlog_file **out, size_t *out_count, gm_err *err);

/* A name as that of a folder: bytes other than letters, digits, hyphen, underscore and (not first) dot are _. In a. */
char *gm_predlog_folder(const char *name, gm_arena *a);

/* ---- profiles by hour (predlog_profile.c) ---- */

#define GM_PREDLOG_PROFILES "profiles" /* folder: profiles/<model>/<version>/<hour>-<rows>-<segment>-<number>.profile */
#define GM_PREDLOG_HOUR_US (INT64_C(3600) * 1000000)

/* The profiles of a part, a file for each hour in it. Before its Parquet is there, so that a Parquet file that has any has all of them.
 * Errors: GM_EIO, GM_ENOMEM. */
gm_rc gm_predlog_profiles_write(const char *dir, const char *segment, size_t number, const gm_predlog_part *p, gm_arena *a, gm_err *err);
/* Remove those of hours that ended before oldest_us, and those of Parquet files that were removed [removed_count]. */
gm_rc gm_predlog_profiles_retain(const char *dir, int64_t oldest_us, const gm_predlog_file *removed, size_t removed_count, gm_arena *a, gm_err *err);
/* Rows of all segments that pass, and the segments that were read: Parquet files of these do not count. */
gm_rc gm_predlog_read_segments(const char *dir, const gm_predlog_filter *f, gm_arena *a, gm_predlog_parts *parts, gm_predlog_file **out, size_t *out_count,
                               gm_err *err);
/* Rows of a Parquet file that pass, as another part. */
gm_rc gm_predlog_read_sealed(gm_engine *e, const gm_predlog_file *file, const gm_predlog_filter *f, gm_arena *a, gm_predlog_parts *parts, gm_err *err);

/* All rows as one table: columns by name, types made equal, ordered by time (then as they came). In a. */
gm_rc gm_predlog_join(const gm_predlog_parts *parts, gm_arena *a, gm_table *out, gm_err *err);

#endif
