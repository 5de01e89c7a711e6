/* model_show.h - one model version in full: `gristmill models show REF`. */
#ifndef GM_CLI_MODEL_SHOW_H
#define GM_CLI_MODEL_SHOW_H

#include "cli/command.h"

/* Verifies and loads the package as the server does, so that what it says of the tree engine was measured here and now.
 * Errors: as gm_model_resolve and gm_served_open. */
gm_rc gm_model_show(gm_cli *cli, const char *ref, gm_err *err);

#endif
