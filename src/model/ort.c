/* ort.c - ONNX Runtime: a session over an .onnx file, tables in, numbers out.
 *
 * The library is opened when the first session is (dlopen), stays loaded, and gets one thread, the CPU provider, errors only in its
 * log, and no telemetry. Its environment is one per process and counted by the library; each session holds one count.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "onnx_loops.h"
#include "ort_watch.h"

enum { PORTS_MAX = 4096, DIMS_MAX = 8 };

/* An input or output of the graph. */
typedef struct port {
    const char *name;
    int type; /* element type; 0 = not a tensor */
    size_t rank;
    int64_t dims[DIMS_MAX]; /* -1 = any */
} port;

struct gm_ort {
    gm_arena *arena;
    gm_ort_api api;
    const char *version;
    ort_env *env;
    ort_session *session;
    ort_allocator *allocator; /* the library's default; not ours to release */
    ort_memory *memory;
    port *inputs, *outputs;
    size_t inputs_count, outputs_count;
    int64_t limit_ms, limit_row_ms; /* of one run, and of each of its rows */
};

enum { LIMIT_MS = 5000, LIMIT_ROW_MS = 20 };

/* The values fed to one run, released together. */
typedef struct feed {
    const char **names;
    ort_value **values;
    size_t count;
} feed;

const char *gm_ort_version(void)
{
    return GM_ORT_VERSION;
}

const char *gm_ort_library_version(const gm_ort *s)
{
    return s->version;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static gm_rc rc_of(int code)
{
    switch (code) {
    case ORT_NO_SUCH_FILE: return GM_ENOTFOUND;
    case ORT_INVALID_ARGUMENT:
    case ORT_NO_MODEL:
    case ORT_INVALID_PROTOBUF:
    case ORT_INVALID_GRAPH: return GM_EINVALID;
    case ORT_NOT_IMPLEMENTED: return GM_EUNSUPPORTED;
    default: return GM_EINTERNAL;
    }
}

/* Turn the library's status into our error and release it. GM_OK for NULL. */
static gm_rc check(const gm_ort *s, ort_status *status, const char *doing, gm_err *err)
{
    if (!status) return GM_OK;
    gm_rc rc = rc_of(s->api.get_error_code(status));
    rc = gm_err_set(err, rc, "ONNX Runtime cannot %s: %s", doing, s->api.get_error_message(status));
    s->api.release_status(status);
    return rc;
}

static gm_rc load_api(gm_ort *s, gm_err *err)
{
    void *handle = NULL, *symbol = NULL;
    gm_rc rc = gm_library_open("libonnxruntime.so", &handle, err);
    if (rc) return rc;
    rc = gm_library_symbol(handle, "OrtGetApiBase", &symbol, err);
    if (rc) return rc;
    const ort_api_base *(*get_base)(void) = NULL;
    memcpy(&get_base, &symbol, sizeof(get_base)); /* ISO C has no cast from data to function pointers */
    const ort_api_base *base = get_base();
    s->version = base->version();
    const char *table = base->get_api(GM_ORT_API);
    if (!table)
        return gm_err_set(err, GM_EUNAVAILABLE, "ONNX Runtime %s is too old, 1.%d or later is needed", s->version,
                          GM_ORT_API);
#define X(slot, name, result, parameters) memcpy(&s->api.name, table + (slot) * sizeof(void *), sizeof(void *));
    GM_ORT_SLOTS(X)
#undef X
    return GM_OK;
}

/* Element type and dimensions of a port. Leaves type 0 when it is not a tensor. */
static gm_rc read_type(gm_ort *s, ort_type_info *info, port *p, gm_err *err)
{
    const ort_shape *shape = NULL;
    gm_rc rc = check(s, s->api.tensor_type(info, &shape), "tell the type of an input or output", err);
    if (rc || !shape) return rc;
    rc = check(s, s->api.rank(shape, &p->rank), "tell a rank", err);
    if (rc) return rc;
    if (p->rank > DIMS_MAX) return GM_OK; /* nothing that we could feed or read */
    rc = check(s, s->api.dims(shape, p->dims, p->rank), "tell dimensions", err);
    if (rc) return rc;
    return check(s, s->api.element_type(shape, &p->type), "tell an element type", err);
}

static gm_rc read_port(gm_ort *s, size_t i, bool input, port *p, gm_err *err)
{
    char *name = NULL;
    ort_type_info *info = NULL;
    const gm_ort_api *api = &s->api;
    gm_rc rc = check(s, (input ? api->input_name : api->output_name)(s->session, i, s->allocator, &name),
                     "tell the name of an input or output", err);
    if (rc) return rc;
    p->name = gm_arena_strdup(s->arena, name);
    rc = check(s, api->allocator_free(s->allocator, name), "free a name", err);
    if (!rc && !p->name) rc = gm_err_set(err, GM_ENOMEM, "the model has too many inputs and outputs");
    if (!rc)
        rc = check(s, (input ? api->input_type : api->output_type)(s->session, i, &info), "tell a type", err);
    if (!rc) rc = read_type(s, info, p, err);
    if (info) api->release_type_info(info);
    return rc;
}

static gm_rc read_ports(gm_ort *s, bool input, port **out, size_t *out_count, gm_err *err)
{
    size_t count = 0;
    gm_rc rc = check(s, (input ? s->api.input_count : s->api.output_count)(s->session, &count),
                     "count inputs and outputs", err);
    if (rc) return rc;
    if (count > PORTS_MAX)
        return gm_err_set(err, GM_EUNSUPPORTED, "the model has %zu inputs or outputs, more than %d", count, PORTS_MAX);
    port *ports = GM_ARENA_ARRAY(s->arena, port, count);
    if (!ports) return gm_err_set(err, GM_ENOMEM, "the model has too many inputs and outputs");
    for (size_t i = 0; i < count && !rc; i++) rc = read_port(s, i, input, &ports[i], err);
    if (rc) return rc;
    *out = ports;
    *out_count = count;
    return GM_OK;
}

/* loops: see onnx_loops.h. */
static gm_rc configure(const gm_ort *s, bool loops, ort_options *options, gm_err *err)
{
    gm_rc rc = check(s, s->api.set_log_level(options, ORT_LOG_ERROR), "set its log level", err);
    if (!rc) rc = check(s, s->api.set_intra_threads(options, 1), "set its threads", err);
    if (!rc) rc = check(s, s->api.set_inter_threads(options, 1), "set its threads", err);
    if (!rc && loops) rc = check(s, s->api.set_optimisation(options, ORT_OPTIMISE_NOTHING), "leave the graph as it is", err);
    return rc;
}

static gm_rc open_session(gm_ort *s, const char *path, gm_err *err)
{
    ort_options *options = NULL;
    bool loops = false;
    gm_rc rc = gm_onnx_loops(path, &loops, err);
    if (!rc) rc = check(s, s->api.create_env(ORT_LOG_ERROR, "gristmill", &s->env), "start", err);
    if (!rc) rc = check(s, s->api.disable_telemetry(s->env), "switch telemetry off", err);
    if (!rc) rc = check(s, s->api.create_options(&options), "make options", err);
    if (!rc) rc = configure(s, loops, options, err);
    if (!rc) rc = check(s, s->api.create_session(s->env, path, options, &s->session), "read the model", err);
    if (!rc) rc = check(s, s->api.default_allocator(&s->allocator), "give its allocator", err);
    if (!rc)
        rc = check(s, s->api.create_cpu_memory(ORT_DEVICE_ALLOCATOR, ORT_MEMORY_DEFAULT, &s->memory), "name CPU memory",
                   err);
    if (options) s->api.release_options(options);
    return rc;
}

gm_rc gm_ort_open(const char *onnx_path, gm_ort **out, gm_err *err)
{
    if (!gm_fs_exists(onnx_path)) return gm_err_set(err, GM_ENOTFOUND, "could not open \"%s\": no such file", onnx_path);
    gm_arena *arena = gm_arena_new(0);
    gm_ort *s = arena ? GM_ARENA_NEW(arena, gm_ort) : NULL;
    if (!s) {
        gm_arena_free(arena);
        return gm_err_set(err, GM_ENOMEM, "no memory for an ONNX Runtime session");
    }
    s->arena = arena;
    gm_ort_limit(s, LIMIT_MS, LIMIT_ROW_MS);
    gm_rc rc = load_api(s, err);
    if (!rc) rc = open_session(s, onnx_path, err);
    if (!rc) rc = read_ports(s, true, &s->inputs, &s->inputs_count, err);
    if (!rc) rc = read_ports(s, false, &s->outputs, &s->outputs_count, err);
    if (rc) {
        gm_ort_close(s);
        return gm_err_ctx(err, rc, "opening \"%s\"", onnx_path);
    }
    *out = s;
    return GM_OK;
}

void gm_ort_limit(gm_ort *s, int64_t run_ms, int64_t row_ms)
{
    s->limit_ms = run_ms;
    s->limit_row_ms = row_ms;
}

void gm_ort_close(gm_ort *s)
{
    if (!s) return;
    if (s->memory) s->api.release_memory(s->memory);
    if (s->session) s->api.release_session(s->session);
    if (s->env) s->api.release_env(s->env);
    gm_arena_free(s->arena);
}

/* ---- names and types ----------------------------------------------------------------------------------- */

static gm_type our_type(int type)
{
    switch (type) {
    case ORT_FLOAT:
    case ORT_DOUBLE: return GM_TYPE_FLOAT;
    case ORT_INT32:
    case ORT_INT64: return GM_TYPE_INT;
    case ORT_BOOL: return GM_TYPE_BOOL;
    case ORT_STRING: return GM_TYPE_STRING;
    default: return GM_TYPE_UNKNOWN;
    }
}

static gm_rc list_ports(const port *ports, size_t count, gm_arena *a, const char ***out_names, gm_type **out_types,
                        size_t *out_count, gm_err *err)
{
    const char **names = GM_ARENA_ARRAY(a, const char *, count);
    gm_type *types = GM_ARENA_ARRAY(a, gm_type, count);
    if (!names || !types) return gm_err_set(err, GM_ENOMEM, "the model has too many inputs and outputs");
    for (size_t i = 0; i < count; i++) {
        names[i] = gm_arena_strdup(a, ports[i].name);
        if (!names[i]) return gm_err_set(err, GM_ENOMEM, "the model has too many inputs and outputs");
        types[i] = our_type(ports[i].type);
    }
    *out_names = names;
    *out_types = types;
    *out_count = count;
    return GM_OK;
}

gm_rc gm_ort_inputs(gm_ort *s, gm_arena *a, const char ***out_names, gm_type **out_types, size_t *out_count, gm_err *err)
{
    return list_ports(s->inputs, s->inputs_count, a, out_names, out_types, out_count, err);
}

gm_rc gm_ort_outputs(gm_ort *s, gm_arena *a, const char ***out_names, gm_type **out_types, size_t *out_count, gm_err *err)
{
    return list_ports(s->outputs, s->outputs_count, a, out_names, out_types, out_count, err);
}

/* ---- feeding ------------------------------------------------------------------------------------------- */

static gm_rc bad_value(const gm_column *c, int64_t row, const char *type, gm_err *err)
{
    char shown[64];
    return gm_err_set(err, GM_EINVALID, "row %lld of column \"%s\" is \"%s\", which the model's %s input cannot hold",
                      (long long)row, c->name, gm_column_show(c, row, shown, sizeof(shown)), type);
}

/* An integer of the column: missing is INT64_MIN; false when the value is not one. */
static bool integer_at(const gm_column *c, int64_t row, int64_t *out)
{
    if (c->type == GM_TYPE_STRING) return false;
    if (c->type != GM_TYPE_FLOAT) {
        *out = c->i64[row];
        return true;
    }
    double v = c->f64[row];
    if (isnan(v)) {
        *out = GM_MISSING_INT;
        return true;
    }
    if (!(v >= -0x1p63 && v < 0x1p63) || v != floor(v)) return false;
    *out = (int64_t)v;
    return true;
}

static gm_rc fill_integers(const gm_column *c, int type, void *data, size_t stride, gm_err *err)
{
    for (int64_t i = 0; i < c->rows; i++) {
        int64_t v = 0;
        size_t at = (size_t)i * stride;
        if (!integer_at(c, i, &v)) return bad_value(c, i, "integer", err);
        if (type == ORT_INT64) {
            ((int64_t *)data)[at] = v;
        } else if (type == ORT_INT32) {
            if (v < INT32_MIN || v > INT32_MAX) return bad_value(c, i, "32-bit integer", err);
            ((int32_t *)data)[at] = (int32_t)v;
        } else {
            if (v != 0 && v != 1) return bad_value(c, i, "boolean", err);
            ((bool *)data)[at] = v == 1;
        }
    }
    return GM_OK;
}

static size_t element_size(int type)
{
    switch (type) {
    case ORT_FLOAT:
    case ORT_INT32: return 4;
    case ORT_BOOL: return 1;
    default: return 8;
    }
}

/* Write the column's values to data[row * stride]. */
static gm_rc fill_numbers(const gm_column *c, int type, void *data, size_t stride, gm_err *err)
{
    if (c->type == GM_TYPE_STRING)
        return gm_err_set(err, GM_EINVALID, "column \"%s\" is text, and the model's input is a number", c->name);
    if (type != ORT_DOUBLE && type != ORT_FLOAT) return fill_integers(c, type, data, stride, err);
    for (int64_t i = 0; i < c->rows; i++) {
        double v = gm_column_double(c, i);
        if (type == ORT_DOUBLE)
            ((double *)data)[(size_t)i * stride] = v;
        else
            ((float *)data)[(size_t)i * stride] = (float)v;
    }
    return GM_OK;
}

static gm_rc too_large(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "the rows are too many for the arena of one prediction");
}

static gm_rc feed_strings(gm_ort *s, const gm_column *c, const int64_t *dims, size_t rank, gm_arena *a, ort_value **out,
                          gm_err *err)
{
    const char **texts = GM_ARENA_ARRAY(a, const char *, c->rows);
    if (!texts) return too_large(err);
    for (int64_t i = 0; i < c->rows; i++) {
        if (gm_column_is_missing(c, i)) {
            texts[i] = GM_ONNX_MISSING_TEXT;
        } else if (c->type == GM_TYPE_STRING) {
            texts[i] = gm_column_text(c, i);
        } else {
            char shown[64];
            texts[i] = gm_arena_strdup(a, gm_column_show(c, i, shown, sizeof(shown)));
            if (!texts[i]) return too_large(err);
        }
    }
    gm_rc rc = check(s, s->api.create_tensor(s->allocator, dims, rank, ORT_STRING, out), "make a tensor", err);
    if (rc) return rc;
    return check(s, s->api.fill_strings(*out, texts, (size_t)c->rows), "take texts", err);
}

static bool known_type(int type)
{
    return our_type(type) != GM_TYPE_UNKNOWN;
}

/* Columns side by side as a tensor: [rows], or [rows, count] row-major. */
static gm_rc feed_columns(gm_ort *s, const port *p, const gm_column *columns, size_t count, gm_arena *a, ort_value **out,
                          gm_err *err)
{
    int64_t dims[2] = { columns[0].rows, (int64_t)count };
    size_t rank = p->rank == 1 ? 1 : 2;
    if (!known_type(p->type) || p->rank < 1 || p->rank > 2)
        return gm_err_set(err, GM_EUNSUPPORTED, "the model's input \"%s\" is not a column or matrix of a known type",
                          p->name);
    if (p->type == ORT_STRING && count == 1) return feed_strings(s, &columns[0], dims, rank, a, out, err);
    size_t cells = (size_t)columns[0].rows * count;
    void *data = NULL;
    if (count == 1 && p->type == ORT_DOUBLE && columns[0].type == GM_TYPE_FLOAT)
        data = (void *)(uintptr_t)columns[0].f64; /* read only: the library's signature has no const */
    else {
        data = gm_arena_alloc(a, cells, element_size(p->type));
        if (!data) return too_large(err);
        for (size_t i = 0; i < count; i++) {
            gm_rc rc = fill_numbers(&columns[i], p->type, (char *)data + i * element_size(p->type), count, err);
            if (rc) return rc;
        }
    }
    return check(s,
                 s->api.create_tensor_over(s->memory, data, cells * element_size(p->type), dims, rank, p->type, out),
                 "make a tensor", err);
}

/* Is this graph fed with the whole table as one matrix? */
static bool takes_matrix(const gm_ort *s, const gm_table *t)
{
    const port *p = &s->inputs[0];
    return s->inputs_count == 1 && p->rank == 2 && !gm_table_find(t, p->name) && t->columns_count > 0;
}

static gm_rc feed_matrix(gm_ort *s, const gm_table *t, gm_arena *a, feed *f, gm_err *err)
{
    const port *p = &s->inputs[0];
    if (p->dims[1] >= 0 && (size_t)p->dims[1] != t->columns_count)
        return gm_err_set(err, GM_EINVALID, "the model's input \"%s\" takes %lld columns, the table has %zu", p->name,
                          (long long)p->dims[1], t->columns_count);
    f->names[0] = p->name;
    f->count = 1;
    return feed_columns(s, p, t->columns, t->columns_count, a, &f->values[0], err);
}

static gm_rc feed_table(gm_ort *s, const gm_table *t, gm_arena *a, feed *f, gm_err *err)
{
    f->names = GM_ARENA_ARRAY(a, const char *, s->inputs_count);
    f->values = GM_ARENA_ARRAY(a, ort_value *, s->inputs_count);
    if (!f->names || !f->values) return too_large(err);
    if (takes_matrix(s, t)) return feed_matrix(s, t, a, f, err);
    for (; f->count < s->inputs_count;) {
        const port *p = &s->inputs[f->count];
        const gm_column *c = NULL;
        gm_rc rc = gm_table_column(t, p->name, &c, err);
        if (rc) return rc;
        if (p->rank == 2 && p->dims[1] > 1)
            return gm_err_set(err, GM_EINVALID, "the model's input \"%s\" takes %lld columns, not one", p->name,
                              (long long)p->dims[1]);
        f->names[f->count++] = p->name;
        rc = feed_columns(s, p, c, 1, a, &f->values[f->count - 1], err);
        if (rc) return rc;
    }
    return GM_OK;
}

static void release_feed(gm_ort *s, feed *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->values[i]) s->api.release_value(f->values[i]);
}

/* ---- running ------------------------------------------------------------------------------------------- */

/* The output called name, or name_ where an input took the name. */
static gm_rc find_output(const gm_ort *s, const char *name, const port **out, gm_err *err)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < s->outputs_count; i++) {
        const char *n = s->outputs[i].name;
        if (strncmp(n, name, len) == 0 && (n[len] == 0 || (n[len] == '_' && n[len + 1] == 0))) {
            *out = &s->outputs[i];
            return GM_OK;
        }
    }
    gm_rc rc = gm_err_set(err, GM_EINVALID, "the model has no output \"%s\"", name);
    if (s->outputs_count) gm_err_hint(err, "Its first output is \"%s\".", s->outputs[0].name);
    return rc;
}

int64_t gm_ort_output_width(const gm_ort *s, const char *output)
{
    const port *p = NULL;
    if (find_output(s, output, &p, NULL)) return -1;
    return p->rank == 2 ? p->dims[1] : p->rank == 1 ? 1 : -1;
}

static gm_rc took_too_long(int64_t rows, int64_t limit_ms, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_ECANCELED, "the model did not answer for %lld row%s within %.1f s and was stopped", (long long)rows,
                          rows == 1 ? "" : "s", (double)limit_ms / 1000);
    gm_err_hint(err, "A loop in its graph may have no end, or one that depends on the data.");
    return rc;
}

/* Run for one output; the value is the caller's to release. */
static gm_rc run(gm_ort *s, const gm_table *t, const char *output, gm_arena *a, ort_value **out, gm_err *err)
{
    feed f = { 0 };
    gm_ort_watch *w = NULL;
    ort_status *status = NULL;
    int64_t limit_ms = s->limit_ms + t->rows * s->limit_row_ms;
    gm_rc rc = feed_table(s, t, a, &f, err);
    if (!rc) rc = gm_ort_watch_begin(&s->api, limit_ms, &w, &status, err);
    if (!rc && w) status = s->api.run(s->session, w->options, f.names, (const ort_value *const *)f.values, f.count, &output, 1, out);
    if (!rc) rc = check(s, status, "run the model", err);
    if (w && gm_ort_watch_end(w) && rc) rc = took_too_long(t->rows, limit_ms, err);
    release_feed(s, &f);
    return rc;
}

/* Element type and shape of a result; width 1 for [rows]. */
static gm_rc shape_of(gm_ort *s, const ort_value *value, const port *p, int64_t rows, int *out_type, int64_t *out_width,
                      gm_err *err)
{
    int is_tensor = 0;
    ort_shape *shape = NULL;
    size_t rank = 0;
    int64_t dims[2] = { 0, 1 };
    gm_rc rc = check(s, s->api.is_tensor(value, &is_tensor), "tell what it computed", err);
    if (rc) return rc;
    if (!is_tensor)
        return gm_err_set(err, GM_EUNSUPPORTED, "the model's output \"%s\" is not a tensor", p->name);
    rc = check(s, s->api.value_shape(value, &shape), "tell the shape of its result", err);
    if (!rc) rc = check(s, s->api.rank(shape, &rank), "tell the rank of its result", err);
    if (!rc && (rank < 1 || rank > 2))
        rc = gm_err_set(err, GM_EUNSUPPORTED, "the model's output \"%s\" has rank %zu, not 1 or 2", p->name, rank);
    if (!rc) rc = check(s, s->api.dims(shape, dims, rank), "tell the shape of its result", err);
    if (!rc) rc = check(s, s->api.element_type(shape, out_type), "tell the type of its result", err);
    if (!rc && dims[0] != rows)
        rc = gm_err_set(err, GM_EINVALID, "the model's output \"%s\" has %lld rows for %lld rows of input", p->name,
                        (long long)dims[0], (long long)rows);
    if (!rc) *out_width = dims[1];
    if (shape) s->api.release_shape(shape);
    return rc;
}

static double number_at(const void *data, int type, size_t i)
{
    switch (type) {
    case ORT_FLOAT: return (double)((const float *)data)[i];
    case ORT_DOUBLE: return ((const double *)data)[i];
    case ORT_INT64: return (double)((const int64_t *)data)[i];
    case ORT_INT32: return ((const int32_t *)data)[i];
    default: return ((const bool *)data)[i] ? 1 : 0;
    }
}

static gm_rc read_numbers(gm_ort *s, ort_value *value, const port *p, int64_t rows, gm_arena *a, double **out,
                          int64_t *out_width, gm_err *err)
{
    int type = 0;
    int64_t width = 0;
    void *data = NULL;
    gm_rc rc = shape_of(s, value, p, rows, &type, &width, err);
    if (rc) return rc;
    if (!known_type(type) || type == ORT_STRING)
        return gm_err_set(err, GM_EUNSUPPORTED, "the model's output \"%s\" does not hold numbers", p->name);
    rc = check(s, s->api.tensor_data(value, &data), "give its result", err);
    if (rc) return rc;
    size_t cells = (size_t)rows * (size_t)width;
    double *numbers = GM_ARENA_ARRAY(a, double, cells);
    if (!numbers) return too_large(err);
    for (size_t i = 0; i < cells; i++) numbers[i] = number_at(data, type, i);
    *out = numbers;
    *out_width = width;
    return GM_OK;
}

gm_rc gm_ort_predict(gm_ort *s, const gm_table *t, const char *output, gm_arena *a, double **out, int64_t *out_width,
                     gm_err *err)
{
    const port *p = NULL;
    ort_value *value = NULL;
    gm_rc rc = find_output(s, output, &p, err);
    if (rc) return rc;
    rc = run(s, t, p->name, a, &value, err);
    if (!rc) rc = read_numbers(s, value, p, t->rows, a, out, out_width, err);
    if (value) s->api.release_value(value);
    return rc;
}

/* Cut the joined bytes of a string tensor into NUL-terminated texts. */
static gm_rc read_strings(gm_ort *s, const ort_value *value, int64_t rows, gm_arena *a, const char **texts, gm_err *err)
{
    size_t size = 0;
    gm_rc rc = check(s, s->api.strings_size(value, &size), "give its texts", err);
    if (rc) return rc;
    char *bytes = GM_ARENA_ARRAY(a, char, size);
    size_t *offsets = GM_ARENA_ARRAY(a, size_t, rows);
    if (!bytes || !offsets) return too_large(err);
    rc = check(s, s->api.strings_content(value, bytes, size, offsets, (size_t)rows), "give its texts", err);
    for (int64_t i = 0; i < rows && !rc; i++) {
        size_t end = i + 1 < rows ? offsets[i + 1] : size;
        texts[i] = gm_arena_strndup(a, bytes + offsets[i], end - offsets[i]);
        if (!texts[i]) rc = too_large(err);
    }
    return rc;
}

static gm_rc read_integers(gm_ort *s, ort_value *value, int64_t rows, gm_arena *a, const char **texts, gm_err *err)
{
    void *data = NULL;
    gm_rc rc = check(s, s->api.tensor_data(value, &data), "give its result", err);
    for (int64_t i = 0; i < rows && !rc; i++) {
        texts[i] = gm_arena_printf(a, "%lld", (long long)((const int64_t *)data)[i]);
        if (!texts[i]) rc = too_large(err);
    }
    return rc;
}

gm_rc gm_ort_predict_texts(gm_ort *s, const gm_table *t, const char *output, gm_arena *a, const char ***out, gm_err *err)
{
    const port *p = NULL;
    ort_value *value = NULL;
    const char **texts = GM_ARENA_ARRAY(a, const char *, t->rows);
    int type = 0;
    int64_t width = 0;
    if (!texts) return too_large(err);
    gm_rc rc = find_output(s, output, &p, err);
    if (rc) return rc;
    rc = run(s, t, p->name, a, &value, err);
    if (!rc) rc = shape_of(s, value, p, t->rows, &type, &width, err);
    if (!rc && (width != 1 || (type != ORT_STRING && type != ORT_INT64)))
        rc = gm_err_set(err, GM_EUNSUPPORTED, "the model's output \"%s\" is not one text or integer per row", output);
    if (!rc)
        rc = (type == ORT_STRING ? read_strings(s, value, t->rows, a, texts, err)
                                 : read_integers(s, value, t->rows, a, texts, err));
    if (value) s->api.release_value(value);
    if (!rc) *out = texts;
    return rc;
}
