/* utf8.c - whether bytes are UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) without NUL. */
#include <string.h>

#include "serve/decode.h"

/* Bytes of the character at p, 0 when it is none. A body ends in zeros, which no character continues with. */
static size_t character(const unsigned char *p, size_t left)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (!len || len > left || p[0] == 0) return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool outside = (p[0] == 0xED && p[1] >= 0xA0) || (p[0] == 0xF4 && p[1] >= 0x90);
    return overlong || outside ? 0 : len;
}

/* Eight bytes of ASCII without NUL at once. */
static bool plain(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return !(word & 0x8080808080808080u) && !((word - 0x0101010101010101u) & ~word & 0x8080808080808080u);
}

bool gm_utf8_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t at = 0; at < len;) {
        size_t step = len - at >= 8 && plain(p + at) ? 8 : character(p + at, len - at);
        if (!step) return false;
        at += step;
    }
    return true;
}
