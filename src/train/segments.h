/* segments.h - a loop over rows, cut at fixed places, run by a few threads.
 *
 * The cuts depend on the number of rows only and every segment writes a result of its own, which the caller adds up in order: so sums
 * have the same bits with any number of threads.
 */
#ifndef GM_TRAIN_SEGMENTS_H
#define GM_TRAIN_SEGMENTS_H

#include <stdint.h>

enum { GM_SEGMENTS_MAX = 32, GM_SEGMENT_ROWS_MIN = 2048, GM_SEGMENT_THREADS_MAX = 64 };

/* How many segments `rows` are cut into, 1 .. most. */
int64_t gm_segments_count(int64_t rows, int64_t most);
/* First row of a segment; segment = count gives `rows`. */
int64_t gm_segment_begin(int64_t rows, int64_t count, int64_t segment);

/* Call fn(ctx, segment) once for each segment, from up to `threads` threads, this one among them; returns when all are done. A thread that
 * cannot be started is done without. */
void gm_segments_run(int64_t count, int64_t threads, void (*fn)(void *ctx, int64_t segment), void *ctx);

#endif
