/* common.c - what commands share: the store, the file, the plan. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "cli/command.h"

static const char *store_root(const gm_cli *cli)
{
    const char *file = cli->common->file, *slash = strrchr(file, '/');
    return slash ? gm_arena_printf(cli->a, "%.*s/.gristmill", (int)(slash - file), file) : ".gristmill";
}

static gm_rc no_store(const char *root, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_ENOTFOUND, "no store at \"%s\": nothing was run here yet", root);
    gm_err_hint(err, "`gristmill run` makes one; `-f path/to/gristmill.yaml` names another pipeline.");
    return rc;
}

gm_rc gm_cli_store(const gm_cli *cli, bool write, gm_store **out, gm_err *err)
{
    const char *root = store_root(cli);
    if (!root) return gm_err_set(err, GM_ENOMEM, "not enough memory to open the store");
    gm_rc rc = gm_store_open(root, &(gm_store_options){ .read_only = !write }, out, err);
    return rc == GM_ENOTFOUND ? no_store(root, err) : rc;
}

gm_rc gm_cli_registry(const gm_cli *cli, gm_store **out, gm_err *err)
{
    const char *root = store_root(cli);
    if (!root) return gm_err_set(err, GM_ENOMEM, "not enough memory to open the store");
    gm_rc rc = gm_store_open(root, &(gm_store_options){ .beside = true }, out, err);
    return rc == GM_ENOTFOUND ? no_store(root, err) : rc;
}

gm_rc gm_cli_scratch(const gm_cli *cli, const char **out_dir, gm_err *err)
{
    const char *root = getenv("TMPDIR");
    char *dir = gm_arena_printf(cli->a, "%s/gristmill-XXXXXX", root && root[0] ? root : "/tmp");
    if (!dir) return gm_err_set(err, GM_ENOMEM, "not enough memory for a scratch folder");
    if (!mkdtemp(dir)) return gm_err_errno(err, errno, "make a scratch folder", dir);
    *out_dir = dir;
    return GM_OK;
}

gm_rc gm_cli_spec(gm_cli *cli, gm_spec *out, gm_err *err)
{
    gm_rc rc = gm_spec_read(cli->common->file, cli->a, out, &cli->errs);
    return rc && cli->errs.count == 0 ? gm_err_set(err, rc, "could not read \"%s\"", cli->common->file) : rc;
}

gm_rc gm_cli_plan(gm_cli *cli, gm_store *store, gm_spec *spec, gm_run_result *out, gm_err *err)
{
    gm_run_options o = { .plan_only = true };
    return gm_pipeline_run(store, spec, &o, out, &cli->errs, err);
}

static volatile sig_atomic_t interrupted;
static void on_signal(int number)
{
    interrupted = number;
}

void gm_cli_end_on(int signal)
{
    (void)sigaction(signal, &(struct sigaction){ .sa_handler = on_signal }, NULL);
}

bool gm_cli_canceled(void *ctx)
{
    (void)ctx;
    return interrupted != 0;
}
