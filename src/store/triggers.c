/* triggers.c - see triggers.h. Every function is one transaction; what a change rests on is read in it. */
#include "store/triggers.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "store/store_internal.h"

static const char ended_states[] = "done, failed, refused or dropped";

/* ---- reading -------------------------------------------------------------------------------------------------------- */

#define COLUMNS                                                                                                                  \
    "id, pipeline, kind, cause, reason, asked_us, state, started_us, ended_us, attempts, run_id, model_version, outcome"

static bool read_one(gm_stmt *st, gm_arena *a, gm_trigger_record *out)
{
    gm_meta_reader r = { .st = st, .a = a };
    out->id = gm_meta_read_int(&r);
    out->pipeline = gm_meta_read_text(&r);
    out->kind = gm_meta_read_text(&r);
    out->cause = gm_meta_read_text(&r);
    out->reason = gm_meta_read_text(&r);
    out->asked_us = gm_meta_read_int(&r);
    out->state = gm_meta_read_text(&r);
    out->started_us = gm_meta_read_int(&r);
    out->ended_us = gm_meta_read_int(&r);
    out->attempts = gm_meta_read_int(&r);
    out->run_id = gm_meta_read_int(&r);
    out->model_version = gm_meta_read_int(&r);
    out->outcome = gm_meta_read_text(&r);
    return !r.failed;
}

struct list_call {
    const char *pipeline, *state; /* NULL = any */
    int64_t limit;
    gm_arena *a;
    gm_trigger_record *items; /* [count] */
    size_t count, capacity;
};

static gm_rc list_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct list_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, ok = true;
    gm_rc rc = tx->backend->has_table(tx, "triggers", &row, err); /* not in a store of an older schema, only read */
    if (rc || !row) return rc;
    rc = gm_meta_query(tx, &st, err,
                       "SELECT " COLUMNS " FROM triggers WHERE (?1 = '' OR pipeline = ?1) AND (?2 = '' OR state = ?2)"
                       " ORDER BY id DESC LIMIT ?3",
                       "tti", call->pipeline, call->state, call->limit > 0 ? call->limit : INT64_MAX);
    while (ok && !rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        call->items = gm_meta_grow(call->a, call->items, call->count, &call->capacity, sizeof(*call->items));
        ok = call->items && read_one(st, call->a, &call->items[call->count++]);
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to list the triggers");
}

gm_rc gm_trigger_list(gm_store *s, const char *pipeline_or_null, const char *state_or_null, int64_t limit, gm_arena *a,
                      gm_trigger_record **out, size_t *out_count, gm_err *err)
{
    struct list_call call = { .pipeline = pipeline_or_null, .state = state_or_null, .limit = limit, .a = a };
    gm_rc rc = gm_store_read(s, list_work, &call, err);
    if (rc) return rc;
    *out = call.items;
    *out_count = call.count;
    return GM_OK;
}

struct count_call {
    const char *pipeline;
    int64_t since_us, count;
};

static gm_rc count_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct count_call *call = ctx;
    bool there = false;
    gm_rc rc = tx->backend->has_table(tx, "triggers", &there, err);
    if (rc || !there) return rc;
    return gm_meta_int(tx, 0, &call->count, err,
                       "SELECT count(*) FROM triggers WHERE pipeline = ?1 AND started_us > 0 AND started_us >= ?2 AND"
                       " state <> 'waiting' AND state <> 'dropped'",
                       "ti", call->pipeline, call->since_us);
}

gm_rc gm_trigger_count(gm_store *s, const char *pipeline, int64_t started_since_us, int64_t *out, gm_err *err)
{
    struct count_call call = { .pipeline = pipeline, .since_us = started_since_us };
    gm_rc rc = gm_store_read(s, count_work, &call, err);
    if (!rc) *out = call.count;
    return rc;
}

/* ---- asking --------------------------------------------------------------------------------------------------------- */

struct ask_call {
    const gm_trigger_record *t;
    const char *begin; /* gm_trigger_ask_instead; NULL = each cause is a wish of its own */
    int64_t id;
    bool is_new;
};

/* The waiting one whose cause begins so becomes this one. */
static gm_rc renew_waiting(gm_tx *tx, struct ask_call *call, gm_err *err)
{
    const gm_trigger_record *t = call->t;
    gm_rc rc = gm_meta_int(tx, 0, &call->id, err, "SELECT id FROM triggers WHERE pipeline = ?1 AND cause = ?2", "tt", t->pipeline,
                           t->cause);
    if (rc || call->id) return rc;
    return gm_meta_int(tx, 0, &call->id, err,
                       "UPDATE triggers SET cause = ?3, reason = ?4 WHERE id = (SELECT max(id) FROM triggers WHERE pipeline = ?1"
                       " AND state = 'waiting' AND substr(cause, 1, length(?2)) = ?2) RETURNING id",
                       "tttt", t->pipeline, call->begin, t->cause, t->reason);
}

static gm_rc ask_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct ask_call *call = ctx;
    const gm_trigger_record *t = call->t;
    gm_rc rc = call->begin ? renew_waiting(tx, call, err) : GM_OK;
    if (rc || call->id) return rc;
    rc = gm_meta_int(tx, 0, &call->id, err,
                     "INSERT INTO triggers(pipeline, kind, cause, reason, asked_us, state, started_us, ended_us, attempts,"
                     " run_id, model_version, outcome) VALUES(?1, ?2, ?3, ?4, ?5, 'waiting', 0, 0, 0, 0, 0, '')"
                     " ON CONFLICT(pipeline, cause) DO NOTHING RETURNING id",
                     "tttti", t->pipeline, t->kind, t->cause, t->reason, t->asked_us ? t->asked_us : gm_now_us());
    call->is_new = call->id != 0;
    if (rc || call->is_new) return rc;
    return gm_meta_int(tx, 0, &call->id, err, "SELECT id FROM triggers WHERE pipeline = ?1 AND cause = ?2", "tt", t->pipeline,
                       t->cause);
}

static gm_rc ask(gm_store *s, const gm_trigger_record *t, const char *begin, int64_t *out_id, bool *out_new, gm_err *err)
{
    struct ask_call call = { .t = t, .begin = begin };
    gm_assert(t->pipeline && t->pipeline[0] && t->kind && t->cause && t->cause[0]);
    gm_rc rc = gm_store_write(s, true, ask_work, &call, err);
    if (rc) return gm_err_ctx(err, rc, "asking for a retraining of \"%s\"", t->pipeline);
    if (out_id) *out_id = call.id;
    if (out_new) *out_new = call.is_new;
    return GM_OK;
}

gm_rc gm_trigger_ask(gm_store *s, const gm_trigger_record *t, int64_t *out_id, bool *out_new, gm_err *err)
{
    return ask(s, t, NULL, out_id, out_new, err);
}

gm_rc gm_trigger_ask_instead(gm_store *s, const gm_trigger_record *t, const char *begin, int64_t *out_id, bool *out_new,
                             gm_err *err)
{
    gm_assert(begin && begin[0] && strncmp(t->cause, begin, strlen(begin)) == 0);
    return ask(s, t, begin, out_id, out_new, err);
}

/* ---- moving --------------------------------------------------------------------------------------------------------- */

static bool is_end(const char *state)
{
    return !strcmp(state, "done") || !strcmp(state, "failed") || !strcmp(state, "refused") || !strcmp(state, "dropped");
}

/* waiting -> running, dropped; running -> running (again, after a crash), waiting (it could not begin), any end. */
static bool may_move(const char *from, const char *to)
{
    if (strcmp(from, "waiting") == 0) return !strcmp(to, "running") || !strcmp(to, "dropped");
    return strcmp(from, "running") == 0;
}

struct set_call {
    const gm_trigger_record *t;
    gm_arena *a;
};

static gm_rc state_of(gm_tx *tx, const struct set_call *call, const char **out_state, const char **out_pipeline, gm_err *err)
{
    gm_stmt *st = NULL;
    bool row = false;
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT state, pipeline FROM triggers WHERE id = ?1", "i", call->t->id);
    if (!rc) rc = gm_meta_next(st, &row, err);
    if (rc) return rc;
    if (!row) return gm_err_set(err, GM_ENOTFOUND, "there is no trigger %" PRId64, call->t->id);
    gm_meta_reader r = { .st = st, .a = call->a };
    *out_state = gm_meta_read_text(&r);
    *out_pipeline = gm_meta_read_text(&r);
    gm_meta_done(st);
    return r.failed ? gm_err_set(err, GM_ENOMEM, "not enough memory to read a trigger") : GM_OK;
}

static gm_rc none_else_runs(gm_tx *tx, int64_t id, const char *pipeline, gm_err *err)
{
    int64_t other = 0;
    gm_rc rc = gm_meta_int(tx, 0, &other, err, "SELECT id FROM triggers WHERE pipeline = ?1 AND state = 'running' AND id <> ?2",
                           "ti", pipeline, id);
    if (rc || !other) return rc;
    return gm_err_set(err, GM_ECONFLICT, "trigger %" PRId64 " of pipeline \"%s\" is running", other, pipeline);
}

/* What is long over goes. A window is looked at for as long as it is kept, and would ask again. */
static gm_rc forget(gm_tx *tx, const char *pipeline, int64_t now_us, gm_err *err)
{
    static const int64_t KEPT_US = 90 * 86400 * (int64_t)1000000;
    return gm_meta_exec(tx, err,
                        "DELETE FROM triggers WHERE pipeline = ?1 AND state IN ('done', 'failed', 'refused', 'dropped')"
                        " AND ended_us < ?2 AND kind NOT IN ('drift', 'decay') AND id <="
                        " (SELECT id FROM triggers WHERE pipeline = ?1 ORDER BY id DESC LIMIT 1 OFFSET 1000)",
                        "ti", pipeline, now_us - KEPT_US);
}

static gm_rc set_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct set_call *call = ctx;
    const gm_trigger_record *t = call->t;
    const char *was = NULL, *pipeline = NULL;
    bool running = strcmp(t->state, "running") == 0, waiting = strcmp(t->state, "waiting") == 0;
    gm_rc rc = state_of(tx, call, &was, &pipeline, err);
    if (rc) return rc;
    if (!may_move(was, t->state))
        return gm_err_set(err, GM_ECONFLICT, "trigger %" PRId64 " is %s, and cannot become %s", t->id, was, t->state);
    if (running) rc = none_else_runs(tx, t->id, pipeline, err);
    if (!rc && is_end(t->state)) rc = forget(tx, pipeline, t->ended_us, err);
    if (rc) return rc;
    return gm_meta_exec(tx, err,
                        "UPDATE triggers SET state = ?2, started_us = ?3, ended_us = ?4, attempts = attempts + ?5, run_id = ?6,"
                        " model_version = ?7, outcome = ?8 WHERE id = ?1",
                        "itiiiiit", t->id, t->state, waiting ? (int64_t)0 : t->started_us,
                        is_end(t->state) ? t->ended_us : (int64_t)0, (int64_t)running, t->run_id, t->model_version, t->outcome);
}

gm_rc gm_trigger_set(gm_store *s, const gm_trigger_record *t, gm_err *err)
{
    if (strcmp(t->state, "running") != 0 && strcmp(t->state, "waiting") != 0 && !is_end(t->state))
        return gm_err_set(err, GM_EINVALID, "a trigger is waiting, running, %s, not \"%.40s\"", ended_states, t->state);
    struct set_call call = { .t = t, .a = gm_arena_new(0) };
    gm_rc rc =
        call.a ? gm_store_write(s, true, set_work, &call, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for a trigger");
    gm_arena_free(call.a);
    return gm_err_ctx(err, rc, "changing trigger %" PRId64, t->id);
}

struct drop_call {
    const char *pipeline, *outcome;
    int64_t asked_until_us, ended_us;
};

static gm_rc drop_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct drop_call *call = ctx;
    return gm_meta_exec(tx, err,
                        "UPDATE triggers SET state = 'dropped', ended_us = ?3, outcome = ?4 WHERE pipeline = ?1 AND"
                        " state = 'waiting' AND asked_us <= ?2",
                        "tiit", call->pipeline, call->asked_until_us, call->ended_us, call->outcome);
}

gm_rc gm_trigger_drop_waiting(gm_store *s, const char *pipeline, int64_t asked_until_us, int64_t ended_us, const char *outcome,
                              gm_err *err)
{
    struct drop_call call = { .pipeline = pipeline, .outcome = outcome, .asked_until_us = asked_until_us, .ended_us = ended_us };
    return gm_store_write(s, true, drop_work, &call, err);
}

struct note_call {
    int64_t id;
    const char *outcome;
};

static gm_rc note_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct note_call *call = ctx;
    int64_t changed = 0;
    gm_rc rc =
        gm_meta_int(tx, 0, &changed, err,
                    "UPDATE triggers SET outcome = ?2 WHERE id = ?1 AND state <> 'waiting' AND state <> 'running' RETURNING id",
                    "it", call->id, call->outcome);
    if (rc || changed) return rc;
    rc = gm_meta_int(tx, 0, &changed, err, "SELECT id FROM triggers WHERE id = ?1", "i", call->id);
    if (rc) return rc;
    return changed ? gm_err_set(err, GM_ECONFLICT, "trigger %" PRId64 " is not over yet", call->id)
                   : gm_err_set(err, GM_ENOTFOUND, "there is no trigger %" PRId64, call->id);
}

gm_rc gm_trigger_note(gm_store *s, int64_t id, const char *outcome, gm_err *err)
{
    struct note_call call = { .id = id, .outcome = outcome };
    return gm_store_write(s, true, note_work, &call, err);
}
