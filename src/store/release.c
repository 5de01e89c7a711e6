/* release.c - see release.h: one running release of a model at a time, kept with what happened to it.
 *
 * Every function is one transaction: a crash leaves the aliases and the record of one release in step.
 */
#include "store/release.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/store_internal.h"

static const char *const mode_names[] = { "at once", "canary", "shadow", "ab" };

const char *gm_release_mode_name(gm_release_mode m)
{
    return mode_names[m];
}

static gm_release_mode mode_of(const char *name)
{
    for (size_t i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++)
        if (strcmp(name, mode_names[i]) == 0) return (gm_release_mode)i;
    return GM_RELEASE_NONE;
}

int64_t gm_release_ran_us(const gm_release *r, int64_t now_us)
{
    int64_t until = r->ended_us ? r->ended_us : now_us;
    int64_t ran = (r->paused_since_us && r->paused_since_us < until ? r->paused_since_us : until) - r->began_us - r->paused_us;
    return ran > 0 ? ran : 0;
}

/* The share is kept in millionths. */
static int64_t millionths(double share)
{
    return (int64_t)llround(share * 1e6);
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

#define COLUMNS                                                                                                                  \
    "id, model, champion, candidate, mode, share, for_us, requests_min, rollback, sticky, state, reason, actor, "                \
    "began_us, ended_us, paused_us, paused_since_us"

static bool read_one(gm_stmt *st, gm_arena *a, gm_release *out)
{
    gm_meta_reader r = { .st = st, .a = a };
    out->id = gm_meta_read_int(&r);
    out->model = gm_meta_read_text(&r);
    out->champion = gm_meta_read_int(&r);
    out->candidate = gm_meta_read_int(&r);
    out->mode = mode_of(gm_meta_read_text(&r));
    out->share = (double)gm_meta_read_int(&r) / 1e6;
    out->for_us = gm_meta_read_int(&r);
    out->requests_min = gm_meta_read_int(&r);
    out->rollback = gm_meta_read_text(&r);
    out->sticky = gm_meta_read_text(&r);
    out->state = gm_meta_read_text(&r);
    out->reason = gm_meta_read_text(&r);
    out->actor = gm_meta_read_text(&r);
    out->began_us = gm_meta_read_int(&r);
    out->ended_us = gm_meta_read_int(&r);
    out->paused_us = gm_meta_read_int(&r);
    out->paused_since_us = gm_meta_read_int(&r);
    out->paused = out->paused_since_us != 0;
    return !r.failed;
}

typedef struct releases {
    gm_arena *a;
    gm_release *items; /* [count] */
    size_t count, capacity;
} releases;

static gm_rc read_all(gm_stmt *st, releases *rows, gm_err *err)
{
    bool row = false, ok = true;
    gm_rc rc = GM_OK;
    while (ok && !(rc = gm_meta_next(st, &row, err)) && row) {
        rows->items = gm_meta_grow(rows->a, rows->items, rows->count, &rows->capacity, sizeof(*rows->items));
        ok = rows->items && read_one(st, rows->a, &rows->items[rows->count++]);
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to list the releases");
}

struct list_call {
    const char *model; /* NULL = all   */
    int64_t id;        /* 0 = not by id */
    bool running;
    releases rows;
};

static gm_rc list_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct list_call *call = ctx;
    gm_stmt *st = NULL;
    bool there = false;
    gm_rc rc = tx->backend->has_table(tx, "releases", &there, err); /* not in a store of the first schema, only read */
    if (rc || !there) return rc;
    if (call->id)
        rc = gm_meta_query(tx, &st, err, "SELECT " COLUMNS " FROM releases WHERE id = ?1", "i", call->id);
    else if (call->running)
        rc = gm_meta_query(tx, &st, err, "SELECT " COLUMNS " FROM releases WHERE model = ?1 AND state = 'running'", "t",
                           call->model);
    else if (call->model)
        rc = gm_meta_query(tx, &st, err, "SELECT " COLUMNS " FROM releases WHERE model = ?1 ORDER BY id DESC", "t", call->model);
    else
        rc = gm_meta_query(tx, &st, err, "SELECT " COLUMNS " FROM releases ORDER BY id DESC", "");
    return rc ? rc : read_all(st, &call->rows, err);
}

gm_rc gm_release_get(gm_store *s, const char *model, gm_arena *a, gm_release *out, gm_err *err)
{
    struct list_call call = { .model = model, .running = true, .rows = { .a = a } };
    gm_rc rc = gm_store_read(s, list_work, &call, err);
    if (rc) return rc;
    if (!call.rows.count) return gm_err_set(err, GM_ENOTFOUND, "no release of model \"%s\" is running", model);
    *out = call.rows.items[0];
    return GM_OK;
}

gm_rc gm_release_list(gm_store *s, const char *model_or_null, gm_arena *a, gm_release **out, size_t *out_count, gm_err *err)
{
    struct list_call call = { .model = model_or_null, .rows = { .a = a } };
    gm_rc rc = gm_store_read(s, list_work, &call, err);
    if (rc) return rc;
    *out = call.rows.items;
    *out_count = call.rows.count;
    return GM_OK;
}

struct history_call {
    int64_t id;
    gm_arena *a;
    gm_release_event *items; /* [count] */
    size_t count, capacity;
};

static gm_rc history_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct history_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, ok = true;
    gm_rc rc = tx->backend->has_table(tx, "release_log", &row, err);
    if (rc || !row) return rc;
    rc = gm_meta_query(tx, &st, err, "SELECT at_us, what FROM release_log WHERE release_id = ?1 ORDER BY id", "i", call->id);
    while (ok && !rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        call->items = gm_meta_grow(call->a, call->items, call->count, &call->capacity, sizeof(*call->items));
        ok = call->items != NULL;
        if (!ok) break;
        gm_meta_reader r = { .st = st, .a = call->a };
        call->items[call->count].at_us = gm_meta_read_int(&r);
        call->items[call->count++].what = gm_meta_read_text(&r);
        ok = !r.failed;
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to read what happened to a release");
}

gm_rc gm_release_history(gm_store *s, int64_t id, gm_arena *a, gm_release_event **out, size_t *out_count, gm_err *err)
{
    struct history_call call = { .id = id, .a = a };
    gm_rc rc = gm_store_read(s, history_work, &call, err);
    if (rc) return rc;
    *out = call.items;
    *out_count = call.count;
    return GM_OK;
}

struct before_call {
    const char *model;
    gm_arena *a;
    int64_t version;
};

/* Going back is undoing: moves of the champion are a stack, and a roll back takes one off. So going back twice goes two steps
 * back, and never returns to what was taken away. A move was a roll back when a release says so that began between it and the
 * move before. */
static gm_rc before_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct before_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, there = false;
    int64_t *stack = NULL;
    size_t count = 0, capacity = 0;
    gm_rc rc = tx->backend->has_table(tx, "releases", &there, err);
    if (!rc)
        rc = gm_meta_query(
            tx, &st, err,
            there ? "SELECT l.version, EXISTS(SELECT 1 FROM releases r WHERE r.model = l.model AND r.mode = 'at once' AND"
                    " r.state = 'rolled_back' AND r.candidate = l.version AND r.began_us <= l.at_us AND r.began_us >="
                    " coalesce((SELECT max(p.at_us) FROM model_alias_log p WHERE p.model = l.model AND p.alias = l.alias"
                    " AND p.id < l.id), 0)) FROM model_alias_log l WHERE l.model = ?1 AND l.alias = 'champion' ORDER BY l.id"
                  : "SELECT version, 0 FROM model_alias_log WHERE model = ?1 AND alias = 'champion' ORDER BY id",
            "t", call->model);
    while (!rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        int64_t version = st->backend->column_int(st, 0);
        if (version && st->backend->column_int(st, 1) && count) count--;
        if (!version || (count && stack[count - 1] == version)) continue;
        stack = gm_meta_grow(call->a, stack, count, &capacity, sizeof(*stack));
        if (!stack) {
            gm_meta_done(st);
            return gm_err_set(err, GM_ENOMEM, "not enough memory to read who was champion");
        }
        stack[count++] = version;
    }
    call->version = count > 1 ? stack[count - 2] : 0;
    return rc;
}

gm_rc gm_release_champion_before(gm_store *s, const char *model, int64_t *out, gm_err *err)
{
    struct before_call call = { .model = model, .a = gm_arena_new(0) };
    gm_rc rc = call.a ? gm_store_read(s, before_work, &call, err)
                      : gm_err_set(err, GM_ENOMEM, "not enough memory to read who was champion");
    gm_arena_free(call.a);
    if (!rc) *out = call.version;
    return rc;
}

gm_rc gm_store_data_version(gm_store *s, int64_t *out, gm_err *err)
{
    return s->records->data_version(s->meta, out, err);
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

static gm_rc note(gm_tx *tx, int64_t id, int64_t at_us, const char *what, gm_err *err)
{
    return gm_meta_exec(tx, err, "INSERT INTO release_log(release_id, at_us, what) VALUES(?1, ?2, ?3)", "iit", id, at_us, what);
}

static gm_rc champion_now(gm_tx *tx, const char *model, int64_t *out, gm_err *err)
{
    return gm_meta_int(tx, 0, out, err, "SELECT version FROM model_aliases WHERE model = ?1 AND alias = 'champion'", "t", model);
}

/* At once, and back to an earlier champion. */
static bool is_return(const gm_release *r)
{
    return r->mode == GM_RELEASE_NONE && r->state && strcmp(r->state, "rolled_back") == 0;
}

struct begin_call {
    gm_release r;
    int64_t id;
};

static gm_rc check_begin(gm_tx *tx, gm_release *r, gm_err *err)
{
    int64_t running = 0, champion = 0;
    gm_rc rc = gm_meta_int(tx, 0, &running, err, "SELECT id FROM releases WHERE model = ?1 AND state = 'running'", "t", r->model);
    if (!rc) rc = champion_now(tx, r->model, &champion, err);
    if (rc) return rc;
    if (running) {
        rc = gm_err_set(err, GM_ECONFLICT, "release %" PRId64 " of model \"%s\" is running", running, r->model);
        gm_err_hint(err, "`gristmill promote %.100s` or `gristmill rollback %.100s` ends it.", r->model, r->model);
        return rc;
    }
    if (r->champion && r->champion != champion)
        return gm_err_set(err, GM_ECONFLICT, "the champion of \"%s\" is version %" PRId64 ", not %" PRId64, r->model, champion,
                          r->champion);
    r->champion = champion;
    if (r->mode == GM_RELEASE_NONE) return GM_OK;
    if (!champion) {
        rc = gm_err_set(err, GM_EINVALID, "model \"%s\" has no champion that version %" PRId64 " could be tried beside", r->model,
                        r->candidate);
        gm_err_hint(err, "Deploy it at once, without a canary: `gristmill deploy %.100s/%" PRId64 "`.", r->model, r->candidate);
        return rc;
    }
    if (champion == r->candidate)
        return gm_err_set(err, GM_EINVALID, "version %" PRId64 " of model \"%s\" is the champion already", champion, r->model);
    return GM_OK;
}

static gm_rc insert(gm_tx *tx, const gm_release *r, int64_t now_us, int64_t *out_id, gm_err *err)
{
    bool over = r->mode == GM_RELEASE_NONE;
    return gm_meta_int(
        tx, 0, out_id, err,
        "INSERT INTO releases(model, champion, candidate, mode, share, for_us, requests_min, rollback, sticky, state,"
        " reason, actor, began_us, ended_us, paused_us, paused_since_us)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 0, ?15) RETURNING id",
        "tiitiiitttttiii", r->model, r->champion, r->candidate, mode_names[r->mode], millionths(r->share), r->for_us,
        r->requests_min, r->rollback, r->sticky,
        !over          ? "running"
        : is_return(r) ? "rolled_back"
                       : "promoted",
        over ? r->reason : "", r->actor, now_us, over ? now_us : (int64_t)0, r->paused && !over ? now_us : (int64_t)0);
}

static gm_rc begin_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct begin_call *call = ctx;
    gm_release *r = &call->r;
    char what[256];
    int64_t now_us = r->began_us ? r->began_us : gm_now_us();
    gm_rc rc = check_begin(tx, r, err);
    if (!rc) rc = gm_model_alias_move(tx, r->model, r->mode == GM_RELEASE_NONE ? "champion" : "challenger", r->candidate, err);
    if (!rc) rc = insert(tx, r, now_us, &call->id, err);
    if (r->mode == GM_RELEASE_NONE)
        (void)snprintf(what, sizeof(what), "version %" PRId64 " became champion %s", r->candidate,
                       is_return(r) ? "again" : "at once");
    else
        (void)snprintf(what, sizeof(what), "began: %s of version %" PRId64 " beside %" PRId64 ", %g %% of the requests",
                       mode_names[r->mode], r->candidate, r->champion, r->share * 100);
    if (!rc) rc = note(tx, call->id, now_us, what, err);
    return rc ? rc : r->paused ? note(tx, call->id, now_us, "paused", err) : GM_OK;
}

static gm_rc check_share(const gm_release *r, gm_err *err)
{
    if (r->mode == GM_RELEASE_NONE || (r->share >= 0 && r->share <= 1)) return GM_OK;
    gm_rc rc = gm_err_set(err, GM_EINVALID, "a share of %g %% is not between 0 and 100 %%", r->share * 100);
    gm_err_hint(err, "Write it as 10%% or 0.1.");
    return rc;
}

gm_rc gm_release_begin(gm_store *s, const gm_release *r, int64_t *out_id, gm_err *err)
{
    struct begin_call call = { .r = *r };
    gm_rc rc = check_share(r, err);
    if (!rc) rc = gm_store_write(s, true, begin_work, &call, err);
    if (rc) return gm_err_ctx(err, rc, "releasing version %" PRId64 " of \"%s\"", r->candidate, r->model);
    if (out_id) *out_id = call.id;
    return GM_OK;
}

/* The release as it is now; GM_ECONFLICT when it is over. */
static gm_rc still_running(gm_tx *tx, int64_t id, gm_arena *a, gm_release *out, gm_err *err)
{
    struct list_call call = { .id = id, .rows = { .a = a } };
    gm_rc rc = list_work(tx, &call, err);
    if (rc) return rc;
    if (!call.rows.count) return gm_err_set(err, GM_ENOTFOUND, "there is no release %" PRId64, id);
    *out = call.rows.items[0];
    if (strcmp(out->state, "running") == 0) return GM_OK;
    return gm_err_set(err, GM_ECONFLICT, "release %" PRId64 " of model \"%s\" is over: %s", id, out->model, out->state);
}

struct end_call {
    gm_arena *a;
    const gm_release *change; /* gm_release_change */
    int64_t id;               /* gm_release_end    */
    const char *state, *reason;
};

static gm_rc change_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct end_call *call = ctx;
    const gm_release *to = call->change;
    gm_release was = { 0 };
    char what[128];
    int64_t now_us = gm_now_us();
    gm_rc rc = still_running(tx, to->id, call->a, &was, err);
    if (rc) return rc;
    int64_t paused_us = was.paused_us + (was.paused && !to->paused ? now_us - was.paused_since_us : 0);
    int64_t since_us = !to->paused ? 0 : was.paused ? was.paused_since_us : now_us;
    rc = gm_meta_exec(
        tx, err,
        "UPDATE releases SET share = ?2, for_us = ?3, requests_min = ?4, paused_us = ?5, paused_since_us = ?6 WHERE id = ?1",
        "iiiiii", to->id, millionths(to->share), to->for_us, to->requests_min, paused_us, since_us);
    (void)snprintf(what, sizeof(what), "share %g %% -> %g %%", was.share * 100, to->share * 100);
    if (!rc && millionths(was.share) != millionths(to->share)) rc = note(tx, to->id, now_us, what, err);
    (void)snprintf(what, sizeof(what), "for %g s -> %g s", (double)was.for_us / 1e6, (double)to->for_us / 1e6);
    if (!rc && was.for_us != to->for_us) rc = note(tx, to->id, now_us, what, err);
    if (!rc && was.paused != to->paused) rc = note(tx, to->id, now_us, to->paused ? "paused" : "resumed", err);
    return rc;
}

static gm_rc write_with_arena(gm_store *s, gm_meta_work work, struct end_call *call, gm_err *err)
{
    call->a = gm_arena_new(0);
    gm_rc rc = call->a ? gm_store_write(s, true, work, call, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for a release");
    gm_arena_free(call->a);
    return rc;
}

gm_rc gm_release_change(gm_store *s, const gm_release *r, gm_err *err)
{
    struct end_call call = { .change = r };
    gm_rc rc = check_share(r, err);
    return rc ? rc : write_with_arena(s, change_work, &call, err);
}

static gm_rc check_champion(gm_tx *tx, const gm_release *r, gm_err *err)
{
    int64_t champion = 0;
    gm_rc rc = champion_now(tx, r->model, &champion, err);
    if (rc || champion == r->champion) return rc;
    return gm_err_set(err, GM_ECONFLICT,
                      "the champion of \"%s\" changed from version %" PRId64 " to %" PRId64 " while release %" PRId64 " ran",
                      r->model, r->champion, champion, r->id);
}

/* Over, with the reason; the challenger leaves. The champion is the caller's. */
static gm_rc close_release(gm_tx *tx, const gm_release *r, const char *state, const char *reason, gm_err *err)
{
    char what[512];
    int64_t now_us = gm_now_us(), paused_us = r->paused_us + (r->paused ? now_us - r->paused_since_us : 0);
    gm_rc rc = gm_model_alias_leave(tx, r->model, "challenger", r->candidate, err);
    if (!rc)
        rc = gm_meta_exec(
            tx, err,
            "UPDATE releases SET state = ?2, reason = ?3, ended_us = ?4, paused_us = ?5, paused_since_us = 0 WHERE id = ?1",
            "ittii", r->id, state, reason, now_us, paused_us);
    (void)snprintf(what, sizeof(what), "%s: %s", strcmp(state, "rolled_back") == 0 ? "rolled back" : state, reason ? reason : "");
    return rc ? rc : note(tx, r->id, now_us, what, err);
}

static gm_rc end_work(gm_tx *tx, void *ctx, gm_err *err)
{
    const struct end_call *call = ctx;
    gm_release r = { 0 };
    bool promoted = strcmp(call->state, "promoted") == 0;
    gm_rc rc = still_running(tx, call->id, call->a, &r, err);
    if (!rc && promoted) rc = check_champion(tx, &r, err);
    if (!rc) rc = close_release(tx, &r, call->state, call->reason, err);
    return rc || !promoted ? rc : gm_model_alias_move(tx, r.model, "champion", r.candidate, err);
}

gm_rc gm_release_champion_moved(gm_tx *tx, const char *model, int64_t version, gm_err *err)
{
    char reason[96];
    struct list_call call = { .model = model, .running = true, .rows = { .a = gm_arena_new(0) } };
    gm_rc rc = call.rows.a ? list_work(tx, &call, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for a release");
    for (size_t i = 0; !rc && i < call.rows.count; i++) {
        (void)snprintf(reason, sizeof(reason), version ? "the champion became version %" PRId64 : "the champion was taken away",
                       version);
        rc = close_release(tx, &call.rows.items[i], version == call.rows.items[i].candidate ? "promoted" : "ended", reason, err);
    }
    gm_arena_free(call.rows.a);
    return rc;
}

gm_rc gm_release_end(gm_store *s, int64_t id, const char *state, const char *reason, gm_err *err)
{
    gm_assert(strcmp(state, "promoted") == 0 || strcmp(state, "rolled_back") == 0 || strcmp(state, "ended") == 0);
    struct end_call call = { .id = id, .state = state, .reason = reason };
    return gm_err_ctx(err, write_with_arena(s, end_work, &call, err), "ending release %" PRId64, id);
}

gm_rc gm_release_end_at(const char *root, int64_t id, const char *state, const char *reason, gm_err *err)
{
    gm_store *s = NULL;
    gm_rc rc = gm_store_open(root, &(gm_store_options){ .beside = true }, &s, err);
    if (rc == GM_ECONFLICT) rc = GM_EUNAVAILABLE; /* the lock, for a store of an older schema: another time */
    if (rc == GM_EUNAVAILABLE && err) err->rc = rc;
    if (!rc) rc = gm_release_end(s, id, state, reason, err);
    gm_store_close(s);
    return rc;
}

/* ---- the condition of rollback ------------------------------------------------------------------------------------ */

static const char *const measures[GM_RELEASE_MEASURES] = { "error_rate", "latency_ms_p99", "score_shift", "requests" };

static int measure_of(const char *name)
{
    for (int i = 0; i < GM_RELEASE_MEASURES; i++)
        if (strcmp(name, measures[i]) == 0) return i;
    return -1;
}

static bool column_type(void *ctx, const char *name, gm_type *out)
{
    (void)ctx;
    *out = GM_TYPE_FLOAT;
    return measure_of(name) >= 0;
}

static size_t column_names(void *ctx, const char *const **out)
{
    (void)ctx;
    *out = measures;
    return GM_RELEASE_MEASURES;
}

gm_rc gm_release_condition(const char *text, gm_pos at, gm_arena *a, gm_expr **out, gm_errs *errs)
{
    gm_expr_host host = { .column = column_type, .names = column_names };
    gm_expr *e = NULL;
    gm_rc rc = gm_expr_parse(text, at, a, &e, errs);
    if (!rc) rc = gm_expr_check(e, &host, GM_TYPE_BOOL, a, errs);
    if (!rc) *out = e;
    return rc;
}

static gm_rc lookup(void *ctx, const gm_expr *e, double *out, gm_err *err)
{
    const double *values = ctx;
    int i = e->op == GM_EXPR_COLUMN ? measure_of(e->name) : -1;
    if (i < 0) return gm_err_set(err, GM_EINVALID, "a condition of a release knows only its measures");
    *out = values[i];
    return GM_OK;
}

bool gm_release_condition_holds(const gm_expr *e, const double values[GM_RELEASE_MEASURES])
{
    double held = 0, copy[GM_RELEASE_MEASURES];
    gm_err ignored; /* a condition that cannot be told does not hold */
    memcpy(copy, values, sizeof(copy));
    return gm_expr_eval_scalar(e, lookup, copy, &held, &ignored) == GM_OK && held == 1;
}
