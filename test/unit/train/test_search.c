/* test_search.c - random search: what a trial is, which one wins, and that the winner's file is what training alone would write. */
#include <stdio.h>

#include "base/digest.h"
#include "base/fs.h"
#include "harness/harness.h"
#include "unit/trees/trees_data.h"

enum { ROWS = 2000, VALID = 800, COLS = 6, TRIALS = 6 };

/* Minus the mean squared error, for classes too (Brier). */
static gm_rc score(void *ctx, const double *y, const double *p, int64_t rows, double *out_metric, double *out_score, gm_err *err)
{
    (void)err;
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) sum += (p[i] - y[i]) * (p[i] - y[i]);
    *out_metric = sum / (double)rows;
    *out_score = ctx ? 1 : -*out_metric; /* with a context: all equal */
    return GM_OK;
}

typedef struct found {
    gm_train_result best;
    gm_trial trials[TRIALS];
    void *conf;
    gm_digest digest;
} found;

static found search_in(gm_arena *a, const char *dir, const gm_trainer *t, const gm_train_data *d, int64_t trials, void *ctx)
{
    found f = { .conf = gm_arena_alloc(a, 1, t->item.conf_size) };
    gm_err err;
    const char *const changes[] = { t->wants_scaled ? "tolerance" : "rounds", t->wants_scaled ? "1e-6" : "25", NULL };
    CHECK_OK(gm_fs_mkdirs(dir, &err), &err);
    gm_rc rc = gm_search(t, make_conf(t, a, changes), trials, d, &(gm_train_options){ .seed = 11, .threads = 1, .out_dir = dir }, score, ctx, a, &f.best, f.conf,
                         f.trials, &err);
    if (rc == GM_EUNAVAILABLE) gm_harness_skip("%s", err.message);
    CHECK_OK(rc, &err);
    CHECK_OK(gm_digest_file(gm_path_join(a, dir, f.best.file), &f.digest, NULL, &err), &err);
    return f;
}

static const char *const names[] = { "xgboost", "lightgbm", "logistic" };
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static int64_t best_of(const found *f, int64_t trials)
{
    int64_t best = 0;
    for (int64_t i = 1; i < trials; i++)
        if (f->trials[i].score > f->trials[best].score) best = i;
    return best;
}

static void the_winner_is_what_training_alone_writes(void)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, ROWS, COLS, 0, 0, 2), v = make_data(a, 2, VALID, COLS, 0, 0, 2);
    gm_train_data d = train_data(&m, &v, 2);
    for (int i = 0; i < NAMES; i++) {
        const gm_trainer *t = trainer_named(names[i]);
        const char *dir = gm_harness_tmpdir(), *alone = gm_path_join(a, dir, "alone");
        found f = search_in(a, dir, t, &d, TRIALS, NULL);
        gm_train_result r;
        gm_digest digest;
        CHECK_OK(gm_fs_mkdirs(alone, &err), &err);
        CHECK_OK(gm_train(t, f.conf, &d, &(gm_train_options){ .seed = 11, .threads = 1, .out_dir = alone }, a, &r, &err), &err);
        CHECK_OK(gm_digest_file(gm_path_join(a, alone, r.file), &digest, NULL, &err), &err);
        CHECK_STR(digest.hex, f.digest.hex);
        CHECK(r.rounds == f.best.rounds && f.trials[best_of(&f, TRIALS)].rounds == r.rounds);
        CHECK(!gm_fs_exists(gm_path_join(a, dir, ".trial")));
    }
    gm_arena_free(a);
}

static void trials_are_reproducible_and_independent_of_their_number(void)
{
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, ROWS, COLS, 0, 0, 2), v = make_data(a, 2, VALID, COLS, 0, 0, 2);
    gm_train_data d = train_data(&m, &v, 2);
    for (int i = 0; i < NAMES; i++) {
        const gm_trainer *t = trainer_named(names[i]);
        const char *dir = gm_harness_tmpdir();
        found f = search_in(a, dir, t, &d, TRIALS, NULL), g = search_in(a, gm_path_join(a, dir, "g"), t, &d, TRIALS, NULL),
              few = search_in(a, gm_path_join(a, dir, "few"), t, &d, 3, NULL);
        CHECK_STR(f.digest.hex, g.digest.hex);
        for (int k = 0; k < TRIALS; k++) {
            CHECK(f.trials[k].number == k && f.trials[k].score == g.trials[k].score);
            CHECK_STR(f.trials[k].params_json, g.trials[k].params_json);
            CHECK(f.trials[k].seconds > 0);
            if (k < 3) CHECK_STR(f.trials[k].params_json, few.trials[k].params_json);
            for (int l = 0; l < k; l++) CHECK(strcmp(f.trials[k].params_json, f.trials[l].params_json) != 0);
        }
    }
    gm_arena_free(a);
}

static void trial_0_is_what_the_user_wrote(void)
{
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, ROWS, COLS, 0, 0, 2), v = make_data(a, 2, VALID, COLS, 0, 0, 2);
    gm_train_data d = train_data(&m, &v, 2);
    found f = search_in(a, gm_harness_tmpdir(), trainer_named("lightgbm"), &d, 2, NULL);
    CHECK_HAS(f.trials[0].params_json, "\"rounds\":25");
    CHECK_HAS(f.trials[0].params_json, "\"learning_rate\":0.1");
    CHECK_HAS(f.trials[1].params_json, "\"rounds\":25"); /* not searched */
    gm_arena_free(a);
}

static void ties_go_to_the_lowest_number(void)
{
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, ROWS, COLS, 0, 0, 2), v = make_data(a, 2, VALID, COLS, 0, 0, 2);
    gm_train_data d = train_data(&m, &v, 2);
    int equal = 1;
    const gm_trainer *t = trainer_named("logistic");
    found f = search_in(a, gm_harness_tmpdir(), t, &d, TRIALS, &equal);
    CHECK(memcmp(f.conf, make_conf(t, a, (const char *const[]){ "tolerance", "1e-6", NULL }), sizeof(double)) == 0);
    gm_arena_free(a);
}

static void one_trial_needs_no_validation(void)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, ROWS, COLS, 0, 0, 0);
    gm_train_data d = train_data(&m, NULL, 0);
    const gm_trainer *t = trainer_named("linear");
    gm_train_result r;
    gm_trial trials[2];
    void *conf = make_conf(t, a, NULL), *best = make_conf(t, a, NULL);
    gm_train_options o = { .out_dir = gm_harness_tmpdir() };
    CHECK_OK(gm_search(t, conf, 1, &d, &o, score, NULL, a, &r, best, trials, &err), &err);
    CHECK(isnan(trials[0].score) && gm_harness_files_in(o.out_dir, ".") == 1);
    CHECK_RC(gm_search(t, conf, 2, &d, &o, score, NULL, a, &r, best, trials, &err), GM_EINVALID);
    CHECK_HAS(err.message, "no validation rows");
    CHECK_RC(gm_search(t, conf, 0, &d, &o, score, NULL, a, &r, best, trials, &err), GM_EINVALID);
    gm_arena_free(a);
}

/* A trial that cannot be scored is passed over; the first one ends the search. */
static gm_rc fail_nth(void *ctx, const double *y, const double *p, int64_t rows, double *out_metric, double *out_score, gm_err *err)
{
    int *left = ctx;
    if ((*left)-- == 0) return gm_err_set(err, GM_EINVALID, "no score today");
    return score(NULL, y, p, rows, out_metric, out_score, err);
}

static void a_failed_trial_is_recorded(void)
{
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 1, ROWS, COLS, 0, 0, 2), v = make_data(a, 2, VALID, COLS, 0, 0, 2);
    gm_train_data d = train_data(&m, &v, 2);
    const gm_trainer *t = trainer_named("logistic");
    gm_train_result r;
    gm_trial trials[3];
    int left = 1;
    void *conf = make_conf(t, a, NULL), *best = make_conf(t, a, NULL);
    gm_train_options o = { .out_dir = gm_harness_tmpdir() };
    CHECK_OK(gm_search(t, conf, 3, &d, &o, fail_nth, &left, a, &r, best, trials, &err), &err);
    CHECK_STR(trials[1].error, "no score today");
    CHECK(isnan(trials[1].score) && !isnan(trials[2].score) && trials[2].error[0] == '\0');
    left = 0;
    CHECK_RC(gm_search(t, conf, 3, &d, &o, fail_nth, &left, a, &r, best, trials, &err), GM_EINVALID);
    CHECK_HAS(err.ctx[0], "trial 1 of 3");
    CHECK(!gm_fs_exists(gm_path_join(a, o.out_dir, ".trial")));
    gm_arena_free(a);
}

TESTS(T(the_winner_is_what_training_alone_writes), T(trials_are_reproducible_and_independent_of_their_number), T(trial_0_is_what_the_user_wrote),
      T(ties_go_to_the_lowest_number), T(one_trial_needs_no_validation), T(a_failed_trial_is_recorded))
