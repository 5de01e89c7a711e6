/* test_stat_cache.c - the digest of a file that did not change comes from the cache; of one that may have, from its bytes.
 *
 * Whether a digest came from the cache is seen by changing the cached entry, or by asking the cache itself.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "store/stat_cache.h"
#include "store/store_internal.h"
#include "unit/store/store_fixture.h"

static gm_err err;

/* Make the file older than any tick, as far as mtime goes, and wait until ctime is behind the coarse clock. */
static void settle(const char *path)
{
    struct stat st;
    do {
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        CHECK(stat(path, &st) == 0);
    } while ((int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec >= gm_stat_cache_now());
}

static bool cached(gm_store *s, const char *path)
{
    struct stat st;
    gm_raw_digest d;
    CHECK(stat(path, &st) == 0);
    return gm_stat_cache_get(s->stats, &st, &d);
}

static gm_digest digest_of(gm_store *s, const char *path)
{
    gm_digest d;
    int64_t size = 0;
    CHECK_OK(gm_stat_digest(s, path, &d, &size, &err), &err);
    return d;
}

static void a_file_that_rests_is_read_once(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    const char *path = write_file(root, "data.csv", "a,b\n1,2\n", 8);
    settle(path);
    CHECK(!cached(s, path));
    gm_digest d = digest_of(s, path), wanted;
    gm_digest_of("a,b\n1,2\n", 8, &wanted);
    CHECK_STR(d.hex, wanted.hex);
    CHECK(cached(s, path));
    CHECK_STR(digest_of(s, path).hex, wanted.hex);
    gm_store_close(s);

    s = open_store(root); /* and it is kept */
    CHECK(cached(s, path));
    CHECK_STR(digest_of(s, path).hex, wanted.hex);
    gm_store_close(s);
    s = open_reader(root);
    CHECK(cached(s, path));
    gm_store_close(s);
}

/* Rewrite a file again and again within one tick of the clock, same size: every digest must be of the bytes of that moment. */
static void a_file_changed_in_the_same_tick_is_read_again(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    for (int i = 0; i < 2000; i++) {
        char text[16];
        gm_digest wanted;
        (void)snprintf(text, sizeof(text), "%08d", i);
        const char *path = write_file(root, "data.csv", text, 8);
        gm_digest_of(text, 8, &wanted);
        CHECK_STR(digest_of(s, path).hex, wanted.hex);
    }
    gm_store_close(s);
}

static void a_change_that_restores_size_and_mtime_is_seen(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    struct stat st;
    const char *path = write_file(root, "data.csv", "aaaa", 4);
    CHECK(stat(path, &st) == 0);
    settle(path);
    (void)digest_of(s, path);
    CHECK(cached(s, path));
    path = write_file(root, "data.csv", "bbbb", 4);
    CHECK(utimensat(AT_FDCWD, path, (struct timespec[]){ st.st_atim, st.st_mtim }, 0) == 0);
    gm_digest wanted;
    gm_digest_of("bbbb", 4, &wanted);
    CHECK_STR(digest_of(s, path).hex, wanted.hex); /* ctime cannot be set back */
    gm_store_close(s);
}

static void a_file_from_the_future_is_never_trusted(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    const char *path = write_file(root, "data.csv", "aaaa", 4);
    struct timespec future = { .tv_sec = time(NULL) + 3600, .tv_nsec = 5 };
    CHECK(utimensat(AT_FDCWD, path, (struct timespec[]){ future, future }, 0) == 0);
    settle(path);
    (void)digest_of(s, path);
    CHECK(!cached(s, path));
    gm_store_close(s);
}

static void many_files_are_looked_up_from_one_reading_of_the_table(void)
{
    enum { N = 200 };
    static char names[N][600];
    const char *root = new_root();
    gm_store *s = open_store(root);
    for (int i = 0; i < N; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "f%d", i);
        (void)snprintf(names[i], sizeof(names[i]), "%s", write_file(root, name, name, strlen(name)));
    }
    settle(names[N - 1]);
    for (int i = 0; i < N; i++) (void)digest_of(s, names[i]);
    gm_store_close(s);
    s = open_store(root);
    for (int i = 0; i < N; i++) CHECK(cached(s, names[i]));
    gm_store_close(s);
}

TESTS(T(a_file_that_rests_is_read_once), T(a_file_changed_in_the_same_tick_is_read_again),
      T(a_change_that_restores_size_and_mtime_is_seen), T(a_file_from_the_future_is_never_trusted),
      T(many_files_are_looked_up_from_one_reading_of_the_table))
