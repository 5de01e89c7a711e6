/* stat_cache.h - digests of the user's files, remembered by what stat says of them. */
#ifndef GM_STORE_STAT_CACHE_H
#define GM_STORE_STAT_CACHE_H

#include <sys/stat.h>

#include "store/digest_map.h"
#include "store/meta.h"

typedef struct gm_stat_cache gm_stat_cache;

gm_stat_cache *gm_stat_cache_new(const gm_meta_backend *records, gm_meta *meta); /* both borrowed; NULL = out of memory */
void gm_stat_cache_free(gm_stat_cache *c);

/* True when the file that `st` describes has not changed since its digest was recorded. A failing database is a miss. */
bool gm_stat_cache_get(gm_stat_cache *c, const struct stat *st, gm_raw_digest *out);
/* now_ns: the clock of gm_stat_cache_now before the file was read. Without memory nothing is remembered. */
void gm_stat_cache_put(gm_stat_cache *c, const struct stat *st, const gm_raw_digest *d, int64_t now_ns);
int64_t gm_stat_cache_now(void);

/* Within a transaction: write what is new. A cache that cannot be written is no reason to fail a commit. */
void gm_stat_cache_before_commit(gm_stat_cache *c, gm_tx *tx);
bool gm_stat_cache_has_unsaved(gm_stat_cache *c);

#endif
