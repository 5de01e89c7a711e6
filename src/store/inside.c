/* inside.c - see inside.h: openat2 where the kernel has it, else part by part with O_NOFOLLOW. */
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"

/* Without openat2: each part is opened from the one before, and none may be a link or "..". */
static int open_by_parts(int dir_fd, const char *path, int flags, mode_t mode)
{
    int at = dir_fd;
    for (;;) {
        char part[256];
        size_t len = strcspn(path, "/");
        (void)snprintf(part, sizeof(part), "%.*s", (int)(len < sizeof(part) ? len : 0), path);
        if (part[0] == '\0' || strcmp(part, "..") == 0 || strcmp(part, ".") == 0) {
            if (at != dir_fd) (void)close(at);
            errno = EXDEV;
            return -1;
        }
        bool last = path[len] == '\0';
        int next = openat(at, part, last ? flags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, mode);
        int saved = errno;
        if (at != dir_fd) (void)close(at);
        errno = saved;
        if (next < 0 || last) return next;
        at = next;
        path += len + 1;
    }
}

int gm_inside_open(int dir_fd, const char *path, int flags, mode_t mode)
{
    flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    struct open_how how = { .flags = (unsigned)flags,
                            .mode = flags & O_CREAT ? mode : 0,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return (int)fd;
    return open_by_parts(dir_fd, path, flags, mode); /* an old kernel, or a filter that forbids the call */
}

gm_rc gm_inside_error(gm_err *err, int errnum, const char *verb, const char *path)
{
    if (errnum == ENOTDIR) return gm_err_set(err, GM_ECORRUPT, "\"%s\" in the store is no folder", path);
    if (errnum != ELOOP && errnum != EXDEV) return gm_err_errno(err, errnum, verb, path);
    gm_rc rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" in the store is a symbolic link", path);
    gm_err_hint(err, "A store holds no links: somebody put it there. Nothing behind it was read.");
    return rc;
}

gm_rc gm_inside_dir(int dir_fd, const char *name, bool read_only, int *out_fd, gm_err *err)
{
    if (!read_only && mkdirat(dir_fd, name, 0777) != 0 && errno != EEXIST) return gm_err_errno(err, errno, "make the folder", name);
    int fd = gm_inside_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return gm_inside_error(err, errno, "open the folder", name);
    *out_fd = fd;
    return GM_OK;
}

gm_rc gm_inside_file(int dir_fd, const char *path, int *out_fd, int64_t *out_size, gm_err *err)
{
    struct stat st;
    int fd = gm_inside_open(dir_fd, path, O_RDONLY, 0);
    if (fd < 0) return gm_inside_error(err, errno, "open", path);
    gm_rc rc = GM_OK;
    if (fstat(fd, &st) != 0) rc = gm_err_errno(err, errno, "look at", path);
    else if (!S_ISREG(st.st_mode)) rc = gm_err_set(err, GM_ECORRUPT, "\"%s\" in the store is no regular file", path);
    if (rc) {
        (void)close(fd);
        return rc;
    }
    *out_fd = fd;
    *out_size = st.st_size;
    return GM_OK;
}

bool gm_inside_read_at(int fd, void *into, size_t len, int64_t offset)
{
    char *at = into;
    while (len > 0) {
        ssize_t n = pread(fd, at, len, offset);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
        offset += n;
    }
    return true;
}

bool gm_inside_write_at(int fd, const void *bytes, size_t len, int64_t offset, const char *fault_point)
{
    int fault = gm_fault(fault_point);
    if (fault) {
        errno = fault;
        return false;
    }
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = pwrite(fd, at, len, offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        at += n;
        len -= (size_t)n;
        offset += n;
    }
    return true;
}

bool gm_inside_sync(int fd, const char *fault_point)
{
    int fault = gm_fault(fault_point);
    if (!fault) return fsync(fd) == 0;
    errno = fault;
    return false;
}
