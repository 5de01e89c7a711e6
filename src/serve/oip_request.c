/* oip_request.c - the JSON of an inference request: tensors with their shapes and places in the body, outputs that are asked for.
 */
#include "serve/oip_request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TENSORS_MAX = 4096, OUTPUTS_MAX = 16, RANK_MAX = 16, TENSOR_MAX_BYTES = 256 << 20 };

/* What is being read, for messages. */
typedef struct reader {
    gm_arena *a;
    const unsigned char *binary; /* what follows the JSON; moves on with each tensor in it */
    size_t binary_left;
    const char *what; /* "input" or "output"; static */
    gm_slice name;
    gm_err *err;
} reader;

static gm_rc refuse(const reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static gm_rc refuse(const reader *r, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return gm_err_set(r->err, GM_EINVALID, "%s \"%.*s\": %s", r->what, (int)(r->name.len < 100 ? r->name.len : 100), r->name.data,
                      text);
}

/* The members of a tensor's object, found in one pass. */
typedef struct members {
    const gm_jv *name, *shape, *datatype, *data, *parameters;
} members;

static bool is(gm_slice key, const char *word)
{
    return memcmp(key.data, word, key.len) == 0;
}

static members members_of(const gm_jv *object)
{
    members m = { 0 };
    const gm_jv *key = gm_jv_first(object);
    for (size_t i = 0, count = gm_jv_count(object); i < count; i++) {
        const gm_jv *value = gm_jv_first(key);
        gm_slice text = gm_jv_text(key);
        if (text.len == 4 && is(text, "name"))
            m.name = value;
        else if (text.len == 4 && is(text, "data"))
            m.data = value;
        else if (text.len == 5 && is(text, "shape"))
            m.shape = value;
        else if (text.len == 8 && is(text, "datatype"))
            m.datatype = value;
        else if (text.len == 10 && is(text, "parameters"))
            m.parameters = value;
        key = gm_jv_next(value);
    }
    return m;
}

/* ---- parameters ------------------------------------------------------------------------------------------------------- */

static gm_rc flag_of(const reader *r, const gm_jv *parameters, const char *key, bool *out)
{
    const gm_jv *v = gm_jv_get(parameters, key);
    if (!v) return GM_OK;
    if (gm_jv_kind_of(v) != GM_JV_BOOL) return refuse(r, "parameter \"%s\" is true or false, found %s", key, gm_jv_kind_name(v));
    *out = gm_jv_bool(v);
    return GM_OK;
}

static gm_rc whole_of(const reader *r, const gm_jv *parameters, const char *key, int64_t *out)
{
    const gm_jv *v = gm_jv_get(parameters, key);
    if (!v) return GM_OK;
    if (gm_jv_kind_of(v) != GM_JV_INT || gm_jv_int(v) < 0)
        return refuse(r, "parameter \"%s\" must be a whole number of 0 or more", key);
    *out = gm_jv_int(v);
    return GM_OK;
}

static gm_rc check_parameters(const reader *r, const gm_jv *v)
{
    if (v && gm_jv_kind_of(v) != GM_JV_OBJECT) return refuse(r, "\"parameters\" must be an object, found %s", gm_jv_kind_name(v));
    if (gm_jv_get(v, "shared_memory_region")) {
        gm_rc rc = refuse(r, "shared memory is not supported");
        gm_err_hint(r->err, "Send the values in the body.");
        return rc;
    }
    return GM_OK;
}

/* ---- inputs ------------------------------------------------------------------------------------------------------------ */

static gm_rc take_name(reader *r, const gm_jv *name, size_t i)
{
    if (!name || gm_jv_kind_of(name) != GM_JV_TEXT)
        return gm_err_set(r->err, GM_EINVALID, "%s %zu has no \"name\"", r->what, i + 1);
    r->name = gm_jv_text(name);
    return GM_OK;
}

static gm_rc read_shape(const reader *r, const gm_jv *shape, gm_oip_tensor *t)
{
    if (!shape || gm_jv_kind_of(shape) != GM_JV_LIST) return refuse(r, "\"shape\" must be a list of whole numbers");
    size_t rank = gm_jv_count(shape);
    if (rank < 1 || rank > RANK_MAX) return refuse(r, "its shape has %zu dimensions, 1 to %d can be", rank, RANK_MAX);
    int64_t size_max = TENSOR_MAX_BYTES / (int64_t)(t->type->size ? t->type->size : 4), elements = 1;
    const gm_jv *dim = gm_jv_first(shape);
    t->width = 1;
    for (size_t i = 0; i < rank; i++, dim = gm_jv_next(dim)) {
        if (gm_jv_kind_of(dim) != GM_JV_INT || gm_jv_int(dim) < 0)
            return refuse(r, "dimension %zu of its shape is no whole number of 0 or more", i + 1);
        if (gm_jv_int(dim) > size_max || (gm_jv_int(dim) && elements > size_max / gm_jv_int(dim)))
            return refuse(r, "its shape is beyond %d MiB", TENSOR_MAX_BYTES >> 20);
        elements *= gm_jv_int(dim);
        if (i)
            t->width *= gm_jv_int(dim);
        else
            t->rows = gm_jv_int(dim);
    }
    return elements ? GM_OK : refuse(r, "its shape has no elements");
}

static gm_rc read_place(reader *r, const members *m, gm_oip_tensor *t)
{
    int64_t size = -1;
    gm_rc rc = whole_of(r, m->parameters, "binary_data_size", &size);
    if (rc) return rc;
    t->data = m->data;
    if (size >= 0 && t->data) return refuse(r, "both \"data\" and \"binary_data_size\" are given");
    if (size < 0 && !t->data) return refuse(r, "\"data\" is missing");
    if (t->data && gm_jv_kind_of(t->data) != GM_JV_LIST)
        return refuse(r, "\"data\" must be a list, found %s", gm_jv_kind_name(t->data));
    if (t->data && (t->type->kind == GM_OIP_HALF || t->type->kind == GM_OIP_BFLOAT))
        return refuse(r, "%s is sent as binary data only", t->type->name);
    if (t->data) return GM_OK;
    if (!r->binary) return refuse(r, "binary data needs the header Inference-Header-Content-Length");
    if ((uint64_t)size > r->binary_left)
        return refuse(r, "%" PRId64 " bytes are announced, the body has %zu left", size, r->binary_left);
    t->raw = r->binary;
    t->raw_len = (size_t)size;
    r->binary += size;
    r->binary_left -= (size_t)size;
    return GM_OK;
}

static gm_rc read_input(reader *r, const gm_jv *entry, size_t i, gm_oip_tensor *t)
{
    if (gm_jv_kind_of(entry) != GM_JV_OBJECT)
        return gm_err_set(r->err, GM_EINVALID, "input %zu is %s, not an object", i + 1, gm_jv_kind_name(entry));
    members m = members_of(entry);
    gm_rc rc = take_name(r, m.name, i);
    if (rc) return rc;
    if (!m.datatype || gm_jv_kind_of(m.datatype) != GM_JV_TEXT) return refuse(r, "\"datatype\" is missing");
    t->name = r->name;
    t->type = gm_oip_type_of(gm_jv_text(m.datatype));
    if (!t->type) return refuse(r, "unrecognized datatype \"%.40s\"", gm_jv_text(m.datatype).data);
    rc = check_parameters(r, m.parameters);
    if (!rc) rc = read_shape(r, m.shape, t);
    if (!rc) rc = read_place(r, &m, t);
    const gm_jv *content = gm_jv_get(m.parameters, "content_type");
    if (!rc && content && gm_jv_kind_of(content) == GM_JV_TEXT && gm_slice_is(gm_jv_text(content), "base64"))
        rc = refuse(r, "content type base64 is not supported");
    return rc;
}

static gm_rc read_inputs(reader *r, const gm_jv *list, gm_oip_request *q)
{
    size_t count = list && gm_jv_kind_of(list) == GM_JV_LIST ? gm_jv_count(list) : 0;
    gm_rc rc = GM_OK;
    if (!count || count > TENSORS_MAX)
        return gm_err_set(r->err, GM_EINVALID,
                          count ? "the request has more than %d inputs" : "\"inputs\" must be a list of tensors", TENSORS_MAX);
    q->tensors = GM_ARENA_ARRAY(r->a, gm_oip_tensor, count);
    if (!q->tensors) return gm_err_set(r->err, GM_ENOMEM, "the request is too large for its memory");
    q->tensors_count = count;
    const gm_jv *entry = gm_jv_first(list);
    for (size_t i = 0; !rc && i < count; i++, entry = gm_jv_next(entry)) rc = read_input(r, entry, i, &q->tensors[i]);
    if (!rc && r->binary_left) rc = gm_err_set(r->err, GM_EINVALID, "%zu bytes of the body belong to no input", r->binary_left);
    return rc;
}

/* ---- outputs ----------------------------------------------------------------------------------------------------------- */

static gm_rc read_output(reader *r, const gm_jv *entry, size_t i, const gm_oip_request *q, gm_oip_output *o)
{
    if (gm_jv_kind_of(entry) != GM_JV_OBJECT)
        return gm_err_set(r->err, GM_EINVALID, "output %zu is %s, not an object", i + 1, gm_jv_kind_name(entry));
    members m = members_of(entry);
    gm_rc rc = take_name(r, m.name, i);
    if (rc) return rc;
    *o = (gm_oip_output){ .name = r->name, .binary = q->binary_outputs };
    for (size_t k = 0; k < i; k++)
        if (q->outputs[k].name.len == r->name.len && memcmp(q->outputs[k].name.data, r->name.data, r->name.len) == 0)
            return refuse(r, "it is asked for twice");
    rc = check_parameters(r, m.parameters);
    if (!rc) rc = flag_of(r, m.parameters, "binary_data", &o->binary);
    if (!rc) rc = whole_of(r, m.parameters, "classification", &o->classification);
    return rc;
}

static gm_rc read_outputs(reader *r, const gm_jv *list, gm_oip_request *q)
{
    gm_rc rc = GM_OK;
    if (!list) return GM_OK;
    if (gm_jv_kind_of(list) != GM_JV_LIST || gm_jv_count(list) > OUTPUTS_MAX)
        return gm_err_set(r->err, GM_EINVALID, "\"outputs\" must be a list of at most %d outputs", OUTPUTS_MAX);
    q->outputs = GM_ARENA_ARRAY(r->a, gm_oip_output, gm_jv_count(list));
    if (!q->outputs) return gm_err_set(r->err, GM_ENOMEM, "the request is too large for its memory");
    q->outputs_count = gm_jv_count(list);
    r->what = "output";
    const gm_jv *entry = gm_jv_first(list);
    for (size_t i = 0; !rc && i < q->outputs_count; i++, entry = gm_jv_next(entry))
        rc = read_output(r, entry, i, q, &q->outputs[i]);
    return rc;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

gm_rc gm_oip_read(gm_slice body, int64_t json_len, gm_arena *a, gm_oip_request *out, gm_err *err)
{
    gm_oip_request q = { .body = body };
    const gm_jv *root = NULL;
    bool with_binary = json_len >= 0;
    if (json_len > 0 && (uint64_t)json_len > body.len)
        return gm_err_set(err, GM_EINVALID, "Inference-Header-Content-Length is %" PRId64 ", the body has %zu bytes", json_len,
                          body.len);
    if (json_len == 0) {
        q.raw = q.binary_outputs = true;
        *out = q;
        return GM_OK;
    }
    size_t len = with_binary ? (size_t)json_len : body.len;
    gm_rc rc = gm_jv_read(gm_body_text(body), len, len == body.len, a, &root, err);
    if (rc) return rc;
    if (gm_jv_kind_of(root) != GM_JV_OBJECT)
        return gm_err_set(err, GM_EINVALID, "the body must be a JSON object, found %s", gm_jv_kind_name(root));
    reader r = { .a = a, .what = "input", .name = { "", 0 }, .err = err };
    if (with_binary) r.binary = (const unsigned char *)body.data + len;
    r.binary_left = body.len - len;
    const gm_jv *id = gm_jv_get(root, "id"), *parameters = gm_jv_get(root, "parameters");
    if (id && gm_jv_kind_of(id) != GM_JV_TEXT)
        return gm_err_set(err, GM_EINVALID, "\"id\" must be a text, found %s", gm_jv_kind_name(id));
    if (parameters && gm_jv_kind_of(parameters) != GM_JV_OBJECT)
        return gm_err_set(err, GM_EINVALID, "\"parameters\" must be an object, found %s", gm_jv_kind_name(parameters));
    if (id) q.id = gm_jv_text(id);
    const gm_jv *binary = gm_jv_get(parameters, "binary_data_output");
    if (binary && gm_jv_kind_of(binary) != GM_JV_BOOL)
        return gm_err_set(err, GM_EINVALID, "parameter \"binary_data_output\" is true or false");
    q.binary_outputs = binary && gm_jv_bool(binary);
    rc = read_inputs(&r, gm_jv_get(root, "inputs"), &q);
    if (!rc) rc = read_outputs(&r, gm_jv_get(root, "outputs"), &q);
    if (!rc) *out = q;
    return rc;
}
