/* Tables in JSON and CSV: every form gives the same rows, and every bad one says where it is bad. */
#include "base/utf8.h"
#include "schema_case.h"
#include "serve/decode.h"

static gm_served_schema schema;
static gm_rows rows;
static gm_frame frame;
static gm_err err;

typedef gm_rc (*reading)(gm_slice body, gm_arena *a, gm_frame *out, gm_err *err);

/* A body as the server hands it over: writable, zeros behind it. */
static gm_slice body_of(const char *text, size_t len)
{
    char *copy = gm_arena_alloc(gm_harness_arena(), len + 16, 1);
    CHECK(copy != NULL);
    memcpy(copy, text, len);
    return (gm_slice){ copy, len };
}

static gm_rc decode(reading read, const char *text)
{
    if (!schema.columns) schema = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    gm_rc rc = read(body_of(text, strlen(text)), gm_harness_arena(), &frame, &err);
    if (!rc) rc = gm_frame_decode(&frame, &schema, &rows, &err);
    if (!rc) rc = gm_rows_finish(&rows, false, &err);
    return rc;
}

/* Two rows: 500, 3.5, UA, true, 2013-01-31 and 600, missing, AA, false, missing. */
static void check_two_rows(void)
{
    CHECK(rows.rows == 2);
    CHECK(rows.columns[DISTANCE].i64[0] == 500 && rows.columns[DISTANCE].i64[1] == 600);
    CHECK(rows.columns[TEMP].f64[0] == 3.5 && isnan(rows.columns[TEMP].f64[1]));
    CHECK_STR(gm_column_text(&rows.columns[CARRIER], 0), "UA");
    CHECK_STR(gm_column_text(&rows.columns[CARRIER], 1), "AA");
    CHECK(rows.columns[LATE].i64[0] == 1 && rows.columns[LATE].i64[1] == 0);
    CHECK(rows.columns[AT].i64[0] == 1359590400000000 && rows.columns[AT].i64[1] == GM_MISSING_INT);
}

static void every_form_gives_the_same_rows(void)
{
    static const struct {
        reading read;
        const char *text;
    } forms[] = {
        { gm_frame_mlflow,
          "{\"dataframe_records\":[{\"distance\":500,\"temp\":3.5,\"carrier\":\"UA\",\"late\":true,\"at\":\"2013-01-31\"},"
          "{\"at\":null,\"late\":false,\"carrier\":\"AA\",\"distance\":600.0}]}" },
        { gm_frame_mlflow,
          "{\"dataframe_split\":{\"index\":[0,1],\"columns\":[\"carrier\",\"distance\",\"at\",\"temp\",\"late\"],"
          "\"data\":[[\"UA\",500,\"2013-01-31\",3.5,true],[\"AA\",600,null,null,false]]},\"params\":{\"x\":1}}" },
        { gm_frame_mlflow,
          "{\"dataframe_split\":{\"data\":[[500,3.5,\"UA\",true,\"2013-01-31\"],[600,null,\"AA\",false,null]]}}" },
        { gm_frame_mlflow, "{\"instances\":[[500,3.5,\"UA\",true,\"2013-01-31\"],[600,null,\"AA\",false,null]]}" },
        { gm_frame_mlflow, "{\"instances\":[[500,3.5,\"UA\",true,\"2013-01-31\"],[600,NaN,\"AA\",false,\"NaT\"]]}" },
        { gm_frame_instances, "{\"instances\":[[500,3.5,\"UA\",true,1359590400000000,1545],{\"carrier\":[\"AA\"],\"distance\":"
                              "600,\"late\":0}],\"parameters\":{}}" },
        { gm_frame_mlflow, "{\"inputs\":{\"distance\":[500,600],\"temp\":[[3.5],[null]],\"carrier\":[\"UA\",\"AA\"],\"late\":[1,"
                           "0],\"at\":[\"31/01/2013\",null]}}" },
        { gm_frame_mlflow, "{\"inputs\":[[500,3.5,\"UA\",true,\"2013-01-31\"],[600,null,\"AA\",false,null]]}" },
        { gm_frame_lines, "{\"distance\":500,\"temp\":3.5,\"carrier\":\"UA\",\"late\":true,\"at\":\"2013-01-31\"}\n\r\n[600,null,"
                          "\"AA\",false,null]\n" },
        { gm_frame_csv, "distance,temp,carrier,late,at\n500,3.5,UA,true,2013-01-31\n600,,AA,false,\n" },
        { gm_frame_csv, "\xEF\xBB\xBF\"carrier\",extra,distance,temp,late,at\r\n\"UA\",\"a,\"\"b\"\"\n\",500,3.5,1,31/01/"
                        "2013\r\n\r\nAA,,600,,0,\r\n" },
        { gm_frame_csv, "500,3.5,UA,true,2013-01-31\n600,,AA,false," },
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (decode(forms[i].read, forms[i].text)) gm_harness_fail(__FILE__, __LINE__, "%s: %s", forms[i].text, err.message);
        check_two_rows();
        CHECK(gm_frame_decode(&frame, &schema, &rows, &err) == GM_OK &&
              gm_rows_finish(&rows, false, &err) == GM_OK); /* once more */
        check_two_rows();
    }
    gm_rows_clear(&rows);
}

static void named_columns_of_one_row_need_no_list(void)
{
    CHECK(!decode(gm_frame_mlflow, "{\"inputs\":{\"distance\":500,\"carrier\":\"UA\"}}"));
    CHECK(rows.rows == 1 && rows.columns[DISTANCE].i64[0] == 500 && !rows.given[TEMP]);
    gm_rows_clear(&rows);
}

static void unknown_columns_are_counted(void)
{
    CHECK(!decode(gm_frame_mlflow, "{\"dataframe_records\":[{\"distance\":500,\"carrier\":\"UA\",\"x\":1,\"y\":[1,{}]}]}"));
    CHECK(rows.unknown_columns == 2);
    CHECK(!decode(gm_frame_csv, "x,distance,y,carrier\n1,500,2,UA\n"));
    CHECK(rows.unknown_columns == 2);
    gm_rows_clear(&rows);
}

static void what_is_wrong_is_told(void)
{
    static const struct {
        reading read;
        const char *text, *message;
    } bad[] = {
        { gm_frame_mlflow, "", "the body is empty" },
        { gm_frame_mlflow, "{", "the body is no JSON: " },
        { gm_frame_mlflow, "{\"instances\":[[1,1,NaN1,true,null]]}", "the body is no JSON: " },
        { gm_frame_mlflow, "{\"instances\":[[-Infinity,1,\"UA\",true,null]]}", "the body is no JSON: " },
        { gm_frame_mlflow, "{\"instances\":[[Infinity,1,\"UA\",true,null]]}", "the body is no JSON: " },
        { gm_frame_mlflow, "{\"instances\":[[1e999,1,\"UA\",true,null]]}", "the body is no JSON: " },
        { gm_frame_mlflow, "{\"instances\":[[1,1,\"\\ud800\",true,null]]}", "the body is no JSON: " },
        { gm_frame_mlflow, "{\"instances\":[[1,1,\"\xC0\xAE\",true,null]]}", "the body is no JSON: " },
        { gm_frame_mlflow, "{\"instances\":[[1,1,\"U\\u0000A\",true,null]]}", "a text of the JSON holds a NUL" },
        { gm_frame_mlflow, "{\"instances\":[{\"dist\\u0000ance\":1}]}", "a text of the JSON holds a NUL" },
        { gm_frame_mlflow, "{\"instances\":[],\"instances\":[]}", "key \"instances\" stands twice" },
        { gm_frame_mlflow, "{\"instances\":[{\"distance\":1,\"temp\":2,\"distance\":1}]}", "key \"distance\" stands twice" },
        { gm_frame_mlflow, "[]", "the body must be a JSON object, found a list" },
        { gm_frame_mlflow, "{}", "the body has none of" },
        { gm_frame_mlflow, "{\"instances\":[],\"inputs\":[]}", "the body has several of" },
        { gm_frame_mlflow, "{\"instances\":{}}", "\"instances\" must be a list of rows, found an object" },
        { gm_frame_mlflow, "{\"instances\":[]}", "the request has no rows" },
        { gm_frame_mlflow, "{\"instances\":[[1,2]]}", "row 1 has 2 values, the model takes 5" },
        { gm_frame_mlflow, "{\"instances\":[5]}", "row 1 has 1 values, the model takes 5" },
        { gm_frame_mlflow, "{\"instances\":[{\"distance\":\"far\",\"carrier\":\"UA\"}]}",
          "row 1, column \"distance\": expected a number, found \"far\"" },
        { gm_frame_mlflow, "{\"instances\":[{\"distance\":{},\"carrier\":\"UA\"}]}",
          "row 1, column \"distance\": expected one value, found an object" },
        { gm_frame_mlflow, "{\"instances\":[{\"distance\":1,\"carrier\":\"UA\"},{\"distance\":1,\"carrier\":5}]}",
          "row 2, column \"carrier\": expected a text, found 5" },
        { gm_frame_mlflow, "{\"instances\":[[100000000000000000000000,1,\"UA\",true,null]]}", "row 1, column \"distance\"" },
        { gm_frame_mlflow, "{\"instances\":[[9223372036854775808,1,\"UA\",true,null]]}", "row 1, column \"distance\"" },
        { gm_frame_mlflow, "{\"instances\":[[1,1,\"UA\",true,1e30]]}", "row 1, column \"at\"" },
        { gm_frame_mlflow, "{\"instances\":[{\"temp\":1}]}", "the request lacks 2 columns" },
        { gm_frame_mlflow, "{\"dataframe_split\":{\"columns\":[\"distance\"]}}", "\"dataframe_split\" must be an object with" },
        { gm_frame_mlflow, "{\"dataframe_split\":{\"columns\":\"distance\",\"data\":[[1]]}}",
          "\"columns\" must be a list of names" },
        { gm_frame_mlflow, "{\"dataframe_split\":{\"columns\":[\"distance\",5],\"data\":[[1,2]]}}",
          "column 2 of \"columns\" is a number, not a name" },
        { gm_frame_mlflow, "{\"dataframe_split\":{\"columns\":[\"distance\",\"distance\"],\"data\":[[1,2]]}}",
          "column \"distance\" stands twice" },
        { gm_frame_mlflow, "{\"dataframe_split\":{\"columns\":[\"distance\",\"carrier\"],\"data\":[[1,\"UA\"],[1]]}}",
          "row 2 of \"data\" has 1 values, \"columns\" has 2" },
        { gm_frame_mlflow, "{\"dataframe_split\":{\"columns\":[\"distance\"],\"data\":[5]}}",
          "row 1 of \"data\" is a number, not a list" },
        { gm_frame_mlflow, "{\"inputs\":{}}", "\"inputs\" names no column" },
        { gm_frame_mlflow, "{\"inputs\":{\"distance\":[1,2],\"carrier\":[\"UA\"]}}",
          "column \"carrier\" of \"inputs\" has 1 values, the first has 2" },
        { gm_frame_mlflow, "{\"inputs\":{\"distance\":[[1,2]],\"carrier\":[\"UA\"]}}",
          "row 1, column \"distance\": expected one value, found a list" },
        { gm_frame_instances, "{\"inputs\":[]}", "the body lacks \"instances\"" },
        { gm_frame_lines, "[1,2]\n{", "line 2: the body is no JSON" },
        { gm_frame_lines, "\n \n", "the request has no rows" },
        { gm_frame_csv, "", "the CSV has no rows" },
        { gm_frame_csv, "distance,carrier\n", "the request has no rows" },
        { gm_frame_csv, "1,2\n", "the CSV has 2 columns and no header that the model knows" },
        { gm_frame_csv, "distance,carrier\n1\n", "line 2 of the CSV has 1 fields, expected 2" },
        { gm_frame_csv, "distance,carrier\n1,UA,2\n", "line 2 of the CSV has 3 fields, expected 2" },
        { gm_frame_csv, "distance,carrier\n1,\"UA\n", "line 3 of the CSV: a quote is not closed" },
        { gm_frame_csv, "distance,carrier\n1,\"UA\"x\n", "line 2 of the CSV: text follows a closing quote" },
        { gm_frame_csv, "distance,carrier\n1,U\"A\n", "line 2 of the CSV: a quote within a field" },
        { gm_frame_csv, "distance,distance\n1,2\n", "column \"distance\" stands twice" },
        { gm_frame_csv, "distance,carrier\n1,\xff\n", "the CSV is not valid UTF-8" },
        { gm_frame_csv, "distance,carrier\nfar,UA\n", "row 1, column \"distance\": expected a number, found \"far\"" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gm_rc rc = decode(bad[i].read, bad[i].text);
        if (rc != GM_EINVALID || !strstr(err.message, bad[i].message))
            gm_harness_fail(__FILE__, __LINE__, "%s: rc %d, \"%s\", expected \"%s\"", bad[i].text, rc, rc ? err.message : "",
                            bad[i].message);
    }
    gm_rows_clear(&rows);
}

static void json_is_nested_only_so_deep(void)
{
    char text[100100];
    for (size_t depth = 60; depth < 70; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[depth * 2] = '\0';
        const gm_jv *v = NULL;
        gm_slice body = body_of(text, depth * 2);
        CHECK((gm_jv_read(gm_body_text(body), body.len, true, gm_harness_arena(), &v, &err) == GM_OK) ==
              (depth <= GM_JV_DEPTH_MAX));
    }
    memset(text, '[', 100000);
    text[100000] = '\0';
    CHECK(decode(gm_frame_mlflow, text) == GM_EINVALID);
}

static void many_keys_are_checked_fast(void)
{
    enum { N = 20000 };
    static char text[N * 16];
    size_t len = (size_t)snprintf(text, sizeof(text), "{\"instances\":[{\"distance\":1,\"carrier\":\"UA\"");
    for (int i = 0; i < N; i++) len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"k%d\":0", i);
    size_t same = len;
    (void)snprintf(text + len, sizeof(text) - len, "}]}");
    CHECK(decode(gm_frame_mlflow, text) == GM_OK);
    (void)snprintf(text + same, sizeof(text) - same, ",\"k777\":0}]}");
    CHECK(decode(gm_frame_mlflow, text) == GM_EINVALID);
    CHECK_STR(err.message, "key \"k777\" stands twice in an object");
    gm_rows_clear(&rows);
}

static void bytes_that_are_no_characters(void)
{
    static const char *const bad[] = { "\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x80\x80",
                                       "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                                       "\xC3",         "abcdefgh\xE2\x82" };
    static const char *const good[] = {
        "", "a", "abcdefghijk", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) CHECK(!gm_utf8_valid(bad[i], strlen(bad[i])));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) CHECK(gm_utf8_valid(good[i], strlen(good[i])));
    CHECK(!gm_utf8_valid("a\0b", 3) && !gm_utf8_valid("abcdefg\0abcdefgh", 16));
}

static void numbers_as_json(void)
{
    char text[64];
    static const struct {
        double v;
        const char *text;
    } cases[] = { { 0.06374395832023586, "0.06374395832023586" },
                  { 0, "0.0" },
                  { -1.5, "-1.5" },
                  { (double)NAN, "null" },
                  { (double)INFINITY, "null" } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text[gm_json_number(cases[i].v, text)] = '\0';
        CHECK_STR(text, cases[i].text);
    }
}

TESTS(T(every_form_gives_the_same_rows), T(named_columns_of_one_row_need_no_list), T(unknown_columns_are_counted),
      T(what_is_wrong_is_told), T(json_is_nested_only_so_deep), T(many_keys_are_checked_fast), T(bytes_that_are_no_characters),
      T(numbers_as_json))
