/* test_tree.c - folders as artifacts, laid out where another one lies already, as after a kill. */
#include "base/fs.h"
#include "pipe/run.h"
#include "unit/store/store_fixture.h"

static gm_err err;

/* A tree of one file; large ones are no part of a pack. */
static gm_digest put(gm_store *s, const char *name, char fill, size_t len, gm_arena *a)
{
    gm_digest file, manifest;
    int64_t size = 0;
    char *text = gm_arena_alloc(a, len, 1);
    const char *dir = gm_arena_printf(a, "%s/%s", gm_harness_tmpdir(), name);
    memset(text, fill, len);
    gm_digest_of(text, len, &file);
    const char *json =
        gm_arena_printf(a, "{\"files\":[{\"name\":\"in/it\",\"sha256\":\"%s\",\"size_bytes\":%zu}]}", file.hex, len);
    CHECK_OK(gm_fs_mkdirs(gm_path_join(a, dir, "in"), &err), &err);
    CHECK_OK(gm_fs_write(gm_path_join(a, dir, "in/it"), text, len, &err), &err);
    CHECK_OK(gm_fs_write(gm_path_join(a, dir, "manifest.json"), json, strlen(json), &err), &err);
    CHECK_OK(gm_tree_put(s, dir, a, &manifest, &size, &err), &err);
    return manifest;
}

static void holds(const char *dir, char fill, size_t len, gm_arena *a)
{
    gm_buf b = { 0 };
    CHECK_OK(gm_fs_read(gm_path_join(a, dir, "in/it"), 0, &b, &err), &err);
    CHECK(b.len == len && b.data[0] == fill && b.data[len - 1] == fill);
    gm_buf_clear(&b);
}

static void over_another_one(size_t len)
{
    gm_arena *a = gm_harness_arena();
    gm_store *s = open_store(new_root());
    gm_digest first = put(s, "a", 'a', len, a), second = put(s, "b", 'b', len, a);
    const char *dir = gm_arena_printf(a, "%s/out", gm_harness_tmpdir()),
               *other = gm_arena_printf(a, "%s/other", gm_harness_tmpdir());
    CHECK_OK(gm_tree_materialise(s, &first, dir, a, &err), &err);
    holds(dir, 'a', len, a);
    CHECK_OK(gm_tree_materialise(s, &second, dir, a, &err), &err);
    holds(dir, 'b', len, a);
    CHECK_OK(gm_tree_view(s, &first, dir, NULL, a, &err), &err);
    holds(dir, 'a', len, a);
    CHECK_OK(gm_tree_materialise(s, &second, other, a, &err), &err); /* and nothing was written through a link */
    holds(other, 'b', len, a);
    gm_store_close(s);
}

static void small_files_replace_others(void)
{
    over_another_one(100);
}

static void large_files_replace_others(void)
{
    over_another_one(100000);
}

TESTS(T(small_files_replace_others), T(large_files_replace_others))
