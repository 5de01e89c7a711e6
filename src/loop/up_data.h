/* up_data.h - `gristmill up` looks at the data on a thread of its own: reading large files for their digests, or counting their
 * rows, takes minutes, and the server's processes, the clock and the wishes are looked at meanwhile. */
#ifndef GM_LOOP_UP_DATA_H
#define GM_LOOP_UP_DATA_H

#include "loop/trigger_look.h"

typedef struct gm_up_data_options {
    const gm_spec *spec;          /* borrowed until stopped */
    gm_store *store;              /* open beside; borrowed until stopped */
    gm_trigger_data *seen;        /* the thread's until stopped; what it saw is kept over a new start */
    int64_t (*now_us)(void *ctx); /* from the thread; NULL = the machine's clock */
    void *now_ctx;
    void (*asked)(void *ctx, const gm_trigger_record *t);       /* from the thread; a new wish */
    void (*say)(void *ctx, const char *part, const char *line); /* from the thread; a look that failed, once */
    void *ctx;                                                  /* of both */
    int64_t every_ms; /* 0 = 1000: whether there is a model; data are looked at every third time */
} gm_up_data_options;

typedef struct gm_up_data gm_up_data; /* owned */
/* Errors: GM_ENOMEM, GM_EUNAVAILABLE. */
gm_rc gm_up_data_start(const gm_up_data_options *o, gm_up_data **out, gm_err *err);
/* Waits for the look that is under way. NULL is fine. */
void gm_up_data_stop(gm_up_data *d);

#endif
