/* cause.c - which column moved first, as one line for alerts and pages. See gm_likely_cause in monitor.h.
 *
 * Of each column that drifts in the newest judged window the streak is followed back, window by window, for as long as it
 * drifted; windows that were not judged say nothing and are passed over. The longest streak comes first. It is a hint, not a
 * proof: what moved upstream first is where to look first.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "watch/monitor.h"

enum { NAMED_MAX = 4 }; /* columns named; the rest are counted */

typedef struct streak {
    const char *name;
    size_t first;              /* index of its first window */
    const gm_drift_column *at; /* there; NULL: the column was absent */
    double most;               /* largest value since */
    size_t place;              /* among the reference's columns, for equal ones */
} streak;

static const gm_drift_column *find(const gm_window_result *w, const char *name)
{
    for (size_t i = 0; i < w->drift.count; i++)
        if (strcmp(w->drift.columns[i].name, name) == 0) return &w->drift.columns[i];
    return NULL;
}

static bool absent(const gm_window_result *w, const char *name)
{
    for (size_t i = 0; i < w->drift.missing_columns_count; i++)
        if (w->drift.missing_columns[i][0] == '-' && strcmp(w->drift.missing_columns[i] + 1, name) == 0) return true;
    return false;
}

static streak follow(const gm_window_result *windows, size_t count, const char *name, size_t place)
{
    streak s = { .name = name, .first = count - 1, .most = NAN, .place = place };
    for (size_t i = count; i-- > 0;) {
        const gm_drift_column *c = find(&windows[i], name);
        if (!windows[i].judged) continue;
        if (!(c && gm_drift_moved(c)) && !absent(&windows[i], name)) break;
        s.first = i;
        s.at = c;
        if (c && c->drifted && (isnan(s.most) || c->value > s.most)) s.most = c->value;
    }
    return s;
}

static int earlier(const void *x, const void *y)
{
    const streak *a = x, *b = y;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    double p = a->at && a->at->limit > 0 ? a->at->value / a->at->limit : 0,
           q = b->at && b->at->limit > 0 ? b->at->value / b->at->limit : 0;
    if (p > q || p < q) return p > q ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* "psi 0.31 to 1.92 since", "missing 0.1 % to 34.0 %", the words of the rates, or that it is gone. */
static void how(const streak *s, gm_buf *out)
{
    const gm_drift_column *c = s->at;
    if (!c)
        gm_buf_text(out, "no longer served");
    else if (c->drifted && s->most > c->value)
        gm_buf_printf(out, "%s %.3g, up to %.3g since", c->detector ? c->detector->item.name : "drift", c->value, s->most);
    else if (c->drifted)
        gm_buf_printf(out, "%s %.3g over %.3g", c->detector ? c->detector->item.name : "drift", c->value, c->limit);
    else if (c->missing_rose)
        gm_buf_printf(out, "missing %.1f %%, %.1f %% in the reference", 100 * c->missing_current, 100 * c->missing_reference);
    else if (c->new_values)
        gm_buf_printf(out, "%.1f %% new values", 100 * c->new_share);
    else
        gm_buf_printf(out, "%.1f %% outside the reference's range", 100 * c->range_share);
}

/* When a window began, as fine as it is long: the day, the minute of windows shorter than a day, the second below a minute. */
static void begin_text(const gm_window_result *w, char *out, size_t out_size)
{
    const int64_t second_us = 1000000, length_us = w->until_us - w->from_us;
    (void)gm_time_text(gm_floor_div(w->from_us, second_us) * second_us, out, out_size);
    size_t keep = length_us >= 86400 * second_us ? 10 : length_us >= 60 * second_us ? 16 : 19;
    if (strlen(out) < 19) return;
    out[10] = ' ';
    out[keep] = '\0';
}

static void say(const streak *s, size_t i, const gm_window_result *windows, gm_buf *out)
{
    char when[48];
    begin_text(&windows[s->first], when, sizeof(when));
    gm_buf_printf(out, "%s%s%s (%s, ", i == 0 ? "" : i == 1 ? "; then " : ", ", s->name, i == 0 ? " moved first" : "", when);
    how(s, out);
    gm_buf_char(out, ')');
}

static const char *without_columns(const gm_window_result *w)
{
    bool predictions = w->prediction.detector && w->prediction.drifted;
    if (w->decayed) return "no column moved: what links the columns to the target has changed, or the labels have";
    return predictions ? "no column moved by itself, the predictions did: look at columns together (multivariate: true)" : "";
}

const char *gm_likely_cause(const gm_window_result *windows, size_t count, gm_arena *a)
{
    size_t found = 0;
    gm_buf text = { 0 };
    while (count && !windows[count - 1].judged) count--;
    if (!count) return "";
    const gm_drift_result *d = &windows[count - 1].drift;
    streak *streaks = GM_ARENA_ARRAY(a, streak, d->count + d->missing_columns_count);
    if (!streaks) return "";
    for (size_t i = 0; i < d->count; i++)
        if (gm_drift_moved(&d->columns[i])) streaks[found++] = follow(windows, count, d->columns[i].name, i);
    for (size_t i = 0; i < d->missing_columns_count; i++)
        if (d->missing_columns[i][0] == '-') streaks[found++] = follow(windows, count, d->missing_columns[i] + 1, d->count + i);
    if (!found) return without_columns(&windows[count - 1]);
    qsort(streaks, found, sizeof(*streaks), earlier);
    for (size_t i = 0; i < found && i < NAMED_MAX; i++) say(&streaks[i], i, windows, &text);
    if (found > NAMED_MAX) gm_buf_printf(&text, " and %zu more", found - NAMED_MAX);
    const char *out = text.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&text));
    gm_buf_clear(&text);
    return out ? out : "";
}
