/* test_blobs.c - blobs: kept, found, checked, taken, packed; damage, links and torn tails. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/random.h"
#include "unit/store/store_fixture.h"

static char object_path[700];

/* The file of a large blob. */
static const char *object_of(const char *root, const gm_digest *d)
{
    (void)snprintf(object_path, sizeof(object_path), "%s/objects/%.2s/%s", root, d->hex, d->hex + 2);
    return object_path;
}

static const char *pack_of(const char *root, int id)
{
    (void)snprintf(object_path, sizeof(object_path), "%s/packs/%08d.pack", root, id);
    return object_path;
}

static void flip_byte(const char *path, off_t at)
{
    char byte;
    CHECK(chmod(path, 0644) == 0);
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 1;
    CHECK(pwrite(fd, &byte, 1, at) == 1);
    CHECK(close(fd) == 0);
}

static void check_bytes(gm_store *s, const gm_digest *d, const void *bytes, size_t len)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    void *got = NULL;
    size_t got_len = 0;
    int64_t size = 0;
    CHECK_OK(gm_blob_get(s, d, a, &got, &got_len, &err), &err);
    CHECK(got_len == len && memcmp(got, bytes, len) == 0 && ((char *)got)[len] == '\0');
    CHECK_OK(gm_blob_size(s, d, &size, &err), &err);
    CHECK(size == (int64_t)len && gm_blob_exists(s, d));
    gm_arena_free(a);
}

static void every_size_around_the_limit_of_packs_comes_back(void)
{
    static const size_t sizes[] = { 0, 1, 63, 64, 4096, 65535, 65536, 65537, 300000 };
    const char *root = new_root();
    for (int again = 0; again < 2; again++) {
        gm_store *s = open_store(root);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            gm_digest d = put_bytes(s, sizes[i], (unsigned)i), wanted;
            gm_digest_of(some_bytes(sizes[i], (unsigned)i), sizes[i], &wanted);
            CHECK_STR(d.hex, wanted.hex);
            check_bytes(s, &d, some_bytes(sizes[i], (unsigned)i), sizes[i]);
        }
        gm_store_close(s);
        CHECK(gm_harness_files_in(root, "objects") == 2 && gm_harness_files_in(root, "tmp") == 0);
        CHECK(gm_harness_files_in(root, "packs") == 1);
    }
}

static void putting_twice_writes_once(void)
{
    const char *root = new_root();
    struct stat st;
    gm_store *s = open_store(root);
    (void)put_text(s, "abc");
    CHECK(stat(pack_of(root, 1), &st) == 0);
    off_t size = st.st_size;
    (void)put_text(s, "abc");
    gm_store_close(s);
    s = open_store(root);
    (void)put_text(s, "abc");
    CHECK(stat(pack_of(root, 1), &st) == 0 && st.st_size == size);
    gm_store_close(s);
}

static void what_is_not_there_is_said_plainly(void)
{
    gm_store *s = open_store(new_root());
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    gm_digest d;
    void *bytes = NULL;
    size_t len = 0;
    gm_digest_of("nothing", 7, &d);
    CHECK_RC(gm_blob_get(s, &d, a, &bytes, &len, &err), GM_ENOTFOUND);
    CHECK_HAS(err.message, d.hex);
    CHECK(!gm_blob_exists(s, &d));
    CHECK_RC(gm_blob_get(s, &(gm_digest){ "abc" }, a, &bytes, &len, &err), GM_EINVALID);
    gm_arena_free(a);
    gm_store_close(s);
}

static void a_flipped_byte_is_never_given_out_and_putting_again_heals(void)
{
    static const size_t sizes[] = { 1000, 100000 };
    for (size_t i = 0; i < 2; i++) {
        const char *root = new_root();
        gm_arena *a = gm_arena_new(0);
        gm_err err;
        void *bytes = NULL;
        size_t len = 0;
        const char *path = NULL;
        gm_store *s = open_store(root);
        gm_digest d = put_bytes(s, sizes[i], 3);
        gm_store_close(s);
        if (i == 0) flip_byte(pack_of(root, 1), 16 + 48 + 500);
        else flip_byte(object_of(root, &d), 500);

        s = open_store(root);
        CHECK_RC(gm_blob_path(s, &d, a, &path, &err), GM_ECORRUPT);
        CHECK_RC(gm_blob_get(s, &d, a, &bytes, &len, &err), GM_ECORRUPT);
        CHECK_HAS(err.message, d.hex);
        (void)put_bytes(s, sizes[i], 3);
        check_bytes(s, &d, some_bytes(sizes[i], 3), sizes[i]);
        CHECK_OK(gm_blob_path(s, &d, a, &path, &err), &err);
        gm_store_close(s);
        s = open_store(root);
        check_bytes(s, &d, some_bytes(sizes[i], 3), sizes[i]);
        gm_store_close(s);
        gm_arena_free(a);
    }
}

static void a_link_planted_among_the_blobs_is_not_followed(void)
{
    const char *root = new_root();
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    void *bytes = NULL;
    size_t len = 0;
    const char *path = NULL, *outside = NULL;
    gm_store *s = open_store(root);
    gm_digest d = put_bytes(s, 100000, 3);
    gm_store_close(s);
    outside = write_file(root, "outside", some_bytes(100000, 3), 100000); /* even with the right bytes */

    CHECK(unlink(object_of(root, &d)) == 0 && symlink(outside, object_of(root, &d)) == 0);
    s = open_store(root);
    CHECK_RC(gm_blob_get(s, &d, a, &bytes, &len, &err), GM_ECORRUPT);
    CHECK_HAS(err.message, "symbolic link");
    CHECK_RC(gm_blob_path(s, &d, a, &path, &err), GM_ECORRUPT);
    CHECK(!gm_blob_exists(s, &d));
    gm_store_close(s);

    CHECK(unlink(object_of(root, &d)) == 0 && mkfifo(object_of(root, &d), 0600) == 0); /* must not block */
    s = open_store(root);
    CHECK_RC(gm_blob_get(s, &d, a, &bytes, &len, &err), GM_ECORRUPT);
    gm_store_close(s);

    char shard[700], moved[720];
    (void)snprintf(shard, sizeof(shard), "%s/objects/%.2s", root, d.hex); /* a link in a parent folder */
    (void)snprintf(moved, sizeof(moved), "%s/../moved", root);
    CHECK(unlink(object_of(root, &d)) == 0 && rename(shard, moved) == 0 && symlink(moved, shard) == 0);
    s = open_store(root);
    CHECK_RC(gm_blob_get(s, &d, a, &bytes, &len, &err), GM_ECORRUPT);
    CHECK_RC(gm_blob_put(s, some_bytes(100000, 3), 100000, &d, &err), GM_ECORRUPT);
    CHECK(gm_harness_files_in(moved, ".") == 0); /* nothing was written behind the link */
    gm_store_close(s);

    for (int i = 0; i < 3; i++) { /* the folders themselves */
        static const char *const names[] = { "objects", "packs", "tmp" };
        const char *other = new_root();
        gm_store_close(open_store(other));
        (void)snprintf(shard, sizeof(shard), "%s/%s", other, names[i]);
        CHECK(rmdir(shard) == 0 && symlink(moved, shard) == 0);
        gm_store *refused = NULL;
        CHECK_RC(gm_store_open(other, NULL, &refused, &err), GM_ECORRUPT);
    }
    gm_arena_free(a);
}

static void files_are_copied_or_taken(void)
{
    static const size_t sizes[] = { 0, 1000, 200000 };
    const char *root = new_root();
    gm_store *s = open_store(root);
    for (size_t i = 0; i < 3; i++) {
        gm_digest d;
        gm_err err;
        int64_t size = 0;
        struct stat st;
        const char *path = write_file(root, "file", some_bytes(sizes[i], 9), sizes[i]);
        CHECK_OK(gm_blob_put_file(s, path, false, &d, &size, &err), &err);
        CHECK(size == (int64_t)sizes[i] && gm_fs_exists(path));
        check_bytes(s, &d, some_bytes(sizes[i], 9), sizes[i]);
        path = write_file(root, "file", some_bytes(sizes[i], 10), sizes[i]);
        CHECK_OK(gm_blob_put_file(s, path, true, &d, &size, &err), &err);
        CHECK(!gm_fs_exists(path));
        check_bytes(s, &d, some_bytes(sizes[i], 10), sizes[i]);
        path = write_file(root, "file", some_bytes(sizes[i], 10), sizes[i]); /* known bytes: taken all the same */
        CHECK_OK(gm_blob_put_file(s, path, true, &d, &size, &err), &err);
        CHECK(!gm_fs_exists(path));
        if (sizes[i] == 200000) CHECK(stat(object_of(root, &d), &st) == 0 && (st.st_mode & 0222) == 0);
    }
    gm_store_close(s);
}

static void a_file_with_a_second_name_is_copied_not_taken(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    gm_digest d;
    gm_err err;
    char other[600];
    const char *path = write_file(root, "file", some_bytes(200000, 9), 200000);
    (void)snprintf(other, sizeof(other), "%s/../other", root);
    CHECK(link(path, other) == 0);
    CHECK_OK(gm_blob_put_file(s, path, true, &d, NULL, &err), &err);
    flip_byte(other, 5); /* would reach into the store if the file itself had been taken */
    check_bytes(s, &d, some_bytes(200000, 9), 200000);
    gm_store_close(s);
}

static void what_is_no_file_is_refused(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    gm_digest d;
    gm_err err;
    char fifo[600];
    (void)snprintf(fifo, sizeof(fifo), "%s/../fifo", root);
    CHECK(mkfifo(fifo, 0600) == 0);
    CHECK_RC(gm_blob_put_file(s, fifo, false, &d, NULL, &err), GM_EINVALID);
    CHECK_RC(gm_blob_put_file(s, root, false, &d, NULL, &err), GM_EINVALID);
    CHECK_RC(gm_stat_digest(s, fifo, &d, NULL, &err), GM_EINVALID);
    CHECK_RC(gm_blob_put_file(s, "/nonexistent/x", false, &d, NULL, &err), GM_ENOTFOUND);
    gm_store_close(s);
}

static void many_files_at_once(void)
{
    enum { N = 3000 };
    static char names[N][600];
    static const char *paths[N];
    static gm_digest digests[N];
    const char *root = new_root();
    gm_err err;
    gm_store_close(open_store(root));
    for (int i = 0; i < N; i++) {
        char name[32], text[64];
        size_t len = i == 17 ? 100000 : (size_t)snprintf(text, sizeof(text), "contents of %d", i % (N - 10)); /* some twice */
        (void)snprintf(name, sizeof(name), "f%d", i);
        (void)snprintf(names[i], sizeof(names[i]), "%s", write_file(root, name, i == 17 ? some_bytes(len, 1) : text, len));
        paths[i] = names[i];
    }
    for (int round = 0; round < 2; round++) {
        gm_store *s = open_store(root);
        CHECK_OK(gm_blob_put_files(s, paths, N, digests, &err), &err);
        for (int i = 0; i < N; i += 100) {
            gm_digest wanted;
            CHECK_OK(gm_digest_file(paths[i], &wanted, NULL, &err), &err);
            CHECK_STR(digests[i].hex, wanted.hex);
            CHECK(gm_blob_exists(s, &digests[i]));
        }
        CHECK_RC(gm_blob_put_files(s, (const char *[]){ paths[0], "/nonexistent/x" }, 2, digests, &err), GM_ENOTFOUND);
        gm_store_close(s);
    }
}

/* Cut the pack at every length: what is left whole is found, the rest is gone, and new blobs can be put. */
static void a_torn_pack_gives_back_its_whole_records(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    gm_err err;
    static char whole[4096];
    gm_digest first = put_text(s, "first"), second = put_text(s, "second"), third;
    gm_store_close(s);
    int fd = open(pack_of(root, 1), O_RDONLY);
    ssize_t size = read(fd, whole, sizeof(whole));
    CHECK(size == 16 + 48 + 5 + 48 + 6 && close(fd) == 0);
    for (ssize_t len = 0; len <= size; len++) {
        const char *other = new_root();
        gm_store_close(open_store(other)); /* records that know nothing of the pack, as after a kill before the commit */
        CHECK_OK(gm_fs_write(pack_of(other, 1), whole, (size_t)len, &err), &err);
        s = open_store(other);
        CHECK(gm_blob_exists(s, &first) == (len >= 16 + 48 + 5));
        CHECK(gm_blob_exists(s, &second) == (len == size));
        third = put_text(s, "third");
        gm_store_close(s);
        s = open_store(other);
        CHECK(gm_blob_exists(s, &first) == (len >= 16 + 48 + 5));
        check_bytes(s, &third, "third", 5);
        gm_fsck_report report;
        CHECK_OK(gm_store_fsck(s, NULL, NULL, &report, &err), &err);
        CHECK(report.corrupt == 0);
        gm_store_close(s);
        CHECK_OK(gm_fs_remove_tree(other, &err), &err);
    }
}

static void leftovers_of_the_dead_are_removed_from_tmp(void)
{
    const char *root = new_root();
    gm_err err;
    char path[600];
    gm_store_close(open_store(root));
    (void)snprintf(path, sizeof(path), "%s/tmp/w-1-7", root);
    CHECK_OK(gm_fs_write(path, "x", 1, &err), &err);
    (void)snprintf(path, sizeof(path), "%s/tmp/r-999999999-aa", root);
    CHECK_OK(gm_fs_write(path, "x", 1, &err), &err);
    (void)snprintf(path, sizeof(path), "%s/tmp/r-%ld-aa", root, (long)getppid()); /* a reader that lives */
    CHECK_OK(gm_fs_write(path, "x", 1, &err), &err);
    gm_store_close(open_store(root));
    CHECK(gm_harness_files_in(root, "tmp") == 1);
}

TESTS(T(every_size_around_the_limit_of_packs_comes_back), T(putting_twice_writes_once), T(what_is_not_there_is_said_plainly),
      T(a_flipped_byte_is_never_given_out_and_putting_again_heals), T(a_link_planted_among_the_blobs_is_not_followed),
      T(files_are_copied_or_taken), T(a_file_with_a_second_name_is_copied_not_taken), T(what_is_no_file_is_refused),
      T(many_files_at_once), T(a_torn_pack_gives_back_its_whole_records), T(leftovers_of_the_dead_are_removed_from_tmp))
