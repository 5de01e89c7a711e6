/* cpus.c - see cpus.h. */
#include "base/cpus.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Processors that one control group allows; 0 = no limit stated. */
static double group_share(const char *dir)
{
    char path[640];
    double quota = 0, period = 0;
    (void)snprintf(path, sizeof(path), "%s/cpu.max", dir);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    int found = fscanf(f, "%lf %lf", &quota, &period); /* "max 100000" has no number */
    fclose(f);
    return found == 2 && period > 0 ? quota / period : 0;
}

static double group_share_v1(void)
{
    double values[2] = { 0, 0 };
    static const char *const files[2] = { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us" };
    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(files[i], "re");
        if (!f) return 0;
        if (fscanf(f, "%lf", &values[i]) != 1) values[i] = 0;
        fclose(f);
    }
    return values[0] > 0 && values[1] > 0 ? values[0] / values[1] : 0;
}

/* The least share of this process's group and of all above it. */
static double least_share(void)
{
    char line[512], dir[576] = "/sys/fs/cgroup";
    double least = group_share_v1();
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(dir, sizeof(dir), "/sys/fs/cgroup%s", line + 3);
        }
    if (f) fclose(f);
    for (size_t top = strlen("/sys/fs/cgroup"); strlen(dir) >= top;) {
        double share = group_share(dir);
        if (share > 0 && (least <= 0 || share < least)) least = share;
        char *slash = strrchr(dir, '/');
        *slash = '\0';
    }
    return least;
}

unsigned gm_cpus(void)
{
    cpu_set_t set;
    long count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    double share = least_share();
    if (share > 0 && ceil(share) < (double)count) count = (long)ceil(share);
    return count > 1 ? (unsigned)count : 1;
}
