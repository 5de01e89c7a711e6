/* channels.h - how a message leaves the house: webhook, slack, email, alertmanager, command.
 *
 * To add one: copy channels/webhook.c, then add its line to channel_list.h. A channel says whether the other side took the message; the queue
 * (store/alerts.h) tries again until it did, so that a message comes at least once, with the same id each time.
 */
#ifndef GM_WATCH_CHANNELS_H
#define GM_WATCH_CHANNELS_H

#include "base/registry.h"
#include "watch/monitor_spec.h"

typedef struct gm_message {
    const char *id;         /* the same for each attempt: receivers drop doubles by it */
    const char *kind;       /* firing, repeat, resolved */
    gm_severity severity;
    const char *model, *rule, *title; /* title: one line of plain text */
    const char *text;       /* several lines: columns, windows, numbers, version, likely cause, the command to look closer */
    const char *json;       /* the same as an object, see docs/formats/alerts.md */
    int64_t began_us, at_us;
} gm_message;

typedef struct gm_channel {
    gm_item item; /* params: url, secret ...; conf_size */
    /* Blocks for at most timeout_ms. Errors: GM_EUNAVAILABLE try again (also 5xx, 429, time-out), GM_EREFUSED never will (4xx, a command that is not there); the
     * message tells what the other side said. Secrets (env:NAME, file:PATH) are read at each send and never stand in an error. */
    gm_rc (*send)(const void *conf, const gm_message *m, int64_t timeout_ms, gm_err *err);
} gm_channel;

extern const gm_registry gm_channels;

/* Read `alert:`: a list of channels (`- webhook: https://...`, `- email: { to: ..., smtp: ... }`) or a map { rules, send, group, repeat }; adds the default rules
 * where none are given. columns: for drift.COLUMN in rules; count 0: names of columns are not checked (yet). */
gm_rc gm_alerts_read(const gm_node *node, const char *const *columns, size_t columns_count, gm_arena *a, gm_alerts_spec *out, gm_errs *errs);
/* Send through the channel of that spec. Errors: as send; GM_EINVALID when the parameters cannot be read. */
gm_rc gm_channel_send(const gm_channel_spec *c, const gm_message *m, int64_t timeout_ms, gm_err *err);

#endif
