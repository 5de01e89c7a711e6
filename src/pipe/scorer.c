/* scorer.c - opening what predicts; scorer_session.c predicts. See scorer.h. */
#include "pipe/scorer.h"

#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "pipe/examples.h"
#include "pipe/foreign.h"

static const char *const format_names[] = {
    [GM_MODEL_LINEAR] = "linear", [GM_MODEL_XGBOOST] = "xgboost", [GM_MODEL_LIGHTGBM] = "lightgbm", [GM_MODEL_ONNX] = "onnx"
};

const char *gm_model_format_name(gm_model_format f)
{
    return format_names[f];
}

gm_rc gm_model_format_from_name(const char *name, gm_model_format *out, gm_err *err)
{
    for (size_t i = 0; i < sizeof(format_names) / sizeof(format_names[0]); i++)
        if (strcmp(name, format_names[i]) == 0) {
            *out = (gm_model_format)i;
            return GM_OK;
        }
    return gm_err_set(err, GM_EINVALID, "unrecognized model format \"%.40s\"", name);
}

gm_task gm_task_from_name(const char *name)
{
    for (int t = GM_TASK_BINARY; t <= GM_TASK_REGRESSION; t++)
        if (strcmp(gm_task_name((gm_task)t), name) == 0) return (gm_task)t;
    return GM_TASK_UNKNOWN;
}

gm_rc gm_classes_read(const gm_node *list, gm_arena *a, const char ***out, int64_t *out_count, gm_err *err)
{
    size_t count = list && list->kind == GM_NODE_SEQ ? list->count : 0;
    const char **classes = GM_ARENA_ARRAY(a, const char *, count);
    if (!classes) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu classes", count);
    for (size_t i = 0; i < count; i++) classes[i] = list->items[i]->text;
    *out = classes;
    *out_count = (int64_t)count;
    return GM_OK;
}

static void close_ort(void *s)
{
    gm_ort_close(s);
}

static gm_rc read_program(const char *path, gm_arena *a, gm_program **out, gm_err *err)
{
    gm_node *root = NULL;
    gm_buf b = { 0 };
    gm_rc rc = gm_fs_read(path, 0, &b, err); /* an input's path has no ending, so the reader cannot tell by name */
    if (!rc) rc = gm_json_read(gm_buf_str(&b), b.len, "features.json", a, &root, err);
    gm_buf_clear(&b);
    return rc ? rc : gm_program_read(root, a, out, err);
}

static gm_rc own_inputs(gm_scorer *s, gm_arena *a, gm_err *err)
{
    s->inputs_count = gm_program_inputs_count(s->program);
    s->inputs = GM_ARENA_ARRAY(a, const char *, s->inputs_count);
    s->input_types = GM_ARENA_ARRAY(a, gm_type, s->inputs_count);
    if (!s->inputs || !s->input_types) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", s->inputs_count);
    for (size_t i = 0; i < s->inputs_count; i++) s->inputs[i] = gm_program_input_name(s->program, i, &s->input_types[i]);
    return GM_OK;
}

/* The inputs of somebody else's graph: each must be a column, and none the answer. */
static gm_rc foreign_inputs(gm_scorer *s, gm_arena *a, gm_err *err)
{
    gm_rc rc = gm_ort_inputs(s->ort, a, &s->inputs, &s->input_types, &s->inputs_count, err);
    for (size_t i = 0; !rc && i < s->inputs_count; i++) {
        const char *name = s->inputs[i];
        if (s->input_types[i] == GM_TYPE_UNKNOWN) {
            rc = gm_err_set(err, GM_EUNSUPPORTED, "the model's input \"%s\" is of a kind that no column has", name);
            gm_err_hint(err, "Columns are fed as double, float, int64, int32, bool or string tensors of shape [N] or [N,1].");
        } else if (strcmp(name, GM_TARGET_COLUMN) == 0 || strcmp(name, GM_SPLIT_COLUMN) == 0) {
            rc = gm_err_set(err, GM_EINVALID, "the model reads \"%s\", which is known in training only", name);
            gm_err_hint(err, "Leave the columns " GM_TARGET_COLUMN " and " GM_SPLIT_COLUMN " out of the features.");
        }
    }
    if (!rc) rc = gm_ort_prediction_output(s->ort, a, &s->ort_output, err);
    return rc;
}

gm_rc gm_scorer_parts(const char *features_path, const char *model_path, gm_model_format format, gm_task task,
                      const char *const *classes, int64_t classes_count, gm_arena *a, gm_scorer *out, gm_err *err)
{
    gm_scorer s = { .task = task, .classes = (const char **)(uintptr_t)classes, .classes_count = classes_count };
    gm_rc rc = GM_OK;
    s.outputs = task == GM_TASK_MULTICLASS ? classes_count : 1;
    if (format == GM_MODEL_ONNX) {
        rc = gm_ort_open(model_path, &s.ort, err);
        if (rc == GM_EUNSUPPORTED)
            gm_err_hint(err, "ONNX Runtime has most operators of ai.onnx.ml for float and not for double: export the model with "
                             "float inputs.");
        if (rc) return rc;
        if (!gm_arena_defer(a, close_ort, s.ort)) {
            gm_ort_close(s.ort);
            return gm_err_set(err, GM_ENOMEM, "not enough memory to open a model");
        }
        rc = foreign_inputs(&s, a, err);
        if (!rc) gm_foreign_trees(&s, model_path, a);
    } else {
        rc = read_program(features_path, a, &s.program, err);
        if (!rc) rc = own_inputs(&s, a, err);
        if (!rc) rc = gm_model_load(format, model_path, a, &s.model, err);
    }
    if (!rc) *out = s;
    return rc;
}

/* How the columns were read in training: the graph of a foreign model cannot tell a time from a whole number, and no model 03/07
 * from 07/03. */
static gm_rc trained_inputs(gm_scorer *s, const gm_node *inputs, gm_arena *a, gm_err *err)
{
    s->input_formats = GM_ARENA_ARRAY(a, const char *, s->inputs_count);
    if (!s->input_formats) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", s->inputs_count);
    for (size_t i = 0; inputs && i < inputs->count; i++)
        for (size_t k = 0; k < s->inputs_count; k++) {
            if (strcmp(gm_node_str_or(inputs->items[i], "name", ""), s->inputs[k]) != 0) continue;
            s->input_formats[k] = gm_node_str_or(inputs->items[i], "format", NULL);
            if (s->ort) (void)gm_type_from_name(gm_node_str_or(inputs->items[i], "type", ""), &s->input_types[k]);
        }
    return GM_OK;
}

/* What a linear model is explained against, as the package step recorded it. */
static gm_rc reference_means(gm_scorer *s, const gm_node *list, gm_arena *a, gm_err *err)
{
    const gm_linear *l = s->model ? gm_model_linear(s->model) : NULL;
    if (!l || !list) return GM_OK;
    if (list->kind != GM_NODE_SEQ || list->count != (size_t)l->features)
        return gm_err_at(err, list->pos, GM_EINVALID, "\"reference_means\" is not a list of %" PRId64 " numbers", l->features);
    double *means = GM_ARENA_ARRAY(a, double, l->features);
    if (!means) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " features", l->features);
    for (int64_t f = 0; f < l->features; f++) {
        gm_rc rc = list->items[f]->is_null ? GM_OK : gm_node_double(list->items[f], &means[f], err);
        if (rc) return rc;
        if (list->items[f]->is_null) means[f] = NAN;
    }
    s->means = means;
    return GM_OK;
}

gm_rc gm_scorer_package(const char *dir, gm_arena *a, gm_scorer *out, gm_err *err)
{
    gm_node *schema = NULL;
    gm_model_format format;
    const char **classes = NULL;
    int64_t classes_count = 0;
    gm_rc rc = gm_node_read_file(gm_path_join(a, dir, "schema.json"), a, &schema, err);
    if (!rc) rc = gm_model_format_from_name(gm_node_str_or(schema, "format", ""), &format, err);
    if (!rc) rc = gm_classes_read(gm_node_get(schema, "classes"), a, &classes, &classes_count, err);
    if (rc) return gm_err_ctx(err, rc, "reading the model package \"%s\"", dir);
    const char *native = gm_node_str_or(schema, "native", "model.onnx");
    rc = gm_scorer_parts(gm_path_join(a, dir, "features.json"), gm_path_join(a, dir, native), format,
                         gm_task_from_name(gm_node_str_or(schema, "task", "")), classes, classes_count, a, out, err);
    if (!rc) rc = trained_inputs(out, gm_node_get(schema, "inputs"), a, err);
    if (!rc) rc = reference_means(out, gm_node_get(schema, "reference_means"), a, err);
    return gm_err_ctx(err, rc, "reading the model package \"%s\"", dir);
}
