/* protocol_oip.c - handlers of the Open Inference Protocol that look at models and ask them; oip_repository.c has those of
 * administration. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "serve/protocols.h"
#include "serve/reply.h"

static gm_slice param(const gm_http_request *r, size_t i)
{
    return r->params[i]; /* empty when the route has fewer */
}

static void send_json(gm_http_request *r)
{
    gm_http_reply(r, 200, "application/json");
}

void gm_oip_server(gm_http_request *r, void *user)
{
    static const char text[] =
        "{\"name\":\"gristmill\",\"version\":\"" GM_VERSION "\",\"extensions\":[\"classification\",\"binary_tensor_data\","
        "\"parameters\",\"model_configuration\",\"model_repository\",\"statistics\",\"trace\",\"logging\"]}";
    (void)user;
    gm_buf_add(gm_http_out(r), text, sizeof(text) - 1);
    send_json(r);
}

void gm_oip_live(gm_http_request *r, void *user)
{
    (void)user;
    gm_buf_text(gm_http_out(r), "{\"live\":true}");
    send_json(r);
}

void gm_oip_ready(gm_http_request *r, void *user)
{
    bool ready = gm_server_ready(gm_lane_of(r));
    (void)user;
    gm_buf_text(gm_http_out(r), ready ? "{\"ready\":true}" : "{\"ready\":false}");
    if (!ready) gm_http_reply_header(r, "Retry-After", "1");
    gm_http_reply(r, ready ? 200 : 503, "application/json");
}

/* ---- what a model takes and gives ---------------------------------------------------------------------------------------- */

/* As the protocol (triton false) or as a Triton model configuration has it. */
static void tensor_json(gm_json *j, const char *name, const char *datatype, int64_t width, bool triton, bool optional)
{
    gm_json_object(j);
    gm_json_kstr(j, "name", name);
    if (triton) {
        char type[24];
        (void)snprintf(type, sizeof(type), "TYPE_%s", strcmp(datatype, "BYTES") == 0 ? "STRING" : datatype);
        gm_json_kstr(j, "data_type", type);
    } else {
        gm_json_kstr(j, "datatype", datatype);
    }
    gm_json_key(j, triton ? "dims" : "shape");
    gm_json_array(j);
    gm_json_int(j, -1);
    if (width) gm_json_int(j, width);
    gm_json_array_end(j);
    if (triton && optional) gm_json_kbool(j, "optional", true);
    gm_json_object_end(j);
}

static void tensors_json(gm_json *j, const gm_served_schema *s, bool triton)
{
    const gm_oip_output_kind *kinds;
    gm_json_key(j, triton ? "input" : "inputs");
    gm_json_array(j);
    for (size_t i = 0; i < s->inputs_count; i++)
        tensor_json(j, s->columns[i].name, gm_oip_column_datatype(&s->columns[i]), 0, triton, !s->columns[i].required);
    gm_json_array_end(j);
    gm_json_key(j, triton ? "output" : "outputs");
    gm_json_array(j);
    size_t count = gm_oip_outputs(s->task, &kinds);
    for (size_t i = 0; i < count; i++)
        tensor_json(j, gm_oip_output_name(kinds[i]), gm_oip_output_datatype(kinds[i]),
                    kinds[i] == GM_OIP_PROBABILITIES ? s->outputs : 0, triton, false);
    gm_json_array_end(j);
}

static gm_rc versions_json(gm_http_request *r, gm_json *j, const gm_served *served, gm_err *err)
{
    gm_version_state *states = NULL;
    size_t count = 0;
    gm_rc rc = gm_server_index(gm_lane_of(r), r->arena, &states, &count, err);
    gm_json_key(j, "versions");
    gm_json_array(j);
    for (size_t i = 0; !rc && i < count; i++)
        if (strcmp(states[i].model, served->model) == 0 && strcmp(states[i].state, "READY") == 0)
            gm_json_str(j, states[i].version);
    gm_json_array_end(j);
    return rc;
}

void gm_oip_model(gm_http_request *r, void *user)
{
    const gm_served *served = NULL;
    gm_err err;
    gm_json j;
    (void)user;
    gm_rc rc = gm_lane_served(gm_lane_of(r), param(r, 0), param(r, 1), &served, &err);
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_object(&j);
    if (!rc) {
        gm_json_kstr(&j, "name", served->model);
        rc = versions_json(r, &j, served, &err);
    }
    if (rc) {
        gm_protocol_fail(r, &err);
        return;
    }
    gm_json_kstr(&j, "platform", "gristmill");
    tensors_json(&j, &served->schema, false);
    gm_json_object_end(&j);
    send_json(r);
}

void gm_oip_config(gm_http_request *r, void *user)
{
    const gm_served *served = NULL;
    gm_err err;
    gm_json j;
    (void)user;
    if (gm_lane_served(gm_lane_of(r), param(r, 0), param(r, 1), &served, &err)) {
        gm_protocol_fail(r, &err);
        return;
    }
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_object(&j);
    gm_json_kstr(&j, "name", served->model);
    gm_json_kstr(&j, "platform", "gristmill");
    gm_json_kstr(&j, "backend", "gristmill");
    gm_json_kint(&j, "max_batch_size", 0); /* the first dimension is in the shapes */
    tensors_json(&j, &served->schema, true);
    gm_json_object_end(&j);
    send_json(r);
}

void gm_oip_model_ready(gm_http_request *r, void *user)
{
    const gm_served *served = NULL;
    gm_err err;
    (void)user;
    if (gm_lane_served(gm_lane_of(r), param(r, 0), param(r, 1), &served, &err))
        gm_protocol_fail(r, &err);
    else
        gm_http_reply(r, 200, NULL);
}

/* ---- asking --------------------------------------------------------------------------------------------------------------- */

/* The bytes of JSON at the head of the body; -1 = no such header. */
static gm_rc header_length(const gm_http_request *r, int64_t *out, gm_err *err)
{
    gm_slice text;
    *out = -1;
    if (!gm_http_header(r, "inference-header-content-length", &text)) return GM_OK;
    int64_t v = 0;
    bool good = text.len > 0 && text.len <= 18;
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9';
        v = v * 10 + (text.data[i] - '0');
    }
    if (!good) return gm_err_set(err, GM_EINVALID, "Inference-Header-Content-Length is no whole number");
    *out = v;
    return GM_OK;
}

static void reply_infer(gm_http_request *r, const gm_oip_request *q, const gm_answer *answer)
{
    gm_buf *out = gm_http_out(r);
    size_t json_len = gm_reply_oip(q, answer, r->arena, out);
    if (out->failed) {
        gm_http_reply_error(r, 500, "not enough memory for the answer");
        return;
    }
    if (!json_len) {
        send_json(r);
        return;
    }
    char text[24];
    (void)snprintf(text, sizeof(text), "%zu", json_len);
    gm_http_reply_header(r, "Inference-Header-Content-Length", text);
    gm_http_reply(r, 200, "application/octet-stream");
}

static void infer(gm_http_request *r, void *user)
{
    gm_oip_request q;
    gm_answer answer;
    gm_err err;
    int64_t json_len = -1;
    (void)user;
    gm_rc rc = header_length(r, &json_len, &err);
    if (!rc) rc = gm_oip_read(r->body, json_len, r->arena, &q, &err);
    if (!rc) {
        gm_ask ask = { .model = param(r, 0), .version = param(r, 1), .id = q.id, .protocol = "oip" };
        rc = gm_infer(gm_lane_of(r), r, &ask, gm_oip_decode, &q, &answer, &err);
    }
    if (rc)
        gm_protocol_fail(r, &err);
    else
        reply_infer(r, &q, &answer);
}

void gm_oip_infer(gm_http_request *r, void *user)
{
    if (gm_protocol_accepts(
            r, "application/json application/octet-stream application/vnd.sagemaker-triton.binary+json " GM_CURL_TYPE))
        gm_protocol_run(r, infer, user);
    else
        gm_http_reply_error(r, 415, "the body must be application/json or application/octet-stream");
}
