/* up_fixture.h - what the tests of `up` share: a store, a file as it would be read, and records of runs as a run would leave
 * them. */
#ifndef GM_TEST_UP_FIXTURE_H
#define GM_TEST_UP_FIXTURE_H

#include "pipe/spec.h"
#include "store/triggers.h"
#include "unit/store/store_fixture.h"

static gm_arena *arena;
static gm_err err;
static gm_store *store;
static gm_spec spec;

static inline void fresh_up(void)
{
    arena = gm_arena_new(0);
    store = open_store(new_root());
    spec = (gm_spec){ .pipeline = "churn", .base_dir = ".", .a = arena };
}

static inline void done_up(void)
{
    gm_store_close(store);
    gm_arena_free(arena);
}

static inline gm_trigger_record trigger(int64_t id)
{
    gm_trigger_record *all = NULL;
    size_t count = 0;
    CHECK_OK(gm_trigger_list(store, NULL, NULL, 0, arena, &all, &count, &err), &err);
    for (size_t i = 0; i < count; i++)
        if (all[i].id == id) return all[i];
    CHECK(false && "no such trigger");
    return (gm_trigger_record){ 0 };
}

static inline size_t triggers(const char *state)
{
    gm_trigger_record *all = NULL;
    size_t count = 0;
    CHECK_OK(gm_trigger_list(store, "churn", state, 0, arena, &all, &count, &err), &err);
    return count;
}

static inline int64_t wish(const char *kind, const char *cause, int64_t asked_us)
{
    int64_t id = 0;
    gm_trigger_record t = { .pipeline = "churn", .kind = kind, .cause = cause, .reason = "because", .asked_us = asked_us };
    CHECK_OK(gm_trigger_ask(store, &t, &id, NULL, &err), &err);
    return id;
}

/* A run of a wish; state NULL: it was cut off. */
static inline int64_t run_of(int64_t wish_id, const char *state, bool may_retry)
{
    int64_t id = 0;
    gm_run_record r = { .pipeline = "churn",
                        .environment_json = gm_arena_printf(arena, "{\"trigger\":%lld}", (long long)wish_id) };
    CHECK_OK(gm_run_begin(store, &r, &id, &err), &err);
    if (state) CHECK_OK(gm_run_end(store, id, state, may_retry ? "{\"may_retry\":true}" : "{\"may_retry\":false}", &err), &err);
    return id;
}

static inline int64_t model_of(int64_t run_id, const char *bytes, const char *aliases)
{
    int64_t version = 0;
    gm_model_version v = { .model = "churn", .digest = put_text(store, bytes), .run_id = run_id, .aliases = aliases };
    CHECK_OK(gm_model_register(store, &v, &version, NULL, &err), &err);
    return version;
}

#endif
