/* evaluate.c - step `evaluate`: one candidate on its validation rows (which choose) and test rows (which judge). */
#include <string.h>

#include "eval/evaluation.h"
#include "pipe/examples.h"
#include "pipe/foreign.h"
#include "pipe/scorer.h"

enum { IMPORTANCE_ROWS = 10000, IMPORTANCE_REPEATS = 3, LEAK_ROWS_MIN = 100 };

typedef struct evaluating {
    gm_step_io *io;
    gm_scorer scorer;
    const gm_metric *metric;
    gm_part train, valid, test;
} evaluating;

static gm_rc open_scorer(evaluating *v, gm_err *err)
{
    gm_step_io *io = v->io;
    const gm_step_input *model = NULL, *features = gm_io_find(io, "features");
    const gm_node *training = NULL;
    const char **classes = NULL;
    int64_t classes_count = 0;
    gm_model_format format = GM_MODEL_ONNX;
    gm_rc rc = gm_io_input(io, "model", &model, err);
    if (!rc && gm_io_find(io, "training")) {
        rc = gm_io_json(io, "training", &training, err);
        if (!rc) rc = gm_model_format_from_name(gm_node_str_or(training, "format", ""), &format, err);
    }
    if (!rc) rc = gm_classes_read(gm_node_get(io->params, "classes"), io->a, &classes, &classes_count, err);
    if (rc) return rc;
    return gm_scorer_parts(features ? features->path : NULL, model->path, format,
                           gm_task_from_name(gm_node_str_or(io->params, "task", "")), classes, classes_count, io->a, &v->scorer,
                           err);
}

static gm_rc score(evaluating *v, const gm_part *part, gm_scores *out, gm_err *err)
{
    double *p = GM_ARENA_ARRAY(v->io->a, double, part->table.rows * v->scorer.outputs);
    if (!p) return gm_err_set(err, GM_ENOMEM, "not enough memory for the predictions");
    gm_rc rc = gm_scorer_predict(&v->scorer, &part->table, p, err);
    *out = gm_part_scores(part, v->scorer.task, v->scorer.classes_count, p);
    return rc;
}

static gm_rc main_metric(evaluating *v, const gm_scores *s, const char *rows_of, double *out, gm_err *err)
{
    gm_arena *scratch = gm_arena_new(0);
    if (!scratch) return gm_err_set(err, GM_ENOMEM, "not enough memory for a metric");
    gm_rc rc = v->metric->compute(s, scratch, out, err);
    gm_arena_free(scratch);
    return gm_err_ctx(err, rc, "computing %s of the %s rows", v->metric->item.name, rows_of);
}

static gm_rc predict(void *opaque, const gm_table *t, double *out, gm_err *err)
{
    const evaluating *v = opaque;
    return gm_scorer_predict(&v->scorer, t, out, err);
}

static bool is_personal(const evaluating *v, const char *name)
{
    const gm_node *personal = gm_node_get(v->io->params, "personal");
    for (size_t i = 0; personal && i < personal->count; i++)
        if (strcmp(personal->items[i]->text, name) == 0) return true;
    return false;
}

/* The raw columns that the model reads, without our own and without personal ones, whose values must not be quoted. */
static void read_columns(const evaluating *v, const gm_table *t, gm_table *out)
{
    out->rows = t->rows;
    out->columns_count = 0;
    for (size_t i = 0; i < t->columns_count; i++) {
        bool reads = false;
        for (size_t k = 0; k < v->scorer.inputs_count; k++) reads = reads || strcmp(v->scorer.inputs[k], t->columns[i].name) == 0;
        if (reads && !is_personal(v, t->columns[i].name)) out->columns[out->columns_count++] = t->columns[i];
    }
}

static gm_rc importance(evaluating *v, const gm_scores *s, const gm_table *reads, gm_evaluation *e, gm_err *err)
{
    gm_step_io *io = v->io;
    const char **names = GM_ARENA_ARRAY(io->a, const char *, reads->columns_count);
    e->importance = GM_ARENA_ARRAY(io->a, gm_importance, reads->columns_count);
    if (!names || !e->importance)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for the importance of %zu columns", reads->columns_count);
    for (size_t i = 0; i < reads->columns_count; i++) names[i] = reads->columns[i].name;
    e->importance_count = reads->columns_count;
    return gm_permutation_importance(v->metric, s, &v->test.table, names, reads->columns_count, IMPORTANCE_REPEATS,
                                     IMPORTANCE_ROWS, (uint64_t)gm_node_int_or(io->params, "seed", 1), predict, v, io->a,
                                     e->importance, err);
}

static gm_rc feedback(evaluating *v, double train_value, double validation_value, const gm_table *train, const gm_table *test,
                      gm_evaluation *e, gm_err *err)
{
    gm_feedback_facts facts = { .evaluation = e,
                                .train_value = train_value,
                                .validation_value = validation_value,
                                .train_rows = v->train.table.rows,
                                .train = train,
                                .test = test };
    if (v->train.table.rows >= LEAK_ROWS_MIN) {
        gm_rc rc = gm_find_leaks(train, v->train.target, v->scorer.task, v->io->a, &e->leaks, &e->leaks_count, err);
        if (rc) return rc;
    }
    gm_rc rc = gm_give_feedback(&facts, v->io->a, &e->feedback, &e->feedback_count, err);
    for (size_t i = 0; !rc && i < e->leaks_count; i++)
        gm_io_note(v->io, "warning: the feature \"%s\" may give the target away: %s", e->leaks[i].column, e->leaks[i].evidence);
    return rc;
}

static gm_rc slices_of(const evaluating *v, const gm_column **out, size_t *out_count, gm_err *err)
{
    const gm_node *names = gm_node_get(v->io->params, "slices");
    size_t wanted = names ? names->count : 0, count = 0;
    gm_column *columns = GM_ARENA_ARRAY(v->io->a, gm_column, wanted);
    if (!columns) return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu slices", wanted);
    for (size_t i = 0; i < wanted; i++) {
        const gm_column *c = gm_table_find(&v->test.table, names->items[i]->text);
        if (c && !is_personal(v, c->name)) columns[count++] = *c;
    }
    *out = columns;
    *out_count = count;
    return GM_OK;
}

static gm_rc write(evaluating *v, const gm_evaluation *e, double train_value, double validation_value, gm_err *err)
{
    gm_buf b = { 0 };
    gm_json j;
    const gm_metric_result *main = gm_evaluation_metric(e, v->metric->item.name);
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "metric", v->metric->item.name);
    gm_json_kdouble(&j, "train_metric", train_value);
    gm_json_kdouble(&j, "validation_metric", validation_value);
    gm_json_key(&j, "test_metric");
    gm_json_object(&j);
    gm_json_kdouble(&j, "value", main ? main->interval.value : (double)NAN);
    gm_json_kdouble(&j, "low", main ? main->interval.low : (double)NAN);
    gm_json_kdouble(&j, "high", main ? main->interval.high : (double)NAN);
    gm_json_object_end(&j);
    gm_json_key(&j, "test");
    gm_evaluation_json(e, &j);
    gm_json_object_end(&j);
    gm_rc rc = gm_io_write(v->io, "evaluation", "report", "evaluation.json", &b, err);
    gm_buf_clear(&b);
    return rc;
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    evaluating v = { .io = io };
    gm_table all, train_reads = { 0 }, test_reads = { 0 };
    const gm_item *metric = NULL;
    gm_scores train, valid, test;
    double train_value = 0, validation_value = 0;
    gm_evaluation e;
    gm_rc rc = gm_registry_find(&gm_metrics, gm_node_str_or(io->params, "metric", ""), &metric, err);
    v.metric = (const gm_metric *)metric;
    if (!rc) rc = open_scorer(&v, err);
    if (!rc) rc = gm_examples_all(io, &all, err);
    if (!rc) rc = gm_examples_part(io, &all, GM_SIDE_TRAIN, &v.train, err);
    if (!rc) rc = gm_examples_part(io, &all, GM_SIDE_VALIDATION, &v.valid, err);
    if (!rc) rc = gm_examples_part(io, &all, GM_SIDE_TEST, &v.test, err);
    if (!rc) rc = score(&v, &v.train, &train, err);
    if (!rc) rc = score(&v, &v.valid, &valid, err);
    if (!rc && v.scorer.ort) rc = gm_foreign_check(&v.scorer, &v.valid.table, valid.predicted, io->a, err);
    if (!rc) rc = score(&v, &v.test, &test, err);
    if (!rc) rc = main_metric(&v, &train, "training", &train_value, err);
    if (!rc) rc = main_metric(&v, &valid, "validation", &validation_value, err);
    if (rc) return rc;
    train_reads.columns = GM_ARENA_ARRAY(io->a, gm_column, all.columns_count);
    test_reads.columns = GM_ARENA_ARRAY(io->a, gm_column, all.columns_count);
    if (!train_reads.columns || !test_reads.columns)
        return gm_err_set(err, GM_ENOMEM, "not enough memory for %zu columns", all.columns_count);
    read_columns(&v, &v.train.table, &train_reads);
    read_columns(&v, &v.test.table, &test_reads);
    gm_evaluate_options o = { .main = v.metric,
                              .class_names = v.scorer.classes,
                              .seed = (uint64_t)gm_node_int_or(io->params, "seed", 1) };
    rc = slices_of(&v, &o.slice_columns, &o.slice_columns_count, err);
    if (!rc) rc = gm_evaluate(&test, &o, io->a, &e, err);
    if (!rc) rc = importance(&v, &test, &test_reads, &e, err);
    if (!rc) rc = feedback(&v, train_value, validation_value, &train_reads, &test_reads, &e, err);
    if (!rc) rc = write(&v, &e, train_value, validation_value, err);
    io->rows = v.test.table.rows;
    return rc;
}

const gm_step_kind gm_step_kind_evaluate = {
    .item = { .name = "evaluate", .help = "metrics with intervals, slices, calibration, importance, what to try next" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
