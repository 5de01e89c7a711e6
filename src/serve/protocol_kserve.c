/* protocol_kserve.c - KServe's protocol, version 1, and Vertex AI's, which asks the same way without naming a model. */
#include "serve/explain.h"
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

/* {"explanations": [{"base", "margin", "link", "contributions"}]}: what each feature added, see explain.h. */
static gm_rc explanations(gm_http_request *r, const gm_answer *answer, gm_buf *out, gm_err *err)
{
    const gm_matrix *features = gm_lane_features(gm_lane_of(r), answer);
    gm_explanation e;
    gm_json j;
    if (answer->rows_count > GM_EXPLAIN_ROWS_MAX) return gm_err_set(err, GM_EINVALID, "at most %d rows are explained at once", GM_EXPLAIN_ROWS_MAX);
    if (!features) return gm_err_set(err, GM_EUNSUPPORTED, "a foreign model cannot be explained");
    gm_rc rc = gm_scorer_explain(&answer->served->scorer, features, r->arena, &e, err);
    if (rc) return rc;
    gm_buf_text(out, "{\"explanations\":");
    gm_json_init(&j, out, false);
    gm_json_array(&j);
    for (int64_t i = 0; !rc && i < e.rows; i++) rc = gm_explanation_json(&e, i, r->arena, &j, err);
    gm_json_array_end(&j);
    gm_buf_char(out, '}');
    return rc;
}

static void explain(gm_http_request *r, void *user)
{
    gm_frame frame;
    gm_answer answer;
    gm_err err;
    gm_buf *out = gm_http_out(r);
    gm_ask ask = { .model = r->params[0], .protocol = "kserve1" };
    (void)user;
    gm_rc rc = gm_frame_instances(r->body, r->arena, &frame, &err);
    if (!rc) rc = gm_infer(gm_lane_of(r), r, &ask, gm_frame_decode, &frame, &answer, &err);
    if (!rc) rc = explanations(r, &answer, out, &err);
    if (rc)
        gm_protocol_fail(r, &err);
    else if (out->failed)
        gm_http_reply_error(r, 500, "not enough memory for the answer");
    else
        gm_http_reply(r, 200, JSON_TYPES);
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

/* Always by a worker: it takes a thousand times as long as an answer. */
void gm_kserve_explain(gm_http_request *r, void *user)
{
    if (gm_protocol_accepts(r, JSON_TYPES " " GM_CURL_TYPE))
        (void)gm_http_defer(r, explain, user);
    else
        gm_http_reply_error(r, 415, "the body must be " JSON_TYPES);
}

void gm_protocol_predict(gm_http_request *r, void *user)
{
    run(r, vertex, user);
}

void gm_kserve_alive(gm_http_request *r, void *user)
{
    (void)user;
    gm_buf_text(gm_http_out(r), "{\"status\":\"alive\"}");
    gm_http_reply(r, 200, JSON_TYPES);
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
