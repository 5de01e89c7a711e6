/* alerts_message.c - what an alert says: a title, a text for people and the same as JSON. See docs/formats/alerts.md. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "watch/alerts.h"

enum { COLUMNS_SHOWN = 12, CHECKS_SHOWN = 8 };

typedef struct writer {
    const gm_alert_rule *rule;
    const gm_alert_state *state;
    const gm_window_result *windows; /* [count] */
    const gm_window_result *newest;
    size_t count;
    const char *model, *version, *file;
    const char *kind, *title, *text, *cause, *look;
    gm_arena *a;
    bool failed;
} writer;

/* "2013-04-09 05:00", midnight without the time. */
static const char *when(writer *w, int64_t us)
{
    char text[32];
    (void)gm_time_text(us - us % 1000000, text, sizeof(text));
    text[10] = ' ';
    int len = strcmp(text + 11, "00:00:00") == 0 ? 10 : strcmp(text + 16, ":00") == 0 ? 16 : 19;
    char *out = gm_arena_printf(w->a, "%.*s", len, text);
    w->failed |= !out;
    return out ? out : "";
}

static const char *printed(writer *w, char *text)
{
    w->failed |= !text;
    return text ? text : "";
}

/* "-name": the reference has it and the window has not (drift.h). */
static bool is_absent(const char *marked)
{
    return marked[0] == '-';
}

/* ---- title ---------------------------------------------------------------------------------------------------------------- */

enum { NAMED_MAX = 3 };

/* One more name of a list in a title; after three they are counted. */
static const char *name_more(writer *w, const char *names, const char *name, size_t before)
{
    return before >= NAMED_MAX ? names : printed(w, gm_arena_printf(w->a, "%s%s%.60s", names, before ? ", " : "", name));
}

static const char *name_rest(writer *w, const char *names, size_t all)
{
    return all > NAMED_MAX ? printed(w, gm_arena_printf(w->a, "%s and %zu more", names, all - NAMED_MAX)) : names;
}

static const char *moved_columns(writer *w)
{
    const char *names = "";
    size_t all = 0;
    for (size_t i = 0; i < w->newest->drift.count; i++) {
        const gm_drift_column *c = &w->newest->drift.columns[i];
        if (gm_drift_moved(c)) names = name_more(w, names, c->name, all++);
    }
    for (size_t i = 0; i < w->newest->drift.missing_columns_count; i++) {
        const char *marked = w->newest->drift.missing_columns[i];
        if (is_absent(marked)) names = name_more(w, names, marked + 1, all++);
    }
    return name_rest(w, names, all);
}

static const char *broken_checks(writer *w)
{
    const char *names = "";
    size_t all = 0;
    for (size_t i = 0; i < w->newest->checks_count; i++) {
        const gm_check_result *c = &w->newest->checks[i];
        if (!c->ok && !c->spec->warning) names = name_more(w, names, c->spec->name, all++);
    }
    return name_rest(w, names, all);
}

/* What of the window the rule is about, by the words in its condition. */
static const char *detail(writer *w)
{
    const gm_window_result *n = w->newest;
    const char *about = w->rule->text;
    bool estimated = strstr(about, "decay_estimated") != NULL;
    double decay = estimated ? n->decay_estimated : n->decay;
    if (strstr(about, "decay") && isfinite(decay) && decay > 0)
        return printed(w, gm_arena_printf(w->a, "%s is worse by %.4g%s", n->metric && n->metric[0] ? n->metric : "the metric",
                                          decay, estimated ? ", as estimated" : ""));
    if (strstr(about, "check")) return broken_checks(w);
    return strstr(about, "drift") || strstr(about, "share") ? moved_columns(w) : "";
}

static const char *title(writer *w, gm_alert_change change)
{
    const char *since = when(w, w->state->began_us), *what = detail(w), *span = "", *again = "";
    if (w->rule->n > 1)
        span = printed(w, gm_arena_printf(w->a, " (%" PRId64 " of the last %" PRId64 " windows)", w->rule->k, w->rule->n));
    if (change == GM_ALERT_REPEAT) again = printed(w, gm_arena_printf(w->a, ", since %s", since));
    char *line = change == GM_ALERT_ENDED
                     ? gm_arena_printf(w->a, "%s: %s is over, after it fired since %s", w->version, w->rule->name, since)
                     : gm_arena_printf(w->a, "%s: %s%s%s%s%s", w->version, w->rule->name, what[0] ? ": " : "", what, span, again);
    for (char *c = line; c && *c; c++) /* names of columns may hold anything */
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    return printed(w, line);
}

/* ---- text for people ------------------------------------------------------------------------------------------------------- */

static void text_window(writer *w, gm_buf *b)
{
    gm_buf_printf(b, "window   %s to %s (UTC), %" PRId64 " rows", when(w, w->newest->from_us), when(w, w->newest->until_us),
                  w->newest->rows);
    if (w->newest->labelled) gm_buf_printf(b, ", %" PRId64 " with a label", w->newest->labelled);
    gm_buf_char(b, '\n');
    if (w->rule->n == 1) return;
    gm_buf_printf(b, "windows  %d of the last %" PRId64 " hold, %" PRId64 " are needed\n",
                  __builtin_popcountll(w->state->held & (((uint64_t)1 << w->rule->n) - 1)), w->rule->n, w->rule->k);
}

static void text_columns(writer *w, gm_buf *b)
{
    size_t shown = 0, all = 0;
    for (size_t i = 0; i < w->newest->drift.count; i++) {
        const gm_drift_column *c = &w->newest->drift.columns[i];
        if (!gm_drift_moved(c)) continue;
        if (all++ >= COLUMNS_SHOWN) continue;
        gm_buf_printf(b, "%s %s", shown++ ? "        " : "columns ", c->name);
        if (c->detector && isfinite(c->value))
            gm_buf_printf(b, ", %s %.4g (limit %.4g)", c->detector->item.name, c->value, c->limit);
        if (isfinite(c->mean_reference) && isfinite(c->mean_current))
            gm_buf_printf(b, ", mean %.4g -> %.4g", c->mean_reference, c->mean_current);
        if (c->why && c->why[0]) gm_buf_printf(b, ", %s", c->why);
        gm_buf_char(b, '\n');
    }
    if (all > COLUMNS_SHOWN) gm_buf_printf(b, "         and %zu more\n", all - COLUMNS_SHOWN);
    for (size_t i = 0; i < w->newest->drift.missing_columns_count; i++)
        if (is_absent(w->newest->drift.missing_columns[i]))
            gm_buf_printf(b, "absent   %s\n", w->newest->drift.missing_columns[i] + 1);
}

static void text_interval(gm_buf *b, const char *word, const char *metric, const gm_interval *v, double reference)
{
    if (!isfinite(v->value)) return;
    gm_buf_printf(b, "%-8s %s %.4g", word, metric, v->value);
    if (isfinite(v->low) && isfinite(v->high)) gm_buf_printf(b, " (95 %%: %.4g to %.4g)", v->low, v->high);
    if (isfinite(reference)) gm_buf_printf(b, ", %.4g on the reference", reference);
    gm_buf_char(b, '\n');
}

static void text_checks(writer *w, gm_buf *b)
{
    size_t shown = 0;
    for (size_t i = 0; i < w->newest->checks_count && shown < CHECKS_SHOWN; i++) {
        const gm_check_result *c = &w->newest->checks[i];
        if (c->ok || c->spec->warning) continue;
        gm_buf_printf(b, "%s %s: %s\n", shown++ ? "        " : "checks  ", c->spec->name,
                      c->observed_text ? c->observed_text : "broken");
    }
}

static const char *text(writer *w)
{
    const gm_window_result *n = w->newest;
    const char *metric = n->metric && n->metric[0] ? n->metric : "metric";
    gm_buf b = { 0 };
    gm_buf_printf(&b, "model    %s\nrule     %s", w->version, w->rule->name);
    if (strcmp(w->rule->name, w->rule->text) != 0) gm_buf_printf(&b, ": %s", w->rule->text);
    gm_buf_printf(&b, " (%s)\n", gm_severity_name(w->rule->severity));
    if (w->state->began_us) gm_buf_printf(&b, "since    %s (UTC)\n", when(w, w->state->began_us));
    text_window(w, &b);
    text_columns(w, &b);
    if (n->prediction.detector && n->prediction.drifted)
        gm_buf_printf(&b, "answers  predictions moved, %s %.4g (limit %.4g)\n", n->prediction.detector->item.name,
                      n->prediction.value, n->prediction.limit);
    text_interval(&b, "realised", metric, &n->realised, n->reference_metric);
    text_interval(&b, "estimate", metric, &n->estimated, n->reference_metric); /* estimated without labels */
    text_checks(w, &b);
    if (isfinite(n->error_rate) && n->error_rate > 0)
        gm_buf_printf(&b, "errors   %.4g %% of the requests\n", n->error_rate * 100);
    if (w->cause[0]) gm_buf_printf(&b, "cause    likely: %s\n", w->cause);
    gm_buf_printf(&b, "look     %s\n", w->look);
    const char *out = b.failed ? NULL : gm_arena_strdup(w->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    w->failed |= !out;
    return out ? out : "";
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------
 */

static void json_columns(const gm_window_result *n, gm_json *j)
{
    gm_json_key(j, "columns");
    gm_json_array(j);
    for (size_t i = 0; i < n->drift.count; i++) {
        const gm_drift_column *c = &n->drift.columns[i];
        if (!gm_drift_moved(c)) continue;
        gm_json_object(j);
        gm_json_kstr(j, "name", c->name);
        gm_json_kstr(j, "detector", c->detector ? c->detector->item.name : "");
        gm_json_kdouble(j, "value", c->value);
        gm_json_kdouble(j, "limit", c->limit);
        gm_json_kstr(j, "why", c->why ? c->why : "");
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_key(j, "absent_columns");
    gm_json_array(j);
    for (size_t i = 0; i < n->drift.missing_columns_count; i++)
        if (is_absent(n->drift.missing_columns[i])) gm_json_str(j, n->drift.missing_columns[i] + 1);
    gm_json_array_end(j);
}

/* Every signal that is known: the numbers the rule was judged on. */
static void json_signals(const gm_window_result *n, gm_json *j)
{
    gm_json_key(j, "signals");
    gm_json_object(j);
    for (const gm_signal *s = gm_signals; s->name; s++) {
        double v = gm_signal_value(s->name, n);
        if (isfinite(v)) gm_json_kdouble(j, s->name, v);
    }
    gm_json_object_end(j);
}

static const char *json(writer *w, const gm_message *m)
{
    char time[32];
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "id", m->id);
    gm_json_kstr(&j, "kind", m->kind);
    gm_json_kstr(&j, "severity", gm_severity_name(m->severity));
    gm_json_kstr(&j, "model", m->model);
    gm_json_kstr(&j, "version", w->version);
    gm_json_kstr(&j, "rule", m->rule);
    gm_json_kstr(&j, "when", w->rule->text);
    gm_json_kstr(&j, "title", m->title);
    gm_json_kstr(&j, "text", m->text);
    gm_json_kint(&j, "began_us", m->began_us);
    gm_json_kint(&j, "at_us", m->at_us);
    gm_json_key(&j, "window");
    gm_json_object(&j);
    gm_json_kstr(&j, "from", gm_time_text(w->newest->from_us, time, sizeof(time)));
    gm_json_kstr(&j, "until", gm_time_text(w->newest->until_us, time, sizeof(time)));
    gm_json_kint(&j, "rows", w->newest->rows);
    gm_json_kint(&j, "of_last", w->rule->n);
    gm_json_kint(&j, "held", __builtin_popcountll(w->state->held & (((uint64_t)1 << w->rule->n) - 1)));
    gm_json_object_end(&j);
    json_signals(w->newest, &j);
    json_columns(w->newest, &j);
    gm_json_kstr(&j, "metric", w->newest->metric ? w->newest->metric : "");
    gm_json_kstr(&j, "cause", w->cause);
    gm_json_kstr(&j, "look", w->look);
    gm_json_object_end(&j);
    const char *out = b.failed ? NULL : gm_arena_strdup(w->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    w->failed |= !out;
    return out ? out : "";
}

/* ---- the message -------------------------------------------------------------------------------------------------------------
 */

static const char *id_of(writer *w, int64_t began_us)
{
    char began[24], until[24], id[33];
    (void)snprintf(began, sizeof(began), "%" PRId64, began_us);
    (void)snprintf(until, sizeof(until), "%" PRId64, w->newest->until_us);
    gm_message_id((const char *[]){ w->model, w->rule->name, w->kind, began, until }, 5, id);
    return printed(w, gm_arena_strdup(w->a, id));
}

gm_rc gm_alert_message(const gm_alert_rule *rule, const gm_alert_state *state, gm_alert_change change,
                       const gm_window_result *windows, size_t count, const char *model, const char *version, const char *file,
                       int64_t now_us, gm_arena *a, gm_message *out, gm_err *err)
{
    gm_assert(count > 0 && (change == GM_ALERT_BEGAN || change == GM_ALERT_REPEAT || change == GM_ALERT_ENDED));
    writer w = { .rule = rule,
                 .state = state,
                 .windows = windows,
                 .newest = &windows[count - 1],
                 .count = count,
                 .model = model,
                 .version = version,
                 .file = file,
                 .a = a };
    const char *cause = change == GM_ALERT_ENDED ? "" : gm_likely_cause(windows, count, a);
    w.kind = change == GM_ALERT_BEGAN ? "firing" : change == GM_ALERT_REPEAT ? "repeat" : "resolved";
    w.cause = cause ? cause : "";
    w.look =
        strcmp(file, "gristmill.yaml") == 0 ? "gristmill watch" : printed(&w, gm_arena_printf(a, "gristmill watch -f %s", file));
    w.title = title(&w, change);
    w.text = text(&w);
    gm_message m = { .id = id_of(&w, state->began_us),
                     .kind = w.kind,
                     .severity = rule->severity,
                     .model = gm_arena_strdup(a, model),
                     .rule = rule->name,
                     .title = w.title,
                     .text = w.text,
                     .began_us = state->began_us,
                     .at_us = now_us };
    if (m.model) m.json = json(&w, &m);
    if (w.failed || !m.model || !cause)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for the message of the alert rule \"%.100s\"", rule->name);
    *out = m;
    return GM_OK;
}
