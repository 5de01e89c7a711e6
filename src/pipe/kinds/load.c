/* load.c - step `load`: a source becomes a dataset version (one Parquet file) and its schema. */
#include "pipe/step.h"

static gm_rc run(gm_step_io *io, gm_err *err)
{
    const char *format = gm_node_str_or(io->params, "format", ""), *query = gm_node_str_or(io->params, "query", "");
    gm_source source = { .from = gm_node_str_or(io->local, "from", ""),
                         .format = format[0] ? format : NULL,
                         .query = query[0] ? query : NULL,
                         .pos = { .file = gm_node_str_or(io->local, "file", NULL),
                                  .line = (uint32_t)gm_node_int_or(io->local, "line", 0),
                                  .col = (uint32_t)gm_node_int_or(io->local, "col", 0) } };
    gm_engine *engine = NULL;
    const char *schema = NULL;
    int64_t rows = 0;
    gm_rc rc = gm_io_engine(io, &engine, err);
    if (!rc)
        rc = gm_data_snapshot(engine, &source, gm_node_str_or(io->local, "base_dir", "."),
                              gm_io_output(io, "data", "dataset", "data.parquet"), io->a, &schema, &rows, err);
    if (rc) return gm_err_place(err, rc, source.pos);
    gm_buf b = { 0 };
    gm_buf_text(&b, schema);
    rc = gm_io_write(io, "schema", "report", "schema.json", &b, err);
    gm_buf_clear(&b);
    io->rows = rows;
    return rc;
}

const gm_step_kind gm_step_kind_load = {
    .item = { .name = "load", .help = "read a source into a dataset version" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
