/* The cells of a request: what stands in for what, what is refused and with which words, what is counted. */
#include "schema_case.h"
#include "serve/rows.h"

static gm_served_schema schema;
static gm_rows rows;
static gm_err err;

static void begin(int64_t count)
{
    if (!schema.columns) schema = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    CHECK(gm_rows_begin(&rows, &schema, count, &err) == GM_OK);
}

static gm_rc text(size_t column, int64_t row, const char *v)
{
    return gm_rows_set_text(&rows, column, row, v, strlen(v), &err);
}

static gm_rc field(size_t column, int64_t row, const char *v)
{
    return gm_rows_set_field(&rows, column, row, v, strlen(v), &err);
}

static void a_row_of_every_type(void)
{
    begin(1);
    CHECK(!gm_rows_set_int(&rows, DISTANCE, 0, 500, &err) && !gm_rows_set_double(&rows, TEMP, 0, 3.5, &err) &&
          !text(CARRIER, 0, "AA") && !gm_rows_set_bool(&rows, LATE, 0, true, &err) && !text(AT, 0, "2013-01-31T05:00:00"));
    CHECK(!gm_rows_finish(&rows, true, &err));
    CHECK(rows.table.rows == 1 && rows.table.columns_count == 5 && rows.breaches_total == 0);
    CHECK(rows.columns[DISTANCE].i64[0] == 500 && rows.columns[TEMP].f64[0] == 3.5 && rows.columns[LATE].i64[0] == 1);
    CHECK_STR(gm_column_text(&rows.columns[CARRIER], 0), "AA");
    CHECK(rows.columns[AT].i64[0] == 1359608400000000);
    CHECK(!rows.given[FLIGHT] && gm_column_is_missing(&rows.columns[FLIGHT], 0));
    gm_rows_clear(&rows);
}

static void numbers_stand_in_for_each_other(void)
{
    begin(3);
    CHECK(!gm_rows_set_double(&rows, DISTANCE, 0, 3.0, &err) && rows.columns[DISTANCE].type == GM_TYPE_INT);
    CHECK(!gm_rows_set_int(&rows, DISTANCE, 1, 9007199254740993, &err) && rows.columns[DISTANCE].i64[1] == 9007199254740993);
    CHECK(!gm_rows_set_double(&rows, DISTANCE, 2, 3.5, &err) && rows.columns[DISTANCE].type == GM_TYPE_FLOAT);
    CHECK(rows.columns[DISTANCE].f64[0] == 3 && rows.columns[DISTANCE].f64[2] == 3.5);
    CHECK(!gm_rows_set_int(&rows, DISTANCE, 1, 7, &err) && rows.columns[DISTANCE].f64[1] == 7);
    CHECK(!gm_rows_set_int(&rows, TEMP, 0, -4, &err) && rows.columns[TEMP].f64[0] == -4);
    CHECK(!gm_rows_set_bool(&rows, TEMP, 1, true, &err) && rows.columns[TEMP].f64[1] == 1);
    CHECK(!gm_rows_set_double(&rows, LATE, 0, 1.0, &err) && rows.columns[LATE].i64[0] == 1);
    CHECK(!gm_rows_set_int(&rows, AT, 0, 1359608400000000, &err) && !gm_rows_set_double(&rows, AT, 1, 1e15, &err));
    CHECK(!gm_rows_set_int(&rows, AT, 2, INT64_MIN, &err) && !text(AT, 3, "NaT")); /* both are how pandas leaves a time out */
    CHECK(rows.columns[AT].i64[2] == GM_MISSING_INT && rows.columns[AT].i64[3] == GM_MISSING_INT);
    begin(1);
    CHECK(rows.columns[DISTANCE].type == GM_TYPE_INT && rows.columns[DISTANCE].i64[0] == GM_MISSING_INT);
    gm_rows_clear(&rows);
}

static void what_does_not_fit_is_refused_with_its_place(void)
{
    begin(4);
    CHECK(text(DISTANCE, 2, "far") == GM_EINVALID);
    CHECK_STR(err.message, "row 3, column \"distance\": expected a number, found \"far\"");
    CHECK(gm_rows_set_double(&rows, CARRIER, 0, 3.5, &err) == GM_EINVALID);
    CHECK_STR(err.message, "row 1, column \"carrier\": expected a text, found 3.5");
    CHECK(gm_rows_set_int(&rows, CARRIER, 0, 3, &err) == GM_EINVALID &&
          gm_rows_set_bool(&rows, CARRIER, 0, true, &err) == GM_EINVALID);
    CHECK(gm_rows_set_int(&rows, LATE, 3, 2, &err) == GM_EINVALID);
    CHECK_STR(err.message, "row 4, column \"late\": expected true or false, found 2");
    CHECK(gm_rows_set_double(&rows, LATE, 3, 0.5, &err) == GM_EINVALID && text(LATE, 0, "true") == GM_EINVALID);
    CHECK(gm_rows_set_double(&rows, AT, 0, 1.5, &err) == GM_EINVALID &&
          gm_rows_set_bool(&rows, AT, 0, true, &err) == GM_EINVALID);
    CHECK(text(AT, 0, "yesterday") == GM_EINVALID);
    CHECK_HAS(err.message, "expected a time as text or microseconds, found \"yesterday\"");
    CHECK(gm_rows_set_double(&rows, DISTANCE, 0, 0x1p63, &err) == GM_EINVALID &&
          gm_rows_set_double(&rows, DISTANCE, 0, 1e30, &err) == GM_EINVALID &&
          gm_rows_set_double(&rows, DISTANCE, 0, (double)INFINITY, &err) == GM_EINVALID);
    CHECK(gm_rows_set_int(&rows, DISTANCE, 0, INT64_MIN, &err) == GM_EINVALID);
    CHECK(gm_rows_set_text(&rows, CARRIER, 0, "U\0A", 3, &err) == GM_EINVALID);
    CHECK_HAS(err.message, "the text holds a NUL");
    gm_rows_clear(&rows);
}

static void long_texts_are_cut_in_messages(void)
{
    char long_text[5000];
    memset(long_text, 'x', sizeof(long_text));
    begin(1);
    CHECK(gm_rows_set_text(&rows, AT, 0, long_text, sizeof(long_text) - 1, &err) == GM_EINVALID);
    CHECK(strlen(err.message) < 160);
    CHECK_HAS(err.message, "xxx...");
    gm_rows_clear(&rows);
}

static void nan_is_missing_in_any_column(void)
{
    begin(1);
    for (size_t k = 0; k < schema.columns_count; k++) {
        CHECK(!gm_rows_set_double(&rows, k, 0, (double)NAN, &err));
        CHECK(rows.given[k] && gm_column_is_missing(&rows.columns[k], 0));
    }
    CHECK(!gm_rows_finish(&rows, false, &err));
    CHECK(rows.breaches[DISTANCE].missing == 1 && rows.breaches[CARRIER].missing == 1 && rows.breaches[TEMP].missing == 0);
    CHECK(rows.breaches_total == 2);
    gm_rows_clear(&rows);
}

static void keys_that_are_no_inputs_take_anything(void)
{
    begin(4);
    CHECK(!gm_rows_set_int(&rows, FLIGHT, 0, 1545, &err) && !text(FLIGHT, 1, "1545") &&
          !gm_rows_set_double(&rows, FLIGHT, 2, 0.5, &err) && !gm_rows_set_bool(&rows, FLIGHT, 3, true, &err));
    for (int64_t i = 0; i < 4; i++) CHECK(!gm_rows_set_int(&rows, DISTANCE, i, 100, &err) && !text(CARRIER, i, "UA"));
    CHECK(!gm_rows_finish(&rows, true, &err));
    CHECK(rows.columns[FLIGHT].code[0] == rows.columns[FLIGHT].code[1]);
    CHECK_STR(gm_column_text(&rows.columns[FLIGHT], 0), "1545");
    CHECK_STR(gm_column_text(&rows.columns[FLIGHT], 2), "0.5");
    CHECK_STR(gm_column_text(&rows.columns[FLIGHT], 3), "true");
    gm_rows_clear(&rows);
}

static void equal_texts_have_one_code(void)
{
    enum { N = 3000 };
    char names[N][8];
    for (int round = 0; round < 3; round++) { /* the second and third use what the first left */
        begin(N);
        for (int i = 0; i < N; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "c%d", i % 701);
            CHECK(!text(CARRIER, i, names[i]) && !gm_rows_set_int(&rows, DISTANCE, i, 100, &err));
        }
        CHECK(!gm_rows_finish(&rows, false, &err));
        const gm_column *c = &rows.columns[CARRIER];
        CHECK(c->dict->count == 701 && rows.breaches[CARRIER].unknown_category == N);
        for (int i = 0; i < N; i++) {
            CHECK(c->code[i] == c->code[i % 701]);
            CHECK_STR(gm_column_text(c, i), names[i]);
            CHECK(c->dict->text_lens[c->code[i]] == strlen(names[i]));
        }
    }
    begin(2);
    CHECK(!text(CARRIER, 1, "UA") && !text(CARRIER, 0, "UA"));
    CHECK(rows.columns[CARRIER].code[0] == 0 && rows.columns[CARRIER].code[1] == 0);
    begin(2);
    CHECK(!text(CARRIER, 1, "B6") && !text(CARRIER, 0, "UA"));
    CHECK(rows.columns[CARRIER].code[0] == 1);
    gm_rows_clear(&rows);
}

static void texts_without_an_end_are_copied(void)
{
    char body[] = "UA,AA";
    begin(2);
    CHECK(!gm_rows_set_text(&rows, CARRIER, 0, body, 2, &err) && !gm_rows_set_text(&rows, CARRIER, 1, body + 3, 2, &err));
    body[0] = 'x';
    CHECK(!gm_rows_set_int(&rows, DISTANCE, 0, 100, &err) && !gm_rows_finish(&rows, false, &err));
    CHECK_STR(gm_column_text(&rows.columns[CARRIER], 0), "UA");
    gm_rows_clear(&rows);
}

static void fields_are_read_as_in_training(void)
{
    begin(2);
    CHECK(!field(DISTANCE, 0, "500") && !field(TEMP, 0, "-1.5e1") && !field(CARRIER, 0, "UA") && !field(LATE, 0, "true") &&
          !field(AT, 0, "31/01/2013"));
    CHECK(!field(DISTANCE, 1, "12.5"));
    CHECK(!field(TEMP, 1, "") && !field(CARRIER, 1, ""));
    CHECK(!field(LATE, 1, "0"));
    CHECK(!field(AT, 1, "1359590400000000"));
    CHECK(!gm_rows_finish(&rows, false, &err));
    CHECK(rows.columns[DISTANCE].f64[0] == 500 && rows.columns[DISTANCE].f64[1] == 12.5 && rows.columns[TEMP].f64[0] == -15);
    CHECK(isnan(rows.columns[TEMP].f64[1]) && rows.columns[CARRIER].code[1] == GM_MISSING_CODE && rows.columns[LATE].i64[1] == 0);
    CHECK(rows.columns[AT].i64[0] == rows.columns[AT].i64[1]);
    CHECK(field(DISTANCE, 0, "far") == GM_EINVALID && field(LATE, 0, "maybe") == GM_EINVALID &&
          field(TEMP, 0, "1.2.3") == GM_EINVALID);
    gm_rows_clear(&rows);
}

static void lacking_columns_are_named_together(void)
{
    begin(1);
    CHECK(!gm_rows_set_double(&rows, TEMP, 0, 1, &err));
    CHECK(gm_rows_finish(&rows, false, &err) == GM_EINVALID);
    CHECK_STR(err.message, "the request lacks 2 columns that the model needs: \"distance\", \"carrier\"");
    gm_rows_clear(&rows);
}

static void breaches_are_counted_or_refused(void)
{
    begin(3);
    for (int64_t i = 0; i < 3; i++)
        CHECK(!text(CARRIER, i, i == 1 ? "ZZ" : "UA") && !gm_rows_set_int(&rows, DISTANCE, i, i == 2 ? 79 : 80, &err));
    CHECK(!gm_rows_finish(&rows, false, &err));
    CHECK(rows.breaches[CARRIER].unknown_category == 1 && rows.breaches[DISTANCE].range == 1 && rows.breaches_total == 2);
    CHECK(gm_rows_finish(&rows, true, &err) == GM_EINVALID);
    CHECK_STR(err.message, "row 3, column \"distance\": outside the range of training, found \"79\"");
    gm_rows_clear(&rows);
}

static void limits_on_rows(void)
{
    begin(1);
    CHECK(gm_rows_begin(&rows, &schema, 0, &err) == GM_EINVALID && gm_rows_begin(&rows, &schema, -1, &err) == GM_EINVALID);
    CHECK(gm_rows_begin(&rows, &schema, (int64_t)GM_ROWS_MAX + 1, &err) == GM_EINVALID);
    CHECK_HAS(err.hint, "Send fewer rows");
    CHECK(gm_rows_begin(&rows, &schema, GM_ROWS_MAX, &err) == GM_OK);
    CHECK(gm_rows_begin(&rows, &schema, 1, &err) == GM_OK);
    gm_rows_clear(&rows);
}

TESTS(T(a_row_of_every_type), T(numbers_stand_in_for_each_other), T(what_does_not_fit_is_refused_with_its_place),
      T(long_texts_are_cut_in_messages), T(nan_is_missing_in_any_column), T(keys_that_are_no_inputs_take_anything),
      T(equal_texts_have_one_code), T(texts_without_an_end_are_copied), T(fields_are_read_as_in_training),
      T(lacking_columns_are_named_together), T(breaches_are_counted_or_refused), T(limits_on_rows))
