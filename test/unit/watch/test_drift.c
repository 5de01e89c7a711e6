/* test_drift.c - whole comparisons: verdicts, rates, columns that are not judged, rules, and sides of every kind. */
#include "unit/watch/drift_case.h"

enum { REF = 20000, CUR = 900, COLUMNS = 8 };

static const char *const names[COLUMNS] = { "normal", "skewed", "few", "zeros", "flag", "city", "rare", "gaps" };

/* Every shape of column; shift moves the numbers by so many deviations and the texts by as much of their mass. */
static gm_table make(gm_arena *a, gm_random *g, int64_t rows, double shift)
{
    gm_column *c = GM_ARENA_ARRAY(a, gm_column, COLUMNS);
    for (int k = 0; k < COLUMNS; k++) {
        bool text = k == 5 || k == 6, whole = k == 2 || k == 4;
        double *v = GM_ARENA_ARRAY(a, double, rows);
        int64_t *w = GM_ARENA_ARRAY(a, int64_t, rows);
        int32_t *code = GM_ARENA_ARRAY(a, int32_t, rows);
        gm_dict_builder *b = gm_dict_builder_new(a);
        for (int64_t i = 0; i < rows; i++) {
            double z = gm_random_normal(g) + shift, u = gm_random_double(g);
            char word[24];
            bool moved = gm_random_double(g) < shift / 3;
            (void)snprintf(word, sizeof(word), "%c%d", 'a' + k, moved ? 1 : (int)((k == 5 ? 200 : 2000) * u * u * u));
            v[i] = k == 1 ? exp(1.5 * z) : k == 3 ? (u < 0.9 ? 0 : z) : k == 7 && u < 0.2 ? (double)NAN : z;
            w[i] = k == 4 ? u < 0.3 + shift / 3 : (int64_t)floor(fabs(2 * z));
            if (text) code[i] = gm_dict_builder_code(b, word, strlen(word));
        }
        c[k] = (gm_column){ .name = names[k],
                            .rows = rows,
                            .type = text     ? GM_TYPE_STRING
                                    : k == 4 ? GM_TYPE_BOOL
                                    : whole  ? GM_TYPE_INT
                                             : GM_TYPE_FLOAT };
        if (text) {
            c[k].code = code;
            c[k].dict = gm_dict_builder_finish(b);
        } else if (whole) {
            c[k].i64 = w;
        } else {
            c[k].f64 = v;
        }
    }
    return (gm_table){ .rows = rows, .columns_count = COLUMNS, .columns = c };
}

static gm_drift_result compare(const gm_drift_side *r, const gm_drift_side *c, const gm_drift_options *o, gm_arena *a)
{
    gm_drift_result out;
    gm_err err;
    CHECK_OK(gm_drift_compare(r, c, o, a, &out, &err), &err);
    return out;
}

static gm_drift_result compare_tables(const gm_table *r, const gm_table *c, const gm_drift_options *o, gm_arena *a)
{
    return compare(&(gm_drift_side){ .table = r }, &(gm_drift_side){ .table = c }, o, a);
}

static const gm_drift_column *column(const gm_drift_result *r, const char *name)
{
    for (size_t k = 0; k < r->count; k++)
        if (strcmp(r->columns[k].name, name) == 0) return &r->columns[k];
    gm_harness_fail(__FILE__, __LINE__, "no column %s", name);
}

/* Windows of the reference's own population: no verdict at all, by any detector, of 900 and of 200 rows; of 60 rows (525
 * comparisons of which one in a thousand may) one at most. */
static void windows_of_the_same_do_not_alarm(void)
{
    const int64_t sizes[] = { 60, 200, CUR };
    gm_arena *a = gm_arena_new(0);
    gm_random g;
    gm_random_init(&g, 20130409);
    gm_table ref = make(a, &g, REF, 0);
    gm_drift_prepared *prepared = NULL;
    gm_err err;
    int alarms = 0;
    CHECK_OK(gm_drift_prepare(&(gm_drift_side){ .table = &ref }, a, &prepared, &err), &err);
    for (size_t s = 0; s < 3; s++) {
        for (size_t d = 0; d < gm_detectors.count; d++) {
            const gm_detector *detector = (const gm_detector *)gm_detectors.items[d];
            gm_drift_rule rule = { .numbers = detector, .texts = detector->texts ? detector : NULL, .limit = NAN };
            for (int day = 0; day < 25; day++) {
                gm_arena *once = gm_arena_new(0);
                gm_table cur = make(once, &g, sizes[s], 0);
                gm_drift_result r = compare(&(gm_drift_side){ .prepared = prepared }, &(gm_drift_side){ .table = &cur },
                                            &(gm_drift_options){ .rules = &rule, .rules_count = 1 }, once);
                for (size_t k = 0; k < r.count; k++) {
                    const gm_drift_column *c = &r.columns[k];
                    if (!c->drifted && !c->missing_rose && !c->new_values && !c->out_of_range) continue;
                    if (s == 0 && ++alarms <= 1) continue;
                    gm_harness_fail(__FILE__, __LINE__, "%lld rows, %s: %s %g, p %g, new %g, range %g", (long long)sizes[s],
                                    detector->item.name, c->name, c->value, c->p_adjusted, c->new_share, c->range_share);
                }
                gm_arena_free(once);
            }
        }
    }
    gm_arena_free(a);
}

/* A shift by 0.7 of a deviation is above every detector's own limit, whatever the size of the window. */
static void a_shift_is_found(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_random g;
    gm_random_init(&g, 5);
    gm_table ref = make(a, &g, REF, 0), cur = make(a, &g, CUR, 0.7);
    for (size_t d = 0; d < gm_detectors.count; d++) {
        const gm_detector *detector = (const gm_detector *)gm_detectors.items[d];
        gm_drift_rule rule = { .numbers = detector, .texts = detector->texts ? detector : NULL, .limit = NAN };
        gm_drift_result r = compare_tables(&ref, &cur, &(gm_drift_options){ .rules = &rule, .rules_count = 1 }, a);
        const gm_drift_column *normal = column(&r, "normal"), *city = column(&r, "city");
        if (!normal->drifted)
            gm_harness_fail(__FILE__, __LINE__, "%s of normal is %g, limit %g", detector->item.name, normal->value,
                            normal->limit);
        if (detector->texts && !city->drifted)
            gm_harness_fail(__FILE__, __LINE__, "%s of city is %g, limit %g", detector->item.name, city->value, city->limit);
        if (!detector->texts) CHECK_HAS(city->why, "judges numbers");
        CHECK(normal->p_adjusted < 1e-6 && r.drifted >= 1 && r.dataset_drifted);
    }
    gm_arena_free(a);
}

/* A distance that 50 rows give by chance every now and then is no verdict, however low the limit. */
static void few_rows_take_a_verdict_back(void)
{
    double x[4000], y[50];
    gm_arena *a = gm_arena_new(0);
    for (int i = 0; i < 4000; i++) x[i] = i;
    for (int i = 0; i < 50; i++) y[i] = 640 + i * 67; /* the lower sixth is missing: KS 0.16 */
    gm_column r = drift_numbers("x", x, 4000), c = drift_numbers("x", y, 50);
    gm_table ref = drift_table(&r, 1), cur = drift_table(&c, 1);
    gm_drift_rule rule = { .numbers = drift_detector("ks"), .limit = 0.1 };
    gm_drift_result d = compare_tables(&ref, &cur, &(gm_drift_options){ .rules = &rule, .rules_count = 1 }, a);
    CHECK(d.columns[0].value > 0.15 && d.columns[0].by_chance && !d.columns[0].drifted && d.drifted == 0 && d.judged == 1);
    d = compare_tables(&ref, &cur, &(gm_drift_options){ .rules = &rule, .rules_count = 1, .p_limit = 0.9 }, a);
    CHECK(!d.columns[0].by_chance && d.columns[0].drifted);
    c.rows = cur.rows = 49;
    d = compare_tables(&ref, &cur, NULL, a);
    CHECK(isnan(d.columns[0].value) && d.judged == 0 && isnan(d.drifted_share));
    CHECK_STR(d.columns[0].why, "49 values in the current side, 50 are needed");
    d = compare_tables(&ref, &cur, &(gm_drift_options){ .rows_min = -1 }, a);
    CHECK(!isnan(d.columns[0].value) && d.judged == 1);
    gm_arena_free(a);
}

static void rates_are_verdicts_of_their_own(void)
{
    enum { N = 1000 };
    gm_arena *a = gm_arena_new(0);
    double x[N], y[N];
    const char *s[N], *t[N];
    for (int i = 0; i < N; i++) {
        x[i] = i % 100 + i / 1e6;
        y[i] = i % 10 == 0 ? (double)NAN : i % 10 == 1 ? 1e6 + i : x[i];
        s[i] = i % 2 ? "a" : "b";
        t[i] = i % 20 == 0 ? "XX" : i % 50 == 1 ? "YY" : s[i];
    }
    y[5] = INFINITY;
    gm_column r[2] = { drift_numbers("x", x, N), drift_texts(a, "s", s, N) },
              c[2] = { drift_numbers("x", y, N), drift_texts(a, "s", t, N) };
    gm_table ref = drift_table(r, 2), cur = drift_table(c, 2);
    gm_drift_result d = compare_tables(&ref, &cur, NULL, a);
    const gm_drift_column *num = &d.columns[0], *text = &d.columns[1];
    CHECK(num->missing_rose && num->out_of_range && !num->new_values && isnan(num->new_share));
    CHECK_NEAR(num->missing_current, 0.1, 1e-12);
    CHECK_NEAR(num->range_share, 101 / 900.0, 1e-12); /* an infinity is outside */
    CHECK_HAS(num->why, "outside 0 to 99.001: 101 of 900");
    CHECK(text->new_values && !text->missing_rose && isnan(text->range_share));
    CHECK_NEAR(text->new_share, 0.07, 1e-12);
    CHECK_STR(text->why, "new values: XX (50 of 1000), YY (20)");
    CHECK(d.drifted == 2 && d.judged == 2);
    d = compare_tables(&ref, &cur, &(gm_drift_options){ .no_rates = true }, a);
    CHECK(!d.columns[0].missing_rose && isnan(d.columns[1].new_share) && !d.columns[1].why[0]);
    d = compare_tables(&ref, &cur, &(gm_drift_options){ .new_limit = 0.08, .missing_limit = 0.2, .range_limit = 0.3 }, a);
    CHECK(!d.columns[0].missing_rose && !d.columns[0].out_of_range && !d.columns[1].new_values);
    gm_arena_free(a);
}

/* A share of few values says nothing, whatever it is; and the words of a rate's alarm come before "not judged". */
static void a_share_of_few_values_is_no_alarm(void)
{
    enum { N = 2000, RARE = 20 };
    gm_arena *a = gm_arena_new(0);
    double x[N], y[N];
    const char *s[N], *t[N];
    for (int present = 1; present <= RARE; present = present == 1 ? 9 : present == 9 ? RARE : RARE + 1) {
        for (int i = 0; i < N; i++) {
            x[i] = i % 100 + i / 1e6;
            y[i] = i < present ? 1e6 : (double)NAN;
            s[i] = i % 2 ? "a" : "b";
            t[i] = i < present ? "XX" : NULL;
        }
        gm_column r[2] = { drift_numbers("x", x, N), drift_texts(a, "s", s, N) },
                  c[2] = { drift_numbers("x", y, N), drift_texts(a, "s", t, N) };
        gm_table ref = drift_table(r, 2), cur = drift_table(c, 2);
        gm_drift_result d = compare_tables(&ref, &cur, NULL, a);
        CHECK_NEAR(d.columns[0].range_share, 1, 0);
        CHECK_NEAR(d.columns[1].new_share, 1, 0);
        CHECK(d.columns[0].missing_rose && d.columns[1].missing_rose);
        CHECK(d.columns[0].out_of_range == (present == RARE) && d.columns[1].new_values == (present == RARE));
        CHECK(isnan(d.columns[0].value) && isnan(d.columns[1].value));
        if (present < RARE) continue;
        CHECK_STR(d.columns[0].why, "outside 0 to 99.002: 20 of 20");
        CHECK_STR(d.columns[1].why, "new values: XX (20 of 20)");
    }
    gm_arena_free(a);
}

static void keys_times_and_free_text_are_judged_on_request(void)
{
    enum { N = 2000 };
    gm_arena *a = gm_arena_new(0);
    int64_t id[N], id2[N], when[N], when2[N];
    const char *s[N];
    for (int i = 0; i < N; i++) {
        id[i] = i;
        id2[i] = 10000 + i;
        when[i] = 1000000LL * i;
        when2[i] = when[i] + 86400000000;
        s[i] = gm_arena_printf(a, "note %d", i);
    }
    gm_column r[3] = { drift_integers("id", id, N), drift_integers("when", when, N), drift_texts(a, "note", s, N) };
    gm_column c[3] = { drift_integers("id", id2, N), drift_integers("when", when2, N), drift_texts(a, "note", s, N) };
    r[1].type = c[1].type = GM_TYPE_TIME;
    gm_table ref = drift_table(r, 3), cur = drift_table(c, 3);
    gm_drift_result d = compare_tables(&ref, &cur, NULL, a);
    for (int k = 0; k < 3; k++) {
        CHECK(isnan(d.columns[k].value) && !d.columns[k].drifted && isnan(d.columns[k].new_share) &&
              isnan(d.columns[k].range_share));
        CHECK_HAS(d.columns[k].why, "a rule of its own judges it");
    }
    CHECK(d.judged == 0 && isnan(d.drifted_share) && !d.dataset_drifted);
    gm_drift_rule own[2] = { { .column = "id", .numbers = drift_detector("ks"), .limit = 0.5 },
                             { .column = "when", .numbers = drift_detector("wasserstein"), .limit = NAN } };
    d = compare_tables(&ref, &cur, &(gm_drift_options){ .rules = own, .rules_count = 2 }, a);
    CHECK(d.columns[0].value == 1 && d.columns[0].drifted && d.columns[1].drifted && isnan(d.columns[1].mean_current));
    CHECK_HAS(d.columns[2].why, "a rule of its own judges it"); /* without a rule, as without any rules */
    gm_arena_free(a);
}

/* Nothing crashes, nothing is NaN without a reason. */
static void odd_columns(void)
{
    enum { N = 300 };
    gm_arena *a = gm_arena_new(0);
    double missing[N], same[N], infinite[N], mixed[N], plain[N];
    const char *none[N], *one[N], *long_text[N];
    char *tail = gm_arena_alloc(a, 1000, 1);
    memset(tail, 'x', 999);
    for (int i = 0; i < N; i++) {
        missing[i] = NAN;
        same[i] = -0.0;
        infinite[i] = i % 2 ? INFINITY : -INFINITY;
        mixed[i] = i % 3 == 0 ? (double)NAN : i % 3 == 1 ? (double)INFINITY : (i % 2 ? 1e308 : -1e308);
        plain[i] = i % 7;
        none[i] = NULL;
        one[i] = "";
        long_text[i] = i % 2 ? tail : tail + 1; /* the same in their first 256 bytes */
    }
    gm_column c[8] = { drift_numbers("missing", missing, N),   drift_numbers("same", same, N),
                       drift_numbers("infinite", infinite, N), drift_numbers("mixed", mixed, N),
                       drift_numbers("plain", plain, N),       drift_texts(a, "none", none, N),
                       drift_texts(a, "one", one, N),          drift_texts(a, "long", long_text, N) };
    for (size_t i = 0; i < 8; i++) {
        for (size_t k = 0; k < 8; k++) {
            for (size_t d = 0; d <= gm_detectors.count; d++) {
                gm_column r = c[i], s = c[k];
                s.name = r.name;
                gm_table ref = drift_table(&r, 1), cur = drift_table(&s, 1), empty = ref;
                gm_column nothing = r;
                nothing.rows = empty.rows = 0;
                empty.columns = &nothing;
                const gm_detector *detector =
                    d < gm_detectors.count ? (const gm_detector *)gm_detectors.items[d] : drift_detector("psi");
                gm_drift_rule rule = { .numbers = detector->numbers ? detector : NULL,
                                       .texts = detector->texts ? detector : NULL,
                                       .limit = NAN };
                gm_drift_options o = { .rules = &rule, .rules_count = 1, .rows_min = -1 };
                gm_drift_result x = compare_tables(&ref, &cur, &o, a), y = compare_tables(&ref, &empty, &o, a),
                                z = compare_tables(&empty, &cur, &o, a);
                CHECK(!isnan(x.columns[0].value) ? isfinite(x.columns[0].value) : x.columns[0].why[0] != '\0');
                CHECK(isnan(y.columns[0].value) && isnan(z.columns[0].value) && y.columns[0].why[0] && z.columns[0].why[0]);
                if (i == k && !isnan(x.columns[0].value)) CHECK(x.columns[0].value == 0 && !x.columns[0].drifted);
            }
        }
    }
    gm_arena_free(a);
}

static void another_type_of_value_is_drift(void)
{
    gm_arena *a = gm_arena_new(0);
    double x[100];
    const char *s[100];
    for (int i = 0; i < 100; i++) {
        x[i] = i % 10;
        s[i] = "n/a";
    }
    gm_column r = drift_numbers("x", x, 100), c = drift_texts(a, "x", s, 100);
    gm_table ref = drift_table(&r, 1), cur = drift_table(&c, 1);
    gm_drift_result d = compare_tables(&ref, &cur, NULL, a);
    CHECK(d.columns[0].drifted && isnan(d.columns[0].value) && d.judged == 1);
    CHECK_STR(d.columns[0].why, "float in the reference, string in the current side");
    for (int i = 0; i < 100; i++) s[i] = NULL; /* an empty column has no type of its own */
    c = drift_texts(a, "x", s, 100);
    d = compare_tables(&ref, &cur, NULL, a);
    CHECK(!d.columns[0].drifted && d.columns[0].missing_rose && d.drifted == 1);
    CHECK_STR(d.columns[0].why, "no value in the current side");
    gm_arena_free(a);
}

static void columns_and_rules_are_found_or_named(void)
{
    gm_arena *a = gm_arena_new(0);
    double x[60] = { 0 };
    const char *s[60];
    for (int i = 0; i < 60; i++) s[i] = "a";
    gm_column r[3] = { drift_numbers("speed", x, 60), drift_numbers("gone", x, 60), drift_texts(a, "word", s, 60) };
    gm_column c[3] = { drift_numbers("speed", x, 60), drift_numbers("extra", x, 60), drift_texts(a, "word", s, 60) };
    gm_table ref = drift_table(r, 3), cur = drift_table(c, 3), other = drift_table(&c[1], 1);
    gm_drift_result d = compare_tables(&ref, &cur, NULL, a);
    gm_err err;
    CHECK(d.count == 2 && d.missing_columns_count == 2);
    CHECK_STR(d.missing_columns[0], "-gone");
    CHECK_STR(d.missing_columns[1], "+extra");
    gm_drift_side rs = { .table = &ref }, cs = { .table = &cur }, os = { .table = &other };
    CHECK_RC(gm_drift_compare(&rs, &os, NULL, a, &d, &err), GM_EINVALID);
    CHECK_HAS(err.message, "no column in common");
    gm_drift_rule rule = { .column = "sped", .numbers = drift_detector("ks"), .limit = NAN, .pos = { "p.yaml", 3, 7 } };
    CHECK_RC(gm_drift_compare(&rs, &cs, &(gm_drift_options){ .rules = &rule, .rules_count = 1 }, a, &d, &err), GM_EINVALID);
    CHECK(err.line == 3 && err.col == 7);
    CHECK_HAS(err.hint, "\"speed\"");
    rule.column = "word";
    CHECK_RC(gm_drift_compare(&rs, &cs, &(gm_drift_options){ .rules = &rule, .rules_count = 1 }, a, &d, &err), GM_EINVALID);
    CHECK_HAS(err.message, "judges numbers, column \"word\" holds texts");
    rule = (gm_drift_rule){ .texts = drift_detector("psi"), .numbers = drift_detector("psi"), .limit = NAN };
    CHECK_RC(gm_drift_compare(&rs, &cs, &(gm_drift_options){ .compat = GM_COMPAT_NANNYML, .rules = &rule, .rules_count = 1 }, a,
                              &d, &err),
             GM_EINVALID);
    CHECK_HAS(err.message, "nannyml has no detector");
    const char *const some[] = { "word", "wrod" };
    d = compare_tables(&ref, &cur, &(gm_drift_options){ .columns = some, .columns_count = 1 }, a);
    CHECK(d.count == 1 && d.missing_columns_count == 0);
    CHECK_RC(gm_drift_compare(&rs, &cs, &(gm_drift_options){ .columns = some, .columns_count = 2 }, a, &d, &err), GM_EINVALID);
    CHECK_HAS(err.hint, "\"word\"");
    gm_arena_free(a);
}

/* The same numbers from rows, from a prepared side and from an exact profile; near ones, within their bounds, from a sketch. */
static void profiles_say_the_same(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_random g;
    gm_err err;
    gm_random_init(&g, 8);
    for (int large = 0; large < 2; large++) {
        gm_table ref = make(a, &g, large ? 60000 : 5000, 0), cur = make(a, &g, large ? 30000 : 2000, 0.3);
        gm_profile *pr = NULL, *pc = NULL;
        gm_drift_prepared *prepared = NULL;
        CHECK_OK(gm_profile_of(&ref, a, &pr, &err), &err);
        CHECK_OK(gm_profile_of(&cur, a, &pc, &err), &err);
        CHECK_OK(gm_drift_prepare(&(gm_drift_side){ .table = &ref }, a, &prepared, &err), &err);
        for (size_t d = 0; d < gm_detectors.count; d++) {
            const gm_detector *detector = (const gm_detector *)gm_detectors.items[d];
            gm_drift_rule rule = { .numbers = detector, .texts = detector->texts ? detector : NULL, .limit = NAN };
            gm_drift_options o = { .rules = &rule, .rules_count = 1 };
            gm_drift_result raw = compare_tables(&ref, &cur, &o, a);
            gm_drift_result ready = compare(&(gm_drift_side){ .prepared = prepared }, &(gm_drift_side){ .table = &cur }, &o, a);
            gm_drift_result kept = compare(&(gm_drift_side){ .profile = pr }, &(gm_drift_side){ .profile = pc }, &o, a);
            for (size_t k = 0; k < raw.count; k++) {
                const gm_drift_column *x = &raw.columns[k], *y = &ready.columns[k], *z = &kept.columns[k];
                CHECK(x->value == y->value || (isnan(x->value) && isnan(y->value)));
                CHECK(x->p_value == y->p_value || (isnan(x->p_value) && isnan(y->p_value)));
                CHECK(x->bound == 0 && (large || z->bound == 0));
                if (isnan(x->value)) continue;
                if (!(fabs(x->value - z->value) <= z->bound + 1e-9))
                    gm_harness_fail(__FILE__, __LINE__, "%s of %s: %.12g from rows, %.12g from profiles, bound %g",
                                    detector->item.name, x->name, x->value, z->value, z->bound);
                CHECK_NEAR(x->missing_current, z->missing_current, 0);
                CHECK_NEAR(x->value, z->value, large ? 0.02 : 1e-9);
            }
        }
    }
    gm_arena_free(a);
}

static void compat_wants_rows_where_the_profile_is_a_sketch(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_random g;
    gm_err err;
    gm_random_init(&g, 9);
    gm_table ref = make(a, &g, 20000, 0);
    gm_profile *p = NULL;
    CHECK_OK(gm_profile_of(&ref, a, &p, &err), &err);
    gm_drift_result d = compare(&(gm_drift_side){ .profile = p }, &(gm_drift_side){ .profile = p },
                                &(gm_drift_options){ .compat = GM_COMPAT_EVIDENTLY }, a);
    CHECK(isnan(column(&d, "normal")->value));
    CHECK_HAS(column(&d, "normal")->why, "raw rows");
    CHECK(column(&d, "few")->value == 0 && !column(&d, "few")->why[0]);
    gm_arena_free(a);
}

static void rules_as_text(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_pos at = { "p.yaml", 5, 10 };
    gm_drift_rule r = { .limit = -1 };
    gm_errs errs = { .arena = a };
    CHECK(gm_drift_rule_read("psi > 0.2", at, a, &r, &errs) == GM_OK);
    CHECK(r.numbers == drift_detector("psi") && r.texts == r.numbers && r.limit == 0.2 && !r.inclusive && r.pos.line == 5 &&
          !r.column);
    CHECK(gm_drift_rule_read("  ks>=1e-1 ", at, a, &r, &errs) == GM_OK);
    CHECK(r.numbers == drift_detector("ks") && !r.texts && r.limit == 0.1 && r.inclusive);
    CHECK(gm_drift_rule_read("wasserstein", at, a, &r, &errs) == GM_OK && isnan(r.limit));
    CHECK(gm_drift_rule_read("none", at, a, &r, &errs) == GM_OK && !r.numbers && !r.texts);
    CHECK(errs.count == 0);
    static const struct {
        const char *text, *message, *hint;
        uint32_t col;
    } bad[] = {
        { "pis > 0.2", "unrecognized detector \"pis\"", "\"psi\"", 10 },
        { "psi < 0.2", "begins with > or >=", "psi > 0.2", 14 },
        { "psi > much", "the limit is a number", "psi > 0.2", 16 },
        { "psi > 0.2 rows", "the limit is a number", "psi > 0.2", 16 },
        { "psi > nan", "the limit is a number", "psi > 0.2", 16 },
        { "ks > 1.5", "ks lies between 0 and 1", "", 15 },
        { "", "names a detector", "psi > 0.2", 10 },
        { "> 3", "names a detector", "psi > 0.2", 10 },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gm_errs found = { .arena = a };
        CHECK(gm_drift_rule_read(bad[i].text, at, a, &r, &found) == GM_EINVALID && found.count == 1);
        CHECK_HAS(found.items[0].message, bad[i].message);
        CHECK_HAS(found.items[0].hint, bad[i].hint);
        CHECK(found.items[0].line == 5 && found.items[0].col == bad[i].col);
    }
    gm_arena_free(a);
}

static void json_is_read_back(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_random g;
    gm_random_init(&g, 1);
    gm_table ref = make(a, &g, 500, 0), cur = make(a, &g, 500, 1);
    gm_drift_result d = compare_tables(&ref, &cur, NULL, a);
    gm_buf b = { 0 };
    gm_json j;
    gm_node *root = NULL;
    gm_err err;
    gm_json_init(&j, &b, false);
    gm_drift_json(&d, &j);
    CHECK_OK(gm_json_read(gm_buf_str(&b), b.len, "drift", a, &root, &err), &err);
    CHECK(gm_node_int_or(root, "rows_reference", 0) == 500 && gm_node_int_or(root, "judged", 0) == (int64_t)d.judged);
    const gm_node *first = gm_node_get(root, "columns")->items[0];
    CHECK_STR(gm_node_str_or(first, "name", ""), "normal");
    CHECK_NEAR(gm_node_double_or(first, "value", -1), d.columns[0].value, 0);
    CHECK_STR(gm_node_str_or(first, "detector", ""), "psi");
    gm_buf_clear(&b);
    gm_arena_free(a);
}

TESTS(T(windows_of_the_same_do_not_alarm), T(a_shift_is_found), T(few_rows_take_a_verdict_back),
      T(rates_are_verdicts_of_their_own), T(a_share_of_few_values_is_no_alarm), T(keys_times_and_free_text_are_judged_on_request),
      T(odd_columns), T(another_type_of_value_is_drift), T(columns_and_rules_are_found_or_named), T(profiles_say_the_same),
      T(compat_wants_rows_where_the_profile_is_a_sketch), T(rules_as_text), T(json_is_read_back))
