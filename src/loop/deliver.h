/* deliver.h - the worker of the message queue (store/alerts.h): takes what is due, keeps back what is silenced or snoozed, puts
 * together what leaves as one, sends, and tries again later what was not taken.
 *
 * At least once: a message leaves the queue only after the other side took it, and whoever dies in between leaves it due again,
 * with the same id. Several processes may work on one queue: each claims what it sends.
 */
#ifndef GM_LOOP_DELIVER_H
#define GM_LOOP_DELIVER_H

#include "store/store.h"
#include "watch/channels.h"

typedef struct gm_deliver_options {
    const char *model;  /* the messages of its alerts alone: several pipelines may share a store; NULL = of all */
    int64_t timeout_ms; /* for each send; 0 = 10 s */
    int64_t budget_ms;  /* no further send is begun after so long, but one at least is; 0 = none */
} gm_deliver_options;

/* What a tick did, in messages (several may have left as one). */
typedef struct gm_deliver_result {
    int64_t sent, failed, refused, held, dropped; /* failed: to be tried again */
    int64_t again;                                /* sent again because they last */
    int64_t next_us;                              /* when the next one is due; INT64_MAX: nothing waits */
    gm_err error;                                 /* the last failure of a channel; rc GM_OK: none */
} gm_deliver_result;

/* Work through what is due at now_us. store: open for writing, or beside. spec: of the file as it is now; a message to a channel
 * that is no longer in it is refused. Blocks for as long as the channels do: at most timeout_ms for each channel that is not
 * reachable, since after its first failure the rest of its messages wait. Any thread. A channel's failure is no error here but
 * stands in out and in the queue. Errors: those of the store; GM_ENOMEM. */
gm_rc gm_deliver_tick(gm_store *store, const gm_alerts_spec *spec, int64_t now_us, const gm_deliver_options *o,
                      gm_deliver_result *out, gm_err *err);

/* A rule that left the file judges no window any more: end its alerts of that model, and say so to the channels. Part of a tick
 * that names a model. out_ended: how many. Errors: those of the store. */
gm_rc gm_deliver_end_gone(gm_store *store, const gm_alerts_spec *spec, const char *model, int64_t now_us, int64_t *out_ended,
                          gm_err *err);

/* How long to wait after so many attempts (1 ...): 5 s, 10 s, 20 s ... up to an hour, of which chance (0 .. 1) takes up to half
 * away, so that many senders do not come back at once. */
int64_t gm_deliver_backoff_us(int64_t attempts, double chance);

#endif
