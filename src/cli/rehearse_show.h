/* rehearse_show.h - a rehearsal on a terminal: a line of blocks for each policy, and the table. */
#ifndef GM_CLI_REHEARSE_SHOW_H
#define GM_CLI_REHEARSE_SHOW_H

#include "loop/rehearse.h"

/* html: the page that was written, "" = none. */
void gm_rehearsal_print(const gm_rehearsal *r, const char *html, gm_arena *a);

#endif
