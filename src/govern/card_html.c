/* card_html.c - a card as one HTML page: no scripts, nothing fetched, light and dark by the reader's setting, printable.
 *
 * Every text goes through gm_markup_text. The policy in the head lets a browser load nothing at all, whatever a text may hold.
 */
#include <math.h>
#include <string.h>

#include "govern/card_doc.h"
#include "govern/svg.h"

enum { OPEN_NOTHING, OPEN_LIST, OPEN_FACTS };

static const char style[] =
    ":root{color-scheme:light "
    "dark;--bg:#fbfbfa;--panel:#fff;--ink:#1f2328;--soft:#5c6570;--line:#e3e5e8;--fill:#eef1f5;--blue:#2f6da8;--pale:#c9dcee;"
    "--good:#22774a;--warn:#8f5d00;--bad:#b3362b;--warnbg:#fff6df}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#15181c;--panel:#1c2025;--ink:#e3e6ea;--soft:#9aa4b0;--line:#31373e;--fill:#"
    "262c33;--blue:#7db2e3;"
    "--pale:#31506c;--good:#6cc493;--warn:#e0b252;--bad:#ef8a80;--warnbg:#332b18}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.55 system-ui,-apple-system,\"Segoe "
    "UI\",Roboto,"
    "\"Helvetica Neue\",Arial,sans-serif}\n"
    "main{max-width:64rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}h1{font-size:1.9rem;line-height:1.2;margin:0 0 "
    ".3rem;font-weight:650;overflow-wrap:anywhere}\n"
    "h2{font-size:1.25rem;margin:0 0 .8rem;font-weight:600}h3{font-size:.98rem;margin:1.6rem 0 "
    ".5rem;font-weight:600}p{margin:.5rem 0;max-width:46rem}\n"
    ".lead{color:var(--soft);margin:0}.by{color:var(--soft);font-size:.85rem;margin:0 0 .6rem}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.8rem;margin:1.6rem 0 1.2rem}\n"
    ".tile{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem}.tile "
    "b{display:block;font-size:1.45rem;line-height:1.3;"
    "font-weight:600;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:.82rem;display:block}\n"
    "nav{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.88rem;margin:0 0 "
    "1.6rem}a{color:var(--blue);text-decoration:none}a:hover{text-decoration:underline}\n"
    "section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:1.3rem 1.5rem;margin:0 0 1.1rem}\n"
    "dl{display:grid;grid-template-columns:minmax(9rem,max-content) 1fr;gap:.25rem 1.4rem;margin:.4rem "
    "0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n"
    "ul{margin:.5rem 0;padding-left:1.2rem}li{margin:.3rem 0;max-width:50rem}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;width:100%;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;font-weight:600;"
    "padding:.2rem 0 .4rem}\n"
    "th{text-align:left;font-weight:500;color:var(--soft);border-bottom:1px solid "
    "var(--line);white-space:nowrap}td{border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:anywhere}tr:last-child td{border-bottom:0}th,td{padding:.32rem .9rem .32rem "
    "0}td:last-child,th:last-child{padding-right:0}"
    ".r{text-align:right;white-space:nowrap}\n"
    "code{font:.92em "
    "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}.good{color:var(--good)}.bad{color:var(--bad);"
    "font-weight:600}"
    ".warn{color:var(--warn);font-weight:600}.soft{color:var(--soft)}\n"
    ".miss{background:var(--warnbg);border-left:3px solid var(--warn);border-radius:0 5px 5px 0;padding:.25rem .7rem}.miss "
    "b{color:var(--warn);letter-spacing:.02em}\n"
    "details{margin:.9rem 0 0}summary{cursor:pointer;color:var(--blue);font-size:.9rem}details>.scroll{margin-top:.5rem}\n"
    ".figs{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem 1.6rem;margin:.6rem "
    "0}figure{margin:.6rem 0}"
    ".figs "
    "figure{margin:0}figcaption{font-size:.82rem;color:var(--soft);margin-top:.3rem}svg{display:block;max-width:100%;height:auto;"
    "font:11px system-ui,sans-serif}\n"
    "svg text{fill:var(--soft)}svg .name{fill:var(--ink);font-size:12px}svg "
    ".head{fill:var(--ink);font-size:12px;font-weight:600}.grid{stroke:var(--line)}.axis{stroke:var(--soft);stroke-opacity:.55}."
    "ref{stroke:var(--soft);stroke-dasharray:4 4;stroke-opacity:.8}\n"
    ".curve{fill:none;stroke:var(--blue);stroke-width:2}.area{fill:var(--blue);fill-opacity:.1}.bar{fill:var(--blue)}.palebar{"
    "fill:var(--pale)}.worse{fill:var(--bad);fill-opacity:.75}"
    ".better{fill:var(--good);fill-opacity:.75}.dot{fill:var(--blue)}.dim{fill:var(--soft)}.whisker{stroke:var(--ink);stroke-"
    "opacity:.55;stroke-width:1.2}"
    ".range{stroke:var(--blue);stroke-width:2}.dimrange{stroke:var(--soft);stroke-width:1.5}\n"
    "footer{color:var(--soft);font-size:.82rem;margin-top:1.5rem}\n"
    "@media print{body{background:#fff}section{break-inside:avoid-page;border-color:#ccc}nav{display:none}}\n";

static void escaped(gm_doc *d, const char *text)
{
    gm_markup_text(d->out, text);
}

static void toned(gm_doc *d, gm_tone tone, const char *text)
{
    static const char *const classes[] = { "", "", "good", "warn", "bad", "soft", "" };
    bool dash = !text || !text[0], code = tone == GM_TONE_CODE && !dash, strong = tone == GM_TONE_STRONG;
    const char *css_class = dash ? "soft" : classes[tone];
    if (css_class[0]) gm_buf_printf(d->out, "<span class=\"%s\">", css_class);
    if (code) gm_buf_text(d->out, "<code>");
    if (strong) gm_buf_text(d->out, "<b>");
    escaped(d, dash ? "\u2013" : text);
    if (strong) gm_buf_text(d->out, "</b>");
    if (code) gm_buf_text(d->out, "</code>");
    if (css_class[0]) gm_buf_text(d->out, "</span>");
}

/* End the list that is open, begin another one. */
static void open_list(gm_doc *d, int wanted)
{
    static const char *const begins[] = { "", "<ul>\n", "<dl>\n" }, *const ends[] = { "", "</ul>\n", "</dl>\n" };
    if (d->open == wanted) return;
    gm_buf_text(d->out, ends[d->open]);
    gm_buf_text(d->out, begins[wanted]);
    d->open = wanted;
}

static void section(gm_doc *d, const char *id, const char *title)
{
    open_list(d, OPEN_NOTHING);
    if (d->in_section) gm_buf_text(d->out, "</section>\n");
    d->in_section = true;
    gm_buf_printf(d->out, "<section id=\"%s\"><h2>", id);
    escaped(d, title);
    gm_buf_text(d->out, "</h2>\n");
}

static void subsection(gm_doc *d, const char *title)
{
    open_list(d, OPEN_NOTHING);
    gm_buf_text(d->out, "<h3>");
    escaped(d, title);
    gm_buf_text(d->out, "</h3>\n");
}

static void paragraph(gm_doc *d, gm_tone tone, const char *text)
{
    open_list(d, OPEN_NOTHING);
    gm_buf_text(d->out, "<p>");
    toned(d, tone, text);
    gm_buf_text(d->out, "</p>\n");
}

static void item(gm_doc *d, const char *lead, gm_tone tone, const char *text)
{
    open_list(d, OPEN_LIST);
    gm_buf_text(d->out, "<li>");
    if (lead && lead[0]) {
        toned(d, tone, lead);
        gm_buf_text(d->out, ": ");
    }
    escaped(d, text);
    gm_buf_text(d->out, "</li>\n");
}

static void fact(gm_doc *d, const char *name, gm_tone tone, const char *value)
{
    open_list(d, OPEN_FACTS);
    gm_buf_text(d->out, "<dt>");
    escaped(d, name);
    gm_buf_text(d->out, "</dt><dd>");
    toned(d, tone, value);
    gm_buf_text(d->out, "</dd>\n");
}

static void missing(gm_doc *d, const char *name, const char *what, const char *key)
{
    open_list(d, OPEN_FACTS);
    gm_buf_text(d->out, "<dt>");
    escaped(d, name);
    gm_buf_text(d->out, "</dt><dd class=\"miss\"><b>MISSING:</b> ");
    escaped(d, what);
    gm_buf_text(d->out, ". <span class=\"soft\">Write it at <code>");
    escaped(d, key);
    gm_buf_text(d->out, "</code> in gristmill.yaml.</span></dd>\n");
}

static void table(gm_doc *d, const gm_card_table *t)
{
    if (t->rows == 0) return;
    open_list(d, OPEN_NOTHING);
    if (t->folded) {
        gm_buf_text(d->out, "<details><summary>");
        escaped(d, t->title ? t->title : "Table");
        gm_buf_text(d->out, "</summary>");
    } else if (t->title) {
        gm_buf_text(d->out, "<h3>");
        escaped(d, t->title);
        gm_buf_text(d->out, "</h3>");
    }
    gm_buf_text(d->out, "<div class=\"scroll\"><table><thead><tr>");
    for (size_t k = 0; k < t->columns; k++) {
        gm_buf_text(d->out, t->align[k] == 'r' ? "<th scope=\"col\" class=\"r\">" : "<th scope=\"col\">");
        escaped(d, t->heads[k]);
        gm_buf_text(d->out, "</th>");
    }
    gm_buf_text(d->out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < t->rows; i++) {
        gm_buf_text(d->out, "<tr>");
        for (size_t k = 0; k < t->columns; k++) {
            gm_buf_text(d->out, t->align[k] == 'r' ? "<td class=\"r\">" : "<td>");
            toned(d, t->cells[i * t->columns + k].tone, t->cells[i * t->columns + k].text);
            gm_buf_text(d->out, "</td>");
        }
        gm_buf_text(d->out, "</tr>\n");
    }
    gm_buf_text(d->out, "</tbody></table></div>\n");
    if (t->left_out)
        gm_buf_printf(d->out, "<p class=\"soft\">%zu more rows are in the record (<code>gristmill card --json</code>).</p>\n",
                      t->left_out);
    if (t->folded) gm_buf_text(d->out, "</details>\n");
}

static void figure(gm_doc *d, const char *caption, const gm_buf *svg)
{
    open_list(d, OPEN_NOTHING);
    gm_buf_text(d->out, "<figure>");
    gm_buf_add(d->out, svg->data, svg->len);
    if (caption) {
        gm_buf_text(d->out, "<figcaption>");
        escaped(d, caption);
        gm_buf_text(d->out, "</figcaption>");
    }
    gm_buf_text(d->out, "</figure>\n");
    if (svg->failed) d->failed = true;
}

static void group(gm_doc *d, bool begin)
{
    open_list(d, OPEN_NOTHING);
    gm_buf_text(d->out, begin ? "<div class=\"figs\">\n" : "</div>\n");
}

const gm_doc_writer gm_doc_html = { section, subsection, paragraph, item, fact, missing, table, figure, group, true };

/* ---- head and foot -------------------------------------------------------------------------------------------- */

static void tile(gm_doc *d, const char *value, const char *css_class, const char *below)
{
    gm_buf_printf(d->out, "<div class=\"tile\"><b class=\"%s\">", css_class);
    escaped(d, value);
    gm_buf_text(d->out, "</b><span>");
    escaped(d, below);
    gm_buf_text(d->out, "</span></div>\n");
}

/* The main metric with its interval, from the evaluation. */
static void metric_tile(gm_doc *d)
{
    const gm_node *evaluation = gm_card_evaluation(d->record);
    const char *metric = gm_doc_text(d, evaluation, "metric");
    const gm_node *m = gm_node_get(gm_node_get(evaluation, "metrics"), metric);
    if (!m) return;
    const char *interval = gm_doc_interval(d, gm_node_double_or(m, "low", NAN), gm_node_double_or(m, "high", NAN));
    tile(d, gm_doc_number(d, gm_node_double_or(m, "value", NAN)), "",
         gm_doc_printf(d, "%s on held-out rows %s", metric, interval));
}

static void gates_tile(gm_doc *d)
{
    size_t all = 0, good = 0, bad = 0;
    static const char *const lists[] = { "gates", "timing_gates" };
    for (size_t i = 0; i < 2; i++) {
        const gm_node *gates = gm_node_get(d->record, lists[i]);
        for (size_t k = 0; k < gm_card_count(gates); k++) {
            const char *verdict = gm_node_str_or(gates->items[k], "verdict", "");
            all++;
            bad += strcmp(verdict, "fail") == 0;
            good += strcmp(verdict, "pass") == 0 || strcmp(verdict, "first") == 0 || strcmp(verdict, "same model") == 0;
        }
    }
    if (all) tile(d, gm_doc_printf(d, "%zu of %zu", good, all), bad ? "bad" : "good", "gates passed");
}

static void checks_tile(gm_doc *d)
{
    const gm_node *checks = gm_node_get(d->record, "checks");
    size_t all = gm_card_count(checks), good = 0;
    for (size_t i = 0; i < all; i++) good += gm_node_bool_or(checks->items[i], "ok", false);
    if (all) tile(d, gm_doc_printf(d, "%zu of %zu", good, all), good < all ? "warn" : "good", "data checks passed");
}

void gm_doc_html_begin(gm_doc *d)
{
    const gm_node *model = gm_node_get(d->record, "model"), *data = gm_node_get(d->record, "data");
    const char *name = gm_doc_text(d, model, "name"), *version = gm_doc_text(d, model, "version"),
               *target = gm_doc_text(d, model, "target");
    const char *alias = gm_doc_text(d, model, "alias"), *task = gm_doc_text(d, model, "task");
    gm_buf_text(d->out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                        "content=\"width=device-width,initial-scale=1\">"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                        "'unsafe-inline'\"><meta name=\"referrer\" content=\"no-referrer\"><title>");
    escaped(d, gm_doc_printf(d, "Model card: %s%s%s", name, version[0] ? ", version " : "", version));
    gm_buf_text(d->out, "</title>\n<style>\n");
    gm_buf_text(d->out, style);
    gm_buf_text(d->out, "</style></head>\n<body><main>\n<p class=\"by\">Model card</p><h1>");
    escaped(d, name[0] ? name : "Model");
    gm_buf_text(d->out, "</h1>\n<p class=\"lead\">");
    const char *lead = version[0] ? gm_doc_printf(d, "Version %s", version) : "Not registered";
    if (alias[0]) lead = gm_doc_printf(d, "%s, @%s", lead, alias);
    if (task[0]) lead = gm_doc_printf(d, "%s \u00b7 %s model", lead, task);
    if (target[0]) lead = gm_doc_printf(d, "%s of \u201c%s\u201d", lead, target);
    escaped(d, lead);
    gm_buf_text(d->out, "</p>\n<div class=\"tiles\">\n");
    metric_tile(d);
    gates_tile(d);
    checks_tile(d);
    if (gm_card_count(data))
        tile(d, gm_doc_count(d, gm_node_int_or(data->items[0], "rows", 0)), "",
             gm_doc_printf(d, "rows of %s", gm_doc_text(d, data->items[0], "name")));
    gm_buf_text(d->out, "</div>\n<nav aria-label=\"Sections\">");
    for (size_t i = 0; i < gm_card_sections_count; i++)
        gm_buf_printf(d->out, "<a href=\"#%s\">%s</a>", gm_card_sections[i].id, gm_card_sections[i].title);
    gm_buf_text(d->out, "</nav>\n");
}

void gm_doc_html_end(gm_doc *d)
{
    open_list(d, OPEN_NOTHING);
    if (d->in_section) gm_buf_text(d->out, "</section>\n");
    gm_buf_text(d->out, "<footer>Written by gristmill from the records of the run; it is made again with every run, so changes "
                        "belong into gristmill.yaml.</footer>\n"
                        "</main></body></html>\n");
}
