/* step_read.h - reading step records, shared by steps.c and lineage.c. */
#ifndef GM_STORE_STEP_READ_H
#define GM_STORE_STEP_READ_H

#include "store/store_internal.h"

/* Columns of a step, in the order in which gm_step_read expects them, and the tables to take them from. */
#define GM_STEP_COLUMNS                                                                                        \
    "s.id, s.run_id, s.name, s.kind, s.key, coalesce(k.fields, ''), s.state, s.attempt, s.started_us, s.ended_us," \
    " s.cpu_us, s.peak_rss, s.rows, s.pid, s.pid_start, s.error, s.result, s.log_digest"
#define GM_STEP_TABLES " FROM steps s LEFT JOIN key_fields k ON k.key = s.key "

/* Steps of a statement to its end, in arena. */
typedef struct gm_step_rows {
    gm_arena *a;
    gm_step_record *items; /* [count] */
    size_t count, capacity;
} gm_step_rows;
gm_rc gm_step_read_rows(gm_stmt *st, gm_step_rows *rows, gm_err *err);
/* Artifacts of a statement (name, type, digest, size, meta) to its end, in arena. */
gm_rc gm_artifacts_read_rows(gm_stmt *st, gm_arena *a, gm_artifacts *out, gm_err *err);

#endif
