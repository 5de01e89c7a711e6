/* trigger_look.c - see trigger_look.h; data, and whether there is a model at all, are looked at in trigger_data.c. */
#include "loop/trigger_look.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/column.h"
#include "store/windows.h"
#include "watch/monitor.h"

enum { WINDOWS_LOOKED_AT = 180, SCHEDULE_STEPS_MAX = 2000000 };
static const int64_t missed_max_us = (int64_t)800 * 86400 * 1000000; /* no schedule is rarer than a year */

bool gm_trigger_wanted(const gm_spec *spec, gm_trigger_kind kind)
{
    for (size_t i = 0; i < spec->retrain.triggers_count; i++)
        if (spec->retrain.triggers[i].kind == kind) return true;
    return false;
}

static gm_rc ask(const gm_trigger_look *look, gm_trigger_kind kind, const char *begin, const char *cause, const char *reason,
                 gm_err *err)
{
    bool is_new = false;
    gm_trigger_record t = {
        .pipeline = look->spec->pipeline, .kind = gm_trigger_kind_name(kind), .cause = cause, .reason = reason
    };
    t.asked_us = look->now_us;
    if (!cause || !reason) return gm_err_set(err, GM_ENOMEM, "not enough memory to ask for a retraining");
    gm_rc rc = begin ? gm_trigger_ask_instead(look->store, &t, begin, &t.id, &is_new, err)
                     : gm_trigger_ask(look->store, &t, &t.id, &is_new, err);
    if (!rc && is_new && look->asked) look->asked(look->ctx, &t);
    return rc;
}

gm_rc gm_trigger_wish(const gm_trigger_look *look, gm_trigger_kind kind, const char *cause, const char *reason, gm_err *err)
{
    return ask(look, kind, NULL, cause, reason, err);
}

gm_rc gm_trigger_wish_newest(const gm_trigger_look *look, gm_trigger_kind kind, const char *begin, const char *state,
                             const char *reason, gm_arena *a, gm_err *err)
{
    const char *start = begin ? gm_arena_printf(a, "%s ", begin) : NULL;
    const char *cause = start && state ? gm_arena_printf(a, "%s%s", start, state) : NULL;
    return ask(look, kind, start, cause, reason, err);
}

const char *gm_trigger_cause(gm_trigger_kind kind, int64_t now_us, gm_arena *a)
{
    char when[48];
    uint64_t random = 0;
    while (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
    }
    return gm_arena_printf(a, "%s %s %016" PRIx64, gm_trigger_kind_name(kind), gm_time_text(now_us, when, sizeof(when)), random);
}

/* Work with an arena of its own, since looks are repeated for as long as the program runs. */
static gm_rc with_arena(const gm_trigger_look *look, gm_rc (*work)(const gm_trigger_look *look, gm_arena *a, gm_err *err),
                        gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_rc rc = a ? work(look, a, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to look for reasons to retrain");
    gm_arena_free(a);
    return rc;
}

/* ---- schedules ------------------------------------------------------------------------------------------------------- */

/* Since when nothing was due that a run has not done: the newest run's begin, or when the program began to look. */
static gm_rc nothing_due_before(const gm_trigger_look *look, gm_arena *a, int64_t *out, gm_err *err)
{
    gm_run_record *runs = NULL;
    size_t count = 0;
    gm_rc rc = gm_run_list_of(look->store, look->spec->pipeline, 1, a, &runs, &count, err);
    if (rc) return rc;
    *out = count ? runs[0].started_us : look->since_us;
    if (*out < look->now_us - missed_max_us) *out = look->now_us - missed_max_us;
    return GM_OK;
}

/* Of all times in the file that came, the newest asks: the others are its work too. */
static gm_rc schedules(const gm_trigger_look *look, gm_arena *a, gm_err *err)
{
    int64_t since = 0, newest = 0;
    const char *text = "";
    char when[48];
    gm_rc rc = nothing_due_before(look, a, &since, err);
    for (size_t i = 0; !rc && i < look->spec->retrain.triggers_count; i++) {
        const gm_trigger_spec *t = &look->spec->retrain.triggers[i];
        int64_t due = 0;
        if (t->kind != GM_TRIGGER_SCHEDULE) continue;
        int64_t at = gm_schedule_next(&t->schedule, since);
        for (int n = 0; at <= look->now_us && n < SCHEDULE_STEPS_MAX; n++, at = gm_schedule_next(&t->schedule, at)) due = at;
        if (due > newest) {
            newest = due;
            text = t->text;
        }
    }
    if (rc || !newest) return rc;
    return gm_trigger_wish_newest(look, GM_TRIGGER_SCHEDULE, "schedule",
                                  gm_arena_printf(a, "%s %s", gm_time_text(newest, when, sizeof(when)), text),
                                  gm_arena_printf(a, "%s: it was due at %s", text, when), a, err);
}

gm_rc gm_trigger_look_schedule(const gm_trigger_look *look, gm_err *err)
{
    return gm_trigger_wanted(look->spec, GM_TRIGGER_SCHEDULE) ? with_arena(look, schedules, err) : GM_OK;
}

/* ---- windows ---------------------------------------------------------------------------------------------------------- */

/* A judged window, and whether its labels are as complete as they get in the time that the file gives them. */
typedef struct seen_window {
    gm_window_result r;
    bool labels_are_in;
} seen_window;

/* The judged windows of a version, oldest first. */
static gm_rc judged_windows(const gm_trigger_look *look, int64_t version, gm_arena *a, seen_window **out, size_t *out_count,
                            gm_err *err)
{
    gm_window_record *records = NULL;
    size_t count = 0, n = 0;
    gm_rc rc = gm_window_list(look->store, look->spec->pipeline, 0, 0, WINDOWS_LOOKED_AT, a, &records, &count, err);
    seen_window *results = GM_ARENA_ARRAY(a, seen_window, count + 1);
    if (!rc && !results) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to read the windows");
    for (size_t i = 0; !rc && i < count; i++) {
        gm_node *root = NULL;
        if (records[i].version != version) continue;
        rc = gm_json_read(records[i].result_json, strlen(records[i].result_json), "window", a, &root, err);
        if (!rc) rc = gm_window_read(root, a, &results[n].r, err);
        results[n].labels_are_in = records[i].final || look->now_us >= records[i].until_us + look->spec->monitor.labels.delay_us;
        if (!rc && results[n].r.judged) n++;
    }
    *out = results;
    *out_count = n;
    return rc;
}

/* What a trigger may ask about, newest first: a condition over labels is not asked before they are in. In a. */
static gm_rc askable(const gm_trigger_spec *t, const seen_window *w, size_t count, gm_arena *a, const gm_window_result ***out,
                     size_t *out_count, gm_err *err)
{
    const gm_window_result **list = GM_ARENA_ARRAY(a, const gm_window_result *, count);
    *out_count = 0;
    if (!list) return gm_err_set(err, GM_ENOMEM, "not enough memory to read the windows");
    for (size_t i = count; i-- > 0;)
        if (!gm_trigger_waits(t) || w[i].labels_are_in) list[(*out_count)++] = &w[i].r;
    *out = list;
    return GM_OK;
}

/* What stands in the reason beside the condition: numbers of the window. */
static const char *numbers(const gm_trigger_spec *t, const gm_window_result *r, gm_arena *a)
{
    if (t->kind == GM_TRIGGER_DECAY && !isnan(r->decay))
        return gm_arena_printf(a, ": %s %.4f, %.4f worse than the reference", r->metric, r->realised.value, r->decay);
    if (t->kind == GM_TRIGGER_DECAY && !isnan(r->decay_estimated))
        return gm_arena_printf(a, ": %s %.4f as estimated, %.4f worse than the reference", r->metric, r->estimated.value,
                               r->decay_estimated);
    const char *cause = gm_likely_cause(r, 1, a);
    if (cause && cause[0]) return gm_arena_printf(a, ": %s", cause);
    return gm_arena_printf(a, ": %" PRId64 " columns drifted", r->drifted_columns);
}

static gm_rc ask_window(const gm_trigger_look *look, const gm_trigger_spec *t, const gm_window_result *r, int64_t version,
                        gm_arena *a, gm_err *err)
{
    char from[48], until[48];
    (void)gm_time_text(r->from_us, from, sizeof(from));
    (void)gm_time_text(r->until_us, until, sizeof(until));
    const char *cause = gm_arena_printf(a, "%s %s..%s of version %" PRId64, t->text, from, until, version);
    return gm_trigger_wish(look, t->kind, cause, gm_arena_printf(a, "%s in %s..%s%s", t->text, from, until, numbers(t, r, a)),
                           err);
}

static gm_rc windows(const gm_trigger_look *look, gm_arena *a, gm_err *err)
{
    gm_model_version champion;
    seen_window *w = NULL;
    size_t count = 0;
    gm_rc rc = gm_model_resolve(look->store, gm_arena_printf(a, "%s@champion", look->spec->pipeline), a, &champion, err);
    if (rc == GM_ENOTFOUND) return GM_OK; /* nobody answers: nothing drifted */
    if (!rc) rc = judged_windows(look, champion.version, a, &w, &count, err);
    for (size_t i = 0; !rc && i < look->spec->retrain.triggers_count; i++) {
        const gm_trigger_spec *t = &look->spec->retrain.triggers[i];
        if (t->kind != GM_TRIGGER_DRIFT && t->kind != GM_TRIGGER_DECAY) continue;
        const gm_window_result **list = NULL;
        size_t askable_count = 0;
        rc = askable(t, w, count, a, &list, &askable_count, err);
        for (size_t k = askable_count; !rc && k-- > 0;) { /* each once, in order of time */
            bool pulled = false;
            rc = gm_trigger_pulled(t, list + k, askable_count - k, &pulled, err);
            if (!rc && pulled) rc = ask_window(look, t, list[k], champion.version, a, err);
        }
    }
    return rc;
}

gm_rc gm_trigger_look_windows(const gm_trigger_look *look, gm_err *err)
{
    bool wanted = gm_trigger_wanted(look->spec, GM_TRIGGER_DRIFT) || gm_trigger_wanted(look->spec, GM_TRIGGER_DECAY);
    return wanted ? with_arena(look, windows, err) : GM_OK;
}
