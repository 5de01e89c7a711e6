/* card_markdown.c - a card as Markdown (GitHub's tables), headed by the metadata block of a Hugging Face model card. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "govern/card_doc.h"

/* Is an underscore at c inside a word? There it is no emphasis. */
static bool inside_word(const char *begin, const char *c)
{
    return c > begin && isalnum((unsigned char)c[-1]) && isalnum((unsigned char)c[1]);
}

void gm_markdown_text(gm_buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            gm_buf_char(out, ' ');
        else if (*c == '<')
            gm_buf_text(out, "&lt;");
        else if (*c == '&')
            gm_buf_text(out, "&amp;");
        else if (*c == '_' && inside_word(text, c))
            gm_buf_char(out, *c);
        else if (strchr("\\`*_[]|~", *c))
            gm_buf_printf(out, "\\%c", *c);
        else if (c == text && strchr("#>+-", *c))
            gm_buf_printf(out, "\\%c", *c);
        else
            gm_buf_char(out, *c);
    }
}

/* A code span: fenced by more backticks than it holds in a row. A bar is escaped for tables, where it would end the cell. */
static void code(gm_buf *out, const char *text)
{
    size_t run = 0, longest = 0;
    for (const char *c = text; *c; c++) {
        run = *c == '`' ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    bool padded = longest > 0 || text[0] == ' ';
    for (size_t i = 0; i <= longest; i++) gm_buf_char(out, '`');
    if (padded) gm_buf_char(out, ' ');
    for (const char *c = text; *c; c++) {
        if (*c == '|') gm_buf_char(out, '\\');
        gm_buf_char(out, (unsigned char)*c < 0x20 ? ' ' : *c);
    }
    if (padded) gm_buf_char(out, ' ');
    for (size_t i = 0; i <= longest; i++) gm_buf_char(out, '`');
}

static void toned(gm_buf *out, gm_tone tone, const char *text)
{
    if (!text || !text[0]) {
        gm_buf_text(out, "\u2013");
        return;
    }
    if (tone == GM_TONE_CODE) {
        code(out, text);
        return;
    }
    bool bold = tone == GM_TONE_BAD || tone == GM_TONE_WARN || tone == GM_TONE_STRONG;
    if (bold) gm_buf_text(out, "**");
    gm_markdown_text(out, text);
    if (bold) gm_buf_text(out, "**");
}

static void blank(gm_doc *d)
{
    size_t n = d->out->len;
    if (n == 0) return;
    if (d->out->data[n - 1] != '\n') gm_buf_char(d->out, '\n');
    if (n < 2 || d->out->data[d->out->len - 2] != '\n') gm_buf_char(d->out, '\n');
}

/* Before a list item: an empty line, unless the line before is an item too. */
static void before_item(gm_doc *d)
{
    const char *begin = d->out->data, *c = begin + d->out->len;
    if (!begin) return;
    if (c > begin && c[-1] == '\n') c--;
    while (c > begin && c[-1] != '\n') c--;
    if (strncmp(c, "- ", 2) != 0) blank(d);
}

static void section(gm_doc *d, const char *id, const char *title)
{
    (void)id;
    blank(d);
    gm_buf_text(d->out, "## ");
    gm_markdown_text(d->out, title);
    gm_buf_text(d->out, "\n");
}

static void subsection(gm_doc *d, const char *title)
{
    blank(d);
    gm_buf_text(d->out, "### ");
    gm_markdown_text(d->out, title);
    gm_buf_text(d->out, "\n");
}

static void paragraph(gm_doc *d, gm_tone tone, const char *text)
{
    blank(d);
    toned(d->out, tone, text);
    gm_buf_char(d->out, '\n');
}

static void item(gm_doc *d, const char *lead, gm_tone tone, const char *text)
{
    before_item(d);
    gm_buf_text(d->out, "- ");
    if (lead && lead[0]) {
        toned(d->out, tone, lead);
        gm_buf_text(d->out, ": ");
    }
    gm_markdown_text(d->out, text);
    gm_buf_char(d->out, '\n');
}

static void fact(gm_doc *d, const char *name, gm_tone tone, const char *value)
{
    before_item(d);
    gm_buf_text(d->out, "- ");
    gm_markdown_text(d->out, name);
    gm_buf_text(d->out, ": ");
    toned(d->out, tone, value);
    gm_buf_char(d->out, '\n');
}

static void missing(gm_doc *d, const char *name, const char *what, const char *key)
{
    before_item(d);
    gm_buf_text(d->out, "- ");
    gm_markdown_text(d->out, name);
    gm_buf_text(d->out, ": **MISSING: ");
    gm_markdown_text(d->out, what);
    gm_buf_text(d->out, "** (write it at ");
    code(d->out, key);
    gm_buf_text(d->out, " in gristmill.yaml)\n");
}

static void table(gm_doc *d, const gm_card_table *t)
{
    if (t->rows == 0) return;
    if (t->title) subsection(d, t->title);
    blank(d);
    for (size_t k = 0; k < t->columns; k++) {
        gm_buf_text(d->out, "| ");
        gm_markdown_text(d->out, t->heads[k]);
        gm_buf_char(d->out, ' ');
    }
    gm_buf_text(d->out, "|\n");
    for (size_t k = 0; k < t->columns; k++) gm_buf_text(d->out, t->align[k] == 'r' ? "|---:" : "|---");
    gm_buf_text(d->out, "|\n");
    for (size_t i = 0; i < t->rows; i++) {
        for (size_t k = 0; k < t->columns; k++) {
            gm_buf_text(d->out, "| ");
            toned(d->out, t->cells[i * t->columns + k].tone, t->cells[i * t->columns + k].text);
            gm_buf_char(d->out, ' ');
        }
        gm_buf_text(d->out, "|\n");
    }
    if (t->left_out) gm_buf_printf(d->out, "\n%zu more rows are in the record (`gristmill card --json`).\n", t->left_out);
}

static void figure(gm_doc *d, const char *caption, const gm_buf *svg)
{
    (void)d;
    (void)caption;
    (void)svg;
}

static void group(gm_doc *d, bool begin)
{
    (void)d;
    (void)begin;
}

const gm_doc_writer gm_doc_markdown = { section, subsection, paragraph, item, fact, missing, table, figure, group, false };

/* ---- metadata ------------------------------------------------------------------------------------------------ */

/* A JSON string is a YAML string too. */
static void quoted(gm_buf *out, const char *text)
{
    gm_json j;
    gm_json_init(&j, out, false);
    gm_json_str(&j, text);
}

/* Keys of a Hugging Face card: license, library_name, pipeline_tag, tags, metrics, model-index. What is not known is left out. */
void gm_doc_markdown_begin(gm_doc *d)
{
    const gm_node *model = gm_node_get(d->record, "model"), *evaluation = gm_card_evaluation(d->record),
                  *metrics = gm_node_get(evaluation, "metrics");
    const gm_node *data = gm_node_get(d->record, "data"), *first = gm_card_count(data) ? data->items[0] : NULL;
    const char *license = gm_node_str_or(gm_node_get(d->record, "govern"), "license", ""),
               *task = gm_node_str_or(model, "task", "");
    const char *tag = strcmp(task, "regression") == 0 ? "tabular-regression" : "tabular-classification";
    size_t shown = 0;
    gm_buf_text(d->out, "---\n");
    if (license[0]) {
        gm_buf_text(d->out, "license: ");
        size_t begin = d->out->len;
        quoted(d->out, license);
        for (size_t i = begin; i < d->out->len; i++)
            d->out->data[i] = (char)tolower((unsigned char)d->out->data[i]); /* as the hub writes its ids */
        gm_buf_char(d->out, '\n');
    }
    gm_buf_text(d->out, "library_name: onnx\n");
    if (task[0]) gm_buf_printf(d->out, "pipeline_tag: %s\n", tag);
    gm_buf_text(d->out, "tags:\n- gristmill\n- onnx\n");
    for (size_t i = 0; metrics && metrics->kind == GM_NODE_MAP && i < metrics->count; i++) {
        double value = gm_node_double_or(metrics->items[i], "value", (double)NAN);
        if (value != value) continue;
        if (shown++ == 0) {
            gm_buf_text(d->out, "model-index:\n- name: ");
            quoted(d->out, gm_node_str_or(model, "name", ""));
            gm_buf_printf(d->out,
                          "\n  results:\n  - task:\n      type: %s\n    dataset:\n      type: tabular\n      name: ", tag);
            quoted(d->out, gm_node_str_or(first, "name", "test"));
            gm_buf_text(d->out, "\n      split: test\n    metrics:\n");
        }
        char number[32];
        gm_buf_text(d->out, "    - type: ");
        quoted(d->out, metrics->keys[i]);
        gm_buf_printf(d->out, "\n      value: %s\n", gm_double_text(value, number));
    }
    gm_buf_text(d->out, "---\n\n# ");
    gm_markdown_text(d->out, gm_node_str_or(model, "name", "Model"));
    if (gm_node_get(model, "version")) gm_buf_printf(d->out, ", version %s", gm_doc_text(d, model, "version"));
    gm_buf_char(d->out, '\n');
}
