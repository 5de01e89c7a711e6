/* onnx_loops.h - may a graph that somebody else made run without end? */
#ifndef GM_MODEL_ONNX_LOOPS_H
#define GM_MODEL_ONNX_LOOPS_H

#include "base/err.h"

/* Does the file have a `Loop`, whatever its bound? Such a graph can be stopped between the nodes of the loop's body
 * (ort_watch.h), so that a body without nodes is refused, and one whose nodes an optimiser could remove must be run without it.
 * Errors: GM_EUNSUPPORTED (a loop that could not be stopped), GM_EINVALID, GM_EIO. A file without the word is not read further.
 */
gm_rc gm_onnx_loops(const char *path, bool *out_loops, gm_err *err);

#endif
