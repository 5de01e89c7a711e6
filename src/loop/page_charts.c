/* page_charts.c - the drawings of a page. See page_internal.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "govern/svg.h"
#include "loop/page_internal.h"

enum {
    WIDE = 960,
    HIGH = 220,
    LEFT = 56,
    RIGHT = 14,
    TOP = 14,
    BOTTOM = 26,
    SMALL_WIDE = 280,
    SMALL_HIGH = 96,
    POINTS_MAX = 500,
    NAME_BYTES = 100
};

static void widen(double *low, double *high, double v)
{
    if (!isfinite(v)) return;
    if (!isfinite(*low) || v < *low) *low = v;
    if (!isfinite(*high) || v > *high) *high = v;
}

static void pad(double *low, double *high)
{
    double room = (*high - *low) * 0.08;
    if (!(room > 0)) room = fabs(*low) > 0 ? fabs(*low) * 0.05 : 0.05;
    *low -= room;
    *high += room;
}

static void caption(gm_buf *out, const char *text)
{
    gm_buf_text(out, "<figcaption>");
    gm_markup_text(out, text);
    gm_buf_text(out, "</figcaption></figure>\n");
}

/* ---- over time --------------------------------------------------------------------------------------------------------- */

typedef struct time_chart {
    const gm_watch_page *p;
    size_t first;
    gm_scale x, y;
} time_chart;

static const gm_window_result *at(const time_chart *c, size_t i)
{
    return c->p->windows[i].result;
}

static double middle(const gm_window_result *r)
{
    return ((double)r->from_us + (double)r->until_us) / 2;
}

static time_chart over_time(const gm_watch_page *p, size_t first, double low, double high)
{
    time_chart c = { .p = p, .first = first };
    double from = (double)p->windows[first].result->from_us, until = (double)p->windows[p->windows_count - 1].result->until_us;
    c.x = (gm_scale){ from, until, LEFT, WIDE - RIGHT };
    c.y = (gm_scale){ low, high, HIGH - BOTTOM, TOP };
    return c;
}

static void axes(const time_chart *c, gm_buf *out)
{
    double ticks[16];
    char text[48];
    int decimals = 0;
    size_t count = gm_ticks(c->y.from, c->y.to, 4, ticks, &decimals);
    for (size_t i = 0; i < count; i++) {
        double y = gm_scale_at(&c->y, ticks[i]);
        gm_svg_line(out, LEFT, y, WIDE - RIGHT, y, "grid");
        (void)snprintf(text, sizeof(text), "%.*f", decimals, ticks[i]);
        gm_svg_text(out, LEFT - 6, y + 4, GM_ANCHOR_END, "t", text);
    }
    for (int i = 0; i <= 4; i++) {
        double us = c->x.from + (c->x.to - c->x.from) * i / 4;
        int64_t step = c->x.to - c->x.from > 3600e6 ? 60000000 : 1000000;
        (void)gm_page_time((int64_t)us - (int64_t)us % step, text);
        if (c->x.to - c->x.from > 8 * 86400e6) text[10] = '\0';
        gm_svg_text(out, gm_scale_at(&c->x, us), HIGH - 6,
                    i == 0   ? GM_ANCHOR_START
                    : i == 4 ? GM_ANCHOR_END
                             : GM_ANCHOR_MIDDLE,
                    "t", text);
    }
}

/* Where a rule began to fire. */
static void alert_marks(const time_chart *c, gm_buf *out)
{
    for (size_t i = 0; i < c->p->alerts_count; i++) {
        double us = (double)c->p->alerts[i].began_us;
        if (us < c->x.from || us > c->x.to) continue;
        double x = gm_scale_at(&c->x, us);
        const double mark[] = { x - 5, TOP - 12, x + 5, TOP - 12, x, TOP - 3 };
        gm_svg_line(out, x, TOP - 4, x, HIGH - BOTTOM, "alert");
        gm_svg_path(out, mark, 3, true, "mark");
    }
}

/* The interval of each window as one band; windows without one are passed over. */
static void band(const time_chart *c, gm_buf *out)
{
    double xy[4 * POINTS_MAX];
    size_t n = 0, count = 0;
    for (size_t i = c->first; i < c->p->windows_count && count < POINTS_MAX; i++)
        count += (size_t)(isfinite(at(c, i)->estimated.low) != 0);
    if (count < 2) return;
    for (size_t i = c->first; i < c->p->windows_count && n < count; i++)
        if (isfinite(at(c, i)->estimated.low)) {
            xy[2 * n] = xy[2 * (2 * count - 1 - n)] = gm_scale_at(&c->x, middle(at(c, i)));
            xy[2 * n + 1] = gm_scale_at(&c->y, at(c, i)->estimated.high);
            xy[2 * (2 * count - 1 - n) + 1] = gm_scale_at(&c->y, at(c, i)->estimated.low);
            n++;
        }
    gm_svg_path(out, xy, 2 * count, true, "area");
}

static void line(const time_chart *c, double (*value)(const gm_window_result *), const char *css_class, gm_buf *out)
{
    double xy[2 * POINTS_MAX];
    size_t n = 0;
    for (size_t i = c->first; i < c->p->windows_count && n < POINTS_MAX; i++) {
        if (!isfinite(value(at(c, i)))) continue;
        xy[2 * n] = gm_scale_at(&c->x, middle(at(c, i)));
        xy[2 * n++ + 1] = gm_scale_at(&c->y, value(at(c, i)));
    }
    if (n > 1) gm_svg_path(out, xy, n, false, css_class);
}

static double estimated_of(const gm_window_result *r)
{
    return r->estimated.value;
}

static double reference_of(const gm_window_result *r)
{
    return r->metric && r->metric[0] ? r->reference_metric : (double)NAN;
}

void gm_page_metric_chart(const gm_watch_page *p, size_t first, gm_buf *out)
{
    double low = NAN, high = NAN;
    const char *metric = "";
    for (size_t i = first; i < p->windows_count; i++) {
        const gm_window_result *r = p->windows[i].result;
        const double values[] = { r->realised.value,  r->realised.low,  r->realised.high,
                                  r->estimated.value, r->estimated.low, r->estimated.high };
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) widen(&low, &high, values[k]);
        if (isfinite(r->realised.value) || isfinite(r->estimated.value)) {
            widen(&low, &high, r->reference_metric);
            metric = r->metric;
        }
    }
    if (!isfinite(low)) return;
    pad(&low, &high);
    time_chart c = over_time(p, first, low, high);
    gm_buf_text(out, "<figure>");
    gm_svg_begin(out, WIDE, HIGH, "metric", metric,
                 "Performance of each window: estimated as a band, realised as dots with 95 % intervals, the reference dashed.");
    axes(&c, out);
    band(&c, out);
    line(&c, estimated_of, "thin", out);
    line(&c, reference_of, "ref", out);
    for (size_t i = first; i < p->windows_count; i++) {
        const gm_window_result *r = at(&c, i);
        double x = gm_scale_at(&c.x, middle(r));
        if (!isfinite(r->realised.value)) continue;
        if (isfinite(r->realised.low))
            gm_svg_line(out, x, gm_scale_at(&c.y, r->realised.low), x, gm_scale_at(&c.y, r->realised.high), "whisker");
        gm_svg_circle(out, x, gm_scale_at(&c.y, r->realised.value), 3, r->decayed ? "baddot" : "dot");
    }
    alert_marks(&c, out);
    gm_svg_end(out);
    caption(out, "Dots: realised, with 95 % interval; red where it is surely worse than the reference (dashed). Band: estimated "
                 "before labels. Triangles: an alert began.");
}

/* A column of the chart for each window, as high as columns drifted. */
void gm_page_drift_chart(const gm_watch_page *p, size_t first, gm_buf *out)
{
    double most = 0;
    for (size_t i = first; i < p->windows_count; i++)
        if (p->windows[i].result->judged) most = fmax(most, (double)p->windows[i].result->drifted_columns);
    if (most <= 0) return;
    time_chart c = over_time(p, first, 0, most * 1.1);
    gm_buf_text(out, "<figure>");
    gm_svg_begin(out, WIDE, HIGH, "drifted", "Columns that drifted", "How many columns drifted in each window.");
    axes(&c, out);
    for (size_t i = first; i < p->windows_count; i++) {
        const gm_window_result *r = at(&c, i);
        double from = gm_scale_at(&c.x, (double)r->from_us), until = gm_scale_at(&c.x, (double)r->until_us),
               top = gm_scale_at(&c.y, (double)r->drifted_columns);
        double gap = until - from > 4 ? 1 : 0;
        if (r->judged && r->drifted_columns > 0)
            gm_svg_rect(out, from + gap, top, fmax(until - from - 2 * gap, 1), HIGH - BOTTOM - top, r->drifted ? "worse" : "bar");
    }
    alert_marks(&c, out);
    gm_svg_end(out);
    caption(out, "Columns that drifted, by window; red where the window counts as drifted.");
}

/* ---- one column -------------------------------------------------------------------------------------------------------- */

static double highest(const gm_page_shape *s)
{
    double most = 1e-9;
    for (size_t i = 0; i < s->bins; i++) most = fmax(most, fmax(s->reference[i], s->current[i]));
    return most;
}

/* Steps over the bins, closed along the bottom. */
static void steps(const gm_page_shape *s, const double *shares, double most, const char *css_class, bool closed, gm_buf *out)
{
    double xy[2 * (2 * 64 + 2)], step = (double)SMALL_WIDE / (double)s->bins;
    size_t n = 0;
    const double floor_y = SMALL_HIGH - 16, room = floor_y - 4;
    xy[n++] = 0;
    xy[n++] = floor_y;
    for (size_t i = 0; i < s->bins && i < 64; i++)
        for (size_t end = 0; end < 2; end++) {
            xy[n++] = step * (double)(i + end);
            xy[n++] = floor_y - room * shares[i] / most;
        }
    xy[n++] = SMALL_WIDE;
    xy[n++] = floor_y;
    gm_svg_path(out, xy, n / 2, closed, css_class);
}

static void numbers(const gm_page_shape *s, gm_buf *out)
{
    char low[48], high[48];
    double most = highest(s);
    steps(s, s->current, most, "current", true, out);
    steps(s, s->reference, most, "outline", false, out);
    if (s->type == GM_TYPE_TIME) {
        (void)gm_page_time((int64_t)s->low, low);
        (void)gm_page_time((int64_t)s->high, high);
    } else {
        (void)snprintf(low, sizeof(low), "%.4g", s->low);
        (void)snprintf(high, sizeof(high), "%.4g", s->high);
    }
    gm_svg_text(out, 0, SMALL_HIGH - 3, GM_ANCHOR_START, "t", low);
    gm_svg_text(out, SMALL_WIDE, SMALL_HIGH - 3, GM_ANCHOR_END, "t", high);
}

static void texts(const gm_page_shape *s, gm_buf *out)
{
    double most = highest(s), step = (double)SMALL_WIDE / (double)s->bins;
    const double floor_y = SMALL_HIGH - 16, room = floor_y - 4;
    for (size_t i = 0; i < s->bins; i++) {
        char label[12];
        double x = step * (double)i, r = room * s->reference[i] / most, c = room * s->current[i] / most;
        gm_svg_rect(out, x + step * 0.08, floor_y - r, step * 0.4, r, "dim");
        gm_svg_rect(out, x + step * 0.52, floor_y - c, step * 0.4, c, "bar");
        size_t len = strlen(s->labels[i]), keep = len < 7 ? len : 6;
        while (keep > 0 && keep < len && ((unsigned char)s->labels[i][keep] & 0xC0) == 0x80) keep--;
        (void)snprintf(label, sizeof(label), "%.*s%s", (int)keep, s->labels[i], keep < len ? "\u2026" : "");
        gm_svg_text(out, x + step / 2, SMALL_HIGH - 3, GM_ANCHOR_MIDDLE, "t", label);
    }
}

void gm_page_shape_chart(const gm_page_shape *s, const gm_drift_column *c, size_t number, gm_buf *out)
{
    char id[32], text[240], name[NAME_BYTES + 4];
    bool bad = c && gm_drift_moved(c);
    if (!s->bins) return;
    (void)snprintf(id, sizeof(id), "c%zu", number);
    size_t len = strlen(s->name), keep = len < NAME_BYTES ? len : NAME_BYTES;
    while (keep > 0 && keep < len && ((unsigned char)s->name[keep] & 0xC0) == 0x80) keep--;
    (void)snprintf(name, sizeof(name), "%.*s%s", (int)keep, s->name, keep < len ? "\u2026" : "");
    gm_buf_printf(out, "<figure%s>", bad ? " class=\"moved\"" : "");
    gm_svg_begin(out, SMALL_WIDE, SMALL_HIGH, id, name, "Shares of values: the reference and this window.");
    gm_svg_line(out, 0, SMALL_HIGH - 16, SMALL_WIDE, SMALL_HIGH - 16, "axis");
    if (s->labels)
        texts(s, out);
    else
        numbers(s, out);
    gm_svg_end(out);
    if (c && c->detector && isfinite(c->value))
        (void)snprintf(text, sizeof(text), "%s: %s %.3g %s %.3g%s", name, c->detector->item.name, c->value,
                       c->value > c->limit ? ">" : "\u2264", c->limit,
                       c->missing_rose   ? ", more missing"
                       : c->new_values   ? ", new values"
                       : c->out_of_range ? ", out of range"
                                         : "");
    else
        (void)snprintf(text, sizeof(text), "%s", name);
    caption(out, text);
}
