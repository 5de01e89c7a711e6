/* model_show.c - see model_show.h. */
#include "cli/model_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "serve/served.h"

static void columns_json(const gm_served_schema *s, gm_json *j)
{
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (size_t i = 0; i < s->columns_count; i++) {
        const gm_served_column *c = &s->columns[i];
        gm_json_object(j);
        gm_json_kstr(j, "name", c->name);
        gm_json_kstr(j, "type", gm_type_name(c->type));
        gm_json_kbool(j, "input", c->input);
        gm_json_kbool(j, "required", c->required);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void show_json(const gm_model_version *v, const gm_served *s)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "model", v->model);
    gm_json_kint(&j, "version", v->version);
    gm_json_kstr(&j, "package", v->digest.hex);
    gm_json_kstr(&j, "aliases", v->aliases);
    gm_json_kstr(&j, "trainer", v->trainer);
    gm_json_kint(&j, "run", v->run_id);
    gm_json_kint(&j, "created_us", v->created_us);
    gm_json_kstr(&j, "task", gm_task_name(s->schema.task));
    gm_json_kstr(&j, "target", s->schema.target);
    columns_json(&s->schema, &j);
    gm_json_key(&j, "engine");
    gm_json_raw(&j, s->engine_json);
    gm_json_kint(&j, "load_us", s->load_took_us);
    gm_json_object_end(&j);
    gm_print_json(&b);
}

/* "one row     avx512, 0.31 us" */
static void engine_line(const gm_node *engine, const char *key, const char *title)
{
    const gm_node *n = gm_node_get(engine, key);
    double us = gm_node_double_or(n, "us", (double)NAN), rows = gm_node_double_or(n, "rows_per_s", (double)NAN);
    if (!n) return;
    printf("  %-12s %s", title, gm_node_str_or(n, "kernel", ""));
    if (!isnan(us)) printf(", %.2f us", us);
    if (!isnan(rows)) printf(", %.2f million rows/s", rows / 1e6);
    printf("\n");
}

static void show_text(const gm_model_version *v, const gm_served *s, gm_arena *a)
{
    char when[32], took[32];
    gm_node *engine = NULL;
    printf("%s version %" PRId64 "%s%s\n\n", v->model, v->version, v->aliases[0] ? ", alias " : "", v->aliases);
    printf("package      %s, verified\n", v->digest.hex);
    printf("made         by %s in run %" PRId64 ", %s UTC\n", v->trainer, v->run_id, gm_show_time(v->created_us, when));
    printf("predicts     %s (%s)\n", s->schema.target, gm_task_name(s->schema.task));
    printf("loaded in    %s\n", gm_show_seconds((double)s->load_took_us / 1e6, took));
    if (gm_json_read(s->engine_json, strlen(s->engine_json), "engine", a, &engine, NULL) == GM_OK && engine->kind == GM_NODE_MAP) {
        printf("\nTree engine, as measured on this processor\n");
        engine_line(engine, "one_row", "one row");
        engine_line(engine, "small", "small batch");
        engine_line(engine, "large", "large batch");
    }
    printf("\n");
    gm_grid *g = gm_grid_new(a, 4);
    gm_grid_add(g, (const char *[]){ "column", "type", "role", "missing values" });
    for (size_t i = 0; i < s->schema.columns_count; i++) {
        const gm_served_column *c = &s->schema.columns[i];
        const char *role = c->input ? "input" : c->key ? "key" : c->time ? "time" : "join key";
        gm_grid_add(g, (const char *[]){ c->name, gm_type_name(c->type), role, !c->input ? "" : c->required ? "none in training" : "some in training" });
    }
    gm_grid_print(g);
}

gm_rc gm_model_show(gm_cli *cli, const char *ref, gm_err *err)
{
    gm_store *store = NULL;
    gm_served *served = NULL;
    gm_model_version v;
    const char *dir = NULL;
    char version[24];
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_model_resolve(store, ref, cli->a, &v, err);
    if (!rc) rc = gm_cli_scratch(cli, &dir, err);
    if (!rc) rc = gm_tree_view(store, &v.digest, dir, gm_served_unread, cli->a, err);
    if (!rc) {
        (void)snprintf(version, sizeof(version), "%" PRId64, v.version);
        rc = gm_served_open(dir, v.model, version, &v.digest, true, 1, &served, err);
    }
    gm_store_close(store);
    gm_err second;
    if (dir) (void)gm_fs_remove_tree(dir, &second);
    if (rc) return rc;
    if (cli->common->json)
        show_json(&v, served);
    else
        show_text(&v, served, cli->a);
    gm_served_unref(served);
    return GM_OK;
}
