/* rehearse_train.c - trainings: ordinary runs of the pipeline on data sets cut at a moment.
 *
 * A run is planned first, which takes all that was done before, and is begun only when something is missing. What a check or a
 * gate refused has no place in the cache of steps; we remember it under that step's key.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loop/rehearse_internal.h"
#include "train/trainer.h"

/* ---- the whole data sets ------------------------------------------------------------------------------------------- */

static gm_rc file_mistakes(const gm_errs *errs, gm_rc rc, const char *file, gm_err *err)
{
    return errs->count ? gm_errs_first(errs, rc, err) : gm_err_set(err, rc, "could not read \"%s\"", file);
}

static gm_run_options run_options(const gm_rehearsing *r, bool plan)
{
    return (gm_run_options){ .jobs = r->o->jobs,
                             .plan_only = plan,
                             .watch = { .ctx = r->o->watch.ctx, .canceled = r->o->watch.canceled } };
}

/* What a step's process cost, now or when it ran. */
static int64_t cpu_of(gm_rehearsing *r, const gm_graph *g)
{
    int64_t all = 0;
    for (size_t i = 0; i < g->count; i++) {
        const gm_step *s = &g->steps[i];
        if (s->state != GM_STEP_DONE && s->state != GM_STEP_CACHED && s->state != GM_STEP_FAILED) continue;
        all += s->record.cpu_us;
        if (s->state != GM_STEP_CACHED) r->out->cpu_trainings_us += s->record.cpu_us;
    }
    return all;
}

/* The columns that the target is made of: they are not known before the label is. */
static gm_rc find_label_columns(gm_rehearsing *r, gm_err *err)
{
    const gm_spec *p = &r->spec;
    gm_expr *e = NULL;
    const gm_schema *schema = p->primary->schema;
    const char **names = GM_ARENA_ARRAY(r->a, const char *, 1);
    size_t count = 1;
    if (!names) return gm_err_set(err, GM_ENOMEM, "not enough memory for the target");
    names[0] = r->spec.target_text;
    if (!gm_schema_find(schema, names[0])) {
        gm_rc rc = gm_expr_parse(names[0], p->target_pos, r->a, &e, r->errs);
        if (rc) return file_mistakes(r->errs, rc, p->file, err);
        rc = gm_expr_columns(e, r->a, &names, &count, err);
        if (rc) return rc;
    }
    r->label_columns = (gm_strs){ .items = names, .count = count };
    return GM_OK;
}

static gm_rc find_time(gm_rehearsing *r, gm_err *err)
{
    const gm_data_spec *d = r->spec.primary;
    r->time = d->time ? d->time : r->spec.split.column;
    const gm_field *f = r->time ? gm_schema_find(d->schema, r->time) : NULL;
    if (f && f->type == GM_TYPE_TIME) return GM_OK;
    gm_rc rc = gm_err_at(err, d->pos, GM_EINVALID, "a rehearsal needs to know when each row of \"%s\" happened", d->name);
    gm_err_hint(err, "Add `time: COLUMN`, a column of dates or times, to the data set.");
    return rc;
}

/* --trainer: one that there is, or one of the user's steps. */
static gm_rc check_trainer(const gm_rehearsing *r, gm_err *err)
{
    const gm_item *item = NULL;
    const char *name = r->o->trainer;
    for (size_t i = 0; name && i < r->spec.tries_count; i++)
        if (strcmp(r->spec.tries[i].name, name) == 0) return GM_OK;
    return name ? gm_registry_find(&gm_trainers, name, &item, err) : GM_OK;
}

/* Only the data are read here: what the pipeline makes of them is decided at each moment anew. */
gm_rc gm_rehearse_load(gm_rehearsing *r, gm_err *err)
{
    gm_run_result result;
    gm_rc rc = gm_spec_read(r->o->file, r->a, &r->spec, r->errs);
    if (rc) return file_mistakes(r->errs, rc, r->o->file, err);
    rc = check_trainer(r, err);
    if (rc) return rc;
    if (!r->spec.target_text || !r->spec.primary) {
        rc = gm_err_set(err, GM_EINVALID, "\"%s\" trains no model: it has no target", r->o->file);
        gm_err_hint(err, "Add `target: COLUMN`; a rehearsal replays trainings and what they answer.");
        return rc;
    }
    gm_spec only_data = r->spec;
    only_data.target_text = NULL;
    only_data.steps_count = 0;
    gm_run_options o = run_options(r, true);
    rc = gm_pipeline_run(r->store, &only_data, &o, &result, r->errs, err);
    if (rc) return r->errs->count ? gm_errs_first(r->errs, rc, err) : rc;
    (void)cpu_of(r, &result.graph);
    r->data = GM_ARENA_ARRAY(r->a, gm_digest, r->spec.data_count);
    r->schema = GM_ARENA_ARRAY(r->a, gm_digest, r->spec.data_count);
    if (!r->data || !r->schema) return gm_err_set(err, GM_ENOMEM, "not enough memory for the data sets");
    for (size_t i = 0; i < r->spec.data_count; i++) {
        const gm_step *s =
            &result.graph.steps[gm_graph_find(&result.graph, gm_arena_printf(r->a, "load %s", r->spec.data[i].name))];
        r->data[i] = gm_step_output(s, "data")->digest;
        r->schema[i] = gm_step_output(s, "schema")->digest;
    }
    rc = find_time(r, err);
    return rc ? rc : find_label_columns(r, err);
}

/* ---- the pipeline at a moment ---------------------------------------------------------------------------------------- */

static gm_rc cut_data(gm_rehearsing *r, gm_spec *s, int64_t at_us, gm_err *err)
{
    for (size_t i = 0; i < s->data_count; i++) {
        gm_data_spec *d = &s->data[i];
        bool primary = d == s->primary;
        gm_cut_spec *c = GM_ARENA_NEW(s->a, gm_cut_spec);
        if (!c) return gm_err_set(err, GM_ENOMEM, "not enough memory to cut the data sets");
        *c = (gm_cut_spec){ .data = r->data[i], .schema = r->schema[i], .time = primary ? r->time : d->time, .until_us = at_us };
        c->typed = gm_source_is_typed(&d->source, s->base_dir, s->a);
        if (primary && r->out->delay_us) {
            c->hidden = r->label_columns;
            c->hidden_after_us = at_us - r->out->delay_us;
        }
        if (c->time) d->cut = c;
    }
    return GM_OK;
}

static void use_trainer(gm_spec *s, gm_try_spec *one)
{
    s->tries = one;
    s->tries_count = 1;
    if (one->trainer) s->trials = 1;
}

/* Only the champion's trainer, with the parameters that its search found. A model that one of the user's steps makes stays as it
 * is. */
static gm_rc take_trainer(gm_spec *s, const char *name, const char *params_json, gm_err *err)
{
    gm_try_spec *one = GM_ARENA_NEW(s->a, gm_try_spec);
    if (!one) return gm_err_set(err, GM_ENOMEM, "not enough memory for the trainer");
    *one = (gm_try_spec){ .name = name, .params_json = params_json, .pos = s->target_pos };
    for (size_t i = 0; i < s->tries_count; i++) {
        if (strcmp(s->tries[i].name, name) != 0 || s->tries[i].trainer) continue;
        *one = s->tries[i];
        use_trainer(s, one);
        return GM_OK;
    }
    gm_rc rc = gm_registry_find(&gm_trainers, name, &one->trainer, err);
    if (rc) return rc;
    one->wants_scaled = ((const gm_trainer *)one->trainer)->wants_scaled;
    use_trainer(s, one);
    return GM_OK;
}

/* The trainer that --trainer names: as the file has it, else with its defaults. */
static gm_rc take_named(gm_spec *s, const char *name, gm_err *err)
{
    const gm_item *item = NULL;
    gm_buf b = { 0 };
    gm_json j;
    for (size_t i = 0; i < s->tries_count; i++)
        if (strcmp(s->tries[i].name, name) == 0) return take_trainer(s, name, s->tries[i].params_json, err);
    gm_rc rc = gm_registry_find(&gm_trainers, name, &item, err);
    if (rc) return rc;
    void *conf = gm_arena_alloc(s->a, 1, item->conf_size + 1);
    gm_errs errs = { .arena = s->a };
    if (!conf) return gm_err_set(err, GM_ENOMEM, "not enough memory for the trainer");
    rc = gm_params_read(item->params, NULL, NULL, s->a, conf, &errs);
    if (rc) return gm_errs_first(&errs, rc, err);
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_params_json(item->params, conf, &j);
    gm_json_object_end(&j);
    const char *params = gm_arena_strdup(s->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return params ? take_trainer(s, name, params, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for the trainer");
}

/* One run in an arena of its own; mistakes that the file turns out to have at that moment are the run's, not ours. */
static gm_rc run(gm_rehearsing *r, int64_t at_us, const gm_rehearse_package *like, gm_goal goal, const gm_digest *champion,
                 bool plan, gm_arena *a, gm_run_result *out, gm_err *err)
{
    gm_spec s;
    gm_errs errs = { .arena = a };
    gm_run_options o = run_options(r, plan);
    o.goal = goal;
    o.now_us = at_us;
    o.champion = champion;
    *out = (gm_run_result){ 0 };
    gm_rc rc = gm_spec_read(r->o->file, a, &s, &errs);
    if (!rc) rc = cut_data(r, &s, at_us, err);
    if (!rc && r->o->trainer)
        rc = take_named(&s, r->o->trainer, err);
    else if (!rc && like && !r->o->search)
        rc = take_trainer(&s, like->trainer, like->params_json, err);
    s.retrain.history_us = r->out->history_us;
    s.by_trigger = like != NULL; /* as what a trigger begins: not worse than the champion, whatever the file's gates say */
    gm_spec *kept = GM_ARENA_NEW(a, gm_spec); /* the graph keeps a pointer */
    if (!rc && !kept) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for a run");
    if (kept) *kept = s;
    if (!rc) rc = gm_pipeline_run(r->store, kept, &o, out, &errs, err);
    return rc && errs.count ? gm_errs_first(&errs, rc, err) : rc;
}

/* What ends a training, and what ends the rehearsal. */
static bool is_the_runs(gm_rc rc)
{
    return rc == GM_EREFUSED || rc == GM_EINVALID || rc == GM_ENOTFOUND || rc == GM_EUNSUPPORTED || rc == GM_EINTERNAL;
}

/* What one pass came to: done, or why not. */
typedef struct outcome {
    gm_rc rc;
    const char *why;
    int64_t cpu_us;
} outcome;

static gm_rc recall_refusal(gm_rehearsing *r, const gm_graph *g, bool *out_found, outcome *out, gm_err *err)
{
    *out_found = false;
    for (size_t i = 0; i < g->count; i++) {
        const gm_step *s = &g->steps[i];
        void *bytes = NULL;
        size_t len = 0;
        gm_node *json = NULL;
        if (s->state != GM_STEP_WAITING || !s->key) continue;
        gm_rc rc = gm_rehearse_recall(r, "refusal", &s->key, 1, &bytes, &len, err);
        if (rc) return rc;
        if (!len || gm_json_read(bytes, len, "refusal", r->a, &json, NULL)) continue;
        *out_found = true;
        out->rc = GM_EREFUSED;
        out->why = gm_node_str_or(json, "why", "");
        out->cpu_us = gm_node_int_or(json, "cpu_us", 0);
    }
    return GM_OK;
}

static gm_rc keep_refusal(gm_rehearsing *r, const gm_graph *g, const outcome *o, gm_err *err)
{
    const gm_step *failed = NULL;
    for (size_t i = 0; i < g->count && !failed; i++)
        if (g->steps[i].state == GM_STEP_FAILED) failed = &g->steps[i];
    if (!failed || !failed->key || !failed->cacheable) return GM_OK;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "why", o->why);
    gm_json_kint(&j, "cpu_us", failed->record.cpu_us);
    gm_json_object_end(&j);
    gm_rc rc = gm_rehearse_keep(r, "refusal", &failed->key, 1, gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    return rc;
}

/* Plan; what is missing is then run. wanted: the step that must have been done. */
static gm_rc plan_and_run(gm_rehearsing *r, int64_t at_us, const gm_rehearse_package *like, gm_goal goal,
                          const gm_digest *champion, const char *wanted, gm_arena *a, gm_run_result *result, outcome *out,
                          gm_err *err)
{
    bool refused = false;
    *out = (outcome){ .why = "" };
    gm_rc rc = run(r, at_us, like, goal, champion, true, a, result, err);
    int index = rc ? -1 : gm_graph_find(&result->graph, wanted);
    bool done = index >= 0 && result->graph.steps[index].state == GM_STEP_CACHED;
    int64_t before = result->graph.count ? cpu_of(r, &result->graph) : 0;
    if (!rc && !done) {
        rc = recall_refusal(r, &result->graph, &refused, out, err);
        if (rc) return rc;
        if (refused) {
            out->cpu_us += before;
            return GM_OK;
        }
        r->out->trained += goal == GM_GOAL_PACKAGE;
        rc = run(r, at_us, like, goal, champion, false, a, result, err);
        before = result->graph.count ? cpu_of(r, &result->graph) : before;
    } else if (!rc) {
        r->out->from_cache += goal == GM_GOAL_PACKAGE;
    }
    out->cpu_us = before;
    if (!rc) return GM_OK;
    if (!is_the_runs(rc)) return rc;
    out->rc = rc;
    out->why = gm_arena_strdup(r->a, err->message);
    if (!out->why) return gm_err_set(err, GM_ENOMEM, "not enough memory for a training");
    return rc == GM_EREFUSED ? keep_refusal(r, &result->graph, out, err) : GM_OK;
}

gm_rc gm_rehearse_train(gm_rehearsing *r, int64_t at_us, const gm_rehearse_package *like, gm_rehearse_training **out, gm_err *err)
{
    const char *with = like && !r->o->search ? gm_arena_printf(r->a, "%s %s", like->trainer, like->params_json) : "";
    for (gm_rehearse_training *t = r->trainings; t; t = t->next)
        if (t->at_us == at_us && strcmp(t->with, with) == 0) {
            *out = t;
            return GM_OK;
        }
    gm_rehearse_training *t = GM_ARENA_NEW(r->a, gm_rehearse_training);
    gm_arena *a = gm_arena_new(0);
    gm_run_result result;
    outcome o;
    if (!t || !a || !with) {
        gm_arena_free(a);
        return gm_err_set(err, GM_ENOMEM, "not enough memory for a training");
    }
    *t = (gm_rehearse_training){ .at_us = at_us, .with = with };
    gm_rc rc = plan_and_run(r, at_us, like, GM_GOAL_PACKAGE, &t->package, "package", a, &result, &o, err);
    if (!rc) {
        int package = gm_graph_find(&result.graph, "package"),
            load = gm_graph_find(&result.graph, gm_arena_printf(a, "load %s", r->spec.primary->name));
        t->rc = o.rc;
        t->why = o.why;
        t->cpu_us = o.cpu_us;
        t->rows = load < 0 ? 0 : result.graph.steps[load].record.rows;
        if (!o.rc) t->package = gm_step_output(&result.graph.steps[package], "package")->digest;
        t->next = r->trainings;
        r->trainings = t;
        *out = t;
    }
    gm_arena_free(a);
    return rc;
}

gm_rc gm_rehearse_gates(gm_rehearsing *r, const gm_rehearse_training *t, const gm_rehearse_package *like,
                        const gm_digest *champion, const gm_rehearse_verdict **out, gm_err *err)
{
    for (gm_rehearse_verdict *v = r->verdicts; v; v = v->next)
        if (strcmp(v->package.hex, t->package.hex) == 0 && strcmp(v->champion.hex, champion->hex) == 0) {
            *out = v;
            return GM_OK;
        }
    gm_rehearse_verdict *v = GM_ARENA_NEW(r->a, gm_rehearse_verdict);
    gm_arena *a = gm_arena_new(0);
    gm_run_result result;
    outcome o;
    if (!v || !a) {
        gm_arena_free(a);
        return gm_err_set(err, GM_ENOMEM, "not enough memory for the gates");
    }
    gm_rc rc = plan_and_run(r, t->at_us, like, GM_GOAL_GATES, champion, "gates", a, &result, &o, err);
    if (!rc) {
        *v = (gm_rehearse_verdict){ .package = t->package,
                                    .champion = *champion,
                                    .rc = o.rc,
                                    .why = o.why,
                                    .cpu_us = o.cpu_us > t->cpu_us ? o.cpu_us - t->cpu_us : 0,
                                    .next = r->verdicts };
        r->verdicts = v;
        *out = v;
    }
    gm_arena_free(a);
    return rc;
}
