/* alertmanager.c - Prometheus' Alertmanager, API version 2: POST /api/v2/alerts.
 *
 * An alert is known by its labels alone, so they never change while it lasts: alertname (the rule), model, source,
 * and the severity that the alert began with, also when the file gives the rule another one meanwhile. Alertmanager takes an
 * alert for over when endsAt has passed; what fires is therefore sent again while it lasts (resend), with an endsAt that lies a
 * few of those ahead (keep). Source: Alertmanager's OpenAPI description (api/v2/openapi.yaml, postableAlerts) and how Prometheus
 * sends (rules/alerting.go: validUntil). Checked: test/integration/test_alerts.py against Alertmanager 0.25.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/column.h"
#include "watch/channels/post.h"

typedef struct conf {
    const char *url, *user, *password, *ca;
    double resend, keep; /* seconds */
} conf;

enum { TEST_SECONDS = 60 };

static const gm_param params[] = {
    { "url", GM_PARAM_STR, offsetof(conf, url), NULL, "address of Alertmanager: http://alertmanager:9093, or env:NAME, file:PATH",
      0, 0, NULL },
    { "resend", GM_PARAM_DURATION, offsetof(conf, resend), "1m", "what fires is sent again so often", 0, 0, NULL },
    { "keep", GM_PARAM_DURATION, offsetof(conf, keep), "1h",
      "how long Alertmanager keeps it when it is not sent again, as when we are down", 0, 0, NULL },
    { "user", GM_PARAM_STR, offsetof(conf, user), "", "user of basic authentication", 0, 0, NULL },
    { "password", GM_PARAM_STR, offsetof(conf, password), "", "its password: env:NAME or file:PATH", 0, 0, NULL },
    { "ca", GM_PARAM_STR, offsetof(conf, ca), "", "file of certificates that are trusted instead of the system's", 0, 0, NULL },
    { 0 },
};

static void check(const void *opaque, const gm_node *map, gm_pos at, gm_errs *errs)
{
    const conf *c = opaque;
    const gm_node *resend = gm_node_get(map, "resend");
    gm_url_check("url", c->url, "http://", "https://", map, at, errs);
    gm_secret_check("password", c->password, map, at, errs);
    if (c->resend < 1)
        gm_errs_at(errs, resend ? resend->pos : at, GM_EINVALID, "Alertmanager is content with `resend: 1m`.",
                   "resend must be at least a second");
    else if (c->keep < 2 * c->resend)
        gm_errs_at(errs, resend ? resend->pos : at, GM_EINVALID, "Make `keep` at least twice as long as `resend`.",
                   "keep (%g s) would end before an alert is sent again (%g s)", c->keep, c->resend);
}

/* RFC 3339 */
static void time_member(gm_json *j, const char *key, int64_t us)
{
    char text[40], with_zone[48];
    (void)snprintf(with_zone, sizeof(with_zone), "%sZ", gm_time_text(us - us % 1000, text, sizeof(text)));
    gm_json_kstr(j, key, with_zone);
}

/* A test is over by itself soon. */
static int64_t ends_us(const conf *c, const gm_message *m, int64_t from_us, int64_t now_us)
{
    if (strcmp(m->kind, "resolved") == 0) return m->at_us > from_us && m->at_us <= now_us ? m->at_us : now_us;
    double seconds = strcmp(m->kind, "test") == 0 && c->keep > TEST_SECONDS ? TEST_SECONDS : c->keep;
    return now_us + (int64_t)(seconds * 1e6);
}

static void one_alert(const conf *c, const gm_message *m, int64_t now_us, gm_json *j)
{
    int64_t from_us = m->began_us && m->began_us <= now_us ? m->began_us : now_us;
    gm_json_object(j);
    gm_json_key(j, "labels");
    gm_json_object(j);
    gm_json_kstr(j, "alertname", m->rule[0] ? m->rule : "test");
    if (m->model[0]) gm_json_kstr(j, "model", m->model);
    gm_json_kstr(j, "severity", gm_severity_name(m->began_severity));
    gm_json_kstr(j, "source", "gristmill");
    gm_json_object_end(j);
    gm_json_key(j, "annotations");
    gm_json_object(j);
    gm_json_kstr(j, "summary", m->title);
    gm_json_kstr(j, "description", m->text);
    gm_json_object_end(j);
    time_member(j, "startsAt", from_us);
    time_member(j, "endsAt", ends_us(c, m, from_us, now_us));
    gm_json_object_end(j);
}

/* ".../api/v2/alerts" behind what the file says; the address may be a secret, so it is put together here. */
static gm_rc address(const char *source, gm_arena *a, const char **out, gm_err *err)
{
    const char *base = NULL;
    gm_rc rc = gm_secret_read(source, a, &base, err);
    if (rc) return rc;
    size_t len = strlen(base);
    while (len && base[len - 1] == '/') len--;
    *out = gm_arena_printf(a, "%.*s/api/v2/alerts", (int)len, base);
    return *out ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to send a message");
}

/* Two messages of one alert in a group: it is one alert over there, and the newer one is how it stands. */
static bool said_later(const gm_message *group, size_t part)
{
    for (size_t i = part + 1; i < group->parts_count; i++)
        if (strcmp(group->parts[i].rule, group->parts[part].rule) == 0 &&
            strcmp(group->parts[i].model, group->parts[part].model) == 0)
            return true;
    return false;
}

static gm_rc send(const void *opaque, const gm_message *m, int64_t timeout_ms, gm_arena *a, gm_sent *out, gm_err *err)
{
    const conf *c = opaque;
    const char *url = NULL;
    gm_buf b = { 0 };
    gm_json j;
    gm_rc rc = address(c->url, a, &url, err);
    if (rc) return rc;
    gm_json_init(&j, &b, false);
    gm_json_array(&j);
    for (size_t i = 0; i < m->parts_count; i++)
        if (!said_later(m, i)) one_alert(c, &m->parts[i], gm_now_us(), &j);
    if (!m->parts_count) one_alert(c, m, gm_now_us(), &j);
    gm_json_array_end(&j);
    rc = b.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to send a message")
                  : gm_channel_post(
                        &(gm_post){ .url = url, .json = gm_buf_str(&b), .user = c->user, .password = c->password, .ca = c->ca },
                        timeout_ms, a, out, err);
    gm_buf_clear(&b);
    return rc;
}

static int64_t again_us(const void *opaque)
{
    return (int64_t)(((const conf *)opaque)->resend * 1e6);
}

const gm_channel gm_channel_alertmanager = {
    .item = { "alertmanager", "Prometheus' Alertmanager: firing, sent again while it lasts, resolved", params, sizeof(conf) },
    .check = check,
    .send = send,
    .again_us = again_us
};
