/* labels.c - see labels.h. A hash table over the label rows: open addressing, the later row of an equal key in the place of the
 * earlier. */
#include "loop/labels.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/random.h"
#include "data/schema.h"
#include "pipe/target.h"

enum { KEYS_MAX = 16, SEED = 7 };
#define DATABASE_US (INT64_C(600) * 1000000)

struct gm_labels {
    gm_column keys[KEYS_MAX];
    size_t keys_count;
    double *truth; /* [rows] */
    int64_t rows;
    int64_t *slots; /* [slots_count] row + 1, 0 = free; a power of two, at most half full */
    uint64_t slots_count;
};

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for the labels");
}

gm_labels_from gm_labels_source(const gm_spec *spec)
{
    const gm_labels_spec *l = &spec->monitor.labels;
    gm_labels_from f = { .source = l->source,
                         .key = l->key,
                         .base_dir = spec->base_dir,
                         .target = spec->target_text,
                         .target_pos = spec->target_pos };
    if (!f.source.from && spec->primary) f.source = spec->primary->source;
    if (!f.key.count && spec->primary) f.key = spec->primary->key;
    return f;
}

static int64_t micros(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* A file that was copied here with its old time is as new as its entry (ctime). */
static void look_at_file(const char *path, gm_labels_look *l)
{
    struct stat st;
    if (stat(path, &st)) return;
    int64_t written = micros(st.st_mtim), put = micros(st.st_ctim), last = written > put ? written : put;
    l->stamp = gm_hash_bytes(l->stamp, path, strlen(path));
    l->stamp = gm_hash_u64(l->stamp, (uint64_t)st.st_size);
    l->stamp = gm_hash_u64(l->stamp, (uint64_t)last) | 1;
    if (last > l->changed_us) l->changed_us = last;
}

gm_labels_look gm_labels_look_at(const gm_labels_from *f)
{
    const char **files = NULL;
    size_t count = 0;
    gm_labels_look l = { 0 };
    gm_arena *a = gm_arena_new(0);
    if (a && f->source.from && gm_source_files(&f->source, f->base_dir, a, &files, &count, NULL) == GM_OK) {
        int64_t now = gm_now_us();
        l.changed_us = count ? 0 : now - now % DATABASE_US;
        l.stamp = gm_hash_u64(SEED, (uint64_t)l.changed_us) | 1;
        for (size_t i = 0; i < count; i++) look_at_file(files[i], &l);
    }
    gm_arena_free(a);
    return l;
}

/* ---- one value of a key ------------------------------------------------------------------------------------------------ */

/* A value as the label's column has it: bits of a number, or a text. */
typedef struct value {
    uint64_t bits;
    const char *text; /* NULL: a number */
    bool missing;
    char shown[64];
} value;

static uint64_t bits_of(gm_type type, double number, int64_t whole)
{
    uint64_t bits = 0;
    double positive = number == 0 ? 0.0 : number;
    if (type == GM_TYPE_FLOAT)
        memcpy(&bits, &positive, sizeof(bits));
    else
        bits = (uint64_t)whole;
    return bits;
}

/* Numbers of another type are what they are worth: 3.0 is 3, and 3.5 is no whole number. */
static void number_as(gm_type want, const gm_column *c, int64_t row, value *v)
{
    if (c->type == GM_TYPE_STRING) {
        double number = NAN;
        int64_t whole = GM_MISSING_INT;
        bool ok = gm_field_parse(want, NULL, gm_column_text(c, row), &number, &whole);
        v->missing = !ok || (want == GM_TYPE_FLOAT ? isnan(number) : whole == GM_MISSING_INT);
        v->bits = bits_of(want, number, whole);
    } else if (want == GM_TYPE_FLOAT) {
        v->bits = bits_of(want, gm_column_double(c, row), 0);
    } else if (c->type == GM_TYPE_FLOAT) {
        double d = c->f64[row];
        v->missing = d != floor(d) || fabs(d) > 9e15;
        v->bits = v->missing ? 0 : bits_of(want, 0, (int64_t)d);
    } else {
        v->bits = (uint64_t)c->i64[row];
    }
}

static void read_value(gm_type want, const gm_column *c, int64_t row, value *v)
{
    v->text = NULL;
    v->missing = gm_column_is_missing(c, row);
    if (v->missing) return;
    if (want != GM_TYPE_STRING)
        number_as(want, c, row, v);
    else
        v->text = c->type == GM_TYPE_STRING ? gm_column_text(c, row) : gm_column_show(c, row, v->shown, sizeof(v->shown));
}

/* The slot of a key: its row's, or the free one where it belongs. values [keys_count]. */
static uint64_t find_slot(const gm_labels *l, const value *values)
{
    uint64_t hash = SEED;
    for (size_t k = 0; k < l->keys_count; k++)
        hash = values[k].text ? gm_hash_bytes(hash, values[k].text, strlen(values[k].text)) : gm_hash_u64(hash, values[k].bits);
    uint64_t at = hash & (l->slots_count - 1);
    for (; l->slots[at]; at = (at + 1) & (l->slots_count - 1)) {
        bool equal = true;
        for (size_t k = 0; k < l->keys_count && equal; k++) {
            value own;
            read_value(l->keys[k].type, &l->keys[k], l->slots[at] - 1, &own);
            equal = own.text ? values[k].text && strcmp(own.text, values[k].text) == 0
                             : !values[k].text && own.bits == values[k].bits;
        }
        if (equal) break;
    }
    return at;
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static gm_rc take_keys(const gm_labels_from *f, const gm_table *t, gm_labels *l, gm_err *err)
{
    if (f->key.count > KEYS_MAX)
        return gm_err_at(err, f->source.pos, GM_EINVALID, "a label's key has at most %d columns", KEYS_MAX);
    for (size_t i = 0; i < f->key.count; i++) {
        const gm_column *c = NULL;
        gm_rc rc = gm_table_column(t, f->key.items[i], &c, err);
        if (rc) return rc;
        l->keys[l->keys_count++] = *c;
    }
    return GM_OK;
}

static gm_rc take_truth(const gm_labels_from *f, const gm_table *t, gm_arena *a, gm_labels *l, gm_err *err)
{
    gm_expr *e = NULL;
    gm_column target;
    gm_errs errs = { .arena = a };
    gm_rc rc = gm_target_column(t, f->target, f->target_pos, a, &e, &target, &errs);
    if (rc) return gm_err_ctx(err, gm_errs_first(&errs, rc, err), "computing the target of the labels");
    if (t->rows == 0) {
        l->truth = GM_ARENA_ARRAY(a, double, 0);
        return l->truth ? GM_OK : no_memory(err);
    }
    return gm_target_values(&target, f->task, f->classes, f->classes_count, a, &l->truth, err);
}

/* A later row takes the place of an earlier one, but a label that is not known does not take that of one that is. */
static gm_rc index_rows(gm_labels *l, gm_arena *a, gm_err *err)
{
    value values[KEYS_MAX];
    l->slots_count = 16;
    while (l->slots_count < (uint64_t)l->rows * 2) l->slots_count *= 2;
    l->slots = GM_ARENA_ARRAY(a, int64_t, l->slots_count);
    if (!l->slots) return no_memory(err);
    for (int64_t i = 0; i < l->rows; i++) {
        bool whole = !isnan(l->truth[i]);
        for (size_t k = 0; k < l->keys_count && whole; k++) {
            read_value(l->keys[k].type, &l->keys[k], i, &values[k]);
            whole = !values[k].missing;
        }
        if (whole) l->slots[find_slot(l, values)] = i + 1;
    }
    return GM_OK;
}

/* Only what keys and target need is read; one row tells which columns those are. */
static gm_rc read_columns(gm_engine *e, const gm_labels_from *f, const char *path, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table head;
    gm_expr *target = NULL;
    gm_column made;
    gm_errs errs = { .arena = a };
    const char **names = NULL, **wanted = NULL;
    size_t count = 0, wanted_count = 0;
    gm_rc rc = gm_data_read(e, path, NULL, 0, 1, a, &head, err);
    if (rc) return rc;
    rc = gm_target_column(&head, f->target, f->target_pos, a, &target, &made, &errs);
    if (rc) return gm_err_ctx(err, gm_errs_first(&errs, rc, err), "computing the target of the labels");
    rc = gm_expr_columns(target, a, &names, &count, err);
    if (!rc) wanted = GM_ARENA_ARRAY(a, const char *, count + f->key.count);
    if (!rc && !wanted) rc = no_memory(err);
    for (size_t i = 0; !rc && i < count; i++) wanted[wanted_count++] = names[i];
    for (size_t i = 0; !rc && i < f->key.count; i++) {
        const gm_column *key = NULL;
        bool there = false;
        for (size_t k = 0; k < count && !there; k++) there = strcmp(names[k], f->key.items[i]) == 0;
        if (!there) wanted[wanted_count++] = f->key.items[i];
        rc = gm_table_column(&head, f->key.items[i], &key, err);
        if (rc) (void)gm_err_place(err, gm_err_ctx(err, rc, "looking for the key of the labels"), f->source.pos);
    }
    return rc ? rc : gm_data_read(e, path, wanted, wanted_count, 0, a, out, err);
}

gm_rc gm_labels_read(gm_engine *e, const gm_labels_from *f, const char *tmp, gm_arena *a, gm_labels **out, gm_err *err)
{
    gm_table t;
    const char *schema = NULL, *path = gm_path_join(a, tmp, "labels.parquet");
    int64_t rows = 0;
    gm_labels *l = GM_ARENA_NEW(a, gm_labels);
    if (!path || !l) return no_memory(err);
    gm_rc rc = gm_data_snapshot(e, &f->source, f->base_dir, path, a, &schema, &rows, err);
    if (!rc) rc = read_columns(e, f, path, a, &t, err);
    if (rc) return gm_err_ctx(err, rc, "reading the labels");
    l->rows = t.rows;
    rc = take_keys(f, &t, l, err);
    if (!rc) rc = take_truth(f, &t, a, l, err);
    if (!rc) rc = index_rows(l, a, err);
    if (!rc) *out = l;
    return rc;
}

int64_t gm_labels_rows(const gm_labels *l)
{
    return l->rows;
}

gm_rc gm_labels_join(const gm_labels *l, const gm_table *t, const char *const *names, gm_arena *scratch, double *out_truth,
                     int64_t *out_keyed, gm_err *err)
{
    const gm_column **columns = GM_ARENA_ARRAY(scratch, const gm_column *, l->keys_count);
    value values[KEYS_MAX];
    int64_t keyed = 0;
    if (!columns) return no_memory(err);
    for (size_t k = 0; k < l->keys_count; k++) {
        gm_rc rc = gm_table_column(t, names[k], &columns[k], err);
        if (rc) return gm_err_ctx(err, rc, "joining the predictions with their labels");
    }
    for (int64_t i = 0; i < t->rows; i++) {
        bool whole = true;
        out_truth[i] = NAN;
        for (size_t k = 0; k < l->keys_count && whole; k++) {
            read_value(l->keys[k].type, columns[k], i, &values[k]);
            whole = !values[k].missing;
        }
        if (!whole) continue;
        keyed++;
        int64_t row = l->slots[find_slot(l, values)];
        if (row) out_truth[i] = l->truth[row - 1];
    }
    *out_keyed = keyed;
    return GM_OK;
}
