/* predlog_times.c - when rows were answered, without reading the rest of them. See predlog.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "data/engine.h"
#include "serve/predlog_internal.h"

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the times of the prediction log");
}

gm_rc gm_predlog_stamp(const char *dir, uint64_t *out, gm_err *err)
{
    gm_predlog_file *files[2] = { NULL, NULL };
    size_t counts[2] = { 0, 0 };
    uint64_t stamp = 1;
    gm_arena *a = gm_arena_new(0);
    if (!a) return no_memory(err);
    gm_rc rc = gm_predlog_segments(dir, a, &files[0], &counts[0], err);
    if (!rc) rc = gm_predlog_sealed(dir, a, &files[1], &counts[1], err);
    for (int k = 0; !rc && k < 2; k++)
        for (size_t i = 0; i < counts[k]; i++) {
            stamp = gm_hash_bytes(stamp, files[k][i].path, strlen(files[k][i].path));
            stamp = gm_hash_u64(stamp, (uint64_t)files[k][i].size_bytes);
        }
    gm_arena_free(a);
    if (!rc) *out = stamp;
    return rc;
}

typedef struct times {
    int64_t *items; /* [count] on the heap */
    size_t count, capacity;
} times;

static gm_rc add_table(times *l, const gm_table *t, const gm_predlog_filter *f, gm_err *err)
{
    const gm_column *time = gm_table_find(t, "time"), *arm = gm_table_find(t, "arm"), *model = gm_table_find(t, "model");
    bool arms = arm && arm->type == GM_TYPE_STRING, models = model && model->type == GM_TYPE_STRING;
    if (!time || time->type != GM_TYPE_TIME) return gm_err_set(err, GM_ECORRUPT, "a file of the prediction log has no times");
    int32_t shadow = arms ? gm_dict_find(arm->dict, "shadow", strlen("shadow")) : -1;
    int32_t ours = models ? gm_dict_find(model->dict, f->model, strlen(f->model)) : -1;
    for (int64_t i = 0; i < t->rows; i++) {
        if (time->i64[i] < f->since_us || time->i64[i] >= f->until_us) continue;
        if ((shadow >= 0 && arm->code[i] == shadow) || (models && model->code[i] != ours)) continue;
        if (l->count == l->capacity) {
            size_t capacity = l->capacity ? 2 * l->capacity : 4096;
            int64_t *items = realloc(l->items, capacity * sizeof(*items));
            if (!items) return no_memory(err);
            l->items = items;
            l->capacity = capacity;
        }
        l->items[l->count++] = time->i64[i];
    }
    return GM_OK;
}

/* A segment is decoded whole, and let go. */
static gm_rc add_segments(times *l, const char *dir, const gm_predlog_filter *f, gm_arena *a, gm_predlog_file **out,
                          size_t *out_count, gm_err *err)
{
    gm_arena *aside = gm_arena_new(0);
    gm_predlog_parts parts = { 0 };
    gm_predlog_file *read = NULL;
    *out_count = 0;
    gm_rc rc = aside ? gm_predlog_read_segments(dir, f, aside, &parts, &read, out_count, err) : no_memory(err);
    for (size_t i = 0; !rc && i < parts.count; i++) rc = add_table(l, &parts.items[i].table, f, err);
    *out = rc ? NULL : GM_ARENA_ARRAY(a, gm_predlog_file, *out_count + 1);
    if (!rc && !*out) rc = no_memory(err);
    for (size_t i = 0; !rc && i < *out_count; i++) {
        (*out)[i] = (gm_predlog_file){ .segment = gm_arena_strdup(a, read[i].segment) };
        if (!(*out)[i].segment) rc = no_memory(err);
    }
    gm_arena_free(aside);
    return rc;
}

static gm_rc add_sealed(times *l, gm_engine *e, const gm_predlog_file *file, const gm_predlog_filter *f, gm_err *err)
{
    static const char *const columns[] = { "time", "arm", "model" };
    gm_table t;
    gm_arena *aside = gm_arena_new(0);
    gm_rc rc = aside ? gm_data_read(e, file->path, columns, 3, 0, aside, &t, err) : no_memory(err);
    if (!rc) rc = add_table(l, &t, f, err);
    gm_arena_free(aside);
    return rc;
}

static int by_first(const void *x, const void *y)
{
    const gm_predlog_file *a = x, *b = y;
    if (a->first_us != b->first_us) return a->first_us < b->first_us ? -1 : 1;
    return strcmp(a->path, b->path);
}

static int by_value(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static int64_t before(const times *l, int64_t us)
{
    int64_t count = 0;
    for (size_t i = 0; i < l->count; i++) count += l->items[i] < us;
    return count;
}

/* Sealed files in order of their first rows, until enough is known of the time before the next one. *out_until: from there on
 * rows are not known; INT64_MAX = all are. */
static gm_rc add_all_sealed(times *l, const char *dir, const gm_predlog_filter *f, int64_t limit, const gm_predlog_file *raw,
                            size_t raw_count, gm_arena *a, int64_t *out_until, gm_err *err)
{
    gm_predlog_file *files = NULL;
    size_t count = 0;
    gm_engine *e = NULL;
    gm_rc rc = gm_predlog_sealed(dir, a, &files, &count, err);
    if (!rc && count) qsort(files, count, sizeof(*files), by_first);
    *out_until = INT64_MAX;
    for (size_t i = 0; !rc && i < count; i++) {
        bool skip = files[i].last_us < f->since_us || files[i].first_us >= f->until_us;
        for (size_t k = 0; k < raw_count && !skip; k++) skip = strcmp(raw[k].segment, files[i].segment) == 0;
        if (skip) continue;
        if (limit && (int64_t)l->count > limit && before(l, files[i].first_us) > limit) {
            *out_until = files[i].first_us;
            break;
        }
        if (!e) rc = gm_engine_open(&(gm_engine_options){ .threads = 1 }, &e, err);
        if (!rc) rc = add_sealed(l, e, &files[i], f, err);
    }
    gm_engine_close(e);
    return rc;
}

gm_rc gm_predlog_times(const char *dir, const char *model, int64_t since_us, int64_t until_us, int64_t limit, gm_arena *a,
                       int64_t **out, int64_t *out_count, bool *out_more, gm_err *err)
{
    times l = { 0 };
    const gm_predlog_filter f = { since_us, until_us, model, NULL, -1, 0 };
    gm_predlog_file *raw = NULL;
    size_t raw_count = 0;
    int64_t known_until = INT64_MAX;
    gm_rc rc = add_segments(&l, dir, &f, a, &raw, &raw_count, err);
    if (!rc) rc = add_all_sealed(&l, dir, &f, limit, raw, raw_count, a, &known_until, err);
    int64_t known = rc ? 0 : before(&l, known_until);
    int64_t *items = rc ? NULL : GM_ARENA_ARRAY(a, int64_t, known + 1);
    if (!rc && !items) rc = no_memory(err);
    if (!rc) {
        if (l.count) qsort(l.items, l.count, sizeof(*l.items), by_value);
        if (known) memcpy(items, l.items, (size_t)known * sizeof(*items));
        *out = items;
        *out_count = known;
        *out_more = known_until != INT64_MAX;
    }
    free(l.items);
    return rc;
}
