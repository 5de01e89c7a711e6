/* watcher_judge.c - one window of the log: the versions that answered in it, each against its own reference. See watcher.h. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "loop/watcher_internal.h"

#define DAY_US (INT64_C(86400) * 1000000)

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to watch a model");
}

void gm_watcher_note(gm_watcher *w, const char *fmt, ...)
{
    va_list args;
    if (!w->out) return;
    va_start(args, fmt);
    const char *line = gm_arena_vprintf(w->look, fmt, args);
    va_end(args);
    for (size_t i = 0; line && i < w->out->notes_count; i++)
        if (strcmp(w->out->notes[i], line) == 0) return;
    if (line && w->out->notes_count < GM_WATCH_NOTES_MAX) w->out->notes[w->out->notes_count++] = line;
}

static gm_rc open_engine(gm_watcher *w, gm_err *err)
{
    return w->engine ? GM_OK : gm_engine_open(&(gm_engine_options){ .threads = 1 }, &w->engine, err);
}

/* ---- versions ---------------------------------------------------------------------------------------------------------- */

void gm_watched_close(gm_watched *v)
{
    gm_monitor_free(v->monitor);
    gm_err ignored;
    if (v->dir) (void)gm_fs_remove_tree(v->dir, &ignored); /* scratch */
    gm_arena_free(v->a);
    *v = (gm_watched){ 0 };
}

/* What would be the same however often it is tried. */
static bool is_lasting(gm_rc rc)
{
    return rc == GM_ECORRUPT || rc == GM_EUNSUPPORTED;
}

/* A version whose package is damaged, or of another program's making, cannot be judged; the others can. GM_ENOTFOUND: its package
 * is not there now. */
static gm_rc open_version(gm_watcher *w, gm_watched *v, gm_err *err)
{
    gm_err why = { 0 };
    gm_model_version registered;
    const gm_data_spec *data = w->o.spec->primary;
    const char *ref = gm_arena_printf(v->a, "%s/%" PRId64, w->model, v->version);
    v->dir = gm_arena_printf(v->a, "%s/%" PRId64, w->o.scratch, w->laid_out++);
    if (!ref || !v->dir) return no_memory(err);
    gm_rc rc = gm_model_resolve(w->o.store, ref, v->a, &registered, &why);
    if (!rc) rc = open_engine(w, &why);
    if (!rc) rc = gm_reference_open(w->o.store, &registered, v->dir, w->engine, v->a, &v->reference, &why);
    if (is_lasting(rc)) {
        v->gone = gm_arena_strdup(v->a, why.message);
        return v->gone ? GM_OK : no_memory(err);
    }
    if (rc) *err = why;
    if (!rc)
        rc = gm_monitor_new(&w->o.spec->monitor, &v->reference.monitor, data ? data->check_specs : NULL,
                            data ? data->checks_count : 0, &v->monitor, err);
    return rc;
}

static gm_rc find_version(gm_watcher *w, int64_t version, gm_watched **out, gm_err *err)
{
    for (size_t i = 0; i < w->versions_count; i++)
        if (w->versions[i].version == version) {
            *out = &w->versions[i];
            return GM_OK;
        }
    if (w->versions_count == GM_WATCHED_VERSIONS_MAX) { /* the one that came first goes */
        gm_watched_close(&w->versions[0]);
        memmove(w->versions, w->versions + 1, (--w->versions_count) * sizeof(w->versions[0]));
    }
    gm_watched *v = &w->versions[w->versions_count];
    *v = (gm_watched){ .version = version, .a = gm_arena_new(0) };
    gm_rc rc = v->a ? open_version(w, v, err) : no_memory(err);
    if (rc) {
        gm_watched_close(v);
        return rc;
    }
    w->versions_count++;
    *out = v;
    return GM_OK;
}

/* ---- labels ------------------------------------------------------------------------------------------------------------ */

static bool same_classes(const gm_reference *a, const gm_labels_from *f)
{
    if (a->scorer.task != f->task || (size_t)a->scorer.classes_count != f->classes_count) return false;
    for (size_t i = 0; i < f->classes_count; i++)
        if (strcmp(a->scorer.classes[i], f->classes[i]) != 0) return false;
    return true;
}

/* Labels in the classes of this version, read again when their source changed. */
static gm_rc fresh_labels(gm_watcher *w, const gm_watched *v, gm_err *err)
{
    gm_labels_look look = gm_labels_look_at(&w->labels_from);
    const gm_scorer *s = &v->reference.scorer;
    if (w->labels_arena && look.stamp == w->labels_look.stamp && w->labels_version == v->version) return GM_OK;
    gm_arena_free(w->labels_arena);
    w->labels = NULL;
    w->no_labels = NULL;
    w->labels_arena = gm_arena_new(0);
    if (!w->labels_arena) return no_memory(err);
    w->labels_look = look;
    w->labels_version = v->version;
    w->labels_from.task = s->task;
    w->labels_from.classes = s->classes;
    w->labels_from.classes_count = (size_t)s->classes_count;
    if (!w->labels_from.target)
        w->no_labels = "the file has no target";
    else if (!w->labels_from.key.count)
        w->no_labels = "there is no key to join them by: add `key:` to the data set, or `labels: { key: ... }`";
    else if (!look.stamp)
        w->no_labels = "their source is not there yet";
    if (w->no_labels) return GM_OK;
    gm_err why = { 0 };
    gm_rc rc = open_engine(w, err);
    if (rc) return rc;
    rc = gm_labels_read(w->engine, &w->labels_from, w->o.scratch, w->labels_arena, &w->labels, &why);
    if (rc == GM_ENOMEM || rc == GM_ECANCELED) {
        *err = why;
        return rc;
    }
    if (rc) { /* half written, or not what the file says: columns are judged all the same, and labels when their source changes */
        w->labels = NULL;
        const char *place = why.file[0] ? gm_arena_printf(w->labels_arena, "%s:%u: ", why.file, why.line) : "";
        w->no_labels =
            gm_arena_printf(w->labels_arena, "%s%s%s%s", place ? place : "", why.message, why.hint[0] ? ". " : "", why.hint);
        if (!w->no_labels) return no_memory(err);
    }
    return GM_OK;
}

bool gm_watcher_is_final(const gm_watcher *w, const gm_window_result *r, int64_t now_us)
{
    int64_t delay = w->o.spec->monitor.labels.delay_us;
    bool never = !w->labels_from.key.count || !w->labels_from.target;
    return never || r->labelled >= r->rows || now_us >= r->until_us + (delay ? delay + 7 * DAY_US : 30 * DAY_US);
}

/* ---- a window ---------------------------------------------------------------------------------------------------------- */

static gm_rc judge_version(gm_watcher *w, const gm_served_log *log, gm_watched *v, int64_t now_us, gm_arena *a, gm_judged *out,
                           gm_err *err)
{
    const char *why = NULL;
    gm_window_rows rows;
    bool labels = w->labels && same_classes(&v->reference, &w->labels_from);
    gm_collect_options o = { .labels = labels ? w->labels : NULL,
                             .key = w->labels_from.key,
                             .delay_us = w->o.spec->monitor.labels.delay_us,
                             .now_us = now_us,
                             .log_dir = w->log_dir };
    out->version = v->version;
    gm_rc rc = gm_collect_window(log, &v->reference, &o, a, &rows, &why, err);
    if (!rc) rc = gm_monitor_window(v->monitor, &rows, a, &out->result, err);
    if (rc) return rc;
    if (v->reference.note) gm_watcher_note(w, "%s/%" PRId64 ": %s", w->model, v->version, v->reference.note);
    if (w->no_labels) why = w->no_labels;
    if (why && why[0] && rows.rows) gm_watcher_note(w, "no labels: %s", why);
    return GM_OK;
}

gm_rc gm_watcher_judge(gm_watcher *w, int64_t from_us, int64_t until_us, int64_t now_us, gm_arena *a, gm_judged **out,
                       size_t *out_count, bool *out_answered, gm_err *err)
{
    gm_served_log log;
    size_t count = 0;
    gm_rc rc = gm_served_log_read(w->log_dir, w->model, from_us, until_us, w->o.rows_max, a, &log, err);
    gm_judged *judged = rc ? NULL : GM_ARENA_ARRAY(a, gm_judged, log.versions_count);
    if (!rc && !judged) rc = no_memory(err);
    for (size_t i = 0; !rc && i < log.versions_count; i++) {
        gm_watched *v = NULL;
        if (log.versions[i].version <= 0) continue;
        gm_err why = { 0 };
        rc = gm_watcher_stops(w) ? gm_err_set(&why, GM_ECANCELED, "told to stop")
                                 : find_version(w, log.versions[i].version, &v, &why);
        if (rc == GM_ENOTFOUND || (!rc && v->gone)) {
            gm_watcher_note(w, "%s/%" PRId64 " is not judged: %s", w->model, log.versions[i].version, rc ? why.message : v->gone);
            rc = GM_OK;
            continue;
        }
        if (rc) *err = why;
        if (!rc && count == 0) rc = fresh_labels(w, v, err);
        if (!rc) rc = judge_version(w, &log, v, now_us, a, &judged[count], err);
        if (rc) return rc;
        judged[count].result.beside = count > 0;
        count++;
    }
    if (rc) return rc;
    *out_answered = log.versions_count > 0;
    *out = judged;
    *out_count = count;
    return GM_OK;
}

gm_rc gm_watcher_shapes(gm_watcher *w, int64_t version, int64_t from_us, int64_t until_us, gm_arena *a, gm_page_shape **out,
                        size_t *out_count, gm_err *err)
{
    gm_served_log log;
    gm_watched *v = NULL;
    gm_window_rows rows;
    gm_profile *profile = NULL;
    const char *why = NULL;
    gm_rc rc = gm_served_log_read(w->log_dir, w->model, from_us, until_us, w->o.rows_max, a, &log, err);
    if (!rc) rc = find_version(w, version, &v, err);
    *out_count = 0;
    if (rc == GM_ENOTFOUND) return GM_OK; /* its package is gone: nothing to draw beside */
    if (!rc && !v->gone)
        rc = gm_collect_window(&log, &v->reference, &(gm_collect_options){ .recompute_rows = -1 }, a, &rows, &why, err);
    if (!rc && !v->gone && rows.rows) rc = gm_profile_of(rows.table, a, &profile, err);
    if (profile)
        rc = gm_page_shapes(v->reference.monitor.profile, profile, v->reference.monitor.columns,
                            v->reference.monitor.columns_count, a, out, out_count, err);
    gm_engine_close(w->engine);
    w->engine = NULL;
    return rc;
}
