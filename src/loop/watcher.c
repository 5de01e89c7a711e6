/* watcher.c - which windows are due, and keeping what was found. See watcher.h. */
#include "loop/watcher.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "loop/watcher_internal.h"
#include "serve/predlog.h"

/* A window is over when its end is so long past that its rows are in the log: lanes write each second. */
#define SETTLE_US (INT64_C(5) * 1000000)
#define HORIZON_US (INT64_C(60) * 86400 * 1000000)
#define FIRST_LOOK_US (INT64_C(7) * 86400 * 1000000)
enum { WINDOWS_MAX = 2000 }; /* a look goes back so many at most */

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to watch a model");
}

gm_rc gm_watcher_open(const gm_watcher_options *o, gm_watcher **out, gm_err *err)
{
    gm_watcher *w = calloc(1, sizeof(*w));
    if (!w) return no_memory(err);
    w->o = *o;
    w->a = gm_arena_new(0);
    w->look = gm_arena_new(0);
    if (w->a && w->look) {
        w->model = o->spec->pipeline;
        w->labels_from = gm_labels_source(o->spec);
        w->log_dir = o->log_dir ? gm_arena_strdup(w->a, o->log_dir) : gm_path_join(w->a, gm_store_root(o->store), "predictions");
        w->o.scratch = gm_arena_strdup(w->a, o->scratch);
    }
    gm_rc rc = w->log_dir && w->o.scratch ? gm_fs_mkdirs(w->o.scratch, err) : no_memory(err);
    if (rc) {
        gm_watcher_close(w);
        return rc;
    }
    *out = w;
    return GM_OK;
}

void gm_watcher_close(gm_watcher *w)
{
    gm_err ignored;
    if (!w) return;
    for (size_t i = 0; i < w->versions_count; i++) gm_watched_close(&w->versions[i]);
    gm_engine_close(w->engine);
    gm_arena_free(w->labels_arena);
    gm_arena_free(w->look);
    if (w->o.scratch && w->a) (void)gm_fs_remove_tree(w->o.scratch, &ignored); /* scratch */
    gm_arena_free(w->a);
    free(w);
}

/* ---- which windows ----------------------------------------------------------------------------------------------------- */

typedef struct due {
    int64_t from_us, until_us;
} due;

typedef struct due_list {
    due *items; /* [count] in order of time */
    size_t count, capacity;
} due_list;

static gm_rc add_due(gm_watcher *w, due_list *l, int64_t from_us, int64_t until_us, gm_err *err)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        due *items = GM_ARENA_ARRAY(w->look, due, capacity);
        if (!items) return no_memory(err);
        if (l->count) memcpy(items, l->items, l->count * sizeof(*items));
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->count++] = (due){ from_us, until_us };
    return GM_OK;
}

static int by_time(const void *x, const void *y)
{
    const due *a = x, *b = y;
    if (a->until_us != b->until_us) return a->until_us < b->until_us ? -1 : 1;
    return (a->from_us > b->from_us) - (a->from_us < b->from_us);
}

/* floor(a / b), b > 0 */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* A record of a window that was judged already; records are ordered by from, then until. */
static const gm_window_record *find_record(const gm_window_record *r, size_t count, int64_t from_us, int64_t until_us)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool before = r[middle].from_us != from_us ? r[middle].from_us < from_us : r[middle].until_us < until_us;
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && r[low].from_us == from_us && r[low].until_us == until_us ? &r[low] : NULL;
}

/* Windows that were judged and await labels: when the labels' source is newer than the judgement, or it is their last. */
static gm_rc judged_windows(gm_watcher *w, const gm_window_record *r, size_t count, int64_t now_us, due_list *l, gm_err *err)
{
    gm_rc rc = GM_OK;
    gm_labels_look look = gm_labels_look_at(&w->labels_from);
    for (size_t i = 0; !rc && i < count; i++) {
        const gm_window_result waiting = { .until_us = r[i].until_us, .rows = r[i].rows, .labelled = r[i].labelled };
        bool again = !r[i].final && (look.changed_us > r[i].updated_us || gm_watcher_is_final(w, &waiting, now_us));
        bool listed =
            l->count && l->items[l->count - 1].from_us == r[i].from_us && l->items[l->count - 1].until_us == r[i].until_us;
        if (again && !listed) rc = add_due(w, l, r[i].from_us, r[i].until_us, err);
    }
    return rc;
}

static gm_rc time_windows(gm_watcher *w, const gm_window_record *r, size_t count, int64_t first_us, int64_t now_us, due_list *l,
                          gm_err *err)
{
    const gm_window_spec *s = &w->o.spec->monitor.window;
    int64_t last = floor_div(now_us - SETTLE_US - s->length_us, s->step_us);
    int64_t k = floor_div(first_us - s->length_us, s->step_us) + 1; /* the first that ends behind first_us */
    gm_rc rc = GM_OK;
    for (; !rc && k <= last; k++)
        if (!find_record(r, count, k * s->step_us, k * s->step_us + s->length_us))
            rc = add_due(w, l, k * s->step_us, k * s->step_us + s->length_us, err);
    return rc;
}

/* Rows that were answered from `from` on, by time, those of the shadow left out; in a. */
static gm_rc row_times(gm_watcher *w, int64_t from_us, int64_t now_us, gm_arena *a, int64_t **out, int64_t *out_count,
                       gm_err *err)
{
    gm_table t;
    gm_rc rc = gm_predlog_read(w->log_dir, w->model, from_us, now_us, a, &t, err);
    const gm_column *time = rc ? NULL : gm_table_find(&t, "time"), *arm = rc ? NULL : gm_table_find(&t, "arm");
    int64_t *times = rc ? NULL : GM_ARENA_ARRAY(a, int64_t, t.rows), count = 0;
    if (!rc && !times) rc = no_memory(err);
    for (int64_t i = 0; !rc && i < t.rows; i++) {
        const char *text = arm && arm->type == GM_TYPE_STRING ? gm_column_text(arm, i) : NULL;
        if (!text || strcmp(text, "shadow") != 0) times[count++] = time->i64[i];
    }
    *out = times;
    *out_count = count;
    return rc;
}

/* Rows of one moment belong to one window. *rest_us: where the rows begin that do not fill a window yet. */
static gm_rc rows_windows(gm_watcher *w, int64_t from_us, int64_t now_us, due_list *l, int64_t *rest_us, gm_err *err)
{
    int64_t *times = NULL, count = 0, size = w->o.spec->monitor.window.rows;
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? row_times(w, from_us, now_us, a, &times, &count, err) : no_memory(err);
    int64_t begin = 0;
    while (!rc && begin + size <= count) {
        int64_t end = begin + size;
        while (end < count && times[end] == times[end - 1]) end++;
        rc = add_due(w, l, times[begin], times[end - 1] + 1, err);
        begin = end;
    }
    *rest_us = begin < count ? times[begin] : now_us;
    gm_arena_free(a);
    return rc;
}

static gm_rc since(const gm_watcher *w, int64_t now_us, int64_t *out_first, bool *out_any, gm_err *err)
{
    const gm_window_spec *s = &w->o.spec->monitor.window;
    int64_t first = 0, last = 0, since_us = w->o.since_us ? w->o.since_us : now_us - HORIZON_US;
    if (!s->rows && since_us < now_us - s->step_us * WINDOWS_MAX) since_us = now_us - s->step_us * WINDOWS_MAX;
    gm_rc rc = gm_predlog_extent(w->log_dir, &first, &last, err);
    *out_any = !rc && first > 0;
    *out_first = first > since_us ? first : since_us;
    return rc;
}

static gm_rc records(gm_watcher *w, int64_t first_us, gm_window_record **out, size_t *out_count, gm_err *err)
{
    const gm_window_spec *s = &w->o.spec->monitor.window;
    int64_t from = first_us - (s->rows ? HORIZON_US : s->length_us);
    return gm_window_list_brief(w->o.store, w->model, from > 0 ? from : 1, 0, WINDOWS_MAX * GM_WATCHED_VERSIONS_MAX, w->look, out,
                                out_count, err);
}

/* The first look goes back a week, or eight windows: nobody wants to be told what was wrong two months ago. Later ones begin
 * where it did. */
static int64_t first_of(const gm_watcher *w, const gm_window_record *r, size_t count, int64_t first_us, int64_t now_us)
{
    int64_t windows = 8 * w->o.spec->monitor.window.length_us;
    int64_t from = count ? r[0].from_us : now_us - (windows > FIRST_LOOK_US ? windows : FIRST_LOOK_US);
    return w->o.since_us || first_us > from ? first_us : from;
}

static gm_rc list_due(gm_watcher *w, int64_t now_us, due_list *l, gm_err *err)
{
    gm_window_record *r = NULL;
    size_t count = 0;
    int64_t first = 0, rest = 0;
    bool any = false;
    gm_rc rc = since(w, now_us, &first, &any, err);
    if (rc || !any) return rc;
    rc = records(w, first, &r, &count, err);
    if (!rc) rc = judged_windows(w, r, count, now_us, l, err);
    if (rc) return rc;
    first = first_of(w, r, count, first, now_us);
    if (!w->o.spec->monitor.window.rows)
        rc = time_windows(w, r, count, first, now_us, l, err);
    else
        rc = rows_windows(w, count && r[count - 1].until_us > first ? r[count - 1].until_us : first, now_us - SETTLE_US, l, &rest,
                          err);
    if (!rc && l->count) qsort(l->items, l->count, sizeof(*l->items), by_time);
    return rc;
}

/* ---- keeping ----------------------------------------------------------------------------------------------------------- */

static gm_rc as_text(const gm_window_result *r, gm_arena *a, const char **out, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_window_json(r, &j);
    *out = b.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return *out ? GM_OK : no_memory(err);
}

/* A window in which nobody answered is kept too, so that it is not looked for again. */
static gm_rc keep_empty(gm_watcher *w, const due *d, int64_t now_us, gm_err *err)
{
    const gm_window_record r = { .model = w->model,
                                 .from_us = d->from_us,
                                 .until_us = d->until_us,
                                 .final = true,
                                 .result_json = "{}",
                                 .updated_us = now_us };
    return gm_window_put(w->o.store, &r, err);
}

static gm_rc judge_one(gm_watcher *w, const due *d, int64_t now_us, gm_arena *a, gm_err *err)
{
    gm_judged *judged = NULL;
    size_t count = 0;
    int64_t began_us = gm_now_us(); /* the file system's clock: labels written from here on are newer */
    gm_rc rc = gm_watcher_judge(w, d->from_us, d->until_us, now_us, a, &judged, &count, err);
    if (rc) return rc;
    if (!count) return keep_empty(w, d, began_us, err);
    gm_window_record *r = GM_ARENA_ARRAY(a, gm_window_record, count);
    if (!r) return no_memory(err);
    for (size_t i = 0; !rc && i < count; i++) {
        const gm_window_result *result = &judged[i].result;
        r[i] = (gm_window_record){ .model = w->model,
                                   .version = judged[i].version,
                                   .from_us = d->from_us,
                                   .until_us = d->until_us,
                                   .rows = result->rows,
                                   .labelled = result->labelled,
                                   .final = gm_watcher_is_final(w, result, now_us),
                                   .updated_us = began_us };
        rc = as_text(result, a, &r[i].result_json, err);
    }
    if (!rc && !w->o.no_rules) rc = gm_watcher_rules(w, &judged[0], r[0].final, now_us, err);
    if (!rc && gm_fault("watch.keep")) rc = gm_err_set(err, GM_EIO, "could not keep a window");
    if (!rc) rc = gm_windows_put(w->o.store, r, count, err);
    if (!rc) w->out->windows += (int64_t)count;
    return rc;
}

gm_rc gm_watcher_tick(gm_watcher *w, int64_t now_us, gm_watcher_look *out, gm_err *err)
{
    due_list l = { 0 };
    gm_arena *a = gm_arena_new(0);
    gm_arena_rewind(w->look);
    *out = (gm_watcher_look){ 0 };
    w->out = out;
    gm_rc rc = a ? list_due(w, now_us, &l, err) : no_memory(err);
    for (size_t i = 0; !rc && i < l.count; i++) {
        rc = judge_one(w, &l.items[i], now_us, a, err);
        gm_arena_rewind(a);
    }
    gm_engine_close(w->engine);
    w->engine = NULL;
    w->out = NULL;
    gm_arena_free(a);
    return gm_err_ctx(err, rc, "watching %s", w->model);
}

/* ---- the window under way ---------------------------------------------------------------------------------------------- */

static gm_rc current_from(gm_watcher *w, int64_t now_us, int64_t *out, gm_err *err)
{
    const gm_window_spec *s = &w->o.spec->monitor.window;
    gm_window_record *r = NULL;
    size_t count = 0;
    due_list l = { 0 };
    int64_t first = 0;
    bool any = false;
    *out = s->rows ? now_us : (floor_div(now_us - s->length_us, s->step_us) + 1) * s->step_us; /* the one that ends next */
    if (!s->rows) return GM_OK;
    gm_rc rc = since(w, now_us, &first, &any, err);
    if (!rc && any) rc = records(w, first, &r, &count, err);
    first = first_of(w, r, count, first, now_us);
    if (!rc && any)
        rc = rows_windows(w, count && r[count - 1].until_us > first ? r[count - 1].until_us : first, now_us, &l, out, err);
    return rc;
}

gm_rc gm_watcher_show(gm_watcher *w, int64_t now_us, gm_arena *a, gm_window_result *out, int64_t *out_version, gm_err *err)
{
    gm_judged *judged = NULL;
    size_t count = 0;
    int64_t from = now_us;
    gm_arena_rewind(w->look);
    *out_version = 0;
    gm_rc rc = current_from(w, now_us, &from, err);
    if (!rc && from < now_us) rc = gm_watcher_judge(w, from, now_us, now_us, a, &judged, &count, err);
    gm_engine_close(w->engine);
    w->engine = NULL;
    if (!rc && count) {
        *out = judged[0].result;
        *out_version = judged[0].version;
    }
    return gm_err_ctx(err, rc, "watching %s", w->model);
}
