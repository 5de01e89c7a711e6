/* rehearse_html.c - a rehearsal as one HTML page: no scripts, nothing fetched, light and dark by the reader's setting.
 *
 * Drawn: each window as a point, and the mean of seven of them as a line, so that a month is seen through the noise of its days;
 * below, a strip for each policy with its alarms and decisions. Long periods are thinned, so that the page stays under 200 KiB.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "govern/svg.h"
#include "loop/page_internal.h"
#include "loop/rehearse.h"

enum { WIDE = 900, HIGH = 300, LEFT = 56, RIGHT = 14, TOP = 14, MEAN_OF = 7, STRIP = 44 };
/* Of all policies together, so that many of them make no larger page. */
enum {
    POINTS_MAX = 800,
    BARS_MAX = 500,
    MARKS_MAX = 300,
    LISTED_MAX = 150,
    TEXT_MAX = 200,
    ROW_BYTES = 4096,
    PAGE_BYTES = 196 * 1024
};
static const int64_t day_us = 86400000000;

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
    "content=\"width=device-width,initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">\n<title>";
static const char style[] =
    "</title>\n<style>:root{color-scheme:light "
    "dark;--bg:#fbfbfa;--panel:#fff;--ink:#1f2328;--soft:#5c6570;--line:#e3e5e8;--s0:#2f6da8;--s1:#c2571a;--s2:#22774a;"
    "--s3:#8a3f9e;--s4:#8f5d00;--s5:#b3362b;--warn:#d9a400}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#15181c;--panel:#1c2025;--ink:#e3e6ea;--soft:#9aa4b0;--line:#31373e;--s0:#"
    "7db2e3;--s1:#f0965a;--s2:#6cc493;"
    "--s3:#c78ad8;--s4:#e0b252;--s5:#ef8a80}}\n"
    "body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.55 system-ui,sans-serif}main{max-width:64rem;margin:0 "
    "auto;padding:2rem 1.5rem 4rem}\n"
    "h1{font-size:1.7rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:0 0 .6rem}p{margin:.4rem "
    "0;max-width:50rem}.soft{color:var(--soft)}\n"
    "section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.4rem;margin:1rem 0}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;width:100%;font-variant-numeric:tabular-nums}"
    "th{text-align:left;font-weight:500;color:var(--soft);border-bottom:1px solid var(--line)}td{border-bottom:1px solid "
    "var(--line);vertical-align:top;"
    "overflow-wrap:anywhere}th,td{padding:.3rem .8rem .3rem 0}.r{text-align:right}\n"
    "svg{display:block;max-width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--soft)}svg "
    ".name{fill:var(--ink);font-size:12px}"
    ".grid{stroke:var(--line)}.drift{fill:var(--warn);fill-opacity:.75}.decay{fill:var(--s5);fill-opacity:.75}.mark{stroke:var(--"
    "ink)}.no{fill:var(--panel);"
    "stroke:var(--ink)}.yes{fill:var(--ink)}\n"
    ".l0{stroke:var(--s0)}.l1{stroke:var(--s1)}.l2{stroke:var(--s2)}.l3{stroke:var(--s3)}.l4{stroke:var(--s4)}.l5{stroke:var(--"
    "s5)}"
    ".l0,.l1,.l2,.l3,.l4,.l5{fill:none;stroke-width:2}\n"
    ".p0{fill:var(--s0)}.p1{fill:var(--s1)}.p2{fill:var(--s2)}.p3{fill:var(--s3)}.p4{fill:var(--s4)}.p5{fill:var(--s5)}.dot{fill-"
    "opacity:.28}</style></head><body><main>\n";

static void moment(const gm_rehearsal *r, int64_t us, char out[48])
{
    (void)gm_time_text(us, out, 48);
    out[r->step_us % day_us == 0 && us % day_us == 0 ? 10 : 16] = '\0';
}

/* A policy's part of what the page has room for. */
static size_t share(const gm_rehearsal *r, size_t all)
{
    return all / (r->policies_count ? r->policies_count : 1);
}

static void cell(gm_buf *b, const char *css_class, const char *text)
{
    gm_buf_printf(b, "<td%s>", css_class);
    gm_markup_text(b, text);
    gm_buf_text(b, "</td>");
}

static void number_cell(gm_buf *b, double v)
{
    char text[32] = "\u2013";
    if (!isnan(v)) (void)snprintf(text, sizeof(text), "%.4f", v);
    cell(b, " class=\"r\"", text);
}

static void count_cell(gm_buf *b, int64_t v)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64, v);
    cell(b, " class=\"r\"", text);
}

static void alarm_cell(gm_buf *b, int64_t all, int64_t wrong)
{
    char text[64];
    (void)snprintf(text, sizeof(text), all ? "%" PRId64 " (%" PRId64 ")" : "%" PRId64, all, wrong);
    cell(b, " class=\"r\"", text);
}

/* ---- the drawing ----------------------------------------------------------------------------------------------------------- */

typedef struct plot {
    const gm_rehearsal *r;
    gm_scale x, y;
    double bottom;
} plot;

static double x_of(const plot *p, int64_t us)
{
    return gm_scale_at(&p->x, (double)(us - p->r->begin_us));
}

static bool find_scales(const gm_rehearsal *r, plot *p)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < r->policies_count; i++)
        for (size_t k = 0; k < r->policies[i].windows_count; k++) {
            double v = r->policies[i].windows[k].metric;
            if (isnan(v)) continue;
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
    if (!(high >= low)) return false;
    double room = high > low ? (high - low) * 0.04 : 0.05;
    *p = (plot){ .r = r, .bottom = HIGH };
    p->x = (gm_scale){ 0, (double)(r->until_us - r->begin_us), LEFT, WIDE - RIGHT };
    p->y = (gm_scale){ low - room, high + room, HIGH, TOP };
    return true;
}

static void draw_axes(const plot *p, gm_buf *svg)
{
    double ticks[16];
    int decimals = 0;
    char text[48], label[32];
    size_t count = gm_ticks(p->y.from, p->y.to, 6, ticks, &decimals);
    for (size_t i = 0; i < count; i++) {
        double at = gm_scale_at(&p->y, ticks[i]);
        gm_svg_line(svg, LEFT, at, WIDE - RIGHT, at, "grid");
        (void)snprintf(label, sizeof(label), "%.*f", decimals, ticks[i]);
        gm_svg_text(svg, LEFT - 6, at + 4, GM_ANCHOR_END, "t", label);
    }
    int64_t days = (p->r->until_us - p->r->begin_us) / day_us, apart = days > 3700 ? 366 : days > 500 ? 90 : 1;
    int64_t last = INT64_MIN;
    for (int64_t us = p->r->begin_us - p->r->begin_us % day_us + day_us; us < p->r->until_us;
         us += day_us) { /* the first of each month */
        (void)gm_time_text(us, text, sizeof(text));
        if (strncmp(text + 8, "01", 2) != 0 || (last != INT64_MIN && us - last < apart * day_us)) continue;
        last = us;
        gm_svg_line(svg, x_of(p, us), TOP, x_of(p, us), p->bottom, "grid");
        text[7] = '\0';
        gm_svg_text(svg, x_of(p, us) + 3, HIGH + 14, GM_ANCHOR_START, "t", text);
    }
}

/* The mean of the last windows; a point where there are at least as many as half of them. */
static double mean_at(const gm_rehearsal_policy *o, size_t i)
{
    double sum = 0;
    int count = 0;
    for (size_t k = i >= MEAN_OF - 1 ? i - (MEAN_OF - 1) : 0; k <= i; k++) {
        if (isnan(o->windows[k].metric)) continue;
        sum += o->windows[k].metric;
        count++;
    }
    return count > MEAN_OF / 2 ? sum / count : (double)NAN;
}

static void draw_policy(const plot *p, const gm_rehearsal_policy *o, size_t index, gm_buf *svg)
{
    char css[16];
    double xy[2 * POINTS_MAX];
    size_t most = share(p->r, POINTS_MAX), every = o->windows_count / most + 1, count = 0;
    (void)snprintf(css, sizeof(css), "dot p%zu", index % 6);
    for (size_t i = 0; i < o->windows_count; i += every) {
        const gm_rehearsal_window *w = &o->windows[i];
        double mean = mean_at(o, i), x = x_of(p, w->from_us + (w->until_us - w->from_us) / 2);
        if (!isnan(w->metric)) gm_svg_circle(svg, x, gm_scale_at(&p->y, w->metric), 1.6, css);
        if (isnan(mean) || count >= most) continue;
        xy[2 * count] = x;
        xy[2 * count++ + 1] = gm_scale_at(&p->y, mean);
    }
    (void)snprintf(css, sizeof(css), "l%zu", index % 6);
    if (count > 1) gm_svg_path(svg, xy, count, false, css);
}

/* Runs of alarmed windows as one bar each. */
static void draw_alarms(const plot *p, const gm_rehearsal_policy *o, double y, bool decay, gm_buf *svg)
{
    size_t left = share(p->r, BARS_MAX) / 2;
    for (size_t i = 0; i < o->windows_count && left; i++) {
        size_t end = i;
        while (end < o->windows_count && (decay ? o->windows[end].decayed : o->windows[end].drifted)) end++;
        if (end == i) continue;
        double from = x_of(p, o->windows[i].from_us), to = x_of(p, o->windows[end - 1].until_us);
        gm_svg_rect(svg, from, y, to - from > 1 ? to - from : 1, 6, decay ? "decay" : "drift");
        i = end;
        left--;
    }
}

static void draw_strip(const plot *p, const gm_rehearsal_policy *o, size_t index, double y, gm_buf *svg)
{
    char css[16];
    (void)snprintf(css, sizeof(css), "p%zu", index % 6);
    gm_svg_rect(svg, LEFT - 48, y + 3, 9, 9, css);
    gm_svg_text(svg, LEFT - 34, y + 12, GM_ANCHOR_START, "name", o->name);
    draw_alarms(p, o, y + 18, false, svg);
    draw_alarms(p, o, y + 26, true, svg);
    for (size_t i = 0; i < o->decisions_count && i < share(p->r, MARKS_MAX); i++) {
        bool yes = o->decisions[i].outcome == GM_REHEARSAL_PROMOTED || o->decisions[i].outcome == GM_REHEARSAL_FIRST;
        gm_svg_circle(svg, x_of(p, o->decisions[i].at_us), y + 25, 4, yes ? "yes" : "no");
    }
}

static void drawing(const gm_rehearsal *r, gm_buf *b)
{
    plot p;
    gm_buf svg = { 0 };
    char title[128];
    if (!find_scales(r, &p)) return;
    double high = HIGH + 26 + STRIP * (double)r->policies_count;
    p.bottom = high;
    (void)snprintf(title, sizeof(title), "%s of each window, by policy", r->metric);
    gm_svg_begin(&svg, WIDE, high, "windows", title,
                 "points are windows, lines the mean of seven; below, alarms and decisions of each policy");
    draw_axes(&p, &svg);
    for (size_t i = 0; i < r->policies_count; i++) draw_policy(&p, &r->policies[i], i, &svg);
    for (size_t i = 0; i < r->policies_count; i++) draw_strip(&p, &r->policies[i], i, HIGH + 20 + STRIP * (double)i, &svg);
    gm_svg_end(&svg);
    gm_buf_text(b, "<section><h2>");
    gm_markup_text(b, title);
    gm_buf_text(b, "</h2>\n<div class=\"scroll\">");
    gm_buf_text(b, gm_buf_str(&svg));
    gm_buf_text(b, "</div>\n<p class=\"soft\">Points: windows. Lines: the mean of the last seven. Below, for each policy: "
                   "windows that drifted (yellow) and that decayed (red); trainings "
                   "that were promoted (filled) or not (empty).</p></section>\n");
    gm_buf_clear(&svg);
}

/* ---- tables -----------------------------------------------------------------------------------------------------------------
 */

static void summary(const gm_rehearsal *r, gm_buf *b)
{
    char text[160], day[48];
    gm_buf_text(b, "<section><h2>Policies</h2><div class=\"scroll\"><table><tr><th>policy<th class=\"r\">all rows<th "
                   "class=\"r\">against first<th class=\"r\">mean of windows"
                   "<th class=\"r\">worst<th>on<th class=\"r\">trainings<th class=\"r\">promoted<th class=\"r\">refused<th "
                   "class=\"r\">drift (false)<th class=\"r\">decay (false)"
                   "<th class=\"r\">CPU s</tr>\n");
    for (size_t i = 0; i < r->policies_count; i++) {
        const gm_rehearsal_policy *p = &r->policies[i];
        gm_buf_text(b, "<tr>");
        cell(b, "", p->name);
        number_cell(b, p->overall.value);
        text[0] = '\0';
        if (p->against_first.method && isnan(p->against_first.low))
            (void)snprintf(text, sizeof(text), "%+.4f", p->against_first.delta);
        else if (p->against_first.method)
            (void)snprintf(text, sizeof(text), "%+.4f [%+.4f, %+.4f]", p->against_first.delta, p->against_first.low,
                           p->against_first.high);
        cell(b, " class=\"r\"", text);
        number_cell(b, p->mean);
        number_cell(b, p->worst);
        day[0] = '\0';
        if (!isnan(p->worst)) moment(r, p->worst_from_us, day);
        cell(b, "", day);
        count_cell(b, p->trainings);
        count_cell(b, p->promoted);
        count_cell(b, p->refused + p->failed);
        alarm_cell(b, p->drift_alarms, p->false_drift);
        alarm_cell(b, p->decay_alarms, p->false_decay);
        (void)snprintf(text, sizeof(text), "%.1f", (double)p->cpu_us / 1e6);
        cell(b, " class=\"r\"", text);
        gm_buf_text(b, "</tr>\n");
    }
    gm_buf_text(b, "</table></div></section>\n");
}

static void text_cell(gm_buf *b, const char *text)
{
    gm_buf_text(b, "<td>");
    gm_page_text(b, text, TEXT_MAX);
    gm_buf_text(b, "</td>");
}

static void decisions(const gm_rehearsal *r, const gm_rehearsal_policy *p, gm_buf *b)
{
    char day[48];
    size_t listed = share(r, LISTED_MAX), i = 0;
    gm_buf_text(b, "<section><h2>");
    gm_page_text(b, p->name, TEXT_MAX);
    gm_buf_text(b, "</h2><div class=\"scroll\"><table><tr><th>at<th>why<th>outcome<th>trainer<th class=\"r\">test<th "
                   "class=\"r\">rows<th>detail</tr>\n");
    for (; i < p->decisions_count && i < listed && b->len + ROW_BYTES < PAGE_BYTES; i++) {
        const gm_rehearsal_decision *d = &p->decisions[i];
        gm_buf_text(b, "<tr>");
        moment(r, d->at_us, day);
        cell(b, "", day);
        text_cell(b, d->reason);
        cell(b, "", gm_rehearsal_outcome_name(d->outcome));
        text_cell(b, d->trainer);
        number_cell(b, d->test_metric);
        count_cell(b, d->rows);
        text_cell(b, d->detail);
        gm_buf_text(b, "</tr>\n");
    }
    gm_buf_text(b, "</table></div>");
    if (p->decisions_count > i)
        gm_buf_printf(b, "<p class=\"soft\">... and %zu more; --json has all of them.</p>", p->decisions_count - i);
    gm_buf_text(b, "</section>\n");
}

void gm_rehearsal_html(const gm_rehearsal *r, gm_buf *out)
{
    char from[48], until[48], begin[48];
    moment(r, r->from_us, from);
    moment(r, r->until_us, until);
    moment(r, r->begin_us, begin);
    gm_buf_text(out, head);
    gm_page_text(out, r->pipeline, TEXT_MAX);
    gm_buf_text(out, ": rehearsal");
    gm_buf_text(out, style);
    gm_buf_text(out, "<h1>");
    gm_page_text(out, r->pipeline, TEXT_MAX);
    gm_buf_printf(out,
                  ": rehearsal</h1>\n<p class=\"soft\">%s to %s in steps of %g d; the first model at %s, after %.0f d. "
                  "Labels are known %g d after their rows",
                  from, until, (double)r->step_us / (double)day_us, begin, (double)r->first_us / (double)day_us,
                  (double)r->delay_us / (double)day_us);
    if (r->history_us) gm_buf_printf(out, "; trainings read the last %g d", (double)r->history_us / (double)day_us);
    gm_buf_text(out, ".</p>\n");
    drawing(r, out);
    summary(r, out);
    for (size_t i = 0; i < r->policies_count; i++) decisions(r, &r->policies[i], out);
    gm_buf_text(out, "<p class=\"soft\">An alarm is false when the model that it was about, left in its place, was no worse on "
                     "the next window than on its own test rows.</p></main></body></html>\n");
}
