/* roots.h - which runs and blobs must stay, for gc.c and fsck.c. */
#ifndef GM_STORE_ROOTS_H
#define GM_STORE_ROOTS_H

#include "store/store_internal.h"

typedef struct gm_roots_options {
    bool everything;    /* all runs, all versions: what is referenced at all */
    int64_t keep_runs;  /* else: the newest runs ...                          */
    int64_t since_us;   /* ... and those that began at or after this time     */
} gm_roots_options;

typedef struct gm_roots {
    gm_digest_map runs;  /* run ids, padded to 32 bytes */
    gm_digest_map blobs; /* digests                      */
    int64_t last_run;    /* newest run at that time      */
} gm_roots;

gm_rc gm_roots_find(gm_store *s, const gm_roots_options *options, gm_roots *out, gm_err *err);
void gm_roots_clear(gm_roots *r);
bool gm_roots_has_run(const gm_roots *r, int64_t id);

#endif
