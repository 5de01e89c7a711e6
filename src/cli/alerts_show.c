/* alerts_show.c - see alerts_show.h. */
#include "cli/alerts_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static bool is(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------ */

static void alert_members(const gm_alert_record *r, gm_json *j)
{
    gm_json_kint(j, "alert", r->id);
    gm_json_kstr(j, "model", r->model);
    gm_json_kstr(j, "rule", r->rule);
    gm_json_kstr(j, "severity", r->severity);
    gm_json_kstr(j, "state", r->state);
    gm_json_kstr(j, "title", r->title);
    gm_json_kint(j, "began_us", r->began_us);
    gm_json_kint(j, "last_us", r->last_us);
    gm_json_kint(j, "ended_us", r->ended_us);
    gm_json_kint(j, "said_us", r->said_us);
    gm_json_kint(j, "snoozed_until_us", r->snoozed_until_us);
}

static void delivery_object(const gm_delivery *d, gm_json *j)
{
    gm_json_object(j);
    gm_json_kint(j, "message", d->id);
    gm_json_kint(j, "alert", d->alert_id);
    gm_json_kint(j, "batch", d->batch);
    gm_json_kstr(j, "channel", d->channel);
    gm_json_kstr(j, "message_id", d->message_id);
    gm_json_kstr(j, "kind", d->kind);
    gm_json_kstr(j, "state", d->state);
    gm_json_kint(j, "attempts", d->attempts);
    gm_json_kint(j, "created_us", d->created_us);
    gm_json_kint(j, "next_us", d->next_us);
    gm_json_kint(j, "sent_us", d->sent_us);
    gm_json_kstr(j, "last_error", d->last_error);
    gm_json_object_end(j);
}

static void deliveries_json(const gm_delivery *d, size_t count, gm_json *j)
{
    gm_json_array(j);
    for (size_t i = 0; i < count; i++) delivery_object(&d[i], j);
    gm_json_array_end(j);
}

static int64_t counted(const gm_alerts_view *v, const char *state)
{
    int64_t count = 0;
    for (size_t i = 0; i < v->messages_count; i++) count += is(v->messages[i].state, state);
    return count;
}

static void view_json(const gm_alerts_view *v)
{
    static const char *const states[] = { "waiting", "lasting", "held", "refused" };
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, true);
    gm_json_object(&j);
    gm_json_key(&j, "alerts");
    gm_json_array(&j);
    for (size_t i = 0; i < v->alerts_count; i++) {
        gm_json_object(&j);
        alert_members(&v->alerts[i], &j);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    gm_json_key(&j, "silences");
    gm_json_array(&j);
    for (size_t i = 0; i < v->silences_count; i++) {
        const gm_silence *s = &v->silences[i];
        gm_json_object(&j);
        gm_json_kint(&j, "silence", s->id);
        gm_json_kstr(&j, "model", s->model);
        gm_json_kstr(&j, "rule", s->rule);
        gm_json_kint(&j, "from_us", s->from_us);
        gm_json_kint(&j, "until_us", s->until_us);
        gm_json_kstr(&j, "reason", s->reason);
        gm_json_kstr(&j, "actor", s->actor);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    gm_json_key(&j, "queue");
    gm_json_object(&j);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) gm_json_kint(&j, states[i], counted(v, states[i]));
    gm_json_object_end(&j);
    gm_json_object_end(&j);
    gm_print_json(&b);
}

/* ---- for people ------------------------------------------------------------------------------------------------------------ */

static void print_silences(const gm_alerts_view *v)
{
    char until[32];
    if (v->silences_count) printf("\nsilences\n");
    for (size_t i = 0; i < v->silences_count; i++) {
        const gm_silence *s = &v->silences[i];
        printf("  %" PRId64 "  %s%s%s until %s UTC, by %s%s%s\n", s->id, s->rule[0] ? s->rule : "every rule",
               s->model[0] ? " of " : "", s->model, gm_show_time(s->until_us, until), s->actor, s->reason[0] ? ": " : "",
               s->reason);
    }
}

static void print_queue_line(const gm_alerts_view *v)
{
    int64_t failed = 0, waiting = counted(v, "waiting"), held = counted(v, "held"), refused = counted(v, "refused");
    for (size_t i = 0; i < v->messages_count; i++) failed += is(v->messages[i].state, "waiting") && v->messages[i].last_error[0];
    if (waiting + held + refused == 0) return;
    printf("\nmessages: %" PRId64 " waiting (%" PRId64 " after an error), %" PRId64 " held back, %" PRId64
           " refused; `gristmill alerts --queue` shows them\n",
           waiting, failed, held, refused);
}

void gm_alerts_show(const gm_cli *cli, const gm_alerts_view *v)
{
    char since[32], last[32];
    int64_t now_us = gm_now_us();
    if (cli->common->json) {
        view_json(v);
        return;
    }
    if (!v->alerts_count) printf("no alerts\n");
    gm_grid *g = gm_grid_new(cli->a, 7);
    gm_grid_add(g, (const char *[]){ "alert", "severity", "state", "since (UTC)", "last (UTC)", "rule", "what" });
    for (size_t i = 0; i < v->alerts_count; i++) {
        const gm_alert_record *r = &v->alerts[i];
        const char *id = gm_arena_printf(cli->a, "%" PRId64, r->id);
        bool firing = is(r->state, "firing"), snoozed = firing && r->snoozed_until_us > now_us;
        if (id)
            gm_grid_add(g, (const char *[]){ id, r->severity, snoozed ? "snoozed" : r->state, gm_show_time(r->began_us, since),
                                             gm_show_time(firing ? r->last_us : r->ended_us, last), r->rule, r->title });
    }
    gm_grid_right(g, 0);
    if (v->alerts_count) gm_grid_print(g);
    print_silences(v);
    print_queue_line(v);
    if (v->alerts_count && is(v->alerts[0].state, "firing"))
        printf("\n`gristmill alerts %" PRId64 "` says more; `gristmill alerts %" PRId64
               " --snooze 2h` keeps its messages back.\n",
               v->alerts[0].id, v->alerts[0].id);
}

/* An error's first line alone. */
static const char *first_line(const char *text, gm_arena *a)
{
    const char *line = gm_arena_printf(a, "%.*s", (int)strcspn(text, "\n"), text);
    return line ? line : "";
}

void gm_queue_show(const gm_cli *cli, const gm_delivery *messages, size_t count)
{
    char when[32];
    if (cli->common->json) {
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, true);
        deliveries_json(messages, count, &j);
        gm_print_json(&b);
        return;
    }
    if (!count) {
        printf("no messages\n");
        return;
    }
    gm_grid *g = gm_grid_new(cli->a, 8);
    gm_grid_right(g, 0);
    gm_grid_right(g, 1);
    gm_grid_right(g, 5);
    gm_grid_add(g,
                (const char *[]){ "message", "alert", "channel", "kind", "state", "tries", "sent or next (UTC)", "last error" });
    for (size_t i = 0; i < count; i++) {
        const gm_delivery *d = &messages[i];
        bool pending = is(d->state, "waiting") || is(d->state, "held") || is(d->state, "lasting");
        const char *id = gm_arena_printf(cli->a, "%" PRId64, d->id), *alert = gm_arena_printf(cli->a, "%" PRId64, d->alert_id),
                   *attempts = gm_arena_printf(cli->a, "%" PRId64, d->attempts);
        int64_t at_us = pending ? d->next_us : d->sent_us;
        if (id && alert && attempts)
            gm_grid_add(g, (const char *[]){ id, alert, d->channel, d->kind, d->state, attempts,
                                             at_us > 0 ? gm_show_time(at_us, when) : "-", first_line(d->last_error, cli->a) });
    }
    gm_grid_print(g);
}

void gm_alert_show(const gm_cli *cli, const gm_alert_record *alert, const gm_delivery *messages, size_t count)
{
    char when[32];
    gm_node *detail = NULL;
    gm_err ignored; /* a record whose detail cannot be read is shown without it */
    const char *text = "";
    if (cli->common->json) {
        gm_buf b = { 0 };
        gm_json j;
        gm_json_init(&j, &b, true);
        gm_json_object(&j);
        alert_members(alert, &j);
        gm_json_key(&j, "detail");
        gm_json_raw(&j, alert->detail_json[0] ? alert->detail_json : "null");
        gm_json_key(&j, "messages");
        deliveries_json(messages, count, &j);
        gm_json_object_end(&j);
        gm_print_json(&b);
        return;
    }
    if (!gm_json_read(alert->detail_json, strlen(alert->detail_json), "", cli->a, &detail, &ignored))
        text = gm_node_str_or(detail, "text", "");
    printf("%s\n\n%s\n", alert->title, text);
    printf("alert %" PRId64 " is %s", alert->id, alert->state);
    if (is(alert->state, "resolved"))
        printf(" since %s UTC", gm_show_time(alert->ended_us, when));
    else if (alert->snoozed_until_us > gm_now_us())
        printf(", snoozed until %s UTC", gm_show_time(alert->snoozed_until_us, when));
    printf("\n\n");
    gm_queue_show(cli, messages, count);
}
