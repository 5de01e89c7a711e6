/* What a served model's schema says, and how its columns are found. */
#include "schema_case.h"

static void columns_follow_the_scorer_then_keys(void)
{
    gm_served_schema s = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    CHECK(s.inputs_count == 5 && s.columns_count == 6);
    CHECK_STR(s.columns[DISTANCE].name, "distance");
    CHECK(s.columns[DISTANCE].required && s.columns[DISTANCE].input && s.columns[DISTANCE].low == 80 &&
          s.columns[DISTANCE].high == 4983);
    CHECK(!s.columns[TEMP].required && s.columns[TEMP].personal && s.columns[TEMP].low == -10.5);
    CHECK(s.columns[CARRIER].key && s.columns[CARRIER].categories_count == 3 && s.columns[CARRIER].known);
    CHECK(!s.columns[LATE].required && isnan(s.columns[LATE].low)); /* the package says nothing of it */
    CHECK_STR(s.columns[FLIGHT].name, "flight");
    CHECK(s.columns[FLIGHT].key && !s.columns[FLIGHT].input && s.columns[FLIGHT].type == GM_TYPE_STRING);
    CHECK_STR(s.target, "late_by");
}

static void times_have_no_range(void)
{
    gm_served_schema s = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    CHECK(s.columns[AT].time && s.columns[AT].input && isnan(s.columns[AT].low) && isnan(s.columns[AT].high));
    CHECK_STR(s.columns[AT].format, "%d/%m/%Y");
}

static void names_are_found_with_any_hint(void)
{
    gm_served_schema s = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    for (size_t i = 0; i < s.columns_count; i++)
        for (size_t hint = 0; hint < s.columns_count + 2; hint++)
            CHECK(gm_served_schema_find(&s, s.columns[i].name, s.columns[i].name_len, hint) == (int)i);
    CHECK(gm_served_schema_find(&s, "distanc", 7, 0) == -1);
    CHECK(gm_served_schema_find(&s, "distance2", 9, 0) == -1);
    CHECK(gm_served_schema_find(&s, "", 0, 0) == -1);
}

static void equal_schemas_have_equal_digests(void)
{
    gm_served_schema x = schema_case(gm_harness_arena(), GM_TASK_BINARY), y = schema_case(gm_harness_arena(), GM_TASK_MULTICLASS);
    CHECK_STR(x.digest, y.digest); /* rows are decoded alike, whatever the task */
    CHECK(strlen(x.digest) == 64);
}

TESTS(T(columns_follow_the_scorer_then_keys), T(times_have_no_range), T(names_are_found_with_any_hint),
      T(equal_schemas_have_equal_digests))
