/* datasets.c - versions of data sets: a snapshot's digest under a number that counts up per name. */
#include <string.h>

#include "base/clock.h"
#include "store/store_internal.h"

struct add_call {
    const gm_dataset_version *v;
    int64_t version;
};

static gm_rc add_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct add_call *call = ctx;
    const gm_dataset_version *v = call->v;
    gm_rc rc = gm_meta_int(tx, 0, &call->version, err, "SELECT version FROM datasets WHERE name = ?1 AND digest = ?2", "td", v->name,
                           &v->digest);
    if (rc || call->version) return rc;
    return gm_meta_int(tx, 0, &call->version, err,
                       "INSERT INTO datasets(name, version, digest, source, rows, columns, created_us, schema) VALUES(?1,"
                       " (SELECT coalesce(max(version), 0) + 1 FROM datasets WHERE name = ?1), ?2, ?3, ?4, ?5, ?6, ?7)"
                       " RETURNING version",
                       "tdtiiit", v->name, &v->digest, v->source, v->rows, v->columns, v->created_us ? v->created_us : gm_now_us(),
                       v->schema_json);
}

gm_rc gm_dataset_add(gm_store *s, const gm_dataset_version *v, int64_t *out_version, gm_err *err)
{
    struct add_call call = { .v = v };
    if (!v->name || !v->name[0]) return gm_err_set(err, GM_EINVALID, "a data set has no name");
    gm_rc rc = gm_store_write(s, true, add_work, &call, err);
    if (rc) return gm_err_ctx(err, rc, "recording a version of data set \"%s\"", v->name);
    *out_version = call.version;
    return GM_OK;
}

struct list_call {
    const char *name; /* NULL = all */
    gm_arena *a;
    gm_dataset_version *items; /* [count] */
    size_t count, capacity;
};

#define DATASET_COLUMNS "name, version, digest, source, rows, columns, created_us, schema"

static gm_rc list_work(gm_tx *tx, void *ctx, gm_err *err)
{
    struct list_call *call = ctx;
    gm_stmt *st = NULL;
    bool row = false, ok = true;
    gm_rc rc = call->name ? gm_meta_query(tx, &st, err, "SELECT " DATASET_COLUMNS " FROM datasets WHERE name = ?1 ORDER BY version DESC",
                                          "t", call->name)
                          : gm_meta_query(tx, &st, err, "SELECT " DATASET_COLUMNS " FROM datasets ORDER BY name, version DESC", "");
    while (ok && !rc && !(rc = gm_meta_next(st, &row, err)) && row) {
        call->items = gm_meta_grow(call->a, call->items, call->count, &call->capacity, sizeof(*call->items));
        ok = call->items != NULL;
        if (!ok) break;
        gm_meta_reader r = { .st = st, .a = call->a };
        gm_dataset_version *v = &call->items[call->count++];
        v->name = gm_meta_read_text(&r);
        v->version = gm_meta_read_int(&r);
        v->digest = gm_meta_read_digest(&r);
        v->source = gm_meta_read_text(&r);
        v->rows = gm_meta_read_int(&r);
        v->columns = gm_meta_read_int(&r);
        v->created_us = gm_meta_read_int(&r);
        v->schema_json = gm_meta_read_text(&r);
        ok = !r.failed;
    }
    if (ok) return rc;
    gm_meta_done(st);
    return gm_err_set(err, GM_ENOMEM, "not enough memory to list the data sets");
}

gm_rc gm_dataset_list(gm_store *s, const char *name_or_null, gm_arena *a, gm_dataset_version **out, size_t *out_count, gm_err *err)
{
    struct list_call call = { .name = name_or_null, .a = a };
    gm_rc rc = gm_store_read(s, list_work, &call, err);
    if (rc) return rc;
    *out = call.items;
    *out_count = call.count;
    return GM_OK;
}
