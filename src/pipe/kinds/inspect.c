/* inspect.c - step `inspect`: what the target is, and which columns give it away. */
#include <string.h>

#include "eval/evaluate.h"
#include "pipe/scorer.h"
#include "pipe/step.h"
#include "pipe/target.h"

static void write_target(const gm_target *t, const gm_column *c, const gm_expr *e, gm_json *j, gm_arena *a)
{
    const char **names = NULL;
    size_t count = 0;
    gm_json_kstr(j, "task", gm_task_name(t->task));
    gm_json_kstr(j, "reason", t->reason);
    gm_json_kint(j, "rows", c->rows);
    gm_json_kint(j, "missing", t->missing);
    gm_json_key(j, "classes");
    gm_json_array(j);
    for (size_t i = 0; i < t->classes_count; i++) gm_json_str(j, t->classes[i]);
    gm_json_array_end(j);
    gm_json_key(j, "counts");
    gm_json_array(j);
    for (size_t i = 0; i < t->classes_count; i++) gm_json_int(j, t->counts[i]);
    gm_json_array_end(j);
    gm_json_key(j, "columns"); /* the target is made of these: never features */
    gm_json_array(j);
    if (gm_expr_columns(e, a, &names, &count, NULL) == GM_OK)
        for (size_t i = 0; i < count; i++) gm_json_str(j, names[i]);
    gm_json_array_end(j);
}

/* Leaks among the columns that the target is not made of, on the rows that have a label. */
static gm_rc find_leaks(const gm_table *t, const double *y, const gm_target *target, const gm_expr *e, gm_arena *a, gm_json *j,
                        gm_err *err)
{
    const char **made_of = NULL;
    size_t made_count = 0;
    gm_leak *leaks = NULL;
    size_t count = 0;
    int64_t rows = 0, *index = GM_ARENA_ARRAY(a, int64_t, t->rows);
    gm_table others = { .columns = GM_ARENA_ARRAY(a, gm_column, t->columns_count), .rows = t->rows }, taken;
    double *labels = GM_ARENA_ARRAY(a, double, t->rows);
    gm_rc rc = !index || !others.columns || !labels ? gm_err_set(err, GM_ENOMEM, "not enough memory to look for leaks")
                                                    : gm_expr_columns(e, a, &made_of, &made_count, err);
    if (rc) return rc;
    for (int64_t i = 0; i < t->rows; i++)
        if (!isnan(y[i])) {
            labels[rows] = y[i];
            index[rows++] = i;
        }
    for (size_t k = 0; k < t->columns_count; k++) {
        bool skip = false;
        for (size_t m = 0; m < made_count; m++) skip = skip || strcmp(made_of[m], t->columns[k].name) == 0;
        if (!skip) others.columns[others.columns_count++] = t->columns[k];
    }
    rc = gm_table_take(&others, index, rows, a, &taken, err);
    if (!rc) rc = gm_find_leaks(&taken, labels, target->task, a, &leaks, &count, err);
    if (rc) return rc;
    gm_json_key(j, "leaks");
    gm_json_array(j);
    for (size_t i = 0; i < count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "column", leaks[i].column);
        gm_json_kdouble(j, "score", leaks[i].score);
        gm_json_kstr(j, "evidence", leaks[i].evidence);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    return GM_OK;
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_engine *engine = NULL;
    const gm_step_input *in = NULL;
    gm_table t;
    gm_column c;
    gm_expr *e = NULL;
    gm_target target;
    double *y = NULL;
    gm_errs errs = { .arena = io->a };
    gm_pos pos = { .file = gm_node_str_or(io->local, "file", NULL),
                   .line = (uint32_t)gm_node_int_or(io->local, "line", 0),
                   .col = (uint32_t)gm_node_int_or(io->local, "col", 0) };
    gm_rc rc = gm_io_engine(io, &engine, err);
    if (!rc) rc = gm_io_input(io, "data", &in, err);
    if (!rc) rc = gm_data_read(engine, in->path, NULL, 0, 0, io->a, &t, err);
    if (rc) return rc;
    rc = gm_target_column(&t, gm_node_str_or(io->params, "target", ""), pos, io->a, &e, &c, &errs);
    if (rc) {
        (void)gm_errs_first(&errs, rc, err);
        return gm_err_ctx(err, rc, "reading the target");
    }
    rc = gm_target_infer(&c, gm_task_from_name(gm_node_str_or(io->params, "task", "")), io->a, &target, err);
    if (rc) return gm_err_place(err, rc, pos);
    rc = gm_target_values(&c, target.task, target.classes, target.classes_count, io->a, &y, err);
    if (rc) return rc;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    write_target(&target, &c, e, &j, io->a);
    rc = find_leaks(&t, y, &target, e, io->a, &j, err);
    gm_json_object_end(&j);
    if (!rc) rc = gm_io_write(io, "inspect", "report", "inspect.json", &b, err);
    gm_buf_clear(&b);
    io->rows = t.rows;
    return rc;
}

const gm_step_kind gm_step_kind_inspect = {
    .item = { .name = "inspect", .help = "find the task and columns that give the target away" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
