/* target_local.c - a server on this machine that stays up: the folder `out` holds the model's package and what the supervisor
 * keeps.
 *
 * It does not come back after a restart of the machine; the target systemd does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/supervise.h"
#include "serve/targets/target_write.h"

enum { ARGS_MAX = 16 };

typedef struct conf {
    const char *host, *log;
    int64_t port;
    bool follow;
} conf;

static const gm_param params[] = {
    { "host", GM_PARAM_STR, offsetof(conf, host), "127.0.0.1", "address to listen on", 0, 0, NULL },
    { "port", GM_PARAM_INT, offsetof(conf, port), "8080", "port", 1, 65535, NULL },
    { "follow", GM_PARAM_BOOL, offsetof(conf, follow), "false",
      "serve the registry's champion and follow it, instead of a copy of this version", 0, 0, NULL },
    { "log", GM_PARAM_STR, offsetof(conf, log), "1%", "follow: prediction log, off, full or a share of the requests", 0, 0,
      NULL },
    { 0 },
};

typedef struct command {
    const char *argv[ARGS_MAX];
    size_t count;
} command;

static void add(command *c, const char *word)
{
    if (c->count + 1 < ARGS_MAX) c->argv[c->count++] = word;
}

/* The package, or nothing when the store's own is served. */
static gm_rc make_folder(const conf *c, const gm_target_in *in, gm_arena *a, gm_stage *s, gm_err *err)
{
    gm_target_files files = { 0 };
    gm_rc rc = c->follow ? GM_OK : gm_target_package(in->package_dir, "package", a, &files, err);
    if (!rc) rc = gm_stage_begin(in->out, a, s, err);
    return rc ? rc : gm_stage_end(s, gm_stage_files(s, &files, err), err);
}

static gm_rc start(const conf *c, const gm_target_in *in, const gm_stage *s, gm_arena *a, gm_err *err)
{
    command cmd = { 0 };
    const char *port = gm_arena_printf(a, "%" PRId64, c->port);
    char *out = realpath(s->out, NULL), *root = c->follow ? realpath(in->store_root, NULL) : NULL;
    const char *package = out ? gm_arena_printf(a, "%s/package", out) : NULL;
    add(&cmd, in->program);
    add(&cmd, "serve");
    if (c->follow) {
        add(&cmd, in->model);
        add(&cmd, "--log");
        add(&cmd, c->log);
    } else {
        add(&cmd, "--package");
        add(&cmd, package);
        add(&cmd, "--name");
        add(&cmd, in->model);
    }
    add(&cmd, "--host");
    add(&cmd, c->host);
    add(&cmd, "--port");
    add(&cmd, port);
    char *slash = root ? strrchr(root, '/') : NULL;
    if (slash) slash[slash == root] = '\0'; /* a command finds the store from the folder that holds it */
    gm_rc rc = !out || !package || !port || (c->follow && !slash)
                   ? gm_err_set(err, GM_ENOMEM, "not enough memory for a deployment")
                   : GM_OK;
    if (!rc) rc = gm_supervise_start(&(gm_supervise_options){ .dir = out, .argv = cmd.argv, .cwd = c->follow ? root : out }, err);
    free(root);
    free(out);
    return rc;
}

static gm_rc write_local(const void *opaque, const gm_target_in *in, gm_arena *a, gm_buf *report, gm_err *err)
{
    const conf *c = opaque;
    gm_stage s;
    if (c->follow && !in->store_root)
        return gm_err_set(err, GM_EINVALID, "only a model of a store can be followed, and this is a package's folder");
    gm_rc rc = make_folder(c, in, a, &s, err);
    if (rc) return rc;
    rc = start(c, in, &s, a, err);
    if (rc) { /* its last words are in the error */
        (void)gm_fs_remove_tree(s.out, NULL);
        return rc;
    }
    gm_buf_printf(report,
                  "serving %s at http://%s:%" PRId64 ", supervised from %s\n"
                  "  log: %s/server.log\n"
                  "ask after it, and stop it:\n"
                  "  gristmill deploy --to local --out %s --status\n"
                  "  gristmill deploy --to local --out %s --stop\n",
                  in->model, c->host, c->port, s.out, s.out, s.out, s.out);
    return GM_OK;
}

const gm_target gm_target_local = {
    .item = { "local", "a supervised server on this machine, started now", params, sizeof(conf) },
    .runs = true,
    .write = write_local,
};
