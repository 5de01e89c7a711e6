/* up_internal.h - between the files up*.c. */
#ifndef GM_LOOP_UP_INTERNAL_H
#define GM_LOOP_UP_INTERNAL_H

#include "base/arena.h"
#include "loop/up.h"

enum { GM_UP_WORDS = sizeof(((gm_err *)0)->message) }; /* of a failure, whole, so that the same one is known again */

/* The lock that says one is up; held until the descriptor is closed or the process ends. Errors: GM_ECONFLICT (after a second),
 * GM_EIO. */
gm_rc gm_up_lock(const char *dir, gm_arena *a, int *out_fd, gm_err *err);
void gm_up_status_write(const char *dir, const gm_up_status *s, gm_arena *a);

#endif
