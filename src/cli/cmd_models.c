/* cmd_models.c - `models`, `predict`, `lineage`, `card`: the registry and what comes out of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/command.h"
#include "cli/model_show.h"
#include "data/engine.h"
#include "govern/card.h"
#include "govern/lineage.h"
#include "govern/provenance.h"
#include "model/package.h"
#include "pipe/predictions.h"

typedef struct models_opts {
    const char *alias, *drop_alias, *tag, *export;
} models_opts;

static const gm_param models_options[] = {
    { "alias", GM_PARAM_STR, offsetof(models_opts, alias), "", "give the version this alias", 0, 0, NULL },
    { "drop_alias", GM_PARAM_STR, offsetof(models_opts, drop_alias), "", "take this alias away", 0, 0, NULL },
    { "tag", GM_PARAM_STR, offsetof(models_opts, tag), "", "set a tag: KEY=VALUE", 0, 0, NULL },
    { "export", GM_PARAM_STR, offsetof(models_opts, export), "", "copy the version's package into this new folder", 0, 0, NULL },
    { 0 },
};

static gm_rc change(gm_cli *cli, gm_store *store, const models_opts *o, gm_err *err)
{
    gm_model_version v;
    if (!cli->operands_count) return gm_err_set(err, GM_EINVALID, "name a model version, as in flights/3");
    gm_rc rc = gm_model_resolve(store, cli->operands[0], cli->a, &v, err);
    if (!rc && o->alias[0]) rc = gm_model_alias_set(store, v.model, o->alias, v.version, err);
    if (!rc && o->drop_alias[0]) rc = gm_model_alias_drop(store, v.model, o->drop_alias, err);
    const char *equals = strchr(o->tag, '=');
    if (!rc && o->tag[0] && !equals) rc = gm_err_set(err, GM_EINVALID, "a tag is KEY=VALUE, found \"%.60s\"", o->tag);
    if (!rc && equals)
        rc =
            gm_model_tag(store, v.model, v.version, gm_arena_strndup(cli->a, o->tag, (size_t)(equals - o->tag)), equals + 1, err);
    if (!rc) printf("%s version %" PRId64 " changed\n", v.model, v.version);
    return rc;
}

/* The record kept by the run that registered the version. */
static gm_rc card_record(gm_cli *cli, gm_store *store, const char *ref, const gm_node **out, gm_err *err)
{
    gm_model_version v;
    gm_step_record *steps = NULL;
    size_t count = 0;
    gm_node *root = NULL;
    gm_rc rc = gm_model_resolve(store, ref, cli->a, &v, err);
    if (!rc) rc = gm_step_list(store, v.run_id, cli->a, &steps, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_artifacts outputs = { 0 };
        if (strcmp(steps[i].name, "card") != 0) continue;
        rc = gm_action_get(store, steps[i].key, cli->a, &outputs, NULL, err);
        for (size_t k = 0; !rc && k < outputs.count && !root; k++) {
            void *bytes = NULL;
            size_t len = 0;
            rc = gm_blob_get(store, &outputs.items[k].digest, cli->a, &bytes, &len, err);
            if (!rc) rc = gm_json_read(bytes, len, "card.json", cli->a, &root, err);
        }
    }
    if (!rc && !root) rc = gm_err_set(err, GM_ENOTFOUND, "no card is recorded for %s version %" PRId64, v.model, v.version);
    if (!rc) *out = root;
    return rc;
}

static gm_rc put_text(gm_cli *cli, const char *dir, const char *name, gm_buf *text, gm_rc rc, gm_err *err)
{
    if (!rc && text->failed) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for \"%s\"", name);
    if (!rc) rc = gm_fs_write(gm_path_join(cli->a, dir, name), gm_buf_str(text), text->len, err);
    gm_buf_clear(text);
    return rc;
}

/* What stands beside a package under its digest, not in its manifest: where it is from, and its card. */
static gm_rc put_companions(gm_cli *cli, gm_store *store, const gm_model_version *v, const char *dir, gm_err *err)
{
    const gm_node *record = NULL;
    gm_buf b = { 0 };
    gm_json j;
    gm_err none;
    gm_rc rc = gm_provenance(store, v, &b, err);
    rc = put_text(cli, dir, "provenance.intoto.jsonl", &b, rc, err);
    if (rc || card_record(cli, store, gm_arena_printf(cli->a, "%s/%" PRId64, v->model, v->version), &record, &none))
        return rc; /* no card was recorded */
    gm_json_init(&j, &b, true);
    gm_node_json(record, &j);
    rc = put_text(cli, dir, "card.json", &b, rc, err);
    if (!rc) rc = gm_card_markdown(record, &b, err);
    rc = put_text(cli, dir, "card.md", &b, rc, err);
    if (!rc) rc = gm_card_html(record, &b, err);
    return put_text(cli, dir, "card.html", &b, rc, err);
}

/* A version's package as plain files: into a folder beside the wanted one first, so that nothing half-written has its name. */
static gm_rc export_package(gm_cli *cli, const char *dir, gm_err *err)
{
    gm_store *store = NULL;
    gm_model_version v;
    gm_digest sealed;
    if (!cli->operands_count) return gm_err_set(err, GM_EINVALID, "name a model version, as in flights/3");
    if (gm_fs_exists(dir)) {
        gm_rc rc = gm_err_set(err, GM_ECONFLICT, "\"%s\" is there already", dir);
        gm_err_hint(err, "A package is written into a new folder, so that no file of another one stays in it.");
        return rc;
    }
    const char *part = gm_arena_printf(cli->a, "%s.part-%ld", dir, (long)getpid());
    gm_rc rc =
        part ? gm_cli_store(cli, false, &store, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for the name of a folder");
    if (!rc) rc = gm_model_resolve(store, cli->operands[0], cli->a, &v, err);
    if (!rc) rc = gm_tree_export(store, &v.digest, part, cli->a, err);
    if (!rc) rc = gm_package_verify(part, &sealed, err);
    if (!rc && strcmp(sealed.hex, v.digest.hex) != 0)
        rc = gm_err_set(err, GM_ECORRUPT, "the package copied is %.12s, not %.12s", sealed.hex, v.digest.hex);
    if (!rc) rc = put_companions(cli, store, &v, part, err);
    if (!rc && rename(part, dir) != 0) rc = gm_err_errno(err, errno, "rename to", dir);
    gm_store_close(store);
    gm_err second;
    if (rc && part) (void)gm_fs_remove_tree(part, &second); /* the first failure is the one to report */
    if (rc) return rc;
    if (cli->common->json) {
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, false);
        gm_json_object(&j);
        gm_json_kstr(&j, "model", v.model);
        gm_json_kint(&j, "version", v.version);
        gm_json_kstr(&j, "package", v.digest.hex);
        gm_json_object_end(&j);
        gm_print_json(&b);
    } else {
        printf("%s version %" PRId64 " copied to %s and verified\n", v.model, v.version, dir);
    }
    return GM_OK;
}

static void put_json(const char *key, const char *text, gm_arena *a, gm_json *j)
{
    gm_node *n = NULL;
    if (!text || !text[0] || gm_json_read(text, strlen(text), key, a, &n, NULL)) return;
    gm_json_key(j, key);
    gm_node_json(n, j);
}

static void models_json(const gm_model_version *v, size_t count, gm_arena *a)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_array(&j);
    for (size_t i = 0; i < count; i++) {
        gm_json_object(&j);
        gm_json_kstr(&j, "model", v[i].model);
        gm_json_kint(&j, "version", v[i].version);
        gm_json_kstr(&j, "package", v[i].digest.hex);
        gm_json_kstr(&j, "trainer", v[i].trainer);
        gm_json_kstr(&j, "aliases", v[i].aliases);
        gm_json_kint(&j, "run", v[i].run_id);
        gm_json_kint(&j, "created_us", v[i].created_us);
        put_json("tags", v[i].tags_json, a, &j);
        put_json("metrics", v[i].metrics_json, a, &j);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    gm_print_json(&b);
}

/* All models, the versions of one, or the one version that "flights/2" or "flights@champion" names. */
static gm_rc list_versions(gm_cli *cli, gm_store *store, gm_model_version **out, size_t *out_count, gm_err *err)
{
    const char *ref = cli->operands_count ? cli->operands[0] : NULL;
    if (!ref || !strpbrk(ref, "/@:")) {
        gm_rc rc = gm_model_list(store, ref, cli->a, out, out_count, err);
        gm_model_version none;
        return !rc && ref && *out_count == 0 ? gm_model_resolve(store, ref, cli->a, &none, err)
                                             : rc; /* says which names there are */
    }
    *out = GM_ARENA_NEW(cli->a, gm_model_version);
    if (!*out) return gm_err_set(err, GM_ENOMEM, "not enough memory for a version");
    *out_count = 1;
    return gm_model_resolve(store, ref, cli->a, *out, err);
}

static gm_rc models(gm_cli *cli, const void *conf, gm_err *err)
{
    const models_opts *o = conf;
    gm_store *store = NULL;
    gm_model_version *v = NULL;
    size_t count = 0;
    bool write = o->alias[0] || o->drop_alias[0] || o->tag[0];
    if (cli->operands_count == 2 && strcmp(cli->operands[0], "show") != 0)
        return gm_err_set(err, GM_EINVALID, "one model at a time; `gristmill models show %s` shows one in full", cli->operands[1]);
    if (cli->operands_count == 2) return gm_model_show(cli, cli->operands[1], err);
    if (o->export[0]) return export_package(cli, o->export, err);
    gm_rc rc = gm_cli_store(cli, write, &store, err);
    if (!rc && write)
        rc = change(cli, store, o, err);
    else if (!rc)
        rc = list_versions(cli, store, &v, &count, err);
    gm_store_close(store);
    if (rc || write) return rc;
    if (cli->common->json) {
        models_json(v, count, cli->a);
        return GM_OK;
    }
    gm_grid *g = gm_grid_new(cli->a, 8);
    gm_grid_add(g, (const char *[]){ "model", "version", "aliases", "trainer", "metric", "test", "package", "created (UTC)" });
    gm_grid_right(g, 1);
    gm_grid_right(g, 5);
    for (size_t i = 0; i < count; i++) {
        char version[32], when[32], value[32] = "";
        gm_node *metrics = NULL;
        if (gm_json_read(v[i].metrics_json, strlen(v[i].metrics_json), "metrics", cli->a, &metrics, NULL)) metrics = NULL;
        const char *metric = gm_node_str_or(metrics, "metric", "");
        const gm_node *test = gm_node_get(metrics, "test"), *m = gm_node_get(test, metric);
        double x = m && m->kind == GM_NODE_MAP ? gm_node_double_or(m, "value", (double)NAN)
                                               : gm_node_double_or(test, metric, (double)NAN);
        if (!isnan(x)) (void)snprintf(value, sizeof(value), "%.4f", x);
        (void)snprintf(version, sizeof(version), "%" PRId64, v[i].version);
        gm_grid_add(g, (const char *[]){ v[i].model, version, v[i].aliases, v[i].trainer, metric, value,
                                         gm_arena_strndup(cli->a, v[i].digest.hex, 12), gm_show_time(v[i].created_us, when) });
    }
    if (count)
        gm_grid_print(g);
    else
        printf("no model is registered yet; `gristmill run` registers one when its gates are passed\n");
    return GM_OK;
}

const gm_command gm_command_models = {
    .item = { .name = "models",
              .help = "list registered models and versions; set aliases and tags; copy a package",
              .params = models_options,
              .conf_size = sizeof(models_opts) },
    .operands = "[show] [MODEL]",
    .operands_max = 2,
    .group = "Models",
    .examples = "gristmill models\ngristmill models show flights  # its columns, and the tree engine as measured here\ngristmill models flights/2 --alias champion\ngristmill models flights@champion --tag "
                "reviewed=yes\ngristmill models flights --export package",
    .run = models,
};

/* ---- predict ----------------------------------------------------------------------------------------------------------- */

typedef struct predict_opts {
    const char *out;
} predict_opts;

static const gm_param predict_options[] = {
    { "out", GM_PARAM_STR, offsetof(predict_opts, out), "predictions.csv", "where to write: .csv or .parquet", 0, 0, NULL },
    { 0 },
};

/* A model reference, or the folder of a package. */
static gm_rc open_scorer(gm_cli *cli, gm_store *store, const char *tmp, gm_scorer *out, gm_digest *digest, gm_err *err)
{
    gm_model_version v;
    if (gm_fs_is_dir(cli->operands[0])) return gm_scorer_package(cli->operands[0], cli->a, out, err);
    gm_rc rc = gm_model_resolve(store, cli->operands[0], cli->a, &v, err);
    if (!rc) rc = gm_tree_materialise(store, &v.digest, tmp, cli->a, err);
    if (!rc) rc = gm_scorer_package(tmp, cli->a, out, err);
    if (!rc) *digest = v.digest;
    return rc;
}

static gm_rc predict(gm_cli *cli, const void *conf, gm_err *err)
{
    const predict_opts *o = conf;
    gm_store *store = NULL;
    gm_engine *engine = NULL;
    gm_scorer scorer;
    int64_t rows = 0;
    gm_digest used = { 0 };
    bool folder = gm_fs_is_dir(cli->operands[0]);
    const char *tmp = NULL;
    gm_rc rc = gm_cli_scratch(cli, &tmp, err);
    if (rc) return rc;
    rc = folder ? GM_OK : gm_cli_store(cli, true, &store, err);
    bool busy = rc == GM_ECONFLICT; /* a run is under way: predictions need only to read */
    if (busy) rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = open_scorer(cli, store, gm_path_join(cli->a, tmp, "package"), &scorer, &used, err);
    if (!rc) rc = gm_engine_open(&(gm_engine_options){ .threads = 1 }, &engine, err);
    if (!rc) rc = gm_predict_source(&scorer, engine, &(gm_source){ .from = cli->operands[1] }, o->out, &rows, err);
    if (!rc && busy && !cli->common->json) printf("a run is under way, so this use of the model is not recorded\n");
    if (!rc && used.hex[0] && !busy)
        rc = gm_model_use(store, &used, "predict", gm_arena_printf(cli->a, "%s -> %s", cli->operands[1], o->out), err);
    gm_engine_close(engine);
    gm_store_close(store);
    gm_err ignored;
    (void)gm_fs_remove_tree(tmp, &ignored); /* scratch */
    if (rc) return rc;
    char count[32];
    if (cli->common->json) {
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, false);
        gm_json_object(&j);
        gm_json_kint(&j, "rows", rows);
        gm_json_kstr(&j, "out", o->out);
        gm_json_object_end(&j);
        gm_print_json(&b);
    } else {
        printf("%s predictions written to %s\n", gm_show_count(rows, count), o->out);
    }
    return GM_OK;
}

const gm_command gm_command_predict = {
    .item = { .name = "predict",
              .help = "predict the rows of a file with a registered model",
              .params = predict_options,
              .conf_size = sizeof(predict_opts) },
    .operands = "MODEL|FOLDER DATA",
    .operands_min = 2,
    .operands_max = 2,
    .group = "Models",
    .examples =
        "gristmill predict flights new.csv --out scored.csv\ngristmill predict flights/2 'data/*.parquet' --out scored.parquet",
    .run = predict,
};

/* ---- lineage and card ---------------------------------------------------------------------------------------------------- */

static gm_rc lineage(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_store *store = NULL;
    gm_buf b = { 0 };
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc && cli->common->json) {
        gm_json j;
        gm_json_init(&j, &b, true);
        rc = gm_lineage_json(store, cli->operands[0], &j, err);
    } else if (!rc) {
        rc = gm_lineage_text(store, cli->operands[0], &b, err);
    }
    if (!rc) fputs(gm_buf_str(&b), stdout);
    if (!rc && b.len && b.data[b.len - 1] != '\n') putchar('\n');
    gm_buf_clear(&b);
    gm_store_close(store);
    return rc;
}

const gm_command gm_command_lineage = {
    .item = { .name = "lineage", .help = "show what a model was made of, and what was made with it" },
    .operands = "MODEL|DIGEST",
    .operands_min = 1,
    .operands_max = 1,
    .group = "Models",
    .examples = "gristmill lineage flights\ngristmill lineage flights/2 --json",
    .run = lineage,
};

typedef struct card_opts {
    bool html;
    const char *out;
} card_opts;

static const gm_param card_options[] = {
    { "html", GM_PARAM_BOOL, offsetof(card_opts, html), "false", "one HTML file with charts instead of Markdown", 0, 0, NULL },
    { "out", GM_PARAM_STR, offsetof(card_opts, out), "", "write to this file", 0, 0, NULL },
    { 0 },
};

static gm_rc card(gm_cli *cli, const void *conf, gm_err *err)
{
    const card_opts *o = conf;
    gm_store *store = NULL;
    const gm_node *record = NULL;
    gm_model_version *all = NULL;
    size_t count = 0;
    gm_buf b = { 0 };
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    const char *ref = cli->operands_count ? cli->operands[0] : NULL;
    if (!rc && !ref) {
        rc = gm_model_list(store, NULL, cli->a, &all, &count, err);
        if (!rc && !count) rc = gm_err_set(err, GM_ENOTFOUND, "no model is registered yet");
        if (!rc) ref = all[0].model;
    }
    if (!rc) rc = card_record(cli, store, ref, &record, err);
    gm_store_close(store);
    if (!rc && cli->common->json) {
        gm_json j;
        gm_json_init(&j, &b, true);
        gm_node_json(record, &j);
    } else if (!rc) {
        rc = o->html ? gm_card_html(record, &b, err) : gm_card_markdown(record, &b, err);
    }
    if (!rc && o->out[0])
        rc = gm_fs_write_atomic(o->out, gm_buf_str(&b), b.len, err);
    else if (!rc)
        fputs(gm_buf_str(&b), stdout);
    gm_buf_clear(&b);
    return rc;
}

const gm_command gm_command_card = {
    .item = { .name = "card",
              .help = "write the model card of a version from its records",
              .params = card_options,
              .conf_size = sizeof(card_opts) },
    .operands = "[MODEL]",
    .operands_max = 1,
    .group = "Models",
    .examples = "gristmill card\ngristmill card flights/2 --html --out card.html",
    .run = card,
};
