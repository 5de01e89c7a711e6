/* decode_frame.c - see decode.h: the JSON forms of tables. Duplicate keys were refused when the JSON was read. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "serve/decode.h"

enum { INPUTS_SHOWN_MAX = 300 };

char *gm_body_text(gm_slice body)
{
    return (char *)(uintptr_t)body.data;
}

static gm_rc out_of_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "the request is too large for its memory");
}

/* ---- reading the body -------------------------------------------------------------------------------------------- */

static gm_rc list_of(const gm_jv *v, const char *what, gm_frame *f, gm_err *err)
{
    if (gm_jv_kind_of(v) != GM_JV_LIST)
        return gm_err_set(err, GM_EINVALID, "\"%s\" must be a list of rows, found %s", what, gm_jv_kind_name(v));
    f->items = v;
    f->rows = (int64_t)gm_jv_count(v);
    return GM_OK;
}

static gm_rc read_split(const gm_jv *v, gm_frame *f, gm_err *err)
{
    const gm_jv *names = gm_jv_get(v, "columns"), *data = gm_jv_get(v, "data");
    if (!data) return gm_err_set(err, GM_EINVALID, "\"dataframe_split\" must be an object with \"columns\" and \"data\"");
    gm_rc rc = list_of(data, "data", f, err);
    if (rc) return rc;
    f->form = names ? GM_FRAME_SPLIT : GM_FRAME_ROWS; /* without names the columns are the schema's */
    f->names = names;
    if (!names) return GM_OK;
    if (gm_jv_kind_of(names) != GM_JV_LIST)
        return gm_err_set(err, GM_EINVALID, "\"columns\" must be a list of names, found %s", gm_jv_kind_name(names));
    const gm_jv *name = gm_jv_first(names);
    for (size_t i = 0; i < gm_jv_count(names); i++, name = gm_jv_next(name))
        if (gm_jv_kind_of(name) != GM_JV_TEXT)
            return gm_err_set(err, GM_EINVALID, "column %zu of \"columns\" is %s, not a name", i + 1, gm_jv_kind_name(name));
    return GM_OK;
}

/* A tensor by itself is rows; named ones are columns, of the length of the first. */
static gm_rc read_inputs(const gm_jv *v, gm_frame *f, gm_err *err)
{
    if (gm_jv_kind_of(v) != GM_JV_OBJECT) return list_of(v, "inputs", f, err);
    if (!gm_jv_count(v)) return gm_err_set(err, GM_EINVALID, "\"inputs\" names no column");
    const gm_jv *first = gm_jv_first(gm_jv_first(v));
    f->form = GM_FRAME_COLUMNS;
    f->names = v;
    f->rows = gm_jv_kind_of(first) == GM_JV_LIST ? (int64_t)gm_jv_count(first) : 1;
    return GM_OK;
}

static gm_rc read_object(gm_slice body, gm_arena *a, const gm_jv **out, gm_err *err)
{
    gm_rc rc = gm_jv_read(gm_body_text(body), body.len, true, a, out, err);
    if (!rc && gm_jv_kind_of(*out) != GM_JV_OBJECT)
        rc = gm_err_set(err, GM_EINVALID, "the body must be a JSON object, found %s", gm_jv_kind_name(*out));
    return rc;
}

gm_rc gm_frame_mlflow(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err)
{
    static const char *const keys[] = { "dataframe_split", "dataframe_records", "instances", "inputs" };
    const gm_jv *root = NULL, *found = NULL;
    size_t which = 0, count = 0;
    gm_rc rc = read_object(body, a, &root, err);
    if (rc) return rc;
    for (size_t i = 0; i < 4; i++) {
        const gm_jv *v = gm_jv_get(root, keys[i]);
        if (!v) continue;
        found = v;
        which = i;
        count++;
    }
    if (count != 1) {
        gm_err_set(err, GM_EINVALID,
                   "the body has %s of \"dataframe_split\", \"dataframe_records\", \"instances\" and \"inputs\"",
                   count ? "several" : "none");
        gm_err_hint(err, "Send exactly one of them.");
        return GM_EINVALID;
    }
    *out = (gm_frame){ .form = GM_FRAME_ROWS, .arena = a };
    if (which == 0) return read_split(found, out, err);
    return which == 3 ? read_inputs(found, out, err) : list_of(found, keys[which], out, err);
}

gm_rc gm_frame_instances(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err)
{
    const gm_jv *root = NULL;
    gm_rc rc = read_object(body, a, &root, err);
    if (rc) return rc;
    const gm_jv *v = gm_jv_get(root, "instances");
    if (!v) return gm_err_set(err, GM_EINVALID, "the body lacks \"instances\"");
    *out = (gm_frame){ .form = GM_FRAME_ROWS, .arena = a };
    return list_of(v, "instances", out, err);
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
    return true;
}

/* Puts the line before what was wrong in it. */
static gm_rc in_line(size_t line, gm_rc rc, gm_err *err)
{
    if (!err) return rc;
    gm_err inner = *err;
    return gm_err_set(err, rc, "line %zu: %.400s", line, inner.message);
}

gm_rc gm_frame_lines(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err)
{
    size_t count = 1, used = 0;
    for (size_t i = 0; i < body.len; i++) count += body.data[i] == '\n';
    if (count > GM_ROWS_MAX) return gm_err_set(err, GM_EINVALID, "the body has more than %d lines", GM_ROWS_MAX);
    const gm_jv **lines = GM_ARENA_ARRAY(a, const gm_jv *, count);
    if (!lines) return out_of_memory(err);
    const char *at = body.data, *end = body.data + body.len;
    for (size_t line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        if (!is_blank(at, len)) {
            gm_rc rc = gm_jv_read((char *)(uintptr_t)at, len, false, a, &lines[used++], err);
            if (rc) return in_line(line, rc, err);
        }
        at += len + 1;
    }
    *out = (gm_frame){ .form = GM_FRAME_LINES, .rows = (int64_t)used, .lines = lines, .arena = a };
    return GM_OK;
}

/* ---- cells --------------------------------------------------------------------------------------------------------- */

gm_rc gm_rows_set_json(gm_rows *r, size_t k, int64_t row, const gm_jv *v, gm_err *err)
{
    switch (gm_jv_kind_of(v)) {
    case GM_JV_NULL: return gm_rows_set_double(r, k, row, (double)NAN, err);
    case GM_JV_BOOL: return gm_rows_set_bool(r, k, row, gm_jv_bool(v), err);
    case GM_JV_INT: return gm_rows_set_int(r, k, row, gm_jv_int(v), err);
    case GM_JV_UINT:
    case GM_JV_REAL: return gm_rows_set_double(r, k, row, gm_jv_double(v), err);
    case GM_JV_TEXT: {
        gm_slice text = gm_jv_text(v);
        return gm_rows_set_text(r, k, row, text.data, text.len, err);
    }
    default:
        return gm_err_set(err, GM_EINVALID, "row %" PRId64 ", column \"%.100s\": expected one value, found %s", row + 1,
                          r->schema->columns[k].name, gm_jv_kind_name(v));
    }
}

/* [[5]] and [5] are 5: what named tensors of one column hold. */
static const gm_jv *unwrapped(const gm_jv *v)
{
    while (gm_jv_kind_of(v) == GM_JV_LIST && gm_jv_count(v) == 1) v = gm_jv_first(v);
    return v;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

static gm_rc set_named(gm_rows *r, int64_t row, const gm_jv *object, gm_err *err)
{
    gm_rc rc = GM_OK;
    const gm_jv *key = gm_jv_first(object);
    size_t count = gm_jv_count(object), hint = 0;
    for (size_t i = 0; !rc && i < count; i++) {
        const gm_jv *value = gm_jv_first(key);
        gm_slice name = gm_jv_text(key);
        int k = gm_served_schema_find(r->schema, name.data, name.len, hint);
        if (k < 0) {
            if (row == 0) r->unknown_columns++;
        } else {
            rc = gm_rows_set_json(r, (size_t)k, row, unwrapped(value), err);
            hint = (size_t)k + 1;
        }
        key = gm_jv_next(value);
    }
    return rc;
}

static gm_rc wrong_width(const gm_served_schema *s, int64_t row, size_t width, gm_err *err)
{
    char names[INPUTS_SHOWN_MAX] = "";
    size_t len = 0;
    gm_rc rc =
        gm_err_set(err, GM_EINVALID, "row %" PRId64 " has %zu values, the model takes %zu", row + 1, width, s->inputs_count);
    for (size_t i = 0; i < s->inputs_count && len + s->columns[i].name_len + 3 < sizeof(names); i++) {
        memcpy(names + len, s->columns[i].name, s->columns[i].name_len);
        len += s->columns[i].name_len;
        if (i + 1 < s->inputs_count) names[len++] = ',', names[len++] = ' ';
    }
    gm_err_hint(err, "In this order: %.*s.", (int)len, names);
    return rc;
}

/* In the schema's order: the inputs, or with the keys behind them. */
static gm_rc set_listed(gm_rows *r, int64_t row, const gm_jv *list, gm_err *err)
{
    gm_rc rc = GM_OK;
    size_t count = gm_jv_count(list);
    if (count != r->schema->inputs_count && count != r->schema->columns_count) return wrong_width(r->schema, row, count, err);
    const gm_jv *v = gm_jv_first(list);
    for (size_t k = 0; !rc && k < count; k++, v = gm_jv_next(v)) rc = gm_rows_set_json(r, k, row, v, err);
    return rc;
}

static gm_rc set_row(gm_rows *r, int64_t row, const gm_jv *v, gm_err *err)
{
    gm_jv_kind kind = gm_jv_kind_of(v);
    if (kind == GM_JV_OBJECT) return set_named(r, row, v, err);
    if (kind == GM_JV_LIST) return set_listed(r, row, v, err);
    return r->schema->inputs_count == 1 ? gm_rows_set_json(r, 0, row, v, err) : wrong_width(r->schema, row, 1, err);
}

static gm_rc decode_rows(const gm_frame *f, gm_rows *r, gm_err *err)
{
    gm_rc rc = GM_OK;
    const gm_jv *v = f->form == GM_FRAME_ROWS ? gm_jv_first(f->items) : NULL;
    for (int64_t i = 0; !rc && i < f->rows; i++) {
        rc = set_row(r, i, v ? v : f->lines[i], err);
        if (v) v = gm_jv_next(v);
    }
    return rc;
}

/* ---- split ----------------------------------------------------------------------------------------------------------- */

static gm_rc map_names(const gm_frame *f, gm_rows *r, int **out, gm_err *err)
{
    size_t count = gm_jv_count(f->names);
    int *map = GM_ARENA_ARRAY(f->arena, int, count);
    bool *taken = GM_ARENA_ARRAY(f->arena, bool, r->schema->columns_count);
    if (!map || !taken) return out_of_memory(err);
    const gm_jv *v = gm_jv_first(f->names);
    for (size_t i = 0; i < count; i++, v = gm_jv_next(v)) {
        gm_slice name = gm_jv_text(v);
        map[i] = gm_served_schema_find(r->schema, name.data, name.len, i);
        if (map[i] < 0)
            r->unknown_columns++;
        else if (taken[map[i]])
            return gm_err_set(err, GM_EINVALID, "column \"%.100s\" stands twice in \"columns\"", name.data);
        else
            taken[map[i]] = true;
    }
    *out = map;
    return GM_OK;
}

static gm_rc decode_split(const gm_frame *f, gm_rows *r, gm_err *err)
{
    int *map = NULL;
    size_t count = gm_jv_count(f->names);
    gm_rc rc = map_names(f, r, &map, err);
    const gm_jv *row = gm_jv_first(f->items);
    for (int64_t i = 0; !rc && i < f->rows; i++, row = gm_jv_next(row)) {
        if (gm_jv_kind_of(row) != GM_JV_LIST)
            return gm_err_set(err, GM_EINVALID, "row %" PRId64 " of \"data\" is %s, not a list", i + 1, gm_jv_kind_name(row));
        if (gm_jv_count(row) != count)
            return gm_err_set(err, GM_EINVALID, "row %" PRId64 " of \"data\" has %zu values, \"columns\" has %zu", i + 1,
                              gm_jv_count(row), count);
        const gm_jv *v = gm_jv_first(row);
        for (size_t k = 0; !rc && k < count; k++, v = gm_jv_next(v))
            if (map[k] >= 0) rc = gm_rows_set_json(r, (size_t)map[k], i, v, err);
    }
    return rc;
}

/* ---- columns --------------------------------------------------------------------------------------------------------- */

static gm_rc decode_columns(const gm_frame *f, gm_rows *r, gm_err *err)
{
    gm_rc rc = GM_OK;
    const gm_jv *key = gm_jv_first(f->names);
    for (size_t i = 0; !rc && i < gm_jv_count(f->names); i++) {
        const gm_jv *values = gm_jv_first(key);
        gm_slice name = gm_jv_text(key);
        int k = gm_served_schema_find(r->schema, name.data, name.len, i);
        bool list = gm_jv_kind_of(values) == GM_JV_LIST;
        int64_t count = list ? (int64_t)gm_jv_count(values) : 1;
        key = gm_jv_next(values);
        if (count != f->rows)
            return gm_err_set(err, GM_EINVALID, "column \"%.100s\" of \"inputs\" has %" PRId64 " values, the first has %" PRId64,
                              name.data, count, f->rows);
        if (k < 0) {
            r->unknown_columns++;
            continue;
        }
        const gm_jv *v = list ? gm_jv_first(values) : values;
        for (int64_t row = 0; !rc && row < count; row++, v = gm_jv_next(v))
            rc = gm_rows_set_json(r, (size_t)k, row, unwrapped(v), err);
    }
    return rc;
}

gm_rc gm_frame_decode(void *ctx, const gm_served_schema *s, gm_rows *rows, gm_err *err)
{
    const gm_frame *f = ctx;
    if (f->form == GM_FRAME_CSV) return gm_frame_decode_csv(f, s, rows, err);
    gm_rc rc = gm_rows_begin(rows, s, f->rows, err);
    if (rc) return rc;
    switch (f->form) {
    case GM_FRAME_SPLIT: return decode_split(f, rows, err);
    case GM_FRAME_COLUMNS: return decode_columns(f, rows, err);
    default: return decode_rows(f, rows, err);
    }
}
