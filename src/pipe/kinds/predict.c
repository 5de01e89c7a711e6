/* predict.c - step `predict`: batch predictions of the registered model for the held-out rows. */
#include <string.h>

#include "pipe/examples.h"
#include "pipe/predictions.h"

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_table all, out;
    gm_part test;
    gm_scorer scorer;
    gm_engine *engine = NULL;
    const gm_step_input *package = NULL;
    const char *keep[64];
    size_t keep_count = 0;
    const gm_node *key = gm_node_get(io->params, "key");
    const char *time = gm_node_str_or(io->params, "time", NULL);
    for (size_t i = 0; key && i < key->count && keep_count < 62; i++) keep[keep_count++] = key->items[i]->text;
    bool again = false;
    for (size_t i = 0; time && i < keep_count; i++) again = again || strcmp(keep[i], time) == 0;
    if (time && !again) keep[keep_count++] = time;
    gm_rc rc = gm_examples_all(io, &all, err);
    if (!rc) rc = gm_examples_part(io, &all, GM_SIDE_TEST, &test, err);
    if (!rc) rc = gm_io_input(io, "package", &package, err);
    if (!rc) rc = gm_scorer_package(package->path, io->a, &scorer, err);
    if (!rc) rc = gm_predictions(&scorer, &test.table, keep, keep_count, test.target, io->a, &out, err);
    if (!rc) rc = gm_io_engine(io, &engine, err);
    if (!rc) rc = gm_data_write(engine, &out, gm_io_output(io, "predictions", "dataset", "predictions.parquet"), err);
    io->rows = rc ? -1 : out.rows;
    return rc;
}

const gm_step_kind gm_step_kind_predict = {
    .item = { .name = "predict", .help = "predict the held-out rows with the registered model" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
