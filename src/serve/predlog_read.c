/* predlog_read.c - the whole log as tables: raw segments and Parquet together.
 *
 * Segments are listed and read first: one that is sealed meanwhile is either read, and its Parquet files are skipped, or gone, and then they
 * are complete. See predlog_seal.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/engine.h"
#include "serve/predlog_internal.h"

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to read the prediction log"); }

gm_rc gm_predlog_parts_add(gm_predlog_parts *p, gm_arena *a, gm_predlog_part **out, gm_err *err)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 16;
        gm_predlog_part *items = GM_ARENA_ARRAY(a, gm_predlog_part, capacity);
        if (!items) return no_memory(err);
        if (p->count) memcpy(items, p->items, p->count * sizeof(*items));
        p->items = items;
        p->capacity = capacity;
    }
    *out = &p->items[p->count++];
    return GM_OK;
}

void gm_predlog_parts_saw(gm_predlog_parts *p, int64_t first_us, int64_t last_us)
{
    if (!p->first_us || first_us < p->first_us) p->first_us = first_us;
    if (last_us > p->last_us) p->last_us = last_us;
}

/* ---- one table of many ------------------------------------------------------------------------------------------------------ */

/* Numbers of several types are decimals, anything else together is text. */
static gm_type common_type(gm_type a, gm_type b)
{
    bool numbers = a >= GM_TYPE_BOOL && a <= GM_TYPE_FLOAT && b >= GM_TYPE_BOOL && b <= GM_TYPE_FLOAT;
    if (a == b || !a) return b;
    return numbers ? GM_TYPE_FLOAT : GM_TYPE_STRING;
}

static bool join_texts(const gm_predlog_parts *parts, gm_column *c, gm_arena *a)
{
    gm_dict_builder *texts = gm_dict_builder_new(a);
    int32_t *codes = GM_ARENA_ARRAY(a, int32_t, c->rows);
    if (!texts || !codes) return false;
    c->code = codes;
    for (size_t i = 0; i < parts->count; i++) {
        const gm_table *t = &parts->items[i].table;
        const gm_column *from = gm_table_find(t, c->name);
        for (int64_t row = 0; row < t->rows; row++, codes++) {
            char text[64];
            *codes = GM_MISSING_CODE;
            if (!from || gm_column_is_missing(from, row)) continue;
            const char *value = from->type == GM_TYPE_STRING ? gm_column_text(from, row) : gm_column_show(from, row, text, sizeof(text));
            *codes = gm_dict_builder_code(texts, value, strlen(value));
            if (*codes < GM_MISSING_CODE) return false;
        }
    }
    c->dict = gm_dict_builder_finish(texts);
    return c->dict != NULL;
}

static bool join_numbers(const gm_predlog_parts *parts, gm_column *c, gm_arena *a)
{
    double *doubles = GM_ARENA_ARRAY(a, double, c->rows);
    int64_t *ints = (int64_t *)(void *)doubles; /* one or the other */
    if (!doubles) return false;
    if (c->type == GM_TYPE_FLOAT) c->f64 = doubles;
    else c->i64 = ints;
    for (size_t i = 0; i < parts->count; i++) {
        const gm_table *t = &parts->items[i].table;
        const gm_column *from = gm_table_find(t, c->name);
        for (int64_t row = 0; row < t->rows; row++) {
            if (c->type == GM_TYPE_FLOAT) *doubles++ = from ? gm_column_double(from, row) : (double)NAN;
            else *ints++ = from ? from->i64[row] : GM_MISSING_INT;
        }
    }
    return true;
}

typedef struct place {
    int64_t time, row;
} place;

static int by_time(const void *x, const void *y)
{
    const place *a = x, *b = y;
    if (a->time != b->time) return a->time < b->time ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static gm_rc in_order(const gm_table *t, gm_arena *a, gm_table *out, gm_err *err)
{
    const gm_column *time = gm_table_find(t, "time");
    place *places = GM_ARENA_ARRAY(a, place, t->rows);
    int64_t *index = GM_ARENA_ARRAY(a, int64_t, t->rows);
    if (!places || !index) return no_memory(err);
    for (int64_t i = 0; i < t->rows; i++) places[i] = (place){ time->i64[i], i };
    if (t->rows) qsort(places, (size_t)t->rows, sizeof(*places), by_time);
    for (int64_t i = 0; i < t->rows; i++) index[i] = places[i].row;
    return gm_table_take(t, index, t->rows, a, out, err);
}

gm_rc gm_predlog_join(const gm_predlog_parts *parts, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table t = { 0 };
    size_t columns_max = 0;
    for (size_t i = 0; i < parts->count; i++) {
        t.rows += parts->items[i].table.rows;
        columns_max += parts->items[i].table.columns_count;
    }
    t.columns = GM_ARENA_ARRAY(a, gm_column, columns_max);
    if (!t.columns) return no_memory(err);
    for (size_t i = 0; i < parts->count; i++) {
        const gm_table *from = &parts->items[i].table;
        for (size_t k = 0; k < from->columns_count; k++) {
            size_t at = 0;
            while (at < t.columns_count && strcmp(t.columns[at].name, from->columns[k].name) != 0) at++;
            if (at == t.columns_count) t.columns[t.columns_count++] = (gm_column){ .name = from->columns[k].name, .rows = t.rows };
            t.columns[at].type = common_type(t.columns[at].type, from->columns[k].type);
        }
    }
    for (size_t i = 0; i < t.columns_count; i++)
        if (!(t.columns[i].type == GM_TYPE_STRING ? join_texts(parts, &t.columns[i], a) : join_numbers(parts, &t.columns[i], a)))
            return no_memory(err);
    if (!t.columns_count) {
        *out = t;
        return GM_OK;
    }
    return in_order(&t, a, out, err);
}

/* ---- files ------------------------------------------------------------------------------------------------------------------ */

gm_rc gm_predlog_read_segments(const char *dir, const gm_predlog_filter *f, gm_arena *a, gm_predlog_parts *parts, gm_predlog_file **out, size_t *out_count,
                               gm_err *err)
{
    size_t kept = 0;
    gm_rc rc = gm_predlog_segments(dir, a, out, out_count, err);
    for (size_t i = 0; !rc && i < *out_count; i++) {
        gm_predlog_file *file = &(*out)[i];
        rc = gm_predlog_decode(file->path, f, a, parts, err);
        if (rc == GM_ENOTFOUND && file->open) { /* renamed meanwhile, or renamed and sealed */
            const char *sealed = gm_arena_printf(a, "%.*s.seg", (int)(strlen(file->path) - strlen(".open")), file->path);
            rc = sealed ? gm_predlog_decode(sealed, f, a, parts, err) : no_memory(err);
        }
        if (!rc) (*out)[kept++] = *file;
        if (rc == GM_ENOTFOUND) rc = GM_OK; /* sealed: its Parquet files are all there */
    }
    *out_count = kept;
    return rc;
}

/* Rows of a table that pass; count -1 when memory is out. */
static int64_t passing(const gm_table *t, const gm_predlog_filter *f, int64_t *index)
{
    const gm_column *id = gm_table_find(t, "id"), *time = gm_table_find(t, "time"), *model = gm_table_find(t, "model"), *row = gm_table_find(t, "row");
    int64_t count = 0;
    for (int64_t i = 0; i < t->rows; i++) {
        if (f->since_us && time->i64[i] < f->since_us) continue;
        if (f->until_us && time->i64[i] >= f->until_us) continue;
        if (f->model && strcmp(gm_column_text(model, i), f->model) != 0) continue;
        if (f->id && strcmp(gm_column_text(id, i), f->id) != 0) continue;
        if (f->row >= 0 && row->i64[i] != f->row) continue;
        index[count++] = i;
    }
    return count;
}

static bool is_log(const gm_table *t)
{
    static const struct { const char *name; gm_type type; } wanted[] = {
        { "id", GM_TYPE_STRING }, { "time", GM_TYPE_TIME }, { "model", GM_TYPE_STRING }, { "row", GM_TYPE_INT }
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const gm_column *c = gm_table_find(t, wanted[i].name);
        if (!c || c->type != wanted[i].type) return false;
        for (int64_t row = 0; row < t->rows; row++)
            if (gm_column_is_missing(c, row)) return false;
    }
    return true;
}

static gm_rc has_id(gm_engine *e, const char *path, const char *id, bool *out, gm_err *err)
{
    gm_table t;
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? gm_data_read(e, path, (const char *const[]){ "id" }, 1, 0, a, &t, err) : no_memory(err);
    *out = !rc && t.columns[0].type == GM_TYPE_STRING && gm_dict_find(t.columns[0].dict, id, strlen(id)) >= 0;
    gm_arena_free(a);
    return rc;
}

/* Every k-th of an index, in place. */
static int64_t thinned(int64_t *index, int64_t count, int64_t every)
{
    int64_t kept = 0;
    if (every <= 1) return count;
    for (int64_t i = 0; i < count; i += every) index[kept++] = index[i];
    return kept;
}

/* What a file has is read aside when only a share of it stays. */
static gm_rc take_share(gm_engine *e, const gm_predlog_file *file, const gm_predlog_filter *f, gm_arena *aside, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table all, some;
    gm_rc rc = gm_data_read(e, file->path, NULL, 0, 0, aside, &all, err);
    if (!rc && !is_log(&all)) rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" is no file of a prediction log", file->path);
    int64_t *index = rc ? NULL : GM_ARENA_ARRAY(aside, int64_t, all.rows);
    if (!rc && !index) rc = no_memory(err);
    if (rc) return rc;
    rc = gm_table_take(&all, index, thinned(index, passing(&all, f, index), f->every), aside, &some, err);
    if (rc || aside == a) {
        *out = some;
        return rc;
    }
    gm_predlog_part one = { .table = some };
    rc = gm_predlog_join(&(gm_predlog_parts){ .items = &one, .count = 1 }, a, out, err); /* with texts of its own */
    for (size_t i = 0; !rc && i < out->columns_count; i++) {
        out->columns[i].name = gm_arena_strdup(a, out->columns[i].name);
        if (!out->columns[i].name) rc = no_memory(err);
    }
    return rc;
}

gm_rc gm_predlog_read_sealed(gm_engine *e, const gm_predlog_file *file, const gm_predlog_filter *f, gm_arena *a, gm_predlog_parts *parts, gm_err *err)
{
    gm_table some;
    gm_predlog_part *part = NULL;
    bool wanted = true;
    gm_rc rc = f->id ? has_id(e, file->path, f->id, &wanted, err) : GM_OK;
    if (rc || !wanted) return rc;
    gm_arena *aside = f->every > 1 ? gm_arena_new(0) : a;
    rc = aside ? take_share(e, file, f, aside, a, &some, err) : no_memory(err);
    if (aside != a) gm_arena_free(aside);
    if (rc || !some.rows) return rc;
    rc = gm_predlog_parts_add(parts, a, &part, err);
    if (!rc) *part = (gm_predlog_part){ .first_us = file->first_us, .last_us = file->last_us, .table = some };
    return rc;
}

/* The same share of what is still in segments, which are decoded whole. */
static gm_rc thin_parts(gm_predlog_parts *parts, int64_t every, gm_arena *a, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && every > 1 && i < parts->count; i++) {
        int64_t rows = parts->items[i].table.rows, *index = GM_ARENA_ARRAY(a, int64_t, rows);
        if (!index) return no_memory(err);
        for (int64_t k = 0; k < rows; k++) index[k] = k;
        rc = gm_table_take(&parts->items[i].table, index, thinned(index, rows, every), a, &parts->items[i].table, err);
    }
    return rc;
}

static gm_rc read_all(const char *dir, const gm_predlog_filter *f, gm_arena *a, gm_predlog_parts *parts, gm_err *err)
{
    gm_predlog_file *segments = NULL, *sealed = NULL;
    size_t segments_count = 0, sealed_count = 0;
    gm_engine *e = NULL;
    gm_rc rc = gm_predlog_read_segments(dir, f, a, parts, &segments, &segments_count, err);
    if (!rc) rc = thin_parts(parts, f->every, a, err);
    if (!rc) rc = gm_predlog_sealed(dir, a, &sealed, &sealed_count, err);
    for (size_t i = 0; !rc && i < sealed_count; i++) {
        bool raw_too = false;
        for (size_t k = 0; k < segments_count && !raw_too; k++) raw_too = strcmp(segments[k].segment, sealed[i].segment) == 0;
        if (raw_too) continue;
        gm_predlog_parts_saw(parts, sealed[i].first_us, sealed[i].last_us);
        if ((f->since_us && sealed[i].last_us < f->since_us) || (f->until_us && sealed[i].first_us >= f->until_us)) continue;
        if (!e) rc = gm_engine_open(&(gm_engine_options){ .threads = 1 }, &e, err);
        if (!rc) rc = gm_predlog_read_sealed(e, &sealed[i], f, a, parts, err);
    }
    gm_engine_close(e);
    return rc;
}

/* ---- interface -------------------------------------------------------------------------------------------------------------- */

gm_rc gm_predlog_sample(const char *dir, const char *model, int64_t since_us, int64_t until_us, int64_t every, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_predlog_parts parts = { 0 };
    gm_predlog_filter f = { since_us, until_us, model, NULL, -1, every };
    gm_rc rc = read_all(dir, &f, a, &parts, err);
    return rc ? rc : gm_predlog_join(&parts, a, out, err);
}

gm_rc gm_predlog_read(const char *dir, const char *model, int64_t since_us, int64_t until_us, gm_arena *a, gm_table *out, gm_err *err)
{
    return gm_predlog_sample(dir, model, since_us, until_us, 1, a, out, err);
}

static gm_rc not_found(const gm_predlog_parts *parts, const char *dir, const char *id, gm_err *err)
{
    char first[40], last[40];
    gm_rc rc = gm_err_set(err, GM_ENOTFOUND, "no prediction \"%.100s\" in the log", id);
    if (!parts->first_us)
        gm_err_hint(err, "The log in \"%.200s\" is empty: `gristmill serve` writes it.", dir);
    else
        gm_err_hint(err, "The log reaches from %s to %s (UTC). When only a share of the requests is logged it may have been left out.",
                    gm_time_text(parts->first_us, first, sizeof(first)), gm_time_text(parts->last_us, last, sizeof(last)));
    return rc;
}

/* Those of the shadow behind the others, then by time; join ordered them by time. */
static gm_rc shadow_last(const gm_table *t, gm_arena *a, gm_table *out, gm_err *err)
{
    const gm_column *arm = gm_table_find(t, "arm");
    int64_t *index = GM_ARENA_ARRAY(a, int64_t, t->rows), count = 0;
    if (!index) return no_memory(err);
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < t->rows; i++) {
            const char *text = arm && arm->type == GM_TYPE_STRING ? gm_column_text(arm, i) : NULL;
            if ((text && strcmp(text, "shadow") == 0) == (pass == 1)) index[count++] = i;
        }
    return gm_table_take(t, index, count, a, out, err);
}

gm_rc gm_predlog_find(const char *dir, const char *id, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_predlog_parts parts = { 0 };
    gm_predlog_filter f = { .id = id, .row = -1 };
    gm_table joined;
    gm_rc rc = read_all(dir, &f, a, &parts, err);
    const char *slash = strrchr(id, '/');
    char *end = NULL;
    long long row = slash ? strtoll(slash + 1, &end, 10) : -1;
    if (!rc && !parts.count && slash && end != slash + 1 && !*end && row >= 0) {
        f = (gm_predlog_filter){ .id = gm_arena_strndup(a, id, (size_t)(slash - id)), .row = row };
        rc = f.id ? read_all(dir, &f, a, &parts, err) : no_memory(err);
    }
    if (!rc && !parts.count) rc = not_found(&parts, dir, id, err);
    if (!rc) rc = gm_predlog_join(&parts, a, &joined, err);
    /* A record of several rows is decoded whole. */
    int64_t *index = rc ? NULL : GM_ARENA_ARRAY(a, int64_t, joined.rows);
    if (!rc && !index) rc = no_memory(err);
    if (!rc) rc = gm_table_take(&joined, index, passing(&joined, &f, index), a, &joined, err);
    return rc ? rc : shadow_last(&joined, a, out, err);
}
