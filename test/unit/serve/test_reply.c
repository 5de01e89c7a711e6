/* Answers as each protocol writes them, read back as JSON; and the OpenAPI document. */
#include "base/node.h"
#include "schema_case.h"
#include "serve/protocols.h"
#include "serve/reply.h"

/* As infer.c has it; the server around it is not part of this test. */
int64_t gm_answer_class(const gm_answer *a, int64_t row)
{
    const double *v = a->values + row * a->outputs;
    int64_t best = 0;
    if (a->outputs == 1) return v[0] >= 0.5;
    for (int64_t k = 1; k < a->outputs; k++) best = v[k] > v[best] ? k : best;
    return best;
}

static gm_served served;
static gm_answer answer;
static gm_buf out;

static void prepare(gm_task task, const double *values, int64_t rows)
{
    served = (gm_served){ .model = "fli\"ghts", .version = "3", .schema = schema_case(gm_harness_arena(), task) };
    answer = (gm_answer){
        .served = &served, .values = values, .rows_count = rows, .outputs = served.schema.outputs, .id = { "id-1", 4 }
    };
    out.len = 0;
}

static void records(void)
{
    static const double p[] = { 0.25, 0.5, (double)NAN }, m[] = { 0.2, 0.3, 0.5 }, v[] = { -3, 1e300, (double)INFINITY };
    prepare(GM_TASK_BINARY, p, 3);
    gm_reply_predictions(&answer, &out);
    CHECK_STR(gm_buf_str(&out),
              "{\"predictions\":[{\"probability\":0.25,\"label\":\"false\"},{\"probability\":0.5,\"label\":\"true\"},"
              "{\"probability\":null,\"label\":\"false\"}]}");
    prepare(GM_TASK_MULTICLASS, m, 1);
    gm_reply_records(&answer, &out);
    CHECK_STR(gm_buf_str(&out), "[{\"probabilities\":[0.2,0.3,0.5],\"label\":\"may\\\"be\"}]");
    prepare(GM_TASK_REGRESSION, v, 3);
    gm_reply_lines(&answer, &out);
    CHECK_STR(gm_buf_str(&out), "{\"prediction\":-3.0}\n{\"prediction\":1e300}\n{\"prediction\":null}\n");
    gm_buf_clear(&out);
}

static void csv(void)
{
    static const double p[] = { 0.25, (double)NAN }, m[] = { 0.2, 0.3, 0.5 };
    prepare(GM_TASK_BINARY, p, 2);
    gm_reply_csv(&answer, &out);
    CHECK_STR(gm_buf_str(&out), "0.25,false\n,false\n");
    prepare(GM_TASK_MULTICLASS, m, 1);
    gm_reply_csv(&answer, &out);
    CHECK_STR(gm_buf_str(&out), "0.2,0.3,0.5,\"may\"\"be\"\n");
    gm_buf_clear(&out);
}

static void tensors_as_json(void)
{
    static const double p[] = { 0.25, 0.75 };
    prepare(GM_TASK_BINARY, p, 2);
    CHECK(gm_reply_oip(&(gm_oip_request){ 0 }, &answer, gm_harness_arena(), &out) == 0);
    CHECK_STR(gm_buf_str(&out), "{\"model_name\":\"fli\\\"ghts\",\"model_version\":\"3\",\"id\":\"id-1\",\"outputs\":["
                                "{\"name\":\"probability\",\"datatype\":\"FP64\",\"shape\":[2],\"data\":[0.25,0.75]},"
                                "{\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"false\",\"true\"]}]}");
    gm_buf_clear(&out);
}

static void classifications(void)
{
    static const double m[] = { 0.3, (double)NAN, 0.5, 0.1, 0.8, 0.1 }, p[] = { 0.25 };
    gm_oip_output o = { .name = { "probabilities", 13 }, .classification = 2 };
    prepare(GM_TASK_MULTICLASS, m, 2);
    CHECK(gm_reply_oip(&(gm_oip_request){ .outputs = &o, .outputs_count = 1 }, &answer, gm_harness_arena(), &out) == 0);
    CHECK_HAS(gm_buf_str(&out), "{\"name\":\"probabilities\",\"datatype\":\"BYTES\",\"shape\":[2,2],\"data\":"
                                "[\"0.5:2:may\\\"be\",\"0.3:0:false\",\"0.8:1:true\",\"0.1:0:false\"]}");
    o = (gm_oip_output){ .name = { "probability", 11 }, .classification = 9 };
    prepare(GM_TASK_BINARY, p, 1);
    CHECK(gm_reply_oip(&(gm_oip_request){ .outputs = &o, .outputs_count = 1 }, &answer, gm_harness_arena(), &out) == 0);
    CHECK_HAS(gm_buf_str(&out), "\"shape\":[1,2],\"data\":[\"0.75:0:false\",\"0.25:1:true\"]}");
    gm_buf_clear(&out);
}

static void tensors_as_bytes(void)
{
    static const double p[] = { 0.25, 0.75 };
    gm_oip_output o[] = { { .name = { "label", 5 }, .binary = true }, { .name = { "probability", 11 }, .binary = true } };
    prepare(GM_TASK_BINARY, p, 2);
    size_t json_len = gm_reply_oip(&(gm_oip_request){ .outputs = o, .outputs_count = 2 }, &answer, gm_harness_arena(), &out);
    CHECK(json_len > 0 && out.len == json_len + 17 + 16);
    const char *bytes = out.data + json_len;
    CHECK(memcmp(bytes, "\5\0\0\0false\4\0\0\0true", 17) == 0 && memcmp(bytes + 17, p, 16) == 0);
    out.data[json_len] = '\0';
    CHECK_HAS(out.data, "{\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[2],\"parameters\":{\"binary_data_size\":17}}");
    out.len = 0;
    o[0].binary = false; /* JSON and bytes mixed */
    json_len = gm_reply_oip(&(gm_oip_request){ .outputs = o, .outputs_count = 2 }, &answer, gm_harness_arena(), &out);
    CHECK(out.len == json_len + 16 && memcmp(out.data + json_len, p, 16) == 0);
    gm_buf_clear(&out);
}

static void texts_are_escaped(void)
{
    gm_reply_text(&out, "a\"\\\n\x01\xC3\xA9", 7);
    CHECK_STR(gm_buf_str(&out), "\"a\\\"\\\\\\u000a\\u0001\xC3\xA9\"");
    out.len = 0;
    gm_reply_text(&out, "a\xff", 2);
    CHECK_STR(gm_buf_str(&out), "\"a?\"");
    gm_buf_clear(&out);
}

static void a_document_of_the_routes(void)
{
    static const gm_http_route routes[] = { { "GET", "/v2/models/{model}", GM_HTTP_INFER, 0, NULL, "Look" },
                                            { "POST", "/x", GM_HTTP_ADMIN, 10, NULL, "Do" },
                                            { "DELETE", "/v2/models/{model}", GM_HTTP_ADMIN, 0, NULL, "Drop" } };
    gm_node *root = NULL;
    gm_err err = { 0 };
    prepare(GM_TASK_BINARY, NULL, 0);
    const gm_served *models[] = { &served };
    gm_openapi_write(routes, 3, models, 1, &out);
    CHECK(!gm_json_read(out.data, out.len, "openapi.json", gm_harness_arena(), &root, &err));
    const gm_node *paths = gm_node_get(root, "paths");
    CHECK(paths && paths->count == 2);
    const gm_node *path = gm_node_get(paths, "/v2/models/{model}");
    CHECK(gm_node_get(path, "get") && gm_node_get(path, "delete") &&
          gm_node_get(gm_node_get(path, "get"), "parameters")->count == 1);
    const gm_node *record = gm_node_get(gm_node_get(gm_node_get(root, "components"), "schemas"), "record.fli_ghts");
    CHECK(gm_node_get(record, "properties")->count == 6 && gm_node_get(record, "required")->count == 2);
    CHECK(gm_node_get(gm_node_get(gm_node_get(record, "properties"), "carrier"), "examples")->count == 3);
    gm_buf_clear(&out);
}

TESTS(T(records), T(csv), T(tensors_as_json), T(classifications), T(tensors_as_bytes), T(texts_are_escaped),
      T(a_document_of_the_routes))
