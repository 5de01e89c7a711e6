/* fs.h - files: whole or not at all. */
#ifndef GM_BASE_FS_H
#define GM_BASE_FS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* The whole file into b (appended). limit_bytes 0 = 1 GiB. Errors: GM_ENOTFOUND, GM_EIO, GM_EINVALID (too large). */
gm_rc gm_fs_read(const char *path, size_t limit_bytes, gm_buf *b, gm_err *err);
/* Write beside the target, sync, rename, sync the folder: readers see the old bytes or the new ones. */
gm_rc gm_fs_write_atomic(const char *path, const void *bytes, size_t len, gm_err *err);
/* Plain write without sync, for scratch files that a crash may lose. */
gm_rc gm_fs_write(const char *path, const void *bytes, size_t len, gm_err *err);
gm_rc gm_fs_mkdirs(const char *path, gm_err *err);      /* like mkdir -p */
gm_rc gm_fs_remove_tree(const char *path, gm_err *err); /* like rm -rf; does not follow links; absent is fine */
bool gm_fs_exists(const char *path);
bool gm_fs_is_dir(const char *path);
gm_rc gm_fs_sync_dir(const char *path, gm_err *err);
/* Copy a file's bytes: reflink where the file system can, else copy. sync: also fsync. */
gm_rc gm_fs_copy(const char *from, const char *to, bool sync, gm_err *err);
/* Names in a folder, sorted, without . and ..; in arena. */
gm_rc gm_fs_list(const char *path, gm_arena *a, const char ***out_names, size_t *out_count, gm_err *err);
/* "a/b" from "a" and "b"; b when it is absolute. In arena. */
char *gm_path_join(gm_arena *a, const char *dir, const char *name);
/* Whether a path ends with those letters: ".csv". */
bool gm_path_ends(const char *path, const char *end);
/* The folder of the running program, for libraries beside it. Static after the first call from main's thread. */
const char *gm_fs_program_dir(void);

/* dlopen one of the heavy libraries: beside the program (../lib/gristmill), then GRISTMILL_LIB_DIR, then the build's
 * deps folder, then the system's search path. Errors: GM_EUNAVAILABLE with the loader's reason. */
gm_rc gm_library_open(const char *file_name, void **out_handle, gm_err *err);
/* dlsym or GM_EUNAVAILABLE naming the symbol. */
gm_rc gm_library_symbol(void *handle, const char *name, void **out_symbol, gm_err *err);

/* Every fallible operation of fs and store passes here, so that tests can fail or kill the n-th one.
 * `point` names it ("blob.write"). Returns 0, or an errno to fail with. Armed by the environment:
 * GRISTMILL_FAULT=kill:N | fail:N | full:N, each with @PREFIX for points of that name only (N counts from 1 within the process),
 * GRISTMILL_FAULT_LOG=FILE appends the points passed. */
int gm_fault(const char *point);

#endif
