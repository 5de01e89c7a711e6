/* watch_show.c - see watch_show.h. */
#include "cli/watch_show.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "store/windows.h"

enum { COLUMNS_NAMED = 3, ALERTS_SHOWN = 20, RESOLVED_SHOWN = 5, CAUSE_WINDOWS = 60, CELLS = 10, OTHER_CELLS_WIDE = 112 };

gm_rc gm_watch_read(gm_store *store, const gm_spec *spec, int64_t since_us, int64_t limit, gm_arena *a, gm_watch_state *out,
                    gm_err *err)
{
    gm_window_record *records = NULL;
    size_t count = 0;
    int64_t wanted = limit < CAUSE_WINDOWS ? CAUSE_WINDOWS : limit; /* what moved first may be older than what is shown */
    gm_rc rc = gm_window_list(store, spec->pipeline, since_us, 0, wanted, a, &records, &count, err);
    *out = (gm_watch_state){ .spec = spec, .cause = "", .windows = GM_ARENA_ARRAY(a, gm_shown_window, count + 1) };
    if (!rc && !out->windows) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to show %zu windows", count);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_node *root = NULL;
        gm_shown_window *w = &out->windows[out->windows_count];
        *w = (gm_shown_window){ .version = records[i].version, .final = records[i].final };
        rc = gm_json_read(records[i].result_json, strlen(records[i].result_json), "window", a, &root, err);
        if (!rc) rc = gm_window_read(root, a, &w->result, err);
        if (!rc) out->windows_count++;
    }
    if (!rc) rc = gm_alert_list(store, spec->pipeline, false, ALERTS_SHOWN, a, &out->alerts, &out->alerts_count, err);
    if (rc) return rc;
    gm_window_result *results = GM_ARENA_ARRAY(a, gm_window_result, out->windows_count);
    if (!results) return gm_err_set(err, GM_ENOMEM, "not enough memory to show %zu windows", count);
    int64_t version = out->windows_count ? out->windows[out->windows_count - 1].version : 0;
    size_t of_version = 0;
    for (size_t i = 0; i < out->windows_count; i++)
        if (out->windows[i].version == version) results[of_version++] = out->windows[i].result;
    out->cause = gm_likely_cause(results, of_version, a);
    if (out->windows_count > (size_t)limit) {
        out->windows += out->windows_count - (size_t)limit;
        out->windows_count = (size_t)limit;
    }
    return GM_OK;
}

/* ---- cells ------------------------------------------------------------------------------------------------------------- */

static const char *text(const char *made)
{
    return made ? made : "";
}

/* "2013-04-09" for a day, "2013-04-09 05:00" for hours, seconds where there are any. */
static const char *when(const gm_window_result *r, gm_arena *a)
{
    char from[32];
    (void)gm_show_time(r->from_us, from);
    bool day = strcmp(from + 11, "00:00:00") == 0 && (r->until_us - r->from_us) % (INT64_C(86400) * 1000000) == 0;
    return text(gm_arena_printf(a, "%.*s", day ? 10 : strcmp(from + 17, "00") == 0 ? 16 : 19, from));
}

static const char *how(const gm_drift_column *c, gm_arena *a)
{
    if (c->drifted && c->detector)
        return text(gm_arena_printf(a, "%s %s %.3g > %.3g", c->name, c->detector->item.name, c->value, c->limit));
    if (c->missing_rose) return text(gm_arena_printf(a, "%s missing %.1f %%", c->name, 100 * c->missing_current));
    if (c->new_values) return text(gm_arena_printf(a, "%s new values %.1f %%", c->name, 100 * c->new_share));
    if (c->out_of_range) return text(gm_arena_printf(a, "%s out of range %.1f %%", c->name, 100 * c->range_share));
    return c->name;
}

/* The columns furthest beyond their limits, worst first. */
static const char *drifted(const gm_window_result *r, gm_arena *a)
{
    const char *out = "";
    bool *said = GM_ARENA_ARRAY(a, bool, r->drift.count);
    if (!r->judged) return "not judged";
    if (!r->drifted_columns) return text(gm_arena_printf(a, "none of %zu", r->drift.judged));
    out = text(gm_arena_printf(a, "%" PRId64 " of %zu", r->drifted_columns, r->drift.judged + r->drift.missing_columns_count));
    for (int named = 0; said && named < COLUMNS_NAMED; named++) {
        const gm_drift_column *worst = NULL;
        double most = -1;
        for (size_t i = 0; i < r->drift.count; i++) {
            const gm_drift_column *c = &r->drift.columns[i];
            double far = c->drifted && c->limit > 0 ? c->value / c->limit : 0;
            if (!gm_drift_moved(c) || said[i] || far <= most) continue;
            worst = c;
            most = far;
        }
        if (!worst) break;
        said[worst - r->drift.columns] = true;
        out = text(gm_arena_printf(a, "%s%s %s", out, named ? "," : ":", how(worst, a)));
    }
    for (size_t i = 0; i < r->drift.missing_columns_count; i++)
        out = text(gm_arena_printf(a, "%s, %s absent", out, r->drift.missing_columns[i] + 1));
    return out;
}

static const char *interval(const gm_interval *i, gm_arena *a)
{
    if (isnan(i->value)) return "";
    bool large = fabs(i->value) >= 10; /* an error in the target's units */
    if (isnan(i->low)) return text(gm_arena_printf(a, large ? "%.4g" : "%.3f", i->value));
    return text(gm_arena_printf(a, large ? "%.4g [%.4g, %.4g]" : "%.3f [%.3f, %.3f]", i->value, i->low, i->high));
}

static const char *decay(const gm_window_result *r, gm_arena *a)
{
    bool known = !isnan(r->decay);
    double d = known ? r->decay : r->decay_estimated;
    if (isnan(d)) return "";
    return text(gm_arena_printf(a, fabs(d) >= 10 ? "%.4g %s%s%s" : "%.3f %s%s%s", fabs(d), d > 0 ? "worse" : "better",
                                known ? "" : ", est.", r->decayed ? ", sure" : ""));
}

static const char *state_of(const gm_shown_window *w)
{
    return w->current ? "now" : w->final ? "final" : "open";
}

static void cells(const gm_shown_window *w, const char **out, gm_arena *a)
{
    char count[32], labelled[32];
    const gm_window_result *r = &w->result;
    out[0] = when(r, a);
    out[1] = text(gm_arena_printf(a, "%" PRId64, w->version));
    out[2] = text(gm_arena_strdup(a, gm_show_count(r->rows, count)));
    out[3] = text(gm_arena_strdup(a, gm_show_count(r->labelled, labelled)));
    out[4] = interval(&r->realised, a);
    out[5] = interval(&r->estimated, a);
    out[6] = decay(r, a);
    out[7] = r->checks_count ? text(gm_arena_printf(a, "%zu/%zu", r->checks_failed, r->checks_count)) : "";
    out[8] = state_of(w);
    out[9] = drifted(r, a);
}

/* What fits beside the other cells; 0 = no screen. Cut between characters. */
static const char *fitting(const char *cell, int columns, gm_arena *a)
{
    size_t room = columns > OTHER_CELLS_WIDE + 24 ? (size_t)(columns - OTHER_CELLS_WIDE) : 24, len = strlen(cell);
    if (!columns || len <= room) return cell;
    size_t keep = room - 1;
    while (keep > 0 && ((unsigned char)cell[keep] & 0xC0) == 0x80) keep--;
    return text(gm_arena_printf(a, "%.*s\u2026", (int)keep, cell));
}

static int screen_columns(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* ---- printing ---------------------------------------------------------------------------------------------------------- */

static void print_alerts(const gm_watch_state *s)
{
    char when_text[32];
    int resolved = 0;
    for (size_t i = 0; i < s->alerts_count; i++) {
        const gm_alert_record *alert = &s->alerts[i];
        bool firing = strcmp(alert->state, "firing") == 0;
        if (!firing && resolved++ == RESOLVED_SHOWN) break;
        if (i == 0) printf("\n%sAlerts%s\n", gm_term_bold(), gm_term_plain());
        printf("  %s%-8s %s%s  %" PRId64 "  since %s UTC  %s\n", firing ? gm_term_red() : gm_term_dim(), alert->severity,
               firing ? "firing  " : "resolved", gm_term_plain(), alert->id, gm_show_time(alert->began_us, when_text),
               alert->title);
    }
}

void gm_watch_print(const gm_watch_state *s, gm_arena *a)
{
    static const char *const heads[CELLS] = { "window (UTC)", "version",        "rows",   "labelled", NULL,
                                              "estimated",    "than reference", "checks", "labels",   "drifted" };
    const gm_window_result *newest = s->windows_count ? &s->windows[s->windows_count - 1].result : NULL;
    const char *names[CELLS], *values[CELLS];
    int columns = screen_columns();
    printf("%s%s%s  window %s", gm_term_bold(), s->spec->pipeline, gm_term_plain(),
           text(gm_window_text(&s->spec->monitor.window, a)));
    if (newest && newest->metric[0])
        printf("  %s %.4f in the reference of version %" PRId64, newest->metric, newest->reference_metric,
               s->windows[s->windows_count - 1].version);
    printf("\n\n");
    if (!newest) {
        printf(
            "Nothing was served in a whole window yet. `gristmill serve --log full` or `gristmill up` keeps what is served.\n");
    } else {
        gm_grid *g = gm_grid_new(a, CELLS);
        memcpy(names, heads, sizeof(names));
        names[4] = newest->metric[0] ? newest->metric : "performance";
        gm_grid_add(g, names);
        gm_grid_right(g, 1);
        gm_grid_right(g, 2);
        gm_grid_right(g, 3);
        for (size_t i = 0; i < s->windows_count; i++) {
            cells(&s->windows[i], values, a);
            values[CELLS - 1] = fitting(values[CELLS - 1], columns, a);
            gm_grid_add(g, values);
        }
        gm_grid_print(g);
    }
    if (s->cause[0]) printf("\n%sLikely cause%s  %s\n", gm_term_bold(), gm_term_plain(), s->cause);
    print_alerts(s);
    for (size_t i = 0; newest && i < newest->notes_count; i++)
        printf("%snote: %s%s\n", gm_term_dim(), newest->notes[i], gm_term_plain());
    for (size_t i = 0; i < s->look.notes_count; i++) printf("%snote: %s%s\n", gm_term_dim(), s->look.notes[i], gm_term_plain());
}

void gm_watch_line(const gm_shown_window *w, gm_arena *a)
{
    const char *v[CELLS];
    cells(w, v, a);
    printf("%s  version %s  %s rows, %s labelled", v[0], v[1], v[2], v[3]);
    if (v[4][0])
        printf("  %s %s", w->result.metric, v[4]);
    else if (v[5][0])
        printf("  %s %s estimated", w->result.metric, v[5]);
    if (v[6][0]) printf(" (%s)", v[6]);
    if (v[7][0]) printf("  checks failed: %s", v[7]);
    printf("  drifted: %s\n", v[9]);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------- */

static void alert_json(const gm_alert_record *r, gm_json *j)
{
    char when_text[48];
    gm_json_object(j);
    gm_json_kint(j, "id", r->id);
    gm_json_kstr(j, "rule", r->rule);
    gm_json_kstr(j, "severity", r->severity);
    gm_json_kstr(j, "state", r->state);
    gm_json_kstr(j, "began", gm_time_text(r->began_us, when_text, sizeof(when_text)));
    gm_json_key(j, "ended");
    if (r->ended_us)
        gm_json_str(j, gm_time_text(r->ended_us, when_text, sizeof(when_text)));
    else
        gm_json_null(j);
    gm_json_kstr(j, "title", r->title);
    gm_json_object_end(j);
}

void gm_watch_json(const gm_watch_state *s, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "model", s->spec->pipeline);
    gm_json_kint(j, "judged", s->look.windows);
    gm_json_key(j, "windows");
    gm_json_array(j);
    for (size_t i = 0; i < s->windows_count; i++) {
        gm_json_object(j);
        gm_json_kint(j, "version", s->windows[i].version);
        gm_json_kbool(j, "final", s->windows[i].final);
        gm_json_kbool(j, "under_way", s->windows[i].current);
        gm_json_key(j, "result");
        gm_window_json(&s->windows[i].result, j);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_kstr(j, "likely_cause", s->cause);
    gm_json_key(j, "alerts");
    gm_json_array(j);
    for (size_t i = 0; i < s->alerts_count; i++) alert_json(&s->alerts[i], j);
    gm_json_array_end(j);
    gm_json_key(j, "notes");
    gm_json_array(j);
    for (size_t i = 0; i < s->look.notes_count; i++) gm_json_str(j, s->look.notes[i]);
    gm_json_array_end(j);
    gm_json_object_end(j);
}
