/* clock.c - see clock.h. */
#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t gm_now_us(void)
{
    return read_clock(CLOCK_REALTIME);
}
int64_t gm_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}
int64_t gm_cpu_us(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}
