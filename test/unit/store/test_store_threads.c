/* test_store_threads.c - many threads put, begin, commit and read at once; meant for the thread sanitizer too. */
#include <pthread.h>

#include "unit/store/store_fixture.h"

enum { THREADS = 8, STEPS = 25 };

struct worker {
    pthread_t thread;
    gm_store *store;
    int64_t run;
    int number;
    gm_rc rc;
    gm_err err;
};

/* A small blob of its own, one that all threads put, and now and then a large one; then a step that names them. */
static gm_rc one_step(struct worker *w, int i, gm_arena *a)
{
    char text[64], name[32], key[32], bytes[70000];
    gm_digest own = { 0 }, shared = { 0 }, large;
    (void)snprintf(text, sizeof(text), "blob %d of %d", i, w->number);
    (void)snprintf(name, sizeof(name), "step-%d-%d", w->number, i);
    (void)snprintf(key, sizeof(key), "key-%d-%d", w->number, i);
    memset(bytes, 'a' + i % 26, sizeof(bytes));
    gm_rc rc = gm_blob_put(w->store, text, strlen(text), &own, &w->err);
    (void)snprintf(text, sizeof(text), "shared %d", i);
    if (!rc) rc = gm_blob_put(w->store, text, strlen(text), &shared, &w->err);
    large = own;
    if (!rc && i % 10 == 0) rc = gm_blob_put(w->store, bytes, sizeof(bytes), &large, &w->err);
    gm_step_record r = { .run_id = w->run, .name = name, .kind = "run", .key = key, .key_fields = "{}" };
    if (!rc) rc = gm_step_begin(w->store, &r, &w->err);
    gm_artifact out[] = { { .name = "own", .type = "t", .digest = own },
                          { .name = "shared", .type = "t", .digest = shared },
                          { .name = "large", .type = "t", .digest = large } };
    if (!rc) rc = gm_step_commit(w->store, &r, NULL, &(gm_artifacts){ out, 3 }, &w->err);
    gm_artifacts found;
    void *got = NULL;
    size_t len = 0;
    if (!rc) rc = gm_action_get(w->store, key, a, &found, NULL, &w->err); /* acknowledged, so it is there */
    if (!rc) rc = gm_blob_get(w->store, &found.items[1].digest, a, &got, &len, &w->err);
    if (!rc && strcmp(got, text) != 0) rc = gm_err_set(&w->err, GM_EINTERNAL, "other bytes came back");
    return rc;
}

static void *work(void *object)
{
    struct worker *w = object;
    gm_arena *a = gm_arena_new(0);
    for (int i = 0; i < STEPS && !w->rc; i++) w->rc = one_step(w, i, a);
    gm_arena_free(a);
    return NULL;
}

static void eight_threads_commit_side_by_side(void)
{
    const char *root = new_root();
    gm_err err;
    gm_store *s = open_store(root);
    struct worker workers[THREADS] = { 0 };
    int64_t run = begin_run(s, "p");
    for (int i = 0; i < THREADS; i++) {
        workers[i].store = s;
        workers[i].run = run;
        workers[i].number = i;
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(workers[i].thread, NULL) == 0);
    for (int i = 0; i < THREADS; i++) CHECK_OK(workers[i].rc, &workers[i].err);
    gm_store_close(s);

    s = open_store(root);
    gm_arena *a = gm_arena_new(0);
    gm_step_record *steps = NULL;
    size_t count = 0;
    gm_fsck_report report;
    CHECK_OK(gm_step_list(s, run, a, &steps, &count, &err), &err);
    CHECK(count == THREADS * STEPS);
    for (size_t i = 0; i < count; i++) CHECK_STR(steps[i].state, "done");
    CHECK_OK(gm_store_fsck(s, NULL, NULL, &report, &err), &err);
    CHECK(report.corrupt == 0 && report.missing == 0 && report.unreferenced == 0);
    CHECK(report.blobs == THREADS * STEPS + STEPS + 3);
    gm_arena_free(a);
    gm_store_close(s);
}

/* One thread's bad work must not undo its neighbours' in the same transaction. */
static void *fail_work(void *object)
{
    struct worker *w = object;
    for (int i = 0; i < STEPS * 4; i++) {
        gm_step_record r = { .id = 999999, .token = 1, .name = "none" };
        if (gm_step_commit(w->store, &r, NULL, NULL, NULL) != GM_ECONFLICT) w->rc = GM_EINTERNAL;
    }
    return NULL;
}

static void a_failing_work_leaves_its_neighbours_alone(void)
{
    gm_store *s = open_store(new_root());
    struct worker good[4] = { 0 }, bad[4] = { 0 };
    int64_t run = begin_run(s, "p");
    for (int i = 0; i < 4; i++) {
        good[i] = (struct worker){ .store = s, .run = run, .number = i };
        bad[i] = (struct worker){ .store = s };
        CHECK(pthread_create(&good[i].thread, NULL, work, &good[i]) == 0);
        CHECK(pthread_create(&bad[i].thread, NULL, fail_work, &bad[i]) == 0);
    }
    for (int i = 0; i < 4; i++) CHECK(pthread_join(good[i].thread, NULL) == 0 && pthread_join(bad[i].thread, NULL) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(good[i].rc, &good[i].err);
        CHECK(bad[i].rc == GM_OK);
    }
    gm_store_close(s);
}

TESTS(T(eight_threads_commit_side_by_side), T(a_failing_work_leaves_its_neighbours_alone))
