/* fault.c - failing and dying on purpose, so that tests can visit every moment at which a disk may fail or the power go.
 *
 * GRISTMILL_FAULT=kill:N ends the process by SIGKILL at the N-th point it passes; fail:N makes that operation fail with EIO
 * (ENOSPC for `full:N`). kill:N@PREFIX counts only points whose names begin so. GRISTMILL_FAULT_LOG=FILE appends "pid point" for
 * each point passed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

static atomic_long passed;

static void log_point(const char *file, const char *point)
{
    char line[128];
    int len = snprintf(line, sizeof(line), "%ld %s\n", (long)getpid(), point);
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return;
    ssize_t n = write(fd, line, (size_t)len);
    (void)n; /* a test's log; losing a line only weakens the test's own count */
    (void)close(fd);
}

int gm_fault(const char *point)
{
    const char *file = getenv("GRISTMILL_FAULT_LOG"), *armed = getenv("GRISTMILL_FAULT");
    if (file) log_point(file, point);
    if (!armed) return 0;
    const char *colon = strchr(armed, ':'), *at = strchr(armed, '@');
    if (at && strncmp(point, at + 1, strlen(at + 1)) != 0) return 0;
    long wanted = colon ? strtol(colon + 1, NULL, 10) : 0;
    if (atomic_fetch_add(&passed, 1) + 1 != wanted) return 0;
    if (strncmp(armed, "kill:", 5) == 0) (void)raise(SIGKILL);
    return strncmp(armed, "full:", 5) == 0 ? ENOSPC : EIO;
}
