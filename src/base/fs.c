/* fs.c - see fs.h. */
#include "base/fs.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

gm_rc gm_fs_read(const char *path, size_t limit_bytes, gm_buf *b, gm_err *err)
{
    size_t limit = limit_bytes ? limit_bytes : (size_t)1 << 30, start = b->len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "open", path);
    gm_rc rc = GM_OK;
    struct stat st;
    char chunk[1 << 14];
    if (fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof(chunk) && (size_t)st.st_size <= limit) gm_buf_reserve(b, (size_t)st.st_size);
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = gm_err_errno(err, errno, "read", path);
        if (n <= 0) break;
        if (b->len - start + (size_t)n > limit) {
            rc = gm_err_set(err, GM_EINVALID, "\"%s\" is larger than %zu bytes", path, limit);
            break;
        }
        gm_buf_add(b, chunk, (size_t)n);
    }
    (void)close(fd);
    if (!rc && b->failed) rc = gm_err_set(err, GM_ENOMEM, "not enough memory to read \"%s\"", path);
    return rc;
}

static gm_rc write_all(int fd, const char *path, const char *bytes, size_t len, gm_err *err)
{
    while (len > 0) {
        int fault = gm_fault("fs.write");
        ssize_t n = fault ? (errno = fault, -1) : write(fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return gm_err_errno(err, errno, "write", path);
        bytes += n;
        len -= (size_t)n;
    }
    return GM_OK;
}

gm_rc gm_fs_write(const char *path, const void *bytes, size_t len, gm_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return gm_err_errno(err, errno, "create", path);
    gm_rc rc = write_all(fd, path, bytes, len, err);
    if (close(fd) != 0 && !rc) rc = gm_err_errno(err, errno, "write", path);
    return rc;
}

gm_rc gm_fs_sync_dir(const char *path, gm_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "open", path);
    int fault = gm_fault("fs.sync_dir");
    gm_rc rc = fault || fsync(fd) != 0 ? gm_err_errno(err, fault ? fault : errno, "sync", path) : GM_OK;
    (void)close(fd);
    return rc;
}

gm_rc gm_fs_write_atomic(const char *path, const void *bytes, size_t len, gm_err *err)
{
    char tmp[PATH_MAX], dir[PATH_MAX];
    if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
        return gm_err_set(err, GM_EINVALID, "the path \"%.100s...\" is too long", path);
    (void)snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = '\0';

    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "create a file beside", path);
    bool named = false;
    gm_rc rc = write_all(fd, path, bytes, len, err);
    int fault = rc ? 0 : gm_fault("fs.sync");
    if (!rc && (fault || fchmod(fd, 0644) != 0 || fsync(fd) != 0)) rc = gm_err_errno(err, fault ? fault : errno, "sync", path);
    if (close(fd) != 0 && !rc) rc = gm_err_errno(err, errno, "write", path);
    if (!rc) {
        fault = gm_fault("fs.rename");
        if (fault || rename(tmp, path) != 0)
            rc = gm_err_errno(err, fault ? fault : errno, "rename a file to", path);
        else
            named = true;
    }
    if (!named) (void)unlink(tmp); /* already failing; nobody names it */
    return rc ? rc : gm_fs_sync_dir(slash ? dir : ".", err);
}

gm_rc gm_fs_mkdirs(const char *path, gm_err *err)
{
    char part[PATH_MAX];
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && gm_fs_is_dir(path))) return GM_OK; /* the usual cases: at most the last part is missing */
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(part)) return gm_err_set(err, GM_EINVALID, "the path \"%.100s\" is empty or too long", path);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) return gm_err_errno(err, errno, "make the folder", part);
        part[i] = kept;
    }
    return gm_fs_is_dir(path) ? GM_OK : gm_err_errno(err, ENOTDIR, "make the folder", path);
}

static int remove_at(int dir, const char *name)
{
    if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0; /* an empty folder */
    if (errno == ENOTDIR) return unlinkat(dir, name, 0);
    if (errno != ENOTEMPTY && errno != EEXIST) return -1;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    DIR *entries = fdopendir(fd);
    if (!entries) {
        (void)close(fd);
        return -1;
    }
    int result = 0;
    for (struct dirent *e; result == 0 && (e = readdir(entries));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) result = remove_at(fd, e->d_name);
    (void)closedir(entries);
    return result == 0 ? unlinkat(dir, name, AT_REMOVEDIR) : result;
}

gm_rc gm_fs_remove_tree(const char *path, gm_err *err)
{
    return remove_at(AT_FDCWD, path) == 0 ? GM_OK : gm_err_errno(err, errno, "remove", path);
}

bool gm_fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool gm_fs_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

gm_rc gm_fs_copy(const char *from, const char *to, bool sync, gm_err *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) return gm_err_errno(err, errno, "open", from);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out < 0) {
        gm_rc failed = gm_err_errno(err, errno, "create", to);
        (void)close(in);
        return failed;
    }
    gm_rc rc = GM_OK;
    if (ioctl(out, FICLONE, in) != 0) { /* no reflink here: copy in the kernel, else by hand */
        for (ssize_t n; !rc && (n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0)) != 0;) {
            if (n > 0) continue;
            if (errno == EINTR) continue;
            if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
                rc = gm_err_errno(err, errno, "write", to);
                break;
            }
            char chunk[1 << 16];
            while (!rc && (n = read(in, chunk, sizeof(chunk))) > 0) rc = write_all(out, to, chunk, (size_t)n, err);
            if (!rc && n < 0) rc = gm_err_errno(err, errno, "read", from);
            break;
        }
    }
    if (!rc && sync && fsync(out) != 0) rc = gm_err_errno(err, errno, "sync", to);
    (void)close(in);
    if (close(out) != 0 && !rc) rc = gm_err_errno(err, errno, "write", to);
    return rc;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

gm_rc gm_fs_list(const char *path, gm_arena *a, const char ***out_names, size_t *out_count, gm_err *err)
{
    DIR *dir = opendir(path);
    if (!dir) return gm_err_errno(err, errno, "open the folder", path);
    size_t count = 0, capacity = 64;
    const char **names = GM_ARENA_ARRAY(a, const char *, capacity);
    for (struct dirent *e; names && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (count == capacity) {
            const char **more = GM_ARENA_ARRAY(a, const char *, capacity * 2);
            if (more) memcpy(more, names, count * sizeof(*names));
            names = more;
            capacity *= 2;
            if (!names) break;
        }
        names[count] = gm_arena_strdup(a, e->d_name);
        if (!names[count++]) names = NULL;
    }
    (void)closedir(dir);
    if (!names) return gm_err_set(err, GM_ENOMEM, "not enough memory to list \"%s\"", path);
    qsort(names, count, sizeof(*names), by_name);
    *out_names = names;
    *out_count = count;
    return GM_OK;
}

char *gm_path_join(gm_arena *a, const char *dir, const char *name)
{
    if (name[0] == '/' || dir[0] == '\0' || strcmp(dir, ".") == 0) return gm_arena_strdup(a, name);
    size_t dir_len = strlen(dir), name_len = strlen(name);
    char *path = gm_arena_alloc(a, dir_len + name_len + 2, 1); /* by hand: folders of many files are joined name by name */
    if (!path) return NULL;
    memcpy(path, dir, dir_len);
    if (path[dir_len - 1] != '/') path[dir_len++] = '/';
    memcpy(path + dir_len, name, name_len + 1);
    return path;
}

bool gm_path_ends(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

const char *gm_fs_program_dir(void)
{
    static char dir[PATH_MAX];
    if (dir[0]) return dir;
    ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
    dir[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = '\0';
    return dir;
}

/* Functions are resolved when first called: a step uses few of the 25,000 that DuckDB's library refers to, and starts 13 ms
 * earlier. */
gm_rc gm_library_open(const char *file_name, void **out_handle, gm_err *err)
{
    const char *dirs[] = { getenv("GRISTMILL_LIB_DIR"), "", GM_BUILD_LIB_DIR };
    char path[PATH_MAX], installed[PATH_MAX];
    (void)snprintf(installed, sizeof(installed), "%.*s/../lib/gristmill", PATH_MAX - 32, gm_fs_program_dir());
    dirs[1] = installed;
    void *handle = NULL;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !handle; i++) {
        if (!dirs[i] || !dirs[i][0]) continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dirs[i], file_name);
        if (gm_fs_exists(path)) handle = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    }
    if (!handle) handle = dlopen(file_name, RTLD_LAZY | RTLD_LOCAL);
    if (!handle) {
        gm_rc rc = gm_err_set(err, GM_EUNAVAILABLE, "could not load the library \"%s\": %s", file_name, dlerror());
        gm_err_hint(err, "`make build` fetches it; an installed program looks in ../lib/gristmill and in GRISTMILL_LIB_DIR.");
        return rc;
    }
    *out_handle = handle;
    return GM_OK;
}

gm_rc gm_library_symbol(void *handle, const char *name, void **out_symbol, gm_err *err)
{
    void *symbol = dlsym(handle, name);
    if (!symbol) return gm_err_set(err, GM_EUNAVAILABLE, "the library has no function \"%s\": %s", name, dlerror());
    *out_symbol = symbol;
    return GM_OK;
}
