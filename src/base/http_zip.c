/* http_zip.c - gzip and deflate, by zlib. The state of a loop or worker is made at its first use and kept. */
#include <stdlib.h>
#include <zlib.h>

#include "base/http_internal.h"

enum { STEP = 16 << 10, ANY_WRAPPER = 15 + 32, GZIP_WRAPPER = 15 + 16, MEMORY_LEVEL = 8 };

struct gm_http_zip {
    z_stream in, out;
    bool has_in, has_out;
    unsigned char step[STEP];
};

gm_http_zip *gm_http_zip_new(void)
{
    return calloc(1, sizeof(gm_http_zip));
}

void gm_http_zip_free(gm_http_zip *z)
{
    if (!z) return;
    if (z->has_in) (void)inflateEnd(&z->in);
    if (z->has_out) (void)deflateEnd(&z->out);
    free(z);
}

/* Ready for a new stream; the input set. */
static bool begin(z_stream *s, bool *has, bool inflating, gm_slice in)
{
    if (!*has) {
        *s = (z_stream){ 0 };
        int rc = inflating ? inflateInit2(s, ANY_WRAPPER)
                           : deflateInit2(s, Z_BEST_SPEED, Z_DEFLATED, GZIP_WRAPPER, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
        if (rc != Z_OK) return false;
        *has = true;
    } else if ((inflating ? inflateReset(s) : deflateReset(s)) != Z_OK) {
        return false;
    }
    union {
        const char *from;
        Bytef *to;
    } input = { .from = in.data }; /* zlib only reads it */
    s->next_in = input.to;
    s->avail_in = (uInt)in.len;
    return true;
}

int gm_http_zip_inflate(gm_http_zip *z, gm_slice in, size_t limit, gm_buf *out)
{
    int rc = Z_OK;
    size_t begun = out->len;
    if (in.len > UINT32_MAX) return 413;
    if (!begin(&z->in, &z->has_in, true, in)) return 503;
    while (rc == Z_OK) {
        z->in.next_out = z->step;
        z->in.avail_out = STEP;
        rc = inflate(&z->in, Z_NO_FLUSH);
        size_t got = STEP - z->in.avail_out;
        if (got > limit - (out->len - begun)) return 413;
        gm_buf_add(out, z->step, got);
        if (out->failed || rc == Z_MEM_ERROR) return 503;
    }
    return rc == Z_STREAM_END && z->in.avail_in == 0 ? 0 : 400; /* Z_BUF_ERROR: it ends too early */
}

bool gm_http_zip_gzip(gm_http_zip *z, gm_slice in, gm_buf *out)
{
    int rc = Z_OK;
    if (in.len > UINT32_MAX || !begin(&z->out, &z->has_out, false, in)) return false;
    while (rc == Z_OK) {
        z->out.next_out = z->step;
        z->out.avail_out = STEP;
        rc = deflate(&z->out, Z_FINISH);
        gm_buf_add(out, z->step, STEP - z->out.avail_out);
    }
    return rc == Z_STREAM_END && !out->failed;
}
