/* alerts.h of the store - alerts, silences, and the queue of messages.
 *
 * One transaction takes a window's changes in, so that a crash neither loses nor doubles an alert; a message leaves the queue
 * only after the other side took it. Several processes may send from one queue: each claims what it sends.
 */
#ifndef GM_STORE_ALERTS_H
#define GM_STORE_ALERTS_H

#include "store/store.h"

typedef struct gm_alert_record {
    int64_t id; /* set by the store; 0 = nothing fires */
    const char *model, *rule;
    const char *severity;    /* when it began; it stays */
    const char *state;       /* firing, resolved; "" = nothing fires, memory alone is kept */
    const char *memory;      /* the rule's state between windows, JSON; read by gm_alert_memory alone */
    int64_t window_until_us; /* of the last window taken in; read by gm_alert_memory alone */
    int64_t began_us, last_us, ended_us, said_us;
    int64_t snoozed_until_us;        /* messages are kept back until then; 0 = not */
    const char *title, *detail_json; /* of the newest message: a line, and docs/formats/alerts.md; none given = as before */
} gm_alert_record;

/* A message to one channel. */
typedef struct gm_delivery {
    int64_t id;
    int64_t alert_id;
    int64_t batch;       /* messages that leave as one: the id of their first; 0 = not tried yet, or alone */
    const char *channel; /* name within the file's list */
    const char *message_id, *kind;
    const char *message_json; /* everything gm_message has */
    /* waiting: to be tried at next_us. lasting: taken, and sent again at next_us while the alert lasts (channels that ask for
     * it). sent: taken. held: kept back by a silence or a snooze, looked at again at next_us. refused: the other side never will.
     * dropped: no longer of use (over before it was said). */
    const char *state;
    int64_t attempts, next_us, created_us, sent_us;
    const char *last_error; /* why it waits, is held, refused or dropped; sent: who did not get it; "" */
} gm_delivery;

/* The rule's memory, with the alert that fires if one does. GM_ENOTFOUND: none yet. */
gm_rc gm_alert_memory(gm_store *s, const char *model, const char *rule, gm_arena *a, gm_alert_record *out, gm_err *err);
/* One transaction: the alert (state firing and none fires: a new one, its id in alert->id; state resolved: over; "": memory
 * alone) and the messages it causes (channel, message_id, kind, message_json, next_us, created_us are read). A repeat is left out
 * where an earlier message of the alert still waits in that channel. A window at or before the last one taken in for this rule
 * changes nothing and is GM_ECONFLICT, so that a repeated call after a crash is harmless. Messages sent or dropped are kept for
 * 90 days. */
gm_rc gm_alert_take(gm_store *s, gm_alert_record *alert, int64_t window_until_us, const gm_delivery *messages, size_t count,
                    gm_err *err);
/* Firing first, then newest first; limit 0 = all. */
gm_rc gm_alert_list(gm_store *s, const char *model_or_null, bool firing_only, int64_t limit, gm_arena *a, gm_alert_record **out,
                    size_t *out_count, gm_err *err);
/* GM_ENOTFOUND. */
gm_rc gm_alert_get(gm_store *s, int64_t id, gm_arena *a, gm_alert_record *out, gm_err *err);
/* until_us 0 ends the snooze. GM_ENOTFOUND; GM_ECONFLICT: the alert is over. */
gm_rc gm_alert_snooze(gm_store *s, int64_t id, int64_t until_us, gm_err *err);

/* ---- the queue ---- */

/* Messages waiting, lasting or held whose next_us has come, oldest first, but none that has an earlier one of the same alert and
 * channel before it that was tried (waiting, claimed) or is held; the whole queue with now_us INT64_MAX. limit 0 = all. */
gm_rc gm_delivery_due(gm_store *s, const char *model_or_null, int64_t now_us, int64_t limit, gm_arena *a, gm_delivery **out,
                      size_t *out_count, gm_err *err);
/* When the next one is due; INT64_MAX: nothing waits. */
gm_rc gm_delivery_next(gm_store *s, const char *model_or_null, int64_t *out_us, gm_err *err);
/* Newest first, all states; alert_id 0 = of all alerts, limit 0 = all. */
gm_rc gm_delivery_list(gm_store *s, int64_t alert_id, int64_t limit, gm_arena *a, gm_delivery **out, size_t *out_count,
                       gm_err *err);
/* Take messages [count] that leave as one, in one transaction: they belong to the caller until until_us (then they are due again,
 * should the caller have died), count an attempt, and form a batch for all later attempts. GM_ECONFLICT: another process has one
 * of them. */
gm_rc gm_delivery_claim(gm_store *s, const gm_delivery *d, size_t count, int64_t until_us, gm_err *err);
/* How it went, for all of them [count]. state waiting, held, lasting: to be looked at again at next_us. What has ended meanwhile
 * stays ended. */
gm_rc gm_delivery_done(gm_store *s, const gm_delivery *d, size_t count, const char *state, const char *error, int64_t now_us,
                       int64_t next_us, gm_err *err);
/* A refused, held or waiting message is due now. GM_ENOTFOUND; GM_ECONFLICT: it was sent or dropped. */
gm_rc gm_delivery_retry(gm_store *s, int64_t id, int64_t now_us, gm_err *err);
/* Was an earlier message of the alert taken by that channel? */
gm_rc gm_delivery_was_said(gm_store *s, int64_t alert_id, const char *channel, bool *out, gm_err *err);

/* ---- silences ---- */

typedef struct gm_silence {
    int64_t id, from_us, until_us;
    const char *model, *rule; /* "" = any */
    const char *reason, *actor;
} gm_silence;
gm_rc gm_silence_add(gm_store *s, const gm_silence *silence, int64_t *out_id, gm_err *err);
/* Its messages are looked at again at once. GM_ENOTFOUND; GM_ECONFLICT: it is over. */
gm_rc gm_silence_end(gm_store *s, int64_t id, int64_t now_us, gm_err *err);
/* Those that are not over at now_us (0 = all), newest first. */
gm_rc gm_silence_list(gm_store *s, int64_t now_us, gm_arena *a, gm_silence **out, size_t *out_count, gm_err *err);

#endif
