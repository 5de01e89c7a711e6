/* post.c - see post.h. */
#include "watch/channels/post.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fetch.h"

enum { QUOTED_MAX = 100, HEADERS_MAX = 8, ANSWER_MAX = 8192 };

/* The first words of an answer, on one line. */
static void quote(const gm_buf *body, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < body->len && used < QUOTED_MAX; i++) {
        unsigned char c = (unsigned char)body->data[i];
        bool space = c <= ' ' || c == 0x7f;
        if (space && (!used || out[used - 1] == ' ')) continue;
        out[used++] = space || c == '"' ? ' ' : (char)c;
    }
    while (used && ((unsigned char)out[used - 1] >= 0x80 || out[used - 1] == ' ')) used--; /* no half of a letter */
    out[used] = '\0';
}

gm_rc gm_channel_post(const gm_post *p, int64_t timeout_ms, gm_arena *scratch, gm_sent *out, gm_err *err)
{
    const char *url = NULL, *user = "", *password = "", *headers[HEADERS_MAX] = { "Content-Type: application/json" };
    char words[QUOTED_MAX + 1];
    gm_fetch_answer answer = { 0 };
    gm_assert(p->headers_count < HEADERS_MAX);
    for (size_t i = 0; i < p->headers_count; i++) headers[i + 1] = p->headers[i];
    gm_rc rc = gm_secret_read(p->url, scratch, &url, err);
    if (!rc && p->user) rc = gm_secret_read(p->user, scratch, &user, err);
    if (!rc && p->password) rc = gm_secret_read(p->password, scratch, &password, err);
    if (!rc)
        rc = gm_fetch(&(gm_fetch_request){ .url = url,
                                           .headers = headers,
                                           .headers_count = p->headers_count + 1,
                                           .body = p->json,
                                           .body_len = strlen(p->json),
                                           .user = user,
                                           .password = password,
                                           .ca_file = p->ca,
                                           .timeout_ms = timeout_ms,
                                           .answer_max = ANSWER_MAX },
                      &answer, err);
    if (rc) return rc;
    gm_secret_hide(answer.body.data, answer.body.len, password); /* before it is cut, since half a secret is not found */
    if (gm_secret_is_source(p->url)) gm_secret_hide(answer.body.data, answer.body.len, url);
    if (p->user && gm_secret_is_source(p->user)) gm_secret_hide(answer.body.data, answer.body.len, user);
    quote(&answer.body, words);
    gm_buf_clear(&answer.body);
    out->wait_us = answer.retry_after_us;
    (void)snprintf(out->said, sizeof(out->said), "%" PRId64 "%s%s", answer.status, words[0] ? " " : "", words);
    if (answer.status >= 200 && answer.status < 300) return GM_OK;
    bool again = answer.status >= 500 || answer.status == 429 || answer.status == 408 || answer.status == 425;
    rc = gm_err_set(err, again ? GM_EUNAVAILABLE : GM_EREFUSED, "the other side answered %s", out->said);
    if (answer.status >= 300 && answer.status < 400)
        gm_err_hint(err, "Redirects are not followed: write the address that it leads to.");
    else if (!again)
        gm_err_hint(err, "Is the address still right? `gristmill alerts --test` tries it, `--retry ID` sends a message again.");
    return rc;
}
