/* test_trainers.c - every trainer: same inputs, same bytes; early stopping; what it refuses. */
#include <stdio.h>

#include "base/digest.h"
#include "base/fs.h"
#include "harness/harness.h"
#include "unit/trees/trees_data.h"

enum { ROWS = 3000, VALID = 1000, COLS = 8 };
#define CHANGES(...) (const char *const[]) { __VA_ARGS__, NULL }

static const struct {
    const char *name;
    int64_t classes;
    const char *const *changes;
} all[] = {
    { "xgboost", 2, CHANGES("rounds", "40", "subsample", "0.7", "colsample", "0.6") },
    { "xgboost", 3, CHANGES("rounds", "20") },
    { "xgboost", 0, CHANGES("rounds", "40") },
    { "lightgbm", 2, CHANGES("rounds", "40", "subsample", "0.7", "colsample", "0.6") },
    { "lightgbm", 3, CHANGES("rounds", "20") },
    { "lightgbm", 0, CHANGES("rounds", "40") },
    { "logistic", 2, CHANGES("c", "1") },
    { "logistic", 3, CHANGES("c", "1") },
    { "logistic", 2, CHANGES("penalty", "l1") },
    { "linear", 0, CHANGES("alpha", "1") },
    { "linear", 0, CHANGES("penalty", "l1", "alpha", "0.01") },
};
enum { ALL = sizeof(all) / sizeof(all[0]) };

static bool is_linear(const char *name) { return trainer_named(name)->wants_scaled; }

/* Train into a folder; the file's digest. */
static gm_digest train_in(const char *dir, const gm_trainer *t, const void *conf, const gm_train_data *d, uint64_t seed, int64_t threads, gm_train_result *r)
{
    gm_err err;
    gm_digest digest;
    gm_arena *a = gm_arena_new(0);
    CHECK_OK(gm_fs_mkdirs(dir, &err), &err);
    gm_rc rc = gm_train(t, conf, d, &(gm_train_options){ .seed = seed, .threads = threads, .out_dir = dir }, a, r, &err);
    if (rc == GM_EUNAVAILABLE) gm_harness_skip("%s", err.message);
    CHECK_OK(rc, &err);
    CHECK_OK(gm_digest_file(gm_path_join(a, dir, r->file), &digest, NULL, &err), &err);
    gm_arena_free(a);
    return digest;
}

static void same_inputs_give_the_same_bytes(void)
{
    gm_arena *a = gm_arena_new(0);
    const char *dir = gm_harness_tmpdir();
    for (size_t i = 0; i < ALL; i++) {
        double missing = is_linear(all[i].name) ? 0 : 0.1;
        made m = make_data(a, 1, ROWS, COLS, missing, 0, all[i].classes), v = make_data(a, 2, VALID, COLS, missing, 0, all[i].classes);
        gm_train_data d = train_data(&m, &v, all[i].classes);
        const gm_trainer *t = trainer_named(all[i].name);
        void *conf = make_conf(t, a, all[i].changes);
        gm_train_result r;
        gm_digest first = train_in(dir, t, conf, &d, 5, 1, &r), again = train_in(gm_path_join(a, dir, "again"), t, conf, &d, 5, 1, &r);
        CHECK_STR(again.hex, first.hex);
        CHECK(r.seconds > 0 && r.rounds > 0);
    }
    gm_arena_free(a);
}

/* Linear trainers add up in a fixed order. */
static void linear_trainers_do_not_depend_on_threads(void)
{
    gm_arena *a = gm_arena_new(0);
    const char *dir = gm_harness_tmpdir();
    for (size_t i = 0; i < ALL; i++) {
        if (!is_linear(all[i].name)) continue;
        made m = make_data(a, 1, 20000, COLS, 0, 0, all[i].classes);
        gm_train_data d = train_data(&m, NULL, all[i].classes);
        const gm_trainer *t = trainer_named(all[i].name);
        void *conf = make_conf(t, a, all[i].changes);
        gm_train_result r;
        gm_digest one = train_in(dir, t, conf, &d, 5, 1, &r), three = train_in(dir, t, conf, &d, 5, 3, &r);
        CHECK_STR(three.hex, one.hex);
    }
    gm_arena_free(a);
}

static void the_seed_matters_where_rows_are_drawn(void)
{
    static const char *const names[] = { "xgboost", "lightgbm" };
    gm_arena *a = gm_arena_new(0);
    const char *dir = gm_harness_tmpdir();
    made m = make_data(a, 1, ROWS, COLS, 0.1, 0, 2);
    gm_train_data d = train_data(&m, NULL, 2);
    for (int i = 0; i < 2; i++) {
        const gm_trainer *t = trainer_named(names[i]);
        void *conf = make_conf(t, a, CHANGES("rounds", "10", "subsample", "0.7"));
        gm_train_result r;
        gm_digest one = train_in(dir, t, conf, &d, 5, 1, &r), other = train_in(dir, t, conf, &d, 6, 1, &r);
        CHECK(strcmp(one.hex, other.hex) != 0);
    }
    gm_arena_free(a);
}

/* ---- predictions of what was written ------------------------------------------------------------------------ */

static double *predict(gm_arena *a, const char *dir, const gm_train_result *r, const gm_matrix *x, int64_t *out_outputs)
{
    gm_err err;
    gm_model *m = NULL;
    CHECK_OK(gm_model_load(r->format, gm_path_join(a, dir, r->file), a, &m, &err), &err);
    *out_outputs = gm_model_outputs(m);
    double *out = GM_ARENA_ARRAY(a, double, x->rows **out_outputs);
    CHECK_OK(gm_model_predict(m, x, out, &err), &err);
    return out;
}

static double loss_of(const double *p, int64_t outputs, const made *m, int64_t classes)
{
    double sum = 0;
    for (int64_t i = 0; i < m->x.rows; i++) {
        if (classes == 0) sum += (p[i] - m->y[i]) * (p[i] - m->y[i]);
        else if (outputs == 1) sum -= log(m->y[i] > 0 ? p[i] : 1 - p[i]);
        else sum -= log(p[i * outputs + (int64_t)m->y[i]]);
    }
    return sum / (double)m->x.rows;
}

/* The loss of the best constant, which every model must clearly beat on fresh rows. */
static double constant_loss(const made *m, int64_t classes)
{
    double mean = 0, squares = 0, shares[3] = { 0 };
    for (int64_t i = 0; i < m->x.rows; i++) {
        mean += m->y[i] / (double)m->x.rows;
        squares += m->y[i] * m->y[i] / (double)m->x.rows;
        if (classes) shares[(int64_t)m->y[i]] += 1 / (double)m->x.rows;
    }
    double entropy = 0;
    for (int k = 0; k < 3; k++) entropy -= shares[k] > 0 ? shares[k] * log(shares[k]) : 0;
    return classes ? entropy : squares - mean * mean;
}

static void models_beat_a_constant(void)
{
    gm_arena *a = gm_arena_new(0);
    const char *dir = gm_harness_tmpdir();
    for (size_t i = 0; i < ALL; i++) {
        made m = make_data(a, 1, ROWS, COLS, 0, 0, all[i].classes), v = make_data(a, 2, VALID, COLS, 0, 0, all[i].classes);
        gm_train_data d = train_data(&m, &v, all[i].classes);
        const gm_trainer *t = trainer_named(all[i].name);
        gm_train_result r;
        int64_t outputs = 0;
        (void)train_in(dir, t, make_conf(t, a, all[i].changes), &d, 5, 1, &r);
        double *p = predict(a, dir, &r, &v.x, &outputs);
        double share = loss_of(p, outputs, &v, all[i].classes) / constant_loss(&v, all[i].classes);
        if (!(share < 0.9)) gm_harness_fail(__FILE__, __LINE__, "%s: %g of a constant's loss", all[i].name, share);
    }
    gm_arena_free(a);
}

/* ---- early stopping ----------------------------------------------------------------------------------------- */

typedef struct log {
    int64_t rounds, best;
    double metrics[2000];
} log_t;

static void note(void *ctx, int64_t round, int64_t rounds, double metric)
{
    log_t *l = ctx;
    CHECK(round == l->rounds + 1 && round <= rounds);
    l->metrics[l->rounds++] = metric;
    if (l->best == 0 || metric < l->metrics[l->best - 1]) l->best = round;
}

/* The kept model is cut after the round with the best validation metric, and scores exactly that metric. */
static void the_best_round_is_kept(void)
{
    static const char *const names[] = { "xgboost", "lightgbm" };
    gm_err err;
    for (int i = 0; i < 2; i++)
        for (int64_t classes = 0; classes <= 3; classes += classes ? 1 : 2) {
            gm_arena *a = gm_arena_new(0);
            const char *dir = gm_harness_tmpdir();
            made m = make_data(a, 1, 600, COLS, 0.1, 0, classes), v = make_data(a, 2, VALID, COLS, 0.1, 0, classes);
            gm_train_data d = train_data(&m, &v, classes);
            const gm_trainer *t = trainer_named(names[i]);
            void *conf = make_conf(t, a, CHANGES("rounds", "2000", "learning_rate", "0.2", "early_stopping_rounds", "7"));
            log_t seen = { 0 };
            gm_train_result r;
            int64_t outputs = 0;
            gm_rc rc = gm_train(t, conf, &d, &(gm_train_options){ .out_dir = dir, .progress = note, .progress_ctx = &seen }, a, &r, &err);
            if (rc == GM_EUNAVAILABLE) gm_harness_skip("%s", err.message);
            CHECK_OK(rc, &err);
            CHECK(seen.rounds < 2000 && r.converged);
            CHECK(r.rounds == seen.best && seen.rounds == seen.best + 7);
            double *p = predict(a, dir, &r, &v.x, &outputs), loss = loss_of(p, outputs, &v, classes);
            CHECK_NEAR(classes ? loss : sqrt(loss), seen.metrics[seen.best - 1], 2e-6); /* the libraries sum float32 margins and labels */
            gm_arena_free(a);
        }
}

static void without_validation_all_rounds_are_kept(void)
{
    static const char *const names[] = { "xgboost", "lightgbm" };
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, ROWS, COLS, 0.1, 0, 2);
    gm_train_data d = train_data(&m, NULL, 2);
    for (int i = 0; i < 2; i++) {
        const gm_trainer *t = trainer_named(names[i]);
        gm_train_result r;
        (void)train_in(gm_harness_tmpdir(), t, make_conf(t, a, CHANGES("rounds", "33")), &d, 1, 1, &r);
        CHECK(r.rounds == 33);
    }
    gm_arena_free(a);
}

static void infinities_in_training_are_taken(void)
{
    static const char *const names[] = { "xgboost", "lightgbm" };
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, ROWS, COLS, 0.1, 0.02, 2);
    m.x.data[5] = 1e300;
    gm_train_data d = train_data(&m, &m, 2);
    for (int i = 0; i < 2; i++) {
        const gm_trainer *t = trainer_named(names[i]);
        const char *dir = gm_harness_tmpdir();
        gm_train_result r;
        int64_t outputs = 0;
        (void)train_in(dir, t, make_conf(t, a, CHANGES("rounds", "20")), &d, 1, 1, &r);
        CHECK(loss_of(predict(a, dir, &r, &m.x, &outputs), outputs, &m, 2) < 0.9 * constant_loss(&m, 2));
    }
    gm_arena_free(a);
}

/* A column of one value, fewer rows than a leaf needs, two rows: still a model. */
static void tiny_tables_give_a_model(void)
{
    gm_arena *a = gm_arena_new(0);
    for (size_t i = 0; i < ALL; i++)
        for (int64_t rows = 4; rows <= 12; rows += 8) {
            made m = make_data(a, 3, rows, 3, 0, 0, all[i].classes);
            for (int64_t r = 0; r < rows; r++) m.x.data[r] = 5;
            if (all[i].classes)
                for (int64_t r = 0; r < rows; r++) m.y[r] = (double)(r % all[i].classes);
            gm_train_data d = train_data(&m, &m, all[i].classes);
            const gm_trainer *t = trainer_named(all[i].name);
            const char *dir = gm_harness_tmpdir();
            gm_train_result r;
            int64_t outputs = 0;
            (void)train_in(dir, t, make_conf(t, a, all[i].changes), &d, 1, 1, &r);
            double *p = predict(a, dir, &r, &m.x, &outputs);
            for (int64_t k = 0; k < rows * outputs; k++) CHECK(isfinite(p[k]));
        }
    gm_arena_free(a);
}

static gm_rc try_train(const char *name, const char *const *changes, gm_train_data *d, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_train_result r;
    const gm_trainer *t = trainer_named(name);
    gm_rc rc = gm_train(t, make_conf(t, a, changes), d, &(gm_train_options){ .out_dir = gm_harness_tmpdir() }, a, &r, err);
    gm_arena_free(a);
    return rc;
}

static void what_does_not_suit_is_refused(void)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, 100, 3, 0, 0, 2);
    gm_train_data d = train_data(&m, NULL, 2);

    m.x.data[150] = NAN;
    CHECK_RC(try_train("logistic", NULL, &d, &err), GM_EINVALID);
    CHECK_HAS(err.message, "training row 50 is missing");
    m.x.data[150] = 0;
    CHECK_RC(try_train("linear", NULL, &d, &err), GM_EINVALID);
    CHECK_HAS(err.message, "cannot do binary");
    CHECK_RC(try_train("xgboost", CHANGES("stop_metric", "rmse"), &d, &err), GM_EINVALID);
    CHECK_HAS(err.hint, "log_loss");
    m.y[3] = 2;
    CHECK_RC(try_train("lightgbm", NULL, &d, &err), GM_EINVALID);
    CHECK_HAS(err.message, "row 3 is 2");
    m.y[3] = NAN;
    CHECK_RC(try_train("lightgbm", NULL, &d, &err), GM_EINVALID);
    for (int i = 0; i < 100; i++) m.y[i] = 1;
    CHECK_RC(try_train("xgboost", NULL, &d, &err), GM_EINVALID);
    CHECK_HAS(err.message, "the same class");
    CHECK_HAS(err.ctx[0], "training with xgboost");
    gm_arena_free(a);
}

TESTS(T(same_inputs_give_the_same_bytes), T(linear_trainers_do_not_depend_on_threads), T(the_seed_matters_where_rows_are_drawn), T(models_beat_a_constant),
      T(the_best_round_is_kept), T(without_validation_all_rounds_are_kept), T(infinities_in_training_are_taken), T(tiny_tables_give_a_model),
      T(what_does_not_suit_is_refused))
