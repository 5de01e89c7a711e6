/* cmd_up.c - `up`: serve, watch and retrain until told to stop; `retrain`: ask for a training. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/column.h"
#include "base/fs.h"
#include "cli/command.h"
#include "loop/retrain.h"
#include "loop/trigger_look.h"
#include "loop/up.h"
#include "serve/supervise.h"

enum { SHOWN_MAX = 10, ARGS_MAX = 48, DETACH_READY_MS = 120000 };

typedef struct up_opts {
    const char *host, *unix_path, *log, *access_log, *tls_cert, *tls_key, *admin_token_file, *infer_token_file;
    int64_t port;
    bool no_serve, strict, detach, status, stop;
} up_opts;

static const gm_param up_options[] = {
    { "host", GM_PARAM_STR, offsetof(up_opts, host), "", "address that the server listens on; 127.0.0.1", 0, 0, NULL },
    { "port", GM_PARAM_INT, offsetof(up_opts, port), "-1", "its port; 8080, 0 takes a free one", -1, 65535, NULL },
    { "unix", GM_PARAM_STR, offsetof(up_opts, unix_path), "", "it also listens on this Unix socket", 0, 0, NULL },
    { "log", GM_PARAM_STR, offsetof(up_opts, log), "full", "prediction log: off, full, or a share of the requests as 1%", 0, 0,
      NULL },
    { "access_log", GM_PARAM_STR, offsetof(up_opts, access_log), "", "a line of JSON for each request into this file", 0, 0,
      NULL },
    { "tls_cert", GM_PARAM_STR, offsetof(up_opts, tls_cert), "", "certificate chain, PEM", 0, 0, NULL },
    { "tls_key", GM_PARAM_STR, offsetof(up_opts, tls_key), "", "its private key, PEM", 0, 0, NULL },
    { "infer_token_file", GM_PARAM_STR, offsetof(up_opts, infer_token_file), "", "predictions need this bearer token", 0, 0,
      NULL },
    { "admin_token_file", GM_PARAM_STR, offsetof(up_opts, admin_token_file), "",
      "webhooks and loading need this bearer token; without one they need loopback", 0, 0, NULL },
    { "strict", GM_PARAM_BOOL, offsetof(up_opts, strict), "false", "refuse values that training did not know", 0, 0, NULL },
    { "no_serve", GM_PARAM_BOOL, offsetof(up_opts, no_serve), "false", "watch and retrain only; servers run elsewhere", 0, 0,
      NULL },
    { "detach", GM_PARAM_BOOL, offsetof(up_opts, detach), "false", "go on without this terminal, started again when it ends", 0,
      0, NULL },
    { "status", GM_PARAM_BOOL, offsetof(up_opts, status), "false", "say what is going on, and leave", 0, 0, NULL },
    { "stop", GM_PARAM_BOOL, offsetof(up_opts, stop), "false", "end what is up, in order", 0, 0, NULL },
    { 0 },
};

/* ---- the options of the server ------------------------------------------------------------------------------------------- */

typedef struct args {
    const char *items[ARGS_MAX]; /* NULL-terminated */
    size_t count;
} args;

static void add(args *a, const char *item)
{
    if (a->count + 1 < ARGS_MAX) a->items[a->count++] = item;
}

static void add_text(args *a, const char *name, const char *value)
{
    if (!value[0]) return;
    add(a, name);
    add(a, value);
}

/* What `serve` and a detached `up` are both told. */
static void server_args(const gm_cli *cli, const up_opts *o, args *a)
{
    add_text(a, "--host", o->host);
    if (o->port >= 0)
        add_text(a, "--port", gm_arena_printf(cli->a, "%" PRId64, o->port));
    else
        add_text(a, "--port", getenv("GRISTMILL_PORT") ? getenv("GRISTMILL_PORT") : "8080");
    add_text(a, "--unix", o->unix_path);
    add_text(a, "--log", o->log);
    add_text(a, "--access-log", o->access_log);
    add_text(a, "--tls-cert", o->tls_cert);
    add_text(a, "--tls-key", o->tls_key);
    add_text(a, "--infer-token-file", o->infer_token_file);
    add_text(a, "--admin-token-file", o->admin_token_file);
    if (o->strict) add(a, "--strict");
}

/* ---- what it says ---------------------------------------------------------------------------------------------------------- */

static void print_line(bool json, const char *part, const char *line, const char *url)
{
    char when[48];
    (void)gm_time_text(gm_now_us() / 1000000 * 1000000, when, sizeof(when));
    if (json) {
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, false);
        gm_json_object(&j);
        gm_json_kstr(&j, "time", when);
        gm_json_kstr(&j, "part", part);
        gm_json_kstr(&j, "line", line);
        if (url) gm_json_kstr(&j, "url", url);
        gm_json_object_end(&j);
        printf("%s\n", gm_buf_str(&b));
        gm_buf_clear(&b);
    } else {
        char plain[1024]; /* a line has words of whoever asked for a retraining */
        (void)snprintf(plain, sizeof(plain), "%s", line);
        printf("%s%s%s %s%-8s%s%s\n", gm_term_dim(), when, gm_term_plain(), gm_term_bold(), part, gm_term_plain(),
               gm_show_plain(plain));
    }
    (void)fflush(stdout);
}

static void say(void *ctx, const char *part, const char *line)
{
    print_line(((const gm_cli *)ctx)->common->json, part, line, NULL);
}

static void ready(void *ctx, const char *url)
{
    print_line(((const gm_cli *)ctx)->common->json, "up", "ready", url);
    gm_supervise_ready();
}

/* For tests: the machine's clock and as many microseconds more as the file $GRISTMILL_CLOCK says. */
static int64_t clock_us(void *ctx)
{
    gm_buf b = { 0 };
    int64_t more = 0;
    if (gm_fs_read(ctx, 64, &b, NULL) == GM_OK) more = strtoll(gm_buf_str(&b), NULL, 10);
    gm_buf_clear(&b);
    return gm_now_us() + more;
}

/* ---- status ------------------------------------------------------------------------------------------------------------------
 */

static gm_rc triggers_of(gm_cli *cli, const gm_spec *spec, gm_trigger_record **out, size_t *out_count, gm_err *err)
{
    gm_store *store = NULL;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (!rc) rc = gm_trigger_list(store, spec->pipeline, NULL, SHOWN_MAX, cli->a, out, out_count, err);
    gm_store_close(store);
    return rc;
}

static void triggers_json(gm_json *j, const gm_trigger_record *t, size_t count)
{
    gm_json_key(j, "triggers");
    gm_json_array(j);
    for (size_t i = 0; i < count; i++) {
        gm_json_object(j);
        gm_json_kint(j, "id", t[i].id);
        gm_json_kstr(j, "kind", t[i].kind);
        gm_json_kstr(j, "cause", t[i].cause);
        gm_json_kstr(j, "reason", t[i].reason);
        gm_json_kint(j, "asked_us", t[i].asked_us);
        gm_json_kstr(j, "state", t[i].state);
        gm_json_kint(j, "started_us", t[i].started_us);
        gm_json_kint(j, "ended_us", t[i].ended_us);
        gm_json_kint(j, "attempts", t[i].attempts);
        gm_json_kint(j, "run", t[i].run_id);
        gm_json_kint(j, "version", t[i].model_version);
        gm_json_kstr(j, "outcome", t[i].outcome);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void triggers_print(const gm_cli *cli, const gm_trigger_record *t, size_t count)
{
    gm_grid *g = gm_grid_new(cli->a, 5);
    if (!count) {
        printf("No retraining was asked for yet.\n");
        return;
    }
    gm_grid_add(g, (const char *[]){ "trigger", "asked", "state", "reason", "outcome" });
    for (size_t i = 0; i < count; i++) {
        char when[32];
        gm_grid_add(g, (const char *[]){ gm_arena_printf(cli->a, "%" PRId64, t[i].id), gm_show_time(t[i].asked_us, when),
                                         t[i].state, t[i].reason, t[i].outcome });
    }
    gm_grid_print(g);
}

static const char *store_root(const gm_cli *cli)
{
    const char *file = cli->common->file, *slash = strrchr(file, '/');
    return slash ? gm_arena_printf(cli->a, "%.*s/.gristmill", (int)(slash - file), file) : ".gristmill";
}

static void status_print(const gm_up_status *s)
{
    char since[32];
    if (s->running)
        printf("up as process %" PRId64 " since %s\n", s->pid, gm_show_time(s->since_us, since));
    else
        printf("not up\n");
    if (s->running && s->server)
        printf("server: process %" PRId64 ", %s%s, started again %" PRId64 " times\n", s->server,
               s->ready ? "answers at " : "does not answer yet", s->ready ? s->url : "", s->server_restarts);
    if (s->retraining) printf("trigger %" PRId64 " is being answered\n", s->retraining);
    if (s->waiting) printf("%" PRId64 " wait%s%s\n", s->waiting, s->why[0] ? ": " : "", s->why);
}

static gm_rc status(gm_cli *cli, const gm_spec *spec, gm_err *err)
{
    gm_up_status s;
    gm_trigger_record *t = NULL;
    size_t count = 0;
    gm_rc rc = gm_up_status_read(store_root(cli), cli->a, &s, err);
    if (!rc) rc = triggers_of(cli, spec, &t, &count, err);
    if (rc) return rc;
    if (!s.running) cli->exit_code = 1;
    if (!cli->common->json) {
        status_print(&s);
        triggers_print(cli, t, count);
        return GM_OK;
    }
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kbool(&j, "running", s.running);
    gm_json_kint(&j, "pid", s.running ? s.pid : 0);
    gm_json_kint(&j, "since_us", s.since_us);
    gm_json_kbool(&j, "ready", s.ready);
    gm_json_kstr(&j, "url", s.url);
    gm_json_kint(&j, "server", s.running ? s.server : 0);
    gm_json_kint(&j, "server_restarts", s.server_restarts);
    gm_json_kint(&j, "retraining", s.retraining);
    gm_json_kint(&j, "waiting", s.waiting);
    gm_json_kstr(&j, "why", s.why);
    triggers_json(&j, t, count);
    gm_json_object_end(&j);
    gm_print_json(&b);
    return GM_OK;
}

/* ---- up
 * ------------------------------------------------------------------------------------------------------------------------ */

static const char *program_path(gm_arena *a)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    return n > 0 ? gm_arena_strndup(a, path, (size_t)n) : "/proc/self/exe";
}

static gm_rc detach(gm_cli *cli, const up_opts *o, gm_err *err)
{
    args a = { 0 };
    add(&a, program_path(cli->a));
    add(&a, "up");
    add(&a, "-f");
    add(&a, cli->common->file);
    if (cli->common->json) add(&a, "--json");
    if (o->no_serve) add(&a, "--no-serve");
    server_args(cli, o, &a);
    const char *dir = gm_up_dir(store_root(cli), cli->a);
    gm_rc rc = gm_supervise_start(
        &(gm_supervise_options){ .dir = dir, .argv = a.items, .ready_ms = DETACH_READY_MS, .stop_ms = 60000 }, err);
    if (rc) return rc;
    gm_up_status s = { 0 };
    (void)gm_up_status_read(store_root(cli), cli->a, &s, NULL);
    if (cli->common->json)
        printf("{\"pid\":%" PRId64 ",\"url\":\"%s\"}\n", s.pid, s.url);
    else
        printf("up%s%s; `gristmill up --status` shows it, its log is %s/server.log\n", s.url[0] ? " at " : "", s.url, dir);
    return GM_OK;
}

static gm_rc stop(gm_cli *cli, gm_err *err)
{
    gm_rc rc = gm_up_stop(store_root(cli), cli->a, err);
    if (!rc && !cli->common->json) printf("stopped\n");
    return rc;
}

static gm_rc serve_and_watch(gm_cli *cli, const up_opts *o, gm_err *err)
{
    args a = { 0 };
    const char *clock_file = getenv("GRISTMILL_CLOCK");
    server_args(cli, o, &a);
    gm_up_options uo = { .program = program_path(cli->a),
                         .file = cli->common->file,
                         .store_root = store_root(cli),
                         .serve_args = o->no_serve ? NULL : a.items,
                         .say = say,
                         .say_ctx = cli,
                         .ready = ready,
                         .ready_ctx = cli };
    if (clock_file && clock_file[0]) {
        uo.now_us = clock_us;
        uo.now_ctx = (void *)(uintptr_t)clock_file;
    }
    return gm_up_run(&uo, &cli->errs, err);
}

static gm_rc run_up(gm_cli *cli, const void *conf, gm_err *err)
{
    const up_opts *o = conf;
    gm_spec spec;
    gm_common common = *cli->common;
    if (cli->operands_count) common.file = cli->operands[0];
    cli->common = &common;
    gm_rc rc = GM_OK;
    if (o->stop)
        rc = stop(cli, err);
    else if (!(rc = gm_cli_spec(cli, &spec, err)))
        rc = o->status ? status(cli, &spec, err) : o->detach ? detach(cli, o, err) : serve_and_watch(cli, o, err);
    return rc;
}

const gm_command gm_command_up = {
    .item = { "up", "serve, watch what was served, and retrain when there is reason to", up_options, sizeof(up_opts) },
    .operands = "[FILE]",
    .operands_max = 1,
    .group = "Run",
    .examples = "gristmill up                     # until Ctrl-C; the triggers are `retrain:` in the file\n"
                "gristmill up --detach --port 9000\n"
                "gristmill up --status            # what is going on, and the last triggers with their outcomes\n"
                "gristmill up --stop",
    .run = run_up,
};

/* ---- retrain
 * --------------------------------------------------------------------------------------------------------------------- */

typedef struct retrain_opts {
    const char *reason;
    bool now, list;
} retrain_opts;

static const gm_param retrain_options[] = {
    { "reason", GM_PARAM_STR, offsetof(retrain_opts, reason), "by hand", "why, for the record", 0, 0, NULL },
    { "now", GM_PARAM_BOOL, offsetof(retrain_opts, now), "false", "wait neither for at_most nor for a release that runs", 0, 0,
      NULL },
    { "list", GM_PARAM_BOOL, offsetof(retrain_opts, list), "false", "show the last triggers and what became of them", 0, 0,
      NULL },
    { 0 },
};

static gm_rc ask(gm_cli *cli, const gm_spec *spec, const retrain_opts *o, gm_err *err)
{
    gm_store *store = NULL;
    gm_up_status up = { 0 };
    gm_rc rc = gm_cli_registry(cli, &store, err);
    const char *cause = gm_trigger_cause(GM_TRIGGER_MANUAL, gm_now_us(), cli->a);
    gm_trigger_record t = { .pipeline = spec->pipeline, .kind = gm_trigger_kind_name(GM_TRIGGER_MANUAL), .reason = o->reason };
    t.cause = o->now ? gm_arena_printf(cli->a, GM_RETRAIN_NOW "%s", cause) : cause;
    if (!rc && !t.cause) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to ask for a retraining");
    if (!rc) rc = gm_trigger_ask(store, &t, &t.id, NULL, err);
    gm_store_close(store);
    if (rc) return rc;
    (void)gm_up_status_read(store_root(cli), cli->a, &up, NULL);
    if (cli->common->json)
        printf("{\"trigger\":%" PRId64 ",\"up\":%s}\n", t.id, up.running ? "true" : "false");
    else
        printf("trigger %" PRId64 " is written; %s\n", t.id,
               up.running ? "`gristmill up` answers it" : "`gristmill up` answers it once it is up");
    return GM_OK;
}

static gm_rc run_retrain(gm_cli *cli, const void *conf, gm_err *err)
{
    const retrain_opts *o = conf;
    gm_spec spec;
    gm_trigger_record *t = NULL;
    size_t count = 0;
    gm_rc rc = gm_cli_spec(cli, &spec, err);
    if (!rc && !o->list) return ask(cli, &spec, o, err);
    if (!rc) rc = triggers_of(cli, &spec, &t, &count, err);
    if (rc) return rc;
    if (!cli->common->json) {
        triggers_print(cli, t, count);
        return GM_OK;
    }
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    triggers_json(&j, t, count);
    gm_json_object_end(&j);
    gm_print_json(&b);
    return GM_OK;
}

const gm_command gm_command_retrain = {
    .item = { "retrain", "ask for a retraining, which `gristmill up` carries out", retrain_options, sizeof(retrain_opts) },
    .operands = "",
    .group = "Run",
    .examples =
        "gristmill retrain --reason \"new prices\"\ngristmill retrain --list   # the last triggers, and what became of them",
    .run = run_retrain,
};
