/* page.c - the words and tables of a page, and how it keeps to its size. See page.h. */
#include "loop/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "govern/svg.h"
#include "loop/page_internal.h"

enum { TITLE_MAX = 200, LEAD_MAX = 800, CAUSE_MAX = 900, CELL_MAX = 200 }; /* bytes of a text before it is escaped */

/* How much of everything is told; the next smaller one is taken when the page would be too long. */
typedef struct amount {
    size_t charts, columns, windows, points;
    size_t alerts, checks; /* and as many that were not asked */
    size_t text;           /* bytes of a text before it is escaped, which makes six of one at most */
} amount;
static const amount amounts[] = { { 60, 300, 120, 400, 300, 60, 600 },
                                  { 30, 200, 60, 400, 150, 60, 400 },
                                  { 12, 100, 30, 200, 60, 40, 200 },
                                  { 0, 40, 12, 100, 20, 15, 120 },
                                  { 0, 30, 10, 60, 15, 10, 40 } }; /* always fits: at most 130 KiB */

static const char style[] = ":root{color-scheme:light "
                            "dark;--bg:#fbfbfa;--panel:#fff;--ink:#1f2328;--soft:#5c6570;--line:#e3e5e8;--blue:#2f6da8;--good:#"
                            "22774a;--warn:#8f5d00;--bad:#b3362b}\n"
                            "@media(prefers-color-scheme:dark){:root{--bg:#15181c;--panel:#1c2025;--ink:#e3e6ea;--soft:#9aa4b0;--"
                            "line:#31373e;--blue:#7db2e3;--good:#6cc493;--warn:#e0b252;"
                            "--bad:#ef8a80}}\n"
                            "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 "
                            "system-ui,-apple-system,\"Segoe UI\",Roboto,Arial,sans-serif}\n"
                            "main{max-width:66rem;margin:0 auto;padding:2rem 1.2rem 3rem}h1{font-size:1.7rem;margin:0 0 "
                            ".2rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:0 0 .6rem}\n"
                            ".lead,footer{color:var(--soft)}section{background:var(--panel);border:1px solid "
                            "var(--line);border-radius:8px;padding:1rem 1.2rem;margin:1rem 0}\n"
                            ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.86rem;width:100%;font-variant-"
                            "numeric:tabular-nums}th{text-align:left;font-weight:500;"
                            "color:var(--soft);border-bottom:1px solid var(--line);white-space:nowrap}td{border-bottom:1px solid "
                            "var(--line);vertical-align:top}th,td{padding:.28rem .8rem .28rem "
                            "0}.r{text-align:right;white-space:nowrap}.n{white-space:nowrap}\n"
                            ".bad{color:var(--bad);font-weight:600}.good{color:var(--good)}.soft{color:var(--soft)}.figs{display:"
                            "grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));"
                            "gap:1rem 1.4rem}figure{margin:0 0 "
                            ".6rem}figcaption{font-size:.8rem;color:var(--soft);margin-top:.2rem;overflow-wrap:anywhere}.moved "
                            "figcaption{color:var(--bad)}\n"
                            "svg{display:block;max-width:100%;height:auto;font:11px system-ui,sans-serif}svg "
                            "text{fill:var(--soft)}.grid{stroke:var(--line)}.axis{stroke:var(--soft);"
                            "stroke-opacity:.5}.ref{fill:none;stroke:var(--soft);stroke-dasharray:4 "
                            "4}.thin{fill:none;stroke:var(--blue);stroke-opacity:.6}.area{fill:var(--blue);"
                            "fill-opacity:.16}.dot{fill:var(--blue)}.baddot,.mark{fill:var(--bad)}.alert{stroke:var(--bad);"
                            "stroke-opacity:.35}.whisker{stroke:var(--ink);stroke-opacity:.4}.bar,"
                            ".current{fill:var(--blue);fill-opacity:.55}.worse{fill:var(--bad);fill-opacity:.75}.dim{fill:var(--"
                            "soft);fill-opacity:.5}.outline{fill:none;stroke:var(--ink);"
                            "stroke-opacity:.7}\n";

const char *gm_page_time(int64_t us, char *out)
{
    char text[40];
    (void)gm_time_text(us - us % 1000000, text, sizeof(text));
    int length = strlen(text) < 19 || strcmp(text + 11, "00:00:00") == 0 ? 10 : strcmp(text + 17, "00") == 0 ? 16 : 19;
    if (length > 10) text[10] = ' ';
    (void)snprintf(out, 32, "%.*s", length, text);
    return out;
}

void gm_page_text(gm_buf *out, const char *text, size_t max)
{
    char cut[1024];
    size_t len = strlen(text), keep = max < sizeof(cut) - 4 ? max : sizeof(cut) - 4;
    if (len <= keep) {
        gm_markup_text(out, text);
        return;
    }
    while (keep > 0 && ((unsigned char)text[keep] & 0xC0) == 0x80) keep--;
    (void)snprintf(cut, sizeof(cut), "%.*s\u2026", (int)keep, text);
    gm_markup_text(out, cut);
}

void gm_page_begin(gm_buf *out, const char *title, const char *lead)
{
    gm_buf_text(out,
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                "content=\"width=device-width,initial-scale=1\">"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>");
    gm_page_text(out, title, TITLE_MAX);
    gm_buf_printf(out, "</title><style>\n%s</style></head><body><main><h1>", style);
    gm_page_text(out, title, TITLE_MAX);
    gm_buf_text(out, "</h1><p class=\"lead\">");
    gm_page_text(out, lead, LEAD_MAX);
    gm_buf_text(out, "</p>\n");
}

void gm_page_end(gm_buf *out)
{
    gm_buf_text(out, "<footer>gristmill " GM_VERSION "</footer></main></body></html>\n");
}

static void section(gm_buf *out, const char *title)
{
    gm_buf_printf(out, "<section><h2>%s</h2>\n", title);
}

/* A text of somebody else's. */
static void text_cell(gm_buf *out, const char *css_class, const char *text, size_t max)
{
    gm_buf_printf(out, css_class[0] ? "<td class=\"%s\">" : "<td>", css_class);
    gm_page_text(out, text, max);
    gm_buf_text(out, "</td>");
}

/* One of ours, which is short. */
static void cell(gm_buf *out, const char *css_class, const char *text)
{
    text_cell(out, css_class, text, CELL_MAX);
}

static void number_cell(gm_buf *out, const char *format, double v, const char *css_class)
{
    char text[64] = "";
    if (isfinite(v))
        (void)snprintf(text, sizeof(text), strcmp(format, "%") == 0 ? "%.1f %%" : "%.4g", strcmp(format, "%") == 0 ? 100 * v : v);
    cell(out, css_class, text);
}

static void heads(gm_buf *out, const char *const *names, size_t count)
{
    gm_buf_text(out, "<div class=\"scroll\"><table><thead><tr>");
    for (size_t i = 0; i < count; i++) gm_buf_printf(out, "<th>%s</th>", names[i]);
    gm_buf_text(out, "</tr></thead><tbody>\n");
}

static void left_out(gm_buf *out, size_t count, const char *what)
{
    gm_buf_text(out, "</tbody></table></div>\n");
    if (count) gm_buf_printf(out, "<p class=\"soft\">%zu %s are left out to keep the page small.</p>\n", count, what);
}

/* ---- columns ----------------------------------------------------------------------------------------------------------- */

/* Those that moved, then the others, each in the reference's order: the k-th. */
static const gm_drift_column *by_interest(const gm_drift_result *r, size_t k)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < r->count; i++)
            if (gm_drift_moved(&r->columns[i]) == (pass == 0) && k-- == 0) return &r->columns[i];
    return NULL;
}

static void column_row(gm_buf *out, const gm_drift_column *c, const amount *n)
{
    gm_buf_text(out, "<tr>");
    text_cell(out, gm_drift_moved(c) ? "bad" : "", c->name, n->text);
    cell(out, "soft", c->detector ? c->detector->item.name : "");
    number_cell(out, "", c->value, c->drifted ? "r bad" : "r");
    number_cell(out, "", c->limit, "r soft");
    number_cell(out, "", c->p_adjusted, "r soft");
    number_cell(out, "%", c->missing_reference, "r soft");
    number_cell(out, "%", c->missing_current, c->missing_rose ? "r bad" : "r");
    number_cell(out, "%", c->new_share, c->new_values ? "r bad" : "r");
    number_cell(out, "%", c->range_share, c->out_of_range ? "r bad" : "r");
    text_cell(out, "soft", c->why ? c->why : "", n->text);
    gm_buf_text(out, "</tr>\n");
}

static void columns(gm_buf *out, const gm_drift_result *r, const amount *n)
{
    static const char *const names[] = { "column",         "detector",    "value",      "limit",        "p adjusted",
                                         "missing before", "missing now", "new values", "out of range", "" };
    heads(out, names, sizeof(names) / sizeof(names[0]));
    size_t absent = r->missing_columns_count < n->columns ? r->missing_columns_count : n->columns;
    for (size_t i = 0; i < absent; i++) {
        gm_buf_text(out, "<tr>");
        text_cell(out, "bad", r->missing_columns[i] + 1, n->text);
        gm_buf_printf(out, "<td colspan=\"9\">%s</td></tr>\n",
                      r->missing_columns[i][0] == '-' ? "is not served any more" : "is new");
    }
    size_t shown = r->count < n->columns ? r->count : n->columns;
    for (size_t k = 0; k < shown; k++) column_row(out, by_interest(r, k), n);
    left_out(out, r->count - shown + r->missing_columns_count - absent, "columns");
}

static const gm_page_shape *shape_of(const gm_page_shape *shapes, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

static void shape_figures(gm_buf *out, const gm_drift_result *r, const gm_page_shape *shapes, size_t count, size_t max)
{
    size_t drawn = 0;
    if (!count || !max) return;
    section(out, "Values of each column");
    gm_buf_text(out, "<p class=\"soft\">Line and grey: the reference. Filled: now.</p><div class=\"figs\">\n");
    for (size_t k = 0; k < r->count && drawn < max; k++) {
        const gm_drift_column *c = by_interest(r, k);
        const gm_page_shape *s = shape_of(shapes, count, c->name);
        if (s) gm_page_shape_chart(s, c, drawn++, out);
    }
    gm_buf_text(out, "</div></section>\n");
}

/* ---- windows ----------------------------------------------------------------------------------------------------------- */

static void interval_cell(gm_buf *out, const gm_interval *i, bool bad)
{
    char text[96] = "";
    if (isfinite(i->low))
        (void)snprintf(text, sizeof(text), "%.4f [%.4f, %.4f]", i->value, i->low, i->high);
    else if (isfinite(i->value))
        (void)snprintf(text, sizeof(text), "%.4f", i->value);
    cell(out, bad ? "n bad" : "n", text);
}

static void window_row(gm_buf *out, const gm_page_window *w)
{
    char text[64], from[32];
    const gm_window_result *r = w->result;
    gm_buf_text(out, "<tr>");
    (void)snprintf(text, sizeof(text), "%s%s", gm_page_time(r->from_us, from), w->current ? " (under way)" : "");
    cell(out, "n", text);
    gm_buf_printf(out, "<td class=\"r\">%" PRId64 "</td><td class=\"r\">%" PRId64 "</td><td class=\"r\">%" PRId64 "</td>",
                  w->version, r->rows, r->labelled);
    interval_cell(out, &r->realised, r->decayed);
    interval_cell(out, &r->estimated, false);
    (void)snprintf(text, sizeof(text), "%+.4f", -r->decay);
    cell(out, r->decayed ? "r bad" : "r", isfinite(r->decay) ? text : "");
    (void)snprintf(text, sizeof(text), r->judged ? "%" PRId64 " of %zu" : "not judged", r->drifted_columns,
                   r->drift.judged + r->drift.missing_columns_count);
    cell(out, r->drifted ? "n bad" : "n", text);
    (void)snprintf(text, sizeof(text), "%zu of %zu", r->checks_failed, r->checks_count);
    cell(out, r->checks_failed ? "n bad" : "n", r->checks_count ? text : "");
    gm_buf_text(out, "</tr>\n");
}

static void windows(gm_buf *out, const gm_watch_page *p, const amount *n)
{
    static const char *const names[] = { "window (UTC)", "version",           "rows",    "labelled",     "realised",
                                         "estimated",    "against reference", "drifted", "checks failed" };
    size_t shown = p->windows_count < n->windows ? p->windows_count : n->windows;
    section(out, "Windows");
    heads(out, names, sizeof(names) / sizeof(names[0]));
    for (size_t i = 0; i < shown; i++) window_row(out, &p->windows[p->windows_count - 1 - i]); /* newest first */
    left_out(out, p->windows_count - shown, "older windows");
    gm_buf_text(out, "</section>\n");
}

static void alerts(gm_buf *out, const gm_watch_page *p, const amount *n)
{
    static const char *const names[] = { "alert", "severity", "rule", "state", "since (UTC)", "" };
    char text[40];
    if (!p->alerts_count) return;
    section(out, "Alerts");
    heads(out, names, sizeof(names) / sizeof(names[0]));
    size_t shown = p->alerts_count < n->alerts ? p->alerts_count : n->alerts;
    for (size_t i = 0; i < shown; i++) {
        const gm_alert_record *a = &p->alerts[i];
        bool firing = strcmp(a->state, "firing") == 0;
        gm_buf_printf(out, "<tr><td class=\"r\">%" PRId64 "</td>", a->id);
        cell(out, "", a->severity);
        text_cell(out, "", a->rule, n->text);
        cell(out, firing ? "bad" : "good", a->state);
        cell(out, "n", gm_page_time(a->began_us, text));
        text_cell(out, "", a->title, n->text);
        gm_buf_text(out, "</tr>\n");
    }
    left_out(out, p->alerts_count - shown, "alerts");
    gm_buf_text(out, "</section>\n");
}

static void checks(gm_buf *out, const gm_window_result *r, const amount *n)
{
    static const char *const names[] = { "check", "", "seen" };
    if (!r->checks_count && !r->left_out_count) return;
    section(out, "Data checks of the newest window");
    heads(out, names, sizeof(names) / sizeof(names[0]));
    size_t shown = r->checks_count < n->checks ? r->checks_count : n->checks,
           not_asked = r->left_out_count < n->checks ? r->left_out_count : n->checks;
    for (size_t i = 0; i < shown; i++) {
        gm_buf_text(out, "<tr>");
        text_cell(out, "", r->checks[i].spec->name, n->text);
        cell(out, r->checks[i].ok ? "good" : "bad",
             r->checks[i].ok              ? "holds"
             : r->checks[i].spec->warning ? "warning"
                                          : "broken");
        text_cell(out, "", r->checks[i].observed_text ? r->checks[i].observed_text : "", n->text);
        gm_buf_text(out, "</tr>\n");
    }
    for (size_t i = 0; i < not_asked; i++) {
        gm_buf_text(out, "<tr>");
        text_cell(out, "soft", r->left_out[i].name, n->text);
        cell(out, "soft", "not asked");
        text_cell(out, "soft", r->left_out[i].why, n->text);
        gm_buf_text(out, "</tr>\n");
    }
    left_out(out, r->checks_count - shown + r->left_out_count - not_asked, "checks");
    gm_buf_text(out, "</section>\n");
}

/* The newest window that says something of columns. */
static const gm_window_result *newest(const gm_watch_page *p)
{
    for (size_t i = p->windows_count; i-- > 0;)
        if (p->windows[i].result->judged && !p->windows[i].current) return p->windows[i].result;
    return NULL;
}

static void watch_page(const gm_watch_page *p, const amount *n, gm_buf *out)
{
    char lead[200], from[32], until[32], made[32];
    const gm_window_result *r = newest(p);
    gm_watch_page whole = *p; /* charts are of whole windows */
    if (whole.alerts_count > n->points) whole.alerts_count = n->points;
    while (whole.windows_count && whole.windows[whole.windows_count - 1].current) whole.windows_count--;
    size_t first = whole.windows_count > n->points ? whole.windows_count - n->points : 0;
    if (p->windows_count)
        (void)snprintf(lead, sizeof(lead), "%zu windows from %s to %s UTC%s%s", p->windows_count,
                       gm_page_time(p->windows[0].result->from_us, from),
                       gm_page_time(p->windows[p->windows_count - 1].result->until_us, until), p->made_us ? ", made " : "",
                       p->made_us ? gm_page_time(p->made_us, made) : "");
    else
        (void)snprintf(lead, sizeof(lead), "nothing was served in a whole window yet");
    gm_page_begin(out, p->model, lead);
    if (p->cause && p->cause[0]) {
        section(out, "Likely cause");
        gm_buf_text(out, "<p>");
        gm_page_text(out, p->cause, 4 * n->text < CAUSE_MAX ? 4 * n->text : CAUSE_MAX);
        gm_buf_text(out, "</p></section>\n");
    }
    if (whole.windows_count) {
        section(out, "Over time");
        gm_page_metric_chart(&whole, first, out);
        gm_page_drift_chart(&whole, first, out);
        gm_buf_text(out, "</section>\n");
    }
    alerts(out, p, n);
    if (p->windows_count) windows(out, p, n);
    if (r) {
        section(out, "Columns of the newest window");
        columns(out, &r->drift, n);
        gm_buf_text(out, "</section>\n");
        shape_figures(out, &r->drift, p->shapes, p->shapes_count, n->charts);
        checks(out, r, n);
    }
    gm_page_end(out);
}

void gm_watch_page_html(const gm_watch_page *p, gm_buf *out)
{
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        gm_buf b = { 0 };
        watch_page(p, &amounts[i], &b);
        bool fits = b.len <= GM_PAGE_BYTES_MAX || i + 1 == sizeof(amounts) / sizeof(amounts[0]);
        if (fits) gm_buf_add(out, gm_buf_str(&b), b.len);
        out->failed |= b.failed;
        gm_buf_clear(&b);
        if (fits) return;
    }
}

/* ---- two sides --------------------------------------------------------------------------------------------------------- */

static void drift_page(const gm_drift_page *p, const amount *n, gm_buf *out)
{
    gm_buf lead = { 0 };
    gm_buf_printf(&lead, "%s (%" PRId64 " rows) against %s (%" PRId64 " rows): %zu of %zu columns drifted", p->current,
                  p->result->rows_current, p->reference, p->result->rows_reference, p->result->drifted, p->result->judged);
    gm_page_begin(out, "Drift", gm_buf_str(&lead));
    gm_buf_clear(&lead);
    section(out, "Columns");
    columns(out, p->result, n);
    gm_buf_text(out, "</section>\n");
    shape_figures(out, p->result, p->shapes, p->shapes_count, n->charts);
    gm_page_end(out);
}

void gm_drift_page_html(const gm_drift_page *p, gm_buf *out)
{
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        gm_buf b = { 0 };
        drift_page(p, &amounts[i], &b);
        bool fits = b.len <= GM_PAGE_BYTES_MAX || i + 1 == sizeof(amounts) / sizeof(amounts[0]);
        if (fits) gm_buf_add(out, gm_buf_str(&b), b.len);
        out->failed |= b.failed;
        gm_buf_clear(&b);
        if (fits) return;
    }
}
