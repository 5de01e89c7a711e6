/* program_emit.c - a feature program as part of an ONNX graph, and the table that such a graph reads. */
#include <string.h>

#include "feature/program_internal.h"

static gm_onnx_type graph_type(gm_type t)
{
    return t == GM_TYPE_STRING ? GM_ONNX_STRING : t == GM_TYPE_TIME ? GM_ONNX_INT64 : GM_ONNX_DOUBLE;
}

/* Numbers of any type are doubles in the graph. */
static gm_type emitted_type(gm_type t) { return t == GM_TYPE_STRING || t == GM_TYPE_TIME ? t : GM_TYPE_FLOAT; }

static const char *emit_source(const gm_source *s, gm_onnx *g)
{
    return s->expr && !s->computed ? gm_expr_emit(s->expr, g) : s->graph_name;
}

gm_rc gm_program_emit(const gm_program *p, gm_onnx *g, const char **out_tensor, gm_err *err)
{
    gm_arena *scratch = gm_arena_new(0);
    const char **sources = scratch ? GM_ARENA_ARRAY(scratch, const char *, p->sources_count) : NULL;
    const char **parts = scratch ? GM_ARENA_ARRAY(scratch, const char *, p->features_count) : NULL;
    if (!sources || !parts) {
        gm_arena_free(scratch);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to emit the features");
    }
    for (size_t i = 0; i < p->graph_inputs_count; i++)
        (void)gm_onnx_input(g, p->graph_inputs[i].name, graph_type(p->graph_inputs[i].type)); /* g remembers a failure */
    for (size_t i = 0; i < p->sources_count; i++) sources[i] = emit_source(&p->sources[i], g);
    for (size_t f = 0; f < p->features_count; f++) {
        const gm_feature *feature = &p->features[f];
        const gm_source *s = &p->sources[feature->source];
        gm_emit_in in = { .tensor = sources[feature->source], .type = emitted_type(s->type), .width = 1 };
        for (size_t k = 0; k < feature->steps_count; k++) {
            const gm_step *step = &feature->steps[k];
            in = (gm_emit_in){ step->transform->emit(step->conf, step->state, &in, g), GM_TYPE_FLOAT, step->width };
        }
        parts[f] = in.tensor;
    }
    const char *all = gm_emit_concat(g, parts, (int64_t)p->features_count);
    gm_arena_free(scratch);
    *out_tensor = all;
    return all ? GM_OK : gm_err_set(err, GM_EINVALID, "the features cannot be said in ONNX");
}

size_t gm_program_onnx_inputs(const gm_program *p, const gm_graph_input **out)
{
    *out = p->graph_inputs;
    return p->graph_inputs_count;
}

/* The value of a computed input as the graph reads it: numbers as floats. */
static gm_rc as_float(const gm_column *c, gm_arena *a, gm_column *out, gm_err *err)
{
    *out = *c;
    if (emitted_type(c->type) == c->type) return GM_OK;
    double *v = GM_ARENA_ARRAY(a, double, c->rows);
    if (!v) return gm_err_set(err, GM_ENOMEM, "not enough memory for a computed input");
    for (int64_t r = 0; r < c->rows; r++) v[r] = gm_column_double(c, r);
    out->type = GM_TYPE_FLOAT;
    out->f64 = v;
    return GM_OK;
}

gm_rc gm_program_onnx_table(const gm_program *p, const gm_table *raw, gm_arena *a, gm_table *out, gm_err *err)
{
    const gm_column *const *sources = NULL;
    gm_table t = { .rows = raw->rows, .columns_count = raw->columns_count };
    t.columns = GM_ARENA_ARRAY(a, gm_column, raw->columns_count + p->sources_count);
    if (!t.columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for the inputs of the graph");
    if (raw->columns_count) memcpy(t.columns, raw->columns, raw->columns_count * sizeof(*t.columns));
    gm_rc rc = gm_program_sources(p, raw, true, a, &sources, err);
    for (size_t i = 0; !rc && i < p->sources_count; i++) {
        if (!p->sources[i].computed) continue;
        gm_column *c = &t.columns[t.columns_count++];
        rc = as_float(sources[i], a, c, err);
        c->name = p->sources[i].graph_name;
    }
    if (!rc) *out = t;
    return rc;
}
