/* predlog_seal.c - raw segments to Parquet, and retention.
 *
 * A segment is first written whole as Parquet, a file per version, synced, and then removed: as long as the segment is there its Parquet files do
 * not count (readers skip them), and writing them again gives the same names. So a kill at any moment loses nothing and doubles nothing. The same
 * holds for the profiles of its hours, which are written just before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "data/engine.h"
#include "serve/predlog_format.h"
#include "serve/predlog_internal.h"

/* ---- what is there --------------------------------------------------------------------------------------------------------- */

typedef struct listing {
    gm_predlog_file *items;
    size_t count, capacity;
} listing;

static gm_rc add_file(listing *l, const char *path, const char *segment, size_t segment_len, gm_arena *a, gm_predlog_file **out, gm_err *err)
{
    struct stat st;
    if (l->count == l->capacity) {
        size_t capacity = l->capacity ? l->capacity * 2 : 64;
        gm_predlog_file *items = GM_ARENA_ARRAY(a, gm_predlog_file, capacity);
        if (!items) return gm_err_set(err, GM_ENOMEM, "not enough memory to list the prediction log");
        if (l->count) memcpy(items, l->items, l->count * sizeof(*items));
        l->items = items;
        l->capacity = capacity;
    }
    gm_predlog_file *f = &l->items[l->count++];
    *f = (gm_predlog_file){ .path = path, .segment = gm_arena_strndup(a, segment, segment_len), .size_bytes = stat(path, &st) ? 0 : st.st_size };
    if (!f->path || !f->segment) return gm_err_set(err, GM_ENOMEM, "not enough memory to list the prediction log");
    *out = f;
    return GM_OK;
}

/* Names in a folder; none when it is not there. */
static gm_rc list(const char *dir, gm_arena *a, const char ***out_names, size_t *out_count, gm_err *err)
{
    *out_count = 0;
    return gm_fs_is_dir(dir) ? gm_fs_list(dir, a, out_names, out_count, err) : GM_OK;
}

gm_rc gm_predlog_segments(const char *dir, gm_arena *a, gm_predlog_file **out, size_t *out_count, gm_err *err)
{
    listing l = { 0 };
    const char **names = NULL, *raw = gm_path_join(a, dir, GM_PREDLOG_RAW);
    size_t count = 0;
    gm_rc rc = raw ? list(raw, a, &names, &count, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to list the prediction log");
    for (size_t i = 0; !rc && i < count; i++) {
        gm_predlog_file *f = NULL;
        bool open = gm_path_ends(names[i], ".open");
        if (!open && !gm_path_ends(names[i], ".seg")) continue;
        rc = add_file(&l, gm_path_join(a, raw, names[i]), names[i], strlen(names[i]) - (open ? 5 : 4), a, &f, err);
        if (!rc) f->open = open;
    }
    *out = l.items;
    *out_count = l.count;
    return rc;
}

/* <first>-<last>-<segment>-<number>.parquet; the segment has a hyphen in it. */
static bool parse_name(const char *name, int64_t *first, int64_t *last, const char **segment, size_t *segment_len)
{
    int at = 0;
    if (!gm_path_ends(name, ".parquet") || sscanf(name, "%" SCNd64 "-%" SCNd64 "-%n", first, last, &at) < 2 || !at) return false;
    const char *end = strrchr(name, '-');
    *segment = name + at;
    *segment_len = end && end > *segment ? (size_t)(end - *segment) : 0;
    return *segment_len > 0;
}

static gm_rc list_version(const char *dir, listing *l, gm_arena *a, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0;
    gm_rc rc = list(dir, a, &names, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        gm_predlog_file *f = NULL;
        int64_t first = 0, last = 0;
        const char *segment = NULL;
        size_t segment_len = 0;
        if (!parse_name(names[i], &first, &last, &segment, &segment_len)) continue;
        rc = add_file(l, gm_path_join(a, dir, names[i]), segment, segment_len, a, &f, err);
        if (rc) return rc;
        f->first_us = first;
        f->last_us = last;
    }
    return rc;
}

static int by_time(const void *x, const void *y)
{
    const gm_predlog_file *a = x, *b = y;
    if (a->last_us != b->last_us) return a->last_us < b->last_us ? -1 : 1;
    return strcmp(a->path, b->path);
}

gm_rc gm_predlog_sealed(const char *dir, gm_arena *a, gm_predlog_file **out, size_t *out_count, gm_err *err)
{
    listing l = { 0 };
    const char **models = NULL, **versions = NULL, *sealed = gm_path_join(a, dir, GM_PREDLOG_SEALED);
    size_t models_count = 0, versions_count = 0;
    gm_rc rc = sealed ? list(sealed, a, &models, &models_count, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to list the prediction log");
    for (size_t i = 0; !rc && i < models_count; i++) {
        const char *model = gm_path_join(a, sealed, models[i]);
        rc = list(model, a, &versions, &versions_count, err);
        for (size_t k = 0; !rc && k < versions_count; k++) rc = list_version(gm_path_join(a, model, versions[k]), &l, a, err);
    }
    if (l.count) qsort(l.items, l.count, sizeof(*l.items), by_time);
    *out = l.items;
    *out_count = l.count;
    return rc;
}

/* ---- sealing --------------------------------------------------------------------------------------------------------------- */

char *gm_predlog_folder(const char *name, gm_arena *a)
{
    char *text = gm_arena_strdup(a, name[0] ? name : "_");
    for (char *at = text; at && *at; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || *at == '-' || *at == '_';
        if (!plain && !(*at == '.' && at != text)) *at = '_';
    }
    return text;
}

static gm_rc write_part(gm_engine *e, const char *dir, const char *segment, size_t number, const gm_predlog_part *p, gm_arena *a, gm_err *err)
{
    const char *model = gm_predlog_folder(p->model, a), *version = gm_predlog_folder(p->version, a);
    const char *folder = model && version ? gm_arena_printf(a, "%s/%s/%s/%s", dir, GM_PREDLOG_SEALED, model, version) : NULL;
    const char *path = folder ? gm_arena_printf(a, "%s/%016" PRId64 "-%016" PRId64 "-%s-%zu.parquet", folder, p->first_us, p->last_us, segment, number) : NULL;
    if (!path) return gm_err_set(err, GM_ENOMEM, "not enough memory to seal the prediction log");
    gm_rc rc = gm_predlog_profiles_write(dir, segment, number, p, a, err);
    if (!rc) rc = gm_fs_mkdirs(folder, err);
    if (!rc) rc = gm_data_write(e, &p->table, path, err); /* syncs the file and its folder */
    if (!rc) rc = gm_fs_sync_dir(gm_path_join(a, folder, ".."), err);
    if (!rc) rc = gm_fs_sync_dir(gm_path_join(a, folder, "../.."), err);
    return rc ? rc : gm_fs_sync_dir(dir, err);
}

static gm_rc seal_segment(gm_engine *e, const char *dir, const gm_predlog_file *f, gm_err *err)
{
    gm_arena *a = gm_arena_new(0);
    gm_predlog_parts parts = { 0 };
    const gm_predlog_filter all = { .row = -1 };
    gm_rc rc = a ? gm_predlog_decode(f->path, &all, a, &parts, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to seal the prediction log");
    for (size_t i = 0; !rc && i < parts.count; i++) rc = write_part(e, dir, f->segment, i, &parts.items[i], a, err);
    int fault = rc ? 0 : gm_fault("predlog.remove");
    if (!rc && (fault || unlink(f->path))) rc = gm_err_errno(err, fault ? fault : errno, "remove", f->path);
    gm_arena_free(a);
    return gm_err_ctx(err, rc, "sealing \"%s\"", f->path);
}

/* An open segment whose server is gone is a sealed one: the lock tells. */
static bool is_over(gm_predlog_file *f, gm_arena *a)
{
    if (!f->open) return true;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    bool over = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (over) {
        const char *sealed = gm_arena_printf(a, "%.*s.seg", (int)(strlen(f->path) - strlen(".open")), f->path);
        over = sealed && rename(f->path, sealed) == 0; /* else its server sealed it just now, and the next look takes it */
        if (over) f->path = sealed;
    }
    if (fd >= 0) (void)close(fd);
    return over;
}

/* Names that a server did not come to use. */
static void remove_unborn(const char *raw, gm_arena *a)
{
    const char **names = NULL;
    size_t count = 0;
    if (list(raw, a, &names, &count, NULL)) return;
    for (size_t i = 0; i < count; i++) {
        const char *path = gm_path_ends(names[i], ".open.new") ? gm_path_join(a, raw, names[i]) : NULL;
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        struct stat st;
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_mtime < gm_now_us() / 1000000 - 60 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            (void)unlink(path); /* holds no record */
        if (fd >= 0) (void)close(fd);
    }
}

static gm_rc retain(const char *dir, int64_t keep_days, int64_t keep_bytes, gm_arena *a, gm_err *err)
{
    gm_predlog_file *files = NULL;
    size_t count = 0, gone = 0;
    int64_t total = 0, oldest = gm_now_us() - keep_days * 86400 * 1000000;
    gm_rc rc = gm_predlog_sealed(dir, a, &files, &count, err);
    for (size_t i = 0; !rc && i < count; i++) total += files[i].size_bytes;
    for (size_t i = 0; !rc && i < count && (files[i].last_us < oldest || total > keep_bytes); i++) {
        total -= files[i].size_bytes;
        gone++;
    }
    if (rc) return rc;
    /* Profiles first: killed in between, the Parquet file is still counted, and goes the next time. */
    rc = gm_predlog_profiles_retain(dir, oldest, files, gone, a, err);
    for (size_t i = 0; !rc && i < gone; i++)
        if (unlink(files[i].path) && errno != ENOENT) rc = gm_err_errno(err, errno, "remove", files[i].path);
    return rc;
}

static gm_rc seal_all(const char *dir, gm_arena *a, int64_t *out_files, gm_err *err)
{
    gm_predlog_file *files = NULL;
    gm_engine *e = NULL;
    size_t count = 0;
    gm_rc rc = gm_predlog_segments(dir, a, &files, &count, err);
    for (size_t i = 0; !rc && i < count; i++) {
        if (!is_over(&files[i], a)) continue;
        if (!e) rc = gm_engine_open(&(gm_engine_options){ .threads = 1 }, &e, err);
        if (!rc) rc = seal_segment(e, dir, &files[i], err);
        if (!rc) (*out_files)++;
    }
    gm_engine_close(e);
    return rc;
}

gm_rc gm_predlog_seal(const char *dir, int64_t keep_days, int64_t keep_bytes, int64_t *out_files, gm_err *err)
{
    int64_t sealed = 0;
    if (!gm_fs_is_dir(dir)) return gm_err_set(err, GM_ENOTFOUND, "there is no prediction log in \"%s\"", dir);
    gm_arena *a = gm_arena_new(0);
    const char *lock = a ? gm_path_join(a, dir, "seal.lock") : NULL;
    if (!lock) {
        gm_arena_free(a);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to seal the prediction log");
    }
    gm_rc rc = GM_OK;
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) rc = gm_err_errno(err, errno, "open", lock);
    else if (flock(fd, LOCK_EX | LOCK_NB)) rc = gm_err_set(err, GM_ECONFLICT, "another process is sealing the prediction log");
    if (!rc) remove_unborn(gm_path_join(a, dir, GM_PREDLOG_RAW), a);
    if (!rc) rc = seal_all(dir, a, &sealed, err);
    if (!rc) rc = retain(dir, keep_days ? keep_days : 30, keep_bytes ? keep_bytes : (int64_t)10 << 30, a, err);
    if (fd >= 0) (void)close(fd);
    gm_arena_free(a);
    if (!rc) *out_files = sealed;
    return rc;
}
