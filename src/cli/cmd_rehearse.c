/* cmd_rehearse.c - `gristmill rehearse`: history through the whole loop, policies side by side. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "cli/command.h"
#include "cli/rehearse_show.h"
#include "loop/rehearse.h"

typedef struct opts {
    const char *from, *to, *step, *first, *history, *trainer, *html;
    gm_strs policy;
    bool search, quiet;
    int64_t jobs;
} opts;

static const gm_param options[] = {
    { "from", GM_PARAM_STR, offsetof(opts, from), "",
      "begin of the period: 2013, 2013-01, 2013-01-15; the data's begin by default", 0, 0, NULL },
    { "to", GM_PARAM_STR, offsetof(opts, to), "", "its end, and what it names is part of it; the data's end by default", 0, 0,
      NULL },
    { "step", GM_PARAM_STR, offsetof(opts, step), "", "how often is judged and decided: 1d, 6h; the monitor's window by default",
      0, 0, NULL },
    { "policy", GM_PARAM_STRS, offsetof(opts, policy), "",
      "never, weekly, monthly, drift, decay, file, or as in `retrain: when`; again for more; never and file (else monthly) by "
      "default",
      0, 0, NULL },
    { "first", GM_PARAM_STR, offsetof(opts, first), "",
      "the first model learns from so much: 90d; what lies before the period, or a fifth of it, by default", 0, 0, NULL },
    { "history", GM_PARAM_STR, offsetof(opts, history), "",
      "trainings read rows of the last so long, or `all`; as the file says by default", 0, 0, NULL },
    { "trainer", GM_PARAM_STR, offsetof(opts, trainer), "", "this trainer alone, without a search; as the file says by default",
      0, 0, NULL },
    { "search", GM_PARAM_BOOL, offsetof(opts, search), "false",
      "every training tries and searches as the file says, not only the first", 0, 0, NULL },
    { "html", GM_PARAM_STR, offsetof(opts, html), "", "also write a page with charts to this file", 0, 0, NULL },
    { "jobs", GM_PARAM_INT, offsetof(opts, jobs), "0", "steps at a time; 0 = one per core", 0, 1024, NULL },
    { "quiet", GM_PARAM_BOOL, offsetof(opts, quiet), "false", "no line for each decision", 0, 0, NULL },
    { 0 },
};

static void note(void *ctx, const char *line)
{
    const opts *o = ctx;
    if (o->quiet) return;
    printf("%s%s%s\n", gm_term_dim(), line, gm_term_plain());
    (void)fflush(stdout);
}

static gm_rc read_time(const char *name, const char *text, bool end, int64_t *out, gm_err *err)
{
    if (!text[0] || gm_rehearse_time(text, end, out)) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "--%s: expected a date, found \"%.60s\"", name, text);
    gm_err_hint(err, "Write 2013, 2013-01, 2013-01-15 or 2013-01-15T06:00.");
    return rc;
}

static gm_rc read_span(const char *name, const char *text, int64_t *out, gm_err *err)
{
    double seconds = 0;
    if (!text[0]) return GM_OK;
    gm_rc rc = gm_duration_parse(text, &seconds, err);
    if (rc) return gm_err_ctx(err, rc, "reading the option \"--%s\"", name);
    if (seconds < 60 || seconds > 1e10)
        return gm_err_set(err, GM_EINVALID, "--%s: expected at least a minute, found \"%.60s\"", name, text);
    *out = (int64_t)(seconds * 1e6);
    return GM_OK;
}

/* What is compared when nobody says: staying as it is, and what the file does (without such a section, the calendar). */
static gm_rc default_policies(gm_cli *cli, gm_rehearse_options *o, gm_err *err)
{
    gm_spec spec;
    const char **names = GM_ARENA_ARRAY(cli->a, const char *, 2);
    if (o->policies.count) return GM_OK;
    if (!names) return gm_err_set(err, GM_ENOMEM, "not enough memory to rehearse");
    gm_rc rc = gm_cli_spec(cli, &spec, err);
    if (rc) return rc;
    names[0] = "never";
    names[1] = spec.retrain.node ? "file" : "monthly";
    o->policies = (gm_strs){ .items = names, .count = 2 };
    return GM_OK;
}

static gm_rc read_options(gm_cli *cli, const opts *c, gm_rehearse_options *out, gm_err *err)
{
    gm_rehearse_options o = { .file = cli->operands_count ? cli->operands[0] : cli->common->file,
                              .from_us = INT64_MIN,
                              .until_us = INT64_MAX,
                              .policies = c->policy,
                              .trainer = c->trainer[0] ? c->trainer : NULL,
                              .search = c->search,
                              .jobs = c->jobs,
                              .watch = { .ctx = (void *)(uintptr_t)c, .note = note, .canceled = gm_cli_canceled } };
    gm_rc rc = read_time("from", c->from, false, &o.from_us, err);
    if (!rc) rc = read_time("to", c->to, true, &o.until_us, err);
    if (!rc) rc = read_span("step", c->step, &o.step_us, err);
    if (!rc) rc = read_span("first", c->first, &o.first_us, err);
    if (!rc && strcmp(c->history, "all") == 0)
        o.history_us = -1;
    else if (!rc)
        rc = read_span("history", c->history, &o.history_us, err);
    if (!rc && o.from_us != INT64_MIN && o.until_us != INT64_MAX && o.from_us >= o.until_us)
        rc = gm_err_set(err, GM_EINVALID, "the period ends before it begins: --from %.40s --to %.40s", c->from, c->to);
    if (!rc) *out = o;
    return rc;
}

/* Beside the pipeline file, inside its store's folder, and a store of its own: the registry that serves knows nothing of it. */
static gm_rc open_store(const gm_cli *cli, const char *file, gm_store **out, gm_err *err)
{
    const char *slash = strrchr(file, '/');
    const char *root =
        slash ? gm_arena_printf(cli->a, "%.*s/.gristmill/rehearsal", (int)(slash - file), file) : ".gristmill/rehearsal";
    if (!root) return gm_err_set(err, GM_ENOMEM, "not enough memory to rehearse");
    if (!gm_fs_exists(file)) {
        gm_rc rc = gm_err_set(err, GM_ENOTFOUND, "no file \"%.200s\"", file);
        gm_err_hint(err, "Name the pipeline's file: `gristmill rehearse path/to/gristmill.yaml`.");
        return rc;
    }
    gm_rc rc = gm_fs_mkdirs(root, err);
    return rc ? rc : gm_store_open(root, &(gm_store_options){ 0 }, out, err);
}

static gm_rc write_html(const char *path, const gm_rehearsal *r, gm_err *err)
{
    gm_buf b = { 0 };
    gm_rehearsal_html(r, &b);
    gm_rc rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for the page")
                        : gm_fs_write_atomic(path, gm_buf_str(&b), b.len, err);
    gm_buf_clear(&b);
    return rc;
}

static gm_rc run(gm_cli *cli, const void *conf, gm_err *err)
{
    opts c = *(const opts *)conf;
    gm_rehearse_options o;
    gm_rehearsal result;
    gm_store *store = NULL;
    gm_common common = *cli->common; /* the operand names the file, as -f does */
    c.quiet = c.quiet || common.json;
    gm_rc rc = read_options(cli, &c, &o, err);
    if (rc) return rc;
    common.file = o.file;
    cli->common = &common;
    rc = default_policies(cli, &o, err);
    if (!rc) rc = open_store(cli, o.file, &store, err);
    if (rc) return rc;
    gm_cli_end_on(SIGINT);
    gm_cli_end_on(SIGTERM);
    rc = gm_rehearse(store, &o, cli->a, &result, &cli->errs, err);
    gm_store_close(store);
    if (!rc && c.html[0]) rc = write_html(c.html, &result, err);
    if (rc) return rc;
    if (common.json) {
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, true);
        gm_rehearsal_json(&result, &j);
        gm_print_json(&b);
    } else {
        gm_rehearsal_print(&result, c.html, cli->a);
    }
    return GM_OK;
}

const gm_command gm_command_rehearse = {
    .item = { .name = "rehearse",
              .help = "replay history: what would have been served, alarmed, retrained and let through",
              .params = options,
              .conf_size = sizeof(opts) },
    .operands = "[FILE]",
    .operands_max = 1,
    .group = "Run",
    .examples =
        "gristmill rehearse --from 2013-01 --to 2013-12 --step 1d --policy never --policy monthly --first 90d --history 90d\n"
        "gristmill rehearse --policy never --policy drift --policy \"decay > 0.02\"   # which trigger pays?\n"
        "gristmill rehearse --json > rehearsal.json",
    .run = run,
};
