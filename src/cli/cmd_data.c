/* cmd_data.c - `data`: what a data set holds, column by column; `init`: a first pipeline file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "cli/command.h"
#include "data/schema.h"

typedef struct data_opts {
    bool quarantine;
    int64_t rows;
} data_opts;

static const gm_param data_options[] = {
    { "quarantine", GM_PARAM_BOOL, offsetof(data_opts, quarantine), "false",
      "show the rows that checks took out of a data set in the last run", 0, 0, NULL },
    { "rows", GM_PARAM_INT, offsetof(data_opts, rows), "20", "rows to show", 1, 1000000, NULL },
    { 0 },
};

static void print_schema(const gm_schema *s, gm_arena *a)
{
    gm_grid *g = gm_grid_new(a, 8);
    gm_grid_add(g, (const char *[]){ "column", "type", "kind", "missing", "distinct", "min", "max", "why" });
    for (size_t c = 3; c < 7; c++) gm_grid_right(g, c);
    for (size_t i = 0; i < s->count; i++) {
        const gm_field *f = &s->fields[i];
        char missing[32], distinct[32], low[48] = "", high[48] = "";
        (void)snprintf(missing, sizeof(missing), "%.1f%%", f->rows ? 100.0 * (double)f->missing / (double)f->rows : 0.0);
        if (f->type == GM_TYPE_TIME && !isnan(f->min)) {
            (void)gm_time_text((int64_t)f->min, low, sizeof(low));
            (void)gm_time_text((int64_t)f->max, high, sizeof(high));
        } else if (f->type != GM_TYPE_STRING && !isnan(f->min)) {
            (void)snprintf(low, sizeof(low), "%.6g", f->min);
            (void)snprintf(high, sizeof(high), "%.6g", f->max);
        }
        gm_grid_add(g, (const char *[]){ f->name, gm_type_name(f->type), gm_kind_name(f->kind), missing,
                                         gm_show_count(f->distinct, distinct), low, high,
                                         f->format && f->format[0] ? gm_arena_printf(a, "%s; read as %s", f->reason, f->format)
                                                                   : f->reason });
    }
    gm_grid_print(g);
}

static gm_rc inspect_file(gm_cli *cli, const char *path, gm_err *err)
{
    gm_engine *engine = NULL;
    const char *text = NULL, *tmp = NULL;
    int64_t rows = 0;
    gm_node *json = NULL;
    gm_schema schema;
    gm_source source = { .from = path };
    gm_rc rc = gm_cli_scratch(cli, &tmp, err);
    if (rc) return rc;
    rc = gm_engine_open(&(gm_engine_options){ 0 }, &engine, err);
    if (!rc) rc = gm_data_snapshot(engine, &source, ".", gm_path_join(cli->a, tmp, "data.parquet"), cli->a, &text, &rows, err);
    gm_engine_close(engine);
    gm_err ignored;
    (void)gm_fs_remove_tree(tmp, &ignored); /* scratch */
    if (!rc) rc = gm_json_read(text, strlen(text), "schema", cli->a, &json, err);
    if (!rc && cli->common->json) {
        printf("%s\n", text);
        return GM_OK;
    }
    if (!rc) rc = gm_schema_read(json, cli->a, &schema, err);
    if (rc) return rc;
    char count[32];
    printf("%s: %s rows, %zu columns\n\n", path, gm_show_count(rows, count), schema.count);
    print_schema(&schema, cli->a);
    return GM_OK;
}

static gm_rc list_versions(gm_cli *cli, const char *name, gm_err *err)
{
    gm_store *store = NULL;
    gm_dataset_version *v = NULL;
    size_t count = 0;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_dataset_list(store, name, cli->a, &v, &count, err);
    gm_store_close(store);
    if (!rc && name && count == 0) {
        rc = gm_err_set(err, GM_ENOTFOUND, "no data set and no file \"%.60s\"", name);
        gm_err_hint(err, "`gristmill data` lists the data sets of the runs so far.");
    }
    if (rc) return rc;
    gm_grid *g = gm_grid_new(cli->a, 7);
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_array(&j);
    gm_grid_add(g, (const char *[]){ "data set", "version", "rows", "columns", "digest", "first seen (UTC)", "source" });
    for (size_t c = 1; c < 4; c++) gm_grid_right(g, c);
    for (size_t i = 0; i < count; i++) {
        char version[32], rows[32], columns[32], when[32];
        (void)snprintf(version, sizeof(version), "%" PRId64, v[i].version);
        (void)snprintf(columns, sizeof(columns), "%" PRId64, v[i].columns);
        gm_grid_add(g, (const char *[]){ v[i].name, version, gm_show_count(v[i].rows, rows), columns,
                                         gm_arena_strndup(cli->a, v[i].digest.hex, 12), gm_show_time(v[i].created_us, when),
                                         v[i].source });
        gm_json_object(&j);
        gm_json_kstr(&j, "name", v[i].name);
        gm_json_kint(&j, "version", v[i].version);
        gm_json_kstr(&j, "digest", v[i].digest.hex);
        gm_json_kint(&j, "rows", v[i].rows);
        gm_json_kint(&j, "columns", v[i].columns);
        gm_json_kstr(&j, "source", v[i].source);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    if (cli->common->json)
        gm_print_json(&b);
    else
        gm_grid_print(g);
    gm_buf_clear(&b);
    return GM_OK;
}

static void print_rows(const gm_table *t, const gm_node *personal, gm_arena *a)
{
    enum { SHOWN_MAX = 12 };
    size_t columns = t->columns_count < SHOWN_MAX ? t->columns_count : SHOWN_MAX;
    const char *cells[SHOWN_MAX];
    gm_grid *g = gm_grid_new(a, columns);
    for (size_t k = 0; k < columns; k++) cells[k] = t->columns[k].name;
    gm_grid_add(g, cells);
    for (int64_t i = 0; i < t->rows; i++) {
        for (size_t k = 0; k < columns; k++) {
            char *text = gm_arena_alloc(a, 64, 1);
            gm_assert(text != NULL);
            cells[k] = gm_node_lists(personal, t->columns[k].name) ? "(personal)" : gm_column_show(&t->columns[k], i, text, 64);
        }
        gm_grid_add(g, cells);
    }
    gm_grid_print(g);
    if (t->columns_count > columns) printf("... and %zu more columns\n", t->columns_count - columns);
}

/* The quarantine of the last run's checks, failed ones included: their outputs are named in the step's result. */
static gm_rc show_quarantine(gm_cli *cli, const char *name, int64_t rows, gm_err *err)
{
    gm_store *store = NULL;
    gm_step_record *steps = NULL;
    size_t count = 0, shown = 0;
    gm_engine *engine = NULL;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_step_list(store, 0, cli->a, &steps, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_node *result = NULL;
        gm_digest d;
        const char *path = NULL;
        gm_table t;
        gm_step_record step = steps[i];
        if (strcmp(step.kind, "check") != 0 || (name && strcmp(step.name + strlen("check "), name) != 0)) continue;
        if (strcmp(step.state, "cached") == 0 && gm_action_get(store, step.key, cli->a, &(gm_artifacts){ 0 }, &step, NULL))
            continue;
        if (!step.result_json || gm_json_read(step.result_json, strlen(step.result_json), "result", cli->a, &result, NULL))
            continue;
        if (!gm_digest_parse(gm_node_str_or(gm_node_get(result, "kept"), "quarantine", ""), &d)) continue;
        rc = gm_blob_path(store, &d, cli->a, &path, err);
        if (!rc && !engine) rc = gm_engine_open(&(gm_engine_options){ 0 }, &engine, err);
        if (!rc) rc = gm_data_read(engine, path, NULL, 0, rows, cli->a, &t, err);
        if (rc) break;
        printf("%s%s%s\n", gm_term_bold(), steps[i].name, gm_term_plain());
        gm_node *fields = NULL;
        if (gm_json_read(step.key_fields, strlen(step.key_fields), "key", cli->a, &fields, NULL)) fields = NULL;
        print_rows(&t, gm_node_get(gm_node_get(fields, "params"), "personal"), cli->a);
        shown++;
    }
    gm_engine_close(engine);
    gm_store_close(store);
    if (!rc && !shown) printf("no row is quarantined\n");
    return rc;
}

static gm_rc data(gm_cli *cli, const void *conf, gm_err *err)
{
    const data_opts *o = conf;
    const char *what = cli->operands_count ? cli->operands[0] : NULL;
    if (o->quarantine) return show_quarantine(cli, what, o->rows, err);
    bool file = what && (gm_fs_exists(what) || strpbrk(what, "/*?.:"));
    return file ? inspect_file(cli, what, err) : list_versions(cli, what, err);
}

const gm_command gm_command_data = {
    .item = { .name = "data",
              .help = "show the columns of a file, the versions of data sets, or the rows in quarantine",
              .params = data_options,
              .conf_size = sizeof(data_opts) },
    .operands = "[FILE|NAME]",
    .operands_max = 1,
    .group = "Look",
    .examples = "gristmill data churn.csv\ngristmill data             # versions of the pipeline's data sets\ngristmill data "
                "flights --quarantine",
    .run = data,
};

/* ---- init ---------------------------------------------------------------------------------------------------------------- */

static gm_rc init(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    const char *path = cli->common->file;
    gm_buf b = { 0 };
    if (gm_fs_exists(path)) {
        gm_rc rc = gm_err_set(err, GM_ECONFLICT, "\"%s\" is already there", path);
        gm_err_hint(err, "Name another file: `gristmill init DATA TARGET -f other.yaml`.");
        return rc;
    }
    if (!gm_fs_exists(cli->operands[0]) && !strpbrk(cli->operands[0], "*?:"))
        return gm_err_set(err, GM_ENOTFOUND, "no file \"%s\"", cli->operands[0]);
    gm_buf_text(&b, "data: '");
    for (const char *c = cli->operands[0]; *c; c++) gm_buf_printf(&b, "%s%c", *c == '\'' ? "'" : "", *c);
    gm_buf_text(&b, "'\ntarget: '");
    for (const char *c = cli->operands[1]; *c; c++) gm_buf_printf(&b, "%s%c", *c == '\'' ? "'" : "", *c);
    gm_buf_text(&b, "'\n");
    gm_rc rc = gm_fs_write_atomic(path, gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    if (!rc) printf("wrote %s; `gristmill explain` shows what it stands for, `gristmill run` runs it\n", path);
    return rc;
}

const gm_command gm_command_init = {
    .item = { .name = "init", .help = "write the two-line pipeline file for a table and a target" },
    .operands = "DATA TARGET",
    .operands_min = 2,
    .operands_max = 2,
    .group = "Run",
    .examples = "gristmill init churn.csv churned\ngristmill init 'data/*.parquet' 'price'",
    .run = init,
};
