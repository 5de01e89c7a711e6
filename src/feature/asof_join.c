/* asof_join.c - the right row as it was known at the time of the left row.
 *
 *   for a left row with keys k and time t: the right row with equal keys and the largest time s <= t, if t - s <= within;
 *   among equal s the later row
 *
 * Keys become group numbers, column by column: a table maps (group so far, value) to a new group. Right rows are sorted by group and
 * time; each left row is one look-up per key column and a binary search in its group.
 * Missing     in a key or a time matches nothing; the joined values of a left row without a match are missing
 * Cost        O(R log R + L log R), about 40 bytes a right row and 8 bytes a left row besides the result
 * Source      the definition of the feature stores' point-in-time join (Feast, "Point-in-time joins")
 * Checked     test/unit/feature/test_asof_join.c, against all pairs over random tables
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "feature/program.h"

static gm_rc out_of_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory to join"); }

/* ---- one key column: values of both sides as comparable 64-bit numbers -------------------------------------- */

#define NO_VALUE INT64_MIN

typedef struct key {
    const gm_column *left, *right;
    const int32_t *left_codes; /* string: code of the left dictionary -> code of the right one, -1 = not there */
} key;

static bool is_number(gm_type t) { return t == GM_TYPE_BOOL || t == GM_TYPE_INT || t == GM_TYPE_FLOAT; }

static int64_t bits_of(double x)
{
    int64_t bits;
    x += 0.0; /* -0 is 0 */
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* NO_VALUE for missing; INT64_MIN is the bit pattern of -0 and so of no double here. */
static int64_t number_key(const gm_column *c, int64_t row, bool as_double)
{
    if (gm_column_is_missing(c, row)) return NO_VALUE;
    return as_double ? bits_of(gm_column_double(c, row)) : c->i64[row];
}

static bool compares_as_double(const key *k) { return k->left->type == GM_TYPE_FLOAT || k->right->type == GM_TYPE_FLOAT; }

static int64_t left_value(const key *k, int64_t row)
{
    if (k->left->type != GM_TYPE_STRING) return number_key(k->left, row, compares_as_double(k));
    int32_t code = k->left->code[row];
    return code < 0 || k->left_codes[code] < 0 ? NO_VALUE : k->left_codes[code];
}

static int64_t right_value(const key *k, int64_t row)
{
    if (k->right->type != GM_TYPE_STRING) return number_key(k->right, row, compares_as_double(k));
    return k->right->code[row] < 0 ? NO_VALUE : k->right->code[row];
}

/* Codes of the right dictionary are the builder's codes, since its texts are distinct and come first. */
static gm_rc match_dicts(key *k, gm_arena *scratch, gm_err *err)
{
    const gm_dict *left = k->left->dict, *right = k->right->dict;
    gm_dict_builder *b = gm_dict_builder_new(scratch);
    int32_t *codes = GM_ARENA_ARRAY(scratch, int32_t, left->count);
    if (!b || !codes) return out_of_memory(err);
    for (int32_t i = 0; i < right->count; i++)
        if (gm_dict_builder_code(b, right->texts[i], right->text_lens[i]) < 0) return out_of_memory(err);
    for (int32_t i = 0; i < left->count; i++) {
        codes[i] = gm_dict_builder_code(b, left->texts[i], left->text_lens[i]);
        if (codes[i] < -1) return out_of_memory(err);
        if (codes[i] >= right->count) codes[i] = -1;
    }
    k->left_codes = codes;
    return GM_OK;
}

static gm_rc open_key(const gm_table *left, const gm_table *right, const char *name, gm_arena *scratch, key *out, gm_err *err)
{
    key k = { 0 };
    gm_rc rc = gm_table_column(left, name, &k.left, err);
    if (!rc) rc = gm_table_column(right, name, &k.right, err);
    if (rc) return gm_err_ctx(err, rc, "joining by \"%.80s\"", name);
    gm_type x = k.left->type, y = k.right->type;
    if (x != y && !(is_number(x) && is_number(y)))
        return gm_err_set(err, GM_EINVALID, "cannot join by \"%.80s\": it holds %s values on one side and %s values on the other", name,
                          gm_type_name(x), gm_type_name(y));
    if (x == GM_TYPE_STRING) rc = match_dicts(&k, scratch, err);
    if (!rc) *out = k;
    return rc;
}

/* ---- groups ------------------------------------------------------------------------------------------------ */

/* (group so far, value) -> group; open addressing. */
typedef struct pair {
    int64_t value;
    int32_t group, to; /* to = new group + 1; 0 = free */
} pair;

typedef struct pairs {
    pair *slots;
    uint64_t mask;
} pairs;

static pair *find_pair(const pairs *p, int32_t group, int64_t value)
{
    uint64_t at = gm_hash_u64((uint64_t)group, (uint64_t)value) & p->mask;
    while (p->slots[at].to && (p->slots[at].group != group || p->slots[at].value != value)) at = (at + 1) & p->mask;
    return &p->slots[at];
}

/* Narrow the groups of the right rows by one more key; returns the number of groups through out_count. */
static gm_rc split_groups(const key *k, int64_t rows, int32_t *group, gm_arena *scratch, pairs *out, int32_t *out_count, gm_err *err)
{
    uint64_t size = 16;
    while (size < 2 * (uint64_t)rows) size *= 2;
    pairs p = { .slots = GM_ARENA_ARRAY(scratch, pair, size), .mask = size - 1 };
    if (!p.slots) return out_of_memory(err);
    int32_t count = 0;
    for (int64_t r = 0; r < rows; r++) {
        if (group[r] < 0) continue;
        int64_t value = right_value(k, r);
        if (value == NO_VALUE) {
            group[r] = -1;
            continue;
        }
        pair *at = find_pair(&p, group[r], value);
        if (!at->to) *at = (pair){ value, group[r], ++count };
        group[r] = at->to - 1;
    }
    *out = p;
    *out_count = count;
    return GM_OK;
}

static int32_t group_of_left(const key *keys, const pairs *maps, size_t count, int64_t row)
{
    int32_t group = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t value = left_value(&keys[i], row);
        if (value == NO_VALUE) return -1;
        group = find_pair(&maps[i], group, value)->to - 1;
        if (group < 0) return -1;
    }
    return group;
}

/* ---- right rows in order ----------------------------------------------------------------------------------- */

typedef struct entry {
    int64_t time, row;
} entry;

typedef struct sorted_rows {
    entry *entries;
    int64_t *begin; /* [groups + 1] */
} sorted_rows;

static int by_time(const void *x, const void *y)
{
    const entry *p = x, *q = y;
    if (p->time != q->time) return p->time < q->time ? -1 : 1;
    return (p->row > q->row) - (p->row < q->row);
}

/* time NULL: all times are equal, so that the last row of a group wins. */
static gm_rc sort_right(const gm_column *time, const int32_t *group, int64_t rows, int32_t groups, gm_arena *scratch, sorted_rows *out,
                        gm_err *err)
{
    sorted_rows s = { GM_ARENA_ARRAY(scratch, entry, rows), GM_ARENA_ARRAY(scratch, int64_t, groups + 2) };
    if (!s.entries || !s.begin) return out_of_memory(err);
    int64_t *next = s.begin + 1; /* counting sort: begin[g + 1] first counts, then moves */
    for (int64_t r = 0; r < rows; r++)
        if (group[r] >= 0 && !(time && time->i64[r] == GM_MISSING_INT)) next[group[r] + 1]++;
    for (int32_t g = 0; g < groups; g++) next[g + 1] += next[g];
    for (int64_t r = 0; r < rows; r++) {
        if (group[r] < 0 || (time && time->i64[r] == GM_MISSING_INT)) continue;
        s.entries[next[group[r]]++] = (entry){ time ? time->i64[r] : 0, r };
    }
    for (int32_t g = 0; g < groups; g++) {
        entry *of_group = s.entries + s.begin[g];
        int64_t count = s.begin[g + 1] - s.begin[g];
        bool in_order = true;
        for (int64_t i = 1; in_order && i < count; i++) in_order = of_group[i - 1].time <= of_group[i].time;
        if (!in_order) qsort(of_group, (size_t)count, sizeof(*of_group), by_time);
    }
    *out = s;
    return GM_OK;
}

/* The last entry of the group with time <= t and no older than within_us (< 0: any age); -1 = none. */
static int64_t latest(const sorted_rows *s, int32_t group, int64_t t, double within_us)
{
    int64_t begin = s->begin[group], low = begin, high = s->begin[group + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (s->entries[middle].time <= t) low = middle + 1;
        else high = middle;
    }
    if (low == begin) return -1;
    const entry *e = &s->entries[low - 1];
    if (within_us >= 0 && (double)((uint64_t)t - (uint64_t)e->time) > within_us) return -1;
    return e->row;
}

/* ---- the join ---------------------------------------------------------------------------------------------- */

static gm_rc time_column(const gm_table *t, const char *name, const gm_column **out, gm_err *err)
{
    gm_rc rc = gm_table_column(t, name, out, err);
    if (rc) return rc;
    if ((*out)->type == GM_TYPE_TIME) return GM_OK;
    return gm_err_set(err, GM_EINVALID, "cannot join by time: column \"%.80s\" holds %s values", name, gm_type_name((*out)->type));
}

/* index [left->rows]: the matching right row or -1. */
static gm_rc match(const gm_table *left, const gm_table *right, const gm_asof_options *o, gm_arena *scratch, int64_t *index,
                   int64_t *out_matched, gm_err *err)
{
    const gm_column *left_time = NULL, *right_time = NULL;
    gm_rc rc = GM_OK;
    if (o->left_time) {
        rc = time_column(left, o->left_time, &left_time, err);
        if (!rc) rc = time_column(right, o->right_time ? o->right_time : o->left_time, &right_time, err);
        if (rc) return rc;
    }
    key *keys = GM_ARENA_ARRAY(scratch, key, o->by_count);
    pairs *maps = GM_ARENA_ARRAY(scratch, pairs, o->by_count);
    int32_t *group = GM_ARENA_ARRAY(scratch, int32_t, right->rows), groups = 1;
    if (!keys || !maps || !group) return out_of_memory(err);
    for (size_t i = 0; i < o->by_count; i++) {
        rc = open_key(left, right, o->by[i], scratch, &keys[i], err);
        if (!rc) rc = split_groups(&keys[i], right->rows, group, scratch, &maps[i], &groups, err);
        if (rc) return rc;
    }
    sorted_rows sorted = { 0 };
    rc = sort_right(right_time, group, right->rows, groups, scratch, &sorted, err);
    if (rc) return rc;

    double within_us = o->within_seconds > 0 ? o->within_seconds * 1e6 : -1;
    *out_matched = 0;
    for (int64_t r = 0; r < left->rows; r++) {
        int64_t t = left_time ? left_time->i64[r] : 0;
        int32_t g = left_time && t == GM_MISSING_INT ? -1 : group_of_left(keys, maps, o->by_count, r);
        index[r] = g < 0 ? -1 : latest(&sorted, g, t, left_time ? within_us : -1);
        *out_matched += index[r] >= 0;
    }
    return GM_OK;
}

static bool is_key(const gm_asof_options *o, const char *name)
{
    for (size_t i = 0; i < o->by_count; i++)
        if (strcmp(o->by[i], name) == 0) return true;
    return false;
}

/* Right columns but the keys, which the left rows have already. */
static gm_rc right_columns(const gm_table *left, const gm_table *right, const gm_asof_options *o, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_table t = { .rows = right->rows, .columns = GM_ARENA_ARRAY(a, gm_column, right->columns_count) };
    if (!t.columns) return out_of_memory(err);
    for (size_t i = 0; i < right->columns_count; i++) {
        if (is_key(o, right->columns[i].name)) continue;
        gm_column *c = &t.columns[t.columns_count++];
        *c = right->columns[i];
        if (o->prefix) c->name = gm_arena_printf(a, "%s.%s", o->prefix, c->name);
        if (!c->name) return out_of_memory(err);
        if (gm_table_find(left, c->name)) {
            gm_rc rc = gm_err_set(err, GM_EINVALID, "the join would give a second column \"%.100s\"", c->name);
            gm_err_hint(err, "Give the joined data another name.");
            return rc;
        }
    }
    *out = t;
    return GM_OK;
}

gm_rc gm_asof_join(const gm_table *left, const gm_table *right, const gm_asof_options *o, gm_arena *a, gm_table *out, int64_t *out_matched,
                   gm_err *err)
{
    if (!o->by_count && !o->left_time) return gm_err_set(err, GM_EINVALID, "a join needs a key or a time");
    if (right->rows > INT32_MAX - 2)
        return gm_err_set(err, GM_EUNSUPPORTED, "cannot join a table of %" PRId64 " rows: the limit is 2 billion", right->rows);
    gm_arena *scratch = gm_arena_new(0);
    int64_t *index = scratch ? GM_ARENA_ARRAY(scratch, int64_t, left->rows) : NULL, matched = 0;
    gm_table from, taken = { 0 }, joined = { .rows = left->rows };
    gm_rc rc = index ? right_columns(left, right, o, a, &from, err) : out_of_memory(err);
    if (!rc) rc = match(left, right, o, scratch, index, &matched, err);
    if (!rc) rc = gm_table_take(&from, index, left->rows, a, &taken, err);
    gm_arena_free(scratch);
    if (rc) return rc;

    joined.columns_count = left->columns_count + taken.columns_count;
    joined.columns = GM_ARENA_ARRAY(a, gm_column, joined.columns_count);
    if (!joined.columns) return out_of_memory(err);
    if (left->columns_count) memcpy(joined.columns, left->columns, left->columns_count * sizeof(*joined.columns));
    if (taken.columns_count) memcpy(joined.columns + left->columns_count, taken.columns, taken.columns_count * sizeof(*joined.columns));
    *out = joined;
    if (out_matched) *out_matched = matched;
    return GM_OK;
}
