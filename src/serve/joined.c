/* joined.c - the online tables of the newest runs, found in the store for the joins of the versions that are served. */
#include <stdlib.h>
#include <string.h>

#include "serve/server_internal.h"

enum { RUNS_BACK = 20 }; /* how far back a run with a table is looked for */

void gm_joined_unref(gm_joined *j)
{
    if (!j || __atomic_sub_fetch(&j->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    gm_online_close(j->table);
    free(j->pipeline);
    free(j->dataset);
    free(j);
}

static gm_joined *joined_of(const gm_routing *r, const char *pipeline, const char *dataset)
{
    for (size_t i = 0; r && i < r->joined_count; i++)
        if (strcmp(r->joined[i]->pipeline, pipeline) == 0 && strcmp(r->joined[i]->dataset, dataset) == 0) return r->joined[i];
    return NULL;
}

const gm_online *gm_routing_table(const gm_routing *r, const char *pipeline, const char *dataset)
{
    const gm_joined *j = joined_of(r, pipeline, dataset);
    return j ? j->table : NULL;
}

/* The table that a run's step `online DATASET` gave, if it has one that ended well. */
static gm_rc table_of_run(gm_store *store, int64_t run, const char *dataset, gm_arena *a, gm_digest *out, gm_err *err)
{
    gm_step_record *steps = NULL;
    gm_artifacts outputs = { 0 };
    size_t count = 0;
    const char *name = gm_arena_printf(a, "online %s", dataset);
    gm_rc rc = name ? gm_step_list(store, run, a, &steps, &count, err) : gm_err_set(err, GM_ENOMEM, "not enough memory for an online table");
    for (size_t i = 0; !rc && i < count; i++) {
        if (strcmp(steps[i].name, name) != 0 || (strcmp(steps[i].state, "done") != 0 && strcmp(steps[i].state, "cached") != 0)) continue;
        rc = gm_step_artifacts(store, steps[i].id, false, a, &outputs, err);
        if (rc || !outputs.count) continue;
        *out = outputs.items[0].digest;
        return GM_OK;
    }
    return rc ? rc : GM_ENOTFOUND;
}

static gm_rc newest_table(gm_store *store, const char *pipeline, const char *dataset, gm_arena *a, gm_digest *out, gm_err *err)
{
    gm_run_record *runs = NULL;
    size_t count = 0;
    gm_rc rc = gm_run_list(store, RUNS_BACK, a, &runs, &count, err);
    for (size_t i = 0; !rc && i < count; i++)
        if (strcmp(runs[i].pipeline, pipeline) == 0 && table_of_run(store, runs[i].id, dataset, a, out, err) == GM_OK) return GM_OK;
    return rc ? rc : gm_err_set(err, GM_ENOTFOUND, "no run of \"%s\" made an online table of \"%s\"", pipeline, dataset);
}

static gm_joined *joined_new(const char *pipeline, const char *dataset, const gm_digest *digest)
{
    gm_joined *j = calloc(1, sizeof(*j));
    if (!j) return NULL;
    *j = (gm_joined){ .pipeline = strdup(pipeline), .dataset = strdup(dataset), .digest = *digest, .references = 1 };
    if (j->pipeline && j->dataset) return j;
    gm_joined_unref(j);
    return NULL;
}

/* A table that cannot be found or read is said and left out: the request then has to bring the columns. */
static void add_join(gm_server *s, gm_routing *r, const gm_served *served, const gm_served_join *join)
{
    gm_err err;
    gm_digest digest;
    const char *path = NULL;
    if (r->joined_count == GM_SERVED_MAX || joined_of(r, served->pipeline, join->dataset)) return;
    gm_joined *old = joined_of(s->routing, served->pipeline, join->dataset), *made = NULL;
    gm_rc rc = newest_table(s->follow->store, served->pipeline, join->dataset, r->arena, &digest, &err);
    if (old && (rc || strcmp(old->digest.hex, digest.hex) == 0)) {
        __atomic_add_fetch(&old->references, 1, __ATOMIC_RELAXED);
        r->joined[r->joined_count++] = old;
        return;
    }
    if (!rc) rc = gm_blob_path(s->follow->store, &digest, r->arena, &path, &err);
    if (!rc && !(made = joined_new(served->pipeline, join->dataset, &digest))) rc = gm_err_set(&err, GM_ENOMEM, "not enough memory for an online table");
    if (!rc) rc = gm_online_open(path, &made->table, &err);
    if (!rc) {
        r->joined[r->joined_count++] = made;
        return;
    }
    gm_joined_unref(made);
    r->again = r->again || gm_rc_may_retry(rc);
    if (rc != GM_ENOTFOUND) gm_server_say(s, "%s", err.message);
}

void gm_routing_join(gm_server *s, gm_routing *r)
{
    r->joined = GM_ARENA_ARRAY(r->arena, gm_joined *, GM_SERVED_MAX);
    for (size_t i = 0; r->joined && i < r->count; i++) {
        const gm_endpoint *e = &r->endpoints[i];
        const gm_served *first[2] = { e->champion, e->candidate };
        for (size_t k = 0; k < 2 + e->others_count; k++) {
            const gm_served *served = k < 2 ? first[k] : e->others[k - 2];
            for (size_t j = 0; served && j < served->joins_count; j++) add_join(s, r, served, &served->joins[j]);
        }
    }
}
