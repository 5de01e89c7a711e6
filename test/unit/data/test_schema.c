/* test_schema.c - schemas as JSON, and what changed between two. */
#include "unit/data/data_case.h"

static void the_schema_reads_back_from_its_json(void)
{
    data_case c;
    CHECK_OK(case_csv(&c, "x,carrier,t\n1.5,UA,2013-01-01\n2.5,AA,2013-01-02\n,UA,2013-01-03\n0,UA,\n"), &c.err);
    const gm_field *x = case_field(&c, "x"), *carrier = case_field(&c, "carrier");
    CHECK(c.schema.rows == 4 && c.schema.count == 3);
    CHECK(x->type == GM_TYPE_FLOAT && x->rows == 4 && x->missing == 1 && x->distinct == 3 && x->max == 2.5);
    CHECK_NEAR(x->mean, 4.0 / 3, 1e-15);
    CHECK(carrier->kind == GM_KIND_CATEGORY && carrier->top_count == 2 && carrier->top_counts[0] == 3 && isnan(carrier->mean));
    CHECK_STR(carrier->top[0], "UA");
    CHECK_STR(case_field(&c, "t")->top[0], "2013-01-01T00:00:00");
    CHECK_STR(gm_kind_name(case_field(&c, "t")->kind), "time");
    case_close(&c);
}

static void a_damaged_schema_has_a_place(void)
{
    static const char *const bad[] = { "{}", "{\"columns\": 5}", "{\"columns\": [{}]}", "{\"columns\": [{\"name\": \"x\", \"type\": \"complex\", \"kind\": \"number\"}]}",
                                       "{\"columns\": [{\"name\": \"x\", \"type\": \"int\", \"kind\": \"what\"}]}",
                                       "{\"columns\": [{\"name\": \"x\", \"type\": \"int\", \"kind\": \"number\", \"top\": [[1]]}]}" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gm_arena *a = gm_arena_new(0);
        gm_node *n = NULL;
        gm_schema s;
        gm_err err;
        CHECK_OK(gm_json_read(bad[i], strlen(bad[i]), "s.json", a, &n, &err), &err);
        CHECK_RC(gm_schema_read(n, a, &s, &err), GM_EINVALID);
        CHECK_STR(err.file, "s.json");
        gm_arena_free(a);
    }
}

static gm_field field(const char *name, gm_type type, gm_kind kind) { return (gm_field){ .name = name, .type = type, .kind = kind, .reason = "mixed", .format = "" }; }

static void what_changed_is_told_column_by_column(void)
{
    gm_arena *a = gm_arena_new(0);
    gm_errs errs = { .arena = a };
    gm_field before[] = { field("a", GM_TYPE_FLOAT, GM_KIND_NUMBER), field("b", GM_TYPE_INT, GM_KIND_NUMBER), field("dep_time", GM_TYPE_INT, GM_KIND_NUMBER),
                          field("e", GM_TYPE_STRING, GM_KIND_CATEGORY) };
    gm_field after[] = { field("new", GM_TYPE_INT, GM_KIND_NUMBER), field("e", GM_TYPE_FLOAT, GM_KIND_EMPTY), field("dep_tim", GM_TYPE_INT, GM_KIND_NUMBER),
                         field("b", GM_TYPE_STRING, GM_KIND_TEXT), field("a", GM_TYPE_INT, GM_KIND_NUMBER) };
    gm_schema x = { .fields = before, .count = 4 }, y = { .fields = after, .count = 5 };
    CHECK_RC(gm_schema_compare(&x, &y, &errs), GM_EINVALID);
    CHECK(errs.count == 2); /* a narrowed to int and e is all missing: both fine */
    CHECK_HAS(errs.items[0].message, "column \"b\" changed its type: it was int and is string");
    CHECK_HAS(errs.items[0].hint, "mixed");
    CHECK_HAS(errs.items[1].message, "column \"dep_time\" vanished");
    CHECK_HAS(errs.items[1].hint, "renamed to \"dep_tim\"");
    CHECK_OK(gm_schema_compare(&x, &x, &errs), NULL);
    after[4].type = GM_TYPE_FLOAT;
    before[0].type = GM_TYPE_INT;
    errs.count = 0;
    y.count = 5;
    CHECK_RC(gm_schema_compare(&x, &y, &errs), GM_EINVALID);
    CHECK(errs.count == 3); /* decimals where integers were expected */
    gm_arena_free(a);
}

TESTS(T(the_schema_reads_back_from_its_json), T(a_damaged_schema_has_a_place), T(what_changed_is_told_column_by_column))
