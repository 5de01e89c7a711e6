/* routing.c - the routing table: which version answers under which name.
 *
 * Invariants
 *  (1) a table is never changed after it was published; lanes hold references, so that a version lives as long as a request needs it;
 *  (2) what cannot be loaded leaves what answers now in place.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/param.h"
#include "pipe/run.h"
#include "serve/server_internal.h"

void gm_server_say(gm_server *s, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (s->o.say) s->o.say(s->o.say_user, line);
}

/* ---- tables ------------------------------------------------------------------------------------------------------- */

void gm_routing_unref(gm_routing *r)
{
    if (!r || __atomic_sub_fetch(&r->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (size_t i = 0; i < r->count; i++) {
        gm_endpoint *e = &r->endpoints[i];
        gm_served_unref(e->champion);
        gm_served_unref(e->candidate);
        for (size_t k = 0; k < e->others_count; k++) gm_served_unref(e->others[k]);
    }
    for (size_t i = 0; i < r->joined_count; i++) gm_joined_unref(r->joined[i]);
    gm_arena_free(r->arena);
}

gm_routing *gm_routing_ref(gm_server *s, uint64_t *out_generation)
{
    pthread_mutex_lock(&s->lock);
    gm_routing *r = s->routing;
    if (r) __atomic_add_fetch(&r->references, 1, __ATOMIC_RELAXED);
    *out_generation = s->generation;
    pthread_mutex_unlock(&s->lock);
    return r;
}

void gm_routing_publish(gm_server *s, gm_routing *r)
{
    pthread_mutex_lock(&s->lock);
    gm_routing *old = s->routing;
    s->routing = r;
    __atomic_add_fetch(&s->generation, 1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&s->lock);
    gm_routing_unref(old);
}

void gm_lane_refresh(gm_lane *lane)
{
    gm_server *s = lane->server;
    if (lane->routing && __atomic_load_n(&s->generation, __ATOMIC_ACQUIRE) == lane->routing_seen) return;
    gm_routing *old = lane->routing;
    lane->routing = gm_routing_ref(s, &lane->routing_seen);
    gm_routing_unref(old);
}

const gm_endpoint *gm_routing_find(const gm_routing *r, gm_slice name)
{
    for (size_t i = 0; r && i < r->count; i++)
        if (gm_slice_is(name, r->endpoints[i].name)) return &r->endpoints[i];
    return NULL;
}

static gm_routing *routing_new(size_t endpoints_max)
{
    gm_arena *a = gm_arena_new(0);
    gm_routing *r = a ? GM_ARENA_NEW(a, gm_routing) : NULL;
    if (r) {
        r->arena = a;
        r->references = 1;
        r->endpoints = GM_ARENA_ARRAY(a, gm_endpoint, endpoints_max);
        r->names = GM_ARENA_ARRAY(a, const char *, endpoints_max);
    }
    if (r && r->endpoints && r->names) return r;
    gm_arena_free(a);
    return NULL;
}

/* ---- versions ------------------------------------------------------------------------------------------------------ */

/* One that answers now, whatever role it has. */
static gm_served *known(const gm_routing *r, const char *model, const char *version, const gm_digest *digest)
{
    for (size_t i = 0; r && i < r->count; i++) {
        const gm_endpoint *e = &r->endpoints[i];
        gm_served *all[2] = { e->champion, e->candidate };
        for (size_t k = 0; k < 2 + e->others_count; k++) {
            gm_served *v = k < 2 ? all[k] : e->others[k - 2];
            if (v && strcmp(v->model, model) == 0 && strcmp(v->version, version) == 0 && strcmp(v->digest.hex, digest->hex) == 0) return v;
        }
    }
    return NULL;
}

/* A version of the store: a reference to the one that is loaded, or loaded now. */
static gm_rc version_get(gm_server *s, const gm_model_version *v, gm_arena *a, gm_served **out, gm_err *err)
{
    char version[24];
    snprintf(version, sizeof(version), "%" PRId64, v->version);
    gm_served *served = known(s->routing, v->model, version, &v->digest);
    if (served) {
        *out = gm_served_ref(served);
        return GM_OK;
    }
    const char *dir = gm_arena_printf(a, "%s/%s", s->o.scratch_dir, v->digest.hex);
    if (!dir) return gm_err_set(err, GM_ENOMEM, "not enough memory to load a model");
    gm_rc rc = gm_tree_view(s->follow->store, &v->digest, dir, gm_served_unread, a, err);
    if (!rc) rc = gm_served_open(dir, v->model, version, &v->digest, true, s->lanes_count, out, err);
    s->follow->scratch_used = true;
    if (rc)
        __atomic_add_fetch(&s->load_failures, 1, __ATOMIC_RELAXED);
    else
        gm_server_say(s, "loaded %s version %s (%.12s) in %.1f ms", v->model, version, v->digest.hex, (double)(*out)->load_took_us / 1000);
    return rc;
}

static gm_endpoint *endpoint_of(gm_routing *r, const char *model)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->endpoints[i].name, model) == 0) return &r->endpoints[i];
    gm_endpoint *e = &r->endpoints[r->count];
    *e = (gm_endpoint){ .name = gm_arena_strdup(r->arena, model), .failed = "", .reason = "" };
    e->others = GM_ARENA_ARRAY(r->arena, gm_served *, GM_SERVED_MAX);
    if (!e->name || !e->others) return NULL;
    r->names[r->count++] = e->name;
    return e;
}

/* What answered under this name before: stays when the new one cannot be loaded. */
static void keep_old(const gm_server *s, gm_endpoint *e)
{
    const gm_endpoint *old = gm_routing_find(s->routing, (gm_slice){ e->name, strlen(e->name) });
    if (old && old->champion) e->champion = gm_served_ref(old->champion);
}

/* Is it worth another attempt? Not when the package is wrong: it stays as it is. */
static bool may_pass(gm_rc rc)
{
    return gm_rc_may_retry(rc) || rc == GM_ENOTFOUND; /* a file of the store that is not there now */
}

/* What could not be loaded: kept for the index, said, and tried again where that may help. */
static void not_loaded(gm_server *s, gm_routing *r, gm_endpoint *e, const gm_model_version *v, const char *what, const gm_err *err)
{
    char when[64] = "";
    if (may_pass(err->rc)) (void)snprintf(when, sizeof(when), "; again in %g s", (double)s->follow->wait_us / 1e6);
    r->again = r->again || may_pass(err->rc);
    const char *failed = gm_arena_printf(r->arena, "%" PRId64, v->version), *reason = gm_arena_printf(r->arena, "%s%s", err->message, when);
    if (failed && reason) {
        e->failed = failed;
        e->reason = reason;
    }
    gm_server_say(s, "%s: %s%s", what, err->message, when);
}

static void add_reference(gm_server *s, gm_routing *r, const char *ref)
{
    gm_model_version v;
    gm_err err;
    gm_served *served = NULL;
    char model[256];
    snprintf(model, sizeof(model), "%.*s", (int)strcspn(ref, "@/"), ref);
    gm_endpoint *e = endpoint_of(r, model);
    if (!e) return;
    gm_rc rc = gm_follow_resolve(s->follow, ref, r->arena, &v, &err);
    if (rc) {
        e->reason = gm_arena_strdup(r->arena, err.message);
        gm_server_say(s, "%s: %s", ref, err.message);
    } else {
        rc = version_get(s, &v, r->arena, &served, &err);
        if (rc) not_loaded(s, r, e, &v, ref, &err);
    }
    if (rc) {
        if (!e->champion) keep_old(s, e);
    } else if (!e->champion) {
        e->champion = served;
        e->follows = !strchr(ref, '/');
    } else if (e->champion == served || e->others_count == GM_SERVED_MAX) {
        gm_served_unref(served);
    } else {
        e->others[e->others_count++] = served;
    }
}

/* The release that runs beside a champion which is followed by its alias. */
static void add_release(gm_server *s, gm_routing *r, gm_endpoint *e)
{
    gm_err err;
    gm_model_version v;
    if (!e->champion || !e->follows || gm_release_get(s->follow->store, e->name, r->arena, &e->release, &err)) {
        e->release = (gm_release){ .mode = GM_RELEASE_NONE };
        return;
    }
    char ref[512];
    (void)snprintf(ref, sizeof(ref), "%s/%" PRId64, e->name, e->release.candidate);
    gm_rc rc = gm_follow_resolve(s->follow, ref, r->arena, &v, &err);
    if (!rc && version_get(s, &v, r->arena, &e->candidate, &err) == GM_OK) return;
    e->release.mode = GM_RELEASE_NONE;
    (void)snprintf(ref, sizeof(ref), "release %" PRId64 " of %s is not followed", e->release.id, e->name);
    if (rc)
        gm_server_say(s, "%s: %s", ref, err.message);
    else
        not_loaded(s, r, e, &v, ref, &err);
}

static bool was_unloaded(const gm_follow *f, const char *name)
{
    for (size_t i = 0; i < f->unloaded_count; i++)
        if (strcmp(f->unloaded[i], name) == 0) return true;
    return false;
}

/* References by alias, or those of fixed versions. The first that a model has answers when no version is named, so that the latter come
 * last: a version that is loaded beside the champion does not displace it. */
static void add_wanted(gm_server *s, gm_routing *r, bool fixed)
{
    const gm_follow *f = s->follow;
    for (size_t i = 0; i < f->wanted_count && r->count < GM_SERVED_MAX; i++)
        if ((strchr(f->wanted[i], '/') != NULL) == fixed) add_reference(s, r, f->wanted[i]);
}

gm_rc gm_routing_build(gm_server *s, gm_routing **out, gm_err *err)
{
    gm_follow *f = s->follow;
    gm_routing *r = routing_new(GM_SERVED_MAX);
    if (!r) return gm_err_set(err, GM_ENOMEM, "not enough memory for the routing table");
    add_wanted(s, r, false);
    gm_model_version *versions = NULL;
    size_t count = 0;
    gm_rc rc = f->all_champions ? gm_model_list(f->store, NULL, r->arena, &versions, &count, err) : GM_OK;
    for (size_t i = 0; !rc && i < count && r->count < GM_SERVED_MAX; i++)
        if (gm_word_listed(versions[i].aliases, "champion", strlen("champion")) && !was_unloaded(f, versions[i].model)) add_reference(s, r, versions[i].model);
    if (!rc) add_wanted(s, r, true);
    for (size_t i = 0; !rc && i < r->count; i++) add_release(s, r, &r->endpoints[i]);
    if (!rc) gm_routing_join(s, r);
    if (rc)
        gm_routing_unref(r);
    else
        *out = r;
    return rc;
}

gm_rc gm_routing_package(gm_server *s, gm_err *err)
{
    gm_node *schema = NULL;
    gm_served *served = NULL;
    gm_routing *r = routing_new(1);
    if (!r) return gm_err_set(err, GM_ENOMEM, "not enough memory for the routing table");
    gm_rc rc = gm_node_read_file(gm_path_join(r->arena, s->o.package_dir, "schema.json"), r->arena, &schema, err);
    const char *name = rc ? "" : s->o.package_name ? s->o.package_name : gm_node_str_or(schema, "pipeline", "model");
    if (!rc) rc = gm_served_open(s->o.package_dir, name, "1", NULL, false, s->lanes_count, &served, err);
    gm_endpoint *e = rc ? NULL : endpoint_of(r, name);
    if (!rc && !e) rc = gm_err_set(err, GM_ENOMEM, "not enough memory for the routing table");
    if (rc) {
        gm_served_unref(served);
        gm_routing_unref(r);
        return rc;
    }
    e->champion = served;
    gm_routing_publish(s, r);
    return GM_OK;
}

void gm_server_seen(gm_server *s, gm_served *served, gm_served_lane *sum)
{
    gm_breaches *out_breaches = sum->breaches;
    int64_t(*out_online)[GM_ONLINE_STATUSES] = sum->online;
    *sum = (gm_served_lane){ .breaches = out_breaches, .online = out_online };
    for (unsigned i = 0; i < s->lanes_count; i++) {
        const gm_served_lane *lane = &served->lanes[i];
        pthread_mutex_lock(&s->lanes[i].lock);
        gm_arm_add(&sum->seen, &lane->seen);
        gm_arm_add(&sum->tried, &lane->tried);
        sum->rows += lane->rows;
        sum->refused += lane->refused;
        sum->latency_us += lane->latency_us;
        if (lane->last_us > sum->last_us) sum->last_us = lane->last_us;
        for (size_t k = 0; out_online && k < served->joins_count; k++)
            for (int status = 0; status < GM_ONLINE_STATUSES; status++) out_online[k][status] += lane->online[k][status];
        for (size_t k = 0; out_breaches && k < served->schema.columns_count; k++) {
            out_breaches[k].missing += lane->breaches[k].missing;
            out_breaches[k].range += lane->breaches[k].range;
            out_breaches[k].unknown_category += lane->breaches[k].unknown_category;
        }
        pthread_mutex_unlock(&s->lanes[i].lock);
    }
}
