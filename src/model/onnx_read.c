/* onnx_read.c - see onnx_read.h. */
#include "model/onnx_read.h"

enum { NESTING_MAX = 32 };

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

/* protobuf-c reads nested messages by recursion without a limit. False when they are nested too deeply; what is malformed it
 * finds itself. */
static bool shallow(const ProtobufCMessageDescriptor *d, const uint8_t *at, size_t len, int depth)
{
    const uint8_t *end = at + len;
    uint64_t tag = 0, size = 0;
    while (at < end && read_varint(&at, end, &tag)) {
        switch (tag & 7) {
        case 0:
            if (!read_varint(&at, end, &size)) return true;
            continue;
        case 1: size = 8; break;
        case 5: size = 4; break;
        case 2:
            if (!read_varint(&at, end, &size)) return true;
            break;
        default: return true;
        }
        if (size > (uint64_t)(end - at)) return true;
        const ProtobufCFieldDescriptor *f =
            (tag & 7) == 2 && tag >> 3 < UINT32_MAX ? protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3)) : NULL;
        if (f && f->type == PROTOBUF_C_TYPE_MESSAGE && (depth == NESTING_MAX || !shallow(f->descriptor, at, size, depth + 1)))
            return false;
        at += size;
    }
    return true;
}

gm_rc gm_onnx_unpack(const void *bytes, size_t len, Onnx__ModelProto **out, gm_err *err)
{
    if (!shallow(&onnx__model_proto__descriptor, bytes, len, 0))
        return gm_err_set(err, GM_EINVALID, "an ONNX file whose messages are nested more than %d deep", NESTING_MAX);
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, len, bytes);
    if (!m || !m->graph) {
        onnx__model_proto__free_unpacked(m, NULL);
        return gm_err_set(err, GM_EINVALID, "this is not an ONNX file");
    }
    *out = m;
    return GM_OK;
}
