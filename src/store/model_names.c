/* model_names.c - see model_names.h. */
#include "store/model_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* Characters that show nothing or turn the text around, so that two names could look alike. */
static bool invisible(const unsigned char *p, size_t len)
{
    if (len == 1) return p[0] < 0x20 || p[0] == 0x7f;
    if (len == 2) return p[0] == 0xc2 && (p[1] < 0xa0 || p[1] == 0xad); /* C1 controls, soft hyphen */
    if (len != 3) return false;
    unsigned code = ((unsigned)p[0] & 15) << 12 | ((unsigned)p[1] & 63) << 6 | ((unsigned)p[2] & 63);
    return (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
           code == 0xfeff;
}

static gm_rc check_text(const char *kind, const char *text, const char *forbidden, size_t max, gm_err *err)
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0) return gm_err_set(err, GM_EINVALID, "a %s is empty", kind);
    if (len > max) return gm_err_set(err, GM_EINVALID, "%s \"%.40s...\" has %zu bytes, at most %zu are allowed", kind, text, len, max);
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0, n; i < len; i += n) {
        n = gm_utf8_length(p + i, len - i);
        if (n == 0) return gm_err_set(err, GM_EINVALID, "a %s is not UTF-8", kind);
        if (invisible(p + i, n)) return gm_err_set(err, GM_EINVALID, "a %s has a control character at byte %zu", kind, i + 1);
    }
    if (text[0] == ' ' || text[len - 1] == ' ') return gm_err_set(err, GM_EINVALID, "%s \"%s\" begins or ends with a space", kind, text);
    const char *bad = strpbrk(text, forbidden);
    return bad ? gm_err_set(err, GM_EINVALID, "%s \"%s\" has a \"%c\", which separates a model from its version", kind, text, *bad)
               : GM_OK;
}

gm_rc gm_model_name_check(const char *name, gm_err *err) { return check_text("model name", name, "/:@", GM_MODEL_NAME_MAX, err); }
gm_rc gm_model_tag_check(const char *key, gm_err *err) { return check_text("tag", key, "", GM_MODEL_NAME_MAX, err); }

gm_rc gm_model_alias_check(const char *alias, gm_err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = alias ? strlen(alias) : 0;
    bool version = len > 1 && (alias[0] == 'v' || alias[0] == 'V') && strspn(alias + 1, "0123456789") == len - 1;
    gm_rc rc = GM_OK;
    if (len == 0 || len > 255 || strspn(alias, allowed) != len) {
        rc = gm_err_set(err, GM_EINVALID, "\"%.80s\" cannot be an alias", alias ? alias : "");
        gm_err_hint(err, "An alias has 1 to 255 letters, digits, underscores and hyphens.");
    } else if (version || strcmp(alias, "latest") == 0) {
        rc = gm_err_set(err, GM_EINVALID, "\"%s\" cannot be an alias", alias);
        gm_err_hint(err, "\"latest\" and names like \"v3\" would read like versions.");
    }
    return rc;
}

gm_rc gm_model_ref_parse(const char *text, gm_model_ref *out, gm_err *err)
{
    gm_model_ref ref = { .version = 0 };
    const char *mark = strpbrk(text, "@/:");
    size_t len = mark ? (size_t)(mark - text) : strlen(text);
    (void)snprintf(ref.name, sizeof(ref.name), "%.*s", (int)(len < sizeof(ref.name) ? len : 0), text);
    gm_rc rc = len < sizeof(ref.name) ? gm_model_name_check(ref.name, err) : gm_model_name_check(text, err);
    if (rc) return rc;
    if (mark && *mark == '@') {
        rc = gm_model_alias_check(mark + 1, err);
        (void)snprintf(ref.alias, sizeof(ref.alias), "%.255s", mark + 1);
    } else if (mark) {
        char *end = NULL;
        errno = 0;
        ref.version = strtoll(mark + 1, &end, 10);
        if (errno || end == mark + 1 || *end || ref.version <= 0 || mark[1] < '1' || mark[1] > '9')
            rc = gm_err_set(err, GM_EINVALID, "\"%.100s\" names no version of a model", text);
        if (rc) gm_err_hint(err, "Write name, name@alias or name/3.");
    }
    if (!rc) *out = ref;
    return rc;
}
