/* check.c - step `check`: the checks of one data set. Rows that break an error check within its allowance go to the quarantine
 * table and no further; a check that is broken beyond it refuses the run. */
#include <inttypes.h>
#include <string.h>

#include "data/check.h"
#include "pipe/step.h"

/* Tables that references() may name. */
static gm_rc read_others(gm_step_io *io, gm_engine *engine, gm_check_tables *out, gm_err *err)
{
    gm_rc rc = GM_OK;
    out->names = GM_ARENA_ARRAY(io->a, const char *, io->inputs_count);
    gm_table *tables = GM_ARENA_ARRAY(io->a, gm_table, io->inputs_count);
    if (!out->names || !tables) return gm_err_set(err, GM_ENOMEM, "not enough memory for the referenced tables");
    for (size_t i = 0; !rc && i < io->inputs_count; i++) {
        size_t prefix = strlen(GM_REFERENCED_INPUT);
        if (strncmp(io->inputs[i].name, GM_REFERENCED_INPUT, prefix) != 0) continue;
        rc = gm_data_read(engine, io->inputs[i].path, NULL, 0, 0, io->a, &tables[out->count], err);
        out->names[out->count++] = io->inputs[i].name + prefix;
    }
    out->tables = tables;
    return rc;
}

/* The clean rows and the quarantined ones, each as a dataset. No broken row: the clean dataset is the input's own bytes. */
static gm_rc write_rows(gm_step_io *io, gm_engine *engine, const gm_table *t, const int32_t *broken, const gm_check_spec *specs,
                        gm_err *err)
{
    int64_t clean_count = 0, bad_count = 0;
    int64_t *clean = GM_ARENA_ARRAY(io->a, int64_t, t->rows), *bad = GM_ARENA_ARRAY(io->a, int64_t, t->rows);
    if (!clean || !bad) return gm_err_set(err, GM_ENOMEM, "not enough memory to divide %" PRId64 " rows", t->rows);
    for (int64_t i = 0; i < t->rows; i++) {
        if (broken[i])
            bad[bad_count++] = i;
        else
            clean[clean_count++] = i;
    }
    gm_json_kint(io->facts, "quarantined", bad_count);
    if (bad_count == 0) return GM_OK;

    gm_table part;
    gm_rc rc = gm_table_take(t, clean, clean_count, io->a, &part, err);
    if (!rc) rc = gm_data_write(engine, &part, gm_io_output(io, "clean", "dataset", "clean.parquet"), err);
    if (!rc) rc = gm_table_take(t, bad, bad_count, io->a, &part, err);
    if (rc) return rc;
    gm_dict_builder *names = gm_dict_builder_new(io->a);
    int32_t *codes = GM_ARENA_ARRAY(io->a, int32_t, bad_count);
    int64_t *rows = GM_ARENA_ARRAY(io->a, int64_t, bad_count);
    gm_column *columns = GM_ARENA_ARRAY(io->a, gm_column, part.columns_count + 2);
    if (!names || !codes || !rows || !columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for the quarantine");
    for (int64_t i = 0; i < bad_count; i++) {
        const char *name = specs[broken[bad[i]] - 1].name;
        codes[i] = gm_dict_builder_code(names, name, strlen(name));
        rows[i] = bad[i] + 1;
    }
    columns[0] = (gm_column){
        .name = "broken_check", .type = GM_TYPE_STRING, .rows = bad_count, .code = codes, .dict = gm_dict_builder_finish(names)
    };
    columns[1] = (gm_column){ .name = "source_row", .type = GM_TYPE_INT, .rows = bad_count, .i64 = rows };
    memcpy(columns + 2, part.columns, part.columns_count * sizeof(*columns));
    gm_table quarantine = { .rows = bad_count, .columns_count = part.columns_count + 2, .columns = columns };
    gm_io_note(io, "%" PRId64 " rows quarantined; `gristmill data --quarantine` shows them", bad_count);
    return gm_data_write(engine, &quarantine, gm_io_output(io, "quarantine", "dataset", "quarantine.parquet"), err);
}

/* Samples of personal columns do not leave the data. */
static void hide_personal(const gm_node *personal, gm_check_result *r, gm_arena *a)
{
    const char **names = NULL;
    size_t count = 0;
    if (gm_expr_columns(r->spec->expr, a, &names, &count, NULL) != GM_OK) return;
    for (size_t i = 0; i < count; i++)
        if (gm_node_lists(personal, names[i]))
            for (size_t k = 0; k < r->sample_count; k++) r->sample_values[k] = "(personal)";
}

static gm_rc verdict(gm_step_io *io, const gm_check_result *results, size_t count, const char *data_name, gm_err *err)
{
    const gm_check_result *worst = NULL;
    size_t failed = 0, warned = 0;
    for (size_t i = 0; i < count; i++) {
        if (results[i].ok) continue;
        if (results[i].spec->warning) {
            warned++;
            gm_io_note(io, "warning: %s: %s", results[i].spec->name, results[i].observed_text);
            continue;
        }
        if (!worst)
            worst = &results[i];
        else
            gm_io_note(io, "failed: %s: %s", results[i].spec->name, results[i].observed_text);
        failed++;
    }
    gm_json_kint(io->facts, "checks", (int64_t)count);
    gm_json_kint(io->facts, "failed", (int64_t)failed);
    gm_json_kint(io->facts, "warnings", (int64_t)warned);
    if (!worst) return GM_OK;
    (void)gm_err_at(err, worst->spec->pos, GM_EREFUSED, "data \"%s\" breaks the check \"%s\": %s", data_name, worst->spec->name,
                    worst->observed_text);
    if (worst->sample_count)
        gm_err_hint(err,
                    "First in row %" PRId64
                    " (\"%.60s\"). Mend the source, or allow a share of rows with { check: ..., allow: 1%% }.",
                    worst->sample_rows[0] + 1, worst->sample_values[0]);
    else
        gm_err_hint(err, "Mend the source, or the check if it asks for too much.");
    return GM_EREFUSED;
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_engine *engine = NULL;
    const gm_step_input *in = NULL;
    gm_table t;
    gm_check_tables others = { 0 };
    gm_check_spec *specs = NULL;
    size_t count = 0;
    gm_errs errs = { .arena = io->a };
    gm_node *list = (gm_node *)(uintptr_t)gm_node_get(io->params, "checks");
    const gm_node *places = gm_node_get(io->local, "places"); /* of each check in the user's file */
    for (size_t i = 0; list && places && i < list->count && i < places->count; i++)
        list->items[i]->pos = (gm_pos){ .file = gm_node_str_or(io->local, "file", NULL),
                                        .line = (uint32_t)gm_node_int_or(places->items[i], "line", 0),
                                        .col = (uint32_t)gm_node_int_or(places->items[i], "col", 0) };
    gm_rc rc = gm_io_engine(io, &engine, err);
    if (!rc) rc = gm_io_input(io, "data", &in, err);
    if (!rc) rc = gm_data_read(engine, in->path, NULL, 0, 0, io->a, &t, err);
    if (!rc) rc = read_others(io, engine, &others, err);
    if (rc) return rc;
    rc = gm_checks_read(list, io->a, &specs, &count, &errs);
    if (!rc) rc = gm_checks_validate(specs, count, &t, &others, io->a, &errs);
    if (rc) {
        (void)gm_errs_first(&errs, rc, err);
        return rc;
    }
    gm_check_result *results = GM_ARENA_ARRAY(io->a, gm_check_result, count);
    int32_t *broken = GM_ARENA_ARRAY(io->a, int32_t, t.rows);
    if (!results || !broken) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu checks", count);
    rc =
        gm_checks_run(specs, count, &t, &others, gm_node_int_or(io->params, "as_of_us", io->now_us), io->a, results, broken, err);
    if (rc) return rc;
    for (size_t i = 0; i < count; i++) hide_personal(gm_node_get(io->params, "personal"), &results[i], io->a);

    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_check_results_json(results, count, &j);
    rc = gm_io_write(io, "checks", "report", "checks.json", &b, err);
    gm_buf_clear(&b);
    io->rows = t.rows;
    if (!rc) rc = write_rows(io, engine, &t, broken, specs, err);
    return rc ? rc : verdict(io, results, count, gm_node_str_or(io->local, "name", "?"), err);
}

const gm_step_kind gm_step_kind_check = {
    .item = { .name = "check", .help = "run the checks of a data set" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
