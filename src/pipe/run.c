/* run.c - see run.h: the loop that takes what is cached, starts what is ready, and waits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/fs.h"
#include "pipe/run_internal.h"

enum { JOBS_MAX = 256, POLL_MS = 250, RUNS_LOOKED_AT = 20 };

static void tell_finished(gm_runner *r, const gm_step *s)
{
    switch (s->state) {
    case GM_STEP_DONE: r->result->done++; break;
    case GM_STEP_CACHED: r->result->cached++; break;
    case GM_STEP_FAILED: r->result->failed++; break;
    case GM_STEP_SKIPPED: r->result->skipped++; break;
    case GM_STEP_WAITING:
    case GM_STEP_RUNNING: break;
    }
    if (r->o->watch.finished) r->o->watch.finished(r->o->watch.ctx, s);
}

gm_rc gm_runner_begin(gm_runner *r, gm_err *err)
{
    if (r->run_id) return GM_OK;
    gm_run_record record = { .pipeline = r->g->spec->pipeline,
                             .state = "running",
                             .spec_digest = "",
                             .environment_json = "",
                             .started_us = gm_now_us(),
                             .summary_json = "" };
    gm_buf b = { 0 };
    gm_digest d = { 0 };
    gm_err unread;
    if (gm_fs_read(r->g->spec->file, 0, &b, &unread) == GM_OK) gm_digest_of(gm_buf_str(&b), b.len, &d);
    gm_buf_clear(&b);
    record.spec_digest = d.hex;
    const char *trigger = r->o->trigger ? gm_arena_printf(r->a, ",\"trigger\":%lld", (long long)r->o->trigger) : "";
    record.environment_json = gm_arena_printf(r->a, "{\"program\":\"gristmill %s\",\"engine\":\"duckdb %s\"%s}", GM_VERSION,
                                              gm_engine_version(), trigger ? trigger : "");
    gm_rc rc = gm_run_begin(r->store, &record, &r->run_id, err);
    if (!rc) r->result->run_id = r->run_id;
    return rc;
}

/* ---- readiness ------------------------------------------------------------------------------------------------ */

typedef enum readiness { NOT_YET, READY, NEVER } readiness;

static readiness look(const gm_graph *g, const gm_step *s)
{
    for (size_t i = 0; i < s->inputs_count; i++) {
        if (s->inputs[i].from < 0) continue;
        switch (g->steps[s->inputs[i].from].state) {
        case GM_STEP_FAILED:
        case GM_STEP_SKIPPED: return NEVER;
        case GM_STEP_WAITING:
        case GM_STEP_RUNNING: return NOT_YET;
        case GM_STEP_DONE:
        case GM_STEP_CACHED: break;
        }
    }
    return READY;
}

/* The champion becomes an input of the gates. The candidate being the champion itself, its old opponent stands in, so that a
 * second run asks the same question and finds the same answer. */
static gm_rc add_champion(gm_runner *r, gm_step *s, gm_err *err)
{
    gm_digest candidate = { 0 }, champion = { 0 };
    for (size_t i = 0; i < s->inputs_count; i++) {
        if (strcmp(s->inputs[i].name, "champion") == 0) return GM_OK;
        if (strcmp(s->inputs[i].name, "package") != 0) continue;
        const gm_artifact *package = gm_edge_artifact(r->g, &s->inputs[i]);
        if (package) candidate = package->digest;
    }
    const char *against = r->champion;
    if (r->o->champion && strcmp(against, candidate.hex) == 0) return GM_OK; /* nothing to compare: the caller sees that it is the same */
    if (strcmp(against, candidate.hex) == 0) {
        gm_model_version v;
        gm_node *tags = NULL;
        gm_rc rc = gm_model_resolve(r->store, gm_arena_printf(r->a, "%s@champion", r->g->spec->pipeline), r->a, &v, err);
        if (rc) return rc;
        if (!v.tags_json || gm_json_read(v.tags_json, strlen(v.tags_json), "tags", r->a, &tags, NULL)) tags = NULL;
        against = gm_node_str_or(tags, "compared_with", "");
    }
    if (!gm_digest_parse(against, &champion)) return GM_OK; /* none */
    gm_edge *edges = GM_ARENA_ARRAY(r->a, gm_edge, s->inputs_count + 1);
    if (!edges) return gm_err_set(err, GM_ENOMEM, "not enough memory for the gates");
    memcpy(edges, s->inputs, s->inputs_count * sizeof(*edges));
    edges[s->inputs_count] = (gm_edge){ .name = "champion", .from = -1, .type = "package", .digest = champion };
    s->inputs = edges;
    s->inputs_capacity = ++s->inputs_count;
    return GM_OK;
}

static bool is_champion_already(const gm_runner *r, const gm_step *s)
{
    for (size_t i = 0; i < s->inputs_count; i++)
        if (strcmp(s->inputs[i].name, "package") == 0) return strcmp(s->inputs[i].digest.hex, r->champion) == 0;
    return false;
}

/* Take the outputs from the cache when the key was seen before and every output is still there. */
static gm_rc take_cached(gm_runner *r, gm_step *s, bool *out_hit, gm_err *err)
{
    gm_err miss;
    *out_hit = false;
    if (!s->cacheable || r->o->force || s->remake) return GM_OK;
    gm_rc rc = gm_action_get(r->store, s->key, r->a, &s->outputs, &s->record, &miss);
    if (rc == GM_ENOTFOUND) return GM_OK;
    if (rc) {
        *err = miss;
        return rc;
    }
    for (size_t i = 0; i < s->outputs.count; i++)
        if (!gm_blob_exists(r->store, &s->outputs.items[i].digest)) {
            s->outputs = (gm_artifacts){ 0 };
            return GM_OK; /* a blob is gone: make it again */
        }
    *out_hit = true;
    return GM_OK;
}

static const char *why_it_runs(gm_runner *r, const gm_step *s)
{
    gm_step_record before;
    gm_err none;
    if (!s->cacheable) return "it runs every time";
    if (r->o->force) return "forced";
    if (gm_step_nearest(r->store, s->name, s->key, r->a, &before, &none)) return "never run before";
    const char *difference = gm_key_difference(before.key_fields, s->key_fields, r->a);
    return difference[0] ? difference : "its last attempt did not finish";
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

typedef struct wave {
    gm_attempt attempts[JOBS_MAX];
    int64_t numbers[JOBS_MAX]; /* attempt numbers */
    size_t count, max;
} wave;

static void fail_step(gm_runner *r, gm_step *s, const gm_err *err)
{
    s->state = GM_STEP_FAILED;
    if (!r->failed) r->first = *err;
    r->failed = true;
    tell_finished(r, s);
}

/* The step whose output an edge carries: a check without broken rows hands on what it was given. */
static gm_step *maker_of(gm_graph *g, const gm_edge *e)
{
    gm_step *s = &g->steps[e->from];
    if (gm_step_output(s, e->output)) return s;
    for (size_t i = 0; i < s->inputs_count; i++)
        if (strcmp(s->inputs[i].name, "data") == 0 && s->inputs[i].from >= 0) return maker_of(g, &s->inputs[i]);
    return s;
}

/* A damaged input that a cached step made is made again, once. true: the step waits for it. */
static bool remake_inputs(gm_runner *r, gm_step *s)
{
    bool any = false;
    for (size_t i = 0; i < s->inputs_count; i++) {
        const gm_edge *e = &s->inputs[i];
        const char *path = NULL;
        if (e->from < 0) continue;
        gm_step *maker = maker_of(r->g, e);
        bool damaged = strcmp(e->type, "package") == 0 || gm_blob_path(r->store, &e->digest, r->a, &path, NULL) == GM_ECORRUPT;
        if (!damaged || maker->state != GM_STEP_CACHED || maker->remake) continue;
        maker->remake = true;
        maker->state = GM_STEP_WAITING;
        r->result->cached--;
        any = true;
        if (r->o->watch.note)
            r->o->watch.note(
                r->o->watch.ctx, maker,
                gm_arena_printf(r->a, "warning: an output of \"%s\" is damaged in the store; the step runs again", maker->name));
    }
    return any;
}

/* In a plan only what changes nothing. */
static gm_rc advance_inside(gm_runner *r, gm_step *s, bool *out_moved, gm_err *err)
{
    bool waits = false;
    int64_t version = 0;
    gm_rc rc = GM_OK;
    if (r->planning && s->inside == GM_INSIDE_REGISTER) {
        for (size_t i = 0; !rc && i < s->inputs_count; i++)
            if (strcmp(s->inputs[i].name, "package") == 0) rc = gm_registered_already(r, &s->inputs[i].digest, &version, err);
        waits = version == 0;
    } else if (r->planning) {
        waits = s->inside == GM_INSIDE_CARD;
    }
    if (rc || waits) return rc;
    switch (s->inside) {
    case GM_INSIDE_REGISTER: rc = gm_register_package(r, s, err); break;
    case GM_INSIDE_DEPLOY: rc = gm_deploy_version(r, s, &waits, err); break;
    case GM_INSIDE_CARD: rc = gm_keep_card(r, s, err); break;
    case GM_INSIDE_NO: gm_assert(false && "a step without a process");
    }
    *out_moved = !waits;
    if (!rc && !waits) tell_finished(r, s);
    return rc;
}

/* Decide about one waiting step. *out_moved: something changed, look again. */
static gm_rc advance(gm_runner *r, size_t index, wave *w, bool *out_moved, gm_err *err)
{
    gm_step *s = &r->g->steps[index];
    gm_err step_err;
    readiness ready = look(r->g, s);
    if (ready == NOT_YET) return GM_OK;
    if (ready == NEVER) {
        s->state = GM_STEP_SKIPPED;
        *out_moved = true;
        tell_finished(r, s);
        return GM_OK;
    }
    gm_rc rc = s->wants_champion ? add_champion(r, s, err) : GM_OK;
    if (rc) return rc;
    if (!s->key) {
        rc = gm_step_key(r->store, r->g, s, &step_err);
        if (rc) {
            fail_step(r, s, &step_err);
            *out_moved = true;
            return GM_OK;
        }
    }
    bool hit = s->for_new_only && !r->o->force && is_champion_already(r, s); /* nothing hangs on the answer */
    rc = hit ? GM_OK : take_cached(r, s, &hit, err);
    if (rc) return rc;
    if (hit) {
        s->state = GM_STEP_CACHED;
        *out_moved = true;
        tell_finished(r, s);
        return GM_OK;
    }
    if (s->inside) return advance_inside(r, s, out_moved, err);
    if (r->planning) return GM_OK;
    if (w->count == w->max || r->failed) return GM_OK;
    s->reason = why_it_runs(r, s);
    rc = gm_attempt_start(r, index, 1, &w->attempts[w->count], &step_err);
    if (rc == GM_ECORRUPT && remake_inputs(r, s)) {
        *out_moved = true;
        return GM_OK;
    }
    if (rc) {
        fail_step(r, s, &step_err);
        *out_moved = true;
        return GM_OK;
    }
    w->numbers[w->count++] = 1;
    s->state = GM_STEP_RUNNING;
    *out_moved = true;
    if (r->o->watch.started) r->o->watch.started(r->o->watch.ctx, s);
    return GM_OK;
}

static gm_rc end_all(gm_runner *r, wave *w, gm_err *err)
{
    gm_job jobs[JOBS_MAX];
    for (size_t i = 0; i < w->count; i++) jobs[i] = w->attempts[i].job;
    gm_rc rc = r->executor->kill(jobs, w->count, err);
    for (size_t i = 0; !rc && i < w->count; i++) {
        gm_step *s = &r->g->steps[w->attempts[i].step];
        s->record.state = "canceled";
        s->record.error = "the run was canceled";
        s->record.ended_us = gm_now_us();
        s->state = GM_STEP_FAILED;
        rc = gm_step_end(r->store, &s->record, err);
    }
    w->count = 0;
    return rc;
}

/* One attempt has ended: keep what it made, try again where the file says so. */
static gm_rc settle(gm_runner *r, wave *w, size_t i, gm_err *err)
{
    gm_attempt *t = &w->attempts[i];
    gm_step *s = &r->g->steps[t->step];
    gm_err step_err;
    gm_rc step_rc = GM_OK, rc = gm_attempt_finish(r, t, &step_rc, &step_err, err);
    if (rc) return rc;
    if (step_rc && step_rc != GM_EREFUSED && w->numbers[i] <= s->retry) {
        if (r->o->watch.note)
            r->o->watch.note(
                r->o->watch.ctx, s,
                gm_arena_printf(r->a, "attempt %lld failed (%.200s); trying again", (long long)w->numbers[i], step_err.message));
        return gm_attempt_start(r, t->step, ++w->numbers[i], t, err);
    }
    w->attempts[i] = w->attempts[w->count - 1];
    w->numbers[i] = w->numbers[w->count - 1];
    w->count--;
    if (step_rc) {
        fail_step(r, s, &step_err);
        return GM_OK;
    }
    s->state = GM_STEP_DONE;
    tell_finished(r, s);
    return GM_OK;
}

static gm_rc wait_for_any(gm_runner *r, wave *w, gm_err *err)
{
    gm_job *jobs[JOBS_MAX];
    int64_t now = gm_monotonic_us();
    for (size_t i = 0; i < w->count; i++) {
        gm_attempt *t = &w->attempts[i];
        jobs[i] = &t->job;
        if (!t->deadline_us || now < t->deadline_us || t->timed_out) continue;
        t->timed_out = true;
        gm_job copy = t->job;
        gm_rc killed = r->executor->kill(&copy, 1, err);
        if (killed) return killed;
        t->job.state = GM_JOB_DONE;
        t->job.exit_code = -1;
    }
    gm_rc rc = r->executor->status(jobs, w->count, POLL_MS, err);
    for (size_t i = w->count; !rc && i-- > 0;)
        if (w->attempts[i].job.state != GM_JOB_RUNNING) rc = settle(r, w, i, err);
    return rc;
}

/* Cached steps of this run, recorded in one transaction: only when something else was recorded too. */
static gm_rc record_cached(gm_runner *r, gm_err *err)
{
    size_t count = 0;
    gm_step_record *records = GM_ARENA_ARRAY(r->a, gm_step_record, r->g->count);
    if (!r->run_id || !records) return GM_OK;
    for (size_t i = 0; i < r->g->count; i++) {
        gm_step *s = &r->g->steps[i];
        if (s->state != GM_STEP_CACHED || !s->cacheable) continue;
        records[count] = s->record;
        records[count].run_id = r->run_id;
        records[count].name = s->name;
        records[count].kind = s->kind ? s->kind->item.name : "run";
        records[count].key = s->key;
        records[count].key_fields = s->key_fields;
        records[count].state = "cached";
        records[count].started_us = records[count].ended_us = gm_now_us();
        count++;
    }
    return count ? gm_steps_cached(r->store, records, count, err) : GM_OK;
}

static gm_rc execute(gm_runner *r, gm_err *err)
{
    wave *w = GM_ARENA_NEW(r->a, wave);
    if (!w) return gm_err_set(err, GM_ENOMEM, "not enough memory to run");
    int64_t jobs = r->o->jobs > 0 ? r->o->jobs : gm_cpus();
    w->max = jobs < JOBS_MAX ? (size_t)jobs : JOBS_MAX;
    gm_rc rc = GM_OK;
    for (;;) {
        bool moved = true;
        while (!rc && moved) {
            moved = false;
            for (size_t i = 0; !rc && i < r->g->count; i++)
                if (r->g->steps[i].state == GM_STEP_WAITING) rc = advance(r, i, w, &moved, err);
        }
        if (rc || w->count == 0) break;
        if (r->o->watch.canceled && r->o->watch.canceled(r->o->watch.ctx)) {
            rc = end_all(r, w, err);
            if (!rc) rc = gm_err_set(err, GM_ECANCELED, "the run was canceled");
            return rc;
        }
        rc = wait_for_any(r, w, err);
        if (rc) break;
    }
    if (rc && w->count) {
        gm_err second;
        (void)end_all(r, w, &second); /* already failing; recovery ends what is left */
    }
    for (size_t i = 0; i < r->g->count; i++) /* after a failure: what was not begun */
        if (r->g->steps[i].state == GM_STEP_WAITING && r->failed) {
            r->g->steps[i].state = GM_STEP_SKIPPED;
            tell_finished(r, &r->g->steps[i]);
        }
    return rc;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static gm_rc read_report(gm_runner *r, const char *step, const char *output, const gm_node **out, gm_artifact *out_artifact,
                         gm_err *err)
{
    int index = gm_graph_find(r->g, step);
    const gm_artifact *artifact = index < 0 ? NULL : gm_step_output(&r->g->steps[index], output);
    void *bytes = NULL;
    size_t len = 0;
    gm_node *root = NULL;
    if (!artifact) return gm_err_set(err, GM_EINTERNAL, "step \"%s\" gave no \"%s\"", step, output);
    gm_rc rc = gm_blob_get(r->store, &artifact->digest, r->a, &bytes, &len, err);
    if (!rc) rc = gm_json_read(bytes, len, output, r->a, &root, err);
    if (rc) return rc;
    *out = root;
    if (out_artifact) *out_artifact = *artifact;
    return GM_OK;
}

/* Schemas into the spec; dataset versions into the store. */
static gm_rc take_schemas(gm_runner *r, gm_err *err)
{
    gm_spec *p = r->g->spec;
    for (size_t i = 0; i < p->data_count; i++) {
        const gm_node *json = NULL;
        gm_data_spec *d = &p->data[i];
        gm_schema *schema = GM_ARENA_NEW(r->a, gm_schema);
        const char *step = gm_arena_printf(r->a, "load %s", d->name);
        if (!schema || !step) return gm_err_set(err, GM_ENOMEM, "not enough memory for the schemas");
        gm_rc rc = read_report(r, step, "schema", &json, NULL, err);
        if (!rc) rc = gm_schema_read(json, r->a, schema, err);
        if (rc) return gm_err_ctx(err, rc, "reading the schema of \"%s\"", d->name);
        d->schema = schema;
        const gm_step *s = &r->g->steps[gm_graph_find(r->g, step)];
        const gm_artifact *data = gm_step_output(s, "data");
        d->digest = data->digest.hex;
        if (s->state != GM_STEP_DONE) continue;
        int64_t version = 0;
        gm_dataset_version v = { .name = d->name,
                                 .digest = data->digest,
                                 .source = d->source.from,
                                 .rows = schema->rows,
                                 .columns = (int64_t)schema->count,
                                 .created_us = gm_now_us(),
                                 .schema_json = "" };
        rc = gm_dataset_add(r->store, &v, &version, err);
        if (rc) return rc;
    }
    return GM_OK;
}

static gm_rc remove_scratch(gm_store *store, gm_arena *a, gm_err *err)
{
    const char *tmp = gm_path_join(a, gm_store_root(store), "tmp"), **names = NULL;
    size_t count = 0;
    gm_rc rc = gm_fs_is_dir(tmp) ? gm_fs_list(tmp, a, &names, &count, err) : GM_OK;
    for (size_t i = 0; !rc && i < count; i++)
        if (strncmp(names[i], "run-", 4) == 0) rc = gm_fs_remove_tree(gm_path_join(a, tmp, names[i]), err);
    return rc;
}

gm_rc gm_run_recover(gm_store *store, int64_t *out_count, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_step_record *left = NULL;
    size_t count = 0, runs_count = 0;
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to recover");
    gm_rc rc = gm_step_unfinished(store, a, &left, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_job job = { .id = left[i].pid, .start = left[i].pid_start };
        rc = gm_executor_local.kill(&job, 1, err);
        left[i].state = "lost";
        left[i].error = "the run ended before this step did";
        left[i].ended_us = gm_now_us();
        if (!rc) rc = gm_step_end(store, &left[i], err);
    }
    gm_run_record *runs = NULL; /* also one that died between two steps; each run recovers, so that only new ones can be open */
    if (!rc) rc = gm_run_list(store, RUNS_LOOKED_AT, a, &runs, &runs_count, err);
    for (size_t i = 0; !rc && i < runs_count; i++)
        if (strcmp(runs[i].state, "running") == 0) rc = gm_run_end(store, runs[i].id, "lost", "", err);
    if (!rc) rc = remove_scratch(store, a, err);
    gm_arena_free(a);
    if (!rc && out_count) *out_count = (int64_t)count;
    return rc;
}

static gm_rc find_champion(gm_runner *r, gm_err *err)
{
    gm_model_version v;
    r->champion = r->o->champion ? r->o->champion->hex : "";
    if (r->o->champion) return GM_OK;
    gm_rc rc = gm_model_resolve(r->store, gm_arena_printf(r->a, "%s@champion", r->g->spec->pipeline), r->a, &v, err);
    if (rc == GM_ENOTFOUND) return GM_OK;
    if (!rc) r->champion = gm_arena_strdup(r->a, v.digest.hex);
    return rc;
}

static gm_rc run_parts(gm_runner *r, gm_errs *errs, gm_err *err)
{
    gm_spec *p = r->g->spec;
    gm_rc rc = execute(r, err); /* load and inspect: also for a plan, since names and types come from them */
    if (rc || r->failed) return rc;
    const gm_node *inspect = NULL;
    rc = take_schemas(r, err);
    if (!rc && p->target_text && p->primary) rc = read_report(r, "inspect", "inspect", &inspect, NULL, err);
    if (!rc) rc = gm_spec_resolve(p, inspect, errs);
    if (!rc) rc = gm_graph_extend(r->g, errs);
    if (rc) return rc;
    r->planning = r->o->plan_only;
    return execute(r, err);
}

gm_rc gm_pipeline_run(gm_store *store, gm_spec *spec, const gm_run_options *o, gm_run_result *out, gm_errs *errs, gm_err *err)
{
    int64_t began = gm_monotonic_us();
    *out = (gm_run_result){ 0 };
    gm_runner r = { .store = store, .executor = &gm_executor_local, .g = &out->graph, .o = o, .a = spec->a, .result = out };
    out->graph.goal = o->goal;
    gm_rc rc = gm_graph_begin(spec, &out->graph, errs);
    if (rc) return rc;
    r.dir = gm_arena_printf(r.a, "%s/tmp/run-%ld-%lld", gm_store_root(store), (long)getpid(), (long long)gm_monotonic_us());
    if (r.dir && r.dir[0] != '/') { /* steps run in other folders */
        char *cwd = getcwd(NULL, 0);
        r.dir = cwd ? gm_arena_printf(r.a, "%s/%s", cwd, r.dir) : r.dir;
        free(cwd);
    }
    rc = find_champion(&r, err);
    spec->by_trigger = spec->by_trigger || o->trigger;
    if (!rc && o->trigger) rc = gm_runner_begin(&r, err); /* so that whoever asked can tell what became of it */
    if (!rc) rc = run_parts(&r, errs, err);
    if (!rc && r.failed) {
        *err = r.first;
        rc = r.first.rc;
    }
    if (!o->plan_only || r.run_id) {
        gm_err second;
        gm_rc recorded = record_cached(&r, &second);
        const char *state = !rc ? "done" : rc == GM_EREFUSED ? "refused" : rc == GM_ECANCELED ? "canceled" : "failed";
        if (!recorded && r.run_id)
            recorded = gm_run_end(store, r.run_id, state,
                                  gm_arena_printf(r.a,
                                                  "{\"done\":%zu,\"cached\":%zu,\"failed\":%zu,\"skipped\":%zu,\"may_retry\":%s}",
                                                  out->done, out->cached, out->failed, out->skipped,
                                                  gm_rc_may_retry(rc) ? "true" : "false"),
                                  &second);
        if (!rc && recorded) {
            rc = recorded;
            *err = second;
        }
    }
    if (r.dir && !(rc && o->keep_scratch)) (void)gm_fs_remove_tree(r.dir, NULL); /* scratch; a later run removes what stays */
    out->seconds = (double)(gm_monotonic_us() - began) / 1e6;
    return rc;
}
