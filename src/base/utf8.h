/* utf8.h - whether bytes are text in UTF-8 (RFC 3629: no overlong form, no surrogate, at most U+10FFFF). */
#ifndef GM_BASE_UTF8_H
#define GM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at text, 1 to 4; 0 when it is none. left: bytes until the text's end, at least 1; SIZE_MAX for one that ends in
 * NUL, with which no character continues. */
size_t gm_utf8_length(const void *text, size_t left);
/* Whether all of the bytes are UTF-8, without NUL. */
bool gm_utf8_valid(const char *text, size_t len);

#endif
