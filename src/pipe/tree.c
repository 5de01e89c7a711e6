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

typedef enum tree_files { FILES_LINKED, FILES_COPIED, FILES_SYNCED } tree_files;

/* One file of a tree: a link to the blob, or a copy of it. */
static gm_rc place_file(const char *blob, const char *path, tree_files how, gm_err *err)
{
    if (how != FILES_LINKED) return gm_fs_copy(blob, path, how == FILES_SYNCED, err);
    return symlink(blob, path) != 0 && errno != EEXIST ? gm_err_errno(err, errno, "link", path) : GM_OK;
}

static gm_rc write_tree(gm_store *store, const gm_digest *manifest, const char *dir, tree_files how, gm_arena *a, gm_err *err)
{
    void *bytes = NULL;
    size_t len = 0;
    const gm_node *files = NULL;
    gm_rc rc = gm_blob_get(store, manifest, a, &bytes, &len, err);
    if (!rc) rc = read_manifest(bytes, len, a, &files, err);
    if (!rc) rc = gm_fs_mkdirs(dir, err);
    if (!rc) rc = gm_fs_write(gm_path_join(a, dir, "manifest.json"), bytes, len, err);
    for (size_t i = 0; !rc && i < files->count; i++) {
        const char *name = gm_node_str_or(files->items[i], "name", ""), *blob = NULL;
        gm_digest d;
        if (!is_inside(name) || !gm_digest_parse(gm_node_str_or(files->items[i], "sha256", ""), &d))
            return gm_err_set(err, GM_ECORRUPT, "a manifest names a file badly");
        char *path = gm_path_join(a, dir, name), *slash = strrchr(path, '/');
        *slash = '\0';
        rc = gm_fs_mkdirs(path, err);
        *slash = '/';
        if (!rc) rc = gm_blob_path(store, &d, a, &blob, err);
        if (!rc) rc = place_file(blob, path, how, err);
    }
    return rc;
}

gm_rc gm_tree_materialise(gm_store *store, const gm_digest *manifest, const char *dir, gm_arena *a, gm_err *err)
{
    return write_tree(store, manifest, dir, FILES_LINKED, a, err);
}

gm_rc gm_tree_copy(gm_store *store, const gm_digest *manifest, const char *dir, gm_arena *a, gm_err *err)
{
    return write_tree(store, manifest, dir, FILES_COPIED, a, err);
}

gm_rc gm_tree_export(gm_store *store, const gm_digest *manifest, const char *dir, gm_arena *a, gm_err *err)
{
    return write_tree(store, manifest, dir, FILES_SYNCED, a, err);
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
