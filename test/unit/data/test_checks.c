/* test_checks.c - what each check form says, and how mistakes in checks are told. */
#include "data/check.h"
#include "unit/data/data_case.h"

typedef struct run {
    data_case c;
    gm_check_spec *specs;
    gm_check_result *results;
    size_t count;
    int32_t *broken;
    gm_errs errs;
    gm_check_tables others;
} run;

static const char airlines[] = "carrier,name,id\nUA,United,1\nAA,American,2\n";

static gm_rc prepare(run *r, const char *csv, const char *yaml)
{
    gm_node *list = NULL;
    static const char *name = "airlines";
    gm_table *other;
    *r = (run){ 0 };
    CHECK_OK(case_csv(&r->c, csv), &r->c.err);
    r->errs.arena = r->c.arena;
    other = GM_ARENA_NEW(r->c.arena, gm_table);
    case_file(&r->c, "airlines.csv", airlines, strlen(airlines));
    CHECK_OK(gm_data_read(r->c.engine, case_path(&r->c, "airlines.csv"), NULL, 0, 0, r->c.arena, other, &r->c.err), &r->c.err);
    r->others = (gm_check_tables){ .names = &name, .tables = other, .count = 1 };
    CHECK_OK(gm_yaml_read(yaml, strlen(yaml), "g.yaml", r->c.arena, &list, &r->c.err), &r->c.err);
    gm_rc rc = gm_checks_read(list, r->c.arena, &r->specs, &r->count, &r->errs);
    return rc ? rc : gm_checks_validate(r->specs, r->count, &r->c.table, &r->others, r->c.arena, &r->errs);
}

static void go(run *r, const char *csv, const char *yaml)
{
    gm_rc rc = prepare(r, csv, yaml);
    if (rc) gm_harness_fail(__FILE__, __LINE__, "%s", r->errs.count ? r->errs.items[0].message : "?");
    r->results = GM_ARENA_ARRAY(r->c.arena, gm_check_result, r->count);
    r->broken = GM_ARENA_ARRAY(r->c.arena, int32_t, r->c.table.rows);
    int64_t now = 0;
    CHECK(gm_time_parse("2013-01-03", &now));
    CHECK_OK(gm_checks_run(r->specs, r->count, &r->c.table, &r->others, now, r->c.arena, r->results, r->broken, &r->c.err), &r->c.err);
}

static const char small[] = "id,x,carrier,t,u\n"
                            "1,1.5,UA,2013-01-01,a\n"
                            "2,,AA,2013-01-01,b\n"
                            "2,3,XX,2013-01-02,c\n"
                            "4,-4,UA,2013-01-01,d\n"
                            "5,10,,2013-01-02,\n";

static void table_checks_tell_their_value(void)
{
    run r;
    go(&r, small,
       "- rows >= 3\n- rows > 5\n- missing(x) < 25%\n- missing(x) < 20%\n- mean(x) between 2 and 3\n- std(x) < 6\n- min(x) == -4\n- max(x) == 10\n"
       "- sum(x) == 10.5\n- median(x) == 2.25\n- quantile(x, 0.75) == 4.75\n- distinct(carrier) == 3\n- freshness(t) <= 1 day\n- freshness(t) < 12h\n"
       "- \"has_columns('id', 'x')\"\n- \"has_columns('id', 'nope')\"\n- type(x) == 'float'\n- type(id) == 'float'\n- columns == 5\n");
    static const bool want[] = { 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1 };
    CHECK(r.count == sizeof(want));
    for (size_t i = 0; i < r.count; i++)
        if (r.results[i].ok != want[i] || r.results[i].row_check)
            gm_harness_fail(__FILE__, __LINE__, "%s: %s", r.specs[i].text, r.results[i].observed_text);
    CHECK_STR(r.results[1].observed_text, "rows is 5");
    CHECK_STR(r.results[3].observed_text, "missing(x) is 20%");
    CHECK_NEAR(r.results[3].observed, 0.2, 1e-15);
    CHECK_STR(r.results[4].observed_text, "mean(x) is 2.625");
    CHECK_NEAR(r.results[5].observed, sqrt(99.6875 / 3), 1e-12); /* 1.5, 3, -4, 10 around 2.625 */
    CHECK_STR(r.results[13].observed_text, "freshness(t) is 1 days");
    CHECK_STR(r.results[17].observed_text, "type(id) is int");
    case_close(&r.c);
}

static void row_checks_count_and_sample(void)
{
    run r;
    go(&r, small,
       "- x > 0\n- x is not missing\n- id is unique\n- unique(carrier, t)\n- \"carrier in ['UA', 'AA']\"\n- references(carrier, airlines.carrier)\n- increasing(t)\n"
       "- matches(u, '^[a-c]$')\n- length(u) <= 1\n- x < 2 * mean(x)\n- references(id, airlines.id)\n- id is not unique\n");
    static const struct {
        int64_t considered, broken, first;
    } want[] = { { 4, 1, 3 }, { 5, 1, 1 }, { 5, 2, 1 }, { 4, 2, 0 }, { 4, 1, 2 }, { 4, 1, 2 }, { 4, 1, 3 }, { 4, 1, 3 }, { 4, 0, -1 }, { 4, 1, 4 }, { 5, 2, 3 }, { 5, 3, 0 } };
    for (size_t i = 0; i < r.count; i++) {
        const gm_check_result *x = &r.results[i];
        if (!x->row_check || x->considered != want[i].considered || x->broken != want[i].broken || x->ok != (want[i].broken == 0))
            gm_harness_fail(__FILE__, __LINE__, "%s: %s", r.specs[i].text, x->observed_text);
        CHECK((int64_t)x->sample_count == want[i].broken);
        if (x->broken) CHECK(x->sample_rows[0] == want[i].first);
    }
    CHECK_STR(r.results[0].observed_text, "1 of 4 rows (25%)");
    CHECK_STR(r.results[0].sample_values[0], "-4");
    CHECK_STR(r.results[1].sample_values[0], "missing");
    CHECK_STR(r.results[3].sample_values[0], "carrier UA, t 2013-01-01T00:00:00");
    CHECK_STR(r.results[4].sample_values[0], "XX");
    const int32_t first_broken[] = { 4, 2, 3, 1, 10 };
    for (int i = 0; i < 5; i++) CHECK(r.broken[i] == first_broken[i]);
    case_close(&r.c);
}

static void severity_allowance_where_and_names(void)
{
    run r;
    go(&r, small,
       "- { check: x > 0, allow: 25% }\n- { check: x > 0, allow: 24% }\n- { check: x > 0, severity: warning, name: positive }\n"
       "- { check: x > 0, where: carrier == 'UA' }\n- { check: rows == 2, where: carrier == 'UA' }\n- { check: mean(x) == -1.25, where: carrier == 'UA' }\n"
       "- { check: id is unique, where: x > 0 }\n");
    CHECK(r.results[0].ok && !r.results[1].ok);
    CHECK(!r.results[2].ok && r.specs[2].warning);
    CHECK_STR(r.specs[2].name, "positive");
    CHECK(r.results[3].considered == 2 && r.results[3].broken == 1 && r.results[3].sample_rows[0] == 3); /* rows of the whole table */
    CHECK(r.results[4].ok && r.results[5].ok && r.results[6].ok);
    CHECK(r.broken[3] == 1);
    gm_buf text = { 0 };
    gm_json j;
    gm_json_init(&j, &text, false);
    gm_check_results_json(r.results, r.count, &j);
    CHECK_HAS(gm_buf_str(&text), "\"name\":\"positive\",\"severity\":\"warning\",\"ok\":false,\"row_check\":true,\"considered\":4,\"broken\":1");
    gm_buf_clear(&text);
    case_close(&r.c);
}

static void nothing_to_judge(void)
{
    run r;
    go(&r, "x,s\n,a\n,b\n", "- x > 0\n- mean(x) > 0\n- missing(x) == 100%\n- s is unique\n");
    CHECK(r.results[0].ok && r.results[0].considered == 0);
    CHECK(!r.results[1].ok);
    CHECK_HAS(r.results[1].observed_text, "there are no values");
    CHECK(r.results[2].ok && r.results[3].ok);
    case_close(&r.c);
    go(&r, "x,s\n", "- x > 0\n- rows >= 1\n- missing(x) == 0\n- s is unique\n");
    CHECK(r.results[0].ok && !r.results[1].ok && r.results[2].ok && r.results[3].ok);
    case_close(&r.c);
}

static void mistakes_are_told_all_at_once_with_places(void)
{
    run r;
    CHECK_RC(prepare(&r, small, "- y > 0\n- meen(x) > 0\n- mean(carrier) > 0\n- mean(x)\n- 1 < 2\n- references(carrier, airports.carrier)\n- freshness(x) < 1h\n- quantile(x, 2) < 1\n"
                                "- { check: rows > 1, allow: 5% }\n- carrier > 5\n- mean(x + 1) > 0\n"),
             GM_EINVALID);
    static const char *const want[] = { "column \"y\"", "unrecognized function \"meen\"", "mean() takes numbers or times, \"carrier\" is string",
                                        "expected a condition", "looks at no data", "references() takes a column of another data set second",
                                        "freshness() takes a column of times, \"x\" is float", "quantile() takes a number between 0 and 1",
                                        "\"allow\" is for checks of rows", "carrier", "mean() looks at a column, not at an expression" };
    CHECK(r.errs.count == sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < r.errs.count; i++) {
        CHECK_HAS(r.errs.items[i].message, want[i]);
        CHECK_STR(r.errs.items[i].file, "g.yaml");
        CHECK(r.errs.items[i].line == i + 1 && r.errs.items[i].col >= 3);
    }
    CHECK_HAS(r.errs.items[1].hint, "mean(x)");
    CHECK_HAS(r.errs.items[5].hint, "airlines");
    case_close(&r.c);
    CHECK_RC(prepare(&r, small, "- { chek: x > 0 }\n- { check: x > 0, severity: fatal }\n- { check: x > 0, allow: 2 }\n- [x]\n- x > \n"), GM_EINVALID);
    CHECK(r.errs.count >= 5);
    case_close(&r.c);
}

/* A column of the table named like a form is the column. */
static void a_column_named_rows_is_a_column(void)
{
    run r;
    go(&r, "rows,z\n1,2\n5,3\n", "- rows > 2\n");
    CHECK(r.results[0].row_check && r.results[0].broken == 1);
    case_close(&r.c);
}

/* The usual thirty of a customer table, one or more per form. */
static void thirty_usual_checks_can_be_said(void)
{
    run r;
    go(&r,
       "id,age,income,balance,score,events,lat,lon,amount,ratio,country,device,plan,merchant,gender,ts,email,sku,is_active,note\n"
       "1,20,100.5,1200,0.5,0,1,1,3,0,C00,ios,free,m1,f,2025-01-01T00:00:00,abcdef1@example.com,ABC-1234,true,late item\n"
       "2,30,,1100,0.25,2,-5,99,4,0.1,C01,web,pro,m2,m,2025-06-01T00:00:00,bad@example.com,bad 77,false,good old box\n"
       "3,99,50,1300,1,3,45,-180,80,-0.1,C02,api,ent,m1,,2025-12-31T00:00:00,qwerty12@example.com,XYZ-0001,true,no\n",
       "- rows between 900000 and 1100000\n"
       "- \"columns == 20 and has_columns('id', 'age', 'income', 'balance', 'score', 'events', 'lat', 'lon', 'amount', 'ratio', 'country', 'device', 'plan', 'merchant', 'gender', 'ts', 'email', 'sku', 'is_active', 'note')\"\n"
       "- id is not missing\n- id is unique\n- age is not missing\n- age between 18 and 95\n- missing(income) <= 5%\n- income >= 0\n- score between 0 and 1\n- events >= 0\n"
       "- lat between -90 and 90\n- lon between -180 and 180\n- amount > 0\n- mean(ratio) between -0.1 and 0.1\n- mean(balance) between 1100 and 1300\n- std(balance) between 5300 and 5500\n"
       "- median(income) between 30000 and 40000\n- quantile(amount, 0.95) between 220 and 260\n- \"country in ['C00', 'C01', 'C02']\"\n- \"device in ['ios', 'android', 'web', 'tv', 'api', 'kiosk']\"\n"
       "- \"plan in ['free', 'basic', 'pro', 'ent']\"\n- \"gender in ['f', 'm', 'x']\"\n- missing(gender) <= 5%\n- distinct(merchant) between 4000 and 6000\n"
       "- \"matches(email, '^[a-z]{6}[0-9]{1,4}@example[.]com$')\"\n- { check: \"matches(sku, '^[A-Z]{3}-[0-9]{4}$')\", allow: 1% }\n- length(note) between 5 and 80\n"
       "- ts between '2025-01-01' and '2026-01-01'\n- ts is not missing\n- { check: income >= amount, allow: 10% }\n");
    static const bool want[] = { 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0 };
    CHECK(r.count == 30);
    for (size_t i = 0; i < r.count; i++)
        if (r.results[i].ok != want[i]) gm_harness_fail(__FILE__, __LINE__, "%s: %s", r.specs[i].text, r.results[i].observed_text);
    case_close(&r.c);
}

static void every_form_has_help_and_a_place_in_the_alphabet(void)
{
    CHECK(gm_checks.count >= 15);
    for (size_t i = 0; i < gm_checks.count; i++) {
        const gm_check_form *form = (const gm_check_form *)gm_checks.items[i];
        CHECK(form->item.help && form->signature && form->example);
        CHECK(!form->accept == !form->compute);
        if (i) CHECK(strcmp(gm_checks.items[i - 1]->name, form->item.name) < 0);
    }
}

TESTS(T(table_checks_tell_their_value), T(row_checks_count_and_sample), T(severity_allowance_where_and_names), T(nothing_to_judge),
      T(mistakes_are_told_all_at_once_with_places), T(a_column_named_rows_is_a_column), T(thirty_usual_checks_can_be_said),
      T(every_form_has_help_and_a_place_in_the_alphabet))
