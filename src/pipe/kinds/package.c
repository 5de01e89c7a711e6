/* package.c - step `package`: the winner as a folder that any machine can use, refused when its ONNX form answers otherwise than
 * we do. */
#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "data/profile.h"
#include "model/onnx.h"
#include "model/package.h"
#include "pipe/examples.h"
#include "pipe/scorer.h"

enum { CHECK_ROWS = 2000, EXAMPLE_ROWS = 5, REFERENCE_ROWS = 2000 };

typedef struct packing {
    gm_step_io *io;
    const char *dir, *winner;
    gm_model_format format;
    const char *native_name; /* "model/model.json" */
    const gm_step_input *model, *features, *training;
    gm_scorer scorer;
    gm_table all;
    gm_part train, valid, test;
} packing;

static const char *in_package(const packing *p, const char *name)
{
    return gm_path_join(p->io->a, p->dir, name);
}

static gm_rc put_json(const packing *p, const char *name, gm_buf *b, gm_err *err)
{
    gm_rc rc = b->failed ? gm_err_set(err, GM_ENOMEM, "not enough memory for \"%s\"", name)
                         : gm_fs_write(in_package(p, name), gm_buf_str(b), b->len, err);
    gm_buf_clear(b);
    return rc;
}

static gm_rc find_winner(packing *p, gm_err *err)
{
    const gm_node *selection = NULL, *training = NULL;
    gm_step_io *io = p->io;
    gm_rc rc = gm_io_json(io, "selection", &selection, err);
    if (rc) return rc;
    p->winner = gm_node_str_or(selection, "winner", "");
    rc = gm_io_input(io, gm_arena_printf(io->a, "model_%s", p->winner), &p->model, err);
    p->features = gm_io_find(io, gm_arena_printf(io->a, "features_%s", p->winner));
    p->training = gm_io_find(io, gm_arena_printf(io->a, "training_%s", p->winner));
    if (rc) return rc;
    if (!p->training) {
        p->format = GM_MODEL_ONNX;
        p->native_name = "model.onnx";
        return GM_OK;
    }
    rc = gm_io_json(io, p->training->name, &training, err);
    if (!rc) rc = gm_model_format_from_name(gm_node_str_or(training, "format", ""), &p->format, err);
    p->native_name = gm_arena_printf(io->a, "model/%s", gm_node_str_or(training, "file", "model"));
    return rc;
}

/* ---- model.onnx ---------------------------------------------------------------------------------------------------- */

static gm_rc write_onnx(const packing *p, gm_err *err)
{
    if (p->format == GM_MODEL_ONNX) return gm_fs_copy(p->model->path, in_package(p, "model.onnx"), false, err);
    const char *x = NULL, *y = NULL;
    gm_buf b = { 0 };
    gm_onnx *g = gm_onnx_new(p->io->a);
    if (!g) return gm_err_set(err, GM_ENOMEM, "not enough memory for an ONNX graph");
    gm_rc rc = gm_program_emit(p->scorer.program, g, &x, err);
    if (!rc) rc = gm_onnx_emit_model(g, p->scorer.model, x, &y, err);
    gm_onnx_target target = { .classification = p->scorer.task != GM_TASK_REGRESSION,
                              .texts = p->scorer.classes,
                              .classes = (size_t)p->scorer.classes_count };
    if (!rc) {
        gm_onnx_metadata(g, "producer", "gristmill " GM_VERSION);
        gm_onnx_finish(g, &target, y);
        rc = gm_onnx_write(g, &b, err);
    }
    return rc ? rc : put_json(p, "model.onnx", &b, err);
}

/* The first rows of a side as their own table. */
static gm_rc head(const packing *p, const gm_table *t, int64_t rows, gm_table *out, gm_err *err)
{
    int64_t count = t->rows < rows ? t->rows : rows, *index = GM_ARENA_ARRAY(p->io->a, int64_t, count);
    if (!index) return gm_err_set(err, GM_ENOMEM, "not enough memory for %" PRId64 " rows", count);
    for (int64_t i = 0; i < count; i++) index[i] = i * t->rows / count; /* spread over the side, from its first row to its last part */
    return gm_table_take(t, index, count, p->io->a, out, err);
}

static gm_rc check_onnx(const packing *p, gm_err *err)
{
    gm_table rows, fed;
    gm_package_difference d = { 0 };
    if (p->format == GM_MODEL_ONNX) return GM_OK; /* it is what we predict with */
    gm_rc rc = head(p, &p->valid.table, CHECK_ROWS, &rows, err);
    double *ours = rc ? NULL : GM_ARENA_ARRAY(p->io->a, double, rows.rows * p->scorer.outputs);
    if (!rc && !ours) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to check model.onnx");
    if (!rc) rc = gm_scorer_predict(&p->scorer, &rows, ours, err);
    if (!rc) rc = gm_program_onnx_table(p->scorer.program, &rows, p->io->a, &fed, err);
    if (!rc)
        rc = gm_package_check(p->dir, &fed, p->scorer.task == GM_TASK_REGRESSION ? "prediction" : "probability", ours,
                              p->scorer.outputs, 0, &d, err);
    if (rc == GM_EREFUSED) err->rc = rc = GM_EINTERNAL; /* not the user's model, our writing of it, is at fault */
    if (rc) return gm_err_ctx(err, rc, "checking model.onnx against ONNX Runtime");
    gm_json_kint(p->io->facts, "checked_rows", rows.rows);
    gm_json_kdouble(p->io->facts, "largest_difference", d.worst);
    gm_io_note(p->io, "model.onnx agrees with ONNX Runtime on %" PRId64 " validation rows; largest difference %.2g", rows.rows,
               d.worst);
    return GM_OK;
}

/* ---- the other files -------------------------------------------------------------------------------------------------- */

static void input_json(const packing *p, const gm_schema *schema, const char *name, gm_type type, gm_json *j)
{
    const gm_field *f = gm_schema_find(schema, name);
    gm_json_object(j);
    gm_json_kstr(j, "name", name);
    gm_json_kstr(j, "type", gm_type_name(type));
    gm_json_kbool(j, "required", f && f->missing == 0);
    if (f && f->format && f->format[0]) gm_json_kstr(j, "format", f->format);
    const gm_column *c = gm_table_find(&p->train.table, name);
    if (c && type != GM_TYPE_STRING) {
        double low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < c->rows; i++) {
            double v = gm_column_double(c, i);
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        gm_json_kdouble(j, "min", low);
        gm_json_kdouble(j, "max", high);
    }
    const gm_node *personal = gm_node_get(p->io->params, "personal");
    bool hide = false;
    for (size_t i = 0; personal && i < personal->count; i++) hide = hide || strcmp(personal->items[i]->text, name) == 0;
    if (c && type == GM_TYPE_STRING && c->dict->count <= 1000 && !hide) {
        gm_json_key(j, "categories");
        gm_json_array(j);
        bool *seen = GM_ARENA_ARRAY(p->io->a, bool, c->dict->count);
        for (int64_t i = 0; seen && i < c->rows; i++)
            if (c->code[i] >= 0) seen[c->code[i]] = true;
        for (int32_t k = 0; seen && k < c->dict->count; k++)
            if (seen[k]) gm_json_str(j, c->dict->texts[k]);
        gm_json_array_end(j);
    }
    gm_json_object_end(j);
}

static void copy_list(const packing *p, const char *key, gm_json *j)
{
    gm_json_key(j, key);
    gm_node_json(gm_node_get(p->io->params, key), j);
}

static void train_end(const packing *p, gm_json *j)
{
    const char *time = gm_node_str_or(p->io->params, "time", NULL);
    const gm_column *c = time ? gm_table_find(&p->train.table, time) : NULL;
    int64_t last = GM_MISSING_INT;
    char text[48];
    for (int64_t i = 0; c && c->type == GM_TYPE_TIME && i < c->rows; i++) last = c->i64[i] > last ? c->i64[i] : last;
    gm_json_kstr(j, "train_to", last == GM_MISSING_INT ? NULL : gm_time_text(last, text, sizeof(text)));
}

/* The column's type as the model learned from it. */
static gm_type input_type(const packing *p, size_t i)
{
    const gm_column *c = p->scorer.ort ? gm_table_find(&p->train.table, p->scorer.inputs[i]) : NULL;
    return c ? c->type : p->scorer.input_types[i];
}

/* Whether the model reads a column of this joined data set: "weather.temp". */
static bool reads_joined(const packing *p, const char *dataset)
{
    size_t len = strlen(dataset);
    for (size_t i = 0; i < p->scorer.inputs_count; i++)
        if (strncmp(p->scorer.inputs[i], dataset, len) == 0 && p->scorer.inputs[i][len] == '.') return true;
    return false;
}

/* What a server needs to look the joined columns up by itself. */
static void joins_json(const packing *p, gm_json *j)
{
    const gm_node *joins = gm_node_get(p->io->params, "joins");
    gm_json_key(j, "joins");
    gm_json_array(j);
    for (size_t i = 0; joins && i < joins->count; i++) {
        const gm_node *by = gm_node_get(joins->items[i], "by");
        const char *dataset = gm_node_str_or(joins->items[i], "dataset", "");
        if (!reads_joined(p, dataset)) continue;
        gm_json_object(j);
        gm_json_kstr(j, "dataset", dataset);
        gm_json_key(j, "by");
        gm_json_array(j);
        for (size_t k = 0; by && k < by->count; k++) {
            const gm_column *c = gm_table_find(&p->train.table, by->items[k]->text);
            gm_json_object(j);
            gm_json_kstr(j, "name", by->items[k]->text);
            gm_json_kstr(j, "type", c ? gm_type_name(c->type) : NULL);
            gm_json_object_end(j);
        }
        gm_json_array_end(j);
        gm_json_kstr(j, "time", gm_node_str_or(joins->items[i], "time", NULL));
        gm_json_kdouble(j, "within_s", gm_node_double_or(joins->items[i], "within", 0));
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

/* Of a linear model, whose contributions start from them: the mean of each feature over the rows of reference.parquet. */
static gm_rc reference_means_json(const packing *p, gm_json *j, gm_err *err)
{
    gm_table sample;
    gm_matrix x;
    if (!p->scorer.model || !gm_model_linear(p->scorer.model)) return GM_OK;
    gm_rc rc = head(p, &p->test.table, REFERENCE_ROWS, &sample, err);
    if (!rc) rc = gm_program_apply(p->scorer.program, &sample, p->io->a, &x, err);
    if (rc) return rc;
    gm_json_key(j, "reference_means");
    gm_json_array(j);
    for (int64_t c = 0; c < x.cols; c++) {
        double sum = 0;
        for (int64_t r = 0; r < x.rows; r++) sum += x.data[c * x.rows + r];
        gm_json_double(j, x.rows ? sum / (double)x.rows : 0);
    }
    gm_json_array_end(j);
    return GM_OK;
}

static gm_rc write_schema(const packing *p, gm_err *err)
{
    const gm_node *json = NULL;
    gm_schema schema;
    gm_rc rc = gm_io_json(p->io, "schema", &json, err);
    if (!rc) rc = gm_schema_read(json, p->io->a, &schema, err);
    if (rc) return rc;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "pipeline", gm_node_str_or(p->io->params, "pipeline", ""));
    gm_json_kstr(&j, "target", gm_node_str_or(p->io->params, "target", ""));
    gm_json_kstr(&j, "task", gm_task_name(p->scorer.task));
    copy_list(p, "classes", &j);
    gm_json_kstr(&j, "format", gm_model_format_name(p->format));
    gm_json_kstr(&j, "native", p->native_name);
    copy_list(p, "key", &j);
    gm_json_kstr(&j, "time", gm_node_str_or(p->io->params, "time", NULL));
    copy_list(p, "personal", &j);
    joins_json(p, &j);
    train_end(p, &j);
    gm_json_key(&j, "inputs");
    gm_json_array(&j);
    for (size_t i = 0; i < p->scorer.inputs_count; i++) input_json(p, &schema, p->scorer.inputs[i], input_type(p, i), &j);
    gm_json_array_end(&j);
    if (p->scorer.ort) gm_json_kstr(&j, "output", p->scorer.ort_output);
    const gm_graph_input *graph = NULL;
    size_t count = p->scorer.program ? gm_program_onnx_inputs(p->scorer.program, &graph) : 0;
    gm_json_key(&j, "onnx_inputs"); /* `computed`: by the feature program, before the graph */
    gm_json_array(&j);
    for (size_t i = 0; i < count; i++) {
        gm_json_object(&j);
        gm_json_kstr(&j, "name", graph[i].name);
        gm_json_kstr(&j, "type", gm_type_name(graph[i].type));
        gm_json_kbool(&j, "computed", graph[i].computed);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    rc = reference_means_json(p, &j, err);
    gm_json_object_end(&j);
    if (!rc) return put_json(p, "schema.json", &b, err);
    gm_buf_clear(&b);
    return rc;
}

static void value_json(const gm_column *c, int64_t row, gm_json *j)
{
    char text[512];
    if (gm_column_is_missing(c, row))
        gm_json_null(j);
    else if (c->type == GM_TYPE_STRING || c->type == GM_TYPE_TIME)
        gm_json_str(j, gm_column_show(c, row, text, sizeof(text)));
    else if (c->type == GM_TYPE_FLOAT)
        gm_json_double(j, c->f64[row]);
    else
        gm_json_int(j, c->i64[row]);
}

/* A few rows with the answers they must get; not written when a personal column would be in them. */
static gm_rc write_example(const packing *p, gm_err *err)
{
    gm_table rows;
    const gm_node *personal = gm_node_get(p->io->params, "personal");
    gm_rc rc = head(p, &p->valid.table, EXAMPLE_ROWS, &rows, err);
    double *answers = rc ? NULL : GM_ARENA_ARRAY(p->io->a, double, rows.rows * p->scorer.outputs);
    if (!rc && !answers) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for the example rows");
    if (!rc) rc = gm_scorer_predict(&p->scorer, &rows, answers, err);
    if (rc) return rc;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_key(&j, "rows");
    gm_json_array(&j);
    for (int64_t i = 0; i < rows.rows && (!personal || personal->count == 0); i++) {
        gm_json_object(&j);
        for (size_t k = 0; k < p->scorer.inputs_count; k++) {
            const gm_column *c = gm_table_find(&rows, p->scorer.inputs[k]);
            gm_json_key(&j, p->scorer.inputs[k]);
            value_json(c, i, &j);
        }
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    gm_json_key(&j, "answers");
    gm_json_array(&j);
    for (int64_t i = 0; i < rows.rows && (!personal || personal->count == 0); i++) {
        gm_json_array(&j);
        for (int64_t k = 0; k < p->scorer.outputs; k++) gm_json_double(&j, answers[i * p->scorer.outputs + k]);
        gm_json_array_end(&j);
    }
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    return put_json(p, "example.json", &b, err);
}

/* A part of t without the columns named in `personal` and without our own. */
static gm_rc raw_columns(const packing *p, const gm_table *t, bool with_target, gm_table *out, gm_err *err)
{
    const gm_node *personal = gm_node_get(p->io->params, "personal");
    *out = (gm_table){ .rows = t->rows, .columns = GM_ARENA_ARRAY(p->io->a, gm_column, t->columns_count + 4) };
    if (!out->columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", t->columns_count);
    for (size_t i = 0; i < t->columns_count; i++) {
        const gm_column *c = &t->columns[i];
        bool skip = strcmp(c->name, GM_SPLIT_COLUMN) == 0 || (!with_target && strcmp(c->name, GM_TARGET_COLUMN) == 0);
        for (size_t k = 0; personal && k < personal->count; k++) skip = skip || strcmp(personal->items[k]->text, c->name) == 0;
        if (!skip) out->columns[out->columns_count++] = *c;
    }
    return GM_OK;
}

static gm_rc write_profile(const packing *p, gm_err *err)
{
    gm_table raw;
    gm_profile *profile = NULL;
    gm_buf b = { 0 };
    gm_rc rc = raw_columns(p, &p->train.table, true, &raw, err);
    if (!rc) rc = gm_profile_of(&raw, p->io->a, &profile, err);
    if (rc) return rc;
    gm_profile_write(profile, &b);
    return put_json(p, "profile.bin", &b, err);
}

/* A sample of the test rows with prediction and label: what monitoring compares with. */
static gm_rc write_reference(const packing *p, gm_err *err)
{
    gm_table sample, raw;
    gm_engine *engine = NULL;
    gm_rc rc = head(p, &p->test.table, REFERENCE_ROWS, &sample, err);
    if (!rc) rc = raw_columns(p, &sample, true, &raw, err);
    double *answers = rc ? NULL : GM_ARENA_ARRAY(p->io->a, double, sample.rows * p->scorer.outputs);
    if (!rc && !answers) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for the reference rows");
    if (!rc) rc = gm_scorer_predict(&p->scorer, &sample, answers, err);
    if (!rc) rc = gm_io_engine(p->io, &engine, err);
    if (rc) return rc;
    if (p->scorer.outputs == 1)
        raw.columns[raw.columns_count++] =
            (gm_column){ .name = "__prediction", .type = GM_TYPE_FLOAT, .rows = raw.rows, .f64 = answers };
    return gm_data_write(engine, &raw, in_package(p, "reference.parquet"), err);
}

static gm_rc write_metrics(const packing *p, gm_err *err)
{
    const gm_node *evaluation = NULL, *training = NULL;
    gm_rc rc = gm_io_json(p->io, gm_arena_printf(p->io->a, "evaluation_%s", p->winner), &evaluation, err);
    if (!rc && p->training) rc = gm_io_json(p->io, p->training->name, &training, err);
    if (rc) return rc;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "trainer", p->winner);
    gm_json_kstr(&j, "metric", gm_node_str_or(p->io->params, "metric", ""));
    gm_json_kdouble(&j, "validation", gm_node_double_or(evaluation, "validation_metric", (double)NAN));
    gm_json_key(&j, "test");
    const gm_node *metrics = gm_node_get(gm_node_get(evaluation, "test"), "metrics");
    gm_node_json(metrics, &j);
    gm_json_key(&j, "params");
    gm_node_json(gm_node_get(training, "params"), &j);
    gm_json_object_end(&j);
    return put_json(p, "metrics.json", &b, err);
}

/* Names and types of the outputs of model.onnx that a signature can hold. */
static gm_rc outputs_of(const packing *p, const char ***out_names, gm_type **out_types, size_t *out_count, gm_err *err)
{
    gm_ort *ort = NULL;
    size_t count = 0, kept = 0;
    gm_rc rc = gm_ort_open(in_package(p, "model.onnx"), &ort, err);
    if (!rc) rc = gm_ort_outputs(ort, p->io->a, out_names, out_types, &count, err);
    gm_ort_close(ort);
    for (size_t i = 0; !rc && i < count; i++) {
        if ((*out_types)[i] == GM_TYPE_UNKNOWN) continue;
        (*out_names)[kept] = (*out_names)[i];
        (*out_types)[kept++] = (*out_types)[i];
    }
    if (!rc) *out_count = kept;
    return rc;
}

/* The signature names what the graph has; a foreign graph's own names are kept. */
static gm_rc write_mlmodel(const packing *p, gm_err *err)
{
    const gm_graph_input *graph = NULL;
    const char **names = NULL;
    gm_type *types = NULL;
    size_t count = 0, outputs_count = 0;
    gm_rc rc = outputs_of(p, &names, &types, &outputs_count, err);
    if (rc) return rc;
    count = p->scorer.program ? gm_program_onnx_inputs(p->scorer.program, &graph) : p->scorer.inputs_count;
    gm_signature_column *inputs = GM_ARENA_ARRAY(p->io->a, gm_signature_column, count),
                        *outputs = GM_ARENA_ARRAY(p->io->a, gm_signature_column, outputs_count);
    if (!inputs || !outputs) return gm_err_set(err, GM_ENOMEM, "not enough memory for the signature");
    for (size_t i = 0; i < count; i++)
        inputs[i] = (gm_signature_column){ .name = graph ? graph[i].name : p->scorer.inputs[i],
                                           .type = graph ? graph[i].type : p->scorer.input_types[i],
                                           .required = true };
    for (size_t i = 0; i < outputs_count; i++)
        outputs[i] = (gm_signature_column){ .name = names[i], .type = types[i], .required = true };
    return gm_package_mlmodel(p->dir, inputs, count, outputs, outputs_count, err);
}

static gm_rc begin(packing *p, gm_err *err)
{
    gm_step_io *io = p->io;
    const char **classes = NULL;
    int64_t classes_count = 0;
    p->dir = gm_io_output(io, "package", "package", "package");
    gm_rc rc = find_winner(p, err);
    if (!rc) rc = gm_fs_mkdirs(in_package(p, "model"), err);
    if (!rc) rc = gm_classes_read(gm_node_get(io->params, "classes"), io->a, &classes, &classes_count, err);
    if (!rc)
        rc = gm_scorer_parts(p->features ? p->features->path : NULL, p->model->path, p->format,
                             gm_task_from_name(gm_node_str_or(io->params, "task", "")), classes, classes_count, io->a, &p->scorer,
                             err);
    if (!rc) rc = gm_examples_all(io, &p->all, err);
    if (!rc) rc = gm_examples_part(io, &p->all, GM_SIDE_TRAIN, &p->train, err);
    if (!rc) rc = gm_examples_part(io, &p->all, GM_SIDE_VALIDATION, &p->valid, err);
    if (!rc) rc = gm_examples_part(io, &p->all, GM_SIDE_TEST, &p->test, err);
    return rc;
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    packing p = { .io = io };
    gm_digest digest;
    gm_rc rc = begin(&p, err);
    if (!rc && p.format != GM_MODEL_ONNX) rc = gm_fs_copy(p.model->path, in_package(&p, p.native_name), false, err);
    if (!rc && p.features) rc = gm_fs_copy(p.features->path, in_package(&p, "features.json"), false, err);
    if (!rc) rc = write_onnx(&p, err);
    if (!rc) rc = check_onnx(&p, err);
    if (!rc) rc = write_schema(&p, err);
    if (!rc) rc = write_example(&p, err);
    if (!rc) rc = write_profile(&p, err);
    if (!rc) rc = write_reference(&p, err);
    if (!rc) rc = write_metrics(&p, err);
    if (!rc) rc = write_mlmodel(&p, err);
    if (!rc) rc = gm_package_seal(p.dir, &digest, err);
    return rc;
}

const gm_step_kind gm_step_kind_package = {
    .item = { .name = "package", .help = "make the winner a folder with model.onnx, checked against ONNX Runtime" },
    .version = 3,
    .uses_data = true,
    .run = run,
};
