/* up_parts.h - what `gristmill up` does itself besides serving and retraining: it watches what was served, and sends what alerts
 * have to say.
 *
 * On a thread of its own, since judging a day takes seconds and a channel that does not answer takes longer. */
#ifndef GM_LOOP_UP_PARTS_H
#define GM_LOOP_UP_PARTS_H

#include "pipe/spec.h"
#include "store/store.h"

typedef struct gm_up_parts_options {
    const gm_spec *spec;          /* borrowed until closed */
    gm_store *store;              /* open beside; borrowed until closed */
    const char *dir;              /* a folder for scratch; borrowed until closed */
    int64_t (*now_us)(void *ctx); /* from the thread */
    void *now_ctx;
    void (*say)(void *ctx, const char *part, const char *line); /* from the thread */
    void *say_ctx;
    int64_t every_ms; /* 0 = 1000 */
} gm_up_parts_options;

typedef struct gm_up_parts gm_up_parts; /* owned */
/* Errors: GM_EINVALID (the file), GM_ENOMEM, GM_EUNAVAILABLE. */
gm_rc gm_up_parts_start(const gm_up_parts_options *o, gm_up_parts **out, gm_err *err);
/* Waits for the step that is under way: a window, a message. */
void gm_up_parts_stop(gm_up_parts *p);

#endif
