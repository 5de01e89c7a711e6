/* test_transforms.c - each transform against scikit-learn 1.9.1, and by hand at the edges. */
#include "support.h"

/* ---- the reference tables ---------------------------------------------------------------------------------- */

enum { X_NORM, X_SKEW, X_INT, C_SMALL, Y, FIELDS };

typedef struct reference {
    sheet *sheet;
    double *y;
} reference;

static void read_file(const char *name, gm_buf *out)
{
    gm_err err;
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/test/conformance/feature/%s", GM_SOURCE_DIR, name);
    CHECK_OK(gm_fs_read(path, 0, out, &err), &err);
}

/* Rows first .. first + rows of a reference file, rows < 0: all; missing is an empty field. */
static reference read_table(const char *name, int64_t first, int64_t rows)
{
    gm_buf text = { 0 };
    read_file(name, &text);
    static double numbers[FIELDS][4096];
    static const char *texts[4096];
    gm_arena *a = gm_harness_arena();
    int64_t count = 0, line_number = 0;
    for (char *line = text.data, *next; line && *line; line = next, line_number++) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        if (line_number < 2 + first || (rows >= 0 && count == rows)) continue; /* a comment and the names */
        for (int f = 0; f < FIELDS; f++) {
            char *field = line, *end = strchr(line, ',');
            if (end) *end = '\0';
            line = end ? end + 1 : line + strlen(line);
            if (f == C_SMALL) texts[count] = *field ? gm_arena_strdup(a, field) : NULL;
            else numbers[f][count] = *field ? strtod(field, NULL) : (double)NAN;
        }
        count++;
    }
    reference r = { sheet_new(count), GM_ARENA_ARRAY(a, double, count) };
    add_floats(r.sheet, "x_norm", numbers[X_NORM]);
    add_floats(r.sheet, "x_skew", numbers[X_SKEW]);
    add_floats(r.sheet, "x_int", numbers[X_INT]);
    add_texts(r.sheet, "c_small", texts);
    memcpy(r.y, numbers[Y], (size_t)count * sizeof(double));
    gm_buf_clear(&text);
    return r;
}

static const gm_node *expected(gm_arena *a, const char *name)
{
    gm_buf text = { 0 };
    gm_node *root = NULL;
    gm_err err;
    read_file("transforms.json", &text);
    CHECK_OK(gm_json_read(text.data, text.len, "transforms.json", a, &root, &err), &err);
    gm_buf_clear(&text);
    const gm_node *n = gm_node_get(root, name);
    CHECK(n != NULL);
    return n;
}

static double number_at(const gm_node *list, size_t i)
{
    double v = NAN;
    gm_err err;
    CHECK(list->kind == GM_NODE_SEQ && i < list->count);
    if (strcmp(list->items[i]->text, "nan") == 0) return NAN;
    CHECK_OK(gm_node_double(list->items[i], &v, &err), &err);
    return v;
}

static gm_program *fit(const sheet *s, const double *y, gm_task task, const gm_feature_spec *specs, size_t count)
{
    gm_program *p = NULL;
    gm_err err;
    gm_fit_options o = { .task = task, .classes = 3, .seed = 7 };
    CHECK_OK(gm_program_fit(specs, count, &s->t, y, &o, s->a, &p, &err), &err);
    return p;
}

static gm_matrix apply(const gm_program *p, const sheet *s)
{
    gm_matrix m;
    gm_err err;
    CHECK_OK(gm_program_apply(p, &s->t, s->a, &m, &err), &err);
    return m;
}

static void check_against(const gm_matrix *m, const gm_node *want, double tolerance)
{
    const gm_node *rows = gm_node_get(want, "out");
    CHECK((int64_t)rows->count == m->rows);
    for (int64_t r = 0; r < m->rows; r++) {
        CHECK((int64_t)rows->items[r]->count == m->cols);
        for (int64_t c = 0; c < m->cols; c++) {
            double got = m->data[c * m->rows + r], wanted = number_at(rows->items[r], (size_t)c);
            if (isnan(wanted)) CHECK(isnan(got));
            else CHECK_NEAR(got, wanted, tolerance * fmax(1, fabs(wanted)));
        }
    }
}

static const char *const number_columns[] = { "x_norm", "x_skew", "x_int" };

/* Fit one transform on some number columns of ref.csv, apply it to the first five rows of cur.csv. */
static void compare_numbers(const char *name, const char *transform, const char *params, size_t first, size_t step)
{
    reference ref = read_table("ref.csv", 0, -1), cur = read_table("cur.csv", 0, 5);
    gm_feature_spec specs[3];
    size_t count = 0;
    for (size_t i = first; i < 3; i += step) specs[count++] = SPEC(ref.sheet->a, number_columns[i], transform, params);
    gm_program *p = fit(ref.sheet, ref.y, GM_TASK_BINARY, specs, count);
    gm_matrix m = apply(p, cur.sheet);
    check_against(&m, expected(ref.sheet->a, name), 1e-12);
}

static void impute_is_simple_imputer(void)
{
    compare_numbers("SimpleImputer_mean", "impute", "{strategy: mean, add_indicator: never}", 0, 1);
    compare_numbers("SimpleImputer_median", "impute", "{strategy: median, add_indicator: never}", 0, 1);
    compare_numbers("SimpleImputer_most_frequent", "impute", "{strategy: most_frequent, add_indicator: never}", 0, 1);
}

/* The five rows above miss nothing, so that the statistics show only on a row that misses everything. */
static void imputed_values_are_the_statistics(void)
{
    static const char *const strategies[] = { "mean", "median", "most_frequent" };
    for (size_t s = 0; s < 3; s++) {
        char params[64], name[64];
        (void)snprintf(params, sizeof(params), "{strategy: %s, add_indicator: never}", strategies[s]);
        (void)snprintf(name, sizeof(name), "SimpleImputer_%s", strategies[s]);
        reference ref = read_table("ref.csv", 0, -1);
        sheet *row = sheet_new(1);
        gm_feature_spec specs[3];
        for (size_t i = 0; i < 3; i++) {
            specs[i] = SPEC(ref.sheet->a, number_columns[i], "impute", params);
            add_floats(row, number_columns[i], (double[]){ NAN });
        }
        gm_matrix m = apply(fit(ref.sheet, NULL, GM_TASK_BINARY, specs, 3), row);
        const gm_node *want = gm_node_get(expected(ref.sheet->a, name), "statistics");
        for (size_t i = 0; i < 3; i++) CHECK_NEAR(m.data[i], number_at(want, i), s == 0 ? 1e-12 : 0);
    }
}

static void standardize_is_standard_scaler(void) { compare_numbers("StandardScaler", "standardize", NULL, 0, 1); }

static void bin_is_kbins_ordinal(void)
{
    compare_numbers("KBins5_quantile_ordinal", "bin", "{bins: 5}", 0, 2);
    compare_numbers("KBins5_uniform_ordinal", "bin", "{bins: 5, by: uniform}", 0, 2);
}

static void bin_edges_are_those_of_kbins(void)
{
    static const char *const names[] = { "KBins5_quantile_ordinal", "KBins5_uniform_ordinal" };
    for (size_t k = 0; k < 2; k++) {
        reference ref = read_table("ref.csv", 0, -1);
        gm_feature_spec spec = SPEC(ref.sheet->a, "x_norm", "bin", k ? "{by: uniform}" : NULL);
        gm_program *p = fit(ref.sheet, NULL, GM_TASK_BINARY, &spec, 1);
        const gm_node *want = gm_node_get(expected(ref.sheet->a, names[k]), "edges")->items[0];
        /* On each side of each inner edge, a hair away, the bin changes. */
        sheet *around = sheet_new(8);
        double v[8];
        for (size_t i = 0; i < 4; i++) {
            double edge = number_at(want, i + 1);
            v[2 * i] = edge - 1e-12;
            v[2 * i + 1] = edge + 1e-12;
        }
        add_floats(around, "x_norm", v);
        gm_matrix m = apply(p, around);
        for (size_t i = 0; i < 4; i++) {
            CHECK_NEAR(m.data[2 * i], (double)i, 0);
            CHECK_NEAR(m.data[2 * i + 1], (double)i + 1, 0);
        }
    }
}

static void compare_categories(const char *name, const char *transform, const char *params)
{
    reference ref = read_table("ref.csv", 0, -1), cur = read_table("cur.csv", 5, 4);
    gm_feature_spec spec = SPEC(ref.sheet->a, "c_small", transform, params);
    gm_program *p = fit(ref.sheet, ref.y, GM_TASK_BINARY, &spec, 1);
    gm_matrix m = apply(p, cur.sheet);
    if (strcmp(transform, "ordinal") == 0) CHECK(isnan(m.data[0])); /* sklearn was told to give -1, we give NaN */
    if (strcmp(transform, "ordinal") == 0) m.data[0] = -1;
    check_against(&m, expected(ref.sheet->a, name), 1e-12);
}

static void one_hot_is_one_hot_encoder(void)
{
    compare_categories("OneHot_ignore", "one_hot", NULL);
    compare_categories("OneHot_infrequent_min_frequency_0_2", "one_hot", "{min_frequency: 0.2}");
}

static void ordinal_is_ordinal_encoder(void) { compare_categories("Ordinal_unknown_-1", "ordinal", NULL); }

static void target_encode_is_target_encoder(void)
{
    compare_categories("TargetEncoder_auto_transform", "target_encode", NULL);
    compare_categories("TargetEncoder_smooth10_transform", "target_encode", "{smooth: 10}");
}

/* StratifiedKFold(5) without shuffling, as its documentation describes it: the rows of each class, in order, are cut into 5 parts
 * whose sizes are those that taking every fifth of the sorted classes gives. */
static void stratified_folds(const double *y, int64_t rows, uint8_t *fold)
{
    int64_t of_class[2] = { 0 }, size[GM_FOLDS][2] = { { 0 } };
    for (int64_t r = 0; r < rows; r++) of_class[y[r] > 0]++;
    /* Classes are numbered as they appear, and counted in that order; the first row of ref.csv is of class 0. */
    for (int64_t i = 0; i < rows; i++) size[i % GM_FOLDS][i >= of_class[0]]++;
    for (int k = 0; k < 2; k++) {
        int64_t left = size[0][k];
        uint8_t f = 0;
        for (int64_t r = 0; r < rows; r++) {
            if ((y[r] > 0) != k) continue;
            while (left == 0) left = size[++f][k];
            fold[r] = f;
            left--;
        }
    }
}

static void target_encode_in_training_is_out_of_fold(void)
{
    reference ref = read_table("ref.csv", 0, -1);
    gm_arena *a = ref.sheet->a;
    const gm_item *item = NULL;
    gm_err err;
    void *state = NULL;
    int64_t rows = ref.sheet->t.rows;
    CHECK_OK(gm_registry_find(&gm_transforms, "target_encode", &item, &err), &err);
    const gm_transform *t = (const gm_transform *)item;
    void *conf = gm_arena_alloc(a, 1, item->conf_size);
    gm_errs errs = { .arena = a };
    CHECK(!gm_params_read(item->params, NULL, NULL, a, conf, &errs));
    uint8_t *fold = GM_ARENA_ARRAY(a, uint8_t, rows);
    stratified_folds(ref.y, rows, fold);
    gm_truth y = { .target = ref.y, .task = GM_TASK_BINARY, .fold = fold };
    gm_values in = { .column = gm_table_find(&ref.sheet->t, "c_small"), .stride = rows, .rows = rows, .width = 1 };
    double *out = GM_ARENA_ARRAY(a, double, rows);
    CHECK_OK(t->fit(conf, &in, &y, a, a, &state, &err), &err);
    CHECK_OK(t->apply_train(conf, state, &in, &y, a, out, rows, &err), &err);
    const gm_node *want = expected(a, "TargetEncoder_fit_transform_5fold_noshuffle_first5");
    for (size_t i = 0; i < 5; i++) CHECK_NEAR(out[i], number_at(want, i), 1e-12);
}

static void clip_cuts_at_quantiles(void)
{
    reference ref = read_table("ref.csv", 0, -1);
    gm_feature_spec spec = SPEC(ref.sheet->a, "x_norm", "clip", "{low_quantile: 0.05, high_quantile: 0.95}");
    gm_program *p = fit(ref.sheet, NULL, GM_TASK_BINARY, &spec, 1);
    sheet *s = sheet_new(4);
    add_floats(s, "x_norm", (double[]){ -INFINITY, INFINITY, NAN, 0.5 });
    gm_matrix m = apply(p, s);
    const gm_node *q = gm_node_get(expected(ref.sheet->a, "quantiles"), "x_norm"); /* 1, 5, 25, 50, 75, 95, 99 % */
    CHECK_NEAR(m.data[0], number_at(q, 1), 1e-12);
    CHECK_NEAR(m.data[1], number_at(q, 5), 1e-12);
    CHECK(isnan(m.data[2]));
    CHECK_NEAR(m.data[3], 0.5, 0);
}

static void fence_holds_far_values(void)
{
    sheet *s = sheet_new(9), *late = sheet_new(4);
    add_floats(s, "bulk", (double[]){ 0, 1, 2, 3, 4, 1e300, -1e300, INFINITY, NAN });
    add_floats(s, "flag", (double[]){ 0, 0, 0, 0, 0, 0, 0, 0, 1 }); /* no middle half; 99 % at 0.92 */
    add_floats(s, "same", (double[]){ 5, 5, 5, 5, 5, 5, 5, 5, 5 });
    gm_feature_spec specs[] = { SPEC(s->a, "bulk", "fence", "{k: 2}"), SPEC(s->a, "flag", "fence", NULL), SPEC(s->a, "same", "fence", NULL) };
    gm_program *p = fit(s, NULL, GM_TASK_BINARY, specs, 3);
    const double far[] = { -INFINITY, INFINITY, NAN, 1 };
    add_floats(late, "bulk", far);
    add_floats(late, "flag", far);
    add_floats(late, "same", far);
    gm_matrix m = apply(p, late);
    CHECK_NEAR(m.data[0], 0.5 - 2 * 3, 1e-12); /* finite values -1e300 0 1 2 3 4 1e300: quartiles 0.5 and 3.5 */
    CHECK_NEAR(m.data[1], 3.5 + 2 * 3, 1e-12);
    CHECK(isnan(m.data[2]));
    CHECK_NEAR(m.data[3], 1, 0);
    CHECK_NEAR(m.data[4], -20 * 0.92, 1e-12);
    CHECK_NEAR(m.data[7], 1, 0); /* a rare flag is kept */
    CHECK_NEAR(m.data[8], 5, 0);
    CHECK_NEAR(m.data[9], 5, 0);
}

/* ---- by hand ----------------------------------------------------------------------------------------------- */

static gm_matrix one_column(gm_type type, const double *train, int64_t train_rows, const double *test, int64_t test_rows,
                            gm_program **out_program, const char *const *pairs)
{
    sheet *s = sheet_new(train_rows), *t = sheet_new(test_rows);
    (void)type;
    add_floats(s, "x", train);
    add_floats(t, "x", test);
    gm_feature_spec spec = spec_of(s->a, "x", pairs);
    gm_program *p = fit(s, NULL, GM_TASK_REGRESSION, &spec, 1);
    if (out_program) *out_program = p;
    return apply(p, t);
}

static void log_is_log1p_to_four_ulp(void)
{
    gm_random r;
    gm_random_init(&r, 11);
    sheet *s = sheet_new(20000);
    double *x = GM_ARENA_ARRAY(s->a, double, 20000);
    for (int i = 0; i < 20000; i++) x[i] = ldexp(gm_random_double(&r) + 0.5, (int)gm_random_below(&r, 120) - 80) * (i % 2 ? 1 : -1);
    x[0] = 0, x[1] = INFINITY, x[2] = -1, x[3] = NAN, x[4] = -2;
    add_floats(s, "x", x);
    gm_feature_spec spec = SPEC(s->a, "x", "log", NULL);
    gm_feature_spec sign = spec_of_expr(s, "signed", "x", SPEC(s->a, "x", "log", "{signed: true}"));
    gm_feature_spec specs[] = { spec, sign };
    gm_matrix m = apply(fit(s, NULL, GM_TASK_BINARY, specs, 2), s);
    for (int i = 0; i < 20000; i++) {
        double want = x[i] > -1 ? log1p(x[i]) : (double)NAN, got = m.data[i];
        if (isnan(want)) CHECK(isnan(got));
        else if (isinf(want)) CHECK(got == want);
        else CHECK_NEAR(got, want, 4 * DBL_EPSILON * fabs(want));
        double both = copysign(log1p(fabs(x[i])), x[i]);
        if (!isnan(x[i]) && !isinf(x[i])) CHECK_NEAR(m.data[20000 + i], both, 4 * DBL_EPSILON * fabs(both));
    }
}

static void constant_column_is_centred_and_not_scaled(void)
{
    double v[] = { 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1 };
    gm_matrix m = one_column(GM_TYPE_FLOAT, v, 10, (double[]){ 1.1, NAN }, 2, NULL, (const char *const[]){ "standardize", NULL, NULL });
    CHECK_NEAR(m.data[0], 1.0, 1e-15);
    CHECK(isnan(m.data[1]));
}

static void impute_adds_a_column_where_values_were_missing(void)
{
    gm_program *p = NULL;
    double train[] = { 1, NAN, 3, 8 }, test[] = { NAN, 5 };
    gm_matrix m = one_column(GM_TYPE_FLOAT, train, 4, test, 2, &p, (const char *const[]){ "impute", NULL, NULL });
    CHECK(m.cols == 2);
    CHECK_STR(m.names[0], "x");
    CHECK_STR(m.names[1], "x is missing");
    CHECK_NEAR(m.data[0], 3, 0);
    CHECK_NEAR(m.data[1], 5, 0);
    CHECK_NEAR(m.data[2], 1, 0);
    CHECK_NEAR(m.data[3], 0, 0);
}

static void constant_fill_needs_no_value(void)
{
    double train[] = { NAN, 1 }, test[] = { NAN };
    gm_matrix m = one_column(GM_TYPE_FLOAT, train, 2, test, 1, NULL,
                             (const char *const[]){ "impute", "{strategy: constant, value: -7, add_indicator: never}", NULL });
    CHECK_NEAR(m.data[0], -7, 0);
}

static void one_hot_keeps_the_most_frequent(void)
{
    const char *v[] = { "a", "b", "b", "c", "c", "c", NULL, "d" };
    sheet *s = sheet_new(8), *t = sheet_new(5);
    add_texts(s, "c", v);
    add_texts(t, "c", (const char *const[]){ "c", "b", "a", "new", NULL });
    gm_feature_spec spec = SPEC(s->a, "c", "one_hot", "{max_categories: 3}");
    gm_program *p = fit(s, NULL, GM_TASK_BINARY, &spec, 1);
    CHECK(gm_program_width(p) == 3);
    CHECK_STR(gm_program_output_name(p, 0), "c=b");
    CHECK_STR(gm_program_output_name(p, 1), "c=c");
    CHECK_STR(gm_program_output_name(p, 2), "c=(infrequent)");
    gm_matrix m = apply(p, t);
    static const double want[3][5] = { { 0, 1, 0, 0, 0 }, { 1, 0, 0, 0, 0 }, { 0, 0, 1, 1, 1 } };
    for (int c = 0; c < 3; c++)
        for (int r = 0; r < 5; r++) CHECK_NEAR(m.data[c * 5 + r], want[c][r], 0);
}

static void numbers_are_categories_too(void)
{
    sheet *s = sheet_new(4), *t = sheet_new(4);
    add_ints(s, "n", GM_TYPE_INT, (int64_t[]){ 10, 9, GM_MISSING_INT, 10 });
    add_floats(t, "n", (double[]){ 9, 10, 9.5, NAN });
    gm_feature_spec spec = SPEC(s->a, "n", "one_hot", NULL);
    gm_program *p = fit(s, NULL, GM_TASK_BINARY, &spec, 1);
    CHECK(gm_program_width(p) == 3);
    CHECK_STR(gm_program_output_name(p, 0), "n=9");
    CHECK_STR(gm_program_output_name(p, 2), "n=(missing)");
    gm_matrix m = apply(p, t);
    static const double want[3][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 0, 1 } };
    for (int c = 0; c < 3; c++)
        for (int r = 0; r < 4; r++) CHECK_NEAR(m.data[c * 4 + r], want[c][r], 0);
}

/* Classes 0, 1, 2; category "a" holds 0, 0, 1 and "b" holds 2, smoothed by 1 row of the overall shares 1/2, 1/4, 1/4. */
static void target_encode_gives_a_column_per_class(void)
{
    sheet *s = sheet_new(4), *t = sheet_new(2);
    add_texts(s, "c", (const char *const[]){ "a", "a", "a", "b" });
    add_texts(t, "c", (const char *const[]){ "a", "new" });
    gm_feature_spec spec = SPEC(s->a, "c", "target_encode", "{smooth: 1}");
    gm_program *p = fit(s, (double[]){ 0, 0, 1, 2 }, GM_TASK_MULTICLASS, &spec, 1);
    gm_matrix m = apply(p, t);
    CHECK(m.cols == 3);
    CHECK_STR(m.names[2], "c[2]");
    CHECK_NEAR(m.data[0], 2.5 / 4, 1e-15);
    CHECK_NEAR(m.data[2], 1.25 / 4, 1e-15);
    CHECK_NEAR(m.data[4], 0.25 / 4, 1e-15);
    CHECK_NEAR(m.data[1], 0.5, 1e-15);
    CHECK_NEAR(m.data[3], 0.25, 1e-15);
}

/* One category whose target is constant, another with spread: auto smoothing leaves the first alone. */
static void target_encode_of_a_large_regression_target_does_not_cancel(void)
{
    sheet *s = sheet_new(4);
    add_texts(s, "c", (const char *const[]){ "a", "a", "b", "b" });
    gm_feature_spec spec = SPEC(s->a, "c", "target_encode", NULL);
    double y[] = { 1e9 + 1, 1e9 + 1, 1e9 + 2, 1e9 + 4 };
    gm_matrix m = apply(fit(s, y, GM_TASK_REGRESSION, &spec, 1), s);
    /* v = 1.5; b: n 2, s 2, l = 3 / (3 + 1), mean 3 against 2 */
    CHECK_NEAR(m.data[0], 1e9 + 1, 1e-6);
    CHECK_NEAR(m.data[2], 1e9 + 2.75, 1e-6);
}

static void folds_follow_the_key_not_the_row(void)
{
    enum { ROWS = 200 };
    sheet *s = sheet_new(ROWS), *backwards = sheet_new(ROWS);
    const char *c[ROWS], *c_back[ROWS];
    double y[ROWS], y_back[ROWS];
    uint64_t key[ROWS], key_back[ROWS];
    for (int i = 0; i < ROWS; i++) {
        c[i] = c_back[ROWS - 1 - i] = i % 3 ? "a" : "b";
        y[i] = y_back[ROWS - 1 - i] = i % 7 == 0;
        key[i] = key_back[ROWS - 1 - i] = (uint64_t)i * 977;
    }
    add_texts(s, "c", c);
    add_texts(backwards, "c", c_back);
    gm_feature_spec spec = SPEC(s->a, "c", "target_encode", NULL);
    gm_fit_options o = { .task = GM_TASK_BINARY, .seed = 5, .row_keys = key }, o_back = { .task = GM_TASK_BINARY, .seed = 5, .row_keys = key_back };
    gm_program *p = NULL;
    gm_matrix m, m_back, plain;
    gm_err err;
    CHECK_OK(gm_program_fit(&spec, 1, &s->t, y, &o, s->a, &p, &err), &err);
    CHECK_OK(gm_program_fit_matrix(p, &s->t, y, &o, s->a, &m, &err), &err);
    CHECK_OK(gm_program_apply(p, &s->t, s->a, &plain, &err), &err);
    CHECK_OK(gm_program_fit_matrix(p, &backwards->t, y_back, &o_back, s->a, &m_back, &err), &err);
    int differs = 0;
    for (int i = 0; i < ROWS; i++) {
        CHECK_NEAR(m.data[i], m_back.data[ROWS - 1 - i], 1e-15);
        differs += m.data[i] != plain.data[i];
    }
    CHECK(differs == ROWS);
}

/* Every day of eight centuries, counted one at a time. */
static void date_parts_follow_the_calendar(void)
{
    static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t us = 0;
    CHECK(gm_time_parse("1583-01-01T23:59:59", &us));
    enum { DAYS_MAX = 300000 };
    sheet *s = sheet_new(DAYS_MAX);
    int64_t *t = GM_ARENA_ARRAY(s->a, int64_t, DAYS_MAX);
    for (int i = 0; i < DAYS_MAX; i++) t[i] = us + i * INT64_C(86400000000);
    add_ints(s, "t", GM_TYPE_TIME, t);
    gm_feature_spec spec = SPEC(s->a, "t", "date_parts", "{parts: [year, month, day, weekday, hour, day_of_year]}");
    gm_matrix m = apply(fit(s, NULL, GM_TASK_BINARY, &spec, 1), s);
    CHECK_STR(m.names[0], "t.year");
    int year = 1583, month = 1, day = 1, day_of_year = 1, weekday = 5; /* a Saturday */
    for (int i = 0; i < DAYS_MAX; i++) {
        int want[] = { year, month, day, weekday, 23, day_of_year };
        for (int k = 0; k < 6; k++) CHECK_NEAR(m.data[k * DAYS_MAX + i], want[k], 0);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        weekday = (weekday + 1) % 7;
        day_of_year++;
        if (++day <= month_days[month - 1] + (leap && month == 2)) continue;
        day = 1;
        if (++month <= 12) continue;
        month = day_of_year = 1;
        year++;
    }
}

static void date_parts_are_hour_and_weekday_by_default(void)
{
    sheet *s = sheet_new(2);
    int64_t us = 0;
    CHECK(gm_time_parse("1969-12-31T23:30:00", &us));
    add_ints(s, "t", GM_TYPE_TIME, (int64_t[]){ us, GM_MISSING_INT });
    gm_feature_spec spec = { .name = "t", .kind = GM_KIND_TIME };
    gm_matrix m = apply(fit(s, NULL, GM_TASK_BINARY, &spec, 1), s);
    CHECK(m.cols == 2);
    CHECK_NEAR(m.data[0], 23, 0);
    CHECK_NEAR(m.data[2], 2, 0); /* a Wednesday */
    CHECK(isnan(m.data[1]) && isnan(m.data[3]));
}

static void wrong_parameters_are_told(void)
{
    sheet *s = sheet_new(3);
    add_floats(s, "x", (double[]){ 1, 2, 3 });
    add_texts(s, "c", (const char *const[]){ "a", "b", NULL });
    static const struct {
        const char *column, *transform, *params, *says;
    } cases[] = {
        { "c", "standardize", NULL, "cannot read a string" },
        { "x", "date_parts", NULL, "cannot read a float" },
        { "x", "impute", "{strategy: meen}", "meen" },
        { "x", "impute", "{stratgy: mean}", "stratgy" },
        { "x", "clip", "{low: 5, high: 2}", "above the upper bound" },
        { "c", "target_encode", "{smooth: lots}", "lots" },
        { "c", "target_encode", NULL, "needs a target" },
        { "x", "standardise", NULL, "unrecognized transform" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gm_feature_spec spec = SPEC(s->a, cases[i].column, cases[i].transform, cases[i].params);
        gm_program *p = NULL;
        gm_err err;
        spec.pos = (gm_pos){ "gristmill.yaml", 12, 5 };
        CHECK_RC(gm_program_fit(&spec, 1, &s->t, NULL, &(gm_fit_options){ .task = GM_TASK_BINARY }, s->a, &p, &err), GM_EINVALID);
        CHECK_HAS(err.message, cases[i].says);
        CHECK(err.line > 0);
        CHECK(p == NULL);
    }
}

TESTS(T(impute_is_simple_imputer), T(imputed_values_are_the_statistics), T(standardize_is_standard_scaler), T(bin_is_kbins_ordinal),
      T(bin_edges_are_those_of_kbins), T(one_hot_is_one_hot_encoder), T(ordinal_is_ordinal_encoder), T(target_encode_is_target_encoder),
      T(target_encode_in_training_is_out_of_fold), T(clip_cuts_at_quantiles), T(fence_holds_far_values), T(log_is_log1p_to_four_ulp),
      T(constant_column_is_centred_and_not_scaled), T(impute_adds_a_column_where_values_were_missing), T(constant_fill_needs_no_value),
      T(one_hot_keeps_the_most_frequent), T(numbers_are_categories_too), T(target_encode_gives_a_column_per_class),
      T(target_encode_of_a_large_regression_target_does_not_cancel), T(folds_follow_the_key_not_the_row), T(date_parts_follow_the_calendar),
      T(date_parts_are_hour_and_weekday_by_default), T(wrong_parameters_are_told))
