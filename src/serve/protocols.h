/* protocols.h - handlers of the protocols that have no path of their own: the server puts them where it is told to. The others
 * stand in gm_protocol_routes of infer.h.
 *
 * Handlers are thin: read the body (decode.h, decode_oip.h), gm_infer, write the answer (reply.h). A body beyond GM_DEFER_BYTES
 * is handled by a worker, so that small requests of the loop do not wait for it.
 */
#ifndef GM_SERVE_PROTOCOLS_H
#define GM_SERVE_PROTOCOLS_H

#include "serve/infer.h"

/* What curl -d says when nobody tells it: so are the examples of these protocols written, and a prediction changes nothing. */
#define GM_CURL_TYPE "application/x-www-form-urlencoded"

enum { GM_DEFER_BYTES = 64 << 10, GM_INFER_MAX_BYTES = 32 << 20 };

/* Vertex AI: POST {"instances": [...]} to the only model, on AIP_PREDICT_ROUTE; body_max_bytes GM_INFER_MAX_BYTES. */
void gm_protocol_predict(gm_http_request *r, void *user);
/* 200 when ready, else 503; on AIP_HEALTH_ROUTE. */
void gm_protocol_health(gm_http_request *r, void *user);

/* ---- between the protocols' files ---------------------------------------------------------------------------------------- */

/* The error as {"error": ...} with the status of its class: 413 for a request that does not fit into its memory. */
void gm_protocol_fail(gm_http_request *r, const gm_err *err);
/* Status of an error as the protocols give it. */
int gm_protocol_status(const gm_err *err);
/* Handles r at once, or by a worker when its body is large. */
void gm_protocol_run(gm_http_request *r, void (*handle)(gm_http_request *r, void *user), void *user);
/* Whether the request's content type is one of the list (space-separated, without parameters), or absent. */
bool gm_protocol_accepts(const gm_http_request *r, const char *types);

/* Handlers of the Open Inference Protocol; protocol_oip.c, oip_repository.c. */
void gm_oip_server(gm_http_request *r, void *user);
void gm_oip_live(gm_http_request *r, void *user);
void gm_oip_ready(gm_http_request *r, void *user); /* {"ready"}; 503 when not */
void gm_oip_model(gm_http_request *r, void *user);
void gm_oip_model_ready(gm_http_request *r, void *user);
void gm_oip_config(gm_http_request *r, void *user);
void gm_oip_infer(gm_http_request *r, void *user);
void gm_oip_stats(gm_http_request *r, void *user);
void gm_oip_index(gm_http_request *r, void *user);
void gm_oip_load(gm_http_request *r, void *user);
void gm_oip_unload(gm_http_request *r, void *user);
void gm_oip_trace(gm_http_request *r, void *user);
void gm_oip_logging(gm_http_request *r, void *user);
void gm_oip_no_memory(gm_http_request *r, void *user);
void gm_oip_no_regions(gm_http_request *r, void *user);
/* MLflow, SageMaker; protocol_invocations.c. */
void gm_invocations(gm_http_request *r, void *user);
void gm_invoke_model(gm_http_request *r, void *user);
void gm_scoring_version(gm_http_request *r, void *user);
void gm_models_list(gm_http_request *r, void *user);
void gm_models_show(gm_http_request *r, void *user);
void gm_models_load(gm_http_request *r, void *user);
void gm_models_unload(gm_http_request *r, void *user);
/* KServe V1; protocol_kserve.c. */
void gm_kserve_alive(gm_http_request *r, void *user); /* liveness, at the root */
void gm_kserve_models(gm_http_request *r, void *user);
void gm_kserve_model(gm_http_request *r, void *user);
void gm_kserve_predict(gm_http_request *r, void *user);
void gm_kserve_explain(gm_http_request *r, void *user);
void gm_openapi(gm_http_request *r, void *user); /* protocols.c */
/* {"reason", "id"}: a wish to retrain, 202 once it is kept; wish.c. */
void gm_retrain_wish(gm_http_request *r, void *user);

/* The OpenAPI document, openapi.c: routes, and a JSON Schema of one record for each of the models. */
void gm_openapi_write(const gm_http_route *routes, size_t routes_count, const gm_served *const *models, size_t models_count,
                      gm_buf *out);

#endif
