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

/* The lane of the thread that handles r, with the newest routing table, which it keeps until the reply. */
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
/* The features of the answer's rows, as the model read them: of at most GM_EXPLAIN_ROWS_MAX rows. NULL for a foreign model. */
enum { GM_EXPLAIN_ROWS_MAX = 1024 };
const gm_matrix *gm_lane_features(gm_lane *lane, const gm_answer *answer);
/* The served version that (model, version) names now, without a request's dice; borrowed until the handler returns. */
gm_rc gm_lane_served(gm_lane *lane, gm_slice model, gm_slice version, const gm_served **out, gm_err *err);
/* Names of the endpoints; borrowed until the handler returns. */
size_t gm_lane_models(gm_lane *lane, const char *const **out_names);
/* Index of the class that a row of an answer falls in: binary at 0.5, multiclass by the largest (first of equals). */
int64_t gm_answer_class(const gm_answer *a, int64_t row);

/* ---- what the routes of health, repository and statistics need of the server; defined beside the routing table -------------------- */

/* Every route that the server has, those of no protocol too. */
const gm_http_route *gm_server_routes(gm_lane *lane, size_t *out_count);

/* Every model that was asked for has a version that answers, and the server is not draining. */
bool gm_server_ready(gm_lane *lane);

/* A version as the repository knows it. READY, UNAVAILABLE or LOADING; reason "" when there is nothing to say. */
typedef struct gm_version_state {
    const char *model, *version, *state, *reason; /* version "" when none is known */
} gm_version_state;
/* All versions of all endpoints, those that answer first. In a; texts borrowed until the handler returns. */
gm_rc gm_server_index(gm_lane *lane, gm_arena *a, gm_version_state **out, size_t *out_count, gm_err *err);

/* Let model answer: version "" = its champion. Blocks while it loads, so from a worker only (gm_http_defer). A model that is loaded already is
 * looked at anew and is no error. Errors: GM_ENOTFOUND, as gm_served_open, GM_EUNSUPPORTED (a server of one package, and another model). */
gm_rc gm_server_load(gm_lane *lane, gm_slice model, gm_slice version, gm_err *err);
/* Requests for model are GM_ENOTFOUND from now on; those that run are answered. From a worker only, as gm_server_load. Errors: GM_ENOTFOUND. */
gm_rc gm_server_unload(gm_lane *lane, gm_slice model, gm_err *err);

/* What a version did since it was loaded, over all lanes. */
typedef struct gm_version_stats {
    const char *model, *version;
    int64_t requests, rows;     /* answered                                              */
    int64_t errors, refused;    /* 5xx of ours; 4xx, the client's                        */
    int64_t latency_us;         /* sum over the answered requests, first byte to answer  */
    int64_t last_us;            /* wall clock of the last answer; 0 = none               */
} gm_version_stats;
/* model empty: all endpoints; version empty: all of its versions. In a; texts borrowed until the handler returns. Errors: GM_ENOTFOUND. */
gm_rc gm_server_stats(gm_lane *lane, gm_slice model, gm_slice version, gm_arena *a, gm_version_stats **out, size_t *out_count, gm_err *err);

/* Routes of every protocol; protocols.c. */
extern const gm_http_route gm_protocol_routes[];
extern const size_t gm_protocol_routes_count;

#endif
