/* repository.c - what the server has, for the routes that ask: readiness, index, statistics. See infer.h. */
#include <string.h>

#include "base/clock.h"
#include "serve/server_internal.h"

const gm_http_route *gm_server_routes(gm_lane *lane, size_t *out_count)
{
    *out_count = lane->server->routes_count;
    return lane->server->routes;
}

bool gm_server_ready(gm_lane *lane)
{
    const gm_routing *r = lane->routing;
    if (__atomic_load_n(&lane->server->draining, __ATOMIC_ACQUIRE) || !r || !r->count) return false;
    for (size_t i = 0; i < r->count; i++)
        if (!r->endpoints[i].champion) return false;
    return true;
}

/* Versions of an endpoint, those that answer first; NULL entries left out. out holds 2 + others_count. */
static size_t versions_of(const gm_endpoint *e, gm_served **out)
{
    size_t count = 0;
    if (e->champion) out[count++] = e->champion;
    if (e->candidate) out[count++] = e->candidate;
    for (size_t i = 0; i < e->others_count; i++) out[count++] = e->others[i];
    return count;
}

static size_t versions_max(const gm_routing *r)
{
    size_t count = 0;
    for (size_t i = 0; r && i < r->count; i++) count += 3 + r->endpoints[i].others_count; /* and one that could not be loaded */
    return count;
}

gm_rc gm_server_index(gm_lane *lane, gm_arena *a, gm_version_state **out, size_t *out_count, gm_err *err)
{
    gm_served *versions[2 + GM_SERVED_MAX];
    size_t count = 0;
    gm_version_state *states = GM_ARENA_ARRAY(a, gm_version_state, versions_max(lane->routing));
    if (!states) return gm_err_set(err, GM_ENOMEM, "not enough memory for the repository's index");
    for (size_t i = 0; lane->routing && i < lane->routing->count; i++) {
        const gm_endpoint *e = &lane->routing->endpoints[i];
        size_t found = versions_of(e, versions);
        for (size_t k = 0; k < found; k++) states[count++] = (gm_version_state){ e->name, versions[k]->version, "READY", "" };
        if (!e->champion || e->failed[0]) states[count++] = (gm_version_state){ e->name, e->failed, "UNAVAILABLE", e->reason };
    }
    *out = states;
    *out_count = count;
    return GM_OK;
}

/* Of a moment of the monotonic clock, which the path of a request reads anyway; 0 = none. */
static int64_t wall_clock_of(int64_t monotonic_us)
{
    return monotonic_us ? gm_now_us() - (gm_monotonic_us() - monotonic_us) : 0;
}

static void add_stats(gm_lane *lane, const gm_endpoint *e, gm_slice version, gm_version_stats *out, size_t *count)
{
    gm_served *versions[2 + GM_SERVED_MAX];
    size_t found = versions_of(e, versions);
    for (size_t k = 0; k < found; k++) {
        gm_served_lane sum = { 0 };
        if (version.len && !gm_slice_is(version, versions[k]->version)) continue;
        gm_server_seen(lane->server, versions[k], &sum);
        out[(*count)++] = (gm_version_stats){ .model = e->name, .version = versions[k]->version, .requests = sum.seen.requests, .rows = sum.rows,
                                              .errors = sum.seen.errors, .refused = sum.refused, .latency_us = sum.latency_us, .last_us = wall_clock_of(sum.last_us) };
    }
}

gm_rc gm_server_stats(gm_lane *lane, gm_slice model, gm_slice version, gm_arena *a, gm_version_stats **out, size_t *out_count, gm_err *err)
{
    size_t count = 0;
    const gm_routing *r = lane->routing;
    gm_version_stats *stats = GM_ARENA_ARRAY(a, gm_version_stats, versions_max(r));
    if (!stats) return gm_err_set(err, GM_ENOMEM, "not enough memory for statistics");
    for (size_t i = 0; r && i < r->count; i++)
        if (!model.len || gm_slice_is(model, r->endpoints[i].name)) add_stats(lane, &r->endpoints[i], version, stats, &count);
    if (!count && model.len)
        return gm_err_set(err, GM_ENOTFOUND, "no such version of model \"%.*s\" is served here", (int)(model.len < 100 ? model.len : 100), model.data);
    *out = stats;
    *out_count = count;
    return GM_OK;
}
