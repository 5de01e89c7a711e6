/* cmd_deploy.c - `deploy`, `promote`, `rollback`, `pause`, `releases`: bringing out a version, and taking it back.
 *
 * All of them only change the registry, beside whatever run is under way; servers follow within a second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/deploy_running.h"
#include "cli/deploy_to.h"
#include "store/model_names.h"
#include "store/release.h"

static const char *actor(gm_arena *a)
{
    const char *user = getenv("USER");
    return user && user[0] ? user : gm_arena_printf(a, "uid %ld", (long)getuid());
}

static const char *by_hand(gm_arena *a, const char *verb)
{
    return gm_arena_printf(a, "%s by %s", verb, actor(a));
}

/* "10 % canary", "A/B, by header" ... */
static const char *manner(const gm_release *r, gm_arena *a)
{
    switch (r->mode) {
    case GM_RELEASE_CANARY: return gm_arena_printf(a, "canary, %g %% of the requests", r->share * 100);
    case GM_RELEASE_SHADOW: return gm_arena_printf(a, "shadow, %g %% of the requests copied", r->share * 100);
    case GM_RELEASE_AB: return r->share > 0 ? gm_arena_printf(a, "A/B by header, else %g %%", r->share * 100) : "A/B by header";
    case GM_RELEASE_NONE: break;
    }
    return "at once";
}

static void release_members(const gm_release *r, gm_json *j)
{
    gm_json_kint(j, "release", r->id);
    gm_json_kstr(j, "model", r->model);
    gm_json_kstr(j, "mode", gm_release_mode_name(r->mode));
    gm_json_kint(j, "candidate", r->candidate);
    gm_json_kint(j, "champion", r->champion);
    gm_json_kdouble(j, "share", r->share);
    gm_json_kdouble(j, "for_seconds", (double)r->for_us / 1e6);
    gm_json_kint(j, "requests_min", r->requests_min);
    gm_json_kstr(j, "rollback", r->rollback ? r->rollback : "");
    gm_json_kstr(j, "sticky", r->sticky ? r->sticky : "");
    gm_json_kbool(j, "paused", r->paused);
    gm_json_kstr(j, "state", r->state ? r->state : "running");
    gm_json_kstr(j, "reason", r->reason ? r->reason : "");
    gm_json_kstr(j, "actor", r->actor ? r->actor : "");
    gm_json_kint(j, "began_us", r->began_us);
    gm_json_kint(j, "ended_us", r->ended_us);
}

/* What happened, and what comes next: on a terminal two lines, or one JSON object. */
static void tell(const gm_cli *cli, const gm_release *r, const char *what, const char *next)
{
    if (!cli->common->json) {
        printf("%s\n%s\n", what, next);
        return;
    }
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    release_members(r, &j);
    gm_json_kstr(&j, "happened", what);
    gm_json_kstr(&j, "next", next);
    gm_json_object_end(&j);
    gm_print_json(&b);
}

/* The last release of that model: what a command has just written. */
static gm_rc newest(gm_store *store, const char *model, gm_arena *a, gm_release *out, gm_err *err)
{
    gm_release *all = NULL;
    size_t count = 0;
    gm_rc rc = gm_release_list(store, model, a, &all, &count, err);
    if (!rc && !count) rc = gm_err_set(err, GM_ENOTFOUND, "model \"%s\" has no release", model);
    if (!rc) *out = all[0];
    return rc;
}

/* ---- deploy ------------------------------------------------------------------------------------------------------------ */

typedef struct deploy_opts {
    double canary, shadow, for_seconds;
    bool ab, status, stop;
    int64_t requests;
    const char *rollback, *sticky, *to, *out;
    gm_strs set;
} deploy_opts;

static const gm_param deploy_options[] = {
    { "canary", GM_PARAM_DOUBLE, offsetof(deploy_opts, canary), "0", "share of the requests that the version answers: 10%", 0, 1,
      NULL },
    { "shadow", GM_PARAM_DOUBLE, offsetof(deploy_opts, shadow), "0",
      "share of the requests that are copied to it; its answers are only compared", 0, 1, NULL },
    { "ab", GM_PARAM_BOOL, offsetof(deploy_opts, ab), "false",
      "it answers requests with X-Gristmill-Variant: candidate, and a --canary share of those without", 0, 0, NULL },
    { "for", GM_PARAM_DURATION, offsetof(deploy_opts, for_seconds), "0s",
      "promote it by itself after this long; 0s = only `gristmill promote` does", 0, 0, NULL },
    { "requests", GM_PARAM_INT, offsetof(deploy_opts, requests), "1000",
      "requests it must have answered before it is promoted, or the condition judged", 1, 1e12, NULL },
    { "rollback", GM_PARAM_STR, offsetof(deploy_opts, rollback), "",
      "condition that rolls it back, besides the tests: 'error_rate > 1%'; also latency_ms_p99, score_shift, requests", 0, 0,
      NULL },
    { "sticky", GM_PARAM_STR, offsetof(deploy_opts, sticky), "",
      "columns whose value ties a caller to an arm; the data set's key when none is given", 0, 0, NULL },
    { "to", GM_PARAM_STR, offsetof(deploy_opts, to), "",
      "a target to write files or start a server for; without it the registry is changed, which servers follow", 0, 0, NULL },
    { "out", GM_PARAM_STR, offsetof(deploy_opts, out), "", "where a target's files are written", 0, 0, NULL },
    { "set", GM_PARAM_STRS, offsetof(deploy_opts, set), "", "parameters of the target: key=value,key=value", 0, 0, NULL },
    { "status", GM_PARAM_BOOL, offsetof(deploy_opts, status), "false", "with --to local: how the server that was started from --out goes", 0, 0, NULL },
    { "stop", GM_PARAM_BOOL, offsetof(deploy_opts, stop), "false", "with --to local: stop it, once it has answered what was begun", 0, 0, NULL },
    { 0 },
};

/* What is named: a bare name is the newest version, since the champion is out already. */
static gm_rc version_named(gm_store *store, const char *ref, gm_arena *a, gm_model_version *out, gm_err *err)
{
    gm_model_ref parsed;
    gm_model_version *all = NULL;
    size_t count = 0;
    gm_rc rc = gm_model_ref_parse(ref, &parsed, err);
    if (rc || parsed.alias[0] || parsed.version) return rc ? rc : gm_model_resolve(store, ref, a, out, err);
    rc = gm_model_list(store, parsed.name, a, &all, &count, err);
    if (rc || !count) return rc ? rc : gm_model_resolve(store, ref, a, out, err); /* says which names there are */
    *out = all[0];
    return GM_OK;
}

static gm_rc release_of(const gm_cli *cli, const deploy_opts *o, const gm_model_version *v, gm_release *out, gm_err *err)
{
    gm_expr *e = NULL;
    gm_errs errs = { .arena = cli->a };
    bool canary = o->canary > 0 && !o->ab;
    if (canary + (o->shadow > 0) + o->ab > 1 || (o->ab && o->shadow > 0))
        return gm_err_set(err, GM_EINVALID, "a version is tried in one manner: --canary, --shadow or --ab");
    gm_rc rc = o->rollback[0] ? gm_release_condition(o->rollback, (gm_pos){ "--rollback", 1, 1 }, cli->a, &e, &errs) : GM_OK;
    if (rc) return gm_errs_first(&errs, rc, err);
    *out = (gm_release){ .model = v->model,
                         .candidate = v->version,
                         .mode = o->ab           ? GM_RELEASE_AB
                                 : canary        ? GM_RELEASE_CANARY
                                 : o->shadow > 0 ? GM_RELEASE_SHADOW
                                                 : GM_RELEASE_NONE,
                         .share = o->shadow > 0 ? o->shadow : o->canary,
                         .for_us = (int64_t)(o->for_seconds * 1e6),
                         .requests_min = o->requests,
                         .rollback = o->rollback,
                         .sticky = o->sticky,
                         .actor = actor(cli->a) };
    if (out->mode == GM_RELEASE_NONE && (o->for_seconds > 0 || o->rollback[0] || o->sticky[0])) {
        rc = gm_err_set(err, GM_EINVALID,
                        "without --canary, --shadow or --ab nothing is tried that --for, --rollback or --sticky could be about");
        gm_err_hint(err, "`gristmill deploy %s/%" PRId64 " --canary 10%% --for 1h`", v->model, v->version);
        return rc;
    }
    out->reason = by_hand(cli->a, "deployed");
    return GM_OK;
}

/* The same version is tried already: the new share and time are what it goes on with. */
static gm_rc change_running(gm_store *store, const gm_release *wanted, gm_arena *a, bool *out_changed, gm_err *err)
{
    gm_release now;
    gm_err none;
    *out_changed = false;
    if (gm_release_get(store, wanted->model, a, &now, &none) || now.candidate != wanted->candidate || now.mode != wanted->mode)
        return GM_OK;
    now.share = wanted->share;
    now.for_us = wanted->for_us;
    now.requests_min = wanted->requests_min;
    gm_rc rc = gm_release_change(store, &now, err);
    *out_changed = !rc;
    return rc;
}

static const char *what_comes(const gm_release *r, gm_arena *a)
{
    if (r->mode == GM_RELEASE_NONE)
        return gm_arena_printf(a, "Servers follow within a second. `gristmill rollback %s` takes it back.", r->model);
    const char *own = r->rollback[0] ? gm_arena_printf(a, " or %s", r->rollback) : "";
    const char *end = r->for_us ? gm_arena_printf(a, "After %g minutes and %" PRId64 " requests it becomes champion by itself",
                                                  (double)r->for_us / 60e6, r->requests_min)
                                : gm_arena_printf(a, "`gristmill promote %s` makes it champion", r->model);
    return gm_arena_printf(a,
                           "Servers follow within a second, and roll it back when it fails more, is slower or answers quite "
                           "otherwise%s. %s; `gristmill "
                           "rollback %s` ends it; `gristmill releases %s` shows it.",
                           own, end, r->model, r->model);
}

static gm_rc begin(const gm_cli *cli, const deploy_opts *o, gm_err *err)
{
    gm_store *store = NULL;
    gm_model_version v;
    gm_release r = { 0 };
    bool changed = false;
    gm_rc rc = gm_cli_registry(cli, &store, err);
    if (!rc) rc = version_named(store, cli->operands[0], cli->a, &v, err);
    if (!rc) rc = release_of(cli, o, &v, &r, err);
    if (!rc && r.mode == GM_RELEASE_NONE && gm_word_listed(v.aliases, "champion", strlen("champion"))) {
        gm_store_close(store);
        r.champion = v.version;
        r.state = "promoted";
        r.reason = "";
        tell(cli, &r, gm_arena_printf(cli->a, "%s version %" PRId64 " is champion already", v.model, v.version),
             "Nothing was changed.");
        return GM_OK;
    }
    if (!rc) rc = change_running(store, &r, cli->a, &changed, err);
    if (!rc && !changed) rc = gm_release_begin(store, &r, NULL, err);
    if (!rc) rc = newest(store, r.model, cli->a, &r, err);
    gm_store_close(store);
    if (rc) return rc;
    const char *what =
        r.mode == GM_RELEASE_NONE
            ? gm_arena_printf(cli->a, "%s version %" PRId64 " is champion now (before: version %" PRId64 ")", r.model,
                              r.candidate, r.champion)
        : changed
            ? gm_arena_printf(cli->a, "release %" PRId64 " of %s goes on as %s", r.id, r.model, manner(&r, cli->a))
            : gm_arena_printf(cli->a, "release %" PRId64 ": %s version %" PRId64 " is tried beside version %" PRId64 " (%s)",
                              r.id, r.model, r.candidate, r.champion, manner(&r, cli->a));
    if (r.mode == GM_RELEASE_NONE && r.champion == 0)
        what = gm_arena_printf(cli->a, "%s version %" PRId64 " is champion now, the first one", r.model, r.candidate);
    tell(cli, &r, what, what_comes(&r, cli->a));
    return GM_OK;
}

static gm_rc deploy(gm_cli *cli, const void *conf, gm_err *err)
{
    const deploy_opts *o = conf;
    if (o->status && o->stop) return gm_err_set(err, GM_EINVALID, "--status asks and --stop ends: give one of them");
    if (o->status || o->stop) return gm_deploy_running(cli, o->to, o->out, o->stop, err);
    if (!cli->operands_count) return gm_err_set(err, GM_EINVALID, "name a model version, as in flights/3");
    if (o->to[0]) return gm_deploy_to(cli, o->to, o->out, &o->set, err);
    if (o->out[0] || o->set.count) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "--out and --set belong to a target that files are written for");
        gm_err_hint(err, "Name it: `gristmill deploy %.100s --to TARGET --out PATH`.", cli->operands[0]);
        return rc;
    }
    return begin(cli, o, err);
}

const gm_command gm_command_deploy = {
    .item = { .name = "deploy",
              .help = "bring out a version: at once, tried beside the champion, or as files for a platform",
              .params = deploy_options,
              .conf_size = sizeof(deploy_opts) },
    .operands = "[MODEL]",
    .operands_max = 1,
    .group = "Models",
    .examples = "gristmill deploy flights/3\ngristmill deploy flights --canary 10% --for 1h --rollback 'error_rate > "
                "1%'\ngristmill deploy flights/3 --shadow "
                "20%\ngristmill deploy flights/3 --ab\ngristmill deploy flights --to kubernetes --out deploy/\ngristmill deploy --to local --out serving --status",
    .run = deploy,
};

/* ---- promote, rollback, pause ------------------------------------------------------------------------------------------ */

/* The model of "flights", "flights/3" or "flights@challenger", and its running release. */
static gm_rc running(gm_store *store, const gm_cli *cli, const char **out_model, gm_release *out, gm_err *err)
{
    gm_model_ref ref;
    gm_model_version v;
    gm_rc rc = gm_model_ref_parse(cli->operands[0], &ref, err);
    if (!rc) rc = gm_model_resolve(store, cli->operands[0], cli->a, &v, err); /* says which names there are */
    if (rc) return rc;
    *out_model = v.model;
    return gm_release_get(store, v.model, cli->a, out, err);
}

static gm_rc promote(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_store *store = NULL;
    gm_release r = { 0 };
    const char *model = NULL;
    gm_rc rc = gm_cli_registry(cli, &store, err);
    if (!rc) rc = running(store, cli, &model, &r, err);
    if (rc == GM_ENOTFOUND && model)
        gm_err_hint(err,
                    "`gristmill deploy %.100s/VERSION` makes a version champion at once; `gristmill models %.100s` lists them.",
                    model, model);
    if (!rc) rc = gm_release_end(store, r.id, "promoted", by_hand(cli->a, "promoted"), err);
    if (!rc) rc = newest(store, model, cli->a, &r, err);
    gm_store_close(store);
    if (rc) return rc;
    tell(cli, &r,
         gm_arena_printf(cli->a, "%s version %" PRId64 " is champion now (before: version %" PRId64 ")", model, r.candidate,
                         r.champion),
         what_comes(&(gm_release){ .model = model }, cli->a));
    return GM_OK;
}

const gm_command gm_command_promote = {
    .item = { .name = "promote", .help = "make the version that is tried the champion, without waiting" },
    .operands = "MODEL",
    .operands_min = 1,
    .operands_max = 1,
    .group = "Models",
    .examples = "gristmill promote flights",
    .run = promote,
};

/* Nothing is tried: the champion before the present one comes back. */
static gm_rc champion_back(const gm_cli *cli, gm_store *store, const char *model, gm_release *out, gm_err *err)
{
    int64_t before = 0;
    gm_rc rc = gm_release_champion_before(store, model, &before, err);
    if (!rc && !before) {
        rc = gm_err_set(err, GM_ENOTFOUND, "model \"%s\" has no champion before the present one, and nothing is tried", model);
        gm_err_hint(err, "`gristmill deploy %.100s/VERSION` makes any version champion; `gristmill models %.100s` lists them.",
                    model, model);
    }
    gm_release back = { .model = model,
                        .candidate = before,
                        .state = "rolled_back",
                        .reason = by_hand(cli->a, "rolled back"),
                        .actor = actor(cli->a) };
    if (!rc) rc = gm_release_begin(store, &back, NULL, err);
    return rc ? rc : newest(store, model, cli->a, out, err);
}

static gm_rc rollback(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_store *store = NULL;
    gm_release r = { 0 };
    const char *model = NULL, *what = NULL;
    gm_rc rc = gm_cli_registry(cli, &store, err);
    if (!rc) rc = running(store, cli, &model, &r, err);
    if (rc == GM_ENOTFOUND && model) {
        rc = champion_back(cli, store, model, &r, err);
        what = rc ? NULL
                  : gm_arena_printf(cli->a,
                                    "nothing was tried: %s version %" PRId64 " is champion again, instead of version %" PRId64,
                                    model, r.candidate, r.champion);
    } else if (!rc) {
        rc = gm_release_end(store, r.id, "rolled_back", by_hand(cli->a, "rolled back"), err);
        if (!rc) rc = newest(store, model, cli->a, &r, err);
        what = rc ? NULL
                  : gm_arena_printf(cli->a,
                                    "release %" PRId64 " of %s is over: version %" PRId64 " is no longer tried, version %" PRId64
                                    " answers everything",
                                    r.id, model, r.candidate, r.champion);
    }
    gm_store_close(store);
    if (rc) return rc;
    tell(cli, &r, what, "Servers follow within a second.");
    return GM_OK;
}

const gm_command gm_command_rollback = {
    .item = { .name = "rollback", .help = "stop trying a version; when none is tried, bring the champion before back" },
    .operands = "MODEL",
    .operands_min = 1,
    .operands_max = 1,
    .group = "Models",
    .examples = "gristmill rollback flights",
    .run = rollback,
};

typedef struct pause_opts {
    bool off;
} pause_opts;

static const gm_param pause_options[] = {
    { "off", GM_PARAM_BOOL, offsetof(pause_opts, off), "false", "go on", 0, 0, NULL },
    { 0 },
};

static gm_rc pause_release(gm_cli *cli, const void *conf, gm_err *err)
{
    const pause_opts *o = conf;
    gm_store *store = NULL;
    gm_release r = { 0 };
    const char *model = NULL;
    gm_rc rc = gm_cli_registry(cli, &store, err);
    if (!rc) rc = running(store, cli, &model, &r, err);
    r.paused = !o->off;
    if (!rc) rc = gm_release_change(store, &r, err);
    if (!rc) rc = gm_release_get(store, model, cli->a, &r, err);
    gm_store_close(store);
    if (rc) return rc;
    const char *what = o->off ? gm_arena_printf(cli->a, "release %" PRId64 " of %s goes on: %s", r.id, model, manner(&r, cli->a))
                              : gm_arena_printf(cli->a,
                                                "release %" PRId64 " of %s is paused: version %" PRId64
                                                " answers everything, and its time stands still",
                                                r.id, model, r.champion);
    tell(cli, &r, what, o->off ? what_comes(&r, cli->a) : gm_arena_printf(cli->a, "`gristmill pause %s --off` goes on.", model));
    return GM_OK;
}

const gm_command gm_command_pause = {
    .item = { .name = "pause",
              .help = "let the champion answer everything for a while; --off goes on",
              .params = pause_options,
              .conf_size = sizeof(pause_opts) },
    .operands = "MODEL",
    .operands_min = 1,
    .operands_max = 1,
    .group = "Models",
    .examples = "gristmill pause flights\ngristmill pause flights --off",
    .run = pause_release,
};

/* ---- releases ---------------------------------------------------------------------------------------------------------- */

static gm_rc releases_json(gm_store *store, const gm_release *all, size_t count, gm_arena *a, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_rc rc = GM_OK;
    gm_json_init(&j, &b, true);
    gm_json_array(&j);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_release_event *events = NULL;
        size_t events_count = 0;
        rc = gm_release_history(store, all[i].id, a, &events, &events_count, err);
        gm_json_object(&j);
        release_members(&all[i], &j);
        gm_json_kint(&j, "paused_us", all[i].paused_us);
        gm_json_key(&j, "history");
        gm_json_array(&j);
        for (size_t k = 0; k < events_count; k++) {
            gm_json_object(&j);
            gm_json_kint(&j, "at_us", events[k].at_us);
            gm_json_kstr(&j, "what", events[k].what);
            gm_json_object_end(&j);
        }
        gm_json_array_end(&j);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    if (rc)
        gm_buf_clear(&b);
    else
        gm_print_json(&b);
    return rc;
}

/* One release whole: a line for everything that happened. */
static gm_rc print_history(gm_store *store, const gm_release *r, gm_arena *a, gm_err *err)
{
    gm_release_event *events = NULL;
    size_t count = 0;
    char when[32];
    gm_rc rc = gm_release_history(store, r->id, a, &events, &count, err);
    if (rc) return rc;
    printf("\nrelease %" PRId64 " (UTC)\n", r->id);
    for (size_t i = 0; i < count; i++) printf("  %s  %s\n", gm_show_time(events[i].at_us, when), events[i].what);
    if (strcmp(r->state, "running") != 0) return GM_OK;
    double ran = (double)gm_release_ran_us(r, gm_now_us()) / 60e6;
    if (r->for_us)
        printf("  running for %.1f of %g minutes%s\n", ran, (double)r->for_us / 60e6, r->paused ? ", paused" : "");
    else
        printf("  running for %.1f minutes%s; `gristmill promote %s` makes it champion\n", ran, r->paused ? ", paused" : "",
               r->model);
    return GM_OK;
}

static void releases_grid(const gm_release *all, size_t count, gm_arena *a)
{
    gm_grid *g = gm_grid_new(a, 8);
    gm_grid_add(g, (const char *[]){ "release", "model", "version", "beside", "manner", "state", "began (UTC)", "reason" });
    for (size_t i = 0; i < count; i++) {
        char id[32], candidate[32], champion[32], when[32];
        (void)snprintf(id, sizeof(id), "%" PRId64, all[i].id);
        (void)snprintf(candidate, sizeof(candidate), "%" PRId64, all[i].candidate);
        (void)snprintf(champion, sizeof(champion), "%" PRId64, all[i].champion);
        gm_grid_add(g, (const char *[]){ id, all[i].model, candidate, all[i].champion ? champion : "", manner(&all[i], a),
                                         all[i].paused                              ? "paused"
                                         : strcmp(all[i].state, "rolled_back") == 0 ? "rolled back"
                                                                                    : all[i].state,
                                         gm_show_time(all[i].began_us, when), all[i].reason });
    }
    gm_grid_print(g);
}

static gm_rc releases(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_store *store = NULL;
    gm_release *all = NULL;
    gm_model_version v;
    size_t count = 0;
    const char *model = cli->operands_count ? cli->operands[0] : NULL;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc && model) rc = gm_model_resolve(store, model, cli->a, &v, err);
    if (!rc) rc = gm_release_list(store, model ? v.model : NULL, cli->a, &all, &count, err);
    if (!rc && cli->common->json)
        rc = releases_json(store, all, count, cli->a, err);
    else if (!rc && !count)
        printf("nothing was released yet; `gristmill deploy MODEL --canary 10%% --for 1h` tries a version\n");
    else if (!rc) {
        releases_grid(all, count, cli->a);
        if (model || strcmp(all[0].state, "running") == 0) rc = print_history(store, &all[0], cli->a, err);
    }
    gm_store_close(store);
    return rc;
}

const gm_command gm_command_releases = {
    .item = { .name = "releases", .help = "what is tried, what was, and how it ended" },
    .operands = "[MODEL]",
    .operands_max = 1,
    .group = "Models",
    .examples = "gristmill releases\ngristmill releases flights --json",
    .run = releases,
};
