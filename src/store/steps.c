/* steps.c - steps of a run: intent, outcome, and the action cache.
 *
 * A step's id is its fencing token: a later attempt of the same step in the same run has a larger one, and an outcome is accepted
 * only from the attempt that is the newest and still marked running. So a worker that was given up for lost cannot overwrite
 * what its successor did.
 * Durability: outcomes are durable when acknowledged. Intents, pids and marks "cached" survive the death of the program at once,
 * and a power cut with the next outcome: after a power cut there is nothing left that they could describe.
 */
#include <string.h>

#include "base/clock.h"
#include "store/step_read.h"

/* ---- intent --------------------------------------------------------------------------------------------------- */

static gm_rc keep_fields(gm_tx *tx, const gm_step_record *r, gm_err *err)
{
    if (!r->key || !r->key[0] || !r->key_fields || !r->key_fields[0]) return GM_OK;
    return gm_meta_exec(tx, err, "INSERT INTO key_fields(key, fields) VALUES(?1, ?2) ON CONFLICT(key) DO NOTHING", "tt", r->key,
                        r->key_fields);
}

#define INSERT_STEP                                                                                          \
    "INSERT INTO steps(run_id, name, kind, key, state, attempt, started_us, ended_us, cpu_us, peak_rss, rows," \
    " pid, pid_start, error, result, log_digest)"                                                            \
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
#define STEP_TYPES "itttt" "iiiiiiii" "ttt"

/* A row as r says, with this state and attempt. out_id may be NULL: a statement that returns nothing is cheaper. */
static gm_rc insert_step(gm_tx *tx, const gm_step_record *r, const char *state, int64_t attempt, int64_t *out_id, gm_err *err)
{
    gm_rc rc = keep_fields(tx, r, err);
    if (rc) return rc;
    if (out_id)
        return gm_meta_int(tx, 0, out_id, err, INSERT_STEP " RETURNING id", STEP_TYPES, r->run_id, r->name, r->kind, r->key, state,
                           attempt, r->started_us, r->ended_us, r->cpu_us, r->peak_rss_bytes, r->rows, r->pid, r->pid_start, r->error,
                           r->result_json, r->log_digest);
    return gm_meta_exec(tx, err, INSERT_STEP, STEP_TYPES, r->run_id, r->name, r->kind, r->key, state, attempt, r->started_us, r->ended_us,
                        r->cpu_us, r->peak_rss_bytes, r->rows, r->pid, r->pid_start, r->error, r->result_json, r->log_digest);
}

struct begin_call {
    gm_step_record *r;
    int64_t id, attempt;
};

static gm_rc begin_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct begin_call *call = ctx;
    gm_rc rc = GM_OK;
    call->attempt = call->r->attempt;
    if (call->attempt <= 0)
        rc = gm_meta_int(tx, 1, &call->attempt, err,
                         "SELECT coalesce(max(attempt), 0) + 1 FROM steps WHERE run_id = ?1 AND name = ?2", "it", call->r->run_id,
                         call->r->name);
    return rc ? rc : insert_step(tx, call->r, "running", call->attempt, &call->id, err);
}

gm_rc gm_step_begin(gm_store *s, gm_step_record *r, gm_err *err)
{
    struct begin_call call = { .r = r };
    if (!r->name || !r->name[0]) return gm_err_set(err, GM_EINVALID, "a step has no name");
    if (!r->started_us) r->started_us = gm_now_us();
    gm_rc rc = gm_store_write(s, false, begin_work, &call, err);
    if (rc) return rc;
    r->id = r->token = call.id;
    r->attempt = call.attempt;
    r->state = "running";
    long long none = 0;
    (void)atomic_compare_exchange_strong(&s->first_step, &none, call.id);
    return GM_OK;
}

struct pid_call {
    int64_t id, pid, pid_start;
};

static gm_rc pid_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct pid_call *call = ctx;
    int64_t id = 0;
    gm_rc rc = gm_meta_int(tx, 0, &id, err, "UPDATE steps SET pid = ?1, pid_start = ?2 WHERE id = ?3 RETURNING id", "iii",
                           call->pid, call->pid_start, call->id);
    return rc || id ? rc : gm_err_set(err, GM_ENOTFOUND, "there is no step %lld", (long long)call->id);
}

gm_rc gm_step_set_pid(gm_store *s, int64_t step_id, int64_t pid, int64_t pid_start, gm_err *err)
{
    struct pid_call call = { step_id, pid, pid_start };
    return gm_store_write(s, false, pid_work, &call, err);
}

/* ---- outcome -------------------------------------------------------------------------------------------------- */

struct outcome_call {
    const gm_step_record *r;
    const char *state;
    const gm_artifacts *inputs, *outputs; /* NULL when it did not end well */
};

/* May this attempt still say how it ended? One that brings outputs must also be the newest of its step. */
static gm_rc check_token(gm_tx *tx, const gm_step_record *r, bool with_outputs, gm_err *err)
{
    int64_t newest = 0;
    gm_rc rc = gm_meta_int(tx, 0, &newest, err,
                           "SELECT max(n.id) FROM steps s JOIN steps n ON n.run_id = s.run_id AND n.name = s.name"
                           " WHERE s.id = ?1 AND s.state = 'running' HAVING count(*) > 0",
                           "i", r->id);
    if (rc) return rc;
    if (newest && r->token == r->id && (newest == r->id || !with_outputs)) return GM_OK;
    rc = gm_err_set(err, GM_ECONFLICT, "attempt %lld of step \"%s\" is no longer the one that counts", (long long)r->attempt, r->name);
    gm_err_hint(err, newest > r->id ? "A later attempt of the step has begun." : "The attempt was ended or given up before.");
    return rc;
}

static gm_rc keep_artifacts(gm_tx *tx, int64_t step_id, bool output, const gm_artifacts *list, gm_err *err)
{
    gm_rc rc = GM_OK;
    for (size_t i = 0; list && i < list->count && !rc; i++) {
        const gm_artifact *x = &list->items[i];
        rc = gm_meta_exec(tx, err,
                          "INSERT INTO artifacts(step_id, output, at, name, type, digest, size, meta)"
                          " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                          "iiittdit", step_id, (int64_t)output, (int64_t)i, x->name, x->type, &x->digest, x->size_bytes,
                          x->meta_json);
        rc = gm_err_ctx(err, rc, "recording artifact \"%s\"", x->name ? x->name : "");
    }
    return rc;
}

static gm_rc update_step(gm_tx *tx, const gm_step_record *r, const char *state, gm_err *err)
{
    return gm_meta_exec(tx, err,
                        "UPDATE steps SET state = ?1, ended_us = ?2, cpu_us = ?3, peak_rss = ?4, rows = ?5, error = ?6,"
                        " result = ?7, log_digest = ?8, pid = 0 WHERE id = ?9",
                        "tiiiittti", state, r->ended_us ? r->ended_us : gm_now_us(), r->cpu_us, r->peak_rss_bytes, r->rows,
                        r->error, r->result_json, r->log_digest, r->id);
}

static gm_rc commit_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct outcome_call *call = ctx;
    const gm_step_record *r = call->r;
    gm_rc rc = check_token(tx, r, true, err);
    if (!rc) rc = keep_fields(tx, r, err); /* begun without a key: the key stands now */
    if (!rc) rc = update_step(tx, r, "done", err);
    if (!rc && r->key) rc = gm_meta_exec(tx, err, "UPDATE steps SET key = ?1 WHERE id = ?2", "ti", r->key, r->id);
    if (!rc) rc = keep_artifacts(tx, r->id, false, call->inputs, err);
    if (!rc) rc = keep_artifacts(tx, r->id, true, call->outputs, err);
    if (!rc && r->key && r->key[0])
        rc = gm_meta_exec(tx, err,
                          "INSERT INTO actions(key, step_id) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET step_id ="
                          " excluded.step_id",
                          "ti", r->key, r->id);
    return rc;
}

gm_rc gm_step_commit(gm_store *s, const gm_step_record *r, const gm_artifacts *inputs, const gm_artifacts *outputs, gm_err *err)
{
    struct outcome_call call = { .r = r, .inputs = inputs, .outputs = outputs };
    gm_rc rc = gm_store_write(s, true, commit_work, &call, err);
    return gm_err_ctx(err, rc, "recording the end of step \"%s\"", r->name);
}

static gm_rc end_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct outcome_call *call = ctx;
    if (!call->r->id) return insert_step(tx, call->r, call->state, call->r->attempt, NULL, err);
    gm_rc rc = check_token(tx, call->r, false, err);
    return rc ? rc : update_step(tx, call->r, call->state, err);
}

gm_rc gm_step_end(gm_store *s, const gm_step_record *r, gm_err *err)
{
    static const char *const states[] = { "failed", "skipped", "canceled", "lost" };
    struct outcome_call call = { .r = r };
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (r->state && strcmp(r->state, states[i]) == 0) call.state = states[i];
    if (!call.state) return gm_err_set(err, GM_EINVALID, "a step cannot end as \"%s\"", r->state ? r->state : "");
    gm_rc rc = gm_store_write(s, true, end_work, &call, err);
    return gm_err_ctx(err, rc, "recording the end of step \"%s\"", r->name);
}

/* ---- cached steps ----------------------------------------------------------------------------------------------- */

struct cached_call {
    const gm_step_record *records; /* [count] */
    size_t count;
};

static gm_rc cached_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct cached_call *call = ctx;
    gm_rc rc = GM_OK;
    for (size_t i = 0; i < call->count && !rc; i++) rc = insert_step(tx, &call->records[i], "cached", call->records[i].attempt, NULL, err);
    return rc;
}

gm_rc gm_steps_cached(gm_store *s, const gm_step_record *records, size_t count, gm_err *err)
{
    struct cached_call call = { records, count };
    return gm_store_write(s, false, cached_work, &call, err);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static bool read_step(gm_stmt *st, gm_arena *a, gm_step_record *out)
{
    gm_meta_reader r = { .st = st, .a = a };
    out->id = out->token = gm_meta_read_int(&r);
    out->run_id = gm_meta_read_int(&r);
    out->name = gm_meta_read_text(&r);
    out->kind = gm_meta_read_text(&r);
    out->key = gm_meta_read_text(&r);
    out->key_fields = gm_meta_read_text(&r);
    out->state = gm_meta_read_text(&r);
    out->attempt = gm_meta_read_int(&r);
    out->started_us = gm_meta_read_int(&r);
    out->ended_us = gm_meta_read_int(&r);
    out->cpu_us = gm_meta_read_int(&r);
    out->peak_rss_bytes = gm_meta_read_int(&r);
    out->rows = gm_meta_read_int(&r);
    out->pid = gm_meta_read_int(&r);
    out->pid_start = gm_meta_read_int(&r);
    out->error = gm_meta_read_text(&r);
    out->result_json = gm_meta_read_text(&r);
    out->log_digest = gm_meta_read_text(&r);
    return !r.failed;
}

gm_rc gm_step_read_rows(gm_stmt *st, gm_step_rows *rows, gm_err *err)
{
    bool row = false;
    gm_rc rc = GM_OK;
    while (!(rc = gm_meta_next(st, &row, err)) && row) {
        rows->items = gm_meta_grow(rows->a, rows->items, rows->count, &rows->capacity, sizeof(*rows->items));
        if (rows->items && read_step(st, rows->a, &rows->items[rows->count++])) continue;
        gm_meta_done(st);
        return gm_err_set(err, GM_ENOMEM, "not enough memory to list the steps");
    }
    return rc;
}

gm_rc gm_artifacts_read_rows(gm_stmt *st, gm_arena *a, gm_artifacts *out, gm_err *err)
{
    size_t capacity = 0;
    bool row = false, ok = true;
    gm_rc rc = GM_OK;
    *out = (gm_artifacts){ 0 };
    while (ok && !(rc = gm_meta_next(st, &row, err)) && row) {
        out->items = gm_meta_grow(a, out->items, out->count, &capacity, sizeof(*out->items));
        ok = out->items != NULL;
        if (!ok) break;
        gm_meta_reader r = { .st = st, .a = a };
        gm_artifact *x = &out->items[out->count++];
        x->name = gm_meta_read_text(&r);
        x->type = gm_meta_read_text(&r);
        x->digest = gm_meta_read_digest(&r);
        x->size_bytes = gm_meta_read_int(&r);
        x->meta_json = gm_meta_read_text(&r);
        ok = !r.failed;
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to list the artifacts");
}

struct action_call {
    const char *key;
    gm_arena *a;
    gm_artifacts *out;
    gm_step_rows steps;
};

static gm_rc action_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct action_call *call = ctx;
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT " GM_STEP_COLUMNS GM_STEP_TABLES
                             "WHERE s.id = (SELECT step_id FROM actions WHERE key = ?1)",
                             "t", call->key);
    if (!rc) rc = gm_step_read_rows(st, &call->steps, err);
    if (rc || call->steps.count == 0 || !call->out) return rc;
    rc = gm_meta_query(tx, &st, err,
                       "SELECT name, type, digest, size, meta FROM artifacts WHERE step_id = ?1 AND output = 1 ORDER BY at", "i",
                       call->steps.items[0].id);
    return rc ? rc : gm_artifacts_read_rows(st, call->a, call->out, err);
}

gm_rc gm_action_get(gm_store *s, const char *key, gm_arena *a, gm_artifacts *out, gm_step_record *out_step, gm_err *err)
{
    gm_artifacts found = { 0 };
    struct action_call call = { .key = key, .a = a, .out = out ? &found : NULL, .steps = { .a = a } };
    gm_rc rc = gm_store_read(s, action_work, &call, err);
    if (rc) return rc;
    if (call.steps.count == 0) return gm_err_set(err, GM_ENOTFOUND, "nothing is recorded under the key %.64s", key);
    if (out) *out = found;
    if (out_step) *out_step = call.steps.items[0];
    return GM_OK;
}

struct steps_call {
    int64_t run_id;
    const char *name, *key;
    gm_step_rows rows;
};

static gm_rc nearest_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct steps_call *call = ctx;
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT " GM_STEP_COLUMNS GM_STEP_TABLES
                             "WHERE s.name = ?1 AND s.key <> ?2 AND s.key <> '' ORDER BY s.id DESC LIMIT 1",
                             "tt", call->name, call->key);
    return rc ? rc : gm_step_read_rows(st, &call->rows, err);
}

gm_rc gm_step_nearest(gm_store *s, const char *name, const char *key, gm_arena *a, gm_step_record *out, gm_err *err)
{
    struct steps_call call = { .name = name, .key = key, .rows = { .a = a } };
    gm_rc rc = gm_store_read(s, nearest_work, &call, err);
    if (rc) return rc;
    if (call.rows.count == 0) return gm_err_set(err, GM_ENOTFOUND, "no other attempt of step \"%s\" is recorded", name);
    *out = call.rows.items[0];
    return GM_OK;
}

static gm_rc of_run_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct steps_call *call = ctx;
    gm_stmt *st = NULL;
    gm_rc rc = GM_OK;
    if (!call->run_id) rc = gm_meta_int(tx, 0, &call->run_id, err, "SELECT max(id) FROM runs", "");
    if (!rc)
        rc = gm_meta_query(tx, &st, err, "SELECT " GM_STEP_COLUMNS GM_STEP_TABLES "WHERE s.run_id = ?1 ORDER BY s.id", "i",
                           call->run_id);
    return rc ? rc : gm_step_read_rows(st, &call->rows, err);
}

static gm_rc unfinished_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct steps_call *call = ctx;
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err, "SELECT " GM_STEP_COLUMNS GM_STEP_TABLES "WHERE s.state = 'running' ORDER BY s.id", "");
    return rc ? rc : gm_step_read_rows(st, &call->rows, err);
}

static gm_rc list_steps(gm_store *s, gm_meta_work work, int64_t run_id, gm_arena *a, gm_step_record **out, size_t *out_count,
                        gm_err *err)
{
    struct steps_call call = { .run_id = run_id, .rows = { .a = a } };
    gm_rc rc = gm_store_read(s, work, &call, err);
    if (rc) return rc;
    *out = call.rows.items;
    *out_count = call.rows.count;
    return GM_OK;
}

gm_rc gm_step_list(gm_store *s, int64_t run_id, gm_arena *a, gm_step_record **out, size_t *out_count, gm_err *err)
{
    return list_steps(s, of_run_work, run_id, a, out, out_count, err);
}

gm_rc gm_step_unfinished(gm_store *s, gm_arena *a, gm_step_record **out, size_t *out_count, gm_err *err)
{
    return list_steps(s, unfinished_work, 0, a, out, out_count, err);
}
