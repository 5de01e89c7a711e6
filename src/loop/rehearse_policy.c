/* rehearse_policy.c - one policy from the first training to the end: serve a step, judge what can be judged, decide.
 *
 * At the end of each step, in this order: the newest window is judged with the labels known by then; windows whose last label has
 * become known are judged once more; then the triggers are asked, each of the windows that the present champion answered. A
 * training takes no time: what passes its gates answers from the next row on.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "loop/rehearse_internal.h"

static const int64_t day_us = 86400000000, week_us = 7 * day_us;

typedef struct replay {
    gm_rehearsing *r;
    gm_rehearsal_policy *out;
    const gm_trigger_spec *triggers; /* [count] */
    size_t count;
    int64_t at_most, at_most_us;
    gm_rehearse_package *champion;
    gm_rehearse_package **by_step; /* [steps] who answered */
    int64_t champion_step, version;
    int64_t trained_us;                      /* the newest training, for `new data` */
    const gm_window_result **first, **final; /* [steps] as judged at its end, and once its labels were known; NULL = not */
    const gm_window_result **newest_first;   /* [steps] room */
    const char *waiting;                     /* why a training was asked for that at_most has put off; NULL = none */
    int64_t next_final;                      /* the first window that waits for labels */
    size_t decisions_capacity;
} replay;

const char *gm_rehearsal_outcome_name(gm_rehearsal_outcome o)
{
    static const char *const names[] = { "unknown", "first", "promoted", "refused", "same model", "failed" };
    return (size_t)o < sizeof(names) / sizeof(names[0]) ? names[o] : "unknown";
}

bool gm_rehearse_canceled(const gm_rehearsing *r)
{
    return r->o->watch.canceled && r->o->watch.canceled(r->o->watch.ctx);
}

void gm_rehearse_note(const gm_rehearsing *r, const char *fmt, ...)
{
    if (!r->o->watch.note) return;
    va_list args;
    va_start(args, fmt);
    char *line = gm_arena_vprintf(r->a, fmt, args);
    va_end(args);
    if (line) r->o->watch.note(r->o->watch.ctx, line);
}

/* ---- what a policy asks for --------------------------------------------------------------------------------------------------
 */

/* The file's own triggers of a kind, else its plain form. */
static gm_rc of_kind(replay *p, gm_trigger_kind kind, const char *plain, gm_err *err)
{
    const gm_retrain_spec *file = &p->r->spec.retrain;
    gm_trigger_spec *list = GM_ARENA_ARRAY(p->r->a, gm_trigger_spec, file->triggers_count + 1);
    if (!list) return gm_err_set(err, GM_ENOMEM, "not enough memory for a policy");
    for (size_t i = 0; i < file->triggers_count; i++)
        if (file->triggers[i].kind == kind) list[p->count++] = file->triggers[i];
    if (!p->count) list[p->count++] = (gm_trigger_spec){ .kind = kind, .text = plain, .k = 1, .n = 1 };
    p->triggers = list;
    return GM_OK;
}

static gm_rc one_trigger(replay *p, const char *text, gm_err *err)
{
    gm_errs errs = { .arena = p->r->a };
    gm_trigger_spec *t = GM_ARENA_NEW(p->r->a, gm_trigger_spec);
    if (!t) return gm_err_set(err, GM_ENOMEM, "not enough memory for a policy");
    gm_trigger_read(text, (gm_pos){ 0 }, p->r->a, t, &errs);
    p->triggers = t;
    p->count = 1;
    if (!errs.count && t->kind != GM_TRIGGER_MANUAL && t->kind != GM_TRIGGER_WEBHOOK) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "unrecognized policy \"%.60s\"%s%.200s", text, errs.count ? ": " : "",
                          errs.count ? errs.items[0].message : "");
    gm_err_hint(err, "Policies are never, weekly, monthly, drift, decay, file, or what `retrain: when` takes: \"every 14 days\", "
                     "\"decay > 0.02\", "
                     "\"drift in 3 of 5 windows\".");
    return rc;
}

static bool looks_at_windows(const gm_trigger_spec *t)
{
    return t->kind == GM_TRIGGER_DRIFT || t->kind == GM_TRIGGER_DECAY;
}

/* How often, where the file says nothing: once a day as live; a drift or decay that lasts would train at every step, and is asked
 * about once in seven days. */
static void read_at_most(replay *p, bool whole)
{
    const gm_retrain_spec *file = &p->r->spec.retrain;
    bool says = gm_node_get(file->node, "at_most") != NULL;
    p->at_most = 1;
    p->at_most_us = day_us;
    for (size_t i = 0; i < p->count; i++)
        if (looks_at_windows(&p->triggers[i])) p->at_most_us = week_us;
    if (!says && !whole) return;
    p->at_most = file->at_most;
    p->at_most_us = file->at_most_us;
}

static gm_rc read_triggers(replay *p, const char *name, gm_err *err)
{
    const gm_retrain_spec *file = &p->r->spec.retrain;
    bool whole = strcmp(name, "file") == 0;
    if (strcmp(name, "never") == 0) return GM_OK;
    if (strcmp(name, "weekly") == 0) return one_trigger(p, "every week", err);
    if (strcmp(name, "monthly") == 0) return one_trigger(p, "every month", err);
    if (strcmp(name, "drift") == 0) return of_kind(p, GM_TRIGGER_DRIFT, "drift", err);
    if (strcmp(name, "decay") == 0) return of_kind(p, GM_TRIGGER_DECAY, "decay", err);
    if (!whole) return one_trigger(p, name, err);
    if (!file->node) {
        gm_rc rc =
            gm_err_set(err, GM_EINVALID, "the policy \"file\" needs a section `retrain`, and \"%s\" has none", p->r->spec.file);
        gm_err_hint(err, "Add `retrain: { when: [drift, every month] }`, or name other policies.");
        return rc;
    }
    p->triggers = file->triggers;
    p->count = file->triggers_count;
    return GM_OK;
}

/* ---- triggers
 * -------------------------------------------------------------------------------------------------------------------- */

/* Each window that the champion answered is asked about once, with those before it: at its end, or, by what asks for labels, once
 * they are known. *out_window: the one that pulled the trigger; NULL = none. newest_first: room for [steps]. */
static gm_rc pulled_by_windows(const replay *p, const gm_trigger_spec *t, int64_t step, int64_t known_before,
                               const gm_window_result **out_window, gm_err *err)
{
    bool waits = gm_trigger_waits(t);
    const gm_window_result *const *from = waits ? p->final : p->first;
    int64_t first_new = waits ? known_before : step, end = waits ? p->next_final : step + 1;
    *out_window = NULL;
    for (int64_t i = first_new > p->champion_step ? first_new : p->champion_step; i < end && !*out_window; i++) {
        bool pulled = false;
        size_t count = 0;
        for (int64_t k = i; k >= p->champion_step; k--) p->newest_first[count++] = from[k];
        gm_rc rc = gm_trigger_pulled(t, p->newest_first, count, &pulled, err);
        if (rc) return rc;
        if (pulled) *out_window = from[i];
    }
    return GM_OK;
}

/* The first trigger that asks for a training at the end of a step; *out_reason NULL = none. */
static gm_rc asked(const replay *p, int64_t step, int64_t now_us, int64_t known_before, const char **out_reason, gm_err *err)
{
    gm_rehearsing *r = p->r;
    *out_reason = NULL;
    for (size_t i = 0; i < p->count && !*out_reason; i++) {
        const gm_trigger_spec *t = &p->triggers[i];
        const gm_window_result *w = NULL;
        if (t->kind == GM_TRIGGER_SCHEDULE) {
            if (gm_schedule_next(&t->schedule, now_us - r->out->step_us) <= now_us) *out_reason = t->text;
        } else if (t->kind == GM_TRIGGER_NEW_DATA) {
            int64_t rows = 0;
            for (int64_t k = step; k >= 0 && r->out->begin_us + k * r->out->step_us >= p->trained_us; k--)
                rows += r->step_row[k + 1] - r->step_row[k];
            if (rows > 0 && rows >= t->rows_min) *out_reason = gm_arena_printf(r->a, "%s: %" PRId64 " rows", t->text, rows);
        } else if (looks_at_windows(t)) {
            gm_rc rc = pulled_by_windows(p, t, step, known_before, &w, err);
            if (rc) return rc;
            if (w) *out_reason = gm_rehearse_reason(r, t, w);
        }
    }
    return GM_OK;
}

static bool too_often(const replay *p, int64_t now_us)
{
    int64_t ran = 0;
    if (!p->at_most) return false;
    for (size_t i = 1; i < p->out->decisions_count; i++) ran += p->out->decisions[i].at_us > now_us - p->at_most_us;
    return ran >= p->at_most;
}

/* ---- decisions
 * ------------------------------------------------------------------------------------------------------------------- */

static gm_rehearsal_decision *add_decision(replay *p, int64_t at_us, const char *reason)
{
    gm_rehearsal_policy *o = p->out;
    if (o->decisions_count == p->decisions_capacity) {
        size_t capacity = p->decisions_capacity ? p->decisions_capacity * 2 : 16;
        gm_rehearsal_decision *more = GM_ARENA_ARRAY(p->r->a, gm_rehearsal_decision, capacity);
        if (!more) return NULL;
        if (o->decisions_count) memcpy(more, o->decisions, o->decisions_count * sizeof(*more));
        o->decisions = more;
        p->decisions_capacity = capacity;
    }
    gm_rehearsal_decision *d = &o->decisions[o->decisions_count++];
    *d = (gm_rehearsal_decision){ .at_us = at_us, .reason = reason, .detail = "", .trainer = "", .test_metric = (double)NAN };
    return d;
}

static gm_rc promote(replay *p, gm_rehearse_package *candidate, int64_t step, gm_rehearsal_decision *d, gm_err *err)
{
    gm_rc rc = gm_rehearse_metric_by(p->r, candidate, err);
    if (rc) return rc;
    d->outcome = p->champion ? GM_REHEARSAL_PROMOTED : GM_REHEARSAL_FIRST;
    p->champion = candidate;
    p->champion_step = step;
    d->version = ++p->version;
    return GM_OK;
}

/* Train at a moment, ask the gates, promote or not. step: the first that a new champion answers. */
static gm_rc decide(replay *p, int64_t at_us, int64_t step, const char *reason, gm_err *err)
{
    gm_rehearsing *r = p->r;
    gm_rehearse_training *t = NULL;
    gm_rehearse_package *candidate = NULL;
    const gm_rehearse_verdict *v = NULL;
    gm_digest champion = p->champion ? p->champion->digest : (gm_digest){ 0 };
    gm_rehearsal_decision *d = add_decision(p, at_us, reason);
    if (!d) return gm_err_set(err, GM_ENOMEM, "not enough memory for a decision");
    gm_rc rc = gm_rehearse_train(r, at_us, p->champion, &t, err);
    if (rc) return rc;
    p->trained_us = at_us;
    d->rows = t->rows;
    d->cpu_us = t->cpu_us;
    if (t->rc) {
        d->outcome = t->rc == GM_EREFUSED ? GM_REHEARSAL_REFUSED : GM_REHEARSAL_FAILED;
        d->detail = t->why;
    } else {
        d->package = t->package;
        rc = gm_rehearse_package_open(r, &t->package, &candidate, err);
        if (rc) return rc;
        d->trainer = candidate->trainer;
        d->test_metric = gm_rehearse_test_metric(r, candidate);
        if (candidate == p->champion) {
            d->outcome = GM_REHEARSAL_SAME;
        } else {
            rc = gm_rehearse_gates(r, t, p->champion, &champion, &v, err);
            if (rc) return rc;
            d->cpu_us += v->cpu_us;
            d->detail = v->why;
            if (v->rc)
                d->outcome = v->rc == GM_EREFUSED ? GM_REHEARSAL_REFUSED : GM_REHEARSAL_FAILED;
            else
                rc = promote(p, candidate, step, d, err);
            if (rc) return rc;
        }
    }
    p->out->cpu_us += d->cpu_us;
    gm_rehearse_note(r, "%s  %-9s %s  %s%s%s", gm_rehearse_day(at_us, r->out->step_us, r->a), p->out->name,
                     gm_rehearsal_outcome_name(d->outcome), reason, d->detail[0] ? "; " : "", d->detail);
    return GM_OK;
}

/* The first model: where nothing can be trained yet, again a week later. */
static gm_rc begin(replay *p, int64_t *out_step, gm_err *err)
{
    gm_rehearsing *r = p->r;
    int64_t apart = week_us > r->out->step_us ? (week_us + r->out->step_us - 1) / r->out->step_us : 1;
    for (int64_t step = 0; step < r->steps; step += apart) {
        if (gm_rehearse_canceled(r)) return gm_err_set(err, GM_ECANCELED, "the rehearsal was canceled");
        gm_rc rc = decide(p, r->out->begin_us + step * r->out->step_us, step, "the first model", err);
        if (rc) return rc;
        *out_step = step;
        if (p->champion) return GM_OK;
    }
    const gm_rehearsal_decision *last = &p->out->decisions[p->out->decisions_count - 1];
    gm_rc rc = gm_err_set(err, GM_EINVALID, "no model could be trained in the period: %.300s", last->detail);
    gm_err_hint(
        err,
        "A check such as `rows >= 100000` asks for more than there was at the time; --first gives the first model more rows.");
    return rc;
}

/* ---- the replay
 * ------------------------------------------------------------------------------------------------------------------ */

/* The window that ends with a step: what the champion answered in the last so long. */
static int64_t window_begin(const replay *p, int64_t step)
{
    const gm_rehearsing *r = p->r;
    int64_t length = r->spec.monitor.window.length_us, first = step;
    while (first > 0 && p->by_step[first - 1] == p->by_step[step] && (step - first + 2) * r->out->step_us <= length) first--;
    return first;
}

static gm_rc judge(replay *p, int64_t step, int64_t now_us, const gm_window_result **out, gm_err *err)
{
    return gm_rehearse_judge(p->r, p->by_step[step], window_begin(p, step), step, now_us, out, err);
}

static gm_rc judge_what_is_known(replay *p, int64_t step, int64_t now_us, gm_err *err)
{
    const gm_rehearsing *r = p->r;
    gm_rc rc = judge(p, step, now_us, &p->first[step], err);
    for (; !rc && p->next_final <= step; p->next_final++) {
        int64_t end = r->out->begin_us + (p->next_final + 1) * r->out->step_us;
        if (end + r->out->delay_us > now_us) break;
        if (!p->by_step[p->next_final]) continue;
        if (p->next_final == step && !r->out->delay_us)
            p->final[step] = p->first[step];
        else
            rc = judge(p, p->next_final, now_us, &p->final[p->next_final], err);
    }
    return rc;
}

static gm_rc one_step(replay *p, int64_t step, gm_err *err)
{
    gm_rehearsing *r = p->r;
    const char *reason = NULL;
    int64_t now_us = r->out->begin_us + (step + 1) * r->out->step_us, known_before = p->next_final;
    p->by_step[step] = p->champion;
    gm_rehearsal_window *w = &p->out->windows[p->out->windows_count++];
    *w = (gm_rehearsal_window){ .from_us = now_us - r->out->step_us,
                                .until_us = now_us < r->out->until_us ? now_us : r->out->until_us,
                                .rows = r->step_row[step + 1] - r->step_row[step],
                                .version = p->version,
                                .drifted_names = "",
                                .estimated = (double)NAN };
    gm_rc rc = gm_rehearse_answer(r, p->champion, step, err);
    if (!rc) rc = gm_rehearse_metric(r, p->champion, r->step_row[step], r->step_row[step + 1], &w->labelled, &w->metric, err);
    p->out->unknown_class += gm_rehearse_unknown(r, p->champion, step);
    if (!rc) rc = judge_what_is_known(p, step, now_us, err);
    if (rc || step + 1 >= r->steps) return rc;
    rc = asked(p, step, now_us, known_before, &reason, err);
    if (rc) return rc;
    if (!reason) reason = p->waiting;
    if (!reason) return GM_OK;
    if (too_often(p, now_us)) { /* as live: later, for what asked first */
        p->out->put_off += !p->waiting;
        p->waiting = p->waiting ? p->waiting : reason;
        return GM_OK;
    }
    p->waiting = NULL;
    return decide(p, now_us, step + 1, reason, err);
}

/* ---- what came of it
 * --------------------------------------------------------------------------------------------------------------- */

/* An alarm was false when the model that it was about, left in its place, was no worse on the next window with labels than on its
 * own test rows. */
static gm_rc was_false(replay *p, int64_t step, bool *out, gm_err *err)
{
    gm_rehearsing *r = p->r;
    gm_rehearse_package *model = p->by_step[step];
    *out = false;
    for (int64_t next = step + 1; next < r->steps; next++) {
        int64_t labelled = 0;
        double value = (double)NAN;
        gm_rc rc = gm_rehearse_answer(r, model, next, err);
        if (!rc) rc = gm_rehearse_metric(r, model, r->step_row[next], r->step_row[next + 1], &labelled, &value, err);
        if (rc) return rc;
        if (isnan(value)) continue;
        double expected = gm_rehearse_test_metric(r, model);
        *out = r->metric->higher_is_better ? value >= expected : value <= expected;
        return GM_OK;
    }
    return GM_OK;
}

static gm_rc count_alarms(replay *p, int64_t first_step, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (int64_t i = first_step; !rc && i < p->r->steps; i++) {
        gm_rehearsal_window *w = &p->out->windows[i - first_step];
        const gm_window_result *first = p->first[i], *final = p->final[i];
        bool wrong = false;
        if (first) {
            w->judged = first->judged;
            w->drifted = first->drifted;
            w->drifted_columns = first->drifted_columns;
            w->estimated = first->estimated.value;
            if (first->drifted) w->drifted_names = gm_rehearse_drifted(first, false, p->r->a);
        }
        w->decayed = final && final->decayed;
        if (w->drifted || w->decayed) rc = was_false(p, i, &wrong, err);
        w->false_drift = w->drifted && wrong;
        w->false_decay = w->decayed && wrong;
        p->out->drift_alarms += w->drifted;
        p->out->decay_alarms += w->decayed;
        p->out->false_drift += w->false_drift;
        p->out->false_decay += w->false_decay;
    }
    return rc;
}

static void count_decisions(gm_rehearsal_policy *o)
{
    for (size_t i = 0; i < o->decisions_count; i++) {
        gm_rehearsal_outcome outcome = o->decisions[i].outcome;
        bool first = strcmp(o->decisions[i].reason, "the first model") == 0;
        o->trainings += !first;
        o->promoted += outcome == GM_REHEARSAL_PROMOTED;
        o->refused += !first && outcome == GM_REHEARSAL_REFUSED;
        o->failed += !first && outcome == GM_REHEARSAL_FAILED;
    }
}

static void sum_windows(const gm_rehearsing *r, gm_rehearsal_policy *o)
{
    int64_t count = 0;
    o->mean = 0;
    o->worst = (double)NAN;
    for (size_t i = 0; i < o->windows_count; i++) {
        const gm_rehearsal_window *w = &o->windows[i];
        o->rows += w->rows;
        o->labelled += w->labelled;
        if (isnan(w->metric)) continue;
        bool worse = isnan(o->worst) || (r->metric->higher_is_better ? w->metric < o->worst : w->metric > o->worst);
        if (worse) {
            o->worst = w->metric;
            o->worst_from_us = w->from_us;
        }
        o->mean += w->metric;
        count++;
    }
    o->mean = count ? o->mean / (double)count : (double)NAN;
}

gm_rc gm_rehearse_policy(gm_rehearsing *r, const char *name, gm_rehearsal_policy *out, gm_rehearse_package ***out_by_step,
                         gm_err *err)
{
    int64_t step = 0;
    *out = (gm_rehearsal_policy){ .name = name };
    replay p = { .r = r, .out = out };
    out->windows = GM_ARENA_ARRAY(r->a, gm_rehearsal_window, r->steps);
    p.by_step = GM_ARENA_ARRAY(r->a, gm_rehearse_package *, r->steps);
    p.first = GM_ARENA_ARRAY(r->a, const gm_window_result *, r->steps);
    p.final = GM_ARENA_ARRAY(r->a, const gm_window_result *, r->steps);
    p.newest_first = GM_ARENA_ARRAY(r->a, const gm_window_result *, r->steps);
    if (!out->windows || !p.by_step || !p.first || !p.final || !p.newest_first)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " steps", r->steps);
    gm_rc rc = read_triggers(&p, name, err);
    read_at_most(&p, strcmp(name, "file") == 0);
    if (!rc) rc = begin(&p, &step, err);
    p.next_final = step;
    int64_t first_step = step;
    for (; !rc && step < r->steps; step++) {
        if (gm_rehearse_canceled(r)) rc = gm_err_set(err, GM_ECANCELED, "the rehearsal was canceled");
        if (!rc) rc = one_step(&p, step, err);
    }
    if (!rc) rc = count_alarms(&p, first_step, err);
    if (rc) return rc;
    count_decisions(out);
    sum_windows(r, out);
    *out_by_step = p.by_step;
    return GM_OK;
}
