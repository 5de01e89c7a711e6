/* runs.c - runs of pipelines: begun, ended, listed. */
#include "base/clock.h"
#include "store/store_internal.h"

struct begin_call {
    const gm_run_record *run;
    int64_t id;
};

static gm_rc begin_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct begin_call *call = ctx;
    const gm_run_record *r = call->run;
    return gm_meta_int(tx, 0, &call->id, err,
                       "INSERT INTO runs(pipeline, state, spec_digest, environment, started_us, ended_us, summary)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
                       "ttttiit", r->pipeline, r->state ? r->state : "running", r->spec_digest, r->environment_json,
                       r->started_us ? r->started_us : gm_now_us(), r->ended_us, r->summary_json);
}

gm_rc gm_run_begin(gm_store *s, const gm_run_record *r, int64_t *out_id, gm_err *err)
{
    struct begin_call call = { r, 0 };
    gm_rc rc = gm_store_write(s, false, begin_work, &call, err);
    if (!rc) *out_id = call.id;
    return rc;
}

struct end_call {
    int64_t id;
    const char *state, *summary;
};

static gm_rc end_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct end_call *call = ctx;
    int64_t id = 0;
    gm_rc rc = gm_meta_int(tx, 0, &id, err,
                           "UPDATE runs SET state = ?1, summary = ?2, ended_us = ?3 WHERE id = ?4 RETURNING id", "ttii",
                           call->state, call->summary, gm_now_us(), call->id);
    return rc || id ? rc : gm_err_set(err, GM_ENOTFOUND, "there is no run %lld", (long long)call->id);
}

gm_rc gm_run_end(gm_store *s, int64_t id, const char *state, const char *summary_json, gm_err *err)
{
    struct end_call call = { id, state, summary_json };
    return gm_store_write(s, true, end_work, &call, err);
}

#define RUN_COLUMNS "id, pipeline, state, spec_digest, environment, started_us, ended_us, summary"

static bool read_run(gm_stmt *st, gm_arena *a, gm_run_record *out)
{
    gm_meta_reader r = { .st = st, .a = a };
    out->id = gm_meta_read_int(&r);
    out->pipeline = gm_meta_read_text(&r);
    out->state = gm_meta_read_text(&r);
    out->spec_digest = gm_meta_read_text(&r);
    out->environment_json = gm_meta_read_text(&r);
    out->started_us = gm_meta_read_int(&r);
    out->ended_us = gm_meta_read_int(&r);
    out->summary_json = gm_meta_read_text(&r);
    return !r.failed;
}

struct list_call {
    int64_t id, limit;    /* id 0 = any; limit -1 = all */
    const char *pipeline; /* NULL = any */
    gm_arena *a;
    gm_run_record *runs; /* [count] newest first */
    size_t count, capacity;
};

static gm_rc list_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct list_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false;
    gm_rc rc = call->id ? gm_meta_query(tx, &st, err, "SELECT " RUN_COLUMNS " FROM runs WHERE id = ?1", "i", call->id)
                        : gm_meta_query(tx, &st, err, "SELECT " RUN_COLUMNS " FROM runs WHERE (?2 = '' OR pipeline = ?2)"
                                        " ORDER BY id DESC LIMIT ?1", "it", call->limit, call->pipeline);
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        call->runs = gm_meta_grow(call->a, call->runs, call->count, &call->capacity, sizeof(*call->runs));
        if (call->runs && read_run(st, call->a, &call->runs[call->count++])) continue;
        gm_meta_done(st);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to list the runs");
    }
    return rc;
}

gm_rc gm_run_list_of(gm_store *s, const char *pipeline, int64_t limit, gm_arena *a, gm_run_record **out, size_t *out_count,
                     gm_err *err)
{
    struct list_call call = { .limit = limit > 0 ? limit : INT64_MAX, .pipeline = pipeline, .a = a };
    gm_rc rc = gm_store_read(s, list_work, &call, err);
    if (rc) return rc;
    *out = call.runs;
    *out_count = call.count;
    return GM_OK;
}

gm_rc gm_run_list(gm_store *s, int64_t limit, gm_arena *a, gm_run_record **out, size_t *out_count, gm_err *err)
{
    return gm_run_list_of(s, NULL, limit, a, out, out_count, err);
}

gm_rc gm_run_get(gm_store *s, int64_t id, gm_arena *a, gm_run_record *out, gm_err *err)
{
    struct list_call call = { .id = id, .limit = 1, .a = a };
    gm_rc rc = gm_store_read(s, list_work, &call, err);
    if (rc) return rc;
    if (call.count == 0) {
        rc = id ? gm_err_set(err, GM_ENOTFOUND, "there is no run %lld", (long long)id)
                : gm_err_set(err, GM_ENOTFOUND, "there is no run yet");
        gm_err_hint(err, id ? "`gristmill log` lists the runs." : "`gristmill run` makes the first.");
        return rc;
    }
    *out = call.runs[0];
    return GM_OK;
}
