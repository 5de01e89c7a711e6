/* deploy.c - the step `deploy`: a version that was registered is tried beside the champion, once.
 *
 * What decides is the registry, not the cache: a version that any release was ever about is never tried again by a run, so that a
 * run that finds everything in the cache changes nothing, and a version that was rolled back stays so.
 */
#include <inttypes.h>
#include <string.h>

#include "pipe/run_internal.h"
#include "store/release.h"

typedef enum need { NOTHING, BEGIN, LATER } need;

/* running: the release that is in the way, for LATER. */
static gm_rc look(gm_runner *r, need *out, gm_release *running, gm_err *err)
{
    gm_model_version champion;
    gm_release *all = NULL;
    size_t count = 0;
    const char *model = r->g->spec->pipeline;
    *out = NOTHING;
    gm_rc rc = gm_model_resolve(r->store, gm_arena_printf(r->a, "%s@champion", model), r->a, &champion, err);
    if (!rc && champion.version == r->result->version) return GM_OK;
    if (!rc) rc = gm_release_list(r->store, model, r->a, &all, &count, err);
    if (rc) return rc;
    *out = BEGIN;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].state, "running") == 0) {
            *running = all[i];
            *out = LATER;
        }
        if (all[i].candidate != r->result->version || all[i].mode == GM_RELEASE_NONE) continue;
        *out = NOTHING;
        return GM_OK;
    }
    return GM_OK;
}

static void say(gm_runner *r, const gm_step *s, const char *line)
{
    if (r->o->watch.note && line) r->o->watch.note(r->o->watch.ctx, s, line);
}

/* Where servers do not read this store the files must be made: by a person, who knows where they go. */
static void say_files(gm_runner *r, const gm_step *s)
{
    const gm_deploy_spec *d = &r->g->spec->deploy;
    if (strcmp(d->to, "local") == 0) return;
    say(r, s,
        gm_arena_printf(r->a, "`gristmill deploy %s/%" PRId64 " --to %s --out PATH` writes the files", r->g->spec->pipeline,
                        r->result->version, d->to));
}

/* The report: only what the file and the version say, so that equal runs give equal bytes. */
static gm_rc commit(gm_runner *r, gm_step *s, const gm_release *release, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "model", release->model);
    gm_json_kint(&j, "version", release->candidate);
    gm_json_kstr(&j, "mode", gm_release_mode_name(release->mode));
    gm_json_kdouble(&j, "share", release->share);
    gm_json_kdouble(&j, "for_seconds", (double)release->for_us / 1e6);
    gm_json_kstr(&j, "rollback", release->rollback);
    gm_json_object_end(&j);
    gm_buf_char(&b, '\n');
    gm_rc rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to deploy the model")
                        : gm_inside_commit(r, s, "release", "release.json", gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    return rc;
}

static gm_rc begin(gm_runner *r, gm_step *s, gm_err *err)
{
    const gm_deploy_spec *d = &r->g->spec->deploy;
    int64_t id = 0;
    gm_release release = { .model = r->g->spec->pipeline,
                           .candidate = r->result->version,
                           .mode = (gm_release_mode)d->mode,
                           .share = d->share,
                           .for_us = d->for_us,
                           .requests_min = d->requests_min,
                           .rollback = d->rollback,
                           .sticky = d->sticky };
    gm_rc rc = gm_inside_begin(r, s, "deploy", err);
    release.actor = gm_arena_printf(r->a, "run %" PRId64, r->run_id);
    if (!rc) rc = gm_release_begin(r->store, &release, &id, err);
    if (!rc) rc = commit(r, s, &release, err);
    if (rc) return rc;
    const char *end = d->for_us ? gm_arena_printf(r->a, " for %g minutes", (double)d->for_us / 60e6) : "";
    say(r, s,
        gm_arena_printf(r->a,
                        "release %" PRId64 ": version %" PRId64
                        " is tried beside the champion, %s of %g %% of the requests%s; `gristmill releases %s` shows it",
                        id, release.candidate, gm_release_mode_name(release.mode), d->share * 100, end, release.model));
    say_files(r, s);
    return GM_OK;
}

gm_rc gm_deploy_version(gm_runner *r, gm_step *s, bool *out_waits, gm_err *err)
{
    need n = NOTHING;
    gm_release running = { 0 };
    *out_waits = false;
    gm_rc rc = look(r, &n, &running, err);
    if (rc) return rc;
    if (n == BEGIN && r->planning) {
        *out_waits = true;
        return GM_OK;
    }
    if (n == BEGIN) return begin(r, s, err);
    s->state = GM_STEP_CACHED;
    if (n == NOTHING && r->result->version_is_new) say_files(r, s);
    if (n == LATER && !r->planning)
        say(r, s,
            gm_arena_printf(
                r->a, "release %" PRId64 " of version %" PRId64 " is running; the next run after its end tries version %" PRId64,
                running.id, running.candidate, r->result->version));
    return GM_OK;
}
