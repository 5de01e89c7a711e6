/* sql.c - step `sql`: rows made by SQL over datasets, in DuckDB. */
#include <string.h>

#include "pipe/step.h"

/* A user's own file may be CSV or JSON: it is read as `data:` would read it. */
static gm_rc as_parquet(gm_step_io *io, gm_engine *engine, const gm_step_input *in, size_t index, const char **out, gm_err *err)
{
    size_t len = strlen(in->path);
    const char *schema = NULL, *path = gm_arena_printf(io->a, "%s/tmp/%zu.parquet", io->dir, index);
    int64_t rows = 0;
    gm_source source = { .from = in->path };
    if (strcmp(in->type, "file") != 0 || (len > 8 && strcmp(in->path + len - 8, ".parquet") == 0)) {
        *out = in->path;
        return GM_OK;
    }
    *out = path;
    return gm_data_snapshot(engine, &source, ".", path, io->a, &schema, &rows, err);
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_engine *engine = NULL;
    const char **names = GM_ARENA_ARRAY(io->a, const char *, io->inputs_count);
    const char **paths = GM_ARENA_ARRAY(io->a, const char *, io->inputs_count);
    if (!names || !paths) return gm_err_set(err, GM_ENOMEM, "not enough memory for the inputs");
    gm_rc rc = gm_io_engine(io, &engine, err);
    for (size_t i = 0; !rc && i < io->inputs_count; i++) {
        names[i] = io->inputs[i].name;
        rc = as_parquet(io, engine, &io->inputs[i], i, &paths[i], err);
    }
    if (rc) return rc;
    const char *out = gm_io_output(io, gm_node_str_or(io->params, "output", "rows"), "dataset",
                                   gm_node_str_or(io->params, "file", "rows.parquet"));
    return gm_data_sql(engine, gm_node_str_or(io->params, "sql", ""), names, paths, io->inputs_count, out, &io->rows, err);
}

const gm_step_kind gm_step_kind_sql = {
    .item = { .name = "sql", .help = "make rows by SQL over datasets" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
