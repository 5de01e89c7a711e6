/* provenance.c - see provenance.h. The lineage is followed back from the package, each step once. */
#include "govern/provenance.h"

#include <stdio.h>
#include <string.h>

#include "base/column.h"

enum { STEPS_MAX = 4096 };

typedef struct walk {
    gm_store *store;
    gm_arena *a;
    gm_step_record *steps; /* [steps_count] of [STEPS_MAX] that led to the package */
    size_t steps_count;
    gm_artifact *leaves;   /* [leaves_count] inputs that no step made: files, code */
    size_t leaves_count;
} walk;

static bool seen_step(const walk *w, int64_t id)
{
    for (size_t i = 0; i < w->steps_count; i++)
        if (w->steps[i].id == id) return true;
    return false;
}

static void add_leaf(walk *w, const gm_artifact *leaf)
{
    for (size_t i = 0; i < w->leaves_count; i++)
        if (strcmp(w->leaves[i].digest.hex, leaf->digest.hex) == 0) return;
    if (w->leaves_count < STEPS_MAX) w->leaves[w->leaves_count++] = *leaf;
}

/* The step that made d, if there is one and it was not seen, joins the list. */
static gm_rc follow(walk *w, const gm_artifact *artifact, gm_err *err)
{
    gm_step_record maker;
    gm_err none;
    gm_rc rc = gm_lineage_maker(w->store, &artifact->digest, w->a, &maker, &none);
    if (rc == GM_ENOTFOUND) {
        add_leaf(w, artifact);
        return GM_OK;
    }
    if (rc) {
        *err = none;
        return rc;
    }
    if (!seen_step(w, maker.id) && w->steps_count < STEPS_MAX) w->steps[w->steps_count++] = maker;
    return GM_OK;
}

static gm_rc collect(walk *w, const gm_digest *package, gm_err *err)
{
    gm_artifact root = { .name = "package", .type = "package", .digest = *package };
    gm_rc rc = follow(w, &root, err);
    for (size_t i = 0; !rc && i < w->steps_count; i++) { /* the list grows while it is read */
        gm_artifacts inputs = { 0 };
        rc = gm_step_artifacts(w->store, w->steps[i].id, true, w->a, &inputs, err);
        for (size_t k = 0; !rc && k < inputs.count; k++) rc = follow(w, &inputs.items[k], err);
    }
    return rc;
}

static void digest_json(gm_json *j, const char *name, const char *hex)
{
    gm_json_object(j);
    gm_json_kstr(j, "name", name);
    gm_json_key(j, "digest");
    gm_json_object(j);
    gm_json_kstr(j, "sha256", hex);
    gm_json_object_end(j);
    gm_json_object_end(j);
}

static void time_json(gm_json *j, const char *key, int64_t us)
{
    char text[48];
    (void)gm_time_text(us - us % 1000000, text, sizeof(text) - 2);
    size_t len = strlen(text);
    text[len] = 'Z';
    text[len + 1] = '\0';
    gm_json_kstr(j, key, text);
}

static void predicate(const walk *w, const gm_model_version *v, const gm_run_record *run, gm_json *j)
{
    gm_json_key(j, "buildDefinition");
    gm_json_object(j);
    gm_json_kstr(j, "buildType", "urn:gristmill:pipeline:1");
    gm_json_key(j, "externalParameters");
    gm_json_object(j);
    gm_json_kstr(j, "pipeline", run->pipeline);
    gm_json_kstr(j, "file_sha256", run->spec_digest);
    gm_json_kstr(j, "trainer", v->trainer);
    gm_json_object_end(j);
    gm_json_key(j, "internalParameters");
    gm_json_object(j);
    for (size_t i = 0; i < w->steps_count; i++) gm_json_kstr(j, w->steps[i].name, w->steps[i].key); /* action keys */
    gm_json_object_end(j);
    gm_json_key(j, "resolvedDependencies");
    gm_json_array(j);
    for (size_t i = 0; i < w->leaves_count; i++) digest_json(j, w->leaves[i].name, w->leaves[i].digest.hex);
    gm_json_array_end(j);
    gm_json_object_end(j);

    gm_json_key(j, "runDetails");
    gm_json_object(j);
    gm_json_key(j, "builder");
    gm_json_object(j);
    gm_json_kstr(j, "id", "urn:gristmill:program:" GM_VERSION);
    gm_json_object_end(j);
    gm_json_key(j, "metadata");
    gm_json_object(j);
    char run_id[32];
    (void)snprintf(run_id, sizeof(run_id), "run-%lld", (long long)v->run_id);
    gm_json_kstr(j, "invocationId", run_id);
    time_json(j, "startedOn", run->started_us);
    if (run->ended_us) time_json(j, "finishedOn", run->ended_us);
    gm_json_object_end(j);
    gm_json_key(j, "byproducts");
    gm_json_array(j);
    for (size_t i = 0; i < w->steps_count; i++)
        if (w->steps[i].log_digest && w->steps[i].log_digest[0]) digest_json(j, w->steps[i].name, w->steps[i].log_digest);
    gm_json_array_end(j);
    gm_json_object_end(j);
}

gm_rc gm_provenance(gm_store *store, const gm_model_version *v, gm_buf *out, gm_err *err)
{
    walk w = { .store = store, .a = gm_arena_new(0) };
    gm_run_record run;
    gm_json j;
    if (!w.a) return gm_err_set(err, GM_ENOMEM, "not enough memory for the provenance");
    w.steps = GM_ARENA_ARRAY(w.a, gm_step_record, STEPS_MAX);
    w.leaves = GM_ARENA_ARRAY(w.a, gm_artifact, STEPS_MAX);
    gm_rc rc = w.steps && w.leaves ? gm_run_get(store, v->run_id, w.a, &run, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for the provenance");
    if (!rc) rc = collect(&w, &v->digest, err);
    if (!rc) {
        gm_json_init(&j, out, false);
        gm_json_object(&j);
        gm_json_kstr(&j, "_type", "https://in-toto.io/Statement/v1");
        gm_json_key(&j, "subject");
        gm_json_array(&j);
        digest_json(&j, gm_arena_printf(w.a, "models/%s/%lld/manifest.json", v->model, (long long)v->version), v->digest.hex);
        gm_json_array_end(&j);
        gm_json_kstr(&j, "predicateType", "https://slsa.dev/provenance/v1");
        gm_json_key(&j, "predicate");
        gm_json_object(&j);
        predicate(&w, v, &run, &j);
        gm_json_object_end(&j);
        gm_json_object_end(&j);
        gm_buf_char(out, '\n');
        if (out->failed) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for the provenance");
    }
    gm_arena_free(w.a);
    return rc;
}
