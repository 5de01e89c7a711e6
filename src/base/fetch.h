/* fetch.h - speaking to other servers: one HTTP(S) request, one mail over SMTP. By libcurl, which is loaded when first used.
 *
 * Nothing is followed (redirects) and nothing is guessed: only http, https, smtp and smtps. Certificates are checked. Errors name
 * host and port, never the path, query, user or password of an address. Any thread; each call is one connection and blocks for at
 * most timeout_ms.
 */
#ifndef GM_BASE_FETCH_H
#define GM_BASE_FETCH_H

#include "base/buf.h"
#include "base/err.h"

typedef struct gm_fetch_request {
    const char *url;
    const char *const *headers; /* [headers_count] "Name: value" */
    size_t headers_count;
    const void *body; /* NULL = GET, else POST */
    size_t body_len;
    const char *user, *password; /* basic authentication; NULL = none */
    const char *ca_file;         /* certificates trusted instead of the system's; NULL or "" = the system's */
    int64_t timeout_ms;
    size_t answer_max; /* bytes of the answer that are kept; what comes after them is read and dropped up to 1 MiB, then it is an
                          error */
} gm_fetch_request;

typedef struct gm_fetch_answer {
    int64_t status;         /* 200 ... */
    int64_t retry_after_us; /* 0 = the server said nothing */
    gm_buf body;            /* owned; gm_buf_clear */
} gm_fetch_answer;

/* GM_OK whenever a whole answer came, whatever its status. Errors: GM_EUNAVAILABLE (no connection, time-out, certificate, half an
 * answer; no library); GM_EREFUSED (an address that cannot be one); GM_ENOMEM. */
gm_rc gm_fetch(const gm_fetch_request *r, gm_fetch_answer *out, gm_err *err);

typedef enum gm_mail_tls { GM_MAIL_TLS_OPPORTUNISTIC = 0, GM_MAIL_TLS_REQUIRED, GM_MAIL_TLS_NONE } gm_mail_tls;

typedef struct gm_mail {
    const char *url;       /* smtp://host:587, smtps://host:465 */
    const char *from;      /* address */
    const char *const *to; /* [to_count] addresses */
    size_t to_count;
    const char *const *headers; /* [headers_count] "Name: value"; From, To and Date too */
    size_t headers_count;
    const char *text;            /* UTF-8; sent quoted-printable */
    const char *user, *password; /* NULL = without logging in */
    const char *ca_file;         /* as above */
    gm_mail_tls tls;             /* of smtp://: STARTTLS when the server has it, always, never */
    int64_t timeout_ms;
} gm_mail;

/* GM_OK: the server took the mail for all recipients but those in out_refused [refused_size >= 1], "ops@example.com: 550 no such
 * person; ..."; "" = none. Those get no second attempt, since the others would have the mail twice. Errors: GM_EUNAVAILABLE (as
 * gm_fetch, and 4xx), GM_EREFUSED (5xx: login, sender, all recipients, content). Neither shows user or password. */
gm_rc gm_mail_send(const gm_mail *m, char *out_refused, size_t refused_size, gm_err *err);

/* Stars in place of a secret that another side's words [len] repeat, and of the part of it that they end with. Texts shorter than
 * four bytes are no secrets; NULL = none. */
void gm_secret_hide(char *text, size_t len, const char *secret);

#endif
