/* cpus.h - how many threads are worth starting here. */
#ifndef GM_BASE_CPUS_H
#define GM_BASE_CPUS_H

/* Processors that this process may run on, no more than its control group's share (cgroup v2 cpu.max of any group above it, or v1's quota)
 * rounded up; at least 1. A container given 2 of a host's 64 processors gets 2. */
unsigned gm_cpus(void);

#endif
