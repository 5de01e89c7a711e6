/* predlog.h - the prediction log: what was asked, by whom it was answered, with what.
 *
 * Each lane appends rows to a buffer of its own; the buffer goes to the lane's open segment (a raw file, append only). In full mode the
 * write() comes before the answer, so that an acknowledged row survives the death of the process; a power cut may lose what the fsync policy
 * allows. Sealed segments become compressed Parquet in another process (gristmill predictions --seal), never in the server, whose memory
 * stays bounded. A write that fails is counted and told, and stops nothing, but in full mode it refuses the answer (GM_EUNAVAILABLE).
 * Format: docs/formats/prediction-log.md.
 *
 * Threads: a lane's rows are added by one thread; ticks may come from another one, which is where the fsync belongs.
 */
#ifndef GM_SERVE_PREDLOG_H
#define GM_SERVE_PREDLOG_H

#include "data/profile.h"
#include "serve/rows.h"
#include "serve/served.h"

typedef struct gm_predlog gm_predlog;

typedef enum gm_predlog_mode { GM_PREDLOG_OFF = 0, GM_PREDLOG_SAMPLED, GM_PREDLOG_FULL } gm_predlog_mode;

typedef struct gm_predlog_options {
    const char *dir;      /* .gristmill/predictions */
    gm_predlog_mode mode;
    double share;         /* sampled: of the requests, by a hash of the id, so that every copy of a server decides alike */
    unsigned lanes;
    size_t buffer_bytes;  /* per lane; 0 = 256 KiB; sampled: flushed each second or when half full */
    size_t segment_bytes; /* a segment is sealed at this size (0 = 64 MiB) or age (segment_age_s, 0 = 3600) */
    int64_t segment_age_s;
    int64_t sync_ms;      /* fsync at most this often; 0 = 1000; -1 = never */
    void (*say)(void *user, const char *line); /* once when writing begins to fail and once when it works again, from the lane's thread; or NULL */
    void *say_user;
} gm_predlog_options;

/* Errors: GM_EINVALID (no folder, no lane, share out of 0..1), GM_EIO, GM_ENOMEM. */
gm_rc gm_predlog_open(const gm_predlog_options *o, gm_predlog **out, gm_err *err);
/* Writes and syncs what is left, and seals. No lane may be in use. */
void gm_predlog_close(gm_predlog *l);

typedef struct gm_logged {
    gm_slice id;             /* of the request; row i of several is id/i */
    const gm_served *served;
    const char *protocol;    /* static */
    const char *arm;         /* "champion", "canary", "shadow", "named"; static */
    int64_t time_us;         /* wall clock */
    int64_t latency_us;      /* from the first byte to the answer's being ready */
    const gm_rows *rows;     /* personal columns are not written */
    const double *values;    /* [rows, outputs] */
} gm_logged;
/* Whether the request with this id is to be logged: cheap, so that the caller asks first. */
bool gm_predlog_wants(const gm_predlog *l, gm_slice id);
/* Errors: full mode only, GM_EUNAVAILABLE. */
gm_rc gm_predlog_add(gm_predlog *l, unsigned lane, const gm_logged *entry, gm_err *err);
/* About each second for each lane, from any thread: flush, sync, seal. The sync holds up no lane. */
void gm_predlog_tick(gm_predlog *l, unsigned lane);
/* Rows written, rows lost to failed writes, bytes. */
void gm_predlog_counts(const gm_predlog *l, int64_t *out_rows, int64_t *out_lost, int64_t *out_bytes);

/* ---- reading (commands, monitoring) ----------------------------------------------------------------------- */

/* Segments that no server writes any more to Parquet, a file for each model version in them, atomically; then retention. Safe beside a
 * running server and when killed. keep_days and keep_bytes: 0 = 30 days, 10 GiB. out_files: segments that were sealed.
 * Errors: GM_ECONFLICT while another process seals; GM_EIO; those of writing Parquet. */
gm_rc gm_predlog_seal(const char *dir, int64_t keep_days, int64_t keep_bytes, int64_t *out_files, gm_err *err);
/* Everything readable of a model (NULL = any), open segments included (a torn last record is left out), as one table by time: columns id, time,
 * model, version, package, protocol, arm, row, latency_us, the inputs, key and time columns, then probability / label / prediction ...; a
 * column that some versions do not have is missing in their rows. since_us <= time < until_us; 0 = no bound. In a. */
gm_rc gm_predlog_read(const char *dir, const char *model, int64_t since_us, int64_t until_us, gm_arena *a, gm_table *out, gm_err *err);
/* The same of each `every`-th row alone, in the memory of these. */
gm_rc gm_predlog_sample(const char *dir, const char *model, int64_t since_us, int64_t until_us, int64_t every, gm_arena *a, gm_table *out, gm_err *err);
/* When the rows were answered that a model [not NULL] gave in since_us <= time < until_us, those of the shadow left out, in order [*out_count]; in a. limit > 0: about
 * so many at least, the first ones, where there are more (*out_more), without reading what was sealed later. Other columns are not read where rows are sealed.
 * Errors: those of reading. */
gm_rc gm_predlog_times(const char *dir, const char *model, int64_t since_us, int64_t until_us, int64_t limit, gm_arena *a, int64_t **out, int64_t *out_count, bool *out_more,
                       gm_err *err);
/* Changes when files of the log come, grow or go; read from their names and sizes. Errors: GM_EIO, GM_ENOMEM. */
gm_rc gm_predlog_stamp(const char *dir, uint64_t *out, gm_err *err);
/* About from when on and until when there is something in the log, of any model, without reading it; both 0: nothing is there. Not later than its first row, and
 * not earlier than its last but for what an open segment still takes. Errors: GM_EIO, GM_ENOMEM. */
gm_rc gm_predlog_extent(const char *dir, int64_t *out_first_us, int64_t *out_last_us, gm_err *err);
/* How a model has been asked, without its rows being read where sealing left profiles of their hours: how many rows a version (NULL = any) answered in hours that
 * lie in [since_us, until_us) at least in part. Rows that are not sealed yet do not count. Errors: GM_EIO, GM_ENOMEM. */
gm_rc gm_predlog_rows_sealed(const char *dir, const char *model, const char *version, int64_t since_us, int64_t until_us, int64_t *out_rows, gm_err *err);
/* The profile of a version's inputs over since_us <= time < until_us: of whole hours that are sealed by their profiles, of the rest by its rows. columns: the inputs
 * by their names in the log [columns_count]. *out NULL: nobody asked. In a. Errors: GM_EINVALID (a column's type is not the same in all files); those of reading. */
gm_rc gm_predlog_profile(const char *dir, const char *model, const char *version, int64_t since_us, int64_t until_us, const char *const *columns,
                         size_t columns_count, gm_arena *a, gm_profile **out, int64_t *out_rows, gm_err *err);
/* The rows of one request by its id, or one of them by id/row; those of the shadow come last. GM_ENOTFOUND says over what time the log
 * reaches, and that sampling may have left it out. */
gm_rc gm_predlog_find(const char *dir, const char *id, gm_arena *a, gm_table *out, gm_err *err);
/* The name in the log's tables of an input column; a name that the log has itself gets a _ behind it. In a. */
const char *gm_predlog_column(const char *input, gm_arena *a);
/* The column of an answer, "probability", "label" ..., in the log's tables; NULL when there is none. */
const gm_column *gm_predlog_answer(const gm_table *t, const char *name);

#endif
