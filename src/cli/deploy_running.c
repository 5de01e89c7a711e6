/* deploy_running.c - see deploy_running.h. */
#include "cli/deploy_running.h"

#include <inttypes.h>
#include <stdio.h>

#include "serve/supervise.h"
#include "serve/target.h"

static void print_json(const char *out, const gm_supervised *s)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "out", out);
    gm_json_kbool(&j, "running", s->running);
    gm_json_kstr(&j, "state", s->state);
    gm_json_kint(&j, "since_us", s->since_us);
    gm_json_kint(&j, "supervisor", s->pid);
    gm_json_kint(&j, "server", s->server);
    gm_json_kint(&j, "restarts", s->restarts);
    gm_json_kstr(&j, "ended", s->ended);
    gm_json_object_end(&j);
    gm_print_json(&b);
}

/* "ready since 2026-01-05 10:00:00 UTC, process 4711; started again 2 times, ended last with signal 9" */
static void print_state(const char *out, const gm_supervised *s)
{
    char when[32];
    printf("%s since %s UTC", s->state, gm_show_time(s->since_us, when));
    if (s->server) printf(", process %" PRId64, s->server);
    if (s->restarts) printf("; started again %" PRId64 " time%s", s->restarts, s->restarts == 1 ? "" : "s");
    if (s->ended[0]) printf("%s ended last with %s", s->restarts ? "," : ";", s->ended);
    printf("\n  log: %s/server.log\n", out);
}

static gm_rc find_target(const char *target, gm_err *err)
{
    const gm_item *item = NULL;
    gm_rc rc = gm_registry_find(&gm_targets, target, &item, err);
    if (!rc && !((const gm_target *)item)->runs) {
        rc = gm_err_set(err, GM_EINVALID, "\"%s\" writes files and starts nothing that could be asked or stopped here", target);
        gm_err_hint(err, "--status and --stop are for --to local.");
    }
    return rc;
}

gm_rc gm_deploy_running(const gm_cli *cli, const char *target, const char *out, bool stop, gm_err *err)
{
    gm_supervised s;
    gm_rc rc = find_target(target[0] ? target : "local", err);
    if (!rc && !out[0]) {
        rc = gm_err_set(err, GM_EINVALID, "name the folder that the server was started from");
        gm_err_hint(err, "`gristmill deploy --to local --out PATH --%s`", stop ? "stop" : "status");
    }
    if (rc) return rc;
    rc = gm_supervise_status(out, &s, err);
    if (rc == GM_ENOTFOUND) {
        rc = gm_err_set(err, GM_ENOTFOUND, "no server was ever started from \"%.200s\"", out);
        gm_err_hint(err, "It is the folder that `gristmill deploy MODEL --to local --out PATH` made.");
    }
    if (!rc && stop) rc = gm_supervise_stop(out, 0, err);
    if (!rc && stop) rc = gm_supervise_status(out, &s, err);
    if (rc) return rc;
    if (cli->common->json)
        print_json(out, &s);
    else
        print_state(out, &s);
    return GM_OK;
}
