/* ort_watch.h - runs of ONNX Runtime that take too long are stopped: one thread of the process looks at all that are under way.
 *
 * It is started with the first run and sleeps while nothing runs. The library stops between two nodes: a single node that
 * computes for hours is not reached.
 */
#ifndef GM_MODEL_ORT_WATCH_H
#define GM_MODEL_ORT_WATCH_H

#include "base/err.h"
#include "ort_slots.h"

typedef struct gm_ort_watch {
    ort_run_options *options; /* to be given to the run */
    int64_t limit_ms;
    int64_t due_us; /* of the monotonic clock */
    bool stopped;
    struct gm_ort_watch *next;
} gm_ort_watch;

/* Before a run; paired with _end, from any thread. After a call or two nothing is allocated. status: the library's refusal, for
 * the caller to release; else NULL. Errors: GM_ENOMEM (no thread, or no memory). */
gm_rc gm_ort_watch_begin(const gm_ort_api *api, int64_t limit_ms, gm_ort_watch **out, ort_status **status, gm_err *err);
/* Was the run stopped? The watch is taken back. */
bool gm_ort_watch_end(gm_ort_watch *w);

#endif
