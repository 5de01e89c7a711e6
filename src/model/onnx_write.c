/* onnx_write.c - a collected graph as the bytes of an ONNX file.
 *
 * The message tree lives in an arena of its own for the length of the call. Only raw little-endian bytes and strings are used for
 * tensors, which every reader takes. Written: IR version 8, ai.onnx 18, ai.onnx.ml 3; no time, no random name, so equal graphs give
 * equal bytes.
 */
#include "onnx.h"

#include <string.h>

#include "onnx-ml.pb-c.h"
#include "onnx_internal.h"

enum { IR_VERSION = 8, OPSET = 18, OPSET_ML = 3 };

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX raw data is little-endian");

/* protobuf-c's structs have no const: it does not write to what it packs. */
static char *text_of(const char *s)
{
    return (char *)(uintptr_t)s;
}

static ProtobufCBinaryData bytes_of(const void *data, size_t len)
{
    return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)(uintptr_t)data };
}

static bool string_list(gm_arena *a, const gm_onnx_values *v, size_t *out_count, ProtobufCBinaryData **out)
{
    const char *const *texts = v->data;
    ProtobufCBinaryData *list = GM_ARENA_ARRAY(a, ProtobufCBinaryData, v->count);
    if (!list) return false;
    for (size_t i = 0; i < v->count; i++) list[i] = bytes_of(texts[i], strlen(texts[i]));
    *out_count = v->count;
    *out = list;
    return true;
}

static size_t size_of(gm_onnx_type type)
{
    switch (type) {
    case GM_ONNX_FLOAT: return sizeof(float);
    case GM_ONNX_BOOL: return sizeof(bool);
    case GM_ONNX_INT64:
    case GM_ONNX_DOUBLE: return 8;
    case GM_ONNX_STRING: break; /* strings are a list of their own */
    }
    return 0;
}

static Onnx__TensorProto *tensor(gm_arena *a, const char *name, const gm_onnx_values *v, const int64_t *dims,
                                 size_t dims_count)
{
    Onnx__TensorProto *t = GM_ARENA_NEW(a, Onnx__TensorProto);
    if (!t) return NULL;
    onnx__tensor_proto__init(t);
    t->name = text_of(name);
    t->n_dims = dims_count;
    t->dims = (int64_t *)(uintptr_t)dims;
    t->has_data_type = true;
    t->data_type = (int32_t)v->type;
    if (v->type == GM_ONNX_STRING) return string_list(a, v, &t->n_string_data, &t->string_data) ? t : NULL;
    t->has_raw_data = true;
    t->raw_data = bytes_of(v->data, v->count * size_of(v->type));
    return t;
}

static void one_value(const gm_onnx_values *v, Onnx__AttributeProto *p)
{
    if (v->type == GM_ONNX_INT64) {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        p->has_i = true;
        p->i = *(const int64_t *)v->data;
    } else if (v->type == GM_ONNX_FLOAT) {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        p->has_f = true;
        p->f = *(const float *)v->data;
    } else {
        const char *text = *(const char *const *)v->data;
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        p->has_s = true;
        p->s = bytes_of(text, strlen(text));
    }
}

static bool list_value(gm_arena *a, const gm_onnx_values *v, Onnx__AttributeProto *p)
{
    if (v->type == GM_ONNX_INT64) {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        p->n_ints = v->count;
        p->ints = (int64_t *)(uintptr_t)v->data;
    } else if (v->type == GM_ONNX_FLOAT) {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
        p->n_floats = v->count;
        p->floats = (float *)(uintptr_t)v->data;
    } else {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
        return string_list(a, v, &p->n_strings, &p->strings);
    }
    return true;
}

static Onnx__AttributeProto *attribute(gm_arena *a, const gm_onnx_attr *at)
{
    Onnx__AttributeProto *p = GM_ARENA_NEW(a, Onnx__AttributeProto);
    if (!p) return NULL;
    onnx__attribute_proto__init(p);
    p->name = text_of(at->name);
    p->has_type = true;
    if (at->kind == GM_ONNX_ATTR_ONE) {
        one_value(&at->values, p);
        return p;
    }
    if (at->kind == GM_ONNX_ATTR_LIST) return list_value(a, &at->values, p) ? p : NULL;
    int64_t *dims = GM_ARENA_NEW(a, int64_t);
    if (!dims) return NULL;
    *dims = (int64_t)at->values.count;
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    p->t = tensor(a, at->name, &at->values, dims, 1);
    return p->t ? p : NULL;
}

static Onnx__NodeProto *node(gm_arena *a, const gm_onnx_op *op)
{
    Onnx__NodeProto *p = GM_ARENA_NEW(a, Onnx__NodeProto);
    if (!p) return NULL;
    onnx__node_proto__init(p);
    p->op_type = text_of(op->type);
    p->domain = text_of(op->domain);
    p->name = text_of(op->output);
    p->n_input = op->inputs_count;
    p->input = (char **)(uintptr_t)op->inputs;
    p->n_output = op->second ? 2 : 1;
    p->output = GM_ARENA_ARRAY(a, char *, 2);
    p->attribute = GM_ARENA_ARRAY(a, Onnx__AttributeProto *, op->attrs_count);
    if (!p->output || !p->attribute) return NULL;
    p->output[0] = text_of(op->output);
    p->output[1] = text_of(op->second);
    for (; p->n_attribute < op->attrs_count; p->n_attribute++)
        if (!(p->attribute[p->n_attribute] = attribute(a, &op->attrs[p->n_attribute]))) return NULL;
    return p;
}

/* A dimension: N rows when size is 0, else that size. */
static Onnx__TensorShapeProto__Dimension *dimension(gm_arena *a, int64_t size)
{
    Onnx__TensorShapeProto__Dimension *d = GM_ARENA_NEW(a, Onnx__TensorShapeProto__Dimension);
    if (!d) return NULL;
    onnx__tensor_shape_proto__dimension__init(d);
    if (size == 0) {
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        d->dim_param = text_of("N");
    } else {
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = size;
    }
    return d;
}

static Onnx__ValueInfoProto *value_info(gm_arena *a, const gm_onnx_port *port)
{
    Onnx__ValueInfoProto *info = GM_ARENA_NEW(a, Onnx__ValueInfoProto);
    Onnx__TypeProto *type = GM_ARENA_NEW(a, Onnx__TypeProto);
    Onnx__TypeProto__Tensor *t = GM_ARENA_NEW(a, Onnx__TypeProto__Tensor);
    Onnx__TensorShapeProto *shape = GM_ARENA_NEW(a, Onnx__TensorShapeProto);
    Onnx__TensorShapeProto__Dimension **dims = GM_ARENA_ARRAY(a, Onnx__TensorShapeProto__Dimension *, 2);
    if (!info || !type || !t || !shape || !dims) return NULL;
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(t);
    onnx__tensor_shape_proto__init(shape);
    shape->dim = dims;
    shape->n_dim = port->width ? 2 : 1;
    dims[0] = dimension(a, 0);
    if (port->width) dims[1] = dimension(a, port->width);
    if (!dims[0] || (port->width && !dims[1])) return NULL;
    t->has_elem_type = true;
    t->elem_type = (int32_t)port->type;
    t->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = t;
    info->name = text_of(port->name);
    info->type = type;
    return info;
}

static Onnx__OperatorSetIdProto *opset(gm_arena *a, const char *domain, int64_t version)
{
    Onnx__OperatorSetIdProto *p = GM_ARENA_NEW(a, Onnx__OperatorSetIdProto);
    if (!p) return NULL;
    onnx__operator_set_id_proto__init(p);
    p->domain = text_of(domain);
    p->has_version = true;
    p->version = version;
    return p;
}

static Onnx__StringStringEntryProto *entry(gm_arena *a, const gm_onnx_entry *e)
{
    Onnx__StringStringEntryProto *p = GM_ARENA_NEW(a, Onnx__StringStringEntryProto);
    if (!p) return NULL;
    onnx__string_string_entry_proto__init(p);
    p->key = text_of(e->key);
    p->value = text_of(e->value);
    return p;
}

static Onnx__GraphProto *graph(gm_arena *a, const gm_onnx *g)
{
    Onnx__GraphProto *p = GM_ARENA_NEW(a, Onnx__GraphProto);
    if (!p) return NULL;
    onnx__graph_proto__init(p);
    p->name = text_of("model");
    p->node = GM_ARENA_ARRAY(a, Onnx__NodeProto *, g->ops_count);
    p->initializer = GM_ARENA_ARRAY(a, Onnx__TensorProto *, g->constants_count);
    p->input = GM_ARENA_ARRAY(a, Onnx__ValueInfoProto *, g->inputs_count);
    p->output = GM_ARENA_ARRAY(a, Onnx__ValueInfoProto *, g->outputs_count);
    if (!p->node || !p->initializer || !p->input || !p->output) return NULL;
    for (; p->n_node < g->ops_count; p->n_node++)
        if (!(p->node[p->n_node] = node(a, &g->ops[p->n_node]))) return NULL;
    for (; p->n_initializer < g->constants_count; p->n_initializer++) {
        const gm_onnx_constant *c = &g->constants[p->n_initializer];
        p->initializer[p->n_initializer] = tensor(a, c->name, &c->values, c->dims, c->dims_count);
        if (!p->initializer[p->n_initializer]) return NULL;
    }
    for (; p->n_input < g->inputs_count; p->n_input++) {
        gm_onnx_port port = g->inputs[p->n_input];
        port.width = g->inputs_count == 1; /* MLflow feeds [N,1] to a lone input and [N] to each of several */
        if (!(p->input[p->n_input] = value_info(a, &port))) return NULL;
    }
    for (; p->n_output < g->outputs_count; p->n_output++)
        if (!(p->output[p->n_output] = value_info(a, &g->outputs[p->n_output]))) return NULL;
    return p;
}

static Onnx__ModelProto *model(gm_arena *a, const gm_onnx *g)
{
    Onnx__ModelProto *p = GM_ARENA_NEW(a, Onnx__ModelProto);
    if (!p) return NULL;
    onnx__model_proto__init(p);
    p->has_ir_version = true;
    p->ir_version = IR_VERSION;
    p->producer_name = text_of("gristmill");
    p->producer_version = text_of(GM_VERSION);
    p->opset_import = GM_ARENA_ARRAY(a, Onnx__OperatorSetIdProto *, 2);
    p->metadata_props = GM_ARENA_ARRAY(a, Onnx__StringStringEntryProto *, g->metadata_count);
    if (!p->opset_import || !p->metadata_props) return NULL;
    p->n_opset_import = 2;
    p->opset_import[0] = opset(a, "", OPSET);
    p->opset_import[1] = opset(a, "ai.onnx.ml", OPSET_ML);
    p->graph = graph(a, g);
    if (!p->opset_import[0] || !p->opset_import[1] || !p->graph) return NULL;
    for (; p->n_metadata_props < g->metadata_count; p->n_metadata_props++) {
        p->metadata_props[p->n_metadata_props] = entry(a, &g->metadata[p->n_metadata_props]);
        if (!p->metadata_props[p->n_metadata_props]) return NULL;
    }
    return p;
}

gm_rc gm_onnx_write(gm_onnx *g, gm_buf *out, gm_err *err)
{
    if (g->failure.rc) {
        if (err) *err = g->failure;
        return g->failure.rc;
    }
    gm_arena *scratch = gm_arena_new(0);
    gm_rc rc = GM_OK;
    Onnx__ModelProto *m = scratch ? model(scratch, g) : NULL;
    size_t size = m ? onnx__model_proto__get_packed_size(m) : 0;
    if (size > INT32_MAX) {
        rc = gm_err_set(err, GM_EUNSUPPORTED, "the model needs %zu bytes of ONNX; the format ends at 2 GiB", size);
        goto out;
    }
    uint8_t *bytes = m ? GM_ARENA_ARRAY(scratch, uint8_t, size) : NULL;
    if (!bytes) {
        rc = gm_err_set(err, GM_ENOMEM, "no memory for an ONNX model of %zu bytes", size);
        goto out;
    }
    (void)onnx__model_proto__pack(m, bytes);
    gm_buf_add(out, bytes, size);
    if (out->failed) rc = gm_err_set(err, GM_ENOMEM, "no memory for an ONNX model of %zu bytes", size);
out:
    gm_arena_free(scratch);
    return rc;
}
