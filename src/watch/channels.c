/* channels.c - the table of channels (channel_list.h), sending through one, secrets. See channels.h. */
#include "watch/channels.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "base/fs.h"
#include "watch/channel_list.h"

#define X(channel) extern const gm_channel channel;
GM_CHANNEL_LIST(X)
#undef X

#define X(channel) &channel.item,
static const gm_item *const items[] = { GM_CHANNEL_LIST(X) };
#undef X

const gm_registry gm_channels = { .kind = "channel", .items = items, .count = sizeof(items) / sizeof(items[0]) };

/* ---- secrets -------------------------------------------------------------------------------------------------------------- */

enum { SECRET_MAX = 64 << 10 };

bool gm_secret_is_source(const char *text)
{
    return strncmp(text, "env:", 4) == 0 || strncmp(text, "file:", 5) == 0;
}

static gm_rc from_file(const char *source, gm_arena *a, const char **out, gm_err *err)
{
    gm_buf b = { 0 };
    gm_rc rc = gm_fs_read(source + 5, SECRET_MAX, &b, err);
    if (rc) {
        gm_buf_clear(&b);
        if (err) err->rc = GM_EUNAVAILABLE;
        return gm_err_ctx(err, GM_EUNAVAILABLE, "reading a secret");
    }
    while (b.len && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == '\r')) b.data[--b.len] = '\0';
    *out = gm_arena_strdup(a, gm_buf_str(&b));
    if (b.data) explicit_bzero(b.data, b.len);
    gm_buf_clear(&b);
    return *out ? GM_OK : gm_err_set(err, GM_ENOMEM, "not enough memory for a secret");
}

gm_rc gm_secret_read(const char *source, gm_arena *a, const char **out, gm_err *err)
{
    const char *value = source;
    gm_rc rc = GM_OK;
    if (strncmp(source, "env:", 4) == 0)
        value = getenv(source + 4);
    else if (strncmp(source, "file:", 5) == 0)
        rc = from_file(source, a, &value, err);
    if (rc) return rc;
    if (gm_secret_is_source(source) && (!value || !value[0])) {
        rc = gm_err_set(err, GM_EUNAVAILABLE, "the secret \"%.100s\" is %s", source, value ? "empty" : "not set");
        gm_err_hint(err, "Set it where gristmill runs; until then the message stays in the queue.");
        return rc;
    }
    *out = value;
    return GM_OK;
}

static gm_pos place(const char *key, const gm_node *map, gm_pos at)
{
    const gm_node *n = gm_node_get(map, key);
    return n ? n->pos : at;
}

void gm_secret_check(const char *key, const char *text, const gm_node *map, gm_pos at, gm_errs *errs)
{
    if (!text[0] || gm_secret_is_source(text)) return;
    gm_errs_at(errs, place(key, map, at), GM_EINVALID,
               "Write env:NAME (a variable) or file:PATH, so that the secret itself does not stand in the file.",
               "%s stands in the file as it is", key);
}

/* Nor does a password stand in an address. No value is shown: it may hold a password or be one. */
void gm_url_check(const char *key, const char *text, const char *scheme, const char *scheme_secure, const gm_node *map, gm_pos at,
                  gm_errs *errs)
{
    if (gm_secret_is_source(text)) return;
    const char *rest = strncmp(text, scheme, strlen(scheme)) == 0                 ? text + strlen(scheme)
                       : strncmp(text, scheme_secure, strlen(scheme_secure)) == 0 ? text + strlen(scheme_secure)
                                                                                  : NULL;
    bool odd = false;
    for (const char *c = text; *c; c++) odd |= (unsigned char)*c <= ' ' || *c == 0x7f;
    bool login = rest && memchr(rest, '@', strcspn(rest, "/?#"));
    bool host = rest && (isalnum((unsigned char)rest[0]) || rest[0] == '[' || (unsigned char)rest[0] >= 0x80);
    if (host && !odd && !login) return;
    gm_err err;
    (void)gm_err_at(&err, place(key, map, at), GM_EINVALID,
                    odd     ? "%s has a space or a control character in it"
                    : login ? "%s has a user or a password in it"
                    : rest  ? "%s names no host"
                            : "%s does not begin with %s or %s",
                    key, scheme_secure, scheme);
    gm_err_hint(&err, "Write %sHOST/PATH, or env:NAME or file:PATH when the address itself is a secret.", scheme_secure);
    gm_errs_add(errs, &err);
}

/* ---- sending -------------------------------------------------------------------------------------------------------------- */

/* Another side's words are quoted in errors; they could repeat what we sent. */
static void hide_secrets(const gm_param *params, const void *conf, gm_arena *a, gm_sent *sent, gm_err *err)
{
    for (const gm_param *p = params; p->type != GM_PARAM_END; p++) {
        const char *source =
                       p->type == GM_PARAM_STR ? *(const char *const *)(const void *)((const char *)conf + p->offset) : NULL,
                   *value = NULL;
        gm_err ignored; /* a secret that cannot be read was not sent either */
        if (!source || !gm_secret_is_source(source) || gm_secret_read(source, a, &value, &ignored)) continue;
        gm_secret_hide(sent->said, strlen(sent->said), value);
        gm_secret_hide(sent->left_out, strlen(sent->left_out), value);
        if (!err) continue;
        gm_secret_hide(err->message, strlen(err->message), value);
        gm_secret_hide(err->hint, strlen(err->hint), value);
    }
}

/* The parameters as they were read from the file. */
static gm_rc conf_of(const gm_channel_spec *c, gm_arena *a, const gm_channel **out_channel, void **out_conf, gm_err *err)
{
    const gm_item *item = NULL;
    gm_node *map = NULL;
    gm_errs errs = { .arena = a };
    gm_rc rc = gm_registry_find(&gm_channels, c->kind, &item, err);
    if (!rc) rc = gm_json_read(c->params_json, strlen(c->params_json), "", a, &map, err);
    if (rc) return rc;
    void *conf = gm_arena_alloc(a, 1, item->conf_size);
    if (!conf) return gm_err_set(err, GM_ENOMEM, "not enough memory to send a message");
    rc = gm_params_read(item->params, map, NULL, a, conf, &errs);
    if (rc) return gm_errs_first(&errs, rc, err);
    *out_channel = (const gm_channel *)item;
    *out_conf = conf;
    return GM_OK;
}

gm_rc gm_channel_send(const gm_channel_spec *c, const gm_message *m, int64_t timeout_ms, gm_sent *out, gm_err *err)
{
    const gm_channel *channel = NULL;
    void *conf = NULL;
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to send a message");
    *out = (gm_sent){ 0 };
    gm_rc rc = conf_of(c, a, &channel, &conf, err);
    if (!rc) {
        rc = channel->send(conf, m, timeout_ms, a, out, err);
        hide_secrets(channel->item.params, conf, a, out, err);
    }
    gm_arena_free(a);
    return gm_err_ctx(err, rc, "sending through the channel \"%s\"", c->name);
}

int64_t gm_channel_again_us(const gm_channel_spec *c)
{
    const gm_channel *channel = NULL;
    void *conf = NULL;
    gm_err ignored; /* what cannot be read cannot be sent again either */
    gm_arena *a = gm_arena_new(0);
    int64_t us = a && !conf_of(c, a, &channel, &conf, &ignored) && channel->again_us ? channel->again_us(conf) : 0;
    gm_arena_free(a);
    return us;
}
