/* online.c - step `online`: the latest row per key of a joined data set, for the server to look up. */
#include <inttypes.h>
#include <string.h>

#include "feature/online.h"
#include "pipe/step.h"

static bool listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_table t;
    gm_engine *engine = NULL;
    const gm_step_input *data = NULL;
    gm_online_options o = { .time = gm_node_str_or(io->params, "time", NULL) };
    const gm_node *by = gm_node_get(io->params, "by");
    gm_rc rc = gm_io_input(io, "data", &data, err);
    if (!rc) rc = gm_io_engine(io, &engine, err);
    if (!rc) rc = gm_data_read(engine, data->path, NULL, 0, 0, io->a, &t, err);
    if (rc) return rc;
    const char **keys = GM_ARENA_ARRAY(io->a, const char *, by->count), **columns = GM_ARENA_ARRAY(io->a, const char *, t.columns_count);
    if (!keys || !columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for an online table");
    for (size_t i = 0; i < by->count; i++) keys[i] = by->items[i]->text;
    o.by = keys;
    o.by_count = by->count;
    o.columns = columns;
    for (size_t i = 0; i < t.columns_count; i++)
        if (!listed(keys, by->count, t.columns[i].name)) columns[o.columns_count++] = t.columns[i].name;
    rc = gm_online_write(&t, &o, gm_io_output(io, "online", "online", "online.table"), &io->rows, err);
    if (!rc) gm_io_note(io, "the latest of %" PRId64 " rows for each of %" PRId64 " keys", t.rows, io->rows);
    return rc;
}

const gm_step_kind gm_step_kind_online = {
    .item = { .name = "online", .help = "keep the latest row per key of a joined data set, for the server" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
