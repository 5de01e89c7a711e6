/* alerts.h of the store - alerts, silences, and the queue of messages. One transaction takes a window's changes in, so that a crash neither loses nor doubles an
 * alert; a message leaves the queue only after the other side took it. */
#ifndef GM_STORE_ALERTS_H
#define GM_STORE_ALERTS_H

#include "store/store.h"

typedef struct gm_alert_record {
    int64_t id;               /* set by the store */
    const char *model, *rule, *severity;
    const char *state;        /* firing, resolved */
    const char *memory;       /* the rule's state between windows, JSON; also kept while nothing fires (id 0) */
    int64_t began_us, last_us, ended_us, said_us;
    int64_t snoozed_until_us; /* messages are kept back until then; 0 = not */
    const char *title, *detail_json;
} gm_alert_record;

typedef struct gm_delivery {
    int64_t id;
    int64_t alert_id;
    const char *channel;      /* name within the file's list */
    const char *message_id, *kind;
    const char *message_json; /* everything gm_message has */
    const char *state;        /* waiting, sent, refused (the other side never will), held (silence or snooze when it was due) */
    int64_t attempts, next_us, created_us, sent_us;
    const char *last_error;
} gm_delivery;

/* The rule's memory; GM_ENOTFOUND: none yet. */
gm_rc gm_alert_memory(gm_store *s, const char *model, const char *rule, gm_arena *a, gm_alert_record *out, gm_err *err);
/* One transaction: the alert (id 0 and state firing: a new one, its id in alert->id; memory alone when nothing fires) and the messages it causes. window_until_us:
 * a window at or before the last one taken in for this rule changes nothing and is GM_ECONFLICT, so that a repeated call after a crash is harmless. */
gm_rc gm_alert_take(gm_store *s, gm_alert_record *alert, int64_t window_until_us, const gm_delivery *messages, size_t count, gm_err *err);
gm_rc gm_alert_list(gm_store *s, const char *model_or_null, bool firing_only, int64_t limit, gm_arena *a, gm_alert_record **out, size_t *out_count, gm_err *err);
gm_rc gm_alert_snooze(gm_store *s, int64_t id, int64_t until_us, gm_err *err);

/* Messages due now, oldest first; the whole queue with now_us INT64_MAX. */
gm_rc gm_delivery_due(gm_store *s, int64_t now_us, int64_t limit, gm_arena *a, gm_delivery **out, size_t *out_count, gm_err *err);
gm_rc gm_delivery_list(gm_store *s, int64_t limit, gm_arena *a, gm_delivery **out, size_t *out_count, gm_err *err); /* newest first, all states */
/* state waiting: tried and to be tried again at next_us. */
gm_rc gm_delivery_done(gm_store *s, int64_t id, const char *state, const char *error, int64_t next_us, gm_err *err);

typedef struct gm_silence {
    int64_t id, from_us, until_us;
    const char *model, *rule; /* "" = any */
    const char *reason, *actor;
} gm_silence;
gm_rc gm_silence_add(gm_store *s, const gm_silence *silence, int64_t *out_id, gm_err *err);
gm_rc gm_silence_end(gm_store *s, int64_t id, int64_t now_us, gm_err *err);
gm_rc gm_silence_list(gm_store *s, gm_arena *a, gm_silence **out, size_t *out_count, gm_err *err);

#endif
