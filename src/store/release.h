/* release.h of the store - which version is tried beside the champion, and how that ended. Kept as records with a history.
 *
 * One release of a model runs at a time. The alias `champion` stays the truth about who answers; a release adds who is tried.
 *
 * How a server follows and writes. It opens the store read_only (no lock; a run may write meanwhile), asks gm_store_data_version every
 * 100 ms or so and reads aliases and gm_release_get again when the number moved. A verdict is acted on at once in the server, then
 * written by gm_release_end_at, which opens the same folder `beside` whoever writes, ends the release and closes it: a run does not hold it
 * up. GM_EUNAVAILABLE, GM_EIO: keep the verdict and try again every few seconds. GM_ECONFLICT: the verdict came too late; drop it and
 * follow what the store says.
 * Whoever moves `champion` by another way (a run that registers, `models --alias`) ends the running release in the same transaction,
 * since what was measured is about another champion.
 */
#ifndef GM_STORE_RELEASE_H
#define GM_STORE_RELEASE_H

#include "base/expr.h"
#include "store/store.h"

/* NONE: the champion alias is moved at once; the record is there for the history. With state "rolled_back" (else "promoted") it is a return
 * to an earlier champion. */
typedef enum gm_release_mode { GM_RELEASE_NONE = 0, GM_RELEASE_CANARY, GM_RELEASE_SHADOW, GM_RELEASE_AB } gm_release_mode;
const char *gm_release_mode_name(gm_release_mode m); /* "at once", "canary", "shadow", "ab" */

typedef struct gm_release {
    int64_t id;            /* set by the store */
    const char *model;
    int64_t champion;      /* version when it began; 0 = none */
    int64_t candidate;     /* version                         */
    gm_release_mode mode;
    double share;          /* 0 .. 1; shadow: share of the requests that are copied */
    int64_t for_us;        /* promoted when it has run so long, saw enough and nothing spoke against it; 0 = only by hand */
    int64_t requests_min;  /* what `enough` is */
    const char *rollback;  /* condition in words of the expression language over error_rate, latency_ms_p99, score_shift, requests; "" = the sequential test alone */
    const char *sticky;    /* columns, space-separated: the same key gets the same arm; "" = the data set's key, else the dice */
    bool paused;           /* all requests go to the champion, the clock of for_us stands */
    const char *state;     /* running, promoted, rolled_back, ended */
    const char *reason;    /* why it ended */
    const char *actor;     /* who began it */
    int64_t began_us, ended_us, paused_us; /* paused_us: time spent paused so far, without the pause that is on now */
    int64_t paused_since_us;               /* when the pause that is on now began; 0 = not paused */
} gm_release;

/* Microseconds that for_us counts: since it began, without pauses. */
int64_t gm_release_ran_us(const gm_release *r, int64_t now_us);

/* The running release of a model; GM_ENOTFOUND. */
gm_rc gm_release_get(gm_store *s, const char *model, gm_arena *a, gm_release *out, gm_err *err);
/* Newest first. */
gm_rc gm_release_list(gm_store *s, const char *model_or_null, gm_arena *a, gm_release **out, size_t *out_count, gm_err *err);
/* One transaction; alias `challenger` is set to the candidate (mode NONE: `champion`, and the release is over at once: r->state says how).
 * champion 0 = who holds the alias now. GM_ECONFLICT when another runs (its id in the message) or the champion is another one; GM_EINVALID:
 * no champion to compare with, the candidate is the champion, a share outside 0..1. */
gm_rc gm_release_begin(gm_store *s, const gm_release *r, int64_t *out_id, gm_err *err);
/* share, paused, for_us, requests_min may change while it runs; by id. GM_ECONFLICT when it is over. */
gm_rc gm_release_change(gm_store *s, const gm_release *r, gm_err *err);
/* state promoted: alias champion moves to the candidate in the same transaction; `challenger` is dropped in any case (if it still stands at
 * the candidate). GM_ECONFLICT when it is no longer running, or promoted and the champion has changed since. */
gm_rc gm_release_end(gm_store *s, int64_t id, const char *state, const char *reason, gm_err *err);
/* The same for whoever has the store open read_only: see above. GM_EUNAVAILABLE: another time. */
gm_rc gm_release_end_at(const char *root, int64_t id, const char *state, const char *reason, gm_err *err);

/* What happened to a release, oldest first: "began: 10 % canary ...", "share 10 % -> 25 %", "paused" ... */
typedef struct gm_release_event {
    int64_t at_us;
    const char *what;
} gm_release_event;
gm_rc gm_release_history(gm_store *s, int64_t id, gm_arena *a, gm_release_event **out, size_t *out_count, gm_err *err);
/* Where a roll back of the champion leads: the one before, as if moves were undone one by one. 0 = there is none. */
gm_rc gm_release_champion_before(gm_store *s, const char *model, int64_t *out, gm_err *err);

/* Changes with every commit that any process makes to the store; cheap enough to be asked every 100 ms. Only equality means anything. */
gm_rc gm_store_data_version(gm_store *s, int64_t *out, gm_err *err);

/* ---- the condition of rollback ------------------------------------------------------------------------------------ */

/* The columns of a condition, in the order of values[] of gm_release_condition_holds. */
enum { GM_RELEASE_ERROR_RATE, GM_RELEASE_LATENCY_MS_P99, GM_RELEASE_SCORE_SHIFT, GM_RELEASE_REQUESTS, GM_RELEASE_MEASURES };
/* Parse and check `error_rate > 1%`. Errors are added to errs with places from at. */
gm_rc gm_release_condition(const char *text, gm_pos at, gm_arena *a, gm_expr **out, gm_errs *errs);
/* values: NaN = not known, and what depends on it does not hold. */
bool gm_release_condition_holds(const gm_expr *e, const double values[GM_RELEASE_MEASURES]);

#endif
