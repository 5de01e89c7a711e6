/* package.c - sealing a package's folder with a manifest, and checking it.
 *
 * Invariants
 *  (1) the manifest lists every file of the folder but those of `beside`, sorted by name, each with its size and SHA-256;
 *  (2) its bytes follow from the listed files alone, so the package's digest does too.
 */
#include "package.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"

enum { DEPTH_MAX = 8, FILES_MAX = 10000, MANIFEST_MAX = 4 << 20 };

static const char *const beside[] = { GM_PACKAGE_MANIFEST, "provenance.intoto.jsonl", "card.json", "card.md", "card.html",
                                      "latency.json", "signature", "registered_model_meta" };

typedef struct file {
    const char *name; /* relative, with / */
    gm_digest digest;
    int64_t size_bytes;
} file;

typedef struct files {
    gm_arena *arena;
    file *items;
    size_t count;
} files;

static gm_rc no_memory(gm_err *err)
{
    return gm_err_set(err, GM_ENOMEM, "no memory for the files of a package");
}

static bool is_beside(const char *name)
{
    for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
        if (strcmp(name, beside[i]) == 0) return true;
    return false;
}

/* ---- the folder ---------------------------------------------------------------------------------------- */

static gm_rc add_file(files *f, const char *path, const char *name, gm_err *err)
{
    if (f->count == FILES_MAX) return gm_err_set(err, GM_EINVALID, "a package of more than %d files", FILES_MAX);
    file *item = &f->items[f->count++];
    item->name = name;
    return gm_digest_file(path, &item->digest, &item->size_bytes, err);
}

/* Add what is below dir/prefix. */
static gm_rc walk(files *f, const char *dir, const char *prefix, int depth, gm_err *err)
{
    const char **names = NULL;
    size_t count = 0;
    if (depth == DEPTH_MAX) return gm_err_set(err, GM_EINVALID, "the folders of a package are deeper than %d", DEPTH_MAX);
    const char *here = *prefix ? gm_path_join(f->arena, dir, prefix) : dir;
    if (!here) return no_memory(err);
    gm_rc rc = gm_fs_list(here, f->arena, &names, &count, err);
    for (size_t i = 0; i < count && !rc; i++) {
        struct stat st;
        const char *name = *prefix ? gm_path_join(f->arena, prefix, names[i]) : names[i];
        const char *path = gm_path_join(f->arena, here, names[i]);
        if (!name || !path) return no_memory(err);
        if (is_beside(name)) continue;
        if (lstat(path, &st) != 0) return gm_err_errno(err, errno, "look at", path);
        if (S_ISDIR(st.st_mode))
            rc = walk(f, dir, name, depth + 1, err);
        else if (S_ISREG(st.st_mode))
            rc = add_file(f, path, name, err);
        else
            rc = gm_err_set(err, GM_EINVALID, "\"%s\" is neither a plain file nor a folder", path);
    }
    return rc;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const file *)x)->name, ((const file *)y)->name);
}

static gm_rc list_files(const char *dir, files *f, gm_err *err)
{
    f->items = GM_ARENA_ARRAY(f->arena, file, FILES_MAX);
    if (!f->items) return no_memory(err);
    gm_rc rc = walk(f, dir, "", 0, err);
    if (!rc) qsort(f->items, f->count, sizeof(file), by_name);
    return rc;
}

static const file *find_file(const files *f, const char *name)
{
    const file key = { .name = name };
    return bsearch(&key, f->items, f->count, sizeof(file), by_name);
}

/* ---- sealing ------------------------------------------------------------------------------------------- */

static void manifest_json(const files *f, gm_buf *out)
{
    gm_json j;
    gm_json_init(&j, out, true);
    gm_json_object(&j);
    gm_json_kstr(&j, "format", "gristmill-package");
    gm_json_kint(&j, "version", 1);
    gm_json_key(&j, "files");
    gm_json_array(&j);
    for (size_t i = 0; i < f->count; i++) {
        gm_json_object(&j);
        gm_json_kstr(&j, "name", f->items[i].name);
        gm_json_kstr(&j, "sha256", f->items[i].digest.hex);
        gm_json_kint(&j, "size_bytes", f->items[i].size_bytes);
        gm_json_object_end(&j);
    }
    gm_json_array_end(&j);
    gm_json_object_end(&j);
    gm_buf_char(out, '\n');
}

static gm_rc seal(const char *dir, files *f, gm_digest *out, gm_err *err)
{
    gm_rc rc = list_files(dir, f, err);
    if (rc) return rc;
    if (!find_file(f, "MLmodel")) return gm_err_set(err, GM_EINVALID, "there is no MLmodel in \"%s\"", dir);
    const char *path = gm_path_join(f->arena, dir, GM_PACKAGE_MANIFEST);
    gm_buf text = { 0 };
    manifest_json(f, &text);
    rc = text.failed || !path ? no_memory(err) : gm_fs_write_atomic(path, text.data, text.len, err);
    if (!rc) gm_digest_of(text.data, text.len, out);
    gm_buf_clear(&text);
    return rc;
}

gm_rc gm_package_seal(const char *dir, gm_digest *out, gm_err *err)
{
    files f = { .arena = gm_arena_new(0) };
    gm_rc rc = f.arena ? seal(dir, &f, out, err) : no_memory(err);
    gm_arena_free(f.arena);
    return gm_err_ctx(err, rc, "sealing the model package \"%s\"", dir);
}

/* ---- checking ------------------------------------------------------------------------------------------ */

static gm_rc corrupt_manifest(gm_err *err)
{
    return gm_err_set(err, GM_ECORRUPT, GM_PACKAGE_MANIFEST " is not a package's manifest");
}

/* One entry against the folder. Entries come sorted, so a name that does not come after the last one is a fault. */
static gm_rc check_entry(const gm_node *entry, const files *there, const char **last, gm_err *err)
{
    const char *name = gm_node_str_or(entry, "name", "");
    const char *sha256 = gm_node_str_or(entry, "sha256", "");
    if (!*name || strcmp(name, *last) <= 0) return corrupt_manifest(err);
    *last = name;
    const file *f = find_file(there, name);
    if (!f) return gm_err_set(err, GM_ECORRUPT, "the package's file \"%s\" is missing", name);
    if (f->size_bytes != gm_node_int_or(entry, "size_bytes", -1) || strcmp(f->digest.hex, sha256) != 0)
        return gm_err_set(err, GM_ECORRUPT, "the package's file \"%s\" is not the one that was sealed", name);
    return GM_OK;
}

static gm_rc check_entries(const gm_node *root, const files *there, gm_err *err)
{
    const gm_node *list = gm_node_get(root, "files");
    const char *last = "";
    if (strcmp(gm_node_str_or(root, "format", ""), "gristmill-package") != 0 || !list || list->kind != GM_NODE_SEQ)
        return corrupt_manifest(err);
    if (gm_node_int_or(root, "version", 0) != 1)
        return gm_err_set(err, GM_EUNSUPPORTED, "a package of a newer version; this program reads version 1");
    for (size_t i = 0; i < list->count; i++) {
        gm_rc rc = check_entry(list->items[i], there, &last, err);
        if (rc) return rc;
    }
    if (list->count == there->count) return GM_OK;
    for (size_t i = 0; i < there->count; i++) { /* all listed files are there, so one more is */
        const char *listed = i < list->count ? gm_node_str_or(list->items[i], "name", "") : "";
        if (strcmp(there->items[i].name, listed) != 0)
            return gm_err_set(err, GM_ECORRUPT, "the file \"%s\" is no part of the package", there->items[i].name);
    }
    return GM_OK;
}

static gm_rc verify(const char *dir, files *f, gm_buf *text, gm_digest *out, gm_err *err)
{
    gm_node *root = NULL;
    const char *path = gm_path_join(f->arena, dir, GM_PACKAGE_MANIFEST);
    gm_rc rc = path ? gm_fs_read(path, MANIFEST_MAX, text, err) : no_memory(err);
    if (rc) return rc;
    if (gm_json_read(gm_buf_str(text), text->len, path, f->arena, &root, NULL)) return corrupt_manifest(err);
    rc = list_files(dir, f, err);
    if (!rc) rc = check_entries(root, f, err);
    if (!rc && out) gm_digest_of(text->data, text->len, out);
    return rc;
}

gm_rc gm_package_verify(const char *dir, gm_digest *out, gm_err *err)
{
    gm_buf text = { 0 };
    files f = { .arena = gm_arena_new(0) };
    gm_rc rc = f.arena ? verify(dir, &f, &text, out, err) : no_memory(err);
    gm_buf_clear(&text);
    gm_arena_free(f.arena);
    return gm_err_ctx(err, rc, "checking the model package \"%s\"", dir);
}
