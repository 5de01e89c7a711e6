/* utf8.c - see utf8.h. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t gm_utf8_length(const void *text, size_t left)
{
    const unsigned char *p = text;
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (len > left) return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool outside = (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF4 && p[1] > 0x8F); /* a surrogate, or beyond U+10FFFF */
    return overlong || outside ? 0 : len;
}

/* Eight bytes of ASCII without NUL at once. */
static bool plain(const char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return !(word & 0x8080808080808080u) && !((word - 0x0101010101010101u) & ~word & 0x8080808080808080u);
}

bool gm_utf8_valid(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t step = len - at >= 8 && plain(text + at) ? 8 : text[at] ? gm_utf8_length(text + at, len - at) : 0;
        if (!step) return false;
        at += step;
    }
    return true;
}
