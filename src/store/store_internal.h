/* store_internal.h - the opened store, shared by the files of this room. */
#ifndef GM_STORE_STORE_INTERNAL_H
#define GM_STORE_STORE_INTERNAL_H

#include <pthread.h>

#include "store/blob.h"
#include "store/meta.h"
#include "store/stat_cache.h"
#include "store/store.h"

struct gm_store {
    char root[4096]; /* absolute */
    int root_fd, lock_fd;
    bool read_only; /* no records, no blobs */
    bool beside;    /* records, but no blobs and no lock */
    atomic_bool stopped;     /* a sync failed: nothing is written any more */
    atomic_llong first_step; /* id of the first step begun through this handle; 0 = none */
    const gm_meta_backend *records;
    gm_meta *meta;
    const gm_blob_backend *blob_backend;
    gm_blobs *blobs;
    gm_stat_cache *stats;
    pthread_rwlock_t care; /* gc holds it for writing, whoever touches blobs for reading */
    pthread_mutex_t seen_mutex;
    gm_digest_map verified; /* digests checked by gm_blob_path since opening */
    gm_digest_map damaged;  /* digests found wrong since opening: the next put writes them again */
};

/* Work on the records. write: GM_EINVALID when opened read_only. durable as in meta.h. writable: may blobs be put? */
gm_rc gm_store_write(gm_store *s, bool durable, gm_meta_work work, void *ctx, gm_err *err);
gm_rc gm_store_read(gm_store *s, gm_meta_work work, void *ctx, gm_err *err);
/* A commit of nothing: it carries what waits to be indexed. */
gm_rc gm_store_flush(gm_store *s, gm_err *err);
gm_rc gm_store_writable(const gm_store *s, gm_err *err);

/* models.c: within a transaction. move: set the alias and log it; leave: drop it if it stands at that version. */
gm_rc gm_model_alias_move(gm_tx *tx, const char *model, const char *alias, int64_t version, gm_err *err);
gm_rc gm_model_alias_leave(gm_tx *tx, const char *model, const char *alias, int64_t version, gm_err *err);

/* release.c: the alias champion was moved (0 = dropped) by something else than a release: the one that runs is over. */
gm_rc gm_release_champion_moved(gm_tx *tx, const char *model, int64_t version, gm_err *err);

/* blobs.c */
gm_rc gm_blob_get_raw(gm_store *s, const gm_raw_digest *d, int64_t size_max, void **out, size_t *out_len, gm_err *err);
bool gm_blob_is_damaged(gm_store *s, const gm_raw_digest *d);

#endif
