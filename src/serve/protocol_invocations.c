/* protocol_invocations.c - MLflow's scoring server and SageMaker's container contract: /invocations and what stands around it.
 *
 * Both ask the same path. What tells them apart is the content type and what the client accepts, never a guess at the content.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "serve/protocols.h"
#include "serve/reply.h"

/* {"error_code": ..., "message": ...}, as MLflow's clients read it. */
static void fail(gm_http_request *r, int status, const char *message, const char *hint)
{
    gm_json j;
    const char *code = status == 404                   ? "RESOURCE_DOES_NOT_EXIST"
                       : status == 429                 ? "REQUEST_LIMIT_EXCEEDED"
                       : status == 503                 ? "TEMPORARILY_UNAVAILABLE"
                       : status == 409                 ? "RESOURCE_ALREADY_EXISTS"
                       : status >= 400 && status < 500 ? "BAD_REQUEST"
                                                       : "INTERNAL_ERROR";
    gm_buf text = { 0 };
    gm_buf_printf(&text, hint[0] ? "%s. %s" : "%s", message, hint);
    if (status == 503) gm_http_reply_header(r, "Retry-After", "1");
    gm_http_out(r)->len = 0;
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_object(&j);
    gm_json_kstr(&j, "error_code", code);
    gm_json_kstr(&j, "message", gm_buf_str(&text));
    gm_json_object_end(&j);
    gm_buf_clear(&text);
    gm_http_reply(r, status, "application/json");
}

static void fail_err(gm_http_request *r, const gm_err *err)
{
    fail(r, gm_protocol_status(err), err->message, err->hint);
}

/* ---- content types ------------------------------------------------------------------------------------------------------ */

typedef enum content { CONTENT_JSON, CONTENT_CSV, CONTENT_LINES, CONTENT_UNKNOWN } content;

static bool begins(gm_slice s, const char *text)
{
    size_t len = strlen(text);
    return s.len >= len && strncasecmp(s.data, text, len) == 0 && (s.len == len || strchr(";, \t", s.data[len]));
}

static content content_of(gm_slice type)
{
    if (begins(type, "application/json")) return CONTENT_JSON;
    if (begins(type, "text/csv") || begins(type, "application/csv")) return CONTENT_CSV;
    if (begins(type, "application/jsonlines") || begins(type, "application/x-ndjson")) return CONTENT_LINES;
    return CONTENT_UNKNOWN;
}

/* charset=utf-8, in any case and in quotes or not, is the only parameter that matters. */
static bool charset_is_utf8(gm_slice type)
{
    for (size_t i = 0; i + 8 <= type.len; i++) {
        if (strncasecmp(type.data + i, "charset=", 8) != 0) continue;
        gm_slice value = { type.data + i + 8, type.len - i - 8 };
        if (value.len && value.data[0] == '"') value = (gm_slice){ value.data + 1, value.len - 1 };
        return value.len >= 5 && strncasecmp(value.data, "utf-8", 5) == 0 && (value.len == 5 || strchr("\"; \t", value.data[5]));
    }
    return true;
}

/* What the client would rather have; JSON when it does not say. */
static content wanted(const gm_http_request *r)
{
    gm_slice accept;
    if (!gm_http_header(r, "accept", &accept)) return CONTENT_JSON;
    content c = content_of(accept);
    return c == CONTENT_UNKNOWN ? CONTENT_JSON : c;
}

/* ---- asking --------------------------------------------------------------------------------------------------------------- */

static gm_rc read_frame(const gm_http_request *r, content c, gm_frame *out, gm_err *err)
{
    if (c == CONTENT_CSV) return gm_frame_csv(r->body, r->arena, out, err);
    if (c == CONTENT_LINES) return gm_frame_lines(r->body, r->arena, out, err);
    return gm_frame_mlflow(r->body, r->arena, out, err);
}

static void answer_as(gm_http_request *r, content c, const gm_answer *answer)
{
    gm_buf *out = gm_http_out(r);
    if (c == CONTENT_CSV)
        gm_reply_csv(answer, out);
    else if (c == CONTENT_LINES)
        gm_reply_lines(answer, out);
    else
        gm_reply_predictions(answer, out);
    if (out->failed)
        fail(r, 500, "not enough memory for the answer", "");
    else
        gm_http_reply(r, 200, c == CONTENT_CSV ? "text/csv" : c == CONTENT_LINES ? "application/jsonlines" : "application/json");
}

static void invoke(gm_http_request *r, gm_slice model)
{
    gm_slice type = { "application/json", 16 };
    gm_frame frame;
    gm_answer answer;
    gm_err err;
    (void)gm_http_header(r, "content-type", &type);
    content c = content_of(type);
    if (c == CONTENT_UNKNOWN || !charset_is_utf8(type)) {
        fail(r, 415, "the content type is not supported", "Send application/json, text/csv or application/jsonlines, in UTF-8.");
        return;
    }
    gm_rc rc = read_frame(r, c, &frame, &err);
    gm_ask ask = { .model = model, .protocol = "mlflow" };
    if (!rc && r->query.len) {
        (void)gm_http_query(r, "version", &ask.version);
        if (!model.len) (void)gm_http_query(r, "model", &ask.model);
    }
    if (!rc) rc = gm_infer(gm_lane_of(r), r, &ask, gm_frame_decode, &frame, &answer, &err);
    if (rc)
        fail_err(r, &err);
    else
        answer_as(r, wanted(r), &answer);
}

static void invocations(gm_http_request *r, void *user)
{
    (void)user;
    invoke(r, (gm_slice){ "", 0 });
}

static void invoke_model(gm_http_request *r, void *user)
{
    (void)user;
    invoke(r, r->params[0]);
}

void gm_invocations(gm_http_request *r, void *user)
{
    gm_protocol_run(r, invocations, user);
}

void gm_invoke_model(gm_http_request *r, void *user)
{
    gm_protocol_run(r, invoke_model, user);
}

void gm_scoring_version(gm_http_request *r, void *user)
{
    (void)user;
    gm_buf_text(gm_http_out(r), GM_VERSION);
    gm_http_reply(r, 200, "text/plain; charset=utf-8");
}

/* ---- SageMaker's multi-model routes ------------------------------------------------------------------------------------- */

static void model_json(gm_json *j, const char *name, size_t len)
{
    gm_json_object(j);
    gm_json_key(j, "modelName");
    gm_reply_text(j->out, name, len);
    gm_json_key(j, "modelUrl");
    gm_reply_text(j->out, "", 0);
    gm_json_object_end(j);
}

void gm_models_list(gm_http_request *r, void *user)
{
    const char *const *names = NULL;
    gm_json j;
    (void)user;
    size_t count = gm_lane_models(gm_lane_of(r), &names);
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_object(&j);
    gm_json_key(&j, "models");
    gm_json_array(&j);
    for (size_t i = 0; i < count; i++) model_json(&j, names[i], strlen(names[i]));
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_http_reply(r, 200, "application/json");
}

static void show(gm_http_request *r, gm_slice name)
{
    gm_json j;
    gm_json_init(&j, gm_http_out(r), false);
    model_json(&j, name.data, name.len);
    gm_http_reply(r, 200, "application/json");
}

void gm_models_show(gm_http_request *r, void *user)
{
    const gm_served *served = NULL;
    gm_err err;
    (void)user;
    if (gm_lane_served(gm_lane_of(r), r->params[0], (gm_slice){ "", 0 }, &served, &err))
        fail_err(r, &err);
    else
        show(r, r->params[0]);
}

/* The name is looked up in the registry; a url leads nowhere that the server would go. */
static void load(gm_http_request *r, void *user)
{
    const gm_jv *root = NULL;
    const gm_served *served = NULL;
    gm_slice name = { "", 0 };
    gm_err err;
    (void)user;
    gm_rc rc = gm_jv_read(gm_body_text(r->body), r->body.len, true, r->arena, &root, &err);
    const gm_jv *v = rc ? NULL : gm_jv_get(root, "model_name");
    if (!rc && (!v || gm_jv_kind_of(v) != GM_JV_TEXT)) rc = gm_err_set(&err, GM_EINVALID, "the body lacks \"model_name\"");
    if (!rc) name = gm_jv_text(v);
    if (!rc && gm_lane_served(gm_lane_of(r), name, (gm_slice){ "", 0 }, &served, NULL) == GM_OK)
        rc = gm_err_set(&err, GM_ECONFLICT, "model \"%.100s\" is loaded already", name.data);
    if (!rc) rc = gm_server_load(gm_lane_of(r), name, (gm_slice){ "", 0 }, &err);
    if (rc)
        fail_err(r, &err);
    else
        show(r, name);
}

void gm_models_load(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, load, user); /* replies by itself when the queue is full */
}

static void unload(gm_http_request *r, void *user)
{
    gm_err err;
    (void)user;
    if (gm_server_unload(gm_lane_of(r), r->params[0], &err))
        fail_err(r, &err);
    else
        show(r, r->params[0]);
}

/* On a worker, as loading: it waits for a load that is under way. */
void gm_models_unload(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, unload, user);
}
