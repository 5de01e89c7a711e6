/* reply.c - see reply.h: answers as records and as CSV. */
#include "serve/reply.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"

#define ADD(out, literal) gm_buf_add((out), (literal), sizeof(literal) - 1)

/* A text with something to escape; what is no UTF-8 becomes ? as far as it has no place in JSON. */
static void escaped(gm_buf *out, const char *text, size_t len)
{
    bool valid = gm_utf8_valid(text, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20)
            gm_buf_printf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            gm_buf_printf(out, "\\%c", c);
        else
            gm_buf_char(out, c < 0x80 || valid ? (char)c : '?');
    }
}

void gm_reply_text(gm_buf *out, const char *text, size_t len)
{
    size_t plain = 0;
    gm_buf_char(out, '"');
    while (plain < len && (signed char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\')
        plain++; /* beyond ASCII is negative, and not plain */
    if (plain == len)
        gm_buf_add(out, text, len);
    else
        escaped(out, text, len);
    gm_buf_char(out, '"');
}

void gm_reply_number(gm_buf *out, double v)
{
    char text[64];
    gm_buf_add(out, text, gm_json_number(v, text));
}

static const char *label_of(const gm_answer *a, int64_t row)
{
    return a->served->schema.classes[gm_answer_class(a, row)];
}

static void record(const gm_answer *a, int64_t row, gm_buf *out)
{
    const gm_served_schema *s = &a->served->schema;
    const double *values = a->values + row * a->outputs;
    if (s->task == GM_TASK_REGRESSION) {
        ADD(out, "{\"prediction\":");
        gm_reply_number(out, values[0]);
        gm_buf_char(out, '}');
        return;
    }
    if (s->task == GM_TASK_BINARY) {
        ADD(out, "{\"probability\":");
        gm_reply_number(out, values[0]);
    } else {
        ADD(out, "{\"probabilities\":[");
        for (int64_t k = 0; k < a->outputs; k++) {
            if (k) gm_buf_char(out, ',');
            gm_reply_number(out, values[k]);
        }
        gm_buf_char(out, ']');
    }
    ADD(out, ",\"label\":");
    const char *label = label_of(a, row);
    gm_reply_text(out, label, strlen(label));
    gm_buf_char(out, '}');
}

void gm_reply_records(const gm_answer *a, gm_buf *out)
{
    gm_buf_char(out, '[');
    for (int64_t i = 0; i < a->rows_count; i++) {
        if (i) gm_buf_char(out, ',');
        record(a, i, out);
    }
    gm_buf_char(out, ']');
}

void gm_reply_predictions(const gm_answer *a, gm_buf *out)
{
    ADD(out, "{\"predictions\":");
    gm_reply_records(a, out);
    gm_buf_char(out, '}');
}

void gm_reply_lines(const gm_answer *a, gm_buf *out)
{
    for (int64_t i = 0; i < a->rows_count; i++) {
        record(a, i, out);
        gm_buf_char(out, '\n');
    }
}

static void csv_text(gm_buf *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        gm_buf_text(out, text);
        return;
    }
    gm_buf_char(out, '"');
    for (; *text; text++) {
        if (*text == '"') gm_buf_char(out, '"');
        gm_buf_char(out, *text);
    }
    gm_buf_char(out, '"');
}

void gm_reply_csv(const gm_answer *a, gm_buf *out)
{
    for (int64_t i = 0; i < a->rows_count; i++) {
        for (int64_t k = 0; k < a->outputs; k++) {
            double v = a->values[i * a->outputs + k];
            if (k) gm_buf_char(out, ',');
            if (isfinite(v)) gm_reply_number(out, v); /* else empty: missing */
        }
        if (a->served->schema.task != GM_TASK_REGRESSION) {
            gm_buf_char(out, ',');
            csv_text(out, label_of(a, i));
        }
        gm_buf_char(out, '\n');
    }
}
