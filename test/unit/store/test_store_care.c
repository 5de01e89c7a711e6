/* test_store_care.c - gc keeps what is reached and removes the rest; fsck finds every kind of damage. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "unit/store/store_fixture.h"

static gm_err err;
static const gm_gc_options newest_only = { .keep_runs = 1, .keep_seconds = 1e-6 };

static gm_gc_report collect(gm_store *s, const gm_gc_options *o)
{
    gm_gc_report report;
    CHECK_OK(gm_store_gc(s, o, &report, &err), &err);
    return report;
}

static char said[4096];

static void listen(void *ctx, const char *line)
{
    (void)ctx;
    size_t len = strlen(said);
    (void)snprintf(said + len, sizeof(said) - len, "%s\n", line);
}

static gm_fsck_report check_store(gm_store *s)
{
    gm_fsck_report report;
    said[0] = '\0';
    CHECK_OK(gm_store_fsck(s, listen, NULL, &report, &err), &err);
    return report;
}

static void check_whole(gm_store *s)
{
    gm_fsck_report r = check_store(s);
    CHECK_STR(said, "");
    CHECK(r.corrupt == 0 && r.missing == 0);
}

static void end_run(gm_store *s, int64_t id) { CHECK_OK(gm_run_end(s, id, "done", "", &err), &err); }

/* One run with one step that makes `output` from `input` (NULL = none). */
static int64_t simple_run(gm_store *s, const char *step, const char *key, const gm_digest *input, const gm_digest *output)
{
    int64_t run = begin_run(s, "p");
    gm_step_record r = { .run_id = run, .name = step, .key = key };
    gm_artifact in = { .name = "in", .type = "dataset" }, out = { .name = "out", .type = "dataset", .digest = *output };
    if (input) in.digest = *input;
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    CHECK_OK(gm_step_commit(s, &r, &(gm_artifacts){ &in, input != NULL }, &(gm_artifacts){ &out, 1 }, &err), &err);
    end_run(s, run);
    return run;
}

static void gc_removes_old_runs_and_what_only_they_led_to(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    gm_arena *a = gm_arena_new(0);
    gm_digest small_old = put_text(s, "old"), large_old = put_bytes(s, 100000, 1), stray = put_text(s, "nobody's");
    gm_digest small_new = put_text(s, "new"), large_new = put_bytes(s, 100000, 2);
    (void)simple_run(s, "x", "k1", NULL, &small_old);
    (void)simple_run(s, "x", "k2", NULL, &large_old);
    int64_t kept = begin_run(s, "p");
    (void)commit_step(s, kept, "x", "k3", &small_new);
    (void)commit_step(s, kept, "y", "k4", &large_new);
    end_run(s, kept);

    gm_gc_report planned = collect(s, &(gm_gc_options){ .keep_runs = 1, .keep_seconds = 1e-6, .dry_run = true });
    CHECK(planned.runs_removed == 2 && planned.blobs_removed == 3 && planned.blobs_kept == 2);
    CHECK(gm_blob_exists(s, &small_old) && gm_blob_exists(s, &stray));
    gm_gc_report done = collect(s, &newest_only);
    CHECK(memcmp(&done, &planned, sizeof(done)) == 0);
    CHECK(done.bytes_removed == 3 + 100000 + 8 && done.bytes_kept == 3 + 100000);

    for (int again = 0; again < 2; again++) {
        CHECK(!gm_blob_exists(s, &small_old) && !gm_blob_exists(s, &large_old) && !gm_blob_exists(s, &stray));
        CHECK(gm_blob_exists(s, &small_new) && gm_blob_exists(s, &large_new));
        CHECK_RC(gm_action_get(s, "k1", a, NULL, NULL, &err), GM_ENOTFOUND);
        CHECK_OK(gm_action_get(s, "k3", a, NULL, NULL, &err), &err);
        check_whole(s);
        (void)put_text(s, "after gc"); /* the pack being written may have been replaced */
        gm_store_close(s);
        s = open_store(root);
    }
    CHECK(gm_harness_files_in(root, "packs") <= 2);
    gm_store_close(s);
    gm_arena_free(a);
}

static void gc_with_defaults_keeps_young_runs(void)
{
    gm_store *s = open_store(new_root());
    gm_digest d = put_text(s, "x");
    for (int i = 0; i < 25; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        (void)simple_run(s, "x", key, NULL, &d);
    }
    CHECK(collect(s, NULL).runs_removed == 0);
    CHECK(collect(s, &(gm_gc_options){ .keep_seconds = 1e-6 }).runs_removed == 5); /* 20 newest */
    gm_store_close(s);
}

static void gc_keeps_models_with_their_lineage(void)
{
    gm_store *s = open_store(new_root());
    gm_arena *a = gm_arena_new(0);
    gm_digest raw = put_text(s, "raw"), table = put_text(s, "table"), model = put_text(s, "model"), other = put_text(s, "other");
    (void)simple_run(s, "load", "k1", NULL, &raw);
    (void)simple_run(s, "shape", "k2", &raw, &table);
    int64_t trained = simple_run(s, "train", "k3", &table, &model), version = 0;
    CHECK_OK(gm_model_register(s, &(gm_model_version){ .model = "m", .digest = model, .run_id = trained }, &version, NULL, &err), &err);
    (void)simple_run(s, "load", "k4", NULL, &other);
    (void)simple_run(s, "load", "k5", NULL, &other);
    gm_gc_report r = collect(s, &newest_only);
    CHECK(r.runs_removed == 1); /* of the two that made `other` the older one; the chain to the model stays */
    CHECK(gm_blob_exists(s, &raw) && gm_blob_exists(s, &table) && gm_blob_exists(s, &model) && gm_blob_exists(s, &other));
    gm_step_record maker;
    CHECK_OK(gm_lineage_maker(s, &raw, a, &maker, &err), &err);
    check_whole(s);
    gm_store_close(s);
    gm_arena_free(a);
}

static void gc_keeps_the_makers_of_cached_steps(void)
{
    gm_store *s = open_store(new_root());
    gm_arena *a = gm_arena_new(0);
    gm_digest d = put_text(s, "made once");
    (void)simple_run(s, "x", "k1", NULL, &d);
    (void)simple_run(s, "y", "k2", NULL, &d);
    int64_t run = begin_run(s, "p");
    CHECK_OK(gm_steps_cached(s, &(gm_step_record){ .run_id = run, .name = "x", .key = "k1" }, 1, &err), &err);
    end_run(s, run);
    CHECK(collect(s, &newest_only).runs_removed == 1);
    CHECK_OK(gm_action_get(s, "k1", a, NULL, NULL, &err), &err);
    CHECK(gm_blob_exists(s, &d));
    gm_store_close(s);
    gm_arena_free(a);
}

/* A package's manifest names its files; they, and what they name, stay with it. */
static void gc_keeps_what_a_kept_text_names(void)
{
    gm_store *s = open_store(new_root());
    gm_digest leaf = put_bytes(s, 100000, 5), file = put_text(s, "a file"), stray = put_text(s, "stray");
    char inner[200], manifest[200];
    (void)snprintf(inner, sizeof(inner), "[\"%s\"]", leaf.hex);
    gm_digest list = put_text(s, inner);
    (void)snprintf(manifest, sizeof(manifest), "{\"a\": \"%s\", \"b\":\"%s\"}", file.hex, list.hex);
    gm_digest package = put_text(s, manifest);
    (void)simple_run(s, "train", "k", NULL, &package);
    CHECK(collect(s, &newest_only).blobs_removed == 1);
    CHECK(gm_blob_exists(s, &leaf) && gm_blob_exists(s, &file) && gm_blob_exists(s, &list) && !gm_blob_exists(s, &stray));
    gm_store_close(s);
}

static void gc_keeps_the_newest_version_of_a_data_set_and_goes_on_counting(void)
{
    gm_store *s = open_store(new_root());
    int64_t version = 0;
    gm_dataset_version v = { .name = "d", .digest = put_text(s, "one") };
    gm_digest first = v.digest;
    CHECK_OK(gm_dataset_add(s, &v, &version, &err), &err);
    v.digest = put_text(s, "two");
    CHECK_OK(gm_dataset_add(s, &v, &version, &err), &err);
    (void)collect(s, &newest_only);
    CHECK(!gm_blob_exists(s, &first) && gm_blob_exists(s, &v.digest));
    check_whole(s);
    v.digest = put_text(s, "three");
    CHECK_OK(gm_dataset_add(s, &v, &version, &err), &err);
    CHECK(version == 3);
    gm_store_close(s);
}

static void gc_waits_for_running_steps(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    gm_step_record r = { .run_id = begin_run(s, "p"), .name = "x" };
    gm_gc_report report;
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    CHECK_RC(gm_store_gc(s, NULL, &report, &err), GM_ECONFLICT);
    gm_store_close(s);
    s = open_store(root); /* a step that a dead process left running holds nothing back */
    (void)collect(s, NULL);
    gm_store_close(s);
    s = open_reader(root);
    CHECK_RC(gm_store_gc(s, NULL, &report, &err), GM_EINVALID);
    gm_store_close(s);
}

/* ---- fsck ---------------------------------------------------------------------------------------------------------- */

static void flip(const char *root, const char *name, off_t at)
{
    char path[700], byte;
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    CHECK(chmod(path, 0644) == 0);
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= 4;
    CHECK(pwrite(fd, &byte, 1, at) == 1 && close(fd) == 0);
}

static void fsck_finds_a_flipped_byte_in_every_kind_of_blob(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    gm_digest small = put_text(s, "small blob"), large = put_bytes(s, 100000, 1);
    (void)simple_run(s, "x", "k1", NULL, &small);
    (void)simple_run(s, "y", "k2", NULL, &large);
    gm_fsck_report r = check_store(s);
    CHECK(r.blobs == 2 && r.bytes == 100010 && r.corrupt == 0 && r.missing == 0 && r.unreferenced == 0);
    char name[100];
    (void)snprintf(name, sizeof(name), "objects/%.2s/%s", large.hex, large.hex + 2);
    flip(root, name, 99999);
    r = check_store(s);
    CHECK(r.corrupt == 1);
    CHECK_HAS(said, large.hex);
    flip(root, "packs/00000001.pack", 16 + 48 + 2);
    r = check_store(s);
    CHECK(r.corrupt == 2 && r.missing == 0);
    CHECK_HAS(said, small.hex);
    flip(root, "packs/00000001.pack", 16 + 48 + 2);
    flip(root, "packs/00000001.pack", 16 + 20); /* the digest in the record's own head */
    r = check_store(s);
    CHECK(r.corrupt == 2);
    gm_store_close(s);
}

static void fsck_finds_blobs_that_are_gone_and_blobs_without_a_name(void)
{
    const char *root = new_root();
    gm_store *s = open_store(root);
    gm_digest large = put_bytes(s, 100000, 1), model = put_bytes(s, 100000, 2);
    int64_t version = 0;
    (void)put_text(s, "stray");
    (void)simple_run(s, "x", "k1", NULL, &large);
    CHECK_OK(gm_model_register(s, &(gm_model_version){ .model = "m", .digest = model }, &version, NULL, &err), &err);
    CHECK(check_store(s).unreferenced == 1);
    char path[700];
    (void)snprintf(path, sizeof(path), "%s/objects/%.2s/%s", root, large.hex, large.hex + 2);
    CHECK(unlink(path) == 0);
    CHECK(check_store(s).missing == 1);
    CHECK_HAS(said, "output out of step");
    (void)snprintf(path, sizeof(path), "%s/objects/%.2s/%s", root, model.hex, model.hex + 2);
    CHECK(unlink(path) == 0);
    CHECK(check_store(s).missing == 2);
    CHECK_HAS(said, "model m version 1");
    gm_store_close(s);

    (void)snprintf(path, sizeof(path), "%s/packs/00000001.pack", root);
    CHECK(unlink(path) == 0);
    s = open_store(root);
    CHECK(check_store(s).corrupt == 2); /* the pack, and the blob in it */
    CHECK_HAS(said, "00000001.pack is missing");
    gm_digest d = put_text(s, "goes elsewhere");
    gm_store_close(s);
    s = open_store(root);
    CHECK(gm_blob_exists(s, &d));
    gm_store_close(s);
}

static void fsck_makes_a_lost_index_again(void)
{
    const char *root = new_root();
    char path[700];
    gm_store *s = open_store(root);
    gm_digest d = put_text(s, "abc");
    (void)simple_run(s, "x", "k1", NULL, &d);
    gm_store_close(s);
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof(path), "%s/meta.db", root);
    CHECK(sqlite3_open(path, &db) == SQLITE_OK && sqlite3_exec(db, "DELETE FROM packed", NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    s = open_reader(root);
    CHECK(check_store(s).missing == 1); /* a reader only reports */
    gm_store_close(s);
    s = open_store(root);
    gm_fsck_report r = check_store(s);
    CHECK(r.repaired == 1 && r.missing == 0 && r.corrupt == 0 && r.blobs == 1);
    gm_store_close(s);
    s = open_reader(root);
    CHECK(gm_blob_exists(s, &d) && check_store(s).missing == 0);
    gm_store_close(s);
}

TESTS(T(gc_removes_old_runs_and_what_only_they_led_to), T(gc_with_defaults_keeps_young_runs), T(gc_keeps_models_with_their_lineage),
      T(gc_keeps_the_makers_of_cached_steps), T(gc_keeps_what_a_kept_text_names),
      T(gc_keeps_the_newest_version_of_a_data_set_and_goes_on_counting), T(gc_waits_for_running_steps),
      T(fsck_finds_a_flipped_byte_in_every_kind_of_blob), T(fsck_finds_blobs_that_are_gone_and_blobs_without_a_name),
      T(fsck_makes_a_lost_index_again))
