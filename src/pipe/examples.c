/* examples.c - see examples.h. */
#include "pipe/examples.h"

gm_rc gm_examples_all(gm_step_io *io, gm_table *out, gm_err *err)
{
    gm_engine *engine = NULL;
    const gm_step_input *in = NULL;
    gm_rc rc = gm_io_engine(io, &engine, err);
    if (!rc) rc = gm_io_input(io, "examples", &in, err);
    return rc ? rc : gm_data_read(engine, in->path, NULL, 0, 0, io->a, out, err);
}

gm_rc gm_examples_part(gm_step_io *io, const gm_table *all, int side, gm_part *out, gm_err *err)
{
    const gm_column *split = NULL, *target = NULL;
    gm_rc rc = gm_table_column(all, GM_SPLIT_COLUMN, &split, err);
    if (!rc) rc = gm_table_column(all, GM_TARGET_COLUMN, &target, err);
    if (rc) return rc;
    int64_t *index = GM_ARENA_ARRAY(io->a, int64_t, all->rows), count = 0;
    if (!index) return gm_err_set(err, GM_ENOMEM, "not enough memory to take one side of the examples");
    for (int64_t i = 0; i < all->rows; i++)
        if (split->i64[i] == side) index[count++] = i;
    rc = gm_table_take(all, index, count, io->a, &out->table, err);
    if (rc) return rc;
    out->target = (double *)(uintptr_t)gm_table_find(&out->table, GM_TARGET_COLUMN)->f64; /* ours: just taken */
    return GM_OK;
}

gm_scores gm_part_scores(const gm_part *s, gm_task task, int64_t classes_count, const double *predicted)
{
    return (gm_scores){ .task = task,
                        .rows = s->table.rows,
                        .classes = classes_count,
                        .truth = s->target,
                        .predicted = predicted,
                        .threshold = 0.5 };
}
