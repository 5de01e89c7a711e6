/* http_request.c - what a handler asks of its request: headers, the query. */
#include <string.h>
#include <strings.h>

#include "base/http_internal.h"

bool gm_http_slice_is_nocase(gm_slice s, const char *lower)
{
    return strlen(lower) == s.len && strncasecmp(s.data, lower, s.len) == 0;
}

gm_slice gm_http_field_name(const gm_http_conn *c, unsigned i)
{
    return (gm_slice){ c->block->data + c->start + c->fields[i].name, c->fields[i].name_len };
}

gm_slice gm_http_field_value(const gm_http_conn *c, unsigned i)
{
    gm_slice v = { c->block->data + c->start + c->fields[i].value, c->fields[i].value_len };
    while (v.len && (v.data[v.len - 1] == ' ' || v.data[v.len - 1] == '\t')) v.len--;
    return v;
}

bool gm_http_header(const gm_http_request *r, const char *name, gm_slice *out)
{
    const gm_http_conn *c = (const gm_http_conn *)r;
    size_t len = strlen(name);
    for (unsigned i = 0; i < c->fields_count; i++) {
        if (c->fields[i].name_len != len || !gm_http_slice_is_nocase(gm_http_field_name(c, i), name)) continue;
        *out = gm_http_field_value(c, i);
        return true;
    }
    return false;
}

static int hex_digit(char d)
{
    if (d >= '0' && d <= '9') return d - '0';
    if (d >= 'a' && d <= 'f') return d - 'a' + 10;
    if (d >= 'A' && d <= 'F') return d - 'A' + 10;
    return -1;
}

bool gm_http_percent_decode(char *text, size_t *len, bool plus)
{
    size_t to = 0;
    if (!plus && !memchr(text, '%', *len)) return true;
    for (size_t i = 0; i < *len; i++) {
        char byte = text[i];
        if (byte == '%') {
            int high = *len - i > 2 ? hex_digit(text[i + 1]) : -1, low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0) return false;
            byte = (char)(high << 4 | low);
            i += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        text[to++] = byte;
    }
    *len = to;
    return true;
}

bool gm_http_query(const gm_http_request *r, const char *name, gm_slice *out)
{
    size_t name_len = strlen(name);
    gm_slice q = r->query;
    while (q.len) {
        const char *end = memchr(q.data, '&', q.len);
        gm_slice pair = { q.data, end ? (size_t)(end - q.data) : q.len };
        q.data += pair.len + (end != NULL);
        q.len -= pair.len + (end != NULL);
        const char *equals = memchr(pair.data, '=', pair.len);
        if (!equals || (size_t)(equals - pair.data) != name_len || memcmp(pair.data, name, name_len) != 0) continue;
        size_t len = pair.len - name_len - 1;
        char *value = gm_arena_strndup(r->arena, equals + 1, len);
        if (!value || !gm_http_percent_decode(value, &len, true)) return false;
        *out = (gm_slice){ value, len };
        return true;
    }
    return false;
}
