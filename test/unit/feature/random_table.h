/* random_table.h - a table with every type, missing values, infinities and unknown categories, and a program over all of it. */
#ifndef GM_TEST_FEATURE_RANDOM_TABLE_H
#define GM_TEST_FEATURE_RANDOM_TABLE_H

#include "support.h"

static inline double odd_number(gm_random *r, bool infinities)
{
    switch (gm_random_below(r, infinities ? 12 : 10)) {
    case 0: return NAN;
    case 1: return 0;
    case 2: return -0.0;
    case 3: return ldexp(gm_random_normal(r), (int)gm_random_below(r, 60) - 30);
    case 10: return INFINITY;
    case 11: return -INFINITY;
    default: return 10 * gm_random_normal(r);
    }
}

/* unknown: with infinities and with categories that other tables do not have. */
static inline sheet *random_sheet(gm_random *r, int64_t rows, bool unknown)
{
    static const char *const carriers[] = { "AA", "UA", "DL", "B6", "rare", "ünï", "a b", "new", "\"" };
    sheet *s = sheet_new(rows);
    double *x = GM_ARENA_ARRAY(s->a, double, rows), *z = GM_ARENA_ARRAY(s->a, double, rows);
    int64_t *n = GM_ARENA_ARRAY(s->a, int64_t, rows), *b = GM_ARENA_ARRAY(s->a, int64_t, rows), *t = GM_ARENA_ARRAY(s->a, int64_t, rows);
    const char **c = GM_ARENA_ARRAY(s->a, const char *, rows), **d = GM_ARENA_ARRAY(s->a, const char *, rows);
    for (int64_t i = 0; i < rows; i++) {
        x[i] = odd_number(r, unknown);
        z[i] = odd_number(r, unknown);
        n[i] = gm_random_below(r, 8) ? gm_random_below(r, unknown ? 9 : 7) - 2 : GM_MISSING_INT;
        b[i] = gm_random_below(r, 6) ? gm_random_below(r, 2) : GM_MISSING_INT;
        t[i] = gm_random_below(r, 9) ? (gm_random_below(r, 400000) - 200000) * INT64_C(1234567890) : GM_MISSING_INT;
        c[i] = gm_random_below(r, 7) ? carriers[gm_random_below(r, unknown ? 9 : 7)] : NULL;
        d[i] = gm_arena_printf(s->a, "k%03d", (int)gm_random_below(r, unknown ? 60 : 50));
    }
    add_floats(s, "x", x);
    add_floats(s, "z z", z);
    add_ints(s, "n", GM_TYPE_INT, n);
    add_ints(s, "b", GM_TYPE_BOOL, b);
    add_ints(s, "t", GM_TYPE_TIME, t);
    add_texts(s, "carrier", c);
    add_texts(s, "d", d);
    return s;
}

#define EVERY_MAX 64

/* Every transform and every chain that differs, over columns and expressions. Returns the number of specs. */
static inline size_t every_feature(const sheet *s, gm_feature_spec *specs)
{
    static const struct {
        const char *name, *expr, *steps[7];
    } rows[] = {
        { "x", NULL, { "number" } },
        { "z z", NULL, { "impute", NULL, "standardize", NULL } },
        { "n", NULL, { "one_hot" } },
        { "b", NULL, { "number" } },
        { "t", NULL, { "date_parts", "{parts: [year, month, day, weekday, hour, day_of_year]}", "impute", "{add_indicator: always}", "standardize", NULL } },
        { "carrier", NULL, { "one_hot", "{min_frequency: 0.1}" } },
        { "d", NULL, { "target_encode", NULL, "standardize", NULL } },
        { "x mean", "x", { "impute", "{strategy: mean, add_indicator: never}" } },
        { "x frequent", "x", { "impute", "{strategy: most_frequent, add_indicator: always}" } },
        { "x fenced", "x", { "fence", "{k: 1}", "impute", NULL } },
        { "x clipped", "x", { "clip", "{low_quantile: 0.1, high: 8}" } },
        { "x binned", "x", { "bin", "{bins: 7}", "one_hot", NULL } },
        { "z bins", "col('z z')", { "bin", "{bins: 4, by: uniform}" } },
        { "x log", "x", { "log" } },
        { "z log", "col('z z')", { "log", "{signed: true}", "impute", NULL, "clip", "{low: -3}" } },
        { "carrier place", "carrier", { "ordinal" } },
        { "n place", "n", { "ordinal" } },
        { "n mean", "n", { "target_encode", "{smooth: 3}" } },
        { "top carriers", "carrier", { "one_hot", "{max_categories: 4}" } },
        { "sum", "x + col('z z') * 2 - 1 / n", { "number" } },
        { "rest", "x % 3 + floor(x / 3) - ceil(n)", { "number" } },
        { "signs", "abs(-x) + sqrt(x) + round(x) ", { "number" } },
        { "exps", "exp(x / 100) + log(abs(x) + 1)", { "number" } },
        { "extremes", "max(x, n, 1) - min(x, n) + clip(x, -2, n)", { "number" } },
        { "choice", "if(x > 0 and not b, n, coalesce(x, n, -5))", { "number" } },
        { "logic", "(x > 1 or b) and (n != 2 or x <= 0)", { "number" } },
        { "between", "x between -1 and n", { "number" } },
        { "outside", "x not between -1 and 5", { "number" } },
        { "whole", "n in [1, 3, 5]", { "number" } },
        { "named", "carrier in ['AA', 'new', 'AA'] or carrier == 'UA'", { "number" } },
        { "unnamed", "carrier not in ['AA'] and carrier != 'DL'", { "number" } },
        { "gone", "x is missing or t is missing or carrier is not missing", { "number" } },
        { "sum again", "x + col('z z') * 2 - 1 / n", { "impute", NULL, "standardize", NULL } },
        { "letters", "length(carrier)", { "impute", NULL } },
        { "small", "lower(carrier)", { "one_hot", NULL } },
        { "half", "hour(t) >= 12", { "number" } },
        { "calendar", "year(t) * 10000 + month(t) * 100 + day(t)", { "impute" } },
        { "days", "day_of_year(t) + 7 * weekday(t)", { "number" } },
        { "span", "days_between(t, '2013-01-01')", { "number" } },
        { "power", "n ^ 3", { "number" } },
    };
    size_t count = sizeof(rows) / sizeof(rows[0]);
    CHECK(count <= EVERY_MAX);
    for (size_t i = 0; i < count; i++) {
        specs[i] = spec_of(s->a, rows[i].name, rows[i].steps);
        if (rows[i].expr) specs[i] = spec_of_expr(s, rows[i].name, rows[i].expr, specs[i]);
    }
    return count;
}

/* Fitted on rows of its own. */
static inline gm_program *every_program(gm_random *r, gm_task task, gm_arena *a)
{
    sheet *s = random_sheet(r, 500, false);
    gm_feature_spec specs[EVERY_MAX];
    size_t count = every_feature(s, specs);
    double y[500];
    for (int i = 0; i < 500; i++) y[i] = task == GM_TASK_REGRESSION ? gm_random_normal(r) : (double)gm_random_below(r, task == GM_TASK_BINARY ? 2 : 3);
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_program_fit(specs, count, &s->t, y, &(gm_fit_options){ .task = task, .classes = 3, .seed = 1 }, a, &p, &err), &err);
    return p;
}

#endif
