/* watcher_due.c - which windows are due. See watcher_internal.h. */
#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "base/clock.h"
#include "loop/watcher_internal.h"
#include "serve/predlog.h"

#define HORIZON_US (INT64_C(60) * 86400 * 1000000)
#define FIRST_LOOK_US (INT64_C(7) * 86400 * 1000000)
#define BEGUN_US (INT64_C(60) * 1000000) /* as much the log's extent may be early */
#define AGAIN_US (INT64_C(60) * 1000000) /* until a window that nobody could judge is tried again, at least */
enum {
    WINDOWS_MAX = 2000,   /* a look goes back so many at most */
    ROWS_WINDOWS_MAX = 64 /* windows of rows that are listed at once */
};

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to watch a model");
}

static gm_rc add_due(gm_watcher *w, gm_due_list *l, int64_t from_us, int64_t until_us, int64_t again_us, gm_err *err)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        gm_due *items = GM_ARENA_ARRAY(w->look, gm_due, capacity);
        if (!items) return no_memory(err);
        if (l->count) memcpy(items, l->items, l->count * sizeof(*items));
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->count++] = (gm_due){ from_us, until_us, again_us };
    return GM_OK;
}

/* New windows in order of time, as rules want them; then those that are judged again, the one first that waited longest, so that
 * labels that come all the time leave none behind. */
static int by_turn(const void *x, const void *y)
{
    const gm_due *a = x, *b = y;
    if (a->again_us != b->again_us) return a->again_us < b->again_us ? -1 : 1;
    if (a->until_us != b->until_us) return a->until_us < b->until_us ? -1 : 1;
    return (a->from_us > b->from_us) - (a->from_us < b->from_us);
}

static bool same_window(const gm_window_record *a, const gm_window_record *b)
{
    return a->from_us == b->from_us && a->until_us == b->until_us;
}

/* The first record of a window, or where it would be; records are ordered by from, until, version. */
static size_t find_window(const gm_window_record *r, size_t count, int64_t from_us, int64_t until_us)
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
    return low;
}

/* That nobody answered was true when it was written down; not when a clock ran ahead then, and the window was still to come. */
static bool was_over(const gm_window_record *r, int64_t now_us)
{
    return r->updated_us >= r->until_us && r->updated_us <= now_us;
}

static bool is_done(const gm_window_record *r, size_t count, int64_t from_us, int64_t until_us, int64_t now_us)
{
    size_t i = find_window(r, count, from_us, until_us);
    for (; i < count && r[i].from_us == from_us && r[i].until_us == until_us; i++)
        if (r[i].version || !r[i].final || was_over(&r[i], now_us)) return true; /* not final: see is_again */
    return false;
}

/* Judged windows that await labels: when the labels' source is newer than the judgement, or it is their last; and windows that
 * nobody could judge, after a minute, two, four ... */
static bool is_again(const gm_watcher *w, const gm_window_record *r, const gm_labels_look *look, int64_t now_us)
{
    const gm_window_result waiting = { .until_us = r->until_us, .rows = r->rows, .labelled = r->labelled };
    if (r->final || r->until_us > now_us - GM_WATCH_SETTLE_US) return false;
    if (r->version) return look->changed_us > r->updated_us || gm_watcher_is_final(w, &waiting, now_us);
    int64_t wait = r->updated_us - r->until_us > AGAIN_US ? r->updated_us - r->until_us : AGAIN_US;
    return r->updated_us > now_us || now_us - r->updated_us >= wait;
}

static gm_rc judged_windows(gm_watcher *w, const gm_window_record *r, size_t count, int64_t now_us, gm_due_list *l, gm_err *err)
{
    gm_rc rc = GM_OK;
    gm_labels_look look = gm_labels_look_at(&w->labels_from);
    for (size_t i = 0; !rc && i < count; i++) {
        const gm_due *last = l->count ? &l->items[l->count - 1] : NULL;
        if (!r[i].version && i + 1 < count && same_window(&r[i], &r[i + 1])) continue; /* it was judged since */
        if (last && last->from_us == r[i].from_us && last->until_us == r[i].until_us) continue;
        if (is_again(w, &r[i], &look, now_us))
            rc = add_due(w, l, r[i].from_us, r[i].until_us, r[i].updated_us > 0 ? r[i].updated_us : 1, err);
    }
    return rc;
}

static gm_rc time_windows(gm_watcher *w, const gm_window_record *r, size_t count, int64_t first_us, int64_t now_us,
                          gm_due_list *l, gm_err *err)
{
    const gm_window_spec *s = &w->o.spec->monitor.window;
    int64_t last = gm_floor_div(now_us - GM_WATCH_SETTLE_US - s->length_us, s->step_us);
    int64_t k = gm_floor_div(first_us - s->length_us, s->step_us) + 1; /* the first that ends behind first_us */
    gm_rc rc = GM_OK;
    for (; !rc && k <= last; k++)
        if (!is_done(r, count, k * s->step_us, k * s->step_us + s->length_us, now_us))
            rc = add_due(w, l, k * s->step_us, k * s->step_us + s->length_us, 0, err);
    return rc;
}

/* Rows of one moment belong to one window. *rest_us: where the rows begin that do not fill a window yet. */
static gm_rc rows_windows(gm_watcher *w, int64_t from_us, int64_t now_us, gm_due_list *l, int64_t *rest_us, gm_err *err)
{
    int64_t *times = NULL, count = 0, size = w->o.spec->monitor.window.rows;
    int64_t limit = size < INT64_MAX / ROWS_WINDOWS_MAX ? size * ROWS_WINDOWS_MAX : INT64_MAX;
    gm_arena *a = gm_arena_new(0);
    gm_rc rc =
        a ? gm_predlog_times(w->log_dir, w->model, from_us, now_us, limit, a, &times, &count, &l->more, err) : no_memory(err);
    int64_t begin = 0;
    while (!rc && begin + size <= count) {
        int64_t end = begin + size;
        while (end < count && times[end] == times[end - 1]) end++;
        if (end == count && l->more) break; /* the file that comes next may have rows of the same moment */
        rc = add_due(w, l, times[begin], times[end - 1] + 1, 0, err);
        begin = end;
    }
    *rest_us = begin < count && !l->more ? times[begin] : now_us;
    gm_arena_free(a);
    return rc;
}

/* The log is read for windows of rows when it changed, or what was too new has settled, and for a tenth of the time at most. */
static gm_rc is_log_quiet(gm_watcher *w, bool *out, gm_err *err)
{
    uint64_t stamp = 0;
    int64_t mono_us = gm_monotonic_us();
    *out = mono_us < w->rows_next_us;
    gm_rc rc = *out ? GM_OK : gm_predlog_stamp(w->log_dir, &stamp, err);
    if (rc || *out) return rc;
    if (stamp != w->rows_stamp || !w->rows_changed_us) {
        w->rows_stamp = stamp;
        w->rows_changed_us = mono_us;
    }
    *out = w->rows_read_us > w->rows_changed_us + GM_WATCH_SETTLE_US + AGAIN_US / 60;
    return GM_OK;
}

static gm_rc new_rows_windows(gm_watcher *w, int64_t from_us, int64_t now_us, gm_due_list *l, gm_err *err)
{
    bool quiet = false;
    int64_t rest = 0, began_us = gm_monotonic_us();
    size_t before = l->count;
    gm_rc rc = is_log_quiet(w, &quiet, err);
    if (rc || quiet) return rc;
    rc = rows_windows(w, from_us, now_us, l, &rest, err);
    bool nothing = !rc && l->count == before && !l->more;
    w->rows_read_us = nothing ? began_us : 0;
    w->rows_next_us = nothing ? gm_monotonic_us() + 10 * (gm_monotonic_us() - began_us) : 0;
    return rc;
}

/* Where the windows end that were judged; not those of a clock that ran ahead. */
static int64_t judged_until(const gm_window_record *r, size_t count, int64_t first_us, int64_t now_us)
{
    int64_t until = first_us;
    for (size_t i = 0; i < count; i++)
        if (r[i].until_us > until && r[i].until_us <= now_us) until = r[i].until_us;
    return until;
}

static gm_rc since(gm_watcher *w, int64_t now_us, int64_t *out_first, bool *out_any, gm_err *err)
{
    const gm_window_spec *s = &w->o.spec->monitor.window;
    int64_t first = 0, last = 0, since_us = w->o.since_us ? w->o.since_us : now_us - HORIZON_US;
    if (!s->rows && since_us < now_us - s->step_us * WINDOWS_MAX) since_us = now_us - s->step_us * WINDOWS_MAX;
    gm_rc rc = gm_predlog_extent(w->log_dir, &first, &last, err);
    *out_any = !rc && first > 0;
    w->log_first_us = first + BEGUN_US;
    *out_first = first > since_us ? first : since_us;
    return rc;
}

static gm_rc records(gm_watcher *w, int64_t first_us, gm_err *err)
{
    const gm_window_spec *s = &w->o.spec->monitor.window;
    int64_t from = first_us - (s->rows ? HORIZON_US : s->length_us);
    w->records = NULL;
    w->records_count = 0;
    return gm_window_list_brief(w->o.store, w->model, from > 0 ? from : 1, 0, WINDOWS_MAX * GM_WATCHED_VERSIONS_MAX, w->look,
                                &w->records, &w->records_count, err);
}

/* The first look goes back a week, or eight windows: nobody wants to be told what was wrong two months ago. Later ones begin
 * where it did. */
static int64_t first_of(const gm_watcher *w, const gm_window_record *r, size_t count, int64_t first_us, int64_t now_us)
{
    int64_t windows = 8 * w->o.spec->monitor.window.length_us;
    int64_t from = count ? r[0].from_us : now_us - (windows > FIRST_LOOK_US ? windows : FIRST_LOOK_US);
    return w->o.since_us || first_us > from ? first_us : from;
}

gm_rc gm_watcher_due(gm_watcher *w, int64_t now_us, gm_due_list *l, gm_err *err)
{
    int64_t first = 0;
    bool any = false;
    *l = (gm_due_list){ 0 };
    w->records_count = 0;
    gm_rc rc = since(w, now_us, &first, &any, err);
    if (rc || !any) return rc;
    rc = records(w, first, err);
    if (!rc) rc = judged_windows(w, w->records, w->records_count, now_us, l, err);
    if (rc) return rc;
    first = first_of(w, w->records, w->records_count, first, now_us);
    if (!w->o.spec->monitor.window.rows)
        rc = time_windows(w, w->records, w->records_count, first, now_us, l, err);
    else
        rc = new_rows_windows(w, judged_until(w->records, w->records_count, first, now_us), now_us - GM_WATCH_SETTLE_US, l, err);
    if (!rc && l->count) qsort(l->items, l->count, sizeof(*l->items), by_turn);
    return rc;
}

gm_rc gm_watcher_records(gm_watcher *w, int64_t now_us, gm_err *err)
{
    int64_t first = 0;
    bool any = false;
    w->records_count = 0;
    gm_rc rc = since(w, now_us, &first, &any, err);
    return rc || !any ? rc : records(w, first, err);
}

gm_rc gm_watcher_under_way(gm_watcher *w, int64_t now_us, int64_t *out, gm_err *err)
{
    const gm_window_spec *s = &w->o.spec->monitor.window;
    gm_due_list l = { 0 };
    int64_t first = 0;
    bool any = false;
    *out = s->rows ? now_us : (gm_floor_div(now_us - s->length_us, s->step_us) + 1) * s->step_us; /* the one that ends next */
    if (!s->rows) return GM_OK;
    gm_rc rc = since(w, now_us, &first, &any, err);
    if (!rc && any) rc = records(w, first, err);
    if (rc || !any) return rc;
    first = first_of(w, w->records, w->records_count, first, now_us);
    return rows_windows(w, judged_until(w->records, w->records_count, first, now_us), now_us, &l, out, err);
}
