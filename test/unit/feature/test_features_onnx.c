/* test_features_onnx.c - the graph that a program emits gives, in ONNX Runtime, what apply gives.
 *
 * Over rows with missing values, infinities, unknown categories and times before 1970. Tolerance: the same value to 1e-12 of its size, since
 * ONNX Runtime's Log, Exp and Pow are other implementations; everything else is compared bit for bit (-0 and 0 are equal).
 */
#include "model/model.h"
#include "random_table.h"

static void write_graph(const gm_program *p, const char *path)
{
    gm_arena *a = gm_harness_arena();
    gm_onnx *g = gm_onnx_new(a);
    const char *tensor = NULL;
    gm_buf bytes = { 0 };
    gm_err err;
    gm_rc rc = gm_program_emit(p, g, &tensor, &err);
    if (!rc) gm_onnx_output(g, tensor, "features", GM_ONNX_DOUBLE, (int64_t)gm_program_width(p));
    gm_err why;
    CHECK_OK(gm_onnx_write(g, &bytes, &why), &why);
    CHECK_OK(rc, &err);
    CHECK_OK(gm_fs_write(path, bytes.data, bytes.len, &err), &err);
    gm_buf_clear(&bytes);
    gm_harness_arena_free(a);
}

/* Computed by other code in ONNX Runtime. */
static bool is_transcendental(const char *name)
{
    static const char *const names[] = { "x log", "z log", "exps", "power" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0) return true;
    return false;
}

static gm_ort *open_graph(const char *path)
{
    gm_ort *session = NULL;
    gm_err err;
    gm_rc rc = gm_ort_open(path, &session, &err);
    if (rc == GM_EUNAVAILABLE) gm_harness_skip("%s", err.message);
    CHECK_OK(rc, &err);
    return session;
}

static void compare(const gm_program *p, gm_ort *session, const sheet *s)
{
    gm_table inputs;
    gm_matrix want;
    gm_err err;
    double *got = NULL;
    int64_t width = 0;
    CHECK_OK(gm_program_apply(p, &s->t, s->a, &want, &err), &err);
    CHECK_OK(gm_program_onnx_table(p, &s->t, s->a, &inputs, &err), &err);
    CHECK_OK(gm_ort_predict(session, &inputs, "features", s->a, &got, &width, &err), &err);
    CHECK(width == want.cols);
    for (int64_t r = 0; r < want.rows; r++)
        for (int64_t c = 0; c < width; c++) {
            double x = want.data[c * want.rows + r], y = got[r * width + c];
            double tolerance = is_transcendental(want.names[c]) ? 1e-12 * fabs(x) : 0;
            if ((isnan(x) && isnan(y)) || x == y || fabs(x - y) <= tolerance) continue;
            char text[64];
            const gm_column *raw = gm_table_find(&s->t, gm_program_feature_name(p, gm_program_output_feature(p, (size_t)c)));
            gm_harness_fail(__FILE__, __LINE__, "row %lld, %s (%s): ours %.17g, ONNX Runtime %.17g", (long long)r, want.names[c],
                            raw ? gm_column_show(raw, r, text, sizeof(text)) : "", x, y);
        }
}

/* Of every_feature, only letters, small and span. */
static void check_computed(const gm_program *p)
{
    const gm_graph_input *inputs = NULL;
    size_t computed = 0, count = gm_program_onnx_inputs(p, &inputs);
    for (size_t i = 0; i < count; i++) computed += inputs[i].computed;
    CHECK(computed == 3);
}

static void graph_equals_apply(void)
{
    static const gm_task tasks[] = { GM_TASK_BINARY, GM_TASK_MULTICLASS, GM_TASK_REGRESSION };
    for (size_t k = 0; k < 3; k++) {
        gm_random r;
        gm_random_init(&r, 1234 + k);
        gm_arena *a = gm_harness_arena();
        gm_program *p = every_program(&r, tasks[k], a);
        check_computed(p);
        const char *path = gm_path_join(a, gm_harness_tmpdir(), "features.onnx");
        write_graph(p, path);
        gm_ort *session = open_graph(path);
        compare(p, session, random_sheet(&r, 3000, true));
        compare(p, session, random_sheet(&r, 1, true));
        gm_ort_close(session);
        gm_harness_arena_free(a);
    }
}

static void every_day_has_its_parts(void)
{
    enum { ROWS = 20000 };
    gm_arena *a = gm_harness_arena();
    sheet *s = sheet_new(ROWS);
    int64_t *t = GM_ARENA_ARRAY(s->a, int64_t, ROWS);
    for (int64_t i = 0; i < ROWS; i++) t[i] = (i - ROWS / 2) * INT64_C(86400000000) * 23 - (i % 2);
    t[5] = GM_MISSING_INT;
    add_ints(s, "t", GM_TYPE_TIME, t);
    gm_feature_spec spec = SPEC(a, "t", "date_parts", "{parts: [year, month, day, weekday, hour, day_of_year]}");
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_program_fit(&spec, 1, &s->t, NULL, &(gm_fit_options){ 0 }, a, &p, &err), &err);
    const char *path = gm_path_join(a, gm_harness_tmpdir(), "features.onnx");
    write_graph(p, path);
    gm_ort *session = open_graph(path);
    compare(p, session, s);
    gm_ort_close(session);
}

static void what_cannot_be_said_is_an_input(void)
{
    sheet *s = sheet_new(3);
    add_texts(s, "carrier", (const char *const[]){ "AA", "UA", "aa" });
    add_floats(s, "x", (double[]){ 1, 2, 3 });
    add_floats(s, "unused", (double[]){ 1, 2, 3 });
    gm_feature_spec specs[] = { spec_of_expr(s, "small", "lower(carrier)", SPEC(s->a, "small", "one_hot", NULL)),
                                spec_of_expr(s, "twice", "2 * x", SPEC(s->a, "twice", "number", NULL)),
                                spec_of_expr(s, "x", "length(carrier)", SPEC(s->a, "x", "number", NULL)) };
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_program_fit(specs, 3, &s->t, NULL, &(gm_fit_options){ 0 }, s->a, &p, &err), &err);
    const gm_graph_input *inputs = NULL;
    CHECK(gm_program_onnx_inputs(p, &inputs) == 3);
    CHECK_STR(inputs[0].name, "x");
    CHECK(!inputs[0].computed && inputs[0].type == GM_TYPE_FLOAT);
    CHECK_STR(inputs[1].name, "small");
    CHECK(inputs[1].computed && inputs[1].type == GM_TYPE_STRING);
    CHECK_STR(inputs[2].name, "x (computed)"); /* the raw x is there already */
    CHECK(inputs[2].computed && inputs[2].type == GM_TYPE_FLOAT);
    gm_table t;
    CHECK_OK(gm_program_onnx_table(p, &s->t, s->a, &t, &err), &err);
    CHECK(t.columns_count == 5);
    CHECK_STR(gm_column_text(gm_table_find(&t, "small"), 0), "aa");
    CHECK_NEAR(gm_table_find(&t, "x (computed)")->f64[2], 2, 0);
}

TESTS(T(graph_equals_apply), T(every_day_has_its_parts), T(what_cannot_be_said_is_an_input))
