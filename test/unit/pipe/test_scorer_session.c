/* test_scorer_session.c - sessions give the bits of the parts called one by one, row by row or in blocks, and allocate nothing once warm.
 *
 * malloc, calloc, realloc and aligned_alloc are wrapped by the linker (tests.cmake) and counted.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "../feature/random_table.h"
#include "model/onnx.h"
#include "pipe/scorer.h"

static atomic_long allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    allocations++;
    return __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __real_aligned_alloc(alignment, size);
}

/* ---- models over random features ---- */

static int32_t grow(gm_random *r, gm_tree *t, int32_t features, int depth)
{
    int32_t at = t->count++;
    if (depth == 0) {
        t->nodes[at] = (gm_tree_node){ .feature = -1, .value = (double)(float)gm_random_normal(r) };
        return at;
    }
    gm_tree_node n = { .feature = (int32_t)gm_random_below(r, features), .threshold = (double)(float)gm_random_normal(r),
                       .default_left = gm_random_below(r, 2) == 1 };
    n.left = grow(r, t, features, depth - 1);
    n.right = grow(r, t, features, depth - 1);
    t->nodes[at] = n;
    return at;
}

static gm_model *random_trees(gm_random *r, int32_t features, int32_t outputs, gm_arena *a)
{
    enum { TREES = 12, DEPTH = 4 };
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    *t = (gm_trees){ .float32 = true, .trees = GM_ARENA_ARRAY(a, gm_tree, TREES), .trees_count = TREES, .outputs = outputs,
                     .features = features, .base = GM_ARENA_ARRAY(a, double, outputs),
                     .link = outputs == 1 ? GM_LINK_SIGMOID : GM_LINK_SOFTMAX, .sigmoid_scale = 1 };
    for (int32_t i = 0; i < TREES; i++) {
        t->trees[i] = (gm_tree){ .nodes = GM_ARENA_ARRAY(a, gm_tree_node, 2 << DEPTH), .output = i % outputs };
        (void)grow(r, &t->trees[i], features, DEPTH);
    }
    return gm_model_of_trees(t, a);
}

static gm_model *random_linear(gm_random *r, int64_t features, gm_arena *a)
{
    gm_linear *m = GM_ARENA_NEW(a, gm_linear);
    *m = (gm_linear){ .features = features, .outputs = 1, .weights = GM_ARENA_ARRAY(a, double, features),
                      .intercept = GM_ARENA_ARRAY(a, double, 1), .link = GM_LINK_IDENTITY };
    for (int64_t i = 0; i < features; i++) m->weights[i] = gm_random_normal(r);
    return gm_model_of_linear(m, a);
}

static gm_scorer scorer_over(gm_program *p, gm_model *m, gm_task task, gm_arena *a)
{
    gm_scorer s = { .program = p, .model = m, .task = task, .outputs = gm_model_outputs(m), .inputs_count = gm_program_inputs_count(p) };
    s.inputs = GM_ARENA_ARRAY(a, const char *, s.inputs_count);
    s.input_types = GM_ARENA_ARRAY(a, gm_type, s.inputs_count);
    for (size_t i = 0; i < s.inputs_count; i++) s.inputs[i] = gm_program_input_name(p, i, &s.input_types[i]);
    return s;
}

/* A program over every transform and many expressions, under trees or a linear model. */
static gm_scorer random_scorer(gm_random *r, gm_task task, bool linear, gm_arena *a)
{
    gm_program *p = every_program(r, task, a);
    int64_t width = (int64_t)gm_program_width(p);
    gm_model *m = linear ? random_linear(r, width, a) : random_trees(r, (int32_t)width, task == GM_TASK_MULTICLASS ? 3 : 1, a);
    return scorer_over(p, m, task, a);
}

/* The scorer's inputs in their order; the names are nobody's business. */
static gm_table inputs_of(const gm_scorer *s, const gm_table *t, gm_arena *a)
{
    gm_table in = { .rows = t->rows, .columns_count = s->inputs_count, .columns = GM_ARENA_ARRAY(a, gm_column, s->inputs_count) };
    for (size_t i = 0; i < s->inputs_count; i++) {
        in.columns[i] = *gm_table_find(t, s->inputs[i]);
        in.columns[i].name = NULL;
    }
    return in;
}

/* Rows from .. from + rows, without copying. */
static gm_table part_of(const gm_table *t, int64_t from, int64_t rows, gm_column *columns)
{
    for (size_t k = 0; k < t->columns_count; k++) {
        columns[k] = t->columns[k];
        columns[k].rows = rows;
        if (columns[k].type == GM_TYPE_STRING) columns[k].code += from;
        else columns[k].i64 += from;
    }
    return (gm_table){ .rows = rows, .columns_count = t->columns_count, .columns = columns };
}

/* What the parts say, called once over the whole table. */
static double *by_parts(const gm_scorer *s, const gm_table *t, gm_arena *a)
{
    gm_matrix x;
    gm_err err;
    double *out = GM_ARENA_ARRAY(a, double, t->rows * s->outputs);
    CHECK_OK(gm_program_apply(s->program, t, a, &x, &err), &err);
    CHECK_OK(gm_model_predict(s->model, &x, out, &err), &err);
    return out;
}

static void check_same(const double *x, const double *y, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!same_double(x[i], y[i])) gm_harness_fail(__FILE__, __LINE__, "value %lld: %.17g and %.17g", (long long)i, x[i], y[i]);
}

static void equals_the_parts_for_any_number_of_rows(void)
{
    static const int64_t sizes[] = { 1, 2, 17, 1023, 1025, 4096, 4097, 9001, 3, 1 };
    gm_random r;
    gm_random_init(&r, 20131); /* the seed */
    for (int kind = 0; kind < 3; kind++) {
        gm_arena *a = gm_harness_arena();
        gm_scorer s = random_scorer(&r, kind == 1 ? GM_TASK_MULTICLASS : GM_TASK_BINARY, kind == 2, a);
        gm_scorer_session *w = NULL;
        gm_err err;
        CHECK_OK(gm_scorer_session_new(&s, &w, &err), &err);
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            sheet *t = random_sheet(&r, sizes[k], true);
            gm_table in = inputs_of(&s, &t->t, a);
            double *want = by_parts(&s, &t->t, a), *got = GM_ARENA_ARRAY(a, double, sizes[k] * s.outputs);
            CHECK_OK(gm_scorer_session_predict(w, &in, got, &err), &err);
            check_same(got, want, sizes[k] * s.outputs);
            memset(got, 0, (size_t)(sizes[k] * s.outputs) * sizeof(*got));
            CHECK_OK(gm_scorer_predict(&s, &t->t, got, &err), &err);
            check_same(got, want, sizes[k] * s.outputs);
        }
        gm_scorer_session_free(w);
    }
}

static void one_row_equals_its_row_of_many(void)
{
    enum { ROWS = 700 };
    gm_random r;
    gm_random_init(&r, 7);
    gm_arena *a = gm_harness_arena();
    gm_scorer s = random_scorer(&r, GM_TASK_MULTICLASS, false, a);
    sheet *t = random_sheet(&r, ROWS, true);
    gm_table in = inputs_of(&s, &t->t, a);
    gm_column columns[COLUMNS_MAX];
    double *want = by_parts(&s, &t->t, a);
    gm_matrix x;
    gm_scorer_session *w = NULL;
    gm_err err;
    CHECK_OK(gm_program_apply(s.program, &t->t, a, &x, &err), &err);
    CHECK_OK(gm_scorer_session_new(&s, &w, &err), &err);
    for (int64_t i = 0; i < ROWS; i++) {
        double got[3];
        gm_table row = part_of(&in, i, 1, columns);
        CHECK_OK(gm_scorer_session_predict(w, &row, got, &err), &err);
        check_same(got, want + 3 * i, 3);
        const gm_matrix *f = gm_scorer_session_features(w);
        CHECK(f->rows == 1 && f->cols == x.cols);
        for (int64_t c = 0; c < x.cols; c++) CHECK(same_double(f->data[c], x.data[c * ROWS + i]));
    }
    gm_scorer_session_free(w);
}

/* What a request sends: floats for whole numbers, whole numbers for floats and bools, and columns without any value of another type. */
static void numbers_stand_in_for_each_other(void)
{
    gm_random r;
    gm_random_init(&r, 11);
    gm_arena *a = gm_harness_arena();
    gm_scorer s = random_scorer(&r, GM_TASK_BINARY, false, a);
    sheet *as_was = sheet_new(3), *as_sent = sheet_new(3);
    const int64_t n[] = { 1, GM_MISSING_INT, 3 }, b[] = { 1, 0, GM_MISSING_INT }, t[] = { GM_MISSING_INT, GM_MISSING_INT, GM_MISSING_INT };
    const double x[] = { 2, NAN, -4 }, f[] = { 1, NAN, 3 }, g[] = { 1, 0, NAN }, none[] = { NAN, NAN, NAN };
    const int64_t whole[] = { 2, GM_MISSING_INT, -4 };
    const char *const d[] = { "k001", NULL, "nobody" };
    const char *const texts[] = { NULL, NULL, NULL };
    add_floats(as_was, "x", x), add_floats(as_was, "z z", x), add_ints(as_was, "n", GM_TYPE_INT, n), add_ints(as_was, "b", GM_TYPE_BOOL, b);
    add_ints(as_was, "t", GM_TYPE_TIME, t), add_texts(as_was, "carrier", texts), add_texts(as_was, "d", d);
    add_ints(as_sent, "x", GM_TYPE_INT, whole), add_floats(as_sent, "z z", x), add_floats(as_sent, "n", f), add_floats(as_sent, "b", g);
    add_texts(as_sent, "t", texts), add_floats(as_sent, "carrier", none), add_texts(as_sent, "d", d);
    gm_scorer_session *w = NULL;
    gm_err err;
    double got[3], *want = by_parts(&s, &as_was->t, a);
    CHECK_OK(gm_scorer_session_new(&s, &w, &err), &err);
    for (int round = 0; round < 3; round++) { /* the kept steps must notice that types change */
        gm_table in = inputs_of(&s, round == 1 ? &as_was->t : &as_sent->t, a);
        CHECK_OK(gm_scorer_session_predict(w, &in, got, &err), &err);
        check_same(got, want, 3);
    }
    add_texts(as_sent, "spare", d);
    for (size_t i = 0; i < s.inputs_count; i++)
        if (strcmp(s.inputs[i], "x") == 0) {
            gm_table in = inputs_of(&s, &as_sent->t, a);
            in.columns[i] = as_sent->columns[as_sent->t.columns_count - 1];
            CHECK_RC(gm_scorer_session_predict(w, &in, got, &err), GM_EINVALID);
            CHECK_HAS(err.message, "column \"x\" holds string values and held float values in training");
        }
    gm_table in = inputs_of(&s, &as_was->t, a);
    in.columns_count--;
    CHECK_RC(gm_scorer_session_predict(w, &in, got, &err), GM_EINVALID);
    in.columns_count++;
    CHECK_OK(gm_scorer_session_predict(w, &in, got, &err), &err); /* after failures as before */
    check_same(got, want, 3);
    gm_scorer_session_free(w);
}

static void a_column_that_is_not_there_is_named(void)
{
    gm_random r;
    gm_random_init(&r, 12);
    gm_arena *a = gm_harness_arena();
    gm_scorer s = random_scorer(&r, GM_TASK_BINARY, false, a);
    sheet *t = random_sheet(&r, 4, false);
    double out[4];
    gm_err err;
    t->columns[0].name = "elsewhere";
    CHECK_RC(gm_scorer_predict(&s, &t->t, out, &err), GM_EINVALID);
    CHECK_HAS(err.message, "no column \"x\"");
}

/* Each row is another one, so that nothing can be remembered from the row before; blocks of two sizes in between. */
static void check_allocations(bool linear)
{
    enum { ROWS = 400, WARM = 40 };
    gm_random r;
    gm_random_init(&r, 99);
    gm_arena *a = gm_harness_arena();
    gm_scorer s = random_scorer(&r, GM_TASK_BINARY, linear, a);
    sheet *t = random_sheet(&r, ROWS, true);
    gm_table in = inputs_of(&s, &t->t, a);
    gm_column columns[COLUMNS_MAX];
    double out[ROWS];
    gm_scorer_session *w = NULL;
    gm_err err;
    CHECK_OK(gm_scorer_session_new(&s, &w, &err), &err);
    long before = 0;
    for (int64_t i = 0; i < ROWS; i++) {
        gm_table row = part_of(&in, i, 1, columns);
        CHECK_OK(gm_scorer_session_predict(w, &row, out, &err), &err);
        if (i == WARM) before = allocations;
    }
    CHECK(allocations == before);
    for (int k = 0; k < 8; k++) {
        gm_table block = part_of(&in, 0, k % 2 ? ROWS : 33, columns);
        if (k == 4) before = allocations;
        CHECK_OK(gm_scorer_session_predict(w, &block, out, &err), &err);
    }
    CHECK(allocations == before);
    gm_scorer_session_free(w);
}

static void allocates_nothing_once_warm(void)
{
    check_allocations(false);
    check_allocations(true);
}

typedef struct shared {
    const gm_scorer *s;
    const gm_table *in;
    const double *want;
    int64_t first;
} shared;

static void *score_rows(void *opaque)
{
    const shared *job = opaque;
    gm_scorer_session *w = NULL;
    gm_column columns[COLUMNS_MAX];
    gm_err err;
    CHECK_OK(gm_scorer_session_new(job->s, &w, &err), &err);
    for (int64_t i = 0; i < job->in->rows; i++) {
        double got;
        int64_t at = (job->first + i) % job->in->rows;
        gm_table row = part_of(job->in, at, 1, columns);
        CHECK_OK(gm_scorer_session_predict(w, &row, &got, &err), &err);
        check_same(&got, job->want + at, 1);
    }
    gm_scorer_session_free(w);
    return NULL;
}

static void threads_share_one_scorer(void)
{
    enum { THREADS = 4, ROWS = 500 };
    gm_random r;
    gm_random_init(&r, 31);
    gm_arena *a = gm_harness_arena();
    gm_scorer s = random_scorer(&r, GM_TASK_BINARY, false, a);
    sheet *t = random_sheet(&r, ROWS, true);
    gm_table in = inputs_of(&s, &t->t, a);
    double *want = by_parts(&s, &t->t, a);
    pthread_t threads[THREADS];
    shared jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (shared){ &s, &in, want, i * 100 };
        CHECK(pthread_create(&threads[i], NULL, score_rows, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Somebody else's graph: 2 x + n, read by the names of its inputs. */
static void a_foreign_graph_reads_by_position_too(void)
{
    enum { ROWS = 5000 };
    gm_arena *a = gm_harness_arena();
    gm_onnx *g = gm_onnx_new(a);
    const char *x = gm_onnx_input(g, "x", GM_ONNX_DOUBLE), *n = gm_onnx_input(g, "n", GM_ONNX_DOUBLE);
    gm_onnx_output(g, gm_onnx_op2(g, "Add", gm_onnx_op2(g, "Add", x, x), n), "prediction", GM_ONNX_DOUBLE, 1);
    const char *path = gm_path_join(a, gm_harness_tmpdir(), "model.onnx");
    gm_buf bytes = { 0 };
    gm_scorer s;
    gm_scorer_session *w = NULL;
    gm_err err;
    CHECK_OK(gm_onnx_write(g, &bytes, &err), &err);
    CHECK_OK(gm_fs_write(path, bytes.data, bytes.len, &err), &err);
    gm_buf_clear(&bytes);
    gm_rc rc = gm_scorer_parts(NULL, path, GM_MODEL_ONNX, GM_TASK_REGRESSION, NULL, 0, a, &s, &err);
    if (rc == GM_EUNAVAILABLE) gm_harness_skip("%s", err.message);
    CHECK_OK(rc, &err);
    sheet *t = sheet_new(ROWS);
    double *v = GM_ARENA_ARRAY(a, double, ROWS), *got = GM_ARENA_ARRAY(a, double, ROWS), *again = GM_ARENA_ARRAY(a, double, ROWS);
    int64_t *k = GM_ARENA_ARRAY(a, int64_t, ROWS);
    for (int i = 0; i < ROWS; i++) v[i] = i / 8.0, k[i] = i;
    add_ints(t, "n", GM_TYPE_INT, k), add_floats(t, "other", v), add_floats(t, "x", v);
    gm_table in = inputs_of(&s, &t->t, a);
    CHECK_OK(gm_scorer_predict(&s, &t->t, got, &err), &err);
    CHECK_OK(gm_scorer_session_new(&s, &w, &err), &err);
    CHECK_OK(gm_scorer_session_predict(w, &in, again, &err), &err);
    for (int i = 0; i < ROWS; i++) CHECK(same_double(got[i], 2 * v[i] + i) && same_double(again[i], got[i]));
    CHECK(gm_scorer_session_features(w) == NULL);
    gm_scorer_session_free(w);
}

TESTS(T(equals_the_parts_for_any_number_of_rows), T(one_row_equals_its_row_of_many), T(numbers_stand_in_for_each_other),
      T(a_column_that_is_not_there_is_named), T(allocates_nothing_once_warm), T(threads_share_one_scorer),
      T(a_foreign_graph_reads_by_position_too))
