/* email.c - a mail over SMTP. The Message-ID is made of the message's id, so that mail programs drop doubles too. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fetch.h"
#include "watch/channels.h"

typedef struct conf {
    gm_strs to;
    const char *smtp, *from, *user, *password, *tls, *ca;
} conf;

static const gm_param params[] = {
    { "to", GM_PARAM_STRS, offsetof(conf, to), NULL, "who gets it: one address or a list", 0, 0, NULL },
    { "smtp", GM_PARAM_STR, offsetof(conf, smtp), "smtp://localhost:25",
      "mail server: smtp://HOST:587, smtps://HOST:465, or env:NAME, file:PATH", 0, 0, NULL },
    { "from", GM_PARAM_STR, offsetof(conf, from), "gristmill@localhost", "address of the sender", 0, 0, NULL },
    { "user", GM_PARAM_STR, offsetof(conf, user), "", "user to log in as; env:NAME or file:PATH too", 0, 0, NULL },
    { "password", GM_PARAM_STR, offsetof(conf, password), "", "the password: env:NAME or file:PATH", 0, 0, NULL },
    { "tls", GM_PARAM_STR, offsetof(conf, tls), "auto",
      "of smtp://: STARTTLS when the server offers it, and always with a password (auto); always (required); never (none)", 0, 0,
      "auto required none" },
    { "ca", GM_PARAM_STR, offsetof(conf, ca), "", "file of certificates that are trusted instead of the system's", 0, 0, NULL },
    { 0 },
};

/* What would end a header or an SMTP command early, or begin another. */
static bool is_address(const char *text)
{
    const char *sign = strchr(text, '@');
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("<>,;\"\\", *c)) return false;
    return sign && sign != text && sign[1] && !strchr(sign + 1, '@') && strlen(text) <= 254;
}

static gm_pos place(const char *key, const gm_node *map, gm_pos at)
{
    const gm_node *n = gm_node_get(map, key);
    return n ? n->pos : at;
}

static void check(const void *opaque, const gm_node *map, gm_pos at, gm_errs *errs)
{
    const conf *c = opaque;
    const gm_node *to = gm_node_get(map, "to");
    gm_url_check("smtp", c->smtp, "smtp://", "smtps://", map, at, errs);
    gm_secret_check("password", c->password, map, at, errs);
    if (!c->to.count)
        gm_errs_at(errs, place("to", map, at), GM_EINVALID, "Write `to: ml-team@example.com`.", "to: nobody would get the mail");
    for (size_t i = 0; i < c->to.count; i++)
        if (!is_address(c->to.items[i]))
            gm_errs_at(errs, to && to->kind == GM_NODE_SEQ ? to->items[i]->pos : place("to", map, at), GM_EINVALID,
                       "Write it as name@example.com.", "to: \"%.60s\" is not an address", c->to.items[i]);
    if (!is_address(c->from))
        gm_errs_at(errs, place("from", map, at), GM_EINVALID, "Write it as name@example.com.",
                   "from: \"%.60s\" is not an address", c->from);
    if (c->password[0] && strcmp(c->tls, "none") == 0)
        gm_errs_at(errs, place("tls", map, at), GM_EINVALID, "Take `tls: none` out.",
                   "a password would be sent where anybody on the way can read it");
}

/* A header's value: controls become spaces; what is not ASCII becomes encoded words (RFC 2047, "Q"), each of whole letters and at
 * most 75 characters. */
static void header_text(gm_buf *b, const char *text)
{
    bool ascii = true;
    for (const char *c = text; *c; c++) ascii = ascii && (unsigned char)*c < 0x80;
    if (ascii) {
        for (const char *c = text; *c; c++) gm_buf_char(b, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
        return;
    }
    size_t used = 0;
    gm_buf_text(b, "=?utf-8?Q?");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (used > 48 && (*c & 0xc0) != 0x80) { /* a new word begins with a whole letter: at most 48 + 4 * 3 before it */
            gm_buf_text(b, "?= =?utf-8?Q?");
            used = 0;
        }
        if (plain)
            gm_buf_char(b, (char)*c);
        else if (*c <= ' ' || *c == 0x7f)
            gm_buf_char(b, '_');
        else
            gm_buf_printf(b, "=%02X", *c);
        used += plain || *c <= ' ' || *c == 0x7f ? 1 : 3;
    }
    gm_buf_text(b, "?=");
}

/* RFC 5322; names of days and months are English whatever the locale. */
static void date_header(int64_t us, char *out, size_t out_size)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t)(us / 1000000);
    struct tm t = { 0 };
    (void)gmtime_r(&seconds, &t);
    (void)snprintf(out, out_size, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000", days[t.tm_wday], t.tm_mday, months[t.tm_mon],
                   t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static const char *headers_of(const conf *c, const gm_message *m, gm_arena *a, const char **out)
{
    char date[64];
    gm_buf subject = { 0 }, to = { 0 };
    gm_buf_printf(&subject, "Subject: [%s] ", strcmp(m->kind, "resolved") == 0 ? "resolved" : gm_severity_name(m->severity));
    header_text(&subject, m->title);
    gm_buf_text(&to, "To: ");
    for (size_t i = 0; i < c->to.count; i++) gm_buf_printf(&to, "%s%s", i ? ",\r\n " : "", c->to.items[i]);
    date_header(m->at_us, date, sizeof(date));
    out[0] = gm_arena_strdup(a, date);
    out[1] = gm_arena_printf(a, "From: %s", c->from);
    out[2] = to.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&to));
    out[3] = subject.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&subject));
    out[4] = gm_arena_printf(a, "Message-ID: <%s@gristmill.invalid>", m->id);
    out[5] = gm_arena_printf(a, "X-Gristmill-Id: %s", m->id);
    out[6] = "Auto-Submitted: auto-generated"; /* RFC 3834: no holiday replies */
    gm_buf_clear(&subject);
    gm_buf_clear(&to);
    return out[0] && out[1] && out[2] && out[3] && out[4] && out[5] ? out[0] : NULL;
}

static gm_mail_tls tls_of(const conf *c)
{
    if (strcmp(c->tls, "none") == 0) return GM_MAIL_TLS_NONE;
    return c->password[0] || strcmp(c->tls, "required") == 0 ? GM_MAIL_TLS_REQUIRED : GM_MAIL_TLS_OPPORTUNISTIC;
}

static gm_rc send(const void *opaque, const gm_message *m, int64_t timeout_ms, gm_arena *a, gm_sent *out, gm_err *err)
{
    const conf *c = opaque;
    const char *headers[7], *url = NULL, *user = NULL, *password = NULL;
    char refused[240];
    gm_rc rc = gm_secret_read(c->smtp, a, &url, err);
    if (!rc) rc = gm_secret_read(c->user, a, &user, err);
    if (!rc) rc = gm_secret_read(c->password, a, &password, err);
    if (rc) return rc;
    if (!headers_of(c, m, a, headers)) return gm_err_set(err, GM_ENOMEM, "not enough memory to send a message");
    rc = gm_mail_send(&(gm_mail){ .url = url,
                                  .from = c->from,
                                  .to = c->to.items,
                                  .to_count = c->to.count,
                                  .headers = headers,
                                  .headers_count = 7,
                                  .text = m->text,
                                  .user = user,
                                  .password = password,
                                  .ca_file = c->ca,
                                  .tls = tls_of(c),
                                  .timeout_ms = timeout_ms },
                      refused, sizeof(refused), err);
    if (rc) return rc;
    if (refused[0]) (void)snprintf(out->left_out, sizeof(out->left_out), "not for %s", refused);
    (void)snprintf(out->said, sizeof(out->said), "taken by the mail server%s%.120s", refused[0] ? ", not for " : "", refused);
    return GM_OK;
}

const gm_channel gm_channel_email = { .item = { "email", "a mail over SMTP, with TLS and a login where they are needed", params,
                                                sizeof(conf) },
                                      .check = check,
                                      .send = send };
