/* card_charts.c - the drawings of a card. Each reads its part of the record and draws nothing when that is absent. */
#include <math.h>
#include <string.h>

#include "govern/card_doc.h"
#include "govern/svg.h"

enum { WIDE = 720, ROW = 24, LABEL = 168, SIDE = 300 };

static double number(const gm_node *map, const char *key)
{
    return gm_node_double_or(map, key, (double)NAN);
}

static double item_number(const gm_node *list, size_t i)
{
    double v = (double)NAN;
    if (i < gm_card_count(list)) (void)gm_node_double(list->items[i], &v, NULL); /* not a number: NaN */
    return v;
}

/* A label that fits: at most `max` characters, then an ellipsis. */
static const char *label(gm_doc *d, const char *text, size_t max)
{
    size_t characters = 0, bytes = 0;
    while (text[bytes]) {
        if (((unsigned char)text[bytes] & 0xC0) != 0x80 && characters++ == max)
            return gm_doc_printf(d, "%.*s\u2026", (int)bytes, text);
        bytes++;
    }
    return text;
}

static void widen(double *low, double *high, double v)
{
    if (!isfinite(v)) return;
    if (!isfinite(*low) || v < *low) *low = v;
    if (!isfinite(*high) || v > *high) *high = v;
}

/* Room on both sides of a range, and a range where there is only a point. */
static void pad(double *low, double *high)
{
    double room = (*high - *low) * 0.06;
    if (!(room > 0)) room = fabs(*low) > 0 ? fabs(*low) * 0.05 : 0.05;
    *low -= room;
    *high += room;
}

/* Grid lines with their values below the rows of a chart of horizontal marks. */
static void value_axis(gm_doc *d, gm_buf *svg, const gm_scale *x, double top, double bottom)
{
    double ticks[16];
    int decimals = 0;
    size_t count = gm_ticks(x->from, x->to, 6, ticks, &decimals);
    for (size_t i = 0; i < count; i++) {
        double at = gm_scale_at(x, ticks[i]);
        gm_svg_line(svg, at, top, at, bottom, "grid");
        gm_svg_text(svg, at, bottom + 15, GM_ANCHOR_MIDDLE, "t", gm_doc_printf(d, "%.*f", decimals, ticks[i]));
    }
}

static void finish(gm_doc *d, gm_buf *svg, const char *caption)
{
    gm_svg_end(svg);
    d->writer->figure(d, caption, svg);
    gm_buf_clear(svg);
}

static void begin(gm_doc *d, gm_buf *svg, double width, double height, const char *title, const char *desc)
{
    gm_svg_begin(svg, width, height, gm_doc_printf(d, "f%d", ++d->figures), title, desc);
}

/* ---- candidates ------------------------------------------------------------------------------------------------ */

void gm_chart_candidates(gm_doc *d)
{
    const gm_node *list = gm_node_get(d->record, "candidates");
    const char *winner = gm_node_str_or(d->record, "winner", "");
    size_t count = gm_card_count(list);
    double low = (double)NAN, high = (double)NAN;
    gm_buf svg = { 0 };
    if (!d->writer->draws || count < 2) return;
    if (count > 20) count = 20;
    for (size_t i = 0; i < count; i++) {
        widen(&low, &high, number(list->items[i], "value"));
        widen(&low, &high, number(list->items[i], "low"));
        widen(&low, &high, number(list->items[i], "high"));
    }
    if (!isfinite(low)) return;
    pad(&low, &high);
    const gm_scale x = { low, high, LABEL, WIDE - 70 };
    double bottom = 6 + ROW * (double)count;
    begin(d, &svg, WIDE, bottom + 22, "Candidates",
          "The metric of each candidate on the test rows, with its 95% interval. The table below has the numbers.");
    value_axis(d, &svg, &x, 4, bottom);
    for (size_t i = 0; i < count; i++) {
        const gm_node *c = list->items[i];
        double y = 6 + ROW * ((double)i + 0.5), value = number(c, "value"), from = number(c, "low"), to = number(c, "high");
        bool won = strcmp(gm_node_str_or(c, "trainer", ""), winner) == 0;
        gm_svg_text(&svg, LABEL - 12, y + 4, GM_ANCHOR_END, won ? "head" : "name", label(d, gm_doc_text(d, c, "trainer"), 24));
        if (isfinite(from) && isfinite(to))
            gm_svg_line(&svg, gm_scale_at(&x, from), y, gm_scale_at(&x, to), y, won ? "range" : "dimrange");
        if (isfinite(value)) gm_svg_circle(&svg, gm_scale_at(&x, value), y, won ? 5 : 4, won ? "dot" : "dim");
        gm_svg_text(&svg, WIDE - 2, y + 4, GM_ANCHOR_END, won ? "head" : "t", gm_doc_number(d, value));
    }
    finish(d, &svg, gm_doc_printf(d, "%s on the test rows, with 95%% intervals", gm_doc_text(d, list->items[0], "metric")));
}

/* ---- curves ---------------------------------------------------------------------------------------------------- */

enum { PLOT_LEFT = 38, PLOT_TOP = 8, PLOT_SIZE = 250 };
static const gm_scale unit_x = { 0, 1, PLOT_LEFT, PLOT_LEFT + PLOT_SIZE }, unit_y = { 0, 1, PLOT_TOP + PLOT_SIZE, PLOT_TOP };

/* The square from (0, 0) to (1, 1) with its axes. */
static void unit_square(gm_buf *svg, const char *x_name, const char *y_name)
{
    static const char *const names[] = { "0", "0.25", "0.5", "0.75", "1" };
    for (int i = 0; i <= 4; i++) {
        double v = i / 4.0, x = gm_scale_at(&unit_x, v), y = gm_scale_at(&unit_y, v);
        gm_svg_line(svg, x, PLOT_TOP, x, PLOT_TOP + PLOT_SIZE, "grid");
        gm_svg_line(svg, PLOT_LEFT, y, PLOT_LEFT + PLOT_SIZE, y, "grid");
        gm_svg_text(svg, x, PLOT_TOP + PLOT_SIZE + 15, GM_ANCHOR_MIDDLE, "t", names[i]);
        gm_svg_text(svg, PLOT_LEFT - 6, y + 4, GM_ANCHOR_END, "t", names[i]);
    }
    gm_svg_text(svg, PLOT_LEFT + PLOT_SIZE / 2.0, PLOT_TOP + PLOT_SIZE + 31, GM_ANCHOR_MIDDLE, "name", x_name);
    gm_svg_text(svg, PLOT_LEFT + 7, PLOT_TOP + 15, GM_ANCHOR_START, "name", y_name);
}

/* points: [[x, y, ...] ...] within the unit square. */
static void curve(gm_doc *d, const gm_node *points, const char *title, const char *desc, const char *x_name, const char *y_name,
                  bool diagonal, const char *caption)
{
    gm_buf svg = { 0 };
    size_t count = gm_card_count(points), kept = 0;
    if (count < 2) return;
    /* Two more corners, so that the area below the curve can be filled. */
    double *xy = GM_ARENA_ARRAY(d->a, double, 2 * (count + 2));
    if (!xy) {
        d->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double px = item_number(points->items[i], 0), py = item_number(points->items[i], 1);
        if (!(px >= 0 && px <= 1 && py >= 0 && py <= 1)) continue;
        xy[2 * kept] = gm_scale_at(&unit_x, px);
        xy[2 * kept++ + 1] = gm_scale_at(&unit_y, py);
    }
    if (kept < 2) return;
    begin(d, &svg, SIDE, PLOT_TOP + PLOT_SIZE + 38, title, desc);
    unit_square(&svg, x_name, y_name);
    if (diagonal) gm_svg_line(&svg, unit_x.at_from, unit_y.at_from, unit_x.at_to, unit_y.at_to, "ref");
    double first_x = xy[0], last_x = xy[2 * kept - 2];
    gm_svg_path(&svg, xy, kept, false, "curve");
    xy[2 * kept] = last_x;
    xy[2 * kept + 1] = unit_y.at_from;
    xy[2 * kept + 2] = first_x;
    xy[2 * kept + 3] = unit_y.at_from;
    gm_svg_path(&svg, xy, kept + 2, true, "area");
    finish(d, &svg, caption);
}

static void calibration(gm_doc *d, const gm_node *bins, double ece)
{
    gm_buf svg = { 0 };
    double most = 0;
    size_t count = gm_card_count(bins);
    if (count == 0) return;
    for (size_t i = 0; i < count; i++) most = fmax(most, number(bins->items[i], "rows"));
    begin(d, &svg, SIDE, PLOT_TOP + PLOT_SIZE + 38, "Calibration",
          "Share of positives against the mean prediction, in ten bins of predictions; the larger a dot, the more rows. The "
          "table of calibration has the numbers.");
    unit_square(&svg, "mean prediction", "share positive");
    gm_svg_line(&svg, unit_x.at_from, unit_y.at_from, unit_x.at_to, unit_y.at_to, "ref");
    double *xy = GM_ARENA_ARRAY(d->a, double, 2 * count);
    for (size_t i = 0; xy && i < count; i++) {
        xy[2 * i] = gm_scale_at(&unit_x, number(bins->items[i], "mean_predicted"));
        xy[2 * i + 1] = gm_scale_at(&unit_y, number(bins->items[i], "share_positive"));
    }
    if (xy) gm_svg_path(&svg, xy, count, false, "curve");
    for (size_t i = 0; xy && i < count; i++)
        if (isfinite(xy[2 * i]) && isfinite(xy[2 * i + 1]))
            gm_svg_circle(&svg, xy[2 * i], xy[2 * i + 1], 2.5 + 5 * sqrt(fmax(0, number(bins->items[i], "rows")) / fmax(most, 1)),
                          "dot");
    if (!xy) d->failed = true;
    finish(d, &svg, gm_doc_printf(d, "Calibration: expected calibration error %s", gm_doc_number(d, ece)));
}

void gm_chart_curves(gm_doc *d)
{
    const gm_node *e = gm_card_evaluation(d->record), *metrics = gm_node_get(e, "metrics"),
                  *bins = gm_node_get(gm_node_get(e, "calibration"), "bins");
    const gm_node *roc = gm_node_get(e, "roc"), *pr = gm_node_get(e, "pr");
    if (!d->writer->draws || (!gm_card_count(roc) && !gm_card_count(pr) && !gm_card_count(bins))) return;
    d->writer->group(d, true);
    curve(d, roc, "ROC curve", "Share of positives found against share of negatives called positive, over all thresholds.",
          "false positive rate", "true positive rate", true,
          gm_doc_printf(d, "ROC curve: area %s", gm_doc_number(d, number(gm_node_get(metrics, "roc_auc"), "value"))));
    curve(d, pr, "Precision and recall", "Precision against recall, over all thresholds.", "recall", "precision", false,
          gm_doc_printf(d, "Precision and recall: average precision %s",
                        gm_doc_number(d, number(gm_node_get(metrics, "average_precision"), "value"))));
    calibration(d, bins, number(gm_node_get(e, "calibration"), "ece"));
    d->writer->group(d, false);
}

/* ---- slices ------------------------------------------------------------------------------------------------------ */

enum { WORST_SLICES = 12, BEST_SLICES = 4 };

void gm_chart_slices(gm_doc *d)
{
    const gm_node *e = gm_card_evaluation(d->record), *list = gm_node_get(e, "slices"),
                  *m = gm_node_get(gm_node_get(e, "metrics"), gm_node_str_or(e, "metric", ""));
    const gm_node *judged[WORST_SLICES + BEST_SLICES];
    double overall = number(m, "value"), low = overall, high = overall;
    size_t count = 0, all = 0, seen = 0;
    gm_buf svg = { 0 };
    bool higher = gm_node_bool_or(m, "higher_is_better", true);
    if (!d->writer->draws || !isfinite(overall)) return;
    for (size_t i = 0; i < gm_card_count(list); i++)
        all += gm_node_bool_or(list->items[i], "judged", true) && isfinite(number(list->items[i], "value"));
    for (size_t i = 0; i < gm_card_count(list); i++) {
        if (!gm_node_bool_or(list->items[i], "judged", true) || !isfinite(number(list->items[i], "value"))) continue;
        if (seen < WORST_SLICES || seen + BEST_SLICES >= all) judged[count++] = list->items[i]; /* worst first in the record */
        seen++;
    }
    if (count == 0) return;
    for (size_t i = 0; i < count; i++) {
        widen(&low, &high, number(judged[i], "value"));
        widen(&low, &high, number(judged[i], "low"));
        widen(&low, &high, number(judged[i], "high"));
    }
    pad(&low, &high);
    const gm_scale x = { low, high, LABEL + 20, WIDE - 130 };
    double bottom = 24 + ROW * (double)count, middle = gm_scale_at(&x, overall);
    begin(d, &svg, WIDE, bottom + 22, "The metric by slice",
          "Bars go from the value of all test rows to the value of the slice; lines are 95% intervals. The table of slices has "
          "the numbers.");
    value_axis(d, &svg, &x, 18, bottom);
    for (size_t i = 0; i < count; i++) {
        double y = 24 + ROW * ((double)i + 0.5), value = number(judged[i], "value"), from = number(judged[i], "low"),
               to = number(judged[i], "high");
        const char *name =
            gm_doc_printf(d, "%s = %s", gm_node_str_or(judged[i], "column", ""), gm_node_str_or(judged[i], "slice", ""));
        gm_svg_text(&svg, LABEL + 8, y + 4, GM_ANCHOR_END, "name", label(d, name, 26));
        gm_svg_rect(&svg, middle, y - 6, gm_scale_at(&x, value) - middle, 12,
                    value == overall || (value > overall) == higher ? "better" : "worse");
        if (isfinite(from) && isfinite(to)) gm_svg_line(&svg, gm_scale_at(&x, from), y, gm_scale_at(&x, to), y, "whisker");
        gm_svg_text(&svg, WIDE - 74, y + 4, GM_ANCHOR_END, "name", gm_doc_number(d, value));
        gm_svg_text(&svg, WIDE - 2, y + 4, GM_ANCHOR_END, "t",
                    gm_doc_printf(d, "%s rows", gm_doc_number(d, number(judged[i], "rows"))));
    }
    gm_svg_line(&svg, middle, 18, middle, bottom, "ref");
    gm_svg_text(&svg, middle, 12, GM_ANCHOR_MIDDLE, "t", gm_doc_printf(d, "all rows %s", gm_doc_number(d, overall)));
    finish(d, &svg,
           count < all ? gm_doc_printf(d, "%s by slice: the %d worst and the %d best of %zu that were judged",
                                       gm_doc_text(d, e, "metric"), WORST_SLICES, BEST_SLICES, all)
                       : gm_doc_printf(d, "%s by slice", gm_doc_text(d, e, "metric")));
}

/* ---- importance -------------------------------------------------------------------------------------------------- */

void gm_chart_importance(gm_doc *d)
{
    const gm_node *list = gm_node_get(gm_card_evaluation(d->record), "importance");
    size_t count = gm_card_count(list);
    double low = 0, high = 0;
    gm_buf svg = { 0 };
    if (!d->writer->draws || count == 0) return;
    const gm_node **sorted = gm_card_by(d, list, "mean");
    if (!sorted) return;
    if (count > 20) count = 20;
    for (size_t i = 0; i < count; i++) {
        double mean = number(sorted[i], "mean"), std = number(sorted[i], "std");
        widen(&low, &high, mean - (isfinite(std) ? std : 0));
        widen(&low, &high, mean + (isfinite(std) ? std : 0));
    }
    if (low == high) high = low + 1e-6;
    const gm_scale x = { low, high + (high - low) * 0.04, LABEL + 20, WIDE - 80 };
    double bottom = 6 + ROW * (double)count, zero = gm_scale_at(&x, 0);
    begin(d, &svg, WIDE, bottom + 22, "Permutation importance",
          "How much the metric gets worse when a column is shuffled, with one standard deviation. The table has the numbers.");
    value_axis(d, &svg, &x, 4, bottom);
    for (size_t i = 0; i < count; i++) {
        const gm_node *f = sorted[i];
        double y = 6 + ROW * ((double)i + 0.5), mean = number(f, "mean"), std = number(f, "std");
        gm_svg_text(&svg, LABEL + 8, y + 4, GM_ANCHOR_END, "name", label(d, gm_doc_text(d, f, "feature"), 26));
        if (!isfinite(mean)) continue;
        gm_svg_rect(&svg, zero, y - 6, gm_scale_at(&x, mean) - zero, 12, "bar");
        if (isfinite(std)) gm_svg_line(&svg, gm_scale_at(&x, mean - std), y, gm_scale_at(&x, mean + std), y, "whisker");
        gm_svg_text(&svg, WIDE - 2, y + 4, GM_ANCHOR_END, "t", gm_doc_number(d, mean));
    }
    gm_svg_line(&svg, zero, 4, zero, bottom, "axis");
    finish(d, &svg,
           gm_card_count(list) > count ? gm_doc_printf(d, "The %zu columns that matter most, of %zu", count, gm_card_count(list))
                                       : NULL);
}

/* ---- values of features --------------------------------------------------------------------------------------------- */

/* The column that a feature is: "temp" of the first data set, or "weather.temp". NULL when it is made by an expression or is
 * personal. */
static const gm_node *find_column(const gm_node *record, const char *feature)
{
    const gm_node *data = gm_node_get(record, "data");
    for (size_t i = 0; i < gm_card_count(data); i++) {
        const gm_node *columns = gm_node_get(gm_node_get(data->items[i], "schema"), "columns");
        const char *name = feature, *dataset = gm_node_str_or(data->items[i], "name", "");
        size_t len = strlen(dataset);
        if (i > 0) {
            if (strncmp(feature, dataset, len) != 0 || feature[len] != '.') continue;
            name = feature + len + 1;
        }
        for (size_t k = 0; k < gm_card_count(columns); k++)
            if (strcmp(gm_node_str_or(columns->items[k], "name", ""), name) == 0)
                return gm_card_is_personal(data->items[i], name) ? NULL : columns->items[k];
    }
    return NULL;
}

static void values_of(gm_doc *d, const char *feature, const gm_node *column)
{
    const gm_node *top = gm_node_get(column, "top");
    size_t count = gm_card_count(top) < 8 ? gm_card_count(top) : 8;
    double rows = number(column, "rows") - fmax(0, number(column, "missing")), most = item_number(top->items[0], 1);
    gm_buf svg = { 0 };
    if (!(most > 0)) return;
    const gm_scale x = { 0, most, 96, SIDE - 52 };
    begin(d, &svg, SIDE, 6 + 19 * (double)count, gm_doc_printf(d, "Values of %s", feature),
          "The most frequent values, with their share of the rows that have one.");
    for (size_t i = 0; i < count; i++) {
        double y = 4 + 19 * ((double)i + 0.5), n = item_number(top->items[i], 1);
        const gm_node *value = gm_card_count(top->items[i]) ? top->items[i]->items[0] : NULL;
        gm_svg_text(&svg, 88, y + 4, GM_ANCHOR_END, "name",
                    label(d, value && value->kind == GM_NODE_SCALAR ? value->text : "", 13));
        if (n > 0) gm_svg_rect(&svg, 96, y - 6, gm_scale_at(&x, n) - 96, 12, "palebar");
        gm_svg_text(&svg, SIDE - 2, y + 4, GM_ANCHOR_END, "t", gm_doc_percent(d, n / rows));
    }
    finish(d, &svg, gm_doc_printf(d, "%s: %s different values", feature, gm_doc_number(d, number(column, "distinct"))));
}

void gm_chart_values(gm_doc *d)
{
    const gm_node *features = gm_node_get(d->record, "features");
    size_t drawn = 0;
    if (!d->writer->draws) return;
    for (size_t i = 0; i < gm_card_count(features) && drawn < 6; i++) {
        const char *name = gm_node_str_or(features->items[i], "name", "");
        const gm_node *column = find_column(d->record, name);
        const char *kind = gm_node_str_or(column, "kind", "");
        if ((strcmp(kind, "category") != 0 && strcmp(kind, "bool") != 0) || !gm_card_count(gm_node_get(column, "top"))) continue;
        if (drawn++ == 0) {
            d->writer->subsection(d, "Most frequent values");
            d->writer->group(d, true);
        }
        values_of(d, name, column);
    }
    if (drawn) d->writer->group(d, false);
}
