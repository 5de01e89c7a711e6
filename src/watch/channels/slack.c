/* slack.c - an incoming webhook as Slack has it; Mattermost, Rocket.Chat, Discord (/slack) and others take the same JSON. */
#include <string.h>

#include "watch/channels/post.h"

typedef struct conf {
    const char *url, *ca;
} conf;

static const gm_param params[] = {
    { "url", GM_PARAM_STR, offsetof(conf, url), NULL,
      "address of the incoming webhook, a secret in itself: env:NAME, file:PATH, or https://...", 0, 0, NULL },
    { "ca", GM_PARAM_STR, offsetof(conf, ca), "", "file of certificates that are trusted instead of the system's", 0, 0, NULL },
    { 0 },
};

static void check(const void *opaque, const gm_node *map, gm_pos at, gm_errs *errs)
{
    gm_url_check("url", ((const conf *)opaque)->url, "http://", "https://", map, at, errs);
}

/* Source: Slack's "Formatting text for app surfaces": three characters have a meaning of their own. */
static void escaped(gm_buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '&')
            gm_buf_text(b, "&amp;");
        else if (*text == '<')
            gm_buf_text(b, "&lt;");
        else if (*text == '>')
            gm_buf_text(b, "&gt;");
        else
            gm_buf_char(b, *text);
    }
}

static const char *color(const gm_message *m)
{
    if (strcmp(m->kind, "resolved") == 0) return "#2eb886";
    return m->severity == GM_SEVERITY_CRITICAL ? "#a30200" : m->severity == GM_SEVERITY_WARNING ? "#daa038" : "#439fe0";
}

static gm_rc send(const void *opaque, const gm_message *m, int64_t timeout_ms, gm_arena *a, gm_sent *out, gm_err *err)
{
    const conf *c = opaque;
    gm_buf title = { 0 }, text = { 0 }, body = { 0 };
    gm_json j;
    escaped(&title, m->title);
    gm_buf_text(&text, "```");
    escaped(&text, m->text);
    gm_buf_text(&text, "```");
    gm_json_init(&j, &body, false);
    gm_json_object(&j);
    gm_json_kstr(&j, "text", gm_buf_str(&title));
    gm_json_key(&j, "attachments");
    gm_json_array(&j);
    gm_json_object(&j);
    gm_json_kstr(&j, "color", color(m));
    gm_json_kstr(&j, "fallback", gm_buf_str(&title));
    gm_json_kstr(&j, "text", gm_buf_str(&text));
    gm_json_key(&j, "mrkdwn_in");
    gm_json_array(&j);
    gm_json_str(&j, "text");
    gm_json_array_end(&j);
    gm_json_kstr(&j, "footer", m->id);
    gm_json_object_end(&j);
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_rc rc =
        title.failed || text.failed || body.failed
            ? gm_err_set(err, GM_ENOMEM, "not enough memory to send a message")
            : gm_channel_post(&(gm_post){ .url = c->url, .json = gm_buf_str(&body), .ca = c->ca }, timeout_ms, a, out, err);
    gm_buf_clear(&title);
    gm_buf_clear(&text);
    gm_buf_clear(&body);
    return rc;
}

const gm_channel gm_channel_slack = { .item = { "slack", "an incoming webhook of Slack, or of what takes Slack's JSON", params,
                                                sizeof(conf) },
                                      .check = check,
                                      .send = send };
