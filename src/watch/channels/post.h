/* post.h - what channels over HTTP share: a JSON body goes out, and the answer says whether it was taken. */
#ifndef GM_WATCH_CHANNELS_POST_H
#define GM_WATCH_CHANNELS_POST_H

#include "watch/channels.h"

typedef struct gm_post {
    const char *url; /* as in the file: an address or its source */
    const char *json;
    const char *const *headers; /* [headers_count] "Name: value", besides the content type */
    size_t headers_count;
    const char *user, *password; /* sources; "" = none */
    const char *ca;              /* "" = the system's certificates */
} gm_post;

/* Errors: GM_EUNAVAILABLE (no answer, 408, 425, 429, 5xx), GM_EREFUSED (any other answer that is not 2xx, with its first words).
 */
gm_rc gm_channel_post(const gm_post *p, int64_t timeout_ms, gm_arena *scratch, gm_sent *out, gm_err *err);

#endif
