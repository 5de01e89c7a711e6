/* help.h - words about commands, made from their tables. */
#ifndef GM_CLI_HELP_H
#define GM_CLI_HELP_H

#include "cli/command.h"

void gm_help_command(const gm_command *c);
void gm_help_all(void);

#endif
