/* cmd_look.c - `status`, `log`, `show`, `diff`: what runs did, from the records. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

typedef struct status_opts {
    int64_t runs;
} status_opts;

static const gm_param status_options[] = {
    { "runs", GM_PARAM_INT, offsetof(status_opts, runs), "10", "how many runs to list", 1, 1000000, NULL },
    { 0 },
};

static void steps_json(const gm_step_record *steps, size_t count, gm_json *j)
{
    gm_json_array(j);
    for (size_t i = 0; i < count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "name", steps[i].name);
        gm_json_kstr(j, "kind", steps[i].kind);
        gm_json_kstr(j, "state", steps[i].state);
        gm_json_kstr(j, "key", steps[i].key);
        gm_json_kint(j, "attempt", steps[i].attempt);
        gm_json_kdouble(j, "seconds", (double)(steps[i].ended_us - steps[i].started_us) / 1e6);
        gm_json_kdouble(j, "cpu_seconds", (double)steps[i].cpu_us / 1e6);
        gm_json_kint(j, "peak_rss_bytes", steps[i].peak_rss_bytes);
        gm_json_kint(j, "rows", steps[i].rows);
        gm_json_kstr(j, "error", steps[i].error);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void print_steps(const gm_step_record *steps, size_t count, gm_arena *a)
{
    gm_grid *g = gm_grid_new(a, 7);
    gm_grid_add(g, (const char *[]){ "step", "state", "rows", "time", "CPU", "memory", "" });
    for (size_t c = 2; c < 6; c++) gm_grid_right(g, c);
    for (size_t i = 0; i < count; i++) {
        char rows[32] = "", time[32] = "", cpu[32] = "", memory[32] = "";
        const gm_step_record *s = &steps[i];
        bool ran = strcmp(s->state, "cached") != 0 && s->ended_us;
        if (s->rows >= 0) (void)gm_show_count(s->rows, rows);
        if (ran) (void)gm_show_seconds((double)(s->ended_us - s->started_us) / 1e6, time);
        if (ran && s->cpu_us) (void)gm_show_seconds((double)s->cpu_us / 1e6, cpu);
        if (ran && s->peak_rss_bytes) (void)gm_show_bytes(s->peak_rss_bytes, memory);
        gm_grid_add(g, (const char *[]){ s->name, s->state, rows, time, cpu, memory, s->error });
    }
    gm_grid_print(g);
}

static gm_rc status(gm_cli *cli, const void *conf, gm_err *err)
{
    const status_opts *o = conf;
    gm_store *store = NULL;
    gm_run_record *runs = NULL;
    gm_step_record *steps = NULL;
    size_t runs_count = 0, steps_count = 0;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_run_list(store, o->runs, cli->a, &runs, &runs_count, err);
    if (!rc && runs_count) rc = gm_step_list(store, runs[0].id, cli->a, &steps, &steps_count, err);
    gm_store_close(store);
    if (rc) return rc;
    if (cli->common->json) {
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, true);
        gm_json_object(&j);
        gm_json_key(&j, "runs");
        gm_json_array(&j);
        for (size_t i = 0; i < runs_count; i++) {
            gm_json_object(&j);
            gm_json_kint(&j, "id", runs[i].id);
            gm_json_kstr(&j, "pipeline", runs[i].pipeline);
            gm_json_kstr(&j, "state", runs[i].state);
            gm_json_kint(&j, "started_us", runs[i].started_us);
            gm_json_kint(&j, "ended_us", runs[i].ended_us);
            gm_json_object_end(&j);
        }
        gm_json_array_end(&j);
        gm_json_key(&j, "steps");
        steps_json(steps, steps_count, &j);
        gm_json_object_end(&j);
        gm_print_json(&b);
        return GM_OK;
    }
    gm_grid *g = gm_grid_new(cli->a, 5);
    gm_grid_add(g, (const char *[]){ "run", "pipeline", "state", "began (UTC)", "took" });
    gm_grid_right(g, 0);
    gm_grid_right(g, 4);
    for (size_t i = 0; i < runs_count; i++) {
        char id[32], when[32], took[32] = "";
        (void)snprintf(id, sizeof(id), "%" PRId64, runs[i].id);
        if (runs[i].ended_us) (void)gm_show_seconds((double)(runs[i].ended_us - runs[i].started_us) / 1e6, took);
        gm_grid_add(g, (const char *[]){ id, runs[i].pipeline, runs[i].state, gm_show_time(runs[i].started_us, when), took });
    }
    gm_grid_print(g);
    if (!runs_count) return GM_OK;
    printf("\nSteps of run %" PRId64 "\n", runs[0].id);
    print_steps(steps, steps_count, cli->a);
    return GM_OK;
}

const gm_command gm_command_status = {
    .item = { .name = "status",
              .help = "list runs, and the steps of the last one",
              .params = status_options,
              .conf_size = sizeof(status_opts) },
    .operands = "",
    .group = "Look",
    .examples = "gristmill status\ngristmill status --json",
    .run = status,
};

/* ---- log ------------------------------------------------------------------------------------------------------------ */

typedef struct log_opts {
    int64_t run;
} log_opts;

static const gm_param log_options[] = {
    { "run", GM_PARAM_INT, offsetof(log_opts, run), "0", "which run; 0 = the last", 0, 0, NULL },
    { 0 },
};

static gm_rc print_log(gm_cli *cli, gm_store *store, const gm_step_record *s, gm_err *err)
{
    gm_digest d;
    void *bytes = NULL;
    size_t len = 0;
    if (!gm_digest_parse(s->log_digest, &d)) return GM_OK;
    gm_rc rc = gm_blob_get(store, &d, cli->a, &bytes, &len, err);
    if (!rc && len) {
        printf("%s== %s (%s)%s\n", gm_term_bold(), s->name, s->state, gm_term_plain());
        (void)fwrite(bytes, 1, len, stdout);
        if (((const char *)bytes)[len - 1] != '\n') putchar('\n');
    }
    return rc;
}

static gm_rc log_command(gm_cli *cli, const void *conf, gm_err *err)
{
    const log_opts *o = conf;
    gm_store *store = NULL;
    gm_step_record *steps = NULL;
    size_t count = 0, found = 0;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_step_list(store, o->run, cli->a, &steps, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        if (cli->operands_count && strcmp(steps[i].name, cli->operands[0]) != 0) continue;
        found++;
        rc = print_log(cli, store, &steps[i], err);
        if (!rc && steps[i].error && steps[i].error[0])
            printf("%s== %s: %s%s\n", gm_term_red(), steps[i].name, steps[i].error, gm_term_plain());
    }
    if (!rc && cli->operands_count && !found)
        rc = gm_err_set(err, GM_ENOTFOUND, "that run has no step \"%.60s\"", cli->operands[0]);
    gm_store_close(store);
    return rc;
}

const gm_command gm_command_log = {
    .item = { .name = "log",
              .help = "print what the steps of a run wrote",
              .params = log_options,
              .conf_size = sizeof(log_opts) },
    .operands = "[STEP]",
    .operands_max = 1,
    .group = "Look",
    .examples = "gristmill log\ngristmill log \"train lightgbm\" --run 3",
    .run = log_command,
};

/* ---- show ------------------------------------------------------------------------------------------------------------ */

static gm_rc show_artifacts(gm_cli *cli, gm_store *store, int64_t step_id, bool inputs, gm_json *j, gm_err *err)
{
    gm_artifacts list = { 0 };
    gm_rc rc = gm_step_artifacts(store, step_id, inputs, cli->a, &list, err);
    if (rc) return rc;
    gm_json_key(j, inputs ? "inputs" : "outputs");
    gm_json_object(j);
    for (size_t i = 0; i < list.count; i++) gm_json_kstr(j, list.items[i].name, list.items[i].digest.hex);
    gm_json_object_end(j);
    return GM_OK;
}

/* JSON as it is kept with a step; nothing when there is none. */
static void show_json(gm_cli *cli, const char *key, const char *text, gm_json *j)
{
    gm_node *root = NULL;
    if (!text || !text[0] || gm_json_read(text, strlen(text), key, cli->a, &root, NULL)) return;
    gm_json_key(j, key);
    gm_node_json(root, j);
}

/* A step of the last run, or an artifact by its digest. */
static gm_rc show(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_store *store = NULL;
    gm_step_record *steps = NULL;
    size_t count = 0;
    gm_digest d;
    const char *what = cli->operands[0];
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (rc) return rc;
    if (gm_digest_parse(what, &d)) {
        void *bytes = NULL;
        size_t len = 0;
        rc = gm_blob_get(store, &d, cli->a, &bytes, &len, err);
        if (!rc) (void)fwrite(bytes, 1, len, stdout);
        gm_store_close(store);
        return rc;
    }
    rc = gm_step_list(store, 0, cli->a, &steps, &count, err);
    const gm_step_record *s = NULL;
    for (size_t i = 0; !rc && i < count; i++)
        if (strcmp(steps[i].name, what) == 0) s = &steps[i];
    if (!rc && !s) {
        rc = gm_err_set(err, GM_ENOTFOUND, "the last run has no step \"%.60s\", and it is no digest", what);
        gm_err_hint(err, "`gristmill status` lists the steps.");
    }
    if (!rc) {
        gm_buf b = { 0 };
        gm_json j;
        gm_step_record made;
        gm_artifacts unused;
        int64_t id = s->id;
        gm_json_init(&j, &b, true);
        gm_json_object(&j);
        gm_json_kstr(&j, "name", s->name);
        gm_json_kstr(&j, "kind", s->kind);
        gm_json_kstr(&j, "state", s->state);
        gm_json_kstr(&j, "key", s->key);
        if (strcmp(s->state, "cached") == 0 && gm_action_get(store, s->key, cli->a, &unused, &made, NULL) == GM_OK) {
            id = made.id;
            gm_json_kint(&j, "done_in_run", made.run_id);
        }
        show_json(cli, "key_fields", s->key_fields, &j);
        show_json(cli, "result", id == s->id ? s->result_json : made.result_json, &j);
        rc = show_artifacts(cli, store, id, true, &j, err);
        if (!rc) rc = show_artifacts(cli, store, id, false, &j, err);
        gm_json_object_end(&j);
        if (!rc) gm_print_json(&b);
        gm_buf_clear(&b);
    }
    gm_store_close(store);
    return rc;
}

const gm_command gm_command_show = {
    .item = { .name = "show", .help = "show a step with its key, inputs and outputs, or print an artifact by its digest" },
    .operands = "STEP|DIGEST",
    .operands_min = 1,
    .operands_max = 1,
    .group = "Look",
    .examples = "gristmill show \"train lightgbm\"\ngristmill show $(gristmill run --json | jq -r '.steps[-1].outputs.record')",
    .run = show,
};

/* ---- diff ------------------------------------------------------------------------------------------------------------- */

static gm_rc metrics_of(gm_store *store, const char *ref, gm_arena *a, gm_model_version *v, const gm_node **out, gm_err *err)
{
    gm_node *root = NULL;
    gm_rc rc = gm_model_resolve(store, ref, a, v, err);
    if (!rc) rc = gm_json_read(v->metrics_json, strlen(v->metrics_json), "metrics", a, &root, err);
    if (!rc) *out = root;
    return rc;
}

/* Two model versions: their metrics side by side and the parameters that differ. */
static gm_rc diff(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_store *store = NULL;
    gm_model_version x, y;
    const gm_node *mx = NULL, *my = NULL;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = metrics_of(store, cli->operands[0], cli->a, &x, &mx, err);
    if (!rc) rc = metrics_of(store, cli->operands[1], cli->a, &y, &my, err);
    gm_store_close(store);
    if (rc) return rc;
    const gm_node *tx = gm_node_get(mx, "test"), *ty = gm_node_get(my, "test"), *px = gm_node_get(mx, "params"),
                  *py = gm_node_get(my, "params");
    char xv[64], yv[64];
    (void)snprintf(xv, sizeof(xv), "%.40s/%" PRId64, x.model, x.version);
    (void)snprintf(yv, sizeof(yv), "%.40s/%" PRId64, y.model, y.version);
    gm_grid *g = gm_grid_new(cli->a, 4);
    gm_grid_add(g, (const char *[]){ "", xv, yv, "difference" });
    gm_grid_add(g, (const char *[]){ "trainer", x.trainer, y.trainer, "" });
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    for (size_t i = 0; tx && i < tx->count; i++) {
        const gm_node *other = gm_node_get(ty, tx->keys[i]);
        double vx = tx->items[i]->kind == GM_NODE_MAP ? gm_node_double_or(tx->items[i], "value", (double)NAN)
                                                      : gm_node_double_or(tx, tx->keys[i], (double)NAN);
        double vy = other && other->kind == GM_NODE_MAP ? gm_node_double_or(other, "value", (double)NAN)
                                                        : gm_node_double_or(ty, tx->keys[i], (double)NAN);
        char sx[32] = "", sy[32] = "", sd[32] = "";
        if (!isnan(vx)) (void)snprintf(sx, sizeof(sx), "%.5f", vx);
        if (!isnan(vy)) (void)snprintf(sy, sizeof(sy), "%.5f", vy);
        if (!isnan(vx) && !isnan(vy)) (void)snprintf(sd, sizeof(sd), "%+.5f", vy - vx);
        gm_grid_add(g, (const char *[]){ tx->keys[i], sx, sy, sd });
        gm_json_key(&j, tx->keys[i]);
        gm_json_array(&j);
        gm_json_double(&j, vx);
        gm_json_double(&j, vy);
        gm_json_array_end(&j);
    }
    for (size_t i = 0; px && i < px->count; i++) {
        const char *a = gm_node_str_or(px, px->keys[i], ""), *c = gm_node_str_or(py, px->keys[i], "");
        if (strcmp(a, c) == 0) continue;
        gm_grid_add(g, (const char *[]){ gm_arena_printf(cli->a, "params.%s", px->keys[i]), a, c, "" });
        gm_json_key(&j, gm_arena_printf(cli->a, "params.%s", px->keys[i]));
        gm_json_array(&j);
        gm_json_str(&j, a);
        gm_json_str(&j, c);
        gm_json_array_end(&j);
    }
    gm_json_object_end(&j);
    if (cli->common->json)
        gm_print_json(&b);
    else
        gm_grid_print(g);
    gm_buf_clear(&b);
    return GM_OK;
}

const gm_command gm_command_diff = {
    .item = { .name = "diff", .help = "compare two model versions: metrics on their test rows, parameters" },
    .operands = "MODEL MODEL",
    .operands_min = 2,
    .operands_max = 2,
    .group = "Models",
    .examples = "gristmill diff flights/1 flights/2\ngristmill diff flights@champion flights/3 --json",
    .run = diff,
};
