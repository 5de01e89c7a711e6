/* predlog.h - the prediction log: what was asked, by whom it was answered, with what.
 *
 * Each lane appends rows to a buffer of its own; the buffer goes to the lane's open segment (a raw file, append only). In full mode the
 * write() comes before the answer, so that an acknowledged row survives the death of the process; a power cut may lose what the fsync policy
 * allows. Sealed segments become compressed Parquet in another process (gristmill predictions --seal), never in the server, whose memory
 * stays bounded. A write that fails is counted and told, and stops nothing, but in full mode it refuses the answer (GM_EUNAVAILABLE).
 */
#ifndef GM_SERVE_PREDLOG_H
#define GM_SERVE_PREDLOG_H

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
    int64_t keep_days, keep_bytes; /* retention of sealed and compressed files; 0 = 30 days, 10 GiB */
} gm_predlog_options;

gm_rc gm_predlog_open(const gm_predlog_options *o, gm_predlog **out, gm_err *err);
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
/* Each second on the lane's thread: flush, sync, seal. */
void gm_predlog_tick(gm_predlog *l, unsigned lane);
/* Rows written, rows lost to failed writes, bytes. */
void gm_predlog_counts(const gm_predlog *l, int64_t *out_rows, int64_t *out_lost, int64_t *out_bytes);

/* ---- reading (commands, monitoring) ----------------------------------------------------------------------- */

/* Sealed segments to Parquet, one file each, atomically; then retention. Safe beside a running server and when killed. */
gm_rc gm_predlog_seal(const char *dir, int64_t keep_days, int64_t keep_bytes, int64_t *out_files, gm_err *err);
/* Everything readable, open segments included (a torn last record is left out), as one table per model: columns id, time, model,
 * version, package, protocol, arm, row, latency_us, the inputs, key and time columns, then probability / label / prediction ... In a. */
gm_rc gm_predlog_read(const char *dir, const char *model, int64_t since_us, int64_t until_us, gm_arena *a, gm_table *out, gm_err *err);
/* One prediction by id. GM_ENOTFOUND says over what time the log reaches, and that sampling may have left it out. */
gm_rc gm_predlog_find(const char *dir, const char *id, gm_arena *a, gm_table *out, gm_err *err);

#endif
