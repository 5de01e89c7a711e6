/* cut.c - step `cut`: a data set as it was at a moment, out of a snapshot of all of it.
 *
 * Rows keep their order, so that what is built on the cut is what would have been built on a source that ended there, as far as
 * its columns had the types that they have in the whole: the types of a text source are decided by all its values, and a word on
 * the last day makes a text of a column that was one of whole numbers until then. How a value was written is not in the snapshot,
 * so that this cannot be undone exactly. A column without a value is what it is when such a source is read: decimals, all
 * missing; of a source with types of its own, its type.
 */
#include <inttypes.h>
#include <string.h>

#include "data/schema.h"
#include "pipe/step.h"

static bool is_hidden(const gm_node *hidden, const char *name)
{
    return gm_node_lists(hidden, name);
}

/* Rows earlier than the moment. A row without a time was there at no known moment. */
static gm_rc rows_of(gm_step_io *io, const gm_table *t, const gm_column **out_time, int64_t **out_index, int64_t *out_count,
                     gm_err *err)
{
    const gm_column *time = NULL;
    int64_t until = gm_node_int_or(io->params, "until_us", INT64_MAX);
    gm_rc rc = gm_table_column(t, gm_node_str_or(io->params, "time", ""), &time, err);
    if (rc) return rc;
    if (time->type != GM_TYPE_TIME)
        return gm_err_set(err, GM_EINVALID, "column \"%s\" is %s, not a time", time->name, gm_type_name(time->type));
    int64_t *index = GM_ARENA_ARRAY(io->a, int64_t, t->rows), count = 0;
    if (!index) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", t->rows);
    for (int64_t i = 0; i < t->rows; i++)
        if (time->i64[i] != GM_MISSING_INT && time->i64[i] < until) index[count++] = i;
    *out_time = time;
    *out_index = index;
    *out_count = count;
    return GM_OK;
}

/* A copy of the column in which rows later than `after` have no value. */
static gm_rc hide(gm_column *c, const gm_column *time, int64_t after, gm_arena *a, gm_err *err)
{
    bool text = c->type == GM_TYPE_STRING;
    void *copy = gm_arena_alloc(a, (size_t)c->rows, text ? sizeof(int32_t) : sizeof(int64_t));
    if (!copy) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", c->rows);
    memcpy(copy, text ? (const void *)c->code : (const void *)c->i64,
           (size_t)c->rows * (text ? sizeof(int32_t) : sizeof(int64_t)));
    for (int64_t i = 0; i < c->rows; i++) {
        if (time->i64[i] <= after) continue;
        if (text)
            ((int32_t *)copy)[i] = GM_MISSING_CODE;
        else if (c->type == GM_TYPE_FLOAT)
            ((double *)copy)[i] = (double)NAN;
        else
            ((int64_t *)copy)[i] = GM_MISSING_INT;
    }
    c->i64 = copy;
    return GM_OK;
}

/* As a reader of text would have it: a column of which nothing is known is one of numbers. */
static gm_rc settle_empty(gm_column *c, gm_arena *a, gm_err *err)
{
    for (int64_t i = 0; i < c->rows; i++)
        if (!gm_column_is_missing(c, i)) return GM_OK;
    double *none = GM_ARENA_ARRAY(a, double, c->rows);
    if (!none) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", c->rows);
    for (int64_t i = 0; i < c->rows; i++) none[i] = (double)NAN;
    *c = (gm_column){ .name = c->name, .type = GM_TYPE_FLOAT, .rows = c->rows, .f64 = none };
    return GM_OK;
}

/* The cut's own schema; how texts were read is the source's. */
static gm_rc write_schema(gm_step_io *io, const gm_table *t, gm_err *err)
{
    const gm_node *json = NULL;
    gm_schema whole, schema;
    gm_rc rc = gm_io_json(io, "schema", &json, err);
    if (!rc) rc = gm_schema_read(json, io->a, &whole, err);
    if (!rc) rc = gm_schema_infer(t, io->a, &schema, err);
    if (rc) return rc;
    for (size_t i = 0; i < schema.count; i++) {
        const gm_field *f = gm_schema_find(&whole, schema.fields[i].name);
        if (f && f->type == schema.fields[i].type && schema.fields[i].kind != GM_KIND_EMPTY) schema.fields[i].format = f->format;
    }
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_schema_json(&schema, &j);
    rc = gm_io_write(io, "schema", "report", "schema.json", &b, err);
    gm_buf_clear(&b);
    return rc;
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_engine *engine = NULL;
    const gm_step_input *in = NULL;
    const gm_node *hidden = gm_node_get(io->params, "hidden");
    const gm_column *time = NULL;
    int64_t *index = NULL, count = 0;
    bool typed = gm_node_bool_or(io->params, "typed", false);
    gm_table whole, t;
    gm_rc rc = gm_io_engine(io, &engine, err);
    if (!rc) rc = gm_io_input(io, "data", &in, err);
    if (!rc) rc = gm_data_read(engine, in->path, NULL, 0, 0, io->a, &whole, err);
    if (!rc) rc = rows_of(io, &whole, &time, &index, &count, err);
    if (!rc) rc = gm_table_take(&whole, index, count, io->a, &t, err);
    if (rc) return rc;
    time = gm_table_find(&t, time->name);
    for (size_t i = 0; !rc && i < t.columns_count; i++) {
        if (is_hidden(hidden, t.columns[i].name))
            rc = hide(&t.columns[i], time, gm_node_int_or(io->params, "hidden_after_us", INT64_MAX), io->a, err);
        if (!rc && !typed) rc = settle_empty(&t.columns[i], io->a, err);
    }
    if (!rc) rc = gm_data_write(engine, &t, gm_io_output(io, "data", "dataset", "data.parquet"), err);
    if (!rc) rc = write_schema(io, &t, err);
    io->rows = t.rows;
    return rc;
}

const gm_step_kind gm_step_kind_cut = {
    .item = { .name = "cut", .help = "take a data set as it was at a moment" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
