/* blob.h - bytes named by their SHA-256: what a blob backend must do.
 *
 * blob_local.c keeps them in a folder; an S3 backend would fill the same struct (an object for each blob, put is durable when the
 * server has answered, `path` downloads to tmp/). The store computes and checks digests; a backend moves bytes.
 * Threads: any, at any time, but for sweep, which the store runs alone.
 */
#ifndef GM_STORE_BLOB_H
#define GM_STORE_BLOB_H

#include "store/digest_map.h"
#include "store/meta.h"
#include "store/store.h"

enum { GM_BLOB_SMALL_MAX = 64 << 10 }; /* bytes; up to here a blob goes into a pack */

typedef struct gm_blobs gm_blobs; /* one opened place */

/* One small blob to keep. bytes borrowed during the call. */
typedef struct gm_blob_item {
    gm_raw_digest digest;
    const void *bytes;
    size_t len; /* <= GM_BLOB_SMALL_MAX */
    bool again; /* write it even if it seems to be there: what is there was found damaged */
} gm_blob_item;

typedef struct gm_blob_options {
    bool read_only;
    int root_fd;      /* the store's folder, borrowed until close */
    const char *root; /* its absolute path, borrowed until close  */
    const gm_meta_backend *records;
    gm_meta *meta;        /* for the index of packs; borrowed until close */
    atomic_bool *stopped; /* see gm_meta_options                          */
} gm_blob_options;

typedef struct gm_blob_backend {
    const char *name;
    gm_rc (*open)(const gm_blob_options *options, gm_blobs **out, gm_err *err);
    void (*close)(gm_blobs *b);

    /* Keep small blobs; those already there cost nothing. On GM_OK all are durable when `sync`, else with the next put that syncs. */
    gm_rc (*put)(gm_blobs *b, const gm_blob_item *items, size_t count, bool sync, gm_err *err);
    /* Keep what fd holds from its start (larger than GM_BLOB_SMALL_MAX), reading it once. take: path may be moved instead.
     * Replaces a blob of that name, so that a damaged one is healed. Durable on GM_OK. */
    gm_rc (*put_file)(gm_blobs *b, int fd, const char *path, bool take, gm_digest *out, int64_t *out_size, gm_err *err);
    /* out_size -1 when it is not there, which is no error. */
    gm_rc (*find)(gm_blobs *b, const gm_raw_digest *d, int64_t *out_size, gm_err *err);
    /* The same for many small ones: out_sizes [count]. */
    gm_rc (*find_many)(gm_blobs *b, const gm_raw_digest *d, size_t count, int64_t *out_sizes, gm_err *err);
    /* into: [size] as find gave it. The digest is not checked here. Errors: GM_ENOTFOUND, GM_ECORRUPT (shorter), GM_EIO. */
    gm_rc (*read)(gm_blobs *b, const gm_raw_digest *d, void *into, int64_t size, gm_err *err);
    /* A file with the bytes, to be read only. The digest is not checked here. In arena. */
    gm_rc (*path)(gm_blobs *b, const gm_raw_digest *d, int64_t size, gm_arena *a, const char **out_path, gm_err *err);
    /* Call visit for every blob; a visit that fails ends it. */
    gm_rc (*each)(gm_blobs *b, gm_rc (*visit)(void *ctx, const gm_raw_digest *d, int64_t size, gm_err *err), void *ctx,
                  gm_err *err);
    /* Look for what a lost index hides; say a line for each thing that is wrong in the layout itself. */
    gm_rc (*check)(gm_blobs *b, void (*say)(void *ctx, const char *line), void *ctx, int64_t *out_problems,
                   int64_t *out_repaired, gm_err *err);
    /* Remove every blob that is not in keep; with dry_run only count. */
    gm_rc (*sweep)(gm_blobs *b, const gm_digest_map *keep, bool dry_run, gm_gc_report *io_report, gm_err *err);

    /* Inside each transaction of the records, and after it (see gm_meta_options). NULL = not needed. */
    gm_rc (*before_commit)(gm_blobs *b, gm_tx *tx, gm_err *err);
    void (*after_commit)(gm_blobs *b, bool committed);
    bool (*has_unindexed)(gm_blobs *b); /* a transaction would be of use before closing */
} gm_blob_backend;

extern const gm_blob_backend gm_blob_local;

#endif
