/* lineage.c - what steps read and made, and from a blob back to its maker and on to its users. */
#include "store/step_read.h"

struct artifacts_call {
    int64_t step_id;
    bool inputs;
    gm_arena *a;
    gm_artifacts found;
};

/* A cached step has no artifacts of its own: they are those of the step that stands for its key. */
static gm_rc artifacts_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct artifacts_call *call = ctx;
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT name, type, digest, size, meta FROM artifacts WHERE step_id = coalesce((SELECT a.step_id"
                             " FROM steps s JOIN actions a ON a.key = s.key WHERE s.id = ?1 AND s.state = 'cached'), ?1)"
                             " AND output = ?2 ORDER BY at",
                             "ii", call->step_id, (int64_t)!call->inputs);
    return rc ? rc : gm_artifacts_read_rows(st, call->a, &call->found, err);
}

gm_rc gm_step_artifacts(gm_store *s, int64_t step_id, bool inputs, gm_arena *a, gm_artifacts *out, gm_err *err)
{
    struct artifacts_call call = { .step_id = step_id, .inputs = inputs, .a = a };
    gm_rc rc = gm_store_read(s, artifacts_work, &call, err);
    if (!rc) *out = call.found;
    return rc;
}

struct lineage_call {
    const gm_digest *digest;
    gm_step_rows rows;
};

static gm_rc maker_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct lineage_call *call = ctx;
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT " GM_STEP_COLUMNS GM_STEP_TABLES "WHERE s.id = (SELECT max(step_id) FROM artifacts WHERE"
                             " digest = ?1 AND output = 1)",
                             "d", call->digest);
    return rc ? rc : gm_step_read_rows(st, &call->rows, err);
}

gm_rc gm_lineage_maker(gm_store *s, const gm_digest *d, gm_arena *a, gm_step_record *out, gm_err *err)
{
    struct lineage_call call = { .digest = d, .rows = { .a = a } };
    gm_rc rc = gm_store_read(s, maker_work, &call, err);
    if (rc) return rc;
    if (call.rows.count == 0) return gm_err_set(err, GM_ENOTFOUND, "no recorded step made %.64s", d->hex);
    *out = call.rows.items[0];
    return GM_OK;
}

static gm_rc users_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct lineage_call *call = ctx;
    gm_stmt *st = NULL;
    gm_rc rc = gm_meta_query(tx, &st, err,
                             "SELECT " GM_STEP_COLUMNS GM_STEP_TABLES "WHERE s.id IN (SELECT step_id FROM artifacts WHERE"
                             " digest = ?1 AND output = 0) ORDER BY s.id",
                             "d", call->digest);
    return rc ? rc : gm_step_read_rows(st, &call->rows, err);
}

gm_rc gm_lineage_users(gm_store *s, const gm_digest *d, gm_arena *a, gm_step_record **out, size_t *out_count, gm_err *err)
{
    struct lineage_call call = { .digest = d, .rows = { .a = a } };
    gm_rc rc = gm_store_read(s, users_work, &call, err);
    if (rc) return rc;
    *out = call.rows.items;
    *out_count = call.rows.count;
    return GM_OK;
}
