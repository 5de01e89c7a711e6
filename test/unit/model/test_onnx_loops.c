/* test_onnx_loops.c - graphs that would run without end: stopped in time, or refused where they could not be. */
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "model/onnx_loops.h"
#include "unit/model/onnx_case.h"

/* ---- the ONNX format, as much of it as a Loop needs; the numbers are those of onnx.proto -------------------------------- */

enum { INT64 = 7, BOOL = 9, FLOAT = 1, GRAPH = 5, INTS = 7, ANY_SHAPE = -1 };

static void varint(gm_buf *b, uint64_t v)
{
    for (; v > 127; v >>= 7) gm_buf_char(b, (char)(v | 128));
    gm_buf_char(b, (char)v);
}

static void number(gm_buf *b, int field, uint64_t v)
{
    varint(b, (uint64_t)field << 3);
    varint(b, v);
}

static void bytes(gm_buf *b, int field, const char *data, size_t len)
{
    varint(b, (uint64_t)field << 3 | 2);
    varint(b, len);
    gm_buf_add(b, data, len);
}

static void text(gm_buf *b, int field, const char *s)
{
    bytes(b, field, s, strlen(s));
}

/* The message in `part`, which is empty after that. */
static void part(gm_buf *b, int field, gm_buf *p)
{
    bytes(b, field, p->data ? p->data : "", p->len);
    gm_buf_clear(p);
}

static void port(gm_buf *graph, int field, const char *name, int type, int rank)
{
    gm_buf info = { 0 }, kind = { 0 }, tensor = { 0 }, shape = { 0 }, dim = { 0 };
    text(&info, 1, name);
    number(&tensor, 1, (uint64_t)type);
    for (int i = 0; i < rank; i++) {
        number(&dim, 1, 1);
        if (i == 0) {
            gm_buf_clear(&dim);
            text(&dim, 2, "N");
        }
        part(&shape, 1, &dim);
    }
    if (rank != ANY_SHAPE) part(&tensor, 2, &shape);
    part(&kind, 1, &tensor);
    part(&info, 2, &kind);
    part(graph, field, &info);
}

static void scalar(gm_buf *graph, const char *name, int type, int64_t value)
{
    gm_buf tensor = { 0 };
    number(&tensor, 2, (uint64_t)type);
    text(&tensor, 8, name);
    bytes(&tensor, 9, (const char *)&value, type == BOOL ? 1 : sizeof(value));
    part(graph, 5, &tensor);
}

/* body: a graph for the attribute of that name, emptied; NULL = none. */
static void node(gm_buf *graph, const char *op, const char *const *inputs, const char *const *outputs, gm_buf *body)
{
    gm_buf n = { 0 }, attr = { 0 };
    for (; *inputs; inputs++) text(&n, 1, *inputs);
    for (; *outputs; outputs++) text(&n, 2, *outputs);
    text(&n, 3, "forever");
    text(&n, 4, op);
    if (body) {
        text(&attr, 1, "body");
        part(&attr, 6, body);
        number(&attr, 20, GRAPH);
        part(&n, 5, &attr);
    }
    part(graph, 1, &n);
}

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* y = x, handed through a loop of `trips` steps. filled: its body has a node to be stopped at. */
static const char *loop_file(int64_t trips, bool filled)
{
    static char path[512];
    gm_buf body = { 0 }, graph = { 0 }, model = { 0 }, version = { 0 };
    gm_err err = { 0 };
    if (filled) node(&body, "Identity", NAMES("v"), NAMES("v2"), NULL);
    text(&body, 2, "body");
    port(&body, 11, "i", INT64, 0);
    port(&body, 11, "go", BOOL, 0);
    port(&body, 11, "v", FLOAT, ANY_SHAPE);
    port(&body, 12, "go", BOOL, 0);
    port(&body, 12, filled ? "v2" : "v", FLOAT, ANY_SHAPE);
    node(&graph, "Loop", NAMES("trips", "yes", "x"), NAMES("y"), &body);
    text(&graph, 2, "graph");
    scalar(&graph, "trips", INT64, trips);
    scalar(&graph, "yes", BOOL, 1);
    port(&graph, 11, "x", FLOAT, 2);
    port(&graph, 12, "y", FLOAT, 2);
    number(&model, 1, 8);
    part(&model, 7, &graph);
    number(&version, 2, 18);
    part(&model, 8, &version);
    (void)snprintf(path, sizeof(path), "%s/loop.onnx", gm_harness_tmpdir());
    CHECK_OK(gm_fs_write(path, model.data, model.len, &err), &err);
    gm_buf_clear(&model);
    return path;
}

/* ---- tests ---------------------------------------------------------------------------------------------------------------- */

static const double xs[] = { 1.5, -2 };
static const gm_column column = { .name = "x", .type = GM_TYPE_FLOAT, .rows = 2, .f64 = xs };
static const gm_table rows = { .rows = 2, .columns_count = 1, .columns = (gm_column *)(uintptr_t)&column };

static gm_ort *opened(const char *path)
{
    gm_ort *ort = NULL;
    gm_err err = { 0 };
    CHECK_OK(gm_ort_open(path, &ort, &err), &err);
    return ort;
}

static void a_loop_with_an_end_answers(void)
{
    gm_err err = { 0 };
    gm_arena *a = gm_arena_new(0);
    double *y = NULL;
    int64_t width = 0;
    gm_ort *ort = opened(loop_file(1000, true));
    CHECK_OK(gm_ort_predict(ort, &rows, "y", a, &y, &width, &err), &err);
    CHECK(width == 1 && y[0] == 1.5 && y[1] == -2);
    gm_ort_close(ort);
    gm_arena_free(a);
}

static void a_loop_without_end_is_stopped(void)
{
    gm_err err = { 0 };
    gm_arena *a = gm_arena_new(0);
    double *y = NULL;
    int64_t width = 0, begun = gm_monotonic_us();
    gm_ort *ort = opened(loop_file(INT64_MAX, true));
    gm_ort_limit(ort, 60, 20);
    for (int i = 0; i < 2; i++) { /* also with options that said "stop" before */
        CHECK_RC(gm_ort_predict(ort, &rows, "y", a, &y, &width, &err), GM_ECANCELED);
        CHECK_HAS(err.message, "did not answer for 2 rows within 0.1 s");
        CHECK_HAS(err.hint, "loop");
    }
    CHECK(gm_monotonic_us() - begun < 5000000);
    gm_ort_close(ort);
    ort = opened(loop_file(3, true));
    gm_ort_limit(ort, 60000, 0);
    CHECK_OK(gm_ort_predict(ort, &rows, "y", a, &y, &width, &err), &err);
    gm_ort_close(ort);
    gm_arena_free(a);
}

typedef struct turn {
    gm_ort *ort;
    gm_rc want;
    int times;
    int wrong;
} turn;

static void *predict(void *user)
{
    turn *t = user;
    gm_arena *a = gm_arena_new(0);
    for (int i = 0; i < t->times; i++) {
        double *y = NULL;
        int64_t width = 0;
        t->wrong += gm_ort_predict(t->ort, &rows, "y", a, &y, &width, NULL) != t->want;
        gm_arena_rewind(a);
    }
    gm_arena_free(a);
    return NULL;
}

/* Runs of several threads: the one that takes too long is stopped, and no other. */
static void others_are_not_stopped(void)
{
    gm_ort *endless = opened(loop_file(INT64_MAX, true)), *quick = opened(loop_file(3, true));
    gm_ort_limit(endless, 200, 0);
    turn turns[] = {
        { endless, GM_ECANCELED, 1, 0 }, { quick, GM_OK, 2000, 0 }, { quick, GM_OK, 2000, 0 }, { endless, GM_ECANCELED, 2, 0 }
    };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, predict, &turns[i]) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(turns[i].wrong == 0);
    }
    gm_ort_close(endless);
    gm_ort_close(quick);
}

static void a_loop_that_could_not_be_stopped_is_refused(void)
{
    gm_ort *ort = NULL;
    gm_err err = { 0 };
    bool loops = false;
    CHECK_RC(gm_ort_open(loop_file(INT64_MAX, false), &ort, &err), GM_EUNSUPPORTED);
    CHECK_HAS(err.message, "Loop \"forever\"");
    CHECK(ort == NULL);
    CHECK_OK(gm_onnx_loops(loop_file(5, true), &loops, &err), &err);
    CHECK(loops);
}

TESTS(T(a_loop_with_an_end_answers), T(a_loop_without_end_is_stopped), T(others_are_not_stopped),
      T(a_loop_that_could_not_be_stopped_is_refused))
