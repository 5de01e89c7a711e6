/* cmd_plan.c - `check`, `plan`, `explain`, `why`: what the file means and what a run would do, without doing it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/why_prediction.h"

static gm_rc prepare(gm_cli *cli, gm_store **store, gm_spec *spec, gm_run_result *r, gm_err *err)
{
    gm_rc rc = gm_cli_spec(cli, spec, err);
    if (!rc) rc = gm_cli_store(cli, true, store, err);
    if (!rc) rc = gm_cli_plan(cli, *store, spec, r, err);
    return rc;
}

static gm_rc check(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_spec spec;
    gm_store *store = NULL;
    gm_run_result r;
    gm_rc rc = prepare(cli, &store, &spec, &r, err);
    gm_store_close(store);
    if (!rc && cli->common->json)
        printf("{\"ok\":true,\"steps\":%zu}\n", r.graph.count);
    else if (!rc)
        printf("%s is right: %zu data sets, %zu features, %zu steps\n", cli->common->file, spec.data_count, spec.uses_count,
               r.graph.count);
    return rc;
}

const gm_command gm_command_check = {
    .item = { .name = "check", .help = "read the file and the data's columns, and report every mistake with its place" },
    .operands = "",
    .group = "Run",
    .examples = "gristmill check\ngristmill check -f flights/gristmill.yaml --json",
    .run = check,
};

static gm_rc explain(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_spec spec;
    gm_store *store = NULL;
    gm_run_result r;
    gm_rc rc = prepare(cli, &store, &spec, &r, err);
    gm_store_close(store);
    if (rc) return rc;
    gm_buf b = { 0 };
    gm_spec_explain(&spec, &b);
    if (cli->common->json) {
        gm_buf out = { 0 };
        gm_json j;
        gm_json_init(&j, &out, false);
        gm_json_object(&j);
        gm_json_kstr(&j, "file", gm_buf_str(&b));
        gm_json_object_end(&j);
        printf("%s\n", gm_buf_str(&out));
        gm_buf_clear(&out);
    } else {
        fputs(gm_buf_str(&b), stdout);
    }
    gm_buf_clear(&b);
    return GM_OK;
}

const gm_command gm_command_explain = {
    .item = { .name = "explain", .help = "print the full file that this one stands for, with the reason of every choice" },
    .operands = "",
    .group = "Run",
    .examples = "gristmill explain\ngristmill explain > full.yaml   # can be run as it is",
    .run = explain,
};

/* ---- plan -------------------------------------------------------------------------------------------------------- */

typedef struct plan_opts {
    bool expand;
} plan_opts;

static const gm_param plan_options[] = {
    { "expand", GM_PARAM_BOOL, offsetof(plan_opts, expand), "false", "print each step with its inputs and parameters", 0, 0,
      NULL },
    { 0 },
};

/* How long the step took the last time it ran under this name; < 0 when it never did. */
static double last_seconds(gm_store *store, const gm_step *s, gm_arena *a)
{
    gm_step_record before;
    if (gm_step_nearest(store, s->name, "", a, &before, NULL) || before.ended_us <= before.started_us) return -1;
    return (double)(before.ended_us - before.started_us) / 1e6;
}

/* Why a step that is not cached would run. */
static const char *forecast(gm_store *store, const gm_graph *g, const gm_step *s, gm_arena *a)
{
    gm_step_record before;
    if (s->state == GM_STEP_DONE) return "done now";
    if (s->state == GM_STEP_CACHED) return "cached";
    for (size_t i = 0; i < s->inputs_count; i++)
        if (s->inputs[i].from >= 0 && g->steps[s->inputs[i].from].state == GM_STEP_WAITING)
            return gm_arena_printf(a, "after %s", g->steps[s->inputs[i].from].name);
    if (s->inside == GM_INSIDE_DEPLOY) return "a version waits to be tried";
    if (s->inside) return "after the gates";
    if (!s->cacheable) return "it runs every time";
    if (gm_step_nearest(store, s->name, s->key, a, &before, NULL)) return "never run before";
    const char *difference = gm_key_difference(before.key_fields, s->key_fields, a);
    return difference[0] ? difference : "its last attempt did not finish";
}

static void print_expanded(const gm_graph *g, const gm_step *s)
{
    printf("%s%s%s\n  kind: %s\n", gm_term_bold(), s->name, gm_term_plain(),
           s->kind     ? s->kind->item.name
           : s->inside ? "inside"
                       : "run");
    for (size_t i = 0; i < s->inputs_count; i++) {
        const gm_edge *e = &s->inputs[i];
        if (e->from >= 0)
            printf("  in %s: %s of \"%s\"\n", e->name, e->output, g->steps[e->from].name);
        else
            printf("  in %s: %s\n", e->name, e->path ? e->path : e->digest.hex);
    }
    printf("  params: %s\n", s->params_json);
}

static gm_rc plan(gm_cli *cli, const void *conf, gm_err *err)
{
    const plan_opts *o = conf;
    gm_spec spec;
    gm_store *store = NULL;
    gm_run_result r;
    size_t cached = 0;
    double total = 0;
    gm_rc rc = prepare(cli, &store, &spec, &r, err);
    if (rc) {
        gm_store_close(store);
        return rc;
    }
    gm_grid *g = gm_grid_new(cli->a, 3);
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_array(&j);
    gm_grid_add(g, (const char *[]){ "step", "last took", "why" });
    gm_grid_right(g, 1);
    for (size_t i = 0; i < r.graph.count; i++) {
        const gm_step *s = &r.graph.steps[i];
        char time[32] = "";
        const char *why = forecast(store, &r.graph, s, cli->a);
        double seconds = last_seconds(store, s, cli->a);
        if (seconds >= 0) (void)gm_show_seconds(seconds, time);
        if (s->state == GM_STEP_CACHED)
            cached++;
        else if (seconds > 0)
            total += seconds;
        gm_grid_add(g, (const char *[]){ s->name, time, why });
        gm_json_object(&j);
        gm_json_kstr(&j, "step", s->name);
        gm_json_kstr(&j, "why", why);
        gm_json_kdouble(&j, "last_seconds", seconds >= 0 ? seconds : (double)NAN);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    if (cli->common->json)
        gm_print_json(&b);
    else if (o->expand)
        for (size_t i = 0; i < r.graph.count; i++) print_expanded(&r.graph, &r.graph.steps[i]);
    else {
        char text[32];
        gm_grid_print(g);
        printf("\n%zu steps, %zu cached; the others took %s of step time when they ran last\n", r.graph.count, cached,
               gm_show_seconds(total, text));
    }
    gm_buf_clear(&b);
    gm_store_close(store);
    return GM_OK;
}

const gm_command gm_command_plan = {
    .item = { .name = "plan",
              .help = "show which steps would run, why, and how long they took before",
              .params = plan_options,
              .conf_size = sizeof(plan_opts) },
    .operands = "",
    .group = "Run",
    .examples = "gristmill plan\ngristmill plan --expand   # the plain steps behind the sections",
    .run = plan,
};

/* ---- why ----------------------------------------------------------------------------------------------------------- */

static gm_rc why(gm_cli *cli, const void *conf, gm_err *err)
{
    (void)conf;
    gm_store *store = NULL;
    gm_step_record *steps = NULL, before;
    if (cli->operands_count == 2 && strcmp(cli->operands[0], "prediction") == 0) return gm_why_prediction(cli, cli->operands[1], err);
    if (cli->operands_count == 2) return gm_err_set(err, GM_EINVALID, "unrecognized kind of thing \"%.60s\", only `why prediction ID` has two words", cli->operands[0]);
    size_t count = 0;
    const gm_step_record *found = NULL;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_step_list(store, 0, cli->a, &steps, &count, err);
    const char *names[256];
    size_t names_count = 0;
    for (size_t i = 0; !rc && i < count; i++) {
        if (strcmp(steps[i].name, cli->operands[0]) == 0) found = &steps[i];
        if (names_count < 256) names[names_count++] = steps[i].name;
    }
    if (!rc && !found) {
        rc = gm_err_set(err, GM_ENOTFOUND, "the last run has no step \"%.60s\"", cli->operands[0]);
        const char *near = gm_nearest(cli->operands[0], names, names_count);
        if (near)
            gm_err_hint(err, "Did you mean \"%s\"?", near);
        else
            gm_err_hint(err, "`gristmill status` lists its steps.");
    }
    if (!rc) {
        char when[32];
        const char *difference = "";
        gm_rc none = gm_step_nearest(store, found->name, found->key, cli->a, &before, NULL);
        if (!none) difference = gm_key_difference(before.key_fields, found->key_fields, cli->a);
        bool cached = strcmp(found->state, "cached") == 0;
        if (cli->common->json) {
            gm_buf b = { 0 };
            gm_json j;
            gm_json_init(&j, &b, false);
            gm_json_object(&j);
            gm_json_kstr(&j, "step", found->name);
            gm_json_kstr(&j, "state", found->state);
            gm_json_kstr(&j, "key", found->key);
            gm_json_kstr(&j, "difference", difference);
            gm_json_object_end(&j);
            gm_print_json(&b);
        } else if (cached) {
            printf("%s came from the cache: the same key (%.12s) was done before\n", found->name, found->key);
        } else if (none) {
            printf("%s ran: there is no earlier key of this step\n", found->name);
        } else {
            printf("%s ran; against its nearest earlier key (run %" PRId64 ", %s):\n", found->name, before.run_id,
                   gm_show_time(before.started_us, when));
            for (const char *at = difference; *at;) {
                size_t len = strcspn(at, ";");
                printf("  %.*s\n", (int)(at[0] == ' ' ? len - 1 : len), at[0] == ' ' ? at + 1 : at);
                at += len + (at[len] == ';');
            }
            if (!difference[0]) printf("  nothing differs: it was forced, or its last attempt did not finish\n");
        }
    }
    gm_store_close(store);
    return rc;
}

const gm_command gm_command_why = {
    .item = { .name = "why",
              .help = "say why a step of the last run ran (the field that differs from its nearest earlier key), or why a served model answered as it did" },
    .operands = "STEP|prediction ID",
    .operands_min = 1,
    .operands_max = 2,
    .group = "Look",
    .examples = "gristmill why \"train lightgbm\"\ngristmill why examples --json\ngristmill why prediction 8f3a61c2   # a request's id, or id/row",
    .run = why,
};
