/* support.h - tables and programs for the tests of this room. */
#ifndef GM_TEST_FEATURE_SUPPORT_H
#define GM_TEST_FEATURE_SUPPORT_H

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/random.h"
#include "feature/transform.h"
#include "harness/harness.h"

#define COLUMNS_MAX 32

/* A table under construction; lives in its arena. */
typedef struct sheet {
    gm_arena *a;
    gm_table t;
    gm_column columns[COLUMNS_MAX];
} sheet;

static inline sheet *sheet_new(int64_t rows)
{
    gm_arena *a = gm_harness_arena();
    sheet *s = GM_ARENA_NEW(a, sheet);
    s->a = a;
    s->t = (gm_table){ .rows = rows, .columns = s->columns };
    return s;
}

static inline gm_column *add_column(sheet *s, const char *name, gm_type type)
{
    gm_column *c = &s->columns[s->t.columns_count++];
    *c = (gm_column){ .name = gm_arena_strdup(s->a, name), .type = type, .rows = s->t.rows };
    return c;
}

static inline void add_floats(sheet *s, const char *name, const double *v)
{
    double *copy = GM_ARENA_ARRAY(s->a, double, s->t.rows);
    if (s->t.rows) memcpy(copy, v, (size_t)s->t.rows * sizeof(*copy));
    add_column(s, name, GM_TYPE_FLOAT)->f64 = copy;
}

static inline void add_ints(sheet *s, const char *name, gm_type type, const int64_t *v)
{
    int64_t *copy = GM_ARENA_ARRAY(s->a, int64_t, s->t.rows);
    if (s->t.rows) memcpy(copy, v, (size_t)s->t.rows * sizeof(*copy));
    add_column(s, name, type)->i64 = copy;
}

/* NULL = missing. */
static inline void add_texts(sheet *s, const char *name, const char *const *v)
{
    gm_dict_builder *b = gm_dict_builder_new(s->a);
    int32_t *code = GM_ARENA_ARRAY(s->a, int32_t, s->t.rows);
    for (int64_t r = 0; r < s->t.rows; r++) code[r] = v[r] ? gm_dict_builder_code(b, v[r], strlen(v[r])) : GM_MISSING_CODE;
    gm_column *c = add_column(s, name, GM_TYPE_STRING);
    c->code = code;
    c->dict = gm_dict_builder_finish(b);
}

/* A map of parameters from YAML flow text, NULL from NULL. */
static inline const gm_node *params_of(gm_arena *a, const char *text)
{
    gm_node *n = NULL;
    gm_err err;
    if (text) CHECK_OK(gm_yaml_read(text, strlen(text), "test", a, &n, &err), &err);
    return n;
}

/* A feature of up to four transforms: "impute", NULL, "standardize", NULL ... (name, parameters) pairs, ended by NULL. */
static inline gm_feature_spec spec_of(gm_arena *a, const char *name, const char *const *pairs)
{
    gm_feature_spec s = { .name = name };
    s.transforms = GM_ARENA_ARRAY(a, const char *, 4);
    s.params = GM_ARENA_ARRAY(a, const gm_node *, 4);
    for (; pairs[0]; pairs += 2) {
        s.transforms[s.transforms_count] = pairs[0];
        s.params[s.transforms_count++] = params_of(a, pairs[1]);
    }
    return s;
}
#define SPEC(a, name, ...) spec_of((a), (name), (const char *const[]){ __VA_ARGS__, NULL })

static inline gm_feature_spec spec_of_expr(const sheet *s, const char *name, const char *text, gm_feature_spec spec)
{
    gm_errs errs = { .arena = s->a };
    gm_expr_host host = gm_expr_table_host(&s->t);
    gm_rc rc = gm_expr_parse(text, (gm_pos){ 0 }, s->a, &spec.expr, &errs);
    if (!rc) rc = gm_expr_check(spec.expr, &host, GM_TYPE_UNKNOWN, s->a, &errs);
    if (rc) gm_harness_fail(__FILE__, __LINE__, "%s: %s", text, errs.count ? errs.items[0].message : "");
    spec.name = name;
    return spec;
}

/* features.json of p; in arena. */
static inline const char *json_of(const gm_program *p, gm_arena *a)
{
    gm_buf text = { 0 };
    gm_json j;
    gm_json_init(&j, &text, false);
    gm_program_json(p, &j);
    char *copy = gm_arena_strndup(a, gm_buf_str(&text), text.len);
    gm_buf_clear(&text);
    return copy;
}

static inline gm_program *read_back(const char *json, gm_arena *a)
{
    gm_node *n = NULL;
    gm_program *p = NULL;
    gm_err err;
    CHECK_OK(gm_json_read(json, strlen(json), "features.json", a, &n, &err), &err);
    CHECK_OK(gm_program_read(n, a, &p, &err), &err);
    return p;
}

/* Bit for bit, except that any NaN is any other. */
static inline bool same_double(double x, double y) { return (isnan(x) && isnan(y)) || memcmp(&x, &y, sizeof(x)) == 0; }

static inline void check_same_matrix(const gm_matrix *x, const gm_matrix *y)
{
    CHECK(x->rows == y->rows && x->cols == y->cols);
    for (int64_t i = 0; i < x->rows * x->cols; i++)
        if (!same_double(x->data[i], y->data[i]))
            gm_harness_fail(__FILE__, __LINE__, "row %lld of column %lld: %.17g and %.17g", (long long)(i % x->rows),
                            (long long)(i / x->rows), x->data[i], y->data[i]);
}

#endif
