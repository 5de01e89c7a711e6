/* target_write.c - see target_write.h.
 *
 * Invariants
 *  (1) nothing is named `out` before all of it is on the disk;
 *  (2) what a platform parses holds only texts that were checked or quoted here.
 */
#include "serve/targets/target_write.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/package.h"

enum { NAME_MAX_LEN = 40, LABEL_MAX_LEN = 63, JSON_LIMIT = 4 << 20 };

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "not enough memory for a deployment");
}

/* ---- folders ------------------------------------------------------------------------------------------------------- */

static gm_rc is_free(const char *out, gm_err *err)
{
    struct stat st;
    if (!out || !out[0]) return gm_err_set(err, GM_EINVALID, "there is no place to write to");
    if (lstat(out, &st) != 0) return errno == ENOENT ? GM_OK : gm_err_errno(err, errno, "look at", out);
    gm_rc rc = gm_err_set(err, GM_ECONFLICT, "\"%s\" is there already", out);
    gm_err_hint(err, "Name another place with --out, or remove it first.");
    return rc;
}

static gm_rc make_parent(const char *path, gm_arena *a, gm_err *err)
{
    char *parent = gm_arena_strdup(a, path);
    if (!parent) return no_memory(err);
    char *slash = strrchr(parent, '/');
    if (!slash || slash == parent) return GM_OK;
    *slash = '\0';
    return gm_fs_mkdirs(parent, err);
}

gm_rc gm_stage_begin(const char *out, gm_arena *a, gm_stage *s, gm_err *err)
{
    gm_rc rc = is_free(out, err);
    if (rc) return rc;
    char *path = gm_arena_strdup(a, out);
    if (!path) return no_memory(err);
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--) path[len - 1] = '\0';
    char *dir = gm_arena_printf(a, "%s.XXXXXX", path);
    if (!dir) return no_memory(err);
    rc = make_parent(path, a, err);
    if (!rc && !mkdtemp(dir)) rc = gm_err_errno(err, errno, "make a folder beside", path);
    if (!rc) *s = (gm_stage){ .out = path, .dir = dir, .a = a };
    return rc;
}

/* The names in a folder and below are on the disk; the files' bytes are already. */
static gm_rc sync_folders(const char *dir, gm_arena *a, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0;
    gm_rc rc = gm_fs_list(dir, a, &names, &count, err);
    for (size_t i = 0; i < count && !rc; i++) {
        const char *path = gm_path_join(a, dir, names[i]);
        if (!path) return no_memory(err);
        if (gm_fs_is_dir(path)) rc = sync_folders(path, a, err);
    }
    return rc ? rc : gm_fs_sync_dir(dir, err);
}

/* rename() replaces an empty folder that came meanwhile, and nothing else. */
static gm_rc name_folder(const gm_stage *s, gm_err *err)
{
    if (chmod(s->dir, 0755) != 0) return gm_err_errno(err, errno, "open", s->dir);
    gm_rc rc = sync_folders(s->dir, s->a, err);
    if (!rc && rename(s->dir, s->out) != 0) rc = gm_err_errno(err, errno, "rename a folder to", s->out);
    return rc;
}

gm_rc gm_stage_end(const gm_stage *s, gm_rc rc, gm_err *err)
{
    if (!rc) rc = name_folder(s, err);
    if (rc) {
        (void)gm_fs_remove_tree(s->dir, NULL); /* already failing; nobody names it */
        return rc;
    }
    const char *slash = strrchr(s->out, '/'),
               *parent = slash ? gm_arena_strndup(s->a, s->out, slash == s->out ? 1 : (size_t)(slash - s->out)) : ".";
    return parent ? gm_fs_sync_dir(parent, err) : no_memory(err);
}

static gm_rc sync_file(const char *path, unsigned mode, gm_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gm_err_errno(err, errno, "open", path);
    gm_rc rc = fchmod(fd, mode) != 0 || fsync(fd) != 0 ? gm_err_errno(err, errno, "sync", path) : GM_OK;
    (void)close(fd);
    return rc;
}

gm_rc gm_stage_put(const gm_stage *s, const char *name, const void *bytes, size_t len, unsigned mode, gm_err *err)
{
    const char *path = gm_path_join(s->a, s->dir, name);
    gm_rc rc = path ? make_parent(path, s->a, err) : no_memory(err);
    if (!rc) rc = gm_fs_write(path, bytes, len, err);
    return rc ? rc : sync_file(path, mode, err);
}

gm_rc gm_stage_copy(const gm_stage *s, const char *from, const char *name, unsigned mode, gm_err *err)
{
    const char *path = gm_path_join(s->a, s->dir, name);
    gm_rc rc = path ? make_parent(path, s->a, err) : no_memory(err);
    if (!rc) rc = gm_fs_copy(from, path, false, err);
    return rc ? rc : sync_file(path, mode, err);
}

gm_rc gm_target_put(const char *out, const gm_buf *text, gm_err *err)
{
    gm_rc rc = text->failed ? no_memory(err) : is_free(out, err);
    gm_arena *a = rc ? NULL : gm_arena_new(0);
    if (!rc) rc = a ? make_parent(out, a, err) : no_memory(err);
    gm_arena_free(a);
    return rc ? rc : gm_fs_write_atomic(out, text->data, text->len, err);
}

/* ---- what goes there ----------------------------------------------------------------------------------------------- */

static gm_rc add(gm_target_files *f, gm_arena *a, const gm_target_file *file, gm_err *err)
{
    if (f->count == f->capacity) {
        size_t capacity = f->capacity ? f->capacity * 2 : 32;
        gm_target_file *more = GM_ARENA_ARRAY(a, gm_target_file, capacity);
        if (!more) return no_memory(err);
        if (f->count) memcpy(more, f->items, f->count * sizeof(*more));
        f->items = more;
        f->capacity = capacity;
    }
    f->items[f->count++] = *file;
    return GM_OK;
}

gm_rc gm_target_files_add(gm_target_files *f, gm_arena *a, const char *name, const char *path, unsigned mode, gm_err *err)
{
    if (!name || !path) return no_memory(err);
    return add(f, a, &(gm_target_file){ .name = name, .path = path, .mode = mode }, err);
}

gm_rc gm_target_files_bytes(gm_target_files *f, gm_arena *a, const char *name, const void *bytes, size_t len, unsigned mode,
                            gm_err *err)
{
    if (!name || !bytes) return no_memory(err);
    return add(f, a, &(gm_target_file){ .name = name, .bytes = bytes, .len = len, .mode = mode }, err);
}

gm_rc gm_stage_files(const gm_stage *s, const gm_target_files *f, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (size_t i = 0; i < f->count && !rc; i++) {
        const gm_target_file *file = &f->items[i];
        rc = file->path ? gm_stage_copy(s, file->path, file->name, file->mode, err)
                        : gm_stage_put(s, file->name, file->bytes, file->len, file->mode, err);
    }
    return rc;
}

static gm_rc read_json(const char *dir, const char *name, gm_arena *a, gm_node **out, gm_err *err)
{
    const char *path = gm_path_join(a, dir, name);
    gm_buf b = { 0 };
    gm_rc rc = path ? gm_fs_read(path, JSON_LIMIT, &b, err) : no_memory(err);
    if (!rc) rc = gm_json_read(gm_buf_str(&b), b.len, path, a, out, err);
    gm_buf_clear(&b);
    return rc;
}

/* A name that stays below the folder. */
static bool stays_below(const char *name)
{
    if (!name[0] || name[0] == '/') return false;
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0')) return false;
    }
    return true;
}

gm_rc gm_target_package(const char *package_dir, const char *prefix, gm_arena *a, gm_target_files *f, gm_err *err)
{
    gm_node *manifest = NULL;
    gm_rc rc = read_json(package_dir, GM_PACKAGE_MANIFEST, a, &manifest, err);
    if (rc) return gm_err_ctx(err, rc, "reading the package \"%s\"", package_dir);
    const gm_node *list = gm_node_get(manifest, "files");
    if (!list || list->kind != GM_NODE_SEQ)
        return gm_err_set(err, GM_ECORRUPT, GM_PACKAGE_MANIFEST " is not a package's manifest");
    for (size_t i = 0; i <= list->count && !rc; i++) {
        const char *name = i < list->count ? gm_node_str_or(list->items[i], "name", "") : GM_PACKAGE_MANIFEST;
        if (!stays_below(name))
            return gm_err_set(err, GM_ECORRUPT, GM_PACKAGE_MANIFEST " lists \"%.100s\", which is no file of a package", name);
        rc = gm_target_files_add(f, a, gm_path_join(a, prefix, name), gm_path_join(a, package_dir, name), 0644, err);
    }
    return rc;
}

gm_rc gm_target_library(const char *package_dir, gm_arena *a, const char **out_name, const char **out_path, gm_err *err)
{
    static const char *const name = "libonnxruntime.so";
    gm_node *schema = NULL;
    gm_rc rc = read_json(package_dir, "schema.json", a, &schema, err);
    if (rc) return gm_err_ctx(err, rc, "reading the package \"%s\"", package_dir);
    *out_name = *out_path = NULL;
    if (strcmp(gm_node_str_or(schema, "format", ""), "onnx") != 0) return GM_OK;
    const char *beside = gm_arena_printf(a, "%s/../lib/gristmill", gm_fs_program_dir());
    const char *dirs[] = { getenv("GRISTMILL_LIB_DIR"), beside, GM_BUILD_LIB_DIR }; /* in the order of gm_library_open */
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        const char *path = dirs[i] && dirs[i][0] ? gm_path_join(a, dirs[i], name) : NULL;
        if (!path || !gm_fs_exists(path)) continue;
        *out_name = name;
        *out_path = path;
        return GM_OK;
    }
    rc = gm_err_set(err, GM_EUNAVAILABLE, "the model needs the library \"%s\", which is not here", name);
    gm_err_hint(err, "`make build` fetches it; an installed program looks in ../lib/gristmill and in GRISTMILL_LIB_DIR.");
    return rc;
}

/* ---- names and texts ----------------------------------------------------------------------------------------------- */

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_dns_label(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > NAME_MAX_LEN || !is_lower(text[0]) || text[len - 1] == '-') return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower(text[i]) && !is_digit(text[i]) && text[i] != '-') return false;
    return true;
}

gm_rc gm_target_name(const char *given, const char *model, gm_arena *a, const char **out, gm_err *err)
{
    char made[NAME_MAX_LEN + 1] = "";
    size_t len = 0;
    for (const char *c = model; *c && len < NAME_MAX_LEN; c++) {
        char lower = (char)tolower((unsigned char)*c);
        if (is_lower(lower) || (is_digit(lower) && len > 0))
            made[len++] = lower;
        else if (len > 0 && made[len - 1] != '-') /* anything else parts words */
            made[len++] = '-';
    }
    while (len > 0 && made[len - 1] == '-') len--;
    made[len] = '\0';
    const char *name = given && given[0] ? given : len ? made : "model";
    if (!is_dns_label(name)) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "\"%.60s\" cannot be the name of a deployment", name);
        gm_err_hint(err, "Use at most %d of a-z, 0-9 and -, a letter first.", NAME_MAX_LEN);
        return rc;
    }
    *out = gm_arena_strdup(a, name);
    return *out ? GM_OK : no_memory(err);
}

const char *gm_target_label(const char *text, gm_arena *a)
{
    char *label = gm_arena_strndup(a, text, strlen(text) < LABEL_MAX_LEN ? strlen(text) : LABEL_MAX_LEN);
    if (!label) return NULL;
    for (char *c = label; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_' && *c != '.') *c = '-';
    size_t len = strlen(label);
    while (len > 0 && !isalnum((unsigned char)label[len - 1])) label[--len] = '\0'; /* ends must be letters or digits */
    while (*label && !isalnum((unsigned char)*label)) label++;
    return label;
}

gm_rc gm_target_image_name(const char *given, const gm_target_in *in, gm_arena *a, const char **out, gm_err *err)
{
    const char *name = NULL;
    gm_rc rc = GM_OK;
    if (given && given[0]) {
        for (const char *c = given; *c && !rc; c++)
            if (!isgraph((unsigned char)*c))
                rc = gm_err_set(err, GM_EINVALID, "\"%.100s\" cannot be the name of an image", given);
        *out = given;
        return rc;
    }
    rc = gm_target_name(NULL, in->model, a, &name, err);
    if (rc) return rc;
    const char *tag = in->version && in->version[0] ? gm_target_label(in->version, a) : gm_arena_strndup(a, in->digest.hex, 12);
    *out = tag ? gm_arena_printf(a, "%s:%s", name, tag) : NULL;
    return *out ? GM_OK : no_memory(err);
}

const char *gm_target_quoted(const char *text, gm_arena *a)
{
    gm_buf b = { 0 };
    gm_json j;
    gm_json_init(&j, &b, false);
    gm_json_str(&j, text);
    const char *quoted = b.failed ? NULL : gm_arena_strdup(a, gm_buf_str(&b));
    gm_buf_clear(&b);
    return quoted;
}

/* Digits, perhaps with a fraction; what follows them, or NULL. */
static const char *after_number(const char *text, double *out)
{
    char *end = NULL;
    if (!is_digit(text[0]) || strspn(text, "0123456789.") > 12) return NULL;
    *out = strtod(text, &end);
    return end == text + strspn(text, "0123456789.") && *out > 0 ? end : NULL;
}

gm_rc gm_target_cpu(const char *text, unsigned *out_loops, gm_err *err)
{
    double cores = 0;
    const char *unit = after_number(text, &cores);
    bool milli = unit && strcmp(unit, "m") == 0;
    if (!unit || (unit[0] && !milli) || cores > (milli ? 1e6 : 1e3)) {
        gm_rc rc = gm_err_set(err, GM_EINVALID, "cpu is \"%.40s\", expected processors", text);
        gm_err_hint(err, "Write 2, 0.5 or 500m.");
        return rc;
    }
    if (milli) cores /= 1000;
    unsigned whole = (unsigned)cores;
    *out_loops = whole + (cores > whole || whole == 0);
    return GM_OK;
}

gm_rc gm_target_memory(const char *text, gm_err *err)
{
    static const char *const units[] = { "", "K", "M", "G", "T", "Ki", "Mi", "Gi", "Ti" };
    double amount = 0;
    const char *unit = after_number(text, &amount);
    for (size_t i = 0; unit && i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(unit, units[i]) == 0) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "memory is \"%.40s\", expected a size", text);
    gm_err_hint(err, "Write 512Mi or 1Gi.");
    return rc;
}
