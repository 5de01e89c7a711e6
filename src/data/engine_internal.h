/* engine_internal.h - the DuckDB side of the room, shared by engine.c and table_io.c. */
#ifndef GM_DATA_ENGINE_INTERNAL_H
#define GM_DATA_ENGINE_INTERNAL_H

#include "data/data_internal.h"
#include "data/duckdb_api.h"

/* Chunks on their way into a COPY; read by the table function gm_rows(). */
typedef struct gm_writing {
    gm_chunks *in;
    gm_table chunk;   /* being handed over */
    int64_t at, rows; /* in the chunk; in all */
    bool ended;
    gm_rc rc;         /* of in->next       */
    gm_err err;
} gm_writing;

struct gm_engine {
    const duck_api *duck;
    duck_database database;
    duck_connection con;       /* reads: a stream stays open on it    */
    duck_connection write_con; /* writes, so that both go on at once  */
    gm_writing writing;
};

/* A DuckDB error as ours: `could not <what>: <first line>`. */
gm_rc gm_duck_failed(const char *what, const char *reason, gm_err *err);
gm_rc gm_duck_query(gm_engine *e, duck_connection con, const char *sql, const char *what, gm_err *err);
/* Register gm_rows() with the engine. */
gm_rc gm_duck_rows_function(gm_engine *e, gm_err *err);

#endif
