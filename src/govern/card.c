/* card.c - what stands in a model card, section by section; see card.h, and card_doc.h for how it is written. */
#include "govern/card.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/column.h"
#include "govern/card_doc.h"

static const gm_node *part(gm_doc *d, const char *key)
{
    return gm_node_get(d->record, key);
}

static double number(const gm_node *map, const char *key)
{
    return gm_node_double_or(map, key, (double)NAN);
}

static void fact_text(gm_doc *d, const char *name, gm_tone tone, const gm_node *map, const char *key)
{
    const char *text = gm_doc_text(d, map, key);
    if (text[0]) d->writer->fact(d, name, tone, text);
}

static void fact_count(gm_doc *d, const char *name, const gm_node *map, const char *key)
{
    if (gm_node_get(map, key)) d->writer->fact(d, name, GM_TONE_PLAIN, gm_doc_count(d, gm_node_int_or(map, key, 0)));
}

static void absent(gm_doc *d, const char *text)
{
    d->writer->paragraph(d, GM_TONE_MUTED, text);
}

/* ---- what only a person can say ------------------------------------------------------------------------------ */

static const struct said {
    const char *key, *name, *what;
} said[] = {
    { "owner", "Owner", "the person or team that answers for this model" },
    { "contact", "Contact", "where to ask, and where to report a wrong prediction" },
    { "intended_use", "Intended use", "which decisions the predictions are for, who uses them, and what a person still decides" },
    { "out_of_scope", "Out of scope", "uses for which the model must not be taken" },
    { "limitations", "Limitations", "what is known to go wrong: places, times, groups, missing inputs" },
    { "risks", "Risks", "who may be harmed by a wrong prediction, how, and what is done against it" },
    { "license", "Licence", "the terms under which the model may be used (an SPDX identifier, such as Apache-2.0)" },
};
enum { SAID_COUNT = sizeof(said) / sizeof(said[0]) };

static bool is_said(const gm_node *record, const char *key)
{
    const char *text = gm_node_str_or(gm_node_get(record, "govern"), key, "");
    return text[strspn(text, " \t\r\n")] != '\0';
}

void gm_card_missing(const gm_node *record, size_t *out_missing, size_t *out_all)
{
    size_t count = 0;
    for (size_t i = 0; i < SAID_COUNT; i++) count += !is_said(record, said[i].key);
    *out_missing = count;
    *out_all = SAID_COUNT;
}

static void write_use(gm_doc *d)
{
    size_t missing, all;
    gm_card_missing(d->record, &missing, &all);
    for (size_t i = 0; i < SAID_COUNT; i++) {
        const char *text = gm_node_str_or(part(d, "govern"), said[i].key, "");
        if (is_said(d->record, said[i].key))
            d->writer->fact(d, said[i].name, GM_TONE_PLAIN, gm_doc_cut(d, text, 10 * d->text_max)); /* prose */
        else
            d->writer->missing(d, said[i].name, said[i].what, gm_doc_printf(d, "govern.%s", said[i].key));
    }
    if (missing)
        d->writer->paragraph(
            d, GM_TONE_MUTED,
            gm_doc_printf(d, "%zu of %zu statements that only a person can make are still to be written.", missing, all));
}

/* A scalar as a short text. */
static const char *cell(gm_doc *d, const gm_node *n)
{
    return n && n->kind == GM_NODE_SCALAR ? gm_doc_cut(d, n->text, d->text_max < 40 ? d->text_max : 40) : "";
}

/* ---- the model ------------------------------------------------------------------------------------------------ */

static void write_model(gm_doc *d)
{
    const gm_node *model = part(d, "model");
    if (!model) {
        absent(d, "The record does not say which model this is.");
        return;
    }
    fact_text(d, "Name", GM_TONE_STRONG, model, "name");
    if (gm_node_get(model, "version"))
        fact_text(d, "Version", GM_TONE_PLAIN, model, "version");
    else
        d->writer->fact(d, "Version", GM_TONE_MUTED, "not registered");
    fact_text(d, "Alias", GM_TONE_CODE, model, "alias");
    fact_text(d, "Task", GM_TONE_PLAIN, model, "task");
    fact_text(d, "Target", GM_TONE_CODE, model, "target");
    const gm_node *classes = gm_node_get(model, "classes");
    const char *list = "";
    for (size_t i = 0; i < gm_card_count(classes) && i < 20; i++)
        list = gm_doc_printf(d, "%s%s%s", list, i ? ", " : "", cell(d, classes->items[i]));
    if (list[0] && gm_card_count(classes) > 20) list = gm_doc_printf(d, "%s and %zu more", list, gm_card_count(classes) - 20);
    if (list[0]) d->writer->fact(d, "Classes", GM_TONE_PLAIN, list);
    fact_text(d, "Trainer", GM_TONE_PLAIN, gm_node_get(model, "trainer") ? model : d->record,
              gm_node_get(model, "trainer") ? "trainer" : "winner");
    fact_text(d, "Created", GM_TONE_PLAIN, model, "created");
    d->writer->fact(d, "Format", GM_TONE_PLAIN, "one ONNX graph: raw columns in, predictions out, features included");
    fact_text(d, "Package (SHA-256)", GM_TONE_CODE, model, "digest");
}

/* ---- data ----------------------------------------------------------------------------------------------------- */

/* From and to, in microseconds since 1970. */
static const char *times(gm_doc *d, double low, double high)
{
    char from[40], to[40];
    if (fabs(low) > 9e18 || fabs(high) > 9e18) return "";
    return gm_doc_printf(d, "%s to %s", gm_time_text((int64_t)low, from, sizeof(from)),
                         gm_time_text((int64_t)high, to, sizeof(to)));
}

static void write_columns(gm_doc *d, const gm_node *dataset)
{
    const gm_node *columns = gm_node_get(gm_node_get(dataset, "schema"), "columns");
    gm_card_table t = { .folded = true };
    if (!gm_card_count(columns)) return;
    t.title = gm_doc_printf(d, "Columns of %s (%zu)", gm_doc_text(d, dataset, "name"), columns->count);
    gm_table_head(&t, "column", 'l');
    gm_table_head(&t, "kind", 'l');
    gm_table_head(&t, "missing", 'r');
    gm_table_head(&t, "distinct", 'r');
    gm_table_head(&t, "mean", 'r');
    gm_table_head(&t, "most frequent, or from and to", 'l');
    for (size_t i = 0; i < columns->count; i++) {
        const gm_node *c = columns->items[i], *top = gm_node_get(c, "top");
        const char *name = gm_doc_text(d, c, "name"), *kind = gm_doc_text(d, c, "kind"), *values = "";
        bool personal = gm_card_is_personal(dataset, gm_node_str_or(c, "name", "")), numbers = strcmp(kind, "number") == 0;
        double rows = number(c, "rows"), missing = number(c, "missing"), low = number(c, "min"), high = number(c, "max");
        /* Values of free texts and ids may name people, even where nobody said so. */
        bool lists = strcmp(kind, "category") == 0 || strcmp(kind, "bool") == 0 || strcmp(kind, "constant") == 0;
        if (numbers && isfinite(low)) values = gm_doc_printf(d, "%s to %s", gm_doc_number(d, low), gm_doc_number(d, high));
        if (strcmp(kind, "time") == 0 && isfinite(low)) values = times(d, low, high);
        for (size_t k = 0; lists && k < gm_card_count(top) && k < 4; k++)
            if (gm_card_count(top->items[k]))
                values = gm_doc_printf(d, "%s%s%s", values, k ? ", " : "", cell(d, top->items[k]->items[0]));
        gm_table_row(
            d, &t,
            (gm_cell[]){ { name, GM_TONE_CODE },
                         { kind, GM_TONE_PLAIN },
                         { rows > 0 ? gm_doc_percent(d, missing / rows) : "", GM_TONE_PLAIN },
                         { gm_doc_number(d, number(c, "distinct")), GM_TONE_PLAIN },
                         { personal || !numbers ? "" : gm_doc_number(d, number(c, "mean")), GM_TONE_PLAIN },
                         { personal ? "personal: no value is shown" : values, personal ? GM_TONE_MUTED : GM_TONE_PLAIN } });
    }
    d->writer->table(d, &t);
}

static void write_checks(gm_doc *d)
{
    const gm_node *checks = part(d, "checks");
    gm_card_table t = { .title = "Checks" };
    if (!gm_card_count(checks)) {
        absent(d, "No data checks were declared or recorded.");
        return;
    }
    gm_table_head(&t, "data set", 'l');
    gm_table_head(&t, "check", 'l');
    gm_table_head(&t, "outcome", 'l');
    gm_table_head(&t, "observed", 'l');
    for (size_t i = 0; i < checks->count; i++) {
        const gm_node *c = checks->items[i];
        bool ok = gm_node_bool_or(c, "ok", false), warning = strcmp(gm_node_str_or(c, "severity", ""), "warning") == 0;
        const char *observed = gm_doc_text(d, c, "observed_text");
        if (!observed[0] && gm_node_get(c, "broken"))
            observed = gm_doc_printf(d, "%s rows broke it", gm_doc_count(d, gm_node_int_or(c, "broken", 0)));
        gm_table_row(d, &t,
                     (gm_cell[]){ { gm_doc_text(d, c, "dataset"), GM_TONE_PLAIN },
                                  { gm_doc_text(d, c, gm_node_str_or(c, "name", "")[0] ? "name" : "check"), GM_TONE_CODE },
                                  { ok        ? "passed"
                                    : warning ? "warning"
                                              : "failed",
                                    ok        ? GM_TONE_GOOD
                                    : warning ? GM_TONE_WARN
                                              : GM_TONE_BAD },
                                  { observed, GM_TONE_PLAIN } });
    }
    d->writer->table(d, &t);
}

static void write_personal(gm_doc *d)
{
    const gm_node *data = part(d, "data");
    const char *names = "";
    for (size_t i = 0; i < gm_card_count(data); i++) {
        const gm_node *list = gm_node_get(data->items[i], "personal");
        for (size_t k = 0; k < gm_card_count(list) && k < d->rows_max; k++)
            names = gm_doc_printf(d, "%s%s%s.%s", names, names[0] ? ", " : "", gm_doc_text(d, data->items[i], "name"),
                                  cell(d, list->items[k]));
    }
    d->writer->fact(d, "Personal columns", GM_TONE_PLAIN, names[0] ? names : "none is marked as personal");
}

static void write_split(gm_doc *d)
{
    const gm_node *split = part(d, "split");
    gm_card_table t = { .title = "Rows of the split" };
    static const struct {
        const char *name, *rows, *from, *to;
    } sides[] = {
        { "training", "train_rows", "train_from", "train_to" },
        { "validation", "validation_rows", "validation_from", "validation_to" },
        { "test", "test_rows", "test_from", "test_to" },
    };
    if (!split) {
        absent(d, "How the rows were split is not recorded.");
        return;
    }
    gm_table_head(&t, "part", 'l');
    gm_table_head(&t, "rows", 'r');
    gm_table_head(&t, "from", 'l');
    gm_table_head(&t, "to", 'l');
    for (size_t i = 0; i < 3; i++)
        if (gm_node_get(split, sides[i].rows))
            gm_table_row(d, &t,
                         (gm_cell[]){ { sides[i].name, GM_TONE_PLAIN },
                                      { gm_doc_count(d, gm_node_int_or(split, sides[i].rows, 0)), GM_TONE_PLAIN },
                                      { gm_doc_text(d, split, sides[i].from), GM_TONE_PLAIN },
                                      { gm_doc_text(d, split, sides[i].to), GM_TONE_PLAIN } });
    d->writer->table(d, &t);
    fact_text(d, "Split by", GM_TONE_PLAIN, split, "by");
    fact_count(d, "Without a label", split, "without_label");
    fact_count(d, "Left out", split, "left_out");
}

static void write_data(gm_doc *d)
{
    const gm_node *data = part(d, "data");
    gm_card_table t = { 0 };
    if (!gm_card_count(data)) {
        absent(d, "No data set is recorded.");
    } else {
        gm_table_head(&t, "data set", 'l');
        gm_table_head(&t, "source", 'l');
        gm_table_head(&t, "rows", 'r');
        gm_table_head(&t, "columns", 'r');
        gm_table_head(&t, "version", 'l');
        gm_table_head(&t, "SHA-256", 'l');
        for (size_t i = 0; i < data->count; i++) {
            const gm_node *s = data->items[i];
            gm_table_row(d, &t,
                         (gm_cell[]){ { gm_doc_text(d, s, "name"), GM_TONE_STRONG },
                                      { gm_doc_text(d, s, "source"), GM_TONE_CODE },
                                      { gm_doc_number(d, number(s, "rows")), GM_TONE_PLAIN },
                                      { gm_doc_number(d, number(s, "columns")), GM_TONE_PLAIN },
                                      { gm_doc_text(d, s, "version"), GM_TONE_PLAIN },
                                      { gm_doc_short(d, s, "digest"), GM_TONE_CODE } });
        }
        d->writer->table(d, &t);
        write_personal(d);
    }
    write_split(d);
    write_checks(d);
    for (size_t i = 0; i < gm_card_count(data) && i < d->rows_max; i++) write_columns(d, data->items[i]);
}

/* ---- features, candidates --------------------------------------------------------------------------------------- */

/* One text, or a list of texts and maps, as one text. Three levels deep. */
static const char *joined_to(gm_doc *d, const gm_node *n, int depth)
{
    if (!n || n->is_null || depth > 3) return "";
    if (n->kind == GM_NODE_SCALAR) return gm_doc_cut(d, n->text, d->text_max);
    const char *all = "";
    for (size_t i = 0; i < n->count && i < 8; i++) {
        const char *one = joined_to(d, n->items[i], depth + 1), *key = n->kind == GM_NODE_MAP ? n->keys[i] : "";
        all = gm_doc_printf(d, "%s%s%s%s%s", all, i ? ", " : "", key, key[0] && one[0] ? " " : "", one);
    }
    return gm_doc_cut(d, all, d->text_max);
}

static const char *joined(gm_doc *d, const gm_node *n)
{
    return joined_to(d, n, 1);
}

/* The name of entry i of a map. */
static const char *key_of(gm_doc *d, const gm_node *map, size_t i)
{
    return gm_doc_cut(d, map->keys[i], d->text_max);
}

static void write_features(gm_doc *d)
{
    const gm_node *features = part(d, "features"), *dropped = part(d, "dropped");
    gm_card_table used = { 0 }, left = { .title = "Columns that are not used" };
    if (!gm_card_count(features)) absent(d, "No features are recorded.");
    gm_table_head(&used, "feature", 'l');
    gm_table_head(&used, "kind", 'l');
    gm_table_head(&used, "made from", 'l');
    gm_table_head(&used, "transform", 'l');
    gm_table_head(&used, "why", 'l');
    for (size_t i = 0; i < gm_card_count(features); i++) {
        const gm_node *f = features->items[i];
        const char *source = gm_doc_text(d, f, "source"), *transforms = joined(d, gm_node_get(f, "transforms"));
        gm_table_row(d, &used,
                     (gm_cell[]){ { gm_doc_text(d, f, "name"), GM_TONE_CODE },
                                  { gm_doc_text(d, f, "kind"), GM_TONE_PLAIN },
                                  { source[0] ? source : "the column", source[0] ? GM_TONE_CODE : GM_TONE_MUTED },
                                  { transforms[0] ? transforms : "by its kind", transforms[0] ? GM_TONE_PLAIN : GM_TONE_MUTED },
                                  { gm_doc_text(d, f, "reason"), GM_TONE_PLAIN } });
    }
    d->writer->table(d, &used);
    gm_table_head(&left, "column", 'l');
    gm_table_head(&left, "why", 'l');
    for (size_t i = 0; i < gm_card_count(dropped); i++)
        gm_table_row(d, &left,
                     (gm_cell[]){ { gm_doc_text(d, dropped->items[i], "name"), GM_TONE_CODE },
                                  { gm_doc_text(d, dropped->items[i], "reason"), GM_TONE_PLAIN } });
    d->writer->table(d, &left);
    gm_chart_values(d);
}

static void write_parameters(gm_doc *d, const gm_node *candidate)
{
    const gm_node *params = gm_node_get(candidate, "params");
    gm_card_table t = { .folded = true };
    if (!gm_card_count(params) || params->kind != GM_NODE_MAP) return;
    t.title = gm_doc_printf(d, "Parameters of %s", gm_doc_text(d, candidate, "trainer"));
    gm_table_head(&t, "parameter", 'l');
    gm_table_head(&t, "value", 'l');
    for (size_t i = 0; i < params->count; i++) {
        double v = gm_node_double_or(params, params->keys[i], (double)NAN);
        gm_table_row(d, &t,
                     (gm_cell[]){ { key_of(d, params, i), GM_TONE_CODE },
                                  { isfinite(v) ? gm_doc_printf(d, "%.6g", v) : joined(d, params->items[i]), GM_TONE_PLAIN } });
    }
    d->writer->table(d, &t);
}

static void write_candidates(gm_doc *d)
{
    const gm_node *candidates = part(d, "candidates");
    const char *winner = gm_doc_text(d, d->record, "winner");
    gm_card_table t = { 0 };
    if (!gm_card_count(candidates)) {
        absent(d, "No candidates are recorded.");
        return;
    }
    d->writer->paragraph(d, GM_TONE_PLAIN,
                         winner[0]
                             ? gm_doc_printf(d,
                                             "Parameters and the winner (%s) were chosen on the validation rows; the values on "
                                             "test rows were read afterwards.",
                                             winner)
                             : "Parameters were chosen on the validation rows; the values on test rows were read afterwards.");
    gm_chart_candidates(d);
    gm_table_head(&t, "trainer", 'l');
    gm_table_head(&t, "metric", 'l');
    gm_table_head(&t, "validation", 'r');
    gm_table_head(&t, "test", 'r');
    gm_table_head(&t, "95% interval", 'l');
    gm_table_head(&t, "trials", 'r');
    gm_table_head(&t, "rounds", 'r');
    for (size_t i = 0; i < candidates->count; i++) {
        const gm_node *c = candidates->items[i];
        const char *trainer = gm_doc_text(d, c, "trainer");
        bool won = winner[0] && strcmp(trainer, winner) == 0;
        gm_table_row(d, &t,
                     (gm_cell[]){ { trainer, won ? GM_TONE_STRONG : GM_TONE_PLAIN },
                                  { gm_doc_text(d, c, "metric"), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(c, "validation")), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(c, "value")), won ? GM_TONE_STRONG : GM_TONE_PLAIN },
                                  { gm_doc_interval(d, number(c, "low"), number(c, "high")), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(c, "trials")), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(c, "rounds")), GM_TONE_PLAIN } });
    }
    d->writer->table(d, &t);
    for (size_t i = 0; i < candidates->count && i < d->rows_max; i++)
        if (!winner[0] || strcmp(gm_node_str_or(candidates->items[i], "trainer", ""), winner) == 0)
            write_parameters(d, candidates->items[i]);
}

/* ---- evaluation ----------------------------------------------------------------------------------------------- */

static void write_confusion(gm_doc *d, const gm_node *evaluation)
{
    const gm_node *rows = gm_node_get(evaluation, "confusion"), *names = gm_node_get(evaluation, "class_names");
    gm_card_table t = { .title = "Confusion: truth by row, prediction by column" };
    size_t n = gm_card_count(rows);
    if (n < 2 || n > 10) return;
    gm_cell cells[12] = { 0 };
    gm_table_head(&t, "truth", 'l');
    for (size_t k = 0; k < n; k++)
        gm_table_head(&t, k < gm_card_count(names) ? cell(d, names->items[k]) : gm_doc_printf(d, "class %zu", k), 'r');
    for (size_t i = 0; i < n; i++) {
        if (gm_card_count(rows->items[i]) != n) return;
        cells[0] = (gm_cell){ t.heads[i + 1], GM_TONE_PLAIN };
        for (size_t k = 0; k < n; k++) {
            int64_t count = 0;
            (void)gm_node_int(rows->items[i]->items[k], &count, NULL); /* not a number: shown as 0 */
            cells[k + 1] = (gm_cell){ gm_doc_count(d, count), i == k ? GM_TONE_STRONG : GM_TONE_PLAIN };
        }
        gm_table_row(d, &t, cells);
    }
    d->writer->table(d, &t);
    if (gm_node_get(evaluation, "threshold")) {
        d->writer->fact(d, "Threshold", GM_TONE_PLAIN, gm_doc_number(d, number(evaluation, "threshold")));
        const gm_node *best = gm_node_get(evaluation, "best_f1");
        if (best)
            d->writer->fact(d, "Best F1", GM_TONE_PLAIN,
                            gm_doc_printf(d, "%s, at the threshold %s", gm_doc_number(d, number(best, "f1")),
                                          gm_doc_number(d, number(best, "threshold"))));
    }
}

static void write_thresholds(gm_doc *d, const gm_node *evaluation)
{
    const gm_node *list = gm_node_get(evaluation, "thresholds");
    static const char *const keys[] = { "threshold", "precision", "recall", "f1", "specificity", "share_positive" };
    gm_card_table t = { .title = "What other thresholds give", .folded = true };
    if (!gm_card_count(list)) return;
    for (size_t k = 0; k < 6; k++) gm_table_head(&t, k == 5 ? "predicted positive" : keys[k], 'r');
    for (size_t i = 0; i < list->count; i++) {
        gm_cell cells[6] = { 0 };
        for (size_t k = 0; k < 6; k++)
            cells[k].text = k == 0 ? gm_doc_printf(d, "%.2f", number(list->items[i], keys[k]))
                                   : gm_doc_number(d, number(list->items[i], keys[k]));
        gm_table_row(d, &t, cells);
    }
    d->writer->table(d, &t);
}

static void write_performance(gm_doc *d)
{
    const gm_node *evaluation = gm_card_evaluation(d->record), *metrics = gm_node_get(evaluation, "metrics");
    const char *main_metric = gm_doc_text(d, evaluation, "metric");
    gm_card_table t = { 0 };
    if (!evaluation) {
        absent(d, "The model was not evaluated.");
        return;
    }
    d->writer->paragraph(d, GM_TONE_PLAIN,
                         gm_doc_printf(d, "On %s test rows that no part of training has seen. The metric that decides is %s.",
                                       gm_doc_number(d, number(evaluation, "rows")),
                                       main_metric[0] ? main_metric : "not recorded"));
    gm_chart_curves(d);
    gm_table_head(&t, "metric", 'l');
    gm_table_head(&t, "value", 'r');
    gm_table_head(&t, "95% interval", 'l');
    gm_table_head(&t, "better", 'l');
    gm_table_head(&t, "interval by", 'l');
    for (size_t i = 0; metrics && metrics->kind == GM_NODE_MAP && i < metrics->count; i++) {
        const gm_node *m = metrics->items[i];
        bool decides = strcmp(metrics->keys[i], main_metric) == 0;
        const char *undefined = gm_doc_text(d, m, "undefined"), *better = !gm_node_get(m, "higher_is_better") ? ""
                                                                          : gm_node_bool_or(m, "higher_is_better", true)
                                                                              ? "higher"
                                                                              : "lower";
        gm_table_row(
            d, &t,
            (gm_cell[]){ { key_of(d, metrics, i), decides ? GM_TONE_STRONG : GM_TONE_PLAIN },
                         { gm_doc_number(d, number(m, "value")), decides ? GM_TONE_STRONG : GM_TONE_PLAIN },
                         { undefined[0] ? undefined : gm_doc_interval(d, number(m, "low"), number(m, "high")), GM_TONE_PLAIN },
                         { better, GM_TONE_MUTED },
                         { gm_doc_text(d, m, "method"), GM_TONE_MUTED } });
    }
    d->writer->table(d, &t);
    write_confusion(d, evaluation);
    write_thresholds(d, evaluation);
    const gm_node *calibration = gm_node_get(evaluation, "calibration"), *bins = gm_node_get(calibration, "bins");
    gm_card_table c = { .title = gm_doc_printf(d, "Calibration (expected calibration error %s)",
                                               gm_doc_number(d, number(calibration, "ece"))),
                        .folded = true };
    gm_table_head(&c, "mean prediction", 'r');
    gm_table_head(&c, "share positive", 'r');
    gm_table_head(&c, "rows", 'r');
    for (size_t i = 0; i < gm_card_count(bins); i++)
        gm_table_row(d, &c,
                     (gm_cell[]){ { gm_doc_number(d, number(bins->items[i], "mean_predicted")), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(bins->items[i], "share_positive")), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(bins->items[i], "rows")), GM_TONE_PLAIN } });
    d->writer->table(d, &c);
}

static void write_slices(gm_doc *d)
{
    const gm_node *evaluation = gm_card_evaluation(d->record), *slices = gm_node_get(evaluation, "slices");
    gm_card_table t = { .folded = true };
    size_t judged = 0;
    if (!gm_card_count(slices)) {
        absent(d, "No slices were evaluated.");
        return;
    }
    for (size_t i = 0; i < slices->count; i++) judged += gm_node_bool_or(slices->items[i], "judged", true);
    d->writer->paragraph(
        d, GM_TONE_PLAIN,
        gm_doc_printf(d,
                      "%s on parts of the test rows, worst first. %zu of %zu slices have enough rows of each class to be judged.",
                      gm_doc_text(d, evaluation, "metric"), judged, slices->count));
    gm_chart_slices(d);
    t.title = gm_doc_printf(d, "All slices (%zu)", slices->count);
    gm_table_head(&t, "column", 'l');
    gm_table_head(&t, "slice", 'l');
    gm_table_head(&t, "rows", 'r');
    gm_table_head(&t, "value", 'r');
    gm_table_head(&t, "95% interval", 'l');
    for (size_t i = 0; i < slices->count; i++) {
        const gm_node *s = slices->items[i];
        bool is_judged = gm_node_bool_or(s, "judged", true);
        gm_table_row(d, &t,
                     (gm_cell[]){ { gm_doc_text(d, s, "column"), GM_TONE_CODE },
                                  { gm_doc_text(d, s, gm_node_get(s, "slice") ? "slice" : "value_text"), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(s, "rows")), GM_TONE_PLAIN },
                                  { is_judged ? gm_doc_number(d, number(s, "value")) : "not judged",
                                    is_judged ? GM_TONE_PLAIN : GM_TONE_MUTED },
                                  { is_judged ? gm_doc_interval(d, number(s, "low"), number(s, "high")) : "", GM_TONE_PLAIN } });
    }
    d->writer->table(d, &t);
}

static void write_importance(gm_doc *d)
{
    const gm_node *evaluation = gm_card_evaluation(d->record), *list = gm_node_get(evaluation, "importance"),
                  *feedback = gm_node_get(evaluation, "feedback");
    gm_card_table t = { .title = "Permutation importance", .folded = true };
    if (!gm_card_count(list))
        absent(d, "Feature importance was not measured.");
    else
        d->writer->paragraph(d, GM_TONE_PLAIN,
                             gm_doc_printf(d, "How much %s gets worse when one column is shuffled among the test rows.",
                                           gm_doc_text(d, evaluation, "metric")));
    gm_chart_importance(d);
    gm_table_head(&t, "column", 'l');
    gm_table_head(&t, "mean", 'r');
    gm_table_head(&t, "standard deviation", 'r');
    const gm_node **sorted = gm_card_by(d, list, "mean");
    for (size_t i = 0; sorted && i < gm_card_count(list); i++)
        gm_table_row(d, &t,
                     (gm_cell[]){ { gm_doc_text(d, sorted[i], "feature"), GM_TONE_CODE },
                                  { gm_doc_number(d, number(sorted[i], "mean")), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(sorted[i], "std")), GM_TONE_PLAIN } });
    d->writer->table(d, &t);
    if (gm_card_count(feedback)) d->writer->subsection(d, "What was noticed, and what to try next");
    for (size_t i = 0; i < gm_card_count(feedback) && i < d->rows_max; i++) {
        const char *severity = gm_doc_text(d, feedback->items[i], "severity");
        gm_tone tone = strcmp(severity, "serious") == 0   ? GM_TONE_BAD
                       : strcmp(severity, "warning") == 0 ? GM_TONE_WARN
                                                          : GM_TONE_MUTED;
        d->writer->item(d, severity, tone, gm_doc_text(d, feedback->items[i], "text"));
    }
}

/* ---- gates ---------------------------------------------------------------------------------------------------- */

static void gate_rows(gm_doc *d, gm_card_table *t, const gm_node *gates)
{
    for (size_t i = 0; i < gm_card_count(gates); i++) {
        const gm_node *g = gates->items[i];
        const char *verdict = gm_doc_text(d, g, "verdict");
        gm_tone tone = strcmp(verdict, "fail") == 0         ? GM_TONE_BAD
                       : strcmp(verdict, "not judged") == 0 ? GM_TONE_WARN
                                                            : GM_TONE_GOOD;
        gm_table_row(d, t,
                     (gm_cell[]){ { gm_doc_text(d, g, "text"), GM_TONE_CODE },
                                  { verdict, tone },
                                  { gm_doc_number(d, number(g, "observed")), GM_TONE_PLAIN },
                                  { gm_doc_number(d, number(g, "wanted")), GM_TONE_PLAIN },
                                  { gm_doc_text(d, g, "detail"), GM_TONE_PLAIN } });
    }
}

static void write_gates(gm_doc *d)
{
    const gm_node *gates = part(d, "gates"), *timing = part(d, "timing_gates"), *comparison = part(d, "comparison");
    gm_card_table t = { 0 };
    gm_table_head(&t, "gate", 'l');
    gm_table_head(&t, "verdict", 'l');
    gm_table_head(&t, "observed", 'r');
    gm_table_head(&t, "wanted", 'r');
    gm_table_head(&t, "detail", 'l');
    gate_rows(d, &t, gates);
    gate_rows(d, &t, timing);
    if (t.rows)
        d->writer->table(d, &t);
    else
        absent(d, "No gates were declared or recorded: nothing held the model back.");
    d->writer->subsection(d, "Against the champion before it");
    if (!comparison) {
        absent(d, "There was no other champion to compare with.");
        return;
    }
    fact_text(d, "Champion", GM_TONE_CODE, comparison, "champion");
    d->writer->fact(d, "Difference", GM_TONE_PLAIN,
                    gm_doc_printf(d, "%s %s", gm_doc_number(d, number(comparison, "delta")),
                                  gm_doc_interval(d, number(comparison, "low"), number(comparison, "high"))));
    d->writer->fact(d, "p-value", GM_TONE_PLAIN, gm_doc_number(d, number(comparison, "p_value")));
    fact_text(d, "Method", GM_TONE_PLAIN, comparison, "method");
}

/* ---- where it comes from -------------------------------------------------------------------------------------- */

static bool is_digest(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void write_lineage(gm_doc *d)
{
    const gm_node *lineage = part(d, "lineage"), *environment = part(d, "environment");
    gm_card_table steps = { .title = "Steps and their action keys", .folded = true };
    gm_table_head(&steps, "step", 'l');
    gm_table_head(&steps, "action key", 'l');
    if (!gm_card_count(lineage)) absent(d, "No lineage is recorded.");
    size_t facts = 0;
    for (size_t i = 0; lineage && lineage->kind == GM_NODE_MAP && i < lineage->count; i++) {
        const gm_node *v = lineage->items[i];
        if (v->kind == GM_NODE_SCALAR && is_digest(v->text) && strncmp(lineage->keys[i], "code", 4) != 0)
            gm_table_row(
                d, &steps,
                (gm_cell[]){ { key_of(d, lineage, i), GM_TONE_PLAIN }, { gm_doc_printf(d, "%.16s", v->text), GM_TONE_CODE } });
        else if (facts++ < d->rows_max)
            d->writer->fact(d, key_of(d, lineage, i), GM_TONE_CODE, joined(d, v));
    }
    d->writer->table(d, &steps);
    d->writer->subsection(d, "Environment");
    if (!gm_card_count(environment)) absent(d, "The environment is not recorded.");
    for (size_t i = 0; environment && environment->kind == GM_NODE_MAP && i < environment->count && i < d->rows_max; i++)
        d->writer->fact(d, key_of(d, environment, i), GM_TONE_PLAIN, joined(d, environment->items[i]));
}

/* ---- a technical file ------------------------------------------------------------------------------------------- */

/* The points of Annex IV of Regulation (EU) 2024/1689 and where this card serves them. record: the part of the record that must
 * be there; govern: the statement that must be written; neither: the card does not cover it. */
static const struct annex {
    const char *point, *what, *record, *govern, *where;
} annex[] = {
    { "1 (a)", "intended purpose, provider, version", "model", "intended_use", "The model; Use and responsibility" },
    { "1 (c), (e)", "software versions, hardware", "environment", NULL, "Lineage and environment" },
    { "2 (a)", "methods and steps of development", "lineage", NULL, "Candidates; Lineage and environment" },
    { "2 (b)", "design choices, what is optimised", "candidates", "limitations", "Features; Candidates" },
    { "2 (d)", "data: origin, scope, cleaning", "data", NULL, "Data" },
    { "2 (e)", "human oversight", NULL, NULL, "not in this card" },
    { "2 (g)", "validation and testing, metrics", "evaluation", NULL, "Performance; Gates" },
    { "3", "accuracy by group, foreseeable harm", "evaluation", "risks", "Slices; Use and responsibility" },
    { "4", "why the metrics fit", NULL, NULL, "not in this card" },
    { "5", "risk management", NULL, NULL, "not in this card" },
    { "6", "changes over the life of the system", "comparison", NULL, "Gates; `gristmill models`" },
    { "9", "monitoring after release", NULL, NULL, "not in this card" },
};

static void write_annex(gm_doc *d)
{
    gm_card_table t = { 0 };
    d->writer->paragraph(d, GM_TONE_PLAIN,
                         "Where the points of a technical file (Annex IV of the EU AI Act) find their material. The rest of such "
                         "a file is written elsewhere.");
    gm_table_head(&t, "point", 'l');
    gm_table_head(&t, "about", 'l');
    gm_table_head(&t, "state", 'l');
    gm_table_head(&t, "section", 'l');
    for (size_t i = 0; i < sizeof(annex) / sizeof(annex[0]); i++) {
        const struct annex *x = &annex[i];
        bool recorded = x->record && gm_card_count(part(d, x->record)) > 0, written = !x->govern || is_said(d->record, x->govern);
        const char *state = !x->record  ? "not covered"
                            : !recorded ? "not recorded"
                            : !written  ? gm_doc_printf(d, "MISSING: govern.%s", x->govern)
                                        : "here";
        gm_table_row(d, &t,
                     (gm_cell[]){ { x->point, GM_TONE_PLAIN },
                                  { x->what, GM_TONE_PLAIN },
                                  { state, !x->record || !recorded ? GM_TONE_MUTED
                                           : written               ? GM_TONE_GOOD
                                                                   : GM_TONE_WARN },
                                  { x->where, GM_TONE_PLAIN } });
    }
    d->writer->table(d, &t);
}

const gm_card_section gm_card_sections[] = {
    { "model", "The model", write_model },
    { "use", "Use and responsibility", write_use },
    { "data", "Data", write_data },
    { "features", "Features", write_features },
    { "candidates", "Candidates", write_candidates },
    { "performance", "Performance", write_performance },
    { "slices", "Slices", write_slices },
    { "importance", "What matters", write_importance },
    { "gates", "Gates", write_gates },
    { "lineage", "Lineage and environment", write_lineage },
    { "annex", "Technical file", write_annex },
};
const size_t gm_card_sections_count = sizeof(gm_card_sections) / sizeof(gm_card_sections[0]);

/* ---- writing --------------------------------------------------------------------------------------------------- */

static gm_rc write_with(const gm_doc_writer *writer, void (*begin)(gm_doc *), void (*end)(gm_doc *), const gm_node *record,
                        size_t rows_max, gm_buf *out, gm_err *err)
{
    gm_doc d = {
        .writer = writer, .out = out, .record = record, .rows_max = rows_max, .text_max = rows_max < 50 ? 6 * rows_max : 300
    };
    d.a = gm_arena_new((size_t)64 << 20);
    if (!d.a) return gm_err_set(err, GM_ENOMEM, "not enough memory for a model card");
    begin(&d);
    for (size_t i = 0; i < gm_card_sections_count; i++) {
        writer->section(&d, gm_card_sections[i].id, gm_card_sections[i].title);
        gm_card_sections[i].write(&d);
    }
    if (end) end(&d);
    bool failed = d.failed || out->failed;
    gm_arena_free(d.a);
    return failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for a model card") : GM_OK;
}

static gm_rc check_record(const gm_node *record, gm_err *err)
{
    return record && record->kind == GM_NODE_MAP ? GM_OK
                                                 : gm_err_set(err, GM_EINVALID, "the record of a model card must be an object");
}

gm_rc gm_card_markdown(const gm_node *record, gm_buf *out, gm_err *err)
{
    gm_buf text = { 0 };
    gm_rc rc = check_record(record, err);
    if (!rc) rc = write_with(&gm_doc_markdown, gm_doc_markdown_begin, NULL, record, 100, &text, err);
    if (!rc) gm_buf_add(out, text.data, text.len);
    gm_buf_clear(&text);
    return rc || !out->failed ? rc : gm_err_set(err, GM_ENOMEM, "not enough memory for a model card");
}

gm_rc gm_card_html(const gm_node *record, gm_buf *out, gm_err *err)
{
    gm_buf text = { 0 };
    gm_rc rc = check_record(record, err);
    /* At two rows a table and a dozen bytes a text a card is far below the limit, whatever the record holds. */
    for (size_t rows_max = 200; !rc; rows_max /= 2) {
        rc = write_with(&gm_doc_html, gm_doc_html_begin, gm_doc_html_end, record, rows_max, &text, err);
        if (rc || text.len <= GM_CARD_HTML_MAX || rows_max <= 2) break;
        gm_buf_clear(&text);
    }
    if (!rc) gm_buf_add(out, text.data, text.len);
    gm_buf_clear(&text);
    return rc || !out->failed ? rc : gm_err_set(err, GM_ENOMEM, "not enough memory for a model card");
}
