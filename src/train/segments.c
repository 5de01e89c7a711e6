/* segments.c - see segments.h. */
#include "train/segments.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct work {
    void (*fn)(void *, int64_t);
    void *ctx;
    int64_t count;
    atomic_int_fast64_t next;
} work;

int64_t gm_segments_count(int64_t rows, int64_t most)
{
    int64_t count = rows / GM_SEGMENT_ROWS_MIN;
    if (count > most) count = most;
    return count < 1 ? 1 : count;
}

int64_t gm_segment_begin(int64_t rows, int64_t count, int64_t segment) { return rows * segment / count; }

static void *take(void *opaque)
{
    work *w = opaque;
    for (int64_t s; (s = atomic_fetch_add(&w->next, 1)) < w->count;) w->fn(w->ctx, s);
    return NULL;
}

void gm_segments_run(int64_t count, int64_t threads, void (*fn)(void *ctx, int64_t segment), void *ctx)
{
    work w = { .fn = fn, .ctx = ctx, .count = count };
    pthread_t helpers[GM_SEGMENT_THREADS_MAX];
    int64_t started = 0, wanted = (threads < count ? threads : count) - 1;
    if (wanted > GM_SEGMENT_THREADS_MAX) wanted = GM_SEGMENT_THREADS_MAX;
    while (started < wanted && pthread_create(&helpers[started], NULL, take, &w) == 0) started++;
    (void)take(&w);
    for (int64_t i = 0; i < started; i++) (void)pthread_join(helpers[i], NULL); /* cannot fail: joinable and not ourselves */
}
