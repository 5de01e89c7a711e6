/* cmd_changes.c - `changes`: where the mean of one column has moved, reading its rows in order. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "data/engine.h"
#include "watch/estimate.h"

typedef struct changes_opts {
    const char *time, *detector;
    double delta, threshold;
    bool fail;
} changes_opts;

static const gm_param changes_options[] = {
    { "time", GM_PARAM_STR, offsetof(changes_opts, time), "", "take the rows in the order of this column, and show it", 0, 0,
      NULL },
    { "detector", GM_PARAM_STR, offsetof(changes_opts, detector), "adwin", "adwin, or page_hinkley for slow slopes", 0, 0,
      "adwin page_hinkley" },
    { "delta", GM_PARAM_DOUBLE, offsetof(changes_opts, delta), "0",
      "adwin: chance of a false change at each look, 0 = 0.002; page_hinkley: a move that does not matter, 0 = 0.005", 0, 1e9,
      NULL },
    { "threshold", GM_PARAM_DOUBLE, offsetof(changes_opts, threshold), "0",
      "page_hinkley: how far the sum of differences may go, in the column's units; 0 = 50", 0, 1e15, NULL },
    { "fail", GM_PARAM_BOOL, offsetof(changes_opts, fail), "false", "end with exit code 1 when the mean has moved", 0, 0, NULL },
    { 0 },
};

/* ---- the values, in order ------------------------------------------------------------------------------------------------ */

typedef struct keyed {
    int64_t time, row;
} keyed;

static int by_time(const void *x, const void *y)
{
    const keyed *a = x, *b = y;
    if (a->time != b->time) return a->time < b->time ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

/* Rows that have a value, and a time where one is asked for. out [*out_count], in a. */
static gm_rc in_order(const gm_column *values, const gm_column *time, gm_arena *a, keyed **out, int64_t *out_count, gm_err *err)
{
    keyed *rows = GM_ARENA_ARRAY(a, keyed, values->rows);
    int64_t count = 0;
    if (!rows) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", values->rows);
    for (int64_t i = 0; i < values->rows; i++) {
        if (!isfinite(gm_column_double(values, i)) || (time && gm_column_is_missing(time, i))) continue;
        rows[count++] = (keyed){ .time = time ? time->i64[i] : 0, .row = i };
    }
    if (time) qsort(rows, (size_t)count, sizeof(*rows), by_time);
    *out = rows;
    *out_count = count;
    return GM_OK;
}

static gm_rc pick(const gm_table *t, const char *name, const char *time_name, const gm_column **out, const gm_column **out_time,
                  gm_err *err)
{
    gm_rc rc = gm_table_column(t, name, out, err);
    if (!rc && (*out)->type == GM_TYPE_STRING) {
        rc = gm_err_set(err, GM_EINVALID, "column \"%.60s\" holds texts, and texts have no mean", name);
        gm_err_hint(err, "Name a column of numbers; `gristmill drift A B` compares texts.");
    }
    *out_time = NULL;
    if (!rc && time_name[0]) rc = gm_table_column(t, time_name, out_time, err);
    if (!rc && *out_time && (*out_time)->type != GM_TYPE_TIME && (*out_time)->type != GM_TYPE_INT) {
        rc = gm_err_set(err, GM_EINVALID, "column \"%.60s\" holds neither times nor whole numbers", time_name);
        gm_err_hint(err, "--time takes a column that rows can be put in order by.");
    }
    return rc;
}

/* ---- changes ------------------------------------------------------------------------------------------------------------- */

typedef struct change {
    int64_t told, since;  /* places in the order: where it was told, and from where on the mean is another one */
    double before, after; /* mean from the change before to this one, and from it to the next */
} change;

typedef struct found {
    change *items; /* [count] */
    size_t count, capacity;
} found;

static gm_rc keep(found *f, int64_t told, gm_arena *a, gm_err *err)
{
    if (f->count == f->capacity) {
        size_t more = f->capacity ? 2 * f->capacity : 16;
        change *items = GM_ARENA_ARRAY(a, change, more);
        if (!items) return gm_err_set(err, GM_ENOMEM, "not enough memory for the changes");
        if (f->count) memcpy(items, f->items, f->count * sizeof(*items));
        f->items = items;
        f->capacity = more;
    }
    f->items[f->count++] = (change){ .told = told };
    return GM_OK;
}

/* ADWIN's bound is for values between 0 and 1: they are scaled by the column's range. */
static gm_rc by_adwin(const gm_column *values, const keyed *rows, int64_t count, double delta, gm_arena *a, found *f, gm_err *err)
{
    gm_adwin *d = NULL;
    double low = INFINITY, high = -INFINITY;
    gm_rc rc = gm_adwin_new(delta, &d, err);
    for (int64_t i = 0; i < count; i++) {
        low = fmin(low, gm_column_double(values, rows[i].row));
        high = fmax(high, gm_column_double(values, rows[i].row));
    }
    for (int64_t i = 0; !rc && high > low && i < count; i++)
        if (gm_adwin_add(d, (gm_column_double(values, rows[i].row) / 2 - low / 2) / (high / 2 - low / 2)))
            rc = keep(f, i, a, err);
    gm_adwin_free(d);
    return rc;
}

static gm_rc by_page_hinkley(const gm_column *values, const keyed *rows, int64_t count, const changes_opts *o, gm_arena *a,
                             found *f, gm_err *err)
{
    gm_page_hinkley d = { .delta = o->delta, .threshold = o->threshold };
    gm_rc rc = GM_OK;
    for (int64_t i = 0; !rc && i < count; i++)
        if (gm_page_hinkley_add(&d, gm_column_double(values, rows[i].row))) rc = keep(f, i, a, err);
    return rc;
}

static double mean(const gm_column *values, const keyed *rows, int64_t from, int64_t until)
{
    double sum = 0;
    for (int64_t i = from; i < until; i++) sum += (gm_column_double(values, rows[i].row) - sum) / (double)(i - from + 1);
    return until > from ? sum : (double)NAN;
}

/* Where values [from, until) part best in two: the place k that most lessens the sum of squares about the two means. */
static int64_t best_split(const gm_column *values, const keyed *rows, int64_t from, int64_t until)
{
    double whole = mean(values, rows, from, until), sum = 0, best = -1;
    int64_t at = from;
    for (int64_t k = from + 1; k < until; k++) {
        double left = (double)(k - from), right = (double)(until - k);
        sum += gm_column_double(values, rows[k - 1].row) - whole;
        double gain = sum * sum * (1 / left + 1 / right);
        if (!(gain > best)) continue;
        best = gain;
        at = k;
    }
    return at;
}

/* A detector tells a change some time after it came, and may tell one again while old values are still in its window: what parts
 * before the last one was told is the last one. */
static void settle(const gm_column *values, const keyed *rows, int64_t count, found *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->count; i++) {
        int64_t told = f->items[i].told, since = best_split(values, rows, n ? f->items[n - 1].since : 0, told + 1);
        if (n && since <= f->items[n - 1].told) continue;
        f->items[n++] = (change){ .told = told, .since = since };
    }
    f->count = n;
    for (size_t i = 0; i < n; i++) {
        f->items[i].before = mean(values, rows, i ? f->items[i - 1].since : 0, f->items[i].since);
        f->items[i].after = mean(values, rows, f->items[i].since, i + 1 < n ? f->items[i + 1].since : count);
    }
}

/* ---- what is said -------------------------------------------------------------------------------------------------------- */

static const char *place(const gm_column *time, const keyed *rows, int64_t i, gm_arena *a)
{
    char text[64];
    return gm_arena_strdup(a, time ? gm_column_show(time, rows[i].row, text, sizeof(text)) : "");
}

static void print(const found *f, const gm_column *values, const gm_column *time, const keyed *rows, int64_t count,
                  const char *detector, gm_arena *a)
{
    gm_grid *g = gm_grid_new(a, 6);
    printf("%s: %" PRId64 " values, mean %.6g; %zu change%s by %s\n", values->name, count, mean(values, rows, 0, count), f->count,
           f->count == 1 ? "" : "s", detector);
    if (!f->count) return;
    gm_grid_add(g, (const char *[]){ "since row", time ? time->name : "", "told at row", time ? time->name : "", "mean before",
                                     "after" });
    for (size_t c = 0; c < 6; c++) gm_grid_right(g, c);
    for (size_t i = 0; i < f->count; i++) {
        const change *c = &f->items[i];
        gm_grid_add(g, (const char *[]){ gm_arena_printf(a, "%" PRId64, rows[c->since].row + 1), place(time, rows, c->since, a),
                                         gm_arena_printf(a, "%" PRId64, rows[c->told].row + 1), place(time, rows, c->told, a),
                                         gm_arena_printf(a, "%.6g", c->before), gm_arena_printf(a, "%.6g", c->after) });
    }
    printf("\n");
    gm_grid_print(g);
}

static void print_json(const found *f, const gm_column *values, const gm_column *time, const keyed *rows, int64_t count,
                       const char *detector, gm_arena *a)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "column", values->name);
    gm_json_kstr(&j, "detector", detector);
    gm_json_kint(&j, "values", count);
    gm_json_key(&j, "changes");
    gm_json_array(&j);
    for (size_t i = 0; i < f->count; i++) {
        const change *c = &f->items[i];
        gm_json_object(&j);
        gm_json_kint(&j, "since_row", rows[c->since].row + 1);
        gm_json_kint(&j, "told_row", rows[c->told].row + 1);
        if (time) gm_json_kstr(&j, "since", place(time, rows, c->since, a));
        if (time) gm_json_kstr(&j, "told", place(time, rows, c->told, a));
        gm_json_kdouble(&j, "mean_before", c->before);
        gm_json_kdouble(&j, "mean_after", c->after);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_print_json(&b);
}

static gm_rc changes(gm_cli *cli, const void *conf, gm_err *err)
{
    const changes_opts *o = conf;
    const char *path = cli->operands[0], *names[] = { cli->operands[1], o->time };
    const gm_column *values = NULL, *time = NULL;
    gm_engine *engine = NULL;
    gm_table t = { 0 };
    keyed *rows = NULL;
    int64_t count = 0;
    found f = { 0 };
    gm_rc rc = gm_engine_open(&(gm_engine_options){ 0 }, &engine, err);
    if (!rc) rc = gm_data_read(engine, path, names, o->time[0] ? 2 : 1, 0, cli->a, &t, err);
    gm_engine_close(engine);
    if (!rc) rc = pick(&t, names[0], o->time, &values, &time, err);
    if (rc) return gm_err_ctx(err, rc, "reading \"%.100s\"", path);
    rc = in_order(values, time, cli->a, &rows, &count, err);
    if (!rc && strcmp(o->detector, "adwin") == 0) rc = by_adwin(values, rows, count, o->delta, cli->a, &f, err);
    if (!rc && strcmp(o->detector, "adwin") != 0) rc = by_page_hinkley(values, rows, count, o, cli->a, &f, err);
    if (rc) return rc;
    settle(values, rows, count, &f);
    if (cli->common->json)
        print_json(&f, values, time, rows, count, o->detector, cli->a);
    else
        print(&f, values, time, rows, count, o->detector, cli->a);
    cli->exit_code = o->fail && f.count ? 1 : 0;
    return GM_OK;
}

const gm_command gm_command_changes = {
    .item = { .name = "changes",
              .help = "where the mean of a column has moved, reading its rows in order",
              .params = changes_options,
              .conf_size = sizeof(changes_opts) },
    .operands = "FILE COLUMN",
    .operands_min = 2,
    .operands_max = 2,
    .group = "Look",
    .examples =
        "gristmill changes losses.parquet loss --time day\ngristmill changes t.csv wait --detector page_hinkley --threshold 20",
    .run = changes,
};
