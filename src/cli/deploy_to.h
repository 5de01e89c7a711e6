/* deploy_to.h - `deploy --to TARGET`: a version as the files of a platform. */
#ifndef GM_CLI_DEPLOY_TO_H
#define GM_CLI_DEPLOY_TO_H

#include "cli/command.h"

/* Write what the target's platform takes to out, from the version or package folder that the first operand names (a bare model name is its
 * champion), and say what comes next. set: "key=value" for the target's parameters. */
gm_rc gm_deploy_to(gm_cli *cli, const char *target, const char *out, const gm_strs *set, gm_err *err);

#endif
