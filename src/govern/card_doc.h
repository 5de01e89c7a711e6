/* card_doc.h - a document being written: headings, facts, tables, figures, and places where a person must write.
 *
 * card.c says what stands in a card, once; card_markdown.c and card_html.c say how it looks. Texts are plain: the writer escapes
 * them. For this room only. Memory: everything in the document's arena.
 */
#ifndef GM_GOVERN_CARD_DOC_H
#define GM_GOVERN_CARD_DOC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/node.h"

/* How a text is meant: an item of code or a name, a good or bad outcome, something less important. */
typedef enum gm_tone {
    GM_TONE_PLAIN,
    GM_TONE_CODE,
    GM_TONE_GOOD,
    GM_TONE_WARN,
    GM_TONE_BAD,
    GM_TONE_MUTED,
    GM_TONE_STRONG
} gm_tone;

typedef struct gm_cell {
    const char *text; /* NULL or "" shows as a dash */
    gm_tone tone;
} gm_cell;

typedef struct gm_card_table {
    const char *title;
    const char *heads[12];
    size_t columns;
    char align[12]; /* one letter a column: l or r                    */
    gm_cell *cells; /* [rows, columns] in arena                       */
    size_t rows, capacity;
    size_t left_out; /* rows beyond the document's limit               */
    bool folded;     /* shown on demand where the format can           */
} gm_card_table;

typedef struct gm_doc gm_doc;
struct gm_doc {
    const struct gm_doc_writer *writer;
    gm_buf *out;
    gm_arena *a;
    const gm_node *record;
    size_t rows_max; /* of a table; the rest is counted                   */
    size_t text_max; /* bytes of one text                                 */
    size_t missing;  /* places where a person must write                  */
    bool failed;     /* memory is out                                     */
    int figures;     /* so far, for ids                                   */
    int open;        /* HTML: the list that is open                       */
    bool in_section; /* HTML                                              */
};

typedef struct gm_doc_writer {
    void (*section)(gm_doc *d, const char *id, const char *title);
    void (*subsection)(gm_doc *d, const char *title);
    void (*paragraph)(gm_doc *d, gm_tone tone, const char *text);
    void (*item)(gm_doc *d, const char *lead, gm_tone tone,
                 const char *text); /* one of a list; the list ends with the next other thing */
    void (*fact)(gm_doc *d, const char *name, gm_tone tone, const char *value); /* likewise */
    void (*missing)(gm_doc *d, const char *name, const char *what, const char *key);
    void (*table)(gm_doc *d, const gm_card_table *t);
    /* svg: a finished drawing, shown where the format can; several figures between group(true) and group(false) stand side by
     * side. */
    void (*figure)(gm_doc *d, const char *caption, const gm_buf *svg);
    void (*group)(gm_doc *d, bool begin);
    bool draws; /* figures are shown: charts are made */
} gm_doc_writer;

/* The sections of a card, in order (card.c). */
typedef struct gm_card_section {
    const char *id, *title;
    void (*write)(gm_doc *d);
} gm_card_section;
extern const gm_card_section gm_card_sections[];
extern const size_t gm_card_sections_count;

extern const gm_doc_writer gm_doc_markdown, gm_doc_html;
/* What stands before and after the sections. */
void gm_doc_markdown_begin(gm_doc *d);
void gm_doc_html_begin(gm_doc *d);
void gm_doc_html_end(gm_doc *d);
/* Markdown text of a plain one, for the title and for cells. */
void gm_markdown_text(gm_buf *out, const char *text);

/* ---- texts ------------------------------------------------------------------------------------------------ */

/* All in arena, never NULL: "" when memory is out, and d->failed says so. */
const char *gm_doc_printf(gm_doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A text of the record, cut at d->text_max with an ellipsis; "" when absent. */
const char *gm_doc_text(gm_doc *d, const gm_node *map, const char *key);
/* Any text, cut at max bytes with an ellipsis. */
const char *gm_doc_cut(gm_doc *d, const char *text, size_t max);
/* "336,776", "0.6923", "1.2e-05"; "" for NaN. */
const char *gm_doc_number(gm_doc *d, double v);
const char *gm_doc_count(gm_doc *d, int64_t v);
const char *gm_doc_percent(gm_doc *d, double share);
/* "[0.6869, 0.6977]"; "" when not known. */
const char *gm_doc_interval(gm_doc *d, double low, double high);
/* The first 12 digits of a digest. */
const char *gm_doc_short(gm_doc *d, const gm_node *map, const char *key);

void gm_table_head(gm_card_table *t, const char *head, char align);
/* cells: [t->columns]. Beyond d->rows_max only counted. */
void gm_table_row(gm_doc *d, gm_card_table *t, const gm_cell *cells);

/* ---- charts (card_charts.c): written into the document as figures; nothing when the record has no such part ------- */

void gm_chart_candidates(gm_doc *d);
void gm_chart_curves(gm_doc *d); /* ROC, precision and recall, calibration */
void gm_chart_slices(gm_doc *d);
void gm_chart_importance(gm_doc *d);
void gm_chart_values(gm_doc *d); /* most frequent values of the categories that are features */

/* The entries of a list of objects by one of their numbers, largest first, those without it last; [gm_card_count(list)] in arena,
 * NULL when memory is out. */
const gm_node **gm_card_by(gm_doc *d, const gm_node *list, const char *key);

/* Parts of the record that several files read. */
const gm_node *gm_card_evaluation(const gm_node *record); /* NULL when absent */
bool gm_card_is_personal(const gm_node *dataset, const char *column);
/* Entries of a list or map; 0 when absent or a scalar. */
size_t gm_card_count(const gm_node *list);

#endif
