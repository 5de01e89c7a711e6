/* sql.c - step `sql`: rows made by SQL over datasets, in DuckDB. */
#include "pipe/step.h"

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_engine *engine = NULL;
    const char **names = GM_ARENA_ARRAY(io->a, const char *, io->inputs_count);
    const char **paths = GM_ARENA_ARRAY(io->a, const char *, io->inputs_count);
    if (!names || !paths) return gm_err_set(err, GM_ENOMEM, "not enough memory for the inputs");
    for (size_t i = 0; i < io->inputs_count; i++) {
        names[i] = io->inputs[i].name;
        paths[i] = io->inputs[i].path;
    }
    gm_rc rc = gm_io_engine(io, &engine, err);
    if (rc) return rc;
    const char *out = gm_io_output(io, gm_node_str_or(io->params, "output", "rows"), "dataset", gm_node_str_or(io->params, "file", "rows.parquet"));
    return gm_data_sql(engine, gm_node_str_or(io->params, "sql", ""), names, paths, io->inputs_count, out, &io->rows, err);
}

const gm_step_kind gm_step_kind_sql = {
    .item = { .name = "sql", .help = "make rows by SQL over datasets" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
