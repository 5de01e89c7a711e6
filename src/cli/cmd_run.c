/* cmd_run.c - `gristmill run`: run the pipeline, a line for each step, and a summary of what came out. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/summary.h"
#include "loop/trigger_run.h"
#include "pipe/reports.h"

typedef struct opts {
    int64_t jobs, trigger;
    bool force, quiet;
} opts;

static const gm_param options[] = {
    { "jobs", GM_PARAM_INT, offsetof(opts, jobs), "0", "steps at a time; 0 = one per core", 0, 1024, NULL },
    { "force", GM_PARAM_BOOL, offsetof(opts, force), "false", "run every step, cached or not", 0, 0, NULL },
    { "trigger", GM_PARAM_INT, offsetof(opts, trigger), "0", "the wish that this run answers; `gristmill up` says it", 0, 1e15,
      NULL },
    { "quiet", GM_PARAM_BOOL, offsetof(opts, quiet), "false", "no line for each step", 0, 0, NULL },
    { 0 },
};

static void print_step(const gm_step *s, const char *mark, const char *color, const char *what)
{
    char rows[32] = "", count[32], time[32] = "", cpu[48] = "";
    if (s->record.rows >= 0) (void)snprintf(rows, sizeof(rows), "%s rows", gm_show_count(s->record.rows, count));
    if (s->state == GM_STEP_DONE || s->state == GM_STEP_FAILED) {
        (void)gm_show_seconds((double)(s->record.ended_us - s->record.started_us) / 1e6, time);
        char used[32];
        if (s->record.cpu_us > 0)
            (void)snprintf(cpu, sizeof(cpu), "%s CPU", gm_show_seconds((double)s->record.cpu_us / 1e6, used));
    }
    printf("%s%s%s %-22s %14s  %-7s %8s  %s%s%s\n", color, mark, gm_term_plain(), s->name, rows, what, time, gm_term_dim(), cpu,
           gm_term_plain());
    (void)fflush(stdout);
}

static void finished(void *ctx, const gm_step *s)
{
    const opts *o = ctx;
    if (o->quiet) return;
    switch (s->state) {
    case GM_STEP_DONE: print_step(s, "+", gm_term_green(), "done"); break;
    case GM_STEP_CACHED: print_step(s, "=", gm_term_dim(), "cached"); break;
    case GM_STEP_FAILED: print_step(s, "x", gm_term_red(), "failed"); break;
    case GM_STEP_SKIPPED: print_step(s, "-", gm_term_dim(), "skipped"); break;
    case GM_STEP_WAITING:
    case GM_STEP_RUNNING: break;
    }
}

static void note(void *ctx, const gm_step *s, const char *line)
{
    const opts *o = ctx;
    (void)s;
    if (!o->quiet)
        printf("  %s%s%s\n",
               strncmp(line, "warning", 7) == 0 || strncmp(line, "failed", 6) == 0 ? gm_term_yellow() : gm_term_dim(), line,
               gm_term_plain());
}

/* Asked while the store is locked: two processes that were started for one wish, because a crash came between, do not both run.
 */
static gm_rc was_answered(const gm_cli *cli, gm_store *store, int64_t trigger, bool *out, gm_err *err)
{
    gm_trigger_run before;
    gm_rc rc = gm_trigger_run_find(store, trigger, cli->a, &before, err);
    *out = !rc && before.ended;
    if (*out) printf("trigger %" PRId64 " was answered by run %" PRId64 ": %s\n", trigger, before.run_id, before.state);
    return rc;
}

static gm_rc run(gm_cli *cli, const void *conf, gm_err *err)
{
    opts o = *(const opts *)conf;
    gm_spec spec;
    gm_store *store = NULL;
    gm_run_result result;
    int64_t recovered = 0;
    o.quiet = o.quiet || cli->common->json;
    gm_rc rc = gm_cli_spec(cli, &spec, err);
    if (!rc) rc = gm_cli_store(cli, true, &store, err);
    if (!rc) rc = gm_run_recover(store, &recovered, err);
    bool answered = false;
    if (!rc && o.trigger) rc = was_answered(cli, store, o.trigger, &answered, err);
    if (rc || answered) {
        gm_store_close(store);
        return rc;
    }
    if (recovered && !o.quiet) printf("%" PRId64 " unfinished steps of an earlier run were ended; going on\n", recovered);
    gm_cli_end_on(SIGINT);
    gm_cli_end_on(SIGTERM);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        gm_cli_end_on(SIGHUP); /* nohup stays nohup */
    gm_run_options run_options = { .jobs = o.jobs,
                                   .force = o.force,
                                   .keep_scratch = cli->common->debug,
                                   .trigger = o.trigger,
                                   .watch = { .ctx = &o, .finished = finished, .note = note, .canceled = gm_cli_canceled } };
    rc = gm_pipeline_run(store, &spec, &run_options, &result, &cli->errs, err);
    gm_err second;
    const char *reports = NULL;
    gm_rc after = gm_reports_write(store, &result, &reports, &second); /* also after a refusal: the card says what is weak */
    if (!rc && !after) after = gm_lock_write(&result, &second);
    if (cli->common->json)
        gm_summary_json(store, &result, rc, rc ? err->message : "");
    else if (result.graph.count)
        gm_summary_print(store, &result, reports, cli->a);
    if (!rc && after) {
        *err = second;
        rc = after;
    }
    gm_store_close(store);
    return rc;
}

const gm_command gm_command_run = {
    .item = { .name = "run",
              .help = "run the pipeline; what was done before is taken from the cache",
              .params = options,
              .conf_size = sizeof(opts) },
    .operands = "",
    .group = "Run",
    .examples = "gristmill run                        # gristmill.yaml of this folder\ngristmill run -f "
                "flights/gristmill.yaml\ngristmill run --force --jobs 1",
    .run = run,
};
