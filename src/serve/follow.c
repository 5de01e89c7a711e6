/* follow.c - the control thread's work: the store's changes become routing tables, and releases are judged.
 *
 * The store is asked under follow->lock only, by the control thread or by a worker that loads on demand. What could not be loaded is tried again
 * when the store says something new, and, unless the package itself is wrong, after pauses from 1 s up to a minute.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "serve/server_internal.h"

enum { JUDGE_EVERY_US = 1000000, AGAIN_US = 1000000, AGAIN_MAX_US = 60000000 };

/* ---- releases ------------------------------------------------------------------------------------------------------- */

static void arms_of(gm_server *s, const gm_endpoint *e, gm_arm_seen out[2])
{
    gm_served *arms[2] = { e->champion, e->candidate };
    for (int i = 0; i < 2; i++) {
        gm_served_lane sum = { 0 };
        gm_server_seen(s, arms[i], &sum);
        out[i] = sum.tried;
    }
}

static gm_trial *trial_of(gm_server *s, const gm_endpoint *e)
{
    gm_trial *slot = NULL;
    for (size_t i = 0; i < GM_SERVED_MAX; i++) {
        gm_trial *t = &s->follow->trials[i];
        if (t->release == e->release.id) return t;
        if (!slot && !t->release) slot = t;
    }
    if (!slot || !(slot->arena = gm_arena_new(0))) return NULL;
    slot->release = e->release.id;
    slot->verdict = GM_VERDICT_WAIT;
    slot->judge = gm_judge_new(&e->release, slot->arena);
    arms_of(s, e, slot->before);
    if (slot->judge) return slot;
    gm_arena_free(slot->arena);
    *slot = (gm_trial){ 0 };
    return NULL;
}

/* Trials whose release no endpoint runs any more. */
static void end_trials(gm_server *s)
{
    for (size_t i = 0; i < GM_SERVED_MAX; i++) {
        gm_trial *t = &s->follow->trials[i];
        bool runs = false;
        for (size_t k = 0; t->release && k < s->routing->count; k++)
            runs |= s->routing->endpoints[k].release.mode != GM_RELEASE_NONE && s->routing->endpoints[k].release.id == t->release;
        if (!t->release || runs) continue;
        gm_arena_free(t->arena);
        *t = (gm_trial){ 0 };
    }
}

/* What cannot be written now waits for the next look. A release that ended meanwhile is no failure. */
static void write_verdict(gm_server *s, const gm_endpoint *e, gm_trial *t)
{
    gm_err err;
    bool promote = t->verdict == GM_VERDICT_PROMOTE;
    gm_rc rc = gm_release_end_at(s->o.store_root, e->release.id, promote ? "promoted" : "rolled_back", t->reason, &err);
    if (rc && rc != GM_ECONFLICT) return;
    t->verdict = GM_VERDICT_WAIT;
    if (!rc) gm_server_say(s, "%s version %" PRId64 " of %s: %s", promote ? "promoted" : "rolled back", e->release.candidate, e->name, t->reason);
}

static void judge(gm_server *s)
{
    for (size_t i = 0; i < s->routing->count; i++) {
        const gm_endpoint *e = &s->routing->endpoints[i];
        gm_trial *t = e->release.mode != GM_RELEASE_NONE && e->candidate ? trial_of(s, e) : NULL;
        if (!t) continue;
        if (t->verdict == GM_VERDICT_WAIT) {
            gm_arm_seen arms[2];
            gm_judge_follow(t->judge, &e->release);
            arms_of(s, e, arms);
            for (int k = 0; k < 2; k++) gm_arm_subtract(&arms[k], &t->before[k]);
            t->verdict = gm_judge_look(t->judge, arms, gm_now_us(), t->reason, sizeof(t->reason));
        }
        if (t->verdict != GM_VERDICT_WAIT) write_verdict(s, e, t);
    }
}

/* ---- following ------------------------------------------------------------------------------------------------------ */

/* Builds and publishes; the caller holds follow->lock. */
static gm_rc renew(gm_server *s, gm_err *err)
{
    gm_follow *f = s->follow;
    gm_routing *r = NULL;
    f->wait_us = !f->wait_us ? AGAIN_US : f->wait_us < AGAIN_MAX_US / 2 ? f->wait_us * 2 : AGAIN_MAX_US;
    gm_rc rc = gm_routing_build(s, &r, err);
    bool again = rc || r->again;
    if (!again) f->wait_us = 0;
    f->again_us = again ? gm_monotonic_us() + f->wait_us : 0;
    if (rc) return rc;
    gm_routing_publish(s, r);
    end_trials(s);
    return GM_OK;
}

/* What is loaded needs its files no more (a graph that the runtime maps keeps its own); nobody waits for them to go, as those would who wait
 * for the first answer. */
static void clear_scratch(gm_server *s)
{
    const char **names = NULL;
    size_t count = 0;
    gm_err err;
    gm_arena *a = gm_arena_new(0);
    if (!a || gm_fs_list(s->o.scratch_dir, a, &names, &count, &err)) count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *path = gm_path_join(a, s->o.scratch_dir, names[i]);
        if (path) (void)gm_fs_remove_tree(path, &err); /* else it goes with the folder, at the end */
    }
    gm_arena_free(a);
    s->follow->scratch_used = false;
}

void gm_follow_look(gm_server *s)
{
    gm_follow *f = s->follow;
    gm_err err;
    int64_t version = 0, now = gm_monotonic_us();
    if (!f->store) return;
    pthread_mutex_lock(&f->lock);
    if (now - f->judged_us >= JUDGE_EVERY_US) {
        f->judged_us = now;
        judge(s);
    }
    bool moved = gm_store_data_version(f->store, &version, &err) == GM_OK && version != f->data_version;
    if (moved) {
        f->data_version = version;
        f->wait_us = 0;
    }
    if ((moved || (f->again_us && now >= f->again_us)) && renew(s, &err))
        gm_server_say(s, "the store could not be followed: %s; again in %g s", err.message, (double)f->wait_us / 1e6);
    if (moved) gm_metrics_watched_renew(s);
    if (f->scratch_used) clear_scratch(s);
    pthread_mutex_unlock(&f->lock);
}

gm_rc gm_follow_resolve(const gm_follow *f, const char *ref, gm_arena *a, gm_model_version *out, gm_err *err)
{
    char full[520];
    (void)snprintf(full, sizeof(full), ref[strcspn(ref, "@/")] ? "%s" : "%s@champion", ref);
    return gm_model_resolve(f->store, full, a, out, err);
}

static gm_rc want(gm_follow *f, const char *ref, gm_err *err)
{
    for (size_t i = 0; i < f->wanted_count; i++)
        if (strcmp(f->wanted[i], ref) == 0) return GM_OK;
    char *copy = f->wanted_count < GM_SERVED_MAX ? strdup(ref) : NULL;
    if (!copy) return gm_err_set(err, GM_ENOMEM, "a server holds at most %d models", GM_SERVED_MAX);
    f->wanted[f->wanted_count++] = copy;
    return GM_OK;
}

static gm_rc open_store(gm_server *s, gm_err *err)
{
    gm_follow *f = s->follow;
    gm_rc rc = gm_store_open(s->o.store_root, &(gm_store_options){ .read_only = true }, &f->store, err);
    if (!rc) rc = gm_store_data_version(f->store, &f->data_version, err);
    f->all_champions = s->o.refs_count == 0;
    for (size_t i = 0; !rc && i < s->o.refs_count; i++) {
        gm_model_version v; /* a name that is not there now is a mistake; what goes missing later is not */
        const char *ref = s->o.refs[i];
        rc = want(f, ref, err);
        if (!rc) rc = gm_follow_resolve(f, ref, s->arena, &v, err);
    }
    if (!rc) rc = renew(s, err);
    if (!rc) gm_metrics_watched_renew(s);
    return rc;
}

gm_rc gm_follow_new(gm_server *s, gm_err *err)
{
    s->follow = GM_ARENA_NEW(s->arena, gm_follow);
    if (!s->follow) return gm_err_set(err, GM_ENOMEM, "not enough memory to follow the store");
    pthread_mutex_init(&s->follow->lock, NULL);
    pthread_mutex_init(&s->follow->watched_lock, NULL);
    return s->o.package_dir ? gm_routing_package(s, err) : open_store(s, err);
}

void gm_follow_free(gm_server *s)
{
    gm_follow *f = s->follow;
    if (!f) return;
    for (size_t i = 0; i < f->wanted_count; i++) free(f->wanted[i]);
    for (size_t i = 0; i < f->unloaded_count; i++) free(f->unloaded[i]);
    for (size_t i = 0; i < GM_SERVED_MAX; i++) gm_arena_free(f->trials[i].arena);
    gm_store_close(f->store);
    gm_buf_clear(&f->watched);
    pthread_mutex_destroy(&f->watched_lock);
    pthread_mutex_destroy(&f->lock);
    gm_routing_unref(s->routing);
    s->routing = NULL;
}

/* ---- on demand ------------------------------------------------------------------------------------------------------ */

static void drop_text(char **texts, size_t *count, size_t at)
{
    free(texts[at]);
    texts[at] = texts[--*count];
}

static gm_rc no_store(const gm_follow *f, gm_err *err)
{
    return f->store ? GM_OK : gm_err_set(err, GM_EUNSUPPORTED, "this server has one package and no store to load from");
}

gm_rc gm_server_load(gm_lane *lane, gm_slice model, gm_slice version, gm_err *err)
{
    gm_server *s = lane->server;
    gm_follow *f = s->follow;
    char ref[512], name[256];
    gm_model_version v;
    if (model.len >= sizeof(name) || version.len >= 200) return gm_err_set(err, GM_ENOTFOUND, "no model has so long a name");
    (void)snprintf(name, sizeof(name), "%.*s", (int)model.len, model.data);
    if (strpbrk(name, "/:@")) return gm_err_set(err, GM_ENOTFOUND, "no model is named \"%.100s\"", name);
    (void)snprintf(ref, sizeof(ref), version.len ? "%s/%.*s" : "%s", name, (int)version.len, version.data);
    gm_rc rc = no_store(f, err);
    if (rc) return rc;
    pthread_mutex_lock(&f->lock);
    gm_arena *a = gm_arena_new(0);
    rc = a ? gm_follow_resolve(f, ref, a, &v, err) : gm_err_set(err, GM_ENOMEM, "not enough memory to load a model");
    for (size_t i = f->unloaded_count; !rc && i-- > 0;)
        if (strcmp(f->unloaded[i], name) == 0) drop_text(f->unloaded, &f->unloaded_count, i);
    if (!rc && !(f->all_champions && !version.len)) rc = want(f, ref, err);
    if (!rc) rc = renew(s, err);
    const gm_endpoint *e = rc ? NULL : gm_routing_find(s->routing, model);
    if (!rc && (!e || !e->champion)) rc = gm_err_set(err, GM_EUNAVAILABLE, "model \"%s\" could not be loaded: %s", name, e ? e->reason : "");
    gm_arena_free(a);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

gm_rc gm_server_unload(gm_lane *lane, gm_slice model, gm_err *err)
{
    gm_server *s = lane->server;
    gm_follow *f = s->follow;
    gm_rc rc = no_store(f, err);
    if (rc) return rc;
    pthread_mutex_lock(&f->lock);
    const gm_endpoint *e = gm_routing_find(s->routing, model);
    if (!e)
        rc = gm_err_set(err, GM_ENOTFOUND, "no model \"%.*s\" is served here", (int)(model.len < 100 ? model.len : 100), model.data);
    for (size_t i = f->wanted_count; !rc && i-- > 0;)
        if (gm_slice_is((gm_slice){ f->wanted[i], strcspn(f->wanted[i], "@/") }, e->name)) drop_text(f->wanted, &f->wanted_count, i);
    char *name = !rc && f->all_champions && f->unloaded_count < GM_SERVED_MAX ? strdup(e->name) : NULL;
    if (name) f->unloaded[f->unloaded_count++] = name;
    if (!rc) rc = renew(s, err);
    pthread_mutex_unlock(&f->lock);
    return rc;
}
