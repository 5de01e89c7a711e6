/* slices.c - a metric on the rows of each value of a column, worst first.
 *
 * The rows of a slice are copied together and scored like any other rows: O(rows log rows) for a column, however many
 * values it has. Values with too few rows are named, the 20 largest of a column; the rest become one "(n more values)".
 */
#include "eval/slices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 12, UNJUDGED_MAX = 20, BOOTSTRAPPED = 20 };

static gm_rc no_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory for slices"); }

/* ---- which slice a row is in -------------------------------------------------------------------------------- */

static gm_rc slice_texts(const gm_column *c, gm_arena *a, gm_slicing *out, gm_err *err)
{
    int32_t codes = c->dict ? c->dict->count : 0, count = 0;
    int32_t *slice_of = GM_ARENA_ARRAY(a, int32_t, codes + 1); /* 0 = none yet, else slice + 1; the last is missing */
    const char **names = GM_ARENA_ARRAY(a, const char *, codes + 1);
    if (!slice_of || !names) return no_memory(err);
    for (int64_t i = 0; i < c->rows; i++) {
        int32_t code = c->code[i], at = code < 0 ? codes : code;
        if (!slice_of[at]) {
            names[count] = code < 0 ? "(missing)" : c->dict->texts[code];
            slice_of[at] = ++count;
        }
        out->slice[i] = slice_of[at] - 1;
    }
    out->names = names;
    out->count = count;
    return GM_OK;
}

/* The value of a row as text for a name: shown as the column shows it. */
static const char *shown(const gm_column *c, int64_t row, gm_arena *a)
{
    char text[64];
    return gm_arena_strdup(a, gm_column_show(c, row, text, sizeof(text)));
}

/* present [n] row numbers, order over their values: one slice for each group. */
static gm_rc slice_values(const gm_column *c, const uint32_t *present, const gm_score_order *order, gm_arena *a, gm_slicing *out, gm_err *err)
{
    for (int64_t g = 0, i = 0; g < order->groups; g++) {
        if (!(out->names[g] = shown(c, present[order->row[i]], a))) return no_memory(err);
        for (; i < order->group_end[g]; i++) out->slice[present[order->row[i]]] = (int32_t)g;
    }
    out->count = (int32_t)order->groups;
    return GM_OK;
}

/* Four slices of about equal rows; equal values stay together. */
static gm_rc slice_quartiles(const gm_column *c, const uint32_t *present, const gm_score_order *order, gm_arena *a, gm_slicing *out, gm_err *err)
{
    int64_t start[5] = { 0 }, n = order->rows, count = 1, group_start = 0; /* starts within order->row */
    for (int64_t g = 0, quartile = 1; g < order->groups; g++) {
        for (; quartile < 4 && n * quartile / 4 < order->group_end[g]; quartile++) /* the cut falls into this group */
            if (group_start > start[count - 1]) start[count++] = group_start;
        group_start = order->group_end[g];
    }
    start[count] = n;
    for (int64_t b = 0; b < count; b++) {
        bool last = b == count - 1;
        const char *low = shown(c, present[order->row[start[b]]], a);
        const char *high = shown(c, present[order->row[last ? n - 1 : start[b + 1]]], a);
        if (!low || !high) return no_memory(err);
        if (!(out->names[b] = gm_arena_printf(a, "[%s, %s%c", low, high, last ? ']' : ')'))) return no_memory(err);
        for (int64_t i = start[b]; i < start[b + 1]; i++) out->slice[present[order->row[i]]] = (int32_t)b;
    }
    out->count = (int32_t)count;
    return GM_OK;
}

static gm_rc slice_numbers(const gm_column *c, gm_arena *a, gm_slicing *out, gm_err *err)
{
    uint32_t *present = GM_ARENA_ARRAY(a, uint32_t, c->rows);
    double *values = GM_ARENA_ARRAY(a, double, c->rows);
    out->names = GM_ARENA_ARRAY(a, const char *, VALUES_MAX + 2);
    if (!present || !values || !out->names) return no_memory(err);
    int64_t n = 0;
    for (int64_t i = 0; i < c->rows; i++) {
        if (gm_column_is_missing(c, i)) continue;
        present[n] = (uint32_t)i;
        values[n++] = gm_column_double(c, i);
    }
    gm_score_order order;
    gm_rc rc = gm_score_order_make(values, 1, n, a, &order, err);
    if (rc) return rc;
    bool whole = c->type == GM_TYPE_BOOL || c->type == GM_TYPE_INT;
    if (n > 0) rc = order.groups <= (whole ? VALUES_MAX : 2) ? slice_values(c, present, &order, a, out, err) : slice_quartiles(c, present, &order, a, out, err);
    if (rc || n == c->rows) return rc;
    out->names[out->count] = "(missing)";
    for (int64_t i = 0; i < c->rows; i++)
        if (gm_column_is_missing(c, i)) out->slice[i] = out->count;
    out->count++;
    return GM_OK;
}

gm_rc gm_slicing_make(const gm_column *column, gm_arena *a, gm_slicing *out, gm_err *err)
{
    gm_slicing s = { .slice = GM_ARENA_ARRAY(a, int32_t, column->rows) };
    if (!s.slice) return no_memory(err);
    gm_rc rc = column->type == GM_TYPE_STRING ? slice_texts(column, a, &s, err) : slice_numbers(column, a, &s, err);
    if (rc) return rc;
    if (!(s.rows = GM_ARENA_ARRAY(a, int64_t, s.count))) return no_memory(err);
    for (int64_t i = 0; i < column->rows; i++) s.rows[s.slice[i]]++;
    *out = s;
    return GM_OK;
}

/* ---- the metric of each slice ------------------------------------------------------------------------------- */

typedef struct slice_work {
    const gm_metric *metric;
    const gm_scores *scores;
    int64_t min_rows;
    bool closed_intervals;
    uint32_t *rows;           /* [rows] by slice, in the order of the table    */
    int64_t *start;           /* [count + 1]                                   */
    double *truth, *predicted; /* of one slice                                 */
    gm_arena *scratch;        /* reset after each slice                        */
} slice_work;

static gm_scores gather(const slice_work *w, int64_t start, int64_t end)
{
    int64_t width = w->scores->task == GM_TASK_MULTICLASS ? w->scores->classes : 1;
    for (int64_t i = start; i < end; i++) {
        w->truth[i - start] = w->scores->truth[w->rows[i]];
        memcpy(w->predicted + (i - start) * width, w->scores->predicted + w->rows[i] * width, (size_t)width * sizeof(double));
    }
    gm_scores s = *w->scores;
    s.rows = end - start;
    s.truth = w->truth;
    s.predicted = w->predicted;
    s.cache = NULL;
    return s;
}

static bool one_class(const gm_scores *s)
{
    if (s->task == GM_TASK_REGRESSION) return false;
    for (int64_t i = 1; i < s->rows; i++)
        if (s->truth[i] != s->truth[0]) return false;
    return true;
}

static gm_rc score_slice(slice_work *w, int64_t start, int64_t end, gm_slice *out, gm_err *err)
{
    gm_scores s = gather(w, start, end);
    out->metric = (gm_interval){ NAN, NAN, NAN, "" };
    if (s.task == GM_TASK_BINARY)
        for (int64_t i = 0; i < s.rows; i++) out->positives += s.truth[i] == 1;
    if (s.rows < w->min_rows || one_class(&s)) return GM_OK;

    gm_err why;
    gm_rc rc = w->closed_intervals ? gm_closed_interval(w->metric, &s, w->scratch, &out->metric, &why)
                                   : gm_metric_value(w->metric, &s, w->scratch, &out->metric.value, &why);
    gm_arena_reset(w->scratch);
    if (rc && rc != GM_EINVALID) return gm_err_set(err, rc, "%s", why.message);
    out->judged = rc == GM_OK; /* a metric that is undefined on these rows is no verdict on them */
    return GM_OK;
}

static gm_rc rows_by_slice(const gm_slicing *slicing, int64_t rows, gm_arena *a, slice_work *w, gm_err *err)
{
    w->start = GM_ARENA_ARRAY(a, int64_t, slicing->count + 1);
    int64_t *next = GM_ARENA_ARRAY(a, int64_t, slicing->count);
    if (!w->start || !next) return no_memory(err);
    for (int32_t k = 0; k < slicing->count; k++) {
        next[k] = w->start[k];
        w->start[k + 1] = w->start[k] + slicing->rows[k];
    }
    for (int64_t i = 0; i < rows; i++) w->rows[next[slicing->slice[i]]++] = (uint32_t)i;
    return GM_OK;
}

static int more_rows_first(const void *a, const void *b)
{
    const gm_slice *x = a, *y = b;
    if (x->judged != y->judged) return x->judged ? -1 : 1;
    if (x->rows != y->rows) return x->rows > y->rows ? -1 : 1;
    return strcmp(x->value, y->value);
}

/* Keep the judged and the largest others; fold the rest into one. Returns how many are left. */
static size_t fold_small(gm_slice *slices, size_t count, gm_arena *a)
{
    qsort(slices, count, sizeof(*slices), more_rows_first);
    size_t judged = 0;
    while (judged < count && slices[judged].judged) judged++;
    if (count - judged <= UNJUDGED_MAX) return count;
    gm_slice *rest = &slices[judged + UNJUDGED_MAX];
    size_t folded = count - judged - UNJUDGED_MAX;
    for (size_t i = 1; i < folded; i++) {
        rest->rows += rest[i].rows;
        rest->positives += rest[i].positives;
    }
    const char *name = gm_arena_printf(a, "(%zu more values)", folded);
    rest->value = name ? name : "(more values)";
    return judged + UNJUDGED_MAX + 1;
}

static gm_rc slice_column(slice_work *w, const gm_column *column, gm_arena *a, gm_slice **out, size_t *out_count, gm_err *err)
{
    gm_slicing slicing;
    gm_rc rc = gm_slicing_make(column, a, &slicing, err);
    if (!rc) rc = rows_by_slice(&slicing, w->scores->rows, a, w, err);
    if (rc) return rc;
    gm_slice *slices = GM_ARENA_ARRAY(a, gm_slice, slicing.count);
    if (!slices) return no_memory(err);
    for (int32_t k = 0; !rc && k < slicing.count; k++) {
        slices[k] = (gm_slice){ .column = column->name, .value = slicing.names[k], .rows = slicing.rows[k] };
        rc = score_slice(w, w->start[k], w->start[k + 1], &slices[k], err);
    }
    if (rc) return rc;
    *out_count = fold_small(slices, (size_t)slicing.count, a);
    *out = slices;
    return GM_OK;
}

/* ---- all columns -------------------------------------------------------------------------------------------- */

static int lowest_first(const void *a, const void *b)
{
    const gm_slice *x = a, *y = b;
    if (x->judged != y->judged) return x->judged ? -1 : 1;
    if (x->judged && x->metric.value != y->metric.value) return x->metric.value < y->metric.value ? -1 : 1;
    if (x->rows != y->rows) return x->rows > y->rows ? -1 : 1;
    int by_column = strcmp(x->column, y->column);
    return by_column ? by_column : strcmp(x->value, y->value);
}

static int highest_first(const void *a, const void *b)
{
    const gm_slice *x = a, *y = b;
    if (x->judged && y->judged && x->metric.value != y->metric.value) return x->metric.value > y->metric.value ? -1 : 1;
    return lowest_first(a, b);
}

/* Bootstrap intervals of the worst slices, whose rows are found again by column and name. */
static gm_rc bootstrap_worst(slice_work *w, const gm_column *columns, size_t columns_count, gm_slice *slices, size_t count, gm_err *err)
{
    for (size_t k = 0; k < count && slices[k].judged; k++) {
        const gm_column *column = NULL;
        for (size_t c = 0; c < columns_count; c++)
            if (columns[c].name == slices[k].column) column = &columns[c];
        gm_slicing slicing;
        gm_rc rc = gm_slicing_make(column, w->scratch, &slicing, err);
        if (!rc) rc = rows_by_slice(&slicing, w->scores->rows, w->scratch, w, err);
        for (int32_t v = 0; !rc && v < slicing.count; v++) {
            if (strcmp(slicing.names[v], slices[k].value) != 0) continue;
            gm_scores s = gather(w, w->start[v], w->start[v + 1]);
            rc = gm_metric_interval(w->metric, &s, 1, w->scratch, &slices[k].metric, err);
            break;
        }
        gm_arena_reset(w->scratch);
        if (rc) return rc;
    }
    return GM_OK;
}

gm_rc gm_slices_with(const gm_metric *m, const gm_scores *s, const gm_column *columns, size_t columns_count, int64_t min_rows,
                     int64_t bootstrapped, gm_arena *a, gm_slice **out, size_t *out_count, gm_err *err)
{
    int64_t width = s->task == GM_TASK_MULTICLASS ? s->classes : 1;
    gm_arena *work_arena = gm_arena_new(0), *scratch = gm_arena_new(0);
    gm_slice **parts = GM_ARENA_ARRAY(a, gm_slice *, columns_count);
    size_t *counts = GM_ARENA_ARRAY(a, size_t, columns_count), total = 0;
    gm_rc rc = GM_OK;
    slice_work w = { .metric = m, .scores = s, .min_rows = min_rows, .closed_intervals = bootstrapped >= 0, .scratch = scratch };
    if (work_arena && scratch) {
        w.rows = GM_ARENA_ARRAY(work_arena, uint32_t, s->rows);
        w.truth = GM_ARENA_ARRAY(work_arena, double, s->rows);
        w.predicted = GM_ARENA_ARRAY(work_arena, double, s->rows * width);
    }
    if (!w.rows || !w.truth || !w.predicted || !parts || !counts) rc = no_memory(err);

    for (size_t c = 0; !rc && c < columns_count; c++) {
        if (columns[c].rows != s->rows)
            rc = gm_err_set(err, GM_EINVALID, "column \"%s\" has %lld rows, the scores have %lld", columns[c].name,
                            (long long)columns[c].rows, (long long)s->rows);
        if (!rc) rc = slice_column(&w, &columns[c], a, &parts[c], &counts[c], err);
        if (!rc) total += counts[c];
    }
    gm_slice *all = rc ? NULL : GM_ARENA_ARRAY(a, gm_slice, total);
    if (!rc && !all) rc = no_memory(err);
    if (!rc) {
        size_t used = 0;
        for (size_t c = 0; c < columns_count; c++) {
            memcpy(all + used, parts[c], counts[c] * sizeof(*all));
            used += counts[c];
        }
        qsort(all, total, sizeof(*all), m->higher_is_better ? lowest_first : highest_first);
        size_t worst = bootstrapped < 0 ? 0 : total < (size_t)bootstrapped ? total : (size_t)bootstrapped;
        if (m->interval == GM_INTERVAL_BOOTSTRAP) rc = bootstrap_worst(&w, columns, columns_count, all, worst, err);
        *out = all;
        *out_count = total;
    }
    gm_arena_free(scratch);
    gm_arena_free(work_arena);
    return rc;
}

gm_rc gm_slices(const gm_metric *m, const gm_scores *s, const gm_column *columns, size_t columns_count, int64_t min_rows,
                gm_arena *a, gm_slice **out, size_t *out_count, gm_err *err)
{
    return gm_slices_with(m, s, columns, columns_count, min_rows, BOOTSTRAPPED, a, out, out_count, err);
}
