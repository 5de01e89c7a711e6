/* release.h of the store - which version is tried beside the champion, and how that ended. Kept as records with a history. */
#ifndef GM_STORE_RELEASE_H
#define GM_STORE_RELEASE_H

#include "store/store.h"

typedef enum gm_release_mode { GM_RELEASE_NONE = 0, GM_RELEASE_CANARY, GM_RELEASE_SHADOW, GM_RELEASE_AB } gm_release_mode;

typedef struct gm_release {
    int64_t id;            /* set by the store */
    const char *model;
    int64_t champion;      /* version when it began; 0 = none */
    int64_t candidate;     /* version                         */
    gm_release_mode mode;
    double share;          /* 0 .. 1; shadow: share of the requests that are copied */
    int64_t for_us;        /* promoted when it has run so long, saw enough and nothing spoke against it; 0 = only by hand */
    int64_t requests_min;  /* what `enough` is */
    const char *rollback;  /* condition in words of the expression language over error_rate, latency_ms_p99, score_shift; "" = the sequential test alone */
    const char *sticky;    /* columns, space-separated: the same key gets the same arm; "" = the data set's key, else the dice */
    bool paused;           /* all requests go to the champion, the clock of for_us stands */
    const char *state;     /* running, promoted, rolled_back, ended */
    const char *reason;    /* why it ended */
    const char *actor;     /* who began it */
    int64_t began_us, ended_us, paused_us; /* paused_us: time spent paused so far */
} gm_release;

/* The running release of a model; GM_ENOTFOUND. */
gm_rc gm_release_get(gm_store *s, const char *model, gm_arena *a, gm_release *out, gm_err *err);
gm_rc gm_release_list(gm_store *s, const char *model_or_null, gm_arena *a, gm_release **out, size_t *out_count, gm_err *err);
/* One transaction; alias `challenger` is set to the candidate. GM_ECONFLICT when another runs (its id in the message). */
gm_rc gm_release_begin(gm_store *s, const gm_release *r, int64_t *out_id, gm_err *err);
/* share, paused, for_us may change while it runs. */
gm_rc gm_release_change(gm_store *s, const gm_release *r, gm_err *err);
/* state promoted: alias champion moves to the candidate in the same transaction; `challenger` is dropped in any case. GM_ECONFLICT when it is no
 * longer running, or when the champion has changed since. */
gm_rc gm_release_end(gm_store *s, int64_t id, const char *state, const char *reason, gm_err *err);
/* Changes with every commit that any process makes to the store; cheap enough to be asked every 100 ms. */
gm_rc gm_store_data_version(gm_store *s, int64_t *out, gm_err *err);

#endif
