/* predlog_format.c - see predlog_format.h.
 *
 *   CRC-32C: remainder of the message by 0x1edc6f41 over GF(2), bits reflected, register 0xffffffff before and inverted after
 *
 * Source   RFC 3720, appendix B.4
 * Checked  test_predlog: the four vectors given there, and both ways against each other
 */
#include "serve/predlog_format.h"

#include <string.h>

/* Remainders of the 16 nibbles. */
static const uint32_t nibbles[16] = { 0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                      0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75 };

static uint32_t plain(uint32_t crc, const unsigned char *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *at, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len; at++, len--) crc = __builtin_ia32_crc32qi(crc, *at);
    return crc;
}
#endif

uint32_t gm_crc32c(const void *bytes, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~by_instruction(UINT32_MAX, bytes, len);
#endif
    return ~plain(UINT32_MAX, bytes, len);
}
