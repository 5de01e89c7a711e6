/* summary.h - what a run came to, for people and for programs. */
#ifndef GM_CLI_SUMMARY_H
#define GM_CLI_SUMMARY_H

#include "cli/command.h"

void gm_summary_print(gm_store *store, const gm_run_result *r, const char *reports_dir, gm_arena *a);
void gm_summary_json(gm_store *store, const gm_run_result *r, gm_rc rc, const char *message);

#endif
