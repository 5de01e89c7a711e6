/* served.h - one model version, loaded, verified and warm; shared by all threads until the last reference goes. */
#ifndef GM_SERVE_SERVED_H
#define GM_SERVE_SERVED_H

#include "serve/schema.h"
#include "store/store.h"

typedef struct gm_served {
    const char *model;       /* endpoint and registered name */
    const char *version;     /* "3"                          */
    gm_digest digest;        /* of the package               */
    const char *dir;         /* its folder                   */
    gm_scorer scorer;
    gm_served_schema schema;
    const char *engine_json; /* which kernels, measured; see gm_model_engine_json */
    int64_t loaded_us;       /* wall clock                   */
    int64_t load_took_us;
    int64_t run_id;          /* 0 when it came as a folder   */
    gm_arena *arena;
    int references;          /* atomic; gm_served_ref        */
} gm_served;

/* Check every file against the manifest (and the manifest against expected, NULL = any), load, replay example.json through our engine:
 * GM_ECORRUPT when a digest or an answer differs. A package without example rows is loaded with a warning in the log. */
gm_rc gm_served_open(const char *dir, const char *model, const char *version, const gm_digest *expected, gm_served **out, gm_err *err);
gm_served *gm_served_ref(gm_served *s);
void gm_served_unref(gm_served *s);

#endif
