/* scorer_session.c - the one path from raw columns to predictions, for one row and for a whole table.
 *
 * A table goes through in blocks, so that memory does not grow with it and a block's features are still in cache when the model reads
 * them. No result depends on where a block begins.
 */
#include <stdlib.h>
#include <string.h>

#include "pipe/scorer.h"

enum { BLOCK_ROWS = 4096 };

struct gm_scorer_session {
    const gm_scorer *s;
    gm_program_session *program; /* NULL: a foreign model      */
    gm_model_work *model;        /* NULL then too, unless the foreign model's trees are ours */
    const gm_matrix *features;   /* of the last block          */
    gm_arena *scratch;           /* of a block; foreign models */
    gm_column *columns;          /* [inputs_count] of a block  */
};

static gm_rc out_of_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to predict");
}

gm_rc gm_scorer_session_new(const gm_scorer *s, gm_scorer_session **out, gm_err *err)
{
    gm_scorer_session *w = calloc(1, sizeof(*w));
    if (!w) return out_of_memory(err);
    *w = (gm_scorer_session){ .s = s, .columns = calloc(s->inputs_count + 1, sizeof(gm_column)) };
    gm_rc rc = w->columns ? GM_OK : out_of_memory(err);
    if (!rc && s->program) rc = gm_program_session_new(s->program, &w->program, err);
    if (!rc && s->program) rc = gm_model_work_new(s->model, &w->model, err);
    if (!rc && s->trees) rc = gm_model_work_new(s->trees, &w->model, err);
    if (!rc && !s->program && !(w->scratch = gm_arena_new(0))) rc = out_of_memory(err);
    if (rc) gm_scorer_session_free(w);
    else *out = w;
    return rc;
}

void gm_scorer_session_free(gm_scorer_session *w)
{
    if (!w) return;
    gm_model_work_free(w->model);
    gm_program_session_free(w->program);
    gm_arena_free(w->scratch);
    free(w->columns);
    free(w);
}

/* Rows begin .. begin + count of a table, without copying, under the scorer's names. */
static gm_table block_of(gm_scorer_session *w, const gm_table *t, int64_t begin, int64_t count)
{
    for (size_t k = 0; k < t->columns_count; k++) {
        gm_column *c = &w->columns[k];
        *c = t->columns[k];
        c->name = w->s->inputs[k];
        c->rows = count;
        if (c->type == GM_TYPE_STRING)
            c->code += begin;
        else if (c->type == GM_TYPE_FLOAT)
            c->f64 += begin;
        else
            c->i64 += begin;
    }
    return (gm_table){ .rows = count, .columns_count = t->columns_count, .columns = w->columns };
}

static gm_rc predict_foreign(gm_scorer_session *w, const gm_table *t, double *out, gm_err *err)
{
    const gm_scorer *s = w->s;
    double *values = NULL;
    int64_t width = 0;
    gm_arena_rewind(w->scratch);
    gm_rc rc = gm_ort_predict(s->ort, t, s->ort_output, w->scratch, &values, &width, err);
    if (rc) return rc;
    int64_t skip = s->task == GM_TASK_BINARY && width == 2 ? 1 : 0; /* a binary model that gives both classes */
    if (width != s->outputs && !skip)
        return gm_err_set(err, GM_EINVALID, "the model's output \"%s\" has %lld values a row, expected %lld", s->ort_output,
                          (long long)width, (long long)s->outputs);
    for (int64_t i = 0; i < t->rows; i++)
        memcpy(out + i * s->outputs, values + i * width + skip, (size_t)s->outputs * sizeof(double));
    return GM_OK;
}

/* The same through our own engine: numbers as ONNX Runtime would be fed with them. */
static gm_rc predict_trees(gm_scorer_session *w, const gm_table *t, double *out, gm_err *err)
{
    const gm_scorer *s = w->s;
    gm_matrix x = { .rows = t->rows, .cols = gm_model_trees(s->trees)->features };
    gm_arena_rewind(w->scratch);
    if (!(x.data = GM_ARENA_ARRAY(w->scratch, double, x.rows * x.cols))) return out_of_memory(err);
    for (int64_t f = 0; f < x.cols; f++) {
        const gm_column *c = &t->columns[s->trees_inputs[f]];
        if (c->type == GM_TYPE_STRING)
            return gm_err_set(err, GM_EINVALID, "column \"%s\" is text, and the model's input is a number", c->name);
        for (int64_t r = 0; r < x.rows; r++) x.data[f * x.rows + r] = gm_column_double(c, r);
    }
    return gm_model_predict_with(s->trees, w->model, &x, out, err);
}

static gm_rc predict_block(gm_scorer_session *w, const gm_table *t, double *out, gm_err *err)
{
    if (w->s->trees) return predict_trees(w, t, out, err);
    if (!w->program) return predict_foreign(w, t, out, err);
    gm_rc rc = gm_program_session_apply(w->program, t, &w->features, err);
    return rc ? rc : gm_model_predict_with(w->s->model, w->model, w->features, out, err);
}

gm_rc gm_scorer_session_predict(gm_scorer_session *w, const gm_table *raw, double *out, gm_err *err)
{
    const gm_scorer *s = w->s;
    if (raw->columns_count != s->inputs_count)
        return gm_err_set(err, GM_EINVALID, "the model reads %zu columns, not %zu", s->inputs_count, raw->columns_count);
    gm_rc rc = GM_OK;
    for (int64_t begin = 0; !rc && begin < raw->rows; begin += BLOCK_ROWS) {
        int64_t count = raw->rows - begin < BLOCK_ROWS ? raw->rows - begin : BLOCK_ROWS;
        gm_table block = block_of(w, raw, begin, count);
        rc = predict_block(w, &block, out + begin * s->outputs, err);
    }
    return rc;
}

const gm_matrix *gm_scorer_session_features(const gm_scorer_session *w)
{
    return w->features;
}

/* The scorer's inputs among the columns of a table. Graphs may be fed by position; a model that came from elsewhere never is, for nobody
 * says what stands where. */
static gm_rc find_inputs(const gm_scorer *s, const gm_table *raw, gm_column *columns, gm_err *err)
{
    for (size_t i = 0; i < s->inputs_count; i++) {
        const gm_column *c = NULL;
        gm_rc rc = gm_table_column(raw, s->inputs[i], &c, err);
        if (rc && s->ort)
            rc = gm_err_ctx(err, rc, "feeding the model's input \"%s\" (it needs one input per column, named as the column)", s->inputs[i]);
        if (rc) return rc;
        columns[i] = *c;
    }
    return GM_OK;
}

gm_rc gm_scorer_predict(const gm_scorer *s, const gm_table *raw, double *out, gm_err *err)
{
    gm_scorer_session *w = NULL;
    gm_table inputs = { .rows = raw->rows, .columns_count = s->inputs_count, .columns = calloc(s->inputs_count + 1, sizeof(gm_column)) };
    gm_rc rc = inputs.columns ? find_inputs(s, raw, inputs.columns, err) : out_of_memory(err);
    if (!rc) rc = gm_scorer_session_new(s, &w, err);
    if (!rc) rc = gm_scorer_session_predict(w, &inputs, out, err);
    gm_scorer_session_free(w);
    free(inputs.columns);
    return rc;
}
