/* split.c - see split.h. */
#include "feature/split.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

static const char *const names[] = { "random", "time", "stratified", "group" };

const char *gm_split_name(gm_split_by by) { return names[by]; }

bool gm_split_from_name(const char *name, gm_split_by *out)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (gm_split_by)i;
        return true;
    }
    return false;
}

/* A row in the order in which sides are dealt out: by stratum, then by order, then by row. */
typedef struct place {
    double stratum;
    uint64_t order;
    int64_t row;
} place;

static int by_place(const void *x, const void *y)
{
    const place *p = x, *q = y;
    if (p->stratum != q->stratum) return p->stratum < q->stratum ? -1 : 1;
    if (p->order != q->order) return p->order < q->order ? -1 : 1;
    return (p->row > q->row) - (p->row < q->row);
}

static uint64_t hash_of_row(const gm_split_options *o, int64_t row)
{
    return gm_hash_u64(o->seed, o->row_keys ? o->row_keys[row] : (uint64_t)row);
}

static uint64_t hash_of_group(const gm_split_options *o, int64_t row)
{
    const gm_column *c = o->group;
    if (gm_column_is_missing(c, row)) return ~hash_of_row(o, row);
    if (c->type == GM_TYPE_STRING) {
        int32_t code = c->code[row];
        return gm_hash_bytes(o->seed, c->dict->texts[code], c->dict->text_lens[code]);
    }
    double x = gm_column_double(c, row) + 0.0; /* -0 is 0 */
    return gm_hash_bytes(o->seed, &x, sizeof(x));
}

/* Microseconds as unsigned in the same order. */
static uint64_t order_of_time(int64_t us) { return (uint64_t)us ^ (UINT64_C(1) << 63); }

/* The rows that take part, in order; the others get GM_SIDE_OUT. */
static int64_t place_rows(const gm_split_options *o, int64_t rows, place *places, uint8_t *out)
{
    int64_t count = 0;
    for (int64_t r = 0; r < rows; r++) {
        out[r] = GM_SIDE_OUT;
        if (o->target && isnan(o->target[r])) continue;
        if (o->by == GM_SPLIT_TIME && o->time->i64[r] == GM_MISSING_INT) continue;
        place p = { .row = r };
        if (o->by == GM_SPLIT_STRATIFIED) p.stratum = o->target[r];
        if (o->by == GM_SPLIT_TIME) p.order = order_of_time(o->time->i64[r]);
        else p.order = o->by == GM_SPLIT_GROUP ? hash_of_group(o, r) : hash_of_row(o, r);
        places[count++] = p;
    }
    if (count > 1) qsort(places, (size_t)count, sizeof(*places), by_place);
    return count;
}

static int64_t share_of(double share, int64_t count) { return (int64_t)floor(share * (double)count + 0.5); }

static void deal(const place *places, int64_t begin, int64_t end, gm_side side, uint8_t *out)
{
    for (int64_t i = begin; i < end; i++) out[places[i].row] = (uint8_t)side;
}

/* Move a cut to the nearest boundary between two different orders; of two equally near ones to the earlier. */
static int64_t between_ties(const place *places, int64_t count, int64_t cut)
{
    int64_t below = cut, above = cut;
    if (cut <= 0 || cut >= count) return cut;
    while (below > 0 && places[below - 1].order == places[below].order) below--;
    while (above < count && places[above - 1].order == places[above].order) above++;
    return cut - below <= above - cut ? below : above;
}

/* Test first, then validation, then training; ties (groups) stay together. */
static void deal_by_hash(const gm_split_options *o, const place *places, int64_t count, uint8_t *out)
{
    int64_t test = share_of(o->test, count), validation = share_of(o->test + o->validation, count);
    if (o->by == GM_SPLIT_GROUP) {
        test = between_ties(places, count, test);
        validation = between_ties(places, count, validation);
    }
    deal(places, 0, test, GM_SIDE_TEST, out);
    deal(places, test, validation, GM_SIDE_VALIDATION, out);
    deal(places, validation, count, GM_SIDE_TRAIN, out);
}

static void deal_by_time(const gm_split_options *o, const place *places, int64_t count, uint8_t *out)
{
    int64_t validation = between_ties(places, count, count - share_of(o->test + o->validation, count));
    int64_t test = between_ties(places, count, count - share_of(o->test, count));
    deal(places, 0, validation, GM_SIDE_TRAIN, out);
    deal(places, validation, test, GM_SIDE_VALIDATION, out);
    deal(places, test, count, GM_SIDE_TEST, out);
}

static void deal_by_class(const gm_split_options *o, const place *places, int64_t count, uint8_t *out)
{
    for (int64_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && places[end].stratum == places[begin].stratum; end++) {}
        deal_by_hash(o, places + begin, end - begin, out);
    }
}

static gm_rc check_options(const gm_split_options *o, int64_t rows, gm_err *err)
{
    if (!(o->validation >= 0 && o->test >= 0 && o->validation + o->test < 1))
        return gm_err_set(err, GM_EINVALID, "validation %g and test %g must be shares that leave rows for training", o->validation, o->test);
    if (o->by == GM_SPLIT_TIME && (!o->time || o->time->type != GM_TYPE_TIME)) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, o->time ? "cannot split by time: column \"%.80s\" is no time" : "cannot split by time: the data has no time column%s",
                              o->time ? o->time->name : "");
        gm_err_hint(err, "Name the column with the event time as \"time\" of the data set, or split by random.");
        return rc;
    }
    if (o->by == GM_SPLIT_GROUP && !o->group) return gm_err_set(err, GM_EINVALID, "cannot split by group: no column is named");
    if (o->by == GM_SPLIT_STRATIFIED && !o->target) return gm_err_set(err, GM_EINVALID, "cannot split by class: there is no target");
    if (rows < 1) return gm_err_set(err, GM_EINVALID, "there are no rows to split");
    return GM_OK;
}

static gm_rc check_sides(const gm_split_options *o, const int64_t *counts, gm_err *err)
{
    const char *empty = !counts[GM_SIDE_TRAIN] ? "training" : o->validation > 0 && !counts[GM_SIDE_VALIDATION] ? "validation"
                      : o->test > 0 && !counts[GM_SIDE_TEST] ? "test" : NULL;
    if (!empty) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "the %s side of the split by %s has no rows", empty, gm_split_name(o->by));
    gm_err_hint(err, "%s", o->by == GM_SPLIT_TIME    ? "Too many rows share one time, or there are too few rows."
                           : o->by == GM_SPLIT_GROUP ? "There are too few groups, or one of them is too large."
                                                     : "There are too few rows with a label.");
    return rc;
}

gm_rc gm_split(const gm_split_options *o, int64_t rows, uint8_t *out, int64_t *out_counts, gm_err *err)
{
    int64_t counts[4] = { 0 };
    gm_rc rc = check_options(o, rows, err);
    if (rc) return rc;
    gm_arena *scratch = gm_arena_new(0);
    place *places = scratch ? GM_ARENA_ARRAY(scratch, place, rows) : NULL;
    if (!places) {
        gm_arena_free(scratch);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to split %" PRId64 " rows", rows);
    }
    int64_t count = place_rows(o, rows, places, out);
    if (o->by == GM_SPLIT_TIME) deal_by_time(o, places, count, out);
    else if (o->by == GM_SPLIT_STRATIFIED) deal_by_class(o, places, count, out);
    else deal_by_hash(o, places, count, out);
    gm_arena_free(scratch);

    for (int64_t r = 0; r < rows; r++) counts[out[r]]++;
    rc = check_sides(o, counts, err);
    if (!rc && out_counts) memcpy(out_counts, counts, sizeof(counts));
    return rc;
}
