/* protocols.c - the routes of every protocol, and what their handlers share. */
#include "serve/protocols.h"

#include <string.h>
#include <strings.h>

enum { SMALL_BODY = 64 << 10, MODELS_MAX = 256 };

#define INFER GM_HTTP_INFER, GM_INFER_MAX_BYTES

const gm_http_route gm_protocol_routes[] = {
    /* Open Inference Protocol, version 2 */
    { "GET", "/v2", GM_HTTP_OPEN, 0, gm_oip_server, "Name, version and extensions of the server" },
    { "GET", "/v2/health/live", GM_HTTP_OPEN, 0, gm_oip_live, "Whether the server runs" },
    { "GET", "/v2/health/ready", GM_HTTP_OPEN, 0, gm_oip_ready, "Whether every model answers" },
    { "GET", "/v2/models/stats", GM_HTTP_INFER, 0, gm_oip_stats, "Counters of all models" },
    { "GET", "/v2/models/{model}", GM_HTTP_INFER, 0, gm_oip_model, "Inputs and outputs of a model" },
    { "GET", "/v2/models/{model}/versions/{version}", GM_HTTP_INFER, 0, gm_oip_model, "Inputs and outputs of a version" },
    { "GET", "/v2/models/{model}/ready", GM_HTTP_OPEN, 0, gm_oip_model_ready, "Whether a model answers" },
    { "GET", "/v2/models/{model}/versions/{version}/ready", GM_HTTP_OPEN, 0, gm_oip_model_ready, "Whether a version answers" },
    { "GET", "/v2/models/{model}/config", GM_HTTP_INFER, 0, gm_oip_config, "Configuration of a model" },
    { "GET", "/v2/models/{model}/versions/{version}/config", GM_HTTP_INFER, 0, gm_oip_config, "Configuration of a version" },
    { "GET", "/v2/models/{model}/stats", GM_HTTP_INFER, 0, gm_oip_stats, "Counters of a model" },
    { "GET", "/v2/models/{model}/versions/{version}/stats", GM_HTTP_INFER, 0, gm_oip_stats, "Counters of a version" },
    { "POST", "/v2/models/{model}/infer", INFER, gm_oip_infer, "Predict: a tensor per column, as JSON or binary" },
    { "POST", "/v2/models/{model}/versions/{version}/infer", INFER, gm_oip_infer, "Predict with a version" },
    { "POST", "/v2/repository/index", GM_HTTP_INFER, SMALL_BODY, gm_oip_index, "Models and their versions" },
    { "POST", "/v2/repository/models/{model}/load", GM_HTTP_ADMIN, SMALL_BODY, gm_oip_load, "Load a model from the registry" },
    { "POST", "/v2/repository/models/{model}/unload", GM_HTTP_ADMIN, SMALL_BODY, gm_oip_unload, "Take a model out of service" },
    { "GET", "/v2/trace/setting", GM_HTTP_ADMIN, 0, gm_oip_trace, "Trace settings, which do not change" },
    { "POST", "/v2/trace/setting", GM_HTTP_ADMIN, SMALL_BODY, gm_oip_trace, "Trace settings, which do not change" },
    { "GET", "/v2/models/{model}/trace/setting", GM_HTTP_ADMIN, 0, gm_oip_trace, "Trace settings, which do not change" },
    { "POST", "/v2/models/{model}/trace/setting", GM_HTTP_ADMIN, SMALL_BODY, gm_oip_trace,
      "Trace settings, which do not change" },
    { "GET", "/v2/logging", GM_HTTP_ADMIN, 0, gm_oip_logging, "Log settings, which do not change" },
    { "POST", "/v2/logging", GM_HTTP_ADMIN, SMALL_BODY, gm_oip_logging, "Log settings, which do not change" },
    { "GET", "/v2/systemsharedmemory/status", GM_HTTP_INFER, 0, gm_oip_no_regions, "Shared memory regions: none" },
    { "GET", "/v2/systemsharedmemory/region/{region}/status", GM_HTTP_INFER, 0, gm_oip_no_memory,
      "Shared memory is not supported" },
    { "POST", "/v2/systemsharedmemory/region/{region}/register", GM_HTTP_INFER, SMALL_BODY, gm_oip_no_memory,
      "Shared memory is not supported" },
    { "POST", "/v2/systemsharedmemory/region/{region}/unregister", GM_HTTP_INFER, SMALL_BODY, gm_oip_no_memory,
      "Shared memory is not supported" },
    { "POST", "/v2/systemsharedmemory/unregister", GM_HTTP_INFER, SMALL_BODY, gm_oip_no_regions,
      "Unregister all regions: there are none" },
    { "GET", "/v2/cudasharedmemory/status", GM_HTTP_INFER, 0, gm_oip_no_regions, "CUDA memory regions: none" },
    { "GET", "/v2/cudasharedmemory/region/{region}/status", GM_HTTP_INFER, 0, gm_oip_no_memory, "CUDA memory is not supported" },
    { "POST", "/v2/cudasharedmemory/region/{region}/register", GM_HTTP_INFER, SMALL_BODY, gm_oip_no_memory,
      "CUDA memory is not supported" },
    { "POST", "/v2/cudasharedmemory/region/{region}/unregister", GM_HTTP_INFER, SMALL_BODY, gm_oip_no_memory,
      "CUDA memory is not supported" },
    { "POST", "/v2/cudasharedmemory/unregister", GM_HTTP_INFER, SMALL_BODY, gm_oip_no_regions,
      "Unregister all regions: there are none" },
    /* MLflow and SageMaker */
    { "POST", "/invocations", INFER, gm_invocations, "Predict: data frame, instances, inputs or CSV" },
    { "GET", "/ping", GM_HTTP_OPEN, 0, gm_protocol_health, "Whether every model answers" },
    { "GET", "/health", GM_HTTP_OPEN, 0, gm_protocol_health, "Whether every model answers" },
    { "GET", "/version", GM_HTTP_OPEN, 0, gm_scoring_version, "Version of the server" },
    { "GET", "/models", GM_HTTP_INFER, 0, gm_models_list, "Models that are loaded" },
    { "POST", "/models", GM_HTTP_ADMIN, SMALL_BODY, gm_models_load, "Load a model from the registry" },
    { "GET", "/models/{model}", GM_HTTP_INFER, 0, gm_models_show, "A model that is loaded" },
    { "DELETE", "/models/{model}", GM_HTTP_ADMIN, 0, gm_models_unload, "Take a model out of service" },
    { "POST", "/models/{model}/invoke", INFER, gm_invoke_model, "Predict with a model, as /invocations" },
    /* KServe, version 1 */
    { "GET", "/", GM_HTTP_OPEN, 0, gm_kserve_alive, "Whether the server runs" },
    { "GET", "/v1/models", GM_HTTP_INFER, 0, gm_kserve_models, "Names of the models" },
    { "GET", "/v1/models/{model}", GM_HTTP_INFER, 0, gm_kserve_model, "Whether a model answers" },
    { "POST", "/v1/models/{model}:predict", INFER, gm_kserve_predict, "Predict: instances" },
    { "POST", "/v1/models/{model}:explain", INFER, gm_kserve_explain, "What each feature added to the answers: instances" },
    { "POST", "/v1/models/{model}/versions/{version}:predict", INFER, gm_kserve_predict, "Predict with a version" },
    { "POST", "/v1/models/{model}:retrain", GM_HTTP_ADMIN, SMALL_BODY, gm_retrain_wish, "Ask for a retraining: reason, id" },
    { "GET", "/openapi.json", GM_HTTP_INFER, 0, gm_openapi, "This document" },
};
const size_t gm_protocol_routes_count = sizeof(gm_protocol_routes) / sizeof(gm_protocol_routes[0]);

int gm_protocol_status(const gm_err *err)
{
    return err->rc == GM_ENOMEM ? 413 : gm_rc_http_status(err->rc);
}

void gm_protocol_fail(gm_http_request *r, const gm_err *err)
{
    int status = gm_protocol_status(err);
    if (status == 413)
        gm_http_reply_error(r, status, "%s", err->message);
    else
        gm_http_reply_err(r, err);
}

void gm_protocol_run(gm_http_request *r, void (*handle)(gm_http_request *r, void *user), void *user)
{
    if (r->body.len > GM_DEFER_BYTES)
        (void)gm_http_defer(r, handle, user); /* replies by itself when the queue is full */
    else
        handle(r, user);
}

bool gm_protocol_accepts(const gm_http_request *r, const char *types)
{
    gm_slice given;
    if (!gm_http_header(r, "content-type", &given) || !given.len) return true;
    size_t len = 0;
    while (len < given.len && given.data[len] != ';' && given.data[len] != ' ' && given.data[len] != '\t') len++;
    for (const char *at = types; *at;) {
        size_t n = strcspn(at, " ");
        if (n == len && strncasecmp(at, given.data, n) == 0) return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

void gm_protocol_health(gm_http_request *r, void *user)
{
    (void)user;
    if (gm_server_ready(gm_lane_of(r))) {
        gm_http_reply(r, 200, NULL);
        return;
    }
    gm_http_reply_error(r, 503, "not ready");
}

void gm_openapi(gm_http_request *r, void *user)
{
    const char *const *names = NULL;
    const gm_served *models[MODELS_MAX];
    size_t count = gm_lane_models(gm_lane_of(r), &names), ready = 0, routes_count = 0;
    const gm_http_route *routes = gm_server_routes(gm_lane_of(r), &routes_count);
    (void)user;
    for (size_t i = 0; i < count && ready < MODELS_MAX; i++)
        if (gm_lane_served(gm_lane_of(r), (gm_slice){ names[i], strlen(names[i]) }, (gm_slice){ "", 0 }, &models[ready], NULL) ==
            GM_OK)
            ready++;
    gm_openapi_write(routes, routes_count, models, ready, gm_http_out(r));
    gm_http_reply(r, 200, "application/json");
}
