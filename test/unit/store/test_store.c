/* test_store.c - opening: the lock, versions, foreign and damaged files, readers beside a writer. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "unit/store/store_fixture.h"

static void a_new_store_opens_again_and_keeps_what_was_put(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    gm_digest small = put_text(s, "abc"), large = put_bytes(s, 200000, 1);
    int64_t run = begin_run(s, "flights");
    (void)commit_step(s, run, "load", "k1", &small);
    gm_store_close(s);

    s = open_store(root);
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    void *bytes = NULL;
    size_t len = 0;
    CHECK_OK(gm_blob_get(s, &small, a, &bytes, &len, &err), &err);
    CHECK(len == 3);
    CHECK_STR((char *)bytes, "abc");
    CHECK_OK(gm_blob_get(s, &large, a, &bytes, &len, &err), &err);
    CHECK(len == 200000 && memcmp(bytes, some_bytes(200000, 1), len) == 0);
    gm_run_record r;
    CHECK_OK(gm_run_get(s, 0, a, &r, &err), &err);
    CHECK_STR(r.pipeline, "flights");
    gm_arena_free(a);
    gm_store_close(s);
}

static void a_second_writer_is_told_who_holds_the_store(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root), *second = NULL;
    gm_err err;
    char pid[32];
    CHECK_RC(gm_store_open(root, NULL, &second, &err), GM_ECONFLICT);
    (void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    CHECK_HAS(err.message, pid);
    CHECK(second == NULL);
    gm_store_close(s);
    gm_store_close(open_store(root));
}

static void the_lock_of_a_dead_process_is_no_obstacle(void)
{
    const char *root = new_root();
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        (void)open_store(root);
        (void)!write(ready[1], "r", 1);
        pause();
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    gm_store *s = NULL;
    CHECK_RC(gm_store_open(root, NULL, &s, NULL), GM_ECONFLICT);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, NULL, 0) == child);
    gm_store_close(open_store(root));
}

TESTS(T(a_new_store_opens_again_and_keeps_what_was_put), T(a_second_writer_is_told_who_holds_the_store),
      T(the_lock_of_a_dead_process_is_no_obstacle))
