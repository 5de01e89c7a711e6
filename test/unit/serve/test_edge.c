/* test_edge.c - the C file of a model, compiled without a warning and loaded: its features, margins and links equal the program's
 * own. */
#include "serve/targets/edge.h"

#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../feature/random_table.h"

extern char **environ;

/* A field of the input struct: all are 8 bytes here. */
typedef union cell {
    double number;
    int64_t time;
    const char *text;
} cell;

typedef void (*features_of)(const cell *in, double *x);
typedef int (*prediction_of)(const cell *in, double *out);
typedef const char *(*class_of)(int i);

/* Compile the text as a library and load it. */
static void *load(const gm_buf *text)
{
    gm_err err;
    char source[512], library[512];
    pid_t pid;
    int status = -1;
    static int number;
    (void)snprintf(source, sizeof(source), "%s/m%d.c", gm_harness_tmpdir(), ++number);
    (void)snprintf(library, sizeof(library), "%s/m%d.so", gm_harness_tmpdir(), number);
    CHECK_OK(gm_fs_write(source, text->data, text->len, &err), &err);
    const char *argv[] = {
        "cc",      "-std=c11", "-O0", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wno-float-conversion",
        "-shared", "-fPIC",    "-o",  library, source,    "-lm",     NULL
    };
    CHECK(posix_spawnp(&pid, "cc", NULL, NULL, (char *const *)(uintptr_t)argv, environ) == 0 && waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) gm_harness_fail(__FILE__, __LINE__, "%s", dlerror());
    return handle;
}

static void *symbol(void *handle, const char *name)
{
    void *s = dlsym(handle, name);
    CHECK(s != NULL);
    return s;
}

static void row_of(const gm_table *t, const gm_program *p, int64_t row, cell *out)
{
    for (size_t i = 0; i < gm_program_inputs_count(p); i++) {
        const gm_column *c = gm_table_find(t, gm_program_input_name(p, i, NULL));
        if (c->type == GM_TYPE_STRING)
            out[i].text = gm_column_text(c, row);
        else if (c->type == GM_TYPE_TIME)
            out[i].time = c->i64[row];
        else
            out[i].number = gm_column_double(c, row);
    }
}

static gm_linear *random_linear(gm_random *r, int64_t features, int64_t outputs, gm_link link, gm_arena *a)
{
    gm_linear *m = GM_ARENA_NEW(a, gm_linear);
    *m = (gm_linear){ features, outputs, GM_ARENA_ARRAY(a, double, features *outputs), GM_ARENA_ARRAY(a, double, outputs), link };
    for (int64_t i = 0; i < features * outputs; i++) m->weights[i] = gm_random_normal(r) / 100;
    for (int64_t i = 0; i < outputs; i++) m->intercept[i] = gm_random_normal(r);
    return m;
}

static gm_edge_in edge_of(const gm_program *p, const gm_trees *trees, const gm_linear *linear)
{
    return (gm_edge_in){ .name = "m",
                         .model = "m",
                         .version = "1",
                         .digest = "0",
                         .program = p,
                         .trees = trees,
                         .linear = linear,
                         .task = GM_TASK_REGRESSION };
}

static void *write_and_load(const gm_edge_in *in, gm_arena *a)
{
    gm_buf text = { 0 };
    gm_err err;
    CHECK_OK(gm_edge_write(in, a, &text, NULL, &err), &err);
    void *handle = load(&text);
    gm_buf_clear(&text);
    return handle;
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

/* Every transform and expression of random_table.h but for those named in `without`, fitted on rows of its own; more: others. */
static gm_program *program_of(gm_random *r, gm_task task, const char *without, const char *const (*more)[2], size_t more_count,
                              gm_arena *a)
{
    sheet *s = random_sheet(r, 500, false);
    gm_feature_spec specs[EVERY_MAX + 64], all[EVERY_MAX];
    size_t count = 0, all_count = every_feature(s, all);
    double y[500];
    for (size_t i = 0; i < all_count; i++)
        if (strcmp(all[i].name, without) != 0) specs[count++] = all[i];
    for (size_t i = 0; i < more_count; i++)
        specs[count++] = spec_of_expr(s, more[i][0], more[i][0], SPEC(s->a, more[i][0], more[i][1], NULL));
    for (int i = 0; i < 500; i++)
        y[i] = task == GM_TASK_REGRESSION ? gm_random_normal(r) : (double)gm_random_below(r, task == GM_TASK_BINARY ? 2 : 3);
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_program_fit(specs, count, &s->t, y, &(gm_fit_options){ .task = task, .classes = 3, .seed = 1 }, a, &p, &err),
             &err);
    return p;
}

/* What random_table.h does not ask: every function, order of texts, sets of times, a text by choice. */
static const char *const others[][2] = {
    { "log1p(abs(x))", "number" },
    { "minute(t)", "number" },
    { "seconds(t)", "number" },
    { "seconds_between('2013-01-01', t)", "number" },
    { "hours_between(t, max(t, '2013-01-01', '1999-12-31'))", "number" },
    { "days_between(min(t, '2013-01-01'), t)", "number" },
    { "t >= '2013-01-01' or t in ['1970-01-01', '2013-06-01T05:00:00']", "number" },
    { "t not in ['1970-01-01'] and t is not missing", "number" },
    { "carrier < 'B' or carrier >= d", "number" },
    { "carrier > d and carrier != d and 'DL' <= carrier", "number" },
    { "contains(carrier, 'n') or starts_with(carrier, 'A') or ends_with(carrier, '\"')", "number" },
    { "if(x > 0, carrier, if(b, d, 'none'))", "one_hot" },
    { "coalesce(carrier, d)", "ordinal" },
    { "carrier in ['AA', d]", "number" },
    { "year(t) in [2013, 1970, 1999] or month(t) in [n, 4.5]", "number" },
    { "not (x in [0, 1.5, -2] or is_missing(n))", "number" },
    { "if(b, true, missing)", "number" },
    { "coalesce(hour(t), 5)", "number" },
    { "if(x < 0, t, '2013-01-01')", "date_parts" },
    { "pow(x, n) - -x", "number" },
    { "log(x) + col('z z') % -3", "number" },
};

enum { OTHERS = sizeof(others) / sizeof(others[0]) };

static void every_feature_equals_the_programs_own(void)
{
    gm_random r;
    gm_random_init(&r, 11);
    gm_arena *a = gm_harness_arena();
    for (gm_task task = GM_TASK_BINARY; task <= GM_TASK_REGRESSION; task++) {
        gm_program *p = program_of(&r, task, "small", others, OTHERS, a);
        gm_linear *m = random_linear(&r, (int64_t)gm_program_width(p), 1, GM_LINK_IDENTITY, a);
        gm_edge_in in = edge_of(p, NULL, m);
        void *handle = write_and_load(&in, a);
        features_of features = (features_of)(uintptr_t)symbol(handle, "m_features");
        sheet *s = random_sheet(&r, 2000, true);
        gm_matrix x;
        gm_err err;
        cell row[COLUMNS_MAX];
        double *got = GM_ARENA_ARRAY(a, double, gm_program_width(p));
        CHECK_OK(gm_program_apply(p, &s->t, a, &x, &err), &err);
        for (int64_t i = 0; i < x.rows; i++) {
            row_of(&s->t, p, i, row);
            features(row, got);
            for (int64_t k = 0; k < x.cols; k++)
                if (!same_double(got[k], x.data[k * x.rows + i]))
                    gm_harness_fail(__FILE__, __LINE__, "row %lld of \"%s\": %.17g and %.17g", (long long)i, x.names[k], got[k],
                                    x.data[k * x.rows + i]);
        }
        (void)dlclose(handle);
    }
}

static void what_needs_memory_is_refused_by_name(void)
{
    static const char *const refused[][2] = {
        { "upper(carrier)", "one_hot" },
        { "concat(carrier, d)", "one_hot" },
        { "matches(carrier, '^A')", "number" },
        { "number(if(x > 0, '1', '2'))", "number" },
        { "text(n)", "ordinal" },
        { "trim(d)", "ordinal" },
    };
    gm_random r;
    gm_random_init(&r, 5);
    gm_arena *a = gm_harness_arena();
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        sheet *s = random_sheet(&r, 100, false);
        gm_feature_spec spec = spec_of_expr(s, "the feature", refused[i][0], SPEC(s->a, "the feature", refused[i][1], NULL));
        gm_program *p = NULL;
        gm_buf text = { 0 };
        gm_err err;
        CHECK_OK(gm_program_fit(&spec, 1, &s->t, NULL, &(gm_fit_options){ .task = GM_TASK_REGRESSION }, a, &p, &err), &err);
        gm_linear *m = random_linear(&r, (int64_t)gm_program_width(p), 1, GM_LINK_IDENTITY, a);
        gm_edge_in in = edge_of(p, NULL, m);
        CHECK_RC(gm_edge_write(&in, a, &text, NULL, &err), GM_EUNSUPPORTED);
        CHECK_HAS(err.message, "cannot be written as C");
        CHECK_HAS(err.ctx[0], "the feature");
        gm_buf_clear(&text);
    }
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

/* A tree of random splits, depth at most 6. */
static int32_t grow(gm_random *r, gm_tree *t, const gm_trees *all, int depth)
{
    int32_t at = t->count++;
    gm_tree_node *n = &t->nodes[at];
    *n = (gm_tree_node){ .feature = -1, .value = all->float32 ? (double)(float)gm_random_normal(r) : gm_random_normal(r) };
    if (depth == 0 || gm_random_below(r, 5) == 0) return at;
    double threshold = odd_number(r, false);
    if (isnan(threshold)) threshold = 1;
    n->feature = (int32_t)gm_random_below(r, all->features);
    n->default_left = gm_random_below(r, 2);
    n->threshold = all->float32 ? (double)(float)threshold : threshold;
    if (!all->float32) {
        n->missing = (gm_tree_missing)gm_random_below(r, 3);
        n->categorical = gm_random_below(r, 4) == 0;
        n->cat_begin = (int32_t)gm_random_below(r, 6);
        n->cat_end = n->cat_begin + 1 + (int32_t)gm_random_below(r, 2);
    }
    int32_t left = grow(r, t, all, depth - 1), right = grow(r, t, all, depth - 1);
    t->nodes[at].left = left;
    t->nodes[at].right = right;
    return at;
}

static gm_trees *random_trees(gm_random *r, bool float32, int32_t features, int32_t outputs, bool in_turn, gm_link link,
                              gm_arena *a)
{
    gm_trees *t = GM_ARENA_NEW(a, gm_trees);
    *t = (gm_trees){ .less_or_equal = !float32,
                     .float32 = float32,
                     .trees_count = 31,
                     .outputs = outputs,
                     .features = features,
                     .link = link,
                     .sigmoid_scale = float32 ? 1 : 0.7 };
    t->trees = GM_ARENA_ARRAY(a, gm_tree, t->trees_count);
    t->base = GM_ARENA_ARRAY(a, double, outputs);
    t->cats = GM_ARENA_ARRAY(a, uint32_t, 8);
    for (int i = 0; i < 8; i++) t->cats[i] = (uint32_t)gm_random_below(r, INT64_C(1) << 32);
    for (int32_t k = 0; k < outputs; k++) t->base[k] = float32 ? (double)(float)gm_random_normal(r) : 0;
    for (int32_t i = 0; i < t->trees_count; i++) {
        t->trees[i] = (gm_tree){ .nodes = GM_ARENA_ARRAY(a, gm_tree_node, 128),
                                 .output = in_turn ? i % outputs : (int32_t)gm_random_below(r, outputs) };
        (void)grow(r, &t->trees[i], t, 6);
    }
    return t;
}

static void check_predictions(gm_random *r, const gm_program *p, gm_trees *trees, gm_linear *linear)
{
    gm_arena *a = gm_harness_arena();
    gm_model *m = trees ? gm_model_of_trees(trees, a) : gm_model_of_linear(linear, a);
    gm_edge_in in = edge_of(p, trees, linear);
    void *handle = write_and_load(&in, a);
    prediction_of predict = (prediction_of)(uintptr_t)symbol(handle, "m_predict");
    sheet *s = random_sheet(r, 500, true);
    gm_matrix x;
    gm_err err;
    cell row[COLUMNS_MAX];
    int64_t outputs = gm_model_outputs(m);
    double *got = GM_ARENA_ARRAY(a, double, outputs), *want = GM_ARENA_ARRAY(a, double, outputs * s->t.rows);
    CHECK_OK(gm_program_apply(p, &s->t, a, &x, &err), &err);
    CHECK_OK(gm_model_predict(m, &x, want, &err), &err);
    for (int64_t i = 0; i < x.rows; i++) {
        row_of(&s->t, p, i, row);
        CHECK(predict(row, got) == 0);
        for (int64_t k = 0; k < outputs; k++)
            if (!same_double(got[k], want[i * outputs + k]))
                gm_harness_fail(__FILE__, __LINE__, "row %lld, output %lld: %.17g and %.17g", (long long)i, (long long)k, got[k],
                                want[i * outputs + k]);
    }
    CHECK(predict(NULL, got) == -1 && predict(row, NULL) == -1);
    (void)dlclose(handle);
}

static void every_kind_of_trees_equals_the_engine(void)
{
    gm_random r;
    gm_random_init(&r, 12);
    gm_program *p = program_of(&r, GM_TASK_REGRESSION, "small", NULL, 0, gm_harness_arena());
    int32_t width = (int32_t)gm_program_width(p);
    gm_arena *a = gm_harness_arena();
    for (int f32 = 0; f32 < 2; f32++) {
        check_predictions(&r, p, random_trees(&r, f32, width, 1, true, GM_LINK_SIGMOID, a), NULL);
        check_predictions(&r, p, random_trees(&r, f32, width, 3, true, GM_LINK_SOFTMAX, a), NULL);
        check_predictions(&r, p, random_trees(&r, f32, width, 4, false, GM_LINK_IDENTITY, a), NULL);
        check_predictions(&r, p, random_trees(&r, f32, width, 1, true, GM_LINK_EXP, a), NULL);
    }
}

static void linear_models_equal_the_programs_own(void)
{
    gm_random r;
    gm_random_init(&r, 13);
    gm_arena *a = gm_harness_arena();
    gm_program *p = program_of(&r, GM_TASK_REGRESSION, "small", NULL, 0, a);
    int64_t width = (int64_t)gm_program_width(p);
    check_predictions(&r, p, NULL, random_linear(&r, width, 1, GM_LINK_SIGMOID, a));
    check_predictions(&r, p, NULL, random_linear(&r, width, 3, GM_LINK_SOFTMAX, a));
    check_predictions(&r, p, NULL, random_linear(&r, width, 1, GM_LINK_IDENTITY, a));
}

/* ---- texts of users ---------------------------------------------------------------------------------------------- */

static void no_name_breaks_the_file(void)
{
    static const char *const odd[] = { "*/ int x; /*",
                                       "?\?/",
                                       "a\"b\\",
                                       "line\nbreak",
                                       "ünï\xe2\x80\xae",
                                       "double",
                                       "NAN",
                                       "a/",
                                       "/*",
                                       "%s%n",
                                       "7",
                                       "",
                                       "x",
                                       "x." };
    enum { ODD = sizeof(odd) / sizeof(odd[0]) };
    gm_arena *a = gm_harness_arena();
    sheet *s = sheet_new(ODD);
    double numbers[ODD];
    gm_feature_spec specs[2 * ODD];
    for (int i = 0; i < ODD; i++) numbers[i] = i;
    size_t count = 0;
    add_texts(s, "t?\?/", odd);
    specs[count++] = SPEC(a, "t?\?/", "one_hot", NULL);
    for (int i = 0; i < ODD; i++) {
        if (!odd[i][0]) continue;
        add_floats(s, odd[i], numbers);
        specs[count++] = SPEC(a, odd[i], "number", NULL);
    }
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_program_fit(specs, count, &s->t, NULL, &(gm_fit_options){ .task = GM_TASK_REGRESSION }, a, &p, &err), &err);
    gm_random r;
    gm_random_init(&r, 1);
    gm_linear *m = random_linear(&r, (int64_t)gm_program_width(p), ODD, GM_LINK_SOFTMAX, a);
    gm_edge_in in = edge_of(p, NULL, m);
    in.task = GM_TASK_MULTICLASS;
    in.classes = odd;
    in.classes_count = ODD;
    for (int i = 0; i < ODD; i++) {
        in.model = in.version = in.digest = odd[i];
        in.with_main = i == 1;
        void *handle = write_and_load(&in, a);
        class_of class = (class_of)(uintptr_t)symbol(handle, "m_class");
        features_of features = (features_of)(uintptr_t)symbol(handle, "m_features");
        for (int k = 0; k < ODD; k++) CHECK_STR(class(k), odd[k]);
        CHECK(class(-1) == NULL && class(ODD) == NULL);
        gm_matrix x;
        cell row[COLUMNS_MAX];
        double got[COLUMNS_MAX * 2];
        CHECK_OK(gm_program_apply(p, &s->t, a, &x, &err), &err);
        row_of(&s->t, p, i, row);
        features(row, got);
        for (int64_t k = 0; k < x.cols; k++) CHECK(same_double(got[k], x.data[k * x.rows + i]));
        (void)dlclose(handle);
        if (i >= 2) i += 4; /* each compiles a file */
    }
}

static void identifiers_are_words_of_c(void)
{
    gm_arena *a = gm_harness_arena();
    CHECK_STR(gm_c_identifier(a, "weather.temp"), "weather_temp");
    CHECK_STR(gm_c_identifier(a, "int"), "int_");
    CHECK_STR(gm_c_identifier(a, "INT64_MIN"), "INT64_MIN_");
    CHECK_STR(gm_c_identifier(a, "9 lives!"), "c9_lives");
    CHECK_STR(gm_c_identifier(a, "_Reserved"), "c_Reserved");
    CHECK_STR(gm_c_identifier(a, ""), "c");
    CHECK_STR(gm_c_identifier(a, "ü"), "c");
}

TESTS(T(every_feature_equals_the_programs_own), T(what_needs_memory_is_refused_by_name), T(every_kind_of_trees_equals_the_engine),
      T(linear_models_equal_the_programs_own), T(no_name_breaks_the_file), T(identifiers_are_words_of_c))
