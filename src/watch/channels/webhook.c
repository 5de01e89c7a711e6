/* webhook.c - the message as JSON to an address, signed. docs/formats/alerts.md says what the other side checks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "watch/channels/post.h"

typedef struct conf {
    const char *url, *secret, *user, *password, *ca;
} conf;

static const gm_param params[] = {
    { "url", GM_PARAM_STR, offsetof(conf, url), NULL, "address that takes a POST: https://..., or env:NAME, file:PATH", 0, 0,
      NULL },
    { "secret", GM_PARAM_STR, offsetof(conf, secret), "",
      "key of the signature, shared with the other side: env:NAME or file:PATH", 0, 0, NULL },
    { "user", GM_PARAM_STR, offsetof(conf, user), "", "user of basic authentication", 0, 0, NULL },
    { "password", GM_PARAM_STR, offsetof(conf, password), "", "its password: env:NAME or file:PATH", 0, 0, NULL },
    { "ca", GM_PARAM_STR, offsetof(conf, ca), "", "file of certificates that are trusted instead of the system's", 0, 0, NULL },
    { 0 },
};

static void check(const void *opaque, const gm_node *map, gm_pos at, gm_errs *errs)
{
    const conf *c = opaque;
    gm_url_check("url", c->url, "http://", "https://", map, at, errs);
    gm_secret_check("secret", c->secret, map, at, errs);
    gm_secret_check("password", c->password, map, at, errs);
}

/* Over "timestamp.body", so that an old message cannot be sent again by somebody else with a new time. */
static gm_rc sign(const char *secret, const char *timestamp, const char *body, gm_arena *a, const char **out, gm_err *err)
{
    gm_digest mac;
    const char *key = NULL, *text = gm_arena_printf(a, "%s.%s", timestamp, body);
    gm_rc rc = gm_secret_read(secret, a, &key, err);
    if (rc) return rc;
    if (text) gm_hmac_of(key, strlen(key), text, strlen(text), &mac);
    *out = text ? gm_arena_printf(a, "X-Gristmill-Signature: sha256=%s", mac.hex) : NULL;
    return *out ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory to sign a message");
}

static gm_rc send(const void *opaque, const gm_message *m, int64_t timeout_ms, gm_arena *a, gm_sent *out, gm_err *err)
{
    const conf *c = opaque;
    char timestamp[24];
    (void)snprintf(timestamp, sizeof(timestamp), "%" PRId64, gm_now_us() / 1000000);
    const char *headers[3] = { gm_arena_printf(a, "X-Gristmill-Id: %s", m->id),
                               gm_arena_printf(a, "X-Gristmill-Timestamp: %s", timestamp) };
    if (!headers[0] || !headers[1]) return gm_err_set(err, GM_ENOMEM, "not enough memory to send a message");
    if (c->secret[0]) {
        gm_rc rc = sign(c->secret, timestamp, m->json, a, &headers[2], err);
        if (rc) return rc;
    }
    return gm_channel_post(&(gm_post){ .url = c->url,
                                       .json = m->json,
                                       .headers = headers,
                                       .headers_count = c->secret[0] ? 3 : 2,
                                       .user = c->user,
                                       .password = c->password,
                                       .ca = c->ca },
                           timeout_ms, a, out, err);
}

const gm_channel gm_channel_webhook = { .item = { "webhook", "the message as JSON to an address, signed when there is a secret",
                                                  params, sizeof(conf) },
                                        .check = check,
                                        .send = send };
