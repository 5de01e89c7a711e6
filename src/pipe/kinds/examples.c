/* examples.c - step `examples`: joins, target and split make the table that everything after it reads. */
#include <inttypes.h>
#include <string.h>

#include "pipe/examples.h"
#include "pipe/scorer.h"
#include "pipe/target.h"

static gm_rc strings(const gm_node *list, gm_arena *a, const char *const **out, size_t *out_count, gm_err *err)
{
    int64_t count = 0;
    const char **items = NULL;
    gm_rc rc = gm_classes_read(list, a, &items, &count, err);
    *out = items;
    *out_count = (size_t)count;
    return rc;
}

static gm_rc join_one(gm_step_io *io, gm_engine *engine, const gm_node *join, const char *left_time, gm_table *t, gm_err *err)
{
    const gm_step_input *in = NULL;
    gm_table right, joined;
    int64_t matched = 0;
    const char *name = gm_node_str_or(join, "dataset", ""), *right_time = gm_node_str_or(join, "time", NULL);
    gm_asof_options o = { .right_time = right_time,
                          .left_time = right_time ? left_time : NULL,
                          .within_seconds = gm_node_double_or(join, "within", 0),
                          .prefix = name };
    gm_rc rc = strings(gm_node_get(join, "by"), io->a, &o.by, &o.by_count, err);
    if (!rc) rc = gm_io_input(io, gm_arena_printf(io->a, GM_JOINED_INPUT "%s", name), &in, err);
    if (!rc) rc = gm_data_read(engine, in->path, NULL, 0, 0, io->a, &right, err);
    if (!rc) rc = gm_asof_join(t, &right, &o, io->a, &joined, &matched, err);
    if (rc) return gm_err_ctx(err, rc, "joining \"%s\"", name);
    *t = joined;
    gm_io_note(io, "%s joined: %.1f%% of the rows found a match", name,
               t->rows ? 100.0 * (double)matched / (double)t->rows : 0.0);
    return GM_OK;
}

/* Rows that have a label, in order. */
static gm_rc keep_labelled(gm_step_io *io, gm_table *t, double **y, gm_err *err)
{
    int64_t *index = GM_ARENA_ARRAY(io->a, int64_t, t->rows), count = 0;
    double *labels = GM_ARENA_ARRAY(io->a, double, t->rows);
    gm_table kept;
    if (!index || !labels) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", t->rows);
    for (int64_t i = 0; i < t->rows; i++)
        if (!isnan((*y)[i])) {
            labels[count] = (*y)[i];
            index[count++] = i;
        }
    gm_json_kint(io->facts, "without_label", t->rows - count);
    if (count < t->rows) gm_io_note(io, "%" PRId64 " rows without a label are left out", t->rows - count);
    *y = labels;
    if (count == t->rows) return GM_OK;
    gm_rc rc = gm_table_take(t, index, count, io->a, &kept, err);
    if (!rc) *t = kept;
    return rc;
}

/* Rows of the last so long before the newest row that has a label; a row without a time is not known to be one of them. */
static gm_rc keep_history(gm_step_io *io, int64_t history_us, gm_table *t, double **y, gm_err *err)
{
    const gm_column *time = NULL;
    int64_t *index = GM_ARENA_ARRAY(io->a, int64_t, t->rows), count = 0, newest = INT64_MIN;
    double *labels = GM_ARENA_ARRAY(io->a, double, t->rows);
    gm_table kept;
    gm_rc rc = gm_table_column(t, gm_node_str_or(io->params, "time", ""), &time, err);
    if (rc) return rc;
    if (!index || !labels) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", t->rows);
    if (time->type != GM_TYPE_TIME)
        return gm_err_set(err, GM_EINVALID, "history needs times, and column \"%s\" holds none", time->name);
    for (int64_t i = 0; i < t->rows; i++)
        if (time->i64[i] != GM_MISSING_INT && time->i64[i] > newest) newest = time->i64[i];
    for (int64_t i = 0; i < t->rows; i++) {
        if (time->i64[i] == GM_MISSING_INT || time->i64[i] <= newest - history_us) continue;
        labels[count] = (*y)[i];
        index[count++] = i;
    }
    gm_json_kint(io->facts, "before_history", t->rows - count);
    gm_io_note(io, "%" PRId64 " of %" PRId64 " rows are of the last %g days", count, t->rows, (double)history_us / 86400e6);
    rc = gm_table_take(t, index, count, io->a, &kept, err);
    if (rc) return rc;
    *t = kept;
    *y = labels;
    return GM_OK;
}

static void time_facts(gm_step_io *io, const gm_column *time, const uint8_t *side, gm_side wanted, const char *from_key,
                       const char *to_key)
{
    int64_t from = INT64_MAX, to = INT64_MIN;
    char text[48];
    for (int64_t i = 0; i < time->rows; i++) {
        if (side[i] != wanted || time->i64[i] == GM_MISSING_INT) continue;
        from = time->i64[i] < from ? time->i64[i] : from;
        to = time->i64[i] > to ? time->i64[i] : to;
    }
    if (from > to) return;
    gm_json_kstr(io->facts, from_key, gm_time_text(from, text, sizeof(text)));
    gm_json_kstr(io->facts, to_key, gm_time_text(to, text, sizeof(text)));
}

static gm_rc split(gm_step_io *io, const gm_table *t, const double *y, uint8_t **out_side, gm_err *err)
{
    const gm_node *n = gm_node_get(io->params, "split");
    const char *by = gm_node_str_or(n, "by", "random"), *column = gm_node_str_or(n, "column", NULL);
    int64_t counts[4] = { 0 };
    uint8_t *side = GM_ARENA_ARRAY(io->a, uint8_t, t->rows);
    const gm_column *c = NULL;
    gm_split_options o = { .validation = gm_node_double_or(n, "validation", 0.15),
                           .test = gm_node_double_or(n, "test", 0.15),
                           .seed = (uint64_t)gm_node_int_or(io->params, "seed", 1),
                           .target = y };
    if (!side) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", t->rows);
    if (!gm_split_from_name(by, &o.by)) return gm_err_set(err, GM_EINVALID, "unrecognized split \"%s\"", by);
    gm_rc rc = column ? gm_table_column(t, column, &c, err) : GM_OK;
    o.time = o.by == GM_SPLIT_TIME ? c : NULL;
    o.group = o.by == GM_SPLIT_GROUP ? c : NULL;
    if (!rc) rc = gm_split(&o, t->rows, side, counts, err);
    if (rc) return gm_err_ctx(err, rc, "splitting %" PRId64 " rows by %s", t->rows, by);
    gm_json_kstr(io->facts, "by", by);
    gm_json_kint(io->facts, "train_rows", counts[GM_SIDE_TRAIN]);
    gm_json_kint(io->facts, "validation_rows", counts[GM_SIDE_VALIDATION]);
    gm_json_kint(io->facts, "test_rows", counts[GM_SIDE_TEST]);
    gm_json_kint(io->facts, "left_out", counts[GM_SIDE_OUT]);
    const char *time_name = gm_node_str_or(io->params, "time", o.time ? column : NULL);
    const gm_column *time = time_name ? gm_table_find(t, time_name) : NULL;
    if (time && time->type == GM_TYPE_TIME) {
        time_facts(io, time, side, GM_SIDE_TRAIN, "train_from", "train_to");
        time_facts(io, time, side, GM_SIDE_TEST, "test_from", "test_to");
    }
    *out_side = side;
    return GM_OK;
}

/* The table with target and side as columns, rows of no side left out. */
static gm_rc finish(gm_step_io *io, const gm_table *t, const double *y, const uint8_t *side, gm_table *out, gm_err *err)
{
    int64_t *sides = GM_ARENA_ARRAY(io->a, int64_t, t->rows), *index = GM_ARENA_ARRAY(io->a, int64_t, t->rows), count = 0;
    gm_table whole = { .rows = t->rows,
                       .columns_count = t->columns_count + 2,
                       .columns = GM_ARENA_ARRAY(io->a, gm_column, t->columns_count + 2) };
    if (!sides || !index || !whole.columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for the examples");
    for (int64_t i = 0; i < t->rows; i++) {
        sides[i] = side[i];
        if (side[i] != GM_SIDE_OUT) index[count++] = i;
    }
    memcpy(whole.columns, t->columns, t->columns_count * sizeof(gm_column));
    whole.columns[t->columns_count] = (gm_column){ .name = GM_TARGET_COLUMN, .type = GM_TYPE_FLOAT, .rows = t->rows, .f64 = y };
    whole.columns[t->columns_count + 1] =
        (gm_column){ .name = GM_SPLIT_COLUMN, .type = GM_TYPE_INT, .rows = t->rows, .i64 = sides };
    if (count == t->rows) {
        *out = whole;
        return GM_OK;
    }
    return gm_table_take(&whole, index, count, io->a, out, err);
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_engine *engine = NULL;
    const gm_step_input *in = NULL;
    gm_table t, out;
    gm_column target;
    gm_expr *e = NULL;
    double *y = NULL;
    uint8_t *side = NULL;
    const char *const *classes = NULL;
    size_t classes_count = 0;
    gm_errs errs = { .arena = io->a };
    const gm_node *joins = gm_node_get(io->params, "joins");
    gm_rc rc = gm_io_engine(io, &engine, err);
    if (!rc) rc = gm_io_input(io, "data", &in, err);
    if (!rc) rc = gm_data_read(engine, in->path, NULL, 0, 0, io->a, &t, err);
    for (size_t i = 0; !rc && joins && i < joins->count; i++)
        rc = join_one(io, engine, joins->items[i], gm_node_str_or(io->params, "time", NULL), &t, err);
    if (!rc) rc = strings(gm_node_get(io->params, "classes"), io->a, &classes, &classes_count, err);
    if (rc) return rc;
    rc = gm_target_column(&t, gm_node_str_or(io->params, "target", ""), (gm_pos){ 0 }, io->a, &e, &target, &errs);
    if (rc) {
        (void)gm_errs_first(&errs, rc, err);
        return gm_err_ctx(err, rc, "computing the target");
    }
    rc = gm_target_values(&target, gm_task_from_name(gm_node_str_or(io->params, "task", "")), classes, classes_count, io->a, &y,
                          err);
    if (!rc) rc = keep_labelled(io, &t, &y, err);
    int64_t history_us = gm_node_int_or(io->params, "history_us", 0);
    if (!rc && history_us > 0) rc = keep_history(io, history_us, &t, &y, err);
    if (!rc) rc = split(io, &t, y, &side, err);
    if (!rc) rc = finish(io, &t, y, side, &out, err);
    if (!rc) rc = gm_data_write(engine, &out, gm_io_output(io, "examples", "dataset", "examples.parquet"), err);
    io->rows = rc ? -1 : out.rows;
    return rc;
}

const gm_step_kind gm_step_kind_examples = {
    .item = { .name = "examples", .help = "join, compute the target and split the rows" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
