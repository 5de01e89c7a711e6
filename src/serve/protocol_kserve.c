/* protocol_kserve.c - KServe's protocol, version 1, and Vertex AI's, which asks the same way without naming a model. */
#include "serve/protocols.h"
#include "serve/reply.h"

#define JSON_TYPES "application/json"

static void predict_with(gm_http_request *r, gm_ask ask)
{
    gm_frame frame;
    gm_answer answer;
    gm_err err;
    gm_rc rc = gm_frame_instances(r->body, r->arena, &frame, &err);
    if (!rc) rc = gm_infer(gm_lane_of(r), r, &ask, gm_frame_decode, &frame, &answer, &err);
    if (rc) {
        gm_protocol_fail(r, &err);
        return;
    }
    gm_buf *out = gm_http_out(r);
    gm_reply_predictions(&answer, out);
    if (out->failed)
        gm_http_reply_error(r, 500, "not enough memory for the answer");
    else
        gm_http_reply(r, 200, JSON_TYPES);
}

static void kserve(gm_http_request *r, void *user)
{
    (void)user;
    predict_with(r, (gm_ask){ .model = r->params[0], .version = r->params[1], .protocol = "kserve1" });
}

static void vertex(gm_http_request *r, void *user)
{
    (void)user;
    predict_with(r, (gm_ask){ .protocol = "vertex" });
}

static void run(gm_http_request *r, void (*handle)(gm_http_request *, void *), void *user)
{
    if (gm_protocol_accepts(r, JSON_TYPES " " GM_CURL_TYPE))
        gm_protocol_run(r, handle, user);
    else
        gm_http_reply_error(r, 415, "the body must be " JSON_TYPES);
}

void gm_kserve_predict(gm_http_request *r, void *user)
{
    run(r, kserve, user);
}

void gm_protocol_predict(gm_http_request *r, void *user)
{
    run(r, vertex, user);
}

void gm_kserve_models(gm_http_request *r, void *user)
{
    const char *const *names = NULL;
    gm_json j;
    (void)user;
    size_t count = gm_lane_models(gm_lane_of(r), &names);
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_object(&j);
    gm_json_key(&j, "models");
    gm_json_array(&j);
    for (size_t i = 0; i < count; i++) gm_json_str(&j, names[i]);
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_http_reply(r, 200, JSON_TYPES);
}

/* {"name", "ready"}: known and not ready is an answer too, with 503. */
void gm_kserve_model(gm_http_request *r, void *user)
{
    const gm_served *served = NULL;
    gm_err err;
    gm_json j;
    (void)user;
    gm_rc rc = gm_lane_served(gm_lane_of(r), r->params[0], (gm_slice){ "", 0 }, &served, &err);
    if (rc && rc != GM_EUNAVAILABLE) {
        gm_protocol_fail(r, &err);
        return;
    }
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_object(&j);
    gm_json_key(&j, "name");
    gm_reply_text(j.out, r->params[0].data, r->params[0].len);
    gm_json_kbool(&j, "ready", rc == GM_OK);
    gm_json_object_end(&j);
    if (rc) gm_http_reply_header(r, "Retry-After", "1");
    gm_http_reply(r, rc ? 503 : 200, JSON_TYPES);
}
