/* channels.h - how a message leaves the house: webhook, slack, email, alertmanager, command.
 *
 * To add one: copy channels/webhook.c, then add its line to channel_list.h. A channel says whether the other side took the
 * message; the queue (store/alerts.h) tries again until it did, so that a message comes at least once, with the same id each
 * time. Secrets (env:NAME, file:PATH) are read at each send; they stand in no error, log or record.
 */
#ifndef GM_WATCH_CHANNELS_H
#define GM_WATCH_CHANNELS_H

#include "base/registry.h"
#include "watch/monitor_spec.h"

typedef struct gm_message gm_message;
struct gm_message {
    const char *id;   /* 32 hex digits, the same for each attempt and channel: receivers drop doubles by it */
    const char *kind; /* firing, repeat, resolved; group: several; test */
    gm_severity severity;
    gm_severity began_severity;       /* the alert's when it began; as severity unless whoever sends knows better */
    const char *model, *rule, *title; /* title: one line of plain text; group: rule "" */
    const char *text;        /* several lines: columns, windows, numbers, version, likely cause, the command to look closer */
    const char *json;        /* the same as an object, see docs/formats/alerts.md */
    int64_t began_us, at_us; /* when the alert began; when the message was made */
    const gm_message *parts; /* [parts_count] group: its messages, oldest first; else NULL */
    size_t parts_count;
};

/* The message that json is of (without parts: those of a group are read too). In a; json borrowed as long. Errors: GM_ECORRUPT,
 * GM_ENOMEM. */
gm_rc gm_message_read(const char *json, gm_arena *a, gm_message *out, gm_err *err);
/* Several as one, oldest first; one is given back as it is. parts [count] borrowed. In a. Errors: GM_ENOMEM. */
gm_rc gm_message_group(const gm_message *parts, size_t count, gm_arena *a, gm_message *out, gm_err *err);
/* By its name; critical when there is none of it. */
gm_severity gm_severity_of(const char *name);
/* Hex id over texts [count], 32 digits; out holds 33. */
void gm_message_id(const char *const *texts, size_t count, char *out);

typedef struct gm_sent {
    int64_t wait_us;    /* the other side asked not to be tried again sooner; 0 = it said nothing */
    char said[160];     /* what it answered, one line: "204 No Content"; "" */
    char left_out[256]; /* taken, but not for all: "not for ops@example.com: 550 no such person"; "" */
} gm_sent;

typedef struct gm_channel {
    gm_item item; /* the first parameter is the one that may stand alone: `- webhook: https://...` */
    /* More than the table can say, with places from at (the channel's entry; its map, or NULL when one value stands alone). May
     * be NULL. */
    void (*check)(const void *conf, const gm_node *map, gm_pos at, gm_errs *errs);
    /* Blocks for at most timeout_ms. Errors: GM_EUNAVAILABLE try again (also 5xx, 429, time-out), GM_EREFUSED never will (4xx, a
     * command that is not there); the message tells what the other side said. scratch for what is needed meanwhile. */
    gm_rc (*send)(const void *conf, const gm_message *m, int64_t timeout_ms, gm_arena *scratch, gm_sent *out, gm_err *err);
    /* What fires is sent again so long after it was taken, while it lasts; NULL = never. */
    int64_t (*again_us)(const void *conf);
} gm_channel;

extern const gm_registry gm_channels;

/* Read `alert:`: a list of channels (`- webhook: https://...`, `- email: { to: ..., smtp: ... }`) or a map { rules, send, group,
 * repeat }; adds the default rules where none are given, also for NULL. columns: for drift.COLUMN in rules; count 0: names of
 * columns are not checked (yet). */
gm_rc gm_alerts_read(const gm_node *node, const char *const *columns, size_t columns_count, gm_arena *a, gm_alerts_spec *out,
                     gm_errs *errs);
extern const gm_param gm_section_alert[], gm_section_alert_rule[]; /* of the map and of a rule, for schema and documents */

/* Send through the channel of that spec. Errors: as send; GM_EINVALID when the parameters cannot be read. */
gm_rc gm_channel_send(const gm_channel_spec *c, const gm_message *m, int64_t timeout_ms, gm_sent *out, gm_err *err);
/* As gm_channel.again_us; 0 = never. */
int64_t gm_channel_again_us(const gm_channel_spec *c);

/* ---- for channels ---- */

/* The value of "env:NAME" or "file:PATH" (without its last newline), or the text itself. In a. Errors: GM_EUNAVAILABLE (not
 * there, or empty), which names the source, never the value. */
gm_rc gm_secret_read(const char *source, gm_arena *a, const char **out, gm_err *err);
/* Is it env:NAME or file:PATH? */
bool gm_secret_is_source(const char *text);
/* A mistake unless text is "" or a source: a password does not stand in a file that is committed. */
void gm_secret_check(const char *key, const char *text, const gm_node *map, gm_pos at, gm_errs *errs);
/* A mistake unless text is a source or begins with one of the two schemes and names a host. */
void gm_url_check(const char *key, const char *text, const char *scheme, const char *scheme_secure, const gm_node *map, gm_pos at,
                  gm_errs *errs);

#endif
