/* deploy_running.h - `deploy --to local --out FOLDER --status` and `--stop`: the server that was started from that folder. */
#ifndef GM_CLI_DEPLOY_RUNNING_H
#define GM_CLI_DEPLOY_RUNNING_H

#include "cli/command.h"

/* How it goes, or that it has ended now; with stop it is told to end, and waited for. Errors: GM_EINVALID (a target that starts
 * no server; no folder named), GM_ENOTFOUND (none was started there; to stop: none runs), GM_EUNAVAILABLE (still ending). */
gm_rc gm_deploy_running(const gm_cli *cli, const char *target, const char *out, bool stop, gm_err *err);

#endif
