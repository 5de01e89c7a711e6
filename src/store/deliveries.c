/* deliveries.c - the queue of messages; see alerts.h of the store.
 *
 * Invariants
 *  (1) a message leaves the queue (sent, refused, dropped) only after the other side answered, or because there is nothing to say
 * any more; (2) who sends has claimed: next_us lies ahead, so that nobody else finds the message due. When the claimer dies, it
 * becomes due again; (3) what was tried together is tried together again, under the same id.
 */
#include <inttypes.h>
#include <string.h>

#include "store/alerts.h"
#include "store/store_internal.h"

#define COLUMNS                                                                                                                  \
    "d.id, d.alert_id, d.batch, d.channel, d.message_id, d.kind, d.message, d.state, d.attempts, d.next_us, d.created_us,"       \
    " d.sent_us, d.last_error"

struct list_call {
    bool due;
    const char *model; /* NULL = any */
    int64_t now_us, alert_id, limit;
    gm_arena *a;
    gm_delivery *items; /* [count] */
    size_t count, capacity;
};

static void read_one(gm_meta_reader *r, gm_delivery *out)
{
    out->id = gm_meta_read_int(r);
    out->alert_id = gm_meta_read_int(r);
    out->batch = gm_meta_read_int(r);
    out->channel = gm_meta_read_text(r);
    out->message_id = gm_meta_read_text(r);
    out->kind = gm_meta_read_text(r);
    out->message_json = gm_meta_read_text(r);
    out->state = gm_meta_read_text(r);
    out->attempts = gm_meta_read_int(r);
    out->next_us = gm_meta_read_int(r);
    out->created_us = gm_meta_read_int(r);
    out->sent_us = gm_meta_read_int(r);
    out->last_error = gm_meta_read_text(r);
}

static gm_rc query(gm_tx *tx, const struct list_call *call, gm_stmt **out, gm_err *err)
{
    int64_t limit = call->limit ? call->limit : -1;
    if (call->due) /* order within an alert and a channel: what was tried before, under another batch, goes first */
        return gm_meta_query(tx, out, err,
                             "SELECT " COLUMNS
                             " FROM deliveries d WHERE d.state IN ('waiting', 'lasting', 'held') AND d.next_us <= ?1"
                             " AND NOT EXISTS(SELECT 1 FROM deliveries e WHERE e.alert_id = d.alert_id AND e.channel = d.channel"
                             " AND e.id < d.id AND ((e.state = 'waiting' AND e.attempts > 0 AND e.batch <> d.batch) OR"
                             " e.state = 'held')) AND (?3 = '' OR EXISTS(SELECT 1 FROM alerts a WHERE a.id = d.alert_id AND"
                             " a.model = ?3)) ORDER BY d.id LIMIT ?2",
                             "iit", call->now_us, limit, call->model);
    return gm_meta_query(tx, out, err,
                         "SELECT " COLUMNS " FROM deliveries d WHERE (?1 = 0 OR d.alert_id = ?1) ORDER BY d.id DESC LIMIT ?2",
                         "ii", call->alert_id, limit);
}

static gm_rc list_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct list_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, ok = true;
    gm_rc rc = tx->backend->has_table(tx, "deliveries", &row, err);
    if (rc || !row) return rc;
    rc = query(tx, call, &st, err);
    while (ok && !rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        gm_meta_reader r = { .st = st, .a = call->a };
        call->items = gm_meta_grow(call->a, call->items, call->count, &call->capacity, sizeof(*call->items));
        ok = call->items != NULL;
        if (!ok) break;
        read_one(&r, &call->items[call->count++]);
        ok = !r.failed;
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to list the messages");
}

static gm_rc list(gm_store *s, struct list_call *call, gm_delivery **out, size_t *out_count, gm_err *err)
{
    gm_rc rc = gm_store_read(s, list_work, call, err);
    if (rc) return rc;
    *out = call->items;
    *out_count = call->count;
    return GM_OK;
}

gm_rc gm_delivery_due(gm_store *s, const char *model_or_null, int64_t now_us, int64_t limit, gm_arena *a, gm_delivery **out,
                      size_t *out_count, gm_err *err)
{
    return list(s, &(struct list_call){ .due = true, .model = model_or_null, .now_us = now_us, .limit = limit, .a = a }, out,
                out_count, err);
}

gm_rc gm_delivery_list(gm_store *s, int64_t alert_id, int64_t limit, gm_arena *a, gm_delivery **out, size_t *out_count,
                       gm_err *err)
{
    return list(s, &(struct list_call){ .alert_id = alert_id, .limit = limit, .a = a }, out, out_count, err);
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

struct number_call {
    const char *model; /* gm_delivery_next; NULL = any */
    int64_t alert_id;  /* gm_delivery_was_said */
    const char *channel;
    int64_t value;
};

static gm_rc next_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct number_call *call = ctx;
    bool there = false;
    gm_rc rc = tx->backend->has_table(tx, "deliveries", &there, err);
    if (rc || !there) return rc;
    return gm_meta_int(tx, INT64_MAX, &call->value, err,
                       "SELECT next_us FROM deliveries d WHERE state IN ('waiting', 'lasting', 'held') AND (?1 = '' OR EXISTS("
                       "SELECT 1 FROM alerts a WHERE a.id = d.alert_id AND a.model = ?1)) ORDER BY next_us LIMIT 1",
                       "t", call->model);
}

gm_rc gm_delivery_next(gm_store *s, const char *model_or_null, int64_t *out_us, gm_err *err)
{
    struct number_call call = { .model = model_or_null, .value = INT64_MAX };
    gm_rc rc = gm_store_read(s, next_work, &call, err);
    if (!rc) *out_us = call.value;
    return rc;
}

static gm_rc said_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct number_call *call = ctx;
    return gm_meta_int(tx, 0, &call->value, err,
                       "SELECT count(*) FROM deliveries WHERE alert_id = ?1 AND channel = ?2 AND sent_us > 0", "it",
                       call->alert_id, call->channel);
}

gm_rc gm_delivery_was_said(gm_store *s, int64_t alert_id, const char *channel, bool *out, gm_err *err)
{
    struct number_call call = { .alert_id = alert_id, .channel = channel };
    gm_rc rc = gm_store_read(s, said_work, &call, err);
    if (!rc) *out = call.value > 0;
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

struct write_call {
    const gm_delivery *d; /* [count] */
    size_t count;
    const char *state, *error;
    int64_t id, now_us, next_us;
};

static gm_rc claim_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct write_call *call = ctx;
    for (size_t i = 0; i < call->count; i++) {
        int64_t had = 0;
        gm_rc rc = gm_meta_int(tx, 0, &had, err,
                               "UPDATE deliveries SET state = CASE WHEN state = 'held' THEN 'waiting' ELSE state END,"
                               " attempts = attempts + 1, batch = CASE WHEN batch = 0 THEN ?2 ELSE batch END, next_us = ?3"
                               " WHERE id = ?1 AND state IN ('waiting', 'lasting', 'held') AND next_us = ?4 RETURNING id",
                               "iiii", call->d[i].id, call->d[0].id, call->next_us, call->d[i].next_us);
        if (rc) return rc;
        if (!had) return gm_err_set(err, GM_ECONFLICT, "message %" PRId64 " is being sent by another process", call->d[i].id);
    }
    return GM_OK;
}

gm_rc gm_delivery_claim(gm_store *s, const gm_delivery *d, size_t count, int64_t until_us, gm_err *err)
{
    struct write_call call = { .d = d, .count = count, .next_us = until_us };
    return gm_store_write(s, true, claim_work, &call, err);
}

/* An alert that is over is not said again: lasting becomes sent. */
static gm_rc done_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct write_call *call = ctx;
    bool taken = strcmp(call->state, "sent") == 0 || strcmp(call->state, "lasting") == 0;
    gm_rc rc = GM_OK;
    for (size_t i = 0; !rc && i < call->count; i++)
        rc = gm_meta_exec(tx, err,
                          "UPDATE deliveries SET state = CASE WHEN ?2 = 'lasting' AND NOT EXISTS(SELECT 1 FROM alerts a WHERE"
                          " a.id = alert_id AND a.state = 'firing') THEN 'sent' ELSE ?2 END, last_error = ?3, next_us = ?4,"
                          " sent_us = CASE WHEN ?5 > 0 THEN ?5 ELSE sent_us END"
                          " WHERE id = ?1 AND state IN ('waiting', 'lasting', 'held')",
                          "ittii", call->d[i].id, call->state, call->error, call->next_us, taken ? call->now_us : (int64_t)0);
    return rc;
}

gm_rc gm_delivery_done(gm_store *s, const gm_delivery *d, size_t count, const char *state, const char *error, int64_t now_us,
                       int64_t next_us, gm_err *err)
{
    struct write_call call = { .d = d, .count = count, .state = state, .error = error, .now_us = now_us, .next_us = next_us };
    return gm_store_write(s, true, done_work, &call, err);
}

static gm_rc retry_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct write_call *call = ctx;
    int64_t there = 0, changed = 0;
    gm_rc rc = gm_meta_int(tx, 0, &there, err, "SELECT id FROM deliveries WHERE id = ?1", "i", call->id);
    if (!rc && !there) {
        rc = gm_err_set(err, GM_ENOTFOUND, "there is no message %" PRId64, call->id);
        gm_err_hint(err, "`gristmill alerts --queue` lists them.");
    }
    if (!rc) /* the whole batch, since it leaves as one */
        rc = gm_meta_int(tx, 0, &changed, err,
                         "SELECT count(*) FROM deliveries WHERE id = ?1 AND state IN ('waiting', 'held', 'refused')", "i",
                         call->id);
    if (!rc && !changed) rc = gm_err_set(err, GM_ECONFLICT, "message %" PRId64 " was sent or dropped", call->id);
    if (!rc)
        rc = gm_meta_exec(tx, err,
                          "UPDATE deliveries SET state = CASE WHEN state = 'refused' THEN 'waiting' ELSE state END, next_us = ?2"
                          " WHERE state IN ('waiting', 'held', 'refused') AND (id = ?1 OR (batch > 0 AND batch ="
                          " (SELECT batch FROM deliveries WHERE id = ?1)))",
                          "ii", call->id, call->now_us);
    return rc;
}

gm_rc gm_delivery_retry(gm_store *s, int64_t id, int64_t now_us, gm_err *err)
{
    struct write_call call = { .id = id, .now_us = now_us };
    return gm_store_write(s, true, retry_work, &call, err);
}
