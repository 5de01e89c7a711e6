/* model.c - loading a model from any of its files, and predicting with it. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "model/engine.h"

struct gm_model {
    gm_model_format format;
    gm_linear *linear;      /* one of these three */
    gm_trees *trees;
    gm_tree_engine *engine;      /* over trees; NULL: trees that are only walked */
    gm_ort *ort;            /* closed with the arena */
    const char *ort_output; /* ONNX: the output that is the prediction */
    bool ort_pair;          /* ONNX: two columns of probability, of which we give the second */
    int64_t outputs;
};

gm_model *gm_model_of_linear(gm_linear *linear, gm_arena *a)
{
    gm_model *m = GM_ARENA_NEW(a, gm_model);
    if (m) *m = (gm_model){ .format = GM_MODEL_LINEAR, .linear = linear, .outputs = linear->outputs };
    return m;
}

gm_model *gm_model_of_trees(gm_trees *trees, gm_arena *a)
{
    gm_model *m = GM_ARENA_NEW(a, gm_model);
    if (!m) return NULL;
    *m = (gm_model){ .format = trees->float32 ? GM_MODEL_XGBOOST : GM_MODEL_LIGHTGBM, .trees = trees, .outputs = trees->outputs };
    if (gm_tree_engine_new(trees, gm_tree_engine_level_here(), a, &m->engine, NULL)) m->engine = NULL; /* the plain walk answers alike */
    return m;
}

gm_model_format gm_model_format_of(const gm_model *m)
{
    return m->format;
}

const gm_trees *gm_model_trees(const gm_model *m)
{
    return m->trees;
}

const gm_linear *gm_model_linear(const gm_model *m)
{
    return m->linear;
}

int64_t gm_model_outputs(const gm_model *m)
{
    return m->outputs;
}

/* ---- loading ------------------------------------------------------------------------------------------- */

static gm_rc load_linear(gm_model *m, const gm_buf *text, const char *path, gm_arena *a, gm_err *err)
{
    gm_arena *scratch = gm_arena_new(0); /* the document; the model is copied out of it */
    if (!scratch) return gm_err_set(err, GM_ENOMEM, "no memory for reading a model");
    gm_node *json = NULL;
    gm_rc rc = gm_json_read(gm_buf_str(text), text->len, path, scratch, &json, err);
    if (!rc) rc = gm_linear_read(json, a, &m->linear, err);
    gm_arena_free(scratch);
    return rc;
}

static gm_rc load_text(gm_model *m, const char *path, gm_arena *a, gm_err *err)
{
    gm_buf text = { 0 };
    gm_rc rc = gm_fs_read(path, 0, &text, err);
    if (!rc && m->format == GM_MODEL_LIGHTGBM)
        rc = gm_trees_read_lightgbm(gm_buf_str(&text), text.len, a, &m->trees, err);
    else if (!rc && m->format == GM_MODEL_XGBOOST)
        rc = gm_trees_read_xgboost(gm_buf_str(&text), text.len, path, a, &m->trees, err);
    else if (!rc)
        rc = load_linear(m, &text, path, a, err);
    gm_buf_clear(&text);
    if (rc) return rc;
    m->outputs = m->linear ? m->linear->outputs : m->trees->outputs;
    return m->trees ? gm_tree_engine_new(m->trees, gm_tree_engine_level_here(), a, &m->engine, err) : GM_OK;
}

static gm_rc no_output(const char *const *names, const gm_type *types, size_t count, gm_err *err)
{
    gm_buf found = { 0 };
    for (size_t i = 0; i < count; i++)
        gm_buf_printf(&found, "%s\"%s\" (%s)", i ? ", " : "", names[i], types[i] == GM_TYPE_UNKNOWN ? "not a tensor of numbers or texts" : gm_type_name(types[i]));
    gm_rc rc = gm_err_set(err, GM_EUNSUPPORTED, "the ONNX model has no output that is a tensor of real numbers; it has %s", gm_buf_str(&found));
    gm_buf_clear(&found);
    gm_err_hint(err, "A classifier exported from scikit-learn needs the option zipmap=False.");
    return rc;
}

gm_rc gm_ort_prediction_output(gm_ort *s, gm_arena *a, const char **out_name, gm_err *err)
{
    static const char *const usual[] = { "probability", "probability_", "probabilities", "output_probability", "prediction", "prediction_", "variable" };
    const char **names = NULL;
    gm_type *types = NULL;
    size_t count = 0, best = SIZE_MAX, best_rank = SIZE_MAX;
    gm_rc rc = gm_ort_outputs(s, a, &names, &types, &count, err);
    if (rc) return rc;
    for (size_t i = 0; i < count; i++) {
        if (types[i] != GM_TYPE_FLOAT) continue;
        size_t rank = 0, usual_count = sizeof(usual) / sizeof(usual[0]);
        while (rank < usual_count && strcmp(names[i], usual[rank]) != 0) rank++;
        if (rank < best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    if (best == SIZE_MAX) return no_output(names, types, count, err);
    *out_name = names[best];
    return GM_OK;
}

static gm_rc choose_output(gm_model *m, gm_arena *a, gm_err *err)
{
    gm_rc rc = gm_ort_prediction_output(m->ort, a, &m->ort_output, err);
    if (rc) return rc;
    m->outputs = gm_ort_output_width(m->ort, m->ort_output);
    if (m->outputs < 1)
        return gm_err_set(err, GM_EUNSUPPORTED, "the ONNX model does not say how wide its output \"%s\" is", m->ort_output);
    m->ort_pair = m->outputs == 2 && strstr(m->ort_output, "prob") != NULL;
    if (m->ort_pair) m->outputs = 1;
    return GM_OK;
}

static void close_ort(void *session)
{
    gm_ort_close(session);
}

static gm_rc load_onnx(gm_model *m, const char *path, gm_arena *a, gm_err *err)
{
    gm_rc rc = gm_ort_open(path, &m->ort, err);
    if (rc) return rc;
    if (!gm_arena_defer(a, close_ort, m->ort)) {
        gm_ort_close(m->ort);
        return gm_err_set(err, GM_ENOMEM, "no memory for a model");
    }
    return choose_output(m, a, err);
}

gm_rc gm_model_load(gm_model_format format, const char *path, gm_arena *a, gm_model **out, gm_err *err)
{
    gm_model *m = GM_ARENA_NEW(a, gm_model);
    if (!m) return gm_err_set(err, GM_ENOMEM, "no memory for a model");
    m->format = format;
    gm_rc rc = format == GM_MODEL_ONNX ? load_onnx(m, path, a, err) : load_text(m, path, a, err);
    if (rc) return gm_err_ctx(err, rc, "loading the model \"%s\"", path);
    *out = m;
    return GM_OK;
}

/* ---- predicting ---------------------------------------------------------------------------------------- */

/* The matrix as a table of float columns f0, f1, ... or under its own names. */
static gm_rc table_of(const gm_matrix *x, gm_arena *a, gm_table *out, gm_err *err)
{
    gm_column *columns = GM_ARENA_ARRAY(a, gm_column, x->cols);
    if (!columns) return gm_err_set(err, GM_ENOMEM, "no memory for %lld columns", (long long)x->cols);
    for (int64_t i = 0; i < x->cols; i++) {
        const char *name = x->names ? x->names[i] : gm_arena_printf(a, "f%lld", (long long)i);
        if (!name) return gm_err_set(err, GM_ENOMEM, "no memory for %lld columns", (long long)x->cols);
        columns[i] = (gm_column){ .name = name, .type = GM_TYPE_FLOAT, .rows = x->rows, .f64 = x->data + i * x->rows };
    }
    *out = (gm_table){ .rows = x->rows, .columns_count = (size_t)x->cols, .columns = columns };
    return GM_OK;
}

static gm_rc predict_onnx(const gm_model *m, const gm_matrix *x, gm_arena *scratch, double *out, gm_err *err)
{
    gm_table table;
    double *values = NULL;
    int64_t width = 0;
    gm_rc rc = table_of(x, scratch, &table, err);
    if (!rc) rc = gm_ort_predict(m->ort, &table, m->ort_output, scratch, &values, &width, err);
    if (!rc && width != (m->ort_pair ? 2 : m->outputs))
        rc = gm_err_set(err, GM_EINVALID, "the ONNX model gave %lld columns where its file says otherwise", (long long)width);
    for (int64_t r = 0; r < x->rows && !rc; r++)
        for (int64_t o = 0; o < m->outputs; o++) out[r * m->outputs + o] = values[r * width + (m->ort_pair ? 1 : o)];
    return rc;
}

struct gm_model_work {
    gm_arena *a;            /* holds all of it; ONNX: reused by each call */
    gm_tree_engine_work *engine; /* NULL unless the model has an engine */
};

/* For batches of at most `rows` rows; -1: of any number. */
static gm_rc work_new(const gm_model *m, int64_t rows, gm_model_work *w, gm_err *err)
{
    *w = (gm_model_work){ .a = gm_arena_new(0) };
    if (!w->a) return gm_err_set(err, GM_ENOMEM, "no memory for a prediction");
    if (!m->engine) return GM_OK;
    gm_rc rc = rows < 0 ? gm_tree_engine_work_new(m->engine, w->a, &w->engine, err) : gm_tree_engine_work_for(m->engine, rows, w->a, &w->engine, err);
    if (rc) gm_arena_free(w->a);
    return rc;
}

gm_rc gm_model_work_new(const gm_model *m, gm_model_work **out, gm_err *err)
{
    gm_model_work *w = calloc(1, sizeof(*w));
    gm_rc rc = w ? work_new(m, -1, w, err) : gm_err_set(err, GM_ENOMEM, "no memory for a prediction");
    if (rc) free(w);
    else *out = w;
    return rc;
}

void gm_model_work_free(gm_model_work *w)
{
    if (!w) return;
    gm_arena_free(w->a);
    free(w);
}

static gm_rc engine_margin(const gm_model *m, gm_model_work *w, const gm_matrix *x, double *out, gm_err *err)
{
    if (x->cols != m->trees->features)
        return gm_err_set(err, GM_EINVALID, "the model takes %d features, the matrix has %lld", m->trees->features, (long long)x->cols);
    gm_tree_engine_margin(m->engine, w->engine, x, out);
    return GM_OK;
}

gm_rc gm_model_predict_with(const gm_model *m, gm_model_work *w, const gm_matrix *x, double *out, gm_err *err)
{
    if (m->ort) {
        gm_arena_rewind(w->a);
        return predict_onnx(m, x, w->a, out, err);
    }
    gm_rc rc = m->linear ? gm_linear_margin(m->linear, x, out, err)
               : m->engine ? engine_margin(m, w, x, out, err)
                           : gm_trees_margin(m->trees, x, out, err);
    if (rc) return rc;
    gm_link_apply(m->linear ? m->linear->link : m->trees->link, m->linear ? 1 : m->trees->sigmoid_scale, out, x->rows, m->outputs);
    return GM_OK;
}

gm_rc gm_model_predict(const gm_model *m, const gm_matrix *x, double *out, gm_err *err)
{
    if (m->linear) return gm_model_predict_with(m, NULL, x, out, err); /* needs nothing to work in */
    gm_model_work w;
    gm_rc rc = work_new(m, x->rows, &w, err);
    if (rc) return rc;
    rc = gm_model_predict_with(m, &w, x, out, err);
    gm_arena_free(w.a);
    return rc;
}

/* ---- the engine -------------------------------------------------------------------------------------------- */

gm_rc gm_model_measure(gm_model *m, const gm_matrix *rows, int64_t budget_ms, gm_err *err)
{
    return m->engine ? gm_tree_engine_measure(m->engine, rows, budget_ms, err) : GM_OK;
}

void gm_model_engine_json(const gm_model *m, gm_json *j)
{
    if (m->engine) {
        gm_tree_engine_json(m->engine, j);
        return;
    }
    gm_json_object(j);
    gm_json_key(j, "one_row");
    gm_json_object(j);
    gm_json_kstr(j, "kernel", m->linear ? "linear" : m->ort ? "onnxruntime" : "plain walk");
    gm_json_object_end(j);
    gm_json_object_end(j);
}
