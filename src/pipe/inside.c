/* inside.c - the steps that the runner does itself, because they write the store: registering the package, keeping the card's
 * record. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pipe/reports.h"
#include "pipe/run_internal.h"

static const gm_artifact *input_artifact(const gm_runner *r, const gm_step *s, const char *name)
{
    for (size_t i = 0; i < s->inputs_count; i++)
        if (strcmp(s->inputs[i].name, name) == 0) return gm_edge_artifact(r->g, &s->inputs[i]);
    return NULL;
}

static gm_rc package_facts(gm_runner *r, const gm_digest *package, const char **out_trainer, const char **out_metrics,
                           gm_err *err)
{
    void *bytes = NULL;
    size_t len = 0;
    gm_node *manifest = NULL, *metrics = NULL;
    gm_digest d = { 0 };
    gm_rc rc = gm_blob_get(r->store, package, r->a, &bytes, &len, err);
    if (!rc) rc = gm_json_read(bytes, len, "manifest.json", r->a, &manifest, err);
    if (rc) return rc;
    const gm_node *files = gm_node_get(manifest, "files");
    for (size_t i = 0; files && i < files->count; i++)
        if (strcmp(gm_node_str_or(files->items[i], "name", ""), "metrics.json") == 0)
            (void)gm_digest_parse(gm_node_str_or(files->items[i], "sha256", ""), &d);
    if (!d.hex[0]) return gm_err_set(err, GM_ECORRUPT, "the package %.12s has no metrics.json", package->hex);
    rc = gm_blob_get(r->store, &d, r->a, &bytes, &len, err);
    if (!rc) rc = gm_json_read(bytes, len, "metrics.json", r->a, &metrics, err);
    if (rc) return rc;
    *out_trainer = gm_node_str_or(metrics, "trainer", "");
    *out_metrics = bytes;
    return GM_OK;
}

gm_rc gm_inside_begin(gm_runner *r, gm_step *s, const char *kind, gm_err *err)
{
    gm_rc rc = gm_runner_begin(r, err);
    if (rc) return rc;
    s->record = (gm_step_record){ .run_id = r->run_id,
                                  .name = s->name,
                                  .kind = kind,
                                  .key = s->key,
                                  .key_fields = s->key_fields,
                                  .state = "running",
                                  .attempt = 1,
                                  .started_us = gm_now_us(),
                                  .rows = -1,
                                  .error = "",
                                  .result_json = "",
                                  .log_digest = "" };
    rc = gm_step_begin(r->store, &s->record, err);
    return rc ? rc : gm_step_point("step.begin", kind, err);
}

gm_rc gm_inside_commit(gm_runner *r, gm_step *s, const char *output, const char *file, const char *text, size_t len, gm_err *err)
{
    gm_artifact *out = GM_ARENA_NEW(r->a, gm_artifact), *ins = GM_ARENA_ARRAY(r->a, gm_artifact, s->inputs_count);
    if (!out || !ins) return gm_err_set(err, GM_ENOMEM, "not enough memory for step \"%s\"", s->name);
    *out =
        (gm_artifact){ .name = output, .type = "report", .size_bytes = (int64_t)len, .meta_json = gm_artifact_meta(r->a, file) };
    gm_rc rc = gm_blob_put(r->store, text, len, &out->digest, err);
    if (rc) return rc;
    s->outputs = (gm_artifacts){ .items = out, .count = 1 };
    if (!s->record.id) return GM_OK; /* nothing changed: nothing to record */
    for (size_t i = 0; i < s->inputs_count; i++)
        ins[i] =
            (gm_artifact){ .name = s->inputs[i].name, .type = s->inputs[i].type, .digest = s->inputs[i].digest, .meta_json = "" };
    gm_artifacts inputs = { .items = ins, .count = s->inputs_count };
    rc = gm_step_point("step.end", s->record.kind, err);
    if (rc) return rc;
    s->record.state = "done";
    s->record.ended_us = gm_now_us();
    s->state = GM_STEP_DONE;
    return gm_step_commit(r->store, &s->record, &inputs, &s->outputs, err);
}

static gm_rc version_of(gm_runner *r, const gm_digest *package, int64_t *out, gm_err *err)
{
    gm_model_version *all = NULL;
    size_t count = 0;
    gm_rc rc = gm_model_list(r->store, r->g->spec->pipeline, r->a, &all, &count, err);
    *out = 0;
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].digest.hex, package->hex) == 0) *out = all[i].version;
    return rc;
}

/* The champion itself; or a version that is tried, or was, and is not to be made champion by a run. */
gm_rc gm_registered_already(gm_runner *r, const gm_digest *package, int64_t *out_version, gm_err *err)
{
    *out_version = 0;
    if (strcmp(r->champion, package->hex) != 0 && !(r->g->spec->deploy.mode && r->champion[0])) return GM_OK;
    return version_of(r, package, out_version, err);
}

static gm_rc new_version(gm_runner *r, gm_step *s, const gm_artifact *package, int64_t *out_version, gm_err *err)
{
    const char *trainer = "", *metrics = "";
    bool tried = r->g->spec->deploy.mode && r->champion[0]; /* the first one has nobody to be tried beside */
    gm_rc rc = gm_inside_begin(r, s, "register", err);
    if (!rc) rc = package_facts(r, &package->digest, &trainer, &metrics, err);
    gm_model_version v = { .model = r->g->spec->pipeline,
                           .digest = package->digest,
                           .run_id = r->run_id,
                           .step_id = s->record.id,
                           .created_us = gm_now_us(),
                           .trainer = trainer,
                           .metrics_json = metrics,
                           .aliases = tried ? "" : "champion",
                           .tags_json =
                               gm_arena_printf(r->a, "{\"compared_with\":\"%s\"}", r->champion[0] ? r->champion : "none") };
    if (!v.tags_json) return gm_err_set(err, GM_ENOMEM, "not enough memory to register the model");
    if (!rc) rc = gm_model_register(r->store, &v, out_version, &r->result->version_is_new, err);
    if (!rc && !r->result->version_is_new && !r->champion[0])
        rc = gm_model_alias_set(r->store, v.model, "champion", *out_version, err);
    return rc;
}

gm_rc gm_register_package(gm_runner *r, gm_step *s, gm_err *err)
{
    const gm_artifact *package = input_artifact(r, s, "package");
    gm_assert(package != NULL);
    int64_t version = 0;
    gm_rc rc = gm_registered_already(r, &package->digest, &version, err);
    if (!rc && version) s->state = GM_STEP_CACHED; /* nothing changes, and nothing is recorded */
    else if (!rc) rc = new_version(r, s, package, &version, err);
    if (rc) return rc;
    r->result->package = package->digest;
    r->result->model = r->g->spec->pipeline;
    r->result->version = version;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "model", r->g->spec->pipeline);
    gm_json_kint(&j, "version", version);
    gm_json_kstr(&j, "package", package->digest.hex);
    gm_json_object_end(&j);
    gm_buf_char(&b, '\n');
    rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to register the model")
                  : gm_inside_commit(r, s, "registered", "registered.json", gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    return rc;
}

gm_rc gm_keep_card(gm_runner *r, gm_step *s, gm_err *err)
{
    gm_buf b = { 0 };
    gm_rc rc = gm_inside_begin(r, s, "card", err);
    if (!rc) rc = gm_card_record(r->store, r->result, false, &b, err);
    if (!rc) rc = gm_inside_commit(r, s, "record", "card.json", gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    return rc;
}
