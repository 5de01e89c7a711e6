/* blob_pack_internal.h - what blob_pack.c (put, find, read) and blob_pack_care.c (recover, check, sweep) share. */
#ifndef GM_STORE_BLOB_PACK_INTERNAL_H
#define GM_STORE_BLOB_PACK_INTERNAL_H

#include <pthread.h>

#include "store/blob_pack.h"

enum {
    PACK_HEAD = 16,             /* bytes of magic at the start of a pack */
    RECORD_HEAD = 48,           /* bytes before the blob's own           */
    PACK_MAX = 256 << 20,       /* a pack of this size gets no more      */
    PACK_FDS = 64               /* packs kept open for reading           */
};

/* Where a record lies. offset: of the record's head. */
typedef struct gm_place {
    int64_t pack, offset, size;
} gm_place;

struct gm_packs {
    gm_blob_options options;
    int dir_fd;
    pthread_mutex_t mutex;
    pthread_cond_t moved;

    bool recovered; /* what a crash left was looked at; under recover_mutex, which is never taken inside mutex */
    pthread_mutex_t recover_mutex;
    /* The pack being written; active_fd -1 = none yet. */
    int64_t active_id, end;
    int active_fd;
    int64_t next_id;
    bool dir_changed; /* a pack was made and the folder not yet synced */

    /* Records appended and not yet in the index, in order. Bytes of all appends of this handle are counted in
     * `appended`; those up to `synced` are on disk. */
    gm_digest_map pending; /* digest -> index in places */
    gm_place *places;      /* [places_count] */
    gm_raw_digest *names;  /* [places_count] */
    int64_t *marks;        /* [places_count] value of `appended` after the record */
    size_t places_count, places_capacity, flushing;
    int64_t appended, synced;
    bool syncing;

    struct {
        int64_t id;
        int fd;
    } fds[PACK_FDS];
    size_t fds_count;
};

void gm_pack_name(int64_t id, char out[32]);
void gm_pack_head(const gm_raw_digest *d, int64_t size, unsigned char out[RECORD_HEAD]);
bool gm_pack_head_read(const unsigned char head[RECORD_HEAD], gm_raw_digest *out_digest, int64_t *out_size);
gm_rc gm_pack_create(gm_packs *p, int64_t id, int *out_fd, gm_err *err);
/* Note a record as appended; the mutex is held. false when out of memory. */
bool gm_pack_note(gm_packs *p, const gm_raw_digest *d, gm_place place);
/* A place read from the index: could it be one? GM_ECORRUPT. */
gm_rc gm_pack_place_check(const gm_place *place, gm_err *err);
gm_rc gm_pack_stopped(gm_packs *p, gm_err *err);
/* Once, before the first use for writing: index what a crash left unindexed, cut off half-written tails. */
gm_rc gm_packs_recover(gm_packs *p, gm_err *err);
/* A descriptor of the pack for reading, kept. Errors as gm_inside_file. */
gm_rc gm_pack_fd(gm_packs *p, int64_t id, int *out_fd, bool *out_kept, gm_err *err);
void gm_pack_forget_fds(gm_packs *p);

extern const char gm_pack_magic[PACK_HEAD + 1];

#endif
