/* test_store_faults.c - every write, sync, rename and commit of the store fails once, finds the disk full once, and is the moment of
 * death once. Afterwards: whatever was acknowledged is there, and every name leads to whole bytes.
 *
 * A child process runs a life of a store with the n-th point armed and writes down what was acknowledged; its parent opens the
 * store again and looks. This covers the death of the process, where written pages survive; a power cut is covered by the
 * order of syncs, which a test cannot take back.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "unit/store/store_fixture.h"

enum { LARGE = 70000, POINTS_MAX = 400 };

/* What the child acknowledges, in memory shared with its parent. */
typedef struct acks {
    bool finished; /* the child came to its end */
    bool odd;      /* an operation failed in a way that does not say "disk" */
    char odd_text[256];
    bool open, small, large, copied, taken, many, begun, committed, model, alias, dataset, cached, ended, collected;
} acks;

static acks *shared;

static bool acknowledge(bool *flag, gm_rc rc, const gm_err *err)
{
    if (rc == GM_OK) {
        *flag = true;
    } else if (rc != GM_EIO) {
        shared->odd = true;
        (void)snprintf(shared->odd_text, sizeof(shared->odd_text), "%s: %.200s", gm_rc_name(rc), err->message);
    }
    return rc == GM_OK;
}

static gm_digest digest_of(size_t len, unsigned seed)
{
    gm_digest d;
    gm_digest_of(some_bytes(len, seed), len, &d);
    return d;
}

static void record_steps(gm_store *s, const gm_digest *small, const gm_digest *large)
{
    gm_err err;
    int64_t run = 0, version = 0;
    bool ignored = false;
    if (!acknowledge(&ignored, gm_run_begin(s, &(gm_run_record){ .pipeline = "life" }, &run, &err), &err)) return;
    gm_step_record r = { .run_id = run, .name = "train", .key = "key", .key_fields = "{\"a\":\"1\"}" };
    gm_artifact out[] = { { .name = "small", .type = "t", .digest = *small }, { .name = "large", .type = "t", .digest = *large } };
    if (acknowledge(&shared->begun, gm_step_begin(s, &r, &err), &err))
        (void)acknowledge(&shared->committed, gm_step_commit(s, &r, NULL, &(gm_artifacts){ out, 2 }, &err), &err);
    gm_model_version v = { .model = "m", .digest = *large, .run_id = run };
    if (acknowledge(&shared->model, gm_model_register(s, &v, &version, NULL, &err), &err))
        (void)acknowledge(&shared->alias, gm_model_alias_set(s, "m", "champion", version, &err), &err);
    gm_dataset_version d = { .name = "d", .digest = *small };
    (void)acknowledge(&shared->dataset, gm_dataset_add(s, &d, &version, &err), &err);
    gm_step_record cached = { .run_id = run, .name = "again", .key = "key" };
    (void)acknowledge(&shared->cached, gm_steps_cached(s, &cached, 1, &err), &err);
    (void)acknowledge(&shared->ended, gm_run_end(s, run, "done", "", &err), &err);
}

/* The child: open, put in every way, record, collect, close. Files beside the store were made before. */
static void live(const char *root)
{
    gm_store *s = NULL;
    gm_err err;
    gm_digest small, large, many[3];
    char paths[3][600], copied[600], taken[600];
    if (!acknowledge(&shared->open, gm_store_open(root, NULL, &s, &err), &err)) return;
    for (int i = 0; i < 3; i++) (void)snprintf(paths[i], sizeof(paths[i]), "%s/../f%d", root, i);
    (void)snprintf(copied, sizeof(copied), "%s/../copied", root);
    (void)snprintf(taken, sizeof(taken), "%s/../taken", root);
    bool both = acknowledge(&shared->small, gm_blob_put(s, some_bytes(100, 1), 100, &small, &err), &err);
    both = acknowledge(&shared->large, gm_blob_put(s, some_bytes(LARGE, 2), LARGE, &large, &err), &err) && both;
    gm_digest d;
    (void)acknowledge(&shared->copied, gm_blob_put_file(s, copied, false, &d, NULL, &err), &err);
    (void)acknowledge(&shared->taken, gm_blob_put_file(s, taken, true, &d, NULL, &err), &err);
    (void)acknowledge(&shared->many, gm_blob_put_files(s, (const char *[]){ paths[0], paths[1], paths[2] }, 3, many, &err), &err);
    if (both) record_steps(s, &small, &large);
    gm_gc_report report;
    gm_rc rc = gm_store_gc(s, &(gm_gc_options){ .keep_runs = 1, .keep_seconds = 1e-6 }, &report, &err);
    bool waits = rc == GM_ECONFLICT && shared->begun && !shared->committed; /* the step whose commit failed still runs */
    if (!waits) (void)acknowledge(&shared->collected, rc, &err);
    gm_store_close(s);
    shared->finished = true;
}

/* Files beside the store, and, when asked, a store with an old run for gc to remove. */
static void prepare(const char *root, bool with_store)
{
    gm_err err;
    CHECK_OK(gm_fs_mkdirs(root, &err), &err);
    (void)write_file(root, "copied", some_bytes(LARGE, 3), LARGE);
    (void)write_file(root, "taken", some_bytes(LARGE, 4), LARGE);
    for (int i = 0; i < 3; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "f%d", i);
        (void)write_file(root, name, some_bytes(200, 10 + (unsigned)i), 200);
    }
    if (!with_store) return;
    gm_store *s = open_store(root);
    gm_digest old = put_text(s, "old"), old_large = put_bytes(s, LARGE, 5), kept = put_text(s, "kept");
    int64_t version = 0, run = begin_run(s, "old");
    (void)commit_step(s, run, "x", "old", &old);
    (void)commit_step(s, run, "y", "old large", &old_large);
    CHECK_OK(gm_run_end(s, run, "done", "", &err), &err);
    CHECK_OK(gm_model_register(s, &(gm_model_version){ .model = "kept", .digest = kept }, &version, NULL, &err), &err);
    gm_store_close(s);
}

static void check_there(gm_store *s, size_t len, unsigned seed)
{
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    void *bytes = NULL;
    size_t got = 0;
    gm_digest d = digest_of(len, seed);
    CHECK_OK(gm_blob_get(s, &d, a, &bytes, &got, &err), &err);
    CHECK(got == len);
    gm_arena_free(a);
}

/* Everything that was acknowledged, and nothing by halves. */
static void check_life(const char *root, const char *fault)
{
    gm_store *s = open_store(root);
    gm_arena *a = gm_arena_new(0);
    gm_err err;
    gm_fsck_report report;
    CHECK_OK(gm_store_fsck(s, NULL, NULL, &report, &err), &err);
    if (report.corrupt || report.missing)
        gm_harness_fail(__FILE__, __LINE__, "%s: %lld damaged, %lld missing", fault, (long long)report.corrupt, (long long)report.missing);
    bool unnamed_may_go = shared->collected; /* gc removes blobs without a name, rightly */
    bool named = shared->committed || shared->model;
    if (shared->small && (named || !unnamed_may_go)) check_there(s, 100, 1);
    if (shared->large && (named || !unnamed_may_go)) check_there(s, LARGE, 2);
    gm_artifacts found;
    gm_rc rc = gm_action_get(s, "key", a, &found, NULL, &err);
    if (shared->committed) CHECK_OK(rc, &err);
    if (!rc) CHECK(found.count == 2);
    gm_model_version v;
    if (shared->model) CHECK_OK(gm_model_resolve(s, "m/1", a, &v, &err), &err);
    if (shared->alias) CHECK_OK(gm_model_resolve(s, "m@champion", a, &v, &err), &err);
    gm_dataset_version *sets = NULL;
    gm_step_record *steps = NULL;
    gm_run_record r;
    size_t count = 0;
    CHECK_OK(gm_dataset_list(s, "d", a, &sets, &count, &err), &err);
    if (shared->dataset) CHECK(count == 1);
    if (shared->begun || shared->cached) {
        CHECK_OK(gm_step_list(s, 0, a, &steps, &count, &err), &err);
        CHECK(count == (size_t)shared->begun + (size_t)shared->cached || count == 2); /* an unacknowledged one may be there */
    }
    if (shared->ended) {
        CHECK_OK(gm_run_get(s, 0, a, &r, &err), &err);
        CHECK_STR(r.state, "done");
    }
    /* The store goes on working as if nothing had been. */
    gm_digest again = put_bytes(s, 100, 1), large = put_bytes(s, LARGE, 2);
    (void)commit_step(s, begin_run(s, "after"), "z", "after", &again);
    (void)large;
    gm_arena_free(a);
    gm_store_close(s);
    CHECK(gm_harness_files_in(root, "tmp") == 0);
}

/* Blobs that are not named by anything are checked only when gc did not run: in lives cut short before it. */
static void check_unnamed(const char *root)
{
    gm_store *s = open_store(root); /* a writer: it indexes what the death left unindexed */
    if (shared->copied) check_there(s, LARGE, 3);
    if (shared->taken) check_there(s, LARGE, 4);
    for (unsigned i = 0; shared->many && i < 3; i++) check_there(s, 200, 10 + i);
    gm_store_close(s);
}

/* Run one life with this fault (NULL = none); true when the child was killed. */
static bool run_life(const char *root, const char *fault, const char *log)
{
    memset(shared, 0, sizeof(*shared));
    pid_t child = fork();
    if (child == 0) {
        if (fault) (void)setenv("GRISTMILL_FAULT", fault, 1);
        if (log) (void)setenv("GRISTMILL_FAULT_LOG", log, 1);
        live(root);
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/* A folder for many lives: in memory where there is such a place, since there a sync costs nothing. */
static const char *memory_dir(void)
{
    static char dir[64];
    (void)snprintf(dir, sizeof(dir), "/dev/shm/gm-test-XXXXXX");
    return mkdtemp(dir) ? dir : gm_harness_tmpdir();
}

static char life_root[600];

static const char *life(const char *base, int n, bool with_store)
{
    gm_err err;
    char dir[560];
    (void)snprintf(dir, sizeof(dir), "%s/%d", base, n);
    CHECK_OK(gm_fs_mkdirs(dir, &err), &err);
    (void)snprintf(life_root, sizeof(life_root), "%s/store", dir);
    prepare(life_root, with_store);
    return life_root;
}

/* Points passed in a life without faults; their log goes to `log`. */
static int count_points(const char *base, bool with_store, const char *log)
{
    gm_buf b = { 0 };
    gm_err err;
    int lines = 0;
    CHECK(!run_life(life(base, 0, with_store), NULL, log));
    CHECK(shared->finished && shared->collected && shared->ended);
    CHECK_OK(gm_fs_read(log, 0, &b, &err), &err);
    for (size_t i = 0; i < b.len; i++) lines += b.data[i] == '\n';
    gm_buf_clear(&b);
    return lines;
}

static void visit_every_point(const char *mode, bool with_store)
{
    static char base[512], log[560];
    (void)snprintf(base, sizeof(base), "%s", memory_dir());
    (void)snprintf(log, sizeof(log), "%s/points", base);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    int points = count_points(base, with_store, log);
    CHECK(points > 40 && points < POINTS_MAX);
    printf("# %s: %d points\n", mode, points);
    for (int n = 1; n <= points; n++) {
        char fault[32];
        gm_err err;
        (void)snprintf(fault, sizeof(fault), "%s:%d", mode, n);
        const char *root = life(base, n, with_store);
        bool killed = run_life(root, fault, NULL);
        CHECK(killed == (strcmp(mode, "kill") == 0));
        if (shared->odd) gm_harness_fail(__FILE__, __LINE__, "%s: %s", fault, shared->odd_text);
        if (!shared->collected && killed && !shared->ended) check_unnamed(root);
        check_life(root, fault);
        *strrchr(life_root, '/') = '\0';
        CHECK_OK(gm_fs_remove_tree(life_root, &err), &err);
    }
    CHECK_OK(gm_fs_remove_tree(base, NULL), (gm_err *)NULL);
}

static void a_kill_at_every_point_loses_nothing_acknowledged(void) { visit_every_point("kill", true); }
static void a_kill_at_every_point_of_a_new_store(void) { visit_every_point("kill", false); }
static void a_failure_at_every_point_is_all_or_nothing(void) { visit_every_point("fail", true); }
static void a_full_disk_at_every_point_is_all_or_nothing(void) { visit_every_point("full", true); }

/* The points are where they should be: none of the kinds is missing from a life. */
static void every_kind_of_point_is_passed(void)
{
    static const char *const kinds[] = { "pack.create", "pack.write",    "pack.sync",   "pack.sync_dir", "pack.unlink", "blob.create",
                                         "blob.write",  "blob.sync",     "blob.rename", "blob.sync_dir", "blob.unlink", "meta.write",
                                         "meta.sync",   "meta.commit" };
    static char base[512], log[560];
    gm_buf b = { 0 };
    gm_err err;
    (void)snprintf(base, sizeof(base), "%s", memory_dir());
    (void)snprintf(log, sizeof(log), "%s/points", base);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    (void)count_points(base, true, log);
    CHECK_OK(gm_fs_read(log, 0, &b, &err), &err);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char line[40];
        (void)snprintf(line, sizeof(line), " %s\n", kinds[i]);
        CHECK_HAS(gm_buf_str(&b), line);
    }
    gm_buf_clear(&b);
    CHECK_OK(gm_fs_remove_tree(base, &err), &err);
}

static void after_a_failed_sync_nothing_is_written(void)
{
    gm_err err;
    gm_digest d;
    const char *root = new_root();
    gm_store *s = open_store(root);
    (void)put_text(s, "before");
    CHECK(setenv("GRISTMILL_FAULT", "fail:2", 1) == 0); /* pack.write, then pack.sync */
    CHECK_RC(gm_blob_put(s, "abc", 3, &d, &err), GM_EIO);
    CHECK(unsetenv("GRISTMILL_FAULT") == 0);
    int64_t id = 0;
    CHECK_RC(gm_blob_put(s, "def", 3, &d, &err), GM_EIO);
    CHECK_HAS(err.message, "stopped writing");
    CHECK_RC(gm_blob_put(s, some_bytes(LARGE, 1), LARGE, &d, &err), GM_EIO);
    CHECK_RC(gm_run_begin(s, &(gm_run_record){ .pipeline = "p" }, &id, &err), GM_EIO);
    gm_digest_of("before", 6, &d);
    CHECK(gm_blob_exists(s, &d)); /* reading goes on */
    gm_store_close(s);
    s = open_store(root);
    CHECK(gm_blob_exists(s, &d));
    (void)put_text(s, "def");
    gm_store_close(s);
}

TESTS(T(a_kill_at_every_point_loses_nothing_acknowledged), T(a_kill_at_every_point_of_a_new_store),
      T(a_failure_at_every_point_is_all_or_nothing), T(a_full_disk_at_every_point_is_all_or_nothing), T(every_kind_of_point_is_passed),
      T(after_a_failed_sync_nothing_is_written))
