/* deliver.c - see deliver.h. */
#include "loop/deliver.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/random.h"
#include "store/alerts.h"

enum { TIMEOUT_MS = 10000, LEASE_MARGIN_US = 5000000, BACKOFF_FIRST_US = 5000000, GROUP_MAX = 100 };
static const int64_t BACKOFF_MAX_US = 3600000000;

typedef struct tick {
    gm_store *store;
    const gm_alerts_spec *spec;
    const char *model;          /* NULL = all */
    int64_t now_us, started_us; /* of the caller; monotonic when the tick began */
    int64_t timeout_ms, budget_ms;
    gm_arena *a;
    gm_delivery *all; /* [count] the whole queue, oldest first */
    size_t count;
    bool *over;           /* [count] decided in this tick */
    bool *down;           /* [spec->channels_count] could not be reached in this tick */
    gm_silence *silences; /* [silences_count] that are on */
    size_t silences_count;
    gm_deliver_result *out;
} tick;

int64_t gm_deliver_backoff_us(int64_t attempts, double chance)
{
    int64_t us = BACKOFF_FIRST_US;
    for (int64_t i = 1; i < attempts && us < BACKOFF_MAX_US; i++) us *= 2;
    if (us > BACKOFF_MAX_US) us = BACKOFF_MAX_US;
    return us - (int64_t)((double)us * chance / 2);
}

static int64_t clock_us(const tick *t)
{
    return t->now_us + gm_monotonic_us() - t->started_us;
}

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory to send messages");
}

/* The channel's place in the file's list; channels_count when it is gone. */
static size_t channel_of(const tick *t, const char *name)
{
    size_t i = 0;
    while (i < t->spec->channels_count && strcmp(t->spec->channels[i].name, name) != 0) i++;
    return i;
}

static bool is(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

/* ---- what is kept back, and what needs no saying ------------------------------------------------------------------------------
 */

/* Until when a message is kept back, and why; 0 = it is not. */
static int64_t kept_back(const tick *t, const gm_alert_record *alert, const char **out_why)
{
    int64_t until_us = 0;
    if (alert->snoozed_until_us > t->now_us) {
        until_us = alert->snoozed_until_us;
        *out_why = "snoozed";
    }
    for (size_t i = 0; i < t->silences_count; i++) {
        const gm_silence *s = &t->silences[i];
        bool about = (!s->model[0] || is(s->model, alert->model)) && (!s->rule[0] || is(s->rule, alert->rule));
        if (!about || s->from_us > t->now_us || s->until_us <= until_us) continue;
        until_us = s->until_us;
        *out_why = gm_arena_printf(t->a, "silence %" PRId64 "%s%s", s->id, s->reason[0] ? ": " : "", s->reason);
    }
    return until_us;
}

static gm_rc settle(tick *t, size_t i, const char *state, const char *why, int64_t next_us, gm_err *err)
{
    t->over[i] = true;
    return gm_delivery_done(t->store, &t->all[i], 1, state, why ? why : "", clock_us(t), next_us, err);
}

/* A recovery is news only to those who heard of the alert. */
static gm_rc heard_of(tick *t, size_t i, bool *out, gm_err *err)
{
    const gm_delivery *d = &t->all[i];
    *out = false;
    for (size_t k = 0; k < i && !*out; k++) /* goes out with it, or before it */
        *out = !t->over[k] && t->all[k].alert_id == d->alert_id && is(t->all[k].channel, d->channel);
    return *out ? GM_OK : gm_delivery_was_said(t->store, d->alert_id, d->channel, out, err);
}

/* Everything about a message that is due but sending it. Held and dropped ones are settled here; the rest is left for a group. */
static gm_rc look_at(tick *t, size_t i, gm_err *err)
{
    gm_delivery *d = &t->all[i];
    gm_alert_record alert;
    const char *why = "";
    bool heard = true, bad_news = !is(d->kind, "resolved");
    gm_rc rc = gm_alert_get(t->store, d->alert_id, t->a, &alert, err);
    if (rc) return rc;
    if (channel_of(t, d->channel) == t->spec->channels_count) {
        t->out->refused++;
        why = gm_arena_printf(t->a, "the file has no channel \"%s\"", d->channel);
        return settle(t, i, "refused", why, 0, err);
    }
    if (is(d->state, "lasting")) return GM_OK; /* told already, and told on until it is over */
    int64_t until_us = bad_news ? kept_back(t, &alert, &why) : 0;
    if (until_us) {
        t->out->held += !is(d->state, "held");
        return settle(t, i, "held", why, until_us, err);
    }
    if (!bad_news) rc = heard_of(t, i, &heard, err);
    if (rc || heard) return rc;
    t->out->dropped++;
    return settle(t, i, "dropped", "the alert was never said here", 0, err);
}

/* ---- groups
 * -------------------------------------------------------------------------------------------------------------------- */

/* Do two messages to one channel leave as one? What was tried together does, whatever the file says now; new ones do when the
 * file groups; what lasts does. */
static bool together(const tick *t, const gm_delivery *first, const gm_delivery *d)
{
    bool lasting = is(first->state, "lasting");
    if (!is(first->channel, d->channel) || lasting != is(d->state, "lasting")) return false;
    if (lasting) return d->next_us <= t->now_us;
    if (first->batch) return first->batch == d->batch;
    return t->spec->group_us > 0 && !d->batch && !is(d->state, "held");
}

/* The messages that leave with the one at i, oldest first; all are settled for this tick. */
static size_t gather(tick *t, size_t i, gm_delivery *out)
{
    size_t count = 0;
    const gm_delivery first = t->all[i];
    for (size_t k = i; k < t->count && count < GROUP_MAX; k++) {
        if (t->over[k] || (k != i && !together(t, &first, &t->all[k]))) continue;
        out[count++] = t->all[k];
        t->over[k] = true;
    }
    return count;
}

static gm_rc compose(tick *t, const gm_delivery *d, size_t count, gm_message *out, gm_err *err)
{
    gm_message *parts = GM_ARENA_ARRAY(t->a, gm_message, count);
    if (!parts) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        gm_alert_record alert;
        gm_rc rc = gm_message_read(d[i].message_json, t->a, &parts[i], err);
        if (!rc) rc = gm_alert_get(t->store, d[i].alert_id, t->a, &alert, err);
        if (rc) return rc;
        parts[i].began_severity = gm_severity_of(alert.severity);
    }
    return gm_message_group(parts, count, t->a, out, err);
}

/* ---- sending ------------------------------------------------------------------------------------------------------------------
 */

static int64_t retry_us(const tick *t, const gm_delivery *d, int64_t asked_us)
{
    double chance = (double)(gm_hash_u64((uint64_t)t->now_us, (uint64_t)d->id) >> 11) * 0x1p-53;
    int64_t us = gm_deliver_backoff_us(d->attempts + 1, chance);
    if (asked_us > BACKOFF_MAX_US) asked_us = BACKOFF_MAX_US;
    return clock_us(t) + (us > asked_us ? us : asked_us);
}

/* Errors as they stand in the queue: message and hint on a line each. */
static const char *words(const tick *t, const gm_err *failure)
{
    const char *text = gm_arena_printf(t->a, "%s%s%s", failure->message, failure->hint[0] ? "\n" : "", failure->hint);
    return text ? text : "";
}

static gm_rc taken(tick *t, const gm_channel_spec *c, const gm_delivery *d, size_t count, const gm_sent *sent, gm_err *err)
{
    int64_t again_us = gm_channel_again_us(c);
    bool lasting = is(d->state, "lasting");
    gm_rc rc = GM_OK;
    if (lasting)
        t->out->again += (int64_t)count;
    else
        t->out->sent += (int64_t)count;
    for (size_t i = 0; !rc && i < count; i++) {
        /* what fires lasts; a repeat does not besides, since the first one does */
        bool lasts = again_us > 0 && is(d[i].kind, "firing");
        rc = gm_delivery_done(t->store, &d[i], 1, lasts ? "lasting" : "sent", sent->left_out, clock_us(t),
                              lasts ? clock_us(t) + again_us : 0, err);
    }
    return rc;
}

static gm_rc not_taken(tick *t, const gm_channel_spec *c, const gm_delivery *d, size_t count, const gm_err *failure,
                       int64_t asked_us, gm_err *err)
{
    bool again = failure->rc == GM_EUNAVAILABLE || failure->rc == GM_ENOMEM, lasting = is(d->state, "lasting");
    t->out->error = *failure;
    if (lasting) /* as often as before: it is known over there, and only must not be forgotten */
        return gm_delivery_done(t->store, d, count, "lasting", words(t, failure), clock_us(t),
                                clock_us(t) + gm_channel_again_us(c), err);
    if (again) {
        t->out->failed += (int64_t)count;
        t->down[channel_of(t, c->name)] = failure->rc == GM_EUNAVAILABLE;
        return gm_delivery_done(t->store, d, count, "waiting", words(t, failure), clock_us(t), retry_us(t, d, asked_us), err);
    }
    t->out->refused += (int64_t)count;
    return gm_delivery_done(t->store, d, count, "refused", words(t, failure), clock_us(t), 0, err);
}

static gm_rc send(tick *t, const gm_channel_spec *c, const gm_delivery *d, size_t count, gm_err *err)
{
    gm_message m;
    gm_sent sent = { 0 };
    gm_err failure = { 0 };
    gm_rc rc = gm_delivery_claim(t->store, d, count, clock_us(t) + t->timeout_ms * 1000 + LEASE_MARGIN_US, err);
    if (rc == GM_ECONFLICT) return GM_OK; /* another process has it */
    if (rc) return rc;
    rc = compose(t, d, count, &m, &failure);
    if (!rc) {
        (void)gm_fault("deliver.send"); /* tests end the process here, and below: before and after the other side has it */
        rc = gm_channel_send(c, &m, t->timeout_ms, &sent, &failure);
        (void)gm_fault("deliver.sent");
    }
    return rc ? not_taken(t, c, d, count, &failure, sent.wait_us, err) : taken(t, c, d, count, &sent, err);
}

/* The channel answered nothing a moment ago: what else it would get waits as long, and no attempt is counted. */
static gm_rc postpone(tick *t, const gm_delivery *d, size_t count, gm_err *err)
{
    if (is(d->state, "lasting")) return GM_OK; /* in the next tick */
    t->out->failed += (int64_t)count;
    return gm_delivery_done(t->store, d, count, "waiting", words(t, &t->out->error), clock_us(t), retry_us(t, d, 0), err);
}

static bool time_is_up(const tick *t)
{
    return t->budget_ms > 0 && gm_monotonic_us() - t->started_us >= t->budget_ms * 1000;
}

static gm_rc work(tick *t, size_t due_count, const gm_delivery *due, gm_err *err)
{
    gm_delivery group[GROUP_MAX];
    gm_rc rc = GM_OK;
    /* both lists go by id; only what is due is looked at, only what was looked at leads a group */
    bool *leads = GM_ARENA_ARRAY(t->a, bool, t->count);
    if (!leads) return no_memory(err);
    for (size_t i = 0, k = 0; i < t->count && k < due_count; i++) {
        if (t->all[i].id != due[k].id) continue;
        leads[i] = true;
        k++;
    }
    for (size_t i = 0; !rc && i < t->count; i++)
        if (leads[i]) rc = look_at(t, i, err);
    for (size_t i = 0; !rc && i < t->count; i++)
        if (!leads[i] && !t->over[i] && t->all[i].batch == 0 && t->spec->group_us > 0 && is(t->all[i].state, "waiting"))
            rc = look_at(t, i, err); /* may join */
    bool any = false;                /* however short the budget is, one is sent */
    for (size_t i = 0; !rc && i < t->count && !(any && time_is_up(t)); i++) {
        if (!leads[i] || t->over[i]) continue;
        any = true;
        size_t channel = channel_of(t, t->all[i].channel), count = gather(t, i, group);
        rc = t->down[channel] ? postpone(t, group, count, err) : send(t, &t->spec->channels[channel], group, count, err);
    }
    return rc;
}

static gm_rc tick_in(tick *t, gm_err *err)
{
    gm_delivery *due = NULL;
    size_t due_count = 0;
    int64_t ended = 0;
    gm_rc rc = t->model ? gm_deliver_end_gone(t->store, t->spec, t->model, t->now_us, &ended, err) : GM_OK;
    if (!rc) rc = gm_delivery_due(t->store, t->model, t->now_us, 0, t->a, &due, &due_count, err);
    if (rc || !due_count) return rc;
    rc = gm_delivery_due(t->store, t->model, INT64_MAX, 0, t->a, &t->all, &t->count, err);
    if (!rc) rc = gm_silence_list(t->store, t->now_us, t->a, &t->silences, &t->silences_count, err);
    if (rc) return rc;
    t->over = GM_ARENA_ARRAY(t->a, bool, t->count);
    t->down = GM_ARENA_ARRAY(t->a, bool, t->spec->channels_count);
    if (!t->over || !t->down) return no_memory(err);
    return work(t, due_count, due, err);
}

gm_rc gm_deliver_tick(gm_store *store, const gm_alerts_spec *spec, int64_t now_us, const gm_deliver_options *o,
                      gm_deliver_result *out, gm_err *err)
{
    tick t = { .store = store,
               .spec = spec,
               .model = o ? o->model : NULL,
               .now_us = now_us,
               .started_us = gm_monotonic_us(),
               .timeout_ms = o && o->timeout_ms ? o->timeout_ms : TIMEOUT_MS,
               .budget_ms = o ? o->budget_ms : 0,
               .a = gm_arena_new(0),
               .out = out };
    *out = (gm_deliver_result){ .next_us = INT64_MAX };
    if (!t.a) return no_memory(err);
    gm_rc rc = tick_in(&t, err);
    gm_arena_free(t.a);
    if (!rc) rc = gm_delivery_next(store, t.model, &out->next_us, err);
    return gm_err_ctx(err, rc, "sending the messages of alerts");
}
