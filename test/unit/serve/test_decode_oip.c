/* Tensors of the Open Inference Protocol: JSON and binary give the same rows; bad ones say which tensor and why. */
#include "schema_case.h"
#include "serve/decode_oip.h"

static gm_served_schema schema;
static gm_rows rows;
static gm_oip_request request;
static gm_err err;

static gm_rc decode_by(const gm_served_schema *s, const char *bytes, size_t len, int64_t json_len)
{
    char *copy = gm_arena_alloc(gm_harness_arena(), len + 16, 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes, len);
    gm_rc rc = gm_oip_read((gm_slice){ copy, len }, json_len, gm_harness_arena(), &request, &err);
    if (!rc) rc = gm_oip_decode(&request, s, &rows, &err);
    if (!rc) rc = gm_rows_finish(&rows, false, &err);
    return rc;
}

static gm_rc decode(const char *text)
{
    if (!schema.columns) schema = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    return decode_by(&schema, text, strlen(text), -1);
}

/* JSON, then bytes behind it. */
static gm_rc decode_binary(const char *json, const void *bytes, size_t len)
{
    char body[4096];
    size_t n = strlen(json);
    if (!schema.columns) schema = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    CHECK(n + len <= sizeof(body));
    memcpy(body, json, n);
    if (len) memcpy(body + n, bytes, len);
    return decode_by(&schema, body, n + len, (int64_t)n);
}

static void check_two_rows(void)
{
    CHECK(rows.rows == 2 && rows.columns[DISTANCE].i64[0] == 500 && rows.columns[DISTANCE].i64[1] == 600);
    CHECK(rows.columns[TEMP].f64[0] == 3.5 && isnan(rows.columns[TEMP].f64[1]));
    CHECK_STR(gm_column_text(&rows.columns[CARRIER], 0), "UA");
    CHECK_STR(gm_column_text(&rows.columns[CARRIER], 1), "AA");
    CHECK(rows.columns[LATE].i64[0] == 1 && rows.columns[LATE].i64[1] == 0 && rows.columns[AT].i64[0] == 1359590400000000);
}

static void json_tensors(void)
{
    CHECK(!decode("{\"id\":\"7\",\"inputs\":["
                  "{\"name\":\"carrier\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"UA\",\"AA\"]},"
                  "{\"name\":\"distance\",\"shape\":[2,1],\"datatype\":\"INT32\",\"data\":[[500],[600]],\"parameters\":{"
                  "\"content_type\":\"np\"}},"
                  "{\"name\":\"temp\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[3.5,null]},"
                  "{\"name\":\"late\",\"shape\":[2],\"datatype\":\"BOOL\",\"data\":[true,0]},"
                  "{\"name\":\"flight\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[1545,1714]},"
                  "{\"name\":\"at\",\"shape\":[2],\"datatype\":\"INT64\",\"data\":[1359590400000000,1359590400000000]}],"
                  "\"outputs\":[{\"name\":\"label\",\"parameters\":{\"binary_data\":true}},{\"name\":\"probability\","
                  "\"parameters\":{\"classification\":2}}]}"));
    check_two_rows();
    CHECK(request.id.len == 1 && request.outputs_count == 2 && request.outputs[0].binary && !request.outputs[1].binary &&
          request.outputs[1].classification == 2);
    CHECK_STR(gm_column_text(&rows.columns[FLIGHT], 1), "1714");
    CHECK(!gm_oip_decode(&request, &schema, &rows, &err) && !gm_rows_finish(&rows, false, &err)); /* once more */
    check_two_rows();
    gm_rows_clear(&rows);
}

static void binary_tensors(void)
{
    static const unsigned char bytes[] = { 2,    0,    0,    0,    'U', 'A', 2, 0, 0, 0, 'A', 'A', /* carrier  */
                                           0xF4, 1,    0x58, 2,    /* distance, 500 and 600 as UINT16 */
                                           0x00, 0x43, 0x00, 0x7E, /* temp, 3.5 and NaN as FP16 */
                                           1,    0 };              /* late */
    CHECK(
        !decode_binary("{\"parameters\":{\"binary_data_output\":true},\"inputs\":["
                       "{\"name\":\"carrier\",\"shape\":[2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":12}},"
                       "{\"name\":\"at\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"2013-01-31\",\"2013-01-31\"]},"
                       "{\"name\":\"distance\",\"shape\":[2,1],\"datatype\":\"UINT16\",\"parameters\":{\"binary_data_size\":4}},"
                       "{\"name\":\"temp\",\"shape\":[2],\"datatype\":\"FP16\",\"parameters\":{\"binary_data_size\":4}},"
                       "{\"name\":\"late\",\"shape\":[2],\"datatype\":\"BOOL\",\"parameters\":{\"binary_data_size\":2}}]}",
                       bytes, sizeof(bytes)));
    check_two_rows();
    CHECK(request.binary_outputs);
    gm_rows_clear(&rows);
}

/* One value of every number type in the column of decimals. */
static void every_number_type(void)
{
    static const struct {
        const char *type;
        size_t size;
        unsigned char bytes[8];
        double v;
    } cases[] = {
        { "INT8", 1, { 0xFE }, -2 },
        { "UINT8", 1, { 0xFE }, 254 },
        { "INT16", 2, { 0xFE, 0xFF }, -2 },
        { "UINT32", 4, { 0, 0, 0, 0x80 }, 2147483648.0 },
        { "INT32", 4, { 0, 0, 0, 0x80 }, -2147483648.0 },
        { "INT64", 8, { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF }, -1 },
        { "UINT64", 8, { 0, 0, 0, 0, 0, 0, 0, 0x80 }, 0x1p63 },
        { "FP16", 2, { 0x01, 0x00 }, 0x1p-24 },
        { "FP16", 2, { 0xFF, 0xFB }, -65504 },
        { "BF16", 2, { 0x80, 0xBF }, -1 },
        { "FP32", 4, { 0, 0, 0x60, 0x40 }, 3.5 },
        { "FP64", 8, { 0, 0, 0, 0, 0, 0, 0x0C, 0x40 }, 3.5 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char json[512];
        (void)snprintf(json, sizeof(json),
                       "{\"inputs\":[{\"name\":\"distance\",\"shape\":[1],\"datatype\":\"INT8\",\"data\":[1]},"
                       "{\"name\":\"carrier\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"UA\"]},"
                       "{\"name\":\"temp\",\"shape\":[1],\"datatype\":\"%s\",\"parameters\":{\"binary_data_size\":%zu}}]}",
                       cases[i].type, cases[i].size);
        if (decode_binary(json, cases[i].bytes, cases[i].size))
            gm_harness_fail(__FILE__, __LINE__, "%s: %s", cases[i].type, err.message);
        CHECK(rows.columns[TEMP].f64[0] == cases[i].v);
    }
    gm_rows_clear(&rows);
}

static void one_matrix_for_a_model_of_numbers(void)
{
    gm_served_schema s = schema_case(gm_harness_arena(), GM_TASK_REGRESSION);
    s.inputs_count = s.columns_count = 2; /* distance and temp */
    static const char text[] =
        "{\"inputs\":[{\"name\":\"input-0\",\"shape\":[2,2],\"datatype\":\"FP64\",\"data\":[[1,2.5],[3.5,4]]}]}";
    CHECK(!decode_by(&s, text, strlen(text), -1));
    CHECK(rows.columns[DISTANCE].f64[0] == 1 && rows.columns[TEMP].f64[0] == 2.5 && rows.columns[DISTANCE].f64[1] == 3.5 &&
          rows.columns[TEMP].f64[1] == 4);
    schema = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    CHECK(decode("{\"inputs\":[{\"name\":\"input-0\",\"shape\":[1,5],\"datatype\":\"FP64\",\"data\":[1,2,3,4,5]}]}") ==
          GM_EINVALID);
    gm_rows_clear(&rows);
}

static void a_body_without_json(void)
{
    gm_served_schema s = schema_case(gm_harness_arena(), GM_TASK_REGRESSION);
    static const int64_t values[] = { 500, 600, 700 };
    s.inputs_count = s.columns_count = 1;
    CHECK(!decode_by(&s, (const char *)values, sizeof(values), 0));
    CHECK(request.raw && request.binary_outputs && rows.rows == 3 && rows.columns[DISTANCE].i64[2] == 700);
    CHECK(decode_by(&s, (const char *)values, 7, 0) == GM_EINVALID && decode_by(&s, "", 0, 0) == GM_EINVALID);
    s.columns[0] = s.columns[CARRIER];
    CHECK(!decode_by(&s, "UA", 2, 0));
    CHECK_STR(gm_column_text(&rows.columns[0], 0), "UA");
    schema = schema_case(gm_harness_arena(), GM_TASK_BINARY);
    CHECK(decode_by(&schema, "UA", 2, 0) == GM_EINVALID);
    CHECK_HAS(err.message, "for models of one input; this one has 5");
    gm_rows_clear(&rows);
}

#define D "{\"name\":\"distance\",\"shape\":[1],\"datatype\":\"INT64\",\"data\":[500]}"
#define C "{\"name\":\"carrier\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"UA\"]}"
#define T_(rest) "{\"inputs\":[{\"name\":\"temp\"," rest "}]}"

static void what_is_wrong_is_told(void)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        { "", "the body is empty" },
        { "[]", "the body must be a JSON object" },
        { "{}", "\"inputs\" must be a list of tensors" },
        { "{\"inputs\":[]}", "\"inputs\" must be a list of tensors" },
        { "{\"inputs\":[5]}", "input 1 is a number, not an object" },
        { "{\"inputs\":[{}]}", "input 1 has no \"name\"" },
        { "{\"id\":7,\"inputs\":[" D "]}", "\"id\" must be a text" },
        { "{\"parameters\":[],\"inputs\":[" D "]}", "\"parameters\" must be an object" },
        { "{\"parameters\":{\"binary_data_output\":1},\"inputs\":[" D "]}", "\"binary_data_output\" is true or false" },
        { T_("\"shape\":[1],\"data\":[1]"), "input \"temp\": \"datatype\" is missing" },
        { T_("\"datatype\":\"FP8\",\"shape\":[1],\"data\":[1]"), "input \"temp\": unrecognized datatype \"FP8\"" },
        { T_("\"datatype\":\"FP64\",\"data\":[1]"), "input \"temp\": \"shape\" must be a list" },
        { T_("\"datatype\":\"FP64\",\"shape\":[],\"data\":[1]"), "its shape has 0 dimensions" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"data\":[1]"), "its shape has 17 dimensions" },
        { T_("\"datatype\":\"FP64\",\"shape\":[-1],\"data\":[1]"), "dimension 1 of its shape is no whole number" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1.5],\"data\":[1]"), "dimension 1 of its shape is no whole number" },
        { T_("\"datatype\":\"FP64\",\"shape\":[18446744073709551615],\"data\":[1]"),
          "dimension 1 of its shape is no whole number" },
        { T_("\"datatype\":\"FP64\",\"shape\":[4294967296,4294967296],\"data\":[1]"), "its shape is beyond 256 MiB" },
        { T_("\"datatype\":\"FP64\",\"shape\":[33554433],\"data\":[1]"), "its shape is beyond 256 MiB" },
        { T_("\"datatype\":\"FP64\",\"shape\":[0],\"data\":[]"), "its shape has no elements" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1]"), "\"data\" is missing" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"data\":5"), "\"data\" must be a list, found a number" },
        { T_("\"datatype\":\"FP16\",\"shape\":[1],\"data\":[5]"), "FP16 is sent as binary data only" },
        { T_("\"datatype\":\"FP64\",\"shape\":[2],\"data\":[5]"), "its shape has 2 elements, its data 1" },
        { T_("\"datatype\":\"FP64\",\"shape\":[2],\"data\":[5,6,7]"), "its shape has 2 elements, its data 3" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"data\":[[[]]]"), "its shape has 1 elements, its data 0" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"data\":[{}]"), "its shape has 1 elements, its data 0" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"data\":[\"x\"]"),
          "row 1, column \"temp\": expected a value of type FP64, found a text" },
        { T_("\"datatype\":\"INT8\",\"shape\":[1],\"data\":[128]"), "expected a value of type INT8" },
        { T_("\"datatype\":\"INT64\",\"shape\":[1],\"data\":[9223372036854775808]"), "expected a value of type INT64" },
        { T_("\"datatype\":\"INT64\",\"shape\":[1],\"data\":[1.5]"), "expected a value of type INT64" },
        { T_("\"datatype\":\"UINT8\",\"shape\":[1],\"data\":[-1]"), "expected a value of type UINT8" },
        { T_("\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"3.5\"]"),
          "input \"temp\" has datatype BYTES; the model takes FP64" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1,2],\"data\":[1,2]"), "must have the shape [N] or [N, 1], found [1, 2]" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"data\":[1],\"parameters\":{\"binary_data_size\":8}"),
          "both \"data\" and \"binary_data_size\"" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"parameters\":{\"binary_data_size\":8}"),
          "needs the header Inference-Header-Content-Length" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"parameters\":{\"binary_data_size\":-8}"),
          "\"binary_data_size\" must be a whole number" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"data\":[1],\"parameters\":5"), "\"parameters\" must be an object" },
        { T_("\"datatype\":\"FP64\",\"shape\":[1],\"parameters\":{\"shared_memory_region\":\"x\"}"),
          "shared memory is not supported" },
        { "{\"inputs\":[" D "," C ",{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP64\",\"data\":[1]}]}",
          "the model has no input \"x\"" },
        { "{\"inputs\":[" D "," C "," D "]}", "input \"distance\" is given twice" },
        { "{\"inputs\":[" D "]}", "the request lacks 1 column that the model needs: \"carrier\"" },
        { "{\"inputs\":[" D ",{\"name\":\"carrier\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"UA\",\"UA\"]}]}",
          "input \"carrier\" has 2 rows, \"distance\" has 1" },
        { "{\"inputs\":[" D ",{\"name\":\"carrier\",\"shape\":[1],\"datatype\":\"INT64\",\"data\":[1]}]}",
          "input \"carrier\" has datatype INT64; the model takes BYTES" },
        { "{\"inputs\":[" D "," C ",{\"name\":\"at\",\"shape\":[1],\"datatype\":\"FP64\",\"data\":[1]}]}",
          "input \"at\" has datatype FP64" },
        { "{\"inputs\":[" D "," C "],\"outputs\":{}}", "\"outputs\" must be a list" },
        { "{\"inputs\":[" D "," C "],\"outputs\":[{\"name\":\"prob\"}]}",
          "the model has no output \"prob\"; it has \"probability\" and \"label\"" },
        { "{\"inputs\":[" D "," C "],\"outputs\":[{\"name\":\"label\"},{\"name\":\"label\"}]}",
          "output \"label\": it is asked for twice" },
        { "{\"inputs\":[" D "," C "],\"outputs\":[{\"name\":\"label\",\"parameters\":{\"classification\":1}}]}",
          "output \"label\" is no score of classes" },
        { "{\"inputs\":[" D "," C "],\"outputs\":[{\"name\":\"label\",\"parameters\":{\"binary_data\":1}}]}",
          "\"binary_data\" is true or false" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gm_rc rc = decode(bad[i].text);
        if (rc != GM_EINVALID || !strstr(err.message, bad[i].message))
            gm_harness_fail(__FILE__, __LINE__, "%s: rc %d, \"%s\", expected \"%s\"", bad[i].text, rc, rc ? err.message : "",
                            bad[i].message);
    }
    gm_rows_clear(&rows);
}

#define B(type, shape, size)                                                                                                     \
    "{\"inputs\":[" D ",{\"name\":\"carrier\",\"shape\":" shape ",\"datatype\":\"" type                                          \
    "\",\"parameters\":{\"binary_data_size\":" size "}}]}"

static void binary_that_is_wrong(void)
{
    static const struct {
        const char *json, *bytes;
        size_t len;
        const char *message;
    } bad[] = {
        { B("BYTES", "[1]", "6"), "\2\0\0\0UA", 5, "6 bytes are announced, the body has 5 left" },
        { B("BYTES", "[1]", "5"), "\2\0\0\0UA", 6, "1 bytes of the body belong to no input" },
        { B("BYTES", "[1]", "6"), "\3\0\0\0UA", 6, "the text of row 1 reaches beyond its data" },
        { B("BYTES", "[1]", "6"), "\xFF\xFF\xFF\xFFUA", 6, "the text of row 1 reaches beyond its data" },
        { B("BYTES", "[1]", "3"), "\0\0\0", 3, "the text of row 1 reaches beyond its data" },
        { B("BYTES", "[1]", "6"), "\1\0\0\0UA", 6, "1 bytes are left over" },
        { B("BYTES", "[1]", "6"), "\2\0\0\0U\xff", 6, "the text is not valid UTF-8" },
        { B("BYTES", "[1]", "6"), "\2\0\0\0U\0", 6, "the text is not valid UTF-8" },
        { B("BYTES", "[1]", "9223372036854775807"), "\2\0\0\0UA", 6, "bytes are announced" },
        { B("FP64", "[1]", "8"), "\0\0\0\0\0\0\0\0", 8, "has datatype FP64; the model takes BYTES" },
        { "{\"inputs\":[" C "," D
          ",{\"name\":\"temp\",\"shape\":[1],\"datatype\":\"FP64\",\"parameters\":{\"binary_data_size\":4}}]}",
          "\0\0\0\0", 4, "its shape has 1 elements, its data 0" },
        { "{\"inputs\":[" C "," D
          ",{\"name\":\"late\",\"shape\":[1],\"datatype\":\"BOOL\",\"parameters\":{\"binary_data_size\":1}}]}",
          "\2", 1, "a BOOL is 0 or 1, found 2" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gm_rc rc = decode_binary(bad[i].json, bad[i].bytes, bad[i].len);
        if (rc != GM_EINVALID || !strstr(err.message, bad[i].message))
            gm_harness_fail(__FILE__, __LINE__, "%s: rc %d, \"%s\", expected \"%s\"", bad[i].json, rc, rc ? err.message : "",
                            bad[i].message);
    }
    CHECK(decode_by(&schema, "{}", 2, 3) == GM_EINVALID);
    CHECK_STR(err.message, "Inference-Header-Content-Length is 3, the body has 2 bytes");
    gm_rows_clear(&rows);
}

TESTS(T(json_tensors), T(binary_tensors), T(every_number_type), T(one_matrix_for_a_model_of_numbers), T(a_body_without_json),
      T(what_is_wrong_is_told), T(binary_that_is_wrong))
