/* test_program.c - one program, one answer: for a batch, for a row, and after it was written and read. */
#include "random_table.h"

static gm_matrix apply(const gm_program *p, const gm_table *t, gm_arena *a)
{
    gm_matrix m;
    gm_err err;
    CHECK_OK(gm_program_apply(p, t, a, &m, &err), &err);
    return m;
}

static void batch_equals_its_rows_bit_for_bit(void)
{
    gm_random r;
    gm_random_init(&r, 31);
    gm_arena *a = gm_harness_arena();
    gm_program *p = every_program(&r, GM_TASK_MULTICLASS, a);
    sheet *s = random_sheet(&r, 1500, true); /* more than a block, and not a whole number of them */
    gm_matrix all = apply(p, &s->t, a);
    CHECK((size_t)all.cols == gm_program_width(p));
    for (int64_t i = 0; i < s->t.rows; i += 7) {
        gm_arena *row_arena = gm_harness_arena();
        gm_table row;
        gm_err err;
        CHECK_OK(gm_table_take(&s->t, &i, 1, row_arena, &row, &err), &err);
        gm_matrix one = apply(p, &row, row_arena);
        for (int64_t c = 0; c < all.cols; c++)
            if (!same_double(one.data[c], all.data[c * all.rows + i]))
                gm_harness_fail(__FILE__, __LINE__, "row %lld, %s: %.17g alone, %.17g among others", (long long)i, all.names[c], one.data[c],
                                all.data[c * all.rows + i]);
        gm_harness_arena_free(row_arena);
    }
}

static void what_was_read_computes_the_same_bits(void)
{
    static const gm_task tasks[] = { GM_TASK_BINARY, GM_TASK_MULTICLASS, GM_TASK_REGRESSION };
    for (size_t k = 0; k < 3; k++) {
        gm_random r;
        gm_random_init(&r, 77 + k);
        gm_arena *a = gm_harness_arena();
        gm_program *p = every_program(&r, tasks[k], a);
        const char *json = json_of(p, a);
        gm_program *q = read_back(json, a);
        CHECK_STR(json_of(q, a), json);
        sheet *s = random_sheet(&r, 700, true);
        gm_matrix x = apply(p, &s->t, a), y = apply(q, &s->t, a);
        check_same_matrix(&x, &y);
        for (size_t i = 0; i < gm_program_width(p); i++) {
            CHECK_STR(gm_program_output_name(q, i), gm_program_output_name(p, i));
            CHECK(gm_program_output_feature(q, i) == gm_program_output_feature(p, i));
        }
    }
}

static void fit_matrix_differs_from_apply_only_where_the_target_was_seen(void)
{
    gm_random r;
    gm_random_init(&r, 5);
    gm_arena *a = gm_harness_arena();
    sheet *s = random_sheet(&r, 400, false);
    gm_feature_spec specs[EVERY_MAX];
    size_t count = every_feature(s, specs);
    double y[400];
    for (int i = 0; i < 400; i++) y[i] = (double)gm_random_below(&r, 2);
    gm_fit_options o = { .task = GM_TASK_BINARY, .seed = 9 };
    gm_program *p = NULL;
    gm_matrix train;
    gm_err err;
    CHECK_OK(gm_program_fit(specs, count, &s->t, y, &o, a, &p, &err), &err);
    CHECK_OK(gm_program_fit_matrix(p, &s->t, y, &o, a, &train, &err), &err);
    gm_matrix plain = apply(p, &s->t, a);
    for (int64_t c = 0; c < plain.cols; c++) {
        size_t f = gm_program_output_feature(p, (size_t)c);
        bool encodes = strcmp(specs[f].transforms[0], "target_encode") == 0, differs = false;
        for (int64_t i = 0; i < 400; i++) differs = differs || !same_double(plain.data[c * 400 + i], train.data[c * 400 + i]);
        CHECK(differs == encodes);
    }
}

static void numbers_of_any_type_stand_in_for_each_other(void)
{
    sheet *s = sheet_new(3), *t = sheet_new(3), *u = sheet_new(3);
    add_ints(s, "n", GM_TYPE_INT, (int64_t[]){ 1, 2, 4 });
    add_texts(s, "c", (const char *const[]){ "a", "b", NULL });
    add_floats(t, "n", (double[]){ 1, 2, 4 });
    add_floats(t, "c", (double[]){ NAN, NAN, NAN }); /* all missing: stands for any type */
    add_floats(u, "n", (double[]){ 1, 2, 4 });
    add_floats(u, "c", (double[]){ NAN, NAN, 1 });
    gm_feature_spec specs[] = { spec_of_expr(s, "half", "n / 2", SPEC(s->a, "half", "number", NULL)), SPEC(s->a, "n", "standardize", NULL),
                                SPEC(s->a, "c", "one_hot", NULL) };
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_program_fit(specs, 3, &s->t, NULL, &(gm_fit_options){ 0 }, s->a, &p, &err), &err);
    gm_matrix x = apply(p, &s->t, s->a), y = apply(p, &t->t, s->a);
    for (int i = 0; i < 6; i++) CHECK(same_double(x.data[i], y.data[i]));
    CHECK(y.data[4 * 3] == 1); /* c=(missing) */
    CHECK_RC(gm_program_apply(p, &u->t, s->a, &x, &err), GM_EINVALID);
    CHECK_HAS(err.message, "column \"c\" holds float values and held string values");
}

static void a_missing_column_is_named(void)
{
    sheet *s = sheet_new(2), *t = sheet_new(1);
    add_floats(s, "price", (double[]){ 1, 2 });
    add_floats(t, "prise", (double[]){ 1 });
    gm_feature_spec spec = SPEC(s->a, "price", "number", NULL);
    gm_program *p = NULL;
    gm_matrix m;
    gm_err err;
    CHECK_OK(gm_program_fit(&spec, 1, &s->t, NULL, &(gm_fit_options){ 0 }, s->a, &p, &err), &err);
    CHECK_RC(gm_program_apply(p, &t->t, s->a, &m, &err), GM_EINVALID);
    CHECK_HAS(err.message, "no column \"price\"");
    CHECK_HAS(err.hint, "prise");
}

static void no_rows_give_an_empty_matrix(void)
{
    gm_random r;
    gm_random_init(&r, 2);
    gm_arena *a = gm_harness_arena();
    gm_program *p = every_program(&r, GM_TASK_BINARY, a);
    sheet *s = random_sheet(&r, 0, true);
    gm_matrix m = apply(p, &s->t, a);
    CHECK(m.rows == 0 && (size_t)m.cols == gm_program_width(p));
}

static void a_feature_without_values_is_told_with_its_place(void)
{
    sheet *s = sheet_new(2);
    add_floats(s, "x", (double[]){ NAN, NAN });
    gm_feature_spec spec = SPEC(s->a, "x", "number", NULL);
    gm_program *p = NULL;
    gm_err err;
    spec.pos = (gm_pos){ "gristmill.yaml", 4, 9 };
    CHECK_RC(gm_program_fit(&spec, 1, &s->t, NULL, &(gm_fit_options){ 0 }, s->a, &p, &err), GM_EINVALID);
    CHECK_HAS(err.message, "feature \"x\" is missing in all 2 training rows");
    CHECK(err.line == 4 && err.col == 9);
}

static void two_features_of_one_name_are_refused(void)
{
    sheet *s = sheet_new(1);
    add_floats(s, "x", (double[]){ 1 });
    gm_feature_spec specs[] = { SPEC(s->a, "x", "number", NULL), SPEC(s->a, "x", "log", NULL) };
    gm_program *p = NULL;
    gm_err err;
    CHECK_RC(gm_program_fit(specs, 2, &s->t, NULL, &(gm_fit_options){ 0 }, s->a, &p, &err), GM_EINVALID);
    CHECK_HAS(err.message, "named twice");
}

static void inputs_are_the_raw_columns_each_once(void)
{
    gm_random r;
    gm_random_init(&r, 8);
    gm_arena *a = gm_harness_arena();
    gm_program *p = every_program(&r, GM_TASK_BINARY, a);
    CHECK(gm_program_inputs_count(p) == 7);
    gm_type type = GM_TYPE_UNKNOWN;
    CHECK_STR(gm_program_input_name(p, 2, &type), "n");
    CHECK(type == GM_TYPE_INT);
}

static void defaults_follow_kind_and_model(void)
{
    static const struct {
        gm_kind kind;
        int64_t distinct;
        bool for_linear;
        const char *first;
        size_t count;
    } cases[] = {
        { GM_KIND_NUMBER, 900, false, "number", 1 },       { GM_KIND_NUMBER, 900, true, "fence", 3 },
        { GM_KIND_CATEGORY, 20, false, "one_hot", 1 },     { GM_KIND_CATEGORY, 21, false, "target_encode", 1 },
        { GM_KIND_CATEGORY, 21, true, "target_encode", 2 }, { GM_KIND_BOOL, 2, false, "number", 1 },
        { GM_KIND_TIME, 900, false, "date_parts", 1 },     { GM_KIND_TIME, 900, true, "date_parts", 3 },
        { GM_KIND_ID, 900, false, NULL, 0 },               { GM_KIND_TEXT, 900, false, NULL, 0 },
        { GM_KIND_CONSTANT, 1, false, NULL, 0 },           { GM_KIND_EMPTY, 0, true, NULL, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const *names = NULL, *why = NULL;
        CHECK(gm_feature_defaults(cases[i].kind, cases[i].distinct, cases[i].for_linear, &names, &why) == cases[i].count);
        if (cases[i].first) CHECK_STR(names[0], cases[i].first);
        CHECK(why && why[0]);
    }
}

static void a_linear_model_gets_no_missing_value(void)
{
    gm_random r;
    gm_random_init(&r, 3);
    sheet *s = random_sheet(&r, 300, false), *t = random_sheet(&r, 300, false);
    static const char *const names[] = { "x", "n", "b", "t", "carrier", "d" };
    gm_feature_spec specs[6] = { { 0 } };
    double y[300];
    for (int i = 0; i < 300; i++) y[i] = i % 2;
    for (int i = 0; i < 6; i++) specs[i] = (gm_feature_spec){ .name = names[i], .for_linear = true };
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_program_fit(specs, 6, &s->t, y, &(gm_fit_options){ .task = GM_TASK_BINARY }, s->a, &p, &err), &err);
    gm_matrix m = apply(p, &t->t, s->a);
    for (int64_t i = 0; i < m.rows * m.cols; i++) CHECK(!isnan(m.data[i]));
}

static void broken_programs_are_refused_with_a_place(void)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        { "[]", "not a feature program" },
        { "{\"format\": \"gristmill-features\", \"version\": 2}", "version 2" },
        { "{\"format\": \"gristmill-features\", \"version\": 1}", "inputs" },
        { "{\"format\": \"gristmill-features\", \"version\": 1, \"inputs\": [{\"name\": \"x\", \"type\": \"floot\"}], \"features\": []}", "floot" },
        { "{\"format\": \"gristmill-features\", \"version\": 1, \"inputs\": [], \"features\": [{\"name\": \"x\", \"column\": \"x\", \"steps\": []}]}", "not among the inputs" },
        { "{\"format\": \"gristmill-features\", \"version\": 1, \"inputs\": [{\"name\": \"x\", \"type\": \"float\"}], \"features\": [{\"name\": \"x\", "
          "\"column\": \"x\", \"steps\": [{\"transform\": \"standardize\", \"state\": {\"mean\": [1, 2], \"scale\": [1]}}]}]}", "2 values instead of 1" },
        { "{\"format\": \"gristmill-features\", \"version\": 1, \"inputs\": [{\"name\": \"x\", \"type\": \"float\"}], \"features\": [{\"name\": \"y\", "
          "\"expression\": \"x +\", \"steps\": []}]}", "" },
        { "{\"format\": \"gristmill-features\", \"version\": 1, \"inputs\": [{\"name\": \"c\", \"type\": \"string\"}], \"features\": [{\"name\": \"c\", "
          "\"column\": \"c\", \"steps\": [{\"transform\": \"ordinal\", \"state\": {\"columns\": [{\"values\": \"text\", \"categories\": [\"b\", \"a\"]}]}}]}]}", "rising" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_arena *a = gm_harness_arena();
        gm_node *n = NULL;
        gm_program *p = NULL;
        gm_err err;
        CHECK_OK(gm_json_read(cases[i].json, strlen(cases[i].json), "features.json", a, &n, &err), &err);
        gm_rc rc = gm_program_read(n, a, &p, &err);
        CHECK(rc == GM_EINVALID || rc == GM_EUNSUPPORTED);
        CHECK_HAS(err.message, cases[i].says);
        CHECK_STR(err.file, "features.json");
        gm_harness_arena_free(a);
    }
}

/* A category that is written with another type of value than its column holds must not be looked up in it. */
static void vocabulary_of_the_wrong_type_is_refused(void)
{
    static const char json[] = "{\"format\": \"gristmill-features\", \"version\": 1, \"inputs\": [{\"name\": \"x\", \"type\": \"float\"}], \"features\": [{\"name\": \"x\", "
                               "\"column\": \"x\", \"steps\": [{\"transform\": \"ordinal\", \"state\": {\"columns\": [{\"values\": \"text\", \"categories\": [\"a\"]}]}}]}]}";
    gm_arena *a = gm_harness_arena();
    gm_node *n = NULL;
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_json_read(json, strlen(json), "features.json", a, &n, &err), &err);
    CHECK_RC(gm_program_read(n, a, &p, &err), GM_EINVALID);
}

TESTS(T(batch_equals_its_rows_bit_for_bit), T(what_was_read_computes_the_same_bits),
      T(fit_matrix_differs_from_apply_only_where_the_target_was_seen), T(numbers_of_any_type_stand_in_for_each_other),
      T(a_missing_column_is_named), T(no_rows_give_an_empty_matrix), T(a_feature_without_values_is_told_with_its_place),
      T(two_features_of_one_name_are_refused), T(inputs_are_the_raw_columns_each_once), T(defaults_follow_kind_and_model),
      T(a_linear_model_gets_no_missing_value), T(broken_programs_are_refused_with_a_place), T(vocabulary_of_the_wrong_type_is_refused))
