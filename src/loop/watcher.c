/* watcher.c - a look: what is due, judged, told and kept. See watcher.h. */
#include "loop/watcher.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "loop/watcher_internal.h"

#define JUMP_US (INT64_C(30) * 1000000)
#define BELIEVED_US (INT64_C(60) * 1000000)
/* A window that nobody could judge is not tried for ever. */
#define GIVE_UP_US (INT64_C(30) * 86400 * 1000000)

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
    w->window = gm_arena_new(0);
    if (w->a && w->look && w->window) {
        w->model = o->spec->pipeline;
        w->labels_from = gm_labels_source(o->spec);
        w->log_dir = o->log_dir ? gm_arena_strdup(w->a, o->log_dir) : gm_path_join(w->a, gm_store_root(o->store), "predictions");
        w->o.scratch = gm_arena_strdup(w->a, o->scratch);
    }
    gm_rc rc = w->log_dir && w->o.scratch ? gm_fs_remove_tree(w->o.scratch, err) : no_memory(err); /* of one that was killed */
    if (!rc) rc = gm_fs_mkdirs(w->o.scratch, err);
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
    gm_arena_free(w->window);
    if (w->o.scratch && w->a) (void)gm_fs_remove_tree(w->o.scratch, &ignored); /* scratch */
    gm_arena_free(w->a);
    free(w);
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

/* A window in which nobody answered is kept too, so that it is not looked for again; one that nobody could judge, so that it is.
 */
static gm_rc keep_nothing(gm_watcher *w, const gm_due *d, bool final, int64_t now_us, gm_err *err)
{
    const gm_window_record r = { .model = w->model,
                                 .from_us = d->from_us,
                                 .until_us = d->until_us,
                                 .final = final,
                                 .result_json = "{}",
                                 .updated_us = now_us };
    return gm_window_put(w->o.store, &r, err);
}

static gm_rc judge_one(gm_watcher *w, const gm_due *d, int64_t now_us, gm_arena *a, gm_err *err)
{
    gm_judged *judged = NULL;
    size_t count = 0;
    bool answered = false;
    gm_arena_rewind(w->window);
    int64_t began_us = gm_now_us(); /* the file system's clock: labels written from here on are newer */
    gm_rc rc = gm_watcher_judge(w, d->from_us, d->until_us, now_us, a, &judged, &count, &answered, err);
    if (rc) return rc;
    if (!count && answered) return keep_nothing(w, d, now_us >= d->until_us + GIVE_UP_US, now_us, err);
    if (!count) {
        if (!w->o.no_rules) rc = gm_watcher_rules_empty(w, d, now_us, err);
        return rc ? rc : keep_nothing(w, d, true, now_us, err);
    }
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
    if (!rc && !w->o.no_rules) rc = gm_watcher_rules(w, &judged[0], now_us, err);
    if (!rc && gm_fault("watch.keep")) rc = gm_err_set(err, GM_EIO, "could not keep a window");
    if (!rc) rc = gm_windows_put(w->o.store, r, count, err);
    if (!rc) w->out->windows += (int64_t)count;
    return rc;
}

bool gm_watcher_stops(const gm_watcher *w)
{
    return w->o.stop && atomic_load(w->o.stop);
}

/* Those that are listed, as far as time allows. */
static gm_rc judge_due(gm_watcher *w, const gm_due_list *l, int64_t began_us, int64_t now_us, gm_arena *a, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < l->count; i++) {
        bool late = w->o.budget_ms && i && gm_monotonic_us() - began_us > w->o.budget_ms * 1000;
        w->out->more = late || gm_watcher_stops(w);
        if (w->out->more) return GM_OK;
        rc = judge_one(w, &l->items[i], now_us, a, err);
        gm_arena_rewind(a);
    }
    w->out->more = l->more && l->count;
    return rc;
}

/* A clock that jumps ahead may come back: for a minute windows go by what it would say without the jump. */
static int64_t steady_clock(gm_watcher *w, int64_t now_us)
{
    int64_t mono_us = gm_monotonic_us(), ahead_us = now_us - mono_us;
    bool jumped = w->clock_ahead_us && ahead_us - w->clock_ahead_us > JUMP_US;
    if (jumped && !w->jumped_us) w->jumped_us = mono_us;
    if (!jumped || mono_us - w->jumped_us > BELIEVED_US) {
        w->clock_ahead_us = ahead_us;
        w->jumped_us = 0;
    }
    return mono_us + w->clock_ahead_us;
}

gm_rc gm_watcher_tick(gm_watcher *w, int64_t now_us, gm_watcher_look *out, gm_err *err)
{
    gm_due_list l = { 0 };
    int64_t began_us = gm_monotonic_us();
    gm_arena *a = gm_arena_new(0);
    gm_arena_rewind(w->look);
    *out = (gm_watcher_look){ 0 };
    w->out = out;
    now_us = steady_clock(w, now_us);
    gm_rc rc = a ? GM_OK : no_memory(err);
    do {
        if (!rc) rc = gm_watcher_due(w, now_us, &l, err);
        if (!rc) rc = judge_due(w, &l, began_us, now_us, a, err);
    } while (!rc && l.more && l.count && !w->o.budget_ms && !gm_watcher_stops(w));
    if (!rc && !w->o.no_rules && !gm_watcher_stops(w)) {
        if (out->windows) rc = gm_watcher_records(w, now_us, err);
        if (!rc) rc = gm_watcher_rules_labels(w, now_us, err);
    }
    if (rc == GM_ECANCELED && gm_watcher_stops(w)) rc = GM_OK; /* the next look begins with it */
    gm_engine_close(w->engine);
    w->engine = NULL;
    w->out = NULL;
    gm_arena_free(a);
    return gm_err_ctx(err, rc, "watching %s", w->model);
}

/* ---- the window under way ---------------------------------------------------------------------------------------------- */

gm_rc gm_watcher_show(gm_watcher *w, int64_t now_us, gm_arena *a, gm_window_result *out, int64_t *out_version, gm_err *err)
{
    gm_judged *judged = NULL;
    size_t count = 0;
    bool answered = false;
    int64_t from = now_us;
    gm_arena_rewind(w->look);
    *out_version = 0;
    gm_rc rc = gm_watcher_under_way(w, now_us, &from, err);
    if (!rc && from < now_us) rc = gm_watcher_judge(w, from, now_us, now_us, a, &judged, &count, &answered, err);
    gm_engine_close(w->engine);
    w->engine = NULL;
    if (!rc && count) {
        *out = judged[0].result;
        *out_version = judged[0].version;
    }
    return gm_err_ctx(err, rc, "watching %s", w->model);
}
