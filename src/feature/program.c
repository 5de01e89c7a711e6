/* program.c - building and applying feature programs; see program.h. program_fit.c fits them.
 *
 * Invariants
 *  (1) a program is built by the same functions in fit and in read, from texts, so that what was read computes the same bits;
 *  (2) apply reads columns only through gm_program_sources, which evaluates each raw column and expression once;
 *  (3) whole numbers are floats within expressions: a batch that holds 3 and one that holds 3.5 are treated alike, as in ONNX.
 */
#include "feature/program_internal.h"

#include <inttypes.h>
#include <string.h>

enum { BLOCK_ROWS = 1024, WIDTH_MAX = 1 << 20 };

static gm_rc out_of_memory(gm_err *err) { return gm_err_set(err, GM_ENOMEM, "not enough memory for the feature program"); }

const char *gm_task_name(gm_task t)
{
    static const char *const names[] = { "unknown", "binary", "multiclass", "regression" };
    return names[t];
}

/* ---- building ---------------------------------------------------------------------------------------------- */

gm_rc gm_program_add_input(gm_program *p, const char *name, gm_type type, gm_arena *a, size_t *out, gm_err *err)
{
    for (size_t i = 0; i < p->inputs_count; i++) {
        if (strcmp(p->inputs[i].name, name) != 0) continue;
        *out = i;
        return GM_OK;
    }
    if (p->inputs_count == p->inputs_capacity) {
        size_t capacity = p->inputs_capacity ? p->inputs_capacity * 2 : 16;
        gm_input *inputs = GM_ARENA_ARRAY(a, gm_input, capacity);
        if (!inputs) return out_of_memory(err);
        if (p->inputs_count) memcpy(inputs, p->inputs, p->inputs_count * sizeof(*inputs));
        p->inputs = inputs;
        p->inputs_capacity = capacity;
    }
    char *copy = gm_arena_strdup(a, name);
    if (!copy) return out_of_memory(err);
    *out = p->inputs_count++;
    p->inputs[*out] = (gm_input){ .name = copy, .type = type };
    return GM_OK;
}

static gm_rc add_source(gm_program *p, gm_source source, gm_arena *a, size_t *out, gm_err *err)
{
    if (p->sources_count == p->sources_capacity) {
        size_t capacity = p->sources_capacity ? p->sources_capacity * 2 : 16;
        gm_source *sources = GM_ARENA_ARRAY(a, gm_source, capacity);
        if (!sources) return out_of_memory(err);
        if (p->sources_count) memcpy(sources, p->sources, p->sources_count * sizeof(*sources));
        p->sources = sources;
        p->sources_capacity = capacity;
    }
    *out = p->sources_count++;
    p->sources[*out] = source;
    return GM_OK;
}

gm_rc gm_program_add_column(gm_program *p, const char *name, gm_type type, gm_arena *a, size_t *out, gm_err *err)
{
    size_t input = 0;
    gm_rc rc = gm_program_add_input(p, name, type, a, &input, err);
    if (rc) return rc;
    for (size_t i = 0; i < p->sources_count; i++) {
        if (p->sources[i].expr || p->sources[i].input != input) continue;
        *out = i;
        return GM_OK;
    }
    return add_source(p, (gm_source){ .input = input, .type = p->inputs[input].type }, a, out, err);
}

static gm_type widened(gm_type t) { return t == GM_TYPE_INT ? GM_TYPE_FLOAT : t; } /* see (3) */

static bool column_of_host(void *ctx, const char *name, gm_type *out_type)
{
    const gm_program *p = ctx;
    for (size_t i = 0; i < p->inputs_count; i++) {
        if (strcmp(p->inputs[i].name, name) != 0) continue;
        *out_type = widened(p->inputs[i].type);
        return true;
    }
    return false;
}

gm_rc gm_program_add_expr(gm_program *p, const char *text, gm_pos at, gm_arena *a, size_t *out, gm_err *err)
{
    for (size_t i = 0; i < p->sources_count; i++) {
        if (!p->sources[i].expr || strcmp(p->sources[i].text, text) != 0) continue;
        *out = i;
        return GM_OK;
    }
    gm_errs errs = { .arena = a };
    gm_expr_host host = { .column = column_of_host, .ctx = p };
    gm_source s = { .text = gm_arena_strdup(a, text) };
    if (!s.text) return out_of_memory(err);
    gm_rc rc = gm_expr_parse(s.text, at, a, &s.expr, &errs);
    if (!rc) rc = gm_expr_check(s.expr, &host, GM_TYPE_UNKNOWN, a, &errs);
    if (rc && errs.count && err) *err = errs.items[0];
    if (rc) return errs.count ? errs.items[0].rc : gm_err_at(err, at, rc, "cannot read the expression \"%.100s\"", text);
    if (s.expr->op == GM_EXPR_COLUMN) return gm_program_add_column(p, s.expr->name, s.expr->type, a, out, err); /* it is an input already */
    s.type = s.expr->type;
    if (s.type == GM_TYPE_UNKNOWN) return gm_err_at(err, at, GM_EINVALID, "\"%.100s\" is always missing", text);

    const char **names = NULL;
    size_t count = 0;
    rc = gm_expr_columns(s.expr, a, &names, &count, err);
    for (size_t i = 0; !rc && i < count; i++)
        for (size_t k = 0; k < p->inputs_count; k++)
            if (strcmp(p->inputs[k].name, names[i]) == 0) p->inputs[k].in_expr = true;
    return rc ? rc : add_source(p, s, a, out, err);
}

/* Parameters print non-finite numbers as null, which here means: the default. */
static gm_rc without_nulls(const gm_node *params, gm_arena *a, const gm_node **out, gm_err *err)
{
    *out = params;
    if (!params || params->kind != GM_NODE_MAP) return GM_OK;
    gm_node *n = GM_ARENA_NEW(a, gm_node);
    if (!n) return out_of_memory(err);
    *n = *params;
    n->count = 0;
    n->keys = GM_ARENA_ARRAY(a, const char *, params->count);
    n->key_pos = GM_ARENA_ARRAY(a, gm_pos, params->count);
    n->items = GM_ARENA_ARRAY(a, gm_node *, params->count);
    if (!n->keys || !n->key_pos || !n->items) return out_of_memory(err);
    for (size_t i = 0; i < params->count; i++) {
        if (params->items[i]->kind == GM_NODE_SCALAR && params->items[i]->is_null) continue;
        n->keys[n->count] = params->keys[i];
        n->key_pos[n->count] = params->key_pos[i];
        n->items[n->count++] = params->items[i];
    }
    *out = n;
    return GM_OK;
}

gm_rc gm_step_init(gm_step *s, const char *name, const gm_node *params, bool first, gm_type source_type, gm_arena *a, gm_err *err)
{
    const gm_item *item = NULL;
    gm_rc rc = gm_registry_find(&gm_transforms, name, &item, err);
    if (rc) return rc;
    *s = (gm_step){ .transform = (const gm_transform *)item };
    if (first && !(s->transform->accepts & (1u << source_type))) {
        rc = gm_err_set(err, GM_EINVALID, "transform \"%s\" cannot read a %s", item->name, gm_type_name(source_type));
        if (source_type == GM_TYPE_STRING) gm_err_hint(err, "Begin with one_hot, ordinal or target_encode, or leave the transform out.");
        if (source_type == GM_TYPE_TIME) gm_err_hint(err, "Begin with date_parts, or leave the transform out.");
        return rc;
    }
    if (!first && !s->transform->chains)
        return gm_err_set(err, GM_EINVALID, "transform \"%s\" can only be the first of a feature", item->name);
    s->conf = gm_arena_alloc(a, 1, item->conf_size);
    if (!s->conf) return out_of_memory(err);

    gm_errs errs = { .arena = a };
    rc = without_nulls(params, a, &params, err);
    if (rc) return rc;
    rc = gm_params_read(item->params, params, NULL, a, s->conf, &errs);
    if (rc && errs.count && err) *err = errs.items[0];
    return rc ? gm_err_ctx(err, rc, "reading the parameters of transform \"%s\"", item->name) : GM_OK;
}

static gm_rc name_outputs(gm_program *p, gm_feature *f, gm_arena *a, gm_err *err)
{
    const char *const *in = &f->name;
    for (size_t k = 0; k < f->steps_count; k++) {
        const gm_step *s = &f->steps[k];
        const char **names = GM_ARENA_ARRAY(a, const char *, s->width);
        if (!names) return out_of_memory(err);
        for (int64_t i = 0; i < s->width; i++) {
            names[i] = s->transform->name ? s->transform->name(s->conf, s->state, in, s->width_in, i, a) : in[i];
            if (!names[i]) return out_of_memory(err);
        }
        in = names;
    }
    memcpy(p->names + f->offset, in, (size_t)f->width * sizeof(*in));
    return GM_OK;
}

static bool is_input(const gm_program *p, const char *name)
{
    for (size_t i = 0; i < p->inputs_count; i++)
        if (strcmp(p->inputs[i].name, name) == 0) return true;
    return false;
}

static gm_rc mark_columns(gm_program *p, const gm_source *s, gm_arena *a, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0;
    gm_rc rc = gm_expr_columns(s->expr, a, &names, &count, err);
    for (size_t i = 0; !rc && i < count; i++)
        for (size_t k = 0; k < p->inputs_count; k++)
            if (strcmp(p->inputs[k].name, names[i]) == 0) p->inputs[k].in_graph = true;
    return rc;
}

/* Raw columns that the graph reads, then the values computed before it, each under a name of its own. */
static gm_rc list_graph_inputs(gm_program *p, gm_arena *a, gm_err *err)
{
    p->graph_inputs = GM_ARENA_ARRAY(a, gm_graph_input, p->inputs_count + p->sources_count);
    if (!p->graph_inputs) return out_of_memory(err);
    for (size_t f = p->features_count; f-- > 0;) { /* backwards: the first feature of a source names it */
        gm_source *s = &p->sources[p->features[f].source];
        s->graph_name = p->features[f].name;
    }
    for (size_t i = 0; i < p->sources_count; i++) {
        gm_source *s = &p->sources[i];
        s->computed = s->expr && !gm_expr_emits(s->expr);
        if (!s->expr) {
            p->inputs[s->input].in_graph = true;
            s->graph_name = p->inputs[s->input].name;
        } else if (!s->computed) {
            gm_rc rc = mark_columns(p, s, a, err);
            if (rc) return rc;
        }
        while (s->computed && s->graph_name && is_input(p, s->graph_name))
            s->graph_name = gm_arena_printf(a, "%s (computed)", s->graph_name);
        if (!s->graph_name) return out_of_memory(err);
    }
    for (size_t i = 0; i < p->inputs_count; i++) {
        gm_type type = p->inputs[i].type;
        if (type == GM_TYPE_BOOL || type == GM_TYPE_INT) type = GM_TYPE_FLOAT;
        if (p->inputs[i].in_graph) p->graph_inputs[p->graph_inputs_count++] = (gm_graph_input){ p->inputs[i].name, type, false };
    }
    for (size_t i = 0; i < p->sources_count; i++) {
        gm_type type = p->sources[i].type;
        if (type == GM_TYPE_BOOL || type == GM_TYPE_INT) type = GM_TYPE_FLOAT;
        if (p->sources[i].computed) p->graph_inputs[p->graph_inputs_count++] = (gm_graph_input){ p->sources[i].graph_name, type, true };
    }
    return GM_OK;
}

gm_rc gm_program_finish(gm_program *p, gm_arena *a, gm_err *err)
{
    p->width = 0;
    p->widest = 1;
    for (size_t f = 0; f < p->features_count; f++) {
        gm_feature *feature = &p->features[f];
        feature->offset = p->width;
        feature->width = feature->steps[feature->steps_count - 1].width;
        for (size_t k = 0; k + 1 < feature->steps_count; k++)
            if (feature->steps[k].width > p->widest) p->widest = feature->steps[k].width;
        p->width += feature->width;
        if (p->width > WIDTH_MAX) return gm_err_set(err, GM_EINVALID, "the features have more than %d columns", WIDTH_MAX);
    }
    p->names = GM_ARENA_ARRAY(a, const char *, p->width);
    p->feature_of = GM_ARENA_ARRAY(a, size_t, p->width);
    if (!p->names || !p->feature_of) return out_of_memory(err);
    for (size_t f = 0; f < p->features_count; f++) {
        gm_rc rc = name_outputs(p, &p->features[f], a, err);
        if (rc) return rc;
        for (int64_t i = 0; i < p->features[f].width; i++) p->feature_of[p->features[f].offset + i] = f;
    }
    return list_graph_inputs(p, a, err);
}

/* ---- sources over a table ---------------------------------------------------------------------------------- */

static bool is_number(gm_type t) { return t == GM_TYPE_BOOL || t == GM_TYPE_INT || t == GM_TYPE_FLOAT; }

bool gm_column_all_missing(const gm_column *c)
{
    for (int64_t r = 0; r < c->rows; r++)
        if (!gm_column_is_missing(c, r)) return false;
    return true;
}

static gm_rc missing_column(const gm_input *input, int64_t rows, gm_arena *scratch, gm_column *out, gm_err *err)
{
    static const gm_dict no_texts = { 0 };
    gm_column c = { .name = input->name, .type = input->type, .rows = rows };
    if (input->type == GM_TYPE_STRING) {
        int32_t *code = GM_ARENA_ARRAY(scratch, int32_t, rows);
        for (int64_t r = 0; code && r < rows; r++) code[r] = GM_MISSING_CODE;
        c.code = code;
        c.dict = &no_texts;
    } else if (input->type == GM_TYPE_FLOAT) {
        double *v = GM_ARENA_ARRAY(scratch, double, rows);
        for (int64_t r = 0; v && r < rows; r++) v[r] = NAN;
        c.f64 = v;
    } else {
        int64_t *v = GM_ARENA_ARRAY(scratch, int64_t, rows);
        for (int64_t r = 0; v && r < rows; r++) v[r] = GM_MISSING_INT;
        c.i64 = v;
    }
    if (!c.f64) return out_of_memory(err);
    *out = c;
    return GM_OK;
}

/* The raw column of an input: of its type, or any number for a number. made: room for another than c. */
static gm_rc raw_column(const gm_input *input, const gm_column *c, int64_t rows, gm_arena *scratch, gm_column *made, const gm_column **out,
                        gm_err *err)
{
    *out = c;
    if (c->type == input->type || (is_number(c->type) && is_number(input->type))) return GM_OK;
    *out = made;
    if (gm_column_all_missing(c)) return missing_column(input, rows, scratch, made, err);
    gm_rc rc = gm_err_set(err, GM_EINVALID, "column \"%.100s\" holds %s values and held %s values in training", input->name,
                    gm_type_name(c->type), gm_type_name(input->type));
    gm_err_hint(err, "Give the column the type it had in training.");
    return rc;
}

/* As expressions see it: whole numbers as floats, and a bool that arrived as a number as a bool. */
static gm_rc widen(const gm_input *input, const gm_column *c, gm_arena *scratch, gm_column *out, gm_err *err)
{
    gm_type want = widened(input->type);
    *out = *c;
    out->name = input->name;
    if (c->type == want) return GM_OK;
    out->type = want;
    void *values = gm_arena_alloc(scratch, (size_t)c->rows, sizeof(double));
    if (!values) return out_of_memory(err);
    if (want == GM_TYPE_FLOAT) {
        double *v = values;
        for (int64_t r = 0; r < c->rows; r++) v[r] = gm_column_double(c, r);
        out->f64 = v;
    } else {
        int64_t *v = values;
        for (int64_t r = 0; r < c->rows; r++)
            v[r] = gm_column_is_missing(c, r) ? GM_MISSING_INT : gm_column_double(c, r) != 0;
        out->i64 = v;
    }
    return GM_OK;
}

static bool needs_input(const gm_program *p, size_t input, bool only_computed)
{
    return !only_computed || p->inputs[input].in_expr;
}

static gm_rc find_column(const gm_table *t, size_t place, const char *name, bool placed, const gm_column **out, gm_err *err)
{
    if (!placed && (place >= t->columns_count || strcmp(t->columns[place].name, name) != 0)) return gm_table_column(t, name, out, err);
    *out = &t->columns[place];
    return GM_OK;
}

gm_rc gm_program_sources_into(const gm_program *p, const gm_table *t, bool only_computed, const gm_source_room *room, gm_arena *scratch,
                              gm_err *err)
{
    gm_table wide = { .rows = t->rows, .columns = room->wide };
    for (size_t i = 0; i < p->inputs_count; i++) {
        const gm_input *input = &p->inputs[i];
        const gm_column *c = NULL;
        if (!needs_input(p, i, only_computed)) continue;
        gm_rc rc = find_column(t, i, input->name, room->placed, &c, err);
        if (!rc) rc = raw_column(input, c, t->rows, scratch, &room->converted[i], &room->raw[i], err);
        if (!rc && input->in_expr) rc = widen(input, room->raw[i], scratch, &wide.columns[wide.columns_count++], err);
        if (rc) return rc;
    }
    for (size_t i = 0; i < p->sources_count; i++) {
        const gm_source *s = &p->sources[i];
        if (only_computed && !s->computed) continue;
        if (!s->expr) {
            room->values[i] = room->raw[s->input];
            continue;
        }
        room->values[i] = &room->computed[i];
        gm_rc rc = room->work ? gm_expr_work_eval(room->work[i], &wide, &room->computed[i], err)
                              : gm_expr_eval(s->expr, &wide, scratch, &room->computed[i], err);
        if (rc) return gm_err_ctx(err, rc, "computing \"%.100s\"", s->text);
    }
    return GM_OK;
}

bool gm_source_room_make(const gm_program *p, gm_arena *a, gm_source_room *out)
{
    *out = (gm_source_room){ .raw = GM_ARENA_ARRAY(a, const gm_column *, p->inputs_count),
                             .values = GM_ARENA_ARRAY(a, const gm_column *, p->sources_count),
                             .converted = GM_ARENA_ARRAY(a, gm_column, p->inputs_count),
                             .wide = GM_ARENA_ARRAY(a, gm_column, p->inputs_count),
                             .computed = GM_ARENA_ARRAY(a, gm_column, p->sources_count) };
    return out->raw && out->values && out->converted && out->wide && out->computed;
}

gm_rc gm_program_sources(const gm_program *p, const gm_table *t, bool only_computed, gm_arena *scratch, const gm_column *const **out,
                         gm_err *err)
{
    gm_source_room room;
    if (!gm_source_room_make(p, scratch, &room)) return out_of_memory(err);
    gm_rc rc = gm_program_sources_into(p, t, only_computed, &room, scratch, err);
    if (!rc) *out = room.values;
    return rc;
}

/* ---- chains over blocks ------------------------------------------------------------------------------------ */

static inline void first_values(const gm_column *c, int64_t first, int64_t rows, double *buffer, gm_values *out)
{
    *out = (gm_values){ .column = c, .first = first, .stride = rows, .rows = rows, .width = 1 };
    if (c->type == GM_TYPE_FLOAT) {
        out->numbers = c->f64 + first;
    } else if (c->type == GM_TYPE_BOOL || c->type == GM_TYPE_INT) {
        for (int64_t r = 0; r < rows; r++)
            buffer[r] = c->i64[first + r] == GM_MISSING_INT ? (double)NAN : (double)c->i64[first + r];
        out->numbers = buffer;
    }
}

gm_values gm_first_values(const gm_column *c, int64_t first, int64_t rows, double *buffer)
{
    gm_values v;
    first_values(c, first, rows, buffer, &v);
    return v;
}

/* buffers: three of rows, rows * widest and rows * widest doubles, one after the other. */
static void apply_block(const gm_feature *f, const gm_column *c, const void *memo, int64_t first, int64_t rows, int64_t widest,
                        double *buffers, double *out, int64_t out_stride)
{
    const gm_step *s = f->steps, *last = s + f->steps_count - 1;
    gm_values in;
    first_values(c, first, rows, buffers, &in);
    in.memo = memo;
    double *here = buffers + rows;
    for (; s < last; s++) {
        s->transform->apply(s->conf, s->state, &in, here, rows);
        in = (gm_values){ .numbers = here, .stride = rows, .rows = rows, .width = s->width };
        here = here == buffers + rows ? here + rows * widest : buffers + rows;
    }
    s->transform->apply(s->conf, s->state, &in, out, out_stride);
}

gm_rc gm_feature_apply(const gm_program *p, const gm_feature *f, const gm_column *c, int64_t rows, double *buffers, double *out,
                       gm_arena *scratch, gm_err *err)
{
    const void *memo = NULL;
    const gm_step *head = &f->steps[0];
    if (head->transform->prepare) {
        gm_rc rc = head->transform->prepare(head->state, c, scratch, &memo, err);
        if (rc) return rc;
    }
    for (int64_t first = 0; first < rows; first += BLOCK_ROWS) {
        int64_t count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
        apply_block(f, c, memo, first, count, p->widest, buffers, out + first, rows);
    }
    return GM_OK;
}

double *gm_block_buffers(const gm_program *p, int64_t rows, gm_arena *scratch)
{
    int64_t block = rows < BLOCK_ROWS ? rows : BLOCK_ROWS;
    return GM_ARENA_ARRAY(scratch, double, block * (1 + 2 * p->widest));
}

gm_rc gm_program_new_matrix(const gm_program *p, int64_t rows, gm_arena *a, gm_matrix *out, gm_err *err)
{
    double *data = GM_ARENA_ARRAY(a, double, (size_t)rows * (size_t)p->width);
    if (!data)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows of %" PRId64 " feature columns", rows, p->width);
    *out = (gm_matrix){ .data = data, .rows = rows, .cols = p->width, .names = p->names };
    return GM_OK;
}

gm_rc gm_features_apply(const gm_program *p, const gm_column *const *sources, int64_t rows, double *buffers, double *data, gm_arena *scratch,
                        gm_err *err)
{
    gm_rc rc = GM_OK;
    for (size_t f = 0; !rc && f < p->features_count; f++) {
        const gm_feature *feature = &p->features[f];
        rc = gm_feature_apply(p, feature, sources[feature->source], rows, buffers, data + feature->offset * rows, scratch, err);
    }
    return rc;
}

static gm_rc apply_all(const gm_program *p, const gm_table *t, gm_arena *scratch, gm_matrix *m, gm_err *err)
{
    const gm_column *const *sources = NULL;
    double *buffers = gm_block_buffers(p, t->rows, scratch);
    if (!buffers) return out_of_memory(err);
    gm_rc rc = gm_program_sources(p, t, false, scratch, &sources, err);
    return rc ? rc : gm_features_apply(p, sources, t->rows, buffers, m->data, scratch, err);
}

gm_rc gm_program_apply(const gm_program *p, const gm_table *t, gm_arena *a, gm_matrix *out, gm_err *err)
{
    gm_matrix m;
    gm_rc rc = gm_program_new_matrix(p, t->rows, a, &m, err);
    if (rc) return rc;
    /* Few rows: what is computed on the way may stay in the caller's arena. Many: it goes when the matrix is done. */
    bool own = t->rows > BLOCK_ROWS;
    gm_arena *scratch = own ? gm_arena_new(0) : a;
    if (!scratch) return out_of_memory(err);
    rc = apply_all(p, t, scratch, &m, err);
    if (own) gm_arena_free(scratch);
    if (!rc) *out = m;
    return rc;
}

/* ---- what is in it ----------------------------------------------------------------------------------------- */

size_t gm_program_width(const gm_program *p) { return (size_t)p->width; }
const char *gm_program_output_name(const gm_program *p, size_t i) { return p->names[i]; }
size_t gm_program_output_feature(const gm_program *p, size_t i) { return p->feature_of[i]; }
size_t gm_program_features_count(const gm_program *p) { return p->features_count; }
const char *gm_program_feature_name(const gm_program *p, size_t feature) { return p->features[feature].name; }
size_t gm_program_inputs_count(const gm_program *p) { return p->inputs_count; }

const char *gm_program_input_name(const gm_program *p, size_t i, gm_type *out_type)
{
    if (out_type) *out_type = p->inputs[i].type;
    return p->inputs[i].name;
}
