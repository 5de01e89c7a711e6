/* train.c - step `train`: one trainer, its search, its best model. */
#include <string.h>

#include "base/fs.h"
#include "eval/metric.h"
#include "pipe/examples.h"
#include "pipe/scorer.h"
#include "train/trainer.h"

typedef struct score_ctx {
    const gm_metric *metric;
    gm_task task;
    int64_t classes;
    gm_arena *scratch;
} score_ctx;

static gm_rc score(void *opaque, const double *y, const double *predicted, int64_t rows, double *out_metric, double *out_score,
                   gm_err *err)
{
    score_ctx *c = opaque;
    double value = 0;
    gm_scores s = { .task = c->task, .rows = rows, .classes = c->classes, .truth = y, .predicted = predicted, .threshold = 0.5 };
    gm_rc rc = c->metric->compute(&s, c->scratch, &value, err);
    gm_arena_reset(c->scratch);
    if (rc) return rc;
    *out_metric = value;
    *out_score = c->metric->higher_is_better ? value : -value;
    return GM_OK;
}

static gm_rc read_program(gm_step_io *io, gm_program **out, gm_err *err)
{
    const gm_node *root = NULL;
    gm_rc rc = gm_io_json(io, "features", &root, err);
    return rc ? rc : gm_program_read(root, io->a, out, err);
}

static void write_training(const gm_trainer *t, const void *conf, const gm_train_result *r, const gm_trial *trials, int64_t count,
                           const char *metric, gm_json *j)
{
    gm_json_object(j);
    gm_json_kstr(j, "trainer", t->item.name);
    gm_json_kstr(j, "version", t->version);
    gm_json_kstr(j, "format", gm_model_format_name(r->format));
    gm_json_kstr(j, "file", r->file);
    gm_json_kint(j, "rounds", r->rounds);
    gm_json_kbool(j, "converged", r->converged);
    gm_json_kstr(j, "metric", metric);
    gm_json_key(j, "params");
    gm_json_object(j);
    gm_params_json(t->item.params, conf, j);
    gm_json_object_end(j);
    gm_json_key(j, "trials");
    gm_json_array(j);
    for (int64_t i = 0; i < count; i++) { /* no seconds: equal inputs must give equal bytes */
        gm_json_object(j);
        gm_json_kint(j, "number", trials[i].number);
        gm_json_kdouble(j, "metric", trials[i].metric);
        gm_json_kint(j, "rounds", trials[i].rounds);
        gm_json_kstr(j, "params", trials[i].params_json);
        gm_json_kstr(j, "error", trials[i].error);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
    gm_json_object_end(j);
}

static gm_rc run(gm_step_io *io, gm_err *err)
{
    gm_table all;
    gm_part train, valid;
    gm_matrix train_x, valid_x;
    gm_program *program = NULL;
    const gm_item *item = NULL, *metric = NULL;
    const gm_node *classes = gm_node_get(io->params, "classes");
    gm_fit_options fit = { .task = gm_task_from_name(gm_node_str_or(io->params, "task", "")),
                           .classes = classes ? (int64_t)classes->count : 0,
                           .seed = (uint64_t)gm_node_int_or(io->params, "seed", 1) };
    gm_rc rc = gm_registry_find(&gm_trainers, gm_node_str_or(io->params, "trainer", ""), &item, err);
    if (!rc) rc = gm_registry_find(&gm_metrics, gm_node_str_or(io->params, "metric", ""), &metric, err);
    if (!rc) rc = gm_examples_all(io, &all, err);
    if (!rc) rc = gm_examples_part(io, &all, GM_SIDE_TRAIN, &train, err);
    if (!rc) rc = gm_examples_part(io, &all, GM_SIDE_VALIDATION, &valid, err);
    if (!rc) rc = read_program(io, &program, err);
    if (!rc) rc = gm_program_fit_matrix(program, &train.table, train.target, &fit, io->a, &train_x, err);
    if (!rc) rc = gm_program_apply(program, &valid.table, io->a, &valid_x, err);
    if (rc) return rc;

    const gm_trainer *trainer = (const gm_trainer *)item;
    int64_t trials_count = gm_node_int_or(io->params, "trials", 1);
    void *conf = gm_arena_alloc(io->a, 1, item->conf_size + 1), *best = gm_arena_alloc(io->a, 1, item->conf_size + 1);
    gm_trial *trials = GM_ARENA_ARRAY(io->a, gm_trial, trials_count);
    gm_errs errs = { .arena = io->a };
    score_ctx ctx = { .metric = (const gm_metric *)metric, .task = fit.task, .classes = fit.classes, .scratch = gm_arena_new(0) };
    if (!conf || !best || !trials || !ctx.scratch) return gm_err_set(err, GM_ENOMEM, "not enough memory to train");
    rc = gm_params_read(item->params, gm_node_get(io->params, "params"), NULL, io->a, conf, &errs);
    (void)gm_errs_first(&errs, rc, err);
    gm_train_data data = {
        .x = &train_x, .y = train.target, .valid_x = &valid_x, .valid_y = valid.target, .task = fit.task, .classes = fit.classes
    };
    gm_train_options options = { .seed = fit.seed, .threads = io->threads, .out_dir = gm_arena_printf(io->a, "%s/out", io->dir) };
    gm_train_result result;
    if (!rc) rc = gm_search(trainer, conf, trials_count, &data, &options, score, &ctx, io->a, &result, best, trials, err);
    gm_arena_free(ctx.scratch);
    if (rc) return rc;
    (void)gm_io_output(io, "model", "model", result.file);
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    write_training(trainer, best, &result, trials, trials_count, metric->name, &j);
    rc = gm_io_write(io, "training", "report", "training.json", &b, err);
    gm_buf_clear(&b);
    if (!result.converged)
        gm_io_note(io, "warning: %s did not converge; more rounds or a stronger regularisation may help", item->name);
    io->rows = train.table.rows;
    return rc;
}

const gm_step_kind gm_step_kind_train = {
    .item = { .name = "train", .help = "search a trainer's parameters and keep its best model" },
    .version = 1,
    .uses_data = true,
    .run = run,
};
