/* gzip.c - the one place of the targets that knows zlib; see tar.h. */
#include <limits.h>
#include <zlib.h>

#include "serve/targets/tar.h"

enum { WINDOW_OF_GZIP = 15 + 16, CHUNK = 1 << 16 };

gm_rc gm_gzip(const void *bytes, size_t len, gm_buf *out, gm_err *err)
{
    static const char *const no_memory = "not enough memory to compress";
    unsigned char chunk[CHUNK];
    z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes };
    if (deflateInit2(&z, 6, Z_DEFLATED, WINDOW_OF_GZIP, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return gm_err_set(err, GM_ENOMEM, "%s", no_memory);
    for (int state = Z_OK; state != Z_STREAM_END;) {
        uInt part = len < UINT_MAX / 2 ? (uInt)len : UINT_MAX / 2; /* zlib counts in int */
        if (z.avail_in == 0) {
            z.avail_in = part;
            len -= part;
        }
        z.next_out = chunk;
        z.avail_out = CHUNK;
        state = deflate(&z, len ? Z_NO_FLUSH : Z_FINISH);
        gm_buf_add(out, chunk, CHUNK - z.avail_out);
    }
    (void)deflateEnd(&z);
    return out->failed ? gm_err_set(err, GM_ENOMEM, "%s", no_memory) : GM_OK;
}
