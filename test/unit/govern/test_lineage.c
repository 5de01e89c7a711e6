/* test_lineage.c - lineage is followed in both directions, each artifact once. */
#include "govern/lineage.h"

#include <stdio.h>

#include "harness/harness.h"

static gm_store *open_store(void)
{
    static char root[512];
    gm_store *s = NULL;
    gm_err err;
    (void)snprintf(root, sizeof(root), "%s/store", gm_harness_tmpdir());
    CHECK_OK(gm_store_open(root, NULL, &s, &err), &err);
    return s;
}

static gm_artifact put(gm_store *s, const char *name, const char *type, const char *text)
{
    gm_artifact a = { .name = name, .type = type, .size_bytes = (int64_t)strlen(text), .meta_json = "" };
    gm_err err;
    CHECK_OK(gm_blob_put(s, text, strlen(text), &a.digest, &err), &err);
    return a;
}

/* A step that is done. */
static void step(gm_store *s, int64_t run, const char *name, const gm_artifact *inputs, size_t inputs_count,
                 const gm_artifact *output)
{
    gm_err err;
    gm_digest key;
    gm_digest_of(name, strlen(name), &key);
    gm_step_record r = { .run_id = run,
                         .name = name,
                         .kind = "run",
                         .key = key.hex,
                         .key_fields = "{}",
                         .state = "running",
                         .attempt = 1,
                         .error = "",
                         .result_json = "",
                         .log_digest = "" };
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    r.state = "done";
    gm_artifact in[4], out = *output;
    CHECK(inputs_count <= 4);
    memcpy(in, inputs, inputs_count * sizeof(*in));
    CHECK_OK(gm_step_commit(s, &r, &(gm_artifacts){ in, inputs_count }, &(gm_artifacts){ &out, 1 }, &err), &err);
}

/* file -> load -> data -> train -> model -> package -> predict -> predictions, with data also an input of package. */
static gm_artifact make_loop(gm_store *s)
{
    gm_err err;
    int64_t run = 0, version = 0;
    bool is_new = false;
    gm_run_record r = { .pipeline = "p", .state = "running", .spec_digest = "", .environment_json = "{}", .summary_json = "" };
    CHECK_OK(gm_run_begin(s, &r, &run, &err), &err);
    gm_artifact file = put(s, "file0001", "file", "raw"), data = put(s, "data", "dataset", "rows"),
                model = put(s, "model", "model", "trees"), package = put(s, "package", "model", "manifest"),
                predictions = put(s, "predictions", "dataset", "scores");
    step(s, run, "load d", &file, 1, &data);
    step(s, run, "train t", &data, 1, &model);
    step(s, run, "package", (gm_artifact[]){ model, data }, 2, &package);
    step(s, run, "predict", &package, 1, &predictions);
    gm_dataset_version d = { .name = "d", .digest = data.digest, .source = "d.csv", .rows = 42, .columns = 2, .schema_json = "" };
    CHECK_OK(gm_dataset_add(s, &d, &version, &err), &err);
    gm_model_version v = { .model = "m",
                           .digest = package.digest,
                           .run_id = run,
                           .trainer = "t",
                           .metrics_json = "{}",
                           .aliases = "",
                           .tags_json = "{}" };
    CHECK_OK(gm_model_register(s, &v, &version, &is_new, &err), &err);
    CHECK_OK(gm_model_alias_set(s, "m", "champion", version, &err), &err);
    CHECK_OK(gm_model_use(s, &package.digest, "predict", "new.csv -> out.csv", &err), &err);
    return file;
}

static void both_directions_are_followed(void)
{
    gm_store *s = open_store();
    gm_buf b = { 0 };
    gm_err err;
    (void)make_loop(s);
    CHECK_OK(gm_lineage_text(s, "m@champion", &b, &err), &err);
    const char *t = gm_buf_str(&b);
    CHECK_HAS(t, "m version 1 (champion)\n\nmade from\n  package ");
    CHECK_HAS(t, " <- package, run 1\n    model ");
    CHECK_HAS(t, " <- train t, run 1\n      data (dataset) ");
    CHECK_HAS(t, ", d version 1 from d.csv, 42 rows <- load d, run 1\n        file0001 (file) ");
    CHECK_HAS(t, ", d version 1 from d.csv, 42 rows (see above)\n");
    CHECK_HAS(t, "\nused by\n  -> predict, run 1\n    predictions (dataset) ");
    CHECK_HAS(t, "  -> predict: new.csv -> out.csv\n");
    gm_buf_clear(&b);
    gm_store_close(s);
}

static void a_file_leads_forward_to_predictions(void)
{
    gm_store *s = open_store();
    gm_buf b = { 0 };
    gm_err err;
    gm_artifact file = make_loop(s);
    CHECK_OK(gm_lineage_text(s, file.digest.hex, &b, &err), &err);
    CHECK_HAS(gm_buf_str(&b), "-> load d, run 1\n");
    CHECK_HAS(gm_buf_str(&b), "predictions (dataset)");
    gm_buf_clear(&b);
    gm_store_close(s);
}

static void json_has_the_same_edges(void)
{
    gm_store *s = open_store();
    gm_buf b = { 0 };
    gm_json j;
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    gm_node *root = NULL;
    (void)make_loop(s);
    gm_json_init(&j, &b, true);
    CHECK_OK(gm_lineage_json(s, "m", &j, &err), &err);
    CHECK_OK(gm_json_read(gm_buf_str(&b), b.len, "lineage", a, &root, &err), &err);
    CHECK_STR(gm_node_str_or(gm_node_get(root, "model"), "name", ""), "m");
    const gm_node *maker = gm_node_get(gm_node_get(root, "artifact"), "made_by"), *inputs = gm_node_get(maker, "inputs");
    CHECK_STR(gm_node_str_or(maker, "step", ""), "package");
    CHECK(inputs && inputs->count == 2);
    CHECK_STR(gm_node_str_or(gm_node_get(inputs->items[0], "made_by"), "step", ""), "train t");
    CHECK(gm_node_bool_or(inputs->items[1], "repeated", false));
    const gm_node *users = gm_node_get(root, "used_by");
    CHECK(users && users->count == 1);
    CHECK_STR(gm_node_str_or(users->items[0], "step", ""), "predict");
    CHECK(gm_node_get(root, "uses")->count == 1);
    gm_arena_free(a);
    gm_buf_clear(&b);
    gm_store_close(s);
}

static void what_is_not_known_is_not_found(void)
{
    gm_store *s = open_store();
    gm_buf b = { 0 };
    gm_err err;
    (void)make_loop(s);
    CHECK_RC(gm_lineage_text(s, "nobody", &b, &err), GM_ENOTFOUND);
    CHECK_RC(gm_lineage_text(s, "0000000000000000000000000000000000000000000000000000000000000000", &b, &err), GM_ENOTFOUND);
    CHECK_HAS(err.message, "000000000000");
    CHECK(b.len == 0);
    gm_store_close(s);
}

/* A long chain: every step uses what the one before made. */
static void a_long_chain_is_cut_not_crashed(void)
{
    gm_store *s = open_store();
    gm_buf b = { 0 };
    gm_json j;
    gm_err err;
    int64_t run = 0;
    gm_run_record r = { .pipeline = "p", .state = "running", .spec_digest = "", .environment_json = "{}", .summary_json = "" };
    CHECK_OK(gm_run_begin(s, &r, &run, &err), &err);
    gm_artifact before = put(s, "a", "file", "start"), first = before;
    for (int i = 0; i < 60; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "link %d", i);
        gm_artifact next = put(s, "a", "file", text);
        step(s, run, text, &before, 1, &next);
        before = next;
    }
    gm_json_init(&j, &b, false);
    CHECK_OK(gm_lineage_json(s, before.digest.hex, &j, &err), &err);
    CHECK_HAS(gm_buf_str(&b), "\"cut\":true");
    gm_buf_clear(&b);
    gm_json_init(&j, &b, false);
    CHECK_OK(gm_lineage_json(s, first.digest.hex, &j, &err), &err);
    CHECK_HAS(gm_buf_str(&b), "\"cut\":true");
    gm_buf_clear(&b);
    CHECK_OK(gm_lineage_text(s, before.digest.hex, &b, &err), &err);
    CHECK_HAS(gm_buf_str(&b), "<- link 0, run 1");
    gm_buf_clear(&b);
    gm_store_close(s);
}

TESTS(T(both_directions_are_followed), T(a_file_leads_forward_to_predictions), T(json_has_the_same_edges),
      T(what_is_not_known_is_not_found), T(a_long_chain_is_cut_not_crashed))
