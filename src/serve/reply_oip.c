/* reply_oip.c - see reply.h: answers as tensors, in JSON or behind it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/reply.h"

#define ADD(out, literal) gm_buf_add((out), (literal), sizeof(literal) - 1)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are written as they lie in memory");

/* One output of the reply. */
typedef struct tensor {
    gm_oip_output_kind kind;
    bool binary;
    int64_t classes; /* of a classification; 0 = the values */
} tensor;

enum { TENSORS_MAX = 16 };

static size_t choose(const gm_oip_request *q, const gm_answer *a, tensor *out)
{
    const gm_oip_output_kind *kinds;
    int64_t classes = a->served->schema.classes_count;
    size_t count = gm_oip_outputs(a->served->schema.task, &kinds);
    for (size_t i = 0; !q->outputs_count && i < count; i++) out[i] = (tensor){ kinds[i], q->binary_outputs, 0 };
    for (size_t i = 0; i < q->outputs_count; i++) {
        const gm_oip_output *o = &q->outputs[i];
        for (size_t k = 0; k < count; k++)
            if (gm_slice_is(o->name, gm_oip_output_name(kinds[k])))
                out[i] = (tensor){ kinds[k], o->binary, o->classification < classes ? o->classification : classes };
    }
    return q->outputs_count ? q->outputs_count : count;
}

/* ---- classifications --------------------------------------------------------------------------------------------------- */

typedef struct score {
    double value;
    int64_t class;
} score;

/* Best first; of equals the first class; NaN last. */
static int by_value(const void *a, const void *b)
{
    const score *x = a, *y = b;
    double vx = isnan(x->value) ? -(double)INFINITY : x->value, vy = isnan(y->value) ? -(double)INFINITY : y->value;
    if (vx != vy) return vx > vy ? -1 : 1;
    return (x->class > y->class) - (x->class < y->class);
}

static void rank_classes(const gm_answer *a, int64_t row, score *scores)
{
    int64_t count = a->served->schema.classes_count;
    const double *values = a->values + row * a->outputs;
    for (int64_t k = 0; k < count; k++) {
        double v = a->outputs == 1 ? (k ? values[0] : 1 - values[0]) : values[k];
        scores[k] = (score){ v, k };
    }
    qsort(scores, (size_t)count, sizeof(*scores), by_value);
}

/* "0.9:1:late" */
static size_t class_text(const gm_answer *a, const score *s, char *out, size_t size)
{
    char number[64];
    size_t len = gm_json_number(s->value, number);
    int written = snprintf(out, size, "%.*s:%lld:%s", (int)len, number, (long long)s->class, a->served->schema.classes[s->class]);
    return (size_t)written < size ? (size_t)written : size - 1;
}

/* Calls put for every text of a tensor of texts. */
typedef void (*put_text)(const char *text, size_t len, void *ctx);
static void each_text(const gm_answer *a, const tensor *t, score *scores, put_text put, void *ctx)
{
    char text[1024];
    for (int64_t i = 0; i < a->rows_count; i++) {
        if (!t->classes) {
            const char *label = a->served->schema.classes[gm_answer_class(a, i)];
            put(label, strlen(label), ctx);
            continue;
        }
        rank_classes(a, i, scores);
        for (int64_t k = 0; k < t->classes; k++) put(text, class_text(a, &scores[k], text, sizeof(text)), ctx);
    }
}

static bool is_text(const tensor *t)
{
    return t->kind == GM_OIP_LABEL || t->classes;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------- */

typedef struct listing {
    gm_buf *out;
    bool some;
} listing;

static void put_json(const char *text, size_t len, void *ctx)
{
    listing *l = ctx;
    if (l->some) gm_buf_char(l->out, ',');
    l->some = true;
    gm_reply_text(l->out, text, len);
}

static void json_data(const gm_answer *a, const tensor *t, score *scores, gm_buf *out)
{
    ADD(out, ",\"data\":[");
    if (is_text(t))
        each_text(a, t, scores, put_json, &(listing){ .out = out });
    else
        for (int64_t i = 0; i < a->rows_count * a->outputs; i++) {
            if (i) gm_buf_char(out, ',');
            gm_reply_number(out, a->values[i]);
        }
    gm_buf_char(out, ']');
}

static void whole(gm_buf *out, int64_t v)
{
    char text[24];
    gm_buf_add(out, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)v));
}

static void count_bytes(const char *text, size_t len, void *ctx)
{
    size_t *bytes = ctx;
    (void)text;
    *bytes += 4 + len;
}

static void describe(const gm_answer *a, const tensor *t, gm_buf *out)
{
    int64_t width = t->classes ? t->classes : t->kind == GM_OIP_PROBABILITIES ? a->outputs : 0;
    ADD(out, "{\"name\":\"");
    gm_buf_text(out, gm_oip_output_name(t->kind));
    ADD(out, "\",\"datatype\":\"");
    gm_buf_text(out, is_text(t) ? "BYTES" : gm_oip_output_datatype(t->kind));
    ADD(out, "\",\"shape\":[");
    whole(out, a->rows_count);
    if (width) {
        gm_buf_char(out, ',');
        whole(out, width);
    }
    gm_buf_char(out, ']');
}

/* ---- binary ------------------------------------------------------------------------------------------------------------- */

static size_t binary_size(const gm_answer *a, const tensor *t, score *scores)
{
    size_t bytes = 0;
    if (!is_text(t)) return (size_t)(a->rows_count * a->outputs) * sizeof(double);
    each_text(a, t, scores, count_bytes, &bytes);
    return bytes;
}

static void put_binary(const char *text, size_t len, void *ctx)
{
    uint32_t size = (uint32_t)len;
    gm_buf_add(ctx, &size, sizeof(size));
    gm_buf_add(ctx, text, len);
}

static void binary_data(const gm_answer *a, const tensor *t, score *scores, gm_buf *out)
{
    if (is_text(t))
        each_text(a, t, scores, put_binary, out);
    else
        gm_buf_add(out, a->values, (size_t)(a->rows_count * a->outputs) * sizeof(double));
}

size_t gm_reply_oip(const gm_oip_request *q, const gm_answer *a, gm_arena *scratch, gm_buf *out)
{
    tensor tensors[TENSORS_MAX];
    size_t count = choose(q, a, tensors), begun = out->len, json_len = 0;
    score *scores = NULL;
    for (size_t i = 0; i < count && !scores; i++)
        if (tensors[i].classes && !(scores = GM_ARENA_ARRAY(scratch, score, a->served->schema.classes_count))) {
            out->failed = true;
            return 0;
        }
    ADD(out, "{\"model_name\":");
    gm_reply_text(out, a->served->model, strlen(a->served->model));
    ADD(out, ",\"model_version\":");
    gm_reply_text(out, a->served->version, strlen(a->served->version));
    ADD(out, ",\"id\":");
    gm_reply_text(out, a->id.data, a->id.len);
    ADD(out, ",\"outputs\":[");
    for (size_t i = 0; i < count && !out->failed; i++) {
        if (i) gm_buf_char(out, ',');
        describe(a, &tensors[i], out);
        if (tensors[i].binary) {
            ADD(out, ",\"parameters\":{\"binary_data_size\":");
            whole(out, (int64_t)binary_size(a, &tensors[i], scores));
            gm_buf_char(out, '}');
        } else {
            json_data(a, &tensors[i], scores, out);
        }
        gm_buf_char(out, '}');
    }
    ADD(out, "]}");
    for (size_t i = 0; i < count && !out->failed; i++) {
        if (tensors[i].binary && !json_len) json_len = out->len - begun;
        if (tensors[i].binary) binary_data(a, &tensors[i], scores, out);
    }
    return out->failed ? 0 : json_len;
}
