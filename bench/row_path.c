/* row_path.c - one row from raw columns to a prediction: CPU of features, model and both, against model.onnx in ONNX Runtime.
 *
 * Every row comes as a request brings it: its values are written into a table of columns of one value, with dictionaries of one text;
 * that writing is counted to the features and to all. The two sides take turns; the smallest CPU time of `repeats` rounds counts. Both
 * give the same predictions, which is checked first. Prints one JSON object per line, times in nanoseconds of one thread; then rows in
 * blocks of 1,000 through the session.
 * Usage: bench_row_path [PACKAGE [repeats]]; PACKAGE: a folder that `gristmill models MODEL --export` wrote; without one the model of
 *        examples/flights is exported (after `make demo`).
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fs.h"
#include "base/random.h"
#include "data/engine.h"
#include "pipe/conform.h"
#include "pipe/scorer.h"

extern char **environ;

enum { ROWS = 2000, BATCH = 1000, COLUMNS_MAX = 256 };

/* The value of a column of one row. */
typedef struct cell {
    union {
        double f64;
        int64_t i64;
        int32_t code;
    };
    gm_dict dict;
} cell;

typedef struct bench {
    gm_arena *a;
    gm_scorer scorer;
    gm_scorer_session *session;
    gm_program_session *program;
    gm_model_work *work;
    gm_ort *ort;
    gm_table all; /* ROWS rows, the scorer's inputs in order */
    cell cells[COLUMNS_MAX];
    gm_column columns[COLUMNS_MAX];
    gm_table row;         /* the row that a request brings, over cells    */
    gm_table graph[ROWS]; /* what model.onnx reads for each row           */
    gm_matrix features[ROWS];
    int repeats;
} bench;

static _Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "row_path: %s\n", what);
    exit(1);
}

static void must(gm_rc rc, const gm_err *err)
{
    if (rc) fail(err->message);
}

static double cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const char *exported(void)
{
    static const char dir[] = "build/bench/flights-package";
    const char *const argv[] = { "build/release/gristmill", "models", "flights", "--file", "examples/flights/gristmill.yaml", "--export", dir, NULL };
    pid_t pid;
    int status = 0;
    if (gm_fs_is_dir(dir)) return dir;
    if (posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0)
        fail("no package to measure; give a folder, or run `make demo` first");
    return dir;
}

/* ---- rows ---- */

static void begin_row(bench *b)
{
    for (size_t k = 0; k < b->all.columns_count; k++) {
        const gm_column *c = &b->all.columns[k];
        b->columns[k] = (gm_column){ .name = c->name, .type = c->type, .rows = 1, .dict = c->dict ? &b->cells[k].dict : NULL };
        b->columns[k].i64 = &b->cells[k].i64;
    }
    b->row = (gm_table){ .rows = 1, .columns_count = b->all.columns_count, .columns = b->columns };
}

static void bring(bench *b, int i)
{
    for (size_t k = 0; k < b->row.columns_count; k++) {
        const gm_column *c = &b->all.columns[k];
        cell *one = &b->cells[k];
        if (c->type == GM_TYPE_FLOAT) {
            one->f64 = c->f64[i];
        } else if (c->type == GM_TYPE_STRING) {
            int32_t code = c->code[i];
            one->code = code < 0 ? GM_MISSING_CODE : 0;
            one->dict = code < 0 ? (gm_dict){ 0 } : (gm_dict){ &c->dict->texts[code], &c->dict->text_lens[code], 1 };
        } else {
            one->i64 = c->i64[i];
        }
    }
}

/* The package's reference rows, drawn again and again. */
static void read_rows(bench *b, const char *dir, gm_err *err)
{
    gm_engine *engine = NULL;
    gm_table t, drawn;
    gm_random r;
    int64_t index[ROWS];
    must(gm_engine_open(&(gm_engine_options){ .threads = 1 }, &engine, err), err);
    must(gm_data_read(engine, gm_path_join(b->a, dir, "reference.parquet"), b->scorer.inputs, b->scorer.inputs_count, 0, b->a, &t, err), err);
    gm_engine_close(engine);
    gm_random_init(&r, 1);
    for (int i = 0; i < ROWS; i++) index[i] = gm_random_below(&r, t.rows);
    must(gm_conform(&b->scorer, &t, b->a, &t, err), err);
    must(gm_table_take(&t, index, ROWS, b->a, &drawn, err), err);
    b->all = drawn;
    if (drawn.columns_count > COLUMNS_MAX) fail("too many columns");
    begin_row(b);
    for (int i = 0; i < ROWS; i++) {
        gm_table row;
        const int64_t here = i;
        must(gm_table_take(&drawn, &here, 1, b->a, &row, err), err);
        must(gm_program_onnx_table(b->scorer.program, &row, b->a, &b->graph[i], err), err);
        must(gm_program_apply(b->scorer.program, &row, b->a, &b->features[i], err), err);
    }
}

/* ---- sides ---- */

typedef void (*side)(bench *b, int i, double *out);

static void by_features(bench *b, int i, double *out)
{
    const gm_matrix *m = NULL;
    gm_err err;
    bring(b, i);
    must(gm_program_session_apply(b->program, &b->row, &m, &err), &err);
    out[0] = m->data[0];
}

static void by_model(bench *b, int i, double *out)
{
    gm_err err;
    must(gm_model_predict_with(b->scorer.model, b->work, &b->features[i], out, &err), &err);
}

static void by_session(bench *b, int i, double *out)
{
    gm_err err;
    bring(b, i);
    must(gm_scorer_session_predict(b->session, &b->row, out, &err), &err);
}

static void by_batch(bench *b, int i, double *out)
{
    (void)i;
    static double many[BATCH * 64];
    gm_err err;
    gm_table t = b->all;
    t.rows = BATCH;
    must(gm_scorer_session_predict(b->session, &t, many, &err), &err);
    out[0] = many[0];
}

static void by_ort(bench *b, int i, double *out)
{
    static gm_arena *scratch;
    gm_err err;
    double *values = NULL;
    int64_t width = 0;
    if (!scratch) scratch = gm_arena_new(0);
    gm_arena_rewind(scratch);
    must(gm_ort_predict(b->ort, &b->graph[i], b->scorer.task == GM_TASK_REGRESSION ? "prediction" : "probability", scratch, &values, &width, &err), &err);
    for (int64_t k = 0; k < b->scorer.outputs; k++) out[k] = values[k + (width > b->scorer.outputs)];
}

/* The smallest CPU time of a call, over rounds of `calls`. */
static void measure(bench *b, side f, int calls, double *best)
{
    double out[64], begin = cpu_ns();
    for (int i = 0; i < calls; i++) f(b, i, out);
    double ns = (cpu_ns() - begin) / calls;
    if (*best == 0 || ns < *best) *best = ns;
}

static double check_equal(bench *b)
{
    double worst = 0, x[64], y[64];
    for (int i = 0; i < ROWS; i++) {
        by_session(b, i, x);
        by_ort(b, i, y);
        for (int64_t k = 0; k < b->scorer.outputs; k++) worst = fmax(worst, fabs(x[k] - y[k]));
    }
    if (worst > 1e-4) fail("the two sides do not predict the same");
    return worst;
}

int main(int argc, char **argv)
{
    static bench b;
    gm_err err;
    const char *dir = argc > 1 ? argv[1] : exported();
    b.repeats = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 15;
    b.a = gm_arena_new(0);
    must(gm_scorer_package(dir, b.a, &b.scorer, &err), &err);
    if (!b.scorer.program || b.scorer.outputs > 64) fail("a model over features with at most 64 outputs is measured");
    must(gm_ort_open(gm_path_join(b.a, dir, "model.onnx"), &b.ort, &err), &err);
    must(gm_scorer_session_new(&b.scorer, &b.session, &err), &err);
    must(gm_model_work_new(b.scorer.model, &b.work, &err), &err);
    must(gm_program_session_new(b.scorer.program, &b.program, &err), &err);
    read_rows(&b, dir, &err);
    double worst = check_equal(&b), ns[5] = { 0 };
    const side sides[5] = { by_features, by_model, by_session, by_ort, by_batch };
    for (int r = 0; r < b.repeats; r++)
        for (int k = 0; k < 5; k++) measure(&b, sides[k], k == 4 ? 10 : ROWS, &ns[k]);
    printf("{\"name\": \"row_path\", \"inputs\": %zu, \"features\": %zu, \"features_ns\": %.0f, \"model_ns\": %.0f, \"all_ns\": %.0f, "
           "\"onnxruntime_ns\": %.0f, \"times_faster\": %.1f, \"largest_difference\": %.2g}\n",
           b.scorer.inputs_count, gm_program_width(b.scorer.program), ns[0], ns[1], ns[2], ns[3], ns[3] / ns[2], worst);
    printf("{\"name\": \"row_path_batch\", \"rows\": %d, \"ns_per_row\": %.1f}\n", BATCH, ns[4] / BATCH);
    gm_program_session_free(b.program);
    gm_model_work_free(b.work);
    gm_scorer_session_free(b.session);
    gm_ort_close(b.ort);
    gm_arena_free(b.a);
    return 0;
}
