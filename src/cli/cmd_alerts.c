/* cmd_alerts.c - `alerts`: what fires and fired, the queue of messages, silences and snoozes, a test of the channels. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/alerts_show.h"
#include "loop/deliver.h"

typedef struct opts {
    bool queue, test, send;
    double span, timeout; /* seconds */
    const char *snooze, *silence, *reason, *model;
    int64_t unsilence, retry, limit;
} opts;

static const gm_param options[] = {
    { "queue", GM_PARAM_BOOL, offsetof(opts, queue), "false",
      "the messages: where each one is, how often it was tried, what went wrong", 0, 0, NULL },
    { "snooze", GM_PARAM_STR, offsetof(opts, snooze), "", "keep the messages of the alert ID back for so long; 0s = no longer", 0,
      0, NULL },
    { "silence", GM_PARAM_STR, offsetof(opts, silence), "", "keep the messages of a rule back, with --for; all = of every rule",
      0, 0, NULL },
    { "for", GM_PARAM_DURATION, offsetof(opts, span), "0s", "how long a silence lasts", 0, 0, NULL },
    { "reason", GM_PARAM_STR, offsetof(opts, reason), "", "why, for those who find it", 0, 0, NULL },
    { "model", GM_PARAM_STR, offsetof(opts, model), "", "alerts or a silence of one model alone", 0, 0, NULL },
    { "unsilence", GM_PARAM_INT, offsetof(opts, unsilence), "0", "end a silence", 0, 1e15, NULL },
    { "retry", GM_PARAM_INT, offsetof(opts, retry), "0", "send a message of the queue again, also one that was refused", 0, 1e15,
      NULL },
    { "send", GM_PARAM_BOOL, offsetof(opts, send), "false", "send what is due now; `watch` and `up` do it by themselves", 0, 0,
      NULL },
    { "test", GM_PARAM_BOOL, offsetof(opts, test), "false",
      "send a test message through each channel of the file, past the queue", 0, 0, NULL },
    { "timeout", GM_PARAM_DURATION, offsetof(opts, timeout), "10s", "how long a channel may take, for --send and --test", 0, 0,
      NULL },
    { "limit", GM_PARAM_INT, offsetof(opts, limit), "20", "so many of the newest; 0 = all", 0, 1e9, NULL },
    { 0 },
};

static const char *actor(gm_arena *a)
{
    const char *user = getenv("USER");
    return user && user[0] ? user : gm_arena_printf(a, "uid %ld", (long)getuid());
}

/* What was done, on a terminal a line, or one JSON object. */
static void tell(const gm_cli *cli, const char *key, int64_t id, const char *what)
{
    if (!cli->common->json) {
        printf("%s\n", what);
        return;
    }
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kint(&j, key, id);
    gm_json_kstr(&j, "happened", what);
    gm_json_object_end(&j);
    gm_print_json(&b);
}

static gm_rc alert_id(const gm_cli *cli, int64_t *out, gm_err *err)
{
    static const gm_param id = { "ID", GM_PARAM_INT, 0, NULL, "", 1, 1e15, NULL };
    gm_rc rc = gm_param_parse(&id, cli->operands[0], cli->a, out, err);
    if (rc) gm_err_hint(err, "Write the number of an alert, as `gristmill alerts` lists them.");
    return rc;
}

/* ---- looking ----------------------------------------------------------------------------------------------------------------
 */

static gm_rc show_all(const gm_cli *cli, const opts *o, gm_store *store, gm_err *err)
{
    gm_alert_record *alerts = NULL;
    gm_silence *silences = NULL;
    gm_delivery *messages = NULL;
    gm_alerts_view v = { 0 };
    gm_rc rc = gm_alert_list(store, o->model, false, o->limit, cli->a, &alerts, &v.alerts_count, err);
    if (!rc) rc = gm_silence_list(store, gm_now_us(), cli->a, &silences, &v.silences_count, err);
    if (!rc) rc = gm_delivery_list(store, 0, 0, cli->a, &messages, &v.messages_count, err);
    if (rc) return rc;
    v.alerts = alerts;
    v.silences = silences;
    v.messages = messages;
    gm_alerts_show(cli, &v);
    return GM_OK;
}

static gm_rc show_one(const gm_cli *cli, const opts *o, gm_store *store, gm_err *err)
{
    gm_alert_record alert;
    gm_delivery *messages = NULL;
    size_t count = 0;
    int64_t id = 0;
    gm_rc rc = alert_id(cli, &id, err);
    if (!rc) rc = gm_alert_get(store, id, cli->a, &alert, err);
    if (!rc) rc = gm_delivery_list(store, id, o->limit, cli->a, &messages, &count, err);
    if (!rc) gm_alert_show(cli, &alert, messages, count);
    return rc;
}

static gm_rc look(const gm_cli *cli, const opts *o, gm_err *err)
{
    gm_store *store = NULL;
    gm_delivery *messages = NULL;
    size_t count = 0;
    gm_rc rc = gm_cli_store(cli, false, &store, err);
    if (rc) return rc;
    if (o->queue) {
        rc = gm_delivery_list(store, 0, o->limit, cli->a, &messages, &count, err);
        if (!rc) gm_queue_show(cli, messages, count);
    } else {
        rc = cli->operands_count ? show_one(cli, o, store, err) : show_all(cli, o, store, err);
    }
    gm_store_close(store);
    return rc;
}

/* ---- changing ---------------------------------------------------------------------------------------------------------------
 */

static gm_rc snooze(const gm_cli *cli, const opts *o, gm_store *store, gm_err *err)
{
    char until[32];
    int64_t id = 0, until_us = 0;
    double seconds = 0;
    if (!cli->operands_count) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "--snooze is about one alert, and none is named");
        gm_err_hint(err, "`gristmill alerts ID --snooze 2h`; a rule is silenced with `--silence RULE --for 1d`.");
        return rc;
    }
    gm_rc rc = gm_duration_parse(o->snooze, &seconds, err);
    if (!rc) rc = alert_id(cli, &id, err);
    if (seconds > 0) until_us = gm_now_us() + (int64_t)(seconds * 1e6);
    if (!rc) rc = gm_alert_snooze(store, id, until_us, err);
    if (rc) return rc;
    const char *what =
        until_us ? gm_arena_printf(cli->a,
                                   "alert %" PRId64
                                   " is snoozed until %s UTC: its messages wait, and are dropped if it is over before then",
                                   id, gm_show_time(until_us, until))
                 : gm_arena_printf(cli->a, "alert %" PRId64 " is no longer snoozed", id);
    tell(cli, "alert", id, what ? what : "");
    return GM_OK;
}

/* A rule that the file does not have is a slip of the pen, unless the store knows it of another time. */
static gm_rc known_rule(gm_cli *cli, const char *rule, gm_err *err)
{
    const char *names[128];
    size_t count = 0;
    gm_spec spec = { 0 };
    gm_rc rc = gm_cli_spec(cli, &spec, err);
    if (rc) return rc;
    for (size_t i = 0; i < spec.monitor.alerts.rules_count && count < 128; i++) {
        names[count++] = spec.monitor.alerts.rules[i].name;
        if (strcmp(names[i], rule) == 0) return GM_OK;
    }
    gm_buf list = { 0 };
    for (size_t i = 0; i < count; i++) gm_buf_printf(&list, "%s\"%.40s\"", i ? ", " : "", names[i]);
    const char *near = gm_nearest(rule, names, count);
    rc = gm_err_set(err, GM_EINVALID, "the file has no alert rule \"%.100s\"", rule);
    if (near)
        gm_err_hint(err, "Did you mean \"%s\"?", near);
    else
        gm_err_hint(err, "Its rules are %.250s; `--silence all` is about every rule.", gm_buf_str(&list));
    gm_buf_clear(&list);
    return rc;
}

static gm_rc silence(gm_cli *cli, const opts *o, gm_store *store, gm_err *err)
{
    char until[32];
    int64_t id = 0, now_us = gm_now_us();
    bool all = strcmp(o->silence, "all") == 0;
    if (o->span <= 0) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "a silence needs an end");
        gm_err_hint(err, "Add --for 1d. `--unsilence ID` ends it sooner.");
        return rc;
    }
    gm_silence s = { .from_us = now_us,
                     .until_us = now_us + (int64_t)(o->span * 1e6),
                     .model = o->model,
                     .rule = all ? "" : o->silence,
                     .reason = o->reason,
                     .actor = actor(cli->a) };
    gm_rc rc = all ? GM_OK : known_rule(cli, o->silence, err);
    if (!rc) rc = gm_silence_add(store, &s, &id, err);
    if (rc) return rc;
    const char *what = gm_arena_printf(
        cli->a, "silence %" PRId64 ": %s%s%s says nothing until %s UTC; `gristmill alerts --unsilence %" PRId64 "` ends it", id,
        all ? "every rule" : o->silence, o->model[0] ? " of " : "", o->model, gm_show_time(s.until_us, until), id);
    tell(cli, "silence", id, what ? what : "");
    return GM_OK;
}

static gm_rc unsilence(const gm_cli *cli, const opts *o, gm_store *store, gm_err *err)
{
    gm_rc rc = gm_silence_end(store, o->unsilence, gm_now_us(), err);
    const char *what =
        gm_arena_printf(cli->a, "silence %" PRId64 " is over: what it kept back and still fires is said now", o->unsilence);
    if (!rc) tell(cli, "silence", o->unsilence, what ? what : "");
    return rc;
}

static gm_rc retry(const gm_cli *cli, const opts *o, gm_store *store, gm_err *err)
{
    gm_rc rc = gm_delivery_retry(store, o->retry, gm_now_us(), err);
    const char *what = gm_arena_printf(
        cli->a, "message %" PRId64 " is due now: `watch` and `up` send it, or `gristmill alerts --send`", o->retry);
    if (!rc) tell(cli, "message", o->retry, what ? what : "");
    return rc;
}

static gm_rc change(gm_cli *cli, const opts *o, gm_err *err)
{
    gm_store *store = NULL;
    gm_rc rc = gm_cli_registry(cli, &store, err);
    if (rc) return rc;
    if (o->snooze[0] != '\0')
        rc = snooze(cli, o, store, err);
    else if (o->silence[0])
        rc = silence(cli, o, store, err);
    else if (o->unsilence)
        rc = unsilence(cli, o, store, err);
    else
        rc = retry(cli, o, store, err);
    gm_store_close(store);
    return rc;
}

/* ---- sending ----------------------------------------------------------------------------------------------------------------
 */

static void sent_json(const gm_deliver_result *r)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kint(&j, "sent", r->sent);
    gm_json_kint(&j, "again", r->again);
    gm_json_kint(&j, "failed", r->failed);
    gm_json_kint(&j, "refused", r->refused);
    gm_json_kint(&j, "held", r->held);
    gm_json_kint(&j, "dropped", r->dropped);
    if (r->next_us < INT64_MAX) gm_json_kint(&j, "next_us", r->next_us);
    gm_json_kstr(&j, "last_error", r->error.message);
    gm_json_object_end(&j);
    gm_print_json(&b);
}

static gm_rc send_due(gm_cli *cli, const opts *o, gm_err *err)
{
    char next[32];
    gm_store *store = NULL;
    gm_spec spec = { 0 };
    gm_deliver_result r = { 0 };
    gm_rc rc = gm_cli_spec(cli, &spec, err);
    if (!rc) rc = gm_cli_registry(cli, &store, err);
    if (!rc)
        rc = gm_deliver_tick(store, &spec.monitor.alerts, gm_now_us(),
                             &(gm_deliver_options){ .model = spec.pipeline, .timeout_ms = (int64_t)(o->timeout * 1e3) }, &r, err);
    gm_store_close(store);
    if (rc) return rc;
    if (r.failed + r.refused) cli->exit_code = 1;
    if (cli->common->json) {
        sent_json(&r);
        return GM_OK;
    }
    printf("%" PRId64 " sent, %" PRId64 " not taken, %" PRId64 " refused, %" PRId64 " held back, %" PRId64 " dropped",
           r.sent + r.again, r.failed, r.refused, r.held, r.dropped);
    printf(r.next_us < INT64_MAX ? "; the next one is due at %s UTC\n" : "\n",
           r.next_us < INT64_MAX ? gm_show_time(r.next_us, next) : "");
    if (r.error.message[0]) printf("last error: %s\n", r.error.message);
    return GM_OK;
}

static gm_rc test_message(const gm_cli *cli, gm_message *out, gm_err *err)
{
    char now[32], id[33];
    gm_buf b = { 0 };
    gm_json j;
    int64_t now_us = gm_now_us();
    (void)snprintf(now, sizeof(now), "%" PRId64, now_us);
    gm_message_id((const char *[]){ "test", now }, 2, id);
    gm_message m = { .id = gm_arena_strdup(cli->a, id),
                     .kind = "test",
                     .severity = GM_SEVERITY_INFO,
                     .model = "",
                     .rule = "",
                     .began_us = now_us,
                     .at_us = now_us };
    m.title = "gristmill: a test, nothing has happened";
    m.text = gm_arena_printf(cli->a, "This is how an alert would come. Sent by `gristmill alerts --test` for %s.\n",
                             cli->common->file);
    gm_json_init(&j, &b, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "id", m.id);
    gm_json_kstr(&j, "kind", m.kind);
    gm_json_kstr(&j, "severity", gm_severity_name(m.severity));
    gm_json_kstr(&j, "title", m.title);
    gm_json_kstr(&j, "text", m.text);
    gm_json_kint(&j, "at_us", m.at_us);
    gm_json_object_end(&j);
    m.json = b.failed ? NULL : gm_arena_strdup(cli->a, gm_buf_str(&b));
    gm_buf_clear(&b);
    if (!m.id || !m.text || !m.json) return gm_err_set(err, GM_ENOMEM, "not enough memory for a test message");
    *out = m;
    return GM_OK;
}

/* One channel after the other; a failure is what was asked for, so it is told with the others. */
static void test_one(gm_cli *cli, const gm_channel_spec *c, const gm_message *m, const opts *o, gm_json *j)
{
    gm_sent sent;
    gm_err why = { 0 };
    gm_rc rc = gm_channel_send(c, m, (int64_t)(o->timeout * 1e3), &sent, &why);
    if (rc) cli->exit_code = 1;
    if (!j) {
        printf("%-14s %s%s%s\n", c->name, rc ? "not taken: " : "taken",
               rc             ? why.message
               : sent.said[0] ? ": "
                              : "",
               rc ? "" : sent.said);
        if (rc && why.hint[0]) printf("%-14s %s\n", "", why.hint);
        return;
    }
    gm_json_object(j);
    gm_json_kstr(j, "channel", c->name);
    gm_json_kbool(j, "taken", !rc);
    gm_json_kstr(j, "said", sent.said);
    gm_json_kstr(j, "error", why.message);
    gm_json_kstr(j, "hint", why.hint);
    gm_json_object_end(j);
}

static gm_rc test(gm_cli *cli, const opts *o, gm_err *err)
{
    gm_spec spec = { 0 };
    gm_message m;
    gm_buf b = { 0 };
    gm_json j;
    gm_rc rc = gm_cli_spec(cli, &spec, err);
    if (!rc) rc = test_message(cli, &m, err);
    if (rc) return rc;
    const gm_alerts_spec *alerts = &spec.monitor.alerts;
    if (!alerts->channels_count) {
        rc = gm_err_set(err, GM_EINVALID, "\"%.200s\" names no channel that alerts could leave by", cli->common->file);
        gm_err_hint(err, "Add `monitor: { alert: [webhook: https://example.com/hook] }`.");
        return rc;
    }
    gm_json_init(&j, &b, false);
    gm_json_array(&j);
    for (size_t i = 0; i < alerts->channels_count; i++) test_one(cli, &alerts->channels[i], &m, o, cli->common->json ? &j : NULL);
    gm_json_array_end(&j);
    if (cli->common->json)
        gm_print_json(&b);
    else
        gm_buf_clear(&b);
    return GM_OK;
}

static gm_rc alerts(gm_cli *cli, const void *conf, gm_err *err)
{
    const opts *o = conf;
    int asked =
        o->queue + o->test + o->send + (o->snooze[0] != '\0') + (o->silence[0] != '\0') + (o->unsilence > 0) + (o->retry > 0);
    if (asked > 1)
        return gm_err_set(err, GM_EINVALID,
                          "one thing at a time: --queue, --snooze, --silence, --unsilence, --retry, --send or --test");
    if (cli->operands_count && asked && !o->snooze[0])
        return gm_err_set(err, GM_EINVALID, "an alert's ID goes with --snooze, or alone");
    if (o->timeout <= 0 || o->timeout > 3600) return gm_err_set(err, GM_EINVALID, "--timeout must lie between 1 ms and 1 h");
    if (o->test) return test(cli, o, err);
    if (o->send) return send_due(cli, o, err);
    return asked && !o->queue ? change(cli, o, err) : look(cli, o, err);
}

const gm_command gm_command_alerts = {
    .item = { .name = "alerts",
              .help = "what fires and fired, whom it was told, silences; a test of the channels",
              .params = options,
              .conf_size = sizeof(opts) },
    .operands = "[ID]",
    .operands_max = 1,
    .group = "Look",
    .examples = "gristmill alerts\ngristmill alerts 7\ngristmill alerts 7 --snooze 2h\ngristmill alerts --queue\ngristmill "
                "alerts --silence drift --for 1d --reason "
                "'new airport'\ngristmill alerts --test",
    .run = alerts,
};
