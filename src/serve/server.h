/* server.h - the model server: registry aliases as endpoints.
 *
 * Threads: event loops and workers (base/http.h), each with a lane of its own, and one control thread that follows the store, loads versions
 * and judges releases. The routing table is constant once published; a lane takes the newest before each request.
 */
#ifndef GM_SERVE_SERVER_H
#define GM_SERVE_SERVER_H

#include "serve/infer.h"
#include "serve/predlog.h"

typedef struct gm_server_options {
    gm_http_options http;         /* host, port, limits, tokens, TLS; routes, done, tick and user are the server's */
    const char *store_root;       /* NULL: package_dir */
    const char *const *refs;      /* [refs_count] "flights", "flights@staging", "flights/3"; none: every model with a champion */
    size_t refs_count;
    const char *package_dir;      /* a package as a folder, without a store */
    const char *package_name;     /* NULL: the pipeline's name in schema.json */
    const char *scratch_dir;      /* where packages of the store are laid out as links */
    gm_predlog_options log;       /* dir NULL = off; lanes are the server's */
    const char *predict_path, *health_path; /* further paths for predict and health (Vertex AI); NULL = none */
    int access_log_fd;            /* -1 = none: a line of JSON per request */
    bool strict;                  /* breaches of the training schema are errors */
    int64_t follow_ms;            /* how often the store is asked for changes; 0 = 200 */
    void (*say)(void *user, const char *line); /* what people should know: loaded, promoted, failed; from the control thread */
    void *say_user;
} gm_server_options;

/* Load, then listen. Errors: as gm_served_open and gm_http_start; GM_ENOTFOUND (no such model, nothing to serve). */
gm_rc gm_server_start(const gm_server_options *o, gm_server **out, gm_err *err);
int gm_server_port(const gm_server *s);
/* Not ready at once; after delay_ms (load balancers look away) stop accepting, answer what was begun, wait_ms at most. */
void gm_server_drain(gm_server *s, int64_t delay_ms, int64_t wait_ms);
void gm_server_stop(gm_server *s);

#endif
