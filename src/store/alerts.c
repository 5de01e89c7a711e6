/* alerts.c - see alerts.h of the store: what a window changed, in one transaction with the messages it causes; alerts; silences.
 * The queue itself is in deliveries.c. */
#include "store/alerts.h"

#include <inttypes.h>
#include <string.h>

#include "store/store_internal.h"

#define ALERT_COLUMNS                                                                                                            \
    "a.id, a.model, a.rule, a.severity, a.state, a.began_us, a.last_us, a.ended_us, a.said_us, a.snoozed_until_us, a.title,"     \
    " a.detail"

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to read the alerts");
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

static void read_alert(gm_meta_reader *r, gm_alert_record *out)
{
    out->id = gm_meta_read_int(r);
    out->model = gm_meta_read_text(r);
    out->rule = gm_meta_read_text(r);
    out->severity = gm_meta_read_text(r);
    out->state = gm_meta_read_text(r);
    out->began_us = gm_meta_read_int(r);
    out->last_us = gm_meta_read_int(r);
    out->ended_us = gm_meta_read_int(r);
    out->said_us = gm_meta_read_int(r);
    out->snoozed_until_us = gm_meta_read_int(r);
    out->title = gm_meta_read_text(r);
    out->detail_json = gm_meta_read_text(r);
    out->memory = "";
}

struct list_call {
    const char *model; /* NULL = all */
    bool firing;
    int64_t id, limit; /* 0 = not by id; no limit */
    gm_arena *a;
    gm_alert_record *items; /* [count] */
    size_t count, capacity;
};

static gm_rc list_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct list_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, ok = true;
    gm_rc rc = tx->backend->has_table(tx, "alerts", &row, err); /* not in a store of an older schema, only read */
    if (rc || !row) return rc;
    rc = gm_meta_query(tx, &st, err,
                       "SELECT " ALERT_COLUMNS " FROM alerts a WHERE (?1 = '' OR a.model = ?1) AND (?2 = 0 OR a.state = 'firing')"
                       " AND (?3 = 0 OR a.id = ?3) ORDER BY a.state = 'firing' DESC, a.id DESC LIMIT ?4",
                       "tiii", call->model, (int64_t)call->firing, call->id, call->limit ? call->limit : (int64_t)-1);
    while (ok && !rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        gm_meta_reader r = { .st = st, .a = call->a };
        call->items = gm_meta_grow(call->a, call->items, call->count, &call->capacity, sizeof(*call->items));
        ok = call->items != NULL;
        if (!ok) break;
        call->items[call->count] = (gm_alert_record){ 0 };
        read_alert(&r, &call->items[call->count++]);
        ok = !r.failed;
    }
    if (ok) return rc;
    gm_meta_done(st);
    return no_memory(err);
}

gm_rc gm_alert_list(gm_store *s, const char *model_or_null, bool firing_only, int64_t limit, gm_arena *a, gm_alert_record **out,
                    size_t *out_count, gm_err *err)
{
    struct list_call call = { .model = model_or_null, .firing = firing_only, .limit = limit, .a = a };
    gm_rc rc = gm_store_read(s, list_work, &call, err);
    if (rc) return rc;
    *out = call.items;
    *out_count = call.count;
    return GM_OK;
}

static gm_rc no_alert(int64_t id, gm_err *err)
{
    gm_rc rc = gm_err_set(err, GM_ENOTFOUND, "there is no alert %" PRId64, id);
    gm_err_hint(err, "`gristmill alerts` lists them.");
    return rc;
}

gm_rc gm_alert_get(gm_store *s, int64_t id, gm_arena *a, gm_alert_record *out, gm_err *err)
{
    struct list_call call = { .id = id, .a = a };
    gm_rc rc = id > 0 ? gm_store_read(s, list_work, &call, err) : GM_OK;
    if (rc) return rc;
    if (!call.count) return no_alert(id, err);
    *out = call.items[0];
    return GM_OK;
}

struct memory_call {
    const char *model, *rule;
    gm_arena *a;
    gm_alert_record out;
    bool found;
};

static gm_rc memory_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct memory_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false;
    gm_rc rc = tx->backend->has_table(tx, "alert_memory", &row, err);
    if (rc || !row) return rc;
    rc = gm_meta_query(tx, &st, err,
                       "SELECT m.memory, m.window_until_us, " ALERT_COLUMNS " FROM alert_memory m LEFT JOIN alerts a ON"
                       " a.id = m.alert_id WHERE m.model = ?1 AND m.rule = ?2",
                       "tt", call->model, call->rule);
    if (!rc) rc = gm_meta_next(st, &row, err);
    if (rc || !row) return rc;
    gm_meta_reader r = { .st = st, .a = call->a };
    const char *memory = gm_meta_read_text(&r);
    int64_t until_us = gm_meta_read_int(&r);
    read_alert(&r, &call->out);
    call->out.memory = memory;
    call->out.window_until_us = until_us;
    call->out.model = gm_arena_strdup(call->a, call->model); /* the join gives none while nothing fires */
    call->out.rule = gm_arena_strdup(call->a, call->rule);
    call->found = true;
    bool failed = r.failed || !call->out.model || !call->out.rule;
    gm_meta_done(st);
    return failed ? no_memory(err) : GM_OK;
}

gm_rc gm_alert_memory(gm_store *s, const char *model, const char *rule, gm_arena *a, gm_alert_record *out, gm_err *err)
{
    struct memory_call call = { .model = model, .rule = rule, .a = a };
    gm_rc rc = gm_store_read(s, memory_work, &call, err);
    if (rc) return rc;
    if (!call.found)
        return gm_err_set(err, GM_ENOTFOUND, "rule \"%.100s\" of model \"%.100s\" has seen no window yet", rule, model);
    *out = call.out;
    return GM_OK;
}

/* ---- taking a window in ---------------------------------------------------------------------------------------------- */

struct take_call {
    gm_alert_record *alert;
    int64_t until_us;
    const gm_delivery *messages; /* [count] */
    size_t count;
    int64_t id;
};

/* The alert that fires for the rule (0 = none), and whether the window is new to it. */
static gm_rc before(gm_tx *tx, const struct take_call *call, int64_t *out_id, gm_err *err)
{
    int64_t seen_us = INT64_MIN;
    gm_rc rc =
        gm_meta_int(tx, INT64_MIN, &seen_us, err, "SELECT window_until_us FROM alert_memory WHERE model = ?1 AND rule = ?2", "tt",
                    call->alert->model, call->alert->rule);
    if (!rc && seen_us >= call->until_us && seen_us != INT64_MIN)
        return gm_err_set(err, GM_ECONFLICT, "the window was taken in for rule \"%.100s\" of model \"%.100s\" before",
                          call->alert->rule, call->alert->model);
    if (!rc)
        rc = gm_meta_int(tx, 0, out_id, err, "SELECT id FROM alerts WHERE model = ?1 AND rule = ?2 AND state = 'firing'", "tt",
                         call->alert->model, call->alert->rule);
    return rc;
}

static gm_rc begin_alert(gm_tx *tx, const gm_alert_record *w, int64_t *out_id, gm_err *err)
{
    return gm_meta_int(tx, 0, out_id, err,
                       "INSERT INTO alerts(model, rule, severity, state, began_us, last_us, ended_us, said_us, snoozed_until_us,"
                       " title, detail) VALUES(?1, ?2, ?3, 'firing', ?4, ?5, 0, ?6, 0, ?7, ?8) RETURNING id",
                       "tttiiitt", w->model, w->rule, w->severity, w->began_us, w->last_us, w->said_us, w->title, w->detail_json);
}

/* Its severity stays, whatever the file says meanwhile: others know the alert by it (watch/channels/alertmanager.c). */
static gm_rc change_alert(gm_tx *tx, const gm_alert_record *w, int64_t id, gm_err *err)
{
    return gm_meta_exec(tx, err,
                        "UPDATE alerts SET last_us = ?2, said_us = ?3, title = CASE ?4 WHEN '' THEN title ELSE ?4 END,"
                        " detail = CASE ?4 WHEN '' THEN detail ELSE ?5 END WHERE id = ?1",
                        "iiitt", id, w->last_us, w->said_us, w->title, w->detail_json);
}

/* Over: what was kept back needs no saying any more, and what was said again and again is not. */
static gm_rc end_alert(gm_tx *tx, const gm_alert_record *w, int64_t id, gm_err *err)
{
    gm_rc rc =
        gm_meta_exec(tx, err,
                     "UPDATE alerts SET state = 'resolved', ended_us = ?2, last_us = ?3, said_us = ?4, title = ?5, detail = ?6"
                     " WHERE id = ?1",
                     "iiiitt", id, w->ended_us, w->last_us, w->said_us, w->title, w->detail_json);
    if (!rc)
        rc = gm_meta_exec(
            tx, err,
            "UPDATE deliveries SET state = 'dropped', last_error = 'over before it could be said' WHERE alert_id = ?1"
            " AND state = 'held'",
            "i", id);
    if (!rc)
        rc = gm_meta_exec(tx, err, "UPDATE deliveries SET state = 'sent' WHERE alert_id = ?1 AND state = 'lasting'", "i", id);
    return rc;
}

static gm_rc queue(gm_tx *tx, const gm_delivery *m, int64_t alert_id, gm_err *err)
{
    if (strcmp(m->kind, "repeat") == 0) {
        int64_t waiting = 0;
        gm_rc rc =
            gm_meta_int(tx, 0, &waiting, err,
                        "SELECT count(*) FROM deliveries WHERE alert_id = ?1 AND channel = ?2 AND state IN ('waiting', 'held')",
                        "it", alert_id, m->channel);
        if (rc || waiting) return rc;
    }
    return gm_meta_exec(tx, err,
                        "INSERT INTO deliveries(alert_id, batch, channel, message_id, kind, message, state, attempts, next_us,"
                        " created_us, sent_us, last_error) VALUES(?1, 0, ?2, ?3, ?4, ?5, 'waiting', 0, ?6, ?7, 0, '')",
                        "ittttii", alert_id, m->channel, m->message_id, m->kind, m->message_json, m->next_us, m->created_us);
}

/* What was said long ago goes when something new is said; not of an alert that goes on or whose end is still to be said, since
 * only those who heard of it are told. */
static gm_rc forget(gm_tx *tx, int64_t now_us, gm_err *err)
{
    static const int64_t KEPT_US = 90 * 86400 * (int64_t)1000000;
    return gm_meta_exec(tx, err,
                        "DELETE FROM deliveries WHERE state IN ('sent', 'dropped') AND created_us < ?1"
                        " AND alert_id NOT IN (SELECT id FROM alerts WHERE state = 'firing')"
                        " AND alert_id NOT IN (SELECT alert_id FROM deliveries WHERE state IN ('waiting', 'held', 'lasting'))",
                        "i", now_us - KEPT_US);
}

static gm_rc take_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct take_call *call = ctx;
    const gm_alert_record *w = call->alert;
    bool firing = strcmp(w->state, "firing") == 0;
    int64_t id = 0;
    gm_rc rc = before(tx, call, &id, err);
    if (!rc && firing) rc = id ? change_alert(tx, w, id, err) : begin_alert(tx, w, &id, err);
    if (!rc && id && strcmp(w->state, "resolved") == 0) rc = end_alert(tx, w, id, err);
    if (!rc)
        rc = gm_meta_exec(tx, err,
                          "INSERT INTO alert_memory(model, rule, memory, window_until_us, alert_id) VALUES(?1, ?2, ?3, ?4, ?5)"
                          " ON CONFLICT(model, rule) DO UPDATE SET memory = excluded.memory,"
                          " window_until_us = excluded.window_until_us, alert_id = excluded.alert_id",
                          "tttii", w->model, w->rule, w->memory, call->until_us, firing ? id : (int64_t)0);
    for (size_t i = 0; !rc && id && i < call->count; i++) rc = queue(tx, &call->messages[i], id, err);
    if (!rc && id && call->count) rc = forget(tx, call->messages[0].created_us, err);
    call->id = id;
    return rc;
}

gm_rc gm_alert_take(gm_store *s, gm_alert_record *alert, int64_t window_until_us, const gm_delivery *messages, size_t count,
                    gm_err *err)
{
    struct take_call call = { .alert = alert, .until_us = window_until_us, .messages = messages, .count = count };
    gm_rc rc = gm_store_write(s, true, take_work, &call, err);
    if (!rc) alert->id = call.id;
    return rc;
}

/* ---- snooze --------------------------------------------------------------------------------------------------------- */

struct snooze_call {
    int64_t id, until_us;
};

static gm_rc snooze_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct snooze_call *call = ctx;
    int64_t firing = -1;
    gm_rc rc = gm_meta_int(tx, -1, &firing, err, "SELECT state = 'firing' FROM alerts WHERE id = ?1", "i", call->id);
    if (rc) return rc;
    if (firing < 0) return no_alert(call->id, err);
    if (!firing) return gm_err_set(err, GM_ECONFLICT, "alert %" PRId64 " is over", call->id);
    rc = gm_meta_exec(tx, err, "UPDATE alerts SET snoozed_until_us = ?2 WHERE id = ?1", "ii", call->id, call->until_us);
    if (!rc)
        rc = gm_meta_exec(tx, err, "UPDATE deliveries SET next_us = 0 WHERE alert_id = ?1 AND state = 'held'", "i", call->id);
    return rc;
}

gm_rc gm_alert_snooze(gm_store *s, int64_t id, int64_t until_us, gm_err *err)
{
    struct snooze_call call = { .id = id, .until_us = until_us };
    return gm_store_write(s, true, snooze_work, &call, err);
}

/* ---- silences ------------------------------------------------------------------------------------------------------- */

struct silence_call {
    const gm_silence *add; /* gm_silence_add */
    int64_t id, now_us;
    gm_arena *a;
    gm_silence *items; /* [count] */
    size_t count, capacity;
};

static gm_rc add_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct silence_call *call = ctx;
    const gm_silence *n = call->add;
    return gm_meta_int(tx, 0, &call->id, err,
                       "INSERT INTO silences(from_us, until_us, model, rule, reason, actor) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
                       " RETURNING id",
                       "iitttt", n->from_us, n->until_us, n->model, n->rule, n->reason, n->actor);
}

gm_rc gm_silence_add(gm_store *s, const gm_silence *silence, int64_t *out_id, gm_err *err)
{
    struct silence_call call = { .add = silence };
    if (silence->until_us <= silence->from_us) return gm_err_set(err, GM_EINVALID, "a silence must end after it begins");
    gm_rc rc = gm_store_write(s, true, add_work, &call, err);
    if (!rc && out_id) *out_id = call.id;
    return rc;
}

static gm_rc silence_end_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct silence_call *call = ctx;
    int64_t until_us = -1;
    gm_rc rc = gm_meta_int(tx, -1, &until_us, err, "SELECT until_us FROM silences WHERE id = ?1", "i", call->id);
    if (rc) return rc;
    if (until_us < 0) {
        rc = gm_err_set(err, GM_ENOTFOUND, "there is no silence %" PRId64, call->id);
        gm_err_hint(err, "`gristmill alerts` lists those that are on.");
        return rc;
    }
    if (until_us <= call->now_us) return gm_err_set(err, GM_ECONFLICT, "silence %" PRId64 " is over", call->id);
    rc = gm_meta_exec(tx, err, "UPDATE silences SET until_us = ?2 WHERE id = ?1", "ii", call->id, call->now_us);
    if (!rc) rc = gm_meta_exec(tx, err, "UPDATE deliveries SET next_us = 0 WHERE state = 'held'", "");
    return rc;
}

gm_rc gm_silence_end(gm_store *s, int64_t id, int64_t now_us, gm_err *err)
{
    struct silence_call call = { .id = id, .now_us = now_us };
    return gm_store_write(s, true, silence_end_work, &call, err);
}

static gm_rc silences_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct silence_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, ok = true;
    gm_rc rc = tx->backend->has_table(tx, "silences", &row, err);
    if (rc || !row) return rc;
    rc = gm_meta_query(
        tx, &st, err,
        "SELECT id, from_us, until_us, model, rule, reason, actor FROM silences WHERE until_us > ?1 ORDER BY id DESC", "i",
        call->now_us);
    while (ok && !rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        gm_meta_reader r = { .st = st, .a = call->a };
        call->items = gm_meta_grow(call->a, call->items, call->count, &call->capacity, sizeof(*call->items));
        ok = call->items != NULL;
        if (!ok) break;
        gm_silence *n = &call->items[call->count++];
        n->id = gm_meta_read_int(&r);
        n->from_us = gm_meta_read_int(&r);
        n->until_us = gm_meta_read_int(&r);
        n->model = gm_meta_read_text(&r);
        n->rule = gm_meta_read_text(&r);
        n->reason = gm_meta_read_text(&r);
        n->actor = gm_meta_read_text(&r);
        ok = !r.failed;
    }
    if (ok) return rc;
    gm_meta_done(st);
    return no_memory(err);
}

gm_rc gm_silence_list(gm_store *s, int64_t now_us, gm_arena *a, gm_silence **out, size_t *out_count, gm_err *err)
{
    struct silence_call call = { .now_us = now_us, .a = a };
    gm_rc rc = gm_store_read(s, silences_work, &call, err);
    if (rc) return rc;
    *out = call.items;
    *out_count = call.count;
    return GM_OK;
}
