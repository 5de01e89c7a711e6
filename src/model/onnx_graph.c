/* onnx_graph.c - collecting the nodes, constants, inputs and outputs of an ONNX graph.
 *
 * Invariants
 *  (1) everything that the graph points at is in its arena: callers may pass temporaries;
 *  (2) nodes stand in the order they were made, which is a running order, because an input must exist when it is named;
 *  (3) after a failure every helper returns NULL and changes nothing;
 *  (4) nodes see an input as [N,1] whatever shape it is fed in: its name stands for a reshaped tensor, see tensor_of().
 */
#include "onnx.h"

#include <stdio.h>
#include <string.h>

#include "onnx_internal.h"

/* Tensors that we name begin with this; no input may. */
#define OWN_PREFIX "gm/"

gm_onnx *gm_onnx_new(gm_arena *a)
{
    gm_onnx *g = GM_ARENA_NEW(a, gm_onnx);
    if (g) g->arena = a;
    return g;
}

const char *gm_onnx_fail(gm_onnx *g, gm_rc rc, const char *fmt, ...)
{
    if (g->failure.rc) return NULL;
    char text[sizeof(g->failure.message)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)gm_err_set(&g->failure, rc, "%s", text);
    return NULL;
}

static const char *out_of_memory(gm_onnx *g)
{
    return gm_onnx_fail(g, GM_ENOMEM, "the ONNX graph is too large for its arena");
}

/* Room for one more element of `size` bytes in a list; the list moves when it grows. NULL when memory is out. */
static void *grow(gm_onnx *g, void *list_pointer, size_t *count, size_t *capacity, size_t size)
{
    void **list = list_pointer;
    if (*count == *capacity) {
        size_t wanted = *capacity ? *capacity * 2 : 8;
        char *bigger = gm_arena_alloc(g->arena, wanted, size);
        if (!bigger) {
            (void)out_of_memory(g);
            return NULL;
        }
        if (*count) memcpy(bigger, *list, *count * size);
        *list = bigger;
        *capacity = wanted;
    }
    return (char *)*list + (*count)++ * size;
}

static const char *new_name(gm_onnx *g)
{
    const char *name = gm_arena_printf(g->arena, OWN_PREFIX "%zu", g->names_made++);
    return name ? name : out_of_memory(g);
}

static const char *keep_text(gm_onnx *g, const char *text)
{
    const char *kept = gm_arena_strdup(g->arena, text);
    return kept ? kept : out_of_memory(g);
}

static size_t size_of(gm_onnx_type type)
{
    switch (type) {
    case GM_ONNX_FLOAT: return sizeof(float);
    case GM_ONNX_INT64: return sizeof(int64_t);
    case GM_ONNX_STRING: return sizeof(const char *);
    case GM_ONNX_BOOL: return sizeof(bool);
    case GM_ONNX_DOUBLE: return sizeof(double);
    }
    return 0;
}

/* Copy n values into the arena, see (1). */
static bool keep_values(gm_onnx *g, gm_onnx_type type, const void *v, size_t n, gm_onnx_values *out)
{
    void *copy = gm_arena_alloc(g->arena, n, size_of(type));
    if (!copy) {
        (void)out_of_memory(g);
        return false;
    }
    if (type == GM_ONNX_STRING) {
        const char *const *from = v;
        const char **to = copy;
        for (size_t i = 0; i < n; i++)
            if (!(to[i] = keep_text(g, from[i]))) return false;
    } else if (n) {
        memcpy(copy, v, n * size_of(type));
    }
    *out = (gm_onnx_values){ .type = type, .data = copy, .count = n };
    return true;
}

/* ---- inputs, outputs, constants ------------------------------------------------------------------------ */

const char *gm_onnx_input(gm_onnx *g, const char *name, gm_onnx_type type)
{
    if (g->failure.rc) return NULL;
    if (!*name || strncmp(name, OWN_PREFIX, strlen(OWN_PREFIX)) == 0)
        return gm_onnx_fail(g, GM_EUNSUPPORTED, "\"%s\" cannot be the name of an ONNX input", name);
    for (size_t i = 0; i < g->inputs_count; i++)
        if (strcmp(g->inputs[i].name, name) == 0)
            return gm_onnx_fail(g, GM_EINVALID, "ONNX input \"%s\" is there twice", name);
    const char *kept = keep_text(g, name);
    const char *shape = gm_onnx_int64s(g, (int64_t[]){ -1, 1 }, (int64_t[]){ 2 }, 1);
    const char *column = kept ? gm_onnx_op2(g, "Reshape", kept, shape) : NULL;
    if (!column) return NULL;
    gm_onnx_port *p = grow(g, &g->inputs, &g->inputs_count, &g->inputs_capacity, sizeof(*p));
    if (!p) return NULL;
    *p = (gm_onnx_port){ .name = kept, .type = type, .column = column };
    return kept;
}

static bool name_taken(const gm_onnx *g, const char *name)
{
    for (size_t i = 0; i < g->inputs_count; i++)
        if (strcmp(g->inputs[i].name, name) == 0) return true;
    for (size_t i = 0; i < g->outputs_count; i++)
        if (strcmp(g->outputs[i].name, name) == 0) return true;
    return false;
}

void gm_onnx_output(gm_onnx *g, const char *tensor, const char *name, gm_onnx_type type, int64_t width)
{
    if (g->failure.rc) return;
    const char *kept = name_taken(g, name) ? gm_arena_printf(g->arena, "%s_", name) : gm_arena_strdup(g->arena, name);
    if (!kept) {
        (void)out_of_memory(g);
        return;
    }
    if (name_taken(g, kept)) {
        (void)gm_onnx_fail(g, GM_EINVALID, "the ONNX output \"%s\" has the name of an input", name);
        gm_err_hint(&g->failure, "Rename the column \"%s\" in the data.", kept);
        return;
    }
    if (!gm_onnx_op1(g, "Identity", tensor)) return;
    gm_onnx_op *op = &g->ops[g->ops_count - 1];
    gm_onnx_port *p = grow(g, &g->outputs, &g->outputs_count, &g->outputs_capacity, sizeof(*p));
    if (!p) return;
    op->output = kept;
    *p = (gm_onnx_port){ .name = kept, .type = type, .width = width };
}

static const char *constant(gm_onnx *g, gm_onnx_type type, const void *v, const int64_t *dims, size_t dims_count)
{
    if (g->failure.rc) return NULL;
    size_t count = 1;
    for (size_t i = 0; i < dims_count; i++) {
        gm_assert(dims[i] >= 0);
        count *= (size_t)dims[i];
    }
    const char *name = new_name(g);
    gm_onnx_values values, kept_dims;
    if (!name || !keep_values(g, type, v, count, &values) ||
        !keep_values(g, GM_ONNX_INT64, dims, dims_count, &kept_dims))
        return NULL;
    gm_onnx_constant *c =
        grow(g, &g->constants, &g->constants_count, &g->constants_capacity, sizeof(*c));
    if (!c) return NULL;
    *c = (gm_onnx_constant){ .name = name, .values = values, .dims = kept_dims.data, .dims_count = dims_count };
    return name;
}

const char *gm_onnx_doubles(gm_onnx *g, const double *v, const int64_t *dims, size_t dims_count)
{
    return constant(g, GM_ONNX_DOUBLE, v, dims, dims_count);
}

const char *gm_onnx_floats(gm_onnx *g, const float *v, const int64_t *dims, size_t dims_count)
{
    return constant(g, GM_ONNX_FLOAT, v, dims, dims_count);
}

const char *gm_onnx_int64s(gm_onnx *g, const int64_t *v, const int64_t *dims, size_t dims_count)
{
    return constant(g, GM_ONNX_INT64, v, dims, dims_count);
}

const char *gm_onnx_strings(gm_onnx *g, const char *const *v, const int64_t *dims, size_t dims_count)
{
    return constant(g, GM_ONNX_STRING, v, dims, dims_count);
}

const char *gm_onnx_bools(gm_onnx *g, const bool *v, const int64_t *dims, size_t dims_count)
{
    return constant(g, GM_ONNX_BOOL, v, dims, dims_count);
}

const char *gm_onnx_double(gm_onnx *g, double v)
{
    return constant(g, GM_ONNX_DOUBLE, &v, NULL, 0);
}

/* ---- nodes --------------------------------------------------------------------------------------------- */

/* What a node reads under a name, see (4). */
static const char *tensor_of(const gm_onnx *g, const char *name)
{
    for (size_t i = 0; i < g->inputs_count; i++)
        if (strcmp(g->inputs[i].name, name) == 0) return g->inputs[i].column;
    return name;
}

const char *gm_onnx_node(gm_onnx *g, const char *op, const char *const *inputs, size_t inputs_count)
{
    if (g->failure.rc) return NULL;
    for (size_t i = 0; i < inputs_count; i++)
        gm_assert(inputs[i] != NULL); /* NULL comes only after a failure, which was looked at above */
    bool ml = strncmp(op, "ml.", 3) == 0;
    const char *type = keep_text(g, ml ? op + 3 : op);
    const char *output = new_name(g);
    const char **names = GM_ARENA_ARRAY(g->arena, const char *, inputs_count);
    if (!names) return out_of_memory(g);
    for (size_t i = 0; i < inputs_count; i++)
        if (!(names[i] = keep_text(g, tensor_of(g, inputs[i])))) return NULL;
    if (!type || !output) return NULL;
    gm_onnx_op *n = grow(g, &g->ops, &g->ops_count, &g->ops_capacity, sizeof(*n));
    if (!n) return NULL;
    *n = (gm_onnx_op){ .type = type, .domain = ml ? "ai.onnx.ml" : "", .inputs = names,
                       .inputs_count = inputs_count, .output = output };
    return output;
}

const char *gm_onnx_second_output(gm_onnx *g)
{
    if (g->failure.rc) return NULL;
    gm_assert(g->ops_count > 0);
    return g->ops[g->ops_count - 1].second = new_name(g);
}

const char *gm_onnx_op1(gm_onnx *g, const char *op, const char *x)
{
    return gm_onnx_node(g, op, (const char *[]){ x }, 1);
}

const char *gm_onnx_op2(gm_onnx *g, const char *op, const char *x, const char *y)
{
    return gm_onnx_node(g, op, (const char *[]){ x, y }, 2);
}

const char *gm_onnx_op3(gm_onnx *g, const char *op, const char *x, const char *y, const char *z)
{
    return gm_onnx_node(g, op, (const char *[]){ x, y, z }, 3);
}

const char *gm_onnx_cast(gm_onnx *g, const char *x, gm_onnx_type to)
{
    const char *y = gm_onnx_op1(g, "Cast", x);
    gm_onnx_attr_int(g, "to", to);
    return y;
}

/* ---- attributes ---------------------------------------------------------------------------------------- */

static void attr(gm_onnx *g, const char *name, gm_onnx_attr_kind kind, gm_onnx_type type, const void *v, size_t n)
{
    if (g->failure.rc) return;
    gm_assert(g->ops_count > 0);
    gm_onnx_op *op = &g->ops[g->ops_count - 1];
    gm_onnx_values values;
    const char *kept = keep_text(g, name);
    if (!kept || !keep_values(g, type, v, n, &values)) return;
    gm_onnx_attr *at = grow(g, &op->attrs, &op->attrs_count, &op->attrs_capacity, sizeof(*at));
    if (at) *at = (gm_onnx_attr){ .name = kept, .kind = kind, .values = values };
}

void gm_onnx_attr_int(gm_onnx *g, const char *name, int64_t v)
{
    attr(g, name, GM_ONNX_ATTR_ONE, GM_ONNX_INT64, &v, 1);
}

void gm_onnx_attr_float(gm_onnx *g, const char *name, float v)
{
    attr(g, name, GM_ONNX_ATTR_ONE, GM_ONNX_FLOAT, &v, 1);
}

void gm_onnx_attr_str(gm_onnx *g, const char *name, const char *v)
{
    attr(g, name, GM_ONNX_ATTR_ONE, GM_ONNX_STRING, &v, 1);
}

void gm_onnx_attr_ints(gm_onnx *g, const char *name, const int64_t *v, size_t n)
{
    attr(g, name, GM_ONNX_ATTR_LIST, GM_ONNX_INT64, v, n);
}

void gm_onnx_attr_floats(gm_onnx *g, const char *name, const float *v, size_t n)
{
    attr(g, name, GM_ONNX_ATTR_LIST, GM_ONNX_FLOAT, v, n);
}

void gm_onnx_attr_strs(gm_onnx *g, const char *name, const char *const *v, size_t n)
{
    attr(g, name, GM_ONNX_ATTR_LIST, GM_ONNX_STRING, v, n);
}

void gm_onnx_attr_tensor_doubles(gm_onnx *g, const char *name, const double *v, size_t n)
{
    attr(g, name, GM_ONNX_ATTR_TENSOR, GM_ONNX_DOUBLE, v, n);
}

void gm_onnx_attr_tensor_strs(gm_onnx *g, const char *name, const char *const *v, size_t n)
{
    attr(g, name, GM_ONNX_ATTR_TENSOR, GM_ONNX_STRING, v, n);
}

void gm_onnx_attr_tensor_int64s(gm_onnx *g, const char *name, const int64_t *v, size_t n)
{
    attr(g, name, GM_ONNX_ATTR_TENSOR, GM_ONNX_INT64, v, n);
}

void gm_onnx_metadata(gm_onnx *g, const char *key, const char *value)
{
    if (g->failure.rc) return;
    const char *k = keep_text(g, key), *v = keep_text(g, value);
    if (!k || !v) return;
    gm_onnx_entry *e = grow(g, &g->metadata, &g->metadata_count, &g->metadata_capacity, sizeof(*e));
    if (e) *e = (gm_onnx_entry){ .key = k, .value = v };
}
