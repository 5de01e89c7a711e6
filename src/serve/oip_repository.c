/* oip_repository.c - handlers of the Open Inference Protocol for repository, statistics, settings and shared memory. */
#include <string.h>

#include "serve/json_in.h"
#include "serve/protocols.h"

/* The body as a JSON object, NULL when it is empty: clients send nothing where there is nothing to say. */
static gm_rc optional_object(const gm_http_request *r, const gm_jv **out, gm_err *err)
{
    *out = NULL;
    if (!r->body.len) return GM_OK;
    gm_rc rc = gm_jv_read((char *)(uintptr_t)r->body.data, r->body.len, true, r->arena, out, err);
    if (!rc && gm_jv_kind_of(*out) != GM_JV_OBJECT)
        rc = gm_err_set(err, GM_EINVALID, "the body must be a JSON object, found %s", gm_jv_kind_name(*out));
    return rc;
}

/* ---- repository ------------------------------------------------------------------------------------------------------------ */

void gm_oip_index(gm_http_request *r, void *user)
{
    const gm_jv *body = NULL;
    gm_version_state *states = NULL;
    size_t count = 0;
    gm_err err;
    gm_json j;
    (void)user;
    gm_rc rc = optional_object(r, &body, &err);
    const gm_jv *ready = gm_jv_get(body, "ready");
    if (!rc && ready && gm_jv_kind_of(ready) != GM_JV_BOOL) rc = gm_err_set(&err, GM_EINVALID, "\"ready\" is true or false");
    if (!rc) rc = gm_server_index(gm_lane_of(r), r->arena, &states, &count, &err);
    if (rc) {
        gm_protocol_fail(r, &err);
        return;
    }
    bool ready_only = ready && gm_jv_bool(ready);
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_array(&j);
    for (size_t i = 0; i < count; i++) {
        if (ready_only && strcmp(states[i].state, "READY") != 0) continue;
        gm_json_object(&j);
        gm_json_kstr(&j, "name", states[i].model);
        gm_json_kstr(&j, "version", states[i].version);
        gm_json_kstr(&j, "state", states[i].state);
        gm_json_kstr(&j, "reason", states[i].reason);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    gm_http_reply(r, 200, "application/json");
}

static void load(gm_http_request *r, void *user)
{
    const gm_jv *body = NULL;
    gm_slice version = { "", 0 };
    gm_err err;
    (void)user;
    gm_rc rc = optional_object(r, &body, &err);
    const gm_jv *parameters = gm_jv_get(body, "parameters");
    size_t count = parameters && gm_jv_kind_of(parameters) == GM_JV_OBJECT ? gm_jv_count(parameters) : 0;
    const gm_jv *key = count ? gm_jv_first(parameters) : NULL;
    for (size_t i = 0; !rc && i < count; i++, key = gm_jv_next(gm_jv_first(key))) {
        const gm_jv *value = gm_jv_first(key);
        if (!gm_slice_is(gm_jv_text(key), "version") || gm_jv_kind_of(value) != GM_JV_TEXT) {
            rc = gm_err_set(&err, GM_EINVALID, "parameter \"%.100s\" is not supported", gm_jv_text(key).data);
            gm_err_hint(&err, "Models come from the registry; \"version\" may name one.");
        } else {
            version = gm_jv_text(value);
        }
    }
    if (!rc) rc = gm_server_load(gm_lane_of(r), r->params[0], version, &err);
    if (rc)
        gm_protocol_fail(r, &err);
    else
        gm_http_reply(r, 200, NULL);
}

void gm_oip_load(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, load, user); /* replies by itself when the queue is full */
}

static void unload(gm_http_request *r, void *user)
{
    const gm_jv *body = NULL;
    gm_err err;
    (void)user;
    gm_rc rc = optional_object(r, &body, &err); /* unload_dependents: a model of ours has none */
    if (!rc) rc = gm_server_unload(gm_lane_of(r), r->params[0], &err);
    if (rc)
        gm_protocol_fail(r, &err);
    else
        gm_http_reply(r, 200, NULL);
}

/* On a worker, as loading: it waits for a load that is under way. */
void gm_oip_unload(gm_http_request *r, void *user)
{
    (void)gm_http_defer(r, unload, user);
}

/* ---- statistics -------------------------------------------------------------------------------------------------------------
 */

static void duration(gm_json *j, const char *key, int64_t count, int64_t us)
{
    gm_json_key(j, key);
    gm_json_object(j);
    gm_json_kint(j, "count", count);
    gm_json_kint(j, "ns", us * 1000);
    gm_json_object_end(j);
}

static void stats_json(gm_json *j, const gm_version_stats *s)
{
    gm_json_object(j);
    gm_json_kstr(j, "name", s->model);
    gm_json_kstr(j, "version", s->version);
    gm_json_kint(j, "last_inference", s->last_us / 1000);
    gm_json_kint(j, "inference_count", s->rows);
    gm_json_kint(j, "execution_count", s->requests);
    gm_json_key(j, "inference_stats");
    gm_json_object(j);
    duration(j, "success", s->requests, s->latency_us);
    duration(j, "fail", s->errors + s->refused, 0);
    duration(j, "queue", s->requests, 0); /* requests are answered where they arrive */
    duration(j, "compute_input", s->requests, 0);
    duration(j, "compute_infer", s->requests, s->latency_us);
    duration(j, "compute_output", s->requests, 0);
    gm_json_object_end(j);
    gm_json_key(j, "batch_stats");
    gm_json_array(j);
    gm_json_array_end(j);
    gm_json_object_end(j);
}

void gm_oip_stats(gm_http_request *r, void *user)
{
    gm_version_stats *stats = NULL;
    size_t count = 0;
    gm_err err;
    gm_json j;
    (void)user;
    if (gm_server_stats(gm_lane_of(r), r->params[0], r->params[1], r->arena, &stats, &count, &err)) {
        gm_protocol_fail(r, &err);
        return;
    }
    gm_json_init(&j, gm_http_out(r), false);
    gm_json_object(&j);
    gm_json_key(&j, "model_stats");
    gm_json_array(&j);
    for (size_t i = 0; i < count; i++) stats_json(&j, &stats[i]);
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_http_reply(r, 200, "application/json");
}

/* ---- settings that do not change ---------------------------------------------------------------------------------------------
 */

static bool equal(const gm_jv *a, const gm_jv *b)
{
    gm_jv_kind kind = gm_jv_kind_of(a);
    if (kind != gm_jv_kind_of(b)) return false;
    if (kind == GM_JV_BOOL) return gm_jv_bool(a) == gm_jv_bool(b);
    if (kind == GM_JV_INT) return gm_jv_int(a) == gm_jv_int(b);
    if (kind == GM_JV_TEXT) {
        gm_slice x = gm_jv_text(a), y = gm_jv_text(b);
        return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    }
    if (kind != GM_JV_LIST || gm_jv_count(a) != gm_jv_count(b)) return kind == GM_JV_NULL;
    const gm_jv *x = gm_jv_first(a), *y = gm_jv_first(b);
    for (size_t i = 0; i < gm_jv_count(a); i++, x = gm_jv_next(x), y = gm_jv_next(y))
        if (!equal(x, y)) return false;
    return true;
}

/* Answers the settings; a request to make one of them different is refused. null asks for what is there anyway. */
static void settings(gm_http_request *r, const char *text)
{
    const gm_jv *wanted = NULL, *have = NULL;
    gm_err err;
    gm_rc rc = optional_object(r, &wanted, &err);
    if (!rc) rc = gm_jv_read((char *)(uintptr_t)text, strlen(text), false, r->arena, &have, &err); /* not in place: text stays */
    const gm_jv *key = wanted && gm_jv_count(wanted) ? gm_jv_first(wanted) : NULL;
    for (size_t i = 0; !rc && wanted && i < gm_jv_count(wanted); i++, key = gm_jv_next(gm_jv_first(key))) {
        const gm_jv *now = gm_jv_get(have, gm_jv_text(key).data), *then = gm_jv_first(key);
        if (!now)
            rc = gm_err_set(&err, GM_EINVALID, "unrecognized setting \"%.100s\"", gm_jv_text(key).data);
        else if (gm_jv_kind_of(then) != GM_JV_NULL && !equal(now, then))
            rc =
                gm_err_set(&err, GM_EINVALID, "setting \"%.100s\" cannot be changed while the server runs", gm_jv_text(key).data);
    }
    if (rc) {
        gm_protocol_fail(r, &err);
        return;
    }
    gm_buf_text(gm_http_out(r), text);
    gm_http_reply(r, 200, "application/json");
}

void gm_oip_trace(gm_http_request *r, void *user)
{
    (void)user;
    settings(r, "{\"trace_level\":[\"OFF\"],\"trace_rate\":\"1000\",\"trace_count\":\"-1\",\"log_frequency\":\"0\",\"trace_"
                "file\":\"\",\"trace_mode\":\"triton\"}");
}

void gm_oip_logging(gm_http_request *r, void *user)
{
    (void)user;
    settings(r, "{\"log_file\":\"\",\"log_info\":true,\"log_warning\":true,\"log_error\":true,\"log_verbose_level\":0,\"log_"
                "format\":\"default\"}");
}

/* ---- shared memory ------------------------------------------------------------------------------------------------------------
 */

void gm_oip_no_memory(gm_http_request *r, void *user)
{
    (void)user;
    gm_http_reply_error(r, 400, "shared memory is not supported; send the values in the body");
}

void gm_oip_no_regions(gm_http_request *r, void *user)
{
    (void)user;
    gm_buf_text(gm_http_out(r), "[]");
    gm_http_reply(r, 200, "application/json");
}
