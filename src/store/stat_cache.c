/* stat_cache.c - (device, inode) -> size, mtime, ctime, digest; in the table `stats`, written with the next transaction.
 *
 * A file is taken as unchanged when size, mtime and ctime are as recorded, and both times are older than the moment just before the
 * file was read for its digest. The last part is git's racy rule: a file changed again within one tick of the file system's clock
 * shows the same times, so an entry as young as its recording proves nothing and the file is read again.
 * Where all times are whole seconds (FAT, some NFS) a tick is taken to be 2 s.
 * The first few look-ups ask the database one by one; who asks for more gets the whole table read at once, 5 times cheaper.
 */
#include "store/stat_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ASKED_MAX = 32, LOADED_MAX = 2000000 };

typedef struct facts {
    int64_t size, mtime_ns, ctime_ns, recorded_ns;
    gm_raw_digest digest;
} facts;

struct gm_stat_cache {
    const gm_meta_backend *records;
    gm_meta *meta;
    pthread_mutex_t mutex;
    gm_digest_map index; /* device and inode, padded to 32 bytes -> index in known */
    facts *known;        /* [index.count] */
    bool *unsaved;       /* [index.count] */
    size_t capacity, unsaved_count, asked;
    bool loaded; /* the whole table was read */
};

static gm_raw_digest key_of(int64_t dev, int64_t ino)
{
    gm_raw_digest key = { { 0 } };
    memcpy(key.bytes, &dev, sizeof(dev));
    memcpy(key.bytes + 8, &ino, sizeof(ino));
    return key;
}

static int64_t ns(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

int64_t gm_stat_cache_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &t); /* the clock from which the kernel takes file times */
    return ns(t);
}

gm_stat_cache *gm_stat_cache_new(const gm_meta_backend *records, gm_meta *meta)
{
    gm_stat_cache *c = calloc(1, sizeof(*c));
    if (!c) return NULL;
    c->records = records;
    c->meta = meta;
    (void)pthread_mutex_init(&c->mutex, NULL);
    return c;
}

void gm_stat_cache_free(gm_stat_cache *c)
{
    if (!c) return;
    gm_digest_map_clear(&c->index);
    free(c->known);
    free(c->unsaved);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
}

/* Add or replace; the mutex is held. */
static bool note(gm_stat_cache *c, const gm_raw_digest *key, const facts *f, bool unsaved)
{
    const int64_t *at = gm_digest_map_get(&c->index, key);
    size_t i = at ? (size_t)*at : c->index.count;
    if (i == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 64;
        facts *known = realloc(c->known, capacity * sizeof(*known));
        if (known) c->known = known;
        bool *flags = realloc(c->unsaved, capacity * sizeof(*flags));
        if (flags) c->unsaved = flags;
        if (!known || !flags) return false;
        c->capacity = capacity;
    }
    if (!at && !gm_digest_map_put(&c->index, key, (int64_t)i)) return false;
    if (!at) c->unsaved[i] = false;
    if (unsaved && !c->unsaved[i]) c->unsaved_count++;
    c->known[i] = *f;
    c->unsaved[i] = c->unsaved[i] || unsaved;
    return true;
}

struct load_call {
    gm_stat_cache *c;
    int64_t dev, ino; /* when one is asked for */
};

static bool read_facts(gm_stmt *st, int at, facts *out)
{
    size_t len = 0;
    const void *bytes = st->backend->column_bytes(st, at, &len);
    if (len != sizeof(*out)) return false; /* written by another program: as if it were not there */
    memcpy(out, bytes, sizeof(*out));
    return true;
}

static gm_rc load_one(gm_tx *tx, void *ctx, gm_err *err)
{
    struct load_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false;
    facts f;
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT facts FROM stats WHERE dev = ?1 AND ino = ?2", "ii", call->dev, call->ino);
    if (!rc) rc = gm_meta_next(st, &row, err);
    if (rc || !row) return rc;
    gm_raw_digest key = key_of(call->dev, call->ino);
    if (read_facts(st, 0, &f)) (void)note(call->c, &key, &f, false); /* without memory: a miss */
    gm_meta_done(st);
    return GM_OK;
}

static gm_rc load_all(gm_tx *tx, void *ctx, gm_err *err)
{
    gm_stat_cache *c = ((struct load_call *)ctx)->c;
    gm_stmt *st = NULL;
    bool row = false;
    facts f;
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT dev, ino, facts FROM stats LIMIT ?1", "i", (int64_t)LOADED_MAX);
    int64_t rows = 0;
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        gm_raw_digest key = key_of(st->backend->column_int(st, 0), st->backend->column_int(st, 1));
        const int64_t *at = gm_digest_map_get(&c->index, &key);
        if ((!at || !c->unsaved[*at]) && read_facts(st, 2, &f)) (void)note(c, &key, &f, false);
        rows++;
    }
    c->loaded = !rc && rows < LOADED_MAX; /* a larger table: what is not in memory is asked for one by one */
    return rc;
}

/* The entry from memory or the database; the mutex is held. NULL = none, or the database failed. */
static const facts *look_up(gm_stat_cache *c, const struct stat *st)
{
    struct load_call call = { c, (int64_t)st->st_dev, (int64_t)st->st_ino };
    gm_raw_digest key = key_of(call.dev, call.ino);
    const int64_t *at = gm_digest_map_get(&c->index, &key);
    if (!at && !c->loaded) {
        gm_meta_work work = c->asked++ == ASKED_MAX ? load_all : load_one;
        (void)c->records->read(c->meta, work, &call, NULL); /* failing is a miss: the file is read instead */
        at = gm_digest_map_get(&c->index, &key);
    }
    return at ? &c->known[*at] : NULL;
}

static bool whole_seconds(const facts *f) { return f->mtime_ns % 1000000000 == 0 && f->ctime_ns % 1000000000 == 0; }

bool gm_stat_cache_get(gm_stat_cache *c, const struct stat *st, gm_raw_digest *out)
{
    (void)pthread_mutex_lock(&c->mutex);
    const facts *f = look_up(c, st);
    int64_t tick = f && whole_seconds(f) ? 2000000000 : 0;
    bool same = f && f->size == st->st_size && f->mtime_ns == ns(st->st_mtim) && f->ctime_ns == ns(st->st_ctim) &&
                f->mtime_ns + tick < f->recorded_ns && f->ctime_ns + tick < f->recorded_ns;
    if (same) *out = f->digest;
    (void)pthread_mutex_unlock(&c->mutex);
    return same;
}

void gm_stat_cache_put(gm_stat_cache *c, const struct stat *st, const gm_raw_digest *d, int64_t now_ns)
{
    facts f = { st->st_size, ns(st->st_mtim), ns(st->st_ctim), now_ns, *d };
    gm_raw_digest key = key_of((int64_t)st->st_dev, (int64_t)st->st_ino);
    (void)pthread_mutex_lock(&c->mutex);
    (void)note(c, &key, &f, true);
    (void)pthread_mutex_unlock(&c->mutex);
}

/* ---- saving ------------------------------------------------------------------------------------------------- */

bool gm_stat_cache_has_unsaved(gm_stat_cache *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    bool some = c->unsaved_count > 0;
    (void)pthread_mutex_unlock(&c->mutex);
    return some;
}

/* The flags fall when the rows are written. When the transaction then fails, its rows are lost, which costs a digest later. */
void gm_stat_cache_before_commit(gm_stat_cache *c, gm_tx *tx)
{
    (void)pthread_mutex_lock(&c->mutex);
    gm_rc rc = GM_OK;
    for (size_t i = 0; i < c->index.count && c->unsaved_count > 0 && !rc; i++) {
        if (!c->unsaved[i]) continue;
        int64_t dev, ino;
        memcpy(&dev, c->index.keys[i].bytes, sizeof(dev));
        memcpy(&ino, c->index.keys[i].bytes + 8, sizeof(ino));
        rc = gm_meta_exec(tx, NULL, "INSERT INTO stats(dev, ino, facts) VALUES(?1, ?2, ?3) ON CONFLICT(dev, ino)"
                                    " DO UPDATE SET facts = excluded.facts",
                          "iib", dev, ino, (const void *)&c->known[i], sizeof(c->known[i]));
        c->unsaved[i] = false;
        c->unsaved_count--;
    }
    (void)pthread_mutex_unlock(&c->mutex);
}
