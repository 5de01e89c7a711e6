/* decode_oip.c - see decode_oip.h: tensors to cells. oip_request.c reads the JSON around them. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "serve/decode_oip.h"
#include "serve/oip_request.h"

static const gm_oip_type types[] = {
    { "BOOL", 'L', 1, GM_OIP_BOOL, 0, 1 },
    { "INT64", '4', 8, GM_OIP_SIGNED, INT64_MIN, INT64_MAX },
    { "FP64", '4', 8, GM_OIP_DOUBLE, 0, 0 },
    { "BYTES", 'S', 0, GM_OIP_BYTES, 0, 0 },
    { "UINT8", '8', 1, GM_OIP_UNSIGNED, 0, UINT8_MAX },
    { "UINT16", '6', 2, GM_OIP_UNSIGNED, 0, UINT16_MAX },
    { "UINT32", '2', 4, GM_OIP_UNSIGNED, 0, UINT32_MAX },
    { "UINT64", '4', 8, GM_OIP_UNSIGNED, 0, INT64_MAX }, /* above that as decimals */
    { "INT8", '8', 1, GM_OIP_SIGNED, INT8_MIN, INT8_MAX },
    { "INT16", '6', 2, GM_OIP_SIGNED, INT16_MIN, INT16_MAX },
    { "INT32", '2', 4, GM_OIP_SIGNED, INT32_MIN, INT32_MAX },
    { "FP16", '6', 2, GM_OIP_HALF, 0, 0 },
    { "BF16", '6', 2, GM_OIP_BFLOAT, 0, 0 },
    { "FP32", '2', 4, GM_OIP_FLOAT, 0, 0 },
};

const gm_oip_type *gm_oip_type_of(gm_slice name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (name.len && name.data[name.len - 1] == types[i].last && gm_slice_is(name, types[i].name)) return &types[i];
    return NULL;
}

/* ---- names ------------------------------------------------------------------------------------------------------------- */

size_t gm_oip_outputs(gm_task task, const gm_oip_output_kind **out_kinds)
{
    static const gm_oip_output_kind binary[] = { GM_OIP_PROBABILITY, GM_OIP_LABEL },
                                    several[] = { GM_OIP_PROBABILITIES, GM_OIP_LABEL };
    static const gm_oip_output_kind number[] = { GM_OIP_PREDICTION };
    *out_kinds = task == GM_TASK_BINARY ? binary : task == GM_TASK_MULTICLASS ? several : number;
    return task == GM_TASK_REGRESSION ? 1 : 2;
}

const char *gm_oip_output_name(gm_oip_output_kind k)
{
    static const char *const names[] = { "probability", "probabilities", "label", "prediction" };
    return names[k];
}

const char *gm_oip_output_datatype(gm_oip_output_kind k)
{
    return k == GM_OIP_LABEL ? "BYTES" : "FP64";
}

const char *gm_oip_column_datatype(const gm_served_column *c)
{
    switch (c->type) {
    case GM_TYPE_BOOL: return "BOOL";
    case GM_TYPE_INT: return "INT64";
    case GM_TYPE_FLOAT: return "FP64";
    default: return "BYTES";
    }
}

/* ---- one element -------------------------------------------------------------------------------------------------------- */

static uint64_t little_endian(const unsigned char *p, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. */
static double half(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double v = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                              : ldexp(exponent ? fraction + 1024 : fraction, (exponent ? exponent : 1) - 25);
    return bits >> 15 & 1 ? -v : v;
}

static double float_of(uint64_t bits)
{
    uint32_t word = (uint32_t)bits;
    float v;
    memcpy(&v, &word, sizeof(v));
    return (double)v;
}

static gm_rc set_raw(gm_rows *r, size_t k, int64_t row, const gm_oip_type *t, const unsigned char *p, gm_err *err)
{
    uint64_t bits = little_endian(p, t->size);
    unsigned shift = (unsigned)(64 - 8 * t->size);
    double v;
    switch (t->kind) {
    case GM_OIP_BOOL:
        return bits > 1 ? gm_err_set(err, GM_EINVALID, "row %" PRId64 ", column \"%.100s\": a BOOL is 0 or 1, found %" PRIu64,
                                     row + 1, r->schema->columns[k].name, bits)
                        : gm_rows_set_bool(r, k, row, bits, err);
    case GM_OIP_UNSIGNED:
        return bits > INT64_MAX ? gm_rows_set_double(r, k, row, (double)bits, err)
                                : gm_rows_set_int(r, k, row, (int64_t)bits, err);
    case GM_OIP_SIGNED: return gm_rows_set_int(r, k, row, (int64_t)(bits << shift) >> shift, err);
    case GM_OIP_HALF: return gm_rows_set_double(r, k, row, half(bits), err);
    case GM_OIP_BFLOAT: return gm_rows_set_double(r, k, row, float_of(bits << 16), err);
    case GM_OIP_FLOAT: return gm_rows_set_double(r, k, row, float_of(bits), err);
    default: memcpy(&v, &bits, sizeof(v)); return gm_rows_set_double(r, k, row, v, err);
    }
}

static gm_rc refuse_value(const gm_rows *r, size_t k, int64_t row, const gm_oip_type *t, const gm_jv *v, gm_err *err)
{
    return gm_err_set(err, GM_EINVALID, "row %" PRId64 ", column \"%.100s\": expected a value of type %s, found %s", row + 1,
                      r->schema->columns[k].name, t->name, gm_jv_kind_name(v));
}

static gm_rc set_value(gm_rows *r, size_t k, int64_t row, const gm_oip_type *t, const gm_jv *v, gm_err *err)
{
    gm_jv_kind kind = gm_jv_kind_of(v);
    bool whole = t->kind == GM_OIP_SIGNED || t->kind == GM_OIP_UNSIGNED;
    bool fits = kind == GM_JV_NULL; /* missing, in any type */
    if (t->kind == GM_OIP_BYTES)
        fits |= kind == GM_JV_TEXT;
    else if (t->kind == GM_OIP_BOOL)
        fits |= kind == GM_JV_BOOL || (kind == GM_JV_INT && (uint64_t)gm_jv_int(v) <= 1);
    else if (whole)
        fits |= (kind == GM_JV_INT && gm_jv_int(v) >= t->low && gm_jv_int(v) <= t->high) ||
                (kind == GM_JV_UINT && t->kind == GM_OIP_UNSIGNED && t->size == 8);
    else
        fits |= kind == GM_JV_INT || kind == GM_JV_UINT || kind == GM_JV_REAL;
    if (!fits) return refuse_value(r, k, row, t, v, err);
    if (t->kind == GM_OIP_BOOL && kind == GM_JV_INT) return gm_rows_set_bool(r, k, row, gm_jv_int(v) == 1, err);
    return gm_rows_set_json(r, k, row, v, err);
}

/* ---- a tensor ------------------------------------------------------------------------------------------------------------ */

static gm_rc set_texts(gm_rows *r, size_t k, const gm_oip_tensor *t, gm_err *err)
{
    const unsigned char *p = t->raw;
    size_t left = t->raw_len;
    for (int64_t i = 0; i < t->rows; i++) {
        size_t len = left >= 4 ? (size_t)little_endian(p, 4) : 0;
        if (left < 4 || len > left - 4)
            return gm_err_set(err, GM_EINVALID, "input \"%.*s\": the text of row %" PRId64 " reaches beyond its data",
                              (int)t->name.len, t->name.data, i + 1);
        const char *text = (const char *)p + 4;
        if (!gm_utf8_valid(text, len))
            return gm_err_set(err, GM_EINVALID, "row %" PRId64 ", column \"%.100s\": the text is not valid UTF-8", i + 1,
                              r->schema->columns[k].name);
        gm_rc rc = gm_rows_set_text(r, k, i, text, len, err);
        if (rc) return rc;
        p += 4 + len;
        left -= 4 + len;
    }
    if (!left) return GM_OK;
    return gm_err_set(err, GM_EINVALID, "input \"%.*s\": %zu bytes are left over behind its %" PRId64 " texts", (int)t->name.len,
                      t->name.data, left, t->rows);
}

/* The values of a nested list one by one: the next that is no list. NULL: the end, or an object. */
static const gm_jv *flat(const gm_jv *v, const gm_jv *end)
{
    while (v < end && gm_jv_kind_of(v) == GM_JV_LIST) v = gm_jv_first(v);
    return v < end && gm_jv_kind_of(v) != GM_JV_OBJECT ? v : NULL;
}

static int64_t flat_count(const gm_jv *list)
{
    int64_t count = 0;
    const gm_jv *end = gm_jv_next(list);
    for (const gm_jv *v = flat(list, end); v; v = flat(gm_jv_next(v), end)) count++;
    return count;
}

static gm_rc wrong_count(const gm_oip_tensor *t, int64_t count, gm_err *err)
{
    return gm_err_set(err, GM_EINVALID, "input \"%.*s\": its shape has %" PRId64 " elements, its data %" PRId64, (int)t->name.len,
                      t->name.data, t->rows * t->width, count);
}

/* Column k + i of row takes element row * width + i; width is 1 or the number of inputs. */
static gm_rc set_tensor(gm_rows *r, size_t k, const gm_oip_tensor *t, gm_err *err)
{
    gm_rc rc = GM_OK;
    int64_t count = t->rows * t->width;
    if (!t->data && t->type->kind == GM_OIP_BYTES) return set_texts(r, k, t, err);
    if (!t->data && t->raw_len != (size_t)count * t->type->size)
        return wrong_count(t, (int64_t)(t->raw_len / t->type->size), err);
    const gm_jv *end = t->data ? gm_jv_next(t->data) : NULL, *v = t->data ? flat(t->data, end) : NULL;
    for (int64_t row = 0; !rc && row < t->rows; row++)
        for (int64_t i = 0; !rc && i < t->width; i++) {
            size_t column = k + (size_t)i;
            if (!t->data) {
                rc = set_raw(r, column, row, t->type, t->raw + (size_t)(row * t->width + i) * t->type->size, err);
                continue;
            }
            if (!v) return wrong_count(t, flat_count(t->data), err);
            rc = set_value(r, column, row, t->type, v, err);
            v = flat(gm_jv_next(v), end);
        }
    return rc || !v ? rc : wrong_count(t, flat_count(t->data), err);
}

static bool is_number(gm_type t)
{
    return t == GM_TYPE_BOOL || t == GM_TYPE_INT || t == GM_TYPE_FLOAT;
}

/* Told once for the tensor, where the cells would say it less clearly. */
static gm_rc check_type(const gm_served_column *c, const gm_oip_tensor *t, gm_err *err)
{
    bool text = t->type->kind == GM_OIP_BYTES;
    bool fits = is_number(c->type)        ? !text
                : c->type == GM_TYPE_TIME ? text || t->type->kind == GM_OIP_SIGNED || t->type->kind == GM_OIP_UNSIGNED
                                          : text || !c->input;
    if (fits) return GM_OK;
    gm_err_set(err, GM_EINVALID, "input \"%s\" has datatype %s; the model takes %s", c->name, t->type->name,
               gm_oip_column_datatype(c));
    if (c->type == GM_TYPE_TIME) gm_err_hint(err, "A time is BYTES as 2013-01-31T05:00:00, or INT64 in microseconds since 1970.");
    return GM_EINVALID;
}

static gm_rc set_column(gm_rows *r, const gm_oip_tensor *t, size_t hint, gm_err *err)
{
    int k = gm_served_schema_find(r->schema, t->name.data, t->name.len, hint);
    if (k < 0)
        return gm_err_set(err, GM_EINVALID, "the model has no input \"%.*s\"", (int)(t->name.len < 100 ? t->name.len : 100),
                          t->name.data);
    if (r->given[k]) return gm_err_set(err, GM_EINVALID, "input \"%s\" is given twice", r->schema->columns[k].name);
    if (t->width != 1)
        return gm_err_set(err, GM_EINVALID, "input \"%s\" must have the shape [N] or [N, 1], found [%" PRId64 ", %" PRId64 "]",
                          r->schema->columns[k].name, t->rows, t->width);
    gm_rc rc = check_type(&r->schema->columns[k], t, err);
    return rc ? rc : set_tensor(r, (size_t)k, t, err);
}

/* One tensor for all inputs: not when a column has its name. */
static bool is_matrix(const gm_served_schema *s, const gm_oip_request *q)
{
    const gm_oip_tensor *t = q->tensors;
    if (q->tensors_count != 1 || t->type->kind == GM_OIP_BYTES || t->width < 2 || (size_t)t->width != s->inputs_count)
        return false;
    for (size_t i = 0; i < s->inputs_count; i++)
        if (!is_number(s->columns[i].type)) return false;
    return gm_served_schema_find(s, t->name.data, t->name.len, 0) < 0;
}

/* ---- a request ------------------------------------------------------------------------------------------------------------ */

/* Without JSON: the values of the only input, a text as it stands. */
static gm_rc decode_raw(const gm_oip_request *q, const gm_served_schema *s, gm_rows *rows, gm_err *err)
{
    if (s->inputs_count != 1)
        return gm_err_set(err, GM_EINVALID, "a request without JSON is for models of one input; this one has %zu",
                          s->inputs_count);
    const gm_served_column *c = &s->columns[0];
    const char *datatype = gm_oip_column_datatype(c);
    gm_oip_tensor t = { .name = { c->name, c->name_len },
                        .type = gm_oip_type_of((gm_slice){ datatype, strlen(datatype) }),
                        .rows = 1,
                        .width = 1,
                        .raw = (const unsigned char *)q->body.data,
                        .raw_len = q->body.len };
    bool text = t.type->kind == GM_OIP_BYTES;
    if (!text && (q->body.len == 0 || q->body.len % t.type->size))
        return gm_err_set(err, GM_EINVALID, "the body has %zu bytes, which are no whole number of %s values", q->body.len,
                          datatype);
    if (!text) t.rows = (int64_t)(q->body.len / t.type->size);
    gm_rc rc = gm_rows_begin(rows, s, t.rows, err);
    if (rc) return rc;
    if (!text) return set_tensor(rows, 0, &t, err);
    if (!gm_utf8_valid(q->body.data, q->body.len)) return gm_err_set(err, GM_EINVALID, "the body is not valid UTF-8 text");
    return gm_rows_set_text(rows, 0, 0, q->body.data, q->body.len, err);
}

static gm_rc check_outputs(const gm_oip_request *q, const gm_served_schema *s, gm_err *err)
{
    const gm_oip_output_kind *kinds;
    size_t count = gm_oip_outputs(s->task, &kinds);
    for (size_t i = 0; i < q->outputs_count; i++) {
        const gm_oip_output *o = &q->outputs[i];
        size_t k = 0;
        while (k < count && !gm_slice_is(o->name, gm_oip_output_name(kinds[k]))) k++;
        if (k == count)
            return gm_err_set(err, GM_EINVALID, "the model has no output \"%.*s\"; it has \"%s\"%s",
                              (int)(o->name.len < 100 ? o->name.len : 100), o->name.data, gm_oip_output_name(kinds[0]),
                              count > 1 ? " and \"label\"" : "");
        if (o->classification && kinds[k] != GM_OIP_PROBABILITY && kinds[k] != GM_OIP_PROBABILITIES)
            return gm_err_set(err, GM_EINVALID, "output \"%s\" is no score of classes", gm_oip_output_name(kinds[k]));
    }
    return GM_OK;
}

gm_rc gm_oip_decode(void *ctx, const gm_served_schema *s, gm_rows *rows, gm_err *err)
{
    const gm_oip_request *q = ctx;
    if (q->raw) return decode_raw(q, s, rows, err);
    gm_rc rc = check_outputs(q, s, err);
    if (!rc) rc = gm_rows_begin(rows, s, q->tensors[0].rows, err);
    if (rc) return rc;
    if (is_matrix(s, q)) {
        rc = set_tensor(rows, 0, q->tensors, err);
        return rc;
    }
    for (size_t i = 0; !rc && i < q->tensors_count; i++) {
        if (q->tensors[i].rows != q->tensors[0].rows)
            return gm_err_set(err, GM_EINVALID, "input \"%.*s\" has %" PRId64 " rows, \"%.*s\" has %" PRId64,
                              (int)q->tensors[i].name.len, q->tensors[i].name.data, q->tensors[i].rows,
                              (int)q->tensors[0].name.len, q->tensors[0].name.data, q->tensors[0].rows);
        rc = set_column(rows, &q->tensors[i], i, err);
    }
    return rc;
}
