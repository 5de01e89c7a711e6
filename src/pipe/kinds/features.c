/* features.c - step `features`: the feature program, fitted on the training rows. */
#include "pipe/examples.h"
#include "pipe/feature_params.h"
#include "pipe/scorer.h"

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_table all;
    gm_part train;
    gm_feature_spec *specs = NULL;
    size_t count = 0;
    gm_program *program = NULL;
    gm_rc rc = gm_examples_all(io, &all, err);
    if (!rc) rc = gm_examples_part(io, &all, GM_SIDE_TRAIN, &train, err);
    if (!rc)
        rc = gm_feature_params_read(gm_node_get(io->params, "features"), gm_node_bool_or(io->params, "linear", false), &all,
                                    io->a, &specs, &count, err);
    if (rc) return rc;
    const gm_node *classes = gm_node_get(io->params, "classes");
    gm_fit_options o = { .task = gm_task_from_name(gm_node_str_or(io->params, "task", "")),
                         .classes = classes ? (int64_t)classes->count : 0,
                         .seed = (uint64_t)gm_node_int_or(io->params, "seed", 1) };
    rc = gm_program_fit(specs, count, &train.table, train.target, &o, io->a, &program, err);
    if (rc) return rc;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_program_json(program, &j);
    rc = gm_io_write(io, "features", "features", "features.json", &b, err);
    gm_buf_clear(&b);
    gm_json_kint(io->facts, "width", (int64_t)gm_program_width(program));
    gm_json_kint(io->facts, "features", (int64_t)gm_program_features_count(program));
    io->rows = train.table.rows;
    return rc;
}

const gm_step_kind gm_step_kind_features = {
    .item = { .name = "features", .help = "fit the feature program on the training rows" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
