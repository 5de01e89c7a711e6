/* predlog_profile.c - what the log can say of itself without its rows being read. See predlog.h. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "serve/predlog_internal.h"

/* A lane's buffer may go to a segment that was begun a little later. */
#define BUFFERED_US (INT64_C(60) * 1000000)

gm_rc gm_predlog_extent(const char *dir, int64_t *out_first_us, int64_t *out_last_us, gm_err *err)
{
    gm_predlog_file *segments = NULL, *sealed = NULL;
    size_t segments_count = 0, sealed_count = 0;
    gm_predlog_parts parts = { 0 };
    gm_arena *a = gm_arena_new(0);
    if (!a) return gm_err_set(err, GM_ENOMEM, "not enough memory to list the prediction log");
    gm_rc rc = gm_predlog_segments(dir, a, &segments, &segments_count, err);
    if (!rc) rc = gm_predlog_sealed(dir, a, &sealed, &sealed_count, err);
    for (size_t i = 0; !rc && i < segments_count; i++) {
        int64_t begun = 0;
        if (sscanf(segments[i].segment, "%" SCNd64, &begun) == 1 && begun > BUFFERED_US) gm_predlog_parts_saw(&parts, begun - BUFFERED_US, gm_now_us());
    }
    for (size_t i = 0; !rc && i < sealed_count; i++) gm_predlog_parts_saw(&parts, sealed[i].first_us, sealed[i].last_us);
    gm_arena_free(a);
    if (rc) return rc;
    *out_first_us = parts.first_us;
    *out_last_us = parts.last_us;
    return GM_OK;
}
