/* served.h - one model version, loaded, verified and warm; shared by all threads until the last reference goes.
 *
 * Life: gm_served_open on the control thread (verify, load, replay, measure, warm), then put into the routing table, referenced by every lane
 * that uses it, and freed whole when the last of them lets go: a request never waits for a load.
 */
#ifndef GM_SERVE_SERVED_H
#define GM_SERVE_SERVED_H

#include "serve/online.h"
#include "serve/release.h"
#include "serve/rows.h"
#include "store/store.h"

/* What one lane keeps of one version. Counters are written under the lane's lock. */
typedef struct gm_served_lane {
    gm_scorer_session *session;
    gm_arm_seen seen;      /* requests, errors, latency, scores: all of them                             */
    gm_arm_seen tried;     /* those that a running release decided about, not the caller: for its judge */
    int64_t rows, refused; /* rows answered; requests that were the client's fault */
    int64_t latency_us;    /* sum                                */
    int64_t last_us;       /* monotonic: the last answer         */
    gm_breaches *breaches; /* [schema.columns_count] */
    int64_t (*online)[GM_ONLINE_STATUSES]; /* [joins_count] rows looked up, by status */
} gm_served_lane;

typedef struct gm_served {
    const char *model;       /* endpoint and registered name */
    const char *version;     /* "3"                          */
    gm_digest digest;        /* of the package               */
    const char *dir;         /* its folder; need not be there once it is open */
    gm_scorer scorer;
    gm_served_schema schema;
    const char *pipeline;    /* whose runs refresh the online tables */
    gm_served_join *joins;   /* [joins_count] */
    size_t joins_count;
    const char *engine_json; /* which kernels, as measured on the example rows; "null" for a foreign model */
    int64_t loaded_us;       /* wall clock                   */
    int64_t load_took_us;
    double score_low, score_high; /* regression: the span of the example answers, for score positions */
    gm_served_lane *lanes;   /* [lanes_count] */
    unsigned lanes_count;
    gm_arena *arena;
    int references;          /* atomic */
} gm_served;

/* Check every file against the manifest (and the manifest against expected, NULL = any), load, replay example.json through the decoder and the
 * engine, measure the engine's kernels, warm every lane.
 * verified   dir is gm_tree_view's of the digest expected, which compared every byte already
 * Errors: GM_ECORRUPT when a digest or an answer differs, GM_EINVALID, GM_ENOTFOUND, GM_ENOMEM. */
gm_rc gm_served_open(const char *dir, const char *model, const char *version, const gm_digest *expected, bool verified, unsigned lanes,
                     gm_served **out, gm_err *err);
/* Files of a package that gm_served_open does not read; ends in NULL. */
extern const char *const gm_served_unread[];
gm_served *gm_served_ref(gm_served *s);
void gm_served_unref(gm_served *s);
/* Where an answer lies in 0..1 for comparing scores: binary its probability, multiclass that of the likeliest class, regression by the span. */
double gm_served_score(const gm_served *s, const double *values);

#endif
