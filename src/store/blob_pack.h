/* blob_pack.h - small blobs, one after the other in a few append-only files: packs/NNNNNNNN.pack.
 *
 * A pack is 16 bytes of magic, then records: "GMB1", 4 zero bytes, size (8 bytes, little-endian), the 32 bytes of the digest, the
 * bytes. Each record proves itself by its digest, so that the index (table `packed`) can always be made again from the packs.
 */
#ifndef GM_STORE_BLOB_PACK_H
#define GM_STORE_BLOB_PACK_H

#include "store/blob.h"

typedef struct gm_packs gm_packs;

gm_rc gm_packs_open(const gm_blob_options *options, gm_packs **out, gm_err *err);
void gm_packs_close(gm_packs *p);

/* As in gm_blob_backend. */
gm_rc gm_packs_put(gm_packs *p, const gm_blob_item *items, size_t count, bool sync, gm_err *err);
gm_rc gm_packs_find_many(gm_packs *p, const gm_raw_digest *d, size_t count, int64_t *out_sizes, gm_err *err);
gm_rc gm_packs_read(gm_packs *p, const gm_raw_digest *d, void *into, int64_t size, gm_err *err);
gm_rc gm_packs_each(gm_packs *p, gm_rc (*visit)(void *ctx, const gm_raw_digest *d, int64_t size, gm_err *err), void *ctx,
                    gm_err *err);
gm_rc gm_packs_check(gm_packs *p, void (*say)(void *ctx, const char *line), void *ctx, int64_t *out_problems,
                     int64_t *out_repaired, gm_err *err);
gm_rc gm_packs_sweep(gm_packs *p, const gm_digest_map *keep, bool dry_run, gm_gc_report *io_report, gm_err *err);
gm_rc gm_packs_before_commit(gm_packs *p, gm_tx *tx, gm_err *err);
void gm_packs_after_commit(gm_packs *p, bool committed);
bool gm_packs_has_unindexed(gm_packs *p);

#endif
