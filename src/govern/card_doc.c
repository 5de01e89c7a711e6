/* card_doc.c - texts, numbers and tables of a card; see card_doc.h. */
#include "govern/card_doc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *gm_doc_printf(gm_doc *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = gm_arena_vprintf(d->a, fmt, args);
    va_end(args);
    if (!text) d->failed = true;
    return text ? text : "";
}

const char *gm_doc_cut(gm_doc *d, const char *text, size_t max)
{
    size_t len = strlen(text);
    if (len <= max) return text;
    len = max;
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) len--; /* not inside a character */
    return gm_doc_printf(d, "%.*s\u2026", (int)len, text);
}

const char *gm_doc_text(gm_doc *d, const gm_node *map, const char *key)
{
    return gm_doc_cut(d, gm_node_str_or(map, key, ""), d->text_max);
}

/* Digits in groups of three: the text must be digits with an optional minus. */
static const char *grouped(gm_doc *d, const char *digits)
{
    char out[64];
    size_t len = strlen(digits), n = 0;
    for (size_t i = 0; i < len && n + 2 < sizeof(out); i++) {
        if (i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0) out[n++] = ',';
        out[n++] = digits[i];
    }
    out[n] = '\0';
    return gm_doc_printf(d, "%s", out);
}

const char *gm_doc_count(gm_doc *d, int64_t v)
{
    char digits[32];
    (void)snprintf(digits, sizeof(digits), "%" PRId64, v);
    return grouped(d, digits);
}

const char *gm_doc_number(gm_doc *d, double v)
{
    char digits[64];
    double size = fabs(v);
    if (!isfinite(v)) return isnan(v) ? "" : v > 0 ? "infinity" : "-infinity";
    if (v == 0) return "0";
    if (size >= 1e15 || size < 1e-4) return gm_doc_printf(d, "%.4g", v);
    if (v == floor(v) || size >= 10000) {
        (void)snprintf(digits, sizeof(digits), "%.0f", v);
        return grouped(d, digits);
    }
    if (size >= 1000) {
        (void)snprintf(digits, sizeof(digits), "%.1f", v);
        char *point = strchr(digits, '.');
        *point = '\0';
        return gm_doc_printf(d, "%s.%s", grouped(d, digits), point + 1);
    }
    return size < 10 ? gm_doc_printf(d, "%.4f", v) : gm_doc_printf(d, "%.*f", size < 100 ? 3 : 2, v);
}

const char *gm_doc_percent(gm_doc *d, double share)
{
    if (!isfinite(share)) return "";
    if (share > 0 && share < 0.0005) return "< 0.1%";
    return gm_doc_printf(d, "%.1f%%", 100 * share);
}

const char *gm_doc_interval(gm_doc *d, double low, double high)
{
    if (!isfinite(low) || !isfinite(high)) return "";
    return gm_doc_printf(d, "[%s, %s]", gm_doc_number(d, low), gm_doc_number(d, high));
}

const char *gm_doc_short(gm_doc *d, const gm_node *map, const char *key)
{
    return gm_doc_printf(d, "%.12s", gm_node_str_or(map, key, ""));
}

void gm_table_head(gm_card_table *t, const char *head, char align)
{
    gm_assert(t->columns < sizeof(t->heads) / sizeof(t->heads[0]));
    t->heads[t->columns] = head;
    t->align[t->columns++] = align;
}

void gm_table_row(gm_doc *d, gm_card_table *t, const gm_cell *cells)
{
    if (t->rows >= d->rows_max) {
        t->left_out++;
        return;
    }
    if (t->rows == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 16;
        gm_cell *more = GM_ARENA_ARRAY(d->a, gm_cell, capacity * t->columns);
        if (!more) {
            d->failed = true;
            return;
        }
        if (t->rows) memcpy(more, t->cells, t->rows * t->columns * sizeof(gm_cell));
        t->cells = more;
        t->capacity = capacity;
    }
    memcpy(t->cells + t->rows++ * t->columns, cells, t->columns * sizeof(gm_cell));
}

size_t gm_card_count(const gm_node *list)
{
    return list && list->kind != GM_NODE_SCALAR ? list->count : 0;
}

struct ranked {
    const gm_node *node;
    double value;
    size_t at;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

const gm_node **gm_card_by(gm_doc *d, const gm_node *list, const char *key)
{
    size_t count = gm_card_count(list);
    struct ranked *ranked = GM_ARENA_ARRAY(d->a, struct ranked, count);
    const gm_node **out = GM_ARENA_ARRAY(d->a, const gm_node *, count);
    if (!ranked || !out) {
        d->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        double v = gm_node_double_or(list->items[i], key, -INFINITY);
        ranked[i] = (struct ranked){ list->items[i], isnan(v) ? -INFINITY : v, i };
    }
    qsort(ranked, count, sizeof(*ranked), by_value);
    for (size_t i = 0; i < count; i++) out[i] = ranked[i].node;
    return out;
}

const gm_node *gm_card_evaluation(const gm_node *record)
{
    const gm_node *evaluation = gm_node_get(record, "evaluation"), *test = gm_node_get(evaluation, "test");
    return test ? test : evaluation;
}

bool gm_card_is_personal(const gm_node *dataset, const char *column)
{
    const gm_node *list = gm_node_get(dataset, "personal");
    for (size_t i = 0; i < gm_card_count(list); i++)
        if (list->items[i]->kind == GM_NODE_SCALAR && strcmp(list->items[i]->text, column) == 0) return true;
    return false;
}
