/* data_case.h - small tables for the tests of src/data: text in, snapshot and schema out. */
#ifndef GM_TEST_DATA_CASE_H
#define GM_TEST_DATA_CASE_H

#include <stdio.h>

#include "base/fs.h"
#include "data/engine.h"
#include "data/schema.h"
#include "harness/harness.h"

typedef struct data_case {
    gm_engine *engine;
    gm_arena *arena;
    char dir[256];
    gm_table table;   /* the snapshot, read back */
    gm_schema schema; /* as the snapshot told it */
    gm_err err;
} data_case;

static inline void case_open(data_case *c, int64_t threads)
{
    *c = (data_case){ .arena = gm_arena_new(0) };
    (void)snprintf(c->dir, sizeof(c->dir), "%s", gm_harness_tmpdir());
    CHECK_OK(gm_engine_open(&(gm_engine_options){ .threads = threads }, &c->engine, &c->err), &c->err);
}

static inline void case_close(data_case *c)
{
    gm_engine_close(c->engine);
    gm_arena_free(c->arena);
}

static inline const char *case_path(data_case *c, const char *name) { return gm_path_join(c->arena, c->dir, name); }

static inline void case_file(data_case *c, const char *name, const char *text, size_t len)
{
    CHECK_OK(gm_fs_write(case_path(c, name), text, len, &c->err), &c->err);
}

/* Snapshot a source of the case's folder to out.parquet. */
static inline gm_rc case_snapshot(data_case *c, const gm_source *s, int64_t *out_rows)
{
    const char *json = NULL;
    gm_node *node = NULL;
    int64_t rows = -1;
    gm_rc rc = gm_data_snapshot(c->engine, s, c->dir, case_path(c, "out.parquet"), c->arena, &json, &rows, &c->err);
    if (rc) return rc;
    CHECK_OK(gm_json_read(json, strlen(json), "schema.json", c->arena, &node, &c->err), &c->err);
    CHECK_OK(gm_schema_read(node, c->arena, &c->schema, &c->err), &c->err);
    CHECK_OK(gm_data_read(c->engine, case_path(c, "out.parquet"), NULL, 0, 0, c->arena, &c->table, &c->err), &c->err);
    CHECK(c->table.rows == rows);
    if (out_rows) *out_rows = rows;
    return GM_OK;
}

/* One CSV text through the whole way. */
static inline gm_rc case_csv_bytes(data_case *c, const char *text, size_t len)
{
    case_open(c, 1);
    case_file(c, "t.csv", text, len);
    return case_snapshot(c, &(gm_source){ .from = "t.csv" }, NULL);
}
static inline gm_rc case_csv(data_case *c, const char *text) { return case_csv_bytes(c, text, strlen(text)); }

static inline const gm_column *case_column(const data_case *c, const char *name)
{
    const gm_column *found = gm_table_find(&c->table, name);
    if (!found) gm_harness_fail(__FILE__, __LINE__, "no column %s", name);
    return found;
}

static inline const gm_field *case_field(const data_case *c, const char *name)
{
    const gm_field *found = gm_schema_find(&c->schema, name);
    if (!found) gm_harness_fail(__FILE__, __LINE__, "no field %s", name);
    return found;
}

#endif
