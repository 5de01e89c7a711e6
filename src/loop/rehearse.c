/* rehearse.c - see rehearse.h: the period, the policies one after the other, and what they come to. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/civil.h"
#include "base/clock.h"
#include "base/fs.h"
#include "loop/rehearse_internal.h"

static const int64_t day_us = 86400000000;
enum { STEPS_MAX = 100000, POLICIES_MAX = 16 };

/* ---- times as people write them ------------------------------------------------------------------------------------------ */

static int64_t month_begin(int year, int month)
{
    char text[48];
    int64_t us = 0;
    (void)snprintf(text, sizeof(text), "%04d-%02d-01", year + (month - 1) / 12, (month - 1) % 12 + 1);
    return gm_time_parse(text, &us) ? us : INT64_MIN;
}

bool gm_rehearse_time(const char *text, bool span_end, int64_t *out_us)
{
    int year = 0, month = 0, used = 0;
    size_t len = strlen(text);
    int64_t us = INT64_MIN;
    if (len == 4 && sscanf(text, "%4d%n", &year, &used) == 1 && used == 4 && year > 0)
        us = month_begin(year + span_end, 1);
    else if (len == 7 && sscanf(text, "%4d-%2d%n", &year, &month, &used) == 2 && used == 7 && month >= 1 && month <= 12)
        us = month_begin(year, month + span_end);
    else if (gm_time_parse(text, &us))
        us += span_end && len == 10 ? day_us : 0;
    else
        us = INT64_MIN;
    if (us == INT64_MIN) return false;
    *out_us = us;
    return true;
}

static int64_t floor_to(int64_t us, int64_t unit)
{
    return us - gm_floor_mod(us, unit);
}

static int64_t ceil_to(int64_t us, int64_t unit)
{
    int64_t below = floor_to(us, unit);
    return below == us ? us : below + unit;
}

/* ---- the period --------------------------------------------------------------------------------------------------------------
 */

static gm_rc find_period(gm_rehearsing *r, gm_err *err)
{
    const gm_rehearse_options *o = r->o;
    gm_rehearsal *out = r->out;
    const gm_field *time = gm_schema_find(r->spec.primary->schema, r->time);
    char begin_text[48], end_text[48];
    out->history_us = o->history_us < 0 ? 0 : o->history_us ? o->history_us : r->spec.retrain.history_us;
    out->delay_us = r->spec.monitor.labels.delay_us;
    out->step_us = o->step_us ? o->step_us : r->spec.monitor.window.step_us ? r->spec.monitor.window.step_us : day_us;
    if (isnan(time->min))
        return gm_err_at(err, r->spec.primary->pos, GM_EINVALID, "no row of \"%s\" has a time", r->spec.primary->name);
    int64_t unit = out->step_us < day_us ? out->step_us : day_us, first_row = floor_to((int64_t)time->min, unit),
            end = floor_to((int64_t)time->max, unit) + unit;
    out->from_us = o->from_us == INT64_MIN || o->from_us < first_row ? first_row : o->from_us;
    out->until_us = o->until_us == INT64_MAX || o->until_us > end ? end : o->until_us;
    if (o->until_us <= first_row || o->from_us >= end) {
        bool before = o->until_us <= first_row;
        gm_rc rc = gm_err_set(
            err, GM_EINVALID, "the period %s at %s, and the data %s at %s: nothing is left to replay", before ? "ends" : "begins",
            gm_time_text(before ? o->until_us : o->from_us, begin_text, sizeof(begin_text)), before ? "begin" : "end",
            gm_time_text((int64_t)(before ? time->min : time->max), end_text, sizeof(end_text)));
        gm_err_hint(err, "Name a period within the data with --from and --to.");
        return rc;
    }
    int64_t period = out->until_us - out->from_us, fifth = ceil_to(period / 5, out->step_us), before = out->from_us - first_row;
    int64_t begin = first_row + (o->first_us ? o->first_us : before >= fifth ? before : fifth);
    out->begin_us = begin <= out->from_us ? out->from_us : out->from_us + ceil_to(begin - out->from_us, out->step_us);
    out->first_us = out->begin_us - first_row;
    out->first_reason = o->first_us       ? "as asked for"
                        : before >= fifth ? "what lies before the period"
                                          : "a fifth of the period, since too little lies before it";
    if (out->begin_us >= out->until_us) {
        gm_rc rc = gm_err_set(
            err, GM_EINVALID,
            "nothing is left to replay: the data go from %s to %s, and the first model is trained %.0f days after their begin",
            gm_time_text((int64_t)time->min, begin_text, sizeof(begin_text)),
            gm_time_text((int64_t)time->max, end_text, sizeof(end_text)), (double)out->first_us / (double)day_us);
        gm_err_hint(err, "Name a period with --from and --to, or a shorter --first.");
        return rc;
    }
    if ((out->until_us - out->begin_us) / out->step_us >= STEPS_MAX)
        return gm_err_set(err, GM_EINVALID, "the period has more than %d steps; take a longer --step", STEPS_MAX);
    return GM_OK;
}

static gm_rc find_uncut(gm_rehearsing *r, gm_err *err)
{
    const char **names = GM_ARENA_ARRAY(r->a, const char *, r->spec.data_count);
    if (!names) return gm_err_set(err, GM_ENOMEM, "not enough memory for the data sets");
    r->out->uncut = names;
    for (size_t i = 0; i < r->spec.data_count; i++)
        if (&r->spec.data[i] != r->spec.primary && !r->spec.data[i].time) names[r->out->uncut_count++] = r->spec.data[i].name;
    return GM_OK;
}

/* ---- over all rows
 * -------------------------------------------------------------------------------------------------------------- */

/* All answers of a policy beside their truth, and the day of each (with longer steps, the step). false: its models answer
 * different questions, and there is no such number. */
static bool all_answers(const gm_rehearsing *r, gm_rehearse_package *const *by_step, gm_arena *a, gm_scores *out,
                        int32_t **out_day, int64_t *out_days)
{
    int64_t unit = r->out->step_us > day_us ? r->out->step_us : day_us;
    int32_t *day = GM_ARENA_ARRAY(a, int32_t, r->table.rows);
    const gm_rehearse_package *any = by_step[r->steps - 1];
    int64_t width = any->scorer.outputs, count = 0;
    double *truth = GM_ARENA_ARRAY(a, double, r->table.rows), *answers = GM_ARENA_ARRAY(a, double, r->table.rows *width);
    if (!truth || !answers || !day) return false;
    for (int64_t i = 0; i < r->steps; i++) {
        const gm_rehearse_package *p = by_step[i];
        if (!p) continue;
        if (p->truth != any->truth) return false;
        for (int64_t k = r->step_row[i]; k < r->step_row[i + 1]; k++) {
            if (isnan(p->truth[k])) continue;
            truth[count] = p->truth[k];
            day[count] = (int32_t)((r->row_us[k] - r->out->begin_us) / unit); /* STEPS_MAX keeps it small */
            memcpy(answers + count * width, p->answers + k * width, (size_t)width * sizeof(double));
            count++;
        }
    }
    *out = (gm_scores){ .task = any->scorer.task,
                        .rows = count,
                        .classes = any->scorer.classes_count,
                        .truth = truth,
                        .predicted = answers,
                        .threshold = 0.5 };
    *out_day = day;
    *out_days = count ? day[count - 1] + 1 : 0;
    return true;
}

static gm_rc over_all_rows(gm_rehearsing *r, gm_rehearse_package ***by_step, gm_err *err)
{
    gm_scores first = { 0 };
    gm_arena *a = gm_arena_new(0), *scratch = gm_arena_new(0);
    gm_rc rc = a && scratch ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to compare the policies");
    for (size_t i = 0; !rc && i < r->out->policies_count; i++) {
        gm_rehearsal_policy *p = &r->out->policies[i];
        gm_scores s;
        gm_err undefined;
        int32_t *day = NULL;
        int64_t days = 0;
        p->overall = (gm_interval){ (double)NAN, (double)NAN, (double)NAN, "" };
        p->against_first =
            (gm_comparison){ .delta = (double)NAN, .low = (double)NAN, .high = (double)NAN, .p_value = (double)NAN };
        if (!all_answers(r, by_step[i], a, &s, &day, &days) || s.rows < r->spec.monitor.labels_min) continue;
        if (gm_metric_interval(r->metric, &s, 1, scratch, &p->overall, &undefined))
            p->overall = (gm_interval){ (double)NAN, (double)NAN, (double)NAN, "" };
        if (i == 0)
            first = s;
        else if (first.rows == s.rows &&
                 gm_compare_blocks(r->metric, &s, &first, day, days, 1, scratch, &p->against_first, &undefined))
            p->against_first =
                (gm_comparison){ .delta = (double)NAN, .low = (double)NAN, .high = (double)NAN, .p_value = (double)NAN };
        gm_arena_reset(scratch);
    }
    gm_arena_free(a);
    gm_arena_free(scratch);
    return rc;
}

/* ---- the whole
 * -------------------------------------------------------------------------------------------------------------------- */

static gm_rc replay(gm_rehearsing *r, gm_err *err)
{
    const gm_strs *names = &r->o->policies;
    gm_rehearse_package ***by_step = GM_ARENA_ARRAY(r->a, gm_rehearse_package **, names->count);
    r->out->policies = GM_ARENA_ARRAY(r->a, gm_rehearsal_policy, names->count);
    if (!by_step || !r->out->policies) return gm_err_set(err, GM_ENOMEM, "not enough memory for the policies");
    gm_rc rc = gm_rehearse_load(r, err);
    if (!rc) rc = find_period(r, err);
    if (!rc) rc = find_uncut(r, err);
    if (!rc) rc = gm_rehearse_table(r, err);
    r->out->pipeline = r->spec.pipeline;
    for (size_t i = 0; !rc && i < names->count; i++) {
        rc = gm_rehearse_policy(r, names->items[i], &r->out->policies[i], &by_step[i], err);
        r->out->policies_count += !rc;
    }
    gm_err second;
    gm_rc kept = gm_rehearse_keep_all(r, &second); /* also when it was canceled: the next one goes on from there */
    if (!rc && kept) {
        *err = second;
        rc = kept;
    }
    return rc ? rc : over_all_rows(r, by_step, err);
}

static gm_rc check_policies(const gm_strs *names, gm_err *err)
{
    if (names->count == 0 || names->count > POLICIES_MAX)
        return gm_err_set(err, GM_EINVALID, "a rehearsal has from 1 to %d policies, found %zu", POLICIES_MAX, names->count);
    for (size_t i = 0; i < names->count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(names->items[i], names->items[k]) == 0)
                return gm_err_set(err, GM_EINVALID, "the policy \"%.60s\" is named twice", names->items[i]);
    return GM_OK;
}

gm_rc gm_rehearse(gm_store *store, const gm_rehearse_options *o, gm_arena *a, gm_rehearsal *out, gm_errs *errs, gm_err *err)
{
    int64_t cpu_before = gm_cpu_us();
    *out = (gm_rehearsal){ .metric = "" };
    gm_rehearsing r = { .store = store, .o = o, .a = a, .errs = errs, .out = out };
    gm_rc rc = check_policies(&o->policies, err);
    if (!rc) rc = gm_run_recover(store, NULL, err);
    /* Named like a run's folder, so that the next one removes it after a crash. */
    r.dir = gm_arena_printf(a, "%s/tmp/run-rehearsal-%ld", gm_store_root(store), (long)getpid());
    if (!rc && !r.dir) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for a rehearsal");
    if (!rc) rc = gm_fs_mkdirs(r.dir, err);
    if (!rc) rc = replay(&r, err);
    gm_engine_close(r.engine);
    if (r.dir) (void)gm_fs_remove_tree(r.dir, NULL); /* scratch */
    gm_err second;
    if (r.run_id && gm_run_end(store, r.run_id, rc ? "failed" : "done", "", &second) && !rc) {
        *err = second;
        rc = second.rc;
    }
    out->cpu_self_us = gm_cpu_us() - cpu_before;
    return rc;
}
