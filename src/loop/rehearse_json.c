/* rehearse_json.c - a rehearsal as JSON. Everything but `cost` follows from data and file alone. */
#include "loop/rehearse.h"

static const char *time_text(int64_t us, char out[48])
{
    return gm_time_text(us, out, 48);
}

static void ktime(gm_json *j, const char *key, int64_t us)
{
    char text[48];
    gm_json_kstr(j, key, time_text(us, text));
}

static double days(int64_t us)
{
    return (double)us / 86400e6;
}

static void windows_json(const gm_rehearsal_policy *p, gm_json *j)
{
    gm_json_key(j, "windows");
    gm_json_array(j);
    for (size_t i = 0; i < p->windows_count; i++) {
        const gm_rehearsal_window *w = &p->windows[i];
        gm_json_object(j);
        ktime(j, "from", w->from_us);
        ktime(j, "until", w->until_us);
        gm_json_kint(j, "rows", w->rows);
        gm_json_kint(j, "labelled", w->labelled);
        gm_json_kint(j, "version", w->version);
        gm_json_kdouble(j, "metric", w->metric);
        gm_json_kdouble(j, "estimated", w->estimated);
        gm_json_kbool(j, "judged", w->judged);
        gm_json_kbool(j, "drifted", w->drifted);
        gm_json_kint(j, "drifted_columns", w->drifted_columns);
        gm_json_kstr(j, "drifted_names", w->drifted_names);
        gm_json_kbool(j, "decayed", w->decayed);
        gm_json_kbool(j, "false_drift", w->false_drift);
        gm_json_kbool(j, "false_decay", w->false_decay);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void decisions_json(const gm_rehearsal_policy *p, gm_json *j)
{
    gm_json_key(j, "decisions");
    gm_json_array(j);
    for (size_t i = 0; i < p->decisions_count; i++) {
        const gm_rehearsal_decision *d = &p->decisions[i];
        gm_json_object(j);
        ktime(j, "at", d->at_us);
        gm_json_kstr(j, "reason", d->reason);
        gm_json_kstr(j, "outcome", gm_rehearsal_outcome_name(d->outcome));
        gm_json_kstr(j, "detail", d->detail);
        gm_json_kstr(j, "package", d->package.hex[0] ? d->package.hex : NULL);
        gm_json_kint(j, "version", d->version);
        gm_json_kstr(j, "trainer", d->trainer);
        gm_json_kdouble(j, "test_metric", d->test_metric);
        gm_json_kint(j, "rows", d->rows);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static void interval_json(const gm_interval *v, const char *key, gm_json *j)
{
    gm_json_key(j, key);
    gm_json_object(j);
    gm_json_kdouble(j, "value", v->value);
    gm_json_kdouble(j, "low", v->low);
    gm_json_kdouble(j, "high", v->high);
    gm_json_kstr(j, "method", v->method);
    gm_json_object_end(j);
}

static void comparison_json(const gm_comparison *c, gm_json *j)
{
    gm_json_key(j, "against_first");
    if (!c->method) {
        gm_json_null(j);
        return;
    }
    gm_json_object(j);
    gm_json_kdouble(j, "delta", c->delta);
    gm_json_kdouble(j, "low", c->low);
    gm_json_kdouble(j, "high", c->high);
    gm_json_kdouble(j, "p_value", c->p_value);
    gm_json_kstr(j, "method", c->method);
    gm_json_object_end(j);
}

static void policy_json(const gm_rehearsal_policy *p, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "policy", p->name);
    gm_json_kint(j, "rows", p->rows);
    gm_json_kint(j, "labelled", p->labelled);
    gm_json_kint(j, "unknown_class", p->unknown_class);
    interval_json(&p->overall, "overall", j);
    comparison_json(&p->against_first, j);
    gm_json_kdouble(j, "mean", p->mean);
    gm_json_kdouble(j, "worst", p->worst);
    ktime(j, "worst_from", p->worst_from_us);
    gm_json_kint(j, "trainings", p->trainings);
    gm_json_kint(j, "promoted", p->promoted);
    gm_json_kint(j, "refused", p->refused);
    gm_json_kint(j, "failed", p->failed);
    gm_json_kint(j, "put_off", p->put_off);
    gm_json_kint(j, "drift_alarms", p->drift_alarms);
    gm_json_kint(j, "decay_alarms", p->decay_alarms);
    gm_json_kint(j, "false_drift", p->false_drift);
    gm_json_kint(j, "false_decay", p->false_decay);
    decisions_json(p, j);
    windows_json(p, j);
    gm_json_object_end(j);
}

/* Seconds of CPU are facts of a machine: they stand apart, so that the rest can be compared byte for byte. */
static void cost_json(const gm_rehearsal *r, gm_json *j)
{
    gm_json_key(j, "cost");
    gm_json_object(j);
    gm_json_key(j, "policies_cpu_s");
    gm_json_object(j);
    for (size_t i = 0; i < r->policies_count; i++) gm_json_kdouble(j, r->policies[i].name, (double)r->policies[i].cpu_us / 1e6);
    gm_json_object_end(j);
    gm_json_kint(j, "trained", r->trained);
    gm_json_kint(j, "from_cache", r->from_cache);
    gm_json_kdouble(j, "trainings_cpu_s", (double)r->cpu_trainings_us / 1e6);
    gm_json_kdouble(j, "self_cpu_s", (double)r->cpu_self_us / 1e6);
    gm_json_object_end(j);
}

void gm_rehearsal_json(const gm_rehearsal *r, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "pipeline", r->pipeline);
    gm_json_kstr(j, "metric", r->metric);
    gm_json_kbool(j, "higher_is_better", r->higher_is_better);
    ktime(j, "from", r->from_us);
    ktime(j, "until", r->until_us);
    gm_json_kdouble(j, "step_days", days(r->step_us));
    ktime(j, "first_training", r->begin_us);
    gm_json_kdouble(j, "first_days", days(r->first_us));
    gm_json_kstr(j, "first_reason", r->first_reason);
    gm_json_kdouble(j, "history_days", r->history_us ? days(r->history_us) : (double)NAN);
    gm_json_kdouble(j, "label_delay_days", days(r->delay_us));
    gm_json_kint(j, "rows_without_time", r->rows_without_time);
    gm_json_key(j, "uncut");
    gm_json_array(j);
    for (size_t i = 0; i < r->uncut_count; i++) gm_json_str(j, r->uncut[i]);
    gm_json_array_end(j);
    gm_json_key(j, "policies");
    gm_json_array(j);
    for (size_t i = 0; i < r->policies_count; i++) policy_json(&r->policies[i], j);
    gm_json_array_end(j);
    cost_json(r, j);
    gm_json_object_end(j);
}
