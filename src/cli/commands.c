/* commands.c - the table of commands; see command_list.h. */
#include "cli/command.h"
#include "cli/command_list.h"

#define X(command) extern const gm_command command;
GM_COMMAND_LIST(X)
#undef X

#define X(command) &command.item,
static const gm_item *const items[] = { GM_COMMAND_LIST(X) };
#undef X

const gm_registry gm_commands = { .kind = "command", .items = items, .count = sizeof(items) / sizeof(items[0]) };

const gm_param gm_common_options[] = {
    { "file", GM_PARAM_STR, offsetof(gm_common, file), "gristmill.yaml", "the pipeline file; also -f", 0, 0, NULL },
    { "json", GM_PARAM_BOOL, offsetof(gm_common, json), "false", "answer as JSON", 0, 0, NULL },
    { "debug", GM_PARAM_BOOL, offsetof(gm_common, debug), "false", "after a failure keep the folders of steps in .gristmill/tmp",
      0, 0, NULL },
    { "help", GM_PARAM_BOOL, offsetof(gm_common, help), "false", "show how to use the command; also -h", 0, 0, NULL },
    { 0 },
};
