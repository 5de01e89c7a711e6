/* online.c - see online.h.
 *
 * File, little-endian, every part aligned to 8:
 *   header   magic, version, counts, offsets                     (struct header)
 *   columns  by_count + columns_count of {type, name offset}      (struct field)
 *   slots    slots_count (a power of two) of int64: row + 1, 0 = free; linear probing, at most half full
 *   rows     keys_count of {hash, time, cells [by_count + columns_count]} of 8 bytes each; texts are offsets into the heap, -1 missing
 *   heap     NUL-terminated texts
 */
#include "feature/online.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/random.h"

enum { VERSION = 1, COLUMNS_MAX = 4096, LEAD = 2 }; /* LEAD: hash and time stand before a row's cells */
static const char magic[8] = "GMONLINE";

struct header {
    char magic[8];
    uint64_t version, by_count, columns_count, keys_count, slots_count;
    uint64_t slots_at, rows_at, heap_at, size; /* bytes from the start */
    uint64_t has_time;
};

struct field {
    uint64_t type, name_at; /* in the heap */
};

struct gm_online {
    const struct header *head;
    const struct field *fields;
    const int64_t *slots, *rows;
    const char *heap;
    size_t heap_size, stride; /* stride: 8-byte words of a row */
};

/* A cell in 8 bytes, whatever its type. */
typedef union gm_cell {
    double f64;
    int64_t i64;
} gm_cell;

/* ---- keys ---------------------------------------------------------------------------------------------------------------- */

/* The value of a key's part as a whole number; false when it is missing or not whole. */
static bool key_int(const gm_column *c, int64_t row, int64_t *out)
{
    if (gm_column_is_missing(c, row)) return false;
    if (c->type != GM_TYPE_FLOAT) {
        *out = c->i64[row];
        return true;
    }
    double v = c->f64[row];
    if (!(v >= -9.2e18 && v <= 9.2e18) || v != (double)(int64_t)v) return false;
    *out = (int64_t)v;
    return true;
}

/* false when the key cannot be one of the table's. */
static bool hash_key(const gm_column *const *keys, size_t count, int64_t row, uint64_t *out)
{
    uint64_t h = 0;
    for (size_t k = 0; k < count; k++) {
        if (keys[k]->type == GM_TYPE_STRING) {
            const char *text = gm_column_text(keys[k], row);
            if (!text) return false;
            h = gm_hash_bytes(h, text, strlen(text));
        } else {
            int64_t v = 0;
            if (!key_int(keys[k], row, &v)) return false;
            h = gm_hash_u64(h, (uint64_t)v);
        }
    }
    *out = h;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

typedef struct writer {
    const gm_online_options *o;
    const gm_column **columns; /* keys, then the others */
    size_t width;
    const gm_column *time;
    int64_t *slots; /* row of the table + 1 */
    uint64_t *hashes;
    uint64_t slots_count;
    gm_buf heap, rows;
} writer;

static gm_rc find_columns(const gm_table *t, writer *w, gm_arena *a, gm_err *err)
{
    const gm_online_options *o = w->o;
    w->width = o->by_count + o->columns_count;
    w->columns = GM_ARENA_ARRAY(a, const gm_column *, w->width);
    if (!w->columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for an online table");
    if (!o->by_count || w->width > COLUMNS_MAX) return gm_err_set(err, GM_EINVALID, "an online table has 1 to %d columns, and a key", COLUMNS_MAX);
    for (size_t i = 0; i < w->width; i++) {
        gm_rc rc = gm_table_column(t, i < o->by_count ? o->by[i] : o->columns[i - o->by_count], &w->columns[i], err);
        if (rc) return rc;
        if (i < o->by_count && w->columns[i]->type == GM_TYPE_FLOAT)
            return gm_err_set(err, GM_EINVALID, "column \"%s\" is a float and cannot be a key of an online table", w->columns[i]->name);
    }
    return o->time ? gm_table_column(t, o->time, &w->time, err) : GM_OK;
}

static bool same_key(const writer *w, int64_t x, int64_t y)
{
    for (size_t k = 0; k < w->o->by_count; k++) {
        const gm_column *c = w->columns[k];
        bool same = c->type == GM_TYPE_STRING ? c->code[x] == c->code[y] : c->i64[x] == c->i64[y];
        if (!same) return false;
    }
    return true;
}

/* Each key's latest row; of equal times the later row. */
static gm_rc choose_rows(const gm_table *t, writer *w, gm_arena *a, gm_err *err)
{
    for (w->slots_count = 16; w->slots_count < (uint64_t)t->rows * 2; w->slots_count *= 2) {}
    w->slots = GM_ARENA_ARRAY(a, int64_t, w->slots_count);
    w->hashes = GM_ARENA_ARRAY(a, uint64_t, t->rows);
    if (!w->slots || !w->hashes) return gm_err_set(err, GM_ENOMEM, "not enough memory for the keys of %" PRId64 " rows", t->rows);
    for (int64_t i = 0; i < t->rows; i++) {
        if ((w->time && gm_column_is_missing(w->time, i)) || !hash_key(w->columns, w->o->by_count, i, &w->hashes[i])) continue;
        uint64_t at = w->hashes[i] & (w->slots_count - 1);
        while (w->slots[at] && !(w->hashes[w->slots[at] - 1] == w->hashes[i] && same_key(w, w->slots[at] - 1, i))) at = (at + 1) & (w->slots_count - 1);
        bool later = !w->slots[at] || !w->time || w->time->i64[i] >= w->time->i64[w->slots[at] - 1];
        if (later) w->slots[at] = i + 1;
    }
    return GM_OK;
}

static int64_t heap_add(writer *w, const char *text)
{
    int64_t at = (int64_t)w->heap.len;
    gm_buf_add(&w->heap, text, strlen(text) + 1);
    return at;
}

/* Texts of a dictionary go to the heap once each. */
static gm_cell cell_of(writer *w, const gm_column *c, int64_t row, int64_t *text_at)
{
    gm_cell cell;
    if (c->type == GM_TYPE_FLOAT) {
        cell.f64 = c->f64[row];
    } else if (c->type != GM_TYPE_STRING) {
        cell.i64 = c->i64[row];
    } else {
        cell.i64 = -1;
        int32_t code = c->code[row];
        if (code >= 0 && text_at[code] < 0) text_at[code] = heap_add(w, c->dict->texts[code]);
        if (code >= 0) cell.i64 = text_at[code];
    }
    return cell;
}

/* Rows in the table's order, so that equal tables give equal files. */
static gm_rc put_rows(const gm_table *t, writer *w, gm_arena *a, int64_t *out_keys, gm_err *err)
{
    int64_t **text_at = GM_ARENA_ARRAY(a, int64_t *, w->width), keys = 0;
    bool *chosen = GM_ARENA_ARRAY(a, bool, t->rows);
    if (!text_at || !chosen) return gm_err_set(err, GM_ENOMEM, "not enough memory for an online table");
    for (size_t k = 0; k < w->width; k++) {
        int32_t count = w->columns[k]->type == GM_TYPE_STRING ? w->columns[k]->dict->count : 0;
        if (!(text_at[k] = GM_ARENA_ARRAY(a, int64_t, count))) return gm_err_set(err, GM_ENOMEM, "not enough memory for an online table");
        for (int32_t i = 0; i < count; i++) text_at[k][i] = -1;
    }
    for (uint64_t s = 0; s < w->slots_count; s++)
        if (w->slots[s]) chosen[w->slots[s] - 1] = true;
    for (int64_t i = 0; i < t->rows; i++) {
        if (!chosen[i]) continue;
        int64_t lead[LEAD] = { (int64_t)w->hashes[i], w->time ? w->time->i64[i] : GM_MISSING_INT };
        gm_buf_add(&w->rows, lead, sizeof(lead));
        for (size_t k = 0; k < w->width; k++) {
            gm_cell cell = cell_of(w, w->columns[k], i, text_at[k]);
            gm_buf_add(&w->rows, &cell, sizeof(cell));
        }
        keys++;
    }
    *out_keys = keys;
    return GM_OK;
}

static gm_rc put_file(writer *w, int64_t keys, gm_arena *a, const char *path, gm_err *err)
{
    struct header h = { .version = VERSION, .by_count = w->o->by_count, .columns_count = w->o->columns_count, .keys_count = (uint64_t)keys,
                        .has_time = w->time != NULL };
    uint64_t stride = LEAD + w->width;
    for (h.slots_count = 16; h.slots_count < h.keys_count * 2; h.slots_count *= 2) {}
    int64_t *slots = GM_ARENA_ARRAY(a, int64_t, h.slots_count);
    struct field *fields = GM_ARENA_ARRAY(a, struct field, w->width);
    if (!slots || !fields || w->rows.failed) return gm_err_set(err, GM_ENOMEM, "not enough memory for an online table");
    for (uint64_t i = 0; i < h.keys_count; i++) {
        uint64_t hash;
        memcpy(&hash, w->rows.data + i * stride * 8, sizeof(hash));
        uint64_t at = hash & (h.slots_count - 1);
        while (slots[at]) at = (at + 1) & (h.slots_count - 1);
        slots[at] = (int64_t)i + 1;
    }
    for (size_t k = 0; k < w->width; k++) fields[k] = (struct field){ (uint64_t)w->columns[k]->type, (uint64_t)heap_add(w, w->columns[k]->name) };
    memcpy(h.magic, magic, sizeof(magic));
    h.slots_at = sizeof(h) + w->width * sizeof(*fields);
    h.rows_at = h.slots_at + h.slots_count * 8;
    h.heap_at = h.rows_at + w->rows.len;
    h.size = h.heap_at + w->heap.len;
    gm_buf file = { 0 };
    gm_buf_add(&file, &h, sizeof(h));
    gm_buf_add(&file, fields, w->width * sizeof(*fields));
    gm_buf_add(&file, slots, h.slots_count * 8);
    if (w->rows.len) gm_buf_add(&file, w->rows.data, w->rows.len);
    gm_buf_add(&file, w->heap.data, w->heap.len);
    bool failed = file.failed || w->heap.failed;
    gm_rc rc = failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for an online table") : gm_fs_write(path, file.data, file.len, err);
    gm_buf_clear(&file);
    return rc;
}

gm_rc gm_online_write(const gm_table *t, const gm_online_options *o, const char *path, int64_t *out_keys, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    writer w = { .o = o };
    int64_t keys = 0;
    gm_rc rc = a ? find_columns(t, &w, a, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for an online table");
    if (!rc) rc = choose_rows(t, &w, a, err);
    if (!rc) rc = put_rows(t, &w, a, &keys, err);
    if (!rc) rc = put_file(&w, keys, a, path, err);
    gm_buf_clear(&w.rows);
    gm_buf_clear(&w.heap);
    gm_arena_free(a);
    if (!rc) *out_keys = keys;
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

/* Parts in their order, none beyond the file; products cannot overflow because the counts are bounded by the size first. */
static bool sound_layout(const struct header *h, size_t size)
{
    uint64_t width = h->by_count + h->columns_count, words = size / 8;
    if (memcmp(h->magic, magic, sizeof(magic)) != 0 || h->version != VERSION || h->size != size) return false;
    if (!h->by_count || h->by_count > COLUMNS_MAX || h->columns_count > COLUMNS_MAX || h->keys_count > words || h->slots_count > words) return false;
    if (h->slots_count < 16 || (h->slots_count & (h->slots_count - 1)) || h->keys_count * 2 > h->slots_count) return false;
    return h->slots_at == sizeof(*h) + width * sizeof(struct field) && h->rows_at == h->slots_at + h->slots_count * 8 &&
           h->heap_at == h->rows_at + h->keys_count * (LEAD + width) * 8 && h->heap_at < size;
}

static bool sound_field(const gm_online *o, const struct field *f, bool key)
{
    return f->type >= GM_TYPE_BOOL && f->type <= GM_TYPE_TIME && !(key && f->type == GM_TYPE_FLOAT) && f->name_at < o->heap_size;
}

static bool sound_contents(const gm_online *o)
{
    const struct header *h = o->head;
    size_t width = o->stride - LEAD;
    if (!o->heap_size || o->heap[o->heap_size - 1] != '\0') return false;
    for (size_t k = 0; k < width; k++) {
        if (!sound_field(o, &o->fields[k], k < h->by_count)) return false;
        for (uint64_t i = 0; o->fields[k].type == GM_TYPE_STRING && i < h->keys_count; i++) {
            int64_t at = o->rows[i * o->stride + LEAD + k];
            if (at < (k < h->by_count ? 0 : -1) || (at >= 0 && (uint64_t)at >= o->heap_size)) return false;
        }
    }
    uint64_t used = 0;
    for (uint64_t s = 0; s < h->slots_count; s++) {
        if (o->slots[s] < 0 || (uint64_t)o->slots[s] > h->keys_count) return false;
        used += o->slots[s] != 0;
    }
    return used == h->keys_count;
}

static gm_rc map_file(const char *path, const void **out, size_t *out_size, gm_err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "open", path);
    gm_rc rc = fstat(fd, &st) != 0 ? gm_err_errno(err, errno, "look at", path) : GM_OK;
    if (!rc && (size_t)st.st_size < sizeof(struct header)) rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" is too short for an online table", path);
    void *map = rc ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (!rc && map == MAP_FAILED) rc = gm_err_errno(err, errno, "map", path);
    close(fd);
    if (rc) return rc;
    *out = map;
    *out_size = (size_t)st.st_size;
    return GM_OK;
}

gm_rc gm_online_open(const char *path, gm_online **out, gm_err *err)
{
    const void *map = NULL;
    size_t size = 0;
    gm_rc rc = map_file(path, &map, &size, err);
    if (rc) return rc;
    const struct header *h = map;
    gm_online *o = calloc(1, sizeof(*o));
    if (!o) {
        rc = gm_err_set(err, GM_ENOMEM, "not enough memory for an online table");
    } else if (!sound_layout(h, size)) {
        rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" is not an online table, or is damaged", path);
    } else {
        const char *bytes = map;
        *o = (gm_online){ .head = h, .fields = (const void *)(h + 1), .slots = (const void *)(bytes + h->slots_at), .rows = (const void *)(bytes + h->rows_at),
                          .heap = bytes + h->heap_at, .heap_size = size - h->heap_at, .stride = LEAD + h->by_count + h->columns_count };
        if (!sound_contents(o)) rc = gm_err_set(err, GM_ECORRUPT, "the online table \"%s\" is damaged", path);
    }
    if (!rc) {
        *out = o;
        return GM_OK;
    }
    free(o);
    (void)munmap((void *)(uintptr_t)map, size);
    return rc;
}

void gm_online_close(gm_online *o)
{
    if (!o) return;
    (void)munmap((void *)(uintptr_t)o->head, o->head->size);
    free(o);
}

int64_t gm_online_keys(const gm_online *o)
{
    return (int64_t)o->head->keys_count;
}

int gm_online_column(const gm_online *o, const char *name, gm_type *out_type)
{
    for (uint64_t k = 0; k < o->head->columns_count; k++) {
        const struct field *f = &o->fields[o->head->by_count + k];
        if (strcmp(o->heap + f->name_at, name) != 0) continue;
        *out_type = (gm_type)f->type;
        return (int)k;
    }
    return -1;
}

size_t gm_online_by(const gm_online *o, size_t i, const char **out_name, gm_type *out_type)
{
    if (i < o->head->by_count) {
        *out_name = o->heap + o->fields[i].name_at;
        *out_type = (gm_type)o->fields[i].type;
    }
    return o->head->by_count;
}

static const int64_t *cells(const gm_online *o, int64_t found)
{
    return o->rows + (uint64_t)found * o->stride + LEAD;
}

static bool is_key(const gm_online *o, int64_t found, const gm_column *const *keys, int64_t row)
{
    for (uint64_t k = 0; k < o->head->by_count; k++) {
        int64_t cell = cells(o, found)[k], v = 0;
        bool text = o->fields[k].type == GM_TYPE_STRING;
        if (text != (keys[k]->type == GM_TYPE_STRING)) return false;
        if (text ? strcmp(o->heap + cell, gm_column_text(keys[k], row)) != 0 : !key_int(keys[k], row, &v) || v != cell) return false;
    }
    return true;
}

int64_t gm_online_find(const gm_online *o, const gm_column *const *keys, int64_t row)
{
    uint64_t hash;
    if (!hash_key(keys, o->head->by_count, row, &hash)) return -1;
    for (uint64_t at = hash & (o->head->slots_count - 1); o->slots[at]; at = (at + 1) & (o->head->slots_count - 1)) {
        int64_t found = o->slots[at] - 1;
        if ((uint64_t)o->rows[(uint64_t)found * o->stride] == hash && is_key(o, found, keys, row)) return found;
    }
    return -1;
}

int64_t gm_online_time(const gm_online *o, int64_t found)
{
    return o->rows[(uint64_t)found * o->stride + 1];
}

double gm_online_double(const gm_online *o, int64_t found, int column)
{
    gm_cell cell = { .i64 = gm_online_int(o, found, column) };
    return cell.f64;
}

int64_t gm_online_int(const gm_online *o, int64_t found, int column)
{
    return cells(o, found)[o->head->by_count + (uint64_t)column];
}

const char *gm_online_text(const gm_online *o, int64_t found, int column)
{
    int64_t at = gm_online_int(o, found, column);
    return at < 0 ? NULL : o->heap + at;
}
