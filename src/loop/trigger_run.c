/* trigger_run.c - see trigger_run.h. */
#include "loop/trigger_run.h"

#include <inttypes.h>
#include <string.h>

#include "base/node.h"
#include "store/release.h"

enum { RUNS_LOOKED_AT = 500 };

static int64_t trigger_of(const gm_run_record *r, gm_arena *a)
{
    gm_node *root = NULL;
    if (!strstr(r->environment_json, "\"trigger\"")) return 0;
    if (gm_json_read(r->environment_json, strlen(r->environment_json), "run", a, &root, NULL)) return 0;
    return gm_node_int_or(root, "trigger", 0);
}

/* A run that failed for want of memory or disk, or because something ended one of its steps, is no answer: it may go on. */
static bool is_answer(const gm_run_record *r, gm_arena *a)
{
    gm_node *root = NULL;
    if (strcmp(r->state, "failed") != 0) return !strcmp(r->state, "done") || !strcmp(r->state, "refused");
    if (gm_json_read(r->summary_json, strlen(r->summary_json), "run", a, &root, NULL)) return true;
    return !gm_node_bool_or(root, "may_retry", false);
}

/* What the step that failed first said. */
static gm_rc why(gm_store *s, int64_t run_id, gm_arena *a, const char **out, gm_err *err)
{
    gm_step_record *steps = NULL;
    size_t count = 0;
    gm_rc rc = gm_step_list(s, run_id, a, &steps, &count, err);
    for (size_t i = 0; !rc && i < count; i++)
        if (strcmp(steps[i].state, "failed") == 0 && steps[i].error[0]) {
            *out = gm_arena_printf(a, "%s: %s", steps[i].name, steps[i].error);
            return *out ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to read a run");
        }
    return rc;
}

/* The version that a run of this wish registered; runs: all of the wish, cut off ones too. */
static gm_rc version_of(gm_store *s, const char *pipeline, const int64_t *runs, size_t runs_count, gm_arena *a,
                        gm_trigger_run *out, gm_err *err)
{
    gm_model_version *all = NULL;
    size_t count = 0;
    gm_rc rc = gm_model_list(s, pipeline, a, &all, &count, err);
    if (rc == GM_ENOTFOUND) return GM_OK;
    for (size_t i = 0; !rc && i < count; i++)
        for (size_t k = 0; k < runs_count; k++)
            if (all[i].run_id == runs[k] && all[i].version > out->version) {
                out->version = all[i].version;
                out->version_is_new = true;
            }
    if (rc || out->version || strcmp(out->state, "done") != 0) return rc;
    gm_model_version champion;
    gm_rc found = gm_model_resolve(s, gm_arena_printf(a, "%s@champion", pipeline), a, &champion, NULL);
    if (!found) out->version = champion.version;
    return GM_OK;
}

gm_rc gm_trigger_run_find(gm_store *s, int64_t trigger, gm_arena *a, gm_trigger_run *out, gm_err *err)
{
    gm_run_record *runs = NULL;
    size_t count = 0, own_count = 0;
    const char *pipeline = NULL;
    gm_trigger_run found = { .state = "", .why = "" };
    gm_rc rc = gm_run_list(s, RUNS_LOOKED_AT, a, &runs, &count, err);
    int64_t *own = GM_ARENA_ARRAY(a, int64_t, count + 1);
    if (!rc && !own) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to read the runs");
    for (size_t i = 0; !rc && i < count; i++) {
        if (trigger_of(&runs[i], a) != trigger) continue;
        own[own_count++] = runs[i].id;
        if (found.run_id) continue; /* newest first: the newest says how it stands */
        found.run_id = runs[i].id;
        pipeline = runs[i].pipeline;
        found.ended = is_answer(&runs[i], a);
        if (found.ended) found.state = runs[i].state;
    }
    if (!rc && found.ended && strcmp(found.state, "done") != 0) rc = why(s, found.run_id, a, &found.why, err);
    if (!rc && found.run_id) rc = version_of(s, pipeline, own, own_count, a, &found, err);
    if (!rc) *out = found;
    return rc;
}

/* ---- for people -------------------------------------------------------------------------------------------------------- */

/* How the newest release of a version stands; NULL: there was none. */
static const char *release_text(const gm_release *r, gm_arena *a)
{
    const char *word = strcmp(r->state, "rolled_back") == 0 ? "rolled back" : r->state,
               *reason = r->reason && r->reason[0] ? r->reason : NULL;
    if (r->mode == GM_RELEASE_NONE) return gm_arena_printf(a, "%s%s%s", word, reason ? ": " : "", reason ? reason : "");
    return gm_arena_printf(a, "%s of %g %% of the requests (release %" PRId64 "): %s%s%s", gm_release_mode_name(r->mode),
                           r->share * 100, r->id, word, reason ? ", " : "", reason ? reason : "");
}

static gm_rc registered_text(gm_store *s, const char *pipeline, const gm_trigger_run *run, gm_arena *a, const char **out,
                             gm_err *err)
{
    gm_release *all = NULL;
    size_t count = 0;
    const char *release = NULL;
    gm_model_version v = { 0 };
    gm_rc rc = gm_release_list(s, pipeline, a, &all, &count, err);
    for (size_t i = 0; !rc && !release && i < count; i++)
        if (all[i].candidate == run->version) release = release_text(&all[i], a);
    if (rc) return rc;
    const char *ref = gm_arena_printf(a, "%s/%" PRId64, pipeline, run->version);
    bool is_champion = !gm_model_resolve(s, ref, a, &v, NULL) && strstr(v.aliases, "champion");
    if (release)
        *out = gm_arena_printf(a, "registered %s; %s", ref, release);
    else
        *out = gm_arena_printf(a, is_champion ? "registered %s, champion at once" : "registered %s, beside the champion", ref);
    return GM_OK;
}

gm_rc gm_trigger_outcome(gm_store *s, const char *pipeline, const gm_trigger_run *run, gm_arena *a, const char **out, gm_err *err)
{
    gm_rc rc = GM_OK;
    const char *text = NULL;
    if (strcmp(run->state, "done") != 0)
        text = run->why[0] ? run->why
                           : gm_arena_printf(a, "run %" PRId64 " failed; `gristmill show %" PRId64 "`", run->run_id, run->run_id);
    else if (run->version_is_new)
        rc = registered_text(s, pipeline, run, a, &text, err);
    else if (run->version)
        text = gm_arena_printf(a, "nothing changed: it came to %s/%" PRId64 " again", pipeline, run->version);
    else
        text = "the pipeline ran; it registers no model";
    if (!rc && !text) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for the outcome of a run");
    if (!rc) *out = text;
    return rc;
}
