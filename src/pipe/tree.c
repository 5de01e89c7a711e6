/* tree.c - folders as artifacts: a manifest names the files by digest, and the manifest's own digest names the folder. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "model/package.h"
#include "pipe/run.h"

static gm_rc read_manifest(const char *text, size_t len, gm_arena *a, const gm_node **out_files, gm_err *err)
{
    gm_node *root = NULL;
    gm_rc rc = gm_json_read(text, len, "manifest.json", a, &root, err);
    if (rc) return gm_err_set(err, GM_ECORRUPT, "a manifest is not valid JSON");
    const gm_node *files = gm_node_get(root, "files");
    if (!files || files->kind != GM_NODE_SEQ) return gm_err_set(err, GM_ECORRUPT, "a manifest lists no files");
    *out_files = files;
    return GM_OK;
}

/* "model/model.json" is a name; "../x", "/x" and "" are not. */
static bool is_inside(const char *name)
{
    if (!name[0] || name[0] == '/') return false;
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0')) return false;
    }
    return true;
}

typedef enum tree_files { FILES_LINKED, FILES_VIEWED, FILES_SYNCED } tree_files;

enum { SMALL_BYTES = 64 << 10 };

/* One file of a tree: a link to the blob, or a copy of it. Small blobs share a pack and have no file of their own until one is made: to
 * be looked at once they are written where they are wanted. */
static gm_rc place_file(gm_store *store, const gm_digest *d, int64_t size, const char *path, bool wanted, tree_files how, gm_arena *a, gm_err *err)
{
    const char *blob = NULL;
    if (how == FILES_VIEWED && size >= 0 && size <= SMALL_BYTES) {
        void *bytes = NULL;
        size_t len = 0;
        gm_rc rc = gm_blob_get(store, d, a, &bytes, &len, err);
        if (rc || !wanted) return rc;
        if (unlink(path) && errno != ENOENT) return gm_err_errno(err, errno, "replace", path); /* what a link of an earlier time leads to stays as it is */
        return gm_fs_write(path, bytes, len, err);
    }
    gm_rc rc = how == FILES_VIEWED ? gm_blob_path_now(store, d, a, &blob, err) : gm_blob_path(store, d, a, &blob, err);
    if (rc || !wanted) return rc;
    if (how == FILES_SYNCED) return gm_fs_copy(blob, path, true, err);
    int failed = symlink(blob, path) ? errno : 0;
    if (failed == EEXIST) /* of an earlier time, maybe of another package */
        failed = (unlink(path) && errno != ENOENT) || symlink(blob, path) ? errno : 0;
    return failed ? gm_err_errno(err, failed, "link", path) : GM_OK;
}

static bool is_among(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

/* unread: names of files that are compared with their digests and not laid out; NULL: none. */
static gm_rc write_tree(gm_store *store, const gm_digest *manifest, const char *dir, const char *const *unread, tree_files how, gm_arena *a,
                        gm_err *err)
{
    void *bytes = NULL;
    size_t len = 0;
    const gm_node *files = NULL;
    gm_rc rc = gm_blob_get(store, manifest, a, &bytes, &len, err);
    if (!rc) rc = read_manifest(bytes, len, a, &files, err);
    if (!rc) rc = gm_fs_mkdirs(dir, err);
    if (!rc && how != FILES_VIEWED) rc = gm_fs_write(gm_path_join(a, dir, "manifest.json"), bytes, len, err);
    for (size_t i = 0; !rc && i < files->count; i++) {
        const char *name = gm_node_str_or(files->items[i], "name", "");
        gm_digest d;
        if (!is_inside(name) || !gm_digest_parse(gm_node_str_or(files->items[i], "sha256", ""), &d))
            return gm_err_set(err, GM_ECORRUPT, "a manifest names a file badly");
        char *path = gm_path_join(a, dir, name), *slash = strrchr(path, '/');
        *slash = '\0';
        rc = gm_fs_mkdirs(path, err);
        *slash = '/';
        if (!rc) rc = place_file(store, &d, gm_node_int_or(files->items[i], "size_bytes", -1), path, !is_among(unread, name), how, a, err);
    }
    return rc;
}

gm_rc gm_tree_materialise(gm_store *store, const gm_digest *manifest, const char *dir, gm_arena *a, gm_err *err)
{
    return write_tree(store, manifest, dir, NULL, FILES_LINKED, a, err);
}

gm_rc gm_tree_view(gm_store *store, const gm_digest *manifest, const char *dir, const char *const *unread, gm_arena *a, gm_err *err)
{
    return write_tree(store, manifest, dir, unread, FILES_VIEWED, a, err);
}

gm_rc gm_tree_export(gm_store *store, const gm_digest *manifest, const char *dir, gm_arena *a, gm_err *err)
{
    return write_tree(store, manifest, dir, NULL, FILES_SYNCED, a, err);
}

gm_rc gm_tree_put(gm_store *store, const char *dir, gm_arena *a, gm_digest *out, int64_t *out_size, gm_err *err)
{
    gm_buf b = { 0 };
    const gm_node *files = NULL;
    int64_t total = 0;
    gm_rc rc = gm_fs_read(gm_path_join(a, dir, "manifest.json"), 0, &b, err);
    if (!rc) rc = read_manifest(gm_buf_str(&b), b.len, a, &files, err);
    for (size_t i = 0; !rc && i < files->count; i++) {
        gm_digest d, wanted;
        int64_t size = 0;
        const char *name = gm_node_str_or(files->items[i], "name", "");
        rc = gm_blob_put_file(store, gm_path_join(a, dir, name), true, &d, &size, err);
        if (!rc && (!gm_digest_parse(gm_node_str_or(files->items[i], "sha256", ""), &wanted) || strcmp(d.hex, wanted.hex) != 0))
            rc = gm_err_set(err, GM_ECORRUPT, "the file \"%s\" does not match its manifest", name);
        total += size;
    }
    if (!rc) rc = gm_blob_put(store, gm_buf_str(&b), b.len, out, err);
    gm_buf_clear(&b);
    if (!rc) *out_size = total;
    return rc;
}
