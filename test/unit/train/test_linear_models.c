/* test_linear_models.c - logistic and linear regression: scikit-learn's converged coefficients, and the pieces below them. */
#include <stdio.h>

#include "base/fs.h"
#include "harness/harness.h"
#include "train/cholesky.h"
#include "train/lbfgs.h"
#include "train/mixed.h"
#include "unit/trees/trees_data.h"

enum { ROWS = 200, COLS = 5, FIELDS = 8 };

/* Lines of a reference file after its header comment and names; next gives them one by one. */
static char *open_reference(gm_arena *a, const char *name)
{
    gm_err err;
    gm_buf b = { 0 };
    CHECK_OK(gm_fs_read(gm_path_join(a, GM_SOURCE_DIR "/test/conformance/train", name), 0, &b, &err), &err);
    char *text = gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    CHECK(text[0] == '#');
    for (int i = 0; i < 2; i++) text = strchr(text, '\n') + 1;
    return text;
}

static void read_data(gm_arena *a, double *x, double *value, double *two, double *three)
{
    char *at = open_reference(a, "linear_data.csv");
    for (int r = 0; r < ROWS; r++) {
        double v[FIELDS];
        for (int c = 0; c < FIELDS; c++, at++) v[c] = strtod(at, &at);
        for (int c = 0; c < COLS; c++) x[c * ROWS + r] = v[c];
        value[r] = v[5];
        two[r] = v[6];
        three[r] = v[7];
    }
    CHECK(*at == '\0');
}

typedef struct expected {
    char model[16], penalty[16];
    double strength, intercept[3], w[3][COLS];
    int outputs;
} expected;

/* Gathers the lines of one model. False at the end. */
static bool next_expected(char **at, expected *e)
{
    e->outputs = 0;
    while (**at) {
        char model[16], penalty[16];
        double strength = 0;
        int output = 0, used = 0;
        CHECK(sscanf(*at, "%15[^,],%15[^,],%lf,%d,%n", model, penalty, &strength, &output, &used) == 4);
        if (output != e->outputs) break;
        (void)snprintf(e->model, sizeof(e->model), "%s", model);
        (void)snprintf(e->penalty, sizeof(e->penalty), "%s", penalty);
        e->strength = strength;
        *at += used;
        e->intercept[output] = strtod(*at, at);
        for (int c = 0; c < COLS; c++) e->w[output][c] = strtod(*at + 1, at);
        e->outputs++;
        *at = strchr(*at, '\n') + 1;
    }
    return e->outputs > 0;
}

static const gm_linear *fit(gm_arena *a, const expected *e, gm_train_data *d, gm_train_result *r)
{
    gm_err err;
    gm_model *m = NULL;
    char strength[32];
    const char *dir = gm_harness_tmpdir();
    const gm_trainer *t = trainer_named(e->model);
    (void)snprintf(strength, sizeof(strength), "%.17g", e->strength > 0 ? e->strength : 1);
    const char *const changes[] = { "penalty", e->penalty, d->task == GM_TASK_REGRESSION ? "alpha" : "c", strength, NULL };
    CHECK_OK(gm_train(t, make_conf(t, a, changes), d, &(gm_train_options){ .out_dir = dir }, a, r, &err), &err);
    CHECK_OK(gm_model_load(r->format, gm_path_join(a, dir, r->file), a, &m, &err), &err);
    return gm_model_linear(m);
}

/* 1e-5 for logistic: the reference stops when its own gradient is small, about 1e-7 of a coefficient away on these data. */
static void coefficients_equal_scikit_learn(void)
{
    static double x[ROWS * COLS], value[ROWS], two[ROWS], three[ROWS];
    gm_arena *a = gm_arena_new(0);
    gm_matrix m = { .data = x, .rows = ROWS, .cols = COLS };
    expected e;
    int models = 0;
    read_data(a, x, value, two, three);
    for (char *at = open_reference(a, "linear_expected.csv"); next_expected(&at, &e); models++) {
        bool regression = strcmp(e.model, "linear") == 0;
        gm_train_data d = { .x = &m, .y = regression ? value : e.outputs == 1 ? two : three, .classes = regression ? 0 : e.outputs == 1 ? 2 : 3,
                            .task = regression ? GM_TASK_REGRESSION : e.outputs == 1 ? GM_TASK_BINARY : GM_TASK_MULTICLASS };
        gm_train_result r;
        const gm_linear *l = fit(a, &e, &d, &r);
        double tolerance = !regression ? 1e-5 : strcmp(e.penalty, "l1") == 0 ? 1e-6 : 1e-8, worst = 0;
        CHECK(r.converged && l->outputs == e.outputs && l->features == COLS);
        for (int k = 0; k < e.outputs; k++) {
            worst = fmax(worst, fabs(l->intercept[k] - e.intercept[k]));
            for (int c = 0; c < COLS; c++) worst = fmax(worst, fabs(l->weights[k * COLS + c] - e.w[k][c]));
        }
        printf("# %s %s %g, %d outputs: largest difference %.1e after %lld iterations\n", e.model, e.penalty, e.strength, e.outputs, worst, (long long)r.rounds);
        if (!(worst <= tolerance)) gm_harness_fail(__FILE__, __LINE__, "%s %s %g differs by %g", e.model, e.penalty, e.strength, worst);
    }
    CHECK(models == 21);
    gm_arena_free(a);
}

/* Penalty l1: the gradient of the loss is the strength where a weight lives, and below it where it is 0. */
static void l1_meets_its_optimality_conditions(void)
{
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 4, 4000, 6, 0, 0, 2);
    gm_train_data d = train_data(&m, NULL, 2);
    expected e = { .model = "logistic", .penalty = "l1", .strength = 0.02 };
    gm_train_result r;
    const gm_linear *l = fit(a, &e, &d, &r);
    int zeros = 0;
    for (int c = -1; c < 6; c++) {
        double g = 0;
        for (int64_t i = 0; i < m.x.rows; i++) {
            double z = l->intercept[0];
            for (int k = 0; k < 6; k++) z += l->weights[k] * m.x.data[k * m.x.rows + i];
            g += (1 / (1 + exp(-z)) - m.y[i]) * (c < 0 ? 1 : m.x.data[c * m.x.rows + i]);
        }
        double w = c < 0 ? 0 : l->weights[c];
        zeros += c >= 0 && w == 0;
        if (c < 0) CHECK_NEAR(g, 0, 1e-4);
        else if (w == 0) CHECK(fabs(g) <= 50 + 1e-4);
        else CHECK_NEAR(g, w > 0 ? -50 : 50, 1e-4);
    }
    CHECK(zeros > 0 && zeros < 6);
    gm_arena_free(a);
}

static void the_layout_holds_the_matrix(void)
{
    gm_err err;
    gm_mixed *x = NULL;
    gm_arena *a = gm_arena_new(0);
    made m = make_data(a, 8, 5000, 7, 0, 0, 0);
    for (int64_t r = 0; r < 5000; r++) m.x.data[3 * 5000 + r] = r % 9 == 0;
    for (int64_t r = 0; r < 5000; r++) m.x.data[4 * 5000 + r] = r % 5 ? -2.5 : (double)r;
    CHECK_OK(gm_mixed_new(&m.x, &x, &err), &err);
    CHECK(x->dense_count == 5);
    for (int64_t r = 0; r < 5000; r += 7)
        for (int64_t j = 0; j < 7; j++) {
            double unit[8] = { 0 };
            unit[j] = 1;
            CHECK_NEAR(gm_mixed_dot(x, r, unit) + x->shift[j], m.x.data[x->column[j] * 5000 + r], 1e-12);
        }

    double gram[64], weights[5000];
    for (int64_t r = 0; r < 5000; r++) weights[r] = (double)(r % 4);
    CHECK_OK(gm_mixed_gram(x, weights, 2, gram, &err), &err);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            double want = 0;
            for (int64_t r = 0; r < 5000; r++) {
                double xi = i == 7 ? 1 : m.x.data[x->column[i] * 5000 + r] - x->shift[i], xj = j == 7 ? 1 : m.x.data[x->column[j] * 5000 + r] - x->shift[j];
                want += weights[r] * xi * xj;
            }
            CHECK_NEAR(gram[i * 8 + j], want, 1e-9 * (1 + fabs(want)));
        }
    gm_mixed_free(x);
    gm_arena_free(a);
}

static void cholesky_gives_up_columns_that_follow(void)
{
    /* x2 = x0 + x1: the third column is given up, and the first two solve as if alone. */
    double g[9] = { 4, 1, 5, 1, 3, 4, 5, 4, 9 }, b[3] = { 9, 5, 14 };
    CHECK(gm_cholesky(g, 3) == 1);
    gm_cholesky_solve(g, 3, b);
    CHECK_NEAR(b[0], 2, 1e-12);
    CHECK_NEAR(b[1], 1, 1e-12);
    CHECK_NEAR(b[2], 0, 0);
}

/* sum (w_i - i)^2 i^4: far from round; P is off by up to 50. */
static double bowl(void *ctx, const double *w, double *g)
{
    (void)ctx;
    double sum = 0;
    for (int i = 0; i < 20; i++) {
        double h = pow(i + 1, 4), e = w[i] - i;
        sum += h * e * e / 2;
        g[i] = h * e;
    }
    return sum;
}

static void rough_preconditioner(void *ctx, double *v)
{
    (void)ctx;
    for (int i = 0; i < 20; i++) v[i] /= pow(i + 1, 4) * (i % 2 ? 50 : 1);
}

static void lbfgs_finds_the_bottom(void)
{
    gm_err err;
    double w[20] = { 0 };
    gm_lbfgs_result r;
    gm_lbfgs_problem p = { .n = 20, .value = bowl, .precondition = rough_preconditioner };
    CHECK_OK(gm_lbfgs(&p, 1e-9, 500, w, &r, &err), &err);
    CHECK(r.converged && r.iterations < 100);
    for (int i = 0; i < 20; i++) CHECK_NEAR(w[i], i, 1e-7);
}

TESTS(T(coefficients_equal_scikit_learn), T(l1_meets_its_optimality_conditions), T(the_layout_holds_the_matrix), T(cholesky_gives_up_columns_that_follow),
      T(lbfgs_finds_the_bottom))
