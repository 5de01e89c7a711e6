/* test_drift_reference.c - the numbers of Evidently, NannyML, TFDV and Deequ, column by column:
 * test/conformance/watch/drift_*.csv. */
#include "unit/watch/drift_case.h"

#include "watch/compat_internal.h"

/* Sums of 2,000 terms in another order, and SciPy's own error functions. p-values: relative, since small ones are what counts. */
#define TOLERANCE 1e-12

typedef struct tables {
    gm_engine *engine;
    gm_arena *a;
    gm_table ref, cur, ref_s, cur_s, expected;
} tables;

static tables open_tables(const char *expected)
{
    tables t = { .a = gm_arena_new(0) };
    gm_err err;
    CHECK_OK(gm_engine_open(&(gm_engine_options){ .threads = 1 }, &t.engine, &err), &err);
    t.ref = drift_read(t.engine, "drift_ref.csv", t.a);
    t.cur = drift_read(t.engine, "drift_cur.csv", t.a);
    t.ref_s = drift_read(t.engine, "drift_ref_s.csv", t.a);
    t.cur_s = drift_read(t.engine, "drift_cur_s.csv", t.a);
    char path[512];
    (void)snprintf(path, sizeof(path), "%s%s", DRIFT_REFERENCE, expected);
    CHECK_OK(gm_data_read(t.engine, path, NULL, 0, 0, t.a, &t.expected, &err), &err);
    return t;
}

static void close_tables(tables *t)
{
    gm_engine_close(t->engine);
    gm_arena_free(t->a);
}

static const char *cell(const tables *t, const char *column, int64_t row)
{
    return gm_column_text(gm_table_find(&t->expected, column), row);
}

static double number(const tables *t, const char *column, int64_t row)
{
    return gm_column_double(gm_table_find(&t->expected, column), row);
}

static void near(const char *what, const char *column, double got, double want)
{
    double tolerance = want != 0 && fabs(want) < 1e-3 ? TOLERANCE * 10 * fabs(want) : TOLERANCE;
    if (!(fabs(got - want) <= tolerance))
        gm_harness_fail(__FILE__, __LINE__, "%s of %s is %.17g, want %.17g", what, column, got, want);
}

/* The automatic choice, through a whole comparison. */
static void check_choice(const gm_table *ref, const gm_table *cur, const char *column, const char *detector, double score,
                         bool drifted)
{
    gm_arena *a = gm_arena_new(0);
    gm_drift_result r;
    gm_err err;
    gm_drift_options o = { .compat = GM_COMPAT_EVIDENTLY, .columns = &column, .columns_count = 1 };
    CHECK_OK(gm_drift_compare(&(gm_drift_side){ .table = ref }, &(gm_drift_side){ .table = cur }, &o, a, &r, &err), &err);
    CHECK(r.count == 1 && r.columns[0].detector);
    CHECK_STR(r.columns[0].detector->item.name, detector);
    near("the choice", column, r.columns[0].value, score);
    CHECK(r.columns[0].drifted == drifted);
    gm_arena_free(a);
}

static void evidently(void)
{
    tables t = open_tables("drift_evidently.csv");
    gm_err err;
    int64_t statistics = 0, choices = 0;
    for (int64_t i = 0; i < t.expected.rows; i++) {
        bool large = strcmp(cell(&t, "size", i), "large") == 0, texts = strcmp(cell(&t, "kind", i), "cat") == 0;
        const gm_table *ref = large ? &t.ref : &t.ref_s, *cur = large ? &t.cur : &t.cur_s;
        const char *name = cell(&t, "column", i), *detector = cell(&t, "detector", i);
        double score = number(&t, "score", i);
        bool drifted = number(&t, "drifted", i) != 0;
        if (strncmp(detector, "default ", 8) == 0) {
            check_choice(ref, cur, name, detector + 8, score, drifted);
            choices++;
        } else if (strcmp(detector, "z_test") != 0) {
            gm_detector_value v;
            CHECK_OK(drift_value(drift_detector(detector), gm_table_find(ref, name), gm_table_find(cur, name), texts,
                                 GM_COMPAT_EVIDENTLY, &v, &err),
                     &err);
            near(detector, name, v.value, score);
            statistics++;
        }
    }
    CHECK(choices == 22 && statistics == 100);
    close_tables(&t);
}

static gm_column chunk_of(const gm_column *c, int64_t from, int64_t rows)
{
    gm_column part = *c;
    part.rows = rows;
    if (c->type == GM_TYPE_STRING)
        part.code += from;
    else if (c->type == GM_TYPE_FLOAT)
        part.f64 += from;
    else
        part.i64 += from;
    return part;
}

static void nannyml(void)
{
    enum { CHUNK = 250 };
    tables t = open_tables("drift_nannyml.csv");
    gm_err err;
    CHECK(t.expected.rows == 392);
    for (int64_t i = 0; i < t.expected.rows; i++) {
        const char *name = cell(&t, "column", i), *detector = cell(&t, "detector", i);
        int64_t chunk = (int64_t)number(&t, "chunk", i);
        const gm_column *ref = gm_table_find(&t.ref, name), *of = chunk < 8 ? ref : gm_table_find(&t.cur, name);
        gm_column part = chunk_of(of, chunk < 8 ? chunk * CHUNK : (chunk - 8) * CHUNK, CHUNK);
        gm_table current = drift_table(&part, 1);
        gm_arena *a = gm_arena_new(0);
        gm_drift_result r;
        gm_drift_rule rule = { .numbers = drift_detector(detector), .texts = drift_detector(detector), .limit = NAN };
        gm_drift_options o = { .compat = GM_COMPAT_NANNYML,
                               .columns = &name,
                               .columns_count = 1,
                               .rules = &rule,
                               .rules_count = 1,
                               .chunk_rows = CHUNK };
        CHECK_OK(gm_drift_compare(&(gm_drift_side){ .table = &t.ref }, &(gm_drift_side){ .table = &current }, &o, a, &r, &err),
                 &err);
        near(detector, name, r.columns[0].value, number(&t, "value", i));
        CHECK(isnan(number(&t, "limit", i)) == isnan(r.columns[0].limit));
        if (!isnan(r.columns[0].limit)) near("the limit", name, r.columns[0].limit, number(&t, "limit", i));
        if (chunk >= 8) CHECK(r.columns[0].drifted == (number(&t, "alert", i) != 0));
        gm_arena_free(a);
    }
    close_tables(&t);
}

/* Ties of the expected counts that Deequ merges are broken by its hash map, here by the order of the counts: the sums are the
 * same. */
static void tfdv_and_deequ(void)
{
    tables t = open_tables("drift_expected.csv");
    gm_err err;
    CHECK(t.expected.rows == 44);
    for (int64_t i = 0; i < t.expected.rows; i++) {
        bool large = strcmp(cell(&t, "size", i), "large") == 0;
        const gm_table *ref = large ? &t.ref : &t.ref_s, *cur = large ? &t.cur : &t.cur_s;
        const char *name = cell(&t, "column", i), *detector = cell(&t, "detector", i);
        const gm_column *r = gm_table_find(ref, name);
        gm_compat compat = strcmp(cell(&t, "program", i), "tfdv") == 0 ? GM_COMPAT_TFDV : GM_COMPAT_DEEQU;
        gm_detector_value v;
        CHECK_OK(drift_value(drift_detector(detector), r, gm_table_find(cur, name), r->type == GM_TYPE_STRING, compat, &v, &err),
                 &err);
        double want = number(&t, "value", i);
        if (!(fabs(v.value - want) <= 1e-12 * fmax(1, fabs(want)) || fabs(v.value / want - 1) < 1e-9))
            gm_harness_fail(__FILE__, __LINE__, "%s of %s is %.17g, want %.17g", detector, name, v.value, want);
    }
    close_tables(&t);
}

/* Half of the values infinite on one side: they match nothing, and neither do points and missing values. */
static void tfdv_by_hand(void)
{
    double x[] = { 1, 1, INFINITY, -INFINITY }, y[] = { 1, 1, 1, NAN };
    gm_column r = drift_numbers("x", x, 4), c = drift_numbers("x", y, 4);
    gm_detector_value v;
    gm_err err;
    CHECK_OK(drift_value(drift_detector("jensen_shannon"), &r, &c, false, GM_COMPAT_TFDV, &v, &err), &err);
    double m = (0.5 + 0.75) / 2;
    CHECK_NEAR(v.value, (0.5 * log2(0.5 / m) + 0.75 * log2(0.75 / m) + 0.5 + 0.25) / 2, 1e-14);
}

/* The z-test that Evidently takes for two values; its p-value is 2 (1 - Phi(z)) in double precision, good to 1e-15 absolutely. */
static void evidently_z(void)
{
    tables t = open_tables("drift_evidently.csv");
    int64_t seen = 0;
    for (int64_t i = 0; i < t.expected.rows; i++) {
        if (strcmp(cell(&t, "detector", i), "z_test") != 0) continue;
        bool large = strcmp(cell(&t, "size", i), "large") == 0;
        const char *name = cell(&t, "column", i);
        gm_sample r, c;
        gm_err err;
        CHECK_OK(gm_sample_of_column(gm_table_find(large ? &t.ref : &t.ref_s, name), t.a, &r, &err), &err);
        CHECK_OK(gm_sample_of_column(gm_table_find(large ? &t.cur : &t.cur_s, name), t.a, &c, &err), &err);
        gm_pair pair = { .reference = &r, .current = &c, .texts = r.type == GM_TYPE_STRING, .arena = t.a };
        gm_detector_value v = { 0 };
        CHECK_OK(gm_evidently_z(&pair, &v, &err), &err);
        CHECK_NEAR(v.value, number(&t, "score", i), 1e-14);
        seen++;
    }
    CHECK(seen == 10);
    close_tables(&t);
}

static double *low_discrepancy(int64_t count, double a, int power, double stretch, double shift)
{
    double *v = calloc((size_t)count, sizeof(*v));
    for (int64_t i = 0; i < count; i++) {
        double x = floor(10000 * fmod((double)(i + 1) * a, 1.0)) / 10000;
        v[i] = (power == 2 ? x * x : x) * stretch + shift;
    }
    return v;
}

/* More than 10,000 values: NannyML's binned forms, and SciPy's p-value from the one-sample distribution in each of its branches.
 * NumPy sums 10,000 shares in another order, and SciPy's one-sided sum has its own rounding: 1e-9 relative. */
static void large_samples(void)
{
    tables t = open_tables("drift_large.csv");
    gm_err err;
    CHECK(t.expected.rows == 45);
    for (int64_t i = 0; i < t.expected.rows; i++) {
        const char *detector = cell(&t, "detector", i);
        int64_t n = (int64_t)number(&t, "n", i), m = (int64_t)number(&t, "m", i);
        double *x = low_discrepancy(n, 0.6180339887498949, (int)number(&t, "power", i), 1, 0);
        double *y = low_discrepancy(m, 0.41421356237309515, 1, number(&t, "stretch", i), number(&t, "shift", i));
        gm_column r = drift_numbers("x", x, n), c = drift_numbers("x", y, m);
        gm_compat compat = strcmp(cell(&t, "program", i), "nannyml") == 0 ? GM_COMPAT_NANNYML : GM_COMPAT_EVIDENTLY;
        gm_detector_value v;
        CHECK_OK(drift_value(drift_detector(detector), &r, &c, false, compat, &v, &err), &err);
        double want = number(&t, "value", i);
        if (!(fabs(v.value - want) <= 1e-9 * fabs(want)))
            gm_harness_fail(__FILE__, __LINE__, "row %d, %s of %d and %d is %.17g, want %.17g", (int)i, detector, (int)n, (int)m,
                            v.value, want);
        free(x);
        free(y);
    }
    close_tables(&t);
}

TESTS(T(large_samples), T(evidently), T(evidently_z), T(nannyml), T(tfdv_and_deequ), T(tfdv_by_hand))
