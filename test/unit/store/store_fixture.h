/* store_fixture.h - what the tests of the store share: a store in a temporary folder, and small helpers. */
#ifndef GM_TEST_STORE_FIXTURE_H
#define GM_TEST_STORE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "harness/harness.h"
#include "store/store.h"

/* A new folder for a store; static. */
static inline const char *new_root(void)
{
    static char root[512];
    (void)snprintf(root, sizeof(root), "%s/store", gm_harness_tmpdir());
    return root;
}

static inline gm_store *open_store(const char *root)
{
    gm_store *s = NULL;
    gm_err err;
    CHECK_OK(gm_store_open(root, NULL, &s, &err), &err);
    return s;
}

static inline gm_store *open_reader(const char *root)
{
    gm_store *s = NULL;
    gm_err err;
    CHECK_OK(gm_store_open(root, &(gm_store_options){ .read_only = true }, &s, &err), &err);
    return s;
}

static inline gm_digest put_text(gm_store *s, const char *text)
{
    gm_digest d;
    gm_err err;
    CHECK_OK(gm_blob_put(s, text, strlen(text), &d, &err), &err);
    return d;
}

/* `len` bytes that depend on seed; static until the next call. */
static inline const char *some_bytes(size_t len, unsigned seed)
{
    static char bytes[1 << 20];
    CHECK(len <= sizeof(bytes));
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (char)(seed >> 24);
    }
    return bytes;
}

static inline gm_digest put_bytes(gm_store *s, size_t len, unsigned seed)
{
    gm_digest d;
    gm_err err;
    CHECK_OK(gm_blob_put(s, some_bytes(len, seed), len, &d, &err), &err);
    return d;
}

/* Write a plain file under the folder of root. Static until the next call. */
static inline const char *write_file(const char *root, const char *name, const void *bytes, size_t len)
{
    static char path[1024];
    gm_err err;
    (void)snprintf(path, sizeof(path), "%s/../%s", root, name);
    CHECK_OK(gm_fs_write(path, bytes, len, &err), &err);
    return path;
}

/* Begin and commit one step with one output; returns its id. */
static inline int64_t commit_step(gm_store *s, int64_t run_id, const char *name, const char *key, const gm_digest *output)
{
    gm_err err;
    gm_step_record r = { .run_id = run_id, .name = name, .kind = "run", .key = key, .key_fields = "{\"code\":\"1\"}" };
    gm_artifact out = { .name = "out", .type = "dataset", .digest = *output, .size_bytes = 3 };
    CHECK_OK(gm_step_begin(s, &r, &err), &err);
    CHECK_OK(gm_step_commit(s, &r, NULL, &(gm_artifacts){ &out, 1 }, &err), &err);
    return r.id;
}

static inline int64_t begin_run(gm_store *s, const char *pipeline)
{
    int64_t id = 0;
    gm_err err;
    CHECK_OK(gm_run_begin(s, &(gm_run_record){ .pipeline = pipeline, .environment_json = "{}" }, &id, &err), &err);
    return id;
}

#endif
