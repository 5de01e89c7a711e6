/* server_internal.h - what the server is made of; for server.c, routing.c, infer.c and metrics.c only. */
#ifndef GM_SERVE_SERVER_INTERNAL_H
#define GM_SERVE_SERVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/random.h"
#include "serve/server.h"

/* A model under its name: who answers, and who is tried beside it. */
typedef struct gm_endpoint {
    const char *name;
    gm_served *champion;  /* NULL: known, and not ready            */
    gm_served *candidate; /* of the running release; NULL = none   */
    bool follows;         /* an alias, so that releases concern it; not a fixed version */
    gm_release release;   /* mode NONE when there is none          */
    gm_served **others;   /* [others_count] loaded by version      */
    size_t others_count;
    const char *failed, *reason; /* the version that could not be loaded last and why, for the repository index; "" = none */
} gm_endpoint;

/* The newest run's table of a joined data set; shared by routing tables. */
typedef struct gm_joined {
    char *pipeline, *dataset; /* owned */
    gm_digest digest;
    gm_online *table;
    int references; /* atomic */
} gm_joined;

/* Constant once published. */
typedef struct gm_routing {
    gm_endpoint *endpoints; /* [count], by name */
    size_t count;
    const char **names;     /* [count] */
    gm_joined **joined;     /* [joined_count] */
    size_t joined_count;
    bool again;             /* something could not be loaded that may be loaded next time */
    gm_arena *arena;
    int references; /* atomic */
} gm_routing;

/* Grows and is kept. */
typedef struct gm_values_buffer {
    double *values; /* [capacity] */
    size_t capacity;
} gm_values_buffer;

struct gm_lane {
    gm_server *server;
    unsigned index;
    gm_routing *routing;   /* a reference; renewed before a request when the server has a newer one */
    const gm_http_request *request; /* which it was renewed for; only compared */
    uint64_t routing_seen; /* the server's generation that it belongs to */
    gm_rows rows, shadow_rows;
    gm_values_buffer answers, shadow_answers;
    gm_random random;
    char id[40]; /* made for requests that bring none */
    uint64_t ids_made;
    gm_buf access; /* lines not yet written */
    _Atomic int64_t statuses[6]; /* replies by hundreds: 1xx .. 5xx; written by this lane only, without the lock */
    pthread_mutex_t lock; /* of counters, here and in gm_served_lane */
} __attribute__((aligned(64)));

enum { GM_SERVED_MAX = 256 }; /* models of one server */

/* The trial of one release, as this server sees it. */
typedef struct gm_trial {
    int64_t release;         /* id; 0 = free */
    gm_judge *judge;
    gm_arena *arena;
    gm_arm_seen before[2];   /* what the versions had seen when it began here */
    gm_verdict verdict;      /* reached, and not yet written */
    char reason[512];
} gm_trial;

/* What the control thread knows of the store. */
typedef struct gm_follow {
    pthread_mutex_t lock;
    gm_store *store; /* NULL: a package without a store */
    int64_t data_version, judged_us;
    int64_t again_us, wait_us; /* when what could not be loaded is tried again, 0 = never; how long after the last time */
    bool scratch_used;       /* versions were laid out in the scratch folder */
    char *wanted[GM_SERVED_MAX]; /* references, owned; none and all_champions: every model that has a champion */
    size_t wanted_count;
    bool all_champions;
    char *unloaded[GM_SERVED_MAX]; /* names that somebody unloaded, owned */
    size_t unloaded_count;
    gm_trial trials[GM_SERVED_MAX];
    pthread_mutex_t watched_lock;
    gm_buf watched; /* metrics of what monitoring found; under watched_lock */
} gm_follow;

struct gm_server {
    gm_server_options o;
    gm_http *http;
    gm_http_route *routes; /* [routes_count] the protocols' and the server's own */
    size_t routes_count;
    gm_lane *lanes;
    unsigned lanes_count;
    gm_predlog *log;
    pthread_mutex_t lock; /* of routing, generation and wishes */
    gm_routing *routing;
    uint64_t generation; /* atomic */
    gm_follow *follow;
    pthread_t control;
    bool control_runs;
    bool stopping, draining; /* atomic */
    int64_t load_failures;   /* atomic */
    int64_t started_us;
    gm_arena *arena;
};

void gm_server_say(gm_server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- follow.c ---------------------------------------------------------------------------------------------------- */

gm_rc gm_follow_new(gm_server *s, gm_err *err); /* opens the store, or the package; publishes the first routing */
void gm_follow_free(gm_server *s);
/* The version that a reference names now: "m/3", "m@alias", and the champion of "m". Needs follow->lock. Errors: those of gm_model_resolve. */
gm_rc gm_follow_resolve(const gm_follow *f, const char *ref, gm_arena *a, gm_model_version *out, gm_err *err);
void gm_follow_look(gm_server *s);              /* what the store says now; versions that fail keep the old ones going */

/* ---- routing.c --------------------------------------------------------------------------------------------------- */

/* What the store says now. Needs follow->lock. */
gm_rc gm_routing_build(gm_server *s, gm_routing **out, gm_err *err);
/* The tables that its versions' joins need, those of the old routing kept where they are the same; joined.c. */
void gm_routing_join(gm_server *s, gm_routing *r);
void gm_joined_unref(gm_joined *j);
const gm_online *gm_routing_table(const gm_routing *r, const char *pipeline, const char *dataset); /* NULL: none */
gm_rc gm_routing_package(gm_server *s, gm_err *err); /* of the package folder, published */
void gm_routing_publish(gm_server *s, gm_routing *r); /* takes the reference */
gm_routing *gm_routing_ref(gm_server *s, uint64_t *out_generation);
void gm_routing_unref(gm_routing *r);
const gm_endpoint *gm_routing_find(const gm_routing *r, gm_slice name);
/* The newest routing. What was borrowed from the one before is gone. */
void gm_lane_refresh(gm_lane *lane);
/* Counters of a version over all lanes. sum->breaches and sum->online, zeroed, are the caller's, or NULL. */
void gm_server_seen(gm_server *s, gm_served *served, gm_served_lane *sum);

/* ---- metrics.c --------------------------------------------------------------------------------------------------- */

void gm_metrics_handle(gm_http_request *r, void *user);
/* name="value", with backslash, quote and line end escaped. */
void gm_metrics_label(gm_buf *b, const char *name, const char *value);
/* What monitoring found last, as it was when the store moved last; metrics_watch.c. */
void gm_metrics_watched(gm_server *s, gm_buf *out);
void gm_metrics_watched_renew(gm_server *s); /* needs follow->lock */

#endif
