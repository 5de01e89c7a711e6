/* infer.h - from a decoded request to its answer: the one path behind every protocol.
 *
 *   pick the version (model, version or alias, variant header, sticky share) -> decode rows by its schema -> features -> engine ->
 *   shadow, log, counters -> the protocol prints the answer
 */
#ifndef GM_SERVE_INFER_H
#define GM_SERVE_INFER_H

#include "serve/rows.h"
#include "serve/served.h"

typedef struct gm_server gm_server; /* server.h */
typedef struct gm_lane gm_lane;     /* what one thread of the server works in: rows, sessions, counters, log buffer */

/* The lane of the thread that handles r. */
gm_lane *gm_lane_of(gm_http_request *r);
gm_server *gm_lane_server(gm_lane *lane);

typedef struct gm_ask {
    gm_slice model;   /* empty: the server's only (or default) model              */
    gm_slice version; /* "3" or an alias as "champion"; empty: the endpoint decides */
    gm_slice id;      /* the client's; empty: one is made                          */
    const char *protocol; /* "oip", "mlflow", "kserve1", "vertex", "sagemaker": for metrics and the log; static */
} gm_ask;

/* Fill rows by schema (gm_rows_begin, set, finish is called by infer). May be called more than once for one request: for the version that
 * answers, and for one that runs in the shadow with another schema. Must not change the body. */
typedef gm_rc (*gm_decode)(void *ctx, const gm_served_schema *s, gm_rows *rows, gm_err *err);

typedef struct gm_answer {
    const gm_served *served; /* who answered; valid until the handler returns               */
    const gm_rows *rows;
    const double *values;    /* [rows, outputs] row-major: probability, probabilities, value */
    int64_t rows_count, outputs;
    gm_slice id;
} gm_answer;

/* Errors: GM_ENOTFOUND (model or version), GM_EINVALID (the request), GM_ECANCELED (past its deadline), GM_EUNAVAILABLE (not ready). */
gm_rc gm_infer(gm_lane *lane, gm_http_request *r, const gm_ask *ask, gm_decode decode, void *ctx, gm_answer *out, gm_err *err);
/* The served version that (model, version) names now, without a request's dice; borrowed until the handler returns. */
gm_rc gm_lane_served(gm_lane *lane, gm_slice model, gm_slice version, const gm_served **out, gm_err *err);
/* Names of the endpoints; borrowed until the handler returns. */
size_t gm_lane_models(gm_lane *lane, const char *const **out_names);
/* Index of the class that a row of an answer falls in: binary at 0.5, multiclass by the largest (first of equals). */
int64_t gm_answer_class(const gm_answer *a, int64_t row);

/* Routes of every protocol; protocols.c. */
extern const gm_http_route gm_protocol_routes[];
extern const size_t gm_protocol_routes_count;

#endif
