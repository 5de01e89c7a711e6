/* clock.h - time: one for people and records, one for measuring. */
#ifndef GM_BASE_CLOCK_H
#define GM_BASE_CLOCK_H

#include <stdint.h>

int64_t gm_now_us(void);       /* microseconds since 1970, UTC */
int64_t gm_monotonic_us(void); /* never goes back; for durations */
int64_t gm_cpu_us(void);       /* CPU time of this process */

#endif
