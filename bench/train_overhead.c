/* train_overhead.c - training through gm_trainer against the library called directly, same parameters, 200,000 x 25; and a search of 10 trials.
 *
 * The direct side is the plainest good use of each library's C interface: its own matrix from dense rows (row-major float32 for XGBoost,
 * double for LightGBM), the same rounds and thread, the model saved to a buffer. No validation on either side, so that both do the
 * same rounds. Each pair runs `repeats` times, sides in turn; the ratio is of the smallest CPU times, which other programs on the machine
 * disturb less than the clock's. Prints one JSON object per line.
 * Usage: bench_train_overhead [rows [repeats [threads [trials]]]]; trials 0: no search
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "train/lightgbm_api.h"
#include "train/trainer.h"
#include "train/xgboost_api.h"

enum { COLS = 25, ROUNDS = 100, ROUNDS_SEARCH = 300, TRIALS_MAX = 100 };

typedef struct cost {
    double seconds, cpu_seconds;
} cost;

typedef struct bench {
    gm_arena *a;
    const char *dir;
    int64_t rows, valid_rows, repeats, threads, trials;
    gm_matrix x, valid_x;
    double *y, *valid_y;
} bench;

static _Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "train_overhead: %s\n", what);
    exit(1);
}

static cost now(void) { return (cost){ (double)gm_monotonic_us() * 1e-6, (double)gm_cpu_us() * 1e-6 }; }

static cost since(cost start)
{
    cost end = now();
    return (cost){ end.seconds - start.seconds, end.cpu_seconds - start.cpu_seconds };
}

static void smaller(cost *best, cost c)
{
    best->seconds = fmin(best->seconds, c.seconds);
    best->cpu_seconds = fmin(best->cpu_seconds, c.cpu_seconds);
}

static void must(gm_rc rc, const gm_err *err)
{
    if (rc) fail(err->message);
}

/* Numbers, a few missing; a third of the columns one-hot; a target that trees and lines can both partly learn. */
static void make(gm_arena *a, uint64_t seed, int64_t rows, bool complete, gm_matrix *x, double **y)
{
    gm_random r;
    gm_random_init(&r, seed);
    *x = (gm_matrix){ .data = GM_ARENA_ARRAY(a, double, rows *COLS), .rows = rows, .cols = COLS };
    *y = GM_ARENA_ARRAY(a, double, rows);
    if (!x->data || !*y) fail("out of memory");
    for (int64_t c = 0; c < COLS; c++)
        for (int64_t i = 0; i < rows; i++) x->data[c * rows + i] = c % 3 == 2 ? gm_random_double(&r) < 0.1 : gm_random_normal(&r);
    for (int64_t i = 0; i < rows; i++) {
        double z = -1.5;
        for (int64_t c = 0; c < COLS; c++) z += x->data[c * rows + i] * (0.4 / (double)(c + 1));
        z += 0.5 * x->data[i] * x->data[rows + i];
        (*y)[i] = gm_random_double(&r) < 1 / (1 + exp(-z));
    }
    for (int64_t i = 0; !complete && i < rows * COLS; i++)
        if (gm_random_double(&r) < 0.03) x->data[i] = NAN;
}

static const gm_trainer *trainer(const char *name)
{
    gm_err err;
    const gm_item *item = NULL;
    must(gm_registry_find(&gm_trainers, name, &item, &err), &err);
    return (const gm_trainer *)item;
}

static void *conf_of(const bench *b, const gm_trainer *t, int64_t rounds)
{
    gm_errs errs = { .arena = b->a };
    char text[32];
    void *conf = gm_arena_alloc(b->a, 1, t->item.conf_size);
    if (!conf || gm_params_read(t->item.params, NULL, NULL, b->a, conf, &errs)) fail("defaults");
    (void)snprintf(text, sizeof(text), "%" PRId64, rounds);
    for (const gm_param *p = t->item.params; p->type != GM_PARAM_END; p++)
        if (strcmp(p->name, "rounds") == 0 && gm_param_parse(p, text, b->a, conf, NULL)) fail("rounds");
    return conf;
}

static cost ours(const bench *b, const char *name)
{
    gm_err err;
    gm_train_result r;
    const gm_trainer *t = trainer(name);
    gm_train_data d = { .x = &b->x, .y = b->y, .task = GM_TASK_BINARY, .classes = 2 };
    void *conf = conf_of(b, t, ROUNDS);
    cost start = now();
    must(gm_train(t, conf, &d, &(gm_train_options){ .seed = 1, .threads = b->threads, .out_dir = b->dir }, b->a, &r, &err), &err);
    return since(start);
}

static cost direct_xgboost(const bench *b)
{
    gm_err err;
    gm_xgboost api;
    char array[192], text[32];
    void *matrix = NULL, *booster = NULL;
    uint64_t len = 0;
    const char *bytes = NULL;
    must(gm_xgboost_load(&api, &err), &err);
    float *rows = malloc((size_t)(b->rows * COLS) * sizeof(*rows)); /* an application that calls the library has these at hand: not timed */
    if (!rows) fail("out of memory");
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t c = 0; c < COLS; c++) rows[r * COLS + c] = (float)b->x.data[c * b->rows + r];
    cost start = now();
    (void)snprintf(array, sizeof(array), "{\"data\": [%" PRIuPTR ", true], \"shape\": [%" PRId64 ", %d], \"typestr\": \"<f4\", \"version\": 3}", (uintptr_t)rows, b->rows, COLS);
    (void)snprintf(text, sizeof(text), "%" PRId64, b->threads);
    int bad = api.XGDMatrixCreateFromDense(array, "{\"missing\": NaN}", &matrix);
    (void)snprintf(array, sizeof(array), "{\"data\": [%" PRIuPTR ", true], \"shape\": [%" PRId64 "], \"typestr\": \"<f8\", \"version\": 3}", (uintptr_t)b->y, b->rows);
    bad |= api.XGDMatrixSetInfoFromInterface(matrix, "label", array) | api.XGBoosterCreate(&matrix, 1, &booster);
    static const char *const settings[] = { "objective", "binary:logistic", "tree_method", "hist", "learning_rate", "0.1", "max_depth", "6", "seed", "1", "verbosity", "0" };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i += 2) bad |= api.XGBoosterSetParam(booster, settings[i], settings[i + 1]);
    bad |= api.XGBoosterSetParam(booster, "nthread", text);
    for (int i = 0; i < ROUNDS; i++) bad |= api.XGBoosterUpdateOneIter(booster, i, matrix);
    bad |= api.XGBoosterSaveModelToBuffer(booster, "{\"format\": \"json\"}", &len, &bytes);
    cost spent = since(start);
    if (bad) fail(api.XGBGetLastError());
    (void)api.XGBoosterFree(booster);
    (void)api.XGDMatrixFree(matrix);
    free(rows);
    return spent;
}

static cost direct_lightgbm(const bench *b)
{
    gm_err err;
    gm_lightgbm api;
    char text[256];
    void *data = NULL, *booster = NULL;
    int finished = 0;
    int64_t len = 0;
    must(gm_lightgbm_load(&api, &err), &err);
    double *rows = malloc((size_t)(b->rows * COLS) * sizeof(*rows));
    float *label = malloc((size_t)b->rows * sizeof(*label));
    if (!rows || !label) fail("out of memory");
    for (int64_t r = 0; r < b->rows; r++) {
        label[r] = (float)b->y[r];
        for (int64_t c = 0; c < COLS; c++) rows[r * COLS + c] = b->x.data[c * b->rows + r];
    }
    (void)snprintf(text, sizeof(text), "objective=binary learning_rate=0.1 num_leaves=31 seed=1 deterministic=true force_row_wise=true verbosity=-1 num_threads=%" PRId64, b->threads);
    cost start = now();
    int bad = api.LGBM_DatasetCreateFromMat(rows, GM_LIGHTGBM_FLOAT64, (int32_t)b->rows, COLS, 1, text, NULL, &data);
    bad |= api.LGBM_DatasetSetField(data, "label", label, (int)b->rows, GM_LIGHTGBM_FLOAT32) | api.LGBM_BoosterCreate(data, text, &booster);
    for (int i = 0; i < ROUNDS && !finished; i++) bad |= api.LGBM_BoosterUpdateOneIter(booster, &finished);
    bad |= api.LGBM_BoosterSaveModelToString(booster, 0, -1, 0, 0, &len, NULL);
    char *model = malloc((size_t)len);
    bad |= !model || api.LGBM_BoosterSaveModelToString(booster, 0, -1, 0, len, &len, model);
    cost spent = since(start);
    if (bad) fail(api.LGBM_GetLastError());
    (void)api.LGBM_BoosterFree(booster);
    (void)api.LGBM_DatasetFree(data);
    free(model);
    free(rows);
    free(label);
    return spent;
}

static void overhead(const bench *b, const char *name, cost (*direct)(const bench *))
{
    cost us = { INFINITY, INFINITY }, library = us;
    for (int64_t i = 0; i < b->repeats; i++) {
        smaller(&library, direct(b));
        smaller(&us, ours(b, name));
    }
    printf("{\"name\": \"train_overhead_%s\", \"rows\": %" PRId64 ", \"cols\": %d, \"rounds\": %d, \"threads\": %" PRId64
           ", \"seconds\": %.3f, \"direct_seconds\": %.3f, \"cpu_seconds\": %.3f, \"direct_cpu_seconds\": %.3f, \"ratio\": %.3f}\n",
           name, b->rows, COLS, ROUNDS, b->threads, us.seconds, library.seconds, us.cpu_seconds, library.cpu_seconds, us.cpu_seconds / library.cpu_seconds);
    (void)fflush(stdout);
}

static gm_rc log_loss(void *ctx, const double *y, const double *p, int64_t rows, double *out_metric, double *out_score, gm_err *err)
{
    (void)ctx;
    (void)err;
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) sum -= log(y[i] > 0 ? p[i] : 1 - p[i]);
    *out_metric = sum / (double)rows;
    *out_score = -*out_metric;
    return GM_OK;
}

static void search(const bench *b, const char *name)
{
    gm_err err;
    gm_train_result r;
    gm_trial trials[TRIALS_MAX];
    const gm_trainer *t = trainer(name);
    bench c = *b;
    if (t->wants_scaled) {
        make(b->a, 1, b->rows, true, &c.x, &c.y);
        make(b->a, 2, b->valid_rows, true, &c.valid_x, &c.valid_y);
    }
    gm_train_data d = { .x = &c.x, .y = c.y, .valid_x = &c.valid_x, .valid_y = c.valid_y, .task = GM_TASK_BINARY, .classes = 2 };
    void *conf = conf_of(b, t, ROUNDS_SEARCH), *best = conf_of(b, t, 1);
    int64_t rounds = 0;
    cost start = now();
    must(gm_search(t, conf, b->trials, &d, &(gm_train_options){ .seed = 1, .threads = b->threads, .out_dir = b->dir }, log_loss, NULL, b->a, &r, best, trials, &err), &err);
    cost spent = since(start);
    for (int64_t i = 0; i < b->trials; i++) rounds += trials[i].rounds;
    printf("{\"name\": \"search_%s\", \"rows\": %" PRId64 ", \"trials\": %" PRId64 ", \"threads\": %" PRId64 ", \"rounds\": %" PRId64 ", \"seconds\": %.2f, \"cpu_seconds\": %.2f}\n",
           name, b->rows, b->trials, b->threads, rounds, spent.seconds, spent.cpu_seconds);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    gm_err err;
    char dir[] = "/tmp/gm-bench-XXXXXX";
    bench b = { .a = gm_arena_new(0), .rows = argc > 1 ? strtoll(argv[1], NULL, 10) : 200000, .repeats = argc > 2 ? strtoll(argv[2], NULL, 10) : 3,
                .threads = argc > 3 ? strtoll(argv[3], NULL, 10) : 1, .trials = argc > 4 ? strtoll(argv[4], NULL, 10) : 10 };
    b.dir = mkdtemp(dir);
    b.valid_rows = b.rows / 5;
    if (!b.a || !b.dir || b.rows < 1000 || b.trials < 0 || b.trials > TRIALS_MAX) fail("usage: bench_train_overhead [rows [repeats [threads [trials]]]]");
    make(b.a, 1, b.rows, false, &b.x, &b.y);
    make(b.a, 2, b.valid_rows, false, &b.valid_x, &b.valid_y);
    overhead(&b, "xgboost", direct_xgboost);
    overhead(&b, "lightgbm", direct_lightgbm);
    if (b.trials) search(&b, "logistic");
    if (b.trials) search(&b, "xgboost");
    if (b.trials) search(&b, "lightgbm");
    must(gm_fs_remove_tree(b.dir, &err), &err);
    gm_arena_free(b.a);
    return 0;
}
