/* gates.c - steps `gates` and `latency`: what a candidate must reach. Timing gates are a step of their own, because their answer
 * is a fact of this attempt on this machine: it is measured every time and never cached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "eval/evaluate.h"
#include "pipe/examples.h"
#include "pipe/scorer.h"

enum { WARM_UP = 20, TIMED_ROWS = 400 };

static void results_json(const gm_gate_result *results, size_t count, gm_json *j)
{
    gm_json_key(j, "gates");
    gm_json_array(j);
    for (size_t i = 0; i < count; i++) {
        gm_json_object(j);
        gm_json_kstr(j, "text", results[i].spec->text);
        gm_json_kstr(j, "verdict", gm_verdict_name(results[i].verdict));
        gm_json_kdouble(j, "observed", results[i].observed);
        gm_json_kdouble(j, "wanted", results[i].wanted);
        gm_json_kstr(j, "detail", results[i].detail);
        gm_json_object_end(j);
    }
    gm_json_array_end(j);
}

static gm_rc judge(gm_step_io *io, const gm_gate_result *results, size_t count, gm_err *err)
{
    const gm_gate_result *first = NULL;
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        if (results[i].verdict != GM_VERDICT_FAIL) continue;
        if (!first)
            first = &results[i];
        else
            gm_io_note(io, "gate failed too: %s (%.6g): %s", results[i].spec->text, results[i].observed,
                       results[i].detail ? results[i].detail : "");
        failed++;
    }
    gm_json_kint(io->facts, "gates", (int64_t)count);
    gm_json_kint(io->facts, "failed", (int64_t)failed);
    if (!first) return GM_OK;
    (void)gm_err_set(err, GM_EREFUSED, "the gate \"%s\" is not passed: %.6g against %.6g%s%s", first->spec->text, first->observed,
                     first->wanted, first->detail && first->detail[0] ? "; " : "", first->detail ? first->detail : "");
    gm_err_hint(err, "The candidate is kept but not registered; its card in reports/ shows what is weak.");
    return GM_EREFUSED;
}

static double value_at(double *sorted, size_t count, double q)
{
    return count ? sorted[(size_t)((double)(count - 1) * q)] : (double)NAN;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Single rows through the whole scorer, as a server would do it. */
static gm_rc measure(const gm_scorer *s, const gm_table *t, gm_arena *a, gm_gate_context *ctx, gm_err *err)
{
    int64_t rows = t->rows < TIMED_ROWS ? t->rows : TIMED_ROWS, one = 0;
    double *us = GM_ARENA_ARRAY(a, double, rows + 1), out[1024];
    if (t->rows == 0) return gm_err_set(err, GM_ECORRUPT, "the package has no reference rows to measure");
    if (!us || s->outputs > 1024) return gm_err_set(err, GM_ENOMEM, "not enough memory to measure latency");
    for (int64_t i = -WARM_UP; i < rows; i++) {
        gm_table row;
        one = i < 0 ? (-i) % t->rows : i;
        gm_rc rc = gm_table_take(t, &one, 1, a, &row, err);
        int64_t began = gm_monotonic_us();
        if (!rc) rc = gm_scorer_predict(s, &row, out, err);
        if (rc) return rc;
        if (i >= 0) us[i] = (double)(gm_monotonic_us() - began);
    }
    qsort(us, (size_t)rows, sizeof(*us), by_value);
    ctx->latency_us_p50 = value_at(us, (size_t)rows, 0.5);
    ctx->latency_us_p90 = value_at(us, (size_t)rows, 0.9);
    ctx->latency_us_p99 = value_at(us, (size_t)rows, 0.99);
    return GM_OK;
}

static gm_rc read_gates(gm_step_io *io, gm_task task, const gm_table *t, gm_gate_spec **out, size_t *out_count, gm_err *err)
{
    gm_errs errs = { .arena = io->a };
    gm_rc rc = gm_gates_read(gm_node_get(io->params, "gates"), task, t, io->a, out, out_count, &errs);
    (void)gm_errs_first(&errs, rc, err);
    return rc;
}

/* When a package's last training row was; false: it does not say. */
static bool trained_to(gm_step_io *io, const char *dir, int64_t *out_us)
{
    gm_node *schema = NULL;
    if (gm_node_read_file(gm_arena_printf(io->a, "%s/schema.json", dir), io->a, &schema, NULL)) return false;
    return gm_time_parse(gm_node_str_or(schema, "train_to", ""), out_us);
}

/* Rows later than a time; the others have index[count ..] free. A row without a time is later than nothing. */
static int64_t later_than(const gm_column *time, int64_t last_us, int64_t *index)
{
    int64_t count = 0;
    for (int64_t i = 0; i < time->rows; i++)
        if (time->i64[i] > last_us) index[count++] = i;
    return count;
}

/* Test rows later than the champion's last training row, so that neither model has seen them. Where the candidate was split by
 * time and no row is left, its data ends before the champion's: whatever the comparison said, it would be about rows that the
 * champion knows. Of a row without a time nobody can say who has seen it: it counts for nothing. */
static gm_rc unseen_rows(gm_step_io *io, const char *candidate_dir, const char *champion_dir, gm_part *test, gm_err *err)
{
    int64_t last = 0, own = 0;
    char text[48];
    const char *time = gm_node_str_or(io->params, "time", NULL);
    const gm_column *c = time ? gm_table_find(&test->table, time) : NULL;
    if (!c || c->type != GM_TYPE_TIME || !trained_to(io, champion_dir, &last)) return GM_OK;
    int64_t *index = GM_ARENA_ARRAY(io->a, int64_t, c->rows);
    if (!index) return gm_err_set(err, GM_ENOMEM, "not enough memory for the test rows");
    int64_t timed = later_than(c, INT64_MIN, index);
    bool by_time = timed > 0 && trained_to(io, candidate_dir, &own) && later_than(c, own, index) == timed;
    int64_t count = later_than(c, last, index);
    if (count == 0 && by_time) {
        (void)gm_err_set(err, GM_EREFUSED,
                         "no test row is later than the champion's last training row, %s: there is nothing to compare on",
                         gm_time_text(last, text, sizeof(text)));
        gm_err_hint(err, "Run again when newer rows have their labels. If the data was exchanged: `gristmill models MODEL "
                         "--drop-alias champion`.");
        return GM_EREFUSED;
    }
    if (count == c->rows || count == 0) return GM_OK;
    gm_io_note(io, "compared on %lld test rows after the champion's last training row", (long long)count);
    gm_rc rc = gm_table_take(&test->table, index, count, io->a, &test->table, err);
    if (!rc) test->target = (double *)(uintptr_t)gm_table_find(&test->table, GM_TARGET_COLUMN)->f64; /* ours: just taken */
    return rc;
}

static gm_rc compare_json(gm_step_io *io, const gm_scores *candidate, const gm_scores *champion, gm_json *j, gm_err *err)
{
    const gm_item *metric = NULL;
    gm_comparison c;
    gm_rc rc = gm_registry_find(&gm_metrics, gm_node_str_or(io->params, "metric", ""), &metric, err);
    if (!rc) rc = gm_compare((const gm_metric *)metric, candidate, champion, 1, io->a, &c, err);
    if (rc) return rc;
    gm_json_key(j, "comparison");
    gm_json_object(j);
    gm_json_kstr(j, "metric", metric->name);
    gm_json_kdouble(j, "delta", c.delta);
    gm_json_kdouble(j, "low", c.low);
    gm_json_kdouble(j, "high", c.high);
    gm_json_kdouble(j, "p_value", c.p_value);
    gm_json_kstr(j, "method", c.method);
    gm_json_object_end(j);
    return GM_OK;
}

/* Bytes of a package's files, as its manifest says. */
static double package_size(gm_step_io *io, const char *dir)
{
    gm_node *manifest = NULL;
    double total = 0;
    if (gm_node_read_file(gm_arena_printf(io->a, "%s/manifest.json", dir), io->a, &manifest, NULL)) return (double)NAN;
    const gm_node *files = gm_node_get(manifest, "files");
    for (size_t i = 0; files && i < files->count; i++) total += gm_node_double_or(files->items[i], "size_bytes", 0);
    return total;
}

/* Equal tasks and equal classes in equal order: else a probability of one is that of another class of the other. */
static bool same_question(const gm_scorer *x, const gm_scorer *y)
{
    bool same = x->task == y->task && x->classes_count == y->classes_count;
    for (int64_t i = 0; same && i < x->classes_count; i++) same = strcmp(x->classes[i], y->classes[i]) == 0;
    return same;
}

static gm_rc run_gates(gm_step_io *io, gm_err *err)
{
    gm_table all;
    gm_part test;
    gm_scorer candidate, champion;
    gm_gate_spec *specs = NULL;
    size_t count = 0;
    const gm_step_input *package = NULL, *old = gm_io_find(io, "champion");
    gm_rc rc = gm_examples_all(io, &all, err);
    if (!rc) rc = gm_examples_part(io, &all, GM_SIDE_TEST, &test, err);
    if (!rc) rc = gm_io_input(io, "package", &package, err);
    if (!rc) rc = gm_scorer_package(package->path, io->a, &candidate, err);
    if (!rc && old) rc = gm_scorer_package(old->path, io->a, &champion, err);
    if (!rc && old) rc = unseen_rows(io, package->path, old->path, &test, err);
    if (!rc) rc = read_gates(io, candidate.task, &test.table, &specs, &count, err);
    if (rc) return rc;

    double *p = GM_ARENA_ARRAY(io->a, double, test.table.rows *candidate.outputs),
           *q = old ? GM_ARENA_ARRAY(io->a, double, test.table.rows *champion.outputs) : NULL;
    gm_gate_result *results = GM_ARENA_ARRAY(io->a, gm_gate_result, count);
    if (!p || (old && !q) || !results) return gm_err_set(err, GM_ENOMEM, "not enough memory to score the test rows");
    rc = gm_scorer_predict(&candidate, &test.table, p, err);
    if (!rc && old && !same_question(&candidate, &champion)) {
        rc = gm_err_set(err, GM_EINVALID, "the champion answers another question (%s, %lld classes); it cannot be compared",
                        gm_task_name(champion.task), (long long)champion.classes_count);
        gm_err_hint(err, "If the question changed on purpose: `gristmill models MODEL --drop-alias champion`, then run again.");
    }
    if (!rc && old) rc = gm_err_ctx(err, gm_scorer_predict(&champion, &test.table, q, err), "scoring the champion");
    if (rc) return rc;
    gm_scores ours = gm_part_scores(&test, candidate.task, candidate.classes_count, p),
              theirs = gm_part_scores(&test, candidate.task, candidate.classes_count, q);
    gm_gate_context ctx = { .scores = &ours,
                            .champion = old ? &theirs : NULL,
                            .columns = &test.table,
                            .latency_us_p50 = (double)NAN,
                            .latency_us_p90 = (double)NAN,
                            .latency_us_p99 = (double)NAN,
                            .size_bytes = package_size(io, package->path) };
    rc = gm_gates_run(specs, count, &ctx, io->a, results, err);
    if (rc) return rc;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kint(&j, "rows", test.table.rows);
    gm_json_kstr(&j, "champion", old ? old->digest : NULL);
    results_json(results, count, &j);
    if (old) rc = compare_json(io, &ours, &theirs, &j, err);
    gm_json_object_end(&j);
    if (!rc) rc = gm_io_write(io, "gates", "report", "gates.json", &b, err);
    gm_buf_clear(&b);
    io->rows = test.table.rows;
    return rc ? rc : judge(io, results, count, err);
}

static gm_rc run_latency(gm_step_io *io, gm_err *err)
{
    gm_table rows; /* the package's own reference rows */
    gm_scorer candidate;
    gm_gate_spec *specs = NULL;
    size_t count = 0;
    const gm_step_input *package = NULL;
    gm_rc rc = gm_io_input(io, "package", &package, err);
    if (!rc) rc = gm_scorer_package(package->path, io->a, &candidate, err);
    gm_engine *engine = NULL;
    if (!rc) rc = gm_io_engine(io, &engine, err);
    if (!rc)
        rc = gm_data_read(engine, gm_arena_printf(io->a, "%s/reference.parquet", package->path), NULL, 0, TIMED_ROWS, io->a,
                          &rows, err);
    if (rc) return rc;
    rc = read_gates(io, candidate.task, &rows, &specs, &count, err);
    gm_gate_result *results = GM_ARENA_ARRAY(io->a, gm_gate_result, count);
    double *p = rc ? NULL : GM_ARENA_ARRAY(io->a, double, rows.rows *candidate.outputs);
    const gm_column *target = gm_table_find(&rows, GM_TARGET_COLUMN);
    if (!rc && (!results || !p)) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for the gates");
    if (!rc && !target) rc = gm_err_set(err, GM_ECORRUPT, "the package's reference rows have no target");
    if (!rc) rc = gm_scorer_predict(&candidate, &rows, p, err);
    if (rc) return rc;
    gm_part part = { .table = rows, .target = (double *)(uintptr_t)target->f64 }; /* only read */
    gm_scores scores = gm_part_scores(&part, candidate.task, candidate.classes_count, p);
    gm_gate_context ctx = { .scores = &scores, .columns = &rows, .size_bytes = (double)NAN };
    if (!rc) rc = measure(&candidate, &rows, io->a, &ctx, err);
    if (!rc) rc = gm_gates_run(specs, count, &ctx, io->a, results, err);
    if (rc) return rc;
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_kdouble(&j, "p50_us", ctx.latency_us_p50);
    gm_json_kdouble(&j, "p90_us", ctx.latency_us_p90);
    gm_json_kdouble(&j, "p99_us", ctx.latency_us_p99);
    results_json(results, count, &j);
    gm_json_object_end(&j);
    rc = gm_io_write(io, "latency", "report", "latency.json", &b, err);
    gm_buf_clear(&b);
    if (!rc) gm_io_note(io, "one row, features included: p50 %.0f us, p99 %.0f us", ctx.latency_us_p50, ctx.latency_us_p99);
    return rc ? rc : judge(io, results, count, err);
}

const gm_step_kind gm_step_kind_gates = {
    .item = { .name = "gates", .help = "judge the candidate, and compare it with the champion" },
    .version = 2,
    .uses_data = true,
    .run = run_gates,
};

const gm_step_kind gm_step_kind_latency = {
    .item = { .name = "latency", .help = "measure single predictions and judge timing gates" },
    .version = 1,
    .run = run_latency,
};
