/* fetch.c - see fetch.h: libcurl behind our errors and ownership. */
#include "base/fetch.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

enum { ANSWER_MAX = 1 << 20, LINE_MAX_BYTES = 160 };

#define API(X)                                                                                                                   \
    X(CURLcode, curl_global_init, (long flags))                                                                                  \
    X(CURL *, curl_easy_init, (void))                                                                                            \
    X(CURLcode, curl_easy_setopt, (CURL * handle, CURLoption option, ...))                                                       \
    X(CURLcode, curl_easy_perform, (CURL * handle))                                                                              \
    X(CURLcode, curl_easy_getinfo, (CURL * handle, CURLINFO info, ...))                                                          \
    X(void, curl_easy_cleanup, (CURL * handle))                                                                                  \
    X(const char *, curl_easy_strerror, (CURLcode code))                                                                         \
    X(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text))                                      \
    X(void, curl_slist_free_all, (struct curl_slist * list))                                                                     \
    X(curl_mime *, curl_mime_init, (CURL * handle))                                                                              \
    X(void, curl_mime_free, (curl_mime * mime))                                                                                  \
    X(curl_mimepart *, curl_mime_addpart, (curl_mime * mime))                                                                    \
    X(CURLcode, curl_mime_data, (curl_mimepart * part, const char *data, size_t size))                                           \
    X(CURLcode, curl_mime_type, (curl_mimepart * part, const char *type))                                                        \
    X(CURLcode, curl_mime_encoder, (curl_mimepart * part, const char *encoding))                                                 \
    X(CURLUcode, curl_url_set, (CURLU * handle, CURLUPart what, const char *part, unsigned flags))                               \
    X(CURLUcode, curl_url_get, (const CURLU *handle, CURLUPart what, char **part, unsigned flags))                               \
    X(CURLU *, curl_url, (void))                                                                                                 \
    X(void, curl_url_cleanup, (CURLU * handle))                                                                                  \
    X(void, curl_free, (void *p))

/* curl.h turns these into macros that check types, which a member of a struct must not be. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

static struct {
#define MEMBER(ret, name, args) ret(*name) args;
    API(MEMBER)
#undef MEMBER
} lib;

static pthread_once_t lib_once = PTHREAD_ONCE_INIT;
static gm_rc lib_rc;
static gm_err lib_err;

static void load(void)
{
    void *library = NULL;
    lib_rc = gm_library_open("libcurl.so.4", &library, &lib_err);
    if (lib_rc) gm_err_hint(&lib_err, "Install libcurl: `apt-get install libcurl4`.");
    /* dlsym gives data pointers; POSIX lets them be read as function pointers. */
#define RESOLVE(ret, name, args)                                                                                                 \
    if (!lib_rc) lib_rc = gm_library_symbol(library, #name, (void **)(void *)&lib.name, &lib_err);
    API(RESOLVE)
#undef RESOLVE
    if (!lib_rc && lib.curl_global_init(CURL_GLOBAL_DEFAULT))
        lib_rc = gm_err_set(&lib_err, GM_EUNAVAILABLE, "libcurl could not be set up");
}

/* ---- what both kinds share ------------------------------------------------------------------------------------------------ */

typedef struct call {
    CURL *handle;
    CURLcode setup; /* the first option that was refused */
    struct curl_slist *headers, *recipients;
    curl_mime *mime;
    gm_buf *answer; /* HTTP: where it goes */
    size_t answer_max, answer_seen;
    char last[LINE_MAX_BYTES];   /* SMTP: the server's last line, or its last refusal */
    const char *user, *password; /* SMTP: not repeated from the server's lines; NULL = none */
    char recipient[256];         /* SMTP: whose RCPT is not answered yet; "" = none */
    char *refused;               /* SMTP: [refused_size] recipients that were refused, and the words */
    size_t refused_size;
    bool later; /* SMTP: one of them for now only (4xx) */
    char detail[CURL_ERROR_SIZE];
    char host[128]; /* "example.com:587", for messages */
} call;

/* Options are long, pointers, or functions; the casts at each use say which. */
#define SET(c, option, value)                                                                                                    \
    do {                                                                                                                         \
        if (!(c)->setup) (c)->setup = lib.curl_easy_setopt((c)->handle, option, value);                                          \
    } while (0)

/* Host and port of an address, and nothing else of it. */
static void name_host(call *c, const char *url)
{
    char *host = NULL, *port = NULL;
    CURLU *u = lib.curl_url();
    if (u && !lib.curl_url_set(u, CURLUPART_URL, url, 0) && !lib.curl_url_get(u, CURLUPART_HOST, &host, 0)) {
        bool with_port = !lib.curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
        (void)snprintf(c->host, sizeof(c->host), "%.110s%s%.6s", host, with_port ? ":" : "", with_port ? port : "");
    }
    lib.curl_free(host);
    lib.curl_free(port);
    if (u) lib.curl_url_cleanup(u);
}

static size_t take_body(char *bytes, size_t size, size_t n, void *ctx)
{
    call *c = ctx;
    size_t len = size * n;
    c->answer_seen += len;
    if (c->answer_seen > ANSWER_MAX) return 0; /* ends the transfer */
    size_t room = c->answer->len < c->answer_max ? c->answer_max - c->answer->len : 0;
    gm_buf_add(c->answer, bytes, len < room ? len : room);
    return c->answer->failed ? 0 : len;
}

void gm_secret_hide(char *text, size_t len, const char *secret)
{
    size_t secret_len = secret ? strlen(secret) : 0;
    if (secret_len < 4 || !len) return;
    for (char *at = text; (at = memmem(at, len - (size_t)(at - text), secret, secret_len)); at += secret_len)
        memset(at, '*', secret_len);
    size_t part = secret_len - 1 < len ? secret_len - 1 : len;
    while (part >= 4 && memcmp(text + len - part, secret, part) != 0) part--; /* the text was cut within it */
    if (part >= 4) memset(text + len - part, '*', part);
}

static void note_refused(call *c, const char *line)
{
    size_t used = strlen(c->refused);
    (void)snprintf(c->refused + used, c->refused_size - used, "%s%.100s: %.100s", used ? "; " : "", c->recipient, line);
}

/* The lines that an SMTP server answers come as headers. After a refusal libcurl says goodbye, so the answer to that must not
 * take the refusal's place. */
static size_t take_line(char *bytes, size_t size, size_t n, void *ctx)
{
    call *c = ctx;
    char line[1024];
    size_t len = size * n, keep = len < sizeof(line) - 1 ? len : sizeof(line) - 1, used = 0;
    bool refusal = len && (bytes[0] == '4' || bytes[0] == '5');
    while (used < keep && bytes[used] != '\r' && bytes[used] != '\n') {
        line[used] = (unsigned char)bytes[used] < 0x20 || bytes[used] == 0x7f ? ' ' : bytes[used];
        used++;
    }
    line[used] = '\0';
    gm_secret_hide(line, used, c->user);
    gm_secret_hide(line, used, c->password);
    if (c->recipient[0] && used > 3 && line[3] != '-') { /* the last line of the answer to a RCPT */
        if (refusal) note_refused(c, line);
        c->later = c->later || line[0] == '4';
        c->recipient[0] = '\0';
    }
    if (refusal || (c->last[0] != '4' && c->last[0] != '5')) (void)snprintf(c->last, sizeof(c->last), "%.159s", line);
    return len;
}

/* The commands that libcurl sends, to know what the lines answer. Once the text of the mail is asked for, somebody gets it, and
 * earlier refusals are not why it fails. */
static int take_command(CURL *handle, curl_infotype type, char *bytes, size_t len, void *ctx)
{
    static const char rcpt[] = "RCPT TO:<";
    call *c = ctx;
    (void)handle;
    if (type != CURLINFO_HEADER_OUT) return 0;
    c->recipient[0] = '\0';
    if (len >= 4 && memcmp(bytes, "DATA", 4) == 0) {
        c->last[0] = '\0';
        c->later = false;
    } else if (len > sizeof(rcpt) && memcmp(bytes, rcpt, sizeof(rcpt) - 1) == 0) {
        size_t used = 0;
        for (size_t i = sizeof(rcpt) - 1; i < len && bytes[i] != '>' && used < sizeof(c->recipient) - 1; i++)
            c->recipient[used++] = bytes[i];
        c->recipient[used] = '\0';
    }
    return 0;
}

static size_t drop_body(char *bytes, size_t size, size_t n, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * n;
}

static void append(call *c, struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = lib.curl_slist_append(*list, text);
    if (longer)
        *list = longer;
    else if (!c->setup)
        c->setup = CURLE_OUT_OF_MEMORY;
}

static gm_rc begin(call *c, const char *url, const char *protocols, int64_t timeout_ms, gm_err *err)
{
    (void)pthread_once(&lib_once, load); /* cannot fail with these arguments */
    if (lib_rc) {
        if (err) *err = lib_err;
        return lib_rc;
    }
    if (!strstr(url, "://"))
        return gm_err_set(err, GM_EREFUSED, "the address does not begin with a protocol and ://"); /* libcurl would guess one */
    c->handle = lib.curl_easy_init();
    if (!c->handle) return gm_err_set(err, GM_ENOMEM, "not enough memory for a connection");
    name_host(c, url);
    SET(c, CURLOPT_URL, url);
    SET(c, CURLOPT_NOSIGNAL, 1L); /* threads */
    SET(c, CURLOPT_ERRORBUFFER, c->detail);
    SET(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(c, CURLOPT_USERAGENT, "gristmill/" GM_VERSION);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(c, CURLOPT_PROTOCOLS_STR, protocols);
#else
    SET(c, CURLOPT_PROTOCOLS,
        strcmp(protocols, "http,https") == 0 ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_SMTP | CURLPROTO_SMTPS);
#endif
    return GM_OK;
}

static void credentials(call *c, const char *user, const char *password, const char *ca_file)
{
    if (user && user[0]) SET(c, CURLOPT_USERNAME, user);
    if (password && password[0]) SET(c, CURLOPT_PASSWORD, password);
    if (ca_file && ca_file[0]) SET(c, CURLOPT_CAINFO, ca_file);
}

static void end(call *c)
{
    lib.curl_mime_free(c->mime);
    lib.curl_slist_free_all(c->headers);
    lib.curl_slist_free_all(c->recipients);
    if (c->handle) lib.curl_easy_cleanup(c->handle);
}

static gm_rc failed(const call *c, CURLcode code, const char *said, gm_err *err)
{
    bool never = code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT || code == CURLE_NOT_BUILT_IN;
    gm_rc rc = code == CURLE_OUT_OF_MEMORY ? GM_ENOMEM : never ? GM_EREFUSED : GM_EUNAVAILABLE;
    const char *why =
        never || !c->detail[0] ? lib.curl_easy_strerror(code) : c->detail; /* of a bad address, detail shows the whole */
    if (c->answer_seen > ANSWER_MAX) why = "the answer is larger than 1 MiB";
    rc = gm_err_set(err, rc, "could not reach \"%s\": %.200s%s%.150s", c->host[0] ? c->host : "(no host)", why,
                    said[0] ? "; it said: " : "", said);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        gm_err_hint(err,
                    "Give the channel `ca: FILE` with the certificate that signed the server's, or install it in the system.");
    return rc;
}

/* ---- HTTP -------------------------------------------------------------------------------------------------------------------
 */

gm_rc gm_fetch(const gm_fetch_request *r, gm_fetch_answer *out, gm_err *err)
{
    call c = { .answer = &out->body, .answer_max = r->answer_max };
    long status = 0;
    curl_off_t retry_s = 0;
    *out = (gm_fetch_answer){ 0 };
    gm_rc rc = begin(&c, r->url, "http,https", r->timeout_ms, err);
    if (rc) return rc;
    for (size_t i = 0; i < r->headers_count; i++) append(&c, &c.headers, r->headers[i]);
    append(&c, &c.headers, "Expect:"); /* no waiting for permission to send a body */
    SET(&c, CURLOPT_HTTPHEADER, c.headers);
    if (r->body) {
        SET(&c, CURLOPT_POST, 1L);
        SET(&c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
        SET(&c, CURLOPT_POSTFIELDS, r->body);
    }
    SET(&c, CURLOPT_WRITEFUNCTION, take_body);
    SET(&c, CURLOPT_WRITEDATA, &c);
    credentials(&c, r->user, r->password, r->ca_file);
    CURLcode code = c.setup ? c.setup : lib.curl_easy_perform(c.handle);
    if (code) {
        rc = failed(&c, code, "", err);
    } else {
        (void)lib.curl_easy_getinfo(c.handle, CURLINFO_RESPONSE_CODE, &status); /* known after an answer */
        if (lib.curl_easy_getinfo(c.handle, CURLINFO_RETRY_AFTER, &retry_s)) retry_s = 0;
        out->status = status;
        out->retry_after_us = retry_s > 0 && retry_s < 86400 ? (int64_t)retry_s * 1000000 : 0;
    }
    end(&c);
    if (rc) gm_buf_clear(&out->body);
    return rc;
}

/* ---- SMTP -------------------------------------------------------------------------------------------------------------------
 */

static CURLcode put_text(call *c, const char *text)
{
    c->mime = lib.curl_mime_init(c->handle);
    curl_mimepart *part = c->mime ? lib.curl_mime_addpart(c->mime) : NULL;
    if (!part) return CURLE_OUT_OF_MEMORY;
    CURLcode code = lib.curl_mime_data(part, text, strlen(text));
    if (!code) code = lib.curl_mime_type(part, "text/plain; charset=utf-8");
    return code ? code : lib.curl_mime_encoder(part, "quoted-printable");
}

/* One recipient that is refused must not keep the mail from the others. The option is libcurl's since 7.69 (its number stayed
 * when the name was mended in 8.2); an older one does not know it, and sends to all or to none. */
static void allow_refusals(call *c)
{
#if LIBCURL_VERSION_NUM >= 0x080200
    (void)lib.curl_easy_setopt(c->handle, CURLOPT_MAIL_RCPT_ALLOWFAILS, 1L);
#elif LIBCURL_VERSION_NUM >= 0x074500
    (void)lib.curl_easy_setopt(c->handle, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
#endif
    SET(c, CURLOPT_DEBUGFUNCTION, take_command);
    SET(c, CURLOPT_DEBUGDATA, c);
    SET(c, CURLOPT_VERBOSE, 1L); /* to take_command alone */
}

gm_rc gm_mail_send(const gm_mail *m, char *out_refused, size_t refused_size, gm_err *err)
{
    static const long tls[] = { [GM_MAIL_TLS_OPPORTUNISTIC] = CURLUSESSL_TRY,
                                [GM_MAIL_TLS_REQUIRED] = CURLUSESSL_ALL,
                                [GM_MAIL_TLS_NONE] = CURLUSESSL_NONE };
    call c = { .user = m->user, .password = m->password, .refused = out_refused, .refused_size = refused_size };
    out_refused[0] = '\0';
    gm_rc rc = begin(&c, m->url, "smtp,smtps", m->timeout_ms, err);
    if (rc) return rc;
    allow_refusals(&c);
    SET(&c, CURLOPT_MAIL_FROM, m->from);
    for (size_t i = 0; i < m->to_count; i++) append(&c, &c.recipients, m->to[i]);
    SET(&c, CURLOPT_MAIL_RCPT, c.recipients);
    for (size_t i = 0; i < m->headers_count; i++) append(&c, &c.headers, m->headers[i]);
    SET(&c, CURLOPT_HTTPHEADER, c.headers);
    SET(&c, CURLOPT_USE_SSL, tls[m->tls]);
    SET(&c, CURLOPT_HEADERFUNCTION, take_line);
    SET(&c, CURLOPT_HEADERDATA, &c);
    SET(&c, CURLOPT_WRITEFUNCTION, drop_body);
    credentials(&c, m->user, m->password, m->ca_file);
    if (!c.setup) c.setup = put_text(&c, m->text);
    SET(&c, CURLOPT_MIMEPOST, c.mime);
    CURLcode code = c.setup ? c.setup : lib.curl_easy_perform(c.handle);
    if (code) {
        rc = failed(&c, code, c.last, err);
        bool for_good = c.last[0] == '5' && !c.later; /* 5xx: do not try again as it is (RFC 5321, 4.2.1) */
        if (rc == GM_EUNAVAILABLE && code != CURLE_OPERATION_TIMEDOUT && for_good) {
            rc = GM_EREFUSED;
            (void)gm_err_set(err, rc, "the mail server \"%s\" refused: %.200s", c.host, c.last);
        }
    }
    end(&c);
    return rc;
}
