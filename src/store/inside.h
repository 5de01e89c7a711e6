/* inside.h - opening files inside the store, where a symbolic link may have been planted.
 *
 * Paths are relative to an opened folder; no part of them may be a link or lead out of it. Files are regular files only: a FIFO or a
 * device is refused without blocking.
 */
#ifndef GM_STORE_INSIDE_H
#define GM_STORE_INSIDE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/* Like openat with O_CLOEXEC and O_NONBLOCK; -1 and errno (ELOOP for a link, EXDEV for a way out). */
int gm_inside_open(int dir_fd, const char *path, int flags, mode_t mode);
/* A folder inside, made when absent unless read_only. Errors: GM_ENOTFOUND, GM_ECORRUPT (a link, or no folder), GM_EIO. */
gm_rc gm_inside_dir(int dir_fd, const char *name, bool read_only, int *out_fd, gm_err *err);
/* A regular file for reading and its size. Errors: GM_ENOTFOUND, GM_ECORRUPT (a link, or no regular file), GM_EIO. */
gm_rc gm_inside_file(int dir_fd, const char *path, int *out_fd, int64_t *out_size, gm_err *err);
/* Turn errno of the above into an error about path. */
gm_rc gm_inside_error(gm_err *err, int errnum, const char *verb, const char *path);

/* Whole reads and writes at an offset; false and errno on failure (EIO when the file ends too early). Each write passes gm_fault. */
bool gm_inside_read_at(int fd, void *into, size_t len, int64_t offset);
bool gm_inside_write_at(int fd, const void *bytes, size_t len, int64_t offset, const char *fault_point);
/* fsync or fdatasync, passing gm_fault; false and errno. */
bool gm_inside_sync(int fd, const char *fault_point);

#endif
