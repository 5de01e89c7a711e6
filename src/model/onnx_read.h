/* onnx_read.h - somebody else's ONNX file as protobuf-c's structures; for the files of this room that look into one. */
#ifndef GM_MODEL_ONNX_READ_H
#define GM_MODEL_ONNX_READ_H

#include "base/err.h"
#include "onnx-ml.pb-c.h"

/* The model, whose graph is there; onnx__model_proto__free_unpacked(m, NULL) gives it back. Errors: GM_EINVALID (no ONNX file;
 * messages nested too deeply). */
gm_rc gm_onnx_unpack(const void *bytes, size_t len, Onnx__ModelProto **out, gm_err *err);

#endif
