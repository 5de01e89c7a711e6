/* cmd_predictions.c - `predictions`: what the served models answered, from the prediction log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/command.h"
#include "cli/why_prediction.h"
#include "data/engine.h"
#include "serve/predlog.h"

typedef struct predictions_opts {
    double since;
    int64_t limit;
    const char *out;
    bool seal;
    int64_t keep_days;
} predictions_opts;

static const gm_param predictions_options[] = {
    { "since", GM_PARAM_DURATION, offsetof(predictions_opts, since), "0s", "only the last so much time; 0s = all that is kept", 0, 0, NULL },
    { "limit", GM_PARAM_INT, offsetof(predictions_opts, limit), "20", "how many to list, the newest", 1, 1000000, NULL },
    { "export", GM_PARAM_STR, offsetof(predictions_opts, out), "", "write all of them to this file: .csv or .parquet", 0, 0, NULL },
    { "seal", GM_PARAM_BOOL, offsetof(predictions_opts, seal), "false", "turn finished segments into compressed Parquet, drop what is too old", 0, 0, NULL },
    { "keep_days", GM_PARAM_INT, offsetof(predictions_opts, keep_days), "30", "with --seal: for how long predictions are kept", 1, 36500, NULL },
    { 0 },
};

gm_rc gm_cli_predictions_dir(gm_cli *cli, const char **out_dir, gm_err *err)
{
    gm_store *store = NULL;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    const char *dir = rc ? NULL : gm_path_join(cli->a, gm_store_root(store), "predictions");
    gm_store_close(store);
    if (!rc && !dir) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to find the prediction log");
    if (!rc) *out_dir = dir;
    return rc;
}

const char *gm_show_answer(const gm_table *t, int64_t row, char *out, size_t size)
{
    const gm_column *label = gm_predlog_answer(t, "label"), *probability = gm_predlog_answer(t, "probability"), *value = gm_predlog_answer(t, "prediction");
    out[0] = '\0';
    if (label && !gm_column_is_missing(label, row)) {
        const char *text = label->type == GM_TYPE_STRING ? gm_column_text(label, row) : "";
        if (probability && !gm_column_is_missing(probability, row)) (void)snprintf(out, size, "%.60s (%.4f)", text, gm_column_double(probability, row));
        else (void)snprintf(out, size, "%.60s", text);
    } else if (value) {
        (void)gm_column_show(value, row, out, size);
    }
    return out;
}

static const char *shown(const gm_table *t, const char *name, int64_t row, gm_arena *a)
{
    char text[256] = "";
    const gm_column *c = gm_table_find(t, name);
    const char *copy = gm_arena_strdup(a, c ? gm_column_show(c, row, text, sizeof(text)) : "");
    return copy ? copy : "";
}

static void print_list(gm_cli *cli, const gm_table *t, int64_t first)
{
    gm_grid *g = gm_grid_new(cli->a, 7);
    gm_grid_add(g, (const char *[]){ "time (UTC)", "id", "row", "model", "arm", "answer", "took" });
    gm_grid_right(g, 2);
    gm_grid_right(g, 6);
    for (int64_t i = t->rows - 1; i >= first; i--) {
        char when[32], answer[96], took[32];
        (void)snprintf(took, sizeof(took), "%.3f ms", gm_column_double(gm_table_find(t, "latency_us"), i) / 1e3);
        gm_grid_add(g, (const char *[]){ gm_show_time(gm_table_find(t, "time")->i64[i], when), shown(t, "id", i, cli->a), shown(t, "row", i, cli->a),
                                         gm_arena_printf(cli->a, "%s/%s", shown(t, "model", i, cli->a), shown(t, "version", i, cli->a)),
                                         shown(t, "arm", i, cli->a), gm_show_answer(t, i, answer, sizeof(answer)), took });
    }
    gm_grid_print(g);
}

/* A row as an object of its columns; what is missing is null. */
void gm_json_row(const gm_table *t, int64_t row, gm_json *j)
{
    gm_json_object(j);
    for (size_t i = 0; i < t->columns_count; i++) {
        const gm_column *c = &t->columns[i];
        char text[64];
        gm_json_key(j, c->name);
        if (gm_column_is_missing(c, row)) gm_json_null(j);
        else if (c->type == GM_TYPE_FLOAT) gm_json_double(j, c->f64[row]);
        else if (c->type == GM_TYPE_INT) gm_json_int(j, c->i64[row]);
        else if (c->type == GM_TYPE_BOOL) gm_json_bool(j, c->i64[row] != 0);
        else if (c->type == GM_TYPE_STRING) gm_json_str(j, gm_column_text(c, row));
        else gm_json_str(j, gm_column_show(c, row, text, sizeof(text)));
    }
    gm_json_object_end(j);
}

static void print_json(const gm_table *t, int64_t first)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kint(&j, "rows", t->rows);
    gm_json_key(&j, "predictions");
    gm_json_array(&j);
    for (int64_t i = t->rows - 1; i >= first; i--) gm_json_row(t, i, &j);
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_print_json(&b);
}

static gm_rc seal(gm_cli *cli, const char *dir, const predictions_opts *o, gm_err *err)
{
    int64_t segments = 0;
    gm_rc rc = gm_fs_is_dir(dir) ? gm_predlog_seal(dir, o->keep_days, 0, &segments, err) : GM_OK;
    if (rc) return rc;
    if (!cli->common->json) {
        printf("%" PRId64 " segment%s sealed\n", segments, segments == 1 ? "" : "s");
        return GM_OK;
    }
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kint(&j, "segments", segments);
    gm_json_object_end(&j);
    gm_print_json(&b);
    return GM_OK;
}

static gm_rc export_to(gm_cli *cli, const gm_table *t, const char *path, gm_err *err)
{
    gm_engine *e = NULL;
    char count[32];
    if (!t->rows) return gm_err_set(err, GM_ENOTFOUND, "there are no such predictions in the log");
    gm_rc rc = gm_engine_open(&(gm_engine_options){ .threads = 1 }, &e, err);
    if (!rc) rc = gm_data_write(e, t, path, err);
    gm_engine_close(e);
    if (!rc && !cli->common->json) printf("%s predictions written to %s\n", gm_show_count(t->rows, count), path);
    return rc;
}

static gm_rc predictions(gm_cli *cli, const void *conf, gm_err *err)
{
    const predictions_opts *o = conf;
    const char *dir = NULL;
    gm_table t;
    gm_rc rc = gm_cli_predictions_dir(cli, &dir, err);
    if (!rc && o->seal) return seal(cli, dir, o, err);
    int64_t since = o->since > 0 ? gm_now_us() - (int64_t)(o->since * 1e6) : 0;
    if (!rc) rc = gm_predlog_read(dir, cli->operands_count ? cli->operands[0] : NULL, since, 0, cli->a, &t, err);
    if (!rc && o->out[0]) return export_to(cli, &t, o->out, err);
    if (rc) return rc;
    int64_t first = t.rows > o->limit ? t.rows - o->limit : 0;
    if (cli->common->json) {
        print_json(&t, first);
    } else if (!t.rows) {
        printf("No predictions are logged: `gristmill serve` logs a share of them, --log full all.\n");
    } else {
        char count[32];
        print_list(cli, &t, first);
        printf("\n%s in the log. `gristmill why prediction ID` explains one.\n", gm_show_count(t.rows, count));
    }
    return GM_OK;
}

const gm_command gm_command_predictions = {
    .item = { .name = "predictions",
              .help = "list what served models answered, from the prediction log",
              .params = predictions_options,
              .conf_size = sizeof(predictions_opts) },
    .operands = "[MODEL]",
    .operands_max = 1,
    .group = "Look",
    .examples = "gristmill predictions flights --since 1h\ngristmill predictions --export answers.parquet\ngristmill predictions --seal   # what the server does now and then",
    .run = predictions,
};
