/* predlog.c - see predlog.h: the writing side.
 *
 * Invariants
 *   1. A segment's bytes up to `good` are whole records; a write that fails half-way is cut off again, or the segment is given up.
 *   2. What lies in a lane's buffer belongs behind `good` of its open segment; definitions in it are defined there or in that segment.
 *   3. An open segment is locked (flock) while its server lives, and carries its name only once it is: whoever gets the lock knows that
 *      nobody writes it.
 * A lane's lock is only ever contended by its tick, which does not hold it while it syncs.
 */
#include "serve/predlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/random.h"
#include "serve/predlog_format.h"

enum { DEFINITIONS_MAX = 64, PATH_BYTES = 4096 };

/* A version that the lane's segment has a definition of. */
typedef struct definition {
    const gm_served *served; /* only compared: it may be gone, hence loaded_us and digest */
    int64_t loaded_us;
    gm_digest digest;
} definition;

typedef struct lane {
    pthread_mutex_t lock;
    int fd;              /* -1: no open segment */
    int sealed_fd;       /* of a segment that was sealed and not yet synced; -1 */
    bool synced_dir;     /* the name of the open segment is durable */
    char path[PATH_BYTES];
    int64_t begun_us;    /* monotonic: when the segment was opened */
    int64_t synced_us;   /* monotonic */
    uint64_t good, synced;
    char *buffer;        /* [capacity] */
    size_t used, capacity;
    int64_t rows_used;   /* in the buffer */
    definition definitions[DEFINITIONS_MAX];
    uint32_t definitions_count;
    bool failing;
    unsigned index;
    atomic_llong rows, lost, bytes;
} __attribute__((aligned(64))) lane;

struct gm_predlog {
    gm_predlog_options o;
    char *raw; /* folder of segments */
    uint64_t threshold; /* sampled: hashes below it are logged */
    lane *lanes; /* [o.lanes] */
};

/* ---- telling ----------------------------------------------------------------------------------------------------------- */

static void say(const gm_predlog *l, lane *w, bool failing, const char *why)
{
    char line[512];
    if (w->failing == failing) return;
    w->failing = failing;
    if (!l->o.say) return;
    if (failing)
        (void)snprintf(line, sizeof(line), "the prediction log cannot be written: %s; %s", why,
                       l->o.mode == GM_PREDLOG_FULL ? "requests are refused until it can" : "rows are lost until it can");
    else
        (void)snprintf(line, sizeof(line), "the prediction log is written again; %lld rows were not", (long long)w->lost);
    l->o.say(l->o.say_user, line);
}

/* ---- segments ------------------------------------------------------------------------------------------------------------ */

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        int fault = gm_fault("predlog.write");
        if (fault) errno = fault;
        ssize_t n = fault ? -1 : write(fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* raw/<begun, microseconds since 1970>-<pid>-<lane>.open, under a name of its own until it is locked. */
static bool open_segment(const gm_predlog *l, lane *w)
{
    char temp[PATH_BYTES + 8];
    int len = snprintf(w->path, sizeof(w->path), "%s/%016" PRId64 "-%ld-%u.open", l->raw, gm_now_us(), (long)getpid(), w->index);
    int fault = gm_fault("predlog.open");
    errno = fault ? fault : ENAMETOOLONG;
    if (fault || len < 0 || (size_t)len >= sizeof(w->path)) return false;
    (void)snprintf(temp, sizeof(temp), "%s.new", w->path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0 && errno == ENOENT && gm_fs_mkdirs(l->raw, NULL) == GM_OK) /* somebody removed the folder */
        fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) return false;
    if (flock(fd, LOCK_EX | LOCK_NB) || !write_all(fd, GM_PREDLOG_MAGIC, GM_PREDLOG_MAGIC_LEN) || rename(temp, w->path)) {
        int reason = errno;
        (void)close(fd);
        (void)unlink(temp); /* nothing is in it */
        errno = reason;
        return false;
    }
    w->fd = fd;
    w->good = GM_PREDLOG_MAGIC_LEN;
    w->synced = 0;
    w->synced_dir = false;
    w->begun_us = gm_monotonic_us();
    return true;
}

/* The segment gets its final name and waits for its sync; false when the one before still does. The buffer must be empty: see (2). */
static bool seal_segment(lane *w)
{
    char sealed[PATH_BYTES];
    size_t len = strlen(w->path) - strlen(".open");
    if (w->sealed_fd >= 0) return false;
    (void)snprintf(sealed, sizeof(sealed), "%.*s.seg", (int)len, w->path);
    if (gm_fault("predlog.rename") || rename(w->path, sealed)) return false; /* goes on as it is, and is tried again */
    w->sealed_fd = w->fd;
    w->fd = -1;
    w->definitions_count = 0;
    return true;
}

/* Nobody can tell what a segment ends in: it is left as it is (readers take whole records only) and a new one begins. */
static void give_up_segment(lane *w)
{
    (void)close(w->fd);
    w->fd = -1;
    w->definitions_count = 0;
}

/* Whether somebody removed the file: what is written to it would be lost with it. */
static bool is_gone(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

static void drop_buffer(lane *w)
{
    atomic_fetch_add_explicit(&w->lost, w->rows_used, memory_order_relaxed);
    w->used = 0;
    w->rows_used = 0;
    w->definitions_count = 0; /* see (2): some may have been in the buffer */
}

/* The buffer to the segment. false: it could not be written, its rows are lost. */
static bool flush(const gm_predlog *l, lane *w)
{
    if (!w->used) return true;
    if (w->fd < 0 && !open_segment(l, w)) {
        say(l, w, true, strerror(errno));
        drop_buffer(w);
        return false;
    }
    if (!write_all(w->fd, w->buffer, w->used)) {
        say(l, w, true, strerror(errno));
        if (ftruncate(w->fd, (off_t)w->good)) give_up_segment(w);
        drop_buffer(w);
        return false;
    }
    say(l, w, false, "");
    w->good += w->used;
    atomic_fetch_add_explicit(&w->rows, w->rows_used, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->bytes, (long long)w->used, memory_order_relaxed);
    w->used = 0;
    w->rows_used = 0;
    return true;
}

/* len more bytes in the buffer: one record, which is never divided. */
static char *reserve(const gm_predlog *l, lane *w, size_t len)
{
    if (w->used + len > w->capacity && w->used) {
        if (!flush(l, w)) return NULL;
    }
    size_t wanted = len > l->o.buffer_bytes ? len : l->o.buffer_bytes;
    if (wanted > w->capacity || (wanted < w->capacity && !w->used)) { /* a row with very long texts; afterwards the buffer shrinks again */
        char *buffer = realloc(w->buffer, wanted);
        if (!buffer) return NULL;
        w->buffer = buffer;
        w->capacity = wanted;
    }
    return w->buffer + w->used;
}

/* ---- records ------------------------------------------------------------------------------------------------------------- */

static char *put(char *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

/* Frames the body of that length which lies behind the space for the frame. */
static void finish_record(lane *w, char *record, size_t body_len)
{
    uint32_t frame[2] = { (uint32_t)body_len, gm_crc32c(record + GM_PREDLOG_FRAME, body_len) };
    memcpy(record, frame, sizeof(frame));
    w->used += GM_PREDLOG_FRAME + body_len;
}

static void definition_json(const gm_served *served, gm_json *j)
{
    const gm_served_schema *s = &served->schema;
    gm_json_object(j);
    gm_json_kstr(j, "model", served->model);
    gm_json_kstr(j, "version", served->version);
    gm_json_kstr(j, "package", served->digest.hex);
    gm_json_kstr(j, "task", gm_task_name(s->task));
    gm_json_kint(j, "outputs", s->outputs);
    gm_json_key(j, "classes");
    gm_json_array(j);
    for (int64_t i = 0; i < s->classes_count; i++) gm_json_str(j, s->classes[i]);
    gm_json_array_end(j);
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (size_t i = 0; i < s->columns_count; i++) {
        if (s->columns[i].personal) continue;
        gm_json_object(j);
        gm_json_kstr(j, "name", s->columns[i].name);
        gm_json_kstr(j, "type", gm_type_name(s->columns[i].type));
        gm_json_kbool(j, "input", s->columns[i].input);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

static bool define(const gm_predlog *l, lane *w, const gm_served *served)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    definition_json(served, &j);
    size_t body_len = 8 + b.len;
    char *record = b.failed ? NULL : reserve(l, w, GM_PREDLOG_FRAME + body_len);
    if (record) {
        uint32_t head[2] = { GM_PREDLOG_DEFINITION, w->definitions_count };
        (void)put(put(record + GM_PREDLOG_FRAME, head, sizeof(head)), b.data, b.len);
        finish_record(w, record, body_len);
        w->definitions[w->definitions_count++] = (definition){ served, served->loaded_us, served->digest };
    }
    gm_buf_clear(&b);
    return record != NULL;
}

/* Number of the version's definition in the lane's segment, -1 when it could not be written. */
static int64_t definition_of(const gm_predlog *l, lane *w, const gm_served *served)
{
    for (uint32_t i = 0; i < w->definitions_count; i++) {
        const definition *d = &w->definitions[i];
        if (d->served == served && d->loaded_us == served->loaded_us && memcmp(d->digest.hex, served->digest.hex, 64) == 0) return i;
    }
    if (w->definitions_count == DEFINITIONS_MAX) w->definitions_count = 0; /* numbers are given anew: the latest definition counts */
    return define(l, w, served) ? (int64_t)w->definitions_count - 1 : -1;
}

static bool all_missing(const gm_column *c, int64_t first, int64_t rows)
{
    for (int64_t i = first; i < first + rows; i++)
        if (!gm_column_is_missing(c, i)) return false;
    return true;
}

static size_t column_bytes(const gm_column *c, int64_t first, int64_t rows)
{
    if (c->type != GM_TYPE_STRING) return (size_t)rows * 8;
    size_t len = (size_t)rows * 4;
    for (int64_t i = first; i < first + rows; i++)
        if (c->code[i] >= 0) len += c->dict->text_lens[c->code[i]];
    return len;
}

static char *put_column(char *at, const gm_column *c, int64_t first, int64_t rows)
{
    if (c->type == GM_TYPE_FLOAT) return put(at, c->f64 + first, (size_t)rows * 8);
    if (c->type != GM_TYPE_STRING) return put(at, c->i64 + first, (size_t)rows * 8);
    for (int64_t i = first; i < first + rows; i++) {
        uint32_t len = c->code[i] < 0 ? GM_PREDLOG_MISSING_TEXT : c->dict->text_lens[c->code[i]];
        at = put(at, &len, sizeof(len));
        if (c->code[i] >= 0) at = put(at, c->dict->texts[c->code[i]], len);
    }
    return at;
}

/* Body of a record of these rows, in bytes. */
static size_t rows_bytes(const gm_logged *e, const gm_predlog_head *h)
{
    const gm_served_schema *s = &e->served->schema;
    size_t len = sizeof(*h) + h->id_len + h->arm_len + h->protocol_len + (size_t)h->rows * (size_t)s->outputs * 8;
    for (size_t i = 0; i < s->columns_count; i++) {
        if (s->columns[i].personal) continue;
        const gm_column *c = &e->rows->columns[i];
        len += 1 + (all_missing(c, h->first_row, h->rows) ? 0 : column_bytes(c, h->first_row, h->rows));
    }
    return len;
}

static void put_rows(char *at, const gm_logged *e, const gm_predlog_head *h)
{
    const gm_served_schema *s = &e->served->schema;
    at = put(at, h, sizeof(*h));
    at = put(at, e->id.data, h->id_len);
    at = put(at, e->arm, h->arm_len);
    at = put(at, e->protocol, h->protocol_len);
    char *types = at;
    for (size_t i = 0; i < s->columns_count; i++) {
        if (s->columns[i].personal) continue;
        const gm_column *c = &e->rows->columns[i];
        *at++ = all_missing(c, h->first_row, h->rows) ? GM_PREDLOG_ABSENT : (char)c->type;
    }
    for (size_t i = 0; i < s->columns_count; i++) {
        if (s->columns[i].personal || *types++ == GM_PREDLOG_ABSENT) continue;
        at = put_column(at, &e->rows->columns[i], h->first_row, h->rows);
    }
    (void)put(at, e->values + (int64_t)h->first_row * s->outputs, (size_t)h->rows * (size_t)s->outputs * 8);
}

/* As many rows from first on as fit into the buffer, one at least. */
static bool add_some(const gm_predlog *l, lane *w, const gm_logged *e, gm_predlog_head *h)
{
    size_t body_len = rows_bytes(e, h);
    while (h->rows > 1 && GM_PREDLOG_FRAME + body_len > l->o.buffer_bytes) {
        h->rows = (h->rows + 1) / 2;
        body_len = rows_bytes(e, h);
    }
    if (body_len > GM_PREDLOG_RECORD_MAX) return false;
    int64_t number = definition_of(l, w, e->served);
    char *record = number < 0 ? NULL : reserve(l, w, GM_PREDLOG_FRAME + body_len);
    if (!record) return false;
    h->definition = (uint32_t)number;
    put_rows(record + GM_PREDLOG_FRAME, e, h);
    finish_record(w, record, body_len);
    w->rows_used += h->rows;
    return true;
}

static bool add_all(const gm_predlog *l, lane *w, const gm_logged *e)
{
    size_t arm_len = strlen(e->arm), protocol_len = strlen(e->protocol), id_max = 1024;
    gm_predlog_head h = { .kind = GM_PREDLOG_ROWS,
                          .arm_len = (uint8_t)arm_len,
                          .protocol_len = (uint8_t)protocol_len,
                          .id_len = (uint32_t)(e->id.len < id_max ? e->id.len : id_max),
                          .rows_total = (uint32_t)e->rows->rows,
                          .time_us = e->time_us,
                          .latency_us = e->latency_us };
    gm_assert(arm_len < 256 && protocol_len < 256);
    while (h.first_row < h.rows_total) {
        h.rows = h.rows_total - h.first_row;
        if (!add_some(l, w, e, &h)) {
            atomic_fetch_add_explicit(&w->lost, h.rows_total - h.first_row, memory_order_relaxed);
            return false;
        }
        h.first_row += h.rows;
    }
    return true;
}

/* ---- interface ----------------------------------------------------------------------------------------------------------- */

bool gm_predlog_wants(const gm_predlog *l, gm_slice id)
{
    return l->o.mode == GM_PREDLOG_FULL || (l->o.mode == GM_PREDLOG_SAMPLED && gm_hash_bytes(0, id.data, id.len) < l->threshold) || l->threshold == UINT64_MAX;
}

gm_rc gm_predlog_add(gm_predlog *l, unsigned index, const gm_logged *entry, gm_err *err)
{
    lane *w = &l->lanes[index];
    bool full = l->o.mode == GM_PREDLOG_FULL;
    gm_assert(index < l->o.lanes);
    (void)pthread_mutex_lock(&w->lock);
    bool good = add_all(l, w, entry);
    if (full || w->used > l->o.buffer_bytes / 2) good = flush(l, w) && good;
    if (w->fd >= 0 && !w->used && w->good >= l->o.segment_bytes) (void)seal_segment(w);
    (void)pthread_mutex_unlock(&w->lock);
    if (good || !full) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EUNAVAILABLE, "the prediction log cannot be written");
    gm_err_hint(err, "This server answers only what it can log; ask again later.");
    return rc;
}

/* Under the lock: what is to be synced now, and which of it is closed afterwards. */
typedef struct to_sync {
    int open_fd, sealed_fd; /* -1 = nothing */
    bool dir;
} to_sync;

static to_sync upkeep(const gm_predlog *l, lane *w, bool all)
{
    to_sync t = { -1, -1, false };
    int64_t now = gm_monotonic_us();
    (void)flush(l, w);
    if (w->fd >= 0 && is_gone(w->fd)) give_up_segment(w); /* with what was written since the last look */
    if (w->fd >= 0 && (all || now - w->begun_us >= l->o.segment_age_s * 1000000)) (void)seal_segment(w);
    if (w->sealed_fd >= 0) {
        t.sealed_fd = w->sealed_fd;
        w->sealed_fd = -1;
        t.dir = true;
    }
    if (l->o.sync_ms >= 0 && w->fd >= 0 && w->good > w->synced && now - w->synced_us >= l->o.sync_ms * 1000) {
        t.open_fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
        if (t.open_fd < 0) return t; /* no descriptor is free: at the next tick */
        t.dir = t.dir || !w->synced_dir;
        w->synced_dir = true;
        w->synced = w->good;
        w->synced_us = now;
    }
    return t;
}

static bool sync_one(int fd)
{
    int fault = gm_fault("predlog.sync");
    if (fault) errno = fault;
    return !fault && fdatasync(fd) == 0;
}

static void look_after(gm_predlog *l, lane *w, bool all)
{
    (void)pthread_mutex_lock(&w->lock);
    to_sync t = upkeep(l, w, all);
    (void)pthread_mutex_unlock(&w->lock);
    bool good = true;
    if (l->o.sync_ms >= 0) {
        if (t.sealed_fd >= 0) good = sync_one(t.sealed_fd);
        if (t.open_fd >= 0) good = sync_one(t.open_fd) && good;
        if (t.dir) good = gm_fs_sync_dir(l->raw, NULL) == GM_OK && good;
    }
    if (t.sealed_fd >= 0) (void)close(t.sealed_fd);
    if (t.open_fd >= 0) (void)close(t.open_fd);
    if (good) return;
    (void)pthread_mutex_lock(&w->lock);
    say(l, w, true, "it could not be synced to the disk");
    (void)pthread_mutex_unlock(&w->lock);
}

void gm_predlog_tick(gm_predlog *l, unsigned index)
{
    gm_assert(index < l->o.lanes);
    look_after(l, &l->lanes[index], false);
}

void gm_predlog_counts(const gm_predlog *l, int64_t *out_rows, int64_t *out_lost, int64_t *out_bytes)
{
    int64_t rows = 0, lost = 0, bytes = 0;
    for (unsigned i = 0; i < l->o.lanes; i++) {
        rows += atomic_load_explicit(&l->lanes[i].rows, memory_order_relaxed);
        lost += atomic_load_explicit(&l->lanes[i].lost, memory_order_relaxed);
        bytes += atomic_load_explicit(&l->lanes[i].bytes, memory_order_relaxed);
    }
    *out_rows = rows;
    *out_lost = lost;
    *out_bytes = bytes;
}

static gm_rc make(const gm_predlog_options *o, gm_predlog *l, gm_err *err)
{
    l->o = *o;
    l->o.dir = NULL; /* borrowed during the call only */
    if (!l->o.buffer_bytes) l->o.buffer_bytes = 256 << 10;
    if (!l->o.segment_bytes) l->o.segment_bytes = 64 << 20;
    if (!l->o.segment_age_s) l->o.segment_age_s = 3600;
    if (!l->o.sync_ms) l->o.sync_ms = 1000;
    l->threshold = o->share >= 1 ? UINT64_MAX : (uint64_t)(o->share * 18446744073709551616.0);
    if (o->mode != GM_PREDLOG_SAMPLED) l->threshold = 0;
    if (asprintf(&l->raw, "%s/%s", o->dir, GM_PREDLOG_RAW) < 0) l->raw = NULL;
    l->lanes = aligned_alloc(64, o->lanes * sizeof(lane));
    if (!l->raw || !l->lanes) return gm_err_set(err, GM_ENOMEM, "not enough memory for a prediction log of %u lanes", o->lanes);
    memset(l->lanes, 0, o->lanes * sizeof(lane));
    for (unsigned i = 0; i < o->lanes; i++) {
        l->lanes[i].fd = l->lanes[i].sealed_fd = -1;
        l->lanes[i].index = i;
        (void)pthread_mutex_init(&l->lanes[i].lock, NULL); /* of the default kind, which cannot fail */
    }
    return gm_fs_mkdirs(l->raw, err);
}

static void release(gm_predlog *l)
{
    if (!l) return;
    for (unsigned i = 0; l->lanes && i < l->o.lanes; i++) {
        free(l->lanes[i].buffer);
        (void)pthread_mutex_destroy(&l->lanes[i].lock);
    }
    free(l->lanes);
    free(l->raw);
    free(l);
}

gm_rc gm_predlog_open(const gm_predlog_options *o, gm_predlog **out, gm_err *err)
{
    if (!o->dir || !o->dir[0] || !o->lanes) return gm_err_set(err, GM_EINVALID, "a prediction log needs a folder and a lane");
    if (!(o->share >= 0 && o->share <= 1)) return gm_err_set(err, GM_EINVALID, "the share of logged requests is %g, not 0 to 1", o->share);
    gm_predlog *l = calloc(1, sizeof(*l));
    gm_rc rc = l ? make(o, l, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for a prediction log");
    if (rc)
        release(l);
    else
        *out = l;
    return rc;
}

void gm_predlog_close(gm_predlog *l)
{
    if (!l) return;
    for (unsigned i = 0; i < l->o.lanes; i++) {
        look_after(l, &l->lanes[i], true);
        if (l->lanes[i].fd >= 0) (void)close(l->lanes[i].fd); /* could not be sealed: the next reader does */
    }
    release(l);
}
